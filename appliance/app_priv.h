/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Opening and closing a box: for the command line, which alone wires the house together. */
#pragma once
#include "appliance/app.h"

/* Open the box in the folder: its key, its databases (caught up), its writer. The caller holds the
 * lock. ERR_NOT_FOUND when there is no box. */
struct error *app_open(const char *dir, const struct env *env, struct app **ret) MUST;
/* The same with a key that is not in the folder (yet): while a box is made, restored or tried out.
 * The key is consumed, also on failure. */
struct error *app_open_with(const char *dir, const struct env *env, struct secret *take_self,
			    struct app **ret) MUST;
/* The same as app_open for a machine that could start an older system again: when the stored data were
 * brought to a newer format, newer_data is asked to see to it that it does not (migration.h). When it
 * can't, the data go back to the older format, and opening fails with its error. The disk is the box's
 * own: see ballast.h. */
struct app_told {
	void *ctx;
	struct error *(*newer_data)(void *ctx);
};
struct error *app_open_telling(const char *dir, const struct env *env, const struct app_told *told,
			       struct app **ret) MUST;
void app_close(struct app *a);
DEFINE_CLEANUP(struct app *, app_close)
/* Where the data folder lives (machine, file system, the folder's own number in it), so that a
 * copy of it knows that it is one: see log_open. A copy made below the file system has them all;
 * sync notices that one. */
void app_whereabouts(const char *dir, char *out, size_t n);
/* The format of the stored data: a number that grows with every migration of what can't be made anew.
 * Written into the folder (`format`) when the box is opened. */
struct error *app_format(struct app *a, int64_t *ret) MUST;
struct error *app_read_name(struct app *a) MUST;
/* The house's language, when its languages are loaded; after it was set. */
struct error *app_read_language(struct app *a) MUST;
