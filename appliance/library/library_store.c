/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The library's tables in view.db. */
#include "appliance/library/library_priv.h"
#include "appliance/community/rows.h"

/* doc.path and doc.title are those of the newest head. revision.num grows and is never used twice,
 * so that what follows the library can go on where it stopped; inside a document it grows in fold
 * order. */
const char *const library_migrations[LIBRARY_MIGRATIONS] = {
	"CREATE TABLE doc(num INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, space BLOB NOT NULL,"
	" path TEXT NOT NULL, title TEXT NOT NULL, hidden INTEGER NOT NULL) STRICT;"
	"CREATE INDEX doc_path ON doc(space, path, id);"
	"CREATE TABLE revision(num INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,"
	" doc INTEGER NOT NULL, author BLOB NOT NULL, time INTEGER NOT NULL, path TEXT NOT NULL,"
	" title TEXT NOT NULL, note TEXT NOT NULL, text TEXT NOT NULL, head INTEGER NOT NULL) "
	"STRICT;"
	"CREATE INDEX revision_doc ON revision(doc, num);"
	"CREATE TABLE revision_parent(doc INTEGER NOT NULL, parent BLOB NOT NULL, child INTEGER "
	"NOT NULL,"
	" place INTEGER NOT NULL, PRIMARY KEY(doc, parent, child)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX revision_parent_child ON revision_parent(child, place);",
	"ALTER TABLE revision ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;",
};

#define DOC_COLUMNS                                                                                \
	"d.num, d.id, d.space, d.path, d.title, d.hidden,"                                         \
	" NOT EXISTS(SELECT 1 FROM doc o WHERE o.space = d.space AND o.path = d.path AND NOT "     \
	"o.hidden"                                                                                 \
	"  AND o.id < d.id),"                                                                      \
	" (SELECT count(*) FROM revision h WHERE h.doc = d.num AND h.head),"                       \
	" (SELECT count(*) FROM revision h WHERE h.doc = d.num)"
#define REVISION_COLUMNS                                                                           \
	"r.num, r.id, r.author, r.time, r.path, r.title, r.text, r.note, r.head, r.erased"

const char *const library_sql[LIBRARY_SQL] = {
	[DOC_ADD] = "INSERT INTO doc(id, space, path, title, hidden) VALUES(?1, ?2, ?3, ?4, 0)",
	[DOC_RESET] = "DELETE FROM doc WHERE id = ?1",
	[DOC_SETTLE] = "UPDATE doc SET (path, title) = (SELECT path, title FROM revision WHERE doc "
		       "= ?1 AND head"
		       " ORDER BY num DESC LIMIT 1) WHERE num = ?1",
	[DOC_HIDE] = "UPDATE doc SET hidden = ?2 WHERE id = ?1",
	[DOC_BY_ID] = "SELECT " DOC_COLUMNS " FROM doc d WHERE d.id = ?1",
	[DOC_BY_PATH] = "SELECT " DOC_COLUMNS " FROM doc d WHERE d.space = ?1 AND d.path = ?2 AND "
			"NOT d.hidden ORDER BY d.id LIMIT 1",
	[DOC_BY_SHORT] =
		"SELECT " DOC_COLUMNS
		" FROM doc d WHERE d.space = ?1 AND d.path = ?2 AND NOT d.hidden ORDER BY d.id",
	[DOC_EACH] = "SELECT " DOC_COLUMNS
		     " FROM doc d WHERE d.space = ?1 AND NOT d.hidden ORDER BY d.path, d.id",
	[DOC_CONFLICTS] = "SELECT count(*) FROM doc d WHERE d.space = ?1 AND NOT d.hidden AND"
			  " (SELECT count(*) FROM revision h WHERE h.doc = d.num AND h.head) > 1",
	[REVISION_ADD] =
		"INSERT INTO revision(id, doc, author, time, path, title, note, text, erased, head)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NOT EXISTS(SELECT 1 FROM "
		"revision_parent"
		"  WHERE doc = ?2 AND parent = ?1))",
	[REVISION_RESET] = "DELETE FROM revision WHERE doc = (SELECT num FROM doc WHERE id = ?1)",
	[REVISION_EACH] =
		"SELECT " REVISION_COLUMNS
		" FROM revision r WHERE r.doc = ?1 AND (r.head OR NOT ?2) ORDER BY r.num DESC",
	[REVISION_LIST] =
		"SELECT r.num, r.id, r.author, r.time, r.path, r.title, '', r.note, r.head, "
		"r.erased"
		" FROM revision r WHERE r.doc = ?1 ORDER BY r.num DESC LIMIT ?3 OFFSET ?2",
	[REVISION_GET] =
		"SELECT " REVISION_COLUMNS " FROM revision r WHERE r.doc = ?1 AND r.id = ?2",
	[REVISION_SINCE] =
		"SELECT " REVISION_COLUMNS ", " DOC_COLUMNS
		" FROM revision r JOIN doc d ON d.num = r.doc WHERE d.space = ?1 AND r.num > ?2"
		" ORDER BY r.num LIMIT ?3",
	[PARENT_ADD] = "INSERT OR IGNORE INTO revision_parent(doc, parent, child, place) "
		       "VALUES(?1, ?2, ?3, ?4)",
	[PARENT_RESET] =
		"DELETE FROM revision_parent WHERE doc = (SELECT num FROM doc WHERE id = ?1)",
	[PARENT_LOSES_HEAD] = "UPDATE revision SET head = 0 WHERE id = ?2 AND doc = ?1",
	[PARENT_EACH] = "SELECT parent FROM revision_parent WHERE child = ?1 ORDER BY place",
	[DIGEST] = "SELECT d.id, d.hidden, r.id, r.author, r.time, r.path, r.title, r.note, "
		   "r.text, r.head, r.erased"
		   " FROM doc d JOIN revision r ON r.doc = d.num WHERE d.space = ?1 ORDER BY d.id, "
		   "r.num",
	[STAMP] = "SELECT (SELECT coalesce(max(num), 0) FROM revision), count(*), "
		  "coalesce(sum(hidden), 0)"
		  " FROM doc",
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_view(c, &library_feature);
}

/* --- folding ---------------------------------------------------------------------------------- */

struct error *doc_add(struct fold *f, const struct op *op, const char *path, const char *title)
{
	return db_do(f->conn->view, stmts(f->conn), DOC_ADD, "kkss", &op->id, &f->space, path,
		     title);
}

struct error *doc_set_hidden(struct fold *f, bool hidden)
{
	return db_do(f->conn->view, stmts(f->conn), DOC_HIDE, "ki", &f->object, (int64_t)hidden);
}

struct error *revision_add(struct fold *f, const struct doc *d, const struct op *op,
			   const struct revision *what, const struct hash *parents, size_t n)
{
	struct db_stmts *s = stmts(f->conn);
	struct db *db = f->conn->view;
	int64_t num;

	TRY(db_do(db, s, REVISION_ADD, "kikissssi", &op->id, d->num, &op->author, op->time,
		  what->path, what->title, what->note, what->text, (int64_t)what->erased));
	num = db_last_rowid(db);
	for (size_t i = 0; i < n; i++) {
		TRY(db_do(db, s, PARENT_ADD, "ikii", d->num, &parents[i], num, (int64_t)i));
		TRY(db_do(db, s, PARENT_LOSES_HEAD, "ik", d->num, &parents[i]));
	}
	return db_do(db, s, DOC_SETTLE, "i", d->num);
}

struct error *library_reset(struct fold *f)
{
	struct db_stmts *s = stmts(f->conn);

	TRY(db_do(f->conn->view, s, PARENT_RESET, "k", &f->object));
	TRY(db_do(f->conn->view, s, REVISION_RESET, "k", &f->object));
	return db_do(f->conn->view, s, DOC_RESET, "k", &f->object);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void read_doc(struct arena *a, sqlite3_stmt *st, int col, struct doc *ret)
{
	*ret = (struct doc){.num = db_int(st, col),
			    .path = arena_str(a, db_text(st, col + 3)),
			    .title = arena_str(a, db_text(st, col + 4)),
			    .hidden = db_int(st, col + 5),
			    .first = db_int(st, col + 6),
			    .heads = db_int(st, col + 7),
			    .revisions = db_int(st, col + 8)};
	db_id(st, col + 1, &ret->id);
	db_id(st, col + 2, &ret->space);
}

static void read_revision(struct arena *a, sqlite3_stmt *st, struct revision *ret)
{
	*ret = (struct revision){.num = db_int(st, 0),
				 .time = db_int(st, 3),
				 .path = arena_str(a, db_text(st, 4)),
				 .title = arena_str(a, db_text(st, 5)),
				 .text = arena_str(a, db_text(st, 6)),
				 .note = arena_str(a, db_text(st, 7)),
				 .head = db_int(st, 8),
				 .erased = db_int(st, 9)};
	db_id(st, 1, &ret->id);
	db_id(st, 2, &ret->author);
}

static struct error *one_doc(struct conn *c, struct arena *a, sqlite3_stmt *st, struct doc *ret)
{
	bool row;

	TRY(db_step(c->view, st, &row));
	if (!row)
		return error_new(ERR_NOT_FOUND, N_("There is no such page among the documents."));
	read_doc(a, st, 0, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *doc_folded(struct fold *f, struct doc *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(f->conn), DOC_BY_ID);

	db_bind(st, "k", &f->object);
	return one_doc(f->conn, f->arena, st, ret);
}

struct error *doc_get(struct conn *c, struct arena *a, const struct hash *id, struct doc *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), DOC_BY_ID);
	struct doc d;

	db_bind(st, "k", id);
	TRY(one_doc(c, a, st, &d));
	ENSURE(conn_sees(c, &d.space),
	       error_new(ERR_NOT_FOUND, N_("There is no such page among the documents.")));
	*ret = d;
	return NULL;
}

static struct error *revision_by_id(struct conn *c, struct arena *a, int64_t doc,
				    const struct hash *id, struct revision *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), REVISION_GET);
	bool row;

	db_bind(st, "ik", doc, id);
	TRY(db_step(c->view, st, &row));
	if (!row)
		return error_new(ERR_NOT_FOUND, N_("This page has no version %s here."),
				 ID_SHORT(id));
	read_revision(a, st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *revision_folded(struct fold *f, const struct doc *d, const struct hash *id,
			      struct revision *ret)
{
	return revision_by_id(f->conn, f->arena, d->num, id, ret);
}

struct error *revision_get(struct conn *c, struct arena *a, const struct doc *d,
			   const struct hash *id, struct revision *ret)
{
	return revision_by_id(c, a, d->num, id, ret);
}

const char *doc_address(struct arena *a, const struct doc *d)
{
	return d->first ? d->path : arena_printf(a, "%s~%s", d->path, ID_SHORT(&d->id));
}

/* PATH~ID8: the document with that path whose id begins so. */
static struct error *doc_by_short(struct conn *c, struct arena *a, const struct hash *space,
				  const char *path, const char *short_id, struct doc *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), DOC_BY_SHORT);
	bool row;

	db_bind(st, "ks", space, path);
	for (;;) {
		struct hash id;

		TRY(db_step(c->view, st, &row));
		if (!row)
			return error_new(ERR_NOT_FOUND,
					 N_("There is no such page among the documents."));
		if (db_id(st, 1, &id) && !strcmp(ID_SHORT(&id), short_id))
			break;
	}
	read_doc(a, st, 0, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *doc_at(struct conn *c, struct arena *a, const struct hash *space, const char *address,
		     struct doc *ret)
{
	const char *tilde = strrchr(address, '~');
	sqlite3_stmt *st;

	if (tilde)
		return doc_by_short(c, a, space, arena_strn(a, address, (size_t)(tilde - address)),
				    tilde + 1, ret);
	st = db_stmt(stmts(c), DOC_BY_PATH);
	db_bind(st, "ks", space, address);
	return one_doc(c, a, st, ret);
}

struct error *library_conflicts(struct conn *c, const struct hash *space, int64_t *ret)
{
	return db_number(c->view, stmts(c), DOC_CONFLICTS, 0, ret, "k", space);
}

struct error *doc_each(struct conn *c, struct arena *a, const struct hash *space, doc_fn *fn,
		       void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), DOC_EACH);
	struct error *e = NULL;

	db_bind(st, "k", space);
	while (db_next(c->view, st, &e)) {
		struct doc d;

		read_doc(a, st, 0, &d);
		e = fn(ctx, &d);
	}
	return e;
}

static struct error *each_revision(struct conn *c, struct arena *a, sqlite3_stmt *st,
				   revision_fn *fn, void *ctx)
{
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		struct revision r;

		read_revision(a, st, &r);
		e = fn(ctx, &r);
	}
	return e;
}

struct error *revision_each(struct conn *c, struct arena *a, const struct doc *d, bool heads_only,
			    revision_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), REVISION_EACH);

	db_bind(st, "ii", d->num, (int64_t)heads_only);
	return each_revision(c, a, st, fn, ctx);
}

struct error *revision_list(struct conn *c, struct arena *a, const struct doc *d, int64_t skip,
			    int64_t n, revision_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), REVISION_LIST);

	db_bind(st, "iii", d->num, skip, n);
	return each_revision(c, a, st, fn, ctx);
}

size_t revision_parents(struct conn *c, const struct revision *r, struct hash *out)
{
	sqlite3_stmt *st = db_stmt(stmts(c), PARENT_EACH);
	struct error *e = NULL;
	size_t n = 0;

	db_bind(st, "i", r->num);
	while (n < LIMIT_SEEN && db_next(c->view, st, &e))
		n += db_id(st, 0, &out[n]);
	error_free(e);
	sqlite3_reset(st);
	return n;
}

struct error *library_since(struct conn *c, struct arena *a, const struct hash *space,
			    int64_t after, size_t max, library_change_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), REVISION_SINCE);
	struct error *e = NULL;

	db_bind(st, "kii", space, after, (int64_t)max);
	while (db_next(c->view, st, &e)) {
		struct library_change ch;

		read_revision(a, st, &ch.revision);
		read_doc(a, st, 10, &ch.doc);
		e = fn(ctx, &ch);
	}
	return e;
}

struct error *library_digest(struct conn *c, const struct hash *space, struct hash_state *h)
{
	sqlite3_stmt *st = db_stmt(stmts(c), DIGEST);

	db_bind(st, "k", space);
	return digest_rows(c->view, st, h);
}

struct error *library_stamp(struct conn *c, struct library_stamp *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), STAMP);
	bool row;

	TRY(db_step(c->view, st, &row));
	*ret = (struct library_stamp){db_int(st, 0), db_int(st, 1), db_int(st, 2)};
	sqlite3_reset(st);
	return NULL;
}
