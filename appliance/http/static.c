/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The files of webui/static, ready to be queued since the start. With ?v=… they may be kept for
 * ever (the address changes with the content), else they are asked for again with their ETag. */
#include "appliance/http/http_priv.h"

enum { FILES_MAX = 64 };
static const char folder[] = "static/";

struct static_files {
	size_t n;
	struct static_file {
		const char *name; /* "static/style.css" */
		struct answer *whole, *for_ever;
	} v[FILES_MAX];
};

static const char *type_of(const char *name)
{
	static const struct {
		const char *end, *type;
	} table[] = {
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".svg", "image/svg+xml"},
		{".png", "image/png"},
		{".ico", "image/x-icon"},
		{".woff2", "font/woff2"},
		{".webmanifest", "application/manifest+json"},
		{".txt", "text/plain; charset=utf-8"},
	};
	size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		size_t k = strlen(table[i].end);

		if (n > k && strcmp(name + n - k, table[i].end) == 0)
			return table[i].type;
	}
	return "application/octet-stream";
}

static struct answer *make(const struct asset *a, const char *caching)
{
	size_t n = (size_t)(a->end - a->start);
	struct hash h = hash_bytes(span_of(a->start, n));
	struct MHD_Response *m =
		MHD_create_response_from_buffer(n, (void *)a->start, MHD_RESPMEM_PERSISTENT);
	char etag[40];

	if (!m)
		abort();
	snprintf(etag, sizeof(etag), "\"%.20s\"", ID(&h));
	header_add(m, "Content-Type", type_of(a->name));
	header_add(m, "Cache-Control", caching);
	header_add(m, "ETag", etag);
	headers_common(m);
	struct answer *made = answer_new(MHD_HTTP_OK, m, n, etag);

	made->memory = 0;
	return made;
}

struct static_files *static_new(const struct asset *assets_)
{
	struct static_files *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	for (const struct asset *a = assets_; a->name && f->n < FILES_MAX; a++) {
		if (strncmp(a->name, folder, sizeof(folder) - 1) != 0)
			continue;
		f->v[f->n++] = (struct static_file){a->name, make(a, "public, max-age=600"),
						    make(a, "public, max-age=31536000, immutable")};
	}
	return f;
}

void static_free(struct static_files *f)
{
	for (size_t i = 0; f && i < f->n; i++) {
		answer_unref(f->v[i].whole);
		answer_unref(f->v[i].for_ever);
	}
	free(f);
}

bool static_serve(struct request *r)
{
	const struct static_files *f = r->server->files;

	if (!r->read_only || strncmp(r->path, "/static/", 8) != 0)
		return false;
	for (size_t i = 0; i < f->n; i++) {
		const struct static_file *s = &f->v[i];

		if (strcmp(s->name, r->path + 1) != 0 || r->json)
			continue;
		if (etag_matches(r, s->whole->etag))
			respond_not_modified(r, s->whole->etag);
		else
			r->answer = answer_ref(request_query(r, "v") ? s->for_ever : s->whole);
		return true;
	}
	return false;
}
