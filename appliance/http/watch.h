/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Watches over connections: absolute deadlines (libmicrohttpd's timeout counts only inactivity, so
 * a byte every few seconds would hold a connection for ever), a fair share for each client, and
 * goodbyes that arrive.
 *
 * Invariants
 *  1. Every open connection is in the table from its NOTIFY_STARTED to its NOTIFY_CLOSED; a socket
 * is shut down only while it is in the table, under the lock, so never one that was closed and
 * reused.
 *  2. Nobody is refused while somebody idles: when a client has WATCH_CLIENT connections, or all
 * together WATCH_ALL, the one that has waited longest makes room (of that client; of the client
 * with the most); if none waits, the one that has longest not read its answer. A connection whose
 * answer is being made is never shed.
 *  4. What bodies and answers take in memory stays under WATCH_HELD: beyond it those that hold most
 * are shed, so nobody who sends a post or reads a page is.
 *  3. An address is kept only as a hash under a key that this process drew, and only while it is
 *     connected.
 *
 * A connection that is answered before its body was read would be reset by the kernel, and the
 * sentence that says why would be lost: watch_linger drains it for a moment instead.
 */
#pragma once
#include "appliance/http/limit.h"
#include <microhttpd.h>

enum {
	WATCH_ALL = 4096,
	WATCH_CLIENT = 1024,
	WATCH_FIRST_MS = 15000,	  /* until a request's head is complete */
	WATCH_KEEP_MS = 30000,	  /* … and until the next one is */
	WATCH_BODY_MS = 20000,	  /* a body, and for each … */
	WATCH_BYTES_PER_S = 4096, /* … this many bytes one second more, both ways */
	WATCH_HELD = 48 * 1024 * 1024,
	WATCH_LINGER_MS = 3000,
	WATCH_LINGERING = 64
};

struct watch;
struct watched; /* one connection */
struct watch *watch_new(const struct env *env, const struct limits *l);
void watch_free(struct watch *w); /* after the daemons were stopped */

/* Once a second, on the watch's own thread, more work to do. */
void watch_every_second(struct watch *w, void (*fn)(void *ctx), void *ctx);
struct error *watch_start(struct watch *w) MUST;

/* From MHD's notify_connection. `client` names the network prefix. */
struct watched *watch_open(struct watch *w, int fd, struct limit_key client, void *owner);
void watch_close(struct watch *w, struct watched *c);
struct limit_key watched_client(const struct watched *c);
void *watched_owner(const struct watched *c); /* what watch_open was given */

/* Where the connection stands; sets its deadline. */
void watch_head(struct watch *w, struct watched *c);		     /* a request has begun */
void watch_body(struct watch *w, struct watched *c, uint64_t bytes); /* its body is being read */
void watch_busy(struct watch *w, struct watched *c); /* we are at work: no deadline */
void watch_send(struct watch *w, struct watched *c, uint64_t bytes); /* the answer goes out */
void watch_idle(struct watch *w, struct watched *c);		     /* kept alive */
/* So many bytes of memory are held for it now (instead of what was said before). */
void watch_hold(struct watch *w, struct watched *c, uint64_t bytes);
uint64_t watch_held(struct watch *w); /* all together */
/* Read and forget what still comes, for a moment, after MHD has closed its end. */
void watch_linger(struct watch *w, int fd);
size_t watch_count(struct watch *w);
