/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The number that people compare: commit before reveal, and what an attacker gets out of it. */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/peer/pair.h"
#include "sync/replicate/stream.h"
#include <jansson.h>

/* Two honest boxes, and one between them, each with its attempts. */
struct box {
	struct test_env env;
	struct pubkey key;
	struct pairs *pairs;
};
struct world {
	struct box a, b, m;
};

static void pairs_freep(struct pairs **p)
{
	pairs_free(*p);
}

static struct pubkey key_of(unsigned n)
{
	_cleanup_(secret_freep) struct secret *s = test_key(n);

	return *secret_pubkey(s);
}

static void box_init(struct box *b, unsigned n)
{
	test_env_init(&b->env, 1795000000000, n);
	b->key = key_of(n);
	b->pairs = pairs_new(&b->env.env, &b->key);
}

static int begin_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	box_init(&w->a, 1);
	box_init(&w->b, 2);
	box_init(&w->m, 3);
	*state = w;
	return 0;
}

static int end_world(void **state)
{
	struct world *w = *state;

	pairs_free(w->a.pairs);
	pairs_free(w->b.pairs);
	pairs_free(w->m.pairs);
	free(w);
	return 0;
}

static void begin(struct box *b, const struct box *with)
{
	assert_ok(pairs_begin(b->pairs, &with->key, "192.0.2.1:8443", false));
}

static void begin_anew(struct box *b, const struct box *with)
{
	assert_ok(pairs_begin(b->pairs, &with->key, NULL, true));
}

static struct pair_view look(struct box *b, const struct box *with)
{
	struct pair_view v;

	pairs_look(b->pairs, &with->key, &v);
	return v;
}

static struct pair_word word_of(struct box *b, const struct box *with)
{
	struct pair_word w;

	pairs_say(b->pairs, &with->key, &w);
	return w;
}

/* One request and its answer, over the bytes that travel. */
static void swap(struct box *asks, struct box *answers)
{
	_cleanup_(buf_release) struct buf there = {0}, back = {0};
	struct pair_word w = word_of(asks, answers);

	pair_write(&w, &there);
	assert_ok(pair_read(buf_span(&there), &w));
	pairs_hear(answers->pairs, &asks->key, &w);
	w = word_of(answers, asks);
	pair_write(&w, &back);
	assert_ok(pair_read(buf_span(&back), &w));
	pairs_hear(asks->pairs, &answers->key, &w);
}

static void pass(struct world *w, int64_t ms)
{
	test_env_pass(&w->a.env, ms);
	test_env_pass(&w->b.env, ms);
	test_env_pass(&w->m.env, ms);
}

static void two_requests_of_one_side_give_both_one_number(void **state)
{
	struct world *w = *state;

	begin(&w->a, &w->b);
	begin(&w->b, &w->a);
	swap(&w->a, &w->b);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_WAITS);
	swap(&w->a, &w->b);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_SHOWN);
	assert_int_equal(look(&w->b, &w->a).state, PAIR_SHOWN);
	assert_string_equal(look(&w->a, &w->b).number, look(&w->b, &w->a).number);
	assert_int_equal(strlen(look(&w->a, &w->b).number), 7);
}

static void calls_of_both_sides_may_cross(void **state)
{
	struct world *w = *state;

	begin(&w->a, &w->b);
	begin(&w->b, &w->a);
	swap(&w->b, &w->a);
	swap(&w->a, &w->b);
	swap(&w->b, &w->a);
	swap(&w->a, &w->b);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_SHOWN);
	assert_string_equal(look(&w->a, &w->b).number, look(&w->b, &w->a).number);
}

static void nothing_is_said_before_the_volunteer_opens_the_page(void **state)
{
	struct world *w = *state;

	begin(&w->a, &w->b);
	swap(&w->a, &w->b);
	swap(&w->a, &w->b);
	assert_int_equal(word_of(&w->b, &w->a).form, PAIR_CLOSED);
	assert_int_equal(look(&w->b, &w->a).state, PAIR_NONE);
	assert_int_equal(word_of(&w->a, &w->b).form, PAIR_COMMITS);
	/* and nothing of it to a third */
	assert_int_equal(word_of(&w->a, &w->m).form, PAIR_CLOSED);
	begin(&w->b, &w->a);
	swap(&w->a, &w->b);
	swap(&w->a, &w->b);
	assert_string_equal(look(&w->a, &w->b).number, look(&w->b, &w->a).number);
}

static void a_nonce_is_given_only_for_a_commitment(void **state)
{
	struct world *w = *state;
	struct pair_word first, ask = {.form = PAIR_COMMITS};

	begin(&w->a, &w->m);
	first = word_of(&w->a, &w->m);
	assert_int_equal(first.form, PAIR_COMMITS);
	/* who holds ours and commits to nothing is no word at all */
	ask.heard = first.commitment;
	{
		_cleanup_(buf_release) struct buf bytes = {0};
		struct pair_word got;

		pair_write(&ask, &bytes);
		assert_fails(pair_read(buf_span(&bytes), &got), ERR_MALFORMED);
	}
	/* who commits and does not hold ours is told no more either */
	memset(ask.commitment.b, 7, 32);
	memset(ask.heard.b, 0, 32);
	pairs_hear(w->a.pairs, &w->m.key, &ask);
	assert_int_equal(word_of(&w->a, &w->m).form, PAIR_COMMITS);
	ask.heard = first.commitment;
	pairs_hear(w->a.pairs, &w->m.key, &ask);
	assert_int_equal(word_of(&w->a, &w->m).form, PAIR_REVEALS);
}

static void a_nonce_that_was_not_committed_to_ends_the_attempt(void **state)
{
	struct world *w = *state;
	struct pair_word lie;

	begin(&w->a, &w->m);
	begin(&w->m, &w->a);
	swap(&w->m, &w->a);
	lie = word_of(&w->m, &w->a);
	assert_int_equal(lie.form, PAIR_REVEALS);
	lie.nonce[31] ^= 1;
	pairs_hear(w->a.pairs, &w->m.key, &lie);
	assert_int_equal(look(&w->a, &w->m).state, PAIR_BROKEN);
	assert_string_equal(look(&w->a, &w->m).number, "");
	assert_int_equal(word_of(&w->a, &w->m).form, PAIR_CLOSED);
	lie.nonce[31] ^= 1; /* the right one comes too late */
	pairs_hear(w->a.pairs, &w->m.key, &lie);
	assert_int_equal(look(&w->a, &w->m).state, PAIR_BROKEN);
	begin_anew(&w->a, &w->m);
	assert_int_equal(look(&w->a, &w->m).state, PAIR_WAITS);
}

/* It saw our nonce, and would now like to have committed to something else. */
static void the_first_commitment_of_an_attempt_is_the_only_one(void **state)
{
	struct world *w = *state;
	struct pair_word other = {.form = PAIR_REVEALS};
	char number[8];

	begin(&w->a, &w->m);
	begin(&w->m, &w->a);
	swap(&w->m, &w->a);
	other.heard = word_of(&w->a, &w->m).commitment;
	memset(other.nonce, 9, sizeof(other.nonce));
	other.commitment = pair_commitment(&w->m.key, &w->a.key, other.nonce);
	pairs_hear(w->a.pairs, &w->m.key, &other);
	assert_int_equal(look(&w->a, &w->m).state, PAIR_WAITS);
	assert_true(look(&w->a, &w->m).anew);
	swap(&w->m, &w->a);
	assert_int_equal(look(&w->a, &w->m).state, PAIR_SHOWN);
	memcpy(number, look(&w->a, &w->m).number, sizeof(number));
	pairs_hear(w->a.pairs, &w->m.key, &other);
	assert_string_equal(look(&w->a, &w->m).number, number);
}

static void a_commitment_is_good_for_its_keys_alone(void **state)
{
	struct world *w = *state;
	struct pair_word of_b, got;

	/* M hands A the commitment, and then the nonce, that B made for M */
	begin(&w->a, &w->m);
	begin(&w->b, &w->m);
	begin(&w->m, &w->b);
	swap(&w->m, &w->b);
	swap(&w->m, &w->b);
	of_b = word_of(&w->b, &w->m);
	assert_int_equal(of_b.form, PAIR_REVEALS);
	got = of_b;
	got.form = PAIR_COMMITS;
	got.heard = word_of(&w->a, &w->m).commitment;
	pairs_hear(w->a.pairs, &w->m.key, &got);
	of_b.heard = got.heard;
	pairs_hear(w->a.pairs, &w->m.key, &of_b);
	assert_int_equal(look(&w->a, &w->m).state, PAIR_BROKEN);
	/* nor A's own */
	begin_anew(&w->a, &w->m);
	got = word_of(&w->a, &w->m);
	got.heard = got.commitment;
	pairs_hear(w->a.pairs, &w->m.key, &got);
	got = word_of(&w->a, &w->m);
	assert_int_equal(got.form, PAIR_REVEALS);
	pairs_hear(w->a.pairs, &w->m.key, &got);
	assert_int_equal(look(&w->a, &w->m).state, PAIR_BROKEN);
}

static void what_was_said_in_an_earlier_attempt_is_of_no_use(void **state)
{
	struct world *w = *state;
	struct pair_word old;
	char number[8];

	begin(&w->a, &w->b);
	begin(&w->b, &w->a);
	swap(&w->a, &w->b);
	swap(&w->a, &w->b);
	memcpy(number, look(&w->a, &w->b).number, sizeof(number));
	old = word_of(&w->b, &w->a);
	begin_anew(&w->a, &w->b);
	pairs_hear(w->a.pairs, &w->b.key, &old);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_WAITS);
	assert_true(look(&w->a, &w->b).behind);
	/* and the other side is told that it must begin again, too */
	swap(&w->a, &w->b);
	assert_true(look(&w->b, &w->a).anew);
	assert_string_equal(look(&w->b, &w->a).number, number);
	begin_anew(&w->b, &w->a);
	swap(&w->b, &w->a);
	swap(&w->b, &w->a);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_SHOWN);
	assert_false(look(&w->a, &w->b).behind || look(&w->b, &w->a).anew);
	assert_string_equal(look(&w->a, &w->b).number, look(&w->b, &w->a).number);
	assert_string_not_equal(look(&w->a, &w->b).number, number);
}

static void an_answer_that_was_lost_is_asked_for_again(void **state)
{
	struct world *w = *state;
	struct pair_word word;

	begin(&w->a, &w->b);
	begin(&w->b, &w->a);
	swap(&w->a, &w->b);
	word = word_of(&w->a, &w->b);
	pairs_hear(w->b.pairs, &w->a.key, &word); /* and the line breaks */
	assert_int_equal(look(&w->b, &w->a).state, PAIR_SHOWN);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_WAITS);
	swap(&w->a, &w->b);
	assert_string_equal(look(&w->a, &w->b).number, look(&w->b, &w->a).number);
}

static void an_attempt_ends(void **state)
{
	struct world *w = *state;

	begin(&w->a, &w->b);
	pass(w, PAIR_WAIT_MS);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_OVER);
	assert_int_equal(word_of(&w->a, &w->b).form, PAIR_CLOSED);
	begin(&w->a, &w->b); /* the page is only loaded again: that is no act */
	assert_int_equal(look(&w->a, &w->b).state, PAIR_OVER);
	begin_anew(&w->a, &w->b);
	begin(&w->b, &w->a);
	swap(&w->a, &w->b);
	swap(&w->a, &w->b);
	pass(w, PAIR_SHOWN_MS - 1);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_SHOWN);
	pass(w, 1);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_OVER);
	assert_string_equal(look(&w->a, &w->b).number, "");
	pass(w, 3600000);
	assert_int_equal(look(&w->a, &w->b).state,
			 PAIR_OVER); /* until somebody looks for another */
	begin(&w->a, &w->b);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_WAITS);
}

static void attempts_are_counted_over_all_keys(void **state)
{
	struct world *w = *state;
	struct pubkey key = key_of(50);

	begin(&w->a, &w->b);
	for (int i = 1; i < PAIR_AN_HOUR / 2; i++)
		begin_anew(&w->a, &w->b);
	for (unsigned i = 0; i < PAIR_AN_HOUR / 2; i++) {
		key = key_of(50 + i);
		assert_ok(pairs_begin(w->a.pairs, &key, NULL, false));
	}
	assert_fails(pairs_begin(w->a.pairs, &w->b.key, NULL, true), ERR_RATE);
	assert_int_equal(look(&w->a, &w->b).state, PAIR_WAITS); /* the one that is there goes on */
	assert_fails(pairs_begin(w->a.pairs, &w->m.key, NULL, false), ERR_RATE);
	assert_ok(pairs_begin(w->a.pairs, &key, NULL, false)); /* it is there already */
	pass(w, 3600000);
	for (unsigned i = 0; i < PAIR_AN_HOUR; i++) {
		key = key_of(80 + i);
		assert_ok(pairs_begin(w->a.pairs, &key, NULL, false));
	}
	assert_fails(pairs_begin(w->a.pairs, &w->m.key, NULL, false), ERR_RATE);
}

/* A clock that goes on each time that somebody looks at it. */
static int64_t ticks;
static int64_t ticking_mono(void *ctx)
{
	(void)ctx;
	return ticks++;
}

static void the_hour_may_end_between_two_looks_at_the_clock(void **state)
{
	struct world *w = *state;
	struct env env = w->a.env.env;
	_cleanup_(pairs_freep) struct pairs *p = NULL;
	struct pubkey key;
	struct pair_view v;

	env.mono_ms = ticking_mono;
	p = pairs_new(&env, &w->a.key);
	for (unsigned i = 0; i < PAIR_AN_HOUR; i++) {
		ticks = 1000;
		key = key_of(50 + i);
		assert_ok(pairs_begin(p, &key, NULL, false));
	}
	ticks = 1000 + 3600000 - 1;
	assert_fails(pairs_begin(p, &w->b.key, NULL, false), ERR_RATE);
	pairs_look(p, &w->b.key, &v);
	assert_int_equal(v.state, PAIR_NONE);
	assert_ok(pairs_begin(p, &w->b.key, NULL, false)); /* now it has ended */
	pairs_look(p, &w->b.key, &v);
	assert_int_equal(v.state, PAIR_WAITS);
}

static void a_box_is_called_until_the_number_is_there(void **state)
{
	struct world *w = *state;
	struct pair_call call;

	assert_ok(pairs_begin(w->a.pairs, &w->m.key, NULL, false)); /* nobody knows where it is */
	assert_false(pairs_next(w->a.pairs, &call));
	begin(&w->a, &w->b);
	begin(&w->b, &w->a);
	assert_true(pairs_next(w->a.pairs, &call));
	assert_true(pubkey_eq(&call.key, &w->b.key));
	assert_string_equal(call.address, "192.0.2.1:8443");
	assert_false(pairs_next(w->a.pairs, &call));
	pairs_called(w->a.pairs, &w->b.key, false, "broken");
	assert_string_equal(look(&w->a, &w->b).error, "broken");
	assert_int_equal(pairs_wait(w->a.pairs, 60000), PAIR_CALL_MS);
	pass(w, PAIR_CALL_MS);
	assert_true(pairs_next(w->a.pairs, &call));
	pairs_called(w->a.pairs, &w->b.key, true, NULL);
	assert_true(look(&w->a, &w->b).older);
	pass(w, PAIR_CALL_MS);
	assert_false(pairs_next(w->a.pairs, &call)); /* seldom */
	pass(w, PAIR_LATER_MS);
	assert_true(pairs_next(w->a.pairs, &call));
	/* what a page knows does not replace what a volunteer says */
	pairs_call_at(w->a.pairs, &w->b.key, "192.0.2.2:8443");
	begin(&w->a, &w->b);
	assert_true(pairs_next(w->a.pairs, &call));
	assert_string_equal(call.address, "192.0.2.2:8443");
	swap(&w->a, &w->b);
	assert_false(look(&w->a, &w->b).older); /* it was updated */
	swap(&w->a, &w->b);
	pass(w, PAIR_LATER_MS);
	assert_false(pairs_next(w->a.pairs, &call));
	assert_int_equal(pairs_wait(w->a.pairs, 60000), 60000);
}

static void a_box_that_spoke_of_numbers_is_not_older(void **state)
{
	struct world *w = *state;

	begin(&w->b, &w->a);
	swap(&w->b, &w->a); /* it asks while nobody looks */
	begin(&w->a, &w->b);
	pairs_called(w->a.pairs, &w->b.key, true, NULL);
	assert_false(look(&w->a, &w->b).older);
	assert_non_null(strstr(look(&w->a, &w->b).error, "spoken of numbers before"));
	for (unsigned i = 0; i < 100; i++) { /* strangers do not make it forget */
		struct pubkey key = key_of(50 + i);
		struct pair_word word = {.form = PAIR_CLOSED};

		pairs_hear(w->a.pairs, &key, &word);
	}
	begin_anew(&w->a, &w->b);
	pairs_called(w->a.pairs, &w->b.key, true, NULL);
	assert_false(look(&w->a, &w->b).older);
	begin(&w->a, &w->m);
	pairs_called(w->a.pairs, &w->m.key, true, NULL); /* who never did */
	assert_true(look(&w->a, &w->m).older);
}

/* --- the bytes --- */
static json_t *doc;

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	assert_non_null(s);
	return s;
}

struct half {
	struct pubkey key;
	uint8_t nonce[PAIR_NONCE];
	struct hash commitment;
};

static struct half half_of(const char *name)
{
	const json_t *o = json_object_get(doc, name);
	struct half h;

	test_unhex(text_of(o, "key"), h.key.b, 32);
	test_unhex(text_of(o, "nonce"), h.nonce, PAIR_NONCE);
	test_unhex(text_of(o, "commitment"), h.commitment.b, 32);
	return h;
}

static void the_sums_are_those_of_the_vectors(void **state)
{
	struct half a = half_of("a"), b = half_of("b");
	struct hash c;
	char number[8];

	c = pair_commitment(&a.key, &b.key, a.nonce);
	assert_true(hash_eq(&c, &a.commitment));
	c = pair_commitment(&b.key, &a.key, b.nonce);
	assert_true(hash_eq(&c, &b.commitment));
	pair_number(&a.key, a.nonce, &b.key, b.nonce, number);
	assert_string_equal(number, text_of(doc, "number"));
	pair_number(&b.key, b.nonce, &a.key, a.nonce, number);
	assert_string_equal(number, text_of(doc, "number"));
}

static void the_words_are_those_of_the_vectors(void **state)
{
	struct half a = half_of("a"), b = half_of("b");
	struct pair_word words[] = {
		{.form = PAIR_COMMITS, .commitment = a.commitment},
		{.form = PAIR_COMMITS, .commitment = b.commitment, .heard = a.commitment},
		{.form = PAIR_REVEALS, .commitment = a.commitment, .heard = b.commitment},
		{.form = PAIR_REVEALS, .commitment = b.commitment, .heard = a.commitment},
	};
	const json_t *list = json_object_get(doc, "words");

	memcpy(words[2].nonce, a.nonce, PAIR_NONCE);
	memcpy(words[3].nonce, b.nonce, PAIR_NONCE);
	assert_int_equal(json_array_size(list), ARRAY_LEN(words));
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *hex = text_of(json_array_get(list, i), "stream");
		_cleanup_(buf_release) struct buf bytes = {0};
		uint8_t want[PAIR_BODY];
		struct pair_word got;

		pair_write(&words[i], &bytes);
		assert_int_equal(strlen(hex), 2 * bytes.n);
		test_unhex(hex, want, bytes.n);
		assert_memory_equal(bytes.p, want, bytes.n);
		assert_ok(pair_read(span_of(want, bytes.n), &got));
		assert_int_equal(got.form, words[i].form);
		assert_memory_equal(got.nonce, words[i].nonce, PAIR_NONCE);
	}
}

/* An attacker who had time found keys that looked alike to both houses: see pair.py. */
static void two_keys_that_had_one_number_have_one_no_more(void **state)
{
	const json_t *o = json_object_get(doc, "static");
	struct half a = half_of("a"), b = half_of("b");
	struct pubkey of_a, of_b;
	char x[8], y[8];

	test_unhex(text_of(o, "of_a"), of_a.b, 32);
	test_unhex(text_of(o, "of_b"), of_b.b, 32);
	pair_number(&a.key, a.nonce, &of_a, b.nonce, x);
	pair_number(&b.key, b.nonce, &of_b, a.nonce, y);
	assert_string_equal(x, json_string_value(json_array_get(json_object_get(o, "numbers"), 0)));
	assert_string_not_equal(x, y);
}

static void half_a_word_is_refused(void **state)
{
	struct pair_word w = {.form = PAIR_REVEALS, .commitment = {{1}}}, got;
	_cleanup_(buf_release) struct buf whole = {0}, two = {0};
	struct stream_writer s;

	pair_write(&w, &whole);
	for (size_t n = 0; n < whole.n; n++)
		assert_fails(pair_read(span_of(whole.p, n), &got), ERR_MALFORMED);
	assert_ok(pair_read(buf_span(&whole), &got));
	stream_begin(&s, &two);
	stream_put_pair(&s, span_of("\0", 1));
	stream_put_pair(&s, span_of("\0", 1));
	stream_put_end(&s);
	assert_fails(pair_read(buf_span(&two), &got), ERR_MALFORMED);
	buf_clear(&two);
	stream_begin(&s, &two);
	stream_put_pair(&s, span_of("\3", 1));
	stream_put_end(&s);
	assert_fails(pair_read(buf_span(&two), &got), ERR_MALFORMED);
	buf_clear(&two);
	stream_begin(&s, &two);
	stream_put_pair(&s, span_of("\0and more of a later version", 29));
	stream_put_end(&s);
	assert_ok(pair_read(buf_span(&two), &got));
	assert_int_equal(got.form, PAIR_CLOSED);
}

static int load(void **state)
{
	size_t n;
	char *text = test_source_file("tests/vectors/pair.json", &n);

	(void)state;
	test_init();
	doc = json_loadb(text, n, 0, NULL);
	free(text);
	return doc ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(doc);
	return 0;
}

#define IN_WORLD(f) cmocka_unit_test_setup_teardown(f, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(two_requests_of_one_side_give_both_one_number),
		IN_WORLD(calls_of_both_sides_may_cross),
		IN_WORLD(nothing_is_said_before_the_volunteer_opens_the_page),
		IN_WORLD(a_nonce_is_given_only_for_a_commitment),
		IN_WORLD(a_nonce_that_was_not_committed_to_ends_the_attempt),
		IN_WORLD(the_first_commitment_of_an_attempt_is_the_only_one),
		IN_WORLD(a_commitment_is_good_for_its_keys_alone),
		IN_WORLD(what_was_said_in_an_earlier_attempt_is_of_no_use),
		IN_WORLD(an_answer_that_was_lost_is_asked_for_again),
		IN_WORLD(an_attempt_ends),
		IN_WORLD(attempts_are_counted_over_all_keys),
		IN_WORLD(the_hour_may_end_between_two_looks_at_the_clock),
		IN_WORLD(a_box_is_called_until_the_number_is_there),
		IN_WORLD(a_box_that_spoke_of_numbers_is_not_older),
		cmocka_unit_test(the_sums_are_those_of_the_vectors),
		cmocka_unit_test(the_words_are_those_of_the_vectors),
		cmocka_unit_test(two_keys_that_had_one_number_have_one_no_more),
		cmocka_unit_test(half_a_word_is_refused),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
