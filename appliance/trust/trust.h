/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Vouching: a box says in its home space that it knows another box's key. It is a hint for
 * volunteers who are to decide about that other box, and approves nothing by itself.
 *
 * A vouch is an op of the box (trust.vouch, signed with the appliance's key): who says "Casal Nord
 * vouches" must be Casal Nord, and a space's steward could be anybody. It is an object of its own;
 * trust.withdraw, by the same box, ends it for good. PROTOCOL.md 4.4.
 */
#pragma once
#include "appliance/community/community.h"

extern const struct feature trust_feature;

enum {
	TRUST_NOTE = 200,
	TRUST_DEPTH = 3, /* boxes between a box and the one we know */
	TRUST_CHAINS = 8,
	TRUST_LOOK = 200, /* vouches that are looked at for one box */
	TRUST_OF_ONE = 24, /* boxes that one peer of ours leads to, in trust_vouched */
};

struct vouch {
	struct hash id, space;
	struct pubkey box, key; /* box vouches for key */
	char name[LIMIT_NAME + 1], address[PEER_ADDRESS], note[TRUST_NOTE + 1];
	int64_t time;	      /* the voucher's clock */
	int64_t withdrawn_ms; /* 0: it stands */
};
typedef struct error *vouch_fn(void *ctx, const struct vouch *v);
/* Those that stand, of all spaces, by their ids (a date is only claimed), at most max: for a key; by a
 * box. */
struct error *vouch_for(struct conn *c, const struct pubkey *key, size_t max, vouch_fn *fn,
			void *ctx) MUST;
struct error *vouch_by(struct conn *c, const struct pubkey *box, size_t max, vouch_fn *fn,
		       void *ctx) MUST;
/* What a box says for a key: all that stands. */
struct error *vouch_of(struct conn *c, const struct pubkey *box, const struct pubkey *key,
		       vouch_fn *fn, void *ctx) MUST;

/* --- on the writer --- */
struct trust_vouching {
	struct pubkey key;
	const char *name, *address, *note; /* address and note may be NULL or "" */
};
/* This box vouches, in its home space; in place of what it said of the key before. ERR_INVALID,
 * ERR_NOT_FOUND without a space, ERR_NOT_ADMITTED where it may not write. */
struct error *trust_vouch(struct conn *c, const struct pubkey *self,
			  const struct trust_vouching *what) MUST;
/* This box takes back all that it said for the key, wherever it may still write. *ret_n: how many
 * that were. */
struct error *trust_withdraw(struct conn *c, const struct pubkey *self, const struct pubkey *key,
			     size_t *ret_n) MUST;

/* --- chains --- */
/* From a box that is a peer of ours (or from this box itself) to the key in question: link[0] is
 * the vouch of the box that we know, each next one is by the box that the one before is for, and
 * the last one is for the key. */
struct trust_chain {
	struct vouch link[TRUST_DEPTH];
	size_t n;
	bool self;	  /* link[0].box is this box */
	struct peer root; /* else: the peer that it is */
};
typedef struct error *chain_fn(void *ctx, const struct trust_chain *chain);
/* The shortest first, at most TRUST_CHAINS. Vouches of boxes that no chain of TRUST_DEPTH ties to
 * us say nothing, and are not shown. */
struct error *trust_chains(struct conn *c, const struct pubkey *self, const struct pubkey *key,
			   chain_fn *fn, void *ctx) MUST;
/* The boxes that such chains lead to and that are no peers of ours: the nearest first, each once, with
 * the vouch that was met first, at most TRUST_LOOK, of which no peer alone leads to more than
 * TRUST_OF_ONE: it may vouch for as many keys as it likes to make. A box whose voucher gave it no name
 * is left out, and leads no further. */
struct error *trust_vouched(struct conn *c, const struct pubkey *self, vouch_fn *fn, void *ctx) MUST;
