/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the label, the screen and the button know of the network. */
#include "tests/lib/test.h"
#include "firmware/network/label.h"
#include "sync/base/file.h"
#include <sys/stat.h>

static void says_the_wifi_that_was_written(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "wifi");
	struct network_label l;
	struct network_wish w;
	struct stat before, after;

	(void)state;
	assert_false(network_label_read(dir, &l));
	assert_false(network_label_read("", &l));
	network_wish_begin(&w, "Ateneu", &env_system);
	assert_ok(network_label_put(dir, &w));
	assert_true(network_label_read(dir, &l));
	assert_string_equal(l.ssid, "Ateneu");
	assert_string_equal(l.password, w.password);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0600);
	assert_ok(network_label_put(dir, &w)); /* every few seconds: nothing is written */
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	w.lock = LOCK_OPEN;
	assert_ok(network_label_put(dir, &w));
	assert_true(network_label_read(dir, &l));
	assert_string_equal(l.password, "");
	/* The password of a network that the box only joins is nobody's business here. */
	w.lock = LOCK_WPA2;
	w.wifi = WIFI_JOIN;
	assert_ok(network_label_put(dir, &w));
	assert_true(network_label_read(dir, &l));
	assert_string_equal(l.ssid, "");
	assert_string_equal(l.password, "");
	assert_fails(network_label_put("/nonexistent", &w), ERR_NOT_FOUND);
}

static void half_a_file_says_nothing_and_signs_that_command_a_screen_are_left_out(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "wifi");
	struct network_label l;

	(void)state;
	assert_ok(file_write(path, span_str("ssid Ateneu\npassword una\n"), 0600));
	assert_false(network_label_read(dir, &l));
	assert_ok(file_write(path, span_str("ssid A\033[2Jb \npassword una\ncode x\n"), 0600));
	assert_true(network_label_read(dir, &l));
	assert_null(strchr(l.ssid, 27));
}

static void the_name_is_the_one_that_is_announced(void **state)
{
	_cleanup_(test_dir_removep) char *label = test_dir(), *box = test_dir();
	_cleanup_(freep) char *path = path_join(box, "hostname");
	char host[NETWORK_LABEL_HOST];

	(void)state;
	network_label_host(label, box, host);
	assert_non_null(strstr(host, ".local")); /* the system's own */
	assert_ok(file_write(path, span_str("ateneu\n"), 0644));
	network_label_host(label, box, host);
	assert_string_equal(host, "ateneu.local");
	assert_ok(network_label_put_host(label, "ateneu-2.local"));
	network_label_host(label, box, host);
	assert_string_equal(host, "ateneu-2.local");
	network_label_host(NULL, box, host);
	assert_string_equal(host, "ateneu.local");
	assert_ok(file_write(path, span_str("\033[2J"), 0644));
	network_label_host(NULL, box, host);
	assert_null(strchr(host, 27));
}

static void two_new_machines_are_not_called_alike(void **state)
{
	(void)state;
	assert_true(network_label_is_new("lliure"));
	assert_true(network_label_is_new("lliure-09af"));
	assert_false(network_label_is_new("lliure-2"));
	assert_false(network_label_is_new("lliure-nord"));
	assert_false(network_label_is_new("lliure-09AF"));
	assert_false(network_label_is_new("lliures"));
	assert_false(network_label_is_new("ateneu"));
	assert_false(network_label_is_new(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_the_wifi_that_was_written),
		cmocka_unit_test(
			half_a_file_says_nothing_and_signs_that_command_a_screen_are_left_out),
		cmocka_unit_test(the_name_is_the_one_that_is_announced),
		cmocka_unit_test(two_new_machines_are_not_called_alike),
	};

	return run_group(tests);
}
