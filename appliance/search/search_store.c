/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The index's tables in view.db.
 *
 * What changes is noted by triggers on the tables of forum/ and library/: the one place where
 * search/ knows them. A hook in those features would have to be called wherever they write; a
 * trigger can't be forgotten. New posts have none, because a first sync brings tens of thousands of
 * them: they are found by post.num, which grows. Changes of posts that were not taken in yet are
 * not noted, so folding again during a first sync costs nothing either.
 *
 * search_text keeps the words as plain text, too: SQLite 3.40 can only take a row out of an index
 * without content when it is told the old text, which is gone by then. There is no prefix index: it
 * would double the size, and beginnings of three letters are quick without, in a part (search_priv.h).
 */
#include "appliance/search/search_priv.h"
#include <malloc.h>

static const char *const migrations[] = {
	"CREATE TABLE search_state(id INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
	" erasing INTEGER NOT NULL) STRICT;"
	"INSERT INTO search_state(id, last, erasing) VALUES(1, 0, 0);"
	"CREATE TABLE search_changed(post INTEGER PRIMARY KEY) STRICT;"
	"CREATE TABLE search_doc_changed(id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;"
	"CREATE TABLE search_doc(num INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE)"
	" STRICT;"
	"CREATE TABLE search_part(first INTEGER PRIMARY KEY, last INTEGER NOT NULL,"
	" rows INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;"
	"CREATE VIRTUAL TABLE search_text USING fts5(title, text,"
	" tokenize = 'parted remove_diacritics 2');"
	"CREATE TRIGGER search_post_gone AFTER DELETE ON post"
	" WHEN OLD.num <= (SELECT last FROM search_state) BEGIN"
	" INSERT OR IGNORE INTO search_changed(post) VALUES(OLD.num); END;"
	"CREATE TRIGGER search_post_changed AFTER UPDATE OF hidden, erased, text ON post"
	" WHEN OLD.num <= (SELECT last FROM search_state) BEGIN"
	" INSERT OR IGNORE INTO search_changed(post) VALUES(OLD.num); END;"
	"CREATE TRIGGER search_topic_changed AFTER UPDATE OF title, hidden ON topic"
	" WHEN OLD.title <> NEW.title OR OLD.hidden <> NEW.hidden BEGIN"
	" INSERT OR IGNORE INTO search_changed(post) SELECT num FROM post"
	" WHERE topic = NEW.num AND num <= (SELECT last FROM search_state); END;"
	"CREATE TRIGGER search_doc_made AFTER INSERT ON doc BEGIN"
	" INSERT OR IGNORE INTO search_doc_changed(id) VALUES(NEW.id); END;"
	"CREATE TRIGGER search_doc_settled AFTER UPDATE ON doc BEGIN"
	" INSERT OR IGNORE INTO search_doc_changed(id) VALUES(NEW.id); END;"
	"CREATE TRIGGER search_doc_gone AFTER DELETE ON doc BEGIN"
	" INSERT OR IGNORE INTO search_doc_changed(id) VALUES(OLD.id); END;",
};

enum search_stmt {
	STATE_GET,
	STATE_LAST,
	STATE_ERASING,
	CHANGED_POSTS,
	CHANGED_DOCS,
	CHANGED_POST_DONE,
	CHANGED_DOC_DONE,
	PART_GET,
	PART_PUT,
	ROW_PUT,
	ROW_DROP,
	DOC_ADD,
	DOC_ROW,
	DOC_ID,
	MERGE,
	NEXT,
	FIND,
	RANK,
	SNIPPETS,
	SEARCH_STMTS
};

/* SNIPPETS: the unary + keeps SQLite from looking each row up by itself, which would read the
 * words' lists once a row. */
static const char *const sql[SEARCH_STMTS] = {
	[STATE_GET] = "SELECT last, erasing, (SELECT count(*) FROM (SELECT 1 FROM search_changed"
		      " LIMIT 1)) + (SELECT count(*) FROM (SELECT 1 FROM search_doc_changed LIMIT "
		      "1)) FROM search_state",
	[STATE_LAST] = "UPDATE search_state SET last = ?1",
	[STATE_ERASING] = "UPDATE search_state SET erasing = ?1",
	[CHANGED_POSTS] = "SELECT post FROM search_changed ORDER BY post LIMIT ?1",
	[CHANGED_DOCS] = "SELECT id FROM search_doc_changed ORDER BY id LIMIT ?1",
	[CHANGED_POST_DONE] = "DELETE FROM search_changed WHERE post = ?1",
	[CHANGED_DOC_DONE] = "DELETE FROM search_doc_changed WHERE id = ?1",
	[PART_GET] = "SELECT first, last, rows, bytes FROM search_part WHERE first <= ?1"
		     " ORDER BY first DESC LIMIT 1",
	[PART_PUT] = "INSERT OR REPLACE INTO search_part(first, last, rows, bytes)"
		     " VALUES(?1, ?2, ?3, ?4)",
	[ROW_PUT] = "INSERT INTO search_text(rowid, title, text) VALUES(?1, ?2, ?3)",
	[ROW_DROP] = "DELETE FROM search_text WHERE rowid = ?1",
	[DOC_ADD] = "INSERT OR IGNORE INTO search_doc(id) VALUES(?1)",
	[DOC_ROW] = "SELECT num FROM search_doc WHERE id = ?1",
	[DOC_ID] = "SELECT id FROM search_doc WHERE num = ?1",
	[MERGE] = "INSERT INTO search_text(search_text, rank) VALUES('merge', ?1)",
	[NEXT] = "SELECT rowid FROM search_text WHERE rowid < ?1 ORDER BY rowid DESC LIMIT 1",
	/* ?3: spaces that who asks does not see; their words must not even be counted. */
	[FIND] = "SELECT rowid, fit(search_text, 4.0, 1.0)"
		 " FROM search_text WHERE search_text MATCH ?1 AND rowid < ?2"
		 " AND rowid NOT IN (SELECT post FROM search_changed)"
		 " AND rowid NOT IN (SELECT ?5 + d.num FROM search_doc_changed c"
		 "  JOIN search_doc d ON d.id = c.id)"
		 " AND (?3 = '[]' OR NOT (EXISTS(SELECT 1 FROM post p JOIN topic t ON t.num = p.topic"
		 "   WHERE p.num = search_text.rowid"
		 "   AND lower(hex(t.space)) IN (SELECT value FROM json_each(?3)))"
		 "  OR EXISTS(SELECT 1 FROM search_doc s JOIN doc d ON d.id = s.id"
		 "   WHERE s.num = search_text.rowid - ?5"
		 "   AND lower(hex(d.space)) IN (SELECT value FROM json_each(?3)))))"
		 " ORDER BY rowid DESC LIMIT ?4",
	[RANK] = "SELECT t.rank, p.id FROM post p JOIN topic t ON t.num = p.topic WHERE p.num = ?1",
	[SNIPPETS] = "SELECT rowid, snippet(search_text, 1, '" FOUND_BEGIN "', '" FOUND_END
		     "', '…', 28) FROM search_text WHERE search_text MATCH ?1"
		     " AND +rowid IN (SELECT value FROM json_each(?2))",
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_view(c, &search_feature);
}

/* --- what is taken in ------------------------------------------------------------------------- */

struct error *state_get(struct conn *c, struct search_state *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), STATE_GET);
	bool row;

	TRY(db_step(c->view, st, &row));
	*ret = (struct search_state){db_int(st, 0), (enum erasing)db_int(st, 1), db_int(st, 2)};
	sqlite3_reset(st);
	return NULL;
}

struct error *state_last(struct conn *c, int64_t last)
{
	return db_do(c->view, stmts(c), STATE_LAST, "i", last);
}

struct error *state_erasing(struct conn *c, enum erasing e)
{
	return db_do(c->view, stmts(c), STATE_ERASING, "i", (int64_t)e);
}

struct error *changed_get(struct conn *c, struct changed *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), CHANGED_POSTS);
	struct error *e = NULL;

	ret->nposts = ret->ndocs = 0;
	db_bind(st, "i", (int64_t)ARRAY_LEN(ret->posts));
	while (db_next(c->view, st, &e))
		ret->posts[ret->nposts++] = db_int(st, 0);
	TRY(e);
	st = db_stmt(stmts(c), CHANGED_DOCS);
	db_bind(st, "i", (int64_t)ARRAY_LEN(ret->docs));
	while (db_next(c->view, st, &e))
		db_id(st, 0, &ret->docs[ret->ndocs++]);
	return e;
}

struct error *changed_done(struct conn *c, const struct changed *ch)
{
	for (size_t i = 0; i < ch->nposts; i++)
		TRY(db_do(c->view, stmts(c), CHANGED_POST_DONE, "i", ch->posts[i]));
	for (size_t i = 0; i < ch->ndocs; i++)
		TRY(db_do(c->view, stmts(c), CHANGED_DOC_DONE, "k", &ch->docs[i]));
	return NULL;
}

/* --- rows ------------------------------------------------------------------------------------- */

struct part {
	int64_t first, last, rows, bytes; /* all that was ever put into it */
};

static struct error *part_get(struct conn *c, int64_t row, struct part *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), PART_GET);
	bool found;

	*ret = (struct part){.first = -1};
	db_bind(st, "i", row);
	TRY(db_step(c->view, st, &found));
	if (found)
		*ret = (struct part){db_int(st, 0), db_int(st, 1), db_int(st, 2), db_int(st, 3)};
	sqlite3_reset(st);
	return NULL;
}

struct error *part_of(struct conn *c, int64_t row, int64_t *ret)
{
	struct part p;

	TRY(part_get(c, row, &p));
	*ret = p.first;
	return NULL;
}

static bool has_place(const struct part *p, int64_t row, int64_t bytes)
{
	if (p->first < 0 || (p->first < DOC_ROWS && row >= DOC_ROWS))
		return false;
	return row <= p->last || (p->rows < PART_ROWS && p->bytes + bytes <= PART_BYTES);
}

/* The part that a row is put into: behind the last row of a full one another begins. */
static struct error *part_for(struct conn *c, int64_t row, int64_t bytes, int64_t *ret)
{
	struct part p;

	TRY(part_get(c, row, &p));
	if (!has_place(&p, row, bytes))
		p = (struct part){.first = row};
	*ret = p.first;
	return db_do(c->view, stmts(c), PART_PUT, "iiii", p.first, p.last > row ? p.last : row,
		     p.rows + 1, p.bytes + bytes);
}

struct error *row_put(struct conn *c, int64_t row, const char *title, const char *text)
{
	_cleanup_(buf_release) struct buf first = {0}, second = {0};
	int64_t part;

	TRY(part_for(c, row, (int64_t)(strlen(title) + strlen(text)), &part));
	words_part(part, &first);
	words_part(part, &second);
	buf_puts(&first, title);
	buf_puts(&second, text);
	return db_do(c->view, stmts(c), ROW_PUT, "iss", row, buf_str(&first), buf_str(&second));
}

struct error *row_drop(struct conn *c, int64_t row)
{
	return db_do(c->view, stmts(c), ROW_DROP, "i", row);
}

struct error *row_of_doc(struct conn *c, const struct hash *id, int64_t *ret)
{
	int64_t num;

	TRY(db_do(c->view, stmts(c), DOC_ADD, "k", id));
	TRY(db_number(c->view, stmts(c), DOC_ROW, 0, &num, "k", id));
	*ret = DOC_ROWS + num;
	return NULL;
}

struct error *doc_of_row(struct conn *c, int64_t row, struct hash *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), DOC_ID);
	bool found;

	db_bind(st, "i", row - DOC_ROWS);
	TRY(db_step(c->view, st, &found));
	if (!found || !db_id(st, 0, ret->b)) {
		sqlite3_reset(st);
		return error_new(ERR_NOT_FOUND, N_("There is no such page among the documents."));
	}
	sqlite3_reset(st);
	return NULL;
}

/* A negative number begins a merge of everything, positive ones go on with it; a step that changed
 * nothing was the last. https://www.sqlite.org/fts5.html#the_merge_command */
struct error *rows_merge(struct conn *c, bool first, bool *ret_done)
{
	enum { PAGES = 200 };
	sqlite3_stmt *st = db_stmt(stmts(c), MERGE);
	sqlite3 *db = sqlite3_db_handle(st);
	int before = sqlite3_total_changes(db);

	db_bind(st, "i", (int64_t)(first ? -PAGES : PAGES));
	TRY(db_run(c->view, st));
	*ret_done = !first && sqlite3_total_changes(db) - before < 2;
	return NULL;
}

void rows_release_memory(struct conn *c)
{
	sqlite3_db_release_memory(sqlite3_db_handle(db_stmt(stmts(c), STATE_GET)));
	malloc_trim(0);
}

/* --- asking ----------------------------------------------------------------------------------- */

struct error *row_below(struct conn *c, int64_t row, int64_t *ret)
{
	return db_number(c->view, stmts(c), NEXT, 0, ret, "i", row);
}

struct error *rows_find(struct conn *c, const char *query, const char *unseen, int64_t below,
			size_t most, struct fits *io)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FIND);
	struct error *e = NULL;

	db_bind(st, "sisii", query, below, unseen, (int64_t)most, DOC_ROWS);
	while (db_next(c->view, st, &e)) {
		struct fit *f = fits_add(io);

		f->row = db_int(st, 0);
		f->score = sqlite3_column_double(st, 1);
	}
	return e;
}

static struct error *rank_of_post(struct conn *c, struct best *io)
{
	sqlite3_stmt *st = db_stmt(stmts(c), RANK);
	bool found;

	db_bind(st, "i", io->row);
	TRY(db_step(c->view, st, &found));
	if (found) {
		io->rank = db_int(st, 0);
		db_id(st, 1, &io->id);
	}
	sqlite3_reset(st);
	return NULL;
}

struct error *row_rank(struct conn *c, struct best *io)
{
	struct error *e;

	if (io->row < DOC_ROWS)
		return rank_of_post(c, io);
	e = doc_of_row(c, io->row, &io->id);
	io->rank = INT64_MIN;
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, NULL);
	return e;
}

struct error *rows_snippets(struct conn *c, struct arena *a, const char *query, const int64_t *rows,
			    size_t n, const char **io)
{
	sqlite3_stmt *st = db_stmt(stmts(c), SNIPPETS);
	const char *list = "";
	struct error *e = NULL;

	for (size_t i = 0; i < n; i++)
		list = arena_printf(a, "%s%s%lld", list, i ? "," : "", (long long)rows[i]);
	list = arena_printf(a, "[%s]", list);
	db_bind(st, "ss", query, list);
	while (db_next(c->view, st, &e)) {
		for (size_t i = 0; i < n; i++)
			if (rows[i] == db_int(st, 0))
				io[i] = arena_str(a, db_text(st, 1));
	}
	return e;
}

/* --- the feature ------------------------------------------------------------------------------ */

static struct error *scrub(struct conn *c)
{
	return state_erasing(c, ERASED_ASKED);
}

static const struct op_type no_types[] = {{0}};

const struct feature search_feature = {
	.name = "search",
	.types = no_types,
	.view_migrations = migrations,
	.view_migrations_n = ARRAY_LEN(migrations),
	.view_sql = sql,
	.view_sql_n = SEARCH_STMTS,
	.scrub = scrub,
};
