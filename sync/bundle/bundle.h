/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A bundle: the stream of PROTOCOL.md section 5 in a file, for a USB stick, a visitor's phone, or a
 * backup. Writing is streamed, fsynced and renamed into place; reading holds one frame at a time,
 * asks nothing of the file but its bytes, and takes in what is whole: also behind a fault (sync/
 * replicate/stream.h, stream_seek) or a page that can't be read (source.h), and of several bundles
 * that stand one behind the other.
 */
#pragma once
#include "sync/blob/blob.h"
#include "sync/bundle/known.h"
#include "sync/replicate/heads.h"
#include "sync/replicate/intake.h"
#include "sync/replicate/report.h"
#include "sync/replicate/tally.h"

struct bundle_export {
	struct log_store *log;	  /* a reader of the calling thread */
	struct blob_store *blobs; /* NULL: entries only */
	const struct env *env;
	const char *name;	   /* the box's name, for the hello */
	const struct hash *spaces; /* these only; n_spaces 0: all */
	size_t n_spaces;
	/* What the receiver holds already (sorted as heads_sort does); n_have 0: nothing. */
	const struct head *have;
	size_t n_have;
	/* Contents that it would like to have, of entries that it holds. */
	const struct known_missing *missing;
	size_t n_missing;
	/* Who signs what this box holds, at the bundle's end (claim.h); NULL: it is not said. */
	const struct secret *writer;
	struct pubkey receiver; /* zero: for anybody */
	/* Also closed spaces, which else only a receiver gets to whom they are shared: this box's own
	 * backup. */
	bool closed_too;
	uint64_t serial;	/* known_next_serial */
	struct wire_tally *tally; /* counts what is written, and what this box holds; or NULL */
	/* So far, in bytes; may be NULL. True: give up (ERR_STOPPED). */
	bool (*progress)(void *ctx, uint64_t done);
	void *ctx;
};
struct bundle_totals {
	uint64_t spaces, logs, entries, blobs, bytes;
};
/* Write to a file descriptor from its current position. */
struct error *bundle_write(const struct bundle_export *x, int fd, struct bundle_totals *ret) MUST;
/* Write to PATH.tmp, fsync, rename, fsync the folder. ERR_FULL on a full disk or stick: the
 * unfinished file is removed. */
struct error *bundle_export(const struct bundle_export *x, const char *path,
			    struct bundle_totals *ret) MUST;

/* The bytes that bundle_write will write, within a few parts in a hundred: to ask for room first. */
struct error *bundle_estimate(const struct bundle_export *x, uint64_t *ret_bytes) MUST;

/* Frames that are here whole, as many as make a good commit. */
struct bundle_batch;
/* On the writer, in one transaction: the next frame, NULL when none is at hand. Run intake_run on
 * it (or set its `refused`), then say that it is written; one that was not is handed out again in
 * the next batch. */
struct intake *bundle_batch_next(struct bundle_batch *b);
void bundle_batch_written(struct bundle_batch *b);

enum {
	BUNDLE_PIECE_LEAST = 64 * 1024, /* a piece of a file, unless the file is smaller */
	BUNDLE_PASSES = 64,
};
struct bundle_import {
	const struct secret *self;
	/* So often at most it is read through; 0: BUNDLE_PASSES. Who keeps a space decides how many it
	 * takes, by the order of who admits whom. */
	unsigned passes;
	struct blob_store *blobs; /* NULL: pieces of blobs are passed over */
	void *ctx;
	/* Run intake_run(writer's log, in) on the writer and return after the commit. */
	struct error *(*write)(void *ctx, struct intake *in);
	/* Instead of it: work through the batch on the writer and return after the commit. */
	struct error *(*write_many)(void *ctx, struct bundle_batch *b);
	/* Do we take this space from a bundle? NULL: yes. */
	bool (*follows)(void *ctx, const struct hash *space);
	/* Does this box want that blob, which is said to have so many bytes? Asked when its first
	 * piece comes, if that has BUNDLE_PIECE_LEAST bytes or all, behind the entries that name
	 * it; what is not wanted is passed over. NULL: any (its own backup). */
	bool (*wants)(void *ctx, const struct hash *blob, uint64_t size);
	/* Who wrote it signed what it holds (claim.h). NULL: nobody wants to know. An error of this
	 * box ends the reading. */
	struct error *(*claimed)(void *ctx, const struct bundle_claim *c);
	/* The same bytes again from the beginning, of what can't be rewound: *ret_fd replaces the
	 * one before, which is closed by the caller afterwards. NULL: a pipe is read once. */
	struct error *(*again)(void *ctx, int *ret_fd);
	/* Counts what was in it, of the last pass; or NULL. */
	struct wire_tally *tally;
	/* So far, of the whole file's size (0 when it is a pipe); may be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
};
/* Read the bundle. Logs that were not admitted at their turn are tried again in further passes as
 * long as passes admit more, and there were not too many (a pipe is read once). Returns this box's
 * fault, or the bundle's first, after everything in it that is whole was taken in: ERR_MALFORMED
 * "… is cut off after N entries …". *ret is filled in either case. */
struct error *bundle_import_fd(const struct bundle_import *x, int fd, const char *name,
			       struct sync_report *ret) MUST;
struct error *bundle_import(const struct bundle_import *x, const char *path,
			    struct sync_report *ret) MUST;
