/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/bundle/known.h"

/* --- frames to rows --------------------------------------------------------------------------- */

struct parsing {
	struct arena *a;
	struct buf heads, missing, spaces;
};

static void parse_heads(struct parsing *p, const struct frame *f)
{
	const struct hash *seen = (const struct hash *)p->spaces.p;
	size_t n = p->spaces.n / sizeof(*seen);

	for (size_t i = 0; i < n; i++)
		if (hash_eq(&seen[i], &f->heads.space))
			n = SIZE_MAX - 1;
	if (n < LIMIT_SPACES)
		buf_add(&p->spaces, &f->heads.space, sizeof(f->heads.space));
	buf_add(&p->heads, f->heads.heads, f->heads.n * sizeof(struct head));
}

static void parse_missing(struct parsing *p, const struct frame *f)
{
	size_t n = f->missing.n * sizeof(struct seq_range);
	struct known_missing m = {.id = f->missing.id,
				  .ranges = arena_copy(p->a, f->missing.ranges, n),
				  .n = f->missing.n};

	buf_add(&p->missing, &m, sizeof(m));
}

static struct error *parse_frames(struct parsing *p, struct stream_reader *r)
{
	const struct frame *f;

	for (;;) {
		TRY(stream_next(r, &f));
		if (!f)
			return NULL;
		if (f->type == FRAME_HEADS)
			parse_heads(p, f);
		else if (f->type == FRAME_MISSING)
			parse_missing(p, f);
	}
}

static void *append(struct arena *a, const void *old, size_t n_old, const struct buf *more,
		    size_t size)
{
	uint8_t *all = arena_alloc(a, n_old * size + more->n + 1);

	if (n_old)
		memcpy(all, old, n_old * size);
	if (more->n)
		memcpy(all + n_old * size, more->p, more->n);
	return all;
}

struct error *known_parse(struct span frames, struct arena *a, struct known *k)
{
	_cleanup_(stream_reader_freep) struct stream_reader *r =
		stream_reader_new(FRAME_BIT(FRAME_HEADS) | FRAME_BIT(FRAME_MISSING));
	_cleanup_(buf_release) struct buf magic = {0};
	struct stream_writer begin;
	struct parsing p = {.a = a};
	struct error *e;

	stream_begin(&begin, &magic);
	stream_feed(r, buf_span(&magic));
	stream_feed(r, frames);
	e = parse_frames(&p, r);
	if (!e) {
		k->heads = append(a, k->heads, k->n_heads, &p.heads, sizeof(struct head));
		k->n_heads += p.heads.n / sizeof(struct head);
		k->missing = append(a, k->missing, k->n_missing, &p.missing,
				    sizeof(struct known_missing));
		k->n_missing += p.missing.n / sizeof(struct known_missing);
		k->spaces = append(a, k->spaces, k->n_spaces, &p.spaces, sizeof(struct hash));
		k->n_spaces += p.spaces.n / sizeof(struct hash);
		heads_sort(k->heads, k->n_heads);
	}
	buf_release(&p.heads);
	buf_release(&p.missing);
	buf_release(&p.spaces);
	return e;
}

/* --- which is later --------------------------------------------------------------------------- */

/* Does it hold something of what the peer wrote in this incarnation? */
static bool knows(const struct known *k, const struct pubkey *peer, uint64_t incarnation)
{
	for (size_t i = 0; i < k->n_heads; i++)
		if (k->heads[i].id.incarnation == incarnation &&
		    pubkey_eq(&k->heads[i].id.appliance, peer))
			return true;
	return false;
}

/* Is everything that x says it held also said by y? */
static bool covers(const struct known *y, const struct known *x)
{
	for (size_t i = 0; i < x->n_heads; i++) {
		const struct head *h = heads_find(y->heads, y->n_heads, &x->heads[i].id);

		if (!h || h->seq < x->heads[i].seq)
			return false;
	}
	return true;
}

enum known_verdict known_weigh(const struct known *stored, const struct known *claimed,
			       const struct pubkey *peer)
{
	bool back, on;

	if (stored->serial == KNOWN_OF_SEVERAL)
		return KNOWN_LOWER;
	if (!stored->incarnation)
		return covers(claimed, stored) ? KNOWN_REPLACE : KNOWN_LOWER;
	if (stored->incarnation == claimed->incarnation && !stored->serial)
		return covers(claimed, stored) ? KNOWN_REPLACE : KNOWN_IGNORE;
	if (stored->incarnation == claimed->incarnation)
		return claimed->serial > stored->serial ? KNOWN_REPLACE : KNOWN_IGNORE;
	on = knows(claimed, peer, stored->incarnation);
	back = knows(stored, peer, claimed->incarnation);
	if (on != back)
		return on ? KNOWN_REPLACE : KNOWN_IGNORE;
	return KNOWN_LOWER;
}

void known_lower(const struct known *x, const struct known *y, struct arena *a, struct known *ret)
{
	bool was_met = x->incarnation && !x->serial;
	struct known k = {.when_ms = y->when_ms};
	size_t n = x->n_missing + y->n_missing;

	if (was_met || x->serial == KNOWN_OF_SEVERAL)
		k.serial = KNOWN_OF_SEVERAL;

	if (n > KNOWN_WISHES) {
		*ret = k;
		return;
	}
	k.heads = arena_array(a, struct head, x->n_heads + 1);
	for (size_t i = 0; i < x->n_heads; i++) {
		const struct head *h = heads_find(y->heads, y->n_heads, &x->heads[i].id);

		if (h)
			k.heads[k.n_heads++] = h->seq < x->heads[i].seq ? *h : x->heads[i];
	}
	k.missing = arena_array(a, struct known_missing, n + 1);
	for (size_t i = 0; i < n; i++)
		k.missing[k.n_missing++] =
			i < x->n_missing ? x->missing[i] : y->missing[i - x->n_missing];
	k.spaces = arena_array(a, struct hash, x->n_spaces + 1);
	for (size_t i = 0; i < x->n_spaces; i++)
		for (size_t j = 0; j < y->n_spaces; j++)
			if (hash_eq(&x->spaces[i], &y->spaces[j]))
				k.spaces[k.n_spaces++] = x->spaces[i];
	*ret = k;
}
