/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/db/db.h"
#include <sys/stat.h>

static const char *const steps[] = {
	"CREATE TABLE thing(id BLOB PRIMARY KEY, n INTEGER, name TEXT) STRICT",
	"CREATE INDEX thing_n ON thing(n)",
};
enum { PUT, GET, COUNT, ALL, BAD };
static const char *const sql[] = {
	[PUT] = "INSERT INTO thing VALUES (?1, ?2, ?3)",
	[GET] = "SELECT id, n, name FROM thing WHERE n=?1",
	[COUNT] = "SELECT count(*) FROM thing",
	[ALL] = "SELECT n FROM thing ORDER BY n",
	[BAD] = "SELECT json_extract(name, '$') FROM thing", /* fails at a name that is no JSON */
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
	assert_ok(db_migrate(f.db, "thing", steps, 2));
	assert_ok(db_prepare(f.db, sql, ARRAY_LEN(sql), &f.s));
	return f;
}

static void close_fixture(struct fixture *f)
{
	db_close(f->db);
	free(f->path);
	test_dir_remove(f->dir);
}

static int64_t count(struct fixture *f)
{
	int64_t n;

	assert_ok(db_number(f->db, f->s, COUNT, -1, &n, ""));
	return n;
}

static void put(struct fixture *f, int64_t n)
{
	struct hash id = {{(uint8_t)n, (uint8_t)(n >> 8)}};

	assert_ok(db_do(f->db, f->s, PUT, "kis", &id, n, "x"));
}

static void keeps_what_is_bound(void **state)
{
	struct fixture f = open_fixture();
	struct hash id = {"0123456789"}, got;
	sqlite3_stmt *st;
	bool row;

	(void)state;
	assert_ok(db_do(f.db, f.s, PUT, "kis", &id, (int64_t)-5, "name"));
	st = db_stmt(f.s, GET);
	db_bind(st, "i", (int64_t)-5);
	assert_ok(db_step(f.db, st, &row));
	assert_true(row);
	assert_true(db_id(st, 0, &got));
	assert_id_equal(&got, &id);
	assert_int_equal(db_int(st, 1), -5);
	assert_string_equal(db_text(st, 2), "name");
	assert_false(db_id(st, 2, &got));
	assert_ok(db_step(f.db, st, &row));
	assert_false(row);
	assert_fails(db_do(f.db, f.s, PUT, "kin", &id, (int64_t)1), ERR_EXISTS);
	close_fixture(&f);
}

static void rows_are_walked_to_the_end_or_an_error(void **state)
{
	struct fixture f = open_fixture();
	struct error *e = NULL;
	sqlite3_stmt *st = db_stmt(f.s, ALL);
	int64_t sum = 0;

	(void)state;
	assert_false(db_next(f.db, st, &e)); /* none */
	assert_null(e);
	for (int64_t n = 1; n <= 3; n++)
		put(&f, n);
	st = db_stmt(f.s, ALL);
	while (db_next(f.db, st, &e))
		sum += db_int(st, 0);
	assert_null(e);
	assert_int_equal(sum, 6);
	st = db_stmt(f.s, ALL);
	for (sum = 0; db_next(f.db, st, &e);) {
		sum += db_int(st, 0);
		if (sum == 3)
			e = error_new(ERR_LIMIT, "enough");
	}
	assert_int_equal(sum, 3);
	assert_false(sqlite3_stmt_busy(st)); /* nothing is held by a walk that ended so */
	assert_fails(e, ERR_LIMIT);
	e = NULL;
	st = db_stmt(f.s, BAD);
	assert_false(db_next(f.db, st, &e));
	assert_non_null(e);
	assert_false(sqlite3_stmt_busy(st));
	error_free(e);
	close_fixture(&f);
}

static void a_savepoint_undoes_only_its_part(void **state)
{
	struct fixture f = open_fixture();

	(void)state;
	assert_ok(db_begin(f.db));
	put(&f, 1);
	assert_ok(db_savepoint(f.db));
	put(&f, 2);
	db_undo(f.db);
	assert_ok(db_savepoint(f.db));
	put(&f, 3);
	assert_ok(db_release(f.db));
	assert_ok(db_commit(f.db));
	assert_int_equal(count(&f), 2);
	db_rollback(f.db); /* none is open: does nothing */
	assert_ok(db_begin(f.db));
	put(&f, 4);
	db_rollback(f.db);
	assert_int_equal(count(&f), 2);
	close_fixture(&f);
}

static void a_reader_sees_commits_and_can_not_write(void **state)
{
	struct fixture f = open_fixture();
	struct db *reader;
	struct db_stmts *s;
	int64_t n;

	(void)state;
	assert_ok(db_open(f.path, DB_READER, 256, &reader));
	assert_ok(db_prepare(reader, sql, ARRAY_LEN(sql), &s));
	put(&f, 1);
	assert_ok(db_number(reader, s, COUNT, -1, &n, ""));
	assert_int_equal(n, 1);
	assert_ok(db_begin_read(reader));
	assert_ok(db_number(reader, s, COUNT, -1, &n, ""));
	put(&f, 2);
	assert_ok(db_number(reader, s, COUNT, -1, &n, ""));
	assert_int_equal(n, 1);
	db_rollback(reader);
	assert_fails(db_do(reader, s, PUT, "kin", &(struct hash){"9"}, (int64_t)9), ERR_DB);
	db_close(reader);
	close_fixture(&f);
}

static void a_quiet_reader_holds_no_old_snapshot(void **state)
{
	struct fixture f = open_fixture();
	struct db *reader;
	struct db_stmts *s;
	int64_t n;
	bool row;
	sqlite3_stmt *st;

	put(&f, 1);
	assert_ok(db_open(f.path, DB_READER, 256, &reader));
	assert_ok(db_prepare(reader, sql, ARRAY_LEN(sql), &s));
	st = db_stmt(s, GET);
	db_bind(st, "i", (int64_t)1);
	assert_ok(db_step(reader, st, &row)); /* left half-way */
	assert_true(row);
	put(&f, 2);
	assert_ok(db_number(reader, s, COUNT, -1, &n, ""));
	assert_int_equal(n, 1);
	db_quiet(reader);
	assert_ok(db_number(reader, s, COUNT, -1, &n, ""));
	assert_int_equal(n, 2);
	db_close(reader);
	close_fixture(&f);
}

static void migrates_once_and_refuses_newer_files(void **state)
{
	struct fixture f = open_fixture();

	(void)state;
	put(&f, 1);
	assert_ok(db_migrate(f.db, "thing", steps, 2));
	assert_int_equal(count(&f), 1);
	assert_fails(db_migrate(f.db, "thing", steps, 1), ERR_VERSION);
	close_fixture(&f);
}

static void a_step_that_fails_leaves_nothing(void **state)
{
	static const char *const bad[] = {"CREATE TABLE half(x INTEGER); CREATE NONSENSE"};
	struct fixture f = open_fixture();

	(void)state;
	assert_fails(db_migrate(f.db, "bad", bad, 1), ERR_DB);
	assert_fails(db_exec(f.db, "SELECT x FROM half"), ERR_DB);
	close_fixture(&f);
}

static void opening_says_what_is_wrong(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "no.db");
	struct db *db = NULL;

	(void)state;
	assert_fails(db_open(path, DB_READER, 256, &db), ERR_NOT_FOUND);
	assert_ok(file_write(path,
			     span_str("this is not a database, it is a longer text than "
				      "that of a header of a database, which is 100 bytes"),
			     0600));
	assert_fails(db_open(path, DB_WRITER, 256, &db), ERR_CORRUPT);
	assert_null(db);
}

static void a_full_file_is_an_error_and_nothing_is_kept(void **state)
{
	struct fixture f = open_fixture();
	struct error *err = NULL;

	(void)state;
	put(&f, 1);
	assert_ok(db_exec(f.db, "PRAGMA max_page_count=12"));
	assert_ok(db_begin(f.db));
	for (int64_t i = 2; !err && i < 10000; i++) {
		struct hash id = {{(uint8_t)i, (uint8_t)(i >> 8)}};

		err = db_do(f.db, f.s, PUT, "kis", &id, i, "a text of some length to fill it");
	}
	assert_fails(err, ERR_FULL);
	db_undo(f.db);
	db_rollback(f.db);
	assert_int_equal(count(&f), 1);
	close_fixture(&f);
}

static void a_backup_is_a_whole_copy(void **state)
{
	struct fixture f = open_fixture(), copy = {0};
	_cleanup_(freep) char *path = path_join(f.dir, "copy.db");

	(void)state;
	for (int64_t i = 0; i < 500; i++)
		put(&f, i);
	assert_ok(db_backup(f.db, path));
	assert_fails(db_backup(f.db, path), ERR_EXISTS);
	assert_ok(db_open(path, DB_READER, 256, &copy.db));
	assert_ok(db_prepare(copy.db, sql, ARRAY_LEN(sql), &copy.s));
	assert_int_equal(count(&copy), 500);
	db_close(copy.db);
	close_fixture(&f);
}

static int64_t count_things(struct db *db)
{
	static const char *const count_sql[] = {"SELECT count(*) FROM thing"};
	struct db_stmts *s;
	int64_t n = -1;

	assert_ok(db_prepare(db, count_sql, 1, &s));
	assert_ok(db_number(db, s, 0, -1, &n, ""));
	return n;
}

static void a_copy_takes_the_place_of_everything_and_readers_keep_what_they_read(void **state)
{
	struct fixture f = open_fixture(), g = open_fixture();
	_cleanup_(freep) char *path = path_join(f.dir, "t.db");
	_cleanup_(db_closep) struct db *reader = NULL;

	(void)state;
	for (int64_t i = 0; i < 500; i++)
		put(&f, i);
	for (int64_t i = 0; i < 3; i++)
		put(&g, i);
	assert_ok(db_open(path, DB_READER, 1024, &reader));
	assert_ok(db_begin_read(reader));
	assert_int_equal(count_things(reader), 500);
	assert_ok(db_copy(g.db, f.db));
	assert_int_equal(count_things(f.db), 3);
	assert_int_equal(count_things(reader), 500);
	db_quiet(reader);
	assert_int_equal(count_things(reader), 3);
	put(&f, 77);
	assert_int_equal(count_things(reader), 4);
	assert_int_equal(count_things(g.db), 3);
	close_fixture(&g);
	close_fixture(&f);
}

static void a_truncating_checkpoint_empties_the_log(void **state)
{
	struct fixture f = open_fixture();
	_cleanup_(freep) char *wal = path_join(f.dir, "t.db-wal");
	_cleanup_(buf_release) struct buf b = {0};

	(void)state;
	for (int64_t i = 0; i < 100; i++)
		put(&f, i);
	assert_ok(db_checkpoint(f.db, true));
	assert_ok(file_read(wal, 1 << 20, &b));
	assert_int_equal(b.n, 0);
	close_fixture(&f);
}

static int64_t size_of(const struct fixture *f, const char *suffix)
{
	char path[400];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", f->path, suffix);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* A commit that was made ready needs no room any more: neither in the log nor in its index, which grows at
 * its frame 4,063 where a reader keeps the log from being emptied. */
static void what_is_ready_has_room_in_the_index_of_the_log(void **state)
{
	enum { FRAME = 4096 + 24, FIRST = 4062, REGION = 32768 };
	struct fixture f = open_fixture();
	_cleanup_(db_closep) struct db *reader = NULL;
	int64_t n = 0, wal, shm;

	assert_ok(db_open(f.path, DB_READER, 100, &reader));
	assert_ok(db_begin_read(reader));
	assert_ok(db_exec(reader, "SELECT count(*) FROM thing"));
	assert_ok(db_begin(f.db));
	assert_ok(db_exec(f.db, "CREATE TABLE big(body BLOB) STRICT;"
				"INSERT INTO big VALUES (zeroblob(16400000))"));
	assert_ok(db_commit(f.db));
	while ((wal = size_of(&f, "-wal")) < (int64_t)(FIRST - 4) * FRAME)
		put(&f, n++);
	assert_true(wal <= 32 + (int64_t)FIRST * FRAME);
	assert_int_equal(size_of(&f, "-shm"), REGION);
	assert_ok(db_begin(f.db));
	assert_ok(db_exec(f.db, "UPDATE big SET body = zeroblob(90000)"));
	assert_ok(db_ready(f.db));
	wal = size_of(&f, "-wal");
	shm = size_of(&f, "-shm");
	assert_true(shm >= 2 * REGION);
	assert_ok(db_commit(f.db));
	assert_int_equal(size_of(&f, "-wal"), wal);
	assert_int_equal(size_of(&f, "-shm"), shm);
	db_rollback(reader);
	close_fixture(&f);
}

static void make_automatic(const char *path)
{
	sqlite3 *sq;

	assert_int_equal(sqlite3_open(path, &sq), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sq, "PRAGMA auto_vacuum=FULL; PRAGMA journal_mode=WAL;"
					  "CREATE TABLE thing(id BLOB) STRICT",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(sq), SQLITE_OK);
}

static void a_file_from_elsewhere_is_looked_at_first(void **state)
{
	struct fixture f = open_fixture();
	_cleanup_(freep) char *whole = path_join(f.dir, "whole.db");
	_cleanup_(freep) char *runs = path_join(f.dir, "runs.db");
	_cleanup_(freep) char *torn = path_join(f.dir, "torn.db");
	_cleanup_(freep) char *automatic = path_join(f.dir, "automatic.db");
	_cleanup_(buf_release) struct buf b = {0};

	(void)state;
	for (int64_t i = 0; i < 500; i++)
		put(&f, i);
	assert_ok(db_backup(f.db, whole));
	assert_ok(db_vet(whole));
	assert_ok(file_read(whole, 1 << 20, &b));
	memset(b.p + b.n / 2, 0x5a, 4096);
	assert_ok(file_write(torn, buf_span(&b), 0600));
	assert_fails(db_vet(torn), ERR_CORRUPT);
	assert_ok(db_exec(f.db, "CREATE TRIGGER t AFTER INSERT ON thing BEGIN"
				" DELETE FROM thing; END"));
	assert_ok(db_backup(f.db, runs));
	assert_fails(db_vet(runs), ERR_CORRUPT);
	make_automatic(automatic);
	assert_fails(db_vet(automatic), ERR_CORRUPT);
	close_fixture(&f);
}

static bool count_down(void *ctx)
{
	int *left = ctx;

	return !--*left;
}

static void a_long_statement_is_given_up_when_it_is_asked(void **state)
{
	static const char grow[] =
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
		" INSERT INTO thing SELECT randomblob(8), i, 'x' FROM n";
	struct fixture f = open_fixture();
	struct error *e;
	int left = 5;

	put(&f, 1);
	assert_ok(db_begin(f.db));
	db_give_up(f.db, count_down, &left);
	e = db_exec(f.db, grow);
	assert_true(error_is(e, ERR_BUSY));
	error_free(e);
	assert_int_equal(left, 0);
	db_give_up(f.db, NULL, NULL);
	db_rollback(f.db);
	assert_int_equal(count(&f), 1);
	put(&f, 2);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_statement_is_given_up_when_it_is_asked),
		cmocka_unit_test(keeps_what_is_bound),
		cmocka_unit_test(rows_are_walked_to_the_end_or_an_error),
		cmocka_unit_test(what_is_ready_has_room_in_the_index_of_the_log),
		cmocka_unit_test(a_savepoint_undoes_only_its_part),
		cmocka_unit_test(a_reader_sees_commits_and_can_not_write),
		cmocka_unit_test(a_quiet_reader_holds_no_old_snapshot),
		cmocka_unit_test(migrates_once_and_refuses_newer_files),
		cmocka_unit_test(a_step_that_fails_leaves_nothing),
		cmocka_unit_test(opening_says_what_is_wrong),
		cmocka_unit_test(a_full_file_is_an_error_and_nothing_is_kept),
		cmocka_unit_test(a_backup_is_a_whole_copy),
		cmocka_unit_test(a_copy_takes_the_place_of_everything_and_readers_keep_what_they_read),
		cmocka_unit_test(a_truncating_checkpoint_empties_the_log),
		cmocka_unit_test(a_file_from_elsewhere_is_looked_at_first),
	};
	return run_group(tests);
}
