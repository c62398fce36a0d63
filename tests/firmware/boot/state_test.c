/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The boot state: each step, then random lives of a box with power cuts in every write. */
#include "tests/lib/test.h"
#include "firmware/boot/state.h"
#include <stdio.h>

enum { LIVES = 3000, DAYS = 60, BOOTS_TO_HEALTH = 12 };

static struct boot_state state(const char *text)
{
	char block[BOOT_BLOCK];
	int n = snprintf(block, sizeof(block), "# GRUB Environment Block\n%s", text);

	return boot_state_parse(span_of(block, (size_t)n));
}

/* "n good ok armed try" */
static void assert_state(const struct boot_state *s, const char *want)
{
	char got[32];

	snprintf(got, sizeof(got), "%u %c %c%c %c%u %c", s->n, boot_slot_char(s->good),
		 s->ok[BOOT_A] ? 'A' : '-', s->ok[BOOT_B] ? 'B' : '-',
		 boot_slot_char(s->armed_slot), s->armed, boot_slot_char(s->try_next));
	assert_string_equal(got, want);
}

static void a_lost_block_starts_a(void **state_)
{
	struct boot_state s = boot_state_parse(span_str(""));

	assert_state(&s, "0 A AB -0 -");
	s = boot_state_parse(span_str("good=B\n"));
	assert_state(&s, "0 A AB -0 -");
	s = state("good=C\ntry=AB\nok=BA\nn=6\narmed=B4\n");
	assert_state(&s, "0 A AB -0 -");
	s = state("good=B\ntry=B\nok=-B\nn=5\narmed=0\nother=1\nnonsense");
	assert_state(&s, "5 B -B -0 -");
	s = state("good=B\ntry=A\narmed=A2\n");
	assert_state(&s, "0 B AB A2 A");
	s = state("good=B\ntry=A\n");
	assert_state(&s, "0 B AB -0 -");
	s = state("good=A\ntry=A\narmed=A2\n");
	assert_state(&s, "0 A AB -0 -");
}

static void what_is_written_is_read_and_has_its_place(void **state_)
{
	static const char text[] =
		"# GRUB Environment Block\nn=4\ngood=B\nok=-B\narmed=A2\ntry=A\n###";
	uint8_t block[BOOT_BLOCK], other[BOOT_BLOCK];
	struct boot_state s = state("good=B\ntry=A\nok=-B\nn=4\narmed=A2\n"), again;
	struct boot_state fresh = boot_state_new();

	boot_state_format(&s, block);
	again = boot_state_parse(span_of(block, sizeof(block)));
	assert_state(&again, "4 B -B A2 A");
	boot_state_format(&fresh, other);
	for (size_t i = 0; i < sizeof(block); i++)
		assert_true(block[i] == other[i] || i < BOOT_BLOCK / 2);
	assert_memory_equal(block, text, sizeof(text) - 1);
}

static void an_update_is_tried_once_and_committed_when_healthy(void **state_)
{
	struct boot_state s = state("good=A\nok=A-\n");

	boot_state_move(&s, BOOT_TRY, BOOT_B);
	assert_state(&s, "0 A A- B1 B");
	assert_int_equal(boot_state_next(&s), BOOT_B);
	boot_state_move(&s, BOOT_START, BOOT_NONE);
	assert_state(&s, "1 A A- B1 -");
	assert_int_equal(boot_state_next(&s), BOOT_A);
	boot_state_move(&s, BOOT_HEALTHY, BOOT_B);
	assert_state(&s, "0 B AB -0 -");
}

static void a_judged_update_is_never_tried_again(void **state_)
{
	struct boot_state s = state("good=A\nok=A-\ntry=B\narmed=B1\n");

	boot_state_move(&s, BOOT_START, BOOT_NONE);
	boot_state_move(&s, BOOT_BAD, BOOT_B);
	boot_state_move(&s, BOOT_START, BOOT_NONE);
	boot_state_move(&s, BOOT_HEALTHY, BOOT_A);
	assert_state(&s, "0 A A- -0 -");
}

static void a_try_that_was_cut_off_is_made_three_times(void **state_)
{
	struct boot_state s = state("good=A\nok=A-\n");
	int tries = 0;

	boot_state_move(&s, BOOT_TRY, BOOT_B);
	for (int i = 0; i < 20; i++) {
		enum boot_slot slot = boot_state_next(&s);

		boot_state_move(&s, BOOT_START, BOOT_NONE);
		tries += slot == BOOT_B;
		if (slot == BOOT_A)
			boot_state_move(&s, BOOT_HEALTHY, BOOT_A);
	}
	assert_int_equal(tries, BOOT_ARMS);
	assert_state(&s, "0 A A- -0 -");
}

static void after_three_starts_in_vain_the_other_has_its_turn(void **state_)
{
	struct boot_state s = state("good=A\nok=AB\n");
	char seen[13] = "";

	for (int i = 0; i < 12; i++) {
		seen[i] = boot_slot_char(boot_state_next(&s));
		boot_state_move(&s, BOOT_START, BOOT_NONE);
	}
	assert_string_equal(seen, "AAABBBAAABBB");
	s = state("good=A\nok=A-\nn=4\n");
	assert_int_equal(boot_state_next(&s), BOOT_A);
	s = state("good=A\nok=AB\nn=4\n");
	boot_state_move(&s, BOOT_HEALTHY, BOOT_B);
	assert_state(&s, "0 B AB -0 -");
}

static void a_slot_to_be_written_is_left_first(void **state_)
{
	struct boot_state s = state("good=A\nok=AB\nn=3\n");

	boot_state_move(&s, BOOT_BAD, BOOT_A);
	assert_state(&s, "0 B -B -0 -");
	boot_state_move(&s, BOOT_BAD, BOOT_B);
	assert_state(&s, "0 B -- -0 -");
	assert_int_equal(boot_state_next(&s), BOOT_B);
	boot_state_move(&s, BOOT_TRY, BOOT_B);
	assert_state(&s, "0 B -- -0 -");
}

static void the_running_slot_is_read_from_the_command_line(void **state_)
{
	assert_int_equal(boot_slot_of_cmdline(span_str("quiet lliure.slot=B ro\n")), BOOT_B);
	assert_int_equal(boot_slot_of_cmdline(span_str("lliure.slot=A")), BOOT_A);
	assert_int_equal(boot_slot_of_cmdline(span_str("xlliure.slot=A lliure.slot=AB")),
			 BOOT_NONE);
	assert_int_equal(boot_slot_of_cmdline(span_str("")), BOOT_NONE);
}

/* --- random lives ----------------------------------------------------------------------------- */

/*
 * A box with two slots and one block. Each write of the block may be cut after any number of its
 * bytes, which is a power cut; so may the writing of a slot and any moment of a start.
 */
enum content { EMPTY, HALF, BROKEN, SOUND };
struct box {
	struct test_env *t;
	uint8_t block[BOOT_BLOCK];
	enum content slot[2];
	bool was_healthy[2]; /* since it was written: what the machine claims by ok and good */
	int first_starts[2]; /* starts since it was written and before it was healthy */
	int cuts_in_100;
	bool committed_last;
};

static bool cut(struct box *b)
{
	return test_below(b->t, 100) < (uint64_t)b->cuts_in_100;
}

static struct boot_state box_state(const struct box *b)
{
	return boot_state_parse(span_of(b->block, BOOT_BLOCK));
}

static void holds(const struct box *b)
{
	struct boot_state s = box_state(b);

	/* Invariant 2, and 3: what is ok or good was healthy since it was written. */
	assert_true(b->was_healthy[s.good]);
	for (int i = 0; i < 2; i++)
		assert_true(!s.ok[i] || b->was_healthy[i]);
	/* Invariant 4 */
	for (int i = 0; i < 2; i++)
		assert_true(b->was_healthy[i] || b->first_starts[i] <= BOOT_ARMS);
}

/* False: the power was cut. */
static bool box_move(struct box *b, enum boot_event event, enum boot_slot slot)
{
	struct boot_state s = box_state(b);
	uint8_t after[BOOT_BLOCK];
	size_t n = BOOT_BLOCK;
	bool whole = !cut(b);

	boot_state_move(&s, event, slot);
	boot_state_format(&s, after);
	if (!whole)
		n = test_below(b->t, 2) ? test_below(b->t, 70) : test_below(b->t, BOOT_BLOCK + 1);
	memcpy(b->block, after, n);
	holds(b);
	return whole;
}

/* One start. Returns the slot that runs and is healthy, BOOT_NONE when it did not come to that. */
static enum boot_slot box_start(struct box *b)
{
	struct boot_state s = box_state(b);
	enum boot_slot slot = boot_state_next(&s);

	if (!box_move(b, BOOT_START, BOOT_NONE))
		return BOOT_NONE;
	if (b->slot[slot] == EMPTY || b->slot[slot] == HALF)
		slot = boot_slot_other(slot); /* the boot loader: it does not load */
	if (!b->was_healthy[slot])
		b->first_starts[slot]++;
	holds(b);
	if (cut(b))
		return BOOT_NONE;
	if (b->slot[slot] != SOUND) {
		/* It crashes, or its health check says so. */
		if (!b->was_healthy[slot] && test_below(b->t, 2))
			box_move(b, BOOT_BAD, slot);
		return BOOT_NONE;
	}
	b->was_healthy[slot] = true;
	return box_move(b, BOOT_HEALTHY, slot) ? slot : BOOT_NONE;
}

/* From a healthy system: write the other slot. */
static void box_update(struct box *b, enum boot_slot running)
{
	enum boot_slot other = boot_slot_other(running);

	if (!box_move(b, BOOT_BAD, other))
		return;
	b->was_healthy[other] = false;
	b->first_starts[other] = 0;
	b->slot[other] = HALF;
	holds(b);
	if (cut(b))
		return;
	b->slot[other] = test_below(b->t, 3) ? SOUND : BROKEN;
	if (cut(b))
		return;
	box_move(b, BOOT_TRY, other);
}

static enum boot_slot box_comes_up(struct box *b)
{
	for (int i = 0; i < BOOTS_TO_HEALTH; i++) {
		enum boot_slot slot = box_start(b);

		if (slot != BOOT_NONE)
			return slot;
	}
	return BOOT_NONE;
}

static void a_box_never_ends_however_often_the_power_is_cut(void **state_)
{
	for (uint64_t seed = 1; seed <= LIVES; seed++) {
		struct test_env t;
		struct box b = {.t = &t, .slot = {SOUND, EMPTY}, .was_healthy = {true, true}};
		struct boot_state s = boot_state_new();
		enum boot_slot slot;

		test_env_init(&t, 0, seed);
		boot_state_format(&s, b.block);
		for (int day = 0; day < DAYS; day++) {
			b.cuts_in_100 = (int)test_below(&t, 4) * 20;
			slot = box_start(&b);
			if (slot != BOOT_NONE && test_below(&t, 2))
				box_update(&b, slot);
			/* One of two healthy systems rots; never the only one. */
			s = box_state(&b);
			if (s.ok[BOOT_A] && s.ok[BOOT_B] && b.slot[BOOT_B] == SOUND &&
			    b.slot[BOOT_A] == SOUND && test_below(&t, 10) == 0)
				b.slot[test_below(&t, 2)] = BROKEN;
		}
		b.cuts_in_100 = 0;
		if (box_comes_up(&b) == BOOT_NONE)
			fail_msg("seed %u: the box does not come up", (unsigned)seed);
	}
}

/* A sound update is committed when the first three tries are not all cut off. */
static void a_sound_update_comes_through_a_power_cut(void **state_)
{
	for (uint64_t seed = 1; seed <= LIVES; seed++) {
		struct test_env t;
		struct box b = {.t = &t, .slot = {SOUND, SOUND}, .was_healthy = {true, false}};
		struct boot_state s = state("good=A\nok=A-\n");
		int cuts = 0;

		test_env_init(&t, 0, seed);
		boot_state_move(&s, BOOT_TRY, BOOT_B);
		boot_state_format(&s, b.block);
		for (int i = 0; i < 8; i++) {
			b.cuts_in_100 = cuts < BOOT_ARMS - 1 ? 40 : 0;
			cuts += box_start(&b) == BOOT_NONE;
		}
		s = box_state(&b);
		if (s.good != BOOT_B)
			fail_msg("seed %u: the update was lost", (unsigned)seed);
	}
}

static bool fit(const struct boot_state *s, enum boot_slot slot)
{
	return slot == s->good || slot == s->try_next || s->ok[slot];
}

/* Invariant 5, for every pair of states that a step joins and every byte. */
static void a_torn_write_starts_what_may_be_started(void **state_)
{
	static const enum boot_event events[] = {BOOT_START, BOOT_HEALTHY, BOOT_BAD, BOOT_TRY};
	int seen = 0;

	for (unsigned code = 0; code < 2 * 2 * 4 * 6 * 4; code++) {
		char text[80];
		enum boot_slot good = code % 2, other = boot_slot_other(good);
		struct boot_state old, next;
		uint8_t a[BOOT_BLOCK], b[BOOT_BLOCK];

		snprintf(text, sizeof(text), "good=%c\ntry=%c\nok=%c%c\nn=%u\narmed=%c%u\n",
			 boot_slot_char(good), code / 2 % 2 ? boot_slot_char(other) : '-',
			 code / 4 % 2 ? 'A' : '-', code / 8 % 2 ? 'B' : '-', code / 16 % 6,
			 boot_slot_char(other), code / 96);
		old = state(text);
		for (size_t i = 0; i < 2 * ARRAY_LEN(events); i++) {
			next = old;
			boot_state_move(&next, events[i / 2], i % 2 ? BOOT_B : BOOT_A);
			boot_state_format(&old, a);
			boot_state_format(&next, b);
			for (size_t n = 0; n < 70; n++) {
				struct boot_state torn;

				a[n] = b[n];
				torn = boot_state_parse(span_of(a, sizeof(a)));
				assert_true(fit(&old, boot_state_next(&torn)) ||
					    fit(&next, boot_state_next(&torn)));
				seen++;
			}
		}
	}
	assert_true(seen > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_block_starts_a),
		cmocka_unit_test(what_is_written_is_read_and_has_its_place),
		cmocka_unit_test(an_update_is_tried_once_and_committed_when_healthy),
		cmocka_unit_test(a_judged_update_is_never_tried_again),
		cmocka_unit_test(a_try_that_was_cut_off_is_made_three_times),
		cmocka_unit_test(after_three_starts_in_vain_the_other_has_its_turn),
		cmocka_unit_test(a_slot_to_be_written_is_left_first),
		cmocka_unit_test(the_running_slot_is_read_from_the_command_line),
		cmocka_unit_test(a_box_never_ends_however_often_the_power_is_cut),
		cmocka_unit_test(a_sound_update_comes_through_a_power_cut),
		cmocka_unit_test(a_torn_write_starts_what_may_be_started),
	};

	return run_group(tests);
}
