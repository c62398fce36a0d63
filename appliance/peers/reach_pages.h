/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's page of how other boxes are reached: /admin/reach. */
#pragma once
#include "appliance/http/http.h"

extern const struct route reach_routes[];
