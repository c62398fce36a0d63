/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "sync/base/buf.h"
#include "sync/peer/ledger.h"
#include <pthread.h>

struct ledger_line {
	struct ledger_row row;
	bool changed; /* since ledger_save */
	bool saving;  /* written by it, and not yet known to be durable */
	/* of a peer's own line */
	unsigned times;
	uint64_t take_bytes, give_bytes;
	size_t spaces;	    /* lines of its spaces */
	uint64_t bucket;    /* weight of requests that it may make now, in thousandths */
	int64_t bucket_at;  /* monotonic */
	bool bucket_filled; /* begun */
	uint64_t refused;   /* bytes that it brought in vain, on refused_day */
	int64_t refused_day;
};

/* What one writer's entries took today, whoever brought them: in one space; in all (zero); of what visitors
 * carried in ("visitors"). */
struct ledger_writer {
	struct pubkey writer;
	struct hash space;
	bool is_void;
	uint64_t bytes, entries, logs;
	bool changed, saving, stored; /* stored: has a row in the table */
};

enum { LEDGER_ALL, LEDGER_NEW }; /* in the place of the incarnation */
/* What is not asked for today, or not offered. */
struct ledger_refused {
	struct pubkey peer;
	bool there;	   /* by the peer: a space of ours */
	struct log_id log; /* appliance zero: the whole space, or all in it that is not held */
};

struct ledger_brought {
	struct brought of;
	bool changed, saving;
};

struct ledger {
	const struct env *env;
	pthread_mutex_t lock;
	struct ledger_line **lines; /* sorted by peer, space */
	char *folder; /* on the disk that is to keep some room, or NULL */
	size_t n, room, peers; /* peers: lines of whole peers among them */
	bool changed, saving;
	int64_t day, day_minute; /* the day, and the minute in which it was reckoned */
	struct ledger_writer *writers; /* sorted; all of `writers_day` */
	size_t n_writers, room_writers;
	int64_t writers_day;
	int64_t writers_stored, writers_saving; /* the day of those in the table; -1: not known */
	struct ledger_brought *brought; /* LIMIT_BROUGHT, in no order; NULL: none yet */
	size_t n_brought;
	struct buf refused; /* struct ledger_refused, sorted; all of `refused_day` */
	int64_t refused_day;
	struct buf gone; /* peer and space of each row that gave way, for the table */
	size_t gone_saving; /* so many bytes of it are being saved */
};

/* Of today. With the lock. */
int64_t ledger_day(struct ledger *l);

/* With the lock: nothing is refused any more. peer NULL: of nobody. */
void ledger_ask_again(struct ledger *l, const struct pubkey *peer);

/* The line, made when it is not there; NULL: there are too many. With the lock. */
struct ledger_line *ledger_line(struct ledger *l, const struct pubkey *peer,
				const struct hash *space);

/* Read from the table: one of another day is passed over. With the lock. */
void ledger_writer_load(struct ledger *l, const struct ledger_writer *w, int64_t day);
/* Read from the table. With the lock. */
void ledger_brought_load(struct ledger *l, const struct brought *b);
