/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the parts that write a library's repository share; nobody else includes it. */
#pragma once
#include "appliance/files/files.h"
#include "appliance/library/library_priv.h"
#include <git2.h>

/* Ids that commits name, sorted once all are read. */
struct named {
	struct hash *ids;
	size_t n, cap;
};
void named_add(struct named *k, const struct hash *id);
void named_sort(struct named *k);
bool named_has(const struct named *k, const struct hash *id);

struct repo {
	struct conn *c;
	struct arena *arena;
	git_repository *git;
	git_oid main; /* newest commit */
	bool has_main;
	struct hash space;
	struct named revisions, files; /* that are in */
	size_t matched;		       /* so many of the revisions are still wanted */
	git_index *index;	       /* in memory: the tree of the newest commit */
	int64_t seen;		       /* revision.num looked at so far */
	size_t batch;
};

struct error *git_failed(const char *what) MUST;
#define GIT(call)                                                                                  \
	do {                                                                                       \
		if (call)                                                                          \
			return git_failed(#call);                                                  \
	} while (0)

struct error *repo_put(struct repo *r, git_index *index, const char *path,
		       struct span content) MUST;
/* Commit that tree. */
struct error *repo_commit(struct repo *r, const git_oid *tree, const git_signature *who,
			  const char *message) MUST;
struct error *repo_signature(struct repo *r, const struct pubkey *key, int64_t time_ms,
			     git_signature **ret) MUST;

/* --- library_git_files.c --- */
/* The files of the library as it is now: into `want`, behind its pages; and a commit, by who sent
 * it, for each version that is in none yet. */
struct error *repo_files(struct repo *r, git_index *want) MUST;
/* *ret: a version is in that was erased, or is not there any more. */
struct error *repo_files_unwanted(struct repo *r, bool *ret) MUST;
/* The version whose commit this is, of its message. */
void repo_note_file(struct repo *r, const char *message);
