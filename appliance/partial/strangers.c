/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/partial/strangers.h"
#include "appliance/partial/partial_priv.h"
#include "sync/base/day.h"

/* --- what is known of one --- */
struct looking {
	struct conn *c;
	struct ledger *l;
	stranger_fn *fn;
	void *ctx;
	struct stranger s;
};

static struct error *is_known(struct conn *c, const struct pubkey *key, bool *ret)
{
	struct peer p;
	struct error *e;

	*ret = pubkey_eq(key, conn_self(c));
	if (*ret)
		return NULL;
	e = peer_get(c->local, key, &p);
	*ret = !e;
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, NULL);
	return e;
}

static struct error *look_at_log(void *ctx, const struct log_info *info)
{
	struct looking *k = ctx;
	struct stranger *s = &k->s;
	bool brought = s->has_bringer && pubkey_eq(&info->id.appliance, &s->bringer);
	bool known, wrote = false;

	if (s->known_wrote || (brought && s->bringer_wrote))
		return NULL;
	TRY(is_known(k->c, &info->id.appliance, &known));
	if (known)
		TRY(log_has_person(k->c->log, info->num, &wrote));
	s->bringer_wrote |= brought && wrote;
	s->known_wrote |= !brought && wrote;
	return NULL;
}

/* With who brought it in k->s. */
static struct error *look_into(struct looking *k, const struct hash *space)
{
	TRY(log_founder(k->c->log, space, &k->s.founder));
	TRY(is_known(k->c, &k->s.founder, &k->s.founder_known));
	TRY(partial_is_wanted(k->c, space, &k->s.wanted));
	return log_each(k->c->log, space, look_at_log, k);
}

static struct error *look_at_space(void *ctx, const struct space_info *space)
{
	struct looking *k = ctx;
	struct stranger *s = &k->s;
	struct brought b = {.day = 0};
	struct log_counts n;

	if (space->own)
		return NULL;
	*s = (struct stranger){.space = *space};
	s->has_bringer = ledger_brought(k->l, &space->id, &b);
	s->bringer = b.peer;
	s->day = b.day;
	TRY(log_count(k->c->log, &space->id, &n));
	s->entries = n.entries;
	TRY(look_into(k, &space->id));
	return k->fn(k->ctx, s);
}

struct error *stranger_matters(struct conn *c, const struct hash *space, bool *ret)
{
	struct looking k = {.c = c};

	TRY(look_into(&k, space));
	*ret = !stranger_is_unwanted(&k.s);
	return NULL;
}

struct error *strangers_each(struct conn *c, struct ledger *l, stranger_fn *fn, void *ctx)
{
	return space_each_here(c, look_at_space,
			       &(struct looking){.c = c, .l = l, .fn = fn, .ctx = ctx});
}

struct error *strangers_ledger(struct app *a, struct conn *c, struct ledger **ret_own,
			       struct ledger **ret)
{
	_cleanup_(ledger_freep) struct ledger *own = NULL;

	*ret_own = NULL;
	if (a->sync) {
		*ret = sync_ledger(a->sync);
		return NULL;
	}
	own = ledger_new(a->env);
	TRY(ledger_load(own, c->local));
	*ret = *ret_own = STEAL(own);
	return NULL;
}

/* --- letting go, and wanting --- */
struct error *stranger_let_go(struct conn *c, struct ledger *l, const struct hash *space)
{
	struct space_info s;

	TRY(space_get_here(c, space, &s));
	ENSURE(!s.own, error_new(ERR_INVALID, N_("What was founded here is always kept.")));
	TRY(log_let_go(c->log, space, env_now(c->env)));
	TRY(partial_want(c, space, false));
	ledger_brought_settled(l, space);
	return community_repaint(c);
}

struct error *stranger_keep(struct conn *c, struct ledger *l, const struct hash *space)
{
	TRY(log_let_go(c->log, space, 0));
	TRY(partial_keep_space(c, space, true));
	TRY(partial_want(c, space, true));
	ledger_brought_settled(l, space);
	return community_repaint(c);
}

/* --- giving way --- */
struct places {
	struct ledger *l;
	struct buf all; /* struct stranger, those that nobody wants */
};

/* What somebody wants by now takes no place any more. */
static struct error *add_unwanted(void *ctx, const struct stranger *s)
{
	struct places *p = ctx;

	if (stranger_is_unwanted(s))
		buf_add(&p->all, s, sizeof(*s));
	else
		ledger_brought_settled(p->l, &s->space.id);
	return NULL;
}

static size_t count_of(const struct stranger *all, size_t n, const struct stranger *like)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += all[i].has_bringer == like->has_bringer &&
		       pubkey_eq(&all[i].bringer, &like->bringer);
	return sum;
}

/* Whose places are taken: those of who brings one more, when it has as many as it may; else of who
 * has the most. The key comes back as a stranger of that bringer; zero without bringer is one, too.
 */
static struct stranger crowd(const struct stranger *all, size_t n, const struct pubkey *bringer)
{
	struct stranger most = {.has_bringer = true, .bringer = *bringer};
	size_t of_most = count_of(all, n, &most);

	if (of_most >= LIMIT_STRANGE_BROUGHT)
		return most;
	for (size_t i = 0; i < n; i++) {
		size_t of = count_of(all, n, &all[i]);

		if (of > of_most) {
			of_most = of;
			most = all[i];
		}
	}
	return most;
}

/* First those in which not even who brought them wrote; of them the oldest. */
static int by_turn(const void *a, const void *b)
{
	const struct stranger *x = a, *y = b;

	if (x->bringer_wrote != y->bringer_wrote)
		return x->bringer_wrote - y->bringer_wrote;
	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return hash_cmp(&x->space.id, &y->space.id);
}

struct error *strangers_give_way(struct conn *c, struct ledger *l, const struct pubkey *bringer,
				 size_t *ret_n)
{
	struct places p = {.l = l};
	int64_t today = day_of(env_now(c->env));
	struct error *e = strangers_each(c, l, add_unwanted, &p);
	struct stranger *all = (struct stranger *)(void *)p.all.p, like;
	size_t n = p.all.n / sizeof(*all);

	*ret_n = 0;
	if (n && !e) {
		like = crowd(all, n, bringer);
		qsort(all, n, sizeof(*all), by_turn);
	}
	for (size_t i = 0; !e && i < n && *ret_n < STRANGERS_GO; i++) {
		if (count_of(&all[i], 1, &like) == 0 || all[i].day > today - LIMIT_STRANGE_DAYS)
			continue;
		e = stranger_let_go(c, l, &all[i].space.id);
		++*ret_n;
	}
	buf_release(&p.all);
	return e;
}
