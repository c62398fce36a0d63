/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the daemon of a box needs of the machine, so that all else can be kept from it. */
#include "appliance/box/box.h"
#include "appliance/carry/sandbox.h"
#include "appliance/command/cmd.h"

enum { READS = 48, WRITES = 10 };

/* Programs and what they load; names and addresses; what the kernel says of the machine. Not
 * among them: who may sign in, other services' files, the settings of the network with its
 * passwords. */
static const char *const system_reads[] = {
	"/usr",
	"/lib",
	"/lib64",
	"/proc",
	"/sys",
	"/run",
	"/dev/urandom",
	"/dev/random",
	"/dev/null",
	"/etc/ld.so.cache",
	"/etc/ld.so.preload",
	"/etc/localtime",
	"/etc/machine-id",
	"/etc/os-release",
	"/etc/hostname",
	"/etc/hosts",
	"/etc/host.conf",
	"/etc/resolv.conf",
	"/etc/nsswitch.conf",
	"/etc/gai.conf",
	"/etc/services",
	"/etc/protocols",
	"/etc/passwd",
	"/etc/group",
	"/etc/ssl",
	"/etc/gnutls",
	"/etc/ca-certificates",
	"/etc/udev",
};

/* The folder in which the data folder is, or will be. */
static char *parent_of(const char *dir)
{
	const char *slash = strrchr(dir, '/');

	return slash ? strndup(dir, slash == dir ? 1 : (size_t)(slash - dir)) : strdup(".");
}

static struct walls raise_walls(const struct command_run *run, const struct app_box *box)
{
	_cleanup_(freep) char *above = path_join(run->dir, ".."), *parent = parent_of(run->dir);
	const char *read[READS] = {box->sys,  box->proc,    box->state,
				   box->left, box->release, box->avahi};
	/* The folder of updates is beside the data, which may be behind a link, or not there yet.
	 * SQLite's own files without a name are in /var/tmp. */
	const char *const write[WRITES] = {above, parent, box->sticks, box->network, box->label,
					   "/tmp", "/var/tmp",	"/dev/null"};
	size_t n = 6;

	for (size_t i = 0; i < ARRAY_LEN(system_reads) && n < READS - 1; i++)
		read[n++] = system_reads[i];
	return sandbox_daemon(&(struct sandbox_paths){read, write});
}

void serve_behind_walls(const struct command_run *run)
{
	const char *root = command_option(run, "--box");
	struct app_box box;
	struct walls w;

	box_paths(root, &box);
	/* Elsewhere volunteers may have backups made into any folder. */
	w = root ? raise_walls(run, &box) : sandbox_daemon(NULL);
	if (root && !w.landlock)
		fprintf(run->note,
			"This kernel has no Landlock: the daemon does without that wall.\n");
	if (!w.seccomp)
		fprintf(run->note,
			"This kernel has no seccomp: the daemon does without that wall.\n");
}
