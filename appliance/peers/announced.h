/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What peers say that they hold of each space, and how long it is believed: for people who wait for
 * a first sync. A peer may say anything, and any visitor reads it on the first page. So what is
 * believed has to come:
 *
 *  1. Of what is left of a peer's number when an exchange with it ended, that exchange must have
 * brought a part (ANNOUNCED_PART). An entry now and then is no first sync.
 *  2. What is left must fall to half within ANNOUNCED_MS, however much comes, and whether exchanges
 * end or break off.
 *
 * A number that does not is forgotten, and for a while none of that peer is heard about that space:
 * ANNOUNCED_MS, and twice as long each time.
 *
 * Plain data, one thread at a time. Times are of env_mono.
 */
#pragma once
#include "appliance/peers/peers.h"

enum { ANNOUNCED_PART = 100, ANNOUNCED_MS = 24 * 3600 * 1000, ANNOUNCED_DOUBLINGS = 5 };

struct announced {
	struct announced_row {
		struct peers_announced said;
		bool believed;
		uint64_t mark;	 /* what was left when it had fallen to half; UINT64_MAX: not known
				    yet */
		int64_t mark_ms; /* when */
		int64_t deaf_ms; /* until then nothing is heard */
		unsigned times;	 /* that it was not so */
	} rows[PEERS_ANNOUNCED];
	size_t n;
};

void announced_hear(struct announced *a, const struct peers_announced *said, int64_t now);
/* An exchange with the peer brought so much: entries, and contents of those that were here. `left`
 * says of a space how much of the peer's number is not here now. */
typedef uint64_t announced_left_fn(void *ctx, const struct peers_announced *said);
void announced_ended(struct announced *a, const struct pubkey *peer, uint64_t moved,
		     announced_left_fn *left, void *ctx, int64_t now);
/* It is paused, or no peer any more. */
void announced_forget(struct announced *a, const struct pubkey *peer);
/* What is believed. Returns how many. */
size_t announced_list(struct announced *a, int64_t now,
		      struct peers_announced out[PEERS_ANNOUNCED]);
