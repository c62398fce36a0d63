/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/reach_pages.h"
#include "appliance/page/language.h"
#include "appliance/peers/peers.h"
#include "appliance/peers/reach.h"
#include "sync/base/day.h"
#include <inttypes.h>

enum { MB = 1000000 };

struct page {
	struct request *r;
	json_t *peers;
};

static const char *date_or_nothing(struct request *r, int64_t ms)
{
	return ms ? request_date_text(r, ms) : "";
}

/* --- where they are --- */
static struct error *addresses_json(struct request *r, const struct peer *p, json_t **ret)
{
	struct known_address list[PEERS_ADDRESSES];
	json_t *rows;
	size_t n;

	TRY(peers_addresses(request_conn(r), p, list, &n));
	rows = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows,
				      json_pack("{s:s, s:s, s:b, s:b}", "address", list[i].address,
						"ok_text", date_or_nothing(r, list[i].last_ok_ms),
						"fails", list[i].failures > 0, "stated",
						list[i].source == ADDRESS_STATED));
	*ret = rows;
	return NULL;
}

static struct error *heard_json(struct request *r, const struct pubkey *key, json_t **ret)
{
	char via[LIMIT_NAME + 1];
	struct heard h;
	bool any;

	TRY(reach_heard(request_conn(r), key, &h, via, &any));
	*ret = any ? json_pack("{s:s, s:I, s:s, s:s}", "via", via, "entries", (json_int_t)h.entries,
			       "newest_text", request_date_text(r, h.newest_ms), "when_text",
			       request_date_text(r, h.when_ms))
		   : json_null();
	return NULL;
}

static json_t *allowance_json(const struct allowance *a)
{
	json_t *form = json_pack("{s:s}", "budget", "");
	char text[24];

	if (a->day_bytes) {
		snprintf(text, sizeof(text), "%" PRIu64, (a->day_bytes + MB - 1) / MB);
		json_object_set_new(form, "budget", json_string(text));
	}
	snprintf(text, sizeof(text), "%d", a->from);
	json_object_set_new(form, "from", json_string(text));
	snprintf(text, sizeof(text), "%d", a->to);
	json_object_set_new(form, "to", json_string(text));
	return form;
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct page *page = ctx;
	json_t *addresses, *heard = NULL;
	struct allowance a;
	struct error *e;

	TRY(allowance_get(request_conn(page->r)->local, &p->key, &a));
	TRY(addresses_json(page->r, p, &addresses));
	e = heard_json(page->r, &p->key, &heard);
	if (e) {
		json_decref(addresses);
		return e;
	}
	json_array_append_new(page->peers,
			      json_pack("{s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:s}", "name",
					*p->name ? p->name : ID_SHORT(&p->key), "key", ID(&p->key),
					"short", ID_SHORT(&p->key), "met", p->last_ok_ms != 0,
					"met_text", date_or_nothing(page->r, p->last_ok_ms),
					"addresses", addresses, "heard", heard, "form",
					allowance_json(&a), "error",
					request_stored_text(page->r, p->last_error)));
	return NULL;
}

/* --- the page --- */
static json_t *uplink_json(const struct uplink *u)
{
	json_t *form = allowance_json(&u->all);

	json_object_set_new(form, "metered", json_boolean(u->metered));
	json_object_set_new(form, "tunnel", json_boolean(u->tunnel));
	json_object_set_new(form, "proxy", json_string(u->proxy));
	json_object_set_new(form, "proxy_user", json_string(u->proxy_user));
	json_object_set_new(form, "has_password", json_boolean(u->has_password));
	json_object_set_new(form, "address", json_string(u->address[0]));
	json_object_set_new(form, "address2", json_string(u->address[1]));
	return form;
}

static struct error *show(struct request *r, int status, json_t *take_form)
{
	struct page page = {.r = r};
	struct conn *c = request_conn(r);
	char used_text[LANGUAGE_TEXT];
	struct uplink u;
	uint64_t used;
	int64_t now = env_now(c->env), wait;
	struct error *e = uplink_get(c->local, &u);

	if (!e)
		e = reach_used(c, &used);
	page.peers = json_array();
	if (!e)
		e = peer_each(c->local, add_peer, &page);
	if (e) {
		json_decref(page.peers);
		json_decref(take_form);
		return e;
	}
	wait = u.metered
		       ? allowance_wait(&u.all, used, minute_of_day(now), day_left(now))
		       : 0;
	return respond_page_status(
		r, status, "admin_reach", request_text(r, N_("How other boxes are reached")),
		json_pack("{s:o, s:o, s:I, s:s, s:b, s:s}", "form",
			  take_form ? take_form : uplink_json(&u), "peers", page.peers, "used",
			  (json_int_t)used, "used_text",
			  language_size(request_language(r), used, used_text, sizeof(used_text)),
			  "closed",
			  wait > 0, "open_text", wait ? request_date_text(r, now + wait) : ""));
}

static struct error *reach_page(struct request *r)
{
	return show(r, 200, NULL);
}

/* --- setting it --- */
static const char *field(struct request *r, const char *name)
{
	const char *s = request_field(r, name);

	return s ? s : "";
}

static bool number(const char *text, unsigned long most, unsigned long *ret)
{
	char *end;

	*ret = 0;
	if (!*text)
		return true;
	if (*text < '0' || *text > '9' || strlen(text) > 9)
		return false;
	*ret = strtoul(text, &end, 10);
	return !*end && *ret <= most;
}

static struct error *read_allowance(struct request *r, struct allowance *ret)
{
	unsigned long budget, from, to;

	ENSURE(number(field(r, "budget"), 999999999, &budget),
	       error_new(ERR_INVALID, N_("How much a day is a number of megabytes, such as 200.")));
	ENSURE(number(field(r, "from"), 23, &from) && number(field(r, "to"), 23, &to),
	       error_new(ERR_INVALID, N_("An hour is a number from 0 to 23.")));
	*ret = (struct allowance){(uint64_t)budget * MB, (int)from, (int)to};
	return NULL;
}

static struct error *read_uplink(struct request *r, struct uplink *ret,
				 char password[PROXY_PASSWORD])
{
	struct uplink u = {.metered = strcmp(field(r, "metered"), "1") == 0}, before;

	/* That a tunnel ends on this machine its own people set there, at the command line. */
	TRY(uplink_get(request_conn(r)->local, &before));
	u.tunnel = before.tunnel;
	TRY(read_allowance(r, &u.all));
	ENSURE(strlen(field(r, "address")) < PEER_ADDRESS &&
		       strlen(field(r, "address2")) < PEER_ADDRESS &&
		       strlen(field(r, "proxy_user")) < sizeof(u.proxy_user) &&
		       strlen(field(r, "proxy_password")) < PROXY_PASSWORD,
	       error_new(ERR_INVALID, N_("That is longer than any address.")));
	snprintf(u.proxy_user, sizeof(u.proxy_user), "%s", field(r, "proxy_user"));
	snprintf(password, PROXY_PASSWORD, "%s", field(r, "proxy_password"));
	TRY(proxy_parse(field(r, "proxy"), &u, password));
	snprintf(u.address[0], PEER_ADDRESS, "%s", field(r, "address"));
	snprintf(u.address[1], PEER_ADDRESS, "%s", field(r, "address2"));
	*ret = u;
	return uplink_check(ret);
}

/* What was typed, without a password that may be in it. */
static const char *typed_proxy(struct request *r)
{
	const char *text = field(r, "proxy"), *at = strrchr(text, '@');

	return at ? at + 1 : text;
}

static json_t *typed(struct request *r, const char *error)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "metered",
			 strcmp(field(r, "metered"), "1") == 0, "budget", field(r, "budget"),
			 "from", field(r, "from"), "to", field(r, "to"), "proxy", typed_proxy(r),
			 "proxy_user", field(r, "proxy_user"), "address", field(r, "address"),
			 "address2", field(r, "address2"), "error", error);
}

static struct error *set(struct request *r)
{
	bool forget = strcmp(field(r, "proxy_forget"), "1") == 0;
	char password[PROXY_PASSWORD] = "";
	const char *text;
	struct uplink u;
	int status;
	struct error *e = read_uplink(r, &u, password);

	if (!e)
		e = reach_set(request_app(r), &u, *password || forget ? password : NULL);
	crypto_wipe(password, sizeof(password));
	if (!e)
		return respond_done_saying(r, "/admin/reach", N_("It is set."), NULL);
	if (respond_form_error(r, e, &text, &status))
		return show(r, status, typed(r, text));
	return e;
}

static struct error *set_peer(struct request *r)
{
	const char *text = request_param(r, "key");
	struct allowance a;
	struct pubkey key;

	ENSURE(id_parse(text, key.b),
	       error_new(ERR_NOT_FOUND, N_("“%s” is not a box's key."), text));
	TRY(read_allowance(r, &a));
	TRY(reach_allow(request_app(r), &key, &a));
	return respond_done_saying(r, "/admin/reach", N_("It is set."), NULL);
}

const struct route reach_routes[] = {
	{"GET", "/admin/reach", reach_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/reach", set, ROUTE_VOLUNTEER},
	{"POST", "/admin/reach/:key", set_peer, ROUTE_VOLUNTEER},
	{0},
};
