/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files that people uploaded, sent as what can't do harm: pictures and plain text are shown,
 * everything else is only ever saved; and whatever it is runs no script here. */
#include "appliance/http/http_priv.h"
#include "appliance/http/text.h"
#include <strings.h>

static const struct {
	const char *end, *type;
} shown[] = {{".png", "image/png"}, {".jpg", "image/jpeg"},  {".jpeg", "image/jpeg"},
	     {".gif", "image/gif"}, {".webp", "image/webp"}, {".txt", "text/plain; charset=utf-8"}};

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

static void name_headers(struct request *r, struct MHD_Response *m, const char *name)
{
	const char *type = shown_type(name);

	header_add(m, "Content-Type", type ? type : "application/octet-stream");
	header_add(m, "Content-Disposition",
		   arena_printf(&r->arena, "%s; filename*=UTF-8''%s",
				type ? "inline" : "attachment",
				http_text_escape_query(&r->arena, name)));
	header_add(m, "Cache-Control", "no-cache");
	header_add(m, "Accept-Ranges", "bytes");
	header_add(m, "Content-Security-Policy", "default-src 'none'; sandbox");
	header_add(m, "X-Content-Type-Options", "nosniff");
	header_add(m, "Cross-Origin-Resource-Policy", "same-origin");
}

struct error *respond_file(struct request *r, int take_fd, uint64_t size, const char *etag,
			   const char *name)
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
		close(take_fd);
		if (part && bad)
			respond_raw(r, MHD_HTTP_RANGE_NOT_SATISFIABLE, NULL, span_of("", 0));
		else
			respond_not_modified(r, quoted);
		return NULL;
	}
	m = MHD_create_response_from_fd_at_offset64(n, take_fd, first);
	if (!m) {
		close(take_fd);
		return error_new(ERR_NOMEM, N_("The box has run out of memory."));
	}
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

struct error *respond_blob(struct request *r, const struct hash *blob, const char *name)
{
	uint64_t size;
	char etag[24];
	int fd;

	TRY(blob_fd(r->server->app->blobs, blob, &fd, &size));
	snprintf(etag, sizeof(etag), "%.20s", ID(blob));
	return respond_file(r, fd, size, etag, name);
}
