/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The stream: the one byte format in which entries travel, over the network, in a bundle file and in
 * a backup. PROTOCOL.md section 5. A magic, a version, and frames; every frame says its length and
 * carries its own BLAKE2b-256 check (16 bytes of it), so that a torn or flipped frame is noticed and
 * what arrived whole before it is kept.
 *
 * Writing and reading are pure: bytes in, frames out, no I/O, any thread.
 */
#pragma once
#include "sync/base/arena.h"
#include "sync/base/buf.h"
#include "sync/log/log.h"

enum frame_type {
	FRAME_ENTRIES = 1, /* a contiguous run of one log */
	FRAME_HEADS = 2,   /* heads of one space, as the sender holds them */
	FRAME_FORK = 3,    /* a fork proof */
	FRAME_BLOB = 4,    /* a piece of a blob (bundles only) */
	FRAME_LOCATOR = 5, /* sampled hashes of one log, to find where it forked */
	FRAME_NOTE = 6,    /* what was left out and why */
	FRAME_END = 7      /* the stream is whole; number of frames */
};

/* What one side holds of one log. */
struct head {
	struct log_id id;
	uint64_t seq;      /* live head */
	struct hash hash;  /* of the header at seq; zero when seq is 0 */
	uint64_t frozen;   /* lowest forked sequence known, 0 for none */
	uint64_t missing;  /* payloads not held at or before seq */
};

struct frame {
	enum frame_type type;
	union {
		struct ingest entries; /* headers and payloads live in the reader's arena */
		struct {
			struct hash space;
			const struct head *heads;
			size_t n;
		} heads;
		struct fork_proof fork;
		struct {
			struct hash hash;
			uint64_t size, offset;
			struct span bytes;
		} blob;
		struct {
			struct log_id id;
			size_t n;
			const struct locator_sample {
				uint64_t seq;
				struct hash hash;
			} *samples; /* falling sequences */
		} locator;
		struct {
			struct log_id id;
			uint64_t seq;
			enum error_code why;
		} note;
		uint64_t end_frames;
	};
};

/* --- writing --- */
void stream_begin(struct buf *out); /* magic and version */
/* Collects entries of one log into frames of bounded size. */
struct stream_entries;
void stream_put_heads(struct buf *out, const struct hash *space, const struct head *heads, size_t n);
void stream_put_fork(struct buf *out, const struct fork_proof *proof);
void stream_put_locator(struct buf *out, const struct log_id *id,
			const struct locator_sample *samples, size_t n);
void stream_put_blob(struct buf *out, const struct hash *hash, uint64_t size, uint64_t offset,
		     struct span bytes);
void stream_put_note(struct buf *out, const struct log_id *id, uint64_t seq, enum error_code why);
void stream_put_end(struct buf *out, uint64_t frames);
/* Append one frame of entries first..first+n-1 of a log: as many of them as fit the frame limits;
 * *ret_taken tells how many (at least one when n > 0). Only live entries may be given. */
void stream_put_entries(struct buf *out, const struct log_id *id, const struct stored *entries,
			size_t n, size_t *ret_taken);

/* --- reading --- */
struct stream_reader;
struct stream_reader *stream_reader_new(void);
void stream_reader_free(struct stream_reader *r);
DEFINE_CLEANUP(struct stream_reader *, stream_reader_free)
/* Give more bytes (copied). */
void stream_feed(struct stream_reader *r, struct span bytes);
/* The next whole frame: *ret_frame is borrowed until the next call, NULL when more bytes are
 * needed. ERR_MALFORMED, ERR_VERSION, ERR_LIMIT: nothing behind it can be read. An unknown frame type is
 * skipped (its check must hold). */
struct error *stream_next(struct stream_reader *r, const struct frame **ret_frame) MUST;
/* After the last byte: NULL when the stream ended whole (FRAME_END seen and nothing behind it),
 * ERR_MALFORMED "cut off" otherwise. */
struct error *stream_finish(struct stream_reader *r) MUST;
