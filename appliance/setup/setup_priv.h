/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/page/language.h"
#include "appliance/page/templates.h"
#include "appliance/setup/job.h"
#include "appliance/setup/setup.h"
#include <pthread.h>

enum { SETUP_COOKIE = SESSION_TEXT, SETUP_FOUND_MAX = 50, SETUP_PATH = 1024 };

struct setup {
	/* First, so that a request's app leads here: a box without a key of its own, a writer or
	 * databases. */
	struct app app;
	struct setup_options o;
	struct http_server *http;
	struct setup_job *job;
	struct sync_look *look; /* NULL: it does not look at the network */
	char code[SETUP_CODE];
	pthread_mutex_t lock;
	/* Of whoever gave the code last; "": nobody. It is a session's text (member/session.h): the
	 * box that comes of it knows it as its first volunteer's. */
	char cookie[SETUP_COOKIE], csrf[33];
};
struct setup *setup_of(struct request *r);
/* Where the code is kept, yours; NULL: another machine's is new at each start. */
char *setup_code_path(const struct setup_options *o);

/* --- setup_pages.c --- */
extern const struct route setup_routes[];
extern const struct viewer_source setup_viewers;

/* --- found.c: backups in the folders that were named --- */
struct setup_found {
	char path[SETUP_PATH];
	struct backup_about about;
	uint64_t size;
};
/* Newest first; at most max. Looks into the folder, the sticks that are plugged in, and the folders
 * directly in them, never through a link. */
size_t setup_find(const struct setup *s, struct setup_found *out, size_t max);

/* --- seen.c: boxes on this network; hints, never trust --- */
size_t setup_seen(const struct setup *s, struct found_box *out, size_t max);
/* The one with this key, as text. false: it is no key, or not seen now. */
bool setup_seen_one(const struct setup *s, const char *key, struct found_box *ret);
/* Where the first run goes on when somebody has chosen it: in the running box that is the page on
 * which the six digits are compared. */
const char *setup_meet_path(struct request *r, const struct found_box *f);
const char *setup_met(struct request *r); /* NULL: nobody was chosen */
