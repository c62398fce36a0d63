/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Before a lost box's key is signed out (replace.h), the other houses are asked: what they hold of
 * what it wrote comes here, for what is held here is the cut. In a thread, for two minutes at most;
 * who was not reached is named, and the volunteer decides.
 *
 * One round at a time; the last one is remembered until the box stops. Any thread.
 */
#pragma once
#include "appliance/app.h"
#include "sync/peer/peer.h"

enum {
	ASK_MS = 120000,    /* a round, at most */
	ASK_ONE_MS = 45000, /* one house */
};
/*   WAITS -> RUNS -> GAVE (it has nothing more for us) | MISSED (and why)   */
enum ask_state { ASK_WAITS, ASK_RUNS, ASK_GAVE, ASK_MISSED };
struct ask_house {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	enum ask_state state;
	char why[PEER_ERROR]; /* error_stored, of one that was missed */
};
struct ask_round {
	struct pubkey lost, successor;
	bool over;
	uint64_t before, entries; /* of the lost box, when it began and now; live ones */
	struct ask_house *house;  /* in the arena of who looks */
	size_t n;
};

struct ask *ask_new(struct app *a);
/* Breaks off what runs, and waits for the thread: before the engine stops. */
void ask_stop(struct ask *k);
void ask_free(struct ask *k); /* stops it, too */
/* Begin a round with every connected house but the lost one; one for the same two boxes that runs goes on.
 * *ret_any: there is somebody to ask. ERR_BUSY: another round runs. */
struct error *ask_begin(struct ask *k, const struct pubkey *lost, const struct pubkey *successor,
			bool *ret_any) MUST;
/* The round of now, or the last one. False: there was none, or it was forgotten. */
bool ask_look(struct ask *k, struct arena *arena, struct ask_round *ret);
void ask_forget(struct ask *k); /* one that is over */
