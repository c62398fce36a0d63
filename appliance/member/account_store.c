/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/member/account_priv.h"

static const char *const migrations[] = {
	"CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
	" key BLOB NOT NULL UNIQUE, volunteer INTEGER NOT NULL, created INTEGER NOT NULL,"
	" salt BLOB NOT NULL, passes INTEGER NOT NULL, memory INTEGER NOT NULL,"
	" box BLOB NOT NULL) STRICT;"
	"CREATE TABLE claim (id INTEGER PRIMARY KEY CHECK (id = 1), code BLOB, key BLOB, box BLOB)"
	" STRICT;"
	"CREATE TABLE session (id INTEGER PRIMARY KEY, ticket BLOB NOT NULL UNIQUE,"
	" account INTEGER NOT NULL REFERENCES account, door INTEGER NOT NULL, box BLOB NOT NULL,"
	" since INTEGER NOT NULL) STRICT;"
	"CREATE INDEX session_of ON session (account);"
	"CREATE TABLE token (id INTEGER PRIMARY KEY, ticket BLOB NOT NULL UNIQUE,"
	" account INTEGER NOT NULL REFERENCES account, label TEXT NOT NULL, box BLOB NOT NULL,"
	" created INTEGER NOT NULL) STRICT;"
	"CREATE INDEX token_of ON token (account);",
	"ALTER TABLE claim ADD COLUMN next BLOB;",
	"ALTER TABLE claim ADD COLUMN until INTEGER NOT NULL DEFAULT 0;",
};

static const char *const sql[MEMBER_STMTS] = {
	[ACCOUNT_ADD] =
		"INSERT INTO account (name, key, volunteer, created, salt, passes, memory, box)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[ACCOUNT_BY_NAME] = "SELECT id, name, key, volunteer, created FROM account WHERE name = ?1",
	[ACCOUNT_BY_ID] = "SELECT id, name, key, volunteer, created FROM account WHERE id = ?1",
	[ACCOUNT_BY_KEY] = "SELECT id, name, key, volunteer, created FROM account WHERE key = ?1",
	[ACCOUNT_ALL] = "SELECT id, name, key, volunteer, created FROM account ORDER BY name, id",
	[ACCOUNT_COUNT] = "SELECT count(*) FROM account",
	[ACCOUNT_VOLUNTEERS] = "SELECT count(*) FROM account WHERE volunteer",
	[ACCOUNT_SEALED] = "SELECT salt, passes, memory, box FROM account WHERE id = ?1",
	[ACCOUNT_RESEAL] = "UPDATE account SET salt = ?2, passes = ?3, memory = ?4, box = ?5"
			   " WHERE id = ?1",
	[ACCOUNT_REKEY] =
		"UPDATE account SET salt = ?2, passes = ?3, memory = ?4, box = ?5, key = ?6"
		" WHERE id = ?1",
	[CLAIM_GET] = "SELECT code, key, box, next, until FROM claim",
	[CLAIM_KEEP] = "INSERT INTO claim (id, key, box) VALUES (1, ?1, ?2)"
		       " ON CONFLICT (id) DO UPDATE SET key = ?1, box = ?2, next = NULL",
	[CLAIM_NEXT] = "UPDATE claim SET box = ?1, next = ?2",
	[CLAIM_CODE] = "INSERT INTO claim (id, code, until) VALUES (1, ?1, ?2)"
		       " ON CONFLICT (id) DO UPDATE SET code = ?1, until = ?2",
	[CLAIM_CLEAR] = "DELETE FROM claim",
	[SESSION_ADD] = "INSERT INTO session (ticket, account, door, box, since)"
			" VALUES (?1, ?2, ?3, ?4, ?5)",
	[SESSION_TRIM] = "DELETE FROM session WHERE id IN"
			 " (SELECT id FROM session ORDER BY id DESC LIMIT -1 OFFSET ?1)",
	[SESSION_TRIM_ONE] =
		"DELETE FROM session WHERE account = ?1 AND id NOT IN"
		" (SELECT id FROM session WHERE account = ?1 ORDER BY id DESC LIMIT ?2)",
	[SESSION_FIND] = "SELECT s.id, s.account, s.door, s.since, s.box, a.key FROM session s"
			 " JOIN account a ON a.id = s.account WHERE s.ticket = ?1",
	[SESSION_ALL] = "SELECT id, account, door, since FROM session WHERE account = ?1"
			" ORDER BY id DESC",
	[SESSION_END] = "DELETE FROM session WHERE account = ?1 AND id = ?2",
	[SESSION_END_ALL] = "DELETE FROM session WHERE account = ?1 AND id <> ?2",
	[SESSION_EXPIRE] = "DELETE FROM session WHERE since < ?1",
	[TOKEN_ADD] = "INSERT INTO token (ticket, account, label, box, created)"
		      " VALUES (?1, ?2, ?3, ?4, ?5)",
	[TOKEN_COUNT] = "SELECT count(*) FROM token WHERE account = ?1",
	[TOKEN_FIND] = "SELECT t.id, t.account, t.label, t.created, t.box, a.key FROM token t"
		       " JOIN account a ON a.id = t.account WHERE t.ticket = ?1",
	[TOKEN_ALL] = "SELECT id, account, label, created FROM token WHERE account = ?1"
		      " ORDER BY id",
	[TOKEN_REVOKE] = "DELETE FROM token WHERE account = ?1 AND id = ?2",
	[TOKEN_REVOKE_ALL] = "DELETE FROM token WHERE account = ?1",
	[TOKEN_REVOKE_EVERYBODYS] = "DELETE FROM token",
};

static const struct op_type no_types[] = {{0}};

const struct feature member_feature = {
	.name = "member",
	.types = no_types,
	.local_migrations = migrations,
	.local_migrations_n = ARRAY_LEN(migrations),
	.local_sql = sql,
	.local_sql_n = MEMBER_STMTS,
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_local(c, &member_feature);
}

static void read_account(sqlite3_stmt *st, struct account *ret)
{
	*ret = (struct account){
		.id = db_int(st, 0), .volunteer = db_int(st, 3), .created_ms = db_int(st, 4)};
	snprintf(ret->name, sizeof(ret->name), "%s", db_text(st, 1));
	db_id(st, 2, ret->key.b);
}

static struct error *one(struct conn *c, sqlite3_stmt *st, struct account *ret)
{
	bool row;

	TRY(db_step(c->local, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("There is no such account on this box.")));
	read_account(st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *account_by_name(struct conn *c, const char *name, struct account *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), ACCOUNT_BY_NAME);

	db_bind(st, "s", name);
	return one(c, st, ret);
}

struct error *account_by_id(struct conn *c, int64_t id, struct account *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), ACCOUNT_BY_ID);

	db_bind(st, "i", id);
	return one(c, st, ret);
}

struct error *account_by_key(struct conn *c, const struct pubkey *key, struct account *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), ACCOUNT_BY_KEY);

	db_bind(st, "k", key->b);
	return one(c, st, ret);
}

struct error *account_each(struct conn *c, account_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), ACCOUNT_ALL);
	struct account a;
	struct error *e = NULL;

	while (db_next(c->local, st, &e)) {
		read_account(st, &a);
		e = fn(ctx, &a);
	}
	return e;
}

struct error *account_counts(struct conn *c, int64_t *ret_all, int64_t *ret_volunteers)
{
	TRY(db_number(c->local, stmts(c), ACCOUNT_COUNT, 0, ret_all, ""));
	return db_number(c->local, stmts(c), ACCOUNT_VOLUNTEERS, 0, ret_volunteers, "");
}

struct error *account_store_add(struct conn *c, const struct account *a, const struct sealed *s,
				int64_t *ret_id)
{
	TRY(db_do(c->local, stmts(c), ACCOUNT_ADD, "skiibiib", a->name, a->key.b,
		  (int64_t)a->volunteer, a->created_ms, span_of(s->salt, 16),
		  (int64_t)s->cost.passes, (int64_t)s->cost.memory, span_of(s->box, SEALED_SEED)));
	*ret_id = db_last_rowid(c->local);
	return NULL;
}

struct error *account_store_sealed(struct conn *c, int64_t id, struct sealed *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), ACCOUNT_SEALED);
	struct span salt, box;
	bool row;

	db_bind(st, "i", id);
	TRY(db_step(c->local, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("There is no such account on this box.")));
	salt = db_blob(st, 0);
	box = db_blob(st, 3);
	if (salt.n != sizeof(ret->salt) || box.n != SEALED_SEED) {
		sqlite3_reset(st);
		return error_new(ERR_CORRUPT,
				 N_("An account in %s is damaged. Put the file back "
				    "from a backup."),
				 db_path(c->local));
	}
	memcpy(ret->salt, salt.p, salt.n);
	memcpy(ret->box, box.p, box.n);
	ret->cost = (struct password_cost){(uint32_t)db_int(st, 1), (size_t)db_int(st, 2)};
	sqlite3_reset(st);
	return NULL;
}

struct error *account_store_reseal(struct conn *c, int64_t id, const struct sealed *s)
{
	return db_do(c->local, stmts(c), ACCOUNT_RESEAL, "ibiib", id, span_of(s->salt, 16),
		     (int64_t)s->cost.passes, (int64_t)s->cost.memory,
		     span_of(s->box, SEALED_SEED));
}

struct error *account_store_rekey(struct conn *c, int64_t id, const struct pubkey *key,
				  const struct sealed *s)
{
	return db_do(c->local, stmts(c), ACCOUNT_REKEY, "ibiibk", id, span_of(s->salt, 16),
		     (int64_t)s->cost.passes, (int64_t)s->cost.memory, span_of(s->box, SEALED_SEED),
		     key->b);
}

struct error *claim_store_get(struct conn *c, struct claim *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), CLAIM_GET);
	struct span box, next;
	bool row;

	*ret = (struct claim){0};
	TRY(db_step(c->local, st, &row));
	if (!row)
		return NULL;
	ret->has_code = db_id(st, 0, ret->code.b);
	box = db_blob(st, 2);
	ret->has_key = db_id(st, 1, ret->key.b) && box.n == SEALED_SEED;
	if (ret->has_key)
		memcpy(ret->box, box.p, SEALED_SEED);
	next = db_blob(st, 3);
	ret->has_next = ret->has_key && next.n == SEALED_SEED;
	if (ret->has_next)
		memcpy(ret->next, next.p, SEALED_SEED);
	ret->until_ms = db_int(st, 4);
	sqlite3_reset(st);
	return NULL;
}

struct error *claim_store_next(struct conn *c, const uint8_t box[SEALED_SEED],
			       const uint8_t next[SEALED_SEED])
{
	return db_do(c->local, stmts(c), CLAIM_NEXT, "bb", span_of(box, SEALED_SEED),
		     span_of(next, SEALED_SEED));
}

struct error *claim_store_keep(struct conn *c, const struct pubkey *key,
			       const uint8_t box[SEALED_SEED])
{
	return db_do(c->local, stmts(c), CLAIM_KEEP, "kb", key->b, span_of(box, SEALED_SEED));
}

struct error *claim_store_code(struct conn *c, const struct hash *code, int64_t until_ms)
{
	return db_do(c->local, stmts(c), CLAIM_CODE, "ki", code->b, until_ms);
}

struct error *claim_store_clear(struct conn *c)
{
	return db_do(c->local, stmts(c), CLAIM_CLEAR, "");
}
