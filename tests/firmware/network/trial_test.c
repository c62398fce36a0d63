/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A change that is tried, kept, taken back, or fails: under a clock moved by hand. */
#include "tests/lib/test.h"
#include "firmware/network/trial.h"
#include <string.h>

struct world {
	struct test_env t;
	struct trial *trial;
	struct network_wish before, wish, now, stored;
	bool fail_try, fail_keep, fail_back;
	int tried, kept, backed;
};

static struct error *maybe(bool fail)
{
	return fail ? error_new(ERR_NET, N_("The radio is on fire.")) : NULL;
}

static struct error *try_it(void *ctx, const struct network_wish *w)
{
	struct world *o = ctx;

	o->tried++;
	TRY(maybe(o->fail_try));
	o->now = *w;
	return NULL;
}

static struct error *keep(void *ctx, const struct network_wish *w)
{
	struct world *o = ctx;

	o->kept++;
	TRY(maybe(o->fail_keep));
	o->stored = *w;
	return NULL;
}

static struct error *take_back(void *ctx, const struct network_wish *before)
{
	struct world *o = ctx;

	o->backed++;
	TRY(maybe(o->fail_back));
	o->now = *before;
	return NULL;
}

static int start(void **state)
{
	struct world *o = calloc(1, sizeof(*o));

	test_env_init(&o->t, 0, 1);
	network_wish_begin(&o->before, "Old", &o->t.env);
	network_wish_begin(&o->wish, "New", &o->t.env);
	o->now = o->stored = o->before;
	o->trial = trial_new(&o->t.env, &(struct trial_ops){o, try_it, keep, take_back});
	*state = o;
	return 0;
}

static int stop(void **state)
{
	struct world *o = *state;

	trial_free(o->trial);
	free(o);
	return 0;
}

static struct trial_view look(struct world *o)
{
	struct trial_view v;

	trial_look(o->trial, &v);
	error_free(STEAL(v.why));
	return v;
}

static void pass(struct world *o, int64_t ms)
{
	test_env_pass(&o->t, ms);
	while (trial_turn(o->trial) == 0)
		continue;
}

static void ask(struct world *o)
{
	assert_ok(trial_ask(o->trial, &o->before, &o->wish));
	pass(o, TRIAL_MOMENT_MS);
}

static bool is(const struct network_wish *a, const struct network_wish *b)
{
	return network_wish_same(a, b);
}

static void lets_the_page_out_before_it_begins(void **state)
{
	struct world *o = *state;

	assert_ok(trial_ask(o->trial, &o->before, &o->wish));
	assert_int_equal(look(o).state, TRIAL_ASKED);
	assert_true(trial_turn(o->trial) > 0);
	assert_int_equal(o->tried, 0);
	pass(o, TRIAL_MOMENT_MS - 1);
	assert_int_equal(o->tried, 0);
	pass(o, 1);
	assert_int_equal(o->tried, 1);
	assert_int_equal(look(o).state, TRIAL_TRYING);
	assert_int_equal(look(o).left_s, 60);
}

static void keeps_what_somebody_confirms(void **state)
{
	struct world *o = *state;

	ask(o);
	assert_true(is(&o->now, &o->wish));
	assert_true(is(&o->stored, &o->before));
	pass(o, TRIAL_MS - 1);
	assert_int_equal(look(o).state, TRIAL_TRYING);
	assert_ok(trial_keep(o->trial));
	assert_int_equal(look(o).state, TRIAL_KEPT); /* at once, for the page */
	pass(o, 0);
	assert_true(is(&o->stored, &o->wish));
	pass(o, 10 * TRIAL_MS);
	assert_int_equal(o->backed, 0);
	assert_int_equal(look(o).state, TRIAL_KEPT);
}

static void takes_back_what_nobody_confirms(void **state)
{
	struct world *o = *state;

	ask(o);
	pass(o, TRIAL_MS);
	assert_int_equal(look(o).state, TRIAL_BACK);
	assert_true(is(&o->now, &o->before));
	assert_true(is(&o->stored, &o->before));
	assert_int_equal(o->kept, 0);
	assert_int_equal(o->backed, 1);
}

static void takes_back_at_once_when_told(void **state)
{
	struct world *o = *state;

	ask(o);
	assert_ok(trial_back(o->trial));
	pass(o, 0);
	assert_int_equal(look(o).state, TRIAL_BACK);
	assert_true(is(&o->now, &o->before));
}

static void says_why_it_could_not_be_done(void **state)
{
	struct world *o = *state;
	struct trial_view v;

	o->fail_try = true;
	ask(o);
	trial_look(o->trial, &v);
	assert_int_equal(v.state, TRIAL_FAILED);
	assert_true(error_is(v.why, ERR_NET));
	error_free(v.why);
	assert_true(is(&o->now, &o->before));
	/* and another one may be asked for */
	o->fail_try = false;
	ask(o);
	assert_int_equal(look(o).state, TRIAL_TRYING);
}

static void does_not_keep_what_can_not_be_stored(void **state)
{
	struct world *o = *state;

	ask(o);
	o->fail_keep = true;
	assert_ok(trial_keep(o->trial));
	pass(o, 0);
	assert_int_equal(look(o).state, TRIAL_FAILED);
	assert_true(is(&o->now, &o->before));
}

static void says_so_when_it_can_not_take_back(void **state)
{
	struct world *o = *state;

	ask(o);
	o->fail_back = true;
	pass(o, TRIAL_MS);
	assert_int_equal(look(o).state, TRIAL_FAILED);
}

static void refuses(struct error *e, enum error_code code)
{
	assert_true(error_is(e, code));
	error_free(e);
}

static void tries_one_change_at_a_time_and_only_a_good_one(void **state)
{
	struct world *o = *state;
	struct network_wish bad = o->wish;

	*bad.ssid = 0;
	refuses(trial_ask(o->trial, &o->before, &bad), ERR_INVALID);
	assert_int_equal(look(o).state, TRIAL_IDLE);
	assert_ok(trial_ask(o->trial, &o->before, &o->wish));
	refuses(trial_ask(o->trial, &o->before, &o->wish), ERR_BUSY);
	refuses(trial_keep(o->trial), ERR_CONFLICT); /* not before it is there */
	pass(o, TRIAL_MOMENT_MS);
	refuses(trial_ask(o->trial, &o->before, &o->wish), ERR_BUSY);
	assert_ok(trial_keep(o->trial));
	refuses(trial_back(o->trial), ERR_CONFLICT);
	pass(o, 0);
	refuses(trial_keep(o->trial), ERR_CONFLICT);
}

/* Between the end of the minute and the turn that takes back nobody can keep it any more. */
static void knows_no_last_moment(void **state)
{
	struct world *o = *state;

	ask(o);
	test_env_pass(&o->t, TRIAL_MS);
	refuses(trial_keep(o->trial), ERR_CONFLICT);
	pass(o, 0);
	assert_int_equal(look(o).state, TRIAL_BACK);
}

/* Who comes in by a way that did not change shows nothing about the one that did. */
static void is_confirmed_from_what_it_changes(void **state)
{
	static const struct {
		const char *key, *value, *key2, *value2;
		bool radio, cable;
		unsigned want;
	} rows[] = {
		{"ssid", "Nou", NULL, NULL, true, true, WISH_RADIO},
		{"password", "una clau ben nova", NULL, NULL, true, true, WISH_RADIO},
		{"wired", "fixed", "address", "192.168.1.20", true, true, WISH_WIRED},
		{"wired", "own", "ssid", "Nou", true, true, WISH_RADIO | WISH_WIRED},
		/* nobody can come by what is switched off, not there or not plugged in */
		{"wifi", "off", NULL, NULL, true, true, 0},
		{"wifi", "off", "wired", "own", true, true, WISH_WIRED},
		{"ssid", "Nou", NULL, NULL, false, true, 0},
		{"wired", "own", NULL, NULL, true, false, 0},
		/* no link changes */
		{"from", "8", "to", "20", true, true, 0},
		{"visitors", "yes", NULL, NULL, true, true, 0},
		{"address", "192.168.1.20", NULL, NULL, true, true, 0}, /* it takes what it is given */
	};
	struct trial_view v = {.state = TRIAL_TRYING};

	(void)state;
	network_wish_begin(&v.before, "Ateneu", &env_system);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		v.wish = v.before;
		assert_ok(network_wish_set(&v.wish, rows[i].key, rows[i].value));
		if (rows[i].key2)
			assert_ok(network_wish_set(&v.wish, rows[i].key2, rows[i].value2));
		if (trial_confirmed_from(&v, rows[i].radio, rows[i].cable) != rows[i].want)
			fail_msg("row %zu (%s)", i, rows[i].key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
		T(lets_the_page_out_before_it_begins),
		T(keeps_what_somebody_confirms),
		T(is_confirmed_from_what_it_changes),
		T(takes_back_what_nobody_confirms),
		T(takes_back_at_once_when_told),
		T(says_why_it_could_not_be_done),
		T(does_not_keep_what_can_not_be_stored),
		T(says_so_when_it_can_not_take_back),
		T(tries_one_change_at_a_time_and_only_a_good_one),
		T(knows_no_last_moment),
#undef T
	};

	return run_group(tests);
}
