/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a backup says that it holds, held against the box that was made of it. */
#include "tests/lib/test.h"
#include "appliance/recovery/backup_priv.h"

static enum manifest_match compare(const char *was, const char *now)
{
	json_t *a = json_loads(was, 0, NULL), *b = json_loads(now, 0, NULL);
	enum manifest_match match;

	assert_non_null(a);
	assert_non_null(b);
	match = manifest_compare(a, b);
	json_decref(a);
	json_decref(b);
	return match;
}

#define ONE(version, id, heads, digest)                                                            \
	"{\"version\": \"" version "\", \"spaces\": [{\"id\": \"" id "\", \"heads\": \"" heads     \
	"\", \"digest\": \"" digest "\"}]}"

static void the_same_version_must_show_the_same(void **state)
{
	(void)state;
	assert_int_equal(compare(ONE("1", "a", "h", "d"), ONE("1", "a", "h", "d")), MANIFEST_SAME);
	assert_int_equal(compare(ONE("1", "a", "h", "d"), ONE("1", "a", "h", "e")),
			 MANIFEST_DIFFERS);
	assert_int_equal(compare(ONE("1", "a", "h", "d"), ONE("1", "a", "g", "d")),
			 MANIFEST_DIFFERS);
	assert_int_equal(compare(ONE("1", "a", "h", "d"), ONE("1", "b", "h", "d")),
			 MANIFEST_DIFFERS);
}

/* A backup from before an update is as good as it was. */
static void another_version_must_hold_the_same_entries(void **state)
{
	(void)state;
	assert_int_equal(compare(ONE("1", "a", "h", "d"), ONE("2", "a", "h", "e")), MANIFEST_SAME);
	assert_int_equal(compare(ONE("1", "a", "h", "d"), ONE("2", "a", "g", "d")),
			 MANIFEST_DIFFERS);
	assert_int_equal(compare(ONE("1", "a", "h", "d"), "{\"version\": \"2\", \"spaces\": []}"),
			 MANIFEST_DIFFERS);
}

/* Small ones, those during which something was written, and those that say no heads. */
static void what_is_not_said_proves_nothing(void **state)
{
	static const char now[] = ONE("2", "a", "h", "d");

	(void)state;
	assert_int_equal(compare("{}", now), MANIFEST_UNSAID);
	assert_int_equal(compare("{\"version\": \"2\"}", now), MANIFEST_UNSAID);
	assert_int_equal(compare("{\"spaces\": [{\"id\": \"a\", \"digest\": \"d\"}]}", now),
			 MANIFEST_UNSAID);
	assert_int_equal(compare("{\"version\": \"2\", \"spaces\": [1]}", now), MANIFEST_DIFFERS);
	assert_int_equal(compare("{\"version\": \"2\", \"spaces\": {}}", now), MANIFEST_UNSAID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_version_must_show_the_same),
		cmocka_unit_test(another_version_must_hold_the_same_entries),
		cmocka_unit_test(what_is_not_said_proves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
