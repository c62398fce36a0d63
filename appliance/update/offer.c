/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/update/offer_priv.h"
#include "sync/base/day.h"

enum { FIRST_MS = 2000, SOON_MS = 2000, LOOK_MS = 60000, PRUNE_EVERY = 60 };

/* --- the door --------------------------------------------------------------------------------- */

void offer_note_problem(struct offers *o, struct error *take_e)
{
	pthread_mutex_lock(&o->poked.lock);
	snprintf(o->problem, sizeof(o->problem), "%s", take_e ? error_stored(take_e) : "");
	pthread_mutex_unlock(&o->poked.lock);
	error_free(take_e);
}

void offer_problem(struct offers *o, char *out, size_t size)
{
	*out = 0;
	if (!o)
		return;
	pthread_mutex_lock(&o->poked.lock);
	snprintf(out, size, "%s", o->problem);
	pthread_mutex_unlock(&o->poked.lock);
}

uint64_t offer_part(struct offers *o, const struct hash *blob)
{
	uint64_t size = 0;

	if (!o)
		return 0;
	return blob_has(o->store, blob, &size) ? size : blob_part(o->store, blob);
}

void offer_poke(struct offers *o)
{
	if (o)
		poked_poke(&o->poked);
}

/* --- one look --------------------------------------------------------------------------------- */

static struct error *prune_job(struct conn *c, void *arg)
{
	(void)arg;
	return offer_heard_prune(c);
}

static void say(struct offers *o, const struct update_state *u)
{
	struct system_said said;
	bool any = offer_say(o, o->conn, u, &said);

	if (o->app->sync)
		sync_system_is(o->app->sync, any ? &said : NULL);
}

/* Did the updater end badly with this version, at its last try? Then a volunteer is asked. */
static bool failed_with(const struct update_state *u, const char *version)
{
	return u->last.stage >= UPDATE_REFUSED && !strcmp(u->last.version, version);
}

/* By itself, where the volunteers chose that, and at their hour. */
static struct error *install_when_due(struct offers *o, const struct update_state *u)
{
	struct offer_all all = {.n = 0};
	struct offer_file f;
	struct offer_plan p;
	bool any, may;

	TRY(offer_of_state(o->conn, OFFER_READY, &f, &any));
	TRY(offer_plan_get(o->conn, &p));
	if (!any || p.how == OFFER_BY_HAND || failed_with(u, f.version) ||
	    !offer_is_hour(&p, minute_of_day(env_now(o->app->env))))
		return NULL;
	TRY(offer_all_heard(o->conn, &all));
	may = offer_weigh(&p, f.version, all.h, all.n).may;
	offer_all_release(&all);
	return may ? offer_install(o, &f.blob) : NULL;
}

struct error *offer_look(struct offers *o)
{
	struct update_state u;

	update_state_read(o->app, &u);
	if (!u.box)
		return NULL;
	if (o->looks++ % PRUNE_EVERY == 0)
		TRY(writer_run(o->app->writer, prune_job, NULL));
	TRY(offer_settle(o, &u));
	TRY(offer_tidy(o, &u));
	say(o, &u);
	o->soon = update_is_at_work(&u); /* what becomes of it is to be told */
	if (o->soon || !o->app->sync)
		return NULL;
	TRY(offer_choose(o, &u));
	TRY(offer_bring(o));
	say(o, &u);
	return poked_stops(&o->poked) ? NULL : install_when_due(o, &u);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* What fails (a full disk, a helper that is away) is tried again at the next look. */
static void *offer_main(void *arg)
{
	struct offers *o = arg;
	int ms = FIRST_MS;

	while (poked_wait(&o->poked, ms, 0)) {
		error_free(offer_look(o));
		ms = o->soon ? SOON_MS : LOOK_MS;
	}
	return NULL;
}

struct error *offer_open(struct app *a, struct offers **ret)
{
	_cleanup_(freep) char *dir = path_join(a->dir, "update");
	struct offers *o = calloc(1, sizeof(*o));
	struct error *e;

	if (!o)
		abort();
	o->app = a;
	pthread_mutex_init(&o->files, NULL);
	poked_init(&o->poked, false);
	e = blob_open(dir, &o->store);
	if (!e)
		e = app_conn(a, &o->conn);
	if (e) {
		offer_free(o);
		return e;
	}
	*ret = o;
	return NULL;
}

struct error *offer_start(struct offers *o)
{
	ENSURE(poked_start(&o->poked, offer_main, o),
	       error_new(ERR_NOMEM, N_("The box has run out of threads.")));
	return NULL;
}

void offer_stop(struct offers *o)
{
	if (!o)
		return;
	poked_stopping(&o->poked);
	if (o->app->sync)
		sync_fetch_cancel(o->app->sync);
	poked_stop(&o->poked);
}

void offer_free(struct offers *o)
{
	if (!o)
		return;
	offer_stop(o);
	conn_close(o->conn);
	blob_close(o->store);
	poked_free(&o->poked);
	pthread_mutex_destroy(&o->files);
	free(o);
}
