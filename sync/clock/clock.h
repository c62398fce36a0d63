/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What time is it? For a box whose clock may say 1970, or nothing true. Pure: what is known comes
 * in as events, the best guess goes out with its quality. PROTOCOL.md section 1 says that no time
 * ever decides what is accepted, so a wrong guess misdates what is written here, and does nothing
 * else.
 *
 * The rule, the first that applies:
 *   SURE   the system says that its clock is synchronised: it is believed, whatever anybody says.
 *   PEERS  at least CLOCK_QUORUM approved boxes were heard within CLOCK_FRESH_MS: the median of
 *          what they say. Fewer than half of them can't move it beyond what an honest one says.
 *          With fewer boxes: only forward, at most CLOCK_LEAP_MS beyond what was known, and when the
 *          system's clock is certainly wrong: it is behind what was known already, or it stood while
 *          the box was off (a board without a clock of its own, after a summer in the cupboard).
 *   TOLD   a person told the time in this run: that, and what passed since.
 *   SEEN   the system's clock is behind what was known already, or what a person had told before the
 *          restart: the later of the two, and what passed since.
 *   UNSURE the system's clock, which nothing vouches for.
 *
 * What is UNSURE may still be right, and most often is: a computer without a network keeps its time. What
 * speaks for it and against it is its `word`, for those who have to decide whether a person should be
 * asked; it moves nothing.
 *
 * Invariants
 *  1. A guess is never earlier than the newest moment known (`known`: when this box last ran, its
 * own newest entries), unless the clock is SURE.
 *  2. What a person told is never `known`: told again, it may be earlier than before, and it is
 *     forgotten once the clock is SURE or a quorum of boxes agrees. It vouches for nothing: other
 *     boxes hear of it as of a clock that nothing confirms.
 *  3. One box, or fewer than half of a quorum, moves it by at most CLOCK_LEAP_MS, and never when it
 * is SURE.
 *
 * One thread at a time; clock_env.h locks.
 */
#pragma once
#include "sync/crypto/crypto.h"

enum { CLOCK_PEERS = 64, CLOCK_QUORUM = 3 };
#define CLOCK_FRESH_MS ((int64_t)24 * 3600 * 1000)
#define CLOCK_LEAP_MS  ((int64_t)400 * 24 * 3600 * 1000)

enum clock_quality { CLOCK_SURE, CLOCK_FROM_PEERS, CLOCK_FROM_SEEN, CLOCK_UNSURE, CLOCK_TOLD };
/* "sure", "peers", "seen", "unsure", "told" */
const char *clock_quality_name(enum clock_quality q);

/* The first that applies:
 *   AGAINST  it was behind what is known (SEEN), or fewer peers than a quorum say another time
 *   FOR      they say the same; or the clock was right since the machine was switched on, and ran on; or the
 *            machine has a clock of its own, which agrees
 *   AGAINST  the machine has none, so that its clock stood while it was off
 *   NOTHING  it can't be known whether it has one */
enum clock_word { CLOCK_NOTHING, CLOCK_FOR, CLOCK_AGAINST };
/* Farther apart than that are two times, not one. */
#define CLOCK_APART_MS ((int64_t)3600 * 1000)

struct clock {
	bool synced, stood;
	bool backed; /* the machine's own clock agrees, or the system's was right before in this run */
	int64_t known, known_mono; /* the newest moment known, and when it was told */
	int64_t told, told_mono;   /* likewise, by a person; 0: not */
	bool told_now;		   /* in this run: nothing but the monotonic clock is between */
	struct clock_peer {
		struct pubkey key;
		int64_t ahead; /* of what the monotonic clock says; what they said minus that */
		int64_t mono;  /* when it was heard */
	} peers[CLOCK_PEERS];
	size_t n;
};

/* --- events --- */
void clock_synced(struct clock *c, bool synced);
/* Did the system's clock stand while the box was off? Until then it can't be right. */
void clock_stood(struct clock *c, bool stood);
/* The system's clock goes on from a right moment: the machine's own clock says the same, or it was
 * synchronised. */
void clock_backed(struct clock *c);
/* This moment was: when the box last ran, an own entry. Only a later one counts. */
void clock_seen(struct clock *c, int64_t time_ms, int64_t mono);
/* A person says that it is this moment. false: it is before what is known, and not taken. */
bool clock_told(struct clock *c, int64_t time_ms, int64_t mono);
/* A person had said so before a restart: it is at least as late. 0: nobody had. */
void clock_was_told(struct clock *c, int64_t time_ms, int64_t mono);
/* What was told, and what passed since; 0: nothing was. */
int64_t clock_of_told(const struct clock *c, int64_t mono);
void clock_forget_told(struct clock *c);
/* An approved peer said its time. The one heard longest ago gives way. */
void clock_heard(struct clock *c, const struct pubkey *key, int64_t said_ms, int64_t mono);

/* Do enough peers say what time it is for their median to be known from now on? What fewer say is
 * believed and not known: else one could move it on by CLOCK_LEAP_MS again and again. */
bool clock_agreed(const struct clock *c, int64_t mono);

/* The newest moment known, and what passed since; 0: none. */
int64_t clock_floor(const struct clock *c, int64_t mono);

/* --- the guess, while the system's clock says `system` --- */
int64_t clock_now(const struct clock *c, int64_t system, int64_t mono,
		  enum clock_quality *ret_quality);
/* What else is known of that guess `now` of that quality. */
enum clock_word clock_word(const struct clock *c, enum clock_quality q, int64_t now, int64_t mono);
