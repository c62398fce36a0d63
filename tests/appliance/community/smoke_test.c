/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/community/boxes.h"

static void two_boxes_that_swap_everything_agree(void **state)
{
	struct box a, b;
	struct hash space, forum, topic, post, da, db;
	_cleanup_(secret_freep) struct secret *steward = test_key(1);
	struct space_info s;

	box_init(&a, 1, 1000000);
	box_init(&b, 2, 2000000);
	assert_ok(box_open(&a));
	assert_ok(box_open(&b));
	assert_ok(box_found(&a, steward, &space));
	assert_ok(space_get(a.c, &space, &s));
	assert_string_equal(s.name, "Ateneu");
	assert_true(s.own);
	assert_ok(box_submit(&a, &space, "forum.create", NULL, steward,
			     json_pack("{s:s,s:s}", "slug", "general", "title", "General"),
			     &forum));
	assert_ok(box_submit(
		&a, &space, "topic.create", NULL, steward,
		json_pack("{s:s,s:s,s:s}", "forum", ID(&forum), "title", "Hola", "text", "Bon dia"),
		&topic));
	assert_ok(box_submit(&a, &space, "post.create", &topic, steward,
			     json_pack("{s:s}", "text", "Una resposta"), &post));
	assert_ok(box_submit(&a, &space, "appliance.admit", NULL, steward,
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(b.key)), "name",
				       "B", "mode", "write"),
			     NULL));
	assert_ok(pull(&a, &b, 2));
	assert_ok(community_digest(a.c, &space, &da));
	assert_ok(community_digest(b.c, &space, &db));
	assert_id_equal(&da, &db);
	assert_ok(box_submit(&b, &space, "post.create", &topic, steward,
			     json_pack("{s:s}", "text", "Des de l'altra"), &post));
	assert_ok(community_digest(b.c, &space, &db));
	assert_memory_not_equal(&da, &db, 32);
	assert_ok(pull(&b, &a, 100));
	assert_ok(community_digest(a.c, &space, &da));
	assert_id_equal(&da, &db);
	assert_ok(conn_begin(b.c));
	assert_ok(community_rebuild(b.c));
	assert_ok(conn_commit(b.c));
	assert_ok(community_digest(b.c, &space, &db));
	assert_id_equal(&da, &db);
	box_release(&a);
	box_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_boxes_that_swap_everything_agree),
	};

	return run_group(tests);
}
