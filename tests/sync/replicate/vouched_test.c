/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A log whose owner signed only the last of many entries: the run is taken, for its newest
 * signature vouches for it, and passed on before each signature was checked. Whoever passes it on
 * is honest. It must be able to, and must not be blamed for what its owner did.
 */
#include "tests/sync/replicate/boxes.h"
#include "sync/base/limits.h"
#include "sync/peer/conduct.h"

struct trio {
	char *dir;
	struct test_env env;
	struct box a, b;
	struct secret *h;
	struct hash space;
	struct log_id log; /* of h */
};

static void trio_open(struct trio *t)
{
	*t = (struct trio){.dir = test_dir(), .h = test_key(9)};
	test_env_init(&t->env, 1764000000000, 7);
	box_init(&t->a, &t->env, t->dir, "a", 1);
	box_init(&t->b, &t->env, t->dir, "b", 2);
	t->space = box_found(&t->a, t->a.key);
	t->log = (struct log_id){t->space, *secret_pubkey(t->h), 77};
	box_admit(&t->a, &t->space, secret_pubkey(t->b.key));
	box_admit(&t->a, &t->space, secret_pubkey(t->h));
	boxes_sync(&t->b, &t->a);
}

static void trio_close(struct trio *t)
{
	box_release(&t->a);
	box_release(&t->b);
	secret_free(t->h);
	test_dir_remove(t->dir);
}

/* Entries of h from `first` on behind `prev`, of which only the last is signed. */
struct made {
	struct entry_bytes *headers;
	struct ingest_payload *payloads;
	char *text;
	size_t n;
};

static const uint8_t salt[ENTRY_SALT] = "sixteen bytes !";

static void make(struct trio *t, struct made *m, size_t n, size_t bytes, uint64_t first,
		 const struct hash *after)
{
	struct hash prev = after ? *after : (struct hash){{0}};

	*m = (struct made){calloc(n, sizeof(*m->headers)), calloc(n, sizeof(*m->payloads)),
			   malloc(bytes), n};
	if (!m->headers || !m->payloads || !m->text)
		abort();
	memset(m->text, 'x', bytes);
	for (size_t i = 0; i < n; i++) {
		struct entry e = {.seq = first + i,
				  .time = 1764000000000 + (int64_t)i,
				  .incarnation = t->log.incarnation,
				  .space = t->space,
				  .rules = t->space,
				  .prev = prev};

		m->payloads[i] =
			(struct ingest_payload){PAYLOAD_HELD, salt, span_of(m->text, bytes)};
		entry_make(&e, NULL, t->h, salt, m->payloads[i].bytes, &m->headers[i]);
		if (i + 1 < n)
			m->headers[i].b[300] ^= 1; /* in the appliance's signature */
		prev = entry_hash(&m->headers[i]);
	}
}

static void made_release(struct made *m)
{
	free(m->headers);
	free(m->payloads);
	free(m->text);
}

/* As if it had come from h itself: the headers in one run, and the payloads behind them when there
 * is more than a frame holds. */
static void give(struct trio *t, struct box *to, struct made *m, uint64_t first, bool headers_first)
{
	struct ingest in = {&t->log, first, m->headers, headers_first ? NULL : m->payloads,
			    m->n,    false};
	struct ingest_result r;
	struct error *refused = NULL;

	for (int i = 0; i < (headers_first ? 2 : 1); i++) {
		NEED(log_begin(to->log));
		NEED(log_ingest(to->log, &in, &r, &refused));
		NEED(refused);
		NEED(log_commit(to->log));
		in.payloads = m->payloads;
	}
}

static struct log_info info_of(struct trio *t, struct box *of)
{
	struct log_info info = {.head = 0};
	struct error *e = log_info_get(of->log, &t->log, &info);

	if (e && !error_is(e, ERR_NOT_FOUND))
		NEED(e);
	error_free(e);
	return info;
}

/* One exchange of which nothing is audited behind it: what both sides would blame each other for.
 */
static unsigned swap(struct box *asks, struct box *other, struct sync_report *r)
{
	struct pipe p = {.client = asks, .server = other};

	NEED(pipe_exchange(&p, r));
	return conduct_of_report(r, ERR_NONE) | conduct_of_report(&p.served, ERR_NONE);
}

static void passes_on(size_t n, size_t bytes, bool headers_first, bool a_asks)
{
	struct sync_report r;
	struct hash a, b;
	struct trio t;
	struct made m;

	trio_open(&t);
	make(&t, &m, n, bytes, 1, NULL);
	give(&t, &t.a, &m, 1, headers_first);
	assert_int_equal(a_asks ? swap(&t.a, &t.b, &r) : swap(&t.b, &t.a, &r), 0);
	assert_int_equal(r.refusals, 0);
	assert_int_equal(info_of(&t, &t.b).head, n);
	for (int i = 0; i < 3 && info_of(&t, &t.b).missing; i++)
		assert_int_equal(a_asks ? swap(&t.a, &t.b, &r) : swap(&t.b, &t.a, &r), 0);
	assert_int_equal(info_of(&t, &t.b).missing, 0);
	/* Then each signature is looked at, on both. */
	box_prove(&t.a);
	box_prove(&t.b);
	assert_int_equal(info_of(&t, &t.a).head, 0);
	assert_int_equal(info_of(&t, &t.b).head, 0);
	a = box_digest(&t.a);
	b = box_digest(&t.b);
	assert_true(hash_eq(&a, &b));
	made_release(&m);
	trio_close(&t);
}

static void a_run_that_is_signed_at_its_end_alone_is_pulled_from_who_passes_it_on(void **state)
{
	passes_on(1000, 100, false, false);
}

static void and_pushed(void **state)
{
	passes_on(1000, 100, false, true);
}

static void as_long_as_a_frame_may_be(void **state)
{
	passes_on(LIMIT_FRAME_ENTRIES, 20, false, false);
}

static void and_when_its_contents_came_later_and_fit_into_no_frame(void **state)
{
	passes_on(100, 100000, true, false);
	passes_on(100, 100000, true, true);
}

/* B has looked at each signature by now, and takes nothing of that log any more that has none. */
static void who_found_it_out_blames_nobody_who_has_not(void **state)
{
	for (int a_asks = 0; a_asks < 2; a_asks++) {
		struct sync_report r;
		struct trio t;
		struct made m;

		trio_open(&t);
		make(&t, &m, 600, 100, 1, NULL);
		give(&t, &t.a, &m, 1, false);
		give(&t, &t.b, &m, 1, false);
		box_prove(&t.b);
		assert_int_equal(info_of(&t, &t.b).head, 0);
		assert_true(info_of(&t, &t.b).strict);
		assert_int_equal(a_asks ? swap(&t.a, &t.b, &r) : swap(&t.b, &t.a, &r), 0);
		assert_int_equal(info_of(&t, &t.b).head, 0);
		made_release(&m);
		trio_close(&t);
	}
}

/* Two branches of that log, of which one is not signed where they part. */
static void a_branch_that_is_not_signed_gives_way_and_nobody_is_blamed(void **state)
{
	for (int who = 0; who < 4; who++) {
		struct box *has_signed, *has_not;
		struct made start, fine, bad;
		struct sync_report r;
		struct hash at;
		struct trio t;

		trio_open(&t);
		has_signed = who & 1 ? &t.b : &t.a;
		has_not = who & 1 ? &t.a : &t.b;
		make(&t, &start, 1, 50, 1, NULL);
		at = entry_hash(&start.headers[0]);
		make(&t, &fine, 1, 51, 2, &at);
		make(&t, &bad, 700, 52, 2, &at);
		give(&t, &t.a, &start, 1, false);
		give(&t, &t.b, &start, 1, false);
		give(&t, has_signed, &fine, 2, false);
		give(&t, has_not, &bad, 2, false);
		for (int i = 0; i < 3; i++)
			assert_int_equal(who & 2 ? swap(&t.a, &t.b, &r) : swap(&t.b, &t.a, &r), 0);
		assert_true(r.equal);
		assert_int_equal(info_of(&t, &t.a).head, 2);
		made_release(&start);
		made_release(&fine);
		made_release(&bad);
		trio_close(&t);
	}
}

/* What nobody honest sends: a run that is not signed at its end either, or of which the end alone
 * is h's. */
static void who_forges_is_blamed(void **state)
{
	for (int cut = 0; cut < 2; cut++) {
		struct intake in = {.vouched = 0};
		struct sync_report r = {0};
		struct hash elsewhere = {{1}};
		struct frame f;
		struct trio t;
		struct made m, other;

		trio_open(&t);
		make(&t, &m, 3, 10, 1, NULL);
		make(&t, &other, 1, 10, 3, &elsewhere);
		if (cut)
			m.n = 2;
		else
			m.headers[2] = other.headers[0];
		f = (struct frame){.type = FRAME_ENTRIES,
				   .entries = {&t.log, 1, m.headers, m.payloads, m.n, false}};
		in = (struct intake){
			.frame = &f, .self = t.b.key, .vouched = log_vouched(&f.entries)};
		NEED(box_take(&t.b, &in));
		intake_report(&in, &r);
		assert_true(in.refused == ERR_SIGNATURE);
		assert_int_equal(conduct_of_report(&r, ERR_NONE), 1u << MISDEED_FORGED);
		made_release(&m);
		made_release(&other);
		trio_close(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_run_that_is_signed_at_its_end_alone_is_pulled_from_who_passes_it_on),
		cmocka_unit_test(and_pushed),
		cmocka_unit_test(as_long_as_a_frame_may_be),
		cmocka_unit_test(and_when_its_contents_came_later_and_fit_into_no_frame),
		cmocka_unit_test(who_found_it_out_blames_nobody_who_has_not),
		cmocka_unit_test(a_branch_that_is_not_signed_gives_way_and_nobody_is_blamed),
		cmocka_unit_test(who_forges_is_blamed),
	};

	return run_group(tests);
}
