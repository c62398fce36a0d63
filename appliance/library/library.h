/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The library of a space: pages in Markdown, their revisions and heads. See README.md.
 *
 * Reading functions take any conn; what they return is allocated in the arena.
 */
#pragma once
#include "appliance/community/community.h"

struct app;
extern const struct feature library_feature;

enum { LIMIT_NOTE = 200, LIBRARY_HEADS = 16 };

struct doc {
	int64_t num;
	struct hash id, space;
	const char *path;   /* as claimed; the page's address is doc_address() */
	const char *title;  /* of the newest head */
	bool hidden, first; /* first: of those that claim the path */
	int64_t heads, revisions;
};
struct revision {
	int64_t num;
	struct hash id;
	struct pubkey author;
	int64_t time;
	const char *path, *title, *text, *note;
	bool head;
	bool erased; /* text is "" */
};

/* "PATH", or "PATH~ID8" when another document has the path. */
const char *doc_address(struct arena *a, const struct doc *d);
/* The document at that address. ERR_NOT_FOUND. */
struct error *doc_at(struct conn *c, struct arena *a, const struct hash *space, const char *address,
		     struct doc *ret) MUST;
struct error *doc_get(struct conn *c, struct arena *a, const struct hash *id,
		      struct doc *ret) MUST; /* also a hidden one. ERR_NOT_FOUND */
typedef struct error *doc_fn(void *ctx, const struct doc *d);
/* Every document that is not hidden, by path, then id. */
struct error *doc_each(struct conn *c, struct arena *a, const struct hash *space, doc_fn *fn,
		       void *ctx) MUST;
typedef struct error *revision_fn(void *ctx, const struct revision *r);
/* Newest in fold order first. heads_only: those nobody has gone on from. */
struct error *revision_each(struct conn *c, struct arena *a, const struct doc *d, bool heads_only,
			    revision_fn *fn, void *ctx) MUST;
/* Newest first, without their texts. */
struct error *revision_list(struct conn *c, struct arena *a, const struct doc *d, int64_t skip,
			    int64_t n, revision_fn *fn, void *ctx) MUST;
struct error *revision_get(struct conn *c, struct arena *a, const struct doc *d,
			   const struct hash *id, struct revision *ret) MUST;
/* Ids of the revisions it comes from, as it names them; returns how many (at most LIMIT_SEEN). */
size_t revision_parents(struct conn *c, const struct revision *r, struct hash *out) MUST;
/* Revisions of all documents of the space after this box's own number `after`, oldest first: for
 * what follows the library (the repository, the search index). The doc is the revision's. */
struct library_change {
	struct doc doc;
	struct revision revision;
};
typedef struct error *library_change_fn(void *ctx, const struct library_change *ch);
struct error *library_since(struct conn *c, struct arena *a, const struct hash *space,
			    int64_t after, size_t max, library_change_fn *fn, void *ctx) MUST;

/* Pages of which two versions wait for people. */
struct error *library_conflicts(struct conn *c, const struct hash *space, int64_t *ret) MUST;

/* What an erase op keeps of a revision (community_erase), yours: its path and its parents. */
json_t *revision_keep(struct conn *c, const struct revision *r);

/* --- the published repositories (library_git.c) --- */
/* A thread that follows the libraries. start: brings them up to date. poke: something was
 * committed. */
struct library_git;
struct error *library_git_start(struct app *app, struct library_git **ret) MUST;
void library_git_poke(struct library_git *g);
/* Are the repositories what the view was at the last poke? false also when one could not be made. */
bool library_git_settled(struct library_git *g);
void library_git_stop(struct library_git *g);
/* Bring DATA/git/SPACE.git up to date; what the thread does. Safe to repeat, safe after the folder
 * was deleted. When a revision that is in was erased, the repository is made anew without it. */
struct error *library_git_update(struct conn *c, const char *dir, const struct hash *space) MUST;
/* A file of the repository, for `git clone` over plain HTTP (gitprotocol-http, the dumb clients):
 * HEAD, info/refs, objects/info/packs, objects/xx/…; nothing else has a name here. Any thread.
 * ERR_NOT_FOUND. */
struct error *library_git_file(const char *dir, const struct hash *space, const char *name,
			       struct buf *b) MUST;
