/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "tests/sync/replicate/run.h"

enum { ALL = 0xffff };
static const struct hash space = {"a space"}, some_hash = {"some hash"};

static struct buf sample(void)
{
	struct buf out = {0};
	struct stream_writer w;
	struct run r;

	run_make(&r, 20, 3, 30);
	stream_begin(&w, &out);
	run_write(&r, &w);
	stream_put_note(&w, &r.id, 7, ERR_NOT_ADMITTED);
	stream_put_end(&w);
	arena_release(&r.arena);
	return out;
}

/* Reads as much as is good; returns entries seen, and the error in *ret. */
static size_t read_all(struct span bytes, struct error **ret)
{
	_cleanup_(stream_reader_freep) struct stream_reader *r = stream_reader_new(ALL);
	const struct frame *f;
	size_t entries = 0;

	stream_feed(r, bytes);
	for (;;) {
		*ret = stream_next(r, &f);
		if (*ret)
			return entries;
		if (!f)
			break;
		if (f->type == FRAME_ENTRIES)
			entries += f->entries.n;
	}
	*ret = stream_finish(r);
	return entries;
}

static void entries_come_back_byte_for_byte(void **state)
{
	for (int authors = 0; authors < 4; authors++) {
		_cleanup_(stream_reader_freep) struct stream_reader *reader =
			stream_reader_new(ALL);
		_cleanup_(buf_release) struct buf out = {0};
		struct stream_writer w;
		const struct frame *f;
		struct run r;

		run_make(&r, 50, authors, 30);
		stream_begin(&w, &out);
		run_write(&r, &w);
		stream_put_end(&w);
		stream_feed(reader, buf_span(&out));
		assert_ok(stream_next(reader, &f));
		assert_int_equal(f->type, FRAME_ENTRIES);
		assert_int_equal(f->entries.n, 50);
		assert_int_equal(log_id_cmp(f->entries.id, &r.id), 0);
		for (size_t i = 0; i < 50; i++) {
			assert_memory_equal(&f->entries.headers[i], &r.entries[i].raw,
					    ENTRY_HEADER);
			assert_int_equal(f->entries.payloads[i].state, PAYLOAD_HELD);
			assert_memory_equal(f->entries.payloads[i].salt, r.entries[i].salt, 16);
			assert_true(span_eq(f->entries.payloads[i].bytes, r.entries[i].payload));
		}
		assert_ok(stream_next(reader, &f));
		assert_int_equal(f->type, FRAME_END);
		assert_ok(stream_finish(reader));
		arena_release(&r.arena);
	}
}

static void what_the_frame_implies_is_not_sent(void **state)
{
	_cleanup_(buf_release) struct buf out = {0};
	struct stream_writer w;
	struct run r;

	run_make(&r, 1000, 0, 0);
	stream_begin(&w, &out);
	run_write(&r, &w);
	/* flags, length, time, payload hash, signature, salt: 132 bytes and the payload */
	assert_true(out.n < 1000 * (1 + 7 + 8 + 32 + 64 + 16 + r.entries[999].payload.n) + 400);
	arena_release(&r.arena);
}

static void payloads_that_are_not_held_stay_behind_with_their_state(void **state)
{
	_cleanup_(stream_reader_freep) struct stream_reader *reader = stream_reader_new(ALL);
	_cleanup_(buf_release) struct buf out = {0};
	struct stream_writer w;
	const struct frame *f;
	struct run r;

	run_make(&r, 4, 1, 30);
	r.entries[1].state = PAYLOAD_ERASED;
	r.entries[1].payload = (struct span){NULL, 0};
	r.entries[2].state = PAYLOAD_NOT_HELD;
	stream_begin(&w, &out);
	run_write(&r, &w);
	stream_entries_begin(&w, &r.id);
	assert_true(stream_entries_add(&w, &r.entries[3], true));
	stream_entries_end(&w);
	stream_feed(reader, buf_span(&out));
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->entries.payloads[0].state, PAYLOAD_HELD);
	assert_int_equal(f->entries.payloads[1].state, PAYLOAD_ERASED);
	assert_int_equal(f->entries.payloads[2].state, PAYLOAD_NOT_HELD);
	assert_int_equal(f->entries.payloads[3].state, PAYLOAD_HELD);
	assert_memory_equal(&f->entries.headers[2], &r.entries[2].raw, ENTRY_HEADER);
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->entries.first, 4);
	assert_int_equal(f->entries.payloads[0].state, PAYLOAD_NOT_HELD);
	assert_memory_equal(&f->entries.headers[0], &r.entries[3].raw, ENTRY_HEADER);
	arena_release(&r.arena);
}

static void all_other_frames_come_back(void **state)
{
	_cleanup_(stream_reader_freep) struct stream_reader *reader = stream_reader_new(ALL);
	_cleanup_(buf_release) struct buf out = {0};
	struct head heads[2] = {
		{.id = {.space = space, .incarnation = 1}, .seq = 9, .hash = some_hash},
		{.id = {.space = space, .incarnation = 2}, .mark = HEAD_FORKED, .mark_seq = 1}};
	struct locator_sample samples[2] = {{9, some_hash}, {1, some_hash}};
	struct seq_range ranges[2] = {{1, 3}, {7, 7}};
	struct space_digest row = {.space = space, .heads = some_hash, .missing = "missing"};
	struct stream_writer w;
	const struct frame *f;

	stream_begin(&w, &out);
	stream_put_hello(&w, -5, "Ateneu de Gràcia");
	stream_put_digests(&w, &row, 1);
	stream_put_heads(&w, &space, heads, 2);
	stream_put_heads(&w, &space, NULL, 0);
	stream_put_locator(&w, &heads[0].id, samples, 2);
	stream_put_missing(&w, &heads[0].id, ranges, 2);
	stream_put_blob(&w, &some_hash, 10, 4, span_str("pieces"));
	stream_put_note(&w, &heads[0].id, 3, ERR_ENDED);
	stream_put_result(&w, 1, 2, 3);
	stream_put_end(&w);
	stream_feed(reader, buf_span(&out));
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->hello.clock_ms, -5);
	assert_string_equal(f->hello.name, "Ateneu de Gràcia");
	assert_ok(stream_next(reader, &f));
	assert_memory_equal(f->digests.rows, &row, sizeof(row));
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->heads.n, 2);
	assert_int_equal(f->heads.heads[0].seq, 9);
	assert_int_equal(f->heads.heads[1].mark, HEAD_FORKED);
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->heads.n, 0);
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->locator.n, 2);
	assert_int_equal(f->locator.samples[1].seq, 1);
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->missing.ranges[1].last, 7);
	assert_ok(stream_next(reader, &f));
	assert_true(span_is(f->blob.bytes, "pieces"));
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->note.why, ERR_ENDED);
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->result.known, 3);
	assert_ok(stream_next(reader, &f));
	assert_int_equal(f->end_frames, 9);
	assert_ok(stream_finish(reader));
}

static void what_could_deceive_in_a_name_is_left_out(void **state)
{
	static const char *const bad[] = {"a\nb",
					  "a\xe2\x80\xae"
					  "b",
					  "a\xff"
					  "b",
					  "a\xc0\xaf"
					  "b",
					  "a\xed\xa0\x80"
					  "b"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_(stream_reader_freep) struct stream_reader *r = stream_reader_new(ALL);
		_cleanup_(buf_release) struct buf out = {0};
		struct stream_writer w;
		const struct frame *f;

		stream_begin(&w, &out);
		stream_put_hello(&w, 0, bad[i]);
		stream_feed(r, buf_span(&out));
		assert_ok(stream_next(r, &f));
		assert_string_equal(f->hello.name, "ab");
	}
}

static void fed_a_byte_at_a_time_it_reads_the_same(void **state)
{
	_cleanup_(stream_reader_freep) struct stream_reader *r = stream_reader_new(ALL);
	_cleanup_(buf_release) struct buf out = sample();
	const struct frame *f;
	size_t frames = 0;

	for (size_t i = 0; i < out.n; i++) {
		stream_feed(r, span_of(out.p + i, 1));
		assert_ok(stream_next(r, &f));
		frames += f != NULL;
	}
	assert_int_equal(frames, 3);
	assert_ok(stream_finish(r));
}

static void cut_at_every_byte_it_keeps_whole_frames_and_says_cut_off(void **state)
{
	_cleanup_(buf_release) struct buf out = sample();
	struct error *e;
	size_t last = 0;

	for (size_t n = 0; n < out.n; n++) {
		size_t entries = read_all(span_of(out.p, n), &e);

		assert_true(error_is(e, ERR_MALFORMED));
		error_free(e);
		assert_true(entries == 0 || entries == 20);
		assert_true(entries >= last);
		last = entries;
	}
	assert_int_equal(last, 20);
	assert_int_equal(read_all(buf_span(&out), &e), 20);
	assert_null(e);
}

static void every_flipped_bit_is_noticed(void **state)
{
	_cleanup_(buf_release) struct buf out = sample();
	struct error *e;

	for (size_t bit = 0; bit < out.n * 8; bit += 1 + bit % 3) {
		out.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		read_all(buf_span(&out), &e);
		assert_non_null(e);
		error_free(e);
		out.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void a_frame_of_an_unknown_type_is_passed_over(void **state)
{
	_cleanup_(buf_release) struct buf out = {0};
	struct stream_writer w;
	struct error *e;
	struct hash check;

	stream_begin(&w, &out);
	buf_u8(&out, 200);
	buf_u32(&out, 3);
	buf_puts(&out, "new");
	check = hash_bytes(span_of(out.p + 8, 8));
	buf_add(&out, check.b, 16);
	w.frames++;
	stream_put_end(&w);
	read_all(buf_span(&out), &e);
	assert_null(e);
}

static void frames_without_a_place_here_and_what_follows_the_end_are_refused(void **state)
{
	_cleanup_(stream_reader_freep) struct stream_reader *r =
		stream_reader_new(FRAME_BIT(FRAME_HEADS));
	_cleanup_(buf_release) struct buf out = sample(), two = sample();
	const struct frame *f;
	struct error *e;

	stream_feed(r, buf_span(&out));
	assert_fails(stream_next(r, &f), ERR_MALFORMED);
	assert_fails(stream_next(r, &f), ERR_MALFORMED);
	buf_puts(&two, "x");
	read_all(buf_span(&two), &e);
	assert_true(error_is(e, ERR_MALFORMED));
	error_free(e);
}

static void a_frame_that_says_it_is_huge_is_refused_before_its_bytes_come(void **state)
{
	_cleanup_(buf_release) struct buf out = {0};
	struct stream_writer w;
	struct error *e;

	stream_begin(&w, &out);
	buf_u8(&out, FRAME_ENTRIES);
	buf_u32(&out, 0xffffffff);
	read_all(buf_span(&out), &e);
	assert_true(error_is(e, ERR_LIMIT));
	error_free(e);
}

static void another_file_and_a_newer_version_are_told_apart(void **state)
{
	struct error *e;

	read_all(span_str("SQLite format 3"), &e);
	assert_true(error_is(e, ERR_MALFORMED));
	error_free(e);
	read_all(span_of("LLIURE\0\2", 8), &e);
	assert_true(error_is(e, ERR_VERSION));
	error_free(e);
}

static void large_payloads_fill_several_frames(void **state)
{
	_cleanup_(buf_release) struct buf out = {0};
	struct stream_writer w;
	struct error *e;
	struct run r;

	run_make(&r, 40, 1, LIMIT_PAYLOAD - 100);
	stream_begin(&w, &out);
	run_write(&r, &w);
	stream_put_end(&w);
	assert_true(w.frames > 3);
	assert_int_equal(read_all(buf_span(&out), &e), 40);
	assert_null(e);
	arena_release(&r.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_come_back_byte_for_byte),
		cmocka_unit_test(what_the_frame_implies_is_not_sent),
		cmocka_unit_test(payloads_that_are_not_held_stay_behind_with_their_state),
		cmocka_unit_test(all_other_frames_come_back),
		cmocka_unit_test(what_could_deceive_in_a_name_is_left_out),
		cmocka_unit_test(fed_a_byte_at_a_time_it_reads_the_same),
		cmocka_unit_test(cut_at_every_byte_it_keeps_whole_frames_and_says_cut_off),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(a_frame_of_an_unknown_type_is_passed_over),
		cmocka_unit_test(frames_without_a_place_here_and_what_follows_the_end_are_refused),
		cmocka_unit_test(a_frame_that_says_it_is_huge_is_refused_before_its_bytes_come),
		cmocka_unit_test(another_file_and_a_newer_version_are_told_apart),
		cmocka_unit_test(large_payloads_fill_several_frames),
	};

	return run_group(tests);
}
