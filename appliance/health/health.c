/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The thread that gathers what is slow, or gone a moment later. */
#include "appliance/health/health_priv.h"
#include "appliance/box/box.h"
#include "appliance/box/clock.h"
#include "sync/base/poked.h"
#include <time.h>

enum { LOOK_S = 60, SMART_S = 24 * 3600, LIGHT_S = 300, ENDS_MAX = 1024 };

struct health {
	struct app *app;
	const char *helper;
	struct poked poked;	 /* by nobody */
	struct gathered known;	 /* under its lock */
	enum health_state shown; /* by the status light; HEALTH_UNKNOWN: nothing yet */
};

void health_gathered(struct app *a, struct gathered *ret)
{
	struct health *h = a->health;

	if (!h) {
		*ret = (struct gathered){.roots = {"/sys", "/proc"}};
		return;
	}
	pthread_mutex_lock(&h->poked.lock);
	*ret = h->known;
	pthread_mutex_unlock(&h->poked.lock);
}

/* --- ends that nobody asked for ----------------------------------------------------------------
 */

/* `running` is there while the daemon is: found at a start, it says that the last end was sudden.
 * `sudden-ends` keeps when that was noticed, one number a line. */
static void read_ends(const char *path, struct gathered *g)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, ENDS_MAX, &b);
	const char *at = buf_str(&b);

	error_free(e); /* none yet */
	while (*at && g->n_ends < SUDDEN_ENDS) {
		char *end;
		long long t = strtoll(at, &end, 10);

		if (end == at)
			return;
		g->ends[g->n_ends++] = t;
		at = end + (*end == '\n');
	}
}

static void add_end(struct gathered *g, int64_t now)
{
	if (g->n_ends == SUDDEN_ENDS) {
		memmove(g->ends, g->ends + 1, (SUDDEN_ENDS - 1) * sizeof(g->ends[0]));
		g->n_ends--;
	}
	g->ends[g->n_ends++] = now;
}

static struct error *note_start(struct health *h)
{
	_cleanup_(freep) char *running = path_join(h->app->dir, "running"),
			      *ends = path_join(h->app->dir, "sudden-ends");
	_cleanup_(buf_release) struct buf b = {0};

	read_ends(ends, &h->known);
	if (access(running, F_OK) != 0)
		return file_write(running, span_of("", 0), 0600);
	add_end(&h->known, env_now(h->app->env));
	for (size_t i = 0; i < h->known.n_ends; i++)
		buf_printf(&b, "%lld\n", (long long)h->known.ends[i]);
	return file_write(ends, buf_span(&b), 0600);
}

/* --- the thread --------------------------------------------------------------------------------
 */

static void look_at_power(struct health *h)
{
	struct power_reading p;

	power_read(&h->known.roots, &p);
	pthread_mutex_lock(&h->poked.lock);
	h->known.low_seen |= p.low || p.was_low;
	pthread_mutex_unlock(&h->poked.lock);
}

static void ask_disk(struct health *h)
{
	struct wear_reading w = {.known = false};
	char disk[DISK_NAME];
	struct buf out = {0};
	struct error *e;

	if (!box_has_helper(h->helper) || !disk_under(&h->known.roots, h->app->dir, disk))
		return;
	e = BOX_ASK(h->helper, &out, "wear", disk);
	if (!e)
		wear_read_smart(buf_str(&out), out.n, &w);
	error_free(e); /* a disk that doesn't say stays unknown */
	buf_release(&out);
	pthread_mutex_lock(&h->poked.lock);
	h->known.wear = w;
	pthread_mutex_unlock(&h->poked.lock);
}

static struct error *worst_now(struct health *h, enum health_state *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct light lights[HEALTH_LIGHTS];

	TRY(app_conn(h->app, &c));
	TRY(health_look(h->app, c, lights));
	*ret = lights_worst(lights);
	lights_release(lights);
	return NULL;
}

static void show_light(struct health *h)
{
	enum health_state worst = HEALTH_UNKNOWN;
	struct error *e;

	if (!box_has_helper(h->helper))
		return;
	e = worst_now(h, &worst);
	if (!e && worst != h->shown) {
		e = BOX_ASK(h->helper, NULL, "light", health_state_name(worst));
		h->shown = worst; /* also when there is no light: it is not asked again and again */
	}
	error_free(e);
}

static void *health_thread(void *arg)
{
	struct health *h = arg;
	unsigned round = 0;

	do {
		look_at_power(h);
		error_free(box_clock_push(h->app)); /* tried again the next time */
		if (round % (SMART_S / LOOK_S) == 0)
			ask_disk(h);
		if (round % (LIGHT_S / LOOK_S) == 0)
			show_light(h);
		round++;
	} while (poked_rest(&h->poked, LOOK_S * 1000));
	return NULL;
}

struct error *health_start(struct app *a, struct health **ret)
{
	struct health *h = calloc(1, sizeof(*h));
	struct error *e;

	if (!h)
		abort();
	h->app = a;
	h->helper = a->box.helper;
	h->known.roots = (struct health_roots){a->box.sys, a->box.proc};
	poked_init(&h->poked, false);
	e = note_start(h);
	/* A full disk must not keep the box from serving. */
	if (error_is(e, ERR_FULL)) {
		error_free(e);
		e = NULL;
	}
	*ret = h;
	if (!e && !poked_start(&h->poked, health_thread, h))
		e = error_new(ERR_NOMEM, N_("The box has run out of memory."));
	if (e) {
		*ret = NULL;
		free(h);
	}
	return e;
}

void health_stop(struct health *h)
{
	_cleanup_(freep) char *running = h ? path_join(h->app->dir, "running") : NULL;

	if (!h)
		return;
	poked_stop(&h->poked);
	unlink(running);
	poked_free(&h->poked);
	free(h);
}
