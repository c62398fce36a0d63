/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/uplink.h"
#include "sync/peer/address.h"

enum { MINUTE_MS = 60000, DAY_MINUTES = 1440 };

static int64_t wait_for_hours(const struct allowance *a, int minute)
{
	int from = a->from * 60, to = a->to * 60;
	bool open = from == to ||
		    (from < to ? minute >= from && minute < to : minute >= from || minute < to);

	return open ? 0 : (int64_t)((from - minute + DAY_MINUTES) % DAY_MINUTES) * MINUTE_MS;
}

int64_t allowance_wait(const struct allowance *a, uint64_t used, int minute, int64_t left_ms)
{
	int64_t hours = wait_for_hours(a, minute);
	int64_t bytes = a->day_bytes && used >= a->day_bytes ? left_ms : 0;

	return hours > bytes ? hours : bytes;
}

static bool proxy_ok(const char *text)
{
	static const char scheme[] = "http://";
	struct address a;
	struct error *err;
	bool ok;

	if (!*text)
		return true;
	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return false;
	err = address_parse(text + strlen(scheme), &a);
	ok = !err && a.host[0] && a.port;
	error_free(err);
	return ok;
}

static struct error *check_address(const char *text)
{
	struct address a;

	if (!*text)
		return NULL;
	TRY(address_parse(text, &a));
	ENSURE(a.host[0] && a.port && !a.scope[0],
	       error_new(ERR_INVALID,
			 N_("\"%s\" can't be reached from outside. Write it as "
			    "box.example.org:8443."),
			 text));
	return NULL;
}

static bool hours_ok(const struct allowance *a)
{
	return a->from >= 0 && a->from < 24 && a->to >= 0 && a->to < 24 &&
	       a->day_bytes <= INT64_MAX;
}

struct error *uplink_check(const struct uplink *l)
{
	ENSURE(hours_ok(&l->all), error_new(ERR_INVALID, N_("An hour is a number from 0 to 23.")));
	ENSURE(proxy_ok(l->proxy),
	       error_new(ERR_INVALID,
			 N_("\"%s\" is not a proxy. Write it as http://192.168.1.1:3128."),
			 l->proxy));
	for (int i = 0; i < LIMIT_PUBLIC; i++)
		TRY(check_address(l->address[i]));
	return NULL;
}
