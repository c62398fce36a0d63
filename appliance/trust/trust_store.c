/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of vouches in view.db. */
#include "appliance/trust/trust_priv.h"
#include "appliance/community/rows.h"

static const char *const migrations[] = {
	"CREATE TABLE vouch(id BLOB PRIMARY KEY, space BLOB NOT NULL, box BLOB NOT NULL,"
	" key BLOB NOT NULL, name TEXT NOT NULL, address TEXT NOT NULL, note TEXT NOT NULL,"
	" time INTEGER NOT NULL, withdrawn INTEGER) STRICT, WITHOUT ROWID;"
	"CREATE INDEX vouch_key ON vouch(key, time);"
	"CREATE INDEX vouch_box ON vouch(box, time);",
};

enum { ADD, GET, END, FORGET, FOR, BY, OF, DIGEST, STMTS };
#define COLUMNS "SELECT id, space, box, key, name, address, note, time, withdrawn FROM vouch"
static const char *const sql[STMTS] = {
	[ADD] = "INSERT INTO vouch VALUES (?1,?2,?3,?4,?5,?6,?7,?8,NULL)",
	[GET] = COLUMNS " WHERE id=?1",
	[END] = "UPDATE vouch SET withdrawn=?2 WHERE id=?1",
	[FORGET] = "DELETE FROM vouch WHERE id=?1",
	[FOR] = COLUMNS " WHERE key=?1 AND withdrawn IS NULL ORDER BY id LIMIT ?2",
	[BY] = COLUMNS " WHERE box=?1 AND withdrawn IS NULL ORDER BY id LIMIT ?2",
	[OF] = COLUMNS " WHERE box=?1 AND key=?2 AND withdrawn IS NULL ORDER BY id",
	[DIGEST] = COLUMNS " WHERE space=?1 ORDER BY id",
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_view(c, &trust_feature);
}

static void read_row(sqlite3_stmt *st, struct vouch *v)
{
	memset(v, 0, sizeof(*v));
	db_id(st, 0, v->id.b);
	db_id(st, 1, v->space.b);
	db_id(st, 2, v->box.b);
	db_id(st, 3, v->key.b);
	snprintf(v->name, sizeof(v->name), "%s", db_text(st, 4));
	snprintf(v->address, sizeof(v->address), "%s", db_text(st, 5));
	snprintf(v->note, sizeof(v->note), "%s", db_text(st, 6));
	v->time = db_int(st, 7);
	v->withdrawn_ms = db_int(st, 8);
}

struct error *vouch_add(struct fold *f, const struct vouch *v)
{
	return db_do(f->conn->view, stmts(f->conn), ADD, "kkkksssi", &v->id, &v->space, &v->box,
		     &v->key, v->name, v->address, v->note, v->time);
}

struct error *vouch_folded(struct fold *f, struct vouch *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(f->conn), GET);
	bool row;

	db_bind(st, "k", &f->object);
	TRY(db_step(f->conn->view, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("There is nothing here with this address.")));
	read_row(st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *vouch_end(struct fold *f, int64_t when_ms)
{
	return db_do(f->conn->view, stmts(f->conn), END, "ki", &f->object, when_ms);
}

/* All rows first: what is called may ask again. */
static struct error *each_row(struct conn *c, sqlite3_stmt *st, vouch_fn *fn, void *ctx)
{
	_cleanup_(buf_release) struct buf rows = {0};
	struct vouch v;
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		read_row(st, &v);
		buf_add(&rows, &v, sizeof(v));
	}
	TRY(e);
	for (size_t i = 0; i < rows.n / sizeof(v); i++)
		TRY(fn(ctx, (const struct vouch *)(const void *)rows.p + i));
	return NULL;
}

static struct error *each(struct conn *c, int which, const struct pubkey *key, size_t max,
			  vouch_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), which);

	db_bind(st, "ki", key, (int64_t)max);
	return each_row(c, st, fn, ctx);
}

struct error *vouch_for(struct conn *c, const struct pubkey *key, size_t max, vouch_fn *fn,
			void *ctx)
{
	return each(c, FOR, key, max, fn, ctx);
}

struct error *vouch_by(struct conn *c, const struct pubkey *box, size_t max, vouch_fn *fn,
		       void *ctx)
{
	return each(c, BY, box, max, fn, ctx);
}

struct error *vouch_of(struct conn *c, const struct pubkey *box, const struct pubkey *key,
		       vouch_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), OF);

	db_bind(st, "kk", box, key);
	return each_row(c, st, fn, ctx);
}

static struct error *reset(struct fold *f)
{
	return db_do(f->conn->view, stmts(f->conn), FORGET, "k", &f->object);
}

static struct error *digest(struct conn *c, const struct hash *space, struct hash_state *h)
{
	sqlite3_stmt *st = db_stmt(stmts(c), DIGEST);

	db_bind(st, "k", space);
	return digest_rows(c->view, st, h);
}

const struct feature trust_feature = {
	.name = "trust",
	.types = trust_types,
	.view_migrations = migrations,
	.view_migrations_n = ARRAY_LEN(migrations),
	.view_sql = sql,
	.view_sql_n = STMTS,
	.reset = reset,
	.digest = digest,
};
