/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where the box stands and what the house speaks, with the real root helper on a played machine. */
#include "sync/base/day.h"
#include "tests/appliance/played_helper.h"
#include "tests/appliance/site.h"
#include "appliance/box/box.h"
#include "appliance/box/zone.h"
#include "sync/peer/uplink.h"
#include <time.h>

struct box {
	struct site s;
	struct played_helper helper;
};

/* The machine's own clock is not set by a test. */
static bool synced(void *ctx)
{
	(void)ctx;
	return true;
}

static void make_folder(struct box *b, const char *name)
{
	_cleanup_(freep) char *path = path_join(b->s.dir, name);

	assert_ok(dir_make(path, 0755));
}

static void open_box(struct box *b)
{
	static const struct helper_ops none = {.synced = synced};

	memset(b, 0, sizeof(*b));
	site_open(&b->s);
	make_folder(b, "run");
	make_folder(b, "state");
	make_folder(b, "state/lliure");
	box_paths(b->s.dir, &b->s.app->box);
	snprintf(b->s.app->box.zones, BOX_PATH, "/usr/share/zoneinfo");
	b->helper.h = (struct helper){.ops = &none,
				      .uid = geteuid(),
				      .state = b->s.app->box.state,
				      .zones = "/usr/share/zoneinfo"};
	played_helper_start(&b->helper, b->s.app->box.helper);
}

static void close_box(struct box *b)
{
	played_helper_stop(&b->helper);
	site_close(&b->s);
}

/* What /etc/localtime of the image leads to. */
static void expect_zone(struct box *b, const char *want)
{
	_cleanup_(freep) char *link = path_join(b->s.app->box.state, "localtime");
	char to[300] = "", zone[BOX_ZONE_TEXT];
	ssize_t n = readlink(link, to, sizeof(to) - 1);

	assert_true(n > 0);
	assert_string_equal(to + strlen("/usr/share/zoneinfo/"), want);
	box_zone(&b->s.app->box, zone);
	assert_string_equal(zone, want);
}

static void a_box_of_which_nobody_has_said_where_it_stands_is_not_at_greenwich(void **state)
{
	struct box b;

	(void)state;
	open_box(&b);
	box_zone_begin(&b.s.app->box);
	expect_zone(&b, "Europe/Madrid");
	assert_ok(box_zone_set(&b.s.app->box, "Atlantic/Canary"));
	box_zone_begin(&b.s.app->box); /* the next start: what was said stays */
	expect_zone(&b, "Atlantic/Canary");
	close_box(&b);
}

static void volunteers_say_where_it_stands(void **state)
{
	struct reply r;
	struct box b;

	(void)state;
	open_box(&b);
	site_sign_in(&b.s, VOL, "vol");
	r = site_ask(&b.s, VOL, "/admin/place", NULL);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(buf_str(&r.body), "<option selected>Europe/Madrid</option>"));
	assert_non_null(strstr(buf_str(&r.body), "<option>Atlantic/Canary</option>"));
	reply_release(&r);
	r = site_ask(&b.s, VOL, "/admin/place", "zone=Atlantic/Canary");
	assert_int_equal(r.status, 303);
	reply_release(&r);
	expect_zone(&b, "Atlantic/Canary");
	r = site_ask(&b.s, VOL, "/admin/place", "zone=Europe/../../etc/shadow");
	assert_true(r.status >= 400);
	reply_release(&r);
	expect_zone(&b, "Atlantic/Canary");
	close_box(&b);
}

static const char *spoken(struct site *s, char out[8])
{
	struct reply r = site_ask(s, NOBODY, "/forums", NULL);
	const char *at = strstr(buf_str(&r.body), "<html lang=\"");

	assert_non_null(at);
	snprintf(out, 8, "%.2s", at + strlen("<html lang=\""));
	reply_release(&r);
	return out;
}

static void whose_device_asks_for_no_language_is_spoken_to_in_the_houses(void **state)
{
	struct reply r;
	struct box b;
	char code[8];

	(void)state;
	open_box(&b);
	site_sign_in(&b.s, VOL, "vol");
	assert_string_equal(spoken(&b.s, code), "en");
	r = site_ask(&b.s, VOL, "/admin/place", "language=ca");
	assert_int_equal(r.status, 303);
	reply_release(&r);
	assert_string_equal(spoken(&b.s, code), "ca");
	r = site_ask(&b.s, VOL, "/admin/place", "language=xx");
	assert_int_equal(r.status, 400);
	reply_release(&r);
	assert_string_equal(spoken(&b.s, code), "ca");
	/* as after a restart */
	b.s.app->speaks = NULL;
	assert_ok(app_read_language(b.s.app));
	assert_string_equal(spoken(&b.s, code), "ca");
	close_box(&b);
}

static bool not_synced(void)
{
	return false;
}

static void who_knows_the_time_tells_it_to_a_box_that_does_not(void **state)
{
	_cleanup_(freep) char *path = NULL;
	struct clock_env *c;
	struct test_env under;
	struct reply r;
	struct box b;

	(void)state;
	setenv("TZ", "Europe/Madrid", 1);
	tzset();
	open_box(&b);
	site_sign_in(&b.s, VOL, "vol");
	r = site_ask(&b.s, VOL, "/admin/place", NULL);
	assert_null(strstr(buf_str(&r.body), "name=\"date\"")); /* the system's own is right */
	reply_release(&r);
	test_env_init(&under, 5000, 1); /* 1970 */
	path = path_join(b.s.dir, "clock");
	c = clock_env_new(path, &under.env, not_synced, NULL);
	clock_env_seen(c, INT64_C(1784116800000)); /* 15 July 2026, 14:00 here */
	b.s.app->clock = c;
	r = site_ask(&b.s, VOL, "/admin/place", NULL);
	assert_non_null(strstr(buf_str(&r.body), "name=\"date\""));
	reply_release(&r);
	for (const char *const *bad =
		     (const char *const[]){"date=2026-02-31&time=10:00",
					   "date=&time=", "date=2026-07-15&time=25:00",
					   "date=2026-07-14&time=10:00",
					   "date=1999-01-01&time=10:00", NULL};
	     *bad; bad++) {
		r = site_ask(&b.s, VOL, "/admin/place/clock", *bad);
		assert_int_equal(r.status, 400);
		reply_release(&r);
	}
	assert_int_equal(clock_env_state(c).quality, CLOCK_FROM_SEEN);
	r = site_ask(&b.s, VOL, "/admin/place/clock", "date=2026-12-24&time=19:30");
	assert_int_equal(r.status, 303);
	reply_release(&r);
	assert_int_equal(clock_env_state(c).quality, CLOCK_TOLD);
	assert_in_range(env_now(clock_env_get(c)), INT64_C(1798137000000), INT64_C(1798137060000));
	b.s.app->clock = NULL;
	clock_env_free(c);
	close_box(&b);
	unsetenv("TZ");
	tzset();
}

static void hours_are_those_of_the_place_in_winter_and_in_summer(void **state)
{
	(void)state;
	setenv("TZ", "Europe/Madrid", 1);
	tzset();
	assert_int_equal(minute_of_day(INT64_C(1768478400000)),
			 13 * 60); /* 15 January, 12:00 UTC */
	assert_int_equal(minute_of_day(INT64_C(1784116800000)), 14 * 60); /* 15 July, 12:00 UTC */
	unsetenv("TZ");
	tzset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_box_of_which_nobody_has_said_where_it_stands_is_not_at_greenwich),
		cmocka_unit_test(volunteers_say_where_it_stands),
		cmocka_unit_test(whose_device_asks_for_no_language_is_spoken_to_in_the_houses),
		cmocka_unit_test(who_knows_the_time_tells_it_to_a_box_that_does_not),
		cmocka_unit_test(hours_are_those_of_the_place_in_winter_and_in_summer),
	};

	return run_group(tests);
}
