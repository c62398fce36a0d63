/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The number that two people compare before they approve each other's boxes: six digits that nobody
 * who stands between the boxes can make alike, but by luck, once in a million. PROTOCOL.md section
 * 10.
 *
 * A volunteer's act begins an attempt for one key. Each side draws a nonce, says H of it (its
 * commitment), and says the nonce itself only to who has committed already; so nobody can choose a
 * nonce by the other's. The number is made of both keys and both nonces.
 *
 * Pure: words in, words out, no I/O; the caller sees to it that each word comes from who holds the
 * key (mutual TLS), and that one thread at a time is here. Nothing of it is written to disk.
 *
 * Invariants: 1. Our nonce is in no word before the other's commitment is held. 2. The commitment
 * that came first in an attempt is the only one of it. 3. Another nonce than the committed one ends
 * the attempt. 4. In an hour at most PAIR_AN_HOUR attempts begin, of all keys together.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/base/env.h"
#include "sync/crypto/crypto.h"
#include "sync/peer/peer.h"

#define SYNC_PATH_PAIR "/sync/1/pair"

enum {
	PAIR_NONCE = 32,
	PAIR_AN_HOUR = 12,
	PAIR_WAIT_MS = 600000,	/* so long an attempt waits for the other side … */
	PAIR_SHOWN_MS = 600000, /* … and so long its number is good */
	PAIR_CALL_MS = 2500,	/* between two calls of one attempt */
	PAIR_LATER_MS = 15000,	/* the same when the other box knows nothing of numbers */
	PAIR_BODY = 1024,	/* bytes of a request or an answer */
};

struct hash pair_commitment(const struct pubkey *of, const struct pubkey *to,
			    const uint8_t nonce[PAIR_NONCE]);
/* The same on both sides: whose is a, whose is b does not matter. "123 456". */
void pair_number(const struct pubkey *a, const uint8_t nonce_a[PAIR_NONCE], const struct pubkey *b,
		 const uint8_t nonce_b[PAIR_NONCE], char out[8]);

/* --- what one side says: the body of FRAME_PAIR --- */
enum pair_form {
	PAIR_CLOSED,  /* no volunteer has begun an attempt for your key */
	PAIR_COMMITS, /* my commitment, and yours as I hold it */
	PAIR_REVEALS, /* and my nonce */
};
struct pair_word {
	enum pair_form form;
	struct hash commitment;
	struct hash heard; /* zero: none */
	uint8_t nonce[PAIR_NONCE];
};
/* A stream of one word. */
void pair_write(const struct pair_word *w, struct buf *out);
struct error *pair_read(struct span stream, struct pair_word *ret) MUST; /* ERR_MALFORMED */

/* --- the attempts of one box --- */
struct pairs;
struct pairs *pairs_new(const struct env *env, const struct pubkey *self);
void pairs_free(struct pairs *p);

/* A volunteer wants a number for this key, or (anew) another one. An attempt that is there stays as
 * it is unless anew, also when it is over: what begins one is an act. address (may
 * be NULL or ""): where the box may be called, unless that is known already. ERR_RATE: too many were
 * begun. */
struct error *pairs_begin(struct pairs *p, const struct pubkey *key, const char *address,
			  bool anew) MUST;
struct error *pairs_may_begin(const struct pairs *p) MUST; /* ERR_RATE: not one more, now */
/* Where the box is, as far as this one knows: for an attempt that is there and knows no address. */
void pairs_known_at(struct pairs *p, const struct pubkey *key, const char *address);
/* A volunteer says where the box is: it is called there at once, and no more where it was before. */
void pairs_call_at(struct pairs *p, const struct pubkey *key, const char *address);

enum pair_state {
	PAIR_NONE,   /* nobody has begun one within the last hour */
	PAIR_WAITS,  /* for the other side */
	PAIR_SHOWN,  /* the number is there */
	PAIR_BROKEN, /* another nonce came than was committed to */
	PAIR_OVER,   /* its time has passed */
};
struct pair_view {
	enum pair_state state;
	char number[8];		/* of PAIR_SHOWN */
	bool called;		/* there is an address to call */
	bool older;		/* the other box knows nothing of numbers */
	bool anew;		/* the other volunteer has begun anew: so must this one */
	bool behind;		/* the other way round */
	char error[PEER_ERROR]; /* stored sentence of the last call that failed; "" after one that
				   did not */
};
void pairs_look(struct pairs *p, const struct pubkey *key, struct pair_view *ret);

/* What we say to this key now; what it says to us. */
void pairs_say(struct pairs *p, const struct pubkey *key, struct pair_word *ret);
void pairs_hear(struct pairs *p, const struct pubkey *key, const struct pair_word *w);

/* --- calling: an attempt that waits and has an address --- */
struct pair_call {
	struct pubkey key;
	char address[PEER_ADDRESS];
};
/* The next one that is due; it is not due again before PAIR_CALL_MS have passed. */
bool pairs_next(struct pairs *p, struct pair_call *ret);
int64_t pairs_wait(struct pairs *p, int64_t most); /* milliseconds until one is */
/* How it went. error: a stored sentence, NULL when it answered. */
void pairs_called(struct pairs *p, const struct pubkey *key, bool older, const char *error);
