/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The space of tests/vectors/stream-answer.bin, as the boxes of the fuzz targets hold it: its
 * founding log, some of it with payloads missing. Everything is the same at every run, so that the
 * corpora mean something. */
#pragma once
#include "sync/replicate/stream.h"

static inline struct secret *fuzz_key(unsigned n)
{
	uint8_t seed[32] = "a key for fuzzing only";

	seed[28] = (uint8_t)n;
	return secret_from_seed(seed);
}
/* The key of the box under test; box 1 founded the space. */
static inline struct secret *fuzz_self(void)
{
	return fuzz_key(2);
}

struct fuzz_run {
	struct log_id id;
	struct entry_bytes headers[8];
	struct ingest_payload payloads[8];
	size_t n;
};

/* Entries 1 … n of the founding log; from `branch` on with other payloads. */
static inline void fuzz_run_make(struct fuzz_run *r, size_t n, size_t branch)
{
	static const uint8_t salt[ENTRY_SALT] = "sixteen bytes !";
	struct secret *box = fuzz_key(1), *person = fuzz_key(3);
	struct hash prev = {{0}};

	r->n = n;
	for (size_t i = 0; i < n; i++) {
		struct entry e = {.seq = i + 1, .time = (int64_t)i, .incarnation = 7, .prev = prev};
		struct span text =
			span_str(i + 1 < branch ? "{\"type\":\"a\"}" : "{\"type\":\"b\"}");

		if (i)
			e.space = e.rules = r->id.space;
		entry_make(&e, i % 2 ? person : NULL, box, salt, text, &r->headers[i]);
		prev = entry_hash(&r->headers[i]);
		r->payloads[i] = (struct ingest_payload){PAYLOAD_HELD, salt, text};
		if (i == 0)
			r->id = entry_log(&r->headers[0]);
	}
	secret_free(box);
	secret_free(person);
}

static inline void fuzz_fill(struct log_store *l)
{
	struct fuzz_run r;
	struct ingest in = {.id = &r.id, .first = 1, .headers = r.headers, .payloads = r.payloads};
	struct ingest_result result;
	struct error *e, *refused = NULL;

	fuzz_run_make(&r, 6, 99);
	r.payloads[3].state = PAYLOAD_NOT_HELD;
	in.n = r.n;
	e = log_begin(l);
	if (!e)
		e = log_ingest(l, &in, &result, &refused);
	if (!e)
		e = log_commit(l);
	if (e || refused)
		abort();
}
