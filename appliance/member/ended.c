/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/member/ended.h"
#include <pthread.h>
#include <stdatomic.h>

struct one {
	enum ended_kind kind;
	int64_t account, id, at_ms;
};
struct ended {
	pthread_mutex_t lock;
	_Atomic size_t n; /* read without the lock: mostly there is nothing */
	struct one all[ENDED_MOST];
};

struct ended *ended_new(void)
{
	struct ended *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	pthread_mutex_init(&x->lock, NULL);
	return x;
}

void ended_free(struct ended *x)
{
	if (!x)
		return;
	pthread_mutex_destroy(&x->lock);
	free(x);
}

/* With the lock; NULL. */
static struct one *find(struct ended *x, enum ended_kind kind, int64_t account, int64_t id)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->all[i].kind == kind && x->all[i].account == account && x->all[i].id == id)
			return &x->all[i];
	return NULL;
}

bool ended_note(struct ended *x, enum ended_kind kind, int64_t account, int64_t id, int64_t now_ms)
{
	struct one *o;

	pthread_mutex_lock(&x->lock);
	o = find(x, kind, account, id);
	if (!o && x->n < ENDED_MOST)
		o = &x->all[x->n++];
	if (o)
		*o = (struct one){kind, account, id, now_ms};
	pthread_mutex_unlock(&x->lock);
	return o != NULL;
}

bool ended_has(struct ended *x, enum ended_kind kind, int64_t account, int64_t id, int64_t since_ms)
{
	const struct one *o;
	bool has;

	if (!x->n)
		return false;
	pthread_mutex_lock(&x->lock);
	o = find(x, kind, account, id);
	has = o && since_ms <= o->at_ms;
	pthread_mutex_unlock(&x->lock);
	return has;
}

static struct error *settle_job(struct conn *c, void *arg)
{
	const struct one *o = arg;
	struct error *e = o->kind == ENDED_TOKEN ? token_revoke(c, o->account, o->id)
						 : session_end(c, o->account, o->id);

	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e); /* it ended otherwise */
	return NULL;
}

bool ended_waits(struct ended *x, struct writer *w)
{
	return x->n && writer_has_room(w);
}

void ended_settle(struct ended *x, struct writer *w)
{
	struct one o, *now;
	struct error *e = NULL;

	while (!e && ended_waits(x, w)) {
		pthread_mutex_lock(&x->lock);
		o = x->all[0];
		pthread_mutex_unlock(&x->lock);
		e = writer_run_tidying(w, settle_job, &o);
		if (e)
			continue;
		pthread_mutex_lock(&x->lock);
		now = find(x, o.kind, o.account, o.id);
		if (now)
			*now = x->all[--x->n];
		pthread_mutex_unlock(&x->lock);
	}
	error_free(e);
}
