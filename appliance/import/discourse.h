/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Topics of a Discourse forum, as its address /t/ID.json gives them: JSON objects, one a line (JSON
 * Lines) or one in a file, on one line or written over several. Nothing is written into a log here;
 * a topic becomes a plain struct, and the caller makes ops of it.
 *
 * What a topic must have: `title` and `post_stream.posts`, with at least one post, each with
 * `username`, `created_at`, `cooked` and a `post_number` of its own. All else may be missing or
 * null; what is there must have the right type. Fields that we do not use are ignored.
 *
 * Deterministic: the same bytes give the same struct, so a second import can recognise what it did
 * (discourse_topic.key and discourse_post.number). Posts come sorted by number.
 *
 * Left out, because the forum did not show them to everybody: posts with `deleted_at` or
 * `user_deleted`, and whispers (post_type 4). Titles and names are made one line, and cut to our
 * limits with "…".
 *
 * Threads: a reader belongs to one thread at a time.
 */
#pragma once
#include "sync/base/arena.h"
#include "sync/base/error.h"
#include <stdint.h>
#include <stdio.h>

enum {
	DISCOURSE_TOPIC = 64 * 1024 * 1024, /* bytes of one topic object */
	DISCOURSE_POSTS = 100000,	    /* posts of one topic */
	DISCOURSE_COOKED = 1024 * 1024,	    /* bytes of one post (html_to_markdown's limit) */
};

struct discourse_post {
	int64_t number;	    /* from 1, as in the forum; there may be gaps */
	int64_t reply_to;   /* the number of another post, 0 for none */
	int64_t created_ms; /* milliseconds since 1970 */
	const char *username;
	const char *name;   /* as people call themselves; the username when there is none */
	struct span cooked; /* HTML; may be empty */
	bool notice;	    /* "closed this topic" and the like (post_type 3), no person's words */
};

struct discourse_topic {
	const char *key;    /* what to recognise it by: "discourse:ID:SLUG", or without an id
			     * "discourse::CREATED_MS:TITLE" */
	const char *title;  /* at most LIMIT_TITLE bytes */
	int64_t created_ms; /* the first post's when the topic says nothing */
	bool closed, pinned;
	struct discourse_post *posts;
	size_t posts_n;	 /* may be 0: all that was there was left out */
	size_t left_out; /* deleted posts and whispers */
	size_t not_here; /* posts that the topic has and this file hasn't: /t/ID.json holds the
			  * first twenty, `post_stream.stream` names all */
	size_t line;	 /* where the object begins, from 1 */
};

struct discourse_reader;

/* Reads from `f`, which the caller closes, and not before the reader is freed. */
struct error *discourse_reader_new(FILE *f, struct discourse_reader **ret) MUST;
void discourse_reader_free(struct discourse_reader *r);
DEFINE_CLEANUP(struct discourse_reader *, discourse_reader_free)

/* The next topic, its memory in `a`; *ret NULL at the end of the file. An error names the line and
 * the field ("Line 12: the field post_stream.posts[3].created_at is not a date."), and the reader
 * stands behind the bad object: the caller may go on with the next. ERR_MALFORMED for what is not
 * JSON or not a topic, ERR_LIMIT, ERR_IO; after ERR_IO or ERR_LIMIT of a whole object there is no
 * next. */
struct error *discourse_next(struct discourse_reader *r, struct arena *a,
			     struct discourse_topic **ret) MUST;

/* One object that is already in memory; `line` is for its errors. */
struct error *discourse_parse(struct span json, size_t line, struct arena *a,
			      struct discourse_topic **ret) MUST;
