/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is done to a space as a whole: founding it, and which boxes belong to it. Each is one job on
 * the writer, and in a private space the keys change hands in the same transaction. Any thread.
 */
#pragma once
#include "appliance/app.h"

/* Founds a space, with a first forum. The steward is its first, and so far only, person. */
struct spaces_new {
	const char *name;
	bool is_private;
	const struct secret *steward;
	const char *steward_name;
};
struct error *spaces_found(struct app *a, const struct spaces_new *what, struct hash *ret) MUST;
/* author: a steward of the space; NULL: this box, a keeper of it. */
struct error *spaces_admit(struct app *a, const struct hash *space, const struct pubkey *key,
			   const char *name, enum admission how, const struct secret *author) MUST;
/* since_ms: of what it wrote only what had arrived here before stays (community_remove_since); 0: all. */
struct error *spaces_remove(struct app *a, const struct hash *space, const struct pubkey *key,
			    int64_t since_ms, const struct secret *author) MUST;
/* A person gets a role, or another; leaves, with a cut at what is held here: what they wrote stays.
 */
struct spaces_person {
	struct pubkey key, home;
	const char *name;
	enum role role;
};
struct error *spaces_add_person(struct app *a, const struct hash *space,
				const struct spaces_person *who, const struct secret *author) MUST;
struct error *spaces_remove_person(struct app *a, const struct hash *space,
				   const struct pubkey *key, const struct secret *author) MUST;
/* A space with which somebody here has to do (stranger_matters), in which a box that is no peer of ours may
 * write, and gave something out as written by somebody who did not sign it: what no record tells
 * (sync/peer/conduct.h), and no volunteer has seen. *ret_any false: none. */
struct error *spaces_with_false_author(struct conn *c, const struct pubkey *self, struct hash *ret,
				       bool *ret_any) MUST;
/* A volunteer has. On the writer. */
struct error *spaces_saw_false_authors(struct conn *c, const struct hash *space) MUST;
struct error *spaces_rotate(struct app *a, const struct hash *space,
			    const struct secret *author) MUST;
