/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/erased/erased.h"

/* Has this box said that the target is gone from it? */
struct error *done_by(struct conn *c, const struct hash *target, const struct pubkey *box,
		      bool *ret) MUST;
