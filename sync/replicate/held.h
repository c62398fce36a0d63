/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The proof that a box holds payloads: who asks draws a nonce, who answers hashes it with the bytes
 * themselves, which headers do not tell. Both sides hold what is proved, so both work out the same.
 * A partial box asks before it lets go of anything. PROTOCOL.md section 7.4. Pure: bytes in, bytes
 * out; reads the log of the calling thread.
 */
#pragma once
#include "sync/replicate/session.h"

#define SYNC_PATH_HELD "/sync/1/held"

enum {
	HELD_ENTRIES = 1024,		       /* (P) of one question */
	HELD_BYTES = 16 * 1024 * 1024,	       /* (P) of payload that one answer hashes */
	HELD_BODY = HELD_ENTRIES * 160 + 1024, /* a question, and an answer */
};

struct held_entry {
	struct log_id id;
	uint64_t seq;
	bool held; /* proved */
};
/* A piece of a blob: a large one is proved in several questions. */
struct held_piece {
	struct blob_piece what;
	bool held; /* proved */
};
/* Sorted by (log, sequence), each once. */
void held_sort(struct held_entry *e, size_t *io_n);

/* Append the question: at most HELD_ENTRIES, sorted. */
void held_question(const struct hash *nonce, const struct held_entry *e, size_t n, struct buf *out);
/* The other side: the answer to it. What the peer may not read counts as not held, and so does what
 * this box does not follow and would not keep. ERR_MALFORMED, ERR_LIMIT. */
struct error *held_answer(const struct session_options *o, struct log_store *log,
			  struct span question, struct buf *out) MUST;
/* Sets `held` of what the answer proves that `peer` holds: nothing when it is wrong, or when that
 * box keeps only a part itself, for then it may let go of it, too. */
struct error *held_weigh(const struct pubkey *self, const struct pubkey *peer,
			 struct log_store *log, const struct hash *nonce, struct held_entry *e,
			 size_t n, struct span answer) MUST;

/* The same of at most LIMIT_PIECES pieces of blobs, each once, of HELD_BYTES in all. A question is about
 * entries or about pieces; held_answer answers both. */
void held_pieces_question(const struct hash *nonce, const struct held_piece *p, size_t n,
			  struct buf *out);
struct error *held_pieces_weigh(const struct pubkey *self, const struct pubkey *peer,
				struct blob_store *blobs, const struct hash *nonce,
				struct held_piece *p, size_t n, struct span answer) MUST;
