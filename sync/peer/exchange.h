/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One exchange with one peer, from the first byte to the report: drives a session (the state
 * machine) with a client (the connection) and the host's writer. What arrives is written while the
 * next bytes are on their way.
 *
 * exchange_run belongs to one thread; exchange_cancel may be called from any.
 */
#pragma once
#include "sync/blob/blob.h"
#include "sync/discovery/txt.h"
#include "sync/peer/client.h"
#include "sync/peer/conduct.h"
#include "sync/peer/host.h"
#include "sync/peer/ledger.h"
#include "sync/replicate/session.h"

/* Bytes of entries taken from one peer in one exchange; the rest follows in the next. */
#define EXCHANGE_TAKE ((uint64_t)256 * 1024 * 1024)
/* Frames beyond the peer's quota that are still read, then the exchange ends. */
enum { EXCHANGE_NO_ROOM = 16 };

struct exchange_options {
	const struct sync_host *host;
	const struct secret *self;
	struct client_options to;
	struct log_store *log;	  /* a reader, the running thread's */
	struct blob_store *blobs; /* may be NULL: blobs are not fetched */
	/* What the peer costs is charged here, and bounded by it. NULL: neither. */
	struct ledger *ledger;
	bool near; /* on this network: its bytes go over no line that is counted */
	/* Is the line closed to the peer by now? Asked as bytes pass; then the exchange ends where it is, and
	 * goes on from there another time. What the client has read ahead by then (CLIENT_QUEUE at most, and
	 * only on a line that is faster than the disk) is over the budget. May be NULL. */
	bool (*closed)(void *ctx);
	struct pasts *pasts; /* what was agreed on with whom; NULL: nothing is remembered */
	bool receipt; /* make a signed receipt also when nothing moved */
	/* Called after something was written, from the running thread. May be NULL. */
	void (*stored)(void *ctx);
	/* The peer did that (words: borrowed, English, may be ""). May be NULL. */
	void (*misdeed)(void *ctx, enum misdeed what, const char *words);
	/* The same of another peer, which has given of a file what is not the file's. May be NULL. */
	void (*lied)(void *ctx, const struct pubkey *peer, const char *words);
	/* Statements of address: what is to be said to the peer, appended (false: nothing new), and
	 * what it says (a stream; over a loopback connection?). Either may be NULL. */
	bool (*tell)(void *ctx, struct buf *out);
	struct error *(*told)(void *ctx, struct span stream, bool loopback);
	/* Entries of an appliance are being taken over from the peer. May be NULL. */
	void (*heard)(void *ctx, const struct ingest *run);
	void *ctx;
};

struct exchange;
struct error *exchange_new(const struct exchange_options *o, struct exchange **ret) MUST;
void exchange_free(struct exchange *x);
DEFINE_CLEANUP(struct exchange *, exchange_free)
/* *ret_report is set in any case: what moved before a failure is kept, and counts. */
struct error *exchange_run(struct exchange *x, struct sync_report *ret_report) MUST;
/* After it went well: our digest when both sides had nothing more for each other. false: something
 * was written meanwhile. */
bool exchange_settled(const struct exchange *x, uint8_t ret[DISCOVERY_DIGEST]);
/* Our digest as it is announced: of the heads of all spaces. */
struct error *exchange_digest(struct log_store *log, uint8_t ret[DISCOVERY_DIGEST]) MUST;
/* The one that everybody on the network may hear: of open spaces only. */
struct error *exchange_announced(struct log_store *log, uint8_t ret[DISCOVERY_DIGEST]) MUST;
/* The digests that the other side said last, of the spaces of this exchange; at most max. */
size_t exchange_theirs(const struct exchange *x, struct space_digest *rows, size_t max);
void exchange_cancel(struct exchange *x);
/* Did it end for now because the line is counted, or because the peer was given enough for today? That is
 * nobody's fault (ERR_BUSY). */
bool exchange_closed(const struct exchange *x);
/* Did the other side prove to be the peer? */
bool exchange_met(struct exchange *x);
