/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One receipt in two hands: two engines over loopback, and the statement alone. */
#include "tests/lib/test.h"
#include "sync/peer/receipt_talk.h"
#include "tests/lib/net_pair.h"

static void pair_start(struct pair *p)
{
	char address[40];

	net_box_start(&p->a, "127.0.0.1:0", false);
	net_box_start(&p->b, NULL, false);
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(p->a.sync));
	net_box_peer(&p->a, net_box_key(&p->b), NULL);
	net_box_peer(&p->b, net_box_key(&p->a), address);
}

static struct error *keep_first(void *ctx, const struct receipt *r)
{
	struct receipt *to = ctx;

	if (!to->when_ms && r->report.received >= to->report.received)
		*to = *r;
	return NULL;
}

/* The newest of those in which at least so many entries came. */
static struct receipt last_line(struct net_box *b, uint64_t received)
{
	struct receipt r = {.report = {.received = received}};

	pthread_mutex_lock(&b->writing);
	assert_ok(receipt_each(b->local, NULL, 50, keep_first, &r));
	pthread_mutex_unlock(&b->writing);
	return r;
}

static struct receipt_signed signed_of(struct net_box *b, const struct hash *id, struct arena *a)
{
	struct receipt_signed s;

	pthread_mutex_lock(&b->writing);
	assert_ok(receipt_get_signed(b->local, id, a, &s));
	pthread_mutex_unlock(&b->writing);
	return s;
}

static void both_boxes_hold_the_same_receipt_and_both_signed_it(void **state)
{
	_cleanup_(arena_release) struct arena arena = {0};
	struct receipt_signed at_a, at_b;
	struct receipt line;
	struct receipt_body body;
	struct pair p;

	pair_open(&p);
	net_box_write(&p.a, &p.space, 100, 300, 5);
	pair_start(&p);
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	line = last_line(&p.b, 101);
	assert_int_equal(line.state, RECEIPT_AGREED);
	assert_int_equal(line.report.received, 101);
	at_b = signed_of(&p.b, &line.id, &arena);
	at_a = signed_of(&p.a, &line.id, &arena);
	for (int i = 0; i < 2; i++) {
		assert_true(span_eq(at_a.bytes[i], at_b.bytes[i]));
		assert_memory_equal(at_a.sig[i].b, at_b.sig[i].b, 64);
	}
	assert_true(at_a.by_peer && !at_b.by_peer);
	assert_true(receipt_signed_by(net_box_key(&p.b), at_a.bytes[ASKER], &at_a.sig[ASKER]));
	assert_true(
		receipt_signed_by(net_box_key(&p.a), at_b.bytes[ANSWERER], &at_b.sig[ANSWERER]));
	assert_ok(receipt_read(at_a.bytes[ASKER], &arena, &body));
	assert_true(receipt_equal(&body));
	assert_int_equal(body.n_spaces, 1);
	assert_int_equal(body.spaces[0].entries[ANSWERER], 101);
	assert_int_equal(body.spaces[0].entries[ASKER], 0);
	assert_int_equal(body.fresh[ASKER], 101);
	pair_close(&p);
}

static void what_went_both_ways_and_was_refused_is_agreed_on(void **state)
{
	_cleanup_(arena_release) struct arena arena = {0};
	struct receipt_signed s;
	struct receipt_body body;
	struct receipt line;
	struct net_box c;
	char *dir = test_dir();
	struct pair p;

	pair_open(&p);
	/* b carries a log that a does not admit */
	net_box_open(&c, dir, "Casal", 3);
	pair_start(&p);
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	net_box_write(&p.a, &p.space, 3, 300, 1);
	net_box_write(&p.b, &p.space, 4, 300, 1);
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	line = last_line(&p.b, 3);
	assert_int_equal(line.state, RECEIPT_AGREED);
	s = signed_of(&p.a, &line.id, &arena);
	assert_ok(receipt_read(s.bytes[ASKER], &arena, &body));
	assert_int_equal(body.spaces[0].entries[ASKER], 4);
	assert_int_equal(body.spaces[0].entries[ANSWERER], 3);
	assert_int_equal(body.fresh[ANSWERER], 4);
	assert_true(receipt_equal(&body));
	net_box_close(&c);
	test_dir_remove(dir);
	pair_close(&p);
}

static void nothing_to_do_needs_no_receipt_unless_a_person_asks(void **state)
{
	struct pair p;
	struct receipt first, again;
	int commits;

	pair_open(&p);
	pair_start(&p);
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	first = last_line(&p.b, 0);
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	again = last_line(&p.b, 0);
	assert_int_equal(again.state, RECEIPT_AGREED);
	assert_true(again.num > first.num && !hash_eq(&again.id, &first.id));
	assert_int_equal(again.report.received, 0);
	commits = atomic_load(&p.b.commits);
	sync_poke(p.b.sync);
	usleep(300000);
	assert_int_equal(last_line(&p.b, 0).num, again.num);
	assert_true(atomic_load(&p.b.commits) <= commits + 1);
	pair_close(&p);
}

/* --- the statement alone --- */
struct scene {
	struct secret *asker, *answerer;
	struct wire_tally at_asker, at_answerer;
	struct arena arena;
	struct hash space;
	struct receipt_body claim;
	struct buf bytes;
};

static void count(struct wire_tally *t, const struct hash *space, bool sender, unsigned n)
{
	struct tally_space *row = tally_space(t, space);

	if (sender)
		row->sent += n;
	else
		row->came += n;
}

static void scene_open(struct scene *s)
{
	struct space_digest same = {.missing = {0}};

	memset(s, 0, sizeof(*s));
	s->asker = test_key(1);
	s->answerer = test_key(2);
	memset(s->space.b, 7, 32);
	memset(same.heads.b, 9, 32);
	same.space = s->space;
	count(&s->at_asker, &s->space, true, 5);
	count(&s->at_answerer, &s->space, false, 5);
	tally_digests(&s->at_asker, &same, &same);
	tally_digests(&s->at_answerer, &same, NULL);
	s->at_asker.theirs_new = s->at_answerer.ours_new = 5;
	s->claim.kind = RECEIPT_MET;
	s->claim.box[ASKER] = *secret_pubkey(s->asker);
	s->claim.box[ANSWERER] = *secret_pubkey(s->answerer);
	receipt_of_tally(&s->at_asker, &(struct sync_report){.blobs = 2}, &s->arena, &s->claim);
	receipt_write(&s->claim, &s->bytes);
}

static void scene_close(struct scene *s)
{
	tally_release(&s->at_asker);
	tally_release(&s->at_answerer);
	arena_release(&s->arena);
	buf_release(&s->bytes);
	secret_free(s->asker);
	secret_free(s->answerer);
}

static bool hides(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return false;
}

/* The answerer's bytes for this claim. */
static void own(struct scene *s, bool shared, struct buf *out)
{
	struct receipt_weighing w = {.self = secret_pubkey(s->answerer),
				     .peer = secret_pubkey(s->asker),
				     .tally = &s->at_answerer,
				     .shares = shared ? NULL : hides};
	struct receipt_body b;

	assert_ok(receipt_own_version(&w, &s->claim, &s->arena, &b));
	receipt_write(&b, out);
}

static void the_answerer_signs_only_what_it_counted(void **state)
{
	_cleanup_(buf_release) struct buf mine = {0}, other = {0};
	struct receipt_body read;
	struct scene s;

	scene_open(&s);
	own(&s, true, &mine);
	assert_true(span_eq(buf_span(&mine), buf_span(&s.bytes)));
	s.claim.spaces[0].entries[ASKER] = 6; /* a boast */
	s.claim.fresh[ASKER] = 1000;	      /* more than was sent */
	own(&s, true, &other);
	assert_ok(receipt_read(buf_span(&other), &s.arena, &read));
	assert_int_equal(read.spaces[0].entries[ASKER], 5);
	assert_int_equal(read.fresh[ASKER], 0);
	scene_close(&s);
}

static void a_space_that_is_not_shared_is_neither_confirmed_nor_named(void **state)
{
	_cleanup_(buf_release) struct buf mine = {0};
	struct receipt_body read;
	struct scene s;

	scene_open(&s);
	own(&s, false, &mine);
	assert_ok(receipt_read(buf_span(&mine), &s.arena, &read));
	assert_int_equal(read.n_spaces, 0);
	scene_close(&s);
}

static void only_the_one_form_is_read(void **state)
{
	_cleanup_(buf_release) struct buf longer = {0};
	struct receipt_body read;
	struct error *e;
	struct scene s;

	scene_open(&s);
	for (size_t n = 0; n < s.bytes.n; n++) {
		e = receipt_read(span_of(s.bytes.p, n), &s.arena, &read);
		assert_true(error_is(e, ERR_MALFORMED));
		error_free(e);
	}
	buf_add_span(&longer, buf_span(&s.bytes));
	buf_u8(&longer, 0);
	e = receipt_read(buf_span(&longer), &s.arena, &read);
	assert_true(error_is(e, ERR_MALFORMED));
	error_free(e);
	scene_close(&s);
}

static void one_who_fills_the_table_pushes_only_its_own_out(void **state)
{
	struct pair p;
	struct receipt r = {.when_ms = 1};

	pair_open(&p);
	memset(r.peer.b, 1, 32);
	assert_ok(receipt_put(p.a.local, &r));
	memset(r.peer.b, 2, 32);
	for (int i = 0; i < PEER_RECEIPTS + 50; i++) {
		r.when_ms = 2 + i;
		assert_ok(receipt_put(p.a.local, &r));
	}
	memset(r.peer.b, 1, 32);
	r.when_ms = 0;
	assert_ok(receipt_each(p.a.local, &r.peer, 1, keep_first, &r));
	assert_int_equal(r.when_ms, 1);
	pair_close(&p);
}

static void counts_of_exchanges_are_bounded_for_each_peer(void **state)
{
	struct tallies *t = tallies_new();
	struct pubkey good = {{1}}, bad = {{2}};
	uint8_t id[RECEIPT_EXCHANGE] = {1};
	struct wire_tally *first = tallies_take(t, &good, id), *again;

	assert_non_null(first);
	assert_null(tallies_take(t, &good, id)); /* in use */
	first->ours_new = 77;
	tallies_give(t, first);
	for (int i = 0; i < 1000; i++) {
		uint8_t other[RECEIPT_EXCHANGE] = {2, (uint8_t)i, (uint8_t)(i >> 8)};

		tallies_give(t, tallies_take(t, &bad, other));
	}
	again = tallies_take(t, &good, id);
	assert_int_equal(again->ours_new, 77);
	tallies_give(t, again);
	tallies_free(t);
}

static struct error *no_write(void *ctx, sync_write_fn *fn, void *arg)
{
	return NULL;
}

/* What one side says as the body of a request; what the other answers, and what is made of it. */
static void ask_and_answer(struct scene *s, bool shared, struct buf *answer,
			   struct receipt_signed *ret)
{
	const struct sync_host host = {.write = no_write};
	struct test_env env;
	_cleanup_(buf_release) struct buf body = {0};
	struct sync_report report = {.blobs = 2};
	const uint8_t number[RECEIPT_EXCHANGE] = {1, 2, 3};
	struct receipt_asking q = {.host = &host,
				   .self = s->asker,
				   .peer = *secret_pubkey(s->answerer),
				   .env = &env.env,
				   .exchange = number,
				   .tally = &s->at_asker,
				   .report = &report};
	struct receipt_weighing w = {.self = secret_pubkey(s->answerer),
				     .peer = secret_pubkey(s->asker),
				     .tally = &s->at_answerer,
				     .shares = shared ? NULL : hides};

	test_env_init(&env, 1764000000000, 1);
	w.now_ms = 1764000000000;
	receipt_claim(&q, &s->arena, ret, &body);
	assert_ok(receipt_answer(&w, s->answerer, &host, number, buf_span(&body), answer));
	assert_ok(receipt_take_answer(&q, buf_span(answer), &s->arena, ret));
}

static void who_says_the_same_answers_with_a_signature_alone(void **state)
{
	_cleanup_(buf_release) struct buf answer = {0};
	struct receipt_signed r;
	struct scene s;

	scene_open(&s);
	ask_and_answer(&s, true, &answer, &r);
	assert_int_equal(receipt_state_of(&r), RECEIPT_AGREED);
	assert_true(receipt_signed_by(secret_pubkey(s.answerer), r.bytes[ANSWERER],
				      &r.sig[ANSWERER]));
	assert_int_equal(answer.n, 8 + (21 + 64) + (21 + 8));
	/* Otherwise it says what it counted. */
	buf_clear(&answer);
	ask_and_answer(&s, false, &answer, &r);
	assert_int_equal(receipt_state_of(&r), RECEIPT_DISPUTED);
	assert_true(answer.n > 200);
	scene_close(&s);
}

static void a_request_without_a_statement_is_none(void **state)
{
	const struct sync_host host = {.write = no_write};
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(buf_release) struct buf answer = {0};
	struct signature sig = {{0}};
	struct stream_writer out;
	struct scene s;
	struct receipt_weighing w = {0};

	scene_open(&s);
	w.self = secret_pubkey(s.answerer);
	w.peer = secret_pubkey(s.asker);
	stream_begin(&out, &body);
	stream_put_receipt(&out, &sig, (struct span){0});
	stream_put_end(&out);
	assert_fails(receipt_answer(&w, s.answerer, &host, (const uint8_t[RECEIPT_EXCHANGE]){0},
				    buf_span(&body), &answer),
		     ERR_MALFORMED);
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_boxes_hold_the_same_receipt_and_both_signed_it),
		cmocka_unit_test(what_went_both_ways_and_was_refused_is_agreed_on),
		cmocka_unit_test(nothing_to_do_needs_no_receipt_unless_a_person_asks),
		cmocka_unit_test(the_answerer_signs_only_what_it_counted),
		cmocka_unit_test(who_says_the_same_answers_with_a_signature_alone),
		cmocka_unit_test(a_request_without_a_statement_is_none),
		cmocka_unit_test(a_space_that_is_not_shared_is_neither_confirmed_nor_named),
		cmocka_unit_test(only_the_one_form_is_read),
		cmocka_unit_test(one_who_fills_the_table_pushes_only_its_own_out),
		cmocka_unit_test(counts_of_exchanges_are_bounded_for_each_peer),
	};

	return run_group(tests);
}
