/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files in what a visitor's phone brings: nothing that peers brought of a file is spoiled, a peer that
 * gives it at the moment holds nothing up, and what nobody asked for is passed over. */
#include "tests/lib/test.h"
#include "tests/appliance/carry/carrying.h"
#include "appliance/carry/carry.h"
#include "appliance/community/community.h"
#include "sync/blob/blob.h"
#include "sync/bundle/bundle.h"
#include "sync/replicate/stream.h"
#include <jansson.h>

enum { SIZE = 200000, PART = 150000, UNASKED = 200 };

struct fixture {
	struct web w;
	struct buf file;
	struct stream_writer writer;
	struct hash blob;
	uint8_t content[SIZE];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	memset(f->content, 'f', SIZE);
	f->blob = hash_bytes(span_of(f->content, SIZE));
	carrying_start(&f->w, &(struct web_options){.found = true});
	web_submit(&f->w, "file.create", NULL,
		   json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "kind", "pdf", "blob", ID(&f->blob),
			     "size", (json_int_t)SIZE, "sha256", ID(&f->blob), "title", "Actes",
			     "path", "actes/1.pdf"));
	stream_begin(&f->writer, &f->file);
	stream_put_hello(&f->writer, 0, "Telèfon");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_release(&f->file);
	web_stop(&f->w);
	free(f);
	return 0;
}

/* What came of it from a peer; and perhaps it is still at it. */
static struct blob_writer *bring_part(struct fixture *f)
{
	struct blob_writer *w;
	uint64_t have;

	assert_ok(blob_writer_resume(f->w.app->blobs, &f->blob, SIZE, &w, &have));
	assert_int_equal(have, 0);
	assert_ok(blob_write(w, span_of(f->content, PART)));
	return w;
}

static struct sync_report take(struct fixture *f)
{
	stream_put_end(&f->writer);
	return carrying_take(&f->w, buf_span(&f->file), CARRY_VISITOR);
}

static void wrong_bytes_leave_what_peers_brought(void **state)
{
	struct fixture *f = *state;
	struct blob_writer *w = bring_part(f);
	struct hash got;
	uint64_t have;

	blob_writer_free(w);
	f->content[0] = 'x';
	stream_put_blob(&f->writer, &f->blob, 2, 0, span_of(f->content, 1));
	stream_put_blob(&f->writer, &f->blob, BUNDLE_PIECE_LEAST + 1, 0,
			span_of(f->content, BUNDLE_PIECE_LEAST));
	stream_put_blob(&f->writer, &f->blob, SIZE, 0, span_of(f->content, SIZE));
	assert_int_equal(take(f).blobs, 0);
	assert_int_equal(blob_part(f->w.app->blobs, &f->blob), PART);
	/* the peer goes on where it was */
	f->content[0] = 'f';
	assert_ok(blob_writer_resume(f->w.app->blobs, &f->blob, SIZE, &w, &have));
	assert_ok(blob_write(w, span_of(f->content + have, SIZE - have)));
	assert_ok(blob_writer_finish(w, &got, NULL));
}

static void a_peer_that_gives_it_slowly_holds_nothing_up(void **state)
{
	struct fixture *f = *state;
	struct blob_writer *w = bring_part(f);

	stream_put_blob(&f->writer, &f->blob, SIZE, 0, span_of(f->content, SIZE));
	assert_int_equal(take(f).blobs, 1);
	assert_ok(blob_verify(f->w.app->blobs, &f->blob));
	blob_writer_free(w);
}

static void what_nobody_asked_for_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct hash none = {{1}};

	for (int i = 0; i < UNASKED; i++) {
		none.b[1] = (uint8_t)i;
		stream_put_blob(&f->writer, &none, SIZE, 0,
				span_of(f->content, i % 2 ? 1 : BUNDLE_PIECE_LEAST));
	}
	stream_put_blob(&f->writer, &f->blob, SIZE, 0, span_of(f->content, SIZE));
	assert_int_equal(take(f).blobs, 1);
	none.b[1] = 0;
	assert_int_equal(blob_part(f->w.app->blobs, &none), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(wrong_bytes_leave_what_peers_brought),
		T(a_peer_that_gives_it_slowly_holds_nothing_up),
		T(what_nobody_asked_for_is_passed_over),
	};

	return run_group(tests);
}
