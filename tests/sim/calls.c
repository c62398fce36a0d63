/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Exchanges between two boxes as events, and bundles. Both ends are the real ones: session.h asks,
 * serve.h answers. What travels is cut into pieces; one piece of a call is on its way at a time, as
 * one request follows the other, but any number of calls run at once, and people write in between.
 *
 *   ASK  -- request --> SEND (pieces of the body to the server) --> ANSWER (pieces of it back) -->
 * ASK  -- file --> FETCH (pieces of it) --> ASK, and at the end both sign a receipt
 *
 * On its way a piece may be late, lost (TCP gives up: the connection is broken), or, in a call
 * drawn to be odd, damaged, doubled or in the wrong place, which TLS would not let through and a
 * stick does.
 */
#include "tests/sim/world.h"
#include "sync/peer/exchange.h"
#include <unistd.h>

enum phase { ASK, SEND, ANSWER, FETCH };
enum odd { AS_IT_IS, FLIPPED, DOUBLED, SWAPPED };

struct side {
	struct call *c;
	int self, peer;
};

struct call {
	struct call *next;
	struct world *w;
	int client, server;
	struct side side[2]; /* the client's, the server's */
	struct wire_tally tally[2];
	uint8_t exchange[RECEIPT_EXCHANGE];
	int64_t skew[2]; /* of the clocks, when it began */
	bool planned;	 /* by a timetable */
	struct blob_writer *file;
	int file_at; /* those before it were named */
	uint8_t weighed[DISCOVERY_DIGEST], last[DISCOVERY_DIGEST];
	struct session_options co, so;
	struct session *s; /* NULL: a hostile client, that says what is in `out` */
	struct serving *v;
	enum phase phase;
	enum odd odd;
	struct buf out, held; /* on its way; what the piece behind it overtakes */
	size_t at, piece;
	bool whole; /* no more comes behind `out` */
	bool clean, done, moved;
	struct stream_reader *asked, *answered; /* the tap on either direction */
};

static const unsigned all_frames = ~0u;

static bool shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct side *d = ctx;

	return box_shares(d->c->w, d->self, peer, space);
}

static bool follows(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct side *d = ctx;

	return box_follows(d->c->w, d->self, peer, space);
}

static bool room(void *ctx, const struct log_id *log, const struct ingest *run, uint64_t bytes)
{
	const struct side *d = ctx;

	return quota_room(d->c->w, d->self, d->peer, log, run, bytes);
}

static void unused(void *ctx, const struct log_id *log, const struct ingest *run, size_t entries,
		   uint64_t bytes)
{
	const struct side *d = ctx;

	quota_unused(d->c->w, d->self, d->peer, log, run, entries, bytes);
}

static bool next_file(void *ctx, struct hash *ret)
{
	const struct side *d = ctx;

	return files_next(d->c->w, d->self, &d->c->file_at, ret);
}

static struct session_options options(struct call *c, int k)
{
	struct world *w = c->w;
	struct side *d = &c->side[k];
	struct box *b = &w->s.box[d->self];

	return (struct session_options){
		.self = b->key,
		.peer = *secret_pubkey(w->s.box[d->peer].key),
		.env = &b->env.env,
		.name = "box",
		.take_limit = w->storm && sim_chance(&w->s, 15) ? 500 + sim_below(&w->s, 20000) : 0,
		/* As if there were many logs and entries. */
		.ranges_from = sim_chance(&w->s, 30) ? 1 : 0,
		.newest_from = sim_chance(&w->s, 30) ? 1 + sim_below(&w->s, 30) : 0,
		.ctx = d,
		.shares = shares,
		.follows = follows,
		.room = room,
		.unused = unused,
		.next_blob = next_file,
		.pasts = w->at[d->self].pasts,
		.keep = w->at[d->self].keep,
		.tally = &c->tally[k],
	};
}

static struct call *call_new(struct world *w, int client, int server)
{
	static const size_t pieces[] = {60, 1000, 4096, 20000, 65536};
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct call){.w = w, .client = client, .server = server, .next = w->calls};
	c->side[0] = (struct side){c, client, server};
	c->side[1] = (struct side){c, server, client};
	c->skew[0] = w->at[client].skew;
	c->skew[1] = w->at[server].skew;
	c->co = options(c, 0);
	c->so = options(c, 1);
	for (int i = 0; i < RECEIPT_EXCHANGE; i++)
		c->exchange[i] = (uint8_t)test_rand(&w->s.rand);
	c->piece = w->storm ? pieces[sim_below(&w->s, ARRAY_LEN(pieces))] : 65536;
	w->calls = c;
	w->n_calls++;
	w->tally.calls++;
	return c;
}

/* The state machines are gone; the call itself goes when its event comes. */
static void let_go(struct call *c)
{
	session_free(STEAL(c->s));
	serving_free(STEAL(c->v));
	stream_reader_free(STEAL(c->asked));
	stream_reader_free(STEAL(c->answered));
	buf_release(&c->out);
	buf_release(&c->held);
	tally_release(&c->tally[0]);
	tally_release(&c->tally[1]);
	blob_writer_free(STEAL(c->file)); /* keeps what it has */
	c->done = true;
}

/* The timetable hears that it ended. */
static void over(struct call *c, bool ok)
{
	const struct sync_report *r = session_report(c->s);
	bool settled = ok && memcmp(c->weighed, c->last, sizeof(c->last)) == 0;
	struct timetable_end end = {.ok = ok,
				    .moved = r->received || r->filled || r->forks || r->carried ||
					     r->new_incarnation,
				    .more = !r->equal && r->received + r->filled,
				    .settled = settled ? c->last : NULL};

	if (c->planned)
		timetable_over(c->w, c->client, c->server, &end);
	c->planned = false;
}

static void call_free(struct call *c)
{
	struct call **at = &c->w->calls;

	let_go(c);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->w->n_calls--;
	free(c);
}

void calls_break(struct world *w, int box)
{
	struct call *next;

	for (struct call *c = w->calls; c; c = next) {
		next = c->next;
		if (box >= 0 && c->client != box && c->server != box)
			continue;
		w->tally.broken += !c->done;
		if (!c->done && c->s)
			over(c, false);
		if (box < 0)
			call_free(c);
		else
			let_go(c);
	}
}

static void tally(struct call *c)
{
	const struct sync_report *r = session_report(c->s);

	c->moved = r->received || r->accepted || r->filled || r->forks || r->carried || r->blobs;
	c->w->tally.received += r->received;
	c->w->tally.forks += r->forks;
	c->w->tally.carried += r->carried;
	c->w->tally.incarnations += r->new_incarnation;
}

static void end_call(struct call *c, const char *how)
{
	struct world *w = c->w;

	if (c->s) {
		tally(c);
		over(c, strcmp(how, "done") == 0);
	}
	if (w->storm || c->moved)
		sim_say(&w->s, "box %d and box %d: %s", c->client, c->server, how);
	w->tally.broken += strcmp(how, "done") != 0;
	let_go(c);
}

/* An error that ended a side: of the box's own disk, or of what came. */
static void call_failed(struct call *c, int box, struct error *take_err)
{
	struct world *w = c->w;
	bool own = error_is(take_err, ERR_IO) || error_is(take_err, ERR_FULL) ||
		   error_is(take_err, ERR_DB);

	if (own) {
		end_call(c, "a disk failed");
		world_disk_failed(&w->s, box, take_err);
		return;
	}
	if (error_is(take_err, ERR_INTERNAL) || error_is(take_err, ERR_CORRUPT) || c->clean)
		sim_die(&w->s, "an exchange failed", take_err, __FILE__, __LINE__);
	end_call(c, error_name(error_code(take_err)));
	error_free(take_err);
}

/* Of the content that came, what was stored: not what was known or refused, for that is given back
 * to its quota. Which of the known ones were filled is not said. */
static uint64_t stored_bytes(const struct intake *in)
{
	const struct ingest *run = &in->frame->entries;
	uint64_t n = 0;

	for (size_t i = in->result.filled ? 0 : in->result.known;
	     i < in->result.known + in->result.added; i++)
		n += run->payloads[i].bytes.n;
	return n;
}

static bool take(struct call *c, int box, struct intake *in)
{
	struct error *err;

	world_clock(c->w, box);
	err = swap_take(&c->w->s.box[box], in);
	if (err) {
		call_failed(c, box, err);
		return false;
	}
	if (in->frame->type == FRAME_ENTRIES && in->result.added + in->result.filled)
		quota_took(c->w, box, box == c->client ? c->server : c->client,
			   stored_bytes(in));
	return true;
}

/* --- the client --- */
static struct log_store *log_of(struct call *c, int box)
{
	return c->w->s.box[box].c->log;
}

static void begin_answer(struct call *c)
{
	buf_clear(&c->out);
	c->at = 0;
	c->phase = ANSWER;
	c->whole = false;
	stream_reader_free(c->answered);
	c->answered = stream_reader_new(all_frames);
}

static void request(struct call *c, const struct session_action *act)
{
	struct world *w = c->w;
	struct error *err;

	begin_answer(c);
	world_clock(w, c->server);
	if (w->at[c->server].hostile && hostile_answer(w, c->server, act->path, &c->out)) {
		c->whole = true;
		return;
	}
	if (strcmp(act->path, SYNC_PATH_STATUS) == 0) {
		err = serve_status(&c->so, log_of(c, c->server), &c->out);
		c->whole = true;
		if (w->at[c->server].hostile && !c->clean)
			hostile_bend(w, &c->out);
		if (err)
			call_failed(c, c->server, err);
		return;
	}
	c->v = serving_new(&c->so,
			   strcmp(act->path, SYNC_PATH_PULL) == 0 ? SERVE_PULL : SERVE_PUSH);
	c->phase = SEND;
	stream_reader_free(c->asked);
	c->asked = stream_reader_new(all_frames);
}

/* --- files --- */
/* What the server sends of it, from `have` on: a hostile one sends whatever. false: it has it not. */
static bool file_bytes(struct call *c, const struct hash *h, uint64_t have, struct buf *out)
{
	struct world *w = c->w;
	uint64_t size;
	int fd;
	struct error *err;

	if (w->at[c->server].hostile && sim_chance(&w->s, 40)) {
		for (uint64_t n = sim_below(&w->s, 200000); n > 0; n--)
			buf_u8(out, (uint8_t)n);
		return true;
	}
	err = blob_fd(w->at[c->server].blobs, h, &fd, &size);
	if (error_is(err, ERR_NOT_FOUND)) {
		error_free(err);
		return false;
	}
	NEED(&w->s, err);
	if (have < size) {
		uint8_t *to = buf_reserve(out, (size_t)(size - have));

		if (pread(fd, to, (size_t)(size - have), (off_t)have) != (ssize_t)(size - have))
			abort();
		out->n += (size_t)(size - have);
	}
	close(fd);
	return true;
}

/* true: it is on its way. */
static bool begin_file(struct call *c, const struct hash *h)
{
	struct world *w = c->w;
	uint64_t have;
	struct error *err;

	err = blob_writer_resume(w->at[c->client].blobs, h, 100000, &c->file, &have);
	if (error_is(err, ERR_BUSY)) {
		error_free(err);
		return false;
	}
	NEED(&w->s, err);
	buf_clear(&c->out);
	c->at = 0;
	c->whole = true;
	if (!file_bytes(c, h, have, &c->out)) {
		blob_writer_free(STEAL(c->file));
		return false;
	}
	c->phase = FETCH;
	return true;
}

static bool client_goes_on(struct call *c);

static bool end_file(struct call *c)
{
	struct hash hash;
	uint64_t size;
	struct error *err = blob_writer_finish(STEAL(c->file), &hash, &size);

	if (err && !error_is(err, ERR_CORRUPT))
		NEED(&c->w->s, err);
	session_blob_done(c->s, !err);
	error_free(err);
	c->phase = ASK;
	return client_goes_on(c);
}

static void next_piece(struct call *c, struct buf *copy);

static bool fetch_step(struct call *c)
{
	_cleanup_(buf_release) struct buf piece = {0};
	struct error *err;

	if (c->at == c->out.n)
		return end_file(c);
	next_piece(c, &piece);
	err = blob_write(c->file, buf_span(&piece));
	if (!err)
		return true;
	if (!error_is(err, ERR_LIMIT))
		NEED(&c->w->s, err);
	error_free(err);
	return end_file(c);
}

/* --- the end of it --- */
/* A private space that the server does not share with this client any more, since just now: it names it
 * in no receipt. */
static bool was_withdrawn(const struct call *c)
{
	struct world *w = c->w;

	for (int k = 0; k < w->n_spaces; k++)
		if (w->space[k].sealed && w->at[c->client].wants[k] && w->at[c->server].wants[k] &&
		    !box_shares(w, c->server, secret_pubkey(w->s.box[c->client].key), &w->space[k].id))
			return true;
	return false;
}

/* false: a disk failed. */
static bool sign_receipt(struct call *c)
{
	struct world *w = c->w;
	const struct sync_report *r = session_report(c->s);
	struct paper_of p = {.client = c->client,
			     .server = c->server,
			     .asked = &c->tally[0],
			     .answered = &c->tally[1],
			     .report = r,
			     .exchange = c->exchange};

	if (w->at[c->server].hostile || w->at[c->client].hostile ||
	    pubkey_eq(secret_pubkey(w->s.box[c->client].key), secret_pubkey(w->s.box[c->server].key)))
		return true;
	if (!r->received && !r->accepted && !r->filled && !r->forks && !r->blobs &&
	    !r->new_incarnation)
		return true;
	p.whole = c->odd == AS_IT_IS && !was_withdrawn(c) && c->skew[0] == w->at[c->client].skew &&
		  c->skew[1] == w->at[c->server].skew;
	world_clock(w, c->client);
	world_clock(w, c->server);
	session_weighed(c->s);
	return paper_sign(w, &p);
}

static void end_well(struct call *c)
{
	if (!sign_receipt(c)) {
		if (!c->done)
			end_call(c, "a disk failed");
		return;
	}
	if (c->planned)
		NEED(&c->w->s, exchange_digest(log_of(c, c->client), c->last));
	end_call(c, "done");
}

/* What the session wants done before it takes more. false: the call is over. */
static bool client_goes_on(struct call *c)
{
	struct session_action act;
	struct error *err;

	for (;;) {
		world_clock(c->w, c->client);
		err = session_next(c->s, log_of(c, c->client), &act);
		if (err) {
			call_failed(c, c->client, err);
			return false;
		}
		switch (act.type) {
		case SESSION_WRITE:
			if (!take(c, c->client, act.intake))
				return false;
			session_written(c->s);
			continue;
		case SESSION_BLOB:
			if (begin_file(c, &act.blob))
				return true;
			session_blob_done(c->s, false);
			continue;
		case SESSION_REQUEST:
			request(c, &act);
			return !c->done;
		case SESSION_DONE:
			end_well(c);
			return false;
		default:
			return true;
		}
	}
}

/* --- the way --- */
/* The next piece as it arrives: `out` from `at`, or what the network made of it. */
static void next_piece(struct call *c, struct buf *copy)
{
	size_t n = c->out.n - c->at < c->piece ? c->out.n - c->at : c->piece;

	buf_add(copy, c->out.p + c->at, n);
	c->at += n;
	c->w->tally.pieces++;
	if (c->odd == AS_IT_IS || !sim_chance(&c->w->s, 10) || !n)
		return;
	if (c->odd == FLIPPED) {
		copy->p[sim_below(&c->w->s, n)] ^= (uint8_t)(1 << sim_below(&c->w->s, 8));
	} else if (c->odd == DOUBLED) {
		buf_add(copy, c->out.p + c->at - n, n);
	} else if (c->held.n) {
		buf_add_span(copy, buf_span(&c->held));
		buf_clear(&c->held);
	} else {
		buf_add_span(&c->held, buf_span(copy));
		buf_clear(copy);
	}
}

/* What an honest box sends is looked at; what a hostile one does it may have changed. */
static void tap(struct call *c, int from, struct stream_reader *r)
{
	if (!c->w->at[from].hostile)
		sent_see(c->w, from, r, buf_span(&c->out));
	else if (!c->clean)
		hostile_bend(c->w, &c->out);
}

static bool to_server(struct call *c)
{
	_cleanup_(buf_release) struct buf piece = {0};
	struct intake *in;
	struct error *err;

	next_piece(c, &piece);
	if (c->w->at[c->server].hostile)
		hostile_keep(c->w, c->server, buf_span(&piece));
	serving_feed(c->v, buf_span(&piece));
	for (;;) {
		world_clock(c->w, c->server);
		err = serving_next(c->v, log_of(c, c->server), &in);
		if (err || !in)
			break;
		if (!take(c, c->server, in))
			return false;
		serving_written(c->v);
	}
	if (err && c->s && !c->clean) {
		/* Refused: the client reads why, and that is the end of its exchange. */
		session_answered(c->s, error_http_status(error_code(err)));
		error_free(err);
		serving_free(STEAL(c->v));
		c->phase = ASK;
		return client_goes_on(c);
	}
	if (err)
		call_failed(c, c->server, err);
	return !err;
}

static bool body_ended(struct call *c)
{
	struct error *err = serving_end(c->v, log_of(c, c->server));

	if (err) {
		call_failed(c, c->server, err);
		return false;
	}
	begin_answer(c);
	return true;
}

static bool send_step(struct call *c)
{
	struct error *err;

	if (c->at == c->out.n && c->whole)
		return body_ended(c);
	if (c->at == c->out.n) {
		buf_clear(&c->out);
		c->at = 0;
		err = session_body(c->s, log_of(c, c->client), &c->out, &c->whole);
		if (err) {
			call_failed(c, c->client, err);
			return false;
		}
		tap(c, c->client, c->asked);
	}
	return to_server(c);
}

static bool answer_ended(struct call *c)
{
	serving_free(STEAL(c->v));
	if (!c->s) {
		end_call(c, "done");
		return false;
	}
	if (c->planned)
		NEED(&c->w->s, exchange_digest(log_of(c, c->client), c->weighed));
	session_answered(c->s, 200);
	c->phase = ASK;
	return client_goes_on(c);
}

static bool answer_step(struct call *c)
{
	_cleanup_(buf_release) struct buf piece = {0};
	struct error *err;

	if (c->at == c->out.n && c->whole)
		return answer_ended(c);
	if (c->at == c->out.n) {
		buf_clear(&c->out);
		c->at = 0;
		err = serving_answer(c->v, log_of(c, c->server), &c->out, &c->whole);
		if (err) {
			call_failed(c, c->server, err);
			return false;
		}
	}
	if (c->at == 0)
		tap(c, c->server, c->answered);
	next_piece(c, &piece);
	if (!c->s) {
		hostile_keep(c->w, c->client, buf_span(&piece));
		return true;
	}
	session_feed(c->s, buf_span(&piece));
	return client_goes_on(c);
}

/* false: it is over. */
static bool call_step(struct call *c)
{
	if (c->phase == SEND)
		return send_step(c);
	if (c->phase == FETCH)
		return fetch_step(c);
	return c->phase == ANSWER ? answer_step(c) : client_goes_on(c);
}

/* --- events --- */
static int64_t delay(struct world *w)
{
	if (sim_chance(&w->s, 3))
		return 1 + (int64_t)sim_below(&w->s, 30000);
	return 1 + (int64_t)sim_below(&w->s, sim_chance(&w->s, 80) ? 50 : 1000);
}

static void piece_arrives(struct world *w, int unused, void *arg)
{
	struct call *c = arg;

	if (!c->done && w->s.apart[c->client] != w->s.apart[c->server])
		end_call(c, "cut off");
	if (!c->done && w->storm && sim_chance(&w->s, 2))
		end_call(c, "a piece is lost");
	if (!c->done)
		call_step(c);
	if (c->done)
		call_free(c);
	else
		world_later(w, delay(w), piece_arrives, -1, c);
}

bool call_start(struct world *w, int client, int server)
{
	struct call *c;

	if (w->n_calls >= 8 + w->s.n)
		return false;
	c = call_new(w, client, server);
	c->planned = w->at[client].timetable &&
		     !pubkey_eq(secret_pubkey(w->s.box[client].key), secret_pubkey(w->s.box[server].key));
	c->s = session_new(&c->co);
	if (w->storm && sim_chance(&w->s, 6))
		c->odd = (enum odd)(1 + sim_below(&w->s, 3));
	world_later(w, delay(w), piece_arrives, -1, c);
	return true;
}

void call_hostile(struct world *w, int client, int server, bool push, struct buf *take_body)
{
	struct call *c = call_new(w, client, server);

	c->v = serving_new(&c->so, push ? SERVE_PUSH : SERVE_PULL);
	c->out = *take_body;
	*take_body = (struct buf){0};
	c->whole = true;
	c->phase = SEND;
	world_later(w, delay(w), piece_arrives, -1, c);
}

bool call_cleanly(struct world *w, int client, int server)
{
	struct call *c = call_new(w, client, server);
	bool moved;

	c->clean = true;
	c->s = session_new(&c->co);
	while (!c->done)
		call_step(c);
	moved = c->moved;
	call_free(c);
	world_audit(w, client);
	world_audit(w, server);
	world_tidy(w, client);
	world_tidy(w, server);
	test_env_pass(&w->s.rand, 10);
	if (w->views)
		world_check_views(w);
	return moved;
}
