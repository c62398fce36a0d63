/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The code of the first run: on a label it must stay what it is, elsewhere it needs not. */
#include "tests/lib/test.h"
#include "appliance/box/box.h"
#include "appliance/setup/setup.h"
#include <sys/stat.h>

/* What the first run says its code is; it ends without a box. */
static void code_of(const char *dir, const struct app_box *box, char out[SETUP_CODE])
{
	struct http_sockets sockets;
	struct setup *s;

	assert_ok(setup_start(&(struct setup_options){.dir = dir,
						      .env = &env_system,
						      .http = "127.0.0.1:0",
						      .https = "127.0.0.1:0",
						      .box = box},
			      &s));
	memcpy(out, setup_code(s), SETUP_CODE);
	setup_stop(s, &sockets);
	close(sockets.http);
	close(sockets.https);
}

static void a_boxs_code_stays_until_its_file_goes(void **state)
{
	static const char *const rubbish[] = {
		"", "abcde", "ABCDE-fghij", "abcde-fghij\n", "abcdefghijk", "abcde-fghi1"};
	_cleanup_(test_dir_removep) char *root = test_dir();
	_cleanup_(freep) char *dir = path_join(root, "box"), *path = path_join(root, "box.code");
	char first[SETUP_CODE], again[SETUP_CODE];
	struct app_box box;
	struct stat st;

	(void)state;
	assert_ok(dir_make(dir, 0700));
	box_paths(root, &box);
	code_of(dir, &box, first);
	code_of(dir, &box, again);
	assert_string_equal(first, again);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(unlink(path), 0); /* the button */
	code_of(dir, &box, again);
	assert_string_not_equal(first, again);
	/* What is no code is written anew, and stays from then on. */
	for (size_t i = 0; i < ARRAY_LEN(rubbish); i++) {
		assert_ok(file_write(path, span_str(rubbish[i]), 0600));
		code_of(dir, &box, first);
		code_of(dir, &box, again);
		assert_string_equal(first, again);
		assert_int_equal(strlen(first), SETUP_CODE - 1);
		assert_string_not_equal(first, rubbish[i]);
	}
}

static void another_machines_is_new_at_each_start(void **state)
{
	_cleanup_(test_dir_removep) char *root = test_dir();
	_cleanup_(freep) char *dir = path_join(root, "box"), *path = path_join(root, "box.code");
	char first[SETUP_CODE], again[SETUP_CODE];

	(void)state;
	assert_ok(dir_make(dir, 0700));
	code_of(dir, NULL, first);
	code_of(dir, NULL, again);
	assert_string_not_equal(first, again);
	assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_boxs_code_stays_until_its_file_goes),
		cmocka_unit_test(another_machines_is_new_at_each_start),
	};

	return run_group(tests);
}
