/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a hostile peer may cost: the real ledger, and our own count of what was stored. */
#include "sync/peer/room.h"
#include "tests/sim/world.h"

void quota_open(struct world *w, int box)
{
	struct site *p = &w->at[box];

	if (!w->quotas || p->hostile || p->ledger)
		return;
	p->ledger = ledger_new(&w->s.box[box].env.env);
	p->brought = calloc(SIM_BOXES + 1, sizeof(p->brought[0]));
	p->quota = 4000 + sim_below(&w->s, 60000);
	if (!p->brought)
		abort();
}

/* The terms of a peer; set anew for each, for boxes come. Once the quotas were lifted: as much as it likes,
 * of the honest, too, for they bring what the hostile wrote. */
static void set_terms(struct world *w, int box, int peer)
{
	struct site *p = &w->at[box];

	ledger_set(p->ledger, secret_pubkey(w->s.box[peer].key), p->quota ? 1 : 0,
		   w->at[peer].hostile ? p->quota : 0, 0);
}

static bool knows(void *ctx, const struct pubkey *key)
{
	const struct world *w = ctx;

	for (int i = 0; i < w->s.n; i++)
		if (pubkey_eq(secret_pubkey(w->s.box[i].key), key))
			return true;
	return false;
}

static struct room room_of(struct world *w, int self, int peer, const struct sync_host *host)
{
	return (struct room){.ledger = w->at[self].ledger,
			     .host = host,
			     .self = secret_pubkey(w->s.box[self].key),
			     .bringer = secret_pubkey(w->s.box[peer].key),
			     .log = w->s.box[self].c->log};
}

bool quota_room(struct world *w, int self, int peer, const struct log_id *log,
		const struct ingest *run, uint64_t bytes)
{
	const struct sync_host host = {.ctx = w, .is_peer = knows};
	struct room r = room_of(w, self, peer, &host);
	struct room_answer a;

	if (!r.ledger)
		return true;
	set_terms(w, self, peer);
	a = room_ask(&r, log, run, bytes);
	if (a.over == ROOM)
		return true;
	w->tally.no_room++;
	if (a.guilty && !w->at[peer].hostile)
		sim_die(&w->s, "an honest peer is to blame", NULL, __FILE__, __LINE__);
	return false;
}

void quota_unused(struct world *w, int self, int peer, const struct log_id *log,
		  const struct ingest *run, size_t entries, uint64_t bytes)
{
	const struct sync_host host = {.ctx = w, .is_peer = knows};
	struct room r = room_of(w, self, peer, &host);

	if (r.ledger)
		room_unused(&r, log, run, entries, bytes);
}

void quota_took(struct world *w, int box, int from, uint64_t bytes)
{
	struct site *p = &w->at[box];

	if (!p->ledger || !p->quota)
		return;
	p->brought[from] += bytes;
	if (!w->at[from].hostile || p->brought[from] <= p->quota)
		return;
	sim_say(&w->s, "box %d took %llu bytes of box %d, and %llu were allowed", box,
		(unsigned long long)p->brought[from], from, (unsigned long long)p->quota);
	sim_die(&w->s, "more than a quota", NULL, __FILE__, __LINE__);
}

/* A volunteer allows them more: what was known and not held is taken now. */
void quotas_lift(struct world *w)
{
	for (int i = 0; i < w->s.n; i++)
		w->at[i].quota = 0;
}

/* The ledger never counted less than was stored. */
void quotas_check(struct world *w)
{
	for (int i = 0; i < w->s.n; i++)
		for (int k = 0; k < w->s.n && w->at[i].ledger; k++) {
			struct ledger_row row;

			ledger_get(w->at[i].ledger, secret_pubkey(w->s.box[k].key), &row);
			if (w->at[k].hostile && row.total.n[LEDGER_BYTES] < w->at[i].brought[k])
				sim_die(&w->s, "bytes that no ledger counts", NULL, __FILE__,
					__LINE__);
		}
}
