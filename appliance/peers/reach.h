/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How other boxes are reached: the line to the outside as a volunteer describes it, and what is
 * known of where each box is. The settings are sync/peer/uplink.h's. Any thread; the engine knows
 * at once.
 */
#pragma once
#include "appliance/app.h"

/* ERR_INVALID: hours, proxy or addresses that are none. */
/* password of the proxy; NULL: the one that is kept, when proxy and user are the same. */
struct error *reach_set(struct app *a, const struct uplink *u, const char *password) MUST;
/* An allowance of one peer's own. ERR_NOT_FOUND. */
struct error *reach_allow(struct app *a, const struct pubkey *key,
			  const struct allowance *allowance) MUST;
/* Bytes that went over the line today, both ways, with all peers: as of the last minute. */
struct error *reach_used(struct conn *c, uint64_t *ret) MUST;
/* What came of this peer through another: who, and how much. *ret_via: the other's name. false:
 * nothing did. */
struct error *reach_heard(struct conn *c, const struct pubkey *key, struct heard *ret,
			  char ret_via[LIMIT_NAME + 1], bool *ret_any) MUST;
