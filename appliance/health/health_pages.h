/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The eight lights on the volunteers' page. */
#pragma once
#include "appliance/http/http.h"

extern const struct route health_routes[];
/* For the overview: {ok, attention, act, text}, of the worst light. */
struct error *health_summary(struct request *r, json_t **ret) MUST;
