/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A replication session: the side that asks (the client) of one exchange, as a state machine
 * without network and without writes. The driver (sync/peer, or a test with an in-memory pipe) asks
 * session_next what to do, does it, and says how it went. The side that answers is serve.h.
 * PROTOCOL.md section 7.
 *
 *              agreed once
 *   START --------------------> OPEN -> PLAN (below; CHECK then goes on as from STATUS)
 *     |              equal
 *     +---> STATUS ----------------------------------+
 *              | differs                             |
 *              v       many rows                     v
 *              + <-> RANGES (at most RANGES_STEPS)  BLOBS -> DONE
 *              v                                     ^
 *            PULL <------------------+               |
 *              | answer ended        | not equal yet,|
 *              v    nothing to give  | something     |
 *            PLAN -----------------> CHECK moved ----+
 *              | something to give   ^  (at most SESSION_ROUNDS)
 *              v                     |
 *            PUSH -------------------+
 *
 * (Every round begins at the +: where both sides may hold many rows, ranges.h finds out in which
 * they differ, and PULL says only these.)
 * (Spaces that the other does not list are offered in the first PULL: one row of ours, and if the
 * answer says that it has none of it, the PUSH brings all.)
 * (OPEN is status and pull in one: of the spaces that both held alike at some time it says only what
 * has changed here since, and the answer brings both what is there now and what is new.)
 * STATUS, OPEN, RANGES, PULL and PUSH are one request each: SESSION_REQUEST, then SESSION_RECEIVE until the
 * answer has ended; between them SESSION_WRITE for every batch that came. Any fault of the peer or
 * the network ends the session with that error; what was written before it stays.
 *
 * Invariants
 *  1. One batch (a frame) is in memory at a time; the next is handed out after session_written.
 *  2. Nothing that the peer says is believed: heads, digests and notes only choose what to ask and
 * what to offer. Work per exchange is bounded by LIMIT_HEADS, SESSION_ROUNDS and
 * SESSION_FILLS, the take limit, and a limit on repetitions.
 *  3. A new incarnation is drawn only when the peer has shown an entry that we signed.
 *
 * One thread. The log_store given to each call is the calling thread's reader; it may be another at
 * every call, and must see what the writer has committed.
 */
#pragma once
#include "sync/blob/blob.h"
#include "sync/replicate/full.h"
#include "sync/replicate/heads.h"
#include "sync/replicate/intake.h"
#include "sync/replicate/past.h"
#include "sync/replicate/report.h"
#include "sync/replicate/sender.h"
#include "sync/replicate/tally.h"

/* Rounds that find out and tell what differs; and with those that only fetch payloads that were
 * left behind (newest first), of which each brings some. */
enum { SESSION_ROUNDS = 4, SESSION_FILLS = 64 };

#define SYNC_PATH_STATUS "/sync/1/status"
#define SYNC_PATH_PULL	 "/sync/1/pull"
#define SYNC_PATH_PUSH	 "/sync/1/push"
#define SYNC_PATH_BLOB	 "/sync/1/blob/" /* then the hash, 52 letters */

/* What both sides are told about the two boxes. Borrowed for the session's life. */
struct session_options {
	const struct secret *self;
	struct pubkey peer;
	const struct env *env;
	const char *name;    /* ours, for the hello */
	uint64_t take_limit; /* bytes of entries to take in from this peer in this exchange; 0: any
			      */
	size_t ranges_from;  /* rows from which on ranges are asked; 0: RANGES_FROM */
	uint64_t newest_from; /* entries from which on the newest come first; 0: NEWEST_FROM */
	struct keep keep;     /* what this box keeps, if it is a partial one */
	enum hello_clock clock; /* what vouches for our clock */
	struct pasts *pasts; /* what was agreed on before; NULL: nothing. Must outlive the session */
	uint32_t without;    /* abilities that this side does not own up to nor use, as an older box
			      */
	void *ctx;
	/* May the peer read this space from us? Do we want this space from it? Any may be NULL:
	 * yes. */
	bool (*shares)(void *ctx, const struct pubkey *peer, const struct hash *space);
	bool (*follows)(void *ctx, const struct pubkey *peer, const struct hash *space);
	/* Does this box fetch nothing of this space any more, from nobody? It says so in its status. NULL: no. */
	bool (*drops)(void *ctx, const struct hash *space);
	/* Is there room for these entries of the log (run NULL: for a fork), with their payloads of
	 * that many bytes? What has none is known, not held. NULL: yes. */
	bool (*room)(void *ctx, const struct log_id *log, const struct ingest *run, uint64_t bytes);
	/* Of what there was room for so many entries, of about so many bytes, were not taken after all:
	 * refused, or here already. NULL: nobody counts. */
	void (*unused)(void *ctx, const struct log_id *log, const struct ingest *run,
		       size_t entries, uint64_t bytes);
	/* So many bytes more came of a log, behind those for which there was none. NULL: nobody counts. */
	void (*in_vain)(void *ctx, const struct log_id *log, uint64_t bytes);
	/* What of this space has no room today: added to *ret, which is empty. NULL: nothing. */
	void (*full)(void *ctx, const struct hash *space, struct full *ret);
	/* They want a space that was offered, and then took nothing of it: not offered again today. NULL:
	 * nobody remembers. */
	bool (*is_unwanted)(void *ctx, const struct hash *space);
	void (*unwanted)(void *ctx, const struct hash *space);
	/* For proofs of what is held (held.h). keeps_blob: is it one that this box keeps for itself, of a
	 * space that the peer may read? NULL: none is. */
	struct blob_store *blobs;
	bool (*keeps_blob)(void *ctx, const struct pubkey *peer, const struct hash *blob);
	/* May so many bytes be read for a proof? They count as read. What may not is not proved. NULL:
	 * yes. */
	bool (*proves)(void *ctx, uint64_t bytes);
	/* Ops whose payloads go first: see sender_first. NULL: none. */
	sender_first_fn *first;
	/* The next blob that we want from the peer; false: none. Each is named once. NULL: none. */
	bool (*next_blob)(void *ctx, struct hash *ret);
	/* The peer says that it holds so many entries of a space. NULL: nobody asks. */
	void (*announced)(void *ctx, const struct space_count *count);
	/* Where what goes over the wire is counted; must outlive the session. NULL: nowhere. */
	struct wire_tally *tally;
};

enum session_action_type {
	SESSION_REQUEST, /* send `method` `path`; when `body`, its bytes come from session_body */
	SESSION_RECEIVE, /* give bytes of the answer (session_feed), or say that it ended
			    (session_answered) */
	SESSION_WRITE, /* run intake_run(…, intake) on the writer; after its commit session_written
			*/
	SESSION_BLOB,  /* GET SYNC_PATH_BLOB + hash, with Range to resume; then session_blob_done */
	SESSION_DONE,  /* the report is final */
};
struct session_action {
	enum session_action_type type;
	const char *method, *path;
	bool body;
	struct intake *intake;
	struct hash blob;
};

struct session;
struct session *session_new(const struct session_options *o);
void session_free(struct session *s);
DEFINE_CLEANUP(struct session *, session_free)

/* What to do next. Asking again without having done it gives the same. An error ends the session:
 * the peer's (ERR_MALFORMED, ERR_LIMIT, ERR_VERSION, ERR_DENIED …) or ours (ERR_DB …). */
struct error *session_next(struct session *s, struct log_store *log,
			   struct session_action *ret) MUST;
/* After SESSION_REQUEST with a body: append the next piece (at most a frame and a bit), *ret_end
 * when it was the last. A body that must be sent again (a connection that was gone) is started over
 * by session_rewind. */
struct error *session_body(struct session *s, struct log_store *log, struct buf *out,
			   bool *ret_end) MUST;
struct error *session_rewind(struct session *s, struct log_store *log) MUST;
/* Bytes of the answer to the request, once its status is known to be 200. Copied. Call session_next
 * until it says SESSION_RECEIVE before feeding more, so that no more than one frame waits. */
void session_feed(struct session *s, struct span bytes);
/* The answer is over: HTTP status 200 and a whole transfer, or not (0: no answer, the connection
 * broke). */
void session_answered(struct session *s, int http_status);
/* What of the answer so far had no room. When it is too much, the rest is better not read: session_cut
 * then says that it was given up, and is no fault of anybody. What is left is asked for as if the
 * answer had ended, but for what has no room. */
struct in_vain session_in_vain(const struct session *s);
void session_cut(struct session *s);
/* The batch is committed. (When the write failed do not call this: end the session with that
 * error.) */
void session_written(struct session *s);
void session_blob_done(struct session *s, bool here);
/* The spaces of the exchange as the other side weighed them last, at most max. */
size_t session_theirs(const struct session *s, struct space_digest *rows, size_t max);
/* After SESSION_DONE: the digests of the spaces that took part (of all shared ones when none did),
 * as they were compared last, go to the tally. */
void session_weighed(const struct session *s);
/* Borrowed; grows during the session. */
const struct sync_report *session_report(const struct session *s);
