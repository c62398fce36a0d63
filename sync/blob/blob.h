/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Blobs: files named by the BLAKE2b-256 of their content, in DATA/blobs/ab/REST-OF-NAME. A blob is
 * streamed into a temporary file in the same file system, hashed on the way, fsynced, renamed, and
 * the folder fsynced: after blob_writer_finish returned, it is there for good. Any number of
 * threads may read and write; each writer belongs to one thread.
 */
#pragma once
#include "sync/crypto/crypto.h"

struct blob_store;
struct error *blob_open(const char *dir, struct blob_store **ret) MUST; /* clears old temporaries */
void blob_close(struct blob_store *s);
DEFINE_CLEANUP(struct blob_store *, blob_close)

struct blob_writer;
/* At most `limit` bytes; ERR_FULL, ERR_LIMIT. */
struct error *blob_writer_new(struct blob_store *s, uint64_t limit, struct blob_writer **ret) MUST;
/* Begin or continue the transfer of a blob whose hash is known: *ret_have bytes are here from last
 * time, whoever gave them. ERR_BUSY when another writer is at it. ERR_LIMIT when more than `limit` are
 * here: nothing is cut off, for who says how long it is may be wrong, or lie. */
struct error *blob_writer_resume(struct blob_store *s, const struct hash *expect, uint64_t limit,
				 struct blob_writer **ret, uint64_t *ret_have) MUST;
/* The same of a giver that is known: what it gives is put down under its name. While all goes well, one goes
 * on where another was broken off. Once what several gave together was another file, each has a part of
 * its own, in which *ret_have is its own; so who gives rubbish costs the others one file, once. */
struct error *blob_writer_from(struct blob_store *s, const struct hash *expect,
			       const struct pubkey *by, uint64_t limit, struct blob_writer **ret,
			       uint64_t *ret_have) MUST;
/* In a file of its own, which nobody goes on with and which touches nothing that came from
 * elsewhere: it comes whole, or not at all. */
struct error *blob_writer_apart(struct blob_store *s, const struct hash *expect, uint64_t limit,
				struct blob_writer **ret) MUST;
struct error *blob_write(struct blob_writer *w, struct span bytes) MUST;
/* Everything was written: what blob_writer_finish will name it. Nothing has that name yet, so who must
 * know of it before writes it down now. */
struct hash blob_writer_name(struct blob_writer *w);
/* Consumes the writer. ERR_CORRUPT (and the file is removed) when a known hash does not match. */
struct error *blob_writer_finish(struct blob_writer *take_w, struct hash *ret_hash,
				 uint64_t *ret_size) MUST;
/* The same; *ret_guilty is set with ERR_CORRUPT: was every byte from this writer's giver? */
struct error *blob_writer_settle(struct blob_writer *take_w, bool *ret_guilty) MUST;
void blob_writer_free(struct blob_writer *w); /* gives up; a resumable one keeps what it has */
/* Gives up, and what this writer wrote goes: what it found stays. Consumes the writer. */
void blob_writer_undo(struct blob_writer *take_w);
DEFINE_CLEANUP(struct blob_writer *, blob_writer_free)

bool blob_has(struct blob_store *s, const struct hash *h, uint64_t *ret_size);
/* An open file descriptor for reading, yours; ERR_NOT_FOUND. */
struct error *blob_fd(struct blob_store *s, const struct hash *h, int *ret_fd,
		      uint64_t *ret_size) MUST;
/* Hash the whole file again: ERR_CORRUPT when it is not what its name says (it is then renamed to
 * *.bad, so that it is fetched again, and goes when it was). */
struct error *blob_verify(struct blob_store *s, const struct hash *h) MUST;
struct error *blob_remove(struct blob_store *s, const struct hash *h) MUST;
/* No byte of it is to stay: also what came of it so far, and what was set aside as damaged; durable. Fine
 * when nothing is here. ERR_BUSY when it is being fetched at this moment. */
struct error *blob_erase(struct blob_store *s, const struct hash *h) MUST;
/* Of a transfer that was broken off: so many bytes are here; of several, the most. */
uint64_t blob_part(struct blob_store *s, const struct hash *h);
/* The same, where that giver would go on. */
uint64_t blob_part_from(struct blob_store *s, const struct hash *h, const struct pubkey *by);
/* The file is here now. Each of those who, when what several had given was another file, had given other
 * bytes than the file's is named once: that is certain, for the bytes' hashes were put down. fn NULL: nobody
 * wants to know. */
typedef void blob_liar_fn(void *ctx, const struct pubkey *by);
void blob_judge(struct blob_store *s, const struct hash *h, blob_liar_fn *fn, void *ctx);
typedef struct error *blob_fn(void *ctx, const struct hash *h, uint64_t size);
struct error *blob_each(struct blob_store *s, blob_fn *fn, void *ctx) MUST;
