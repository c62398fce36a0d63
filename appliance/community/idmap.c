/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/community/idmap.h"
#include "sync/crypto/crypto.h"

void idmap_release(struct idmap *m)
{
	free(m->slots);
	*m = (struct idmap){0};
}

void idmap_clear(struct idmap *m)
{
	if (m->n)
		memset(m->slots, 0, m->cap * sizeof(m->slots[0]));
	m->n = 0;
}

static size_t place(const struct idmap *m, const void *key32)
{
	uint64_t w[4], h = 0;

	memcpy(w, key32, sizeof(w));
	for (int i = 0; i < 4; i++) {
		h = (h ^ w[i]) * m->seed[i];
		h ^= h >> 29;
	}
	return (size_t)h & (m->cap - 1);
}

static struct idmap_slot *find(const struct idmap *m, const void *key32)
{
	size_t at = place(m, key32);

	while (m->slots[at].value && memcmp(m->slots[at].key, key32, 32) != 0)
		at = (at + 1) & (m->cap - 1);
	return &m->slots[at];
}

uint32_t idmap_get(const struct idmap *m, const void *key32)
{
	return m->n ? find(m, key32)->value - 1 : (uint32_t)IDMAP_NONE;
}

static void grow(struct idmap *m)
{
	struct idmap old = *m;

	if (!m->cap) {
		crypto_random(m->seed, sizeof(m->seed));
		for (int i = 0; i < 4; i++)
			m->seed[i] |= 1;
	}
	m->cap = m->cap ? m->cap * 2 : 64;
	m->slots = calloc(m->cap, sizeof(m->slots[0]));
	if (!m->slots)
		abort();
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].value)
			*find(m, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

void idmap_put(struct idmap *m, const void *key32, uint32_t value)
{
	struct idmap_slot *s;

	if (m->n * 4 >= m->cap * 3)
		grow(m);
	s = find(m, key32);
	m->n += s->value == 0;
	memcpy(s->key, key32, 32);
	s->value = value + 1;
}
