/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Taking into the view what the log has and it has not. */
#include "appliance/community/community_priv.h"

enum { HURRY = 128 }; /* arrivals in a batch from which on it is no ordinary one */
/* Ops that an ordinary one may fold again at once: some of its own, and for each arrival some more.
 */
enum { SPARE = 64, SPARE_EACH = 4 };
#define SPARE_BY_ARRIVALS SIZE_MAX

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

struct catch_up_how {
	size_t max;
	bool look, lazy, ours;
	size_t spare; /* see struct batch */
};

static struct error *finish(struct catching *k, const struct catch_up_how *how)
{
	if (!k->n && !k->b.dropped)
		return NULL;
	k->b.lazy = how->lazy;
	k->b.spare = how->spare;
	if (how->spare == SPARE_BY_ARRIVALS)
		k->b.spare = k->n >= HURRY ? 0 : SPARE + SPARE_EACH * k->n;
	TRY(batch_finish(&k->b));
	return remember(k);
}

static struct error *catch_up(struct conn *c, const struct catch_up_how *how, bool *ret_more)
{
	struct catching k = {.b = {.c = c, .ours = how->ours}};
	struct memory *m = &c->community->m;
	int64_t losses = log_losses(c->log);
	struct error *err = memory_load(c);

	*ret_more = false;
	c->community->hurries = false;
	if (!err && how->look && m->losses != losses) {
		memory_touch(c);
		err = look_at_logs(&k.b);
		m->losses = losses;
	}
	if (!err)
		err = log_arrivals(c->log, m->last, how->max, one_arrival, &k);
	c->community->hurries = k.n >= HURRY;
	if (!err)
		err = finish(&k, how);
	*ret_more = how->max && k.n == how->max;
	if (!err && !*ret_more)
		err = show_sharing(c);
	batch_release(&k.b);
	return err;
}

/* Others may have changed who reads: keys that are owed are handed out. */
static struct error *catch_up_and_owe(struct conn *c, const struct catch_up_how *how,
				      bool *ret_more)
{
	TRY(catch_up(c, how, ret_more));
	return *ret_more ? NULL : keys_settle_all(c);
}

struct error *community_catch_up(struct conn *c, size_t max, bool *ret_more)
{
	return catch_up_and_owe(c, &(struct catch_up_how){.max = max, .look = true}, ret_more);
}

struct error *catch_up_lazily(struct conn *c, size_t spare)
{
	struct catch_up_how how = {.look = true, .lazy = true, .spare = spare};
	bool more;

	return catch_up_and_owe(c, &how, &more);
}

struct error *community_take_in(struct conn *c)
{
	return catch_up_lazily(c, SPARE_BY_ARRIVALS);
}

/* --- what was put off --- */
static struct error *changed(struct conn *c)
{
	c->community->changed = true;
	c->community->generation++;
	return meta_set(c, META_GENERATION, (int64_t)c->community->generation);
}

struct error *tidy_features(struct conn *c)
{
	const struct feature *const *list = c->community->features;

	for (int i = 0; list[i]; i++)
		if (list[i]->tidy)
			TRY(list[i]->tidy(c));
	return changed(c);
}

/* The next of the late objects, round and round: what is late again soon holds up no other. */
static struct error *next_late(struct conn *c, int64_t *ret)
{
	struct community *k = c->community;

	TRY(db_number(c->view, k->stmts, OBJECT_NEXT_LATE, 0, ret, "i", k->late_at));
	if (*ret || !k->late_at)
		return NULL;
	return db_number(c->view, k->stmts, OBJECT_NEXT_LATE, 0, ret, "i", (int64_t)0);
}

static struct error *gather_late(struct batch *b)
{
	struct community *k = b->c->community;
	int64_t num, ops, sum = 0, first = 0;

	for (;;) {
		TRY(next_late(b->c, &num));
		if (!num || num == first || sum >= TIDY_PIECE)
			return NULL;
		first = first ? first : num;
		k->late_at = num;
		TRY(db_number(b->c->view, k->stmts, OPS_COUNT, 0, &ops, "ii", num,
			      (int64_t)TIDY_PIECE));
		sum += ops + 1;
		TRY(batch_dirty(b, num));
	}
}

static struct error *fold_late(struct conn *c, bool *ret_any)
{
	struct batch b = {.c = c};
	struct error *err = memory_load(c);

	if (!err)
		err = gather_late(&b);
	*ret_any = !err && b.objects_n > 0;
	/* Most of it was there before: lists need not be put in order for each piece. */
	c->community->hurries = true;
	if (*ret_any)
		err = batch_finish(&b);
	batch_release(&b);
	if (!err && *ret_any)
		err = changed(c);
	return err;
}

struct error *tidy_piece(struct conn *c, bool *ret_more)
{
	struct error *err;

	c->community->gives_way = true;
	db_give_up(c->view, c->community->waits, c->community->waits_ctx);
	err = fold_late(c, ret_more);
	db_give_up(c->view, NULL, NULL);
	c->community->gives_way = false;
	TRY(err);
	return *ret_more ? NULL : tidy_features(c);
}

void conn_give_way(struct conn *c, bool (*waits)(void *ctx), void *ctx)
{
	c->community->waits = waits;
	c->community->waits_ctx = ctx;
}

struct error *give_way(const struct conn *c)
{
	const struct community *k = c->community;

	ENSURE(!k->gives_way || !k->waits || !k->waits(k->waits_ctx),
	       error_new(ERR_BUSY, N_("The pages are just being made anew. Try again soon.")));
	return NULL;
}

struct error *object_freshen(struct conn *c, const struct hash *space, const struct hash *id)
{
	struct batch b = {.c = c};
	struct error *err = memory_load(c);
	const struct space *s = err ? NULL : space_of(c, space);
	int64_t most = (int64_t)c->community->at_once + 1, ops = 0;
	struct object o = {0};

	if (s)
		err = object_find(c, id, s->num, &o);
	if (err || !(o.num && o.flags & OBJECT_LATE))
		return err;
	TRY(db_number(c->view, c->community->stmts, OPS_COUNT, 0, &ops, "ii", o.num, most));
	if (ops >= most)
		return NULL;
	c->community->hurries = false;
	err = batch_dirty(&b, o.num);
	if (!err)
		err = batch_finish(&b);
	batch_release(&b);
	return err ? err : changed(c);
}

bool conn_hurries(const struct conn *c)
{
	return c->community->hurries;
}

void conn_tidy_later(struct conn *c)
{
	c->community->untidy = true;
}

static const struct catch_up_how in_parts = {.max = CATCH_UP_PART, .look = true, .lazy = true};

struct error *catch_up_part(struct conn *c, bool *ret_more)
{
	TRY(catch_up(c, &in_parts, ret_more));
	return *ret_more ? NULL : tidy_piece(c, ret_more);
}

struct error *catch_up_at_start(struct conn *c, bool *ret_more)
{
	return catch_up_and_owe(c, &in_parts, ret_more);
}

struct error *catch_up_own(struct conn *c)
{
	struct catch_up_how how = {.lazy = true, .ours = true, .spare = c->community->at_once};
	bool more;

	return catch_up(c, &how, &more);
}
