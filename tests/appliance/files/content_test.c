/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/files/content.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A file of that size, with bytes that tell where they stand. */
static int make_file(const char *dir, uint8_t *bytes, size_t n)
{
	int fd;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251 + i / 65537);
	assert_ok(file_nameless(dir, &fd));
	assert_ok(fd_write_all(fd, span_of(bytes, n), "test"));
	return fd;
}

/* Whole pages that files take on a small disk. */
static uint64_t used_of(const char *dir)
{
	struct statvfs fs;

	assert_int_equal(statvfs(dir, &fs), 0);
	return (fs.f_blocks - fs.f_bfree) * fs.f_frsize;
}

static struct file_version version_of(const struct content *c)
{
	struct file_version v = {.blob = c->blob, .size = c->size, .sealed = c->sealed};

	memcpy(v.key, c->key, FILE_KEY);
	v.stored = c->sealed ? file_stored_size(c->size) : c->size;
	return v;
}

/* From any place, in any pieces, the same bytes come back. */
static void reads_back(struct blob_store *s, const struct file_version *v, const uint8_t *bytes)
{
	_cleanup_(content_closep) struct content_reader *r = NULL;
	static const uint64_t places[] = {0, 1, 65535, 65536, 65537, 131071, 262072, 262144};
	uint8_t got[5000];
	uint64_t at = 0;
	ssize_t n;

	assert_ok(content_open(s, v, &r));
	while ((n = content_read(r, at, got, sizeof(got))) > 0) {
		assert_memory_equal(got, bytes + at, n);
		at += (uint64_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, v->size);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		n = content_read(r, places[i], got, 10);
		if (places[i] >= v->size) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_true(n > 0);
		assert_memory_equal(got, bytes + places[i], n);
	}
}

static void what_is_taken_in_is_given_out_sealed_or_not(void **state)
{
	static const size_t sizes[] = {LIMIT_FILE_INLINE + 1, 131072, 262073, 400000, 1000001};
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	uint8_t *bytes = malloc(1000001);

	assert_non_null(bytes);
	assert_ok(blob_open(dir, &s));
	for (size_t i = 0; i < 2 * (sizeof(sizes) / sizeof(sizes[0])); i++) {
		struct content_from from = {.size = sizes[i / 2], .name = "x", .seal = i % 2};
		struct file_version v;
		struct content c;
		uint64_t stored;

		from.fd = make_file(dir, bytes, sizes[i / 2]);
		assert_ok(content_take(s, dir, &from, &c));
		assert_true(c.outside && c.sealed == from.seal);
		v = version_of(&c);
		assert_true(blob_has(s, &c.blob, &stored));
		assert_int_equal(stored, v.stored);
		reads_back(s, &v, bytes);
		content_release(&c);
		close(from.fd);
	}
	free(bytes);
}

static void a_sealed_one_says_little_of_its_size_and_nothing_of_its_bytes(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	_cleanup_(buf_release) struct buf stored = {0};
	struct content_from from = {.size = 200000, .name = "x", .seal = true};
	uint8_t *bytes = malloc(200000);
	struct content one, two;
	int fd;
	uint64_t size;

	assert_non_null(bytes);
	assert_ok(blob_open(dir, &s));
	from.fd = make_file(dir, bytes, from.size);
	assert_ok(content_take(s, dir, &from, &one));
	assert_ok(content_take(s, dir, &from, &two));
	assert_memory_not_equal(one.blob.b, two.blob.b, 32);
	assert_id_equal(&one.sha256, &two.sha256);
	assert_ok(blob_fd(s, &one.blob, &fd, &size));
	assert_ok(fd_read_all(fd, size, &stored, "x"));
	assert_null(memmem(stored.p, stored.n, bytes + 1000, 32));
	assert_int_equal(file_padded_size(200000), 200704);
	assert_int_equal(file_padded_size(200001), 200704);
	assert_int_equal(file_padded_size(1 << 20), 1 << 20);
	assert_int_equal(file_padded_size((1 << 20) + 1), (1 << 20) + (1 << 15));
	for (uint64_t n = 65537; n < LIMIT_UPLOAD; n += n / 7)
		assert_true(file_padded_size(n) >= n && file_padded_size(n) <= n + n / 16);
	content_release(&one);
	content_release(&two);
	close(from.fd);
	close(fd);
	free(bytes);
}

static void a_small_one_lies_in_its_op_and_an_empty_one_is_none(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	struct content_from from = {.size = 2, .name = "x", .seal = true};
	uint8_t bytes[2];
	struct content c;

	assert_ok(blob_open(dir, &s));
	from.fd = make_file(dir, bytes, 2);
	assert_ok(content_take(s, dir, &from, &c));
	assert_false(c.outside);
	assert_string_equal(buf_str(&c.data), "AB8=");
	content_release(&c);
	from.size = 0;
	assert_fails(content_take(s, dir, &from, &c), ERR_INVALID);
	content_release(&c);
	close(from.fd);
}

/* The check before it found room, and something else took it meanwhile. */
static void a_disk_that_fills_up_in_the_middle_leaves_nothing_and_can_be_tried_again(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir(), *small = test_dir();
	_cleanup_(freep) uint8_t *bytes = malloc(1000000);
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	struct content_from from = {.size = 1000000, .name = "x.bin"};
	struct content c;

	if (mount("tmpfs", small, "tmpfs", 0, "size=600k")) {
		skip_note("mounting a small disk needs root");
		return;
	}
	from.fd = make_file(dir, bytes, 1000000);
	assert_ok(blob_open(small, &s));
	for (int i = 0; i < 2; i++) {
		from.seal = i;
		assert_fails(content_take(s, dir, &from, &c), ERR_FULL);
		content_release(&c);
		assert_int_equal(used_of(small), 0);
	}
	assert_int_equal(mount("tmpfs", small, "tmpfs", MS_REMOUNT, "size=4m"), 0);
	assert_ok(content_take(s, dir, &from, &c));
	assert_true(blob_has(s, &c.blob, NULL));
	content_release(&c);
	close(from.fd);
	umount(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_in_is_given_out_sealed_or_not),
		cmocka_unit_test(a_sealed_one_says_little_of_its_size_and_nothing_of_its_bytes),
		cmocka_unit_test(a_small_one_lies_in_its_op_and_an_empty_one_is_none),
		cmocka_unit_test(
			a_disk_that_fills_up_in_the_middle_leaves_nothing_and_can_be_tried_again),
	};

	test_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
