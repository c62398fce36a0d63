/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/limit.h"
#include <pthread.h>

enum { BUCKETS = 8192, WAYS = 8 }; /* a key may be in any of WAYS places; 256 KiB */

struct bucket {
	struct limit_key key;
	int64_t at;    /* when `micro` was true, monotonic ms */
	int64_t micro; /* millionths of tokens */
};
struct limits {
	const struct env *env;
	uint8_t secret[32];
	pthread_mutex_t mutex;
	struct bucket v[BUCKETS];
};

struct limits *limits_new(const struct env *env)
{
	struct limits *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->env = env;
	env_random(env, l->secret, sizeof(l->secret));
	pthread_mutex_init(&l->mutex, NULL);
	return l;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->mutex);
	crypto_wipe(l, sizeof(*l));
	free(l);
}

struct limit_key limit_key(const struct limits *l, const char *what, struct span who)
{
	struct limit_key key;
	struct hash_state st;
	struct hash h;

	hash_init(&st);
	hash_add(&st, l->secret, sizeof(l->secret));
	hash_add(&st, what, strlen(what) + 1);
	hash_add(&st, who.p, who.n);
	h = hash_final(&st);
	memcpy(&key, h.b, sizeof(key));
	if (!key.v[0] && !key.v[1])
		key.v[0] = 1; /* zero is an empty place */
	return key;
}

/* Its bucket, or the place for it: an empty one, or the one used longest ago. */
static struct bucket *find(struct limits *l, struct limit_key key, bool *ret_new)
{
	struct bucket *row = &l->v[key.v[0] % (BUCKETS / WAYS) * WAYS], *oldest = row;

	for (int i = 0; i < WAYS; i++) {
		if (row[i].key.v[0] == key.v[0] && row[i].key.v[1] == key.v[1]) {
			*ret_new = false;
			return &row[i];
		}
		if (row[i].at < oldest->at)
			oldest = &row[i];
	}
	*ret_new = true;
	return oldest;
}

bool limit_take(struct limits *l, struct limit_key key, int burst, int per_minute, int *ret_wait_s)
{
	int64_t now = env_mono(l->env), full = (int64_t)burst * 1000000;
	struct bucket *b;
	bool fresh, ok;

	pthread_mutex_lock(&l->mutex);
	b = find(l, key, &fresh);
	if (fresh)
		*b = (struct bucket){key, now, full};
	b->micro += (now - b->at) * per_minute * 1000 / 60;
	if (b->micro > full)
		b->micro = full;
	b->at = now;
	ok = b->micro >= 1000000;
	if (ok)
		b->micro -= 1000000;
	else
		*ret_wait_s = (int)((1000000 - b->micro) * 60 / (per_minute * 1000000LL)) + 1;
	pthread_mutex_unlock(&l->mutex);
	return ok;
}
