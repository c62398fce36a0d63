/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The asking side of the transport: HTTPS requests over one kept connection to one peer, pinned to
 * its key. libcurl runs in a thread of its own behind two bounded queues, so that bytes arrive
 * and are deciphered while the caller still works on the last ones.
 *
 * One thread at a time calls these; client_cancel may be called from any.
 *
 * Limits: a connection within CLIENT_CONNECT_MS; a transfer that stands still for CLIENT_STALL_MS
 * (waiting for the caller does not count) or stays below one KiB a second after its first minute is
 * broken off; so is an answer that is longer than client_expect allows. No redirect, no other
 * protocol; a proxy only when one is named, and then by CONNECT: the TLS is the peer's.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/base/env.h"
#include "sync/tls/tls.h"

enum {
	CLIENT_CONNECT_MS = 5000,
	CLIENT_STALL_MS = 120000,	/* a slow card may take long to commit */
	CLIENT_QUEUE = 4 * 1024 * 1024, /* bytes that wait, in each direction */
};

/* Headers in which the asking side says, to whom does not know it yet, who knocks. */
#define CLIENT_HEADER_NAME   "Lliure-Name"   /* percent-encoded UTF-8 */
#define CLIENT_HEADER_LISTEN "Lliure-Listen" /* the port of our own listener */
/* Which exchange it is a part of, so that both sides count the same for the receipt. */
#define CLIENT_HEADER_EXCHANGE "Lliure-Exchange"
#define CLIENT_HEADER_INVITE "Lliure-Invite" /* that it invited us: invite_proof, 52 letters */

struct proxy; /* sync/peer/uplink.h */
struct client_options {
	const struct tls_identity *tls;
	const struct env *env;
	struct pubkey peer;
	const char *address; /* "ADDR:PORT" */
	const char *name;
	bool knocks;	   /* the name is said in POSTs, too: it may not know us */
	int listen_port;   /* 0: we do not listen */
	int stall_ms;	   /* in place of CLIENT_STALL_MS; 0: that */
	const struct proxy *proxy; /* NULL, or one without a URL: none. Read by client_new alone */
	const char *successor; /* sync/peer/successor.h; said in a GET. NULL or "": none */
	const char *exchange; /* number of the exchange, 32 hexadecimal digits; may be NULL */
	const uint8_t *claim; /* PEER_CLAIM bytes, shown with every request; NULL: none */
	/* Whoever waits for it is to end: requests are broken off within about a second, as by
	 * client_cancel. Lives as long as the client; NULL: never. */
	const _Atomic bool *ending;
};

struct client;
struct error *client_new(const struct client_options *o, struct client **ret) MUST;
void client_free(struct client *c); /* breaks off what runs */
DEFINE_CLEANUP(struct client *, client_free)
void client_cancel(struct client *c);

/* Begin a request; the one before must have ended. body: bytes follow by client_send. from: of a
 * GET, the first byte wanted (Range), 0 for all. */
struct error *client_request(struct client *c, const char *method, const char *path, bool body,
			     uint64_t from) MUST;
/* POST a body that is here whole, taken from *io_bytes: it goes out with its length, in one piece
 * with the head, which is shorter and sooner there. */
struct error *client_post(struct client *c, const char *path, struct buf *io_bytes) MUST;
/* The whole of such a request: *io_bytes goes out, and what is answered with status 200, at most so many
 * bytes of it, comes back in its place. As client_result. */
struct error *client_ask(struct client *c, const char *path, struct buf *io_bytes, uint64_t most,
			 int *ret_status) MUST;
/* The longest answer to the next request; CLIENT_ANSWER when it is not said. */
#define CLIENT_ANSWER ((uint64_t)64 * 1024 * 1024)
void client_expect(struct client *c, uint64_t bytes);
/* Did the last answer go on beyond that? (client_result: ERR_LIMIT) */
bool client_endless(struct client *c);
/* A piece of the body; *io_bytes is left empty. Waits for room. false: the answer has begun, or the
 * connection broke; no more is wanted. */
bool client_send(struct client *c, struct buf *io_bytes);
void client_send_end(struct client *c);
/* Bytes of the answer's body (of status 200 and 206 only), replacing what is in *io_bytes. Waits
 * for some when `wait`. false: none now, and after waiting: the answer has ended. */
bool client_receive(struct client *c, bool wait, struct buf *io_bytes);
/* Once bytes came: how many the answer is to have, as its header says, and that is the most that comes.
 * CLIENT_UNSAID: it does not. */
#define CLIENT_UNSAID UINT64_MAX
uint64_t client_length(struct client *c);
/* No more of this answer is wanted. The next request may begin (over a new connection). */
void client_drop(struct client *c);
/* The status of the answer that bytes came of; 0 before any. */
int client_status(struct client *c);
/* After the answer has ended: its status, or what broke. ERR_NET, ERR_TIMEOUT, ERR_DENIED (it does
 * not hold the key), ERR_STOPPED. */
struct error *client_result(struct client *c, int *ret_status) MUST;
/* Has the connection ever worked: did the other side prove to be the peer? */
bool client_met(struct client *c);
