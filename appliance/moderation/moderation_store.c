/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of held messages in local.db. It has secure_delete: what is taken out is overwritten.
 */
#include "appliance/moderation/moderation_priv.h"

static const char *const migrations[] = {
	"CREATE TABLE held(id INTEGER PRIMARY KEY AUTOINCREMENT, secret BLOB NOT NULL UNIQUE,"
	" space BLOB NOT NULL, topic BLOB, forum BLOB, name TEXT NOT NULL, title TEXT NOT NULL,"
	" text TEXT NOT NULL, time INTEGER NOT NULL, state INTEGER NOT NULL, reason TEXT NOT NULL,"
	" op BLOB, decided INTEGER NOT NULL) STRICT;"
	"CREATE INDEX held_state ON held(state, time);",
};

enum {
	HELD_ADD,
	HELD_SETTLE,
	HELD_PURGE,
	HELD_COUNT,
	HELD_RECENT,
	HELD_EACH,
	HELD_GET,
	HELD_BY_SECRET,
	HELD_STMTS
};
#define COLUMNS                                                                                    \
	"SELECT id, space, topic, forum, name, title, text, time, state, reason, op FROM held "
static const char *const sql[HELD_STMTS] = {
	[HELD_ADD] = "INSERT INTO held(secret, space, topic, forum, name, title, text, time, "
		     "state, reason,"
		     " op, decided) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, '', NULL, 0)",
	[HELD_SETTLE] = "UPDATE held SET state = ?2, reason = ?3, op = ?4, decided = ?5, name = '',"
			" title = '', text = '' WHERE id = ?1",
	[HELD_PURGE] = "DELETE FROM held WHERE state <> 0 AND decided < ?1",
	[HELD_COUNT] = "SELECT count(*) FROM held WHERE state = 0",
	[HELD_RECENT] = "SELECT count(*) FROM held WHERE time > ?1 AND time <= ?2",
	[HELD_EACH] = COLUMNS "WHERE state = 0 ORDER BY id",
	[HELD_GET] = COLUMNS "WHERE id = ?1",
	[HELD_BY_SECRET] = COLUMNS "WHERE secret = ?1",
};

const struct feature moderation_feature = {
	.name = "moderation",
	.types = (const struct op_type[]){{0}},
	.local_migrations = migrations,
	.local_migrations_n = ARRAY_LEN(migrations),
	.local_sql = sql,
	.local_sql_n = HELD_STMTS,
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_local(c, &moderation_feature);
}

struct error *held_add(struct conn *c, const struct held *h, const struct hash *secret)
{
	bool opens = hash_is_zero(&h->topic);

	return db_do(c->local, stmts(c), HELD_ADD, "kkkksssi", secret, &h->space,
		     opens ? NULL : &h->topic, opens ? &h->forum : NULL, h->name, h->title, h->text,
		     h->time);
}

struct error *held_settle(struct conn *c, int64_t id, enum held_state state, const char *reason,
			  const struct hash *op)
{
	return db_do(c->local, stmts(c), HELD_SETTLE, "iiski", id, (int64_t)state, reason, op,
		     env_now(c->env));
}

struct error *held_purge(struct conn *c, int64_t decided_before)
{
	return db_do(c->local, stmts(c), HELD_PURGE, "i", decided_before);
}

struct error *held_recent(struct conn *c, int64_t since, int64_t until, int64_t *ret)
{
	return db_number(c->local, stmts(c), HELD_RECENT, 0, ret, "ii", since, until);
}

struct error *moderation_held_count(struct conn *c, int64_t *ret)
{
	return db_number(c->local, stmts(c), HELD_COUNT, 0, ret, "");
}

static void read_held(sqlite3_stmt *st, struct held *h)
{
	*h = (struct held){.id = db_int(st, 0),
			   .text = db_text(st, 6),
			   .time = db_int(st, 7),
			   .state = (enum held_state)db_int(st, 8),
			   .reason = db_text(st, 9)};
	db_id(st, 1, h->space.b);
	db_id(st, 2, h->topic.b);
	db_id(st, 3, h->forum.b);
	snprintf(h->name, sizeof(h->name), "%s", db_text(st, 4));
	snprintf(h->title, sizeof(h->title), "%s", db_text(st, 5));
	db_id(st, 10, h->op.b);
}

struct error *moderation_each(struct conn *c, held_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), HELD_EACH);
	struct error *e = NULL;
	struct held h;

	while (db_next(c->local, st, &e)) {
		read_held(st, &h);
		e = fn(ctx, &h);
	}
	return e;
}

static struct error *one(struct conn *c, sqlite3_stmt *st, held_fn *fn, void *ctx)
{
	struct error *e;
	struct held h;
	bool row;

	TRY(db_step(c->local, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND,
			      N_("There is no message that waits at this address. It may have"
				 " been decided long ago.")));
	read_held(st, &h);
	e = fn(ctx, &h);
	sqlite3_reset(st);
	return e;
}

struct error *moderation_get(struct conn *c, int64_t id, held_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), HELD_GET);

	db_bind(st, "i", id);
	return one(c, st, fn, ctx);
}

struct error *moderation_by_secret(struct conn *c, const char *secret, held_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), HELD_BY_SECRET);
	struct hash h = hash_bytes(span_str(secret));

	db_bind(st, "k", &h);
	return one(c, st, fn, ctx);
}
