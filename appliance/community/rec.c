/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From a row, a header and a payload to an op. */
#include "appliance/community/community_priv.h"

void rec_op(struct conn *c, const struct op_rec *r, struct op *ret)
{
	*ret = (struct op){.id = r->id,
			   .space = space_of_num(c, r->space)->id,
			   .author = *memory_key_of(c, r->author),
			   .appliance = vlog_of(c, r->at.log)->id.appliance,
			   .incarnation = vlog_of(c, r->at.log)->id.incarnation,
			   .seq = r->at.seq,
			   .by_appliance = r->by_appliance,
			   .time = r->time,
			   .role = r->role > 0 ? (enum role)r->role : ROLE_NONE,
			   .sealed = r->flags & OP_IS_SEALED,
			   .nseen = r->nseen};
	memcpy(ret->seen, r->seen, r->nseen * sizeof(ret->seen[0]));
}

/* Where the op belongs, and so what it is. */
static enum op_kind place_op(struct op *op)
{
	bool on_space = hash_eq(&op->object, &op->space);

	if (!op->type) {
		if (on_space)
			return op->sealed ? OP_MALFORMED : OP_RULES;
		if (hash_is_zero(&op->object))
			op->object = op->id;
		return OP_UNKNOWN;
	}
	if (op->type->flags & OP_CREATES)
		op->object = op->id;
	if (op->sealed && (op->type->flags & OP_ON_RULES || op->type == erase_types))
		return OP_MALFORMED;
	if (op->type->flags & OP_ON_RULES)
		return hash_eq(&op->object, &op->space) ? OP_RULES : OP_MALFORMED;
	if (on_space || hash_eq(&op->id, &op->space))
		return OP_MALFORMED;
	return op->type == erase_types ? OP_ERASE : OP_CONTENT;
}

struct error *op_classify(struct conn *c, struct span payload, struct op *op, json_t **ret_body,
			  enum op_kind *ret_kind)
{
	_cleanup_(buf_release) struct buf plain = {0};
	json_t *body = NULL;
	struct error *err;

	*ret_body = NULL;
	if (op->sealed && !payload_open(c, op, payload, &plain)) {
		op->type = NULL;
		*ret_kind = OP_SEALED;
		return NULL;
	}
	err = op_parse(c->community->table, op->sealed ? buf_span(&plain) : payload, op, &body);
	if (error_is(err, ERR_MALFORMED) || error_is(err, ERR_VERSION)) {
		*ret_kind = error_is(err, ERR_VERSION) ? place_op(op) : OP_MALFORMED;
		error_free(err);
		return NULL;
	}
	TRY(err);
	*ret_kind = place_op(op);
	*ret_body = body;
	if (*ret_kind == OP_ERASE)
		words_open(c, op, body);
	if (*ret_kind == OP_MALFORMED) {
		json_decref(body);
		*ret_body = NULL;
	}
	return NULL;
}

struct reading {
	struct conn *c;
	struct op *op;
	json_t *body;
	enum op_kind kind;
};

static struct error *read_payload(void *ctx, const struct stored *e)
{
	struct reading *r = ctx;
	struct entry h;

	if (e->state != PAYLOAD_HELD || r->kind != OP_NOT_HELD)
		return NULL;
	entry_decode(&e->raw, &h);
	r->op->rules = h.rules;
	r->op->epoch = h.epoch;
	return op_classify(r->c, e->payload, r->op, &r->body, &r->kind);
}

struct error *rec_parse(struct conn *c, const struct op_rec *r, struct op *ret, json_t **ret_body,
			enum op_kind *ret_kind)
{
	struct reading read = {.c = c, .op = ret, .kind = OP_NOT_HELD};

	rec_op(c, r, ret);
	TRY(log_range(c->log, r->at.log, r->at.seq, r->at.seq, read_payload, &read));
	if (read.kind == OP_NOT_HELD && (r->flags & OP_MANY_PLACES))
		TRY(log_op(c->log, &r->id, read_payload, &read));
	*ret_body = read.body;
	*ret_kind = read.kind;
	return NULL;
}
