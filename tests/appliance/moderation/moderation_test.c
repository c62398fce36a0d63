/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/site.h"
#include "appliance/forum/forum.h"
#include "appliance/moderation/moderation.h"

static struct site site;

static void new_topic(char out[300])
{
	_cleanup_(reply_release) struct reply r = site_ask(&site, JOAN, "/forum/general/topics",
							   "{\"title\":\"Tema\",\"text\":\"u\"}");

	reply_text(&r, "url", out);
}

/* What a guest sends as a reply; the receipt's path in `out`. */
static long guest_writes(const char *topic, const char *form, char out[300])
{
	char url[400];

	snprintf(url, sizeof(url), "%s/posts", topic);
	_cleanup_(reply_release) struct reply r = site_ask(&site, NOBODY, url, form);

	snprintf(out, 300, "%s", r.location ? r.location : "");
	return r.status;
}

static struct reply get_json(enum site_person who, const char *path)
{
	char url[400];

	snprintf(url, sizeof(url), "%s.json", path);
	return site_ask(&site, who, url, NULL);
}

/* The number of the newest that waits. */
static void newest_waiting(char out[300])
{
	_cleanup_(reply_release) struct reply r = get_json(VOL, "/admin/held");
	char path[40];

	snprintf(path, sizeof(path), "held.%zu.id",
		 json_array_size(json_object_get(r.json, "held")) - 1);
	reply_text(&r, path, out);
}

static struct reply decide(enum site_person who, const char *id, const char *how, const char *form)
{
	char url[400];

	snprintf(url, sizeof(url), "/admin/held/%s/%s", id, how);
	return site_ask(&site, who, url, form);
}

static void a_guests_message_is_not_shown_before_it_was_approved(void **state)
{
	char topic[300], receipt[300], id[300];
	_cleanup_(reply_release) struct reply r = {0};

	new_topic(topic);
	assert_int_equal(guest_writes(topic, "name=Fatima&text=Hola+a+tothom", receipt), 303);
	assert_memory_equal(receipt, "/held/", 6);
	r = get_json(NOBODY, topic);
	assert_null(strstr(buf_str(&r.body), "Hola a tothom"));
	reply_release(&r);
	r = get_json(NOBODY, receipt);
	assert_string_equal(TEXT(&r, "held.waiting"), "true");
	assert_string_equal(TEXT(&r, "held.html"), "<p>Hola a tothom</p>\n");
	newest_waiting(id);
	reply_release(&r);
	r = decide(VOL, id, "approve", "{}");
	if (r.status >= 300)
		fail_msg("%s", buf_str(&r.body));
	reply_release(&r);
	r = get_json(NOBODY, topic);
	assert_string_equal(TEXT(&r, "posts.1.author"), "Fatima");
	assert_string_equal(TEXT(&r, "posts.1.author_kind"), "guest");
	assert_string_equal(TEXT(&r, "posts.1.html"), "<p>Hola a tothom</p>\n");
	reply_release(&r);
	r = get_json(NOBODY, receipt);
	assert_string_equal(TEXT(&r, "held.approved"), "true");
	assert_memory_equal(TEXT(&r, "held.url_topic"), "/post/", 6);
}

static void pressing_twice_publishes_once(void **state)
{
	char topic[300], receipt[300], id[300];
	_cleanup_(reply_release) struct reply a = {0}, b = {0}, seen = {0};

	new_topic(topic);
	guest_writes(topic, "name=Fatima&text=una+vegada", receipt);
	newest_waiting(id);
	a = decide(VOL, id, "approve", "{}");
	b = decide(VOL, id, "approve", "{}");
	assert_true(a.status < 300 && b.status < 300);
	assert_string_equal(TEXT(&a, "id"), TEXT(&b, "id"));
	seen = get_json(NOBODY, topic);
	assert_int_equal(json_array_size(json_object_get(seen.json, "posts")), 2);
	reply_release(&b);
	b = decide(VOL, id, "reject", "{}");
	assert_int_equal(b.status, 409);
}

struct post_job {
	int64_t id;
	struct hash first, second;
};

/* As after a power cut: the log has the post, the table of held messages says that it waits. */
static struct error *approve_and_forget(struct conn *c, void *arg)
{
	struct post_job *j = arg;

	return moderation_settle(c, j->id, HELD_APPROVED, "", &j->first);
}

static void a_power_cut_between_log_and_local_db_publishes_once(void **state)
{
	char topic[300], receipt[300], id[300];
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(reply_release) struct reply seen = {0};
	struct post_job j = {0};

	new_topic(topic);
	guest_writes(topic, "name=Fatima&text=abans+del+tall", receipt);
	newest_waiting(id);
	j.id = strtoll(id, NULL, 10);
	assert_ok(writer_run(site.app->writer, approve_and_forget, &j));
	/* The row as it was before, from outside of the box's code. */
	_cleanup_(freep) char *path = path_join(site.dir, "local.db");
	sqlite3 *raw;

	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	sqlite3_busy_timeout(raw, 5000);
	assert_int_equal(
		sqlite3_exec(raw,
			     "UPDATE held SET state = 0, op = NULL, name = 'Fatima',"
			     " text = 'abans del tall' WHERE id = (SELECT max(id) FROM held)",
			     NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(raw);
	j.second = j.first;
	assert_ok(writer_run(site.app->writer, approve_and_forget, &j));
	assert_id_equal(&j.first, &j.second);
	seen = get_json(NOBODY, topic);
	assert_int_equal(json_array_size(json_object_get(seen.json, "posts")), 2);
}

static void a_guest_takes_a_message_back_and_its_words_are_gone(void **state)
{
	char topic[300], receipt[300], id[300], url[400];
	_cleanup_(reply_release) struct reply r = {0};

	new_topic(topic);
	guest_writes(topic, "name=Fatima&text=paraula1984retirada", receipt);
	newest_waiting(id);
	snprintf(url, sizeof(url), "%s/withdraw", receipt);
	r = site_ask(&site, NOBODY, url, NULL);
	assert_int_equal(r.status, 200);
	reply_release(&r);
	r = site_ask(&site, NOBODY, url, "");
	assert_int_equal(r.status, 303);
	reply_release(&r);
	r = get_json(NOBODY, receipt);
	assert_string_equal(TEXT(&r, "held.withdrawn"), "true");
	assert_null(strstr(buf_str(&r.body), "1984"));
	reply_release(&r);
	r = decide(VOL, id, "approve", "{}");
	assert_int_equal(r.status, 409);
}

static void a_rejected_message_tells_its_guest_why(void **state)
{
	char topic[300], receipt[300], id[300];
	_cleanup_(reply_release) struct reply r = {0};

	new_topic(topic);
	guest_writes(topic, "name=Fatima&text=compreu", receipt);
	newest_waiting(id);
	r = decide(AINA, id, "reject", "reason=publicitat");
	assert_int_equal(r.status, 303);
	reply_release(&r);
	r = get_json(NOBODY, receipt);
	assert_string_equal(TEXT(&r, "held.rejected"), "true");
	assert_string_equal(TEXT(&r, "held.reason"), "publicitat");
}

static void only_volunteers_and_moderators_see_what_waits(void **state)
{
	char topic[300], receipt[300], id[300];
	_cleanup_(reply_release) struct reply r = {0};

	new_topic(topic);
	guest_writes(topic, "name=Fatima&text=per+a+poca+gent", receipt);
	newest_waiting(id);
	r = get_json(JOAN, "/admin/held");
	assert_int_equal(r.status, 403);
	reply_release(&r);
	r = decide(JOAN, id, "approve", "{}");
	assert_int_equal(r.status, 403);
	reply_release(&r);
	r = get_json(NOBODY, "/admin/held");
	assert_int_equal(r.status, 401);
	reply_release(&r);
	r = get_json(AINA, "/admin/held");
	assert_int_equal(r.status, 200);
	reply_release(&r);
	r = site_ask(&site, AINA, "/", NULL);
	assert_non_null(strstr(buf_str(&r.body), "class=\"count\">"));
	reply_release(&r);
	r = site_ask(&site, JOAN, "/", NULL);
	assert_null(strstr(buf_str(&r.body), "class=\"count\">"));
}

static void a_guest_opens_a_conversation_that_waits(void **state)
{
	char id[300];
	_cleanup_(reply_release) struct reply r =
		site_ask(&site, NOBODY, "/forum/general/topics",
			 "name=Nou+ve%C3%AF&title=Bon+dia&text=Acabo+d%27arribar");
	_cleanup_(reply_release) struct reply list = {0};

	assert_int_equal(r.status, 303);
	newest_waiting(id);
	reply_release(&r);
	r = decide(VOL, id, "approve", "{}");
	assert_true(r.status < 300);
	list = get_json(NOBODY, "/forum/general");
	assert_string_equal(TEXT(&list, "topics.0.title"), "Bon dia");
	assert_string_equal(TEXT(&list, "topics.0.author"), "Nou veï");
}

static struct error *check(const char *name, const char *title, const char *text)
{
	struct held h = {.text = text, .forum = {{1}}};

	snprintf(h.name, sizeof(h.name), "%s", name);
	snprintf(h.title, sizeof(h.title), "%s", title);
	return moderation_check(&h);
}

static void what_a_guest_may_not_send_is_refused_with_advice(void **state)
{
	_cleanup_(freep) char *longer = malloc(HELD_TEXT + 2);

	memset(longer, 'a', HELD_TEXT + 1);
	longer[HELD_TEXT + 1] = 0;
	assert_ok(check("Fatima", "Tema", "un https://a.cat http://b.cat WWW.c.cat"));
	assert_fails(check("Fatima", "Tema", "https://a http://b www.c https://d"), ERR_INVALID);
	assert_fails(check("", "Tema", "text"), ERR_INVALID);
	assert_fails(check("  ", "Tema", "text"), ERR_INVALID);
	assert_fails(check("a\nb", "Tema", "text"), ERR_INVALID);
	assert_fails(check("\xe2\x80\xae"
			   "amitaF",
			   "Tema", "text"),
		     ERR_INVALID);
	assert_fails(check("Fatima", "", "text"), ERR_INVALID);
	assert_fails(check("Fatima", "Tema", " \n\t"), ERR_INVALID);
	assert_fails(check("Fatima", "Tema", longer), ERR_LIMIT);
}

static void a_program_that_fills_in_every_field_is_refused(void **state)
{
	char topic[300], receipt[300];

	new_topic(topic);
	assert_int_equal(
		guest_writes(topic, "name=Bot&text=hola&website=http%3A%2F%2Fspam", receipt), 400);
}

struct many {
	int held;
	struct error *refused;
};

static struct error *hold_many(struct conn *c, void *arg)
{
	struct many *m = arg;
	struct held h = {
		.space = site.space, .forum = site.forum, .text = "u", .title = "t", .name = "n"};
	char secret[HELD_SECRET];

	for (int i = 0; i < HELD_AN_HOUR + 1 && !m->refused; i++) {
		m->refused = moderation_hold(c, &h, secret);
		m->held += !m->refused;
	}
	return NULL;
}

/* The last one: afterwards guests must wait. */
static void a_flood_ends_at_the_limit_of_the_hour(void **state)
{
	char topic[300], receipt[300];
	struct many m = {0};

	assert_ok(writer_run(site.app->writer, hold_many, &m));
	assert_true(m.held > 0 && m.held <= HELD_AN_HOUR);
	assert_fails(m.refused, ERR_RATE);
	new_topic(topic);
	assert_int_equal(guest_writes(topic, "name=Fatima&text=hola", receipt), 429);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guests_message_is_not_shown_before_it_was_approved),
		cmocka_unit_test(pressing_twice_publishes_once),
		cmocka_unit_test(a_power_cut_between_log_and_local_db_publishes_once),
		cmocka_unit_test(a_guest_takes_a_message_back_and_its_words_are_gone),
		cmocka_unit_test(a_rejected_message_tells_its_guest_why),
		cmocka_unit_test(only_volunteers_and_moderators_see_what_waits),
		cmocka_unit_test(a_guest_opens_a_conversation_that_waits),
		cmocka_unit_test(what_a_guest_may_not_send_is_refused_with_advice),
		cmocka_unit_test(a_program_that_fills_in_every_field_is_refused),
		cmocka_unit_test(a_flood_ends_at_the_limit_of_the_hour),
	};
	int failed;

	test_init();
	site_open(&site);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	site_close(&site);
	return failed;
}
