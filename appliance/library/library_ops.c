/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The op types of the library: check decides, apply writes the rows. */
#include "appliance/library/library_priv.h"
#include "appliance/library/path.h"
#include "appliance/library/version.h"

/* Two documents may claim one path when their authors could not know of each other; whoever can
 * know is told. So only who writes here and now is refused, never what comes from elsewhere. */
static struct error *path_free(struct fold *f, const char *path)
{
	struct doc other;
	struct error *e;

	if (!f->live)
		return NULL;
	e = doc_at(f->conn, f->arena, &f->space, path, &other);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	ENSURE(hash_eq(&other.id, &f->object),
	       error_new(ERR_EXISTS,
			 N_("There is a page “%s” already. Choose another name, or edit that one."),
			 path));
	return NULL;
}

static struct error *create_check(struct fold *f, const struct op *op)
{
	TRY(path_check(op_str(op, "path")));
	return path_free(f, op_str(op, "path"));
}

static struct error *create_apply(struct fold *f, const struct op *op)
{
	struct revision r = {.path = op_str(op, "path"),
			     .title = op_str(op, "title"),
			     .text = op_str(op, "text"),
			     .note = ""};
	struct doc d;

	TRY(doc_add(f, op, r.path, r.title));
	TRY(doc_folded(f, &d));
	return revision_add(f, &d, op, &r, NULL, 0);
}

static struct error *get_folded(struct fold *f, struct doc *ret)
{
	struct error *e = doc_folded(f, ret);

	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, error_new(ERR_INVALID, N_("%s is not a page among the documents."),
					    ID_SHORT(&f->object)));
	return e;
}

static struct error *revise_check(struct fold *f, const struct op *op)
{
	struct hash parents[LIMIT_SEEN];
	struct doc d;

	TRY(get_folded(f, &d));
	ENSURE(op_parents(op->body, parents),
	       error_new(ERR_INVALID, N_("A new version names the one it comes"
					 " from.")));
	if (!op_str(op, "path"))
		return NULL;
	TRY(path_check(op_str(op, "path")));
	return path_free(f, op_str(op, "path"));
}

static struct error *parent_names(struct fold *f, const void *object, const struct hash *id,
				  struct version_names *ret)
{
	struct revision parent;

	TRY(revision_folded(f, object, id, &parent));
	*ret = (struct version_names){parent.path, parent.title};
	return NULL;
}

static struct error *inherit(struct fold *f, const struct doc *d, const struct hash *parents,
			     size_t n, struct revision *ret)
{
	struct version_names names = {d->path, d->title};

	TRY(version_inherit(f, d, parents, n, parent_names, &names));
	ret->path = names.path;
	ret->title = names.title;
	return NULL;
}

static struct error *revise_apply(struct fold *f, const struct op *op)
{
	struct hash parents[LIMIT_SEEN];
	size_t n = op_parents(op->body, parents);
	struct revision r = {.text = op_str(op, "text"), .note = op_str(op, "note")};
	struct doc d;

	TRY(get_folded(f, &d));
	TRY(inherit(f, &d, parents, n, &r));
	if (op_str(op, "path"))
		r.path = op_str(op, "path");
	if (op_str(op, "title"))
		r.title = op_str(op, "title");
	if (!r.note)
		r.note = "";
	return revision_add(f, &d, op, &r, parents, n);
}

/* --- what was erased ---------------------------------------------------------------------------
 */

json_t *revision_keep(struct conn *c, const struct revision *r)
{
	struct hash parents[LIMIT_SEEN];

	return version_keep(r->path, parents, revision_parents(c, r, parents));
}

/* The revision keeps its place among the others, its date and its author, so that what was made
 * from it still has a parent. */
static struct error *library_erased(struct fold *f, const struct op *gone, const struct op *erase)
{
	const json_t *keep = json_object_get(erase->body, "keep");
	const char *was = op_str(erase, "was");
	bool first = hash_eq(&gone->id, &f->object);
	struct revision r = {.title = "", .text = "", .note = "", .erased = true};
	struct hash parents[LIMIT_SEEN];
	size_t n = first ? 0 : op_parents(keep, parents);
	struct doc d;
	struct error *e;

	if (!was || strcmp(was, first ? "doc.create" : "doc.revise") != 0)
		return NULL;
	if (first)
		TRY(doc_add(f, gone, "", ""));
	e = doc_folded(f, &d);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	if (!first)
		TRY(inherit(f, &d, parents, n, &r));
	r.path = version_kept_path(f, gone, keep, r.path);
	return revision_add(f, &d, gone, &r, parents, n);
}

static struct error *hide_check(struct fold *f, const struct op *op)
{
	struct doc d;

	return get_folded(f, &d);
}

static struct error *hide_apply(struct fold *f, const struct op *op)
{
	return doc_set_hidden(f, op_bool(op, "hidden", true));
}

static const struct op_field create_fields[] = {
	{"path", FIELD_PATH, true, LIMIT_PATH},
	{"title", FIELD_LINE, true, LIMIT_TITLE},
	{"text", FIELD_TEXT, true, LIMIT_TEXT},
	{0},
};
static const struct op_field revise_fields[] = {
	{"parents", FIELD_IDS, true, LIMIT_SEEN},  {"text", FIELD_TEXT, true, LIMIT_TEXT},
	{"title", FIELD_LINE, false, LIMIT_TITLE}, {"path", FIELD_PATH, false, LIMIT_PATH},
	{"note", FIELD_LINE, false, LIMIT_NOTE},   {0},
};
static const struct op_field hide_fields[] = {
	{"hidden", FIELD_BOOL, true, 0},
	{0},
};

const struct op_type library_types[] = {
	{"doc.create", create_fields, ROLE_MEMBER, OP_CREATES, create_check, create_apply},
	{"doc.revise", revise_fields, ROLE_MEMBER, 0, revise_check, revise_apply},
	{"doc.hide", hide_fields, ROLE_MODERATOR, OP_AUTHORITY, hide_check, hide_apply},
	{0},
};

const struct feature library_feature = {
	.name = "library",
	.types = library_types,
	.view_migrations = library_migrations,
	.view_migrations_n = LIBRARY_MIGRATIONS,
	.view_sql = library_sql,
	.view_sql_n = LIBRARY_SQL,
	.reset = library_reset,
	.erased = library_erased,
	.digest = library_digest,
};
