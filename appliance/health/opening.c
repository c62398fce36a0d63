/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/health/opening.h"
#include "sync/base/poked.h"
#include <stdlib.h>
#include <systemd/sd-daemon.h>

struct opening {
	struct opening_state state;
	struct poked poked; /* by nobody */
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

static void *opening_thread(void *arg)
{
	const struct opening_env env = {NULL, worked_ms, notify};
	struct opening *o = arg;

	while (poked_rest(&o->poked, OPENING_ROUND_S * 1000))
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
	poked_init(&o->poked, false);
	poked_start(&o->poked, opening_thread, o); /* else no more time is asked for */
	return o;
}

void opening_stop(struct opening *o)
{
	if (!o)
		return;
	poked_stop(&o->poked);
	poked_free(&o->poked);
	free(o);
}
