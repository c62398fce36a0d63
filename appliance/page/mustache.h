/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Mustache templates over jansson, in two steps: a template is compiled once, at start, into a flat
 * list of operations, and rendered as often as wanted. The language is mustache(5) as in
 * github.com/mustache/spec: interpolation, sections, inverted sections, partials, comments and
 * delimiters, and passes those files of the specification. Lambdas, inheritance and dynamic names
 * are left out: a template has no logic of its own.
 *
 *   {{name}} {{a.b}} {{.}}    the value, HTML-escaped (& < > " ')
 *   {{{name}}} {{&name}}      the value as it is: only for HTML that we made ourselves
 *   {{#name}}…{{/name}}       once for each element of a list; once when true
 *   {{^name}}…{{/name}}       when not true
 *   {{> name}}                the template `name`, with the values that are visible here
 *   {{! words}}               nothing
 *
 * False are: a missing value, null, false, an empty list, an empty string and the number 0. Strings
 * and numbers are written as they are, true and false as those words, anything else as nothing.
 *
 * Words that people read are translated when the template is compiled, so a page in Catalan costs
 * what the page in English costs. These tags are ours:
 *
 *   {{_ Save the page}}                  the translation of "Save the page", HTML-escaped
 *   {{_ Signed in as %(me.name)}}        %(a.b) stands for the value {{a.b}} when rendered
 *   {{_n replies|One reply|%d replies}}  the first text when the number `replies` is 1, else the
 *                                        second; %d is the number, grouped as the language does
 *
 * The message ids (for xgettext and the catalogs) are the English texts with every run of white
 * space made one space and none at the ends, so a sentence may be broken over lines; "%(me.name)"
 * stays as it is in them. The pair of a {{_n}} is a msgid and its msgid_plural. A tag text can't
 * hold the closing delimiter, and those of {{_n}} no "|". A translation that names a value that the
 * English does not name is an error.
 *
 * Limits: MUSTACHE_… below. A partial may use itself; what it draws from the context is bounded by
 * MUSTACHE_DEPTH. Errors (ERR_MALFORMED while compiling, ERR_LIMIT) name the template and the line.
 *
 * Threads: a compiled template never changes; any number of threads may render it at once.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/base/error.h"
#include <jansson.h>

enum {
	MUSTACHE_TEXT = 1024 * 1024,	    /* bytes of one template */
	MUSTACHE_UNITS = 256,		    /* a template and its partials */
	MUSTACHE_SECTIONS = 32,		    /* sections inside sections, in one template */
	MUSTACHE_DEPTH = 48,		    /* sections and partials inside each other, rendered */
	MUSTACHE_KEYS = 16,		    /* names in a dotted name */
	MUSTACHE_STEPS = 4 * 1024 * 1024,   /* operations of one rendering */
	MUSTACHE_OUTPUT = 32 * 1024 * 1024, /* bytes of one rendering */
};

/* What a template needs of the outside while it is compiled; every function may be NULL, none is
 * used after mustache_compile has returned. */
struct mustache_source {
	void *ctx;
	/* The text of the partial `name` (borrowed until compile returns); false: there is none. */
	bool (*partial)(void *ctx, const char *name, struct span *ret_text);
	/* The translation, or msgid itself when there is none. */
	const char *(*translate)(void *ctx, const char *msgid);
	/* The form for the number n, or of the two the right one in English. */
	const char *(*translate_plural)(void *ctx, const char *one, const char *many,
					unsigned long n);
	const char *thousands; /* between groups of three digits in %d; NULL for none */
	bool strict; /* a missing partial is an error; otherwise, as the specification has it, "" */
};

struct mustache;

/* Compile `text`, called `name` in errors. Nothing of the arguments is kept. */
struct error *mustache_compile(const char *name, struct span text,
			       const struct mustache_source *source,
			       struct mustache **ret_template) MUST;
void mustache_free(struct mustache *m);
DEFINE_CLEANUP(struct mustache *, mustache_free)

/* Append the rendering to `out`. After an error `out` holds a part of it: throw it away. Strings in
 * the context are UTF-8, as jansson guarantees. */
struct error *mustache_render(const struct mustache *m, const json_t *context,
			      struct buf *out) MUST;

/* Append s with & < > " ' escaped, as {{name}} does. */
void html_escape(struct buf *out, struct span s);
