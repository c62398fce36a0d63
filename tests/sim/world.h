/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The world of the simulation: boxes with disks of disk.h, people, a network whose connections
 * carry pieces of streams with delay, stall and break, and a queue of events under one clock that
 * nobody else moves. Everything that happens follows from one number. README.md says what is
 * checked.
 *
 * Invariants
 *  1. Nothing here reads a clock, a random number or a file of the machine.
 *  2. A box that is down has no connection open and is in no call: world_down breaks them all.
 *  3. Whatever anybody gets from an honest box passes sent_see first.
 */
#pragma once
#include "sync/blob/blob.h"
#include "sync/peer/ledger.h"
#include "sync/peer/pair.h"
#include "sync/peer/schedule.h"
#include "tests/appliance/community/sim.h"
#include "tests/sim/disk.h"

enum { SPACES = 3, BLOBS = 24 };

struct world;
typedef void event_fn(struct world *w, int box, void *arg);
struct event {
	int64_t at;
	uint64_t order; /* of two at one moment the one that was asked for first */
	event_fn *fn;
	int box;
	void *arg;
};

/* Of each box, beside the `struct box` in sim. */
struct site {
	struct disk *disk, *backup; /* the latter NULL before the first */
	struct disk *copy;	    /* what was looked at while the box was down; NULL: nothing yet */
	struct box seen;	    /* on it; seen.c is NULL when it is not open */
	enum disk_honesty honesty;
	int64_t skew; /* of its clock */
	bool hostile;
	bool up;
	bool may_fork;	    /* its disk forgot, or its key is in two boxes that do not know of it */
	uint64_t backup_is; /* world.moment of the backup */
	bool link[SIM_BOXES];
	struct hostile *own; /* of a hostile one */
	bool wants[SPACES];  /* the others it neither asks for nor names */
	unsigned lives;	     /* grows when it may have lost what it had: other disk, disk that forgot */
	uint8_t *said_gone;  /* of each op: it said that the bytes are gone, and that was looked at */
	struct pasts *pasts;	  /* of this run of the box; NULL when it is down */
	struct blob_store *blobs; /* NULL in a world without files */
	char *blob_dir;
	struct ledger *ledger; /* NULL in a world without quotas */
	uint64_t quota;	       /* bytes that one hostile peer may bring; 0: as much as it likes */
	uint64_t *brought;     /* by each box: what was stored of it, counted here */
	struct schedule *timetable; /* NULL where boxes call each other at random */
	uint8_t told[DISCOVERY_DIGEST]; /* what it announces */
	bool has_told;
	int64_t told_at;
	struct keep keep; /* what it keeps, as its disk says */
	struct letting *letting; /* a pass that asks others; NULL: none */
	bool turns;		 /* letting go has its turn from time to time */
	struct pairs *pairs;	 /* numbers that people compare; NULL before the first */
};

struct space_of {
	struct hash id;
	int founder;
	bool sealed;
};
/* A file that a post is about. */
struct file_of {
	struct hash hash, op;
	uint64_t size;
	int space;
	bool hurt; /* a copy was scratched, or went with a disk */
};
/* A receipt that both ends have signed and stored. */
struct paper {
	struct hash id;
	int box[2];
	unsigned lives[2];
};

struct call;
struct letting;
struct bundle {
	struct buf bytes;
	bool honest; /* the box that wrote it */
};
enum { BUNDLES = 6, TRACE_KEPT = 300, TRACE_LINE = 200 };

struct sent; /* every header hash that an honest box ever sent: sent.c */

struct world {
	struct sim s; /* first: the acts of people are shared with another simulation */
	struct site at[SIM_BOXES + 1];
	struct disk *factory; /* with empty databases: a new box begins with a copy, somewhere else */
	struct event *queue; /* a heap */
	size_t n_queue, cap_queue;
	uint64_t order, events;
	struct call *calls;
	int n_calls;
	struct bundle bundle[BUNDLES];
	struct sent *sent;
	bool storm;  /* faults happen */
	bool whole;  /* with all the features of the program: slower */
	bool erases; /* with those that erasing and saying so need */
	struct space_of space[SPACES];
	int n_spaces, here; /* here: the one that s.space is */
	struct file_of file[BLOBS];
	int n_files;
	bool files, quotas, timetables, announced, began;
	struct letting *lettings;
	unsigned disks_lost; /* so often a box lost what it had */
	struct paper *papers;
	size_t n_papers;
	bool views;  /* world_check_views after every event */
	int64_t storm_ends;
	unsigned hostile_acts;
	struct hash_state trace;
	char (*said)[TRACE_LINE]; /* the last lines, in a ring */
	uint64_t n_said;
	struct tally {
		uint64_t acts, calls, broken, pieces, received, forks, carried, incarnations,
			crashes, disk_faults, full, forgot, wiped, restores, clones, bundles,
			audited_bad, hostile, proved, lost, readers, receipts, gone, files,
			no_room, planned, asked, let_go, files_gone, unsure, lets, lets_files, bent,
			numbers, claims;
	} tally;
};

static inline struct world *world_of(struct sim *s)
{
	return (struct world *)s;
}

/* --- world.c --- */
struct world *world_new(uint64_t seed, bool trace);
void world_free(struct world *w);
/* The whole course; ends the process when something is wrong. Returns the hash of the trace. */
struct hash world_run(struct world *w);
/* fn(w, box, arg), in `ms` of the world's time. */
void world_later(struct world *w, int64_t ms, event_fn *fn, int box, void *arg);
/* Runs events until the queue is empty or `until` has passed. */
void world_pass(struct world *w, int64_t until);
/* The box's clocks are brought to now. */
void world_clock(struct world *w, int box);

/* --- boxes.c: their lives --- */
void world_open(struct world *w, int box);
/* Ends it in order (crash false), or pulls the plug. */
void world_down(struct world *w, int box, bool crash);
/* In a transaction of the box's, as its writer does it: all of it, or the error and nothing. */
struct error *world_write(struct world *w, int box, sync_write_fn *fn, void *arg) MUST;
/* The same for what needs the whole connection; false: the disk failed, and that is seen to. */
bool world_commit(struct world *w, int box, struct error *(*fn)(struct conn *, void *), void *arg);
/* The error of a disk, or the end of the simulation when the disk has done nothing. Consumed. */
void world_disk_failed(struct sim *s, int box, struct error *take_err);
/* Authors' and appliances' signatures, all that wait. false: the disk failed on the way. */
bool world_audit(struct world *w, int box);
void world_factory(struct world *w);
int world_add(struct world *w, unsigned key, bool hostile);
void world_link(struct world *w, int a, int b);
/* One fault, drawn. */
void world_fault(struct world *w);
/* What is in the log of a box, also of one that is down: that as it lies on its disk, without touching it.
 * NULL: nobody can say, for that disk lost its order. */
struct log_store *log_at(struct world *w, int box);
void world_look_away(struct world *w, int box); /* what was looked at is not so any more */
/* What the box has of an op's content. */
enum payload_at { PAYLOAD_ABSENT, PAYLOAD_WAS_ERASED, PAYLOAD_IS_HELD };
enum payload_at payload_at(struct world *w, int box, const struct hash *op);
/* Of what was acknowledged, what no honest box holds any more is lost, by a disk or a restore. */
void world_note_lost(struct world *w, int box);
void world_heal(struct world *w);

/* --- calls.c: exchanges --- */
/* An exchange, as events; while the storm lasts it may be delayed, broken, damaged. */
bool call_start(struct world *w, int client, int server); /* false: too many run */
/* Bytes made by a hostile box, as a push or a pull to the server. */
void call_hostile(struct world *w, int client, int server, bool push, struct buf *take_body);
/* At once and whole. true: something moved. */
bool call_cleanly(struct world *w, int client, int server);
void calls_break(struct world *w, int box); /* of this box; -1: of all */
void bundle_carry(struct world *w);
void bundles_check(struct world *w);

/* --- spaces.c: several spaces, and who carries which --- */
void world_found(struct world *w);
void world_enter(struct world *w, int space); /* what people do is about this one */
int space_at(const struct world *w, const struct hash *id); /* -1: none of ours */
bool box_shares(struct world *w, int self, const struct pubkey *peer, const struct hash *space);
bool box_follows(struct world *w, int self, const struct pubkey *peer, const struct hash *space);
/* Does it take part in the end: it carries it, and may be told of it? */
bool box_takes_part(struct world *w, int box, int space);
void spaces_link(struct world *w); /* so that all who take part can have everything */
void spaces_check(struct world *w);

/* --- paper.c: receipts --- */
struct paper_of {
	int client, server;
	struct wire_tally *asked, *answered;
	const struct sync_report *report;
	const uint8_t *exchange;
	bool whole; /* nothing happened to it on the way */
};
/* Both sign what moved. false: a disk failed, and the box with it. */
bool paper_sign(struct world *w, const struct paper_of *p);
void papers_check(struct world *w);

/* --- partial.c: boxes that keep a part, and let go of what others hold --- */
void partials_begin(struct world *w);
void partials_open(struct world *w, int box);
void partials_down(struct world *w, int box);
void partials_heal(struct world *w);
/* What holds while some keep a part only; then all keep everything. false: none did. */
bool partials_end(struct world *w);
/* The honest side of a proof. */
struct error *partial_answers(struct world *w, int box, int asker, struct span question,
			      struct buf *out) MUST;

/* --- numbers.c: that people compare --- */
void numbers_meet(struct world *w, int a, int b);
void numbers_down(struct world *w, int box);
void numbers_lie(struct world *w, int box, int victim);

/* --- tidy.c: erased bytes --- */
/* What the writer and the threads beside it do when there is time: what is erased goes from the
 * files, and that is said. false: the disk failed. */
bool world_tidy(struct world *w, int box);
void tidy_check(struct world *w, int box); /* what it said is gone is gone, also raw */

/* --- files.c --- */
void files_open(struct world *w, int box);
void files_wipe(struct world *w, int box);
void files_release(struct world *w, int box);
void files_add(struct world *w, int box);    /* somebody writes about a file */
void files_scratch(struct world *w, int box); /* a bit of one flips */
/* The next that it lacks and wants, behind *io_at; false: none. */
bool files_next(struct world *w, int box, int *io_at, struct hash *ret);
void files_verify(struct world *w, int box); /* and puts aside what is damaged */
bool file_is_held(const struct world *w, const struct file_of *f); /* by an honest box, up or down */
void files_check(struct world *w);

/* --- quota.c --- */
void quota_open(struct world *w, int box);
bool quota_room(struct world *w, int self, int peer, const struct log_id *log,
		const struct ingest *run, uint64_t bytes);
void quota_unused(struct world *w, int self, int peer, const struct log_id *log,
		  const struct ingest *run, size_t entries, uint64_t bytes);
void quota_took(struct world *w, int box, int from, uint64_t bytes);
void quotas_check(struct world *w);
void quotas_lift(struct world *w);

/* --- timetable.c: who calls whom, as sync/peer/schedule.h says --- */
void timetables_begin(struct world *w);
void timetables_settle(struct world *w); /* left alone, all come to agree */
void timetable_anew(struct world *w, int box);
void timetable_wrote(struct world *w, int box);
struct timetable_end {
	bool ok, moved, more;
	const uint8_t *settled; /* as schedule_done wants it */
};
void timetable_over(struct world *w, int client, int server, const struct timetable_end *end);

/* --- hostile.c --- */
void hostile_init(struct world *w, int box);
void hostile_free(struct world *w, int box);
void hostile_act(struct world *w, int box);
/* Instead of an honest answer: true when it has put something into `out`. */
bool hostile_answer(struct world *w, int box, const char *path, struct buf *out);
/* It keeps what passes by. */
void hostile_keep(struct world *w, int box, struct span bytes);

/* Something that it kept. */
void hostile_again(struct world *w, int box, struct buf *out);

/* --- lies.c: frames, and what else a hostile box says --- */
/* One frame of the stream, perhaps, says something else, and its check is right. */
void hostile_bend(struct world *w, struct buf *b);
void hostile_put_question(struct world *w, int box, struct stream_writer *s);
void hostile_put_odd(struct world *w, int box, struct stream_writer *s);
/* A proof that proves nothing; nothing at all is no answer. */
void hostile_proves(struct world *w, int box, int asker, struct span question, struct buf *out);
void hostile_lies(struct world *w, int box, int victim);

/* --- sent.c --- */
struct sent *sent_new(void);
void sent_free(struct sent *s);
/* Bytes of one stream, from a box; the reader belongs to the stream. */
void sent_see(struct world *w, int box, struct stream_reader *r, struct span bytes);

/* --- check.c --- */
/* The key of honest boxes that may not fork, and of no other. */
bool box_is_blameless(struct world *w, const struct pubkey *key);
void world_check(struct world *w);
void world_check_spaces(struct world *w, const char *when);
void world_check_bounds(struct world *w);
void world_check_views(struct world *w);
