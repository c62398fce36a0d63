/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Batches for the writer: frames that have come, as many as make a good commit. One commit costs an
 * fsync, so what waits is gathered into one job; but an entry may admit an appliance whose log
 * comes next, and admissions are known only after a commit: such a log ends the batch.
 */
#pragma once
#include "sync/peer/host.h"
#include "sync/replicate/intake.h"

/* Older payloads that follow their headers (newest first) go back to objects that are shown already, and
 * each of these is folded anew at the end of its batch: the larger, the less often. */
enum { BATCH_ENTRIES = 8192, BATCH_MS = 250, BATCH_FILL_MS = 4000 };
/* Of payloads. What was not committed when the plug is pulled comes again: this much and a frame, and
 * what was on its way (CLIENT_QUEUE, and the system's buffers). */
enum { BATCH_BYTES = 6 * 1024 * 1024 };

/* Where batches come from: a session or a serving. Called on the writer's thread, with the writer's
 * log (which sees what the batch has stored so far). */
struct batch_source {
	void *ctx;
	/* The next frame for the writer from what is here already; NULL: none without waiting. After a
	 * fault each call fails. */
	struct error *(*next)(void *ctx, struct log_store *log, struct intake **ret);
	void (*written)(void *ctx);
	const struct env *env;
};

/* Write what waits, as one job of the host. *ret_n: frames written. A fault of the source behind
 * frames that were written ends the batch, and fails the next one; only a fault of this box's own
 * undoes it. */
struct error *batch_write(const struct sync_host *host, const struct batch_source *from,
			  size_t *ret_n) MUST;
