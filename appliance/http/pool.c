/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/pool.h"
#include "sync/base/cond.h"
#include <pthread.h>
#include <time.h>

enum { CLIENTS = 256, LATER_TURN = 4 };

struct queue {
	struct pool_job *first, **end;
};
struct pool {
	struct app *app;
	pthread_mutex_t mutex;
	pthread_cond_t work, gone;
	struct queue now, later;
	size_t waiting;		      /* jobs */
	uint16_t waiting_of[CLIENTS]; /* by a part of the client's number */
	unsigned turn;
	int threads;
	int active;  /* of them: at work */
	int blocked; /* of them: waiting for a commit; the rest is free */
	bool stop;
	struct conn *spare[POOL_THREADS];
	int spares;
};

struct pool *pool_new(struct app *app)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->app = app;
	p->now.end = &p->now.first;
	p->later.end = &p->later.first;
	pthread_mutex_init(&p->mutex, NULL);
	cond_init_monotonic(&p->work);
	cond_init_monotonic(&p->gone);
	return p;
}

static bool may_work(const struct pool *p)
{
	return p->waiting && p->active < POOL_ACTIVE;
}

/* --- the queues --- */

static void put(struct pool *p, struct pool_job *job)
{
	struct queue *q = job->later ? &p->later : &p->now;

	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
	p->waiting++;
	p->waiting_of[job->client % CLIENTS]++;
}

/* The next job; there is one. */
static struct pool_job *take(struct pool *p)
{
	bool later = !p->now.first || (p->later.first && ++p->turn % LATER_TURN == 0);
	struct queue *q = later ? &p->later : &p->now;
	struct pool_job *job = q->first;

	q->first = job->next;
	if (!q->first)
		q->end = &q->first;
	p->waiting--;
	p->waiting_of[job->client % CLIENTS]--;
	return job;
}

/* --- threads --- */

static void *pool_main(void *arg);

static bool one_more_thread(struct pool *p)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool ok;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 1024 * 1024);
	ok = pthread_create(&thread, &attr, pool_main, p) == 0;
	pthread_attr_destroy(&attr);
	p->threads += ok;
	return ok;
}

/* Somebody for the first job, if it may be worked on now. False only when there is no thread at
 * all. */
static bool wake(struct pool *p)
{
	if (!may_work(p))
		return true;
	if (p->threads == p->active + p->blocked && p->threads < POOL_THREADS)
		return one_more_thread(p) || p->threads > 0;
	pthread_cond_signal(&p->work);
	return true;
}

/* Wait for work; NULL when there was none for so long that the thread may go. Under the lock. */
static struct pool_job *next_job(struct pool *p)
{
	struct pool_job *job;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += POOL_REST_MS / 1000;
	while (!may_work(p) && !(p->stop && !p->waiting)) {
		if (pthread_cond_timedwait(&p->work, &p->mutex, &until))
			break; /* who is at work takes what waits */
	}
	if (!may_work(p))
		return NULL;
	job = take(p);
	p->active++;
	wake(p); /* for the next one */
	return job;
}

static void *pool_main(void *arg)
{
	struct pool *p = arg;
	struct conn *spare = NULL;
	struct pool_job *job;

	pthread_setname_np(pthread_self(), "http-page");
	pthread_mutex_lock(&p->mutex);
	while ((job = next_job(p))) {
		pthread_mutex_unlock(&p->mutex);
		job->run(job);
		pthread_mutex_lock(&p->mutex);
		p->active--;
	}
	/* as many connections stay as threads, and those of the ones that usually work */
	if (p->spares > POOL_ACTIVE && p->spares >= p->threads)
		spare = p->spare[--p->spares];
	pthread_mutex_unlock(&p->mutex);
	conn_close(spare);
	pthread_mutex_lock(&p->mutex);
	p->threads--;
	pthread_cond_signal(&p->gone);
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

bool pool_submit(struct pool *p, struct pool_job *job)
{
	bool ok;

	pthread_mutex_lock(&p->mutex);
	job->later = p->waiting_of[job->client % CLIENTS] >= POOL_FAIR;
	ok = !p->stop && p->waiting < (job->later ? POOL_QUEUE / 2 : POOL_QUEUE);
	if (ok) {
		put(p, job);
		/* without any thread the queue was empty before */
		ok = wake(p);
		if (!ok)
			take(p);
	}
	pthread_mutex_unlock(&p->mutex);
	return ok;
}

void pool_blocks(struct pool *p)
{
	pthread_mutex_lock(&p->mutex);
	p->active--;
	p->blocked++;
	wake(p);
	pthread_mutex_unlock(&p->mutex);
}

void pool_goes_on(struct pool *p)
{
	pthread_mutex_lock(&p->mutex);
	p->active++;
	p->blocked--;
	pthread_mutex_unlock(&p->mutex);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	while (p->threads)
		pthread_cond_wait(&p->gone, &p->mutex);
	pthread_mutex_unlock(&p->mutex);
	while (p->spares)
		conn_close(p->spare[--p->spares]);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->gone);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

struct error *pool_conn(struct pool *p, struct conn **ret)
{
	struct conn *c = NULL;

	pthread_mutex_lock(&p->mutex);
	if (p->spares)
		c = p->spare[--p->spares];
	pthread_mutex_unlock(&p->mutex);
	if (!c)
		return app_conn(p->app, ret);
	*ret = c;
	return NULL;
}

void pool_conn_back(struct pool *p, struct conn *take_c)
{
	if (!take_c)
		return;
	/* a handler may have left a statement half-way */
	db_quiet(log_db(take_c->log));
	db_quiet(take_c->view);
	db_quiet(take_c->local);
	pthread_mutex_lock(&p->mutex);
	if (p->spares < POOL_THREADS && !p->stop) {
		p->spare[p->spares++] = take_c;
		take_c = NULL;
	}
	pthread_mutex_unlock(&p->mutex);
	conn_close(take_c);
}
