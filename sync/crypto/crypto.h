/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The only door to libsodium. Hashes are BLAKE2b-256 (RFC 7693), signatures Ed25519 by libsodium's
 * rules (they are part of the protocol: implementations differ on odd keys), sealing is
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), passwords go through Argon2id (RFC 9106).
 *
 * crypto_init must have succeeded once in the process before anything else here is used. All
 * functions may be called from any thread. A `struct secret` lives in sodium_malloc memory: locked,
 * guarded, wiped when freed; it never reaches a log line, a core dump or a URL.
 */
#pragma once
#include "sync/base/base32.h"
#include "sync/base/error.h"
#include "sync/base/span.h"

struct hash {
	uint8_t b[32];
};
struct pubkey {
	uint8_t b[32];
};
struct signature {
	uint8_t b[64];
};

struct error *crypto_init(void) MUST;

/* --- comparing and printing --- */
static inline bool hash_eq(const struct hash *a, const struct hash *b)
{
	return memcmp(a->b, b->b, 32) == 0;
}
static inline int hash_cmp(const struct hash *a, const struct hash *b)
{
	return memcmp(a->b, b->b, 32);
}
static inline bool pubkey_eq(const struct pubkey *a, const struct pubkey *b)
{
	return memcmp(a->b, b->b, 32) == 0;
}
bool hash_is_zero(const struct hash *h);
bool pubkey_is_zero(const struct pubkey *k); /* nobody's */
/* A 32-byte id as text: whole, and the first eight letters that people see. */
struct id_text {
	char s[BASE32_KEY_LEN + 1];
};
struct id_text id_text(const void *id32);
struct id_text id_short(const void *id32);
#define ID(x)	    (id_text((x)).s)  /* for use inside one expression */
#define ID_SHORT(x) (id_short((x)).s) /* likewise */
/* false (out untouched) unless the text is exactly 52 letters of our base32. */
bool id_parse(const char *text, void *ret_id32);

/* --- hashing --- */
struct hash hash_bytes(struct span s);
struct hash_state {
	_Alignas(64) uint8_t opaque[384];
};
void hash_init(struct hash_state *st);
void hash_add(struct hash_state *st, const void *p, size_t n);
struct hash hash_final(struct hash_state *st);

/* --- signing --- */
struct secret;			 /* an Ed25519 secret key with its public half */
struct secret *secret_new(void); /* from the kernel's random numbers */
struct secret *secret_from_seed(const uint8_t seed[32]); /* the same key for the same seed */
void secret_free(struct secret *s);
DEFINE_CLEANUP(struct secret *, secret_free)
const struct pubkey *secret_pubkey(const struct secret *s);
void secret_seed(const struct secret *s, uint8_t out[32]); /* the caller wipes `out` */
struct signature sign(const struct secret *s, struct span message);
bool verify(const struct pubkey *key, struct span message, const struct signature *sig);

/* The key file: 32 bytes of seed, mode 0600. load: ERR_NOT_FOUND, ERR_CORRUPT. */
struct error *secret_load(const char *path, struct secret **ret_secret) MUST;
struct error *secret_save(const char *path, const struct secret *s) MUST;

/* --- sealing --- */
/* A random 32-byte key in guarded memory would cost a page each; short-lived keys live on the
 * stack and are wiped with crypto_wipe. */
void crypto_wipe(void *p, size_t n);
bool crypto_equal(const void *a, const void *b, size_t n); /* constant time */
void crypto_random(void *out, size_t n);
enum { SEAL_OVERHEAD = 24 + 16 }; /* nonce and tag */
/* out has room for plain.n + SEAL_OVERHEAD: a random nonce, then ciphertext and tag. */
void seal(const uint8_t key[32], struct span plain, struct span context, uint8_t *out);
/* out has room for sealed.n - SEAL_OVERHEAD; false when it is not what seal made. */
bool unseal(const uint8_t key[32], struct span sealed, struct span context, uint8_t *out);
/* To the holder of an Ed25519 key: libsodium's sealed box (X25519 with a fresh key,
 * XSalsa20-Poly1305) to the X25519 form of that key. It says nothing of who sealed it. out has room
 * for plain.n + SEAL_TO_OVERHEAD. false when the key has no such form: it is no point of large
 * order. */
enum { SEAL_TO_OVERHEAD = 32 + 16 };
bool seal_to(const struct pubkey *to, struct span plain, uint8_t *out) MUST;
/* out has room for sealed.n - SEAL_TO_OVERHEAD. */
bool unseal_mine(const struct secret *mine, struct span sealed, uint8_t *out) MUST;
/* May something be sealed to that key? */
bool pubkey_can_open(const struct pubkey *key);
/* Guarded memory for keys: locked, between guard pages, wiped when freed. Costs whole pages: one
 * piece for many keys. Never NULL. */
void *guarded_new(size_t n);
void guarded_free(void *p);
static inline void guarded_freep(void *p)
{
	guarded_free(*(void **)p);
}
/* Argon2id of a password, interactive cost (64 MiB, 2 passes in production; the limits are fields
 * so that tests are quick). salt is 16 bytes. The cost comes from where the password is asked for,
 * a backup perhaps that somebody made: ERR_LIMIT when it is more than LIMIT_PASSWORD_…, ERR_NOMEM. */
struct password_cost {
	uint32_t passes;
	size_t memory; /* bytes */
};
extern const struct password_cost password_cost_default;
struct error *password_key(struct span password, const uint8_t salt[16], struct password_cost cost,
			   uint8_t ret_key[32]) MUST;
