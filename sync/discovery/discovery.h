/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Discovery: says on the local network that this box is here, and hears which others are, through
 * Avahi (mDNS, DNS-SD, `_lliure._tcp`). PROTOCOL.md section 8. A hint, never a reason to trust:
 * anybody can announce anybody's key.
 *
 * It runs in a thread of its own, so that the waits of D-Bus touch nobody. Avahi or D-Bus may be
 * absent at the start, stop and come back: it tries again for ever. A name that another box has
 * already is changed as Avahi proposes ("name #2"). What is heard is bounded (LIMIT_DISCOVERED
 * rows, one for each service, interface and family).
 */
#pragma once
#include "sync/base/env.h"
#include "sync/base/limits.h"
#include "sync/discovery/txt.h"

#define DISCOVERY_SERVICE "_lliure._tcp"
enum { SEEN_ADDRESSES = 4, SEEN_ADDRESS = 80 };

struct seen_box {
	struct pubkey key;
	char name[LIMIT_NAME + 1]; /* one clean line */
	/* "ADDR:PORT" of its sync listener, the likeliest to work first; link-local ones with scope
	 */
	char address[SEEN_ADDRESSES][SEEN_ADDRESS];
	size_t addresses;
	char http_url[96]; /* "" when it announces no pages */
	bool has_digest;
	uint8_t digest[DISCOVERY_DIGEST];
	int64_t last_seen_ms; /* by our clock; for people */
};

struct discovery_options {
	const struct env *env;
	struct pubkey self; /* not listed */
	const char *name;
	int port, http_port; /* port 0: only looks, and announces nothing; http_port 0: no pages */
	/* What is seen has changed. Called from the discovery's thread; must be quick and must not
	 * call back into the discovery. */
	void (*changed)(void *ctx);
	/* A link or an address of this machine changed (rtnetlink): others may be reachable now.
	 * May be NULL. As above. */
	void (*network)(void *ctx);
	void *ctx;
};

struct discovery;
struct error *discovery_start(const struct discovery_options *o, struct discovery **ret) MUST;
void discovery_stop(struct discovery *d);
/* Announce this digest from now on. Any thread; cheap when it did not change. */
void discovery_announce(struct discovery *d, const uint8_t digest[DISCOVERY_DIGEST]);
/* Another machine that announces our own key: a copy of us, or a prank. Any thread. */
bool discovery_twin(struct discovery *d, struct seen_box *ret);
/* Is a box of that key seen? Any thread. */
bool discovery_sees(struct discovery *d, const struct pubkey *key);
/* The boxes seen, newest first, one row a key. Any thread. */
size_t discovery_list(struct discovery *d, struct seen_box *out, size_t max);
