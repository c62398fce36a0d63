/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a hostile box says beyond entries: frames of every type with a right check and a content
 * that was bent, made up, torn, said before by somebody else, or huge; questions about proofs, and
 * answers to them; receipts, claims, statements of address and of the system, numbers to compare.
 * None of it may be believed, and none may make an honest box fail.
 */
#include "tests/sim/world.h"
#include "sync/bundle/claim.h"
#include "sync/peer/addresses.h"
#include "sync/peer/receipt_talk.h"
#include "sync/peer/system.h"
#include "sync/replicate/held.h"
#include "sync/replicate/ranges.h"

enum { HEADER = 5, CHECK = 16 };

static struct hash any(struct world *w)
{
	struct hash h;

	for (size_t i = 0; i < sizeof(h.b); i++)
		h.b[i] = (uint8_t)test_rand(&w->s.rand);
	return h;
}

static const struct pubkey *any_key(struct world *w)
{
	return secret_pubkey(w->s.box[sim_below(&w->s, (uint64_t)w->s.n)].key);
}

/* --- bending frames of a stream --- */
static uint32_t length_at(const struct buf *b, size_t at)
{
	uint32_t n;

	memcpy(&n, b->p + at + 1, 4);
	return n;
}

static void check_anew(struct buf *b, size_t at)
{
	uint32_t n = length_at(b, at);
	struct hash h = hash_bytes(span_of(b->p + at, HEADER + n));

	memcpy(b->p + at + HEADER + n, h.b, CHECK);
}

/* The frames that begin here, whole; at most max. */
static size_t find_frames(const struct buf *b, size_t *at, size_t max)
{
	size_t n = 0, i = b->n >= STREAM_MAGIC && memcmp(b->p, "LLIURE", 6) == 0 ? STREAM_MAGIC : 0;

	while (n < max && i + HEADER + CHECK <= b->n &&
	       length_at(b, i) <= b->n - i - HEADER - CHECK) {
		at[n++] = i;
		i += HEADER + length_at(b, i) + CHECK;
	}
	return n;
}

static void bend_body(struct world *w, uint8_t *body, size_t n)
{
	size_t at = (size_t)sim_below(&w->s, n), most = n - at < 8 ? n - at : 8;

	switch (sim_below(&w->s, 4)) {
	case 0:
		body[at] ^= (uint8_t)(1 << sim_below(&w->s, 8));
		break;
	case 1: /* a number that is too large */
		memset(body + at, 0xff, most);
		break;
	case 2:
		memset(body + at, 0, most);
		break;
	default:
		for (size_t i = 0; i < most; i++)
			body[at + i] = (uint8_t)test_rand(&w->s.rand);
	}
}

/* n bytes of the body go, or n more come. */
static void resize_body(struct world *w, struct buf *b, size_t at, bool longer)
{
	uint32_t was = length_at(b, at), n = 1 + (uint32_t)sim_below(&w->s, 100), now;
	size_t behind = at + HEADER + was;

	if (longer) {
		buf_reserve(b, n);
		memmove(b->p + behind + n, b->p + behind, b->n - behind);
		memset(b->p + behind, (int)sim_below(&w->s, 256), n);
		b->n += n;
		now = was + n;
	} else {
		n = n < was ? n : was;
		memmove(b->p + behind - n, b->p + behind, b->n - behind);
		b->n -= n;
		now = was - n;
	}
	memcpy(b->p + at + 1, &now, 4);
}

void hostile_bend(struct world *w, struct buf *b)
{
	size_t at[64], n = find_frames(b, at, ARRAY_LEN(at)), i;

	if (!n || !sim_chance(&w->s, 30))
		return;
	i = at[sim_below(&w->s, n)];
	w->tally.bent++;
	switch (sim_below(&w->s, 5)) {
	case 0:
		b->p[i] = (uint8_t)(1 + sim_below(&w->s, 23));
		break;
	case 1:
		resize_body(w, b, i, sim_chance(&w->s, 50));
		break;
	default:
		if (length_at(b, i))
			bend_body(w, b->p + i + HEADER, length_at(b, i));
	}
	check_anew(b, i);
}

/* --- heads --- */
static size_t make_rows(struct world *w, struct head *rows, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		rows[i] = (struct head){.id = {w->s.space, *any_key(w), test_rand(&w->s.rand) | 1},
					.seq = 1 + sim_below(&w->s, 50),
					.hash = any(w)};
	heads_sort(rows, n);
	for (size_t i = 0; i < n; i++)
		if (!k || log_id_cmp(&rows[k - 1].id, &rows[i].id) != 0)
			rows[k++] = rows[i];
	return k;
}

static size_t how_many(struct world *w, size_t most)
{
	return 1 + (size_t)sim_below(&w->s, sim_chance(&w->s, 3) ? most : 30);
}

static void put_ranges(struct world *w, int box, struct stream_writer *s)
{
	size_t n = how_many(w, 2000);
	struct head *rows = calloc(n, sizeof(*rows));
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(ranges_asker_freep) struct ranges_asker *a = NULL;

	if (!rows)
		abort();
	n = make_rows(w, rows, n);
	a = ranges_asker_new(&w->s.box[box].env.env, &w->s.space, rows, n);
	if (sim_chance(&w->s, 40))
		ranges_asker_equal(a); /* the closing frame: of rows that nobody asked about */
	ranges_ask(a, &body);
	if (sim_chance(&w->s, 40) && body.n)
		bend_body(w, body.p, body.n);
	stream_put_ranges(s, buf_span(&body));
	free(rows);
}

static void put_since(struct world *w, int box, struct stream_writer *s)
{
	size_t n = how_many(w, SINCE_ROWS);
	struct head *rows = calloc(n, sizeof(*rows));
	struct space_digest now = {.heads = any(w)};

	if (!rows)
		abort();
	n = make_rows(w, rows, n);
	/* A state that the other may have had; or it is its own, with rows that never were. */
	if (sim_chance(&w->s, 70) && w->s.box[box].c)
		NEED(&w->s, heads_space_digest(w->s.box[box].c->log, &w->s.space, &now));
	stream_put_since(s, &w->s.space, &now.heads, rows, sim_chance(&w->s, 80) ? n : 0);
	free(rows);
}

void hostile_put_question(struct world *w, int box, struct stream_writer *s)
{
	if (sim_chance(&w->s, 50))
		put_ranges(w, box, s);
	else
		put_since(w, box, s);
}

void hostile_put_odd(struct world *w, int box, struct stream_writer *s)
{
	struct keep keep = {.payload_days = (uint32_t)test_rand(&w->s.rand),
			    .blob_max = test_rand(&w->s.rand)};
	struct space_count count = {w->s.space, test_rand(&w->s.rand)};
	struct stream_claim claim = {.writer = *any_key(w), .serial = test_rand(&w->s.rand)};
	struct signature sig = {{0}};
	_cleanup_(buf_release) struct buf body = {0};
	struct hash proof = any(w);

	for (uint64_t n = sim_below(&w->s, 400); n > 0; n--)
		buf_u8(&body, (uint8_t)test_rand(&w->s.rand));
	switch (sim_below(&w->s, 9)) {
	case 0:
		stream_put_partial(s, &keep, sim_chance(&w->s, 50), NULL, 0);
		break;
	case 1:
		stream_put_counts(s, &count, 1);
		break;
	case 2:
		stream_put_claim(s, &claim);
		break;
	case 3:
		stream_put_receipt(s, &sig, buf_span(&body));
		break;
	case 4:
		stream_put_proof(s, &proof);
		break;
	case 5:
		stream_put_pair(s, buf_span(&body));
		break;
	case 6:
		stream_put_system(s, buf_span(&body));
		break;
	case 7:
		stream_put_addresses(s, buf_span(&body));
		break;
	default:
		hostile_put_question(w, box, s);
	}
}

/* --- proofs --- */
static void made_up(struct world *w, struct span question, struct buf *out)
{
	struct stream_writer s;
	struct hash proof = any(w);
	struct log_id id = {w->s.space, *any_key(w), 7};
	struct seq_range all = {1, INT64_MAX - 1};

	stream_begin(&s, out);
	stream_put_proof(&s, &proof);
	if (sim_chance(&w->s, 50)) /* of files: it lacks none */
		stream_put_pieces(&s, NULL, 0);
	else if (sim_chance(&w->s, 20))
		stream_put_missing(&s, &id, &all, 1);
	if (sim_chance(&w->s, 20))
		stream_put_partial(&s, &(struct keep){.payload_days = 1}, true, NULL, 0);
	if (sim_chance(&w->s, 5))
		for (int i = 0; i < 3000; i++)
			stream_put_missing(&s, &id, &(struct seq_range){1 + 2 * i, 1 + 2 * i}, 1);
	stream_put_end(&s);
}

/* Somebody else proves it, to this box; or the asker itself, who holds it after all. */
static void passed_on(struct world *w, int box, int asker, struct span question, struct buf *out)
{
	int other = sim_chance(&w->s, 25) ? asker : (int)sim_below(&w->s, (uint64_t)w->s.n);

	if (!w->at[other].up || w->at[other].hostile)
		return;
	error_free(partial_answers(w, other, box, question, out));
}

void hostile_proves(struct world *w, int box, int asker, struct span question, struct buf *out)
{
	world_enter(w, (int)sim_below(&w->s, (uint64_t)w->n_spaces));
	w->tally.hostile++;
	switch (sim_below(&w->s, 5)) {
	case 0:
		made_up(w, question, out);
		break;
	case 1:
		buf_add_span(out, question); /* the nonce for the proof */
		break;
	case 2:
		hostile_again(w, box, out);
		break;
	default:
		passed_on(w, box, asker, question, out);
		hostile_keep(w, box, buf_span(out));
	}
	if (sim_chance(&w->s, 20))
		hostile_bend(w, out);
	if (out->n && sim_chance(&w->s, 10))
		out->n = (size_t)sim_below(&w->s, out->n);
}

static void put_pieces(struct world *w, struct stream_writer *s)
{
	struct blob_piece rows[LIMIT_PIECES];
	size_t n = 1 + (size_t)sim_below(&w->s, LIMIT_PIECES);

	for (size_t i = 0; i < n; i++) {
		rows[i] = (struct blob_piece){.blob = any(w), .at = sim_below(&w->s, 70000)};
		rows[i].n = 1 + (sim_chance(&w->s, 20) ? test_rand(&w->s.rand) >> 2
						       : sim_below(&w->s, 70000));
		if (w->n_files && sim_chance(&w->s, 80))
			rows[i].blob = w->file[sim_below(&w->s, (uint64_t)w->n_files)].hash;
	}
	stream_put_pieces(s, rows, n);
}

static void put_asked(struct world *w, struct stream_writer *s, int victim)
{
	struct log_id id = {w->s.space, *any_key(w),
			    log_incarnation(w->s.box[victim].c->log)};
	struct seq_range range = {1, 1 + sim_below(&w->s, 40)};

	if (sim_chance(&w->s, 20))
		range.last = test_rand(&w->s.rand) >> 2 | 1;
	stream_put_missing(s, &id, &range, 1);
}

static void asks_for_proofs(struct world *w, int box, int victim)
{
	_cleanup_(buf_release) struct buf q = {0}, answer = {0};
	struct hash nonce = any(w);
	struct stream_writer s;
	struct error *err;

	stream_begin(&s, &q);
	for (uint64_t n = sim_chance(&w->s, 90) ? 1 : sim_below(&w->s, 3); n > 0; n--)
		stream_put_proof(&s, &nonce);
	for (uint64_t n = sim_below(&w->s, 30); n > 0; n--)
		put_asked(w, &s, victim);
	if (sim_chance(&w->s, 40))
		put_pieces(w, &s);
	stream_put_end(&s);
	hostile_bend(w, &q);
	err = partial_answers(w, victim, box, buf_span(&q), &answer);
	if (error_is(err, ERR_INTERNAL) || error_is(err, ERR_CORRUPT) || answer.n > HELD_BODY)
		sim_die(&w->s, "a proof for a hostile box", err, __FILE__, __LINE__);
	error_free(err);
	hostile_keep(w, box, buf_span(&answer));
}

/* --- receipts --- */
struct counter {
	struct world *w;
	int box;
	bool failed;
};

static bool shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct counter *d = ctx;

	return box_shares(d->w, d->box, peer, space);
}

static struct error *counter_write(void *ctx, sync_write_fn *fn, void *arg)
{
	struct counter *d = ctx;
	struct error *err = world_write(d->w, d->box, fn, arg);

	d->failed |= error_is(err, ERR_IO) || error_is(err, ERR_FULL) || error_is(err, ERR_DB);
	return err;
}

/* About an exchange that never was: entries that nobody brought, spaces that nobody shares. */
static void make_claim(struct world *w, int box, int victim, const uint8_t exchange[RECEIPT_EXCHANGE],
		       struct buf *out)
{
	struct receipt_space rows[8];
	struct receipt_body b = {.kind = RECEIPT_MET,
				 .box = {*secret_pubkey(w->s.box[box].key),
					 *secret_pubkey(w->s.box[victim].key)},
				 .clock_ms = {sim_odd_time(&w->s), sim_odd_time(&w->s)},
				 .bytes = {test_rand(&w->s.rand), 5},
				 .fresh = {1, test_rand(&w->s.rand)},
				 .spaces = rows,
				 .n_spaces = 1};
	_cleanup_(buf_release) struct buf bytes = {0};
	struct signature sig;
	struct stream_writer s;

	memcpy(b.exchange, exchange, RECEIPT_EXCHANGE);
	memset(rows, 0, sizeof(rows));
	rows[0].space = sim_chance(&w->s, 70) ? w->s.space : any(w);
	rows[0].heads[0] = rows[0].heads[1] = any(w);
	if (sim_chance(&w->s, 20))
		b.box[0] = *any_key(w); /* in somebody else's name */
	receipt_write(&b, &bytes);
	sig = receipt_sign(w->s.box[box].key, buf_span(&bytes));
	if (sim_chance(&w->s, 10))
		sig.b[7] ^= 1;
	stream_begin(&s, out);
	stream_put_receipt(&s, &sig, buf_span(&bytes));
	stream_put_end(&s);
}

static void asks_for_a_receipt(struct world *w, int box, int victim)
{
	_cleanup_(buf_release) struct buf claim = {0}, answer = {0};
	struct counter there = {w, victim, false};
	struct sync_host host = {.ctx = &there, .write = counter_write};
	struct box *b = &w->s.box[victim];
	struct receipt_weighing weighing = {.self = secret_pubkey(b->key),
					    .peer = secret_pubkey(w->s.box[box].key),
					    .now_ms = env_now(&b->env.env),
					    .log = b->c->log,
					    .ctx = &there,
					    .shares = shares};
	struct hash exchange = any(w);
	struct error *err;

	make_claim(w, box, victim, exchange.b, &claim);
	hostile_bend(w, &claim);
	world_clock(w, victim);
	err = receipt_answer(&weighing, b->key, &host, exchange.b, buf_span(&claim), &answer);
	if (err && there.failed) {
		world_disk_failed(&w->s, victim, err);
		return;
	}
	if (error_is(err, ERR_INTERNAL) || error_is(err, ERR_CORRUPT) || answer.n > RECEIPT_BODY)
		sim_die(&w->s, "a receipt for a hostile box", err, __FILE__, __LINE__);
	error_free(err);
}

/* --- statements --- */
static struct error *put_statement(struct sync_writing *sw, void *arg)
{
	const struct span *body = arg;
	struct statement said;
	struct pubkey via = {{7}};

	TRY(statement_read(*body, &said));
	return statement_put(sw->local, &said, *body, &via, 0);
}

/* With its own key, a false one's, or one that was bent after it was signed. */
static void says_where_it_is(struct world *w, int box, int victim)
{
	static const char addresses[][PEER_ADDRESS] = {"10.9.8.7:1", "[fe80::1]:8443", "127.0.0.1:80",
						       "0.0.0.0:0", "a.b:99999"};
	struct pubkey tell[30];
	_cleanup_(buf_release) struct buf body = {0};
	struct counter there = {w, victim, false};
	struct statement said;
	struct span bytes;
	struct error *err;

	for (size_t i = 0; i < ARRAY_LEN(tell); i++)
		tell[i] = *any_key(w);
	statement_make(w->s.box[box].key, 1 + (test_rand(&w->s.rand) >> 1), addresses,
		       ARRAY_LEN(addresses), tell, ARRAY_LEN(tell), &body);
	if (sim_chance(&w->s, 30))
		memcpy(body.p, any_key(w)->b, sizeof(struct pubkey));
	else if (sim_chance(&w->s, 50))
		bend_body(w, body.p, body.n);
	bytes = buf_span(&body);
	err = statement_read(bytes, &said);
	if (!err && !pubkey_eq(&said.key, secret_pubkey(w->s.box[box].key)))
		sim_die(&w->s, "a statement in another's name", NULL, __FILE__, __LINE__);
	for (size_t i = 0; i < said.n && !err; i++)
		if (strstr(said.address[i], "fe80") || strstr(said.address[i], ":0"))
			sim_die(&w->s, "an address that means nothing", NULL, __FILE__, __LINE__);
	error_free(err);
	err = counter_write(&there, put_statement, &bytes);
	if (there.failed)
		world_disk_failed(&w->s, victim, err);
	else
		error_free(err);
}

static void says_what_it_runs(struct world *w, int box)
{
	struct system_said said = {.machine = "x86-64", .version = "2026.1", .offer = "2026.2",
				   .size = test_rand(&w->s.rand) >> 1, .blob = any(w)};
	_cleanup_(buf_release) struct buf body = {0};
	struct system_said heard;
	struct error *err;

	system_make(w->s.box[box].key, &said, &body);
	if (sim_chance(&w->s, 70))
		bend_body(w, body.p, body.n);
	if (sim_chance(&w->s, 20))
		body.n = (size_t)sim_below(&w->s, body.n);
	err = system_read(buf_span(&body), &heard);
	if (!err && (!pubkey_eq(&heard.key, secret_pubkey(w->s.box[box].key)) ||
		     strcmp(heard.version, said.version) != 0 || heard.size != said.size))
		sim_die(&w->s, "a statement of the system that was bent", NULL, __FILE__,
			__LINE__);
	error_free(err);
}

/* --- the door --- */
void hostile_lies(struct world *w, int box, int victim)
{
	w->tally.hostile++;
	switch (sim_below(&w->s, 6)) {
	case 0:
	case 1:
		asks_for_proofs(w, box, victim);
		break;
	case 2:
		asks_for_a_receipt(w, box, victim);
		break;
	case 3:
		says_where_it_is(w, box, victim);
		break;
	case 4:
		numbers_lie(w, box, victim);
		break;
	default:
		says_what_it_runs(w, box);
	}
}
