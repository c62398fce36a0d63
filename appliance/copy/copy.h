/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A copied card, and a box that takes a new key. What is noticed, what people decide, and how a key
 * gives way to another without anything being lost.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/community/feature.h"
#include "sync/sync.h"

extern const struct feature copy_feature;

/* For the sync_host of this box; ctx is its struct app. */
void copy_twin(void *ctx, enum twin_sign sign, const char *where);
void copy_succeeds(void *ctx, const struct successor *s, const char *name, const char *address);

/* The notice: since when, by which signs (bits of enum twin_sign), where. */
struct copy_notice {
	int64_t first_ms, last_ms;
	unsigned signs;
	char place[PEER_ADDRESS];
};
/* *ret_open false: nothing that a volunteer has to look at. An announcement alone is none: anybody
 * on the network can make one. Any thread. */
struct error *copy_notice_get(struct conn *c, struct copy_notice *ret, bool *ret_open) MUST;
/* It has been seen to. */
struct error *copy_handled(struct app *a) MUST;

/* Others that go on for boxes that we know: statements that were checked, of keys that are still
 * approved (or ours). */
struct copy_successor {
	struct successor said;
	char name[LIMIT_NAME + 1];
	char address[PEER_ADDRESS];
	int64_t heard_ms;
};
typedef struct error *copy_successor_fn(void *ctx, const struct copy_successor *s);
struct error *copy_successors(struct conn *c, copy_successor_fn *fn, void *ctx) MUST;
struct error *copy_successor_drop(struct app *a, const struct pubkey *to) MUST;

/* Admit a key that goes on for this box to every space in which this box may write: by the steward
 * where `steward` is one (then also as keeper, where this box is one), else by this box where it is
 * a keeper. On the writer. *ret_left: spaces where somebody else has to do it. */
struct error *successor_admit(struct conn *c, const struct pubkey *self, const struct pubkey *key,
			      const char *name, const struct secret *steward, int *ret_left) MUST;

/* This box gets a key of its own: admitted, stated, written to the folder. From then on the program
 * has to begin again (app.again); until then everything goes on under the old key. `people`: where
 * `steward` is one, those who have an account here are at home here, also by the community's list
 * (their `home` names the new key); else it names the box that keeps the old one. `strange`: that box
 * is in strange hands: it becomes no connected house, and copy_strange names the old key until it was
 * signed out. */
struct copy_new {
	const struct secret *steward;
	bool people, strange;
};
struct error *copy_new_key(struct app *a, const struct copy_new *how, struct pubkey *ret_key,
			   int *ret_left) MUST;
/* Spaces in which a key that this box had, and that is in strange hands, is still admitted, and since
 * when it was noticed that another box has it. Any thread. */
typedef struct error *copy_strange_fn(void *ctx, const struct space_info *space,
				      const struct pubkey *key, int64_t since_ms);
struct error *copy_strange(struct conn *c, copy_strange_fn *fn, void *ctx) MUST;
/* The statement that this box shows to strangers; "" when it has its first key. */
struct error *copy_own_statement(struct conn *c, const struct pubkey *self,
				 char out[SUCCESSOR_TEXT]) MUST;
