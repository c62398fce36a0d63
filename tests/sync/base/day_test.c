/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A day begins at midnight on the wall, and is as long as the clocks make it. */
#include "tests/lib/test.h"
#include "sync/base/day.h"
#include <time.h>

#define HOUR INT64_C(3600000)

static const char madrid[] = "CET-1CEST,M3.5.0,M10.5.0/3";
static const char saopaulo[] = "<-03>3<-02>,M11.1.0/0,M2.3.0/0"; /* as it was until 2018 */
static const char kathmandu[] = "<+0545>-5:45";

static void in_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static int64_t utc(int year, int month, int day, int hour, int minute)
{
	struct tm tm = {.tm_year = year - 1900,
			.tm_mon = month - 1,
			.tm_mday = day,
			.tm_hour = hour,
			.tm_min = minute};

	return (int64_t)timegm(&tm) * 1000;
}

/* At that moment the day that it is of ends, and not a moment before. */
static void ends_at(int64_t from, int64_t end)
{
	assert_int_equal(day_left(from), end - from);
	assert_int_equal(day_of(end - 1), day_of(from));
	assert_int_equal(day_of(end), day_of(from) + 1);
	assert_int_equal(day_left(end - 1), 1);
}

static void it_begins_at_midnight_on_the_wall(void **state)
{
	(void)state;
	in_zone("UTC0");
	assert_int_equal(day_of(0), 0);
	ends_at(utc(2026, 6, 10, 12, 0), utc(2026, 6, 11, 0, 0));
	in_zone(madrid);
	ends_at(utc(2026, 1, 15, 12, 0), utc(2026, 1, 15, 23, 0));
	ends_at(utc(2026, 6, 10, 12, 0), utc(2026, 6, 10, 22, 0));
	assert_int_equal(day_of(utc(2026, 6, 10, 22, 0)), utc(2026, 6, 11, 0, 0) / (24 * HOUR));
	in_zone(kathmandu);
	ends_at(utc(2026, 6, 10, 12, 0), utc(2026, 6, 10, 18, 15));
}

static void it_has_23_or_25_hours_when_the_clocks_change(void **state)
{
	(void)state;
	in_zone(madrid);
	assert_int_equal(day_left(utc(2026, 3, 28, 23, 0)), 23 * HOUR);
	assert_int_equal(day_left(utc(2026, 10, 24, 22, 0)), 25 * HOUR);
	ends_at(utc(2026, 3, 28, 23, 0), utc(2026, 3, 29, 22, 0));
	ends_at(utc(2026, 10, 24, 22, 0), utc(2026, 10, 25, 23, 0));
	/* The hour that comes twice is of one day. */
	assert_int_equal(minute_of_day(utc(2026, 10, 25, 0, 30)), 150);
	assert_int_equal(minute_of_day(utc(2026, 10, 25, 1, 30)), 150);
}

static void it_ends_also_where_there_is_no_midnight_or_two(void **state)
{
	(void)state;
	in_zone(saopaulo);
	/* 4 November 2018 began at one o'clock; on 17 February the hour before midnight came twice.
	 */
	ends_at(utc(2018, 11, 3, 12, 0), utc(2018, 11, 4, 3, 0));
	assert_int_equal(minute_of_day(utc(2018, 11, 4, 3, 0)), 60);
	ends_at(utc(2018, 2, 17, 2, 0), utc(2018, 2, 18, 3, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_at_midnight_on_the_wall),
		cmocka_unit_test(it_has_23_or_25_hours_when_the_clocks_change),
		cmocka_unit_test(it_ends_also_where_there_is_no_midnight_or_two),
	};

	return run_group(tests);
}
