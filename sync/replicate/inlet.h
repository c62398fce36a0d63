/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An inlet: bytes from outside become frames; entries and forks among them become batches for the
 * writer, if the space is followed and the limits of this exchange hold. Shared by the session, the
 * serving side and the bundle; private to them.
 */
#pragma once
#include "sync/replicate/intake.h"
#include "sync/replicate/session.h"

/* Entries that we had already, in one exchange: more is a peer that keeps us busy. */
enum { LIMIT_REPETITIONS = 1000000 };

struct inlet {
	const struct secret *self;
	void *ctx;
	/* Do we take entries of this space? NULL: yes. */
	bool (*takes)(void *ctx, const struct hash *space);
	/* Is there room? As in session_options, with its ctx; NULL: yes. */
	bool (*room)(void *ctx, const struct log_id *log, const struct ingest *run, uint64_t bytes);
	void (*unused)(void *ctx, const struct log_id *log, const struct ingest *run,
		       size_t entries, uint64_t bytes);
	void (*in_vain_too)(void *ctx, const struct log_id *log, uint64_t bytes);
	void *room_ctx;
	uint64_t take_limit;   /* bytes; 0: any */
	uint64_t repeat_limit; /* entries that we had already; 0: any */
	struct stream_reader *reader;
	struct sync_report *report;
	struct wire_tally *tally; /* may be NULL */
	struct intake intake;
	bool writing; /* a batch was handed out and is not yet written */
	uint64_t taken;
	struct in_vain in_vain; /* of this stream */
	struct log_id no_room;	/* the log of the last frame for which there was none … */
	uint64_t no_room_from;	/* … and its first entry: what follows it has no place here */
};

/* Begin to read a new stream. */
void inlet_begin(struct inlet *in, unsigned expect);
void inlet_release(struct inlet *in);
void inlet_feed(struct inlet *in, struct span bytes);
/* The next frame. *ret_batch: it is a batch for the writer (and stays the frame in hand until
 * inlet_written). Entries that are not taken are passed over, with a row in the report. NULL: feed
 * more. */
struct error *inlet_next(struct inlet *in, const struct frame **ret_frame, bool *ret_batch) MUST;
/* Has as much come as is taken in one exchange, or nearly? */
bool inlet_is_full(const struct inlet *in);
/* After the writer's commit: adds the outcome to the report. */
void inlet_written(struct inlet *in);
/* The batch is not wanted after all: forget it. */
void inlet_pass(struct inlet *in);
