/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A conversation: reading it, starting one, replying, closing it. */
#include "appliance/forum/forum_pages.h"
#include "appliance/moderation/moderation_pages.h"
#include "appliance/partial/partial_pages.h"

/* --- reading ---------------------------------------------------------------------------------- */

struct reading {
	struct request *r;
	const struct place *place;
	struct dates dates;
	json_t *list;
};

static const char *source_note(struct request *r, const struct post *p)
{
	return p->author.kind == AUTHOR_DISCOURSE
		       ? request_text(r, N_("Written in another forum and brought here."))
		       : NULL;
}

static json_t *post_can(struct request *r, const struct place *pl, const struct post *p)
{
	const struct viewer *v = request_viewer(r);
	bool mine = v && p->author.kind == AUTHOR_MEMBER && pubkey_eq(&v->key, &p->author.key);
	bool here = !p->erased;
	bool erase = (mine && pl->member && v->may_moderate_here) || pl->moderator;

	return json_pack("{s:b, s:b, s:b, s:b}", "edit", here && mine && pl->member, "hide",
			 here && pl->moderator && !p->hidden, "show",
			 here && pl->moderator && p->hidden, "erase", here && erase);
}

static void put_acts(struct request *r, json_t *row, const struct post *p)
{
	static const char *const acts[] = {"edit", "hide", "show", "erase"};
	const json_t *can = json_object_get(row, "can");
	struct arena *a = request_arena(r);

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		put_or_null(row, arena_printf(a, "%s_url", acts[i]),
			    json_is_true(json_object_get(can, acts[i]))
				    ? arena_printf(a, "/post/%s/%s", ID(&p->id), acts[i])
				    : NULL);
}

/* Where its bytes are gone: for who wrote it, and for moderators. */
static const char *where_url(struct request *r, const struct place *pl, const struct post *p)
{
	const struct viewer *v = request_viewer(r);
	bool mine = v && p->author.kind == AUTHOR_MEMBER && pubkey_eq(&v->key, &p->author.key);

	return p->erased && (mine || pl->moderator)
		       ? arena_printf(request_arena(r), "/erased/%s", ID(&p->id))
		       : NULL;
}

static const char *author_url(struct request *r, const struct place *pl, const struct author *a,
			      const char *name)
{
	if (a->kind != AUTHOR_MEMBER || !hash_eq(&pl->space.id, &pl->home))
		return NULL;
	return arena_printf(request_arena(r), "/people/%s", url_encode(request_arena(r), name));
}

/* Of a date that can't be right: that it is so, and what is known instead. */
static struct error *put_doubt(struct reading *l, json_t *row, const struct post *p)
{
	bool doubted = date_doubted(&l->dates, p->time, p->author.kind);
	int64_t after = 0;

	json_object_set_new(row, "doubted", json_boolean(doubted));
	if (doubted)
		TRY(post_written_after(request_conn(l->r), p->num, l->dates.until, &after));
	put_date(l->r, row, "after", after);
	return NULL;
}

static struct error *add_post(void *ctx, const struct post *p)
{
	struct reading *l = ctx;
	struct request *r = l->r;
	const char *author = author_text(r, &p->space, &p->author);
	bool shown = !p->erased && (!p->hidden || l->place->moderator);
	json_t *row = json_pack(
		"{s:s, s:I, s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:o}", "id", ID(&p->id), "number",
		(json_int_t)p->number, "anchor", post_anchor(r, &p->id), "author", author,
		"author_kind", author_kind_name(p->author.kind), "guest",
		p->author.kind == AUTHOR_GUEST, "imported", p->author.kind == AUTHOR_DISCOURSE,
		"hidden", p->hidden, "erased", p->erased, "can", post_can(r, l->place, p));

	put_or_null(row, "author_url", author_url(r, l->place, &p->author, author));
	put_date(r, row, "date", p->time);
	put_date(r, row, "edited", p->edited);
	json_array_append_new(l->list, row);
	TRY(put_doubt(l, row, p));
	put_or_null(row, "html", shown ? p->html : NULL);
	put_or_null(row, "hidden_reason", p->hidden ? p->reason : NULL);
	put_or_null(row, "source_note", source_note(r, p));
	put_acts(r, row, p);
	put_or_null(row, "where_url", where_url(r, l->place, p));
	return NULL;
}

/* The topic in the path, and the forum it is in; a topic in a forum that is not here (yet) has an
 * empty one. */
struct topic_here {
	struct topic topic;
	struct forum forum;
	struct place place;
	bool forum_known;
};

static struct error *freshen_job(struct conn *c, void *arg)
{
	const struct topic *t = arg;

	return object_freshen(c, &t->space, &t->id);
}

/* While a box fills, folding what came of an older time is put off: not of what somebody reads now, but
 * for what is so large that everybody would wait. */
static struct error *freshen(struct request *r, const struct hash *id, struct topic *io)
{
	if (io->posts > FRESHEN_OPS || !object_is_late(request_conn(r), id))
		return NULL;
	/* A disk that is full is no reason not to show what is there. */
	error_free(request_write(r, freshen_job, io));
	return topic_get(request_conn(r), id, io);
}

static struct error *topic_of_path(struct request *r, struct topic_here *ret)
{
	const char *text = request_param(r, "id");
	struct hash id;
	struct error *e;

	ENSURE(id_parse(text, id.b),
	       error_new(ERR_NOT_FOUND, N_("There is no conversation at this address.")));
	*ret = (struct topic_here){.forum_known = true};
	TRY(topic_get(request_conn(r), &id, &ret->topic));
	TRY(freshen(r, &id, &ret->topic));
	TRY(place_of(r, &ret->topic.space, &ret->place));
	e = forum_get(request_conn(r), &ret->topic.forum, &ret->forum);
	if (error_is(e, ERR_NOT_FOUND) || (!e && !hash_eq(&ret->forum.space, &ret->topic.space))) {
		error_free(e);
		ret->forum = (struct forum){.id = ret->topic.forum, .space = ret->topic.space};
		ret->forum_known = false;
		return NULL;
	}
	return e;
}

static json_t *topic_json(struct request *r, const struct topic_here *t)
{
	json_t *forum = t->forum_known ? forum_json(r, &t->place, &t->forum)
				       : json_pack("{s:s, s:s}", "title",
						   request_text(r, N_("A forum that is not here")),
						   "url", "/forums");

	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:o}", "id", ID(&t->topic.id), "title",
			 topic_title(r, &t->place, &t->topic), "url", topic_url(r, &t->topic.id),
			 "closed", t->topic.closed, "pinned", t->topic.pinned, "replies",
			 (json_int_t)(t->topic.posts - 1), "forum", forum);
}

/* page 0: the last one. form is consumed; NULL: an empty one. */
static struct error *show_topic(struct request *r, const struct topic_here *t, int64_t page,
				int status, json_t *take_form)
{
	struct reading l = {.r = r, .place = &t->place, .list = json_array()};
	int64_t pages = (t->topic.posts + POSTS_A_PAGE - 1) / POSTS_A_PAGE;
	json_t *context, *pager, *absent = NULL;
	struct error *e;

	TRY(partial_topic_json(r, &t->topic.space, &t->topic.id, &absent));
	page = page ? page : pages;
	context = json_pack("{s:o, s:o, s:{s:b, s:b}, s:s, s:o}", "topic", topic_json(r, t),
			    "posts", l.list, "can", "reply", t->place.member && !t->topic.closed,
			    "guest_reply", t->place.guest && !t->topic.closed, "reply_url",
			    arena_printf(request_arena(r), "/topic/%s/posts", ID(&t->topic.id)),
			    "form", take_form ? take_form : json_object());
	if (absent)
		json_object_set_new(context, "absent", absent);
	/* Here the page after is the newer one. */
	pager = pager_json(r, topic_url(r, &t->topic.id), page, pages);
	if (pager) {
		json_t *before = json_incref(json_object_get(pager, "newer_url"));

		json_object_set(pager, "newer_url", json_object_get(pager, "older_url"));
		json_object_set_new(pager, "older_url", before);
		json_object_set_new(context, "pager", pager);
	}
	e = dates_of(r, &t->topic.space, &l.dates);
	if (!e)
		e = post_page(request_conn(r), t->topic.num, (page - 1) * POSTS_A_PAGE + 1,
			      POSTS_A_PAGE, add_post, &l);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, status, "topic", topic_title(r, &t->place, &t->topic),
				   context);
}

struct error *page_topic(struct request *r)
{
	struct topic_here t;
	struct error *e = topic_of_path(r, &t), *absent;
	struct hash id;

	/* A partial box may know of it without having it. */
	if (error_is(e, ERR_NOT_FOUND) && id_parse(request_param(r, "id"), id.b)) {
		absent = partial_topic_page(r, &id);
		if (error_is(absent, ERR_NOT_FOUND))
			error_replace(&absent, partial_gone_page(r, NULL, &id));
		if (!error_is(absent, ERR_NOT_FOUND)) {
			error_free(e);
			return absent;
		}
		error_free(absent);
	}
	TRY(e);
	return show_topic(r, &t, page_wanted(r), 200, NULL);
}

/* --- writing ---------------------------------------------------------------------------------- */

static const char *field(struct request *r, const char *name)
{
	const char *s = request_field(r, name);

	return s ? s : "";
}

static json_t *form_json(struct request *r, const char *error)
{
	static const char *const names[] = {"title", "name", "text"}; /* as they are looked at */
	json_t *form = json_object();

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		put_or_null(form, names[i], request_field(r, names[i]));
	put_or_null(form, "error", error);
	if (error)
		request_wrong_empty(r, names, ARRAY_LEN(names));
	return form;
}

static struct error *reply(struct request *r, const struct topic_here *t, struct act *act)
{
	json_t *body;

	ENSURE(!t->topic.closed,
	       error_new(ERR_DENIED,
			 N_("This conversation is closed: nobody can reply any more.")));
	if (!t->place.member && t->place.guest)
		return moderation_take(
			r, &(struct held){.space = t->place.space.id, .topic = t->topic.id});
	TRY(place_must(r, &t->place, t->place.member));
	TRY(writing_limit(r));
	body = json_pack("{s:s}", "text", field(r, "text"));
	if (*field(r, "reply_to"))
		json_object_set_new(body, "reply_to", json_string(field(r, "reply_to")));
	act->draft.take_body = body;
	TRY(act_write(r, act));
	return respond_done(r,
			    post_url(r, &(struct post){.topic = t->topic.id,
						       .id = act->id,
						       .number = act->at.number}),
			    json_pack("{s:s, s:s, s:I}", "id", ID(&act->id), "topic",
				      ID(&t->topic.id), "number", (json_int_t)act->at.number));
}

struct error *post_reply(struct request *r)
{
	struct act act = {.draft = {.type = "post.create"}};
	struct topic_here t;
	struct error *e;
	const char *text;
	int status;

	TRY(topic_of_path(r, &t));
	act.draft.space = t.place.space.id;
	act.draft.object = &t.topic.id;
	e = reply(r, &t, &act);
	if (!e || error_is(e, ERR_AUTH) || !respond_form_error(r, e, &text, &status))
		return e;
	return show_topic(r, &t, 0, status, form_json(r, text));
}

static struct error *show_topic_form(struct request *r, const struct place *p,
				     const struct forum *f, int status, const char *error)
{
	const char *url = forum_path(request_arena(r), f, &p->home);

	return respond_page_status(
		r, status, "topic_new", request_text(r, N_("Start a conversation")),
		json_pack("{s:o, s:s, s:{s:b, s:b}, s:o}", "forum", forum_json(r, p, f), "action",
			  arena_printf(request_arena(r), "%s/topics", url), "can", "topic",
			  p->member, "guest_topic", p->guest, "form", form_json(r, error)));
}

static struct error *may_start(struct request *r, const struct place *p, const struct forum *f)
{
	ENSURE(!f->closed, error_new(ERR_DENIED,
				     N_("The forum “%s” is closed: it can be read, and no new"
					" conversations begin there."),
				     f->title));
	return place_must(r, p, p->member || p->guest);
}

struct error *page_topic_new(struct request *r)
{
	struct place p;
	struct forum f;

	TRY(forum_of_path(r, &p, &f));
	TRY(may_start(r, &p, &f));
	return show_topic_form(r, &p, &f, 200, NULL);
}

static struct error *start_topic(struct request *r, const struct place *p, const struct forum *f)
{
	struct act act = {.draft = {.type = "topic.create", .space = p->space.id}};
	const char *url;

	ENSURE(*field(r, "title"),
	       error_new(ERR_INVALID, N_("Say in a few words what it is about.")));
	if (!p->member)
		return moderation_take(r, &(struct held){.space = p->space.id, .forum = f->id});
	TRY(writing_limit(r));
	act.draft.take_body = json_pack("{s:s, s:s, s:s}", "forum", ID(&f->id), "title",
					field(r, "title"), "text", field(r, "text"));
	TRY(act_write(r, &act));
	url = topic_url(r, &act.id);
	return respond_done(r, url, json_pack("{s:s, s:s}", "id", ID(&act.id), "url", url));
}

struct error *post_topic_new(struct request *r)
{
	struct place p;
	struct forum f;
	struct error *e;
	const char *text;
	int status;

	TRY(forum_of_path(r, &p, &f));
	TRY(may_start(r, &p, &f));
	e = start_topic(r, &p, &f);
	if (!e || !respond_form_error(r, e, &text, &status))
		return e;
	return show_topic_form(r, &p, &f, status, text);
}

/* Title, closed, pinned, forum: what is sent changes. Who may is decided by the op's own check. */
struct error *post_topic_set(struct request *r)
{
	struct act act = {.draft = {.type = "topic.set"}};
	static const char *const texts[] = {"title", "forum"}, *const flags[] = {"closed",
										 "pinned"};
	const struct viewer *v = request_viewer(r);
	struct topic_here t;
	json_t *body;
	bool flag, mine;

	TRY(topic_of_path(r, &t));
	TRY(place_must(r, &t.place, t.place.member));
	mine = t.topic.author.kind == AUTHOR_MEMBER && pubkey_eq(&v->key, &t.topic.author.key);
	body = json_object();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (*field(r, texts[i]))
			json_object_set_new(body, texts[i], json_string(field(r, texts[i])));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (field_flag(r, flags[i], &flag))
			json_object_set_new(body, flags[i], json_boolean(flag));
	act.draft.space = t.place.space.id;
	act.draft.object = &t.topic.id;
	act.draft.take_body = body;
	/* At the plain door a moderator is a member like any other: only the own title. */
	if (!t.place.moderator &&
	    (!mine || json_object_size(body) != 1 || !json_object_get(body, "title"))) {
		json_decref(body);
		return place_must(r, &t.place, false);
	}
	TRY(act_write(r, &act));
	return respond_done_saying(r, topic_url(r, &t.topic.id), N_("Saved."),
				   json_pack("{s:s}", "id", ID(&act.id)));
}
