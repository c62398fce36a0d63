/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Peers: appliances whose key a volunteer approved. The table lives in local.db, never replicates,
 * is read through any connection and written on the writer only. What moved in each exchange:
 * sync/peer/receipt.h.
 *
 * Rows are collected before the first is handed out, so what is called for each may use the same
 * functions again.
 */
#pragma once
#include "sync/db/db.h"
#include "sync/peer/receipt.h"

enum {
	PEER_ADDRESS = 80, /* "ADDR:PORT" with its end */
	PEER_ERROR = 400,
	PEER_CLAIM = 32,
};

/* How a peer came to be approved here. */
enum peer_how {
	PEER_BY_HAND,	     /* its key and address were typed */
	PEER_BY_NUMBER,	     /* the six digits were compared */
	PEER_BY_ACCEPTING,   /* we accepted its invitation */
	PEER_BY_INVITING,    /* it accepted ours */
};

struct peer {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	char address[PEER_ADDRESS]; /* "ADDR:PORT" set by hand, or the last that worked; may be
				       empty */
	bool read_only;		    /* it reads from us; its logs were not admitted to our spaces */
	int64_t added_ms;
	int64_t last_ok_ms, last_try_ms; /* 0: never */
	char last_error[PEER_ERROR];	 /* sentence of the last failure, empty after a success */
	int64_t until_ms;		 /* its terms end then; 0: never. Set by peer_terms_put alone */
	enum peer_how how;
	/* What we show it until it has let us in once (invite_proof, of the invitation that we
	 * accepted). */
	bool has_claim;
	uint8_t claim[PEER_CLAIM];
};

/* Was it not reached, and for so long that somebody should look? A box behind a router comes to us and can't
 * be reached from here: all is well with it as long as it comes. */
#define PEER_LOST_MS ((int64_t)2 * 3600 * 1000)
static inline bool peer_is_lost(const struct peer *p, int64_t now_ms)
{
	bool met = p->last_ok_ms && p->last_ok_ms <= now_ms && now_ms - p->last_ok_ms < PEER_LOST_MS;

	return *p->last_error && !met;
}

/* For db_migrate(local, "peer", …), run by whoever opens local.db to write. */
extern const char *const peer_migrations[];
extern const int peer_migrations_n;

typedef struct error *peer_fn(void *ctx, const struct peer *p);
struct error *peer_each(struct db *local, peer_fn *fn, void *ctx) MUST; /* oldest first */
/* ERR_NOT_FOUND. */
struct error *peer_get(struct db *local, const struct pubkey *key, struct peer *ret) MUST;
/* Adds or replaces; forgets its knock. ERR_LIMIT when there are LIMIT_PEERS. */
struct error *peer_put(struct db *local, const struct peer *p) MUST;
/* ERR_NOT_FOUND. */
struct error *peer_remove(struct db *local, const struct pubkey *key, int64_t now_ms) MUST;

/* Peers that were removed and not approved again: at most LIMIT_FORMER, the newest. peer_put
 * forgets its row, peer_remove writes it. */
struct former {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	char address[PEER_ADDRESS];
	int64_t added_ms, removed_ms;
};
typedef struct error *former_fn(void *ctx, const struct former *f);
struct error *former_each(struct db *local, former_fn *fn, void *ctx) MUST; /* newest first */

/*
 * Terms: what one peer gets of us and what we take of it, as a volunteer set them. A peer of which
 * nothing was set has the terms of peer_terms_default: every space both ways, no bound, no end.
 * They go when the peer is removed.
 *
 * Which ways a space goes is the host's to ask (sync_host.shares and follows); how much is the
 * transport's to count; after until_ms the peer counts as not approved.
 */
enum { PEER_GIVE = 1, PEER_TAKE = 2 }; /* it reads the space from us; we read it from the peer */

struct peer_terms {
	unsigned others; /* ways of the spaces that are not listed, also of those to come */
	struct peer_space {
		struct hash space;
		unsigned ways; /* PEER_GIVE | PEER_TAKE; 0: not at all */
	} space[LIMIT_SPACES];
	size_t n;
	/* Of what it brings (entries and files), kept here in all; 0: no bound of its own. */
	uint64_t take_bytes;
	/* What it is given in one day; 0: no bound of its own. */
	uint64_t give_bytes;
	int64_t until_ms; /* milliseconds since 1970; 0: no end */
};
void peer_terms_default(struct peer_terms *ret);
/* Of a peer that is not there: the default. */
struct error *peer_terms_get(struct db *local, const struct pubkey *key,
			     struct peer_terms *ret) MUST;
/* Replaces them. ERR_NOT_FOUND when there is no such peer; ERR_LIMIT for more than LIMIT_SPACES;
 * ERR_INVALID for a space that is listed twice and for ways that are none. */
struct error *peer_terms_put(struct db *local, const struct pubkey *key,
			     const struct peer_terms *t) MUST;
/* The ways of one space, without regard to the end. */
unsigned peer_terms_ways(const struct peer_terms *t, const struct hash *space);
/* Are terms that end at until_ms over? */
static inline bool peer_terms_over(int64_t until_ms, int64_t now_ms)
{
	return until_ms && now_ms >= until_ms;
}

/* How an exchange went; touches nothing that a volunteer set, and nothing when the peer is gone. */
struct peer_outcome {
	struct pubkey key;
	int64_t when_ms;
	const char *error;   /* NULL: it went well */
	const char *address; /* that worked; kept when the row has none. May be NULL */
	const char *name;    /* as it said; kept when the row has none. May be NULL */
};
struct error *peer_note(struct db *local, const struct peer_outcome *o) MUST;

/* Boxes that tried to sync with us and are not approved. At most LIMIT_DISCOVERED are kept, the
 * newest. */
struct knock {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	char address[PEER_ADDRESS]; /* where it says that it listens; "" when it does not say */
	int64_t last_ms;
};
typedef struct error *knock_fn(void *ctx, const struct knock *k);
struct error *knock_each(struct db *local, knock_fn *fn, void *ctx) MUST; /* newest first */
struct error *knock_put(struct db *local, const struct knock *k) MUST;
struct error *knock_remove(struct db *local, const struct pubkey *key) MUST;
