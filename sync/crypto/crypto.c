/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/crypto/crypto.h"
#include "sync/base/limits.h"
#include <assert.h>
#include <sodium.h>

static_assert(sizeof(struct hash_state) >= sizeof(crypto_generichash_state), "hash state");
static_assert(_Alignof(struct hash_state) >= 64, "hash state alignment");
static_assert(sizeof(struct signature) == crypto_sign_BYTES, "signature");

struct error *crypto_init(void)
{
	if (sodium_init() < 0)
		return error_new(ERR_INTERNAL, N_("The cryptographic library could not start."));
	return NULL;
}

bool pubkey_is_zero(const struct pubkey *k)
{
	static const struct pubkey zero;

	return pubkey_eq(k, &zero);
}

bool hash_is_zero(const struct hash *h)
{
	static const struct hash zero;

	return hash_eq(h, &zero);
}

struct id_text id_text(const void *id32)
{
	struct id_text t;

	base32_encode(id32, 32, t.s);
	return t;
}

struct id_text id_short(const void *id32)
{
	struct id_text t = id_text(id32);

	t.s[8] = 0;
	return t;
}

bool id_parse(const char *text, void *ret_id32)
{
	size_t n = strnlen(text, BASE32_KEY_LEN + 1);

	return n == BASE32_KEY_LEN && base32_decode(text, n, ret_id32, 32);
}

struct hash hash_bytes(struct span s)
{
	struct hash h;

	crypto_generichash(h.b, sizeof(h.b), s.p, s.n, NULL, 0);
	return h;
}

static crypto_generichash_state *state_of(struct hash_state *st)
{
	return (crypto_generichash_state *)(void *)st->opaque;
}

void hash_init(struct hash_state *st)
{
	crypto_generichash_init(state_of(st), NULL, 0, 32);
}

void hash_add(struct hash_state *st, const void *p, size_t n)
{
	if (n)
		crypto_generichash_update(state_of(st), p, n);
}

struct hash hash_final(struct hash_state *st)
{
	struct hash h;

	crypto_generichash_final(state_of(st), h.b, sizeof(h.b));
	return h;
}

void crypto_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}

void crypto_random(void *out, size_t n)
{
	randombytes_buf(out, n);
}

/* --- sealing --- */
static_assert(SEAL_OVERHEAD == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
				       crypto_aead_xchacha20poly1305_ietf_ABYTES,
	      "seal overhead");
enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };

void seal(const uint8_t key[32], struct span plain, struct span context, uint8_t *out)
{
	randombytes_buf(out, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE, NULL, plain.p, plain.n, context.p,
						   context.n, NULL, out, key);
}

bool unseal(const uint8_t key[32], struct span sealed, struct span context, uint8_t *out)
{
	if (sealed.n < SEAL_OVERHEAD)
		return false;
	return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.p + NONCE,
							  sealed.n - NONCE, context.p, context.n,
							  sealed.p, key) == 0;
}

/* --- passwords --- */
const struct password_cost password_cost_default = {2, 64UL * 1024 * 1024};

struct error *password_key(struct span password, const uint8_t salt[16], struct password_cost cost,
			   uint8_t ret_key[32])
{
	uint8_t key[32];

	static_assert(crypto_pwhash_argon2id_SALTBYTES == 16, "salt");
	ENSURE(cost.memory <= LIMIT_PASSWORD_MEMORY && cost.passes <= LIMIT_PASSWORD_PASSES,
	       error_new(ERR_LIMIT, N_("To check this password takes more memory or time than a box"
				       " gives.")));
	if (crypto_pwhash_argon2id(key, sizeof(key), password.p ? (const char *)password.p : "",
				   password.n, salt, cost.passes, cost.memory,
				   crypto_pwhash_argon2id_ALG_ARGON2ID13))
		return error_new(
			ERR_NOMEM,
			N_("There is not enough memory to check a password. Try again soon."));
	memcpy(ret_key, key, sizeof(key));
	crypto_wipe(key, sizeof(key));
	return NULL;
}
