/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Taking one entry into the view. */
#include "appliance/community/community_priv.h"

static bool has_authority(const struct op *op, enum op_kind kind)
{
	return kind == OP_RULES || kind == OP_ERASE ||
	       (kind == OP_CONTENT && (op->type->flags & OP_AUTHORITY));
}

static struct space *space_at(struct batch *b, const struct vlog *l)
{
	return b->c->community->m.spaces[l->space];
}

static void settle_first(struct batch *b, struct space *s)
{
	/* What breaks the order of things is settled once, at the end of the batch. */
	if (rules_unsettled(s->rules) && !rules_is_broken(s->rules))
		settle_space(b->c, s);
}

static struct place place_of(const struct vlog *l, uint64_t seq)
{
	return (struct place){l->id.appliance, l->id.incarnation, seq};
}

/* --- an op that was not here --- */
static struct error *take_rules(struct batch *b, const struct vlog *l, struct op_rec *r,
				struct op *op)
{
	struct place at = place_of(l, r->at.seq);

	memory_touch(b->c);
	if (!rules_add(space_at(b, l)->rules, op, &at))
		r->kind = OP_MALFORMED;
	r->role = ROLE_NONE;
	TRY(log_need(b->c->log, &r->id));
	return rec_add(b->c, r);
}

static struct error *take_content(struct batch *b, const struct vlog *l, struct op_rec *r,
				  struct op *op)
{
	struct object *o;
	bool is_new, changed;

	settle_first(b, space_at(b, l));
	TRY(batch_object(b, r->space, &op->object, &o, &is_new));
	r->object = o->num;
	memcpy(r->seen, op->seen, op->nseen * sizeof(op->seen[0]));
	r->nseen = op->nseen;
	TRY(judge(b, r, &changed));
	TRY(rec_add(b->c, r));
	op->role = r->role > 0 ? (enum role)r->role : ROLE_NONE;
	if (r->kind == OP_ERASE)
		TRY(erase_note(b, r, op));
	if (erase_known(b->c, &r->id)) {
		batch_erasure(b, &r->id);
		o->dirty = true;
		return NULL;
	}
	return object_take(b, o, is_new, r, op);
}

static void note_form(struct op_rec *r, const struct op *op)
{
	bool clear = r->kind == OP_CONTENT && op->type->flags & OP_CLEAR;

	r->flags = clear ? r->flags | OP_IS_CLEAR : r->flags & ~(unsigned)OP_IS_CLEAR;
}

static struct error *take_other(struct batch *b, struct op_rec *r)
{
	bool changed;

	TRY(judge(b, r, &changed));
	TRY(rec_add(b->c, r));
	if (r->kind == OP_GONE || erase_known(b->c, &r->id))
		batch_erasure(b, &r->id);
	return NULL;
}

static struct error *take_new(struct batch *b, const struct vlog *l, const struct stored *e,
			      const struct entry *h)
{
	struct op_rec r = {.id = e->op_id,
			   .space = space_at(b, l)->num,
			   .at = {e->log, e->seq},
			   .by_appliance = h->flags & ENTRY_BY_APPLIANCE,
			   .time = h->time,
			   .role = ROLE_ABSENT,
			   .flags = h->flags & ENTRY_SEALED ? OP_IS_SEALED : 0};
	json_t *body = NULL;
	struct error *err;
	struct op op;

	TRY(memory_key(b->c, &h->author, &r.author));
	rec_op(b->c, &r, &op);
	op.rules = h->rules;
	op.epoch = h->epoch;
	if (e->state == PAYLOAD_ERASED)
		r.kind = OP_GONE;
	else if (e->state == PAYLOAD_HELD)
		TRY(op_classify(b->c, e->payload, &op, &body, &r.kind));
	/* Without its author's signature there is no op of authority here; the audit ends the log.
	 */
	if (has_authority(&op, r.kind) && !entry_verify_author(&e->raw)) {
		json_decref(body);
		return NULL;
	}
	if (has_authority(&op, r.kind))
		r.flags |= OP_CHECKED_AUTHOR;
	note_form(&r, &op);
	if (r.kind == OP_RULES)
		err = take_rules(b, l, &r, &op);
	else if (r.kind == OP_CONTENT || r.kind == OP_UNKNOWN || r.kind == OP_ERASE)
		err = take_content(b, l, &r, &op);
	else
		err = take_other(b, &r);
	json_decref(body);
	return err;
}

/* --- an op that is here already --- */
static struct error *has_place(struct batch *b, const struct op_rec *r, const struct op_at *at,
			       bool *ret)
{
	struct places places;

	*ret = r->at.log == at->log && r->at.seq == at->seq;
	if (*ret)
		return NULL;
	TRY(rec_places(b->c, r, &b->arena, &places));
	for (size_t i = 0; i < places.n; i++)
		*ret |= places.p[i].log == at->log && places.p[i].seq == at->seq;
	return NULL;
}

/* One more entry carries it. */
static struct error *add_place(struct batch *b, const struct vlog *l, const struct stored *e,
			       struct op_rec *r)
{
	bool changed = false;

	TRY(db_do(b->c->view, b->c->community->stmts, PLACE_ADD, "iii", r->num, e->log,
		  (int64_t)e->seq));
	r->flags |= OP_MANY_PLACES;
	if (r->kind == OP_RULES) {
		struct place at = place_of(l, e->seq);
		struct op op;

		rec_op(b->c, r, &op);
		memory_touch(b->c);
		rules_add(space_at(b, l)->rules, &op, &at);
		return rec_set(b->c, r);
	}
	settle_first(b, space_at(b, l));
	TRY(judge(b, r, &changed));
	TRY(rec_set(b->c, r));
	if (!changed)
		return NULL;
	if (r->kind == OP_ERASE)
		TRY(erase_queue_target(b, r));
	if (erase_known(b->c, &r->id))
		batch_erasure(b, &r->id);
	return batch_dirty(b, r->object);
}

/* Entries that carry an op of authority without its author's signature don't count. */
struct check {
	struct batch *b;
	struct op_rec *r;
	size_t good;
	struct op_at first;
};

static struct error *check_place(void *ctx, const struct stored *e)
{
	struct check *k = ctx;
	struct op_at at = {e->log, e->seq};
	bool known;

	TRY(has_place(k->b, k->r, &at, &known));
	if (!known)
		return NULL;
	if (!entry_verify_author(&e->raw)) {
		return db_do(k->b->c->view, k->b->c->community->stmts, PLACE_DROP, "iii", k->r->num,
			     at.log, (int64_t)at.seq);
	}
	if (k->good++ == 0)
		k->first = at;
	return NULL;
}

static struct error *check_places(struct batch *b, struct op_rec *r, bool *ret_any)
{
	struct check k = {.b = b, .r = r};

	TRY(log_op(b->c->log, &r->id, check_place, &k));
	*ret_any = k.good > 0;
	if (!k.good)
		return rec_drop(b->c, r->num);
	r->at = k.first;
	return db_do(b->c->view, b->c->community->stmts, PLACE_DROP, "iii", r->num, k.first.log,
		     (int64_t)k.first.seq);
}

static struct error *fill_rules(struct batch *b, struct op_rec *r, const struct op *op)
{
	struct space *s = space_of_num(b->c, r->space);
	struct places places;

	TRY(rec_places(b->c, r, &b->arena, &places));
	memory_touch(b->c);
	s->lacking -= s->lacking > 0;
	s->shared = false;
	for (size_t i = 0; i < places.n; i++) {
		const struct vlog *l = vlog_of(b->c, places.p[i].log);
		struct place at = place_of(l, places.p[i].seq);

		if (!rules_add(space_at(b, l)->rules, op, &at))
			r->kind = OP_MALFORMED;
	}
	r->role = ROLE_NONE;
	TRY(log_need(b->c->log, &r->id));
	return rec_set(b->c, r);
}

/* The payload of an op that was known by its header came. */
struct error *take_payload(struct batch *b, struct op_rec *r, struct op *op, enum op_kind kind)
{
	bool was_in_object = r->object != 0, any = true, changed;
	struct object *o = NULL;
	bool is_new = false;

	TRY(batch_dirty(b, r->object));
	if (has_authority(op, kind)) {
		TRY(check_places(b, r, &any));
		r->flags |= OP_CHECKED_AUTHOR;
	}
	if (!any)
		return NULL;
	r->kind = kind;
	note_form(r, op);
	r->object = 0;
	r->nseen = 0;
	if (kind == OP_RULES)
		return fill_rules(b, r, op);
	settle_first(b, space_of_num(b->c, r->space));
	if (kind != OP_MALFORMED && kind != OP_SEALED) {
		TRY(batch_object(b, r->space, &op->object, &o, &is_new));
		r->object = o->num;
		memcpy(r->seen, op->seen, op->nseen * sizeof(op->seen[0]));
		r->nseen = op->nseen;
	}
	TRY(judge(b, r, &changed));
	TRY(rec_set(b->c, r));
	op->role = r->role > 0 ? (enum role)r->role : ROLE_NONE;
	if (kind == OP_ERASE)
		TRY(erase_note(b, r, op));
	if (erase_known(b->c, &r->id))
		batch_erasure(b, &r->id);
	/* An object was without this op: it joins as a new one does, so that filling a log from its
	 * newest entries down does not fold a topic again for each batch of its older posts. */
	if (o && (was_in_object || erase_known(b->c, &r->id)))
		o->dirty = true;
	else if (o)
		return object_take(b, o, is_new, r, op);
	return NULL;
}

/* The view knows of it, and what it says was not here when the rules were read: it has come again. */
static bool is_lacked(struct batch *b, const struct vlog *l, const struct op_rec *r)
{
	const struct space *s = space_at(b, l);

	return r->kind == OP_RULES && s->lacking && !rules_knows(s->rules, &r->id);
}

static struct error *take_again(struct batch *b, const struct vlog *l, const struct stored *e,
				const struct entry *h, struct op_rec *r)
{
	bool authority = r->flags & OP_CHECKED_AUTHOR;
	struct op_at at = {e->log, e->seq};
	enum op_kind kind;
	struct error *err;
	json_t *body;
	struct op op;
	bool known;

	TRY(has_place(b, r, &at, &known));
	if (!known) {
		if (authority && !entry_verify_author(&e->raw))
			return NULL;
		TRY(add_place(b, l, e, r));
	}
	/* Its header was healed, and what it told of did not come with it. */
	if (known && e->state == PAYLOAD_NOT_HELD)
		return op_recheck(b, r);
	if (e->state != PAYLOAD_HELD ||
	    (r->kind != OP_NOT_HELD && r->kind != OP_GONE && !is_lacked(b, l, r)))
		return NULL;
	rec_op(b->c, r, &op);
	op.rules = h->rules;
	op.epoch = h->epoch;
	TRY(op_classify(b->c, e->payload, &op, &body, &kind));
	err = take_payload(b, r, &op, kind);
	json_decref(body);
	return err;
}

struct error *take_entry(struct batch *b, const struct stored *e)
{
	struct op_rec r;
	struct vlog *l;
	struct entry h;

	TRY(memory_log(b->c, e->log, &l));
	if (!e->live || (l->stop && e->seq >= l->stop))
		return NULL;
	entry_decode(&e->raw, &h);
	TRY(note_run(b->c, l, e));
	TRY(rec_find(b->c, &e->op_id, &r));
	if (r.num)
		return take_again(b, l, e, &h, &r);
	return take_new(b, l, e, &h);
}
