/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/clock/clock_env.h"

#define DAY   ((int64_t)86400000)
#define Y1970 ((int64_t)1000)
#define NOW   ((int64_t)1764086400000) /* November 2025 */
#define Y2106 ((int64_t)4291747200000)

static struct pubkey box(int n)
{
	struct pubkey k = {{(uint8_t)n}};

	return k;
}

static void hear(struct clock *c, int n, int64_t said, int64_t mono)
{
	struct pubkey k = box(n);

	clock_heard(c, &k, said, mono);
}

static void expect(const struct clock *c, int64_t system, int64_t mono, int64_t want,
		   enum clock_quality quality)
{
	enum clock_quality q;

	assert_int_equal(clock_now(c, system, mono, &q), want);
	assert_int_equal(q, quality);
}

static void a_synchronised_clock_is_moved_by_nobody(void **state)
{
	struct clock c = {0};

	clock_seen(&c, NOW + 10 * DAY, 0);
	for (int i = 0; i < 20; i++)
		hear(&c, i, Y2106, 0);
	clock_synced(&c, true);
	expect(&c, NOW, 5, NOW, CLOCK_SURE);
}

static void a_clock_that_says_1970_goes_on_from_what_was_known(void **state)
{
	struct clock c = {0};

	expect(&c, Y1970, 0, Y1970, CLOCK_UNSURE);
	clock_seen(&c, NOW, 100);
	expect(&c, Y1970, 100, NOW, CLOCK_FROM_SEEN);
	expect(&c, Y1970, 5100, NOW + 5000, CLOCK_FROM_SEEN);
	expect(&c, NOW + DAY, 5100, NOW + DAY, CLOCK_UNSURE);
	clock_seen(&c, NOW - DAY, 5100); /* older: no news */
	expect(&c, Y1970, 5100, NOW + 5000, CLOCK_FROM_SEEN);
}

static void the_median_of_peers_counts_and_a_liar_does_not(void **state)
{
	struct clock c = {0};

	hear(&c, 1, NOW, 0);
	hear(&c, 2, NOW + 2000, 0);
	hear(&c, 3, Y2106, 0);
	expect(&c, Y1970, 0, NOW + 2000, CLOCK_FROM_PEERS);
	hear(&c, 4, Y2106, 0); /* half of them: the earlier of the middle two */
	expect(&c, Y1970, 0, NOW + 2000, CLOCK_FROM_PEERS);
	hear(&c, 3, 0, 0);
	hear(&c, 4, INT64_MIN, 0);
	hear(&c, 5, NOW + 1000, 0);
	expect(&c, NOW + 9 * DAY, 0, NOW, CLOCK_FROM_PEERS);
}

static bool never_synced(void)
{
	return false;
}

/* After a summer in the cupboard: the system went on from when it was switched off. */
static void one_peer_helps_a_clock_that_stood(void **state)
{
	struct clock c = {0};

	clock_seen(&c, NOW, 0);
	hear(&c, 1, NOW + 90 * DAY, 0);
	expect(&c, NOW + 60000, 60000, NOW + 60000, CLOCK_UNSURE);
	clock_stood(&c, true);
	expect(&c, NOW + 60000, 60000, NOW + 90 * DAY + 60000, CLOCK_FROM_PEERS);
	hear(&c, 1, NOW - 90 * DAY, 60000); /* never back */
	expect(&c, NOW + 60000, 60000, NOW + 60000, CLOCK_UNSURE);
	hear(&c, 1, NOW + CLOCK_LEAP_MS + 60001, 60000); /* nor farther than that */
	expect(&c, NOW + 60000, 60000, NOW + 60000, CLOCK_UNSURE);
	hear(&c, 1, Y2106, 60000);
	expect(&c, NOW + 60000, 60000, NOW + 60000, CLOCK_UNSURE);
}

/* What the file of a box says that was switched off when its clock was right. */
static void remembered(const char *path)
{
	char text[60];

	snprintf(text, sizeof(text), "%lld sure 0\n", (long long)NOW);
	assert_ok(file_write(path, span_str(text), 0600));
}

static int64_t rtc;
static int64_t own_clock(void)
{
	return rtc;
}

static int64_t told_by_one_peer(const char *path, int64_t hardware, const struct env *under)
{
	struct pubkey k = box(1);
	struct clock_env *c;
	int64_t now;

	rtc = hardware;
	c = clock_env_new(path, under, never_synced, own_clock);
	clock_env_heard(c, &k, 90 * DAY);
	now = env_now(clock_env_get(c));
	clock_env_free(c);
	return now;
}

static void a_machine_s_own_clock_counts_when_it_went_on(void **state)
{
	char *dir = test_dir(), *path = path_join(dir, "clock");
	struct test_env under;

	test_env_init(&under, NOW + 60000, 1);
	for (int i = 0; i < 3; i++) {
		static const int64_t hardware[] = {0, Y1970, NOW + 60000};

		remembered(path);
		assert_int_equal(told_by_one_peer(path, hardware[i], &under.env),
				 NOW + 60000 + (i < 2 ? 90 * DAY : 0));
	}
	free(path);
	test_dir_remove(dir);
}

static enum clock_word word_with(const char *path, int64_t hardware, const struct env *under)
{
	struct clock_env *c;
	enum clock_word word;

	rtc = hardware;
	c = clock_env_new(path, under, never_synced, own_clock);
	word = clock_env_state(c).word;
	clock_env_free(c);
	return word;
}

static void a_machine_s_own_clock_speaks_for_the_time_that_it_says(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "clock");
	struct test_env under;

	(void)state;
	test_env_init(&under, NOW + 60000, 1);
	remembered(path);
	assert_int_equal(word_with(path, NOW + 61000, &under.env), CLOCK_FOR);
	/* A moment after it was written down: no sign of a clock that stood. */
	assert_int_equal(word_with(path, NOW - 900, &under.env), CLOCK_FOR);
	assert_int_equal(word_with(path, NOW + 2 * DAY, &under.env), CLOCK_NOTHING);
	assert_int_equal(word_with(path, CLOCK_HARDWARE_UNKNOWN, &under.env), CLOCK_NOTHING);
	assert_int_equal(word_with(path, Y1970, &under.env), CLOCK_AGAINST);
	assert_int_equal(word_with(path, 0, &under.env), CLOCK_AGAINST);
}

static int64_t days_ahead(struct clock_env *c)
{
	return (env_now(clock_env_get(c)) - NOW) / DAY;
}

/* After every start it is the first, and says the most that it may: what it said is not known afterwards. */
static void one_peer_moves_it_no_further_at_the_next_start(void **state)
{
	char *dir = test_dir(), *path = path_join(dir, "clock");
	struct pubkey k = box(1);
	struct test_env under;
	struct clock_env *c;

	remembered(path);
	rtc = 0;
	for (int start = 0; start < 5; start++) {
		test_env_init(&under, NOW + 60000, 1);
		c = clock_env_new(path, &under.env, never_synced, own_clock);
		assert_int_equal(days_ahead(c), 0);
		clock_env_heard(c, &k, CLOCK_LEAP_MS - 120000);
		assert_int_equal(days_ahead(c), 399);
		clock_env_wrote(c, env_now(clock_env_get(c))); /* what it wrote meanwhile, at the next start */
		assert_false(clock_env_state(c).agreed);
		clock_env_free(c);
	}
	free(path);
	test_dir_remove(dir);
}

static void an_honest_quorum_takes_back_what_one_said_first(void **state)
{
	char *dir = test_dir(), *path = path_join(dir, "clock");
	struct pubkey k = box(9);
	struct test_env under;
	struct clock_env *c;

	remembered(path);
	rtc = 0;
	test_env_init(&under, NOW + 60000, 1);
	c = clock_env_new(path, &under.env, never_synced, own_clock);
	clock_env_heard(c, &k, CLOCK_LEAP_MS - 120000);
	assert_int_equal(days_ahead(c), 399);
	for (int i = 1; i < 8; i++) {
		k = box(i);
		clock_env_heard(c, &k, NOW + 60000 - env_now(clock_env_get(c)));
	}
	assert_int_equal(days_ahead(c), 0);
	assert_true(clock_env_state(c).agreed);
	clock_env_free(c);
	c = clock_env_new(path, &under.env, never_synced, own_clock);
	assert_int_equal(days_ahead(c), 0);
	clock_env_free(c);
	free(path);
	test_dir_remove(dir);
}

static void one_peer_helps_only_a_clock_that_is_certainly_wrong(void **state)
{
	struct clock c = {0};

	hear(&c, 1, Y2106, 0);
	expect(&c, NOW, 0, NOW, CLOCK_UNSURE);
	clock_seen(&c, NOW, 0);
	expect(&c, Y1970, 0, NOW, CLOCK_FROM_SEEN); /* too great a leap for one */
	hear(&c, 1, NOW + 30 * DAY, 0);
	expect(&c, Y1970, 0, NOW + 30 * DAY, CLOCK_FROM_PEERS);
	expect(&c, NOW + DAY, 0, NOW + DAY, CLOCK_UNSURE);
	hear(&c, 1, NOW - 30 * DAY, 0);
	expect(&c, Y1970, 0, NOW, CLOCK_FROM_SEEN);
}

static void what_was_heard_long_ago_does_not_count(void **state)
{
	struct clock c = {0};

	for (int i = 0; i < 3; i++)
		hear(&c, i, NOW, 0);
	expect(&c, Y1970, CLOCK_FRESH_MS, NOW + CLOCK_FRESH_MS, CLOCK_FROM_PEERS);
	expect(&c, Y1970, CLOCK_FRESH_MS + 1, Y1970, CLOCK_UNSURE);
}

static void a_persons_word_moves_it_and_is_never_known(void **state)
{
	struct clock c = {0};

	(void)state;
	clock_seen(&c, NOW, 0);
	assert_false(clock_told(&c, NOW - DAY, 0)); /* something was written after that */
	expect(&c, Y1970, 0, NOW, CLOCK_FROM_SEEN);
	assert_true(clock_told(&c, Y2106, 0)); /* mistyped … */
	expect(&c, Y1970, 5, Y2106 + 5, CLOCK_TOLD);
	assert_true(clock_told(&c, NOW + DAY, 5)); /* … and told again */
	expect(&c, Y1970, 10, NOW + DAY + 5, CLOCK_TOLD);
	expect(&c, Y2106, 10, NOW + DAY + 5, CLOCK_TOLD); /* against a clock gone mad, too */
	assert_int_equal(clock_floor(&c, 10), NOW + 10);
	for (int i = 0; i < CLOCK_QUORUM; i++)
		hear(&c, i, NOW + 2 * DAY, 10);
	expect(&c, Y1970, 10, NOW + 2 * DAY, CLOCK_FROM_PEERS);
	clock_synced(&c, true);
	expect(&c, NOW + 3 * DAY, 10, NOW + 3 * DAY, CLOCK_SURE);
}

static void expect_word(const struct clock *c, int64_t system, int64_t mono, enum clock_word want)
{
	enum clock_quality q;
	int64_t now = clock_now(c, system, mono, &q);

	assert_int_equal(clock_word(c, q, now, mono), want);
}

static void only_what_speaks_against_an_unsure_clock_asks_for_a_person(void **state)
{
	struct clock c = {0};

	(void)state;
	expect_word(&c, NOW, 0, CLOCK_NOTHING);
	clock_stood(&c, true);
	expect_word(&c, NOW, 0, CLOCK_AGAINST);
	clock_backed(&c);
	expect_word(&c, NOW, 0, CLOCK_FOR);
	hear(&c, 1, NOW + CLOCK_APART_MS, 0);
	expect_word(&c, NOW, 0, CLOCK_FOR);
	hear(&c, 1, NOW + CLOCK_APART_MS + 1, 0);
	expect_word(&c, NOW, 0, CLOCK_AGAINST);
	hear(&c, 1, NOW - CLOCK_APART_MS - 1, 0);
	expect_word(&c, NOW, 0, CLOCK_AGAINST);
	clock_seen(&c, NOW, 0);
	hear(&c, 1, NOW, 0);
	expect_word(&c, NOW, 0, CLOCK_FOR);
	c.n = 0;
	expect_word(&c, Y1970, 0, CLOCK_AGAINST);
}

static void a_clock_that_was_right_and_ran_on_is_not_doubted(void **state)
{
	struct clock c = {0};

	(void)state;
	clock_stood(&c, true);
	clock_synced(&c, true);
	expect_word(&c, NOW, 0, CLOCK_FOR);
	clock_synced(&c, false);
	expect(&c, NOW + DAY, DAY, NOW + DAY, CLOCK_UNSURE);
	expect_word(&c, NOW + DAY, DAY, CLOCK_FOR);
}

/* --- around a clock moved by hand --- */
static int64_t hand_now, hand_mono;
static bool hand_synced;

static int64_t hand_now_ms(void *ctx)
{
	return hand_now;
}

static int64_t hand_mono_ms(void *ctx)
{
	return hand_mono;
}

static bool is_synced(void)
{
	return hand_synced;
}

static void a_box_goes_on_after_a_power_cut_and_never_goes_back(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "clock");
	const struct env hand = {NULL, hand_now_ms, hand_mono_ms, NULL};
	struct clock_state s;
	struct clock_env *c;
	int64_t known;

	hand_now = NOW;
	hand_mono = 20000;
	hand_synced = true;
	c = clock_env_new(path, &hand, is_synced, NULL);
	assert_int_equal(env_now(clock_env_get(c)), NOW);
	clock_env_free(c);
	assert_true(clock_file_read(path, &s, &known));
	assert_int_equal(known, NOW);
	assert_int_equal(s.quality, CLOCK_SURE);

	hand_now = Y1970;
	hand_mono = 1000;
	hand_synced = false;
	c = clock_env_new(path, &hand, is_synced, NULL);
	assert_int_equal(env_now(clock_env_get(c)), NOW);
	assert_int_equal(clock_env_state(c).quality, CLOCK_FROM_SEEN);
	hand_mono += 1000;
	hand_now = NOW - 5 * DAY; /* somebody sets it, wrongly */
	assert_int_equal(env_now(clock_env_get(c)), NOW + 1000);
	hand_now = Y2106; /* nothing refutes it … */
	assert_int_equal(env_now(clock_env_get(c)), Y2106);
	hand_now = NOW + DAY;
	assert_int_equal(env_now(clock_env_get(c)), Y2106); /* … and it does not go back … */
	hand_mono += 20000;
	hand_synced = true;
	assert_int_equal(env_now(clock_env_get(c)), NOW + DAY); /* … until it is sure */
	clock_env_free(c);
}

/* A single peer may be wrong by what a box can have been switched off for, and not by that again and
 * again. */
static void one_peer_moves_it_once_and_no_further(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "clock");
	const struct env hand = {NULL, hand_now_ms, hand_mono_ms, NULL};
	const struct pubkey peer = {{1}};
	struct clock_env *c;

	hand_now = Y1970;
	hand_mono = 1000;
	hand_synced = false;
	c = clock_env_new(path, &hand, is_synced, NULL);
	clock_env_seen(c, NOW);
	for (int i = 0; i < 20; i++) {
		clock_env_heard(c, &peer, 390 * DAY);
		hand_mono += 60000;
	}
	assert_true(env_now(clock_env_get(c)) >= NOW + 390 * DAY);
	assert_true(env_now(clock_env_get(c)) <= NOW + CLOCK_LEAP_MS + DAY);
	clock_env_free(c);
}

static void what_was_told_outlives_a_restart_and_can_be_told_again(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "clock");
	struct test_env under;
	struct clock_env *c;

	(void)state;
	test_env_init(&under, Y1970, 1);
	c = clock_env_new(path, &under.env, never_synced, NULL);
	clock_env_wrote(c, NOW);
	assert_true(clock_env_told(c, NOW + 900 * DAY));
	assert_in_range(env_now(clock_env_get(c)), NOW + 900 * DAY, NOW + 901 * DAY);
	clock_env_free(c);
	/* It goes on from there, not sure, until somebody says it again. */
	c = clock_env_new(path, &under.env, never_synced, NULL);
	assert_in_range(env_now(clock_env_get(c)), NOW + 900 * DAY, NOW + 901 * DAY);
	assert_int_equal(clock_env_state(c).quality, CLOCK_FROM_SEEN);
	assert_true(clock_env_told(c, NOW + 2 * DAY));
	assert_in_range(env_now(clock_env_get(c)), NOW + 2 * DAY, NOW + 3 * DAY);
	assert_int_equal(clock_env_state(c).quality, CLOCK_TOLD);
	assert_false(clock_env_told(c, NOW - DAY));
	clock_env_free(c);
	c = clock_env_new(path, &under.env, never_synced, NULL);
	assert_in_range(env_now(clock_env_get(c)), NOW + 2 * DAY, NOW + 3 * DAY);
	clock_env_free(c);
}

/* What a box wrote itself was: but not a date that its clock wrote when it had gone mad. */
static void own_entries_are_seen_unless_they_are_from_nowhere(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "clock");
	struct test_env under;
	struct clock_env *c;

	test_env_init(&under, Y1970, 1);
	c = clock_env_new(path, &under.env, never_synced, NULL);
	clock_env_wrote(c, NOW);
	assert_in_range(env_now(clock_env_get(c)), NOW, NOW + DAY);
	assert_int_equal(clock_env_state(c).quality, CLOCK_FROM_SEEN);
	clock_env_wrote(c, Y2106);
	assert_in_range(env_now(clock_env_get(c)), NOW, NOW + DAY);
	clock_env_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_entries_are_seen_unless_they_are_from_nowhere),
		cmocka_unit_test(a_persons_word_moves_it_and_is_never_known),
		cmocka_unit_test(only_what_speaks_against_an_unsure_clock_asks_for_a_person),
		cmocka_unit_test(a_clock_that_was_right_and_ran_on_is_not_doubted),
		cmocka_unit_test(a_machine_s_own_clock_speaks_for_the_time_that_it_says),
		cmocka_unit_test(what_was_told_outlives_a_restart_and_can_be_told_again),
		cmocka_unit_test(a_synchronised_clock_is_moved_by_nobody),
		cmocka_unit_test(a_clock_that_says_1970_goes_on_from_what_was_known),
		cmocka_unit_test(the_median_of_peers_counts_and_a_liar_does_not),
		cmocka_unit_test(one_peer_helps_only_a_clock_that_is_certainly_wrong),
		cmocka_unit_test(one_peer_helps_a_clock_that_stood),
		cmocka_unit_test(one_peer_moves_it_no_further_at_the_next_start),
		cmocka_unit_test(an_honest_quorum_takes_back_what_one_said_first),
		cmocka_unit_test(a_machine_s_own_clock_counts_when_it_went_on),
		cmocka_unit_test(what_was_heard_long_ago_does_not_count),
		cmocka_unit_test(a_box_goes_on_after_a_power_cut_and_never_goes_back),
		cmocka_unit_test(one_peer_moves_it_once_and_no_further),
	};

	return run_group(tests);
}
