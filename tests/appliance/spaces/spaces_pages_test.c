/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's pages of spaces: founding, people, boxes, keys; and who may not. */
#include "tests/appliance/site.h"
#include "appliance/spaces/spaces.h"

static struct site site;

static struct reply ask(enum site_person who, const char *url, const char *more, const char *form)
{
	char path[600];

	snprintf(path, sizeof(path), "%s%s", url, more);
	return site_ask(&site, who, path, form);
}

/* Founds a space as remei, who is made a volunteer for this; its page in `out`. */
static void found(const char *form, char out[300])
{
	_cleanup_(reply_release) struct reply r = ask(REMEI, "/admin/spaces", "", form);

	if (r.status != 201)
		fail_msg("%ld %s", r.status, buf_str(&r.body));
	reply_text(&r, "url", out);
}

static void post_ok(const char *url, const char *more, const char *form)
{
	_cleanup_(reply_release) struct reply r = ask(REMEI, url, more, form);

	if (r.status >= 400)
		fail_msg("%s%s: %ld %s", url, more, r.status, buf_str(&r.body));
}

static void a_private_space_gets_people_boxes_and_keys(void **state)
{
	struct secret *box = test_key(700);
	char url[300], form[300], more[200];

	found("{\"name\":\"Junta\",\"private\":\"1\"}", url);
	post_ok(url, "/people", "{\"name\":\"joan\",\"role\":\"moderator\"}");
	snprintf(form, sizeof(form), "{\"key\":\"%s\",\"mode\":\"read\"}", ID(secret_pubkey(box)));
	post_ok(url, "/boxes", form);
	{
		_cleanup_(reply_release) struct reply r = ask(REMEI, url, ".json", NULL);

		assert_string_equal(TEXT(&r, "space.name"), "Junta");
		assert_string_equal(TEXT(&r, "space.private"), "true");
		assert_int_equal(json_array_size(json_object_get(r.json, "people")), 2);
		assert_int_equal(json_array_size(json_object_get(r.json, "boxes")), 2);
		assert_string_equal(TEXT(&r, "can.rotate"), "true");
	}
	snprintf(more, sizeof(more), "/boxes/%s/remove", ID(secret_pubkey(box)));
	{
		_cleanup_(reply_release) struct reply sure = ask(REMEI, url, more, NULL);

		assert_int_equal(sure.status, 200);
		assert_non_null(strstr(buf_str(&sure.body), "new key at once"));
		assert_non_null(strstr(buf_str(&sure.body), "name=\"since_day\""));
	}
	/* What goes is shown before anything is done, and a day that is still to come is none. */
	{
		_cleanup_(reply_release) struct reply shown =
			ask(REMEI, url, more, "{\"since_day\":\"2020-01-02\",\"show\":\"1\"}");
		_cleanup_(reply_release) struct reply late =
			ask(REMEI, url, more, "{\"since_day\":\"2120-01-02\"}");
		_cleanup_(reply_release) struct reply still = ask(REMEI, url, ".json", NULL);

		assert_true(shown.status < 400);
		assert_int_equal(late.status, 400);
		assert_int_equal(json_array_size(json_object_get(still.json, "boxes")), 2);
	}
	post_ok(url, more, "{}");
	post_ok(url, "/rotate", "{}");
	{
		_cleanup_(conn_closep) struct conn *c = NULL;
		_cleanup_(reply_release) struct reply r = ask(REMEI, url, ".json", NULL);
		struct space_info s;
		struct hash id;

		assert_int_equal(json_array_size(json_object_get(r.json, "boxes")), 1);
		assert_ok(app_conn(site.app, &c));
		assert_true(id_parse(url + strlen("/admin/spaces/"), &id));
		assert_ok(space_get(c, &id, &s));
		assert_int_equal(s.epoch, 3);
		assert_true(s.has_key);
	}
	secret_free(box);
}

static void who_belongs_not_sees_that_it_is_there_and_no_more(void **state)
{
	_cleanup_(reply_release) struct reply list = {0}, one = {0}, no = {0};
	char url[300];

	found("{\"name\":\"Secreta\",\"private\":\"1\"}", url);
	list = ask(VOL, "/admin/spaces", "", NULL);
	assert_int_equal(list.status, 200);
	assert_null(strstr(buf_str(&list.body), "Secreta"));
	assert_non_null(strstr(buf_str(&list.body), "A private space"));
	one = ask(VOL, url, "", NULL);
	assert_int_equal(one.status, 200);
	assert_null(strstr(buf_str(&one.body), "Secreta"));
	no = ask(VOL, url, "/people", "{\"name\":\"vol\"}");
	assert_int_equal(no.status, 403);
	reply_release(&no);
	no = ask(VOL, url, "/rotate", "{}");
	assert_int_equal(no.status, 403);
	reply_release(&no);
	no = ask(VOL, url, "/boxes", "{\"key\":\"x\"}");
	assert_int_equal(no.status, 403);
}

static void who_is_no_volunteer_has_no_place_here(void **state)
{
	static const enum site_person who[] = {JOAN, AINA};
	_cleanup_(reply_release) struct reply stranger = ask(NOBODY, "/admin/spaces", "", NULL);

	assert_int_equal(stranger.status, 303);
	assert_non_null(strstr(stranger.location, "/sign-in"));
	for (size_t i = 0; i < ARRAY_LEN(who); i++) {
		_cleanup_(reply_release) struct reply r = ask(who[i], "/admin/spaces", "", NULL);

		assert_int_equal(r.status, 403);
	}
}

static void mistakes_are_said_in_words(void **state)
{
	_cleanup_(reply_release) struct reply r = {0};
	char url[300];

	r = ask(REMEI, "/admin/spaces", "", "name=++");
	assert_int_equal(r.status, 400);
	assert_non_null(strstr(buf_str(&r.body), "Write what the space is to be called."));
	reply_release(&r);
	found("{\"name\":\"Oberta\"}", url);
	r = ask(REMEI, url, "/people", "name=nobody&role=member");
	assert_int_equal(r.status, 400);
	assert_non_null(strstr(buf_str(&r.body), "Nobody of that name"));
	reply_release(&r);
	r = ask(REMEI, url, "/boxes", "key=abc&mode=write");
	assert_int_equal(r.status, 400);
	reply_release(&r);
	r = ask(REMEI, url, "/rotate", "x=1");
	assert_int_equal(r.status, 403);
}

static struct error *sign_in_an_hour_ago(struct conn *c, void *arg)
{
	return db_exec(c->local, "UPDATE session SET since = since - 3600000");
}

static void heavy_acts_need_a_fresh_sign_in(void **state)
{
	static const char *const acts[][2] = {
		{"/people", "{\"name\":\"joan\",\"role\":\"moderator\"}"},
		{"/boxes", "{\"key\":\"x\",\"mode\":\"read\"}"},
		{"/rotate", NULL},
		{"/rotate", "{}"},
	};
	_cleanup_(reply_release) struct reply look = {0}, new = {0};
	char url[300];

	found("{\"name\":\"Vella\",\"private\":\"1\"}", url);
	assert_ok(writer_run(site.app->writer, sign_in_an_hour_ago, NULL));
	look = ask(REMEI, url, "", NULL);
	assert_int_equal(look.status, 200);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		_cleanup_(reply_release) struct reply r = ask(REMEI, url, acts[i][0], acts[i][1]);

		assert_true(r.status == 401 || r.status == 303);
	}
	new = ask(REMEI, "/admin/spaces", "", "{\"name\":\"Nova\",\"private\":\"1\"}");
	assert_true(new.status == 401 || new.status == 303);
	site_sign_in(&site, REMEI, "remei");
	post_ok(url, "/rotate", "{}");
}

/* A program's token is no person who has just given a password. */
static void a_token_does_no_heavy_act(void **state)
{
	_cleanup_(reply_release) struct reply r = {0};

	*site.sessions[VOL] = 0;
	r = ask(VOL, "/admin/spaces", "", "{\"name\":\"Nova\",\"private\":\"1\"}");
	assert_true(r.status == 401 || r.status == 303);
	site_sign_in(&site, VOL, "vol");
}

static struct error *make_volunteer(struct conn *c, void *arg)
{
	return db_exec(c->local, "UPDATE account SET volunteer = 1 WHERE name = 'remei'");
}

static int open_site(void **state)
{
	site_open(&site);
	assert_ok(writer_run(site.app->writer, make_volunteer, NULL));
	site_sign_in(&site, REMEI, "remei");
	site_sign_in(&site, VOL, "vol");
	*state = &site;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_private_space_gets_people_boxes_and_keys),
		cmocka_unit_test(who_belongs_not_sees_that_it_is_there_and_no_more),
		cmocka_unit_test(who_is_no_volunteer_has_no_place_here),
		cmocka_unit_test(mistakes_are_said_in_words),
		cmocka_unit_test(heavy_acts_need_a_fresh_sign_in),
		cmocka_unit_test(a_token_does_no_heavy_act),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, site_end);
}
