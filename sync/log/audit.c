/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/log/audit.h"
#include <pthread.h>
#include <stdatomic.h>

enum { BATCH = 32, THREADS_MAX = 64 };

struct audit_pool {
	pthread_mutex_t lock; /* guards what follows, but not what the work points to */
	pthread_cond_t begin, end;
	unsigned round; /* grows when there is new work */
	int busy;	/* workers that have not finished this round */
	bool stop;
	const struct audit_job *jobs;
	size_t n;
	bool *ok;
	atomic_size_t next; /* the first job nobody has taken */
	int threads;
	pthread_t thread[THREADS_MAX];
};

static void check_batches(struct audit_pool *p)
{
	for (;;) {
		size_t i = atomic_fetch_add(&p->next, BATCH);
		size_t end = i + BATCH < p->n ? i + BATCH : p->n;

		if (i >= p->n)
			return;
		for (; i < end; i++)
			p->ok[i] = p->jobs[i].appliance ? entry_verify_appliance(&p->jobs[i].raw)
							: entry_verify_author(&p->jobs[i].raw);
	}
}

static void *work(void *arg)
{
	struct audit_pool *p = arg;
	unsigned seen = 0;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->stop && p->round == seen)
			pthread_cond_wait(&p->begin, &p->lock);
		if (p->stop)
			break;
		seen = p->round;
		pthread_mutex_unlock(&p->lock);
		check_batches(p);
		pthread_mutex_lock(&p->lock);
		if (--p->busy == 0)
			pthread_cond_signal(&p->end);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct error *audit_pool_new(int threads, struct audit_pool **ret)
{
	struct audit_pool *p = calloc(1, sizeof(*p));
	int workers;

	if (!p)
		abort();
	if (threads <= 0)
		threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
	workers = threads > THREADS_MAX ? THREADS_MAX : threads;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->begin, NULL);
	pthread_cond_init(&p->end, NULL);
	/* The caller of audit_pool_check works too. */
	while (p->threads < workers - 1) {
		if (pthread_create(&p->thread[p->threads], NULL, work, p)) {
			audit_pool_free(p);
			return error_new(ERR_NOMEM,
					 N_("The box could not start a thread. Try again soon."));
		}
		p->threads++;
	}
	*ret = p;
	return NULL;
}

void audit_pool_free(struct audit_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->begin);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->begin);
	pthread_cond_destroy(&p->end);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void audit_pool_check(struct audit_pool *p, const struct audit_job *jobs, size_t n, bool *ok)
{
	bool alone = n <= BATCH;

	pthread_mutex_lock(&p->lock);
	p->jobs = jobs;
	p->n = n;
	p->ok = ok;
	atomic_store(&p->next, 0);
	if (!alone) {
		p->round++;
		p->busy = p->threads;
		pthread_cond_broadcast(&p->begin);
	}
	pthread_mutex_unlock(&p->lock);
	check_batches(p);
	pthread_mutex_lock(&p->lock);
	while (!alone && p->busy)
		pthread_cond_wait(&p->end, &p->lock);
	pthread_mutex_unlock(&p->lock);
}
