/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The line to the outside, as a volunteer describes it: whether what goes over it is counted, how
 * much it may be in a day and at which hours, the proxy that stands in it, and under which
 * addresses this box can be reached from outside. For one peer there can be an allowance of its
 * own.
 *
 * Boxes that are seen on this network are reached without the line: none of this is for them. A
 * person who asks for an exchange is not held back by it either.
 */
#pragma once
#include "sync/db/db.h"
#include "sync/peer/peer.h"

enum { LIMIT_PUBLIC = 2, UPLINK_PROXY = 200 };

struct allowance {
	uint64_t day_bytes; /* in both directions together; 0: any */
	int from, to;	    /* hours of the day, 0 to 23, by this box's time zone; equal: all day.
			       22 to 7: over midnight */
};
struct uplink {
	bool metered; /* else `all` says nothing */
	struct allowance all;
	char proxy[UPLINK_PROXY];		  /* "http://HOST:PORT", "" for none */
	char address[LIMIT_PUBLIC][PEER_ADDRESS]; /* "" for none */
};

/* How long nothing may go over it, in milliseconds; 0: it may. `minute`: of the day, 0 to 1439, in
 * the box's zone; used: today; left_ms: of the day that `used` belongs to. Pure. */
int64_t allowance_wait(const struct allowance *a, uint64_t used, int minute, int64_t left_ms);
/* ERR_INVALID, with a sentence: hours, proxy or addresses that are none. */
struct error *uplink_check(const struct uplink *l) MUST;

/* --- uplink_store.c: in local.db --- */
extern const char *const uplink_migrations[]; /* db_migrate(local, "line", …) */
extern const int uplink_migrations_n;
/* Not metered, no proxy, no address, when nothing was set. */
struct error *uplink_get(struct db *local, struct uplink *ret) MUST;
struct error *uplink_put(struct db *local, const struct uplink *l) MUST; /* writer */
/* Of one peer: any bytes at any hour when nothing was set. */
struct error *allowance_get(struct db *local, const struct pubkey *key, struct allowance *ret) MUST;
struct error *allowance_put(struct db *local, const struct pubkey *key,
			    const struct allowance *a) MUST; /* writer */
