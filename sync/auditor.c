/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two threads: one fetches and verifies (on all cores, through the pool), the other carries the
 * verdicts to the writer, so that no core waits for a commit. What is on its way there is left out
 * of the next fetch (`ahead`).
 *
 * The verifying threads are nicer than the rest: what is vouched for is already shown, and
 * a page should not wait for the audit of a first sync.
 */
#include "sync/engine_priv.h"
#include "sync/base/cond.h"
#include <stdatomic.h>
#include <sys/resource.h>

enum { JOBS = 4096, BUFFERS = 2, AHEAD = 1024, NICE = 10, LOOK_EVERY_S = 30 };

struct audit_buffer {
	struct audit_job *jobs;
	bool *ok;
	size_t n;
	bool full; /* waits for the writer */
};

struct auditor {
	const struct sync_host *host;
	struct readers *readers;
	pthread_t checker, scribe;
	int threads; /* started */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool stop, woken;
	bool failed; /* verdicts could not be written: not again at once */
	struct audit_buffer buffer[BUFFERS];
	/* the checker's own */
	struct audit_ahead ahead[AHEAD];
	size_t n_ahead;
};

static struct error *write_verdicts(struct sync_writing *w, void *arg)
{
	const struct audit_buffer *b = arg;

	return log_audit_done(w->log, b->jobs, b->ok, b->n);
}

static bool buffer_init(struct audit_buffer *b)
{
	b->jobs = calloc(JOBS, sizeof(*b->jobs));
	b->ok = calloc(JOBS, sizeof(*b->ok));
	return b->jobs && b->ok;
}

static void buffer_release(struct audit_buffer *b)
{
	free(b->jobs);
	free(b->ok);
}

/* --- the checker --- */
static bool is_of(const struct audit_ahead *ahead, const struct audit_job *job)
{
	return ahead->log == job->log && ahead->appliance == job->appliance;
}

/* Remember how far this buffer goes in each log. Behind a bad one nothing is worth checking. */
static bool note_ahead(struct auditor *a, const struct audit_buffer *b)
{
	size_t k = 0; /* those of one log follow each other */

	for (size_t i = 0; i < b->n; i++) {
		if (k >= a->n_ahead || !is_of(&a->ahead[k], &b->jobs[i]))
			k = 0;
		while (k < a->n_ahead && !is_of(&a->ahead[k], &b->jobs[i]))
			k++;
		if (k == AHEAD)
			return false;
		if (k == a->n_ahead)
			a->ahead[a->n_ahead++] = (struct audit_ahead){
				.log = b->jobs[i].log, .appliance = b->jobs[i].appliance};
		if (!b->ok[i])
			a->ahead[k].seq = UINT64_MAX;
		else if (a->ahead[k].seq < b->jobs[i].seq)
			a->ahead[k].seq = b->jobs[i].seq;
	}
	return true;
}

/* With the lock. false: stopping. */
static bool wait_until_written(struct auditor *a)
{
	for (int i = 0; i < BUFFERS; i++)
		while (a->buffer[i].full && !a->stop)
			pthread_cond_wait(&a->moved, &a->lock);
	a->n_ahead = 0;
	return !a->stop;
}

/* With the lock: the next buffer, free; NULL: stopping. The two are used strictly in turn, because
 * verdicts must be written in the order of the log. */
static struct audit_buffer *free_buffer(struct auditor *a, unsigned turn)
{
	struct audit_buffer *b = &a->buffer[turn % BUFFERS];

	while (b->full && !a->stop)
		pthread_cond_wait(&a->moved, &a->lock);
	return a->stop ? NULL : b;
}

static struct error *fetch(struct auditor *a, struct audit_buffer *b)
{
	struct log_store *log;
	struct error *err;

	b->n = 0;
	TRY(readers_take(a->readers, &log));
	err = log_audit_after(log, false, a->ahead, a->n_ahead, b->jobs, JOBS, &b->n);
	if (!err && !b->n) /* nothing urgent: each appliance's own signature */
		err = log_audit_after(log, true, a->ahead, a->n_ahead, b->jobs, JOBS, &b->n);
	readers_give(a->readers, log);
	return err;
}

/* Nothing to check: sleep until something comes. With the lock. */
static void rest(struct auditor *a)
{
	struct timespec until;

	if (!wait_until_written(a))
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_EVERY_S;
	while ((!a->woken || a->failed) && !a->stop)
		if (pthread_cond_timedwait(&a->moved, &a->lock, &until))
			break;
	a->woken = a->failed = false;
}

static void *check(void *arg)
{
	struct auditor *a = arg;
	struct audit_pool *pool = NULL;
	struct audit_buffer *b;
	unsigned turn = 0;

	/* The pool's threads inherit it. On Linux it is the thread's own. */
	setpriority(PRIO_PROCESS, 0, NICE);
	if (audit_pool_new(0, &pool))
		return NULL; /* no thread to be had: the next start audits */
	pthread_mutex_lock(&a->lock);
	while ((b = free_buffer(a, turn))) {
		struct error *err;
		bool more;

		pthread_mutex_unlock(&a->lock);
		err = fetch(a, b);
		more = !err && b->n;
		if (more)
			audit_pool_check(pool, b->jobs, b->n, b->ok);
		pthread_mutex_lock(&a->lock);
		error_free(err); /* a busy or damaged database: looked at again later */
		if (!more || a->failed) {
			rest(a);
			continue;
		}
		b->full = true;
		turn++;
		pthread_cond_broadcast(&a->moved);
		if (!note_ahead(a, b))
			wait_until_written(a);
	}
	pthread_mutex_unlock(&a->lock);
	audit_pool_free(pool);
	return NULL;
}

/* --- the scribe --- */
static void *scribe(void *arg)
{
	struct auditor *a = arg;
	unsigned turn = 0;

	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct audit_buffer *b = &a->buffer[turn % BUFFERS];
		struct error *err;

		if (!b->full) {
			pthread_cond_wait(&a->moved, &a->lock);
			continue;
		}
		pthread_mutex_unlock(&a->lock);
		/* When it can't be written (a full disk) it is checked again later: nothing is lost
		 * but work. */
		err = a->host->write(a->host->ctx, write_verdicts, b);
		pthread_mutex_lock(&a->lock);
		a->failed |= err != NULL;
		error_free(err);
		b->full = false;
		turn++;
		pthread_cond_broadcast(&a->moved);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* --- the door --- */
struct error *auditor_start(const struct sync_host *host, struct readers *readers,
			    struct auditor **ret)
{
	struct auditor *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->host = host;
	a->readers = readers;
	pthread_mutex_init(&a->lock, NULL);
	cond_init_monotonic(&a->moved);
	for (int i = 0; i < BUFFERS; i++)
		if (!buffer_init(&a->buffer[i]))
			abort();
	a->threads += pthread_create(&a->checker, NULL, check, a) == 0;
	if (a->threads)
		a->threads += pthread_create(&a->scribe, NULL, scribe, a) == 0;
	if (a->threads != 2) {
		auditor_stop(a);
		return error_new(ERR_INTERNAL, N_("A thread could not be started."));
	}
	*ret = a;
	return NULL;
}

void auditor_stop(struct auditor *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_broadcast(&a->moved);
	pthread_mutex_unlock(&a->lock);
	if (a->threads > 0)
		pthread_join(a->checker, NULL);
	if (a->threads > 1)
		pthread_join(a->scribe, NULL);
	for (int i = 0; i < BUFFERS; i++)
		buffer_release(&a->buffer[i]);
	pthread_cond_destroy(&a->moved);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

void auditor_wake(struct auditor *a)
{
	pthread_mutex_lock(&a->lock);
	a->woken = true;
	pthread_cond_broadcast(&a->moved);
	pthread_mutex_unlock(&a->lock);
}

static struct error *audit_some(const struct sync_host *host, struct log_store *log,
				struct audit_pool *pool, struct audit_buffer *b)
{
	do {
		TRY(log_audit_next(log, b->jobs, JOBS, &b->n));
		if (!b->n)
			TRY(log_prove_next(log, b->jobs, JOBS, &b->n));
		audit_pool_check(pool, b->jobs, b->n, b->ok);
		if (b->n)
			TRY(host->write(host->ctx, write_verdicts, b));
	} while (b->n);
	return NULL;
}

struct error *audit_all(const struct sync_host *host, struct log_store *log)
{
	struct audit_buffer b = {.n = 0};
	_cleanup_(audit_pool_freep) struct audit_pool *pool = NULL;
	struct error *err;

	TRY(audit_pool_new(0, &pool));
	if (!buffer_init(&b))
		abort();
	err = audit_some(host, log, pool, &b);
	buffer_release(&b);
	return err;
}
