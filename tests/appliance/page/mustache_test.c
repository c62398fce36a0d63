/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "appliance/page/mustache.h"

/* ---- a source made of a JSON object of partials and a small catalog -------------------------- */

static bool json_partial(void *ctx, const char *name, struct span *ret_text)
{
	const json_t *text = json_object_get(ctx, name);

	if (!json_is_string(text))
		return false;
	*ret_text = span_of(json_string_value(text), json_string_length(text));
	return true;
}

static const char *to_catalan(void *ctx, const char *msgid)
{
	static const char *const words[][2] = {
		{"Save the page", "Desa la p\303\240gina"},
		{"Tom & \"Jerry\" <3", "En Tom & \"Jerry\" <3"},
		{"%(who) writes in %(where.name)", "A %(where.name) hi escriu %(who)"},
		{"Bad", "Dolent %(nothing)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i][0], msgid) == 0)
			return words[i][1];
	return msgid;
}

static const char *to_catalan_plural(void *ctx, const char *one, const char *many, unsigned long n)
{
	assert_string_equal(one, "One reply");
	assert_string_equal(many, "%d replies by %(who)");
	return n == 1 ? "Una resposta" : "%d respostes de %(who)";
}

static struct error *compile(const char *text, json_t *partials, struct mustache **ret)
{
	struct mustache_source source = {.ctx = partials,
					 .partial = json_partial,
					 .translate = to_catalan,
					 .translate_plural = to_catalan_plural,
					 .thousands = "."};

	return mustache_compile("page", span_str(text), &source, ret);
}

static void assert_renders(const char *text, const char *context, const char *expected)
{
	_cleanup_(mustache_freep) struct mustache *m = NULL;
	_cleanup_(buf_release) struct buf out = {0};
	json_t *json = json_loads(context, JSON_DECODE_ANY, NULL);

	assert_non_null(json);
	assert_null(compile(text, NULL, &m));
	assert_null(mustache_render(m, json, &out));
	assert_string_equal(buf_str(&out), expected);
	json_decref(json);
}

static void assert_refused(const char *text, const char *expected)
{
	struct mustache *m = NULL;
	_cleanup_(error_freep) struct error *e = compile(text, NULL, &m);

	assert_null(m);
	assert_non_null(e);
	assert_int_equal(error_code(e), ERR_MALFORMED);
	assert_string_equal(error_english(e), expected);
}

/* ---- the specification ----------------------------------------------------------------------- */

static unsigned run_case(const char *file, const json_t *test)
{
	const char *name = json_string_value(json_object_get(test, "name"));
	const json_t *expected = json_object_get(test, "expected");
	const json_t *template = json_object_get(test, "template");
	struct mustache_source source = {.ctx = json_object_get(test, "partials"),
					 .partial = json_partial};
	_cleanup_(mustache_freep) struct mustache *m = NULL;
	_cleanup_(buf_release) struct buf out = {0};

	assert_null(mustache_compile(
		name, span_of(json_string_value(template), json_string_length(template)), &source,
		&m));
	assert_null(mustache_render(m, json_object_get(test, "data"), &out));
	if (strcmp(buf_str(&out), json_string_value(expected)) == 0)
		return 0;
	print_message("# %s, %s: expected [%s], got [%s]\n", file, name,
		      json_string_value(expected), buf_str(&out));
	return 1;
}

static void passes_the_official_specification(void **state)
{
	static const char *const files[] = {"interpolation", "sections", "inverted",
					    "partials",	     "comments", "delimiters"};
	const char *source = getenv("SOURCE");
	unsigned failed = 0, total = 0;

	for (size_t f = 0; f < ARRAY_LEN(files); f++) {
		char path[4096];
		json_t *spec, *test;
		size_t i;

		snprintf(path, sizeof(path), "%s/tests/vectors/mustache/%s.json",
			 source ? source : ".", files[f]);
		spec = json_load_file(path, 0, NULL);
		assert_non_null(spec);
		json_array_foreach(json_object_get(spec, "tests"), i, test)
		{
			failed += run_case(files[f], test);
			total++;
		}
		json_decref(spec);
	}
	print_message("# %u cases\n", total);
	assert_int_equal(failed, 0);
	assert_true(total > 100);
}

/* ---- what is ours ---------------------------------------------------------------------------- */

static void translates_when_compiled(void **state)
{
	assert_renders("<b>{{_ Save\n   the\tpage }}</b>", "{}", "<b>Desa la p\303\240gina</b>");
	assert_renders("{{_ Not in the catalog}}", "{}", "Not in the catalog");
	assert_renders("{{_ Tom & \"Jerry\" <3}}", "{}", "En Tom &amp; &quot;Jerry&quot; &lt;3");
	assert_renders("{{_n}}|{{_x}}", "{\"_n\": 1, \"_x\": 2}", "1|2");
}

static void puts_values_into_a_translation_in_its_own_order(void **state)
{
	assert_renders("{{_ %(who) writes in %(where.name)}}!",
		       "{\"who\": \"<Pep>\", \"where\": {\"name\": \"L'hort\"}}",
		       "A L&#39;hort hi escriu &lt;Pep&gt;!");
	assert_renders("{{_ 100% of %(who), 5 %d}}", "{\"who\": \"us\"}", "100% of us, 5 %d");
}

static void chooses_the_plural_and_groups_digits(void **state)
{
	static const char text[] = "{{_n count|One reply|%d replies by %(who)}}.";

	assert_renders(text, "{\"count\": 1}", "Una resposta.");
	assert_renders(text, "{\"count\": 0, \"who\": \"en Jan\"}", "0 respostes de en Jan.");
	assert_renders(text, "{\"count\": 1234567, \"who\": \"&\"}",
		       "1.234.567 respostes de &amp;.");
	assert_renders(text, "{\"count\": -123456, \"who\": \"\"}", "-123.456 respostes de .");
	assert_renders(text, "{\"who\": \"ells\"}", " respostes de ells.");
}

static void takes_empty_text_and_zero_for_false(void **state)
{
	assert_renders("{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\": \"\"}", "no");
	assert_renders("{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\": 0}", "no");
	assert_renders("{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\": 7}", "yes");
	assert_renders("{{#a}}yes{{/a}}{{^a}}no{{/a}}", "{\"a\": {}}", "yes");
}

static void indents_every_line_of_a_partial_within_a_partial(void **state)
{
	json_t *partials =
		json_pack("{s:s, s:s, s:s}", "outer",
			  "<\n  {{>inner}}\n{{>line}} {{>line}}\n{{_ Save the page}}\n>\n", "inner",
			  "{{#a}}\n{{.}}\n{{/a}}\n", "line", "x\ny");
	json_t *context = json_pack("{s:[i,i]}", "a", 1, 2);
	_cleanup_(mustache_freep) struct mustache *m = NULL;
	_cleanup_(buf_release) struct buf out = {0};

	assert_null(compile("begin\n {{>outer}}\nend", partials, &m));
	json_decref(partials);
	assert_null(mustache_render(m, context, &out));
	assert_string_equal(buf_str(&out),
			    "begin\n <\n   1\n   2\n x\ny x\ny\n Desa la p\303\240gina\n >\nend");
	json_decref(context);
}

static void names_the_template_and_the_line_of_a_mistake(void **state)
{
	assert_refused("one\n{{two", "The template page, line 2: a tag is opened and not closed.");
	assert_refused("\n\n{{#a}}\n\n",
		       "The template page, line 3: a section is opened and not closed.");
	assert_refused("{{#a}}\n{{/b}}",
		       "The template page, line 2: a section is closed that is not "
		       "the one opened last.");
	assert_refused("{{/a}}",
		       "The template page, line 1: a section is closed that is not the one "
		       "opened last.");
	assert_refused("{{a b}}", "The template page, line 1: a name can't have a space in it.");
	assert_refused("{{a..b}}", "The template page, line 1: a name is missing.");
	assert_refused("{{}}", "The template page, line 1: a name is missing.");
	assert_refused("{{=<% %> %=}}",
		       "The template page, line 1: a delimiter has a space in it.");
	assert_refused("{{=<%=}}",
		       "The template page, line 1: delimiters are changed with {{=<% %>=}}.");
	assert_refused("{{_n a|b}}",
		       "The template page, line 1: a plural is written {{_n number|one "
		       "thing|%d things}}.");
	assert_refused("{{_ }}", "The template page, line 1: there is no text to translate.");
	assert_refused("{{_ Bad}}",
		       "The template page, line 1: a translation names a value that the "
		       "English does not.");
}

static void misses_a_partial_only_when_strict(void **state)
{
	struct mustache_source strict = {.strict = true};
	struct mustache *m = NULL;
	_cleanup_(error_freep) struct error *e =
		mustache_compile("p", span_str("\n{{> gone}}"), &strict, &m);

	assert_non_null(e);
	assert_string_equal(error_english(e),
			    "The template p, line 2: there is no template of that name.");
	assert_renders("[{{> gone}}]", "{}", "[]");
}

static void bounds_what_a_template_can_cost(void **state)
{
	json_t *partials = json_pack(
		"{s:s, s:s, s:s}", "self", "{{>self}}", "twice", "{{#a}}{{>twice}}{{>twice}}{{/a}}",
		"wide", "{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{/l}}{{/l}}{{/l}}{{/l}}{{/l}}");
	json_t *context = json_pack("{s:b, s:o}", "a", 1, "l", json_array());
	static const char *const texts[] = {"{{>self}}", "{{>twice}}", "{{>wide}}"};

	for (int i = 0; i < 100; i++)
		json_array_append_new(json_object_get(context, "l"), json_integer(i));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		_cleanup_(mustache_freep) struct mustache *m = NULL;
		_cleanup_(buf_release) struct buf out = {0};
		_cleanup_(error_freep) struct error *e = NULL;

		assert_null(compile(texts[i], partials, &m));
		e = mustache_render(m, context, &out);
		assert_int_equal(error_code(e), ERR_LIMIT);
	}
	json_decref(partials);
	json_decref(context);
}

static void refuses_sections_nested_without_end(void **state)
{
	_cleanup_(buf_release) struct buf text = {0};
	struct mustache *m = NULL;
	_cleanup_(error_freep) struct error *e = NULL;

	for (int i = 0; i < 1000; i++)
		buf_puts(&text, "{{#a}}");
	e = compile(buf_str(&text), NULL, &m);
	assert_int_equal(error_code(e), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_the_official_specification),
		cmocka_unit_test(translates_when_compiled),
		cmocka_unit_test(puts_values_into_a_translation_in_its_own_order),
		cmocka_unit_test(chooses_the_plural_and_groups_digits),
		cmocka_unit_test(takes_empty_text_and_zero_for_false),
		cmocka_unit_test(indents_every_line_of_a_partial_within_a_partial),
		cmocka_unit_test(names_the_template_and_the_line_of_a_mistake),
		cmocka_unit_test(misses_a_partial_only_when_strict),
		cmocka_unit_test(bounds_what_a_template_can_cost),
		cmocka_unit_test(refuses_sections_nested_without_end),
	};

	return cmocka_run_group_tests_name("mustache", tests, NULL, NULL);
}
