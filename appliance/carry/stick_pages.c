/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For the volunteers: what is on the sticks that are plugged in, and what to do with it. */
#include "appliance/box/box.h"
#include "appliance/carry/carry_pages.h"
#include "appliance/carry/sieve.h"
#include "appliance/carry/carry_text.h"

enum { RECORDS_NEAR = 5, RECORDS_ALL = 100 };

struct listing {
	struct request *r;
	json_t *list;
};

static struct error *closed(void)
{
	return error_new(ERR_NOT_FOUND, N_("This box carries no news at the moment."));
}

/* --- sticks -------------------------------------------------------------------------------------
 */

static json_t *found_json(struct request *r, const struct carry_found *f)
{
	const char *from = *f->from ? f->from : request_text(r, N_("an unnamed box"));

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:b, s:b, s:s}", "name",
			 f->name, "from", from, "short", f->from_short, "date",
			 request_date(r, f->time_ms), "date_text", request_date_text(r, f->time_ms),
			 "entries", (json_int_t)f->entries, "news", (json_int_t)f->news, "own",
			 f->own, "cut", !f->whole && !f->damaged && !*f->trouble, "damaged",
			 f->damaged, "readable", !*f->trouble, "trouble",
			 request_stored_text(r, f->trouble));
}

/* taken: it was just taken in. What was not taken then is not taken by asking once more. */
static json_t *job_of(struct request *r, const char *id, bool *busy, bool *ret_taken)
{
	struct carry_job j;
	json_t *o;

	if (!*id || !carry_job_get(request_app(r)->carry, id, &j))
		return json_null();
	o = carry_job_json(r, &j);
	*busy |= j.state == CARRY_WAITS || j.state == CARRY_RUNS;
	*ret_taken = j.state == CARRY_DONE && j.kind == CARRY_TAKE_STICK && !j.report.cut;
	error_free(j.error);
	return o;
}

static json_t *stick_json(struct request *r, struct carry_stick *s, bool *busy)
{
	bool working = false, others = false, taken = false;
	json_t *job = job_of(r, s->job, &working, &taken), *files = json_array(), *o;

	for (size_t i = 0; i < s->n_files; i++) {
		json_array_append_new(files, found_json(r, &s->files[i]));
		others |= !s->files[i].own && !*s->files[i].trouble;
	}
	o = json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:I, s:b, s:o, s:o, s:n}",
		      "id", s->id, "label", s->label, "checking", !s->checked && !s->error, "idle",
		      s->checked && !working && !s->error, "working", working, "writable",
		      s->writable, "more", s->more, "safe", s->safe && !working, "room_text",
		      request_size_text(r, s->room), "news", (json_int_t)s->news,
		      "can_take", others && s->news > 0 && !taken, "files", files, "job", job, "error");
	if (*s->device)
		json_object_set_new(o, "device", json_string(s->device));
	json_object_set_new(o, "nothing", json_boolean(!s->n_files));
	if (s->error)
		json_object_set_new(o, "error", json_string(request_error_text(r, s->error)));
	*busy |= working || !s->checked || s->busy;
	return o;
}

static json_t *sticks_json(struct request *r, bool *busy)
{
	struct carry_stick *sticks =
		arena_array(request_arena(r), struct carry_stick, CARRY_STICKS);
	size_t n = carry_sticks(request_app(r)->carry, sticks);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, stick_json(r, &sticks[i], busy));
	return list;
}

static bool may_be_taken(struct carry *c, const struct carry_stick *s)
{
	struct carry_job j;
	bool others = false, taken = false;

	for (size_t i = 0; i < s->n_files; i++)
		others |= !s->files[i].own && !*s->files[i].trouble;
	if (*s->job && carry_job_get(c, s->job, &j)) {
		taken = j.kind == CARRY_TAKE_STICK && j.state != CARRY_FAILED;
		error_free(j.error);
	}
	return others && !taken && s->checked && !s->error;
}

uint64_t carry_sticks_news(struct carry *c)
{
	struct carry_stick *sticks = c ? calloc(CARRY_STICKS, sizeof(*sticks)) : NULL;
	size_t n = sticks ? carry_sticks(c, sticks) : 0;
	uint64_t news = 0;

	for (size_t i = 0; i < n; i++) {
		news += may_be_taken(c, &sticks[i]) ? sticks[i].news : 0;
		error_free(sticks[i].error);
	}
	free(sticks);
	return news;
}

json_t *carry_plugged_json(struct request *r)
{
	struct usb_part *parts = arena_array(request_arena(r), struct usb_part, CARRY_STICKS);
	size_t n = carry_plugged(request_app(r), parts, CARRY_STICKS);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:b, s:b, s:b}", "device", parts[i].device,
						"label", parts[i].label, "opens",
						parts[i].use == USB_OPENS, "foreign",
						parts[i].use == USB_FOREIGN, "empty",
						parts[i].use == USB_EMPTY));
	return list;
}

/* --- peers and records ---------------------------------------------------------------------------
 */

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct listing *l = ctx;

	json_array_append_new(l->list, json_pack("{s:s, s:s}", "key", ID(&p->key), "name",
						 *p->name ? p->name : ID_SHORT(&p->key)));
	return NULL;
}

static struct error *add_record(void *ctx, const struct carry_record *x)
{
	static const struct hash none;
	struct listing *l = ctx;
	struct sync_report report = {.received = x->entries,
				     .known = x->known,
				     .cut = x->cut,
				     .not_admitted = (unsigned)x->refused};
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:I, s:s, s:n, s:s, s:n}", "who",
		*x->who ? x->who : request_text(l->r, N_("an unnamed box")), "file", x->file,
		"when", request_date(l->r, x->when_ms), "when_text",
		request_date_text(l->r, x->when_ms), "took", x->kind == CARRY_TAKE_STICK, "wrote",
		x->kind == CARRY_WRITE_STICK, "phone", x->kind == CARRY_TAKE_PHONE, "entries",
		(json_int_t)x->entries, "size_text", request_size_text(l->r, x->bytes),
		"sentences", "error", request_stored_text(l->r, x->error), "receipt_url");

	if (x->kind != CARRY_WRITE_STICK && !*x->error)
		json_object_set_new(o, "sentences", carry_report_json(l->r, &report));
	if (!hash_eq(&x->receipt, &none))
		json_object_set_new(
			o, "receipt_url",
			json_string(arena_printf(request_arena(l->r), "/admin/receipts/%s",
						 ID(&x->receipt))));
	json_array_append_new(l->list, o);
	return NULL;
}

/* Who takes a stranger's stick in should know what stands between. */
static void walls_into(struct request *r, json_t *context)
{
	struct walls w;
	struct error *e = sieves_walls(request_app(r)->sieves, &w);

	if (e)
		json_object_set_new(context, "no_walls", json_string(request_error_text(r, e)));
	else if (!w.landlock || !w.seccomp)
		json_object_set_new(context, "few_walls", json_true());
}

static struct error *show(struct request *r, int status, const char *error)
{
	struct listing peers = {r, json_array()}, records = {r, json_array()};
	struct conn *c = request_conn(r);
	bool busy = false;
	json_t *context;
	struct error *e;

	ENSURE(request_app(r)->carry, closed());
	e = peer_each(c->local, add_peer, &peers);
	if (!e)
		e = carry_records(c, request_query(r, "all") ? RECORDS_ALL : RECORDS_NEAR,
				  add_record, &records);
	context = json_pack("{s:o, s:s, s:o, s:o, s:o, s:{}}", "plugged", carry_plugged_json(r),
			    "open_path", "/admin/carry/open", "sticks", sticks_json(r, &busy),
			    "peers", peers.list, "records", records.list, "form");
	json_object_set_new(context, "any_records", json_boolean(json_array_size(records.list)));
	if (e) {
		json_decref(context);
		return e;
	}
	carry_follow(r, context, busy);
	walls_into(r, context);
	if (error)
		json_object_set_new(json_object_get(context, "form"), "error", json_string(error));
	return respond_page_status(r, status, "admin_carry", request_text(r, N_("Sticks")),
				   context);
}

static struct error *sticks_page(struct request *r)
{
	return show(r, 200, NULL);
}

/* --- what the buttons do
 * -------------------------------------------------------------------------- */

static struct error *ask(struct request *r, enum carry_kind kind, const struct pubkey *receiver)
{
	const char *text;
	int status;
	char id[CARRY_ID];
	struct error *e;

	ENSURE(request_app(r)->carry, closed());
	e = carry_ask(request_app(r)->carry, kind, request_param(r, "stick"), receiver, id);
	if (e && respond_form_error(r, e, &text, &status))
		return show(r, status, text);
	TRY(e);
	return respond_done(r, "/admin/carry", json_pack("{s:s}", "job", id));
}

static struct error *take(struct request *r)
{
	return ask(r, CARRY_TAKE_STICK, NULL);
}

static struct error *check(struct request *r)
{
	return ask(r, CARRY_CHECK_STICK, NULL);
}

static struct error *write_news(struct request *r)
{
	const char *to = request_field(r, "for");
	struct pubkey key;

	if (!to || !*to)
		return ask(r, CARRY_WRITE_STICK, NULL);
	ENSURE(id_parse(to, key.b), error_new(ERR_INVALID, N_("“%s” is not a box's key."), to));
	return ask(r, CARRY_WRITE_STICK, &key);
}

/* --- opening and closing, on a box ------------------------------------------------------------- */

static struct error *ask_helper(struct request *r, const char *verb, const char *how)
{
	const char *words[] = {verb, request_param(r, "device"), how};
	struct error *e;

	request_blocks(r);
	e = box_ask(request_app(r)->box.helper, words, how ? 3 : 2, NULL);
	request_goes_on(r);
	return e;
}

struct error *carry_open_plugged(struct request *r)
{
	return ask_helper(r, "mount", "read");
}

static struct error *open_stick(struct request *r)
{
	struct error *e = carry_open_plugged(r);
	const char *text;
	int status;

	if (e && respond_form_error(r, e, &text, &status))
		return show(r, status, text);
	TRY(e);
	return respond_done(r, "/admin/carry", NULL);
}

static struct error *close_stick(struct request *r)
{
	struct error *e = ask_helper(r, "unmount", NULL);
	const char *text;
	int status;

	if (e && respond_form_error(r, e, &text, &status))
		return show(r, status, text);
	TRY(e);
	return respond_done_saying(r, "/admin/carry", N_("The stick is closed: pull it out."), NULL);
}

const struct route stick_routes[] = {
	{"GET", "/admin/carry", sticks_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/carry/open/:device", open_stick, ROUTE_VOLUNTEER},
	{"POST", "/admin/carry/close/:device", close_stick, ROUTE_VOLUNTEER},
	{"POST", "/admin/carry/:stick/take", take, ROUTE_VOLUNTEER},
	{"POST", "/admin/carry/:stick/write", write_news, ROUTE_VOLUNTEER},
	{"POST", "/admin/carry/:stick/check", check, ROUTE_VOLUNTEER},
	{0},
};
