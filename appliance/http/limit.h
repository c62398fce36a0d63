/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Rate limits: token buckets in memory. A bucket is known by a keyed hash of who and what, under a
 * key that this process drew and never stores, so no address is ever in it, in a file or in a core
 * dump's plain words. The table has a fixed size; when it is full the bucket that was used longest
 * ago goes. Nobody is locked out for good: a bucket always fills again. Any thread.
 */
#pragma once
#include "sync/sync.h"

struct limits;
struct limits *limits_new(const struct env *env);
void limits_free(struct limits *l);
DEFINE_CLEANUP(struct limits *, limits_free)

struct limit_key {
	uint64_t v[2];
};
struct limit_key limit_key(const struct limits *l, const char *what, struct span who);
/* Take one token from the bucket of `burst` that fills with `per_minute`. False: it is empty, and
 * *ret_wait_s says in how many seconds there is one. */
bool limit_take(struct limits *l, struct limit_key key, int burst, int per_minute, int *ret_wait_s);
