/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/erased/erased_priv.h"
#include "appliance/search/search.h"
#include "sync/base/cond.h"
#include <pthread.h>

enum { QUIET_MS = 1000, AGAIN_MS = 2000 };

/* --- what is gone and was not said yet ------------------------------------------------------- */

struct owed {
	struct conn *c;
	struct pubkey self;
	struct buf rows; /* struct gone */
	bool held;	 /* something was seen that is not gone */
};

struct gone {
	struct hash space, target;
};

static struct error *see_state(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->state == PAYLOAD_HELD;
	return NULL;
}

static struct error *add_owed(void *ctx, const struct hash *space, const struct hash *target)
{
	struct owed *o = ctx;
	struct gone g = {*space, *target};
	bool said, held = false;

	TRY(done_by(o->c, target, &o->self, &said));
	if (said)
		return NULL;
	TRY(log_op(o->c->log, target, see_state, &held));
	o->held |= held;
	if (!held)
		buf_add(&o->rows, &g, sizeof(g));
	return NULL;
}

/* A space's, as many as one op takes; *io_at is where to go on. */
static struct error *say(struct conn *c, struct gone *rows, size_t n)
{
	json_t *targets = json_array();
	struct hash id;
	struct error *e;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(targets, json_string(ID(&rows[i].target)));
	e = community_submit(c,
			     &(struct draft){.type = "erase.done",
					     .space = rows[0].space,
					     .take_body = json_pack("{s:o}", "targets", targets)},
			     &id);
	/* Where this box only reads, its receipts say it. */
	if (error_is(e, ERR_NOT_ADMITTED) || error_is(e, ERR_DENIED)) {
		error_free(e);
		return NULL;
	}
	return e;
}

static int by_space(const void *a, const void *b)
{
	const struct gone *x = a, *y = b;
	int d = hash_cmp(&x->space, &y->space);

	return d ? d : hash_cmp(&x->target, &y->target);
}

static struct error *say_all(struct owed *o)
{
	struct gone *rows = (struct gone *)(void *)o->rows.p;
	size_t n = o->rows.n / sizeof(*rows), at = 0;

	if (n)
		qsort(rows, n, sizeof(*rows), by_space);
	while (at < n) {
		size_t end = at;

		while (end < n && end - at < ERASED_TARGETS &&
		       hash_eq(&rows[end].space, &rows[at].space))
			end++;
		TRY(say(o->c, rows + at, end - at));
		at = end;
	}
	return NULL;
}

struct error *erased_acknowledge(struct conn *c, bool *ret_wait)
{
	struct owed o = {.c = c, .self = *conn_self(c)};
	struct error *e;
	bool behind;

	TRY(search_behind(c, &behind));
	*ret_wait = behind || conn_scrub_waits(c) || conn_is_behind(c);
	if (*ret_wait)
		return NULL;
	e = erased_each(c, add_owed, &o);
	if (!e)
		e = say_all(&o);
	*ret_wait = o.held;
	buf_release(&o.rows);
	return e;
}

/* --- the thread ------------------------------------------------------------------------------- */

struct erased_thread {
	struct app *app;
	bool (*settled)(void *ctx);
	void *ctx;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool poked, stop;
};

static struct error *job(struct conn *c, void *arg)
{
	return erased_acknowledge(c, arg);
}

static void wait_ms(struct erased_thread *t, int ms)
{
	struct timespec until = cond_in_ms(ms);

	while (!t->stop && pthread_cond_timedwait(&t->wake, &t->lock, &until) == 0)
		continue;
}

/* Is everything said? What fails (a full disk) is tried again. */
static bool round_done(struct erased_thread *t)
{
	struct error *e;
	bool wait = true;

	if (t->settled && !t->settled(t->ctx))
		return false;
	e = writer_run(t->app->writer, job, &wait);
	wait |= e != NULL;
	error_free(e);
	return !wait;
}

static void *erased_main(void *arg)
{
	struct erased_thread *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		bool done;

		while (!t->poked && !t->stop)
			pthread_cond_wait(&t->wake, &t->lock);
		wait_ms(t, QUIET_MS);
		t->poked = false;
		if (t->stop)
			break;
		pthread_mutex_unlock(&t->lock);
		done = round_done(t);
		pthread_mutex_lock(&t->lock);
		if (!done) {
			t->poked = true;
			wait_ms(t, AGAIN_MS);
		}
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

struct error *erased_start(struct app *a, bool (*settled)(void *ctx), void *ctx,
			   struct erased_thread **ret)
{
	struct erased_thread *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->app = a;
	t->settled = settled;
	t->ctx = ctx;
	t->poked = true; /* what was left when the box was last stopped */
	pthread_mutex_init(&t->lock, NULL);
	cond_init_monotonic(&t->wake);
	if (pthread_create(&t->thread, NULL, erased_main, t)) {
		free(t);
		return error_new(ERR_NOMEM, N_("The box has run out of threads."));
	}
	*ret = t;
	return NULL;
}

void erased_poke(struct erased_thread *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	if (!t->poked) {
		t->poked = true;
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->lock);
}

void erased_stop(struct erased_thread *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
