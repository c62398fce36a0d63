/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/http/form.h"
#include "appliance/http/text.h"

static const char *value(const char *body, const char *name)
{
	static struct arena a;
	static struct fields f;

	arena_release(&a);
	f.n = 0;
	assert_ok(form_parse(&a, span_str(body), &f));
	return fields_get(&f, name);
}

static void refuses(struct span body, enum error_code code)
{
	struct arena a = {0};
	struct fields f = {.n = 0};

	assert_fails(form_parse(&a, body, &f), code);
	arena_release(&a);
}

static void reads_fields_with_escapes(void **state)
{
	assert_string_equal(value("a=1&b=two+words&c=%C3%A0%26", "b"), "two words");
	assert_string_equal(value("a=1&b=two+words&c=%C3%A0%26", "c"), "à&");
	assert_null(value("a=1", "b"));
	assert_string_equal(value("a", "a"), "");
	assert_string_equal(value("&&a=&", "a"), "");
	assert_string_equal(value("a=b=c", "a"), "b=c");
}

static void turns_line_ends_into_one_kind(void **state)
{
	assert_string_equal(value("t=one%0D%0Atwo%0Dthree%0A", "t"), "one\ntwo\nthree\n");
}

static void takes_the_first_of_two_fields_with_one_name(void **state)
{
	assert_string_equal(value("to=me&to=you", "to"), "me");
}

static void refuses_what_is_no_text(void **state)
{
	refuses(span_str("a=%00"), ERR_MALFORMED);
	refuses(span_str("a=%zz"), ERR_MALFORMED);
	refuses(span_str("a=%4"), ERR_MALFORMED);
	refuses(span_str("a=%FF"), ERR_MALFORMED);
	refuses(span_str("a=%C0%AF"), ERR_MALFORMED);	    /* overlong */
	refuses(span_str("a=%ED%A0%80"), ERR_MALFORMED);    /* half a surrogate pair */
	refuses(span_str("a=%F4%90%80%80"), ERR_MALFORMED); /* beyond Unicode */
	refuses(span_of("a=\0b", 4), ERR_MALFORMED);
	refuses(span_str("a%0Ab=1"), ERR_MALFORMED);
}

static void refuses_more_fields_than_the_limit(void **state)
{
	char body[4 * LIMIT_FORM_FIELDS + 8] = "";

	for (int i = 0; i <= LIMIT_FORM_FIELDS; i++)
		memcpy(body + 4 * i, "a=1&", 5);
	refuses(span_str(body), ERR_LIMIT);
}

static void reads_a_json_object_as_fields(void **state)
{
	struct arena a = {0};
	struct fields f = {.n = 0};
	json_t *j;

	assert_ok(form_parse_json(
		span_str("{\"t\":\"a\\r\\nb\",\"n\":7,\"y\":true,\"no\":false,\"x\":null}"), &j));
	assert_ok(form_from_json(&a, j, &f));
	assert_string_equal(fields_get(&f, "t"), "a\nb");
	assert_string_equal(fields_get(&f, "n"), "7");
	assert_string_equal(fields_get(&f, "y"), "1");
	assert_null(fields_get(&f, "no"));
	assert_null(fields_get(&f, "x"));
	json_decref(j);
	arena_release(&a);
}

static void refuses_odd_json(void **state)
{
	json_t *j;
	char deep[200];

	assert_fails(form_parse_json(span_str("[1]"), &j), ERR_MALFORMED);
	assert_fails(form_parse_json(span_str("{\"a\":1,\"a\":2}"), &j), ERR_MALFORMED);
	assert_fails(form_parse_json(span_str("{\"a\":\"\\u0000\"}"), &j), ERR_MALFORMED);
	assert_fails(form_parse_json(span_str("{\"a\":"), &j), ERR_MALFORMED);
	assert_fails(form_parse_json(span_str(""), &j), ERR_MALFORMED);
	char *many = calloc(1, 100000);
	size_t n = (size_t)snprintf(many, 100000, "{\"a\":[0");

	while (n < 99990) {
		many[n++] = ',';
		many[n++] = '0';
	}
	memcpy(many + n, "]}", 2);
	assert_fails(form_parse_json(span_of(many, n + 2), &j), ERR_LIMIT);
	memset(many, ',', 99990); /* in a text they are only commas */
	memcpy(many, "{\"a\":\"", 6);
	memcpy(many + 99990, "\"}", 2);
	assert_ok(form_parse_json(span_of(many, 99992), &j));
	json_decref(j);
	free(many);
	memset(deep, '[', sizeof(deep));
	assert_fails(form_parse_json(span_of(deep, sizeof(deep)), &j), ERR_LIMIT);
}

static void knows_what_one_line_is(void **state)
{
	assert_true(http_text_is_line("Associació de veïns"));
	assert_false(http_text_is_line("two\nlines"));
	assert_false(http_text_is_line("\x7f"));
	assert_false(http_text_is_line("turned \xe2\x80\xae around"));
	assert_false(http_text_is_line("isolated \xe2\x81\xa6"));
	assert_false(http_text_is_line("\xc2\x85"));
	assert_true(http_text_is_line("\xe2\x80"));
}

static void escapes_for_addresses(void **state)
{
	struct arena a = {0};

	assert_string_equal(http_text_escape_path(&a, "à b/c"), "%C3%A0%20b/c");
	assert_string_equal(http_text_escape_query(&a, "a/b?&="), "a%2Fb%3F%26%3D");
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_fields_with_escapes),
		cmocka_unit_test(turns_line_ends_into_one_kind),
		cmocka_unit_test(takes_the_first_of_two_fields_with_one_name),
		cmocka_unit_test(refuses_what_is_no_text),
		cmocka_unit_test(refuses_more_fields_than_the_limit),
		cmocka_unit_test(reads_a_json_object_as_fields),
		cmocka_unit_test(refuses_odd_json),
		cmocka_unit_test(knows_what_one_line_is),
		cmocka_unit_test(escapes_for_addresses),
	};

	return run_group(tests);
}
