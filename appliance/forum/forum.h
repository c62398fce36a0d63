/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Forums: rooms of a space, topics in them, posts in those. The door for the other features.
 *
 * Objects: a forum (forum.create, forum.set) and a topic (topic.create, post.create, post.edit,
 * post.hide, topic.set). The opening post of a topic is the op topic.create: its id is the topic's
 * id.
 *
 * Invariants
 *  1. The rows of a topic depend on its own ops alone: never on the forum that it names, which may
 * be unknown, closed or of another space. Lists join both, and show a topic only in a forum of its
 * own space.
 *  2. Posts are numbered from 1 in fold order, without gaps. Numbers are presentation; links name
 * op ids.
 *  3. HTML is not part of the digest; the text is. That of a long text is rendered once, when the
 * op is applied; that of a short one (most are) when it is read, which costs a page less than
 * storing all of it costs a first sync.
 *  4. A post that saw its topic closed is void; one that did not see it stays, wherever it is
 * ordered.
 *
 * Rows are handed to callbacks; their texts are borrowed until the callback returns. A callback
 * must not call the function that called it. Any conn, its own thread.
 */
#pragma once
#include "appliance/community/community.h"

extern const struct feature forum_feature;

enum {
	TOPICS_A_PAGE = 30,
	POSTS_A_PAGE = 20,
	LIMIT_ABOUT = 1000,
	LIMIT_SOURCE = 200,
	LIMIT_REASON = 200,
	POST_SHORT = 1024 /* bytes of text */
};

/* Who wrote: a member by key; or an appliance for somebody whom it names. */
enum author_kind { AUTHOR_MEMBER, AUTHOR_GUEST, AUTHOR_DISCOURSE };
struct author {
	struct pubkey key;
	enum author_kind kind;
	char name[LIMIT_NAME + 1]; /* of a guest or foreign author; "" for a member */
};
const char *author_kind_name(enum author_kind k); /* "guest" */

struct forum {
	struct hash id, space;
	char slug[LIMIT_SLUG + 1], title[LIMIT_TITLE + 1], about[LIMIT_ABOUT + 1];
	bool closed;
	bool plain; /* false: another forum of the space has the same slug; the address needs the
		       id */
	int64_t topics, posts, last_ms; /* only from forum_each and forum_by_name */
};
typedef struct error *forum_fn(void *ctx, const struct forum *f);

struct topic {
	int64_t num; /* this box's own number */
	struct hash id, space, forum;
	char title[LIMIT_TITLE + 1]; /* "" when it was erased */
	struct author author;
	int64_t time;
	bool closed, pinned, hidden; /* hidden: its opening post is */
	int64_t posts, shuts; /* shuts: how often it was closed or opened again; from topic_get */
	struct author last;   /* of the last post, in fold order */
	int64_t last_time;
	char forum_title[LIMIT_TITLE + 1]; /* only from topic_recent and topic_by_author */
};
typedef struct error *topic_fn(void *ctx, const struct topic *t);

struct post {
	int64_t num; /* this box's own number; grows, never reused */
	struct hash id, rev;
	struct hash topic, space;
	int64_t topic_num, number;
	struct author author;
	int64_t time, edited; /* edited 0: never */
	bool hidden, erased;
	const char *text, *html, *reason, *source; /* "" for none */
};
typedef struct error *post_fn(void *ctx, const struct post *p);

/* All forums of a space, by title. */
struct error *forum_each(struct conn *c, const struct hash *space, forum_fn *fn, void *ctx) MUST;
/* The ops that make the space's forums what they are: without them a conversation has no place. At most
 * FORUM_OPS. */
enum { FORUM_OPS = 4096 };
struct error *forum_ops(struct conn *c, const struct hash *space, op_id_fn *fn, void *ctx) MUST;
struct error *forum_get(struct conn *c, const struct hash *id, struct forum *ret) MUST;
/* By slug in the space; or "SLUG~ID8" for one whose slug an older forum has. ERR_NOT_FOUND. */
struct error *forum_by_name(struct conn *c, const struct hash *space, const char *name,
			    struct forum *ret) MUST;
/* The path of its page: /forum/SLUG, /forum/SLUG@SPACE8 outside the home space. In the arena. */
const char *forum_path(struct arena *a, const struct forum *f, const struct hash *home);

/* Pinned first, then by last activity. `hidden`: also those whose opening post is hidden. */
struct error *topic_page(struct conn *c, const struct forum *f, bool hidden, int64_t skip,
			 int64_t n, topic_fn *fn, void *ctx) MUST;
struct error *topic_count(struct conn *c, const struct forum *f, bool hidden, int64_t *ret) MUST;
/* The newest activity of all spaces. */
/* Also of forums whose payload is still to come: their title is "". */
struct error *topic_recent(struct conn *c, int64_t n, topic_fn *fn, void *ctx) MUST;
struct error *topic_get(struct conn *c, const struct hash *id, struct topic *ret) MUST;
/* Topics of a space in which the member wrote, in the order of all lists. */
struct error *topic_by_author(struct conn *c, const struct hash *space, const struct pubkey *key,
			      int64_t n, topic_fn *fn, void *ctx) MUST;

/* Posts number first … first + n - 1 of a topic, in order. */
struct error *post_page(struct conn *c, int64_t topic_num, int64_t first, int64_t n, post_fn *fn,
			void *ctx) MUST;
/* One post; the callback is called once. ERR_NOT_FOUND. */
struct error *post_get(struct conn *c, const struct hash *id, post_fn *fn, void *ctx) MUST;
/* The ops that changed the post, at most n of them, in order of their ids: to erase them with it.
 */
struct error *post_edits(struct conn *c, const struct hash *id, struct hash *out, size_t n,
			 size_t *ret_n) MUST;
/* What an erase op keeps of a post or edit (community_erase), yours. */
json_t *post_keep(const struct topic *t, const struct hash *post, const struct hash *op);

/* Posts with num > after, by num, at most n, for the search index; html is "". */
struct error *post_since(struct conn *c, int64_t after, int64_t n, post_fn *fn, void *ctx) MUST;
struct error *post_newest(struct conn *c, int64_t *ret) MUST; /* the highest num, 0 for none */

/* What can be believed of the dates of a space's posts at most (PROTOCOL.md 4.1); INT64_MAX: nothing bounds
 * it, for one appliance alone has written. */
struct error *forum_bound(struct conn *c, const struct hash *space, int64_t *ret) MUST;
/* Within these a date of the space can be believed: by what several of its boxes say, and by this box's
 * clock when something confirms it. */
struct dates {
	struct hash space;
	int64_t from, until;
};
bool date_doubted(const struct dates *d, int64_t ms, enum author_kind by);
/* When a post was certainly not yet written, whatever it claims: the newest time within `until` that stands
 * before it in its log. 0: nothing is known. */
struct error *post_written_after(struct conn *c, int64_t post_num, int64_t until,
				 int64_t *ret) MUST;

/* For imports: is there a post with this `source` in the space already? */
struct error *forum_has_source(struct conn *c, const struct hash *space, const char *source,
			       bool *ret) MUST;
/* A guest's post of exactly this name, time and text, for approving exactly once. topic NULL: one
 * that opens a topic in the forum. ERR_NOT_FOUND. */
struct error *post_by_guest(struct conn *c, const struct hash *topic, const struct hash *forum,
			    int64_t time, const char *name, const char *text,
			    struct hash *ret) MUST;
/* A line as ops have them (community/op_text.h) that can be seen, of 1 … max bytes. */
bool line_ok(const char *line, size_t max);
/* A name that a guest may give: such a line of at most LIMIT_NAME bytes. */
bool author_name_ok(const char *name);
