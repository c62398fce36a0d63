/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For everybody: take the news of this centre along on a phone, and bring those of another. */
#include "appliance/carry/carry_pages.h"
#include "appliance/carry/carry_text.h"

#define PHOTO_BYTES 3000000 /* of a phone, roughly: a size that people can picture */

static struct error *closed(void)
{
	return error_new(ERR_NOT_FOUND, N_("This box carries no news at the moment."));
}

static json_t *download_json(struct request *r, const struct carry_download *d)
{
	uint64_t photos = (d->size + PHOTO_BYTES - 1) / PHOTO_BYTES;
	const char *url = arena_printf(request_arena(r), "/carry/news/%s", d->name);

	return json_pack("{s:b, s:b, s:b, s:s, s:s, s:I, s:I, s:s, s:I, s:b}", "ready", d->ready,
			 "preparing", !d->ready && !d->failed, "none", !d->ready && d->failed,
			 "url", url, "name", d->name, "size", (json_int_t)d->size, "entries",
			 (json_int_t)d->entries, "size_text",
			 request_size_text(r, d->size), "photos",
			 (json_int_t)(d->size < PHOTO_BYTES / 2 ? 0 : photos), "small",
			 d->size < PHOTO_BYTES / 2);
}

static struct error *count_peer(void *ctx, const struct peer *p)
{
	(void)p;
	++*(size_t *)ctx;
	return NULL;
}

/* Who brings something to a house that knows no other is told before the way was for nothing. */
static void alone_into(struct request *r, json_t *context)
{
	size_t n = 0;
	struct error *e = peer_each(request_conn(r)->local, count_peer, &n);

	if (!e && !n)
		json_object_set_new(context, "alone", json_true());
	error_free(e);
}

static struct error *show(struct request *r, int status, const char *error)
{
	struct carry *c = request_app(r)->carry;
	struct carry_download d;
	json_t *context;

	ENSURE(c, closed());
	carry_download(c, &d);
	context = json_pack("{s:o, s:{}, s:s}", "download", download_json(r, &d), "form",
			    "limit_text", request_size_text(r, LIMIT_UPLOAD));
	carry_follow(r, context, !d.ready && !d.failed && !error);
	if (error)
		json_object_set_new(json_object_get(context, "form"), "error", json_string(error));
	alone_into(r, context);
	return respond_page_status(r, status, "carry", request_text(r, N_("Carry news")), context);
}

static struct error *carry_page(struct request *r)
{
	return show(r, 200, NULL);
}

static struct error *download(struct request *r)
{
	struct carry *c = request_app(r)->carry;
	const char *name = request_param(r, "name");
	struct carry_download d;
	int fd;

	ENSURE(c, closed());
	TRY(request_limit(r, "carry-download", 30, 10));
	TRY(carry_download_open(c, request_conn(r), name, &fd, &d));
	return respond_file(r, fd, d.size, d.etag, d.name);
}

static struct error *enqueue(struct request *r, char id[CARRY_ID])
{
	uint64_t size;
	int fd;

	ENSURE(request_app(r)->carry, closed());
	TRY(request_limit(r, "carry", 6, 1));
	ENSURE(request_spooled(r, &fd, &size),
	       error_new(ERR_INVALID, N_("Choose the file first: its name ends in “.lliure”.")));
	return carry_phone(request_app(r)->carry, fd, size, id);
}

static struct error *upload(struct request *r)
{
	char id[CARRY_ID];
	const char *path, *text;
	int status;
	struct error *e = enqueue(r, id);

	if (e && respond_form_error(r, e, &text, &status))
		return show(r, status, text);
	TRY(e);
	path = arena_printf(request_arena(r), "/carry/brought/%s", id);
	return respond_done(r, path, json_pack("{s:s, s:s}", "id", id, "url", path));
}

static struct error *brought(struct request *r)
{
	struct carry *c = request_app(r)->carry;
	struct carry_job j;
	json_t *context;

	ENSURE(c, closed());
	ENSURE(carry_job_get(c, request_param(r, "id"), &j) && j.kind == CARRY_TAKE_PHONE,
	       error_new(ERR_NOT_FOUND, N_("Nothing is known of this any more. What was brought is "
					   "on the box.")));
	context = json_pack("{s:o}", "job", carry_job_json(r, &j));
	carry_follow(r, context, j.state == CARRY_WAITS || j.state == CARRY_RUNS);
	error_free(j.error);
	return respond_page(r, "carry_brought", request_text(r, N_("Carry news")), context);
}

const struct route carry_routes[] = {
	{"GET", "/carry", carry_page},
	{"POST", "/carry", upload, ROUTE_NO_CSRF | ROUTE_SPOOL},
	{"GET", "/carry/news/:name", download},
	{"GET", "/carry/brought/:id", brought},
	{0},
};
