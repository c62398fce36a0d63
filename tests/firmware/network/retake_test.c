/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "firmware/network/retake.h"

static void a_box_with_its_own_name_asks_for_nothing(void **state)
{
	struct retake r = {0};

	(void)state;
	for (int64_t s = 1; s < 100000; s += 5)
		assert_false(retake_due(&r, false, s));
}

static void a_name_that_was_lost_is_asked_for_after_five_minutes(void **state)
{
	struct retake r = {0};

	(void)state;
	assert_false(retake_due(&r, true, 1000));
	assert_false(retake_due(&r, true, 1000 + RETAKE_S - 1));
	assert_true(retake_due(&r, true, 1000 + RETAKE_S));
	assert_false(retake_due(&r, false, 1000 + RETAKE_S + 5)); /* it is back */
}

/* Each question interrupts those who look for the box, and the other device defends its name. */
static void where_another_keeps_it_it_is_asked_for_ever_more_rarely(void **state)
{
	struct retake r = {0};
	int asked = 0, last = 0, gap = 0;

	(void)state;
	for (int s = 5; s < 30 * 24 * 3600; s += 5) {
		/* a moment with its own name after each question, before the other one is heard */
		bool renamed = !asked || s - last > 10;

		if (!retake_due(&r, renamed, s))
			continue;
		assert_true(s - last >= RETAKE_S);
		assert_true(s - last >= gap || s - last >= RETAKE_MAX_S);
		gap = s - last;
		last = s;
		asked++;
	}
	assert_true(gap >= RETAKE_MAX_S);
	assert_in_range(asked, 30, 45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_box_with_its_own_name_asks_for_nothing),
		cmocka_unit_test(a_name_that_was_lost_is_asked_for_after_five_minutes),
		cmocka_unit_test(where_another_keeps_it_it_is_asked_for_ever_more_rarely),
	};

	return run_group(tests);
}
