/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One arena per request and per sync message: everything allocated from it lives until
 * arena_release, nothing is freed by hand. Not shared between threads. Embedded: `struct arena a =
 * {0}` is an empty one. Running out of memory aborts; sizes from outside are bounded before.
 */
#pragma once
#include "sync/base/cleanup.h"
#include "sync/base/span.h"
#include <stdarg.h>

struct arena_block;
struct arena {
	struct arena_block *top;
	size_t used; /* bytes handed out, for limits and tests */
};

void arena_release(struct arena *a);
void arena_wipe(struct arena *a); /* the same, of what held secrets */
void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned for any type */
void *arena_copy(struct arena *a, const void *p, size_t n);
char *arena_str(struct arena *a, const char *s);
char *arena_strn(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))
