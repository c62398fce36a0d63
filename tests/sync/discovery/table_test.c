/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/line.h"
#include "sync/discovery/table.h"
#include <arpa/inet.h>

/* --- names --- */
static void a_name_becomes_one_line_without_what_can_t_be_seen(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"Ateneu de Gràcia", "Ateneu de Gràcia"},
		{"  two\nlines\t ", "twolines"},
		{"\xe2\x80\xaegnol\xe2\x80\xac", "gnol"}, /* right-to-left override */
		{"a\xe2\x80\x8b"
		 "b\xef\xbb\xbf"
		 "c",
		 "abc"}, /* zero width */
		{"\x1b[31mred\x07", "[31mred"},
		{"bad \xff\xc0\xaf bytes \xed\xa0\x80", "bad  bytes"},
		{"\xc2\x85\xe2\x80\xa8", ""},
		{"", ""},
		{"\xf0\x9f\x8f\xa0 casa", "\xf0\x9f\x8f\xa0 casa"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[LIMIT_NAME + 1];

		assert_int_equal(line_clean(span_str(rows[i].in), out, sizeof(out)),
				 strlen(rows[i].out));
		assert_string_equal(out, rows[i].out);
	}
}

static void a_long_name_is_cut_between_characters(void **state)
{
	char out[8];

	assert_int_equal(line_clean(span_str("ààààààà"), out, sizeof(out)), 6);
	assert_string_equal(out, "ààà");
}

/* --- the TXT record --- */
static bool read_items(const char *const *text, size_t n, struct txt *ret)
{
	struct span items[8];

	for (size_t i = 0; i < n; i++)
		items[i] = span_str(text[i]);
	return txt_read(items, n, ret);
}
#define READ(ret, ...)                                                                             \
	read_items((const char *const[]){__VA_ARGS__},                                             \
		   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (ret))
#define KEY "k=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void what_is_written_is_read(void **state)
{
	_cleanup_(secret_freep) struct secret *key = test_key(1);
	struct txt t = {.key = *secret_pubkey(key), .has_digest = true, .http_port = 8080}, got;
	char items[TXT_ITEMS][TXT_ITEM];

	memset(t.digest, 0xa5, sizeof(t.digest));
	assert_int_equal(txt_write(&t, items), 4);
	assert_true(READ(&got, items[0], items[1], items[2], items[3]));
	assert_true(txt_eq(&t, &got));
	t.has_digest = false;
	memset(t.digest, 0, sizeof(t.digest));
	t.http_port = 0;
	assert_int_equal(txt_write(&t, items), 2);
	assert_true(READ(&got, items[0], items[1]));
	assert_true(txt_eq(&t, &got));
}

static void hostile_records_are_ignored(void **state)
{
	struct txt got = {.http_port = 7};

	assert_false(READ(&got, KEY));
	assert_false(READ(&got, "v=2", KEY));
	assert_false(READ(&got, "v=1"));
	assert_false(READ(&got, "v=1", "k="));
	assert_false(READ(&got, "v=1", KEY "a"));
	assert_false(READ(&got, "v=1", "k=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
	assert_false(READ(&got, "v=1", "k", "=", "", "k=x", KEY)); /* the first k= counts */
	assert_int_equal(got.http_port, 7);
	assert_true(READ(&got, "V=1", KEY, "d=short", "h=99999", "unknown=1"));
	assert_false(got.has_digest);
	assert_int_equal(got.http_port, 0);
	assert_true(READ(&got, "v=1", KEY, "h=8o80"));
	assert_int_equal(got.http_port, 0);
	assert_true(READ(&got, "v=1", KEY, "h=8080", "h=1"));
	assert_int_equal(got.http_port, 8080);
}

/* --- the table --- */
static bool hear(struct seen_table *t, const char *service, int interface, const char *address,
		 int port, unsigned key, int64_t now)
{
	_cleanup_(secret_freep) struct secret *k = test_key(key);
	struct seen_place at = {.interface = interface, .protocol = strchr(address, ':') != NULL};
	struct txt txt = {.key = *secret_pubkey(k), .http_port = 8080};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	char items[TXT_ITEMS][TXT_ITEM];
	struct span spans[TXT_ITEMS];
	struct seen_answer a = {.host = "box.local",
				.interface = "eth0",
				.txt = spans,
				.txt_n = txt_write(&txt, items),
				.now_ms = now};
	struct seen_row *row;
	void *dropped;

	snprintf(at.service, sizeof(at.service), "%s", service);
	if (at.protocol) {
		assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
		a.address = (struct sockaddr *)&v6;
	} else {
		assert_int_equal(inet_pton(AF_INET, address, &v4.sin_addr), 1);
		a.address = (struct sockaddr *)&v4;
	}
	for (size_t i = 0; i < a.txt_n; i++)
		spans[i] = span_str(items[i]);
	row = seen_find(t, &at);
	if (!row)
		row = seen_add(t, &at, &dropped);
	return row && seen_learn(row, &a);
}

static const struct pubkey nobody = {{0}};

static void one_box_on_many_addresses_is_one_row_with_the_best_first(void **state)
{
	struct seen_table t = {.n = 0};
	struct seen_box out[4];

	assert_true(hear(&t, "A", 2, "fe80::1", 8443, 1, 10));
	assert_true(hear(&t, "A", 4, "2001:db8::1", 8443, 1, 11));
	assert_true(hear(&t, "A", 2, "10.0.0.1", 8443, 1, 12));
	assert_true(hear(&t, "A", 3, "10.0.0.1", 8443, 1, 12));
	assert_false(hear(&t, "A", 2, "10.0.0.1", 8443, 1, 13));
	assert_true(hear(&t, "B", 2, "10.0.0.2", 8443, 2, 20));
	assert_int_equal(seen_boxes(&t, &nobody, out, 4), 2);
	assert_string_equal(out[0].name, "B");
	assert_string_equal(out[1].name, "A");
	assert_int_equal(out[1].addresses, 3);
	assert_string_equal(out[1].address[0], "10.0.0.1:8443");
	assert_string_equal(out[1].address[1], "[2001:db8::1]:8443");
	assert_string_equal(out[1].address[2], "[fe80::1%eth0]:8443");
	assert_string_equal(out[1].http_url, "http://10.0.0.1:8080/");
	assert_int_equal(seen_boxes(&t, &out[1].key, out, 4), 1);
	seen_clear(&t);
}

static void addresses_that_lead_nowhere_are_not_taken(void **state)
{
	static const char *const bad[] = {"0.0.0.0", "127.0.0.1", "224.0.0.251", "255.255.255.255",
					  "::",	     "::1",	  "ff02::fb",	 "::ffff:10.0.0.1"};
	struct seen_table t = {.n = 0};
	struct seen_box out[4];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(hear(&t, "A", 1, bad[i], 8443, 1, 1));
	assert_false(hear(&t, "A", 1, "10.0.0.1", 0, 1, 1));
	assert_int_equal(seen_boxes(&t, &nobody, out, 4), 0);
	assert_true(hear(&t, "A", 1, "10.0.0.1", 1, 1, 1));
	assert_true(hear(&t, "A", 1, "127.0.0.1", 1, 1, 1)); /* what was known is no more */
	assert_int_equal(seen_boxes(&t, &nobody, out, 4), 0);
	seen_clear(&t);
}

static void the_table_is_bounded_and_the_senseless_go_first(void **state)
{
	struct seen_table t = {.n = 0};
	struct seen_place at = {.interface = 9, .service = "late"};
	char name[16];
	void *dropped;

	for (int i = 0; i < LIMIT_DISCOVERED; i++) {
		snprintf(name, sizeof(name), "box %d", i);
		hear(&t, name, 1, i == 100 ? "127.0.0.1" : "10.0.0.1", 8443, (unsigned)i, i);
	}
	assert_int_equal(t.n, LIMIT_DISCOVERED);
	assert_non_null(seen_add(&t, &at, &dropped));
	assert_int_equal(t.n, LIMIT_DISCOVERED);
	hear(&t, "late", 9, "10.0.0.9", 8443, 1000, 1);
	snprintf(at.service, sizeof(at.service), "too late");
	assert_null(seen_add(&t, &at, &dropped));
	seen_clear(&t);
	assert_int_equal(t.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_becomes_one_line_without_what_can_t_be_seen),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(hostile_records_are_ignored),
		cmocka_unit_test(one_box_on_many_addresses_is_one_row_with_the_best_first),
		cmocka_unit_test(addresses_that_lead_nowhere_are_not_taken),
		cmocka_unit_test(the_table_is_bounded_and_the_senseless_go_first),
	};

	return run_group(tests);
}
