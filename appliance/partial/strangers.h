/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Communities of strangers: founded by houses that this one did not approve, and brought by one that it
 * did. Keys cost nothing, so a hostile house can make as many as it likes; sync/peer/room.h bounds
 * how many are here of each that brings them. Three things are decided here:
 *
 *  - which of them somebody here wants: a volunteer said so, or a person of this house or of another
 *    approved one wrote there. (Not of the house that brought it, for that may be the hostile one; nor
 *    does what boxes write by themselves count, such as that something is erased.) Those take no
 *    stranger's place;
 *  - which one gives way when there is no place (host.crowded): the oldest that nobody wants, of the
 *    house whose places are taken, and none that came within LIMIT_STRANGE_DAYS: so people have had a week
 *    to want it. What gave way does not come again by itself;
 *  - what a volunteer lets go of, all that a house brought in one act.
 *
 * What is let go of (log_let_go) is kept as it is, so that the views of boxes with the same entries stay
 * the same; no page shows it, nobody is told of it, nothing of it is fetched, until a volunteer
 * wants it again. Reading: any conn. Writing: on the writer.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/community/feature.h"

struct stranger {
	struct space_info space;
	struct pubkey founder, bringer;
	bool has_bringer;     /* else it is not remembered */
	bool founder_known;   /* an approved box: the space is no stranger's */
	bool wanted;	      /* a volunteer said so */
	bool known_wrote;     /* a person of this house, or of an approved one that did not bring it */
	bool bringer_wrote;   /* one of that which brought it */
	int64_t day;	      /* on which it came, in days since 1970; 0 without bringer */
	uint64_t entries;
};
/* It takes a place of strangers. */
static inline bool stranger_is_unwanted(const struct stranger *s)
{
	return !s->founder_known && !s->wanted && !s->known_wrote;
}
/* Every space that is here and that this box did not found. */
typedef struct error *stranger_fn(void *ctx, const struct stranger *s);
struct error *strangers_each(struct conn *c, struct ledger *l, stranger_fn *fn, void *ctx) MUST;

/* Does anybody here have to do with it: a house that is approved here, or this one, founded it, a person of
 * one wrote in it, or a volunteer wants it? Of what goes on in others nobody need hear. */
struct error *stranger_matters(struct conn *c, const struct hash *space, bool *ret) MUST;

/* The engine's ledger; where none runs one from the disk, *ret_own, which the caller frees. */
struct error *strangers_ledger(struct app *a, struct conn *c, struct ledger **ret_own,
			       struct ledger **ret) MUST;
/* ERR_INVALID: its own are always kept. */
struct error *stranger_let_go(struct conn *c, struct ledger *l, const struct hash *space) MUST;
/* It is wanted, from now on, also if it was let go of. */
struct error *stranger_keep(struct conn *c, struct ledger *l, const struct hash *space) MUST;
/* A space of a stranger that this house brings has no place. *ret_n: so many gave way. */
enum { STRANGERS_GO = 4 };
struct error *strangers_give_way(struct conn *c, struct ledger *l, const struct pubkey *bringer,
				 size_t *ret_n) MUST;
