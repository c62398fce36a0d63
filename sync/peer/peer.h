/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Peers: appliances whose key a volunteer approved. The table lives in local.db, never replicates,
 * is read through any connection and written on the writer only. Receipts: what moved in each
 * exchange.
 *
 * Rows are collected before the first is handed out, so what is called for each may use the same
 * functions again.
 */
#pragma once
#include "sync/db/db.h"
#include "sync/replicate/report.h"

enum {
	PEER_ADDRESS = 80, /* "ADDR:PORT" with its end */
	PEER_ERROR = 400,
	PEER_RECEIPTS = 500, /* kept, of all peers together */
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
};

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
struct error *peer_remove(struct db *local, const struct pubkey *key) MUST;

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

/* The receipts of exchanges, newest first, at most max (PEER_RECEIPTS are kept). peer NULL: of all.
 */
struct receipt {
	struct pubkey peer;
	int64_t when_ms;
	bool by_peer; /* the peer asked, we answered */
	struct sync_report report;
	char error[PEER_ERROR]; /* empty when it went well */
};
typedef struct error *receipt_fn(void *ctx, const struct receipt *r);
struct error *receipt_each(struct db *local, const struct pubkey *peer, size_t max, receipt_fn *fn,
			   void *ctx) MUST;
struct error *receipt_put(struct db *local, const struct receipt *r) MUST;
