/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing pages: the forms, and what they send. */
#include "appliance/library/library_pages.h"
#include "appliance/files/files.h"
#include "appliance/library/path.h"
#include "appliance/library/version.h"
#include "appliance/page/markdown.h"

enum { SAME_TITLES = 100, NAME_LEAST = 8 /* with its number */ };

struct form {
	const char *path, *title, *text, *note, *parents; /* parents: ids with spaces between */
};

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* --- forms ------------------------------------------------------------------------------------ */

static json_t *form_json(const struct form *f, const char *error)
{
	json_t *form =
		json_pack("{s:s, s:s, s:s}", "title", f->title, "text", f->text, "path", f->path);

	if (*f->parents)
		json_object_set_new(form, "parents", json_string(f->parents));
	if (*f->note)
		json_object_set_new(form, "note", json_string(f->note));
	if (error)
		json_object_set_new(form, "error", json_string(error));
	return form;
}

/* The form again, or for the first time. d NULL: a new page. others: show the heads beside it. */
static struct error *show_form(struct request *r, const struct library_place *p,
			       const struct doc *d, const struct form *f, const char *error,
			       int status, bool others)
{
	struct arena *a = request_arena(r);
	const char *url = d ? library_url(r, p, doc_address(a, d)) : p->base;
	json_t *context = json_pack("{s:s, s:s, s:{s:b}, s:o}", "action", url, "back_url", url,
				    "can", "preview", 1, "form", form_json(f, error));
	struct error *e = NULL;

	if (d)
		json_object_set_new(context, "doc", library_doc_json(r, p, d));
	if (others)
		json_object_set_new(context, "heads", library_heads_json(r, p, d, &e));
	if (request_field(r, "preview")) {
		_cleanup_(buf_release) struct buf html = {0};

		markdown_html(span_str(f->text), MARKDOWN_PAGE, &html);
		json_object_set_new(context, "preview_html", json_string(buf_str(&html)));
	}
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, status, "doc_edit",
				   d ? d->title : request_text(r, N_("A new page")), context);
}

struct error *library_new_page(struct request *r, const struct library_place *p)
{
	struct form f = {or_empty(request_query(r, "path")), "", "", "", ""};

	TRY(library_must_write(r, &p->space));
	return show_form(r, p, NULL, &f, NULL, 200, false);
}

struct heads {
	struct arena *arena;
	const char *ids; /* all, with spaces between */
	struct revision newest;
};

static struct error *collect_head(void *ctx, const struct revision *v)
{
	struct heads *h = ctx;

	if (!h->newest.num)
		h->newest = *v;
	h->ids = arena_printf(h->arena, "%s%s%s", h->ids, *h->ids ? " " : "", ID(&v->id));
	return NULL;
}

static struct error *collect_heads(struct request *r, const struct doc *d, struct heads *ret)
{
	*ret = (struct heads){.arena = request_arena(r), .ids = ""};
	return revision_each(request_conn(r), request_arena(r), d, true, collect_head, ret);
}

/* Several heads: the form begins with the one that was chosen and joins all of them. */
struct error *library_edit_page(struct request *r, const struct library_place *p,
				const struct doc *d)
{
	const char *from = request_query(r, "from");
	struct revision v;
	struct heads h;
	struct hash id;

	TRY(library_must_write(r, &p->space));
	TRY(collect_heads(r, d, &h));
	v = h.newest;
	if (from && id_parse(from, &id))
		TRY(revision_get(request_conn(r), request_arena(r), d, &id, &v));
	return show_form(r, p, d,
			 &(struct form){d->path, or_empty(v.title), or_empty(v.text), "", h.ids},
			 NULL, 200, d->heads > 1);
}

/* --- saving ----------------------------------------------------------------------------------- */

struct save {
	struct draft draft;
	struct hash id;
};

static struct error *save_job(struct conn *c, void *arg)
{
	struct save *s = arg;

	return community_submit(c, &s->draft, &s->id);
}

static json_t *body_of(const struct doc *d, const struct form *f)
{
	json_t *body = json_pack("{s:s, s:s}", "title", f->title, "text", f->text);

	if (!d || (*f->path && strcmp(f->path, d->path) != 0))
		json_object_set_new(body, "path", json_string(f->path));
	if (d) {
		json_object_set_new(body, "parents", version_ids(f->parents));
		if (*f->note)
			json_object_set_new(body, "note", json_string(f->note));
	}
	return body;
}

static struct error *save(struct request *r, const struct library_place *p, const struct doc *d,
			  const struct form *f, struct hash *ret_id)
{
	struct save s = {.draft = {.type = d ? "doc.revise" : "doc.create",
				   .space = p->space.id,
				   .object = d ? &d->id : NULL,
				   .author = request_viewer(r)->secret,
				   .take_body = body_of(d, f)}};
	struct error *e = request_write(r, save_job, &s);

	draft_release(&s.draft);
	TRY(e);
	*ret_id = s.id;
	return NULL;
}

/* What was typed is never lost: a mistake brings the form back with it. */
static struct error *refuse(struct request *r, const struct library_place *p, const struct doc *d,
			    const struct form *f, struct error *e)
{
	const char *text;
	int status;

	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show_form(r, p, d, f, text, status, false);
}

static struct error *check_form(struct request *r, const struct form *f, bool is_new)
{
	ENSURE(*f->title, request_wrong(r, "title", error_new(ERR_INVALID, N_("The page needs a title."))));
	ENSURE(*f->text, request_wrong(r, "text", error_new(ERR_INVALID, N_("The page has no text yet."))));
	ENSURE(strcmp(f->path, "new") != 0,
	       request_wrong(r, "path",
			     error_new(ERR_INVALID, N_("A page can't be called “new”. Choose another name."))));
	return is_new || *f->path ? request_wrong(r, "path", path_check(f->path)) : NULL;
}

/* Is it a page's address, or a file's, or one of ours? */
static struct error *is_taken(struct request *r, const struct library_place *p, const char *path,
			      bool *ret)
{
	struct arena *a = request_arena(r);
	struct error *e;
	struct doc d;
	struct file f;

	*ret = true;
	if (strcmp(path, "new") == 0)
		return NULL;
	e = doc_at(request_conn(r), a, &p->space.id, path, &d);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		e = file_at(request_conn(r), a, &p->space.id, path, &f);
	}
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	*ret = false;
	return NULL;
}

/* Nobody chose where the page is kept, or only in which folder: by its title, with a number where that is
 * taken. */
static struct error *choose_path(struct request *r, const struct library_place *p, struct form *f)
{
	const char *folder = f->path;
	char made[LIMIT_PATH + 1];
	bool taken;

	if (*folder && folder[strlen(folder) - 1] != '/')
		return NULL;
	if (strlen(folder) > LIMIT_PATH - NAME_LEAST) /* no name fits: what is typed is too long */
		return path_check(folder);
	for (int try = 1; try <= SAME_TITLES; try++) {
		path_made(folder, f->title, try, made);
		TRY(is_taken(r, p, made, &taken));
		if (taken)
			continue;
		f->path = arena_str(request_arena(r), made);
		return NULL;
	}
	return error_new(ERR_EXISTS, N_("Too many pages have this title. Give it another one."));
}

static struct error *create(struct request *r, const struct library_place *p, struct form *f)
{
	struct form typed = *f;
	struct hash id;
	struct error *e = choose_path(r, p, f);

	if (!e)
		e = check_form(r, f, true);
	if (!e)
		e = save(r, p, NULL, f, &id);
	if (error_is(e, ERR_EXISTS))
		e = request_wrong(r, *typed.path ? "path" : "title", e);
	if (e)
		return refuse(r, p, NULL, &typed, e);
	return respond_done(
		r, library_url(r, p, f->path),
		json_pack("{s:s, s:s}", "id", ID(&id), "url", library_url(r, p, f->path)));
}

/* Somebody saved meanwhile: both texts are shown, and saving again joins them. */
static struct error *show_meanwhile(struct request *r, const struct library_place *p,
				    const struct doc *d, struct form *f, const struct heads *h)
{
	if (request_wants_json(r))
		return error_new(ERR_CONFLICT,
				 N_("The page “%s” was changed meanwhile. Read it again, and send"
				    " your change with its new version as parent."),
				 d->title);
	f->parents = h->ids;
	return show_form(
		r, p, d, f,
		request_text(
			r, N_("Somebody changed this page while you were writing. Nothing is lost:"
			      " their version is shown below. Put both together here and save"
			      " again.")),
		409, true);
}

static struct error *revise(struct request *r, const struct library_place *p, const struct doc *d,
			    struct form *f)
{
	struct heads h;
	struct hash id;
	struct error *e = check_form(r, f, false);

	if (e)
		return refuse(r, p, d, f, e);
	TRY(collect_heads(r, d, &h));
	if (strcmp(f->parents, h.ids) != 0)
		return show_meanwhile(r, p, d, f, &h);
	e = save(r, p, d, f, &id);
	if (e)
		return refuse(r, p, d, f, e);
	return respond_done_saying(r, library_url(r, p, doc_address(request_arena(r), d)),
				   N_("Saved."), json_pack("{s:s}", "id", ID(&id)));
}

struct error *library_post(struct request *r)
{
	struct form f = {or_empty(request_field(r, "path")), or_empty(request_field(r, "title")),
			 or_empty(request_field(r, "text")), or_empty(request_field(r, "note")),
			 or_empty(request_field(r, "parents"))};
	struct library_place p;
	struct doc d;

	TRY(library_place(r, &p));
	TRY(library_must_write(r, &p.space));
	TRY(request_limit(r, "write", 30, 20));
	if (*p.path)
		TRY(doc_at(request_conn(r), request_arena(r), &p.space.id, p.path, &d));
	if (request_field(r, "preview"))
		return show_form(r, &p, *p.path ? &d : NULL, &f, NULL, 200, false);
	return *p.path ? revise(r, &p, &d, &f) : create(r, &p, &f);
}

/* --- hiding ----------------------------------------------------------------------------------- */

/* POST /doc/ID/hide with hidden=1 or 0: by its id, because a hidden page has no address. */
struct error *library_hide(struct request *r)
{
	const struct viewer *v = request_viewer(r);
	const char *hidden = request_field(r, "hidden");
	struct save s = {.draft = {.type = "doc.hide", .author = v->secret}};
	struct error *e;
	struct hash id;
	struct doc d;

	ENSURE(v->may_moderate_here && v->secret,
	       error_new(ERR_DENIED,
			 N_("This is possible at the safe door only: open this page with"
			    " https and sign in there.")));
	ENSURE(id_parse(request_param(r, "id"), &id),
	       error_new(ERR_NOT_FOUND, N_("There is no such page among the documents.")));
	TRY(doc_get(request_conn(r), request_arena(r), &id, &d));
	s.draft.space = d.space;
	s.draft.object = &d.id;
	s.draft.take_body = json_pack("{s:b}", "hidden", hidden && strcmp(hidden, "0") != 0);
	e = request_write(r, save_job, &s);
	draft_release(&s.draft);
	TRY(e);
	return respond_done_saying(r, "/library", N_("Saved."),
				   json_pack("{s:s}", "id", ID(&s.id)));
}
