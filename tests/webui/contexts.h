/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The sample contexts, for the programs of this folder. contexts/TEMPLATE.json and
 * contexts/TEMPLATE-VARIANT.json hold what a page is given, laid over contexts/_page.json, which is
 * what every page is given. */
#pragma once
#include "appliance/page/templates.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXTS_MAX = 256, CONTEXT_NAME = 128 };

struct contexts {
	char names[CONTEXTS_MAX][CONTEXT_NAME]; /* "topic-closed", sorted */
	size_t n;
	char folder[1024];
};

static inline int contexts_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* False when the folder can't be read. */
static inline bool contexts_list(struct contexts *c)
{
	const char *source = getenv("SOURCE");
	struct dirent *d;
	DIR *dir;

	c->n = 0;
	snprintf(c->folder, sizeof(c->folder), "%s/tests/webui/contexts", source ? source : ".");
	dir = opendir(c->folder);
	if (!dir)
		return false;
	while ((d = readdir(dir)) && c->n < CONTEXTS_MAX) {
		size_t n = strlen(d->d_name);

		if (d->d_name[0] != '_' && d->d_name[0] != '.' && n > 5 && n < CONTEXT_NAME)
			snprintf(c->names[c->n++], CONTEXT_NAME, "%.*s", (int)n - 5, d->d_name);
	}
	closedir(dir);
	qsort(c->names, c->n, CONTEXT_NAME, contexts_compare);
	return true;
}

/* "topic-closed" is drawn by the template "topic". */
static inline void context_template(const char *name, char ret[CONTEXT_NAME])
{
	snprintf(ret, CONTEXT_NAME, "%.*s", (int)strcspn(name, "-"), name);
}

static inline json_t *context_file(const struct contexts *c, const char *name)
{
	char path[1280];
	json_error_t error;
	json_t *j;

	snprintf(path, sizeof(path), "%s/%s.json", c->folder, name);
	j = json_load_file(path, 0, &error);
	if (!j)
		fprintf(stderr, "# %s:%d: %s\n", path, error.line, error.text);
	return j;
}

/* The context `name` in a language; yours. NULL when a file is not JSON. */
static inline json_t *context_load(const struct contexts *c, const char *name, const char *language)
{
	json_t *whole = context_file(c, "_page"), *own = context_file(c, name), *page, *l;
	size_t i;

	if (!whole || !own)
		return NULL;
	json_object_update_recursive(whole, own);
	json_decref(own);
	page = json_object_get(whole, "page");
	json_object_set_new(page, "lang", json_string(language));
	json_array_foreach(json_object_get(page, "langs"), i, l)
	{
		const char *code = json_string_value(json_object_get(l, "code"));

		json_object_set_new(l, "current", json_boolean(strcmp(code, language) == 0));
	}
	return whole;
}
