/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the core needs of the outside: a clock and random bytes. It comes as a small struct, so that
 * a test runs twenty boxes in one process under a clock that it moves by hand. Both functions may
 * be called from any thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct env {
	void *ctx;
	int64_t (*now_ms)(void *ctx); /* milliseconds since 1970, as the box believes */
	int64_t (*mono_ms)(void *ctx); /* never goes back; for deadlines and back-off */
	void (*random)(void *ctx, void *out, size_t n);
};

/* The real clock and the kernel's random numbers. */
extern const struct env env_system;

static inline int64_t env_now(const struct env *e)
{
	return e->now_ms(e->ctx);
}
static inline int64_t env_mono(const struct env *e)
{
	return e->mono_ms(e->ctx);
}
static inline void env_random(const struct env *e, void *out, size_t n)
{
	e->random(e->ctx, out, n);
}
