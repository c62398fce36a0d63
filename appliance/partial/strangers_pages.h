/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /admin/strangers: communities that nobody here chose, by the house that brought them. */
#pragma once
#include "appliance/http/http.h"

extern const struct route strangers_routes[];
