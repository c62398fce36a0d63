/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/receipt_talk.h"
#include "sync/replicate/heads.h"
#include <pthread.h>

/* --- one frame each way --- */
static void put_stream(const struct signature *sig, struct span bytes, struct buf *out)
{
	struct stream_writer w;

	stream_begin(&w, out);
	stream_put_receipt(&w, sig, bytes);
	stream_put_end(&w);
}

/* The one receipt of a whole stream; its bytes are copied to the arena. Without a statement it is
 * about `same`, when there is one: what the reader has said itself. */
static struct error *get_stream(struct span body, struct span same, struct arena *a,
				struct signature *ret_sig, struct span *ret_bytes)
{
	_cleanup_(stream_reader_freep) struct stream_reader *r =
		stream_reader_new(FRAME_BIT(FRAME_RECEIPT));
	struct span bytes = {0};
	const struct frame *f;

	stream_feed(r, body);
	for (;;) {
		TRY(stream_next(r, &f));
		if (!f)
			break;
		if (f->type == FRAME_END)
			continue;
		ENSURE(!bytes.p && (f->receipt.bytes.n || same.n),
		       error_new(ERR_MALFORMED, N_("What came as a receipt is none.")));
		if (f->receipt.bytes.n)
			same = f->receipt.bytes;
		bytes = span_of(arena_copy(a, same.p, same.n), same.n);
		*ret_sig = f->receipt.sig;
	}
	TRY(stream_finish(r));
	ENSURE(bytes.p, error_new(ERR_MALFORMED, N_("What came as a receipt is none.")));
	*ret_bytes = bytes;
	return NULL;
}

static struct error *write_signed(struct sync_writing *w, void *arg)
{
	return receipt_put_signed(w->local, arg);
}

/* --- asking --- */
static void make_claim(const struct receipt_asking *q, struct arena *a, struct buf *out)
{
	struct receipt_body b = {.kind = RECEIPT_MET};

	b.box[ASKER] = *secret_pubkey(q->self);
	b.box[ANSWERER] = q->peer;
	memcpy(b.exchange, q->exchange, sizeof(b.exchange));
	b.clock_ms[ASKER] = env_now(q->env);
	b.clock_ms[ANSWERER] =
		(int64_t)((uint64_t)b.clock_ms[ASKER] + (uint64_t)q->report->clock_skew_ms);
	receipt_of_tally(q->tally, q->report, a, &b);
	for (size_t i = 0; q->host->conflicts && i < b.n_spaces; i++)
		b.spaces[i].conflicts = q->host->conflicts(q->host->ctx, &b.spaces[i].space);
	receipt_write(&b, out);
}

static struct error *exchange_bodies(struct client *c, struct buf *io_body)
{
	int status;

	TRY(client_ask(c, SYNC_PATH_RECEIPT, io_body, RECEIPT_BODY, &status));
	ENSURE(status != 404, error_new(ERR_NOT_FOUND, N_("The other box knows no receipts.")));
	ENSURE(status == 200,
	       error_new(ERR_NET, N_("The other box did not sign the receipt.")));
	return NULL;
}

/* The other's version: of this exchange, and signed by it. */
struct error *receipt_take_answer(const struct receipt_asking *q, struct span answer,
				  struct arena *a, struct receipt_signed *io)
{
	struct receipt_body b;
	struct signature sig;
	struct span bytes;

	TRY(get_stream(answer, io->bytes[ASKER], a, &sig, &bytes));
	TRY(receipt_read(bytes, a, &b));
	ENSURE(receipt_signed_by(&q->peer, bytes, &sig) && b.kind == RECEIPT_MET &&
		       pubkey_eq(&b.box[ANSWERER], &q->peer) &&
		       pubkey_eq(&b.box[ASKER], secret_pubkey(q->self)) &&
		       memcmp(b.exchange, q->exchange, sizeof(b.exchange)) == 0,
	       error_new(ERR_SIGNATURE, N_("The other box did not sign the receipt.")));
	io->bytes[ANSWERER] = bytes;
	io->sig[ANSWERER] = sig;
	return NULL;
}

void receipt_claim(const struct receipt_asking *q, struct arena *a, struct receipt_signed *ret,
		   struct buf *body)
{
	_cleanup_(buf_release) struct buf claim = {0};
	struct receipt_signed s = {.peer = q->peer, .when_ms = env_now(q->env)};

	make_claim(q, a, &claim);
	memcpy(s.exchange, q->exchange, sizeof(s.exchange));
	s.bytes[ASKER] = span_of(arena_copy(a, claim.p, claim.n), claim.n);
	s.sig[ASKER] = receipt_sign(q->self, s.bytes[ASKER]);
	put_stream(&s.sig[ASKER], s.bytes[ASKER], body);
	*ret = s;
}

struct error *receipt_ask(const struct receipt_asking *q)
{
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(arena_release) struct arena a = {0};
	struct receipt_signed s;
	struct error *err;

	receipt_claim(q, &a, &s, &body);
	err = exchange_bodies(q->client, &body);
	if (error_is(err, ERR_NOT_FOUND))
		return err;
	if (!err)
		err = receipt_take_answer(q, buf_span(&body), &a, &s);
	error_free(err); /* ours alone, then */
	return q->host->write(q->host->ctx, write_signed, &s);
}

/* --- answering --- */
static struct error *take_claim(const struct receipt_weighing *w, const uint8_t *exchange,
				struct span body, struct arena *a, struct receipt_signed *io,
				struct receipt_body *ret)
{
	TRY(get_stream(body, (struct span){0}, a, &io->sig[ASKER], &io->bytes[ASKER]));
	ENSURE(receipt_signed_by(w->peer, io->bytes[ASKER], &io->sig[ASKER]),
	       error_new(ERR_SIGNATURE, N_("The receipt is not signed by who sends it.")));
	TRY(receipt_read(io->bytes[ASKER], a, ret));
	ENSURE(ret->kind == RECEIPT_MET && pubkey_eq(&ret->box[ASKER], w->peer) &&
		       pubkey_eq(&ret->box[ANSWERER], w->self) &&
		       memcmp(ret->exchange, exchange, RECEIPT_EXCHANGE) == 0,
	       error_new(ERR_MALFORMED, N_("The receipt is about another exchange.")));
	return NULL;
}

struct error *receipt_answer(const struct receipt_weighing *w, const struct secret *self,
			     const struct sync_host *host, const uint8_t exchange[RECEIPT_EXCHANGE],
			     struct span body, struct buf *out)
{
	_cleanup_(arena_release) struct arena a = {0};
	_cleanup_(buf_release) struct buf bytes = {0};
	struct receipt_signed s = {.peer = *w->peer, .when_ms = w->now_ms, .by_peer = true};
	struct receipt_body claim, own;

	memcpy(s.exchange, exchange, sizeof(s.exchange));
	TRY(take_claim(w, exchange, body, &a, &s, &claim));
	TRY(receipt_own_version(w, &claim, &a, &own));
	receipt_write(&own, &bytes);
	s.bytes[ANSWERER] = buf_span(&bytes);
	s.sig[ANSWERER] = receipt_sign(self, s.bytes[ANSWERER]);
	TRY(host->write(host->ctx, write_signed, &s));
	/* They know it by heart when it is what they said: then the signature is enough. */
	if (span_eq(s.bytes[ASKER], s.bytes[ANSWERER]))
		s.bytes[ANSWERER].n = 0;
	put_stream(&s.sig[ANSWERER], s.bytes[ANSWERER], out);
	return NULL;
}

/* --- exchanges under way --- */
struct slot {
	struct wire_tally tally; /* first: a tally is its slot */
	struct pubkey peer;
	uint8_t exchange[RECEIPT_EXCHANGE];
	uint64_t age; /* when it was used last; 0: free */
	bool busy;
};

struct tallies {
	pthread_mutex_t lock;
	struct slot slots[TALLIES];
	uint64_t clock;
};

struct tallies *tallies_new(void)
{
	struct tallies *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void tallies_free(struct tallies *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < TALLIES; i++)
		tally_release(&t->slots[i].tally);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct slot *find_slot(struct tallies *t, const struct pubkey *peer, const uint8_t *exchange)
{
	for (size_t i = 0; i < TALLIES; i++) {
		struct slot *s = &t->slots[i];

		if (s->age && pubkey_eq(&s->peer, peer) &&
		    memcmp(s->exchange, exchange, RECEIPT_EXCHANGE) == 0)
			return s;
	}
	return NULL;
}

/* The one to begin in: this peer's oldest when it has its share, else the oldest of all (a free one
 * is the oldest). NULL: all are in use. */
static struct slot *oldest_slot(struct tallies *t, const struct pubkey *peer)
{
	struct slot *own = NULL, *any = NULL;
	int mine = 0;

	for (size_t i = 0; i < TALLIES; i++) {
		struct slot *s = &t->slots[i];
		bool theirs = s->age && pubkey_eq(&s->peer, peer);

		mine += theirs;
		if (s->busy)
			continue;
		if (theirs && (!own || s->age < own->age))
			own = s;
		if (!any || s->age < any->age)
			any = s;
	}
	return mine >= TALLIES_PER_PEER ? own : any;
}

struct wire_tally *tallies_take(struct tallies *t, const struct pubkey *peer,
			   const uint8_t exchange[RECEIPT_EXCHANGE])
{
	struct slot *s;

	pthread_mutex_lock(&t->lock);
	s = find_slot(t, peer, exchange);
	if (!s) {
		s = oldest_slot(t, peer);
		if (s) {
			tally_release(&s->tally);
			*s = (struct slot){.peer = *peer};
			memcpy(s->exchange, exchange, RECEIPT_EXCHANGE);
		}
	}
	if (s && s->busy)
		s = NULL;
	if (s) {
		s->busy = true;
		s->age = ++t->clock;
	}
	pthread_mutex_unlock(&t->lock);
	return s ? &s->tally : NULL;
}

void tallies_give(struct tallies *t, struct wire_tally *tally)
{
	if (!tally)
		return;
	pthread_mutex_lock(&t->lock);
	((struct slot *)(void *)tally)->busy = false;
	pthread_mutex_unlock(&t->lock);
}

void exchange_text(const uint8_t exchange[RECEIPT_EXCHANGE], char out[2 * RECEIPT_EXCHANGE + 1])
{
	for (int i = 0; i < RECEIPT_EXCHANGE; i++)
		snprintf(out + (ptrdiff_t)2 * i, 3, "%02x", exchange[i]);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool exchange_parse(const char *text, uint8_t ret[RECEIPT_EXCHANGE])
{
	uint8_t bytes[RECEIPT_EXCHANGE];

	if (!text || strlen(text) != (size_t)2 * RECEIPT_EXCHANGE)
		return false;
	for (size_t i = 0; i < RECEIPT_EXCHANGE; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, bytes, sizeof(bytes));
	return true;
}
