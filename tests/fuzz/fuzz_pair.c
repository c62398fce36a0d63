/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What strangers say of the number that people compare. Input: a byte, how many attempts are open;
 * then words, each a length (two bytes) and input of frames.h. Whatever is heard, our nonce is said
 * only to who has committed, and a number is shown only for the nonce that was committed to.
 */
#include "sync/peer/pair.h"
#include "tests/fuzz/frames.h"

enum { KEYS = 3 };

static struct pubkey key_of(unsigned n)
{
	struct pubkey k = {.b = {(uint8_t)n}};

	return k;
}

/* What was read is the same when it is written again. */
static void reads_again(const struct pair_word *w)
{
	_cleanup_(buf_release) struct buf out = {0};
	struct pair_word again;

	pair_write(w, &out);
	must(pair_read(buf_span(&out), &again));
	FUZZ_CHECK(again.form == w->form);
	FUZZ_CHECK(hash_eq(&again.commitment, &w->commitment));
	FUZZ_CHECK(hash_eq(&again.heard, &w->heard));
	FUZZ_CHECK(memcmp(again.nonce, w->nonce, PAIR_NONCE) == 0);
}

static void hear(struct pairs *p, const struct pubkey *key, const struct pair_word *w,
		 bool *committed)
{
	struct pair_view before, after;
	struct pair_word said;
	bool open;

	pairs_look(p, key, &before);
	open = before.state == PAIR_WAITS || before.state == PAIR_SHOWN;
	pairs_hear(p, key, w);
	pairs_look(p, key, &after);
	pairs_say(p, key, &said);
	*committed |= open && w->form != PAIR_CLOSED;
	FUZZ_CHECK(open || (after.state == before.state && said.form == PAIR_CLOSED));
	FUZZ_CHECK(said.form != PAIR_REVEALS || *committed);
	FUZZ_CHECK(after.state != PAIR_SHOWN || *committed);
	if (before.state != PAIR_SHOWN && after.state == PAIR_SHOWN) {
		struct pubkey self = key_of(KEYS);
		struct hash sum = pair_commitment(key, &self, w->nonce);

		FUZZ_CHECK(w->form == PAIR_REVEALS && hash_eq(&sum, &w->commitment));
	}
	FUZZ_CHECK(before.state != PAIR_SHOWN || strcmp(before.number, after.number) == 0);
	reads_again(&said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(span_of(data, size));
	unsigned open = reader_u8(&r) % (KEYS + 1);
	struct pubkey self = key_of(KEYS), key;
	bool committed[KEYS] = {false};
	struct pairs *p;

	must(crypto_init());
	p = pairs_new(&env_system, &self);
	for (unsigned i = 0; i < open; i++) {
		key = key_of(i);
		must(pairs_begin(p, &key, NULL, false));
	}
	for (unsigned i = 0; r.rest.n >= 3; i++) {
		_cleanup_(buf_release) struct buf stream = {0};
		size_t n = reader_u16(&r);
		struct span word = reader_bytes(&r, n < r.rest.n ? n : r.rest.n);
		struct pair_word w;
		struct error *e;

		key = key_of(i % KEYS);
		frames_build(&stream, word.p, word.n);
		e = pair_read(buf_span(&stream), &w);
		if (!e) {
			reads_again(&w);
			hear(p, &key, &w, &committed[i % KEYS]);
		}
		theirs(e);
	}
	pairs_free(p);
	return 0;
}
