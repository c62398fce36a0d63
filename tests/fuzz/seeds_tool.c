/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Wrote the seeds of stream, status, heads, bundle, torn ones of sieve: seeds_tool tests/fuzz/corpus */
#define TEST_WITHOUT_CMOCKA
#include "sync/base/file.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/space.h"
#include "tests/lib/test.h"

/* mode: what fuzz_status.c makes of bits 2 and 3 */
static int mode; /* of the file that is being written */

static void save(const char *corpus, const char *target, const char *name, const struct buf *stream)
{
	struct buf packed = {0};
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", corpus, target);
	must(dir_make(path, 0755));
	snprintf(path, sizeof(path), "%s/%s/%s", corpus, target, name);
	frames_pack(&packed, buf_span(stream));
	packed.p[0] |= (uint8_t)(mode << 2);
	must(file_write(path, buf_span(&packed), 0644));
	snprintf(path, sizeof(path), "%s/%s/%s-raw", corpus, target, name);
	buf_clear(&packed);
	buf_u8(&packed, (uint8_t)(1 | mode << 2));
	buf_add_span(&packed, buf_span(stream));
	must(file_write(path, buf_span(&packed), 0644));
	buf_release(&packed);
}

/* The same as a file that was torn, flipped and written again: frames.h. */
static void save_torn(const char *corpus, const char *target, const struct buf *stream)
{
	static const uint8_t life[][3] = {{LIFE_CUT, 0x90, 1},	   {LIFE_AGAIN, 0, 0},
					  {LIFE_FLIP, 0xf0, 4},	   {LIFE_RESUMED, 0x40, 2},
					  {LIFE_CUT, 0xff, 0x1f}, {LIFE_AGAIN, 0, 0}};
	struct buf packed = {0}, out = {0};
	char path[4096];

	frames_pack(&packed, buf_span(stream));
	for (size_t n = 1; n <= ARRAY_LEN(life); n++) {
		buf_clear(&out);
		buf_u8(&out, packed.p[0] | LIFE);
		buf_u8(&out, (uint8_t)n);
		buf_add(&out, life, n * 3);
		buf_add(&out, packed.p + 1, packed.n - 1);
		snprintf(path, sizeof(path), "%s/%s/torn-%zu", corpus, target, n);
		must(file_write(path, buf_span(&out), 0644));
	}
	buf_release(&packed);
	buf_release(&out);
}

static void put_run(struct stream_writer *w, const struct fuzz_run *r, size_t first, size_t last,
		    bool headers_only)
{
	stream_entries_begin(w, &r->id);
	for (size_t i = first - 1; i < last; i++) {
		struct stored e = {.raw = r->headers[i], .payload = r->payloads[i].bytes};

		memcpy(e.salt, r->payloads[i].salt, ENTRY_SALT);
		if (!stream_entries_add(w, &e, headers_only))
			abort();
	}
	stream_entries_end(w);
}

static struct head head_at(const struct fuzz_run *r, size_t seq)
{
	return (struct head){.id = r->id, .seq = seq, .hash = entry_hash(&r->headers[seq - 1])};
}

/* Everything that a box can say in an exchange, in one stream. */
static void all_frames(struct buf *out, bool ask, bool give, bool blobs)
{
	struct fuzz_run same, other;
	struct seq_range range = {2, 4};
	struct locator_sample samples[2];
	struct space_digest row = {.heads = {"other"}};
	struct fork_proof proof;
	struct stream_writer w;
	struct head head;

	fuzz_run_make(&same, 8, 99);
	fuzz_run_make(&other, 8, 5);
	head = head_at(&other, 6);
	row.space = same.id.space;
	proof = (struct fork_proof){same.headers[6], other.headers[6]};
	samples[0] = (struct locator_sample){6, head.hash};
	samples[1] = (struct locator_sample){1, entry_hash(&same.headers[0])};
	stream_begin(&w, out);
	if (give && !ask) {
		stream_put_hello(&w, 1, "box");
		stream_put_digests(&w, &row, 1);
	}
	if (ask) {
		stream_put_heads(&w, &same.id.space, &head, 1);
		stream_put_missing(&w, &same.id, &range, 1);
	}
	if (give) {
		put_run(&w, &same, 4, 8, false);
		put_run(&w, &other, 5, 6, true);
		stream_put_locator(&w, &same.id, samples, 2);
		stream_put_fork(&w, &proof);
		stream_put_note(&w, &same.id, 3, ERR_ENDED);
		stream_put_result(&w, 1, 2, 3);
	}
	if (blobs)
		stream_put_blob(&w, &row.space, 9, 0, span_str("some file"));
	stream_put_end(&w);
}

static void begin_status(struct stream_writer *w, struct buf *out)
{
	struct fuzz_run r;
	struct space_digest row = {.heads = {"other"}};

	fuzz_run_make(&r, 1, 99);
	row.space = r.id.space;
	stream_begin(w, out);
	stream_put_hello(w, 1, "box");
	stream_put_digests(w, &row, 1);
}

int main(int argc, char **argv)
{
	struct buf b = {0};
	struct stream_writer w;
	struct fuzz_run same, other;
	struct head head;
	struct locator_sample sample;

	test_init();
	if (argc != 2)
		return 2;
	fuzz_run_make(&same, 8, 99);
	fuzz_run_make(&other, 8, 5);
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"give", "ask", "files", "empty"};

		buf_clear(&b);
		all_frames(&b, i == 1, i == 0, i == 2);
		save(argv[1], "stream", names[i], &b);
	}
	/* a pull */
	buf_clear(&b);
	all_frames(&b, true, false, false);
	save(argv[1], "heads", "pull", &b);
	/* a push that shows a fork and one that fills and adds */
	buf_clear(&b);
	stream_begin(&w, &b);
	put_run(&w, &other, 4, 8, true);
	sample = (struct locator_sample){6, head_at(&other, 6).hash};
	stream_put_locator(&w, &other.id, &sample, 1);
	stream_put_fork(&w, &(struct fork_proof){same.headers[6], other.headers[6]});
	stream_put_end(&w);
	save(argv[1], "heads", "push-fork", &b);
	buf_clear(&b);
	stream_begin(&w, &b);
	put_run(&w, &same, 3, 8, false);
	stream_put_end(&w);
	save(argv[1], "heads", "push-more", &b);
	/* answers */
	buf_clear(&b);
	begin_status(&w, &b);
	stream_put_end(&w);
	save(argv[1], "status", "status", &b);
	buf_clear(&b);
	stream_begin(&w, &b);
	put_run(&w, &same, 7, 8, false);
	head = head_at(&other, 6);
	stream_put_heads(&w, &same.id.space, &head, 1);
	stream_put_locator(&w, &other.id, &sample, 1);
	stream_put_end(&w);
	mode = 1;
	save(argv[1], "status", "pull", &b);
	/* what a push brings back: the fork that it proved */
	buf_clear(&b);
	stream_begin(&w, &b);
	put_run(&w, &other, 4, 6, true);
	stream_put_fork(&w, &(struct fork_proof){same.headers[6], other.headers[6]});
	stream_put_result(&w, 1, 2, 3);
	stream_put_end(&w);
	mode = 2;
	save(argv[1], "status", "push", &b);
	mode = 0;
	/* a bundle */
	buf_clear(&b);
	stream_begin(&w, &b);
	stream_put_hello(&w, 1, "box");
	put_run(&w, &same, 1, 8, false);
	put_run(&w, &other, 5, 8, false);
	stream_put_blob(&w, &same.id.space, 9, 0, span_str("some file"));
	stream_put_end(&w);
	save(argv[1], "bundle", "bundle", &b);
	save_torn(argv[1], "bundle", &b);
	save_torn(argv[1], "sieve", &b);
	buf_release(&b);
	return 0;
}
