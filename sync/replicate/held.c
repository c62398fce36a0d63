/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/held_priv.h"

static int compare(const void *a, const void *b)
{
	const struct held_entry *x = a, *y = b;
	int d = log_id_cmp(&x->id, &y->id);

	return d ? d : (x->seq > y->seq) - (x->seq < y->seq);
}

void held_sort(struct held_entry *e, size_t *io_n)
{
	size_t kept = 0;

	if (*io_n)
		qsort(e, *io_n, sizeof(*e), compare);
	for (size_t i = 0; i < *io_n; i++)
		if (!kept || compare(&e[kept - 1], &e[i]) != 0)
			e[kept++] = e[i];
	*io_n = kept;
}

/* --- lists of entries, as MISSING frames --- */
static void put_ranges(struct stream_writer *w, const struct held_entry *e, size_t n, bool all)
{
	struct seq_range ranges[LIMIT_MISSING_RANGES];
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		bool last = i + 1 == n || log_id_cmp(&e[i].id, &e[i + 1].id) != 0;

		if (all || !e[i].held) {
			if (k && ranges[k - 1].last + 1 == e[i].seq)
				ranges[k - 1].last = e[i].seq;
			else
				ranges[k++] = (struct seq_range){e[i].seq, e[i].seq};
		}
		/* a frame may be followed by one of the same log; full, it may still grow */
		if (k && (last ||
			  (k == LIMIT_MISSING_RANGES && ranges[k - 1].last + 1 != e[i + 1].seq))) {
			stream_put_missing(w, &e[i].id, ranges, k);
			k = 0;
		}
	}
}

struct error *held_malformed(void)
{
	return error_new(ERR_MALFORMED,
			 N_("The other box's proof of what it holds makes no sense."));
}

/* One frame's ranges as single entries, behind *io_n. */
static struct error *take_ranges(const struct frame *f, struct held_entry *e, size_t *io_n)
{
	for (size_t i = 0; i < f->missing.n; i++) {
		const struct seq_range *r = &f->missing.ranges[i];

		ENSURE(r->last - r->first < HELD_ENTRIES &&
			       *io_n + (r->last - r->first) < HELD_ENTRIES,
		       error_new(ERR_LIMIT, N_("The other box asks for more proofs than may be in "
					       "one question.")));
		for (uint64_t s = r->first; s <= r->last; s++)
			e[(*io_n)++] = (struct held_entry){.id = f->missing.id, .seq = s};
	}
	return NULL;
}

static struct error *take_pieces(const struct frame *f, struct arena *a, struct held_message *m)
{
	struct held_piece *p = arena_array(a, struct held_piece, f->pieces.n ? f->pieces.n : 1);

	ENSURE(!m->pieces, held_malformed());
	for (size_t i = 0; i < f->pieces.n; i++)
		p[i] = (struct held_piece){.what = f->pieces.rows[i]};
	m->pieces = p;
	m->n_pieces = f->pieces.n;
	return NULL;
}

struct error *held_read(struct span bytes, struct arena *a, struct held_message *ret)
{
	unsigned expect = FRAME_BIT(FRAME_PROOF) | FRAME_BIT(FRAME_MISSING) |
			  FRAME_BIT(FRAME_PARTIAL) | FRAME_BIT(FRAME_PIECES);
	_cleanup_(stream_reader_freep) struct stream_reader *r = stream_reader_new(expect);
	unsigned proofs = 0;
	const struct frame *f;

	*ret = (struct held_message){.e = arena_array(a, struct held_entry, HELD_ENTRIES)};
	stream_feed(r, bytes);
	for (;;) {
		TRY(stream_next(r, &f));
		if (!f)
			break;
		if (f->type == FRAME_PROOF) {
			ret->proof = f->proof;
			proofs++;
		} else if (f->type == FRAME_PARTIAL) {
			ret->partial = true;
		} else if (f->type == FRAME_PIECES) {
			TRY(take_pieces(f, a, ret));
		} else {
			TRY(take_ranges(f, ret->e, &ret->n));
		}
	}
	TRY(stream_finish(r));
	ENSURE(proofs == 1 && (!ret->pieces || !ret->n), held_malformed());
	held_sort(ret->e, &ret->n);
	return NULL;
}

/* --- the hash --- */
struct hashing {
	struct hash_state st;
	struct held_entry *entry;
	const struct session_options *o; /* of who answers; NULL: it is our own question */
	uint64_t bytes;
	bool found;
};

static struct error *hash_payload(void *ctx, const struct stored *e)
{
	struct hashing *h = ctx;
	uint8_t id[LOG_ID_BYTES], seq[8];

	if (e->state != PAYLOAD_HELD || h->bytes + e->payload.n > HELD_BYTES)
		return NULL;
	if (h->o && h->o->proves && !h->o->proves(h->o->ctx, e->payload.n))
		return NULL;
	log_id_write(&h->entry->id, id);
	for (int i = 0; i < 8; i++)
		seq[i] = (uint8_t)(e->seq >> 8 * i);
	hash_add(&h->st, id, sizeof(id));
	hash_add(&h->st, seq, sizeof(seq));
	hash_add(&h->st, e->salt, sizeof(e->salt));
	hash_add(&h->st, e->payload.p, e->payload.n);
	h->bytes += e->payload.n;
	h->found = true;
	return NULL;
}

static struct error *hash_one(struct log_store *log, struct hashing *h)
{
	struct log_info info;
	struct error *e = log_info_get(log, &h->entry->id, &info);

	h->found = false;
	if (!e && h->entry->seq <= info.live)
		e = log_range(log, info.num, h->entry->seq, h->entry->seq, hash_payload, h);
	/* What is damaged here is not held here. */
	if (error_is(e, ERR_NOT_FOUND) || error_is(e, ERR_CORRUPT)) {
		error_free(e);
		return NULL;
	}
	return e;
}

/* Over those with `held`; who does not hold one after all loses the mark. */
static struct error *digest(const struct session_options *o, struct log_store *log,
			    const struct pubkey *asker, const struct pubkey *answerer,
			    const struct hash *nonce, struct held_entry *e, size_t n,
			    struct hash *ret)
{
	static const char label[] = "lliure-held-1";
	struct hashing h = {.o = o};

	hash_init(&h.st);
	hash_add(&h.st, label, sizeof(label) - 1);
	hash_add(&h.st, asker->b, sizeof(asker->b));
	hash_add(&h.st, answerer->b, sizeof(answerer->b));
	hash_add(&h.st, nonce->b, sizeof(nonce->b));
	for (size_t i = 0; i < n; i++) {
		if (!e[i].held)
			continue;
		h.entry = &e[i];
		TRY(hash_one(log, &h));
		e[i].held = h.found;
	}
	*ret = hash_final(&h.st);
	return NULL;
}

/* --- asking and answering --- */
void held_question(const struct hash *nonce, const struct held_entry *e, size_t n, struct buf *out)
{
	struct stream_writer w;

	stream_begin(&w, out);
	stream_put_proof(&w, nonce);
	put_ranges(&w, e, n, true);
	stream_put_end(&w);
}

struct error *held_answer(const struct session_options *o, struct log_store *log,
			  struct span question, struct buf *out)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct stream_writer w;
	struct held_message m;
	struct hash proof;

	TRY(held_read(question, &a, &m));
	if (m.pieces)
		return held_pieces_answer(o, &m, out);
	for (size_t i = 0; i < m.n; i++)
		m.e[i].held = (!o->shares || o->shares(o->ctx, &o->peer, &m.e[i].id.space)) &&
			      (!o->follows || o->follows(o->ctx, &o->peer, &m.e[i].id.space));
	TRY(digest(o, log, &o->peer, secret_pubkey(o->self), &m.proof, m.e, m.n, &proof));
	stream_begin(&w, out);
	if (keep_is_partial(&o->keep))
		stream_put_partial(&w, &o->keep, false, NULL, 0);
	stream_put_proof(&w, &proof);
	put_ranges(&w, m.e, m.n, false);
	stream_put_end(&w);
	return NULL;
}

struct error *held_weigh(const struct pubkey *self, const struct pubkey *peer,
			 struct log_store *log, const struct hash *nonce, struct held_entry *e,
			 size_t n, struct span answer)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct held_message m;
	struct hash proof;
	size_t k = 0, before = 0, after = 0;

	for (size_t i = 0; i < n; i++)
		e[i].held = false;
	TRY(held_read(answer, &a, &m));
	if (m.partial)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		while (k < m.n && compare(&m.e[k], &e[i]) < 0)
			k++;
		e[i].held = !(k < m.n && compare(&m.e[k], &e[i]) == 0);
		before += e[i].held;
	}
	TRY(digest(NULL, log, self, peer, nonce, e, n, &proof));
	for (size_t i = 0; i < n; i++)
		after += e[i].held;
	/* What this box does not hold itself any more it can't check. */
	if (before == after && hash_eq(&proof, &m.proof))
		return NULL;
	for (size_t i = 0; i < n; i++)
		e[i].held = false;
	return NULL;
}
