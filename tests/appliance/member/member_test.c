/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Accounts and sessions, through the real server with the program's own pages. */
#include "tests/lib/test.h"
#include "tests/lib/ahead.h"
#include "tests/lib/web.h"
#include "appliance/member/account.h"
#include "appliance/member/session.h"
#include <stdatomic.h>
#include <sys/statvfs.h>

static struct web web;

/* What the program is told is free; -1: the truth. */
static _Atomic int64_t told_free = -1;

int statvfs(const char *path, struct statvfs *ret)
{
	(void)path;
	*ret = (struct statvfs){.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1 << 20};
	ret->f_bavail = ret->f_bfree = told_free < 0 ? 1 << 19 : (fsblkcnt_t)told_free / 4096;
	return 0;
}

static int start(void **state)
{
	ahead = 0;
	told_free = -1;
	web_start(&web, &(struct web_options){.env = &env_ahead, .found = true, .https = true});
	return 0;
}

static int stop(void **state)
{
	web_stop(&web);
	return 0;
}

static void expect(struct web_answer a, int status, const char *part)
{
	if (a.status != status || (part && (!a.body || !strstr(a.body, part))))
		fail_msg("wanted %d with '%s', got %d: %s%s", status, part ? part : "", a.status,
			 a.head ? a.head : "", a.body ? a.body : "-");
	web_answer_release(&a);
}

static void add_account(const char *name, enum role role, bool volunteer)
{
	assert_ok(account_create(web.app,
				 &(struct account_new){.name = name,
						       .password = "correct horse",
						       .role = role,
						       .volunteer = volunteer,
						       .by = web.steward},
				 NULL));
}

/* "Cookie: …\r\n" of a person who signed in. */
static char *sign_in(const char *name, const char *password)
{
	char form[300], *header = NULL;
	struct web_answer a;
	_cleanup_(freep) char *cookie = NULL;

	snprintf(form, sizeof(form), "name=%s&password=%s", name, password);
	a = web_post(web.http, "/sign-in", "", form);
	cookie = web_cookie(&a, "lliure-here");
	if (a.status != 303 || !cookie)
		fail_msg("sign-in: %d %s", a.status, a.body);
	web_answer_release(&a);
	assert_true(asprintf(&header, "Cookie: %s\r\n", cookie) > 0);
	return header;
}

static char *csrf(const char *cookie)
{
	struct web_answer a = web_get(web.http, "/me", cookie);
	const char *at = strstr(a.body, "name=\"csrf\" value=\"");
	char *out = at ? strndup(at + 19, strcspn(at + 19, "\"")) : NULL;

	web_answer_release(&a);
	assert_non_null(out);
	return out;
}

/* POST as the person, with the token of the session. */
static struct web_answer act(const char *cookie, const char *path, const char *form)
{
	_cleanup_(freep) char *token = csrf(cookie);
	char body[1000];

	snprintf(body, sizeof(body), "csrf=%s&%s", token, form);
	return web_post(web.http, path, cookie, body);
}

/* --- accounts --- */

static void makes_an_account_and_a_member_of_the_home_space(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct member m;
	struct account a;

	add_account("Berta", ROLE_MODERATOR, false);
	assert_ok(app_conn(web.app, &c));
	assert_ok(account_by_name(c, "berta", &a));
	assert_string_equal(a.name, "Berta");
	assert_ok(member_by_name(c, &web.space, "Berta", &m));
	assert_int_equal(m.role, ROLE_MODERATOR);
	assert_memory_equal(m.key.b, a.key.b, 32);
	assert_memory_equal(m.home.b, secret_pubkey(web.app->self)->b, 32);
}

static void refuses_names_and_passwords_that_make_trouble(void **state)
{
	static const char *const names[] = {"",	   " a",  "a ",	      "a/b",	 "a\nb",
					    "a?b", "%41", "a\u202eb", "a\u2028b"};
	struct account_new what = {.name = "Carla", .password = "short"};

	assert_fails(account_create(web.app, &what, NULL), ERR_INVALID);
	what.password = "long enough";
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		what.name = names[i];
		assert_fails(account_create(web.app, &what, NULL), ERR_INVALID);
	}
	what.name = "Carla";
	assert_ok(account_create(web.app, &what, NULL));
	what.name = "CARLA";
	assert_fails(account_create(web.app, &what, NULL), ERR_EXISTS);
}

static void a_stranger_to_the_rules_makes_no_steward(void **state)
{
	struct account_new what = {
		.name = "Dolors", .password = "correct horse", .role = ROLE_STEWARD};
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct account a;

	assert_fails(account_create(web.app, &what, NULL), ERR_DENIED);
	assert_ok(app_conn(web.app, &c));
	assert_fails(account_by_name(c, "Dolors", &a), ERR_NOT_FOUND);
}

static void a_password_opens_the_key_and_nothing_else_does(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct account a;

	add_account("Eva", ROLE_MEMBER, false);
	assert_ok(app_conn(web.app, &c));
	assert_fails(account_open(web.app, c, "Eva", "correct hors", &a, &key), ERR_AUTH);
	assert_fails(account_open(web.app, c, "Nobody", "correct horse", &a, &key), ERR_AUTH);
	assert_ok(account_open(web.app, c, "eva", "correct horse", &a, &key));
	assert_memory_equal(secret_pubkey(key)->b, a.key.b, 32);
}

static void a_forgotten_password_costs_the_key(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct account before, after;
	enum role role;

	add_account("Ferran", ROLE_MEMBER, false);
	assert_ok(app_conn(web.app, &c));
	assert_ok(account_by_name(c, "Ferran", &before));
	assert_ok(account_password(web.app, "Ferran", NULL, "another horse", 0));
	assert_ok(account_open(web.app, c, "Ferran", "another horse", &after, &key));
	assert_true(memcmp(before.key.b, after.key.b, 32) != 0);
	assert_ok(role_now(c, &web.space, &after.key, &role));
	assert_int_equal(role, ROLE_MEMBER);
	assert_fails(account_password(web.app, "Ferran", "correct horse", "x", 0), ERR_INVALID);
	assert_fails(account_password(web.app, "Ferran", "correct horse", "third horse", 0),
		     ERR_AUTH);
}

/* --- signing in --- */

static void signs_in_and_out(void **state)
{
	_cleanup_(freep) char *cookie = NULL, *token = NULL;
	struct web_answer a;

	add_account("Gina", ROLE_MEMBER, false);
	expect(web_get(web.http, "/sign-in", ""), 200, "name=\"password\"");
	expect(web_post(web.http, "/sign-in", "", "name=Gina&password=wrong"), 401, "not right");
	expect(web_post(web.http, "/sign-in", "", "name=Ghost&password=wrong"), 401, "not right");
	expect(web_get(web.http, "/me.json", ""), 401, NULL);
	cookie = sign_in("Gina", "correct+horse");
	expect(web_get(web.http, "/me", cookie), 200, "Gina");
	expect(web_post(web.http, "/sign-out", cookie, ""), 403, NULL);
	a = act(cookie, "/sign-out", "");
	expect(a, 303, NULL);
	a = web_get(web.http, "/me", cookie);
	expect(a, 303, NULL);
}

static void goes_on_to_where_the_reader_was_and_nowhere_else(void **state)
{
	_cleanup_(freep) char *to = NULL, *away = NULL;
	struct web_answer a;

	add_account("Hug", ROLE_MEMBER, false);
	a = web_post(web.http, "/sign-in", "", "name=Hug&password=correct+horse&next=/forums");
	to = web_header(&a, "Location");
	assert_string_equal(to, "/forums");
	web_answer_release(&a);
	a = web_post(web.http, "/sign-in", "",
		     "name=Hug&password=correct+horse&next=//evil.example/");
	away = web_header(&a, "Location");
	assert_string_equal(away, "/");
	web_answer_release(&a);
}

static void asks_no_password_on_the_plain_door(void **state)
{
	struct web_answer a;

	a = web_talk(web.http, "GET /sign-in HTTP/1.1\r\nHost: 192.168.1.7\r\nConnection: "
			       "close\r\n\r\n");
	assert_null(strstr(a.body, "name=\"password\""));
	assert_non_null(strstr(a.body, "https://192.168.1.7:"));
	web_answer_release(&a);
	a = web_talk(web.http, "POST /sign-in HTTP/1.1\r\nHost: 192.168.1.7\r\n"
			       "Content-Type: application/x-www-form-urlencoded\r\n"
			       "Content-Length: 32\r\nConnection: close\r\n\r\n"
			       "name=Gina&password=correct+horse");
	expect(a, 403, NULL);
}

static void a_cookie_is_worth_nothing_at_another_door(void **state)
{
	_cleanup_(freep) char *cookie = NULL;
	char request[600];

	add_account("Iris", ROLE_MEMBER, true);
	cookie = sign_in("Iris", "correct+horse");
	memcpy(strstr(cookie, "lliure-here"), "lliure-http", 11);
	snprintf(request, sizeof(request),
		 "GET /me HTTP/1.1\r\nHost: 192.168.1.7\r\n%sConnection: close\r\n\r\n", cookie);
	expect(web_talk(web.http, request), 303, NULL);
}

struct plain {
	struct ticket ticket;
	struct account account;
	struct secret *secret;
};

static struct error *add_plain(struct conn *c, void *arg)
{
	struct plain *p = arg;
	int64_t id;

	return session_add(c, &p->ticket, p->account.id, p->secret, DOOR_HTTP, &id);
}

static void a_cookie_from_the_plain_door_never_makes_a_volunteer(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct plain p = {0};
	char text[SESSION_TEXT], request[600];

	assert_ok(app_conn(web.app, &c));
	assert_ok(account_open(web.app, c, "Iris", "correct horse", &p.account, &p.secret));
	ticket_new(&env_ahead, "session", text, &p.ticket);
	assert_ok(writer_run(web.app->writer, add_plain, &p));
	secret_free(p.secret);
	snprintf(request, sizeof(request),
		 "GET /me HTTP/1.1\r\nHost: 192.168.1.7\r\nCookie: lliure-http=%s\r\n"
		 "Connection: close\r\n\r\n",
		 text);
	expect(web_talk(web.http, request), 200, "Iris");
	snprintf(request, sizeof(request),
		 "GET /admin/people HTTP/1.1\r\nHost: 192.168.1.7\r\nCookie: lliure-http=%s\r\n"
		 "Connection: close\r\n\r\n",
		 text);
	expect(web_talk(web.http, request), 403, NULL);
}

/* Who listens on the Wi-Fi has such a cookie: it must not end what was begun at the safe door. */
static void a_cookie_from_the_plain_door_ends_nothing_else(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct plain p = {0};
	char text[SESSION_TEXT], form[100], request[800], token[TOKEN_TEXT];
	static const char *const paths[] = {"/me/sessions/1/end", "/me/tokens/1/revoke"};

	assert_ok(app_conn(web.app, &c));
	assert_ok(account_open(web.app, c, "Iris", "correct horse", &p.account, &p.secret));
	assert_ok(account_token(web.app, "Iris", "correct horse", "x", token));
	ticket_new(&env_ahead, "session", text, &p.ticket);
	assert_ok(writer_run(web.app->writer, add_plain, &p));
	secret_free(p.secret);
	snprintf(form, sizeof(form), "csrf=%s", p.ticket.csrf);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		snprintf(request, sizeof(request),
			 "POST %s HTTP/1.1\r\nHost: 192.168.1.7\r\nCookie: lliure-http=%s\r\n"
			 "Content-Type: application/x-www-form-urlencoded\r\n"
			 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
			 paths[i], text, strlen(form), form);
		expect(web_talk(web.http, request), 403, NULL);
	}
}

static void a_new_session_replaces_the_old_one(void **state)
{
	_cleanup_(freep) char *first = NULL, *token = NULL;
	struct web_answer a;
	char form[300];

	add_account("Joan", ROLE_MEMBER, false);
	first = sign_in("Joan", "correct+horse");
	token = csrf(first);
	snprintf(form, sizeof(form), "name=Joan&password=correct+horse&csrf=%s", token);
	a = web_post(web.http, "/sign-in", first, form);
	assert_int_equal(a.status, 303);
	web_answer_release(&a);
	expect(web_get(web.http, "/me", first), 303, NULL);
}

static struct error *count_session(void *ctx, const struct session *one)
{
	++*(int64_t *)ctx;
	return NULL;
}

static void a_session_ends_after_a_month(void **state)
{
	_cleanup_(freep) char *cookie = NULL;

	add_account("Karim", ROLE_MEMBER, false);
	cookie = sign_in("Karim", "correct+horse");
	ahead += (int64_t)29 * 24 * 3600 * 1000;
	expect(web_get(web.http, "/me", cookie), 200, "Karim");
	ahead += (int64_t)2 * 24 * 3600 * 1000;
	expect(web_get(web.http, "/me", cookie), 303, NULL);
}

static void guessing_is_slowed_but_nobody_is_locked_out(void **state)
{
	struct web_answer a;
	int refused = 0;
	char *cookie;

	add_account("Laia", ROLE_MEMBER, false);
	ahead += 3600 * 1000;
	for (int i = 0; i < 15; i++) {
		a = web_post(web.http, "/sign-in", "", "name=LAIA&password=guess");
		refused += a.status == 429;
		web_answer_release(&a);
	}
	assert_in_range(refused, 4, 6);
	ahead += 60 * 1000;
	cookie = sign_in("Laia", "correct+horse");
	free(cookie);
	ahead += 3600 * 1000;
}

static int sign_in_from(int client, const char *form)
{
	int fd = web_connect_from(web.http, client), status;
	struct web_answer a;
	char request[600];

	snprintf(request, sizeof(request),
		 "POST /sign-in HTTP/1.1\r\nHost: localhost:%d\r\n"
		 "Content-Type: application/x-www-form-urlencoded\r\n"
		 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		 web.http, strlen(form), form);
	web_send(fd, request, strlen(request));
	a = web_receive(fd);
	close(fd);
	status = a.status;
	web_answer_release(&a);
	return status;
}

static void who_guesses_all_the_time_does_not_keep_the_owner_out(void **state)
{
	add_account("Lola", ROLE_MEMBER, false);
	ahead += 3600 * 1000;
	for (int minute = 0; minute < 5; minute++) {
		for (int i = 0; i < 25; i++)
			sign_in_from(1, "name=lola&password=guess");
		assert_int_equal(sign_in_from(2, "name=lola&password=correct+horse"), 303);
		ahead += 60 * 1000;
	}
	ahead += 3600 * 1000;
}

static void one_person_has_so_many_sessions_and_pushes_out_nobody_else(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(freep) char *other = NULL;
	struct plain p = {0};
	int64_t all = 0;
	char text[SESSION_TEXT];

	add_account("Lluc", ROLE_MEMBER, false);
	add_account("Llum", ROLE_MEMBER, false);
	other = sign_in("Llum", "correct+horse");
	assert_ok(app_conn(web.app, &c));
	assert_ok(account_open(web.app, c, "Lluc", "correct horse", &p.account, &p.secret));
	for (int i = 0; i < SESSIONS_EACH + 10; i++) {
		ticket_new(&env_ahead, "session", text, &p.ticket);
		assert_ok(writer_run(web.app->writer, add_plain, &p));
	}
	secret_free(p.secret);
	assert_ok(session_each(c, p.account.id, count_session, &all));
	assert_int_equal(all, SESSIONS_EACH);
	expect(web_get(web.http, "/me", other), 200, "Llum");
}

/* --- one's own page --- */

static void a_new_password_ends_the_other_sessions(void **state)
{
	_cleanup_(freep) char *here = NULL, *there = NULL, *again = NULL;

	add_account("Marta", ROLE_MEMBER, false);
	here = sign_in("Marta", "correct+horse");
	there = sign_in("Marta", "correct+horse");
	expect(act(here, "/me/password",
		   "old=wrong+horse&password=new+password&password2=new+password"),
	       400, "old password is not right");
	expect(act(here, "/me/password",
		   "old=correct+horse&password=new+password&password2=other+password"),
	       400, "not the same");
	expect(act(here, "/me/password",
		   "old=correct+horse&password=new+password&password2=new+password"),
	       303, NULL);
	expect(web_get(web.http, "/me", here), 200, "Marta");
	expect(web_get(web.http, "/me", there), 303, NULL);
	expect(web_post(web.http, "/sign-in", "", "name=Marta&password=correct+horse"), 401, NULL);
	again = sign_in("Marta", "new+password");
}

static void sees_and_ends_sessions(void **state)
{
	_cleanup_(freep) char *here = NULL, *there = NULL, *stranger = NULL;
	struct web_answer a;
	char path[100] = "";
	json_t *j, *s;
	size_t i;

	add_account("Nora", ROLE_MEMBER, false);
	add_account("Other", ROLE_MEMBER, false);
	here = sign_in("Nora", "correct+horse");
	there = sign_in("Nora", "correct+horse");
	stranger = sign_in("Other", "correct+horse");
	a = web_get(web.http, "/me.json", here);
	j = json_loads(a.body, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(j, "sessions")), 2);
	json_array_foreach(json_object_get(j, "sessions"), i, s)
	{
		if (!json_is_true(json_object_get(s, "current")))
			snprintf(path, sizeof(path), "/me/sessions/%s/end",
				 json_string_value(json_object_get(s, "id")));
	}
	json_decref(j);
	web_answer_release(&a);
	expect(web_get(web.http, path, here), 200, NULL);
	expect(act(stranger, path, ""), 404, NULL);
	expect(web_get(web.http, "/me", there), 200, NULL);
	expect(act(here, path, ""), 303, NULL);
	expect(web_get(web.http, "/me", there), 303, NULL);
	expect(act(here, path, ""), 404, NULL);
}

static void a_token_speaks_for_its_owner_until_it_is_revoked(void **state)
{
	_cleanup_(freep) char *cookie = NULL;
	struct web_answer a;
	char header[200], path[100];
	const char *at;
	json_t *j;

	add_account("Oriol", ROLE_MEMBER, false);
	cookie = sign_in("Oriol", "correct+horse");
	a = act(cookie, "/me/tokens", "name=my+script");
	assert_int_equal(a.status, 200);
	at = strstr(a.body, "lliure_");
	assert_non_null(at);
	snprintf(header, sizeof(header), "Authorization: Bearer %.59s\r\n", at);
	web_answer_release(&a);
	a = web_get(web.http, "/me.json", header);
	assert_int_equal(a.status, 200);
	j = json_loads(a.body, 0, NULL);
	snprintf(path, sizeof(path), "/me/tokens/%s/revoke",
		 json_string_value(
			 json_object_get(json_array_get(json_object_get(j, "tokens"), 0), "id")));
	json_decref(j);
	web_answer_release(&a);
	/* nor does a session that somebody may have left open */
	ahead += 31 * 60 * 1000;
	expect(act(cookie, "/me/tokens", "name=more"), 403, "some time ago");
	/* a token makes no tokens */
	expect(web_post_json(web.http, "/me/tokens", header, "{\"name\":\"more\"}"), 403, NULL);
	expect(web_get(web.http, path, cookie), 200, "my script");
	expect(act(cookie, path, ""), 303, NULL);
	expect(web_get(web.http, "/me.json", header), 401, NULL);
}

/* "/me/WHAT/ID/HOW" of the only one of a list, or of the one that is not this session. */
static void way_to_end(const char *cookie, const char *what, const char *how, char out[100])
{
	struct web_answer a = web_get(web.http, "/me.json", cookie);
	json_t *j = json_loads(a.body, 0, NULL), *one;
	size_t i;

	*out = 0;
	json_array_foreach(json_object_get(j, what), i, one)
	{
		if (!json_is_true(json_object_get(one, "current")))
			snprintf(out, 100, "/me/%s/%s/%s", what,
				 json_string_value(json_object_get(one, "id")), how);
	}
	json_decref(j);
	web_answer_release(&a);
}

/* The cookie goes first: who leaves a shared computer is gone from it. */
static void expect_signed_out(struct web_answer a)
{
	assert_int_equal(a.status, 303);
	assert_non_null(strstr(a.head, "lliure-here=;"));
	web_answer_release(&a);
}

static void a_full_disk_keeps_nobody_signed_in(void **state)
{
	_cleanup_(freep) char *here = NULL, *there = NULL;

	add_account("Full", ROLE_MEMBER, false);
	here = sign_in("Full", "correct+horse");
	there = sign_in("Full", "correct+horse");
	told_free = 1024 * 1024; /* nobody may write, but there is room for what only takes away */
	expect_signed_out(act(here, "/sign-out", ""));
	expect(web_get(web.http, "/me", here), 303, NULL);
	told_free = 0;
	expect_signed_out(act(there, "/sign-out", ""));
	expect(web_get(web.http, "/me", there), 303, NULL);
	told_free = -1;
}

static size_t sessions_of(const char *cookie)
{
	struct web_answer a = web_get(web.http, "/me.json", cookie);
	json_t *j = json_loads(a.body, 0, NULL);
	size_t n = json_array_size(json_object_get(j, "sessions"));

	json_decref(j);
	web_answer_release(&a);
	return n;
}

static struct error *count_one(void *ctx, const struct session *s)
{
	(void)s;
	++*(size_t *)ctx;
	return NULL;
}

static size_t sessions_stored(const char *name)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct account a;
	size_t n = 0;

	assert_ok(app_conn(web.app, &c));
	assert_ok(account_by_name(c, name, &a));
	assert_ok(session_each(c, a.id, count_one, &n));
	return n;
}

static void what_was_ended_on_a_full_disk_stays_ended(void **state)
{
	_cleanup_(freep) char *here = NULL, *there = NULL;
	char path[100], other[100], header[200];
	struct web_answer a;

	add_account("Fuller", ROLE_MEMBER, false);
	here = sign_in("Fuller", "correct+horse");
	there = sign_in("Fuller", "correct+horse");
	a = act(here, "/me/tokens", "name=script");
	snprintf(header, sizeof(header), "Authorization: Bearer %.59s\r\n",
		 strstr(a.body, "lliure_"));
	web_answer_release(&a);
	told_free = 0; /* nothing can be written, nor is there a reserve */
	way_to_end(here, "sessions", "end", path);
	expect(act(here, path, ""), 303, NULL);
	expect(web_get(web.http, "/me", there), 303, NULL);
	assert_int_equal(sessions_of(here), 1);
	way_to_end(here, "tokens", "revoke", other);
	expect(act(here, other, ""), 303, NULL);
	expect(web_get(web.http, "/me.json", header), 401, NULL);
	expect(act(here, "/me/sessions/4711/end", ""), 507, NULL); /* there is none */
	assert_int_equal(sessions_stored("Fuller"), 2);
	told_free = -1;
	expect(web_get(web.http, "/me", here), 200, NULL);
	assert_int_equal(sessions_stored("Fuller"), 1); /* written down at the first chance */
	expect(web_get(web.http, "/me", there), 303, NULL);
	expect(web_get(web.http, "/me.json", header), 401, NULL);
}

static void a_token_from_the_command_line_works(void **state)
{
	char token[TOKEN_TEXT], header[200];

	add_account("Pau", ROLE_MEMBER, false);
	assert_fails(account_token(web.app, "Pau", "wrong horse", "x", token), ERR_AUTH);
	assert_ok(account_token(web.app, "Pau", "correct horse", "x", token));
	snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", token);
	expect(web_get(web.http, "/me.json", header), 200, "Pau");
}

/* --- the volunteers' page --- */

static void a_volunteer_adds_people(void **state)
{
	_cleanup_(freep) char *boss = NULL, *person = NULL;

	add_account("Quim", ROLE_STEWARD, true);
	boss = sign_in("Quim", "correct+horse");
	expect(web_get(web.http, "/admin/people", boss), 200, "Quim");
	expect(act(boss, "/admin/people", "name=Rosa&password=short&role=member"), 400,
	       "at least 8 characters");
	expect(act(boss, "/admin/people", "name=Rosa&password=correct+horse&role=king"), 400, NULL);
	expect(act(boss, "/admin/people", "name=Rosa&password=correct+horse&role=moderator"), 303,
	       NULL);
	expect(web_get(web.http, "/admin/people", boss), 200, "Rosa");
	expect(web_get(web.http, "/people/Rosa", ""), 200, "Rosa");
	person = sign_in("Rosa", "correct+horse");
	expect(web_get(web.http, "/admin/people", person), 403, NULL);
	expect(act(person, "/admin/people", "name=Sol&password=correct+horse"), 403, NULL);
}

static void expect_no_volunteer(const char *name)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct account a;

	assert_ok(app_conn(web.app, &c));
	assert_ok(account_by_name(c, name, &a));
	assert_false(a.volunteer);
}

static void heavy_acts_want_a_fresh_session(void **state)
{
	_cleanup_(freep) char *boss = sign_in("Quim", "correct+horse"), *again = NULL;

	ahead += 31 * 60 * 1000;
	expect(act(boss, "/admin/people", "name=Toni&password=correct+horse&role=member"), 303,
	       NULL);
	expect(act(boss, "/admin/people",
		   "name=Uma&password=correct+horse&role=member&volunteer=1"),
	       403, "some time ago");
	again = sign_in("Quim", "correct+horse");
	expect(act(again, "/admin/people",
		   "name=Urs&password=correct+horse&role=member&volunteer=0"),
	       303, NULL);
	expect_no_volunteer("Urs");
	expect(act(again, "/admin/people",
		   "name=Uma&password=correct+horse&role=member&volunteer=1"),
	       303, NULL);
}

static void nothing_that_opens_anything_is_in_the_files(void **state)
{
	_cleanup_(freep) char *cookie = NULL, *path = path_join(web.dir, "local.db");
	_cleanup_(freep) char *wal = path_join(web.dir, "local.db-wal");
	_cleanup_(buf_release) struct buf all = {0};
	uint8_t raw[32], seed[32];
	char token[TOKEN_TEXT], text[53];
	struct error *e;

	add_account("Vera", ROLE_MEMBER, false);
	cookie = sign_in("Vera", "correct+horse");
	assert_ok(account_token(web.app, "Vera", "correct horse", "x", token));
	assert_ok(file_read(path, 1 << 26, &all));
	e = file_read(wal, 1 << 26, &all);
	error_free(e);
	snprintf(text, sizeof(text), "%.52s", strchr(cookie, '=') + 1);
	assert_true(id_parse(text, raw));
	assert_null(memmem(all.p, all.n, raw, 32));
	assert_null(memmem(all.p, all.n, strchr(cookie, '=') + 1, 52));
	assert_null(memmem(all.p, all.n, token + 7, 52));
	assert_null(memmem(all.p, all.n, "correct horse", 13));
	secret_seed(web.steward, seed);
	assert_null(memmem(all.p, all.n, seed, 32));
	assert_null(memmem(all.p, all.n, "127.0.0.1", 9));
}

/* --- the first volunteer --- */

static struct error *keep(struct conn *c, void *arg)
{
	struct web *w = arg;

	return account_create_claimable(c, w->app->self, w->steward);
}

static void the_first_volunteer_takes_the_keys(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(freep) char *cookie = NULL, *header = NULL;
	char old[CLAIM_TEXT], code[CLAIM_TEXT], path[100];
	struct web_answer a;
	struct member m;

	stop(NULL);
	start(NULL);
	assert_ok(writer_run(web.app->writer, keep, &web));
	assert_ok(claim_new(web.app, old));
	assert_ok(claim_new(web.app, code));
	snprintf(path, sizeof(path), "/claim/%s", old);
	expect(web_get(web.http, path, ""), 410, NULL);
	snprintf(path, sizeof(path), "/claim/%s", code);
	expect(web_get(web.http, path, ""), 200, "name=\"password2\"");
	expect(web_post(web.http, path, "", "name=Zoe&password=a&password2=a"), 400, "Zoe");
	a = web_post(web.http, path, "", "name=Zoe&password=correct+horse&password2=correct+horse");
	assert_int_equal(a.status, 303);
	cookie = web_cookie(&a, "lliure-here");
	web_answer_release(&a);
	assert_true(asprintf(&header, "Cookie: %s\r\n", cookie) > 0);
	expect(web_get(web.http, "/admin/people", header), 200, "Zoe");
	assert_ok(app_conn(web.app, &c));
	assert_ok(member_by_name(c, &web.space, "Zoe", &m));
	assert_int_equal(m.role, ROLE_STEWARD);
	assert_memory_equal(m.key.b, secret_pubkey(web.steward)->b, 32);
	expect(web_get(web.http, path, ""), 410, NULL);
	expect(web_post(web.http, path, "",
			"name=Eve&password=correct+horse&password2=correct+horse"),
	       410, NULL);
	assert_fails(claim_new(web.app, code), ERR_EXISTS);
}

struct later {
	const struct env *env;
	int64_t by;
};

static int64_t later_now(void *ctx)
{
	const struct later *l = ctx;

	return env_now(l->env) + l->by;
}

static struct error *look_later(struct conn *c, void *arg)
{
	return claim_check(c, arg);
}

static void a_code_made_at_the_box_makes_one_more_volunteer_for_half_an_hour(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	char code[CLAIM_TEXT], next[CLAIM_TEXT];
	struct later later = {.by = CLAIM_AT_BOX_MS + 1000};
	const struct env *now;
	struct env moved;
	struct account a;
	int64_t all, volunteers;

	stop(NULL);
	start(NULL);
	assert_ok(account_create(web.app,
				 &(struct account_new){.name = "Ona",
						       .password = "correct horse",
						       .role = ROLE_MEMBER,
						       .volunteer = true},
				 NULL));
	assert_fails(claim_new(web.app, code), ERR_EXISTS);
	assert_ok(claim_at_box(web.app, code));
	assert_ok(account_claim(web.app, code, "Zoe", "correct horse", &a));
	assert_true(a.volunteer);
	/* Once. */
	assert_fails(account_claim(web.app, code, "Eve", "correct horse", &a), ERR_GONE);
	assert_ok(app_conn(web.app, &c));
	assert_ok(account_counts(c, &all, &volunteers));
	assert_int_equal(volunteers, 2);
	/* And not for ever. */
	assert_ok(claim_at_box(web.app, next));
	assert_ok(look_later(c, next));
	now = c->env;
	later.env = now;
	moved = *now;
	moved.ctx = &later;
	moved.now_ms = later_now;
	c->env = &moved;
	assert_fails(look_later(c, next), ERR_GONE);
	c->env = now;
}

/* An address without a page is still somebody's page. */
static void who_is_signed_in_is_so_where_there_is_nothing(void **state)
{
	_cleanup_(freep) char *cookie = NULL;
	struct web_answer a;

	add_account("Neus", ROLE_MEMBER, false);
	cookie = sign_in("Neus", "correct+horse");
	a = web_get(web.http, "/nothing-here", cookie);
	assert_int_equal(a.status, 404);
	assert_non_null(strstr(a.body, ">Neus<"));
	assert_null(strstr(a.body, "/sign-in"));
	web_answer_release(&a);
	expect(web_get(web.http, "/nothing-here", ""), 404, "/sign-in");
	expect(web_get(web.http, "/nothing-here", "Cookie: lliure-here=aaaa\r\n"), 404, "/sign-in");
}

struct resealing_for {
	const struct secret *now, *next;
};

static struct error *reseal_for(struct conn *c, void *arg)
{
	struct resealing_for *k = arg;

	return account_reseal_claim(c, k->now, k->next);
}

/* Whether the power was cut before the new key was in place, or came twice. */
static void a_box_with_a_new_key_still_has_its_founders(void **state)
{
	_cleanup_(secret_freep) struct secret *lost = test_key(901), *next = test_key(902);
	struct secret *now;
	struct resealing_for k;
	char code[CLAIM_TEXT];
	struct account a;

	stop(NULL);
	start(NULL);
	now = web.app->self;
	assert_ok(writer_run(web.app->writer, keep, &web));
	k = (struct resealing_for){now, lost};
	assert_ok(writer_run(web.app->writer, reseal_for, &k));
	k = (struct resealing_for){now, next};
	assert_ok(writer_run(web.app->writer, reseal_for, &k));
	assert_ok(claim_new(web.app, code));
	web.app->self = lost;
	assert_fails(account_claim(web.app, code, "Zoe", "correct horse", &a), ERR_CORRUPT);
	web.app->self = next;
	k = (struct resealing_for){next, now};
	assert_ok(writer_run(web.app->writer, reseal_for, &k));
	web.app->self = now;
	assert_ok(account_claim(web.app, code, "Zoe", "correct horse", &a));
	assert_memory_equal(a.key.b, secret_pubkey(web.steward)->b, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_an_account_and_a_member_of_the_home_space),
		cmocka_unit_test(refuses_names_and_passwords_that_make_trouble),
		cmocka_unit_test(a_stranger_to_the_rules_makes_no_steward),
		cmocka_unit_test(a_password_opens_the_key_and_nothing_else_does),
		cmocka_unit_test(a_forgotten_password_costs_the_key),
		cmocka_unit_test(signs_in_and_out),
		cmocka_unit_test(goes_on_to_where_the_reader_was_and_nowhere_else),
		cmocka_unit_test(asks_no_password_on_the_plain_door),
		cmocka_unit_test(a_cookie_is_worth_nothing_at_another_door),
		cmocka_unit_test(a_cookie_from_the_plain_door_never_makes_a_volunteer),
		cmocka_unit_test(a_cookie_from_the_plain_door_ends_nothing_else),
		cmocka_unit_test(a_new_session_replaces_the_old_one),
		cmocka_unit_test(a_session_ends_after_a_month),
		cmocka_unit_test(guessing_is_slowed_but_nobody_is_locked_out),
		cmocka_unit_test(who_guesses_all_the_time_does_not_keep_the_owner_out),
		cmocka_unit_test(one_person_has_so_many_sessions_and_pushes_out_nobody_else),
		cmocka_unit_test(a_new_password_ends_the_other_sessions),
		cmocka_unit_test(sees_and_ends_sessions),
		cmocka_unit_test(a_token_speaks_for_its_owner_until_it_is_revoked),
		cmocka_unit_test(a_full_disk_keeps_nobody_signed_in),
		cmocka_unit_test(what_was_ended_on_a_full_disk_stays_ended),
		cmocka_unit_test(a_token_from_the_command_line_works),
		cmocka_unit_test(a_volunteer_adds_people),
		cmocka_unit_test(heavy_acts_want_a_fresh_session),
		cmocka_unit_test(nothing_that_opens_anything_is_in_the_files),
		cmocka_unit_test(the_first_volunteer_takes_the_keys),
		cmocka_unit_test(
			a_code_made_at_the_box_makes_one_more_volunteer_for_half_an_hour),
		cmocka_unit_test(who_is_signed_in_is_so_where_there_is_nothing),
		cmocka_unit_test(a_box_with_a_new_key_still_has_its_founders),
	};

	test_init();
	return cmocka_run_group_tests(tests, start, stop);
}
