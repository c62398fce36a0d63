/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a hostile peer may cost: the real ledger, and our own count of what was stored. */
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

/* The terms of a peer; set anew for each, for boxes come. */
static void set_terms(struct world *w, int box, int peer)
{
	struct site *p = &w->at[box];

	if (w->at[peer].hostile)
		ledger_set(p->ledger, secret_pubkey(w->s.box[peer].key), 1, p->quota, 0);
}

bool quota_room(struct world *w, int self, int peer, const struct log_id *log,
		const struct ingest *run, uint64_t bytes)
{
	const struct site *p = &w->at[self];
	enum ledger_item over;

	if (!p->ledger)
		return true;
	set_terms(w, self, peer);
	over = ledger_room(p->ledger, secret_pubkey(w->s.box[peer].key), log, run ? run->first : 0,
			   run ? run->n : 0, bytes);
	if (over == LEDGER_ITEMS)
		return true;
	w->tally.no_room++;
	if (!w->at[peer].hostile)
		sim_die(&w->s, "no room for an honest peer", NULL, __FILE__, __LINE__);
	return false;
}

void quota_unused(struct world *w, int self, int peer, const struct log_id *log,
		  const struct ingest *run, size_t entries, uint64_t bytes)
{
	struct ledger *l = w->at[self].ledger;

	if (l)
		ledger_give_back(l, secret_pubkey(w->s.box[peer].key), log,
				 run && run->first == 1 && entries == run->n, entries, bytes);
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
