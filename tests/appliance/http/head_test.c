/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/http/cookie.h"
#include "appliance/http/head.h"

/* "GET /path|Name: value|Name: value" */
static enum refusal_id judge(const char *text, struct http_head *ret)
{
	static char copy[8192];
	char *save = NULL, *line;

	snprintf(copy, sizeof(copy), "%s", text);
	*ret = (struct http_head){.version = "HTTP/1.1"};
	line = strtok_r(copy, "|", &save);
	ret->method = line;
	ret->target = strchr(line, ' ') + 1;
	*strchr(line, ' ') = 0;
	while ((line = strtok_r(NULL, "|", &save)) && ret->n < HEAD_HEADERS) {
		char *colon = strchr(line, ':');

		ret->v[ret->n++] =
			(struct header){span_of(line, (size_t)(colon - line)), span_str(colon + 1)};
	}
	return http_head_check(ret);
}

static enum refusal_id verdict(const char *text)
{
	struct http_head h;

	return judge(text, &h);
}

static void lets_an_ordinary_request_through(void **state)
{
	struct http_head h;

	assert_int_equal(judge("GET /a?b=c|Host:box.local:8080|Accept:*/*", &h), REFUSE_NOTHING);
	assert_int_equal(h.kind, HEAD_GET);
	assert_true(span_is(h.host, "box.local:8080"));
	assert_int_equal(judge("POST /a|Host:[::1]:80|content-length:12 ", &h), REFUSE_NOTHING);
	assert_int_equal(h.length, 12);
}

static void refuses_two_readings_of_a_length(void **state)
{
	const char *const bad[] = {
		"POST /|Host:a|Content-Length:1|Content-Length:2",
		"POST /|Host:a|Content-Length:1|Content-Length:1",
		"POST /|Host:a|Content-Length:1|Transfer-Encoding:chunked",
		"POST /|Host:a|Transfer-Encoding:chunked|Transfer-Encoding:chunked",
		"POST /|Host:a|Transfer-Encoding:xchunked",
		"POST /|Host:a|Transfer-Encoding:gzip, chunked",
		"POST /|Host:a|Content-Length:+1",
		"POST /|Host:a|Content-Length:-1",
		"POST /|Host:a|Content-Length:0x10",
		"POST /|Host:a|Content-Length:1,1",
		"POST /|Host:a|Content-Length:",
		"POST /|Host:a|Content-Length:99999999999999999999",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(verdict(bad[i]), REFUSE_LENGTH);
	assert_int_equal(verdict("POST /|Host:a|Transfer-Encoding:chunked"), REFUSE_NO_LENGTH);
	assert_int_equal(verdict("POST /|Host:a"), REFUSE_NO_LENGTH);
	assert_int_equal(verdict("GET /|Host:a|Content-Length:5"), REFUSE_BODY);
}

static void wants_exactly_one_good_host(void **state)
{
	assert_int_equal(verdict("GET /"), REFUSE_HOST);
	assert_int_equal(verdict("GET /|Host:a|Host:a"), REFUSE_HOST);
	assert_int_equal(verdict("GET /|Host:"), REFUSE_HOST);
	assert_int_equal(verdict("GET /|Host:a/b"), REFUSE_HOST);
	assert_int_equal(verdict("GET /|Host:a@b"), REFUSE_HOST);
	assert_int_equal(verdict("GET /|Host:\"><script>"), REFUSE_HOST);
}

static void refuses_bytes_that_do_not_belong(void **state)
{
	assert_int_equal(verdict("GET /\x01|Host:a"), REFUSE_BYTES);
	assert_int_equal(verdict("GET /\xc3\xa0|Host:a"), REFUSE_BYTES);
	assert_int_equal(verdict("GET /|Host:a|X Y:1"), REFUSE_BYTES);
	assert_int_equal(verdict("GET /|Host:a|X :1"), REFUSE_BYTES);
	assert_int_equal(verdict("GET /|Host:a|:1"), REFUSE_BYTES);
	assert_int_equal(verdict("GET /|Host:a|X:a\x01"), REFUSE_BYTES);
	assert_int_equal(verdict("GET /|Host:a|X:a\rb"), REFUSE_BYTES);
	assert_int_equal(verdict("GET /|Host:a|Cookie:a=1|Cookie:a=2"), REFUSE_BYTES);
	assert_int_equal(verdict("TRACE /|Host:a"), REFUSE_METHOD);
	assert_int_equal(verdict("get /|Host:a"), REFUSE_METHOD);
}

static void refuses_a_long_address(void **state)
{
	char text[LIMIT_URL + 100];

	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	memcpy(text + LIMIT_URL + 10, "|Host:a", 8);
	assert_int_equal(verdict(text), REFUSE_LONG_URL);
}

static void refuses_more_cookies_than_a_box_sets(void **state)
{
	char text[LIMIT_COOKIE_HEADER + 100];

	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /|Host:a|Cookie:", 20);
	text[sizeof(text) - 1] = 0;
	assert_int_equal(verdict(text), REFUSE_HEADERS);
}

static const char *decode(const char *raw, bool *json)
{
	static struct arena a;

	return path_decode(&a, span_str(raw), json);
}

static void decodes_paths_and_refuses_tricks(void **state)
{
	bool json;

	assert_string_equal(decode("/", &json), "/");
	assert_string_equal(decode("/topic/abc.json", &json), "/topic/abc");
	assert_true(json);
	assert_string_equal(decode("/index.json", &json), "/");
	assert_true(json);
	assert_string_equal(decode("/library/caf%C3%A9", &json), "/library/café");
	assert_false(json);
	assert_null(decode("/a//b", &json));
	assert_null(decode("//a", &json));
	assert_null(decode("/a/../b", &json));
	assert_null(decode("/a/%2e%2e/b", &json));
	assert_null(decode("/./a", &json));
	assert_null(decode("/a/", &json));
	assert_null(decode("/a%00b", &json));
	assert_null(decode("/a%0ab", &json));
	assert_null(decode("/a%ffb", &json));
	assert_null(decode("/a%2", &json));
}

static void knows_its_own_names(void **state)
{
	struct arena a = {0};

	assert_string_equal(host_name(&a, span_str("Box.Local:8080")), "box.local");
	assert_string_equal(host_name(&a, span_str("[::1]:80")), "[::1]");
	assert_string_equal(host_name(&a, span_str("[::1")), "");
	assert_string_equal(host_name(&a, span_str("a]b")), "");
	assert_true(host_is_local("localhost", "box.local"));
	assert_true(host_is_local("127.0.0.1", "box.local"));
	assert_true(host_is_local("box.local", "box.local"));
	assert_true(host_is_local("127.1.2.3", "box.local"));
	assert_false(host_is_local("evil.example", "box.local"));
	/* names that only begin like an address: anyone can own one */
	assert_false(host_is_local("127.evil.example", "box.local"));
	assert_false(host_is_local("127.0.0.1.evil.example", "box.local"));
	assert_false(host_is_local("127.0.0.1234", "box.local"));
	assert_false(host_is_local("127.0.0", "box.local"));
	assert_false(host_is_local("127.0.0.", "box.local"));
	arena_release(&a);
}

static struct span cookie(const char *header, const char *name)
{
	struct span v = {NULL, 0};

	return cookie_get(span_str(header), name, &v) ? v : (struct span){NULL, 0};
}

static void finds_a_cookie_by_its_whole_name(void **state)
{
	assert_true(span_is(cookie("a=1; bb=2;c=3", "bb"), "2"));
	assert_true(span_is(cookie("a=1; a=1", "a"), "1"));
	assert_null(cookie("xa=1; ab=2", "a").p);
	assert_null(cookie("", "a").p);
	assert_null(cookie("a", "a").p);
	assert_null(cookie(";;=;", "a").p);
}

static void does_not_choose_between_two_cookies(void **state)
{
	assert_null(cookie("a=1; a=2", "a").p);
	assert_null(cookie("a=\"1\"", "a").p);
	assert_null(cookie("a=", "a").p);
	assert_null(cookie("a=x y", "a").p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_an_ordinary_request_through),
		cmocka_unit_test(refuses_two_readings_of_a_length),
		cmocka_unit_test(wants_exactly_one_good_host),
		cmocka_unit_test(refuses_bytes_that_do_not_belong),
		cmocka_unit_test(refuses_a_long_address),
		cmocka_unit_test(refuses_more_cookies_than_a_box_sets),
		cmocka_unit_test(decodes_paths_and_refuses_tricks),
		cmocka_unit_test(knows_its_own_names),
		cmocka_unit_test(finds_a_cookie_by_its_whole_name),
		cmocka_unit_test(does_not_choose_between_two_cookies),
	};

	return run_group(tests);
}
