/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Our own logs: writing, incarnations, carrying over. */
#include "tests/sync/log/logs.h"

static struct secret *ana;

static struct error *count_one(void *ctx, const struct stored *e)
{
	(void)e;
	++*(int *)ctx;
	return NULL;
}

static struct error *count_live(void *ctx, const struct stored *e)
{
	*(int *)ctx += e->live;
	return NULL;
}

static struct error *keep(void *ctx, const struct stored *e)
{
	struct stored *to = ctx;

	*to = *e;
	to->payload = (struct span){0};
	return NULL;
}

/* All entries of a log, to be given to another box. */
static struct error *into_run(void *ctx, const struct stored *e)
{
	struct made *m = ctx;
	size_t i = m->n++;

	assert_true(i < RUN_MAX && e->payload.n <= sizeof(m->body[i].bytes));
	m->raw[i] = e->raw;
	memcpy(m->body[i].salt, e->salt, ENTRY_SALT);
	if (e->payload.n)
		memcpy(m->body[i].bytes, e->payload.p, e->payload.n);
	m->payloads[i] = (struct ingest_payload){e->state, m->body[i].salt,
						 span_of(m->body[i].bytes, e->payload.n)};
	return NULL;
}

static void read_run(struct box *b, const struct log_info *i, struct made *m)
{
	m->id = i->id;
	m->n = 0;
	assert_ok(log_range(b->l, i->num, 1, i->live, into_run, m));
}

static void open_for_all(struct box *b, const struct hash *space)
{
	assert_ok(log_begin(b->l));
	assert_ok(log_open_space(b->l, space));
	assert_ok(log_commit(b->l));
}

static void what_was_never_said_to_be_open_is_closed(void **state)
{
	struct pubkey friend = {{1}}, stranger = {{2}};
	struct hash space, other;
	struct box b;

	(void)state;
	box_init(&b, 1);
	space = box_append(&b, NULL, NULL, "{\"type\":\"space.found\"}");
	other = box_append(&b, NULL, NULL, "{\"type\":\"space.found\",\"private\":true}");
	assert_true(log_is_closed(b.l, &space));
	assert_ok(log_begin(b.l));
	assert_ok(log_share(b.l, &space, &friend, true));
	assert_ok(log_commit(b.l));
	assert_true(log_shared_with(b.l, &space, &friend));
	assert_false(log_shared_with(b.l, &space, &stranger));
	assert_false(log_shared_with(b.l, &other, &friend));
	/* It is followed, whoever named it, but who was removed. */
	assert_true(log_followed_from(b.l, &space, &stranger));
	assert_ok(log_begin(b.l));
	assert_ok(log_share(b.l, &space, &friend, false));
	assert_ok(log_commit(b.l));
	assert_false(log_shared_with(b.l, &space, &friend));
	assert_false(log_followed_from(b.l, &space, &friend));
	open_for_all(&b, &space);
	open_for_all(&b, &space);
	assert_true(log_shared_with(b.l, &space, &stranger));
	assert_true(log_followed_from(b.l, &space, &friend));
	assert_true(log_is_closed(b.l, &other));
	box_release(&b);
}

static void founds_a_space_and_writes_in_it(void **state)
{
	struct hash space, op, spaces[4];
	struct stored e = {0};
	struct log_info i;
	struct entry f;
	struct box b;
	size_t n;

	(void)state;
	box_init(&b, 1);
	space = box_append(&b, NULL, NULL, "{\"type\":\"space.found\"}");
	op = box_append(&b, &space, ana, "hello");
	assert_ok(log_spaces(b.l, spaces, 4, &n));
	assert_int_equal(n, 1);
	assert_id_equal(&spaces[0], &space);
	i = newest_log(&b);
	assert_int_equal(i.num, 1);
	assert_int_equal(i.live, 2);
	assert_int_equal(i.audited, 2);
	assert_id_equal(&i.id.space, &space);
	assert_ok(log_op(b.l, &op, keep, &e));
	assert_int_equal(e.num, 2);
	assert_int_equal(e.seq, 2);
	assert_true(e.audited && e.live);
	entry_decode(&e.raw, &f);
	assert_id_equal(&f.author, secret_pubkey(ana));
	assert_true(entry_verify_author(&e.raw));
	assert_true(entry_verify_appliance(&e.raw));
	assert_clean(&b);
	box_release(&b);
}

static void an_undone_append_leaves_no_trace(void **state)
{
	static const struct hash rules = {"rules"};
	struct hash space, op;
	struct box b;
	int n = 0;

	(void)state;
	box_init(&b, 1);
	space = box_append(&b, NULL, NULL, "founding");
	struct log_append what = {&space, ana, b.key, rules, 5, span_str("x")};
	assert_ok(log_begin(b.l));
	assert_ok(log_savepoint(b.l));
	assert_ok(log_append(b.l, &what, &op));
	assert_ok(log_release(b.l));
	assert_ok(log_savepoint(b.l));
	assert_ok(log_append(b.l, &what, &op));
	log_undo(b.l);
	assert_ok(log_savepoint(b.l));
	assert_ok(log_append(b.l, &what, &op));
	assert_ok(log_release(b.l));
	assert_ok(log_commit(b.l));
	assert_ok(log_begin(b.l));
	assert_ok(log_append(b.l, &what, &op));
	log_rollback(b.l);
	box_append(&b, &space, ana, "last");
	assert_ok(log_arrivals(b.l, 0, 0, count_one, &n));
	assert_int_equal(n, 4);
	assert_int_equal(newest_log(&b).live, 4);
	assert_clean(&b);
	box_release(&b);
}

static void a_moved_copy_begins_a_new_incarnation(void **state)
{
	struct hash space;
	uint64_t first;
	struct box b;

	(void)state;
	box_init(&b, 1);
	space = box_append(&b, NULL, NULL, "founding");
	first = log_incarnation(b.l);
	log_close(b.l);
	box_open(&b, "here");
	assert_true(log_incarnation(b.l) == first);
	log_close(b.l);
	box_open(&b, NULL);
	assert_true(log_incarnation(b.l) == first);
	log_close(b.l);
	box_open(&b, "another disk");
	assert_false(log_incarnation(b.l) == first);
	box_append(&b, &space, ana, "from here on");
	assert_int_equal(newest_log(&b).num, 2);
	assert_int_equal(newest_log(&b).head, 1);
	assert_clean(&b);
	box_release(&b);
}

static void a_reader_sees_what_is_committed(void **state)
{
	struct log_open how = {.mode = DB_READER};
	struct log_store *reader;
	struct log_info i;
	int64_t change;
	struct hash space;
	struct box b;

	(void)state;
	box_init(&b, 1);
	how.path = b.path;
	how.env = &b.env.env;
	how.self = *secret_pubkey(b.key);
	assert_ok(log_open(&how, &reader));
	change = log_change(reader);
	space = box_append(&b, NULL, NULL, "founding");
	assert_true(log_change(reader) > change);
	assert_ok(log_info_by_num(reader, 1, &i));
	assert_int_equal(i.head, 1);
	assert_true(log_incarnation(reader) == log_incarnation(b.l));
	assert_true(log_admitted(reader, &space, secret_pubkey(b.key)));
	assert_false(log_admitted(reader, &space, secret_pubkey(ana)));
	assert_ok(log_begin(b.l));
	assert_ok(log_admit(b.l, &space, secret_pubkey(ana), true));
	assert_ok(log_commit(b.l));
	assert_true(log_admitted(reader, &space, secret_pubkey(ana)));
	assert_fails(log_begin(reader), ERR_DB);
	log_close(reader);
	box_release(&b);
}

static struct error *give_one_log(void *ctx, const struct log_info *i)
{
	static struct made run;
	struct box **pair = ctx;

	read_run(pair[0], i, &run);
	give(pair[1], &run, 1, run.n);
	return NULL;
}

static void give_all(struct box *from, struct box *to)
{
	struct box *pair[2] = {from, to};

	assert_ok(log_each(from->l, NULL, give_one_log, pair));
}

/* A box is copied; both copies write; what both wrote is live in the end, with the same op ids. */
static void a_cloned_box_carries_its_disputed_ops_over(void **state)
{
	static struct made ours, theirs;
	struct hash space, ops[3];
	_cleanup_(freep) char *copy = NULL;
	struct box b, c;
	int n;

	(void)state;
	box_init(&b, 1);
	box_init(&c, 1);
	space = box_append(&b, NULL, NULL, "founding");
	box_append(&b, &space, ana, "before");
	log_close(c.l);
	copy = path_join(c.dir, "copy.db");
	assert_ok(db_backup(log_db(b.l), copy));
	free(c.path);
	c.path = STEAL(copy);
	box_open(&c, "here"); /* a clone that can't know that it is one */
	c.env.state = 4711;
	ops[0] = box_append(&b, &space, ana, "written on b");
	ops[1] = box_append(&b, &space, NULL, "written on b by the box");
	ops[2] = box_append(&c, &space, ana, "written on c");
	struct log_info bi = newest_log(&b), ci = newest_log(&c);
	assert_int_equal(log_id_cmp(&bi.id, &ci.id), 0);
	assert_true(log_is_behind(c.l, &bi.id, bi.head));
	read_run(&b, &bi, &ours);
	read_run(&c, &ci, &theirs);
	assert_int_equal(give(&b, &theirs, 1, theirs.n), ERR_FORK);
	assert_int_equal(give(&c, &ours, 1, ours.n), ERR_FORK);
	assert_int_equal(info_of(&b, &bi.id).live, 2);
	assert_int_equal(info_of(&c, &bi.id).live, 2);
	assert_false(log_incarnation(b.l) == bi.id.incarnation);
	assert_false(log_incarnation(c.l) == bi.id.incarnation);
	/* Each has kept what the other wrote, and carries it too. */
	assert_ok(log_begin(b.l));
	assert_ok(log_carry(b.l, b.key, &n));
	assert_int_equal(n, 3);
	assert_ok(log_carry(b.l, b.key, &n));
	assert_int_equal(n, 0);
	assert_ok(log_commit(b.l));
	give_all(&b, &c);
	assert_ok(log_begin(c.l));
	assert_ok(log_carry(c.l, c.key, &n));
	assert_int_equal(n, 0);
	assert_ok(log_commit(c.l));
	for (int i = 0; i < 3; i++) {
		int live_b = 0, live_c = 0;

		assert_ok(log_op(b.l, &ops[i], count_live, &live_b));
		assert_ok(log_op(c.l, &ops[i], count_live, &live_c));
		assert_int_equal(live_b, 1);
		assert_int_equal(live_c, 1);
	}
	assert_clean(&b);
	assert_clean(&c);
	box_release(&b);
	box_release(&c);
}

/* A disk is set back to an old copy, the box can't know and writes on; what it wrote before is on a
 * peer only, behind the fork. */
static void what_a_disk_set_back_has_lost_comes_back_from_a_peer(void **state)
{
	static struct made lost;
	struct hash space, ops[4], rescued;
	struct stored e = {0};
	struct ingest_result r;
	_cleanup_(freep) char *copy = NULL;
	struct box b, old, peer;
	struct fork_proof proof;
	bool is_new;
	int n;

	(void)state;
	box_init(&b, 1);
	box_init(&old, 1);
	box_init(&peer, 2);
	space = box_append(&b, NULL, NULL, "founding");
	log_close(old.l);
	copy = path_join(old.dir, "copy.db");
	assert_ok(db_backup(log_db(b.l), copy));
	free(old.path);
	old.path = STEAL(copy);
	box_open(&old, "here");
	old.env.state = 4711;
	for (int i = 0; i < 3; i++)
		ops[i] = box_append(&b, &space, i == 1 ? NULL : ana,
				    "written before the disk was set back");
	struct log_info info = newest_log(&b);
	read_run(&b, &info, &lost);
	give_all(&b, &peer);
	ops[3] = box_append(&old, &space, ana, "written after");
	lost.payloads[2].state = PAYLOAD_NOT_HELD;
	assert_int_equal(give_as(&old, &lost, 4, 4, false, &r), ERR_GAP);
	assert_int_equal(r.disputed, 0); /* it may simply be behind: it asks for what is between */
	assert_int_equal(give_as(&old, &lost, 2, 2, false, &r), ERR_FORK);
	assert_int_equal(r.disputed, 1);
	/* From a peer that sees what lies between live elsewhere. */
	assert_int_equal(give_as(&old, &lost, 4, 4, false, &r), ERR_GAP);
	assert_int_equal(r.disputed, 1);
	assert_int_equal(give_as(&old, &lost, 2, lost.n, false, &r), ERR_FORK);
	assert_int_equal(r.disputed, 1);
	assert_int_equal(give_as(&old, &lost, 3, lost.n, false, &r), ERR_CHAIN);
	assert_int_equal(r.disputed, 0);
	assert_ok(log_begin(old.l));
	assert_ok(log_erase(old.l, &ops[0]));
	assert_ok(log_carry(old.l, old.key, &n));
	assert_ok(log_commit(old.l));
	assert_int_equal(n, 3); /* the erased one needs no carrying */
	for (int i = 1; i < 4; i++) {
		int live = 0;

		assert_ok(log_op(old.l, &ops[i], count_live, &live));
		assert_int_equal(live, 1);
	}
	assert_ok(log_op(old.l, &ops[1], keep, &e));
	assert_int_equal(e.state, PAYLOAD_NOT_HELD);
	assert_ok(log_op(old.l, &ops[2], keep, &e));
	assert_int_equal(e.state, PAYLOAD_HELD);
	rescued = entry_op_id(&e.raw);
	assert_id_equal(&rescued, &ops[2]);
	assert_clean(&old);
	give_all(&old, &peer);
	assert_ok(log_fork_proof(old.l, 1, &proof));
	assert_ok(log_begin(peer.l));
	assert_ok(log_ingest_fork(peer.l, &proof, &is_new));
	assert_ok(log_commit(peer.l));
	for (int i = 1; i < 4; i++) {
		int live = 0;

		assert_ok(log_op(peer.l, &ops[i], count_live, &live));
		assert_int_equal(live, 1);
	}
	box_release(&b);
	box_release(&old);
	box_release(&peer);
}

/* Restored from an old copy, it gets back from a peer what it had written since, and begins anew.
 */
static void an_old_copy_takes_its_own_entries_back_and_does_not_fork(void **state)
{
	static struct made run;
	struct hash space;
	struct log_info i;
	_cleanup_(freep) char *copy = NULL;
	struct box b, c;

	(void)state;
	box_init(&b, 1);
	box_init(&c, 1);
	space = box_append(&b, NULL, NULL, "founding");
	log_close(c.l);
	copy = path_join(c.dir, "copy.db");
	assert_ok(db_backup(log_db(b.l), copy));
	free(c.path);
	c.path = STEAL(copy);
	box_open(&c, "here");
	box_append(&b, &space, ana, "lost by the restored disk");
	i = newest_log(&b);
	read_run(&b, &i, &run);
	assert_int_equal(give(&c, &run, 1, run.n), ERR_NONE);
	assert_int_equal(info_of(&c, &i.id).live, 2);
	box_append(&c, &space, ana, "and on");
	assert_int_equal(info_of(&c, &i.id).live, 2);
	assert_int_equal(newest_log(&c).num, 2);
	box_release(&b);
	box_release(&c);
}

static void refuses_to_append_what_would_break_the_rules_of_entries(void **state)
{
	static uint8_t large[LIMIT_PAYLOAD + 1];
	struct log_append what = {.author = ana};
	struct hash space = {"s"}, op;
	struct secret *stranger = test_key(77);
	struct box b;

	(void)state;
	box_init(&b, 1);
	what.appliance = b.key;
	what.space = &space;
	assert_ok(log_begin(b.l));
	assert_fails(log_append(b.l, &what, &op), ERR_INTERNAL); /* no rules */
	what.rules = space;
	what.payload = span_of(large, sizeof(large));
	assert_fails(log_append(b.l, &what, &op), ERR_LIMIT);
	what.payload.n--;
	assert_ok(log_append(b.l, &what, &op));
	what.appliance = stranger;
	assert_fails(log_append(b.l, &what, &op), ERR_INTERNAL);
	log_rollback(b.l);
	secret_free(stranger);
	box_release(&b);
}

static int make_keys(void **state)
{
	(void)state;
	ana = test_key(50);
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	secret_free(ana);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_never_said_to_be_open_is_closed),
		cmocka_unit_test(founds_a_space_and_writes_in_it),
		cmocka_unit_test(an_undone_append_leaves_no_trace),
		cmocka_unit_test(a_moved_copy_begins_a_new_incarnation),
		cmocka_unit_test(a_reader_sees_what_is_committed),
		cmocka_unit_test(a_cloned_box_carries_its_disputed_ops_over),
		cmocka_unit_test(what_a_disk_set_back_has_lost_comes_back_from_a_peer),
		cmocka_unit_test(an_old_copy_takes_its_own_entries_back_and_does_not_fork),
		cmocka_unit_test(refuses_to_append_what_would_break_the_rules_of_entries),
	};
	test_init();
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
