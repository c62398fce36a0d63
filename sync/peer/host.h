/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What sync/ needs of the layer above, as functions. */
#pragma once
#include "sync/clock/clock.h"
#include "sync/crypto/crypto.h"
#include "sync/db/db.h"
#include "sync/log/log.h"
#include "sync/peer/successor.h"
#include "sync/peer/system.h"
#include "sync/replicate/keep.h"
#include "sync/replicate/report.h"
#include "sync/peer/peer.h"

/* What a job on the writer may use. */
struct sync_writing {
	struct log_store *log;
	struct db *local; /* local.db: the peers' table and the receipts live there */
};
typedef struct error *sync_write_fn(struct sync_writing *w, void *arg);

/* How it came out that another box has our key. */
enum twin_sign {
	TWIN_ANNOUNCED = 1, /* it is announced on this network: anybody can do that */
	TWIN_MET = 2,	    /* it proved our key over TLS */
	TWIN_LOG = 4,	    /* our own log goes on elsewhere: a copy, or we are an old backup */
};

/* How far one exchange has looked for blobs. */
struct blob_walk {
	int64_t before;	  /* those numbered lower are still to be looked at; 0: all */
	struct hash last; /* the one named last */
	struct hash space; /* the space that names it: what it costs is counted there */
	unsigned missed;  /* so many in a row the peer had not */
	unsigned looked;  /* so many names were looked at */
	bool more;	  /* none was found so far, and not all were looked at: ask again */
	/* The exchange's: may the peer bring one of that size in this space now? What it may not is
	 * passed over, for another space may name it, too, or tomorrow there is room. Of a byte of no
	 * blob (zero): may it bring anything there? NULL: always. */
	bool (*room)(void *ctx, const struct hash *space, const struct hash *blob, uint64_t size);
	void *room_ctx;
};

/* Every function may be called from any thread of the engine. */
struct sync_host {
	void *ctx;
	/* Run fn on the writer, inside its transaction; returns after the commit, when what was
	 * written is durable and in the views. */
	struct error *(*write)(void *ctx, sync_write_fn *fn, void *arg);
	/* May this approved peer read this space from us? Do we want this space from that peer?
	 * NULL: yes. */
	bool (*shares)(void *ctx, const struct pubkey *peer, const struct hash *space);
	bool (*follows)(void *ctx, const struct pubkey *peer, const struct hash *space);
	/* Is this box approved here? NULL: only the one at the other end counts as one. */
	bool (*is_peer)(void *ctx, const struct pubkey *key);
	/* Do these entries, the first of a space that is not here, found one as the layer above understands
	 * it? What does not makes nothing that anybody could see, and is not taken. NULL: yes. */
	bool (*founds)(void *ctx, const struct ingest *run);
	/* A space that a stranger founded has no place, for others of that kind take those of who brings it, or
	 * all: one may give way, for a later exchange. Quick. NULL: none does. */
	void (*crowded)(void *ctx, const struct pubkey *bringer);
	/* A box that is not approved shows the proof of an invitation (sync/peer/invite.h): approve
	 * it if it is one of ours. true: it is a peer now. May wait. NULL: we invite nobody. */
	bool (*invited)(void *ctx, const struct knock *k, const uint8_t proof[PEER_CLAIM]);
	/* A blob that is named here and not held, and that this peer may have; each is named once
	 * in an exchange. *w is the host's, zero but for `room` as the exchange begins; of more than
	 * *ret_size bytes nothing is taken. NULL: none is ever wanted. */
	bool (*next_blob)(void *ctx, const struct pubkey *peer, struct blob_walk *w,
			  struct hash *ret, uint64_t *ret_size);
	/* May this approved peer have this blob from us? NULL: yes. */
	bool (*gives_blob)(void *ctx, const struct pubkey *peer, const struct hash *blob);
	/* And do we keep it ourselves, so that the peer may count on it? NULL: no. */
	bool (*keeps_blob)(void *ctx, const struct pubkey *peer, const struct hash *blob);
	/* Ops of the space without which what people wrote there has no place, each given to fn: in a large
	 * first sync their payloads travel with the headers. NULL: there are none. */
	void (*first)(void *ctx, const struct hash *space, log_named_fn *fn, void *fn_ctx);
	/* May this approved peer be told which system we run, and have the update that we pass on? NULL:
	 * nobody may. */
	bool (*tells_system)(void *ctx, const struct pubkey *peer);
	/* A peer says which system it runs (signed by its key; `body` is the statement as it came). May
	 * write. NULL: nobody asks. */
	void (*heard_system)(void *ctx, const struct system_said *s, struct span body);
	/* An open file of the update that we pass on, for the caller, when this is its hash and the peer
	 * may have it. false: there is none. NULL: never any. */
	bool (*gives_update)(void *ctx, const struct pubkey *peer, const struct hash *blob,
			     int *ret_fd, uint64_t *ret_size);
	/* There is a second box with our key. Called for each sign, also again; may write. `where`:
	 * an address or a peer's name, may be "". NULL: nobody is told. */
	void (*twin)(void *ctx, enum twin_sign sign, const char *where);
	/* An approved peer's clock is that much ahead of ours, as it says. Quick. NULL: nobody asks. */
	void (*clock)(void *ctx, const struct pubkey *peer, int64_t ahead_ms);
	/* A peer says that it holds so many entries of a space that we follow: for people only. Quick.
	 * NULL: nobody asks. */
	void (*announced)(void *ctx, const struct pubkey *peer, const struct hash *space,
			  uint64_t entries);
	/* An exchange that we began with a peer ended well. For people only. Quick. NULL: nobody asks. */
	void (*ended)(void *ctx, const struct pubkey *peer, const struct sync_report *report);
	/* What vouches for our clock, for others to weigh. NULL: it is not said. */
	enum clock_quality (*clock_quality)(void *ctx);
	/* A stranger shows a statement, signed and in order, that it goes on for a box that is
	 * approved here, or for ourselves. Says who it is and where it listens (may be ""). May
	 * write. NULL: nobody is told. */
	void (*succeeds)(void *ctx, const struct successor *s, const char *name,
			 const char *address);
	/* Documents of the space of which two versions wait for people, for the receipt. NULL: 0. */
	uint32_t (*conflicts)(void *ctx, const struct hash *space);
	/* Do we keep this approved peer's backup? NULL: nobody's. */
	bool (*keeps)(void *ctx, const struct pubkey *peer);
	/* What this box keeps, when it is a partial one. NULL: everything. */
	void (*partial)(void *ctx, struct keep *ret);
	/* Does this box fetch nothing of that space any more? NULL: no. */
	bool (*drops)(void *ctx, const struct hash *space);
};
