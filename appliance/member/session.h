/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Sessions and personal tokens: 256 random bits that their owner holds and this box does not. The
 * box keeps a hash, to recognise them, and the member's key sealed under another hash, to sign for
 * the length of one request: who steals the data folder can neither sign in with it nor sign as
 * anybody.
 *
 * A session belongs to one door: a cookie that was typed, or seen, on the plain door is worth
 * nothing on the safe one. It ends after SESSION_DAYS.
 */
#pragma once
#include "appliance/member/account.h"

enum { SESSION_DAYS = 30, SESSION_TEXT = 53, SESSIONS_EACH = 50, CSRF_TEXT = 33 };

/* The three things that follow from a secret of 32 bytes. */
struct ticket {
	struct hash id;	      /* what is stored and looked for */
	uint8_t seal[32];     /* seals the member's key */
	char csrf[CSRF_TEXT]; /* for forms */
};
/* From the text that its owner sends; false when it can't be one. kind: "session" or "token". */
bool ticket_parse(const char *kind, const char *text, struct ticket *ret);
/* A new one: the text has SESSION_TEXT bytes, the caller wipes it. */
void ticket_new(const struct env *env, const char *kind, char *ret_text, struct ticket *ret);

struct session {
	int64_t id, account;
	int door; /* enum door */
	int64_t since_ms;
};
/* On the writer. Beyond SESSIONS_EACH the account's oldest goes, beyond LIMIT_SESSIONS the oldest
 * of all. */
struct error *session_add(struct conn *c, const struct ticket *t, int64_t account,
			  const struct secret *secret, int door, int64_t *ret_id) MUST;
/* The session and, unless ret_secret is NULL, the key. ERR_NOT_FOUND when there is none, or it is
 * too old. */
struct error *session_find(struct conn *c, const struct ticket *t, int door, struct session *ret,
			   struct secret **ret_secret) MUST;
typedef struct error *session_fn(void *ctx, const struct session *s);
struct error *session_each(struct conn *c, int64_t account, session_fn *fn, void *ctx) MUST;
/* On the writer. Ends one of the account's; ERR_NOT_FOUND. */
struct error *session_end(struct conn *c, int64_t account, int64_t id) MUST;
struct error *session_end_all(struct conn *c, int64_t account, int64_t but) MUST;
struct error *session_end_everybodys(struct conn *c) MUST;

struct token {
	int64_t id, account;
	char label[LIMIT_NAME + 1];
	int64_t created_ms;
};
struct error *token_add(struct conn *c, const struct ticket *t, int64_t account,
			const struct secret *secret, const char *label) MUST;
struct error *token_find(struct conn *c, const struct ticket *t, struct token *ret,
			 struct secret **ret_secret) MUST;
typedef struct error *token_fn(void *ctx, const struct token *t);
struct error *token_each(struct conn *c, int64_t account, token_fn *fn, void *ctx) MUST;
struct error *token_revoke(struct conn *c, int64_t account, int64_t id) MUST; /* on the writer */
struct error *token_revoke_all(struct conn *c, int64_t account) MUST;
struct error *token_revoke_everybodys(struct conn *c) MUST;
