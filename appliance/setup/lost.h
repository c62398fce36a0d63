/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A box that can't open its data: one page that says why and what to do. Nothing is written, and there
 * is no safe door, for its keys are with the data.
 *
 * LOST_DISK: the data partition could not be read; a first run would begin a new and empty community
 * over it. LOST_NEWER: a newer system has made the data newer than this one understands.
 */
#pragma once
#include "appliance/http/http.h"

/* Did the first program of the start leave word that it could not mount the data? */
bool lost_is(const struct app_box *box);

enum lost_why { LOST_DISK, LOST_NEWER };
struct lost;
struct error *lost_start(const char *http, enum lost_why why, struct lost **ret) MUST;
int lost_port(const struct lost *l);
void lost_stop(struct lost *l);
