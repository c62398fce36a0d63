/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The house's language and time zone: the volunteers' page, and the fields that the first run
 * shares with it. */
#pragma once
#include "appliance/http/http.h"

extern const struct route place_routes[];

/* For the template _place: languages[] {code, name, chosen}, and of a box: `box`, zones[] {id,
 * chosen}. `language`: a code. What the form of this request holds counts before it. */
json_t *place_json(struct request *r, const char *language);
/* The language that the form names. ERR_INVALID when it is none of ours; NULL when it names none.
 */
struct error *place_read_language(struct request *r, const char **ret) MUST;
/* Have the machine keep the zone that the form names, when it names one and this is a box. Waits.
 */
struct error *place_ask_zone(struct request *r) MUST;
