/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What one bringer may bring of strangers: spaces, and quotas by who wrote and founded. */
#include "tests/sync/log/logs.h"
#include "sync/base/limits.h"
#include "sync/peer/room.h"

enum { DAY = 86400000 };

struct fixture {
	struct box b;
	struct db *db;
	struct ledger *l;
	struct sync_host host;
	struct pubkey carrier, other, self;
	struct secret *peer; /* the one founder who is one */
	unsigned crowded;
	struct hash last; /* space that was brought */
};

static bool is_peer(void *ctx, const struct pubkey *key)
{
	struct fixture *f = ctx;

	return pubkey_eq(key, &f->carrier) || pubkey_eq(key, &f->other) ||
	       pubkey_eq(key, secret_pubkey(f->peer));
}

static void crowded(void *ctx, const struct pubkey *bringer)
{
	struct fixture *f = ctx;

	f->crowded += pubkey_eq(bringer, &f->carrier);
}

static void begin_ledger(struct fixture *f)
{
	f->l = ledger_new(&f->b.env.env);
	assert_ok(ledger_load(f->l, f->db));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_(freep) char *path = NULL;

	box_init(&f->b, 1);
	path = path_join(f->b.dir, "local.db");
	assert_ok(db_open(path, DB_WRITER, 500, &f->db));
	assert_ok(db_migrate(f->db, "ledger", ledger_migrations, ledger_migrations_n));
	f->peer = test_key(2);
	f->self = *secret_pubkey(f->b.key);
	f->carrier = (struct pubkey){.b = {1, 1}};
	f->other = (struct pubkey){.b = {2, 2}};
	f->host = (struct sync_host){.ctx = f, .is_peer = is_peer, .crowded = crowded};
	begin_ledger(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ledger_free(f->l);
	db_close(f->db);
	secret_free(f->peer);
	box_release(&f->b);
	free(f);
	return 0;
}

static struct room room_for(struct fixture *f, const struct pubkey *bringer)
{
	return (struct room){.ledger = f->l,
			     .host = &f->host,
			     .self = &f->self,
			     .bringer = bringer,
			     .log = f->b.l};
}

/* The first entry of a space; of one founder each is another one. */
static void found(struct made *m, const struct secret *founder, int64_t when)
{
	struct entry e = {.seq = 1, .time = when, .incarnation = (uint64_t)when};
	static const struct hash salt = {.b = {7}};

	memset(m, 0, sizeof(*m));
	m->n = 1;
	memcpy(m->body[0].salt, salt.b, ENTRY_SALT);
	m->payloads[0] = (struct ingest_payload){PAYLOAD_HELD, m->body[0].salt, span_str("{}")};
	entry_make(&e, founder, founder, m->body[0].salt, m->payloads[0].bytes, &m->raw[0]);
	m->id = entry_log(&m->raw[0]);
}

static int brings_by(struct fixture *f, const struct pubkey *bringer, const struct secret *founder)
{
	struct room r = room_for(f, bringer);
	struct room_answer a;
	struct ingest run;
	struct made m;

	test_env_pass(&f->b.env, 1000);
	found(&m, founder, f->b.env.now);
	run = (struct ingest){.id = &m.id, .first = 1, .headers = m.raw, .payloads = m.payloads, .n = 1};
	a = room_ask(&r, &m.id, &run, 400);
	assert_false(a.guilty && !pubkey_eq(&m.id.appliance, bringer));
	if (a.over == ROOM) {
		assert_int_equal(give(&f->b, &m, 1, 1), ERR_NONE);
		f->last = m.id.space;
	}
	return a.over;
}

static bool brings(struct fixture *f, const struct pubkey *bringer, unsigned key)
{
	_cleanup_(secret_freep) struct secret *founder = test_key(key);

	return brings_by(f, bringer, founder) == ROOM;
}

/* Days of a hostile house, with a new key for each space. */
static unsigned bring_for(struct fixture *f, const struct pubkey *bringer, unsigned days, unsigned key)
{
	unsigned taken = 0;

	for (unsigned day = 0; day < days; day++) {
		for (unsigned i = 0; i < 40; i++)
			taken += brings(f, bringer, key + day * 40 + i);
		test_env_pass(&f->b.env, DAY);
	}
	return taken;
}

static void one_bringer_of_strangers_leaves_places_to_the_others(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bring_for(f, &f->carrier, 1, 100), LIMIT_PEER_DAY_SPACES);
	assert_int_equal(f->crowded, 0); /* that was the day's, not for want of places */
	assert_int_equal(bring_for(f, &f->carrier, 8, 200),
			 LIMIT_STRANGE_BROUGHT - LIMIT_PEER_DAY_SPACES);
	assert_true(f->crowded > 0);
	/* others have theirs, and a peer's own comes whoever brings it */
	assert_int_equal(bring_for(f, &f->other, 3, 1000), LIMIT_STRANGE_BROUGHT);
	assert_int_equal(brings_by(f, &f->carrier, f->peer), ROOM);
}

static void who_brought_what_outlives_a_restart(void **state)
{
	struct fixture *f = *state;
	struct brought b;

	assert_int_equal(bring_for(f, &f->carrier, 2, 100), LIMIT_STRANGE_BROUGHT);
	assert_ok(ledger_save(f->l, f->db));
	ledger_saved(f->l);
	ledger_free(f->l);
	begin_ledger(f);
	assert_false(brings(f, &f->carrier, 999));
	assert_true(ledger_brought(f->l, &f->last, &b));
	assert_true(b.counts && pubkey_eq(&b.peer, &f->carrier));
	assert_int_equal(b.day, f->b.env.now / DAY - 1);
	assert_false(ledger_brought(f->l, &(struct hash){.b = {9}}, &b));
}

static void what_is_let_go_of_or_wanted_makes_a_place(void **state)
{
	struct fixture *f = *state;
	struct hash spaces[LIMIT_SPACES], first;
	int64_t since;
	size_t n;

	assert_true(brings(f, &f->carrier, 50));
	first = f->last;
	assert_int_equal(bring_for(f, &f->carrier, 3, 100), LIMIT_STRANGE_BROUGHT - 1);
	assert_ok(log_begin(f->b.l));
	assert_ok(log_let_go(f->b.l, &first, 1234));
	assert_ok(log_commit(f->b.l));
	assert_true(log_is_let_go(f->b.l, &first));
	assert_ok(log_let_go_since(f->b.l, &first, &since));
	assert_int_equal(since, 1234);
	assert_ok(log_spaces(f->b.l, spaces, LIMIT_SPACES, &n));
	assert_int_equal(n, LIMIT_STRANGE_BROUGHT - 1);
	assert_true(brings(f, &f->carrier, 600));
	assert_false(brings(f, &f->carrier, 601));
	ledger_brought_settled(f->l, &f->last); /* somebody wants it */
	assert_true(brings(f, &f->carrier, 602));
	assert_false(brings(f, &f->carrier, 603));
	/* taken back, it is among the others again */
	assert_ok(log_begin(f->b.l));
	assert_ok(log_let_go(f->b.l, &first, 0));
	assert_ok(log_commit(f->b.l));
	assert_ok(log_spaces(f->b.l, spaces, LIMIT_SPACES, &n));
	assert_id_equal(&spaces[0], &first);
}

/* More are remembered than there can be; of too many those go that count for nobody. */
static void the_memory_of_who_brought_what_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct hash space = {.b = {3}}, kept = {.b = {4}};
	struct brought b;

	ledger_brings(f->l, &f->carrier, &kept, true);
	for (unsigned i = 0; i < LIMIT_BROUGHT + 10; i++) {
		memcpy(space.b + 4, &i, sizeof(i));
		ledger_brings(f->l, &f->other, &space, i % 2);
	}
	assert_true(ledger_brought(f->l, &kept, &b));
	assert_true(ledger_brought(f->l, &space, &b));
	assert_int_equal(ledger_brought_by(f->l, &f->carrier, &kept, 1), 1);
}

/* One key, admitted in eight spaces that it founded itself: what a carrier brings of it. */
static void one_key_in_many_spaces_leaves_the_carrier_its_day(void **state)
{
	enum { PIECE = 4 << 20 };
	struct fixture *f = *state;
	_cleanup_(secret_freep) struct secret *evil = test_key(70);
	struct room r = room_for(f, &f->carrier);
	struct log_id own = {.appliance = f->carrier};
	struct log_id logs[LIMIT_STRANGER_SPACES];
	struct ingest run = {.first = 2, .n = 1};
	uint64_t bytes = 0;

	for (unsigned i = 0; i < LIMIT_STRANGER_SPACES; i++) {
		assert_int_equal(brings_by(f, &f->carrier, evil), ROOM);
		logs[i] = (struct log_id){f->last, *secret_pubkey(evil), (uint64_t)f->b.env.now};
	}
	assert_int_equal(brings_by(f, &f->carrier, evil), LEDGER_FOUNDER);
	for (unsigned i = 0; i < 2000; i++) {
		struct room_answer a;

		run.id = &logs[i % LIMIT_STRANGER_SPACES];
		a = room_ask(&r, run.id, &run, PIECE);
		assert_false(a.guilty || a.all);
		bytes += a.over == ROOM ? PIECE : 0;
	}
	assert_in_range(bytes, LIMIT_WRITER_DAY_BYTES - PIECE, LIMIT_WRITER_DAY_BYTES);
	/* eighty of its made-up boxes in one of them: what strangers founded has half */
	for (unsigned i = 0; i < 8000; i++) {
		struct log_id log = logs[0];

		log.appliance.b[0] = (uint8_t)(i % 80);
		log.incarnation = i;
		run.id = &log;
		bytes += room_ask(&r, &log, &run, PIECE).over == ROOM ? PIECE : 0;
	}
	assert_in_range(bytes, LIMIT_PEER_DAY_BYTES / 2 - PIECE, LIMIT_PEER_DAY_BYTES / 2);
	for (uint64_t own_bytes = 0; own_bytes < LIMIT_PEER_DAY_BYTES / 4; own_bytes += PIECE) {
		run.id = &own;
		assert_int_equal(brings_by(f, &f->carrier, f->peer) == ROOM ||
					 own_bytes >= 64 * (uint64_t)PIECE,
				 true);
		own.space = f->last;
		assert_int_equal(room_ask(&r, &own, &run, PIECE).over, ROOM);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_bringer_of_strangers_leaves_places_to_the_others),
		T(who_brought_what_outlives_a_restart),
		T(what_is_let_go_of_or_wanted_makes_a_place),
		T(the_memory_of_who_brought_what_is_bounded),
		T(one_key_in_many_spaces_leaves_the_carrier_its_day),
	};

	return run_group(tests);
}
