/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Finished pages for people without a cookie, ready to be queued. A page is valid while the view's
 * generation is the one under which its making began. At most CACHE_BYTES are kept, the oldest go
 * first. Any thread; the lock is held only for the look-up.
 */
#pragma once
#include "sync/sync.h"
#include <microhttpd.h>

enum { CACHE_BYTES = 4 * 1024 * 1024 };

/* A finished answer, shared by counting: the cache holds one reference, who sends it another. (MHD
 * counts too, but offers no way to take a reference.) */
struct answer {
	_Atomic int refs;
	int status;
	size_t size;   /* of the body */
	size_t memory; /* of it, in memory of its own */
	char etag[40]; /* quoted; "" for none */
	struct MHD_Response *response;
};
/* Takes the response. One reference, yours. */
struct answer *answer_new(int status, struct MHD_Response *take_response, size_t size,
			  const char *etag);
struct answer *answer_ref(struct answer *a);
void answer_unref(struct answer *a); /* accepts NULL */

struct cache;
struct cache *cache_new(void);
void cache_free(struct cache *c);
DEFINE_CLEANUP(struct cache *, cache_free)

/* A reference, yours; NULL when there is none of this generation. */
struct answer *cache_get(struct cache *c, const char *key, uint64_t generation);
void cache_put(struct cache *c, const char *key, uint64_t generation, struct answer *page);
size_t cache_bytes(struct cache *c);
