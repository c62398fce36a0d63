/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The portal's two tables: what is asked, and which device has been greeted. */
#include "tests/lib/test.h"
#include "firmware/portal/portal.h"
#include "firmware/portal/probe.h"
#include <string.h>

static const struct portal_place place = {"10.1.1.1", "box.local", "box.lan"};

static struct portal_device device(uint64_t n)
{
	return (struct portal_device){{n, ~n}};
}

static void holds_a_device_until_its_first_tap_and_no_other(void **state)
{
	struct test_env t;
	_cleanup_(portal_freep) struct portal *p = NULL;

	test_env_init(&t, 0, 1);
	p = portal_new(&t.env);
	portal_open(p, &place);
	assert_int_equal(portal_event(p, device(1), PORTAL_ASKS), PORTAL_PAGE);
	assert_int_equal(portal_event(p, device(1), PORTAL_ASKS), PORTAL_PAGE);
	assert_false(portal_knows(p, device(1)));
	assert_int_equal(portal_event(p, device(1), PORTAL_TAPS), PORTAL_WELL);
	assert_int_equal(portal_event(p, device(1), PORTAL_ASKS), PORTAL_WELL);
	assert_int_equal(portal_event(p, device(1), PORTAL_TAPS), PORTAL_WELL);
	assert_true(portal_knows(p, device(1)));
	assert_int_equal(portal_event(p, device(2), PORTAL_ASKS), PORTAL_PAGE);
	assert_false(portal_knows(p, device(2)));
}

static void forgets_a_device_after_hours_whatever_the_clock_says(void **state)
{
	struct test_env t;
	_cleanup_(portal_freep) struct portal *p = NULL;

	test_env_init(&t, 0, 1);
	p = portal_new(&t.env);
	portal_open(p, &place);
	portal_event(p, device(1), PORTAL_TAPS);
	t.now = INT64_C(4000000000000); /* set by somebody */
	assert_true(portal_knows(p, device(1)));
	test_env_pass(&t, PORTAL_HOURS * INT64_C(3600000) - 1);
	assert_int_equal(portal_event(p, device(1), PORTAL_ASKS), PORTAL_WELL);
	test_env_pass(&t, 1);
	assert_int_equal(portal_event(p, device(1), PORTAL_ASKS), PORTAL_PAGE);
}

static void says_nothing_while_it_is_closed_and_forgets_all(void **state)
{
	struct test_env t;
	_cleanup_(portal_freep) struct portal *p = NULL;
	struct portal_place at = {.address = "untouched"};

	test_env_init(&t, 0, 1);
	p = portal_new(&t.env);
	assert_false(portal_where(p, &at));
	assert_string_equal(at.address, "untouched");
	assert_int_equal(portal_event(p, device(1), PORTAL_TAPS), PORTAL_NOTHING);
	portal_open(p, &place);
	assert_true(portal_where(p, &at));
	assert_string_equal(at.address, "10.1.1.1");
	assert_int_equal(portal_event(p, device(1), PORTAL_ASKS), PORTAL_PAGE);
	portal_event(p, device(1), PORTAL_TAPS);
	portal_close(p);
	assert_int_equal(portal_event(p, device(1), PORTAL_ASKS), PORTAL_NOTHING);
	portal_open(p, &place);
	assert_int_equal(portal_event(p, device(1), PORTAL_ASKS), PORTAL_PAGE);
}

static void makes_room_by_forgetting_who_came_first(void **state)
{
	struct test_env t;
	_cleanup_(portal_freep) struct portal *p = NULL;

	test_env_init(&t, 0, 1);
	p = portal_new(&t.env);
	portal_open(p, &place);
	for (uint64_t i = 0; i <= PORTAL_DEVICES; i++) {
		portal_event(p, device(i), PORTAL_TAPS);
		test_env_pass(&t, 1);
	}
	assert_false(portal_knows(p, device(0)));
	for (uint64_t i = 1; i <= PORTAL_DEVICES; i++)
		assert_true(portal_knows(p, device(i)));
}

static void finds_every_question_by_its_name_and_path(void **state)
{
	assert_string_equal(probe_find("captive.apple.com", "/hotspot-detect.html")->system,
			    "Apple");
	assert_int_equal(probe_find("www.google.com", "/generate_204")->status, 204);
	assert_string_equal(probe_find("connectivity-check.ubuntu.com.", "/")->header, "online");
	assert_string_equal(probe_find("never.heard.example", "/generate_204")->system, "Android");
	assert_string_equal(probe_find("fireoscaptiveportal.com", "/generate_204")->system,
			    "Fire OS");
	assert_int_equal(probe_find("tabletcaptiveportal.com", "/generate_204")->status, 204);
	assert_int_equal(probe_find("www.msftconnecttest.com", "/redirect")->status, 0);
	assert_int_equal(probe_find("captive.apple.com", "/anything")->status, 0);
	assert_null(probe_find("never.heard.example", "/"));
	assert_null(probe_find("captive.apple.com.evil.example", "/hotspot-detect.html"));
	assert_null(probe_find("apple.com", "/hotspot-detect.html"));
	assert_null(probe_find("", ""));
	assert_null(probe_find(".", "/"));
}

/* What the network's DNS does not lead here could not be answered; of makers whose devices ask for a
 * path that all share, only the name is theirs. */
static void names_every_host_of_its_questions_to_the_dns(void **state)
{
	size_t n = 0;

	for (const struct probe_host *h = probe_hosts; h->name; h++, n++) {
		assert_true(strlen(h->name) < 64);
		assert_null(strpbrk(h->name, " \t\n/#"));
		assert_non_null(probe_find(h->name, "/whatever"));
		for (const struct probe_host *other = probe_hosts; other != h; other++)
			assert_string_not_equal(other->name, h->name);
	}
	assert_true(n > 30);
	assert_non_null(probe_find("tabletcaptiveportal.com", "/for a person"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_a_device_until_its_first_tap_and_no_other),
		cmocka_unit_test(forgets_a_device_after_hours_whatever_the_clock_says),
		cmocka_unit_test(says_nothing_while_it_is_closed_and_forgets_all),
		cmocka_unit_test(makes_room_by_forgetting_who_came_first),
		cmocka_unit_test(finds_every_question_by_its_name_and_path),
		cmocka_unit_test(names_every_host_of_its_questions_to_the_dns),
	};

	test_init();
	return run_group(tests);
}
