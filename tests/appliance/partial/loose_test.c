/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Letting go of payloads, and having them again: the view, the digest, what a power cut leaves. */
#include "tests/appliance/community/town.h"
#include "appliance/community/community_priv.h"
#include "appliance/partial/partial_priv.h"

enum { POSTS = 12, SEEDS = 8, STEPS = 40 };

struct fixture {
	struct town t;
	struct hash posts[POSTS];
	struct hash whole; /* the digest when nothing is missing */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	town_open(&f->t);
	for (int i = 0; i < POSTS; i++) {
		char text[40];

		snprintf(text, sizeof(text), "paraula%d", i);
		test_env_pass(&f->t.a.env, 86400000);
		assert_ok(box_submit(&f->t.a, &f->t.space, "post.create", &f->t.topic,
				     f->t.who[i % 2 ? MEMBER : FOUNDER],
				     json_pack("{s:s}", "text", text), &f->posts[i]));
	}
	meet(&f->t.a, &f->t.b);
	f->whole = box_digest(&f->t.a, &f->t.space);
	assert_agree(&f->t);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	town_close(&f->t);
	free(f);
	return 0;
}

static struct loosened go(struct box *b, const struct hash *ops, size_t n)
{
	struct loosened went;
	struct error *e = conn_begin(b->c);

	if (!e)
		e = community_let_go(b->c, ops, n, &went);
	if (!e)
		e = conn_commit(b->c);
	assert_ok(e);
	return went;
}

/* What the log of one holds and the other lacks, carried as it comes of an exchange. */
struct filling {
	struct box *to;
	bool all;
	uint64_t dice;
};

static struct error *fill_one(void *ctx, const struct stored *e)
{
	struct filling *k = ctx;
	const struct log_id id = entry_log(&e->raw);
	struct ingest_payload p = {e->state, e->salt, e->payload};
	struct ingest in = {.id = &id, .first = e->seq, .headers = &e->raw, .payloads = &p, .n = 1};
	struct ingest_result r;
	struct error *refused = NULL;

	k->dice = k->dice * 6364136223846793005u + 1;
	if (e->state != PAYLOAD_HELD || (!k->all && k->dice >> 62))
		return NULL;
	TRY(log_ingest(k->to->c->log, &in, &r, &refused));
	return refused;
}

static void fill(struct box *from, struct box *to, bool all, uint64_t dice)
{
	struct filling k = {to, all, dice};
	bool more;

	assert_ok(conn_begin(to->c));
	assert_ok(log_arrivals(from->c->log, 0, 0, fill_one, &k));
	assert_ok(community_catch_up(to->c, 0, &more));
	assert_ok(conn_commit(to->c));
}

static struct hash heads_of(struct box *b, const struct hash *space)
{
	struct space_digest d;

	assert_ok(heads_space_digest(b->c->log, space, &d));
	return d.heads;
}

static void rebuild(struct box *b)
{
	assert_ok(community_rebuild(b->c));
}

static void what_went_is_absent_and_comes_back(void **state)
{
	struct fixture *f = *state;
	struct hash heads = heads_of(&f->t.b, &f->t.space), now, again;
	struct loosened went = go(&f->t.b, f->posts, 5);
	struct topic topic;
	struct partial_lack lack;

	assert_int_equal(went.ops, 5);
	assert_true(went.bytes > 5 * 20);
	assert_ok(topic_get(f->t.b.c, &f->t.topic, &topic));
	assert_int_equal(topic.posts, 1 + POSTS - 5);
	now = heads_of(&f->t.b, &f->t.space);
	assert_id_equal(&now, &heads);
	now = box_digest(&f->t.b, &f->t.space);
	assert_memory_not_equal(&now, &f->whole, sizeof(now));
	/* the view is what it would be had they never been fetched */
	rebuild(&f->t.b);
	again = box_digest(&f->t.b, &f->t.space);
	assert_id_equal(&again, &now);
	/* of those that went, one at least is named by what stayed */
	assert_ok(partial_lack(f->t.b.c, &f->t.space, &f->t.topic, &lack));
	assert_in_range(lack.ops, 1, 5);
	assert_false(lack.whole);
	fill(&f->t.a, &f->t.b, true, 1);
	now = box_digest(&f->t.b, &f->t.space);
	assert_id_equal(&now, &f->whole);
	assert_ok(partial_lack(f->t.b.c, &f->t.space, &f->t.topic, &lack));
	assert_int_equal(lack.ops, 0);
}

static void what_is_needed_stays(void **state)
{
	struct fixture *f = *state;
	struct loosened went;

	went = go(&f->t.b, &f->t.space, 1);
	assert_int_equal(went.ops, 0);
	went = go(&f->t.b, &f->t.forum, 1);
	assert_int_equal(went.ops, 0);
	assert_ok(conn_begin(f->t.b.c));
	assert_ok(log_need(f->t.b.c->log, &f->posts[2]));
	assert_ok(conn_commit(f->t.b.c));
	went = go(&f->t.b, f->posts, 3);
	assert_int_equal(went.ops, 2);
	/* nor does it go twice */
	went = go(&f->t.b, f->posts, 3);
	assert_int_equal(went.ops, 0);
}

/* The log committed, and then the power went: the view shows more than the log holds, and the next
 * run makes them one. */
static void a_power_cut_between_log_and_view_is_made_good(void **state)
{
	struct fixture *f = *state;
	struct hash now, again;
	uint64_t bytes;

	assert_ok(log_begin(f->t.b.c->log));
	assert_ok(log_drop(f->t.b.c->log, &f->posts[0], &bytes));
	assert_ok(log_commit(f->t.b.c->log));
	conn_close(STEAL(f->t.b.c));
	assert_ok(box_open(&f->t.b));
	now = box_digest(&f->t.b, &f->t.space);
	assert_memory_not_equal(&now, &f->whole, sizeof(now));
	rebuild(&f->t.b);
	again = box_digest(&f->t.b, &f->t.space);
	assert_id_equal(&again, &now);
	/* what came back stays when it opens another time */
	fill(&f->t.a, &f->t.b, true, 1);
	conn_close(STEAL(f->t.b.c));
	assert_ok(box_open(&f->t.b));
	now = box_digest(&f->t.b, &f->t.space);
	assert_id_equal(&now, &f->whole);
}

static struct error *see_topic(void *ctx, const struct topic *t)
{
	struct topic *ret = ctx;

	*ret = *t;
	return NULL;
}

/* In a large first sync the newest come first, and the forums, which are old, last. */
static void a_conversation_is_listed_before_its_forum_came(void **state)
{
	struct fixture *f = *state;
	struct topic t = {.num = 0};
	uint64_t bytes;

	assert_ok(log_begin(f->t.b.c->log));
	assert_ok(log_drop(f->t.b.c->log, &f->t.forum, &bytes));
	assert_ok(log_commit(f->t.b.c->log));
	rebuild(&f->t.b);
	assert_ok(topic_recent(f->t.b.c, 5, see_topic, &t));
	assert_id_equal(&t.id, &f->t.topic);
	assert_string_equal(t.forum_title, "");
	/* and not when it comes no more */
	assert_ok(conn_begin(f->t.b.c));
	assert_ok(log_erase(f->t.b.c->log, &f->t.forum));
	assert_ok(conn_commit(f->t.b.c));
	t.num = 0;
	assert_ok(topic_recent(f->t.b.c, 5, see_topic, &t));
	assert_int_equal(t.num, 0);
	fill(&f->t.a, &f->t.b, true, 1);
}

static size_t remembered(struct box *b)
{
	struct hash ops[1000];
	int64_t after = 0;
	size_t n;

	assert_ok(log_dropped(b->c->log, &after, ops, ARRAY_LEN(ops), &n));
	return n;
}

/* The view is what it is when it is made anew. */
static void is_as_made_anew(struct fixture *f)
{
	struct hash now = box_digest(&f->t.b, &f->t.space), again;

	assert_memory_not_equal(&now, &f->whole, sizeof(now));
	rebuild(&f->t.b);
	again = box_digest(&f->t.b, &f->t.space);
	assert_id_equal(&now, &again);
}

/* The commit of log and local, as far as conn_commit comes when the disk is full behind them. */
static void commit_without_view(struct conn *c)
{
	assert_ok(log_commit(c->log));
	assert_ok(db_commit(c->local));
	db_rollback(c->view);
	memory_drop(c);
}

static void what_went_goes_from_the_view_too_when_its_commit_found_no_room(void **state)
{
	struct fixture *f = *state;
	struct conn *c = f->t.b.c;
	struct loosened went;

	assert_ok(conn_begin(c));
	assert_ok(community_let_go(c, f->posts, 5, &went));
	commit_without_view(c);
	c->community->behind = true;
	c->community->touched = c->community->part_touched = false;
	assert_ok(conn_settle(c)); /* it is not forgotten that they went */
	assert_int_equal(remembered(&f->t.b), 5);
	while (conn_is_behind(c))
		assert_ok(conn_follow(c));
	is_as_made_anew(f);
}

static void what_goes_while_the_view_is_made_anew_is_not_in_the_new_one(void **state)
{
	struct fixture *f = *state;
	struct conn *c = f->t.b.c;
	bool more;

	assert_ok(conn_beside(c, &c->community->next));
	assert_ok(conn_begin(c->community->next));
	assert_ok(catch_up_part(c->community->next, &more));
	assert_ok(conn_commit(c->community->next));
	assert_int_equal(go(&f->t.b, f->posts, 5).ops, 5);
	assert_ok(conn_settle(c));
	assert_int_equal(remembered(&f->t.b), 5);
	do
		assert_ok(community_rebuild_step(c, &more));
	while (more);
	is_as_made_anew(f);
	assert_ok(conn_settle(c));
	assert_int_equal(remembered(&f->t.b), 0);
}

/* More than are looked at at once; and remembered until the view is durable, however many passes that is. */
static void a_power_cut_behind_large_passes_is_made_good(void **state)
{
	enum { MANY = 600 };
	struct fixture *f = *state;
	struct conn *c = f->t.b.c;
	static struct hash ids[MANY];
	struct loosened went;

	assert_ok(conn_begin(f->t.a.c));
	for (int i = 0; i < MANY; i++)
		assert_ok(community_submit(f->t.a.c,
					   &(struct draft){.type = "post.create",
							   .space = f->t.space,
							   .object = &f->t.topic,
							   .author = f->t.who[FOUNDER],
							   .take_body = json_pack("{s:s}", "text", "x")},
					   &ids[i]));
	assert_ok(conn_commit(f->t.a.c));
	meet(&f->t.a, &f->t.b);
	assert_ok(conn_settle(c));
	assert_int_equal(go(&f->t.b, f->posts, 5).ops, 5);
	assert_int_equal(remembered(&f->t.b), 5);
	assert_ok(conn_settle(c));
	assert_int_equal(remembered(&f->t.b), 0);
	assert_ok(conn_begin(c));
	assert_ok(community_let_go(c, ids, MANY, &went));
	assert_int_equal(went.ops, MANY);
	commit_without_view(c);
	conn_close(STEAL(f->t.b.c));
	assert_ok(box_open(&f->t.b));
	assert_int_equal(remembered(&f->t.b), MANY);
	is_as_made_anew(f);
}

/* A run that lets go, as if some of the messages were proved to be elsewhere. */
static void gather_for_letting_go(struct fixture *f, struct pass *p)
{
	struct conn *c = f->t.b.c;
	struct partial_run r;

	test_env_pass(&f->t.b.env, (int64_t)400 * 86400000);
	assert_ok(conn_begin(c));
	assert_ok(partial_choose(c, &(struct keep){.payload_days = 1}));
	assert_ok(partial_look(c));
	assert_ok(partial_run_get(c, &r));
	r.state = PARTIAL_LOOKED;
	assert_ok(run_set(c, &r));
	assert_ok(partial_let_go(c));
	assert_ok(pass_gather(c, p));
	assert_ok(conn_commit(c));
	assert_true(pass_n(p) >= POSTS);
	for (size_t i = 0; i < pass_n(p); i++)
		p->safe[i] = true;
}

static int64_t lacks(struct fixture *f)
{
	struct partial_lack lack;

	assert_ok(partial_lack(f->t.b.c, &f->t.space, &f->t.topic, &lack));
	return lack.ops;
}

static void none_goes_of_which_nobody_knows_after_a_power_cut(void **state)
{
	struct fixture *f = *state;
	_cleanup_(pass_release) struct pass p = {.idle = false};
	struct wish w = {f->t.space, f->t.topic};
	struct conn *c = f->t.b.c;
	size_t left, fresh, n;

	gather_for_letting_go(f, &p);
	n = pass_n(&p);
	assert_ok(conn_begin(c));
	assert_ok(pass_note(c, &p));
	assert_ok(conn_commit(c));
	assert_int_equal(lacks(f), 0); /* they are noted, and here */
	assert_ok(conn_begin(c));
	assert_ok(pass_record(c, &p));
	assert_ok(log_commit(c->log));
	db_rollback(c->local);
	db_rollback(c->view);
	memory_drop(c);
	conn_close(STEAL(f->t.b.c));
	assert_ok(box_open(&f->t.b));
	c = f->t.b.c;
	assert_int_equal(lacks(f), n);
	assert_ok(conn_begin(c));
	assert_ok(partial_wish(c, &f->t.space, &f->t.topic));
	assert_ok(lack_need(c, &w, &left, &fresh));
	assert_ok(conn_commit(c));
	assert_int_equal(fresh, n);
}

static void what_has_no_room_at_once_goes_in_parts(void **state)
{
	struct fixture *f = *state;
	_cleanup_(pass_release) struct pass p = {.idle = false};
	struct conn *c = f->t.b.c;
	struct partial_run r;
	size_t n;

	gather_for_letting_go(f, &p);
	n = pass_n(&p);
	p.most = n - 3;
	for (int round = 0; round < 2; round++) {
		assert_ok(conn_begin(c));
		assert_ok(pass_note(c, &p));
		assert_ok(conn_commit(c));
		assert_ok(conn_begin(c));
		assert_ok(pass_record(c, &p));
		assert_ok(conn_commit(c));
		assert_ok(partial_run_get(c, &r));
		assert_int_equal(r.safe_ops, round ? n : n - 3);
		assert_int_equal(r.ops, r.safe_ops);
		assert_int_equal(lacks(f), r.safe_ops);
		if (round)
			break;
		assert_int_equal(r.row, 0);
		pass_release(&p);
		p = (struct pass){.idle = false};
		assert_ok(conn_begin(c));
		assert_ok(pass_gather(c, &p));
		assert_ok(conn_commit(c));
		assert_int_equal(pass_n(&p), 3);
		memset(p.safe, true, 3);
	}
	assert_true(r.row > 0);
	is_as_made_anew(f);
}

static void a_conversation_that_went_is_known_by_its_header(void **state)
{
	struct fixture *f = *state;
	struct partial_lack lack;
	struct hash space, all[POSTS + 1];

	memcpy(all, f->posts, sizeof(f->posts));
	all[POSTS] = f->t.topic;
	go(&f->t.b, all, POSTS + 1);
	assert_ok(partial_space_of(f->t.b.c, &f->t.topic, &space));
	assert_id_equal(&space, &f->t.space);
	assert_ok(partial_lack(f->t.b.c, &f->t.space, &f->t.topic, &lack));
	assert_true(lack.whole);
	/* what is erased comes no more, and what was never heard of is not known */
	assert_ok(conn_begin(f->t.b.c));
	assert_ok(log_erase(f->t.b.c->log, &f->t.topic));
	assert_ok(conn_commit(f->t.b.c));
	assert_fails(partial_space_of(f->t.b.c, &f->t.topic, &space), ERR_NOT_FOUND);
	assert_fails(partial_space_of(f->t.b.c, &(struct hash){{9}}, &space), ERR_NOT_FOUND);
}

/* A reply stays, what it replies to went with its conversation: the beginning is asked for again.
 */
static void the_beginning_of_what_is_held_is_needed(void **state)
{
	struct fixture *f = *state;
	int64_t from = 0;
	bool needed;
	size_t n;

	go(&f->t.b, &f->t.topic, 1);
	assert_ok(conn_begin(f->t.b.c));
	assert_ok(community_need_more(f->t.b.c, &from, &n));
	assert_ok(conn_commit(f->t.b.c));
	assert_int_equal(n, 1);
	assert_ok(log_is_needed(f->t.b.c->log, &f->t.topic, &needed));
	assert_true(needed);
}

/* What a moderator did is asked for even when it is old: a hidden message stays hidden. */
static void what_moderators_did_is_needed(void **state)
{
	struct fixture *f = *state;
	struct hash hide;
	int64_t from = 0;
	uint64_t bytes;
	bool needed;
	size_t n;

	assert_ok(box_submit(
		&f->t.a, &f->t.space, "post.hide", &f->t.topic, f->t.who[MODERATOR],
		json_pack("{s:s, s:b, s:s}", "post", ID(&f->posts[1]), "hidden", 1, "reason", "no"),
		&hide));
	meet(&f->t.a, &f->t.b);
	assert_ok(conn_begin(f->t.b.c));
	assert_ok(log_drop(f->t.b.c->log, &hide, &bytes));
	assert_ok(conn_commit(f->t.b.c));
	rebuild(&f->t.b);
	assert_ok(conn_begin(f->t.b.c));
	assert_ok(community_need_more(f->t.b.c, &from, &n));
	assert_ok(conn_commit(f->t.b.c));
	assert_true(n >= 1);
	assert_ok(log_is_needed(f->t.b.c->log, &hide, &needed));
	assert_true(needed);
}

/* Whatever goes and comes, in any order, with openings and rebuilds between: the heads never move,
 * and with everything back all is as before. */
static void any_order_of_going_and_coming_ends_alike(void **state)
{
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct fixture *f = *state;
		struct test_env dice;
		struct hash heads = heads_of(&f->t.b, &f->t.space), now;

		test_env_init(&dice, 0, seed);
		for (int i = 0; i < STEPS; i++) {
			uint64_t roll = test_rand(&dice);

			if (roll % 8 == 0)
				rebuild(&f->t.b);
			else if (roll % 2)
				go(&f->t.b, &f->posts[roll / 8 % POSTS], 1);
			else
				fill(&f->t.a, &f->t.b, false, roll);
			now = heads_of(&f->t.b, &f->t.space);
			assert_id_equal(&now, &heads);
		}
		now = box_digest(&f->t.b, &f->t.space);
		rebuild(&f->t.b);
		heads = box_digest(&f->t.b, &f->t.space);
		assert_id_equal(&now, &heads);
		fill(&f->t.a, &f->t.b, true, 1);
		now = box_digest(&f->t.b, &f->t.space);
		assert_id_equal(&now, &f->whole);
	}
}

static void a_wish_waits_until_all_is_here(void **state)
{
	struct fixture *f = *state;
	struct wish w = {f->t.space, f->t.topic};
	size_t left, fresh;
	int64_t wishes;
	bool needed;

	assert_ok(conn_begin(f->t.b.c));
	for (int i = 0; i < 5; i++)
		assert_ok(gone_add(f->t.b.c, &f->t.topic, &f->posts[i]));
	assert_ok(partial_wish(f->t.b.c, &f->t.space, &f->t.topic));
	assert_ok(partial_wish(f->t.b.c, &f->t.space, &f->t.topic));
	assert_ok(conn_commit(f->t.b.c));
	go(&f->t.b, f->posts, 5);
	assert_ok(partial_wishes(f->t.b.c, &wishes));
	assert_int_equal(wishes, 1);
	assert_ok(conn_begin(f->t.b.c));
	assert_ok(lack_need(f->t.b.c, &w, &left, &fresh));
	assert_int_equal(left, 5);
	assert_int_equal(fresh, 5);
	assert_ok(lack_need(f->t.b.c, &w, &left, &fresh));
	assert_int_equal(fresh, 0);
	assert_ok(conn_commit(f->t.b.c));
	assert_ok(log_is_needed(f->t.b.c->log, &f->posts[4], &needed));
	assert_true(needed);
	fill(&f->t.a, &f->t.b, true, 1);
	assert_ok(conn_begin(f->t.b.c));
	assert_ok(lack_need(f->t.b.c, &w, &left, &fresh));
	assert_int_equal(left, 0);
	assert_ok(wish_done(f->t.b.c, &f->t.topic));
	assert_ok(conn_commit(f->t.b.c));
	assert_ok(partial_wishes(f->t.b.c, &wishes));
	assert_int_equal(wishes, 0);
}

static void only_so_much_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct error *e = NULL;

	assert_ok(conn_begin(f->t.b.c));
	for (unsigned char i = 0; i < PARTIAL_WISHES; i++)
		assert_ok(partial_wish(f->t.b.c, &f->t.space, &(struct hash){{i, 1}}));
	e = partial_wish(f->t.b.c, &f->t.space, &f->t.topic);
	assert_fails(e, ERR_LIMIT);
	/* a day's number is bounded, too, whatever came of them */
	for (unsigned i = 0; i <= PARTIAL_WISHES_A_DAY; i++) {
		struct hash id = {{(unsigned char)(i % PARTIAL_WISHES),
				   (unsigned char)(1 + i / PARTIAL_WISHES)}};

		assert_ok(wish_done(f->t.b.c,
				    &(struct hash){{(unsigned char)(i % PARTIAL_WISHES), 1}}));
		e = partial_wish(f->t.b.c, &f->t.space, &id);
		if (e)
			break;
		assert_ok(wish_done(f->t.b.c, &id));
	}
	assert_fails(e, ERR_LIMIT);
	test_env_pass(&f->t.b.env, (int64_t)2 * 86400000);
	assert_ok(partial_wish(f->t.b.c, &f->t.space, &f->t.topic));
	assert_ok(conn_commit(f->t.b.c));
}

static void a_run_is_about_the_choice_that_was_shown(void **state)
{
	struct fixture *f = *state;
	struct conn *c = f->t.b.c;
	struct partial_run r;

	assert_ok(conn_begin(c));
	assert_fails(partial_look(c), ERR_INVALID);
	assert_fails(partial_let_go(c), ERR_INVALID);
	assert_ok(partial_choose(c, &(struct keep){.payload_days = 365}));
	assert_ok(partial_look(c));
	assert_fails(partial_let_go(c), ERR_INVALID); /* it is looking still */
	assert_ok(partial_run_get(c, &r));
	assert_int_equal(r.state, PARTIAL_LOOKING);
	r.state = PARTIAL_LOOKED;
	assert_ok(run_set(c, &r));
	assert_ok(partial_choose(c, &(struct keep){.payload_days = 30}));
	assert_fails(partial_let_go(c), ERR_INVALID); /* that is another choice */
	assert_ok(partial_choose(c, &(struct keep){.payload_days = 365}));
	assert_ok(partial_let_go(c));
	assert_ok(partial_run_get(c, &r));
	assert_int_equal(r.state, PARTIAL_LETTING_GO);
	assert_ok(partial_stop(c));
	assert_ok(partial_run_get(c, &r));
	assert_int_equal(r.state, PARTIAL_DONE);
	assert_ok(conn_commit(c));
}

/* In between it was one that keeps everything, and others may have let go of the same because of that. */
static void who_chooses_otherwise_and_back_lets_nothing_go_by_older_proofs(void **state)
{
	struct fixture *f = *state;
	struct conn *c = f->t.b.c;
	const struct keep all = {.payload_days = 0}, part = {.payload_days = 1};
	_cleanup_(pass_release) struct pass p = {.idle = false};
	struct hash before = box_digest(&f->t.b, &f->t.space), after;
	struct partial_run r;

	test_env_pass(&f->t.b.env, (int64_t)100 * 86400000);
	assert_ok(conn_begin(c));
	assert_ok(partial_choose(c, &part));
	assert_ok(partial_look(c));
	assert_ok(partial_run_get(c, &r));
	r.state = PARTIAL_LOOKED;
	assert_ok(run_set(c, &r));
	assert_ok(partial_let_go(c));
	assert_ok(pass_gather(c, &p));
	assert_ok(conn_commit(c));
	assert_true(pass_n(&p) > POSTS / 2);
	for (size_t i = 0; i < pass_n(&p); i++)
		p.safe[i] = p.answered = true;
	assert_ok(conn_begin(c));
	assert_ok(partial_choose(c, &all));
	assert_ok(conn_commit(c));
	assert_ok(conn_begin(c));
	assert_ok(partial_choose(c, &part));
	assert_ok(pass_record(c, &p));
	assert_ok(conn_commit(c));
	after = box_digest(&f->t.b, &f->t.space);
	assert_id_equal(&after, &before);
	assert_ok(partial_run_get(c, &r));
	assert_int_equal(r.state, PARTIAL_DONE);
	assert_int_equal(r.ops, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_went_is_absent_and_comes_back),
		T(what_is_needed_stays),
		T(a_power_cut_between_log_and_view_is_made_good),
		T(a_power_cut_behind_large_passes_is_made_good),
		T(none_goes_of_which_nobody_knows_after_a_power_cut),
		T(what_has_no_room_at_once_goes_in_parts),
		T(what_went_goes_from_the_view_too_when_its_commit_found_no_room),
		T(what_goes_while_the_view_is_made_anew_is_not_in_the_new_one),
		T(a_conversation_is_listed_before_its_forum_came),
		T(a_conversation_that_went_is_known_by_its_header),
		T(the_beginning_of_what_is_held_is_needed),
		T(what_moderators_did_is_needed),
		T(any_order_of_going_and_coming_ends_alike),
		T(a_wish_waits_until_all_is_here),
		T(only_so_much_is_waited_for),
		T(a_run_is_about_the_choice_that_was_shown),
		T(who_chooses_otherwise_and_back_lets_nothing_go_by_older_proofs),
	};

	return run_group(tests);
}
