/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/proof.h"
#include "appliance/app_priv.h"
#include <sys/stat.h>
#include <sys/statvfs.h>

/* The bundle, and what is made of it, lie there at the same time, unpacked. */
enum { ROOM_TIMES = 4 };

static struct error *check_room(struct app *app, int fd)
{
	struct statvfs fs;
	struct stat st;

	if (statvfs(app->dir, &fs) || fstat(fd, &st))
		return NULL;
	ENSURE((uint64_t)fs.f_bavail * fs.f_frsize > (uint64_t)st.st_size * ROOM_TIMES,
	       error_new(ERR_FULL, N_("There is not enough room on this box's disk to try the"
				      " backup out.")));
	return NULL;
}

static struct error *check_entries(struct app *app, const char *dir, struct proof *ret)
{
	_cleanup_(freep) char *path = path_join(dir, "log.db");
	_cleanup_(log_closep) struct log_store *log = NULL;
	struct error *first = NULL;
	struct verify_report r;

	TRY(log_open(&(struct log_open){.path = path,
					.mode = DB_READER,
					.env = app->env,
					.self = *secret_pubkey(app->self)},
		     &log));
	TRY(log_verify(log, NULL, NULL, &r, &first));
	ret->entries = r.entries;
	return first;
}

static struct error *try_out(struct app *app, const char *dir, int fd, const char *name,
			     struct proof *ret)
{
	struct restore_done done;

	TRY(backup_restore(&(struct restore){.dir = dir,
					     .env = app->env,
					     .fd = fd,
					     .name = name,
					     .key = {.box = app->self},
					     .ending = &app->ending,
					     .trial = true},
			   &done));
	TRY(done.damaged);
	ret->compared = done.compared;
	return check_entries(app, dir, ret);
}

struct error *proof_run(struct app *app, int fd, const char *name, struct proof *ret)
{
	_cleanup_(freep) char *dir = path_join(app->dir, "proof.tmp");
	struct proof p = {0};
	struct error *e;

	TRY(check_room(app, fd));
	TRY(dir_remove(dir));
	TRY(dir_make(dir, 0700));
	e = try_out(app, dir, fd, name, &p);
	error_free(dir_remove(dir));
	TRY(e);
	*ret = p;
	return NULL;
}
