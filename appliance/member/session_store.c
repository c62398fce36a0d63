/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/member/account_priv.h"
#include "appliance/member/session.h"

static const int64_t lifetime_ms = (int64_t)SESSION_DAYS * 24 * 3600 * 1000;

static struct db_stmts *stmts(struct conn *c)
{
	return conn_local(c, &member_feature);
}

static void derive(const char *kind, const char *what, const uint8_t raw[32], struct hash *ret)
{
	struct hash_state st;
	char label[64];

	snprintf(label, sizeof(label), "lliure-%s-%s-1", kind, what);
	hash_init(&st);
	hash_add(&st, label, strlen(label));
	hash_add(&st, raw, 32);
	*ret = hash_final(&st);
	crypto_wipe(&st, sizeof(st));
}

static void ticket_from(const char *kind, const uint8_t raw[32], struct ticket *ret)
{
	struct hash h;

	derive(kind, "id", raw, &ret->id);
	derive(kind, "key", raw, &h);
	memcpy(ret->seal, h.b, 32);
	derive(kind, "csrf", raw, &h);
	base32_encode(h.b, 20, ret->csrf);
	crypto_wipe(&h, sizeof(h));
}

bool ticket_parse(const char *kind, const char *text, struct ticket *ret)
{
	uint8_t raw[32];

	if (!id_parse(text, raw))
		return false;
	ticket_from(kind, raw, ret);
	crypto_wipe(raw, sizeof(raw));
	return true;
}

void ticket_new(const struct env *env, const char *kind, char *ret_text, struct ticket *ret)
{
	uint8_t raw[32];

	env_random(env, raw, sizeof(raw));
	base32_encode(raw, sizeof(raw), ret_text);
	ticket_from(kind, raw, ret);
	crypto_wipe(raw, sizeof(raw));
}

struct error *session_add(struct conn *c, const struct ticket *t, int64_t account,
			  const struct secret *secret, int door, int64_t *ret_id)
{
	int64_t now = env_now(c->env);
	uint8_t box[SEALED_SEED];

	seed_seal(t->seal, secret, box);
	TRY(db_do(c->local, stmts(c), SESSION_EXPIRE, "i", now - lifetime_ms));
	TRY(db_do(c->local, stmts(c), SESSION_ADD, "kiibi", t->id.b, account, (int64_t)door,
		  span_of(box, sizeof(box)), now));
	*ret_id = db_last_rowid(c->local);
	TRY(db_do(c->local, stmts(c), SESSION_TRIM_ONE, "ii", account, (int64_t)SESSIONS_EACH));
	return db_do(c->local, stmts(c), SESSION_TRIM, "i", (int64_t)LIMIT_SESSIONS);
}

static struct error *not_found(void)
{
	return error_new(ERR_NOT_FOUND, N_("You are not signed in there any more."));
}

/* Columns 4 and 5: the box and the public key. */
static struct error *open_box(sqlite3_stmt *st, const uint8_t seal[32], struct secret **ret_secret)
{
	struct pubkey key;

	if (!ret_secret)
		return NULL;
	db_id(st, 5, key.b);
	/* A key that was made anew while the session lived (a forgotten password) ends it. */
	return seed_unseal(seal, &key, db_blob(st, 4), ret_secret) ? NULL : not_found();
}

struct error *session_find(struct conn *c, const struct ticket *t, int door, struct session *ret,
			   struct secret **ret_secret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), SESSION_FIND);
	struct session s;
	struct error *e;
	bool row;

	db_bind(st, "k", t->id.b);
	TRY(db_step(c->local, st, &row));
	ENSURE(row, not_found());
	s = (struct session){db_int(st, 0), db_int(st, 1), (int)db_int(st, 2), db_int(st, 3)};
	e = s.door != door || env_now(c->env) - s.since_ms > lifetime_ms
		    ? not_found()
		    : open_box(st, t->seal, ret_secret);
	sqlite3_reset(st);
	if (!e)
		*ret = s;
	return e;
}

struct error *session_each(struct conn *c, int64_t account, session_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), SESSION_ALL);
	struct session s;
	struct error *e = NULL;

	db_bind(st, "i", account);
	while (db_next(c->local, st, &e)) {
		s = (struct session){db_int(st, 0), db_int(st, 1), (int)db_int(st, 2),
				     db_int(st, 3)};
		e = fn(ctx, &s);
	}
	return e;
}

struct error *session_end(struct conn *c, int64_t account, int64_t id)
{
	TRY(db_do(c->local, stmts(c), SESSION_END, "ii", account, id));
	ENSURE(db_changes(c->local), not_found());
	return NULL;
}

struct error *session_end_all(struct conn *c, int64_t account, int64_t but)
{
	return db_do(c->local, stmts(c), SESSION_END_ALL, "ii", account, but);
}

struct error *session_end_everybodys(struct conn *c)
{
	return db_do(c->local, stmts(c), SESSION_EXPIRE, "i", INT64_MAX);
}

/* --- tokens --- */

struct error *token_add(struct conn *c, const struct ticket *t, int64_t account,
			const struct secret *secret, const char *label)
{
	uint8_t box[SEALED_SEED];
	int64_t n;

	TRY(db_number(c->local, stmts(c), TOKEN_COUNT, 0, &n, "i", account));
	ENSURE(n < LIMIT_TOKENS,
	       error_new(ERR_LIMIT, N_("You have as many keys for programs as one "
				       "person may. Take one away first.")));
	seed_seal(t->seal, secret, box);
	return db_do(c->local, stmts(c), TOKEN_ADD, "kisbi", t->id.b, account, label,
		     span_of(box, sizeof(box)), env_now(c->env));
}

static struct error *no_token(void)
{
	return error_new(ERR_NOT_FOUND, N_("There is no such key for programs."));
}

static void read_token(sqlite3_stmt *st, struct token *ret)
{
	*ret = (struct token){
		.id = db_int(st, 0), .account = db_int(st, 1), .created_ms = db_int(st, 3)};
	snprintf(ret->label, sizeof(ret->label), "%s", db_text(st, 2));
}

struct error *token_find(struct conn *c, const struct ticket *t, struct token *ret,
			 struct secret **ret_secret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), TOKEN_FIND);
	struct token found;
	struct error *e;
	bool row;

	db_bind(st, "k", t->id.b);
	TRY(db_step(c->local, st, &row));
	ENSURE(row, no_token());
	read_token(st, &found);
	e = open_box(st, t->seal, ret_secret);
	sqlite3_reset(st);
	if (!e)
		*ret = found;
	return e;
}

struct error *token_each(struct conn *c, int64_t account, token_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), TOKEN_ALL);
	struct token t;
	struct error *e = NULL;

	db_bind(st, "i", account);
	while (db_next(c->local, st, &e)) {
		read_token(st, &t);
		e = fn(ctx, &t);
	}
	return e;
}

struct error *token_revoke(struct conn *c, int64_t account, int64_t id)
{
	TRY(db_do(c->local, stmts(c), TOKEN_REVOKE, "ii", account, id));
	ENSURE(db_changes(c->local), no_token());
	return NULL;
}

struct error *token_revoke_all(struct conn *c, int64_t account)
{
	return db_do(c->local, stmts(c), TOKEN_REVOKE_ALL, "i", account);
}

struct error *token_revoke_everybodys(struct conn *c)
{
	return db_do(c->local, stmts(c), TOKEN_REVOKE_EVERYBODYS, "");
}
