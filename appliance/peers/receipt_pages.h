/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One receipt, in the same words on both boxes, to be read and printed; and all of one box. */
#pragma once
#include "appliance/http/http.h"

extern const struct route receipt_routes[];

/* "41 times since 25 Nov 2026, 18:02." of what failed over and over; else NULL. */
const char *receipt_times_text(struct request *r, const struct receipt *x);
