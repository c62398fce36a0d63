/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One message: changing, hiding, showing and erasing it. */
#include "appliance/forum/forum_pages.h"
#include "appliance/page/markdown.h"

enum { EDITS_ERASED = 64 }; /* with their message, in one go */

/* The message in the path, its topic, and what who asks may do. Texts are in the arena. */
struct post_here {
	struct post post;
	struct topic topic;
	struct place place;
	bool mine;
};

struct copy {
	struct arena *arena;
	struct post *to;
};

static struct error *copy_post(void *ctx, const struct post *p)
{
	struct copy *c = ctx;

	*c->to = *p;
	c->to->text = arena_str(c->arena, p->text);
	c->to->html = arena_str(c->arena, p->html);
	c->to->reason = arena_str(c->arena, p->reason);
	c->to->source = arena_str(c->arena, p->source);
	return NULL;
}

static struct error *post_of_path(struct request *r, struct post_here *ret)
{
	const struct viewer *v = request_viewer(r);
	struct hash id;

	ENSURE(id_parse(request_param(r, "id"), id.b),
	       error_new(ERR_NOT_FOUND, N_("There is no message at this address.")));
	*ret = (struct post_here){.mine = false};
	TRY(post_get(request_conn(r), &id, copy_post,
		     &(struct copy){request_arena(r), &ret->post}));
	TRY(topic_get(request_conn(r), &ret->post.topic, &ret->topic));
	TRY(place_of(r, &ret->post.space, &ret->place));
	ret->mine = v && ret->place.member && ret->post.author.kind == AUTHOR_MEMBER &&
		    pubkey_eq(&v->key, &ret->post.author.key);
	return NULL;
}

static json_t *post_json(struct request *r, const struct post_here *h, bool shown)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "id", ID(&h->post.id), "url",
			      post_url(r, &h->post), "author",
			      author_text(r, &h->post.space, &h->post.author), "title",
			      topic_title(r, &h->place, &h->topic));

	put_or_null(o, "html", shown ? h->post.html : NULL);
	return o;
}

static struct error *must_be_here(const struct post_here *h)
{
	ENSURE(!h->post.erased,
	       error_new(ERR_GONE, N_("This message was erased. Its words are gone.")));
	return NULL;
}

/* Where a message is: its address stays, its page and number may change. */
struct error *page_post(struct request *r)
{
	struct post_here h;

	TRY(post_of_path(r, &h));
	return respond_done(
		r, post_url(r, &h.post),
		json_pack("{s:s, s:s}", "id", ID(&h.post.id), "url", post_url(r, &h.post)));
}

/* --- changing --------------------------------------------------------------------------------- */

struct changes {
	struct draft text, title; /* type NULL: nothing to do */
	struct hash id;
};

static struct error *edit_of_path(struct request *r, struct post_here *ret)
{
	TRY(post_of_path(r, ret));
	TRY(must_be_here(ret));
	ENSURE(ret->mine || !ret->place.member,
	       error_new(ERR_DENIED, N_("Only who wrote a message may change it.")));
	return place_must(r, &ret->place, ret->mine);
}

static struct error *show_edit(struct request *r, const struct post_here *h, const char *title,
			       const char *text, int status, const char *error)
{
	_cleanup_(buf_release) struct buf html = {0};
	json_t *form = json_pack("{s:s}", "text", text), *context;

	/* An empty one brings the old one back: without a title the field would go. */
	if (h->post.number == 1)
		put_or_null(form, "title", title && *title ? title : h->topic.title);
	put_or_null(form, "error", error);
	context = json_pack("{s:o, s:s, s:{s:b}, s:o}", "post", post_json(r, h, true), "action",
			    request_path(r), "can", "preview", 1, "form", form);
	if (request_field(r, "preview")) {
		markdown_html(span_str(text), MARKDOWN_POST, &html);
		put_or_null(context, "preview_html", buf_str(&html));
	}
	return respond_page_status(r, status, "post_edit", request_text(r, N_("Change a message")),
				   context);
}

struct error *page_post_edit(struct request *r)
{
	struct post_here h;

	TRY(edit_of_path(r, &h));
	return show_edit(r, &h, h.topic.title, h.post.text, 200, NULL);
}

static struct error *change_job(struct conn *c, void *arg)
{
	struct changes *ch = arg;

	if (ch->text.type)
		TRY(community_submit(c, &ch->text, &ch->id));
	return ch->title.type ? community_submit(c, &ch->title, &ch->id) : NULL;
}

/* What did not change is not written. */
static struct error *change(struct request *r, const struct post_here *h, const char *title,
			    const char *text, struct hash *ret)
{
	struct draft d = {.space = h->post.space,
			  .object = &h->post.topic,
			  .author = request_viewer(r)->secret};
	struct changes ch = {.id = h->post.rev};
	struct error *e;

	TRY(writing_limit(r));
	if (strcmp(text, h->post.text) != 0) {
		ch.text = d;
		ch.text.type = "post.edit";
		ch.text.take_body = json_pack("{s:s, s:s}", "post", ID(&h->post.id), "text", text);
	}
	if (h->post.number == 1 && title && strcmp(title, h->topic.title) != 0) {
		ch.title = d;
		ch.title.type = "topic.set";
		ch.title.take_body = json_pack("{s:s}", "title", title);
	}
	e = request_write(r, change_job, &ch);
	draft_release(&ch.text);
	draft_release(&ch.title);
	TRY(e);
	*ret = ch.id;
	return NULL;
}

struct error *post_post_edit(struct request *r)
{
	const char *text = request_field(r, "text"), *title = request_field(r, "title"), *why;
	struct post_here h;
	struct hash id;
	struct error *e;
	int status;

	TRY(edit_of_path(r, &h));
	text = text ? text : "";
	if (request_field(r, "preview"))
		return show_edit(r, &h, title, text, 200, NULL);
	e = change(r, &h, title, text, &id);
	if (e)
		return respond_form_error(r, e, &why, &status)
			       ? show_edit(r, &h, title, text, status, why)
			       : e;
	return respond_done_saying(r, post_url(r, &h.post), N_("Saved."),
				   json_pack("{s:s}", "id", ID(&id)));
}

/* --- hiding, showing, erasing ----------------------------------------------------------------- */

static struct error *moderated(struct request *r, bool erase, struct post_here *ret)
{
	const struct viewer *v = request_viewer(r);
	bool own = erase && v && v->may_moderate_here;

	TRY(post_of_path(r, ret));
	TRY(must_be_here(ret));
	return place_must(r, &ret->place, ret->place.moderator || (own && ret->mine));
}

/* GET /post/ID/hide, show, erase: are you sure? */
struct error *page_post_hide(struct request *r)
{
	const char *what = request_param(r, "what");
	bool known = !strcmp(what, "hide") || !strcmp(what, "show") || !strcmp(what, "erase");
	struct post_here h;
	json_t *context;

	ENSURE(known, error_new(ERR_NOT_FOUND, N_("There is nothing at this address.")));
	TRY(moderated(r, !strcmp(what, "erase"), &h));
	context = json_pack("{s:o, s:s, s:{}}", "post", post_json(r, &h, true), "action",
			    request_path(r), "form");
	json_object_set_new(context, what, json_true());
	return respond_page(r, "post_hide", h.topic.title, context);
}

static struct error *set_hidden(struct request *r, bool hidden, const char *saying)
{
	const char *reason = request_field(r, "reason");
	struct act act = {.draft = {.type = "post.hide"}};
	struct post_here h;

	TRY(moderated(r, false, &h));
	act.draft.space = h.post.space;
	act.draft.object = &h.post.topic;
	act.draft.take_body = json_pack("{s:s, s:b}", "post", ID(&h.post.id), "hidden", hidden);
	if (hidden && reason && *reason)
		json_object_set_new(act.draft.take_body, "reason", json_string(reason));
	TRY(act_write(r, &act));
	return respond_done_saying(r, post_url(r, &h.post), saying,
				   json_pack("{s:s}", "id", ID(&act.id)));
}

struct error *post_post_hide(struct request *r)
{
	return set_hidden(r, true, N_("The message is hidden."));
}

struct error *post_post_show(struct request *r)
{
	return set_hidden(r, false, N_("The message is shown again."));
}

struct erasing {
	const struct post_here *here;
	const struct secret *author;
};

/* The message's changes first: what remains of it when this stops half-way is never newer words. */
static struct error *erase_job(struct conn *c, void *arg)
{
	const struct erasing *er = arg;
	const struct post *p = &er->here->post;
	struct hash ops[EDITS_ERASED + 1];
	size_t n;

	TRY(post_edits(c, &p->id, ops, EDITS_ERASED, &n));
	ops[n++] = p->id;
	for (size_t i = 0; i < n; i++)
		TRY(community_erase(c, &p->space, &ops[i], er->author,
				    post_keep(&er->here->topic, &p->id, &ops[i])));
	return NULL;
}

struct error *post_post_erase(struct request *r)
{
	struct post_here h;

	TRY(moderated(r, true, &h));
	TRY(request_write_care(r, request_viewer(r)->volunteer, erase_job,
			       &(struct erasing){&h, request_viewer(r)->secret}));
	return respond_done_saying(r, topic_url(r, &h.topic.id), N_("The message is erased."),
				   json_pack("{s:s}", "id", ID(&h.post.id)));
}
