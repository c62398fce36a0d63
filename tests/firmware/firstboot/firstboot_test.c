/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What root makes before the daemon starts, and what it leaves alone. */
#include "tests/lib/test.h"
#include "firmware/firstboot/firstboot.h"
#include "sync/base/file.h"
#include <sys/stat.h>

struct disk {
	char *dir, *data, *run;
	struct firstboot f;
	FILE *screen;
	char *said;
	size_t said_n;
};

static int open_disk(void **state)
{
	struct disk *d = calloc(1, sizeof(*d));

	d->dir = test_dir();
	d->data = path_join(d->dir, "data");
	d->run = path_join(d->dir, "run");
	assert_ok(dir_make(d->data, 0755));
	assert_ok(dir_make(d->run, 0755));
	d->f = (struct firstboot){d->data, d->run, geteuid(), getegid()};
	d->screen = open_memstream(&d->said, &d->said_n);
	*state = d;
	return 0;
}

static int close_disk(void **state)
{
	struct disk *d = *state;

	fclose(d->screen);
	free(d->said);
	test_dir_remove(d->dir);
	free(d->data);
	free(d->run);
	free(d);
	return 0;
}

static mode_t mode_of(struct disk *d, const char *name)
{
	_cleanup_(freep) char *path = path_join(d->data, name);
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_mode;
}

static void the_folders_are_made_once_and_kept(void **state)
{
	struct disk *d = *state;
	_cleanup_(freep) char *key = path_join(d->data, "box/key");

	assert_ok(firstboot_prepare(&d->f, d->screen));
	assert_int_equal(mode_of(d, "box"), S_IFDIR | 0700);
	assert_int_equal(mode_of(d, "updates"), S_IFDIR | 0700);
	assert_ok(file_write(key, span_str("k"), 0600));
	assert_ok(firstboot_prepare(&d->f, d->screen));
	assert_int_equal(mode_of(d, "box/key"), S_IFREG | 0600);
	fflush(d->screen);
	assert_int_equal(d->said_n, 0);
}

static void a_disk_that_cant_be_read_is_not_covered_up(void **state)
{
	struct disk *d = *state;
	_cleanup_(freep) char *lost = path_join(d->run, "data-lost");

	assert_ok(file_write(lost, span_str(""), 0644));
	assert_fails(firstboot_prepare(&d->f, d->screen), ERR_CORRUPT);
	assert_int_equal(mode_of(d, "box"), 0);
	assert_non_null(strstr(d->said, "recovery sheets"));
}

static void a_link_in_the_place_of_a_folder_is_refused(void **state)
{
	struct disk *d = *state;
	_cleanup_(freep) char *link = path_join(d->data, "updates"), *to = path_join(d->dir, "run");
	struct stat before, after;

	assert_int_equal(symlink(to, link), 0);
	assert_int_equal(stat(to, &before), 0);
	assert_fails(firstboot_prepare(&d->f, d->screen), ERR_DENIED);
	assert_int_equal(stat(to, &after), 0);
	assert_int_equal(before.st_mode, after.st_mode);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_disk, close_disk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_folders_are_made_once_and_kept),
		CASE(a_disk_that_cant_be_read_is_not_covered_up),
		CASE(a_link_in_the_place_of_a_folder_is_refused),
	};

	return run_group(tests);
}
