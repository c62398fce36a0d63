/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What lies on a stick is foreign: only regular files with names of our own grammar are opened, and
 * what is written is whole or not there. */
#include "tests/lib/test.h"
#include "appliance/carry/sandbox_priv.h"
#include "appliance/carry/stick.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
	char *dir, *folder;
	struct stick_place place;
	int root;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = test_dir();
	f->folder = path_join(f->dir, "lliure");
	stick_place_name(&f->place, "Kingston\n\x1b[31m\xe2\x80\xae 32", f->dir);
	assert_ok(stick_open(&f->place, &f->root));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->root);
	test_dir_remove(f->dir);
	free(f->folder);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *name, const char *text)
{
	_cleanup_(freep) char *path = path_join(f->folder, name);

	assert_ok(dir_make(f->folder, 0755));
	assert_ok(file_write(path, span_str(text), 0644));
}

static size_t list(struct fixture *f, struct stick_file files[CARRY_FILES], bool *ret_more)
{
	size_t n;

	assert_ok(stick_list(f->root, files, &n, ret_more));
	return n;
}

static void a_stick_s_own_name_is_one_clean_line(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(f->place.label, "Kingston[31m 32");
	assert_int_equal(strlen(f->place.id), 8);
}

static void an_empty_stick_has_no_news(void **state)
{
	struct fixture *f = *state;
	struct stick_file files[CARRY_FILES];
	bool more;

	assert_int_equal(list(f, files, &more), 0);
	assert_false(more);
}

static void the_newest_come_first_and_the_others_are_counted_out(void **state)
{
	struct fixture *f = *state;
	struct stick_file files[CARRY_FILES];
	char name[64];
	bool more;

	for (int i = 1; i <= 12; i++) {
		snprintf(name, sizeof(name), "casa-202611%02d-1200.lliure", i);
		put(f, name, "x");
	}
	put(f, "notes.txt", "x");
	put(f, "Casa-20261130-1200.lliure", "x");
	assert_int_equal(list(f, files, &more), CARRY_FILES);
	assert_true(more);
	assert_string_equal(files[0].name, "casa-20261112-1200.lliure");
	assert_string_equal(files[CARRY_FILES - 1].name, "casa-20261105-1200.lliure");
}

static void links_fifos_and_folders_are_not_opened(void **state)
{
	struct fixture *f = *state;
	static const char fifo[] = "fifo-20261101-1200.lliure",
			  link[] = "link-20261101-1200.lliure",
			  folder[] = "dir-20261101-1200.lliure";
	struct stick_file files[CARRY_FILES];
	uint64_t size;
	bool more;
	int fd, at;

	put(f, "good-20261101-1200.lliure", "x");
	at = open(f->folder, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkfifoat(at, fifo, 0644), 0);
	assert_int_equal(symlinkat("/etc/passwd", at, link), 0);
	assert_int_equal(mkdirat(at, folder, 0755), 0);
	assert_int_equal(list(f, files, &more), 1);
	assert_string_equal(files[0].name, "good-20261101-1200.lliure");
	/* Put there after the looking. */
	assert_fails(stick_file_open(f->root, fifo, &fd, &size), ERR_DENIED);
	assert_fails(stick_file_open(f->root, link, &fd, &size), ERR_DENIED);
	assert_fails(stick_file_open(f->root, folder, &fd, &size), ERR_DENIED);
	assert_fails(stick_file_open(f->root, "../x-20261101-1200.lliure", &fd, &size), ERR_IO);
	assert_fails(stick_file_open(f->root, "gone-20261101-1200.lliure", &fd, &size), ERR_IO);
	assert_ok(stick_file_open(f->root, "good-20261101-1200.lliure", &fd, &size));
	assert_int_equal(size, 1);
	close(fd);
	close(at);
}

static void a_folder_that_is_a_link_is_neither_read_nor_written(void **state)
{
	struct fixture *f = *state;
	struct stick_file files[CARRY_FILES];
	bool more;
	int fd;

	assert_int_equal(symlink("/tmp", f->folder), 0);
	assert_int_equal(list(f, files, &more), 0);
	assert_fails(stick_write_begin(f->root, "a-20261101-1200.lliure", &fd), ERR_EXISTS);
	assert_int_equal(unlink(f->folder), 0);
}

static void what_is_written_is_whole_or_not_there(void **state)
{
	struct fixture *f = *state;
	static const char name[] = "a-20261101-1200.lliure";
	struct stick_file files[CARRY_FILES];
	struct stick_room room;
	bool more;
	int fd;

	assert_ok(stick_room(f->root, &room));
	assert_true(room.writable && room.bytes > 0);
	assert_ok(stick_write_begin(f->root, name, &fd));
	assert_int_equal(write(fd, "half", 4), 4);
	assert_int_equal(list(f, files, &more), 0);
	stick_write_give_up(f->root, fd, name);
	assert_int_equal(list(f, files, &more), 0);
	/* What a power cut left is in nobody's way. */
	put(f, "a-20261101-1200.lliure.tmp", "of last time");
	put(f, "b-20261031-1200.lliure.tmp", "of the time before");
	put(f, "letter.tmp", "of somebody else");
	assert_ok(stick_write_begin(f->root, name, &fd));
	assert_int_equal(write(fd, "whole", 5), 5);
	assert_ok(stick_write_end(f->root, fd, name));
	assert_int_equal(list(f, files, &more), 1);
	assert_int_equal(files[0].size, 5);
	assert_int_equal(faccessat(f->root, "lliure/b-20261031-1200.lliure.tmp", F_OK, 0), -1);
	assert_int_equal(faccessat(f->root, "lliure/letter.tmp", F_OK, 0), 0);
	stick_remove(f->root, "../lliure/a-20261101-1200.lliure");
	assert_int_equal(list(f, files, &more), 1);
	stick_remove(f->root, name);
	assert_int_equal(list(f, files, &more), 0);
}

static void errors_say_what_to_do(void **state)
{
	struct error *full = stick_error(ENOSPC), *locked = stick_error(EROFS),
		     *gone = stick_error(ENODEV);

	assert_non_null(strstr(error_english(full), "full"));
	assert_non_null(strstr(error_english(locked), "switch"));
	assert_non_null(strstr(error_english(gone), "Plug it in again"));
	error_free(full);
	error_free(locked);
	error_free(gone);
}

static void only_folders_of_the_given_one_are_sticks(void **state)
{
	struct fixture *f = *state;
	struct stick_place places[CARRY_STICKS];
	_cleanup_(freep) char *a = path_join(f->dir, "a"), *file = path_join(f->dir, "file");
	_cleanup_(freep) char *hidden = path_join(f->dir, ".b"), *link = path_join(f->dir, "c");

	assert_int_equal(mkdir(a, 0755), 0);
	assert_int_equal(mkdir(hidden, 0755), 0);
	assert_int_equal(symlink(a, link), 0);
	assert_ok(file_write(file, span_str("x"), 0644));
	assert_int_equal(stick_places(f->dir, places, CARRY_STICKS), 1);
	assert_string_equal(places[0].label, "a");
	assert_int_equal(stick_places("/nowhere", places, CARRY_STICKS), 0);
	assert_int_equal(stick_places(NULL, places, CARRY_STICKS), 0);
}

static void a_table_of_mounts_is_read_with_care(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *path = path_join(f->dir, "mountinfo");
	struct stick_place places[CARRY_STICKS];
	struct usb *usb = usb_open(NULL);

	assert_ok(file_write(path,
			     span_str("36 35 0:0 / /mnt rw - tmpfs none rw\nrubbish\n\n"
				      "1 2 3:4\n36 35 999999:0 / /m\\040x rw - vfat x rw\n"
				      "36 35 1:1 /sub /y rw - vfat x rw\n"),
			     0644));
	assert_int_equal(stick_mounted(usb, path, "", places, CARRY_STICKS), 0);
	assert_int_equal(stick_mounted(usb, "/nowhere", "", places, CARRY_STICKS), 0);
	assert_int_equal(stick_mounted(NULL, path, "", places, CARRY_STICKS), 0);
	usb_close(usb);
}

static void what_the_helper_opened_is_known_by_its_place(void **state)
{
	static struct app a;

	(void)state;
	assert_null(stick_device(&a, "/run/lliure-sticks/sdb1")); /* no box */
	snprintf(a.box.sticks, sizeof(a.box.sticks), "/run/lliure-sticks");
	assert_string_equal(stick_device(&a, "/run/lliure-sticks/sdb1"), "sdb1");
	assert_null(stick_device(&a, "/run/lliure-sticks"));
	assert_null(stick_device(&a, "/run/lliure-sticks-2/sdb1"));
	assert_null(stick_device(&a, "/run/lliure-sticks/sdb1/sub"));
	assert_null(stick_device(&a, "/media/sdb1"));
}

/* Links to one file in memory, for they are made quickly: 100,000 names that could be news. */
static void a_stick_with_a_hundred_thousand_files_is_looked_at_for_a_moment(void **state)
{
	char dir[] = "/dev/shm/lliure-test-XXXXXX";
	struct stick_file files[CARRY_FILES];
	_cleanup_(closep) int root = -1, one = -1;
	bool more = false;
	int64_t began;
	size_t n = 0;

	(void)state;
	if (!mkdtemp(dir)) {
		skip_note("there is no file system in memory here");
		return;
	}
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(root, "lliure", 0755), 0);
	one = openat(root, "one", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(one, "x", 1), 1);
	for (int i = 0; i < 100000; i++) {
		char name[60];

		snprintf(name, sizeof(name), "lliure/a%d-20261101-1200.lliure", i);
		assert_int_equal(linkat(root, "one", root, name, 0), 0);
	}
	began = env_mono(&env_system);
	assert_ok(stick_list(root, files, &n, &more));
	assert_int_equal(n, CARRY_FILES);
	assert_true(more); /* which the page says */
	assert_true(env_mono(&env_system) - began < 5000);
	assert_ok(dir_remove(dir));
}

static void what_is_on_a_stick_is_judged_by_what_udev_says(void **state)
{
	static const struct {
		struct usb_words w;
		enum usb_use use;
	} rows[] = {
		{{"partition", "filesystem", "vfat", "dos", 100}, USB_OPENS},
		{{"disk", "filesystem", "exfat", "", 100}, USB_OPENS},
		/* A FAT of a whole stick looks like a table, too. */
		{{"disk", "filesystem", "vfat", "dos", 100}, USB_OPENS},
		{{"partition", "filesystem", "ext4", "", 100}, USB_OPENS},
		{{"partition", "filesystem", "ntfs", "", 100}, USB_FOREIGN},
		{{"partition", "crypto", "crypto_LUKS", "", 100}, USB_FOREIGN},
		{{"partition", "other", "swap", "", 100}, USB_FOREIGN},
		{{"partition", "", "vfat", "", 100}, USB_FOREIGN},
		{{"partition", "", "", "gpt", 100}, USB_EMPTY},
		{{"disk", "", "", "", 100}, USB_EMPTY},
		{{"disk", "", "", "gpt", 100}, USB_NOTHING},
		{{"disk", "", "", "", 0}, USB_NOTHING},
		{{"", "", "", "", 0}, USB_NOTHING},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(usb_judge(&rows[i].w), rows[i].use);
}

static void a_stick_is_found_again_by_its_number(void **state)
{
	struct usb_part parts[] = {
		{.device = "sdb1", .label = "KINGSTON", .use = USB_OPENS, .uuid = "1A2B-3C4D"},
		{.device = "sdc1", .label = "../../etc", .use = USB_OPENS, .uuid = "../../etc"},
		{.device = "sdd1", .label = "X", .use = USB_EMPTY, .uuid = "FFFF-0000"},
		{.device = "sde1", .label = "KINGSTON", .use = USB_OPENS, .uuid = "1A2B-3C4DA"},
	};
	const struct usb_part *found = NULL;
	char name[STICK_NAME];

	(void)state;
	assert_true(stick_name(&parts[0], name));
	assert_string_equal(name, "USB 1A2B-3C4D KINGSTON");
	assert_true(stick_is_name(name));
	assert_false(stick_is_name("/media/USB 1"));
	assert_false(stick_name(&parts[1], name)); /* what a stick says of itself is foreign */
	assert_false(stick_name(&parts[2], name));
	/* Plugged in elsewhere, with another label. */
	snprintf(parts[0].device, sizeof(parts[0].device), "sdz1");
	snprintf(parts[0].label, sizeof(parts[0].label), "OTHER");
	assert_ok(stick_by_name(parts, 4, "USB 1A2B-3C4D KINGSTON", &found));
	assert_string_equal(found->device, "sdz1");
	assert_fails(stick_by_name(parts + 1, 3, "USB 1A2B-3C4D KINGSTON", &found), ERR_NOT_FOUND);
	assert_fails(stick_by_name(parts, 4, "USB  KINGSTON", &found), ERR_NOT_FOUND);
	assert_fails(stick_by_name(parts, 4, "USB", &found), ERR_NOT_FOUND);
	assert_fails(stick_by_name(parts, 4, "1A2B-3C4D", &found), ERR_NOT_FOUND);
	/* Somebody copied the whole stick. */
	snprintf(parts[3].uuid, sizeof(parts[3].uuid), "1A2B-3C4D");
	assert_fails(stick_by_name(parts, 4, "USB 1A2B-3C4D KINGSTON", &found), ERR_CONFLICT);
}

static void a_path_stays_a_path_and_a_stick_that_is_not_there_says_so(void **state)
{
	static struct app a = {.box.sticks = "/run/lliure-sticks"};
	char path[200];

	(void)state;
	assert_ok(stick_path(&a, "/srv/backups", path, sizeof(path)));
	assert_string_equal(path, "/srv/backups");
	assert_fails(stick_path(&a, "USB 0000-0000 nobody's", path, sizeof(path)), ERR_NOT_FOUND);
}

/* In a child, for there is no way back. Its exit status says what it found. */
static int behind_the_wall(const char *inside, const char *outside)
{
	_cleanup_(freep) char *a = path_join(inside, "a"), *b = path_join(inside, "b"),
			      *kept = path_join(outside, "kept"), *new = path_join(outside, "new");
	int status;
	pid_t child = fork();

	if (child == 0) {
		const char *const write[] = {inside, "/dev/null", "/nonexistent", NULL};
		const char *const read[] = {kept, "/nonexistent", NULL};
		static char *const none[] = {NULL};
		struct walls walls = sandbox_daemon(&(struct sandbox_paths){read, write});

		if (!walls.landlock)
			_exit(77);
		if (open(a, O_WRONLY | O_CREAT, 0600) < 0 || rename(a, b) || mkdir(a, 0700))
			_exit(1);
		if (open(new, O_WRONLY | O_CREAT, 0600) >= 0 || open(kept, O_WRONLY) >= 0 ||
		    unlink(kept) == 0 || rename(b, new) == 0)
			_exit(2);
		if (open(kept, O_RDONLY) < 0 || open("/dev/null", O_WRONLY) < 0)
			_exit(3);
		if (open("/etc/passwd", O_RDONLY) >= 0 || open(outside, O_RDONLY) >= 0)
			_exit(4);
		execve("/bin/true", none, none);
		/* a sanitizer's own calls would not pass seccomp */
		if (errno != EACCES || (!SANITIZED && unshare(0) == 0))
			_exit(5);
		if (walls.seccomp == SANITIZED)
			_exit(6);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_daemon_behind_its_walls_has_only_what_was_named(void **state)
{
	_cleanup_(test_dir_removep) char *inside = test_dir(), *outside = test_dir();
	_cleanup_(freep) char *kept = path_join(outside, "kept");
	int found;

	(void)state;
	assert_ok(file_write(kept, span_str("x"), 0644));
	found = behind_the_wall(inside, outside);
	if (found == 77)
		skip_note("this kernel has no Landlock");
	else
		assert_int_equal(found, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_stick_s_own_name_is_one_clean_line),
		T(an_empty_stick_has_no_news),
		T(the_newest_come_first_and_the_others_are_counted_out),
		T(links_fifos_and_folders_are_not_opened),
		T(a_folder_that_is_a_link_is_neither_read_nor_written),
		T(what_is_written_is_whole_or_not_there),
		T(errors_say_what_to_do),
		T(a_stick_with_a_hundred_thousand_files_is_looked_at_for_a_moment),
		T(only_folders_of_the_given_one_are_sticks),
		T(a_table_of_mounts_is_read_with_care),
		cmocka_unit_test(what_the_helper_opened_is_known_by_its_place),
		cmocka_unit_test(what_is_on_a_stick_is_judged_by_what_udev_says),
		cmocka_unit_test(a_stick_is_found_again_by_its_number),
		cmocka_unit_test(a_path_stays_a_path_and_a_stick_that_is_not_there_says_so),
		cmocka_unit_test(a_daemon_behind_its_walls_has_only_what_was_named),
	};

	return run_group(tests);
}
