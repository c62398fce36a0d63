/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A backup at a peer that agreed to keep it (PROTOCOL.md section 19). key: the peer's, as text. */
#pragma once
#include "appliance/app.h"

/* Make a small backup and have the peer keep it instead of the last one. ERR_DENIED: it does not
 * (yet). */
struct error *peer_place_back_up(struct app *app, const char *key) MUST;
/* What it keeps, as an open file without a name. ERR_NOT_FOUND: nothing. */
struct error *peer_place_fetch(struct app *app, const char *key, int *ret_fd) MUST;
