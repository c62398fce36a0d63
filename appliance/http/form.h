/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a form, a query or a JSON body says, as a list of named texts. Parsers of foreign bytes:
 * pure, bounded by limits.h, results in the arena. Of two fields with one name the first counts
 * (fields_get), so that nothing appended to a link can change what it says.
 */
#pragma once
#include "sync/base/arena.h"
#include "sync/base/error.h"
#include "sync/base/limits.h"
#include <jansson.h>

struct fields {
	struct field {
		const char *name, *value;
	} v[LIMIT_FORM_FIELDS];
	size_t n;
};

const char *fields_get(const struct fields *f, const char *name); /* NULL when absent */
/* ERR_LIMIT when it is one too many. Borrows both. */
struct error *fields_add(struct fields *f, const char *name, const char *value) MUST;

/* application/x-www-form-urlencoded (WHATWG URL section 5.1, strictly UTF-8). Line ends become LF.
 * ERR_MALFORMED, ERR_LIMIT. */
struct error *form_parse(struct arena *a, struct span body, struct fields *f) MUST;
/* A JSON object: no duplicate names, no zero bytes, nesting up to LIMIT_JSON_DEPTH. */
struct error *form_parse_json(struct span body, json_t **ret) MUST;
/* Strings as they are with LF line ends, integers in decimal, true as "1"; others are left out. */
struct error *form_from_json(struct arena *a, const json_t *object, struct fields *f) MUST;
