/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/receipt.h"
#include "sync/base/buf.h"
#include <assert.h>

/* The table of the first releases knew no signatures. */
const char *const receipt_migrations[] = {
	"CREATE TABLE paper (num INTEGER PRIMARY KEY, peer BLOB NOT NULL, when_ms INTEGER NOT NULL,"
	"  by_peer INTEGER NOT NULL, error TEXT NOT NULL, report BLOB NOT NULL, exchange BLOB,"
	"  id BLOB UNIQUE, asker BLOB, asker_sig BLOB, answerer BLOB, answerer_sig BLOB) STRICT;"
	"CREATE INDEX paper_peer ON paper(peer, num);"
	"CREATE UNIQUE INDEX paper_exchange ON paper(peer, by_peer, exchange)"
	"  WHERE exchange IS NOT NULL;"
	"INSERT INTO paper(peer, when_ms, by_peer, error, report)"
	"  SELECT peer, when_ms, by_peer, error, report FROM receipt ORDER BY num;"
	"DROP TABLE receipt;",
	/* Bundles have receipts, too. */
	"ALTER TABLE paper ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;"
	"CREATE INDEX paper_kind ON paper(kind, peer, num);"
	"DROP INDEX paper_peer;",
	/* What fails again and again is one line. */
	"ALTER TABLE paper ADD COLUMN times INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE paper ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;",
};
const int receipt_migrations_n = ARRAY_LEN(receipt_migrations);

enum {
	RECEIPT_ALL,
	RECEIPT_OF,
	RECEIPT_PUT,
	RECEIPT_JOIN,
	RECEIPT_AGAIN,
	RECEIPT_TRIM_FAILED,
	RECEIPT_PUT_SIGNED,
	RECEIPT_GET_SIGNED,
	RECEIPT_COUNT,
	RECEIPT_TRIM,
	STMTS
};
#define COLUMNS                                                                                    \
	"SELECT peer, when_ms, by_peer, error, report, num, id, answerer_sig IS NULL,"             \
	" answerer IS NOT NULL, times, since_ms FROM paper WHERE kind=1"
static const char *const sql[] = {
	[RECEIPT_ALL] = COLUMNS " ORDER BY num DESC LIMIT ?1",
	[RECEIPT_OF] = COLUMNS " AND peer=?2 ORDER BY num DESC LIMIT ?1",
	[RECEIPT_PUT] = "INSERT INTO paper(peer, when_ms, by_peer, error, report, exchange, times,"
			" since_ms) VALUES (?1,?2,?3,?4,?5,?6,?7,?2)",
	[RECEIPT_JOIN] = "UPDATE paper SET error=?4, report=?5"
			 " WHERE peer=?1 AND by_peer=?3 AND exchange=?6 AND ?2=?2",
	[RECEIPT_AGAIN] =
		"UPDATE paper SET when_ms=?2, report=?5, times=times+?6 WHERE num=(SELECT max(num)"
		" FROM paper WHERE kind=1 AND peer=?1 AND by_peer=?3 AND error=?4 AND id IS NULL"
		" AND since_ms BETWEEN ?7 AND ?2)",
	[RECEIPT_TRIM_FAILED] =
		"DELETE FROM paper WHERE num IN (SELECT num FROM paper WHERE kind=1 AND peer=?1"
		" AND error<>'' AND id IS NULL ORDER BY num DESC LIMIT -1 OFFSET ?2)",
	/* `answerer` is stored only when it is another version */
	[RECEIPT_PUT_SIGNED] = "INSERT OR IGNORE INTO paper(peer, when_ms, by_peer, error, report,"
			       " exchange, id, asker, asker_sig, answerer, answerer_sig, kind)"
			       " VALUES (?1,?2,?3,'',x'',?4,?5,?6,?7,?8,?9,?10)",
	[RECEIPT_GET_SIGNED] = "SELECT peer, when_ms, by_peer, exchange, asker, asker_sig,"
			       " answerer, answerer_sig FROM paper WHERE id=?1",
	[RECEIPT_COUNT] = "SELECT count(*) FROM paper WHERE kind=?1",
	[RECEIPT_TRIM] =
		"DELETE FROM paper WHERE num = (SELECT min(num) FROM paper WHERE kind=?1 AND"
		" peer = (SELECT peer FROM paper WHERE kind=?1 GROUP BY peer"
		"  ORDER BY count(*) DESC, min(num) LIMIT 1))",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	static_assert(ARRAY_LEN(sql) == STMTS, "a row for each");
	return db_prepare(local, sql, STMTS, ret);
}

/* --- the report as bytes of our own --- */
enum { REPORT_VERSION = 1 };

static void report_write(const struct sync_report *r, struct buf *out)
{
	size_t kept = r->refusals < REPORT_REFUSALS ? r->refusals : REPORT_REFUSALS;
	uint8_t id[LOG_ID_BYTES];

	buf_u8(out, REPORT_VERSION);
	buf_u64(out, r->received);
	buf_u64(out, r->filled);
	buf_u64(out, r->known);
	buf_u64(out, r->sent);
	buf_u64(out, r->accepted);
	buf_u64(out, r->bytes_in);
	buf_u64(out, r->bytes_out);
	buf_u32(out, r->requests);
	buf_u32(out, r->rounds);
	buf_u32(out, r->spaces);
	buf_u32(out, r->forks);
	buf_u32(out, r->not_admitted);
	buf_u32(out, r->carried);
	buf_u8(out, (uint8_t)(r->new_incarnation | r->equal << 1 | r->cut << 2 |
			      r->unknown_spaces << 3));
	buf_u64(out, (uint64_t)r->clock_skew_ms);
	buf_u8(out, (uint8_t)strlen(r->peer_name));
	buf_puts(out, r->peer_name);
	buf_u64(out, r->refusals);
	for (size_t i = 0; i < kept; i++) {
		log_id_write(&r->refused[i].id, id);
		buf_add(out, id, sizeof(id));
		buf_u64(out, r->refused[i].seq);
		/* by name: the numbers of the table of errors may change */
		buf_u8(out, (uint8_t)strlen(error_name(r->refused[i].why)));
		buf_puts(out, error_name(r->refused[i].why));
		buf_u8(out, r->refused[i].by_peer);
	}
}

static enum error_code code_of(struct span name)
{
	enum error_code code = error_of_name(name.p, name.n);

	return code == ERR_NONE ? ERR_INTERNAL : code;
}

static void report_read(struct span bytes, struct sync_report *r)
{
	struct reader in = reader_of(bytes);
	struct span name;
	uint8_t bits, id[LOG_ID_BYTES];

	if (reader_u8(&in) != REPORT_VERSION)
		return;
	r->received = reader_u64(&in);
	r->filled = reader_u64(&in);
	r->known = reader_u64(&in);
	r->sent = reader_u64(&in);
	r->accepted = reader_u64(&in);
	r->bytes_in = reader_u64(&in);
	r->bytes_out = reader_u64(&in);
	r->requests = reader_u32(&in);
	r->rounds = reader_u32(&in);
	r->spaces = reader_u32(&in);
	r->forks = reader_u32(&in);
	r->not_admitted = reader_u32(&in);
	r->carried = reader_u32(&in);
	bits = reader_u8(&in);
	r->new_incarnation = bits & 1;
	r->equal = bits & 2;
	r->cut = bits & 4;
	r->unknown_spaces = bits & 8;
	r->clock_skew_ms = (int64_t)reader_u64(&in);
	name = reader_bytes(&in, reader_u8(&in));
	if (name.n < sizeof(r->peer_name) && name.n)
		memcpy(r->peer_name, name.p, name.n);
	r->refusals = reader_u64(&in);
	for (size_t i = 0; i < r->refusals && i < REPORT_REFUSALS; i++) {
		reader_copy(&in, id, sizeof(id));
		log_id_read(id, &r->refused[i].id);
		r->refused[i].seq = reader_u64(&in);
		r->refused[i].why = code_of(reader_bytes(&in, reader_u8(&in)));
		r->refused[i].by_peer = reader_u8(&in) != 0;
	}
}

/* --- lines --- */
static enum receipt_state state_of_row(bool signed_, bool alone, bool two)
{
	if (!signed_)
		return RECEIPT_UNSIGNED;
	return alone ? RECEIPT_ALONE : two ? RECEIPT_DISPUTED : RECEIPT_AGREED;
}

static void receipt_row(sqlite3_stmt *st, struct receipt *r)
{
	memset(r, 0, sizeof(*r));
	db_id(st, 0, r->peer.b);
	r->when_ms = db_int(st, 1);
	r->by_peer = db_int(st, 2) != 0;
	snprintf(r->error, sizeof(r->error), "%s", db_text(st, 3));
	report_read(db_blob(st, 4), &r->report);
	r->num = db_int(st, 5);
	r->state = state_of_row(db_id(st, 6, r->id.b), db_int(st, 7) != 0, db_int(st, 8) != 0);
	r->times = (uint32_t)db_int(st, 9);
	r->since_ms = db_int(st, 10) ? db_int(st, 10) : r->when_ms;
}

static struct error *collect(struct db *local, sqlite3_stmt *st, struct buf *rows)
{
	struct error *e = NULL;

	while (db_next(local, st, &e)) {
		receipt_row(st,
			    (struct receipt *)(void *)buf_reserve(rows, sizeof(struct receipt)));
		rows->n += sizeof(struct receipt);
	}
	return e;
}

struct error *receipt_each(struct db *local, const struct pubkey *peer, size_t max, receipt_fn *fn,
			   void *ctx)
{
	_cleanup_(buf_release) struct buf rows = {0};
	struct db_stmts *s;
	sqlite3_stmt *st;

	TRY(statements(local, &s));
	st = db_stmt(s, peer ? RECEIPT_OF : RECEIPT_ALL);
	if (peer)
		db_bind(st, "ik", (int64_t)max, peer);
	else
		db_bind(st, "i", (int64_t)max);
	TRY(collect(local, st, &rows));
	for (size_t i = 0; i < rows.n / sizeof(struct receipt); i++)
		TRY(fn(ctx, (struct receipt *)(void *)rows.p + i));
	return NULL;
}

static struct error *trim(struct db *local, struct db_stmts *s, enum receipt_kind kind)
{
	int64_t n;

	TRY(db_number(local, s, RECEIPT_COUNT, 0, &n, "i", (int64_t)kind));
	for (; n > PEER_RECEIPTS; n--)
		TRY(db_do(local, s, RECEIPT_TRIM, "i", (int64_t)kind));
	return NULL;
}

enum { SAME_MS = 86400000 };

/* *ret_done: it is counted with one of before. */
static struct error *put_again(struct db *local, struct db_stmts *s, const struct receipt *r,
			       struct span report, bool *ret_done)
{
	*ret_done = false;
	if (!*r->error)
		return NULL;
	TRY(db_do(local, s, RECEIPT_AGAIN, "kiisbii", &r->peer, r->when_ms, (int64_t)r->by_peer,
		  r->error, report, (int64_t)(r->times ? r->times : 1), r->when_ms - SAME_MS));
	*ret_done = db_changes(local) != 0;
	return NULL;
}

struct error *receipt_put(struct db *local, const struct receipt *r)
{
	_cleanup_(buf_release) struct buf report = {0};
	struct span exchange = span_of(r->report.exchange, sizeof(r->report.exchange));
	bool again = false;
	struct db_stmts *s;

	if (!r->report.signed_too)
		exchange = (struct span){0};
	report_write(&r->report, &report);
	TRY(statements(local, &s));
	if (r->report.signed_too) {
		TRY(db_do(local, s, RECEIPT_JOIN, "kiisbb", &r->peer, r->when_ms,
			  (int64_t)r->by_peer, r->error, buf_span(&report), exchange));
		if (db_changes(local))
			return NULL;
	} else {
		TRY(put_again(local, s, r, buf_span(&report), &again));
	}
	if (again)
		return NULL;
	TRY(db_do(local, s, RECEIPT_PUT, "kiisbbi", &r->peer, r->when_ms, (int64_t)r->by_peer,
		  r->error, buf_span(&report), exchange, (int64_t)(r->times ? r->times : 1)));
	if (*r->error)
		TRY(db_do(local, s, RECEIPT_TRIM_FAILED, "ki", &r->peer, (int64_t)RECEIPT_FAILED));
	return trim(local, s, RECEIPT_MET);
}

/* --- signed ones --- */
struct error *receipt_put_signed(struct db *local, const struct receipt_signed *r)
{
	struct hash id = receipt_id(r->bytes[ASKER]);
	enum receipt_kind kind = receipt_kind_of(r->bytes[ASKER]);
	bool answered = r->bytes[ANSWERER].p != NULL;
	bool two = answered && !span_eq(r->bytes[ASKER], r->bytes[ANSWERER]);
	struct span nothing = {0};
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, RECEIPT_PUT_SIGNED, "kiibkbbbbi", &r->peer, r->when_ms,
		  (int64_t)r->by_peer, span_of(r->exchange, sizeof(r->exchange)), &id,
		  r->bytes[ASKER], span_of(r->sig[ASKER].b, 64), two ? r->bytes[ANSWERER] : nothing,
		  answered ? span_of(r->sig[ANSWERER].b, 64) : nothing, (int64_t)kind));
	return trim(local, s, kind);
}

static struct span copy_blob(struct arena *a, sqlite3_stmt *st, int col)
{
	struct span b = db_blob(st, col);

	return b.n ? span_of(arena_copy(a, b.p, b.n), b.n) : (struct span){0};
}

static void copy_exactly(sqlite3_stmt *st, int col, uint8_t *to, size_t n)
{
	struct span b = db_blob(st, col);

	memset(to, 0, n);
	if (b.n == n)
		memcpy(to, b.p, n);
}

struct error *receipt_get_signed(struct db *local, const struct hash *id, struct arena *a,
				 struct receipt_signed *ret)
{
	struct receipt_signed r = {.when_ms = 0};
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(statements(local, &s));
	st = db_stmt(s, RECEIPT_GET_SIGNED);
	db_bind(st, "k", id);
	TRY(db_step(local, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("There is no receipt %s here (any more)."),
			      ID_SHORT(id)));
	db_id(st, 0, r.peer.b);
	r.when_ms = db_int(st, 1);
	r.by_peer = db_int(st, 2) != 0;
	copy_exactly(st, 3, r.exchange, sizeof(r.exchange));
	r.bytes[ASKER] = copy_blob(a, st, 4);
	copy_exactly(st, 5, r.sig[ASKER].b, 64);
	copy_exactly(st, 7, r.sig[ANSWERER].b, 64);
	if (!db_is_null(st, 7))
		r.bytes[ANSWERER] = db_is_null(st, 6) ? r.bytes[ASKER] : copy_blob(a, st, 6);
	sqlite3_reset(st);
	*ret = r;
	return NULL;
}
