/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The one thread that writes: groups, failures of one among many, stopping. */
#include "tests/appliance/community/boxes.h"
#include "appliance/community/writer.h"
#include <pthread.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <stdatomic.h>

/* The box's clock as a person sets it, or a battery that is empty: seconds ahead of the real one. */
static _Atomic long clock_is_off;

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ret);

	if (id == CLOCK_REALTIME)
		ret->tv_sec += atomic_load(&clock_is_off);
	return rc;
}

/* The disk as it says it is: so many bytes are free; 0: as it is. */
static _Atomic uint64_t says_free;

int statvfs(const char *path, struct statvfs *ret)
{
	struct statfs fs;

	memset(ret, 0, sizeof(*ret));
	if (statfs(path, &fs))
		return -1;
	ret->f_frsize = (unsigned long)fs.f_bsize;
	ret->f_bavail = fs.f_bavail;
	if (atomic_load(&says_free))
		ret->f_bavail = atomic_load(&says_free) / ret->f_frsize;
	return 0;
}

struct crowd {
	struct box a;
	struct writer *w;
	struct hash space, forum;
	struct secret *steward;
};

static struct error *do_submit(struct conn *c, void *arg)
{
	struct draft *d = arg;
	struct hash id;

	return community_submit(c, d, &id);
}

static struct error *submit(struct crowd *k, const char *type, json_t *body)
{
	return writer_run(
		k->w, do_submit,
		&(struct draft){
			.type = type, .space = k->space, .author = k->steward, .take_body = body});
}

static void crowd_open(struct crowd *k)
{
	struct conn *c;

	box_init(&k->a, 1, 1764000000000);
	k->steward = test_key(1);
	assert_ok(box_open(&k->a));
	assert_ok(box_found(&k->a, k->steward, &k->space));
	c = STEAL(k->a.c);
	assert_ok(writer_start(c, &k->w));
}

static void crowd_close(struct crowd *k)
{
	writer_stop(k->w);
	secret_free(k->steward);
	box_release(&k->a);
}

static struct conn *reader(struct crowd *k)
{
	struct conn *c = NULL;

	assert_ok(conn_open(&(struct community_open){.dir = k->a.dir,
						     .env = &k->a.env.env,
						     .self = *secret_pubkey(k->a.key),
						     .mode = DB_READER},
			    &c));
	return c;
}

static int64_t rows(struct conn *c, const char *table)
{
	char sql[100];
	const char *one[] = {sql};
	struct db_stmts *s;
	int64_t n = -1;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	assert_ok(db_prepare(c->view, one, 1, &s));
	assert_ok(db_number(c->view, s, 0, -1, &n, ""));
	return n;
}

static void what_was_answered_is_there_for_every_reader(void **state)
{
	struct crowd k;
	struct conn *c;
	uint64_t before;

	crowd_open(&k);
	c = reader(&k);
	before = writer_generation(k.w);
	assert_ok(submit(&k, "forum.create", json_pack("{s:s,s:s}", "slug", "a", "title", "A")));
	assert_int_equal(rows(c, "forum"), 1);
	assert_true(writer_generation(k.w) > before);
	assert_int_equal(community_generation(c), writer_generation(k.w));
	conn_close(c);
	crowd_close(&k);
}

static void one_job_that_fails_takes_no_other_along(void **state)
{
	struct crowd k;
	struct conn *c;

	crowd_open(&k);
	assert_ok(submit(&k, "forum.create", json_pack("{s:s,s:s}", "slug", "a", "title", "A")));
	assert_fails(submit(&k, "forum.create", json_pack("{s:s}", "slug", "b")), ERR_MALFORMED);
	assert_fails(submit(&k, "no.such.type", json_object()), ERR_INTERNAL);
	assert_ok(submit(&k, "forum.create", json_pack("{s:s,s:s}", "slug", "c", "title", "C")));
	c = reader(&k);
	assert_int_equal(rows(c, "forum"), 2);
	conn_close(c);
	crowd_close(&k);
}

static struct error *write_and_fail(struct conn *c, void *arg)
{
	struct error *err = do_submit(c, arg);

	return err ? err : error_new(ERR_CONFLICT, N_("Changed my mind."));
}

static void what_a_failing_job_wrote_is_undone(void **state)
{
	struct crowd k;
	struct conn *c;

	crowd_open(&k);
	assert_fails(writer_run(k.w, write_and_fail,
				&(struct draft){.type = "space.set",
						.space = k.space,
						.author = k.steward,
						.take_body = json_pack("{s:s}", "name", "Other")}),
		     ERR_CONFLICT);
	c = reader(&k);
	{
		struct space_info s;

		assert_ok(space_get(c, &k.space, &s));
		assert_string_equal(s.name, "Ateneu");
	}
	conn_close(c);
	assert_ok(submit(&k, "forum.create", json_pack("{s:s,s:s}", "slug", "c", "title", "C")));
	crowd_close(&k);
}

struct person {
	struct crowd *k;
	int n, failed;
};

static void *write_many(void *arg)
{
	struct person *p = arg;

	for (int i = 0; i < 20; i++) {
		char slug[32];
		struct error *err;

		snprintf(slug, sizeof(slug), "f-%d-%d", p->n, i);
		err = submit(p->k, "forum.create",
			     i % 5 == 4 ? json_pack("{s:s}", "slug", slug)
					: json_pack("{s:s,s:s}", "slug", slug, "title", slug));
		p->failed += err != NULL;
		error_free(err);
	}
	return NULL;
}

static void count_commit(void *ctx)
{
	atomic_fetch_add((atomic_int *)ctx, 1);
}

static void many_writers_share_commits_and_each_gets_its_own_answer(void **state)
{
	enum { THREADS = 16 };
	struct crowd k;
	struct person people[THREADS];
	pthread_t threads[THREADS];
	atomic_int commits = 0;
	struct conn *c;

	crowd_open(&k);
	writer_on_commit(k.w, count_commit, &commits);
	for (int i = 0; i < THREADS; i++) {
		people[i] = (struct person){&k, i, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &people[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(people[i].failed, 4);
	}
	c = reader(&k);
	assert_int_equal(rows(c, "forum"), THREADS * 16);
	assert_true(commits >= 16 && commits <= THREADS * 16);
	conn_close(c);
	crowd_close(&k);
}

static struct error *erase_job(struct conn *c, void *arg)
{
	struct crowd *k = arg;

	return community_erase(c, &k->space, &k->forum, k->steward, NULL);
}

static bool log_holds(const struct crowd *k, const char *what)
{
	static const char *const names[] = {"log.db", "log.db-wal", "view.db", "view.db-wal"};
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_(freep) char *path = path_join(k->a.dir, names[i]);
		_cleanup_(buf_release) struct buf bytes = {0};

		error_free(file_read(path, 1 << 30, &bytes));
		found |= bytes.n && memmem(bytes.p, bytes.n, what, strlen(what));
	}
	return found;
}

static struct error *make_forum(struct conn *c, void *arg)
{
	struct crowd *k = arg;

	return community_submit(c,
				&(struct draft){.type = "forum.create",
						.space = k->space,
						.author = k->steward,
						.take_body = json_pack("{s:s,s:s}", "slug", "a",
								       "title", "555-0199")},
				&k->forum);
}

static void what_is_erased_goes_as_soon_as_no_reader_is_in_the_way(void **state)
{
	struct crowd k;
	struct conn *c;
	int tries = 0;

	crowd_open(&k);
	assert_ok(writer_run(k.w, make_forum, &k));
	c = reader(&k);
	assert_ok(db_begin_read(c->view));
	assert_int_equal(rows(c, "forum"), 1);
	assert_ok(writer_run(k.w, erase_job, &k));
	assert_true(log_holds(&k, "555-0199"));
	conn_close(c);
	while (log_holds(&k, "555-0199") && tries++ < 100)
		usleep(100 * 1000);
	assert_false(log_holds(&k, "555-0199"));
	crowd_close(&k);
}

/* --- a view that can't follow --- */
static int refuse_commit(void *ctx)
{
	int *left = ctx;

	return *left > 0 && (*left)--;
}

static struct error *break_view(struct conn *c, void *arg)
{
	static const char *const sql[] = {"SELECT 1"};
	struct db_stmts *s;

	TRY(db_prepare(c->view, sql, 1, &s));
	sqlite3_commit_hook(sqlite3_db_handle(db_stmt(s, 0)), refuse_commit, arg);
	return NULL;
}

static void a_view_that_could_not_follow_its_log_is_caught_up_by_itself(void **state)
{
	struct crowd k;
	struct conn *c;
	atomic_int commits = 0;
	int refused = 0, tries = 0;

	crowd_open(&k);
	c = reader(&k);
	writer_on_commit(k.w, count_commit, &commits);
	assert_ok(writer_run(k.w, break_view, &refused));
	commits = 0;
	/* This commit and the next attempt; what was saved is saved, and acknowledged. */
	refused = 2;
	assert_ok(submit(&k, "forum.create", json_pack("{s:s,s:s}", "slug", "a", "title", "A")));
	while (rows(c, "forum") == 0 && tries++ < 300)
		usleep(100 * 1000);
	assert_int_equal(rows(c, "forum"), 1);
	assert_int_equal(refused, 0);
	for (tries = 0; writer_generation(k.w) != community_generation(c) && tries < 300; tries++)
		usleep(100 * 1000);
	assert_int_equal(writer_generation(k.w), community_generation(c));
	assert_ok(submit(&k, "forum.create", json_pack("{s:s,s:s}", "slug", "b", "title", "B")));
	assert_int_equal(rows(c, "forum"), 2);
	assert_true(commits >= 2);
	conn_close(c);
	crowd_close(&k);
}

static struct error *rebuild_step(struct conn *c, void *arg)
{
	return community_rebuild_step(c, arg);
}

static void a_view_is_made_anew_while_others_write(void **state)
{
	struct crowd k;
	struct conn *c;
	pthread_t thread;
	struct person one = {&k, 0, 0};

	crowd_open(&k);
	c = reader(&k);
	assert_int_equal(pthread_create(&thread, NULL, write_many, &one), 0);
	for (int i = 0; i < 5; i++)
		for (bool more = true; more;)
			assert_ok(writer_run_alone(k.w, rebuild_step, &more));
	pthread_join(thread, NULL);
	assert_int_equal(one.failed, 4);
	assert_int_equal(rows(c, "forum"), 16);
	assert_int_equal(community_generation(c), writer_generation(k.w));
	conn_close(c);
	crowd_close(&k);
}

static void nothing_is_taken_after_the_stop_and_what_waited_is_done(void **state)
{
	struct crowd k;
	struct conn *c;

	crowd_open(&k);
	assert_ok(submit(&k, "forum.create", json_pack("{s:s,s:s}", "slug", "a", "title", "A")));
	writer_stop(STEAL(k.w));
	c = reader(&k);
	assert_int_equal(rows(c, "forum"), 1);
	conn_close(c);
	crowd_close(&k);
}

static struct error *put_off(struct conn *c, void *arg)
{
	conn_tidy_later(c);
	return NULL;
}

/* Fifty years ahead or behind: the quiet moment comes all the same. */
static void what_waits_for_a_quiet_moment_waits_for_no_clock(void **state)
{
	static const long off[] = {0, 1577880000, -1577880000};
	struct crowd k;

	crowd_open(&k);
	for (size_t i = 0; i < ARRAY_LEN(off); i++) {
		uint64_t before = writer_generation(k.w);
		int turns = 0;

		atomic_store(&clock_is_off, off[i]);
		assert_ok(writer_run(k.w, put_off, NULL));
		while (writer_generation(k.w) == before && turns++ < 6000)
			usleep(10000);
		assert_true(writer_generation(k.w) > before);
	}
	atomic_store(&clock_is_off, 0);
	crowd_close(&k);
}

struct posting {
	struct draft d;
	struct hash id;
};

static struct error *post_job(struct conn *c, void *arg)
{
	struct posting *p = arg;

	return community_submit(c, &p->d, &p->id);
}

static struct hash post(struct crowd *k, const char *type, const struct hash *object, json_t *body)
{
	struct posting p = {{.type = type,
			     .space = k->space,
			     .object = object,
			     .author = k->steward,
			     .take_body = body}};

	assert_ok(writer_run(k->w, post_job, &p));
	return p.id;
}

static struct error *erase_post_job(struct conn *c, void *arg)
{
	const struct posting *p = arg;

	return community_erase(c, &p->d.space, &p->id, p->d.author, NULL);
}

static struct error *say(struct crowd *k, const struct hash *topic)
{
	struct draft d = {.type = "post.create",
			  .space = k->space,
			  .object = topic,
			  .author = k->steward,
			  .take_body = json_pack("{s:s}", "text", "Hola")};
	struct error *e = writer_run(k->w, do_submit, &d);

	draft_release(&d);
	return e;
}

static struct error *nothing_job(struct conn *c, void *arg)
{
	(void)c;
	(void)arg;
	return NULL;
}

/* The files don't get smaller: what was erased leaves its room to what people write next. */
static void on_a_full_disk_what_was_erased_makes_room(void **state)
{
	enum { MANY = 80, LONG = 20000, KIB = 1024 };
	struct hash forum, topic, posts[MANY];
	char text[LONG + 1];
	struct crowd k;

	(void)state;
	crowd_open(&k);
	memset(text, 'a', LONG);
	text[LONG] = 0;
	forum = post(&k, "forum.create", NULL, json_pack("{s:s,s:s}", "slug", "a", "title", "A"));
	topic = post(&k, "topic.create", NULL,
		     json_pack("{s:s,s:s,s:s}", "forum", ID(&forum), "title", "T", "text", "t"));
	for (int i = 0; i < MANY; i++)
		posts[i] = post(&k, "post.create", &topic, json_pack("{s:s}", "text", text));
	atomic_store(&says_free, 3000 * KIB);
	assert_fails(say(&k, &topic), ERR_FULL);
	assert_false(writer_has_room(k.w));
	for (int i = 0; i < MANY; i++)
		assert_ok(writer_run_care(k.w, erase_post_job,
					  &(struct posting){{.space = k.space, .author = k.steward},
							    posts[i]}));
	assert_true(writer_has_room(k.w));
	assert_ok(say(&k, &topic));
	/* but not to what comes in many at once, and not without the room that logs take */
	assert_fails(writer_run_large(k.w, nothing_job, NULL), ERR_FULL);
	atomic_store(&says_free, 1000 * KIB);
	assert_false(writer_has_room(k.w));
	assert_fails(say(&k, &topic), ERR_FULL);
	atomic_store(&says_free, 0);
	crowd_close(&k);
}

/* The disk of local.db's write-ahead log. LOCAL_FULL: no byte more. LOCAL_FILLS: it may not grow any
 * more from the moment on when the log's own write-ahead log is written. */
static struct {
	enum { LOCAL_OK, LOCAL_FULL, LOCAL_FILLS } how;
	bool filled;
	sqlite3_file *local, *log;
	const sqlite3_io_methods *local_real, *log_real;
	sqlite3_io_methods local_methods, log_methods;
} wals;

static int write_local(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	sqlite3_int64 size = 0;

	if (wals.how == LOCAL_FULL)
		return SQLITE_FULL;
	wals.local_real->xFileSize(f, &size);
	if (wals.how == LOCAL_FILLS && wals.filled && at + n > size)
		return SQLITE_FULL;
	return wals.local_real->xWrite(f, p, n, at);
}

static int write_log(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	wals.filled = true;
	return wals.log_real->xWrite(f, p, n, at);
}

static sqlite3_file *wal_of(struct db *db)
{
	static const char *const sql[] = {"SELECT 1"};
	sqlite3_file *wal = NULL;
	struct db_stmts *s;

	assert_ok(db_prepare(db, sql, 1, &s));
	sqlite3_file_control(sqlite3_db_handle(db_stmt(s, 0)), "main",
			     SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	return wal;
}

static struct error *hook_job(struct conn *c, void *arg)
{
	(void)arg;
	TRY(db_exec(c->local, "CREATE TABLE noted(num INTEGER PRIMARY KEY) STRICT"));
	wals.local = wal_of(c->local);
	wals.log = wal_of(log_db(c->log));
	wals.local_real = wals.local->pMethods;
	wals.log_real = wals.log->pMethods;
	wals.local_methods = *wals.local_real;
	wals.log_methods = *wals.log_real;
	wals.local_methods.xWrite = write_local;
	wals.log_methods.xWrite = write_log;
	wals.local->pMethods = &wals.local_methods;
	wals.log->pMethods = &wals.log_methods;
	return NULL;
}

static struct error *unhook_job(struct conn *c, void *arg)
{
	(void)c, (void)arg;
	wals.local->pMethods = wals.local_real;
	wals.log->pMethods = wals.log_real;
	return NULL;
}

/* Something for everybody, and in the same act something of this box's own. */
static struct error *note_and_submit(struct conn *c, void *arg)
{
	TRY(do_submit(c, arg));
	return db_exec(c->local, "INSERT INTO noted DEFAULT VALUES");
}

static struct error *noted_job(struct conn *c, void *arg)
{
	static const char *const sql[] = {"SELECT count(*) FROM noted"};
	struct db_stmts *s;

	TRY(db_prepare(c->local, sql, 1, &s));
	return db_number(c->local, s, 0, -1, arg, "");
}

static struct error *found_a_forum(struct crowd *k, const char *slug)
{
	return writer_run(k->w, note_and_submit,
			  &(struct draft){.type = "forum.create",
					  .space = k->space,
					  .author = k->steward,
					  .take_body = json_pack("{s:s,s:s}", "slug", slug, "title", "A")});
}

/* Who is told that there is no room sends it again. */
static void what_was_refused_on_a_full_disk_is_not_there_and_what_is_there_was_not_refused(void **state)
{
	struct conn *c;
	struct crowd k;
	int64_t noted, before;

	(void)state;
	crowd_open(&k);
	c = reader(&k);
	assert_ok(writer_run_alone(k.w, hook_job, NULL));
	assert_ok(log_last_arrival(c->log, &before));
	wals.how = LOCAL_FULL;
	assert_fails(found_a_forum(&k, "a"), ERR_FULL);
	assert_int_equal(rows(c, "forum"), 0);
	for (int i = 1; i <= 20; i++) {
		char slug[8];
		int64_t last;

		snprintf(slug, sizeof(slug), "f%d", i);
		wals.how = LOCAL_FILLS;
		wals.filled = false;
		assert_ok(found_a_forum(&k, slug));
		assert_true(wals.filled);
		wals.how = LOCAL_OK;
		assert_int_equal(rows(c, "forum"), i);
		assert_ok(writer_run_alone(k.w, noted_job, &noted));
		assert_int_equal(noted, i);
		assert_ok(log_last_arrival(c->log, &last));
		assert_int_equal(last - before, i);
	}
	assert_ok(writer_run_alone(k.w, unhook_job, NULL));
	conn_close(c);
	crowd_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_answered_is_there_for_every_reader),
		cmocka_unit_test(one_job_that_fails_takes_no_other_along),
		cmocka_unit_test(what_a_failing_job_wrote_is_undone),
		cmocka_unit_test(many_writers_share_commits_and_each_gets_its_own_answer),
		cmocka_unit_test(what_is_erased_goes_as_soon_as_no_reader_is_in_the_way),
		cmocka_unit_test(a_view_that_could_not_follow_its_log_is_caught_up_by_itself),
		cmocka_unit_test(a_view_is_made_anew_while_others_write),
		cmocka_unit_test(nothing_is_taken_after_the_stop_and_what_waited_is_done),
		cmocka_unit_test(what_waits_for_a_quiet_moment_waits_for_no_clock),
		cmocka_unit_test(on_a_full_disk_what_was_erased_makes_room),
		cmocka_unit_test(
			what_was_refused_on_a_full_disk_is_not_there_and_what_is_there_was_not_refused),
	};

	return run_group(tests);
}
