/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A store with one blob, the same at every run, made once a process and removed at its end. */
#pragma once
#include "sync/replicate/held.h"
#include "tests/fuzz/frames.h"
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"

enum { FUZZ_BLOB = 70000 };
static struct {
	char *dir;
	struct blob_store *store;
	struct hash blob;
} fuzz_blobs;

static void fuzz_blobs_end(void)
{
	blob_close(fuzz_blobs.store);
	test_dir_remove(fuzz_blobs.dir);
}

static struct blob_store *fuzz_blobs_store(void)
{
	static uint8_t bytes[FUZZ_BLOB];
	struct blob_writer *w;

	if (fuzz_blobs.store)
		return fuzz_blobs.store;
	fuzz_blobs.dir = test_dir();
	must(blob_open(fuzz_blobs.dir, &fuzz_blobs.store));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251);
	must(blob_writer_new(fuzz_blobs.store, sizeof(bytes), &w));
	must(blob_write(w, span_of(bytes, sizeof(bytes))));
	must(blob_writer_finish(w, &fuzz_blobs.blob, NULL));
	atexit(fuzz_blobs_end);
	return fuzz_blobs.store;
}

/* The pieces that the box under test asks about: the last is none of the blob. */
enum { FUZZ_PIECES = 4 };
static void fuzz_pieces(struct held_piece out[FUZZ_PIECES])
{
	static const uint64_t at[FUZZ_PIECES][2] = {
		{0, FUZZ_BLOB}, {0, 1}, {FUZZ_BLOB - 1, 1}, {FUZZ_BLOB, 1}};

	fuzz_blobs_store();
	for (int i = 0; i < FUZZ_PIECES; i++)
		out[i] = (struct held_piece){.what = {fuzz_blobs.blob, at[i][0], at[i][1]}};
}
