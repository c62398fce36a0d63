/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One receipt, in the same words on both boxes, to be read and printed; and all of one box. */
#pragma once
#include "appliance/http/http.h"

extern const struct route receipt_routes[];
