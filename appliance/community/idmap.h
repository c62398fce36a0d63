/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A map from 32 bytes (an op id, a key) to a number. In memory, open addressing, nothing is ever
 * taken out alone. The hash is seeded with random bytes, so that nobody can choose ids that
 * collide. Embedded: `struct idmap m = {0}` is an empty one.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IDMAP_NONE = 0xffffffff };
struct idmap_slot {
	uint8_t key[32];
	uint32_t value; /* plus one; 0 is an empty slot */
};
struct idmap {
	struct idmap_slot *slots;
	size_t cap, n; /* cap is a power of two */
	uint64_t seed[4];
};

void idmap_release(struct idmap *m);
void idmap_clear(struct idmap *m); /* empties it, keeps the memory */
/* IDMAP_NONE when absent. */
uint32_t idmap_get(const struct idmap *m, const void *key32);
/* Adds or replaces; value is below IDMAP_NONE. */
void idmap_put(struct idmap *m, const void *key32, uint32_t value);
