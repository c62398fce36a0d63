/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keeping a peer's backup (PROTOCOL.md section 19): one sealed file a peer, of at most LIMIT_KEPT
 * bytes, in DIR/KEY. Nobody here can open it. What comes is written beside it and takes its place
 * when it came whole and is headed as a backup of that peer; a power cut leaves the old one.
 *
 * A keeping belongs to one thread.
 */
#pragma once
#include "sync/peer/client.h"

#define SYNC_PATH_KEEP "/sync/1/keep"

struct keeping;
/* ERR_FULL and what the disk says. */
struct error *keeping_new(const char *dir, const struct pubkey *peer, struct keeping **ret) MUST;
/* ERR_LIMIT, ERR_FULL. */
struct error *keeping_feed(struct keeping *k, struct span bytes) MUST;
/* Durable. ERR_MALFORMED: not a backup of this peer. */
struct error *keeping_end(struct keeping *k) MUST;
void keeping_free(struct keeping *k); /* what did not end is removed */
DEFINE_CLEANUP(struct keeping *, keeping_free)
/* What is kept for the peer. ERR_NOT_FOUND. */
struct error *kept_open(const char *dir, const struct pubkey *peer, int *ret_fd,
			uint64_t *ret_size) MUST;
/* Durable. That there was none is no error. */
struct error *kept_remove(const char *dir, const struct pubkey *peer) MUST;
struct kept {
	struct pubkey peer; /* whose it is; approved or not any more */
	uint64_t size;
	int64_t when_ms; /* when it came */
};
typedef struct error *kept_fn(void *ctx, const struct kept *k);
/* All that is kept, in no order. A folder that is not there has none. */
struct error *kept_each(const char *dir, kept_fn *fn, void *ctx) MUST;
/* Remove what power cuts left; before the listener starts. */
void kept_clean(const char *dir);

/* --- asking a peer --- */
/* It keeps the file (from its beginning) instead of the last one. ERR_DENIED: its volunteers have
 * not allowed it; ERR_LIMIT; ERR_NET. */
struct error *keep_put(const struct client_options *to, int fd) MUST;
/* What it keeps of ours, written to the file. ERR_NOT_FOUND: nothing. */
struct error *keep_get(const struct client_options *to, int fd) MUST;
