/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When to exchange with whom. Pure: events and the time go in, the next exchange comes out; the
 * caller runs it and says how it went. One thread at a time.
 *
 *            something to do, not before `due`
 *   IDLE ----------------------------------------> WAITING
 *    ^   <------------------------------ nothing --   | schedule_next, at `due`
 *    |                                                v
 *    +------------------- schedule_done --------- RUNNING
 *
 * There is something to do for a peer that can be reached
 *  - when it announces a digest: unless it equals ours, or both are what they were when the last
 *    exchange with it ended well (*settled*: what then still differed, it does not take or does not
 *    give);
 *  - when it does not announce one: as soon as ours is not what it was then;
 *  - from time to time in any case, because announcements can be forged;
 *  - when a person asks.
 *
 * Invariants
 *  1. At most one exchange with a peer at a time; one that is not in the table is never named.
 *  2. After a failure the next try waits longer and longer (SCHEDULE_RETRY to SCHEDULE_RETRY_LAST,
 *     with jitter), but every address of the peer is tried once before the first wait; a peer that
 *     appears again, and a person, cut the wait short.
 *  3. schedule_hold (a peer that misbehaves) and schedule_close (a metered line outside its hours)
 *     put everything off that no person asks for; the second not for who is seen on this network.
 *  4. Of two boxes that hear of one change, the one that made it comes first: the other waits
 *     SCHEDULE_COURTESY; once, for whoever announces something else every moment (a prankster in
 *     its name, two boxes with one key) would put everything off for ever.
 */
#pragma once
#include "sync/base/env.h"
#include "sync/discovery/discovery.h"
#include "sync/peer/peer.h"

enum {
	SCHEDULE_POKE = 2000,	  /* after the first of a burst of local writes */
	SCHEDULE_COURTESY = 1000, /* after somebody else's change */
	SCHEDULE_SERVED = 2000,	  /* after it has just exchanged with us */
	SCHEDULE_RETRY = 5000,	  /* after the first failure; doubles */
	SCHEDULE_RETRY_LAST = 300000,
	SCHEDULE_RETRY_NEAR = 60000, /* the longest for a peer that is seen on this network */
	SCHEDULE_NETWORK = 1000,     /* after a link came up: addresses take a moment */
	SCHEDULE_REGULAR = 300000,   /* a peer whose state we can't hear */
	SCHEDULE_EQUAL = 3600000,    /* one that announces what we hold */
	SCHEDULE_QUICK = 20000,	     /* who took longer last time is no quick one */
};

struct schedule;
struct schedule *schedule_new(const struct env *env); /* for jitter only */
void schedule_free(struct schedule *s);
DEFINE_CLEANUP(struct schedule *, schedule_free)

/* The approved peers. Who is new is due at once, unless it announces what we hold; who is gone is
 * forgotten, also while RUNNING. */
void schedule_peers(struct schedule *s, const struct peer *peers, size_t n, int64_t now);
/* A cable was put in, an address given: whoever could not be reached is tried soon. */
void schedule_network(struct schedule *s, int64_t now);
/* The boxes that discovery sees, one row a key; again after schedule_peers, for those who are new there. */
void schedule_seen(struct schedule *s, const struct seen_box *boxes, size_t n, int64_t now);
/* A peer has come to us, and says that it listens there ("": nowhere): an address to try. */
void schedule_hint(struct schedule *s, const struct pubkey *key, const char *address, int64_t now);
/* Addresses of a peer, the most promising first (those seen on this network come before them). New
 * ones are tried at once. */
enum { SCHEDULE_KNOWN = 8 };
void schedule_addresses(struct schedule *s, const struct pubkey *key,
			const char (*addresses)[PEER_ADDRESS], size_t n, int64_t now);
/* A peer has finished an exchange with us. */
void schedule_served(struct schedule *s, const struct pubkey *key, int64_t now);
/* Something was written here. After SCHEDULE_POKE, schedule_wants_digest says true until … */
void schedule_poke(struct schedule *s, int64_t now);
bool schedule_wants_digest(const struct schedule *s, int64_t now);
/* … our digest is told. (It may be told at any time.) */
void schedule_ours(struct schedule *s, const uint8_t digest[DISCOVERY_DIGEST], int64_t now);
/* A person asks: with this peer, or (NULL) all. false: there is no such peer, or no way to reach
 * it. */
bool schedule_ask(struct schedule *s, const struct pubkey *key, int64_t now);

struct schedule_job {
	struct pubkey key;
	char address[PEER_ADDRESS];
	bool asked; /* by a person */
	bool near;  /* the address is one that was announced on this network, by whomever */
};
/* The next exchange, now RUNNING; false: none is due. */
bool schedule_next(struct schedule *s, int64_t now, struct schedule_job *ret);
/* The same among the quick ones, so that some that drag on can't keep all the others waiting. */
bool schedule_next_quick(struct schedule *s, int64_t now, struct schedule_job *ret);
/* Nothing with this peer before `until` (0: from now on as usual), unless a person asks. */
void schedule_hold(struct schedule *s, const struct pubkey *key, int64_t until, int64_t now);
/* Nothing with anybody who is not seen on this network before `until` (0: as usual), nor, with `loopback`,
 * with who is on this machine. */
void schedule_close(struct schedule *s, int64_t until, bool loopback, int64_t now);
/* What is settled with this peer may have changed: its quota was raised, it brought an address. */
void schedule_anew(struct schedule *s, const struct pubkey *key, int64_t now);
/* Is it seen on this network? */
bool schedule_is_near(struct schedule *s, const struct pubkey *key);
/* It has ended. ours: our digest at the moment when both sides had nothing more for each other;
 * NULL when that can't be said (it failed, or something was written meanwhile). */
void schedule_done(struct schedule *s, const struct pubkey *key, bool ok,
		   const uint8_t ours[DISCOVERY_DIGEST], int64_t now);
/* Does a person wait for this peer's exchange? */
bool schedule_is_asked(struct schedule *s, const struct pubkey *key);
/* Milliseconds until schedule_next or schedule_wants_digest may say true; at most `most`. */
int64_t schedule_wait(const struct schedule *s, int64_t now, int64_t most);
