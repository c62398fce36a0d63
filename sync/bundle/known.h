/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What peers are known to hold, for bundles that carry only what one of them lacks. Learnt from an
 * exchange that ended equal, and from the claims of bundles. Lives in local.db; read through any
 * connection, written on the writer.
 *
 * Invariant: what is known of a peer is never more than it held at the newest moment that we can be
 * sure of. Sticks lie in drawers and are read in any order, and a box may have been set back
 * between two of them, so (known_weigh):
 *   - of one incarnation of the peer, the claim with the higher serial counts; against what was
 *     learnt from an exchange, one that says no less;
 *   - of two incarnations, the one that knows a log of the other is the later;
 *   - where neither shows, what both say it held counts, and nothing more.
 * Knowing too little costs bytes; knowing too much would leave a gap.
 */
#pragma once
#include "sync/bundle/claim.h"
#include "sync/db/db.h"
#include "sync/replicate/heads.h"

/* What an exchange and a claim have in common, when it does not show which is the later: until the
 * next exchange no claim replaces it, also when one is read again. */
#define KNOWN_OF_SEVERAL ((uint64_t)INT64_MAX)

struct known_missing {
	struct log_id id;
	const struct seq_range *ranges;
	size_t n;
};

/* In an arena. */
struct known {
	uint64_t incarnation; /* 0: it did not say, or of several */
	uint64_t serial;      /* of the claim; 0: from an exchange; KNOWN_OF_SEVERAL */
	int64_t when_ms;	      /* our clock when we learnt it */
	struct head *heads;	      /* sorted by log id, all spaces together */
	size_t n_heads;
	struct known_missing *missing; /* payloads that it would like to have */
	size_t n_missing;
	struct hash *spaces; /* that it was speaking of */
	size_t n_spaces;
};

/* For db_migrate(local, "known", …), run by whoever opens local.db to write. */
extern const char *const known_migrations[];
extern const int known_migrations_n;

/* ERR_NOT_FOUND: nothing is known. */
struct error *known_get(struct db *local, const struct pubkey *peer, struct arena *a,
			struct known *ret) MUST;
/* A bundle from the peer (whom the caller knows to be one) was read. */
struct error *known_claimed(struct db *local, const struct bundle_claim *c, int64_t now_ms) MUST;
/* An exchange with the peer ended, in which it said this digest of the space's heads: when ours is
 * the same now, it holds what we hold. Writes nothing when that is known already, and of a space
 * with many logs not more often than every KNOWN_EVERY_MS: rows of a megabyte at every message
 * would wear a card out, and knowing a little less costs only bytes. incarnation: in which it writes
 * (0: it did not say); what was known of it in another one is forgotten, for it may have been set
 * back since. */
enum { KNOWN_EVERY_MS = 600000, KNOWN_MANY = 64 };
struct error *known_met(struct db *local, struct log_store *log, const struct pubkey *peer,
			const struct space_digest *theirs, uint64_t incarnation,
			int64_t now_ms) MUST;
struct error *known_forget(struct db *local, const struct pubkey *peer) MUST;
/* The next number for a bundle of ours. */
struct error *known_next_serial(struct db *local, uint64_t *ret) MUST;

/* --- pure --- */
enum known_verdict { KNOWN_IGNORE, KNOWN_REPLACE, KNOWN_LOWER };
enum known_verdict known_weigh(const struct known *stored, const struct known *claimed,
			       const struct pubkey *peer);
/* What both say, x being what is stored: *ret in the arena. With the wishes of both; if they are more
 * than KNOWN_WISHES, nothing is known any more. */
enum { KNOWN_WISHES = 8192 };
void known_lower(const struct known *x, const struct known *y, struct arena *a, struct known *ret);
/* What the frames of a claim (HEADS, MISSING) say; the rest of k stays. ERR_MALFORMED,
 * ERR_LIMIT. */
struct error *known_parse(struct span frames, struct arena *a, struct known *k) MUST;
