/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Erasure that is acknowledged. Invariant: a box writes `erase.done` for an op only after the
 * truncating checkpoints behind its erasing succeeded, the search index holds nothing of it and the
 * published repositories were made anew. So a power cut at any moment leaves either no
 * acknowledgement or no bytes.
 *
 * What is still to be said stands in log.db (log_owe): whose bytes came back (an old backup, a
 * copied card, an erasing that turned out not to be allowed) says it again when they are gone again.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/community/feature.h"

extern const struct feature erased_feature;
/* Targets of one op; and so many does one round look at, so that it holds up nobody for long. */
enum { ERASED_TARGETS = 64, ERASED_ROUND = 128 };

/* Are the parts that follow the view (the published repositories) up to date? Called on the writer's
 * thread, where everything that was committed before has been told to them. NULL: there are none. */
struct erased_settled {
	bool (*settled)(void *ctx);
	void *ctx;
};

struct erased_thread;
struct error *erased_start(struct app *a, const struct erased_settled *parts,
			   struct erased_thread **ret) MUST;
void erased_poke(struct erased_thread *t); /* something was committed; NULL: nothing */
void erased_stop(struct erased_thread *t);
/* One round on the writer: acknowledge what is gone of what stands behind *io_after (zero: from the
 * first), which is set to where to go on, zero when nothing is left to look at. *ret_wait: something
 * is not gone yet. */
struct error *erased_acknowledge(struct conn *c, const struct erased_settled *parts,
				 struct hash *io_after, bool *ret_wait) MUST;

/* On the writer: what receipts since the last time say of boxes that only read, kept when it is seen,
 * for the receipts themselves go. */
struct error *erased_note_receipts(struct conn *c) MUST;
/* When the box first signed, at gone_ms or later, that it holds in the space what this one does; 0: never. */
struct error *erased_by_receipt(struct conn *c, const struct hash *space, const struct pubkey *box,
				int64_t gone_ms, int64_t *ret_ms) MUST;

/* The boxes that said that they let go of it, each once, with the last time it said so. */
struct erased_at {
	struct pubkey box;
	int64_t time;
};
typedef struct error *erased_at_fn(void *ctx, const struct erased_at *at);
struct error *erased_where(struct conn *c, const struct hash *target, erased_at_fn *fn,
			   void *ctx) MUST;
