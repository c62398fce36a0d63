/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/copy/copy_priv.h"

enum { SUCCESSORS = 64 };

static const char *const migrations[] = {
	"CREATE TABLE twin(id INTEGER PRIMARY KEY CHECK(id = 1), first_ms INTEGER NOT NULL,"
	" last_ms INTEGER NOT NULL, signs INTEGER NOT NULL, place TEXT NOT NULL,"
	" handled INTEGER NOT NULL) STRICT;"
	"CREATE TABLE successor(key BLOB PRIMARY KEY, old BLOB NOT NULL, time_ms INTEGER NOT NULL,"
	" sig BLOB NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL,"
	" heard_ms INTEGER NOT NULL, dropped INTEGER NOT NULL) STRICT;"
	"CREATE TABLE lineage(key BLOB PRIMARY KEY, old BLOB NOT NULL, time_ms INTEGER NOT NULL,"
	" sig BLOB NOT NULL) STRICT;",
	/* Keys that this box had, and a box in strange hands has. */
	"CREATE TABLE strange(key BLOB PRIMARY KEY, since_ms INTEGER NOT NULL) STRICT;",
};

enum {
	TWIN_PUT,
	TWIN_GET,
	SUCCESSOR_PUT,
	SUCCESSOR_TRIM,
	SUCCESSOR_EACH,
	SUCCESSOR_DROP,
	LINEAGE_PUT,
	LINEAGE_GET,
	STRANGE_PUT,
	STRANGE_EACH,
	STMTS
};
static const char *const sql[STMTS] = {
	[TWIN_PUT] = "INSERT OR REPLACE INTO twin VALUES (1, ?1, ?2, ?3, ?4, ?5)",
	[TWIN_GET] = "SELECT first_ms, last_ms, signs, place, handled FROM twin",
	[SUCCESSOR_PUT] = "INSERT INTO successor VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)"
			  " ON CONFLICT(key) DO UPDATE SET name = excluded.name,"
			  " address = excluded.address, heard_ms = excluded.heard_ms",
	[SUCCESSOR_TRIM] = "DELETE FROM successor WHERE key IN"
			   " (SELECT key FROM successor ORDER BY heard_ms DESC LIMIT -1 OFFSET ?1)",
	[SUCCESSOR_EACH] = "SELECT key, old, time_ms, sig, name, address, heard_ms FROM successor"
			   " WHERE dropped = 0 ORDER BY heard_ms DESC, key",
	[SUCCESSOR_DROP] = "UPDATE successor SET dropped = 1 WHERE key = ?1",
	[LINEAGE_PUT] = "INSERT OR REPLACE INTO lineage VALUES (?1, ?2, ?3, ?4)",
	[LINEAGE_GET] = "SELECT key, old, time_ms, sig FROM lineage WHERE key = ?1",
	[STRANGE_PUT] = "INSERT OR REPLACE INTO strange VALUES (?1, ?2)",
	[STRANGE_EACH] = "SELECT key, since_ms FROM strange ORDER BY since_ms",
};

const struct feature copy_feature = {
	.name = "copy",
	.types = (const struct op_type[]){{0}},
	.local_migrations = migrations,
	.local_migrations_n = ARRAY_LEN(migrations),
	.local_sql = sql,
	.local_sql_n = STMTS,
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_local(c, &copy_feature);
}

struct error *notice_put(struct conn *c, const struct copy_notice *n, bool handled)
{
	return db_do(c->local, stmts(c), TWIN_PUT, "iiisi", n->first_ms, n->last_ms,
		     (int64_t)n->signs, n->place, (int64_t)handled);
}

struct error *notice_get(struct conn *c, struct copy_notice *ret, bool *ret_handled, bool *ret_any)
{
	sqlite3_stmt *st = db_stmt(stmts(c), TWIN_GET);

	*ret = (struct copy_notice){.first_ms = 0};
	*ret_handled = false;
	TRY(db_step(c->local, st, ret_any));
	if (*ret_any) {
		ret->first_ms = db_int(st, 0);
		ret->last_ms = db_int(st, 1);
		ret->signs = (unsigned)db_int(st, 2);
		snprintf(ret->place, sizeof(ret->place), "%s", db_text(st, 3));
		*ret_handled = db_int(st, 4) != 0;
	}
	sqlite3_reset(st);
	return NULL;
}

static void read_statement(sqlite3_stmt *st, struct successor *ret)
{
	struct span sig = db_blob(st, 3);

	db_id(st, 0, ret->to.b);
	db_id(st, 1, ret->from.b);
	ret->time_ms = db_int(st, 2);
	if (sig.n == sizeof(ret->sig.b))
		memcpy(ret->sig.b, sig.p, sig.n);
}

struct error *successor_put(struct conn *c, const struct copy_successor *s)
{
	TRY(db_do(c->local, stmts(c), SUCCESSOR_PUT, "kkibssi", &s->said.to, &s->said.from,
		  s->said.time_ms, span_of(s->said.sig.b, 64), s->name, s->address, s->heard_ms));
	return db_do(c->local, stmts(c), SUCCESSOR_TRIM, "i", (int64_t)SUCCESSORS);
}

/* Does the old key still stand for somebody here? Whose approval was withdrawn, because the key was
 * stolen perhaps, has no say any more about who comes after it, whenever it was said. */
static bool speaks(struct conn *c, const struct pubkey *old)
{
	struct peer p;
	struct error *e;

	if (pubkey_eq(old, conn_self(c)))
		return true;
	e = peer_get(c->local, old, &p);
	error_free(e);
	return !e;
}

struct error *copy_successors(struct conn *c, copy_successor_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), SUCCESSOR_EACH);
	_cleanup_(buf_release) struct buf rows = {0};
	struct error *e = NULL;

	while (db_next(c->local, st, &e)) {
		struct copy_successor s = {.heard_ms = 0};

		read_statement(st, &s.said);
		snprintf(s.name, sizeof(s.name), "%s", db_text(st, 4));
		snprintf(s.address, sizeof(s.address), "%s", db_text(st, 5));
		s.heard_ms = db_int(st, 6);
		buf_add(&rows, &s, sizeof(s));
	}
	TRY(e);
	for (size_t i = 0; i < rows.n / sizeof(struct copy_successor); i++) {
		const struct copy_successor *s = (const struct copy_successor *)(void *)rows.p + i;

		if (speaks(c, &s->said.from))
			TRY(fn(ctx, s));
	}
	return NULL;
}

struct error *successor_drop(struct conn *c, const struct pubkey *to)
{
	return db_do(c->local, stmts(c), SUCCESSOR_DROP, "k", to);
}

struct error *lineage_put(struct conn *c, const struct successor *s)
{
	return db_do(c->local, stmts(c), LINEAGE_PUT, "kkib", &s->to, &s->from, s->time_ms,
		     span_of(s->sig.b, 64));
}

struct error *lineage_get(struct conn *c, const struct pubkey *to, struct successor *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), LINEAGE_GET);
	bool row;

	db_bind(st, "k", to);
	TRY(db_step(c->local, st, &row));
	if (row)
		read_statement(st, ret);
	sqlite3_reset(st);
	return row ? NULL : error_new(ERR_NOT_FOUND, N_("This box has its first key."));
}

struct error *strange_put(struct conn *c, const struct pubkey *key, int64_t since_ms)
{
	return db_do(c->local, stmts(c), STRANGE_PUT, "ki", key, since_ms);
}

struct error *strange_each(struct conn *c, struct buf *rows)
{
	sqlite3_stmt *st = db_stmt(stmts(c), STRANGE_EACH);
	struct error *e = NULL;

	while (db_next(c->local, st, &e)) {
		struct strange_key row = {.since_ms = db_int(st, 1)};

		if (db_id(st, 0, row.key.b))
			buf_add(rows, &row, sizeof(row));
	}
	return e;
}
