/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What went over the wire between two boxes in one exchange, counted frame by frame: so that both
 * sides, who count alone, come to the same numbers and can sign one receipt (sync/peer/receipt.h).
 * A report (report.h) tells what came of it here; a tally tells what both can know.
 *
 * Invariant: of an exchange that was not cut, one side's `sent` is the other's `came`, and so on
 * for every pair here. Bounds: LIMIT_SPACES spaces and TALLY_NOTES notes; both sides stop counting
 * at the same place, because both see the frames in the same order.
 *
 * One thread at a time. Every function does nothing when the tally is NULL.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/replicate/stream.h"

enum { TALLY_NOTES = 64 };

/* One pair: ours to them, theirs to us. */
struct tally_space {
	struct hash space;
	uint64_t sent, came; /* entries in frames, new or not */
	uint32_t forks_sent, forks_came;
	bool weighed; /* the digests below were told in this exchange */
	bool denied;  /* what was sent of it last: it is not there, or kept from us */
	struct space_digest ours, theirs;
};

struct tally_note {
	struct log_id id;
	enum error_code why;
	bool theirs; /* they refused ours */
};

struct wire_tally {
	struct buf spaces;		    /* struct tally_space, as they came up */
	struct buf notes;		    /* struct tally_note, each once */
	uint64_t bytes_sent, bytes_came;    /* streams of pulls and pushes */
	uint64_t theirs_new, theirs_filled; /* of what was pushed: as they said */
	uint64_t ours_new, ours_filled;	    /* of what was pushed to us: as we said */
};

void tally_release(struct wire_tally *t);

size_t tally_spaces(const struct wire_tally *t);
struct tally_space *tally_at(struct wire_tally *t, size_t i);
/* The row of a space, made when there is none; NULL beyond LIMIT_SPACES. */
struct tally_space *tally_space(struct wire_tally *t, const struct hash *space);

void tally_sent(struct wire_tally *t, const struct hash *space, uint64_t entries, unsigned forks);
/* A frame that came whole. */
void tally_came(struct wire_tally *t, const struct frame *f);
/* A NOTE that was sent (theirs: that came). `denied` about a whole space counts on neither side: who
 * asked may have offered it, and an offer that is not wanted is no refusal. */
void tally_note(struct wire_tally *t, const struct log_id *id, enum error_code why, bool theirs);
void tally_digests(struct wire_tally *t, const struct space_digest *ours,
		   const struct space_digest *theirs); /* either may be NULL: not said */
