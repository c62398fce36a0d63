/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the thread gathers and the lights show. Included only inside appliance/health/. */
#pragma once
#include "appliance/health/health.h"

enum { SUDDEN_ENDS = 16 };
#define WEEK_MS (7LL * 24 * 3600 * 1000)

struct gathered {
	struct health_roots roots;
	bool low_seen;		   /* the voltage was too low since the daemon began */
	struct wear_reading wear;  /* by the helper */
	int64_t ends[SUDDEN_ENDS]; /* when it began again after an end that nobody asked for; oldest
				      first */
	size_t n_ends;
};
/* A copy of what is known now; of nothing when no daemon runs. */
void health_gathered(struct app *a, struct gathered *ret);
