/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Fuzz input as a stream whose checks hold, so that the fuzzer gets behind them. Input: a byte;
 * when it is odd, the rest is a stream as it is. When even, the rest is frames: type, length (two
 * bytes), body; magic, checks and (bit 1) an end are added. frames_pack makes such input from a
 * real stream, for seeds.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/base/cleanup.h"
#include "sync/crypto/crypto.h"
#include "sync/log/log.h"
#include "sync/replicate/stream.h"
#include "tests/fuzz/fuzz.h"

UNUSED static void frame_put(struct buf *out, uint8_t type, struct span body)
{
	size_t at = out->n;
	struct hash check;

	buf_u8(out, type);
	buf_u32(out, (uint32_t)body.n);
	buf_add_span(out, body);
	check = hash_bytes(span_of(out->p + at, out->n - at));
	buf_add(out, check.b, 16);
}

UNUSED static void frames_build(struct buf *out, const uint8_t *data, size_t size)
{
	struct reader r = reader_of(span_of(data, size));
	uint8_t mode = reader_u8(&r), count[8] = {0};

	if (mode & 1) {
		buf_add_span(out, r.rest);
		return;
	}
	buf_add(out, "LLIURE\0\1", 8);
	while (r.rest.n >= 3) {
		uint8_t type = reader_u8(&r);
		size_t n = reader_u16(&r);

		frame_put(out, type, reader_bytes(&r, n < r.rest.n ? n : r.rest.n));
		if (++count[0] == 0)
			count[1]++;
	}
	if (mode & 2)
		frame_put(out, FRAME_END, span_of(count, 8));
}

/* The same as a file that had a hard life. When the first byte has bit 7: a count (at most 16) of
 * what happened to it, each a byte and two that say where; then as above. */
enum { LIFE = 0x80, LIFE_CUT = 0, LIFE_AGAIN, LIFE_FLIP, LIFE_RESUMED };

UNUSED static void frame_life(struct buf *out, const struct buf *whole, uint8_t kind, size_t at)
{
	size_t from = whole->n ? at % whole->n : 0;

	if (kind % 4 == LIFE_CUT)
		out->n = out->n ? at % out->n : 0;
	else if (kind % 4 == LIFE_AGAIN)
		buf_add_span(out, buf_span(whole));
	else if (kind % 4 == LIFE_RESUMED)
		buf_add(out, whole->p + from, whole->n - from);
	else if (out->n)
		out->p[at % out->n] ^= (uint8_t)(1 << kind / 4 % 8);
}

UNUSED static void frames_build_file(struct buf *out, const uint8_t *data, size_t size)
{
	_cleanup_(buf_release) struct buf rest = {0}, whole = {0};
	struct reader r = reader_of(span_of(data, size));
	uint8_t mode = reader_u8(&r), n = mode & LIFE ? reader_u8(&r) % 17 : 0;
	struct span life = reader_bytes(&r, (size_t)n * 3);

	buf_u8(&rest, mode & (uint8_t)~LIFE);
	buf_add_span(&rest, r.rest);
	frames_build(&whole, rest.p, rest.n);
	buf_add_span(out, buf_span(&whole));
	for (size_t i = 0; i < life.n; i += 3)
		frame_life(out, &whole, life.p[i],
			   (size_t)life.p[i + 1] | (size_t)life.p[i + 2] << 8);
}

/* The other way round. The end becomes the bit. */
UNUSED static void frames_pack(struct buf *out, struct span stream)
{
	struct reader r = reader_of(stream);

	reader_bytes(&r, 8);
	buf_u8(out, 2);
	while (r.rest.n) {
		uint8_t type = reader_u8(&r);
		struct span body = reader_bytes(&r, reader_u32(&r));

		reader_bytes(&r, 16);
		if (type == FRAME_END || body.n > 0xffff)
			continue;
		buf_u8(out, type);
		buf_u16(out, (uint16_t)body.n);
		buf_add_span(out, body);
	}
}

UNUSED static void must(struct error *err)
{
	if (err) {
		fprintf(stderr, "%s\n", error_english(err));
		abort();
	}
}

/* Only what the other side did may be wrong, never this box. */
UNUSED static void theirs(struct error *err)
{
	if (error_is(err, ERR_INTERNAL) || error_is(err, ERR_DB) || error_is(err, ERR_CORRUPT) ||
	    error_is(err, ERR_NOT_FOUND) || error_is(err, ERR_STOPPED))
		must(err);
	error_free(err);
}

/* A box in memory that holds the space of test key 1000, as in the vectors. */
UNUSED static struct log_store *fuzz_store(const struct pubkey *self)
{
	struct log_open how = {
		.path = ":memory:", .mode = DB_TEST_NOSYNC, .env = &env_system, .self = *self};
	struct log_store *l;

	must(log_open(&how, &l));
	return l;
}

/* Whatever came, what is stored is clean. */
UNUSED static void fuzz_store_end(struct log_store *l)
{
	struct error *first = NULL;
	struct verify_report v;

	must(log_verify(l, NULL, NULL, &v, &first));
	must(first);
	log_close(l);
}
