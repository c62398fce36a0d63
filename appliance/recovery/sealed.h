/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A sealed file, "lliure-backup-2" (PROTOCOL.md, "Backups"): a head in clear, then parts, sealed
 * piece by piece so that neither writing nor reading holds more than a piece in memory. The key
 * comes from the box's own key (so the recovery sheets open it) or from a passphrase.
 *
 * The head says which box and when, and is bound to every piece; what is in the parts, and how many
 * there are, can't be seen. Pieces are authenticated before a byte of them is handed out; a file
 * that was cut, mixed or changed anywhere is noticed there.
 *
 * A file belongs to one thread.
 */
#pragma once
#include "sync/sync.h"

enum sealed_with { SEALED_BOX_KEY = 1, SEALED_PASSPHRASE = 2 };
enum { SEALED_HEAD = 112, SEALED_PIECE = 65536 };

struct sealed_head {
	enum sealed_with with;
	uint8_t scope; /* the writer's: what it is a backup of */
	struct password_cost cost;
	int64_t made_ms;
	struct pubkey box;
	uint8_t salt[16], stream[SEAL_STREAM_HEADER];
	uint8_t raw[SEALED_HEAD];
};
/* ERR_MALFORMED: not one; ERR_VERSION; ERR_LIMIT: its passphrase can't be tried here. Reads nothing
 * but these bytes. */
struct error *sealed_head_parse(struct span bytes, const char *name, struct sealed_head *ret) MUST;

/* One of the two; the passphrase is borrowed. */
struct sealed_key {
	const struct secret *box;
	const char *passphrase;
};

/* --- writing --- */
struct sealed_out;
struct sealed_make {
	int fd; /* from its position on */
	const char *name;
	struct sealed_key key;
	uint8_t scope;
	int64_t made_ms;
	struct pubkey box;
	struct password_cost cost; /* all zero: the default */
};
struct error *sealed_create(const struct sealed_make *m, struct sealed_out **ret) MUST;
void sealed_out_free(struct sealed_out *o); /* does not end it: such a file is not whole */
DEFINE_CLEANUP(struct sealed_out *, sealed_out_free)
struct error *sealed_begin(struct sealed_out *o, uint8_t part) MUST;
struct error *sealed_write(struct sealed_out *o, const void *p, size_t n) MUST;
/* End the part; `all`: the file, too. */
struct error *sealed_end(struct sealed_out *o, bool all) MUST;

/* --- reading --- */
struct sealed_in;
/* ERR_DENIED: sealed with another box's key, or with a passphrase where a key was given, or the
 * other way round. */
struct error *sealed_open(int fd, const char *name, const struct sealed_key *key,
			  struct sealed_in **ret) MUST;
void sealed_in_free(struct sealed_in *in);
DEFINE_CLEANUP(struct sealed_in *, sealed_in_free)
const struct sealed_head *sealed_head(const struct sealed_in *in);
/* The next part, passing over what was not read of this one; 0: there is none, the file was whole.
 * ERR_CORRUPT. */
struct error *sealed_next(struct sealed_in *in, uint8_t *ret_part) MUST;
/* At most n bytes of the part; 0: it has ended. ERR_CORRUPT: damaged, or cut off. */
struct error *sealed_read(struct sealed_in *in, void *out, size_t n, size_t *ret_n) MUST;
uint64_t sealed_done(const struct sealed_in *in); /* bytes of the file that were read */
