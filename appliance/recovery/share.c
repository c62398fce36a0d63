/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/share.h"
#include <assert.h>
#include <libgfshare.h>

static void fill(unsigned char *p, unsigned int n)
{
	crypto_random(p, n);
}

/* The library's own default is no random source at all: ours is set before each use. It is the same
 * value every time, so threads may. It also overwrites its memory with it when it frees. */
static void use_our_random(void)
{
	__atomic_store_n(&gfshare_fill_rand, fill, __ATOMIC_RELAXED);
}

static void numbers_of(const struct share *s, unsigned n, unsigned char *out)
{
	assert(n >= 1 && n <= SHARE_MOST);
	for (unsigned i = 0; i < n; i++) {
		assert(s[i].number);
		out[i] = s[i].number;
	}
}

void share_split(const uint8_t secret[SHARE_BYTES], unsigned needed, struct share *io_shares,
		 unsigned n)
{
	unsigned char numbers[SHARE_MOST], copy[SHARE_BYTES];
	gfshare_ctx *g;

	use_our_random();
	numbers_of(io_shares, n, numbers);
	g = gfshare_ctx_init_enc(numbers, n, (unsigned char)needed, SHARE_BYTES);
	if (!g)
		abort();
	memcpy(copy, secret, sizeof(copy));
	gfshare_ctx_enc_setsecret(g, copy);
	crypto_wipe(copy, sizeof(copy));
	for (unsigned i = 0; i < n; i++)
		gfshare_ctx_enc_getshare(g, (unsigned char)i, io_shares[i].bytes);
	gfshare_ctx_free(g);
}

void share_join(const struct share *shares, unsigned n, uint8_t ret_secret[SHARE_BYTES])
{
	unsigned char numbers[SHARE_MOST], copy[SHARE_BYTES];
	gfshare_ctx *g;

	use_our_random();
	numbers_of(shares, n, numbers);
	g = gfshare_ctx_init_dec(numbers, n, SHARE_BYTES);
	if (!g)
		abort();
	for (unsigned i = 0; i < n; i++) {
		memcpy(copy, shares[i].bytes, sizeof(copy));
		gfshare_ctx_dec_giveshare(g, (unsigned char)i, copy);
	}
	gfshare_ctx_dec_extract(g, ret_secret);
	crypto_wipe(copy, sizeof(copy));
	gfshare_ctx_free(g);
}
