/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the pages of member/ share. */
#pragma once
#include "appliance/member/ended.h"
#include "appliance/member/member_pages.h"

/* --- sign_pages.c --- */
struct error *page_sign_in(struct request *r) MUST;
struct error *post_sign_in(struct request *r) MUST;
struct error *post_sign_out(struct request *r) MUST;
struct error *page_claim(struct request *r) MUST;
struct error *post_claim(struct request *r) MUST;
/* --- me_pages.c --- */
struct error *page_me(struct request *r) MUST;
struct error *post_password(struct request *r) MUST;
struct error *post_token(struct request *r) MUST;
struct error *page_session_end(struct request *r) MUST;
struct error *post_session_end(struct request *r) MUST;
/* One of who asks; on a full disk, too: then it is remembered that it ended (ended.h). ERR_NOT_FOUND. */
struct error *end_surely(struct request *r, enum ended_kind kind, int64_t id) MUST;
struct error *page_token_revoke(struct request *r) MUST;
struct error *post_token_revoke(struct request *r) MUST;
/* --- people_pages.c --- */
struct error *page_person(struct request *r) MUST;
struct error *page_people(struct request *r) MUST;
struct error *post_person(struct request *r) MUST;

/* "" when absent. */
const char *field_or_empty(struct request *r, const char *name);
/* For heavy acts, which need a session that began a moment ago. ERR_DENIED. */
struct error *check_fresh(struct request *r) MUST;
/* The two fields of a new password agree. ERR_INVALID. */
struct error *new_password(struct request *r, const char **ret) MUST;
/* What the home space says of a key: ROLE_NONE when there is no space yet, or it says nothing. */
struct error *home_role(struct conn *c, const struct pubkey *key, enum role *ret) MUST;
