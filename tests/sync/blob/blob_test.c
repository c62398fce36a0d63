/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/blob/blob.h"
#include <dirent.h>
#include "sync/blob/choice.h"
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct fixture {
	char *dir;
	struct blob_store *s;
};

static struct fixture open_fixture(void)
{
	struct fixture f = {.dir = test_dir()};

	assert_ok(blob_open(f.dir, &f.s));
	return f;
}

static void close_fixture(struct fixture *f)
{
	blob_close(f->s);
	test_dir_remove(f->dir);
}

static char *path_of(struct fixture *f, const struct hash *h)
{
	struct buf b = {0};

	buf_printf(&b, "%s/%.2s/%s", f->dir, ID(h), ID(h) + 2);
	return buf_steal(&b);
}

static struct hash put(struct fixture *f, const char *text)
{
	struct blob_writer *w;
	struct hash h;
	uint64_t size;

	assert_ok(blob_writer_new(f->s, 1000, &w));
	assert_ok(blob_write(w, span_str(text)));
	assert_ok(blob_writer_finish(w, &h, &size));
	assert_int_equal(size, strlen(text));
	return h;
}

static struct error *count(void *ctx, const struct hash *h, uint64_t size)
{
	(void)h;
	*(uint64_t *)ctx += size;
	return NULL;
}

static void a_choice_lists_what_was_chosen_and_reads_like_its_store(void **state)
{
	struct fixture f = open_fixture();
	struct blob_chosen one = {put(&f, "a file"), 6};
	struct blob_store *some = blob_choice(f.s, &one, 1), *none = blob_choice(f.s, NULL, 0);
	uint64_t size, sum = 0;

	(void)state;
	put(&f, "another");
	assert_ok(blob_each(some, count, &sum));
	assert_int_equal(sum, 6);
	assert_ok(blob_each(none, count, &sum));
	assert_int_equal(sum, 6);
	assert_true(blob_has(some, &one.hash, &size));
	assert_int_equal(size, 6);
	assert_ok(blob_verify(some, &one.hash));
	blob_close(some);
	blob_close(none);
	close_fixture(&f);
}

static void what_is_erased_is_gone_with_its_parts_and_damaged_copies(void **state)
{
	struct fixture f = open_fixture();
	struct hash h = put(&f, "a file"), part = hash_bytes(span_str("never whole"));
	struct blob_writer *w;
	uint64_t have;

	(void)state;
	assert_ok(blob_erase(f.s, &h));
	assert_false(blob_has(f.s, &h, NULL));
	assert_ok(blob_erase(f.s, &h)); /* fine when nothing is here */
	assert_ok(blob_writer_resume(f.s, &part, 100, &w, &have));
	assert_ok(blob_write(w, span_str("never")));
	assert_int_equal(blob_part(f.s, &part), 5);
	assert_fails(blob_erase(f.s, &part), ERR_BUSY); /* somebody fetches it */
	blob_writer_free(w);
	assert_ok(blob_erase(f.s, &part));
	assert_int_equal(blob_part(f.s, &part), 0);
	close_fixture(&f);
}

static void keeps_a_file_under_the_hash_of_its_content(void **state)
{
	struct fixture f = open_fixture();
	struct hash h = put(&f, "a file"), want = hash_bytes(span_str("a file")), none = {{1}};
	_cleanup_(closep) int fd = -1;
	uint64_t size, sum = 0;
	char text[10] = "";

	(void)state;
	assert_id_equal(&h, &want);
	put(&f, "a file");
	put(&f, "another");
	assert_true(blob_has(f.s, &h, &size));
	assert_int_equal(size, 6);
	assert_ok(blob_fd(f.s, &h, &fd, &size));
	assert_int_equal(pread(fd, text, 4, 2), 4);
	assert_string_equal(text, "file");
	assert_ok(blob_each(f.s, count, &sum));
	assert_int_equal(sum, 13);
	assert_ok(blob_verify(f.s, &h));
	assert_false(blob_has(f.s, &none, NULL));
	assert_fails(blob_verify(f.s, &none), ERR_NOT_FOUND);
	assert_ok(blob_remove(f.s, &h));
	assert_fails(blob_remove(f.s, &h), ERR_NOT_FOUND);
	assert_false(blob_has(f.s, &h, NULL));
	close_fixture(&f);
}

static void a_broken_transfer_goes_on_where_it_stopped(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("first half, second half")), got;
	struct blob_writer *w, *second;
	uint64_t have = 99;

	(void)state;
	assert_ok(blob_writer_resume(f.s, &want, 100, &w, &have));
	assert_int_equal(have, 0);
	assert_ok(blob_write(w, span_str("first half,")));
	assert_fails(blob_writer_resume(f.s, &want, 100, &second, &have), ERR_BUSY);
	blob_writer_free(w);
	blob_close(f.s);
	assert_ok(blob_open(f.dir, &f.s));
	assert_ok(blob_writer_resume(f.s, &want, 100, &w, &have));
	assert_int_equal(have, 11);
	assert_ok(blob_write(w, span_str(" second half")));
	assert_ok(blob_writer_finish(w, &got, NULL));
	assert_id_equal(&got, &want);
	assert_ok(blob_verify(f.s, &want));
	close_fixture(&f);
}

static void a_wrong_transfer_is_refused_and_leaves_nothing(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("this")), got;
	struct blob_writer *w;
	uint64_t have;

	(void)state;
	assert_ok(blob_writer_resume(f.s, &want, 100, &w, &have));
	assert_ok(blob_write(w, span_str("that")));
	assert_fails(blob_writer_finish(w, &got, NULL), ERR_CORRUPT);
	assert_false(blob_has(f.s, &want, NULL));
	assert_ok(blob_writer_resume(f.s, &want, 100, &w, &have));
	assert_int_equal(have, 0);
	blob_writer_free(w);
	close_fixture(&f);
}

static void refuses_what_is_too_large(void **state)
{
	struct fixture f = open_fixture();
	struct blob_writer *w;
	struct hash want = {{1}};
	uint64_t have;

	(void)state;
	assert_ok(blob_writer_new(f.s, 4, &w));
	assert_ok(blob_write(w, span_str("1234")));
	assert_fails(blob_write(w, span_str("5")), ERR_LIMIT);
	blob_writer_free(w);
	assert_ok(blob_writer_resume(f.s, &want, 10, &w, &have));
	assert_ok(blob_write(w, span_str("12345678")));
	blob_writer_free(w);
	close_fixture(&f);
}

/* Whoever says that it is shorter may lie. */
static void what_is_here_is_not_cut_off_for_anybodys_word(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("12345678")), got;
	struct blob_writer *w;
	uint64_t have;

	(void)state;
	assert_ok(blob_writer_resume(f.s, &want, 10, &w, &have));
	assert_ok(blob_write(w, span_str("123456")));
	blob_writer_free(w);
	assert_fails(blob_writer_resume(f.s, &want, 5, &w, &have), ERR_LIMIT);
	assert_int_equal(blob_part(f.s, &want), 6);
	assert_ok(blob_writer_resume(f.s, &want, 8, &w, &have)); /* and nobody is at it */
	assert_int_equal(have, 6);
	assert_ok(blob_write(w, span_str("xx")));
	blob_writer_undo(w); /* it was rubbish: what was there stays */
	assert_int_equal(blob_part(f.s, &want), 6);
	assert_ok(blob_writer_resume(f.s, &want, 8, &w, &have));
	assert_ok(blob_write(w, span_str("78")));
	assert_ok(blob_writer_finish(w, &got, NULL));
	assert_id_equal(&got, &want);
	close_fixture(&f);
}

/* Of a transfer that never brought a byte nothing stays. */
static void an_empty_part_does_not_stay(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("nobody has it"));
	_cleanup_(freep) char *parts = path_join(f.dir, "part");
	_cleanup_(freep) char *path = path_join(parts, ID(&want));
	struct blob_writer *w;
	uint64_t have;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_ok(blob_writer_resume(f.s, &want, 10, &w, &have));
		if (i)
			assert_ok(blob_write(w, span_str("x")));
		if (i)
			blob_writer_undo(w);
		else
			blob_writer_free(w);
		assert_int_not_equal(access(path, F_OK), 0);
	}
	close_fixture(&f);
}

/* --- who gave what --- */
static const struct pubkey anna = {{1}}, berta = {{2}};

static uint64_t gives(struct fixture *f, const struct hash *want, const struct pubkey *by,
		      const char *text)
{
	struct blob_writer *w;
	uint64_t have;

	assert_ok(blob_writer_from(f->s, want, by, 100, &w, &have));
	assert_ok(blob_write(w, span_str(text)));
	blob_writer_free(w);
	return have;
}

/* The last piece, and the verdict. */
static bool is_guilty(struct fixture *f, const struct hash *want, const struct pubkey *by,
		      const char *text)
{
	struct blob_writer *w;
	uint64_t have;
	bool guilty = false;

	assert_ok(blob_writer_from(f->s, want, by, 100, &w, &have));
	assert_ok(blob_write(w, span_str(text)));
	assert_fails(blob_writer_settle(w, &guilty), ERR_CORRUPT);
	return guilty;
}

static void put_in_place(struct fixture *f, const struct hash *want, const struct pubkey *by,
			 const char *text, uint64_t have)
{
	struct blob_writer *w;
	uint64_t had;
	bool guilty;

	assert_ok(blob_writer_from(f->s, want, by, 100, &w, &had));
	assert_int_equal(had, have);
	assert_ok(blob_write(w, span_str(text)));
	assert_ok(blob_writer_settle(w, &guilty));
}

struct liars {
	struct pubkey last;
	int n;
};

static void note_liar(void *ctx, const struct pubkey *by)
{
	struct liars *l = ctx;

	l->last = *by;
	l->n++;
}

static int parts_left(struct fixture *f)
{
	_cleanup_(freep) char *parts = path_join(f->dir, "part");
	DIR *d = opendir(parts);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void who_gave_all_of_it_in_several_goes_is_guilty(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("one two three"));

	(void)state;
	gives(&f, &want, &anna, "one ");
	assert_int_equal(gives(&f, &want, &anna, "tvo "), 4);
	assert_true(is_guilty(&f, &want, &anna, "three"));
	assert_int_equal(parts_left(&f), 0);
	close_fixture(&f);
}

static void who_gave_some_of_it_is_not_guilty_until_it_is_known(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("one two three"));
	struct liars l = {.n = 0};

	(void)state;
	gives(&f, &want, &anna, "one ");
	gives(&f, &want, &berta, "tvo ");
	assert_false(is_guilty(&f, &want, &anna, "three"));
	/* each goes on with its own: what the first gave first is hers */
	assert_int_equal(blob_part(f.s, &want), 4);
	assert_int_equal(blob_part_from(f.s, &want, &berta), 0);
	assert_int_equal(gives(&f, &want, &berta, "on"), 0);
	assert_int_equal(blob_part_from(f.s, &want, &anna), 4);
	put_in_place(&f, &want, &anna, "two three", 4);
	assert_ok(blob_verify(f.s, &want));
	blob_judge(f.s, &want, note_liar, &l);
	assert_int_equal(l.n, 1);
	assert_true(pubkey_eq(&l.last, &berta));
	blob_judge(f.s, &want, note_liar, &l);
	assert_int_equal(l.n, 1);
	assert_int_equal(parts_left(&f), 0);
	close_fixture(&f);
}

/* When each has a part of its own, guilt is plain again. */
static void who_gives_rubbish_alone_is_guilty(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("one two three"));

	(void)state;
	gives(&f, &want, &anna, "one ");
	assert_false(is_guilty(&f, &want, &berta, "rubbish"));
	gives(&f, &want, &berta, "rub");
	assert_true(is_guilty(&f, &want, &berta, "bish"));
	assert_int_equal(blob_part_from(f.s, &want, &anna), 4);
	assert_ok(blob_erase(f.s, &want));
	assert_int_equal(parts_left(&f), 0);
	close_fixture(&f);
}

/* A bit of this disk flips in what an honest peer gave: nobody is to blame. */
static void a_bit_that_flips_here_is_nobodys_guilt(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("one two three"));
	_cleanup_(freep) char *parts = path_join(f.dir, "part");
	_cleanup_(freep) char *path = path_join(parts, ID(&want));
	struct liars l = {.n = 0};

	(void)state;
	gives(&f, &want, &anna, "one two ");
	assert_ok(file_write(path, span_str("one tvo "), 0600));
	assert_false(is_guilty(&f, &want, &anna, "three"));
	put_in_place(&f, &want, &berta, "one two three", 0);
	blob_judge(f.s, &want, note_liar, &l);
	assert_int_equal(l.n, 0);
	assert_int_equal(parts_left(&f), 0);
	close_fixture(&f);
}

/* Nor is anybody where the record of who gave it was lost or torn. */
static void a_record_that_does_not_hold_counts_for_nothing(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("one two three"));
	_cleanup_(freep) char *parts = path_join(f.dir, "part");
	_cleanup_(freep) char *path = path_join(parts, ID(&want));
	_cleanup_(buf_release) struct buf record = {0}, bytes = {0};

	(void)state;
	buf_printf(&record, "%s.given", path);
	gives(&f, &want, &anna, "one tvo ");
	assert_ok(file_read(buf_str(&record), 1000, &bytes));
	bytes.p[40] ^= 1;
	assert_ok(file_write(buf_str(&record), buf_span(&bytes), 0600));
	assert_false(is_guilty(&f, &want, &anna, "three"));
	close_fixture(&f);
}

/* What a stick or a phone brings spoils nothing that peers brought, and is at odds with nobody. */
static void a_transfer_apart_touches_no_part(void **state)
{
	struct fixture f = open_fixture();
	struct hash want = hash_bytes(span_str("first half, second half")), got;
	struct blob_writer *w, *apart;
	uint64_t have;

	(void)state;
	assert_ok(blob_writer_resume(f.s, &want, 100, &w, &have));
	assert_ok(blob_write(w, span_str("first half,")));
	assert_ok(blob_writer_apart(f.s, &want, 100, &apart)); /* while a peer is at it */
	assert_ok(blob_write(apart, span_str("rubbish")));
	assert_fails(blob_writer_finish(apart, &got, NULL), ERR_CORRUPT);
	assert_ok(blob_writer_apart(f.s, &want, 4, &apart));
	assert_fails(blob_write(apart, span_str("rubbish")), ERR_LIMIT);
	blob_writer_free(apart);
	blob_writer_free(w);
	assert_int_equal(blob_part(f.s, &want), 11);
	assert_ok(blob_writer_apart(f.s, &want, 100, &apart));
	assert_ok(blob_write(apart, span_str("first half, second half")));
	assert_ok(blob_writer_finish(apart, &got, NULL));
	assert_ok(blob_verify(f.s, &want));
	assert_int_equal(blob_part(f.s, &want), 0); /* of no more use */
	close_fixture(&f);
}

static void a_flipped_bit_is_noticed_and_the_file_set_aside(void **state)
{
	struct fixture f = open_fixture();
	struct hash h = put(&f, "content");
	_cleanup_(freep) char *path = path_of(&f, &h);
	char bad[4200];
	uint64_t sum = 0;

	(void)state;
	assert_ok(file_write(path, span_str("contenT"), 0600));
	assert_fails(blob_verify(f.s, &h), ERR_CORRUPT);
	assert_false(blob_has(f.s, &h, NULL));
	assert_ok(blob_each(f.s, count, &sum));
	assert_int_equal(sum, 0);
	snprintf(bad, sizeof(bad), "%s.bad", path);
	assert_int_equal(access(bad, F_OK), 0);
	put(&f, "content");
	assert_ok(blob_verify(f.s, &h));
	assert_int_equal(access(bad, F_OK), -1); /* a whole one took its place */
	close_fixture(&f);
}

static void links_and_folders_are_not_files(void **state)
{
	struct fixture f = open_fixture();
	struct hash h = put(&f, "content");
	_cleanup_(freep) char *path = path_of(&f, &h);
	uint64_t size;
	int fd;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_false(blob_has(f.s, &h, NULL));
	assert_fails(blob_fd(f.s, &h, &fd, &size), ERR_IO);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_fails(blob_fd(f.s, &h, &fd, &size), ERR_NOT_FOUND);
	close_fixture(&f);
}

static void opening_clears_what_was_left_behind(void **state)
{
	struct fixture f = open_fixture();
	_cleanup_(freep) char *left = path_join(f.dir, "tmp/abcdef");

	(void)state;
	assert_ok(file_write(left, span_str("half"), 0600));
	blob_close(f.s);
	assert_ok(blob_open(f.dir, &f.s));
	assert_int_equal(access(left, F_OK), -1);
	close_fixture(&f);
}

static void a_full_disk_is_a_clear_error(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	static uint8_t bytes[65536];
	struct error *err = NULL;
	struct blob_store *s;
	struct blob_writer *w;

	(void)state;
	if (mount("tmpfs", dir, "tmpfs", 0, "size=256k")) {
		skip_note("mounting a small disk needs root");
		return;
	}
	assert_ok(blob_open(dir, &s));
	assert_ok(blob_writer_new(s, 1 << 30, &w));
	for (int i = 0; i < 10 && !err; i++)
		err = blob_write(w, span_of(bytes, sizeof(bytes)));
	assert_fails(err, ERR_FULL);
	blob_writer_free(w);
	/* Giving up made room again. */
	assert_ok(blob_writer_new(s, 1 << 30, &w));
	assert_ok(blob_write(w, span_of(bytes, sizeof(bytes))));
	blob_writer_free(w);
	blob_close(s);
	umount(dir);
}

static void a_transfer_that_met_a_full_disk_goes_on_when_there_is_room(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	static uint8_t bytes[500000];
	struct hash want, got;
	struct error *err = NULL;
	struct blob_store *s;
	struct blob_writer *w;
	uint64_t have;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251);
	want = hash_bytes(span_of(bytes, sizeof(bytes)));
	if (mount("tmpfs", dir, "tmpfs", 0, "size=256k")) {
		skip_note("mounting a small disk needs root");
		return;
	}
	assert_ok(blob_open(dir, &s));
	assert_ok(blob_writer_resume(s, &want, sizeof(bytes), &w, &have));
	for (size_t at = 0; at < sizeof(bytes) && !err; at += 50000)
		err = blob_write(w, span_of(bytes + at, 50000));
	assert_fails(err, ERR_FULL);
	blob_writer_free(w);
	assert_false(blob_has(s, &want, NULL));
	assert_int_equal(mount("tmpfs", dir, "tmpfs", MS_REMOUNT, "size=2m"), 0);
	assert_ok(blob_writer_resume(s, &want, sizeof(bytes), &w, &have));
	assert_true(have > 0 && have < sizeof(bytes));
	assert_ok(blob_write(w, span_of(bytes + have, sizeof(bytes) - have)));
	assert_ok(blob_writer_finish(w, &got, NULL));
	assert_id_equal(&got, &want);
	blob_close(s);
	umount(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_a_file_under_the_hash_of_its_content),
		cmocka_unit_test(a_choice_lists_what_was_chosen_and_reads_like_its_store),
		cmocka_unit_test(what_is_erased_is_gone_with_its_parts_and_damaged_copies),
		cmocka_unit_test(a_broken_transfer_goes_on_where_it_stopped),
		cmocka_unit_test(a_wrong_transfer_is_refused_and_leaves_nothing),
		cmocka_unit_test(refuses_what_is_too_large),
		cmocka_unit_test(what_is_here_is_not_cut_off_for_anybodys_word),
		cmocka_unit_test(an_empty_part_does_not_stay),
		cmocka_unit_test(who_gave_all_of_it_in_several_goes_is_guilty),
		cmocka_unit_test(who_gave_some_of_it_is_not_guilty_until_it_is_known),
		cmocka_unit_test(who_gives_rubbish_alone_is_guilty),
		cmocka_unit_test(a_bit_that_flips_here_is_nobodys_guilt),
		cmocka_unit_test(a_record_that_does_not_hold_counts_for_nothing),
		cmocka_unit_test(a_transfer_apart_touches_no_part),
		cmocka_unit_test(a_flipped_bit_is_noticed_and_the_file_set_aside),
		cmocka_unit_test(links_and_folders_are_not_files),
		cmocka_unit_test(opening_clears_what_was_left_behind),
		cmocka_unit_test(a_full_disk_is_a_clear_error),
		cmocka_unit_test(a_transfer_that_met_a_full_disk_goes_on_when_there_is_room),
	};
	return run_group(tests);
}
