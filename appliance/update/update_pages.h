/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For the volunteers: which system runs, what became of the last update, and giving it a new one.
 */
#pragma once
#include "appliance/http/http.h"

extern const struct route update_routes[];
