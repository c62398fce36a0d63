/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/site.h"
#include "appliance/search/search.h"

static struct site site;

static void start(const char *title, const char *text, char out[300])
{
	json_auto_t *body = json_pack("{s:s, s:s}", "title", title, "text", text);
	_cleanup_(freep) char *form = json_dumps(body, 0);
	_cleanup_(reply_release) struct reply r =
		site_ask(&site, JOAN, "/forum/general/topics", form);

	if (r.status >= 300)
		fail_msg("%ld %s", r.status, buf_str(&r.body));
	reply_text(&r, "url", out);
}

/* Asks until the index, which follows behind, has as many. */
static struct reply wait_for(const char *path, const char *count)
{
	for (int i = 0;; i++) {
		struct reply r = site_ask(&site, JOAN, path, NULL);

		if (!strcmp(TEXT(&r, "count"), count))
			return r;
		if (i == 20)
			fail_msg("%s: %s instead of %s: %s", path, TEXT(&r, "count"), count,
				 buf_str(&r.body));
		reply_release(&r);
		usleep(300000);
	}
}

static void what_was_written_a_moment_ago_is_soon_found(void **state)
{
	char topic[300], url[400];
	_cleanup_(reply_release) struct reply r = {0}, html = {0}, reply = {0};

	start("Qui té la clau <b>?", "La clau és al calaix <script>alert(1)</script>", topic);
	snprintf(url, sizeof(url), "%s/posts", topic);
	reply = site_ask(&site, REMEI, url, "{\"text\":\"La clau la tinc jo\"}");
	assert_int_equal(reply.status, 201);
	r = wait_for("/search.json?q=la+clau", "2");
	assert_string_equal(TEXT(&r, "q"), "la clau");
	assert_string_equal(TEXT(&r, "results.0.title"), "Qui té la clau <b>?");
	assert_string_equal(TEXT(&r, "results.0.kind"), "post");
	html = site_ask(&site, NOBODY, "/search?q=la+clau", NULL);
	assert_int_equal(html.status, 200);
	assert_non_null(strstr(buf_str(&html.body), "<mark>clau</mark>"));
	assert_non_null(strstr(buf_str(&html.body), "clau &lt;b&gt;?"));
	assert_null(strstr(buf_str(&html.body), "<script>alert"));
	/* Where it leads is there. */
	for (int i = 0; i < 2; i++) {
		char path[40];
		_cleanup_(reply_release) struct reply there = {0};

		snprintf(path, sizeof(path), "results.%d.url", i);
		there = site_ask(&site, NOBODY, TEXT(&r, path), NULL);
		assert_true(there.status == 200 ||
			    (there.status == 303 && strstr(there.location, topic)));
	}
}

static void nothing_asked_and_nothing_found_are_two_pages(void **state)
{
	_cleanup_(reply_release) struct reply start_page = site_ask(&site, NOBODY, "/search", NULL),
					      none = site_ask(&site, NOBODY, "/search?q=zzzzzzz",
							      NULL),
					      odd = site_ask(&site, NOBODY,
							     "/search?q=%22+AND+(&page=-7", NULL);

	assert_int_equal(start_page.status, 200);
	assert_null(strstr(buf_str(&start_page.body), "Nothing was found"));
	assert_int_equal(none.status, 200);
	assert_non_null(strstr(buf_str(&none.body), "Nothing was found"));
	assert_int_equal(odd.status, 200);
}

static void what_is_typed_comes_back_escaped(void **state)
{
	_cleanup_(reply_release) struct reply r =
		site_ask(&site, NOBODY, "/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", NULL);

	assert_int_equal(r.status, 200);
	assert_null(strstr(buf_str(&r.body), "<script>alert"));
	assert_non_null(strstr(buf_str(&r.body), "&lt;script&gt;"));
}

static void pages_of_results_lead_to_each_other(void **state)
{
	char topic[300], url[400];
	_cleanup_(reply_release) struct reply first = {0}, second = {0}, beyond = {0};

	start("Molts", "pedra i&més", topic);
	snprintf(url, sizeof(url), "%s/posts", topic);
	for (int i = 0; i < 24; i++) {
		_cleanup_(reply_release) struct reply r =
			site_ask(&site, REMEI, url, "{\"text\":\"pedra i més\"}");

		assert_int_equal(r.status, 201);
	}
	first = wait_for("/search.json?q=pedra+i%26m%C3%A9s", "25");
	assert_int_equal(json_array_size(json_object_get(first.json, "results")), 20);
	assert_string_equal(TEXT(&first, "pager.older_url"),
			    "/search?q=pedra%20i%26m%C3%A9s&page=2");
	second = site_ask(&site, NOBODY, "/search.json?q=pedra+i%26m%C3%A9s&page=2", NULL);
	assert_int_equal(json_array_size(json_object_get(second.json, "results")), 5);
	assert_string_equal(TEXT(&second, "pager.page"), "2");
	beyond = site_ask(&site, NOBODY, "/search.json?q=pedra&page=99999999999999999999", NULL);
	assert_int_equal(beyond.status, 200);
	assert_int_equal(json_array_size(json_object_get(beyond.json, "results")), 0);
}

static void a_page_of_the_library_is_found_at_its_address(void **state)
{
	_cleanup_(reply_release) struct reply made = {0}, r = {0}, there = {0};

	made = site_ask(&site, JOAN, "/library",
			"{\"path\":\"actes/piano-nou\",\"title\":\"Piano\",\"text\":\"afinador\"}");
	if (made.status >= 300)
		fail_msg("%ld %s", made.status, buf_str(&made.body));
	r = wait_for("/search.json?q=afinador", "1");
	assert_string_equal(TEXT(&r, "results.0.kind"), "doc");
	there = site_ask(&site, NOBODY, TEXT(&r, "results.0.url"), NULL);
	assert_int_equal(there.status, 200);
	assert_non_null(strstr(buf_str(&there.body), "afinador"));
}

static void who_asks_too_fast_is_told_to_wait(void **state)
{
	long status = 200;

	for (int i = 0; i < 200 && status == 200; i++) {
		_cleanup_(reply_release) struct reply r =
			site_ask(&site, NOBODY, "/search?q=pedra", NULL);

		status = r.status;
	}
	assert_int_equal(status, 429);
}

static void poke(void *ctx)
{
	search_poke(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_a_moment_ago_is_soon_found),
		cmocka_unit_test(nothing_asked_and_nothing_found_are_two_pages),
		cmocka_unit_test(what_is_typed_comes_back_escaped),
		cmocka_unit_test(pages_of_results_lead_to_each_other),
		cmocka_unit_test(a_page_of_the_library_is_found_at_its_address),
		cmocka_unit_test(who_asks_too_fast_is_told_to_wait),
	};
	struct search_thread *thread;
	int failed;

	test_init();
	site_open(&site);
	error_free(search_start(site.app, &thread));
	writer_on_commit(site.app->writer, poke, thread);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	writer_on_commit(site.app->writer, NULL, NULL);
	search_stop(thread);
	site_close(&site);
	return failed;
}
