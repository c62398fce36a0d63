/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every template with every sample context in every language, read back as HTML. What needs a
 * browser to be seen is in samples.t. */
#include "tests/lib/test.h"
#include "tests/webui/contexts.h"
#include <libxml/HTMLparser.h>
#include <libxml/xpath.h>

enum { PAGE_AND_STYLE = 32 * 1024, STYLE = 12 * 1024 };

struct house {
	struct languages *languages;
	struct templates *templates;
	struct contexts contexts;
};

/* One drawn page, for a check. */
struct page {
	const char *name, *language;
	struct buf html;
	xmlDocPtr doc;
	xmlXPathContextPtr xpath;
	unsigned complaints; /* of the parser */
};

static int open_house(void **state)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	assert_ok(languages_load(assets, &h->languages));
	assert_ok(templates_load(assets, h->languages, &h->templates));
	assert_true(contexts_list(&h->contexts));
	assert_true(h->contexts.n > 50);
	*state = h;
	return 0;
}

static int close_house(void **state)
{
	struct house *h = *state;

	templates_free(h->templates);
	languages_free(h->languages);
	free(h);
	xmlCleanupParser();
	return 0;
}

/* libxml2 knows HTML 4 and takes <nav> for a mistake: tags it does not know are all right. */
static void hear_complaint(void *ctx, xmlErrorPtr e)
{
	struct page *p = ctx;

	if (e->code == XML_HTML_UNKNOWN_TAG)
		return;
	print_message("# %s in %s, line %d: %s", p->name, p->language, e->line, e->message);
	p->complaints++;
}

static void draw(struct house *h, const char *name, const struct language *l, struct page *p)
{
	char template[CONTEXT_NAME];
	json_t *context = context_load(&h->contexts, name, language_code(l));

	*p = (struct page){.name = name, .language = language_code(l)};
	assert_non_null(context);
	context_template(name, template);
	assert_ok(templates_render(h->templates, l, template, context, &p->html));
	json_decref(context);
	xmlSetStructuredErrorFunc(p, (xmlStructuredErrorFunc)(void *)hear_complaint);
	p->doc = htmlReadMemory((const char *)p->html.p, (int)p->html.n, NULL, "UTF-8",
				HTML_PARSE_NONET);
	xmlSetStructuredErrorFunc(NULL, NULL);
	assert_non_null(p->doc);
	p->xpath = xmlXPathNewContext(p->doc);
}

static void release(struct page *p)
{
	xmlXPathFreeContext(p->xpath);
	xmlFreeDoc(p->doc);
	buf_release(&p->html);
}

/* How many nodes the expression finds. */
static int count(const struct page *p, const char *xpath)
{
	xmlXPathObjectPtr found = xmlXPathEvalExpression((const xmlChar *)xpath, p->xpath);
	int n;

	assert_non_null(found);
	n = found->nodesetval ? found->nodesetval->nodeNr : 0;
	xmlXPathFreeObject(found);
	return n;
}

static void none(const struct page *p, const char *xpath, const char *what)
{
	if (count(p, xpath))
		fail_msg("%s in %s: %s", p->name, p->language, what);
}

static void one(const struct page *p, const char *xpath, const char *what)
{
	int n = count(p, xpath);

	if (n != 1)
		fail_msg("%s in %s has %d of: %s", p->name, p->language, n, what);
}

/* Run a check on every page. */
static void each(struct house *h, void (*check)(struct page *p))
{
	for (size_t i = 0; i < h->contexts.n; i++) {
		for (size_t k = 0; k < languages_count(h->languages); k++) {
			struct page p;

			draw(h, h->contexts.names[i], languages_at(h->languages, k), &p);
			check(&p);
			release(&p);
		}
	}
}

static void well_formed(struct page *p)
{
	assert_int_equal(p->complaints, 0);
	if (memmem(p->html.p, p->html.n, "{{", 2))
		fail_msg("%s in %s: a tag of the template is left", p->name, p->language);
}

static void every_page_is_well_formed(void **state)
{
	each(*state, well_formed);
}

static void has_frame(struct page *p)
{
	char language[64];

	snprintf(language, sizeof(language), "/html[@lang='%s']", p->language);
	one(p, language, "its language");
	one(p, "//h1", "main heading");
	one(p, "/html/head/title[string-length(normalize-space()) > 0]", "title");
	one(p, "//main[@id='main']", "main part");
	one(p, "//a[@href='#main']", "link that skips to the content");
	one(p, "//nav//*[@lang and @aria-current='true']", "language that we are in");
	none(p, "//nav//a[@lang and not(@hreflang = @lang)]", "a language link without hreflang");
}

static void every_page_has_one_main_heading_and_its_landmarks(void **state)
{
	each(*state, has_frame);
}

static void has_labels(struct page *p)
{
	none(p,
	     "//*[self::input[not(@type='hidden')] or self::textarea or self::select]"
	     "[not(@id = //label/@for) and not(ancestor::label)]",
	     "a field has no label");
	none(p, "//label[@for and not(@for = //@id)]", "a label is for nothing");
	none(p,
	     "//*[@aria-describedby][not(contains(@aria-describedby, ' '))]"
	     "[not(@aria-describedby = //@id)]",
	     "a description is missing");
	none(p, "//*[@id][@id = following::*/@id or @id = descendant::*/@id]",
	     "two things have one id");
	none(p, "//*[@aria-invalid][not(contains(@aria-describedby, 'error'))]",
	     "a wrong field does not say why");
	none(p, "//*[@role='alert'][not(normalize-space())]", "an error says nothing");
}

static void every_field_has_its_label_and_its_error(void **state)
{
	each(*state, has_labels);
}

static void obeys_policy(struct page *p)
{
	none(p, "//style | //@style | //base | //iframe", "style inside the page");
	none(p, "//@*[starts-with(name(), 'on')]", "script inside the page");
	none(p, "//script[not(@src) or normalize-space()]", "script inside the page");
	none(p, "//script[not(starts-with(@src, '/static/'))]", "script from elsewhere");
	none(p, "//form[@method='post'][not(starts-with(@action, '/'))]", "a form that leads away");
	none(p, "//form[not(@method='post')][.//input[@name='csrf']]", "a token in an address");
}

static void no_page_needs_what_the_policy_refuses(void **state)
{
	each(*state, obeys_policy);
}

/* A signed-in person's forms all carry the token, or the server would refuse them. */
static void carries_token(struct page *p)
{
	if (!count(p, "//input[@name='csrf']"))
		return;
	none(p, "//form[@method='post'][not(.//input[@name='csrf'])]", "a form without token");
}

static void every_form_of_a_member_carries_the_token(void **state)
{
	each(*state, carries_token);
}

static size_t style_size(void)
{
	for (const struct asset *a = assets; a->name; a++)
		if (strcmp(a->name, "static/style.css") == 0)
			return (size_t)(a->end - a->start);
	fail_msg("there is no style sheet");
	return 0;
}

static void the_style_sheet_is_small(void **state)
{
	assert_in_range(style_size(), 1, STYLE);
}

static void a_topic_of_twenty_posts_is_light_and_takes_two_requests(void **state)
{
	struct house *h = *state;

	for (size_t k = 0; k < languages_count(h->languages); k++) {
		struct page p;

		draw(h, "topic-twenty-posts", languages_at(h->languages, k), &p);
		assert_int_equal(count(&p, "//article"), 20);
		assert_in_range(p.html.n + style_size(), 1, PAGE_AND_STYLE);
		one(&p, "//link[@rel='stylesheet']", "style sheet");
		none(&p, "//script | //img | //object | //link[@rel='preload']", "a third request");
		none(&p, "//link[@rel='icon'][not(starts-with(@href, 'data:'))]",
		     "a request for the icon");
		release(&p);
	}
}

static void every_template_has_a_sample_context(void **state)
{
	struct house *h = *state;

	for (const struct asset *a = assets; a->name; a++) {
		char name[CONTEXT_NAME], template[CONTEXT_NAME];
		bool found = false;

		if (sscanf(a->name, "templates/%127[a-z_].mustache", name) != 1 || name[0] == '_')
			continue;
		for (size_t i = 0; i < h->contexts.n && !found; i++) {
			context_template(h->contexts.names[i], template);
			found = strcmp(template, name) == 0;
		}
		if (!found)
			fail_msg("the template %s has no sample context", name);
	}
}

static void what_people_write_is_escaped(void **state)
{
	struct house *h = *state;
	struct page p;

	draw(h, "topic_new-guest-error", languages_find(h->languages, "ca"), &p);
	none(&p, "//form//b", "a name became a tag");
	one(&p, "//input[@name='name'][@value='Maria <b>\"Rosa\"</b>']", "the name as typed");
	one(&p, "//textarea[starts-with(normalize-space(), 'Bon dia,')]", "the text as typed");
	release(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_template_has_a_sample_context),
		cmocka_unit_test(every_page_is_well_formed),
		cmocka_unit_test(every_page_has_one_main_heading_and_its_landmarks),
		cmocka_unit_test(every_field_has_its_label_and_its_error),
		cmocka_unit_test(no_page_needs_what_the_policy_refuses),
		cmocka_unit_test(every_form_of_a_member_carries_the_token),
		cmocka_unit_test(the_style_sheet_is_small),
		cmocka_unit_test(a_topic_of_twenty_posts_is_light_and_takes_two_requests),
		cmocka_unit_test(what_people_write_is_escaped),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_house, close_house);
}
