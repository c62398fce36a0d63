/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/buf.h"
#include <malloc.h>
#include <stdarg.h>

void wipe_and_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void buf_release(struct buf *b)
{
	if (b->secret)
		wipe_and_free(b->p);
	else
		free(b->p);
	*b = (struct buf){.secret = b->secret};
}

static void grow(struct buf *b, size_t cap)
{
	uint8_t *p = b->secret ? malloc(cap) : realloc(b->p, cap);

	if (!p)
		abort();
	if (b->secret) {
		if (b->p)
			memcpy(p, b->p, b->n + 1);
		wipe_and_free(b->p);
	}
	b->p = p;
	b->cap = cap;
}

void buf_clear(struct buf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t want = b->n + n + 1, cap = b->cap ? b->cap : 64;

	if (want < n)
		abort();
	if (want > b->cap) {
		while (cap < want)
			cap += cap / 2 + 64;
		grow(b, cap);
	}
	return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	uint8_t *to = buf_reserve(b, n);

	if (n)
		memcpy(to, p, n);
	b->n += n;
	b->p[b->n] = 0;
}

void buf_add_span(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.n);
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0) {
		vsnprintf((char *)buf_reserve(b, (size_t)n), (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

static void add_uint(struct buf *b, uint64_t v, size_t n)
{
	uint8_t *to = buf_reserve(b, n);

	for (size_t i = 0; i < n; i++, v >>= 8)
		to[i] = (uint8_t)v;
	b->n += n;
	b->p[b->n] = 0;
}

void buf_u8(struct buf *b, uint8_t v)
{
	add_uint(b, v, 1);
}

void buf_u16(struct buf *b, uint16_t v)
{
	add_uint(b, v, 2);
}

void buf_u32(struct buf *b, uint32_t v)
{
	add_uint(b, v, 4);
}

void buf_u64(struct buf *b, uint64_t v)
{
	add_uint(b, v, 8);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n > b->n)
		n = b->n;
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
	b->p[b->n] = 0;
}

char *buf_steal(struct buf *b)
{
	char *s;

	buf_reserve(b, 0);
	b->p[b->n] = 0;
	s = (char *)b->p;
	*b = (struct buf){0};
	return s;
}
