/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Exchanges between two boxes as events, and bundles. Both ends are the real ones: session.h asks,
 * serve.h answers. What travels is cut into pieces; one piece of a call is on its way at a time, as
 * one request follows the other, but any number of calls run at once, and people write in between.
 *
 *   ASK  -- request --> SEND (pieces of the body to the server) --> ANSWER (pieces of it back) -->
 * ASK
 *
 * On its way a piece may be late, lost (TCP gives up: the connection is broken), or, in a call
 * drawn to be odd, damaged, doubled or in the wrong place, which TLS would not let through and a
 * stick does.
 */
#include "tests/sim/world.h"
#include "sync/bundle/bundle.h"
#include <sys/mman.h>
#include <unistd.h>

enum phase { ASK, SEND, ANSWER };
enum odd { AS_IT_IS, FLIPPED, DOUBLED, SWAPPED };

struct call {
	struct call *next;
	struct world *w;
	int client, server;
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

static struct session_options options(struct world *w, int self, int peer)
{
	struct box *b = &w->s.box[self];

	return (struct session_options){
		.self = b->key,
		.peer = *secret_pubkey(w->s.box[peer].key),
		.env = &b->env.env,
		.name = "box",
		.take_limit = w->storm && sim_chance(&w->s, 15) ? 500 + sim_below(&w->s, 20000) : 0,
	};
}

static struct call *call_new(struct world *w, int client, int server)
{
	static const size_t pieces[] = {60, 1000, 4096, 20000, 65536};
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct call){.w = w, .client = client, .server = server, .next = w->calls};
	c->co = options(w, client, server);
	c->so = options(w, server, client);
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
	c->done = true;
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
		if (box < 0)
			call_free(c);
		else
			let_go(c);
	}
}

static void tally(struct call *c)
{
	const struct sync_report *r = session_report(c->s);

	c->moved = r->received || r->accepted || r->filled || r->forks || r->carried;
	c->w->tally.received += r->received;
	c->w->tally.forks += r->forks;
	c->w->tally.carried += r->carried;
	c->w->tally.incarnations += r->new_incarnation;
}

static void end_call(struct call *c, const char *how)
{
	struct world *w = c->w;

	if (c->s)
		tally(c);
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

static bool take(struct call *c, int box, struct intake *in)
{
	struct error *err;

	world_clock(c->w, box);
	err = swap_take(&c->w->s.box[box], in);
	if (err)
		call_failed(c, box, err);
	return !err;
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
	if (w->at[c->server].hostile && hostile_answer(w, c->server, act->path, &c->out)) {
		c->whole = true;
		return;
	}
	if (strcmp(act->path, SYNC_PATH_STATUS) == 0) {
		err = serve_status(&c->so, log_of(c, c->server), &c->out);
		c->whole = true;
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
			session_blob_done(c->s, false);
			continue;
		case SESSION_REQUEST:
			request(c, &act);
			return !c->done;
		case SESSION_DONE:
			end_call(c, "done");
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

static void tap(struct call *c, int from, struct stream_reader *r)
{
	if (!c->w->at[from].hostile)
		sent_see(c->w, from, r, buf_span(&c->out));
	else
		return;
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
	if (!c->done && sim_chance(&w->s, 2))
		end_call(c, "a piece is lost");
	if (!c->done)
		call_step(c);
	if (c->done)
		call_free(c);
	else
		world_later(w, delay(w), piece_arrives, -1, c);
}

void call_start(struct world *w, int client, int server)
{
	struct call *c;

	if (w->n_calls >= 8 + w->s.n)
		return;
	c = call_new(w, client, server);
	c->s = session_new(&c->co);
	if (sim_chance(&w->s, 6))
		c->odd = (enum odd)(1 + sim_below(&w->s, 3));
	world_later(w, delay(w), piece_arrives, -1, c);
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
	test_env_pass(&w->s.rand, 10);
	if (w->views)
		world_check_views(w);
	return moved;
}

/* --- bundles --- */
static int fd_with(struct span bytes)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes.p, bytes.n) != (ssize_t)bytes.n || lseek(fd, 0, SEEK_SET))
		abort();
	return fd;
}

static void write_bundle(struct world *w, int box, struct bundle *b)
{
	struct bundle_export x = {
		.log = w->s.box[box].c->log, .env = &w->s.box[box].env.env, .name = "box"};
	struct bundle_totals totals;
	int fd = fd_with((struct span){NULL, 0});
	off_t n;

	NEED(&w->s, bundle_write(&x, fd, &totals));
	n = lseek(fd, 0, SEEK_END);
	buf_clear(&b->bytes);
	if (lseek(fd, 0, SEEK_SET) || read(fd, buf_reserve(&b->bytes, (size_t)n), (size_t)n) != n)
		abort();
	b->bytes.n = (size_t)n;
	close(fd);
	b->honest = !w->at[box].hostile;
	if (b->honest) {
		_cleanup_(stream_reader_freep) struct stream_reader *r =
			stream_reader_new(all_frames);

		sent_see(w, box, r, buf_span(&b->bytes));
	}
	sim_say(&w->s, "box %d writes a bundle of %zu bytes, %llu entries", box, b->bytes.n,
		(unsigned long long)totals.entries);
}

struct carrier {
	struct world *w;
	int box;
};

static struct error *take_from_bundle(void *ctx, struct intake *in)
{
	struct carrier *k = ctx;

	return swap_take(&k->w->s.box[k->box], in);
}

static void read_bundle(struct world *w, int box, struct span bytes)
{
	struct carrier k = {w, box};
	struct bundle_import x = {.self = w->s.box[box].key, .ctx = &k, .write = take_from_bundle};
	struct sync_report r;
	int fd = fd_with(bytes);
	struct error *err = bundle_import_fd(&x, fd, "a bundle", &r);

	close(fd);
	sim_say(&w->s, "box %d reads a bundle: %llu new, %s", box, (unsigned long long)r.received,
		err ? error_name(error_code(err)) : "whole");
	w->tally.bundles++;
	if (error_is(err, ERR_IO) || error_is(err, ERR_FULL) || error_is(err, ERR_DB))
		world_disk_failed(&w->s, box, err);
	else if (error_is(err, ERR_INTERNAL) || error_is(err, ERR_CORRUPT))
		sim_die(&w->s, "a bundle", err, __FILE__, __LINE__);
	else
		error_free(err);
}

/* One is written, or an old one is read: as it is, torn, doubled or scratched. */
void bundle_carry(struct world *w)
{
	struct bundle *b = &w->bundle[sim_below(&w->s, BUNDLES)];
	int box = (int)sim_below(&w->s, (uint64_t)w->s.n);
	_cleanup_(buf_release) struct buf bytes = {0};

	if (!w->at[box].up)
		return;
	world_clock(w, box);
	if (!b->bytes.n || sim_chance(&w->s, 30)) {
		write_bundle(w, box, b);
		return;
	}
	buf_add_span(&bytes, buf_span(&b->bytes));
	switch (sim_below(&w->s, 6)) {
	case 0:
		bytes.n = (size_t)sim_below(&w->s, bytes.n);
		break;
	case 1:
		buf_add_span(&bytes, buf_span(&b->bytes));
		break;
	case 2:
		bytes.p[sim_below(&w->s, bytes.n)] ^= (uint8_t)(1 << sim_below(&w->s, 8));
		break;
	default:
		break;
	}
	read_bundle(w, box, buf_span(&bytes));
}
