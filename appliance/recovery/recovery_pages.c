/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's page of backups. */
#include "appliance/recovery/recovery_pages.h"
#include "appliance/page/language.h"
#include "appliance/peers/coming.h"
#include "appliance/peers/peers.h"
#include "appliance/recovery/pages_priv.h"
#include "appliance/recovery/recovery.h"
#include "sync/peer/keep.h"

enum { FOLDERS = 32 };
#define SHEETS_OLD_MS ((int64_t)365 * 24 * 3600 * 1000)

struct listing {
	struct request *r;
	json_t *places, *peers, *left;
	bool any;
};

static void set_date(struct request *r, json_t *o, const char *name, int64_t ms)
{
	const char *text = arena_printf(request_arena(r), "%s_text", name);

	if (!ms)
		return;
	json_object_set_new(o, name, json_string(request_date(r, ms)));
	json_object_set_new(o, text, json_string(request_date_text(r, ms)));
}

/* --- lists ------------------------------------------------------------------------------------ */

static const char *peer_name(struct request *r, const char *key)
{
	char name[LIMIT_NAME + 1];
	struct pubkey k;

	if (id_parse(key, k.b) && peers_known_name(request_conn(r), &k, name))
		return arena_str(request_arena(r), name);
	return arena_printf(request_arena(r), "%.8s", key);
}

struct former_name {
	struct request *r;
	const struct pubkey *key;
	const char *name;
};

static struct error *look_at_former(void *ctx, const struct former *f)
{
	struct former_name *n = ctx;

	if (pubkey_eq(&f->key, n->key) && *f->name)
		n->name = arena_str(request_arena(n->r), f->name);
	return NULL;
}

/* As an approved box is called, or was before it was disconnected. */
static const char *kept_name(struct request *r, const struct pubkey *key)
{
	struct former_name n = {r, key, peer_name(r, ID(key))};

	error_free(former_each(request_conn(r)->local, look_at_former, &n));
	return n.name;
}

static struct error *add_place(void *ctx, const struct place *p)
{
	struct listing *l = ctx;
	bool peer = p->kind == PLACE_PEER;
	int64_t made = p->small_ms || p->whole_ms ? p->added_ms : INT64_MAX;
	bool unproved = env_now(request_app(l->r)->env) - BACKUP_MONTH_MS - BACKUP_WEEK_MS >
			(p->proved_ms ? p->proved_ms : made);
	json_t *row = json_pack(
		"{s:I, s:s, s:b, s:s, s:b, s:n, s:n, s:n, s:n, s:n, s:n, s:s, s:b}", "id",
		(json_int_t)p->id, "name",
		peer ? peer_name(l->r, p->where) : p->where, "peer", peer, "problem",
		request_stored_text(l->r, p->problem),
		"ok", p->tried_ms && !*p->problem, "small", "small_text", "whole", "whole_text",
		"proved", "proved_text", "wrong", request_stored_text(l->r, p->proof_problem),
		"unproved", unproved);

	set_date(l->r, row, "small", p->small_ms);
	set_date(l->r, row, "whole", p->whole_ms);
	set_date(l->r, row, "proved", p->proved_ms);
	json_array_append_new(l->places, row);
	l->any = true;
	return NULL;
}

static const char *remove_url(struct request *r, const struct pubkey *key)
{
	return arena_printf(request_arena(r), "/admin/recovery/kept/%s/remove", ID(key));
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct listing *l = ctx;
	struct request *r = l->r;
	uint64_t kept = keep_bytes(request_app(r), &p->key);
	bool allowed;
	json_t *row;

	TRY(keep_allowed(request_conn(r), &p->key, &allowed));
	row = json_pack("{s:s, s:s, s:s, s:b, s:n}", "name", *p->name ? p->name : ID_SHORT(&p->key),
			"key", ID(&p->key), "short", ID_SHORT(&p->key), "allowed", allowed,
			"kept_text");
	if (kept)
		json_object_set_new(row, "kept_text", json_string(request_size_text(r, kept)));
	if (kept && !allowed)
		json_object_set_new(row, "remove_url", json_string(remove_url(r, &p->key)));
	json_array_append_new(l->peers, row);
	return NULL;
}

/* Of boxes that were disconnected: their backups stay until somebody removes them. */
static struct error *add_left(void *ctx, const struct kept *k)
{
	struct listing *l = ctx;
	struct request *r = l->r;
	struct peer p;
	struct error *e = peer_get(request_conn(r)->local, &k->peer, &p);

	if (!e)
		return NULL;
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	json_array_append_new(l->left,
			      json_pack("{s:s, s:s, s:s, s:s, s:s}", "name",
					kept_name(r, &k->peer), "key", ID(&k->peer), "kept_text",
					request_size_text(r, k->size), "when_text",
					request_date_text(r, k->when_ms), "remove_url",
					remove_url(r, &k->peer)));
	return NULL;
}

static struct error *list_left(struct listing *l)
{
	_cleanup_(freep) char *dir = keep_dir(request_app(l->r));

	return kept_each(dir, add_left, l);
}

static json_t *folders_json(struct request *r)
{
	char(*folders)[RECOVERY_PLACE] =
		(void *)arena_array(request_arena(r), char, FOLDERS *RECOVERY_PLACE);
	struct keeper *k = request_app(r)->keeper;
	size_t n = k ? keeper_folders(k, folders, FOLDERS) : 0;
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(folders[i]));
	return list;
}

/* --- the page --------------------------------------------------------------------------------- */

/* A folder that is a place already is not offered once more. */
static void drop_chosen(json_t *folders, const json_t *places)
{
	const json_t *place;
	size_t i;

	json_array_foreach(places, i, place)
	{
		const char *name = json_string_value(json_object_get(place, "name"));

		for (size_t k = json_array_size(folders); k-- > 0;)
			if (!strcmp(json_string_value(json_array_get(folders, k)), name))
				json_array_remove(folders, k);
	}
}

static json_t *proof_json(struct request *r, const struct recovery_state *s)
{
	const char *name = strrchr(s->proof_of, '/');
	struct pubkey peer;
	enum backup_scope scope;
	int64_t when;
	json_t *o = json_pack("{s:s, s:s, s:I, s:b, s:b}", "name",
			      id_parse(s->proof_of, peer.b) ? peer_name(r, s->proof_of)
							    : s->proof_of,
			      "problem",
			      request_stored_text(r, s->proof_problem), "entries", (json_int_t)s->proof_entries, "ok",
			      !*s->proof_problem, "compared", s->proof_compared);

	set_date(r, o, "date", s->proved_ms);
	if (name && backup_name_parse(name + 1, secret_pubkey(request_app(r)->self), &scope, &when))
		set_date(r, o, "made", backup_when_ms(when));
	return o;
}

static json_t *sheets_json(struct request *r, const struct recovery_state *s)
{
	int64_t last = s->checked_ms > s->sheets_ms ? s->checked_ms : s->sheets_ms;
	json_t *o = json_pack("{s:s, s:b}", "set", s->sheets_set, "old",
			      env_now(request_app(r)->env) - last > SHEETS_OLD_MS);

	set_date(r, o, "date", s->sheets_ms);
	set_date(r, o, "checked", s->checked_ms);
	return o;
}

static struct error *show(struct request *r, int status, const char *problem)
{
	struct listing l = {r, json_array(), json_array(), json_array(), false};
	json_t *context =
		json_pack("{s:o, s:o, s:o, s:o, s:{}}", "places", l.places, "peers", l.peers,
			  "left", l.left, "folders", folders_json(r), "form");
	struct keeper *k = request_app(r)->keeper;
	struct coming lacks;
	struct recovery_state s;
	struct error *e = place_each(request_conn(r), add_place, &l);

	if (!e)
		e = peer_each(request_conn(r)->local, add_peer, &l);
	if (!e)
		e = list_left(&l);
	if (!e)
		e = recovery_state(request_conn(r), &s);
	if (!e)
		e = coming_count(request_app(r), request_conn(r), &lacks);
	if (e) {
		json_decref(context);
		return e;
	}
	drop_chosen(json_object_get(context, "folders"), l.places);
	json_object_set_new(context, "has_places", json_boolean(l.any));
	json_object_set_new(context, "can_choose",
			    json_boolean(json_array_size(l.peers) ||
					 json_array_size(json_object_get(context, "folders"))));
	if (json_array_size(l.peers) || json_array_size(l.left))
		json_object_set_new(context, "has_peers", json_true());
	json_object_set_new(context, "lacks", json_integer((json_int_t)lacks.missing));
	if (s.proved_ms)
		json_object_set_new(context, "proof", proof_json(r, &s));
	if (s.sheets_ms)
		json_object_set_new(context, "sheets", sheets_json(r, &s));
	if (k && keeper_at_work(k))
		json_object_set_new(context, keeper_at_work(k) == 1 ? "backing_up" : "proving",
				    json_true());
	if (problem)
		json_object_set_new(json_object_get(context, "form"), "error",
				    json_string(problem));
	return respond_page_status(r, status, "admin_recovery", request_text(r, N_("Backups")),
				   context);
}

static struct error *page(struct request *r)
{
	return show(r, 200, NULL);
}

/* --- acts ------------------------------------------------------------------------------------- */

struct act {
	enum place_kind kind;
	const char *where;
	int64_t id;
	struct pubkey peer;
	bool allow;
};

static struct error *add_job(struct conn *c, void *arg)
{
	const struct act *a = arg;

	return place_add(c, a->kind, a->where);
}

/* Only what the page offers: a path from elsewhere is none. */
static bool offered(struct request *r, const char *folder)
{
	json_t *list = folders_json(r), *v;
	bool found = false;
	size_t i;

	json_array_foreach(list, i, v) found = found || !strcmp(json_string_value(v), folder);
	json_decref(list);
	return found;
}

static struct error *read_place(struct request *r, struct act *a)
{
	const char *folder = request_field(r, "folder"), *peer = request_field(r, "peer");
	struct pubkey key;
	struct peer p;

	if (peer && *peer) {
		ENSURE(id_parse(peer, key.b), error_new(ERR_INVALID, N_("Choose a place first.")));
		TRY(peer_get(request_conn(r)->local, &key, &p));
		*a = (struct act){.kind = PLACE_PEER, .where = peer};
		return NULL;
	}
	ENSURE(folder && *folder, error_new(ERR_INVALID, N_("Choose a place first.")));
	ENSURE(offered(r, folder),
	       error_new(ERR_NOT_FOUND,
			 N_("The folder %s is not there. Is the disk or stick plugged in?"),
			 folder));
	*a = (struct act){.kind = PLACE_FOLDER, .where = folder};
	return NULL;
}

static struct error *refuse(struct request *r, struct error *e)
{
	const char *text;
	int status;

	return respond_form_error(r, e, &text, &status) ? show(r, status, text) : e;
}

static struct error *add(struct request *r)
{
	struct act a;
	struct error *e = read_place(r, &a);

	if (!e)
		e = request_write(r, add_job, &a);
	if (!e)
		return respond_done_saying(r, "/admin/recovery",
					   N_("Backups go there from now on, by themselves."),
					   NULL);
	return refuse(r, e);
}

static struct error *remove_job(struct conn *c, void *arg)
{
	return place_remove(c, ((const struct act *)arg)->id);
}

static struct error *remove_place(struct request *r)
{
	struct act a = {.id = strtoll(request_param(r, "id"), NULL, 10)};

	TRY(request_write_care(r, request_viewer(r)->volunteer, remove_job, &a));
	return respond_done_saying(r, "/admin/recovery",
				   N_("No more backups go there. Those that are there stay."),
				   NULL);
}

static struct error *keep_job(struct conn *c, void *arg)
{
	const struct act *a = arg;

	return keep_allow(c, &a->peer, a->allow);
}

static struct error *keep(struct request *r)
{
	const char *allow = request_field(r, "allow"), *key = request_field(r, "key");
	struct act a = {.allow = allow && *allow == '1'};
	struct peer p;

	ENSURE(key && id_parse(key, a.peer.b),
	       error_new(ERR_INVALID, N_("“%s” is not a box's key. A key has 52 letters."),
			 key ? key : ""));
	TRY(peer_get(request_conn(r)->local, &a.peer, &p));
	TRY(request_write(r, keep_job, &a));
	return respond_done_saying(r, "/admin/recovery",
				   a.allow ? N_("This box keeps the other's backup from now on.")
					   : N_("No new backup of the other box is taken. It can"
						" still fetch the one that is here, until you"
						" remove it."),
				   NULL);
}

static struct error *kept_of(struct request *r, struct pubkey *ret, uint64_t *ret_bytes)
{
	const char *text = request_param(r, "key");

	*ret_bytes = 0;
	if (text && id_parse(text, ret->b))
		*ret_bytes = keep_bytes(request_app(r), ret);
	ENSURE(*ret_bytes, error_new(ERR_NOT_FOUND, N_("No backup of that box is kept here.")));
	return NULL;
}

static struct error *kept_sure(struct request *r)
{
	struct pubkey key;
	uint64_t n;

	TRY(kept_of(r, &key, &n));
	return respond_page(r, "confirm", request_text(r, N_("Are you sure?")),
			    json_pack("{s:{s:s, s:s, s:s, s:s, s:b}}", "confirm", "action",
				      request_path(r), "back_url", "/admin/recovery", "name",
				      kept_name(r, &key), "size_text", request_size_text(r, n),
				      "kept_remove", 1));
}

static struct error *remove_kept(struct request *r)
{
	_cleanup_(freep) char *dir = keep_dir(request_app(r));
	struct pubkey key;
	uint64_t n;

	TRY(kept_of(r, &key, &n));
	TRY(kept_remove(dir, &key));
	return respond_done_saying(r, "/admin/recovery",
				   N_("The other house's backup was removed from this box."), NULL);
}

static struct error *is_there(void *ctx, const struct place *p)
{
	(void)p;
	*(bool *)ctx = true;
	return NULL;
}

/* Nothing would be made, and the page would say that it is. */
static struct error *need_a_place(struct request *r)
{
	bool any = false;

	TRY(request_limit(r, "backup", 6, 6));
	TRY(place_each(request_conn(r), is_there, &any));
	ENSURE(any, error_new(ERR_CONFLICT, N_("Nobody has said yet where backups go. Choose a disk, a "
					       "stick or another house first.")));
	return NULL;
}

static struct error *back_up_now(struct request *r)
{
	struct error *e = need_a_place(r);

	if (e)
		return refuse(r, e);
	if (request_app(r)->keeper)
		keeper_back_up_now(request_app(r)->keeper);
	return respond_done_saying(r, "/admin/recovery",
				   N_("The backup is being made. Load this page again in a while."),
				   NULL);
}

static struct error *prove_now(struct request *r)
{
	struct error *e = need_a_place(r);

	if (e)
		return refuse(r, e);
	if (request_app(r)->keeper)
		keeper_prove_now(request_app(r)->keeper);
	return respond_done_saying(
		r, "/admin/recovery",
		N_("The newest backup is being tried out. Load this page again in a while."), NULL);
}

const struct route recovery_routes[] = {
	{"GET", "/admin/recovery", page, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/now", back_up_now, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/prove", prove_now, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/places", add, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/places/:id/remove", remove_place, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/keep", keep, ROUTE_VOLUNTEER},
	{"GET", "/admin/recovery/kept/:key/remove", kept_sure, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/recovery/kept/:key/remove", remove_kept, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"GET", "/admin/recovery/sheets", sheets_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/sheets", sheets_print, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"GET", "/admin/recovery/sheets/check", sheets_check_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/sheets/check", sheets_check, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"GET", "/admin/recovery/replace", replace_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/replace", replace_do, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/recovery/replace/again", replace_again, ROUTE_VOLUNTEER},
	{0},
};
