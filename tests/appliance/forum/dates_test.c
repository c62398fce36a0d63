/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Dates that can't be right: what is said of them, and that they order nothing. */
#include "tests/appliance/community/town.h"

#define DAY	    ((int64_t)86400000)
#define FIFTY_YEARS (50 * 365 * DAY)

struct seen {
	struct hash ids[16];
	size_t n;
	int64_t num;
};

static struct error *see_topic(void *ctx, const struct topic *t)
{
	struct seen *s = ctx;

	s->ids[s->n++] = t->id;
	return NULL;
}

static struct error *see_post(void *ctx, const struct post *p)
{
	((struct seen *)ctx)->num = p->num;
	return NULL;
}

static struct hash start(struct town *t, struct box *b, int who)
{
	struct hash id;

	test_env_pass(&t->a.env, DAY);
	test_env_pass(&t->b.env, DAY);
	assert_ok(box_submit(
		b, &t->space, "topic.create", NULL, t->who[who],
		json_pack("{s:s, s:s, s:s}", "forum", ID(&t->forum), "title", "T", "text", "x"),
		&id));
	return id;
}

static struct hash say(struct town *t, struct box *b, const struct hash *topic, int who)
{
	struct hash id;

	assert_ok(box_submit(b, &t->space, "post.create", topic, t->who[who],
			     json_pack("{s:s}", "text", "y"), &id));
	return id;
}

/* One box's clock goes fifty years ahead: its date is not believed, and what is known instead is
 * the newest date that stands before it in its log. */
static void a_date_from_the_future_is_doubted_and_bounded_from_below(void **state)
{
	struct town t;
	struct seen s = {.n = 0};
	int64_t bound, after, good;
	struct hash topic, post;

	town_open(&t);
	topic = start(&t, &t.a, MEMBER);
	meet(&t.a, &t.b);
	say(&t, &t.b, &topic, MEMBER);
	good = env_now(&t.b.env.env);
	test_env_pass(&t.b.env, FIFTY_YEARS);
	post = say(&t, &t.b, &topic, MEMBER);
	meet(&t.a, &t.b);
	assert_agree(&t);
	assert_ok(forum_bound(t.a.c, &t.space, &bound));
	assert_in_range(bound, good, good + 9 * DAY);
	assert_true(date_doubted(&(struct dates){.until = bound}, env_now(&t.b.env.env),
				 AUTHOR_MEMBER));
	assert_false(date_doubted(&(struct dates){.until = bound}, good, AUTHOR_MEMBER));
	assert_ok(post_get(t.a.c, &post, see_post, &s));
	assert_ok(post_written_after(t.a.c, s.num, bound, &after));
	assert_int_equal(after, good);
	town_close(&t);
}

static void what_is_older_than_the_space_is_doubted_unless_it_was_brought(void **state)
{
	const struct dates d = {.from = 1000, .until = 2000};

	assert_true(date_doubted(&d, 999, AUTHOR_MEMBER));
	assert_true(date_doubted(&d, 999, AUTHOR_GUEST));
	assert_false(date_doubted(&d, 999, AUTHOR_DISCOURSE));
	assert_true(date_doubted(&d, 2001, AUTHOR_DISCOURSE));
	assert_false(date_doubted(&d, 2000, AUTHOR_MEMBER));
	assert_false(date_doubted(&d, 1000, AUTHOR_MEMBER));
}

/* A person's own list is that of the conversations: a reply dated 2075 pins nothing there. */
static void a_persons_list_follows_no_single_clock(void **state)
{
	struct town t;
	struct seen s = {.n = 0};
	struct hash first, second, third;

	town_open(&t);
	first = start(&t, &t.a, MEMBER);
	meet(&t.a, &t.b);
	say(&t, &t.b, &first, MEMBER);
	meet(&t.a, &t.b);
	test_env_pass(&t.a.env, 20 * DAY);
	test_env_pass(&t.b.env, 20 * DAY);
	second = start(&t, &t.a, MEMBER);
	meet(&t.a, &t.b);
	say(&t, &t.b, &second, MEMBER);
	test_env_pass(&t.b.env, FIFTY_YEARS);
	say(&t, &t.b, &first, MEMBER);
	test_env_pass(&t.a.env, DAY);
	third = start(&t, &t.a, FOUNDER);
	meet(&t.a, &t.b);
	assert_ok(topic_by_author(t.a.c, &t.space, KEY(&t, MEMBER), 10, see_topic, &s));
	assert_int_equal(s.n, 2);
	(void)third; /* somebody else's is not on the list */
	for (size_t i = 0; i < s.n; i++)
		assert_memory_not_equal(&s.ids[i], &third, sizeof(third));
	/* the same on both boxes */
	s = (struct seen){.n = 0};
	assert_ok(topic_by_author(t.b.c, &t.space, KEY(&t, MEMBER), 10, see_topic, &s));
	assert_int_equal(s.n, 2);
	town_close(&t);
}

static struct hash open_forum(struct town *t, struct box *b, const char *slug)
{
	struct hash id;

	assert_ok(box_submit(b, &t->space, "forum.create", NULL, t->who[FOUNDER],
			     json_pack("{s:s, s:s}", "slug", slug, "title", "Same"), &id));
	return id;
}

/* Two open a forum of one address without knowing of each other; one of them says that it was in 1970. */
static void an_address_is_not_won_by_an_early_date(void **state)
{
	struct town t;
	char slug[8];

	town_open(&t);
	test_env_pass(&t.b.env, -FIFTY_YEARS);
	for (int i = 0; i < 8; i++) {
		struct hash x, y, *first;
		struct forum fa, fb;

		snprintf(slug, sizeof(slug), "s%d", i);
		x = open_forum(&t, &t.a, slug);
		y = open_forum(&t, &t.b, slug);
		meet(&t.a, &t.b);
		first = memcmp(x.b, y.b, sizeof(x.b)) < 0 ? &x : &y;
		assert_ok(forum_by_name(t.a.c, &t.space, slug, &fa));
		assert_ok(forum_by_name(t.b.c, &t.space, slug, &fb));
		assert_id_equal(&fa.id, first);
		assert_id_equal(&fb.id, first);
	}
	town_close(&t);
}

static void a_name_is_not_won_by_an_early_date(void **state)
{
	struct town t;
	struct member m;

	town_open(&t);
	test_env_pass(&t.b.env, -FIFTY_YEARS);
	town_add(&t, &t.b, t.who[FOUNDER], STRANGER, "member");
	meet(&t.a, &t.b);
	assert_agree(&t);
	assert_ok(member_by_name(t.a.c, &t.space, role_name(ROLE_MEMBER), &m));
	assert_id_equal(&m.key, KEY(&t, STEWARD));
	assert_ok(member_by_name(t.b.c, &t.space, role_name(ROLE_MEMBER), &m));
	assert_id_equal(&m.key, KEY(&t, STEWARD));
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_date_from_the_future_is_doubted_and_bounded_from_below),
		cmocka_unit_test(what_is_older_than_the_space_is_doubted_unless_it_was_brought),
		cmocka_unit_test(a_persons_list_follows_no_single_clock),
		cmocka_unit_test(an_address_is_not_won_by_an_early_date),
		cmocka_unit_test(a_name_is_not_won_by_an_early_date),
	};

	return run_group(tests);
}
