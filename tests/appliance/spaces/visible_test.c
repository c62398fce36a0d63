/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A private space on a box that reads it: its people find it on every page, and for everybody else
 * no page says that it is there, in the very words with which it says that nothing is there. */
#include "tests/appliance/site.h"
#include "appliance/library/library.h"
#include "appliance/search/search.h"
#include "appliance/spaces/spaces.h"

#define CANARY "kanarienvogel"

static struct site site;
static struct hash space;
static char place[60], topic[300], post[300];

static struct error *join(struct conn *c, void *arg)
{
	struct account a;
	struct hash id;

	TRY(account_by_name(c, "joan", &a));
	return community_submit(
		c,
		&(struct draft){.type = "member.add",
				.space = space,
				.author = site.steward,
				.take_body = json_pack("{s:s, s:s, s:s}", "key", ID(&a.key), "name",
						       CANARY, "role", "member")},
		&id);
}

static struct error *index_all(struct conn *c, void *arg)
{
	bool more = true;

	while (more)
		TRY(search_update(c, 1000, &more));
	return NULL;
}

static void fill(void)
{
	struct spaces_new what = {.name = CANARY,
				  .is_private = true,
				  .steward = site.steward,
				  .steward_name = "remei"};
	_cleanup_(conn_closep) struct conn *c = NULL;
	char path[400];

	assert_ok(spaces_found(site.app, &what, &space));
	snprintf(place, sizeof(place), "%.8s", ID(&space));
	assert_ok(writer_run(site.app->writer, join, NULL));
	snprintf(path, sizeof(path), "/forum/general@%s/topics", place);
	site_say(&site, JOAN, path,
		 json_pack("{s:s, s:s}", "title", CANARY, "text", CANARY " first"), topic);
	snprintf(path, sizeof(path), "%s/posts", topic);
	site_say(&site, REMEI, path, json_pack("{s:s}", "text", CANARY " second"), post);
	snprintf(path, sizeof(path), "/library/@%s", place);
	site_say(&site, JOAN, path,
	    json_pack("{s:s, s:s, s:s}", "path", "plans", "title", CANARY, "text", CANARY), NULL);
	assert_ok(app_conn(site.app, &c));
	assert_ok(library_git_update(c, site.dir, &space));
	assert_ok(writer_run(site.app->writer, index_all, NULL));
}

/* Pages that everybody may open, and those that are only there for its people. */
static const char *const open_pages[] = {
	"/", "/forums", "/library", "/search?q=" CANARY, "/forum/general", "/people/remei"};
enum { HIDDEN = 8 };
static void hidden_page(int n, bool json, char out[400])
{
	const char *ext = json ? ".json" : "";
	char id[60];

	snprintf(id, sizeof(id), "%.52s", topic + strlen("/topic/"));
	switch (n) {
	case 0:
		snprintf(out, 400, "/forum/general@%s%s", place, ext);
		break;
	case 1:
		snprintf(out, 400, "%s%s", topic, ext);
		break;
	case 2:
		snprintf(out, 400, "/post/%s%s", id, ext);
		break;
	case 3:
		snprintf(out, 400, "/library/@%s%s", place, ext);
		break;
	case 4:
		snprintf(out, 400, "/library/@%s/plans%s", place, ext);
		break;
	case 5:
		snprintf(out, 400, "/git/%s.git/info/refs", place);
		break;
	case 6:
		snprintf(out, 400, "/git/%s.git/HEAD", ID(&space));
		break;
	default:
		snprintf(out, 400, "/library/@%s/plans%s?history=1", place, ext);
	}
}

static bool says(enum site_person who, const char *path)
{
	_cleanup_(reply_release) struct reply r = site_ask(&site, who, path, NULL);

	return memmem(buf_str(&r.body), r.body.n, CANARY, strlen(CANARY));
}

static void its_people_find_it(void **state)
{
	char path[400];

	assert_true(says(JOAN, "/"));
	assert_true(says(JOAN, "/forums"));
	assert_true(says(JOAN, "/forums.json"));
	assert_true(says(JOAN, "/library"));
	for (int i = 0; i < HIDDEN; i++) {
		hidden_page(i, false, path);
		_cleanup_(reply_release) struct reply r = site_ask(&site, JOAN, path, NULL);

		if (r.status >= 400)
			fail_msg("%s: %ld", path, r.status);
	}
	_cleanup_(reply_release) struct reply found =
		site_ask(&site, JOAN, "/search.json?q=" CANARY, NULL);

	assert_string_equal(TEXT(&found, "count"), "3");
}

static void nobody_else_sees_a_word_of_it(void **state)
{
	static const enum site_person who[] = {NOBODY, AINA, VOL};
	char path[400];

	for (size_t w = 0; w < ARRAY_LEN(who); w++) {
		for (size_t i = 0; i < ARRAY_LEN(open_pages); i++) {
			bool search = strstr(open_pages[i], "search");

			/* What was typed is shown again; nothing else of it. */
			if (!search && says(who[w], open_pages[i]))
				fail_msg("%d is told on %s", who[w], open_pages[i]);
		}
		_cleanup_(reply_release) struct reply found =
			site_ask(&site, who[w], "/search.json?q=" CANARY, NULL);

		assert_string_equal(TEXT(&found, "count"), "0");
		assert_string_equal(TEXT(&found, "results.0.title"), "");
		for (int i = 0; i < HIDDEN; i++)
			for (int json = 0; json < 2; json++) {
				hidden_page(i, json, path);
				/* As if its people had just read it: the cache. */
				says(JOAN, path);
				if (says(who[w], path))
					fail_msg("%d is told on %s", who[w], path);
			}
	}
}

/* The answer with what it was asked for taken out. */
static char *answer_of(enum site_person who, const char *path, const char *id)
{
	_cleanup_(reply_release) struct reply r = site_ask(&site, who, path, NULL);
	char *text = strdup(buf_str(&r.body)), *at;

	assert_int_equal(r.status, 404);
	while ((at = strstr(text, id)))
		memset(at, 'x', strlen(id));
	return text;
}

static void what_is_not_for_you_is_as_if_it_were_not_here(void **state)
{
	static const char other[] = "abcdefgh";
	_cleanup_(freep) char *a = NULL, *b = NULL, *c = NULL, *d = NULL;
	char path[400], id[60];

	snprintf(path, sizeof(path), "/forum/general@%s.json", place);
	a = answer_of(NOBODY, path, place);
	snprintf(path, sizeof(path), "/forum/general@%s.json", other);
	b = answer_of(NOBODY, path, other);
	assert_string_equal(a, b);
	snprintf(id, sizeof(id), "%.8s", topic + strlen("/topic/"));
	snprintf(path, sizeof(path), "%s.json", topic);
	c = answer_of(AINA, path, id);
	snprintf(path, sizeof(path), "/topic/%s.json", ID(&(struct hash){{1}}));
	d = answer_of(AINA, path, ID_SHORT(&(struct hash){{1}}));
	assert_string_equal(c, d);
}

static void nobody_else_writes_there(void **state)
{
	static const enum site_person who[] = {NOBODY, AINA, VOL};
	char path[400];

	for (size_t w = 0; w < ARRAY_LEN(who); w++) {
		snprintf(path, sizeof(path), "%s/posts", topic);
		_cleanup_(reply_release) struct reply r =
			site_ask(&site, who[w], path, "text=hello&name=Anna");

		assert_int_equal(r.status, 404);
		snprintf(path, sizeof(path), "/forum/general@%s/topics", place);
		_cleanup_(reply_release) struct reply t =
			site_ask(&site, who[w], path, "title=t&text=hello&name=Anna");

		assert_int_equal(t.status, 404);
	}
}

static struct error *find_joan(struct conn *c, void *arg)
{
	return account_by_name(c, "joan", arg);
}

struct filing {
	const struct hash *space;
	struct hash id;
};

static struct error *file_job(struct conn *c, void *arg)
{
	struct filing *f = arg;

	return community_submit(
		c,
		&(struct draft){.type = "file.create",
				.space = *f->space,
				.author = site.steward,
				.take_body = json_pack("{s:s, s:s, s:i, s:s, s:s}", "kind", "text",
						       "data", "YWN0YQ==", "size", 4, "title", "Acta",
						       "path", "acta.txt")},
		&f->id);
}

/* Does the answer with a file of that space say that it is to be kept nowhere? */
static bool leaves_no_trace(const struct hash *of)
{
	struct filing f = {.space = of};
	char path[300];

	assert_ok(writer_run(site.app->writer, file_job, &f));
	snprintf(path, sizeof(path), "/file/%s/get", ID(&f.id));
	_cleanup_(reply_release) struct reply r = site_ask(&site, JOAN, path, NULL);

	assert_int_equal(r.status, 200);
	assert_true(span_is(buf_span(&r.body), "acta"));
	return strstr(buf_str(&r.head), "Cache-Control: no-store\r\n");
}

static void a_file_of_it_is_kept_by_no_browser(void **state)
{
	assert_true(leaves_no_trace(&space));
	assert_false(leaves_no_trace(&site.space));
}

static long status_of(enum site_person who, const char *path)
{
	_cleanup_(reply_release) struct reply r = site_ask(&site, who, path, NULL);

	return r.status;
}

static void who_left_sees_it_no_more(void **state)
{
	char path[400], erased[400];
	struct account joan;

	assert_true(says(JOAN, "/forums"));
	snprintf(path, sizeof(path), "%s/posts", topic);
	_cleanup_(reply_release) struct reply slip =
		site_ask(&site, JOAN, path, "{\"text\":\"a slip\"}");

	snprintf(path, sizeof(path), "/post/%s/erase", TEXT(&slip, "id"));
	_cleanup_(reply_release) struct reply gone = site_ask(&site, JOAN, path, "{}");

	assert_true(gone.status < 300);
	snprintf(erased, sizeof(erased), "/erased/%s", TEXT(&slip, "id"));
	assert_int_equal(status_of(JOAN, erased), 200);
	assert_int_equal(status_of(VOL, erased), 404);
	assert_ok(writer_run(site.app->writer, find_joan, &joan));
	assert_ok(spaces_remove_person(site.app, &space, &joan.key, site.steward));
	assert_false(says(JOAN, "/forums"));
	assert_int_equal(status_of(JOAN, erased), 404);
	assert_int_equal(status_of(REMEI, erased), 200);
	hidden_page(1, false, path);
	assert_false(says(JOAN, path));
	assert_true(says(REMEI, "/forums"));
}

static void another_public_space_does_not_become_the_home(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct space_info home;

	for (int i = 0; i < 6; i++) {
		struct spaces_new what = {
			.name = "Another", .steward = site.steward, .steward_name = "remei"};
		struct hash id;

		assert_ok(spaces_found(site.app, &what, &id));
	}
	assert_ok(app_conn(site.app, &c));
	assert_ok(space_home(c, &home));
	assert_id_equal(&home.id, &site.space);
}

static int open_site(void **state)
{
	site_open(&site);
	fill();
	*state = &site;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_people_find_it),
		cmocka_unit_test(nobody_else_sees_a_word_of_it),
		cmocka_unit_test(what_is_not_for_you_is_as_if_it_were_not_here),
		cmocka_unit_test(nobody_else_writes_there),
		cmocka_unit_test(a_file_of_it_is_kept_by_no_browser),
		cmocka_unit_test(who_left_sees_it_no_more),
		cmocka_unit_test(another_public_space_does_not_become_the_home),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, site_end);
}
