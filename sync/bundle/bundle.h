/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A bundle: the stream of PROTOCOL.md section 5 in a file, for a USB stick, a visitor's phone, or a
 * backup. Writing is streamed, fsynced and renamed into place; reading holds one frame at a time,
 * asks nothing of the file but its bytes, and takes in what is whole before the first fault.
 */
#pragma once
#include "sync/blob/blob.h"
#include "sync/replicate/heads.h"
#include "sync/replicate/intake.h"
#include "sync/replicate/report.h"

struct bundle_export {
	struct log_store *log;	  /* a reader of the calling thread */
	struct blob_store *blobs; /* NULL: entries only */
	const struct env *env;
	const char *name;	   /* the box's name, for the hello */
	const struct hash *spaces; /* these only; n_spaces 0: all */
	size_t n_spaces;
	/* What the receiver holds already (sorted as heads_sort does); n_heads 0: nothing. */
	const struct head *have;
	size_t n_have;
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

struct bundle_import {
	const struct secret *self;
	struct blob_store *blobs; /* NULL: pieces of blobs are passed over */
	void *ctx;
	/* Run intake_run(writer's log, in) on the writer and return after the commit. */
	struct error *(*write)(void *ctx, struct intake *in);
	/* Do we take this space from a bundle? NULL: yes. */
	bool (*follows)(void *ctx, const struct hash *space);
	/* So far, of the whole file's size (0 when it is a pipe); may be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
};
/* Read the bundle. Logs that were not admitted at their turn are tried again in further passes as
 * long as passes admit more (a pipe is read once). Returns this box's fault, or the bundle's, after
 * everything that came whole before it was taken in: ERR_MALFORMED "… is cut off after N entries
 * …". *ret is filled in either case. */
struct error *bundle_import_fd(const struct bundle_import *x, int fd, const char *name,
			       struct sync_report *ret) MUST;
struct error *bundle_import(const struct bundle_import *x, const char *path,
			    struct sync_report *ret) MUST;
