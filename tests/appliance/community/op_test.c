/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/community/feature.h"
#include "appliance/community/community_priv.h"

static const struct op_field fields[] = {
	{"title", FIELD_LINE, true, 10}, {"text", FIELD_TEXT, false, 20},
	{"slug", FIELD_SLUG, false, 0},	 {"ids", FIELD_IDS, false, 2},
	{"on", FIELD_BOOL, false, 0},	 {"n", FIELD_INT, false, 0},
	{"role", FIELD_ROLE, false, 0},	 {"any", FIELD_JSON, false, 0},
	{"id", FIELD_ID, false, 0},	 {0},
};
static const struct op_type types[] = {
	{"thing.make", fields, ROLE_MEMBER, OP_CREATES, NULL, NULL},
	{"thing.change", fields, ROLE_MEMBER, 0, NULL, NULL},
	{0},
};
static const struct feature feature = {.name = "thing", .types = types};
static const struct feature *const list[] = {&feature, NULL};

#define SOME_ID	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER_ID "baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static enum error_code parse(struct span s)
{
	_cleanup_(op_table_freep) struct op_table *t = op_table_new(list);
	json_t *body = NULL;
	struct op op;
	struct error *err = op_parse(t, s, &op, &body);
	enum error_code code = error_code(err);

	error_free(err);
	json_decref(body);
	return code;
}

static enum error_code parse_text(const char *s)
{
	return parse(span_str(s));
}

/* A thing.make with these members besides. */
static enum error_code parse_with(const char *members)
{
	char text[4096];

	snprintf(text, sizeof(text), "{\"type\":\"thing.make\",\"title\":\"t\"%s}", members);
	return parse_text(text);
}

static void reads_an_op_of_a_known_type(void **state)
{
	_cleanup_(op_table_freep) struct op_table *t = op_table_new(list);
	struct hash id;
	json_t *body;
	struct op op;

	assert_ok(op_parse(t,
			   span_str("{\"type\":\"thing.change\",\"object\":\"" OTHER_ID
				    "\",\"seen\":[\"" OTHER_ID "\"],\"title\":\"Bon dia\",\"n\":7,"
				    "\"on\":true,\"id\":\"" OTHER_ID "\",\"later\":[1,{}]}"),
			   &op, &body));
	assert_string_equal(op.type->name, "thing.change");
	assert_string_equal(ID(&op.object), OTHER_ID);
	assert_int_equal(op.nseen, 1);
	assert_string_equal(op_str(&op, "title"), "Bon dia");
	assert_int_equal(op_int(&op, "n", 0), 7);
	assert_int_equal(op_int(&op, "m", 3), 3);
	assert_true(op_bool(&op, "on", false));
	assert_true(op_id(&op, "id", &id));
	assert_null(op_str(&op, "text"));
	/* Unknown fields are kept. */
	assert_true(json_is_array(json_object_get(op.body, "later")));
	json_decref(body);
}

static void knows_a_type_of_the_future_from_a_malformed_op(void **state)
{
	assert_int_equal(parse_text("{\"type\":\"thing.paint\"}"), ERR_VERSION);
	assert_int_equal(parse_text("{\"type\":\"thing.paint\",\"seen\":[1]}"), ERR_MALFORMED);
	assert_int_equal(parse_text("{\"type\":\"thing.paint\",\"object\":\"x\"}"), ERR_MALFORMED);
	assert_int_equal(parse_text("{\"type\":\"thing\\npaint\"}"), ERR_MALFORMED);
	assert_int_equal(parse_text("{\"type\":7}"), ERR_MALFORMED);
	assert_int_equal(parse_text("{}"), ERR_MALFORMED);
}

static void refuses_what_is_not_one_json_object(void **state)
{
	static const char nul[] = "{\"type\":\"thing.make\",\"title\":\"t\"}\0";
	static const char *const bad[] = {"",
					  "x",
					  "[]",
					  "7",
					  "null",
					  "{",
					  "{\"type\":\"thing.make\",\"title\":\"t\"}x",
					  "{\"type\":\"thing.make\",\"title\":\"t\"}{}",
					  "{\"type\":\"thing.make\",\"title\":\"t\",}",
					  "{'type':'thing.make'}"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse_text(bad[i]), ERR_MALFORMED);
	assert_int_equal(parse(span_of(nul, sizeof(nul) - 1)), ERR_MALFORMED);
}

static void refuses_a_name_that_comes_twice(void **state)
{
	assert_int_equal(parse_with(",\"title\":\"u\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":{\"a\":1,\"a\":1}"), ERR_MALFORMED);
}

static void refuses_json_that_is_nested_too_deeply(void **state)
{
	char *deep = malloc(300000);

	memset(deep, '[', 299999);
	deep[299999] = 0;
	assert_int_equal(parse(span_of(deep, 200000)), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]"), ERR_NONE);
	assert_int_equal(parse_with(",\"any\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"), ERR_MALFORMED);
	/* Brackets in a text are text. */
	assert_int_equal(parse_with(",\"any\":\"[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\""), ERR_NONE);
	free(deep);
}

/* Every box must say the same of them, also where nobody knows the member. */
static void refuses_numbers_that_parsers_disagree_about(void **state)
{
	assert_int_equal(parse_with(",\"any\":9223372036854775808"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":1e400"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":9223372036854775807"), ERR_NONE);
	assert_int_equal(parse_with(",\"any\":1e-400"), ERR_NONE);
}

static void refuses_text_that_is_not_utf_8(void **state)
{
	assert_int_equal(parse_with(",\"any\":\"\xff\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":\"\xc0\x80\""), ERR_MALFORMED);	  /* too long */
	assert_int_equal(parse_with(",\"any\":\"\xed\xa0\x80\""), ERR_MALFORMED); /* surrogate */
	assert_int_equal(parse_with(",\"any\":\"\xf4\x90\x80\x80\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":\"\xe2\x82\""), ERR_MALFORMED); /* cut */
	assert_int_equal(parse_with(",\"any\":\"\\ud800\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":\"\\u0000\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"text\":\"\xe2\x82\xac\""), ERR_NONE);
}

static void refuses_numbers_that_do_not_fit(void **state)
{
	assert_int_equal(parse_with(",\"n\":9007199254740992"), ERR_NONE);
	assert_int_equal(parse_with(",\"n\":9007199254740993"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"n\":-1"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"n\":1.0"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":99999999999999999999"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"any\":1e999"), ERR_MALFORMED);
}

static void checks_each_kind_of_field(void **state)
{
	assert_int_equal(parse_text("{\"type\":\"thing.make\"}"), ERR_MALFORMED);
	assert_int_equal(parse_text("{\"type\":\"thing.make\",\"title\":\"\"}"), ERR_MALFORMED);
	assert_int_equal(parse_text("{\"type\":\"thing.make\",\"title\":\"01234567890\"}"),
			 ERR_MALFORMED);
	assert_int_equal(parse_text("{\"type\":\"thing.make\",\"title\":\"a\\nb\"}"),
			 ERR_MALFORMED);
	assert_int_equal(parse_text("{\"type\":\"thing.make\",\"title\":7}"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"text\":\"a\\n\\tb\""), ERR_NONE);
	assert_int_equal(parse_with(",\"text\":\"\""), ERR_NONE);
	assert_int_equal(parse_with(",\"text\":\"a\\u0007\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"slug\":\"a-b-1\""), ERR_NONE);
	assert_int_equal(parse_with(",\"slug\":\"a--b\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"slug\":\"-a\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"slug\":\"A\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"ids\":[\"" SOME_ID "\",\"" OTHER_ID "\"]"), ERR_NONE);
	assert_int_equal(parse_with(",\"ids\":[\"" SOME_ID "x\"]"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"ids\":[\"" SOME_ID "\",\"" SOME_ID "\",\"" SOME_ID "\"]"),
			 ERR_MALFORMED);
	assert_int_equal(parse_with(",\"on\":1"), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"role\":\"steward\""), ERR_NONE);
	assert_int_equal(parse_with(",\"role\":\"none\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"role\":\"appliance\""), ERR_MALFORMED);
	assert_int_equal(parse_with(",\"id\":\"zz\""), ERR_MALFORMED);
}

static void refuses_a_line_that_turns_the_text_around_it(void **state)
{
	assert_false(text_is_line(span_str("a\xe2\x80\xae"
					   "b")));
	assert_false(text_is_line(span_str("a\xe2\x81\xa6"
					   "b")));
	assert_false(text_is_line(span_str("a\xe2\x80\xa8"
					   "b")));
	assert_false(text_is_line(span_str("a\xc2\x85"
					   "b")));
	assert_true(text_is_line(span_str("Llu\xc3\xads \xd7\x90\xd7\x91 \xf0\x9f\x8c\xb1")));
}

static void names_at_most_sixteen_ops_as_seen(void **state)
{
	struct buf b = {0};

	for (int n = 16; n <= 17; n++) {
		buf_clear(&b);
		buf_puts(&b, "{\"type\":\"thing.make\",\"title\":\"t\",\"seen\":[");
		for (int i = 0; i < n; i++)
			buf_printf(&b, "%s\"%s\"", i ? "," : "", SOME_ID);
		buf_puts(&b, "]}");
		assert_int_equal(parse(buf_span(&b)), n == 16 ? ERR_NONE : ERR_MALFORMED);
	}
	buf_release(&b);
}

static void an_op_that_creates_names_no_object_and_others_must(void **state)
{
	assert_int_equal(parse_with(",\"object\":\"" OTHER_ID "\""), ERR_MALFORMED);
	assert_int_equal(parse_text("{\"type\":\"thing.change\",\"title\":\"t\"}"), ERR_MALFORMED);
	/* All zero is no id. */
	assert_int_equal(
		parse_text("{\"type\":\"thing.change\",\"title\":\"t\",\"object\":\"" SOME_ID
			   "\"}"),
		ERR_MALFORMED);
}

static void the_roles_have_their_names(void **state)
{
	enum role r;

	for (int i = ROLE_NEW; i <= ROLE_STEWARD; i++) {
		assert_true(role_parse(role_name((enum role)i), &r));
		assert_int_equal(r, i);
	}
	assert_false(role_parse("boss", &r));
}

/* --- the short way of reading ----------------------------------------------------------------- */

static json_t *by_jansson(struct span s)
{
	return json_loadb((const char *)s.p, s.n, JSON_REJECT_DUPLICATES, NULL);
}

/* What is read in the short way jansson reads as the same; returns whether it was read so. */
static bool same_as_jansson(struct span s)
{
	json_t *plain = op_json_plain(s), *theirs = plain ? by_jansson(s) : NULL;
	bool read = plain;

	if (plain)
		assert_true(theirs && json_equal(plain, theirs));
	json_decref(plain);
	json_decref(theirs);
	return read;
}

static void what_a_box_writes_is_read_in_the_short_way(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"type\":\"post.create\",\"seen\":[\"" SOME_ID "\"],\"text\":\"Bon dia\"}",
		"{\"text\":\"one\\ntwo \\\"three\\\" \\\\ \\/ \\t \\b\\f\\r\"}",
		"{\"text\":\"Sí: ça, 日本, \xf0\x9f\x98\x80 and \x7f\"}",
		"{\"n\":0,\"m\":123456789012345678,\"on\":true,\"off\":false,\"l\":[1,[],{}]}",
		" { \"a\" : [ 1 , 2 ] ,\n\"b\":\t\"\" } ",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_true(same_as_jansson(span_str(texts[i])));
}

static void what_is_unusual_is_left_to_jansson(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"\"a\"",
		"{\"a\":1,\"a\":2}",
		"{\"a\":1}x",
		"{\"a\":1,}",
		"{\"a\":[1,]}",
		"{\"a\" 1}",
		"{\"a\":01}",
		"{\"a\":-1}",
		"{\"a\":1.5}",
		"{\"a\":1e3}",
		"{\"a\":1234567890123456789}",
		"{\"a\":null}",
		"{\"a\":tru}",
		"{\"a\":\"\\u0041\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\\n\":1}",
		"{\"a\":\"line\nbreak\"}",
		"{\"a\":\"\xc0\x80\"}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\xf4\x90\x80\x80\"}",
		"{\"a\":\"\xe2\x82\"}",
		"{\"a\":\"no end",
		"{\"a\":\"no end\\",
		"{\"a\":[",
		"{\"a\"",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_false(same_as_jansson(span_str(texts[i])));
}

/* Bytes changed, dropped and doubled at random in something like an op. */
static void never_reads_what_jansson_refuses(void **state)
{
	static const char seed[] =
		"{\"type\":\"post.create\",\"object\":\"ab\",\"seen\":[\"cd\",\"ef\"],\"n\":10,"
		"\"text\":\"Sí,\\n\\\"ja\\\" \xf0\x9f\x98\x80\",\"by\":{\"name\":\"V\",\"on\":true}}";
	static const char likely[] = "{}[]\",:\\ntrue0019.-eu \x80\xc3\xed\xf4\x1f\x7f";
	uint32_t x = 12345;
	unsigned read = 0;

	for (unsigned round = 0; round < 60000; round++) {
		char text[sizeof(seed) + 8];
		size_t n = sizeof(seed) - 1;

		memcpy(text, seed, n);
		for (unsigned k = 0; k < 1 + round % 4; k++) {
			size_t at;

			x = x * 1664525U + 1013904223U;
			at = (x >> 8) % n;
			if (x >> 30 == 0) {
				memmove(text + at, text + at + 1, n - at - 1);
				n--;
			} else if (x >> 30 == 1) {
				memmove(text + at + 1, text + at, n - at);
				n++;
			} else {
				text[at] = likely[(x >> 3) % (sizeof(likely) - 1)];
			}
		}
		read += same_as_jansson(span_of(text, n));
	}
	assert_true(read > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_an_op_of_a_known_type),
		cmocka_unit_test(what_a_box_writes_is_read_in_the_short_way),
		cmocka_unit_test(what_is_unusual_is_left_to_jansson),
		cmocka_unit_test(never_reads_what_jansson_refuses),
		cmocka_unit_test(knows_a_type_of_the_future_from_a_malformed_op),
		cmocka_unit_test(refuses_what_is_not_one_json_object),
		cmocka_unit_test(refuses_a_name_that_comes_twice),
		cmocka_unit_test(refuses_json_that_is_nested_too_deeply),
		cmocka_unit_test(refuses_numbers_that_parsers_disagree_about),
		cmocka_unit_test(refuses_text_that_is_not_utf_8),
		cmocka_unit_test(refuses_numbers_that_do_not_fit),
		cmocka_unit_test(checks_each_kind_of_field),
		cmocka_unit_test(refuses_a_line_that_turns_the_text_around_it),
		cmocka_unit_test(names_at_most_sixteen_ops_as_seen),
		cmocka_unit_test(an_op_that_creates_names_no_object_and_others_must),
		cmocka_unit_test(the_roles_have_their_names),
	};

	return run_group(tests);
}
