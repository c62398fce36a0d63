/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/crypto/file.h"
#include <sodium.h>

#define CONTEXT "lliure-file-1"

static crypto_hash_sha256_state *state_of(struct sha256_state *st)
{
	_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(st->opaque), "too small");
	return (crypto_hash_sha256_state *)(void *)st->opaque;
}

void sha256_init(struct sha256_state *st)
{
	crypto_hash_sha256_init(state_of(st));
}

void sha256_add(struct sha256_state *st, const void *p, size_t n)
{
	crypto_hash_sha256_update(state_of(st), p, n);
}

struct hash sha256_final(struct sha256_state *st)
{
	struct hash h;

	crypto_hash_sha256_final(state_of(st), h.b);
	return h;
}

void base64_put(struct span s, struct buf *out)
{
	size_t n = sodium_base64_ENCODED_LEN(s.n, sodium_base64_VARIANT_ORIGINAL);

	sodium_bin2base64((char *)buf_reserve(out, n), n, s.p, s.n, sodium_base64_VARIANT_ORIGINAL);
	out->n += n - 1;
}

bool base64_take(const char *text, size_t n, size_t max, struct buf *out)
{
	const char *end;
	size_t got;

	if (n / 4 * 3 > max + 2)
		return false;
	if (sodium_base642bin(buf_reserve(out, n / 4 * 3 + 3), n / 4 * 3 + 3, text, n, NULL, &got,
			      &end, sodium_base64_VARIANT_ORIGINAL) ||
	    end != text + n || got > max)
		return false;
	out->n += got;
	return true;
}

static void nonce_of(uint64_t number, uint8_t out[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES])
{
	memset(out, 0, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(number >> (8 * i));
}

void file_seal_piece(const uint8_t key[FILE_KEY], uint64_t number, struct span plain, uint8_t *out)
{
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

	nonce_of(number, nonce);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain.p, plain.n,
						   (const uint8_t *)CONTEXT, sizeof(CONTEXT) - 1,
						   NULL, nonce, key);
}

bool file_open_piece(const uint8_t key[FILE_KEY], uint64_t number, struct span sealed, uint8_t *out)
{
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

	nonce_of(number, nonce);
	return sealed.n >= FILE_TAG &&
	       crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.p, sealed.n,
							  (const uint8_t *)CONTEXT,
							  sizeof(CONTEXT) - 1, nonce, key) == 0;
}

uint64_t file_sealed_size(uint64_t n)
{
	return n + (n + FILE_PIECE - 1) / FILE_PIECE * FILE_TAG;
}

/* Of a length with E bits behind its first, all but the first E's own number of bits are zero. */
uint64_t file_padded_size(uint64_t n)
{
	unsigned e = 63 - (unsigned)__builtin_clzll(n | 1);
	unsigned s = e ? 32 - (unsigned)__builtin_clz(e) : 0;
	uint64_t mask = e > s ? ((uint64_t)1 << (e - s)) - 1 : 0;

	return (n + mask) & ~mask;
}
