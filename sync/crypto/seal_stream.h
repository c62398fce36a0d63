/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A long message sealed piece by piece: libsodium's secretstream (XChaCha20-Poly1305). Pieces can't
 * be left out, repeated, reordered or taken from another stream, and an end that is missing is
 * noticed. A piece is marked as the last of a part, or of all.
 *
 * A stream belongs to one thread; its state lives in guarded memory.
 */
#pragma once
#include "sync/crypto/crypto.h"

enum { SEAL_STREAM_HEADER = 24, SEAL_STREAM_OVERHEAD = 17 };
enum seal_mark { SEAL_MORE, SEAL_PART_END, SEAL_END };

struct seal_stream;
/* Begin to seal; header is what the reader needs first, and no secret. */
struct seal_stream *seal_stream_new(const uint8_t key[32], uint8_t ret_header[SEAL_STREAM_HEADER]);
/* Begin to unseal. NULL: the header is none. */
struct seal_stream *unseal_stream_new(const uint8_t key[32],
				      const uint8_t header[SEAL_STREAM_HEADER]);
void seal_stream_free(struct seal_stream *s);
DEFINE_CLEANUP(struct seal_stream *, seal_stream_free)

/* out has room for plain.n + SEAL_STREAM_OVERHEAD. context is bound to the piece, not contained. */
void seal_stream_push(struct seal_stream *s, struct span plain, struct span context,
		      enum seal_mark mark, uint8_t *out);
/* out has room for sealed.n - SEAL_STREAM_OVERHEAD. false: it is not the piece that belongs here.
 */
bool seal_stream_pull(struct seal_stream *s, struct span sealed, struct span context, uint8_t *out,
		      enum seal_mark *ret_mark);
