/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which acts of volunteers need somebody who has just signed in: all, but for those named here. */
#include "tests/lib/test.h"
#include "appliance/http/http.h"

/* What can be taken back, gives nobody anything, or asks by itself where it is heavy. */
static const char *const light[] = {
	"/admin/carry/:stick/check",
	"/admin/carry/:stick/take",
	"/admin/carry/:stick/write",
	"/admin/carry/close/:device",
	"/admin/carry/open/:device",
	"/admin/copy/:key/dismiss",
	"/admin/copy/handled",
	"/admin/health/power-off",
	"/admin/health/restart",
	"/admin/keep",
	"/admin/keep/look",
	"/admin/keep/stop",
	"/admin/network/back",
	"/admin/network/keep",
	"/admin/peers", /* goes on to a page that asks */
	"/admin/peers/:key/forgive",
	"/admin/peers/:key/pause",
	"/admin/peers/:key/sync",
	"/admin/peers/invite/:num/take-back",
	"/admin/people", /* asks where it makes a steward or a volunteer */
	"/admin/reach",
	"/admin/reach/:key",
	"/admin/place",
	"/admin/place/clock",
	"/admin/recovery/keep",
	"/admin/recovery/now",
	"/admin/recovery/places",
	"/admin/recovery/places/:id/remove",
	"/admin/recovery/prove",
	"/admin/recovery/replace/again",
	"/admin/spaces/:id/seen", /* a notice */
	"/admin/strangers", /* each that goes can be fetched again */
	"/admin/strangers/:id/again",
};

static bool is_light(const struct route *r, bool seen[])
{
	for (size_t i = 0; i < ARRAY_LEN(light); i++)
		if (!strcmp(light[i], r->pattern)) {
			seen[i] = true;
			return true;
		}
	return false;
}

static void every_act_of_volunteers_is_light_by_name_or_asks_to_sign_in(void **state)
{
	bool seen[ARRAY_LEN(light)] = {false};
	int heavy = 0;

	for (const struct route *const *t = route_tables; *t; t++)
		for (const struct route *r = *t; r->method; r++) {
			if (strcmp(r->method, "POST") || !(r->flags & ROUTE_VOLUNTEER))
				continue;
			if (r->flags & ROUTE_FRESH)
				heavy++;
			else if (!is_light(r, seen))
				fail_msg("%s asks nobody to sign in again", r->pattern);
		}
	for (size_t i = 0; i < ARRAY_LEN(light); i++)
		if (!seen[i])
			fail_msg("%s is no light act", light[i]);
	assert_true(heavy > 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_act_of_volunteers_is_light_by_name_or_asks_to_sign_in),
	};

	return run_group(tests);
}
