/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What other houses have, how it goes there, and what the volunteers want of it. */
#include "appliance/update/offer_priv.h"
#include "appliance/update/update_pages.h"
#include "firmware/update/history.h"

/* --- what is shown ---------------------------------------------------------------------------- */

struct showing {
	struct request *r;
	const struct update_state *u;
	struct offer_plan plan;
	struct offer_all all;
	json_t *files, *elsewhere;
};

/* As it is called here; by its key's letters where nobody has said. */
static const char *house_of(struct request *r, const struct pubkey *key)
{
	struct peer p = {.name = ""};
	struct error *e = peer_get(request_conn(r)->local, key, &p);

	error_free(e);
	return arena_str(request_arena(r), *p.name ? p.name : ID_SHORT(key));
}

/* "Ateneu, Casal de Baix"; "" when nobody passes it on now. */
static const char *houses_with(struct showing *k, const struct hash *blob)
{
	struct arena *arena = request_arena(k->r);
	const char *list = "";

	for (size_t i = 0; i < k->all.n; i++)
		if (*k->all.h[i].said.offer && hash_eq(&k->all.h[i].said.blob, blob))
			list = arena_printf(arena, "%s%s%s", list, *list ? ", " : "",
					    house_of(k->r, &k->all.h[i].said.key));
	return list;
}

/* Somebody has it, and all who do gave something of no use lately: who is asked first again, and when.
 * until_ms 0: it is not so. */
struct withheld {
	struct pubkey peer;
	int64_t until_ms;
	bool asked; /* there is one that is asked */
};

static struct error *see_withheld(struct conn *c, const struct system_said *said,
				  const struct hash *blob, struct withheld *io)
{
	int64_t until;

	if (!*said->offer || !hash_eq(&said->blob, blob))
		return NULL;
	TRY(offer_shunned_until(c, &said->key, &until));
	io->asked |= !until;
	if (until && (!io->until_ms || until < io->until_ms)) {
		io->peer = said->key;
		io->until_ms = until;
	}
	if (io->asked)
		io->until_ms = 0;
	return NULL;
}

static struct error *is_withheld(struct request *r, const struct withheld *w)
{
	return error_new(ERR_NOT_FOUND,
			 N_("“%s” has this update, but something else that it gave was of no use: it "
			    "is asked again on %s. To have it asked now, forgive it on its page."),
			 house_of(r, &w->peer), request_date_text(r, w->until_ms));
}

static struct error *put_withheld(struct showing *k, const struct hash *blob, json_t *row)
{
	struct withheld w = {.until_ms = 0};
	struct request *r = k->r;

	for (size_t i = 0; i < k->all.n; i++)
		TRY(see_withheld(request_conn(r), &k->all.h[i].said, blob, &w));
	if (!w.until_ms)
		return NULL;
	json_object_set_new(row, "withheld",
			    json_pack("{s:s, s:s}", "text", request_error_text(r, is_withheld(r, &w)),
				      "url", arena_printf(request_arena(r), "/admin/peers/%s",
							  ID(&w.peer))));
	json_object_set_new(row, "fetchable", json_false());
	json_object_set_new(row, "problem", json_null());
	return NULL;
}

/* What stands in the way of what is wanted, or NULL. */
static json_t *problem_json(struct request *r)
{
	char problem[400];

	offer_problem(request_app(r)->offers, problem, sizeof(problem));
	return *problem ? json_string(request_stored_text(r, problem)) : json_null();
}

static void put_progress(struct showing *k, const struct offer_file *f, json_t *row)
{
	uint64_t here = offer_part(request_app(k->r)->offers, &f->blob);
	int percent = f->size ? (int)(here * 100 / f->size) : 0;

	json_object_set_new(row, "part_text", json_string(request_size_text(k->r, here)));
	json_object_set_new(row, "percent", json_integer(percent > 100 ? 100 : percent));
	json_object_set_new(row, "all", json_boolean(f->size && here >= f->size));
	json_object_set_new(row, "problem", problem_json(k->r));
}

static void put_weighed(struct showing *k, const char *version, json_t *row)
{
	struct offer_weighed w = offer_weigh(&k->plan, version, k->all.h, k->all.n);

	json_object_set_new(row, "well", json_integer((json_int_t)w.well));
	json_object_set_new(row, "taken_back", json_boolean(w.taken_back));
	json_object_set_new(row, "by_itself", json_boolean(w.may));
}

/* `state`: of its row, or "offered". What does not apply is there as null, as in all lists. */
static json_t *file_json(struct showing *k, const struct offer_file *f, const char *state)
{
	static const char *const flags[] = {"offered", "wanted", "ready", "bad", "declined"};
	static const char *const absent[] = {"part_text", "percent", "all",   "problem",
					     "text",	  "house",   "tried", "when_text",
					     "withheld"};
	const char *houses = houses_with(k, &f->blob);
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "blob", ID(&f->blob), "version",
				*f->version ? f->version : "?", "state", state, "size_text",
				request_size_text(k->r, f->size), "houses_text", houses, "brought",
				offer_by_volunteer(f));
	bool stoppable = !strcmp(state, "wanted") || !strcmp(state, "ready");

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		json_object_set_new(row, flags[i], json_boolean(!strcmp(flags[i], state)));
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		json_object_set_new(row, absent[i], json_null());
	json_object_set_new(row, "stoppable", json_boolean(stoppable));
	json_object_set_new(row, "fetchable", json_boolean(!stoppable && *houses));
	put_weighed(k, f->version, row);
	return row;
}

static bool is_shown(const struct showing *k, const struct hash *blob)
{
	const json_t *row;
	size_t i;

	json_array_foreach(k->files, i,
			   row) if (!strcmp(json_string_value(json_object_get(row, "blob")),
					    ID(blob))) return true;
	return false;
}

/* What the installer has, and what runs, stands above; of what is no more offered only what is bad
 * is told. */
static struct error *add_file(void *ctx, const struct offer_file *f)
{
	struct showing *k = ctx;
	json_t *row;

	if (f->state == OFFER_GIVEN || f->state == OFFER_RUNS || f->state == OFFER_LATER)
		return NULL;
	row = file_json(k, f, offer_state_name(f->state));
	if (f->state == OFFER_DECLINED && !json_is_true(json_object_get(row, "fetchable"))) {
		json_decref(row);
		return NULL;
	}
	if (f->state == OFFER_WANTED)
		put_progress(k, f, row);
	if (f->state == OFFER_BAD) {
		json_object_set_new(row, "text",
				    json_string(request_text(k->r, update_why_text(f->why))));
		json_object_set_new(row, "house", json_string(house_of(k->r, &f->peer)));
		json_object_set_new(row, "tried", json_boolean(*f->name != 0));
		json_object_set_new(row, "when_text",
				    json_string(request_date_text(k->r, f->when_ms)));
	}
	json_array_append_new(k->files, row);
	return put_withheld(k, &f->blob, row);
}

static struct error *add_offer(struct showing *k, const struct system_said *said)
{
	struct offer_file f = {.blob = said->blob, .size = said->size, .peer = said->key};
	struct offer_file known;
	struct error *e;
	json_t *row;

	if (!offer_fits(offer_machine(), k->u->version, said) || is_shown(k, &said->blob))
		return NULL;
	e = offer_file_get(request_conn(k->r), &said->blob, &known);
	if (!e && known.state != OFFER_LATER)
		return NULL; /* at the installer, or running */
	error_free(e);
	snprintf(f.version, sizeof(f.version), "%s", said->offer);
	row = file_json(k, &f, "offered");
	json_array_append_new(k->files, row);
	return put_withheld(k, &f.blob, row);
}

static void add_house(struct showing *k, const struct offer_heard *h)
{
	const struct system_said *s = &h->said;
	json_t *row = json_pack("{s:s, s:s, s:b, s:n, s:n, s:n, s:n}", "house",
				house_of(k->r, &s->key), "version", s->version, "well",
				h->first_ms != 0, "since_text", "last_text", "back", "back_text");

	if (h->first_ms) {
		json_object_set_new(row, "since_text",
				    json_string(request_date_text(k->r, h->first_ms)));
		json_object_set_new(row, "last_text",
				    json_string(request_date_text(k->r, h->last_ms)));
	}
	if (*s->back) {
		json_object_set_new(row, "back", json_string(s->back));
		json_object_set_new(row, "back_text",
				    json_string(request_text(
					    k->r, update_why_text(update_why_by_name(s->why)))));
	}
	json_array_append_new(k->elsewhere, row);
}

/* --- the plan, and what became of earlier ones ------------------------------------------------ */

static json_t *plan_json(const struct offer_plan *p, size_t heard)
{
	bool too_few = p->how == OFFER_AFTER && heard < (size_t)p->peers;

	return json_pack("{s:i, s:b, s:b, s:b, s:b, s:i, s:i, s:i, s:b, s:b}", "heard", (int)heard,
			 "too_few", too_few, "by_hand",
			 p->how == OFFER_BY_HAND, "first", p->how == OFFER_FIRST, "after",
			 p->how == OFFER_AFTER, "peers", p->peers, "days", p->days, "hour", p->hour,
			 "ahead", p->ahead, "tells", p->tells);
}

static json_t *history_json(struct request *r)
{
	_cleanup_(freep) char *path = path_join(request_app(r)->box.state, UPDATE_HISTORY);
	struct outcome *all = arena_array(request_arena(r), struct outcome, HISTORY_MOST);
	size_t n = update_history_read(path, all, HISTORY_MOST);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s}", "when",
						request_date(r, all[i].when_ms), "when_text",
						request_date_text(r, all[i].when_ms), "from",
						all[i].before, "to", all[i].version, "stage",
						update_stage_name(all[i].stage), "done",
						all[i].stage == UPDATE_DONE, "back",
						all[i].stage == UPDATE_ROLLED_BACK, "text",
						request_text(r, update_why_text(all[i].why))));
	return list;
}

struct error *update_put_offers(struct request *r, const struct update_state *u, json_t *context)
{
	struct showing k = {.r = r, .u = u};
	struct conn *c = request_conn(r);
	struct error *e;

	k.files = json_array();
	k.elsewhere = json_array();
	json_object_set_new(context, "offers", k.files);
	json_object_set_new(context, "elsewhere", k.elsewhere);
	json_object_set_new(context, "history", history_json(r));
	TRY(offer_plan_get(c, &k.plan));
	TRY(offer_all_heard(c, &k.all));
	json_object_set_new(context, "plan", plan_json(&k.plan, k.all.n));
	e = offer_file_each(c, add_file, &k);
	for (size_t i = 0; !e && i < k.all.n && u->box; i++) {
		e = add_offer(&k, &k.all.h[i].said);
		add_house(&k, &k.all.h[i]);
	}
	offer_all_release(&k.all);
	json_object_set_new(context, "has_offers", json_boolean(json_array_size(k.files) > 0));
	json_object_set_new(context, "has_elsewhere",
			    json_boolean(json_array_size(k.elsewhere) > 0));
	json_object_set_new(context, "has_history",
			    json_boolean(json_array_size(json_object_get(context, "history")) > 0));
	return e;
}

/* --- what volunteers do ----------------------------------------------------------------------- */

struct wanting {
	struct hash blob;
	struct offer_file f;
	struct conn *c;
	bool any;
	struct withheld withheld;
};

/* The first; not of who is shunned, until a volunteer forgives it. */
static struct error *find_offer(void *ctx, const struct offer_heard *h)
{
	struct wanting *k = ctx;

	if (k->any)
		return NULL;
	TRY(see_withheld(k->c, &h->said, &k->blob, &k->withheld));
	if (!k->withheld.asked)
		return NULL;
	k->any = true;
	k->f = (struct offer_file){.blob = k->blob,
				   .size = h->said.size,
				   .peer = h->said.key,
				   .state = OFFER_WANTED,
				   .by_hand = true};
	snprintf(k->f.version, sizeof(k->f.version), "%s", h->said.offer);
	return NULL;
}

static struct error *want_job(struct conn *c, void *arg)
{
	struct wanting *k = arg;
	struct offer_file was;
	struct error *e = offer_file_get(c, &k->blob, &was);

	if (!e && was.state != OFFER_BAD && was.state != OFFER_DECLINED && was.state != OFFER_LATER)
		return NULL; /* it is here, or comes already */
	error_free(e);
	k->c = c;
	TRY(offer_heard_each(c, find_offer, k));
	ENSURE(k->any,
	       error_new(ERR_NOT_FOUND, N_("No connected house passes this update on now.")));
	k->f.when_ms = env_now(c->env);
	return offer_file_put(c, &k->f);
}

static struct error *blob_of(struct request *r, struct hash *ret)
{
	const char *text = request_field(r, "blob");

	ENSURE(text && id_parse(text, ret->b),
	       error_new(ERR_INVALID, N_("There is no such update here.")));
	return NULL;
}

/* POST /admin/update/fetch: blob. */
static struct error *fetch(struct request *r)
{
	struct wanting k = {.any = false};
	struct error *e = blob_of(r, &k.blob);

	if (!e)
		e = request_write(r, want_job, &k);
	if (e && k.withheld.until_ms)
		error_replace(&e, is_withheld(r, &k.withheld));
	if (e)
		return update_show_error(r, e);
	offer_poke(request_app(r)->offers);
	return respond_done_saying(r, "/admin/update",
				   N_("The update is being fetched. When it is here it is checked, "
				      "and you can install it."),
				   NULL);
}

static struct error *decline_job(struct conn *c, void *arg)
{
	struct offer_file f;

	TRY(offer_file_get(c, arg, &f));
	ENSURE(f.state == OFFER_WANTED || f.state == OFFER_READY,
	       error_new(ERR_INVALID, N_("This update is not being fetched.")));
	f.state = OFFER_DECLINED;
	f.when_ms = env_now(c->env);
	return offer_file_put(c, &f);
}

/* POST /admin/update/cancel: blob. What came of it goes. */
static struct error *cancel(struct request *r)
{
	struct app *a = request_app(r);
	struct hash blob;
	struct error *e = blob_of(r, &blob);

	if (!e)
		e = request_write_care(r, request_viewer(r)->volunteer, decline_job, &blob);
	if (e)
		return update_show_error(r, e);
	if (a->sync)
		sync_fetch_cancel(a->sync);
	offer_poke(a->offers);
	return respond_done_saying(r, "/admin/update", N_("It is not fetched any more."), NULL);
}

/* POST /admin/update/install: blob, of what is here and was found good. */
static struct error *install(struct request *r)
{
	struct app *a = request_app(r);
	struct hash blob;
	struct error *e = blob_of(r, &blob);

	if (!e && !a->offers)
		e = error_new(ERR_NOT_FOUND, N_("There is no such update here."));
	request_blocks(r);
	if (!e)
		e = offer_install(a->offers, &blob);
	request_goes_on(r);
	return update_begun(r, e);
}

static int number_of(struct request *r, const char *name)
{
	const char *text = request_field(r, name);

	if (!text || !*text || strlen(text) > 4 || strspn(text, "0123456789") != strlen(text))
		return -1;
	return (int)strtol(text, NULL, 10);
}

static bool is_set(struct request *r, const char *name)
{
	const char *text = request_field(r, name);

	return text && *text;
}

static struct error *plan_job(struct conn *c, void *arg)
{
	return offer_plan_set(c, arg);
}

/* POST /admin/update/plan: how (hand, first, after), peers, days, hour, ahead, tells. */
static struct error *set_plan(struct request *r)
{
	const char *how = request_field(r, "how");
	struct offer_plan p = {.peers = number_of(r, "peers"),
			       .days = number_of(r, "days"),
			       .hour = number_of(r, "hour"),
			       .ahead = is_set(r, "ahead"),
			       .tells = is_set(r, "tells")};
	struct error *e;

	p.how = how && !strcmp(how, "first")   ? OFFER_FIRST
		: how && !strcmp(how, "after") ? OFFER_AFTER
					       : OFFER_BY_HAND;
	e = request_write(r, plan_job, &p);
	if (e)
		return update_show_error(r, e);
	offer_poke(request_app(r)->offers);
	return respond_done_saying(r, "/admin/update", N_("Saved."), NULL);
}

const struct route offer_routes[] = {
	{"POST", "/admin/update/fetch", fetch, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/update/cancel", cancel, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/update/install", install, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/update/plan", set_plan, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{0},
};
