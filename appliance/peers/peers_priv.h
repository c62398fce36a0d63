/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of this folder share. */
#pragma once
#include "appliance/peers/peers.h"

/* peers_approve inside a job of the writer; the caller tells sync afterwards. */
struct error *peers_approve_in(struct app *a, struct conn *c,
			       const struct peers_approval *what) MUST;
/* ERR_INVALID, in words for who typed it. */
struct error *peers_check_address(const char *address) MUST;
/* Something changed about peers: the engine looks again. */
void peers_tell_sync(struct app *a);
/* What the peer said that it holds is no more believed. Any thread. */
void peers_announces_nothing(struct app *a, const struct pubkey *peer);
/* Does this box show the proof of an invitation of ours that is open? By the engine's connection.
 */
bool peers_has_invited(struct app *a, const struct pubkey *who, const uint8_t proof[PEER_CLAIM]);

/* What coming.c counted last: true when it was at the same state of log and views. */
struct coming_memo {
	int64_t change;	     /* log_change */
	uint64_t generation; /* community_generation */
	uint64_t entries, missing;
	uint64_t open_entries, open_missing; /* of public spaces alone */
};
bool peers_coming_known(struct app *a, struct coming_memo *io);
void peers_coming_is(struct app *a, const struct coming_memo *m);
