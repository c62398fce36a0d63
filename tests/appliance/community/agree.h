/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For tests of two boxes that must show the same. */
#pragma once
#include "tests/appliance/community/boxes.h"

/* Both have what either has, and show the same. */
static inline void swap_and_agree(struct box *a, struct box *b, const struct hash *space)
{
	struct hash da, db;

	assert_ok(pull(a, b, 100));
	assert_ok(pull(b, a, 100));
	assert_ok(community_digest(a->c, space, &da));
	assert_ok(community_digest(b->c, space, &db));
	assert_id_equal(&da, &db);
}
