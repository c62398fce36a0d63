/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The page of search/: GET /search?q= */
#pragma once
#include "appliance/http/http.h"

extern const struct route search_routes[];
