/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of search/ share: the rows of the index, and words. */
#pragma once
#include "appliance/search/search.h"
#include "sync/base/arena.h"
#include "sync/base/buf.h"

/* A row of the index is a post (its number) or a document (DOC_ROWS and more): so documents come
 * first where two are equally good. */
#define DOC_ROWS ((int64_t)1 << 48)

/* --- search_words.c: texts --- */
/* As it is indexed: one line, without control characters and those that turn the direction. */
void words_plain(struct span text, struct buf *out);
/* What somebody typed, as an FTS5 expression; NULL when there is no word in it. */
const char *words_query(struct arena *a, const char *typed);
/* Around a found word in what the index hands out; words_plain leaves none in a text. */
#define FOUND_BEGIN "\x01"
#define FOUND_END   "\x02"
const char *words_marked(struct arena *a, const char *snippet);

/* --- search_store.c: rows --- */
enum erasing { ERASED_NOTHING = 0, ERASED_ASKED = 1, ERASED_MERGING = 2 };
struct search_state {
	int64_t last; /* post.num taken in */
	enum erasing erasing;
	int64_t changed; /* noted posts and documents that wait */
};
struct error *state_get(struct conn *c, struct search_state *ret) MUST;
struct error *state_last(struct conn *c, int64_t last) MUST;
struct error *state_erasing(struct conn *c, enum erasing e) MUST;
/* Some of the posts and documents that changed since they were taken in. */
struct changed {
	int64_t posts[64];
	size_t nposts;
	struct hash docs[64];
	size_t ndocs;
};
struct error *changed_get(struct conn *c, struct changed *ret) MUST;
struct error *changed_done(struct conn *c, const struct changed *ch) MUST;

struct error *row_put(struct conn *c, int64_t row, const char *title, const char *text) MUST;
struct error *row_drop(struct conn *c, int64_t row) MUST;
/* The row of a document, made when there is none. */
struct error *row_of_doc(struct conn *c, const struct hash *id, int64_t *ret) MUST;
struct error *doc_of_row(struct conn *c, int64_t row, struct hash *ret) MUST; /* ERR_NOT_FOUND */
/* One step of merging all of the index into one piece, without what was dropped. */
struct error *rows_merge(struct conn *c, bool first, bool *ret_done) MUST;
/* Give back what the connection's page cache took for a long run of batches. */
void rows_release_memory(struct conn *c);

/* The SEARCH_COUNT_MAX rows that fit best, the best first; the same on every box with the same entries,
 * as long as no more than SEARCH_WEIGHED_MAX posts and as many documents fit. */
struct error *rows_find(struct conn *c, const char *query, int64_t *rows, size_t *ret_n) MUST;
/* Where in these rows: a snippet each, in the arena; NULL: the row is gone meanwhile. */
struct error *rows_snippets(struct conn *c, struct arena *a, const char *query, const int64_t *rows,
			    size_t n, const char **ret) MUST;
