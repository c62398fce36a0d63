/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which logs that are frozen or ended are not on the record of their appliance yet. What was noted
 * is remembered, so that the record is asked once for each such log in a program's life, and not
 * with each change: an appliance can have thousands.
 *
 * One thread at a time.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/log/log.h"
#include "sync/peer/conduct.h"

/* A log's appliance proved this against itself, by its entry `seq`. */
struct proof {
	int64_t num; /* log_info.num */
	struct log_id log;
	enum misdeed what; /* MISDEED_AUTHOR, MISDEED_FORK */
	uint64_t seq;
};

enum { PROOFS_NOTED = 65536 /* are remembered */, PROOFS_AT_ONCE = 4096 };

struct proofs {
	struct buf noted; /* struct proof_noted, sorted */
	uint64_t asked;	  /* of the record, so often: for tests */
};
void proofs_release(struct proofs *p);

/* Those of `known` appliances that are not remembered as noted, added to *found (struct proof). */
typedef bool proofs_known_fn(void *ctx, const struct pubkey *appliance);
struct error *proofs_find(const struct proofs *p, struct log_store *log, proofs_known_fn *known,
			  void *ctx, struct buf *found) MUST;
/* Leaves in *found those that the record does not hold; of more than `most`, or when more than
 * PROOFS_AT_ONCE were asked for, the first, and *ret_more. What it holds is remembered. */
struct error *proofs_leave_out(struct proofs *p, struct db *local, size_t most, struct buf *found,
			       bool *ret_more) MUST;
/* These are on the record now. */
void proofs_noted(struct proofs *p, const struct buf *found);
