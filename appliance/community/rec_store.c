/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rows of ops and of objects. */
#include "appliance/community/community_priv.h"

static struct span ids_span(const struct hash *ids, size_t n)
{
	return n ? span_of(ids, n * sizeof(*ids)) : (struct span){NULL, 0};
}

static int64_t prefix_of(const struct hash *id)
{
	int64_t v;

	memcpy(&v, id, sizeof(v));
	return v;
}

static size_t read_ids(struct span s, struct hash *out, size_t max)
{
	size_t n = s.n / sizeof(*out);

	n = n < max ? n : max;
	if (n)
		memcpy(out, s.p, n * sizeof(*out));
	return n;
}

/* --- ops --- */
void rec_read(sqlite3_stmt *st, struct op_rec *ret)
{
	ret->num = db_int(st, 0);
	db_id(st, 1, &ret->id);
	ret->space = db_int(st, 2);
	ret->object = db_int(st, 3);
	ret->kind = (enum op_kind)db_int(st, 4);
	ret->at = (struct op_at){db_int(st, 5), (uint64_t)db_int(st, 6)};
	ret->author = db_int(st, 7);
	ret->by_appliance = db_int(st, 8);
	ret->time = db_int(st, 9);
	ret->role = (int)db_int(st, 10);
	ret->flags = (unsigned)db_int(st, 11);
	ret->nseen = read_ids(db_blob(st, 12), ret->seen, LIMIT_SEEN);
}

static struct error *read_one(struct conn *c, sqlite3_stmt *st, struct op_rec *ret)
{
	bool row;

	TRY(db_step(c->view, st, &row));
	ret->num = 0;
	if (row)
		rec_read(st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *rec_find(struct conn *c, const struct hash *id, struct op_rec *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OPS_BY_ID);

	db_bind(st, "ik", prefix_of(id), id);
	return read_one(c, st, ret);
}

struct error *rec_by_num(struct conn *c, int64_t num, struct op_rec *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OPS_BY_NUM);

	db_bind(st, "i", num);
	return read_one(c, st, ret);
}

struct error *rec_add(struct conn *c, struct op_rec *r)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OPS_ADD);

	db_bind(st, "ikiiiiiiiiiib", prefix_of(&r->id), &r->id, r->space, r->object,
		(int64_t)r->kind, r->at.log, (int64_t)r->at.seq, r->author,
		(int64_t)r->by_appliance, r->time, (int64_t)r->role, (int64_t)r->flags,
		ids_span(r->seen, r->nseen));
	if (!r->object)
		sqlite3_bind_null(st, 4);
	TRY(db_run(c->view, st));
	r->num = db_last_rowid(c->view);
	return NULL;
}

struct error *rec_set(struct conn *c, const struct op_rec *r)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OPS_SET);

	db_bind(st, "iiiiiiib", r->num, r->object, (int64_t)r->kind, r->at.log, (int64_t)r->at.seq,
		(int64_t)r->role, (int64_t)r->flags, ids_span(r->seen, r->nseen));
	if (!r->object)
		sqlite3_bind_null(st, 2);
	return db_run(c->view, st);
}

struct error *rec_drop(struct conn *c, int64_t num)
{
	TRY(db_do(c->view, c->community->stmts, ERASE_DROP, "i", num));
	return db_do(c->view, c->community->stmts, OPS_DROP, "i", num);
}

void recs_release(struct recs *l)
{
	free(l->p);
	*l = (struct recs){0};
}

static struct error *read_all(struct conn *c, sqlite3_stmt *st, struct recs *ret)
{
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		if (ret->n == ret->cap) {
			ret->cap = ret->cap ? ret->cap * 2 : 16;
			ret->p = realloc(ret->p, ret->cap * sizeof(ret->p[0]));
			if (!ret->p)
				abort();
		}
		rec_read(st, &ret->p[ret->n++]);
	}
	return e;
}

struct error *recs_load(struct conn *c, enum view_stmt which, int64_t by, struct recs *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, which);

	db_bind(st, "i", by);
	return read_all(c, st, ret);
}

void recs_walk_release(struct recs_walk *w)
{
	recs_release(&w->page);
}

static struct error *next_page(struct conn *c, struct recs_walk *w)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, w->which);

	w->at = w->page.n = 0;
	if (w->which == OPS_IN_LOG)
		db_bind(st, "iiii", w->by, w->after, (int64_t)RECS_PAGE, (int64_t)w->from);
	else
		db_bind(st, "iii", w->by, w->after, (int64_t)RECS_PAGE);
	return read_all(c, st, &w->page);
}

struct error *recs_page(struct conn *c, enum view_stmt which, int64_t by, struct recs *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, which);

	db_bind(st, "iii", by, (int64_t)0, (int64_t)RECS_PAGE);
	return read_all(c, st, ret);
}

struct error *recs_next(struct conn *c, struct recs_walk *w, struct op_rec **ret)
{
	if (w->at == w->page.n)
		TRY(next_page(c, w));
	*ret = w->at < w->page.n ? &w->page.p[w->at++] : NULL;
	if (*ret)
		w->after = (*ret)->num;
	return NULL;
}

struct error *rec_places(struct conn *c, const struct op_rec *r, struct arena *a,
			 struct places *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, PLACE_OF);
	size_t cap = 8;
	struct error *e = NULL;

	*ret = (struct places){arena_array(a, struct op_at, cap), 1};
	ret->p[0] = r->at;
	if (!(r->flags & OP_MANY_PLACES))
		return NULL;
	db_bind(st, "i", r->num);
	while (db_next(c->view, st, &e)) {
		if (ret->n == cap) {
			struct op_at *more = arena_array(a, struct op_at, cap * 2);

			memcpy(more, ret->p, cap * sizeof(*more));
			ret->p = more;
			cap *= 2;
		}
		ret->p[ret->n++] = (struct op_at){db_int(st, 0), (uint64_t)db_int(st, 1)};
	}
	return e;
}

/* --- objects --- */
static struct error *read_object(struct conn *c, sqlite3_stmt *st, struct object *ret)
{
	struct span heads;
	bool row;

	TRY(db_step(c->view, st, &row));
	ret->num = 0;
	ret->changed = ret->dirty = false;
	if (row) {
		ret->num = db_int(st, 0);
		db_id(st, 1, &ret->id);
		ret->space = db_int(st, 2);
		ret->flags = (unsigned)db_int(st, 3);
		ret->features = (uint64_t)db_int(st, 4);
		heads = db_blob(st, 5);
		ret->nheads = heads.n / sizeof(struct hash);
		read_ids(heads, ret->heads, ARRAY_LEN(ret->heads));
		ret->max_time = db_int(st, 6);
		db_id(st, 7, &ret->max_id);
	}
	sqlite3_reset(st);
	return NULL;
}

struct error *object_find(struct conn *c, const struct hash *id, int64_t space, struct object *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OBJECT_BY_ID);

	db_bind(st, "iki", prefix_of(id), id, space);
	return read_object(c, st, ret);
}

struct error *object_ops(struct conn *c, const struct hash *object, size_t most, op_id_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OBJECT_OPS);
	struct error *e = NULL;
	struct hash op;

	db_bind(st, "iki", prefix_of(object), object, (int64_t)most);
	while (db_next(c->view, st, &e))
		if (db_id(st, 0, &op))
			fn(ctx, &op);
	return e;
}

struct error *object_by_num(struct conn *c, int64_t num, struct object *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OBJECT_BY_NUM);

	db_bind(st, "i", num);
	return read_object(c, st, ret);
}

struct error *object_add(struct conn *c, struct object *o)
{
	TRY(db_do(c->view, c->community->stmts, OBJECT_ADD, "iki", prefix_of(&o->id), &o->id,
		  o->space));
	o->num = db_last_rowid(c->view);
	return NULL;
}

struct error *object_set(struct conn *c, const struct object *o)
{
	/* Too many heads to keep: one more than fit is written, of which only the number counts. */
	return db_do(c->view, c->community->stmts, OBJECT_SET, "iiibik", o->num, (int64_t)o->flags,
		     (int64_t)o->features, ids_span(o->heads, o->nheads), o->max_time, &o->max_id);
}

bool object_is_late(struct conn *c, const struct hash *id)
{
	int64_t late = 0;

	error_free(db_number(c->view, c->community->stmts, OBJECT_IS_LATE, 0, &late, "ik",
			     prefix_of(id), id));
	return late;
}

struct error *object_of_op(struct conn *c, const struct hash *op, struct hash *ret_object,
			   struct hash *ret_space)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, OPS_OBJECT);
	struct hash object, space;
	bool row, known;

	db_bind(st, "ik", prefix_of(op), op);
	TRY(db_step(c->view, st, &row));
	known = row && db_id(st, 1, &space);
	if (known && db_int(st, 2) == OP_RULES)
		object = space;
	else if (known)
		known = db_id(st, 0, &object);
	sqlite3_reset(st);
	ENSURE(known, error_new(ERR_NOT_FOUND, N_("There is nothing here with this address.")));
	*ret_object = object;
	*ret_space = space;
	return NULL;
}
