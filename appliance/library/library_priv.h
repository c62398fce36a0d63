/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/library/library.h"

enum library_sql {
	DOC_ADD,
	DOC_RESET,
	DOC_SETTLE,
	DOC_HIDE,
	DOC_BY_ID,
	DOC_BY_PATH,
	DOC_BY_SHORT,
	DOC_EACH,
	DOC_CONFLICTS,
	REVISION_ADD,
	REVISION_RESET,
	REVISION_EACH,
	REVISION_LIST,
	REVISION_GET,
	REVISION_SINCE,
	PARENT_ADD,
	PARENT_RESET,
	PARENT_LOSES_HEAD,
	PARENT_EACH,
	DIGEST,
	STAMP,
	LIBRARY_SQL
};
enum { LIBRARY_MIGRATIONS = 2 };
extern const char *const library_migrations[LIBRARY_MIGRATIONS];
extern const char *const library_sql[LIBRARY_SQL];
extern const struct op_type library_types[];

/* On the writer, while folding (library_store.c). */
struct error *doc_add(struct fold *f, const struct op *op, const char *path,
		      const char *title) MUST;
struct error *doc_folded(struct fold *f, struct doc *ret) MUST; /* ERR_NOT_FOUND */
struct error *doc_set_hidden(struct fold *f, bool hidden) MUST;
/* path, title, text, note as they are after the op; parents are ids. */
struct error *revision_add(struct fold *f, const struct doc *d, const struct op *op,
			   const struct revision *what, const struct hash *parents, size_t n) MUST;
/* The revision of the document being folded, for what a revise leaves as it was. */
struct error *revision_folded(struct fold *f, const struct doc *d, const struct hash *id,
			      struct revision *ret) MUST;
struct error *library_reset(struct fold *f) MUST;
struct error *library_digest(struct conn *c, const struct hash *space, struct hash_state *h) MUST;

/* Differs whenever the libraries of this box differ from before: cheap to ask after every commit.
 */
struct library_stamp {
	int64_t newest, docs, hidden;
};
struct error *library_stamp(struct conn *c, struct library_stamp *ret) MUST;

/* --- differences of two texts, by libgit2 (library_diff.c) --- */
enum { DIFF_LINES = 2000 };
enum diff_kind { DIFF_SAME, DIFF_ADD, DIFF_DEL };
typedef void diff_fn(void *ctx, enum diff_kind kind, const char *line, size_t n);
/* Line by line, with a few lines around what differs; "…" stands for what is left out, also
 * after DIFF_LINES. */
struct error *library_diff(const char *before, const char *after, diff_fn *fn, void *ctx) MUST;
