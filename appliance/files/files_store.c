/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The tables of files, in view.db and local.db. */
#include "appliance/files/files_priv.h"
#include "appliance/community/rows.h"

/* file_version.num grows and is never used twice; inside a file it grows in fold order. `box` is
 * where the op is carried, and no part of what all boxes agree on. */
const char *const files_migrations[FILES_MIGRATIONS] = {
	"CREATE TABLE file(num INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, space BLOB NOT NULL,"
	" path TEXT NOT NULL, title TEXT NOT NULL, hidden INTEGER NOT NULL) STRICT;"
	"CREATE INDEX file_path ON file(space, path, id);"
	"CREATE TABLE file_version(num INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,"
	" file INTEGER NOT NULL, space BLOB NOT NULL, author BLOB NOT NULL,"
	" box BLOB NOT NULL, time INTEGER NOT NULL,"
	" path TEXT NOT NULL, title TEXT NOT NULL, note TEXT NOT NULL, kind TEXT NOT NULL,"
	" size INTEGER NOT NULL, content BLOB, blob BLOB, stored INTEGER NOT NULL, key BLOB,"
	" sha256 BLOB, head INTEGER NOT NULL, erased INTEGER NOT NULL) STRICT;"
	"CREATE INDEX file_version_file ON file_version(file, num);"
	"CREATE INDEX file_version_blob ON file_version(blob) WHERE blob IS NOT NULL;"
	"CREATE INDEX file_version_space ON file_version(blob, space, stored) WHERE blob IS NOT NULL;"
	"CREATE INDEX file_version_named ON file_version(num) WHERE blob IS NOT NULL;"
	"CREATE INDEX file_version_author ON file_version(author, time);"
	"CREATE INDEX file_version_sha256 ON file_version(sha256) WHERE sha256 IS NOT NULL;"
	"CREATE TABLE file_parent(file INTEGER NOT NULL, parent BLOB NOT NULL, child INTEGER "
	"NOT NULL, place INTEGER NOT NULL, PRIMARY KEY(file, parent, child)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX file_parent_child ON file_parent(child, place);",
	/* What `file.carry` ops say, for as long as they say it. The rows of a box in a space are in the
	 * order (time, said, place); over: enum carried_stage. */
	"CREATE TABLE file_carried(num INTEGER PRIMARY KEY AUTOINCREMENT, said BLOB NOT NULL,"
	" op BLOB NOT NULL, space BLOB NOT NULL, box BLOB NOT NULL, blob BLOB NOT NULL,"
	" stored INTEGER NOT NULL, time INTEGER NOT NULL, place INTEGER NOT NULL,"
	" over INTEGER NOT NULL) STRICT;"
	"CREATE INDEX file_carried_said ON file_carried(said);"
	"CREATE INDEX file_carried_op ON file_carried(op, blob);"
	"CREATE INDEX file_carried_needs ON file_carried(blob, space, op) WHERE NOT over;"
	"CREATE INDEX file_carried_stage ON file_carried(over, num);"
	"CREATE INDEX file_carried_kept ON file_carried(space, box, time, said, place)"
	" WHERE NOT over;"
	"CREATE INDEX file_carried_out ON file_carried(space, box, time, said, place)"
	" WHERE over;",
	/* kept: bytes of a box's rows that are not over. The newest that has no room: neither has what
	 * is before it, in whatever order they come. */
	"CREATE TABLE file_carried_box(space BLOB NOT NULL, box BLOB NOT NULL, kept INTEGER NOT NULL,"
	" time INTEGER NOT NULL, said BLOB NOT NULL, place INTEGER NOT NULL,"
	" PRIMARY KEY(space, box)) STRICT, WITHOUT ROWID;",
};

const char *const files_local_migrations[FILES_LOCAL_MIGRATIONS] = {
	/* Blobs of versions that went out of the view: they came back, or were erased. */
	"CREATE TABLE file_left(op BLOB NOT NULL, blob BLOB NOT NULL, gone INTEGER NOT NULL,"
	" PRIMARY KEY(op, blob)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE file_wish(blob BLOB PRIMARY KEY, time INTEGER NOT NULL) STRICT, WITHOUT "
	"ROWID;",
	/* Blobs that are being sent in, noted before they have a name on the disk. */
	"CREATE TABLE file_sent(num INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL UNIQUE)"
	" STRICT;",
};

#define FILE_COLUMNS                                                                               \
	"f.num, f.id, f.space, f.path, f.title, f.hidden,"                                         \
	" (SELECT count(*) FROM file_version h WHERE h.file = f.num AND h.head),"                  \
	" (SELECT count(*) FROM file_version h WHERE h.file = f.num)"
enum { FILE_COLUMN_N = 8 };
#define VERSION_COLUMNS                                                                            \
	"v.num, v.id, v.author, v.box, v.time, v.path, v.title, v.note, v.kind, v.size,"           \
	" v.content IS NOT NULL, v.blob, v.stored, v.key, v.sha256, v.head, v.erased"

enum { VERSION_COLUMN_N = 17 };

#define CARRIED_COLUMNS "num, said, op, space, box, blob, stored, over"

const char *const files_sql[FILES_SQL] = {
	[FILE_ADD] = "INSERT INTO file(id, space, path, title, hidden) VALUES(?1, ?2, ?3, ?4, 0)",
	[FILE_RESET] = "DELETE FROM file WHERE id = ?1",
	[FILE_SETTLE] =
		"UPDATE file SET (path, title) = (SELECT path, title FROM file_version WHERE"
		" file = ?1 AND head ORDER BY num DESC LIMIT 1) WHERE num = ?1",
	[FILE_HIDE] = "UPDATE file SET hidden = ?2 WHERE id = ?1",
	[FILE_BY_ID] = "SELECT " FILE_COLUMNS " FROM file f WHERE f.id = ?1",
	[FILE_BY_PATH] = "SELECT " FILE_COLUMNS " FROM file f WHERE f.space = ?1 AND f.path = ?2 "
			 "AND NOT f.hidden ORDER BY f.id LIMIT 1",
	[FILE_EACH] = "SELECT " FILE_COLUMNS ", " VERSION_COLUMNS
		      " FROM file f JOIN file_version v ON v.num = (SELECT max(num) FROM "
		      "file_version WHERE file = f.num AND head)"
		      " WHERE f.space = ?1 AND NOT f.hidden ORDER BY f.path, f.id",
	/* Whoever may not see the newest sees perhaps another, of another space. */
	[FILE_OF_BLOB] = "SELECT " FILE_COLUMNS ", " VERSION_COLUMNS
			 " FROM file_version v JOIN file f ON f.num = v.file WHERE v.blob = ?1 AND"
			 " NOT v.erased ORDER BY v.num DESC LIMIT 64",
	[VERSION_ADD] = "INSERT INTO file_version(id, file, author, box, time, path, title, note, "
			"kind, size, content, blob, stored, key, sha256, erased, space, head)"
			" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
			"?16, ?17, NOT EXISTS(SELECT 1 FROM file_parent WHERE file = ?2 AND parent = "
			"?1))",
	[VERSION_RESET] =
		"DELETE FROM file_version WHERE file = (SELECT num FROM file WHERE id = ?1)",
	[VERSION_EACH] =
		"SELECT " VERSION_COLUMNS " FROM file_version v WHERE v.file = ?1 AND (v.head OR "
		"NOT ?2) ORDER BY v.num DESC",
	[VERSION_GET] =
		"SELECT " VERSION_COLUMNS " FROM file_version v WHERE v.file = ?1 AND v.id = ?2",
	[VERSION_CONTENT] = "SELECT content FROM file_version WHERE num = ?1",
	[VERSION_BLOBS] = "SELECT v.id, v.blob FROM file_version v JOIN file f ON f.num = v.file"
			  " WHERE f.id = ?1 AND v.blob IS NOT NULL",
	[VERSION_NAMES] = "SELECT space FROM file_version WHERE blob = ?1 AND space > ?2"
			  " ORDER BY space LIMIT 1",
	[VERSION_SHOWS] = "SELECT 1 FROM file_version v JOIN file f ON f.num = v.file WHERE"
			  " v.blob = ?1 AND v.space = ?2 AND v.stored >= ?3 AND NOT f.hidden LIMIT 1",
	[VERSION_WANTED] = "SELECT v.num, v.blob, v.stored, f.space FROM file_version v"
			   " JOIN file f ON f.num = v.file WHERE v.blob IS NOT NULL AND v.num < ?1"
			   " AND NOT f.hidden ORDER BY v.num DESC LIMIT 1",
	[VERSION_NAMED] =
		"SELECT v.num, v.blob, v.stored, f.space FROM file_version v JOIN file f ON f.num ="
		" v.file WHERE v.blob IS NOT NULL AND v.num < ?1 AND NOT EXISTS(SELECT 1 FROM"
		" file_version w WHERE w.blob = v.blob AND w.num > v.num) ORDER BY v.num DESC "
		"LIMIT 1",
	[VERSION_SENT] = "SELECT sum(size) FROM file_version WHERE author = ?1 AND time > ?2",
	[VERSION_LIVES] = "SELECT 1 FROM file_version WHERE id = ?1 AND NOT erased",
	[VERSION_SHA256] =
		"SELECT " VERSION_COLUMNS ", f.id FROM file_version v JOIN file f ON f.num = v.file"
		" WHERE v.sha256 = ?1 AND f.space = ?2 AND NOT f.hidden ORDER BY v.num DESC LIMIT 1",
	[FILES_STAMP] = "SELECT (SELECT coalesce(max(num), 0) FROM file_version), count(*),"
			" coalesce(sum(hidden * num * (num + 7)), 0) FROM file",
	[FILE_PARENT_ADD] = "INSERT OR IGNORE INTO file_parent(file, parent, child, place)"
			    " VALUES(?1, ?2, ?3, ?4)",
	[FILE_PARENT_RESET] =
		"DELETE FROM file_parent WHERE file = (SELECT num FROM file WHERE id = ?1)",
	[FILE_PARENT_LOSES_HEAD] = "UPDATE file_version SET head = 0 WHERE id = ?2 AND file = ?1",
	[FILE_PARENT_EACH] = "SELECT parent FROM file_parent WHERE child = ?1 ORDER BY place",
	[FILE_DIGEST] = "SELECT f.id, f.hidden, v.id, v.author, v.time, v.path, v.title, v.note, "
			"v.kind, v.size, v.content, v.blob, v.key, v.sha256, v.head, v.erased"
			" FROM file f JOIN file_version v ON v.file = f.num WHERE f.space = ?1"
			" ORDER BY f.id, v.num",
	[CARRIED_ADD] = "INSERT INTO file_carried(said, op, space, box, blob, stored, time, place,"
			" over) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[CARRIED_BOX] = "INSERT OR IGNORE INTO file_carried_box(space, box, kept, time, said, place)"
			" VALUES(?1, ?2, 0, -9223372036854775808, x'', 0)",
	[CARRIED_LATE] = "SELECT (?3, ?4, ?5) <= (time, said, place) FROM file_carried_box"
			 " WHERE space = ?1 AND box = ?2",
	[CARRIED_MORE] = "UPDATE file_carried_box SET kept = kept + ?3 WHERE space = ?1 AND box = ?2",
	[CARRIED_OLDEST] =
		"SELECT k.num, k.stored, k.time, k.said, k.place, b.kept FROM file_carried_box b"
		" JOIN file_carried k ON k.space = b.space AND k.box = b.box AND NOT k.over"
		" WHERE b.space = ?1 AND b.box = ?2 AND b.kept > ?3"
		" ORDER BY k.time, k.said, k.place LIMIT 1",
	[CARRIED_OUT_ROW] = "UPDATE file_carried SET over = 1 WHERE num = ?1",
	[CARRIED_MARK] = "UPDATE file_carried_box SET time = ?3, said = ?4, place = ?5"
			 " WHERE space = ?1 AND box = ?2",
	[CARRIED_WHOSE] = "SELECT box FROM file_carried WHERE said = ?1 LIMIT 1",
	[CARRIED_NEWEST_OUT] =
		"SELECT k.num, k.stored, k.time, k.said, k.place, b.kept FROM file_carried_box b"
		" JOIN file_carried k ON k.space = b.space AND k.box = b.box AND k.over"
		" WHERE b.space = ?1 AND b.box = ?2"
		" ORDER BY k.time DESC, k.said DESC, k.place DESC LIMIT 1",
	[CARRIED_BACK_ROW] = "UPDATE file_carried SET over = 0 WHERE num = ?1",
	[CARRIED_LESS] =
		"UPDATE file_carried_box SET kept = kept - (SELECT coalesce(sum(stored), 0)"
		" FROM file_carried WHERE said = ?1 AND NOT over)"
		" WHERE (space, box) IN (SELECT space, box FROM file_carried WHERE said = ?1)",
	[CARRIED_RESET] = "DELETE FROM file_carried WHERE said = ?1",
	[CARRIED_BEFORE] =
		"SELECT " CARRIED_COLUMNS " FROM file_carried WHERE over = 0 AND num < ?1"
		" ORDER BY num DESC LIMIT 1",
	[CARRIED_NEEDS] = "SELECT " CARRIED_COLUMNS " FROM file_carried WHERE blob = ?1 AND stored"
			  " >= ?2 AND (space, op) > (?3, ?4) AND NOT over ORDER BY space, op"
			  " LIMIT 1",
	[CARRIED_IN] = "SELECT " CARRIED_COLUMNS " FROM (SELECT * FROM file_carried WHERE space = ?1"
		       " AND NOT over LIMIT ?2) ORDER BY blob",
	[CARRIED_AFTER] = "SELECT " CARRIED_COLUMNS " FROM file_carried WHERE over = ?2 AND num >"
			  " ?1 ORDER BY num LIMIT 1",
	[CARRIED_LOOKED] = "UPDATE file_carried SET over = over + 1 WHERE num = ?1 AND blob = ?2"
			   " AND over = ?3 AND over > 0",
	[CARRIED_LAST] = "SELECT max(num) FROM file_carried",
	[CARRIED_DIGEST] = "SELECT said, place, op, box, blob, stored FROM file_carried"
			   " WHERE space = ?1 AND NOT over ORDER BY said, place",
	[CARRIED_OWED] =
		"SELECT v.id, v.box, v.blob, v.stored FROM file_version v JOIN file f ON f.num ="
		" v.file WHERE f.space = ?1 AND NOT f.hidden AND v.blob IS NOT NULL AND v.key IS"
		" NOT NULL AND NOT EXISTS(SELECT 1 FROM file_carried k WHERE k.op = v.id AND k.blob"
		" = v.blob AND k.space = f.space AND k.box IN (v.box, ?2)) ORDER BY v.num DESC",
};

const char *const files_local_sql[FILES_LOCAL_SQL] = {
	[LEFT_ADD] = "INSERT OR IGNORE INTO file_left(op, blob, gone) VALUES(?1, ?2, 0)",
	[LEFT_EACH] = "SELECT op, blob, gone FROM file_left ORDER BY op, blob",
	[LEFT_GONE] = "UPDATE file_left SET gone = ?3 WHERE op = ?1 AND blob = ?2",
	[LEFT_FORGET] = "DELETE FROM file_left WHERE op = ?1 AND blob = ?2",
	[BLOB_WISH_ADD] = "INSERT OR REPLACE INTO file_wish(blob, time) VALUES(?1, ?2)",
	[BLOB_WISH_SINCE] = "SELECT 1 FROM file_wish WHERE blob = ?1 AND time > ?2",
	[BLOB_WISH_FORGET] = "DELETE FROM file_wish WHERE blob = ?1",
	[SENT_ADD] = "INSERT OR REPLACE INTO file_sent(blob) VALUES(?1)",
	[SENT_DONE] = "DELETE FROM file_sent WHERE blob = ?1",
	[SENT_LAST] = "SELECT max(num) FROM file_sent",
	[SENT_EACH] = "SELECT blob FROM file_sent WHERE num <= ?1 ORDER BY num",
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_view(c, &files_feature);
}

static struct db_stmts *local(struct conn *c)
{
	return conn_local(c, &files_feature);
}

/* --- folding ---------------------------------------------------------------------------------- */

struct error *file_add(struct fold *f, const struct op *op, const char *path, const char *title)
{
	return db_do(f->conn->view, stmts(f->conn), FILE_ADD, "kkss", &op->id, &f->space, path,
		     title);
}

struct error *file_set_hidden(struct fold *f, bool hidden)
{
	return db_do(f->conn->view, stmts(f->conn), FILE_HIDE, "ki", &f->object, (int64_t)hidden);
}

struct error *file_version_add(struct fold *f, const struct file *file, const struct op *op,
			       const struct file_version *what, struct span content,
			       const struct hash *parents, size_t n)
{
	bool outside = !what->inside && !what->erased;
	struct db_stmts *s = stmts(f->conn);
	struct db *db = f->conn->view;
	int64_t num;

	TRY(db_do(db, s, VERSION_ADD, "kikkissssibkibkik", &op->id, file->num, &op->author,
		  &op->appliance, op->time, what->path, what->title, what->note, what->kind->name,
		  (int64_t)what->size, content, outside ? &what->blob : NULL, (int64_t)what->stored,
		  what->sealed ? span_of(what->key, FILE_KEY) : span_of(NULL, 0),
		  outside ? &what->sha256 : NULL, (int64_t)what->erased, &f->space));
	num = db_last_rowid(db);
	for (size_t i = 0; i < n; i++) {
		TRY(db_do(db, s, FILE_PARENT_ADD, "ikii", file->num, &parents[i], num, (int64_t)i));
		TRY(db_do(db, s, FILE_PARENT_LOSES_HEAD, "ik", file->num, &parents[i]));
	}
	return db_do(db, s, FILE_SETTLE, "i", file->num);
}

/* What goes out of the view may have been erased: its blob is looked after by the thread. */
static struct error *note_blobs(struct fold *f)
{
	sqlite3_stmt *st = db_stmt(stmts(f->conn), VERSION_BLOBS);
	struct error *e = NULL;

	db_bind(st, "k", &f->object);
	while (db_next(f->conn->view, st, &e)) {
		struct hash op, blob;

		if (db_id(st, 0, &op) && db_id(st, 1, &blob))
			e = db_do(f->conn->local, local(f->conn), LEFT_ADD, "kk", &op, &blob);
	}
	return e;
}

struct error *files_reset(struct fold *f)
{
	struct db_stmts *s = stmts(f->conn);

	TRY(note_blobs(f));
	TRY(carried_reset(f));
	TRY(db_do(f->conn->view, s, FILE_PARENT_RESET, "k", &f->object));
	TRY(db_do(f->conn->view, s, VERSION_RESET, "k", &f->object));
	return db_do(f->conn->view, s, FILE_RESET, "k", &f->object);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void read_file(struct arena *a, sqlite3_stmt *st, struct file *ret)
{
	*ret = (struct file){.num = db_int(st, 0),
			     .path = arena_str(a, db_text(st, 3)),
			     .title = arena_str(a, db_text(st, 4)),
			     .hidden = db_int(st, 5),
			     .heads = db_int(st, 6),
			     .versions = db_int(st, 7)};
	db_id(st, 1, &ret->id);
	db_id(st, 2, &ret->space);
}

static void read_version(struct arena *a, sqlite3_stmt *st, int col, struct file_version *ret)
{
	struct span key = db_blob(st, col + 13);

	*ret = (struct file_version){.num = db_int(st, col),
				     .time = db_int(st, col + 4),
				     .path = arena_str(a, db_text(st, col + 5)),
				     .title = arena_str(a, db_text(st, col + 6)),
				     .note = arena_str(a, db_text(st, col + 7)),
				     .kind = file_kind_named(db_text(st, col + 8)),
				     .size = (uint64_t)db_int(st, col + 9),
				     .inside = db_int(st, col + 10),
				     .stored = (uint64_t)db_int(st, col + 12),
				     .sealed = key.n == FILE_KEY,
				     .head = db_int(st, col + 15),
				     .erased = db_int(st, col + 16)};
	db_id(st, col + 1, &ret->id);
	db_id(st, col + 2, &ret->author);
	db_id(st, col + 3, &ret->box);
	db_id(st, col + 11, &ret->blob);
	db_id(st, col + 14, &ret->sha256);
	if (ret->sealed)
		memcpy(ret->key, key.p, FILE_KEY);
}

static struct error *no_file(void)
{
	return error_new(ERR_NOT_FOUND, N_("There is no such file among the documents."));
}

static struct error *one_file(struct conn *c, struct arena *a, sqlite3_stmt *st, struct file *ret)
{
	bool row;

	TRY(db_step(c->view, st, &row));
	if (!row)
		return no_file();
	read_file(a, st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *file_folded(struct fold *f, struct file *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(f->conn), FILE_BY_ID);

	db_bind(st, "k", &f->object);
	return one_file(f->conn, f->arena, st, ret);
}

struct error *file_get(struct conn *c, struct arena *a, const struct hash *id, struct file *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILE_BY_ID);
	struct file f;

	db_bind(st, "k", id);
	TRY(one_file(c, a, st, &f));
	ENSURE(conn_sees(c, &f.space), no_file());
	*ret = f;
	return NULL;
}

struct error *file_at(struct conn *c, struct arena *a, const struct hash *space, const char *path,
		      struct file *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILE_BY_PATH);

	db_bind(st, "ks", space, path);
	return one_file(c, a, st, ret);
}

struct error *file_each(struct conn *c, struct arena *a, const struct hash *space, file_fn *fn,
			void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILE_EACH);
	struct error *e = NULL;

	db_bind(st, "k", space);
	while (db_next(c->view, st, &e)) {
		struct file_version v;
		struct file f;

		read_file(a, st, &f);
		read_version(a, st, FILE_COLUMN_N, &v);
		e = fn(ctx, &f, &v);
	}
	return e;
}

struct error *file_of_blob(struct conn *c, struct arena *a, const struct hash *blob, struct file *f,
			   struct file_version *v, bool *ret_found)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILE_OF_BLOB);
	struct error *e = NULL;

	*ret_found = false;
	db_bind(st, "k", blob);
	while (!*ret_found && db_next(c->view, st, &e)) {
		read_file(a, st, f);
		read_version(a, st, FILE_COLUMN_N, v);
		*ret_found = conn_sees(c, &f->space);
	}
	sqlite3_reset(st);
	return e;
}

struct error *file_version_each(struct conn *c, struct arena *a, const struct file *f,
				bool heads_only, file_version_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), VERSION_EACH);
	struct error *e = NULL;

	db_bind(st, "ii", f->num, (int64_t)heads_only);
	while (db_next(c->view, st, &e)) {
		struct file_version v;

		read_version(a, st, 0, &v);
		e = fn(ctx, &v);
	}
	return e;
}

static struct error *version_by_id(struct conn *c, struct arena *a, int64_t file,
				   const struct hash *id, struct file_version *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), VERSION_GET);
	bool row;

	db_bind(st, "ik", file, id);
	TRY(db_step(c->view, st, &row));
	if (!row)
		return error_new(ERR_NOT_FOUND, N_("This file has no version %s here."),
				 ID_SHORT(id));
	read_version(a, st, 0, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *file_version_folded(struct fold *f, const struct file *file, const struct hash *id,
				  struct file_version *ret)
{
	return version_by_id(f->conn, f->arena, file->num, id, ret);
}

struct error *file_version_get(struct conn *c, struct arena *a, const struct file *f,
			       const struct hash *id, struct file_version *ret)
{
	return version_by_id(c, a, f->num, id, ret);
}

struct error *file_content(struct conn *c, struct arena *a, const struct file_version *v,
			   struct span *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), VERSION_CONTENT);
	struct span s;
	bool row;

	db_bind(st, "i", v->num);
	TRY(db_step(c->view, st, &row));
	ENSURE(row, no_file());
	s = db_blob(st, 0);
	*ret = span_of(arena_copy(a, s.p, s.n), s.n);
	sqlite3_reset(st);
	return NULL;
}

size_t file_parents(struct conn *c, const struct file_version *v, struct hash *out)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILE_PARENT_EACH);
	struct error *e = NULL;
	size_t n = 0;

	db_bind(st, "i", v->num);
	while (n < LIMIT_SEEN && db_next(c->view, st, &e))
		n += db_id(st, 0, &out[n]);
	error_free(e);
	sqlite3_reset(st);
	return n;
}

struct error *files_sent_since(struct conn *c, const struct pubkey *author, int64_t since,
			       int64_t *ret)
{
	return db_number(c->view, stmts(c), VERSION_SENT, 0, ret, "ki", author, since);
}

struct error *files_stamp(struct conn *c, struct files_stamp *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILES_STAMP);
	bool row;

	TRY(db_step(c->view, st, &row));
	*ret = (struct files_stamp){db_int(st, 0), db_int(st, 1), db_int(st, 2)};
	sqlite3_reset(st);
	return NULL;
}

struct error *file_version_lives(struct conn *c, const struct hash *id, bool *ret)
{
	int64_t one;

	TRY(db_number(c->view, stmts(c), VERSION_LIVES, 0, &one, "k", id));
	*ret = one != 0;
	return NULL;
}

struct error *file_by_sha256(struct conn *c, struct arena *a, const struct hash *space,
			     const struct hash *sha256, struct hash *ret_file,
			     struct file_version *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), VERSION_SHA256);
	bool row;

	db_bind(st, "kk", sha256, space);
	TRY(db_step(c->view, st, &row));
	if (!row)
		return no_file();
	read_version(a, st, 0, ret);
	db_id(st, VERSION_COLUMN_N, ret_file);
	sqlite3_reset(st);
	return NULL;
}

struct error *files_digest(struct conn *c, const struct hash *space, struct hash_state *h)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILE_DIGEST);

	db_bind(st, "k", space);
	TRY(digest_rows(c->view, st, h));
	st = db_stmt(stmts(c), CARRIED_DIGEST);
	db_bind(st, "k", space);
	return digest_rows(c->view, st, h);
}

/* --- blobs ------------------------------------------------------------------------------------ */

/* The next space in which something names the blob; *ret_more: there is one. */
static struct error *next_naming(struct conn *c, const struct hash *blob, struct hash *io_space,
				 bool *io_more)
{
	sqlite3_stmt *st = db_stmt(stmts(c), VERSION_NAMES);

	db_bind(st, "kb", blob, *io_more ? span_of(io_space->b, sizeof(io_space->b)) : span_str(""));
	TRY(db_step(c->view, st, io_more));
	if (*io_more)
		db_id(st, 0, io_space);
	sqlite3_reset(st);
	return NULL;
}

static struct error *shows(struct conn *c, const struct hash *blob, const struct hash *space,
			   uint64_t stored, bool *ret)
{
	int64_t one;

	TRY(db_number(c->view, stmts(c), VERSION_SHOWS, 0, &one, "kki", blob, space, (int64_t)stored));
	*ret = one != 0;
	return NULL;
}

/* Each space once, however many versions in it name the blob, until fn says yes. All of them: whoever names
 * a blob in many spaces hides none. */
struct error *blob_named_in(struct conn *c, const struct hash *blob, files_takes_fn *fn, void *ctx,
			    bool *ret)
{
	struct hash space;
	bool more = false;

	*ret = false;
	do {
		TRY(next_naming(c, blob, &space, &more));
		*ret = more && (!fn || fn(ctx, &space));
	} while (more && !*ret);
	return NULL;
}

struct error *blob_shown_in(struct conn *c, const struct hash *blob, uint64_t stored,
			    files_takes_fn *fn, void *ctx, bool *ret)
{
	struct hash space;
	bool more = false;

	*ret = false;
	do {
		TRY(next_naming(c, blob, &space, &more));
		if (more)
			TRY(shows(c, blob, &space, stored, ret));
		*ret = *ret && (!fn || fn(ctx, &space));
	} while (more && !*ret);
	return NULL;
}

static struct error *one_named(struct conn *c, int which, int64_t before, struct named_blob *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), which);
	bool row;

	*ret = (struct named_blob){.num = 0};
	db_bind(st, "i", before);
	TRY(db_step(c->view, st, &row));
	if (!row)
		return NULL;
	ret->num = db_int(st, 0);
	ret->stored = (uint64_t)db_int(st, 2);
	db_id(st, 1, &ret->blob);
	db_id(st, 3, &ret->space);
	sqlite3_reset(st);
	return NULL;
}

struct error *blob_before(struct conn *c, int64_t before, struct named_blob *ret)
{
	return one_named(c, VERSION_WANTED, before, ret);
}

struct error *blob_named_before(struct conn *c, int64_t before, struct named_blob *ret)
{
	return one_named(c, VERSION_NAMED, before, ret);
}

struct error *left_each(struct conn *c, left_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(local(c), LEFT_EACH);
	_cleanup_(buf_release) struct buf rows = {0};
	struct error *e = NULL;

	while (db_next(c->local, st, &e)) {
		struct left_blob l;

		l.gone_ms = db_int(st, 2);
		if (db_id(st, 0, &l.op) && db_id(st, 1, &l.blob))
			buf_add(&rows, &l, sizeof(l));
	}
	TRY(e);
	for (size_t i = 0; i < rows.n / sizeof(struct left_blob); i++)
		TRY(fn(ctx, (const struct left_blob *)(void *)rows.p + i));
	return NULL;
}

struct error *left_is_gone(struct conn *c, const struct left_blob *l)
{
	return db_do(c->local, local(c), LEFT_GONE, "kki", &l->op, &l->blob, l->gone_ms);
}

struct error *left_forget(struct conn *c, const struct left_blob *l)
{
	return db_do(c->local, local(c), LEFT_FORGET, "kk", &l->op, &l->blob);
}

struct error *file_wish(struct conn *c, const struct hash *blob)
{
	return db_do(c->local, local(c), BLOB_WISH_ADD, "ki", blob, env_now(c->env));
}

struct error *wish_since(struct conn *c, const struct hash *blob, int64_t since, bool *ret)
{
	int64_t one;

	TRY(db_number(c->local, local(c), BLOB_WISH_SINCE, 0, &one, "ki", blob, since));
	*ret = one != 0;
	return NULL;
}

struct error *wish_forget(struct conn *c, const struct hash *blob)
{
	return db_do(c->local, local(c), BLOB_WISH_FORGET, "k", blob);
}

/* --- what is being sent in -------------------------------------------------------------------- */

struct error *sent_add(struct conn *c, const struct hash *blob)
{
	return db_do(c->local, local(c), SENT_ADD, "k", blob);
}

struct error *sent_done(struct conn *c, const struct hash *blob)
{
	return db_do(c->local, local(c), SENT_DONE, "k", blob);
}

struct error *sent_last(struct conn *c, int64_t *ret)
{
	return db_number(c->local, local(c), SENT_LAST, 0, ret, "");
}

struct error *sent_settle(struct conn *c, struct blob_store *blobs, const struct hash *blob)
{
	bool needed;

	TRY(blob_is_needed(c, blob, &needed));
	if (!needed)
		TRY(blob_erase(blobs, blob));
	return sent_done(c, blob);
}

struct error *sent_clear(struct conn *c, struct blob_store *blobs, int64_t last)
{
	sqlite3_stmt *st = db_stmt(local(c), SENT_EACH);
	_cleanup_(buf_release) struct buf all = {0};
	struct error *e = NULL;

	db_bind(st, "i", last);
	while (db_next(c->local, st, &e)) {
		struct hash blob;

		if (db_id(st, 0, &blob))
			buf_add(&all, &blob, sizeof(blob));
	}
	TRY(e);
	for (size_t i = 0; i < all.n / sizeof(struct hash); i++)
		TRY(sent_settle(c, blobs, (const struct hash *)(void *)all.p + i));
	return NULL;
}
