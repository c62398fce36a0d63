/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What receipts say of boxes that only read: they write no erase.done. */
#include "appliance/erased/erased_priv.h"
#include "sync/peer/receipt.h"

/* A receipt is a line first and signed by the other later: the last of them are looked at once
 * more. */
enum { LATE = 16, A_ROUND = 64 };

struct paper {
	struct hash id;
	struct pubkey peer;
	int64_t when_ms;
};

struct papers {
	int64_t from, newest;
	struct buf rows; /* struct paper, the newest first */
};

static struct error *add_paper(void *ctx, const struct receipt *r)
{
	struct papers *p = ctx;
	struct paper row = {r->id, r->peer, r->when_ms};

	if (r->num > p->newest)
		p->newest = r->num;
	if (r->state == RECEIPT_AGREED && r->num > p->from)
		buf_add(&p->rows, &row, sizeof(row));
	return NULL;
}

static struct error *note(struct conn *c, const struct paper *p)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct receipt_signed s;
	struct receipt_body body;

	TRY(receipt_get_signed(c->local, &p->id, &a, &s));
	TRY(receipt_read(s.bytes[ASKER], &a, &body));
	for (size_t i = 0; i < body.n_spaces; i++)
		if (receipt_space_equal(&body.spaces[i]))
			TRY(paper_add(c, &body.spaces[i].space, &p->peer, p->when_ms));
	return NULL;
}

struct error *erased_note_receipts(struct conn *c)
{
	_cleanup_(buf_release) struct buf rows = {0};
	struct papers p = {0};
	int64_t seen;
	struct error *e;
	bool any;

	TRY(done_any(c, &any));
	if (!any)
		return NULL;
	TRY(paper_seen(c, &seen));
	p.from = seen - LATE;
	e = receipt_each(c->local, NULL, seen ? A_ROUND : PEER_RECEIPTS, add_paper, &p);
	rows = p.rows; /* it goes with this scope */
	TRY(e);
	for (size_t i = rows.n / sizeof(struct paper); i-- > 0;)
		TRY(note(c, (const struct paper *)(void *)rows.p + i));
	return p.newest > seen ? paper_set_seen(c, p.newest) : NULL;
}
