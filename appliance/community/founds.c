/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looking at a founding entry before its space is here. */
#include "appliance/community/community_priv.h"

/* The same machine that judges it later. */
static bool makes_a_space(const struct op *op, const struct place *at)
{
	_cleanup_(rules_freep) struct rules *r = rules_new(&op->space);
	struct rules_space about;

	if (!rules_add(r, op, at))
		return false;
	rules_settle(r);
	return rules_about(r, &about);
}

bool community_founds(struct conn *c, const struct entry_bytes *raw, struct span payload)
{
	struct place at;
	struct entry e;
	struct op op;
	json_t *body;
	struct error *err;
	bool founds = false;

	entry_decode(raw, &e);
	err = op_parse(c->community->table, payload, &op, &body);
	if (!err && op.type && op.type->flags & OP_ON_RULES && !(e.flags & ENTRY_SEALED)) {
		op.id = op.space = op.object = entry_op_id(raw);
		op.author = e.author;
		op.appliance = e.appliance;
		op.incarnation = e.incarnation;
		op.seq = e.seq;
		op.by_appliance = e.flags & ENTRY_BY_APPLIANCE;
		op.time = e.time;
		op.rules = e.rules;
		at = (struct place){e.appliance, e.incarnation, e.seq};
		founds = makes_a_space(&op, &at);
	}
	if (!err)
		json_decref(body);
	error_free(err);
	return founds;
}
