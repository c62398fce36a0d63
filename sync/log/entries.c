/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The rows of entries: storing and reading them. */
#include "sync/log/log_priv.h"
#include <assert.h>

int64_t op_prefix(const struct hash *op_id)
{
	struct reader r = reader_of(span_of(op_id->b, 8));

	return (int64_t)reader_u64(&r);
}

/* --- storing --- */
struct span entry_body(struct log_store *l, const uint8_t *salt, struct span payload)
{
	/* As it lies in a frame: in one piece. */
	if (salt + ENTRY_SALT == payload.p)
		return span_of(salt, ENTRY_SALT + payload.n);
	buf_clear(&l->body);
	buf_add(&l->body, salt, ENTRY_SALT);
	buf_add_span(&l->body, payload);
	return buf_span(&l->body);
}

static struct error *next_num(struct log_store *l, int64_t *ret)
{
	if (!l->last_num)
		TRY(db_number(l->db, l->s, ENTRY_LAST_NUM, 0, &l->last_num, ""));
	*ret = ++l->last_num;
	return NULL;
}

static void count_payload(struct log_info *info, enum payload_state state, size_t body)
{
	info->held += state == PAYLOAD_HELD;
	info->missing += state == PAYLOAD_NOT_HELD || state == PAYLOAD_SEALED;
	if (state == PAYLOAD_HELD)
		info->bytes += body - ENTRY_SALT;
}

static struct error *insert(struct log_store *l, const struct log_info *info,
			    const struct new_entry *e, struct span body, int64_t num)
{
	return db_do(l->db, l->s, ENTRY_INSERT, "iiiiibb", num, info->num, (int64_t)e->seq,
		     op_prefix(&e->op_id), (int64_t)e->state, span_of(e->raw->b, ENTRY_HEADER),
		     body);
}

/* Remember which rules the entry names, when they are not those of the one before. */
static struct error *note_named(struct log_store *l, const struct entry_bytes *raw)
{
	struct entry fields;

	entry_decode(raw, &fields);
	if (hash_eq(&fields.rules, &l->last_named))
		return NULL;
	TRY(db_do(l->db, l->s, NAMED_ADD, "k", &fields.rules));
	l->last_named = fields.rules;
	return NULL;
}

/* Another one when a word of the header is another: each step can be taken back. Against disks, not
 * against people. */
static uint64_t mark_of(const struct entry_bytes *raw)
{
	uint64_t mark = 0, word;

	static_assert(ENTRY_HEADER % sizeof(word) == 0, "the header is whole words");
	for (size_t i = 0; i < ENTRY_HEADER; i += sizeof(word)) {
		memcpy(&word, raw->b + i, sizeof(word));
		mark = (mark ^ word) * 0x9e3779b97f4a7c15;
		mark ^= mark >> 32;
	}
	return mark;
}

static void note_fresh(struct log_store *l, const struct new_entry *e, int64_t num)
{
	struct fresh *f = &l->fresh;
	struct fresh_entry *at;

	if (!e->hash || f->n == FRESH_MAX || (f->n && f->first + (int64_t)f->n != num))
		return;
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 64;
		f->p = realloc(f->p, f->cap * sizeof(f->p[0]));
		if (!f->p)
			abort();
	}
	f->first = f->n ? f->first : num;
	at = &f->p[f->n++];
	at->op_id = e->op_id;
	at->hash = *e->hash;
	at->mark = mark_of(e->raw);
}

static const struct fresh_entry *find_fresh(const struct log_store *l, const struct stored *e)
{
	const struct fresh *f = &l->fresh;
	size_t at;

	if (!f->n || e->num < f->first || e->num >= f->first + (int64_t)f->n)
		return NULL;
	at = (size_t)(e->num - f->first);
	return f->p[at].mark == mark_of(&e->raw) ? &f->p[at] : NULL;
}

struct error *entry_put(struct log_store *l, struct log_info *info, const struct new_entry *e,
			int64_t *ret_num)
{
	struct span body = e->state == PAYLOAD_HELD ? e->body : (struct span){0};
	struct error *err;
	int64_t num;

	TRY(next_num(l, &num));
	err = insert(l, info, e, body, num);
	/* A row behind a damaged one, which log_repair left there, or the damaged one itself. Not
	 * INSERT OR REPLACE: that makes every insertion a third slower. */
	if (error_is(err, ERR_EXISTS)) {
		error_replace(&err, NULL);
		TRY(db_do(l->db, l->s, ENTRY_DROP, "ii", info->num, (int64_t)e->seq));
		err = insert(l, info, e, body, num);
	}
	if (err)
		return err;
	TRY(note_named(l, e->raw));
	note_fresh(l, e, num);
	count_payload(info, e->state, body.n);
	*ret_num = num;
	return NULL;
}

struct error *entry_fill(struct log_store *l, struct log_info *info, uint64_t seq, struct span body,
			 int64_t *ret_num)
{
	int64_t num;

	TRY(next_num(l, &num));
	TRY(db_do(l->db, l->s, ENTRY_FILL, "iiib", info->num, (int64_t)seq, num, body));
	info->missing--;
	count_payload(info, PAYLOAD_HELD, body.n);
	*ret_num = num;
	return NULL;
}

struct error *entry_empty(struct log_store *l, struct log_info *info, uint64_t seq,
			  enum payload_state state)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_STATE);
	enum payload_state was;
	int64_t num, body;
	bool row;

	db_bind(st, "ii", info->num, (int64_t)seq);
	TRY(db_step(l->db, st, &row));
	if (!row)
		return NULL;
	num = db_int(st, 0);
	was = (enum payload_state)db_int(st, 1);
	body = db_int(st, 2);
	sqlite3_reset(st);
	info->held -= was == PAYLOAD_HELD;
	info->missing -= was == PAYLOAD_NOT_HELD || was == PAYLOAD_SEALED;
	if (was == PAYLOAD_HELD)
		info->bytes -= (uint64_t)body - ENTRY_SALT;
	count_payload(info, state, 0);
	return db_do(l->db, l->s, ENTRY_EMPTY, "ii", num, (int64_t)state);
}

enum payload_state payload_judge(const struct entry_bytes *raw, const struct ingest_payload *p,
				 bool *ret_damaged)
{
	struct entry e;
	struct hash h;

	*ret_damaged = false;
	if (!p || p->state != PAYLOAD_HELD || !p->salt)
		return PAYLOAD_NOT_HELD;
	entry_decode(raw, &e);
	if (p->bytes.n == e.payload_len) {
		if (p->salt + ENTRY_SALT == p->bytes.p)
			h = hash_bytes(span_of(p->salt, ENTRY_SALT + p->bytes.n));
		else
			h = payload_hash(p->salt, p->bytes);
		if (hash_eq(&h, &e.payload_hash))
			return PAYLOAD_HELD;
	}
	*ret_damaged = true;
	return PAYLOAD_NOT_HELD;
}

/* --- what was erased --- */
static void erased_bit(const struct hash *op_id, size_t *ret_byte, uint8_t *ret_bit)
{
	unsigned n = op_id->b[0] | (unsigned)op_id->b[1] << 8;

	*ret_byte = n / 8;
	*ret_bit = (uint8_t)(1 << n % 8);
}

void op_remember_erased(struct log_store *l, const struct hash *op_id)
{
	size_t byte;
	uint8_t bit;

	erased_bit(op_id, &byte, &bit);
	l->erased[byte] |= bit;
}

struct error *op_is_erased(struct log_store *l, const struct hash *op_id, bool *ret)
{
	int64_t found = 0;
	size_t byte;
	uint8_t bit;

	erased_bit(op_id, &byte, &bit);
	if (l->erased[byte] & bit)
		TRY(db_number(l->db, l->s, ERASED_GET, 0, &found, "k", op_id));
	*ret = found;
	return NULL;
}

/* --- reading --- */
static struct error *damaged(int64_t num)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)num);
	return error_new(ERR_CORRUPT,
			 N_("Entry %s of this box is damaged on its disk. It will be fetched again "
			    "from a peer; change the disk if this comes back."),
			 text);
}

/* The current row. ERR_CORRUPT when the header is not what was stored. */
static struct error *read_entry(struct log_store *l, sqlite3_stmt *st, struct stored *e)
{
	struct span header = db_blob(st, 5), body;
	const struct fresh_entry *fresh;
	struct entry fields;
	struct hash h;

	*e = (struct stored){.num = db_int(st, 0),
			     .log = db_int(st, 1),
			     .seq = (uint64_t)db_int(st, 2),
			     .state = (enum payload_state)db_int(st, 4),
			     .audited = db_int(st, 2) <= db_int(st, 7),
			     .live = db_int(st, 2) <= db_int(st, 8)};
	ENSURE(header.n == ENTRY_HEADER, damaged(e->num));
	memcpy(e->raw.b, header.p, ENTRY_HEADER);
	entry_decode(&e->raw, &fields);
	fresh = find_fresh(l, e);
	e->op_id = fresh ? fresh->op_id : entry_op_id(&e->raw);
	ENSURE(op_prefix(&e->op_id) == db_int(st, 3) && fields.seq == e->seq, damaged(e->num));
	e->hash = fresh ? fresh->hash : entry_hash(&e->raw);
	if (e->state != PAYLOAD_HELD)
		return NULL;
	body = db_blob(st, 6);
	h = hash_bytes(body);
	if (body.n < ENTRY_SALT || !hash_eq(&h, &fields.payload_hash)) {
		e->state = PAYLOAD_NOT_HELD;
		return NULL;
	}
	memcpy(e->salt, body.p, ENTRY_SALT);
	e->payload = span_of(body.p + ENTRY_SALT, body.n - ENTRY_SALT);
	return NULL;
}

/* Call fn for each row. Damaged ones end it, or are passed over. */
static struct error *each_entry(struct log_store *l, sqlite3_stmt *st, bool pass_over,
				log_entry_fn *fn, void *ctx)
{
	struct error *err = NULL;

	while (db_next(l->db, st, &err)) {
		struct stored e;

		err = read_entry(l, st, &e);
		if (!err)
			err = fn(ctx, &e);
		else if (pass_over && error_is(err, ERR_CORRUPT))
			error_replace(&err, NULL);
	}
	return err;
}

struct error *log_arrivals(struct log_store *l, int64_t after, size_t max, log_entry_fn *fn,
			   void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_ARRIVALS);

	db_bind(st, "ii", after, max ? (int64_t)max : (int64_t)-1);
	return each_entry(l, st, true, fn, ctx);
}

struct range {
	log_entry_fn *fn;
	void *ctx;
	uint64_t next;
	struct hash before; /* hash of the entry before, when there was one */
	bool begun;
};

static struct error *in_range(void *ctx, const struct stored *e)
{
	struct range *r = ctx;
	struct entry fields;

	entry_decode(&e->raw, &fields);
	if (r->begun)
		ENSURE(e->seq == r->next && hash_eq(&fields.prev, &r->before), damaged(e->num));
	r->begun = true;
	r->next = e->seq + 1;
	r->before = e->hash;
	return r->fn(r->ctx, e);
}

struct error *log_range(struct log_store *l, int64_t log, uint64_t first, uint64_t last,
			log_entry_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_RANGE);
	struct range r = {.fn = fn, .ctx = ctx};

	if (last > INT64_MAX)
		last = INT64_MAX;
	if (first > last)
		return NULL;
	db_bind(st, "iii", log, (int64_t)first, (int64_t)last);
	return each_entry(l, st, false, in_range, &r);
}

struct wanted_op {
	const struct hash *id;
	log_entry_fn *fn;
	void *ctx;
};

static struct error *if_wanted(void *ctx, const struct stored *e)
{
	struct wanted_op *w = ctx;

	return hash_eq(&e->op_id, w->id) ? w->fn(w->ctx, e) : NULL;
}

struct error *log_op(struct log_store *l, const struct hash *op_id, log_entry_fn *fn, void *ctx)
{
	struct wanted_op w = {op_id, fn, ctx};
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_BY_OP);

	db_bind(st, "i", op_prefix(op_id));
	return each_entry(l, st, true, if_wanted, &w);
}

struct error *log_by_num(struct log_store *l, int64_t num, log_entry_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_BY_NUM);

	db_bind(st, "i", num);
	return each_entry(l, st, false, fn, ctx);
}

struct error *entry_header_at(struct log_store *l, int64_t log, uint64_t seq,
			      struct entry_bytes *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_HEADER_AT);
	struct span header;
	bool row;

	if (seq > INT64_MAX)
		return error_new(ERR_NOT_FOUND, N_("There is no such entry."));
	db_bind(st, "ii", log, (int64_t)seq);
	TRY(db_step(l->db, st, &row));
	if (!row)
		return error_new(ERR_NOT_FOUND, N_("There is no such entry."));
	header = db_blob(st, 0);
	/* A header of another size is damaged; zeros fit no hash and no signature. */
	memset(ret->b, 0, ENTRY_HEADER);
	if (header.n == ENTRY_HEADER)
		memcpy(ret->b, header.p, ENTRY_HEADER);
	sqlite3_reset(st);
	return NULL;
}

struct error *log_hash_at(struct log_store *l, int64_t log, uint64_t seq, struct hash *ret)
{
	struct entry_bytes raw;

	TRY(entry_header_at(l, log, seq, &raw));
	*ret = entry_hash(&raw);
	return NULL;
}

static struct error *sequences(struct log_store *l, enum log_stmt which, int64_t log,
			       uint64_t after, uint64_t *seqs, size_t max, size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(l->s, which);
	size_t n = 0;
	struct error *e = NULL;

	*ret_n = 0;
	if (after >= INT64_MAX)
		return NULL;
	db_bind(st, "iii", log, (int64_t)after, (int64_t)max);
	while (db_next(l->db, st, &e)) {
		if (n < max)
			seqs[n++] = (uint64_t)db_int(st, 0);
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct error *log_missing(struct log_store *l, int64_t log, uint64_t after, uint64_t *seqs,
			  size_t max, size_t *ret_n)
{
	return sequences(l, ENTRY_MISSING, log, after, seqs, max, ret_n);
}

struct error *log_absent(struct log_store *l, int64_t log, uint64_t after, uint64_t *seqs,
			 size_t max, size_t *ret_n)
{
	return sequences(l, ENTRY_ABSENT, log, after, seqs, max, ret_n);
}

struct error *log_missing_newest(struct log_store *l, int64_t log, uint64_t before,
				 log_missing_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_MISSING_NEWEST);
	struct error *err = NULL;
	bool more = true;

	db_bind(st, "ii", log, before > INT64_MAX ? INT64_MAX : (int64_t)before);
	while (more && db_next(l->db, st, &err)) {
		struct missing_entry e = {0};
		struct entry_bytes raw = {{0}};
		struct entry fields;
		struct span header;

		header = db_blob(st, 1);
		if (header.n == ENTRY_HEADER) /* what is damaged is asked for all the same */
			memcpy(raw.b, header.p, ENTRY_HEADER);
		entry_decode(&raw, &fields);
		e.seq = (uint64_t)db_int(st, 0);
		e.time = fields.time;
		e.bytes = fields.payload_len;
		e.op = entry_op_id(&raw);
		more = fn(ctx, &e);
	}
	sqlite3_reset(st);
	return err;
}

struct error *log_need(struct log_store *l, const struct hash *op_id)
{
	return db_do(l->db, l->s, NAMED_ADD, "k", op_id);
}

struct error *log_is_needed(struct log_store *l, const struct hash *op_id, bool *ret)
{
	int64_t found;

	TRY(db_number(l->db, l->s, NAMED_GET, 0, &found, "k", op_id));
	*ret = found != 0;
	return NULL;
}

struct error *log_named(struct log_store *l, log_named_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, NAMED_ALL);
	struct error *e = NULL;

	while (db_next(l->db, st, &e)) {
		struct hash op;

		if (db_id(st, 0, &op))
			fn(ctx, &op);
	}
	return e;
}
