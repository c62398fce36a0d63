/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What became of the updates before the last one, too: outcomes (outcome.h) that ended, the newest
 * first, with an empty line between, in a file beside that of the last one. Written by
 * lliure-update, read by the daemon for its page.
 */
#pragma once
#include "firmware/update/outcome.h"

#define UPDATE_HISTORY "update-history" /* below STATE */
enum { HISTORY_MOST = 24, HISTORY_BYTES = HISTORY_MOST * OUTCOME_MAX };

/* Pure; never fails: what makes no sense is left out. Returns how many, at most `max`. */
size_t update_history_parse(struct span text, struct outcome *out, size_t max);
/* As many as are kept; 0 when there is no file. */
size_t update_history_read(const char *path, struct outcome *out, size_t max);
/* One that ended, before the others; the oldest goes when there are too many. */
struct error *update_history_add(const char *path, const struct outcome *o) MUST;
