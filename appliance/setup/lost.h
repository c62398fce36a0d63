/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A box whose data partition could not be read: one page that says so and what to do, instead of a
 * first run that would begin a new and empty community over it. Nothing is written, and there is no
 * safe door, for its keys are on the same partition.
 */
#pragma once
#include "appliance/http/http.h"

/* Did the first program of the start leave word that it could not mount the data? */
bool lost_is(const struct app_box *box);

struct lost;
struct error *lost_start(const char *http, struct lost **ret) MUST;
int lost_port(const struct lost *l);
void lost_stop(struct lost *l);
