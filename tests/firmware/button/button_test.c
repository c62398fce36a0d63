/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The button under a clock that the test moves: every row of its table, and what is done. */
#include "tests/lib/test.h"
#include "firmware/button/act.h"
#include "firmware/button/input.h"
#include "firmware/network/label.h"
#include "sync/base/file.h"
#include <fcntl.h>
#include <linux/input.h>

struct finger {
	struct button b;
	int64_t now;
};

/* Hold for so long; what came of it, in order. */
static void hold(struct finger *f, int64_t ms, enum button_action *during,
		 enum button_action *at_end)
{
	assert_int_equal(button_move(&f->b, BUTTON_PRESS, f->now), BUTTON_NOTHING);
	*during = BUTTON_NOTHING;
	for (int64_t left = ms; left > 0;) {
		int64_t wait = button_wait(&f->b, f->now);
		int64_t go = wait < 0 || wait > left ? left : (wait ? wait : 1);
		enum button_action a;

		f->now += go;
		left -= go;
		a = button_move(&f->b, BUTTON_TIME, f->now);
		if (a != BUTTON_NOTHING)
			*during = a;
	}
	*at_end = button_move(&f->b, BUTTON_RELEASE, f->now);
	for (int i = 0; i < 2; i++) { /* what is so short that it could be a bounce counts late */
		enum button_action late;

		f->now += BUTTON_BOUNCE_MS;
		late = button_move(&f->b, BUTTON_TIME, f->now);
		if (*at_end == BUTTON_NOTHING)
			*at_end = late;
	}
}

static void expect(struct finger *f, int64_t ms, enum button_action during,
		   enum button_action at_end)
{
	enum button_action d, e;

	hold(f, ms, &d, &e);
	assert_int_equal(d, during);
	assert_int_equal(e, at_end);
}

static void a_short_press_shows_the_state(void **state)
{
	struct finger f = {.now = 1000};

	(void)state;
	expect(&f, 1, BUTTON_NOTHING, BUTTON_STATUS);
	expect(&f, 4999, BUTTON_NOTHING, BUTTON_STATUS);
	assert_int_equal(f.b.state, BUTTON_REST);
	assert_int_equal(button_wait(&f.b, f.now), -1);
}

static void five_seconds_make_a_new_code(void **state)
{
	struct finger f = {.now = 1000};

	(void)state;
	expect(&f, 5000, BUTTON_NOTHING, BUTTON_CODE);
	expect(&f, 14999, BUTTON_NOTHING, BUTTON_CODE);
}

static void a_reset_needs_a_second_press_and_spares_the_data(void **state)
{
	struct finger f = {.now = 1000};

	(void)state;
	expect(&f, 15000, BUTTON_ASK_RESET, BUTTON_NOTHING);
	assert_int_equal(f.b.state, BUTTON_ASKED);
	expect(&f, 300, BUTTON_NOTHING, BUTTON_RESET);
	assert_int_equal(f.b.state, BUTTON_REST);
}

static void what_was_asked_is_forgotten(void **state)
{
	struct finger f = {.now = 1000};

	(void)state;
	expect(&f, 60000, BUTTON_ASK_RESET, BUTTON_NOTHING); /* a bag on the button */
	assert_int_equal(button_wait(&f.b, f.now), BUTTON_ASK_MS - 2 * BUTTON_BOUNCE_MS);
	f.now += BUTTON_ASK_MS;
	assert_int_equal(button_move(&f.b, BUTTON_TIME, f.now), BUTTON_NEVER);
	expect(&f, 300, BUTTON_NOTHING, BUTTON_STATUS);
}

static void the_data_goes_only_after_a_third_press(void **state)
{
	struct finger f = {.now = 1000};

	(void)state;
	expect(&f, 15000, BUTTON_ASK_RESET, BUTTON_NOTHING);
	f.now += 5000;
	expect(&f, 15000, BUTTON_ASK_ALL, BUTTON_NOTHING);
	f.now += 29000;
	expect(&f, 300, BUTTON_NOTHING, BUTTON_RESET_ALL);
	/* And not when nobody presses. */
	expect(&f, 15000, BUTTON_ASK_RESET, BUTTON_NOTHING);
	expect(&f, 20000, BUTTON_ASK_ALL, BUTTON_NOTHING);
	f.now += 31000;
	assert_int_equal(button_move(&f.b, BUTTON_PRESS, f.now), BUTTON_NEVER);
	assert_int_equal(f.b.state, BUTTON_DOWN);
}

static void noise_and_a_program_that_slept_change_nothing(void **state)
{
	struct finger f = {.now = 1000};

	(void)state;
	assert_int_equal(button_move(&f.b, BUTTON_RELEASE, f.now), BUTTON_NOTHING);
	assert_int_equal(button_move(&f.b, BUTTON_PRESS, f.now), BUTTON_NOTHING);
	assert_int_equal(button_move(&f.b, BUTTON_PRESS, f.now + 10), BUTTON_NOTHING);
	/* The release of a press of 20 seconds, heard late: it asks, and does not make a code. */
	assert_int_equal(button_move(&f.b, BUTTON_RELEASE, f.now + 20000), BUTTON_ASK_RESET);
	assert_int_equal(f.b.state, BUTTON_ASKED);
}

/* From every state, with every event at any time: one press never resets, two never erase. */
static void no_short_way_leads_to_a_reset(void **state)
{
	struct test_env t;

	(void)state;
	test_env_init(&t, 0, 7);
	for (int round = 0; round < 2000; round++) {
		struct button b = {.state = BUTTON_REST};
		int64_t now = 0;
		int presses = 0;

		for (int i = 0; i < 40; i++) {
			enum button_event e = (enum button_event)test_below(&t, 3);
			enum button_action a;
			bool was = b.down;

			now += (int64_t)test_below(&t, round % 2 ? 100 : 20000);
			if (b.state == BUTTON_REST)
				presses = 0;
			a = button_move(&b, e, now);
			presses += !was && b.down;
			assert_true(b.state < BUTTON_STATES);
			assert_true(a != BUTTON_RESET || presses >= 2);
			assert_true(a != BUTTON_RESET_ALL || presses >= 3);
		}
	}
}

/* --- devices and acts ---------------------------------------------------------------------------
 */

static void only_our_keys_are_read(void **state)
{
	static const struct {
		uint16_t type, code;
		int32_t value;
	} sent[] = {{EV_SYN, 0, 0},	     {EV_KEY, KEY_A, 1},      {EV_KEY, KEY_POWER, 2},
		    {EV_KEY, KEY_POWER, 1},  {EV_KEY, KEY_POWER, -5}, {EV_MSC, KEY_POWER, 1},
		    {EV_KEY, KEY_RESTART, 0}};
	enum button_event e;
	bool gone;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	assert_false(button_read(p[0], &e, &gone));
	assert_false(gone);
	for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
		struct input_event ev = {
			.type = sent[i].type, .code = sent[i].code, .value = sent[i].value};

		assert_int_equal(write(p[1], &ev, sizeof(ev)), sizeof(ev));
	}
	assert_true(button_read(p[0], &e, &gone));
	assert_int_equal(e, BUTTON_PRESS);
	assert_true(button_read(p[0], &e, &gone));
	assert_int_equal(e, BUTTON_RELEASE);
	assert_false(button_read(p[0], &e, &gone));
	assert_false(gone);
	close(p[1]);
	assert_false(button_read(p[0], &e, &gone));
	assert_true(gone);
	close(p[0]);
	assert_int_equal(button_open("/nonexistent", (int[BUTTON_DEVICES]){0}), 0);
}

struct place {
	struct button_place p;
	char did[500], *said;
	size_t said_n;
	int status;
};

static int play_run(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	struct place *x = ctx;
	size_t n = strlen(x->did);

	(void)seconds;
	snprintf(x->did + n, sizeof(x->did) - n, "%s;", argv[1]);
	buf_printf(out, "answer of %s\n", argv[1]);
	return x->status;
}

static bool play_ask(void *ctx, const char *verb, const char *arg)
{
	struct place *x = ctx;
	size_t n = strlen(x->did);

	snprintf(x->did + n, sizeof(x->did) - n, "%s %s;", verb, arg ? arg : "-");
	return true;
}

/* All that it reads lies in dir. */
static void place_at(struct place *x, const char *dir)
{
	x->p = (struct button_place){x,	  play_run, play_ask, dir,
				     dir, dir,	    open_memstream(&x->said, &x->said_n)};
}

static void place_end(struct place *x)
{
	fclose(x->p.screen);
	free(x->said);
}

static void act(struct place *x, enum button_action a, const char *did, const char *said)
{
	x->did[0] = 0;
	rewind(x->p.screen);
	button_act(&x->p, a);
	fflush(x->p.screen);
	assert_string_equal(x->did, did);
	assert_non_null(strstr(x->said, said));
}

static void each_action_asks_for_what_it_says(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *key = path_join(dir, "key");
	char code[300];
	struct place x = {.status = 0};

	(void)state;
	snprintf(code, sizeof(code), "%s.code", dir);
	place_at(&x, dir);
	act(&x, BUTTON_STATUS, "", "not set up yet");
	assert_ok(file_write(code, span_str("abcde-fghij"), 0600));
	act(&x, BUTTON_CODE, "reboot -;", "next start");
	assert_int_not_equal(access(code, F_OK), 0); /* the one on the label opens nothing any more */
	assert_ok(file_write(key, span_str("k"), 0600));
	act(&x, BUTTON_STATUS, "status;health;", "answer of health");
	act(&x, BUTTON_CODE, "claim;", "answer of claim");
	act(&x, BUTTON_ASK_RESET, "", "LET GO NOW");
	act(&x, BUTTON_RESET, "reset settings;", "restarts");
	act(&x, BUTTON_ASK_ALL, "", "ERASED");
	act(&x, BUTTON_RESET_ALL, "reset all;", "restarts");
	act(&x, BUTTON_NEVER, "", "Nothing was changed");
	act(&x, BUTTON_NOTHING, "", "");
	x.status = 1;
	act(&x, BUTTON_CODE, "claim;", "does not answer");
	place_end(&x);
}

/* Whoever forgot the password, or had the settings forgotten, has no other way to the new one. */
static void the_state_tells_the_way_to_the_boxs_own_wifi(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *key = path_join(dir, "key"), *name = path_join(dir, "hostname");
	struct network_wish w;
	struct place x = {.status = 0};

	(void)state;
	network_wish_begin(&w, "lliure-1a2b", &env_system);
	snprintf(w.password, sizeof(w.password), "una clau nova");
	assert_ok(network_label_put(dir, &w));
	assert_ok(file_write(key, span_str("k"), 0600));
	assert_ok(file_write(name, span_str("ateneu-nou\n"), 0600));
	place_at(&x, dir);
	act(&x, BUTTON_STATUS, "status;health;", "its Wi-Fi       lliure-1a2b");
	assert_non_null(strstr(x.said, "the password    una clau nova\n"));
	/* By the name that it has now: the service's own host name is that of its start. */
	assert_true(strstr(x.said, "http://ateneu-nou.local\n") ||
		    strstr(x.said, "It is on no network"));
	place_end(&x);
}

/* --- a device under a clock that the test moves ------------------------------------------------- */

/* What the device says and when, until it is unplugged. */
struct device {
	const int (*script)[2]; /* at ms, 1 pressed or 0 released */
	size_t n, at;
	int64_t now;
	int fds[2];
};

static int64_t device_now(void *ctx)
{
	return ((struct device *)ctx)->now;
}

static void device_wait(void *ctx, struct pollfd *polled, size_t n, int ms)
{
	struct device *d = ctx;
	struct input_event e = {.type = EV_KEY, .code = KEY_POWER};
	int64_t next = d->at < d->n ? d->script[d->at][0] : d->now + 120000;

	assert_int_equal(n, 1);
	polled[0].revents = 0;
	if (ms >= 0 && d->now + ms < next) {
		d->now += ms;
		return;
	}
	d->now = next;
	polled[0].revents = POLLIN;
	if (d->at == d->n) {
		close(d->fds[1]);
		return;
	}
	e.value = d->script[d->at++][1];
	assert_int_equal(write(d->fds[1], &e, sizeof(e)), sizeof(e));
}

/* What was done, of all that the script asks for. */
static void play_script(const int (*script)[2], size_t n, const char *did)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *key = path_join(dir, "key");
	struct device d = {.script = script, .n = n, .now = 1000};
	struct button_clock c = {&d, device_now, device_wait};
	struct place x = {.status = 0};

	assert_ok(file_write(key, span_str("k"), 0600));
	assert_int_equal(pipe2(d.fds, O_NONBLOCK | O_CLOEXEC), 0);
	place_at(&x, dir);
	button_watch(&x.p, &c, d.fds, 1);
	assert_string_equal(x.did, did);
	close(d.fds[0]);
	place_end(&x);
}
#define PLAY(did, ...)                                                                             \
	do {                                                                                       \
		static const int script[][2] = {__VA_ARGS__};                                      \
		play_script(script, ARRAY_LEN(script), did);                                       \
	} while (0)

static void a_press_on_a_device_does_what_it_says(void **state)
{
	(void)state;
	PLAY("status;health;", {2000, 1}, {2300, 0});
	PLAY("status;health;", {2000, 1}, {2010, 0}); /* a light touch */
	PLAY("claim;", {2000, 1}, {8000, 0});
	PLAY("", {2000, 1}, {19000, 0}); /* asked, and nobody pressed */
	PLAY("reset settings;", {2000, 1}, {18000, 0}, {22000, 1}, {22400, 0});
	PLAY("status;health;", {2000, 1}, {18000, 0}, {60000, 1}, {60400, 0}); /* too late */
	PLAY("reset all;", {2000, 1}, {18000, 0}, {22000, 1}, {38000, 0}, {41000, 1}, {41300, 0});
	PLAY("", {2000, 1}, {18000, 0}, {22000, 1}, {38000, 0});
	PLAY("", {2000, 1}); /* stuck: asked for ever, and nothing is done */
	PLAY("status;health;claim;", {2000, 1}, {2500, 0}, {4000, 1}, {10000, 0});
}

static void a_contact_that_bounces_is_one_press(void **state)
{
	(void)state;
	PLAY("status;health;", {2000, 1}, {2004, 0}, {2007, 1}, {2011, 0}, {2012, 1}, {2400, 0},
	     {2403, 1}, {2409, 0});
	/* Letting go of a long press is not the second press. */
	PLAY("", {2000, 1}, {2003, 0}, {2005, 1}, {18000, 0}, {18004, 1}, {18009, 0}, {18012, 1},
	     {18020, 0});
	/* The second press bounces, and is held for all: it is no short one. */
	PLAY("", {2000, 1}, {18000, 0}, {22000, 1}, {22005, 0}, {22009, 1}, {38000, 0}, {38004, 1},
	     {38010, 0});
	/* At the end of a bounce it is up, whatever came first. */
	PLAY("status;health;", {2000, 1}, {2004, 0}, {2007, 1}, {2011, 0}, {60000, 0});
	PLAY("claim;", {2000, 1}, {2004, 0}, {2007, 1}, {9000, 0}, {9001, 1}, {9002, 0});
	/* The kernel's repeats, and a device that says the same twice. */
	PLAY("claim;", {2000, 1}, {2600, 2}, {2700, 2}, {3000, 1}, {8000, 0}, {8100, 0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_press_shows_the_state),
		cmocka_unit_test(five_seconds_make_a_new_code),
		cmocka_unit_test(a_reset_needs_a_second_press_and_spares_the_data),
		cmocka_unit_test(what_was_asked_is_forgotten),
		cmocka_unit_test(the_data_goes_only_after_a_third_press),
		cmocka_unit_test(noise_and_a_program_that_slept_change_nothing),
		cmocka_unit_test(no_short_way_leads_to_a_reset),
		cmocka_unit_test(only_our_keys_are_read),
		cmocka_unit_test(each_action_asks_for_what_it_says),
		cmocka_unit_test(the_state_tells_the_way_to_the_boxs_own_wifi),
		cmocka_unit_test(a_press_on_a_device_does_what_it_says),
		cmocka_unit_test(a_contact_that_bounces_is_one_press),
	};

	return run_group(tests);
}
