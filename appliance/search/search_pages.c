/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/search/search_pages.h"
#include "appliance/library/library_pages.h"
#include "appliance/search/search.h"

struct results {
	struct request *r;
	struct hash home;
	json_t *list;
};

static const char *url_of_doc(struct results *s, const struct found *f)
{
	struct library_place p = {.path = f->address, .base = "/library"};

	if (!hash_eq(&f->space, &s->home))
		p.base = arena_printf(request_arena(s->r), "/library/@%s", ID_SHORT(&f->space));
	return library_url(s->r, &p, f->address);
}

/* /post/ID knows on which page of the topic the post is when somebody goes there. */
static const char *url_of(struct results *s, const struct found *f)
{
	if (f->doc)
		return url_of_doc(s, f);
	return arena_printf(request_arena(s->r), "/%s/%s", f->opens ? "topic" : "post", ID(&f->id));
}

static struct error *add_result(void *ctx, const struct found *f)
{
	struct results *s = ctx;
	const char *kind = f->doc ? N_("document") : N_("conversation");
	const char *title = *f->title ? f->title : request_text(s->r, N_("Without a title"));

	return json_array_append_new(
		       s->list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "title", title,
					  "url", url_of(s, f), "kind", f->doc ? "doc" : "post",
					  "kind_text", request_text(s->r, kind), "snippet_html",
					  f->snippet_html, "date", request_date(s->r, f->time),
					  "date_text", request_date_text(s->r, f->time)))
		       ? error_new(ERR_NOMEM, N_("The box has run out of memory. Try again soon."))
		       : NULL;
}

static int64_t page_asked(struct request *r)
{
	const char *page = request_query(r, "page");
	long long n = page ? strtoll(page, NULL, 10) : 1;

	return n < 1 ? 1 : n > SEARCH_COUNT_MAX ? SEARCH_COUNT_MAX : n;
}

/* What was asked, with the place from which on it was looked through. */
static const char *url_here(struct request *r, const char *q, const struct search_place *below)
{
	struct arena *a = request_arena(r);

	if (!below)
		return arena_printf(a, "/search?q=%s", url_encode(a, q));
	return arena_printf(a, "/search?q=%s&below=%lld.%lld", url_encode(a, q),
			    (long long)below->post, (long long)below->doc);
}

/* NULL: the newest first. */
static const struct search_place *place_asked(struct request *r)
{
	struct search_place *p = arena_new(request_arena(r), struct search_place);
	const char *text = request_query(r, "below");
	char *end;

	if (!text)
		return NULL;
	p->post = strtoll(text, &end, 10);
	if (end == text || *end != '.')
		return NULL;
	p->doc = strtoll(end + 1, NULL, 10);
	return p;
}

static void put_pager(struct request *r, json_t *context, const char *here, int64_t page,
		      int64_t count)
{
	struct arena *a = request_arena(r);
	int64_t pages = (count + RESULTS_A_PAGE - 1) / RESULTS_A_PAGE;
	json_t *pager;

	if (pages < 2)
		return;
	pager = json_pack("{s:I, s:I}", "page", (json_int_t)page, "pages", (json_int_t)pages);
	if (page > 1)
		json_object_set_new(
			pager, "newer_url",
			json_string(arena_printf(a, "%s&page=%lld", here, (long long)(page - 1))));
	if (page < pages)
		json_object_set_new(
			pager, "older_url",
			json_string(arena_printf(a, "%s&page=%lld", here, (long long)(page + 1))));
	json_object_set_new(context, "pager", pager);
}

/* What was not looked through, and what was before. */
static void put_rest(struct request *r, json_t *context, const char *q,
		     const struct search_place *below, const struct findings *found)
{
	if (found->more)
		json_object_set_new(context, "further_url",
				    json_string(url_here(r, q, &found->below)));
	if (below)
		json_object_set_new(context, "newest_url", json_string(url_here(r, q, NULL)));
	json_object_set_new(context, "partly", json_boolean(found->more || below));
}

static struct error *find(struct request *r, json_t *context, const char *q)
{
	struct results s = {.r = r, .list = json_object_get(context, "results")};
	const struct search_place *below = place_asked(r);
	int64_t page = page_asked(r);
	struct question ask = {.typed = q,
			       .below = below,
			       .skip = (page - 1) * RESULTS_A_PAGE,
			       .n = RESULTS_A_PAGE,
			       .ms = SEARCH_MS};
	struct findings found;
	struct space_info home;
	struct error *e = space_home(request_conn(r), &home);

	if (!e)
		s.home = home.id;
	else if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	TRY(search(request_conn(r), request_arena(r), &ask, add_result, &s, &found));
	json_object_set_new(context, "q", json_string(q));
	json_object_set_new(context, "count", json_integer(found.count));
	json_object_set_new(context, "empty", json_boolean(!found.count));
	put_pager(r, context, url_here(r, q, below), page, found.count);
	put_rest(r, context, q, below, &found);
	return NULL;
}

/* Without a cookie these pages are not kept by the cache: the index follows the view a little
 * later, and nobody is told when. */
static struct error *page_search(struct request *r)
{
	const char *q = request_query(r, "q");
	json_t *context = json_pack("{s:[]}", "results");
	struct error *e = NULL;

	if (q && q[strspn(q, " \t\r\n")]) {
		e = request_limit(r, "search", 30, 60);
		if (!e)
			e = find(r, context, q);
	}
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page(r, "search", request_text(r, N_("Search")), context);
}

const struct route search_routes[] = {
	{"GET", "/search", page_search, 0},
	{0},
};
