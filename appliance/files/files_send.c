/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sending a file: a form that works without script, and what it brings. The file goes to the disk
 * as it arrives, without a name; it gets one here, once it is known where it belongs. */
#include "appliance/files/content.h"
#include "appliance/files/files_pages_priv.h"
#include "appliance/files/files_priv.h"
#include "appliance/library/library_pages.h"
#include "appliance/library/path.h"
#include "appliance/library/version.h"

enum { DAY_MS = 24 * 3600 * 1000, ENDING = 8 };

/* What a form says. file: NULL for a new one. */
struct sending {
	struct space_info space;
	const struct file_place *place;
	const char *title, *note, *folder, *parents;
};

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* --- the form --------------------------------------------------------------------------------- */

static struct error *show_form(struct request *r, const struct sending *s, const char *error,
			       int status)
{
	struct arena *a = request_arena(r);
	const char *back = s->place	  ? file_url(r, &s->place->file)
			   : s->space.own ? "/library"
					  : arena_printf(a, "/library/@%.8s", ID(&s->space.id));
	json_t *form =
		json_pack("{s:s, s:s, s:s, s:s, s:s}", "title", s->title, "note", s->note, "folder",
			  s->folder, "space", ID(&s->space.id), "parents", s->parents);
	json_t *context = json_pack(
		"{s:o, s:s, s:s, s:s, s:{s:s, s:b, s:b}}", "form", form, "action",
		s->place ? arena_printf(a, "/file/%s/versions", ID(&s->place->file.id)) : "/files",
		"back_url", back, "limit_text", request_limit_text(r, LIMIT_UPLOAD), "space", "name",
		s->space.name, "own", s->space.own, "private", s->space.is_private);

	if (s->place)
		json_object_set_new(context, "file", file_json(r, s->place));
	if (error)
		json_object_set_new(form, "error", json_string(error));
	return respond_page_status(
		r, status, "file_send",
		request_text(r, s->place ? N_("A new version") : N_("Put a file here")), context);
}

static struct error *space_of(struct request *r, const char *asked, struct space_info *ret)
{
	struct hash id;

	if (!asked || !*asked)
		return space_home(request_conn(r), ret);
	if (!id_parse(asked, &id))
		return space_by_short(request_conn(r), asked, ret);
	return space_get(request_conn(r), &id, ret);
}

struct error *files_new_page(struct request *r)
{
	struct sending s = {.title = "",
			    .note = "",
			    .parents = "",
			    .folder = or_empty(request_query(r, "folder"))};

	TRY(space_of(r, request_query(r, "space"), &s.space));
	TRY(library_must_write(r, &s.space));
	return show_form(r, &s, NULL, 200);
}

struct heads {
	struct arena *arena;
	const char *ids;
};

static struct error *collect_head(void *ctx, const struct file_version *v)
{
	struct heads *h = ctx;

	h->ids = arena_printf(h->arena, "%s%s%s", h->ids, *h->ids ? " " : "", ID(&v->id));
	return NULL;
}

static struct error *heads_of(struct request *r, const struct file *f, const char **ret)
{
	struct heads h = {request_arena(r), ""};

	TRY(file_version_each(request_conn(r), request_arena(r), f, true, collect_head, &h));
	*ret = h.ids;
	return NULL;
}

static struct error *version_place(struct request *r, struct file_place *p, struct sending *s)
{
	TRY(file_of_path(r, p));
	TRY(library_must_write(r, &p->space));
	*s = (struct sending){
		.space = p->space, .place = p, .title = p->file.title, .note = "", .folder = ""};
	return heads_of(r, &p->file, &s->parents);
}

struct error *files_version_page(struct request *r)
{
	struct file_place p;
	struct sending s;

	TRY(version_place(r, &p, &s));
	return show_form(r, &s, NULL, 200);
}

/* --- saving ----------------------------------------------------------------------------------- */

/* The end of the name as the sender has it, when the kind is not on our list; else the kind's. */
static const char *end_of(struct request *r, const struct content *c, const char *name)
{
	const char *dot = strrchr(name, '.');
	char end[ENDING + 2] = ".";
	size_t n = 1;

	if (strcmp(c->kind->name, "other") != 0 || !dot || file_end_is_ours(name))
		return c->kind->end;
	for (const char *s = dot + 1; *s && n <= ENDING; s++, n++) {
		char low = *s >= 'A' && *s <= 'Z' ? (char)(*s | 32) : *s;

		if (!((low >= 'a' && low <= 'z') || (low >= '0' && low <= '9')))
			return c->kind->end;
		end[n] = low;
	}
	end[n] = 0;
	return n > 1 && strlen(dot) <= ENDING + 1 ? arena_str(request_arena(r), end) : c->kind->end;
}

/* "Acta de l'Assemblea.PDF" → "Acta de l'Assemblea": what people call it. Folders of the sender's
 * machine, which old browsers send along, are not a part of it. */
static const char *title_from(struct request *r, const char *name)
{
	const char *last = name, *dot;

	for (const char *s = name; *s; s++)
		if ((*s == '/' || *s == '\\') && s[1])
			last = s + 1;
	dot = strrchr(last, '.');
	return arena_strn(request_arena(r), last,
			  dot && dot > last ? (size_t)(dot - last) : strlen(last));
}

static struct error *path_for(struct request *r, const struct sending *s, const struct content *c,
			      const char *name, const char **ret)
{
	struct arena *a = request_arena(r);
	const char *folder = s->folder;
	char made[LIMIT_PATH + 1];
	size_t n = strlen(folder);
	const char *path, *end = end_of(r, c, name);
	struct error *e;

	while (n && folder[n - 1] == '/')
		n--;
	path_from_title(s->title, made, sizeof(made));
	path = arena_printf(a, "%.*s%s%s%s", (int)n, folder, n ? "/" : "", *made ? made : "file",
			    end);
	e = path_check(path);
	if (error_is(e, ERR_INVALID) && strcmp(end, c->kind->end) != 0) {
		error_free(e); /* “.lock”, perhaps */
		path = arena_printf(a, "%.*s%s%s%s", (int)n, folder, n ? "/" : "",
				    *made ? made : "file", c->kind->end);
		e = path_check(path);
	}
	TRY(e);
	*ret = path;
	return NULL;
}

struct save {
	struct draft draft;
	struct app *app;
	const struct content *content;
	struct hash id;
};

/* Beside the check of the op itself: its blob is here, whatever was tidied up meanwhile. */
static struct error *save_job(struct conn *c, void *arg)
{
	struct save *s = arg;

	ENSURE(!s->content->outside || blob_has(s->app->blobs, &s->content->blob, NULL),
	       error_new(ERR_BUSY, N_("The file went away while it was being saved. Send it "
				      "again.")));
	TRY(community_submit(c, &s->draft, &s->id));
	return s->content->outside ? sent_done(c, &s->content->blob) : NULL;
}

/* A crash between a blob and the op that names it leaves a note of it, and it goes at the next
 * start (follow.c). */
static struct error *note_job(struct conn *c, void *arg)
{
	return sent_add(c, arg);
}

static struct error *note_sent(void *ctx, const struct hash *blob)
{
	struct hash name = *blob;

	return writer_run(request_app(ctx)->writer, note_job, &name);
}

/* What was refused leaves nothing on the disk, unless another file has the same content. The op may
 * be in the log for all that, and the view behind it: then the note stays, and the next start looks
 * again. */
static struct error *tidy_job(struct conn *c, void *arg)
{
	struct save *s = arg;

	return conn_is_behind(c) ? NULL : sent_settle(c, s->app->blobs, &s->content->blob);
}

static struct error *save(struct request *r, const struct sending *s, const struct content *c,
			  const char *name, struct hash *ret_id)
{
	json_t *body = json_pack("{s:s}", "title", s->title);
	struct save k = {.app = request_app(r), .content = c};
	const char *path;
	struct error *e = NULL;

	content_say(c, body);
	if (s->place) {
		json_object_set_new(body, "parents", version_ids(s->parents));
		if (*s->note)
			json_object_set_new(body, "note", json_string(s->note));
	} else {
		e = path_for(r, s, c, name, &path);
		if (!e)
			json_object_set_new(body, "path", json_string(path));
	}
	k.draft = (struct draft){.type = s->place ? "file.revise" : "file.create",
				 .space = s->space.id,
				 .object = s->place ? &s->place->file.id : NULL,
				 .author = request_viewer(r)->secret,
				 .take_body = body};
	if (!e)
		e = request_write(r, save_job, &k);
	draft_release(&k.draft);
	if (e && c->outside)
		error_free(request_write(r, tidy_job, &k));
	TRY(e);
	*ret_id = k.id;
	return NULL;
}

static struct error *check_day(struct request *r, uint64_t size)
{
	int64_t sent;

	TRY(files_sent_since(request_conn(r), &request_viewer(r)->key,
			     env_now(request_app(r)->env) - DAY_MS, &sent));
	ENSURE((uint64_t)sent + size <= LIMIT_FILE_DAY,
	       error_new(ERR_LIMIT,
			 N_("You have sent %s of files since yesterday, and this would be more "
			    "than a day's share. Go on tomorrow, so that there is room for "
			    "others."),
			 request_size_text(r, (uint64_t)sent)));
	return NULL;
}

static struct error *take_and_save(struct request *r, struct sending *s, struct hash *ret_id)
{
	struct content_from from = {.name = request_file_name(r),
				    .seal = s->space.is_private,
				    .named = note_sent,
				    .ctx = r};
	struct content c;
	struct error *e;

	ENSURE(request_spooled(r, &from.fd, &from.size),
	       request_wrong(r, "file", error_new(ERR_INVALID, N_("Choose the file first."))));
	if (!*s->title)
		s->title = title_from(r, from.name);
	e = *s->title ? check_day(r, from.size)
		      : error_new(ERR_INVALID, N_("The file needs a title."));
	if (!e) {
		request_blocks(r);
		e = content_take(request_app(r)->blobs, request_app(r)->dir, &from, &c);
		request_goes_on(r);
		if (!e)
			e = save(r, s, &c, from.name, ret_id);
		content_release(&c);
	}
	close(from.fd);
	return e;
}

/* A file can't be put back into a form: the sender chooses it again, and sees why. */
static struct error *refuse(struct request *r, const struct sending *s, struct error *e)
{
	const char *text;
	int status;

	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show_form(r, s, text, status);
}

struct error *files_post_new(struct request *r)
{
	struct sending s = {.title = or_empty(request_field(r, "title")),
			    .note = "",
			    .folder = or_empty(request_field(r, "folder")),
			    .parents = ""};
	const char *url;
	struct error *e;
	struct hash id;

	TRY(space_of(r, request_field(r, "space"), &s.space));
	TRY(library_must_write(r, &s.space));
	TRY(request_limit(r, "file", 20, 10));
	e = take_and_save(r, &s, &id);
	if (e)
		return refuse(r, &s, e);
	url = arena_printf(request_arena(r), "/file/%s", ID(&id));
	return respond_done_saying(r, url, N_("The file is here."),
				   json_pack("{s:s, s:s}", "id", ID(&id), "url", url));
}

struct error *files_post_version(struct request *r)
{
	struct file_place p;
	struct sending s;
	const char *url, *said = request_field(r, "parents");
	struct error *e;
	struct hash id;

	TRY(version_place(r, &p, &s));
	TRY(request_limit(r, "file", 20, 10));
	if (request_field(r, "title") && *request_field(r, "title"))
		s.title = request_field(r, "title");
	s.note = or_empty(request_field(r, "note"));
	/* The sender goes on from what they saw: another's version that came meanwhile stays beside
	 * it. */
	if (said && *said)
		s.parents = said;
	e = take_and_save(r, &s, &id);
	if (e)
		return refuse(r, &s, e);
	url = file_url(r, &p.file);
	return respond_done_saying(r, url, N_("The new version is here. The earlier ones stay."),
				   json_pack("{s:s, s:s}", "id", ID(&id), "url", url));
}
