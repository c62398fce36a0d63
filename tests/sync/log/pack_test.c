/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Room from what was let go of: sync/log/pack.c. */
#include "tests/sync/log/logs.h"

enum { POSTS = 2000, BYTES = 330 };

/* A log of messages of that length, in which each `step`th of the first `half` was let go of. */
static void fill_box(struct box *b, size_t bytes, unsigned half, unsigned step)
{
	struct secret *author = test_key(7);
	struct hash space = box_append(b, NULL, author, "found"),
		    *ops = calloc(POSTS, sizeof(*ops));
	char text[4000];
	uint64_t gone;

	assert_non_null(ops);
	assert_ok(log_begin(b->l));
	for (unsigned i = 0; i < POSTS; i++) {
		struct log_append what = {.space = &space,
					  .author = author,
					  .appliance = b->key,
					  .time = env_now(&b->env.env),
					  .rules = space};

		memset(text, 'a' + (int)i % 26, bytes);
		text[bytes] = 0;
		what.payload = span_str(text);
		assert_ok(log_append(b->l, &what, &ops[i]));
	}
	for (unsigned i = 0; i < half; i += step)
		assert_ok(log_drop(b->l, &ops[i], &gone));
	assert_ok(log_commit(b->l));
	free(ops);
	secret_free(author);
}

static struct error *add_entry(void *ctx, const struct stored *e)
{
	struct hash_state *h = ctx;

	hash_add(h, &e->num, sizeof(e->num));
	hash_add(h, &e->state, sizeof(e->state));
	hash_add(h, &e->raw, sizeof(e->raw));
	hash_add(h, e->payload.p, e->payload.n);
	return NULL;
}

static struct hash rows_of(struct box *b)
{
	struct hash_state h;

	hash_init(&h);
	assert_ok(log_arrivals(b->l, 0, 0, add_entry, &h));
	return hash_final(&h);
}

static bool rows_are(struct box *b, const struct hash *before)
{
	struct hash now = rows_of(b);

	return hash_eq(&now, before);
}

static uint64_t unused(struct box *b)
{
	uint64_t n;

	assert_ok(db_unused(log_db(b->l), &n));
	return n;
}

static bool pack_once(struct box *b)
{
	bool more;

	assert_ok(log_begin(b->l));
	assert_ok(log_pack(b->l, &more));
	assert_ok(log_commit(b->l));
	return more;
}

static unsigned pack_all(struct box *b)
{
	unsigned pieces = 1;

	while (pack_once(b))
		pieces++;
	return pieces;
}

static void is_whole(struct box *b)
{
	struct verify_report report;
	struct error *first = NULL;

	assert_ok(log_verify(b->l, NULL, NULL, &report, &first));
	assert_null(first);
	assert_int_equal(report.bad, 0);
	assert_int_equal(report.entries, POSTS + 1);
}

/* Of what went so much, in hundredths, is room that something else is written into. */
static uint64_t gain(size_t bytes, unsigned half, unsigned step)
{
	struct hash before;
	struct box b;
	uint64_t room;

	box_init(&b, 1);
	fill_box(&b, bytes, half, step);
	before = rows_of(&b);
	room = unused(&b);
	assert_true(log_packs(b.l));
	assert_true(pack_all(&b) > 1);
	assert_false(log_packs(b.l));
	room = unused(&b) - room;
	assert_true(rows_are(&b, &before));
	is_whole(&b);
	box_release(&b);
	return room * 100 / ((uint64_t)(bytes + ENTRY_SALT) * (half / step));
}

static void what_went_becomes_room_and_every_row_says_what_it_said(void **state)
{
	/* Also what had been left over at the ends of pages. */
	assert_true(gain(BYTES, POSTS / 2, 1) > 100); /* the older half */
	assert_true(gain(BYTES, POSTS, 2) > 100);     /* each second one */
	assert_true(gain(2000, POSTS, 1) > 150);      /* all, of which each had a page to itself */
}

static void where_little_went_nothing_is_moved(void **state)
{
	struct box b;
	uint64_t room;

	box_init(&b, 1);
	fill_box(&b, BYTES, 500, 100); /* five */
	room = unused(&b);
	pack_all(&b);
	assert_int_equal(unused(&b), room);
	assert_false(log_packs(b.l));
	is_whole(&b);
	box_release(&b);
}

static void it_goes_on_where_a_cut_left_it(void **state)
{
	struct hash before;
	struct box b;
	bool more;

	box_init(&b, 1);
	fill_box(&b, BYTES, POSTS / 2, 1);
	before = rows_of(&b);
	for (int i = 0; i < 5; i++) {
		assert_true(pack_once(&b));
		/* Undone in the middle: by a full disk, by a cut. */
		assert_ok(log_begin(b.l));
		assert_ok(log_pack(b.l, &more));
		log_rollback(b.l);
		assert_true(rows_are(&b, &before));
		log_close(b.l);
		box_open(&b, "here");
		assert_true(log_packs(b.l));
	}
	assert_true(pack_all(&b) < 15);
	assert_true(rows_are(&b, &before));
	is_whole(&b);
	box_release(&b);
}

/* Long ones lie in pages of their own, and what is written meanwhile behind the others. */
static void long_messages_between_short_ones_stay_as_they_are(void **state)
{
	struct hash before;
	struct box b;

	box_init(&b, 1);
	fill_box(&b, 3900, POSTS, 3);
	before = rows_of(&b);
	pack_all(&b);
	assert_true(rows_are(&b, &before));
	is_whole(&b);
	assert_false(pack_once(&b)); /* nothing is left to do */
	box_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_went_becomes_room_and_every_row_says_what_it_said),
		cmocka_unit_test(where_little_went_nothing_is_moved),
		cmocka_unit_test(it_goes_on_where_a_cut_left_it),
		cmocka_unit_test(long_messages_between_short_ones_stay_as_they_are),
	};

	return run_group(tests);
}
