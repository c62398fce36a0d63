/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What blob.c and writer.c share. Included only inside sync/blob/. */
#pragma once
#include "sync/base/file.h"
#include "sync/blob/blob.h"
#include "sync/blob/choice.h"

struct blob_store {
	char *dir;
	char *tmp;  /* emptied at opening */
	char *part; /* broken transfers of known hashes, kept */
	bool is_choice; /* lists these only */
	struct blob_chosen *chosen;
	size_t n_chosen;
};

char *blob_folder(const struct blob_store *s, const struct hash *h);
char *blob_path(const struct blob_store *s, const struct hash *h);
/* Hash the rest of an open file. */
struct error *blob_hash_fd(int fd, const char *path, struct hash_state *st, uint64_t *ret_size);
