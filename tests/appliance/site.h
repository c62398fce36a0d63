/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A whole box in this process, for the tests of pages: its folder, its writer, its HTTP server on a
 * port of the system's choice, with the steward "remei", the member "joan", the moderator "aina"
 * and the volunteer "vol", each with a token. Requests are made by libcurl over loopback.
 */
#pragma once
#include "tests/lib/test.h"
#include "appliance/app_priv.h"
#include "appliance/http/http.h"
#include "appliance/member/account.h"
#include "appliance/member/session.h"
#include "appliance/page/language.h"
#include "appliance/page/templates.h"
#include <curl/curl.h>

enum site_person { NOBODY = -1, REMEI, JOAN, AINA, VOL, SITE_PEOPLE };
struct site {
	char *dir;
	struct app *app;
	struct http_server *http;
	struct secret *steward;
	struct hash space, forum;
	char tokens[SITE_PEOPLE][TOKEN_TEXT];
	/* Who has one comes with the session of a browser instead (site_sign_in). */
	char sessions[SITE_PEOPLE][SESSION_TEXT];
	struct ticket tickets[SITE_PEOPLE];
};

struct reply {
	long status;
	struct buf body, head; /* head: the headers, as they came */
	char *location;
	json_t *json; /* NULL unless the body is JSON */
};

static inline void reply_release(struct reply *r)
{
	buf_release(&r->body);
	buf_release(&r->head);
	free(r->location);
	json_decref(r->json);
}

static inline size_t site_body(char *p, size_t one, size_t n, void *ctx)
{
	buf_add(ctx, p, one * n);
	return one * n;
}

/* With the session's word against forged forms, wherever the form may have it. */
static inline void site_add_csrf(const char *form, const char *csrf, struct buf *out)
{
	if (*form == '{') {
		buf_puts(out, "{\"csrf\":\"");
		buf_puts(out, csrf);
		buf_puts(out, form[1] == '}' ? "\"" : "\",");
		buf_puts(out, form + 1);
	} else {
		buf_puts(out, form);
		buf_puts(out, "&csrf=");
		buf_puts(out, csrf);
	}
}

/* form: a form's body, or JSON when it begins with "{"; NULL: GET. */
static inline struct reply site_ask(struct site *s, enum site_person who, const char *path,
				    const char *form)
{
	struct reply r = {.status = 0};
	struct curl_slist *headers = NULL;
	CURL *c = curl_easy_init();
	char url[4000], bearer[200];
	char *location = NULL;
	bool session = who != NOBODY && *s->sessions[who];
	_cleanup_(buf_release) struct buf with_csrf = {0};

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http_port(s->http), path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, site_body);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, site_body);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &r.head);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &r.body);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
	if (form && session) {
		site_add_csrf(form, s->tickets[who].csrf, &with_csrf);
		form = buf_str(&with_csrf);
	}
	if (form)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, form);
	if (form && *form == '{')
		headers = curl_slist_append(headers, "Content-Type: application/json");
	if (who != NOBODY) {
		snprintf(bearer, sizeof(bearer),
			 session ? "Cookie: lliure-here=%s" : "Authorization: Bearer %s",
			 session ? s->sessions[who] : s->tokens[who]);
		headers = curl_slist_append(headers, bearer);
	}
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	assert_int_equal(curl_easy_perform(c), CURLE_OK);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r.status);
	curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &location);
	if (location)
		r.location = strdup(strstr(location, "://") ? strchr(location + 8, '/') : location);
	r.json = json_loadb((const char *)r.body.p, r.body.n, 0, NULL);
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	return r;
}

/* Text at a path such as "posts.0.author"; "" when there is none. Numbers and flags as "12",
 * "true". */
static inline const char *reply_text(const struct reply *r, const char *path, char out[300])
{
	const json_t *o = r->json;
	char part[100];

	while (*path) {
		size_t n = strcspn(path, ".");

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		o = json_is_array(o) ? json_array_get(o, (size_t)strtol(part, NULL, 10))
				     : json_object_get(o, part);
		path += n + (path[n] == '.');
	}
	snprintf(out, 300, "%s",
		 json_is_string(o)  ? json_string_value(o)
		 : json_is_true(o)  ? "true"
		 : json_is_false(o) ? "false"
				    : "");
	if (json_is_integer(o))
		snprintf(out, 300, "%lld", (long long)json_integer_value(o));
	return out;
}
#define TEXT(r, path) (reply_text((r), (path), (char[300]){0}))

/* What must go well: JSON, consumed. out NULL, or the url of the answer. */
static inline void site_say(struct site *s, enum site_person who, const char *path,
			    json_t *take_body, char out[300])
{
	_cleanup_(freep) char *form = json_dumps(take_body, 0);
	_cleanup_(reply_release) struct reply r = site_ask(s, who, path, form);

	json_decref(take_body);
	if (r.status >= 300)
		fail_msg("%s: %ld %s", path, r.status, buf_str(&r.body));
	if (out)
		reply_text(&r, "url", out);
}

static inline struct error *site_found(struct conn *c, void *arg)
{
	struct site *s = arg;
	struct draft d = {.type = "forum.create", .author = s->steward};

	TRY(community_found(c, "Ateneu", s->steward, "remei", &s->space));
	d.space = s->space;
	d.take_body =
		json_pack("{s:s, s:s, s:s}", "slug", "general", "title", "Plaça", "about", "Tot");
	return community_submit(c, &d, &s->forum);
}

static inline void site_person(struct site *s, enum site_person who, const char *name,
			       enum role role)
{
	struct account_new n = {.name = name,
				.password = "una frase llarga",
				.role = role,
				.volunteer = who == VOL,
				.by = s->steward};

	if (who == REMEI)
		n.key = s->steward;
	assert_ok(account_create(s->app, &n, NULL));
	assert_ok(account_token(s->app, name, n.password, "test", s->tokens[who]));
}

struct site_session {
	struct ticket ticket;
	struct account account;
	struct secret *secret;
};

static inline struct error *site_add_session(struct conn *c, void *arg)
{
	struct site_session *x = arg;
	int64_t id;

	return session_add(c, &x->ticket, x->account.id, x->secret, DOOR_LOOPBACK, &id);
}

/* As in a browser, just now: heavy acts need it. */
static inline void site_sign_in(struct site *s, enum site_person who, const char *name)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct site_session x = {.secret = NULL};

	assert_ok(app_conn(s->app, &c));
	assert_ok(account_open(s->app, c, name, "una frase llarga", &x.account, &x.secret));
	ticket_new(s->app->env, "session", s->sessions[who], &x.ticket);
	s->tickets[who] = x.ticket;
	assert_ok(writer_run(s->app->writer, site_add_session, &x));
	secret_free(x.secret);
}

static inline void site_open(struct site *s)
{
	_cleanup_(freep) char *key_path = NULL;
	struct secret *key = test_key(500);

	*s = (struct site){.dir = test_dir(), .steward = test_key(501)};
	key_path = path_join(s->dir, "key");
	assert_ok(secret_save(key_path, key));
	secret_free(key);
	assert_ok(app_open(s->dir, &env_system, &s->app));
	s->app->password_cost = (struct password_cost){1, 8192};
	assert_ok(languages_load(assets, &s->app->languages));
	assert_ok(templates_load(assets, s->app->languages, &s->app->templates));
	assert_ok(writer_run(s->app->writer, site_found, s));
	site_person(s, REMEI, "remei", ROLE_STEWARD);
	site_person(s, JOAN, "joan", ROLE_MEMBER);
	site_person(s, AINA, "aina", ROLE_MODERATOR);
	site_person(s, VOL, "vol", ROLE_NONE);
	assert_ok(http_start(s->app, &(struct http_options){.http = "127.0.0.1:0", .threads = 2},
			     &s->http));
}

static inline void site_close(struct site *s)
{
	struct templates *t = s->app->templates;
	struct languages *l = s->app->languages;

	http_stop(s->http);
	app_close(s->app);
	templates_free(t);
	languages_free(l);
	secret_free(s->steward);
	test_dir_remove(s->dir);
}

/* As a browser sends a form with a file. */
static inline struct reply site_send_file(struct site *s, enum site_person who, const char *path,
					 const char *name, const void *bytes, size_t n,
					 const char *title)
{
	struct reply r = {.status = 0};
	CURL *c = curl_easy_init();
	curl_mime *form = curl_mime_init(c);
	curl_mimepart *part = curl_mime_addpart(form);
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
	char url[400], bearer[200];

	curl_mime_name(part, "title");
	curl_mime_data(part, title, CURL_ZERO_TERMINATED);
	part = curl_mime_addpart(form);
	curl_mime_name(part, "file");
	curl_mime_filename(part, name);
	curl_mime_type(part, "text/html"); /* what the sender claims is not believed */
	curl_mime_data(part, bytes, n);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http_port(s->http), path);
	snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", s->tokens[who]);
	headers = curl_slist_append(headers, bearer);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_MIMEPOST, form);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, site_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &r.body);
	assert_int_equal(curl_easy_perform(c), CURLE_OK);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r.status);
	r.json = json_loadb((const char *)r.body.p, r.body.n, 0, NULL);
	curl_mime_free(form);
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	return r;
}

/* Of a group of tests: its begin set *state to the site. */
static inline int site_end(void **state)
{
	site_close(*state);
	return 0;
}
