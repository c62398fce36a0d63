/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/arena.h"
#include <stdalign.h>

struct arena_block {
	struct arena_block *below;
	size_t used, cap;
	alignas(max_align_t) unsigned char bytes[];
};

enum { BLOCK = 4096 - sizeof(struct arena_block) };

void arena_release(struct arena *a)
{
	while (a->top) {
		struct arena_block *below = a->top->below;

		free(a->top);
		a->top = below;
	}
	a->used = 0;
}

void arena_wipe(struct arena *a)
{
	for (struct arena_block *b = a->top; b; b = b->below)
		explicit_bzero(b->bytes, b->used);
	arena_release(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t room = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct arena_block *b = a->top;
	void *p;

	if (room < n)
		abort();
	if (!b || b->cap - b->used < room) {
		size_t cap = room > BLOCK ? room : BLOCK;

		b = malloc(sizeof(*b) + cap);
		if (!b)
			abort();
		*b = (struct arena_block){.below = a->top, .cap = cap};
		a->top = b;
	}
	p = b->bytes + b->used;
	b->used += room;
	a->used += room;
	return memset(p, 0, room);
}

void *arena_copy(struct arena *a, const void *p, size_t n)
{
	void *to = arena_alloc(a, n);

	if (n)
		memcpy(to, p, n);
	return to;
}

char *arena_strn(struct arena *a, const char *s, size_t n)
{
	char *to = arena_alloc(a, n + 1);

	memcpy(to, s, n);
	return to;
}

char *arena_str(struct arena *a, const char *s)
{
	return arena_strn(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	to = arena_alloc(a, (size_t)(n > 0 ? n : 0) + 1);
	if (n > 0)
		vsnprintf(to, (size_t)n + 1, fmt, ap);
	return to;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}
