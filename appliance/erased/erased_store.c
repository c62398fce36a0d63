/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/erased/erased_priv.h"

static const char *const migrations[] = {
	"CREATE TABLE erase_done(op BLOB NOT NULL, target BLOB NOT NULL, box BLOB NOT NULL,"
	" space BLOB NOT NULL, time INTEGER NOT NULL, PRIMARY KEY(op, target))"
	" STRICT, WITHOUT ROWID;"
	"CREATE INDEX erase_done_target ON erase_done(target, box);"
	"CREATE INDEX erase_done_space ON erase_done(space, op, target);",
};

/* Of each box and space the first receipt behind each erasing here: so much is enough to say when the box
 * held the same, however many receipts come later. */
static const char *const local_migrations[] = {
	"CREATE TABLE erase_receipt(space BLOB NOT NULL, box BLOB NOT NULL, time INTEGER NOT NULL,"
	" PRIMARY KEY(space, box, time)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE erase_receipt_seen(one INTEGER PRIMARY KEY CHECK(one = 1), num INTEGER NOT NULL)"
	" STRICT;",
};

enum { PAPER_ADD, PAPER_LAST, PAPER_FIRST, SEEN_GET, SEEN_SET, LOCAL_STMTS };
static const char *const local_sql[LOCAL_STMTS] = {
	[PAPER_ADD] = "INSERT OR IGNORE INTO erase_receipt VALUES (?1, ?2, ?3)",
	[PAPER_LAST] = "SELECT max(time) FROM erase_receipt WHERE space = ?1 AND box = ?2 AND time <= ?3",
	[PAPER_FIRST] = "SELECT min(time) FROM erase_receipt WHERE space = ?1 AND box = ?2 AND time >= ?3",
	[SEEN_GET] = "SELECT num FROM erase_receipt_seen",
	[SEEN_SET] = "INSERT OR REPLACE INTO erase_receipt_seen VALUES (1, ?1)",
};

enum { DONE_ADD, DONE_RESET, DONE_BY, DONE_WHERE, DONE_DIGEST, DONE_ANY, DONE_BETWEEN, STMTS };
static const char *const sql[STMTS] = {
	[DONE_ADD] = "INSERT OR REPLACE INTO erase_done VALUES (?1, ?2, ?3, ?4, ?5)",
	[DONE_RESET] = "DELETE FROM erase_done WHERE op = ?1",
	[DONE_BY] = "SELECT 1 FROM erase_done WHERE target = ?1 AND box = ?2",
	[DONE_WHERE] = "SELECT box, max(time) FROM erase_done WHERE target = ?1 GROUP BY box"
		       " ORDER BY max(time), box",
	[DONE_DIGEST] = "SELECT op, target, box FROM erase_done WHERE space = ?1"
			" ORDER BY op, target",
	[DONE_ANY] = "SELECT 1 FROM erase_done LIMIT 1",
	[DONE_BETWEEN] = "SELECT 1 FROM erase_done WHERE space = ?1 AND box = ?2 AND time > ?3"
			 " AND time <= ?4 LIMIT 1",
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_view(c, &erased_feature);
}

/* --- the op ----------------------------------------------------------------------------------- */

/* A box speaks for itself and nobody else. */
static struct error *done_check(struct fold *f, const struct op *op)
{
	(void)f;
	ENSURE(op->by_appliance,
	       error_new(ERR_DENIED, N_("Only a box itself says what is gone from it.")));
	return NULL;
}

static struct error *done_apply(struct fold *f, const struct op *op)
{
	const json_t *list = json_object_get(op->body, "targets"), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		struct hash target;

		if (id_parse(json_string_value(item), target.b))
			TRY(db_do(f->conn->view, stmts(f->conn), DONE_ADD, "kkkki", &op->id,
				  &target, &op->author, &f->space, op->time));
	}
	return NULL;
}

static struct error *done_reset(struct fold *f)
{
	return db_do(f->conn->view, stmts(f->conn), DONE_RESET, "k", &f->object);
}

static struct error *done_digest(struct conn *c, const struct hash *space, struct hash_state *h)
{
	sqlite3_stmt *st = db_stmt(stmts(c), DONE_DIGEST);
	struct error *e = NULL;

	db_bind(st, "k", space);
	while (db_next(c->view, st, &e)) {
		uint8_t id[32];

		for (int i = 0; i < 3; i++) {
			db_id(st, i, id);
			hash_add(h, id, sizeof(id));
		}
	}
	return e;
}

static const struct op_field fields[] = {
	{"targets", FIELD_IDS, true, ERASED_TARGETS},
	{NULL, 0, false, 0},
};
static const struct op_type types[] = {
	{"erase.done", fields, ROLE_APPLIANCE, OP_CREATES | OP_BY_APPLIANCE, done_check,
	 done_apply},
	{0},
};

const struct feature erased_feature = {
	.name = "erased",
	.types = types,
	.view_migrations = migrations,
	.view_migrations_n = ARRAY_LEN(migrations),
	.view_sql = sql,
	.view_sql_n = STMTS,
	.local_migrations = local_migrations,
	.local_migrations_n = ARRAY_LEN(local_migrations),
	.local_sql = local_sql,
	.local_sql_n = LOCAL_STMTS,
	.reset = done_reset,
	.digest = done_digest,
};

/* --- reading ---------------------------------------------------------------------------------- */

struct error *done_by(struct conn *c, const struct hash *target, const struct pubkey *box,
		      bool *ret)
{
	int64_t one;

	TRY(db_number(c->view, stmts(c), DONE_BY, 0, &one, "kk", target, box));
	*ret = one != 0;
	return NULL;
}

struct error *erased_where(struct conn *c, const struct hash *target, erased_at_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), DONE_WHERE);
	_cleanup_(buf_release) struct buf rows = {0};
	struct error *e = NULL;

	db_bind(st, "k", target);
	while (db_next(c->view, st, &e)) {
		struct erased_at at = {.time = 0};

		db_id(st, 0, at.box.b);
		at.time = db_int(st, 1);
		buf_add(&rows, &at, sizeof(at));
	}
	TRY(e);
	for (size_t i = 0; i < rows.n / sizeof(struct erased_at); i++)
		TRY(fn(ctx, (const struct erased_at *)(void *)rows.p + i));
	return NULL;
}

/* --- receipts --------------------------------------------------------------------------------- */

static struct db_stmts *local_stmts(struct conn *c)
{
	return conn_local(c, &erased_feature);
}

struct error *done_any(struct conn *c, bool *ret)
{
	int64_t one;

	TRY(db_number(c->view, stmts(c), DONE_ANY, 0, &one, ""));
	*ret = one != 0;
	return NULL;
}

struct error *paper_seen(struct conn *c, int64_t *ret)
{
	return db_number(c->local, local_stmts(c), SEEN_GET, 0, ret, "");
}

struct error *paper_set_seen(struct conn *c, int64_t num)
{
	return db_do(c->local, local_stmts(c), SEEN_SET, "i", num);
}

struct error *paper_add(struct conn *c, const struct hash *space, const struct pubkey *box, int64_t time)
{
	int64_t last, one;

	TRY(db_number(c->local, local_stmts(c), PAPER_LAST, 0, &last, "kki", space, box, time));
	TRY(db_number(c->view, stmts(c), DONE_BETWEEN, 0, &one, "kkii", space, conn_self(c), last, time));
	if (!one)
		return NULL;
	return db_do(c->local, local_stmts(c), PAPER_ADD, "kki", space, box, time);
}

struct error *erased_by_receipt(struct conn *c, const struct hash *space, const struct pubkey *box,
				int64_t gone_ms, int64_t *ret_ms)
{
	return db_number(c->local, local_stmts(c), PAPER_FIRST, 0, ret_ms, "kki", space, box, gone_ms);
}
