/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/day.h"
#include <time.h>

enum { SECOND_MS = 1000, DAY_S = 86400, LONGEST_MS = 27 * 3600 * 1000 };

static struct tm wall(int64_t now_ms)
{
	time_t t = (time_t)(now_ms / SECOND_MS);
	struct tm tm = {0};

	localtime_r(&t, &tm);
	return tm;
}

int64_t day_of(int64_t now_ms)
{
	struct tm tm = wall(now_ms);

	/* The date alone, as if it were of UTC. */
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	return (int64_t)timegm(&tm) / DAY_S;
}

/* Searched for, for midnight itself may not exist: there are zones whose clocks change at it. */
int64_t day_left(int64_t now_ms)
{
	int64_t day = day_of(now_ms), low = 0, high = LONGEST_MS;

	while (high - low > 1) {
		int64_t mid = low + (high - low) / 2;

		if (day_of(now_ms + mid) == day)
			low = mid;
		else
			high = mid;
	}
	return high;
}

int minute_of_day(int64_t now_ms)
{
	struct tm tm = wall(now_ms);

	return tm.tm_hour * 60 + tm.tm_min;
}
