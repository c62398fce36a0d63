/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/moderation/moderation_pages.h"
#include "appliance/forum/forum.h"
#include "appliance/page/markdown.h"

static const char *html_of(struct request *r, const char *text)
{
	_cleanup_(buf_release) struct buf html = {0};

	markdown_html(span_str(text), MARKDOWN_POST, &html);
	return arena_str(request_arena(r), buf_str(&html));
}

static void put_or_null(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, text && *text ? json_string(text) : json_null());
}

static void put_date(struct request *r, json_t *o, int64_t ms)
{
	put_or_null(o, "date", request_date(r, ms));
	put_or_null(o, "date_text", request_date_text(r, ms));
}

/* A row whose texts outlive the statement. */
struct copy {
	struct request *r;
	struct held held;
};

static struct error *copy_held(void *ctx, const struct held *h)
{
	struct copy *c = ctx;

	c->held = *h;
	c->held.text = arena_str(request_arena(c->r), h->text);
	c->held.reason = arena_str(request_arena(c->r), h->reason);
	return NULL;
}

/* --- a guest's form --------------------------------------------------------------------------- */

struct holding {
	const struct held *held;
	char secret[HELD_SECRET];
};

static struct error *hold_job(struct conn *c, void *arg)
{
	struct holding *h = arg;

	return moderation_hold(c, h->held, h->secret);
}

static const char *field(struct request *r, const char *name)
{
	const char *s = request_field(r, name);

	return s ? s : "";
}

struct error *moderation_take(struct request *r, struct held *h)
{
	struct holding job = {.held = h};
	const char *url;

	/* People don't see this field; programs that fill in every field do. */
	ENSURE(!*field(r, "website"),
	       error_new(ERR_INVALID,
			 N_("The message was not taken: leave the field “website” empty.")));
	ENSURE(strlen(field(r, "name")) <= LIMIT_NAME && strlen(field(r, "title")) <= LIMIT_TITLE,
	       error_new(ERR_INVALID, N_("The name or the title is too long.")));
	snprintf(h->name, sizeof(h->name), "%s", field(r, "name"));
	snprintf(h->title, sizeof(h->title), "%s",
		 hash_is_zero(&h->topic) ? field(r, "title") : "");
	h->text = field(r, "text");
	TRY(moderation_check(h));
	if (request_door(r) != DOOR_LOOPBACK)
		TRY(request_limit(r, "guest", 6, 3));
	TRY(request_write(r, hold_job, &job));
	url = arena_printf(request_arena(r), "/held/%s", job.secret);
	return respond_done(r, url, json_pack("{s:s}", "held", url));
}

/* --- the guest's receipt ---------------------------------------------------------------------- */

static struct error *held_of_path(struct request *r, struct held *ret)
{
	struct copy c = {.r = r};

	/* A secret of 128 bits can't be guessed; this keeps the guessing from costing us. */
	TRY(request_limit(r, "receipt", 60, 60));
	TRY(moderation_by_secret(request_conn(r), request_param(r, "secret"), copy_held, &c));
	*ret = c.held;
	return NULL;
}

static const char *held_topic_url(struct request *r, const struct held *h)
{
	if (h->state == HELD_APPROVED)
		return arena_printf(request_arena(r), "/post/%s", ID(&h->op));
	if (!hash_is_zero(&h->topic))
		return arena_printf(request_arena(r), "/topic/%s", ID(&h->topic));
	return NULL;
}

static struct error *page_held(struct request *r)
{
	struct held h;
	json_t *o;

	TRY(held_of_path(r, &h));
	o = json_pack("{s:s, s:b, s:b, s:b, s:b}", "url",
		      arena_printf(request_arena(r), "/held/%s", request_param(r, "secret")),
		      "waiting", h.state == HELD_WAITING, "approved", h.state == HELD_APPROVED,
		      "rejected", h.state == HELD_REJECTED, "withdrawn", h.state == HELD_WITHDRAWN);
	put_or_null(o, "title", h.title);
	put_or_null(o, "html", h.state == HELD_WAITING ? html_of(r, h.text) : NULL);
	put_or_null(o, "reason", h.reason);
	put_or_null(o, "url_topic", held_topic_url(r, &h));
	put_date(r, o, h.time);
	return respond_page(r, "held", request_text(r, N_("Your message")),
			    json_pack("{s:o}", "held", o));
}

static struct error *page_withdraw(struct request *r)
{
	struct held h;
	const char *back;

	TRY(held_of_path(r, &h));
	back = arena_printf(request_arena(r), "/held/%s", request_param(r, "secret"));
	return respond_page(r, "confirm", request_text(r, N_("Are you sure?")),
			    json_pack("{s:{s:s, s:s, s:s, s:b}}", "confirm", "action",
				      request_path(r), "back_url", back, "html", html_of(r, h.text),
				      "withdraw", 1));
}

struct decision {
	int64_t id;
	enum held_state to;
	const char *reason;
	struct hash op;
};

static struct error *settle_job(struct conn *c, void *arg)
{
	struct decision *d = arg;

	return moderation_settle(c, d->id, d->to, d->reason, &d->op);
}

static struct error *post_withdraw(struct request *r)
{
	struct held h;

	TRY(held_of_path(r, &h));
	TRY(request_write(r, settle_job,
			  &(struct decision){.id = h.id, .to = HELD_WITHDRAWN, .reason = ""}));
	return respond_done(r,
			    arena_printf(request_arena(r), "/held/%s", request_param(r, "secret")),
			    json_pack("{s:s}", "state", "withdrawn"));
}

/* --- approving -------------------------------------------------------------------------------- */

/* The box's volunteers, and moderators of the space; never with a cookie of the plain door. */
static struct error *may_decide(struct request *r, const struct hash *space, bool *ret)
{
	const struct viewer *v = request_viewer(r);
	enum role role = ROLE_NONE;

	*ret = v && v->may_moderate_here && v->volunteer;
	if (*ret || !v || !v->may_moderate_here)
		return NULL;
	TRY(role_now(request_conn(r), space, &v->key, &role));
	*ret = role >= ROLE_MODERATOR;
	return NULL;
}

static struct error *home_may_decide(struct request *r, bool *ret)
{
	struct space_info home = {{{0}}};
	struct error *e = space_home(request_conn(r), &home);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		e = NULL;
	}
	TRY(e);
	return may_decide(r, &home.id, ret);
}

static struct error *not_yours(struct request *r)
{
	if (!request_safe_door(r))
		return error_new(ERR_DENIED,
				 N_("This is possible at the safe door only: open this page with"
				    " https and sign in there."));
	return error_new(ERR_DENIED, N_("Only volunteers and moderators read what waits."));
}

struct error *moderation_page_hook(struct request *r, json_t *page)
{
	int64_t n;
	bool may;

	if (!request_viewer(r))
		return NULL;
	TRY(home_may_decide(r, &may));
	if (!may)
		return NULL;
	TRY(moderation_held_count(request_conn(r), &n));
	if (n)
		json_object_set_new(page, "held_count", json_integer(n));
	return NULL;
}

struct listing {
	struct request *r;
	json_t *list;
	bool allowed; /* for an empty list: a volunteer, or a moderator at home */
};

static struct error *ignore_missing(struct error *e)
{
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	return NULL;
}

static struct error *put_where(struct request *r, json_t *row, const struct held *h)
{
	struct conn *c = request_conn(r);
	struct topic t = {.title = ""};
	struct forum f = {.title = ""};
	struct space_info home;

	TRY(space_home(c, &home));
	if (!hash_is_zero(&h->topic)) {
		TRY(ignore_missing(topic_get(c, &h->topic, &t)));
		json_object_set_new(
			row, "topic",
			json_pack("{s:s, s:s}", "title", t.title, "url",
				  arena_printf(request_arena(r), "/topic/%s", ID(&h->topic))));
		json_object_set_new(row, "forum", json_null());
		return NULL;
	}
	TRY(ignore_missing(forum_get(c, &h->forum, &f)));
	json_object_set_new(row, "topic", json_null());
	json_object_set_new(
		row, "forum",
		json_pack("{s:s, s:s}", "title", f.title, "url",
			  *f.title ? forum_path(request_arena(r), &f, &home.id) : "/forums"));
	return NULL;
}

static struct error *add_held(void *ctx, const struct held *h)
{
	struct listing *l = ctx;
	struct request *r = l->r;
	json_t *row;
	bool may;

	TRY(may_decide(r, &h->space, &may));
	if (!may)
		return NULL;
	l->allowed = true;
	row = json_pack("{s:I, s:s, s:s}", "id", (json_int_t)h->id, "name", h->name, "html",
			html_of(r, h->text));
	put_or_null(row, "title", h->title);
	put_date(r, row, h->time);
	json_array_append_new(l->list, row);
	return put_where(r, row, h);
}

static struct error *page_waiting(struct request *r)
{
	struct listing l = {.r = r, .list = json_array()};
	struct error *e = home_may_decide(r, &l.allowed);

	if (!e)
		e = moderation_each(request_conn(r), add_held, &l);
	if (!e && !l.allowed)
		e = not_yours(r);
	if (e) {
		json_decref(l.list);
		return e;
	}
	return respond_page(r, "admin_held", request_text(r, N_("Messages that wait")),
			    json_pack("{s:o}", "held", l.list));
}

static struct error *held_to_decide(struct request *r, struct held *ret)
{
	struct copy c = {.r = r};
	bool may;

	TRY(moderation_get(request_conn(r), strtoll(request_param(r, "id"), NULL, 10), copy_held,
			   &c));
	TRY(may_decide(r, &c.held.space, &may));
	if (!may)
		return not_yours(r);
	*ret = c.held;
	return NULL;
}

static struct error *post_approve(struct request *r)
{
	struct decision d = {.to = HELD_APPROVED, .reason = ""};
	struct held h;

	TRY(held_to_decide(r, &h));
	d.id = h.id;
	TRY(request_write(r, settle_job, &d));
	return respond_done_saying(r, "/admin/held", N_("The message is published."),
				   json_pack("{s:s}", "id", ID(&d.op)));
}

static struct error *page_reject(struct request *r)
{
	struct held h;

	TRY(held_to_decide(r, &h));
	return respond_page(r, "confirm", request_text(r, N_("Are you sure?")),
			    json_pack("{s:{s:s, s:s, s:s, s:s, s:b}}", "confirm", "action",
				      request_path(r), "back_url", "/admin/held", "name", h.name,
				      "html", html_of(r, h.text), "reject", 1));
}

static struct error *post_reject(struct request *r)
{
	struct decision d = {.to = HELD_REJECTED, .reason = field(r, "reason")};
	struct held h;

	TRY(held_to_decide(r, &h));
	ENSURE(strlen(d.reason) <= LIMIT_REASON,
	       error_new(ERR_INVALID, N_("The reason is too long: at most 200 letters.")));
	d.id = h.id;
	TRY(request_write_care(r, request_viewer(r)->volunteer, settle_job, &d));
	return respond_done_saying(r, "/admin/held", N_("The message is not published."),
				   json_pack("{s:s}", "state", "rejected"));
}

const struct route moderation_routes[] = {
	{"GET", "/held/:secret", page_held, 0},
	{"GET", "/held/:secret/withdraw", page_withdraw, 0},
	{"POST", "/held/:secret/withdraw", post_withdraw, ROUTE_NO_CSRF},
	{"GET", "/admin/held", page_waiting, ROUTE_SIGNED_IN},
	{"POST", "/admin/held/:id/approve", post_approve, ROUTE_SIGNED_IN},
	{"GET", "/admin/held/:id/reject", page_reject, ROUTE_SIGNED_IN},
	{"POST", "/admin/held/:id/reject", post_reject, ROUTE_SIGNED_IN},
	{0},
};
