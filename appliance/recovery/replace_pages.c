/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* "Replace a lost box": for stewards, when there are neither sheets nor a backup. */
#include "appliance/peers/peers.h"
#include "appliance/place/moment.h"
#include "appliance/recovery/ask.h"
#include "appliance/recovery/pages_priv.h"
#include "appliance/recovery/replace.h"

struct choosing {
	struct request *r;
	json_t *boxes, *newcomers, *people;
	const struct pubkey *lost; /* whose people are listed */
	struct hash space;
	uint64_t entries; /* of the box that is looked at */
	const struct pubkey *box;
};

static const char *letters_of(struct request *r, const struct pubkey *key)
{
	char start[PEERS_KEY_START];

	peers_key_start(key, start);
	return arena_str(request_arena(r), start);
}

static bool has_key(const json_t *list, const struct pubkey *key)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		if (!strcmp(json_string_value(json_object_get(row, "key")), ID(key)))
			return true;
	}
	return false;
}

/* --- the boxes of our communities ------------------------------------------------------------- */

static struct error *count_log(void *ctx, const struct log_info *info)
{
	struct choosing *k = ctx;

	if (pubkey_eq(&info->id.appliance, k->box))
		k->entries += info->live;
	return NULL;
}

static struct error *add_box(void *ctx, const struct admitted *a)
{
	struct choosing *k = ctx;
	struct conn *c = request_conn(k->r);
	struct peer p = {.last_ok_ms = 0};
	char name[LIMIT_NAME + 1];
	struct error *e;
	json_t *row;

	if (pubkey_eq(&a->key, secret_pubkey(request_app(k->r)->self)) ||
	    has_key(k->boxes, &a->key))
		return NULL;
	peers_box_name(c, a, name);
	k->box = &a->key;
	k->entries = 0;
	TRY(log_each(c->log, NULL, count_log, k));
	e = peer_get(c->local, &a->key, &p);
	error_free(e);
	row = json_pack("{s:s, s:s, s:s, s:I, s:n, s:n}", "name",
			name, "key", ID(&a->key), "short",
			ID_SHORT(&a->key), "entries", (json_int_t)k->entries, "last", "last_text");
	if (!e && p.last_ok_ms) {
		json_object_set_new(row, "last", json_string(request_date(k->r, p.last_ok_ms)));
		json_object_set_new(row, "last_text",
				    json_string(request_date_text(k->r, p.last_ok_ms)));
	}
	json_array_append_new(k->boxes, row);
	return NULL;
}

static struct error *add_space(void *ctx, const struct space_info *s)
{
	struct choosing *k = ctx;

	return admitted_each(request_conn(k->r), &s->id, add_box, k);
}

/* --- who may be the new one ------------------------------------------------------------------- */

static void add_newcomer(struct choosing *k, const struct pubkey *key, const char *name,
			 const char *address)
{
	if (!has_key(k->newcomers, key) && !pubkey_eq(key, secret_pubkey(request_app(k->r)->self)))
		json_array_append_new(k->newcomers,
				      json_pack("{s:s, s:s, s:s, s:s, s:s}", "name",
						*name ? name : ID_SHORT(key), "key", ID(key),
						"short", ID_SHORT(key), "letters",
						letters_of(k->r, key), "addr", address));
}

static struct error *add_knock(void *ctx, const struct knock *n)
{
	add_newcomer(ctx, &n->key, n->name, n->address);
	return NULL;
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct choosing *k = ctx;

	/* one that is admitted already takes nobody's place */
	if (!has_key(k->boxes, &p->key))
		add_newcomer(k, &p->key, p->name, p->address);
	return NULL;
}

static struct error *list_newcomers(struct choosing *k)
{
	struct found_box *found =
		arena_array(request_arena(k->r), struct found_box, LIMIT_DISCOVERED);
	struct app *a = request_app(k->r);
	size_t n = a->sync ? sync_found(a->sync, found, LIMIT_DISCOVERED) : 0;

	TRY(knock_each(request_conn(k->r)->local, add_knock, k));
	for (size_t i = 0; i < n; i++)
		if (!found[i].approved)
			add_newcomer(k, &found[i].key, found[i].name, found[i].address);
	return peer_each(request_conn(k->r)->local, add_peer, k);
}

/* --- the page --------------------------------------------------------------------------------- */

static struct error *show(struct request *r, int status, const char *problem)
{
	struct choosing k = {.r = r, .boxes = json_array(), .newcomers = json_array()};
	json_t *context = json_pack("{s:o, s:o, s:{}, s:o}", "boxes", k.boxes, "newcomers", k.newcomers,
				    "form", "since", since_json(r, 0, 0));
	const struct viewer *v = request_viewer(r);
	struct error *e = space_each(request_conn(r), add_space, &k);

	/* which box it is about is still to be chosen */
	json_object_set_new(json_object_get(context, "since"), "shows", json_false());
	if (!e)
		e = list_newcomers(&k);
	if (e) {
		json_decref(context);
		return e;
	}
	json_object_set_new(context, "steward", json_boolean(!strcmp(v->role, "steward")));
	json_object_set_new(context, "choosable",
			    json_boolean(json_array_size(k.boxes) && json_array_size(k.newcomers)));
	if (problem)
		json_object_set_new(json_object_get(context, "form"), "error",
				    json_string(problem));
	return respond_page_status(r, status, "admin_replace",
				   request_text(r, N_("Replace a lost box")), context);
}

/* --- asking the other houses first ------------------------------------------------------------ */

static json_t *house_json(struct request *r, const struct ask_house *h)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:s}", "name", h->name, "short",
			 ID_SHORT(&h->key), "waits", h->state == ASK_WAITS, "runs",
			 h->state == ASK_RUNS, "gave", h->state == ASK_GAVE, "missed",
			 h->state == ASK_MISSED, "why",
			 h->state == ASK_MISSED ? request_stored_text(r, h->why) : "");
}

struct going {
	struct request *r;
	const struct pubkey *lost;
	int64_t since;
	uint64_t n;
};

static struct error *count_going(void *ctx, const struct space_info *s)
{
	struct going *k = ctx;
	uint64_t n;

	TRY(community_cut_off(request_conn(k->r), &s->id, k->lost, k->since, &n));
	k->n += n;
	return NULL;
}

/* Since when it is in strange hands, as the address of the page says, and what goes with that. */
static struct error *since_of(struct request *r, const struct pubkey *lost, json_t **ret)
{
	struct going k = {.r = r, .lost = lost};

	TRY(since_read(r, true, &k.since));
	if (k.since)
		TRY(space_each(request_conn(r), count_going, &k));
	*ret = since_json(r, k.since, k.n);
	return NULL;
}

/* As a peer, or as its communities call it. */
static const char *name_of(struct request *r, const struct pubkey *key)
{
	char name[LIMIT_NAME + 1];

	return arena_str(request_arena(r), peers_known_name(request_conn(r), key, name)
						   ? name
						   : ID_SHORT(key));
}

static struct error *show_asking(struct request *r, const struct ask_round *round)
{
	bool still = request_query(r, "still") != NULL;
	json_t *houses = json_array();
	json_int_t missed = 0;
	json_t *asking, *since;
	struct error *e = since_of(r, &round->lost, &since);

	if (e) {
		json_decref(houses);
		return e;
	}
	for (size_t i = 0; i < round->n; i++) {
		missed += round->house[i].state == ASK_MISSED;
		json_array_append_new(houses, house_json(r, &round->house[i]));
	}
	asking = json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:b}", "name",
			   name_of(r, &round->lost), "short", ID_SHORT(&round->lost), "lost",
			   ID(&round->lost), "successor", ID(&round->successor), "houses", houses,
			   "entries", (json_int_t)round->entries, "came",
			   (json_int_t)(round->entries > round->before ? round->entries - round->before
								       : 0),
			   "missed", missed, "over", round->over);
	return respond_page(r, "admin_replace", request_text(r, N_("Replace a lost box")),
			    json_pack("{s:o, s:b, s:b, s:o}", "asking", asking, "refresh",
				      !round->over && !still, "still", !round->over && still, "since",
				      since));
}

struct error *replace_page(struct request *r)
{
	struct ask_round round;

	if (ask_look(request_app(r)->ask, request_arena(r), &round))
		return show_asking(r, &round);
	return show(r, 200, NULL);
}

/* Other boxes are chosen. */
struct error *replace_again(struct request *r)
{
	ask_forget(request_app(r)->ask);
	return respond_done(r, "/admin/recovery/replace", NULL);
}

/* --- doing it --------------------------------------------------------------------------------- */

static struct error *add_person(void *ctx, const struct member *m)
{
	struct choosing *k = ctx;

	if (pubkey_eq(&m->home, k->lost) && m->role != ROLE_NONE)
		json_array_append_new(k->people, json_pack("{s:s}", "name", m->name));
	return NULL;
}

static struct error *add_people(void *ctx, const struct space_info *s)
{
	struct choosing *k = ctx;

	return member_each(request_conn(k->r), &s->id, add_person, k);
}

static struct error *read_form(struct request *r, struct replace *w)
{
	const char *lost = request_field(r, "lost"), *successor = request_field(r, "successor");
	const char *same = request_field(r, "same");
	struct choosing k = {.r = r, .boxes = json_array(), .newcomers = json_array()};
	const json_t *row;
	struct error *e;
	size_t i;

	ENSURE(lost && id_parse(lost, w->lost.b) && successor &&
		       id_parse(successor, w->successor.b),
	       error_new(ERR_INVALID, N_("Choose the lost box and the new one.")));
	ENSURE(same && *same == '1',
	       error_new(ERR_INVALID, N_("Compare the letters with the people of the new box first,"
					 " then tick that they are the same.")));
	TRY(since_read(r, false, &w->since_ms));
	e = list_newcomers(&k);
	w->address = w->name = "";
	json_array_foreach(k.newcomers, i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "key")), successor) != 0)
			continue;
		w->name = arena_str(request_arena(r),
				    json_string_value(json_object_get(row, "name")));
		w->address = arena_str(request_arena(r),
				       json_string_value(json_object_get(row, "addr")));
	}
	json_decref(k.boxes);
	json_decref(k.newcomers);
	return e;
}

static struct error *show_done(struct request *r, const struct replace *w,
			       const struct replace_done *d)
{
	struct choosing k = {.r = r, .people = json_array(), .lost = &w->lost};
	json_t *context =
		json_pack("{s:b, s:i, s:i, s:s, s:o}", "done", 1, "spaces", d->spaces, "left",
			  d->left, "short", ID_SHORT(&w->lost), "people", k.people);
	struct error *e = space_each(request_conn(r), add_people, &k);

	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page(r, "admin_replace", request_text(r, N_("Replace a lost box")), context);
}

static bool goes_on(struct request *r)
{
	const char *field = request_field(r, "go");

	return field && *field == '1';
}

static struct error *sign_it(struct request *r, const struct replace *w, struct replace_done *ret)
{
	struct error *e;

	request_blocks(r);
	e = replace_box(request_app(r), w, ret);
	request_goes_on(r);
	TRY(e);
	ask_forget(request_app(r)->ask);
	return NULL;
}

struct error *replace_do(struct request *r)
{
	struct replace w = {.steward = request_viewer(r)->secret};
	struct replace_done done;
	const char *text, *page;
	int status;
	bool asks = false, shows = request_field(r, "show");
	struct error *e = read_form(r, &w);

	if (!e)
		e = replace_check(request_app(r), &w);
	if (!e && !goes_on(r) && !shows)
		e = ask_begin(request_app(r)->ask, &w.lost, &w.successor, &asks);
	/* The page of the round keeps what was said of the time. */
	if (!e)
		e = since_address(r, "/admin/recovery/replace", &page);
	if (!e && (asks || shows))
		return respond_done(r, page, NULL);
	if (!e)
		e = sign_it(r, &w, &done);
	if (!e)
		return show_done(r, &w, &done);
	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show(r, status, text);
}
