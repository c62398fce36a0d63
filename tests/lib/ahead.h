/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A real clock that a test can move ahead: what a server's threads read. */
#pragma once
#include "sync/base/env.h"

static _Atomic int64_t ahead; /* milliseconds */

static inline int64_t ahead_now(void *ctx)
{
	(void)ctx;
	return env_now(&env_system) + ahead;
}

static inline int64_t ahead_mono(void *ctx)
{
	(void)ctx;
	return env_mono(&env_system) + ahead;
}

static inline void ahead_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	env_random(&env_system, out, n);
}

static const struct env env_ahead = {NULL, ahead_now, ahead_mono, ahead_random};
