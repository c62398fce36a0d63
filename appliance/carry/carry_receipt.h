/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The signed receipt of a bundle (PROTOCOL.md section 7.1, kinds 2 and 3): what this box wrote, or
 * what it took, by what was counted in the file. It is kept with those of exchanges and has the
 * same page. No receipt is no fault of the bundle.
 */
#pragma once
#include "appliance/app.h"
#include "sync/peer/receipt.h"

/* other: who it is for or who signed it; zero: nobody in particular. Its id; zero when it could not
 * be made. A reader of the calling thread; not on the writer. */
struct hash carry_receipt(struct app *a, struct conn *c, enum receipt_kind kind,
			  const struct pubkey *other, struct wire_tally *tally,
			  const struct sync_report *r);
