/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/db/db_priv.h"
#include <sys/stat.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>

struct db_stmts {
	struct db_stmts *next;
	const char *const *sql; /* the table it was prepared from */
	int n;
	sqlite3_stmt *st[];
};

struct error *db_fault(const char *path, int rc, int errnum, const char *words)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return error_new(ERR_FULL,
				 N_("The disk is full: %s could not be written. Free some space "
				    "and try again."),
				 path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
		return error_new(ERR_BUSY,
				 N_("The database %s is being used by another program. Try again "
				    "soon."),
				 path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return error_new(ERR_CORRUPT,
				 N_("The database %s is damaged (%s). Bring it back from a peer or "
				    "a backup."),
				 path, words);
	case SQLITE_NOMEM:
		return error_new(ERR_NOMEM, N_("The box has run out of memory. Try again soon."));
	case SQLITE_CONSTRAINT:
		if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
			return error_new(ERR_EXISTS, N_("It is already in %s (%s)."), path, words);
		break;
	case SQLITE_CANTOPEN:
		if (errnum == ENOENT)
			return error_new(ERR_NOT_FOUND, N_("There is no file %s."), path);
		if (errnum == ENOSPC || errnum == EDQUOT)
			return db_fault(path, SQLITE_FULL, 0, words);
		break;
	case SQLITE_IOERR:
		if (errnum == ENOSPC || errnum == EDQUOT)
			return db_fault(path, SQLITE_FULL, 0, words);
		return error_new(ERR_IO, N_("The disk failed under the database %s (%s)."), path,
				 words);
	}
	return error_new(ERR_DB, N_("The database %s refused: %s."), path, words);
}

struct error *db_error(struct db *db, int rc)
{
	return db_fault(db->path, rc, sqlite3_system_errno(db->sq), sqlite3_errmsg(db->sq));
}

struct error *db_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->sq, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? NULL : db_error(db, rc);
}

/* --- opening --- */
static const char *const own_sql[] = {
	[OWN_BEGIN] = "BEGIN IMMEDIATE",
	[OWN_BEGIN_READ] = "BEGIN",
	[OWN_COMMIT] = "COMMIT",
	[OWN_ROLLBACK] = "ROLLBACK",
	[OWN_SAVEPOINT] = "SAVEPOINT part",
	[OWN_RELEASE] = "RELEASE part",
	[OWN_UNDO] = "ROLLBACK TO part",
	[OWN_UNUSED] = "PRAGMA freelist_count",
	[OWN_PAGES] = "PRAGMA page_count",
	/* What was written before gap.c was there is wiped once in each file: 0: that was not begun; 1: it is
	 * done; else the pages that are done, negative. */
	[OWN_SWEPT] = "PRAGMA user_version",
	[OWN_PAGE] = "PRAGMA page_size",
};

static struct error *set_pragmas(struct db *db, enum db_mode mode, int cache_kib)
{
	static const char *const synchronous[] = {
		[DB_READER] = "PRAGMA query_only=ON",
		[DB_WRITER] = "PRAGMA synchronous=FULL",
		[DB_DERIVED] = "PRAGMA synchronous=NORMAL",
		[DB_TEST_NOSYNC] = "PRAGMA synchronous=OFF",
		[DB_SCRATCH] = "PRAGMA synchronous=OFF",
	};
	char cache[64];

	/* Before it is DEFENSIVE, which does not allow it. */
	if (mode == DB_SCRATCH)
		TRY(db_exec(db, "PRAGMA journal_mode=OFF; PRAGMA locking_mode=EXCLUSIVE"));
	sqlite3_db_config(db->sq, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sq, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* Only the writer moves the log into the file, also when it is closed. */
	sqlite3_db_config(db->sq, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, mode == DB_READER, NULL);
	sqlite3_busy_timeout(db->sq, 10000);
	snprintf(cache, sizeof(cache), "PRAGMA cache_size=-%d", cache_kib);
	TRY(db_exec(db, cache));
	TRY(db_exec(db, "PRAGMA mmap_size=0; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON;"
			"PRAGMA temp_store=MEMORY;"));
	if (mode == DB_READER)
		TRY(db_exec(db, "PRAGMA wal_autocheckpoint=0"));
	else if (mode != DB_SCRATCH)
		TRY(db_exec(db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=4000;"
				"PRAGMA journal_size_limit=67108864;"));
	if (mode != DB_READER)
		TRY(db_exec(db, "PRAGMA max_page_count=" GAP_PAGES));
	return db_exec(db, synchronous[mode]);
}

struct error *db_sweep(struct db *db, int64_t pages, bool *ret_more)
{
	int64_t done, next;
	char sql[60];
	int rc;

	TRY(db_number(db, db->own, OWN_SWEPT, 0, &done, ""));
	*ret_more = done <= 0 && db->gaps;
	if (!*ret_more)
		return NULL;
	if (!done)
		TRY(db_checkpoint(db, true));
	rc = gaps_clean(db->sq, db->gaps, -done, pages, &next);
	if (rc != SQLITE_OK)
		return db_error(db, rc);
	sqlite3_db_release_memory(db->sq); /* pages as they were before */
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%lld", next ? -(long long)next : 1LL);
	TRY(db_exec(db, sql));
	*ret_more = next != 0;
	return NULL;
}

struct error *db_is_swept(struct db *db, bool *ret)
{
	int64_t done;

	TRY(db_number(db, db->own, OWN_SWEPT, 0, &done, ""));
	*ret = done == 1;
	return NULL;
}

/* SQLite counts the bytes of all connections under one lock, at each allocation: nobody here asks. */
static void count_no_bytes(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* For its own user alone, whatever the folder says: SQLite makes what it makes beside it alike. By their
 * names, for closing a descriptor of a database would let go of all its locks. */
static void keep_private(const char *path)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		_cleanup_(freep) char *file = NULL;

		if (asprintf(&file, "%s%s", path, ends[i]) < 0)
			abort();
		if (lstat(file, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) &&
		    chmod(file, st.st_mode & 0700))
			continue; /* it is somebody else's */
	}
}

/* 64 MiB: some two seconds of a slow card. */
enum { SWEEP_AT_OPENING = 16384 };

struct error *db_open(const char *path, enum db_mode mode, int cache_kib, struct db **ret_db)
{
	/* A reader is opened read-write too, for it must be able to make the shared memory of the
	 * write-ahead log; query_only keeps it from writing. */
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		    SQLITE_OPEN_NOFOLLOW | (mode == DB_READER ? 0 : SQLITE_OPEN_CREATE);
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_cleanup_(db_closep) struct db *db = calloc(1, sizeof(*db));
	bool more;
	int rc;

	if (!db)
		abort();
	pthread_once(&once, count_no_bytes);
	db->path = strdup(path);
	rc = sqlite3_open_v2(path, &db->sq, flags, NULL);
	if (rc != SQLITE_OK)
		return db_fault(path, rc, db->sq ? sqlite3_system_errno(db->sq) : 0,
				sqlite3_errstr(rc));
	if (mode != DB_READER) {
		keep_private(path);
		rc = gaps_wipe(db->sq, &db->gaps);
	}
	if (rc == SQLITE_OK)
		rc = words_register(db->sq);
	if (rc != SQLITE_OK)
		return db_error(db, rc);
	TRY(set_pragmas(db, mode, cache_kib));
	TRY(db_prepare(db, own_sql, ARRAY_LEN(own_sql), &db->own));
	/* Where a reader or the disk is in the way, the next one who opens it does it. */
	if (mode != DB_READER)
		error_free(db_sweep(db, SWEEP_AT_OPENING, &more));
	*ret_db = STEAL(db);
	return NULL;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	while (db->sets) {
		struct db_stmts *next = db->sets->next;

		for (int i = 0; i < db->sets->n; i++)
			sqlite3_finalize(db->sets->st[i]);
		free(db->sets);
		db->sets = next;
	}
	/* Every statement is ours and finalized above: this can't be refused. */
	sqlite3_close(db->sq);
	gaps_free(db->gaps);
	free(db->path);
	free(db);
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->sq);
}

const char *db_path(const struct db *db)
{
	return db->path;
}

struct error *db_remove(const char *path)
{
	static const char *const ends[] = {"-shm", "-wal", ""};
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	char name[4200];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		int rc;

		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		rc = vfs->xDelete(vfs, name, 1);
		if (rc != SQLITE_OK && rc != SQLITE_IOERR_DELETE_NOENT)
			return db_fault(path, rc, errno, sqlite3_errstr(rc));
	}
	return NULL;
}

/* --- statements --- */
struct error *db_prepare(struct db *db, const char *const *sql, int n, struct db_stmts **ret)
{
	struct db_stmts *s;

	for (s = db->sets; s; s = s->next)
		if (s->sql == sql && s->n == n) {
			*ret = s;
			return NULL;
		}
	s = calloc(1, sizeof(*s) + sizeof(s->st[0]) * (size_t)n);
	if (!s)
		abort();
	s->n = n;
	s->next = db->sets;
	db->sets = s;
	for (int i = 0; i < n; i++) {
		int rc = sqlite3_prepare_v3(db->sq, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &s->st[i], NULL);

		if (rc != SQLITE_OK)
			return db_error(db, rc);
	}
	s->sql = sql; /* found again only when it is whole */
	*ret = s;
	return NULL;
}

sqlite3_stmt *db_stmt(struct db_stmts *s, int which)
{
	assert(which >= 0 && which < s->n);
	sqlite3_reset(s->st[which]);
	sqlite3_clear_bindings(s->st[which]);
	return s->st[which];
}

static void bind_span(sqlite3_stmt *st, int at, struct span s)
{
	if (s.p)
		sqlite3_bind_blob64(st, at, s.p, s.n, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

static void bind_all(sqlite3_stmt *st, const char *fmt, va_list ap)
{
	for (int i = 1; *fmt; fmt++, i++) {
		switch (*fmt) {
		case 'i':
			sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 's':
			sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
			break;
		case 'b':
			bind_span(st, i, va_arg(ap, struct span));
			break;
		case 'k':
			bind_span(st, i, span_of(va_arg(ap, const void *), 32));
			break;
		case 'n':
			sqlite3_bind_null(st, i);
			break;
		case 'd':
			sqlite3_bind_double(st, i, va_arg(ap, double));
			break;
		default:
			assert(!"a letter that db_bind does not know");
		}
	}
}

void db_bind(sqlite3_stmt *st, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	bind_all(st, fmt, ap);
	va_end(ap);
}

struct error *db_step(struct db *db, sqlite3_stmt *st, bool *ret_row)
{
	int rc = sqlite3_step(st);
	struct error *err;

	if (rc == SQLITE_ROW) {
		*ret_row = true;
		return NULL;
	}
	if (rc == SQLITE_DONE) {
		sqlite3_reset(st);
		*ret_row = false;
		return NULL;
	}
	err = db_error(db, rc);
	sqlite3_reset(st);
	return err;
}

bool db_next(struct db *db, sqlite3_stmt *st, struct error **io_err)
{
	bool row = false;

	if (*io_err)
		sqlite3_reset(st);
	else
		*io_err = db_step(db, st, &row);
	return row;
}

struct error *db_run(struct db *db, sqlite3_stmt *st)
{
	bool row;

	do
		TRY(db_step(db, st, &row));
	while (row);
	return NULL;
}

struct error *db_do(struct db *db, struct db_stmts *s, int which, const char *fmt, ...)
{
	sqlite3_stmt *st = db_stmt(s, which);
	va_list ap;

	va_start(ap, fmt);
	bind_all(st, fmt, ap);
	va_end(ap);
	return db_run(db, st);
}

struct error *db_number(struct db *db, struct db_stmts *s, int which, int64_t otherwise,
			int64_t *ret, const char *fmt, ...)
{
	sqlite3_stmt *st = db_stmt(s, which);
	bool row;
	va_list ap;

	va_start(ap, fmt);
	bind_all(st, fmt, ap);
	va_end(ap);
	TRY(db_step(db, st, &row));
	*ret = row && !db_is_null(st, 0) ? db_int(st, 0) : otherwise;
	sqlite3_reset(st);
	return NULL;
}

static int ask(void *ctx)
{
	struct db *db = ctx;

	return db->gives_up(db->gives_up_ctx);
}

void db_give_up(struct db *db, bool (*fn)(void *ctx), void *ctx)
{
	enum { STEPS = 20000 };

	db->gives_up = fn;
	db->gives_up_ctx = ctx;
	sqlite3_progress_handler(db->sq, STEPS, fn ? ask : NULL, db);
}

int64_t db_int(sqlite3_stmt *st, int col)
{
	return sqlite3_column_int64(st, col);
}

const char *db_text(sqlite3_stmt *st, int col)
{
	const unsigned char *s = sqlite3_column_text(st, col);

	return s ? (const char *)s : "";
}

struct span db_blob(sqlite3_stmt *st, int col)
{
	const void *p = sqlite3_column_blob(st, col);

	return span_of(p, (size_t)sqlite3_column_bytes(st, col));
}

bool db_is_null(sqlite3_stmt *st, int col)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL;
}

bool db_id(sqlite3_stmt *st, int col, void *out32)
{
	struct span s = db_blob(st, col);

	if (s.n != 32) {
		memset(out32, 0, 32);
		return false;
	}
	memcpy(out32, s.p, 32);
	return true;
}

int64_t db_last_rowid(struct db *db)
{
	return sqlite3_last_insert_rowid(db->sq);
}

int db_changes(struct db *db)
{
	return sqlite3_changes(db->sq);
}
