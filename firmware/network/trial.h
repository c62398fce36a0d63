/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A change of the network is tried for a minute, and taken back unless somebody who can still reach
 * the box says that it stays.
 *
 *                 ask            moment passes, done well          keep
 *   IDLE, KEPT ---------> ASKED ------------------------> TRYING ---------> KEPT
 *   BACK, FAILED            |                               |
 *      ^                    | it can't be done              | a minute passes, or: back
 *      |                    v                               v
 *      +----------------- FAILED                           BACK
 *
 * Invariants: one trial at a time. A moment passes between ASKED and the deed, so that the page
 * that says what to do still gets out. What is tried is never what is stored: only KEPT stores it,
 * so a power cut takes it back, too. Beneath, NetworkManager's own checkpoint takes the deed back
 * even when this process is dead. Core without I/O: what it does goes through the ops; one thread
 * calls trial_turn, any thread the rest.
 */
#pragma once
#include "firmware/network/wish.h"

enum { TRIAL_MOMENT_MS = 1500, TRIAL_MS = 60 * 1000 };

enum trial_state {
	TRIAL_IDLE,
	TRIAL_ASKED,
	TRIAL_TRYING,
	TRIAL_KEPT,
	TRIAL_BACK,
	TRIAL_FAILED,
	TRIAL_STATES
};

struct trial_ops {
	void *ctx;
	/* Make it so, without storing it; whatever it did is taken back on failure. */
	struct error *(*try_it)(void *ctx, const struct network_wish *w);
	struct error *(*keep)(void *ctx, const struct network_wish *w);
	/* As it was before. */
	struct error *(*take_back)(void *ctx, const struct network_wish *before);
};

struct trial;
struct trial *trial_new(const struct env *env, const struct trial_ops *ops); /* copied */
void trial_free(struct trial *t);
DEFINE_CLEANUP(struct trial *, trial_free)

/* Checks the wish first. ERR_BUSY while one runs. */
struct error *trial_ask(struct trial *t, const struct network_wish *before,
			const struct network_wish *wish) MUST;
/* ERR_CONFLICT: nothing is being tried (any more). */
struct error *trial_keep(struct trial *t) MUST;
struct error *trial_back(struct trial *t) MUST;

struct trial_view {
	enum trial_state state;
	struct network_wish before, wish; /* what is or was tried, and what was before */
	int left_s;		  /* TRYING: until it is taken back */
	struct error *why;	  /* FAILED; yours. NULL */
};
void trial_look(struct trial *t, struct trial_view *ret);

/* From which links a change can be confirmed (WISH_RADIO, WISH_WIRED): those that it touches, as far
 * as anybody can come in by them; who comes by another one shows nothing about it. 0: from any, for it
 * touches none, or switches off what it touches. radio: the machine has one; cable: it is plugged in.
 */
unsigned trial_confirmed_from(const struct trial_view *v, bool radio, bool cable);
/* Does what is due; returns when to call again at the latest, in ms. */
int trial_turn(struct trial *t);
