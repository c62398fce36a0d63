/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/db/db.h"

static const char *const steps[] = {
	"CREATE VIRTUAL TABLE word USING fts5(title, text,"
	" tokenize = 'parted remove_diacritics 2')",
};
enum { PUT, DROP, FIND, BEST, SHOW, WHOLE, TERMS };
static const char *const sql[] = {
	[PUT] = "INSERT INTO word(rowid, title, text) VALUES(?1, ?2, ?3)",
	[DROP] = "DELETE FROM word WHERE rowid = ?1",
	[FIND] = "SELECT count(*) FROM word WHERE word MATCH ?1",
	[BEST] = "SELECT rowid FROM word WHERE word MATCH ?1 ORDER BY fit(word, 4.0, 1.0), rowid",
	[SHOW] = "SELECT snippet(word, 1, '<', '>', '', 9) FROM word WHERE word MATCH ?1",
	[WHOLE] = "INSERT INTO word(word) VALUES('integrity-check')",
};

struct fixture {
	char *dir, *path;
	struct db *db;
	struct db_stmts *s;
};

static struct fixture open_fixture(void)
{
	struct fixture f = {.dir = test_dir()};

	f.path = path_join(f.dir, "t.db");
	assert_ok(db_open(f.path, DB_WRITER, 1024, &f.db));
	assert_ok(db_migrate(f.db, "word", steps, 1));
	assert_ok(db_prepare(f.db, sql, TERMS, &f.s));
	return f;
}

static void close_fixture(struct fixture *f)
{
	db_close(f->db);
	free(f->path);
	test_dir_remove(f->dir);
}

static void put(struct fixture *f, int64_t row, const char *title, const char *text)
{
	assert_ok(db_do(f->db, f->s, PUT, "iss", row, title, text));
}

static int64_t number(struct fixture *f, int which, const char *query)
{
	int64_t n;

	assert_ok(db_number(f->db, f->s, which, -1, &n, "s", query));
	return n;
}

#define PART(n) DB_PART_BEGIN #n DB_PART_END

static void words_are_found_in_their_own_part(void **state)
{
	struct fixture f = open_fixture();

	put(&f, 1, PART(1) "La clau", PART(1) "piano sec");
	put(&f, 2, PART(12) "La clau", PART(12) "pianista");
	put(&f, 3, "La clau", "pianos");
	assert_int_equal(number(&f, FIND, "\"" PART(1) "CLÀU\""), 1);
	assert_int_equal(number(&f, FIND, "\"" PART(1) "clau\" \"" PART(1) "pia\"*"), 1);
	assert_int_equal(number(&f, BEST, "\"" PART(12) "pia\"*"), 2);
	assert_int_equal(number(&f, FIND, "\"" PART(2) "pia\"*"), 0);
	assert_int_equal(number(&f, FIND, "\"" PART(1) "la clau\""), 1);
	assert_int_equal(number(&f, BEST, "\"pia\"*"), 3); /* in no part */
	close_fixture(&f);
}

/* The row is taken out, and all of it is checked, by what is in the table alone. */
static void the_table_is_whole_by_itself(void **state)
{
	struct fixture f = open_fixture();

	for (int i = 1; i <= 50; i++) {
		char text[60];

		snprintf(text, sizeof(text), DB_PART_BEGIN "%d" DB_PART_END "piano%d piano", i, i);
		put(&f, i, text, text);
	}
	assert_ok(db_do(f.db, f.s, WHOLE, ""));
	assert_ok(db_do(f.db, f.s, DROP, "i", (int64_t)12));
	assert_int_equal(number(&f, FIND, "\"" PART(12) "piano\""), 0);
	assert_int_equal(number(&f, FIND, "\"" PART(13) "piano\""), 1);
	assert_ok(db_do(f.db, f.s, WHOLE, ""));
	close_fixture(&f);
}

static void what_is_found_is_marked_where_it_is(void **state)
{
	struct fixture f = open_fixture();
	sqlite3_stmt *st;
	bool row;

	put(&f, 1, PART(7) "", PART(7) "el piano vell");
	st = db_stmt(f.s, SHOW);
	db_bind(st, "s", "\"" PART(7) "piano\"");
	assert_ok(db_step(f.db, st, &row));
	assert_string_equal(db_text(st, 0), PART(7) "el <piano> vell");
	close_fixture(&f);
}

static void a_word_of_any_length_and_a_mark_without_end_are_texts(void **state)
{
	static const char *const marks[] = {DB_PART_BEGIN, DB_PART_BEGIN "no end piano",
					    DB_PART_BEGIN "more than fifteen bytes" DB_PART_END
							  " piano",
					    DB_PART_BEGIN DB_PART_END "piano", DB_PART_END "piano"};
	struct fixture f = open_fixture();
	char text[5000] = PART(3);

	memset(text + 3, 'x', sizeof(text) - 4);
	put(&f, 1, "", text);
	assert_int_equal(number(&f, FIND, "\"" PART(3) "xxxx\"*"), 1);
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		put(&f, (int64_t)i + 2, "", marks[i]);
	assert_int_equal(number(&f, FIND, "\"piano\""), 3);
	assert_int_equal(number(&f, FIND, "\"" DB_PART_BEGIN DB_PART_END "piano\""), 1);
	assert_ok(db_do(f.db, f.s, WHOLE, ""));
	close_fixture(&f);
}

static void put_words(struct fixture *f, int64_t row, const char *begin, int words)
{
	struct buf text = {0};

	buf_puts(&text, begin);
	for (int i = 0; i < words; i++)
		buf_puts(&text, " barri");
	put(f, row, "", buf_str(&text));
	buf_release(&text);
}

/* Or who may not see those learns of them by the order of what they see. */
static void what_fits_better_does_not_depend_on_other_rows(void **state)
{
	struct fixture f = open_fixture();
	int64_t before;

	put_words(&f, 1, "piano", 8);
	put_words(&f, 2, "piano piano", 50);
	before = number(&f, BEST, "\"piano\"");
	put_words(&f, 3, "tambor", 4);
	assert_int_equal(number(&f, BEST, "\"piano\""), before);
	put_words(&f, 4, "tambor", 20000);
	assert_int_equal(number(&f, BEST, "\"piano\""), before);
	for (int i = 5; i < 50; i++)
		put_words(&f, i, "tambor", 1);
	assert_int_equal(number(&f, BEST, "\"piano\""), before);
	close_fixture(&f);
}

static void what_fits_better_comes_first_in_whatever_part(void **state)
{
	struct fixture f = open_fixture();

	put(&f, 1, PART(1) "", PART(1) "piano entre moltes altres paraules d'aquest barri nostre");
	put(&f, 2, PART(1) "", PART(1) "piano sec");
	put(&f, 3, PART(1) "Piano", PART(1) "entre moltes altres paraules d'aquest barri nostre");
	assert_int_equal(number(&f, BEST, "\"" PART(1) "piano\""), 3); /* the title */
	assert_ok(db_do(f.db, f.s, DROP, "i", (int64_t)3));
	assert_int_equal(number(&f, BEST, "\"" PART(1) "piano\""), 2); /* the shorter */
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_found_in_their_own_part),
		cmocka_unit_test(the_table_is_whole_by_itself),
		cmocka_unit_test(what_is_found_is_marked_where_it_is),
		cmocka_unit_test(a_word_of_any_length_and_a_mark_without_end_are_texts),
		cmocka_unit_test(what_fits_better_comes_first_in_whatever_part),
		cmocka_unit_test(what_fits_better_does_not_depend_on_other_rows),
	};

	return run_group(tests);
}
