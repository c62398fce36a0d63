/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The page of how a box behaves says every kind of misdeed in words, and has its button. */
#include "tests/appliance/site.h"
#include "appliance/peers/peers.h"
#include "sync/peer/conduct.h"

static struct site site;
static struct pubkey bad;

static struct error *note(struct conn *c, void *arg)
{
	struct conduct row = {.peer = bad, .what = *(enum misdeed *)arg, .count = 3, .last_ms = 1};

	return conduct_note(c->local, &row);
}

static struct reply ask(const char *more)
{
	char path[200];

	snprintf(path, sizeof(path), "/admin/peers/%s/%s", ID(&bad), more);
	return site_ask(&site, VOL, path, NULL);
}

/* The sentence as it stands in a page. */
static const char *escaped(const char *sentence, char out[1000])
{
	size_t n = 0;

	for (const char *s = sentence; *s && n < 990; s++)
		n += (size_t)snprintf(out + n, 1000 - n, *s == '\'' ? "&#39;" : "%c", *s);
	return out;
}

static const json_t *row_named(const struct reply *r, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(
		json_object_get(r->json, "misdeeds"), i,
		row) if (!strcmp(json_string_value(json_object_get(row, "name")), name)) return row;
	return NULL;
}

static bool has_button(const struct reply *page, const char *act)
{
	char form[200];
	const char *at;

	snprintf(form, sizeof(form), "action=\"/admin/peers/%s/%s\"", ID(&bad), act);
	at = strstr(buf_str(&page->body), form);
	return at && strstr(at, "<button");
}

static void every_kind_is_said_in_words_beside_the_button(void **state)
{
	char text[1000];

	for (int i = 0; i < MISDEEDS; i++) {
		enum misdeed what = (enum misdeed)i;
		_cleanup_(reply_release) struct reply page = {0}, data = {0};
		const json_t *row;
		bool advised;

		assert_ok(writer_run(site.app->writer, note, &what));
		data = ask("conduct.json");
		assert_int_equal(data.status, 200);
		row = row_named(&data, misdeed_name(what));
		assert_non_null(row);
		assert_string_equal(json_string_value(json_object_get(row, "text")),
				    misdeed_msgid(what));
		assert_int_equal(json_integer_value(json_object_get(row, "count")), 3);
		/* what is proved is no bad line: it says what else people can do */
		advised = *json_string_value(json_object_get(row, "advice"));
		assert_int_equal(advised, misdeed_is_proved(what));
		page = ask("conduct");
		assert_int_equal(page.status, 200);
		if (!strstr(buf_str(&page.body), escaped(misdeed_msgid(what), text)))
			fail_msg("%s is not on the page: %s", misdeed_name(what), text);
		assert_true(has_button(&page, "pause"));
		assert_true(has_button(&page, "forgive"));
	}
}

/* Nothing of it is a slip that anybody has now and then. */
static void what_is_proved_is_not_explained_away(void **state)
{
	static const char slip[] = "A bad line or a full disk can look like this";
	enum misdeed what = MISDEED_AUTHOR;
	_cleanup_(reply_release) struct reply all = ask("conduct"), one = {0}, front = {0};
	char forgive[200];

	assert_non_null(strstr(buf_str(&all.body), slip));
	snprintf(forgive, sizeof(forgive), "/admin/peers/%s/forgive", ID(&bad));
	one = site_ask(&site, VOL, forgive, "{}");
	assert_true(one.status < 400);
	reply_release(&one);
	assert_ok(writer_run(site.app->writer, note, &what));
	front = site_ask(&site, VOL, "/admin", NULL);
	assert_non_null(strstr(buf_str(&front.body), "honest one does not"));
	one = ask("conduct");
	assert_null(strstr(buf_str(&one.body), slip));
	assert_non_null(strstr(buf_str(&one.body), "the box itself signed it"));
}

static int open_site(void **state)
{
	struct secret *key = test_key(703);

	site_open(&site);
	bad = *secret_pubkey(key);
	secret_free(key);
	assert_ok(peers_approve(site.app, &(struct peers_approval){.key = bad}));
	site_sign_in(&site, VOL, "vol");
	*state = &site;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_said_in_words_beside_the_button),
		cmocka_unit_test(what_is_proved_is_not_explained_away),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, site_end);
}
