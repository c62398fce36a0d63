/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/partial/partial.h"
#include "sync/base/poked.h"
#include <pthread.h>

enum { PARTIAL_CROWDED = 16 };
struct partial_thread {
	struct app *app;
	struct conn *conn; /* reads, for this thread */
	struct poked poked;
	int64_t need_from, afresh; /* how far community_need_more is; when it begins again */
	size_t most;		   /* ops that one transaction had room for last; 0: any number */
	int64_t give_from;	   /* before, no stranger's space gives way again */
	pthread_mutex_t lock;	   /* of: */
	struct pubkey crowded[PARTIAL_CROWDED]; /* houses that bring a stranger's space without a place */
	size_t n_crowded;
};

#define PARTIAL_NOBODY                                                                             \
	N_("No other box that keeps everything can be reached now. This goes on by itself when "   \
	   "one can.")

#define PARTIAL_FULL                                                                               \
	N_("The disk is so full that there is no room even to write down what goes. Erase a file "  \
	   "first; this then goes on by itself.")

static inline bool keep_eq(const struct keep *a, const struct keep *b)
{
	return a->payload_days == b->payload_days && a->blob_max == b->blob_max;
}

/* --- run.c --- */
/* Is the peer to be asked now, under its terms? */
bool partial_may_ask(const struct partial_thread *t, const struct peer *peer);
/* On the writer: the run as it is now, with the problem (NULL: none) in it; *ret_same: nobody
 * stopped it, or chose otherwise, while others were asked. */
struct error *run_resume(struct conn *c, const struct partial_run *was, const char *problem,
			 struct partial_run *ret, bool *ret_same) MUST;
/* struct partial_at, one behind the other. */
struct error *run_add_at(struct conn *c, const struct buf *at) MUST;

/* One pass over messages: gathered, asked about, recorded. Zeroed is empty. */
struct pass {
	struct partial_run run;
	struct buf ops; /* struct loose_op, those that fall out, sorted by place */
	bool idle;	/* there is nothing to do */
	bool files;	/* messages are done; files come now */
	bool end;	/* the last messages */
	bool *safe;	/* each proved */
	bool answered;	/* somebody did */
	struct buf at;	/* struct partial_at */
	size_t most;	/* no more go at once than so many; 0: any number */
	int64_t row;
	const char *problem;
};
static inline size_t pass_n(const struct pass *p)
{
	return p->ops.n / sizeof(struct loose_op);
}
static inline struct loose_op *pass_ops(const struct pass *p)
{
	return (struct loose_op *)(void *)p->ops.p;
}
void pass_release(struct pass *p);
/* Jobs for the writer, each in one transaction; arg: the pass. What falls out next, nothing proved yet: a
 * run is about the choice as it was, another choice ends it. And what came of asking: what is to go is noted
 * in a transaction before that in which it goes, so that none goes of which nobody knows. (What is noted
 * and did not go does no harm: whoever reads it asks the log.) */
struct error *pass_gather(struct conn *c, void *arg) MUST;
struct error *pass_note(struct conn *c, void *arg) MUST;
struct error *pass_record(struct conn *c, void *arg) MUST;

/* --- run_files.c --- */
/* The next files of a run that is done with messages; *ret_wait: nothing more to do now. */
struct error *files_pass(struct partial_thread *t, const struct partial_run *run,
			 bool *ret_wait) MUST;

/* --- choice.c --- */
/* Of the loose ops of one object those that fall out, moved to the front; returns how many. since:
 * what is older; INT64_MAX: everything. ruled: see loose_next.
 *
 * Only messages go, never documents. Of a conversation in which somebody wrote since, its beginning
 * stays, and all of it when it has closings or hidings, which are judged by what they saw; so does
 * a message with an edit that stays, and an edit of a message that stays. */
size_t choice_falls_out(struct loose_op *ops, size_t n, int64_t since, bool ruled);

/* --- partial_store.c --- */
struct error *partial_want(struct conn *c, const struct hash *space, bool wanted) MUST;
struct error *partial_is_wanted(struct conn *c, const struct hash *space, bool *ret) MUST;
struct error *run_set(struct conn *c, const struct partial_run *r) MUST;
struct error *at_clear(struct conn *c) MUST;
struct error *at_add(struct conn *c, const struct partial_at *at) MUST;
/* An op of this object went. */
struct error *gone_add(struct conn *c, const struct hash *object, const struct hash *op) MUST;
/* Ops of the object that went, at most max. */
struct error *gone_of(struct conn *c, const struct hash *object, struct hash *out, size_t max,
		      size_t *ret_n) MUST;
struct wish {
	struct hash space, object;
};
struct error *wish_list(struct conn *c, struct wish out[PARTIAL_WISHES], size_t *ret_n) MUST;
/* It is here: forget it, and what had gone of it. */
struct error *wish_done(struct conn *c, const struct hash *object) MUST;

/* What is not here of an object: */
enum { LACK_OPS = 4096 };
/* Ask for what is not here of the object; *ret_left: so many have not come. */
struct error *lack_need(struct conn *c, const struct wish *w, size_t *ret_left,
			size_t *ret_new) MUST;
