/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Foreign bytes are touched only through a span (borrowed bytes with a length) and a reader (a
 * checked cursor over a span). A read past the end marks the reader as failed, returns zeros, and
 * every later read fails too: parse straight through, then check `reader_ok` once before any value
 * is believed. Integers on the wire are little-endian.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p;
	size_t n;
};

struct reader {
	struct span rest;
	bool failed;
};

static inline struct span span_of(const void *p, size_t n)
{
	return (struct span){p, n};
}
static inline struct span span_str(const char *s)
{
	return (struct span){(const uint8_t *)s, strlen(s)};
}
static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool span_is(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

static inline struct reader reader_of(struct span s)
{
	return (struct reader){s, false};
}
static inline bool reader_ok(const struct reader *r)
{
	return !r->failed;
}
static inline bool reader_at_end(const struct reader *r)
{
	return !r->failed && r->rest.n == 0;
}
/* The next n bytes, borrowed; an empty span when fewer are left. */
static inline struct span reader_bytes(struct reader *r, size_t n)
{
	struct span s = {r->rest.p, n};

	if (r->failed || r->rest.n < n) {
		r->failed = true;
		return (struct span){NULL, 0};
	}
	r->rest.p += n;
	r->rest.n -= n;
	return s;
}
/* Copy n bytes to `to`; zeros when fewer are left. */
static inline void reader_copy(struct reader *r, void *to, size_t n)
{
	struct span s = reader_bytes(r, n);

	if (s.n == n && n)
		memcpy(to, s.p, n);
	else
		memset(to, 0, n);
}
static inline uint64_t reader_uint(struct reader *r, size_t n)
{
	struct span s = reader_bytes(r, n);
	uint64_t v = 0;

	for (size_t i = s.n; i-- > 0;)
		v = v << 8 | s.p[i];
	return v;
}
static inline uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_uint(r, 1);
}
static inline uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)reader_uint(r, 2);
}
static inline uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)reader_uint(r, 4);
}
static inline uint64_t reader_u64(struct reader *r)
{
	return reader_uint(r, 8);
}
