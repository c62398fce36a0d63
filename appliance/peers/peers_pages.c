/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's page of other boxes: who is near, who is approved, what moved. */
#include "appliance/peers/peers.h"
#include "appliance/peers/reach.h"
#include "appliance/peers/peers_pages.h"

enum { REPORTS_NEAR = 5, REPORTS_A_PAGE = 30 };

struct listing {
	struct request *r;
	json_t *list;
	struct conn *conn;
};

static const char *translate(void *ctx, const char *msgid)
{
	return request_text(ctx, msgid);
}

static const char *number_with(struct request *r, const struct pubkey *key)
{
	char number[8];

	pair_number(secret_pubkey(request_app(r)->self), key, number);
	return arena_str(request_arena(r), number);
}

/* --- lists ------------------------------------------------------------------------------------ */

static struct error *count_space(void *ctx, const struct space_info *s)
{
	(*(json_int_t *)ctx)++;
	return NULL;
}

static json_t *found_json(struct request *r, const struct found_box *f)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "name",
			 *f->name ? f->name : ID_SHORT(&f->key), "key", ID(&f->key), "short",
			 ID_SHORT(&f->key), "number", number_with(r, &f->key), "addr", f->address);
}

/* Boxes that mDNS sees, and boxes that knocked; approved ones are in the other list. */
static struct error *add_knock(void *ctx, const struct knock *k)
{
	struct listing *l = ctx;
	struct found_box f = {.key = k->key};
	struct peer p;
	struct error *e = peer_get(l->conn->local, &k->key, &p);
	json_t *row;
	size_t i;

	if (!e)
		return NULL;
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	json_array_foreach(l->list, i,
			   row) if (!strcmp(json_string_value(json_object_get(row, "key")),
					    ID(&k->key))) return NULL;
	snprintf(f.name, sizeof(f.name), "%s", k->name);
	snprintf(f.address, sizeof(f.address), "%.63s", k->address);
	json_array_append_new(l->list, found_json(l->r, &f));
	return NULL;
}

static struct error *list_found(struct request *r, json_t **ret)
{
	struct listing l = {.r = r, .list = json_array(), .conn = request_conn(r)};
	struct app *a = request_app(r);
	struct found_box *found = arena_array(request_arena(r), struct found_box, LIMIT_DISCOVERED);
	size_t n = a->sync ? sync_found(a->sync, found, LIMIT_DISCOVERED) : 0;

	for (size_t i = 0; i < n; i++)
		if (!found[i].approved)
			json_array_append_new(l.list, found_json(r, &found[i]));
	*ret = l.list;
	return knock_each(l.conn->local, add_knock, &l);
}

/* What came of it through another: then it is not lost, only not met. */
static const char *heard_of(struct request *r, const struct peer *p)
{
	char via[LIMIT_NAME + 1], entries[24];
	struct heard h;
	bool any = false;
	struct error *e = reach_heard(request_conn(r), &p->key, &h, via, &any);

	if (e || !any) {
		error_free(e);
		return NULL;
	}
	snprintf(entries, sizeof(entries), "%llu", (unsigned long long)h.entries);
	return request_error_text(
		r, error_new(ERR_NOT_FOUND,
			     N_("Not met itself, but heard of through %s: entries %s, the newest "
				"of %s."),
			     via, entries, request_date_text(r, h.newest_ms)));
}

static const char *peer_state(struct request *r, const struct peer *p)
{
	const char *heard = p->last_ok_ms ? NULL : heard_of(r, p);

	if (heard)
		return heard;
	if (*p->last_error)
		return p->last_error;
	if (!p->last_ok_ms)
		return request_text(r, N_("Not met yet. It must approve this box too."));
	return request_text(r, N_("All is well."));
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct listing *l = ctx;
	json_int_t spaces = 0;
	json_t *row;

	TRY(space_each(l->conn, count_space, &spaces));
	row = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:b, s:I}", "name",
			*p->name ? p->name : ID_SHORT(&p->key), "short", ID_SHORT(&p->key), "key",
			ID(&p->key), "state_text", peer_state(l->r, p), "ok",
			p->last_ok_ms && !*p->last_error, "addr", p->address, "read_only",
			p->read_only, "spaces", spaces);
	if (p->last_ok_ms) {
		json_object_set_new(row, "last", json_string(request_date(l->r, p->last_ok_ms)));
		json_object_set_new(row, "last_text",
				    json_string(request_date_text(l->r, p->last_ok_ms)));
	}
	json_array_append_new(l->list, row);
	return NULL;
}

static const char *peer_name(struct listing *l, const struct receipt *x)
{
	struct peer p;
	struct error *e = peer_get(l->conn->local, &x->peer, &p);
	const char *name = !e && *p.name	  ? p.name
			   : *x->report.peer_name ? x->report.peer_name
						  : ID_SHORT(&x->peer);

	error_free(e);
	return arena_str(request_arena(l->r), name);
}

static struct error *add_report(void *ctx, const struct receipt *x)
{
	struct listing *l = ctx;
	const char *sentences[PEERS_SENTENCES];
	json_t *row = json_pack("{s:s, s:s, s:s, s:[], s:b}", "peer", peer_name(l, x), "when",
				request_date(l->r, x->when_ms), "when_text",
				request_date_text(l->r, x->when_ms), "sentences", "ok", !*x->error);
	json_t *list = json_object_get(row, "sentences");
	size_t n = 0;

	if (*x->error)
		json_array_append_new(list, json_string(x->error));
	else
		n = peers_report_sentences(&x->report, translate, l->r, request_arena(l->r),
					   sentences);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(sentences[i]));
	json_array_append_new(l->list, row);
	return NULL;
}

static struct error *list_reports(struct request *r, size_t max, json_t **ret)
{
	struct listing l = {.r = r, .list = json_array(), .conn = request_conn(r)};

	*ret = l.list;
	return receipt_each(l.conn->local, NULL, max, add_report, &l);
}

/* --- the page --------------------------------------------------------------------------------- */

static struct error *show_peers(struct request *r, int status, json_t *take_form)
{
	struct listing l = {.r = r, .list = json_array(), .conn = request_conn(r)};
	json_t *context = json_pack("{s:o, s:o}", "peers", l.list, "form",
				    take_form ? take_form : json_object());
	json_t *found = NULL, *reports = NULL;
	struct error *e = peer_each(l.conn->local, add_peer, &l);

	if (!e)
		e = list_found(r, &found);
	if (!e)
		e = list_reports(r, REPORTS_NEAR, &reports);
	if (found)
		json_object_set_new(context, "found", found);
	if (reports)
		json_object_set_new(context, "reports", reports);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, status, "admin_peers", request_text(r, N_("Other boxes")),
				   context);
}

static struct error *peers_page(struct request *r)
{
	return show_peers(r, 200, NULL);
}

static struct error *parse_key(const char *text, struct pubkey *ret)
{
	ENSURE(text && id_parse(text, ret->b),
	       error_new(ERR_INVALID,
			 N_("“%s” is not a box's key. A key has 52 letters and digits; the"
			    " other box shows it on its page “This box”."),
			 text ? text : ""));
	return NULL;
}

/* By hand: an address and a key. What is wrong is said on the same page, with what was typed. */
static struct error *peers_add(struct request *r)
{
	const char *addr = request_field(r, "addr"), *key = request_field(r, "key");
	const char *read_only = request_field(r, "read_only");
	struct peers_approval what = {.address = addr,
				      .read_only = read_only && *read_only == '1',
				      .steward = request_viewer(r)->secret};
	struct error *e = parse_key(key, &what.key);
	char text[600];
	json_t *form;

	if (!e)
		e = peers_approve(request_app(r), &what);
	if (!e)
		return respond_done_saying(r, "/admin/peers",
					   N_("The box is approved. It must approve this one too."),
					   NULL);
	if (request_wants_json(r) || error_http_status(error_code(e)) >= 500)
		return e;
	form = json_pack("{s:s, s:s, s:b, s:s}", "addr", addr ? addr : "", "key", key ? key : "",
			 "read_only", what.read_only, "error",
			 error_text(e, translate, r, text, sizeof(text)));
	error_free(e);
	return show_peers(r, 400, form);
}

/* --- approving one that was found ------------------------------------------------------------- */

struct candidate {
	struct request *r;
	struct found_box box;
	bool here;
};

static struct error *candidate_knock(void *ctx, const struct knock *k)
{
	struct candidate *c = ctx;

	if (c->here || !pubkey_eq(&k->key, &c->box.key))
		return NULL;
	snprintf(c->box.name, sizeof(c->box.name), "%s", k->name);
	snprintf(c->box.address, sizeof(c->box.address), "%.63s", k->address);
	c->here = true;
	return NULL;
}

/* The box named in the path, as mDNS or its knock describe it. */
static struct error *find_candidate(struct request *r, struct candidate *ret)
{
	struct candidate c = {.r = r};
	struct app *a = request_app(r);
	struct found_box *found = arena_array(request_arena(r), struct found_box, LIMIT_DISCOVERED);
	size_t n = a->sync ? sync_found(a->sync, found, LIMIT_DISCOVERED) : 0;

	TRY(parse_key(request_param(r, "key"), &c.box.key));
	for (size_t i = 0; i < n && !c.here; i++)
		if (pubkey_eq(&found[i].key, &c.box.key)) {
			c.box = found[i];
			c.here = true;
		}
	TRY(knock_each(request_conn(r)->local, candidate_knock, &c));
	ENSURE(c.here, error_new(ERR_NOT_FOUND,
				 N_("The box %s is not to be seen any more. When it is back"
				    " on this network it appears in the list again."),
				 ID_SHORT(&c.box.key)));
	*ret = c;
	return NULL;
}

static struct error *show_candidate(struct request *r, const struct candidate *c, int status,
				    const char *error)
{
	json_t *context = json_pack("{s:o, s:s, s:{}}", "peer", found_json(r, &c->box), "action",
				    request_path(r), "form");

	if (error)
		json_object_set_new(json_object_get(context, "form"), "error", json_string(error));
	return respond_page_status(r, status, "admin_peer", request_text(r, N_("Approve a box")),
				   context);
}

static struct error *approve_page(struct request *r)
{
	struct candidate c;

	TRY(find_candidate(r, &c));
	return show_candidate(r, &c, 200, NULL);
}

static struct error *approve(struct request *r)
{
	const char *same = request_field(r, "same"), *read_only = request_field(r, "read_only");
	struct candidate c;

	TRY(find_candidate(r, &c));
	if (!same || strcmp(same, "1") != 0)
		return show_candidate(
			r, &c, 400,
			request_text(r, N_("Compare the number with the people of the other box"
					   " first, then tick that it is the same.")));
	TRY(peers_approve(request_app(r),
			  &(struct peers_approval){.key = c.box.key,
						   .address = c.box.address,
						   .name = c.box.name,
						   .read_only = read_only && *read_only == '1',
						   .steward = request_viewer(r)->secret}));
	return respond_done_saying(r, "/admin/peers",
				   N_("The box is approved. It must approve this one too."), NULL);
}

/* --- one that is approved --------------------------------------------------------------------- */

static struct error *get_peer(struct request *r, struct peer *ret)
{
	struct pubkey key;
	struct error *e;

	TRY(parse_key(request_param(r, "key"), &key));
	e = peer_get(request_conn(r)->local, &key, ret);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return error_new(ERR_NOT_FOUND, N_("No approved box has the key %s."),
				 ID_SHORT(&key));
	}
	return e;
}

static struct error *remove_page(struct request *r)
{
	struct peer p;

	TRY(get_peer(r, &p));
	return respond_page(r, "confirm", request_text(r, N_("Other boxes")),
			    json_pack("{s:{s:s, s:s, s:s, s:b}}", "confirm", "action",
				      request_path(r), "back_url", "/admin/peers", "name",
				      *p.name ? p.name : ID_SHORT(&p.key), "peer_remove", 1));
}

static struct error *remove_peer(struct request *r)
{
	struct peer p;

	TRY(get_peer(r, &p));
	TRY(peers_withdraw(request_app(r), &(struct peers_withdrawal){.key = p.key}));
	return respond_done_saying(r, "/admin/peers", N_("The box is no longer approved."), NULL);
}

static struct error *sync_peer(struct request *r)
{
	struct sync_report report;
	struct error *e;
	struct peer p;

	TRY(get_peer(r, &p));
	TRY(request_limit(r, "sync", 6, 30));
	request_blocks(r);
	e = peers_sync_now(request_app(r), &p.key, &report);
	request_goes_on(r);
	TRY(e);
	if (report.received + report.sent + report.filled == 0)
		return respond_done_saying(r, "/admin/peers", N_("Done: there was nothing new."),
					   NULL);
	return respond_done_saying(r, "/admin/peers", N_("Done. What moved is in the list below."),
				   NULL);
}

static struct error *receipts_page(struct request *r)
{
	json_t *reports;
	struct error *e = list_reports(r, REPORTS_A_PAGE, &reports);

	if (e) {
		json_decref(reports);
		return e;
	}
	return respond_page(r, "admin_log", request_text(r, N_("What moved")),
			    json_pack("{s:o}", "reports", reports));
}

const struct route peers_routes[] = {
	{"GET", "/admin/peers", peers_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers", peers_add, ROUTE_VOLUNTEER},
	{"GET", "/admin/peers/:key/approve", approve_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers/:key/approve", approve, ROUTE_VOLUNTEER},
	{"GET", "/admin/peers/:key/remove", remove_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers/:key/remove", remove_peer, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers/:key/sync", sync_peer, ROUTE_VOLUNTEER},
	{"GET", "/admin/receipts", receipts_page, ROUTE_VOLUNTEER},
	{0},
};
