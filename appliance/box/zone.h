/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The time zone of a box: in it dates stand on pages, and hours of the Wi-Fi and of the uplink are
 * meant. The root helper keeps it (STATE/localtime is what /etc/localtime of the image leads to);
 * on another machine it is the system's own business, and nothing here is done.
 *
 * It is about how an instant is written down, and never about which instant it is: nothing that is
 * stored or compared knows of zones.
 */
#pragma once
#include "appliance/app.h"

/* Of a box whose volunteers have not said: most of those it is made for stand there, and a box that
 * shows UTC dates every post an hour or two early. */
#define BOX_ZONE "Europe/Madrid"
enum { BOX_ZONE_TEXT = 64 };

/* What was chosen; BOX_ZONE before that. */
void box_zone(const struct app_box *box, char out[BOX_ZONE_TEXT]);
/* A box of which nobody has said where it stands gets BOX_ZONE. Once at the start; waits for the
 * helper. What can't be done now is done at the next start. */
void box_zone_begin(const struct app_box *box);
/* From now on, in this process, too. Waits for the helper. ERR_NOT_FOUND: no box, or no such zone.
 */
struct error *box_zone_set(const struct app_box *box, const char *zone) MUST;
/* All that may be chosen, zones[] {id, chosen}: Europe first, then by name. NULL: there is nothing
 * to choose (no box). */
json_t *box_zones_json(const struct app_box *box, const char *chosen);
