/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Older ops of what is shown already come in a storm: folding it again is put off, and nothing but
 * that. */
#include "tests/appliance/community/anew.h"
#include "tests/appliance/community/town.h"

/* --- a box that has all headers, and gets the payloads one by one --- */
struct held {
	int log; /* in `from` */
	uint64_t seq;
};

enum { HELD_MAX = 4096, LOGS_MAX = 8 };

struct filling {
	struct box *to;
	struct log_id id[LOGS_MAX];
	struct carried logs[LOGS_MAX];
	int logs_n;
	struct held all[HELD_MAX];
	size_t n;
};

static struct error *ingest(struct filling *f, int log, uint64_t first, size_t n,
			    const struct ingest_payload *payloads)
{
	struct error *refused = NULL;
	struct ingest_result r;

	TRY(log_ingest(
		f->to->c->log,
		&(struct ingest){
			.id = &f->id[log],
			.first = first,
			.headers = (const struct entry_bytes *)(void *)f->logs[log].headers.p +
				   first - 1,
			.payloads = payloads,
			.n = n},
		&r, &refused));
	return refused;
}

static void filling_open(struct filling *f, struct box *from, struct box *to)
{
	static const struct ingest_payload nothing[HELD_MAX] = {
		[0 ... HELD_MAX - 1] = {.state = PAYLOAD_NOT_HELD}};
	struct logs_of logs = {.n = 0};

	*f = (struct filling){.to = to};
	assert_ok(log_each(from->c->log, NULL, collect_info, &logs));
	assert_true(logs.n <= LOGS_MAX);
	assert_ok(conn_begin(to->c));
	for (size_t i = 0; i < logs.n; i++) {
		struct carried *k = &f->logs[f->logs_n];

		f->id[f->logs_n] = logs.info[i].id;
		assert_ok(log_range(from->c->log, logs.info[i].num, 1, logs.info[i].live,
				    carry_entry, k));
		assert_ok(ingest(f, f->logs_n, 1, k->n, nothing));
		for (size_t e = 0; e < k->n; e++)
			f->all[f->n++] = (struct held){f->logs_n, e + 1};
		f->logs_n++;
	}
	assert_ok(catch_up_lazily(to->c, 0));
	assert_ok(conn_commit(to->c));
}

static void filling_close(struct filling *f)
{
	for (int i = 0; i < f->logs_n; i++)
		carried_release(&f->logs[i]);
}

/* The payloads first … first + n - 1 of the order that was chosen come, in one batch. */
static void fill(struct filling *f, size_t first, size_t n, size_t spare)
{
	assert_ok(conn_begin(f->to->c));
	for (size_t i = first; i < first + n; i++) {
		const struct held *h = &f->all[i];

		assert_ok(ingest(f, h->log, h->seq, 1, &f->logs[h->log].list[h->seq - 1]));
	}
	assert_ok(catch_up_lazily(f->to->c, spare));
	assert_ok(conn_commit(f->to->c));
}

static struct hash anew(struct box *b, const struct hash *space)
{
	struct hash h;

	assert_ok(conn_begin(b->c));
	assert_ok(digest_anew(b->c, space, &h));
	conn_rollback(b->c);
	return h;
}

static void write_at_a(struct town *t, int person, const char *text, struct hash *ret)
{
	test_env_pass(&t->a.env, 1000);
	assert_ok(post(t, &t->a, person, text, ret));
}

/* --- one topic ----------------------------------------------------------------------------------
 */

/* C has the rules and the topic's beginning, and the newest post: of the others only headers. */
struct one {
	struct town t;
	struct box c;
	struct filling f;
	size_t middle, middle_n; /* in f.all: what is to come */
};

static void one_open(struct one *o, int posts)
{
	size_t before = 0;
	char text[24];

	town_open(&o->t);
	box_init(&o->c, 3, 1764000000000);
	assert_ok(box_submit(&o->t.a, &o->t.space, "appliance.admit", NULL, o->t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(o->c.key)), "name",
				       "C", "mode", "write"),
			     NULL));
	for (int i = 0; i < posts; i++) {
		snprintf(text, sizeof(text), "post %d", i);
		write_at_a(&o->t, FOUNDER, text, NULL);
	}
	assert_ok(box_open(&o->c));
	filling_open(&o->f, &o->t.a, &o->c);
	/* The rules, the forum and the topic are at the beginning of a's log; the last of the
	 * posts. */
	while (before + 1 < o->f.n && o->f.all[before + 1].log == 0)
		before++;
	o->middle = before + 1 - (size_t)posts;
	o->middle_n = before - o->middle;
	fill(&o->f, 0, o->middle, 0);
	fill(&o->f, before, 1, 0);
}

static void one_close(struct one *o)
{
	filling_close(&o->f);
	box_release(&o->c);
	town_close(&o->t);
}

static void older_posts_wait_until_it_is_quiet(void **state)
{
	struct hash whole, here;
	struct one o;

	one_open(&o, 4);
	assert_false(object_is_late(o.c.c, &o.t.topic));
	assert_posts(&o.c, &o.t.topic, "first|post 3");
	fill(&o.f, o.middle, 2, 0);
	assert_true(object_is_late(o.c.c, &o.t.topic));
	assert_true(conn_is_behind(o.c.c));
	assert_posts(&o.c, &o.t.topic, "first|post 3");
	fill(&o.f, o.middle + 2, 1, 0);
	assert_posts(&o.c, &o.t.topic, "first|post 3");
	assert_ok(box_follow(&o.c));
	assert_false(object_is_late(o.c.c, &o.t.topic));
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 1|post 2|post 3");
	whole = anew(&o.c, &o.t.space);
	here = box_digest(&o.c, &o.t.space);
	assert_id_equal(&whole, &here);
	one_close(&o);
}

static void what_costs_little_is_folded_at_once(void **state)
{
	struct one o;

	one_open(&o, 4);
	fill(&o.f, o.middle, 1, 4);
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 3");
	fill(&o.f, o.middle + 1, 1, 3);
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 3");
	one_close(&o);
}

/* What is written in one that is too large to be folded meanwhile is shown behind what was shown. */
static void who_writes_in_a_large_one_waits_for_nothing(void **state)
{
	struct hash whole, here;
	struct one o;

	one_open(&o, 4);
	o.c.c->community->at_once = 3;
	fill(&o.f, o.middle, 2, 0);
	test_env_pass(&o.c.env, 3600000);
	assert_ok(post(&o.t, &o.c, FOUNDER, "mine", NULL));
	assert_true(object_is_late(o.c.c, &o.t.topic));
	assert_true(conn_is_behind(o.c.c));
	assert_posts(&o.c, &o.t.topic, "first|post 3|mine");
	assert_ok(post(&o.t, &o.c, FOUNDER, "mine again", NULL));
	assert_posts(&o.c, &o.t.topic, "first|post 3|mine|mine again");
	/* What others wrote waits with the rest. */
	fill(&o.f, o.middle + 2, 1, 0);
	assert_posts(&o.c, &o.t.topic, "first|post 3|mine|mine again");
	assert_ok(box_follow(&o.c));
	assert_false(object_is_late(o.c.c, &o.t.topic));
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 1|post 2|post 3|mine|mine again");
	whole = anew(&o.c, &o.t.space);
	here = box_digest(&o.c, &o.t.space);
	assert_id_equal(&whole, &here);
	one_close(&o);
}

static void who_writes_in_a_small_one_sees_all_of_it(void **state)
{
	struct one o;

	one_open(&o, 4);
	fill(&o.f, o.middle, 2, 0);
	test_env_pass(&o.c.env, 3600000);
	assert_ok(post(&o.t, &o.c, FOUNDER, "mine", NULL));
	assert_false(object_is_late(o.c.c, &o.t.topic));
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 1|post 3|mine");
	one_close(&o);
}

static bool count_down(void *ctx)
{
	int *left = ctx;

	return *left && !--*left;
}

/* Somebody writes while a large one is folded again: it is as if that had not begun. */
static void folding_again_gives_way_to_who_writes(void **state)
{
	enum { POSTS = 200 };
	struct error *e;
	struct one o;
	int left = 2;

	one_open(&o, POSTS);
	fill(&o.f, o.middle, POSTS - 2, 0);
	assert_posts(&o.c, &o.t.topic, "first|post 199");
	conn_give_way(o.c.c, count_down, &left);
	e = conn_follow(o.c.c);
	assert_true(error_is(e, ERR_BUSY));
	error_free(e);
	assert_int_equal(left, 0);
	assert_true(conn_is_behind(o.c.c));
	assert_true(object_is_late(o.c.c, &o.t.topic));
	assert_posts(&o.c, &o.t.topic, "first|post 199");
	/* What is done for somebody who waits does not. */
	left = 1;
	assert_ok(post(&o.t, &o.c, FOUNDER, "mine", NULL));
	assert_int_equal(left, 1);
	assert_false(object_is_late(o.c.c, &o.t.topic));
	one_close(&o);
}

static void moderation_is_never_put_off(void **state)
{
	struct hash bad, hide;
	struct town t;
	struct box c;
	struct filling f;
	size_t n;

	town_open(&t);
	write_at_a(&t, MEMBER, "bad", &bad);
	write_at_a(&t, MEMBER, "good", NULL);
	assert_ok(box_submit(&t.a, &t.space, "post.hide", &t.topic, t.who[MODERATOR],
			     json_pack("{s:s,s:b}", "post", ID(&bad), "hidden", true), &hide));
	write_at_a(&t, MEMBER, "last", NULL);
	box_init(&c, 3, 1764000000000);
	assert_ok(box_open(&c));
	filling_open(&f, &t.a, &c);
	n = f.logs[0].n;
	fill(&f, 0, n - 4, 0);
	fill(&f, n - 1, 1, 0);
	fill(&f, n - 4, 2, 0); /* bad, good */
	assert_posts(&c, &t.topic, "first|last");
	fill(&f, n - 2, 1, 0);
	assert_posts(&c, &t.topic, "first|(hidden)|good|last");
	assert_false(object_is_late(c.c, &t.topic));
	filling_close(&f);
	box_release(&c);
	town_close(&t);
}

static void an_erasure_is_never_put_off(void **state)
{
	struct hash words;
	struct one o;

	one_open(&o, 4);
	fill(&o.f, o.middle, 2, 0);
	assert_posts(&o.c, &o.t.topic, "first|post 3");
	/* The newest, that is shown, is erased where it was written. */
	words = entry_op_id((const struct entry_bytes *)(void *)o.f.logs[0].headers.p +
			    o.f.logs[0].n - 1);
	assert_ok(box_erase(&o.t.a, &o.t.space, &words, o.t.who[FOUNDER]));
	filling_close(&o.f);
	filling_open(&o.f, &o.t.a, &o.c);
	fill(&o.f, o.f.logs[0].n - 1, 1, 0);
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 1|(erased)");
	assert_false(object_is_late(o.c.c, &o.t.topic));
	one_close(&o);
}

/* Closed without a word, as by a pulled plug: the mark is where the rows are. */
static void a_crash_in_between_is_caught_up(void **state)
{
	struct one o;

	one_open(&o, 4);
	fill(&o.f, o.middle, 3, 0);
	assert_posts(&o.c, &o.t.topic, "first|post 3");
	conn_close(o.c.c);
	assert_ok(box_open(&o.c));
	assert_false(object_is_late(o.c.c, &o.t.topic));
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 1|post 2|post 3");
	one_close(&o);
}

static void who_writes_in_it_has_it_folded_first(void **state)
{
	struct one o;

	one_open(&o, 4);
	fill(&o.f, o.middle, 3, 0);
	assert_posts(&o.c, &o.t.topic, "first|post 3");
	assert_ok(post(&o.t, &o.c, MEMBER, "here", NULL));
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 1|post 2|post 3|here");
	one_close(&o);
}

static void it_can_be_folded_before_it_is_shown(void **state)
{
	struct one o;

	one_open(&o, 4);
	fill(&o.f, o.middle, 3, 0);
	assert_ok(conn_begin(o.c.c));
	assert_ok(object_freshen(o.c.c, &o.t.space, &o.t.topic));
	assert_ok(conn_commit(o.c.c));
	assert_false(object_is_late(o.c.c, &o.t.topic));
	assert_posts(&o.c, &o.t.topic, "first|post 0|post 1|post 2|post 3");
	one_close(&o);
}

/* --- any order ----------------------------------------------------------------------------------
 */

enum { TOPICS = 4, SEEDS = 6, STEPS = 60 };

struct world {
	struct town t;
	struct test_env rand;
	struct hash topic[TOPICS], any[STEPS];
	int any_topic[STEPS], n;
};

static void write_one(struct world *w, struct box *b)
{
	int topic = (int)test_below(&w->rand, TOPICS), k;
	uint64_t what = test_below(&w->rand, 100);
	const struct secret *who = w->t.who[test_below(&w->rand, 4)];
	struct hash id;
	char text[32];
	json_t *body;
	struct error *err;

	snprintf(text, sizeof(text), "words %d", w->n);
	test_env_pass(&b->env, (int64_t)test_below(&w->rand, 5000));
	k = w->n ? (int)test_below(&w->rand, (uint64_t)w->n) : 0;
	if (what < 80 || !w->n) {
		body = json_pack("{s:s}", "text", text);
		err = box_submit(b, &w->t.space, "post.create", &w->topic[topic], who, body, &id);
	} else if (what < 90) {
		body = json_pack("{s:s,s:s}", "post", ID(&w->any[k]), "text", text);
		err = box_submit(b, &w->t.space, "post.edit", &w->topic[w->any_topic[k]], who, body,
				 NULL);
		error_free(err); /* of somebody else, or not here */
		return;
	} else if (what < 95) {
		body = json_pack("{s:s,s:b}", "post", ID(&w->any[k]), "hidden", true);
		err = box_submit(b, &w->t.space, "post.hide", &w->topic[w->any_topic[k]],
				 w->t.who[MODERATOR], body, NULL);
		error_free(err);
		return;
	} else {
		err = box_erase(b, &w->t.space, &w->any[k], w->t.who[MODERATOR]);
		error_free(err);
		return;
	}
	assert_ok(err);
	w->any[w->n] = id;
	w->any_topic[w->n++] = topic;
}

static void world_open(struct world *w, uint64_t seed)
{
	w->n = 0;
	test_env_init(&w->rand, 0, seed);
	town_open(&w->t);
	for (int i = 0; i < TOPICS; i++)
		assert_ok(box_submit(&w->t.a, &w->t.space, "topic.create", NULL, w->t.who[FOUNDER],
				     json_pack("{s:s,s:s,s:s}", "forum", ID(&w->t.forum), "title",
					       "Tema", "text", "begins"),
				     &w->topic[i]));
	meet(&w->t.a, &w->t.b);
	for (int i = 0; i < STEPS; i++) {
		write_one(w, test_below(&w->rand, 2) ? &w->t.a : &w->t.b);
		if (test_below(&w->rand, 12) == 0)
			meet(&w->t.a, &w->t.b);
	}
	meet(&w->t.a, &w->t.b);
	meet(&w->t.a, &w->t.b);
}

static void shuffle(struct world *w, struct filling *f)
{
	for (size_t i = f->n; i > 1; i--) {
		size_t k = test_below(&w->rand, i);
		struct held h = f->all[i - 1];

		f->all[i - 1] = f->all[k];
		f->all[k] = h;
	}
}

/* All headers first, then the payloads in any order and in batches of any size; now and then a
 * piece of what was put off is done, somebody starts the box anew. */
static void fill_in_any_order(struct world *w, struct filling *f)
{
	for (size_t at = 0; at < f->n;) {
		size_t n = 1 + test_below(&w->rand, 20);

		n = at + n > f->n ? f->n - at : n;
		fill(f, at, n, test_below(&w->rand, 30));
		at += n;
		if (test_below(&w->rand, 6) == 0)
			assert_ok(conn_follow(f->to->c));
		if (test_below(&w->rand, 10))
			continue;
		conn_close(f->to->c);
		assert_ok(box_open(f->to));
	}
	assert_ok(box_follow(f->to));
}

static void in_any_order_it_ends_as_if_made_anew(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct hash here, there, again;
		struct filling f;
		struct world w;
		struct box c;

		world_open(&w, seed);
		box_init(&c, 3, 1764000000000);
		assert_ok(box_open(&c));
		filling_open(&f, &w.t.a, &c);
		shuffle(&w, &f);
		fill_in_any_order(&w, &f);
		there = box_digest(&w.t.a, &w.t.space);
		here = box_digest(&c, &w.t.space);
		again = anew(&c, &w.t.space);
		if (!hash_eq(&there, &here) || !hash_eq(&here, &again))
			fail_msg("seed %d: they differ", (int)seed);
		filling_close(&f);
		box_release(&c);
		town_close(&w.t);
	}
}

/* --- what came in a second log, and went with it ----------------------------------------------- */

/* The same ops again, with what they say, in a log whose entries B did not sign but for the last: whoever
 * finds that out cuts it, and what they say may have been there and nowhere else. */
enum { AGAIN = 12 };

struct again {
	struct log_id id;
	struct entry_bytes raw[AGAIN];
	struct ingest_payload payloads[AGAIN];
	size_t n;
};

static void again_make(struct world *w, const struct filling *f, struct again *k)
{
	struct hash prev = {{0}};

	k->n = 0;
	k->id = (struct log_id){w->t.space, *secret_pubkey(w->t.b.key), 99};
	while (k->n < AGAIN) {
		const struct held *h = &f->all[test_below(&w->rand, f->n)];
		const struct entry_bytes *old =
			(const struct entry_bytes *)(void *)f->logs[h->log].headers.p + h->seq - 1;
		struct entry fields;

		if (founds_space(old) || !f->logs[h->log].list[h->seq - 1].salt)
			continue;
		entry_carry(old, k->n + 1, k->id.incarnation, &prev, w->t.b.key, &k->raw[k->n]);
		if (k->n + 1 < AGAIN) {
			entry_decode(&k->raw[k->n], &fields);
			fields.appliance_sig.b[0] ^= 1;
			entry_encode(&fields, &k->raw[k->n]);
		}
		prev = entry_hash(&k->raw[k->n]);
		k->payloads[k->n++] = f->logs[h->log].list[h->seq - 1];
	}
}

static void again_comes(struct again *k, struct box *to)
{
	struct error *refused = NULL;
	struct ingest_result r;

	assert_ok(conn_begin(to->c));
	assert_ok(log_ingest(to->c->log,
			     &(struct ingest){.id = &k->id,
					      .first = 1,
					      .headers = k->raw,
					      .payloads = k->payloads,
					      .n = k->n},
			     &r, &refused));
	assert_ok(refused);
	assert_ok(catch_up_lazily(to->c, 0));
	assert_ok(conn_commit(to->c));
}

static void again_is_cut(struct again *k, struct box *at, uint64_t from)
{
	struct log_info info;

	assert_ok(conn_begin(at->c));
	assert_ok(log_info_get(at->c->log, &k->id, &info));
	assert_int_equal(info.live, k->n);
	assert_ok(log_audit_bad(at->c->log, info.num, from));
	assert_ok(log_info_get(at->c->log, &k->id, &info));
	assert_int_equal(info.head, from - 1);
	assert_ok(catch_up_lazily(at->c, 0));
	assert_ok(conn_commit(at->c));
	assert_ok(box_follow(at));
}

/* Without it there is no space to look at. */
static void founding_first(struct filling *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct held h = f->all[i];

		if (!founds_space((const struct entry_bytes *)(void *)f->logs[h.log].headers.p +
				  h.seq - 1))
			continue;
		f->all[i] = f->all[0];
		f->all[0] = h;
	}
}

static void assert_as_anew(struct world *w, struct box *b, uint64_t seed, const char *when)
{
	struct hash here = box_digest(b, &w->t.space), again = anew(b, &w->t.space);

	if (!hash_eq(&here, &again))
		fail_msg("seed %d: shown is not what is here, %s", (int)seed, when);
}

static void what_went_with_another_log_is_not_shown(void **state)
{
	for (uint64_t seed = 1; seed <= 4 * SEEDS; seed++) {
		struct again again;
		struct filling f;
		struct hash there, here;
		struct world w;
		struct box c;
		size_t some;

		world_open(&w, seed);
		box_init(&c, 3, 1764000000000);
		assert_ok(box_open(&c));
		filling_open(&f, &w.t.a, &c);
		again_make(&w, &f, &again);
		if (seed % 2)
			shuffle(&w, &f);
		founding_first(&f);
		some = 1 + test_below(&w.rand, f.n - 1);
		fill(&f, 0, some, 0);
		again_comes(&again, &c);
		assert_ok(box_follow(&c));
		assert_as_anew(&w, &c, seed, "with both logs");
		again_is_cut(&again, &c, 1 + test_below(&w.rand, AGAIN - 1));
		assert_as_anew(&w, &c, seed, "without the wrong one");
		fill(&f, some, f.n - some, 0);
		assert_ok(box_follow(&c));
		there = box_digest(&w.t.a, &w.t.space);
		here = box_digest(&c, &w.t.space);
		if (!hash_eq(&there, &here))
			fail_msg("seed %d: they differ", (int)seed);
		filling_close(&f);
		box_release(&c);
		town_close(&w.t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(older_posts_wait_until_it_is_quiet),
		cmocka_unit_test(what_costs_little_is_folded_at_once),
		cmocka_unit_test(who_writes_in_a_large_one_waits_for_nothing),
		cmocka_unit_test(who_writes_in_a_small_one_sees_all_of_it),
		cmocka_unit_test(folding_again_gives_way_to_who_writes),
		cmocka_unit_test(moderation_is_never_put_off),
		cmocka_unit_test(an_erasure_is_never_put_off),
		cmocka_unit_test(a_crash_in_between_is_caught_up),
		cmocka_unit_test(who_writes_in_it_has_it_folded_first),
		cmocka_unit_test(it_can_be_folded_before_it_is_shown),
		cmocka_unit_test(in_any_order_it_ends_as_if_made_anew),
		cmocka_unit_test(what_went_with_another_log_is_not_shown),
	};

	return run_group(tests);
}
