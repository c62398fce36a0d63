/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/replicate/heads.h"
#include "sync/replicate/ranges.h"

struct rows {
	struct head *p;
	size_t n;
};

static const struct hash space = {{7}};

static void random_head(struct test_env *env, struct head *h)
{
	*h = (struct head){.id.space = space, .id.incarnation = test_rand(env) | 1};
	env_random(&env->env, h->id.appliance.b, 32);
	if (test_below(env, 8) == 0) /* many logs of one box */
		memset(h->id.appliance.b, 5, 32);
	h->seq = test_below(env, 1000);
	if (h->seq)
		env_random(&env->env, h->hash.b, 32);
	h->mark = (enum head_mark)(h->seq ? test_below(env, 10) == 0 : HEAD_FORKED);
	if (h->mark)
		h->mark_seq = h->seq + 1 + test_below(env, 3);
}

static void random_rows(struct test_env *env, struct rows *r, size_t n)
{
	r->p = calloc(n ? n : 1, sizeof(*r->p));
	r->n = n;
	for (size_t i = 0; i < n; i++)
		random_head(env, &r->p[i]);
	heads_sort(r->p, n);
}

/* The same rows, but for some that are gone, new, further, or marked. */
static void differing(struct test_env *env, const struct rows *a, size_t differences,
		      struct rows *b)
{
	b->p = calloc(a->n + differences + 1, sizeof(*b->p));
	b->n = a->n;
	if (a->n)
		memcpy(b->p, a->p, a->n * sizeof(*b->p));
	for (size_t i = 0; i < differences; i++) {
		size_t at = b->n ? test_below(env, b->n) : 0;
		unsigned what = b->n ? (unsigned)test_below(env, 4) : 1;

		if (what == 0) {
			b->p[at] = b->p[--b->n];
		} else if (what == 1) {
			random_head(env, &b->p[b->n++]);
		} else if (what == 2) {
			b->p[at].seq++;
			b->p[at].hash.b[0] ^= 1;
			b->p[at].hash.b[1] |= 1;
			b->p[at].mark = HEAD_OPEN;
			b->p[at].mark_seq = 0;
		} else {
			b->p[at].mark = HEAD_ENDED;
			b->p[at].mark_seq = b->p[at].seq + 1;
		}
	}
	heads_sort(b->p, b->n);
}

static void read_body(const struct buf *body, struct arena *a, struct range_frame *f)
{
	assert_ok(ranges_read(buf_span(body), a, f));
	assert_true(body->n <= LIMIT_FRAME);
}

/* Both sides, frame by frame. What the answerer makes of it goes to `out`; false: given up. */
static bool reconcile(struct test_env *env, const struct rows *asks, const struct rows *answers,
		      struct buf *out, size_t *ret_bytes, unsigned *ret_steps)
{
	_cleanup_(ranges_asker_freep) struct ranges_asker *a =
		ranges_asker_new(&env->env, &space, asks->p, asks->n);
	struct range_frame f;

	*ret_bytes = *ret_steps = 0;
	for (;;) {
		_cleanup_(buf_release) struct buf question = {0};
		_cleanup_(buf_release) struct buf answer = {0};
		_cleanup_(arena_release) struct arena arena = {0};

		ranges_ask(a, &question);
		*ret_bytes += question.n;
		read_body(&question, &arena, &f);
		if (!ranges_asker_open(a)) {
			assert_int_equal(f.n, 0);
			ranges_apply(&f, answers->p, answers->n, out);
			return true;
		}
		ranges_answer(&f, answers->p, answers->n, &answer);
		*ret_bytes += answer.n;
		read_body(&answer, &arena, &f);
		assert_ok(ranges_hear(a, &f));
		(*ret_steps)++;
		if (ranges_asker_gives_up(a))
			return false;
	}
}

static void check_equal(const struct rows *want, struct buf *got)
{
	struct head *rows = (struct head *)got->p;

	assert_int_equal(got->n / sizeof(*rows), want->n);
	heads_sort(rows, want->n);
	for (size_t i = 0; i < want->n; i++)
		assert_true(head_eq(&rows[i], &want->p[i]));
}

static void one_round(struct test_env *env, size_t n, size_t differences, size_t *ret_bytes,
		      unsigned *ret_steps)
{
	_cleanup_(buf_release) struct buf out = {0};
	struct rows a, b;

	random_rows(env, &a, n);
	differing(env, &a, differences, &b);
	assert_true(reconcile(env, &a, &b, &out, ret_bytes, ret_steps));
	check_equal(&a, &out);
	free(a.p);
	free(b.p);
}

static void the_answerer_learns_exactly_the_askers_rows(void **state)
{
	struct test_env env;
	size_t bytes;
	unsigned steps;

	test_env_init(&env, 0, 1);
	for (int i = 0; i < 300; i++) {
		size_t n = test_below(&env, 3) ? test_below(&env, 300) : test_below(&env, 5000);

		one_round(&env, n, test_below(&env, 4) ? test_below(&env, 30) : n, &bytes, &steps);
		assert_in_range(steps, 1, RANGES_STEPS);
	}
}

static void ten_differences_among_2000_logs_cost_under_4_kib(void **state)
{
	struct test_env env;
	size_t bytes, most = 0;
	unsigned steps;

	test_env_init(&env, 0, 2);
	for (int i = 0; i < 50; i++) {
		one_round(&env, 2000, 10, &bytes, &steps);
		most = bytes > most ? bytes : most;
		assert_int_equal(steps, 1);
	}
	print_message("# at most %zu bytes of bodies\n", most);
	assert_in_range(most, 1, 4 * 1024);
}

static void a_hundred_thousand_logs_take_two_questions(void **state)
{
	struct test_env env;
	size_t bytes;
	unsigned steps;

	test_env_init(&env, 0, 3);
	one_round(&env, 100000, 10, &bytes, &steps);
	print_message("# %zu bytes of bodies\n", bytes);
	assert_int_equal(steps, 2);
	assert_in_range(bytes, 1, 16 * 1024);
}

static void equal_rows_are_said_in_a_few_bytes(void **state)
{
	_cleanup_(buf_release) struct buf out = {0};
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(arena_release) struct arena arena = {0};
	struct ranges_asker *a;
	struct range_frame f;
	struct test_env env;
	struct rows r;

	test_env_init(&env, 0, 4);
	random_rows(&env, &r, 500);
	a = ranges_asker_new(&env.env, &space, r.p, r.n);
	ranges_asker_equal(a);
	assert_false(ranges_asker_open(a));
	ranges_ask(a, &body);
	assert_in_range(body.n, 1, 64);
	read_body(&body, &arena, &f);
	ranges_apply(&f, r.p, r.n, &out);
	check_equal(&r, &out);
	ranges_asker_free(a);
	free(r.p);
}

/* Whatever a hostile peer answers: an end after a few steps, and bounded questions. */
static void a_peer_that_always_differs_is_given_up(void **state)
{
	struct ranges_asker *a;
	struct test_env env;
	struct rows mine;
	unsigned steps = 0;

	test_env_init(&env, 0, 5);
	random_rows(&env, &mine, 30000);
	a = ranges_asker_new(&env.env, &space, mine.p, mine.n);
	for (; !ranges_asker_gives_up(a); steps++) {
		_cleanup_(buf_release) struct buf question = {0};
		_cleanup_(buf_release) struct buf answer = {0};
		_cleanup_(arena_release) struct arena arena = {0};
		uint8_t marks[256 * RANGES_MARK];
		struct range_frame f;

		ranges_ask(a, &question);
		assert_true(ranges_asker_open(a));
		buf_add(&answer, question.p, 48);
		buf_u16(&answer, 1);
		buf_u8(&answer, 0);
		buf_u8(&answer, 8);
		env_random(&env.env, marks, sizeof(marks));
		buf_add(&answer, marks, sizeof(marks));
		buf_u64(&answer, 0);
		read_body(&answer, &arena, &f);
		assert_ok(ranges_hear(a, &f));
	}
	assert_int_equal(steps, RANGES_STEPS);
	ranges_asker_free(a);
	free(mine.p);
}

static void an_answer_to_another_question_is_refused(void **state)
{
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(arena_release) struct arena arena = {0};
	struct ranges_asker *a, *b;
	struct range_frame f;
	struct test_env env;
	struct rows r;

	test_env_init(&env, 0, 6);
	random_rows(&env, &r, 100);
	a = ranges_asker_new(&env.env, &space, r.p, r.n);
	b = ranges_asker_new(&env.env, &space, r.p, r.n);
	ranges_ask(a, &body);
	read_body(&body, &arena, &f);
	assert_fails(ranges_hear(b, &f), ERR_MALFORMED);
	ranges_asker_free(a);
	ranges_asker_free(b);
	free(r.p);
}

static void refuses(const uint8_t *items, size_t n, unsigned count, bool rows)
{
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(arena_release) struct arena arena = {0};
	struct range_frame f;

	buf_add(&body, space.b, 32);
	buf_add(&body, space.b, RANGES_NONCE);
	buf_u16(&body, (uint16_t)count);
	buf_add(&body, items, n);
	buf_u32(&body, rows);
	if (rows)
		buf_add(&body, (uint8_t[89]){[40] = 1, [48] = 1}, 89);
	buf_u32(&body, 0);
	assert_fails(ranges_read(buf_span(&body), &arena, &f), ERR_MALFORMED);
}

static void refuses_ranges_that_contradict_themselves(void **state)
{
	refuses((uint8_t[]){0, 254, 0, 254}, 4, 2, false);	       /* everything twice */
	refuses((uint8_t[]){1, 0x80, 254, 1, 0, 254}, 6, 2, false);    /* falling */
	refuses((uint8_t[]){4, 0x10, 254, 8, 0x18, 254}, 6, 2, false); /* one in the other */
	refuses((uint8_t[]){4, 0x18, 254}, 3, 1, false);	       /* bits behind the prefix */
	refuses((uint8_t[]){49, 0, 0, 0, 0, 0, 0, 0, 254}, 9, 1, false); /* too deep */
	refuses((uint8_t[]){48, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 14, 1, false);
	refuses((uint8_t[]){0, 9}, 2, 1, false);	     /* an unknown form */
	refuses((uint8_t[]){0, 2, 0, 0, 0, 0}, 6, 1, false); /* marks cut off */
	refuses((uint8_t[]){0, 254}, 2, 2, false);	     /* fewer than it says */
	refuses((uint8_t[]){0, 254}, 2, 1, true);	     /* a question, and rows */
}

static void every_cut_of_a_frame_is_refused(void **state)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct ranges_asker *a;
	struct test_env env;
	struct rows r;

	test_env_init(&env, 0, 7);
	random_rows(&env, &r, 100);
	a = ranges_asker_new(&env.env, &space, r.p, r.n);
	ranges_ask(a, &body);
	for (size_t n = 0; n < body.n; n++) {
		_cleanup_(arena_release) struct arena arena = {0};
		struct range_frame f;

		assert_fails(ranges_read(span_of(body.p, n), &arena, &f), ERR_MALFORMED);
	}
	ranges_asker_free(a);
	free(r.p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answerer_learns_exactly_the_askers_rows),
		cmocka_unit_test(ten_differences_among_2000_logs_cost_under_4_kib),
		cmocka_unit_test(a_hundred_thousand_logs_take_two_questions),
		cmocka_unit_test(equal_rows_are_said_in_a_few_bytes),
		cmocka_unit_test(a_peer_that_always_differs_is_given_up),
		cmocka_unit_test(an_answer_to_another_question_is_refused),
		cmocka_unit_test(refuses_ranges_that_contradict_themselves),
		cmocka_unit_test(every_cut_of_a_frame_is_refused),
	};

	return run_group(tests);
}
