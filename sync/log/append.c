/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing our own log. */
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

struct error *own_log(struct log_store *l, const struct hash *space, struct log_info *ret)
{
	for (;;) {
		struct log_id id = {*space, l->self, log_incarnation(l)};

		TRY(log_find(l, &id, ret));
		if (!ret->frozen && !ret->ended)
			return NULL;
		TRY(log_new_incarnation(l));
	}
}

struct error *put_own(struct log_store *l, struct log_info *log, const struct entry_bytes *raw,
		      const struct hash *op, enum payload_state state, struct span body)
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
	struct entry fields = {.time = what->time,
			       .rules = what->rules,
			       .flags = what->sealed ? ENTRY_SEALED : 0,
			       .epoch = what->sealed ? what->epoch : 0};
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
