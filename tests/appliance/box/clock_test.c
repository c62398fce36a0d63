/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A box whose system says 1970 begins where it was. */
#include "tests/appliance/site.h"
#include "appliance/box/box.h"
#include "appliance/box/clock.h"

#define NOW INT64_C(1795000000000)

static int64_t in_1970(void *ctx)
{
	(void)ctx;
	return 5000;
}

static int64_t mono(void *ctx)
{
	(void)ctx;
	return 1000;
}

static void no_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	memset(out, 7, n);
}

static bool not_synced(void)
{
	return false;
}

static void a_box_without_a_clock_begins_at_its_newest_entry(void **state)
{
	static const struct env old = {NULL, in_1970, mono, no_random};
	int64_t now = env_now(&env_system), begun;
	_cleanup_(freep) char *path = NULL;
	struct clock_env *c;
	struct site s;

	(void)state;
	site_open(&s);
	path = path_join(s.dir, "clock");
	c = clock_env_new(path, &old, not_synced, NULL);
	s.app->clock = c;
	assert_ok(box_clock_begin(s.app));
	begun = env_now(clock_env_get(c));
	/* The site's founding was a moment ago. */
	assert_true(begun > now - 10 * 60 * 1000 && begun <= env_now(&env_system) + 1000);
	assert_int_equal(clock_env_state(c).quality, CLOCK_FROM_SEEN);
	s.app->clock = NULL;
	clock_env_free(c);
	site_close(&s);
}

static void what_is_remembered_is_not_overruled_by_an_entry(void **state)
{
	static const struct env old = {NULL, in_1970, mono, no_random};
	_cleanup_(freep) char *path = NULL;
	struct clock_env *c;
	struct site s;

	(void)state;
	site_open(&s);
	path = path_join(s.dir, "clock");
	assert_ok(file_write(path, span_str("1600000000000 seen 0\n"), 0600));
	c = clock_env_new(path, &old, not_synced, NULL);
	s.app->clock = c;
	assert_ok(box_clock_begin(s.app));
	assert_true(env_now(clock_env_get(c)) < 1600000100000);
	s.app->clock = NULL;
	clock_env_free(c);
	site_close(&s);
}

static void the_systems_clock_is_set_forward_and_only_by_what_is_known(void **state)
{
	(void)state;
	assert_true(box_clock_due(CLOCK_FROM_PEERS, 3600000, NOW));
	assert_true(box_clock_due(CLOCK_FROM_SEEN, 3600000, NOW));
	assert_false(box_clock_due(CLOCK_FROM_SEEN, 30000, NOW));	 /* not worth it */
	assert_false(box_clock_due(CLOCK_FROM_PEERS, -3600000, NOW)); /* never back */
	assert_true(box_clock_due(CLOCK_TOLD, 3600000, NOW));
	assert_false(box_clock_due(CLOCK_TOLD, 2 * CLOCK_LEAP_MS, NOW)); /* another year, mistyped */
	assert_true(box_clock_due(CLOCK_TOLD, NOW, 5000));
	assert_false(box_clock_due(CLOCK_SURE, 3600000, NOW));
	assert_false(box_clock_due(CLOCK_UNSURE, 3600000, NOW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_box_without_a_clock_begins_at_its_newest_entry),
		cmocka_unit_test(what_is_remembered_is_not_overruled_by_an_entry),
		cmocka_unit_test(the_systems_clock_is_set_forward_and_only_by_what_is_known),
	};

	return run_group(tests);
}
