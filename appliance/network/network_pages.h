/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteers' page about the box's network. */
#pragma once
#include "appliance/http/http.h"

extern const struct route network_routes[];
/* Where a volunteer goes on after the first run. */
const char *network_first_page(const struct app *a);
