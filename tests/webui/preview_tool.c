/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* preview_tool FOLDER: draw every template with every sample context in every language, as
 * FOLDER/LANGUAGE/CONTEXT.html. tests/webui/preview makes pictures of them. */
#include "tests/webui/contexts.h"
#include <sys/stat.h>

static int complain(const char *what, struct error *e)
{
	char text[1200];

	error_text(e, NULL, NULL, text, sizeof(text));
	fprintf(stderr, "%s: %s\n", what, text);
	error_free(e);
	return 1;
}

static int draw(const struct templates *t, const struct contexts *c, const struct language *l,
		const char *folder, const char *name)
{
	_cleanup_(buf_release) struct buf html = {0};
	json_t *context = context_load(c, name, language_code(l));
	char template[CONTEXT_NAME], path[2048];
	struct error *e;
	FILE *f;

	context_template(name, template);
	if (!context)
		return 1;
	e = templates_render(t, l, template, context, &html);
	json_decref(context);
	if (e)
		return complain(name, e);
	snprintf(path, sizeof(path), "%s/%s/%s.html", folder, language_code(l), name);
	f = fopen(path, "w");
	if (!f || fwrite(html.p, 1, html.n, f) != html.n || fclose(f)) {
		perror(path);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(languages_freep) struct languages *languages = NULL;
	_cleanup_(templates_freep) struct templates *templates = NULL;
	struct contexts *c = calloc(1, sizeof(*c));
	struct error *e;
	int bad = 0;

	if (argc != 2 || !c || !contexts_list(c)) {
		fprintf(stderr, "usage: preview_tool FOLDER (from the source folder)\n");
		return 2;
	}
	e = languages_load(assets, &languages);
	if (e)
		return complain("languages", e);
	e = templates_load(assets, languages, &templates);
	if (e)
		return complain("templates", e);
	mkdir(argv[1], 0755);
	for (size_t k = 0; k < languages_count(languages); k++) {
		const struct language *l = languages_at(languages, k);
		char path[2048];

		snprintf(path, sizeof(path), "%s/%s", argv[1], language_code(l));
		mkdir(path, 0755);
		for (size_t i = 0; i < c->n; i++)
			bad |= draw(templates, c, l, argv[1], c->names[i]);
	}
	free(c);
	return bad;
}
