/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/past.h"
#include <pthread.h>

struct state {
	struct hash space, digest;
	int64_t arrival; /* the newest entry then */
	uint64_t used;	 /* 0: free */
};

struct agreed {
	struct pubkey peer;
	struct hash space, digest;
	uint64_t used; /* 0: free */
};

struct pasts {
	pthread_mutex_t lock;
	uint64_t clock;
	struct state states[PAST_STATES];
	struct agreed agreed[PAST_AGREED];
};

struct pasts *pasts_new(void)
{
	struct pasts *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void pasts_free(struct pasts *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* --- states that were told --- */
static struct state *find_state(struct pasts *p, const struct hash *space,
				const struct hash *digest)
{
	for (size_t i = 0; i < PAST_STATES; i++) {
		struct state *s = &p->states[i];

		if (s->used && hash_eq(&s->digest, digest) && hash_eq(&s->space, space))
			return s;
	}
	return NULL;
}

static struct state *oldest_state(struct pasts *p)
{
	struct state *oldest = &p->states[0];

	for (size_t i = 1; i < PAST_STATES; i++)
		if (p->states[i].used < oldest->used)
			oldest = &p->states[i];
	return oldest;
}

static void remember(struct pasts *p, const struct space_digest *now, int64_t arrival)
{
	struct state *s;

	pthread_mutex_lock(&p->lock);
	s = find_state(p, &now->space, &now->heads);
	if (!s)
		s = oldest_state(p);
	*s = (struct state){now->space, now->heads, arrival, ++p->clock};
	pthread_mutex_unlock(&p->lock);
}

struct error *pasts_digest(struct pasts *p, struct log_store *l, const struct hash *space,
			   struct space_digest *ret)
{
	struct space_digest row;
	int64_t arrival = 0;

	/* Before the rows are read: what is committed in between makes a state that does not come
	 * out, and none that is false. */
	if (p)
		TRY(log_last_arrival(l, &arrival));
	TRY(heads_space_digest(l, space, &row));
	if (p)
		remember(p, &row, arrival);
	*ret = row;
	return NULL;
}

static bool recall(struct pasts *p, const struct hash *space, const struct hash *digest,
		   int64_t *ret_arrival)
{
	struct state *s;

	pthread_mutex_lock(&p->lock);
	s = find_state(p, space, digest);
	if (s) {
		s->used = ++p->clock;
		*ret_arrival = s->arrival;
	}
	pthread_mutex_unlock(&p->lock);
	return s != NULL;
}

/* --- the rows of one --- */
struct undoing {
	struct log_store *log;
	const struct hash *space;
	struct head *heads; /* sorted; what they were so far back */
	size_t n;
};

/* This entry was not there yet. Its log is as it was before the lowest of them. */
static struct error *take_back(void *ctx, const struct stored *e)
{
	struct undoing *u = ctx;
	struct log_id id = entry_log(&e->raw);
	const struct head *found;
	struct head *h;

	if (!hash_eq(&id.space, u->space))
		return NULL;
	found = heads_find(u->heads, u->n, &id);
	if (!found || found->seq < e->seq)
		return NULL;
	h = u->heads + (found - u->heads);
	h->seq = e->seq - 1;
	h->hash = (struct hash){{0}};
	return h->seq ? log_hash_at(u->log, e->log, h->seq, &h->hash) : NULL;
}

static size_t drop_empty(struct head *heads, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (heads[i].seq || heads[i].mark)
			heads[kept++] = heads[i];
	return kept;
}

struct error *pasts_rows(struct pasts *p, struct log_store *l, const struct hash *space,
			 const struct hash *state, struct arena *a, struct head **ret,
			 size_t *ret_n, bool *ret_known)
{
	struct undoing u = {.log = l, .space = space};
	int64_t arrival, last;
	struct hash digest;

	*ret_known = false;
	if (!p || !recall(p, space, state, &arrival))
		return NULL;
	TRY(log_last_arrival(l, &last));
	if (last - arrival > PAST_ARRIVALS)
		return NULL;
	TRY(heads_collect(l, space, a, &u.heads, &u.n));
	TRY(log_arrivals(l, arrival, PAST_ARRIVALS, take_back, &u));
	u.n = drop_empty(u.heads, u.n);
	digest = heads_digest(space, u.heads, u.n);
	if (!hash_eq(&digest, state))
		return NULL;
	*ret = u.heads;
	*ret_n = u.n;
	*ret_known = true;
	return NULL;
}

/* --- what a peer had, too --- */
static struct agreed *find_agreed(struct pasts *p, const struct pubkey *peer,
				  const struct hash *space)
{
	for (size_t i = 0; i < PAST_AGREED; i++) {
		struct agreed *g = &p->agreed[i];

		if (g->used && pubkey_eq(&g->peer, peer) && hash_eq(&g->space, space))
			return g;
	}
	return NULL;
}

static struct agreed *oldest_agreed(struct pasts *p)
{
	struct agreed *oldest = &p->agreed[0];

	for (size_t i = 1; i < PAST_AGREED; i++)
		if (p->agreed[i].used < oldest->used)
			oldest = &p->agreed[i];
	return oldest;
}

void pasts_agree(struct pasts *p, const struct pubkey *peer, const struct space_digest *both)
{
	struct agreed *g;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	g = find_agreed(p, peer, &both->space);
	if (!g)
		g = oldest_agreed(p);
	*g = (struct agreed){*peer, both->space, both->heads, ++p->clock};
	pthread_mutex_unlock(&p->lock);
}

bool pasts_agreed(struct pasts *p, const struct pubkey *peer, const struct hash *space,
		  struct hash *ret_state)
{
	struct agreed *g;

	if (!p)
		return false;
	pthread_mutex_lock(&p->lock);
	g = find_agreed(p, peer, space);
	if (g)
		*ret_state = g->digest;
	pthread_mutex_unlock(&p->lock);
	return g != NULL;
}

void pasts_forget(struct pasts *p, const struct pubkey *peer)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < PAST_AGREED; i++)
		if (pubkey_eq(&p->agreed[i].peer, peer))
			p->agreed[i].used = 0;
	pthread_mutex_unlock(&p->lock);
}
