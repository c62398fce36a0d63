/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the network was before a change, on disk. */
#include "tests/lib/test.h"
#include "firmware/network/before.h"
#include "sync/base/file.h"
#include "sync/base/cleanup.h"
#include <string.h>
#include <sys/stat.h>

static void comes_back_as_it_was(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "network-before");
	struct network_wish w, got;
	struct stat st;
	bool any = false;

	network_wish_begin(&w, "Casal; \"de\" Baix é", &env_system);
	snprintf(w.password, sizeof(w.password), "a b\\c;d,e: f");
	w.lock = LOCK_WPA3;
	w.wired = WIRED_FIXED;
	snprintf(w.address, sizeof(w.address), "192.168.1.20");
	w.visitors = true;
	assert_ok(network_before_write(path, &w, true));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_ok(network_before_read(path, &got, &any));
	assert_true(any);
	assert_true(network_wish_same(&w, &got));
	assert_string_equal(got.password, w.password);
}

static void says_that_there_was_nothing(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "network-before");
	struct network_wish w;
	bool any = true;

	network_wish_begin(&w, "Ateneu", &env_system);
	assert_ok(network_before_write(path, &w, false));
	assert_ok(network_before_read(path, &w, &any));
	assert_false(any);
}

static void is_gone_when_it_was_removed(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "network-before");
	struct network_wish w;
	bool any;

	network_wish_begin(&w, "Ateneu", &env_system);
	assert_ok(network_before_write(path, &w, true));
	network_before_remove(path);
	network_before_remove(path);
	assert_fails(network_before_read(path, &w, &any), ERR_NOT_FOUND);
}

static void refuses_another_file(void **state)
{
	static const char *const bad[] = {
		"",
		"lliure-network 2\n",
		"lliure-network 1\nwifi own\n", /* an own Wi-Fi without a name */
		"lliure-network 1\nwifi\n",
		"lliure-network 1\nwifi purple\n",
		"lliure-network 1\nssid 123456789012345678901234567890123\n",
	};
	struct network_wish w;
	bool any;
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "network-before");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_ok(file_write(path, span_str(bad[i]), 0600));
		assert_fails(network_before_read(path, &w, &any), ERR_INVALID);
	}
	assert_ok(file_write(path, span_of("lliure-network 1\n\0x", 19), 0600));
	assert_fails(network_before_read(path, &w, &any), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(says_that_there_was_nothing),
		cmocka_unit_test(is_gone_when_it_was_removed),
		cmocka_unit_test(refuses_another_file),
	};

	return run_group(tests);
}
