/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/place/moment.h"
#include <time.h>

bool moment_read(const char *date, const char *hour, int64_t *ret_ms)
{
	struct tm tm = {.tm_isdst = -1}, back;
	const char *end = strptime(date, "%Y-%m-%d", &tm);
	int day;
	time_t t;

	if (!end || *end)
		return false;
	day = tm.tm_mday;
	end = strptime(hour, "%H:%M", &tm);
	if (!end || (*end && !strptime(end, ":%S", &tm)))
		return false;
	t = mktime(&tm);
	*ret_ms = (int64_t)t * 1000;
	/* 31 February would be in March. */
	return t != (time_t)-1 && localtime_r(&t, &back) && back.tm_mday == day;
}

static const char *given(struct request *r, bool address, const char *name)
{
	const char *text = address ? request_query(r, name) : request_field(r, name);

	return text ? text : "";
}

struct error *since_read(struct request *r, bool address, int64_t *ret_ms)
{
	const char *day = given(r, address, "since_day"), *hour = given(r, address, "since_hour");
	int64_t ms;

	*ret_ms = 0;
	if (!*day && !*hour)
		return NULL;
	ENSURE(moment_read(day, *hour ? hour : "00:00", &ms) && ms > 0,
	       error_new(ERR_INVALID, N_("Write the date as 2026-11-26 and the time as 14:05.")));
	ENSURE(ms <= env_now(request_app(r)->env),
	       error_new(ERR_INVALID,
			 N_("That is still to come. Say since when it was not in good hands.")));
	*ret_ms = ms;
	return NULL;
}

json_t *since_json(struct request *r, int64_t since_ms, uint64_t goes)
{
	char day[16] = "", hour[16] = "";
	time_t t = (time_t)(since_ms / 1000);
	struct tm tm;
	json_t *ret;

	if (since_ms && localtime_r(&t, &tm)) {
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
		strftime(hour, sizeof(hour), "%H:%M", &tm);
	}
	ret = json_pack("{s:s, s:s, s:b, s:b, s:I, s:s}", "day", day, "hour", hour, "said",
			since_ms != 0, "shows", 1, "goes", (json_int_t)goes, "text",
			since_ms ? request_date_text(r, since_ms) : "");
	return ret;
}

struct error *since_address(struct request *r, const char *path, const char **ret)
{
	int64_t ms;
	json_t *since;

	*ret = path;
	TRY(since_read(r, false, &ms));
	if (!ms)
		return NULL;
	since = since_json(r, ms, 0);
	*ret = arena_printf(request_arena(r), "%s?since_day=%s&since_hour=%s", path,
			    json_string_value(json_object_get(since, "day")),
			    json_string_value(json_object_get(since, "hour")));
	json_decref(since);
	return NULL;
}
