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
	/* terms; a peer without a row has the default ones */
	"CREATE TABLE terms (key BLOB PRIMARY KEY REFERENCES peer(key) ON DELETE CASCADE,"
	"  others INTEGER NOT NULL, take_bytes INTEGER NOT NULL, give_bytes INTEGER NOT NULL,"
	"  until_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE terms_space (key BLOB NOT NULL REFERENCES terms(key) ON DELETE CASCADE,"
	"  space BLOB NOT NULL, ways INTEGER NOT NULL, PRIMARY KEY (key, space))"
	" STRICT, WITHOUT ROWID;",
	/* how it was approved, what we show it, and who was a peer once */
	"ALTER TABLE peer ADD COLUMN how INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE peer ADD COLUMN claim BLOB;"
	"CREATE TABLE former (key BLOB PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL,"
	"  added_ms INTEGER NOT NULL, removed_ms INTEGER NOT NULL) STRICT;",
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
	FORMER_EACH,
	FORMER_PUT,
	FORMER_REMOVE,
	FORMER_TRIM,
	TERMS_GET,
	TERMS_SPACES,
	TERMS_PUT,
	TERMS_CLEAR,
	TERMS_SPACE_PUT,
	KNOCK_EACH,
	KNOCK_PUT,
	KNOCK_REMOVE,
	KNOCK_TRIM,
	STMTS
};
#define PEER_COLUMNS                                                                               \
	"SELECT peer.key, name, address, read_only, added_ms, last_ok_ms, last_try_ms, "           \
	"last_error, coalesce(until_ms, 0), how, claim FROM peer LEFT JOIN terms ON terms.key=peer.key"
static const char *const sql[] = {
	[PEER_EACH] = PEER_COLUMNS " ORDER BY added_ms, peer.key",
	[PEER_GET] = PEER_COLUMNS " WHERE peer.key=?1",
	/* not OR REPLACE: its terms hang on the row */
	[PEER_PUT] = "INSERT INTO peer (key, name, address, read_only, added_ms, last_ok_ms,"
		     "  last_try_ms, last_error, how, claim) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"
		     " ON CONFLICT(key) DO UPDATE SET name=excluded.name, address=excluded.address,"
		     "  read_only=excluded.read_only, added_ms=excluded.added_ms,"
		     "  last_ok_ms=excluded.last_ok_ms, last_try_ms=excluded.last_try_ms,"
		     "  last_error=excluded.last_error, how=excluded.how, claim=excluded.claim",
	[PEER_COUNT] = "SELECT count(*) FROM peer WHERE key<>?1",
	[PEER_REMOVE] = "DELETE FROM peer WHERE key=?1",
	[PEER_OK] = "UPDATE peer SET last_ok_ms=?2, last_try_ms=?2, last_error='',"
		    " claim=NULL, address=CASE address WHEN '' THEN ?3 ELSE address END,"
		    " name=CASE name WHEN '' THEN ?4 ELSE name END WHERE key=?1",
	[PEER_FAILED] = "UPDATE peer SET last_try_ms=?2, last_error=?3 WHERE key=?1",
	[FORMER_EACH] = "SELECT key, name, address, added_ms, removed_ms FROM former"
			" ORDER BY removed_ms DESC, key",
	[FORMER_PUT] = "INSERT OR REPLACE INTO former"
		       " SELECT key, name, address, added_ms, ?2 FROM peer WHERE key=?1",
	[FORMER_REMOVE] = "DELETE FROM former WHERE key=?1",
	[FORMER_TRIM] = "DELETE FROM former WHERE key IN"
			" (SELECT key FROM former ORDER BY removed_ms DESC LIMIT -1 OFFSET ?1)",
	[TERMS_GET] = "SELECT others, take_bytes, give_bytes, until_ms FROM terms WHERE key=?1",
	[TERMS_SPACES] = "SELECT space, ways FROM terms_space WHERE key=?1 ORDER BY space",
	[TERMS_PUT] = "INSERT INTO terms VALUES (?1,?2,?3,?4,?5)"
		      " ON CONFLICT(key) DO UPDATE SET others=excluded.others,"
		      "  take_bytes=excluded.take_bytes, give_bytes=excluded.give_bytes,"
		      "  until_ms=excluded.until_ms",
	[TERMS_CLEAR] = "DELETE FROM terms_space WHERE key=?1",
	[TERMS_SPACE_PUT] = "INSERT INTO terms_space VALUES (?1,?2,?3)",
	[KNOCK_EACH] = "SELECT key, name, address, last_ms FROM knock ORDER BY last_ms DESC, key",
	[KNOCK_PUT] = "INSERT OR REPLACE INTO knock VALUES (?1,?2,?3,?4)",
	[KNOCK_REMOVE] = "DELETE FROM knock WHERE key=?1",
	[KNOCK_TRIM] = "DELETE FROM knock WHERE key IN"
		       " (SELECT key FROM knock ORDER BY last_ms DESC LIMIT -1 OFFSET ?1)",
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
	struct error *e = NULL;

	while (db_next(local, st, &e)) {
		memset(buf_reserve(&rows, size), 0, size);
		read(st, rows.p + rows.n);
		rows.n += size;
	}
	TRY(e);
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
	p->until_ms = db_int(st, 8);
	p->how = (enum peer_how)db_int(st, 9);
	p->has_claim = db_id(st, 10, p->claim);
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
	TRY(db_do(local, s, PEER_PUT, "kssiiiisik", &p->key, p->name, p->address,
		  (int64_t)p->read_only, p->added_ms, p->last_ok_ms, p->last_try_ms, p->last_error,
		  (int64_t)p->how, p->has_claim ? p->claim : NULL));
	TRY(db_do(local, s, FORMER_REMOVE, "k", &p->key));
	return db_do(local, s, KNOCK_REMOVE, "k", &p->key);
}

struct error *peer_remove(struct db *local, const struct pubkey *key, int64_t now_ms)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, FORMER_PUT, "ki", key, now_ms));
	ENSURE(db_changes(local) > 0, no_such_peer(key));
	TRY(db_do(local, s, PEER_REMOVE, "k", key));
	return db_do(local, s, FORMER_TRIM, "i", (int64_t)LIMIT_FORMER);
}

static void former_row(sqlite3_stmt *st, void *row)
{
	struct former *f = row;

	db_id(st, 0, f->key.b);
	text_into(f->name, sizeof(f->name), db_text(st, 1));
	text_into(f->address, sizeof(f->address), db_text(st, 2));
	f->added_ms = db_int(st, 3);
	f->removed_ms = db_int(st, 4);
}

struct error *former_each(struct db *local, former_fn *fn, void *ctx)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct db_stmts *s;
	char *rows;
	size_t n;

	TRY(statements(local, &s));
	TRY(collect(local, db_stmt(s, FORMER_EACH), former_row, sizeof(struct former), &a, &rows,
		    &n));
	for (size_t i = 0; i < n; i++)
		TRY(fn(ctx, (struct former *)(void *)rows + i));
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

/* --- terms --- */
void peer_terms_default(struct peer_terms *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->others = PEER_GIVE | PEER_TAKE;
}

unsigned peer_terms_ways(const struct peer_terms *t, const struct hash *space)
{
	for (size_t i = 0; i < t->n; i++)
		if (hash_eq(&t->space[i].space, space))
			return t->space[i].ways;
	return t->others;
}

static void terms_space_row(sqlite3_stmt *st, void *row)
{
	struct peer_space *s = row;

	db_id(st, 0, s->space.b);
	s->ways = (unsigned)db_int(st, 1) & (PEER_GIVE | PEER_TAKE);
}

static struct error *terms_spaces(struct db *local, struct db_stmts *s, const struct pubkey *key,
				  struct peer_terms *t)
{
	_cleanup_(arena_release) struct arena a = {0};
	sqlite3_stmt *st = db_stmt(s, TERMS_SPACES);
	char *rows;
	size_t n;

	db_bind(st, "k", key);
	TRY(collect(local, st, terms_space_row, sizeof(struct peer_space), &a, &rows, &n));
	t->n = n < LIMIT_SPACES ? n : LIMIT_SPACES;
	if (t->n)
		memcpy(t->space, rows, t->n * sizeof(*t->space));
	return NULL;
}

struct error *peer_terms_get(struct db *local, const struct pubkey *key, struct peer_terms *ret)
{
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(statements(local, &s));
	st = db_stmt(s, TERMS_GET);
	db_bind(st, "k", key);
	TRY(db_step(local, st, &row));
	peer_terms_default(ret);
	if (!row)
		return NULL;
	ret->others = (unsigned)db_int(st, 0) & (PEER_GIVE | PEER_TAKE);
	ret->take_bytes = (uint64_t)db_int(st, 1);
	ret->give_bytes = (uint64_t)db_int(st, 2);
	ret->until_ms = db_int(st, 3);
	sqlite3_reset(st);
	return terms_spaces(local, s, key, ret);
}

static struct error *terms_check(const struct peer_terms *t)
{
	unsigned all = PEER_GIVE | PEER_TAKE, ways = t->others;

	ENSURE(t->n <= LIMIT_SPACES,
	       error_new(ERR_LIMIT, N_("The terms name more spaces than there may be.")));
	for (size_t i = 0; i < t->n; i++) {
		ways |= t->space[i].ways;
		for (size_t k = 0; k < i; k++)
			ENSURE(!hash_eq(&t->space[i].space, &t->space[k].space),
			       error_new(ERR_INVALID, N_("The terms name the space %s twice."),
					 ID_SHORT(&t->space[i].space)));
	}
	ENSURE(!(ways & ~all) && t->until_ms >= 0 && t->take_bytes <= INT64_MAX &&
		       t->give_bytes <= INT64_MAX,
	       error_new(ERR_INVALID, N_("These terms make no sense.")));
	return NULL;
}

struct error *peer_terms_put(struct db *local, const struct pubkey *key, const struct peer_terms *t)
{
	struct db_stmts *s;
	struct peer p;

	TRY(terms_check(t));
	TRY(peer_get(local, key, &p));
	TRY(statements(local, &s));
	TRY(db_do(local, s, TERMS_PUT, "kiiii", key, (int64_t)t->others, (int64_t)t->take_bytes,
		  (int64_t)t->give_bytes, t->until_ms));
	TRY(db_do(local, s, TERMS_CLEAR, "k", key));
	for (size_t i = 0; i < t->n; i++)
		TRY(db_do(local, s, TERMS_SPACE_PUT, "kki", key, &t->space[i].space,
			  (int64_t)t->space[i].ways));
	return NULL;
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
