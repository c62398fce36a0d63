/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/crypto/crypto.h"
#include "sync/base/file.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>

/* Always in sodium_malloc memory: locked, between guard pages, wiped by sodium_free. */
struct secret {
	uint8_t key[crypto_sign_SECRETKEYBYTES];
	struct pubkey public;
};

struct secret *secret_from_seed(const uint8_t seed[32])
{
	struct secret *s = sodium_malloc(sizeof(*s));

	if (!s)
		abort();
	crypto_sign_seed_keypair(s->public.b, s->key, seed);
	return s;
}

struct secret *secret_new(void)
{
	uint8_t seed[32];
	struct secret *s;

	randombytes_buf(seed, sizeof(seed));
	s = secret_from_seed(seed);
	crypto_wipe(seed, sizeof(seed));
	return s;
}

void secret_free(struct secret *s)
{
	sodium_free(s);
}

const struct pubkey *secret_pubkey(const struct secret *s)
{
	return &s->public;
}

void secret_seed(const struct secret *s, uint8_t out[32])
{
	crypto_sign_ed25519_sk_to_seed(out, s->key);
}

struct signature sign(const struct secret *s, struct span message)
{
	struct signature sig;

	crypto_sign_detached(sig.b, NULL, message.p, message.n, s->key);
	return sig;
}

bool verify(const struct pubkey *key, struct span message, const struct signature *sig)
{
	return crypto_sign_verify_detached(sig->b, message.p, message.n, key->b) == 0;
}

/* Not file_read: that would leave copies of the seed in ordinary memory. */
static struct error *read_seed(const char *path, uint8_t seed[33], size_t *ret_n)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t n = 0;

	if (fd < 0)
		return file_error(errno, path);
	while (n < 33) {
		ssize_t got = read(fd, seed + n, 33 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(errno, path);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_n = n;
	return NULL;
}

struct error *secret_load(const char *path, struct secret **ret_secret)
{
	uint8_t seed[33];
	size_t n = 0;
	struct error *err = read_seed(path, seed, &n);

	if (!err && n != 32)
		err = error_new(
			ERR_CORRUPT,
			N_("The key file %s is damaged: it must be exactly 32 bytes. Put it "
			   "back from a backup."),
			path);
	if (!err)
		*ret_secret = secret_from_seed(seed);
	crypto_wipe(seed, sizeof(seed));
	return err;
}

struct error *secret_save(const char *path, const struct secret *s)
{
	uint8_t seed[32];
	struct error *err;

	secret_seed(s, seed);
	err = file_write(path, span_of(seed, sizeof(seed)), 0600);
	crypto_wipe(seed, sizeof(seed));
	return err;
}

/* --- sealing to a key --- */
static_assert(SEAL_TO_OVERHEAD == crypto_box_SEALBYTES, "sealed box");

bool pubkey_can_open(const struct pubkey *key)
{
	uint8_t curve[crypto_scalarmult_curve25519_BYTES];

	return crypto_sign_ed25519_pk_to_curve25519(curve, key->b) == 0;
}

bool seal_to(const struct pubkey *to, struct span plain, uint8_t *out)
{
	uint8_t curve[crypto_scalarmult_curve25519_BYTES];

	return crypto_sign_ed25519_pk_to_curve25519(curve, to->b) == 0 &&
	       crypto_box_seal(out, plain.p, plain.n, curve) == 0;
}

bool unseal_mine(const struct secret *mine, struct span sealed, uint8_t *out)
{
	uint8_t curve[crypto_scalarmult_curve25519_BYTES];
	uint8_t *key;
	bool good;

	if (sealed.n < SEAL_TO_OVERHEAD)
		return false;
	key = guarded_new(crypto_scalarmult_curve25519_BYTES);
	good = crypto_sign_ed25519_pk_to_curve25519(curve, mine->public.b) == 0 &&
	       crypto_sign_ed25519_sk_to_curve25519(key, mine->key) == 0 &&
	       crypto_box_seal_open(out, sealed.p, sealed.n, curve, key) == 0;
	guarded_free(key);
	return good;
}

void *guarded_new(size_t n)
{
	void *p = sodium_malloc(n ? n : 1);

	if (!p)
		abort();
	return p;
}

void guarded_free(void *p)
{
	sodium_free(p);
}
