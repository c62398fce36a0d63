/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For everybody: take the news of this centre along on a phone, and bring those of another. */
#include "appliance/carry/carry_pages.h"
#include "appliance/carry/carry_text.h"

#define PHOTO_BYTES 3000000 /* of a phone, roughly: a size that people can picture */

static struct error *closed(void)
{
	return error_new(ERR_NOT_FOUND, N_("This box carries no news at the moment."));
}

static const char *const choices[CARRY_CHOICES] = {
	[CARRY_WORDS] = "words", [CARRY_SOME] = "some", [CARRY_MORE] = "more"};

/* A size as people can picture it. */
static void size_into(struct request *r, json_t *o, uint64_t size)
{
	uint64_t photos = (size + PHOTO_BYTES - 1) / PHOTO_BYTES;
	bool small = size < PHOTO_BYTES / 2;

	json_object_set_new(o, "size_text", json_string(request_size_text(r, size)));
	json_object_set_new(o, "photos", json_integer(small ? 0 : (json_int_t)photos));
	json_object_set_new(o, "small", json_boolean(small));
}

static json_t *download_json(struct request *r, const struct carry_download *d)
{
	const char *url = arena_printf(request_arena(r), "/carry/news/%s", d->name);
	json_t *o = json_pack("{s:s, s:b, s:b, s:b, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:b}",
			      "choice", choices[d->choice], "ready", d->ready, "preparing",
			      d->preparing, "none", d->failed, "make",
			      !d->ready && !d->preparing && !d->failed, "url", url, "name", d->name,
			      "size", (json_int_t)d->size, "entries", (json_int_t)d->entries,
			      "files", (json_int_t)d->blobs, "percent", (json_int_t)d->percent,
			      "newest_only", d->newest_only, "all_files", d->all_files);

	size_into(r, o, d->ready ? d->size : d->about);
	return o;
}

static bool is_running(const struct carry_download d[CARRY_CHOICES])
{
	bool any = false;

	for (int k = 0; k < CARRY_CHOICES; k++)
		any |= d[k].preparing;
	return any;
}

static json_t *more_json(struct request *r, const struct carry_download d[CARRY_CHOICES])
{
	json_t *list = json_array();

	for (int k = CARRY_SOME; k < CARRY_CHOICES; k++)
		if (d[k].offered)
			json_array_append_new(list, download_json(r, &d[k]));
	return list;
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
	struct carry_download d[CARRY_CHOICES];
	json_t *context;

	ENSURE(c, closed());
	carry_downloads(c, d);
	context = json_pack("{s:o, s:o, s:{}, s:s}", "download", download_json(r, &d[CARRY_WORDS]),
			    "more", more_json(r, d), "form", "limit_text",
			    request_limit_text(r, LIMIT_UPLOAD));
	json_object_set_new(context, "any_more",
			    json_boolean(json_array_size(json_object_get(context, "more"))));
	carry_follow(r, context, is_running(d) && !error);
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

static struct error *ask(struct request *r)
{
	const char *choice = request_field(r, "choice");

	ENSURE(request_app(r)->carry, closed());
	TRY(request_limit(r, "carry-make", 10, 2));
	for (int k = 0; k < CARRY_CHOICES; k++)
		if (choice && strcmp(choice, choices[k]) == 0)
			return carry_download_ask(request_app(r)->carry, (enum carry_choice)k);
	return error_new(ERR_INVALID, N_("Choose one of the files on the page."));
}

static struct error *make(struct request *r)
{
	const char *text;
	int status;
	struct error *e = ask(r);

	if (e && respond_form_error(r, e, &text, &status))
		return show(r, status, text);
	TRY(e);
	return respond_done(r, "/carry#take", NULL);
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

	e = request_wrong(r, "file", e);
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
	{"POST", "/carry/make", make, ROUTE_NO_CSRF},
	{"GET", "/carry/news/:name", download},
	{"GET", "/carry/brought/:id", brought},
	{0},
};
