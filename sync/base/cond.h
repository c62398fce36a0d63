/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Conditions that threads wait for with a limit of time, whatever happens to the box's clock. */
#pragma once
#include <pthread.h>
#include <stdint.h>
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

/* The time of CLOCK_MONOTONIC in so many milliseconds, at least 0: a limit for such a wait. */
static inline struct timespec cond_in_ms(int64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	t.tv_sec += (time_t)(ms / 1000) + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}
