/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The box's network, as the daemon looks after it: a thread of its own, because NetworkManager may
 * take half a minute to answer and everybody else must not wait for it. Pages see what it saw last,
 * a few seconds ago, and tell it what to do.
 *
 * Invariants: NetworkManager's profiles are the truth; what the thread does beside them (hours,
 * portal, names, visitors, country) follows from them and is done again until it holds. While a
 * change is being tried the hours rest.
 */
#pragma once
#include "appliance/app.h"
#include "firmware/network/nm.h"
#include "firmware/network/trial.h"

enum { NETWORK_HOST = 80 };

struct network;
/* Does nothing, with *ret = NULL, on a machine that is no box (app.box). */
struct error *network_start(struct app *a, struct network **ret) MUST;
void network_stop(struct network *n);

struct network_view {
	bool looked; /* NetworkManager answered */
	bool any;    /* there is a wish; else `wish` is what a new box begins with */
	struct network_wish wish;
	struct nm_state state;
	char host[NETWORK_HOST]; /* under which Avahi announces us, "ateneu-2.local"; "" for none */
	char wanted[NETWORK_HOST]; /* what it would be if nobody else had it */
	bool renamed;		   /* they differ: somebody else had it */
	struct trial_view trial;
	struct error *why; /* why it could not be looked at, or what could not be done; NULL */
};
/* What was seen last. n NULL: no box; the sentence says so. */
void network_look(struct network *n, struct network_view *ret);
void network_view_release(struct network_view *v);

/* See trial.h. Any thread. */
struct error *network_ask(struct network *n, const struct network_wish *wish) MUST;
/* link: by which who says so came in (request_link). ERR_DENIED: by one that shows nothing about the
 * change. Who sits at the machine itself ("lo") may: they can undo it there. */
struct error *network_keep(struct network *n, const char *link) MUST;
struct error *network_back(struct network *n) MUST;
/* Give the box another name on the network: letters a to z, digits, hyphens. Waits for the helper.
 */
struct error *network_rename(struct app *a, const char *name) MUST;
