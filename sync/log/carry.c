/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Carrying our disputed ops over into a log that nobody disputes: the same op ids, signed anew as
 * appliance. They are what we hold behind a fork of one of our own logs, and what peers hold of the
 * other branch: a box whose disk was set back to an old copy has nothing else of what it wrote
 * since. */
#include "sync/log/log_priv.h"

/* --- what is held and not live --- */
struct carry {
	struct log_store *l;
	const struct secret *appliance;
	int *n;
	struct log_info to; /* where they go; num 0 until the first goes */
	bool begun;
	bool live; /* set when the op in question is in a live log */
};

static struct error *note_live(void *ctx, const struct stored *e)
{
	struct carry *c = ctx;

	c->live |= e->live;
	return NULL;
}

/* An op that names older rules than an earlier entry of its log is void, so what comes from one log
 * goes to a log of its own, in the order it had. */
static struct error *begin_target(struct carry *c, const struct hash *space)
{
	c->begun = true;
	TRY(own_log(c->l, space, &c->to));
	if (c->to.head == 0)
		return NULL;
	TRY(log_new_incarnation(c->l));
	return own_log(c->l, space, &c->to);
}

static struct error *carry_one(struct carry *c, const struct stored *e, const struct hash *space)
{
	struct entry_bytes raw;
	struct span body = {0};

	c->live = false;
	TRY(log_op(c->l, &e->op_id, note_live, c));
	if (c->live || !entry_verify_author(&e->raw))
		return NULL;
	if (!c->begun)
		TRY(begin_target(c, space));
	entry_carry(&e->raw, c->to.head + 1, c->to.id.incarnation, &c->to.head_hash, c->appliance,
		    &raw);
	if (e->state == PAYLOAD_HELD)
		body = entry_body(c->l, e->salt, e->payload);
	TRY(put_own(c->l, &c->to, &raw, &e->op_id, e->state, body));
	(*c->n)++;
	return NULL;
}

struct copy {
	struct stored e;
	struct buf payload;
};

static struct error *keep_copy(void *ctx, const struct stored *e)
{
	struct copy *c = ctx;

	c->e = *e;
	buf_clear(&c->payload);
	buf_add_span(&c->payload, e->payload);
	c->e.payload = buf_span(&c->payload);
	return NULL;
}

static struct error *carry_log(struct carry *c, const struct log_info *from)
{
	_cleanup_(buf_release) struct buf hold = {0};
	struct error *err = NULL;

	/* One at a time: what is being read must not be written. */
	for (uint64_t seq = from->live + 1; seq <= from->head && !err; seq++) {
		struct copy one = {.payload = hold};

		one.e.num = 0;
		err = log_range(c->l, from->num, seq, seq, keep_copy, &one);
		hold = one.payload;
		if (error_is(err, ERR_CORRUPT)) {
			error_replace(&err, NULL);
			continue;
		}
		if (!err && one.e.num)
			err = carry_one(c, &one.e, &from->id.space);
	}
	return err;
}

/* Our next log behind `after` that holds something that is not live. */
static struct error *next_disputed(struct log_store *l, int64_t after, struct log_info *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_DISPUTED);
	bool row;

	db_bind(st, "ki", &l->self, after);
	TRY(db_step(l->db, st, &row));
	ret->num = 0;
	if (row)
		log_read_row(st, ret);
	sqlite3_reset(st);
	return NULL;
}

/* --- what came of other branches --- */
static struct error *count_any(void *ctx, const struct stored *e)
{
	(void)e;
	*(bool *)ctx = true;
	return NULL;
}

struct error *disputed_keep(struct log_store *l, const struct ingest *in, size_t i, bool *ret_new)
{
	const struct entry_bytes *raw = &in->headers[i];
	const struct ingest_payload *p = in->payloads ? &in->payloads[i] : NULL;
	struct hash op = entry_op_id(raw);
	bool known = false, damaged, erased;
	enum payload_state state = payload_judge(raw, p, &damaged);
	struct span body = {0};

	*ret_new = false;
	/* What is in any log here needs no second keeping: if it is not live, it is carried from
	 * there. */
	TRY(log_op(l, &op, count_any, &known));
	if (known || !entry_verify_author(raw))
		return NULL;
	TRY(op_is_erased(l, &op, &erased));
	if (erased)
		state = PAYLOAD_ERASED;
	if (state == PAYLOAD_HELD)
		body = entry_body(l, p->salt, p->bytes);
	TRY(db_do(l->db, l->s, DISPUTED_ADD, "kkiiibb", &op, &in->id->space,
		  (int64_t)in->id->incarnation, (int64_t)(in->first + i), (int64_t)state,
		  span_of(raw->b, ENTRY_HEADER), body));
	*ret_new = db_changes(l->db) > 0;
	return NULL;
}

/* The first of them, copied; e->num is 0 when there is none. */
static struct error *first_disputed(struct log_store *l, struct copy *to, struct log_id *from)
{
	sqlite3_stmt *st = db_stmt(l->s, DISPUTED_NEXT);
	struct span header, body;
	bool row;

	TRY(db_step(l->db, st, &row));
	to->e = (struct stored){.num = row};
	if (!row)
		return NULL;
	db_id(st, 0, &to->e.op_id);
	db_id(st, 1, &from->space);
	from->incarnation = (uint64_t)db_int(st, 2);
	header = db_blob(st, 3);
	body = db_blob(st, 5);
	if (header.n == ENTRY_HEADER)
		memcpy(to->e.raw.b, header.p, ENTRY_HEADER);
	to->e.state = (enum payload_state)db_int(st, 4);
	if (to->e.state == PAYLOAD_HELD && body.n >= ENTRY_SALT) {
		memcpy(to->e.salt, body.p, ENTRY_SALT);
		buf_clear(&to->payload);
		buf_add(&to->payload, body.p + ENTRY_SALT, body.n - ENTRY_SALT);
		to->e.payload = buf_span(&to->payload);
	}
	sqlite3_reset(st);
	return NULL;
}

/* Carry them all, each branch to a log of its own. */
static struct error *carry_disputed(struct log_store *l, const struct secret *appliance, int *n)
{
	struct carry c = {.l = l, .appliance = appliance, .n = n};
	struct copy one = {0};
	struct log_id from = {0}, last = {0};
	struct error *err;

	for (;;) {
		err = first_disputed(l, &one, &from);
		if (err || !one.e.num)
			break;
		if (log_id_cmp(&from, &last) != 0)
			c.begun = false;
		last = from;
		err = carry_one(&c, &one.e, &from.space);
		if (!err)
			err = db_do(l->db, l->s, DISPUTED_DROP, "k", &one.e.op_id);
		if (err)
			break;
	}
	buf_release(&one.payload);
	return err;
}

struct error *log_carry(struct log_store *l, const struct secret *appliance, int *ret_n)
{
	struct log_info from = {0};
	int n = 0;

	for (;;) {
		struct carry c = {.l = l, .appliance = appliance, .n = &n};

		TRY(next_disputed(l, from.num, &from));
		if (!from.num)
			break;
		TRY(carry_log(&c, &from));
	}
	TRY(carry_disputed(l, appliance, &n));
	*ret_n = n;
	return NULL;
}
