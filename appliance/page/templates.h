/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * All page templates in all languages, compiled at start: the assets called
 * templates/NAME.mustache, once for each language. A partial {{> _head}} is
 * templates/_head.mustache. A template that names a partial which does not exist, or has any other
 * mistake, is an error at start and so never one of a page.
 *
 * Threads: constant after templates_load; any thread may render.
 */
#pragma once
#include "appliance/page/assets.h"
#include "appliance/page/language.h"
#include "sync/base/buf.h"
#include "sync/base/error.h"
#include <jansson.h>

struct templates;

/* `files` (`assets`) ends with a NULL name and is not needed afterwards; `languages` must outlive
 * the result.
 */
struct error *templates_load(const struct asset *files, const struct languages *languages,
			     struct templates **ret) MUST;
void templates_free(struct templates *t);
DEFINE_CLEANUP(struct templates *, templates_free)

bool templates_has(const struct templates *t, const char *name);
/* Append the page `name` ("topic") in the language to `out`. ERR_INTERNAL when there is no such
 * template; after an error `out` holds a part of the page. */
struct error *templates_render(const struct templates *t, const struct language *language,
			       const char *name, const json_t *context, struct buf *out) MUST;
