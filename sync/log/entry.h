/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An entry: a 352-byte signed header, and a payload that can be erased without breaking the chain.
 * The header is stored, hashed and sent as it is; the layout is PROTOCOL.md section 2. Nothing is
 * parsed and written again before it is checked.
 *
 * Everything here is pure: no clock, no disk, any thread.
 */
#pragma once
#include "sync/base/limits.h"
#include "sync/crypto/crypto.h"

enum { ENTRY_HEADER = 352, ENTRY_SALT = 16 };
enum entry_flags { ENTRY_SEALED = 1, ENTRY_BY_APPLIANCE = 2 };

struct entry_bytes {
	uint8_t b[ENTRY_HEADER];
};

/* A log: what one appliance in one incarnation wrote in one space. On the wire and as a key:
 * space, appliance, incarnation (little-endian), 72 bytes. */
struct log_id {
	struct hash space;
	struct pubkey appliance;
	uint64_t incarnation;
};
enum { LOG_ID_BYTES = 72 };
void log_id_write(const struct log_id *id, uint8_t out[LOG_ID_BYTES]);
void log_id_read(const uint8_t in[LOG_ID_BYTES], struct log_id *ret);
int log_id_cmp(const struct log_id *a, const struct log_id *b); /* by those bytes */

/* The fields, decoded. `space` is all zero in a founding entry: its log's space is its op id. */
struct entry {
	uint8_t version, flags;
	uint16_t epoch;
	uint32_t payload_len;
	uint64_t seq;
	int64_t time; /* milliseconds since 1970: for people, and to order what is concurrent */
	uint64_t incarnation;
	struct hash space;
	struct pubkey appliance, author;
	struct hash rules, prev, payload_hash;
	struct signature author_sig, appliance_sig;
};

void entry_decode(const struct entry_bytes *raw, struct entry *ret);
void entry_encode(const struct entry *e, struct entry_bytes *ret);
/* What holds for every header alone: version 1, known flags, payload_len within the limit, seq from
 * 1 to 2^63-1, space zero only at seq 1, epoch zero without ENTRY_SEALED, an appliance-authored
 * entry has author == appliance and a zero author signature, prev zero exactly at seq 1, rules zero
 * exactly in a founding entry. ERR_MALFORMED / ERR_VERSION. */
struct error *entry_check(const struct entry_bytes *raw) MUST;

struct hash entry_hash(const struct entry_bytes *raw);	/* BLAKE2b-256 of the 352 bytes */
struct hash entry_op_id(const struct entry_bytes *raw); /* of "lliure-op-1" and the signed part */
struct log_id entry_log(const struct entry_bytes *raw); /* founding entries: space = op id */
struct hash payload_hash(const uint8_t salt[ENTRY_SALT], struct span payload);

bool entry_verify_appliance(const struct entry_bytes *raw);
/* true for ENTRY_BY_APPLIANCE entries: there the appliance's signature is the author's. */
bool entry_verify_author(const struct entry_bytes *raw);

/* Sign a new entry. `author` NULL: by the appliance itself (sets the flag). The salt is given. */
void entry_make(const struct entry *fields, const struct secret *author,
		const struct secret *appliance, const uint8_t salt[ENTRY_SALT], struct span payload,
		struct entry_bytes *ret);
/* The same op again in another log (carrying disputed ops over): keeps every byte that the author
 * signed, gives it the seq, incarnation and prev of the new log, signs as appliance. The op id
 * does not change. */
void entry_carry(const struct entry_bytes *old, uint64_t seq, uint64_t incarnation,
		 const struct hash *prev, const struct secret *appliance, struct entry_bytes *ret);
