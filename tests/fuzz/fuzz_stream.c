/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A stream from a stranger (frames.h says how input becomes one): every frame type, fed in two
 * pieces. Entries that were read are written and read again: the same bytes. */
#include "tests/fuzz/frames.h"

static void write_again(const struct ingest *in)
{
	struct stream_reader *r = stream_reader_new(~0u);
	struct buf out = {0};
	struct stream_writer w;
	const struct frame *f;

	stream_begin(&w, &out);
	stream_entries_begin(&w, in->id);
	for (size_t i = 0; i < in->n; i++) {
		struct stored e = {.raw = in->headers[i],
				   .state = in->payloads[i].state,
				   .payload = in->payloads[i].bytes};

		if (in->payloads[i].salt)
			memcpy(e.salt, in->payloads[i].salt, ENTRY_SALT);
		FUZZ_CHECK(stream_entries_add(&w, &e, false));
	}
	stream_entries_end(&w);
	stream_feed(r, buf_span(&out));
	must(stream_next(r, &f));
	FUZZ_CHECK(f && f->type == FRAME_ENTRIES && f->entries.n == in->n);
	FUZZ_CHECK(f->entries.first == in->first);
	for (size_t i = 0; i < in->n; i++) {
		FUZZ_CHECK(memcmp(&f->entries.headers[i], &in->headers[i], ENTRY_HEADER) == 0);
		FUZZ_CHECK(f->entries.payloads[i].state == in->payloads[i].state);
		FUZZ_CHECK(span_eq(f->entries.payloads[i].bytes, in->payloads[i].bytes));
	}
	stream_reader_free(r);
	buf_release(&out);
}

static bool read_frames(struct stream_reader *r)
{
	const struct frame *f;

	for (;;) {
		struct error *e = stream_next(r, &f);

		if (e) {
			theirs(e);
			return false;
		}
		if (!f)
			return true;
		if (f->type == FRAME_ENTRIES)
			write_again(&f->entries);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream_reader *r = stream_reader_new(~0u);
	struct buf in = {0};
	size_t half;

	must(crypto_init());
	frames_build(&in, data, size);
	half = in.n / 2;
	stream_feed(r, span_of(in.p, half));
	if (read_frames(r)) {
		stream_feed(r, span_of(in.p + half, in.n - half));
		read_frames(r);
	}
	error_free(stream_finish(r));
	stream_reader_free(r);
	buf_release(&in);
	return 0;
}
