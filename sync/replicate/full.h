/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What of a space has no room here until the day ends, of one peer: it was refused today, and would
 * be refused again. So it is left out of what is asked, and the peer is told so that it does not
 * push it either. Nothing of it decides what is valid. PROTOCOL.md section 7, *no room today*.
 *
 * It is said in words that every box understands: a row of heads that ends just behind what is
 * held. Plain data, any thread.
 */
#pragma once
#include "sync/replicate/stream.h"

struct full {
	bool all;	 /* nothing of the space has any */
	bool held_only;	 /* nor has any log of which nothing is held: too many came in vain */
	struct buf logs; /* struct log_id, sorted: these have none */
};
void full_release(struct full *f);

bool full_any(const struct full *f);
/* Does it leave logs out that can't be named, for they are not known here? */
bool full_is_wide(const struct full *f);
/* Of a log of which something is held, or not. NULL: nothing is full. */
bool full_has(const struct full *f, const struct log_id *id, bool held);
/* The row as it is said: nothing behind what is held is asked for. */
struct head full_head(struct head row);
/* What is held, sorted, as it is said: full logs with such rows, also those of which nothing is
 * held. The new array lives in the arena. */
void full_rows(const struct full *f, struct arena *a, struct head **io_heads, size_t *io_n);
