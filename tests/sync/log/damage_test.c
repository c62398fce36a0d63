/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What goes on purpose, and what goes by itself: erasing, flipped bytes, a full disk. */
#include "tests/sync/log/logs.h"
#include <sys/mount.h>

static struct secret *ana;

static struct error *count_one(void *ctx, const struct stored *e)
{
	(void)e;
	++*(int *)ctx;
	return NULL;
}

static struct error *keep(void *ctx, const struct stored *e)
{
	struct stored *to = ctx;

	*to = *e;
	to->payload = (struct span){0};
	return NULL;
}

static bool file_has(const char *path, const char *what)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct error *err = file_read(path, 1 << 28, &b);
	bool found = !err && memmem(b.p, b.n, what, strlen(what));

	error_free(err);
	return found;
}

static bool folder_has(struct box *b, const char *what)
{
	_cleanup_(freep) char *wal = path_join(b->dir, "log.db-wal");
	_cleanup_(freep) char *shm = path_join(b->dir, "log.db-shm");

	return file_has(b->path, what) || file_has(wal, what) || file_has(shm, what);
}

static void erased_means_that_no_byte_is_left(void **state)
{
	enum { N = 300 };
	static struct hash ops[N];
	static char text[20000];
	struct hash space;
	struct box b;

	(void)state;
	box_init(&b, 1);
	space = box_append(&b, NULL, NULL, "founding");
	for (int i = 0; i < N; i++) {
		/* Lengths that lie in one page and lengths that flow over into others. */
		size_t len = (size_t)test_below(&b.env, i % 3 ? 600 : 15000) + 10;
		int at = snprintf(text, sizeof(text), "secret-%d-", i);

		for (size_t k = (size_t)at; k < len; k++)
			text[k] = "SeCrEt"[k % 6];
		text[len > (size_t)at ? len : (size_t)at] = 0;
		ops[i] = box_append(&b, &space, ana, text);
		if (i % 20 == 0)
			assert_ok(log_scrub(b.l));
		if (i % 3 == 0 && i > 100) {
			assert_ok(log_begin(b.l));
			assert_ok(log_erase(b.l, &ops[i - 50]));
			assert_ok(log_commit(b.l));
		}
	}
	assert_true(folder_has(&b, "secret-5-"));
	assert_true(folder_has(&b, "SeCrEt"));
	assert_ok(log_begin(b.l));
	for (int i = 0; i < N; i++)
		assert_ok(log_erase(b.l, &ops[(i * 7) % N]));
	assert_ok(log_commit(b.l));
	assert_ok(log_scrub(b.l));
	assert_false(folder_has(&b, "secret-"));
	assert_false(folder_has(&b, "eCrEt"));
	assert_int_equal(newest_log(&b).held, 1);
	assert_int_equal(newest_log(&b).missing, 0);
	assert_int_equal(newest_log(&b).live, N + 1);
	assert_clean(&b);
	box_release(&b);
}

static void what_was_erased_is_never_taken_again(void **state)
{
	static struct made run;
	struct ingest_result r;
	struct hash op;
	struct stored e = {0};
	struct secret *them = test_key(9);
	struct box b;

	(void)state;
	box_init(&b, 1);
	make_run(&run, them, 5, ana, 1, 6, "post");
	op = entry_op_id(&run.raw[4]);
	assert_ok(log_begin(b.l));
	assert_ok(log_erase(b.l, &op)); /* before it is here */
	assert_ok(log_commit(b.l));
	log_close(b.l);
	box_open(&b, "here");
	assert_int_equal(give(&b, &run, 1, 6), ERR_NONE);
	assert_int_equal(give_as(&b, &run, 1, 6, false, &r), ERR_NONE);
	assert_int_equal(r.filled, 0);
	assert_ok(log_op(b.l, &op, keep, &e));
	assert_int_equal(e.state, PAYLOAD_ERASED);
	assert_int_equal(newest_log(&b).missing, 0);
	assert_clean(&b);
	secret_free(them);
	box_release(&b);
}

static struct made healing;

static void flip(struct box *b, const char *column, int64_t num, int at)
{
	struct buf sql = {0};

	buf_printf(
		&sql,
		"UPDATE entry SET %s = CAST(substr(%s, 1, %d) || x'ff' || substr(%s, %d) AS BLOB)"
		" WHERE num=%lld",
		column, column, at, column, at + 2, (long long)num);
	assert_ok(db_exec(log_db(b->l), buf_str(&sql)));
	buf_release(&sql);
}

static struct error *count_held(void *ctx, const struct stored *e)
{
	*(int *)ctx += e->state == PAYLOAD_HELD;
	return NULL;
}

/* What was just put may have been on the disk since: a page cache is small. */
static void a_byte_that_flips_before_the_commit_is_noticed(void **state)
{
	static struct made run;
	struct ingest in = {.id = &run.id, .first = 1, .n = 6, .headers = run.raw};
	struct secret *them = test_key(9);
	struct error *refused = NULL;
	struct ingest_result r;
	int held = 0, all = 0;
	struct box b;

	(void)state;
	box_init(&b, 1);
	make_run(&run, them, 5, ana, 1, 6, "post");
	in.payloads = run.payloads;
	assert_ok(log_begin(b.l));
	assert_ok(log_ingest(b.l, &in, &r, &refused));
	assert_ok(refused);
	assert_ok(log_arrivals(b.l, 0, 0, count_held, &held));
	assert_int_equal(held, 6);
	flip(&b, "body", 2, 20);
	flip(&b, "header", 4, 100);
	held = 0;
	assert_ok(log_arrivals(b.l, 0, 0, count_held, &held));
	assert_int_equal(held, 4);
	assert_ok(log_arrivals(b.l, 0, 0, count_one, &all));
	assert_int_equal(all, 5);
	log_rollback(b.l);
	secret_free(them);
	box_release(&b);
}

static void a_flipped_byte_is_noticed_not_served_and_healed(void **state)
{
	struct secret *them = test_key(9);
	struct verify_report report;
	struct error *first = NULL;
	struct stored e = {0};
	struct log_info i;
	struct box b;
	uint64_t n;
	int count = 0;

	(void)state;
	make_run(&healing, them, 5, ana, 1, 10, "post");
	box_init(&b, 1);
	assert_int_equal(give(&b, &healing, 1, 10), ERR_NONE);
	flip(&b, "body", 3, 20);
	flip(&b, "header", 7, 100);
	flip(&b, "header", 9, 250);
	assert_ok(log_by_num(b.l, 3, keep, &e));
	assert_int_equal(e.state, PAYLOAD_NOT_HELD);
	assert_fails(log_by_num(b.l, 7, keep, &e), ERR_CORRUPT);
	assert_fails(log_range(b.l, 1, 1, 10, count_one, &count), ERR_CORRUPT);
	assert_int_equal(count, 6);
	count = 0;
	assert_ok(log_arrivals(b.l, 0, 0, count_one, &count));
	assert_int_equal(count, 9);
	assert_ok(log_verify(b.l, NULL, NULL, &report, &first));
	assert_true(report.bad >= 2);
	assert_fails(first, ERR_CORRUPT);
	assert_ok(log_begin(b.l));
	assert_ok(log_repair(b.l, &n));
	assert_ok(log_commit(b.l));
	assert_true(n >= 2);
	i = info_of(&b, &healing.id);
	assert_int_equal(i.head, 6);
	assert_int_equal(i.missing, 1);
	assert_int_equal(give(&b, &healing, 1, 10), ERR_NONE);
	i = info_of(&b, &healing.id);
	assert_int_equal(i.live, 10);
	assert_int_equal(i.held, 10);
	assert_clean(&b);
	secret_free(them);
	box_release(&b);
}

static void a_header_damaged_on_disk_is_replaced_by_the_true_one(void **state)
{
	struct secret *them = test_key(9);
	struct box b;

	(void)state;
	make_run(&healing, them, 5, ana, 1, 10, "post");
	for (int at = 0; at < ENTRY_HEADER; at += 50) {
		box_init(&b, 1);
		assert_int_equal(give(&b, &healing, 1, 10), ERR_NONE);
		flip(&b, "header", 10, at);
		flip(&b, "header", 4, at);
		assert_int_equal(give(&b, &healing, 1, 10), ERR_NONE);
		assert_clean(&b);
		assert_int_equal(info_of(&b, &healing.id).frozen, 0);
		box_release(&b);
	}
	secret_free(them);
}

/* The true header may come alone, and this box be the only one that has what it tells of. */
static void a_header_that_is_replaced_keeps_its_payload(void **state)
{
	struct secret *them = test_key(9);
	struct ingest_payload none[10] = {[0 ... 9] = {.state = PAYLOAD_NOT_HELD}};
	struct ingest_result r;
	struct error *refused = NULL;
	struct box b;

	(void)state;
	make_run(&healing, them, 5, ana, 1, 10, "post");
	box_init(&b, 1);
	assert_int_equal(give(&b, &healing, 1, 10), ERR_NONE);
	flip(&b, "header", 4, 100);
	flip(&b, "header", 6, 100);
	flip(&b, "header", 10, 100);
	flip(&b, "body", 6, 20);
	assert_ok(log_begin(b.l));
	assert_ok(log_ingest(b.l,
			     &(struct ingest){.id = &healing.id,
					      .first = 1,
					      .headers = healing.raw,
					      .payloads = none,
					      .n = 10},
			     &r, &refused));
	assert_ok(refused);
	assert_ok(log_commit(b.l));
	assert_int_equal(info_of(&b, &healing.id).held, 9);
	assert_int_equal(info_of(&b, &healing.id).missing, 1);
	assert_clean(&b);
	box_release(&b);
	secret_free(them);
}

static void a_full_disk_is_a_clear_error_and_nothing_by_halves(void **state)
{
	static const struct hash rules = {"rules"};
	struct error *err = NULL;
	struct hash space, op;
	uint64_t before;
	struct box b;

	(void)state;
	box_init(&b, 1);
	space = box_append(&b, NULL, NULL, "founding");
	for (int i = 0; i < 20; i++)
		box_append(&b, &space, ana, "before");
	before = newest_log(&b).head;
	struct log_append what = {&space, ana, b.key, rules, 5, span_str("x")};
	assert_ok(db_exec(log_db(b.l), "PRAGMA max_page_count=30"));
	assert_ok(log_begin(b.l));
	for (int i = 0; !err && i < 1000; i++)
		err = log_append(b.l, &what, &op);
	assert_fails(err, ERR_FULL);
	log_rollback(b.l);
	assert_int_equal(newest_log(&b).head, before);
	assert_clean(&b);
	assert_ok(db_exec(log_db(b.l), "PRAGMA max_page_count=100000"));
	box_append(&b, &space, ana, "after");
	assert_int_equal(newest_log(&b).head, before + 1);
	assert_clean(&b);
	box_release(&b);
}

/* A real small disk, and real commits. */
static void what_was_acknowledged_before_the_disk_was_full_is_there_after(void **state)
{
	static const struct hash rules = {"rules"};
	static uint8_t text[2000], ballast[256 * 1024];
	struct box b = {.key = test_key(1)};
	struct log_open how = {.mode = DB_WRITER, .whereabouts = "here"};
	struct log_append what = {.rules = rules, .author = ana, .payload = {text, sizeof(text)}};
	_cleanup_(freep) char *stone = NULL;
	struct error *err = NULL;
	uint64_t said = 0;
	struct hash space = {"space"}, op;

	(void)state;
	b.dir = test_dir();
	b.path = path_join(b.dir, "log.db");
	stone = path_join(b.dir, "ballast");
	test_env_init(&b.env, 1, 1);
	if (mount("tmpfs", b.dir, "tmpfs", 0, "size=1m")) {
		skip_note("mounting a small disk needs root");
		b.l = NULL;
		box_release(&b);
		return;
	}
	assert_ok(file_write(stone, span_of(ballast, sizeof(ballast)), 0600));
	how.path = b.path;
	how.env = &b.env.env;
	how.self = *secret_pubkey(b.key);
	assert_ok(log_open(&how, &b.l));
	what.space = &space;
	what.appliance = b.key;
	while (!err) {
		err = log_begin(b.l);
		if (!err)
			err = log_append(b.l, &what, &op);
		if (!err)
			err = log_commit(b.l);
		said += !err;
		what.time++;
	}
	assert_fails(err, ERR_FULL);
	log_rollback(b.l);
	assert_true(said > 10);
	log_close(b.l);
	assert_int_equal(unlink(stone), 0);
	assert_ok(log_open(&how, &b.l));
	assert_int_equal(newest_log(&b).head, said);
	assert_clean(&b);
	assert_ok(log_begin(b.l));
	assert_ok(log_append(b.l, &what, &op));
	assert_ok(log_commit(b.l));
	log_close(b.l);
	b.l = NULL;
	umount(b.dir);
	box_release(&b);
}

static int make_keys(void **state)
{
	(void)state;
	ana = test_key(50);
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	secret_free(ana);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(erased_means_that_no_byte_is_left),
		cmocka_unit_test(what_was_erased_is_never_taken_again),
		cmocka_unit_test(a_byte_that_flips_before_the_commit_is_noticed),
		cmocka_unit_test(a_flipped_byte_is_noticed_not_served_and_healed),
		cmocka_unit_test(a_header_that_is_replaced_keeps_its_payload),
		cmocka_unit_test(a_header_damaged_on_disk_is_replaced_by_the_true_one),
		cmocka_unit_test(a_full_disk_is_a_clear_error_and_nothing_by_halves),
		cmocka_unit_test(what_was_acknowledged_before_the_disk_was_full_is_there_after),
	};
	test_init();
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
