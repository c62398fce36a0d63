/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Some of a store's files, in an order of one's own: what a bundle takes along. It is a store for
 * reading: blob_each lists just these, all else is as in the store that it was made of.
 */
#pragma once
#include "sync/blob/blob.h"

struct blob_chosen {
	struct hash hash;
	uint64_t size;
};
/* The list is copied. Yours, blob_close; the store itself may be closed before. Never NULL. */
struct blob_store *blob_choice(const struct blob_store *of, const struct blob_chosen *list,
			       size_t n);
