/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When a box says that what was erased is gone from it. */
#include "tests/appliance/community/town.h"
#include "appliance/erased/erased.h"
#include "appliance/search/search.h"
#include "sync/peer/receipt.h"

#define WORD "kzwqx-telephone-0199"

/* --- helpers --- */
/* One round with whatever parts there are; false: it has to wait. */
static bool round_of(struct box *b, const struct erased_settled *parts)
{
	struct hash after = {{0}};
	bool wait;

	assert_ok(conn_begin(b->c));
	assert_ok(erased_acknowledge(b->c, parts, &after, &wait));
	assert_ok(conn_commit(b->c));
	assert_true(hash_is_zero(&after));
	return !wait;
}

static bool acknowledge(struct box *b)
{
	static const struct erased_settled none;

	return round_of(b, &none);
}

/* All that the box does behind an erasing, and then says so. */
static void tidy(struct box *b)
{
	assert_ok(box_follow(b));
	assert_ok(search_catch_up(b->c));
	assert_ok(conn_scrub(b->c));
	assert_true(acknowledge(b));
}

struct where {
	const struct pubkey *box;
	int boxes;
	int64_t last; /* of `box`; 0: it said nothing */
};

static struct error *see(void *ctx, const struct erased_at *at)
{
	struct where *w = ctx;

	w->boxes++;
	if (pubkey_eq(&at->box, w->box))
		w->last = at->time;
	return NULL;
}

/* When `of` said last that it let go of it, as far as b knows; 0: never. */
static int64_t said(struct box *b, const struct box *of, const struct hash *target)
{
	struct where w = {.box = secret_pubkey(of->key)};

	assert_ok(erased_where(b->c, target, see, &w));
	return w.last;
}

/* A copy of the box's databases, and putting it back. */
struct copy {
	struct buf files[3];
};
static const char *const files[] = {"log.db", "view.db", "local.db"};

static void copy_release(struct copy *k)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		buf_release(&k->files[i]);
}

static void copy_of(struct box *b, struct copy *k)
{
	conn_close(STEAL(b->c));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_(freep) char *path = path_join(b->dir, files[i]);

		assert_ok(file_read(path, 1 << 30, &k->files[i]));
	}
	assert_ok(box_open(b));
}

static void put_back(struct box *b, const struct copy *k, const char *only)
{
	conn_close(STEAL(b->c));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_(freep) char *path = path_join(b->dir, files[i]);

		if (!only || strcmp(files[i], only) == 0)
			assert_ok(file_write(path, buf_span(&k->files[i]), 0600));
	}
	assert_ok(box_open(b));
}

/* --- tests --- */
static void a_box_says_it_once_and_only_when_nothing_is_left(void **state)
{
	struct town t;
	struct hash id;
	int64_t first;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, WORD, &id));
	meet(&t.a, &t.b);
	assert_ok(search_catch_up(t.a.c));
	assert_ok(box_erase(&t.b, &t.space, &id, t.who[MEMBER]));
	meet(&t.a, &t.b);
	assert_false(acknowledge(&t.a)); /* neither scrubbed nor out of the index */
	assert_ok(conn_scrub(t.a.c));
	assert_false(acknowledge(&t.a));
	assert_int_equal(said(&t.a, &t.a, &id), 0);
	tidy(&t.a);
	assert_false(box_holds(&t.a, WORD));
	first = said(&t.a, &t.a, &id);
	assert_true(first > 0);
	test_env_pass(&t.a.env, 5000);
	tidy(&t.a);
	assert_int_equal(said(&t.a, &t.a, &id), first);
	meet(&t.a, &t.b);
	assert_int_equal(said(&t.b, &t.a, &id), first);
	assert_int_equal(said(&t.b, &t.b, &id), 0);
	town_close(&t);
}

static bool is_settled(void *ctx)
{
	return *(bool *)ctx;
}

static void it_waits_for_the_parts_that_follow_the_view(void **state)
{
	struct town t;
	struct hash id;
	bool settled = false;
	const struct erased_settled parts = {is_settled, &settled};

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, WORD, &id));
	assert_ok(box_erase(&t.a, &t.space, &id, t.who[FOUNDER]));
	assert_ok(search_catch_up(t.a.c));
	assert_ok(conn_scrub(t.a.c));
	assert_false(round_of(&t.a, &parts));
	assert_int_equal(said(&t.a, &t.a, &id), 0);
	settled = true;
	assert_true(round_of(&t.a, &parts));
	assert_true(said(&t.a, &t.a, &id) > 0);
	town_close(&t);
}

/* What an older program left in gaps of pages is wiped in quiet moments: it may be a copy of these words. */
static void it_waits_until_what_an_older_program_left_is_wiped(void **state)
{
	struct town t;
	struct hash id;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, WORD, &id));
	assert_ok(box_erase(&t.a, &t.space, &id, t.who[FOUNDER]));
	assert_ok(search_catch_up(t.a.c));
	assert_ok(conn_scrub(t.a.c));
	assert_ok(db_exec(t.a.c->local, "PRAGMA user_version=-1")); /* one page was done */
	assert_false(acknowledge(&t.a));
	assert_int_equal(said(&t.a, &t.a, &id), 0);
	for (int i = 0; i < 1000 && conn_sweeps(t.a.c); i++)
		assert_ok(conn_sweep(t.a.c));
	assert_true(acknowledge(&t.a));
	assert_true(said(&t.a, &t.a, &id) > 0);
	town_close(&t);
}

static void who_never_held_it_says_so_too_and_once(void **state)
{
	struct town t;
	struct box c;
	struct hash id;
	int64_t first;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, WORD, &id));
	assert_ok(box_erase(&t.a, &t.space, &id, t.who[FOUNDER]));
	box_init(&c, 3, 1764000000000);
	assert_ok(box_submit(&t.a, &t.space, "appliance.admit", NULL, t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(c.key)), "name",
				       "C", "mode", "write"),
			     NULL));
	assert_ok(box_open(&c));
	assert_ok(pull(&t.a, &c, 100));
	assert_ok(pull(&t.a, &c, 100));
	tidy(&c);
	first = said(&c, &c, &id);
	assert_true(first > 0);
	/* A view that is made anew owes nothing. */
	assert_ok(community_rebuild(c.c));
	test_env_pass(&c.env, 5000);
	tidy(&c);
	assert_int_equal(said(&c, &c, &id), first);
	box_release(&c);
	town_close(&t);
}

/* The log is durable before the view is: a cut in between leaves a view, and an index of it, with
 * the words of what the log let go of. */
static void a_view_that_is_behind_its_log_lets_go_of_the_words_first(void **state)
{
	struct town t;
	struct copy old = {0};
	struct hash id;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, WORD, &id));
	assert_ok(search_catch_up(t.a.c));
	copy_of(&t.a, &old);
	assert_ok(box_erase(&t.a, &t.space, &id, t.who[FOUNDER]));
	put_back(&t.a, &old, "view.db");
	assert_ok(conn_scrub(t.a.c));
	assert_true(box_holds(&t.a, WORD));
	assert_false(acknowledge(&t.a));
	assert_int_equal(said(&t.a, &t.a, &id), 0);
	tidy(&t.a);
	assert_true(said(&t.a, &t.a, &id) > 0);
	assert_false(box_holds(&t.a, WORD));
	copy_release(&old);
	town_close(&t);
}

static void who_was_restored_from_before_says_it_again(void **state)
{
	struct town t;
	struct copy old = {0};
	struct hash id;
	int64_t first;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, WORD, &id));
	meet(&t.a, &t.b);
	copy_of(&t.b, &old);
	assert_ok(box_erase(&t.b, &t.space, &id, t.who[MEMBER]));
	tidy(&t.b);
	first = said(&t.b, &t.b, &id);
	assert_true(first > 0);
	meet(&t.a, &t.b);
	snprintf(t.b.where, sizeof(t.b.where), "another place");
	put_back(&t.b, &old, NULL);
	assert_int_equal(said(&t.b, &t.b, &id), 0);
	assert_true(box_holds(&t.b, WORD));
	test_env_pass(&t.b.env, 60000);
	meet(&t.a, &t.b);
	assert_int_equal(said(&t.b, &t.b, &id), first); /* what it said then */
	tidy(&t.b);
	assert_true(said(&t.b, &t.b, &id) > first);
	assert_false(box_holds(&t.b, WORD));
	copy_release(&old);
	town_close(&t);
}

static void what_came_back_is_said_again_when_it_went_again(void **state)
{
	struct town t;
	struct hash id;
	int64_t first;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, WORD, &id));
	meet(&t.a, &t.b);
	json_t *cut = cut_at(&t, &t.a, NULL, 0);

	assert_ok(box_erase(&t.b, &t.space, &id, t.who[MODERATOR]));
	tidy(&t.b);
	first = said(&t.b, &t.b, &id);
	assert_true(first > 0);
	/* Who erased it was not allowed to any more, and a, which heard of nothing, still has it.
	 */
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, MODERATOR), cut));
	meet(&t.a, &t.b);
	assert_true(box_holds(&t.b, WORD));
	test_env_pass(&t.b.env, 60000);
	tidy(&t.b); /* nothing is erased there */
	assert_int_equal(said(&t.b, &t.b, &id), first);
	assert_ok(box_erase(&t.a, &t.space, &id, t.who[FOUNDER]));
	meet(&t.a, &t.b);
	tidy(&t.b);
	assert_true(said(&t.b, &t.b, &id) > first);
	assert_false(box_holds(&t.b, WORD));
	town_close(&t);
}

/* More than one op names, and more than one round looks at. */
static void many_are_said_in_rounds(void **state)
{
	enum { MANY = ERASED_ROUND + 70 };
	static const struct erased_settled none;
	struct hash id[MANY], after = {{0}};
	struct town t;
	int rounds = 0;
	bool wait;

	town_open(&t);
	assert_ok(conn_begin(t.a.c));
	for (int i = 0; i < MANY; i++)
		assert_ok(community_submit(
			t.a.c,
			&(struct draft){.type = "post.create",
					.space = t.space,
					.object = &t.topic,
					.author = t.who[FOUNDER],
					.take_body = json_pack("{s:s}", "text", WORD)},
			&id[i]));
	for (int i = 0; i < MANY; i++)
		assert_ok(community_erase(t.a.c, &t.space, &id[i], t.who[FOUNDER], NULL));
	assert_ok(conn_commit(t.a.c));
	assert_ok(search_catch_up(t.a.c));
	assert_ok(conn_scrub(t.a.c));
	assert_ok(conn_begin(t.a.c));
	do {
		assert_ok(erased_acknowledge(t.a.c, &none, &after, &wait));
		assert_false(wait);
		rounds++;
	} while (!hash_is_zero(&after));
	assert_ok(conn_commit(t.a.c));
	assert_int_equal(rounds, 2);
	for (int i = 0; i < MANY; i++)
		assert_true(said(&t.a, &t.a, &id[i]) > 0);
	town_close(&t);
}

/* Both boxes sign, now by a's clock, that they hold the same in the town's space. */
static void sign_receipt(struct town *t, uint8_t number)
{
	struct receipt_space space = {.space = t->space};
	struct receipt_body body = {.kind = RECEIPT_MET,
				    .box = {*secret_pubkey(t->a.key), *secret_pubkey(t->b.key)},
				    .exchange = {number},
				    .clock_ms = {env_now(&t->a.env.env), env_now(&t->a.env.env)},
				    .spaces = &space,
				    .n_spaces = 1};
	_cleanup_(buf_release) struct buf bytes = {0};
	struct receipt line = {.peer = body.box[ANSWERER], .when_ms = body.clock_ms[0], .times = 1};
	struct receipt_signed s = {.peer = line.peer, .when_ms = line.when_ms, .exchange = {number}};

	receipt_write(&body, &bytes);
	for (int side = ASKER; side <= ANSWERER; side++) {
		s.bytes[side] = buf_span(&bytes);
		s.sig[side] = receipt_sign(side == ASKER ? t->a.key : t->b.key, s.bytes[side]);
	}
	line.report.signed_too = true;
	line.report.exchange[0] = number;
	assert_ok(conn_begin(t->a.c));
	assert_ok(receipt_put_signed(t->a.c->local, &s));
	assert_ok(receipt_put(t->a.c->local, &line));
	assert_ok(erased_note_receipts(t->a.c));
	assert_ok(conn_commit(t->a.c));
}

static int64_t by_receipt(struct town *t, int64_t gone_ms)
{
	int64_t when;

	assert_ok(erased_by_receipt(t->a.c, &t->space, secret_pubkey(t->b.key), gone_ms, &when));
	return when;
}

/* However many receipts come later, and of however many houses: theirs go, the date stays. */
static void the_first_receipt_behind_an_erasing_stays(void **state)
{
	struct town t;
	struct hash id;
	int64_t gone, first;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, WORD, &id));
	sign_receipt(&t, 1);
	test_env_pass(&t.a.env, 1000);
	assert_ok(box_erase(&t.a, &t.space, &id, t.who[FOUNDER]));
	tidy(&t.a);
	gone = said(&t.a, &t.a, &id);
	assert_int_equal(by_receipt(&t, gone), 0);
	test_env_pass(&t.a.env, 1000);
	first = env_now(&t.a.env.env);
	for (int i = 2; i < 250; i++) {
		sign_receipt(&t, (uint8_t)i);
		test_env_pass(&t.a.env, 1000);
	}
	assert_int_equal(by_receipt(&t, gone), first);
	assert_int_equal(by_receipt(&t, first + 1), 0);
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_box_says_it_once_and_only_when_nothing_is_left),
		cmocka_unit_test(it_waits_for_the_parts_that_follow_the_view),
		cmocka_unit_test(it_waits_until_what_an_older_program_left_is_wiped),
		cmocka_unit_test(who_never_held_it_says_so_too_and_once),
		cmocka_unit_test(a_view_that_is_behind_its_log_lets_go_of_the_words_first),
		cmocka_unit_test(who_was_restored_from_before_says_it_again),
		cmocka_unit_test(what_came_back_is_said_again_when_it_went_again),
		cmocka_unit_test(many_are_said_in_rounds),
		cmocka_unit_test(the_first_receipt_behind_an_erasing_stays),
	};
	return run_group(tests);
}
