/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Search: the words of posts and of library pages, found again.
 *
 * Invariants
 *  1. The index is derived from the rows of forum/ and library/ and lives beside them in view.db:
 *     it is dropped with the view and made again from nothing.
 *  2. It follows behind: no fold waits for it. New posts are found by their growing number; what
 *     changed or went is noted by triggers, in the same transaction as the change.
 *  3. What is shown is read again from the live rows at the moment of the search: a post that was
 *     hidden or erased a moment ago is not shown, whatever the index still says.
 *  4. When something was erased, the index is merged into one piece without it, and the
 *     write-ahead log is emptied: no byte of it stays in view.db.
 */
#pragma once
#include "appliance/community/community.h"

struct app;
extern const struct feature search_feature; /* after forum and library in appliance/features.c */

enum { RESULTS_A_PAGE = 20, SEARCH_COUNT_MAX = 1000, LIMIT_QUERY = 200, QUERY_WORDS = 12 };
/* What is weighed for one question, of posts and of documents each, and how long is looked for it:
 * in a community of a million posts a common word is in most, and two may never be together. */
enum { SEARCH_WEIGHED_MAX = 20000, SEARCH_MS = 150 };

/* --- the index, on the writer's conn --- */
/* Take in at most `max` changes, inside the caller's transaction. *ret_more: there is more to do.
 * ERR_BUSY: the view is behind its log (conn_is_behind). */
struct error *search_update(struct conn *c, size_t max, bool *ret_more) MUST;
/* All of it, in transactions of its own: for tests and the command line. */
struct error *search_catch_up(struct conn *c) MUST;
/* Is there anything to take in? Any conn; quick. */
struct error *search_behind(struct conn *c, bool *ret) MUST;

/* --- asking, any conn --- */
struct found {
	bool doc;		  /* a library page, else a post */
	struct hash id;		  /* of the post or the document */
	bool opens;		  /* the post that opens its topic, whose id it has */
	const char *title;	  /* of the topic or the page */
	struct hash space;	  /* of a page */
	const char *address;	  /* of a page in its library, not encoded */
	const char *snippet_html; /* escaped, found words in <mark> */
	int64_t time;
};
typedef struct error *found_fn(void *ctx, const struct found *f);
/* Whatever somebody typed: words that must all be there, the last one perhaps only begun. Never a
 * syntax error; nothing is found when it has no word. What came here last is looked through first,
 * until SEARCH_WEIGHED_MAX rows fit or the time is up; the rest when it is asked again, below the
 * place that the answer names. Of what was all looked through the same is found on every box with
 * the same entries. */
struct search_place {
	int64_t post, doc; /* below these numbers, this box's own; 0: none of them */
};
struct question {
	const char *typed;
	const struct search_place *below; /* NULL: everything */
	int64_t skip, n;		  /* hands over at most n, best first, after skipping so many */
	int64_t ms; /* by the conn's clock; 0: a part of each and no more */
};
struct findings {
	int64_t count; /* how many there are, at most SEARCH_COUNT_MAX */
	bool more;     /* not everything was looked through, but what is not below: */
	struct search_place below;
};
struct error *search(struct conn *c, struct arena *a, const struct question *q, found_fn *fn,
		     void *ctx, struct findings *ret) MUST;

/* --- the thread that keeps the index up to date --- */
/* Waits for a quiet moment after the last commit (never for long), then hands the writer bounded
 * batches, so that nobody's post waits behind the index. */
struct search_thread;
struct error *search_start(struct app *app, struct search_thread **ret) MUST;
void search_poke(struct search_thread *s); /* something was committed; any thread, quick */
void search_stop(struct search_thread *s); /* NULL does nothing; before writer_stop */
