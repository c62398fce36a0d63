/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A stranger's question for a proof of what is held, and a stranger's answer to ours (frames.h says
 * how input becomes a stream). Our answer is bounded, and proves to who asked what is here and
 * nothing else; theirs proves nothing that is not here. */
#include "sync/replicate/held.h"
#include "tests/fuzz/blobs.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/space.h"

enum { LACKED = 4, HERE = 6 }; /* of the log in fuzz_fill */

/* We asked for these; what is believed is what is held here. */
static void weigh(struct log_store *l, const struct session_options *o, struct span answer)
{
	static const struct hash nonce = {"a nonce that was drawn"};
	struct held_entry e[HERE + 2];
	struct fuzz_run r;
	struct error *err;

	fuzz_run_make(&r, 1, 99);
	for (size_t i = 0; i < ARRAY_LEN(e); i++)
		e[i] = (struct held_entry){.id = r.id, .seq = i + 1};
	err = held_weigh(secret_pubkey(o->self), &o->peer, l, &nonce, e, ARRAY_LEN(e), answer);
	for (size_t i = 0; i < ARRAY_LEN(e); i++)
		FUZZ_CHECK(!e[i].held || (!err && e[i].seq <= HERE && e[i].seq != LACKED));
	theirs(err);
}

static void weigh_pieces(const struct session_options *o, struct span answer)
{
	static const struct hash nonce = {"a nonce that was drawn"};
	struct held_piece p[FUZZ_PIECES];
	struct error *err;

	fuzz_pieces(p);
	err = held_pieces_weigh(secret_pubkey(o->self), &o->peer, o->blobs, &nonce, p, FUZZ_PIECES,
				answer);
	for (size_t i = 0; i < FUZZ_PIECES; i++)
		FUZZ_CHECK(!p[i].held || (!err && p[i].what.at + p[i].what.n <= FUZZ_BLOB));
	theirs(err);
}

static bool keeps(void *ctx, const struct pubkey *peer, const struct hash *blob)
{
	(void)ctx;
	(void)peer;
	return blob->b[0] & 1 || hash_eq(blob, &fuzz_blobs.blob);
}

static void answer(struct log_store *l, const struct session_options *o, struct span question)
{
	_cleanup_(buf_release) struct buf out = {0};
	struct error *err = held_answer(o, l, question, &out);
	struct stream_reader *r;
	const struct frame *f;

	if (err) {
		FUZZ_CHECK(out.n == 0);
		theirs(err);
		return;
	}
	FUZZ_CHECK(out.n <= HELD_BODY);
	r = stream_reader_new(FRAME_BIT(FRAME_PROOF) | FRAME_BIT(FRAME_MISSING) |
			      FRAME_BIT(FRAME_PIECES));
	stream_feed(r, buf_span(&out));
	do
		must(stream_next(r, &f));
	while (f);
	must(stream_finish(r));
	stream_reader_free(r);
}

/* Nothing here writes, so one box serves all inputs: to make it takes longer than an input does. */
static struct log_store *box(const struct secret *self)
{
	static struct log_store *l;

	if (!l) {
		l = fuzz_store(secret_pubkey(self));
		fuzz_fill(l);
	}
	return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct secret *self, *peer;
	_cleanup_(buf_release) struct buf in = {0};
	struct session_options o = {.env = &env_system, .name = "fuzz"};

	must(crypto_init());
	if (!self) {
		self = fuzz_self();
		peer = fuzz_key(9);
	}
	o.self = self;
	o.peer = *secret_pubkey(peer);
	o.blobs = fuzz_blobs_store();
	o.keeps_blob = keeps;
	frames_build(&in, data, size);
	answer(box(self), &o, buf_span(&in));
	weigh(box(self), &o, buf_span(&in));
	weigh_pieces(&o, buf_span(&in));
	return 0;
}
