/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Intake: one frame from outside on its way into the log. The session, the server's side and the
 * bundle hand these out; the driver runs intake_run on the writer, in the writer's
 * transaction, and tells the one who gave it that it is done.
 *
 * What it decides, in this order: the log must be admitted (or found its space); then log_ingest or
 * log_ingest_fork, which draws a new incarnation when the peer shows more of the log that we are
 * writing than we hold (this box is an old copy); if one of our own logs turned out forked, its
 * disputed ops are carried over.
 */
#pragma once
#include "sync/replicate/report.h"
#include "sync/replicate/stream.h"

struct intake {
	const struct frame *frame; /* FRAME_ENTRIES or FRAME_FORK; borrowed */
	const struct secret *self;
	size_t vouched; /* of a run: log_vouched, looked at before it goes to the writer */
	/* results, valid once intake_run has returned NULL and the writer has committed */
	struct ingest_result result;
	bool fork_new; /* a fork that was not known, or lower than the known one */
	bool new_incarnation;
	bool twins; /* of our own key, and we did not write it */
	int carried;
	enum error_code refused; /* ERR_NONE when all was taken */
	uint64_t refused_seq;
	char refused_text[240]; /* the sentence, in English */
};

/* On the writer, inside its transaction. Its own error is this box's fault (disk): nothing was
 * stored. */
struct error *intake_run(struct log_store *writer, struct intake *in) MUST;
/* Add what became of it to the report. */
void intake_report(const struct intake *in, struct sync_report *r);
/* Is this the log whose first entry founds the space? (R) */
struct error *log_founds(struct log_store *l, const struct log_id *id, bool *ret) MUST;
