/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/reach.h"
#include "sync/base/day.h"

static struct error *tell(struct app *a, struct error *e)
{
	TRY(e);
	if (a->sync)
		sync_peers_changed(a->sync);
	return NULL;
}

struct set_job {
	const struct uplink *uplink;
	const char *password;
};

static struct error *set_job(struct conn *c, void *arg)
{
	const struct set_job *j = arg;

	return uplink_put(c->local, j->uplink, j->password);
}

struct error *reach_set(struct app *a, const struct uplink *u, const char *password)
{
	struct set_job j = {u, password};

	return tell(a, writer_run(a->writer, set_job, &j));
}

struct allow_job {
	const struct pubkey *key;
	const struct allowance *allowance;
};

static struct error *allow_job(struct conn *c, void *arg)
{
	const struct allow_job *j = arg;
	struct peer p;

	TRY(peer_get(c->local, j->key, &p));
	return allowance_put(c->local, j->key, j->allowance);
}

struct error *reach_allow(struct app *a, const struct pubkey *key,
			  const struct allowance *allowance)
{
	struct allow_job j = {key, allowance};

	return tell(a, writer_run(a->writer, allow_job, &j));
}

struct sum {
	struct conn *c;
	int64_t day;
	uint64_t bytes;
};

static struct error *add_row(void *ctx, const struct ledger_row *r)
{
	static const struct hash of_peer;
	struct sum *sum = ctx;

	if (hash_eq(&r->space, &of_peer) && r->day == sum->day)
		sum->bytes += r->today.n[LEDGER_LINE];
	return NULL;
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct sum *sum = ctx;

	return ledger_each(sum->c->local, &p->key, add_row, sum);
}

struct error *reach_used(struct conn *c, uint64_t *ret)
{
	struct sum sum = {.c = c, .day = day_of(env_now(c->env))};

	TRY(peer_each(c->local, add_peer, &sum));
	*ret = sum.bytes;
	return NULL;
}

struct error *reach_heard(struct conn *c, const struct pubkey *key, struct heard *ret,
			  char ret_via[LIMIT_NAME + 1], bool *ret_any)
{
	struct error *e = heard_get(c->local, key, ret);
	struct peer via;

	*ret_any = !e;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	e = peer_get(c->local, &ret->via, &via);
	snprintf(ret_via, LIMIT_NAME + 1, "%s", !e && *via.name ? via.name : ID_SHORT(&ret->via));
	error_free(e);
	return NULL;
}
