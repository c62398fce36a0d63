/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A thread that looks at something whenever it is poked, or now and then, until it is told to stop:
 *
 *	while (poked_wait(&p, EVERY_MS, QUIET_MS))
 *		look();
 *
 * poked_wait and poked_rest belong to the thread itself; the others may be called from any, but for
 * poked_init, poked_start, poked_stop and poked_free, which are its owner's. The lock may be held
 * for what the owner tells others about the thread's work; it is taken last.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>

struct poked {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool poked, stop;
	bool busy; /* it was poked, or its time came, and it has not come back to wait */
	bool runs; /* to be joined; the owner's */
};

/* poked: as if it had been poked already. */
void poked_init(struct poked *p, bool poked);
/* After poked_stop, or when it was never started. */
void poked_free(struct poked *p);
/* false: there are no more threads. */
bool poked_start(struct poked *p, void *(*run)(void *arg), void *arg);
void poked_poke(struct poked *p);
/* Wait until it is poked, for at most so many milliseconds (below 0: without a limit); when it was, wait for
 * quiet_ms more, so that a burst is one look. false: it is to stop. */
bool poked_wait(struct poked *p, int ms, int quiet_ms);
/* Rest for so many milliseconds, poked or not. false: it is to stop. */
bool poked_rest(struct poked *p, int ms);
bool poked_stops(struct poked *p);
/* Tell it to stop; then also wait until it has. Nothing when it does not run. */
void poked_stopping(struct poked *p);
void poked_stop(struct poked *p);
