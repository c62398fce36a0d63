/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/replace.h"
#include "appliance/peers/peers.h"
#include "appliance/trust/trust.h"
#include <jansson.h>

enum { SPACES = LIMIT_SPACES };

struct replacing {
	struct app *app;
	const struct replace *what;
	struct replace_done done;
	struct conn *conn;
	struct hash spaces[SPACES];
	bool is_private[SPACES];
	size_t n;
};

static struct error *add_space(void *ctx, const struct space_info *s)
{
	struct replacing *x = ctx;

	if (x->n == SPACES)
		return NULL;
	x->is_private[x->n] = s->is_private;
	x->spaces[x->n++] = s->id;
	return NULL;
}

/* Rising, as far as what a box gets to read and may do. */
enum standing_of { STANDS_OUTSIDE, STANDS_CARRYING, STANDS_READING, STANDS_WRITING };
struct standing {
	const struct replace *what;
	struct admitted lost;
	bool is_there;
	enum standing_of before, successor;
};

static enum standing_of standing(const struct admitted *a)
{
	return a->write ? STANDS_WRITING : a->carry ? STANDS_CARRYING : STANDS_READING;
}

static struct error *look(void *ctx, const struct admitted *a)
{
	struct standing *s = ctx;

	if (pubkey_eq(&a->key, &s->what->lost)) {
		s->lost = *a;
		s->is_there = true;
		s->before = standing(a);
	}
	if (pubkey_eq(&a->key, &s->what->successor))
		s->successor = standing(a);
	return NULL;
}

static struct error *admit(struct replacing *x, size_t i, const struct standing *s)
{
	const struct replace *w = x->what;
	static const enum admission as[] = {[STANDS_CARRYING] = ADMIT_CARRY,
					    [STANDS_READING] = ADMIT_READ,
					    [STANDS_WRITING] = ADMIT_WRITE};
	const char *name = w->name && *w->name ? w->name : s->lost.name;
	struct hash id;

	if (!s->lost.keeper || x->is_private[i])
		return community_admit(x->conn, &x->spaces[i], &w->successor, name,
				       as[s->before], w->steward);
	return community_submit(
		x->conn,
		&(struct draft){.type = "appliance.admit",
				.space = x->spaces[i],
				.author = w->steward,
				.take_body =
					json_pack("{s:s, s:s, s:s, s:b}", "key", ID(&w->successor),
						  "name", name, "mode", "write", "keeper", 1)},
		&id);
}

static struct error *replace_in(struct replacing *x, size_t i)
{
	const struct hash *space = &x->spaces[i];
	struct standing s = {.what = x->what};
	enum role role;

	TRY(admitted_each(x->conn, space, look, &s));
	if (!s.is_there)
		return NULL;
	TRY(role_now(x->conn, space, secret_pubkey(x->what->steward), &role));
	if (role != ROLE_STEWARD) {
		x->done.left++;
		return NULL;
	}
	if (s.successor < s.before || s.lost.keeper)
		TRY(admit(x, i, &s));
	TRY(community_remove_since(x->conn, space, &x->what->lost, x->what->since_ms,
				   x->what->steward));
	x->done.spaces++;
	return NULL;
}

/* It is the same house: a successor that was no peer before is one on the lost box's terms. */
static struct error *carry_terms(struct replacing *x)
{
	struct db *local = x->conn->local;
	struct peer_terms terms;
	struct peer lost;
	struct error *e = peer_get(local, &x->what->lost, &lost);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	TRY(peer_terms_get(local, &x->what->lost, &terms));
	return peer_terms_put(local, &x->what->successor, &terms);
}

/* The successor is a peer, the lost one none any more. */
static struct error *change_peers(struct replacing *x)
{
	const struct replace *w = x->what;
	struct peer p = {.key = w->successor, .added_ms = env_now(x->conn->env)};
	struct error *e = peer_get(x->conn->local, &w->successor, &p);
	bool is_new = error_is(e, ERR_NOT_FOUND);
	size_t vouched;

	if (e && !is_new)
		return e;
	error_free(e);
	p.read_only = false;
	if (w->name && *w->name)
		snprintf(p.name, sizeof(p.name), "%s", w->name);
	if (w->address && *w->address)
		snprintf(p.address, sizeof(p.address), "%s", w->address);
	TRY(peer_put(x->conn->local, &p));
	if (is_new)
		TRY(carry_terms(x));
	e = peer_remove(x->conn->local, &w->lost, env_now(x->conn->env));
	if (e && !error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	/* what this box vouched for it is taken back */
	return trust_withdraw(x->conn, secret_pubkey(x->app->self), &w->lost, &vouched);
}

static struct error *no_steward(void)
{
	return error_new(ERR_DENIED, N_("Only a steward of the community can sign a new box in and"
					" the lost one out."));
}

static struct error *replace_job(struct conn *c, void *arg)
{
	struct replacing *x = arg;

	x->conn = c;
	x->n = 0;
	x->done = (struct replace_done){0};
	TRY(space_each(c, add_space, x));
	for (size_t i = 0; i < x->n; i++)
		TRY(replace_in(x, i));
	ENSURE(x->done.spaces, no_steward());
	return change_peers(x);
}

static struct error *check_boxes(const struct app *a, const struct replace *what)
{
	ENSURE(!pubkey_eq(&what->lost, secret_pubkey(a->self)) &&
		       !pubkey_eq(&what->lost, &what->successor),
	       error_new(ERR_INVALID, N_("The lost box and the new one must be two boxes, and"
					 " the lost one can't be this one.")));
	return NULL;
}

struct checking {
	struct conn *conn;
	const struct replace *what;
	bool may;
};

static struct error *check_space(void *ctx, const struct space_info *s)
{
	struct checking *k = ctx;
	struct standing standing = {.what = k->what};
	enum role role = ROLE_NONE;

	TRY(admitted_each(k->conn, &s->id, look, &standing));
	if (k->what->steward)
		TRY(role_now(k->conn, &s->id, secret_pubkey(k->what->steward), &role));
	k->may |= standing.is_there && role == ROLE_STEWARD;
	return NULL;
}

struct error *replace_check(struct app *a, const struct replace *what)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct checking k = {.what = what};

	TRY(check_boxes(a, what));
	TRY(app_conn(a, &c));
	k.conn = c;
	TRY(space_each(c, check_space, &k));
	ENSURE(k.may, no_steward());
	return NULL;
}

struct error *replace_box(struct app *a, const struct replace *what, struct replace_done *ret)
{
	struct replacing *x = calloc(1, sizeof(*x));
	struct error *e;

	if (!x)
		abort();
	*x = (struct replacing){.app = a, .what = what};
	e = check_boxes(a, what);
	if (!e)
		e = writer_run(a->writer, replace_job, x);
	if (!e)
		*ret = x->done;
	if (!e && a->sync)
		sync_peers_changed(a->sync);
	free(x);
	return e;
}
