/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/member/account_priv.h"
#include "appliance/community/op_text.h"
#include "appliance/member/session.h"

/* --- sealing --- */

void seed_seal(const uint8_t key[32], const struct secret *secret, uint8_t out[SEALED_SEED])
{
	uint8_t seed[32];

	secret_seed(secret, seed);
	seal(key, span_of(seed, 32), span_of(secret_pubkey(secret)->b, 32), out);
	crypto_wipe(seed, sizeof(seed));
}

bool seed_unseal(const uint8_t key[32], const struct pubkey *public, struct span box,
		 struct secret **ret)
{
	uint8_t seed[32];
	bool ok = box.n == SEALED_SEED && unseal(key, box, span_of(public->b, 32), seed);

	if (ok)
		*ret = secret_from_seed(seed);
	crypto_wipe(seed, sizeof(seed));
	return ok;
}

static struct error *seal_under(struct app *app, const char *password, const struct secret *secret,
				struct sealed *ret)
{
	uint8_t key[32];

	env_random(app->env, ret->salt, sizeof(ret->salt));
	ret->cost = app->password_cost;
	TRY(password_key(span_str(password), ret->salt, ret->cost, key));
	seed_seal(key, secret, ret->box);
	crypto_wipe(key, sizeof(key));
	return NULL;
}

/* --- what is allowed --- */

struct error *account_check_name(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	ENSURE(n, error_new(ERR_INVALID, N_("Please give a name.")));
	ENSURE(n <= LIMIT_NAME, error_new(ERR_INVALID, N_("This name is too long.")));
	ENSURE(text_is_line(span_str(name)) && name[0] != ' ' && name[n - 1] != ' ' &&
		       !strpbrk(name, "/?#%\\"),
	       error_new(ERR_INVALID, N_("This name can't be used: it must not begin or end with a "
					 "space, nor hold any of / ? # %% \\.")));
	return NULL;
}

struct error *account_check_password(const char *password)
{
	size_t n = password ? strlen(password) : 0;

	ENSURE(n >= PASSWORD_MIN,
	       error_new(ERR_INVALID,
			 N_("A password has at least 8 characters. Three or four words "
			    "that do not belong together make a good one.")));
	ENSURE(n <= PASSWORD_MAX, error_new(ERR_INVALID, N_("This password is too long.")));
	return NULL;
}

/* --- membership --- */

/* Be a member of the home space with this role: says so in its rules unless it is so already. */
static struct error *join_home(struct conn *c, const struct account *a, enum role role,
			       const struct secret *by, const struct pubkey *box)
{
	struct space_info home;
	struct member m;
	struct hash id;
	struct error *e = space_home(c, &home);

	if (role == ROLE_NONE || error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	e = member_get(c, &home.id, &a->key, &m);
	if (!e && m.role == role && strcmp(m.name, a->name) == 0)
		return NULL;
	error_free(e);
	return community_submit(
		c,
		&(struct draft){.type = "member.add",
				.space = home.id,
				.author = by,
				.take_body = json_pack("{s:s, s:s, s:s, s:s}", "key", ID(&a->key),
						       "name", a->name, "role", role_name(role),
						       "home", ID(box))},
		&id);
}

struct adding {
	struct account account;
	struct sealed sealed;
	enum role role;
	const struct secret *by;
	struct pubkey box;
	bool claim; /* the box gets its first volunteer */
};

static struct error *claimed(struct conn *c, bool *ret) MUST;

static struct error *add(struct conn *c, void *arg)
{
	struct adding *a = arg;
	struct account other;
	bool over = false;
	int64_t all, volunteers;
	struct error *e = account_by_name(c, a->account.name, &other);

	ENSURE(e, error_new(ERR_EXISTS,
			    N_("There is somebody called %s on this box already. Choose another "
			       "name, or add a surname."),
			    a->account.name));
	ENSURE(error_is(e, ERR_NOT_FOUND), e);
	error_free(e);
	TRY(account_counts(c, &all, &volunteers));
	ENSURE(all < LIMIT_ACCOUNTS,
	       error_new(ERR_LIMIT, N_("This box has no room for more people.")));
	if (a->claim)
		TRY(claimed(c, &over));
	ENSURE(!over,
	       error_new(ERR_GONE,
			 N_("This box has a volunteer already. Ask them for an account.")));
	TRY(account_store_add(c, &a->account, &a->sealed, &a->account.id));
	if (a->claim)
		TRY(claim_store_clear(c));
	return join_home(c, &a->account, a->role, a->by, &a->box);
}

static struct error *create(struct app *app, const struct account_new *what, bool claim,
			    struct account *ret)
{
	_cleanup_(secret_freep) struct secret *fresh = what->key ? NULL : secret_new();
	const struct secret *key = what->key ? what->key : fresh;
	struct adding a = {.role = what->role, .by = what->by, .claim = claim};

	TRY(account_check_name(what->name));
	TRY(account_check_password(what->password));
	snprintf(a.account.name, sizeof(a.account.name), "%s", what->name);
	a.account.key = *secret_pubkey(key);
	a.account.volunteer = what->volunteer;
	a.account.created_ms = env_now(app->env);
	a.box = *secret_pubkey(app->self);
	TRY(seal_under(app, what->password, key, &a.sealed));
	TRY(writer_run(app->writer, add, &a));
	if (ret)
		*ret = a.account;
	return NULL;
}

struct error *account_create(struct app *app, const struct account_new *what, struct account *ret)
{
	return create(app, what, false, ret);
}

/* --- passwords --- */

static struct error *wrong(void)
{
	return error_new(ERR_AUTH, N_("The name or the password is not right."));
}

struct error *account_open(struct app *app, struct conn *c, const char *name, const char *password,
			   struct account *ret, struct secret **ret_secret)
{
	/* An unknown name costs what a known one costs. */
	struct sealed s = {.cost = app->password_cost};
	struct account a = {0};
	struct error *e = account_by_name(c, name, &a);
	bool known = !e, ok;
	uint8_t key[32];

	if (e && !error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	if (known)
		TRY(account_store_sealed(c, a.id, &s));
	ENSURE(strlen(password) <= PASSWORD_MAX, wrong());
	TRY(password_key(span_str(password), s.salt, s.cost, key));
	ok = seed_unseal(key, &a.key, span_of(s.box, sizeof(s.box)), ret_secret);
	crypto_wipe(key, sizeof(key));
	ENSURE(ok && known, wrong());
	*ret = a;
	return NULL;
}

struct resealing {
	struct account account;
	struct sealed sealed;
	int64_t keep_session;
	bool forgotten;
	struct pubkey new_key, box;
};

static struct error *reseal(struct conn *c, void *arg)
{
	struct resealing *r = arg;

	TRY(session_end_all(c, r->account.id, r->keep_session));
	if (!r->forgotten)
		return account_store_reseal(c, r->account.id, &r->sealed);
	TRY(token_revoke_all(c, r->account.id));
	TRY(account_store_rekey(c, r->account.id, &r->new_key, &r->sealed));
	r->account.key = r->new_key;
	return join_home(c, &r->account, ROLE_MEMBER, NULL, &r->box);
}

struct error *account_password(struct app *app, const char *name, const char *old,
			       const char *password, int64_t keep_session)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct resealing r = {.keep_session = keep_session, .forgotten = !old};

	TRY(account_check_password(password));
	TRY(app_conn(app, &c));
	if (old) {
		TRY(account_open(app, c, name, old, &r.account, &key));
	} else {
		TRY(account_by_name(c, name, &r.account));
		key = secret_new();
	}
	r.new_key = *secret_pubkey(key);
	r.box = *secret_pubkey(app->self);
	TRY(seal_under(app, password, key, &r.sealed));
	/* Who knows the old one has rows of the same length written, and ends other sessions by it: also on
	 * a disk that is nearly full. */
	return (old ? writer_run_tidying : writer_run)(app->writer, reseal, &r);
}

/* --- tokens --- */

struct token_making {
	struct ticket ticket;
	int64_t account;
	const struct secret *secret;
	const char *label;
};

static struct error *make_token(struct conn *c, void *arg)
{
	struct token_making *m = arg;

	return token_add(c, &m->ticket, m->account, m->secret, m->label);
}

struct error *account_token(struct app *app, const char *name, const char *password,
			    const char *label, char ret_token[TOKEN_TEXT])
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct token_making m = {.label = label};
	struct account a;
	char text[SESSION_TEXT];

	TRY(app_conn(app, &c));
	TRY(account_open(app, c, name, password, &a, &key));
	m.account = a.id;
	m.secret = key;
	ticket_new(app->env, "token", text, &m.ticket);
	TRY(writer_run(app->writer, make_token, &m));
	snprintf(ret_token, TOKEN_TEXT, "lliure_%s", text);
	crypto_wipe(text, sizeof(text));
	crypto_wipe(&m.ticket, sizeof(m.ticket));
	return NULL;
}

/* --- the first volunteer --- */

/* The key that holds the founding steward's until somebody claims the box: only this appliance has
 * it. */
static void pending_key(const struct secret *appliance, uint8_t out[32])
{
	struct hash_state st;
	struct hash h;
	uint8_t seed[32];

	secret_seed(appliance, seed);
	hash_init(&st);
	hash_add(&st, "lliure-pending-1", 16);
	hash_add(&st, seed, 32);
	h = hash_final(&st);
	memcpy(out, h.b, 32);
	crypto_wipe(seed, sizeof(seed));
	crypto_wipe(&h, sizeof(h));
	crypto_wipe(&st, sizeof(st));
}

struct error *account_create_claimable(struct conn *c, const struct secret *appliance,
				       const struct secret *steward)
{
	uint8_t key[32], box[SEALED_SEED];

	pending_key(appliance, key);
	seed_seal(key, steward, box);
	crypto_wipe(key, sizeof(key));
	return claim_store_keep(c, secret_pubkey(steward), box);
}

/* The founder's key, under the box's key of now or, after a power cut between the two, of next. */
static bool claim_open(const struct claim *claim, const struct secret *appliance,
		       struct secret **ret)
{
	uint8_t key[32];
	bool ok;

	pending_key(appliance, key);
	ok = seed_unseal(key, &claim->key, span_of(claim->box, SEALED_SEED), ret) ||
	     (claim->has_next &&
	      seed_unseal(key, &claim->key, span_of(claim->next, SEALED_SEED), ret));
	crypto_wipe(key, sizeof(key));
	return ok;
}

struct error *account_reseal_claim(struct conn *c, const struct secret *appliance,
				   const struct secret *next)
{
	_cleanup_(secret_freep) struct secret *steward = NULL;
	uint8_t key[32], box[SEALED_SEED], again[SEALED_SEED];
	struct claim claim;

	TRY(claim_store_get(c, &claim));
	if (!claim.has_key || !claim_open(&claim, appliance, &steward))
		return NULL;
	pending_key(appliance, key);
	seed_seal(key, steward, box);
	pending_key(next, key);
	seed_seal(key, steward, again);
	crypto_wipe(key, sizeof(key));
	return claim_store_next(c, box, again);
}

static struct hash code_hash(const char *code)
{
	struct hash_state st;

	hash_init(&st);
	hash_add(&st, "lliure-claim-1", 14);
	hash_add(&st, code, strlen(code));
	return hash_final(&st);
}

struct new_code {
	struct hash hash;
	int64_t until_ms; /* 0: only for the first volunteer */
};

static struct error *keep_code(struct conn *c, void *arg)
{
	const struct new_code *n = arg;
	int64_t all, volunteers;

	TRY(account_counts(c, &all, &volunteers));
	ENSURE(!volunteers || n->until_ms,
	       error_new(ERR_EXISTS, N_("This box has a volunteer already.")));
	return claim_store_code(c, &n->hash, n->until_ms);
}

static struct error *make_code(struct app *app, int64_t until_ms, char ret_code[CLAIM_TEXT])
{
	struct new_code n = {.until_ms = until_ms};
	uint8_t raw[16];
	char code[CLAIM_TEXT];

	env_random(app->env, raw, sizeof(raw));
	base32_encode(raw, sizeof(raw), code);
	n.hash = code_hash(code);
	TRY(writer_run(app->writer, keep_code, &n));
	memcpy(ret_code, code, CLAIM_TEXT);
	return NULL;
}

struct error *claim_new(struct app *app, char ret_code[CLAIM_TEXT])
{
	return make_code(app, 0, ret_code);
}

struct error *claim_at_box(struct app *app, char ret_code[CLAIM_TEXT])
{
	return make_code(app, env_now(app->env) + CLAIM_AT_BOX_MS, ret_code);
}

/* Are there volunteers, and no code that holds in spite of them? */
static struct error *claimed(struct conn *c, bool *ret)
{
	int64_t all, volunteers;
	struct claim claim;

	TRY(account_counts(c, &all, &volunteers));
	TRY(claim_store_get(c, &claim));
	*ret = volunteers && env_now(c->env) > claim.until_ms;
	return NULL;
}

static struct error *claim_find(struct conn *c, const char *code, struct claim *ret)
{
	struct hash h = code_hash(code);
	bool over;

	TRY(claimed(c, &over));
	TRY(claim_store_get(c, ret));
	ENSURE(!over && ret->has_code && crypto_equal(h.b, ret->code.b, 32),
	       error_new(ERR_GONE,
			 N_("This link has been used, or a newer one was made. The newest "
			    "is printed where the box was started.")));
	return NULL;
}

struct error *claim_check(struct conn *c, const char *code)
{
	struct claim claim;

	return claim_find(c, code, &claim);
}

struct error *account_claim(struct app *app, const char *code, const char *name,
			    const char *password, struct account *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(secret_freep) struct secret *steward = NULL;
	struct account_new what = {
		.name = name, .password = password, .role = ROLE_MEMBER, .volunteer = true};
	struct claim claim;

	TRY(app_conn(app, &c));
	TRY(claim_find(c, code, &claim));
	ENSURE(!claim.has_key || claim_open(&claim, app->self, &steward),
	       error_new(ERR_CORRUPT,
			     N_("The key of the community's founder in %s is damaged, or "
				"belongs to another box."),
			     db_path(c->local)));
	if (steward) {
		what.role = ROLE_STEWARD;
		what.key = steward;
		what.by = steward;
	}
	return create(app, &what, true, ret);
}
