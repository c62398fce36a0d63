/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Erasing: `erase` names its target, and `after`, what the target had seen, so that the order of
 * the others does not change when nobody holds the target any more. Whether the target was ever
 * held makes no difference: from its header only its author and time are used, and from its payload
 * nothing.
 *
 * The target's author may, and whoever was moderator by the rules that the erase op names. When no
 * erase op is allowed any more (its author was revoked with a cut before it), the payload is asked
 * for again.
 */
#include "appliance/community/community_priv.h"

static const struct op_field fields[] = {
	{"target", FIELD_ID, true, 0},
	{"after", FIELD_IDS, false, LIMIT_SEEN},
	{"was", FIELD_LINE, false, 64, true},
	{"keep", FIELD_JSON, false, 0, true},
	{NULL, 0, false, 0},
};
const struct op_type erase_types[] = {
	{"erase", fields, ROLE_NEW, OP_AUTHORITY | OP_BY_APPLIANCE, NULL, NULL},
	{0},
};

bool erase_known(struct conn *c, const struct hash *target)
{
	return idmap_get(&c->community->m.erased, target) != IDMAP_NONE;
}

struct error *erase_note(struct batch *b, const struct op_rec *r, const struct op *op)
{
	struct hash target;

	if (!op_id(op, "target", &target))
		return NULL;
	memory_touch(b->c);
	idmap_put(&b->c->community->m.erased, &target, 0);
	TRY(db_do(b->c->view, b->c->community->stmts, ERASE_ADD, "ki", &target, r->num));
	batch_erasure(b, &target);
	return NULL;
}

struct error *erase_queue_target(struct batch *b, const struct op_rec *erase)
{
	sqlite3_stmt *st = db_stmt(b->c->community->stmts, ERASE_TARGETS);
	struct error *e = NULL;

	db_bind(st, "i", erase->num);
	while (db_next(b->c->view, st, &e)) {
		struct hash target;

		if (db_id(st, 0, &target))
			batch_erasure(b, &target);
	}
	return e;
}

static bool may_erase(const struct op_rec *e, const struct op_rec *target)
{
	if (e->kind != OP_ERASE || e->space != target->space || e->role <= ROLE_NONE)
		return false;
	return e->role >= ROLE_MODERATOR || (e->author == target->author && !e->by_appliance) ||
	       (e->author == target->author && target->by_appliance);
}

struct error *erase_effective(struct conn *c, const struct op_rec *target, struct op_rec *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OPS_ERASE);
	struct op_rec e;
	struct error *err = NULL;

	ret->num = 0;
	if (target->kind == OP_RULES || target->kind == OP_ERASE)
		return NULL;
	db_bind(st, "k", &target->id);
	while (db_next(c->view, st, &err)) {
		rec_read(st, &e);
		if (!may_erase(&e, target))
			continue;
		if (!ret->num || e.time < ret->time ||
		    (e.time == ret->time && hash_cmp(&e.id, &ret->id) < 0))
			*ret = e;
	}
	return err;
}

static struct error *see_held(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->state == PAYLOAD_HELD;
	return NULL;
}

struct error *scrub_features(struct conn *c)
{
	struct community *k = c->community;

	for (size_t i = 0; i < k->features_n; i++)
		if (k->features[i]->scrub)
			TRY(k->features[i]->scrub(c));
	k->scrub = true;
	return NULL;
}

/* What is held goes. What was never held stays "not held", in the log's words: should it turn out
 * to be a rules op, which nobody may erase, it is still taken.
 * The log may have let go of it already, and this view not know: it is behind its log after a power
 * cut, and what features made of the words is still there. */
static struct error *erase_now(struct batch *b, struct op_rec *t, const struct op_rec *by)
{
	bool held = false, seen = t->kind != OP_GONE && t->kind != OP_NOT_HELD;

	TRY(log_op(b->c->log, &t->id, see_held, &held));
	if (held)
		TRY(log_erase(b->c->log, &t->id));
	if (held || seen)
		TRY(scrub_features(b->c));
	if (held || t->kind != OP_GONE)
		TRY(log_owe(b->c->log, &t->id, held || seen));
	TRY(batch_dirty(b, t->object));
	t->kind = OP_GONE;
	t->object = by->object;
	t->nseen = 0;
	TRY(batch_dirty(b, t->object));
	return rec_set(b->c, t);
}

/* Nobody may erase it (any more). Was it gone, or does this view, behind its log after a power cut, not
 * know yet that it went and was asked for again? */
static struct error *was_lost(struct batch *b, const struct op_rec *t, bool *ret)
{
	bool held = false;

	*ret = t->kind == OP_GONE;
	if (*ret || t->kind == OP_NOT_HELD || t->kind == OP_RULES || t->kind == OP_ERASE)
		return NULL;
	TRY(log_op(b->c->log, &t->id, see_held, &held));
	*ret = !held;
	return NULL;
}

struct error *erase_settle(struct batch *b, const struct hash *target)
{
	struct op_rec t, by;
	bool lost;

	TRY(rec_find(b->c, target, &t));
	if (!t.num)
		return NULL;
	TRY(erase_effective(b->c, &t, &by));
	if (by.num)
		return erase_now(b, &t, &by);
	TRY(was_lost(b, &t, &lost));
	if (!lost)
		return NULL;
	TRY(batch_dirty(b, t.object));
	TRY(log_unerase(b->c->log, &t.id));
	t.kind = OP_NOT_HELD;
	t.object = 0;
	return rec_set(b->c, &t);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct error *erase_targets(struct conn *c, struct buf *targets)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, ERASE_ALL);
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		struct hash id;

		if (db_id(st, 0, id.b))
			buf_add(targets, &id, sizeof(id));
	}
	return e;
}

struct error *erased_count(struct conn *c, int64_t *ret)
{
	return db_number(c->view, c->community->stmts, ERASE_COUNT, 0, ret, "");
}

struct error *erased_space(struct conn *c, const struct hash *target, struct hash *ret)
{
	const struct space *space;
	struct op_rec t;

	TRY(memory_load(c));
	TRY(rec_find(c, target, &t));
	space = t.num && t.kind == OP_GONE ? space_of_num(c, t.space) : NULL;
	ENSURE(space, error_new(ERR_NOT_FOUND, N_("Nothing with this address was erased here.")));
	*ret = space->id;
	return NULL;
}

static struct error *see_header(void *ctx, const struct stored *e)
{
	struct erased_op *o = ctx;
	struct entry entry;

	entry_decode(&e->raw, &entry);
	o->space = entry.space;
	o->author = entry.author;
	o->appliance = entry.appliance;
	o->by_appliance = pubkey_eq(&entry.author, &entry.appliance);
	return NULL;
}

struct error *erased_get(struct conn *c, const struct hash *target, struct erased_op *ret)
{
	struct erased_op o = {.erased_ms = 0};
	struct op_rec t, by = {.num = 0};

	TRY(rec_find(c, target, &t));
	if (t.num && t.kind == OP_GONE)
		TRY(erase_effective(c, &t, &by));
	ENSURE(by.num, error_new(ERR_NOT_FOUND, N_("Nothing with this address was erased here.")));
	TRY(log_op(c->log, target, see_header, &o));
	o.erased_ms = by.time;
	*ret = o;
	return NULL;
}

struct lacking {
	const struct hash *space;
	uint64_t n;
};

static struct error *see_lacking(void *ctx, const struct stored *e)
{
	struct lacking *k = ctx;
	struct entry entry;

	entry_decode(&e->raw, &entry);
	k->n += (e->state == PAYLOAD_NOT_HELD || e->state == PAYLOAD_SEALED) &&
		(!k->space || hash_eq(&entry.space, k->space));
	return NULL;
}

struct error *erased_lacking(struct conn *c, const struct hash *space, uint64_t *ret)
{
	_cleanup_(buf_release) struct buf targets = {0};
	struct lacking k = {.space = space};

	TRY(erase_targets(c, &targets));
	for (size_t i = 0; i < targets.n / sizeof(struct hash); i++) {
		const struct hash *id = (const struct hash *)(void *)targets.p + i;
		struct op_rec t;

		TRY(rec_find(c, id, &t));
		if (t.num && t.kind == OP_GONE)
			TRY(log_op(c->log, id, see_lacking, &k));
	}
	*ret = k.n;
	return NULL;
}
