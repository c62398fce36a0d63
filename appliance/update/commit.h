/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Is this system healthy? Asked at each start of a box, by the daemon of itself: a page is served,
 * the stored data is whole, the network's names are there, the disks are mounted. When all holds,
 * the boot state is told (the helper's verb "healthy"): before that a new system is only being
 * tried out, and three starts without it bring the former back. When something keeps failing, the
 * helper is told what
 * ("unwell"), and a system that is being tried out is given up with that reason.
 *
 * After an update everything is checked, each entry's signatures and the box's own Wi-Fi too; at
 * other starts the databases. (A radio that died is no reason to change systems: who was healthy with
 * it is healthy without.)
 */
#pragma once
#include "appliance/app.h"
#include "firmware/network/nm.h"
#include "firmware/update/outcome.h"

struct commit_checks {
	void *ctx;
	bool (*page)(void *ctx);
	bool (*data)(void *ctx);
	bool (*network)(void *ctx);
	bool (*air)(void *ctx);
	bool (*mounts)(void *ctx);
};
/* The first that fails; WHY_NOTHING when all hold. The cheap ones come first. */
enum update_why commit_check(const struct commit_checks *c);
/* Is there, at this minute of the day, every Wi-Fi of the box's own that there should be? Nothing is
 * asked of a machine without a radio, or with one that can't make a network. Pure. */
bool commit_air(const struct network_wish *w, const struct nm_state *s, int minute);

struct commit;
/* For a box (box->helper is not empty) begins the thread; `app` NULL while there is no community
 * yet: then there is no data to check. `port`: of the pages. NULL: this is no box. */
struct commit *commit_start(const struct app_box *box, struct app *app, int port);
void commit_stop(struct commit *c);
/* Is it known that this system is healthy? */
bool commit_done(struct commit *c);
