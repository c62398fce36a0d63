/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Accounts: the people whose home is this box. An account is a member's Ed25519 key, sealed under
 * their password with Argon2id, in local.db; it never replicates. Whoever can't unseal the key
 * can't sign as them, neither a volunteer nor the box. Knowing the password is being able to
 * unseal: nothing else is stored of it.
 *
 * A *volunteer* runs this box (a flag of the account). A *role* is what a person is in the home
 * space (member.add in its rules).
 *
 * Functions that take an app do the slow work (Argon2id) on the calling thread and then run a job
 * on the writer: never call them from inside a job. Handlers call them between request_heavy_begin
 * and _end. Those that take a conn read; any thread with its own.
 */
#pragma once
#include "appliance/app.h"

extern const struct feature member_feature;

enum { PASSWORD_MIN = 8, PASSWORD_MAX = 1000, LIMIT_ACCOUNTS = 10000, LIMIT_TOKENS = 20 };

struct account {
	int64_t id;
	char name[LIMIT_NAME + 1];
	struct pubkey key;
	bool volunteer;
	int64_t created_ms;
};
/* ERR_NOT_FOUND. Names are compared without regard to the case of ASCII letters. */
struct error *account_by_name(struct conn *c, const char *name, struct account *ret) MUST;
struct error *account_by_id(struct conn *c, int64_t id, struct account *ret) MUST;
struct error *account_by_key(struct conn *c, const struct pubkey *key, struct account *ret) MUST;
typedef struct error *account_fn(void *ctx, const struct account *a);
struct error *account_each(struct conn *c, account_fn *fn, void *ctx) MUST; /* by name */
struct error *account_counts(struct conn *c, int64_t *ret_all, int64_t *ret_volunteers) MUST;

/* A name that an account may have, a password that is long enough: else ERR_INVALID with what to
 * do. */
struct error *account_check_name(const char *name) MUST;
struct error *account_check_password(const char *password) MUST;

struct account_new {
	const char *name, *password;
	enum role role; /* in the home space; ROLE_NONE: no member.add */
	bool volunteer;
	/* Who says so in the space's rules: a steward; NULL: the appliance (then only ROLE_MEMBER).
	 */
	const struct secret *by;
	/* The person's key, for one who founded the space; NULL: a new one. When it has this role
	 * in the home space already, no member.add is written. */
	const struct secret *key;
};
/* ERR_INVALID, ERR_EXISTS, and what community_submit says. Without a home space (a box that joined
 * and has not synced yet) the account is made without a role. ret may be NULL. */
struct error *account_create(struct app *app, const struct account_new *what,
			     struct account *ret) MUST;
/* Unseal. A wrong password and an unknown name are the same ERR_AUTH and take the same time. */
struct error *account_open(struct app *app, struct conn *c, const char *name, const char *password,
			   struct account *ret, struct secret **ret_secret) MUST;
/* Seal under a new password. With `old` the key stays, and so do tokens; every session but
 * `keep_session` (0: none) ends. Without (NULL: forgotten) nobody can unseal the key any more: the
 * person gets a new one, as ROLE_MEMBER by the appliance; what they wrote stays theirs by name;
 * sessions and tokens end. */
struct error *account_password(struct app *app, const char *name, const char *old,
			       const char *password, int64_t keep_session) MUST;

/* --- personal tokens for programs --- */
enum { TOKEN_TEXT = 64 }; /* "lliure_" and 52 letters, and the zero */
/* The token is shown once; only its hash is stored, and the key sealed under it. ERR_LIMIT. */
struct error *account_token(struct app *app, const char *name, const char *password,
			    const char *label, char ret_token[TOKEN_TEXT]) MUST;

/* --- the first volunteer --- */
enum { CLAIM_TEXT = 27 }; /* 26 letters and the zero */
/* Inside a job on the writer: keep the key of the steward who founded the space, sealed under the
 * appliance's, until somebody claims the box. */
struct error *account_create_claimable(struct conn *c, const struct secret *appliance,
				       const struct secret *steward) MUST;
/* Inside a job on the writer: the box's key is about to give way to `next`. What is kept for the
 * founder opens under either from now on, so that a power cut in between loses nothing. */
struct error *account_reseal_claim(struct conn *c, const struct secret *appliance,
				   const struct secret *next) MUST;
/* A new one-time code (the old one stops working); the link is /claim/CODE. ERR_EXISTS when the box
 * has a volunteer. */
struct error *claim_new(struct app *app, char ret_code[CLAIM_TEXT]) MUST;
/* The same for who stands before the box (its button): good for CLAIM_AT_BOX_MS also when there are
 * volunteers, who have forgotten their passwords, perhaps. Who uses it becomes one more of them. */
#define CLAIM_AT_BOX_MS INT64_C(1800000)
struct error *claim_at_box(struct app *app, char ret_code[CLAIM_TEXT]) MUST;
/* Is this the code? ERR_GONE when not, or when the box was claimed. */
struct error *claim_check(struct conn *c, const char *code) MUST;
/* The first volunteer: takes over the founding steward's key where there is one, under the chosen
 * name. */
struct error *account_claim(struct app *app, const char *code, const char *name,
			    const char *password, struct account *ret) MUST;
