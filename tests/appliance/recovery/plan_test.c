/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/recovery/plan.h"
#include "appliance/setup/plan.h"

#define NOON 1795000000000LL

static void is_due_after_its_time_and_not_before(void **state)
{
	assert_true(backup_due(NOON, 0, 0, BACKUP_DAY_MS));
	assert_false(backup_due(NOON, NOON - BACKUP_DAY_MS + 1, 0, BACKUP_DAY_MS));
	assert_true(backup_due(NOON, NOON - BACKUP_DAY_MS, 0, BACKUP_DAY_MS));
}

static void waits_an_hour_after_a_failure(void **state)
{
	assert_false(backup_due(NOON, 0, NOON - BACKUP_AGAIN_MS + 1, BACKUP_DAY_MS));
	assert_true(backup_due(NOON, 0, NOON - BACKUP_AGAIN_MS, BACKUP_DAY_MS));
}

static void a_clock_that_went_back_does_not_stop_it(void **state)
{
	int64_t born = 1000;

	assert_true(backup_due(born, NOON, NOON, BACKUP_DAY_MS));
	assert_false(backup_due(born + 1, born, born, BACKUP_DAY_MS));
	assert_true(backup_due(born + BACKUP_DAY_MS, born, born, BACKUP_DAY_MS));
}

static void a_place_is_tried_out_monthly_by_its_own_date(void **state)
{
	int64_t month = BACKUP_MONTH_MS, hour = BACKUP_AGAIN_MS;

	assert_true(proof_due(NOON, 0, 0, false));
	assert_false(proof_due(NOON, NOON - month + 1, NOON - month + 1, false));
	assert_true(proof_due(NOON, NOON - month, NOON - month, false));
	assert_true(proof_due(NOON, NOON + 1, NOON + 1, false)); /* by a clock that was wrong */
	/* who could not be reached in an hour, what was wrong in a day */
	assert_false(proof_due(NOON, 0, NOON - hour + 1, false));
	assert_true(proof_due(NOON, 0, NOON - hour, false));
	assert_false(proof_due(NOON, NOON - hour, NOON - BACKUP_DAY_MS + 1, true));
	assert_true(proof_due(NOON, NOON - 2 * BACKUP_DAY_MS, NOON - BACKUP_DAY_MS, true));
}

static void knows_its_own_names_and_no_others(void **state)
{
	struct secret *box = test_key(1), *other = test_key(2);
	const struct pubkey *key = secret_pubkey(box);
	enum backup_scope scope;
	char name[BACKUP_NAME], wrong[BACKUP_NAME + 8];
	int64_t when;

	backup_name(key, BACKUP_WHOLE, NOON, name);
	assert_true(backup_name_parse(name, key, &scope, &when));
	assert_int_equal(scope, BACKUP_WHOLE);
	assert_in_range(when, 20261118000000, 20261118235959);
	assert_false(backup_name_parse(name, secret_pubkey(other), &scope, &when));
	for (size_t i = 0; name[i]; i++) { /* any letter wrong */
		snprintf(wrong, sizeof(wrong), "%s", name);
		wrong[i] = '*';
		assert_false(backup_name_parse(wrong, key, &scope, &when));
		wrong[i] = 0;
		assert_false(backup_name_parse(wrong, key, &scope, &when));
	}
	snprintf(wrong, sizeof(wrong), "%s.old", name);
	assert_false(backup_name_parse(wrong, key, &scope, &when));
	backup_name(key, BACKUP_SMALL, -5, name);
	assert_true(backup_name_parse(name, key, &scope, &when));
	backup_name(key, BACKUP_SMALL, INT64_MAX, name);
	assert_true(backup_name_parse(name, key, &scope, &when));
	secret_free(box);
	secret_free(other);
}

static void rotate(const struct pubkey *box, int64_t now_ms, char names[][BACKUP_NAME], size_t n,
		   bool *gone)
{
	struct backup_dated d[BACKUP_LIST];

	backup_dates(box, now_ms, names, n, d);
	backup_rotate(d, n, gone);
}

/* In whatever order the folder lists them: the newest of each kind stay, the rest goes. */
static void keeps_seven_small_and_four_whole(void **state)
{
	struct secret *box = test_key(1);
	const struct pubkey *key = secret_pubkey(box);
	struct test_env t;

	test_env_init(&t, NOON, 7);
	for (int round = 0; round < 50; round++) {
		char names[44][BACKUP_NAME];
		int age[44], small = 0, whole = 0;
		bool gone[44];

		for (int i = 0; i < 40; i++) {
			age[i] = i / 2;
			backup_name(key, i % 2 ? BACKUP_WHOLE : BACKUP_SMALL,
				    NOON - age[i] * BACKUP_DAY_MS, names[i]);
		}
		for (int i = 40; i < 44; i++) {
			age[i] = 0;
			snprintf(names[i], BACKUP_NAME, "letter-%d.txt", i);
		}
		for (int i = 43; i > 0; i--) {
			int k = (int)test_below(&t, (uint64_t)i + 1), was = age[i];
			char swap[BACKUP_NAME];

			memcpy(swap, names[i], BACKUP_NAME);
			memcpy(names[i], names[k], BACKUP_NAME);
			memcpy(names[k], swap, BACKUP_NAME);
			age[i] = age[k];
			age[k] = was;
		}
		rotate(key, NOON, names, 44, gone);
		for (int i = 0; i < 44; i++) {
			bool is_small = strstr(names[i], "-small-"), is_ours = names[i][1] == 'l';

			if (!is_ours)
				assert_false(gone[i]);
			else
				assert_int_equal(gone[i], age[i] >= (is_small ? 7 : 4));
			small += is_ours && is_small && !gone[i];
			whole += is_ours && !is_small && !gone[i];
		}
		assert_int_equal(small, 7);
		assert_int_equal(whole, 4);
	}
	secret_free(box);
}

/* Seven and four that a clock in 2106 dated, or that somebody else put there: what is made now stays, comes
 * to be the newest, and pushes them out in time. */
static void names_from_the_future_push_nothing_out(void **state)
{
	struct secret *box = test_key(1);
	const struct pubkey *key = secret_pubkey(box);
	char names[12][BACKUP_NAME];
	bool gone[12];
	int64_t now = NOON, when;
	enum backup_scope scope;

	for (int i = 0; i < 11; i++)
		backup_name(key, i < 7 ? BACKUP_SMALL : BACKUP_WHOLE,
			    4300000000000 + i * BACKUP_DAY_MS, names[i]);
	rotate(key, NOON, names, 11, gone);
	for (int i = 0; i < 11; i++)
		assert_false(gone[i]);
	for (int day = 0; day < 20; day++, now += BACKUP_DAY_MS) {
		int left = 0, future = 0, lost = -1;
		int64_t newest;

		backup_name(key, BACKUP_SMALL, now, names[11]);
		assert_true(backup_name_parse(names[11], key, &scope, &newest));
		rotate(key, now, names, 12, gone);
		assert_false(gone[11]);
		for (int i = 0; i < 12; i++) {
			assert_true(backup_name_parse(names[i], key, &scope, &when));
			left += scope == BACKUP_SMALL && !gone[i];
			future += scope == BACKUP_SMALL && !gone[i] && backup_when_ms(when) > now;
			if (gone[i])
				lost = i;
			if (i < 11)
				assert_true(backup_order(when, backup_when(now)) <
					    backup_order(newest, backup_when(now)));
		}
		assert_int_equal(left, BACKUP_KEEP_SMALL);
		assert_int_equal(future, day < 6 ? 6 - day : 0);
		memcpy(names[lost], names[11], BACKUP_NAME);
	}
	secret_free(box);
}

static void a_name_s_time_is_that_of_the_clock(void **state)
{
	struct secret *box = test_key(1);
	enum backup_scope scope;
	char name[BACKUP_NAME];
	int64_t when;

	backup_name(secret_pubkey(box), BACKUP_WHOLE, NOON + 999, name);
	assert_true(backup_name_parse(name, secret_pubkey(box), &scope, &when));
	assert_int_equal(backup_when_ms(when), NOON);
	secret_free(box);
}

static void the_first_run_never_goes_back_and_ends_at_a_hundred(void **state)
{
	for (int kind = 0; kind < SETUP_KINDS; kind++) {
		const enum setup_step *s = setup_plan(kind);
		int last = 0;

		for (; *s != STEP_READY; s++)
			for (uint64_t done = 0; done <= 10; done++) {
				int now = setup_percent(kind, *s, done, 10);

				assert_in_range(now, last, 99);
				last = now;
				assert_true(*setup_step_text(*s) != 0);
			}
		assert_in_range(last, 90, 99);
		assert_int_equal(setup_percent(kind, STEP_READY, 0, 0), 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_due_after_its_time_and_not_before),
		cmocka_unit_test(waits_an_hour_after_a_failure),
		cmocka_unit_test(a_clock_that_went_back_does_not_stop_it),
		cmocka_unit_test(a_place_is_tried_out_monthly_by_its_own_date),
		cmocka_unit_test(knows_its_own_names_and_no_others),
		cmocka_unit_test(keeps_seven_small_and_four_whole),
		cmocka_unit_test(names_from_the_future_push_nothing_out),
		cmocka_unit_test(a_name_s_time_is_that_of_the_clock),
		cmocka_unit_test(the_first_run_never_goes_back_and_ends_at_a_hundred),
	};

	return run_group(tests);
}
