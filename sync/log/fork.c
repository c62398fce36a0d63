/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two entries in one place: proofs, and what follows from them. */
#include "sync/log/log_priv.h"

/* --- the first entry of a founding log --- */
/*
 * The id of a space is the op id of what founds it. Whoever else signs for that place, with the key of
 * the founding box, can't cast doubt on it: so a fork at sequence 1 takes everything behind it, and not
 * itself. What all boxes say of the log is then a matter of which headers are known, and not of which of
 * them begins the chain that is held: for somebody may as well sign a founding entry for the first place
 * of a log that begins with another, whose chain is not let go for that.
 */
bool log_is_founding(const struct entry_bytes *raw)
{
	static const struct hash zero;
	struct entry e;

	entry_decode(raw, &e);
	return e.seq == 1 && hash_eq(&e.space, &zero) && entry_verify_author(raw) &&
	       entry_verify_appliance(raw);
}

/* Is our entry 1 one? It comes in *ret, as it is held. */
static struct error *held_founding(struct log_store *l, const struct log_info *info,
				   struct entry_bytes *ret, bool *ret_is)
{
	*ret_is = false;
	if (!info->num || !info->head)
		return NULL;
	TRY(entry_header_at(l, info->num, 1, ret));
	*ret_is = log_is_founding(ret);
	return NULL;
}

struct error *log_founding_known(struct log_store *l, const struct log_info *info, bool *ret)
{
	struct entry_bytes held;
	struct fork_proof p;

	TRY(held_founding(l, info, &held, ret));
	if (*ret || info->frozen != 1)
		return NULL;
	TRY(log_fork_proof(l, info->num, &p));
	*ret = log_is_founding(&p.a) || log_is_founding(&p.b);
	return NULL;
}

struct error *fork_vouch(struct log_store *l, struct log_info *info)
{
	struct entry_bytes held;
	bool founds = false;

	if (info->frozen == 1)
		TRY(held_founding(l, info, &held, &founds));
	info->vouched = founds;
	return NULL;
}

/* It is known by its header: what it says is asked for as any payload that is missing. */
static struct error *put_founding(struct log_store *l, struct log_info *info,
				  const struct entry_bytes *raw)
{
	struct new_entry e = {.raw = raw,
			      .op_id = entry_op_id(raw),
			      .seq = 1,
			      .state = PAYLOAD_NOT_HELD};
	int64_t num;

	TRY(entry_put(l, info, &e, &num));
	info->head = info->audited = info->proved = 1;
	info->head_hash = entry_hash(raw);
	return NULL;
}

static struct error *set_proof(struct log_store *l, struct log_info *info, uint64_t seq,
			       const struct entry_bytes *x, const struct entry_bytes *y)
{
	struct hash hx = entry_hash(x), hy = entry_hash(y);
	bool swap = hash_cmp(&hx, &hy) > 0;

	if (!info->num)
		TRY(log_create(l, info));
	info->frozen = seq;
	return db_do(l->db, l->s, FORK_SET, "iibb", info->num, (int64_t)seq,
		     span_of((swap ? y : x)->b, ENTRY_HEADER),
		     span_of((swap ? x : y)->b, ENTRY_HEADER));
}

/* A fork at sequence 1: who is shown the proof has to see that it is a founding log, if it is known to
 * be one. */
static struct error *keep_first(struct log_store *l, struct log_info *info,
				const struct entry_bytes *x, const struct entry_bytes *y,
				bool *ret_new)
{
	const struct entry_bytes *founding = log_is_founding(x) ? x : log_is_founding(y) ? y : NULL;
	bool known = false, held;
	struct entry_bytes ours;

	TRY(held_founding(l, info, &ours, &held));
	if (info->frozen == 1)
		TRY(log_founding_known(l, info, &known));
	if (!founding && held) {
		founding = &ours;
		if (memcmp(x, &ours, sizeof(ours)) != 0)
			y = &ours;
	}
	*ret_new = info->frozen != 1 || (founding && !known);
	if (!*ret_new)
		return NULL;
	TRY(set_proof(l, info, 1, x, y));
	if (founding && !info->head)
		TRY(put_founding(l, info, founding));
	return NULL;
}

struct error *fork_take_founding(struct log_store *l, struct log_info *info,
				 const struct entry_bytes *raw)
{
	struct fork_proof p;
	bool is_new;

	TRY(log_fork_proof(l, info->num, &p));
	return fork_keep(l, info, 1, raw, memcmp(raw, &p.a, sizeof(p.a)) == 0 ? &p.b : &p.a,
			 &is_new);
}

/* --- proofs --- */
struct error *fork_keep(struct log_store *l, struct log_info *info, uint64_t seq,
			const struct entry_bytes *x, const struct entry_bytes *y, bool *ret_new)
{
	if (seq == 1) {
		TRY(keep_first(l, info, x, y, ret_new));
	} else {
		*ret_new = !info->frozen || seq < info->frozen;
		if (*ret_new)
			TRY(set_proof(l, info, seq, x, y));
	}
	if (!*ret_new)
		return NULL;
	TRY(log_save(l, info));
	TRY(log_stopped(l));
	return log_retire(l, &info->id);
}

struct error *log_ingest_fork(struct log_store *l, const struct fork_proof *proof, bool *ret_new)
{
	struct log_id a = entry_log(&proof->a), b = entry_log(&proof->b);
	struct entry ea, eb;
	struct log_info info;

	TRY(entry_check(&proof->a));
	TRY(entry_check(&proof->b));
	entry_decode(&proof->a, &ea);
	entry_decode(&proof->b, &eb);
	if (log_id_cmp(&a, &b) != 0 || ea.seq != eb.seq ||
	    memcmp(&proof->a, &proof->b, ENTRY_HEADER) == 0 || !entry_verify_appliance(&proof->a) ||
	    !entry_verify_appliance(&proof->b))
		return error_new(
			ERR_MALFORMED,
			N_("This does not prove that the appliance %s signed two different "
			   "entries."),
			ID_SHORT(&a.appliance));
	TRY(log_find(l, &a, &info));
	return fork_keep(l, &info, ea.seq, &proof->a, &proof->b, ret_new);
}

struct error *log_fork_proof(struct log_store *l, int64_t log, struct fork_proof *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, FORK_GET);
	struct span a, b;
	bool row;

	db_bind(st, "i", log);
	TRY(db_step(l->db, st, &row));
	if (!row)
		return error_new(ERR_NOT_FOUND, N_("This log has no fork."));
	a = db_blob(st, 0);
	b = db_blob(st, 1);
	if (a.n == ENTRY_HEADER && b.n == ENTRY_HEADER) {
		memcpy(ret->a.b, a.p, ENTRY_HEADER);
		memcpy(ret->b.b, b.p, ENTRY_HEADER);
	} else {
		row = false;
	}
	sqlite3_reset(st);
	return row ? NULL : error_new(ERR_CORRUPT, N_("The proof of a fork is damaged."));
}

/* --- headers without a signature of their own --- */
struct error *log_count_anew(struct log_store *l, struct log_info *info)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_SUMS);
	bool row;

	db_bind(st, "ii", info->num, (int64_t)info->head);
	TRY(db_step(l->db, st, &row));
	info->held = (uint64_t)db_int(st, 0);
	info->missing = (uint64_t)db_int(st, 1);
	info->bytes = (uint64_t)db_int(st, 2);
	sqlite3_reset(st);
	return log_save(l, info);
}

/* What lies beside the damaged header, when it is what the true one says. */
static struct error *body_beside(struct log_store *l, const struct log_info *info, uint64_t seq,
				 const struct entry_bytes *raw, struct buf *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_RANGE);
	struct span body;
	struct entry e;
	struct hash h;
	bool row;

	entry_decode(raw, &e);
	db_bind(st, "iii", info->num, (int64_t)seq, (int64_t)seq);
	TRY(db_step(l->db, st, &row));
	body = row ? db_blob(st, 6) : (struct span){0};
	h = hash_bytes(body);
	if (body.n >= ENTRY_SALT && hash_eq(&h, &e.payload_hash))
		buf_add(ret, body.p, body.n);
	sqlite3_reset(st);
	return NULL;
}

struct error *entry_heal(struct log_store *l, struct log_info *info, uint64_t seq,
			 const struct entry_bytes *raw, const struct ingest_payload *p)
{
	_cleanup_(buf_release) struct buf beside = {0};
	struct new_entry e = {.raw = raw, .op_id = entry_op_id(raw), .seq = seq};
	bool damaged, erased;
	int64_t num;

	e.state = payload_judge(raw, p, &damaged);
	TRY(op_is_erased(l, &e.op_id, &erased));
	if (erased)
		e.state = PAYLOAD_ERASED;
	if (e.state == PAYLOAD_HELD)
		e.body = entry_body(l, p->salt, p->bytes);
	if (e.state == PAYLOAD_NOT_HELD)
		TRY(body_beside(l, info, seq, raw, &beside));
	if (beside.n) {
		e.state = PAYLOAD_HELD;
		e.body = buf_span(&beside);
	}
	TRY(entry_put(l, info, &e, &num));
	return log_count_anew(l, info);
}

struct error *log_cut(struct log_store *l, struct log_info *info, uint64_t from)
{
	int64_t last;

	TRY(db_number(l->db, l->s, ENTRY_LAST_NUM, 0, &last, ""));
	TRY(db_do(l->db, l->s, LOG_META_SET, "si", "last_num", last));
	TRY(db_do(l->db, l->s, ENTRY_CUT, "ii", info->num, (int64_t)from));
	info->head = from - 1;
	info->head_hash = (struct hash){{0}};
	if (info->head)
		TRY(log_hash_at(l, info->num, info->head, &info->head_hash));
	info->strict = true;
	if (info->audited > info->head)
		info->audited = info->head;
	if (info->proved > info->head)
		info->proved = info->head;
	if (info->ended > info->head)
		info->ended = 0;
	TRY(log_count_anew(l, info));
	return log_retire(l, &info->id);
}
