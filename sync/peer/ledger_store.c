/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The ledger on disk: one row for each (peer, space), its counts as a blob of our own. */
#include "sync/base/arena.h"
#include "sync/base/buf.h"
#include "sync/base/limits.h"
#include "sync/peer/ledger_priv.h"

const char *const ledger_migrations[] = {
	"CREATE TABLE ledger (peer BLOB NOT NULL, space BLOB NOT NULL, day INTEGER NOT NULL,"
	"  counts BLOB NOT NULL, PRIMARY KEY (peer, space)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE ledger_times (peer BLOB PRIMARY KEY, times INTEGER NOT NULL) STRICT;",
};
const int ledger_migrations_n = ARRAY_LEN(ledger_migrations);

enum { ROWS_ALL, ROWS_OF, ROW_PUT, ROW_DROP, TIMES_ALL, TIMES_OF, TIMES_PUT, TIMES_REMOVE, STMTS };
#define COLUMNS "SELECT peer, space, day, counts FROM ledger"
static const char *const sql[] = {
	[ROWS_ALL] = COLUMNS " ORDER BY peer, space",
	[ROWS_OF] = COLUMNS " WHERE peer=?1 ORDER BY space",
	[ROW_PUT] = "INSERT OR REPLACE INTO ledger VALUES (?1,?2,?3,?4)",
	[ROW_DROP] = "DELETE FROM ledger WHERE peer=?1 AND space=?2",
	[TIMES_ALL] = "SELECT peer, times FROM ledger_times",
	[TIMES_OF] = "SELECT times FROM ledger_times WHERE peer=?1",
	[TIMES_PUT] = "INSERT OR REPLACE INTO ledger_times VALUES (?1,?2)",
	[TIMES_REMOVE] = "DELETE FROM ledger_times WHERE peer=?1",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	return db_prepare(local, sql, STMTS, ret);
}

/* --- counts as bytes: today's, then all, in the order of the table, which only grows --- */
static void write_counts(const struct ledger_row *r, struct buf *out)
{
	buf_u8(out, LEDGER_ITEMS);
	for (int i = 0; i < LEDGER_ITEMS; i++) {
		buf_u64(out, r->today.n[i]);
		buf_u64(out, r->total.n[i]);
	}
}

static void read_row(sqlite3_stmt *st, struct ledger_row *r)
{
	struct reader in = reader_of(db_blob(st, 3));
	unsigned n = reader_u8(&in);

	memset(r, 0, sizeof(*r));
	db_id(st, 0, r->peer.b);
	db_id(st, 1, r->space.b);
	r->day = db_int(st, 2);
	for (unsigned i = 0; i < n && i < LEDGER_ITEMS; i++) {
		r->today.n[i] = reader_u64(&in);
		r->total.n[i] = reader_u64(&in);
	}
}

static struct error *load_rows(struct ledger *l, struct db *local, struct db_stmts *s)
{
	sqlite3_stmt *st = db_stmt(s, ROWS_ALL);
	struct error *e = NULL;

	while (db_next(local, st, &e)) {
		struct ledger_line *line;
		struct ledger_row r;

		read_row(st, &r);
		line = ledger_line(l, &r.peer, &r.space);
		if (line)
			line->row = r; /* of an older day: begun anew at its next use */
	}
	return e;
}

static struct error *load_times(struct ledger *l, struct db *local, struct db_stmts *s)
{
	sqlite3_stmt *st = db_stmt(s, TIMES_ALL);
	const struct hash of_peer = {{0}};
	struct error *e = NULL;

	while (db_next(local, st, &e)) {
		struct ledger_line *line;
		struct pubkey peer;

		db_id(st, 0, peer.b);
		line = ledger_line(l, &peer, &of_peer);
		if (line)
			line->times = (unsigned)db_int(st, 1);
	}
	return e;
}

struct error *ledger_load(struct ledger *l, struct db *local)
{
	struct db_stmts *s;
	struct error *err;

	TRY(statements(local, &s));
	pthread_mutex_lock(&l->lock);
	err = load_times(l, local, s); /* first: they say how many spaces a peer may have */
	if (!err)
		err = load_rows(l, local, s);
	pthread_mutex_unlock(&l->lock);
	return err;
}

static struct error *save_row(struct db *local, struct db_stmts *s, const struct ledger_row *r)
{
	_cleanup_(buf_release) struct buf counts = {0};

	write_counts(r, &counts);
	return db_do(local, s, ROW_PUT, "kkib", &r->peer, &r->space, r->day, buf_span(&counts));
}

/* The lock is not held while the disk works. */
static size_t take_changed(struct ledger *l, struct ledger_row **ret, struct buf *gone)
{
	struct ledger_row *rows;
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	rows = calloc(l->n + 1, sizeof(*rows));
	if (!rows)
		abort();
	for (size_t i = 0; i < l->n; i++)
		if (l->lines[i]->changed) {
			rows[n++] = l->lines[i]->row;
			l->lines[i]->changed = false;
		}
	l->changed = false;
	*gone = l->gone;
	l->gone = (struct buf){0};
	pthread_mutex_unlock(&l->lock);
	*ret = rows;
	return n;
}

static struct error *drop_rows(struct db *local, struct db_stmts *s, const struct buf *gone)
{
	for (size_t at = 0; at < gone->n; at += 64)
		TRY(db_do(local, s, ROW_DROP, "kk", gone->p + at, gone->p + at + 32));
	return NULL;
}

struct error *ledger_save(struct ledger *l, struct db *local)
{
	_cleanup_(buf_release) struct buf gone = {0};
	struct ledger_row *rows;
	struct error *err = NULL;
	struct db_stmts *s;
	size_t n;

	TRY(statements(local, &s));
	n = take_changed(l, &rows, &gone);
	err = drop_rows(local, s, &gone); /* first: one of them may have come back */
	for (size_t i = 0; !err && i < n; i++)
		err = save_row(local, s, &rows[i]);
	free(rows);
	return err;
}

/* --- for pages and commands --- */
struct error *ledger_each(struct db *local, const struct pubkey *peer, ledger_fn *fn, void *ctx)
{
	_cleanup_(buf_release) struct buf rows = {0};
	struct db_stmts *s;
	sqlite3_stmt *st;
	struct error *e = NULL;

	TRY(statements(local, &s));
	st = db_stmt(s, ROWS_OF);
	db_bind(st, "k", peer);
	while (db_next(local, st, &e)) {
		struct ledger_row r;

		read_row(st, &r);
		buf_add(&rows, &r, sizeof(r));
	}
	TRY(e);
	for (size_t i = 0; i < rows.n / sizeof(struct ledger_row); i++)
		TRY(fn(ctx, (const struct ledger_row *)(const void *)rows.p + i));
	return NULL;
}

struct error *ledger_times(struct db *local, const struct pubkey *peer, unsigned *ret)
{
	struct db_stmts *s;
	int64_t times;

	TRY(statements(local, &s));
	TRY(db_number(local, s, TIMES_OF, 1, &times, "k", peer));
	*ret = (unsigned)times;
	return NULL;
}

struct error *ledger_put_times(struct db *local, const struct pubkey *peer, unsigned times)
{
	struct db_stmts *s;

	ENSURE(times <= LEDGER_TIMES_MOST,
	       error_new(ERR_INVALID, N_("That is more than a box may be allowed.")));
	TRY(statements(local, &s));
	if (times == 1)
		return db_do(local, s, TIMES_REMOVE, "k", peer);
	return db_do(local, s, TIMES_PUT, "ki", peer, (int64_t)times);
}
