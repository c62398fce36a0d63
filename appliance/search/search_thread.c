/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When the index is brought up to date: in a quiet moment after the last commit, so that a first
 * sync of tens of thousands of posts does not share the writer with it; but after PATIENCE_MS in
 * any case. Then batch after batch, each a job of its own, with a pause as long as the batch took,
 * or much longer while others write: the writer's time belongs to people.
 *
 * A box that is stopped takes the time to finish erasing: what was erased is then gone from the
 * disk.
 */
#include "appliance/search/search_priv.h"
#include "appliance/app.h"
#include "sync/base/cond.h"
#include <pthread.h>
#include <time.h>

enum {
	BATCH_POSTS = 200,
	QUIET_MS = 300,
	PATIENCE_MS = 10000,
	RETRY_MS = 5000,
	YIELD = 8,
	END_MS = 5000,
	LONG_RUN = 16
};

struct search_thread {
	struct app *app;
	struct conn *conn; /* reads: is there anything to do? */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	uint64_t pokes;
	bool stop;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until poked or told to stop, at most so long. With the lock held. */
static void wait_ms(struct search_thread *s, int64_t ms)
{
	struct timespec t = cond_in_ms(ms);

	pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

/* With the lock held. */
static void wait_for_quiet(struct search_thread *s)
{
	int64_t began = now_ms();
	uint64_t seen;

	do {
		int64_t until = now_ms() + QUIET_MS;

		seen = s->pokes;
		while (!s->stop && now_ms() < until)
			wait_ms(s, until - now_ms());
	} while (!s->stop && s->pokes != seen && now_ms() - began < PATIENCE_MS);
}

static struct error *job(struct conn *c, void *arg)
{
	return search_update(c, BATCH_POSTS, arg);
}

/* One batch; false: there is nothing (more) to do. What fails, on a full disk say, is told to those
 * who write; here it is tried again. */
static bool batch(struct search_thread *s, int64_t *ret_ms)
{
	bool behind = false, more = false, failed;
	int64_t began = now_ms();
	struct error *e = search_behind(s->conn, &behind);

	if (!e && behind)
		e = writer_run(s->app->writer, job, &more);
	failed = e != NULL;
	error_free(e);
	*ret_ms = failed ? RETRY_MS : now_ms() - began;
	return failed || more;
}

static struct error *release_memory(struct conn *c, void *arg)
{
	rows_release_memory(c);
	return NULL;
}

/* A long run would fill the writer's page cache, and keep it, with what nobody reads twice. */
static void after_batch(struct search_thread *s, unsigned number, bool more)
{
	if (number >= LONG_RUN && (number % LONG_RUN == 0 || !more))
		error_free(writer_run(s->app->writer, release_memory, NULL));
}

static void finish_erasing(struct search_thread *s)
{
	int64_t until = now_ms() + END_MS, ms;
	struct search_state state = {0};

	do {
		error_free(state_get(s->conn, &state));
	} while (state.erasing != ERASED_NOTHING && now_ms() < until && batch(s, &ms) &&
		 ms < RETRY_MS);
}

static void *search_main(void *arg)
{
	struct search_thread *s = arg;
	uint64_t done = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		unsigned number = 0;
		bool more = true;

		while (!s->stop && s->pokes == done)
			pthread_cond_wait(&s->wake, &s->lock);
		wait_for_quiet(s);
		done = s->pokes;
		while (!s->stop && more) {
			int64_t ms, until;

			pthread_mutex_unlock(&s->lock);
			more = batch(s, &ms);
			after_batch(s, ++number, more);
			pthread_mutex_lock(&s->lock);
			until = now_ms() + ms * (s->pokes == done ? 1 : YIELD);
			done = s->pokes;
			while (!s->stop && more && now_ms() < until)
				wait_ms(s, until - now_ms());
		}
	}
	pthread_mutex_unlock(&s->lock);
	finish_erasing(s);
	return NULL;
}

struct error *search_start(struct app *app, struct search_thread **ret)
{
	struct search_thread *s = calloc(1, sizeof(*s));
	struct error *e;

	ENSURE(s, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	s->app = app;
	s->pokes = 1; /* what was left when the box was last stopped */
	e = app_conn(app, &s->conn);
	if (e) {
		free(s);
		return e;
	}
	pthread_mutex_init(&s->lock, NULL);
	cond_init_monotonic(&s->wake);
	if (pthread_create(&s->thread, NULL, search_main, s)) {
		conn_close(s->conn);
		free(s);
		return error_new(ERR_NOMEM, N_("The box has run out of threads."));
	}
	*ret = s;
	return NULL;
}

void search_poke(struct search_thread *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->pokes++;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void search_stop(struct search_thread *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	conn_close(s->conn);
	free(s);
}
