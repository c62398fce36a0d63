/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a peer is: what a volunteer says of it goes before what was heard. */
#include "appliance/peers/peers_priv.h"

bool peers_address_ok(const char *s)
{
	const char *colon = strrchr(s, ':');
	char *end;
	long port;

	if (!colon || colon == s || strlen(s) >= sizeof(((struct peer *)0)->address))
		return false;
	port = strtol(colon + 1, &end, 10);
	return colon[1] && !*end && port > 0 && port < 65536 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%") ==
		       strlen(s);
}

struct error *peers_check_address(const char *address)
{
	ENSURE(peers_address_ok(address),
	       error_new(ERR_INVALID,
			 N_("“%s” is not an address. It looks like 192.168.1.20:8443."), address));
	return NULL;
}

struct address_job {
	const struct pubkey *key;
	const char *address;
};

/* What only the table of peers knows so far, because it was not tried yet. */
static struct error *keep_old(struct conn *c, const struct peer *p)
{
	struct known_address all[PEERS_ADDRESSES];
	size_t n;

	TRY(peers_addresses(c, p, all, &n));
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].address, p->address) == 0)
			TRY(address_put(c->local, &p->key, &all[i]));
	return NULL;
}

static struct error *set_job(struct conn *c, void *arg)
{
	const struct address_job *j = arg;
	struct peer p;

	TRY(peer_get(c->local, j->key, &p));
	TRY(keep_old(c, &p));
	TRY(address_by_hand(c->local, &p.key, j->address));
	snprintf(p.address, sizeof(p.address), "%s", j->address);
	return peer_put(c->local, &p);
}

/* The table of peers names the one that is left of those that are good for something. */
static struct error *forget_job(struct conn *c, void *arg)
{
	const struct address_job *j = arg;
	struct known_address left[KNOWN_ADDRESSES];
	struct peer p;
	struct error *e;
	bool was;
	size_t n;

	TRY(peer_get(c->local, j->key, &p));
	was = strcmp(p.address, j->address) == 0;
	e = address_remove(c->local, &p.key, j->address);
	if (was && error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		e = NULL;
	}
	TRY(e);
	if (!was)
		return NULL;
	p.address[0] = 0;
	TRY(address_list(c->local, &p.key, left, &n));
	for (size_t i = 0; i < n && !*p.address; i++)
		if (left[i].source == ADDRESS_BY_HAND || left[i].last_ok_ms)
			memcpy(p.address, left[i].address, sizeof(p.address));
	return peer_put(c->local, &p);
}

static struct error *change(struct app *a, write_fn *fn, const struct pubkey *key,
			    const char *address)
{
	struct address_job j = {key, address};

	TRY(writer_run(a->writer, fn, &j));
	peers_tell_sync(a);
	return NULL;
}

struct error *peers_set_address(struct app *a, const struct pubkey *key, const char *address)
{
	TRY(peers_check_address(address));
	return change(a, set_job, key, address);
}

struct error *peers_forget_address(struct app *a, const struct pubkey *key, const char *address)
{
	return change(a, forget_job, key, address);
}

struct error *peers_addresses(struct conn *c, const struct peer *p,
			      struct known_address out[PEERS_ADDRESSES], size_t *ret_n)
{
	bool listed = !*p->address;
	size_t n;

	TRY(address_list(c->local, &p->key, out, &n));
	for (size_t i = 0; i < n; i++)
		listed |= strcmp(out[i].address, p->address) == 0;
	if (!listed) { /* and so not tried yet: it will be the first */
		memmove(&out[1], &out[0], n++ * sizeof(*out));
		out[0] = (struct known_address){.source = ADDRESS_MET};
		snprintf(out[0].address, sizeof(out->address), "%s", p->address);
	}
	*ret_n = n;
	return NULL;
}
