/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A file and its versions, as people see them; saving one; hiding and erasing. */
#include "appliance/files/content.h"
#include "appliance/files/files_pages_priv.h"
#include "appliance/files/files_priv.h"
#include "appliance/library/library_pages.h"
#include "appliance/partial/partial.h"
#include "appliance/peers/peers.h"

#define FILES_NO_ROOM                                                                              \
	N_("This file is not here: there is too little room left on this box for it. It comes "    \
	   "from another house when there is.")
enum { PICTURE_SHOWN = 1024 * 1024 }; /* larger ones are not sent with the page */

/* --- where we are ----------------------------------------------------------------------------- */

static struct error *no_file(void)
{
	return error_new(ERR_NOT_FOUND, N_("There is no such file among the documents."));
}

static bool moderates(struct request *r, const struct hash *space)
{
	const struct viewer *v = request_viewer(r);
	enum role role = ROLE_NONE;

	if (!v || !v->secret || !v->may_moderate_here)
		return false;
	error_free(role_now(request_conn(r), space, &v->key, &role));
	return role >= ROLE_MODERATOR;
}

/* A hidden one is there for moderators only. */
struct error *file_of_path(struct request *r, struct file_place *ret)
{
	struct hash id;

	ENSURE(id_parse(request_param(r, "id"), id.b), no_file());
	TRY(file_get(request_conn(r), request_arena(r), &id, &ret->file));
	ENSURE(!ret->file.hidden || moderates(r, &ret->file.space), no_file());
	return space_get(request_conn(r), &ret->file.space, &ret->space);
}

const char *file_url(struct request *r, const struct file *f)
{
	return arena_printf(request_arena(r), "/file/%s", ID(&f->id));
}

const char *file_name(struct arena *a, const struct file_version *v)
{
	const char *slash = strrchr(v->path, '/'), *name = slash ? slash + 1 : v->path;
	size_t n = strlen(name), end = strlen(v->kind->end);
	bool ours = n > end && !strcmp(name + n - end, v->kind->end);

	if (!strcmp(v->kind->name, "other"))
		return file_end_is_ours(name) ? arena_printf(a, "%s.bin", name) : name;
	return ours ? name : arena_printf(a, "%s%s", name, v->kind->end);
}

/* --- in JSON ---------------------------------------------------------------------------------- */

static void put_version(struct request *r, json_t *row, const struct hash *space,
			const struct file_version *v)
{
	library_put_author(r, row, space, &v->author, v->time);
	json_object_set_new(row, "kind_text", json_string(request_text(r, v->kind->words)));
	json_object_set_new(row, "size", json_integer((json_int_t)v->size));
	json_object_set_new(row, "size_text", json_string(request_size_text(r, v->size)));
}

json_t *file_json(struct request *r, const struct file_place *p)
{
	const struct file *f = &p->file;
	const char *title = *f->title ? f->title : request_text(r, N_("An erased file"));

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:b, s:b, s:{s:s, s:b, s:s}}", "id", ID(&f->id), "title",
		title, "path", f->path, "url", file_url(r, f), "hidden", f->hidden, "conflict",
		f->heads > 1, "space", "name", p->space.name, "own", p->space.own, "url",
		p->space.own ? "/library"
			     : arena_printf(request_arena(r), "/library/@%.8s", ID(&p->space.id)));
}

struct naming {
	struct conn *c;
	const struct pubkey *key;
	char name[LIMIT_NAME + 1];
};

static struct error *see_box(void *ctx, const struct admitted *a)
{
	struct naming *n = ctx;

	if (pubkey_eq(&a->key, n->key))
		peers_box_name(n->c, a, n->name);
	return NULL;
}

/* Where a content is that is not here, and why it isn't. */
static struct error *put_absence(struct request *r, json_t *row, const struct file_version *v,
				 const struct hash *space)
{
	struct naming n = {.c = request_conn(r), .key = &v->box, .name = ""};
	uint64_t part = blob_part(request_app(r)->blobs, &v->blob);
	enum file_here here = FILE_HERE;
	struct keep keep;

	if (!v->erased)
		TRY(file_here(request_conn(r), request_app(r)->blobs, v, &here));
	json_object_set_new(row, "here", json_boolean(!v->erased && here == FILE_HERE));
	json_object_set_new(row, "coming", json_boolean(here == FILE_COMING));
	json_object_set_new(row, "too_large", json_boolean(here == FILE_TOO_LARGE));
	json_object_set_new(row, "no_room", json_boolean(here == FILE_NO_ROOM));
	if (here == FILE_HERE)
		return NULL;
	TRY(admitted_each(request_conn(r), space, see_box, &n));
	TRY(partial_choice(request_conn(r), &keep));
	if (n.name[0] && !pubkey_eq(&v->box, secret_pubkey(request_app(r)->self)))
		json_object_set_new(row, "at", json_string(n.name));
	if (here == FILE_TOO_LARGE)
		json_object_set_new(row, "most_text",
				    json_string(request_size_text(r, keep.blob_max)));
	if (part)
		json_object_set_new(row, "part_text", json_string(request_size_text(r, part)));
	return NULL;
}

struct listing {
	struct request *r;
	const struct file_place *p;
	bool moderates, writes;
	json_t *list;
};

static struct error *add_version(void *ctx, const struct file_version *v)
{
	struct listing *l = ctx;
	const struct viewer *who = request_viewer(l->r);
	struct arena *a = request_arena(l->r);
	const char *url = file_url(l->r, &l->p->file);
	bool mine = l->writes && who && pubkey_eq(&who->key, &v->author);
	json_t *row =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:n, s:n, s:n, s:s}", "rev",
			  ID(&v->id), "short", ID_SHORT(&v->id), "name", file_name(a, v), "note",
			  v->note, "title", v->title, "current", v->head, "erased", v->erased,
			  "may_erase", !v->erased && (mine || l->moderates), "at", "most_text",
			  "part_text", "url", arena_printf(a, "%s/get?rev=%s", url, ID(&v->id)));

	put_version(l->r, row, &l->p->space.id, v);
	json_object_set_new(
		row, "picture",
		json_boolean(v->size <= PICTURE_SHOWN &&
			     (!strcmp(v->kind->name, "png") || !strcmp(v->kind->name, "jpeg") ||
			      !strcmp(v->kind->name, "gif") || !strcmp(v->kind->name, "webp"))));
	json_object_set_new(row, "erased_url",
			    v->erased && (mine || l->moderates)
				    ? json_string(arena_printf(a, "/erased/%s", ID(&v->id)))
				    : json_null());
	json_array_append_new(l->list, row);
	return put_absence(l->r, row, v, &l->p->space.id);
}

/* --- pages ------------------------------------------------------------------------------------ */

static struct error *file_page(struct request *r)
{
	struct file_place p;
	struct listing l = {.r = r, .p = &p};
	json_t *heads, *older, *row, *context;
	struct error *e;
	size_t i;

	TRY(file_of_path(r, &p));
	l.moderates = moderates(r, &p.space.id);
	l.writes = library_may_write(r, &p.space.id);
	l.list = json_array();
	e = file_version_each(request_conn(r), request_arena(r), &p.file, false, add_version, &l);
	if (e) {
		json_decref(l.list);
		return e;
	}
	heads = json_array();
	older = json_array();
	json_array_foreach(l.list, i, row) json_array_append(
		json_is_true(json_object_get(row, "current")) ? heads : older, row);
	json_decref(l.list);
	context = json_pack("{s:o, s:o, s:o, s:b, s:{s:b, s:b}, s:s}", "file", file_json(r, &p),
			    "heads", heads, "older", older, "any_older", json_array_size(older) > 0,
			    "can", "send", l.writes, "moderate", l.moderates, "version_url",
			    arena_printf(request_arena(r), "%s/versions", file_url(r, &p.file)));
	return respond_page(r, "file", p.file.title, context);
}

static struct error *first_version(void *ctx, const struct file_version *v)
{
	struct file_version *first = ctx;

	if (!first->num)
		*first = *v;
	return NULL;
}

static struct error *asked_version(struct request *r, const struct file *f,
				   struct file_version *ret)
{
	const char *rev = request_query(r, "rev");
	struct hash id;

	*ret = (struct file_version){.num = 0};
	if (rev) {
		ENSURE(id_parse(rev, id.b), no_file());
		return file_version_get(request_conn(r), request_arena(r), f, &id, ret);
	}
	return file_version_each(request_conn(r), request_arena(r), f, true, first_version, ret);
}

static struct error *absent(struct request *r, const struct file_version *v)
{
	enum file_here here;
	struct keep keep;

	TRY(file_here(request_conn(r), request_app(r)->blobs, v, &here));
	TRY(partial_choice(request_conn(r), &keep));
	if (here == FILE_TOO_LARGE)
		return error_new(ERR_NOT_FOUND,
				 N_("This box does not keep this file: it keeps files up to %s."),
				 request_size_text(r, keep.blob_max));
	ENSURE(here != FILE_NO_ROOM, error_new(ERR_NOT_FOUND, FILES_NO_ROOM));
	return error_new(ERR_NOT_FOUND,
			 N_("This file is not here yet. It comes from another house at the next "
			    "exchange."));
}

static ssize_t read_inside(void *ctx, uint64_t at, void *out, size_t n)
{
	const struct buf *b = ctx;

	if (at >= b->n)
		return 0;
	n = n < b->n - at ? n : (size_t)(b->n - at);
	memcpy(out, b->p + at, n);
	return (ssize_t)n;
}

static void close_inside(void *ctx)
{
	buf_release(ctx);
	free(ctx);
}

static struct error *send_inside(struct request *r, const struct file_version *v, const char *name)
{
	struct buf *b = calloc(1, sizeof(*b));
	struct span s;
	struct error *e;

	if (!b)
		abort();
	e = file_content(request_conn(r), request_arena(r), v, &s);
	if (e) {
		free(b);
		return e;
	}
	buf_add_span(b, s);
	return respond_content(r, read_inside, close_inside, b, b->n, ID_SHORT(&v->id), name);
}

static void close_reader(void *ctx)
{
	content_close(ctx);
}

static struct error *get(struct request *r)
{
	struct content_reader *reader;
	struct file_version v;
	struct file_place p;
	const char *name;
	struct error *e;

	TRY(file_of_path(r, &p));
	TRY(asked_version(r, &p.file, &v));
	ENSURE(v.num, no_file());
	ENSURE(!v.erased, error_new(ERR_GONE, N_("This version was erased.")));
	if (p.space.is_private)
		request_leave_no_trace(r);
	name = file_name(request_arena(r), &v);
	if (v.inside)
		return send_inside(r, &v, name);
	e = content_open(request_app(r)->blobs, &v, &reader);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return absent(r, &v);
	}
	TRY(e);
	return respond_content(r, content_read, close_reader, reader, v.size,
			       arena_printf(request_arena(r), "%.20s", ID(&v.blob)), name);
}

/* --- what moderators and authors do ----------------------------------------------------------- */

struct acting {
	struct draft draft;
	struct hash space, target, id;
	json_t *keep;
};

static struct error *submit_job(struct conn *c, void *arg)
{
	struct acting *k = arg;

	return community_submit(c, &k->draft, &k->id);
}

static struct error *hide(struct request *r)
{
	const char *hidden = request_field(r, "hidden");
	bool hides = hidden && strcmp(hidden, "0") != 0;
	struct file_place p;
	struct acting k = {.draft = {.type = "file.hide", .author = request_viewer(r)->secret}};
	struct error *e;

	TRY(file_of_path(r, &p));
	ENSURE(moderates(r, &p.space.id),
	       error_new(ERR_DENIED,
			 N_("This is possible at the safe door only: open this page with"
			    " https and sign in there.")));
	k.draft.space = p.space.id;
	k.draft.object = &p.file.id;
	k.draft.take_body = json_pack("{s:b}", "hidden", hides);
	e = request_write(r, submit_job, &k);
	draft_release(&k.draft);
	TRY(e);
	return respond_done_saying(r, file_url(r, &p.file),
				   hides ? N_("The file is hidden: only moderators see it.")
					 : N_("The file is shown again."),
				   json_pack("{s:s}", "id", ID(&k.id)));
}

static struct error *erase_job(struct conn *c, void *arg)
{
	struct acting *k = arg;

	return community_erase(c, &k->space, &k->target, k->draft.author, STEAL(k->keep));
}

static struct error *erase(struct request *r)
{
	const char *rev = request_field(r, "rev");
	struct acting k = {.draft = {.author = request_viewer(r)->secret}};
	struct file_place p;
	struct file_version v;
	struct error *e;

	ENSURE(rev && id_parse(rev, k.target.b), no_file());
	TRY(file_of_path(r, &p));
	TRY(file_version_get(request_conn(r), request_arena(r), &p.file, &k.target, &v));
	ENSURE(k.draft.author &&
		       (pubkey_eq(&request_viewer(r)->key, &v.author) || moderates(r, &p.space.id)),
	       error_new(ERR_DENIED, N_("Only who sent it and moderators may erase it.")));
	k.space = p.space.id;
	k.keep = file_version_keep(request_conn(r), &v);
	e = request_write_care(r, request_viewer(r)->volunteer, erase_job, &k);
	json_decref(k.keep);
	TRY(e);
	return respond_done_saying(
		r, file_url(r, &p.file),
		N_("It is erased here, and at the other houses when they hear of "
		   "it."),
		json_pack("{s:s}", "id", ID(&v.id)));
}

static struct error *wish_job(struct conn *c, void *arg)
{
	return file_wish(c, arg);
}

/* Anybody who reads may: it costs this box's disk what its volunteers bounded, so it is bounded,
 * too. */
static struct error *fetch(struct request *r)
{
	struct app *a = request_app(r);
	enum file_here here;
	struct file_place p;
	struct file_version v;

	TRY(file_of_path(r, &p));
	TRY(asked_version(r, &p.file, &v));
	ENSURE(v.num && !v.erased, no_file());
	TRY(request_limit(r, "fetch", 10, 5));
	TRY(file_here(request_conn(r), a->blobs, &v, &here));
	ENSURE(here != FILE_NO_ROOM, error_new(ERR_FULL, FILES_NO_ROOM));
	if (!v.inside && !blob_has(a->blobs, &v.blob, NULL)) {
		TRY(request_write(r, wish_job, &v.blob));
		if (a->sync)
			TRY(sync_now(a->sync, NULL, 0));
	}
	return respond_done_saying(
		r, file_url(r, &p.file),
		N_("The other houses are asked for it. Load this page again in a moment."), NULL);
}

/* --- the library's list ----------------------------------------------------------------------- */

struct folder {
	struct request *r;
	const char *base, *folder;
	json_t *list, *folders;
};

/* A folder that pages lie in, too, is on the list already. */
static void add_folder(struct folder *k, const char *rest, size_t n)
{
	struct arena *a = request_arena(k->r);
	const char *name = arena_strn(a, rest, n), *url = k->base;
	json_t *row;
	size_t i;

	json_array_foreach(k->folders, i, row)
	{
		json_int_t files = json_integer_value(json_object_get(row, "files"));

		if (strcmp(json_string_value(json_object_get(row, "name")), name) != 0)
			continue;
		json_object_set_new(row, "files", json_integer(files + 1));
		return;
	}
	for (const char *s = k->folder; *s; s += strcspn(s, "/"), s += *s == '/')
		url = arena_printf(a, "%s/%s", url,
				   url_encode(a, arena_strn(a, s, strcspn(s, "/"))));
	json_array_append_new(k->folders,
			      json_pack("{s:s, s:s, s:n, s:i}", "name", name, "url",
					arena_printf(a, "%s/%s?folder=1", url, url_encode(a, name)),
					"pages", "files", 1));
}

static struct error *add_file(void *ctx, const struct file *f, const struct file_version *v)
{
	struct folder *k = ctx;
	size_t n = strlen(k->folder);
	const char *rest = f->path + (n ? n + 1 : 0), *slash;
	json_t *row;

	if (v->erased || strncmp(f->path, k->folder, n) != 0 || (n && f->path[n] != '/'))
		return NULL;
	slash = strchr(rest, '/');
	if (slash) {
		add_folder(k, rest, (size_t)(slash - rest));
		return NULL;
	}
	row = json_pack("{s:s, s:s, s:s, s:b}", "title", f->title, "path", f->path, "url",
			file_url(k->r, f), "conflict", f->heads > 1);
	put_version(k->r, row, &f->space, v);
	json_array_append_new(k->list, row);
	return NULL;
}

struct error *files_list_json(struct request *r, const struct hash *space, const char *base,
			      const char *folder, json_t *folders, json_t **ret)
{
	struct folder k = {r, base, folder, json_array(), folders};
	struct error *e = file_each(request_conn(r), request_arena(r), space, add_file, &k);

	if (e) {
		json_decref(k.list);
		return e;
	}
	*ret = k.list;
	return NULL;
}

const struct route files_routes[] = {
	{"GET", "/files/new", files_new_page, 0},
	{"POST", "/files", files_post_new, ROUTE_SIGNED_IN | ROUTE_SPOOL},
	{"GET", "/file/:id", file_page, 0},
	{"GET", "/file/:id/get", get, 0},
	{"GET", "/file/:id/versions", files_version_page, 0},
	{"POST", "/file/:id/versions", files_post_version, ROUTE_SIGNED_IN | ROUTE_SPOOL},
	{"POST", "/file/:id/hide", hide, ROUTE_SIGNED_IN},
	{"POST", "/file/:id/erase", erase, ROUTE_SIGNED_IN},
	{"POST", "/file/:id/fetch", fetch, ROUTE_NO_CSRF},
	{0},
};
