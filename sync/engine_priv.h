/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The engine's inside. Its threads: one *keeper* (digest, announcements, knocks), WORKERS that run
 * exchanges, one that calls for the number that people compare (once somebody wants one), two of
 * the auditor, those of the listener and of the discovery.
 *
 * Locks, in the order in which they may be taken: local_lock or the listener's, then sync.lock.
 * Nothing that waits (the host's writer, a reader, the network, D-Bus) is called with sync.lock
 * held.
 */
#pragma once
#include "sync/bundle/known.h"
#include "sync/discovery/discovery.h"
#include "sync/peer/addresses.h"
#include "sync/peer/exchange.h"
#include "sync/peer/uplink.h"
#include "sync/peer/listener.h"
#include "sync/peer/pair.h"
#include "sync/peer/proofs.h"
#include "sync/peer/readers.h"
#include "sync/peer/schedule.h"
#include "sync/peer/successor.h"
#include "sync/sync.h"
#include <pthread.h>

enum {
	WORKERS = 3, /* exchanges at once */
	KNOCKS = 16, /* strangers that wait to be noted */
	KNOCK_AGAIN_MS = 60000,
	KNOCKS_EVERY_MS = 2000,	 /* a flood of them must not wear the disk out */
	TERMS_EVERY_MS = 60000,	 /* how often terms that ended are looked at again */
	NEWS = 64,		 /* misdeeds that wait to be noted */
	LEDGER_EVERY_MS = 60000, /* how much of it a power cut may forget */
	NOTE_AGAIN_MS = 60000,	 /* how old "last time" may be on disk when nothing moved */
	REFUSED = 32,		 /* failures of peers' requests that wait to be noted */
	REFUSED_EVERY_MS = 10000,
};

/* --- auditor.c: author signatures, behind the ingest --- */
struct auditor;
struct error *auditor_start(const struct sync_host *host, struct readers *readers,
			    struct auditor **ret) MUST;
void auditor_stop(struct auditor *a);
void auditor_wake(struct auditor *a);
/* Everything that waits, in the calling thread. */
struct error *audit_all(const struct sync_host *host, struct log_store *log) MUST;

struct worker {
	struct sync *s;
	pthread_t thread;
	bool started;
	struct exchange *running; /* guarded by sync.lock */
	struct pubkey with;
};

/* Somebody in sync_now. */
struct asking {
	struct asking *next;
	struct pubkey key;
	bool done;
	struct error *err;
};

/* What is known of a peer's conduct, in memory. */
struct standing {
	struct pubkey key;
	struct conduct rows[MISDEEDS];
	size_t n;
	int64_t held_until;   /* monotonic; 0: it is not */
	unsigned no_progress; /* exchanges in a row that differed and moved nothing */
};

/* Of all that we carry, for our own schedule; and of what everybody may know that we carry. */
struct engine_digests {
	uint8_t all[DISCOVERY_DIGEST], open[DISCOVERY_DIGEST];
};

/* Where a peer is: what it says, and what worked. Our own key has a row for what we say. */
struct reach {
	struct pubkey key;
	uint64_t number; /* of the statement; 0: none */
	struct buf said;
	struct known_address known[KNOWN_ADDRESSES];
	size_t n;
	uint64_t told_generation; /* what it was told last */
	int64_t told_at;	  /* monotonic; 0: not yet */
	struct allowance allowance;
};

struct sync {
	struct sync_options o; /* its texts are ours */
	char *keep_dir;
	char *log_path, *local_path, *name, *listen;
	char successor[SUCCESSOR_TEXT]; /* what we say to strangers */
	struct pubkey succeeded;	/* who was told of last, with `lock` … */
	int64_t succeeded_at;		/* … and when */
	struct tls_identity *tls;
	struct readers *readers;
	struct ledger *ledger;
	struct pasts *pasts;
	struct blob_store *blobs;
	struct auditor *auditor;
	struct discovery *discovery; /* NULL: off */
	struct listener *listener;   /* NULL: does not listen */
	pthread_t keeper;
	bool kept;

	pthread_mutex_t local_lock; /* of `local` */
	struct db *local;	    /* a reader */

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t moved;
	_Atomic bool stop; /* written with the lock; clients look at it without */
	bool seen_changed;
	struct schedule *schedule;
	struct peer *peers; /* sorted by key; without those that are paused */
	struct peer twin;   /* another box with our key; no address: none */
	size_t n_peers;
	int64_t terms_end; /* when the next one's terms end, by the clock; INT64_MAX: never */
	int64_t terms_seen; /* when that was looked at last, monotonic */
	bool terms_ended;  /* there are some that are not in `peers` because theirs have */
	struct worker workers[WORKERS];
	struct pairs *pairs;
	pthread_t pairer; /* runs since somebody began the first attempt … */
	bool pairing;	  /* … if somebody has */
	struct asking *asking;
	struct knock knocks[KNOCKS];
	size_t n_knocks;
	int64_t knocks_from; /* when they may be written */
	struct {
		struct pubkey key;
		int64_t at;
	} knocked[LIMIT_DISCOVERED]; /* lately, a ring */
	size_t next_knocked;
	struct pubkey *paused;
	size_t n_paused;
	struct standing *standings;
	size_t n_standings;
	struct reach *reaches;
	size_t n_reaches;
	uint64_t said_generation; /* rises with each statement that is new here */
	bool say_anew;		  /* our own statement may have changed */
	struct buf system;	  /* what we say of our system; empty: nothing */
	bool fetching;		  /* an update … */
	_Atomic bool fetch_stop;  /* … and no more of it is wanted; as `stop` */
	struct uplink uplink;
	struct proxy proxy; /* of the same; its password is wiped at the end */
	int64_t uplink_from; /* when it is looked at again */
	struct heard heard[NEWS];
	size_t n_heard;
	struct conduct news[NEWS];
	size_t n_news;
	int64_t news_from, ledger_from; /* when they may be written */
	/* Logs that were frozen or ended may have come, or be of boxes that are peers now. */
	bool look_for_proofs, proofs_anew;
	int64_t proofs_from;   /* when they may be looked for (monotonic) */
	int64_t proofs_stops;  /* log_stops of the last look; -1: look in any case */
	struct proofs proofs;  /* the keeping thread's */
	/* Peers' requests that failed, each with how often; what is the same is one. */
	struct receipt *refused;
	size_t n_refused;
	int64_t refused_from;
	struct engine_digests digests;
	bool has_digest, announced;
	int64_t announce_from, announce_latest;
};

/* The row in the table of peers in memory; NULL: not approved. With sync.lock. */
struct peer *engine_peer(struct sync *s, const struct pubkey *key);
/* Read the table of peers again. Those whose terms have ended count as not approved. */
struct error *engine_load_peers(struct sync *s) MUST;
/* Our digest has been computed: tell the schedule, and soon the network. */
void engine_digest_is(struct sync *s, const struct engine_digests *d);
struct error *engine_digests(struct log_store *log, struct engine_digests *ret) MUST;
/* Wait on `moved` for at most that long. With sync.lock. */
void engine_wait(struct sync *s, int64_t ms);

/* --- engine_peers.c: what the listener tells --- */
bool engine_approved(void *ctx, const struct pubkey *key);
/* Approved, or paused, or its terms are over. */
bool engine_known(struct sync *s, const struct pubkey *key);
void engine_knocked(void *ctx, const struct knock *k);
bool engine_invited(void *ctx, const struct knock *k, const uint8_t proof[PEER_CLAIM]);
void engine_met(void *ctx, const struct pubkey *key, const char *address);
void engine_stored(void *ctx);
void engine_network(void *ctx); /* the discovery's */
void found_box_of(const struct seen_box *seen, struct found_box *ret); /* look.c */
void engine_ended(void *ctx, const struct pubkey *key, const struct sync_report *report,
		  const char *error);
/* How an exchange went, to the table of peers and the receipts. asked: a person waits, so it is
 * written in any case. */
struct outcome {
	struct pubkey key;
	const char *address; /* NULL: the peer came to us */
	const struct sync_report *report;
	const char *error; /* NULL: none */
	bool by_peer, asked;
	/* What the peer said last that it holds, when it went well (sync/bundle/known.h). */
	const struct space_digest *theirs;
	size_t n_theirs;
};
struct error *outcome_write(const struct sync_host *host, const struct env *env,
			    const struct outcome *o) MUST;
void engine_note(struct sync *s, const struct outcome *o);
/* Write the knocks that wait. */
void engine_write_knocks(struct sync *s);

/* --- engine_conduct.c: what peers cost and how they behave --- */
/* Read the records on disk (again). With local_lock. */
struct error *engine_load_conduct(struct sync *s) MUST;
/* Who is waited with, to the schedule. With the lock. */
void engine_hold(struct sync *s);
/* A peer did that. */
void engine_misdeed(void *ctx, const struct pubkey *key, enum misdeed what, const char *words);
unsigned engine_patience(void *ctx, const struct pubkey *key);
void engine_heard(void *ctx, const struct pubkey *key, const struct ingest *run);
/* An exchange of ours has ended: did it get anywhere, and until when is this peer left alone? */
void engine_weigh(struct sync *s, const struct pubkey *key, const struct sync_report *report,
		  bool ok);
/* A request of theirs failed and moved nothing: counted, and written with the news. */
void engine_refused(struct sync *s, const struct outcome *o);
/* When something is to be written (monotonic), and writing it. With the lock; without it. */
int64_t engine_news_due(const struct sync *s);
void engine_write_news(struct sync *s);

/* --- engine_proofs.c: what a box proves against itself --- */
/* When it is to be looked for (monotonic), and looking. With the lock; the latter lets go of it. */
int64_t engine_proofs_due(const struct sync *s);
void engine_look_for_proofs(struct sync *s);

/* --- engine_pair.c: the number that people compare --- */
struct error *engine_pair(void *ctx, const struct knock *k, struct span stream, struct buf *out,
			  bool *ret_open) MUST;

/* --- engine_twin.c --- */
bool engine_is_self(const struct sync *s, const struct pubkey *key);
void engine_twin_sign(struct sync *s, enum twin_sign sign, const char *where);
void engine_look_for_twin(struct sync *s);
void engine_add_twin(struct sync *s, struct buf *io_rows);
/* A stranger shows that it goes on for a box that we know. */
void engine_succeeds(void *ctx, const struct successor *s, const struct knock *k);
/* An exchange is over: does it say that there is one? */
void engine_twin_outcome(struct sync *s, const struct outcome *o);

/* --- engine_addresses.c: where peers are --- */
/* Read what is on disk. With local_lock and the lock, once. */
struct error *engine_load_addresses(struct sync *s) MUST;
/* Of peers that are new in the table; with both locks. */
struct error *engine_load_known(struct sync *s) MUST;
/* To the schedule. With the lock. */
void engine_tell_schedule(struct sync *s);
/* Make our own statement anew if it is not what it should be. With the lock; lets go of it. */
void engine_say(struct sync *s);
/* The listener's and the exchange's. */
bool engine_tell(void *ctx, const struct pubkey *reader, bool always, struct buf *out);
struct error *engine_told(void *ctx, const struct pubkey *by, struct span stream,
			  bool loopback) MUST;
/* An address was tried. */
void engine_tried(struct sync *s, const struct pubkey *key, const char *address, bool ok);
void engine_free_addresses(struct sync *s);
/* Its row; NULL: there is none. With the lock. */
struct reach *engine_reach(struct sync *s, const struct pubkey *key);

/* --- engine_update.c: the system and its updates --- */
/* What we say of it, when there is anything. With the lock. */
void engine_tell_system(struct sync *s, struct stream_writer *w);
/* A frame of it came from this peer. */
void engine_told_system(struct sync *s, const struct pubkey *by, struct span body);

/* --- engine_uplink.c: budget and hours --- */
struct error *engine_load_uplink(struct sync *s) MUST; /* with local_lock */
/* The proxy for who is not on this network; the caller wipes it. */
void engine_proxy(struct sync *s, struct proxy *ret);
/* Look at the clock and the ledger, and tell the schedule. With the lock. */
void engine_uplink(struct sync *s);
/* For a peer that is not near. */
bool engine_closed(void *ctx, const struct pubkey *key);
/* Announced on this network, by whomever, and at an address that is on it: anybody can announce a peer's
 * key, with an address anywhere. */
bool engine_near(void *ctx, const struct pubkey *key, const char *address);
/* The same of where the schedule says that a peer is. */
bool engine_job_is_near(struct sync *s, const struct schedule_job *job);
/* ERR_BUSY: what goes to this address is counted, and the line is closed for now. *ret_near: it is not. */
struct error *engine_line_is_open(struct sync *s, const struct pubkey *key, const char *address,
				  bool *ret_near) MUST;
/* How long this peer's own allowance says to wait. With the lock. */
int64_t engine_peer_wait(struct sync *s, const struct reach *r);

/* --- engine_worker.c --- */
void *engine_worker(void *worker);
