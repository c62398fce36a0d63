/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/poked.h"
#include "sync/base/cond.h"

void poked_init(struct poked *p, bool poked)
{
	*p = (struct poked){.poked = poked};
	pthread_mutex_init(&p->lock, NULL);
	cond_init_monotonic(&p->wake);
}

void poked_free(struct poked *p)
{
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
}

bool poked_start(struct poked *p, void *(*run)(void *arg), void *arg)
{
	p->runs = pthread_create(&p->thread, NULL, run, arg) == 0;
	return p->runs;
}

void poked_poke(struct poked *p)
{
	pthread_mutex_lock(&p->lock);
	p->poked = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

/* With the lock. */
static void wait_ms(struct poked *p, int ms, bool for_poke)
{
	struct timespec until = cond_in_ms(ms < 0 ? 0 : ms);
	int e = 0;

	while (!p->stop && !(for_poke && p->poked) && e == 0)
		e = ms < 0 ? pthread_cond_wait(&p->wake, &p->lock)
			   : pthread_cond_timedwait(&p->wake, &p->lock, &until);
}

bool poked_wait(struct poked *p, int ms, int quiet_ms)
{
	bool on;

	pthread_mutex_lock(&p->lock);
	p->busy = false;
	wait_ms(p, ms, true);
	if (p->poked)
		wait_ms(p, quiet_ms, false);
	on = !p->stop;
	p->poked = false;
	p->busy = on;
	pthread_mutex_unlock(&p->lock);
	return on;
}

bool poked_rest(struct poked *p, int ms)
{
	bool on;

	pthread_mutex_lock(&p->lock);
	wait_ms(p, ms, false);
	on = !p->stop;
	pthread_mutex_unlock(&p->lock);
	return on;
}

bool poked_stops(struct poked *p)
{
	bool stop;

	pthread_mutex_lock(&p->lock);
	stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	return stop;
}

void poked_stopping(struct poked *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void poked_stop(struct poked *p)
{
	poked_stopping(p);
	if (p->runs)
		pthread_join(p->thread, NULL);
	p->runs = false;
}
