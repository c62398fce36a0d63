/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The first page, the list of forums, one forum, opening one. */
#include "appliance/forum/forum_pages.h"
#include "appliance/partial/partial_pages.h"

enum { RECENT = 10 };

struct listing {
	struct request *r;
	struct place *place;
	struct dates dates; /* of the space of the last row */
	json_t *list;
};

/* --- forums of all spaces --------------------------------------------------------------------- */

static struct error *add_forum(void *ctx, const struct forum *f)
{
	struct listing *l = ctx;

	json_array_append_new(l->list, forum_json(l->r, l->place, f));
	return NULL;
}

static struct error *count_member(void *ctx, const struct member *m)
{
	*(json_int_t *)ctx += m->role != ROLE_NONE;
	return NULL;
}

struct spaces {
	struct request *r;
	json_t *list;
	bool create; /* the home space is there and who asks may open a forum in it */
};

static struct error *add_space(void *ctx, const struct space_info *s)
{
	struct spaces *all = ctx;
	struct request *r = all->r;
	struct listing l = {.r = r, .list = json_array()};
	json_int_t members = 0;
	struct place p;
	json_t *row, *unkept;
	bool own;

	row = json_pack("{s:s, s:s, s:s, s:o}", "id", ID(&s->id), "short", ID_SHORT(&s->id), "name",
			s->name, "forums", l.list);
	json_array_append_new(all->list, row);
	TRY(partial_space_json(r, &s->id, &unkept));
	json_object_set_new(row, "unkept", unkept ? unkept : json_null());
	TRY(place_of(r, &s->id, &p));
	l.place = &p;
	own = hash_eq(&s->id, &p.home);
	all->create |= own && p.steward;
	TRY(forum_each(request_conn(r), &s->id, add_forum, &l));
	TRY(member_each(request_conn(r), &s->id, count_member, &members));
	put_or_null(row, "about", s->about);
	json_object_set_new(row, "own", json_boolean(own));
	json_object_set_new(row, "folded", json_false());
	json_object_set_new(row, "members", json_integer(members));
	put_or_null(row, "library_url",
		    own ? "/library"
			: arena_printf(request_arena(r), "/library/@%s", ID_SHORT(&s->id)));
	return NULL;
}

/* {spaces, can}: of both pages. */
static struct error *spaces_context(struct request *r, json_t *context)
{
	struct spaces all = {.r = r, .list = json_array()};
	struct error *e;

	json_object_set_new(context, "spaces", all.list);
	e = space_each(request_conn(r), add_space, &all);
	json_object_set_new(context, "can", json_pack("{s:b}", "create", all.create));
	return e;
}

static struct error *answer(struct request *r, struct error *e, const char *template,
			    const char *title, json_t *take_context)
{
	if (e) {
		json_decref(take_context);
		return e;
	}
	return respond_page(r, template, request_text(r, title), take_context);
}

static struct error *page_forums(struct request *r)
{
	json_t *context = json_object();

	return answer(r, spaces_context(r, context), "forums", N_("Forums"), context);
}

static struct error *add_recent(void *ctx, const struct topic *t)
{
	struct listing *l = ctx;
	struct request *r = l->r;
	json_t *row = json_pack("{s:s, s:s, s:s?, s:s, s:I}", "title", topic_title(r, NULL, t),
				"url", topic_url(r, &t->id), "forum",
				*t->forum_title ? t->forum_title : NULL, "author",
				author_text(r, &t->space, &t->last), "replies",
				(json_int_t)(t->posts - 1));

	put_date(r, row, "date", t->last_time);
	json_array_append_new(l->list, row);
	TRY(dates_of(r, &t->space, &l->dates));
	json_object_set_new(row, "doubted",
			    json_boolean(date_doubted(&l->dates, t->last_time, t->last.kind)));
	return NULL;
}

/* Where many houses are at home, the first page shows the nearest open and the names of the others. */
static void fold_far_spaces(json_t *spaces)
{
	enum { OPEN = 2 };
	json_t *row;
	size_t i;

	json_array_foreach(spaces, i, row) if (i >= OPEN)
		json_object_set_new(row, "folded", json_true());
}

static struct error *page_home(struct request *r)
{
	struct listing l = {.r = r, .list = json_array()};
	json_t *context = json_pack("{s:o}", "recent", l.list);
	struct space_info home;
	struct error *e = space_home(request_conn(r), &home);

	if (!e)
		put_or_null(context, "about", home.about);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		e = NULL;
	}
	if (!e)
		e = topic_recent(request_conn(r), RECENT, add_recent, &l);
	if (!e)
		e = spaces_context(r, context);
	if (!e)
		fold_far_spaces(json_object_get(context, "spaces"));
	return answer(r, e, "home", request_app(r)->name, context);
}

/* --- one forum -------------------------------------------------------------------------------- */

struct error *forum_of_path(struct request *r, struct place *ret_place, struct forum *ret)
{
	const char *name = request_param(r, "name"), *at = strchr(name, '@');
	struct conn *c = request_conn(r);
	struct space_info space;

	if (at)
		TRY(space_by_short(c, at + 1, &space));
	else
		TRY(space_home(c, &space));
	if (at)
		name = arena_strn(request_arena(r), name, (size_t)(at - name));
	TRY(forum_by_name(c, &space.id, name, ret));
	return place_of(r, &space.id, ret_place);
}

static struct error *add_topic(void *ctx, const struct topic *t)
{
	struct listing *l = ctx;
	struct request *r = l->r;
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:b}", "id", ID(&t->id),
				"title", topic_title(r, l->place, t), "url", topic_url(r, &t->id),
				"author", author_text(r, &t->space, &t->author), "replies",
				(json_int_t)(t->posts - 1), "last_author",
				author_text(r, &t->space, &t->last), "closed", t->closed, "pinned",
				t->pinned, "hidden", t->hidden);

	put_date(r, row, "date", t->time);
	put_date(r, row, "last_date", t->last_time);
	json_array_append_new(l->list, row);
	TRY(dates_of(r, &t->space, &l->dates));
	json_object_set_new(row, "doubted",
			    json_boolean(date_doubted(&l->dates, t->last_time, t->last.kind)));
	return NULL;
}

/* Of a community that was let go of its address says that. */
static struct error *forum_or_gone(struct request *r, struct place *p, struct forum *f, bool *ret_gone)
{
	struct error *e = forum_of_path(r, p, f), *gone;
	const char *at = strchr(request_param(r, "name"), '@');

	*ret_gone = false;
	if (!error_is(e, ERR_NOT_FOUND) || !at)
		return e;
	gone = partial_gone_page(r, at + 1, NULL);
	if (error_is(gone, ERR_NOT_FOUND)) {
		error_free(gone);
		return e;
	}
	error_free(e);
	*ret_gone = true;
	return gone;
}

static struct error *page_forum(struct request *r)
{
	struct listing l = {.r = r};
	int64_t page = page_wanted(r), n, pages;
	struct forum f;
	struct place p;
	json_t *context, *pager, *unkept;
	const char *url;
	struct error *e;
	bool gone;

	TRY(forum_or_gone(r, &p, &f, &gone));
	if (gone)
		return NULL;
	TRY(topic_count(request_conn(r), &f, p.moderator, &n));
	TRY(partial_space_json(r, &f.space, &unkept));
	pages = (n + TOPICS_A_PAGE - 1) / TOPICS_A_PAGE;
	url = forum_path(request_arena(r), &f, &p.home);
	l.place = &p;
	l.list = json_array();
	context = json_pack("{s:o, s:o, s:{s:b, s:b}, s:s}", "forum", forum_json(r, &p, &f),
			    "topics", l.list, "can", "topic", p.member && !f.closed, "guest_topic",
			    p.guest && !f.closed, "new_topic_url",
			    arena_printf(request_arena(r), "%s/new", url));
	pager = pager_json(r, url, page, pages);
	if (pager)
		json_object_set_new(context, "pager", pager);
	if (unkept)
		json_object_set_new(context, "unkept", unkept);
	e = topic_page(request_conn(r), &f, p.moderator, (page - 1) * TOPICS_A_PAGE, TOPICS_A_PAGE,
		       add_topic, &l);
	return answer(r, e, "forum", f.title, context);
}

/* --- opening one, changing one ---------------------------------------------------------------- */

static struct error *home_steward(struct request *r, struct place *ret)
{
	struct space_info home;

	TRY(space_home(request_conn(r), &home));
	TRY(place_of(r, &home.id, ret));
	return place_must(r, ret, ret->steward);
}

static struct error *show_forum_form(struct request *r, int status, const char *error)
{
	static const char *const fields[] = {"title", "slug", "about"};
	json_t *form = json_object();

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		put_or_null(form, fields[i], request_field(r, fields[i]));
	put_or_null(form, "error", error);
	return respond_page_status(r, status, "forum_new", request_text(r, N_("Open a forum")),
				   json_pack("{s:o}", "form", form));
}

static struct error *page_forum_new(struct request *r)
{
	struct place p;

	TRY(home_steward(r, &p));
	return show_forum_form(r, 200, NULL);
}

static struct error *slug_is_free(struct request *r, const struct place *p, const char *slug)
{
	struct forum f;
	struct error *e = forum_by_name(request_conn(r), &p->space.id, slug, &f);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	return error_new(ERR_EXISTS,
			 N_("There is a forum “%s” already. Choose another short name."), slug);
}

static struct error *open_forum(struct request *r, const struct place *p, const char *slug,
				const char *title, const char *about, struct hash *ret)
{
	struct act act = {.draft = {.type = "forum.create", .space = p->space.id}};

	ENSURE(*title,
	       request_wrong(r, "title", error_new(ERR_INVALID, N_("The forum needs a name."))));
	ENSURE(*slug, request_wrong(r, "slug",
				    error_new(ERR_INVALID,
					      N_("The forum needs a short name for its address."))));
	TRY(request_wrong(r, "slug", slug_is_free(r, p, slug)));
	act.draft.take_body =
		json_pack("{s:s, s:s, s:s}", "slug", slug, "title", title, "about", about);
	TRY(act_write(r, &act));
	*ret = act.id;
	return NULL;
}

static const char *field(struct request *r, const char *name)
{
	const char *s = request_field(r, name);

	return s ? s : "";
}

static struct error *post_forum_new(struct request *r)
{
	const char *url, *text;
	struct place p;
	struct hash id;
	struct error *e;
	int status;

	TRY(home_steward(r, &p));
	e = open_forum(r, &p, field(r, "slug"), field(r, "title"), field(r, "about"), &id);
	if (e)
		return respond_form_error(r, e, &text, &status) ? show_forum_form(r, status, text)
								: e;
	url = arena_printf(request_arena(r), "/forum/%s", field(r, "slug"));
	return respond_done(r, url, json_pack("{s:s, s:s}", "id", ID(&id), "url", url));
}

/* Title, about, closed: what is sent changes. */
static struct error *post_forum_set(struct request *r)
{
	static const char *const texts[] = {"title", "about"};
	struct act act = {.draft = {.type = "forum.set"}};
	json_t *body;
	struct forum f;
	struct place p;
	bool closed;

	TRY(forum_of_path(r, &p, &f));
	TRY(place_must(r, &p, p.steward));
	body = json_object();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (request_field(r, texts[i]))
			json_object_set_new(body, texts[i],
					    json_string(request_field(r, texts[i])));
	if (field_flag(r, "closed", &closed))
		json_object_set_new(body, "closed", json_boolean(closed));
	act.draft.space = p.space.id;
	act.draft.object = &f.id;
	act.draft.take_body = body;
	TRY(act_write(r, &act));
	return respond_done_saying(r, forum_path(request_arena(r), &f, &p.home), N_("Saved."),
				   json_pack("{s:s}", "id", ID(&act.id)));
}

const struct route forum_routes[] = {
	{"GET", "/", page_home, ROUTE_CACHED},
	{"GET", "/forums", page_forums, ROUTE_CACHED},
	{"GET", "/forums/new", page_forum_new, ROUTE_SIGNED_IN},
	{"POST", "/forums", post_forum_new, ROUTE_SIGNED_IN},
	{"GET", "/forum/:name", page_forum, ROUTE_CACHED},
	{"GET", "/forum/:name/new", page_topic_new, ROUTE_CACHED},
	{"POST", "/forum/:name/topics", post_topic_new, ROUTE_NO_CSRF},
	{"POST", "/forum/:name/set", post_forum_set, ROUTE_SIGNED_IN},
	{"GET", "/topic/:id", page_topic, ROUTE_CACHED},
	{"POST", "/topic/:id/posts", post_reply, ROUTE_NO_CSRF},
	{"POST", "/topic/:id/set", post_topic_set, ROUTE_SIGNED_IN},
	{"GET", "/post/:id", page_post, ROUTE_CACHED},
	{"GET", "/post/:id/edit", page_post_edit, ROUTE_SIGNED_IN},
	{"POST", "/post/:id/edit", post_post_edit, ROUTE_SIGNED_IN},
	{"GET", "/post/:id/:what", page_post_hide, ROUTE_SIGNED_IN},
	{"POST", "/post/:id/hide", post_post_hide, ROUTE_SIGNED_IN},
	{"POST", "/post/:id/show", post_post_show, ROUTE_SIGNED_IN},
	{"POST", "/post/:id/erase", post_post_erase, ROUTE_SIGNED_IN},
	{0},
};
