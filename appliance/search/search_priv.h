/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of search/ share: the rows of the index, and words. */
#pragma once
#include "appliance/search/search.h"
#include "sync/base/arena.h"
#include "sync/base/buf.h"

/* A row of the index is a post (its number) or a document (DOC_ROWS and more): so documents come
 * first where two are equally good. */
#define DOC_ROWS ((int64_t)1 << 48)
/* Rows that follow each other are a part, so many of them or of so many bytes, which is looked
 * through at once (db.h: how a table is parted); it is called by the row with which it began. A
 * question costs what the parts cost that are looked through until so many rows were weighed or its
 * time was up, the newest first: a word that is in most is found in the newest, and of a rare one
 * each part takes a tenth of a millisecond. */
enum { PART_ROWS = 16384, PART_BYTES = 4 * 1024 * 1024 };

/* --- search_words.c: texts --- */
/* As it is indexed: one line, without control characters and those that turn the direction. */
void words_plain(struct span text, struct buf *out);
/* In front of a text of that part, and of what is asked of it. */
void words_part(int64_t part, struct buf *out);
/* What somebody typed, as an FTS5 expression for that part; NULL when there is no word in it. */
const char *words_query(struct arena *a, const char *typed, int64_t part);
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

/* The highest row below that one; 0: none. */
struct error *row_below(struct conn *c, int64_t row, int64_t *ret) MUST;
/* The part of a row that is there. */
struct error *part_of(struct conn *c, int64_t row, int64_t *ret) MUST;
/* Rows below that one that fit in the part that is asked, added to the list, at most so many, the
 * highest first. `unseen`: what conn_unseen says. */
struct fit {
	int64_t row;
	double score; /* the better, the smaller */
};
struct fits {
	struct fit *p;
	size_t n, cap;
};
struct fit *fits_add(struct fits *l);
struct error *rows_find(struct conn *c, const char *query, const char *unseen, int64_t below,
			size_t most, struct fits *io) MUST;
/* What decides between rows that fit equally well: nothing of this box's own. */
struct best {
	int64_t row;
	double score;
	int64_t rank;
	struct hash id;
};
struct error *row_rank(struct conn *c, struct best *io) MUST;
/* Where in those of these rows that are in the part that is asked: a snippet each, in the arena; what
 * is gone meanwhile gets none. */
struct error *rows_snippets(struct conn *c, struct arena *a, const char *query, const int64_t *rows,
			    size_t n, const char **io) MUST;

/* --- search_parts.c: which rows --- */
struct found_rows {
	int64_t rows[SEARCH_COUNT_MAX]; /* the best first */
	size_t n;
	struct search_place below; /* what is below it was not looked through; zeros: all was */
};
struct error *parts_find(struct conn *c, const struct question *q, struct found_rows *ret) MUST;
