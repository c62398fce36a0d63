/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is known by its header and not here yet: how far a large first sync is, and what a partial
 * box does without. For pages and `lliure status`. */
#pragma once
#include "appliance/http/http.h"

struct coming {
	uint64_t entries;   /* headers held, in all spaces */
	uint64_t missing;   /* of these, payloads that are not here */
	uint64_t open_entries, open_missing; /* the same of public spaces alone: what visitors are told */
	uint32_t keep_days; /* not 0: a partial box, and what is missing may be so on purpose */
};
/* Counted once for each state of the log. Any thread, with its own conn. */
struct error *coming_count(struct app *a, struct conn *c, struct coming *ret) MUST;
/* page.coming {missing, entries, keep_days, here_text, announced_text, rows[] {peer, space, here_text,
 * announced_text}} on the first page and in the care of the house (only there with rows): so many messages
 * are here of about as many as peers announced. page.elsewhere {missing, entries, keep_days} of a partial
 * box. */
struct error *coming_page_hook(struct request *r, json_t *page) MUST;
