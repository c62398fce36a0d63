/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A compiled template: a unit for itself and one for each partial, each a flat list of operations.
 * A section is an operation that knows the index behind its last inner one, so skipping it costs
 * nothing. All memory is in one arena and constant after mustache_compile.
 *
 * Indentation: a partial that stands alone on its line is indented by what stood before its tag.
 * Since a partial may use itself, the indentation is known only while rendering: operations that
 * begin a line of the source carry a mark, or an OP_INDENT goes before them.
 */
#pragma once
#include "appliance/page/mustache.h"
#include "sync/base/arena.h"

enum op_kind {
	OP_TEXT,     /* text */
	OP_INDENT,   /* a line of the source begins here, with something that is not text */
	OP_VALUE,    /* the value at path, escaped */
	OP_RAW,	     /* the value at path */
	OP_SECTION,  /* path; operations up to end */
	OP_INVERTED, /* the same */
	OP_PARTIAL,  /* partial, text is its indentation */
	OP_PLURAL,   /* path; up to middle for 1, from there to end for others */
	OP_COUNT,    /* the number at path, with the language's grouping */
};

struct mustache_key {
	const char *s;
	size_t n;
};
struct mustache_path {
	const struct mustache_key *keys;
	unsigned n; /* 0: the implicit iterator, "." */
};

struct mustache_op {
	enum op_kind kind;
	bool line_start; /* OP_TEXT: begins a line of the source; OP_PARTIAL: has a line for itself
			  */
	unsigned line;
	unsigned middle, end;
	struct span text;
	struct mustache_path path;
	const struct mustache_unit *partial;
};

struct mustache_unit {
	struct mustache_unit *next;
	const char *name;
	struct span source; /* while compiling only */
	struct mustache_op *ops;
	unsigned n;
};

struct mustache {
	struct arena arena;
	struct mustache_unit *first, *last;
	unsigned units;
	const char *thousands;
};

/* ERR_MALFORMED or ERR_LIMIT: "The template NAME, line N: WHAT". */
struct error *mustache_error(enum error_code code, const char *name, unsigned line,
			     const char *what) MUST;
