/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The only door to sync/: logs, blobs, replication, peers and discovery. The layer above includes
 * this and nothing else of sync/; sync/ knows no forum and no HTML and could serve another project.
 *
 * The engine (struct sync) owns the sync listener, the discovery, the scheduler, and the threads
 * that audit. It reads log.db and local.db through connections of its own and writes only through
 * the host's writer, so that one connection alone ever writes.
 */
#pragma once
#include "sync/base/arena.h"
#include "sync/base/base32.h"
#include "sync/base/buf.h"
#include "sync/base/env.h"
#include "sync/base/error.h"
#include "sync/base/file.h"
#include "sync/base/limits.h"
#include "sync/base/line.h"
#include "sync/base/span.h"
#include "sync/blob/blob.h"
#include "sync/bundle/bundle.h"
#include "sync/clock/clock_env.h"
#include "sync/bundle/known.h"
#include "sync/crypto/crypto.h"
#include "sync/crypto/seal_stream.h"
#include "sync/db/db.h"
#include "sync/log/audit.h"
#include "sync/log/log.h"
#include "sync/peer/addresses.h"
#include "sync/peer/conduct.h"
#include "sync/peer/host.h"
#include "sync/peer/invite.h"
#include "sync/peer/ledger.h"
#include "sync/peer/pair.h"
#include "sync/peer/uplink.h"
#include "sync/peer/peer.h"
#include "sync/peer/successor.h"
#include "sync/peer/system.h"
#include "sync/replicate/heads.h"
#include "sync/replicate/held.h"
#include "sync/replicate/session.h"
#include "sync/replicate/stream.h"

struct sync_options {
	const char *log_path, *local_path, *blob_dir;
	const char *keep_dir; /* where peers' backups are kept; NULL: none are */
	const struct env *env;
	const struct secret *self;
	const char *name;   /* the box's name, for people and for mDNS */
	const char *listen; /* "ADDR:PORT", "[::]:8443", ":8443"; NULL: do not listen */
	int http_port;	    /* announced, so that the page of a found box can be opened; 0: none */
	bool mdns;
	const char *successor; /* the statement that we show (sync/peer/successor.h); may be NULL */
	struct sync_host host;
};

struct sync;
struct error *sync_start(const struct sync_options *o, struct sync **ret) MUST;
/* It is about to stop: whoever waits in sync_now is answered at once, and exchanges are broken off.
 * NULL: nothing. */
void sync_stopping(struct sync *s);
void sync_stop(struct sync *s);	     /* ends exchanges, joins its threads, frees */
int sync_port(const struct sync *s); /* the port it listens on (useful after ":0") */

/* Where it says to its peers that it is: what a volunteer set, then what the machine has. At most max;
 * returns how many. */
size_t sync_own_addresses(struct sync *s, char (*out)[PEER_ADDRESS], size_t max);

/* What peers, and what others bring, cost. */
struct ledger *sync_ledger(struct sync *s);

/* Something was written here: peers are told soon (two seconds after the first of a burst). Cheap;
 * it may be called after every commit, also after the engine's own. */
void sync_poke(struct sync *s);
/* Exchange with one peer now (NULL: with all). Waits at most timeout_ms for the outcome; the report
 * of the last exchange with a peer is in its row (peer_get) and in the receipts. timeout_ms 0: only
 * starts. */
struct error *sync_now(struct sync *s, const struct pubkey *peer, int timeout_ms) MUST;
/* The table of peers changed (added, removed, address): look at it again. */
void sync_peers_changed(struct sync *s);
/* Everything that is stored has been audited? (for tests and the bench) */
bool sync_audited(struct sync *s);

/* One exchange without an engine, for the command line when no daemon runs: connects, syncs,
 * audits. */
struct error *sync_once(const struct sync_options *o, const struct pubkey *peer,
			struct sync_report *ret) MUST;
/* A backup of ours at a peer that agreed to keep it: PROTOCOL.md section 19. Where `line` is set, its
 * budget and hours hold for what goes to a peer beyond this network: ERR_BUSY while they close it, and
 * what was begun before is ended and counted. */
struct sync_keep {
	struct sync *line; /* NULL: nothing is counted, as where no engine runs */
	const struct env *env;
	const struct secret *self;
	const char *name;
	struct pubkey peer;
	const char *address; /* "ADDR:PORT" */
	const struct proxy *proxy; /* in between; NULL: none */
	const _Atomic bool *ending; /* as in sync/peer/client.h: then ERR_STOPPED. NULL: never */
};
/* The file from its beginning. ERR_DENIED (it does not keep any for us), ERR_LIMIT, ERR_NET. */
struct error *sync_keep_put(const struct sync_keep *at, int fd) MUST;
/* ERR_NOT_FOUND: it keeps none. */
struct error *sync_keep_get(const struct sync_keep *at, int fd) MUST;
/* Ask a peer to prove that it holds payloads: the question and answer of sync/replicate/held.h,
 * over one connection. ERR_VERSION: it can't. */
struct error *sync_held(const struct sync_keep *at, struct span question,
			struct buf *answer) MUST;
/* --- the system that runs, and its updates: sync/peer/system.h ---
 * What we say of our own to peers that host.tells_system names: told soon when it is not what was said
 * before. Key and time are ours. NULL: nothing is said any more. */
void sync_system_is(struct sync *s, const struct system_said *said);
/* Fetch a peer's update into a store of the caller's: what came stays there when it breaks off, and is gone
 * on with. Waits for its end; one at a time. It is charged to the peer as any file. ERR_BUSY: the line is
 * counted and closed for now; ERR_LIMIT: it is over the peer's quota, or longer than it said; ERR_CORRUPT:
 * it was another file (the peer's conduct says so); ERR_NOT_FOUND: it has none; ERR_STOPPED. */
struct sync_fetch {
	struct pubkey peer;
	const char *address; /* "ADDR:PORT" */
	struct hash blob;
	uint64_t size;
	struct blob_store *store;
};
struct error *sync_fetch_update(struct sync *s, const struct sync_fetch *f) MUST;
void sync_fetch_cancel(struct sync *s); /* any thread */
/* A peer did that, as the layer above found out. */
void sync_misdeed(struct sync *s, const struct pubkey *peer, enum misdeed what, const char *words);
/* Check, in the calling thread, every author's signature that was not checked yet: what an engine
 * does behind what arrives. For boxes that nothing serves, such as a backup that is tried out. */
struct error *sync_audit(const struct sync_options *o) MUST;

/* A box with our own key is said to be at this address: look at it, as at a peer. The discovery says
 * so; a hint, for the key is proved there. */
void sync_twin_at(struct sync *s, const char *address);

/* The number that people compare before they approve each other's boxes (sync/peer/pair.h). A
 * volunteer wants a number for this key, or (anew) another one; from then on the box is
 * called at `address` (may be "") until the number is there, and may call itself. ERR_RATE. */
struct error *sync_pair_begin(struct sync *s, const struct pubkey *key, const char *address,
			      bool anew) MUST;
struct error *sync_pair_may_begin(struct sync *s) MUST; /* ERR_RATE */
/* What this box knows by itself of where that one is: used when there is an attempt without it. */
void sync_pair_known_at(struct sync *s, const struct pubkey *key, const char *address);
/* A volunteer says where that box is. */
void sync_pair_call(struct sync *s, const struct pubkey *key, const char *address);
void sync_pair_look(struct sync *s, const struct pubkey *key, struct pair_view *ret);

/* Boxes seen on the local network, newest first; hints, never trust. */
struct found_box {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	char address[80]; /* "ADDR:PORT" of its sync listener */
	char http_url[96];
	int64_t last_seen_ms;
	bool approved; /* is a peer already */
};
size_t sync_found(struct sync *s, struct found_box *out, size_t max);

/* The same without an engine, for a machine that is no box yet: it looks, and announces nothing. */
struct sync_look;
struct error *sync_look_start(const struct env *env, struct sync_look **ret) MUST;
void sync_look_stop(struct sync_look *l);
/* None is approved. Any thread. */
size_t sync_look_found(struct sync_look *l, struct found_box *out, size_t max);
