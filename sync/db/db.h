/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A thin hand on SQLite: opening with the right settings, a table of statements prepared at open,
 * bound parameters only, numbered migrations, savepoints.
 *
 * A `struct db` is one connection and belongs to one thread. Exactly one connection per file is
 * opened DB_WRITER: only it writes and checkpoints (SQLite before 3.51.3 can corrupt a WAL database
 * when two do); DB_READER connections are query_only with wal_autocheckpoint=0. mmap_size=0,
 * secure_delete=ON, foreign_keys=ON, journal_mode=WAL; synchronous is FULL for truth, NORMAL for views
 * that can be made anew (DB_DERIVED), and OFF for a file that nobody opens after a crash (DB_SCRATCH):
 * that one has no journal, either, so nothing in it can be undone. After any error it is thrown away.
 *
 * Errors: ERR_DB with SQLite's words and the file's name; ERR_FULL; ERR_BUSY; ERR_CORRUPT; ERR_IO;
 * ERR_EXISTS for a row that would break a UNIQUE or PRIMARY KEY; ERR_NOT_FOUND when a reader's file
 * is not there. After ERR_FULL, ERR_IO and ERR_NOMEM SQLite may have rolled the whole transaction
 * back by itself; db_release and db_commit then fail, db_undo and db_rollback do nothing.
 */
#pragma once
#include "sync/base/error.h"
#include "sync/base/span.h"
#include <sqlite3.h>

enum db_mode {
	DB_READER = 0,
	DB_WRITER = 1,
	DB_DERIVED = 2,	   /* a writer whose file can be made anew: synchronous=NORMAL */
	DB_TEST_NOSYNC = 3, /* a writer for simulations: synchronous=OFF */
	DB_SCRATCH = 4 /* the only one who opens a file that is gone after a crash or an error */
};

struct db;

/* Opens (a writer creates) the file. cache_kib bounds the page cache. The first writer who opens a file
 * that an older program wrote begins to sweep it (db_sweep); where that can't be done (a reader is in the
 * way for a quarter of a second, the disk fails), the next one does it. */
struct error *db_open(const char *path, enum db_mode mode, int cache_kib, struct db **ret_db) MUST;
/* What db_checkpoint says of deleted rows holds of what an older program left only when a file was
 * read and wiped once. That is done in pieces of so many pages, by a writer outside a transaction,
 * and goes on where it was when the file is opened again; *ret_more: it is not done. Of most files
 * all of it is done at opening. */
struct error *db_sweep(struct db *db, int64_t pages, bool *ret_more) MUST;
struct error *db_is_swept(struct db *db, bool *ret) MUST; /* all of it is done */
/* For a file that came from elsewhere, before anything else is done with it: it is whole, and nothing
 * in it runs by itself (triggers, views, virtual tables). ERR_CORRUPT. */
struct error *db_vet(const char *path) MUST;
/* SQLite's own look at every page of an open database. ERR_CORRUPT. */
struct error *db_quick_check(struct db *db) MUST;
/* The sum of all numbers of its migrations: grows with each, so that of two programs that made it the
 * one with the smaller number can't read what the other left. */
struct error *db_format(struct db *db, int64_t *ret) MUST;
void db_close(struct db *db);
DEFINE_CLEANUP(struct db *, db_close)
const char *db_path(const struct db *db);
/* Deletes a closed database with its write-ahead log and shared memory, for good (the folder is
 * synced). One that is not there is no error. */
struct error *db_remove(const char *path) MUST;

/* Migrations: `name` has a row in schema_version; steps after its number run in order, each in one
 * transaction, and a number higher than n is ERR_VERSION (written by newer software). */
struct error *db_migrate(struct db *db, const char *name, const char *const *steps, int n) MUST;

/* Statements: a module declares an enum and a table of SQL in the same order, and prepares it once
 * per connection. The set is freed with the connection. The same table again gives the same set. */
struct db_stmts;
struct error *db_prepare(struct db *db, const char *const *sql, int n, struct db_stmts **ret) MUST;
/* The statement, reset and with bindings cleared; borrowed, used until the next db_stmt of the same
 * number. Use db_bind, then db_step. */
sqlite3_stmt *db_stmt(struct db_stmts *s, int which);

/* Bind by a format, one letter a parameter from ?1: i int64_t, s const char * (NULL is NULL),
 * b struct span (p NULL is NULL), k a pointer to 32 bytes (NULL is NULL), n NULL, d double.
 * Texts and blobs are borrowed until the statement is reset. */
void db_bind(sqlite3_stmt *st, const char *fmt, ...);
/* SQLITE_ROW -> *ret_row = true; SQLITE_DONE -> false (and the statement is reset). */
struct error *db_step(struct db *db, sqlite3_stmt *st, bool *ret_row) MUST;
/*
 * Walk the rows of a statement that is bound:
 *	while (db_next(db, st, &e)) { …; e = fn(ctx, &x); }
 *	return e;
 * False behind the last row, where a step failed (*io_err says why), and where the body left an error
 * in *io_err, which is NULL at first; the statement is reset then. Who breaks off resets it himself.
 */
bool db_next(struct db *db, sqlite3_stmt *st, struct error **io_err);
/* Run a statement that gives no row. */
struct error *db_run(struct db *db, sqlite3_stmt *st) MUST;
/* Bind and run in one: db_do(db, stmts, STMT_X, "ki", &id, n). */
struct error *db_do(struct db *db, struct db_stmts *s, int which, const char *fmt, ...) MUST;
/* The first column of the first row as a number; `otherwise` when there is no row or it is NULL. */
struct error *db_number(struct db *db, struct db_stmts *s, int which, int64_t otherwise,
			int64_t *ret, const char *fmt, ...) MUST;
struct error *db_exec(struct db *db, const char *sql) MUST; /* constant SQL only */

/* From now on it is asked each millisecond or so that a statement runs: true, and it is given up with
 * ERR_BUSY, as is the transaction when it writes. NULL: none is. */
void db_give_up(struct db *db, bool (*fn)(void *ctx), void *ctx);

/* Columns of the current row. */
int64_t db_int(sqlite3_stmt *st, int col);
const char *db_text(sqlite3_stmt *st, int col); /* "" for NULL; borrowed until the next step */
struct span db_blob(sqlite3_stmt *st, int col); /* likewise */
bool db_is_null(sqlite3_stmt *st, int col);
/* Exactly 32 bytes into out; false (out zeroed) when the column holds anything else. */
bool db_id(sqlite3_stmt *st, int col, void *out32);
int64_t db_last_rowid(struct db *db);
int db_changes(struct db *db);

/*
 * Full-text tables that are looked through in parts, so that a question costs what a part costs, however
 * many rows there are: `tokenize = 'parted remove_diacritics 2'` is unicode61, but a text that begins with
 * DB_PART_BEGIN, at most 15 bytes and DB_PART_END has only words of that part, and so has a phrase that is
 * asked for. `fit(table, weight of a column, …)` says how well a row fits, the smaller the better: bm25
 * without how rare each word is and how long the other rows are, so that it is the same however the rows are
 * parted, and tells nobody of rows that they may not see.
 */
#define DB_PART_BEGIN "\x03"
#define DB_PART_END   "\x04"

/* Transactions (writers). begin is IMMEDIATE. Rolling back when none is open does nothing. */
struct error *db_begin(struct db *db) MUST;
bool db_in_transaction(const struct db *db);
struct error *db_begin_read(struct db *db) MUST; /* a snapshot for a reader */
struct error *db_commit(struct db *db) MUST;
/* In a transaction, before the commit of another database whose commit this one is to follow: all that
 * was written here goes into the write-ahead log, and room is taken for what its commit adds. A disk that
 * is full refuses here (ERR_FULL: roll back), and no longer then; only one that fails does. */
struct error *db_ready(struct db *db) MUST;
void db_rollback(struct db *db);
/* Reset every statement and end an open transaction: a reader that is lent to somebody else must not hold on
 * to an old snapshot (stale rows, and a write-ahead log that can't be emptied). */
void db_quiet(struct db *db);
struct error *db_savepoint(struct db *db) MUST; /* nested, one level */
struct error *db_release(struct db *db) MUST;
void db_undo(struct db *db); /* back to the savepoint, and forget it */
/* Move the log into the file; truncate empties the write-ahead log as well (erasure), for good: a
 * power cut, too, brings nothing of it back. No byte of a row that was deleted before is then in
 * either file, also not in a page that the row was once moved away from, and none comes back from
 * the page cache. ERR_BUSY when readers are in the way for a quarter of a second. */
struct error *db_checkpoint(struct db *db, bool truncate) MUST;
/* By so many bytes the file grows with that; where the disk has less it is not begun (ERR_FULL). */
struct error *db_debt(struct db *db, uint64_t *ret) MUST;
/* Bytes inside the file that what is written next takes before the file grows. */
struct error *db_unused(struct db *db, uint64_t *ret) MUST;
/* A copy of the file as it is now, by SQLite's backup interface; dest must not exist. */
struct error *db_backup(struct db *db, const char *dest) MUST;
/* Everything in `to` becomes what is in `from`, in one transaction: readers of `to` see the old or the
 * new, and a crash leaves one of them. Memory is bounded by the page caches. No transaction is open on
 * either; statements of `to` go on working. */
struct error *db_copy(struct db *from, struct db *to) MUST;
