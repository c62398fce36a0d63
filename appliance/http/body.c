/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The body of a POST: within its limit before the first byte is taken, then a form, a JSON object,
 * or a multipart form whose file goes into a blob as it arrives. */
#include "appliance/http/http_priv.h"
#include "appliance/http/text.h"
#include <errno.h>
#include <strings.h>

static bool type_is(struct span type, const char *want)
{
	size_t n = strlen(want);

	return type.n >= n && strncasecmp((const char *)type.p, want, n) == 0 &&
	       (type.n == n || strchr("; \t", type.p[n]));
}

/* --- a file: has it room? ---------------------------------------------------------------------- */

static struct error *sending_begin(struct request *r, unsigned copies)
{
	uint64_t length = r->head.length;

	r->sending = (struct sending){.length = length < LIMIT_UPLOAD ? length : LIMIT_UPLOAD,
				      .copies = copies,
				      .stranger = r->route->flags & ROUTE_NO_CSRF};
	if (r->watched)
		r->sending.client = watched_client(r->watched);
	return uploads_begin(r->server->uploads, &r->sending);
}

/* A file that is read once: nameless, so that nothing of it outlives a crash. What is sent lies here twice
 * for a moment. */
static struct error *spool_open(struct request *r)
{
	TRY(sending_begin(r, 2));
	return file_nameless(r->server->app->dir, &r->spool);
}

static struct error *spool_write(struct request *r, struct span bytes)
{
	TRY(uploads_go_on(r->server->uploads, &r->sending, bytes.n));
	return fd_write_all(r->spool, bytes, r->server->app->dir);
}

static struct error *blob_begin(struct request *r)
{
	TRY(sending_begin(r, 1));
	return blob_writer_new(r->server->app->blobs, LIMIT_UPLOAD, &r->part_blob);
}

static struct error *upload_write(struct request *r, struct span bytes)
{
	TRY(uploads_go_on(r->server->uploads, &r->sending, bytes.n));
	return blob_write(r->part_blob, bytes);
}

static void spool_release(struct request *r)
{
	uploads_end(r->server->uploads, &r->sending);
	if (r->spool >= 0)
		close(r->spool);
	r->spool = -1;
}

bool request_spooled(struct request *r, int *ret_fd, uint64_t *ret_size)
{
	if (r->spool < 0 || !r->sending.written || lseek(r->spool, 0, SEEK_SET) != 0)
		return false;
	*ret_fd = r->spool;
	*ret_size = r->sending.written;
	r->spool = -1;
	return true;
}

static struct error *part_begin(void *ctx, const char *name, const char *filename)
{
	struct request *r = ctx;

	r->part_name = arena_str(&r->arena, name);
	r->part_is_file = filename != NULL;
	buf_clear(&r->body);
	if (!filename)
		return NULL;
	ENSURE((r->route->flags & (ROUTE_UPLOAD | ROUTE_SPOOL)) && !r->uploaded && r->spool < 0,
	       error_new(ERR_INVALID, N_("This form takes no file, or only one.")));
	r->upload_name = arena_str(&r->arena, filename);
	if (r->route->flags & ROUTE_SPOOL)
		return spool_open(r);
	return blob_begin(r);
}

static struct error *part_data(void *ctx, struct span bytes)
{
	struct request *r = ctx;

	if (r->spool >= 0 && r->part_is_file)
		return spool_write(r, bytes);
	if (r->part_is_file)
		return upload_write(r, bytes);
	r->parts_n += bytes.n;
	ENSURE(r->parts_n <= LIMIT_FORM,
	       error_new(ERR_LIMIT, N_("What was sent is larger than this box accepts here.")));
	buf_add_span(&r->body, bytes);
	return NULL;
}

static struct error *part_end(void *ctx)
{
	struct request *r = ctx;
	char *text;

	if (r->part_is_file) {
		/* A browser sends an empty part for a file that nobody chose. The blob becomes
		 * durable in body_keep, on a thread that may wait. */
		r->uploaded = true;
		return NULL;
	}
	text = http_text_lines(&r->arena, buf_span(&r->body));
	ENSURE(text,
	       error_new(ERR_MALFORMED, N_("What was sent is not a form that this box can read.")));
	return fields_add(&r->fields, r->part_name, text);
}

enum refusal_id body_begin(struct request *r, bool *ret_too_large)
{
	struct span type = http_head_get(&r->head, "Content-Type");
	struct multipart_sink sink = {r, part_begin, part_data, part_end};
	uint64_t limit = LIMIT_FORM;
	struct error *e;

	*ret_too_large = false;
	if (r->head.length == 0)
		return REFUSE_NOTHING;
	if (type_is(type, "application/x-www-form-urlencoded"))
		r->body_kind = BODY_FORM;
	else if (type_is(type, "application/json") ||
		 type_is(type, "application/vnd.git-lfs+json"))
		r->body_kind = BODY_JSON, r->json = true;
	else if (type_is(type, "multipart/form-data"))
		r->body_kind = BODY_MULTIPART;
	else
		return REFUSE_TYPE;
	if (r->body_kind == BODY_MULTIPART && (r->route->flags & (ROUTE_UPLOAD | ROUTE_SPOOL)))
		limit = LIMIT_UPLOAD + LIMIT_FORM;
	*ret_too_large = r->head.length > limit;
	if (r->body_kind != BODY_MULTIPART || *ret_too_large)
		return REFUSE_NOTHING;
	r->multipart = arena_new(&r->arena, struct multipart);
	e = multipart_init(r->multipart, arena_strn(&r->arena, (const char *)type.p, type.n),
			   &sink);
	if (e) {
		error_free(e);
		return REFUSE_TYPE;
	}
	return REFUSE_NOTHING;
}

void body_feed(struct request *r, struct span bytes)
{
	if (r->body_error)
		return; /* the rest is read and forgotten */
	if (r->body_kind == BODY_MULTIPART)
		r->body_error = multipart_feed(r->multipart, bytes);
	else if (r->body.n + bytes.n <= LIMIT_FORM)
		buf_add_span(&r->body, bytes);
	else
		r->body_error = error_new(
			ERR_LIMIT, N_("What was sent is larger than this box accepts here."));
	if (r->body_error) {
		blob_writer_free(STEAL(r->part_blob));
		spool_release(r);
		buf_release(&r->body);
	}
}

struct error *body_keep(struct request *r)
{
	if (r->part_blob)
		TRY(blob_writer_finish(STEAL(r->part_blob), &r->upload, &r->upload_size));
	if (r->uploaded && r->upload_size == 0)
		r->uploaded = false;
	return NULL;
}

struct error *body_finish(struct request *r)
{
	if (r->body_error)
		return STEAL(r->body_error);
	switch (r->body_kind) {
	case BODY_NONE:
		return NULL;
	case BODY_FORM:
		return form_parse(&r->arena, buf_span(&r->body), &r->fields);
	case BODY_JSON:
		TRY(form_parse_json(buf_span(&r->body), &r->json_body));
		return form_from_json(&r->arena, r->json_body, &r->fields);
	case BODY_MULTIPART:
		return multipart_finish(r->multipart);
	}
	return NULL;
}

void body_release(struct request *r)
{
	buf_release(&r->body);
	json_decref(STEAL(r->json_body));
	blob_writer_free(STEAL(r->part_blob));
	spool_release(r);
	error_free(STEAL(r->body_error));
}
