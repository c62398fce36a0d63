/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The answering side of the transport: the four requests of PROTOCOL.md section 7 over mutual TLS
 * 1.3, on libmicrohttpd. Who shows no approved key is answered 403 and can do nothing else.
 *
 * Limits: LISTENER_CONNECTIONS in all, of which LISTENER_STRANGERS at most belong to who has not
 * shown an approved key, and LISTENER_PER_IP for one address; LISTENER_PER_PEER requests of one
 * peer at once and LISTENER_IDLE_PER_PEER connections between two requests, of more the oldest is
 * cut; new connections of one address at LISTENER_RATE a second after the first LISTENER_BURST;
 * requests and bytes of one peer by the ledger; a connection that did not become a
 * peer's within LISTENER_GREET_MS is cut, whatever it dribbles; one that stands still, too; a
 * request must move at least a KiB a second after its first minute. Bodies: LISTENER_PULL,
 * LISTENER_PUSH.
 */
#pragma once
#include "sync/blob/blob.h"
#include "sync/peer/conduct.h"
#include "sync/peer/host.h"
#include "sync/peer/ledger.h"
#include "sync/peer/peer.h"
#include "sync/peer/readers.h"
#include "sync/replicate/serve.h"
#include "sync/tls/tls.h"

enum {
	LISTENER_CONNECTIONS = 256,
	LISTENER_PER_IP = 32,
	LISTENER_STRANGERS = 192,
	LISTENER_PER_PEER = 4,
	LISTENER_IDLE_PER_PEER = 8,
	LISTENER_BURST = 200,
	LISTENER_RATE = 50,
	LISTENER_NO_ROOM = 16, /* frames beyond a peer's quota that are still read in one request */
	LISTENER_GREET_MS = 15000,
	LISTENER_IDLE_S = 120,
	LISTENER_PULL = 32 * 1024 * 1024,
	LISTENER_PUSH = 512 * 1024 * 1024,
};
/* Bytes of entries taken from one peer in one request; the rest follows in its next exchange. */
#define LISTENER_TAKE ((uint64_t)256 * 1024 * 1024)

struct pasts;
struct listener_options {
	const struct tls_identity *tls;
	const char *listen; /* sync/peer/address.h */
	const struct env *env;
	const struct secret *self;
	const char *name;
	const struct sync_host *host;
	struct readers *readers;
	struct blob_store *blobs;
	const char *keep_dir; /* of peers' backups; NULL: none are kept */
	struct pasts *pasts;	/* states that were told; NULL: none are remembered */
	struct ledger *ledger; /* NULL: nothing is charged or bounded */

	/* Called from the listener's threads; must be quick, except where it says so; `ended` may
	 * wait. */
	void *ctx;
	bool (*approved)(void *ctx, const struct pubkey *key);
	/* A stranger (k is borrowed). */
	void (*knocked)(void *ctx, const struct knock *k);
	/* A stranger shows that we invited it: true when it is approved now. May wait. */
	bool (*invited)(void *ctx, const struct knock *k, const uint8_t proof[PEER_CLAIM]);
	/* A stranger shows a statement that is signed (s and k are borrowed). May be NULL. */
	void (*succeeds)(void *ctx, const struct successor *s, const struct knock *k);
	/* A peer is exchanging with us; address is where it says that it listens, or "". */
	void (*met)(void *ctx, const struct pubkey *key, const char *address);
	/* Something was written. */
	void (*stored)(void *ctx);
	/* How much slower than usual this peer may ask (1: as usual). */
	unsigned (*patience)(void *ctx, const struct pubkey *key);
	/* A peer did that (words: borrowed, English, may be ""). */
	void (*misdeed)(void *ctx, const struct pubkey *key, enum misdeed what, const char *words);
	/* Statements of address: what this peer says (a stream; over a loopback connection?), and
	 * what it is told, appended. Either NULL: it is not asked. */
	struct error *(*told)(void *ctx, const struct pubkey *key, struct span stream,
			      bool loopback);
	bool (*tell)(void *ctx, const struct pubkey *key, bool always, struct buf *out);
	/* Who proved this key, a stranger perhaps, asks for the number to compare (sync/peer/pair.h):
	 * what it says (a stream), and what it is answered, appended. *ret_open: there is more to
	 * say. NULL: there is none here. */
	struct error *(*pair)(void *ctx, const struct knock *k, struct span stream,
			      struct buf *out, bool *ret_open);
	/* Is the line closed to this peer, which is not near, for now? */
	bool (*closed)(void *ctx, const struct pubkey *key);
	/* Is it on this network, at this address, so that its bytes go over no line that is counted? */
	bool (*near)(void *ctx, const struct pubkey *key, const char *address);
	/* Entries of an appliance are being taken over from this peer. */
	void (*heard)(void *ctx, const struct pubkey *key, const struct ingest *run);
	/* A peer's connection has ended: what moved over it, and the first thing that went wrong
	 * (NULL: nothing). */
	void (*ended)(void *ctx, const struct pubkey *key, const struct sync_report *report,
		      const char *error);
};

struct listener;
struct error *listener_start(const struct listener_options *o, struct listener **ret) MUST;
void listener_stop(struct listener *l);
int listener_port(const struct listener *l);
/* Cut every connection of a peer that is not approved any more. */
void listener_recheck(struct listener *l);
