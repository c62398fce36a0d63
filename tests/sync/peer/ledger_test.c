/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a peer may cost, and how its conduct weighs. */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/base/limits.h"
#include "sync/peer/conduct.h"
#include "sync/peer/ledger.h"
#include <time.h>

enum { DAY = 86400000, HOUR = 3600000 };

static struct pubkey peer_of(uint8_t n)
{
	struct pubkey k = {.b = {n, 1}};

	return k;
}

static struct log_id log_of(uint8_t space, uint8_t appliance)
{
	struct log_id id = {.space = {{space, 2}}, .appliance = {{appliance, 3}}, .incarnation = 7};

	return id;
}

static void open_db(const char *dir, struct db **ret)
{
	_cleanup_(freep) char *path = path_join(dir, "local.db");

	assert_ok(db_open(path, DB_WRITER, 500, ret));
	assert_ok(db_migrate(*ret, "ledger", ledger_migrations, ledger_migrations_n));
	assert_ok(db_migrate(*ret, "conduct", conduct_migrations, conduct_migrations_n));
}

static struct error *sum_up(void *ctx, const struct ledger_row *r)
{
	*(uint64_t *)ctx += r->total.n[LEDGER_ENTRIES];
	return NULL;
}

static void one_peer_takes_no_more_than_its_quota_and_the_others_have_theirs(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey bad = peer_of(1), good = peer_of(2);
	struct ledger_row row;
	struct test_env t;
	uint64_t taken = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (int i = 0; i < 20000; i++) { /* spaces after spaces, a terabyte of them */
		struct log_id log = log_of((uint8_t)(i % 3), (uint8_t)i);

		if (ledger_room(l, &bad, &log, 2, 100, 4 << 20) == LEDGER_ITEMS)
			taken += 4 << 20;
	}
	assert_true(taken <= LIMIT_PEER_DAY_BYTES);
	assert_true(taken > LIMIT_PEER_DAY_BYTES - (8 << 20));
	ledger_get(l, &bad, &row);
	assert_int_equal(row.today.n[LEDGER_BYTES], taken);
	assert_int_equal(ledger_room(l, &good, &(struct log_id){.incarnation = 1}, 1, 10, 1000),
			 LEDGER_ITEMS);
	/* it goes on the day after, and so on until the total is reached */
	for (int day = 0; day < 20; day++) {
		struct log_id log = log_of((uint8_t)day, 1);

		test_env_pass(&t, DAY);
		for (int i = 0; i < 1000; i++)
			if (ledger_room(l, &bad, &log, 2, 100, 4 << 20) == LEDGER_ITEMS)
				taken += 4 << 20;
	}
	assert_int_equal(taken, LIMIT_PEER_BYTES);
}

static void what_is_not_taken_is_given_back(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id log = log_of(1, 1);
	struct ledger_row row;
	struct test_env t;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (int i = 0; i < 100000; i++) { /* the same again and again: no quota is used up */
		assert_int_equal(ledger_room(l, &peer, &log, 1, 4096, 4 << 20), LEDGER_ITEMS);
		ledger_give_back(l, &peer, &log, 1, 4096, 4 << 20);
	}
	ledger_get(l, &peer, &row);
	assert_int_equal(row.today.n[LEDGER_BYTES], 0);
	assert_int_equal(row.total.n[LEDGER_ENTRIES], 0);
	assert_int_equal(row.total.n[LEDGER_LOGS], 0);
	/* Never more than was charged today, also when it was charged yesterday. */
	assert_int_equal(ledger_room(l, &peer, &log, 1, 10, 1000), LEDGER_ITEMS);
	test_env_pass(&t, DAY);
	ledger_give_back(l, &peer, &log, 0, 4, 400);
	ledger_get(l, &peer, &row);
	assert_int_equal(row.today.n[LEDGER_BYTES], 0);
	assert_int_equal(row.total.n[LEDGER_BYTES], 600);
	assert_int_equal(row.total.n[LEDGER_ENTRIES], 6);
	assert_int_equal(row.total.n[LEDGER_LOGS], 1);
}

/* Two thousand logs of five hundred posts: headers first, then payloads, newest first. */
static void the_first_sync_of_a_large_community_fits_into_a_day(void **state)
{
	enum { LOGS = 2000, EACH = 500, HEADER = 352, PAYLOAD = 520 };
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct test_env t;
	int refused = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (uint64_t i = 0; i < LOGS; i++) {
		struct log_id log = log_of(1, 1);

		log.incarnation = i;
		refused += ledger_room(l, &peer, &log, 1, EACH, EACH * HEADER) != LEDGER_ITEMS;
		refused += ledger_room(l, &peer, &log, 2, EACH, EACH * (HEADER + PAYLOAD)) !=
			   LEDGER_ITEMS;
	}
	assert_int_equal(refused, 0);
}

/* A box that has the headers of all logs is given their payloads: no log begins anew. */
static void payloads_that_follow_their_headers_begin_no_log(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "log.db");
	_cleanup_(log_closep) struct log_store *log = NULL;
	_cleanup_(secret_freep) struct secret *key = test_key(1);
	struct log_id here = {.appliance = *secret_pubkey(key)}, other = log_of(1, 1);
	struct ingest run = {.id = &here, .first = 1, .n = 3};
	struct test_env t;

	test_env_init(&t, 1700000000000, 1);
	assert_ok(log_open(&(struct log_open){.path = path,
					      .mode = DB_TEST_NOSYNC,
					      .env = &t.env,
					      .self = here.appliance},
			   &log));
	assert_ok(log_begin(log));
	assert_ok(log_append(log,
			     &(struct log_append){.author = key,
						  .appliance = key,
						  .time = 1700000000000,
						  .payload = span_str("{\"type\":\"x\"}")},
			     &here.space));
	assert_ok(log_commit(log));
	here.incarnation = log_incarnation(log);
	assert_int_equal(ledger_first(log, &run), 2);
	run.first = 7;
	assert_int_equal(ledger_first(log, &run), 7);
	run = (struct ingest){.id = &other, .first = 1, .n = 3};
	assert_int_equal(ledger_first(log, &run), 1);
	assert_int_equal(ledger_first(log, NULL), 0);
	assert_int_equal(ledger_first(NULL, &run), 1);
}

/* And what begins none has room when all the logs of a day have come. */
static void payloads_have_room_when_the_logs_of_a_day_are_there(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id log = log_of(1, 1);
	struct test_env t;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (uint64_t i = 0; i < LIMIT_PEER_DAY_LOGS / 2; i++) {
		log.incarnation = i;
		assert_int_equal(ledger_room(l, &peer, &log, 1, 2, 800), LEDGER_ITEMS);
	}
	for (uint64_t i = 0; i < LIMIT_PEER_DAY_LOGS / 2; i++) {
		log.incarnation = i;
		assert_int_equal(ledger_room(l, &peer, &log, 2, 2, 800), LEDGER_ITEMS);
	}
	log.incarnation = LIMIT_PEER_DAY_LOGS;
	assert_int_equal(ledger_room(l, &peer, &log, 1, 2, 800), LEDGER_LOGS);
}

static void the_last_eighth_of_a_disk_is_not_for_peers(void **state)
{
	const uint64_t gib = (uint64_t)1 << 30;

	assert_false(ledger_keeps_disk(16 * gib, 3 * gib));
	assert_true(ledger_keeps_disk(16 * gib, 2 * gib - 1));
	assert_false(ledger_keeps_disk(1000 * gib, 4 * gib));
	assert_true(ledger_keeps_disk(1000 * gib, 4 * gib - 1));
	assert_false(ledger_keeps_disk(0, 0)); /* no disk that tells */
}

static void one_space_takes_half_of_what_its_peer_may(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id one = log_of(1, 1), other = log_of(2, 1);
	struct test_env t;
	uint64_t n = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	while (ledger_room(l, &peer, &one, 2, 4096, 1000) == LEDGER_ITEMS)
		n += 4096;
	assert_in_range(n, LIMIT_PEER_DAY_ENTRIES / 2 - 4096, LIMIT_PEER_DAY_ENTRIES / 2);
	assert_int_equal(ledger_room(l, &peer, &one, 2, 4096, 1000), LEDGER_ENTRIES);
	assert_int_equal(ledger_room(l, &peer, &other, 2, 4096, 1000), LEDGER_ITEMS);
}

static void one_space_takes_half_of_the_files_and_of_their_bytes(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id one = log_of(1, 1), other = log_of(2, 1);
	const uint64_t big = 64 << 20;
	struct test_env t;
	unsigned n = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	assert_int_equal(ledger_left_in(l, &peer, &one.space, LEDGER_BLOBS), LIMIT_PEER_DAY_BLOBS / 2);
	for (; ledger_left_in(l, &peer, &one.space, LEDGER_BYTES) >= big; n++) {
		ledger_charge_in(l, &peer, &one.space, LEDGER_BLOBS, 1);
		ledger_charge_in(l, &peer, &one.space, LEDGER_BYTES, big);
	}
	assert_int_equal(n, LIMIT_PEER_DAY_BYTES / 2 / big);
	assert_int_equal(ledger_left_in(l, &peer, &one.space, LEDGER_BLOBS),
			 LIMIT_PEER_DAY_BLOBS / 2 - n);
	/* entries and files share one bound, and the other space has as much of its own */
	assert_int_equal(ledger_room(l, &peer, &one, 2, 1, big), LEDGER_BYTES);
	assert_int_equal(ledger_left_in(l, &peer, &other.space, LEDGER_BYTES),
			 LIMIT_PEER_DAY_BYTES / 2);
	ledger_charge_in(l, &peer, &other.space, LEDGER_BYTES, LIMIT_PEER_DAY_BYTES / 2 - 5);
	assert_int_equal(ledger_left_in(l, &peer, &other.space, LEDGER_BYTES), 5);
	assert_int_equal(ledger_left(l, &peer, LEDGER_BYTES), 5);
}

/* Of more spaces than lines are kept those that were used longest ago give way, and none is shut out. */
static void no_space_is_shut_out_because_others_came_before_it(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	_cleanup_(ledger_freep) struct ledger *l = NULL, *again = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id log = log_of(1, 1);
	struct test_env t;
	uint64_t sum = 0;

	test_env_init(&t, 1700000000000, 1);
	open_db(dir, &db);
	l = ledger_new(&t.env);
	for (unsigned i = 0; i < LIMIT_SPACES; i++) {
		memcpy(log.space.b + 2, &i, sizeof(i));
		assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 400), LEDGER_ITEMS);
	}
	assert_ok(ledger_save(l, db));
	log = log_of(2, 1);
	assert_true(ledger_left_in(l, &peer, &log.space, LEDGER_BLOBS) > 0);
	assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 400), LEDGER_LOGS); /* in one day */
	test_env_pass(&t, DAY);
	assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 400), LEDGER_ITEMS);
	assert_ok(ledger_save(l, db));
	again = ledger_new(&t.env);
	assert_ok(ledger_load(again, db));
	assert_ok(ledger_each(db, &peer, sum_up, &sum));
	assert_int_equal(sum, LIMIT_SPACES + 1 + LIMIT_SPACES); /* the peer's, and those that are kept */
	assert_int_equal(ledger_left_in(again, &peer, &log.space, LEDGER_ENTRIES),
			 LIMIT_PEER_DAY_ENTRIES / 2 - 1);
}

static bool writes(struct ledger *l, const struct log_id *log, bool is_void, unsigned times, bool begins,
		   size_t entries, uint64_t bytes)
{
	return ledger_writer_room(l, &(struct ledger_claim){.log = log,
							    .times = times,
							    .begins = begins,
							    .is_void = is_void,
							    .entries = entries,
							    .bytes = bytes});
}

/* Of one writer so much a day, whoever brings it; another's has its own. */
static void one_writer_takes_no_more_than_its_share_whoever_brings_it(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct log_id log = log_of(1, 1), other = log_of(1, 2), there = log_of(2, 1);
	struct test_env t;
	unsigned logs = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (uint64_t i = 0; i < 10000; i++) {
		log.incarnation = i;
		logs += writes(l, &log, false, 1, true, 1, 400);
	}
	assert_int_equal(logs, LIMIT_WRITER_DAY_LOGS);
	assert_true(writes(l, &log, false, 1, false, 1, 400)); /* what goes on goes on */
	assert_true(writes(l, &other, false, 1, true, 1, 400));
	assert_true(writes(l, &there, false, 1, true, 1, 400));
	ledger_writer_back(l, &(struct ledger_claim){.log = &log, .begins = true, .entries = 1, .bytes = 400});
	assert_true(writes(l, &log, false, 1, true, 1, 400));
	assert_false(writes(l, &log, false, 1, true, 1, 400));
	assert_true(writes(l, &log, false, 2, true, 1, 400)); /* a volunteer allows more */
	assert_true(writes(l, &log, false, 0, true, 1, LIMIT_WRITER_DAY_BYTES));
	assert_false(writes(l, &log, false, 1, false, 1, 400));
	test_env_pass(&t, DAY);
	assert_true(writes(l, &log, false, 1, true, 1, 400));
	/* what is void comes slowly, and comes */
	assert_true(writes(l, &other, true, 1, false, 4096, 4 << 20));
	assert_false(writes(l, &other, true, 1, false, 1, 400));
	test_env_pass(&t, DAY);
	for (logs = 0; writes(l, &other, true, 1, false, 100, 400); logs++)
		;
	assert_int_equal(logs, LIMIT_VOID_DAY_ENTRIES / 100);
}

/* Spaces cost nothing: what one key writes in many counts together. */
static void a_writer_has_one_share_in_all_spaces_together(void **state)
{
	enum { SPACES = 20, PART = 1 << 20 };
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct test_env t;
	uint64_t bytes = 0, entries = 0, logs = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (unsigned i = 0; i < 2000; i++) {
		struct log_id log = log_of((uint8_t)(i % SPACES), 1);

		bytes += writes(l, &log, false, 1, false, 1, PART) ? PART : 0;
	}
	assert_int_equal(bytes, LIMIT_WRITER_DAY_BYTES);
	test_env_pass(&t, DAY);
	for (unsigned i = 0; i < 2000; i++) {
		struct log_id log = log_of((uint8_t)(i % SPACES), 1);

		entries += writes(l, &log, false, 1, false, 1000, 0) ? 1000 : 0;
		logs += writes(l, &log, false, 1, true, 0, 0);
	}
	assert_int_equal(entries, LIMIT_WRITER_DAY_ENTRIES);
	assert_int_equal(logs, LIMIT_WRITER_DAY_LOGS_ALL);
	assert_true(writes(l, &(struct log_id){.incarnation = 1}, false, 1, true, 1, PART));
}

/* Of what visitors carry an eighth, apart from what comes over the network. */
static void a_writer_has_an_eighth_of_what_visitors_bring(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct log_id log = log_of(1, 1);
	struct ledger_claim c = {.log = &log, .times = 1, .visitor = true, .bytes = 1 << 20};
	struct test_env t;
	uint64_t n = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	assert_true(writes(l, &log, false, 1, false, 1, 100 << 20));
	for (unsigned i = 0; i < 1000; i++) {
		log.space.b[0] = (uint8_t)i;
		n += ledger_writer_room(l, &c);
	}
	assert_int_equal(n, LIMIT_VISITORS_DAY_BYTES / 8 / (1 << 20));
	c = (struct ledger_claim){.log = &log, .times = 1, .visitor = true, .entries = 100};
	test_env_pass(&t, DAY);
	for (n = 0; ledger_writer_room(l, &c); n++)
		;
	assert_int_equal(n, LIMIT_VISITORS_DAY_ENTRIES / 8 / 100);
}

/* What strangers founded has half together, in however many spaces. */
static void strangers_leave_half_to_the_peer(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct hash own = {{200, 2}}, first = log_of(0, 1).space, second = log_of(1, 1).space;
	struct ledger_row row;
	struct test_env t;
	uint64_t logs = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (unsigned i = 0; i < 8000; i++) {
		struct log_id log = log_of((uint8_t)(i % 8), (uint8_t)(i % 100));

		ledger_set_strange(l, &peer, &log.space, true);
		logs += ledger_room(l, &peer, &log, 1, 1, 400) == LEDGER_ITEMS;
	}
	assert_int_equal(logs, LIMIT_PEER_DAY_LOGS / 2);
	ledger_get(l, &peer, &row);
	assert_int_equal(row.today.n[LEDGER_LOGS], logs);
	/* its files count there, too */
	ledger_charge_in(l, &peer, &first, LEDGER_BYTES, LIMIT_PEER_DAY_BYTES / 2);
	assert_int_equal(ledger_left_in(l, &peer, &second, LEDGER_BYTES), 0);
	assert_true(ledger_left_in(l, &peer, &own, LEDGER_BYTES) > LIMIT_PEER_DAY_BYTES / 2 - (4 << 20));
	for (logs = 0; logs < LIMIT_PEER_DAY_LOGS / 2; logs++)
		assert_int_equal(ledger_room(l, &peer,
					     &(struct log_id){.space = own, .incarnation = logs},
					     1, 1, 400),
				 LEDGER_ITEMS);
	/* who is a peer by now is no stranger */
	ledger_set_strange(l, &peer, &second, false);
	assert_true(ledger_left_in(l, &peer, &second, LEDGER_BYTES) > 0);
}

static void rubbish_does_not_switch_the_bounds_of_writers_off(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct log_id log = log_of(1, 1);
	struct test_env t;
	unsigned n = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	/* What came to nothing takes no place … */
	for (unsigned i = 0; i <= LIMIT_WRITERS; i++) {
		memcpy(log.appliance.b + 2, &i, sizeof(i));
		assert_true(writes(l, &log, false, 1, true, 1, 400));
		ledger_writer_back(l, &(struct ledger_claim){.log = &log, .begins = true, .entries = 1, .bytes = 400});
	}
	/* … and of those that are stored many share one. */
	for (unsigned i = 0; i < LIMIT_WRITERS; i++) {
		memcpy(log.appliance.b + 2, &i, sizeof(i));
		n += writes(l, &log, false, 1, true, 1, 400);
	}
	assert_true(n > LIMIT_WRITERS / 8 && n < LIMIT_WRITERS / 4);
	assert_int_equal(writes(l, &log, false, 1, true, 1, 400), false);
	memset(log.appliance.b + 2, 0, 4);
	assert_true(writes(l, &log, false, 1, false, 1, 400)); /* who is counted goes on */
	/* In other spaces there is room, for whoever comes, and however many spaces are filled so. */
	for (unsigned space = 2; space < 20; space++) {
		struct log_id there = log_of((uint8_t)space, 1);
		unsigned some = 0;

		for (unsigned i = 0; i < 3000; i++) {
			memcpy(there.appliance.b + 2, &i, sizeof(i));
			some += writes(l, &there, false, 1, true, 1, 400);
		}
		assert_true(some >= LIMIT_CROWD * LIMIT_WRITER_DAY_LOGS);
	}
	log = log_of(200, 9);
	assert_true(writes(l, &log, false, 1, true, 1, 400));
}

static void a_million_logs_and_a_million_spaces_have_no_room(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id log = log_of(1, 1);
	struct test_env t;
	unsigned logs = 0, spaces = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (uint64_t i = 1; i <= 1000000; i++) {
		log.incarnation = i;
		logs += ledger_room(l, &peer, &log, 1, 1, 400) == LEDGER_ITEMS;
	}
	assert_int_equal(logs, LIMIT_PEER_DAY_LOGS / 2);
	for (unsigned i = 0; i < 100000; i++) {
		memcpy(log.space.b + 2, &i, sizeof(i));
		spaces += ledger_room(l, &peer, &log, 1, 1, 400) == LEDGER_ITEMS;
	}
	assert_in_range(spaces, 1, LIMIT_SPACES);
	assert_int_equal(ledger_room(l, &peer, &log, 1, 1, 400), LEDGER_LOGS);
}

static void many_peers_with_many_spaces_leave_room_for_one_more(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct test_env t;
	unsigned refused = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (unsigned p = 1; p <= 200; p++) {
		struct pubkey peer = peer_of(p);

		for (unsigned s = 1; s <= LIMIT_PEER_SPACES; s++) {
			struct log_id log = log_of(s, p);

			refused += ledger_room(l, &peer, &log, 1, 1, 400) != LEDGER_ITEMS;
		}
	}
	assert_int_equal(refused, 0);
}

static void a_volunteer_raises_the_quota_and_it_goes_on(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id log = log_of(1, 1);
	struct test_env t;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	while (ledger_room(l, &peer, &log, 2, 1, 32 << 20) == LEDGER_ITEMS)
		;
	assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 32 << 20), LEDGER_BYTES);
	assert_true(ledger_set(l, &peer, 2, 0, 0));
	assert_false(ledger_set(l, &peer, 2, 0, 0));
	assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 32 << 20), LEDGER_ITEMS);
	/* what the terms say of this peer counts, too */
	ledger_set(l, &peer, 0, 1 << 20, 0);
	assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 1000), LEDGER_BYTES);
	ledger_set(l, &peer, 0, 0, 5000);
	assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 1000), LEDGER_ITEMS);
	assert_int_equal(ledger_left(l, &peer, LEDGER_OUT), 5000);
	ledger_charge(l, &peer, LEDGER_OUT, 4999);
	assert_int_equal(ledger_left(l, &peer, LEDGER_OUT), 1);
	test_env_pass(&t, DAY);
	assert_int_equal(ledger_left(l, &peer, LEDGER_OUT), 5000);
}

static void a_flood_is_slowed_to_the_rate_and_an_ordinary_day_is_not(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey bad = peer_of(1), good = peer_of(2), worse = peer_of(3);
	struct test_env t;
	unsigned n = 0, slow = 0;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (int i = 0; i < 60000; i++) { /* a thousand a second, for a minute */
		n += ledger_request(l, &bad, LEDGER_REQUEST, 1);
		slow += ledger_request(l, &worse, LEDGER_REQUEST, CONDUCT_PATIENCE);
		if (i % 1000 == 0) /* an exchange a second */
			for (int k = 0; k < 3; k++)
				assert_true(ledger_request(l, &good, LEDGER_REQUEST, 1));
		test_env_pass(&t, 1);
	}
	assert_in_range(n, 890, 910); /* 300 at once, ten a second */
	assert_in_range(slow, n / 10, n / 7);
	/* and no more than so many a day, however slowly it asks */
	for (n = 0; ledger_request(l, &good, LEDGER_REQUEST, 1); n++)
		test_env_pass(&t, 110);
	assert_in_range(n, LIMIT_PEER_DAY_REQUESTS - 200, LIMIT_PEER_DAY_REQUESTS);
}

static void the_ledger_outlives_a_restart(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	_cleanup_(ledger_freep) struct ledger *l = NULL, *again = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id log = log_of(1, 1);
	struct ledger_row a, b;
	struct test_env t;
	uint64_t sum = 0;

	test_env_init(&t, 1700000000000, 1);
	open_db(dir, &db);
	l = ledger_new(&t.env);
	assert_false(ledger_changed(l));
	assert_int_equal(ledger_room(l, &peer, &log, 1, 25, 9999), LEDGER_ITEMS);
	assert_true(ledger_changed(l));
	assert_true(writes(l, &log, false, 1, true, 9, 400));
	assert_ok(ledger_save(l, db));
	assert_true(ledger_changed(l)); /* until it is durable */
	ledger_saved(l);
	assert_false(ledger_changed(l));
	assert_ok(ledger_put_times(db, &peer, 3));
	assert_fails(ledger_put_times(db, &peer, LEDGER_TIMES_MOST + 1), ERR_INVALID);
	again = ledger_new(&t.env);
	assert_ok(ledger_load(again, db));
	ledger_get(l, &peer, &a);
	ledger_get(again, &peer, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_false(ledger_set(again, &peer, 3, 0, 0));
	assert_ok(ledger_each(db, &peer, sum_up, &sum));
	assert_int_equal(sum, 50); /* the peer's row, and its space's */
	assert_int_equal(ledger_today(again, LEDGER_ENTRIES), 25);
	/* a restart is no new day for who writes, either */
	assert_false(writes(again, &log, false, 1, false, LIMIT_WRITER_DAY_ENTRIES - 8, 0));
	assert_true(writes(again, &log, false, 1, false, LIMIT_WRITER_DAY_ENTRIES - 9, 0));
	test_env_pass(&t, DAY);
	assert_int_equal(ledger_today(again, LEDGER_ENTRIES), 0);
	ledger_get(again, &peer, &b);
	assert_int_equal(b.total.n[LEDGER_ENTRIES], 25);
}

/* A transaction that was undone (a full disk) loses nothing of it: the next one writes it. */
static void what_was_not_made_durable_is_written_again(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	_cleanup_(ledger_freep) struct ledger *l = NULL, *again = NULL;
	struct pubkey peer = peer_of(1);
	struct log_id log = log_of(1, 1);
	struct ledger_row row;
	struct test_env t;
	uint64_t rows = 0;

	test_env_init(&t, 1700000000000, 1);
	open_db(dir, &db);
	l = ledger_new(&t.env);
	for (unsigned i = 0; i < LIMIT_SPACES; i++) {
		memcpy(log.space.b + 2, &i, sizeof(i));
		assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 400), LEDGER_ITEMS);
	}
	assert_ok(ledger_save(l, db));
	ledger_saved(l);
	test_env_pass(&t, DAY);
	log.space.b[20] = 1; /* one of yesterday's gives way */
	assert_int_equal(ledger_room(l, &peer, &log, 2, 1, 400), LEDGER_ITEMS);
	assert_true(writes(l, &log, false, 1, false, 700, 400));
	assert_ok(db_begin(db));
	assert_ok(ledger_save(l, db));
	db_rollback(db);
	assert_true(ledger_changed(l));
	assert_ok(ledger_save(l, db));
	ledger_saved(l);
	assert_ok(ledger_each(db, &peer, sum_up, &rows));
	assert_int_equal(rows, LIMIT_SPACES + 1 + LIMIT_SPACES); /* the peer's, and 256 of one entry */
	again = ledger_new(&t.env);
	assert_ok(ledger_load(again, db));
	ledger_get(again, &peer, &row);
	assert_int_equal(row.today.n[LEDGER_ENTRIES], 1);
	assert_false(writes(again, &log, false, 1, false, LIMIT_WRITER_DAY_ENTRIES - 699, 0));
}

/* --- conduct --- */
static void worse_conduct_is_waited_with_longer_and_is_forgiven_in_time(void **state)
{
	struct test_env t;

	test_env_init(&t, 1700000000000, 7);
	assert_int_equal(conduct_wait(NULL, 0, t.now), 0);
	for (int round = 0; round < 2000; round++) {
		struct conduct rows[MISDEEDS], worse[MISDEEDS];
		size_t n = test_below(&t, MISDEEDS + 1);
		int64_t wait, now = t.now;

		for (size_t i = 0; i < n; i++) {
			rows[i] =
				(struct conduct){.what = (enum misdeed)i,
						 .count = test_below(&t, 12) + 1,
						 .last_ms = now - (int64_t)test_below(&t, 9) * DAY};
			worse[i] = rows[i];
		}
		wait = conduct_wait(rows, n, now);
		assert_in_range(wait, 0, CONDUCT_WAIT_LAST);
		assert_true(conduct_wait(rows, n, now + DAY) <= wait);
		assert_int_equal(conduct_wait(rows, n, now + 60 * (int64_t)DAY), 0);
		if (!n)
			continue;
		worse[test_below(&t, n)].count++;
		assert_true(conduct_wait(worse, n, now) >= wait);
		worse[test_below(&t, n)].last_ms = now + 50 * 365 * (int64_t)DAY;
		assert_true(conduct_wait(worse, n, now) >= wait);
		assert_true(conduct_patience(worse, n, now) >= conduct_patience(rows, n, now));
		assert_in_range(conduct_patience(worse, n, now), 1, CONDUCT_PATIENCE);
	}
}

static void one_slip_costs_half_a_minute_and_a_habit_hours(void **state)
{
	struct conduct c = {.what = MISDEED_STALL, .count = 1};

	assert_int_equal(conduct_wait(&c, 1, 0), CONDUCT_WAIT);
	assert_int_equal(conduct_patience(&c, 1, 0), 1);
	c.count = 20;
	assert_int_equal(conduct_wait(&c, 1, 0), CONDUCT_WAIT_LAST);
	c.what = MISDEED_FORK; /* a copied card does no harm */
	assert_int_equal(conduct_wait(&c, 1, 0), 0);
}

static void every_misdeed_has_a_name_of_its_own_and_a_sentence(void **state)
{
	for (int i = 0; i < MISDEEDS; i++) {
		assert_true(*misdeed_name((enum misdeed)i) && *misdeed_msgid((enum misdeed)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(misdeed_name((enum misdeed)i),
						misdeed_name((enum misdeed)k));
	}
}

static void a_report_tells_of_forgeries_rubbish_and_replays(void **state)
{
	struct sync_report r = {.received = 10};
	struct log_id id = log_of(1, 9);

	assert_int_equal(conduct_of_report(&r, ERR_NONE), 0);
	assert_int_equal(conduct_of_report(&r, ERR_NET), 0);
	assert_int_equal(conduct_of_report(&r, ERR_MALFORMED), 1 << MISDEED_RUBBISH);
	r.cut = true; /* a bad line is no misdeed */
	assert_int_equal(conduct_of_report(&r, ERR_MALFORMED), 0);
	r.known = CONDUCT_KNOWN + 1;
	assert_int_equal(conduct_of_report(&r, ERR_NONE), 1 << MISDEED_REPLAY);
	r.received = CONDUCT_KNOWN; /* many were new, too */
	assert_int_equal(conduct_of_report(&r, ERR_NONE), 0);
	report_refusal(&r, &id, 3, ERR_SIGNATURE, true); /* they say that of ours */
	report_refusal(&r, &id, 3, ERR_GAP, false);
	report_refusal(&r, &id, 3, ERR_FORK, false); /* proofs are the signer's, whoever brings them */
	report_refusal(&r, &id, 3, ERR_ENDED, false);
	assert_int_equal(conduct_of_report(&r, ERR_NONE), 0);
	report_refusal(&r, &id, 3, ERR_SIGNATURE, false);
	assert_int_equal(conduct_of_report(&r, ERR_NONE), 1 << MISDEED_FORGED);
}

static void an_exchange_that_differs_and_moves_nothing_is_no_progress(void **state)
{
	struct sync_report r = {.rounds = 1, .heads_differ = true}, moved = r;

	assert_true(conduct_no_progress(&r));
	moved.sent = 1; /* and they took nothing of it */
	assert_true(conduct_no_progress(&moved));
	moved.accepted = 1;
	assert_false(conduct_no_progress(&moved));
	moved = r;
	moved.heads_differ = false; /* payloads that nobody has */
	assert_false(conduct_no_progress(&moved));
	moved = r;
	moved.refusals = 1; /* not admitted, too much, …: that says why */
	assert_false(conduct_no_progress(&moved));
}

struct seen {
	struct conduct last;
	unsigned n;
};

static struct error *see(void *ctx, const struct conduct *c)
{
	struct seen *s = ctx;

	s->last = *c;
	s->n++;
	return NULL;
}

static struct error *count_news(void *ctx, const struct conduct *c)
{
	*(unsigned *)ctx += !c->seen;
	return NULL;
}

/* Rows that no volunteer has looked at. */
static unsigned news(struct db *db)
{
	unsigned n = 0;

	assert_ok(conduct_each(db, NULL, count_news, &n));
	return n;
}

static void note(struct db *db, struct pubkey peer, enum misdeed what, int64_t when)
{
	struct conduct c = {.peer = peer, .what = what, .count = 2, .last_ms = when};

	snprintf(c.words, sizeof(c.words), "at %d", (int)when);
	assert_ok(conduct_note(db, &c));
}

static void a_proof_is_noted_once_and_is_news(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	struct log_id log = log_of(1, 9), other = log_of(1, 10);
	struct conduct c = {.peer = log.appliance, .what = MISDEED_FORK, .count = 1, .last_ms = 5};
	struct seen seen = {.n = 0};
	bool is_new, has;

	open_db(dir, &db);
	assert_ok(conduct_has_proof(db, MISDEED_FORK, &log, &has));
	assert_false(has);
	assert_ok(conduct_note_proof(db, &c, &log, &is_new));
	assert_true(is_new);
	assert_ok(conduct_has_proof(db, MISDEED_FORK, &log, &has));
	assert_true(has);
	assert_int_equal(news(db), 1); /* though it weighs nothing */
	assert_ok(conduct_note_proof(db, &c, &log, &is_new));
	assert_false(is_new);
	assert_ok(conduct_note_proof(db, &c, &other, &is_new));
	assert_true(is_new);
	assert_ok(conduct_each(db, &log.appliance, see, &seen));
	assert_int_equal(seen.last.count, 2);
	/* forgotten is forgotten; but of one log both can be proved */
	assert_ok(conduct_forgive(db, &log.appliance));
	assert_ok(conduct_note_proof(db, &c, &log, &is_new));
	assert_int_equal(news(db), 0);
	c.what = MISDEED_AUTHOR;
	assert_ok(conduct_has_proof(db, MISDEED_AUTHOR, &log, &has));
	assert_false(has);
	assert_ok(conduct_note_proof(db, &c, &log, &is_new));
	assert_true(is_new);
	assert_int_equal(news(db), 1);
}

static void the_record_is_bounded_and_says_what_is_new(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	struct pubkey bad = peer_of(1);
	struct seen seen = {.n = 0};
	int64_t since;

	open_db(dir, &db);
	for (int i = 1; i <= 500; i++)
		note(db, bad, MISDEED_FLOOD, i);
	note(db, peer_of(2), MISDEED_LIES, 9);
	assert_ok(conduct_each(db, &bad, see, &seen));
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.last.count, 1000);
	assert_int_equal(seen.last.first_ms, 1);
	assert_int_equal(seen.last.last_ms, 500);
	assert_string_equal(seen.last.words, "at 500");
	assert_int_equal(news(db), 2);
	assert_ok(conduct_saw(db, &bad));
	assert_int_equal(news(db), 1);
	note(db, bad, MISDEED_FLOOD, 501);
	assert_int_equal(news(db), 2);
	note(db, peer_of(3), MISDEED_CLAIM, 10); /* weighs nothing: no news for people */
	assert_int_equal(news(db), 2);
	assert_ok(conduct_forgive(db, (struct pubkey[]){peer_of(3)}));
	note(db, bad, MISDEED_QUOTA, 502);
	assert_ok(conduct_forgive_quota(db, &bad));
	seen.n = 0;
	assert_ok(conduct_each(db, &bad, see, &seen));
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.last.what, MISDEED_FLOOD);
	assert_ok(conduct_forgive(db, &bad));
	seen.n = 0;
	assert_ok(conduct_each(db, NULL, see, &seen));
	assert_int_equal(seen.n, 1);
	assert_ok(conduct_pause(db, &bad, true, 77));
	assert_ok(conduct_pause(db, &bad, true, 99));
	assert_ok(conduct_paused(db, &bad, &since));
	assert_int_equal(since, 77);
	assert_ok(conduct_pause(db, &bad, false, 99));
	assert_ok(conduct_paused(db, &bad, &since));
	assert_int_equal(since, 0);
}

/* As a contract's day, and the hours beside it: the box's, not Greenwich's. */
static void the_day_is_that_of_the_boxs_time_zone(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = peer_of(1);
	struct test_env t;

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	/* 24 October 2026, 23:58 there; the day after has 25 hours. */
	test_env_init(&t, INT64_C(1792879080000), 1);
	l = ledger_new(&t.env);
	ledger_charge(l, &peer, LEDGER_BYTES, 5);
	test_env_pass(&t, HOUR / 60);
	assert_int_equal(ledger_today(l, LEDGER_BYTES), 5);
	test_env_pass(&t, HOUR / 60);
	assert_int_equal(ledger_today(l, LEDGER_BYTES), 0);
	ledger_charge(l, &peer, LEDGER_BYTES, 7);
	test_env_pass(&t, 3 * HOUR); /* midnight at Greenwich is nobody's */
	assert_int_equal(ledger_today(l, LEDGER_BYTES), 7);
	test_env_pass(&t, 22 * HOUR - 1);
	assert_int_equal(ledger_today(l, LEDGER_BYTES), 7);
	test_env_pass(&t, 1);
	assert_int_equal(ledger_today(l, LEDGER_BYTES), 0);
	unsetenv("TZ");
	tzset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_peer_takes_no_more_than_its_quota_and_the_others_have_theirs),
		cmocka_unit_test(the_first_sync_of_a_large_community_fits_into_a_day),
		cmocka_unit_test(payloads_that_follow_their_headers_begin_no_log),
		cmocka_unit_test(payloads_have_room_when_the_logs_of_a_day_are_there),
		cmocka_unit_test(the_last_eighth_of_a_disk_is_not_for_peers),
		cmocka_unit_test(one_space_takes_half_of_what_its_peer_may),
		cmocka_unit_test(one_space_takes_half_of_the_files_and_of_their_bytes),
		cmocka_unit_test(no_space_is_shut_out_because_others_came_before_it),
		cmocka_unit_test(one_writer_takes_no_more_than_its_share_whoever_brings_it),
		cmocka_unit_test(a_writer_has_one_share_in_all_spaces_together),
		cmocka_unit_test(a_writer_has_an_eighth_of_what_visitors_bring),
		cmocka_unit_test(strangers_leave_half_to_the_peer),
		cmocka_unit_test(what_was_not_made_durable_is_written_again),
		cmocka_unit_test(rubbish_does_not_switch_the_bounds_of_writers_off),
		cmocka_unit_test(a_million_logs_and_a_million_spaces_have_no_room),
		cmocka_unit_test(many_peers_with_many_spaces_leave_room_for_one_more),
		cmocka_unit_test(a_volunteer_raises_the_quota_and_it_goes_on),
		cmocka_unit_test(the_day_is_that_of_the_boxs_time_zone),
		cmocka_unit_test(a_flood_is_slowed_to_the_rate_and_an_ordinary_day_is_not),
		cmocka_unit_test(the_ledger_outlives_a_restart),
		cmocka_unit_test(what_is_not_taken_is_given_back),
		cmocka_unit_test(worse_conduct_is_waited_with_longer_and_is_forgiven_in_time),
		cmocka_unit_test(one_slip_costs_half_a_minute_and_a_habit_hours),
		cmocka_unit_test(every_misdeed_has_a_name_of_its_own_and_a_sentence),
		cmocka_unit_test(a_report_tells_of_forgeries_rubbish_and_replays),
		cmocka_unit_test(an_exchange_that_differs_and_moves_nothing_is_no_progress),
		cmocka_unit_test(a_proof_is_noted_once_and_is_news),
		cmocka_unit_test(the_record_is_bounded_and_says_what_is_new),
	};

	return run_group(tests);
}
