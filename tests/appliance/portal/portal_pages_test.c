/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What each system sends to find out about a network (tests/firmware/portal/requests/), and what a
 * served box answers before and after the tap. */
#include "tests/lib/test.h"
#include "tests/lib/web.h"
#include "firmware/portal/portal.h"
#include "firmware/portal/probe.h"

static struct web web;
static struct portal *portal;
static const struct portal_place place = {"10.1.1.1", "box.local", "box.lan"};

static int start(void **state)
{
	web_start(&web, &(struct web_options){.found = true, .https = true});
	portal = portal_new(&env_system);
	web.app->portal = portal;
	return 0;
}

static int stop(void **state)
{
	web_stop(&web);
	portal_free(portal);
	return 0;
}

static struct web_answer ask(const char *request, int client)
{
	int fd = web_connect_from(web.http, client);
	struct web_answer a;

	web_send(fd, request, strlen(request));
	a = web_receive(fd);
	close(fd);
	return a;
}

/* The file's lines, ended as HTTP ends them. */
static char *recorded(const char *name)
{
	char path[200];
	size_t n, at = 0;
	_cleanup_(freep) char *text = NULL;
	char *out;

	snprintf(path, sizeof(path), "tests/firmware/portal/requests/%s", name);
	text = test_source_file(path, &n);
	out = malloc(2 * n + 1);
	assert_non_null(out);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			out[at++] = '\r';
		out[at++] = text[i];
	}
	out[at] = 0;
	return out;
}

static const struct {
	const char *file;
	int status; /* when it has been let go; 302: to the page, always */
	const char *body;
	const char *type;
} systems[] = {
	{"android", 204, "", NULL},
	{"android-google", 204, "", NULL},
	{"android-maker", 204, "", NULL},
	{"android-unknown-maker", 204, "", NULL},
	{"chromeos", 204, "", NULL},
	{"ios", 200, "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
	 "text/html"},
	{"ios-old", 200, "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
	 "text/html"},
	{"macos", 200, "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
	 "text/html"},
	{"windows", 200, "Microsoft Connect Test", "text/plain"},
	{"windows-7", 200, "Microsoft NCSI", "text/plain"},
	{"windows-browser", 302, "", NULL},
	{"firefox", 200, "success\n", "text/plain"},
	{"firefox-canonical", 200,
	 "<meta http-equiv=\"refresh\" "
	 "content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>",
	 "text/html"},
	{"gnome", 200, "NetworkManager is online\n", "text/plain"},
	{"debian", 200, "NetworkManager is online\n", "text/plain"},
	{"ubuntu", 204, "", NULL},
	{"fedora", 200, "OK", "text/plain"},
};

static void expect_to_the_page(const char *what, struct web_answer a)
{
	_cleanup_(freep) char *to = web_header(&a, "Location");
	char want[80];

	snprintf(want, sizeof(want), "http://10.1.1.1:%d/portal", web.http);
	if (a.status != 302 || !to || strcmp(to, want) != 0 || a.body_n)
		fail_msg("%s: wanted 302 to %s, got %d to %s", what, want, a.status, to ? to : "-");
	web_answer_release(&a);
}

static void expect_well(size_t i, struct web_answer a)
{
	_cleanup_(freep) char *type = web_header(&a, "Content-Type");
	_cleanup_(freep) char *keep = web_header(&a, "Cache-Control");

	if (a.status != systems[i].status || a.body_n != strlen(systems[i].body) ||
	    memcmp(a.body, systems[i].body, a.body_n) != 0)
		fail_msg("%s: wanted %d, got %d: %s", systems[i].file, systems[i].status, a.status,
			 a.body);
	assert_non_null(keep);
	assert_string_equal(keep, "no-store");
	if (systems[i].type)
		assert_true(type && strncmp(type, systems[i].type, strlen(systems[i].type)) == 0);
	web_answer_release(&a);
}

static struct web_answer tap(int client)
{
	return ask("POST /portal HTTP/1.1\r\nHost: 10.1.1.1\r\nOrigin: http://10.1.1.1\r\n"
		   "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n"
		   "Connection: close\r\n\r\n",
		   client);
}

static void leads_every_system_to_the_page_and_lets_it_go(void **state)
{
	struct web_answer a;

	portal_open(portal, &place);
	for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
		_cleanup_(freep) char *request = recorded(systems[i].file);

		expect_to_the_page(systems[i].file, ask(request, 10));
	}
	a = tap(10);
	assert_int_equal(a.status, 303);
	web_answer_release(&a);
	for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
		_cleanup_(freep) char *request = recorded(systems[i].file);

		if (systems[i].status == 302)
			expect_to_the_page(systems[i].file, ask(request, 10));
		else
			expect_well(i, ask(request, 10));
		/* another device is not this one */
		expect_to_the_page(systems[i].file, ask(request, 11));
	}
	portal_close(portal);
}

static void tells_ubuntu_in_the_header_that_it_reads(void **state)
{
	_cleanup_(freep) char *request = recorded("ubuntu"), *said = NULL;
	struct web_answer a;

	portal_open(portal, &place);
	a = tap(12);
	web_answer_release(&a);
	a = ask(request, 12);
	said = web_header(&a, "X-NetworkManager-Status");
	assert_non_null(said);
	assert_string_equal(said, "online");
	web_answer_release(&a);
	portal_close(portal);
}

/* A box on somebody else's network lies to nobody. */
static void answers_nothing_while_it_is_closed(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
		_cleanup_(freep) char *request = recorded(systems[i].file);
		struct web_answer a = ask(request, 13);

		if (a.status == 302 || a.status == 204)
			fail_msg("%s: got %d", systems[i].file, a.status);
		web_answer_release(&a);
	}
}

static struct web_answer get(const char *path, const char *lang, int client)
{
	char request[400];

	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: 10.1.1.1\r\nAccept-Language: %s\r\n"
		 "Connection: close\r\n\r\n",
		 path, lang);
	return ask(request, client);
}

static void shows_one_small_page_without_a_sign_in(void **state)
{
	static const char *const langs[] = {"ca", "es", "en"};

	portal_open(portal, &place);
	for (size_t i = 0; i < ARRAY_LEN(langs); i++) {
		struct web_answer a = get("/portal", langs[i], 14);
		struct web_answer style = get("/static/portal.css", langs[i], 14);
		_cleanup_(freep) char *cookie = web_header(&a, "Set-Cookie");

		assert_int_equal(a.status, 200);
		assert_int_equal(style.status, 200);
		assert_true(a.body_n + style.body_n < 10 * 1024);
		assert_non_null(strstr(a.body, ">box.local<"));
		assert_non_null(strstr(a.body, ">10.1.1.1<"));
		assert_non_null(strstr(a.body, "<button>"));
		assert_null(strstr(a.body, "password"));
		assert_null(strstr(a.body, "/sign-in"));
		assert_null(strstr(a.body, "style.css"));
		assert_null(cookie);
		web_answer_release(&a);
		web_answer_release(&style);
	}
	portal_close(portal);
}

static void speaks_the_language_of_rfc_8908(void **state)
{
	struct web_answer a;
	_cleanup_(freep) char *type = NULL;
	const char *portal_url;
	json_t *j;

	portal_open(portal, &place);
	a = get("/captive", "en", 15);
	type = web_header(&a, "Content-Type");
	assert_non_null(type);
	assert_string_equal(type, "application/captive+json");
	j = json_loads(a.body, 0, NULL);
	assert_true(json_is_true(json_object_get(j, "captive")));
	portal_url = json_string_value(json_object_get(j, "user-portal-url"));
	assert_non_null(portal_url);
	assert_memory_equal(portal_url, "https://", strlen("https://"));
	assert_non_null(strstr(portal_url, "/portal"));
	json_decref(j);
	web_answer_release(&a);
	a = tap(15);
	web_answer_release(&a);
	a = get("/captive", "en", 15);
	j = json_loads(a.body, 0, NULL);
	assert_true(json_is_false(json_object_get(j, "captive")));
	assert_null(json_object_get(j, "user-portal-url"));
	assert_non_null(json_object_get(j, "venue-info-url"));
	json_decref(j);
	web_answer_release(&a);
	portal_close(portal);
	a = get("/captive", "en", 16);
	assert_non_null(strstr(a.body, "\"captive\":false"));
	web_answer_release(&a);
	a = get("/portal", "en", 16);
	assert_int_equal(a.status, 303);
	web_answer_release(&a);
}

/* Pages asked for by our own names are pages, whatever their path; hostile names get no more than
 * anybody. */
static void is_not_fooled_by_the_name_it_is_asked_for(void **state)
{
	static const struct {
		const char *host, *path;
		bool page;
	} rows[] = {
		{"box.local", "/generate_204", false},
		{"10.1.1.1", "/generate_204", false},
		{"box.lan", "/generate_204", false},
		{"[fd00::1]", "/generate_204", false},
		{"localhost", "/generate_204", false},
		{"CAPTIVE.apple.COM:80", "/hotspot-detect.html", true},
		{"captive.apple.com.", "/hotspot-detect.html", true},
		{"captive.apple.com.evil.example", "/hotspot-detect.html", false},
		{"evil.example", "/hotspot-detect.html", false},
		{"www.apple.com", "/%2e%2e/etc/passwd", false},
		{"www.google.com", "/", true},
		{"www.google.com", "/search?q=a", true},
		{"...", "/generate_204", true}, /* a maker's name; the answer holds nothing of it */
	};

	portal_open(portal, &place);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char request[400];
		struct web_answer a;

		snprintf(request, sizeof(request),
			 "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", rows[i].path,
			 rows[i].host);
		a = ask(request, 17);
		if (rows[i].page) {
			expect_to_the_page(rows[i].host, a);
			continue;
		}
		if (a.status == 302 || a.status == 204)
			fail_msg("%s%s: got %d", rows[i].host, rows[i].path, a.status);
		web_answer_release(&a);
	}
	portal_close(portal);
}

static void refuses_broken_heads_before_it_answers(void **state)
{
	static const char *const heads[] = {
		"GET /generate_204 HTTP/1.1\r\n\r\n",
		"GET /generate_204 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /generate_204 HTTP/1.1\r\nHost: captive.apple.com\t\x01\r\n\r\n",
		"GET /generate_204 HTTP/1.1\r\nHost: x.example\r\nContent-Length: 3\r\n\r\nabc",
		"POST /generate_204 HTTP/1.1\r\nHost: x.example\r\nContent-Length: 0\r\n"
		"Connection: close\r\n\r\n",
		"GET http://captive.apple.com/hotspot-detect.html HTTP/1.1\r\n"
		"Host: captive.apple.com\r\nConnection: close\r\n\r\n",
	};

	portal_open(portal, &place);
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct web_answer a = ask(heads[i], 18);

		if (a.status < 400)
			fail_msg("%s: got %d", heads[i], a.status);
		web_answer_release(&a);
	}
	portal_close(portal);
}

/* Names of any bytes that a Host header may hold, from a seed: never a redirection elsewhere. */
static void leads_nowhere_else_whatever_the_host_header_says(void **state)
{
	static const char bytes[] = "abcXYZ019.-_:[]";
	struct test_env t;

	test_env_init(&t, 0, 7);
	portal_open(portal, &place);
	for (int i = 0; i < 300; i++) {
		char host[64], request[200];
		size_t n = 1 + test_below(&t, sizeof(host) - 2);
		struct web_answer a;
		_cleanup_(freep) char *to = NULL;

		for (size_t k = 0; k < n; k++)
			host[k] = bytes[test_below(&t, sizeof(bytes) - 1)];
		host[n] = 0;
		snprintf(request, sizeof(request),
			 "GET /generate_204 HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
			 host);
		a = ask(request, 19);
		to = web_header(&a, "Location");
		assert_true(a.status == 302 || a.status == 404 || a.status == 400);
		if (to)
			assert_int_equal(strncmp(to, "http://10.1.1.1:", 16), 0);
		web_answer_release(&a);
	}
	portal_close(portal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leads_every_system_to_the_page_and_lets_it_go),
		cmocka_unit_test(tells_ubuntu_in_the_header_that_it_reads),
		cmocka_unit_test(answers_nothing_while_it_is_closed),
		cmocka_unit_test(shows_one_small_page_without_a_sign_in),
		cmocka_unit_test(speaks_the_language_of_rfc_8908),
		cmocka_unit_test(is_not_fooled_by_the_name_it_is_asked_for),
		cmocka_unit_test(refuses_broken_heads_before_it_answers),
		cmocka_unit_test(leads_nowhere_else_whatever_the_host_header_says),
	};

	test_init();
	return cmocka_run_group_tests(tests, start, stop);
}
