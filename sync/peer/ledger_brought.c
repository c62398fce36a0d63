/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who brought a space first. */
#include "sync/base/limits.h"
#include "sync/peer/ledger_priv.h"
#include <string.h>

static struct ledger_brought *find(struct ledger *l, const struct hash *space)
{
	for (size_t i = 0; i < l->n_brought; i++)
		if (hash_eq(&l->brought[i].of.space, space))
			return &l->brought[i];
	return NULL;
}

/* Of more than are remembered one gives way: the oldest of those that count for nobody. */
static struct ledger_brought *place(struct ledger *l)
{
	struct ledger_brought *oldest = NULL;

	if (!l->brought)
		l->brought = calloc(LIMIT_BROUGHT, sizeof(*l->brought));
	if (!l->brought)
		abort();
	if (l->n_brought < LIMIT_BROUGHT)
		return &l->brought[l->n_brought++];
	for (size_t i = 0; i < l->n_brought; i++) {
		struct ledger_brought *b = &l->brought[i];

		if (!oldest || b->of.counts < oldest->of.counts ||
		    (b->of.counts == oldest->of.counts && b->of.day < oldest->of.day))
			oldest = b;
	}
	return oldest;
}

void ledger_brings(struct ledger *l, const struct pubkey *peer, const struct hash *space,
		   bool strange)
{
	struct ledger_brought *b;

	pthread_mutex_lock(&l->lock);
	b = find(l, space);
	if (!b)
		b = place(l);
	*b = (struct ledger_brought){
		.of = {.space = *space, .peer = *peer, .day = ledger_day(l), .counts = strange},
		.changed = true};
	l->changed = true;
	pthread_mutex_unlock(&l->lock);
}

bool ledger_brought(struct ledger *l, const struct hash *space, struct brought *ret)
{
	const struct ledger_brought *b;

	pthread_mutex_lock(&l->lock);
	b = find(l, space);
	if (b)
		*ret = b->of;
	pthread_mutex_unlock(&l->lock);
	return b != NULL;
}

size_t ledger_brought_by(struct ledger *l, const struct pubkey *peer, const struct hash *spaces,
			 size_t n)
{
	size_t sum = 0;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < n; i++) {
		const struct ledger_brought *b = find(l, &spaces[i]);

		sum += b && b->of.counts && pubkey_eq(&b->of.peer, peer);
	}
	pthread_mutex_unlock(&l->lock);
	return sum;
}

void ledger_brought_settled(struct ledger *l, const struct hash *space)
{
	struct ledger_brought *b;

	pthread_mutex_lock(&l->lock);
	b = find(l, space);
	if (b && b->of.counts) {
		b->of.counts = false;
		b->changed = l->changed = true;
	}
	pthread_mutex_unlock(&l->lock);
}

void ledger_brought_load(struct ledger *l, const struct brought *b)
{
	if (!find(l, &b->space))
		*place(l) = (struct ledger_brought){.of = *b};
}
