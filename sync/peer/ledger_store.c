/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The ledger on disk: one row for each (peer, space), its counts as a blob of our own. */
#include "sync/base/arena.h"
#include "sync/base/buf.h"
#include "sync/base/limits.h"
#include "sync/peer/ledger_priv.h"
#include <string.h>

const char *const ledger_migrations[] = {
	"CREATE TABLE ledger (peer BLOB NOT NULL, space BLOB NOT NULL, day INTEGER NOT NULL,"
	"  counts BLOB NOT NULL, PRIMARY KEY (peer, space)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE ledger_times (peer BLOB PRIMARY KEY, times INTEGER NOT NULL) STRICT;",
	"CREATE TABLE ledger_writer (writer BLOB NOT NULL, space BLOB NOT NULL, void INTEGER NOT NULL,"
	"  day INTEGER NOT NULL, bytes INTEGER NOT NULL, entries INTEGER NOT NULL,"
	"  logs INTEGER NOT NULL, PRIMARY KEY (writer, space, void)) STRICT, WITHOUT ROWID;",
	"CREATE TABLE ledger_brought (space BLOB PRIMARY KEY, peer BLOB NOT NULL, day INTEGER NOT NULL,"
	"  counts INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};
const int ledger_migrations_n = ARRAY_LEN(ledger_migrations);

enum {
	ROWS_ALL,
	ROWS_OF,
	ROW_PUT,
	ROW_DROP,
	TIMES_ALL,
	TIMES_OF,
	TIMES_PUT,
	TIMES_REMOVE,
	WRITERS_ALL,
	WRITER_PUT,
	WRITERS_OLD,
	BROUGHT_ALL,
	BROUGHT_PUT,
	BROUGHT_OLD,
	STMTS
};
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
	[WRITERS_ALL] = "SELECT writer, space, void, day, bytes, entries, logs FROM ledger_writer",
	[WRITER_PUT] = "INSERT OR REPLACE INTO ledger_writer VALUES (?1,?2,?3,?4,?5,?6,?7)",
	[WRITERS_OLD] = "DELETE FROM ledger_writer WHERE day<>?1",
	[BROUGHT_ALL] = "SELECT space, peer, day, counts FROM ledger_brought",
	[BROUGHT_PUT] = "INSERT OR REPLACE INTO ledger_brought VALUES (?1,?2,?3,?4)",
	[BROUGHT_OLD] = "DELETE FROM ledger_brought WHERE space IN (SELECT space FROM ledger_brought"
			" ORDER BY counts DESC, day DESC, space LIMIT -1 OFFSET ?1)",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	return db_prepare(local, sql, STMTS, ret);
}

/* --- counts as bytes: today's, then all, in the order of the table, which only grows; then whether a
 * stranger founded the space (older rows end before) --- */
static void write_counts(const struct ledger_row *r, struct buf *out)
{
	buf_u8(out, LEDGER_ITEMS);
	for (int i = 0; i < LEDGER_ITEMS; i++) {
		buf_u64(out, r->today.n[i]);
		buf_u64(out, r->total.n[i]);
	}
	buf_u8(out, r->strange);
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
	r->strange = n <= LEDGER_ITEMS && !reader_at_end(&in) && reader_u8(&in);
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

static struct error *load_writers(struct ledger *l, struct db *local, struct db_stmts *s)
{
	sqlite3_stmt *st = db_stmt(s, WRITERS_ALL);
	struct error *e = NULL;

	while (db_next(local, st, &e)) {
		struct ledger_writer w = {.is_void = db_int(st, 2) != 0,
					  .bytes = (uint64_t)db_int(st, 4),
					  .entries = (uint64_t)db_int(st, 5),
					  .logs = (uint64_t)db_int(st, 6)};

		db_id(st, 0, w.writer.b);
		db_id(st, 1, w.space.b);
		ledger_writer_load(l, &w, db_int(st, 3));
	}
	return e;
}

static struct error *load_brought(struct ledger *l, struct db *local, struct db_stmts *s)
{
	sqlite3_stmt *st = db_stmt(s, BROUGHT_ALL);
	struct error *e = NULL;

	while (db_next(local, st, &e)) {
		struct brought b = {.day = db_int(st, 2), .counts = db_int(st, 3) != 0};

		db_id(st, 0, b.space.b);
		db_id(st, 1, b.peer.b);
		ledger_brought_load(l, &b);
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
	if (!err)
		err = load_writers(l, local, s);
	if (!err)
		err = load_brought(l, local, s);
	pthread_mutex_unlock(&l->lock);
	return err;
}

static struct error *save_row(struct db *local, struct db_stmts *s, const struct ledger_row *r)
{
	_cleanup_(buf_release) struct buf counts = {0};

	write_counts(r, &counts);
	return db_do(local, s, ROW_PUT, "kkib", &r->peer, &r->space, r->day, buf_span(&counts));
}

static struct error *save_writer(struct db *local, struct db_stmts *s, const struct ledger_writer *w,
				 int64_t day)
{
	return db_do(local, s, WRITER_PUT, "kkiiiii", &w->writer, &w->space, (int64_t)w->is_void,
		     day, (int64_t)w->bytes, (int64_t)w->entries, (int64_t)w->logs);
}

/* Copies of what is to be written: the lock is not held while the disk works. */
struct saving {
	struct buf rows, writers, brought, gone; /* ledger_row, ledger_writer, brought; peer and space */
	int64_t day;
	bool new_day;
};

static void saving_release(struct saving *k)
{
	buf_release(&k->rows);
	buf_release(&k->writers);
	buf_release(&k->brought);
	buf_release(&k->gone);
}

/* What an earlier transaction was to write, and is not known to have: once more. */
static bool is_due(bool *changed, bool *saving)
{
	*saving |= *changed;
	*changed = false;
	return *saving;
}

static void take_changed(struct ledger *l, struct saving *k)
{
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		if (is_due(&l->lines[i]->changed, &l->lines[i]->saving))
			buf_add(&k->rows, &l->lines[i]->row, sizeof(l->lines[i]->row));
	for (size_t i = 0; i < l->n_writers; i++)
		if (is_due(&l->writers[i].changed, &l->writers[i].saving)) {
			l->writers[i].stored = true;
			buf_add(&k->writers, &l->writers[i], sizeof(l->writers[i]));
		}
	for (size_t i = 0; i < l->n_brought; i++)
		if (is_due(&l->brought[i].changed, &l->brought[i].saving))
			buf_add(&k->brought, &l->brought[i].of, sizeof(l->brought[i].of));
	buf_add(&k->gone, l->gone.p, l->gone.n);
	l->gone_saving = l->gone.n;
	l->writers_saving = l->writers_day;
	k->day = l->writers_day;
	k->new_day = l->writers_day != l->writers_stored;
	l->changed = false;
	l->saving = true;
	pthread_mutex_unlock(&l->lock);
}

static struct error *drop_rows(struct db *local, struct db_stmts *s, const struct buf *gone)
{
	for (size_t at = 0; at < gone->n; at += 64)
		TRY(db_do(local, s, ROW_DROP, "kk", gone->p + at, gone->p + at + 32));
	return NULL;
}

static struct error *write_brought(struct db *local, struct db_stmts *s, const struct saving *k)
{
	const struct brought *b = (const struct brought *)(const void *)k->brought.p;

	for (size_t i = 0; i < k->brought.n / sizeof(*b); i++)
		TRY(db_do(local, s, BROUGHT_PUT, "kkii", &b[i].space, &b[i].peer, b[i].day,
			  (int64_t)b[i].counts));
	return k->brought.n ? db_do(local, s, BROUGHT_OLD, "i", (int64_t)LIMIT_BROUGHT) : NULL;
}

static struct error *write_all(struct db *local, struct db_stmts *s, const struct saving *k)
{
	const struct ledger_row *rows = (const struct ledger_row *)(const void *)k->rows.p;
	const struct ledger_writer *w = (const struct ledger_writer *)(const void *)k->writers.p;

	TRY(drop_rows(local, s, &k->gone)); /* first: one of them may have come back */
	for (size_t i = 0; i < k->rows.n / sizeof(*rows); i++)
		TRY(save_row(local, s, &rows[i]));
	if (k->new_day)
		TRY(db_do(local, s, WRITERS_OLD, "i", k->day));
	for (size_t i = 0; i < k->writers.n / sizeof(*w); i++)
		TRY(save_writer(local, s, &w[i], k->day));
	return write_brought(local, s, k);
}

struct error *ledger_save(struct ledger *l, struct db *local)
{
	_cleanup_(saving_release) struct saving k = {.day = 0};
	struct db_stmts *s;

	TRY(statements(local, &s));
	take_changed(l, &k);
	return write_all(local, s, &k);
}

void ledger_saved(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; l->saving && i < l->n; i++)
		l->lines[i]->saving = false;
	for (size_t i = 0; l->saving && i < l->n_writers; i++)
		l->writers[i].saving = false;
	for (size_t i = 0; l->saving && i < l->n_brought; i++)
		l->brought[i].saving = false;
	if (l->gone_saving) {
		memmove(l->gone.p, l->gone.p + l->gone_saving, l->gone.n - l->gone_saving);
		l->gone.n -= l->gone_saving;
	}
	l->gone_saving = 0;
	if (l->saving)
		l->writers_stored = l->writers_saving;
	l->saving = false;
	pthread_mutex_unlock(&l->lock);
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
