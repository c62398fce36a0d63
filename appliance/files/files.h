/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Files of a library: uploaded, shown, saved, with every earlier version. See README.md.
 *
 * A file is an object like a page of the library: file.create begins it, every file.revise names
 * the versions it comes from; versions that nobody has gone on from are its heads. What is small
 * lies in the op itself; the rest is a blob, which may be here or not: the op says what belongs
 * here, and the exchanges bring it. Reading functions take any conn; what they return is in the
 * arena.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/community/community.h"
#include "appliance/files/kind.h"
#include "sync/crypto/file.h"

extern const struct feature files_feature;

enum { FILES_NOTE = 200 };

struct file {
	int64_t num;
	struct hash id, space;
	const char *path;  /* as claimed, in the library's own grammar */
	const char *title; /* of the newest head */
	bool hidden;
	int64_t heads, versions;
};
struct file_version {
	int64_t num;
	struct hash id;
	struct pubkey author, box; /* box: whose log carries it, and where it likely is */
	int64_t time;
	const char *path, *title, *note;
	const struct file_kind *kind;
	uint64_t size;	  /* of its content */
	bool inside;	  /* its content is in the op, and so here: file_content */
	struct hash blob; /* else this one */
	uint64_t stored;  /* its size */
	bool sealed;	  /* with `key`: a private space's */
	uint8_t key[FILE_KEY];
	struct hash sha256; /* as its author says */
	bool head, erased;  /* erased: neither content nor blob */
};

/* Also a hidden one. ERR_NOT_FOUND. */
struct error *file_get(struct conn *c, struct arena *a, const struct hash *id,
		       struct file *ret) MUST;
struct error *file_at(struct conn *c, struct arena *a, const struct hash *space, const char *path,
		      struct file *ret) MUST;
/* Every file that is not hidden, by path, then id, with its newest version. */
typedef struct error *file_fn(void *ctx, const struct file *f, const struct file_version *v);
struct error *file_each(struct conn *c, struct arena *a, const struct hash *space, file_fn *fn,
			void *ctx) MUST;
/* The contents that take most room on this disk, at most `max`, the largest first, hidden ones, too: each
 * with the newest version that has it, whose `stored` is its size here. Of spaces that the conn sees. All
 * that lies here is weighed: for a page that is asked for now and then. */
struct error *file_largest(struct conn *c, struct arena *a, struct blob_store *blobs, size_t max,
			   file_fn *fn, void *ctx) MUST;
/* Newest in fold order first. */
typedef struct error *file_version_fn(void *ctx, const struct file_version *v);
struct error *file_version_each(struct conn *c, struct arena *a, const struct file *f,
				bool heads_only, file_version_fn *fn, void *ctx) MUST;
struct error *file_version_get(struct conn *c, struct arena *a, const struct file *f,
			       const struct hash *id, struct file_version *ret) MUST;
/* What an `inside` version holds. */
struct error *file_content(struct conn *c, struct arena *a, const struct file_version *v,
			   struct span *ret) MUST;
/* What an erase op keeps of a version (community_erase), yours. */
json_t *file_version_keep(struct conn *c, const struct file_version *v);
/* The name under which it is saved: the path's last part, with the end that its kind has. */
const char *file_name(struct arena *a, const struct file_version *v);
/* The length that a sealed content is padded to, sealed. */
uint64_t file_stored_size(uint64_t size);

/* --- for what follows the library: its repository --- */
/* Differs whenever the files of this box differ from before. */
struct files_stamp {
	int64_t newest, files;
	int64_t hidden; /* a sum over those that are: another when others are */
};
struct error *files_stamp(struct conn *c, struct files_stamp *ret) MUST;
/* Is it a version that is in the view and was not erased? */
struct error *file_version_lives(struct conn *c, const struct hash *id, bool *ret) MUST;
/* A shown version that is a blob, by what its author says it hashes to. ERR_NOT_FOUND. */
struct error *file_by_sha256(struct conn *c, struct arena *a, const struct hash *space,
			     const struct hash *sha256, struct hash *ret_file,
			     struct file_version *ret) MUST;

/* --- blobs --- */
/* How far an exchange has looked for blobs: files_next_blob's own, zero at its beginning. */
struct blob_walk;
/* A peer that had none of many in a row is asked no more: false, and w->missed is not 0. Only so many
 * names are looked at in one call: false, and w->more, when it is to be called again.
 * Else: the next blob behind *w that a shown file names, that this box wants (partial/), and that
 * is not here; of spaces that `takes` says yes to. false: none. */
typedef bool files_takes_fn(void *ctx, const struct hash *space);
bool files_next_blob(struct conn *c, struct blob_store *blobs, files_takes_fn *takes, void *ctx,
		     struct blob_walk *w, struct hash *ret, uint64_t *ret_size);
/* Of one that somebody brings, so many bytes: is it such a blob, and is there room? What its op
 * says is the most that it may have. */
bool files_wants_blob(struct conn *c, const struct hash *blob, uint64_t size, files_takes_fn *takes,
		      void *ctx);
/* Does a file that is not erased, in a space that `gives` says yes to, name this blob? */
bool files_names_blob(struct conn *c, const struct hash *blob, files_takes_fn *gives, void *ctx);
/* The same, and this box keeps it for itself, and not for others who alone can read it. */
bool files_keeps_blob(struct conn *c, const struct hash *blob, files_takes_fn *both, void *ctx);
/* Of the blobs that are here, the next that this box does not want to keep (partial/), numbered
 * below `before` (0: from the newest); each once. *ret num 0: none. */
struct loose_blob {
	int64_t num;
	struct hash blob;
	uint64_t stored;
};
struct error *files_loose_before(struct conn *c, struct blob_store *blobs, int64_t before,
				 struct loose_blob *ret) MUST;
/* On the writer: if this box still does not want it, it goes; the caller knows that another box has
 * it. */
struct error *files_let_go(struct conn *c, struct blob_store *blobs, const struct loose_blob *l,
			   bool *ret_gone) MUST;
/* Of the blobs that shown files name in spaces that `gives` says yes to, the next that is here
 * behind *w, the newest first, each once. false: none. */
bool files_next_held(struct conn *c, struct blob_store *blobs, files_takes_fn *gives, void *ctx,
		     struct blob_walk *w, struct hash *ret, uint64_t *ret_size);
/* What this box carries of a space that it can't read: files that count, each content once. It is for a
 * page, so only FILES_COUNTED of what boxes have told of are looked at. */
enum { FILES_COUNTED = 2000 };
struct files_carried {
	uint64_t here, bytes, missing;
	bool more; /* there is more than was looked at */
};
struct error *files_carried_count(struct conn *c, struct blob_store *blobs,
				  const struct hash *space, struct files_carried *ret) MUST;
/* Whether a version's content is here, and if not, why. */
enum file_here {
	FILE_HERE,
	FILE_COMING,	/* it is wanted, and comes when another box gives it */
	FILE_TOO_LARGE, /* this box keeps smaller ones only */
	FILE_NO_ROOM,	/* it is wanted, and the disk has too little room for it */
};
struct error *file_here(struct conn *c, struct blob_store *blobs, const struct file_version *v,
			enum file_here *ret) MUST;
/* On the writer: fetch it all the same, and keep it for a month at least. */
struct error *file_wish(struct conn *c, const struct hash *blob) MUST;

/* --- the thread that follows: erased blobs go, missing ones are asked for --- */
struct files_thread;
struct error *files_start(struct app *a, struct files_thread **ret) MUST;
void files_poke(struct files_thread *t); /* something was committed; NULL: nothing */
/* Is every blob of an erased version gone? NULL: yes. */
bool files_settled(struct files_thread *t);
void files_stop(struct files_thread *t);
