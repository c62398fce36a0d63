/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A box whose key another one has as well gets one of its own: what becomes of the old key. */
#include "tests/appliance/site.h"
#include "appliance/copy/copy.h"
#include "appliance/peers/peers.h"

static struct error *count_space(void *ctx, const struct space_info *s, const struct pubkey *key,
				 int64_t since_ms)
{
	(void)s;
	(void)key;
	assert_true(since_ms > 0);
	++*(int *)ctx;
	return NULL;
}

static struct error *remove_old(struct conn *c, void *arg)
{
	struct site *s = arg;

	return community_remove(c, &s->space, secret_pubkey(s->app->self), s->steward);
}

static void new_key(bool strange, bool *ret_peer, int *ret_open)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct site s;
	struct pubkey old, key;
	struct peer p;
	struct error *e;
	int left;

	site_open(&s);
	old = *secret_pubkey(s.app->self);
	assert_ok(copy_new_key(s.app, &(struct copy_new){.steward = s.steward, .strange = strange},
			       &key, &left));
	assert_int_equal(left, 0);
	assert_ok(app_conn(s.app, &c));
	e = peer_get(c->local, &old, &p);
	*ret_peer = !e;
	error_free(e);
	*ret_open = 0;
	assert_ok(copy_strange(c, count_space, ret_open));
	if (strange) {
		int open = 0;

		assert_ok(writer_run(s.app->writer, remove_old, &s));
		conn_close(STEAL(c));
		assert_ok(app_conn(s.app, &c));
		assert_ok(copy_strange(c, count_space, &open));
		assert_int_equal(open, 0);
	}
	site_close(&s);
}

static void a_key_in_good_hands_is_a_connected_house(void **state)
{
	bool peer;
	int open;

	(void)state;
	new_key(false, &peer, &open);
	assert_true(peer);
	assert_int_equal(open, 0);
}

static void a_key_in_strange_hands_is_no_friend_and_is_named_until_it_is_signed_out(void **state)
{
	bool peer;
	int open;

	(void)state;
	new_key(true, &peer, &open);
	assert_false(peer);
	assert_int_equal(open, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_in_good_hands_is_a_connected_house),
		cmocka_unit_test(
			a_key_in_strange_hands_is_no_friend_and_is_named_until_it_is_signed_out),
	};

	test_init();
	return run_group(tests);
}
