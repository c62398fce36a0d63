/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/sync/log/logs.h"
#include "sync/log/audit.h"

static struct secret *them, *author;
static struct made m, fork_b, other;

static void takes_a_run_whole_and_knows_it_the_second_time(void **state)
{
	struct box b;
	struct ingest_result r;
	struct log_info i;
	struct hash h;

	(void)state;
	box_init(&b, 1);
	make_run(&m, them, 5, author, 1, 20, "post");
	assert_int_equal(give_as(&b, &m, 1, 20, false, &r), ERR_NONE);
	assert_int_equal(r.added, 20);
	assert_int_equal(r.first_num, 1);
	assert_int_equal(r.last_num, 20);
	i = info_of(&b, &m.id);
	h = entry_hash(&m.raw[19]);
	assert_int_equal(i.head, 20);
	assert_int_equal(i.live, 20);
	assert_int_equal(i.audited, 0);
	assert_int_equal(i.held, 20);
	assert_id_equal(&i.head_hash, &h);
	assert_int_equal(give_as(&b, &m, 5, 20, false, &r), ERR_NONE);
	assert_int_equal(r.added, 0);
	assert_int_equal(r.known, 16);
	assert_clean(&b);
	box_release(&b);
}

static void a_run_in_any_pieces_gives_the_same_log(void **state)
{
	(void)state;
	make_run(&m, them, 5, author, 1, 30, "post");
	for (uint64_t step = 1; step < 30; step += 4) {
		struct box b;

		box_init(&b, 1);
		for (uint64_t at = 1; at <= 30; at += step)
			assert_int_equal(give(&b, &m, at > 3 ? at - 3 : 1,
					      at + step - 1 < 30 ? at + step - 1 : 30),
					 ERR_NONE);
		assert_int_equal(info_of(&b, &m.id).live, 30);
		box_release(&b);
	}
}

static void refuses_a_gap(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, 1);
	make_run(&m, them, 5, author, 1, 10, "post");
	assert_int_equal(give(&b, &m, 2, 10), ERR_GAP);
	assert_int_equal(info_of(&b, &m.id).num, 0);
	assert_int_equal(give(&b, &m, 1, 3), ERR_NONE);
	assert_int_equal(give(&b, &m, 5, 10), ERR_GAP);
	assert_int_equal(info_of(&b, &m.id).head, 3);
	box_release(&b);
}

static void refuses_an_entry_whose_chain_is_broken(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, 1);
	make_run(&m, them, 5, author, 1, 10, "post");
	make_run(&other, them, 5, author, 1, 10, "another");
	m.raw[6] = other.raw[6];
	assert_int_equal(give(&b, &m, 1, 10), ERR_CHAIN);
	assert_int_equal(info_of(&b, &m.id).head, 6);
	assert_int_equal(give(&b, &other, 7, 10), ERR_CHAIN);
	assert_int_equal(info_of(&b, &m.id).head, 6);
	assert_clean(&b);
	box_release(&b);
}

static void refuses_what_belongs_to_another_log(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, 1);
	make_run(&m, them, 5, author, 1, 3, "post");
	m.id.incarnation = 6;
	assert_int_equal(give(&b, &m, 1, 3), ERR_MALFORMED);
	assert_int_equal(info_of(&b, &m.id).num, 0);
	box_release(&b);
}

static void the_newest_signature_that_holds_vouches_for_what_is_before(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, 1);
	make_run(&m, them, 5, author, 1, 10, "post");
	m.raw[9].b[300] ^= 1;
	assert_int_equal(give(&b, &m, 1, 10), ERR_SIGNATURE);
	assert_int_equal(info_of(&b, &m.id).head, 9);
	box_release(&b);
	box_init(&b, 1);
	m.raw[0].b[300] ^= 1;
	assert_int_equal(give(&b, &m, 1, 1), ERR_SIGNATURE);
	assert_int_equal(info_of(&b, &m.id).num, 0);
	box_release(&b);
}

static void a_damaged_payload_is_refused_alone_and_taken_later(void **state)
{
	struct box b;
	struct ingest_result r;
	uint64_t seqs[4];
	size_t n;

	(void)state;
	box_init(&b, 1);
	make_run(&m, them, 5, author, 1, 10, "post");
	m.body[4].bytes[0] ^= 1;
	m.payloads[6].state = PAYLOAD_NOT_HELD;
	assert_int_equal(give(&b, &m, 1, 10), ERR_CORRUPT);
	assert_int_equal(info_of(&b, &m.id).head, 10);
	assert_int_equal(info_of(&b, &m.id).missing, 2);
	assert_ok(log_missing(b.l, 1, 0, seqs, 4, &n));
	assert_int_equal(n, 2);
	assert_int_equal(seqs[0], 5);
	assert_int_equal(seqs[1], 7);
	m.body[4].bytes[0] ^= 1;
	m.payloads[6].state = PAYLOAD_HELD;
	assert_int_equal(give_as(&b, &m, 3, 7, false, &r), ERR_NONE);
	assert_int_equal(r.filled, 2);
	assert_int_equal(r.first_num, 11);
	assert_int_equal(r.last_num, 12);
	assert_int_equal(info_of(&b, &m.id).missing, 0);
	assert_int_equal(info_of(&b, &m.id).held, 10);
	assert_clean(&b);
	box_release(&b);
}

static void what_travels_alone_is_audited_before_it_is_stored(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, 1);
	make_run(&m, them, 5, author, 1, 4, "post");
	assert_int_equal(give_as(&b, &m, 1, 4, true, NULL), ERR_NONE);
	assert_int_equal(info_of(&b, &m.id).audited, 4);
	box_release(&b);
}

/* Entry k is vouched for by its appliance, and its author did not sign it. */
static void make_forged(size_t k, size_t n)
{
	struct entry e;

	make_run(&m, them, 5, author, 1, k, "post");
	/* as_appliance: the carried header keeps the false author's signature. */
	m.raw[k - 1].b[224] ^= 1;
	entry_decode(&m.raw[k - 1], &e);
	entry_carry(&m.raw[k - 1], k, 5, &e.prev, them, &m.raw[k - 1]);
	make_run(&m, them, 5, author, k + 1, n, "post");
}

static struct audit_job jobs[64];

static size_t audit(struct box *b)
{
	bool ok[64];
	size_t n;

	assert_ok(log_audit_next(b->l, jobs, 64, &n));
	for (size_t i = 0; i < n; i++)
		ok[i] = entry_verify_author(&jobs[i].raw);
	assert_ok(log_begin(b->l));
	assert_ok(log_audit_done(b->l, jobs, ok, n));
	assert_ok(log_commit(b->l));
	return n;
}

static void an_entry_that_its_author_did_not_sign_ends_the_log_by_either_way(void **state)
{
	struct box b;

	(void)state;
	make_forged(5, 8);
	box_init(&b, 1);
	assert_int_equal(give(&b, &m, 1, 7), ERR_NONE);
	assert_int_equal(info_of(&b, &m.id).live, 7);
	assert_int_equal(audit(&b), 7);
	assert_int_equal(info_of(&b, &m.id).ended, 5);
	assert_int_equal(info_of(&b, &m.id).live, 4);
	assert_int_equal(info_of(&b, &m.id).audited, 4);
	assert_int_equal(audit(&b), 0);
	assert_int_equal(give(&b, &m, 1, 8), ERR_ENDED);
	assert_int_equal(give(&b, &m, 1, 7), ERR_NONE);
	box_release(&b);
	box_init(&b, 1);
	assert_int_equal(give_as(&b, &m, 1, 8, true, NULL), ERR_SIGNATURE);
	assert_int_equal(info_of(&b, &m.id).ended, 5);
	assert_int_equal(info_of(&b, &m.id).live, 4);
	assert_int_equal(info_of(&b, &m.id).head, 5);
	assert_int_equal(info_of(&b, &m.id).audited, 4);
	box_release(&b);
}

/* Checks what waits of the appliances' signatures, each alone. */
static size_t prove(struct box *b)
{
	struct audit_pool *pool;
	bool ok[64];
	size_t n;

	assert_ok(log_prove_next(b->l, jobs, 64, &n));
	assert_ok(audit_pool_new(3, &pool));
	audit_pool_check(pool, jobs, n, ok);
	audit_pool_free(pool);
	assert_ok(log_begin(b->l));
	assert_ok(log_audit_done(b->l, jobs, ok, n));
	assert_ok(log_commit(b->l));
	return n;
}

/* The run is good as a whole; cut in two behind entry 5 it is not. */
static void a_header_without_a_signature_is_found_and_cut_off_on_every_box(void **state)
{
	struct box whole, pieces;
	int64_t losses;

	(void)state;
	make_run(&m, them, 5, author, 1, 5, "post");
	m.raw[4].b[300] ^= 1;
	make_run(&m, them, 5, author, 6, 40, "post");
	box_init(&whole, 1);
	box_init(&pieces, 2);
	losses = log_losses(whole.l);
	assert_int_equal(give(&whole, &m, 1, 40), ERR_NONE);
	assert_int_equal(give(&pieces, &m, 1, 5), ERR_SIGNATURE);
	assert_int_equal(info_of(&whole, &m.id).live, 40);
	assert_int_equal(info_of(&pieces, &m.id).live, 4);
	assert_int_equal(audit(&whole), 40);
	assert_true(log_audited(whole.l));
	assert_int_equal(log_losses(whole.l), losses);
	assert_int_equal(prove(&whole), 40);
	assert_true(log_losses(whole.l) > losses);
	assert_int_equal(info_of(&whole, &m.id).live, 4);
	assert_int_equal(info_of(&whole, &m.id).proved, 4);
	assert_int_equal(prove(&whole), 0);
	/* And it is not let in again. */
	assert_int_equal(give(&whole, &m, 1, 40), ERR_SIGNATURE);
	assert_int_equal(info_of(&whole, &m.id).live, 4);
	/* The appliance's true entries go on from there. */
	make_run(&m, them, 5, author, 5, 9, "post");
	assert_int_equal(give(&whole, &m, 1, 9), ERR_NONE);
	assert_int_equal(info_of(&whole, &m.id).proved, 9);
	assert_clean(&whole);
	box_release(&whole);
	box_release(&pieces);
}

/* Views go on behind the last number that they saw: what took a lower one would not be seen. */
static void what_comes_after_a_cut_is_numbered_behind_what_went(void **state)
{
	struct ingest_result r;
	struct box b;
	int64_t last;

	(void)state;
	make_run(&m, them, 5, author, 1, 5, "post");
	m.raw[4].b[300] ^= 1;
	make_run(&m, them, 5, author, 6, 40, "post");
	make_run(&other, them, 6, author, 1, 3, "post");
	box_init(&b, 1);
	assert_int_equal(give_as(&b, &m, 1, 40, false, &r), ERR_NONE);
	last = r.last_num;
	audit(&b);
	prove(&b);
	assert_int_equal(info_of(&b, &m.id).head, 4);
	log_close(b.l);
	box_open(&b, "here");
	assert_int_equal(give_as(&b, &other, 1, 3, false, &r), ERR_NONE);
	assert_int_equal(r.first_num, last + 1);
	assert_clean(&b);
	box_release(&b);
}

static void a_verdict_on_an_entry_that_gave_way_is_passed_over(void **state)
{
	bool ok[64] = {0};
	struct box b;
	size_t n;

	(void)state;
	make_run(&m, them, 5, author, 1, 5, "post");
	make_run(&other, them, 5, author, 1, 8, "post");
	m.raw[4].b[300] ^= 1;
	make_run(&m, them, 5, author, 6, 10, "post");
	box_init(&b, 1);
	assert_int_equal(give(&b, &m, 1, 10), ERR_NONE);
	assert_ok(log_audit_next(b.l, jobs, 64, &n));
	assert_int_equal(n, 10);
	assert_int_equal(give(&b, &other, 1, 8), ERR_NONE);
	assert_ok(log_begin(b.l));
	assert_ok(log_audit_done(b.l, jobs + 5, ok, 5));
	memset(ok, true, sizeof(ok));
	assert_ok(log_audit_done(b.l, jobs, ok, 10));
	assert_ok(log_commit(b.l));
	assert_int_equal(info_of(&b, &m.id).audited, 0);
	assert_int_equal(info_of(&b, &m.id).live, 8);
	box_release(&b);
}

static void a_fork_freezes_the_log_whichever_branch_came_first(void **state)
{
	struct fork_proof proof[2];

	(void)state;
	make_run(&m, them, 5, author, 1, 12, "post");
	make_run(&fork_b, them, 5, author, 1, 6, "post");
	make_run(&fork_b, them, 5, author, 7, 15, "other");
	for (int first = 0; first < 2; first++) {
		struct made *x = first ? &fork_b : &m, *y = first ? &m : &fork_b;
		struct ingest_result r;
		struct box b;

		box_init(&b, 1);
		assert_int_equal(give(&b, x, 1, x->n), ERR_NONE);
		/* Behind the fork, nothing shows where it was. */
		assert_int_equal(give(&b, y, 9, y->n), ERR_CHAIN);
		assert_int_equal(give_as(&b, y, 4, y->n, false, &r), ERR_FORK);
		assert_true(r.forked);
		assert_int_equal(r.added, 0);
		assert_int_equal(info_of(&b, &m.id).frozen, 7);
		assert_int_equal(info_of(&b, &m.id).live, 6);
		assert_ok(log_fork_proof(b.l, 1, &proof[first]));
		assert_int_equal(give_as(&b, y, 4, y->n, false, &r), ERR_FORK);
		assert_int_equal(give(&b, y, 4, 6), ERR_NONE);
		assert_clean(&b);
		box_release(&b);
	}
	assert_memory_equal(&proof[0], &proof[1], sizeof(proof[0]));
}

static void a_proof_alone_freezes_and_a_lower_one_moves_it_down(void **state)
{
	struct fork_proof p = {0};
	struct box b;
	bool is_new;

	(void)state;
	make_run(&m, them, 5, author, 1, 12, "post");
	make_run(&fork_b, them, 5, author, 1, 12, "post");
	make_run(&fork_b, them, 5, author, 7, 12, "other");
	box_init(&b, 1);
	p.a = m.raw[8];
	p.b = fork_b.raw[8];
	assert_ok(log_begin(b.l));
	assert_ok(log_ingest_fork(b.l, &p, &is_new));
	assert_true(is_new);
	assert_ok(log_ingest_fork(b.l, &p, &is_new));
	assert_false(is_new);
	assert_ok(log_commit(b.l));
	assert_int_equal(give(&b, &m, 1, 12), ERR_FORK);
	assert_int_equal(info_of(&b, &m.id).live, 8);
	assert_int_equal(give(&b, &fork_b, 1, 12), ERR_FORK);
	assert_int_equal(info_of(&b, &m.id).live, 6);
	assert_int_equal(info_of(&b, &m.id).frozen, 7);
	p.b = p.a;
	assert_ok(log_begin(b.l));
	assert_fails(log_ingest_fork(b.l, &p, &is_new), ERR_MALFORMED);
	p.b = fork_b.raw[7];
	assert_fails(log_ingest_fork(b.l, &p, &is_new), ERR_MALFORMED);
	p.a = m.raw[2];
	p.b = fork_b.raw[2];
	p.b.b[20] ^= 1;
	assert_fails(log_ingest_fork(b.l, &p, &is_new), ERR_MALFORMED);
	log_rollback(b.l);
	assert_clean(&b);
	box_release(&b);
}

/* A hostile appliance lets a later signature vouch for a header that has none of its own. */
static void a_header_without_a_signature_gives_way_to_one_that_has_it(void **state)
{
	struct box b;
	struct ingest_result r;

	(void)state;
	make_run(&m, them, 5, author, 1, 5, "post");
	m.raw[4].b[300] ^= 1;
	make_run(&m, them, 5, author, 6, 10, "post");
	make_run(&other, them, 5, author, 1, 12, "post");
	box_init(&b, 1);
	assert_int_equal(give(&b, &m, 1, 10), ERR_NONE);
	assert_int_equal(info_of(&b, &m.id).live, 10);
	assert_int_equal(give_as(&b, &other, 1, 12, false, &r), ERR_NONE);
	assert_int_equal(r.added, 8);
	assert_int_equal(info_of(&b, &m.id).live, 12);
	assert_int_equal(give(&b, &m, 1, 10), ERR_SIGNATURE);
	assert_int_equal(info_of(&b, &m.id).live, 12);
	assert_clean(&b);
	box_release(&b);
}

static int make_keys(void **state)
{
	(void)state;
	them = test_key(100);
	author = test_key(101);
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	secret_free(them);
	secret_free(author);
	return 0;
}

/* m's entries 1 to n, of which somebody says that so many are vouched for. */
static enum error_code give_looked(struct box *b, size_t n, size_t vouched, size_t *ret_added)
{
	struct ingest in = {.id = &m.id,
			    .first = 1,
			    .headers = m.raw,
			    .payloads = m.payloads,
			    .n = n,
			    .looked = true,
			    .vouched = vouched};
	struct ingest_result r;
	struct error *refused = NULL;
	enum error_code code;

	assert_ok(log_begin(b->l));
	assert_ok(log_ingest(b->l, &in, &r, &refused));
	assert_ok(log_commit(b->l));
	code = error_code(refused);
	error_free(refused);
	*ret_added = r.added;
	return code;
}

/* The single writer checks no signatures of a flood of headers without any: it was looked at before. */
static void what_was_looked_at_before_is_not_looked_at_on_the_writer(void **state)
{
	struct ingest in = {.id = &m.id, .first = 1, .headers = m.raw, .n = 20};
	struct box b;
	size_t added;

	(void)state;
	make_run(&m, them, 5, author, 1, 20, "post");
	assert_int_equal(log_vouched(&in), 20);
	for (int i = 12; i < 20; i++)
		m.raw[i].b[300] ^= 1;
	in.n = 13; /* behind that the chain is broken, too */
	assert_int_equal(log_vouched(&in), 12);
	box_init(&b, 1);
	assert_int_equal(give_looked(&b, 13, log_vouched(&in), &added), ERR_SIGNATURE);
	assert_int_equal(added, 12);
	box_release(&b);
	/* Had it looked itself, it would have found 12. */
	box_init(&b, 1);
	assert_int_equal(give_looked(&b, 13, 3, &added), ERR_SIGNATURE);
	assert_int_equal(added, 3);
	assert_int_equal(give_looked(&b, 13, 0, &added), ERR_SIGNATURE);
	assert_int_equal(added, 0);
	box_release(&b);
	/* A good signature behind a break of the chain vouches for nothing: a few are looked at. */
	make_run(&m, them, 5, author, 1, 20, "post");
	make_run(&other, them, 5, author, 1, 20, "another");
	m.raw[15] = other.raw[15];
	box_init(&b, 1);
	assert_int_equal(give_looked(&b, 20, 20, &added), ERR_CHAIN);
	assert_int_equal(added, 15);
	box_release(&b);
}

struct seen_entries {
	struct hash op[RUN_MAX], hash[RUN_MAX];
	char text[RUN_MAX][64];
	size_t n;
};

static struct error *see(void *ctx, const struct stored *e)
{
	struct seen_entries *s = ctx;

	s->op[s->n] = e->op_id;
	s->hash[s->n] = e->hash;
	snprintf(s->text[s->n++], sizeof(s->text[0]), "%.*s", (int)e->payload.n, e->payload.p);
	return NULL;
}

static void take_first(struct box *b, const struct made *run, size_t n)
{
	struct ingest in = {.id = &run->id, .first = 1, .headers = run->raw, .n = n};
	struct error *refused = NULL;
	struct ingest_result r;

	in.payloads = run->payloads;
	assert_ok(log_ingest(b->l, &in, &r, &refused));
	assert_ok(refused);
	assert_int_equal(r.added, n);
}

static void assert_reads(struct box *b, const struct made *run, size_t n)
{
	struct seen_entries s = {.n = 0};

	assert_ok(log_arrivals(b->l, 0, 0, see, &s));
	assert_int_equal(s.n, n);
	for (size_t i = 0; i < n; i++) {
		struct hash op = entry_op_id(&run->raw[i]), h = entry_hash(&run->raw[i]);
		struct span text = run->payloads[i].bytes;

		assert_id_equal(&s.op[i], &op);
		assert_id_equal(&s.hash[i], &h);
		assert_int_equal(strlen(s.text[i]), text.n);
		assert_memory_equal(s.text[i], text.p, text.n);
	}
}

/* What was worked out when they came is used for them alone: not for what gets their numbers after a
 * part was undone. */
static void what_a_transaction_took_in_it_reads_as_anybody_does_later(void **state)
{
	struct box b;

	(void)state;
	make_run(&m, them, 5, author, 1, 20, "post");
	make_run(&other, them, 6, author, 1, 20, "another");
	box_init(&b, 1);
	assert_ok(log_begin(b.l));
	assert_ok(log_savepoint(b.l));
	take_first(&b, &m, 20);
	assert_reads(&b, &m, 20);
	log_undo(b.l);
	take_first(&b, &other, 12);
	assert_reads(&b, &other, 12);
	assert_ok(log_commit(b.l));
	assert_reads(&b, &other, 12);
	assert_clean(&b);
	box_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_run_whole_and_knows_it_the_second_time),
		cmocka_unit_test(a_run_in_any_pieces_gives_the_same_log),
		cmocka_unit_test(refuses_a_gap),
		cmocka_unit_test(refuses_an_entry_whose_chain_is_broken),
		cmocka_unit_test(refuses_what_belongs_to_another_log),
		cmocka_unit_test(the_newest_signature_that_holds_vouches_for_what_is_before),
		cmocka_unit_test(a_damaged_payload_is_refused_alone_and_taken_later),
		cmocka_unit_test(what_travels_alone_is_audited_before_it_is_stored),
		cmocka_unit_test(an_entry_that_its_author_did_not_sign_ends_the_log_by_either_way),
		cmocka_unit_test(a_header_without_a_signature_is_found_and_cut_off_on_every_box),
		cmocka_unit_test(what_was_looked_at_before_is_not_looked_at_on_the_writer),
		cmocka_unit_test(what_a_transaction_took_in_it_reads_as_anybody_does_later),
		cmocka_unit_test(what_comes_after_a_cut_is_numbered_behind_what_went),
		cmocka_unit_test(a_verdict_on_an_entry_that_gave_way_is_passed_over),
		cmocka_unit_test(a_fork_freezes_the_log_whichever_branch_came_first),
		cmocka_unit_test(a_proof_alone_freezes_and_a_lower_one_moves_it_down),
		cmocka_unit_test(a_header_without_a_signature_gives_way_to_one_that_has_it),
	};
	test_init();
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
