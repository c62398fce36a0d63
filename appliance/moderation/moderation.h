/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Guests' messages: they wait in local.db of the box where they were written until somebody who
 *looks after the place approves them. Only then they enter the log, authored by the box, with the
 *guest's name: spam never replicates.
 *
 *	            approve -> APPROVED   (an op of the box; the text is in the forum)
 *	WAITING --> reject  -> REJECTED   (the text is gone)
 *	            take back -> WITHDRAWN (the text is gone; by the guest, who has the one-time
 *secret)
 *
 * Invariants
 *  1. A state but WAITING is final; moderation_settle moves it, on the writer.
 *  2. What was approved is in the log once, however often it is pressed and wherever the power
 *fails: the op has the time of writing and the guest's name and words, and is looked for before it
 *is written.
 *  3. Neither an address nor an agent of the guest is kept; the secret is kept as a hash.
 *  4. A message that was decided keeps no words here, and goes after HELD_DAYS.
 */
#pragma once
#include "appliance/community/community.h"

extern const struct feature moderation_feature;

enum {
	HELD_AN_HOUR = 120,    /* guests' messages that one box takes in an hour */
	HELD_LINKS = 3,	       /* in one message */
	HELD_TEXT = 20 * 1024, /* bytes of one message */
	HELD_DAYS = 60,	       /* how long a decided one tells its guest so */
	HELD_SECRET = 26 + 1,  /* letters of the one-time secret, and the zero */
};
enum held_state { HELD_WAITING, HELD_APPROVED, HELD_REJECTED, HELD_WITHDRAWN };

struct held {
	int64_t id;
	struct hash space;
	struct hash topic; /* zero: it opens a topic in `forum` */
	struct hash forum; /* zero: a reply */
	char name[LIMIT_NAME + 1];
	char title[LIMIT_TITLE + 1]; /* "" for a reply */
	int64_t time;
	enum held_state state;
	const char *text, *reason; /* borrowed until the callback returns */
	struct hash op;		   /* when approved: the post */
};
typedef struct error *held_fn(void *ctx, const struct held *h);

/* May guests write in this space, on this box? Its rules say so, and the box may write there. */
struct error *moderation_guests(struct conn *c, const struct space_info *s,
				const struct pubkey *self, bool *ret) MUST;
/* What a guest may send: ERR_INVALID with what to do. Links are counted, nothing is judged. */
struct error *moderation_check(const struct held *h) MUST;

/* --- on the writer --- */
/* Keep it. ERR_FULL when LIMIT_HELD_POSTS wait, ERR_RATE beyond HELD_AN_HOUR. */
struct error *moderation_hold(struct conn *c, const struct held *h,
			      char ret_secret[HELD_SECRET]) MUST;
/* Move a waiting one to `to`. ERR_CONFLICT when it was decided otherwise already; the same decision
 * again is no error and changes nothing. Approving writes the post. reason: for HELD_REJECTED, may
 * be "". */
struct error *moderation_settle(struct conn *c, int64_t id, enum held_state to, const char *reason,
				struct hash *ret_op) MUST;

/* --- reading --- */
struct error *moderation_held_count(struct conn *c, int64_t *ret) MUST; /* that wait */
/* That wait, oldest first. */
struct error *moderation_each(struct conn *c, held_fn *fn, void *ctx) MUST;
struct error *moderation_get(struct conn *c, int64_t id, held_fn *fn, void *ctx) MUST;
struct error *moderation_by_secret(struct conn *c, const char *secret, held_fn *fn, void *ctx) MUST;
