/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The ledger: what each peer costs this box, and how much it may. Counts for each peer and for each
 * (peer, space), of the running day and in all; quotas for both; and a bucket of requests that
 * fills slowly, against floods. What arrives is charged to the peer that brings it, whoever wrote
 * it.
 *
 * A quota decides only what is taken now: what exceeds it is "known, not held", and is taken when
 * there is room again (tomorrow, or when the volunteer raises the quota). It never decides whether
 * an entry is valid (PROTOCOL.md section 11).
 *
 * Invariants
 *  1. What is charged never exceeds a quota by more than one frame, or one piece of a file.
 *  2. Of a peer the lines of at most LIMIT_SPACES spaces are kept; the one that was used longest ago
 *     gives way. So no space is shut out because others came before it. (New spaces are bounded in
 *     room.h.)
 *  3. A clock that jumps can begin a day early, and nothing else: the totals go on.
 *
 * The rows live in memory and are written now and then by whoever holds the writer (ledger_save): a
 * power cut forgets the last minute, and a restart nothing. Any thread; the lock inside is taken last.
 */
#pragma once
#include "sync/base/env.h"
#include "sync/db/db.h"
#include "sync/log/log.h"
#include "sync/replicate/full.h"

/* What is counted. X(NAME, name, day, total, space's day, space's total): the usual quotas, 0 for
 * none. */
#define LEDGER_TABLE(X)                                                                            \
	X(LEDGER_BYTES, "bytes", LIMIT_PEER_DAY_BYTES, LIMIT_PEER_BYTES, LIMIT_PEER_DAY_BYTES / 2, \
	  LIMIT_PEER_BYTES / 2)                                                                    \
	X(LEDGER_ENTRIES, "entries", LIMIT_PEER_DAY_ENTRIES, LIMIT_PEER_ENTRIES,                   \
	  LIMIT_PEER_DAY_ENTRIES / 2, LIMIT_PEER_ENTRIES / 2)                                      \
	X(LEDGER_LOGS, "logs", LIMIT_PEER_DAY_LOGS, LIMIT_PEER_LOGS, LIMIT_PEER_DAY_LOGS / 2,      \
	  LIMIT_PEER_LOGS / 2)                                                                     \
	X(LEDGER_BLOBS, "files", LIMIT_PEER_DAY_BLOBS, LIMIT_PEER_BLOBS, LIMIT_PEER_DAY_BLOBS / 2, \
	  LIMIT_PEER_BLOBS / 2)                                                                    \
	X(LEDGER_REQUESTS, "requests", LIMIT_PEER_DAY_REQUESTS, 0, 0, 0)                           \
	/* bytes over the line */                                                                  \
	X(LEDGER_IN, "in", LIMIT_PEER_DAY_BYTES * 4, 0, 0, 0)                                      \
	X(LEDGER_OUT, "out", LIMIT_PEER_DAY_BYTES * 8, 0, 0, 0)                                    \
	/* of both, what went over a line that may be counted: not with who is on this network */  \
	X(LEDGER_LINE, "line", 0, 0, 0, 0)                                                         \
	/* bytes that were read here to prove that they are held */                                \
	X(LEDGER_PROOFS, "proofs", LIMIT_PEER_DAY_BYTES * 8, 0, 0, 0)                              \
	/* new spaces that somebody else founded, who is no peer */                                \
	X(LEDGER_SPACES, "spaces", LIMIT_PEER_DAY_SPACES, 0, 0, 0)

#define LEDGER_ENUM_ROW(NAME, name, day, total, space_day, space_total) NAME,
enum ledger_item { LEDGER_TABLE(LEDGER_ENUM_ROW) LEDGER_ITEMS };
#undef LEDGER_ENUM_ROW
enum { LEDGER_LOOK = 64 * 1024 };   /* bytes between two looks at whether a line is open */
enum {
	LEDGER_DISK = LEDGER_ITEMS + 1, /* no quota: this box's disk is nearly full */
	LEDGER_WRITER,			/* the bound of who wrote it, and not of who brings it */
	LEDGER_FOUNDER,			/* … of who founded it: a new space */
};
const char *ledger_item_name(int item);

struct ledger_counts {
	uint64_t n[LEDGER_ITEMS];
};

struct ledger_row {
	struct pubkey peer;
	struct hash space; /* zero: all of this peer */
	int64_t day;	   /* of `today`, in days since 1970 by our clock and time zone (base/day.h) */
	struct ledger_counts today, total;
	bool strange; /* of a space that a stranger founded: it counts in the row of those, too */
};

/* How much more than usual a peer may bring; 0: as much as it likes. The bucket of requests stays
 * as it is. */
enum { LEDGER_TIMES_MOST = 1000 };
/* What a peer may in a day, or in all: the usual quota so many times, or less by what its terms say (see
 * ledger_set). UINT64_MAX: no quota. */
uint64_t ledger_most(enum ledger_item item, bool total, unsigned times, uint64_t take_bytes,
		     uint64_t give_bytes);
/* The same of what it brings in one space. */
uint64_t ledger_most_in(enum ledger_item item, bool total, unsigned times);

struct ledger;
struct ledger *ledger_new(const struct env *env);
void ledger_free(struct ledger *l);
DEFINE_CLEANUP(struct ledger *, ledger_free)

/* The folder whose disk is to keep some room (LIMIT_DISK_KEPT); without one nothing is kept. */
void ledger_set_folder(struct ledger *l, const char *path);
/* Of a disk of that size, is so little free that peers bring no more? */
bool ledger_keeps_disk(uint64_t size, uint64_t free_bytes);

bool ledger_disk_is_full(struct ledger *l);

/* Charge without asking. */
void ledger_charge(struct ledger *l, const struct pubkey *peer, enum ledger_item item, uint64_t n);
/* Bytes that went over the line, LEDGER_IN or LEDGER_OUT; near: with a peer on this network, so that no
 * counted line was used. Without a ledger nothing is counted. */
void ledger_passed(struct ledger *l, const struct pubkey *peer, enum ledger_item way, uint64_t n,
		   bool near);
/* How much is left until the nearest quota of the peer; UINT64_MAX: no quota. */
uint64_t ledger_left(struct ledger *l, const struct pubkey *peer, enum ledger_item item);
/* The same of what it brings in one space: the nearest of the peer's quotas and of its in that space; 0
 * when it brings something in as many others as it may. */
uint64_t ledger_left_in(struct ledger *l, const struct pubkey *peer, const struct hash *space,
			enum ledger_item item);
/* Charge the peer, and what it brings in this space. */
void ledger_charge_in(struct ledger *l, const struct pubkey *peer, const struct hash *space,
		      enum ledger_item item, uint64_t n);
/* The first sequence as the ledger counts: payloads that follow the headers of a log that is here begin
 * no log. */
uint64_t ledger_first(struct log_store *log, const struct ingest *run);
/* Is there room for this run of entries (bytes: with their payloads)? Charges it when there is.
 * LEDGER_ITEMS: there is; else the first item whose quota it exceeds, or LEDGER_DISK. */
int ledger_room(struct ledger *l, const struct pubkey *peer, const struct log_id *log, uint64_t first,
		size_t entries, uint64_t bytes);
/* Of what was charged so, that much was not taken in after all. */
void ledger_give_back(struct ledger *l, const struct pubkey *peer, const struct log_id *log,
		      size_t logs, size_t entries, uint64_t bytes);
/* The logs that were charged for a run of which so many entries were not taken: 1 when it was to begin
 * one and did not. */
size_t ledger_unbegun(struct log_store *log, const struct ingest *run, size_t entries);
/* What founders who are no peers founded takes together at most what one space may, of what a peer brings:
 * else a key that costs nothing fills a carrier's quotas from many spaces. Say it before what is charged or
 * asked in that space; it stays said. */
void ledger_set_strange(struct ledger *l, const struct pubkey *peer, const struct hash *space,
			bool strange);
extern const struct hash ledger_strangers; /* the row of those, as a space's */
/* Of what somebody else than the peer wrote, or an appliance that is revoked (is_void): is there room today
 * for this of that writer, in that space and in all spaces together? Charges it when there is. What was not
 * taken after all is given back: the same claim, with what it was. Saved with the rest, so that no restart
 * begins a day anew. */
struct ledger_claim {
	const struct log_id *log;
	unsigned times; /* as of who brings it */
	bool begins;	/* the log */
	bool is_void;	/* behind the cut */
	bool visitor;	/* carried in by one: of what all of them may, a part */
	size_t entries;
	uint64_t bytes;
};
bool ledger_writer_room(struct ledger *l, const struct ledger_claim *c);
void ledger_writer_back(struct ledger *l, const struct ledger_claim *c);
/* --- ledger_refused.c: what was refused is not asked for again before the day is over --- */
/* What a peer brought in vain today, in bytes: of more than LEDGER_REFUSED_DAY, in each further space in
 * which something is refused, no log is asked for of which nothing is held. Of one answer or push
 * LEDGER_REFUSED bytes are read, while there is that much left of the day, and LEDGER_REFUSED_LEAST
 * afterwards; and of a log of which something was refused LEDGER_REFUSED_MORE. */
#define LEDGER_REFUSED	     ((uint64_t)8 << 20)
#define LEDGER_REFUSED_DAY   ((uint64_t)128 << 20)
#define LEDGER_REFUSED_LEAST ((uint64_t)256 << 10)
#define LEDGER_REFUSED_MORE  ((uint64_t)256 << 10)
/* There was no room for that many bytes of the log, that a peer brought; `over` as of ledger_room, or
 * of what follows it. In memory alone: a restart begins the day anew. */
void ledger_refused(struct ledger *l, const struct pubkey *peer, const struct log_id *log, int over,
		    uint64_t bytes);
/* So many such bytes more are read of one answer or push. */
uint64_t ledger_refused_most(struct ledger *l, const struct pubkey *peer);
/* Adds to *ret what of the space is not asked of the peer today. */
void ledger_full(struct ledger *l, const struct pubkey *peer, const struct hash *space,
		 struct full *ret);
/* The peer took nothing of a space that we offered. */
void ledger_unwanted(struct ledger *l, const struct pubkey *peer, const struct hash *space);
bool ledger_is_unwanted(struct ledger *l, const struct pubkey *peer, const struct hash *space);
/* There may be room again for what was refused: of who brings it, or who wrote it, other things are known
 * now. */
void ledger_room_again(struct ledger *l);

/* --- who brought a space first: ledger_brought.c --- */
struct brought {
	struct hash space;
	struct pubkey peer;
	int64_t day;
	bool counts; /* against what the peer may bring of strangers: it was one's, and nobody here wants it */
};
/* A space that is not here begins. What was said of it before is forgotten: it came to nothing. */
void ledger_brings(struct ledger *l, const struct pubkey *peer, const struct hash *space,
		   bool strange);
/* false: that is not known (any more: the last LIMIT_BROUGHT are, and those that count before others). */
bool ledger_brought(struct ledger *l, const struct hash *space, struct brought *ret);
/* So many of these spaces count for the peer. */
size_t ledger_brought_by(struct ledger *l, const struct pubkey *peer, const struct hash *spaces,
			 size_t n);
/* It counts no more: somebody wants it, or it was let go of. */
void ledger_brought_settled(struct ledger *l, const struct hash *space);

/* How much more than usual the peer may. */
unsigned ledger_times_of(struct ledger *l, const struct pubkey *peer);
/* A request of that weight; false: it comes too fast, or there were too many today. `patience`
 * divides how fast the bucket fills: 1 as usual, more for who misbehaved. */
enum { LEDGER_REQUEST = 10, LEDGER_REQUEST_FILE = 1 };
bool ledger_request(struct ledger *l, const struct pubkey *peer, unsigned weight,
		    unsigned patience);
/* It weighed so much less than was thought. */
void ledger_request_less(struct ledger *l, const struct pubkey *peer, unsigned weight);

/* What one peer has cost, for the volunteer: zero when it is not known. */
void ledger_get(struct ledger *l, const struct pubkey *peer, struct ledger_row *ret);
/* Of all peers together, today. */
uint64_t ledger_today(struct ledger *l, enum ledger_item item);
/* What a volunteer set for it: how much more than usual it may (1), and of peer_terms the bytes it
 * may make us keep in all and what it is given in a day (0: no bound of its own). true: that is
 * something else than before. */
bool ledger_set(struct ledger *l, const struct pubkey *peer, unsigned times, uint64_t take_bytes,
		uint64_t give_bytes);
/* A peer is gone: its row stays until the day is over, so that coming back is no way out. */

/* --- ledger_store.c --- */
extern const char *const ledger_migrations[]; /* db_migrate(local, "ledger", …) */
extern const int ledger_migrations_n;
/* Read everything; once, before use. */
struct error *ledger_load(struct ledger *l, struct db *local) MUST;
/* Write what changed. On the writer. It counts as written once ledger_saved says that the transaction is
 * durable; else it is written again. */
struct error *ledger_save(struct ledger *l, struct db *local) MUST;
void ledger_saved(struct ledger *l);
bool ledger_changed(struct ledger *l);
/* The same for one row and the quota, for pages and commands; no engine is needed. */
typedef struct error *ledger_fn(void *ctx, const struct ledger_row *r);
/* Its rows: first all of the peer, then by space. */
struct error *ledger_each(struct db *local, const struct pubkey *peer, ledger_fn *fn,
			  void *ctx) MUST;
struct error *ledger_times(struct db *local, const struct pubkey *peer, unsigned *ret) MUST;
/* On the writer. ERR_INVALID above LEDGER_TIMES_MOST. */
struct error *ledger_put_times(struct db *local, const struct pubkey *peer, unsigned times) MUST;
