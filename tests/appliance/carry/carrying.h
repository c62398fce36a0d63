/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A box that takes in what people carry: with the program that parses it, and a file for it. */
#pragma once
#include "tests/lib/web.h"
#include "appliance/carry/carry.h"

static inline void carrying_start(struct web *w, const struct web_options *o)
{
	const char *program = getenv("LLIURE");

	web_start(w, o);
	sieves_free(w->app->sieves);
	w->app->sieves = sieves_new(program ? program : "build/release/lliure");
}

/* A file of these bytes is taken in. */
static inline struct sync_report carrying_take(struct web *w, struct span file, enum carry_from from)
{
	struct carry_taking what = {.from = from, .name = "phone"};
	struct sync_report r;

	assert_ok(file_nameless(w->dir, &what.fd));
	assert_int_equal(write(what.fd, file.p, file.n), file.n);
	assert_int_equal(lseek(what.fd, 0, SEEK_SET), 0);
	assert_ok(carry_take(w->app, &what, &r));
	close(what.fd);
	return r;
}
