/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The day of the people of the box: from midnight to midnight by the machine's time zone, as the
 * day of a contract with a phone company runs, and the hours on the same page. So it has 23 or 25
 * hours when the clocks change. Nothing here is remembered: who changes the zone (tzset) may begin
 * a day anew. Any thread.
 */
#pragma once
#include <stdint.h>

/* Days since 1970 by the calendar on the wall. Grows with the time, in one zone. */
int64_t day_of(int64_t now_ms);
/* Milliseconds until the next one begins; never 0. */
int64_t day_left(int64_t now_ms);
/* 0 to 1439. */
int minute_of_day(int64_t now_ms);
