/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What blob.c and writer.c share. Included only inside sync/blob/. */
#pragma once
#include "sync/base/file.h"
#include "sync/blob/blob.h"
#include "sync/blob/choice.h"
#include <dirent.h>

struct blob_store {
	char *dir;
	char *tmp;  /* emptied at opening */
	char *part; /* broken transfers of known hashes, kept */
	bool is_choice; /* lists these only */
	struct blob_chosen *chosen;
	size_t n_chosen;
};

static inline void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

char *blob_folder(const struct blob_store *s, const struct hash *h);
char *blob_path(const struct blob_store *s, const struct hash *h);
/* Ours alone; and not one that its writer put in its place, or took away, since it was opened. */
bool part_lock(int fd, const char *path);
/* Hash the rest of an open file. */
struct error *blob_hash_fd(int fd, const char *path, struct hash_state *st, uint64_t *ret_size);

/* --- given.c: who gave what of a part --- */
enum { GIVEN_MOST = 64 }; /* of those before them is known who gave what; of others it isn't */
#define GIVEN_END ".given"
struct blob_gave {
	struct pubkey by;
	uint64_t from, to; /* to: the byte behind them; rising, apart */
	struct hash hash;
};
/* Beside the part of that path; nothing where nothing holds. */
size_t given_read(const char *part, struct blob_gave ret[GIVEN_MOST]);
void given_write(const char *part, const struct blob_gave *list, size_t n);
void given_remove(const char *part);
/* Add these bytes of the file. False: they can't be read. */
bool given_hash(int fd, uint64_t from, uint64_t to, struct hash_state *st);
/* Did what several gave together turn out to be another file? */
bool given_is_mixed(struct blob_store *s, const struct hash *h);
/* The path where this giver goes on: of the part of all, or then of its own. */
char *given_part(struct blob_store *s, const struct hash *h, const struct pubkey *by);
/* The part of all is over; its lock is held. The records stay. */
void given_part_ways(struct blob_store *s, const struct hash *h, const struct blob_gave *first);
typedef struct error *given_own_fn(void *ctx, const char *path);
struct error *given_each_own(struct blob_store *s, const struct hash *h, given_own_fn *fn,
			     void *ctx) MUST;
