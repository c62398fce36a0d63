/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this box says, and the chains that others' sayings make. */
#include "appliance/trust/trust.h"

/* --- saying ----------------------------------------------------------------------------------- */

struct taking_back {
	struct conn *c;
	size_t n;
};

/* In a community where this box may not write any more nobody hears it: that must not keep a volunteer
 * from ending the trust here. */
static struct error *take_back(void *ctx, const struct vouch *v)
{
	struct taking_back *k = ctx;
	struct hash id;
	struct error *e = community_submit(k->c,
					   &(struct draft){.type = "trust.withdraw",
							   .space = v->space,
							   .object = &v->id,
							   .take_body = json_object()},
					   &id);

	k->n += !e;
	if (!error_is(e, ERR_NOT_ADMITTED) && !error_is(e, ERR_DENIED))
		return e;
	error_free(e);
	return NULL;
}

struct error *trust_withdraw(struct conn *c, const struct pubkey *self, const struct pubkey *key,
			     size_t *ret_n)
{
	struct taking_back k = {c, 0};

	TRY(vouch_of(c, self, key, take_back, &k));
	*ret_n = k.n;
	return NULL;
}

struct error *trust_vouch(struct conn *c, const struct pubkey *self,
			  const struct trust_vouching *what)
{
	struct space_info home;
	struct hash id;
	json_t *body;
	size_t n;

	TRY(space_home(c, &home));
	ENSURE(!home.is_private, error_new(ERR_INVALID, N_("The home community of this box is "
							   "private: others could not read it.")));
	TRY(trust_withdraw(c, self, &what->key, &n));
	body = json_pack("{s:s, s:s}", "key", ID(&what->key), "name", what->name);
	if (what->address && *what->address)
		json_object_set_new(body, "address", json_string(what->address));
	if (what->note && *what->note)
		json_object_set_new(body, "note", json_string(what->note));
	return community_submit(
		c, &(struct draft){.type = "trust.vouch", .space = home.id, .take_body = body},
		&id);
}

/* --- chains ----------------------------------------------------------------------------------- */

/* Boxes on the way back from the key, a ring's worth at a time: breadth first, so that the shortest
 * chains come first. */
struct step {
	struct vouch by;
	size_t next; /* of the step that this one is before; NONE: it is for the key itself */
	size_t depth;
};
enum { NONE = TRUST_LOOK };

struct search {
	struct conn *c;
	const struct pubkey *self, *key;
	struct step step[TRUST_LOOK];
	size_t n, at; /* at: whose vouchers are being looked for; NONE: the key's */
	size_t found;
	chain_fn *fn;
	void *ctx;
};

/* Is it on the way from here to the key already? */
static bool goes_round(const struct search *s, const struct pubkey *box)
{
	if (pubkey_eq(box, s->key))
		return true;
	for (size_t i = s->at; i != NONE; i = s->step[i].next)
		if (pubkey_eq(box, &s->step[i].by.box))
			return true;
	return false;
}

static struct error *give_chain(struct search *s, size_t from, bool self, const struct peer *root)
{
	struct trust_chain chain = {.self = self};

	if (root)
		chain.root = *root;
	for (size_t i = from; i != NONE && chain.n < TRUST_DEPTH; i = s->step[i].next)
		chain.link[chain.n++] = s->step[i].by;
	s->found++;
	return s->fn(s->ctx, &chain);
}

static struct error *look_at(void *ctx, const struct vouch *v)
{
	struct search *s = ctx;
	bool self = pubkey_eq(&v->box, s->self);
	struct peer root;
	struct error *e;

	if (s->n == TRUST_LOOK || s->found == TRUST_CHAINS || goes_round(s, &v->box))
		return NULL;
	s->step[s->n] = (struct step){
		.by = *v, .next = s->at, .depth = s->at == NONE ? 1 : s->step[s->at].depth + 1};
	s->n++;
	if (self)
		return give_chain(s, s->n - 1, true, NULL);
	e = peer_get(s->c->local, &v->box, &root);
	if (!e)
		return give_chain(s, s->n - 1, false, &root);
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	return NULL;
}

/* Who is known to us need not be vouched for. */
static struct error *is_known(struct search *s, const struct pubkey *box, bool *ret)
{
	struct peer p;
	struct error *e = peer_get(s->c->local, box, &p);

	*ret = !e || pubkey_eq(box, s->self);
	if (!e || error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	return e;
}

struct error *trust_chains(struct conn *c, const struct pubkey *self, const struct pubkey *key,
			   chain_fn *fn, void *ctx)
{
	_cleanup_(freep) struct search *s = calloc(1, sizeof(*s));
	bool known;

	if (!s)
		abort();
	*s = (struct search){.c = c, .self = self, .key = key, .at = NONE, .fn = fn, .ctx = ctx};
	TRY(vouch_for(c, key, TRUST_LOOK, look_at, s));
	for (size_t i = 0; i < s->n && s->found < TRUST_CHAINS; i++) {
		TRY(is_known(s, &s->step[i].by.box, &known));
		if (known || s->step[i].depth == TRUST_DEPTH)
			continue;
		s->at = i;
		TRY(vouch_for(c, &s->step[i].by.box, TRUST_LOOK, look_at, s));
	}
	return NULL;
}

/* --- whom they lead to ------------------------------------------------------------------------ */

/* The same way forwards. */
struct walk {
	struct conn *c;
	const struct pubkey *self;
	struct vouch found[TRUST_LOOK];
	size_t root[TRUST_LOOK]; /* the number of the peer that leads there */
	size_t n, roots, now;
};

static bool leads_to_enough(const struct walk *w)
{
	size_t led = 0;

	for (size_t i = 0; i < w->n; i++)
		led += w->root[i] == w->now;
	return w->n == TRUST_LOOK || led >= TRUST_OF_ONE;
}

/* The letters of its key are what a box is called of which nothing is known. */
static bool has_name(const struct vouch *v)
{
	return *v->name && strcmp(v->name, ID_SHORT(&v->key)) != 0;
}

static struct error *walk_on(void *ctx, const struct vouch *v)
{
	struct walk *w = ctx;
	struct peer p;
	struct error *e;

	if (leads_to_enough(w) || !has_name(v) || pubkey_eq(&v->key, w->self))
		return NULL;
	for (size_t i = 0; i < w->n; i++)
		if (pubkey_eq(&w->found[i].key, &v->key))
			return NULL;
	e = peer_get(w->c->local, &v->key, &p);
	if (!e) /* a peer: it begins chains of its own */
		return NULL;
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	w->root[w->n] = w->now;
	w->found[w->n++] = *v;
	return NULL;
}

static struct error *walk_from(void *ctx, const struct peer *p)
{
	struct walk *w = ctx;

	w->now = w->roots++;
	return vouch_by(w->c, &p->key, TRUST_LOOK, walk_on, w);
}

struct error *trust_vouched(struct conn *c, const struct pubkey *self, vouch_fn *fn, void *ctx)
{
	_cleanup_(freep) struct walk *w = calloc(1, sizeof(*w));
	size_t from = 0;

	if (!w)
		abort();
	*w = (struct walk){.c = c, .self = self};
	TRY(peer_each(c->local, walk_from, w));
	for (unsigned depth = 1; depth < TRUST_DEPTH; depth++) {
		size_t to = w->n;

		for (; from < to; from++) {
			w->now = w->root[from];
			TRY(vouch_by(c, &w->found[from].key, TRUST_LOOK, walk_on, w));
		}
	}
	for (size_t i = 0; i < w->n; i++)
		TRY(fn(ctx, &w->found[i]));
	return NULL;
}
