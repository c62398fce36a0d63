/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a private space's payloads and words are sealed: PROTOCOL.md 4.5. Pure but for the random
 * nonce, any thread.
 *
 * A key of a space is 32 random bytes. It is named by its *commitment*, a hash of itself: whoever
 * gets it can tell that it is the one that is meant, whoever gave it; and what is sealed names it,
 * so that no box need try keys, and none can be shown another text than the next
 * (XChaCha20-Poly1305 alone does not tie a ciphertext to one key).
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/base/limits.h"
#include "sync/crypto/crypto.h"

enum { SPACE_KEY = 32 };
struct space_key {
	struct hash name; /* its commitment */
	uint16_t epoch;
	const uint8_t *bytes; /* SPACE_KEY of them, in guarded memory; borrowed */
};
struct hash space_key_name(const struct hash *space, uint16_t epoch,
			   const uint8_t bytes[SPACE_KEY]);

/* The length that n bytes of plain text are padded to with spaces: at least SEAL_LEAST, then Padmé
 * (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs",
 * PoPETs 2019), which adds at most 12 % and lets the length say O(log log n) bits. */
enum { SEAL_LEAST = 256 };
size_t seal_padded(size_t n);

/* Who sealed it, and what it is part of. */
struct seal_for {
	struct hash space;
	struct pubkey author;
	const char *type; /* words in a clear op: its type. NULL: a whole payload */
};
/* Name of the key, then the sealed text. */
enum { SEALED_OVERHEAD = 32 + SEAL_OVERHEAD, SEALED_LONGEST = LIMIT_PAYLOAD - SEALED_OVERHEAD };
/* Appends SEALED_OVERHEAD + seal_padded(plain.n) bytes; plain.n is at most SEALED_LONGEST. */
void seal_text(const struct space_key *key, const struct seal_for *f, struct span plain,
	       struct buf *out);
/* The name of the key that it is sealed with; false: it is too short to be anything. */
bool sealed_key_name(struct span sealed, struct hash *ret);
/* Appends the plain text with its padding. false: it is not what seal_text made of that. */
bool unseal_text(const struct space_key *key, const struct seal_for *f, struct span sealed,
		 struct buf *out) MUST;

/* One key under another: WRAPPED_KEY bytes. `name` is the wrapped one's. */
enum { WRAPPED_KEY = SPACE_KEY + SEAL_OVERHEAD, BOXED_KEY = SPACE_KEY + SEAL_TO_OVERHEAD };
void wrap_key(const struct space_key *under, const struct hash *space, const struct space_key *key,
	      uint8_t out[WRAPPED_KEY]);
bool unwrap_key(const struct space_key *under, const struct hash *space, const struct hash *name,
		uint16_t epoch, const uint8_t wrapped[WRAPPED_KEY], uint8_t out[SPACE_KEY]) MUST;
/* One key to one appliance: BOXED_KEY bytes. false: nothing can be sealed to that appliance. */
bool box_key(const struct pubkey *to, const struct space_key *key, uint8_t out[BOXED_KEY]) MUST;
bool unbox_key(const struct secret *mine, const struct hash *space, const struct hash *name,
	       uint16_t epoch, const uint8_t boxed[BOXED_KEY], uint8_t out[SPACE_KEY]) MUST;
