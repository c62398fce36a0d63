/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Updates of the whole system, as a volunteer meets them: which version runs, what became of the
 * last update, and the files that are here to be installed. Checking and installing is the work of
 * lliure-update (firmware/update/), which the root helper starts; this only asks for it and shows
 * what came of it. On a machine that is no box, its own system is updated by its own means.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/health/health.h"
#include "appliance/carry/carry.h"
#include "firmware/update/outcome.h"

struct update_state {
	bool box;		      /* this machine's system is updated from here */
	char version[UPDATE_VERSION]; /* what runs; "" not known */
	struct outcome last;
	int64_t now_ms;
};
/* Is one being checked, installed or tried out? */
bool update_is_at_work(const struct update_state *u);
/* Did the last one go wrong, lately? One that was refused changed nothing, and its page says so; what went
 * wrong is told for a week. */
bool update_is_trouble(const struct update_state *u);
/* What is known now; never fails. */
void update_state_read(struct app *a, struct update_state *ret);
/* What to do about one that ended badly (a message id). One that was taken back needs nobody, unless a
 * disk is at its end. */
const char *update_action(const struct outcome *o);
/* Its sentence, and what to do (a message id, or NULL). The error is yours. */
struct error *update_says(const struct update_state *u, enum health_state *ret_state,
			  const char **ret_action) MUST;

/* A file on a stick whose name is an update's. */
struct update_file {
	char stick[STICK_ID], label[LIMIT_NAME + 1];
	char name[UPDATE_FILE];
	uint64_t size;
};
bool update_file_ok(const char *name);
size_t update_on_sticks(struct app *a, struct update_file *out, size_t max);
/* Put what the descriptor holds before the helper under this name, and have it checked and
 * installed; what comes of it stands in the state. ERR_NOT_FOUND: this is no box; ERR_BUSY: one
 * is being installed. */
struct error *update_ask(struct app *a, int fd, const char *name) MUST;
/* Of that, the file only: copied to the path, durably, instead of what was there. name is what people
 * are told. ERR_LIMIT above LIMIT_UPLOAD. */
struct error *update_put(int from, const char *path, const char *name) MUST;
/* ERR_NOT_FOUND, ERR_BUSY: as above. */
struct error *update_may_begin(struct app *a) MUST;
struct error *update_ask_stick(struct app *a, const char *stick, const char *name) MUST;
