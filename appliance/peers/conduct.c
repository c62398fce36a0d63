/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/conduct.h"
#include "appliance/peers/peers_priv.h"

struct act {
	struct error *(*fn)(struct conn *c, const struct act *act);
	const struct pubkey *key;
	bool on;
	unsigned times;
};

static struct error *act_job(struct conn *c, void *arg)
{
	const struct act *act = arg;
	struct peer p;

	TRY(peer_get(c->local, act->key, &p));
	return act->fn(c, act);
}

static struct error *act_on(struct app *a, const struct act *act)
{
	struct act job = *act;

	/* Who is held back may be what filled the disk. */
	TRY(writer_run_care(a->writer, act_job, &job));
	if (a->sync)
		sync_peers_changed(a->sync);
	return NULL;
}

static struct error *pause_job(struct conn *c, const struct act *act)
{
	return conduct_pause(c->local, act->key, act->on, env_now(c->env));
}

struct error *peers_pause(struct app *a, const struct pubkey *key, bool on)
{
	TRY(act_on(a, &(struct act){.fn = pause_job, .key = key, .on = on}));
	if (on)
		peers_announces_nothing(a, key);
	return NULL;
}

static struct error *forgive_job(struct conn *c, const struct act *act)
{
	return conduct_forgive(c->local, act->key);
}

struct error *peers_forgive(struct app *a, const struct pubkey *key)
{
	return act_on(a, &(struct act){.fn = forgive_job, .key = key});
}

static struct error *allow_job(struct conn *c, const struct act *act)
{
	TRY(conduct_forgive_quota(c->local, act->key)); /* else it would be waited with */
	return ledger_put_times(c->local, act->key, act->times);
}

struct error *peers_allow(struct app *a, const struct pubkey *key, unsigned times)
{
	return act_on(a, &(struct act){.fn = allow_job, .key = key, .times = times});
}

static struct error *saw_job(struct conn *c, void *arg)
{
	return conduct_saw(c->local, arg);
}

struct error *peers_saw_conduct(struct app *a, const struct pubkey *key)
{
	return writer_run(a->writer, saw_job, (void *)key);
}
