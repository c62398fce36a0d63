/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Proving that pieces of blobs are held: sync/replicate/held.h. */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/replicate/held.h"
#include "sync/replicate/stream.h"
#include <fcntl.h>
#include <unistd.h>

enum { SIZE = 300000, BLOBS = 3 };

struct fixture {
	char *dir[2];
	struct blob_store *store[2]; /* the asker's, the answerer's */
	struct secret *key[2];
	struct hash blob[BLOBS];
	struct session_options o; /* of the answerer */
	const struct hash *not_kept;
	uint64_t may_read;
};

static bool keeps(void *ctx, const struct pubkey *peer, const struct hash *blob)
{
	const struct fixture *f = ctx;

	return pubkey_eq(peer, secret_pubkey(f->key[0])) &&
	       !(f->not_kept && hash_eq(f->not_kept, blob));
}

static void put(struct blob_store *s, int n, struct hash *ret)
{
	static uint8_t bytes[SIZE];
	struct blob_writer *w;

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251 + (size_t)n);
	assert_ok(blob_writer_new(s, SIZE, &w));
	assert_ok(blob_write(w, span_of(bytes, SIZE)));
	assert_ok(blob_writer_finish(w, ret, NULL));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (unsigned i = 0; i < 2; i++) {
		f->dir[i] = test_dir();
		f->key[i] = test_key(1 + i);
		assert_ok(blob_open(f->dir[i], &f->store[i]));
		for (int n = 0; n < BLOBS; n++)
			put(f->store[i], n, &f->blob[n]);
	}
	f->o = (struct session_options){.self = f->key[1],
					.peer = *secret_pubkey(f->key[0]),
					.ctx = f,
					.blobs = f->store[1],
					.keeps_blob = keeps};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		blob_close(f->store[i]);
		secret_free(f->key[i]);
		test_dir_remove(f->dir[i]);
	}
	free(f);
	return 0;
}

static const struct hash nonce = {{7}};

static void answer_to(struct fixture *f, const struct held_piece *p, size_t n, struct buf *answer)
{
	_cleanup_(buf_release) struct buf question = {0};

	held_pieces_question(&nonce, p, n, &question);
	assert_true(question.n <= HELD_BODY);
	assert_ok(held_answer(&f->o, NULL, buf_span(&question), answer));
}

static void weigh(struct fixture *f, struct held_piece *p, size_t n, const struct buf *answer)
{
	assert_ok(held_pieces_weigh(secret_pubkey(f->key[0]), secret_pubkey(f->key[1]), f->store[0],
				    &nonce, p, n, buf_span(answer)));
}

/* Which are proved: a bit each, of the first that have one. */
static unsigned proved(struct fixture *f, struct held_piece *p, size_t n)
{
	enum { BITS = 32 };
	_cleanup_(buf_release) struct buf answer = {0};
	unsigned bits = 0;

	answer_to(f, p, n, &answer);
	weigh(f, p, n, &answer);
	for (size_t i = 0; i < n && i < BITS; i++)
		bits |= (unsigned)p[i].held << i;
	return bits;
}

static struct held_piece piece(const struct hash *blob, uint64_t at, uint64_t n)
{
	return (struct held_piece){.what = {*blob, at, n}};
}

static void who_holds_the_bytes_proves_them_whole_or_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE), piece(&f->blob[1], 0, 100000),
				 piece(&f->blob[1], 100000, 200000),
				 piece(&f->blob[2], SIZE - 1, 1)};

	assert_int_equal(proved(f, p, 4), 15);
}

static void what_is_not_there_or_not_kept_is_not_proved(void **state)
{
	struct fixture *f = *state;
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE), piece(&f->blob[1], 0, SIZE),
				 piece(&f->blob[2], 0, SIZE)};

	assert_ok(blob_remove(f->store[1], &f->blob[1]));
	assert_int_equal(proved(f, p, 3), 5);
	f->not_kept = &f->blob[2];
	assert_int_equal(proved(f, p, 3), 1);
	f->o.keeps_blob = NULL;
	assert_int_equal(proved(f, p, 3), 0);
}

static void beyond_the_end_nothing_is_proved(void **state)
{
	struct fixture *f = *state;
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE + 1), piece(&f->blob[1], SIZE, 1),
				 piece(&f->blob[2], INT64_MAX, INT64_MAX),
				 piece(&f->blob[2], 0, SIZE)};

	assert_int_equal(proved(f, p, 4), 8);
}

static void one_damaged_byte_proves_nothing(void **state)
{
	struct fixture *f = *state;
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE)};
	_cleanup_(freep) char *folder = NULL, *path = NULL;
	char name[3] = {0};
	int fd;

	memcpy(name, ID(&f->blob[0]), 2);
	folder = path_join(f->dir[1], name);
	path = path_join(folder, ID(&f->blob[0]) + 2);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "!", 1, 123456), 1);
	close(fd);
	assert_int_equal(proved(f, p, 1), 0);
}

static void another_s_or_an_old_answer_is_of_no_use(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf answer = {0};
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE)};
	struct hash other = {{8}};

	answer_to(f, p, 1, &answer);
	assert_ok(held_pieces_weigh(secret_pubkey(f->key[0]), secret_pubkey(f->key[1]), f->store[0],
				    &other, p, 1, buf_span(&answer)));
	assert_false(p[0].held);
	assert_ok(held_pieces_weigh(secret_pubkey(f->key[0]), secret_pubkey(f->key[0]), f->store[0],
				    &nonce, p, 1, buf_span(&answer)));
	assert_false(p[0].held);
	assert_ok(blob_remove(f->store[0], &f->blob[0])); /* it can't be checked any more */
	weigh(f, p, 1, &answer);
	assert_false(p[0].held);
}

static void a_partial_box_proves_nothing_to_others(void **state)
{
	struct fixture *f = *state;
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE)};

	f->o.keep.blob_max = 1;
	assert_int_equal(proved(f, p, 1), 0);
}

/* Its proof is about entries, of which it was asked none: it must not pass for one about pieces. */
static void a_box_of_before_proves_nothing(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf question = {0}, answer = {0};
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE)};

	held_question(&nonce, NULL, 0, &question);
	assert_ok(held_answer(&f->o, NULL, buf_span(&question), &answer));
	weigh(f, p, 1, &answer);
	assert_false(p[0].held);
}

static void what_is_more_than_one_answer_hashes_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct held_piece p[LIMIT_PIECES];
	size_t n = 0;

	while (n < LIMIT_PIECES)
		p[n++] = piece(&f->blob[0], 0, SIZE);
	assert_true(proved(f, p, 31) == (1u << 31) - 1); /* the same piece twice is no matter */
	assert_true((uint64_t)LIMIT_PIECES * SIZE > HELD_BYTES);
	proved(f, p, n);
	assert_false(p[n - 1].held); /* all are alike: one that is left out leaves all out */
}

static bool proves(void *ctx, uint64_t bytes)
{
	struct fixture *f = ctx;

	if (f->may_read < bytes)
		return false;
	f->may_read -= bytes;
	return true;
}

static void who_has_read_enough_for_a_peer_proves_no_more(void **state)
{
	struct fixture *f = *state;
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE), piece(&f->blob[1], 0, SIZE + 1),
				 piece(&f->blob[1], 0, SIZE), piece(&f->blob[2], 0, SIZE),
				 piece(&f->blob[2], 0, 100)};

	f->o.proves = proves;
	f->may_read = 2 * SIZE + 100;
	assert_int_equal(proved(f, p, 5), 1 | 4 | 16);
	assert_int_equal(f->may_read, 0); /* what is not there was not read */
	assert_int_equal(proved(f, p, 5), 0);
}

static void a_torn_question_or_answer_is_malformed(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf question = {0}, answer = {0};
	struct held_piece p[] = {piece(&f->blob[0], 0, SIZE), piece(&f->blob[1], 0, SIZE)};

	held_pieces_question(&nonce, p, 2, &question);
	answer_to(f, p, 2, &answer);
	for (size_t i = 0; i < question.n; i++) {
		_cleanup_(buf_release) struct buf out = {0};
		struct error *e = held_answer(&f->o, NULL, span_of(question.p, i), &out);

		assert_non_null(e);
		error_free(e);
	}
	for (size_t i = 0; i < answer.n; i++) {
		struct error *e =
			held_pieces_weigh(secret_pubkey(f->key[0]), secret_pubkey(f->key[1]),
					  f->store[0], &nonce, p, 2, span_of(answer.p, i));

		assert_non_null(e);
		error_free(e);
		assert_false(p[0].held || p[1].held);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_holds_the_bytes_proves_them_whole_or_in_pieces),
		TEST(what_is_not_there_or_not_kept_is_not_proved),
		TEST(beyond_the_end_nothing_is_proved),
		TEST(one_damaged_byte_proves_nothing),
		TEST(another_s_or_an_old_answer_is_of_no_use),
		TEST(a_partial_box_proves_nothing_to_others),
		TEST(a_box_of_before_proves_nothing),
		TEST(what_is_more_than_one_answer_hashes_is_left_out),
		TEST(who_has_read_enough_for_a_peer_proves_no_more),
		TEST(a_torn_question_or_answer_is_malformed),
	};

	return run_group(tests);
}
