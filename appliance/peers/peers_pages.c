/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's page of other boxes: who is near, who is approved, what moved. */
#include "appliance/peers/peer_pages_priv.h"
#include "appliance/peers/peers_pages.h"
#include "appliance/peers/receipt_pages.h"
#include "appliance/recovery/recovery.h"
#include "appliance/trust/trust.h"

enum { REPORTS_NEAR = 5, REPORTS_A_PAGE = 30 };

struct listing {
	struct request *r;
	json_t *list;
	struct conn *conn;
	size_t first; /* of peers: those that somebody should look at, which stand before the others */
};

static const char *translate(void *ctx, const char *msgid)
{
	return request_text(ctx, msgid);
}

/* --- lists ------------------------------------------------------------------------------------ */

struct counting {
	struct listing *l;
	const struct pubkey *key;
	struct peer_terms terms;
	json_int_t n;
};

/* Spaces that it can read from us. */
static struct error *count_space(void *ctx, const struct space_info *s)
{
	struct counting *n = ctx;
	bool may;

	TRY(peers_may_see(n->l->conn, n->key, &s->id, &may));
	n->n += may && peer_terms_ways(&n->terms, &s->id) & PEER_GIVE;
	return NULL;
}

static struct error *count_chain(void *ctx, const struct trust_chain *chain)
{
	++*(size_t *)ctx;
	return NULL;
}

static struct error *add_found(struct listing *l, const struct found_box *f)
{
	size_t chains = 0;

	TRY(trust_chains(l->conn, secret_pubkey(request_app(l->r)->self), &f->key, count_chain,
			 &chains));
	json_array_append_new(l->list, json_pack("{s:s, s:s, s:s, s:s, s:b}", "name",
						 peers_name_of(l->r, f->name, &f->key), "key",
						 ID(&f->key), "short", ID_SHORT(&f->key), "addr",
						 f->address, "vouched", chains > 0));
	return NULL;
}

static struct error *is_peer(struct listing *l, const struct pubkey *key, bool *ret)
{
	struct peer p;
	struct error *e = peer_get(l->conn->local, key, &p);

	*ret = !e;
	if (e && !error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	return NULL;
}

static json_t *row_of(const json_t *list, const struct pubkey *key)
{
	json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		if (!strcmp(json_string_value(json_object_get(row, "key")), ID(key)))
			return row;
	}
	return NULL;
}

/* Boxes that came by themselves. One that mDNS sees, too, stays where it is. */
struct strangers {
	struct listing l;
	const json_t *found, *knocks;
};

static struct error *add_knock(void *ctx, const struct knock *k)
{
	struct strangers *s = ctx;
	struct found_box f = {.key = k->key};
	json_t *row = row_of(s->found, &k->key);
	bool known;

	TRY(is_peer(&s->l, &k->key, &known));
	if (row)
		json_object_set_new(row, "knocked", json_true());
	if (known || row)
		return NULL;
	snprintf(f.name, sizeof(f.name), "%s", k->name);
	snprintf(f.address, sizeof(f.address), "%.63s", k->address);
	TRY(add_found(&s->l, &f));
	row = json_array_get(s->l.list, json_array_size(s->l.list) - 1);
	json_object_set_new(row, "when", json_string(request_date(s->l.r, k->last_ms)));
	json_object_set_new(row, "when_text", json_string(request_date_text(s->l.r, k->last_ms)));
	return NULL;
}

static struct error *add_vouched(void *ctx, const struct vouch *v)
{
	struct strangers *s = ctx;
	json_t *row;

	if (row_of(s->found, &v->key) || row_of(s->knocks, &v->key))
		return NULL; /* there it says so */
	row = json_pack("{s:s, s:s, s:s, s:s}", "name", v->name, "key", ID(&v->key), "short",
			ID_SHORT(&v->key), "addr", v->address);
	json_array_append_new(s->l.list, row);
	return chains_into(s->l.r, row, &v->key);
}

/* Those that nothing on this network shows: who knocked, and who is vouched for. */
static struct error *strangers_into(struct request *r, json_t *context)
{
	struct strangers s = {.l = {.r = r, .list = json_array(), .conn = request_conn(r)},
			      .found = json_object_get(context, "found")};

	json_object_set_new(context, "knocks", s.l.list);
	TRY(knock_each(s.l.conn->local, add_knock, &s));
	json_object_set_new(context, "any_knocks", json_boolean(json_array_size(s.l.list)));
	s.knocks = s.l.list;
	s.l.list = json_array();
	json_object_set_new(context, "vouched_for", s.l.list);
	TRY(trust_vouched(s.l.conn, secret_pubkey(request_app(r)->self), add_vouched, &s));
	json_object_set_new(context, "any_vouched_for", json_boolean(json_array_size(s.l.list)));
	return NULL;
}

static struct error *list_found(struct request *r, json_t **ret)
{
	struct listing l = {.r = r, .list = json_array(), .conn = request_conn(r)};
	struct app *a = request_app(r);
	struct found_box *found = arena_array(request_arena(r), struct found_box, LIMIT_DISCOVERED);
	size_t n = a->sync ? sync_found(a->sync, found, LIMIT_DISCOVERED) : 0;

	*ret = l.list;
	for (size_t i = 0; i < n; i++) {
		bool known;

		TRY(is_peer(&l, &found[i].key, &known));
		if (!known)
			TRY(add_found(&l, &found[i]));
	}
	return NULL;
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct listing *l = ctx;
	struct counting spaces = {.l = l, .key = &p->key};
	const char *state;
	struct peer named = *p;
	json_t *row;
	bool ok, doubted;

	peers_put_name(l->conn, &named);
	TRY(peers_state(l->r, p, &state, &ok));
	TRY(restored_doubted(l->conn, &p->key, &doubted));
	TRY(peer_terms_get(l->conn->local, &p->key, &spaces.terms));
	TRY(space_each(l->conn, count_space, &spaces));
	row = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:b, s:I}", "name",
			*named.name ? named.name : ID_SHORT(&p->key), "short", ID_SHORT(&p->key),
			"key", ID(&p->key), "state_text", state, "ok", ok, "addr", p->address, "read_only",
			p->read_only, "spaces", spaces.n);
	json_object_set_new(row, "doubted", json_boolean(doubted));
	json_object_set_new(row, "unreached", json_boolean(*p->last_error != 0));
	json_object_set_new(row, "keeps_days",
			    json_integer(peers_keeps_days(request_app(l->r), &p->key)));
	if (p->last_ok_ms) {
		json_object_set_new(row, "last", json_string(request_date(l->r, p->last_ok_ms)));
		json_object_set_new(row, "last_text",
				    json_string(request_date_text(l->r, p->last_ok_ms)));
	}
	json_array_insert_new(l->list, ok ? json_array_size(l->list) : l->first++, row);
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
	struct sync_report report = peers_settled(l->conn->local, x, request_arena(l->r));
	size_t n = 0;

	if (*x->error)
		json_array_append_new(list, json_string(request_stored_text(l->r, x->error)));
	else
		n = peers_report_sentences(&report, translate, l->r, request_arena(l->r),
					   sentences);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(sentences[i]));
	if (receipt_times_text(l->r, x))
		json_array_append_new(list, json_string(receipt_times_text(l->r, x)));
	peers_receipt_link(row, x);
	json_array_append_new(l->list, row);
	return NULL;
}

static struct error *list_reports(struct request *r, size_t max, json_t **ret)
{
	struct listing l = {.r = r, .list = json_array(), .conn = request_conn(r)};

	*ret = l.list;
	return receipt_each(l.conn->local, NULL, max, add_report, &l);
}

static struct error *add_former(void *ctx, const struct former *f)
{
	struct listing *l = ctx;

	json_array_append_new(l->list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "name",
						 peers_name_of(l->r, f->name, &f->key), "key",
						 ID(&f->key), "short", ID_SHORT(&f->key), "removed",
						 request_date(l->r, f->removed_ms), "removed_text",
						 request_date_text(l->r, f->removed_ms)));
	return NULL;
}

/* --- the page --------------------------------------------------------------------------------- */

static struct error *show_peers(struct request *r, int status, json_t *take_form)
{
	struct listing l = {.r = r, .list = json_array(), .conn = request_conn(r)};
	json_t *context = json_pack("{s:o, s:o}", "peers", l.list, "form",
				    take_form ? take_form : json_object());
	struct listing former = {.r = r, .list = json_array(), .conn = l.conn};
	json_t *found = NULL, *reports = NULL;
	struct error *e = peer_each(l.conn->local, add_peer, &l);

	json_object_set_new(context, "former", former.list);

	if (!e)
		e = list_found(r, &found);
	if (!e)
		e = list_reports(r, REPORTS_NEAR, &reports);
	if (!e)
		e = former_each(l.conn->local, add_former, &former);
	if (!e)
		e = invites_into(r, context);
	if (found)
		json_object_set_new(context, "found", found);
	if (reports)
		json_object_set_new(context, "reports", reports);
	if (!e)
		e = strangers_into(r, context);
	if (e) {
		json_decref(context);
		return e;
	}
	json_object_set_new(context, "own",
			    json_pack("{s:s, s:s}", "addr", peers_shown_address(r), "key",
				      ID(secret_pubkey(request_app(r)->self))));
	json_object_set_new(context, "any_reports", json_boolean(json_array_size(reports)));
	json_object_set_new(context, "any_former", json_boolean(json_array_size(former.list)));
	return respond_page_status(r, status, "admin_peers", request_text(r, N_("Other boxes")),
				   context);
}

static struct error *peers_page(struct request *r)
{
	return show_peers(r, 200, NULL);
}

/* By hand: an address and a key. What is wrong is said on the same page, with what was typed; what
 * is right goes on to the page of terms. */
static struct error *peers_add(struct request *r)
{
	const char *addr = request_field(r, "addr"), *key = request_field(r, "key");
	struct candidate c = {.status = 200, .invitation = "", .whole = key};
	struct error *e = NULL;
	const char *error, *wrong = "key";
	bool known;
	int status;

	addr = addr ? addr : "";
	if (!key || !*key)
		e = error_new(ERR_INVALID, N_("Write the key of the other box: it shows it at the"
					      " foot of “Care of the house”."));
	else if (!id_parse(key, c.key.b))
		e = error_new(ERR_INVALID,
			      N_("“%s” is not a box's key. A key has 52 letters and digits; the"
				 " other box shows it at the foot of “Care of the house”."),
			      key);
	else if (pubkey_eq(&c.key, secret_pubkey(request_app(r)->self)))
		e = error_new(ERR_INVALID,
			      N_("That is this box's own key. Ask the other box for its key."));
	else
		wrong = "addr";
	if (!e && !peers_address_ok(addr))
		e = error_new(ERR_INVALID,
			      N_("“%s” is not an address. It looks like 192.168.1.20:8443."), addr);
	e = request_wrong(r, wrong, e);
	if (e && respond_form_error(r, e, &error, &status))
		return show_peers(r, status,
				  json_pack("{s:s, s:s, s:s}", "addr", addr, "key", key ? key : "",
					    "error", error));
	TRY(e);
	TRY(candidate_known(r, &c, &known));
	if (known) /* its key was compared once: what is left to say is where it is */
		return show_peer_address(
			r, &c.key, addr,
			request_text(r, N_("This house is connected already. Save the address here, "
					   "and all else stays as it is.")),
			200);
	snprintf(c.address, sizeof(c.address), "%s", addr);
	return show_candidate(r, &c);
}

/* --- one that is approved --------------------------------------------------------------------- */

static struct error *sync_peer(struct request *r)
{
	struct sync_report report;
	struct error *e;
	struct pubkey key;

	TRY(peers_key_param(r, &key));
	TRY(request_limit(r, "sync", 6, 30));
	request_blocks(r);
	e = peers_sync_now(request_app(r), &key, &report);
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
	{"POST", "/admin/peers/:key/sync", sync_peer, ROUTE_VOLUNTEER},
	{"GET", "/admin/receipts", receipts_page, ROUTE_VOLUNTEER},
	{0},
};
