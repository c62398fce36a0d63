/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Contents of files: taken in from an upload, and given out again. Sealing happens here, so nothing
 * else knows of it. Memory: one piece at a time.
 */
#pragma once
#include "appliance/files/files.h"

/* What came: an open file, read from its beginning, that many bytes. */
struct content_from {
	int fd;
	uint64_t size;
	const char *name; /* as the sender calls it; may be "" */
	bool seal;	  /* for a private space */
	/* The blob's name is known, and nothing has it yet: an error ends it there. NULL: no
	 * matter. */
	struct error *(*named)(void *ctx, const struct hash *blob);
	void *ctx;
};
/* What goes into the op. */
struct content {
	const struct file_kind *kind;
	uint64_t size;
	struct buf data; /* base64, of a small one */
	bool outside;	 /* else the blob, which is here for good */
	struct hash blob, sha256;
	bool sealed;
	uint8_t key[FILE_KEY];
};
void content_release(struct content *c);
/* ERR_INVALID when it is empty, ERR_FULL when there is not enough room on the disk of `dir`. */
struct error *content_take(struct blob_store *blobs, const char *dir,
			   const struct content_from *from, struct content *ret) MUST;
/* The fields of an op that say it. */
void content_say(const struct content *c, json_t *body);

/* Bytes of a blob's content, for one answer; belongs to one thread at a time. */
struct content_reader;
struct error *content_open(struct blob_store *blobs, const struct file_version *v,
			   struct content_reader **ret) MUST; /* ERR_NOT_FOUND */
void content_close(struct content_reader *r);
DEFINE_CLEANUP(struct content_reader *, content_close)
/* Up to n bytes from there; 0 at the end, -1 when the disk fails or the blob is damaged. */
ssize_t content_read(void *reader, uint64_t at, void *out, size_t n);
