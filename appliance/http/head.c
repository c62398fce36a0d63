/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/head.h"
#include "appliance/http/text.h"
#include "sync/base/error.h"
#include <arpa/inet.h>
#include <strings.h>

const struct http_refusal *http_refusal_of(enum refusal_id id)
{
#define REFUSAL_ROW(id_, status, name, text) [id_] = {status, name, text},
	static const struct http_refusal table[REFUSALS] = {REFUSAL_TABLE(REFUSAL_ROW)};
#undef REFUSAL_ROW
	return &table[id];
}

static bool is_token(uint8_t c)
{
	uint8_t lower = c | 0x20;

	return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool header_bytes(const struct header *h)
{
	for (size_t i = 0; i < h->name.n; i++) {
		if (!is_token(h->name.p[i]))
			return false;
	}
	for (size_t i = 0; i < h->value.n; i++) {
		uint8_t c = h->value.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return h->name.n > 0;
}

static bool named(const struct header *h, const char *name)
{
	return h->name.n == strlen(name) &&
	       strncasecmp((const char *)h->name.p, name, h->name.n) == 0;
}

static struct span trimmed(struct span s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

struct span http_head_get(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++) {
		if (named(&h->v[i], name))
			return trimmed(h->v[i].value);
	}
	return span_of("", 0);
}

static size_t count(const struct http_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += named(&h->v[i], name);
	return n;
}

static bool number(struct span s, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 18)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*ret = v;
	return true;
}

/* RFC 9112 section 6.3. We take no chunked bodies: forms and API clients know what they send, and a
 * length known beforehand is a 413 before the first byte. */
static enum refusal_id check_length(struct http_head *h)
{
	size_t lengths = count(h, "Content-Length"), codings = count(h, "Transfer-Encoding");

	if (lengths > 1 || (lengths && codings) || codings > 1)
		return REFUSE_LENGTH;
	if (lengths && !number(http_head_get(h, "Content-Length"), &h->length))
		return REFUSE_LENGTH;
	if (codings) {
		struct span c = http_head_get(h, "Transfer-Encoding");

		if (c.n != 7 || strncasecmp((const char *)c.p, "chunked", 7) != 0)
			return REFUSE_LENGTH;
		return REFUSE_NO_LENGTH;
	}
	if (h->kind != HEAD_POST && h->length)
		return REFUSE_BODY;
	if (h->kind == HEAD_POST && !lengths)
		return REFUSE_NO_LENGTH;
	return REFUSE_NOTHING;
}

static enum refusal_id check_host(struct http_head *h)
{
	size_t hosts = count(h, "Host");

	if (hosts > 1 || (hosts == 0 && strcmp(h->version, "HTTP/1.0") != 0))
		return REFUSE_HOST;
	h->host = http_head_get(h, "Host");
	for (size_t i = 0; i < h->host.n; i++) {
		uint8_t c = h->host.p[i], lower = c | 0x20;

		if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') &&
		    !strchr(".-_:[]", c))
			return REFUSE_HOST;
	}
	return h->host.n <= 255 && (hosts == 0 || h->host.n) ? REFUSE_NOTHING : REFUSE_HOST;
}

enum refusal_id http_head_check(struct http_head *h)
{
	static const char *const once[] = {"Cookie", "Authorization", "Content-Type", "Origin"};
	enum refusal_id why;

	h->kind = strcmp(h->method, "GET") == 0	   ? HEAD_GET
		  : strcmp(h->method, "HEAD") == 0 ? HEAD_HEAD
		  : strcmp(h->method, "POST") == 0 ? HEAD_POST
						   : HEAD_OTHER;
	h->length = 0;
	h->host = span_of("", 0);
	if (strcmp(h->version, "HTTP/1.1") != 0 && strcmp(h->version, "HTTP/1.0") != 0)
		return REFUSE_VERSION;
	if (strlen(h->target) > LIMIT_URL)
		return REFUSE_LONG_URL;
	for (const char *p = h->target; *p; p++) {
		if (*p <= 0x20 || *p >= 0x7f)
			return REFUSE_BYTES;
	}
	for (size_t i = 0; i < h->n; i++) {
		if (!header_bytes(&h->v[i]))
			return REFUSE_BYTES;
	}
	for (size_t i = 0; i < ARRAY_LEN(once); i++) {
		if (count(h, once[i]) > 1)
			return REFUSE_BYTES;
	}
	if (http_head_get(h, "Cookie").n > LIMIT_COOKIE_HEADER)
		return REFUSE_HEADERS;
	why = check_host(h);
	if (why == REFUSE_NOTHING)
		why = check_length(h);
	if (why == REFUSE_NOTHING && h->kind == HEAD_OTHER)
		why = REFUSE_METHOD;
	return why;
}

char *host_name(struct arena *a, struct span host)
{
	size_t n = host.n;
	char *out;

	if (n && host.p[0] == '[') {
		const uint8_t *end = memchr(host.p, ']', n);

		if (!end)
			return arena_str(a, "");
		n = (size_t)(end - host.p) + 1;
		if (strspn((const char *)host.p + 1, "0123456789abcdefABCDEF:.") != n - 2)
			return arena_str(a, "");
	} else {
		const uint8_t *colon = n ? memchr(host.p, ':', n) : NULL;

		n = colon ? (size_t)(colon - host.p) : n;
		if ((n && memchr(host.p, '[', n)) || (n && memchr(host.p, ']', n)))
			return arena_str(a, "");
	}
	out = arena_strn(a, (const char *)host.p, n);
	for (char *p = out; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	}
	return out;
}

/* An address, not a name that begins like one: 127.0.0.1.evil.example is anybody's. */
static bool is_loopback(const char *host)
{
	struct in_addr a;

	return inet_pton(AF_INET, host, &a) == 1 && ntohl(a.s_addr) >> 24 == 127;
}

bool host_is_local(const char *host, const char *box_host)
{
	return strcmp(host, "localhost") == 0 || is_loopback(host) || strcmp(host, "[::1]") == 0 ||
	       strcmp(host, box_host) == 0;
}

bool target_split(const char *target, struct span *ret_path, struct span *ret_query)
{
	const char *q = strchr(target, '?');

	if (target[0] != '/')
		return false;
	*ret_path = span_of(target, q ? (size_t)(q - target) : strlen(target));
	*ret_query = q ? span_str(q + 1) : span_of("", 0);
	return true;
}

static bool good_components(const char *path)
{
	for (const char *p = path; *p == '/';) {
		size_t n = strcspn(p + 1, "/");

		if (n == 0 && p != path)
			return false;
		if ((n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
			return false;
		if (n == 0)
			return p[1] == 0;
		p += n + 1;
	}
	return true;
}

char *path_decode(struct arena *a, struct span raw, bool *ret_json)
{
	char *path = http_text_unescape(a, raw, false);
	size_t n = path ? strlen(path) : 0;

	if (!path || path[0] != '/' || !http_text_is_line(path) || !good_components(path))
		return NULL;
	*ret_json = n > 6 && strcmp(path + n - 5, ".json") == 0 && path[n - 6] != '/';
	if (*ret_json)
		path[n - 5] = 0;
	if (*ret_json && strcmp(path, "/index") == 0)
		path[1] = 0;
	return path;
}
