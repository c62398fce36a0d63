/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/base/limits.h"
#include "sync/peer/keep.h"
#include <dirent.h>
#include <sys/stat.h>

/* The head of a backup of this box, and n bytes. */
static void backup_of(const struct pubkey *box, size_t n, struct buf *out)
{
	static const uint8_t zero[24];

	buf_clear(out);
	buf_puts(out, "lliure-backup-2\n");
	buf_add(out, zero, 24);
	buf_add(out, box->b, 32);
	while (out->n < n)
		buf_u8(out, (uint8_t)out->n);
}

static struct error *send_all(const char *dir, const struct pubkey *peer, struct span bytes,
			      size_t piece, bool end)
{
	_cleanup_(keeping_freep) struct keeping *k = NULL;

	TRY(keeping_new(dir, peer, &k));
	for (size_t at = 0; at < bytes.n; at += piece)
		TRY(keeping_feed(
			k, span_of(bytes.p + at, bytes.n - at < piece ? bytes.n - at : piece)));
	return end ? keeping_end(k) : NULL;
}

static void holds(const char *dir, const struct pubkey *peer, const struct buf *want)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(buf_release) struct buf got = {0};
	struct stat st;
	uint64_t size;

	assert_ok(kept_open(dir, peer, &fd, &size));
	assert_int_equal(size, want->n);
	assert_int_equal(read(fd, buf_reserve(&got, size), size), (ssize_t)size);
	assert_memory_equal(got.p, want->p, want->n);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static int files_in(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *f;
	int n = 0;

	assert_non_null(d);
	while ((f = readdir(d)))
		n += f->d_name[0] != '.';
	closedir(d);
	return n;
}

struct fixture {
	char *dir, *kept;
	struct secret *a, *b;
	struct buf first, other;
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = test_dir();
	f->kept = path_join(f->dir, "kept");
	f->a = test_key(1);
	f->b = test_key(2);
	backup_of(secret_pubkey(f->a), 5000, &f->first);
	backup_of(secret_pubkey(f->b), 100, &f->other);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	test_dir_remove(f->dir);
	free(f->kept);
	secret_free(f->a);
	secret_free(f->b);
	buf_release(&f->first);
	buf_release(&f->other);
	free(f);
	return 0;
}

static void keeps_one_of_each_peer(void **state)
{
	struct fixture *f = *state;
	struct buf later = {0};

	backup_of(secret_pubkey(f->a), 300, &later);
	assert_ok(send_all(f->kept, secret_pubkey(f->a), buf_span(&f->first), 1, true));
	assert_ok(send_all(f->kept, secret_pubkey(f->b), buf_span(&f->other), 7, true));
	holds(f->kept, secret_pubkey(f->a), &f->first);
	holds(f->kept, secret_pubkey(f->b), &f->other);
	assert_ok(send_all(f->kept, secret_pubkey(f->a), buf_span(&later), 4096, true));
	holds(f->kept, secret_pubkey(f->a), &later);
	assert_int_equal(files_in(f->kept), 2);
	buf_release(&later);
}

static void the_last_one_stays_when_the_next_breaks_off(void **state)
{
	struct fixture *f = *state;

	assert_ok(send_all(f->kept, secret_pubkey(f->a), buf_span(&f->first), 512, true));
	assert_ok(send_all(f->kept, secret_pubkey(f->a), span_of(f->first.p, 3000), 512, false));
	holds(f->kept, secret_pubkey(f->a), &f->first);
	assert_int_equal(files_in(f->kept), 1);
}

static void refuses_what_is_no_backup_of_that_box(void **state)
{
	struct fixture *f = *state;
	struct buf empty = {0};

	assert_ok(send_all(f->kept, secret_pubkey(f->a), buf_span(&f->first), 512, true));
	assert_fails(send_all(f->kept, secret_pubkey(f->a), buf_span(&f->other), 512, true),
		     ERR_MALFORMED);
	assert_fails(send_all(f->kept, secret_pubkey(f->a), buf_span(&empty), 512, true),
		     ERR_MALFORMED);
	assert_fails(send_all(f->kept, secret_pubkey(f->a), span_of(f->first.p, 72), 512, true),
		     ERR_MALFORMED);
	holds(f->kept, secret_pubkey(f->a), &f->first);
	assert_int_equal(files_in(f->kept), 1);
}

static void refuses_more_than_it_keeps(void **state)
{
	struct fixture *f = *state;
	struct buf big = {0};

	backup_of(secret_pubkey(f->a), LIMIT_KEPT, &big);
	assert_ok(send_all(f->kept, secret_pubkey(f->a), buf_span(&big), 1 << 20, true));
	buf_u8(&big, 0);
	assert_fails(send_all(f->kept, secret_pubkey(f->a), buf_span(&big), 1 << 20, true),
		     ERR_LIMIT);
	assert_int_equal(files_in(f->kept), 1);
	buf_release(&big);
}

static void has_nothing_of_a_stranger(void **state)
{
	struct fixture *f = *state;
	uint64_t size;
	int fd;

	assert_fails(kept_open(f->kept, secret_pubkey(f->a), &fd, &size), ERR_NOT_FOUND);
}

static void put_file(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	assert_ok(file_write(path, span_str("x"), 0600));
}

static void clears_what_a_power_cut_left(void **state)
{
	struct fixture *f = *state;
	struct keeping *k;

	assert_ok(send_all(f->kept, secret_pubkey(f->a), buf_span(&f->first), 512, true));
	assert_ok(keeping_new(f->kept, secret_pubkey(f->b), &k));
	assert_int_equal(files_in(f->kept), 2);
	kept_clean(f->kept);
	assert_int_equal(files_in(f->kept), 1);
	holds(f->kept, secret_pubkey(f->a), &f->first);
	keeping_free(k);
	put_file(f->kept, "notes.part.one");
	put_file(f->kept, "a.part.123456");
	kept_clean(f->kept);
	assert_int_equal(files_in(f->kept), 3);
	assert_ok(kept_remove(f->kept, secret_pubkey(f->a)));
	assert_int_equal(files_in(f->kept), 2);
	assert_ok(kept_remove(f->kept, secret_pubkey(f->a)));
}

static struct error *add_kept(void *ctx, const struct kept *k)
{
	struct kept *last = ctx;

	last->size += k->size;
	last->peer = k->peer;
	return NULL;
}

static void lists_what_is_kept(void **state)
{
	struct fixture *f = *state;
	struct kept sum = {.size = 0};

	assert_ok(kept_each(f->kept, add_kept, &sum));
	assert_int_equal(sum.size, 0);
	assert_ok(send_all(f->kept, secret_pubkey(f->a), buf_span(&f->first), 512, true));
	put_file(f->kept, "notes");
	assert_ok(kept_each(f->kept, add_kept, &sum));
	assert_int_equal(sum.size, f->first.n);
	assert_true(pubkey_eq(&sum.peer, secret_pubkey(f->a)));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		T(keeps_one_of_each_peer),
		T(the_last_one_stays_when_the_next_breaks_off),
		T(refuses_what_is_no_backup_of_that_box),
		T(refuses_more_than_it_keeps),
		T(has_nothing_of_a_stranger),
		T(clears_what_a_power_cut_left),
		T(lists_what_is_kept),
	};

	return run_group(tests);
}
