/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a box has no room for comes once a day, and not with every exchange: whoever passes on what
 * somebody wrote without measure keeps its line, its quotas and its good name. The boxes are
 * joined by a pipe in memory, the room and the ledger are the real ones.
 */
#include "tests/sync/replicate/boxes.h"
#include "sync/base/limits.h"
#include "sync/peer/room.h"

enum { DAY = 86400000, MIB = 1 << 20, FEW = 64 * 1024, LOGS = 150, BIG = 120000 };

/* --- two boxes, and one that writes without measure --- */
struct house {
	struct box box;
	struct ledger *ledger;
	unsigned guilty;
};

struct pair {
	char *dir;
	struct test_env env;
	struct house a, b; /* a carries what h wrote; b counts */
	struct secret *h;
	struct hash space;
};

static const struct sync_host no_host;

static struct room room_of(struct house *h)
{
	return (struct room){.ledger = h->ledger,
			     .host = &no_host,
			     .self = secret_pubkey(h->box.key),
			     .bringer = &h->box.o.peer,
			     .log = h->box.log};
}

static bool has_room(void *ctx, const struct log_id *log, const struct ingest *run, uint64_t bytes)
{
	struct house *h = ctx;
	struct room r = room_of(h);
	struct room_answer a = room_ask(&r, log, run, bytes);

	if (a.over != ROOM)
		ledger_refused(h->ledger, &h->box.o.peer, log, a.over, bytes);
	h->guilty += a.guilty;
	return a.over == ROOM;
}

static void unused(void *ctx, const struct log_id *log, const struct ingest *run, size_t entries,
		   uint64_t bytes)
{
	struct room r = room_of(ctx);

	room_unused(&r, log, run, entries, bytes);
}

static void in_vain(void *ctx, const struct log_id *log, uint64_t bytes)
{
	struct house *h = ctx;

	ledger_refused(h->ledger, &h->box.o.peer, log, LEDGER_WRITER, bytes);
}

static void full(void *ctx, const struct hash *space, struct full *ret)
{
	struct house *h = ctx;

	ledger_full(h->ledger, &h->box.o.peer, space, ret);
}

static bool is_unwanted(void *ctx, const struct hash *space)
{
	struct house *h = ctx;

	return ledger_is_unwanted(h->ledger, &h->box.o.peer, space);
}

static void unwanted(void *ctx, const struct hash *space)
{
	struct house *h = ctx;

	ledger_unwanted(h->ledger, &h->box.o.peer, space);
}

static void house_init(struct house *h, struct pair *p, const char *name, unsigned key)
{
	box_init(&h->box, &p->env, p->dir, name, key);
	h->ledger = ledger_new(&p->env.env);
	h->box.o.ctx = h;
	h->box.o.room = has_room;
	h->box.o.unused = unused;
	h->box.o.in_vain = in_vain;
	h->box.o.full = full;
	h->box.o.is_unwanted = is_unwanted;
	h->box.o.unwanted = unwanted;
}

static void pair_open(struct pair *p)
{
	*p = (struct pair){.dir = test_dir(), .h = test_key(9)};
	test_env_init(&p->env, 1764000000000, 7);
	house_init(&p->a, p, "a", 1);
	house_init(&p->b, p, "b", 2);
	p->space = box_found(&p->a.box, p->a.box.key);
	box_admit(&p->a.box, &p->space, secret_pubkey(p->b.box.key));
	box_admit(&p->a.box, &p->space, secret_pubkey(p->h));
}

static void pair_close(struct pair *p)
{
	assert_int_equal(p->a.guilty, 0);
	assert_int_equal(p->b.guilty, 0);
	ledger_free(p->a.ledger);
	ledger_free(p->b.ledger);
	box_release(&p->a.box);
	box_release(&p->b.box);
	secret_free(p->h);
	test_dir_remove(p->dir);
}

/* Bytes over the line, either way. */
static uint64_t swap(struct house *client, struct house *server, struct sync_report *r)
{
	struct pipe pipe = {.client = &client->box, .server = &server->box};
	struct error *err;

	/* as the exchange and the listener do */
	pipe.vain = ledger_refused_most(client->ledger, secret_pubkey(server->box.key));
	pipe.more = LEDGER_REFUSED_MORE;
	err = pipe_exchange(&pipe, r);
	assert_true(!err || error_is(err, ERR_NET)); /* pushes were refused too often */
	error_free(err);
	box_audit(&client->box);
	box_audit(&server->box);
	return pipe.passed;
}

static bool same(struct pair *p)
{
	struct hash a = box_digest(&p->a.box), b = box_digest(&p->b.box);

	return hash_eq(&a, &b);
}

static size_t logs_of(struct house *h, const struct hash *space, const struct secret *by)
{
	struct log_counts n;

	NEED(log_count_of(h->box.log, space, secret_pubkey(by), &n));
	return n.logs;
}

/* So many exchanges in one day, either side asking: what all but the first came to, at most. */
static uint64_t a_day(struct pair *p, bool a_asks, uint64_t *ret_first)
{
	uint64_t most = 0;

	for (int i = 0; i < 10; i++) {
		struct sync_report r;
		uint64_t n = a_asks ? swap(&p->a, &p->b, &r) : swap(&p->b, &p->a, &r);

		if (i == 0)
			*ret_first = n;
		else
			most = n > most ? n : most;
		assert_true(r.equal == same(p));
		assert_true(r.equal || r.refusals > 0); /* it says why */
	}
	return most;
}

static void comes_once_a_day(bool a_asks)
{
	uint64_t first, later;
	struct pair p;

	pair_open(&p);
	boxes_write_logs(p.a.box.log, &p.space, p.h, 1, LOGS, BIG);
	for (size_t day = 1; day <= 3; day++) {
		later = a_day(&p, a_asks, &first);
		printf("# day %zu: %llu KiB, then at most %llu bytes an exchange\n", day,
		       (unsigned long long)first / 1024, (unsigned long long)later);
		assert_true(later <= FEW);
		assert_int_equal(logs_of(&p.b, &p.space, p.h),
				 LOGS < day * LIMIT_WRITER_DAY_LOGS ? LOGS
								    : day * LIMIT_WRITER_DAY_LOGS);
		test_env_pass(&p.env, DAY);
	}
	assert_true(same(&p));
	pair_close(&p);
}

static void what_is_pulled_and_has_no_room_comes_once_a_day(void **state)
{
	comes_once_a_day(false);
}

static void what_is_pushed_and_has_no_room_comes_once_a_day(void **state)
{
	comes_once_a_day(true);
}

/* The honest who write behind it are read the same day, whatever stands before them. */
static void what_is_honest_gets_by(bool a_asks)
{
	struct secret *honest = test_key(10);
	struct sync_report r;
	struct pair p;

	pair_open(&p);
	boxes_write_logs(p.a.box.log, &p.space, p.h, 1, LOGS, BIG);
	box_admit(&p.a.box, &p.space, secret_pubkey(honest));
	boxes_write_logs(p.a.box.log, &p.space, honest, 1, 3, 100);
	for (int i = 0; i < 2; i++)
		a_asks ? swap(&p.a, &p.b, &r) : swap(&p.b, &p.a, &r);
	assert_int_equal(logs_of(&p.b, &p.space, honest), 3);
	/* and what is written later, on either side */
	box_write(&p.a.box, &p.space, NULL, "{\"n\":1}");
	box_write(&p.b.box, &p.space, NULL, "{\"n\":2}");
	assert_true((a_asks ? swap(&p.a, &p.b, &r) : swap(&p.b, &p.a, &r)) < FEW);
	assert_int_equal(r.received, 1);
	assert_int_equal(r.accepted, 1);
	pair_close(&p);
	secret_free(honest);
}

static void what_is_honest_and_pulled_gets_by(void **state)
{
	what_is_honest_gets_by(false);
}

static void what_is_honest_and_pushed_gets_by(void **state)
{
	what_is_honest_gets_by(true);
}

/* One log of h, of many entries. */
static void write_long(struct box *to, const struct hash *space, const struct secret *by,
		       uint64_t incarnation, unsigned n)
{
	struct log_id id = {*space, *secret_pubkey(by), incarnation};
	static const uint8_t salt[ENTRY_SALT];
	static char text[BIG];
	struct span body = span_of(text, sizeof(text));
	struct ingest_payload payload = {PAYLOAD_HELD, salt, body};
	struct hash prev = {{0}};

	NEED(log_begin(to->log));
	for (unsigned i = 1; i <= n; i++) {
		struct entry e = {.seq = i,
				  .incarnation = incarnation,
				  .space = *space,
				  .rules = *space,
				  .prev = prev};
		struct ingest_result r;
		struct error *refused = NULL;
		struct entry_bytes raw;

		entry_make(&e, NULL, by, salt, body, &raw);
		NEED(log_ingest(to->log, &(struct ingest){&id, i, &raw, &payload, 1, false}, &r,
				&refused));
		NEED(refused);
		prev = entry_hash(&raw);
	}
	NEED(log_commit(to->log));
}

/* Each log of which something is refused costs little, however long it is, and who stands behind
 * them all waits for a few exchanges, and not for tomorrow. */
static void long_logs_cost_no_more_than_their_beginning(void **state)
{
	enum { LONG = 20, EACH = 8 };

	for (int a_asks = 0; a_asks < 2; a_asks++) {
		struct secret *honest = test_key(10);
		uint64_t sum = 0,
			 many = LONG * ((uint64_t)BIG * 2 + LEDGER_REFUSED_MORE + MIB / 16);
		struct sync_report r;
		struct pair p;

		pair_open(&p);
		boxes_write_logs(p.a.box.log, &p.space, p.h, 1, LIMIT_WRITER_DAY_LOGS, 100);
		for (unsigned i = 0; i < LONG; i++)
			write_long(&p.a.box, &p.space, p.h, 1000 + i, EACH);
		box_admit(&p.a.box, &p.space, secret_pubkey(honest));
		boxes_write_logs(p.a.box.log, &p.space, honest, 1, 1, 100);
		for (int i = 0; i < 4; i++)
			sum += a_asks ? swap(&p.a, &p.b, &r) : swap(&p.b, &p.a, &r);
		printf("# %llu KiB for %u logs of %u KiB\n", (unsigned long long)sum / 1024, LONG,
		       EACH * BIG / 1024);
		assert_true(sum < many);
		assert_int_equal(logs_of(&p.b, &p.space, honest), 1);
		pair_close(&p);
		secret_free(honest);
	}
}

/* Too much came in vain: of the space those are asked for that are here, and the new ones tomorrow.
 */
static void what_is_here_goes_on_when_too_much_came_in_vain(void **state)
{
	for (int a_asks = 0; a_asks < 2; a_asks++) {
		struct secret *honest = test_key(10);
		struct log_id of_h = {.incarnation = 5};
		struct sync_report r;
		struct pair p;

		pair_open(&p);
		swap(&p.b, &p.a, &r);
		of_h.space = p.space;
		of_h.appliance = *secret_pubkey(p.h);
		ledger_refused(p.b.ledger, secret_pubkey(p.a.box.key), &of_h, LEDGER_WRITER,
			       LEDGER_REFUSED_DAY + 1);
		box_admit(&p.a.box, &p.space, secret_pubkey(honest));
		boxes_write_logs(p.a.box.log, &p.space, honest, 1, 1, 100);
		box_write(&p.b.box, &p.space, NULL, "{\"n\":2}");
		a_asks ? swap(&p.a, &p.b, &r) : swap(&p.b, &p.a, &r);
		assert_int_equal(a_asks ? r.accepted : r.received, 1); /* a's admission */
		assert_int_equal(a_asks ? r.received : r.accepted, 1); /* what b wrote */
		assert_int_equal(logs_of(&p.b, &p.space, honest), 0);
		test_env_pass(&p.env, DAY);
		a_asks ? swap(&p.a, &p.b, &r) : swap(&p.b, &p.a, &r);
		assert_true(same(&p));
		pair_close(&p);
		secret_free(honest);
	}
}

/* The carrier's own quota of the space is used up: nothing of it is asked, and it is given all the
 * same. */
static void of_a_space_that_is_full_nothing_comes_and_all_is_given(void **state)
{
	const struct pubkey *a;
	struct sync_report r;
	struct pair p;

	pair_open(&p);
	a = secret_pubkey(p.a.box.key);
	boxes_write_logs(p.a.box.log, &p.space, p.h, 1, 20, BIG);
	swap(&p.b, &p.a, &r);
	assert_true(same(&p));
	ledger_set(p.b.ledger, a, 1, 1, 0); /* a byte in all: nothing more of a */
	box_write(&p.a.box, &p.space, NULL, "{\"n\":1}");
	swap(&p.b, &p.a, &r);
	boxes_write_logs(p.a.box.log, &p.space, p.h, 100, 20, BIG);
	for (int i = 0; i < 5; i++) {
		box_write(&p.b.box, &p.space, NULL, "{\"n\":2}");
		assert_true(swap(&p.b, &p.a, &r) < FEW);
		assert_int_equal(r.accepted, 1);
		assert_int_equal(r.received, 0);
		assert_true(r.refusals > 0);
		box_write(&p.b.box, &p.space, NULL, "{\"n\":3}");
		assert_true(swap(&p.a, &p.b, &r) < FEW);
		assert_int_equal(r.received, 1);
	}
	assert_false(same(&p));
	/* A volunteer allows more: it is asked for at once. */
	assert_true(ledger_set(p.b.ledger, a, 1, 0, 0));
	swap(&p.b, &p.a, &r);
	assert_true(r.equal);
	assert_true(same(&p));
	p.b.guilty = 0; /* a's own entry had no room: that is a's own affair */
	pair_close(&p);
}

/* Who passes by what it is told: each exchange costs little. */
static void who_does_not_listen_is_cut_short(void **state)
{
	uint64_t sum = 0, last = 0;
	struct pair p;

	pair_open(&p);
	boxes_write_logs(p.a.box.log, &p.space, p.h, 1, 200, BIG);
	p.b.box.o.full = NULL; /* as if it were not said */
	/* most of the day's measure is used up */
	ledger_refused(p.b.ledger, secret_pubkey(p.a.box.key), &(struct log_id){.incarnation = 1},
		       LEDGER_WRITER, LEDGER_REFUSED_DAY - 16 * MIB);
	for (int i = 0; i < 5; i++) {
		struct pipe pipe = {.client = &p.a.box, .server = &p.b.box};
		struct sync_report r;
		struct error *err;

		pipe.vain = ledger_refused_most(p.b.ledger, secret_pubkey(p.a.box.key));
		pipe.more = LEDGER_REFUSED_MORE;
		err = pipe_exchange(&pipe, &r);
		assert_true(!err || error_is(err, ERR_NET));
		error_free(err);
		last = pipe.passed;
		sum += last;
	}
	printf("# %llu MiB in all, %llu KiB the last\n", (unsigned long long)sum / MIB,
	       (unsigned long long)last / 1024);
	/* some pushes each, of which none is read to its end */
	assert_true(last < 17 * (LEDGER_REFUSED_LEAST + MIB / 2));
	/* (a listener asks before each push how much is left, and not once an exchange as here) */
	assert_true(sum < 17 * LEDGER_REFUSED + 4 * 17 * (LEDGER_REFUSED_LEAST + MIB / 2));
	pair_close(&p);
}

/* A space whose founder may have no more here is offered, refused, and not offered again that day.
 */
static void what_is_offered_in_vain_is_offered_once_a_day(void **state)
{
	struct secret *stranger = test_key(11);
	uint64_t first, n;
	struct hash space;
	struct sync_report r;
	struct pair p;

	pair_open(&p);
	swap(&p.b, &p.a, &r);
	assert_true(same(&p));
	for (unsigned i = 0; i <= LIMIT_STRANGER_SPACES; i++) { /* one more than fit */
		struct box tmp;
		char name[16];
		struct pipe pipe = {.client = &p.a.box, .server = &tmp};

		snprintf(name, sizeof(name), "s%u", i);
		box_init(&tmp, &p.env, p.dir, name, 11);
		space = box_found(&tmp, stranger);
		p.a.box.o.room = NULL;
		NEED(pipe_exchange(&pipe, &r));
		p.a.box.o.room = has_room;
		box_release(&tmp);
	}
	first = swap(&p.a, &p.b, &r);
	swap(&p.a, &p.b, &r);
	n = swap(&p.a, &p.b, &r);
	printf("# %llu bytes, then %llu\n", (unsigned long long)first, (unsigned long long)n);
	assert_false(log_holds_space(p.b.box.log, &space) && same(&p));
	assert_int_equal(r.requests, 1); /* the status; nothing is offered */
	test_env_pass(&p.env, DAY);
	swap(&p.a, &p.b, &r);
	assert_true(r.requests > 1); /* the day after it is asked again */
	pair_close(&p);
	secret_free(stranger);
}

/* --- the ledger's side --- */
static struct log_id log_of(unsigned space, unsigned incarnation)
{
	struct log_id id = {.space = {{1}}, .appliance = {{3}}, .incarnation = incarnation};

	id.space.b[1] = (uint8_t)space;
	id.space.b[2] = (uint8_t)(space >> 8);
	return id;
}

enum { SOME, HELD_ONLY, ALL };

static size_t full_logs(struct ledger *l, const struct pubkey *peer, const struct hash *space,
			int *ret_wide)
{
	_cleanup_(full_release) struct full f = {.all = false};

	ledger_full(l, peer, space, &f);
	*ret_wide = f.all ? ALL : f.held_only ? HELD_ONLY : SOME;
	for (size_t i = 1; i < f.logs.n / sizeof(struct log_id); i++) {
		const struct log_id *ids = (const struct log_id *)(const void *)f.logs.p;

		assert_true(log_id_cmp(&ids[i - 1], &ids[i]) < 0);
	}
	return f.logs.n / sizeof(struct log_id);
}

static void what_was_refused_is_remembered_for_a_day_and_within_bounds(void **state)
{
	_cleanup_(ledger_freep) struct ledger *l = NULL;
	struct pubkey peer = {{1}}, other = {{2}};
	struct log_id id = log_of(1, 1);
	struct test_env t;
	int wide;

	test_env_init(&t, 1700000000000, 1);
	l = ledger_new(&t.env);
	for (unsigned i = LIMIT_PEER_REFUSED; i > 0; i--) {
		id.incarnation = i;
		ledger_refused(l, &peer, &id, LEDGER_WRITER, 1);
		ledger_refused(l, &peer, &id, LEDGER_WRITER, 1);
	}
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), LIMIT_PEER_REFUSED);
	assert_int_equal(wide, SOME);
	assert_int_equal(full_logs(l, &other, &id.space, &wide), 0);
	id.incarnation = LIMIT_PEER_REFUSED + 1; /* of more those that are not held, then all */
	ledger_refused(l, &peer, &id, LEDGER_WRITER, 1);
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), LIMIT_PEER_REFUSED);
	assert_int_equal(wide, HELD_ONLY);
	ledger_refused(l, &peer, &id, LEDGER_WRITER, 1);
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), 0);
	assert_int_equal(wide, ALL);
	/* and where another log would have no room either */
	id = log_of(2, 1);
	ledger_refused(l, &peer, &id, LEDGER_LOGS, 1);
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), 1);
	ledger_refused(l, &peer, &id, LEDGER_FOUNDER, 1);
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), 0);
	assert_int_equal(wide, ALL);
	/* a full disk is another matter: it may have room in a minute */
	id = log_of(3, 1);
	ledger_refused(l, &peer, &id, LEDGER_DISK, 1);
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), 0);
	assert_int_equal(wide, SOME);
	/* what was too much already leaves out what is not held, at once */
	assert_int_equal(ledger_refused_most(l, &peer), LEDGER_REFUSED);
	ledger_refused(l, &peer, &id, LEDGER_WRITER, LEDGER_REFUSED_DAY);
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), 1);
	assert_int_equal(wide, HELD_ONLY);
	assert_int_equal(ledger_refused_most(l, &peer), LEDGER_REFUSED_LEAST);
	assert_int_equal(ledger_refused_most(l, &other), LEDGER_REFUSED);
	test_env_pass(&t, DAY);
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), 0);
	assert_int_equal(wide, SOME);
	assert_int_equal(ledger_refused_most(l, &peer), LEDGER_REFUSED);
	for (unsigned i = 0; i < 20000; i++) { /* spaces and peers without end */
		struct pubkey many = {{(uint8_t)i, (uint8_t)(i >> 8), 7}};

		id = log_of(i, i);
		ledger_refused(l, &many, &id, i % 2 ? LEDGER_WRITER : LEDGER_FOUNDER, 1);
		ledger_unwanted(l, &many, &id.space);
	}
	ledger_room_again(l);
	assert_int_equal(full_logs(l, &peer, &id.space, &wide), 0);
	assert_int_equal(wide, SOME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_pulled_and_has_no_room_comes_once_a_day),
		cmocka_unit_test(what_is_pushed_and_has_no_room_comes_once_a_day),
		cmocka_unit_test(what_is_honest_and_pulled_gets_by),
		cmocka_unit_test(what_is_honest_and_pushed_gets_by),
		cmocka_unit_test(long_logs_cost_no_more_than_their_beginning),
		cmocka_unit_test(what_is_here_goes_on_when_too_much_came_in_vain),
		cmocka_unit_test(of_a_space_that_is_full_nothing_comes_and_all_is_given),
		cmocka_unit_test(who_does_not_listen_is_cut_short),
		cmocka_unit_test(what_is_offered_in_vain_is_offered_once_a_day),
		cmocka_unit_test(what_was_refused_is_remembered_for_a_day_and_within_bounds),
	};

	return run_group(tests);
}
