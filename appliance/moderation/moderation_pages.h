/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The guest's receipt, and the page where what guests wrote is approved. */
#pragma once
#include "appliance/http/http.h"
#include "appliance/moderation/moderation.h"

extern const struct route moderation_routes[];
/* page.held_count for those who may approve. */
struct error *moderation_page_hook(struct request *r, json_t *page) MUST;

/* A guest sent a form: reads `name`, `title`, `text` from it, keeps them, and answers with the
 * receipt. Errors come back before anything was answered, so that the form can be shown again. Of
 * h, space and topic or forum are to be set. */
struct error *moderation_take(struct request *r, struct held *h) MUST;
