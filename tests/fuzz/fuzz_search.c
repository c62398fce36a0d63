/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What visitors type into the search, in the first line, and the text that is looked through, in
 * the others: SQLite takes every question that we make of it, and what is shown has no tag but
 * ours. */
#include "appliance/search/search_priv.h"
#include "sync/base/cleanup.h"
#include "sync/db/db.h"
#include "tests/fuzz/fuzz.h"

enum { ROW = 5, ROW_OF_OTHER_PART = 5 + 3 * PART_ROWS };
enum { TAKE, FIND, STMTS };
static const char *const sql[STMTS] = {
	[TAKE] = "INSERT INTO t(rowid, title, text) VALUES (?1, ?2, ?3)",
	[FIND] = "SELECT snippet(t, 1, '" FOUND_BEGIN "', '" FOUND_END
		 "', '…', 28), fit(t, 4.0, 1.0) FROM t WHERE t MATCH ?1 AND rowid = ?2",
};

static void must(struct error *e)
{
	FUZZ_CHECK(!e);
}

/* "<mark>" and "</mark>" in turn, and nothing else that a browser would not show as it is. */
static void check_marked(const char *html)
{
	bool open = false;

	for (; *html; html++) {
		FUZZ_CHECK(!strchr(">\"'" FOUND_BEGIN FOUND_END, *html));
		if (*html != '<')
			continue;
		FUZZ_CHECK(!strncmp(html, open ? "</mark>" : "<mark>", open ? 7 : 6));
		html += open ? 6 : 5;
		open = !open;
	}
	FUZZ_CHECK(!open);
}

/* As search_store.c does it: two rows of two parts. */
static void take(struct db *db, struct db_stmts *s, int64_t row, const char *title,
		 struct span text)
{
	_cleanup_(buf_release) struct buf first = {0}, second = {0};

	words_part(row, &first);
	words_plain(span_str(title), &first);
	words_part(row, &second);
	words_plain(text, &second);
	must(db_do(db, s, TAKE, "iss", row, buf_str(&first), buf_str(&second)));
}

/* What is asked of one part finds nothing of another. */
static void ask(struct db *db, struct db_stmts *s, struct arena *a, const char *query, int64_t row,
		bool may_find)
{
	sqlite3_stmt *st = db_stmt(s, FIND);
	struct error *e = NULL;

	db_bind(st, "si", query, row);
	while (db_next(db, st, &e)) {
		FUZZ_CHECK(may_find);
		check_marked(words_marked(a, db_text(st, 0)));
	}
	must(e);
}

static void look(const char *typed, struct span text)
{
	_cleanup_(arena_release) struct arena a = {0};
	_cleanup_(db_closep) struct db *db = NULL;
	const char *query = words_query(&a, typed, ROW);
	struct db_stmts *s;

	must(db_open(":memory:", DB_TEST_NOSYNC, 256, &db));
	must(db_exec(db, "CREATE VIRTUAL TABLE t USING fts5(title, text, tokenize = 'parted "
			 "remove_diacritics 2')"));
	must(db_prepare(db, sql, STMTS, &s));
	take(db, s, ROW, typed, text);
	take(db, s, ROW_OF_OTHER_PART, typed, text);
	if (!query)
		return;
	ask(db, s, &a, query, ROW, true);
	ask(db, s, &a, query, ROW_OF_OTHER_PART, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *typed = strndup((const char *)data, size);
	size_t n = strcspn(typed, "\n");

	FUZZ_CHECK(typed);
	typed[n] = 0;
	look(typed, n < size ? span_of(data + n, size - n) : span_of("", 0));
	free(typed);
	return 0;
}
