/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/http_priv.h"
#include "appliance/http/text.h"
#include <netinet/in.h>
#include <ifaddrs.h>
#include <strings.h>
#include <time.h>

/* --- its life --- */

static bool from_loopback(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in6 *six = i ? (const void *)i->client_addr : NULL;
	const struct sockaddr_in *four = (const void *)six;

	if (!six)
		return false;
	if (six->sin6_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == 127;
	if (six->sin6_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return six->sin6_addr.s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

struct request *request_new(struct door_state *d, struct MHD_Connection *mhd, const char *target)
{
	struct request *r = calloc(1, sizeof(*r));
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	if (!r)
		abort();
	r->spool = -1;
	r->body.secret = true; /* may hold a password */
	r->server = d->server;
	r->door_state = d;
	r->mhd = mhd;
	r->watched = i ? i->socket_context : NULL;
	r->target = arena_strn(&r->arena, target, strnlen(target, LIMIT_URL + 1));
	r->target_in_place = target;
	r->path = "/";
	r->raw_path = span_str("/");
	r->raw_query = span_str("");
	r->host = "";
	r->language = languages_pick(r->server->app->languages, NULL, NULL,
				     r->server->app->speaks);
	r->door = d->tls ? DOOR_HTTPS : DOOR_HTTP;
	return r;
}

void request_free(struct request *r)
{
	if (!r)
		return;
	secret_free(r->viewer.take_secret);
	pool_conn_back(r->server->pool, r->conn);
	body_release(r);
	answer_unref(r->answer);
	arena_wipe(&r->arena); /* fields of forms: passwords, sheets */
	crypto_wipe(r, sizeof(*r));
	free(r);
}

/* --- its beginning --- */

struct collected {
	struct request *r;
	bool too_many;
};

static enum MHD_Result collect(void *ctx, enum MHD_ValueKind kind, const char *name, size_t name_n,
			       const char *value, size_t value_n)
{
	struct collected *c = ctx;
	struct http_head *h = &c->r->head;

	if (h->n == HEAD_HEADERS) {
		c->too_many = true;
		return MHD_NO;
	}
	h->v[h->n++] = (struct header){span_of(name, name_n), span_of(value ? value : "", value_n)};
	return MHD_YES;
}

#if MHD_VERSION < 0x01000000
static size_t header_size(const struct request *r)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return i ? i->header_size : 0;
}
#endif

/* libmicrohttpd before 1.0 ends every text at a zero byte, mends folded lines and takes a bare LF
 * for a line's end. All three leave a gap between what it hands us, or none where one belongs: in a
 * clean head every text follows the one before with exactly the bytes between them that HTTP has
 * there. (From 1.0 on it refuses these itself: see MHD_OPTION_CLIENT_DISCIPLINE_LVL in server.c.)
 */
static bool head_is_contiguous(const struct request *r)
{
#if MHD_VERSION < 0x01000000
	const char *at = r->target_in_place;
	const struct http_head *h = &r->head;

	if (h->method + strlen(h->method) + 1 != at)
		return false;
	at += strlen(r->target) + 1;
	if (strlen(r->target) <= LIMIT_URL && at != h->version)
		return false;
	at = h->version + strlen(h->version) + 2;
	for (size_t i = 0; i < h->n; i++) {
		const char *value = (const char *)h->v[i].value.p;

		if ((const char *)h->v[i].name.p != at)
			return false;
		at += h->v[i].name.n + 1;
		while (at < value && (*at == ' ' || *at == '\t'))
			at++;
		if (at != value)
			return false;
		at += h->v[i].value.n + 2;
	}
	/* the empty line ends the head, and nothing is left over */
	return at + 2 == h->method + header_size(r);
#else
	return true;
#endif
}

static void pick_language(struct request *r)
{
	const char *choice = fields_get(&r->query, "lang");
	struct span cookie = {NULL, 0}, accept = http_head_get(&r->head, "Accept-Language");

	if (!choice && request_cookie(r, "lliure-lang", &cookie))
		choice = arena_strn(&r->arena, (const char *)cookie.p, cookie.n);
	r->language = languages_pick(
		r->server->app->languages, choice,
		accept.n ? arena_strn(&r->arena, (const char *)accept.p, accept.n) : NULL,
		r->server->app->speaks);
}

static bool accepts_json(const struct request *r)
{
	struct span accept = http_head_get(&r->head, "Accept");

	return accept.n >= 16 && strncasecmp((const char *)accept.p, "application/json", 16) == 0;
}

enum refusal_id request_begin(struct request *r, const char *method, const char *version)
{
	struct collected c = {r, false};
	enum refusal_id why;
	struct error *e;

	r->head.method = method;
	r->head.target = r->target;
	r->head.version = version;
	MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, collect, &c);
	if (c.too_many)
		return REFUSE_HEADERS;
	why = http_head_check(&r->head);
	r->read_only = r->head.kind != HEAD_POST;
	if (why != REFUSE_NOTHING)
		return why;
	if (!head_is_contiguous(r))
		return REFUSE_BYTES;
	r->host = host_name(&r->arena, r->head.host);
	if (r->door == DOOR_HTTP && from_loopback(r->mhd) &&
	    host_is_local(r->host, r->server->box_host))
		r->door = DOOR_LOOPBACK;
	if (!target_split(r->target, &r->raw_path, &r->raw_query))
		return REFUSE_PATH;
	e = form_parse(&r->arena, r->raw_query, &r->query);
	if (e) {
		error_free(e);
		return REFUSE_BYTES;
	}
	pick_language(r);
	r->path = path_decode(&r->arena, r->raw_path, &r->json);
	if (!r->path) {
		r->path = "/";
		return REFUSE_PATH;
	}
	r->json |= accepts_json(r);
	return REFUSE_NOTHING;
}

/* --- what handlers ask --- */

struct arena *request_arena(struct request *r)
{
	return &r->arena;
}

struct app *request_app(struct request *r)
{
	return r->server->app;
}

struct conn *request_conn(struct request *r)
{
	return r->conn;
}

void request_is_passing(struct request *r)
{
	r->cache_key = NULL;
}

const struct viewer *request_viewer(struct request *r)
{
	return r->viewer_known ? &r->viewer : NULL;
}

enum door request_door(struct request *r)
{
	return r->door;
}

bool request_safe_door(struct request *r)
{
	return r->door != DOOR_HTTP;
}

const char *request_path(struct request *r)
{
	return r->path;
}

const char *request_param(struct request *r, const char *name)
{
	const char *v = fields_get(&r->params, name);

	return v ? v : "";
}

const char *request_query(struct request *r, const char *name)
{
	return fields_get(&r->query, name);
}

const char *request_field(struct request *r, const char *name)
{
	return fields_get(&r->fields, name);
}

const json_t *request_json(struct request *r)
{
	return r->json_body;
}

bool request_wants_json(struct request *r)
{
	return r->json;
}

const char *request_lang(struct request *r)
{
	return language_code(r->language);
}

const struct language *request_language(struct request *r)
{
	return r->language;
}

const char *request_text(struct request *r, const char *msgid)
{
	return language_text(r->language, msgid);
}

const char *request_error_text(struct request *r, struct error *take_e)
{
	char text[2048];

	error_text(take_e, language_translate, (void *)r->language, text, sizeof(text));
	error_free(take_e);
	return arena_str(&r->arena, text);
}

const char *request_stored_text(struct request *r, const char *stored)
{
	char text[2048];

	error_stored_text(stored, language_translate, (void *)r->language, text, sizeof(text));
	return arena_str(&r->arena, text);
}

bool request_upload(struct request *r, struct hash *ret_blob, uint64_t *ret_size,
		    const char **ret_name)
{
	if (!r->uploaded)
		return false;
	*ret_blob = r->upload;
	*ret_size = r->upload_size;
	*ret_name = r->upload_name;
	return true;
}

const char *request_file_name(struct request *r)
{
	return r->upload_name ? r->upload_name : "";
}

const char *request_date_text(struct request *r, int64_t ms)
{
	char *out = arena_alloc(&r->arena, LANGUAGE_TEXT);

	return language_date_short(r->language, ms, out, LANGUAGE_TEXT);
}

const char *request_size_text(struct request *r, uint64_t bytes)
{
	char text[LANGUAGE_TEXT];

	return arena_str(request_arena(r),
			 language_size(request_language(r), bytes, text, sizeof(text)));
}

const char *request_limit_text(struct request *r, uint64_t bytes)
{
	const uint64_t mebi = 1024 * 1024;

	return request_size_text(r, bytes % mebi ? bytes : bytes / mebi * 1000 * 1000);
}

const char *request_number_text(struct request *r, int64_t n)
{
	char text[LANGUAGE_TEXT];

	return arena_str(request_arena(r),
			 language_number(request_language(r), n, text, sizeof(text)));
}

const char *request_date(struct request *r, int64_t ms)
{
	time_t s = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm tm;
	char *out = arena_alloc(&r->arena, 32);

	if (gmtime_r(&s, &tm))
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

/* --- limits --- */

static struct error *too_fast(struct request *r, struct limit_key key, int burst, int per_minute)
{
	int wait;
	char text[16];

	if (limit_take(r->server->limits, key, burst, per_minute, &wait))
		return NULL;
	snprintf(text, sizeof(text), "%d", wait);
	return error_new(ERR_RATE,
			 N_("That was too often in a short time. Try again in %s seconds."), text);
}

struct error *request_limit(struct request *r, const char *what, int burst, int per_minute)
{
	struct limit_key client = watched_client(r->watched);
	struct span who = span_of(&client, sizeof(client));

	/* A program on the box itself, with a person's token, is that person's own affair. */
	if (r->viewer_known && !r->viewer.session && r->door == DOOR_LOOPBACK)
		return NULL;
	if (r->viewer_known)
		who = span_of(r->viewer.key.b, 32);
	return too_fast(r, limit_key(r->server->limits, what, who), burst, per_minute);
}

struct error *request_limit_named(struct request *r, const char *what, const char *name, int burst,
				  int per_minute)
{
	const char *both = arena_printf(&r->arena, "named %s", what);

	return too_fast(r, limit_key(r->server->limits, both, span_str(name)), burst, per_minute);
}

struct error *request_heavy_begin(struct request *r)
{
	struct http_server *s = r->server;

	if (++s->heavy_waiting > HTTP_HEAVY_WAITING) {
		s->heavy_waiting--;
		return error_new(ERR_BUSY, N_("Many people are signing in at once. Try again in a "
					      "moment."));
	}
	pool_blocks(s->pool);
	pthread_mutex_lock(&s->heavy);
	pool_goes_on(s->pool);
	return NULL;
}

void request_heavy_end(struct request *r)
{
	pthread_mutex_unlock(&r->server->heavy);
	r->server->heavy_waiting--;
}

void request_blocks(struct request *r)
{
	pool_blocks(r->server->pool);
}

void request_goes_on(struct request *r)
{
	pool_goes_on(r->server->pool);
}

/* --- addresses --- */

const char *request_host(struct request *r)
{
	return r->host;
}

const char *request_target_path(struct request *r)
{
	return arena_strn(&r->arena, (const char *)r->raw_path.p, r->raw_path.n);
}

bool request_reads(struct request *r)
{
	return r->read_only;
}

int request_http_port(struct request *r)
{
	return r->server->doors[0].port;
}

void request_client(struct request *r, const char *what, uint64_t ret[2])
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in6 *six = i ? (const void *)i->client_addr : NULL;
	const struct sockaddr_in *four = (const void *)six;
	struct span who = span_of("", 0);
	struct limit_key key;

	if (six && six->sin6_family == AF_INET)
		who = span_of(&four->sin_addr, 4);
	else if (six && six->sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		who = span_of(six->sin6_addr.s6_addr + 12, 4);
	else if (six && six->sin6_family == AF_INET6)
		who = span_of(six->sin6_addr.s6_addr, 16);
	key = limit_key(r->server->limits, what, who);
	ret[0] = key.v[0];
	ret[1] = key.v[1];
}

/* An IPv4 address that came by an IPv6 socket is one. */
static void plain_address(struct sockaddr_storage *a)
{
	struct sockaddr_in6 six;
	struct sockaddr_in four = {.sin_family = AF_INET};

	memcpy(&six, a, sizeof(six));
	if (a->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		return;
	memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, 4);
	memcpy(a, &four, sizeof(four));
}

static bool same_address(const struct sockaddr *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *four = (const void *)a, *four_b = (const void *)b;
	const struct sockaddr_in6 *six = (const void *)a, *six_b = (const void *)b;

	if (!a || a->sa_family != b->ss_family)
		return false;
	if (a->sa_family == AF_INET)
		return four->sin_addr.s_addr == four_b->sin_addr.s_addr;
	/* fe80::1 may be on each link */
	return a->sa_family == AF_INET6 &&
	       memcmp(&six->sin6_addr, &six_b->sin6_addr, sizeof(six->sin6_addr)) == 0 &&
	       (!six_b->sin6_scope_id || six->sin6_scope_id == six_b->sin6_scope_id);
}

void request_link(struct request *r, char out[REQUEST_LINK])
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr_storage to = {.ss_family = AF_UNSPEC};
	socklen_t n = sizeof(to);
	struct ifaddrs *all = NULL;

	*out = 0;
	if (!i || getsockname(i->connect_fd, (struct sockaddr *)&to, &n) || getifaddrs(&all))
		return;
	plain_address(&to);
	for (const struct ifaddrs *a = all; a && !*out; a = a->ifa_next)
		if (same_address(a->ifa_addr, &to))
			snprintf(out, REQUEST_LINK, "%s", a->ifa_name);
	freeifaddrs(all);
}

const char *request_https_url(struct request *r, const char *path)
{
	int port = r->server->doors[1].port;
	const char *host = r->host[0] ? r->host : r->server->box_host;

	if (!port)
		return NULL;
	if (port == 443)
		return arena_printf(&r->arena, "https://%s%s", host, path);
	return arena_printf(&r->arena, "https://%s:%d%s", host, port, path);
}

const char *request_url(struct request *r, const char *path)
{
	const char *host = r->host[0] ? r->host : r->server->box_host;

	if (request_door(r) == DOOR_HTTPS)
		return request_https_url(r, path);
	if (request_http_port(r) == 80)
		return arena_printf(&r->arena, "http://%s%s", host, path);
	return arena_printf(&r->arena, "http://%s:%d%s", host, request_http_port(r), path);
}

const char *request_local_path(struct request *r, const char *next, const char *otherwise)
{
	if (!next || next[0] != '/' || next[1] == '/' || strlen(next) > LIMIT_URL)
		return otherwise;
	for (const char *p = next; *p; p++) {
		if (*p <= 0x20 || *p >= 0x7f || *p == '\\')
			return otherwise;
	}
	return next;
}

const char *url_encode(struct arena *a, const char *s)
{
	return http_text_escape_query(a, s);
}

struct error *request_write(struct request *r, write_fn *fn, void *arg)
{
	return request_write_care(r, false, fn, arg);
}

typedef struct error *run_fn(struct writer *w, write_fn *fn, void *arg);

static struct error *write_by(struct request *r, run_fn *run, write_fn *fn, void *arg)
{
	struct error *e;

	pool_blocks(r->server->pool);
	e = run(r->server->app->writer, fn, arg);
	pool_goes_on(r->server->pool);
	return e;
}

struct error *request_write_care(struct request *r, bool volunteer, write_fn *fn, void *arg)
{
	return write_by(r, volunteer ? writer_run_care : writer_run, fn, arg);
}

struct error *request_write_ending(struct request *r, write_fn *fn, void *arg)
{
	bool volunteer = r->viewer_known && r->viewer.volunteer;

	return write_by(r, volunteer ? writer_run_care : writer_run_tidying, fn, arg);
}
