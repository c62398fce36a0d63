/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Verbs about the system's own updates. */
#include "firmware/helper/helper_priv.h"
#include <fcntl.h>
#include <sys/stat.h>

/* A regular file of the daemon's folder, by one name, no link. It may change afterwards: the
 * updater reads it through RAUC, which checks the signature and then every block it uses. */
static bool bundle_is_there(const struct helper *h, const char *name)
{
	_cleanup_(closep) int dir =
		open(h->updates, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(closep) int fd =
		dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static enum fault begin(const struct helper *h, const struct words *w, const char *request,
			const char *service, struct answer *a)
{
	const char *argv[] = {"/usr/bin/systemctl", "--no-block", "start", service, NULL};
	enum fault f;

	if (!bundle_is_there(h, w->v[1]))
		return fault_about(a, FAULT_NO_FILE, w->v[1]);
	f = put_file(h->run, request, w->v[1], a);
	return f ? f : run_program(h, argv, RUN_S, a);
}

/* The updater is a service of its own: it works for minutes, and writes down what came of it. */
enum fault act_update(const struct helper *h, const struct words *w, struct answer *a)
{
	return begin(h, w, "update-request", "lliure-update.service", a);
}

/* So is who looks at one first, as the daemon's own user and behind walls of its own: the bytes are
 * anybody's. */
enum fault act_look(const struct helper *h, const struct words *w, struct answer *a)
{
	return begin(h, w, "look-request", "lliure-look.service", a);
}

enum fault act_healthy(const struct helper *h, const struct words *w, struct answer *a)
{
	static const char *const argv[] = {"/usr/bin/lliure-update", "healthy", NULL};

	(void)w;
	return run_program(h, argv, RUN_S, a);
}

enum fault act_newer_data(const struct helper *h, const struct words *w, struct answer *a)
{
	static const char *const argv[] = {"/usr/bin/lliure-update", "newer-data", NULL};

	(void)w;
	return run_program(h, argv, RUN_S, a);
}

/* The daemon found something wrong. A system that is being tried out is given up for it; one that
 * was healthy once is not. */
enum fault act_unwell(const struct helper *h, const struct words *w, struct answer *a)
{
	static const char *const argv[] = {"/usr/bin/systemctl", "--no-block", "start",
					   "lliure-judge.service", NULL};
	enum fault f = put_file(h->run, "unwell", w->v[1], a);

	return f ? f : run_program(h, argv, RUN_S, a);
}
