/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Past states: which digests of heads this box has told, when (by arrival numbers), and which of
 * them a peer is known to have had, too. So that two boxes that were equal once need not find out
 * again what they hold: "I hold what I held at that digest, but for these rows" says it in a
 * hundred bytes. PROTOCOL.md section 6.2.
 *
 * Only digests and numbers are remembered, in memory, at most PAST_STATES and PAST_AGREED of them;
 * the rows of a past state are worked out from what is stored, and checked against its digest. What
 * is not known, or does not come out, costs the bytes of ranges or whole lists, and nothing else.
 *
 * Any thread; locks itself. A NULL remembers nothing and knows nothing.
 */
#pragma once
#include "sync/replicate/heads.h"

enum {
	PAST_STATES = 1024,   /* all spaces together; the one told longest ago gives way */
	PAST_AGREED = 1024,   /* pairs of a peer and a space, likewise */
	PAST_ARRIVALS = 4096, /* entries since, beyond which a state is too old to be worked out */
};

struct pasts;
struct pasts *pasts_new(void);
void pasts_free(struct pasts *p);
DEFINE_CLEANUP(struct pasts *, pasts_free)

/* heads_space_digest, remembered as a state that was told. */
struct error *pasts_digest(struct pasts *p, struct log_store *l, const struct hash *space,
			   struct space_digest *ret) MUST;
/* The rows of the space in that state, sorted. *ret_known false: it is none of ours, or too old. */
struct error *pasts_rows(struct pasts *p, struct log_store *l, const struct hash *space,
			 const struct hash *state, struct arena *a, struct head **ret,
			 size_t *ret_n, bool *ret_known) MUST;

/* The peer and we held this at the same time. */
void pasts_agree(struct pasts *p, const struct pubkey *peer, const struct space_digest *both);
/* What was so last; false: nothing is known. */
bool pasts_agreed(struct pasts *p, const struct pubkey *peer, const struct hash *space,
		  struct hash *ret_state);
/* Something went wrong with this peer: nothing is taken for granted. */
void pasts_forget(struct pasts *p, const struct pubkey *peer);
