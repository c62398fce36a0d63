/* SPDX-License-Identifier: AGPL-3.0-or-later */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "tests/lib/web.h"
#include "appliance/page/language.h"
#include "appliance/page/templates.h"
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

static void must(struct error *e)
{
	if (!e)
		return;
	fprintf(stderr, "web: %s\n", error_english(e));
	abort();
}

static struct error *found(struct conn *c, void *arg)
{
	struct web *w = arg;

	return community_found(c, "Box", w->steward, "Ada", &w->space);
}

void web_start(struct web *w, const struct web_options *o)
{
	struct http_options http = o->http;
	_cleanup_(freep) char *key = NULL;
	struct secret *self = secret_new();

	*w = (struct web){.dir = test_dir()};
	key = path_join(w->dir, "key");
	must(secret_save(key, self));
	secret_free(self);
	must(app_open(w->dir, o->env ? o->env : &env_system, &w->app));
	snprintf(w->app->name, sizeof(w->app->name), "Box");
	w->app->password_cost = (struct password_cost){1, 8192};
	must(languages_load(assets, &w->app->languages));
	must(templates_load(o->assets ? o->assets : assets, w->app->languages, &w->app->templates));
	if (o->found) {
		w->steward = secret_new();
		must(writer_run(w->app->writer, found, w));
	}
	http.http = "127.0.0.1:0";
	http.https = o->https ? "127.0.0.1:0" : NULL;
	must(http_start(w->app, &http, &w->server));
	w->http = http_port(w->server);
	w->https = https_port(w->server);
}

void web_stop(struct web *w)
{
	http_stop(w->server);
	templates_free(STEAL(w->app->templates));
	languages_free(STEAL(w->app->languages));
	app_close(w->app);
	secret_free(w->steward);
	test_dir_remove(w->dir);
}

struct posting {
	struct draft d;
	struct hash id;
};

static struct error *submit_job(struct conn *c, void *arg)
{
	struct posting *p = arg;

	return community_submit(c, &p->d, &p->id);
}

struct hash web_submit(struct web *w, const char *type, const struct hash *object, json_t *take_body)
{
	struct posting p = {{.type = type,
			     .space = w->space,
			     .object = object,
			     .author = w->steward,
			     .take_body = take_body}};

	must(writer_run(w->app->writer, submit_job, &p));
	return p.id;
}

/* --- the client --- */

void web_answer_release(struct web_answer *a)
{
	free(a->head);
	free(a->body);
	*a = (struct web_answer){0};
}

int web_connect_from(int port, int client)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)client)};
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval wait = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("connect");
		abort();
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	return fd;
}

int web_connect(int port)
{
	return web_connect_from(port, 0);
}

void web_send(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return; /* refused: the answer says why */
		at += sent;
		n -= (size_t)sent;
	}
}

static size_t length_of(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at && !strstr(head, " 304 ") ? strtoul(at + 17, NULL, 10)
	       : strstr(head, " 304 ")	    ? 0
					    : SIZE_MAX;
}

struct web_answer web_receive(int fd)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct web_answer a = {0};
	char *end = NULL;
	size_t head_n = 0, want = SIZE_MAX;

	while (!end || b.n - head_n < want) {
		uint8_t *to = buf_reserve(&b, 65536);
		ssize_t got = recv(fd, to, 65535, 0);

		if (got <= 0)
			break;
		b.n += (size_t)got;
		b.p[b.n] = 0;
		if (!end && (end = strstr((char *)b.p, "\r\n\r\n"))) {
			head_n = (size_t)(end - (char *)b.p) + 4;
			a.head = strndup((char *)b.p, head_n);
			want = length_of(a.head);
		}
	}
	if (!end)
		return a;
	if (strlen(a.head) > 12)
		a.status = (int)strtol(a.head + 9, NULL, 10);
	a.body_n = b.n - head_n;
	a.body = malloc(a.body_n + 1);
	memcpy(a.body, b.p + head_n, a.body_n);
	a.body[a.body_n] = 0;
	return a;
}

struct web_answer web_talk(int port, const char *request)
{
	int fd = web_connect(port);
	struct web_answer a;

	web_send(fd, request, strlen(request));
	a = web_receive(fd);
	close(fd);
	return a;
}

struct web_answer web_get(int port, const char *path, const char *headers)
{
	struct web_answer a;
	struct buf b = {0};

	buf_printf(&b, "GET %s HTTP/1.1\r\nHost: localhost:%d\r\n%sConnection: close\r\n\r\n", path,
		   port, headers);
	a = web_talk(port, buf_str(&b));
	buf_release(&b);
	return a;
}

static struct web_answer post(int port, const char *path, const char *type, const char *headers,
			      const char *body)
{
	struct web_answer a;
	struct buf b = {0};

	buf_printf(&b,
		   "POST %s HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: %s\r\n"
		   "Content-Length: %zu\r\n%sConnection: close\r\n\r\n%s",
		   path, port, type, strlen(body), headers, body);
	a = web_talk(port, buf_str(&b));
	buf_release(&b);
	return a;
}

struct web_answer web_post(int port, const char *path, const char *headers, const char *body)
{
	return post(port, path, "application/x-www-form-urlencoded", headers, body);
}

struct web_answer web_post_json(int port, const char *path, const char *headers, const char *body)
{
	return post(port, path, "application/json", headers, body);
}

char *web_header(const struct web_answer *a, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = a->head ? strstr(a->head, "\r\n") : NULL; p; p = strstr(p, "\r\n")) {
		p += 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
			p += n + 1;
			p += strspn(p, " ");
			return strndup(p, strcspn(p, "\r"));
		}
	}
	return NULL;
}

char *web_cookie(const struct web_answer *a, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = a->head; p && (p = strcasestr(p, "\r\nSet-Cookie: "));) {
		p += 14;
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return strndup(p, strcspn(p, ";\r"));
	}
	return NULL;
}
