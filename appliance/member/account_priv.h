/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What account.c and the stores share. */
#pragma once
#include "appliance/member/account.h"

enum { SEALED_SEED = 32 + SEAL_OVERHEAD };

/* A seed under a password: what it takes to derive the key again, and the box. */
struct sealed {
	uint8_t salt[16];
	struct password_cost cost;
	uint8_t box[SEALED_SEED];
};
/* A seed sealed under a key, bound to its public half. */
void seed_seal(const uint8_t key[32], const struct secret *secret, uint8_t out[SEALED_SEED]);
/* false: not under this key, or not of this public half. */
bool seed_unseal(const uint8_t key[32], const struct pubkey *public, struct span box,
		 struct secret **ret);

/* The feature's statements, in the order of member_sql: accounts, then sessions and tokens. */
enum member_stmt {
	ACCOUNT_ADD,
	ACCOUNT_BY_NAME,
	ACCOUNT_BY_ID,
	ACCOUNT_BY_KEY,
	ACCOUNT_ALL,
	ACCOUNT_COUNT,
	ACCOUNT_VOLUNTEERS,
	ACCOUNT_SEALED,
	ACCOUNT_RESEAL,
	ACCOUNT_REKEY,
	CLAIM_GET,
	CLAIM_KEEP,
	CLAIM_NEXT,
	CLAIM_CODE,
	CLAIM_CLEAR,
	SESSION_ADD,
	SESSION_TRIM,
	SESSION_TRIM_ONE,
	SESSION_FIND,
	SESSION_ALL,
	SESSION_END,
	SESSION_END_ALL,
	SESSION_EXPIRE,
	TOKEN_ADD,
	TOKEN_COUNT,
	TOKEN_FIND,
	TOKEN_ALL,
	TOKEN_REVOKE,
	TOKEN_REVOKE_ALL,
	TOKEN_REVOKE_EVERYBODYS,
	MEMBER_STMTS
};

/* --- account_store.c --- */
struct error *account_store_add(struct conn *c, const struct account *a, const struct sealed *s,
				int64_t *ret_id) MUST;
struct error *account_store_sealed(struct conn *c, int64_t id, struct sealed *ret) MUST;
struct error *account_store_reseal(struct conn *c, int64_t id, const struct sealed *s) MUST;
struct error *account_store_rekey(struct conn *c, int64_t id, const struct pubkey *key,
				  const struct sealed *s) MUST;

struct claim {
	bool has_code, has_key, has_next;
	struct hash code;
	/* Made by hand where the box stands: until then it is good although there are volunteers. */
	int64_t until_ms;
	struct pubkey key;
	uint8_t box[SEALED_SEED];
	uint8_t next[SEALED_SEED]; /* the same under the key that the box takes next */
};
struct error *claim_store_get(struct conn *c, struct claim *ret) MUST;
struct error *claim_store_keep(struct conn *c, const struct pubkey *key,
			       const uint8_t box[SEALED_SEED]) MUST;
struct error *claim_store_next(struct conn *c, const uint8_t box[SEALED_SEED],
			       const uint8_t next[SEALED_SEED]) MUST;
struct error *claim_store_code(struct conn *c, const struct hash *code, int64_t until_ms) MUST;
struct error *claim_store_clear(struct conn *c) MUST;
