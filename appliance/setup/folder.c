/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/setup/folder.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

/* What a box keeps in its folder; anything else there is somebody's and is not touched. */
static const char *const ours[] = {
	"lock",		"log.db",	"log.db-wal",	    "log.db-shm",      "log.db-journal",
	"view.db",	"view.db-wal",	"view.db-shm",	    "view.db-journal", "local.db",
	"local.db-wal", "local.db-shm", "local.db-journal", "control.sock",    "blobs",
	"tls",		"git",		"key.tmp",	    "backup.tmp",      "kept",
	"proof.tmp",	"setup.tmp",	"clock",	    "clock.tmp",       "origin",
	"format",	"format.tmp",
	"running",	"running.tmp",	"sudden-ends",	    "sudden-ends.tmp",
	"before",	"before.tmp",	"back",		    "network-before",  "update",
	"ballast",	"view.db.new",	"view.db.new-wal",  "view.db.new-shm",
	"reserve",
};

static bool is_ours(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (!strcmp(ours[i], name))
			return true;
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static struct error *look_for_strangers(const char *dir)
{
	_cleanup_(freep) char *key = path_join(dir, "key");
	DIR *d = opendir(dir);
	struct error *e = NULL;
	struct dirent *f;
	struct stat st;

	if (!d)
		return file_error(errno, dir);
	if (!lstat(key, &st))
		e = error_new(ERR_EXISTS,
			      N_("There is a box in %s already. Choose another folder."), dir);
	while (!e && (f = readdir(d)))
		if (!is_ours(f->d_name))
			e = error_new(
				ERR_EXISTS,
				N_("%s holds %s, which is not a box's. Choose an empty folder."),
				dir, f->d_name);
	closedir(d);
	return e;
}

/* The certificate that people have accepted, and the file they have sent. */
static bool is_setups(const char *name)
{
	return !strcmp(name, "tls") || !strcmp(name, "setup.tmp");
}

struct error *setup_folder_clear(const char *dir, bool keep)
{
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		_cleanup_(freep) char *path = path_join(dir, ours[i]);
		struct stat st;

		if (!strcmp(ours[i], "lock") || (keep && is_setups(ours[i])) || lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode))
			TRY(dir_remove(path));
		else if (unlink(path))
			return file_error(errno, path);
	}
	return NULL;
}

bool setup_is_box(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "key");
	struct stat st;

	return lstat(path, &st) == 0;
}

struct error *setup_folder_check(const char *dir)
{
	TRY(dir_make(dir, 0700));
	return look_for_strangers(dir);
}
