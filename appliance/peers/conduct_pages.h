/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's page of one box's conduct and cost: /admin/peers/KEY/conduct. */
#pragma once
#include "appliance/http/http.h"

extern const struct route conduct_routes[];
