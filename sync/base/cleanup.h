/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Scope cleans up. `_cleanup_(fn)` calls fn(&variable) when the variable leaves its scope;
 * STEAL(p) hands the value over and leaves NULL behind. DEFINE_CLEANUP(type, fn) makes the
 * `fn##p` that the attribute needs from an ordinary destructor that accepts NULL.
 */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define STEAL(p)                                                                                   \
	({                                                                                         \
		__auto_type stolen_ = (p);                                                         \
		(p) = NULL;                                                                        \
		stolen_;                                                                           \
	})
#define DEFINE_CLEANUP(type, fn)                                                                   \
	static inline void fn##p(type *p)                                                          \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

#define MUST __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED __attribute__((unused))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void freep(void *p)
{
	free(*(void **)p);
}
static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}
static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
