/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/number_pages.h"
#include "appliance/peers/peer_pages_priv.h"
#include "appliance/peers/peers_pages.h"
#include <ctype.h>

/* --- showing it ------------------------------------------------------------------------------- */

static const char *const state_names[] = {
	[PAIR_NONE] = "none",	  [PAIR_WAITS] = "waits", [PAIR_SHOWN] = "shown",
	[PAIR_BROKEN] = "broken", [PAIR_OVER] = "over",
};

static json_t *view_json(struct request *r, const struct number_page *n, const struct pair_view *v)
{
	json_t *o = json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:b}", "key", ID(&n->key), "next",
			      n->next, "older", v->older, "anew", v->anew, "behind", v->behind,
			      "unknown", !v->called, "again",
			      v->state == PAIR_BROKEN || v->state == PAIR_OVER || v->anew);

	json_object_set_new(o, state_names[v->state], json_true());
	if (v->state == PAIR_SHOWN)
		json_object_set_new(o, "number", json_string(v->number));
	if (v->state == PAIR_WAITS && v->error[0])
		json_object_set_new(o, "error", json_string(request_stored_text(r, v->error)));
	if (*n->typed && strcmp(n->typed, n->address) != 0 &&
	    (v->state == PAIR_NONE || v->state == PAIR_WAITS))
		json_object_set_new(o, "typed", json_string(n->typed));
	return o;
}

/* To open a page begins nothing: a picture in a text, or a link that was sent, opens pages, too,
 * and each attempt is one more draw for who stands between. Nor does an address that the page
 * itself names lead this box anywhere. */
static struct error *look(struct request *r, const struct number_page *n, struct pair_view *ret)
{
	const struct app *a = request_app(r);

	ENSURE(a->sync,
	       error_new(ERR_BUSY, N_("This box does not meet other boxes at the moment. Compare"
				      " the whole key.")));
	sync_pair_known_at(a->sync, &n->key, n->address);
	sync_pair_look(a->sync, &n->key, ret);
	return ret->state == PAIR_NONE ? sync_pair_may_begin(a->sync) : NULL;
}

void number_into(struct request *r, json_t *context, const struct number_page *n)
{
	struct pair_view v = {.state = PAIR_NONE};
	struct error *e = look(r, n, &v);
	bool busy = v.state == PAIR_WAITS, still = request_query(r, "still") != NULL;
	json_t *o = view_json(r, n, &v);

	if (e)
		json_object_set_new(o, "limit", json_string(request_error_text(r, e)));
	json_object_set_new(context, "pairing", o);
	json_object_set_new(context, "compared", json_boolean(v.state == PAIR_SHOWN));
	json_object_set_new(context, "refresh", json_boolean(busy && !still));
	json_object_set_new(context, "still", json_boolean(busy && still));
}

/* --- was it compared? ------------------------------------------------------------------------- */

static bool ticked(struct request *r)
{
	const char *same = request_field(r, "same");

	return same && *same == '1';
}

bool number_by_key(struct request *r)
{
	return request_field(r, "whole") || request_query(r, "whole");
}

/* People type keys in groups, and phones begin with a capital. */
static bool is_key(const char *typed, const struct pubkey *key)
{
	enum { LETTERS = BASE32_LEN(32) };
	char letters[LETTERS + 1];
	struct pubkey k;
	size_t n = 0;

	for (; *typed && n < LETTERS; typed++)
		if (!isspace((unsigned char)*typed) && *typed != '-')
			letters[n++] = (char)tolower((unsigned char)*typed);
	letters[n] = 0;
	typed += strspn(typed, " \t\r\n");
	return !*typed && id_parse(letters, k.b) && pubkey_eq(&k, key);
}

static const char *missing(struct request *r, const char *field, const char *msgid)
{
	request_wrong_is(r, field);
	return request_text(r, msgid);
}

static const char *key_missing(struct request *r, const struct pubkey *key)
{
	const char *typed = request_field(r, "whole");

	if (!typed || !*typed)
		return missing(r, "whole",
			       N_("Type the key of the other box, as a person of its house gave it to "
				  "you."));
	if (!is_key(typed, key))
		return missing(r, "whole",
			       N_("That is not the key of this box. Type all 52 letters and digits as"
				  " the other house gave them to you. If they are right, this is"
				  " another box: do not connect."));
	if (!ticked(r))
		return missing(r, "same",
			       N_("Tick that a person of the other house gave you the key, if one"
				  " did."));
	return NULL;
}

const char *number_missing(struct request *r, const struct pubkey *key, enum peer_how *ret_how)
{
	const char *said = request_field(r, "number");
	const struct app *a = request_app(r);
	struct pair_view v = {.state = PAIR_NONE};

	*ret_how = number_by_key(r) ? PEER_BY_HAND : PEER_BY_NUMBER;
	if (number_by_key(r))
		return key_missing(r, key);
	if (a->sync)
		sync_pair_look(a->sync, key, &v);
	if (v.state != PAIR_SHOWN)
		return request_text(
			r, N_("Compare the number with the people of the other box first, then"
			      " tick that it is the same."));
	if (!ticked(r))
		return missing(r, "same",
			       N_("Compare the number with the people of the other box first, then"
				  " tick that it is the same."));
	if (!said || strcmp(said, v.number) != 0)
		return missing(r, "same",
			       N_("The number is another one meanwhile. Compare the one that is"
				  " shown now."));
	return NULL;
}

/* --- a box that is connected already, or just the number -------------------------------------- */

struct knocking {
	const struct pubkey *key;
	struct peer *p;
};

static struct error *look_at_knock(void *ctx, const struct knock *k)
{
	const struct knocking *l = ctx;

	if (pubkey_eq(&k->key, l->key) && !*l->p->address) {
		snprintf(l->p->address, sizeof(l->p->address), "%s", k->address);
		snprintf(l->p->name, sizeof(l->p->name), "%s", k->name);
	}
	return NULL;
}

static struct error *number_page(struct request *r)
{
	struct conn *c = request_conn(r);
	struct peer p = {.name = ""};
	struct knocking l = {&p.key, &p};
	char address[PEER_ADDRESS] = "";
	json_t *context;
	struct error *e;
	bool stranger;

	TRY(peers_key_param(r, &p.key));
	ENSURE(!pubkey_eq(&p.key, secret_pubkey(request_app(r)->self)),
	       error_new(ERR_INVALID,
			 N_("That is this box's own key. Ask the other box for its key.")));
	e = peer_get(c->local, &p.key, &p);
	stranger = e != NULL;
	error_free(e);
	if (stranger)
		TRY(knock_each(c->local, look_at_knock, &l));
	error_free(peers_reach_at(request_app(r), c, &p.key, address, sizeof(address)));
	context = json_pack("{s:{s:s, s:s, s:s}}", "peer", "name", peers_name_of(r, p.name, &p.key),
			    "key", ID(&p.key), "short", ID_SHORT(&p.key));
	number_into(
		r, context,
		&(struct number_page){.key = p.key,
				      .address = *address ? address : p.address,
				      .typed = "",
				      .next = arena_printf(request_arena(r),
							   "/admin/peers/%s/number", ID(&p.key))});
	return respond_page(r, "admin_peer_number", request_text(r, N_("A number to compare")),
			    context);
}

/* A number; another one; or the same one at an address that was typed. */
static struct error *number_wanted(struct request *r)
{
	const char *addr = request_field(r, "addr"), *first = request_field(r, "begin");
	const struct app *a = request_app(r);
	const char *next;
	struct pubkey key;

	TRY(peers_key_param(r, &key));
	next = arena_printf(request_arena(r), "/admin/peers/%s/number", ID(&key));
	addr = addr ? addr : "";
	ENSURE(!*addr || peers_address_ok(addr),
	       error_new(ERR_INVALID,
			 N_("“%s” is not an address. It looks like 192.168.1.20:8443."), addr));
	ENSURE(a->sync,
	       error_new(ERR_BUSY, N_("This box does not meet other boxes at the moment. Compare"
				      " the whole key.")));
	TRY(sync_pair_begin(a->sync, &key, addr, !*addr && !first));
	if (*addr)
		sync_pair_call(a->sync, &key, addr);
	return respond_done(r, request_local_path(r, request_field(r, "next"), next),
			    json_object());
}

const struct route number_routes[] = {
	{"GET", "/admin/peers/:key/number", number_page, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/peers/:key/number", number_wanted, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{0},
};
