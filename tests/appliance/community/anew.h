/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a space's pages would be if they were made anew from the log as it is in the open
 * transaction. */
#pragma once
#include "appliance/community/community_priv.h"

static inline struct error *digest_anew(struct conn *c, const struct hash *space, struct hash *ret)
{
	_cleanup_(conn_closep) struct conn *b = NULL;
	bool more = true;

	TRY(conn_beside(c, &b));
	TRY(db_begin(b->view));
	while (more)
		TRY(catch_up_part(b, &more));
	return community_digest(b, space, ret);
}
