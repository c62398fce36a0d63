/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Operations: what a payload says. One JSON object with a `type`; one table row per type says its
 * name, its fields, who may, and the pair check/apply through which a click in the browser, an
 * entry from a peer and an activity from elsewhere all pass.
 *
 * An unknown type is kept, passed on and ignored. A malformed op is kept and ignored. Unknown
 * fields are kept and ignored. PROTOCOL.md section 4.
 */
#pragma once
#include "sync/sync.h"
#include <jansson.h>

/* Roles in a space, rising. ROLE_APPLIANCE is what a write-admitted appliance has when it is the
 * author. */
enum role { ROLE_NONE, ROLE_APPLIANCE, ROLE_NEW, ROLE_MEMBER, ROLE_MODERATOR, ROLE_STEWARD };
const char *role_name(enum role r); /* "member" */
bool role_parse(const char *name, enum role *ret);

enum field_kind {
	FIELD_LINE, /* one line of text, no control characters, 1..max bytes of valid UTF-8 */
	FIELD_TEXT, /* text with newlines and tabs, 0..max bytes */
	FIELD_ID,   /* 52 letters */
	FIELD_IDS,  /* array of at most max ids */
	FIELD_BOOL,
	FIELD_INT,  /* 0..2^53 */
	FIELD_SLUG, /* [a-z0-9] words joined by single '-', at most LIMIT_SLUG */
	FIELD_PATH, /* a library path: see appliance/library/path.h; checked as FIELD_LINE here */
	FIELD_ROLE, /* a role's name */
	FIELD_JSON  /* anything, depth and size bounded by the payload's limits */
};
struct op_field {
	const char *name;
	enum field_kind kind;
	bool required;
	int max;
	bool word; /* in a private space it is in `sealed`, and then not required in clear */
};

enum op_flags {
	OP_AUTHORITY = 1,    /* acts only after its author's signature was checked */
	OP_BY_APPLIANCE = 2, /* a write-admitted appliance may author it */
	OP_CREATES = 4,	     /* begins its object: the object's id is the op's id */
	OP_ON_RULES = 8,     /* its object is the space's rules (object id = space id) */
	OP_CLEAR = 16	     /* only in private spaces, and there in clear: for boxes that carry them */
};

struct op;
struct fold;
struct op_type {
	const char *name;
	const struct op_field *fields; /* ends with a NULL name */
	enum role who; /* the lowest role that may; an appliance only with OP_BY_APPLIANCE */
	unsigned flags;
	/* Decides and changes nothing: NULL, or the sentence why not. Sees the object as folded so
	 * far. */
	struct error *(*check)(struct fold *f, const struct op *op);
	/* Can't refuse; fails only for this box's own faults (disk). */
	struct error *(*apply)(struct fold *f, const struct op *op);
};

struct op {
	struct hash id, space, object;
	const struct op_type *type;
	struct pubkey author, appliance;
	uint64_t incarnation, seq; /* and appliance: where it stands, the best of its places */
	bool by_appliance;
	int64_t time; /* milliseconds since 1970, the author's clock */
	struct hash rules;
	bool sealed; /* its payload is, with a key of this epoch */
	uint16_t epoch;
	struct hash seen[LIMIT_SEEN];
	size_t nseen;
	enum role role;	    /* of the author, under the rules the op names */
	const json_t *body; /* borrowed; the fields match the type's table */
};

/* Parse and check a payload against the table. It is one JSON object in UTF-8 (RFC 8259) without
 * duplicate names, at most LIMIT_JSON_DEPTH deep, integers within 64 bits, no \u0000. ERR_MALFORMED
 * with what is wrong; ERR_VERSION for a well-formed op of an unknown type. *ret_body is yours. Only
 * type, object, seen and body of *ret are set (object: zero when absent). */
struct feature;
struct op_table;
/* The types of these features (a NULL-ended list), and the community's own (rules, erase). */
struct op_table *op_table_new(const struct feature *const *features);
void op_table_free(struct op_table *t);
DEFINE_CLEANUP(struct op_table *, op_table_free)
struct error *op_parse(const struct op_table *t, struct span payload, struct op *ret,
		       json_t **ret_body) MUST;
/* The JSON alone, as strictly. */
struct error *op_load(struct span payload, json_t **ret) MUST;
/* Are the words among the type's fields what the table says? */
bool op_words_fit(const json_t *words, const struct op_type *type);
const struct op_type *op_type_find(const struct op_table *t, const char *name);

/* Fields of a parsed op (the table guarantees kind; absent optional ones give NULL / otherwise). */
const char *op_str(const struct op *op, const char *field);
bool op_id(const struct op *op, const char *field, struct hash *ret); /* false: absent */
/* The revisions that a body names in `parents`, or that what was kept of one does: how many. */
size_t op_parents(const json_t *body, struct hash out[LIMIT_SEEN]);
bool op_bool(const struct op *op, const char *field, bool otherwise);
int64_t op_int(const struct op *op, const char *field, int64_t otherwise);
