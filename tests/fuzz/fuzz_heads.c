/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A hostile box asks: the input is the body of a pull, and of a push. The answers end, bounded, and
 * read back as clean streams; what was stored is clean. */
#include "tests/fuzz/frames.h"
#include "sync/replicate/serve.h"
#include "tests/fuzz/space.h"

enum { ANSWER_MAX = 1 << 20 };

static struct error *take_in(struct serving *v, struct log_store *l, struct span body)
{
	struct intake *in;

	serving_feed(v, body);
	for (;;) {
		TRY(serving_next(v, l, &in));
		if (!in)
			return serving_end(v, l);
		must(log_begin(l));
		must(intake_run(l, in));
		must(log_commit(l));
		serving_written(v);
	}
}

static void check_answer(struct span answer)
{
	struct stream_reader *r = stream_reader_new(~0u);
	const struct frame *f;

	stream_feed(r, answer);
	do
		must(stream_next(r, &f));
	while (f);
	must(stream_finish(r));
	stream_reader_free(r);
}

static void serve(const struct session_options *o, struct log_store *l, enum serving_kind kind,
		  struct span body)
{
	struct serving *v = serving_new(o, kind);
	struct buf out = {0};
	bool end = false;
	struct error *e = take_in(v, l, body);

	if (!e) {
		while (!end) {
			must(serving_answer(v, l, &out, &end));
			FUZZ_CHECK(out.n < ANSWER_MAX);
		}
		check_answer(buf_span(&out));
	}
	theirs(e);
	buf_release(&out);
	serving_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf body = {0};
	struct secret *self;
	struct session_options o = {.env = &env_system, .name = "fuzz"};
	struct log_store *l;

	must(crypto_init());
	self = fuzz_self();
	o.self = self;
	l = fuzz_store(secret_pubkey(self));
	fuzz_fill(l);
	frames_build(&body, data, size);
	serve(&o, l, SERVE_PULL, buf_span(&body));
	serve(&o, l, SERVE_PUSH, buf_span(&body));
	fuzz_store_end(l);
	secret_free(self);
	buf_release(&body);
	return 0;
}
