/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The captive portal's answers and its page. */
#pragma once
#include "appliance/http/http.h"

extern const struct route portal_routes[];
/* Answers what devices ask about a network, while the portal is open. Never waits. */
front_fn portal_front;
