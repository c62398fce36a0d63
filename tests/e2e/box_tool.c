/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The root helper of a box that is a folder: the real one, at ROOT/run/lliure-helper.sock, whose
 * programs are played here. lliure-update is the real one, too, and so is RAUC where it only looks
 * at bundles; installing and the boot state are played, and a restart is noted in ROOT/restarted.
 *
 *   box_tool ROOT UPDATES DATA     until it is killed
 */
#include "firmware/helper/helper.h"
#include "firmware/update/update.h"
#include "sync/base/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct machine {
	const char *root;
	struct updater u;
	char *restarted, *installed, *healthy;
};

static void note(const char *path, const char *text)
{
	error_free(file_write(path, span_str(text), 0644));
}

static int systemctl(struct machine *m, const char *const *argv)
{
	const char *what = argv[1] && argv[2] && argv[3] ? argv[3] : "";

	if (argv[1] && argv[2] && !strcmp(argv[2], "reboot"))
		note(m->restarted, "restarted\n");
	if (!strcmp(what, "lliure-look.service"))
		update_look(&m->u);
	if (!strcmp(what, "lliure-update.service"))
		update_install(&m->u);
	return 0;
}

static int play(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	struct machine *m = ctx;
	const char *name = strrchr(argv[0], '/') + 1;

	if (!strcmp(name, "systemctl"))
		return systemctl(m, argv);
	if (!strcmp(name, "lliure-update") && argv[1] && !strcmp(argv[1], "healthy"))
		return update_healthy(&m->u);
	if (!strcmp(name, "lliure-boot")) {
		buf_puts(out, "running=A\nnext=A\ngood=A\ntry=-\nok=AB\nn=0\narmed=-0\n");
		return 0;
	}
	if (!strcmp(name, "rauc") && argv[1] && argv[2] && !strcmp(argv[2], "install")) {
		note(m->installed, argv[3]);
		return 0;
	}
	return !strcmp(name, "rauc") ? helper_ops_system.run(ctx, argv, seconds, out) : 1;
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	unlink(path);
	return sock >= 0 && bind(sock, (struct sockaddr *)&a, sizeof(a)) == 0 &&
			       listen(sock, 16) == 0
		       ? sock
		       : -1;
}

int main(int argc, char **argv)
{
	static struct machine m;
	struct helper_ops ops = {.ctx = &m, .run = play, .now_ms = helper_ops_system.now_ms};
	struct helper h = {.ops = &ops, .uid = geteuid(), .gid = getegid()};
	int sock;

	if (argc != 4)
		return 2;
	m.root = argv[1];
	m.restarted = path_join(m.root, "restarted");
	m.installed = path_join(m.root, "installed");
	m.u = (struct updater){.ctx = &m,
			       .run = play,
			       .run_saying = play,
			       .now_ms = helper_ops_system.now_ms,
			       .state = path_join(m.root, "state/lliure"),
			       .tmp = path_join(m.root, "run/lliure-update"),
			       .updates = argv[2],
			       .data = argv[3],
			       .release = path_join(m.root, "etc/os-release"),
			       .conf = path_join(m.root, "etc/rauc/system.conf")};
	h.sys = path_join(m.root, "sys");
	h.dev = path_join(m.root, "dev");
	h.proc = path_join(m.root, "proc");
	h.sticks = path_join(m.root, "run/lliure-sticks");
	h.state = m.u.state;
	h.updates = m.u.updates;
	h.run = m.u.tmp;
	h.zones = "/usr/share/zoneinfo";
	sock = listen_at(path_join(m.root, "run/lliure-helper.sock"));
	if (sock < 0) {
		perror("box_tool");
		return 1;
	}
	for (;;)
		helper_serve(&h, sock, 3600);
}
