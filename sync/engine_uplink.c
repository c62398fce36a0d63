/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A line that is counted: budget and hours, of this box and of single peers. */
#include "sync/base/day.h"
#include "sync/engine_priv.h"

enum { LOOK_AGAIN_MS = 30000 };

struct error *engine_load_uplink(struct sync *s)
{
	struct proxy proxy;
	struct uplink u;

	TRY(uplink_get(s->local, &u));
	TRY(proxy_get(s->local, &proxy));
	pthread_mutex_lock(&s->lock);
	s->uplink = u;
	s->proxy = proxy;
	pthread_mutex_unlock(&s->lock);
	crypto_wipe(&proxy, sizeof(proxy));
	return NULL;
}

void engine_proxy(struct sync *s, struct proxy *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->proxy;
	pthread_mutex_unlock(&s->lock);
}

static int64_t wait_of(const struct sync *s, const struct allowance *a, uint64_t used)
{
	int64_t now = env_now(s->o.env);

	return allowance_wait(a, used, minute_of_day(now), day_left(now));
}

static int64_t uplink_wait(struct sync *s)
{
	return s->uplink.metered
		       ? wait_of(s, &s->uplink.all, ledger_today(s->ledger, LEDGER_LINE))
		       : 0;
}

void engine_uplink(struct sync *s)
{
	int64_t now = env_mono(s->o.env), wait = uplink_wait(s);

	s->uplink_from = now + LOOK_AGAIN_MS;
	schedule_close(s->schedule, wait ? now + wait : 0, s->uplink.tunnel, now);
	engine_hold(s);
}

static int64_t line_wait(struct sync *s, const struct reach *r)
{
	struct ledger_row row;

	if (!r)
		return 0;
	ledger_get(s->ledger, &r->key, &row);
	return wait_of(s, &r->allowance, row.today.n[LEDGER_LINE]);
}

/* On this machine: no line of the house is between, unless a tunnel ends there. With the lock. */
static bool is_here(const struct sync *s, const char *address)
{
	return !s->uplink.tunnel && address_is_loopback(address);
}

int64_t engine_peer_wait(struct sync *s, const struct reach *r)
{
	if (!r || schedule_is_near(s->schedule, &r->key) || (r->n && is_here(s, r->known[0].address)))
		return 0;
	return line_wait(s, r);
}

bool engine_near(void *ctx, const struct pubkey *key, const char *address)
{
	struct sync *s = ctx;
	bool near, here;

	pthread_mutex_lock(&s->lock);
	near = schedule_is_near(s->schedule, key);
	here = is_here(s, address);
	pthread_mutex_unlock(&s->lock);
	return here || (near && address_is_near(address));
}

bool engine_job_is_near(struct sync *s, const struct schedule_job *job)
{
	bool here;

	pthread_mutex_lock(&s->lock);
	here = is_here(s, job->address);
	pthread_mutex_unlock(&s->lock);
	return here || (job->near && address_is_near(job->address));
}

bool engine_closed(void *ctx, const struct pubkey *key)
{
	struct sync *s = ctx;
	bool closed;

	pthread_mutex_lock(&s->lock);
	closed = uplink_wait(s) > 0 || line_wait(s, engine_reach(s, key)) > 0;
	pthread_mutex_unlock(&s->lock);
	return closed;
}

struct error *engine_line_is_open(struct sync *s, const struct pubkey *key, const char *address,
				  bool *ret_near)
{
	*ret_near = engine_near(s, key, address);
	ENSURE(*ret_near || !engine_closed(s, key),
	       error_new(ERR_BUSY, N_("The line of this box is counted, and closed for now. It goes on "
				      "by itself when it is open.")));
	return NULL;
}
