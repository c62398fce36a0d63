/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The stream: the one byte format in which entries travel, over the network, in a bundle file and
 * in a backup; every body of the sync requests is one. PROTOCOL.md section 5. A magic with a
 * version, and frames; every frame says its length and carries its own check (16 bytes of a
 * BLAKE2b-256), so that a torn or flipped frame is noticed and what arrived whole before it is
 * kept.
 *
 * Writing and reading are pure: bytes in, frames out, no I/O, any thread. A reader holds one frame
 * at a time (LIMIT_FRAME) and the headers decoded from it.
 */
#pragma once
#include "sync/base/arena.h"
#include "sync/base/buf.h"
#include "sync/log/log.h"
#include "sync/replicate/keep.h"

enum frame_type {
	FRAME_ENTRIES = 1,  /* a contiguous run of one log */
	FRAME_HEADS = 2,    /* heads of one space */
	FRAME_FORK = 3,	    /* a fork proof */
	FRAME_BLOB = 4,	    /* a piece of a blob (bundles only) */
	FRAME_LOCATOR = 5,  /* sampled hashes of one log, to find where it forked */
	FRAME_NOTE = 6,	    /* what was refused or left out, and why */
	FRAME_END = 7,	    /* the stream is whole; number of frames before this one */
	FRAME_HELLO = 8,    /* who speaks: name, clock (status) */
	FRAME_DIGESTS = 9,  /* digests of the heads of spaces */
	FRAME_MISSING = 10, /* payloads of one log that the sender would like to have */
	FRAME_RESULT = 11,  /* what became of a push */
	FRAME_RANGES = 12,  /* heads of one space where there are many: ranges.h */
	FRAME_RECEIPT = 13, /* a signed receipt of an exchange */
	FRAME_ADDRESSES = 14, /* where a box says that it listens: sync/peer/addresses.h */
	FRAME_PARTIAL = 15, /* what a partial box keeps (status) */
	FRAME_COUNTS = 18,  /* how many entries of each space the speaker holds, about (status) */
	FRAME_PROOF = 17,   /* of what a box holds: a nonce, and the answer (held.h) */
	FRAME_PAIR = 19,    /* of the number that people compare: sync/peer/pair.h */
	FRAME_SINCE = 20,   /* heads of one space, said by a state that both have agreed on: past.h */
	FRAME_PIECES = 22,  /* pieces of blobs, of which a proof is wanted or not given (held.h) */
	FRAME_SYSTEM = 21,  /* which system a box runs: sync/peer/system.h */
	FRAME_CLAIM = 16,   /* who wrote a bundle, and that its heads are what the writer holds */
};
/* For stream_expect: which types a reader hands out; others are an error. */
#define FRAME_BIT(type) (1u << (type))

enum {
	STREAM_MAGIC = 8,	   /* "LLIURE", 0, version 1 */
	FRAME_OVERHEAD = 5 + 16,   /* type, length; check */
	LIMIT_MISSING_RANGES = 64, /* (P) ranges in one FRAME_MISSING */
	LIMIT_PIECES = 64,	   /* (P) rows in one FRAME_PIECES */
	RANGES_NONCE = 16,
	RANGES_MARK = 6, /* bytes of a mark, and of a tag */
};

/* What a box can do beyond the first version of the exchange; bits, said in FRAME_HELLO. */
enum ability {
	ABILITY_RANGES = 1, /* answers FRAME_RANGES in a pull */
	ABILITY_SINCE = 2   /* and FRAME_SINCE */
};

/* What vouches for a clock, said in FRAME_HELLO: as enum clock_quality plus one; a person's word
 * (CLOCK_TOLD) is said as nothing. */
enum hello_clock { HELLO_CLOCK_UNSAID, HELLO_CLOCK_SURE, HELLO_CLOCK_PEERS, HELLO_CLOCK_SEEN,
		   HELLO_CLOCK_UNSURE };

/* What ends the live part of a log. The lowest counts; at the same sequence a fork does. */
enum head_mark { HEAD_OPEN = 0, HEAD_FORKED = 1, HEAD_ENDED = 2 };

/* What one side holds of one log: PROTOCOL.md section 6. */
struct head {
	struct log_id id;
	uint64_t seq;	     /* live head, 0 for none */
	struct hash hash;    /* of the header at seq; zero when seq is 0 */
	enum head_mark mark; /* why nothing behind mark_seq - 1 is live */
	uint64_t mark_seq;   /* 0 for HEAD_OPEN */
};

struct space_digest {
	struct hash space;
	struct hash heads;   /* heads_digest */
	uint8_t missing[16]; /* of the missing payloads; zero when there are none */
};

/* For people, who wait for a large first sync; nothing is decided by it. */
struct space_count {
	struct hash space;
	uint64_t entries;
};

struct seq_range {
	uint64_t first, last;
};

struct blob_piece {
	struct hash blob;
	uint64_t at, n; /* bytes from there on; n is not 0 */
};

struct locator_sample {
	uint64_t seq;
	struct hash hash;
};

/* All rows whose place begins with the first `depth` bits of `at`. */
struct range_id {
	unsigned depth;
	uint64_t at;
};
enum { RANGE_PARTS = 0, RANGE_WANT = 254, RANGE_TAGS = 255 };
struct range_item {
	struct range_id range;
	unsigned form;
	unsigned bits;	   /* of RANGE_PARTS: 1 << bits parts */
	struct span marks; /* of the parts; tags of the rows */
};
struct range_frame {
	struct hash space;
	uint8_t nonce[RANGES_NONCE];
	const struct range_item *items; /* rising, apart; none: it closes the matter */
	size_t n;
	const struct head *rows; /* sorted; only in a closing frame */
	size_t n_rows;
	struct span tags; /* likewise: of rows that the speaker lacks */
	struct span body; /* all of it, as it came */
};

/* The end of a bundle: PROTOCOL.md section 9; see sync/bundle/claim.h. */
struct stream_claim {
	struct pubkey writer, receiver; /* receiver zero: for anybody */
	uint64_t incarnation, serial;
	int64_t time_ms;
	struct hash heads; /* of the frames of heads and missing payloads before it */
	struct signature signature;
};

struct frame {
	enum frame_type type;
	union {
		struct ingest entries; /* headers and payloads live in the reader */
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
			const struct locator_sample *samples; /* falling sequences */
			size_t n;
		} locator;
		struct {
			struct log_id id; /* appliance and incarnation zero: about the space */
			uint64_t seq;
			enum error_code why; /* ERR_INTERNAL for a reason that we do not know */
		} note;
		struct {
			int64_t clock_ms;
			char name[LIMIT_NAME + 1]; /* one clean line, whatever came */
			uint32_t abilities;	   /* enum ability; unknown bits may be set */
			uint8_t clock;		   /* enum hello_clock: what vouches for clock_ms */
			uint64_t incarnation;	   /* in which it writes now; 0: unsaid */
		} hello;
		struct range_frame ranges;
		struct {
			struct hash space;
			struct hash state; /* a digest of heads; zero in an answer: not known */
			const struct head *rows; /* sorted: what is otherwise now */
			size_t n;
		} since;
		struct {
			struct keep keep;
			bool wanting; /* of what it keeps, something is missing there */
			const struct hash *unkept; /* spaces of which it fetches nothing any more */
			size_t n;
		} partial;
		struct {
			const struct space_digest *rows;
			size_t n;
		} digests;
		struct {
			struct log_id id;
			const struct seq_range *ranges; /* rising, apart */
			size_t n;
		} missing;
		struct {
			uint64_t added, filled, known;
		} result;
		struct {
			struct signature sig;
			struct span bytes; /* sync/peer/receipt.h */
		} receipt;
		struct span addresses; /* the whole body, borrowed */
		struct span pair;      /* likewise */
		struct span system;    /* likewise */
		uint64_t end_frames;
		struct stream_claim claim;
		struct hash proof;
		struct {
			const struct blob_piece *rows;
			size_t n;
		} pieces;
		struct {
			const struct space_count *rows;
			size_t n;
		} counts;
	};
};

/* --- writing: each appends to out; the writer counts frames, for the end --- */
struct stream_writer {
	struct buf *out;
	uint64_t frames;
	/* the open frame of entries */
	size_t at, count_at;
	uint32_t count;
	uint64_t next;
	struct log_id id;
	struct hash author, rules;
};
/* Begin a stream: magic and version. `out` may be drained between calls, but not while a frame
 * of entries is open. */
void stream_begin(struct stream_writer *w, struct buf *out);
void stream_put_hello(struct stream_writer *w, int64_t clock_ms, const char *name);
/* With what this box can do. */
void stream_put_greeting(struct stream_writer *w, int64_t clock_ms, const char *name,
			 uint32_t abilities, enum hello_clock clock, uint64_t incarnation);
/* A body that ranges.h made. */
void stream_put_ranges(struct stream_writer *w, struct span body);
/* n: at most SINCE_ROWS. */
enum { SINCE_ROWS = 1024 };
void stream_put_since(struct stream_writer *w, const struct hash *space, const struct hash *state,
		      const struct head *rows, size_t n);
/* unkept: the spaces that are not kept, n of them (at most LIMIT_SPACES; 0: the field is left out). */
void stream_put_partial(struct stream_writer *w, const struct keep *keep, bool wanting,
			const struct hash *unkept, size_t n);
void stream_put_digests(struct stream_writer *w, const struct space_digest *rows, size_t n);
/* Any number of heads: split over frames as needed. */
void stream_put_heads(struct stream_writer *w, const struct hash *space, const struct head *heads,
		      size_t n);
void stream_put_fork(struct stream_writer *w, const struct fork_proof *proof);
void stream_put_locator(struct stream_writer *w, const struct log_id *id,
			const struct locator_sample *samples, size_t n); /* n <= LIMIT_LOCATOR */
void stream_put_missing(struct stream_writer *w, const struct log_id *id,
			const struct seq_range *ranges, size_t n); /* n <= LIMIT_MISSING_RANGES */
void stream_put_blob(struct stream_writer *w, const struct hash *hash, uint64_t size,
		     uint64_t offset, struct span bytes);
void stream_put_note(struct stream_writer *w, const struct log_id *id, uint64_t seq,
		     enum error_code why);
void stream_put_result(struct stream_writer *w, uint64_t added, uint64_t filled, uint64_t known);
void stream_put_receipt(struct stream_writer *w, const struct signature *sig, struct span bytes);
void stream_put_claim(struct stream_writer *w, const struct stream_claim *claim);
void stream_put_counts(struct stream_writer *w, const struct space_count *rows, size_t n);
void stream_put_proof(struct stream_writer *w, const struct hash *proof);
void stream_put_pieces(struct stream_writer *w, const struct blob_piece *rows,
		       size_t n); /* n <= LIMIT_PIECES */
void stream_put_addresses(struct stream_writer *w, struct span body);
void stream_put_pair(struct stream_writer *w, struct span body);
void stream_put_system(struct stream_writer *w, struct span body);
void stream_put_end(struct stream_writer *w);

/* Entries of one log, in a frame that is open between begin and end. `add` takes the next sequence
 * and copies what it needs; it returns false, and has done nothing, when the frame is full: end
 * it and begin another. The first entry of a frame always fits. headers_only: the payload stays
 * behind
 * ("not held"). An end without an entry leaves nothing in the stream. */
void stream_entries_begin(struct stream_writer *w, const struct log_id *id);
bool stream_entries_add(struct stream_writer *w, const struct stored *e, bool headers_only);
void stream_entries_end(struct stream_writer *w);
/* … or nothing of it after all. */
void stream_entries_drop(struct stream_writer *w);
/* Bytes of the open frame so far; 0 before its first entry. */
size_t stream_entries_size(const struct stream_writer *w);

/* --- reading --- */
struct stream_reader;
/* expect: the FRAME_BITs that may appear (FRAME_END always may). */
struct stream_reader *stream_reader_new(unsigned expect);
void stream_reader_free(struct stream_reader *r);
DEFINE_CLEANUP(struct stream_reader *, stream_reader_free)
/* Give more bytes (copied). Between two calls of stream_next that gave no frame, at most one frame
 * is waited for, so the reader never holds more than LIMIT_FRAME and what was fed at once. */
void stream_feed(struct stream_reader *r, struct span bytes);
/* The next whole frame: *ret_frame is borrowed until the next call on the reader, NULL when more
 * bytes are needed. ERR_MALFORMED, ERR_VERSION, ERR_LIMIT: nothing behind it can be read, and every
 * later call fails too. A frame of an unknown type is skipped (its check must hold). */
struct error *stream_next(struct stream_reader *r, const struct frame **ret_frame) MUST;
/* After the last byte: NULL when the stream ended whole (FRAME_END seen and nothing behind it),
 * ERR_MALFORMED "cut off" otherwise. */
struct error *stream_finish(struct stream_reader *r) MUST;
/* Frames of this stream handed out or skipped so far; bytes that were read or passed over. */
uint64_t stream_frames(const struct stream_reader *r);
uint64_t stream_offset(const struct stream_reader *r);
/* The bytes of the frame handed out last, with its check. Borrowed as the frame is. */
struct span stream_raw(const struct stream_reader *r);

/* --- files that were damaged on their way: PROTOCOL.md section 9 ---
 * From now on several streams may follow one another, and a fault need not be the end. */
void stream_salvage(struct stream_reader *r);
/* After an error of stream_next, or of stream_finish behind the last byte: look for the next place
 * where it can go on, a stream's beginning or a frame of entries, a fork or a blob, and call
 * stream_next (and at the end stream_finish) again. False: there is no more to look through, or too
 * much is wrong; the error stays.
 * A frame that only looks like one costs its check, so faults are counted; bytes passed over, too. */
enum { SALVAGE_FAULTS = 64, SALVAGE_PASSED = 256 * 1024 * 1024 };
bool stream_seek(struct stream_reader *r);
/* Streams whose beginning was read. */
unsigned stream_parts(const struct stream_reader *r);
