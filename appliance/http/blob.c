/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files that people uploaded, sent as what can't do harm: pictures, PDF and plain text are shown,
 * everything else is only ever saved; and whatever it is runs no script here. */
#include "appliance/http/http_priv.h"
#include "appliance/http/text.h"
#include <strings.h>

static const struct {
	const char *end, *type;
} shown[] = {{".png", "image/png"}, {".jpg", "image/jpeg"},  {".jpeg", "image/jpeg"},
	     {".gif", "image/gif"}, {".webp", "image/webp"}, {".txt", "text/plain; charset=utf-8"},
	     {".pdf", "application/pdf"}};

static const char *shown_type(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(shown); i++) {
		if (strcasecmp(dot, shown[i].end) == 0)
			return shown[i].type;
	}
	return NULL;
}

/* One range of RFC 9110 section 14.1.2: "bytes=FIRST-LAST", "bytes=FIRST-", "bytes=-LAST". False:
 * none that we serve, send it whole. *ret_bad: it lies outside of the file. */
static bool range_of(struct span h, uint64_t size, uint64_t *ret_first, uint64_t *ret_n,
		     bool *ret_bad)
{
	unsigned long long first = 0, last = 0;
	char text[64], *end;

	*ret_bad = false;
	if (h.n < 8 || h.n >= sizeof(text) || memcmp(h.p, "bytes=", 6) != 0)
		return false;
	memcpy(text, h.p + 6, h.n - 6);
	text[h.n - 6] = 0;
	if (text[strspn(text, "0123456789-")] || strlen(text) > 40)
		return false;
	if (text[0] == '-') {
		last = strtoull(text + 1, &end, 10);
		if (*end || !text[1])
			return false;
		first = last < size ? size - last : 0;
		*ret_bad = last == 0;
		last = size;
	} else {
		first = strtoull(text, &end, 10);
		if (*end != '-')
			return false;
		last = end[1] ? strtoull(end + 1, &end, 10) + 1 : size;
		if (last <= first && first < size)
			return false;
	}
	*ret_bad |= first >= size;
	*ret_first = first;
	*ret_n = (last < size ? last : size) - first;
	return true;
}

void request_leave_no_trace(struct request *r)
{
	r->no_trace = true;
}

static void name_headers(struct request *r, struct MHD_Response *m, const char *name)
{
	const char *type = shown_type(name);

	header_add(m, "Content-Type", type ? type : "application/octet-stream");
	header_add(m, "Content-Disposition",
		   arena_printf(&r->arena, "%s; filename*=UTF-8''%s",
				type ? "inline" : "attachment",
				http_text_escape_query(&r->arena, name)));
	header_add(m, "Cache-Control", r->no_trace ? "no-store" : "no-cache");
	header_add(m, "Accept-Ranges", "bytes");
	header_add(m, "Content-Security-Policy", "default-src 'none'; sandbox");
	header_add(m, "X-Content-Type-Options", "nosniff");
	header_add(m, "Cross-Origin-Resource-Policy", "same-origin");
}

/* Where the bytes of an answer come from: an open file, or a function that reads. */
struct source {
	int fd;
	respond_read_fn *read;
	respond_close_fn *close;
	void *ctx;
	uint64_t first; /* of the range that is sent */
};

static void source_close(void *source)
{
	struct source *s = source;

	if (s->read)
		s->close(s->ctx);
	else
		close(s->fd);
	free(s);
}

static ssize_t source_read(void *source, uint64_t at, char *out, size_t n)
{
	struct source *s = source;
	ssize_t got = s->read(s->ctx, s->first + at, out, n);

	return got > 0 ? got : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Consumes the source. NULL: out of memory. */
static struct MHD_Response *source_response(struct source *s, uint64_t first, uint64_t n)
{
	enum { AT_ONCE = 65536 };
	struct MHD_Response *m;

	s->first = first;
	if (s->read) {
		m = MHD_create_response_from_callback(n, AT_ONCE, source_read, s, source_close);
		if (!m)
			source_close(s);
		return m;
	}
	m = MHD_create_response_from_fd_at_offset64(n, s->fd, first);
	if (!m)
		close(s->fd);
	free(s);
	return m;
}

static struct error *respond_source(struct request *r, struct source *take_s, uint64_t size,
				    const char *etag, const char *name)
{
	struct span want = http_head_get(&r->head, "Range");
	struct span same = http_head_get(&r->head, "If-Range");
	uint64_t first = 0, n = size;
	const char *quoted = arena_printf(&r->arena, "\"%s\"", etag);
	struct MHD_Response *m;
	bool part, bad = false;

	/* The rest of another file would not fit to what is there. */
	part = (!same.n || span_is(same, quoted)) && range_of(want, size, &first, &n, &bad);
	if (etag_matches(r, quoted) || (part && bad)) {
		source_close(take_s);
		if (part && bad)
			respond_raw(r, MHD_HTTP_RANGE_NOT_SATISFIABLE, NULL, span_of("", 0));
		else
			respond_not_modified(r, quoted);
		return NULL;
	}
	m = source_response(take_s, first, n);
	ENSURE(m, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	name_headers(r, m, name);
	header_add(m, "ETag", quoted);
	if (part)
		header_add(m, "Content-Range",
			   arena_printf(
				   &r->arena, "bytes %llu-%llu/%llu", (unsigned long long)first,
				   (unsigned long long)(first + n - 1), (unsigned long long)size));
	answer_unref(r->answer);
	r->answer = answer_new(part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, m, n, quoted);
	r->answer->memory = 0;
	return NULL;
}

static struct source *source_new(struct source what)
{
	struct source *s = malloc(sizeof(*s));

	if (!s)
		abort();
	*s = what;
	return s;
}

struct error *respond_file(struct request *r, int take_fd, uint64_t size, const char *etag,
			   const char *name)
{
	return respond_source(r, source_new((struct source){.fd = take_fd}), size, etag, name);
}

struct error *respond_content(struct request *r, respond_read_fn *read, respond_close_fn *close_fn,
			      void *take_ctx, uint64_t size, const char *etag, const char *name)
{
	return respond_source(
		r,
		source_new((struct source){
			.fd = -1, .read = read, .close = close_fn, .ctx = take_ctx}),
		size, etag, name);
}

struct error *respond_blob(struct request *r, const struct hash *blob, const char *name)
{
	uint64_t size;
	char etag[24];
	int fd;

	TRY(blob_fd(r->server->app->blobs, blob, &fd, &size));
	snprintf(etag, sizeof(etag), "%.20s", ID(blob));
	return respond_file(r, fd, size, etag, name);
}
