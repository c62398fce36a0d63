/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "sync/base/buf.h"
#include "sync/peer/ledger.h"
#include <pthread.h>

struct ledger_line {
	struct ledger_row row;
	bool changed; /* since ledger_save */
	/* of a peer's own line */
	unsigned times;
	uint64_t take_bytes, give_bytes;
	size_t spaces;	    /* lines of its spaces */
	uint64_t bucket;    /* weight of requests that it may make now, in thousandths */
	int64_t bucket_at;  /* monotonic */
	bool bucket_filled; /* begun */
};

/* What one writer's entries in one space took today, whoever brought them. */
struct ledger_writer {
	struct pubkey writer;
	struct hash space;
	uint64_t bytes, entries, logs;
};

struct ledger {
	const struct env *env;
	pthread_mutex_t lock;
	struct ledger_line **lines; /* sorted by peer, space */
	char *folder; /* on the disk that is to keep some room, or NULL */
	size_t n, room, peers; /* peers: lines of whole peers among them */
	bool changed;
	int64_t day, day_minute; /* the day, and the minute in which it was reckoned */
	struct ledger_writer *writers; /* sorted by writer, space; all of `writers_day` */
	size_t n_writers, room_writers;
	int64_t writers_day;
	struct buf gone; /* peer and space of each row that gave way, for the table */
};

/* Of today. With the lock. */
int64_t ledger_day(struct ledger *l);

/* The line, made when it is not there; NULL: there are too many. With the lock. */
struct ledger_line *ledger_line(struct ledger *l, const struct pubkey *peer,
				const struct hash *space);
