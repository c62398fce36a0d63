/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/copy/copy_pages.h"
#include "appliance/copy/copy.h"
#include "appliance/peers/number_pages.h"
#include "appliance/place/moment.h"

struct listing {
	struct request *r;
	json_t *list;
};

/* What the old key is called here: "this box", or the approved box's name. */
static const char *name_of(struct listing *l, const struct pubkey *key)
{
	struct peer p;
	struct error *e;
	const char *name;

	if (pubkey_eq(key, secret_pubkey(request_app(l->r)->self)))
		return request_text(l->r, N_("this box itself"));
	e = peer_get(request_conn(l->r)->local, key, &p);
	name = !e && *p.name ? p.name : ID_SHORT(key);
	error_free(e);
	return arena_str(request_arena(l->r), name);
}

static struct error *add_successor(void *ctx, const struct copy_successor *s)
{
	struct listing *l = ctx;
	struct peer p;
	struct error *e = peer_get(request_conn(l->r)->local, &s->said.to, &p);

	if (!e) /* approved meanwhile */
		return NULL;
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	json_array_append_new(l->list,
			      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name",
					*s->name ? s->name : ID_SHORT(&s->said.to), "key",
					ID(&s->said.to), "short", ID_SHORT(&s->said.to), "old",
					ID(&s->said.from), "old_name", name_of(l, &s->said.from),
					"since_text", request_date_text(l->r, s->said.time_ms),
					"addr", s->address));
	return NULL;
}

static json_t *notice_json(struct request *r, const struct copy_notice *n)
{
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:b, s:b, s:s}", "since", request_date(r, n->first_ms),
		"since_text", request_date_text(r, n->first_ms), "last",
		request_date(r, n->last_ms), "last_text", request_date_text(r, n->last_ms), "met",
		(n->signs & TWIN_MET) != 0, "log", (n->signs & TWIN_LOG) != 0, "place", n->place);
}

static struct error *add_strange(void *ctx, const struct space_info *s, const struct pubkey *key,
				 int64_t since_ms)
{
	struct listing *l = ctx;
	json_t *since = since_json(l->r, since_ms, 0);
	const char *url = arena_printf(
		request_arena(l->r), "/admin/spaces/%s/boxes/%s/remove?since_day=%s&since_hour=%s",
		ID(&s->id), ID(key), json_string_value(json_object_get(since, "day")),
		json_string_value(json_object_get(since, "hour")));

	json_decref(since);
	json_array_append_new(l->list, json_pack("{s:s, s:s, s:s}", "name", *s->name ? s->name : ID_SHORT(&s->id),
						 "short", ID_SHORT(key), "url", url));
	return NULL;
}

static struct error *copy_page(struct request *r)
{
	struct listing l = {.r = r, .list = json_array()};
	struct listing old = {.r = r, .list = json_array()};
	json_t *context = json_pack("{s:o, s:o, s:s}", "successors", l.list, "strange", old.list, "key",
				    ID(secret_pubkey(request_app(r)->self)));
	struct copy_notice n;
	bool open = false;
	struct error *e = copy_notice_get(request_conn(r), &n, &open);

	if (!e && open)
		json_object_set_new(context, "notice", notice_json(r, &n));
	if (!e)
		e = copy_successors(request_conn(r), add_successor, &l);
	if (!e)
		e = copy_strange(request_conn(r), add_strange, &old);
	if (!e)
		json_object_set_new(context, "any_strange", json_boolean(json_array_size(old.list)));
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page(r, "admin_copy", request_text(r, N_("Two boxes with one key")),
			    context);
}

static struct error *handled(struct request *r)
{
	TRY(copy_handled(request_app(r)));
	return respond_done_saying(r, "/admin", N_("Good. This will not be asked again."), NULL);
}

static struct error *new_key(struct request *r)
{
	struct app *a = request_app(r);
	const char *sure = request_field(r, "sure"), *people = request_field(r, "people");
	const char *hands = request_field(r, "hands");
	struct copy_new how = {.steward = request_viewer(r)->secret, .people = people && *people == '1'};
	struct pubkey key;
	int left;

	ENSURE(sure && *sure == '1',
	       error_new(ERR_INVALID, N_("Tick first that only one of the two boxes does this.")));
	ENSURE(hands && (!strcmp(hands, "good") || !strcmp(hands, "strange")),
	       error_new(ERR_INVALID, N_("Say first whether the other box is in good hands.")));
	how.strange = !strcmp(hands, "strange");
	ENSURE(a->again, error_new(ERR_BUSY, N_("This box can't begin again by itself now.")));
	TRY(request_limit(r, "newkey", 2, 1));
	TRY(copy_new_key(a, &how, &key, &left));
	a->again(a);
	return respond_page(r, "admin_copy_done", request_text(r, N_("A key of its own")),
			    json_pack("{s:s, s:s, s:i, s:b}", "key", ID(&key), "short",
				      ID_SHORT(&key), "left", left, "strange", how.strange));
}

/* --- who goes on for whom --------------------------------------------------------------------- */

struct choice {
	struct pubkey key;
	struct copy_successor row;
	bool found;
};

static struct error *choose(void *ctx, const struct copy_successor *s)
{
	struct choice *c = ctx;

	if (pubkey_eq(&s->said.to, &c->key)) {
		c->row = *s;
		c->found = true;
	}
	return NULL;
}

static struct error *find_choice(struct request *r, struct choice *ret)
{
	const char *text = request_param(r, "key");

	*ret = (struct choice){.found = false};
	if (text && id_parse(text, ret->key.b))
		TRY(copy_successors(request_conn(r), choose, ret));
	ENSURE(ret->found, error_new(ERR_NOT_FOUND, N_("No box with this key asks for that.")));
	return NULL;
}

/* The old key was copied, or stolen: that it signed says little, so people compare here, too. */
static struct error *show_successor(struct request *r, const struct copy_successor *s, int status,
				    const char *error)
{
	struct listing l = {.r = r};
	const char *here = arena_printf(request_arena(r), "/admin/copy/%s", ID(&s->said.to));
	const char *typed = request_field(r, "whole");
	json_t *context = json_pack(
		"{s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:s, s:{}}", "successor", "name",
		*s->name ? s->name : ID_SHORT(&s->said.to), "key", ID(&s->said.to), "old",
		ID(&s->said.from), "old_name", name_of(&l, &s->said.from), "since_text",
		request_date_text(r, s->said.time_ms), "number_url", here, "key_url",
		arena_printf(request_arena(r), "%s?whole=", here), "form");

	if (error)
		json_object_set_new(json_object_get(context, "form"), "error", json_string(error));
	if (number_by_key(r)) {
		json_object_set_new(context, "by_key",
				    json_pack("{s:s}", "typed", typed ? typed : ""));
		json_object_set_new(context, "compared", json_true());
	} else {
		number_into(r, context,
			    &(struct number_page){.key = s->said.to,
						  .address = s->address,
						  .typed = "",
						  .next = here});
	}
	return respond_page_status(r, status, "admin_copy_successor",
				   request_text(r, N_("A new key of a house")), context);
}

static struct error *successor_page(struct request *r)
{
	struct choice c;

	TRY(find_choice(r, &c));
	return show_successor(r, &c.row, 200, NULL);
}

/* It is the same house: what was agreed with it holds on, and not what holds for a new one. */
static struct error *approve_like(struct request *r, const struct copy_successor *s,
				  enum peer_how how)
{
	struct db *local = request_conn(r)->local;
	struct peer_terms terms;
	struct peer old = {.read_only = false};
	bool ours = pubkey_eq(&s->said.from, secret_pubkey(request_app(r)->self));

	if (!ours)
		TRY(peer_get(local, &s->said.from, &old));
	TRY(peer_terms_get(local, &s->said.from, &terms));
	return peers_approve(request_app(r),
			     &(struct peers_approval){.key = s->said.to,
						      .address = s->address,
						      .name = s->name,
						      .read_only = old.read_only,
						      .terms = ours ? NULL : &terms,
						      .steward = request_viewer(r)->secret,
						      .how = how});
}

static struct error *approve(struct request *r)
{
	const char *missing;
	enum peer_how how;
	struct choice c;

	TRY(find_choice(r, &c));
	missing = number_missing(r, &c.key, &how);
	if (missing)
		return show_successor(r, &c.row, 400, missing);
	TRY(approve_like(r, &c.row, how));
	TRY(copy_successor_drop(request_app(r), &c.key));
	return respond_done_saying(r, "/admin/peers", N_("The new key is approved."), NULL);
}

static struct error *dismiss(struct request *r)
{
	struct choice c;

	TRY(find_choice(r, &c));
	TRY(copy_successor_drop(request_app(r), &c.key));
	return respond_done_saying(r, "/admin/copy", N_("It is not asked again."), NULL);
}

const struct route copy_routes[] = {
	{"GET", "/admin/copy", copy_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/copy/handled", handled, ROUTE_VOLUNTEER},
	{"POST", "/admin/copy/new-key", new_key, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"GET", "/admin/copy/:key", successor_page, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/copy/:key/approve", approve, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/copy/:key/dismiss", dismiss, ROUTE_VOLUNTEER},
	{0},
};
