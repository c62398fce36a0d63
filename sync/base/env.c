/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/env.h"
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_now(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_BOOTTIME);
}

static void system_random(void *ctx, void *out, size_t n)
{
	unsigned char *to = out;

	(void)ctx;
	while (n) {
		size_t want = n < 256 ? n : 256;

		if (getrandom(to, want, 0) != (ssize_t)want)
			abort();
		to += want;
		n -= want;
	}
}

const struct env env_system = {
	.now_ms = system_now, .mono_ms = system_mono, .random = system_random};
