/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The four ways in which a box begins, as tables of steps: pure. A step has a share of the way, so
 * that a person sees how far it is; what it does is job.c's business.
 */
#pragma once
#include "sync/sync.h"

enum setup_kind { SETUP_FOUND, SETUP_JOIN, SETUP_REPLACE, SETUP_RESTORE, SETUP_KINDS };
enum setup_step {
	STEP_MAKE,    /* key, databases, the first volunteer */
	STEP_ASK,     /* is there a backup of ours at a peer? */
	STEP_RESTORE, /* take a backup in */
	STEP_MEET,    /* fetch what peers hold */
	STEP_READY,   /* the key file is there */
	SETUP_STEPS
};

/* The steps of a kind, in order; ends with STEP_READY. */
const enum setup_step *setup_plan(enum setup_kind kind);
/* How far the whole is when a step is done/total far: 0 to 99, and 100 at STEP_READY. Never goes
 * back along a plan. total 0: just begun. */
int setup_percent(enum setup_kind kind, enum setup_step step, uint64_t done, uint64_t total);
/* What is being done, for people: a message id. */
const char *setup_step_text(enum setup_step step);
