/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/peer/peer.h"

struct box {
	char *dir;
	struct db *local;
};

static struct db *open_local(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "local.db");
	struct db *db;

	assert_ok(db_open(path, DB_TEST_NOSYNC, 1000, &db));
	assert_ok(db_migrate(db, "peer", peer_migrations, peer_migrations_n));
	assert_ok(db_migrate(db, "receipt", receipt_migrations, receipt_migrations_n));
	return db;
}

static struct pubkey key_of(unsigned n)
{
	_cleanup_(secret_freep) struct secret *s = test_key(n);

	return *secret_pubkey(s);
}

static struct peer a_peer(unsigned n)
{
	struct peer p = {.key = key_of(n), .added_ms = n};

	snprintf(p.name, sizeof(p.name), "Box %u", n);
	return p;
}

static struct error *count(void *ctx, const struct peer *p)
{
	++*(int *)ctx;
	return NULL;
}

static struct error *count_knock(void *ctx, const struct knock *k)
{
	++*(int *)ctx;
	return NULL;
}

static void a_peer_is_kept_changed_and_removed(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct peer p = a_peer(1), got;
	int n = 0;

	assert_fails(peer_get(db, &p.key, &got), ERR_NOT_FOUND);
	assert_ok(peer_put(db, &p));
	p.read_only = true;
	snprintf(p.address, sizeof(p.address), "10.0.0.1:8443");
	assert_ok(peer_put(db, &p));
	assert_ok(peer_get(db, &p.key, &got));
	assert_true(got.read_only);
	assert_string_equal(got.address, "10.0.0.1:8443");
	assert_string_equal(got.name, "Box 1");
	assert_ok(peer_each(db, count, &n));
	assert_int_equal(n, 1);
	assert_ok(peer_remove(db, &p.key, 5));
	assert_fails(peer_remove(db, &p.key, 5), ERR_NOT_FOUND);
	assert_ok(peer_each(db, count, &n));
	assert_int_equal(n, 1);
}

static struct hash space_of(unsigned n)
{
	struct hash h = {{0x50}};

	memcpy(h.b + 1, &n, sizeof(n));
	return h;
}

static void a_peer_of_which_nothing_was_set_has_the_default_terms(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct peer p = a_peer(1);
	struct peer_terms t;
	struct hash space = space_of(1);

	assert_ok(peer_put(db, &p));
	assert_ok(peer_terms_get(db, &p.key, &t));
	assert_int_equal(peer_terms_ways(&t, &space), PEER_GIVE | PEER_TAKE);
	assert_int_equal(t.take_bytes, 0);
	assert_int_equal(t.give_bytes, 0);
	assert_int_equal(t.until_ms, 0);
}

static void terms_are_kept_replaced_and_go_with_the_peer(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct peer p = a_peer(1);
	struct peer_terms t = {.others = PEER_TAKE,
			       .space = {{space_of(1), PEER_GIVE}, {space_of(2), 0}},
			       .n = 2,
			       .take_bytes = 1000,
			       .give_bytes = 2000,
			       .until_ms = 99},
			  got;

	assert_fails(peer_terms_put(db, &p.key, &t), ERR_NOT_FOUND);
	assert_ok(peer_put(db, &p));
	assert_ok(peer_terms_put(db, &p.key, &t));
	assert_ok(peer_terms_get(db, &p.key, &got));
	assert_int_equal(got.n, 2);
	assert_int_equal(peer_terms_ways(&got, &t.space[0].space), PEER_GIVE);
	assert_int_equal(peer_terms_ways(&got, &t.space[1].space), 0);
	assert_int_equal(peer_terms_ways(&got, &(struct hash){{7}}), PEER_TAKE);
	assert_int_equal(got.take_bytes, 1000);
	assert_int_equal(got.give_bytes, 2000);
	assert_int_equal(got.until_ms, 99);
	p.read_only = true;
	assert_ok(peer_put(db, &p)); /* changing the peer leaves its terms */
	assert_ok(peer_get(db, &p.key, &p));
	assert_int_equal(p.until_ms, 99);
	t.n = 1;
	t.until_ms = 0;
	assert_ok(peer_terms_put(db, &p.key, &t));
	assert_ok(peer_terms_get(db, &p.key, &got));
	assert_int_equal(got.n, 1);
	assert_int_equal(peer_terms_ways(&got, &t.space[1].space), PEER_TAKE);
	assert_ok(peer_remove(db, &p.key, 5));
	assert_ok(peer_put(db, &p));
	assert_ok(peer_terms_get(db, &p.key, &got));
	assert_int_equal(got.others, PEER_GIVE | PEER_TAKE);
	assert_int_equal(got.n, 0);
}

static void terms_that_make_no_sense_are_refused(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct peer p = a_peer(1);
	struct peer_terms t;

	assert_ok(peer_put(db, &p));
	peer_terms_default(&t);
	t.n = LIMIT_SPACES + 1;
	assert_fails(peer_terms_put(db, &p.key, &t), ERR_LIMIT);
	t.n = 2;
	assert_fails(peer_terms_put(db, &p.key, &t), ERR_INVALID); /* one space twice */
	t.n = 0;
	t.others = 4;
	assert_fails(peer_terms_put(db, &p.key, &t), ERR_INVALID);
	peer_terms_default(&t);
	t.until_ms = -1;
	assert_fails(peer_terms_put(db, &p.key, &t), ERR_INVALID);
	assert_ok(peer_terms_get(db, &p.key, &t));
	assert_int_equal(t.others, PEER_GIVE | PEER_TAKE);
	assert_int_equal(t.until_ms, 0);
}

static void terms_end_at_their_moment_and_not_before(void **state)
{
	assert_false(peer_terms_over(0, INT64_MAX));
	assert_false(peer_terms_over(10, 9));
	assert_true(peer_terms_over(10, 10));
}

static void an_outcome_touches_nothing_that_a_volunteer_set(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct peer p = a_peer(1), got;
	struct peer_outcome o = {.key = p.key, .when_ms = 7, .error = "It is off."};

	assert_ok(peer_note(db, &o)); /* not a peer: nothing comes of it */
	assert_fails(peer_get(db, &p.key, &got), ERR_NOT_FOUND);
	assert_ok(peer_put(db, &p));
	assert_ok(peer_note(db, &o));
	assert_ok(peer_get(db, &p.key, &got));
	assert_string_equal(got.last_error, "It is off.");
	assert_int_equal(got.last_try_ms, 7);
	assert_int_equal(got.last_ok_ms, 0);
	o = (struct peer_outcome){
		.key = p.key, .when_ms = 9, .address = "10.0.0.2:1", .name = "Other"};
	assert_ok(peer_note(db, &o));
	assert_ok(peer_get(db, &p.key, &got));
	assert_string_equal(got.last_error, "");
	assert_int_equal(got.last_ok_ms, 9);
	assert_string_equal(got.name, "Box 1");
	assert_string_equal(got.address, "10.0.0.2:1");
	o.address = "10.0.0.3:1";
	assert_ok(peer_note(db, &o));
	assert_ok(peer_get(db, &p.key, &got));
	assert_string_equal(got.address, "10.0.0.2:1");
}

static void there_are_not_more_peers_than_the_limit(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct peer p = a_peer(0);

	assert_ok(db_begin(db));
	for (unsigned i = 0; i < LIMIT_PEERS; i++) {
		memcpy(p.key.b, &i, sizeof(i));
		assert_ok(peer_put(db, &p));
	}
	assert_ok(peer_put(db, &p)); /* again: it is one of them */
	p.key.b[31] = 1;
	assert_fails(peer_put(db, &p), ERR_LIMIT);
	assert_ok(db_commit(db));
}

static void knocks_are_bounded_and_go_when_the_box_is_approved(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct knock k = {.name = "Stranger"};
	struct peer p;
	int n = 0;

	assert_ok(db_begin(db));
	for (int i = 0; i < LIMIT_DISCOVERED + 10; i++) {
		memcpy(k.key.b, &i, sizeof(i));
		k.last_ms = i;
		assert_ok(knock_put(db, &k));
	}
	assert_ok(db_commit(db));
	assert_ok(knock_each(db, count_knock, &n));
	assert_int_equal(n, LIMIT_DISCOVERED);
	p = (struct peer){.key = k.key};
	assert_ok(peer_put(db, &p));
	n = 0;
	assert_ok(knock_each(db, count_knock, &n));
	assert_int_equal(n, LIMIT_DISCOVERED - 1);
}

static struct error *keep_first(void *ctx, const struct receipt *r)
{
	struct receipt *to = ctx;

	if (!to->when_ms)
		*to = *r;
	return NULL;
}

static void a_receipt_is_read_as_it_was_written(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct receipt r = {.peer = key_of(1), .when_ms = 5, .by_peer = true}, got = {.when_ms = 0};
	struct log_id id = {.appliance = key_of(2), .incarnation = 77};

	r.report = (struct sync_report){.received = 1,
					.filled = 2,
					.known = 3,
					.sent = 4,
					.accepted = 5,
					.bytes_in = 6,
					.bytes_out = 7,
					.requests = 8,
					.rounds = 9,
					.spaces = 10,
					.forks = 11,
					.not_admitted = 12,
					.carried = 13,
					.equal = true,
					.unknown_spaces = true,
					.clock_skew_ms = -14,
					.peer_name = "Lluna"};
	report_refusal(&r.report, &id, 15, ERR_CHAIN, true);
	snprintf(r.error, sizeof(r.error), "why");
	assert_ok(receipt_put(db, &r));
	assert_ok(receipt_each(db, NULL, 10, keep_first, &got));
	assert_memory_equal(&got.peer, &r.peer, 32);
	assert_true(got.by_peer);
	assert_string_equal(got.error, "why");
	assert_int_equal(got.report.received, 1);
	assert_int_equal(got.report.carried, 13);
	assert_int_equal(got.report.bytes_out, 7);
	assert_true(got.report.equal && got.report.unknown_spaces && !got.report.cut);
	assert_int_equal(got.report.clock_skew_ms, -14);
	assert_string_equal(got.report.peer_name, "Lluna");
	assert_int_equal(got.report.refusals, 1);
	assert_int_equal(got.report.refused[0].why, ERR_CHAIN);
	assert_int_equal(got.report.refused[0].seq, 15);
	assert_true(got.report.refused[0].by_peer);
	assert_int_equal(log_id_cmp(&got.report.refused[0].id, &id), 0);
}

static struct error *count_receipt(void *ctx, const struct receipt *r)
{
	++*(int *)ctx;
	return NULL;
}

static void a_bounded_number_of_receipts_is_kept(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct receipt r = {.peer = key_of(1)}, got = {.when_ms = 0};
	int n = 0;

	assert_ok(db_begin(db));
	for (int i = 1; i <= PEER_RECEIPTS + 20; i++) {
		r.when_ms = i;
		assert_ok(receipt_put(db, &r));
	}
	assert_ok(db_commit(db));
	assert_ok(receipt_each(db, &r.peer, 10000, count_receipt, &n));
	assert_int_equal(n, PEER_RECEIPTS);
	assert_ok(receipt_each(db, &r.peer, 3, keep_first, &got));
	assert_int_equal(got.when_ms, PEER_RECEIPTS + 20);
	r.peer = key_of(2);
	n = 0;
	assert_ok(receipt_each(db, &r.peer, 10, count_receipt, &n));
	assert_int_equal(n, 0);
}

static struct error *keep_all(void *ctx, const struct receipt *r)
{
	struct receipt **to = ctx;

	*(*to)++ = *r;
	return NULL;
}

static void what_fails_over_and_over_is_one_line(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct receipt r = {.peer = key_of(1), .by_peer = true}, got[64], *to = got;
	const int64_t day = 86400000;

	for (int i = 0; i < 41; i++) {
		snprintf(r.error, sizeof(r.error), i % 2 ? "One." : "Another.");
		r.when_ms = 1000 + i;
		assert_ok(receipt_put(db, &r));
	}
	r.times = 9;
	r.when_ms = 2000;
	assert_ok(receipt_put(db, &r));
	assert_ok(receipt_each(db, NULL, 64, keep_all, &to));
	assert_int_equal(to - got, 2);
	assert_string_equal(got[1].error, "Another.");
	assert_int_equal(got[1].times, 21 + 9);
	assert_int_equal(got[1].since_ms, 1000);
	assert_int_equal(got[1].when_ms, 2000);
	assert_int_equal(got[0].times, 20);
	/* the next day it is news again; so it is when the clock goes back */
	r.times = 0;
	r.when_ms = 1001 + day;
	assert_ok(receipt_put(db, &r));
	r.when_ms = 10;
	assert_ok(receipt_put(db, &r));
	to = got;
	assert_ok(receipt_each(db, NULL, 64, keep_all, &to));
	assert_int_equal(to - got, 4);
	/* and whoever fails in ever other ways fills no more than its lines */
	for (int i = 0; i < 3 * RECEIPT_FAILED; i++) {
		snprintf(r.error, sizeof(r.error), "Number %d.", i);
		assert_ok(receipt_put(db, &r));
	}
	r.error[0] = 0;
	assert_ok(receipt_put(db, &r));
	to = got;
	assert_ok(receipt_each(db, NULL, 64, keep_all, &to));
	assert_int_equal(to - got, RECEIPT_FAILED + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_is_kept_changed_and_removed),
		cmocka_unit_test(a_peer_of_which_nothing_was_set_has_the_default_terms),
		cmocka_unit_test(terms_are_kept_replaced_and_go_with_the_peer),
		cmocka_unit_test(terms_that_make_no_sense_are_refused),
		cmocka_unit_test(terms_end_at_their_moment_and_not_before),
		cmocka_unit_test(an_outcome_touches_nothing_that_a_volunteer_set),
		cmocka_unit_test(there_are_not_more_peers_than_the_limit),
		cmocka_unit_test(knocks_are_bounded_and_go_when_the_box_is_approved),
		cmocka_unit_test(a_receipt_is_read_as_it_was_written),
		cmocka_unit_test(a_bounded_number_of_receipts_is_kept),
		cmocka_unit_test(what_fails_over_and_over_is_one_line),
	};

	return run_group(tests);
}
