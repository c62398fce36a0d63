/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which rows fit: part after part, what came here last first, until enough were weighed or the time
 * is up. Posts and documents have each their own bound, and take turns, so that very many of the
 * one leave room for the other.
 */
#include "appliance/search/search_priv.h"
#include "sync/base/env.h"

/* Going through the parts of the one kind. */
struct kind {
	int64_t zero;  /* its rows are above */
	int64_t below; /* those from here on were looked through */
	size_t weighed;
	bool more;
};

struct looking {
	struct conn *c;
	const struct question *q;
	struct buf unseen;
	struct arena arena; /* of the part in hand */
	struct kind posts, docs;
	struct fits fits;
};

static void looking_release(struct looking *l)
{
	buf_release(&l->unseen);
	arena_release(&l->arena);
	free(l->fits.p);
}

struct fit *fits_add(struct fits *l)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->p = realloc(l->p, l->cap * sizeof(*l->p));
		if (!l->p)
			abort();
	}
	return &l->p[l->n++];
}

static struct error *look(struct looking *l, struct kind *k)
{
	size_t most = SEARCH_WEIGHED_MAX - k->weighed, before = l->fits.n;
	int64_t row, part;

	TRY(row_below(l->c, k->below, &row));
	k->more = row > k->zero;
	if (!k->more || !most)
		return NULL;
	TRY(part_of(l->c, row, &part));
	TRY(rows_find(l->c, words_query(&l->arena, l->q->typed, part), buf_str(&l->unseen), k->below,
		      most, &l->fits));
	arena_release(&l->arena);
	k->weighed += l->fits.n - before;
	k->below = l->fits.n - before == most ? l->fits.p[l->fits.n - 1].row : part;
	return NULL;
}

static bool goes_on(const struct kind *k)
{
	return k->more && k->weighed < SEARCH_WEIGHED_MAX;
}

static struct error *look_through(struct looking *l)
{
	int64_t until = env_mono(l->c->env) + l->q->ms;

	do {
		if (goes_on(&l->posts))
			TRY(look(l, &l->posts));
		if (goes_on(&l->docs))
			TRY(look(l, &l->docs));
	} while ((goes_on(&l->posts) || goes_on(&l->docs)) && env_mono(l->c->env) < until);
	return NULL;
}

/* Where the next question goes on; 0: there is nothing more. */
static struct error *rest_of(struct looking *l, struct kind *k, int64_t *ret)
{
	int64_t row = 0;

	if (k->more)
		TRY(row_below(l->c, k->below, &row));
	*ret = row > k->zero ? k->below - k->zero : 0;
	return NULL;
}

static struct kind begin(int64_t zero, const int64_t *below)
{
	int64_t from = !below || *below > DOC_ROWS ? DOC_ROWS : *below < 0 ? 0 : *below;

	return (struct kind){.zero = zero, .below = zero + from, .more = true};
}

/* --- the best of them --- */

static int by_score(const void *a, const void *b)
{
	const struct fit *x = a, *y = b;

	return (x->score > y->score) - (x->score < y->score);
}

static int by_rank(const void *a, const void *b)
{
	const struct best *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return memcmp(&x->id, &y->id, sizeof(x->id));
}

/* The best SEARCH_COUNT_MAX, and what is as good as the last of them. */
static size_t among_the_best(struct fits *l)
{
	size_t n = l->n < SEARCH_COUNT_MAX ? l->n : SEARCH_COUNT_MAX;

	if (l->n)
		qsort(l->p, l->n, sizeof(*l->p), by_score);
	while (n && n < l->n && l->p[n].score <= l->p[n - 1].score)
		n++;
	return n;
}

static struct error *best_of(struct conn *c, struct fits *l, struct found_rows *ret)
{
	size_t n = among_the_best(l);
	_cleanup_(freep) struct best *best = calloc(n + 1, sizeof(*best));

	if (!best)
		abort();
	for (size_t i = 0; i < n; i++) {
		best[i] = (struct best){.row = l->p[i].row, .score = l->p[i].score};
		TRY(row_rank(c, &best[i]));
	}
	qsort(best, n, sizeof(*best), by_rank);
	ret->n = n < SEARCH_COUNT_MAX ? n : SEARCH_COUNT_MAX;
	for (size_t i = 0; i < ret->n; i++)
		ret->rows[i] = best[i].row;
	return NULL;
}

struct error *parts_find(struct conn *c, const struct question *q, struct found_rows *ret)
{
	_cleanup_(looking_release) struct looking l = {
		.c = c,
		.q = q,
		.posts = begin(0, q->below ? &q->below->post : NULL),
		.docs = begin(DOC_ROWS, q->below ? &q->below->doc : NULL),
	};

	*ret = (struct found_rows){.n = 0};
	if (!words_query(&l.arena, q->typed, 0))
		return NULL;
	TRY(conn_unseen(c, &l.unseen));
	TRY(look_through(&l));
	TRY(rest_of(&l, &l.posts, &ret->below.post));
	TRY(rest_of(&l, &l.docs, &ret->below.doc));
	return best_of(c, &l.fits, ret);
}
