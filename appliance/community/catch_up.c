/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Taking into the view what the log has and it has not. */
#include "appliance/community/community_priv.h"

enum { HURRY = 128 }; /* arrivals in a batch from which on it is no ordinary one */

struct catching {
	struct batch b;
	size_t n;
	struct hash last_op;
};

static struct error *one_arrival(void *ctx, const struct stored *e)
{
	struct catching *k = ctx;

	k->n++;
	k->b.c->community->m.last = e->num;
	k->last_op = e->op_id;
	memory_touch(k->b.c);
	return take_entry(&k->b, e);
}

struct looking {
	struct log_info *p;
	size_t n, cap;
};

static struct error *collect_log(void *ctx, const struct log_info *info)
{
	struct looking *k = ctx;

	if (k->n == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 64;
		k->p = realloc(k->p, k->cap * sizeof(k->p[0]));
		if (!k->p)
			abort();
	}
	k->p[k->n++] = *info;
	return NULL;
}

/* Forks and ends are no arrivals: compare all logs with what the view thinks of them. */
static struct error *look_at_logs(struct batch *b)
{
	struct looking k = {0};
	struct error *err = log_each(b->c->log, NULL, collect_log, &k);

	for (size_t i = 0; i < k.n && !err; i++)
		err = log_look(b, &k.p[i]);
	free(k.p);
	return err;
}

static struct error *remember(struct catching *k)
{
	struct conn *c = k->b.c;
	int64_t op;

	c->community->changed = true;
	c->community->generation++;
	memcpy(&op, &k->last_op, sizeof(op));
	if (k->n)
		TRY(meta_set(c, META_LAST_OP, op));
	TRY(meta_set(c, META_LAST, c->community->m.last));
	return meta_set(c, META_GENERATION, (int64_t)c->community->generation);
}

static struct error *catch_up(struct conn *c, size_t max, bool look, bool *ret_more)
{
	struct catching k = {.b = {.c = c}};
	struct memory *m = &c->community->m;
	int64_t losses = log_losses(c->log);
	struct error *err = memory_load(c);

	*ret_more = false;
	c->community->hurries = false;
	if (!err && look && m->losses != losses) {
		memory_touch(c);
		err = look_at_logs(&k.b);
		m->losses = losses;
	}
	if (!err)
		err = log_arrivals(c->log, m->last, max, one_arrival, &k);
	c->community->hurries = k.n >= HURRY;
	if (!err && (k.n || k.b.dropped))
		err = batch_finish(&k.b);
	if (!err && (k.n || k.b.dropped))
		err = remember(&k);
	*ret_more = max && k.n == max;
	batch_release(&k.b);
	return err;
}

struct error *community_catch_up(struct conn *c, size_t max, bool *ret_more)
{
	TRY(catch_up(c, max, true, ret_more));
	/* Others may have changed who reads: keys that are owed are handed out. */
	return *ret_more ? NULL : keys_settle_all(c);
}

struct error *tidy_features(struct conn *c)
{
	const struct feature *const *list = c->community->features;

	for (int i = 0; list[i]; i++)
		if (list[i]->tidy)
			TRY(list[i]->tidy(c));
	c->community->untidy = false;
	c->community->changed = true;
	c->community->generation++;
	return meta_set(c, META_GENERATION, (int64_t)c->community->generation);
}

bool conn_hurries(const struct conn *c)
{
	return c->community->hurries;
}

void conn_tidy_later(struct conn *c)
{
	c->community->untidy = true;
}

struct error *catch_up_part(struct conn *c, bool *ret_more)
{
	TRY(catch_up(c, CATCH_UP_PART, true, ret_more));
	return *ret_more ? NULL : tidy_features(c);
}

struct error *catch_up_own(struct conn *c)
{
	bool more;

	return catch_up(c, 0, false, &more);
}
