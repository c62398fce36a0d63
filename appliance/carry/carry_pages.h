/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The pages of sticks and phones. */
#pragma once
#include "appliance/http/http.h"

extern const struct route carry_routes[]; /* visitors: /carry */
extern const struct route stick_routes[]; /* volunteers: /admin/carry */
