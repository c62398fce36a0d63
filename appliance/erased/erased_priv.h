/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/erased/erased.h"

/* Has this box said that the target is gone from it? */
struct error *done_by(struct conn *c, const struct hash *target, const struct pubkey *box,
		      bool *ret) MUST;
/* Has any box said so of anything? */
struct error *done_any(struct conn *c, bool *ret) MUST;

/* Receipts up to this number were looked at. */
struct error *paper_seen(struct conn *c, int64_t *ret) MUST;
struct error *paper_set_seen(struct conn *c, int64_t num) MUST;
/* The box and this one both signed then that they hold the same in the space: kept if this box let go of
 * something there since the one before. */
struct error *paper_add(struct conn *c, const struct hash *space, const struct pubkey *box,
			int64_t time) MUST;
