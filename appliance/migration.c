/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/migration.h"
#include "appliance/community/community.h"
#include "sync/base/file.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MB ((uint64_t)1024 * 1024)

enum { FORMAT_TEXT = 24 };

/* In the order in which they go back. view.db is made anew by whoever finds another's. */
static const char *const files[] = {"log.db", "local.db"};

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* A writer, so that what a crash left in the write-ahead log is taken in. */
static struct error *open_file(const char *path, struct db **ret)
{
	return db_open(path, DB_WRITER, 2048, ret);
}

/* 0: there are no data, or they have no format. */
static struct error *format_of(const char *dir, int64_t *ret)
{
	int64_t sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_(freep) char *path = path_join(dir, files[i]);
		_cleanup_(db_closep) struct db *db = NULL;
		int64_t format = 0;
		struct error *e;

		if (!there(path))
			continue;
		TRY(open_file(path, &db));
		e = db_format(db, &format);
		/* Cut off at its very first opening: there is no table yet. */
		if (e && error_code(e) != ERR_DB)
			return e;
		error_free(e);
		sum += format;
	}
	*ret = sum;
	return NULL;
}

/* --- the snapshot ------------------------------------------------------------------------------
 */

/* Twice: the copies, and what the migration itself writes. */
static struct error *need_room(const char *dir)
{
	uint64_t need = 8 * MB;
	char text[FORMAT_TEXT];
	struct statvfs fs;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_(freep) char *path = path_join(dir, files[i]);
		struct stat st;

		if (stat(path, &st) == 0)
			need += 2 * (uint64_t)st.st_size;
	}
	if (statvfs(dir, &fs) || (uint64_t)fs.f_bavail * fs.f_frsize >= need)
		return NULL;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(need / MB + 1));
	return error_new(
		ERR_FULL,
		N_("This program stores data in a newer format, and the disk has no room for "
		   "the copy that it makes before it changes anything: %s MB must be free."),
		text);
}

static struct error *copy_file(const char *dir, const char *to_dir, const char *name)
{
	_cleanup_(freep) char *from = path_join(dir, name), *to = path_join(to_dir, name);
	_cleanup_(db_closep) struct db *db = NULL;

	TRY(open_file(from, &db));
	return db_backup(db, to);
}

static struct error *fill(const char *dir, const char *tmp, int64_t format)
{
	_cleanup_(freep) char *note = path_join(tmp, "format");
	char text[FORMAT_TEXT];

	TRY(dir_make(tmp, 0700));
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		TRY(copy_file(dir, tmp, files[i]));
	snprintf(text, sizeof(text), "%lld\n", (long long)format);
	return file_write(note, span_str(text), 0600);
}

static struct error *snapshot(const char *dir, int64_t format)
{
	_cleanup_(freep) char *tmp = path_join(dir, "before.tmp"),
			      *whole = path_join(dir, "before");
	struct error *e;

	TRY(dir_remove(tmp)); /* of a try that was cut off */
	TRY(need_room(dir));
	e = fill(dir, tmp, format);
	if (!e && rename(tmp, whole))
		e = file_error(errno, whole);
	if (!e)
		return dir_sync(dir);
	error_free(dir_remove(tmp));
	return e;
}

/* --- and back ----------------------------------------------------------------------------------
 */

static struct error *put_back(const char *dir, const char *back, const char *name)
{
	_cleanup_(freep) char *from = path_join(back, name), *to = path_join(dir, name);

	if (!there(from)) /* done before a cut */
		return NULL;
	TRY(db_remove(to));
	ENSURE(rename(from, to) == 0, file_error(errno, to));
	return dir_sync(dir);
}

/* As often as it takes: what is in DIR/back is not in place yet. */
static struct error *finish(const char *dir)
{
	_cleanup_(freep) char *back = path_join(dir, "back"), *note = path_join(back, "format"),
			      *format = path_join(dir, "format");
	_cleanup_(buf_release) struct buf b = {0};

	if (!there(back))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		TRY(put_back(dir, back, files[i]));
	TRY(file_read(note, FORMAT_TEXT, &b));
	TRY(file_write(format, buf_span(&b), 0600));
	return dir_remove(back);
}

struct error *migration_take_back(const char *dir)
{
	_cleanup_(freep) char *whole = path_join(dir, "before"), *back = path_join(dir, "back");

	ENSURE(rename(whole, back) == 0, file_error(errno, whole));
	TRY(dir_sync(dir));
	return finish(dir);
}

struct error *migration_keep(const char *dir)
{
	_cleanup_(freep) char *whole = path_join(dir, "before"),
			      *tmp = path_join(dir, "before.tmp");

	/* From one moment to the other: half of a snapshot must not look like one. */
	TRY(dir_remove(tmp));
	ENSURE(rename(whole, tmp) == 0, file_error(errno, whole));
	TRY(dir_sync(dir));
	return dir_remove(tmp);
}

/* --- the decision ------------------------------------------------------------------------------
 */

/* The format of the snapshot; 0: there is none. */
static int64_t kept_format(const char *dir)
{
	_cleanup_(freep) char *whole = path_join(dir, "before"), *note = path_join(whole, "format");
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(note, FORMAT_TEXT, &b);
	int64_t format = e ? 0 : strtoll(buf_str(&b), NULL, 10);

	error_free(e);
	return format;
}

struct error *migration_begin(const char *dir, bool *ret_begun)
{
	int64_t ours = conn_format(), stored, kept;

	TRY(finish(dir));
	TRY(format_of(dir, &stored));
	kept = kept_format(dir);
	*ret_begun = false;
	if (kept && kept == ours) {
		/* A newer program began, and did not come to its end. */
		return stored == ours ? migration_keep(dir) : migration_take_back(dir);
	}
	if (kept && kept < ours)
		*ret_begun = true; /* ours did: it goes on */
	else if (!kept && stored && stored < ours) {
		TRY(snapshot(dir, stored));
		*ret_begun = true;
	}
	return NULL;
}
