/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The threads on which page handlers run, so that those which move bytes never wait for a disk, a
 * commit or a password hash, and so that the posts of many people meet in one group commit. Threads
 * come when there is work for them, up to POOL_THREADS, and go after POOL_REST_MS without. Also the
 * reading connections, lent for the length of a request; the one given back last is lent first.
 */
#pragma once
#include "appliance/app.h"

enum {
	POOL_THREADS = 40,
	POOL_ACTIVE = 4,
	POOL_QUEUE = 2048,
	POOL_FAIR = 8, /* so many waiting jobs of one client go before those of who has more */
	POOL_REST_MS = 20000
};

struct pool;
struct pool *pool_new(struct app *app);
void pool_free(struct pool *p); /* finishes what was submitted */

struct pool_job {
	void (*run)(struct pool_job *job);
	uint64_t client;       /* whose it is: any number that tells clients apart */
	struct pool_job *next; /* private */
	bool later;
};
/* The job is borrowed until it ran. False: too many wait already. What a client asks beyond
 * POOL_FAIR things at once comes after what others ask (but for every fourth job, so that it comes
 * at all), and fills at most half of the queue. Any thread. */
bool pool_submit(struct pool *p, struct pool_job *job);

/* Around a wait on a job's own thread: meanwhile another may work. */
void pool_blocks(struct pool *p);
void pool_goes_on(struct pool *p);

struct error *pool_conn(struct pool *p, struct conn **ret) MUST;
void pool_conn_back(struct pool *p, struct conn *take_c); /* accepts NULL */
