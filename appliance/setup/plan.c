/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/setup/plan.h"

static const enum setup_step plans[SETUP_KINDS][SETUP_STEPS] = {
	[SETUP_FOUND] = {STEP_MAKE, STEP_READY},
	[SETUP_JOIN] = {STEP_MAKE, STEP_MEET, STEP_READY},
	[SETUP_REPLACE] = {STEP_ASK, STEP_MAKE, STEP_MEET, STEP_READY},
	[SETUP_RESTORE] = {STEP_RESTORE, STEP_READY},
};

static const struct {
	int share; /* of the way, against the other steps of its plan */
	const char *text;
} steps[SETUP_STEPS] = {
	[STEP_MAKE] = {2, N_("Making the box.")},
	[STEP_ASK] = {3, N_("Asking the other boxes whether one of them keeps a backup.")},
	[STEP_RESTORE] = {10, N_("Taking the backup in, and checking every page of it.")},
	[STEP_MEET] = {6, N_("Fetching from the other boxes what they hold.")},
	[STEP_READY] = {0, N_("The box is ready. Its doors open in a moment.")},
};

const enum setup_step *setup_plan(enum setup_kind kind)
{
	return plans[kind];
}

int setup_percent(enum setup_kind kind, enum setup_step step, uint64_t done, uint64_t total)
{
	double before = 0, all = 0, part = total ? (double)done / (double)total : 0;
	bool passed = false;

	if (step == STEP_READY)
		return 100;
	for (const enum setup_step *s = plans[kind]; *s != STEP_READY; s++) {
		all += steps[*s].share;
		passed = passed || *s == step;
		before += passed ? 0 : steps[*s].share;
	}
	part = part > 1 ? 1 : part;
	return (int)(99 * (before + part * steps[step].share) / all);
}

const char *setup_step_text(enum setup_step step)
{
	return steps[step].text;
}
