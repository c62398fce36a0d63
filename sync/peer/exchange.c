/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/exchange.h"
#include "sync/peer/addresses.h"
#include "sync/peer/batch.h"
#include "sync/peer/receipt_talk.h"
#include "sync/peer/room.h"

struct exchange {
	struct exchange_options o;
	struct client *client;
	struct session *session;
	struct buf bytes;
	struct sync_report report; /* of what was committed */
	struct wire_tally tally;
	uint8_t number[RECEIPT_EXCHANGE];
	/* our digest before the last answer was weighed, and at the end */
	uint8_t weighed[DISCOVERY_DIGEST], last[DISCOVERY_DIGEST];
	bool done;
	unsigned no_room;    /* frames beyond its quota */
	struct blob_walk walk;
	uint64_t blob_size; /* the one that was named last has at most so many */
	unsigned misdeeds;   /* said already: bits of enum misdeed */
	uint64_t vain;	     /* bytes of this answer for which there is no room, and that are read */
	uint64_t passed;     /* bytes since the line was looked at */
	bool closed;
};

static void misdeed(struct exchange *x, enum misdeed what, const char *words)
{
	if (x->o.misdeed && !(x->misdeeds & 1u << what))
		x->o.misdeed(x->o.ctx, what, words);
	x->misdeeds |= 1u << what; /* once in an exchange */
}

struct error *exchange_digest(struct log_store *log, uint8_t ret[DISCOVERY_DIGEST])
{
	struct space_digest rows[LIMIT_SPACES];
	struct hash all;
	size_t n;

	TRY(heads_all(log, NULL, NULL, rows, ARRAY_LEN(rows), &n));
	all = heads_digest_spaces(rows, n);
	memcpy(ret, all.b, DISCOVERY_DIGEST);
	return NULL;
}

static bool is_open(void *ctx, const struct hash *space)
{
	return !log_is_closed(ctx, space);
}

struct error *exchange_announced(struct log_store *log, uint8_t ret[DISCOVERY_DIGEST])
{
	struct space_digest rows[LIMIT_SPACES];
	struct hash all;
	size_t n;

	TRY(heads_all(log, is_open, log, rows, ARRAY_LEN(rows), &n));
	all = heads_digest_spaces(rows, n);
	memcpy(ret, all.b, DISCOVERY_DIGEST);
	return NULL;
}

bool exchange_settled(const struct exchange *x, uint8_t ret[DISCOVERY_DIGEST])
{
	memcpy(ret, x->last, DISCOVERY_DIGEST);
	return x->done && memcmp(x->weighed, x->last, DISCOVERY_DIGEST) == 0;
}

static bool shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct exchange *x = ctx;
	const struct sync_host *host = x->o.host;

	if (pubkey_eq(peer, secret_pubkey(x->o.self))) /* another box with our key is us */
		return true;
	return log_shared_with(x->o.log, space, peer) &&
	       (!host->shares || host->shares(host->ctx, peer, space));
}

static bool follows(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct exchange *x = ctx;
	const struct sync_host *host = x->o.host;

	if (pubkey_eq(peer, secret_pubkey(x->o.self))) /* another box with our key is us */
		return true;
	return log_followed_from(x->o.log, space, peer) &&
	       (!host->follows || host->follows(host->ctx, peer, space));
}

static struct room room_of(const struct exchange *x)
{
	return (struct room){.ledger = x->o.ledger,
			     .host = x->o.host,
			     .self = secret_pubkey(x->o.self),
			     .bringer = &x->o.to.peer,
			     .log = x->o.log};
}

/* What has none stays with it until there is room again. */
static bool room(void *ctx, const struct log_id *log, const struct ingest *run, uint64_t bytes)
{
	struct exchange *x = ctx;
	struct room r = room_of(x);
	struct room_answer a = room_ask(&r, log, run, bytes);

	x->no_room += a.guilty || a.all;
	if (a.over != ROOM)
		ledger_refused(x->o.ledger, &x->o.to.peer, log, a.over, bytes);
	if (a.guilty)
		misdeed(x, room_misdeed(a.over), ledger_item_name(a.over));
	if (a.over == ROOM && run && x->o.heard)
		x->o.heard(x->o.ctx, run);
	return a.over == ROOM;
}

static void unused(void *ctx, const struct log_id *log, const struct ingest *run, size_t entries,
		   uint64_t bytes)
{
	struct room r = room_of(ctx);

	room_unused(&r, log, run, entries, bytes);
}

static void in_vain(void *ctx, const struct log_id *log, uint64_t bytes)
{
	const struct exchange *x = ctx;

	ledger_refused(x->o.ledger, &x->o.to.peer, log, LEDGER_WRITER, bytes);
}

static void full(void *ctx, const struct hash *space, struct full *ret)
{
	const struct exchange *x = ctx;

	ledger_full(x->o.ledger, &x->o.to.peer, space, ret);
}

static bool is_unwanted(void *ctx, const struct hash *space)
{
	const struct exchange *x = ctx;

	return ledger_is_unwanted(x->o.ledger, &x->o.to.peer, space);
}

static void unwanted(void *ctx, const struct hash *space)
{
	const struct exchange *x = ctx;

	ledger_unwanted(x->o.ledger, &x->o.to.peer, space);
}

static uint64_t left_in(const struct exchange *x, const struct hash *space, enum ledger_item item)
{
	return x->o.ledger ? ledger_left_in(x->o.ledger, &x->o.to.peer, space, item) : UINT64_MAX;
}

/* One that is longer than what is left is not begun: of what would come of it nothing could be used. */
static bool blob_room(void *ctx, const struct hash *space, const struct hash *blob, uint64_t size)
{
	const struct exchange *x = ctx;
	uint64_t have = blob_part_from(x->o.blobs, blob, &x->o.to.peer);
	uint64_t left = left_in(x, space, LEDGER_BYTES);

	return left > 0 && left_in(x, space, LEDGER_BLOBS) > 0 &&
	       (have >= size || size - have <= left);
}

static bool next_blob(void *ctx, struct hash *ret)
{
	struct exchange *x = ctx;
	const struct sync_host *host = x->o.host;
	bool any = x->o.blobs && host->next_blob &&
		   (!x->o.ledger || (ledger_left(x->o.ledger, &x->o.to.peer, LEDGER_BLOBS) > 0 &&
				     ledger_left(x->o.ledger, &x->o.to.peer, LEDGER_BYTES) > 0));

	x->walk.room = blob_room;
	x->walk.room_ctx = x;
	return any && host->next_blob(host->ctx, &x->o.to.peer, &x->walk, ret, &x->blob_size) &&
	       blob_room(x, &x->walk.space, ret, x->blob_size);
}

static void first(void *ctx, const struct hash *space, log_named_fn *fn, void *fn_ctx)
{
	const struct exchange *x = ctx;

	if (x->o.host->first)
		x->o.host->first(x->o.host->ctx, space, fn, fn_ctx);
}

static void announced(void *ctx, const struct space_count *count)
{
	const struct exchange *x = ctx;
	const struct sync_host *host = x->o.host;

	if (host->announced)
		host->announced(host->ctx, &x->o.to.peer, &count->space, count->entries);
}

struct error *exchange_new(const struct exchange_options *o, struct exchange **ret)
{
	_cleanup_(exchange_freep) struct exchange *x = calloc(1, sizeof(*x));
	struct session_options so = {.self = o->self,
				     .peer = o->to.peer,
				     .env = o->to.env,
				     .name = o->to.name,
				     .take_limit = EXCHANGE_TAKE,
				     .room = room,
				     .unused = unused,
				     .in_vain = in_vain,
				     .full = full,
				     .is_unwanted = is_unwanted,
				     .unwanted = unwanted,
				     .ctx = x,
				     .shares = shares,
				     .follows = follows,
				     .first = first,
				     .next_blob = next_blob,
				     .announced = announced,
				     .pasts = o->pasts,
				     .tally = x ? &x->tally : NULL};
	char number[2 * RECEIPT_EXCHANGE + 1];

	if (!x)
		abort();
	if (o->host->partial)
		o->host->partial(o->host->ctx, &so.keep);
	x->o = *o;
	x->passed = LEDGER_LOOK; /* the first look is before the first byte */
	env_random(o->to.env, x->number, sizeof(x->number));
	exchange_text(x->number, number);
	x->o.to.exchange = number;
	TRY(client_new(&x->o.to, &x->client));
	x->o.to.exchange = NULL;
	x->o.to.proxy = NULL;
	x->session = session_new(&so);
	*ret = STEAL(x);
	return NULL;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	client_free(x->client);
	session_free(x->session);
	tally_release(&x->tally);
	buf_release(&x->bytes);
	free(x);
}

size_t exchange_theirs(const struct exchange *x, struct space_digest *rows, size_t max)
{
	return session_theirs(x->session, rows, max);
}

void exchange_cancel(struct exchange *x)
{
	client_cancel(x->client);
}

bool exchange_met(struct exchange *x)
{
	return client_met(x->client);
}

bool exchange_closed(const struct exchange *x)
{
	return x->closed;
}

/* --- bytes over the line --- */
/* Charged as they pass, for a budget is to end what is under way. */
static void passed(struct exchange *x, enum ledger_item way, uint64_t n)
{
	x->passed += n;
	ledger_passed(x->o.ledger, &x->o.to.peer, way, n, x->o.near);
}

static struct error *look_at_line(struct exchange *x)
{
	if (!x->o.closed || x->passed < LEDGER_LOOK)
		return NULL;
	x->passed = 0;
	x->closed = x->o.closed(x->o.ctx);
	ENSURE(!x->closed,
	       error_new(ERR_BUSY, N_("The line of this box is counted, and closed for now. What is left "
				      "comes by itself when it is open.")));
	return NULL;
}

/* The next piece of what the peer gets. */
static struct error *may_push(struct exchange *x)
{
	if (!x->o.ledger || ledger_left(x->o.ledger, &x->o.to.peer, LEDGER_OUT) > 0)
		return NULL;
	x->closed = true;
	return error_new(ERR_BUSY, N_("The other house was given as much as it may get in one day. The "
				      "rest follows tomorrow."));
}

/* --- the session's actions --- */
/* A body goes out as it is made; one that is short, and most are, as a whole. */
static struct error *send_request(struct exchange *x, const struct session_action *a)
{
	bool end = !a->body, wanted = true, push = !strcmp(a->path, SYNC_PATH_PUSH);

	buf_clear(&x->bytes);
	if (push)
		TRY(may_push(x));
	if (a->body)
		TRY(session_body(x->session, x->o.log, &x->bytes, &end));
	if (a->body && end) {
		passed(x, LEDGER_OUT, x->bytes.n);
		return client_post(x->client, a->path, &x->bytes);
	}
	TRY(client_request(x->client, a->method, a->path, a->body, 0));
	while (a->body && wanted) {
		if (push)
			TRY(may_push(x));
		passed(x, LEDGER_OUT, x->bytes.n);
		TRY(look_at_line(x));
		wanted = client_send(x->client, &x->bytes);
		if (end || !wanted)
			break;
		TRY(session_body(x->session, x->o.log, &x->bytes, &end));
	}
	client_send_end(x->client);
	return NULL;
}

static struct error *do_request(struct exchange *x, const struct session_action *a)
{
	client_expect(x->client, strcmp(a->path, SYNC_PATH_STATUS) == 0
					 ? LIMIT_STATUS
					 : EXCHANGE_TAKE + CLIENT_ANSWER);
	x->vain = ledger_refused_most(x->o.ledger, &x->o.to.peer);
	TRY(send_request(x, a));
	/* The request is on its way: from here on the session waits for the answer. */
	session_feed(x->session, span_of("", 0));
	return NULL;
}

/* For nothing that comes now there is room: it is ended, and what is left asked for without that. An
 * honest box does not know better. */
static bool is_in_vain(const struct exchange *x)
{
	struct in_vain v = session_in_vain(x->session);

	return v.all > x->vain || v.more > LEDGER_REFUSED_MORE;
}

static struct error *do_receive(struct exchange *x)
{
	int status;

	ENSURE(x->no_room <= EXCHANGE_NO_ROOM,
	       error_new(ERR_LIMIT, N_("The other box has more to give than this box takes of one "
				       "peer. A volunteer can allow it more.")));

	if (is_in_vain(x)) {
		client_drop(x->client);
		session_cut(x->session);
		return NULL;
	}
	if (client_receive(x->client, true, &x->bytes)) {
		size_t n = x->bytes.n;

		session_feed(x->session, buf_span(&x->bytes));
		passed(x, LEDGER_IN, n);
		return NULL;
	}
	TRY(client_result(x->client, &status));
	TRY(exchange_digest(x->o.log, x->weighed));
	session_answered(x->session, status);
	return NULL;
}

/* What the batch asks, on the writer's thread while ours waits: from what came already, never
 * waiting for the network. */
static struct error *batch_next(void *ctx, struct log_store *log, struct intake **ret)
{
	struct exchange *x = ctx;
	struct session_action a;
	size_t n;

	*ret = NULL;
	for (;;) {
		TRY(session_next(x->session, log, &a));
		if (a.type == SESSION_WRITE)
			*ret = a.intake;
		if (a.type != SESSION_RECEIVE || is_in_vain(x) || !client_receive(x->client, false, &x->bytes))
			return NULL;
		n = x->bytes.n;
		session_feed(x->session, buf_span(&x->bytes));
		passed(x, LEDGER_IN, n);
	}
}

static void batch_written(void *ctx)
{
	session_written(((struct exchange *)ctx)->session);
}

static struct error *do_write(struct exchange *x)
{
	struct batch_source from = {x, batch_next, batch_written, x->o.to.env};
	size_t n;

	TRY(batch_write(x->o.host, &from, &n));
	if (x->o.stored)
		x->o.stored(x->o.ctx);
	return NULL;
}

/* --- blobs --- */
/* One file that is asked for. How long it is its op says, at most `most` bytes: that is the word of whoever
 * wrote the op, and the peer answers for its own alone. */
struct blob_asking {
	struct exchange *x;
	const struct hash *hash;
	uint64_t most, have, at; /* have: before it was asked; at: now */
	struct blob_writer *w;
	int status;
	bool over; /* no more of it now, and that is no fault of the peer */
	bool here; /* it came whole */
	bool guilty; /* it came whole, is another one, and all of it was this peer's */
};

/* Does the peer say that it has more than the op does? Then nothing of it is taken: another op may name it,
 * too, and say so. */
static bool is_longer(const struct exchange *x, const struct blob_asking *k)
{
	uint64_t n = client_length(x->client), from = client_status(x->client) == 206 ? k->have : 0;

	return n != CLIENT_UNSAID && n > k->most - from;
}

/* Others of this peer may have used its room meanwhile. Who goes on behind the end is another matter. */
static bool is_over(const struct exchange *x, const struct blob_asking *k, bool first)
{
	return (first && is_longer(x, k)) ||
	       (k->at < k->most && left_in(x, &x->walk.space, LEDGER_BYTES) == 0);
}

static struct error *receive_blob(struct exchange *x, struct blob_asking *k)
{
	uint64_t skip = 0;
	bool first = true;

	k->at = k->have;
	while (!k->over && client_receive(x->client, true, &x->bytes)) {
		struct span s = buf_span(&x->bytes);
		size_t cut;

		k->over = is_over(x, k, first);
		if (k->over)
			break;
		if (first && client_status(x->client) == 200)
			skip = k->have; /* it began at the beginning all the same */
		first = false;
		cut = skip < s.n ? (size_t)skip : s.n;
		skip -= cut;
		if (x->o.ledger)
			ledger_charge_in(x->o.ledger, &x->o.to.peer, &x->walk.space, LEDGER_BYTES,
					 s.n);
		TRY(blob_write(k->w, span_of(s.p + cut, s.n - cut)));
		k->at += s.n - cut;
		passed(x, LEDGER_IN, s.n);
		TRY(look_at_line(x));
	}
	if (!k->over)
		return client_result(x->client, &k->status);
	client_drop(x->client);
	return NULL;
}

/* Where what others brought is longer than the op says, one of the two is wrong, and nobody knows which:
 * then this peer's is taken apart. */
static struct error *begin_blob(struct exchange *x, struct blob_asking *k)
{
	struct error *err = blob_writer_from(x->o.blobs, k->hash, &x->o.to.peer, k->most, &k->w,
					     &k->have);

	if (error_is(err, ERR_LIMIT)) {
		k->have = 0;
		error_replace(&err, blob_writer_apart(x->o.blobs, k->hash, k->most, &k->w));
	}
	if (error_is(err, ERR_BUSY)) { /* another peer is giving it */
		k->over = true;
		error_replace(&err, NULL);
	}
	return err;
}

/* Of ERR_LIMIT the peer is guilty: it went on and on, and did not say how far. */
static struct error *fetch_blob(struct exchange *x, struct blob_asking *k)
{
	char path[128];
	struct error *err;

	TRY(begin_blob(x, k));
	if (k->over)
		return NULL;
	client_expect(x->client, k->most + CLIENT_ANSWER);
	if (x->o.ledger)
		ledger_charge_in(x->o.ledger, &x->o.to.peer, &x->walk.space, LEDGER_BLOBS, 1);
	snprintf(path, sizeof(path), "%s%s", SYNC_PATH_BLOB, ID(k->hash));
	err = client_request(x->client, "GET", path, false, k->have);
	if (!err)
		err = receive_blob(x, k);
	if (error_is(err, ERR_LIMIT))
		blob_writer_undo(STEAL(k->w)); /* of its rubbish nothing stays */
	return err;
}

static void lied(void *ctx, const struct pubkey *by)
{
	struct blob_asking *k = ctx;
	struct error *err =
		error_new(ERR_CORRUPT,
			  N_("Of the file %s it gave other bytes than the file has."),
			  ID_SHORT(k->hash));

	if (k->x->o.lied)
		k->x->o.lied(k->x->o.ctx, by, error_stored(err));
	error_free(err);
}

/* ERR_CORRUPT: it is whole, and not what it is to be. */
static struct error *settle_blob(struct blob_asking *k)
{
	if (!k->w || k->over || (k->status != 200 && k->status != 206 && k->status != 416))
		return NULL;
	TRY(blob_writer_settle(STEAL(k->w), &k->guilty));
	k->here = true;
	blob_judge(k->x->o.blobs, k->hash, lied, k);
	return NULL;
}

static struct error *try_blob(struct exchange *x, struct blob_asking *k, bool *ret_corrupt)
{
	struct error *err = fetch_blob(x, k);

	if (error_is(err, ERR_LIMIT))
		misdeed(x, MISDEED_BLOB, error_stored(err));
	if (!err)
		err = settle_blob(k);
	blob_writer_free(STEAL(k->w)); /* keeps what it has */
	*ret_corrupt = error_is(err, ERR_CORRUPT);
	if (*ret_corrupt && k->guilty)
		misdeed(x, MISDEED_BLOB, error_stored(err));
	if (*ret_corrupt)
		error_replace(&err, NULL);
	return err;
}

/* A blob that can't be had is no reason to end the exchange; a connection that broke is. */
static struct error *do_blob(struct exchange *x, const struct hash *hash)
{
	struct blob_asking k = {.x = x,
				.hash = hash,
				.most = x->blob_size < LIMIT_UPLOAD ? x->blob_size : LIMIT_UPLOAD};
	bool corrupt = false;

	k.over = !blob_room(x, &x->walk.space, hash, k.most); /* not now */
	if (!k.over)
		TRY(try_blob(x, &k, &corrupt));
	/* Several had a hand in it: from now on each is asked for all of it, this one first. */
	if (corrupt && !k.guilty && blob_room(x, &x->walk.space, hash, k.most))
		TRY(try_blob(x, &k, &corrupt));
	session_blob_done(x->session, k.here);
	return NULL;
}

/* --- the receipt --- */
static bool moved_anything(const struct sync_report *r)
{
	return r->received || r->filled || r->accepted || r->forks || r->blobs ||
	       r->new_incarnation;
}

/* An exchange that did its work is no failure for want of a signature. */
static void make_receipt(struct exchange *x)
{
	struct receipt_asking q = {.client = x->client,
				   .host = x->o.host,
				   .self = x->o.self,
				   .peer = x->o.to.peer,
				   .env = x->o.to.env,
				   .exchange = x->number,
				   .tally = &x->tally,
				   .report = &x->report};
	struct error *err;

	if (!moved_anything(&x->report) && !x->o.receipt)
		return;
	session_weighed(x->session);
	err = receipt_ask(&q);
	x->report.signed_too = !err;
	memcpy(x->report.exchange, x->number, sizeof(x->number));
	error_free(err);
}

/* --- where boxes are --- */
static struct error *swap_addresses(struct exchange *x, struct buf *body)
{
	int status;

	x->report.bytes_out += body->n;
	passed(x, LEDGER_OUT, body->n);
	TRY(client_ask(x->client, SYNC_PATH_ADDRESSES, body, LIMIT_STATUS, &status));
	x->report.bytes_in += body->n;
	passed(x, LEDGER_IN, body->n);
	if (status != 200) /* it is older, or busy */
		return NULL;
	return x->o.told(x->o.ctx, buf_span(body), address_is_loopback(x->o.to.address));
}

/* The exchange has done its work: what goes wrong here is tried again with the next. */
static void tell_addresses(struct exchange *x)
{
	_cleanup_(buf_release) struct buf body = {0};

	if (x->o.tell && x->o.told && x->o.tell(x->o.ctx, &body))
		error_free(swap_addresses(x, &body));
}

/* --- the loop --- */
static struct error *step(struct exchange *x)
{
	struct session_action a;

	TRY(look_at_line(x));
	TRY(session_next(x->session, x->o.log, &a));
	switch (a.type) {
	case SESSION_REQUEST:
		return do_request(x, &a);
	case SESSION_RECEIVE:
		return do_receive(x);
	case SESSION_WRITE:
		return do_write(x);
	case SESSION_BLOB:
		return do_blob(x, &a.blob);
	case SESSION_DONE:
		x->done = true;
		return exchange_digest(x->o.log, x->last);
	}
	return NULL;
}

/* What was odd about it, and what it cost. */
static void settle_up(struct exchange *x, struct error *err)
{
	unsigned set = conduct_of_report(&x->report, error_code(err));

	/* not for want of room: a frame larger than any may be, an answer without an end */
	if (error_is(err, ERR_LIMIT) && !x->no_room && !set && !x->misdeeds)
		set |= 1u << MISDEED_RUBBISH;
	if (error_is(err, ERR_TIMEOUT) && client_met(x->client))
		set |= 1u << MISDEED_STALL;
	if (error_is(err, ERR_DENIED) && !client_met(x->client))
		set |= 1u << MISDEED_CLAIM;
	for (int i = 0; i < MISDEEDS; i++)
		if (set & 1u << i)
			misdeed(x, (enum misdeed)i, err ? error_stored(err) : "");
}

struct error *exchange_run(struct exchange *x, struct sync_report *ret_report)
{
	struct error *err = NULL;

	while (!err && !x->done) {
		err = step(x);
		/* a batch that was not committed does not count */
		if (!err)
			x->report = *session_report(x->session);
	}
	if (!err) {
		make_receipt(x);
		tell_addresses(x);
	}
	if (err)
		pasts_forget(x->o.pasts, &x->o.to.peer);
	x->report.cut |= error_is(err, ERR_NET) || error_is(err, ERR_TIMEOUT);
	settle_up(x, err);
	*ret_report = x->report;
	return err;
}
