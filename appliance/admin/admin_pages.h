/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's first page, /admin, and what the box says of itself, /about. */
#pragma once
#include "appliance/http/http.h"

extern const struct route admin_routes[];
