/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A box that is killed between a blob and the op that names it. The box that dies is a process of
 * its own. */
#include "tests/lib/test.h"
#include "appliance/app_priv.h"
#include "appliance/files/content.h"
#include "appliance/files/files_priv.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 200 * 1000, WAIT_MS = 20000, LOOKED_MS = 1500 };
/* Where it dies. */
enum moment { NAMED, HERE, STORED };

struct sending {
	struct app *app;
	struct secret *steward;
	struct content content;
	struct hash space;
};

static struct error *found_job(struct conn *c, void *arg)
{
	struct sending *s = arg;

	return community_found(c, "Ateneu", s->steward, "remei", &s->space);
}

static struct error *note_job(struct conn *c, void *arg)
{
	return sent_add(c, arg);
}

static struct error *note(void *ctx, const struct hash *blob)
{
	struct hash name = *blob;

	return writer_run(((struct sending *)ctx)->app->writer, note_job, &name);
}

static struct error *note_and_die(void *ctx, const struct hash *blob)
{
	TRY(note(ctx, blob));
	kill(getpid(), SIGKILL);
	return NULL;
}

static struct error *store_job(struct conn *c, void *arg)
{
	struct sending *s = arg;
	struct draft d = {.type = "file.create", .space = s->space, .author = s->steward};
	struct hash id;

	d.take_body = json_pack("{s:s, s:s}", "path", "acta.pdf", "title", "Acta");
	content_say(&s->content, d.take_body);
	return community_submit(c, &d, &id);
}

static int content_file(const char *dir)
{
	uint8_t *bytes = malloc(SIZE);
	int fd;

	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251);
	assert_ok(file_nameless(dir, &fd));
	assert_ok(fd_write_all(fd, span_of(bytes, SIZE), "test"));
	free(bytes);
	return fd;
}

static void live_and_die(const char *dir, enum moment at)
{
	struct sending s = {.steward = test_key(501)};
	struct content_from from = {.size = SIZE,
				    .name = "acta.pdf",
				    .named = at == NAMED ? note_and_die : note,
				    .ctx = &s};

	assert_ok(app_open(dir, &env_system, &s.app));
	assert_ok(writer_run(s.app->writer, found_job, &s));
	from.fd = content_file(dir);
	assert_ok(content_take(s.app->blobs, dir, &from, &s.content));
	if (at == STORED)
		assert_ok(writer_run(s.app->writer, store_job, &s));
	kill(getpid(), SIGKILL);
}

static struct error *count_blob(void *ctx, const struct hash *h, uint64_t size)
{
	(void)h;
	(void)size;
	++*(int *)ctx;
	return NULL;
}

static int blobs_here(struct app *a)
{
	int n = 0;

	assert_ok(blob_each(a->blobs, count_blob, &n));
	return n;
}

static int64_t noted(struct app *a)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	int64_t last;

	assert_ok(app_conn(a, &c));
	assert_ok(sent_last(c, &last));
	return last;
}

/* What is left of it when the next run has looked through. */
static int left_after(enum moment at, int before)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *key_path = path_join(dir, "key");
	_cleanup_(secret_freep) struct secret *key = test_key(500);
	struct files_thread *files;
	struct app *app;
	pid_t child;
	int n, status;

	assert_ok(secret_save(key_path, key));
	child = fork();
	if (!child) {
		live_and_die(dir, at);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_ok(app_open(dir, &env_system, &app));
	assert_int_equal(blobs_here(app), before);
	assert_int_not_equal(noted(app), 0);
	assert_ok(files_start(app, &files));
	for (int ms = 0; ms < WAIT_MS && noted(app); ms += 20)
		usleep(20 * 1000);
	assert_int_equal(noted(app), 0);
	n = blobs_here(app);
	files_stop(files);
	app_close(app);
	return n;
}

static void a_blob_without_an_op_goes_at_the_next_start(void **state)
{
	assert_int_equal(left_after(HERE, 1), 0);
}

static void a_note_without_a_blob_does_no_harm(void **state)
{
	assert_int_equal(left_after(NAMED, 0), 0);
}

static void a_blob_whose_op_was_stored_stays(void **state)
{
	assert_int_equal(left_after(STORED, 1), 1);
}

struct noting {
	struct blob_store *blobs;
	struct hash blob;
	int64_t last;
};

static struct error *again_job(struct conn *c, void *arg)
{
	struct noting *k = arg;

	TRY(sent_add(c, &k->blob));
	TRY(sent_last(c, &k->last));
	TRY(sent_add(c, &k->blob)); /* it is being sent again */
	TRY(sent_clear(c, k->blobs, k->last));
	return sent_last(c, &k->last);
}

static void what_is_sent_anew_in_this_run_is_left_alone(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *key_path = path_join(dir, "key");
	_cleanup_(secret_freep) struct secret *key = test_key(500);
	struct noting k = {.last = 0};
	struct blob_writer *w;
	struct app *app;

	assert_ok(secret_save(key_path, key));
	assert_ok(app_open(dir, &env_system, &app));
	assert_ok(blob_writer_new(app->blobs, 100, &w));
	assert_ok(blob_write(w, span_str("twice")));
	assert_ok(blob_writer_finish(w, &k.blob, NULL));
	k.blobs = app->blobs;
	assert_ok(writer_run(app->writer, again_job, &k));
	assert_int_equal(blobs_here(app), 1);
	assert_int_equal(k.last, 2);
	app_close(app);
}

/* The disk of the view has room or not. */
static struct {
	sqlite3_file *wal;
	const sqlite3_io_methods *real;
	sqlite3_io_methods full;
} view;

static int no_room(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	(void)f, (void)p, (void)n, (void)at;
	return SQLITE_FULL;
}

static struct error *fill_view(struct conn *c, void *arg)
{
	sqlite3 *sq = sqlite3_db_handle(db_stmt(conn_view(c, &files_feature), FILE_BY_ID));

	(void)arg;
	sqlite3_file_control(sq, "main", SQLITE_FCNTL_JOURNAL_POINTER, &view.wal);
	view.real = view.wal->pMethods;
	view.full = *view.real;
	view.full.xWrite = no_room;
	view.wal->pMethods = &view.full;
	return NULL;
}

static struct error *free_view(struct conn *c, void *arg)
{
	(void)c, (void)arg;
	view.wal->pMethods = view.real;
	return NULL;
}

static struct error *found_private_job(struct conn *c, void *arg)
{
	struct sending *s = arg;

	return community_found_private(c, "Ateneu", s->steward, "remei", &s->space);
}

/* The blob, and after it as much as pushes it out of the box's share. */
static struct error *carry_job(struct conn *c, void *arg)
{
	struct sending *s = arg;
	const uint64_t most = file_stored_size(LIMIT_UPLOAD);
	json_t *rows = json_array();
	struct draft d = {.type = "file.carry", .space = s->space};
	struct hash id, blob = s->content.blob;

	for (uint64_t sum = 0; sum <= LIMIT_FILE_CARRIED + most; sum += most) {
		json_array_append_new(rows, json_pack("{s:s, s:s, s:I}", "op", ID(&blob), "blob",
						      ID(&blob), "stored", (json_int_t)most));
		blob.b[0]++;
	}
	d.take_body = json_pack("{s:o}", "blobs", rows);
	return community_submit(c, &d, &id);
}

/* Pushed out of what is carried, and named by a version that the log alone has. */
static void nothing_goes_while_the_view_is_behind(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *key_path = path_join(dir, "key");
	_cleanup_(secret_freep) struct secret *key = test_key(500), *steward = test_key(501);
	struct sending s = {.steward = steward};
	struct content_from from = {
		.size = SIZE, .name = "acta.pdf", .seal = true, .named = note, .ctx = &s};
	struct files_thread *files;

	assert_ok(secret_save(key_path, key));
	assert_ok(app_open(dir, &env_system, &s.app));
	assert_ok(writer_run(s.app->writer, found_private_job, &s));
	from.fd = content_file(dir);
	assert_ok(content_take(s.app->blobs, dir, &from, &s.content));
	assert_ok(writer_run(s.app->writer, carry_job, &s));
	assert_ok(writer_run_alone(s.app->writer, fill_view, NULL));
	assert_ok(writer_run(s.app->writer, store_job, &s));
	assert_ok(files_start(s.app, &files));
	usleep(LOOKED_MS * 1000);
	assert_int_equal(blobs_here(s.app), 1);
	assert_ok(writer_run_alone(s.app->writer, free_view, NULL));
	assert_ok(writer_follow(s.app->writer));
	for (int ms = 0; ms < WAIT_MS && noted(s.app); ms += 20)
		usleep(20 * 1000);
	assert_int_equal(noted(s.app), 0);
	assert_int_equal(blobs_here(s.app), 1);
	files_stop(files);
	content_release(&s.content);
	close(from.fd);
	app_close(s.app);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blob_without_an_op_goes_at_the_next_start),
		cmocka_unit_test(a_note_without_a_blob_does_no_harm),
		cmocka_unit_test(a_blob_whose_op_was_stored_stays),
		cmocka_unit_test(what_is_sent_anew_in_this_run_is_left_alone),
		cmocka_unit_test(nothing_goes_while_the_view_is_behind),
	};

	return run_group(tests);
}
