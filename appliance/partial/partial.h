/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A partial box: what it keeps, what it lets go of, and what people want back. The README beside
 * says how these hang together; the protocol is in PROTOCOL.md 7.4. Reading: any conn. Writing: on
 * the writer.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/community/feature.h"

extern const struct feature partial_feature;

/* --- the choice --- */
struct error *partial_choice(struct conn *c, struct keep *ret) MUST;
struct error *partial_choose(struct conn *c, const struct keep *k) MUST;
/* Does this box follow the space? Its own are always kept; what was let go of as a stranger's is not. */
struct error *partial_keeps_space(struct conn *c, const struct hash *space, bool *ret) MUST;
/* The same, and since when it does not; 0: it does, or nobody wrote down when. */
struct error *partial_space_since(struct conn *c, const struct hash *space, bool *ret_kept,
				  int64_t *ret_since_ms) MUST;
/* The same, for those who ask for files; what can't be read is no. */
bool partial_takes(void *conn, const struct hash *space);
struct error *partial_keep_space(struct conn *c, const struct hash *space, bool keep) MUST;
/* Does it keep less than everything? */
struct error *partial_is(struct conn *c, bool *ret) MUST;

/* --- the run that lets go --- */
enum partial_state {
	PARTIAL_NO_RUN,
	PARTIAL_LOOKING, /* counting, and asking others what they hold */
	PARTIAL_LOOKED,	 /* the preview stands: a volunteer decides */
	PARTIAL_LETTING_GO,
	PARTIAL_DONE,
};
struct partial_run {
	enum partial_state state;
	struct keep keep; /* the choice that it is about */
	int64_t begun_ms, ended_ms;
	int64_t row;		      /* how far it is: objects up to this row are done */
	int64_t ops, bytes;	      /* that fall out of the choice */
	int64_t safe_ops, safe_bytes; /* of them, proved to be elsewhere; gone, when letting go */
	/* Behind the objects come the blobs of files, numbered as files_loose_before does; 0: not
	 * yet. */
	int64_t file_row;
	int64_t files, file_bytes, safe_files, safe_file_bytes; /* likewise */
	char problem[200]; /* why it waits, in English; "" when it does not */
};
struct error *partial_run_get(struct conn *c, struct partial_run *ret) MUST;
/* Another box proved to hold so many of them. */
struct partial_at {
	struct pubkey box;
	int64_t ops, files;
};
typedef struct error *partial_at_fn(void *ctx, const struct partial_at *at);
struct error *partial_at_each(struct conn *c, partial_at_fn *fn, void *ctx) MUST;
/* Begin to look. ERR_INVALID when this box keeps everything. */
struct error *partial_look(struct conn *c) MUST;
/* What was shown is confirmed. ERR_INVALID when there is no preview of the choice as it is now. */
struct error *partial_let_go(struct conn *c) MUST;
struct error *partial_stop(struct conn *c) MUST; /* what went is gone; no more goes */

/* --- what people want back --- */
enum { PARTIAL_WISHES = 64, PARTIAL_WISHES_A_DAY = 200 };
/* What is not here of an object: messages that went, that others name, or the whole of it. */
struct partial_lack {
	int64_t ops; /* at least so many */
	int64_t bytes;
	int64_t newest_ms; /* of these */
	bool wished;
	bool whole; /* not even its beginning is here */
};
struct error *partial_lack(struct conn *c, const struct hash *space, const struct hash *object,
			   struct partial_lack *ret) MUST;
/* Of a conversation that is not here at all: its space, when its header is. ERR_NOT_FOUND. */
struct error *partial_space_of(struct conn *c, const struct hash *object, struct hash *ret) MUST;
/* Ask for it until it is here. ERR_LIMIT when too many are waited for. */
struct error *partial_wish(struct conn *c, const struct hash *space,
			   const struct hash *object) MUST;
struct error *partial_wishes(struct conn *c, int64_t *ret) MUST;

/* --- the thread --- */
struct partial_thread;
struct error *partial_start(struct app *a, struct partial_thread **ret) MUST;
void partial_poke(struct partial_thread *t); /* something was committed; NULL: nothing */
/* A space of a stranger that this house brings has no place (strangers.h). Quick, any thread. t NULL:
 * nothing. */
void partial_crowded(struct partial_thread *t, const struct pubkey *bringer);
void partial_end(struct partial_thread *t);
