/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The op types of vouching: check decides, apply writes the rows. */
#include "appliance/trust/trust_priv.h"

static void copy_line(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static struct error *vouch_check(struct fold *f, const struct op *op)
{
	struct hash key;

	ENSURE(op->by_appliance,
	       error_new(ERR_DENIED, N_("Only a box itself can vouch for another.")));
	op_id(op, "key", &key);
	ENSURE(memcmp(key.b, op->author.b, 32) != 0,
	       error_new(ERR_INVALID, N_("A box can't vouch for itself.")));
	return NULL;
}

static struct error *vouch_apply(struct fold *f, const struct op *op)
{
	struct vouch v = {.id = op->id, .space = op->space, .box = op->author, .time = op->time};
	struct hash key;

	op_id(op, "key", &key);
	memcpy(v.key.b, key.b, 32);
	copy_line(v.name, sizeof(v.name), op_str(op, "name"));
	copy_line(v.address, sizeof(v.address), op_str(op, "address"));
	copy_line(v.note, sizeof(v.note), op_str(op, "note"));
	return vouch_add(f, &v);
}

static struct error *get_vouch(struct fold *f, struct vouch *ret)
{
	struct error *e = vouch_folded(f, ret);

	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, error_new(ERR_INVALID, N_("Nobody vouches for anybody there.")));
	return e;
}

static struct error *withdraw_check(struct fold *f, const struct op *op)
{
	struct vouch v;

	TRY(get_vouch(f, &v));
	ENSURE(op->by_appliance && pubkey_eq(&op->author, &v.box),
	       error_new(ERR_DENIED, N_("Only the box that vouches can take that back.")));
	return NULL;
}

static struct error *withdraw_apply(struct fold *f, const struct op *op)
{
	return vouch_end(f, op->time);
}

static const struct op_field vouch_fields[] = {
	{"key", FIELD_ID, true, 0},
	{"name", FIELD_LINE, true, LIMIT_NAME},
	{"address", FIELD_LINE, false, PEER_ADDRESS - 1},
	{"note", FIELD_LINE, false, TRUST_NOTE},
	{0},
};
static const struct op_field withdraw_fields[] = {{0}};

const struct op_type trust_types[] = {
	{"trust.vouch", vouch_fields, ROLE_STEWARD, OP_CREATES | OP_AUTHORITY | OP_BY_APPLIANCE,
	 vouch_check, vouch_apply},
	{"trust.withdraw", withdraw_fields, ROLE_STEWARD, OP_AUTHORITY | OP_BY_APPLIANCE,
	 withdraw_check, withdraw_apply},
	{0},
};
