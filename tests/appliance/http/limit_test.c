/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/http/cache.h"
#include "appliance/http/limit.h"

static void lets_a_burst_pass_and_then_a_rate(void **state)
{
	struct test_env t;
	struct limits *l;
	struct limit_key k;
	int wait = 0, passed = 0;

	test_env_init(&t, 0, 1);
	l = limits_new(&t.env);
	k = limit_key(l, "post", span_str("someone"));
	for (int i = 0; i < 5; i++)
		assert_true(limit_take(l, k, 5, 6, &wait));
	assert_false(limit_take(l, k, 5, 6, &wait));
	assert_in_range(wait, 9, 11);
	/* small steps lose nothing: a minute gives six */
	for (int i = 0; i < 60000; i += 7) {
		test_env_pass(&t, 7);
		passed += limit_take(l, k, 5, 6, &wait);
	}
	assert_in_range(passed, 5, 6);
	test_env_pass(&t, 24 * 3600 * 1000);
	for (int i = 0; i < 5; i++)
		assert_true(limit_take(l, k, 5, 6, &wait));
	assert_false(limit_take(l, k, 5, 6, &wait));
	limits_free(l);
}

static void keeps_people_and_purposes_apart(void **state)
{
	struct test_env t;
	struct limits *l;
	int wait;

	test_env_init(&t, 0, 2);
	l = limits_new(&t.env);
	assert_true(limit_take(l, limit_key(l, "a", span_str("x")), 1, 1, &wait));
	assert_false(limit_take(l, limit_key(l, "a", span_str("x")), 1, 1, &wait));
	assert_true(limit_take(l, limit_key(l, "a", span_str("y")), 1, 1, &wait));
	assert_true(limit_take(l, limit_key(l, "b", span_str("x")), 1, 1, &wait));
	limits_free(l);
}

static void survives_more_strangers_than_it_has_room_for(void **state)
{
	struct test_env t;
	struct limits *l;
	int wait;

	test_env_init(&t, 0, 3);
	l = limits_new(&t.env);
	for (int i = 0; i < 100000; i++)
		assert_true(limit_take(l, limit_key(l, "a", span_of(&i, sizeof(i))), 1, 1, &wait));
	limits_free(l);
}

static struct answer *page(size_t n)
{
	char *p = calloc(1, n);

	return answer_new(200, MHD_create_response_from_buffer(n, p, MHD_RESPMEM_MUST_FREE), n,
			  "\"x\"");
}

static void a_page_is_forgotten_when_the_view_changes(void **state)
{
	struct cache *c = cache_new();
	struct answer *p = page(100), *found;

	cache_put(c, "/a", 7, p);
	found = cache_get(c, "/a", 7);
	assert_ptr_equal(found, p);
	answer_unref(found);
	assert_null(cache_get(c, "/b", 7));
	assert_null(cache_get(c, "/a", 8));
	assert_null(cache_get(c, "/a", 7));
	assert_int_equal(cache_bytes(c), 0);
	answer_unref(p);
	cache_free(c);
}

static void the_cache_stays_within_its_memory(void **state)
{
	struct cache *c = cache_new();

	for (int i = 0; i < 1000; i++) {
		struct answer *p = page(20000);
		char key[32];

		snprintf(key, sizeof(key), "/page/%d", i);
		cache_put(c, key, 1, p);
		answer_unref(p);
		assert_true(cache_bytes(c) <= CACHE_BYTES);
	}
	assert_true(cache_bytes(c) > CACHE_BYTES / 2);
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_a_burst_pass_and_then_a_rate),
		cmocka_unit_test(keeps_people_and_purposes_apart),
		cmocka_unit_test(survives_more_strangers_than_it_has_room_for),
		cmocka_unit_test(a_page_is_forgotten_when_the_view_changes),
		cmocka_unit_test(the_cache_stays_within_its_memory),
	};

	return run_group(tests);
}
