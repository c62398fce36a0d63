/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The op types of files: check decides, apply writes the rows. PROTOCOL.md 4.6. */
#include "appliance/files/files_priv.h"
#include "appliance/library/path.h"
#include "appliance/library/version.h"

uint64_t file_stored_size(uint64_t size)
{
	return file_sealed_size(file_padded_size(size));
}

/* --- what an op says that the content is ------------------------------------------------------ */

static struct error *check_inside(const struct op *op, uint64_t size)
{
	_cleanup_(buf_release) struct buf content = {0};
	const char *data = op_str(op, "data");

	ENSURE(base64_take(data, strlen(data), LIMIT_FILE_INLINE, &content) && content.n == size,
	       error_new(ERR_INVALID, N_("A file's content is not what its size says.")));
	return NULL;
}

/* One with a key is sealed with it, and its stored size follows from its content's, so that it
 * can't hide anything else. */
static struct error *check_blob(const struct op *op, uint64_t size)
{
	struct hash id;

	ENSURE(size > LIMIT_FILE_INLINE && size <= LIMIT_UPLOAD && op_id(op, "sha256", &id),
	       error_new(ERR_INVALID, N_("A file's content is not what its size says.")));
	return NULL;
}

static struct error *check_content(const struct op *op)
{
	uint64_t size = (uint64_t)op_int(op, "size", 0);
	struct hash blob;
	bool inside = op_str(op, "data"), outside = op_id(op, "blob", &blob);

	ENSURE(size > 0 && inside != outside,
	       error_new(ERR_INVALID, N_("A file's content is not what its size says.")));
	return inside ? check_inside(op, size) : check_blob(op, size);
}

static void read_content(const struct op *op, struct file_version *v, struct buf *content)
{
	const char *data = op_str(op, "data");
	struct hash key;

	v->kind = file_kind_named(op_str(op, "kind"));
	v->size = (uint64_t)op_int(op, "size", 0);
	v->inside = data != NULL;
	if (data && base64_take(data, strlen(data), LIMIT_FILE_INLINE, content))
		return;
	op_id(op, "blob", &v->blob);
	op_id(op, "sha256", &v->sha256);
	v->sealed = op_id(op, "key", &key);
	if (v->sealed)
		memcpy(v->key, key.b, FILE_KEY);
	v->stored = v->sealed ? file_stored_size(v->size) : v->size;
}

/* --- create and revise ------------------------------------------------------------------------ */

/* Like a page's: only who writes here and now is told that a name is taken. */
static struct error *path_free(struct fold *f, const char *path)
{
	struct file other;
	struct error *e;

	if (!f->live)
		return NULL;
	e = file_at(f->conn, f->arena, &f->space, path, &other);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	ENSURE(hash_eq(&other.id, &f->object),
	       error_new(
		       ERR_EXISTS,
		       N_("There is a file “%s” already. Choose another name, or send this one as "
			  "a new version of that."),
		       path));
	return NULL;
}

static struct error *create_check(struct fold *f, const struct op *op)
{
	TRY(path_check(op_str(op, "path")));
	TRY(check_content(op));
	return path_free(f, op_str(op, "path"));
}

static struct error *create_apply(struct fold *f, const struct op *op)
{
	_cleanup_(buf_release) struct buf content = {0};
	struct file_version v = {
		.path = op_str(op, "path"), .title = op_str(op, "title"), .note = ""};
	struct file file;

	read_content(op, &v, &content);
	TRY(file_add(f, op, v.path, v.title));
	TRY(file_folded(f, &file));
	return file_version_add(f, &file, op, &v, buf_span(&content), NULL, 0);
}

static struct error *get_folded(struct fold *f, struct file *ret)
{
	struct error *e = file_folded(f, ret);

	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, error_new(ERR_INVALID, N_("%s is not a file among the documents."),
					    ID_SHORT(&f->object)));
	return e;
}

static struct error *revise_check(struct fold *f, const struct op *op)
{
	struct hash parents[LIMIT_SEEN];
	struct file file;

	TRY(get_folded(f, &file));
	ENSURE(op_parents(op->body, parents),
	       error_new(ERR_INVALID, N_("A new version names the one it comes from.")));
	TRY(check_content(op));
	if (!op_str(op, "path"))
		return NULL;
	TRY(path_check(op_str(op, "path")));
	return path_free(f, op_str(op, "path"));
}

static struct error *parent_names(struct fold *f, const void *object, const struct hash *id,
				  struct version_names *ret)
{
	struct file_version parent;

	TRY(file_version_folded(f, object, id, &parent));
	*ret = (struct version_names){parent.path, parent.title};
	return NULL;
}

static struct error *inherit(struct fold *f, const struct file *file, const struct hash *parents,
			     size_t n, struct file_version *ret)
{
	struct version_names names = {file->path, file->title};

	TRY(version_inherit(f, file, parents, n, parent_names, &names));
	ret->path = names.path;
	ret->title = names.title;
	return NULL;
}

static struct error *revise_apply(struct fold *f, const struct op *op)
{
	_cleanup_(buf_release) struct buf content = {0};
	struct hash parents[LIMIT_SEEN];
	size_t n = op_parents(op->body, parents);
	struct file_version v = {.note = op_str(op, "note")};
	struct file file;

	TRY(get_folded(f, &file));
	TRY(inherit(f, &file, parents, n, &v));
	read_content(op, &v, &content);
	if (op_str(op, "path"))
		v.path = op_str(op, "path");
	if (op_str(op, "title"))
		v.title = op_str(op, "title");
	if (!v.note)
		v.note = "";
	return file_version_add(f, &file, op, &v, buf_span(&content), parents, n);
}

/* --- hiding ----------------------------------------------------------------------------------- */

static struct error *hide_check(struct fold *f, const struct op *op)
{
	struct file file;

	(void)op;
	return get_folded(f, &file);
}

static struct error *hide_apply(struct fold *f, const struct op *op)
{
	return file_set_hidden(f, op_bool(op, "hidden", true));
}

/* --- what was erased -------------------------------------------------------------------------- */

json_t *file_version_keep(struct conn *c, const struct file_version *v)
{
	struct hash parents[LIMIT_SEEN];

	return version_keep(v->path, parents, file_parents(c, v, parents));
}

/* The version keeps its place, date and author. */
static struct error *files_erased(struct fold *f, const struct op *gone, const struct op *erase)
{
	const json_t *keep = json_object_get(erase->body, "keep");
	const char *was = op_str(erase, "was");
	bool first = hash_eq(&gone->id, &f->object);
	struct file_version v = {
		.title = "", .note = "", .kind = file_kind_named(""), .erased = true};
	struct hash parents[LIMIT_SEEN];
	size_t n = first ? 0 : op_parents(keep, parents);
	struct file file;
	struct error *e;

	if (!was || strcmp(was, first ? "file.create" : "file.revise") != 0)
		return NULL;
	if (first)
		TRY(file_add(f, gone, "", ""));
	e = file_folded(f, &file);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	if (!first)
		TRY(inherit(f, &file, parents, n, &v));
	v.path = version_kept_path(f, gone, keep, v.path);
	return file_version_add(f, &file, gone, &v, span_of(NULL, 0), parents, n);
}

/* --- the table -------------------------------------------------------------------------------- */

enum { DATA_LONGEST = (LIMIT_FILE_INLINE + 2) / 3 * 4 };
#define CONTENT_FIELDS                                                                             \
	{"kind", FIELD_LINE, true, FILE_KIND_NAME}, {"size", FIELD_INT, true, 0},                  \
		{"data", FIELD_LINE, false, DATA_LONGEST}, {"blob", FIELD_ID, false, 0},           \
		{"key", FIELD_ID, false, 0},                                                       \
	{                                                                                          \
		"sha256", FIELD_ID, false, 0                                                       \
	}

static const struct op_field create_fields[] = {
	{"path", FIELD_PATH, true, LIMIT_PATH},
	{"title", FIELD_LINE, true, LIMIT_TITLE},
	CONTENT_FIELDS,
	{0},
};
static const struct op_field revise_fields[] = {
	{"parents", FIELD_IDS, true, LIMIT_SEEN},
	{"path", FIELD_PATH, false, LIMIT_PATH},
	{"title", FIELD_LINE, false, LIMIT_TITLE},
	{"note", FIELD_LINE, false, FILES_NOTE},
	CONTENT_FIELDS,
	{0},
};
static const struct op_field hide_fields[] = {
	{"hidden", FIELD_BOOL, true, 0},
	{0},
};

const struct op_type files_types[] = {
	{"file.create", create_fields, ROLE_MEMBER, OP_CREATES, create_check, create_apply},
	{"file.revise", revise_fields, ROLE_MEMBER, 0, revise_check, revise_apply},
	{"file.hide", hide_fields, ROLE_MODERATOR, OP_AUTHORITY, hide_check, hide_apply},
	{"file.carry", carried_fields, ROLE_STEWARD, OP_CREATES | OP_BY_APPLIANCE | OP_CLEAR,
	 carried_check, carried_apply},
	{0},
};

const struct feature files_feature = {
	.name = "files",
	.types = files_types,
	.view_migrations = files_migrations,
	.view_migrations_n = FILES_MIGRATIONS,
	.view_sql = files_sql,
	.view_sql_n = FILES_SQL,
	.local_migrations = files_local_migrations,
	.local_migrations_n = FILES_LOCAL_MIGRATIONS,
	.local_sql = files_local_sql,
	.local_sql_n = FILES_LOCAL_SQL,
	.reset = files_reset,
	.erased = files_erased,
	.digest = files_digest,
};
