/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How long a peer's word is believed of how much it holds. */
#include "tests/lib/test.h"
#include "appliance/peers/announced.h"

enum { HOUR = 3600 * 1000, DAY = 24 * HOUR, LIE = 2000000 };

static const struct pubkey who = {{1}};
static const struct hash space = {{2}};
static struct announced *a;
static int64_t now;
static uint64_t here;

static int anew(void **state)
{
	(void)state;
	a = calloc(1, sizeof(*a));
	now = 1000;
	here = 0;
	return a ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	free(a);
	return 0;
}

static void says(uint64_t entries)
{
	const struct peers_announced said = {who, space, entries};

	announced_hear(a, &said, now);
}

static uint64_t left(void *ctx, const struct peers_announced *said)
{
	(void)ctx;
	return said->entries > here ? said->entries - here : 0;
}

static void ends(uint64_t moved)
{
	announced_ended(a, &who, moved, left, NULL, now);
}

/* What is told; 0: nothing. */
static uint64_t told(void)
{
	static struct peers_announced out[PEERS_ANNOUNCED];

	return announced_list(a, now, out) ? out[0].entries : 0;
}

static void a_first_sync_is_told_from_its_beginning_to_its_end(void **state)
{
	for (int i = 0; i < 40; i++) { /* 2,000,000 in two days, on a slow line */
		says(LIE);
		assert_int_equal(told(), LIE);
		now += HOUR + HOUR / 4;
		here += LIE / 40;
		ends(LIE / 40);
	}
	assert_int_equal(told(), 0);
	says(LIE + 1000); /* and when there is more again */
	assert_int_equal(told(), LIE + 1000);
}

static void one_entry_in_each_exchange_is_no_first_sync(void **state)
{
	int64_t seen = 0;

	for (int i = 0; i < 30 * 24 * 6; i++) { /* a month, each ten minutes */
		says(LIE);
		seen += told() != 0;
		here++;
		ends(1);
		assert_int_equal(told(), 0);
		now += HOUR / 6;
	}
	assert_true(seen <= 5); /* 1, 2, 4, 8, 16 days apart */
}

static void as_much_as_is_needed_is_not_enough_when_it_never_falls(void **state)
{
	int64_t seen = 0;

	for (int i = 0; i < 30 * 24;
	     i++) { /* it brings what it must, and says so much more each time */
		says(here + LIE);
		seen += told() != 0;
		here += LIE / ANNOUNCED_PART + 1;
		ends(LIE / ANNOUNCED_PART + 1);
		now += HOUR;
	}
	assert_true(seen <= 5 * 26);
}

static void who_never_ends_an_exchange_is_believed_for_a_day(void **state)
{
	int64_t seen = 0;

	for (int i = 0; i < 10 * 24; i++) {
		says(LIE);
		seen += told() != 0;
		now += HOUR;
	}
	assert_in_range(seen, 24, 4 * 25);
}

static void nobody_shuts_the_others_out(void **state)
{
	for (unsigned i = 0; i < 10000; i++) {
		const struct peers_announced said = {
			{{(uint8_t)i, (uint8_t)(i >> 8), 9}}, space, LIE};

		announced_hear(a, &said, now);
		announced_ended(a, &said.peer, 0, left, NULL, now);
	}
	assert_int_equal(told(), 0);
	says(LIE);
	assert_int_equal(told(), LIE);
	announced_forget(a, &who);
	assert_int_equal(told(), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, anew, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_first_sync_is_told_from_its_beginning_to_its_end),
		T(one_entry_in_each_exchange_is_no_first_sync),
		T(as_much_as_is_needed_is_not_enough_when_it_never_falls),
		T(who_never_ends_an_exchange_is_believed_for_a_day),
		T(nobody_shuts_the_others_out),
	};

	return run_group(tests);
}
