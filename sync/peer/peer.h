/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Peers: appliances whose key a volunteer approved. The table lives in local.db, never replicates, is
 * read through any connection and written on the writer only. Receipts: what moved in each exchange.
 */
#pragma once
#include "sync/db/db.h"
#include "sync/replicate/session.h"

struct peer {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	char address[80]; /* "ADDR:PORT" set by hand, or the last that worked; may be empty */
	bool read_only;   /* it reads from us; its logs were not admitted to our spaces */
	int64_t added_ms;
	int64_t last_ok_ms, last_try_ms; /* 0: never */
	char last_error[400];            /* sentence of the last failure, empty after a success */
};

extern const char *const peer_migrations[];
extern const int peer_migrations_n;

typedef struct error *peer_fn(void *ctx, const struct peer *p);
struct error *peer_each(struct db *local, peer_fn *fn, void *ctx) MUST;
struct error *peer_get(struct db *local, const struct pubkey *key, struct peer *ret) MUST;
struct error *peer_put(struct db *local, const struct peer *p) MUST; /* adds or replaces */
struct error *peer_remove(struct db *local, const struct pubkey *key) MUST;

/* Boxes that tried to sync with us and are not approved. At most LIMIT_DISCOVERED are kept. */
struct knock {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	char address[80];
	int64_t last_ms;
};
typedef struct error *knock_fn(void *ctx, const struct knock *k);
struct error *knock_each(struct db *local, knock_fn *fn, void *ctx) MUST;

/* The receipts of exchanges, newest first, at most max (a bounded number is kept). */
struct receipt {
	struct pubkey peer;
	int64_t when_ms;
	struct sync_report report;
	char error[400];
};
typedef struct error *receipt_fn(void *ctx, const struct receipt *r);
struct error *receipt_each(struct db *local, const struct pubkey *peer, size_t max, receipt_fn *fn,
			   void *ctx) MUST;
