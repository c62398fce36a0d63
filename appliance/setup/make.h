/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Making a box in a folder: what `init` and the first run in the browser share. The folder was
 * checked and cleared (folder.h) and is locked. The key file is written last: before that, there is
 * no box.
 */
#pragma once
#include "appliance/app.h"

struct setup_peer {
	const char *address; /* "ADDR:PORT" */
	struct pubkey key;
};
struct setup_make {
	const char *dir;
	const struct env *env;
	const char *name; /* the box's */
	const char *language; /* the house's; NULL: nobody has said */
	/* The first volunteer; NULL: nobody yet, serve gives out a claim link. */
	const char *admin, *password;
	/* The text of a session (member/session.h) in which they are signed in from the beginning,
	 * and the door that it is for; NULL: they sign in themselves. */
	const char *session;
	int door;
	bool found; /* found a community; else follow the peers */
	const struct secret
		*self; /* borrowed: take the place of the box with this key; NULL: new */
	const struct setup_peer *peers;
	size_t n_peers;
	/* Fill the new community, instead of with one empty forum. May be NULL. */
	struct error *(*fill)(void *ctx, struct conn *c, const struct hash *space,
			      const struct secret *steward);
	/* The box is made, and has no key file yet: meet its peers, for instance. May be NULL. */
	struct error *(*made)(void *ctx, struct app *app);
	void *ctx;
};
/* ERR_INVALID about a name or a password, before anything is written. */
struct error *setup_make_check(const struct setup_make *m) MUST;
struct error *setup_make(const struct setup_make *m, struct pubkey *ret_key) MUST;
