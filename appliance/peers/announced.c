/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/announced.h"

/* It was no such number: for a while none is heard. */
static void disbelieve(struct announced_row *r, int64_t now)
{
	r->believed = false;
	r->deaf_ms = now + ((int64_t)ANNOUNCED_MS << r->times);
	r->times += r->times < ANNOUNCED_DOUBLINGS;
}

/* The row; of more than there is place for the one that is not believed and was heard of longest
 * ago gives way. NULL: there is none. */
static struct announced_row *row_of(struct announced *a, const struct peers_announced *said)
{
	struct announced_row *oldest = NULL;

	for (size_t i = 0; i < a->n; i++) {
		struct announced_row *r = &a->rows[i];

		if (pubkey_eq(&r->said.peer, &said->peer) && hash_eq(&r->said.space, &said->space))
			return r;
		if (!r->believed && (!oldest || r->mark_ms < oldest->mark_ms))
			oldest = r;
	}
	if (a->n < PEERS_ANNOUNCED)
		oldest = &a->rows[a->n++];
	if (oldest)
		*oldest = (struct announced_row){.said = *said};
	return oldest;
}

void announced_hear(struct announced *a, const struct peers_announced *said, int64_t now)
{
	struct announced_row *r = row_of(a, said);

	if (!r || now < r->deaf_ms)
		return;
	if (!r->believed) {
		r->mark = UINT64_MAX;
		r->mark_ms = now;
	}
	r->believed = true;
	r->said.entries = said->entries;
}

static void weigh(struct announced_row *r, uint64_t moved, uint64_t left, int64_t now)
{
	if (left == 0) { /* it has come */
		r->believed = false;
		r->times = 0;
	} else if (moved < left / ANNOUNCED_PART + 1) {
		disbelieve(r, now);
	} else if (left <= r->mark / 2) {
		r->mark = left;
		r->mark_ms = now;
	}
}

void announced_ended(struct announced *a, const struct pubkey *peer, uint64_t moved,
		     announced_left_fn *left, void *ctx, int64_t now)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->rows[i].believed && pubkey_eq(&a->rows[i].said.peer, peer))
			weigh(&a->rows[i], moved, left(ctx, &a->rows[i].said), now);
}

void announced_forget(struct announced *a, const struct pubkey *peer)
{
	for (size_t i = 0; i < a->n; i++)
		if (pubkey_eq(&a->rows[i].said.peer, peer))
			a->rows[i].believed = false;
}

size_t announced_list(struct announced *a, int64_t now, struct peers_announced out[PEERS_ANNOUNCED])
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++) {
		struct announced_row *r = &a->rows[i];

		if (r->believed && now - r->mark_ms > ANNOUNCED_MS)
			disbelieve(r, now);
		if (r->believed)
			out[n++] = r->said;
	}
	return n;
}
