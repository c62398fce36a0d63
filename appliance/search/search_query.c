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

struct error *search(struct conn *c, struct arena *a, const char *typed, int64_t skip, int64_t n,
		     found_fn *fn, void *ctx, int64_t *ret_count)
{
	struct showing s = {.c = c, .a = a, .fn = fn, .ctx = ctx};
	int64_t *rows = arena_array(a, int64_t, SEARCH_COUNT_MAX);
	const char *query = words_query(a, typed), **snippets;
	size_t found = 0, here;

	if (query)
		TRY(rows_find(c, query, rows, &found));
	*ret_count = (int64_t)found;
	if (skip < 0 || n < 0 || skip >= (int64_t)found)
		return NULL;
	here = (size_t)n < found - (size_t)skip ? (size_t)n : found - (size_t)skip;
	snippets = arena_array(a, const char *, here);
	TRY(rows_snippets(c, a, query, rows + skip, here, snippets));
	for (size_t i = 0; i < here; i++) {
		s.row = rows[(size_t)skip + i];
		s.snippet = snippets[i];
		if (s.snippet)
			TRY(show(&s));
	}
	return NULL;
}
