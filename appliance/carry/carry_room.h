/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is carried in is never trusted more than what peers bring, and costs no more: all visitors
 * together have one line of the ledger (LIMIT_VISITORS_DAY_*), of which one writer's entries may take an
 * eighth; all sticks that volunteers take another
 * one (as a peer). What has no room is known, not held: it is taken when it is brought again.
 */
#pragma once
#include "appliance/carry/carry.h"
#include "sync/peer/room.h"

struct carry_room {
	struct app *app;
	enum carry_from from;
	struct sync_host *host; /* borrowed */
	struct ledger *ledger;	/* the engine's, or `own` */
	struct ledger *own;	/* NULL: there is an engine */
	bool charged;		/* the writer of what was asked for last */
};
struct error *carry_room_open(struct carry_room *r) MUST;
/* Saves what it cost, and frees. */
struct error *carry_room_close(struct carry_room *r) MUST;
/* On the writer: is there room for it now? Charges it. Else says why not. */
bool carry_room_ask(struct carry_room *r, struct log_store *log, struct intake *in);
/* It was taken in, or not: what did not come to stay is given back. */
void carry_room_settle(struct carry_room *r, struct log_store *log, const struct intake *in);
