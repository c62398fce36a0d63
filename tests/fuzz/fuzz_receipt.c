/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A receipt that a peer asks to have signed: what is read is written again as the same bytes, and
 * what this box makes of it is a statement too, in which nothing that it knows itself is the peer's
 * word. */
#include "sync/peer/receipt.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/space.h"

static void check_form(const struct receipt_body *b, struct span in)
{
	_cleanup_(buf_release) struct buf again = {0};

	receipt_write(b, &again);
	FUZZ_CHECK(span_eq(buf_span(&again), in));
	FUZZ_CHECK(receipt_kind_of(in) == b->kind);
	for (size_t i = 0; i + 1 < b->n_spaces; i++)
		FUZZ_CHECK(memcmp(&b->spaces[i].space, &b->spaces[i + 1].space, 32) < 0);
	receipt_equal(b);
}

static void weigh(const struct receipt_body *claim, struct arena *a)
{
	_cleanup_(buf_release) struct buf bytes = {0};
	struct secret *self = fuzz_self(), *peer = fuzz_key(9);
	struct receipt_weighing w = {
		.self = secret_pubkey(self), .peer = secret_pubkey(peer), .now_ms = 1764000000000};
	struct receipt_body own, back;

	w.log = fuzz_store(w.self);
	fuzz_fill(w.log);
	must(receipt_own_version(&w, claim, a, &own));
	FUZZ_CHECK(own.kind == RECEIPT_MET && pubkey_eq(&own.box[ANSWERER], w.self) &&
		   pubkey_eq(&own.box[ASKER], w.peer));
	/* Nothing was counted of this exchange. */
	FUZZ_CHECK(!own.bytes[0] && !own.bytes[1] && !own.fresh[ANSWERER] && !own.fresh[ASKER]);
	receipt_write(&own, &bytes);
	must(receipt_read(buf_span(&bytes), a, &back));
	check_form(&back, buf_span(&bytes));
	log_close(w.log);
	secret_free(self);
	secret_free(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct span in = span_of(data, size);
	struct receipt_body b;
	struct error *e;

	must(crypto_init());
	e = receipt_read(in, &a, &b);
	if (e) {
		FUZZ_CHECK(error_is(e, ERR_MALFORMED));
		error_free(e);
		return 0;
	}
	check_form(&b, in);
	if (b.kind == RECEIPT_MET)
		weigh(&b, &a);
	return 0;
}
