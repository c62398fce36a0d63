/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What may be wanted of a network, and what not. */
#include "tests/lib/test.h"
#include "firmware/network/wish.h"
#include <string.h>

static struct network_wish good(void)
{
	struct network_wish w;

	network_wish_begin(&w, "Ateneu", &env_system);
	return w;
}

static void begins_with_a_network_that_can_be_made(void **state)
{
	struct network_wish w, other;

	network_wish_begin(&w, "Ateneu de Dalt", &env_system);
	assert_ok(network_wish_check(&w));
	assert_int_equal(w.wifi, WIFI_OWN);
	assert_int_equal(w.wired, WIRED_AUTO);
	assert_false(w.visitors);
	assert_string_equal(w.ssid, "Ateneu de Dalt");
	assert_int_equal(strlen(w.password), 12);
	assert_int_equal(strspn(w.password, "abcdefghijklmnopqrstuvwxyz"), 12);
	network_wish_begin(&other, "", &env_system);
	assert_ok(network_wish_check(&other));
	assert_string_not_equal(w.password, other.password);
}

static void cuts_a_long_name_between_characters(void **state)
{
	struct network_wish w;

	/* é takes two bytes, and the second would be the 33rd */
	network_wish_begin(&w, "0123456789012345678901234567890éé", &env_system);
	assert_string_equal(w.ssid, "0123456789012345678901234567890");
}

static void refuses_what_can_not_be(void **state)
{
	static const struct {
		const char *key, *value, *key2, *value2;
	} bad[] = {
		{"ssid", "", NULL, NULL},
		{"ssid", "two\nlines", NULL, NULL},
		{"password", "1234567", NULL, NULL},
		{"password", "contrasenya-ñ", NULL, NULL},
		{"password", "", "lock", "wpa3"},
		{"channel", "14", NULL, NULL},
		{"channel", "36", NULL, NULL},
		{"channel", "6", "band", "5"},
		{"channel", "52", "band", "5"},
		{"country", "es", NULL, NULL},
		{"country", "E", NULL, NULL},
		{"country", "E/", NULL, NULL},
		{"from", "24", NULL, NULL},
		{"wired", "own", NULL, NULL}, /* with a Wi-Fi of its own */
		{"wired", "fixed", NULL, NULL},
		{"wired", "fixed", "address", "192.168.1"},
		{"wired", "fixed", "address", "0.0.0.1"},
		{"wired", "fixed", "address", "127.0.0.1"},
		{"wired", "fixed", "address", "224.0.0.1"},
		{"wired", "fixed", "address", "169.254.1.1"},
		{"wired", "fixed", "address", "192.168.1.0"},
		{"wired", "fixed", "address", "192.168.1.255"},
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct network_wish w = good();
		struct error *e;

		assert_ok(network_wish_set(&w, bad[i].key, bad[i].value));
		if (bad[i].key2)
			assert_ok(network_wish_set(&w, bad[i].key2, bad[i].value2));
		e = network_wish_check(&w);
		if (!error_is(e, ERR_INVALID))
			fail_msg("%s=%s was accepted", bad[i].key, bad[i].value);
		error_free(e);
	}
}

static void refuses_a_way_out_that_is_not_there(void **state)
{
	struct network_wish w = good();
	struct error *e;

	assert_ok(network_wish_set(&w, "wired", "fixed"));
	assert_ok(network_wish_set(&w, "address", "192.168.1.20"));
	assert_ok(network_wish_set(&w, "gateway", "192.168.1.1"));
	assert_ok(network_wish_set(&w, "dns", "9.9.9.9"));
	assert_ok(network_wish_check(&w));
	assert_ok(network_wish_set(&w, "gateway", "192.168.2.1"));
	e = network_wish_check(&w);
	assert_true(error_is(e, ERR_INVALID));
	error_free(e);
	assert_ok(network_wish_set(&w, "prefix", "16"));
	assert_ok(network_wish_check(&w));
	assert_ok(network_wish_set(&w, "prefix", "31"));
	e = network_wish_check(&w);
	assert_true(error_is(e, ERR_INVALID));
	error_free(e);
}

static void takes_only_values_that_it_can_hold(void **state)
{
	static const struct {
		const char *key, *value;
		enum error_code code;
	} rows[] = {
		{"wifi", "perhaps", ERR_INVALID},
		{"channel", "6x", ERR_INVALID},
		{"channel", "-6", ERR_INVALID},
		{"channel", "99999", ERR_INVALID},
		{"country", "ESP", ERR_INVALID},
		{"ssid", "012345678901234567890123456789012", ERR_INVALID},
		{"address", "1111.1111.1111.1111", ERR_INVALID},
		{"routing", "x", ERR_NOT_FOUND},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct network_wish w = good(), before = w;
		struct error *e = network_wish_set(&w, rows[i].key, rows[i].value);

		if (!error_is(e, rows[i].code))
			fail_msg("%s=%s", rows[i].key, rows[i].value);
		assert_true(network_wish_same(&w, &before));
		error_free(e);
	}
}

static void gives_back_each_key_as_it_was_set(void **state)
{
	static const char *const values[] = {
		"join",	 "Casal",    "wpa3", "secret-secret", "5",	 "36", "FR", "8", "22",
		"fixed", "10.3.0.2", "16",   "10.3.0.1",      "1.1.1.1", "yes"};
	struct network_wish w = {0}, copy = {0};
	char buf[80];

	for (size_t i = 0; network_wish_keys[i]; i++) {
		assert_true(i < ARRAY_LEN(values));
		assert_ok(network_wish_set(&w, network_wish_keys[i], values[i]));
		assert_string_equal(network_wish_get(&w, network_wish_keys[i], buf, sizeof(buf)),
				    values[i]);
		assert_false(network_wish_same(&w, &copy));
		assert_ok(network_wish_set(&copy, network_wish_keys[i], values[i]));
		assert_true(network_wish_same(&w, &copy));
	}
	assert_ok(network_wish_check(&w));
	assert_string_equal(network_wish_get(&w, "routing", buf, sizeof(buf)), "");
}

static void keeps_the_hours_also_over_midnight(void **state)
{
	struct network_wish w = good();

	assert_true(network_wish_on_air(&w, 0));
	w.from = 9;
	w.to = 21;
	assert_false(network_wish_on_air(&w, 9 * 60 - 1));
	assert_true(network_wish_on_air(&w, 9 * 60));
	assert_true(network_wish_on_air(&w, 21 * 60 - 1));
	assert_false(network_wish_on_air(&w, 21 * 60));
	w.from = 22;
	w.to = 2;
	assert_true(network_wish_on_air(&w, 23 * 60));
	assert_true(network_wish_on_air(&w, 1 * 60));
	assert_false(network_wish_on_air(&w, 12 * 60));
	w.wifi = WIFI_OFF;
	assert_false(network_wish_on_air(&w, 23 * 60));
}

static uint32_t address(const char *s)
{
	uint32_t a = 0;

	assert_true(network_address_parse(s, &a));
	return a;
}

static void stands_at_an_address_that_nobody_has(void **state)
{
	struct network_range taken[] = {
		{address("192.168.1.7"), 24},
		{address("10.1.1.77"), 24},
		{address("10.2.0.1"), 16},
		{address("10.9.9.8"), 32},
	};

	assert_string_equal(network_short_address(NULL, 0), "10.1.1.1");
	assert_string_equal(network_short_address(taken, 1), "10.1.1.1");
	assert_string_equal(network_short_address(taken, 2), "10.2.2.2");
	assert_string_equal(network_short_address(taken, 3), "10.9.9.9");
	assert_string_equal(network_short_address(taken, 4), "172.20.0.1");
	taken[0] = (struct network_range){address("10.0.0.5"), 8};
	assert_string_equal(network_short_address(taken, 1), "172.20.0.1");
}

static void writes_the_code_for_a_camera(void **state)
{
	struct network_wish w = good();
	char buf[300], tiny[20];

	snprintf(w.ssid, sizeof(w.ssid), "%s", "Casal; \"de\" Baix");
	snprintf(w.password, sizeof(w.password), "%s", "a:b,c\\d;e");
	assert_string_equal(network_wifi_code(&w, buf, sizeof(buf)),
			    "WIFI:T:WPA;S:Casal\\; \\\"de\\\" Baix;P:a\\:b\\,c\\\\d\\;e;;");
	w.lock = LOCK_OPEN;
	assert_string_equal(network_wifi_code(&w, buf, sizeof(buf)),
			    "WIFI:T:nopass;S:Casal\\; \\\"de\\\" Baix;;");
	assert_true(strlen(network_wifi_code(&w, tiny, sizeof(tiny))) < sizeof(tiny));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_with_a_network_that_can_be_made),
		cmocka_unit_test(cuts_a_long_name_between_characters),
		cmocka_unit_test(refuses_what_can_not_be),
		cmocka_unit_test(refuses_a_way_out_that_is_not_there),
		cmocka_unit_test(takes_only_values_that_it_can_hold),
		cmocka_unit_test(gives_back_each_key_as_it_was_set),
		cmocka_unit_test(keeps_the_hours_also_over_midnight),
		cmocka_unit_test(stands_at_an_address_that_nobody_has),
		cmocka_unit_test(writes_the_code_for_a_camera),
	};

	return run_group(tests);
}
