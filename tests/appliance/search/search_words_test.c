/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/search/search_priv.h"

/* Of the first part: what is in front of each word is not looked at here. */
static const char *asked(struct arena *a, const char *typed)
{
	static const char part[] = "\x03" "0\x04";
	const char *query = words_query(a, typed, 0), *at, *end;
	const char *rest = "";

	for (at = query; at && (end = strstr(at, part)); at = end + strlen(part))
		rest = arena_printf(a, "%s%.*s", rest, (int)(end - at), at);
	return query ? arena_printf(a, "%s%s", rest, at) : NULL;
}

static void each_word_is_quoted_and_the_last_may_be_only_begun(void **state)
{
	_cleanup_(arena_release) struct arena a = {0};

	assert_string_equal(asked(&a, "clau taller"), "\"clau\" \"taller\"*");
	assert_string_equal(asked(&a, "  clau\t\n"), "\"clau\"*");
	assert_string_equal(asked(&a, "l'hort"), "\"l'hort\"*");
}

static void a_beginning_has_three_letters_at_least(void **state)
{
	_cleanup_(arena_release) struct arena a = {0};

	assert_string_equal(asked(&a, "la"), "\"la\"");
	assert_string_equal(asked(&a, "naï"), "\"naï\"*");
	assert_string_equal(asked(&a, "ça"), "\"ça\"");
}

static void quotes_keep_words_together_and_finish_them(void **state)
{
	_cleanup_(arena_release) struct arena a = {0};

	assert_string_equal(asked(&a, "\"la clau\" taller"), "\"la clau\" \"taller\"*");
	assert_string_equal(asked(&a, "taller \"la clau\""), "\"taller\" \"la clau\"");
	assert_string_equal(asked(&a, "taller\"la"), "\"taller\" \"la\"");
	assert_string_equal(asked(&a, "\"mai tancat"), "\"mai tancat\"");
}

static void what_has_no_word_asks_for_nothing(void **state)
{
	static const char *const typed[] = {"",	   " ",		  "\"",	 "\"\"",
					    "***", "- + ( ) ^ :", "— …", "\"\"\"\""};
	_cleanup_(arena_release) struct arena a = {0};

	for (size_t i = 0; i < ARRAY_LEN(typed); i++)
		assert_null(asked(&a, typed[i]));
}

static void a_long_question_is_cut_between_characters_and_after_twelve_words(void **state)
{
	_cleanup_(arena_release) struct arena a = {0};
	char typed[1000] = "";
	const char *q;
	size_t quotes = 0;

	for (int i = 0; i < 100; i++)
		memcpy(typed + 5 * i,
		       "\xe2\x82\xac"
		       "a ",
		       6);
	q = asked(&a, typed);
	for (const char *p = q; *p; p++)
		quotes += *p == '"';
	assert_true(quotes <= 2 * QUERY_WORDS);
	memset(typed, 'x', 199);
	memcpy(typed + 199, "ç", 3);
	q = asked(&a, typed);
	assert_int_equal(strlen(q), 199 + 3);
}

static void texts_are_indexed_without_what_could_pass_for_a_mark(void **state)
{
	_cleanup_(buf_release) struct buf out = {0};

	words_plain(span_str("  a\x01\x02 b\n\n\tc\x7f\xe2\x80\xae"
			     "d\xe2\x81\xa9 \xe2\x80\x99"),
		    &out);
	assert_string_equal(buf_str(&out), "a b c d \xe2\x80\x99");
}

static void a_snippet_is_escaped_before_it_is_marked(void **state)
{
	_cleanup_(arena_release) struct arena a = {0};

	assert_string_equal(
		words_marked(&a, "<b>\x01"
				 "a&b"
				 "\x02</b> \"x\" 'y' <mark>"),
		"&lt;b&gt;<mark>a&amp;b</mark>&lt;/b&gt; &quot;x&quot; &#39;y&#39; &lt;mark&gt;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_word_is_quoted_and_the_last_may_be_only_begun),
		cmocka_unit_test(a_beginning_has_three_letters_at_least),
		cmocka_unit_test(quotes_keep_words_together_and_finish_them),
		cmocka_unit_test(what_has_no_word_asks_for_nothing),
		cmocka_unit_test(a_long_question_is_cut_between_characters_and_after_twelve_words),
		cmocka_unit_test(texts_are_indexed_without_what_could_pass_for_a_mark),
		cmocka_unit_test(a_snippet_is_escaped_before_it_is_marked),
	};

	return run_group(tests);
}
