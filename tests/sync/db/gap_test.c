/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Of rows that SQLite moved from page to page and that were then deleted, nothing stays. */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/db/db.h"

enum { ROWS = 1500, WORD = 12, ROUNDS = 30, FILE_MAX = 16 << 20 };

static const char *const steps[] = {
	"CREATE TABLE thing(id BLOB PRIMARY KEY, word TEXT UNIQUE, body BLOB)"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE row(num INTEGER PRIMARY KEY, body BLOB) STRICT;",
};
enum { PUT, PUT_ROW, DROP, DROP_ROW };
static const char *const sql[] = {
	[PUT] = "INSERT INTO thing VALUES (?1, ?2, ?3)",
	[PUT_ROW] = "INSERT INTO row VALUES (?1, ?2)",
	[DROP] = "DELETE FROM thing WHERE id=?1",
	[DROP_ROW] = "DELETE FROM row WHERE num=?1",
};

struct churn {
	char *dir, *path;
	struct db *db;
	struct db_stmts *s;
	struct test_env env;
	bool put[ROWS], gone[ROWS];
};

static struct churn *churn_new(void)
{
	struct churn *c = calloc(1, sizeof(*c));

	c->dir = test_dir();
	c->path = path_join(c->dir, "t.db");
	test_env_init(&c->env, 0, 7);
	assert_ok(db_open(c->path, DB_TEST_NOSYNC, 8192, &c->db));
	assert_ok(db_migrate(c->db, "thing", steps, 1));
	assert_ok(db_prepare(c->db, sql, ARRAY_LEN(sql), &c->s));
	return c;
}

static void churn_free(struct churn *c)
{
	db_close(c->db);
	free(c->path);
	test_dir_remove(c->dir);
	free(c);
}

/* Words that are found among any bytes, and keys that are not in the order of the words. */
static void word_of(unsigned row, char out[WORD + 1])
{
	snprintf(out, WORD + 1, "word-%06u-", row);
}

static void key_of(unsigned row, struct hash *key)
{
	*key = hash_bytes(span_of(&row, sizeof(row)));
}

static void put(struct churn *c, unsigned row)
{
	char body[700];
	size_t n = WORD + test_below(&c->env, sizeof(body) - WORD);
	struct hash key;
	char word[WORD + 1];
	int64_t num;

	word_of(row, word);
	key_of(row, &key);
	memcpy(&num, key.b, sizeof(num));
	memset(body, 'x', n);
	memcpy(body + n - WORD, word, WORD);
	assert_ok(db_do(c->db, c->s, PUT, "ksb", &key, word, span_of(body, n)));
	assert_ok(db_do(c->db, c->s, PUT_ROW, "ib", num, span_of(body, n)));
	c->put[row] = true;
}

static void drop(struct churn *c, unsigned row)
{
	struct hash key;
	int64_t num;

	key_of(row, &key);
	memcpy(&num, key.b, sizeof(num));
	assert_ok(db_do(c->db, c->s, DROP, "k", &key));
	assert_ok(db_do(c->db, c->s, DROP_ROW, "i", num));
	c->gone[row] = true;
}

/* A few rows come, and a few of those that are there go. */
static void round_of(struct churn *c, unsigned round)
{
	unsigned each = ROWS / ROUNDS;

	assert_ok(db_begin(c->db));
	for (unsigned i = 0; i < each; i++) {
		unsigned row = (unsigned)test_below(&c->env, ROWS);

		put(c, round * each + i);
		if (c->put[row] && !c->gone[row])
			drop(c, row);
	}
	assert_ok(db_commit(c->db));
}

/* How many of the words of these rows stand in the file. */
static unsigned words_in(const struct churn *c, const char *end, const bool *which)
{
	_cleanup_(buf_release) struct buf all = {0};
	_cleanup_(freep) char *path = NULL;
	bool seen[ROWS] = {false};
	const char *at, *stop;
	unsigned n = 0;

	if (asprintf(&path, "%s%s", c->path, end) < 0)
		abort();
	assert_ok(file_read(path, FILE_MAX, &all));
	at = (const char *)all.p;
	stop = at + all.n;
	while ((at = memmem(at, (size_t)(stop - at), "word-", 5))) {
		char word[WORD + 1];
		unsigned row = (unsigned)strtoul(at + 5, NULL, 10);

		at += 5;
		word_of(row, word);
		if (row < ROWS && stop - at >= WORD - 5 && !memcmp(at, word + 5, WORD - 5))
			seen[row] = true;
	}
	for (unsigned row = 0; row < ROWS; row++)
		n += which[row] && seen[row];
	return n;
}

static void nothing_of_a_deleted_row_stays_in_the_file(void **state)
{
	struct churn *c = churn_new();
	unsigned gone = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		round_of(c, round);
		assert_ok(db_checkpoint(c->db, true));
		assert_int_equal(words_in(c, "", c->gone), 0);
	}
	for (unsigned row = 0; row < ROWS; row++)
		gone += c->gone[row];
	assert_true(gone > ROWS / 4);
	/* What lives is there, so it would have been found; and the file is whole. */
	assert_true(words_in(c, "", c->put) == ROWS - gone);
	assert_ok(db_quick_check(c->db));
	churn_free(c);
}

/* Pages that are in the cache with a copy in them are written again. */
static void nothing_of_it_comes_back_into_the_write_ahead_log(void **state)
{
	struct churn *c = churn_new();
	bool gone[ROWS] = {false};

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		round_of(c, round);
		assert_true(words_in(c, "-wal", c->put) > 0);
		assert_int_equal(words_in(c, "-wal", gone), 0);
		assert_ok(db_checkpoint(c->db, true));
		memcpy(gone, c->gone, sizeof(gone));
	}
	churn_free(c);
}

static void a_backup_and_a_closed_file_hold_nothing_of_it(void **state)
{
	struct churn *c = churn_new();
	_cleanup_(freep) char *copy = path_join(c->dir, "t.db-copy");

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++)
		round_of(c, round);
	assert_ok(db_backup(c->db, copy));
	assert_int_equal(words_in(c, "-copy", c->gone), 0);
	db_close(STEAL(c->db));
	assert_int_equal(words_in(c, "", c->gone), 0);
	assert_ok(db_vet(c->path));
	assert_ok(db_vet(copy));
	churn_free(c);
}

/* By SQLite alone, as an older program wrote its files. How many words of deleted rows stay. */
static unsigned churn_without(struct churn *c)
{
	unsigned left = 0;

	db_close(STEAL(c->db));
	assert_ok(db_open(c->path, DB_READER, 8192, &c->db));
	assert_ok(db_exec(c->db, "PRAGMA query_only=OFF; PRAGMA synchronous=OFF;"
				 "PRAGMA user_version=0"));
	assert_ok(db_prepare(c->db, sql, ARRAY_LEN(sql), &c->s));
	for (unsigned round = 0; round < ROUNDS; round++) {
		round_of(c, round);
		assert_ok(db_checkpoint(c->db, true));
		left = words_in(c, "", c->gone);
	}
	return left;
}

/* When this finds nothing any more, gap.c is no longer needed. */
static void sqlite_alone_leaves_some(void **state)
{
	struct churn *c = churn_new();
	unsigned left = churn_without(c);

	(void)state;
	assert_int_equal(sqlite3_libversion_number() / 1000000, 3);
	printf("# SQLite alone left %u\n", left);
	if (!left)
		skip_note("this SQLite leaves nothing");
	churn_free(c);
}

static int64_t number(struct db *db, const char *const *one)
{
	struct db_stmts *s;
	int64_t n;

	assert_ok(db_prepare(db, one, 1, &s));
	assert_ok(db_number(db, s, 0, -1, &n, ""));
	return n;
}

static const char *const mark[] = {"PRAGMA user_version"};
static const char *const sum[] = {"SELECT count(*) + sum(length(body)) FROM thing"};

static void what_an_older_program_left_goes_when_a_writer_opens_it(void **state)
{
	struct churn *c = churn_new();
	int64_t before;
	bool lives[ROWS];

	(void)state;
	if (!churn_without(c))
		skip_note("this SQLite leaves nothing");
	before = number(c->db, sum);
	db_close(STEAL(c->db));
	assert_ok(db_open(c->path, DB_TEST_NOSYNC, 8192, &c->db));
	assert_int_equal(words_in(c, "", c->gone), 0);
	assert_int_equal(number(c->db, mark), 1);
	for (unsigned row = 0; row < ROWS; row++)
		lives[row] = c->put[row] && !c->gone[row];
	assert_int_equal(words_in(c, "", lives), words_in(c, "", c->put));
	assert_int_equal(number(c->db, sum), before);
	assert_ok(db_quick_check(c->db));
	churn_free(c);
}

/* What a reader holds on to can't be wiped: then it is not said to be, and done at the next opening. */
static void it_waits_for_a_reader_who_is_in_the_way(void **state)
{
	struct churn *c = churn_new();
	struct db *reader;
	int64_t before;

	(void)state;
	churn_without(c);
	before = number(c->db, sum);
	assert_ok(db_open(c->path, DB_READER, 1024, &reader));
	assert_ok(db_begin_read(reader));
	assert_int_equal(number(reader, sum), before);
	assert_ok(db_exec(c->db, "INSERT INTO row VALUES (1, x'00')"));
	db_close(STEAL(c->db));
	assert_ok(db_open(c->path, DB_TEST_NOSYNC, 8192, &c->db));
	assert_int_equal(number(c->db, mark), 0);
	assert_int_equal(number(reader, sum), before);
	db_close(reader);
	db_close(STEAL(c->db));
	assert_ok(db_open(c->path, DB_TEST_NOSYNC, 8192, &c->db));
	assert_int_equal(number(c->db, mark), 1);
	assert_int_equal(words_in(c, "", c->gone), 0);
	assert_ok(db_quick_check(c->db));
	churn_free(c);
}

/* A file of an older program that is open, and that nothing was swept of: a reader was in the way. */
static unsigned churn_unswept(struct churn *c)
{
	unsigned left = churn_without(c);
	struct db *reader;

	assert_ok(db_open(c->path, DB_READER, 1024, &reader));
	assert_ok(db_begin_read(reader));
	number(reader, sum);
	assert_ok(db_exec(c->db, "INSERT INTO row VALUES (1, x'00')"));
	db_close(STEAL(c->db));
	assert_ok(db_open(c->path, DB_TEST_NOSYNC, 8192, &c->db));
	assert_ok(db_prepare(c->db, sql, ARRAY_LEN(sql), &c->s));
	db_close(reader);
	return left;
}

/* A large one is done in pieces, each of which says how far it is; meanwhile it is written to. */
static void a_large_file_is_swept_in_pieces(void **state)
{
	enum { PIECE = 10 };
	struct churn *c = churn_new();
	unsigned left = churn_unswept(c), pieces = 0;
	int64_t before = number(c->db, sum);
	bool more = true;

	(void)state;
	for (int64_t done = 0; more; done += PIECE, pieces++) {
		assert_int_equal(number(c->db, mark), -done);
		assert_ok(db_sweep(c->db, PIECE, &more));
		if (!pieces && left)
			assert_in_range(words_in(c, "", c->gone), 1, left);
		if (c->put[pieces % ROWS] && !c->gone[pieces % ROWS])
			drop(c, pieces % ROWS);
		assert_ok(db_checkpoint(c->db, true));
	}
	assert_true(pieces > 10);
	assert_int_equal(number(c->db, mark), 1);
	assert_int_equal(words_in(c, "", c->gone), 0);
	assert_true(number(c->db, sum) < before);
	assert_ok(db_sweep(c->db, PIECE, &more));
	assert_false(more);
	assert_ok(db_quick_check(c->db));
	churn_free(c);
}

/* One that was switched off between two pieces goes on where it was. */
static void a_sweep_that_was_cut_goes_on_at_the_next_opening(void **state)
{
	struct churn *c = churn_new();
	bool more;

	(void)state;
	churn_unswept(c);
	assert_ok(db_sweep(c->db, 5, &more));
	assert_true(more);
	assert_int_equal(number(c->db, mark), -5);
	db_close(STEAL(c->db));
	assert_ok(db_open(c->path, DB_TEST_NOSYNC, 8192, &c->db));
	assert_int_equal(number(c->db, mark), 1);
	assert_int_equal(words_in(c, "", c->gone), 0);
	churn_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_of_a_deleted_row_stays_in_the_file),
		cmocka_unit_test(nothing_of_it_comes_back_into_the_write_ahead_log),
		cmocka_unit_test(a_backup_and_a_closed_file_hold_nothing_of_it),
		cmocka_unit_test(sqlite_alone_leaves_some),
		cmocka_unit_test(what_an_older_program_left_goes_when_a_writer_opens_it),
		cmocka_unit_test(it_waits_for_a_reader_who_is_in_the_way),
		cmocka_unit_test(a_large_file_is_swept_in_pieces),
		cmocka_unit_test(a_sweep_that_was_cut_goes_on_at_the_next_opening),
	};
	return run_group(tests);
}
