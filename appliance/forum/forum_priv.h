/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What forum_ops.c, forum_rules.c and forum_store.c share. */
#pragma once
#include "appliance/forum/forum.h"

extern const struct op_type forum_types[];

/* --- forum_rules.c: who may, and what fits, beyond the row of the table --- */
/* Reads `by`: who wrote according to the op. Refuses a member who writes for somebody else, and an
 * appliance that names nobody. */
struct error *author_of(const struct op *op, struct author *ret) MUST;
struct error *check_text(const struct op *op) MUST;
struct error *check_topic_set(const struct topic *t, const struct op *op) MUST;

/* --- forum_store.c: the rows, on the writer --- */
struct error *forum_add(struct fold *f, const struct op *op) MUST;
struct error *forum_change(struct fold *f, const struct forum *now) MUST;
struct error *topic_add(struct fold *f, const struct op *op, const struct author *by,
			const struct hash *forum, const char *title) MUST;
struct error *topic_change(struct fold *f, const struct topic *now) MUST;
/* --- forum_memo.c: topics in hand during a batch --- */
/* A first sync brings a hundred replies to a topic at once: its row is read once and its growth
 * written once. */
struct memo_topic {
	struct topic t;
	bool gone; /* reset: to be read again */
	bool grew; /* t.posts is to be stored, and: */
	int64_t active;
};
/* The topic of the fold's object as it is in hand; NULL: it is not. */
struct memo_topic *memo_topic(struct fold *f);
void memo_keep(struct fold *f, const struct topic *t);
/* The number of a new post. */
struct error *memo_post_num(struct fold *f, int64_t *ret) MUST;
/* The number of the log that carries the op, which now has a say in the order of its space. */
struct error *memo_log(struct fold *f, const struct op *op, int64_t *ret) MUST;
/* Posts of the fold's space went, in logs that are marked. */
void memo_stale(struct fold *f);
/* --- forum_order.c --- */
struct error *order_log(struct conn *c, const struct op *op, int64_t *ret) MUST;
/* What one batch changed in a space. */
struct order_turn {
	struct hash space;
	bool stale;    /* posts went */
	int64_t *logs; /* that have a new post */
	size_t logs_n;
	const int64_t *grown; /* topics that do */
	size_t grown_n;
};
/* Rank again what claims more than can be believed. Behind all posts of a batch. */
struct error *order_settle(struct conn *c, const struct order_turn *t) MUST;
struct error *order_tidy(struct conn *c) MUST;
struct error *memo_settle(struct conn *c, void *memo) MUST;
void memo_forget(void *memo);

/* The topic of the fold's object, without what is known of its last post. ERR_NOT_FOUND when the
 * object is none. */
struct error *topic_folded(struct fold *f, struct topic *ret) MUST;
enum post_erased {
	POST_HELD = 0,
	POST_ERASED = 1,      /* for ever: the op that made the post */
	POST_EDIT_ERASED = 2, /* its newest edit; a later one brings it back */
};
/* text NULL: it was erased. */
struct error *post_add(struct fold *f, const struct topic *t, const struct op *op,
		       const struct author *by, const char *text) MUST;
struct error *post_change(struct fold *f, const struct hash *post, const struct op *op,
			  const char *text) MUST;
struct error *post_set_hidden(struct fold *f, const struct hash *post, bool hidden,
			      const char *reason) MUST;
/* The author of a post of this topic. ERR_NOT_FOUND. */
struct error *post_author(struct fold *f, const struct topic *t, const struct hash *post,
			  struct author *ret) MUST;
/* Had the op, or what it saw, seen the topic closed? */
struct error *topic_shut_for(struct fold *f, const struct topic *t, const struct op *op,
			     bool *ret) MUST;
/* Remember for topic_shut_for what this op saw; to be called in every apply on a topic. */
struct error *topic_note(struct fold *f, const struct topic *t, const struct op *op) MUST;
/* A struct author from three columns. */
void author_read(sqlite3_stmt *st, int col, struct author *ret);

/* --- forum_erased.c --- */
struct error *forum_erased(struct fold *f, const struct op *gone, const struct op *erase) MUST;

/* --- statements, in the order of the table in forum_store.c --- */
enum forum_stmt {
	FORUM_ADD,
	FORUM_CHANGE,
	FORUM_GET,
	FORUM_EACH,
	FORUM_BY_SLUG,
	TOPIC_ADD,
	TOPIC_CHANGE,
	TOPIC_GREW,
	TOPIC_SHUTS,
	TOPIC_HIDE,
	TOPIC_GET,
	TOPIC_FOLDED,
	TOPIC_PAGE,
	TOPIC_COUNT,
	TOPIC_RECENT,
	TOPIC_BY_AUTHOR,
	POST_ADD,
	POST_CHANGE,
	EDIT_ADD,
	EDITS,
	POST_HIDE,
	POST_AUTHOR,
	POST_PAGE,
	POST_GET,
	POST_SINCE,
	POST_NEWEST,
	POST_LAST_NUM,
	POST_SET_LAST_NUM,
	POST_BY_SOURCE,
	POST_BY_GUEST,
	TOPIC_BY_GUEST,
	LOG_NUM,
	LOG_NOTE,
	LOG_NEWEST,
	LOG_STALE,
	LOG_FRESH,
	BOUND_FIND,
	BOUND_GET,
	BOUND_SET,
	BOUND_OFF,
	BOUND_IS_OFF,
	BOUND_NEXT_OFF,
	TOPIC_RANK,
	POST_AFTER,
	SAW_ADD,
	SAW_GET,
	RESET_FORUM,
	RESET_SAW,
	RESET_EDITS,
	RESET_POSTS,
	RESET_TOPIC,
	DIGEST_FORUMS,
	DIGEST_POSTS,
	FORUM_STMTS
};
