/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "appliance/page/templates.h"

#define ASSET(name, text)                                                                          \
	{                                                                                          \
		name, text, (text) + sizeof(text) - 1                                              \
	}

static const char topic_text[] = "{{> _head}}<h1>{{title}}</h1>{{_ Reply}}";
static const char head_text[] = "<html lang={{lang}}>";
static const char broken_text[] = "\n{{> _gone}}";

static const struct asset good[] = {
	ASSET("static/style.css", topic_text),
	ASSET("templates/topic.mustache", topic_text),
	ASSET("templates/_head.mustache", head_text),
	{0},
};
static const struct asset bad[] = {ASSET("templates/broken.mustache", broken_text), {0}};

static void renders_a_page_by_name_with_its_partials(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;
	_cleanup_(templates_freep) struct templates *t = NULL;
	_cleanup_(buf_release) struct buf out = {0};
	json_t *context = json_pack("{s:s, s:s}", "title", "Tom & Jerry", "lang", "ca");

	assert_null(languages_load(good, &l));
	assert_null(templates_load(good, l, &t));
	assert_true(templates_has(t, "topic"));
	assert_false(templates_has(t, "style"));
	assert_null(templates_render(t, languages_at(l, 0), "topic", context, &out));
	assert_string_equal(buf_str(&out), "<html lang=ca><h1>Tom &amp; Jerry</h1>Reply");
	json_decref(context);
}

static void names_a_template_that_is_missing(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;
	_cleanup_(templates_freep) struct templates *t = NULL;
	_cleanup_(error_freep) struct error *e = NULL;
	struct buf out = {0};

	assert_null(languages_load(good, &l));
	assert_null(templates_load(good, l, &t));
	e = templates_render(t, languages_at(l, 0), "nowhere", NULL, &out);
	assert_int_equal(error_code(e), ERR_INTERNAL);
	assert_string_equal(error_english(e), "The page template nowhere is missing.");
}

static void refuses_a_template_with_a_mistake_at_start(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;
	struct templates *t = NULL;
	_cleanup_(error_freep) struct error *e = NULL;

	assert_null(languages_load(bad, &l));
	e = templates_load(bad, l, &t);
	assert_null(t);
	assert_string_equal(error_english(e), "The template broken, line 2: there is no template "
					      "of that name.");
}

static void the_templates_inside_the_program_compile_in_every_language(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;
	_cleanup_(templates_freep) struct templates *t = NULL;
	_cleanup_(error_freep) struct error *e = languages_load(assets, &l);

	if (!e)
		e = templates_load(assets, l, &t);
	if (e)
		print_message("# %s\n", error_english(e));
	assert_null(e);
	for (const struct asset *a = assets; a->name; a++) {
		_cleanup_(buf_release) struct buf out = {0};
		char name[100];

		if (sscanf(a->name, "templates/%99[^.].mustache", name) != 1)
			continue;
		for (size_t i = 0; i < languages_count(l); i++)
			assert_null(templates_render(t, languages_at(l, i), name, NULL, &out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renders_a_page_by_name_with_its_partials),
		cmocka_unit_test(names_a_template_that_is_missing),
		cmocka_unit_test(refuses_a_template_with_a_mistake_at_start),
		cmocka_unit_test(the_templates_inside_the_program_compile_in_every_language),
	};

	return cmocka_run_group_tests_name("templates", tests, NULL, NULL);
}
