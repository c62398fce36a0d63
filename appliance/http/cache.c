/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/cache.h"
#include <pthread.h>

enum { SLOTS = 512, OVERHEAD = 1024 };

/* One place per hash: a second page with the same hash replaces the first. */
struct slot {
	char *key;
	uint64_t generation;
	uint64_t order; /* when it came */
	struct answer *page;
};
struct cache {
	pthread_mutex_t mutex;
	struct slot v[SLOTS];
	size_t bytes;
	uint64_t clock, seed;
};

struct answer *answer_new(int status, struct MHD_Response *take_response, size_t size,
			  const char *etag)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a || !take_response)
		abort();
	a->refs = 1;
	a->status = status;
	a->size = a->memory = size;
	a->response = take_response;
	snprintf(a->etag, sizeof(a->etag), "%s", etag);
	return a;
}

struct answer *answer_ref(struct answer *a)
{
	a->refs++;
	return a;
}

void answer_unref(struct answer *a)
{
	if (!a || --a->refs)
		return;
	MHD_destroy_response(a->response);
	free(a);
}

struct cache *cache_new(void)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	crypto_random(&c->seed, sizeof(c->seed));
	pthread_mutex_init(&c->mutex, NULL);
	return c;
}

static size_t weight(const struct slot *s)
{
	return s->page->size + strlen(s->key) + OVERHEAD;
}

static void drop(struct cache *c, struct slot *s)
{
	if (!s->key)
		return;
	c->bytes -= weight(s);
	answer_unref(s->page);
	free(s->key);
	*s = (struct slot){0};
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	for (int i = 0; i < SLOTS; i++)
		drop(c, &c->v[i]);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

/* FNV-1a from a random start: a stranger can't aim at another page's place. */
static struct slot *slot_of(struct cache *c, const char *key)
{
	uint64_t h = c->seed;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 1099511628211ULL;
	return &c->v[(h ^ h >> 29) % SLOTS];
}

struct answer *cache_get(struct cache *c, const char *key, uint64_t generation)
{
	struct slot *s = slot_of(c, key);
	struct answer *found = NULL;

	pthread_mutex_lock(&c->mutex);
	if (s->key && s->generation != generation)
		drop(c, s);
	if (s->key && strcmp(s->key, key) == 0)
		found = answer_ref(s->page);
	pthread_mutex_unlock(&c->mutex);
	return found;
}

static struct slot *oldest(struct cache *c)
{
	struct slot *old = NULL;

	for (int i = 0; i < SLOTS; i++) {
		if (c->v[i].key && (!old || c->v[i].order < old->order))
			old = &c->v[i];
	}
	return old;
}

void cache_put(struct cache *c, const char *key, uint64_t generation, struct answer *page)
{
	struct slot *s = slot_of(c, key);

	if (page->size > CACHE_BYTES / 8)
		return;
	pthread_mutex_lock(&c->mutex);
	drop(c, s);
	*s = (struct slot){strdup(key), generation, c->clock++, answer_ref(page)};
	if (!s->key)
		abort();
	c->bytes += weight(s);
	while (c->bytes > CACHE_BYTES)
		drop(c, oldest(c));
	pthread_mutex_unlock(&c->mutex);
}

size_t cache_bytes(struct cache *c)
{
	size_t n;

	pthread_mutex_lock(&c->mutex);
	n = c->bytes;
	pthread_mutex_unlock(&c->mutex);
	return n;
}
