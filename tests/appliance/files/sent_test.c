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

enum { SIZE = 200 * 1000, WAIT_MS = 20000 };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blob_without_an_op_goes_at_the_next_start),
		cmocka_unit_test(a_note_without_a_blob_does_no_harm),
		cmocka_unit_test(a_blob_whose_op_was_stored_stays),
		cmocka_unit_test(what_is_sent_anew_in_this_run_is_left_alone),
	};

	return run_group(tests);
}
