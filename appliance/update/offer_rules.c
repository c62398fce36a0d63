/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/update/offer.h"
#include <sys/utsname.h>

#define DAY_MS INT64_C(86400000)

const char *offer_machine(void)
{
	struct utsname u;

	if (uname(&u))
		return "";
	return !strcmp(u.machine, "x86_64")    ? "lliure-amd64"
	       : !strcmp(u.machine, "aarch64") ? "lliure-arm64"
					       : "";
}

bool offer_holds(enum offer_state s)
{
	return s == OFFER_WANTED || s == OFFER_READY || s == OFFER_GIVEN || s == OFFER_RUNS;
}

bool offer_fits(const char *machine, const char *version, const struct system_said *said)
{
	return *machine && !strcmp(said->machine, machine) && version_ok(said->offer) &&
	       version_ok(version) && version_compare(said->offer, version) > 0;
}

/* How long we have heard that it is well with this version; -1: it is not. */
static int64_t well_for(const struct offer_heard *h, const char *version)
{
	if (!h->first_ms || strcmp(h->said.version, version) != 0)
		return -1;
	return h->last_ms > h->first_ms ? h->last_ms - h->first_ms : 0;
}

struct offer_weighed offer_weigh(const struct offer_plan *p, const char *version,
				 const struct offer_heard *h, size_t n)
{
	struct offer_weighed w = {.well = 0};

	for (size_t i = 0; i < n; i++) {
		int64_t well = well_for(&h[i], version);

		w.well += well >= (int64_t)p->days * DAY_MS;
		w.taken_back |= !strcmp(h[i].said.back, version);
	}
	w.may = p->how == OFFER_FIRST ||
		(p->how == OFFER_AFTER && w.well >= (size_t)p->peers && !w.taken_back);
	return w;
}

bool offer_is_hour(const struct offer_plan *p, int minute)
{
	return minute / 60 == p->hour;
}
