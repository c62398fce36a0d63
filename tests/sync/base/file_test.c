/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include <errno.h>
#include <sys/stat.h>

struct fixture {
	char *dir, *path;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = test_dir();
	f->path = path_join(f->dir, "file");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	test_dir_remove(f->dir);
	free(f->path);
	free(f);
	return 0;
}

static void what_is_written_is_read(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf b = {0};

	assert_fails(file_read(f->path, 100, &b), ERR_NOT_FOUND);
	assert_ok(file_write(f->path, span_str("one"), 0640));
	assert_ok(file_write(f->path, span_str("two and more"), 0600));
	buf_puts(&b, "before ");
	assert_ok(file_read(f->path, 100, &b));
	assert_string_equal(buf_str(&b), "before two and more");
	assert_ok(file_write(f->path, span_of(NULL, 0), 0600));
	buf_clear(&b);
	assert_ok(file_read(f->path, 0, &b));
	assert_int_equal(b.n, 0);
}

static void a_file_above_the_limit_is_refused_whole(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf b = {0};

	assert_ok(file_write(f->path, span_str("12345"), 0600));
	buf_puts(&b, "x");
	assert_fails(file_read(f->path, 4, &b), ERR_LIMIT);
	assert_string_equal(buf_str(&b), "x");
	assert_ok(file_read(f->path, 5, &b));
	assert_string_equal(buf_str(&b), "x12345");
}

static void a_failed_write_keeps_the_old_content_and_no_temporary(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *tmp = path_join(f->dir, "file.tmp");
	_cleanup_(freep) char *inside = path_join(f->path, "x");

	assert_ok(dir_make(inside, 0700)); /* a folder that is not empty is in the way */
	assert_fails(file_write(f->path, span_str("new"), 0600), ERR_IO);
	assert_int_equal(access(tmp, F_OK), -1);
	assert_fails(file_write("/proc/no/such/folder/file", span_str("x"), 0600), ERR_NOT_FOUND);
}

static void a_temporary_that_is_a_link_is_not_followed(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *tmp = path_join(f->dir, "file.tmp");
	_cleanup_(freep) char *victim = path_join(f->dir, "victim");
	_cleanup_(buf_release) struct buf b = {0};

	assert_ok(file_write(victim, span_str("mine"), 0600));
	assert_int_equal(symlink(victim, tmp), 0);
	assert_fails(file_write(f->path, span_str("new"), 0600), ERR_IO);
	assert_ok(file_read(victim, 100, &b));
	assert_string_equal(buf_str(&b), "mine");
}

static void folders_are_made_with_their_parents(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *deep = path_join(f->dir, "a/b//c");
	_cleanup_(freep) char *wrong = path_join(f->dir, "file/x");
	struct stat st;

	assert_ok(dir_make(deep, 0700));
	assert_ok(dir_make(deep, 0700));
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_ok(dir_sync(deep));
	assert_ok(file_write(f->path, span_str("x"), 0600));
	assert_fails(dir_make(wrong, 0700), ERR_IO);
}

static void removing_a_folder_does_not_follow_links(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *gone = path_join(f->dir, "gone");
	_cleanup_(freep) char *deep = path_join(gone, "x/y");
	_cleanup_(freep) char *link = path_join(gone, "link");

	assert_ok(dir_make(deep, 0700));
	assert_ok(file_write(f->path, span_str("stays"), 0600));
	assert_int_equal(symlink(f->dir, link), 0);
	assert_ok(dir_remove(gone));
	assert_int_equal(access(gone, F_OK), -1);
	assert_int_equal(access(f->path, F_OK), 0);
	assert_ok(dir_remove(gone));
}

static void errors_say_what_and_which(void **state)
{
	struct error *e = file_error(ENOSPC, "/data/log.db");

	(void)state;
	assert_int_equal(error_code(e), ERR_FULL);
	assert_non_null(strstr(error_english(e), "/data/log.db"));
	error_free(e);
	assert_fails(file_error(EACCES, "x"), ERR_IO);
	assert_fails(file_error(ENOENT, "x"), ERR_NOT_FOUND);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_written_is_read),
		T(a_file_above_the_limit_is_refused_whole),
		T(a_failed_write_keeps_the_old_content_and_no_temporary),
		T(a_temporary_that_is_a_link_is_not_followed),
		T(folders_are_made_with_their_parents),
		T(removing_a_folder_does_not_follow_links),
		T(errors_say_what_and_which),
	};
	return run_group(tests);
}
