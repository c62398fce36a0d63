/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A growable run of bytes for output. Embedded: `struct buf b = {0}` is an empty one, buf_release
 * frees it. Running out of memory aborts the process (a restart is cheaper than a half-written
 * page), so what comes from outside must be bounded before it is appended. `p` is always followed
 * by a zero byte that is not counted, except in an empty buffer, where p may be NULL.
 */
#pragma once
#include "sync/base/cleanup.h"
#include "sync/base/span.h"

struct buf {
	uint8_t *p;
	size_t n, cap;
	bool secret; /* wiped wherever it leaves: when it grows, and when it is released */
};

void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empties it, keeps the memory */
/* Make room for n more bytes and return where they go; the caller adds to b->n what it wrote. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_span(struct buf *b, struct span s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_u8(struct buf *b, uint8_t v); /* little-endian, as on the wire */
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_drop(struct buf *b, size_t n); /* remove the first n bytes */
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){b->p, b->n};
}
/* The text, terminated; "" when empty. Borrowed until the next change. */
static inline const char *buf_str(const struct buf *b)
{
	return b->p ? (const char *)b->p : "";
}
/* For memory that malloc gave and that holds a secret: wiped whole, then freed. */
void wipe_and_free(void *p);
/* Hand the memory over (malloc'd, terminated); the buffer is empty afterwards. */
char *buf_steal(struct buf *b);
