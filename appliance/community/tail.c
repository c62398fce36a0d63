/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A log that was found forked, or that ended: what was live behind that place goes out of the view.
 */
#include "appliance/community/community_priv.h"

static struct error *gone_from_object(struct batch *b, const struct op_rec *r)
{
	if (r->kind == OP_ERASE)
		TRY(erase_queue_target(b, r));
	return batch_dirty(b, r->object);
}

struct error *op_without(struct batch *b, struct op_rec *r)
{
	bool changed;

	TRY(gone_from_object(b, r));
	if (r->kind == OP_RULES) {
		memory_touch(b->c);
		rules_forget(space_of_num(b->c, r->space)->rules, &r->id);
		space_of_num(b->c, r->space)->lacking++;
	}
	if (r->kind == OP_ERASE)
		TRY(db_do(b->c->view, b->c->community->stmts, ERASE_DROP, "i", r->num));
	r->kind = OP_NOT_HELD;
	r->object = 0;
	r->nseen = 0;
	r->flags &= ~(unsigned)(OP_IS_CLEAR | OP_CHECKED_AUTHOR);
	TRY(judge(b, r, &changed));
	return rec_set(b->c, r);
}

static struct error *see_held(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->live && e->state == PAYLOAD_HELD;
	return NULL;
}

struct error *op_recheck(struct batch *b, struct op_rec *r)
{
	bool held = false;

	if (r->kind == OP_NOT_HELD || r->kind == OP_GONE)
		return NULL;
	TRY(log_op(b->c->log, &r->id, see_held, &held));
	return held ? NULL : op_without(b, r);
}

/* The best place of the op is dead: another takes over, or the op goes. */
static struct error *drop_best(struct batch *b, struct op_rec *r, const struct vlog *l,
			       uint64_t from)
{
	struct places places;
	bool changed, found = false;

	TRY(rec_places(b->c, r, &b->arena, &places));
	TRY(gone_from_object(b, r));
	for (size_t i = 1; i < places.n && !found; i++) {
		found = places.p[i].log != l->num || places.p[i].seq < from;
		if (found)
			r->at = places.p[i];
	}
	if (!found)
		return rec_drop(b->c, r->num);
	TRY(db_do(b->c->view, b->c->community->stmts, PLACE_DROP, "iii", r->num, r->at.log,
		  (int64_t)r->at.seq));
	if (r->kind != OP_RULES)
		TRY(judge(b, r, &changed));
	if (erase_known(b->c, &r->id))
		batch_erasure(b, &r->id);
	TRY(rec_set(b->c, r));
	return op_recheck(b, r);
}

struct other {
	int64_t op;
	uint64_t seq;
};

/* Its other places, first, so that what is chosen instead is live. */
static struct error *drop_others(struct batch *b, const struct vlog *l, uint64_t from)
{
	_cleanup_(buf_release) struct buf rows = {0};
	sqlite3_stmt *st = db_stmt(b->c->community->stmts, PLACE_IN_LOG);
	struct error *e = NULL;

	db_bind(st, "ii", l->num, (int64_t)from);
	while (db_next(b->c->view, st, &e)) {
		buf_add(&rows, &(struct other){db_int(st, 0), (uint64_t)db_int(st, 1)},
			sizeof(struct other));
	}
	TRY(e);
	for (size_t at = 0; at < rows.n; at += sizeof(struct other)) {
		struct other o;
		struct op_rec r;
		bool changed;

		memcpy(&o, rows.p + at, sizeof(o));
		TRY(db_do(b->c->view, b->c->community->stmts, PLACE_DROP, "iii", o.op, l->num,
			  (int64_t)o.seq));
		TRY(rec_by_num(b->c, o.op, &r));
		if (!r.num)
			continue;
		TRY(op_recheck(b, &r));
		if (r.kind == OP_RULES)
			continue;
		TRY(judge(b, &r, &changed));
		TRY(rec_set(b->c, &r));
		if (changed)
			TRY(gone_from_object(b, &r));
		if (changed && erase_known(b->c, &r.id))
			batch_erasure(b, &r.id);
	}
	return NULL;
}

static struct error *shorten(struct batch *b, struct vlog *l, uint64_t top)
{
	l->top = top;
	l->top_hash = (struct hash){{0}};
	return top ? log_hash_at(b->c->log, l->num, top, &l->top_hash) : NULL;
}

static struct error *drop_tail(struct batch *b, struct vlog *l, uint64_t from)
{
	_cleanup_(recs_walk_release) struct recs_walk all = {
		.which = OPS_IN_LOG, .by = l->num, .from = from};
	struct space *s = b->c->community->m.spaces[l->space];
	struct op_rec *r;

	memory_touch(b->c);
	b->dropped = true;
	TRY(drop_others(b, l, from));
	for (;;) {
		TRY(recs_next(b->c, &all, &r));
		if (!r)
			break;
		TRY(drop_best(b, r, l, from));
		arena_release(&b->arena);
	}
	TRY(db_do(b->c->view, b->c->community->stmts, RUN_CUT, "ii", l->num, (int64_t)from));
	while (l->n && l->runs[l->n - 1].seq >= from)
		l->n--;
	if (l->settled > l->n)
		l->settled = l->n;
	if (l->top >= from)
		TRY(shorten(b, l, from - 1));
	l->stop = from;
	l->changed = true;
	rules_drop(s->rules, &l->id.appliance, l->id.incarnation, from);
	return NULL;
}

static struct error *is_same_chain(struct batch *b, const struct vlog *l,
				   const struct log_info *info, bool *ret)
{
	struct hash now;
	struct error *err;

	*ret = l->top <= info->head;
	if (!*ret || !l->top)
		return NULL;
	err = log_hash_at(b->c->log, l->num, l->top, &now);
	*ret = !err && hash_eq(&now, &l->top_hash);
	if (error_is(err, ERR_NOT_FOUND) || error_is(err, ERR_CORRUPT)) {
		error_free(err);
		return NULL;
	}
	return err;
}

static struct error *take_back(void *ctx, const struct stored *e)
{
	return take_entry(ctx, e);
}

struct error *log_look(struct batch *b, const struct log_info *info)
{
	struct vlog *l = vlog_of(b->c, info->num);
	uint64_t stop = log_stop(info);
	bool same;

	/* A log without entries in the view has nothing to lose; it is met when they come. */
	if (!l)
		return NULL;
	TRY(is_same_chain(b, l, info, &same));
	if (!same) {
		/* A header was never signed and went: what is there now is taken anew. */
		TRY(drop_tail(b, l, 1));
		l->stop = stop;
		return info->live ? log_range(b->c->log, l->num, 1, info->live, take_back, b)
				  : NULL;
	}
	if (stop && (!l->stop || stop < l->stop))
		return drop_tail(b, l, stop);
	return NULL;
}
