/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/templates.h"
#include "appliance/page/mustache.h"
#include "sync/base/arena.h"

static const char prefix[] = "templates/", suffix[] = ".mustache";

struct page {
	const char *name;
	struct mustache **by_language;
};
struct templates {
	struct arena arena;
	const struct languages *languages;
	struct page *pages; /* sorted by name */
	size_t n;
};

struct source {
	const struct asset *files;
	const struct language *language;
};

/* The template's name inside the asset's: true when it is one. */
static bool template_name(const struct asset *a, struct span *ret)
{
	size_t n = strlen(a->name), both = sizeof(prefix) + sizeof(suffix) - 2;

	if (n <= both || memcmp(a->name, prefix, sizeof(prefix) - 1) != 0 ||
	    strcmp(a->name + n - (sizeof(suffix) - 1), suffix) != 0)
		return false;
	*ret = span_of(a->name + sizeof(prefix) - 1, n - both);
	return true;
}

static bool find_partial(void *ctx, const char *name, struct span *ret_text)
{
	const struct source *s = ctx;
	struct span found;

	for (const struct asset *a = s->files; a->name; a++) {
		if (template_name(a, &found) && span_is(found, name)) {
			*ret_text = span_of(a->start, (size_t)(a->end - a->start));
			return true;
		}
	}
	return false;
}

static const char *translate(void *ctx, const char *msgid)
{
	return language_text(((struct source *)ctx)->language, msgid);
}

static const char *translate_plural(void *ctx, const char *one, const char *many, unsigned long n)
{
	return language_plural(((struct source *)ctx)->language, one, many, n);
}

static struct error *compile(struct templates *t, const struct asset *files, const struct asset *a,
			     struct page *page)
{
	struct span text = span_of(a->start, (size_t)(a->end - a->start));

	for (size_t i = 0; i < languages_count(t->languages); i++) {
		struct source source = {files, languages_at(t->languages, i)};
		struct mustache_source with = {
			.ctx = &source,
			.partial = find_partial,
			.translate = translate,
			.translate_plural = translate_plural,
			.thousands = language_thousands(source.language),
			.strict = true,
		};

		TRY(mustache_compile(page->name, text, &with, &page->by_language[i]));
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct page *)a)->name, ((const struct page *)b)->name);
}

struct error *templates_load(const struct asset *files, const struct languages *languages,
			     struct templates **ret)
{
	_cleanup_(templates_freep) struct templates *t = calloc(1, sizeof(*t));
	size_t count = 0;

	ENSURE(t, error_new(ERR_NOMEM, N_("The box has run out of memory. Try again soon.")));
	t->languages = languages;
	for (const struct asset *a = files; a->name; a++)
		count++;
	t->pages = arena_array(&t->arena, struct page, count + 1);
	for (const struct asset *a = files; a->name; a++) {
		struct page *page = &t->pages[t->n];
		struct span name;

		if (!template_name(a, &name))
			continue;
		page->name = arena_strn(&t->arena, (const char *)name.p, name.n);
		page->by_language =
			arena_array(&t->arena, struct mustache *, languages_count(languages));
		t->n++;
		TRY(compile(t, files, a, page));
	}
	qsort(t->pages, t->n, sizeof(*t->pages), by_name);
	*ret = STEAL(t);
	return NULL;
}

void templates_free(struct templates *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < languages_count(t->languages); k++)
			mustache_free(t->pages[i].by_language[k]);
	arena_release(&t->arena);
	free(t);
}

static const struct page *find_page(const struct templates *t, const char *name)
{
	struct page key = {.name = name};

	return bsearch(&key, t->pages, t->n, sizeof(*t->pages), by_name);
}

bool templates_has(const struct templates *t, const char *name)
{
	return find_page(t, name) != NULL;
}

struct error *templates_render(const struct templates *t, const struct language *language,
			       const char *name, const json_t *context, struct buf *out)
{
	const struct page *page = find_page(t, name);

	ENSURE(page, error_new(ERR_INTERNAL, N_("The page template %s is missing."), name));
	for (size_t i = 0; i < languages_count(t->languages); i++)
		if (languages_at(t->languages, i) == language)
			return mustache_render(page->by_language[i], context, out);
	return error_new(ERR_INTERNAL, N_("The page template %s is missing."), name);
}
