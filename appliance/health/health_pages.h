/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The eight lights on the volunteers' page. */
#pragma once
#include "appliance/http/http.h"

extern const struct route health_routes[];
/* For the overview: {ok, attention, act, lights}, of the worst ones. */
struct error *health_summary(struct request *r, json_t **ret) MUST;
/* page.full: before anybody types what can't be taken. */
struct error *health_page_hook(struct request *r, json_t *page) MUST;
