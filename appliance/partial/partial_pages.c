/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/partial/partial_pages.h"
#include "appliance/files/files.h"
#include "appliance/page/language.h"
#include "appliance/partial/partial.h"
#include "appliance/peers/peers.h"

enum { DAYS_MAX = 36500, MB = 1000000, MB_MAX = 1000000, LARGEST = 10, HOUSES = 5, ID_LETTERS = 8 };

static const char *field(struct request *r, const char *name)
{
	const char *s = request_field(r, name);

	return s ? s : "";
}

static const char *size_text(struct request *r, int64_t bytes)
{
	char text[LANGUAGE_TEXT];

	language_size(request_language(r), (uint64_t)bytes, text, sizeof(text));
	return arena_str(request_arena(r), text);
}

/* --- the page --------------------------------------------------------------------------------- */

struct listing {
	struct request *r;
	json_t *rows;
	bool any;
};

static struct error *add_space(void *ctx, const struct space_info *s)
{
	struct listing *l = ctx;
	const char *name = *s->name ? s->name : ID_SHORT(&s->id);
	struct log_counts n;
	bool kept;

	TRY(partial_keeps_space(request_conn(l->r), &s->id, &kept));
	TRY(log_count(request_conn(l->r)->log, &s->id, &n));
	json_array_append_new(l->rows,
			      json_pack("{s:s, s:s, s:b, s:b, s:b, s:s}", "id", ID(&s->id), "name",
					name, "own", s->own, "private", s->is_private, "kept", kept,
					"size_text", size_text(l->r, (int64_t)n.bytes)));
	return NULL;
}

static const char *peer_name(struct request *r, const struct pubkey *key)
{
	struct peer p;
	struct error *e = peer_get(request_conn(r)->local, key, &p);
	const char *name = !e && *p.name ? p.name : ID_SHORT(key);

	error_free(e);
	return arena_str(request_arena(r), name);
}

static struct error *add_at(void *ctx, const struct partial_at *at)
{
	struct listing *l = ctx;

	json_array_append_new(l->rows,
			      json_pack("{s:s, s:I, s:I}", "name", peer_name(l->r, &at->box), "ops",
					(json_int_t)at->ops, "files", (json_int_t)at->files));
	return NULL;
}

static void put_date(struct request *r, json_t *o, const char *name, int64_t ms)
{
	if (!ms)
		return;
	json_object_set_new(o, name, json_string(request_date(r, ms)));
	json_object_set_new(o, arena_printf(request_arena(r), "%s_text", name),
			    json_string(request_date_text(r, ms)));
}

static void put_files(struct request *r, json_t *o, const struct partial_run *run)
{
	json_t *more = json_pack(
		"{s:I, s:s, s:I, s:s, s:I, s:s, s:b, s:b}", "files", (json_int_t)run->files,
		"files_text", size_text(r, run->file_bytes), "safe_files",
		(json_int_t)run->safe_files, "safe_files_text", size_text(r, run->safe_file_bytes),
		"stay_files", (json_int_t)(run->files - run->safe_files), "safe_all_text",
		size_text(r, run->safe_bytes + run->safe_file_bytes), "any", run->ops || run->files,
		"any_safe", run->safe_ops || run->safe_files);

	json_object_update(o, more);
	json_decref(more);
}

/* What the run is at, what it found, where it is safe. */
static struct error *run_json(struct request *r, json_t **ret)
{
	static const char *const states[] = {NULL, "looking", "looked", "going", "done"};
	struct listing l = {r, json_array(), false};
	struct partial_run run;
	struct error *e = partial_run_get(request_conn(r), &run);
	json_t *o;

	if (!e)
		e = partial_at_each(request_conn(r), add_at, &l);
	if (e || run.state == PARTIAL_NO_RUN || (size_t)run.state >= ARRAY_LEN(states)) {
		json_decref(l.rows);
		*ret = NULL;
		return e;
	}
	o = json_pack("{s:o, s:I, s:s, s:I, s:s, s:I, s:I}", "at", l.rows, "ops",
		      (json_int_t)run.ops, "bytes_text", size_text(r, run.bytes), "safe_ops",
		      (json_int_t)run.safe_ops, "safe_text", size_text(r, run.safe_bytes),
		      "stay_ops", (json_int_t)(run.ops - run.safe_ops), "days",
		      (json_int_t)run.keep.payload_days);
	put_files(r, o, &run);
	json_object_set_new(o, states[run.state], json_true());
	if (*run.problem)
		json_object_set_new(o, "problem", json_string(request_text(r, run.problem)));
	put_date(r, o, "begun", run.begun_ms);
	put_date(r, o, "ended", run.ended_ms);
	*ret = o;
	return NULL;
}

static json_t *choice_json(struct request *r, const struct keep *k)
{
	struct arena *a = request_arena(r);

	return json_pack("{s:b, s:s, s:b, s:s}", "days_bound", k->payload_days != 0, "days",
			 k->payload_days ? arena_printf(a, "%u", k->payload_days) : "",
			 "blobs_bound", k->blob_max != 0, "megabytes",
			 k->blob_max ? arena_printf(a, "%llu",
						    (unsigned long long)(k->blob_max + MB - 1) / MB)
				     : "");
}

/* Where there is most to win by erasing; a file's page is where that is done. */
static struct error *add_large(void *ctx, const struct file *f, const struct file_version *v)
{
	struct listing *l = ctx;
	struct request *r = l->r;

	json_array_append_new(
		l->rows, json_pack("{s:s, s:s, s:s, s:b}", "title", *v->title ? v->title : v->path,
				   "url", arena_printf(request_arena(r), "/file/%s", ID(&f->id)),
				   "size_text", size_text(r, (int64_t)v->stored), "older", !v->head));
	return NULL;
}

static struct error *show(struct request *r, int status, json_t *take_form)
{
	struct listing l = {r, json_array(), false}, large = {r, json_array(), false};
	struct conn *c = request_conn(r);
	json_t *context = json_pack("{s:o, s:o}", "spaces", l.rows, "largest", large.rows);
	json_t *run = NULL;
	struct keep k;
	int64_t wishes;
	bool partial;
	struct error *e = partial_choice(c, &k);

	if (!e)
		e = space_each_here(c, add_space, &l);
	if (!e)
		e = file_largest(c, request_arena(r), request_app(r)->blobs, LARGEST, add_large,
				 &large);
	if (!e)
		e = run_json(r, &run);
	if (!e)
		e = partial_wishes(c, &wishes);
	if (!e)
		e = partial_is(c, &partial);
	if (e) {
		json_decref(run);
		json_decref(take_form);
		json_decref(context);
		return e;
	}
	json_object_set_new(context, "form", take_form ? take_form : choice_json(r, &k));
	json_object_set_new(context, "partial", json_boolean(partial));
	json_object_set_new(context, "wishes", json_integer(wishes));
	if (run)
		json_object_set_new(context, "run", run);
	return respond_page_status(r, status, "admin_keep",
				   request_text(r, N_("What this box keeps")), context);
}

static struct error *page(struct request *r)
{
	return show(r, 200, NULL);
}

/* --- choosing --------------------------------------------------------------------------------- */

struct chosen {
	struct request *r;
	struct keep keep;
};

static bool number(const char *text, unsigned long most, unsigned long *ret)
{
	char *end;

	if (*text < '0' || *text > '9' || strlen(text) > 9)
		return false;
	*ret = strtoul(text, &end, 10);
	return !*end && *ret > 0 && *ret <= most;
}

static struct error *read_choice(struct request *r, struct keep *ret)
{
	unsigned long days = 0, mb = 0;

	ENSURE(strcmp(field(r, "days_bound"), "1") != 0 ||
		       number(field(r, "days"), DAYS_MAX, &days),
	       request_wrong(r, "days",
			     error_new(ERR_INVALID, N_("For how many days is a number, such as 365."))));
	ENSURE(strcmp(field(r, "blobs_bound"), "1") != 0 ||
		       number(field(r, "megabytes"), MB_MAX, &mb),
	       request_wrong(r, "megabytes",
			     error_new(ERR_INVALID,
				       N_("How large a file may be is a number of megabytes, such as "
					  "20."))));
	*ret = (struct keep){.payload_days = (uint32_t)days, .blob_max = (uint64_t)mb * MB};
	return NULL;
}

struct space_choice {
	struct conn *c;
	struct chosen *k;
};

/* A box that is not ticked says nothing: the page says beside it which spaces were asked about. */
static struct error *choose_one(void *ctx, const struct space_info *s)
{
	const struct space_choice *x = ctx;
	struct request *r = x->k->r;
	struct arena *a = request_arena(r);

	if (s->own || !request_field(r, arena_printf(a, "asked-%s", ID(&s->id))))
		return NULL;
	return partial_keep_space(x->c, &s->id,
				  request_field(r, arena_printf(a, "keep-%s", ID(&s->id))) != NULL);
}

static struct error *choose_job(struct conn *c, void *arg)
{
	struct chosen *k = arg;

	TRY(partial_choose(c, &k->keep));
	return space_each_here(c, choose_one, &(struct space_choice){c, k});
}

static json_t *typed(struct request *r, const char *error)
{
	return json_pack("{s:b, s:s, s:b, s:s, s:s}", "days_bound",
			 strcmp(field(r, "days_bound"), "1") == 0, "days", field(r, "days"),
			 "blobs_bound", strcmp(field(r, "blobs_bound"), "1") == 0, "megabytes",
			 field(r, "megabytes"), "error", error);
}

/* Exchanges look again at what is asked for; the thread at what it is about. */
static void look_again(struct request *r)
{
	struct app *a = request_app(r);

	partial_poke(a->partial);
	if (a->sync)
		sync_peers_changed(a->sync);
	if (a->sync)
		error_free(sync_now(a->sync, NULL, 0));
}

static struct error *choose(struct request *r)
{
	struct chosen k = {.r = r};
	const char *text;
	int status;
	struct error *e = read_choice(r, &k.keep);

	if (!e)
		e = request_write_care(r, request_viewer(r)->volunteer, choose_job, &k);
	if (e && respond_form_error(r, e, &text, &status))
		return show(r, status, typed(r, text));
	TRY(e);
	look_again(r);
	return respond_done_saying(r, "/admin/keep",
				   N_("It is set. Nothing goes by itself: look below at what could "
				      "go."),
				   NULL);
}

/* --- letting go ------------------------------------------------------------------------------- */

static struct error *look_job(struct conn *c, void *arg)
{
	(void)arg;
	return partial_look(c);
}

static struct error *go_job(struct conn *c, void *arg)
{
	(void)arg;
	return partial_let_go(c);
}

static struct error *stop_job(struct conn *c, void *arg)
{
	(void)arg;
	return partial_stop(c);
}

static struct error *act(struct request *r, write_fn *job, const char *words)
{
	TRY(request_limit(r, "keep", 20, 20));
	TRY(request_write_care(r, request_viewer(r)->volunteer, job, NULL));
	partial_poke(request_app(r)->partial);
	return respond_done_saying(r, "/admin/keep#room", words, NULL);
}

static struct error *look(struct request *r)
{
	return act(r, look_job,
		   N_("The other houses are asked what they hold. Load this page again in a "
		      "while."));
}

static struct error *let_go(struct request *r)
{
	return act(r, go_job, N_("It goes now, in pieces. You can leave this page."));
}

static struct error *stop(struct request *r)
{
	return act(r, stop_job, N_("It is stopped. What is here stays."));
}

/* --- a space ---------------------------------------------------------------------------------- */

static struct error *add_house(void *ctx, const struct admitted *a)
{
	struct listing *l = ctx;

	if (!a->write || json_array_size(l->rows) >= HOUSES ||
	    pubkey_eq(&a->key, secret_pubkey(request_app(l->r)->self)))
		return NULL;
	/* As the space calls it, and not as this house's volunteers do: visitors read it. */
	json_array_append_new(l->rows, json_pack("{s:s, s:b}", "name",
						 *a->name ? a->name : ID_SHORT(&a->key), "more",
						 json_array_size(l->rows) > 0));
	return NULL;
}

struct error *partial_space_json(struct request *r, const struct hash *space, json_t **ret)
{
	struct listing l = {.r = r};
	int64_t since;
	struct error *e;
	bool kept;

	*ret = NULL;
	TRY(partial_space_since(request_conn(r), space, &kept, &since));
	if (kept)
		return NULL;
	l.rows = json_array();
	e = admitted_each(request_conn(r), space, add_house, &l);
	*ret = json_pack("{s:n, s:n, s:o, s:b}", "since", "since_text", "houses", l.rows, "any_houses",
			 json_array_size(l.rows) > 0);
	put_date(r, *ret, "since", since);
	return e;
}

static struct error *not_gone(void)
{
	return error_new(ERR_NOT_FOUND, N_("This box does not carry that space."));
}

static struct error *gone_by_prefix(struct request *r, const char *prefix, struct hash *ret)
{
	struct gone_space *all = arena_array(request_arena(r), struct gone_space, LIMIT_BROUGHT);
	size_t n, i = 0, letters = strlen(prefix);

	ENSURE(letters >= ID_LETTERS, not_gone());
	TRY(log_let_go_newest(request_conn(r)->log, LIMIT_BROUGHT, all, &n));
	while (i < n && strncmp(ID(&all[i].space), prefix, letters) != 0)
		i++;
	ENSURE(i < n, not_gone());
	*ret = all[i].space;
	return NULL;
}

struct error *partial_gone_page(struct request *r, const char *prefix, const struct hash *object)
{
	struct conn *c = request_conn(r);
	struct hash space, of;
	struct space_info s;
	json_t *unkept;

	if (prefix)
		TRY(gone_by_prefix(r, prefix, &space));
	else
		TRY(object_of_op(c, object, &of, &space));
	TRY(space_get_here(c, &space, &s));
	ENSURE(log_is_let_go(c->log, &space) && !s.is_private, not_gone());
	TRY(partial_space_json(r, &space, &unkept));
	return respond_page_status(r, 404, "space_gone", request_text(r, N_("Not kept on this box")),
				   json_pack("{s:s, s:o}", "name", *s.name ? s.name : ID_SHORT(&s.id),
					     "unkept", unkept ? unkept : json_null()));
}

/* --- a conversation --------------------------------------------------------------------------- */

static struct error *lack_json(struct request *r, const struct hash *object,
			       const struct partial_lack *lack, json_t **ret)
{
	struct keep k;

	TRY(partial_choice(request_conn(r), &k));
	*ret = json_pack("{s:I, s:s, s:b, s:I, s:s}", "ops", (json_int_t)lack->ops, "bytes_text",
			 size_text(r, lack->bytes), "wished", lack->wished, "days",
			 (json_int_t)k.payload_days, "fetch_url",
			 arena_printf(request_arena(r), "/topic/%s/fetch", ID(object)));
	put_date(r, *ret, "newest", lack->newest_ms);
	return NULL;
}

struct error *partial_topic_json(struct request *r, const struct hash *space,
				 const struct hash *object, json_t **ret)
{
	struct partial_lack lack;

	*ret = NULL;
	TRY(partial_lack(request_conn(r), space, object, &lack));
	return lack.ops ? lack_json(r, object, &lack, ret) : NULL;
}

struct error *partial_topic_page(struct request *r, const struct hash *object)
{
	struct partial_lack lack;
	struct hash space;
	json_t *o = NULL;

	TRY(partial_space_of(request_conn(r), object, &space));
	TRY(partial_lack(request_conn(r), &space, object, &lack));
	TRY(lack_json(r, object, &lack, &o));
	return respond_page(r, "topic_absent", request_text(r, N_("Not kept on this box")),
			    json_pack("{s:o}", "absent", o));
}

struct fetching {
	struct hash space, object;
};

static struct error *wish_job(struct conn *c, void *arg)
{
	const struct fetching *f = arg;

	return partial_wish(c, &f->space, &f->object);
}

/* Its space: of what is here in part, that of its object; else that of its header. */
static struct error *find_space(struct conn *c, struct fetching *f)
{
	struct hash object;
	struct error *e = object_of_op(c, &f->object, &object, &f->space);

	if (!e && conn_sees(c, &f->space))
		return NULL;
	error_free(e);
	return partial_space_of(c, &f->object, &f->space);
}

/* Can anybody be asked at this moment? */
static struct error *see_reached(void *ctx, const struct peer *p)
{
	*(bool *)ctx |= p->last_ok_ms && !*p->last_error;
	return NULL;
}

static struct error *fetch(struct request *r)
{
	struct fetching f;
	bool reached = false;
	const char *url;

	ENSURE(id_parse(request_param(r, "id"), f.object.b),
	       error_new(ERR_NOT_FOUND, N_("There is no conversation at this address.")));
	TRY(request_limit(r, "fetch", 10, 5));
	TRY(find_space(request_conn(r), &f));
	TRY(request_write(r, wish_job, &f));
	partial_poke(request_app(r)->partial);
	TRY(peer_each(request_conn(r)->local, see_reached, &reached));
	url = arena_printf(request_arena(r), "/topic/%s", ID(&f.object));
	return respond_done_saying(
		r, url,
		reached ? N_("The other houses are asked for it. Load this page again in a moment.")
			: N_("No other house that has it can be reached now. This box keeps the "
			     "wish "
			     "and asks again by itself."),
		NULL);
}

const struct route partial_routes[] = {
	{"GET", "/admin/keep", page, ROUTE_VOLUNTEER},
	{"POST", "/admin/keep", choose, ROUTE_VOLUNTEER},
	{"POST", "/admin/keep/look", look, ROUTE_VOLUNTEER},
	/* no heavy act: it can be undone, and what nobody else has stays */
	{"POST", "/admin/keep/let-go", let_go, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/keep/stop", stop, ROUTE_VOLUNTEER},
	{"POST", "/topic/:id/fetch", fetch, ROUTE_NO_CSRF},
	{0},
};
