/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Letting go of payloads that other boxes hold. The view is then what it would be if they had never
 * been fetched: invariant 1 of community.h, for "held" is a part of what it is a function of.
 *
 * The view may have more than the log holds: it is committed behind it, and made durable later, so a power
 * cut or a full disk may be between the two; and one that is made anew may have read a payload before it
 * went. No arrival tells it. So the log remembers what it let go of until a view without it is durable
 * (conn_settle), and the view is without it again when it opens, when it follows after a commit that
 * failed, and before a new one takes its place (community_without_dropped).
 */
#include "appliance/community/community_priv.h"

/* Payloads of this size say what moderators do; longer ones are what they write. */
enum { SMALL = 4096, SCAN = 2000, DROPPED_AT_ONCE = 256 };

/* --- what is loose --- */
static bool may_be_loose(const struct op_rec *r)
{
	return r->kind == OP_CONTENT && !(r->flags & OP_CHECKED_AUTHOR);
}

static struct error *measure(void *ctx, const struct stored *e)
{
	uint64_t *bytes = ctx;

	if (e->state == PAYLOAD_HELD && !*bytes)
		*bytes = e->payload.n + ENTRY_SALT;
	return NULL;
}

static struct error *give_op(struct conn *c, const struct op_rec *r, loose_fn *fn, void *ctx)
{
	struct loose_op out = {.id = r->id, .time = r->time, .seq = r->at.seq};
	enum op_kind kind;
	json_t *body;
	struct op op;
	bool needed;

	TRY(log_is_needed(c->log, &r->id, &needed));
	if (needed)
		return NULL;
	TRY(rec_parse(c, r, &op, &body, &kind));
	if (kind == OP_CONTENT) {
		out.type = op.type->name;
		op_id(&op, "post", &out.about);
	}
	json_decref(body);
	if (kind != OP_CONTENT)
		return NULL;
	out.space = op.space;
	out.object = op.object;
	out.log = vlog_of(c, r->at.log)->id;
	TRY(log_op(c->log, &r->id, measure, &out.bytes));
	return fn(ctx, &out);
}

static struct error *object_behind(struct conn *c, int64_t after, struct object *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OBJECT_AFTER);
	bool row;

	db_bind(st, "i", after);
	TRY(db_step(c->view, st, &row));
	ret->num = row ? db_int(st, 0) : 0;
	sqlite3_reset(st);
	return NULL;
}

struct error *loose_next(struct conn *c, int64_t after, loose_fn *fn, void *ctx, int64_t *ret_row,
			 bool *ret_ruled)
{
	_cleanup_(recs_walk_release) struct recs_walk all = {.which = OPS_OF_OBJECT};
	struct object o = {.num = 0};
	struct op_rec *r;

	*ret_ruled = false;
	TRY(memory_load(c));
	TRY(object_behind(c, after, &o));
	*ret_row = o.num;
	if (!o.num)
		return NULL;
	for (all.by = o.num;;) {
		TRY(recs_next(c, &all, &r));
		if (!r)
			return NULL;
		*ret_ruled |= r->kind == OP_UNKNOWN || (r->kind == OP_CONTENT && !may_be_loose(r));
		if (may_be_loose(r))
			TRY(give_op(c, r, fn, ctx));
	}
}

/* --- letting go --- */
static struct error *count_loose(void *ctx, const struct loose_op *op)
{
	(void)op;
	++*(unsigned *)ctx;
	return NULL;
}

static struct error *let_one_go(struct batch *b, const struct hash *id, struct loosened *io)
{
	struct op_rec r;
	unsigned loose = 0;
	uint64_t bytes;

	TRY(rec_find(b->c, id, &r));
	if (!r.num || !may_be_loose(&r))
		return NULL;
	TRY(give_op(b->c, &r, count_loose, &loose));
	/* The log let go of it already, and the view did not hear of it: a power cut. */
	if (!loose) {
		bool needed;

		TRY(log_is_needed(b->c->log, id, &needed));
		if (needed)
			return NULL;
	}
	TRY(log_drop(b->c->log, id, &bytes));
	io->ops++;
	io->bytes += bytes;
	return op_without(b, &r);
}

struct error *community_repaint(struct conn *c)
{
	c->community->changed = true;
	c->community->generation++;
	return meta_set(c, META_GENERATION, (int64_t)c->community->generation);
}

static struct error *let_all_go(struct batch *b, const struct hash *ops, size_t n,
				struct loosened *io)
{
	for (size_t i = 0; i < n; i++)
		TRY(let_one_go(b, &ops[i], io));
	return batch_finish(b);
}

struct error *community_let_go(struct conn *c, const struct hash *ops, size_t n,
			       struct loosened *ret)
{
	struct batch b = {.c = c};
	struct error *e;

	*ret = (struct loosened){0};
	TRY(memory_load(c));
	e = let_all_go(&b, ops, n, ret);
	batch_release(&b);
	TRY(e);
	if (!ret->ops)
		return NULL;
	TRY(scrub_features(c));
	return community_repaint(c);
}

/* --- what the view does not know --- */
static struct error *is_here(struct conn *c, const struct op_rec *r, bool *ret)
{
	enum op_kind kind;
	json_t *body;
	struct op op;

	TRY(rec_parse(c, r, &op, &body, &kind));
	json_decref(body);
	*ret = kind != OP_NOT_HELD;
	return NULL;
}

static struct error *all_without(struct batch *b, const struct hash *ops, size_t n, bool *io_went)
{
	for (size_t i = 0; i < n; i++) {
		struct op_rec r;
		bool here;

		TRY(rec_find(b->c, &ops[i], &r));
		if (!r.num || !may_be_loose(&r))
			continue;
		TRY(is_here(b->c, &r, &here));
		if (here)
			continue;
		TRY(op_without(b, &r));
		*io_went = true;
	}
	return batch_finish(b);
}

/* The next of those that the log let go of; *ret_n 0: there are no more. */
static struct error *some_without(struct conn *c, int64_t *io_after, bool *io_went, size_t *ret_n)
{
	struct hash ops[DROPPED_AT_ONCE];
	struct batch b = {.c = c};
	struct error *e;

	TRY(log_dropped(c->log, io_after, ops, DROPPED_AT_ONCE, ret_n));
	if (!*ret_n)
		return NULL;
	TRY(memory_load(c));
	e = all_without(&b, ops, *ret_n, io_went);
	batch_release(&b);
	return e;
}

struct error *community_without_dropped(struct conn *c)
{
	int64_t after = 0;
	bool went = false;
	size_t n;

	do
		TRY(some_without(c, &after, &went, &n));
	while (n);
	if (!went)
		return NULL;
	TRY(scrub_features(c));
	return community_repaint(c);
}

/* --- what is absent --- */
struct error *object_misses(struct conn *c, const struct hash *space, const struct hash *object,
			    struct hash *out, size_t max, size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, MISSING_OF);
	int64_t prefix;
	size_t n = 0;
	struct error *e = NULL;

	memcpy(&prefix, object, sizeof(prefix));
	db_bind(st, "ikki", prefix, object, space, (int64_t)max);
	while (db_next(c->view, st, &e)) {
		if (n < max && db_id(st, 0, &out[n]))
			n++;
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct looking {
	struct absent_op op;
	bool found, held;
};

static struct error *see_header(void *ctx, const struct stored *e)
{
	struct looking *k = ctx;
	struct entry h;

	if (!e->live)
		return NULL;
	entry_decode(&e->raw, &h);
	k->held |= e->state == PAYLOAD_HELD;
	k->op = (struct absent_op){.space = h.space,
				   .time = h.time,
				   .bytes = h.payload_len,
				   .erased = k->op.erased || e->state == PAYLOAD_ERASED};
	k->found = true;
	return NULL;
}

struct error *absent_get(struct conn *c, const struct hash *op, struct absent_op *ret)
{
	struct looking k = {.found = false};

	TRY(log_op(c->log, op, see_header, &k));
	ENSURE(k.found && !k.held,
	       error_new(ERR_NOT_FOUND, N_("There is nothing here with this address.")));
	*ret = k.op;
	return NULL;
}

/* --- what is needed all the same --- */
static struct error *need(struct conn *c, const struct hash *id, size_t *io_n)
{
	struct absent_op op;
	bool needed;
	struct error *e = absent_get(c, id, &op);

	/* It is not here, not even as a header; or is here by now. */
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	TRY(log_is_needed(c->log, id, &needed));
	if (needed || op.erased)
		return NULL;
	++*io_n;
	return log_need(c->log, id);
}

static struct error *beginnings(struct conn *c, struct buf *ids)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OBJECT_UNMADE);
	struct error *e = NULL;

	db_bind(st, "i", (int64_t)SCAN);
	while (db_next(c->view, st, &e)) {
		struct hash id;

		if (db_id(st, 0, &id))
			buf_add(ids, &id, sizeof(id));
	}
	return e;
}

static struct error *acts(struct conn *c, int64_t *io_from, struct buf *ids)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OPS_NEEDED);
	struct error *e = NULL;

	db_bind(st, "ii", *io_from, (int64_t)SCAN);
	while (db_next(c->view, st, &e)) {
		struct op_rec r;

		rec_read(st, &r);
		*io_from = r.num;
		buf_add(ids, &r.id, sizeof(r.id));
	}
	return e;
}

struct error *community_need_more(struct conn *c, int64_t *io_from, size_t *ret_n)
{
	_cleanup_(buf_release) struct buf ids = {0};
	size_t n = 0, begun;

	TRY(beginnings(c, &ids));
	begun = ids.n / sizeof(struct hash);
	TRY(acts(c, io_from, &ids));
	for (size_t i = 0; i < ids.n / sizeof(struct hash); i++) {
		const struct hash *id = (const struct hash *)(void *)ids.p + i;
		struct absent_op op = {.bytes = 0};

		if (i >= begun)
			error_free(absent_get(c, id, &op));
		if (op.bytes <= SMALL)
			TRY(need(c, id, &n));
	}
	*ret_n = n;
	return NULL;
}
