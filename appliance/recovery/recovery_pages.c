/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's page of backups. */
#include "appliance/recovery/recovery_pages.h"
#include "appliance/page/language.h"
#include "appliance/recovery/pages_priv.h"
#include "appliance/recovery/recovery.h"
#include <sys/stat.h>

enum { FOLDERS = 32 };

struct listing {
	struct request *r;
	json_t *places, *peers;
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
	struct pubkey k;
	struct peer p;
	struct error *e = id_parse(key, k.b) ? peer_get(request_conn(r)->local, &k, &p)
					     : error_new(ERR_NOT_FOUND, "-");

	if (!e)
		return arena_str(request_arena(r), *p.name ? p.name : ID_SHORT(&k));
	error_free(e);
	return arena_printf(request_arena(r), "%.8s", key);
}

static struct error *add_place(void *ctx, const struct place *p)
{
	struct listing *l = ctx;
	bool peer = p->kind == PLACE_PEER;
	json_t *row = json_pack(
		"{s:I, s:s, s:b, s:s, s:b, s:n, s:n, s:n, s:n}", "id", (json_int_t)p->id, "name",
		peer ? peer_name(l->r, p->where) : p->where, "peer", peer, "problem", p->problem,
		"ok", p->tried_ms && !*p->problem, "small", "small_text", "whole", "whole_text");

	set_date(l->r, row, "small", p->small_ms);
	set_date(l->r, row, "whole", p->whole_ms);
	json_array_append_new(l->places, row);
	l->any = true;
	return NULL;
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct listing *l = ctx;
	struct app *a = request_app(l->r);
	_cleanup_(freep) char *dir = path_join(a->dir, "kept"), *path = path_join(dir, ID(&p->key));
	struct stat st;
	bool allowed;
	json_t *row;

	TRY(keep_allowed(request_conn(l->r), &p->key, &allowed));
	row = json_pack("{s:s, s:s, s:s, s:b, s:n}", "name", *p->name ? p->name : ID_SHORT(&p->key),
			"key", ID(&p->key), "short", ID_SHORT(&p->key), "allowed", allowed,
			"kept_text");
	if (!stat(path, &st))
		json_object_set_new(
			row, "kept_text",
			json_string(request_size_text(l->r, (uint64_t)st.st_size)));
	json_array_append_new(l->peers, row);
	return NULL;
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
	json_t *o = json_pack("{s:s, s:s, s:I, s:b, s:b}", "name", s->proof_of, "problem",
			      s->proof_problem, "entries", (json_int_t)s->proof_entries, "ok",
			      !*s->proof_problem, "compared", s->proof_compared);

	set_date(r, o, "date", s->proved_ms);
	return o;
}

static json_t *sheets_json(struct request *r, const struct recovery_state *s)
{
	json_t *o = json_pack("{s:s}", "set", s->sheets_set);

	set_date(r, o, "date", s->sheets_ms);
	return o;
}

static struct error *show(struct request *r, int status, const char *problem)
{
	struct listing l = {r, json_array(), json_array(), false};
	json_t *context = json_pack("{s:o, s:o, s:o, s:{}}", "places", l.places, "peers", l.peers,
				    "folders", folders_json(r), "form");
	struct keeper *k = request_app(r)->keeper;
	struct recovery_state s;
	struct error *e = place_each(request_conn(r), add_place, &l);

	if (!e)
		e = peer_each(request_conn(r)->local, add_peer, &l);
	if (!e)
		e = recovery_state(request_conn(r), &s);
	if (e) {
		json_decref(context);
		return e;
	}
	drop_chosen(json_object_get(context, "folders"), l.places);
	if (json_array_size(l.peers))
		json_object_set_new(context, "has_peers", json_true());
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

static struct error *add(struct request *r)
{
	struct act a;
	const char *text;
	int status;
	struct error *e = read_place(r, &a);

	if (!e)
		e = request_write(r, add_job, &a);
	if (!e)
		return respond_done_saying(r, "/admin/recovery",
					   N_("Backups go there from now on, by themselves."),
					   NULL);
	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show(r, status, text);
}

static struct error *remove_job(struct conn *c, void *arg)
{
	return place_remove(c, ((const struct act *)arg)->id);
}

static struct error *remove_place(struct request *r)
{
	struct act a = {.id = strtoll(request_param(r, "id"), NULL, 10)};

	TRY(request_write(r, remove_job, &a));
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
						" still fetch the one that is here."),
				   NULL);
}

static struct error *back_up_now(struct request *r)
{
	TRY(request_limit(r, "backup", 6, 6));
	if (request_app(r)->keeper)
		keeper_back_up_now(request_app(r)->keeper);
	return respond_done_saying(r, "/admin/recovery",
				   N_("The backup is being made. Load this page again in a while."),
				   NULL);
}

static struct error *prove_now(struct request *r)
{
	TRY(request_limit(r, "backup", 6, 6));
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
	{"GET", "/admin/recovery/sheets", sheets_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/sheets", sheets_print, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"GET", "/admin/recovery/replace", replace_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/recovery/replace", replace_do, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{0},
};
