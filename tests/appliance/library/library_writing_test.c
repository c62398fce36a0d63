/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/site.h"

static struct site site;

/* JSON of a page; `query` begins with "?" or is "". */
static struct reply get_json(enum site_person who, const char *path, const char *query)
{
	char url[1000];

	snprintf(url, sizeof(url), "%s.json%s", path, query);
	return site_ask(&site, who, url, NULL);
}

static long save(enum site_person who, const char *path, json_t *take_body)
{
	json_auto_t *body = take_body;
	_cleanup_(freep) char *text = json_dumps(body, 0);
	_cleanup_(reply_release) struct reply r = site_ask(&site, who, path, text);

	return r.status;
}

static void who_was_overtaken_gets_both_texts_and_loses_none(void **state)
{
	char rev[300], form[1000];
	_cleanup_(reply_release) struct reply r = {0}, late = {0}, json = {0};

	save(JOAN, "/library",
	     json_pack("{s:s, s:s, s:s}", "path", "acta", "title", "Acta", "text", "u"));
	r = get_json(NOBODY, "/library/acta", "?history=1");
	reply_text(&r, "revisions.0.rev", rev);
	save(REMEI, "/library/acta",
	     json_pack("{s:s, s:s, s:s}", "title", "Acta", "text", "de la Remei", "parents", rev));
	snprintf(form, sizeof(form), "title=Acta&text=del+Joan&parents=%s", rev);
	late = site_ask(&site, JOAN, "/library/acta", form);
	assert_int_equal(late.status, 409);
	assert_non_null(strstr(buf_str(&late.body), "del Joan"));
	assert_non_null(strstr(buf_str(&late.body), "de la Remei"));
	snprintf(form, sizeof(form), "{\"title\":\"Acta\",\"text\":\"x\",\"parents\":\"%s\"}", rev);
	json = site_ask(&site, JOAN, "/library/acta", form);
	assert_int_equal(json.status, 409);
	assert_string_equal(TEXT(&json, "error.name"), "conflict");
}

static void hostile_words_come_out_inert(void **state)
{
	_cleanup_(reply_release) struct reply r = {0};

	save(JOAN, "/library",
	     json_pack("{s:s, s:s, s:s}", "path", "dolent", "title", "<script>alert(1)</script>",
		       "text",
		       "<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x "
		       "onerror=y>"));
	r = site_ask(&site, NOBODY, "/library/dolent", NULL);
	assert_int_equal(r.status, 200);
	assert_null(strstr(buf_str(&r.body), "<script>alert"));
	assert_null(strstr(buf_str(&r.body), "href=\"javascript"));
	assert_null(strstr(buf_str(&r.body), "<img src=x"));
}

static void folders_lead_to_their_pages_also_beside_a_page_of_their_name(void **state)
{
	_cleanup_(reply_release) struct reply r = {0}, folder = {0}, page = {0};

	save(JOAN, "/library",
	     json_pack("{s:s, s:s, s:s}", "path", "zona", "title", "Zona", "text", "x"));
	save(JOAN, "/library",
	     json_pack("{s:s, s:s, s:s}", "path", "zona/nord", "title", "Nord", "text", "x"));
	page = get_json(NOBODY, "/library/zona", "");
	assert_string_equal(TEXT(&page, "doc.title"), "Zona");
	folder = get_json(NOBODY, "/library/zona", "?folder=1");
	assert_string_equal(TEXT(&folder, "pages.0.title"), "Nord");
	r = get_json(NOBODY, "/library", "");
	assert_string_equal(TEXT(&r, "folders.0.url"), "/library/zona?folder=1");
}

static void a_moderator_hides_a_page_and_shows_it_again(void **state)
{
	char url[400];
	_cleanup_(reply_release) struct reply r = {0};

	save(JOAN, "/library",
	     json_pack("{s:s, s:s, s:s}", "path", "anunci", "title", "Anunci", "text", "x"));
	r = get_json(NOBODY, "/library/anunci", "");
	snprintf(url, sizeof(url), "/doc/%s/hide", TEXT(&r, "doc.id"));
	assert_int_equal(save(JOAN, url, json_pack("{s:b}", "hidden", 1)), 403);
	assert_int_equal(save(AINA, url, json_pack("{s:b}", "hidden", 1)) / 100, 2);
	reply_release(&r);
	r = get_json(NOBODY, "/library/anunci", "");
	assert_int_equal(r.status, 404);
	assert_int_equal(save(AINA, url, json_pack("{s:b}", "hidden", 0)) / 100, 2);
	reply_release(&r);
	r = get_json(NOBODY, "/library/anunci", "");
	assert_int_equal(r.status, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_was_overtaken_gets_both_texts_and_loses_none),
		cmocka_unit_test(hostile_words_come_out_inert),
		cmocka_unit_test(folders_lead_to_their_pages_also_beside_a_page_of_their_name),
		cmocka_unit_test(a_moderator_hides_a_page_and_shows_it_again),
	};
	int failed;

	test_init();
	site_open(&site);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	site_close(&site);
	return failed;
}
