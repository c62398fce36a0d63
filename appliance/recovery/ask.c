/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/ask.h"
#include "appliance/peers/peers.h"
#include <pthread.h>

struct ask {
	struct app *app;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	bool started;	      /* the thread is to be joined */
	bool any, stop;
	struct ask_round round; /* its houses are ours */
};

struct ask *ask_new(struct app *a)
{
	struct ask *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	k->app = a;
	pthread_mutex_init(&k->lock, NULL);
	return k;
}

/* --- what is here of the lost box ------------------------------------------------------------- */

struct count {
	const struct pubkey *box;
	uint64_t n;
};

static struct error *add_log(void *ctx, const struct log_info *info)
{
	struct count *c = ctx;

	if (pubkey_eq(&info->id.appliance, c->box))
		c->n += info->live;
	return NULL;
}

static struct error *count_entries(struct app *a, const struct pubkey *lost, uint64_t *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct count count = {lost, 0};

	TRY(app_conn(a, &c));
	TRY(log_each(c->log, NULL, add_log, &count));
	*ret = count.n;
	return NULL;
}

/* --- the round -------------------------------------------------------------------------------- */

static bool is_stopped(struct ask *k)
{
	bool stop;

	pthread_mutex_lock(&k->lock);
	stop = k->stop || k->app->ending;
	pthread_mutex_unlock(&k->lock);
	return stop;
}

static void state_is(struct ask *k, size_t i, enum ask_state state, struct error *e)
{
	uint64_t n = 0;
	struct error *err = count_entries(k->app, &k->round.lost, &n);

	pthread_mutex_lock(&k->lock);
	k->round.house[i].state = state;
	if (e)
		snprintf(k->round.house[i].why, sizeof(k->round.house[i].why), "%s",
			 error_stored(e));
	if (!err)
		k->round.entries = n;
	pthread_mutex_unlock(&k->lock);
	error_free(err);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct error *no_time(void)
{
	return error_new(ERR_TIMEOUT, N_("There was no time left to hear all of it."));
}

/* An exchange takes only so much at a time: until nothing more comes. */
static struct error *ask_one(struct ask *k, const struct pubkey *key, int64_t until)
{
	struct sync_report report = {.received = 1};
	const struct env *env = k->app->env;

	while (report.received + report.filled) {
		int64_t left = until - env_mono(env);

		ENSURE(!is_stopped(k), error_new(ERR_STOPPED, N_("The box is shutting down.")));
		ENSURE(left > 0, no_time());
		TRY(peers_sync_within(k->app, key, (int)left, &report));
	}
	return NULL;
}

static void *run(void *arg)
{
	struct ask *k = arg;
	const struct env *env = k->app->env;
	int64_t end = env_mono(env) + ASK_MS;

	if (k->app->sync) /* several at once; below, each is waited for */
		error_free(sync_now(k->app->sync, NULL, 0));
	for (size_t i = 0; i < k->round.n; i++) {
		struct error *e;

		state_is(k, i, ASK_RUNS, NULL);
		e = ask_one(k, &k->round.house[i].key, least(end, env_mono(env) + ASK_ONE_MS));
		state_is(k, i, e ? ASK_MISSED : ASK_GAVE, e);
		error_free(e);
	}
	pthread_mutex_lock(&k->lock);
	k->round.over = true;
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* --- beginning and ending --------------------------------------------------------------------- */

static struct error *add_house(void *ctx, const struct peer *p)
{
	struct ask_round *r = ctx;

	if (pubkey_eq(&p->key, &r->lost))
		return NULL;
	r->house = reallocarray(r->house, r->n + 1, sizeof(*r->house));
	if (!r->house)
		abort();
	r->house[r->n] = (struct ask_house){.key = p->key};
	snprintf(r->house[r->n++].name, sizeof(r->house->name), "%s",
		 *p->name ? p->name : ID_SHORT(&p->key));
	return NULL;
}

static struct error *list_houses(struct app *a, struct ask_round *r)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(a, &c));
	TRY(peer_each(c->local, add_house, r));
	TRY(count_entries(a, &r->lost, &r->before));
	r->entries = r->before;
	return NULL;
}

/* With the lock. */
static void drop(struct ask *k)
{
	free(k->round.house);
	k->round = (struct ask_round){.n = 0};
	k->any = false;
}

/* With the lock. */
static struct error *start(struct ask *k, struct ask_round *take_r)
{
	if (k->started)
		pthread_join(k->thread, NULL); /* is over */
	k->started = false;
	drop(k);
	k->round = *take_r;
	k->any = true;
	k->started = pthread_create(&k->thread, NULL, run, k) == 0;
	if (k->started)
		return NULL;
	drop(k);
	return error_new(ERR_NOMEM,
			 N_("The houses can't be asked: there is no memory left for it."));
}

static bool is_of(const struct ask_round *r, const struct pubkey *lost,
		  const struct pubkey *successor)
{
	return pubkey_eq(&r->lost, lost) && pubkey_eq(&r->successor, successor);
}

struct error *ask_begin(struct ask *k, const struct pubkey *lost, const struct pubkey *successor,
			bool *ret_any)
{
	struct ask_round r = {.lost = *lost, .successor = *successor};
	struct error *e = list_houses(k->app, &r);
	bool runs;

	if (e || !r.n) {
		free(r.house);
		*ret_any = false;
		return e;
	}
	pthread_mutex_lock(&k->lock);
	runs = k->any && !k->round.over;
	if (runs && !is_of(&k->round, lost, successor))
		e = error_new(ERR_BUSY, N_("The houses are being asked about another box at this "
					   "moment. Try again in two minutes."));
	else if (!runs)
		e = start(k, &(struct ask_round){.lost = r.lost,
						 .successor = r.successor,
						 .before = r.before,
						 .entries = r.entries,
						 .house = STEAL(r.house),
						 .n = r.n});
	pthread_mutex_unlock(&k->lock);
	free(r.house);
	*ret_any = !e;
	return e;
}

bool ask_look(struct ask *k, struct arena *arena, struct ask_round *ret)
{
	bool any;

	pthread_mutex_lock(&k->lock);
	any = k->any;
	if (any) {
		*ret = k->round;
		ret->house = arena_copy(arena, k->round.house, k->round.n * sizeof(*ret->house));
	}
	pthread_mutex_unlock(&k->lock);
	return any;
}

void ask_forget(struct ask *k)
{
	pthread_mutex_lock(&k->lock);
	if (k->any && k->round.over)
		drop(k);
	pthread_mutex_unlock(&k->lock);
}

void ask_stop(struct ask *k)
{
	bool started;

	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stop = true;
	started = k->started;
	k->started = false;
	pthread_mutex_unlock(&k->lock);
	if (started)
		pthread_join(k->thread, NULL);
}

void ask_free(struct ask *k)
{
	if (!k)
		return;
	ask_stop(k);
	drop(k);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
