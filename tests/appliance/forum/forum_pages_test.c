/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/site.h"

static struct site site;

/* A new topic by the person; its path in `out`. */
static const char *start(enum site_person who, const char *title, const char *text, char out[300])
{
	json_auto_t *body = json_pack("{s:s, s:s}", "title", title, "text", text);
	_cleanup_(freep) char *form = json_dumps(body, 0);
	_cleanup_(reply_release) struct reply r =
		site_ask(&site, who, "/forum/general/topics", form);

	if (r.status >= 300)
		fail_msg("%ld %s", r.status, buf_str(&r.body));
	reply_text(&r, "url", out);
	return out;
}

static struct reply get_json(enum site_person who, const char *path)
{
	char url[400];

	snprintf(url, sizeof(url), "%s.json", path);
	return site_ask(&site, who, url, NULL);
}

static struct reply reply_to(enum site_person who, const char *topic, const char *form)
{
	char url[400];

	snprintf(url, sizeof(url), "%s/posts", topic);
	return site_ask(&site, who, url, form);
}

static void the_first_page_shows_the_forums_of_the_house(void **state)
{
	_cleanup_(reply_release) struct reply r = site_ask(&site, NOBODY, "/index.json", NULL);
	_cleanup_(reply_release) struct reply html = site_ask(&site, NOBODY, "/", NULL);

	assert_int_equal(html.status, 200);
	assert_non_null(strstr(buf_str(&html.body), "Plaça"));
	if (r.status == 200)
		assert_string_equal(TEXT(&r, "spaces.0.forums.0.url"), "/forum/general");
}

static void a_member_starts_a_conversation_and_others_read_it(void **state)
{
	char topic[300];
	_cleanup_(reply_release) struct reply r = {0}, html = {0};

	start(JOAN, "Què fem amb el piano?", "Està **desafinat**.", topic);
	r = get_json(NOBODY, topic);
	assert_int_equal(r.status, 200);
	assert_string_equal(TEXT(&r, "topic.title"), "Què fem amb el piano?");
	assert_string_equal(TEXT(&r, "posts.0.author"), "joan");
	assert_string_equal(TEXT(&r, "posts.0.html"), "<p>Està <strong>desafinat</strong>.</p>\n");
	assert_string_equal(TEXT(&r, "can.reply"), "false");
	html = site_ask(&site, NOBODY, topic, NULL);
	assert_non_null(strstr(buf_str(&html.body), "<strong>desafinat</strong>"));
}

static void a_reply_leads_to_its_place_on_the_last_page(void **state)
{
	char topic[300];

	start(JOAN, "Llarg", "u", topic);
	for (int i = 0; i < 20; i++) {
		_cleanup_(reply_release) struct reply r =
			reply_to(REMEI, topic, "text=una+resposta");

		if (r.status != 303)
			fail_msg("%ld %s", r.status, buf_str(&r.body));
		if (i == 19)
			assert_non_null(strstr(r.location, "?page=2#p-"));
	}
	_cleanup_(reply_release) struct reply first = get_json(NOBODY, topic);
	char second_url[400];

	snprintf(second_url, sizeof(second_url), "%s.json?page=2", topic);
	_cleanup_(reply_release) struct reply second = site_ask(&site, NOBODY, second_url, NULL);

	assert_int_equal(json_array_size(json_object_get(first.json, "posts")), 20);
	assert_int_equal(json_array_size(json_object_get(second.json, "posts")), 1);
	assert_string_equal(TEXT(&second, "posts.0.number"), "21");
	assert_string_equal(TEXT(&first, "pager.older_url"), "");
	assert_non_null(strstr(TEXT(&first, "pager.newer_url"), "page=2"));
	assert_string_equal(TEXT(&first, "topic.replies"), "20");
}

static void an_empty_message_brings_the_form_back_with_a_sentence(void **state)
{
	char topic[300];
	_cleanup_(reply_release) struct reply r = {0}, j = {0};

	start(JOAN, "Buit", "u", topic);
	r = reply_to(JOAN, topic, "text=++");
	assert_int_equal(r.status, 400);
	assert_non_null(strstr(buf_str(&r.body), "There is nothing in the message"));
	j = reply_to(JOAN, topic, "{\"text\":\"\"}");
	assert_int_equal(j.status, 400);
	assert_string_equal(TEXT(&j, "error.name"), "invalid");
}

static void hostile_words_come_out_inert(void **state)
{
	char topic[300];
	_cleanup_(reply_release) struct reply r = {0};

	start(JOAN, "<script>alert(1)</script>\"'&",
	      "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) "
	      "<svg/onload=alert(1)>\n\n<iframe src=\"//evil\"></iframe>",
	      topic);
	r = site_ask(&site, NOBODY, topic, NULL);
	assert_int_equal(r.status, 200);
	assert_null(strstr(buf_str(&r.body), "<script>alert"));
	assert_null(strstr(buf_str(&r.body), "<img src=x"));
	assert_null(strstr(buf_str(&r.body), "href=\"javascript"));
	assert_null(strstr(buf_str(&r.body), "<svg/"));
	assert_null(strstr(buf_str(&r.body), "<iframe"));
}

static void only_the_author_changes_a_message(void **state)
{
	char topic[300], url[400];
	_cleanup_(reply_release) struct reply denied = {0}, ok = {0}, after = {0};

	start(JOAN, "Títol", "abans", topic);
	snprintf(url, sizeof(url), "/post/%s/edit", topic + strlen("/topic/"));
	denied = site_ask(&site, AINA, url, "text=un+altre");
	assert_int_equal(denied.status, 403);
	ok = site_ask(&site, JOAN, url, "text=despr%C3%A9s&title=Un+altre+t%C3%ADtol");
	assert_int_equal(ok.status, 303);
	after = get_json(NOBODY, topic);
	assert_string_equal(TEXT(&after, "posts.0.html"), "<p>després</p>\n");
	assert_string_equal(TEXT(&after, "topic.title"), "Un altre títol");
	assert_true(*TEXT(&after, "posts.0.edited"));
}

static void a_moderator_hides_and_shows_and_others_may_not(void **state)
{
	char topic[300], url[400], show[400];
	_cleanup_(reply_release) struct reply post = {0}, denied = {0}, hidden = {0}, seen = {0},
					      page = {0};

	start(JOAN, "Amagar", "u", topic);
	post = reply_to(JOAN, topic, "{\"text\":\"paraules lletges\"}");
	snprintf(url, sizeof(url), "/post/%s/hide", TEXT(&post, "id"));
	snprintf(show, sizeof(show), "/post/%s/show", TEXT(&post, "id"));
	denied = site_ask(&site, JOAN, url, "reason=no");
	assert_int_equal(denied.status, 403);
	page = site_ask(&site, AINA, url, NULL);
	assert_int_equal(page.status, 200);
	hidden = site_ask(&site, AINA, url, "reason=insults");
	assert_int_equal(hidden.status, 303);
	seen = get_json(NOBODY, topic);
	assert_string_equal(TEXT(&seen, "posts.1.hidden"), "true");
	assert_string_equal(TEXT(&seen, "posts.1.hidden_reason"), "insults");
	assert_null(strstr(buf_str(&seen.body), "lletges"));
	reply_release(&seen);
	seen = get_json(AINA, topic);
	assert_string_equal(TEXT(&seen, "posts.1.html"), "<p>paraules lletges</p>\n");
	reply_release(&hidden);
	hidden = site_ask(&site, AINA, show, "{}");
	assert_true(hidden.status == 200 || hidden.status == 201);
	reply_release(&seen);
	seen = get_json(NOBODY, topic);
	assert_string_equal(TEXT(&seen, "posts.1.hidden"), "false");
}

static void an_erased_message_keeps_its_place_without_its_words(void **state)
{
	char topic[300], url[400], edit[400];
	_cleanup_(reply_release) struct reply post = {0}, r = {0}, seen = {0};

	start(JOAN, "Esborrar", "u", topic);
	post = reply_to(JOAN, topic, "{\"text\":\"secretsecret1\"}");
	snprintf(edit, sizeof(edit), "/post/%s/edit", TEXT(&post, "id"));
	snprintf(url, sizeof(url), "/post/%s/erase", TEXT(&post, "id"));
	r = site_ask(&site, JOAN, edit, "{\"text\":\"secretsecret2\"}");
	assert_true(r.status < 300);
	reply_release(&r);
	r = site_ask(&site, AINA, url, "{}");
	if (r.status >= 300)
		fail_msg("%s", buf_str(&r.body));
	reply_release(&r);
	r = reply_to(REMEI, topic, "{\"text\":\"darrere\"}");
	seen = get_json(NOBODY, topic);
	assert_string_equal(TEXT(&seen, "posts.1.erased"), "true");
	assert_string_equal(TEXT(&seen, "posts.1.author"), "joan");
	assert_string_equal(TEXT(&seen, "posts.2.html"), "<p>darrere</p>\n");
	assert_null(strstr(buf_str(&seen.body), "secretsecret"));
	reply_release(&r);
	r = site_ask(&site, JOAN, edit, "{\"text\":\"altre cop\"}");
	assert_int_equal(r.status, 410);
}

static void an_erased_opening_keeps_the_conversation(void **state)
{
	char topic[300], url[400];
	_cleanup_(reply_release) struct reply r = {0}, seen = {0}, list = {0};

	start(JOAN, "Titolsecret", "textsecret", topic);
	r = reply_to(REMEI, topic, "{\"text\":\"resposta\"}");
	reply_release(&r);
	snprintf(url, sizeof(url), "/post/%s/erase", topic + strlen("/topic/"));
	r = site_ask(&site, JOAN, url, "{}");
	if (r.status >= 300)
		fail_msg("%s", buf_str(&r.body));
	seen = get_json(NOBODY, topic);
	assert_int_equal(seen.status, 200);
	assert_string_equal(TEXT(&seen, "posts.0.erased"), "true");
	assert_string_equal(TEXT(&seen, "posts.1.html"), "<p>resposta</p>\n");
	assert_string_equal(TEXT(&seen, "topic.forum.slug"), "general");
	assert_null(strstr(buf_str(&seen.body), "ecret"));
	list = get_json(NOBODY, "/forum/general");
	assert_null(strstr(buf_str(&list.body), "Titolsecret"));
}

static void a_closed_conversation_takes_no_reply(void **state)
{
	char topic[300], url[400];
	_cleanup_(reply_release) struct reply r = {0};

	start(JOAN, "Tancar", "u", topic);
	snprintf(url, sizeof(url), "%s/set", topic);
	r = site_ask(&site, JOAN, url, "closed=1");
	assert_int_equal(r.status, 403);
	reply_release(&r);
	r = site_ask(&site, AINA, url, "{\"closed\":true}");
	assert_true(r.status < 300);
	reply_release(&r);
	r = reply_to(JOAN, topic, "{\"text\":\"encara?\"}");
	assert_int_equal(r.status, 403);
	reply_release(&r);
	r = site_ask(&site, AINA, url, "{\"closed\":false}");
	assert_true(r.status < 300);
	reply_release(&r);
	r = reply_to(JOAN, topic, "{\"text\":\"ara\"}");
	assert_true(r.status < 300);
}

static void pinned_conversations_stand_first(void **state)
{
	char pinned[300], topic[300], url[400];
	_cleanup_(reply_release) struct reply r = {0}, list = {0};

	start(JOAN, "Clavat", "u", pinned);
	start(JOAN, "Més nou", "u", topic);
	snprintf(url, sizeof(url), "%s/set", pinned);
	r = site_ask(&site, AINA, url, "{\"pinned\":true}");
	list = get_json(NOBODY, "/forum/general");
	assert_string_equal(TEXT(&list, "topics.0.title"), "Clavat");
	assert_string_equal(TEXT(&list, "topics.1.title"), "Més nou");
	assert_string_equal(TEXT(&list, "topics.0.pinned"), "true");
}

static void only_stewards_open_forums_and_each_slug_once(void **state)
{
	const char *form = "{\"slug\":\"hort\",\"title\":\"L'hort\"}";
	_cleanup_(reply_release) struct reply r = site_ask(&site, AINA, "/forums", form);

	assert_int_equal(r.status, 403);
	reply_release(&r);
	r = site_ask(&site, REMEI, "/forums", form);
	assert_true(r.status < 300);
	assert_string_equal(TEXT(&r, "url"), "/forum/hort");
	reply_release(&r);
	r = site_ask(&site, REMEI, "/forums", form);
	assert_int_equal(r.status, 409);
	reply_release(&r);
	r = site_ask(&site, REMEI, "/forums", "slug=MAL+fet&title=x");
	assert_int_equal(r.status, 400);
	reply_release(&r);
	r = site_ask(&site, NOBODY, "/forum/hort.json", NULL);
	assert_string_equal(TEXT(&r, "forum.title"), "L'hort");
	assert_int_equal(json_array_size(json_object_get(r.json, "topics")), 0);
	reply_release(&r);
	r = site_ask(&site, NOBODY, "/forum/hort", NULL);
	assert_non_null(strstr(buf_str(&r.body), "Nobody has written here yet"));
}

static void what_does_not_exist_says_so(void **state)
{
	static const char *const paths[] = {
		"/forum/res",
		"/forum/general@aaaaaaaa",
		"/topic/x",
		"/topic/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"/post/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"/held/aaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		_cleanup_(reply_release) struct reply r = site_ask(&site, NOBODY, paths[i], NULL);

		if (r.status != 404)
			fail_msg("%s: %ld", paths[i], r.status);
	}
}

static void the_address_of_a_message_leads_to_its_page(void **state)
{
	char topic[300], url[400];
	_cleanup_(reply_release) struct reply post = {0}, r = {0};

	start(JOAN, "Adreça", "u", topic);
	post = reply_to(JOAN, topic, "{\"text\":\"dos\"}");
	snprintf(url, sizeof(url), "/post/%s", TEXT(&post, "id"));
	r = site_ask(&site, NOBODY, url, NULL);
	assert_int_equal(r.status, 303);
	assert_memory_equal(r.location, topic, strlen(topic));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_page_shows_the_forums_of_the_house),
		cmocka_unit_test(a_member_starts_a_conversation_and_others_read_it),
		cmocka_unit_test(a_reply_leads_to_its_place_on_the_last_page),
		cmocka_unit_test(an_empty_message_brings_the_form_back_with_a_sentence),
		cmocka_unit_test(hostile_words_come_out_inert),
		cmocka_unit_test(only_the_author_changes_a_message),
		cmocka_unit_test(a_moderator_hides_and_shows_and_others_may_not),
		cmocka_unit_test(an_erased_message_keeps_its_place_without_its_words),
		cmocka_unit_test(an_erased_opening_keeps_the_conversation),
		cmocka_unit_test(a_closed_conversation_takes_no_reply),
		cmocka_unit_test(pinned_conversations_stand_first),
		cmocka_unit_test(only_stewards_open_forums_and_each_slug_once),
		cmocka_unit_test(what_does_not_exist_says_so),
		cmocka_unit_test(the_address_of_a_message_leads_to_its_page),
	};
	int failed;

	test_init();
	site_open(&site);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	site_close(&site);
	return failed;
}
