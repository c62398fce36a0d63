/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Transactions, migrations, checkpoints and copies. */
#include "sync/db/db_priv.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static struct error *run_own(struct db *db, int which)
{
	return db_run(db, db_stmt(db->own, which));
}

static int64_t pages_written(struct db *db)
{
	int n = 0, high;

	sqlite3_db_status(db->sq, SQLITE_DBSTATUS_CACHE_WRITE, &n, &high, 0);
	return n;
}

struct error *db_begin(struct db *db)
{
	db->written = pages_written(db);
	return run_own(db, OWN_BEGIN);
}

struct error *db_begin_read(struct db *db)
{
	return run_own(db, OWN_BEGIN_READ);
}

struct error *db_commit(struct db *db)
{
	struct error *e = run_own(db, OWN_COMMIT);

	/* A write that has no room leaves nothing (SQLITE_FULL). After any other fault it may be there at the
	 * next opening, also where the disk says that it is full: that is no "try again". */
	if (error_is(e, ERR_FULL) && (sqlite3_extended_errcode(db->sq) & 0xff) == SQLITE_IOERR)
		error_replace(&e, error_new(ERR_IO, N_("The disk failed under the database %s (%s)."), db->path,
					    sqlite3_errmsg(db->sq)));
	return e;
}

/* The write-ahead log, and so many frames of it as are committed, at most: mxFrame of
 * https://www.sqlite.org/walformat.html#the_wal_index_header. */
static int committed_frames(struct db *db, uint32_t *ret)
{
	enum { AT_MX_FRAME = 16, REGION = 32768 };
	volatile void *index = NULL;
	sqlite3_file *file = NULL;
	int rc = sqlite3_file_control(db->sq, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (rc == SQLITE_OK)
		rc = file->pMethods->xShmMap(file, 0, REGION, 0, &index);
	*ret = 0;
	if (rc == SQLITE_OK && index)
		memcpy(ret, (const char *)(const void *)index + AT_MX_FRAME, sizeof(*ret));
	return rc;
}

/* Places of frames in the -shm, so that no commit has to make it longer: 4,062 in its first part, 4,096 in
 * each other (https://www.sqlite.org/walformat.html#the_wal_index_file_format). */
static int take_places(struct db *db, int64_t frames)
{
	enum { REGION = 32768, FIRST = 4062, EACH = 4096 };
	sqlite3_file *file = NULL;
	volatile void *index;
	int rc = sqlite3_file_control(db->sq, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	int last = (int)((frames + EACH - FIRST - 1) / EACH);

	for (int i = 0; rc == SQLITE_OK && i <= last; i++)
		rc = file->pMethods->xShmMap(file, i, REGION, 1, &index);
	return rc;
}

/* A commit adds a frame at the least, and one for each page that is in use at this moment (the first). */
static int take_room(struct db *db, int64_t page)
{
	static const uint8_t none[4096];
	enum { WAL_HEADER = 32, FRAME_HEADER = 24, COMMIT_FRAMES = 8 };
	sqlite3_file *wal = NULL;
	sqlite3_int64 size, end;
	uint32_t frames;
	int64_t then;
	int rc = sqlite3_file_control(db->sq, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);

	if (rc != SQLITE_OK || !wal || !wal->pMethods)
		return rc;
	rc = committed_frames(db, &frames);
	if (rc == SQLITE_OK)
		rc = wal->pMethods->xFileSize(wal, &size);
	then = frames + pages_written(db) - db->written + COMMIT_FRAMES;
	end = WAL_HEADER + then * (page + FRAME_HEADER);
	while (rc == SQLITE_OK && size < end) {
		int n = end - size < (int)sizeof(none) ? (int)(end - size) : (int)sizeof(none);

		rc = wal->pMethods->xWrite(wal, none, n, size);
		size += n;
	}
	return rc == SQLITE_OK ? take_places(db, then) : rc;
}

struct error *db_ready(struct db *db)
{
	int64_t page;
	int rc;

	TRY(db_number(db, db->own, OWN_PAGE, 0, &page, ""));
	rc = sqlite3_db_cacheflush(db->sq);
	if (rc != SQLITE_OK)
		return db_error(db, rc);
	if (pages_written(db) == db->written)
		return NULL;
	errno = 0;
	rc = take_room(db, page);
	/* The files were asked past SQLite, which knows of no fault: the system's own word counts. */
	return rc == SQLITE_OK ? NULL : db_fault(db->path, rc, errno, sqlite3_errstr(rc));
}

static void for_undoing(struct db *db, int which)
{
	/* SQLite ends a transaction by itself after some faults (a full disk): then there is
	 * nothing left to undo, and what can fail here has failed before. */
	if (!sqlite3_get_autocommit(db->sq))
		error_free(run_own(db, which));
}

void db_rollback(struct db *db)
{
	for_undoing(db, OWN_ROLLBACK);
}

void db_quiet(struct db *db)
{
	for (sqlite3_stmt *st = NULL; (st = sqlite3_next_stmt(db->sq, st));) {
		if (sqlite3_stmt_busy(st))
			sqlite3_reset(st);
	}
	db_rollback(db);
}

struct error *db_savepoint(struct db *db)
{
	return run_own(db, OWN_SAVEPOINT);
}

struct error *db_release(struct db *db)
{
	return run_own(db, OWN_RELEASE);
}

void db_undo(struct db *db)
{
	for_undoing(db, OWN_UNDO);
	for_undoing(db, OWN_RELEASE);
}

/* SQLite empties the write-ahead log and does not sync it: after a power cut the old one could be
 * there again, with what was erased in it. */
static int sync_emptied(struct db *db)
{
	sqlite3_file *wal = NULL;
	int rc = sqlite3_file_control(db->sq, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);

	if (rc != SQLITE_OK || !wal || !wal->pMethods)
		return rc;
	return wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
}

/* So many pages as the statement says, in bytes. */
static struct error *bytes_of(struct db *db, int pages, uint64_t *ret)
{
	int64_t n, size;

	TRY(db_number(db, db->own, pages, 0, &n, ""));
	TRY(db_number(db, db->own, OWN_PAGE, 0, &size, ""));
	*ret = (uint64_t)(n * size);
	return NULL;
}

struct error *db_unused(struct db *db, uint64_t *ret)
{
	return bytes_of(db, OWN_UNUSED, ret);
}

struct error *db_debt(struct db *db, uint64_t *ret)
{
	sqlite3_file *file = NULL;
	sqlite3_int64 there = 0;
	uint64_t all;
	int rc = sqlite3_file_control(db->sq, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (rc == SQLITE_OK && file && file->pMethods)
		rc = file->pMethods->xFileSize(file, &there);
	if (rc != SQLITE_OK)
		return db_error(db, rc);
	TRY(bytes_of(db, OWN_PAGES, &all));
	*ret = all > (uint64_t)there ? all - (uint64_t)there : 0;
	return NULL;
}

/* A log that has no room to go into the file takes the last there is and stays: it is not begun. (A disk
 * that does not say how much is free has enough.) */
static struct error *has_room_for_debt(struct db *db)
{
	struct statvfs fs;
	uint64_t debt;

	TRY(db_debt(db, &debt));
	if (debt && statvfs(db->path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < debt)
		return db_fault(db->path, SQLITE_FULL, 0, "");
	return NULL;
}

struct error *db_checkpoint(struct db *db, bool truncate)
{
	int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	int rc;

	TRY(has_room_for_debt(db));
	/* Truncating waits for readers: not for long, the caller may come again. */
	sqlite3_busy_timeout(db->sq, 250);
	rc = sqlite3_wal_checkpoint_v2(db->sq, NULL, mode, NULL, NULL);
	sqlite3_busy_timeout(db->sq, 10000);
	if (rc == SQLITE_OK && truncate)
		rc = sync_emptied(db);
	/* Cached pages may still have in their gaps what the file has no longer (gap.c): written
	 * again, they would bring it into the write-ahead log. */
	if (rc == SQLITE_OK && truncate)
		sqlite3_db_release_memory(db->sq);
	return rc == SQLITE_OK ? NULL : db_error(db, rc);
}

struct error *db_copy(struct db *from, struct db *to)
{
	sqlite3_backup *copy = sqlite3_backup_init(to->sq, "main", from->sq, "main");
	int rc;

	if (!copy)
		return db_error(to, sqlite3_extended_errcode(to->sq));
	/* In one step: a concurrent writer can't make it start again. */
	sqlite3_backup_step(copy, -1);
	rc = sqlite3_backup_finish(copy);
	return rc == SQLITE_OK ? NULL : db_error(to, rc);
}

struct error *db_backup(struct db *db, const char *dest)
{
	_cleanup_(db_closep) struct db *to = calloc(1, sizeof(*to));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE;
	struct stat st;
	int rc;

	if (!to)
		abort();
	if (lstat(dest, &st) == 0)
		return error_new(ERR_EXISTS, N_("The file %s is already there."), dest);
	to->path = strdup(dest);
	rc = sqlite3_open_v2(dest, &to->sq, flags, NULL);
	if (rc != SQLITE_OK)
		return db_fault(dest, rc, to->sq ? sqlite3_system_errno(to->sq) : 0,
				sqlite3_errstr(rc));
	rc = gaps_wipe(to->sq, &to->gaps);
	if (rc != SQLITE_OK)
		return db_error(to, rc);
	return db_copy(db, to);
}

/* --- migrations --- */
static struct error *version_of(struct db *db, const char *name, int64_t *ret)
{
	static const char *const sql[] = {"SELECT version FROM schema_version WHERE name=?1"};
	struct db_stmts *s;

	TRY(db_prepare(db, sql, 1, &s));
	return db_number(db, s, 0, 0, ret, "s", name);
}

struct error *db_format(struct db *db, int64_t *ret)
{
	static const char *const sql[] = {"SELECT sum(version) FROM schema_version"};
	struct db_stmts *s;

	TRY(db_prepare(db, sql, 1, &s));
	return db_number(db, s, 0, 0, ret, "");
}

static struct error *migrate_step(struct db *db, const char *name, const char *step, int number)
{
	static const char *const sql[] = {
		"INSERT INTO schema_version(name, version) VALUES (?1, ?2)"
		" ON CONFLICT(name) DO UPDATE SET version=excluded.version"};
	struct db_stmts *s;

	TRY(db_prepare(db, sql, 1, &s));
	TRY(db_begin(db));
	struct error *err = db_exec(db, step);
	if (!err)
		err = db_do(db, s, 0, "si", name, (int64_t)number);
	if (!err)
		err = db_commit(db);
	if (err)
		db_rollback(db);
	return err;
}

struct error *db_migrate(struct db *db, const char *name, const char *const *steps, int n)
{
	int64_t have;

	TRY(db_exec(db, "CREATE TABLE IF NOT EXISTS schema_version"
			"(name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT"));
	TRY(version_of(db, name, &have));
	if (have > n)
		return error_new(ERR_VERSION,
				 N_("The database %s was written by newer software. Update this "
				    "box first."),
				 db->path);
	for (int i = (int)have; i < n; i++)
		TRY(migrate_step(db, name, steps[i], i + 1));
	return NULL;
}
