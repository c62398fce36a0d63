/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The first run in the browser: `serve` on a folder without a box opens these pages instead, until
 * there is one. Four doors: found a community, join another centre's box, take the place of a dead
 * box (two recovery sheets), restore a backup.
 *
 * Whoever has the code that was printed where the box stands may; tries are limited, and compared
 * in constant time. A box of the image keeps its code over restarts, beside the data folder, so that
 * it can stand on a label: until there is a box, or its button makes a new one. Passwords and sheets
 * are typed at the safe door (or on the box itself) only.
 * The pages' sockets are handed on to the running box, so that a reader's page turns from one into
 * the other.
 */
#pragma once
#include "appliance/http/http.h"

enum { SETUP_CODE = 12 }; /* "abcde-fghij" and the zero */

struct setup_options {
	const char *dir; /* checked and locked */
	const struct env *env;
	const char *http, *https;
	const char *backups; /* a folder where backups are looked for; may be NULL */
	const char *sticks;  /* the folder under which sticks appear; may be NULL */
	bool mdns;	     /* look for boxes on this network */
	/* Said by somebody else than the network, for tests: at most max. NULL: the network. */
	size_t (*seen)(void *ctx, struct found_box *out, size_t max);
	void *seen_ctx;
	/* A box's own: it looks after its network from the first minute, and greets phones on it.
	 * NULL: another machine. */
	const struct app_box *box;
};
struct setup;
struct error *setup_start(const struct setup_options *o, struct setup **ret) MUST;
const char *setup_code(const struct setup *s);
int setup_http_port(const struct setup *s);
int setup_https_port(const struct setup *s);
bool setup_done(struct setup *s); /* there is a box in the folder now */
/* Ends it; the sockets go to the box's own server. */
void setup_stop(struct setup *s, struct http_sockets *ret);

/* In the running box: where a page of the first run leads to. */
extern const struct route setup_over_routes[];
