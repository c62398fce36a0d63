/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The system's clock of a box that has no clock of its own: it begins at the moment of the newest
 * entry that the box itself wrote, unless it knows better (the file that sync/clock keeps), and
 * what connected houses say is passed on to the system, through the root helper, forward only. Then
 * the journal, certificates and other programs of the box have the same time as its pages.
 */
#pragma once
#include "appliance/app.h"

/* How sure the box is of the time: the daemon that runs, else the last that ran. Any thread. */
struct clock_state box_clock_state(struct app *a);
/* Tell the box's clock of its own newest entry. Once, when the box is opened; only
 * when nothing else is remembered. */
struct error *box_clock_begin(struct app *a) MUST;
/* Should the system's clock, which says now_ms, be set? Only ahead, by a minute at least, and not
 * while it is sure by itself or nothing is known. Pure. */
bool box_clock_due(enum clock_quality q, int64_t offset_ms, int64_t now_ms);
/* Set it when it should be. ERR_NOT_FOUND never: without a helper nothing is done. */
struct error *box_clock_push(struct app *a) MUST;
