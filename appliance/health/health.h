/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The eight lights of a box: power, temperature, wear, space, clock, backups, peers, updates. Each
 * is a state, a sentence, and one thing to do about it. The table of lights is in lights.c; what
 * the machine says of itself comes from firmware/health/.
 *
 * A light is looked at when somebody asks. What is slow, or is gone a moment later (a voltage that
 * was too low for a second), is gathered by a thread of the daemon; without a daemon it is not
 * known.
 */
#pragma once
#include "appliance/app.h"
#include "firmware/health/health.h"

enum health_state { HEALTH_UNKNOWN, HEALTH_OK, HEALTH_ATTENTION, HEALTH_ACT };
const char *health_state_name(enum health_state s); /* "unknown", "ok", "attention", "act" */

enum { HEALTH_LIGHTS = 8 };
struct light {
	const char *name;  /* "power": stable, for programs */
	const char *title; /* message id */
	enum health_state state;
	struct error *says; /* the sentence, with its arguments; owned by the light */
	const char *action; /* message id of what to do; NULL: nothing */
	const char *url;    /* where; NULL: not on a page */
};
/* All of them, in the table's order. Any thread, with a conn of its own. */
struct error *health_look(struct app *a, struct conn *c, struct light ret[HEALTH_LIGHTS]) MUST;
void lights_release(struct light lights[HEALTH_LIGHTS]);
enum health_state lights_worst(const struct light lights[HEALTH_LIGHTS]);

/* --- the daemon's part ------------------------------------------------------------------------ */

struct health;
/* Begins with the box as app.box describes it; *ret is set before the thread looks. */
struct error *health_start(struct app *a, struct health **ret) MUST;
void health_stop(struct health *h); /* the box was stopped as it should be; NULL: nothing */
