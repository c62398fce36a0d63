/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing our own log, and carrying over what was disputed. */
#include "sync/log/log_priv.h"

struct find_own {
	const struct log_store *l;
	bool found;
};

static struct error *is_in_own_log(void *ctx, const struct stored *e)
{
	struct find_own *f = ctx;
	struct entry fields;

	entry_decode(&e->raw, &fields);
	f->found |= pubkey_eq(&fields.appliance, &f->l->self);
	return NULL;
}

/* Our log of that space that we may append to now, or an empty row for it (num 0). */
static struct error *own_log(struct log_store *l, const struct hash *space, struct log_info *ret)
{
	for (;;) {
		struct log_id id = {*space, l->self, log_incarnation(l)};

		TRY(log_find(l, &id, ret));
		if (!ret->frozen && !ret->ended)
			return NULL;
		TRY(log_new_incarnation(l));
	}
}

/* Put what was just made (its op id is `op`) at the end of our log. */
static struct error *put_own(struct log_store *l, struct log_info *log,
			     const struct entry_bytes *raw, const struct hash *op,
			     enum payload_state state, struct span body)
{
	struct new_entry e = {raw, *op, log->head + 1, state, body};
	int64_t num;

	if (!log->num)
		TRY(log_create(l, log));
	TRY(entry_put(l, log, &e, &num));
	/* We have just signed it: there is nothing to audit. */
	log->audited += log->audited == log->head;
	log->proved += log->proved == log->head;
	log->head++;
	log->head_hash = entry_hash(raw);
	return log_save(l, log);
}

static struct error *check_append(struct log_store *l, const struct log_append *what)
{
	ENSURE(pubkey_eq(secret_pubkey(what->appliance), &l->self),
	       error_new(ERR_INTERNAL, N_("This is not the key of this box.")));
	ENSURE(what->payload.n <= LIMIT_PAYLOAD,
	       error_new(ERR_LIMIT, N_("This is too long for one entry. Attach it as a file.")));
	ENSURE(hash_is_zero(&what->rules) == !what->space,
	       error_new(ERR_INTERNAL, N_("An entry must name the rules of its space.")));
	return NULL;
}

struct error *log_append(struct log_store *l, const struct log_append *what, struct hash *ret_op_id)
{
	struct entry fields = {.time = what->time, .rules = what->rules};
	struct find_own known = {.l = l};
	uint8_t salt[ENTRY_SALT];
	struct entry_bytes raw;
	struct log_info log = {0};
	struct hash op;

	TRY(check_append(l, what));
	env_random(l->env, salt, sizeof(salt));
	if (what->space) {
		TRY(own_log(l, what->space, &log));
		fields.space = *what->space;
	}
	fields.incarnation = what->space ? log.id.incarnation : log_incarnation(l);
	fields.seq = log.head + 1;
	fields.prev = log.head_hash;
	entry_make(&fields, what->author, what->appliance, salt, what->payload, &raw);
	TRY(entry_check(&raw));
	op = entry_op_id(&raw);
	TRY(log_op(l, &op, is_in_own_log, &known));
	ENSURE(!known.found, error_new(ERR_EXISTS, N_("This is already written.")));
	if (!what->space) {
		struct log_id id = entry_log(&raw);

		TRY(log_find(l, &id, &log));
	}
	TRY(put_own(l, &log, &raw, &op, PAYLOAD_HELD, entry_body(l, salt, what->payload)));
	*ret_op_id = op;
	return NULL;
}

/* --- carrying over --- */
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
	*ret_n = n;
	return NULL;
}
