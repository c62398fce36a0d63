/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this box keeps: the volunteer's page, and the button on a conversation. */
#pragma once
#include "appliance/http/http.h"

extern const struct route partial_routes[];
/* For the page of a conversation: what of it is not here, NULL when nothing is. Yours. */
struct error *partial_topic_json(struct request *r, const struct hash *space,
				 const struct hash *object, json_t **ret) MUST;
/* For lists of spaces: {since, since_text, houses[] {name}} of one that this box keeps no more, NULL when it
 * does. Houses: other boxes that write in it, the first few. Yours. */
struct error *partial_space_json(struct request *r, const struct hash *space, json_t **ret) MUST;
/* The page of a conversation that is not here but for its header. ERR_NOT_FOUND: not even that. */
struct error *partial_topic_page(struct request *r, const struct hash *object) MUST;
/* The page of a community that was let go of (strangers.h), by the first letters of its id, or by something
 * that was written in it: what it is and who has it. ERR_NOT_FOUND: it was not, or is private. */
struct error *partial_gone_page(struct request *r, const char *prefix, const struct hash *object) MUST;
