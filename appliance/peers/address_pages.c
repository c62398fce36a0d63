/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a peer is, on its page: what is known of each address, another one, and one to forget. */
#include "appliance/peers/peer_pages_priv.h"
#include "appliance/peers/peers_pages.h"

static json_t *address_json(struct request *r, const struct known_address *a)
{
	json_t *row = json_pack("{s:s, s:b, s:b, s:b}", "address", a->address, "by_hand",
				a->source == ADDRESS_BY_HAND, "stated", a->source == ADDRESS_STATED,
				"fails", a->failures > 0);

	if (a->last_ok_ms) {
		json_object_set_new(row, "ok", json_string(request_date(r, a->last_ok_ms)));
		json_object_set_new(row, "ok_text",
				    json_string(request_date_text(r, a->last_ok_ms)));
	}
	if (a->failures) {
		json_object_set_new(row, "tried", json_string(request_date(r, a->last_try_ms)));
		json_object_set_new(row, "tried_text",
				    json_string(request_date_text(r, a->last_try_ms)));
	}
	json_object_set_new(row, "untried", json_boolean(!a->last_try_ms && !a->last_ok_ms));
	return row;
}

struct error *addresses_into(struct request *r, json_t *context, const struct peer *p)
{
	struct known_address list[PEERS_ADDRESSES];
	json_t *rows = json_array();
	size_t n;

	json_object_set_new(context, "addresses", rows);
	TRY(peers_addresses(request_conn(r), p, list, &n));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, address_json(r, &list[i]));
	return NULL;
}

/* The address and the peer of the request. */
static struct error *read_both(struct request *r, struct pubkey *ret_key, const char **ret_address)
{
	const char *address = request_field(r, "addr");

	TRY(peers_key_param(r, ret_key));
	*ret_address = address ? address : "";
	return NULL;
}

static struct error *done(struct request *r, const struct pubkey *key, const char *said)
{
	return respond_done_saying(r, arena_printf(request_arena(r), "/admin/peers/%s", ID(key)),
				   said, NULL);
}

static struct error *set(struct request *r)
{
	const char *address, *text;
	struct pubkey key;
	struct error *e;
	int status;

	TRY(read_both(r, &key, &address));
	e = peers_set_address(request_app(r), &key, address);
	if (e && !error_is(e, ERR_NOT_FOUND) && respond_form_error(r, e, &text, &status))
		return show_peer_address(r, &key, address, text, status);
	TRY(e);
	return done(r, &key, N_("The address is saved. It is tried first."));
}

static struct error *forget(struct request *r)
{
	const char *address;
	struct pubkey key;

	TRY(read_both(r, &key, &address));
	TRY(peers_forget_address(request_app(r), &key, address));
	return done(r, &key, N_("The address is forgotten."));
}

const struct route address_routes[] = {
	{"POST", "/admin/peers/:key/address", set, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"POST", "/admin/peers/:key/address/forget", forget, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{0},
};
