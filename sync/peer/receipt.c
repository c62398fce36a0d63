/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/receipt.h"
#include "sync/replicate/heads.h"
#include <assert.h>

enum { RECEIPT_VERSION = 1 };
#define SIGNED_AS "lliure-receipt-1"

/* --- bytes --- */
static int cmp_space(const void *a, const void *b)
{
	return hash_cmp(&((const struct receipt_space *)a)->space,
			&((const struct receipt_space *)b)->space);
}

static int cmp_refusal(const void *va, const void *vb)
{
	const struct receipt_refusal *a = va, *b = vb;
	int d = (int)a->by - (int)b->by;

	if (!d)
		d = log_id_cmp(&a->id, &b->id);
	return d ? d : strcmp(error_name(a->why), error_name(b->why));
}

static void write_space(const struct receipt_space *s, struct buf *out)
{
	buf_add(out, s->space.b, 32);
	for (int i = 0; i < 2; i++)
		buf_add(out, s->heads[i].b, 32);
	for (int i = 0; i < 2; i++)
		buf_add(out, s->missing[i], 16);
	for (int i = 0; i < 2; i++)
		buf_u64(out, s->entries[i]);
	for (int i = 0; i < 2; i++)
		buf_u32(out, s->forks[i]);
	buf_u32(out, s->conflicts);
}

static void write_refusal(const struct receipt_refusal *f, struct buf *out)
{
	uint8_t id[LOG_ID_BYTES];

	buf_u8(out, f->by);
	log_id_write(&f->id, id);
	buf_add(out, id, sizeof(id));
	buf_u8(out, (uint8_t)strlen(error_name(f->why)));
	buf_puts(out, error_name(f->why));
}

static void write_pair(const uint64_t v[2], struct buf *out)
{
	buf_u64(out, v[0]);
	buf_u64(out, v[1]);
}

void receipt_write(const struct receipt_body *b, struct buf *out)
{
	buf_u8(out, RECEIPT_VERSION);
	buf_u8(out, (uint8_t)b->kind);
	for (int i = 0; i < 2; i++)
		buf_add(out, b->box[i].b, 32);
	buf_add(out, b->exchange, sizeof(b->exchange));
	for (int i = 0; i < 2; i++)
		buf_u64(out, (uint64_t)b->clock_ms[i]);
	write_pair(b->bytes, out);
	write_pair(b->fresh, out);
	write_pair(b->filled, out);
	buf_u64(out, b->blobs);
	buf_u16(out, (uint16_t)b->n_spaces);
	for (size_t i = 0; i < b->n_spaces; i++)
		write_space(&b->spaces[i], out);
	buf_u16(out, (uint16_t)b->n_refusals);
	for (size_t i = 0; i < b->n_refusals; i++)
		write_refusal(&b->refusals[i], out);
}

static struct error *malformed(void)
{
	return error_new(ERR_MALFORMED, N_("What came as a receipt is none."));
}

static void read_space(struct reader *in, struct receipt_space *s)
{
	reader_copy(in, s->space.b, 32);
	for (int i = 0; i < 2; i++)
		reader_copy(in, s->heads[i].b, 32);
	for (int i = 0; i < 2; i++)
		reader_copy(in, s->missing[i], 16);
	for (int i = 0; i < 2; i++)
		s->entries[i] = reader_u64(in);
	for (int i = 0; i < 2; i++)
		s->forks[i] = reader_u32(in);
	s->conflicts = reader_u32(in);
}

static bool read_refusal(struct reader *in, struct receipt_refusal *f)
{
	uint8_t id[LOG_ID_BYTES];
	struct span name;

	f->by = reader_u8(in);
	reader_copy(in, id, sizeof(id));
	log_id_read(id, &f->id);
	name = reader_bytes(in, reader_u8(in));
	f->why = error_of_name(name.p, name.n);
	return f->by <= ANSWERER && f->why != ERR_NONE;
}

static void read_pair(struct reader *in, uint64_t v[2])
{
	v[0] = reader_u64(in);
	v[1] = reader_u64(in);
}

static struct error *read_rows(struct reader *in, struct arena *a, struct receipt_body *b)
{
	b->n_spaces = reader_u16(in);
	ENSURE(b->n_spaces <= LIMIT_SPACES, malformed());
	b->spaces = arena_array(a, struct receipt_space, b->n_spaces + 1);
	for (size_t i = 0; i < b->n_spaces; i++) {
		read_space(in, &b->spaces[i]);
		ENSURE(!i || cmp_space(&b->spaces[i - 1], &b->spaces[i]) < 0, malformed());
	}
	b->n_refusals = reader_u16(in);
	ENSURE(b->n_refusals <= RECEIPT_REFUSALS, malformed());
	b->refusals = arena_array(a, struct receipt_refusal, b->n_refusals + 1);
	for (size_t i = 0; i < b->n_refusals; i++) {
		ENSURE(read_refusal(in, &b->refusals[i]), malformed());
		ENSURE(!i || cmp_refusal(&b->refusals[i - 1], &b->refusals[i]) < 0, malformed());
	}
	return NULL;
}

struct error *receipt_read(struct span bytes, struct arena *a, struct receipt_body *ret)
{
	struct reader in = reader_of(bytes);
	struct receipt_body b = {0};

	ENSURE(reader_u8(&in) == RECEIPT_VERSION, malformed());
	b.kind = (enum receipt_kind)reader_u8(&in);
	ENSURE(b.kind >= RECEIPT_MET && b.kind <= RECEIPT_TAKEN, malformed());
	for (int i = 0; i < 2; i++)
		reader_copy(&in, b.box[i].b, 32);
	reader_copy(&in, b.exchange, sizeof(b.exchange));
	for (int i = 0; i < 2; i++)
		b.clock_ms[i] = (int64_t)reader_u64(&in);
	read_pair(&in, b.bytes);
	read_pair(&in, b.fresh);
	read_pair(&in, b.filled);
	b.blobs = reader_u64(&in);
	TRY(read_rows(&in, a, &b));
	ENSURE(reader_at_end(&in), malformed());
	*ret = b;
	return NULL;
}

enum receipt_kind receipt_kind_of(struct span bytes)
{
	assert(bytes.n > 1);
	return (enum receipt_kind)bytes.p[1];
}

/* --- signatures --- */
static void message(struct span bytes, struct buf *out)
{
	buf_puts(out, SIGNED_AS);
	buf_add_span(out, bytes);
}

struct signature receipt_sign(const struct secret *self, struct span bytes)
{
	_cleanup_(buf_release) struct buf m = {0};

	message(bytes, &m);
	return sign(self, buf_span(&m));
}

bool receipt_signed_by(const struct pubkey *who, struct span bytes, const struct signature *sig)
{
	_cleanup_(buf_release) struct buf m = {0};

	message(bytes, &m);
	return verify(who, buf_span(&m), sig);
}

struct hash receipt_id(struct span bytes)
{
	_cleanup_(buf_release) struct buf m = {0};

	message(bytes, &m);
	return hash_bytes(buf_span(&m));
}

bool receipt_space_equal(const struct receipt_space *s)
{
	return hash_eq(&s->heads[ASKER], &s->heads[ANSWERER]);
}

bool receipt_equal(const struct receipt_body *b)
{
	for (size_t i = 0; i < b->n_spaces; i++)
		if (!receipt_space_equal(&b->spaces[i]))
			return false;
	return true;
}

/* --- the asker's --- */
static void space_of_tally(const struct tally_space *t, bool asking, struct receipt_space *s)
{
	int us = asking ? ASKER : ANSWERER, them = 1 - us;

	s->entries[us] = t->sent;
	s->entries[them] = t->came;
	s->forks[us] = t->forks_sent;
	s->forks[them] = t->forks_came;
}

static void add_refusal(struct receipt_body *b, int by, const struct log_id *id,
			enum error_code why)
{
	struct receipt_refusal row = {(uint8_t)by, *id, why};

	for (size_t i = 0; i < b->n_refusals; i++)
		if (cmp_refusal(&b->refusals[i], &row) == 0)
			return;
	if (b->n_refusals < RECEIPT_REFUSALS)
		b->refusals[b->n_refusals++] = row;
}

/* What the answerer refused: its notes went over the wire. */
static void noted_refusals(const struct wire_tally *t, bool asking, struct receipt_body *b)
{
	const struct tally_note *notes = (const struct tally_note *)(const void *)t->notes.p;

	for (size_t i = 0; i < t->notes.n / sizeof(*notes); i++)
		if (notes[i].theirs == asking)
			add_refusal(b, ANSWERER, &notes[i].id, notes[i].why);
}

static void sort_rows(struct receipt_body *b)
{
	qsort(b->spaces, b->n_spaces, sizeof(*b->spaces), cmp_space);
	qsort(b->refusals, b->n_refusals, sizeof(*b->refusals), cmp_refusal);
}

void receipt_of_tally(struct wire_tally *t, const struct sync_report *r, struct arena *a,
		      struct receipt_body *io)
{
	size_t kept = r->refusals < REPORT_REFUSALS ? r->refusals : REPORT_REFUSALS;

	io->bytes[ASKER] = t->bytes_sent;
	io->bytes[ANSWERER] = t->bytes_came;
	io->fresh[ASKER] = r->received;
	io->filled[ASKER] = r->filled;
	io->fresh[ANSWERER] = t->theirs_new;
	io->filled[ANSWERER] = t->theirs_filled;
	io->blobs = r->blobs;
	io->spaces = arena_array(a, struct receipt_space, LIMIT_SPACES);
	io->n_spaces = 0;
	for (size_t i = 0; i < tally_spaces(t); i++) {
		const struct tally_space *row = tally_at(t, i);
		struct receipt_space *s = &io->spaces[io->n_spaces];

		if (row->denied) /* who answered leaves it out */
			continue;
		io->n_spaces++;
		s->space = row->space;
		space_of_tally(row, true, s);
		s->heads[ASKER] = row->ours.heads;
		s->heads[ANSWERER] = row->theirs.heads;
		memcpy(s->missing[ASKER], row->ours.missing, 16);
		memcpy(s->missing[ANSWERER], row->theirs.missing, 16);
	}
	io->refusals = arena_array(a, struct receipt_refusal, RECEIPT_REFUSALS);
	io->n_refusals = 0;
	for (size_t i = 0; i < kept; i++)
		if (!r->refused[i].by_peer)
			add_refusal(io, ASKER, &r->refused[i].id, r->refused[i].why);
	noted_refusals(t, true, io);
	sort_rows(io);
}

/* --- the answerer's --- */
static const struct receipt_space *claimed_space(const struct receipt_body *claim,
						 const struct hash *space)
{
	struct receipt_space wanted = {.space = *space};

	return claim->n_spaces
		       ? bsearch(&wanted, claim->spaces, claim->n_spaces, sizeof(wanted), cmp_space)
		       : NULL;
}

static struct error *own_space(const struct receipt_weighing *w, const struct hash *space,
			       const struct receipt_space *claimed, struct receipt_space *ret)
{
	struct tally_space none = {.space = *space}, *row = NULL;
	struct space_digest ours;

	*ret = claimed ? *claimed : (struct receipt_space){.space = *space};
	if (w->tally)
		row = tally_space(w->tally, space);
	if (!row)
		row = &none;
	space_of_tally(row, false, ret);
	ours = row->ours;
	/* Not told in this exchange: they know it from the status, and it is what it is now. */
	if (!row->weighed)
		TRY(heads_space_digest(w->log, space, &ours));
	ret->heads[ANSWERER] = ours.heads;
	memcpy(ret->missing[ANSWERER], ours.missing, 16);
	return NULL;
}

/* A space of which only digests were told may have been offered and not wanted. */
static bool something_moved(const struct tally_space *t)
{
	return t->sent || t->came || t->forks_sent || t->forks_came;
}

/* A space that is not here is left out as one that is kept from them: neither is told from the other. */
static bool may_name(const struct receipt_weighing *w, const struct hash *space)
{
	bool here = !w->log || log_holds_space(w->log, space);
	bool may = !w->shares || w->shares(w->ctx, w->peer, space);

	return here && may;
}

static struct error *own_spaces(const struct receipt_weighing *w, const struct receipt_body *claim,
				struct arena *a, struct receipt_body *ret)
{
	size_t counted = w->tally ? tally_spaces(w->tally) : 0;

	ret->spaces = arena_array(a, struct receipt_space, LIMIT_SPACES);
	ret->n_spaces = 0;
	for (size_t i = 0; i < claim->n_spaces; i++)
		if (may_name(w, &claim->spaces[i].space))
			TRY(own_space(w, &claim->spaces[i].space, &claim->spaces[i],
				      &ret->spaces[ret->n_spaces++]));
	for (size_t i = 0; i < counted; i++) {
		struct hash space = tally_at(w->tally, i)->space;

		if (something_moved(tally_at(w->tally, i)) && !claimed_space(claim, &space) &&
		    ret->n_spaces < LIMIT_SPACES && may_name(w, &space))
			TRY(own_space(w, &space, NULL, &ret->spaces[ret->n_spaces++]));
	}
	return NULL;
}

/* Nobody took more than was sent. */
static void bound_taken(struct receipt_body *b)
{
	uint64_t sent = 0;

	for (size_t i = 0; i < b->n_spaces; i++)
		sent += b->spaces[i].entries[ANSWERER];
	if (b->fresh[ASKER] > sent)
		b->fresh[ASKER] = sent;
	if (b->filled[ASKER] > sent)
		b->filled[ASKER] = sent;
}

struct error *receipt_own_version(const struct receipt_weighing *w,
				  const struct receipt_body *claim, struct arena *a,
				  struct receipt_body *ret)
{
	static const struct wire_tally nothing;
	const struct wire_tally *t = w->tally ? w->tally : &nothing;
	struct receipt_body b = *claim;
	int64_t off = (int64_t)((uint64_t)w->now_ms - (uint64_t)claim->clock_ms[ANSWERER]);

	b.kind = RECEIPT_MET;
	b.box[ASKER] = *w->peer;
	b.box[ANSWERER] = *w->self;
	if (off > RECEIPT_CLOCK_SLACK_MS || off < -RECEIPT_CLOCK_SLACK_MS)
		b.clock_ms[ANSWERER] = w->now_ms;
	b.bytes[ASKER] = t->bytes_came;
	b.bytes[ANSWERER] = t->bytes_sent;
	b.fresh[ANSWERER] = t->ours_new;
	b.filled[ANSWERER] = t->ours_filled;
	TRY(own_spaces(w, claim, a, &b));
	bound_taken(&b);
	b.refusals = arena_array(a, struct receipt_refusal, RECEIPT_REFUSALS);
	b.n_refusals = 0;
	for (size_t i = 0; i < claim->n_refusals; i++)
		if (claim->refusals[i].by == ASKER)
			add_refusal(&b, ASKER, &claim->refusals[i].id, claim->refusals[i].why);
	noted_refusals(t, false, &b);
	sort_rows(&b);
	*ret = b;
	return NULL;
}

enum receipt_state receipt_state_of(const struct receipt_signed *s)
{
	if (!s->bytes[ASKER].p)
		return RECEIPT_UNSIGNED;
	if (!s->bytes[ANSWERER].p)
		return RECEIPT_ALONE;
	return span_eq(s->bytes[ASKER], s->bytes[ANSWERER]) ? RECEIPT_AGREED : RECEIPT_DISPUTED;
}
