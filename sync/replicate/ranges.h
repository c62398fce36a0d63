/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Range-based set reconciliation of heads (Aljoscha Meyer, 2022; negentropy is a relative): two
 * boxes with many logs find the few rows in which they differ, for bytes that follow the difference
 * instead of the number of logs. PROTOCOL.md section 6.1.
 *
 * The side that asks draws a nonce. Every row gets a *place*, the first bytes of a hash over nonce
 * and log id, and a *tag*, the first bytes of a hash over nonce and the whole row. A range is all
 * rows whose places begin with the same bits; its *mark* is a hash over the rows in it, in order of
 * place. Marks and tags may be short, because the nonce is drawn after the rows exist: nobody who
 * makes logs can prepare two sets of rows that look alike, or rows that crowd into one range. What
 * slips through by chance (2^-48) is seen by the digests of heads, and the next round has another
 * nonce.
 *
 *   asks: a range, split, with a mark for each part ->  answers, for each part whose mark is not
 *   its own: that part split again, or, when few rows are in it, their tags
 *   -> …  -> asks: nothing any more; says the rows that the other has not, and which tags it lacks
 *
 * From these and its own rows the answerer puts together the whole list of the asker's rows
 * (ranges_apply), and goes on as if it had come in HEADS.
 *
 * Pure: no store, no I/O, any thread. All work is bounded by the rows on this side and the length
 * of what came: ranges in a frame rise and are apart, so that each row is hashed once a frame.
 */
#pragma once
#include "sync/replicate/stream.h"

enum {
	RANGES_FROM = 64,   /* rows; fewer are sent as HEADS */
	RANGES_STEPS = 3,   /* questions in one round; then HEADS are sent after all */
	RANGES_FEW = 64,    /* rows in a range that are named by their tags */
	RANGES_DEEP = 48,   /* bits of a place by which ranges are split */
	RANGES_SPLIT = 8,   /* bits by which one range is split at once */
	RANGES_ROWS = 40000 /* that fit into one frame */
};

/* Our rows, placed by a nonce. */
struct placed;
struct placed *placed_new(const uint8_t nonce[RANGES_NONCE], const struct head *heads, size_t n);
void placed_free(struct placed *p);
DEFINE_CLEANUP(struct placed *, placed_free)

/* --- the side that asks --- */
struct ranges_asker;
/* `heads` is what we hold, sorted; copied. */
struct ranges_asker *ranges_asker_new(const struct env *env, const struct hash *space,
				      const struct head *heads, size_t n);
void ranges_asker_free(struct ranges_asker *a);
DEFINE_CLEANUP(struct ranges_asker *, ranges_asker_free)
/* Both sides are known to hold the same heads: nothing is to be found out. */
void ranges_asker_equal(struct ranges_asker *a);
/* Is there something to ask? When not, ranges_ask gives the closing body, with rows and tags. */
bool ranges_asker_open(const struct ranges_asker *a);
/* Too many questions, or more rows than fit: HEADS are sent instead. */
bool ranges_asker_gives_up(const struct ranges_asker *a);
/* Append the body of the next frame; the same until the answer came. */
void ranges_ask(const struct ranges_asker *a, struct buf *out);
/* The answer to what was asked. ERR_MALFORMED. */
struct error *ranges_hear(struct ranges_asker *a, const struct range_frame *f) MUST;

/* A closing body that nothing was asked before: these rows, and lacking nothing. So the answer brings
 * nothing of any other log, and says of these what the other holds. At most RANGES_ROWS. */
void ranges_close(const struct env *env, const struct hash *space, const struct head *rows, size_t n,
		  struct buf *out);

/* --- the side that answers --- */
/* Append the body of the answer to a frame with questions. */
void ranges_answer(const struct range_frame *f, const struct head *ours, size_t n, struct buf *out);
/* The asker's whole list of rows, from a closing frame and our own rows (sorted). Appends struct
 * head to `out`, not sorted, each log once. */
void ranges_apply(const struct range_frame *f, const struct head *ours, size_t n, struct buf *out);

/* --- the body, for the stream --- */
/* Reads a body whose check held. The arrays live in the arena, marks and tags in the span. */
struct error *ranges_read(struct span body, struct arena *a, struct range_frame *ret) MUST;
