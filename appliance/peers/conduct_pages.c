/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/conduct_pages.h"
#include "appliance/peers/conduct.h"
#include "sync/base/day.h"
#include <inttypes.h>

/* How much more than usual a volunteer can allow, as the form names it. */
static const struct {
	unsigned times;
	const char *field;
} allowances[] = {{1, "usual"}, {2, "twice"}, {10, "ten"}, {0, "any"}};

struct page {
	struct request *r;
	struct peer peer;
	json_t *misdeeds, *costs, *kept;
	json_t *spaces; /* what it brought, by community */
	bool full; /* a quota is reached */
	bool slips; /* some of what it did may be a bad line or a full disk */
	unsigned times;
	struct peer_terms terms;
};

static struct error *find_peer(struct request *r, struct peer *ret)
{
	const char *text = request_param(r, "key");
	struct pubkey key;

	ENSURE(id_parse(text, key.b),
	       error_new(ERR_NOT_FOUND, N_("“%s” is not a box's key."), text));
	return peer_get(request_conn(r)->local, &key, ret);
}

/* What people can do about what is proved. Two histories an honest house can have. */
static const char *advice(const struct page *p, enum misdeed what)
{
	if (what == MISDEED_FORK)
		return request_text(
			p->r,
			N_("Ask the people of that house: was a memory card copied, or an old card "
			   "or backup put back? Then one of the two boxes gets a key of its own, "
			   "on its page “Two boxes with one key”, and you can forget this. If "
			   "nobody knows of it, stop for now and tell the other houses. What was "
			   "written before stays."));
	if (what == MISDEED_AUTHOR)
		return request_text(
			p->r, N_("No bad line and no accident looks like this, for the box itself "
				 "signed it. Stop swapping with it, remove it from the spaces in "
				 "which it writes, and tell the other houses."));
	return "";
}

static struct error *add_misdeed(void *ctx, const struct conduct *c)
{
	struct page *p = ctx;

	p->slips |= !misdeed_is_proved(c->what);
	json_array_append_new(p->misdeeds,
			      json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:b}", "name",
					misdeed_name(c->what), "text",
					request_text(p->r, misdeed_msgid(c->what)), "advice",
					advice(p, c->what), "count",
					(json_int_t)c->count, "words",
					request_stored_text(p->r, c->words), "first_text",
					request_date_text(p->r, c->first_ms), "last",
					request_date(p->r, c->last_ms), "last_text",
					request_date_text(p->r, c->last_ms), "new", !c->seen));
	return NULL;
}

/* --- what it cost --- */
static const char *amount(struct request *r, enum ledger_item item, uint64_t n)
{
	if (n == UINT64_MAX)
		return "";
	if (item == LEDGER_BYTES || item == LEDGER_IN || item == LEDGER_OUT ||
	    item == LEDGER_LINE || item == LEDGER_PROOFS)
		return request_size_text(r, n);
	return request_number_text(r, (int64_t)n);
}

static const char *const item_msgids[LEDGER_ITEMS] = {
	[LEDGER_BYTES] = N_("Kept here"),
	[LEDGER_ENTRIES] = N_("Entries"),
	[LEDGER_LOGS] = N_("Logs"),
	[LEDGER_BLOBS] = N_("Files"),
	[LEDGER_REQUESTS] = N_("Times it asked"),
	[LEDGER_IN] = N_("Came over the line"),
	[LEDGER_OUT] = N_("Went over the line"),
	[LEDGER_LINE] = N_("Of both, outside this network"),
	[LEDGER_PROOFS] = N_("Read here for proofs"),
	[LEDGER_SPACES] = N_("New communities of houses that are not yours"),
};

static uint64_t most_of(const struct page *p, enum ledger_item item, bool total)
{
	return ledger_most(item, total, p->times, p->terms.take_bytes, p->terms.give_bytes);
}

static void add_row(struct page *p, enum ledger_item item, uint64_t day, uint64_t total, bool full)
{
	uint64_t most_day = most_of(p, item, false), most = most_of(p, item, true);
	json_t *row = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:b}", "text", request_text(p->r, item_msgids[item]),
		"today_text", amount(p->r, item, day), "day_most_text",
		amount(p->r, item, most_day), "total_text", amount(p->r, item, total), "most_text",
		amount(p->r, item, most), "full", full);

	if (item == LEDGER_BYTES)
		p->kept = row; /* the one that most people want to know */
	else
		json_array_append_new(p->costs, row);
}

static bool is_today(const struct page *p, const struct ledger_row *row)
{
	return row->day == day_of(env_now(request_app(p->r)->env));
}

/* Near enough to it that a frame or a file may not have fitted. */
static bool is_full(uint64_t n, uint64_t most)
{
	return n >= most - most / 20;
}

static bool space_is_full(const struct page *p, const struct ledger_row *row)
{
	bool full = false;

	for (int i = 0; i < LEDGER_ITEMS; i++) {
		enum ledger_item item = (enum ledger_item)i;
		uint64_t day = is_today(p, row) ? row->today.n[i] : 0;

		full |= is_full(day, ledger_most_in(item, false, p->times)) ||
			is_full(row->total.n[i], ledger_most_in(item, true, p->times));
	}
	return full;
}

/* Of a community that the volunteer may not see, that it is one. What was brought and founds none has no
 * line: there is nothing that anybody could do about one. */
static struct error *add_space(struct page *p, const struct ledger_row *row)
{
	struct space_info space = {.name = ""}, here;
	bool full = space_is_full(p, row), together = hash_eq(&row->space, &ledger_strangers);
	struct error *e =
		together ? NULL : space_get_here(request_conn(p->r), &row->space, &here);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	if (!e && !together)
		e = space_get(request_conn(p->r), &row->space, &space);
	if (e && !error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	if (!together && !here.is_private) /* also of one that was let go of */
		space = here;
	p->full |= full;
	json_array_append_new(
		p->spaces,
		json_pack("{s:s, s:s, s:s, s:I, s:b}", "name",
			  together ? request_text(p->r, N_("All communities of houses that are not "
							   "yours, together"))
				   : space.name,
			  "kept_text",
			  amount(p->r, LEDGER_BYTES, row->total.n[LEDGER_BYTES]), "most_text",
			  amount(p->r, LEDGER_BYTES,
				 ledger_most_in(LEDGER_BYTES, true, p->times)),
			  "files", (json_int_t)row->total.n[LEDGER_BLOBS], "full", full));
	return NULL;
}

static struct error *add_cost(void *ctx, const struct ledger_row *row)
{
	static const struct hash of_peer;
	struct page *p = ctx;
	bool today = is_today(p, row);

	if (!hash_eq(&row->space, &of_peer))
		return add_space(p, row);
	for (int i = 0; i < LEDGER_ITEMS; i++) {
		enum ledger_item item = (enum ledger_item)i;
		uint64_t day = today ? row->today.n[i] : 0;
		uint64_t most_day = most_of(p, item, false), most = most_of(p, item, true);
		bool full = is_full(day, most_day) || is_full(row->total.n[i], most);

		p->full |= full;
		add_row(p, item, day, row->total.n[i], full);
	}
	return NULL;
}

static json_t *allowance_json(const struct page *p)
{
	json_t *form = json_object();

	for (size_t i = 0; i < ARRAY_LEN(allowances); i++)
		json_object_set_new(form, allowances[i].field,
				    json_boolean(p->times == allowances[i].times));
	return form;
}

static struct error *gather(struct page *p, int64_t *ret_paused)
{
	struct db *local = request_conn(p->r)->local;

	TRY(conduct_each(local, &p->peer.key, add_misdeed, p));
	TRY(ledger_times(local, &p->peer.key, &p->times));
	TRY(peer_terms_get(local, &p->peer.key, &p->terms));
	TRY(ledger_each(local, &p->peer.key, add_cost, p));
	return conduct_paused(local, &p->peer.key, ret_paused);
}

static struct error *conduct_page(struct request *r)
{
	struct page p = {.r = r};
	int64_t paused = 0;
	json_t *context;
	struct error *e;

	TRY(find_peer(r, &p.peer));
	p.misdeeds = json_array();
	p.costs = json_array();
	p.spaces = json_array();
	e = gather(&p, &paused);
	if (e) {
		json_decref(p.misdeeds);
		json_decref(p.costs);
		json_decref(p.spaces);
		json_decref(p.kept);
		return e;
	}
	context = json_pack("{s:{s:s, s:s, s:s}, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:s, s:o}", "peer",
			    "name", *p.peer.name ? p.peer.name : ID_SHORT(&p.peer.key), "key",
			    ID(&p.peer.key), "short", ID_SHORT(&p.peer.key), "misdeeds", p.misdeeds,
			    "costs", p.costs, "spaces", p.spaces, "kept", p.kept ? p.kept : json_null(), "odd",
			    json_array_size(p.misdeeds) > 0, "slips", p.slips, "full", p.full, "paused", paused != 0,
			    "paused_text", paused ? request_date_text(r, paused) : "", "form",
			    allowance_json(&p));
	/* Read is seen: when that can't be written, it is new once more. */
	error_free(peers_saw_conduct(request_app(r), &p.peer.key));
	return respond_page(r, "admin_conduct", request_text(r, N_("How a box behaves")), context);
}

/* --- what a volunteer does about it --- */
static struct error *back(struct request *r, const struct peer *p, const char *msgid)
{
	return respond_done_saying(
		r, arena_printf(request_arena(r), "/admin/peers/%s/conduct", ID(&p->key)), msgid,
		NULL);
}

static struct error *stop_swapping(struct request *r)
{
	struct peer p;

	TRY(find_peer(r, &p));
	TRY(peers_pause(request_app(r), &p.key, true));
	return back(r, &p, N_("Nothing more is swapped with this box. You can begin again below."));
}

static struct error *begin_again(struct request *r)
{
	struct peer p;

	TRY(find_peer(r, &p));
	TRY(peers_pause(request_app(r), &p.key, false));
	return back(r, &p, N_("This box is swapped with again."));
}

static struct error *forgive(struct request *r)
{
	struct peer p;

	TRY(find_peer(r, &p));
	TRY(peers_forgive(request_app(r), &p.key));
	return back(r, &p, N_("It is forgotten."));
}

static struct error *allow(struct request *r)
{
	const char *field = request_field(r, "quota");
	struct peer p;

	TRY(find_peer(r, &p));
	for (size_t i = 0; field && i < ARRAY_LEN(allowances); i++)
		if (strcmp(field, allowances[i].field) == 0) {
			TRY(peers_allow(request_app(r), &p.key, allowances[i].times));
			return back(r, &p, N_("It is set. What waits there comes soon."));
		}
	return error_new(ERR_INVALID, N_("Choose how much this box may bring."));
}

const struct route conduct_routes[] = {
	{"GET", "/admin/peers/:key/conduct", conduct_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers/:key/pause", stop_swapping, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers/:key/resume", begin_again, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/peers/:key/forgive", forgive, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers/:key/quota", allow, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{0},
};
