/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/crypto/seal_stream.h"
#include <assert.h>
#include <sodium.h>

static_assert(SEAL_STREAM_HEADER == crypto_secretstream_xchacha20poly1305_HEADERBYTES, "header");
static_assert(SEAL_STREAM_OVERHEAD == crypto_secretstream_xchacha20poly1305_ABYTES, "overhead");

struct seal_stream {
	crypto_secretstream_xchacha20poly1305_state state;
};

struct seal_stream *seal_stream_new(const uint8_t key[32], uint8_t ret_header[SEAL_STREAM_HEADER])
{
	struct seal_stream *s = guarded_new(sizeof(*s));

	crypto_secretstream_xchacha20poly1305_init_push(&s->state, ret_header, key);
	return s;
}

struct seal_stream *unseal_stream_new(const uint8_t key[32],
				      const uint8_t header[SEAL_STREAM_HEADER])
{
	struct seal_stream *s = guarded_new(sizeof(*s));

	if (!crypto_secretstream_xchacha20poly1305_init_pull(&s->state, header, key))
		return s;
	guarded_free(s);
	return NULL;
}

void seal_stream_free(struct seal_stream *s)
{
	guarded_free(s);
}

static const unsigned char tags[] = {
	[SEAL_MORE] = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
	[SEAL_PART_END] = crypto_secretstream_xchacha20poly1305_TAG_PUSH,
	[SEAL_END] = crypto_secretstream_xchacha20poly1305_TAG_FINAL,
};

void seal_stream_push(struct seal_stream *s, struct span plain, struct span context,
		      enum seal_mark mark, uint8_t *out)
{
	crypto_secretstream_xchacha20poly1305_push(&s->state, out, NULL, plain.p, plain.n,
						   context.p, context.n, tags[mark]);
}

bool seal_stream_pull(struct seal_stream *s, struct span sealed, struct span context, uint8_t *out,
		      enum seal_mark *ret_mark)
{
	unsigned char tag;

	if (sealed.n < SEAL_STREAM_OVERHEAD ||
	    crypto_secretstream_xchacha20poly1305_pull(&s->state, out, NULL, &tag, sealed.p,
						       sealed.n, context.p, context.n))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (tags[i] == tag) {
			*ret_mark = (enum seal_mark)i;
			return true;
		}
	return false;
}
