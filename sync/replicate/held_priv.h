/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the proofs of entries and of pieces share. Included only inside sync/replicate/. */
#pragma once
#include "sync/replicate/held.h"
#include "sync/replicate/stream.h"

/* A question or an answer. */
struct held_message {
	struct hash proof;
	struct held_entry *e; /* in the arena, as is what follows */
	size_t n;
	struct held_piece *pieces; /* NULL: it is about entries */
	size_t n_pieces;
	bool partial;
};
struct error *held_malformed(void);
struct error *held_read(struct span bytes, struct arena *a, struct held_message *ret) MUST;
struct error *held_pieces_answer(const struct session_options *o, struct held_message *m,
				 struct buf *out) MUST;
