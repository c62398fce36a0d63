/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Erasing what people take back: payload and salt go, header and chain stay. */
#include "sync/log/log_priv.h"

struct place {
	int64_t log, num;
	uint64_t seq;
};

static struct error *note_place(void *ctx, const struct stored *e)
{
	struct place p = {e->log, e->num, e->seq};

	buf_add(ctx, &p, sizeof(p));
	return NULL;
}

static struct error *note_held_place(void *ctx, const struct stored *e)
{
	return e->state == PAYLOAD_HELD ? note_place(ctx, e) : NULL;
}

static struct error *empty_all(struct log_store *l, const struct hash *op_id,
			       enum payload_state state)
{
	_cleanup_(buf_release) struct buf places = {0};

	TRY(log_op(l, op_id, note_place, &places));
	for (size_t at = 0; at < places.n; at += sizeof(struct place)) {
		struct log_info info;
		struct place p;

		memcpy(&p, places.p + at, sizeof(p));
		TRY(log_info_by_num(l, p.log, &info));
		TRY(entry_empty(l, &info, p.seq, state));
		TRY(log_save(l, &info));
	}
	return NULL;
}

struct error *log_erase(struct log_store *l, const struct hash *op_id)
{
	/* Remembered for ever, also for an op that is not here yet. */
	TRY(db_do(l->db, l->s, ERASED_ADD, "k", op_id));
	op_remember_erased(l, op_id);
	TRY(db_do(l->db, l->s, DISPUTED_DROP, "k", op_id));
	return empty_all(l, op_id, PAYLOAD_ERASED);
}

struct error *log_unerase(struct log_store *l, const struct hash *op_id)
{
	bool erased;

	TRY(log_owed_drop(l, op_id));
	TRY(op_is_erased(l, op_id, &erased));
	if (!erased)
		return NULL;
	TRY(db_do(l->db, l->s, ERASED_DROP, "k", op_id));
	return empty_all(l, op_id, PAYLOAD_NOT_HELD);
}

static struct error *drop_place(struct log_store *l, const struct place *p, uint64_t *io_bytes)
{
	struct log_info info;
	uint64_t before;

	TRY(log_info_by_num(l, p->log, &info));
	before = info.bytes;
	TRY(entry_empty(l, &info, p->seq, PAYLOAD_NOT_HELD));
	*io_bytes += before - info.bytes;
	TRY(pack_note(l, p->num));
	return log_save(l, &info);
}

struct error *log_drop(struct log_store *l, const struct hash *op_id, uint64_t *ret_bytes)
{
	_cleanup_(buf_release) struct buf places = {0};
	uint64_t bytes = 0;

	TRY(log_op(l, op_id, note_held_place, &places));
	for (size_t at = 0; at < places.n; at += sizeof(struct place)) {
		struct place p;

		memcpy(&p, places.p + at, sizeof(p));
		TRY(drop_place(l, &p, &bytes));
	}
	*ret_bytes = bytes;
	if (!places.n)
		return NULL;
	return db_do(l->db, l->s, DROPPED_ADD, "k", op_id);
}

struct error *log_dropped(struct log_store *l, int64_t *io_after, struct hash *out, size_t max,
			  size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(l->s, DROPPED_AFTER);
	size_t n = 0;
	struct error *e = NULL;

	db_bind(st, "ii", *io_after, (int64_t)max);
	while (db_next(l->db, st, &e)) {
		*io_after = db_int(st, 0);
		n += db_id(st, 1, &out[n]);
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct error *log_dropped_forget(struct log_store *l)
{
	return db_do(l->db, l->s, DROPPED_FORGET, "");
}

struct error *log_owe(struct log_store *l, const struct hash *op_id, bool again)
{
	return db_do(l->db, l->s, OWED_ADD, "ki", op_id, (int64_t)again);
}

struct error *log_owed_drop(struct log_store *l, const struct hash *op_id)
{
	return db_do(l->db, l->s, OWED_DROP, "k", op_id);
}

struct error *log_owed(struct log_store *l, const struct hash *after, size_t max,
		       struct owed_op *ops, size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(l->s, OWED_AFTER);
	size_t n = 0;
	struct error *e = NULL;

	db_bind(st, "ki", after, (int64_t)max);
	while (db_next(l->db, st, &e)) {
		if (db_id(st, 0, &ops[n].op))
			ops[n++].again = db_int(st, 1);
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct error *log_is_owed(struct log_store *l, const struct hash *op_id, bool *ret)
{
	int64_t one;

	TRY(db_number(l->db, l->s, OWED_GET, 0, &one, "k", op_id));
	*ret = one != 0;
	return NULL;
}

struct error *log_scrub(struct log_store *l)
{
	return db_checkpoint(l->db, true);
}
