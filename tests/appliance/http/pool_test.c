/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/http/pool.h"
#include <pthread.h>
#include <stdatomic.h>

enum { ADA = 1, BOB = 2 };

struct task {
	struct pool_job job;
	int order; /* in which it ran, from 1 */
};

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int ran;

static void wait_at_the_gate(struct pool_job *job)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static void note(struct pool_job *job)
{
	((struct task *)job)->order = ++ran;
}

/* A pool all of whose workers stand at the gate. */
static struct pool *busy_pool(struct pool_job workers[POOL_ACTIVE])
{
	struct pool *p = pool_new(NULL);

	ran = 0;
	pthread_mutex_lock(&gate);
	for (int i = 0; i < POOL_ACTIVE; i++) {
		workers[i] = (struct pool_job){.run = wait_at_the_gate, .client = ADA};
		assert_true(pool_submit(p, &workers[i]));
	}
	return p;
}

static void submit(struct pool *p, struct task *t, uint64_t client)
{
	*t = (struct task){.job = {.run = note, .client = client}};
	assert_true(pool_submit(p, &t->job));
}

static void who_asks_a_thousand_things_does_not_keep_others_waiting(void **state)
{
	enum { MANY = 1000 };
	struct pool_job workers[POOL_ACTIVE];
	struct pool *p = busy_pool(workers);
	struct task *ada = calloc(MANY, sizeof(*ada)), bob[3];

	for (int i = 0; i < MANY; i++)
		submit(p, &ada[i], ADA);
	for (int i = 0; i < 3; i++)
		submit(p, &bob[i], BOB);
	pthread_mutex_unlock(&gate);
	pool_free(p); /* finishes all */
	for (int i = 0; i < 3; i++)
		assert_in_range(bob[i].order, 1, 2 * (POOL_FAIR + POOL_ACTIVE + 3));
	assert_int_equal(ran, MANY + 3);
	for (int i = 0; i < MANY; i++)
		assert_true(ada[i].order > 0);
	free(ada);
}

static void nor_do_many_who_ask_little_keep_one_waiting_for_ever(void **state)
{
	enum { MANY = 400 };
	struct pool_job workers[POOL_ACTIVE];
	struct pool *p = busy_pool(workers);
	struct task *others = calloc(MANY, sizeof(*others)), *ada = calloc(100, sizeof(*ada));

	for (int i = 0; i < 100; i++)
		submit(p, &ada[i], ADA);
	for (int i = 0; i < MANY; i++)
		submit(p, &others[i], 1000 + (uint64_t)i);
	pthread_mutex_unlock(&gate);
	pool_free(p);
	assert_true(ada[99].order < MANY + 100); /* not the very last */
	free(others);
	free(ada);
}

static void one_alone_does_not_fill_the_queue(void **state)
{
	struct pool_job workers[POOL_ACTIVE];
	struct pool *p = busy_pool(workers);
	struct task *ada = calloc(POOL_QUEUE, sizeof(*ada)), bob;
	int taken = 0;

	for (int i = 0; i < POOL_QUEUE; i++) {
		ada[i] = (struct task){.job = {.run = note, .client = ADA}};
		taken += pool_submit(p, &ada[i].job);
	}
	assert_in_range(taken, POOL_QUEUE / 4, POOL_QUEUE * 3 / 4);
	submit(p, &bob, BOB);
	pthread_mutex_unlock(&gate);
	pool_free(p);
	assert_int_equal(ran, taken + 1);
	free(ada);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_asks_a_thousand_things_does_not_keep_others_waiting),
		cmocka_unit_test(nor_do_many_who_ask_little_keep_one_waiting_for_ever),
		cmocka_unit_test(one_alone_does_not_fill_the_queue),
	};

	return run_group(tests);
}
