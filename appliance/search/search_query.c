/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From what somebody typed to what is shown. The index says which; the live rows say what. */
#include "appliance/search/search_priv.h"
#include "appliance/forum/forum.h"
#include "appliance/library/library.h"

struct showing {
	struct conn *c;
	struct arena *a;
	int64_t row;
	const char *snippet;
	found_fn *fn;
	void *ctx;
};

static bool is_shown(struct showing *s, const struct post *p, const struct topic *t)
{
	return p->num == s->row && !p->hidden && !p->erased && !t->hidden;
}

static struct error *show_post(void *ctx, const struct post *p)
{
	struct showing *s = ctx;
	struct found f = {.id = p->id, .space = p->space, .time = p->time};
	struct topic t;

	TRY(topic_get(s->c, &p->topic, &t));
	if (!is_shown(s, p, &t))
		return NULL;
	f.opens = p->number == 1;
	f.title = arena_str(s->a, t.title);
	f.snippet_html = words_marked(s->a, s->snippet);
	return s->fn(s->ctx, &f);
}

static struct error *keep_time(void *ctx, const struct revision *r)
{
	int64_t *time = ctx;

	if (!*time)
		*time = r->time;
	return NULL;
}

static struct error *show_doc(struct showing *s)
{
	struct found f = {.doc = true};
	struct doc d;

	TRY(doc_of_row(s->c, s->row, &f.id));
	TRY(doc_get(s->c, s->a, &f.id, &d));
	if (d.hidden)
		return NULL;
	TRY(revision_each(s->c, s->a, &d, true, keep_time, &f.time));
	f.space = d.space;
	f.title = d.title;
	f.address = doc_address(s->a, &d);
	f.snippet_html = words_marked(s->a, s->snippet);
	return s->fn(s->ctx, &f);
}

static struct error *show(struct showing *s)
{
	struct error *e =
		s->row >= DOC_ROWS ? show_doc(s) : post_since(s->c, s->row - 1, 1, show_post, s);

	if (error_is(e, ERR_NOT_FOUND)) { /* it went meanwhile */
		error_free(e);
		return NULL;
	}
	return e;
}

/* Of rows that may be in different parts. */
static struct error *snippets(struct conn *c, struct arena *a, const char *typed,
			      const int64_t *rows, size_t n, const char **io)
{
	int64_t *parts = arena_array(a, int64_t, n);

	for (size_t i = 0; i < n; i++) {
		size_t before = 0;

		TRY(part_of(c, rows[i], &parts[i]));
		while (parts[before] != parts[i])
			before++;
		if (before == i)
			TRY(rows_snippets(c, a, words_query(a, typed, parts[i]), rows, n, io));
	}
	return NULL;
}

static struct error *show_some(struct showing *s, const struct question *q,
			       const struct found_rows *found)
{
	const int64_t *rows = found->rows + q->skip;
	size_t left = found->n - (size_t)q->skip, n = (size_t)q->n < left ? (size_t)q->n : left;
	const char **where = arena_array(s->a, const char *, n);

	TRY(snippets(s->c, s->a, q->typed, rows, n, where));
	for (size_t i = 0; i < n; i++) {
		s->row = rows[i];
		s->snippet = where[i];
		if (s->snippet)
			TRY(show(s));
	}
	return NULL;
}

struct error *search(struct conn *c, struct arena *a, const struct question *q, found_fn *fn,
		     void *ctx, struct findings *ret)
{
	struct showing s = {.c = c, .a = a, .fn = fn, .ctx = ctx};
	struct found_rows *found = arena_new(a, struct found_rows);

	TRY(parts_find(c, q, found));
	ret->count = (int64_t)found->n;
	ret->below = found->below;
	ret->more = found->below.post || found->below.doc;
	if (q->skip < 0 || q->n < 0 || q->skip >= ret->count)
		return NULL;
	return show_some(&s, q, found);
}
