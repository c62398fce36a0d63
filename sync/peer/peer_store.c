/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/peer.h"
#include "sync/base/arena.h"
#include "sync/base/buf.h"
#include <assert.h>

const char *const peer_migrations[] = {
	"CREATE TABLE peer (key BLOB PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL,"
	"  read_only INTEGER NOT NULL, added_ms INTEGER NOT NULL, last_ok_ms INTEGER NOT NULL,"
	"  last_try_ms INTEGER NOT NULL, last_error TEXT NOT NULL) STRICT;"
	"CREATE TABLE knock (key BLOB PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL,"
	"  last_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE receipt (num INTEGER PRIMARY KEY, peer BLOB NOT NULL, when_ms INTEGER NOT "
	"NULL,"
	"  by_peer INTEGER NOT NULL, error TEXT NOT NULL, report BLOB NOT NULL) STRICT;"
	"CREATE INDEX receipt_peer ON receipt(peer, num);",
};
const int peer_migrations_n = ARRAY_LEN(peer_migrations);

enum {
	PEER_EACH,
	PEER_GET,
	PEER_PUT,
	PEER_COUNT,
	PEER_REMOVE,
	PEER_OK,
	PEER_FAILED,
	KNOCK_EACH,
	KNOCK_PUT,
	KNOCK_REMOVE,
	KNOCK_TRIM,
	RECEIPT_ALL,
	RECEIPT_OF,
	RECEIPT_PUT,
	RECEIPT_TRIM,
	STMTS
};
#define PEER_COLUMNS                                                                               \
	"SELECT key, name, address, read_only, added_ms, last_ok_ms, last_try_ms, last_error "     \
	"FROM peer"
#define RECEIPT_COLUMNS "SELECT peer, when_ms, by_peer, error, report FROM receipt"
static const char *const sql[] = {
	[PEER_EACH] = PEER_COLUMNS " ORDER BY added_ms, key",
	[PEER_GET] = PEER_COLUMNS " WHERE key=?1",
	[PEER_PUT] = "INSERT OR REPLACE INTO peer VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
	[PEER_COUNT] = "SELECT count(*) FROM peer WHERE key<>?1",
	[PEER_REMOVE] = "DELETE FROM peer WHERE key=?1",
	[PEER_OK] = "UPDATE peer SET last_ok_ms=?2, last_try_ms=?2, last_error='',"
		    " address=CASE address WHEN '' THEN ?3 ELSE address END,"
		    " name=CASE name WHEN '' THEN ?4 ELSE name END WHERE key=?1",
	[PEER_FAILED] = "UPDATE peer SET last_try_ms=?2, last_error=?3 WHERE key=?1",
	[KNOCK_EACH] = "SELECT key, name, address, last_ms FROM knock ORDER BY last_ms DESC, key",
	[KNOCK_PUT] = "INSERT OR REPLACE INTO knock VALUES (?1,?2,?3,?4)",
	[KNOCK_REMOVE] = "DELETE FROM knock WHERE key=?1",
	[KNOCK_TRIM] = "DELETE FROM knock WHERE key IN"
		       " (SELECT key FROM knock ORDER BY last_ms DESC LIMIT -1 OFFSET ?1)",
	[RECEIPT_ALL] = RECEIPT_COLUMNS " ORDER BY num DESC LIMIT ?1",
	[RECEIPT_OF] = RECEIPT_COLUMNS " WHERE peer=?2 ORDER BY num DESC LIMIT ?1",
	[RECEIPT_PUT] = "INSERT INTO receipt(peer, when_ms, by_peer, error, report)"
			" VALUES (?1,?2,?3,?4,?5)",
	[RECEIPT_TRIM] = "DELETE FROM receipt WHERE num <="
			 " (SELECT num FROM receipt ORDER BY num DESC LIMIT 1 OFFSET ?1)",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	static_assert(ARRAY_LEN(sql) == STMTS, "a row for each");
	return db_prepare(local, sql, STMTS, ret);
}

static void text_into(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* --- collecting --- */
typedef void row_fn(sqlite3_stmt *st, void *row);

/* All rows of a statement that is bound, as an array in the arena. */
static struct error *collect(struct db *local, sqlite3_stmt *st, row_fn *read, size_t size,
			     struct arena *a, char **ret, size_t *ret_n)
{
	_cleanup_(buf_release) struct buf rows = {0};
	bool row;

	for (;;) {
		TRY(db_step(local, st, &row));
		if (!row)
			break;
		memset(buf_reserve(&rows, size), 0, size);
		read(st, rows.p + rows.n);
		rows.n += size;
	}
	*ret_n = rows.n / size;
	*ret = rows.n ? arena_copy(a, rows.p, rows.n) : NULL;
	return NULL;
}

/* --- peers --- */
static void peer_row(sqlite3_stmt *st, void *row)
{
	struct peer *p = row;

	db_id(st, 0, p->key.b);
	text_into(p->name, sizeof(p->name), db_text(st, 1));
	text_into(p->address, sizeof(p->address), db_text(st, 2));
	p->read_only = db_int(st, 3) != 0;
	p->added_ms = db_int(st, 4);
	p->last_ok_ms = db_int(st, 5);
	p->last_try_ms = db_int(st, 6);
	text_into(p->last_error, sizeof(p->last_error), db_text(st, 7));
}

struct error *peer_each(struct db *local, peer_fn *fn, void *ctx)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct db_stmts *s;
	char *rows;
	size_t n;

	TRY(statements(local, &s));
	TRY(collect(local, db_stmt(s, PEER_EACH), peer_row, sizeof(struct peer), &a, &rows, &n));
	for (size_t i = 0; i < n; i++)
		TRY(fn(ctx, (struct peer *)(void *)rows + i));
	return NULL;
}

static struct error *no_such_peer(const struct pubkey *key)
{
	return error_new(ERR_NOT_FOUND, N_("The box %s is not among the approved ones."),
			 ID_SHORT(key));
}

struct error *peer_get(struct db *local, const struct pubkey *key, struct peer *ret)
{
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(statements(local, &s));
	st = db_stmt(s, PEER_GET);
	db_bind(st, "k", key);
	TRY(db_step(local, st, &row));
	ENSURE(row, no_such_peer(key));
	memset(ret, 0, sizeof(*ret));
	peer_row(st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *peer_put(struct db *local, const struct peer *p)
{
	struct db_stmts *s;
	int64_t others;

	TRY(statements(local, &s));
	TRY(db_number(local, s, PEER_COUNT, 0, &others, "k", &p->key));
	ENSURE(others < LIMIT_PEERS,
	       error_new(ERR_LIMIT, N_("There are too many approved boxes. Remove one first.")));
	TRY(db_do(local, s, PEER_PUT, "kssiiiis", &p->key, p->name, p->address,
		  (int64_t)p->read_only, p->added_ms, p->last_ok_ms, p->last_try_ms,
		  p->last_error));
	return db_do(local, s, KNOCK_REMOVE, "k", &p->key);
}

struct error *peer_remove(struct db *local, const struct pubkey *key)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, PEER_REMOVE, "k", key));
	ENSURE(db_changes(local) > 0, no_such_peer(key));
	return NULL;
}

struct error *peer_note(struct db *local, const struct peer_outcome *o)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	if (o->error)
		return db_do(local, s, PEER_FAILED, "kis", &o->key, o->when_ms, o->error);
	return db_do(local, s, PEER_OK, "kiss", &o->key, o->when_ms, o->address ? o->address : "",
		     o->name ? o->name : "");
}

/* --- knocks --- */
static void knock_row(sqlite3_stmt *st, void *row)
{
	struct knock *k = row;

	db_id(st, 0, k->key.b);
	text_into(k->name, sizeof(k->name), db_text(st, 1));
	text_into(k->address, sizeof(k->address), db_text(st, 2));
	k->last_ms = db_int(st, 3);
}

struct error *knock_each(struct db *local, knock_fn *fn, void *ctx)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct db_stmts *s;
	char *rows;
	size_t n;

	TRY(statements(local, &s));
	TRY(collect(local, db_stmt(s, KNOCK_EACH), knock_row, sizeof(struct knock), &a, &rows, &n));
	for (size_t i = 0; i < n; i++)
		TRY(fn(ctx, (struct knock *)(void *)rows + i));
	return NULL;
}

struct error *knock_put(struct db *local, const struct knock *k)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, KNOCK_PUT, "kssi", &k->key, k->name, k->address, k->last_ms));
	return db_do(local, s, KNOCK_TRIM, "i", (int64_t)LIMIT_DISCOVERED);
}

struct error *knock_remove(struct db *local, const struct pubkey *key)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_do(local, s, KNOCK_REMOVE, "k", key);
}

/* --- receipts: the report as bytes of our own --- */
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
	for (int c = 1; c < ERROR_CODES; c++)
		if (span_is(name, error_name((enum error_code)c)))
			return (enum error_code)c;
	return ERR_INTERNAL;
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
	snprintf(r->peer_name, sizeof(r->peer_name), "%.*s", (int)name.n,
		 name.n ? (const char *)name.p : "");
	r->refusals = reader_u64(&in);
	for (size_t i = 0; i < r->refusals && i < REPORT_REFUSALS; i++) {
		reader_copy(&in, id, sizeof(id));
		log_id_read(id, &r->refused[i].id);
		r->refused[i].seq = reader_u64(&in);
		r->refused[i].why = code_of(reader_bytes(&in, reader_u8(&in)));
		r->refused[i].by_peer = reader_u8(&in) != 0;
	}
}

static void receipt_row(sqlite3_stmt *st, void *row)
{
	struct receipt *r = row;

	db_id(st, 0, r->peer.b);
	r->when_ms = db_int(st, 1);
	r->by_peer = db_int(st, 2) != 0;
	text_into(r->error, sizeof(r->error), db_text(st, 3));
	report_read(db_blob(st, 4), &r->report);
}

struct error *receipt_each(struct db *local, const struct pubkey *peer, size_t max, receipt_fn *fn,
			   void *ctx)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct db_stmts *s;
	sqlite3_stmt *st;
	char *rows;
	size_t n;

	TRY(statements(local, &s));
	st = db_stmt(s, peer ? RECEIPT_OF : RECEIPT_ALL);
	if (peer)
		db_bind(st, "ik", (int64_t)max, peer);
	else
		db_bind(st, "i", (int64_t)max);
	TRY(collect(local, st, receipt_row, sizeof(struct receipt), &a, &rows, &n));
	for (size_t i = 0; i < n; i++)
		TRY(fn(ctx, (struct receipt *)(void *)rows + i));
	return NULL;
}

struct error *receipt_put(struct db *local, const struct receipt *r)
{
	_cleanup_(buf_release) struct buf report = {0};
	struct db_stmts *s;

	report_write(&r->report, &report);
	TRY(statements(local, &s));
	TRY(db_do(local, s, RECEIPT_PUT, "kiisb", &r->peer, r->when_ms, (int64_t)r->by_peer,
		  r->error, buf_span(&report)));
	return db_do(local, s, RECEIPT_TRIM, "i", (int64_t)PEER_RECEIPTS);
}
