/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A box that died and left neither sheets nor a backup: a new box with a key of its own becomes its
 * successor. A steward signs it in and the lost key out, in one commit: appliance.admit of the new
 * key as the lost one was admitted, appliance.revoke of the lost one with all that is held of its
 * logs as the cut: so the other houses are asked first for what they hold of it (ask.h). As a peer
 * the successor has the terms that the lost box had, unless it was one with terms of its own. What
 * the lost key signs from then on, in whoever's hands, is void everywhere.
 *
 * Keys of people that lived only on the lost box are lost with it: what they wrote stays theirs by
 * name, and they get an account of that name on another box.
 */
#pragma once
#include "appliance/app.h"

struct replace {
	struct pubkey lost, successor;
	const char *name;    /* of the successor; NULL or "": as the lost one was called */
	const char *address; /* of the successor; may be "" */
	const struct secret *steward;
	int64_t since_ms; /* since when it is in strange hands (community_remove_since); 0: it is not */
};
struct replace_done {
	int spaces; /* in which it was done */
	int left;   /* in which the lost box is still admitted: another steward has to */
};
/* Could it be done? Before anybody is asked. ERR_DENIED, ERR_INVALID as below. */
struct error *replace_check(struct app *a, const struct replace *what) MUST;
/* Any thread. ERR_DENIED: the steward is one in none of the spaces of the lost box; ERR_INVALID:
 * they are the same, or ours. All or nothing. */
struct error *replace_box(struct app *a, const struct replace *what, struct replace_done *ret) MUST;
