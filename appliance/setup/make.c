/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/setup/make.h"
#include "appliance/app_priv.h"
#include "appliance/config/config.h"
#include "appliance/member/account.h"
#include "appliance/member/session.h"

struct making {
	const struct setup_make *m;
	struct secret *self, *steward;
	struct hash space;
};

struct error *setup_make_check(const struct setup_make *m)
{
	ENSURE(m->name && *m->name && strlen(m->name) <= LIMIT_NAME,
	       error_new(ERR_INVALID, N_("A box's name has 1 to 80 bytes.")));
	if (!m->admin)
		return NULL;
	TRY(account_check_name(m->admin));
	return account_check_password(m->password);
}

/* A community needs a place to begin; the volunteers name it as they like. */
static struct error *first_forum(struct making *k, struct conn *c)
{
	struct hash id;

	return community_submit(
		c,
		&(struct draft){.type = "forum.create",
				.space = k->space,
				.author = k->steward,
				.take_body = json_pack("{s:s, s:s, s:s}", "slug", "general",
						       "title", "General", "about", "")},
		&id);
}

static struct error *found(struct making *k, struct conn *c)
{
	const struct setup_make *m = k->m;

	TRY(community_found(c, m->name, k->steward, m->admin ? m->admin : "volunteer", &k->space));
	TRY(m->fill ? m->fill(m->ctx, c, &k->space, k->steward) : first_forum(k, c));
	/* Whoever claims the box takes the founding steward's key over. */
	return account_create_claimable(c, k->self, k->steward);
}

static struct error *fill(struct making *k, struct conn *c)
{
	const struct setup_make *m = k->m;

	TRY(config_set(c, SETTING_NAME, m->name));
	if (m->language)
		TRY(config_set(c, SETTING_LANGUAGE, m->language));
	for (size_t i = 0; i < m->n_peers; i++) {
		struct peer p = {.key = m->peers[i].key, .added_ms = env_now(c->env)};

		snprintf(p.address, sizeof(p.address), "%s", m->peers[i].address);
		TRY(peer_put(c->local, &p));
	}
	return m->found ? found(k, c) : NULL;
}

static struct error *write_first(struct making *k)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	const struct setup_make *m = k->m;
	struct error *e;
	char where[200];

	app_whereabouts(m->dir, where, sizeof(where));
	TRY(conn_open(&(struct community_open){.dir = m->dir,
					       .env = m->env,
					       .self = *secret_pubkey(k->self),
					       .appliance = k->self,
					       .mode = DB_WRITER,
					       .whereabouts = where,
					       .name = m->name},
		      &c));
	TRY(conn_begin(c));
	e = fill(k, c);
	if (!e)
		return conn_commit(c);
	conn_rollback(c);
	return e;
}

/* The first volunteer, named beforehand, claims the box at once. */
static struct error *claim(struct app *app, const struct setup_make *m)
{
	char code[CLAIM_TEXT];
	struct error *e;

	TRY(claim_new(app, code));
	e = account_claim(app, code, m->admin, m->password, NULL);
	crypto_wipe(code, sizeof(code));
	return e;
}

struct signing_in {
	struct ticket ticket;
	struct account account;
	struct secret *secret;
	int door;
};

static struct error *add_session(struct conn *c, void *arg)
{
	const struct signing_in *s = arg;
	int64_t id;

	return session_add(c, &s->ticket, s->account.id, s->secret, s->door, &id);
}

/* Whoever has just chosen name and password does not type them again. */
static struct error *sign_in(struct app *app, const struct setup_make *m)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct signing_in s = {.door = m->door};
	struct error *e;

	if (!m->session || !ticket_parse("session", m->session, &s.ticket))
		return NULL;
	e = app_conn(app, &c);
	if (!e)
		e = account_open(app, c, m->admin, m->password, &s.account, &s.secret);
	if (!e)
		e = writer_run(app->writer, add_session, &s);
	secret_free(s.secret);
	crypto_wipe(&s.ticket, sizeof(s.ticket));
	return e;
}

static struct secret *copy_secret(const struct secret *s)
{
	uint8_t *seed = guarded_new(32);
	struct secret *copy;

	secret_seed(s, seed);
	copy = secret_from_seed(seed);
	guarded_free(seed);
	return copy;
}

static struct error *open_and_finish(struct making *k)
{
	_cleanup_(app_closep) struct app *app = NULL;
	const struct setup_make *m = k->m;

	TRY(app_open_with(m->dir, m->env, copy_secret(k->self), &app));
	/* First what the peers hold: then the volunteer gets a role in it. */
	if (m->made)
		TRY(m->made(m->ctx, app));
	if (!m->admin)
		return NULL;
	TRY(claim(app, m));
	return sign_in(app, m);
}

struct error *setup_make(const struct setup_make *m, struct pubkey *ret_key)
{
	_cleanup_(freep) char *path = path_join(m->dir, "key");
	struct making k = {.m = m};
	struct error *e;

	TRY(setup_make_check(m));
	k.self = m->self ? copy_secret(m->self) : secret_new();
	k.steward = secret_new();
	e = write_first(&k);
	if (!e)
		e = open_and_finish(&k);
	if (!e)
		e = secret_save(path, k.self);
	if (!e)
		*ret_key = *secret_pubkey(k.self);
	secret_free(k.self);
	secret_free(k.steward);
	return e;
}
