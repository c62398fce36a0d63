/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One box: approving it on terms, its page, and the end of it. */
#include "appliance/network/network_pages.h"
#include "appliance/peers/number_pages.h"
#include "appliance/peers/peer_pages_priv.h"
#include "appliance/peers/peers_pages.h"
#include "appliance/peers/reach.h"
#include "appliance/recovery/recovery.h"
#include "appliance/trust/trust.h"

/* --- what the pages share --------------------------------------------------------------------- */

struct error *peers_key_param(struct request *r, struct pubkey *ret)
{
	const char *text = request_param(r, "key");

	ENSURE(id_parse(text, ret->b),
	       error_new(ERR_NOT_FOUND,
			 N_("“%s” is not a box's key. A key has 52 letters and digits; the"
			    " other box shows it at the foot of “Care of the house”."),
			 text));
	return NULL;
}

const char *peers_letters(struct request *r, const struct pubkey *key)
{
	char start[PEERS_KEY_START];

	peers_key_start(key, start);
	return arena_str(request_arena(r), start);
}

const char *peers_name_of(struct request *r, const char *name, const struct pubkey *key)
{
	return arena_str(request_arena(r), *name ? name : ID_SHORT(key));
}

static const char *translate(void *ctx, const char *msgid)
{
	return request_text(ctx, msgid);
}

/* A sentence with one thing in it. */
static const char *sentence(struct request *r, struct error *take_e)
{
	char text[600];

	error_text(take_e, translate, r, text, sizeof(text));
	error_free(take_e);
	return arena_str(request_arena(r), text);
}

/* What came of it through another: then it is not lost, only not met. NULL: nothing. */
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

struct error *peers_state(struct request *r, const struct peer *p, const char **ret, bool *ret_ok)
{
	const char *heard = p->last_ok_ms ? NULL : heard_of(r, p);
	bool doubted;
	int64_t paused, now = env_now(request_app(r)->env);

	TRY(restored_doubted(request_conn(r), &p->key, &doubted));
	TRY(conduct_paused(request_conn(r)->local, &p->key, &paused));
	*ret_ok = false;
	if (doubted)
		*ret = request_text(r, N_("It came back with a backup. Is it still connected?"));
	else if (paused)
		*ret = request_text(r, N_("A volunteer stopped the exchange with it."));
	else if (peer_terms_over(p->until_ms, now))
		*ret = sentence(r, error_new(ERR_INTERNAL, N_("Its terms ended on %s."),
					     peers_until_text(p->until_ms, request_arena(r))));
	else if (heard)
		*ret = heard;
	else if (peer_is_lost(p, now))
		*ret = request_stored_text(r, p->last_error);
	else if (*p->last_error)
		*ret = sentence(r, error_new(ERR_INTERNAL, N_("Met on %s. Since then: %s"),
					     request_date_text(r, p->last_ok_ms),
					     request_stored_text(r, p->last_error)));
	else if (!p->last_ok_ms && p->how == PEER_BY_ACCEPTING)
		*ret = request_text(r, N_("Not met yet. It lets this box in when they meet."));
	else if (!p->last_ok_ms)
		*ret = request_text(r, N_("Not met yet. It must approve this box too."));
	else
		*ret = request_text(r, N_("All is well."));
	*ret_ok = !doubted && !paused && p->last_ok_ms && !peer_is_lost(p, now) &&
		  !peer_terms_over(p->until_ms, now);
	return NULL;
}

/* --- before it is approved -------------------------------------------------------------------- */

struct looking {
	struct candidate *c;
	bool here;
};

static struct error *look_at_knock(void *ctx, const struct knock *k)
{
	struct looking *l = ctx;

	if (l->here || !pubkey_eq(&k->key, &l->c->key))
		return NULL;
	snprintf(l->c->name, sizeof(l->c->name), "%s", k->name);
	snprintf(l->c->address, sizeof(l->c->address), "%s", k->address);
	l->here = true;
	return NULL;
}

static struct error *look_at_former(void *ctx, const struct former *f)
{
	struct looking *l = ctx;

	if (l->here || !pubkey_eq(&f->key, &l->c->key))
		return NULL;
	snprintf(l->c->name, sizeof(l->c->name), "%s", f->name);
	snprintf(l->c->address, sizeof(l->c->address), "%s", f->address);
	l->here = true;
	return NULL;
}

static struct error *look_at_vouch(void *ctx, const struct vouch *v)
{
	struct looking *l = ctx;

	if (l->here)
		return NULL;
	snprintf(l->c->name, sizeof(l->c->name), "%s", v->name);
	snprintf(l->c->address, sizeof(l->c->address), "%s", v->address);
	l->here = true;
	return NULL;
}

static void look_on_network(struct request *r, struct looking *l)
{
	struct app *a = request_app(r);
	struct found_box *found = arena_array(request_arena(r), struct found_box, LIMIT_DISCOVERED);
	size_t n = a->sync ? sync_found(a->sync, found, LIMIT_DISCOVERED) : 0;

	for (size_t i = 0; i < n && !l->here; i++)
		if (pubkey_eq(&found[i].key, &l->c->key)) {
			snprintf(l->c->name, sizeof(l->c->name), "%s", found[i].name);
			snprintf(l->c->address, sizeof(l->c->address), "%s", found[i].address);
			l->here = true;
		}
}

struct error *candidate_known(struct request *r, struct candidate *c, bool *ret)
{
	struct peer p;
	struct error *e = peer_get(request_conn(r)->local, &c->key, &p);

	*ret = !e;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	if (*p.name)
		memcpy(c->name, p.name, sizeof(c->name));
	if (!*c->invitation)
		memcpy(c->address, p.address, sizeof(c->address));
	c->read_only = p.read_only;
	return NULL;
}

static struct error *look_in_invitation(struct candidate *c)
{
	struct invitation i;

	TRY(invitation_read(span_str(c->invitation), &i));
	ENSURE(pubkey_eq(&i.key, &c->key),
	       error_new(ERR_INVALID, N_("This invitation is of another box.")));
	snprintf(c->name, sizeof(c->name), "%s", i.name);
	if (i.addresses)
		snprintf(c->address, sizeof(c->address), "%s", i.address[0]);
	return NULL;
}

/* The box named in the path: as its invitation, mDNS, its knock, our memory or somebody who vouches
 * for it describe it; or just an address that was typed. */
static struct error *find_candidate(struct request *r, struct candidate *ret)
{
	struct candidate c = {.status = 200};
	const char *addr = request_field(r, "addr"), *invitation = request_field(r, "invitation");
	struct looking l = {.c = &c};
	struct conn *conn = request_conn(r);

	TRY(peers_key_param(r, &c.key));
	ENSURE(!pubkey_eq(&c.key, secret_pubkey(request_app(r)->self)),
	       error_new(ERR_INVALID,
			 N_("That is this box's own key. Ask the other box for its key.")));
	addr = addr ? addr : request_query(r, "addr");
	c.invitation = invitation ? invitation : "";
	if (*c.invitation) {
		TRY(look_in_invitation(&c));
		TRY(candidate_known(r, &c, &l.here));
	} else {
		TRY(candidate_known(r, &c, &l.here));
		look_on_network(r, &l);
		TRY(knock_each(conn->local, look_at_knock, &l));
		TRY(former_each(conn->local, look_at_former, &l));
		TRY(vouch_for(conn, &c.key, TRUST_LOOK, look_at_vouch, &l));
		memcpy(c.known, c.address, sizeof(c.known));
		if (addr && *addr)
			snprintf(c.address, sizeof(c.address), "%s", addr);
		ENSURE(l.here || *c.address,
		       error_new(ERR_NOT_FOUND,
				 N_("The box %s is not to be seen any more. When it is back"
				    " on this network it appears in the list again."),
				 ID_SHORT(&c.key)));
	}
	*ret = c;
	return NULL;
}

static json_t *candidate_json(struct request *r, const struct candidate *c)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", peers_name_of(r, c->name, &c->key),
			 "key", ID(&c->key), "short", ID_SHORT(&c->key), "letters",
			 peers_letters(r, &c->key), "addr", c->address);
}

static bool field_set(struct request *r, const char *name)
{
	const char *said = request_field(r, name);

	return said && *said == '1';
}

/* On top of those that it has: of one that is no peer these are the default. */
static struct error *read_candidate_terms(struct request *r, const struct pubkey *key,
					  struct peer_terms *ret)
{
	struct peer_terms was;

	TRY(peer_terms_get(request_conn(r)->local, key, &was));
	return terms_read(r, &was, ret);
}

/* In the first run (setup/seen.c): the Wi-Fi comes after the house, for who changes it may lose the page.
 * NULL: this is not the first run, or there is no Wi-Fi to speak of. */
static const char *first_run_goes_on(struct request *r)
{
	const char *field = request_field(r, "first"), *first = field ? field : request_query(r, "first");

	return first && *first == '1' && request_app(r)->network
		       ? network_first_page(request_app(r))
		       : NULL;
}

/* Do all addresses of the invitation mean something on one network only? */
static bool is_only_near(const struct candidate *c)
{
	struct invitation i;
	struct error *e = invitation_read(span_str(c->invitation), &i);
	bool near = !e && i.addresses;

	for (size_t n = 0; near && n < i.addresses; n++)
		near = address_is_private(i.address[n]);
	error_free(e);
	return near;
}

/* How it is to be shown that it is the house that is meant: an invitation says so, else a number, or
 * the whole key. */
static void compare_into(struct request *r, json_t *context, const struct candidate *c)
{
	const char *here = arena_printf(request_arena(r), "/admin/peers/%s/approve", ID(&c->key));
	const char *whole = c->whole ? c->whole : request_field(r, "whole");
	const char *later = first_run_goes_on(r);

	here = arena_printf(request_arena(r), "%s?%s", here, later ? "first=1&" : "");
	if (strcmp(c->address, c->known) != 0)
		here = arena_printf(request_arena(r), "%saddr=%s&", here,
				    url_encode(request_arena(r), c->address));
	json_object_set_new(context, "key_url",
			    json_string(arena_printf(request_arena(r), "%swhole=", here)));
	here = arena_printf(request_arena(r), "%.*s", (int)strlen(here) - 1, here);
	json_object_set_new(context, "number_url", json_string(here));
	if (later)
		json_object_set_new(context, "later_url", json_string(later));
	if (*c->invitation) {
		json_object_set_new(context, "invitation", json_string(c->invitation));
		json_object_set_new(context, "only_near", json_boolean(is_only_near(c)));
		json_object_set_new(context, "compared", json_true());
	} else if (c->whole || number_by_key(r)) {
		json_object_set_new(context, "by_key",
				    json_pack("{s:s}", "typed", whole ? whole : ""));
		json_object_set_new(context, "compared", json_true());
	} else {
		number_into(r, context,
			    &(struct number_page){.key = c->key,
						  .address = c->known,
						  .typed = c->address,
						  .next = here});
	}
}

struct error *show_candidate(struct request *r, const struct candidate *c)
{
	struct peer_terms terms;
	json_t *context, *form;
	const char *error = c->error;
	struct error *e = read_candidate_terms(r, &c->key, &terms);

	if (e) { /* what was typed can't be shown as terms: those that hold, and why */
		error = request_error_text(r, e);
		TRY(peer_terms_get(request_conn(r)->local, &c->key, &terms));
	}
	form = json_pack("{s:b, s:b}", "same", field_set(r, "same"), "read_only",
			 c->sent ? field_set(r, "read_only") : c->read_only);
	if (error)
		json_object_set_new(form, "error", json_string(error));
	context = json_pack("{s:o, s:o, s:o}", "peer", candidate_json(r, c), "form", form, "action",
			    json_string(arena_printf(request_arena(r), "/admin/peers/%s/approve",
						     ID(&c->key))));
	compare_into(r, context, c);
	e = chains_into(r, context, &c->key);
	if (!e)
		e = terms_into(r, context, &c->key, &terms, terms_preview_asked(r));
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, error ? 400 : c->status, "admin_peer",
				   request_text(r, N_("Approve a box")), context);
}

static struct error *approve_page(struct request *r)
{
	struct candidate c;
	bool known;

	TRY(find_candidate(r, &c));
	TRY(candidate_known(r, &c, &known));
	if (!known)
		return show_candidate(r, &c);
	return show_peer_address(r, &c.key, request_query(r, "addr"), NULL, 200);
}

static struct error *do_approve(struct request *r, const struct candidate *c, enum peer_how how)
{
	struct peer_terms terms;
	struct peers_approval what = {.key = c->key,
				      .address = c->address,
				      .by_hand = !*c->invitation && *c->address &&
						 strcmp(c->address, c->known) != 0,
				      .name = c->name,
				      .read_only = field_set(r, "read_only"),
				      .steward = request_viewer(r)->secret,
				      .terms = &terms,
				      .how = how};
	struct invitation i;

	TRY(read_candidate_terms(r, &c->key, &terms));
	if (!*c->invitation)
		return peers_approve(request_app(r), &what);
	TRY(invitation_read(span_str(c->invitation), &i));
	return peers_accept(request_app(r), &i, &what);
}

static struct error *approve(struct request *r)
{
	enum peer_how how = PEER_BY_ACCEPTING;
	const char *next = first_run_goes_on(r);
	struct candidate c;
	struct error *e;

	TRY(find_candidate(r, &c));
	c.sent = true;
	if (terms_preview_asked(r))
		return show_candidate(r, &c);
	if (!*c.invitation)
		c.error = number_missing(r, &c.key, &how);
	if (c.error)
		return show_candidate(r, &c);
	e = do_approve(r, &c, how);
	if (e && respond_form_error(r, e, &c.error, &c.status))
		return show_candidate(r, &c);
	TRY(e);
	if (!next)
		next = arena_printf(request_arena(r), "/admin/peers/%s", ID(&c.key));
	return respond_done_saying(
		r, next,
		*c.invitation ? N_("The invitation is accepted. The boxes meet by themselves.")
			      : N_("The box is approved. Its house must approve this one too, if "
				   "it has not yet."),
		NULL);
}

/* --- its page --------------------------------------------------------------------------------- */

static struct error *get_peer(struct request *r, struct peer *ret)
{
	struct pubkey key;
	struct error *e;

	TRY(peers_key_param(r, &key));
	e = peer_get(request_conn(r)->local, &key, ret);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return error_new(ERR_NOT_FOUND, N_("No approved box has the key %s."),
				 ID_SHORT(&key));
	}
	if (!e)
		peers_put_name(request_conn(r), ret);
	return e;
}

static const char *how_text(struct request *r, const struct peer *p)
{
	static const char *const texts[] = {
		[PEER_BY_HAND] = N_("Approved by its key and address."),
		[PEER_BY_NUMBER] = N_("Approved after the number was compared."),
		[PEER_BY_ACCEPTING] = N_("We accepted its invitation."),
		[PEER_BY_INVITING] = N_("It accepted an invitation of ours."),
	};

	return request_text(r, (size_t)p->how < ARRAY_LEN(texts) ? texts[p->how] : texts[0]);
}

struct last {
	struct request *r;
	const char *text;
};

static struct error *keep_text(void *ctx, const struct receipt *x)
{
	struct last *l = ctx;
	struct sync_report report =
		peers_settled(request_conn(l->r)->local, x, request_arena(l->r));

	l->text = *x->error ? request_stored_text(l->r, x->error)
			    : peers_report_text(&report, translate, l->r, request_arena(l->r));
	return NULL;
}

/* What the peer says that it keeps no more, of the spaces that are here and that who looks may see. */
static json_t *unkept_json(struct request *r, const struct hash *spaces, size_t n)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < n; i++) {
		struct space_info s;
		struct error *e = space_get(request_conn(r), &spaces[i], &s);

		if (!e)
			json_array_append_new(rows, json_pack("{s:s}", "name",
							      *s.name ? s.name : ID_SHORT(&s.id)));
		error_free(e);
	}
	return rows;
}

static struct error *peer_json(struct request *r, const struct peer *p, json_t **ret)
{
	struct hash unkept[REPORT_UNKEPT];
	uint32_t days;
	size_t n = peers_keeps(request_app(r), &p->key, &days, unkept);
	struct last last = {r, ""};
	const char *state;
	json_t *row;
	bool ok, doubted;

	TRY(peers_state(r, p, &state, &ok));
	TRY(restored_doubted(request_conn(r), &p->key, &doubted));
	TRY(receipt_each(request_conn(r)->local, &p->key, 1, keep_text, &last));
	row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:b, s:s, s:b}", "name",
			peers_name_of(r, p->name, &p->key), "key", ID(&p->key), "short",
			ID_SHORT(&p->key), "letters", peers_letters(r, &p->key), "addr", p->address,
			"state_text", state, "ok", ok, "since", request_date(r, p->added_ms),
			"since_text", request_date_text(r, p->added_ms), "how_text", how_text(r, p),
			"read_only", p->read_only, "moved", last.text, "doubted", doubted);
	json_object_set_new(row, "named", json_boolean(*p->name));
	json_object_set_new(row, "keeps_days", json_integer(days));
	json_object_set_new(row, "unkept", unkept_json(r, unkept, n));
	json_object_set_new(row, "any_unkept", json_boolean(n));
	if (p->last_ok_ms) {
		json_object_set_new(row, "last", json_string(request_date(r, p->last_ok_ms)));
		json_object_set_new(row, "last_text",
				    json_string(request_date_text(r, p->last_ok_ms)));
	}
	*ret = row;
	return NULL;
}

static struct error *look_at_own(void *ctx, const struct vouch *v)
{
	json_t **found = ctx;

	if (!*found)
		*found = json_pack("{s:s}", "note", v->note);
	return NULL;
}

static struct error *vouched_into(struct request *r, json_t *context, const struct pubkey *key)
{
	json_t *found = NULL;

	TRY(vouch_of(request_conn(r), secret_pubkey(request_app(r)->self), key, look_at_own,
		     &found));
	if (found)
		json_object_set_new(context, "vouched", found);
	return NULL;
}

static struct error *fill_peer(struct request *r, json_t *context, const struct peer *p,
			       const struct peer_terms *t, bool preview)
{
	json_t *peer;

	TRY(peer_json(r, p, &peer));
	json_object_set_new(context, "peer", peer);
	TRY(addresses_into(r, context, p));
	TRY(chains_into(r, context, &p->key));
	TRY(vouched_into(r, context, &p->key));
	return terms_into(r, context, &p->key, t, preview);
}

static struct error *show_peer(struct request *r, const struct peer *p, const struct peer_terms *t,
			       bool preview, int status, const char *error)
{
	json_t *context = json_pack("{s:{s:b}}", "form", "read_only", p->read_only);
	struct error *e = fill_peer(r, context, p, t, preview);

	if (e) {
		json_decref(context);
		return e;
	}
	if (error)
		json_object_set_new(json_object_get(context, "form"), "error", json_string(error));
	return respond_page_status(r, status, "admin_peer_view", peers_name_of(r, p->name, &p->key),
				   context);
}

struct error *show_peer_address(struct request *r, const struct pubkey *key, const char *address,
				const char *error, int status)
{
	json_t *context, *form = json_pack("{s:s}", "addr", address ? address : "");
	struct peer_terms t;
	struct error *e;
	struct peer p;

	TRY(peer_get(request_conn(r)->local, key, &p));
	peers_put_name(request_conn(r), &p);
	TRY(peer_terms_get(request_conn(r)->local, key, &t));
	context = json_pack("{s:{s:b}}", "form", "read_only", p.read_only);
	if (error)
		json_object_set_new(form, "error", json_string(error));
	json_object_set_new(context, "address_form", form);
	e = fill_peer(r, context, &p, &t, false);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, status, "admin_peer_view", peers_name_of(r, p.name, &p.key),
				   context);
}

static struct error *view_page(struct request *r)
{
	struct peer_terms t;
	struct peer p;

	TRY(get_peer(r, &p));
	TRY(peer_terms_get(request_conn(r)->local, &p.key, &t));
	return show_peer(r, &p, &t, false, 200, NULL);
}

static struct error *preview_page(struct request *r)
{
	struct peer_terms t;
	struct peer p;

	TRY(get_peer(r, &p));
	TRY(peer_terms_get(request_conn(r)->local, &p.key, &t));
	return show_peer(r, &p, &t, true, 200, NULL);
}

static struct error *set_terms(struct request *r)
{
	struct peer_terms was, t;
	const char *error;
	struct error *e;
	struct peer p;
	int status;

	TRY(get_peer(r, &p));
	TRY(peer_terms_get(request_conn(r)->local, &p.key, &was));
	t = was;
	e = terms_read(r, &was, &t);
	p.read_only = field_set(r, "read_only");
	if (!e && terms_preview_asked(r))
		return show_peer(r, &p, &t, true, 200, NULL);
	if (!e)
		e = peers_set_terms(request_app(r), &p.key, &t, &p.read_only,
				    request_viewer(r)->secret);
	if (e && respond_form_error(r, e, &error, &status))
		return show_peer(r, &p, &t, false, status, error);
	TRY(e);
	return respond_done_saying(r, arena_printf(request_arena(r), "/admin/peers/%s", ID(&p.key)),
				   N_("The terms hold from now on."), NULL);
}

/* --- vouching --------------------------------------------------------------------------------- */

struct vouch_job {
	struct app *app;
	const struct peer *peer;
	const char *note; /* NULL: take it back */
};

static struct error *vouch_job(struct conn *c, void *arg)
{
	const struct vouch_job *j = arg;
	const struct pubkey *self = secret_pubkey(j->app->self);
	size_t n;

	if (!j->note)
		return trust_withdraw(c, self, &j->peer->key, &n);
	return trust_vouch(c, self,
			   &(struct trust_vouching){
				   .key = j->peer->key,
				   .name = j->peer->name,
				   .address = j->peer->address,
				   .note = j->note});
}

static struct error *say_vouch(struct request *r, bool on, const char *done)
{
	const char *note = request_field(r, "note");
	struct peer p;
	struct vouch_job j = {request_app(r), &p, on ? note ? note : "" : NULL};

	TRY(get_peer(r, &p));
	ENSURE(!on || *p.name, error_new(ERR_INVALID,
					 N_("This box has not said its name yet, and others would read "
					    "letters only. Vouch for it when you have met.")));
	TRY(on ? request_write(r, vouch_job, &j) : request_write_ending(r, vouch_job, &j));
	return respond_done_saying(r, arena_printf(request_arena(r), "/admin/peers/%s", ID(&p.key)),
				   done, NULL);
}

static struct error *vouch(struct request *r)
{
	return say_vouch(r, true, N_("This house vouches for it now."));
}

static struct error *unvouch(struct request *r)
{
	return say_vouch(r, false, N_("This house does not vouch for it any more."));
}

/* --- after a restore -------------------------------------------------------------------------- */

static struct error *still(struct request *r)
{
	struct pubkey key;

	TRY(peers_key_param(r, &key));
	TRY(peers_still(request_app(r), &key));
	return respond_done_saying(r, "/admin/peers", N_("The house is connected as before."),
				   NULL);
}

/* --- the end ---------------------------------------------------------------------------------- */

struct revocable {
	struct request *r;
	const struct pubkey *box;
	json_t *list; /* NULL: take what was ticked */
	struct hash chosen[LIMIT_SPACES];
	size_t n;
};

static struct error *look_at_revocable(void *ctx, const struct space_info *s)
{
	struct revocable *v = ctx;
	struct request *r = v->r;
	const struct secret *steward = request_viewer(r)->secret;
	char name[80];
	bool may;

	TRY(peers_may_revoke(request_conn(r), secret_pubkey(request_app(r)->self), &s->id, v->box,
			     steward ? secret_pubkey(steward) : NULL, &may));
	snprintf(name, sizeof(name), "revoke_%s", ID(&s->id));
	if (may && v->list)
		json_array_append_new(v->list,
				      json_pack("{s:s, s:s}", "id", ID(&s->id), "name", s->name));
	else if (may && field_set(r, name) && v->n < LIMIT_SPACES)
		v->chosen[v->n++] = s->id;
	return NULL;
}

static struct error *remove_page(struct request *r)
{
	struct peer p;
	struct revocable v = {.r = r, .box = &p.key};
	json_t *context;
	struct error *e;
	uint64_t kept;

	TRY(get_peer(r, &p));
	v.list = json_array();
	context = json_pack("{s:{s:s, s:s}, s:o}", "peer", "name", peers_name_of(r, p.name, &p.key),
			    "key", ID(&p.key), "revocable", v.list);
	e = space_each(request_conn(r), look_at_revocable, &v);
	if (!e)
		e = vouched_into(r, context, &p.key);
	if (e) {
		json_decref(context);
		return e;
	}
	json_object_set_new(context, "any_revocable", json_boolean(json_array_size(v.list)));
	kept = keep_bytes(request_app(r), &p.key);
	if (kept)
		json_object_set_new(context, "kept_text", json_string(request_size_text(r, kept)));
	return respond_page(r, "admin_peer_remove", request_text(r, N_("Other boxes")), context);
}

static struct error *remove_peer(struct request *r)
{
	struct peer p;
	struct revocable v = {.r = r, .box = &p.key};

	TRY(get_peer(r, &p));
	TRY(space_each(request_conn(r), look_at_revocable, &v));
	TRY(peers_withdraw(request_app(r),
			   &(struct peers_withdrawal){.key = p.key,
						      .revoke = v.chosen,
						      .n = v.n,
						      .steward = request_viewer(r)->secret,
						      .drop_kept = field_set(r, "drop_kept")}));
	return respond_done_saying(r, "/admin/peers", N_("The box is no longer approved."), NULL);
}

enum { HEAVY = ROUTE_VOLUNTEER | ROUTE_FRESH };
const struct route peer_routes[] = {
	{"GET", "/admin/peers/:key", view_page, ROUTE_VOLUNTEER},
	{"GET", "/admin/peers/:key/approve", approve_page, HEAVY},
	{"POST", "/admin/peers/:key/approve", approve, HEAVY},
	{"GET", "/admin/peers/:key/preview", preview_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers/:key/terms", set_terms, HEAVY},
	{"POST", "/admin/peers/:key/still", still, HEAVY},
	{"POST", "/admin/peers/:key/vouch", vouch, HEAVY},
	{"POST", "/admin/peers/:key/unvouch", unvouch, HEAVY},
	{"GET", "/admin/peers/:key/remove", remove_page, HEAVY},
	{"POST", "/admin/peers/:key/remove", remove_peer, HEAVY},
	{0},
};
