/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/recovery/backup.h"
#include <sys/mman.h>

static const struct password_cost quick = {1, 8192};

static int make(const struct sealed_key *key, size_t n_parts, const struct span *parts)
{
	struct secret *box = test_key(1);
	int fd = memfd_create("sealed", 0);
	struct sealed_out *out;

	assert_ok(sealed_create(&(struct sealed_make){.fd = fd,
						      .name = "test",
						      .key = *key,
						      .scope = 2,
						      .made_ms = 1234567,
						      .box = *secret_pubkey(box),
						      .cost = quick},
				&out));
	for (size_t i = 0; i < n_parts; i++) {
		assert_ok(sealed_begin(out, (uint8_t)('a' + i)));
		assert_ok(sealed_write(out, parts[i].p, parts[i].n));
		assert_ok(sealed_end(out, i + 1 == n_parts));
	}
	sealed_out_free(out);
	secret_free(box);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* All parts, each behind its letter. */
static struct error *read_all(int fd, const struct sealed_key *key, struct buf *out)
{
	_cleanup_(sealed_in_freep) struct sealed_in *in = NULL;
	uint8_t part, bytes[70000];
	size_t n;

	buf_clear(out);
	TRY(sealed_open(fd, "test", key, &in));
	for (;;) {
		TRY(sealed_next(in, &part));
		if (!part)
			return NULL;
		buf_u8(out, part);
		for (;;) {
			TRY(sealed_read(in, bytes, sizeof(bytes), &n));
			if (!n)
				break;
			buf_add(out, bytes, n);
		}
	}
}

static uint8_t big[200000];

static void gives_back_what_was_put_in(void **state)
{
	static const size_t sizes[] = {0, 1, 65534, 65535, 65536, 131071, 200000};
	struct secret *box = test_key(1);
	struct sealed_key key = {.box = box};
	struct buf out = {0}, want = {0};

	crypto_random(big, sizeof(big));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct span parts[3] = {span_str("first"), span_of(big, sizes[i]), span_of("", 0)};
		int fd = make(&key, 3, parts);

		buf_clear(&want);
		buf_puts(&want, "afirstb");
		buf_add(&want, big, sizes[i]);
		buf_puts(&want, "c");
		assert_ok(read_all(fd, &key, &out));
		assert_true(span_eq(buf_span(&out), buf_span(&want)));
		close(fd);
	}
	buf_release(&out);
	buf_release(&want);
	secret_free(box);
}

static void passes_over_a_part_that_is_not_read(void **state)
{
	struct secret *box = test_key(1);
	struct sealed_key key = {.box = box};
	struct span parts[3] = {span_of(big, 150000), span_str("two"), span_str("three")};
	int fd = make(&key, 3, parts);
	struct sealed_in *in;
	uint8_t part, byte;
	size_t n;

	assert_ok(sealed_open(fd, "test", &key, &in));
	assert_ok(sealed_next(in, &part));
	assert_ok(sealed_read(in, &byte, 1, &n));
	assert_ok(sealed_next(in, &part));
	assert_int_equal(part, 'b');
	assert_ok(sealed_next(in, &part));
	assert_int_equal(part, 'c');
	assert_ok(sealed_next(in, &part));
	assert_int_equal(part, 0);
	sealed_in_free(in);
	close(fd);
	secret_free(box);
}

static void the_wrong_key_opens_nothing(void **state)
{
	struct secret *box = test_key(1), *other = test_key(2);
	struct sealed_key key = {.box = box}, wrong = {.box = other}, none = {.box = NULL};
	struct sealed_key words = {.passphrase = "una frase"}, others = {.passphrase = "una frasa"};
	struct span part = span_str("secret");
	struct buf out = {0};
	int fd = make(&key, 1, &part), sealed = make(&words, 1, &part);

	assert_fails(read_all(fd, &wrong, &out), ERR_DENIED);
	lseek(fd, 0, SEEK_SET);
	assert_fails(read_all(fd, &none, &out), ERR_DENIED);
	lseek(fd, 0, SEEK_SET);
	assert_fails(read_all(fd, &words, &out), ERR_DENIED);
	assert_fails(read_all(sealed, &key, &out), ERR_DENIED);
	lseek(sealed, 0, SEEK_SET);
	assert_fails(read_all(sealed, &others, &out), ERR_DENIED);
	lseek(sealed, 0, SEEK_SET);
	assert_ok(read_all(sealed, &words, &out));
	assert_int_equal(out.n, 7);
	close(fd);
	close(sealed);
	buf_release(&out);
	secret_free(box);
	secret_free(other);
}

/* Every byte flipped, every length cut: refused, and no byte that was not there is handed out. */
static void notices_every_flip_and_every_cut(void **state)
{
	struct secret *box = test_key(1);
	struct sealed_key key = {.box = box};
	struct span parts[2] = {span_str("one"), span_str("another")};
	int fd = make(&key, 2, parts);
	struct buf file = {0}, out = {0};
	ssize_t n = lseek(fd, 0, SEEK_END);

	assert_int_equal(pread(fd, buf_reserve(&file, 4096), 4096, 0), n);
	close(fd);
	for (ssize_t i = 0; i < 2 * n; i++) {
		int copy = memfd_create("copy", 0);
		struct error *e;

		if (i < n)
			file.p[i] ^= 0x20;
		assert_true(write(copy, file.p, (size_t)(i < n ? n : i - n)) >= 0);
		if (i < n)
			file.p[i] ^= 0x20;
		lseek(copy, 0, SEEK_SET);
		e = read_all(copy, &key, &out);
		assert_non_null(e);
		assert_true(error_is(e, ERR_CORRUPT) || error_is(e, ERR_DENIED) ||
			    error_is(e, ERR_MALFORMED) || error_is(e, ERR_VERSION));
		error_free(e);
		assert_true(out.n <= 12);
		assert_memory_equal(buf_str(&out), "aonebanother", out.n);
		close(copy);
	}
	buf_release(&file);
	buf_release(&out);
	secret_free(box);
}

/* As somebody may write into the head of a file that lies on a stick. */
static struct error *head_with(uint32_t passes, uint64_t memory)
{
	uint8_t head[SEALED_HEAD] = "lliure-backup-2\n";
	struct sealed_head h;

	head[16] = SEALED_PASSPHRASE;
	head[17] = 2;
	memcpy(head + 20, &passes, 4);
	memcpy(head + 24, &memory, 8);
	return sealed_head_parse(span_of(head, sizeof(head)), "test", &h);
}

static void asks_for_no_more_than_a_small_box_has(void **state)
{
	(void)state;
	assert_ok(head_with(2, 64 << 20));
	assert_ok(head_with(LIMIT_PASSWORD_PASSES, LIMIT_PASSWORD_MEMORY));
	assert_fails(head_with(2, LIMIT_PASSWORD_MEMORY + 1), ERR_LIMIT);
	assert_fails(head_with(2, 1 << 30), ERR_LIMIT);
	assert_fails(head_with(2, UINT64_MAX), ERR_LIMIT);
	assert_fails(head_with(LIMIT_PASSWORD_PASSES + 1, 64 << 20), ERR_LIMIT);
	assert_fails(head_with(0, 64 << 20), ERR_MALFORMED);
	assert_fails(head_with(2, 0), ERR_MALFORMED);
}

static void two_files_of_the_same_have_nothing_in_common(void **state)
{
	struct secret *box = test_key(1);
	struct sealed_key key = {.box = box};
	struct span part = span_of(big, 50000);
	uint8_t a[50300], b[50300];
	int one = make(&key, 1, &part), two = make(&key, 1, &part);
	ssize_t n = read(one, a, sizeof(a)), same = 0;

	assert_int_equal(read(two, b, sizeof(b)), n);
	for (ssize_t i = SEALED_HEAD + 4; i < n; i++)
		same += a[i] == b[i];
	assert_true(same < 400); /* one in 256 by chance */
	close(one);
	close(two);
	secret_free(box);
}

/* A stick or a peer gives a file of format 1, in clear, with a key and a database of its own. */
static void what_is_not_sealed_is_never_taken_for_a_sealed_one(void **state)
{
	static const char magic[16] = "lliure-backup-1\n";
	struct secret *box = test_key(1);
	const struct sealed_key keys[] = {{.box = box}, {.passphrase = "correct horse"}};
	uint8_t seed[32] = {42}, length[8] = {4}, check[32];
	struct buf file = {0};
	struct hash_state h;

	buf_add(&file, magic, sizeof(magic));
	buf_add(&file, seed, sizeof(seed));
	buf_add(&file, length, sizeof(length));
	buf_add(&file, "evil", 4);
	hash_init(&h);
	hash_add(&h, file.p, file.n);
	memcpy(check, hash_final(&h).b, sizeof(check));
	buf_add(&file, check, sizeof(check));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		_cleanup_(test_dir_removep) char *dir = test_dir();
		_cleanup_(freep) char *local = path_join(dir, "local.db");
		int fd = memfd_create("old", 0);
		struct restore_done done;

		assert_int_equal(write(fd, file.p, file.n), file.n);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_fails(backup_restore(&(struct restore){.dir = dir,
							      .fd = fd,
							      .name = "old",
							      .key = keys[i],
							      .trial = true},
					    &done),
			     ERR_DENIED);
		assert_int_not_equal(access(local, F_OK), 0);
		close(fd);
	}
	buf_release(&file);
	secret_free(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_what_was_put_in),
		cmocka_unit_test(passes_over_a_part_that_is_not_read),
		cmocka_unit_test(the_wrong_key_opens_nothing),
		cmocka_unit_test(notices_every_flip_and_every_cut),
		cmocka_unit_test(asks_for_no_more_than_a_small_box_has),
		cmocka_unit_test(two_files_of_the_same_have_nothing_in_common),
		cmocka_unit_test(what_is_not_sealed_is_never_taken_for_a_sealed_one),
	};

	return run_group(tests);
}
