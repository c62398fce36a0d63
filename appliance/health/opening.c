/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/health/opening.h"
#include "sync/base/cond.h"
#include <stdlib.h>
#include <systemd/sd-daemon.h>

struct opening {
	struct opening_state state;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

/* WATCHDOG too: a box that begins again after a change of its key was ready before. */
bool opening_round(const struct opening_env *e, struct opening_state *s)
{
	int64_t worked = e->worked_ms(e->ctx);
	bool on = s->rounds < OPENING_ROUNDS && worked - s->worked_ms >= OPENING_WORK_MS;

	s->worked_ms = worked;
	s->rounds++;
	if (on)
		e->notify(e->ctx, "EXTEND_TIMEOUT_USEC=60000000\nWATCHDOG=1\n"
				  "STATUS=The box is being opened.");
	return on;
}

static int64_t worked_ms(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void notify(void *ctx, const char *state)
{
	(void)ctx;
	sd_notify(0, state);
}

static bool rest(struct opening *o)
{
	struct timespec until = cond_in_ms(OPENING_ROUND_S * 1000);
	bool stop;

	pthread_mutex_lock(&o->lock);
	while (!o->stop && pthread_cond_timedwait(&o->wake, &o->lock, &until) == 0)
		;
	stop = o->stop;
	pthread_mutex_unlock(&o->lock);
	return stop;
}

static void *opening_thread(void *arg)
{
	const struct opening_env env = {NULL, worked_ms, notify};
	struct opening *o = arg;

	while (!rest(o))
		opening_round(&env, &o->state);
	return NULL;
}

struct opening *opening_start(void)
{
	struct opening *o;

	if (!getenv("NOTIFY_SOCKET"))
		return NULL;
	o = calloc(1, sizeof(*o));
	if (!o)
		abort();
	pthread_mutex_init(&o->lock, NULL);
	cond_init_monotonic(&o->wake);
	if (pthread_create(&o->thread, NULL, opening_thread, o)) {
		free(o); /* then no more time is asked for */
		return NULL;
	}
	return o;
}

void opening_stop(struct opening *o)
{
	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	o->stop = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	pthread_cond_destroy(&o->wake);
	pthread_mutex_destroy(&o->lock);
	free(o);
}
