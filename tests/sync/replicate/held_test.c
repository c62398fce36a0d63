/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Proving what is held, and letting go of it: sync/replicate/held.h, log_drop. */
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"
#include "sync/replicate/held.h"
#include "sync/replicate/sender.h"

enum { ENTRIES = 40, BOXES = 3, STEPS = 60, SEEDS = 12 };

struct fixture {
	struct test_env env;
	char *dir;
	struct box box[BOXES]; /* all have all; box 0 wrote it */
	struct secret *ada;
	struct hash space, ops[ENTRIES];
	struct held_entry entries[ENTRIES + 8];
	size_t n;
};

static struct error *note(void *ctx, const struct stored *e)
{
	struct fixture *f = ctx;

	f->entries[f->n++] = (struct held_entry){.id = entry_log(&e->raw), .seq = e->seq};
	return NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	test_env_init(&f->env, 1764000000000, 1);
	f->dir = test_dir();
	f->ada = test_key(100);
	for (int i = 0; i < BOXES; i++) {
		/* borrowed by the box */
		static const char *const names[BOXES] = {"b0", "b1", "b2"};

		box_init(&f->box[i], &f->env, f->dir, names[i], 1 + (unsigned)i);
	}
	f->space = box_found(&f->box[0], f->ada);
	box_admit(&f->box[0], &f->space, secret_pubkey(f->box[1].key));
	box_admit(&f->box[0], &f->space, secret_pubkey(f->box[2].key));
	for (int i = 0; i < ENTRIES; i++) {
		char text[64];

		snprintf(text, sizeof(text), "{\"type\":\"post\",\"n\":%d}", i);
		f->ops[i] = box_write(&f->box[0], &f->space, f->ada, text);
	}
	for (int i = 1; i < BOXES; i++)
		boxes_sync(&f->box[i], &f->box[0]);
	NEED(log_arrivals(f->box[0].log, 0, 0, note, f));
	held_sort(f->entries, &f->n);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < BOXES; i++)
		box_release(&f->box[i]);
	secret_free(f->ada);
	test_dir_remove(f->dir);
	free(f);
	return 0;
}

static void drop(struct box *b, const struct hash *op)
{
	uint64_t bytes;

	NEED(log_begin(b->log));
	NEED(log_drop(b->log, op, &bytes));
	NEED(log_commit(b->log));
}

static void answer_of(struct box *asker, struct box *other, const struct hash *nonce,
		      const struct held_entry *e, size_t n, struct buf *answer)
{
	_cleanup_(buf_release) struct buf question = {0};

	held_question(nonce, e, n, &question);
	assert_true(question.n <= HELD_BODY);
	other->o.peer = *secret_pubkey(asker->key);
	NEED(held_answer(&other->o, other->log, buf_span(&question), answer));
}

/* How many of all entries `other` proves to hold. */
static size_t proved(struct fixture *f, struct box *asker, struct box *other)
{
	const struct hash nonce = {{7}};
	_cleanup_(buf_release) struct buf answer = {0};
	size_t n = 0;

	answer_of(asker, other, &nonce, f->entries, f->n, &answer);
	NEED(held_weigh(secret_pubkey(asker->key), secret_pubkey(other->key), asker->log, &nonce,
			f->entries, f->n, buf_span(&answer)));
	for (size_t i = 0; i < f->n; i++)
		n += f->entries[i].held;
	return n;
}

static void a_box_that_holds_all_proves_all(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->n, ENTRIES + 3);
	assert_int_equal(proved(f, &f->box[0], &f->box[1]), f->n);
	assert_int_equal(proved(f, &f->box[1], &f->box[0]), f->n);
}

static void what_it_has_not_it_does_not_prove(void **state)
{
	struct fixture *f = *state;
	uint64_t seq = 0;

	for (int i = 0; i < ENTRIES; i += 3)
		drop(&f->box[1], &f->ops[i]);
	assert_int_equal(proved(f, &f->box[0], &f->box[1]), f->n - (ENTRIES + 2) / 3);
	for (size_t i = 0; i < f->n; i++) {
		struct log_info info;

		NEED(log_info_get(f->box[1].log, &f->entries[i].id, &info));
		seq = f->entries[i].seq;
		/* the first post is entry 4 */
		assert_int_equal(f->entries[i].held, seq < 4 || (seq - 4) % 3 != 0);
	}
}

static void a_partial_box_counts_for_nothing(void **state)
{
	struct fixture *f = *state;

	f->box[1].o.keep.payload_days = 30;
	assert_int_equal(proved(f, &f->box[0], &f->box[1]), 0);
	f->box[1].o.keep = (struct keep){.blob_max = 1000};
	assert_int_equal(proved(f, &f->box[0], &f->box[1]), 0);
}

static bool nothing(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return false;
}

static void who_may_not_read_is_proved_nothing(void **state)
{
	struct fixture *f = *state;

	f->box[1].o.shares = nothing;
	assert_int_equal(proved(f, &f->box[0], &f->box[1]), 0);
	f->box[1].o.shares = NULL;
	f->box[1].o.follows = nothing;
	assert_int_equal(proved(f, &f->box[0], &f->box[1]), 0);
}

/* Who lets go of payloads can't repeat an older answer, nor another box's. */
static void an_answer_is_good_for_one_question_and_one_box(void **state)
{
	struct fixture *f = *state;
	const struct hash nonce = {{7}}, other = {{8}};
	_cleanup_(buf_release) struct buf answer = {0};
	const struct pubkey *a = secret_pubkey(f->box[0].key), *b = secret_pubkey(f->box[1].key);

	answer_of(&f->box[0], &f->box[1], &nonce, f->entries, f->n, &answer);
	NEED(held_weigh(a, b, f->box[0].log, &other, f->entries, f->n, buf_span(&answer)));
	assert_false(f->entries[5].held);
	NEED(held_weigh(a, secret_pubkey(f->box[2].key), f->box[0].log, &nonce, f->entries, f->n,
			buf_span(&answer)));
	assert_false(f->entries[5].held);
	NEED(held_weigh(a, b, f->box[0].log, &nonce, f->entries, f->n, buf_span(&answer)));
	assert_true(f->entries[5].held);
}

/* What the asker has not any more it can't check, and then believes nothing. */
static void who_does_not_hold_it_can_not_check_it(void **state)
{
	struct fixture *f = *state;

	drop(&f->box[0], &f->ops[3]);
	assert_int_equal(proved(f, &f->box[0], &f->box[1]), 0);
}

static void every_broken_question_and_answer_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct hash nonce = {{7}};
	_cleanup_(buf_release) struct buf question = {0}, answer = {0};

	held_question(&nonce, f->entries, f->n, &question);
	for (size_t i = 0; i < question.n; i++) {
		struct error *e =
			held_answer(&f->box[1].o, f->box[1].log, span_of(question.p, i), &answer);

		assert_non_null(e);
		error_free(e);
	}
	buf_clear(&answer);
	answer_of(&f->box[0], &f->box[1], &nonce, f->entries, f->n, &answer);
	for (size_t i = 0; i < answer.n; i++) {
		struct error *e;

		answer.p[i] ^= 4;
		e = held_weigh(secret_pubkey(f->box[0].key), secret_pubkey(f->box[1].key),
			       f->box[0].log, &nonce, f->entries, f->n, buf_span(&answer));
		for (size_t k = 0; k < f->n; k++)
			assert_false(f->entries[k].held);
		error_free(e);
		answer.p[i] ^= 4;
	}
}

static void a_question_for_too_many_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf question = {0}, answer = {0};
	struct stream_writer w;
	struct error *e;

	stream_begin(&w, &question);
	stream_put_proof(&w, &(struct hash){{1}});
	stream_put_missing(&w, &f->entries[0].id, (const struct seq_range[]){{1, HELD_ENTRIES + 1}},
			   1);
	stream_put_end(&w);
	e = held_answer(&f->box[1].o, f->box[1].log, buf_span(&question), &answer);
	assert_true(error_is(e, ERR_LIMIT));
	error_free(e);
}

/* Ranges at the very end of the numbers: one more than the last is 0. */
static void a_question_behind_all_numbers_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf question = {0}, answer = {0};
	struct stream_writer w;
	struct error *e;

	stream_begin(&w, &question);
	stream_put_proof(&w, &(struct hash){{1}});
	stream_put_missing(&w, &f->entries[0].id,
			   (const struct seq_range[]){{UINT64_MAX - 2, UINT64_MAX}}, 1);
	stream_put_end(&w);
	e = held_answer(&f->box[1].o, f->box[1].log, buf_span(&question), &answer);
	assert_true(error_is(e, ERR_MALFORMED));
	error_free(e);
}

/* Whoever asks for what is not here makes this box look it up, and read nothing. */
static void what_is_not_here_is_not_read_for_whoever_asks(void **state)
{
	struct fixture *f = *state;
	_cleanup_(sender_freep) struct sender *s = sender_new();
	const struct seq_range all = {4, ENTRIES + 3};
	_cleanup_(buf_release) struct buf out = {0};
	bool end = false;

	for (int i = 0; i < ENTRIES; i++)
		if (i != 7 && i != 8 && i != ENTRIES - 1)
			drop(&f->box[1], &f->ops[i]);
	NEED(sender_plan_missing(s, f->box[1].log, &f->entries[0].id, &all, 1));
	while (!end)
		NEED(sender_read(s, f->box[1].log, &out, &end));
	assert_int_equal(sender_entries(s), 3);
	drop(&f->box[1], &f->ops[7]);
	drop(&f->box[1], &f->ops[8]);
	drop(&f->box[1], &f->ops[ENTRIES - 1]);
	sender_free(s);
	s = sender_new();
	NEED(sender_plan_missing(s, f->box[1].log, &f->entries[0].id, &all, 1));
	assert_false(sender_gives(s));
}

static uint64_t held_by(struct box *b, struct fixture *f)
{
	struct log_counts n;

	NEED(log_count(b->log, &f->space, &n));
	return n.held;
}

/* --- a schedule of dropping and fetching --- */

/* Let go of some, of what the other box proves; or pretend to (it asks a partial one). */
static void let_go(struct fixture *f, int who, int whom)
{
	size_t n = proved(f, &f->box[who], &f->box[whom]);
	int first = (int)(test_rand(&f->env) % ENTRIES);

	for (int i = first; n && i < ENTRIES && i < first + 8; i++)
		for (size_t k = 0; k < f->n; k++)
			if (f->entries[k].held && f->entries[k].seq == (uint64_t)i + 4)
				drop(&f->box[who], &f->ops[i]);
}

static struct error *see_held(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->state == PAYLOAD_HELD;
	return NULL;
}

static bool somebody_holds(struct fixture *f, const struct hash *op)
{
	bool held = false;

	for (int i = 0; i < BOXES; i++)
		NEED(log_op(f->box[i].log, op, see_held, &held));
	return held;
}

/* Boxes become partial and full again, let go of what others prove, and exchange, in any order. The
 * digest of the entries never moves, the last copy of nothing goes, and whoever keeps everything in
 * the end has everything. */
static void whatever_is_dropped_and_fetched_nothing_is_lost(void **state)
{
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct fixture *f;
		struct hash digest;

		teardown(state);
		setup(state);
		f = *state;
		test_env_init(&f->env, 1764000000000 + (int64_t)400 * 86400000, seed);
		digest = box_digest(&f->box[0]);
		for (int step = 0; step < STEPS; step++) {
			int who = (int)(test_rand(&f->env) % BOXES);
			int whom = (who + 1 + (int)(test_rand(&f->env) % (BOXES - 1))) % BOXES;
			struct box *b = &f->box[who];

			switch (test_rand(&f->env) % 4) {
			case 0:
				b->o.keep.payload_days = b->o.keep.payload_days ? 0 : 30;
				break;
			case 1:
				boxes_sync(b, &f->box[whom]);
				break;
			default: /* only a partial box lets go, and says so before it asks */
				if (b->o.keep.payload_days)
					let_go(f, who, whom);
			}
			for (int i = 0; i < BOXES; i++) {
				struct hash now = box_digest(&f->box[i]);

				assert_id_equal(&now, &digest);
			}
			for (int i = 0; i < ENTRIES; i++)
				assert_true(somebody_holds(f, &f->ops[i]));
		}
		f->box[0].o.keep.payload_days = 0;
		boxes_sync(&f->box[0], &f->box[1]);
		boxes_sync(&f->box[0], &f->box[2]);
		assert_int_equal(held_by(&f->box[0], f), f->n);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_box_that_holds_all_proves_all),
		T(what_it_has_not_it_does_not_prove),
		T(a_partial_box_counts_for_nothing),
		T(who_may_not_read_is_proved_nothing),
		T(an_answer_is_good_for_one_question_and_one_box),
		T(who_does_not_hold_it_can_not_check_it),
		T(every_broken_question_and_answer_is_refused),
		T(a_question_for_too_many_is_refused),
		T(a_question_behind_all_numbers_is_refused),
		T(what_is_not_here_is_not_read_for_whoever_asks),
		T(whatever_is_dropped_and_fetched_nothing_is_lost),
	};

	return run_group(tests);
}
