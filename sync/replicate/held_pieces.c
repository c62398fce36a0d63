/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/held_priv.h"
#include <errno.h>
#include <unistd.h>

enum { READ_AT_ONCE = 65536 };

/* --- the hash --- */
struct hashing {
	struct hash_state st;
	struct blob_store *blobs;
	const struct session_options *o; /* of who answers; NULL: it is our own question */
	uint64_t bytes;
};

static void add_number(struct hash_state *st, uint64_t n)
{
	uint8_t raw[8];

	for (int i = 0; i < 8; i++)
		raw[i] = (uint8_t)(n >> 8 * i);
	hash_add(st, raw, sizeof(raw));
}

static bool hash_range(struct hash_state *st, int fd, uint64_t at, uint64_t n)
{
	uint8_t bytes[READ_AT_ONCE];

	while (n) {
		size_t most = n < sizeof(bytes) ? (size_t)n : sizeof(bytes);
		ssize_t got = pread(fd, bytes, most, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		hash_add(st, bytes, (size_t)got);
		at += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return true;
}

/* What can't be read to its end is not held, and leaves nothing in the hash. */
static bool hash_piece(struct hashing *h, const struct blob_piece *p)
{
	struct hash_state before = h->st;
	_cleanup_(closep) int fd = -1;
	uint64_t size;
	struct error *e;

	if (h->bytes + p->n > HELD_BYTES)
		return false;
	e = blob_fd(h->blobs, &p->blob, &fd, &size);
	if (e || p->at > size || p->n > size - p->at) {
		error_free(e);
		return false;
	}
	if (h->o && h->o->proves && !h->o->proves(h->o->ctx, p->n))
		return false;
	hash_add(&h->st, p->blob.b, sizeof(p->blob.b));
	add_number(&h->st, p->at);
	add_number(&h->st, p->n);
	if (!hash_range(&h->st, fd, p->at, p->n)) {
		h->st = before;
		return false;
	}
	h->bytes += p->n;
	return true;
}

/* Over those with `held`; who does not hold one after all loses the mark. */
static struct hash digest(const struct session_options *o, struct blob_store *blobs,
			  const struct pubkey *asker, const struct pubkey *answerer,
			  const struct hash *nonce, struct held_piece *p, size_t n)
{
	static const char label[] = "lliure-held-pieces-1";
	struct hashing h = {.blobs = blobs, .o = o};

	hash_init(&h.st);
	hash_add(&h.st, label, sizeof(label) - 1);
	hash_add(&h.st, asker->b, sizeof(asker->b));
	hash_add(&h.st, answerer->b, sizeof(answerer->b));
	hash_add(&h.st, nonce->b, sizeof(nonce->b));
	for (size_t i = 0; i < n; i++)
		p[i].held = p[i].held && hash_piece(&h, &p[i].what);
	return hash_final(&h.st);
}

/* --- asking and answering --- */
static void put_pieces(struct stream_writer *w, const struct held_piece *p, size_t n, bool all)
{
	struct blob_piece rows[LIMIT_PIECES];
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (all || !p[i].held)
			rows[k++] = p[i].what;
	stream_put_pieces(w, rows, k);
}

void held_pieces_question(const struct hash *nonce, const struct held_piece *p, size_t n,
			  struct buf *out)
{
	struct stream_writer w;

	stream_begin(&w, out);
	stream_put_proof(&w, nonce);
	put_pieces(&w, p, n, true);
	stream_put_end(&w);
}

struct error *held_pieces_answer(const struct session_options *o, struct held_message *m,
				 struct buf *out)
{
	struct stream_writer w;
	struct hash proof;

	for (size_t i = 0; i < m->n_pieces; i++)
		m->pieces[i].held = o->blobs && o->keeps_blob &&
				    o->keeps_blob(o->ctx, &o->peer, &m->pieces[i].what.blob);
	proof = digest(o, o->blobs, &o->peer, secret_pubkey(o->self), &m->proof, m->pieces,
		       m->n_pieces);
	stream_begin(&w, out);
	if (keep_is_partial(&o->keep))
		stream_put_partial(&w, &o->keep, false, NULL, 0);
	stream_put_proof(&w, &proof);
	put_pieces(&w, m->pieces, m->n_pieces, false);
	stream_put_end(&w);
	return NULL;
}

static bool same(const struct blob_piece *a, const struct blob_piece *b)
{
	return hash_eq(&a->blob, &b->blob) && a->at == b->at && a->n == b->n;
}

struct error *held_pieces_weigh(const struct pubkey *self, const struct pubkey *peer,
				struct blob_store *blobs, const struct hash *nonce,
				struct held_piece *p, size_t n, struct span answer)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct held_message m;
	size_t before = 0, after = 0;
	struct hash proof;

	for (size_t i = 0; i < n; i++)
		p[i].held = false;
	TRY(held_read(answer, &a, &m));
	/* One of a version before pieces says nothing about them. */
	if (m.partial || !m.pieces)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		p[i].held = true;
		for (size_t k = 0; k < m.n_pieces && p[i].held; k++)
			p[i].held = !same(&p[i].what, &m.pieces[k].what);
		before += p[i].held;
	}
	proof = digest(NULL, blobs, self, peer, nonce, p, n);
	for (size_t i = 0; i < n; i++)
		after += p[i].held;
	if (before == after && hash_eq(&proof, &m.proof))
		return NULL;
	for (size_t i = 0; i < n; i++)
		p[i].held = false;
	return NULL;
}
