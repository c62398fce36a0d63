/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/peer/address.h"
#include <string.h>

static void what_people_write_is_understood(void **state)
{
	static const struct {
		const char *text, *url;
	} rows[] = {
		{"10.0.0.1:8443", "https://10.0.0.1:8443"},
		{"[2001:db8::1]:8443", "https://[2001:db8::1]:8443"},
		{"[fe80::1%eth0]:8443", "https://[fe80::1%25eth0]:8443"},
		{"box.example.org:1", "https://box.example.org:1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct address a;
		char url[400];

		assert_ok(address_parse(rows[i].text, &a));
		address_url(&a, url, sizeof(url));
		assert_string_equal(url, rows[i].url);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		":",
		"host",
		"host:",
		"host:x",
		"host:99999",
		"host:123456",
		"[::1]",
		"[::1:8443",
		"[::1]x:1",
		"[no]:1",
		"[::1%]:1",
		"[::1%an-interface-name-too-long]:1",
		"a/b:1",
		"user@host:1",
		"a b:1",
		"-x:1",
		"h\xc3\xa0st:1",
		"[fe80::1%e/0]:1",
		"2001:db8::1:8443",
	};
	struct address a;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_fails(address_parse(rows[i], &a), ERR_INVALID);
}

static void listens_on_a_free_port_and_not_on_a_taken_one(void **state)
{
	struct address a;
	int fd, other, port, again;

	assert_ok(address_parse("127.0.0.1:0", &a));
	assert_ok(address_listen(&a, &fd, &port));
	assert_true(port > 0);
	a.port = port;
	assert_fails(address_listen(&a, &other, &again), ERR_IO);
	close(fd);
	assert_ok(address_parse(":0", &a));
	assert_ok(address_listen(&a, &fd, &port));
	close(fd);
	assert_ok(address_parse("box.example.org:1", &a));
	assert_fails(address_listen(&a, &fd, &port), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_people_write_is_understood),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(listens_on_a_free_port_and_not_on_a_taken_one),
	};

	return run_group(tests);
}
