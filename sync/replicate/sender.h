/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A sender: a plan of what to tell the other side, and the plan turned into the bytes of a stream a
 * piece at a time. The answer to a pull, the body of a push and a bundle are all made by one. The
 * plan holds a few words per log; of the entries one frame at a time is in memory.
 *
 * One thread at a time; the log_store given to each call is the calling thread's reader.
 */
#pragma once
#include "sync/blob/blob.h"
#include "sync/replicate/full.h"
#include "sync/replicate/heads.h"
#include "sync/replicate/tally.h"

struct sender;
struct sender *sender_new(void);
void sender_free(struct sender *s);
DEFINE_CLEANUP(struct sender *, sender_free)
/* Count there what is sent (NULL: nowhere). */
void sender_tally(struct sender *s, struct wire_tally *t);

/* Newest first: when sender_plan finds more entries to send of a space than `from`, the older ones go
 * without their payloads (state 1), but for those that others need to judge by: entries that found a
 * space, and those named as rules. The newest, half of `from` (at most NEWEST_WHOLE) shared by the logs,
 * go whole. The other side then asks for the other payloads, newest first. 0: never, as in bundles.
 *
 * NEWEST_FROM: what comes in two pieces is stored twice and folded late, twice the work of the other
 * side. Fewer entries than that are there in seconds on a local network, and in a few minutes on
 * the slowest of lines. */
void sender_newest_first(struct sender *s, uint64_t from);
enum {
	NEWEST_FROM = 65536,
	NEWEST_WHOLE = 8192,
	NEWEST_KEEP_MIN = 16, /* of each log, whatever its share */
	NEWEST_KEEP_MAX = 1024
};

/* Other ops whose payloads then go along: `first` gives those of a space to fn. It is asked when the first
 * such range of the space is sent, from the thread that calls sender_read. */
typedef void sender_first_fn(void *ctx, const struct hash *space, log_named_fn *fn, void *fn_ctx);
void sender_first(struct sender *s, sender_first_fn *first, void *ctx);

/* --- the plan; items are sent in the order in which they were added, then the end --- */
void sender_hello(struct sender *s, int64_t clock_ms, const char *name);
void sender_digests(struct sender *s, const struct space_digest *rows, size_t n);
void sender_heads(struct sender *s, const struct hash *space, const struct head *heads, size_t n);
/* state NULL: of an answer, "that state is not known here". */
void sender_since(struct sender *s, const struct hash *space, const struct hash *state,
		  const struct head *rows, size_t n);
/* A body that ranges.h made. */
void sender_ranges(struct sender *s, struct span body);
void sender_note(struct sender *s, const struct log_id *id, uint64_t seq, enum error_code why);
void sender_result(struct sender *s, uint64_t added, uint64_t filled, uint64_t known);
void sender_fork(struct sender *s, const struct log_info *log);
void sender_missing(struct sender *s, const struct log_id *id, const struct seq_range *ranges,
		    size_t n);
/* A whole file, in pieces; the store must outlive the sender. One that is gone meanwhile is passed
 * over. */
void sender_blob(struct sender *s, struct blob_store *blobs, const struct hash *hash,
		 uint64_t size);
/* Frames that were made beforehand, n of them, as they are; copied. */
void sender_frames(struct sender *s, struct span frames, size_t n);
enum sender_range {
	SEND_ENTRIES, /* whole */
	SEND_HEADERS, /* without payloads: to prove a fork */
	SEND_PAYLOADS, /* only the entries whose payload is held here */
	SEND_SPARSE    /* whole from a sequence on; before, as sender_newest_first says */
};
void sender_range(struct sender *s, const struct log_info *log, struct seq_range range,
		  enum sender_range what);

/* Add all that somebody lacks who holds `theirs` of this space (sorted; n 0: nothing): entries,
 * fork proofs, and locators for logs that part from ours. Logs come in order of first sight here,
 * so that admissions come before those whom they admit. */
struct error *sender_plan(struct sender *s, struct log_store *log, const struct hash *space,
			  const struct head *theirs, size_t n) MUST;
/* Add the held payloads among those that the other side asks for (at most SENDER_MISSING ranges of
 * what is held, among SENDER_WISHED entries, per sender: so that nobody fills our memory with wishes,
 * or has us look through the same log for ever; the rest next time). */
enum { SENDER_MISSING = 16384, SENDER_WISHED = 2500000 };
struct error *sender_plan_missing(struct sender *s, struct log_store *log, const struct log_id *id,
				  const struct seq_range *ranges, size_t n) MUST;
/* Add the headers that let the one who sent this locator prove a fork (at most SENDER_LOCATED per
 * sender; the rest next time). */
enum { SENDER_LOCATED = 256 };
struct error *sender_plan_located(struct sender *s, struct log_store *log, const struct log_id *id,
				  const struct locator_sample *samples, size_t n) MUST;
/* Add what we hold behind a fork of the owner's own logs and see in no live log: he may have
 * nothing else of it (his disk was set back), keeps it, and carries it over. */
struct error *sender_plan_disputed(struct sender *s, struct log_store *log,
				   const struct hash *space, const struct pubkey *owner) MUST;
/* Is there anything that sender_plan_disputed would add? */
struct error *sender_disputed(struct log_store *log, const struct hash *space,
			      const struct pubkey *owner, bool *ret) MUST;
/* Add what we lack ourselves of the space: frames of missing payloads, the newest first (by the
 * writers' clocks, which decide nothing else), at most LACK_BYTES of them at a time. Payloads of
 * entries from before `since` (INT64_MIN: of none) are not asked for, but those that are needed to
 * judge by; nor are those of logs that are full (NULL: none is). */
enum { LACK_BYTES = 48 * 1024 * 1024, LACK_FRAMES = 2048, LACK_PIECE = 1000, LACK_OF_LOG = 64 };
struct error *sender_plan_lack(struct sender *s, struct log_store *log, const struct hash *space,
			       int64_t since, const struct full *full) MUST;
/* Would it add anything? */
struct error *sender_lacks(struct log_store *log, const struct hash *space, int64_t since,
			   bool *ret) MUST;
/* Anything that gives the other side something (entries, forks, locators)? */
bool sender_gives(const struct sender *s);

/* --- the bytes --- */
/* Append the next piece: some frames, about SENDER_PIECE bytes, more for one large entry, or until one comes
 * that its appliance signed (the last of a frame is one, but in SEND_PAYLOADS). *ret_end:
 * it was the last. */
enum { SENDER_PIECE = 64 * 1024 };
struct error *sender_read(struct sender *s, struct log_store *log, struct buf *out,
			  bool *ret_end) MUST;
void sender_rewind(struct sender *s);		 /* from the first byte again */
uint64_t sender_entries(const struct sender *s); /* entries sent so far */
