/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's page of updates: /admin/update. */
#pragma once
#include "appliance/http/http.h"
#include "appliance/update/update.h"

extern const struct route update_routes[], offer_routes[];

/* --- what the parts of the page share --- */
/* What peers offer, how it goes there, the plan and the history, into the page's context. */
struct error *update_put_offers(struct request *r, const struct update_state *u,
				json_t *context) MUST;
/* The page with the error's sentence; the error is consumed. */
struct error *update_show_error(struct request *r, struct error *take_e) MUST;
/* After the updater was asked: the page that says so, or the error's. */
struct error *update_begun(struct request *r, struct error *take_e) MUST;
