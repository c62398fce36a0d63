/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/readers.h"
#include <pthread.h>

enum { KEPT = 8 };

struct readers {
	char *path;
	const struct env *env;
	struct pubkey self;
	pthread_mutex_t lock;
	struct log_store *idle[KEPT];
	size_t n;
};

struct readers *readers_new(const char *log_path, const struct env *env, const struct pubkey *self)
{
	struct readers *r = calloc(1, sizeof(*r));

	if (!r || !(r->path = strdup(log_path)))
		abort();
	r->env = env;
	r->self = *self;
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void readers_free(struct readers *r)
{
	if (!r)
		return;
	while (r->n)
		log_close(r->idle[--r->n]);
	pthread_mutex_destroy(&r->lock);
	free(r->path);
	free(r);
}

struct error *readers_take(struct readers *r, struct log_store **ret)
{
	struct log_open how = {.path = r->path, .mode = DB_READER, .env = r->env, .self = r->self};
	struct log_store *l = NULL;

	pthread_mutex_lock(&r->lock);
	if (r->n)
		l = r->idle[--r->n];
	pthread_mutex_unlock(&r->lock);
	if (!l)
		return log_open(&how, ret);
	*ret = l;
	return NULL;
}

void readers_give(struct readers *r, struct log_store *take_l)
{
	pthread_mutex_lock(&r->lock);
	if (r->n < KEPT) {
		r->idle[r->n++] = take_l;
		take_l = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	log_close(take_l);
}
