/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this house is, which program serves it, where its source is, and of what else the box is
 * made. */
#pragma once
#include "appliance/http/http.h"

extern const struct route about_routes[];
