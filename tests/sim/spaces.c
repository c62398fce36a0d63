/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Several spaces in one world: who founds, who carries which, who is told. */
#include "tests/sim/world.h"
#include "tests/appliance/community/sim.h"

void world_enter(struct world *w, int space)
{
	w->here = space;
	w->s.space = w->space[space].id;
	w->s.is_private = w->space[space].sealed;
	w->s.stays = w->space[space].sealed ? w->space[space].founder : -1;
}

int space_at(const struct world *w, const struct hash *id)
{
	for (int k = 0; k < w->n_spaces; k++)
		if (hash_eq(&w->space[k].id, id))
			return k;
	return -1;
}

/* --- who is told, as sync/peer/exchange.c decides it --- */
bool box_shares(struct world *w, int self, const struct pubkey *peer, const struct hash *space)
{
	int k = space_at(w, space);

	if (pubkey_eq(peer, secret_pubkey(w->s.box[self].key)) || (w->at[self].hostile && k < 0))
		return true;
	return k >= 0 && w->at[self].wants[k] &&
	       log_shared_with(w->s.box[self].c->log, space, peer);
}

bool box_follows(struct world *w, int self, const struct pubkey *peer, const struct hash *space)
{
	int k = space_at(w, space);

	if (pubkey_eq(peer, secret_pubkey(w->s.box[self].key)))
		return true;
	return k >= 0 && w->at[self].wants[k] &&
	       log_followed_from(w->s.box[self].c->log, space, peer);
}

bool box_takes_part(struct world *w, int box, int space)
{
	const struct space_of *s = &w->space[space];

	if (w->at[box].hostile || !w->at[box].wants[space])
		return false;
	return box == s->founder || !s->sealed ||
	       log_shared_with(w->s.box[s->founder].c->log, &s->id,
			       secret_pubkey(w->s.box[box].key));
}

/* --- founding --- */
static struct error *found_private(struct box *b, const struct secret *steward,
				   struct hash *ret_space)
{
	TRY(conn_begin(b->c));
	TRY(community_found_private(b->c, "Junta", steward, "Founder", ret_space));
	return conn_commit(b->c);
}

static void admit_all(struct world *w, int space)
{
	struct sim *s = &w->s;
	int founder = w->space[space].founder;
	struct hash id;

	for (int i = 0; i < s->n; i++)
		if (i != founder && w->at[i].wants[space])
			sim_submit(s, founder, "appliance.admit", NULL, s->people[0],
				   json_pack("{s:s,s:s,s:s,s:b}", "key",
					     ID(secret_pubkey(s->box[i].key)), "name", "box",
					     "mode",
					     s->is_private && sim_chance(s, 20) ? "carry" : "write",
					     "keeper", (int)sim_chance(s, 20)),
				   &id);
	for (int i = 1; i < 4; i++)
		sim_submit(s, founder, "member.add", NULL, s->people[0],
			   json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(s->people[i])),
				     "name", "somebody", "role", i == 1 ? "steward" : "member"),
			   &id);
	sim_write_forum(s, founder);
}

static void found(struct world *w, int k)
{
	struct sim *s = &w->s;
	struct space_of *space = &w->space[k];

	/* One that keeps its word: boxes 0 and 1. */
	space->founder = k == 1 ? 1 : 0;
	space->sealed = sim_chance(s, k ? 35 : 20);
	for (int i = 0; i < s->n; i++)
		w->at[i].wants[k] =
			!k || i == space->founder || w->at[i].hostile || sim_chance(s, 60);
	if (space->sealed)
		NEED(s, found_private(&s->box[space->founder], s->people[0], &space->id));
	else
		NEED(s, box_found(&s->box[space->founder], s->people[0], &space->id));
	sim_say(s, "box %d founds space %d%s", space->founder, k,
		space->sealed ? ", which is private" : "");
	/* It has kept its word until now. */
	w->at[space->founder].honesty = DISK_HONEST;
	disk_set_honesty(w->at[space->founder].disk, DISK_HONEST);
	w->at[space->founder].hostile = false;
	w->n_spaces = k + 1;
	world_enter(w, k);
	s->acting = space->founder;
	admit_all(w, k);
}

void world_found(struct world *w)
{
	int n = 1;

	if (w->s.n <= 12 && w->s.n > 1 && sim_chance(&w->s, 35))
		n += 1 + (int)sim_below(&w->s, SPACES - 1);
	for (int k = 0; k < n; k++)
		found(w, k);
	world_enter(w, 0);
}

/* --- the end --- */
/* The links that a hostile box had do not count: the honest ones are joined without it. What not
 * everybody may carry comes from its founder. */
void spaces_link(struct world *w)
{
	for (int k = 0; k < w->n_spaces; k++) {
		const struct space_of *s = &w->space[k];
		int last = s->founder;

		for (int i = 0; i < w->s.n; i++) {
			if (w->at[i].hostile || !w->at[i].wants[k] || i == s->founder)
				continue;
			world_link(w, s->sealed ? s->founder : last, i);
			/* (what a box does not keep comes through none of it) */
			if (!keep_is_partial(&w->at[i].keep))
				last = i;
		}
	}
}

/* What a box does not carry is not there. */
static void check_carried(struct world *w, int box)
{
	struct hash ids[16];
	size_t n;

	NEED(&w->s, log_spaces(w->s.box[box].c->log, ids, ARRAY_LEN(ids), &n));
	for (size_t i = 0; i < n; i++) {
		int k = space_at(w, &ids[i]);

		if (k >= 0 && w->at[box].wants[k])
			continue;
		sim_say(&w->s, "box %d holds space %s (%d)", box, ID_SHORT(&ids[i]), k);
		sim_die(&w->s, "a space that the box does not carry", NULL, __FILE__, __LINE__);
	}
}

void spaces_check(struct world *w)
{
	for (int i = 0; i < w->s.n; i++)
		if (!w->at[i].hostile)
			check_carried(w, i);
}
