/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/bundle/known.h"

/* --- frames to rows --------------------------------------------------------------------------- */

struct parsing {
	struct arena *a;
	struct buf heads, missing, spaces;
};

static bool is_spoken_of(const struct parsing *p, const struct hash *space)
{
	const struct hash *spaces = (const struct hash *)p->spaces.p;

	for (size_t i = 0; i < p->spaces.n / sizeof(*spaces); i++)
		if (hash_eq(&spaces[i], space))
			return true;
	return false;
}

/* The heads of a space may come in several frames. */
static void parse_heads(struct parsing *p, const struct frame *f)
{
	if (p->spaces.n < LIMIT_SPACES * sizeof(struct hash) && !is_spoken_of(p, &f->heads.space))
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

/* Who says two heads of one log is known to hold the lower. */
static size_t sort_heads(struct head *heads, size_t n)
{
	size_t kept = 0;

	heads_sort(heads, n);
	for (size_t i = 0; i < n; i++) {
		if (!kept || log_id_cmp(&heads[kept - 1].id, &heads[i].id) != 0)
			heads[kept++] = heads[i];
		else if (heads[i].seq < heads[kept - 1].seq)
			heads[kept - 1] = heads[i];
	}
	return kept;
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
		k->heads = arena_copy(a, p.heads.p, p.heads.n);
		k->n_heads = sort_heads(k->heads, p.heads.n / sizeof(struct head));
		k->missing = arena_copy(a, p.missing.p, p.missing.n);
		k->n_missing = p.missing.n / sizeof(struct known_missing);
		k->spaces = arena_copy(a, p.spaces.p, p.spaces.n);
		k->n_spaces = p.spaces.n / sizeof(struct hash);
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
