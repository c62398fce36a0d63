/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The real server in this process, with routes of its own. */
#include "tests/lib/test.h"
#include "tests/lib/ahead.h"
#include "tests/lib/web.h"
#include "appliance/http/watch.h"
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* --- the pages under test --- */

#define ASSET(name, text)                                                                          \
	{                                                                                          \
		name, text, text + sizeof(text) - 1                                                \
	}
static const struct asset test_assets[] = {
	ASSET("templates/hello.mustache",
	      "[{{page.lang}}] {{#page.flash}}<b>{{text}}</b>{{/page.flash}}hello {{who}}"
	      "{{#page.me}}, {{name}}{{/page.me}} csrf={{page.csrf}} door={{page.door}} "
	      "https={{page.https_url}}"),
	ASSET("templates/error.mustache", "ERROR {{error.status}} {{error.name}}: {{error.text}}"),
	{NULL, NULL, NULL},
};

static struct error *hello(struct request *r)
{
	const char *who = request_query(r, "who");

	return respond_page(r, "hello", "Hello", json_pack("{s:s}", "who", who ? who : "world"));
}

static struct error *param(struct request *r)
{
	return respond_page(r, "hello", "Hello",
			    json_pack("{s:s}", "who", request_param(r, "name")));
}

static struct error *echo(struct request *r)
{
	const char *text = request_field(r, "text");

	if (!text)
		return error_new(ERR_INVALID, N_("Say something."));
	return respond_done_saying(r, "/hello", N_("This page does not exist"),
				   json_pack("{s:s}", "text", text));
}

static struct error *upload(struct request *r)
{
	struct hash blob;
	uint64_t size;
	const char *name;

	if (!request_upload(r, &blob, &size, &name))
		return error_new(ERR_INVALID, N_("No file."));
	return respond_page(r, "hello", "Hello",
			    json_pack("{s:s, s:I, s:s, s:s}", "who", name, "size", (json_int_t)size,
				      "blob", ID(&blob), "note", request_field(r, "note")));
}

static struct error *blob(struct request *r)
{
	struct hash h;

	ENSURE(id_parse(request_param(r, "id"), h.b), error_new(ERR_NOT_FOUND, N_("No.")));
	return respond_blob(r, &h, "page.html");
}

static struct error *broken(struct request *r)
{
	return error_new(ERR_DB, N_("/secret/path is broken"));
}

static struct error *silent(struct request *r)
{
	return NULL;
}

static struct error *limited(struct request *r)
{
	TRY(request_limit(r, "test", 2, 1));
	return hello(r);
}

static struct error *huge(struct request *r)
{
	char *text = arena_alloc(request_arena(r), 8 << 20);

	memset(text, 'x', (8 << 20) - 1);
	return respond_page(r, "hello", "Hello", json_pack("{s:s}", "who", text));
}

static struct error *slow(struct request *r)
{
	usleep(1000 * 1000);
	return hello(r);
}

static const struct route routes[] = {
	{"GET", "/", hello, ROUTE_CACHED},
	{"GET", "/hello", hello, 0},
	{"GET", "/cached", hello, ROUTE_CACHED},
	{"GET", "/name/:name", param, 0},
	{"GET", "/rest/*name", param, 0},
	{"GET", "/name/literal", hello, 0},
	{"POST", "/echo", echo, ROUTE_NO_CSRF},
	{"POST", "/guarded", echo, 0},
	{"POST", "/upload", upload, ROUTE_NO_CSRF | ROUTE_UPLOAD},
	{"GET", "/blob/:id", blob, 0},
	{"GET", "/broken", broken, 0},
	{"GET", "/silent", silent, 0},
	{"GET", "/limited", limited, 0},
	{"GET", "/slow", slow, 0},
	{"GET", "/huge", huge, 0},
	{"POST", "/keep", upload, ROUTE_UPLOAD},
	{"GET", "/me", hello, ROUTE_SIGNED_IN},
	{"GET", "/safe", hello, ROUTE_SAFE_DOOR},
	{"GET", "/volunteer", hello, ROUTE_VOLUNTEER},
	{NULL},
};
static const struct route *const tables[] = {routes, NULL};

static struct error *by_cookie(struct request *r, const char *value, struct viewer *ret,
			       bool *known)
{
	*known = strcmp(value, "good") == 0;
	if (*known)
		*ret = (struct viewer){.name = "Ada",
				       .role = "member",
				       .account = 1,
				       .session = 1,
				       .csrf = "token123"};
	return NULL;
}

static struct error *by_token(struct request *r, const char *value, struct viewer *ret, bool *known)
{
	*known = strcmp(value, "lliure_good") == 0;
	if (*known)
		*ret = (struct viewer){.name = "Robot", .role = "member", .account = 2};
	return NULL;
}
static const struct viewer_source viewers = {by_cookie, by_token};
static page_hook_fn *const no_hooks[] = {NULL};

static struct web web;

static int start(void **state)
{
	web_start(&web, &(struct web_options){.env = &env_ahead,
					      .assets = test_assets,
					      .https = true,
					      .http = {.routes = tables,
						       .viewers = &viewers,
						       .hooks = no_hooks,
						       .threads = 2}});
	return 0;
}

static int stop(void **state)
{
	web_stop(&web);
	return 0;
}

/* --- helpers --- */

static void expect(struct web_answer a, int status, const char *part)
{
	if (a.status != status || (part && (!a.body || !strstr(a.body, part))))
		fail_msg("wanted %d with '%s', got %d: %s", status, part ? part : "", a.status,
			 a.body ? a.body : "-");
	web_answer_release(&a);
}

static void expect_header(struct web_answer *a, const char *name, const char *want)
{
	_cleanup_(freep) char *v = web_header(a, name);

	if (!v || !strstr(v, want))
		fail_msg("%s: wanted '%s', got '%s'", name, want, v ? v : "-");
}

static void expect_raw(const char *request, int status)
{
	struct web_answer a = web_talk(web.http, request);

	if (a.status != status)
		fail_msg("wanted %d, got %d for: %s", status, a.status, request);
	web_answer_release(&a);
}

#define HOST "Host: localhost\r\n"
static const char session[] = "Cookie: lliure-here=good\r\n";

/* --- routing and pages --- */

static void serves_pages_their_twins_and_parameters(void **state)
{
	expect(web_get(web.http, "/hello?who=you", ""), 200, "hello you");
	expect(web_get(web.http, "/hello.json?who=you", ""), 200, "{\"who\":\"you\"}");
	expect(web_get(web.http, "/hello?who=you", "Accept: application/json\r\n"), 200,
	       "{\"who\"");
	expect(web_get(web.http, "/name/caf%C3%A9", ""), 200, "hello café");
	expect(web_get(web.http, "/name/literal", ""), 200, "hello world");
	expect(web_get(web.http, "/rest/a/b%20c", ""), 200, "hello a/b c");
	expect(web_get(web.http, "/", ""), 200, "hello world");
	expect(web_get(web.http, "/index.json", ""), 200, "{\"who\":\"world\"}");
	expect(web_get(web.http, "/hello?who=%3Cscript%3E", ""), 200, "&lt;script&gt;");
}

static void says_clearly_what_is_not_there(void **state)
{
	struct web_answer a;

	expect(web_get(web.http, "/nothing", ""), 404, "ERROR 404");
	expect(web_get(web.http, "/nothing.json", ""), 404, "\"not-found\"");
	expect(web_get(web.http, "/rest", ""), 404, NULL);
	expect(web_get(web.http, "/hello/", ""), 404, NULL);
	a = web_get(web.http, "/echo", "");
	expect_header(&a, "Allow", "POST");
	expect(a, 405, "ERROR 405");
	a = web_post(web.http, "/hello", "", "a=b");
	expect_header(&a, "Allow", "GET, HEAD");
	expect(a, 405, NULL);
	expect_raw("PUT /hello HTTP/1.1\r\n" HOST "Content-Length: 0\r\nConnection: close\r\n\r\n",
		   405);
	expect(web_get(web.http, "/nothing", "Accept-Language: ca\r\n"), 404, NULL);
}

static void keeps_its_own_faults_to_itself(void **state)
{
	struct web_answer a = web_get(web.http, "/broken", "");

	assert_null(strstr(a.body, "secret"));
	expect(a, 500, "ERROR 500");
	expect(web_get(web.http, "/silent", ""), 500, "ERROR 500");
	expect(web_get(web.http, "/hello", ""), 200, "hello");
}

static void sends_the_headers_that_protect_readers(void **state)
{
	static const char *const paths[] = {"/hello", "/nothing", "/cached", "/hello.json"};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct web_answer a = web_get(web.http, paths[i], "");

		expect_header(&a, "Content-Security-Policy",
			      "default-src 'none'; style-src 'self'");
		expect_header(&a, "Content-Security-Policy", "frame-ancestors 'none'");
		expect_header(&a, "X-Content-Type-Options", "nosniff");
		expect_header(&a, "Referrer-Policy", "same-origin");
		assert_null(strcasestr(a.head, "\r\nServer:"));
		web_answer_release(&a);
	}
}

static void answers_head_without_a_body(void **state)
{
	struct web_answer a, b;
	_cleanup_(freep) char *n = NULL, *m = NULL;
	int fd = web_connect(web.http);
	char text[] = "HEAD /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", rest[4096];
	ssize_t got, all = 0;

	a = web_get(web.http, "/hello", "Accept: */*\r\n");
	web_send(fd, text, strlen(text));
	while ((got = read(fd, rest + all, sizeof(rest) - 1 - (size_t)all)) > 0)
		all += got;
	rest[all] = 0;
	close(fd);
	assert_true(all > 4 && memcmp(rest + all - 4, "\r\n\r\n", 4) == 0);
	b = (struct web_answer){.head = strdup(rest)};
	n = web_header(&a, "Content-Length");
	m = web_header(&b, "Content-Length");
	assert_non_null(n);
	assert_non_null(m);
	web_answer_release(&a);
	web_answer_release(&b);
}

static void knows_what_a_browser_has_already(void **state)
{
	static const char *const paths[] = {"/hello", "/cached", "/cached", "/hello.json"};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct web_answer a = web_get(web.http, paths[i], "");
		_cleanup_(freep) char *etag = web_header(&a, "ETag");
		char header[100];

		assert_non_null(etag);
		web_answer_release(&a);
		snprintf(header, sizeof(header), "If-None-Match: %s\r\n", etag);
		a = web_get(web.http, paths[i], header);
		assert_int_equal(a.status, 304);
		assert_int_equal(a.body_n, 0);
		expect_header(&a, "ETag", etag);
		web_answer_release(&a);
	}
}

static void keeps_a_page_only_for_people_without_cookies(void **state)
{
	struct web_answer a;

	expect(web_get(web.http, "/cached?who=kept", ""), 200, "hello kept csrf= ");
	expect(web_get(web.http, "/cached?who=kept", ""), 200, "hello kept csrf= ");
	expect(web_get(web.http, "/cached?who=kept", session), 200,
	       "hello kept, Ada csrf=token123");
	expect(web_get(web.http, "/cached?who=kept", "Accept-Language: ca\r\n"), 200, "[ca]");
	expect(web_get(web.http, "/cached?who=kept", "Accept: application/json\r\n"), 200,
	       "{\"who");
	a = web_get(web.http, "/cached?who=kept", session);
	expect_header(&a, "Cache-Control", "no-store");
	web_answer_release(&a);
}

/* --- language --- */

static void speaks_the_language_of_header_cookie_or_link(void **state)
{
	_cleanup_(freep) char *cookie = NULL;
	struct web_answer a;

	expect(web_get(web.http, "/hello", ""), 200, "[en]");
	expect(web_get(web.http, "/hello", "Accept-Language: es-ES,es;q=0.9\r\n"), 200, "[es]");
	expect(web_get(web.http, "/hello", "Accept-Language: es\r\nCookie: lliure-lang=ca\r\n"),
	       200, "[ca]");
	a = web_get(web.http, "/cached?lang=ca", "");
	assert_true(strstr(a.body, "[ca]"));
	cookie = web_cookie(&a, "lliure-lang");
	assert_string_equal(cookie, "lliure-lang=ca");
	web_answer_release(&a);
	a = web_get(web.http, "/hello?lang=xx", "");
	assert_null(web_cookie(&a, "lliure-lang"));
	expect(a, 200, "[en]");
}

/* --- forms --- */

static void takes_forms_multipart_and_json(void **state)
{
	struct web_answer a = web_post(web.http, "/echo", "", "text=a%20b");

	expect_header(&a, "Location", "/hello");
	expect(a, 303, NULL);
	expect(web_post_json(web.http, "/echo", "", "{\"text\":\"a b\"}"), 201, "\"text\":\"a b\"");
	expect(web_post_json(web.http, "/echo", "", "{\"text\""), 400, "\"malformed\"");
	expect(web_post(web.http, "/echo", "", "other=1"), 400, "Say something.");
	expect(web_post(web.http, "/echo", "", "text=%ff"), 400, NULL);
	a = web_talk(
		web.http,
		"POST /echo HTTP/1.1\r\n" HOST "Content-Type: multipart/form-data; boundary=X\r\n"
		"Content-Length: 66\r\nConnection: close\r\n\r\n"
		"--X\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhello\r\n--X--\r\n");
	expect(a, 303, NULL);
	expect_raw("POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\n"
		   "Content-Length: 1\r\nConnection: close\r\n\r\nx",
		   415);
}

static void shows_a_sentence_once_and_only_its_own(void **state)
{
	struct web_answer a = web_post(web.http, "/echo", "", "text=x");
	_cleanup_(freep) char *cookie = web_cookie(&a, "lliure-said"), *gone = NULL;
	char header[1000], *dot;

	assert_non_null(cookie);
	web_answer_release(&a);
	snprintf(header, sizeof(header), "Cookie: %s\r\n", cookie);
	a = web_get(web.http, "/cached", header);
	assert_true(strstr(a.body, "<b>This page does not exist</b>"));
	gone = web_cookie(&a, "lliure-said");
	assert_string_equal(gone, "lliure-said=");
	web_answer_release(&a);
	expect(web_get(web.http, "/cached", ""), 200, "[en] hello");
	/* one letter of the sentence changed */
	dot = strchr(header, '.');
	dot[3] = dot[3] == 'a' ? 'b' : 'a';
	expect(web_get(web.http, "/cached", header), 200, "[en] hello");
	expect(web_get(web.http, "/cached", "Cookie: lliure-said=mfrgg.mfrgg\r\n"), 200,
	       "[en] hello");
}

static void wants_a_token_in_the_forms_of_people_with_a_cookie(void **state)
{
	char from[200];

	expect(web_post(web.http, "/guarded", "", "text=x"), 401, NULL);
	expect(web_post(web.http, "/guarded", session, "text=x"), 403, NULL);
	expect(web_post(web.http, "/guarded", session, "text=x&csrf=token124"), 403, NULL);
	expect(web_post(web.http, "/guarded", session, "text=x&csrf=token12"), 403, NULL);
	expect(web_post(web.http, "/guarded", session, "text=x&csrf=token123"), 303, NULL);
	expect(web_post(web.http, "/echo", session, "text=x"), 403, NULL);
	expect(web_post_json(web.http, "/guarded", session, "{\"text\":\"x\"}"), 403, NULL);
	expect(web_post_json(web.http, "/guarded", "Authorization: Bearer lliure_good\r\n",
			     "{\"text\":\"x\"}"),
	       201, NULL);
	expect(web_post_json(web.http, "/guarded", "Authorization: Bearer nonsense\r\n",
			     "{\"text\":\"x\"}"),
	       401, "\"sign-in\"");
	expect(web_post(web.http, "/echo", "Origin: http://evil.example\r\n", "text=x"), 403, NULL);
	/* browsers that do not say where from, but say which page led here */
	expect(web_post(web.http, "/echo", "Referer: http://evil.example/x\r\n", "text=x"), 403,
	       NULL);
	expect(web_post(web.http, "/echo", "Referer: http://localhost.evil.example/\r\n", "text=x"),
	       403, NULL);
	snprintf(from, sizeof(from), "Referer: http://localhost:%d/hello\r\n", web.http);
	expect(web_post(web.http, "/echo", from, "text=x"), 303, NULL);
	expect(web_post(web.http, "/echo", "Origin: null\r\n", "text=x"), 403, NULL);
	expect(web_post(web.http, "/echo", "Sec-Fetch-Site: cross-site\r\n", "text=x"), 403, NULL);
	snprintf(from, sizeof(from),
		 "Origin: http://localhost:%d\r\nSec-Fetch-Site: same-origin\r\n", web.http);
	expect(web_post(web.http, "/echo", from, "text=x"), 303, NULL);
}

static void keeps_each_door_to_its_own(void **state)
{
	struct web_answer a;

	/* another host than ours: not the loopback door, so another cookie and no passwords */
	a = web_talk(web.http, "GET /hello HTTP/1.1\r\nHost: 192.168.1.7\r\n"
			       "Cookie: lliure-here=good\r\nConnection: close\r\n\r\n");
	expect(a, 200, "csrf= door=http https=https://192.168.1.7:");
	expect_raw("GET /safe HTTP/1.1\r\nHost: 192.168.1.7\r\nConnection: close\r\n\r\n", 403);
	expect(web_get(web.http, "/safe", ""), 200, "door=loopback https=");
	a = web_get(web.http, "/me?x=1", "");
	expect_header(&a, "Location", "/sign-in?next=%2Fme");
	expect(a, 303, NULL);
	expect(web_get(web.http, "/me.json", ""), 401, "\"sign-in\"");
	expect(web_get(web.http, "/me", session), 200, "Ada");
	expect(web_get(web.http, "/volunteer", session), 403, NULL);
}

static void slows_down_who_is_too_fast(void **state)
{
	struct web_answer a;

	expect(web_get(web.http, "/limited", ""), 200, NULL);
	expect(web_get(web.http, "/limited", ""), 200, NULL);
	a = web_get(web.http, "/limited", "");
	expect_header(&a, "Retry-After", "");
	expect(a, 429, "too often");
}

/* --- uploads --- */

static void stores_an_uploaded_file_and_sends_it_back_harmless(void **state)
{
	struct web_answer a;
	json_t *j;
	char path[100];
	static const char body[] =
		"--X\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nmine\r\n"
		"--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"p.html\"\r\n\r\n"
		"<script>alert(1)</script>\r\n--X--\r\n";
	char request[1000];

	snprintf(request, sizeof(request),
		 "POST /upload HTTP/1.1\r\n" HOST "Accept: application/json\r\n"
		 "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n%s",
		 sizeof(body) - 1, body);
	a = web_talk(web.http, request);
	assert_int_equal(a.status, 200);
	j = json_loads(a.body, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(j, "size")), 25);
	assert_string_equal(json_string_value(json_object_get(j, "note")), "mine");
	snprintf(path, sizeof(path), "/blob/%s", json_string_value(json_object_get(j, "blob")));
	json_decref(j);
	web_answer_release(&a);
	a = web_get(web.http, path, "");
	assert_string_equal(a.body, "<script>alert(1)</script>");
	expect_header(&a, "Content-Type", "application/octet-stream");
	expect_header(&a, "Content-Disposition", "attachment");
	expect_header(&a, "Content-Security-Policy", "sandbox");
	web_answer_release(&a);
	a = web_get(web.http, path, "Range: bytes=1-6\r\n");
	assert_int_equal(a.status, 206);
	assert_string_equal(a.body, "script");
	expect_header(&a, "Content-Range", "bytes 1-6/25");
	web_answer_release(&a);
	a = web_get(web.http, path, "Range: bytes=-9\r\n");
	assert_string_equal(a.body, "</script>");
	web_answer_release(&a);
	expect(web_get(web.http, path, "Range: bytes=99-\r\n"), 416, NULL);
	expect(web_get(web.http, path, "Range: bytes=x\r\n"), 200, "<script>");
}

static void refuses_a_gigabyte_with_a_sentence(void **state)
{
	static const char head[] =
		"POST /upload HTTP/1.1\r\n" HOST "Content-Type: multipart/form-data; "
		"boundary=X\r\nContent-Length: 1073741824\r\n\r\n"
		"--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"big\"\r\n\r\n";
	char *piece = calloc(1, 1 << 20);
	struct web_answer a;
	int fd = web_connect(web.http);

	web_send(fd, head, strlen(head));
	for (int i = 0; i < 16; i++)
		web_send(fd, piece, 1 << 20);
	a = web_receive(fd);
	expect(a, 413, "larger than this box accepts");
	close(fd);
	free(piece);
	/* a form has a smaller limit */
	expect_raw("POST /echo HTTP/1.1\r\n" HOST
		   "Content-Type: application/x-www-form-urlencoded\r\n"
		   "Content-Length: 2000000\r\n\r\n",
		   413);
	expect(web_get(web.http, "/hello", ""), 200, "hello");
}

static struct error *count_blob(void *ctx, const struct hash *h, uint64_t size)
{
	++*(int *)ctx;
	return NULL;
}

static int blobs(void)
{
	int n = 0;

	assert_ok(blob_each(web.app->blobs, count_blob, &n));
	return n;
}

static void keeps_no_file_of_who_may_not_send_one(void **state)
{
	static const char body[] =
		"--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"p\"\r\n\r\n"
		"not yours\r\n--X--\r\n";
	char request[1000];
	int before = blobs();

	snprintf(request, sizeof(request),
		 "POST /keep HTTP/1.1\r\n" HOST "%s"
		 "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n%s",
		 session, sizeof(body) - 1, body); /* without csrf */
	expect_raw(request, 403);
	assert_int_equal(blobs(), before);
	/* a stranger is told before the body was sent */
	expect_raw("POST /keep HTTP/1.1\r\n" HOST
		   "Content-Type: multipart/form-data; boundary=X\r\n"
		   "Content-Length: 100000000\r\n\r\n",
		   401);
}

static void the_texts_beside_a_file_are_bounded_together(void **state)
{
	static const char part[] = "--X\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\n";
	enum { TEXT = 300 * 1024, PARTS = 5 };
	size_t n = PARTS * (sizeof(part) - 1 + TEXT + 2) + 7;
	char *body = calloc(1, n + 1), *at = body, head[300];
	int fd = web_connect(web.http);

	for (int i = 0; i < PARTS; i++) {
		memcpy(at, part, sizeof(part) - 1);
		memset(at + sizeof(part) - 1, 'a', TEXT);
		at += sizeof(part) - 1 + TEXT;
		memcpy(at, "\r\n", 2);
		at += 2;
	}
	memcpy(at, "--X--\r\n", 7);
	snprintf(head, sizeof(head),
		 "POST /upload HTTP/1.1\r\n" HOST
		 "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n",
		 n);
	web_send(fd, head, strlen(head));
	web_send(fd, body, n);
	expect(web_receive(fd), 413, NULL);
	close(fd);
	free(body);
}

/* Begins with a file of `size` bytes and sends nothing of it. */
static int begin_to_send(const char *path, size_t size)
{
	int fd = web_connect(web.http);
	char head[400];

	snprintf(head, sizeof(head),
		 "POST %s HTTP/1.1\r\n" HOST "Content-Type: multipart/form-data; boundary=X\r\n"
		 "Content-Length: %zu\r\n\r\n--X\r\nContent-Disposition: form-data; name=\"f\"; "
		 "filename=\"p\"\r\n\r\nabc",
		 path, size);
	web_send(fd, head, strlen(head));
	return fd;
}

/* Of a whole file of 5 MiB. */
static int send_large(void)
{
	enum { N = 5 << 20 };
	static const char end[] = "\r\n--X--\r\n";
	char *bytes = calloc(1, N);
	int fd = begin_to_send("/upload", N), status;
	size_t head = strlen("--X\r\nContent-Disposition: form-data; name=\"f\"; "
			     "filename=\"p\"\r\n\r\nabc");
	struct web_answer a;

	memcpy(bytes + N - head - strlen(end), end, strlen(end));
	web_send(fd, bytes, N - head);
	a = web_receive(fd);
	status = a.status;
	if (status != 200)
		assert_non_null(strstr(a.body, "Other files are being sent"));
	web_answer_release(&a);
	close(fd);
	free(bytes);
	return status;
}

static void who_begins_with_many_files_waits_with_the_next(void **state)
{
	int one, two, status, tries = 0;

	assert_int_equal(send_large(), 200);
	one = begin_to_send("/upload", 20 << 20);
	two = begin_to_send("/upload", 20 << 20);
	while ((status = send_large()) == 200 && tries++ < 100)
		usleep(20000); /* the others have not begun yet */
	assert_int_equal(status, 503);
	close(one);
	close(two);
	tries = 0;
	while ((status = send_large()) != 200 && tries++ < 100)
		usleep(20000);
	assert_int_equal(status, 200); /* what was promised them is free again */
}

/* --- memory --- */

static bool is_closed(int fd)
{
	char bytes[65536];
	ssize_t n;

	do
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

static int count_closed(const int *fd, int n)
{
	int closed = 0;

	for (int i = 0; i < n; i++)
		closed += is_closed(fd[i]);
	return closed;
}

static void bodies_that_wait_take_so_much_memory_and_no_more(void **state)
{
	enum { MANY = 100, FIT = WATCH_HELD / LIMIT_FORM };
	static const char head[] =
		"POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\n"
		"Content-Length: 1048576\r\n\r\ntext=";
	int fd[MANY], closed = 0;

	for (int i = 0; i < MANY; i++) {
		fd[i] = web_connect(web.http);
		web_send(fd[i], head, strlen(head));
	}
	for (int i = 0; i < 50 && closed < MANY - FIT; i++) {
		usleep(100000);
		closed = count_closed(fd, MANY);
	}
	assert_int_equal(closed, MANY - FIT);
	expect(web_post(web.http, "/echo", "", "text=small"), 303, NULL);
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
}

static void answers_that_nobody_reads_take_so_much_memory_and_no_more(void **state)
{
	enum { MANY = 20, FIT = WATCH_HELD / (8 << 20) };
	int fd[MANY], little = 4096, closed = 0;

	for (int i = 0; i < MANY; i++) {
		fd[i] = web_connect(web.http);
		setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
		web_send(fd[i], "GET /huge HTTP/1.1\r\n" HOST "\r\n", 39);
	}
	for (int i = 0; i < 600 && closed < MANY - FIT; i++) {
		struct pollfd p;

		usleep(100000);
		closed = 0;
		for (int k = 0; k < MANY; k++) {
			p = (struct pollfd){fd[k], POLLRDHUP, 0};
			closed += poll(&p, 1, 0) == 1;
		}
	}
	assert_in_range(closed, MANY - FIT, MANY - 1);
	expect(web_get(web.http, "/hello", ""), 200, "hello");
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
}

/* --- what is not HTTP --- */

static void refuses_what_two_readers_would_read_differently(void **state)
{
	static const char *const bad[] = {
		"GET /hello HTTP/1.1\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"GET /hello HTTP/1.1\n" HOST "\r\n",
		"GET /hello HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: localhost\n\r\n",
		"GET /hello HTTP/1.1\r\n" HOST "X: a\r\n folded\r\n\r\n",
		"GET /hello HTTP/1.1\r\n" HOST "X : a\r\n\r\n",
		"GET  /hello HTTP/1.1\r\n" HOST "\r\n",
		"GET /hello HTTP/1.1 \r\n" HOST "\r\n",
		"GET /hello HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST
		"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct web_answer a = web_talk(web.http, bad[i]);

		/* a refusal, or a closed door: never a page */
		if (a.status && (a.status < 400 || a.status >= 500))
			fail_msg("got %d for: %s", a.status, bad[i]);
		web_answer_release(&a);
	}
	expect_raw("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		   411);
	expect(web_get(web.http, "/hello", ""), 200, "hello");
}

static struct web_answer talk_bytes(const char *p, size_t n, int wait_ms)
{
	int fd = web_connect(web.http);
	struct web_answer a;

	/* an unfinished line is waited for; we don't */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO,
		   &(struct timeval){.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000},
		   sizeof(struct timeval));
	web_send(fd, p, n);
	a = web_receive(fd);
	close(fd);
	return a;
}

static void refuses_zero_bytes_wherever_they_are(void **state)
{
	static const char good[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\nX: abc\r\n\r\n";

	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		char bytes[sizeof(good)];
		struct web_answer a;

		if (good[i] == '\r')
			continue; /* a zero byte before LF: the line ends there, as without it */
		memcpy(bytes, good, sizeof(good));
		bytes[i] = 0;
		a = talk_bytes(bytes, sizeof(good) - 1, 100);
		if (a.status == 200)
			fail_msg("a page for a zero byte at %zu", i);
		web_answer_release(&a);
	}
	expect(talk_bytes(good, sizeof(good) - 1, 10000), 200, "hello");
}

static void survives_random_bytes(void **state)
{
	struct test_env t;
	char bytes[600];

	test_env_init(&t, 0, 77);
	for (int i = 0; i < 50; i++) {
		size_t n = test_below(&t, sizeof(bytes));
		struct web_answer a;

		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)test_rand(&t);
		a = talk_bytes(bytes, n, 100);
		assert_true(a.status != 200);
		web_answer_release(&a);
	}
	expect(web_get(web.http, "/hello", ""), 200, "hello");
}

static void refuses_long_lines_and_many_headers(void **state)
{
	struct buf b = {0};

	buf_puts(&b, "GET /hello?");
	for (int i = 0; i < LIMIT_URL; i++)
		buf_putc(&b, 'a');
	buf_puts(&b, " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	expect_raw(buf_str(&b), 414);
	buf_clear(&b);
	buf_puts(&b, "GET /hello HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 70; i++)
		buf_puts(&b, "X: y\r\n");
	buf_puts(&b, "Connection: close\r\n\r\n");
	expect_raw(buf_str(&b), 431);
	buf_clear(&b);
	buf_puts(&b, "GET /hello HTTP/1.1\r\n" HOST "X: ");
	for (int i = 0; i < 100000; i++)
		buf_putc(&b, 'y');
	buf_puts(&b, "\r\n\r\n");
	expect_raw(buf_str(&b), 431);
	buf_release(&b);
}

static void answers_several_requests_on_one_connection(void **state)
{
	static const char two[] = "GET /hello?who=one HTTP/1.1\r\n" HOST "\r\n";
	int fd = web_connect(web.http);

	for (int i = 0; i < 5; i++) {
		web_send(fd, two, strlen(two));
		expect(web_receive(fd), 200, "hello one");
	}
	close(fd);
}

/* --- many at once --- */

static int64_t ms(void)
{
	return env_mono(&env_system);
}

static void serves_everybody_while_1200_connections_idle(void **state)
{
	enum { IDLE = 1200 };
	static const char begun[] = "GET /hello HTTP/1.1\r\nHost: local";
	struct rlimit l;
	int *fds = calloc(IDLE, sizeof(int));
	int64_t slowest = 0;

	getrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_cur < 2 * IDLE + 200) {
		skip_note("too few file descriptors are allowed here");
		free(fds);
		return;
	}
	for (int i = 0; i < IDLE; i++) {
		fds[i] = web_connect(i % 4 ? web.http : web.https);
		if (i % 2)
			web_send(fds[i], begun, strlen(begun));
		if (i % 50 == 49) {
			int64_t from = ms();

			expect(web_get(web.http, "/hello", ""), 200, "hello");
			expect(web_get(web.http, "/cached", ""), 200, "hello");
			if (ms() - from > slowest)
				slowest = ms() - from;
		}
	}
	assert_true(slowest < 3000);
	for (int i = 0; i < IDLE; i++)
		close(fds[i]);
	free(fds);
}

static void a_slow_page_holds_up_nobody_else(void **state)
{
	static const char text[] = "GET /slow HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
	int fds[12];
	int64_t from = ms();

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = web_connect(web.http);
		web_send(fds[i], text, strlen(text));
	}
	expect(web_get(web.http, "/cached", ""), 200, "hello");
	assert_true(ms() - from < 950);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		expect(web_receive(fds[i]), 200, "hello");
		close(fds[i]);
	}
	/* one after the other would take twelve seconds */
	assert_true(ms() - from < 9000);
}

static void a_request_that_drips_ends_at_its_deadline(void **state)
{
	static const char text[] =
		"GET /hello HTTP/1.1\r\nHost: localhost\r\nX: yyyyyyyyyyyyyyyyyyyyyyyy"
		"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";
	static const char body[] =
		"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
		"Content-Type: application/json\r\n\r\n          ";
	const char *const all[] = {text, body};

	for (int k = 0; k < 2; k++) {
		int fd = web_connect(web.http);
		bool open = true;

		web_send(fd, all[k], strlen(all[k]) - 10);
		for (size_t i = 0; open && i < 10; i++) {
			char c;

			open = send(fd, all[k] + strlen(all[k]) - 10 + i, 1, MSG_NOSIGNAL) == 1;
			ahead += 5000;
			usleep(300 * 1000);
			open = open && recv(fd, &c, 1, MSG_DONTWAIT) != 0;
		}
		assert_false(open);
		close(fd);
	}
}

static void stops_while_requests_run(void **state)
{
	static const char text[] = "GET /slow HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
	int fd = web_connect(web.http);

	web_send(fd, text, strlen(text));
	usleep(50 * 1000);
	stop(NULL);
	close(fd);
	start(NULL);
	expect(web_get(web.http, "/hello", ""), 200, "hello");
}

/* --- the safe door --- */

static void serves_the_safe_door_to_curl(void **state)
{
	char command[1000], line[1000] = "";
	FILE *p;

	snprintf(command, sizeof(command),
		 "curl -sS --max-time 10 --cacert %s/tls/authority.pem https://localhost:%d/safe "
		 "-H 'Cookie: __Host-lliure=good' 2>&1",
		 web.dir, web.https);
	p = popen(command, "r");
	assert_non_null(p);
	while (fgets(line, sizeof(line), p))
		;
	assert_int_equal(pclose(p), 0);
	if (!strstr(line, "hello world, Ada") || !strstr(line, "door=https"))
		fail_msg("%s", line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_pages_their_twins_and_parameters),
		cmocka_unit_test(says_clearly_what_is_not_there),
		cmocka_unit_test(keeps_its_own_faults_to_itself),
		cmocka_unit_test(sends_the_headers_that_protect_readers),
		cmocka_unit_test(answers_head_without_a_body),
		cmocka_unit_test(knows_what_a_browser_has_already),
		cmocka_unit_test(keeps_a_page_only_for_people_without_cookies),
		cmocka_unit_test(speaks_the_language_of_header_cookie_or_link),
		cmocka_unit_test(takes_forms_multipart_and_json),
		cmocka_unit_test(shows_a_sentence_once_and_only_its_own),
		cmocka_unit_test(wants_a_token_in_the_forms_of_people_with_a_cookie),
		cmocka_unit_test(keeps_each_door_to_its_own),
		cmocka_unit_test(slows_down_who_is_too_fast),
		cmocka_unit_test(stores_an_uploaded_file_and_sends_it_back_harmless),
		cmocka_unit_test(refuses_a_gigabyte_with_a_sentence),
		cmocka_unit_test(who_begins_with_many_files_waits_with_the_next),
		cmocka_unit_test(keeps_no_file_of_who_may_not_send_one),
		cmocka_unit_test(the_texts_beside_a_file_are_bounded_together),
		cmocka_unit_test(bodies_that_wait_take_so_much_memory_and_no_more),
		cmocka_unit_test(answers_that_nobody_reads_take_so_much_memory_and_no_more),
		cmocka_unit_test(refuses_what_two_readers_would_read_differently),
		cmocka_unit_test(refuses_zero_bytes_wherever_they_are),
		cmocka_unit_test(survives_random_bytes),
		cmocka_unit_test(refuses_long_lines_and_many_headers),
		cmocka_unit_test(answers_several_requests_on_one_connection),
		cmocka_unit_test(serves_everybody_while_1200_connections_idle),
		cmocka_unit_test(a_slow_page_holds_up_nobody_else),
		cmocka_unit_test(serves_the_safe_door_to_curl),
		cmocka_unit_test(a_request_that_drips_ends_at_its_deadline),
		cmocka_unit_test(stops_while_requests_run),
	};

	test_init();
	return cmocka_run_group_tests(tests, start, stop);
}
