/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/partial/partial.h"

/* --- choice.c --- */
/* Of the loose ops of one object those that fall out, moved to the front; returns how many. since:
 * what is older; INT64_MAX: everything. ruled: see loose_next.
 *
 * Only messages go, never documents. Of a conversation in which somebody wrote since, its beginning
 * stays, and all of it when it has closings or hidings, which are judged by what they saw; so does
 * a message with an edit that stays, and an edit of a message that stays. */
size_t choice_falls_out(struct loose_op *ops, size_t n, int64_t since, bool ruled);

/* --- partial_store.c --- */
struct error *run_set(struct conn *c, const struct partial_run *r) MUST;
struct error *at_clear(struct conn *c) MUST;
struct error *at_add(struct conn *c, const struct pubkey *box, int64_t ops) MUST;
/* An op of this object went. */
struct error *gone_add(struct conn *c, const struct hash *object, const struct hash *op) MUST;
/* Ops of the object that went, at most max. */
struct error *gone_of(struct conn *c, const struct hash *object, struct hash *out, size_t max,
		      size_t *ret_n) MUST;
struct wish {
	struct hash space, object;
};
struct error *wish_list(struct conn *c, struct wish out[PARTIAL_WISHES], size_t *ret_n) MUST;
/* It is here: forget it, and what had gone of it. */
struct error *wish_done(struct conn *c, const struct hash *object) MUST;

/* What is not here of an object: */
enum { LACK_OPS = 4096 };
/* Ask for what is not here of the object; *ret_left: so many have not come. */
struct error *lack_need(struct conn *c, const struct wish *w, size_t *ret_left,
			size_t *ret_new) MUST;
