/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Exchanges that begin where both boxes once were. */
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"
#include "sync/replicate/sender.h"

enum { MANY = 150 };

struct fixture {
	struct test_env env;
	char *dir;
	struct box a, b;
	struct secret *ada;
	struct hash space;
};

/* A and B hold many logs alike, and have met. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	test_env_init(&f->env, 1764000000000, 1);
	f->dir = test_dir();
	f->ada = test_key(100);
	box_init(&f->a, &f->env, f->dir, "a", 1);
	box_init(&f->b, &f->env, f->dir, "b", 2);
	f->space = box_found(&f->a, f->ada);
	box_admit(&f->a, &f->space, secret_pubkey(f->b.key));
	boxes_sync(&f->b, &f->a);
	boxes_add_logs(&f->a, &f->b, &f->space, MANY);
	box_write(&f->b, &f->space, f->ada, "{\"type\":\"post\",\"w\":\"begins\"}");
	boxes_sync(&f->b, &f->a);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	box_release(&f->a);
	box_release(&f->b);
	secret_free(f->ada);
	test_dir_remove(f->dir);
	free(f);
	return 0;
}

static void write_one(struct fixture *f, struct box *b)
{
	box_write(b, &f->space, f->ada, "{\"type\":\"post\"}");
}

static void assert_same(struct fixture *f)
{
	struct hash a = box_digest(&f->a), b = box_digest(&f->b);

	assert_id_equal(&a, &b);
}

/* A box that was started anew remembers nothing. */
static void restart(struct box *b)
{
	pasts_free(b->pasts);
	b->o.pasts = b->pasts = pasts_new();
}

static void news_come_with_the_first_answer(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	write_one(f, &f->a);
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.received, 1);
	assert_int_equal(r.sent, 0);
	assert_int_equal(r.requests, 1);
	assert_int_equal(r.rounds, 1);
	assert_int_equal(r.spaces, 1);
	assert_true(r.bytes_out < 200);
	assert_true(r.bytes_in < 1000);
	assert_string_equal(r.peer_name, "a");
	assert_same(f);
}

static void nothing_to_do_is_one_request(void **state)
{
	struct fixture *f = *state;
	struct sync_report r = boxes_sync(&f->b, &f->a);

	assert_true(r.equal);
	assert_int_equal(r.requests, 1);
	assert_int_equal(r.rounds, 0);
	assert_int_equal(r.spaces, 0);
	assert_true(r.bytes_in + r.bytes_out < 450);
}

static void both_sides_news_are_two_requests(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	for (int i = 0; i < 3; i++) { /* also from the state that this ends in */
		write_one(f, &f->a);
		write_one(f, &f->b);
		r = boxes_sync(&f->b, &f->a);
		assert_true(r.equal);
		assert_int_equal(r.received, 1);
		assert_int_equal(r.accepted, 1);
		assert_int_equal(r.known, 0);
		assert_int_equal(r.requests, 2);
		assert_same(f);
	}
}

static void who_was_called_calls_from_there(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	boxes_sync(&f->b, &f->a); /* that they are alike is seen by both */
	write_one(f, &f->b);
	r = boxes_sync(&f->a, &f->b);
	assert_true(r.equal);
	assert_int_equal(r.received, 1);
	assert_int_equal(r.requests, 1);
	assert_same(f);
}

static void a_state_that_is_forgotten_is_found_out_as_before(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	restart(&f->a);
	write_one(f, &f->a);
	write_one(f, &f->b);
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.received, 1);
	assert_int_equal(r.accepted, 1);
	assert_int_equal(r.requests, 4); /* what both once held, ranges, pull, push */
	assert_same(f);
	restart(&f->b);
	write_one(f, &f->a);
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.requests, 3); /* status, ranges, pull */
	assert_same(f);
}

static void from_a_third_box_comes_what_neither_had(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct box c;

	box_init(&c, &f->env, f->dir, "c", 3);
	box_admit(&f->a, &f->space, secret_pubkey(c.key));
	boxes_sync(&c, &f->a);
	write_one(f, &c);
	boxes_sync(&c, &f->a);
	write_one(f, &f->b);
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.received, 2); /* the admission, and what the third wrote */
	assert_int_equal(r.accepted, 1);
	assert_int_equal(r.requests, 2);
	assert_same(f);
	box_release(&c);
}

/* Its logs were here before it was admitted: what was held then is not what arrived since. */
static void a_later_admission_is_no_reason_to_differ(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct box c;

	box_init(&c, &f->env, f->dir, "c", 3);
	box_admit(&f->b, &f->space, secret_pubkey(c.key));
	boxes_sync(&c, &f->b);
	write_one(f, &c);
	boxes_sync(&c, &f->b);
	boxes_sync(&f->b, &f->a);
	NEED(log_begin(f->a.log));
	NEED(log_admit(f->a.log, &f->space, secret_pubkey(c.key), false));
	NEED(log_commit(f->a.log));
	boxes_sync(&f->b, &f->a);
	NEED(log_begin(f->a.log));
	NEED(log_admit(f->a.log, &f->space, secret_pubkey(c.key), true));
	NEED(log_commit(f->a.log));
	write_one(f, &f->b);
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_same(f);
	box_release(&c);
}

/* The payload of an entry that was there before comes later, under a new number. */
static void a_payload_that_came_later_does_no_harm(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct hash op = box_write(&f->a, &f->space, f->ada, "{\"type\":\"post\",\"w\":\"gone\"}");
	uint64_t bytes;

	boxes_sync(&f->b, &f->a);
	NEED(log_begin(f->a.log));
	NEED(log_drop(f->a.log, &op, &bytes));
	NEED(log_commit(f->a.log));
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.accepted, 1); /* it is filled again */
	assert_true(r.equal);
	write_one(f, &f->a);
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.received, 1);
	assert_true(r.equal);
	assert_same(f);
}

static bool never(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return false;
}

static void what_is_not_shared_any_more_is_neither_named_nor_told(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	write_one(f, &f->a);
	f->a.o.shares = never;
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.received, 0);
	assert_int_equal(r.sent, 0);
	assert_int_equal(r.refusals, 0);
	f->b.o.shares = never;
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.requests, 1);
	assert_true(r.bytes_out == 0); /* a status */
	f->a.o.shares = f->b.o.shares = NULL;
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.received, 1);
	assert_same(f);
}

/* The answer to a pull of these frames. */
static struct error *pull(struct fixture *f, const struct hash *state, const struct head *rows,
			  size_t n, bool and_heads, struct buf *out)
{
	_cleanup_(serving_freep) struct serving *v = serving_new(&f->a.o, SERVE_PULL);
	_cleanup_(buf_release) struct buf body = {0};
	struct stream_writer w;
	struct intake *in;
	bool end;

	stream_begin(&w, &body);
	stream_put_since(&w, &f->space, state, rows, n);
	if (and_heads)
		stream_put_heads(&w, &f->space, rows, n);
	stream_put_end(&w);
	serving_feed(v, buf_span(&body));
	TRY(serving_next(v, f->a.log, &in));
	assert_null(in);
	TRY(serving_end(v, f->a.log));
	TRY(serving_answer(v, f->a.log, out, &end));
	assert_true(end);
	return NULL;
}

static size_t frames_of(const struct buf *out, enum frame_type type)
{
	_cleanup_(stream_reader_freep) struct stream_reader *r = stream_reader_new(~0u);
	const struct frame *f;
	size_t n = 0;

	stream_feed(r, buf_span(out));
	for (;;) {
		NEED(stream_next(r, &f));
		if (!f)
			break;
		n += f->type == type;
	}
	NEED(stream_finish(r));
	return n;
}

static void whoever_lies_about_a_state_gets_what_he_asks_for(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf out = {0};
	struct space_digest now;
	struct head lie = {.id = {f->space, *secret_pubkey(f->a.key), log_incarnation(f->a.log)},
			   .seq = 1,
			   .hash = {"not a hash"}};
	struct hash never_seen = {"a state that never was"};

	NEED(heads_space_digest(f->a.log, &f->space, &now));
	/* One that never was: the status, and that it is not known. */
	assert_ok(pull(f, &never_seen, NULL, 0, false, &out));
	assert_int_equal(frames_of(&out, FRAME_SINCE), 1);
	assert_int_equal(frames_of(&out, FRAME_DIGESTS), 1);
	assert_int_equal(frames_of(&out, FRAME_ENTRIES), 0);
	/* A row that is not so: asked where it parts from ours. */
	buf_clear(&out);
	assert_ok(pull(f, &now.heads, &lie, 1, false, &out));
	assert_int_equal(frames_of(&out, FRAME_SINCE), 0);
	assert_int_equal(frames_of(&out, FRAME_LOCATOR), 1);
	assert_int_equal(frames_of(&out, FRAME_ENTRIES), 0);
	/* Both ways of saying it. */
	assert_fails(pull(f, &now.heads, &lie, 1, true, &out), ERR_MALFORMED);
}

static void only_so_many_states_are_remembered(void **state)
{
	struct fixture *f = *state;
	struct space_digest row = {.space = f->space};
	struct hash kept;
	struct pubkey peer = {{0}};

	for (uint32_t i = 0; i < PAST_AGREED + 10; i++) {
		memcpy(peer.b, &i, sizeof(i));
		pasts_agree(f->a.pasts, &peer, &row);
	}
	assert_true(pasts_agreed(f->a.pasts, &peer, &f->space, &kept));
	peer = (struct pubkey){{0}};
	assert_false(pasts_agreed(f->a.pasts, &peer, &f->space, &kept));
	pasts_agree(f->a.pasts, &peer, &row);
	assert_true(pasts_agreed(f->a.pasts, &peer, &f->space, &kept));
	pasts_forget(f->a.pasts, &peer);
	assert_false(pasts_agreed(f->a.pasts, &peer, &f->space, &kept));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(news_come_with_the_first_answer),
		T(nothing_to_do_is_one_request),
		T(both_sides_news_are_two_requests),
		T(who_was_called_calls_from_there),
		T(a_state_that_is_forgotten_is_found_out_as_before),
		T(from_a_third_box_comes_what_neither_had),
		T(a_later_admission_is_no_reason_to_differ),
		T(a_payload_that_came_later_does_no_harm),
		T(what_is_not_shared_any_more_is_neither_named_nor_told),
		T(whoever_lies_about_a_state_gets_what_he_asks_for),
		T(only_so_many_states_are_remembered),
	};

	return run_group(tests);
}
