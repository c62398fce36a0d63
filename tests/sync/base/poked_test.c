/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/poked.h"
#include <stdatomic.h>

struct work {
	struct poked poked;
	int every_ms, quiet_ms;
	atomic_int looks;
};

static void *run(void *arg)
{
	struct work *w = arg;

	while (poked_wait(&w->poked, w->every_ms, w->quiet_ms))
		atomic_fetch_add(&w->looks, 1);
	return NULL;
}

static void begin(struct work *w, bool poked, int every_ms, int quiet_ms)
{
	*w = (struct work){.every_ms = every_ms, .quiet_ms = quiet_ms};
	poked_init(&w->poked, poked);
	assert_true(poked_start(&w->poked, run, w));
}

static bool is_at_rest(struct work *w)
{
	bool rest;

	pthread_mutex_lock(&w->poked.lock);
	rest = !w->poked.poked && !w->poked.busy;
	pthread_mutex_unlock(&w->poked.lock);
	return rest;
}

static void until(struct work *w, int looks)
{
	for (int i = 0; i < 6000 && (atomic_load(&w->looks) < looks || !is_at_rest(w)); i++)
		usleep(5000);
	assert_int_equal(atomic_load(&w->looks), looks);
}

static void end(struct work *w)
{
	poked_stop(&w->poked);
	poked_stop(&w->poked); /* twice does no harm */
	assert_true(poked_stops(&w->poked));
	poked_free(&w->poked);
}

static void looks_once_for_each_poke_and_for_a_burst_of_them(void **state)
{
	struct work w;

	begin(&w, false, -1, 100);
	usleep(50000);
	assert_int_equal(atomic_load(&w.looks), 0);
	for (int i = 0; i < 20; i++)
		poked_poke(&w.poked);
	until(&w, 1);
	poked_poke(&w.poked);
	until(&w, 2);
	end(&w);
}

static void begins_with_a_look_when_it_was_poked_before(void **state)
{
	struct work w;

	begin(&w, true, -1, 0);
	until(&w, 1);
	end(&w);
}

static void looks_now_and_then_without_a_poke(void **state)
{
	struct work w;

	begin(&w, false, 5, 60000);
	for (int i = 0; i < 6000 && atomic_load(&w.looks) < 3; i++)
		usleep(5000);
	assert_true(atomic_load(&w.looks) >= 3);
	end(&w);
}

static void *sleeper(void *arg)
{
	struct work *w = arg;

	if (!poked_rest(&w->poked, 10 * 60000))
		atomic_store(&w->looks, 1);
	return NULL;
}

static void a_rest_is_ended_by_stopping_and_not_by_a_poke(void **state)
{
	struct work w = {.every_ms = 0};

	poked_init(&w.poked, true);
	assert_true(poked_start(&w.poked, sleeper, &w));
	poked_poke(&w.poked);
	usleep(50000);
	assert_int_equal(atomic_load(&w.looks), 0);
	poked_stopping(&w.poked);
	end(&w);
	assert_int_equal(atomic_load(&w.looks), 1);
}

static void one_that_never_ran_is_stopped_at_once(void **state)
{
	struct work w;

	poked_init(&w.poked, false);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_once_for_each_poke_and_for_a_burst_of_them),
		cmocka_unit_test(begins_with_a_look_when_it_was_poked_before),
		cmocka_unit_test(looks_now_and_then_without_a_poke),
		cmocka_unit_test(a_rest_is_ended_by_stopping_and_not_by_a_poke),
		cmocka_unit_test(one_that_never_ran_is_stopped_at_once),
	};

	return run_group(tests);
}
