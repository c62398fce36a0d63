/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "sync/peer/listener.h"
#include "sync/peer/receipt_talk.h"
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum { LISTENER_ARRIVALS = 256 };

/* One connection. */
struct visitor {
	struct visitor *next, *prev;
	struct listener *l;
	int fd; /* libmicrohttpd's */

	/* guarded by listener.lock */
	int64_t began_ms; /* the connection, then the request in hand; monotonic */
	bool known;	  /* has shown an approved key */
	bool busy;	  /* a request is in hand */
	bool cut, stalled;
	bool closed;	   /* was told that our line is */
	struct pubkey key; /* when known */
	uint64_t came;	   /* bytes that had come when the last request was over */

	atomic_uint_fast64_t bytes; /* moved by the request in hand */
	atomic_int working;	    /* our own code is at it */
	atomic_bool answering;	    /* the request is here: we owe the answer */

	/* the connection's own thread's */
	struct sync_report sum;
	char error[PEER_ERROR];
};

struct listener {
	struct listener_options o;
	char *name;
	struct MHD_Daemon *daemon;
	int port;
	pthread_t guard;
	bool guarded;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	struct visitor *visitors;
	/* how fast addresses come: a bucket each, in thousandths; the one not seen longest gives way */
	struct arrivals {
		uint8_t net[16]; /* an IPv4 address, or the first half of an IPv6 one */
		int64_t at;
		uint64_t left;
	} arrivals[LISTENER_ARRIVALS];
	struct tallies *tallies; /* locks itself */
};

/* --- guard.c: who is connected, and for how long --- */
struct error *guard_start(struct listener *l) MUST;
void guard_stop(struct listener *l);
struct visitor *guard_enter(struct listener *l, int fd);
/* Frees it. true: it was cut off, for it stalled: it was its turn, and not ours. */
bool guard_leave(struct visitor *v);
/* May a connection from there come now? */
bool guard_accepts(struct listener *l, const struct sockaddr *from);
/* A request of this approved peer begins. When it has too many in hand the oldest is cut. */
void guard_request(struct visitor *v, const struct pubkey *key);
void guard_done(struct visitor *v);
/* Our own code begins or ends to work for it: what that takes is not the other side's time. */
void guard_works(struct visitor *v, bool begins);
/* The request came whole, or is refused: the next bytes are ours to send. */
void guard_answers(struct visitor *v);
/* The address of the other side, with `port`, "ADDR:PORT"; "" when there is none. */
void guard_address(const struct sockaddr *a, int port, char *out, size_t size);

/* --- listener_answer.c --- */
enum MHD_Result answer_request(void *cls, struct MHD_Connection *c, const char *url,
			       const char *method, const char *version, const char *data,
			       size_t *data_size, void **con_cls);
void answer_completed(void *cls, struct MHD_Connection *c, void **con_cls,
		      enum MHD_RequestTerminationCode toe);
