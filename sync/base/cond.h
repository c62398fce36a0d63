/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Conditions that threads wait for with a limit of time, whatever happens to the box's clock. */
#pragma once
#include <pthread.h>
#include <time.h>

/* pthread_cond_timedwait() on it takes times of CLOCK_MONOTONIC. */
static inline void cond_init_monotonic(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}
