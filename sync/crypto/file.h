/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a file needs: the hash that other programs know it by, its text form inside an operation,
 * and sealing in pieces that can be opened one by one (PROTOCOL.md 4.6).
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/crypto/crypto.h"

/* --- SHA-256 (FIPS 180-4), for git's large files --- */
struct sha256_state {
	_Alignas(16) uint8_t opaque[128];
};
void sha256_init(struct sha256_state *st);
void sha256_add(struct sha256_state *st, const void *p, size_t n);
struct hash sha256_final(struct sha256_state *st);

/* --- base64 (RFC 4648 section 4, with padding) --- */
void base64_put(struct span s, struct buf *out);
/* Appends; strict: no white space, no missing padding, at most `max` bytes. */
bool base64_take(const char *text, size_t n, size_t max, struct buf *out) MUST;

/* --- sealing a file --- */
/* The content with zeros behind it, in pieces of FILE_PIECE bytes, the last may be shorter. Each is
 * sealed with XChaCha20-Poly1305 under a key that seals nothing else, so its number is nonce
 * enough: any piece can be opened without those before it. */
enum { FILE_KEY = 32, FILE_PIECE = 65536, FILE_TAG = 16, FILE_SEALED = FILE_PIECE + FILE_TAG };
/* out has room for plain.n + FILE_TAG. */
void file_seal_piece(const uint8_t key[FILE_KEY], uint64_t number, struct span plain, uint8_t *out);
/* out has room for sealed.n - FILE_TAG; false when it is not what file_seal_piece made of that. */
bool file_open_piece(const uint8_t key[FILE_KEY], uint64_t number, struct span sealed,
		     uint8_t *out) MUST;
/* The length that a content of n bytes is padded to: Padmé (PROTOCOL.md 4.5), for any length
 * from 2. */
uint64_t file_padded_size(uint64_t n);
/* The length of a sealed file whose padded content has n bytes. */
uint64_t file_sealed_size(uint64_t n);
