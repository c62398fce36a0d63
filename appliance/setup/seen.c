/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Another house's box, chosen from those that are seen on this network. Anybody can announce
 * anybody's name and key, so nothing is exchanged by choosing it: the new box is made without a
 * peer, and then shows the page on which people compare six digits, as for any box that is found.
 */
#include "appliance/peers/peers.h"
#include "appliance/setup/setup_priv.h"

size_t setup_seen(const struct setup *s, struct found_box *out, size_t max)
{
	if (s->o.seen)
		return s->o.seen(s->o.seen_ctx, out, max);
	return s->look ? sync_look_found(s->look, out, max) : 0;
}

bool setup_seen_one(const struct setup *s, const char *key, struct found_box *ret)
{
	_cleanup_(freep) struct found_box *found = calloc(LIMIT_DISCOVERED, sizeof(*found));
	struct pubkey wanted;
	size_t n;

	if (!found)
		abort();
	if (!id_parse(key, wanted.b))
		return false;
	n = setup_seen(s, found, LIMIT_DISCOVERED);
	for (size_t i = 0; i < n; i++)
		if (pubkey_eq(&found[i].key, &wanted)) {
			*ret = found[i];
			return true;
		}
	return false;
}

const char *setup_meet_path(struct request *r, const struct found_box *f)
{
	struct arena *a = request_arena(r);

	return arena_printf(a, "/setup/progress?meet=%s&addr=%s", ID(&f->key),
			    url_encode(a, f->address));
}

const char *setup_met(struct request *r)
{
	const char *meet = request_query(r, "meet"), *addr = request_query(r, "addr");
	struct arena *a = request_arena(r);
	struct pubkey key;

	if (!meet || !addr || !id_parse(meet, key.b) || !peers_address_ok(addr))
		return NULL;
	return arena_printf(a, "/admin/peers/%s/approve?addr=%s&first=1", ID(&key),
			    url_encode(a, addr));
}
