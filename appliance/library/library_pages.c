/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/library/library_pages.h"
#include "appliance/files/files_pages.h"
#include "appliance/library/library_priv.h"
#include "appliance/page/markdown.h"

/* --- where we are ----------------------------------------------------------------------------- */

struct error *library_place(struct request *r, struct library_place *ret)
{
	const char *path = request_param(r, "path");
	struct library_place p = {.path = path, .base = "/library"};

	if (*path == '@') {
		const char *slash = strchr(path, '/');
		size_t n = slash ? (size_t)(slash - path) : strlen(path);
		char *short_id = arena_strn(request_arena(r), path + 1, n - 1);

		TRY(space_by_short(request_conn(r), short_id, &p.space));
		p.path = slash ? slash + 1 : "";
		p.base = arena_printf(request_arena(r), "/library/@%.8s", ID(&p.space.id));
	} else {
		TRY(space_home(request_conn(r), &p.space));
	}
	*ret = p;
	return NULL;
}

const char *library_url(struct request *r, const struct library_place *p, const char *address)
{
	struct arena *a = request_arena(r);
	const char *url = p->base;

	while (*address) {
		size_t n = strcspn(address, "/");

		url = arena_printf(a, "%s/%s", url, url_encode(a, arena_strn(a, address, n)));
		address += n + (address[n] == '/');
	}
	return url;
}

bool library_may_write(struct request *r, const struct hash *space)
{
	const struct viewer *v = request_viewer(r);
	enum role role = ROLE_NONE;

	if (!v || !v->secret)
		return false;
	error_free(role_now(request_conn(r), space, &v->key, &role));
	return role >= ROLE_MEMBER;
}

struct error *library_must_write(struct request *r, const struct space_info *space)
{
	ENSURE(request_viewer(r), error_new(ERR_AUTH, N_("Sign in to write documents.")));
	ENSURE(library_may_write(r, &space->id),
	       error_new(ERR_DENIED,
			 N_("Only members of %s write its documents. Ask a volunteer to make you"
			    " one."),
			 space->name));
	return NULL;
}

/* --- contexts --------------------------------------------------------------------------------- */

static const char *author_name(struct request *r, const struct hash *space,
			       const struct pubkey *key)
{
	struct member m;
	struct error *e = member_get(request_conn(r), space, key, &m);
	const char *name = e ? ID_SHORT(key) : m.name;

	error_free(e);
	return arena_str(request_arena(r), name);
}

void library_put_author(struct request *r, json_t *row, const struct hash *space,
			const struct pubkey *author, int64_t time)
{
	const char *name = author_name(r, space, author);
	struct arena *a = request_arena(r);

	json_object_set_new(row, "author", json_string(name));
	json_object_set_new(row, "author_url",
			    json_string(arena_printf(a, "/people/%s", url_encode(a, name))));
	json_object_set_new(row, "date", json_string(request_date(r, time)));
	json_object_set_new(row, "date_text", json_string(request_date_text(r, time)));
}

static json_t *space_json(const struct library_place *p)
{
	return json_pack("{s:s, s:s, s:b, s:s}", "name", p->space.name, "short",
			 ID_SHORT(&p->space.id), "own", p->space.own, "url", p->base);
}

const char *library_title(struct request *r, const struct doc *d)
{
	return *d->title ? d->title : request_text(r, N_("An erased page"));
}

json_t *library_doc_json(struct request *r, const struct library_place *p, const struct doc *d)
{
	const char *address = doc_address(request_arena(r), d);
	json_t *doc =
		json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "id", ID(&d->id), "title",
			  library_title(r, d), "path", address, "url", library_url(r, p, address),
			  "heads_count", (json_int_t)d->heads, "space", space_json(p));

	if (d->heads > 1)
		json_object_set_new(doc, "conflict", json_true());
	return doc;
}

static const char *html_of(struct request *r, const struct revision *v)
{
	_cleanup_(buf_release) struct buf html = {0};
	const char *text =
		v->erased ? request_text(r, N_("*This version was erased. Its words are gone.*"))
			  : v->text;

	markdown_html(span_str(text), MARKDOWN_PAGE, &html);
	return arena_str(request_arena(r), buf_str(&html));
}

struct listing {
	struct request *r;
	const struct library_place *p;
	const struct doc *d;
	json_t *list;
};

static json_t *revision_json(struct listing *l, const struct revision *v)
{
	struct hash parents[LIMIT_SEEN];
	size_t n = revision_parents(request_conn(l->r), v, parents);
	const char *url = library_url(l->r, l->p, doc_address(request_arena(l->r), l->d));
	json_t *list = json_array();
	json_t *row = json_pack("{s:s, s:s, s:s, s:o, s:b, s:b}", "rev", ID(&v->id), "short",
				ID_SHORT(&v->id), "url",
				arena_printf(request_arena(l->r), "%s?rev=%s", url, ID(&v->id)),
				"parents", list, "merge", n > 1, "current", v->head);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(ID(&parents[i])));
	if (*v->note)
		json_object_set_new(row, "note", json_string(v->note));
	library_put_author(l->r, row, &l->p->space.id, &v->author, v->time);
	return row;
}

static struct error *add_revision(void *ctx, const struct revision *v)
{
	struct listing *l = ctx;

	json_array_append_new(l->list, revision_json(l, v));
	return NULL;
}

static struct error *add_head(void *ctx, const struct revision *v)
{
	struct listing *l = ctx;
	json_t *row = revision_json(l, v);
	const char *url = library_url(l->r, l->p, doc_address(request_arena(l->r), l->d));

	json_object_set_new(row, "html", json_string(html_of(l->r, v)));
	json_object_set_new(row, "edit_url",
			    json_string(arena_printf(request_arena(l->r), "%s?edit=1&from=%s", url,
						     ID(&v->id))));
	json_array_append_new(l->list, row);
	return NULL;
}

json_t *library_heads_json(struct request *r, const struct library_place *p, const struct doc *d,
			   struct error **ret_e)
{
	struct listing l = {r, p, d, json_array()};

	*ret_e = revision_each(request_conn(r), request_arena(r), d, true, add_head, &l);
	return l.list;
}

/* --- the list --------------------------------------------------------------------------------- */

struct folder {
	struct request *r;
	const struct library_place *p;
	const char *prefix; /* "minutes/" or "" */
	json_t *pages, *folders;
};

/* Pages come sorted by path, so those of one folder lie together. */
static void count_in_folder(struct folder *f, const char *rest, size_t n)
{
	struct arena *a = request_arena(f->r);
	const char *name = arena_strn(a, rest, n);
	json_t *last = json_array_get(f->folders, json_array_size(f->folders) - 1);

	if (last && !strcmp(json_string_value(json_object_get(last, "name")), name)) {
		json_int_t pages = json_integer_value(json_object_get(last, "pages"));

		json_object_set_new(last, "pages", json_integer(pages + 1));
		return;
	}
	/* A page may have the folder's name: then the plain address is the page's. */
	json_array_append_new(
		f->folders,
		json_pack("{s:s, s:s, s:i, s:n}", "name", name, "url",
			  arena_printf(a, "%s?folder=1",
				       library_url(f->r, f->p,
						   arena_printf(a, "%s%s", f->prefix, name))),
			  "pages", 1, "files"));
}

static struct error *first_head(void *ctx, const struct revision *v)
{
	struct revision *first = ctx;

	if (!first->num)
		*first = *v;
	return NULL;
}

static struct error *add_doc(void *ctx, const struct doc *d)
{
	struct folder *f = ctx;
	struct arena *a = request_arena(f->r);
	const char *address = doc_address(a, d), *rest, *slash;
	struct revision newest = {.num = 0};
	json_t *row;

	if (strncmp(address, f->prefix, strlen(f->prefix)) != 0)
		return NULL;
	rest = address + strlen(f->prefix);
	slash = strchr(rest, '/');
	if (slash) {
		count_in_folder(f, rest, (size_t)(slash - rest));
		return NULL;
	}
	TRY(revision_list(request_conn(f->r), a, d, 0, 1, first_head, &newest));
	row = json_pack("{s:s, s:s, s:s}", "title", library_title(f->r, d), "path", address, "url",
			library_url(f->r, f->p, address));
	if (newest.num)
		library_put_author(f->r, row, &f->p->space.id, &newest.author, newest.time);
	json_array_append_new(f->pages, row);
	return NULL;
}

static struct error *add_other(void *ctx, const struct space_info *s)
{
	struct folder *f = ctx;
	struct arena *a = request_arena(f->r);

	if (!hash_eq(&s->id, &f->p->space.id))
		json_array_append_new(
			f->folders,
			json_pack("{s:s, s:s}", "name", s->name, "url",
				  s->own ? "/library"
					 : arena_printf(a, "/library/@%.8s", ID(&s->id))));
	return NULL;
}

static const char *up_url(struct request *r, const struct library_place *p)
{
	const char *slash = strrchr(p->path, '/');
	struct arena *a = request_arena(r);

	if (!slash)
		return p->base;
	return arena_printf(a, "%s?folder=1",
			    library_url(r, p, arena_strn(a, p->path, (size_t)(slash - p->path))));
}

static struct error *add_files(struct request *r, const struct library_place *p, json_t *context,
			       size_t *ret_n)
{
	struct arena *a = request_arena(r);
	json_t *list, *folders = json_object_get(context, "folders");

	TRY(files_list_json(r, &p->space.id, p->base, p->path, folders, &list));
	*ret_n = json_array_size(list) + json_array_size(folders);
	json_object_set_new(context, "files", list);
	json_object_set_new(
		context, "send_url",
		json_string(arena_printf(a, "/files/new?space=%s%s%s", ID_SHORT(&p->space.id),
					 *p->path ? "&folder=" : "", url_encode(a, p->path))));
	return NULL;
}

/* Every page, file and folder below p->path. */
static struct error *list_page(struct request *r, const struct library_place *p)
{
	struct arena *a = request_arena(r);
	struct folder f = {.r = r,
			   .p = p,
			   .prefix = *p->path ? arena_printf(a, "%s/", p->path) : "",
			   .pages = json_array(),
			   .folders = json_array()};
	struct folder others = {.r = r, .p = p, .folders = json_array()};
	json_t *context =
		json_pack("{s:o, s:o, s:o, s:o, s:{s:b}, s:s}", "space", space_json(p), "pages",
			  f.pages, "folders", f.folders, "others", others.folders, "can", "create",
			  library_may_write(r, &p->space.id), "new_url",
			  arena_printf(a, "%s/new%s%s", p->base, *p->path ? "?path=" : "",
				       *p->path ? url_encode(a, f.prefix) : ""));
	struct error *e = doc_each(request_conn(r), a, &p->space.id, add_doc, &f);
	size_t files = 0;

	if (!e && !*p->path)
		e = space_each(request_conn(r), add_other, &others);
	if (!e)
		e = add_files(r, p, context, &files);
	if (!e && *p->path && !json_array_size(f.pages) && !json_array_size(f.folders) && !files)
		e = error_new(ERR_NOT_FOUND, N_("There is no page “%s” among the documents."), p->path);
	if (e) {
		json_decref(context);
		return e;
	}
	if (*p->path) {
		json_object_set_new(context, "folder", json_string(p->path));
		json_object_set_new(context, "up_url", json_string(up_url(r, p)));
	}
	return respond_page(r, "library", request_text(r, N_("Documents")), context);
}

/* --- one page --------------------------------------------------------------------------------- */

static struct error *doc_page(struct request *r, const struct library_place *p, const struct doc *d)
{
	struct arena *a = request_arena(r);
	const char *url = library_url(r, p, doc_address(a, d));
	struct error *e;
	json_t *heads = library_heads_json(r, p, d, &e), *doc = library_doc_json(r, p, d);
	json_t *first = json_array_get(heads, 0), *context;
	static const char *const copied[] = {"html", "author",	  "author_url",
					     "date", "date_text", "rev"};

	for (size_t i = 0; i < ARRAY_LEN(copied) && first; i++)
		json_object_set(doc, copied[i], json_object_get(first, copied[i]));
	context = json_pack("{s:o, s:{s:b}, s:s, s:s}", "doc", doc, "can", "edit",
			    library_may_write(r, &p->space.id), "edit_url",
			    arena_printf(a, "%s?edit=1", url), "history_url",
			    arena_printf(a, "%s?history=1", url));
	if (d->heads > 1)
		json_object_set(context, "heads", heads);
	json_decref(heads);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page(r, "doc", library_title(r, d), context);
}

enum { REVISIONS_A_PAGE = 30 };

static void put_pager(struct request *r, json_t *context, const char *url, int64_t page,
		      int64_t pages)
{
	struct arena *a = request_arena(r);
	json_t *pager;

	if (pages < 2)
		return;
	pager = json_pack("{s:I, s:I}", "page", (json_int_t)page, "pages", (json_int_t)pages);
	if (page > 1)
		json_object_set_new(
			pager, "newer_url",
			json_string(arena_printf(a, "%s&page=%lld", url, (long long)page - 1)));
	if (page < pages)
		json_object_set_new(
			pager, "older_url",
			json_string(arena_printf(a, "%s&page=%lld", url, (long long)page + 1)));
	json_object_set_new(context, "pager", pager);
}

static struct error *history_page(struct request *r, const struct library_place *p,
				  const struct doc *d)
{
	const char *asked = request_query(r, "page");
	int64_t page = asked ? strtoll(asked, NULL, 10) : 1;
	struct listing l = {r, p, d, json_array()};
	json_t *context =
		json_pack("{s:o, s:o}", "doc", library_doc_json(r, p, d), "revisions", l.list);
	const char *url = library_url(r, p, doc_address(request_arena(r), d));
	struct error *e;

	page = page < 1 ? 1 : page > 1000000 ? 1000000 : page;
	e = revision_list(request_conn(r), request_arena(r), d, (page - 1) * REVISIONS_A_PAGE,
			  REVISIONS_A_PAGE, add_revision, &l);
	if (e) {
		json_decref(context);
		return e;
	}
	put_pager(r, context, arena_printf(request_arena(r), "%s?history=1", url), page,
		  (d->revisions + REVISIONS_A_PAGE - 1) / REVISIONS_A_PAGE);
	return respond_page(r, "doc_history", library_title(r, d), context);
}

static void add_diff_line(void *ctx, enum diff_kind kind, const char *line, size_t n)
{
	static const char *const names[] = {"same", "add", "del"};

	while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	json_array_append_new(ctx, json_pack("{s:s, s:s%, s:b}", "kind", names[kind], "text", line,
					     n, names[kind], 1));
}

static struct error *revision_page(struct request *r, const struct library_place *p,
				   const struct doc *d, const char *rev)
{
	struct arena *a = request_arena(r);
	const char *url = library_url(r, p, doc_address(a, d));
	struct listing l = {.r = r, .p = p, .d = d};
	struct revision v, before;
	struct hash id, parents[LIMIT_SEEN];
	json_t *row, *context, *diff = json_array();
	struct error *e = NULL;

	if (!id_parse(rev, &id)) {
		json_decref(diff);
		return error_new(ERR_NOT_FOUND, N_("This page has no version %s here."), rev);
	}
	e = revision_get(request_conn(r), a, d, &id, &v);
	if (!e && revision_parents(request_conn(r), &v, parents)) {
		e = revision_get(request_conn(r), a, d, &parents[0], &before);
		if (!e)
			e = library_diff(before.text, v.text, add_diff_line, diff);
		else if (error_is(e, ERR_NOT_FOUND)) /* not here yet: nothing to compare with */
			error_replace(&e, NULL);
	}
	if (e) {
		json_decref(diff);
		return e;
	}
	row = revision_json(&l, &v);
	json_object_set_new(row, "html", json_string(html_of(r, &v)));
	json_object_set_new(row, "text", json_string(v.text));
	context = json_pack("{s:o, s:o, s:s, s:o}", "doc", library_doc_json(r, p, d), "revision",
			    row, "history_url", arena_printf(a, "%s?history=1", url), "diff", diff);
	return respond_page(r, "doc_revision", v.title, context);
}

/* A file's address in the library leads to its page. */
static struct error *file_or_list(struct request *r, const struct library_place *p)
{
	struct file f;
	struct error *e = file_at(request_conn(r), request_arena(r), &p->space.id, p->path, &f);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return list_page(r, p);
	}
	TRY(e);
	respond_redirect(r, arena_printf(request_arena(r), "/file/%s%s", ID(&f.id),
					 request_wants_json(r) ? ".json" : ""));
	return NULL;
}

static struct error *library_page(struct request *r)
{
	struct library_place p;
	struct error *e;
	struct doc d;

	TRY(library_place(r, &p));
	if (!strcmp(p.path, "new"))
		return library_new_page(r, &p);
	if (!*p.path || request_query(r, "folder"))
		return list_page(r, &p);
	e = doc_at(request_conn(r), request_arena(r), &p.space.id, p.path, &d);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return file_or_list(r, &p);
	}
	TRY(e);
	if (request_query(r, "edit"))
		return library_edit_page(r, &p, &d);
	if (request_query(r, "history"))
		return history_page(r, &p, &d);
	if (request_query(r, "rev"))
		return revision_page(r, &p, &d, request_query(r, "rev"));
	return doc_page(r, &p, &d);
}

const struct route library_routes[] = {
	{"GET", "/library", library_page, ROUTE_CACHED},
	{"GET", "/library/*path", library_page, ROUTE_CACHED},
	{"POST", "/library", library_post, ROUTE_SIGNED_IN},
	{"POST", "/library/*path", library_post, ROUTE_SIGNED_IN},
	{"POST", "/doc/:id/hide", library_hide, ROUTE_SIGNED_IN},
	{0},
};
