/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Check and apply; and the short way, for an op that belongs at the end of its object. */
#include "appliance/community/community_priv.h"

bool op_allowed(const struct op *op)
{
	if (op->by_appliance)
		return (op->type->flags & OP_BY_APPLIANCE) && op->role == ROLE_APPLIANCE;
	return op->role > ROLE_APPLIANCE && op->role >= op->type->who;
}

struct error *fold_op(struct batch *b, struct object *o, const struct op *op)
{
	int feature = op_type_feature(b->c->community->table, op->type);
	struct fold f = {
		.conn = b->c, .space = op->space, .object = op->object, .arena = &b->arena};
	struct error *err;

	if (!op_allowed(op))
		return NULL;
	f.memo = feature >= 0 ? &b->memo[feature] : NULL;
	err = op->type->check ? op->type->check(&f, op) : NULL;
	if (!err && op->type->apply) {
		if (feature >= 0)
			o->features |= (uint64_t)1 << feature;
		err = op->type->apply(&f, op);
		arena_release(&b->arena);
		return err;
	}
	arena_release(&b->arena);
	/* A check that can't decide is this box's fault; one that refuses leaves the op without
	 * effect. */
	if (error_is(err, ERR_DB) || error_is(err, ERR_IO) || error_is(err, ERR_FULL) ||
	    error_is(err, ERR_CORRUPT) || error_is(err, ERR_NOMEM) || error_is(err, ERR_BUSY))
		return err;
	error_free(err);
	return NULL;
}

/* --- at the end --- */
static bool names(const struct op_rec *r, const struct hash *id)
{
	for (size_t i = 0; i < r->nseen; i++)
		if (hash_eq(&r->seen[i], id))
			return true;
	return false;
}

static bool is_head(const struct object *o, const struct hash *id)
{
	for (size_t i = 0; i < o->nheads; i++)
		if (hash_eq(&o->heads[i], id))
			return true;
	return false;
}

/* Is it the last in Kahn's order? When it saw all heads, or when its key is above all. */
static bool belongs_last(const struct object *o, const struct op_rec *r)
{
	bool saw_all = true;

	if (o->nheads > MAX_HEADS)
		return false;
	for (size_t i = 0; i < o->nheads; i++)
		saw_all = saw_all && (names(r, &o->heads[i]) || hash_eq(&o->heads[i], &o->id));
	if (saw_all)
		return true;
	return r->time > o->max_time ||
	       (r->time == o->max_time && hash_cmp(&r->id, &o->max_id) > 0);
}

/* Is somebody in the object waiting for this op? */
static struct error *is_missed(struct batch *b, const struct object *o, const struct hash *id,
			       bool *ret)
{
	int64_t found = 0;

	if (o->flags & OBJECT_MISSES)
		TRY(db_number(b->c->view, b->c->community->stmts, MISSING_GET, 0, &found, "ik",
			      o->num, id));
	*ret = found;
	return NULL;
}

/* Remember which ops it names that are not here. */
static struct error *note_missing(struct batch *b, struct object *o, const struct op_rec *r)
{
	for (size_t i = 0; i < r->nseen; i++) {
		struct op_rec named;

		if (hash_eq(&r->seen[i], &o->id) || is_head(o, &r->seen[i]))
			continue;
		TRY(rec_find(b->c, &r->seen[i], &named));
		if (named.num && named.object)
			continue;
		TRY(db_do(b->c->view, b->c->community->stmts, MISSING_ADD, "ik", o->num,
			  &r->seen[i]));
		o->flags |= OBJECT_MISSES;
	}
	return NULL;
}

static void become_head(struct object *o, const struct op_rec *r)
{
	bool first = o->nheads == 0;
	size_t keep = 0;

	for (size_t i = 0; i < o->nheads; i++)
		if (!names(r, &o->heads[i]) && !hash_eq(&o->heads[i], &o->id))
			o->heads[keep++] = o->heads[i];
	o->heads[keep] = r->id;
	o->nheads = keep + 1;
	if (first || r->time > o->max_time ||
	    (r->time == o->max_time && hash_cmp(&r->id, &o->max_id) > 0)) {
		o->max_time = r->time;
		o->max_id = r->id;
	}
	o->changed = true;
}

static bool creates(const struct object *o, const struct op_rec *r)
{
	return hash_eq(&o->id, &r->id);
}

/* What moderates takes effect with its batch; all else is as if it had not come yet. */
static bool can_wait(const struct op_rec *r, const struct op *op)
{
	return r->kind == OP_UNKNOWN ||
	       (r->kind == OP_CONTENT && !(op->type->flags & OP_AUTHORITY));
}

/* It stands somewhere before the end of its object. */
static void take_late(struct object *o, const struct op_rec *r, const struct op *op)
{
	if (!can_wait(r, op))
		o->dirty = true;
	else if (!(o->flags & OBJECT_LATE))
		o->changed = true;
	o->flags |= OBJECT_LATE;
}

struct error *object_take(struct batch *b, struct object *o, bool is_new, const struct op_rec *r,
			  const struct op *op)
{
	bool missed;

	if (o->dirty || r->role == ROLE_ABSENT)
		return NULL;
	if (creates(o, r) && (!is_new || r->kind != OP_CONTENT)) {
		o->dirty = !is_new;
		return NULL;
	}
	if (!creates(o, r) && !(o->flags & OBJECT_MADE))
		return NULL; /* it waits: the creating op will have all folded */
	if (o->flags & OBJECT_LATE && !(b->ours && belongs_last(o, r))) {
		take_late(o, r, op);
		return NULL;
	}
	TRY(is_missed(b, o, &r->id, &missed));
	if (missed || (!creates(o, r) && !belongs_last(o, r))) {
		take_late(o, r, op);
		return NULL;
	}
	if (creates(o, r))
		o->flags |= OBJECT_MADE;
	else
		TRY(note_missing(b, o, r));
	if (r->kind == OP_CONTENT)
		TRY(fold_op(b, o, op));
	become_head(o, r);
	return NULL;
}
