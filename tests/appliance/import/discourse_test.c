/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "appliance/import/discourse.h"
#include "appliance/import/html_markdown.h"
#include "sync/base/buf.h"
#include "sync/base/limits.h"

#define POST(n, more)                                                                              \
	"{\"post_number\":" #n                                                                     \
	",\"username\":\"pep\",\"created_at\":\"2017-04-07T17:17:00.000Z\","                       \
	"\"cooked\":\"<p>" #n "</p>\"" more "}"
#define TOPIC(posts, more) "{\"title\":\"Hort\",\"post_stream\":{\"posts\":[" posts "]}" more "}"

static struct error *parse(const char *json, struct arena *a, struct discourse_topic **ret)
{
	return discourse_parse(span_str(json), 7, a, ret);
}

static void assert_refused(const char *json, const char *sentence)
{
	struct arena a = {0};
	struct discourse_topic *t = NULL;
	_cleanup_(error_freep) struct error *e = parse(json, &a, &t);

	assert_non_null(e);
	assert_null(t);
	assert_int_equal(error_code(e), ERR_MALFORMED);
	assert_string_equal(error_english(e), sentence);
	arena_release(&a);
}

static void reads_a_topic_with_all_its_fields(void **state)
{
	static const char json[] =
		"{\"id\":7,\"slug\":\"l-hort\",\"title\":\" L'hort\\n nou \",\"closed\":true,"
		"\"created_at\":\"2017-04-07T19:17:00+02:00\",\"unknown\":[1,{}],\"post_stream\":{"
		"\"stream\":[1,2,3],\"posts\":[" POST(
			3, ",\"reply_to_post_number\":1,\"name\":"
			   "\"Pep Garcia\"") "," POST(1, ",\"name\":\"\",\"reply_to_post_number\":"
							 "null,\"post_type\":3") "]}}";
	struct arena a = {0};
	struct discourse_topic *t = NULL;

	assert_null(parse(json, &a, &t));
	assert_string_equal(t->key, "discourse:7:l-hort");
	assert_string_equal(t->title, "L'hort nou");
	assert_true(t->created_ms == 1491585420000);
	assert_true(t->closed && !t->pinned);
	assert_int_equal(t->posts_n, 2);
	assert_int_equal(t->not_here, 1);
	assert_int_equal(t->line, 7);
	assert_int_equal(t->posts[0].number, 1);
	assert_string_equal(t->posts[0].name, "pep");
	assert_true(t->posts[0].notice);
	assert_int_equal(t->posts[0].reply_to, 0);
	assert_int_equal(t->posts[1].number, 3);
	assert_int_equal(t->posts[1].reply_to, 1);
	assert_string_equal(t->posts[1].username, "pep");
	assert_string_equal(t->posts[1].name, "Pep Garcia");
	assert_true(t->posts[1].created_ms == 1491585420000);
	assert_true(span_is(t->posts[1].cooked, "<p>3</p>"));
	arena_release(&a);
}

static void needs_only_what_a_post_is_made_of(void **state)
{
	struct arena a = {0};
	struct discourse_topic *t = NULL;

	assert_null(parse(TOPIC(POST(1, ""), ""), &a, &t));
	assert_string_equal(t->key, "discourse::1491585420000:Hort");
	assert_true(t->created_ms == 1491585420000);
	assert_int_equal(t->not_here, 0);
	arena_release(&a);
}

static void names_the_line_and_the_field_of_what_is_wrong(void **state)
{
	assert_refused("{}", "Line 7: the field post_stream is missing.");
	assert_refused("[]", "Line 7: the field topic is not an object.");
	assert_refused("{\"post_stream\":[]}", "Line 7: the field post_stream is not an object.");
	assert_refused(TOPIC("", ""), "Line 7: the field post_stream.posts is empty.");
	assert_refused(TOPIC(POST(1, "") ",1", ""),
		       "Line 7: the field post_stream.posts[1] is not an object.");
	assert_refused(TOPIC("{\"post_number\":1}", ""),
		       "Line 7: the field post_stream.posts[0].username is missing.");
	assert_refused(TOPIC(POST(1, "") "," POST(1, ""), ""),
		       "Line 7: the field post_stream.posts has two posts of one post_number.");
	assert_refused(TOPIC(POST(0, ""), ""),
		       "Line 7: the field post_stream.posts[0].post_number is missing.");
	assert_refused(TOPIC(POST(-1, ""), ""),
		       "Line 7: the field post_stream.posts[0].post_number is below zero.");
	assert_refused(TOPIC("{\"post_number\":\"1\"}", ""),
		       "Line 7: the field post_stream.posts[0].post_number is not a whole number.");
	assert_refused(TOPIC(POST(1, ",\"name\":5"), ""),
		       "Line 7: the field post_stream.posts[0].name is not a text.");
	assert_refused(TOPIC(POST(1, ""), ",\"id\":1.5"),
		       "Line 7: the field id is not a whole number.");
	assert_refused(TOPIC(POST(1, ""), ",\"closed\":1"),
		       "Line 7: the field closed is neither true nor false.");
	assert_refused("{\"title\":\" \",\"post_stream\":{\"posts\":[" POST(1, "") "]}}",
		       "Line 7: the field title is empty.");
	assert_refused("{\n\"title\": x}", "Line 8: this is not JSON: invalid token near 'x'.");
}

static void reads_dates_strictly(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:00.5Z", 500},
		{"1969-12-31T23:59:59.999Z", -1},
		{"2000-02-29T12:00:00.123456Z", 951825600123},
		{"2026-11-23T22:14:00-01:30", 1795477440000},
		{"2038-01-19T03:14:08Z", 2147483648000},
		{"0000-00-00T00:00:00Z", INT64_MIN},
		{"2017-04-31T00:00:00Z", INT64_MIN},
		{"2017-02-29T00:00:00Z", INT64_MIN},
		{"2100-02-29T00:00:00Z", INT64_MIN},
		{"2017-04-07", INT64_MIN},
		{"2017-04-07T17:17:00", INT64_MIN},
		{"2017-04-07T17:17:00.Z", INT64_MIN},
		{"2017-04-07T24:00:00Z", INT64_MIN},
		{"2017-04-07T17:17:00+0200", INT64_MIN},
		{"2017-04-07T17:17:00Zx", INT64_MIN},
		{"yesterday, at ten o'clock", INT64_MIN},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_(buf_release) struct buf json = {0};
		struct arena a = {0};
		struct discourse_topic *t = NULL;
		_cleanup_(error_freep) struct error *e = NULL;

		buf_printf(&json, TOPIC(POST(1, ""), ",\"created_at\":\"%s\""), rows[i].text);
		e = parse(buf_str(&json), &a, &t);
		if (rows[i].ms == INT64_MIN) {
			assert_string_equal(error_english(e),
					    "Line 7: the field created_at is not a date.");
		} else {
			assert_null(e);
			assert_true(t->created_ms == rows[i].ms);
		}
		arena_release(&a);
	}
}

static void leaves_out_what_was_not_for_everybody(void **state)
{
	struct arena a = {0};
	struct discourse_topic *t = NULL;

	assert_null(parse(
		TOPIC(POST(1, ",\"post_type\":4") "," POST(
			      2,
			      ",\"deleted_at\":\"2018-01-"
			      "01T00:00:00Z\"") "," POST(3, ",\"user_deleted\":true") "," POST(4,
											       ""),
		      ""),
		&a, &t));
	assert_int_equal(t->posts_n, 1);
	assert_int_equal(t->posts[0].number, 4);
	assert_int_equal(t->left_out, 3);
	arena_release(&a);
}

static void cuts_long_titles_between_characters(void **state)
{
	_cleanup_(buf_release) struct buf json = {0};
	struct arena a = {0};
	struct discourse_topic *t = NULL;

	buf_puts(&json, "{\"post_stream\":{\"posts\":[" POST(1, "") "]},\"title\":\"a");
	for (int i = 0; i < LIMIT_TITLE; i++)
		buf_puts(&json, "à");
	buf_puts(&json, "\"}");
	assert_null(parse(buf_str(&json), &a, &t));
	assert_true(strlen(t->title) <= LIMIT_TITLE && strlen(t->title) > LIMIT_TITLE - 5);
	assert_string_equal(t->title + strlen(t->title) - 5, "à…");
	arena_release(&a);
}

/* ---- files ----------------------------------------------------------------------------------- */

static FILE *file_of(const char *text)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	fputs(text, f);
	rewind(f);
	return f;
}

static void reads_lines_and_objects_over_several_lines(void **state)
{
	_cleanup_(fclosep) FILE *f =
		file_of("\xef\xbb\xbf" TOPIC(POST(1, ""), ",\"id\":1") "\n\n" TOPIC(
			POST(1, ""), ",\"id\":2") "\r\n{\n  \"id\": 3,\n \"title\": \"}{\\\"[\","
						  "\n \"post_stream\": {\"posts\": [\n" POST(
							  1, "") "]\n}\n}\n" TOPIC(POST(1, ""),
										   ",\"id\":4"));
	static const size_t lines[] = {1, 3, 4, 11};
	_cleanup_(discourse_reader_freep) struct discourse_reader *r = NULL;
	struct arena a = {0};
	struct discourse_topic *t = NULL;

	assert_null(discourse_reader_new(f, &r));
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_null(discourse_next(r, &a, &t));
		assert_int_equal(t->key[strlen("discourse:")], '1' + (int)i);
		assert_int_equal(t->line, lines[i]);
	}
	for (int again = 0; again < 2; again++) {
		assert_null(discourse_next(r, &a, &t));
		assert_null(t);
	}
	arena_release(&a);
}

static void goes_on_behind_a_bad_line(void **state)
{
	_cleanup_(fclosep) FILE *f = file_of("{\"title\":\"cut in the mid\n" TOPIC(
		POST(1, ""), "") "\nnonsense {}\n{\"id\":1}\n" TOPIC(POST(2, ""),
								     "") "\n{\"title\":");
	static const char *const said[] = {
		"Line 1: a text is not closed before the line ends.",
		NULL,
		"Line 3: a topic, that is \"{\", should begin here.",
		"Line 4: the field post_stream is missing.",
		NULL,
		"Line 6: the file ends in the middle of a topic.",
	};
	_cleanup_(discourse_reader_freep) struct discourse_reader *r = NULL;
	struct arena a = {0};
	struct discourse_topic *t = NULL;

	assert_null(discourse_reader_new(f, &r));
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		_cleanup_(error_freep) struct error *e = discourse_next(r, &a, &t);

		if (said[i])
			assert_string_equal(error_english(e), said[i]);
		else
			assert_null(e);
	}
	assert_null(discourse_next(r, &a, &t));
	assert_null(t);
	arena_release(&a);
}

static void reads_the_sample_of_a_real_forum(void **state)
{
	const char *source = getenv("SOURCE");
	_cleanup_(fclosep) FILE *f = NULL;
	_cleanup_(discourse_reader_freep) struct discourse_reader *r = NULL;
	size_t topics = 0, posts = 0;
	char path[4096];

	snprintf(path, sizeof(path), "%s/../shared/data/discourse-sample.jsonl",
		 source ? source : ".");
	f = fopen(path, "r");
	if (!f) {
		print_message("# skipped: the sample of a real forum is not there\n");
		return;
	}
	assert_null(discourse_reader_new(f, &r));
	while (true) {
		struct arena a = {0};
		struct discourse_topic *t = NULL;
		struct error *e = discourse_next(r, &a, &t);

		if (e)
			print_message("# %s\n", error_english(e));
		assert_null(e);
		topics += t != NULL;
		posts += t ? t->posts_n : 0;
		arena_release(&a);
		if (!t)
			break;
	}
	assert_int_equal(topics, 250);
	assert_int_equal(posts, 1265);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_topic_with_all_its_fields),
		cmocka_unit_test(needs_only_what_a_post_is_made_of),
		cmocka_unit_test(names_the_line_and_the_field_of_what_is_wrong),
		cmocka_unit_test(reads_dates_strictly),
		cmocka_unit_test(leaves_out_what_was_not_for_everybody),
		cmocka_unit_test(cuts_long_titles_between_characters),
		cmocka_unit_test(reads_lines_and_objects_over_several_lines),
		cmocka_unit_test(goes_on_behind_a_bad_line),
		cmocka_unit_test(reads_the_sample_of_a_real_forum),
	};

	return cmocka_run_group_tests_name("discourse", tests, NULL, NULL);
}
