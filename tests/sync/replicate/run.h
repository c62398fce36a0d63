/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runs of entries made in memory, for tests that need no store. */
#pragma once
#include "tests/lib/test.h"
#include "sync/replicate/stream.h"

struct run {
	struct log_id id;
	struct stored *entries; /* payloads live in the arena */
	size_t n;
	struct arena arena;
};

/* n entries of a new log by key 1, written by keys 2 … 1 + authors (0: by the appliance itself),
 * with payloads of about `size` bytes. The first founds the space. */
/* From entry `branch` on with other words: the other side of a fork. */
static inline void run_make_branch(struct run *r, size_t n, int authors, size_t size, size_t branch)
{
	struct secret *box = test_key(1), *people[8];
	struct hash prev = {{0}};

	*r = (struct run){.n = n};
	r->entries = arena_array(&r->arena, struct stored, n);
	for (int i = 0; i < authors; i++)
		people[i] = test_key(2 + (unsigned)i);
	for (size_t i = 0; i < n; i++) {
		struct stored *e = &r->entries[i];
		struct entry f = {.seq = i + 1,
				  .time = 1764000000000 + (int64_t)i * 1000,
				  .incarnation = 77,
				  .prev = prev};
		char *text =
			arena_printf(&r->arena, "{\"type\":\"post.%s\",\"n\":%zu,\"text\":\"%*s\"}",
				     i + 1 < branch ? "create" : "change", i, (int)size, "");

		if (i) {
			f.space = r->id.space;
			f.rules = r->id.space;
		}
		memset(e->salt, (int)i, ENTRY_SALT);
		e->payload = span_str(text);
		entry_make(&f, authors ? people[i % (size_t)authors] : NULL, box, e->salt,
			   e->payload, &e->raw);
		e->hash = prev = entry_hash(&e->raw);
		e->op_id = entry_op_id(&e->raw);
		if (i == 0)
			r->id = entry_log(&e->raw);
	}
	for (int i = 0; i < authors; i++)
		secret_free(people[i]);
	secret_free(box);
}

static inline void run_make(struct run *r, size_t n, int authors, size_t size)
{
	run_make_branch(r, n, authors, size, SIZE_MAX);
}

static inline void run_write(const struct run *r, struct stream_writer *w)
{
	stream_entries_begin(w, &r->id);
	for (size_t i = 0; i < r->n; i++)
		if (!stream_entries_add(w, &r->entries[i], false)) {
			stream_entries_end(w);
			stream_entries_begin(w, &r->id);
			(void)!stream_entries_add(w, &r->entries[i], false);
		}
	stream_entries_end(w);
}
