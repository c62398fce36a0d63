/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/community/agree.h"
#include "appliance/forum/forum.h"

enum { NOW = 1800000000 };
#define NOW_MS (NOW * 1000LL)

/* Two boxes of one space with a steward, a moderator and two members; a forum and a topic of the
 * first member. */
struct world {
	struct box a, b;
	struct secret *steward, *moderator, *member, *other;
	struct hash space, forum, topic;
};

static void add_member(struct world *w, const struct secret *who, const char *name,
		       const char *role)
{
	assert_ok(
		box_submit(&w->a, &w->space, "member.add", NULL, w->steward,
			   json_pack("{s:s, s:s, s:s, s:s}", "key", ID(secret_pubkey(who)), "name",
				     name, "role", role, "home", ID(secret_pubkey(w->a.key))),
			   NULL));
}

static struct error *start_in(struct box *b, struct world *w, const struct secret *who,
			      const char *title, struct hash *ret)
{
	return box_submit(b, &w->space, "topic.create", NULL, who,
			  json_pack("{s:s, s:s, s:s}", "forum", ID(&w->forum), "title", title,
				    "text", "primer"),
			  ret);
}

static struct error *say(struct box *b, struct world *w, const struct secret *who, const char *text,
			 struct hash *ret)
{
	return box_submit(b, &w->space, "post.create", &w->topic, who,
			  json_pack("{s:s}", "text", text), ret);
}

static void world_init(struct world *w)
{
	*w = (struct world){.steward = test_key(1),
			    .moderator = test_key(2),
			    .member = test_key(3),
			    .other = test_key(4)};
	box_init(&w->a, 1, NOW_MS);
	box_init(&w->b, 2, NOW_MS + 5);
	assert_ok(box_open(&w->a));
	assert_ok(box_open(&w->b));
	assert_ok(box_found(&w->a, w->steward, &w->space));
	add_member(w, w->moderator, "Aina", "moderator");
	add_member(w, w->member, "Joan", "member");
	add_member(w, w->other, "Remei", "member");
	assert_ok(box_submit(&w->a, &w->space, "appliance.admit", NULL, w->steward,
			     json_pack("{s:s, s:s, s:s}", "key", ID(secret_pubkey(w->b.key)),
				       "name", "B", "mode", "write"),
			     NULL));
	assert_ok(box_submit(&w->a, &w->space, "forum.create", NULL, w->steward,
			     json_pack("{s:s, s:s}", "slug", "general", "title", "Plaça"),
			     &w->forum));
	assert_ok(start_in(&w->a, w, w->member, "Tema", &w->topic));
	assert_ok(pull(&w->a, &w->b, 100));
}

static void world_release(struct world *w)
{
	struct secret *keys[] = {w->steward, w->moderator, w->member, w->other};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		secret_free(keys[i]);
	box_release(&w->a);
	box_release(&w->b);
}

static void swap(struct world *w)
{
	swap_and_agree(&w->a, &w->b, &w->space);
}

static void rebuilt_the_same(struct world *w)
{
	struct hash before, after;

	assert_ok(community_digest(w->b.c, &w->space, &before));
	assert_ok(community_rebuild(w->b.c));
	assert_ok(community_digest(w->b.c, &w->space, &after));
	assert_id_equal(&before, &after);
}

/* The posts of the topic as "text|text*|…": * hidden, ! erased. */
static struct error *append_post(void *ctx, const struct post *p)
{
	buf_printf(ctx, "%s%s%s%s", ((struct buf *)ctx)->n ? "|" : "", p->text,
		   p->hidden ? "*" : "", p->erased ? "!" : "");
	return NULL;
}

static void posts_are(struct box *b, const struct hash *topic, const char *want)
{
	_cleanup_(buf_release) struct buf got = {0};
	struct topic t;

	assert_ok(topic_get(b->c, topic, &t));
	assert_ok(post_page(b->c, t.num, 1, 100, append_post, &got));
	assert_string_equal(buf_str(&got), want);
}

static void who_may_do_what(void **state)
{
	struct world w;
	struct hash post, other;
	_cleanup_(secret_freep) struct secret *stranger = test_key(99);

	world_init(&w);
	assert_fails(say(&w.a, &w, stranger, "hola", NULL), ERR_DENIED);
	assert_fails(box_submit(&w.a, &w.space, "forum.create", NULL, w.moderator,
				json_pack("{s:s, s:s}", "slug", "hort", "title", "Hort"), NULL),
		     ERR_DENIED);
	assert_ok(say(&w.a, &w, w.other, "una resposta", &post));
	assert_fails(box_submit(&w.a, &w.space, "post.edit", &w.topic, w.moderator,
				json_pack("{s:s, s:s}", "post", ID(&post), "text", "x"), NULL),
		     ERR_DENIED);
	assert_ok(box_submit(&w.a, &w.space, "post.edit", &w.topic, w.other,
			     json_pack("{s:s, s:s}", "post", ID(&post), "text", "canviada"), NULL));
	assert_fails(box_submit(&w.a, &w.space, "post.hide", &w.topic, w.other,
				json_pack("{s:s, s:b}", "post", ID(&post), "hidden", 1), NULL),
		     ERR_DENIED);
	assert_ok(box_submit(&w.a, &w.space, "post.hide", &w.topic, w.moderator,
			     json_pack("{s:s, s:b}", "post", ID(&post), "hidden", 1), NULL));
	assert_ok(box_submit(&w.a, &w.space, "topic.set", &w.topic, w.member,
			     json_pack("{s:s}", "title", "Un altre"), NULL));
	assert_fails(box_submit(&w.a, &w.space, "topic.set", &w.topic, w.other,
				json_pack("{s:s}", "title", "Meu"), NULL),
		     ERR_DENIED);
	assert_fails(box_submit(&w.a, &w.space, "topic.set", &w.topic, w.member,
				json_pack("{s:s, s:b}", "title", "Meu", "pinned", 1), NULL),
		     ERR_DENIED);
	assert_ok(start_in(&w.a, &w, w.member, "Segon", &other));
	assert_fails(box_submit(&w.a, &w.space, "post.hide", &other, w.moderator,
				json_pack("{s:s, s:b}", "post", ID(&post), "hidden", 1), NULL),
		     ERR_INVALID);
	assert_fails(box_submit(&w.a, &w.space, "post.create", &w.forum, w.member,
				json_pack("{s:s}", "text", "a un fòrum"), NULL),
		     ERR_INVALID);
	posts_are(&w.a, &w.topic, "primer|canviada*");
	swap(&w);
	posts_are(&w.b, &w.topic, "primer|canviada*");
	world_release(&w);
}

static void a_member_can_not_write_in_somebody_elses_name(void **state)
{
	struct world w;
	json_t *by = json_pack("{s:s, s:s}", "name", "Alcaldessa", "kind", "guest");

	world_init(&w);
	assert_fails(box_submit(&w.a, &w.space, "post.create", &w.topic, w.member,
				json_pack("{s:s, s:O}", "text", "u", "by", by), NULL),
		     ERR_DENIED);
	assert_ok(box_submit(&w.a, &w.space, "post.create", &w.topic, NULL,
			     json_pack("{s:s, s:O}", "text", "u", "by", by), NULL));
	assert_fails(box_submit(&w.a, &w.space, "post.create", &w.topic, NULL,
				json_pack("{s:s}", "text", "sense nom"), NULL),
		     ERR_INVALID);
	json_object_set_new(by, "kind", json_string("member"));
	assert_fails(box_submit(&w.a, &w.space, "post.create", &w.topic, NULL,
				json_pack("{s:s, s:O}", "text", "u", "by", by), NULL),
		     ERR_INVALID);
	json_decref(by);
	world_release(&w);
}

static void a_post_that_did_not_see_the_closing_stays(void **state)
{
	struct world w;

	world_init(&w);
	/* Apart: b's member writes later by the clock than a's moderator closes. */
	assert_ok(box_submit(&w.a, &w.space, "topic.set", &w.topic, w.moderator,
			     json_pack("{s:b}", "closed", 1), NULL));
	test_env_pass(&w.b.env, 3600 * 1000);
	assert_ok(say(&w.b, &w, w.other, "no ho sabia", NULL));
	assert_fails(say(&w.a, &w, w.other, "ho sabia", NULL), ERR_DENIED);
	swap(&w);
	posts_are(&w.a, &w.topic, "primer|no ho sabia");
	posts_are(&w.b, &w.topic, "primer|no ho sabia");
	assert_fails(say(&w.b, &w, w.other, "ara ho sé", NULL), ERR_DENIED);
	assert_ok(box_submit(&w.b, &w.space, "topic.set", &w.topic, w.moderator,
			     json_pack("{s:b}", "closed", 0), NULL));
	assert_ok(say(&w.b, &w, w.other, "obert", NULL));
	swap(&w);
	posts_are(&w.a, &w.topic, "primer|no ho sabia|obert");
	rebuilt_the_same(&w);
	world_release(&w);
}

static void the_later_of_two_moderators_who_know_of_each_other_wins(void **state)
{
	struct world w;
	struct hash post;

	world_init(&w);
	assert_ok(say(&w.a, &w, w.other, "u", &post));
	swap(&w);
	/* b's clock is fifty years behind, and its moderator saw the hiding. */
	assert_ok(box_submit(
		&w.a, &w.space, "post.hide", &w.topic, w.moderator,
		json_pack("{s:s, s:b, s:s}", "post", ID(&post), "hidden", 1, "reason", "x"), NULL));
	swap(&w);
	w.b.env.now = 1000;
	assert_ok(box_submit(&w.b, &w.space, "post.hide", &w.topic, w.steward,
			     json_pack("{s:s, s:b}", "post", ID(&post), "hidden", 0), NULL));
	swap(&w);
	posts_are(&w.a, &w.topic, "primer|u");
	posts_are(&w.b, &w.topic, "primer|u");
	world_release(&w);
}

struct order {
	struct buf titles;
};

static struct error *append_title(void *ctx, const struct topic *t)
{
	struct order *o = ctx;

	buf_printf(&o->titles, "%s%s", o->titles.n ? "|" : "", t->title);
	return NULL;
}

static void topics_are(struct box *b, struct world *w, const char *want)
{
	struct order o = {{0}};
	struct forum f;

	assert_ok(forum_get(b->c, &w->forum, &f));
	assert_ok(topic_page(b->c, &f, false, 0, 30, append_title, &o));
	assert_string_equal(buf_str(&o.titles), want);
	buf_release(&o.titles);
}

static void a_clock_in_the_far_future_does_not_pin_a_conversation(void **state)
{
	struct world w;
	struct hash topic;

	world_init(&w);
	w.b.env.now = 3350000000000; /* 2076 */
	assert_ok(start_in(&w.b, &w, w.other, "Del futur", &topic));
	assert_ok(pull(&w.b, &w.a, 100));
	topics_are(&w.a, &w, "Tema|Del futur");
	test_env_pass(&w.a.env, 60000);
	assert_ok(say(&w.a, &w, w.member, "avui", NULL));
	topics_are(&w.a, &w, "Tema|Del futur");
	swap(&w);
	topics_are(&w.b, &w, "Tema|Del futur");
	rebuilt_the_same(&w);
	topics_are(&w.b, &w, "Tema|Del futur");
	world_release(&w);
}

/* In a large batch the order of what claims too much is put off, and put right by itself. */
static void a_large_batch_from_the_future_pins_nothing_for_long(void **state)
{
	struct world w;
	struct hash topic;

	world_init(&w);
	w.b.env.now = 3350000000000;
	assert_ok(start_in(&w.b, &w, w.other, "Del futur", &topic));
	for (int i = 0; i < 300; i++)
		assert_ok(say(&w.b, &w, w.other, "i encara", NULL));
	assert_ok(pull(&w.b, &w.a, 4096));
	assert_true(conn_is_behind(w.a.c));
	assert_ok(conn_follow(w.a.c));
	assert_false(conn_is_behind(w.a.c));
	topics_are(&w.a, &w, "Tema|Del futur");
	test_env_pass(&w.a.env, 60000);
	assert_ok(say(&w.a, &w, w.member, "avui", NULL));
	assert_false(conn_is_behind(w.a.c));
	topics_are(&w.a, &w, "Tema|Del futur");
	rebuilt_the_same(&w);
	swap(&w);
	topics_are(&w.b, &w, "Tema|Del futur");
	world_release(&w);
}

/* A reply from the year 2106 in somebody's conversation neither lifts it nor keeps it down. */
static void a_reply_of_a_wrong_clock_hides_nothing(void **state)
{
	static const int64_t wrong[] = {4294967296000, 2147483648000, 1000};
	struct world w;
	struct hash second;

	world_init(&w);
	test_env_pass(&w.a.env, 60000);
	assert_ok(start_in(&w.a, &w, w.member, "Segon", &second));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		swap(&w);
		w.b.env.now = wrong[i];
		assert_ok(say(&w.b, &w, w.other, "fora de temps", NULL));
		swap(&w);
		topics_are(&w.a, &w, "Segon|Tema");
		topics_are(&w.b, &w, "Segon|Tema");
	}
	test_env_pass(&w.a.env, 60000);
	assert_ok(say(&w.a, &w, w.member, "a l'hora", NULL));
	swap(&w);
	topics_are(&w.a, &w, "Tema|Segon");
	topics_are(&w.b, &w, "Tema|Segon");
	world_release(&w);
}

/* The only box that writes for a month keeps its order: its own past says where it stands. */
static void who_writes_alone_for_long_keeps_the_order(void **state)
{
	const int64_t days = 24 * 3600 * 1000LL;
	struct world w;
	struct hash t;

	world_init(&w);
	assert_ok(start_in(&w.b, &w, w.other, "De B", &t));
	swap(&w);
	for (int i = 1; i <= 6; i++) {
		char title[16];

		snprintf(title, sizeof(title), "Dia %d", i * 5);
		w.a.env.now = NOW_MS + i * 5 * days;
		assert_ok(start_in(&w.a, &w, w.member, title, &t));
	}
	swap(&w);
	topics_are(&w.b, &w, "Dia 30|Dia 25|Dia 20|Dia 15|Dia 10|Dia 5|De B|Tema");
	topics_are(&w.a, &w, "Dia 30|Dia 25|Dia 20|Dia 15|Dia 10|Dia 5|De B|Tema");
	w.b.env.now = NOW_MS + 31 * days;
	assert_ok(say(&w.b, &w, w.other, "ja hi som", NULL));
	swap(&w);
	topics_are(&w.a, &w, "Tema|Dia 30|Dia 25|Dia 20|Dia 15|Dia 10|Dia 5|De B");
	rebuilt_the_same(&w);
	topics_are(&w.b, &w, "Tema|Dia 30|Dia 25|Dia 20|Dia 15|Dia 10|Dia 5|De B");
	world_release(&w);
}

/* --- any clocks, any order of arrival --- */
enum { TOWNS = 5, TOWN_TOPICS = 4 };

static void order_of(struct box *b, struct world *w, struct order *ret)
{
	struct forum f;

	buf_clear(&ret->titles);
	assert_ok(forum_get(b->c, &w->forum, &f));
	assert_ok(topic_page(b->c, &f, false, 0, 100, append_title, ret));
}

static int64_t any_clock(unsigned *seed, int step)
{
	static const int64_t clocks[] = {1000, 2147483648000, 4294967296000, NOW_MS, NOW_MS};

	return clocks[(unsigned)rand_r(seed) % ARRAY_LEN(clocks)] + step * 3600 * 1000LL;
}

static void town_writes(struct world *w, struct box *towns[], struct hash *topics, int step,
			unsigned *seed)
{
	struct box *b = towns[rand_r(seed) % TOWNS];
	struct hash none;
	char title[16];

	b->env.now = any_clock(seed, step);
	snprintf(title, sizeof(title), "T%d", step);
	if (step < TOWN_TOPICS) {
		assert_ok(start_in(towns[0], w, w->member, title, &topics[step]));
		for (int i = 1; i < TOWNS; i++)
			assert_ok(pull(towns[0], towns[i], 100));
	} else if (rand_r(seed) % 3 == 0) {
		assert_ok(start_in(b, w, w->other, title, &none));
	} else {
		assert_ok(box_submit(b, &w->space, "post.create",
				     &topics[rand_r(seed) % TOWN_TOPICS], w->other,
				     json_pack("{s:s}", "text", title), NULL));
	}
	if (rand_r(seed) % 3 == 0)
		assert_ok(pull(towns[rand_r(seed) % TOWNS], b, 1 + (size_t)rand_r(seed) % 5));
}

static void one_town(unsigned seed)
{
	struct world w;
	struct box more[TOWNS - 2], *towns[TOWNS] = {&w.a, &w.b};
	struct hash topics[TOWN_TOPICS];
	struct order first = {{0}}, other = {{0}};

	world_init(&w);
	for (int i = 2; i < TOWNS; i++) {
		towns[i] = &more[i - 2];
		box_init(towns[i], (uint8_t)(10 + i), NOW_MS);
		assert_ok(box_open(towns[i]));
		assert_ok(box_submit(&w.a, &w.space, "appliance.admit", NULL, w.steward,
				     json_pack("{s:s, s:s, s:s}", "key",
					       ID(secret_pubkey(towns[i]->key)), "name", "T",
					       "mode", "write"),
				     NULL));
	}
	for (int i = 1; i < TOWNS; i++)
		assert_ok(pull(&w.a, towns[i], 100));
	for (int step = 0; step < 40; step++)
		town_writes(&w, towns, topics, step, &seed);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < TOWNS * TOWNS; i++)
			if (i % TOWNS != i / TOWNS)
				assert_ok(pull(towns[i % TOWNS], towns[i / TOWNS], 1000));
	order_of(&w.a, &w, &first);
	assert_true(first.titles.n > 0);
	rebuilt_the_same(&w); /* of these, w.b */
	for (int i = 1; i < TOWNS; i++) {
		order_of(towns[i], &w, &other);
		assert_string_equal(buf_str(&other.titles), buf_str(&first.titles));
	}
	buf_release(&first.titles);
	buf_release(&other.titles);
	for (int i = 2; i < TOWNS; i++)
		box_release(towns[i]);
	world_release(&w);
}

static void the_same_posts_give_the_same_order_everywhere(void **state)
{
	for (unsigned seed = 1; seed <= 8; seed++)
		one_town(seed);
}

static void a_topic_shows_only_in_a_forum_of_its_own_space(void **state)
{
	struct world w;
	struct hash space, topic;
	_cleanup_(secret_freep) struct secret *mallory = test_key(66);

	world_init(&w);
	assert_ok(box_found(&w.a, mallory, &space));
	assert_ok(box_submit(&w.a, &space, "topic.create", NULL, mallory,
			     json_pack("{s:s, s:s, s:s}", "forum", ID(&w.forum), "title", "Intrús",
				       "text", "compreu"),
			     &topic));
	topics_are(&w.a, &w, "Tema");
	world_release(&w);
}

static void two_forums_of_one_slug_keep_two_addresses(void **state)
{
	struct world w;
	struct arena arena = {0};
	struct hash first, second;
	struct forum f;
	const char *path;

	world_init(&w);
	assert_ok(box_submit(&w.a, &w.space, "forum.create", NULL, w.steward,
			     json_pack("{s:s, s:s}", "slug", "hort", "title", "Hort A"), &first));
	test_env_pass(&w.b.env, 10000);
	assert_ok(box_submit(&w.b, &w.space, "forum.create", NULL, w.steward,
			     json_pack("{s:s, s:s}", "slug", "hort", "title", "Hort B"), &second));
	swap(&w);
	for (struct box *b = &w.a; b; b = b == &w.a ? &w.b : NULL) {
		assert_ok(forum_by_name(b->c, &w.space, "hort", &f));
		assert_string_equal(f.title, "Hort A");
		assert_string_equal(forum_path(&arena, &f, &w.space), "/forum/hort");
		assert_ok(forum_get(b->c, &second, &f));
		path = forum_path(&arena, &f, &w.space);
		assert_ok(forum_by_name(b->c, &w.space, path + strlen("/forum/"), &f));
		assert_string_equal(f.title, "Hort B");
	}
	assert_fails(forum_by_name(w.a.c, &w.space, "hort~aaaaaaaa", &f), ERR_NOT_FOUND);
	assert_fails(forum_by_name(w.a.c, &w.space, "", &f), ERR_NOT_FOUND);
	assert_fails(forum_by_name(w.a.c, &w.space, "~", &f), ERR_NOT_FOUND);
	arena_release(&arena);
	world_release(&w);
}

/* As the page does it: the edits first, each with what is kept. */
static void erase(struct box *b, struct world *w, const struct hash *post, const struct secret *who)
{
	struct hash ops[9];
	struct topic t;
	size_t n;

	assert_ok(topic_get(b->c, &w->topic, &t));
	assert_ok(post_edits(b->c, post, ops, 8, &n));
	ops[n++] = *post;
	assert_ok(conn_begin(b->c));
	for (size_t i = 0; i < n; i++)
		assert_ok(community_erase(b->c, &w->space, &ops[i], who,
					  post_keep(&t, post, &ops[i])));
	assert_ok(conn_commit(b->c));
	assert_ok(conn_scrub(b->c));
}

static bool file_has(const char *dir, const char *name, const char *word)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	_cleanup_(buf_release) struct buf b = {0};

	error_free(file_read(path, 1 << 30, &b));
	return b.n && memmem(b.p, b.n, word, strlen(word));
}

static bool folder_has(const char *dir, const char *word)
{
	return file_has(dir, "log.db", word) || file_has(dir, "log.db-wal", word) ||
	       file_has(dir, "view.db", word) || file_has(dir, "view.db-wal", word);
}

static void erased_words_are_nowhere_and_the_place_stays(void **state)
{
	struct world w;
	struct hash post;

	world_init(&w);
	assert_ok(say(&w.a, &w, w.other, "parauladeprova1", &post));
	assert_ok(box_submit(&w.a, &w.space, "post.edit", &w.topic, w.other,
			     json_pack("{s:s, s:s}", "post", ID(&post), "text", "parauladeprova2"),
			     NULL));
	assert_ok(say(&w.a, &w, w.member, "després", NULL));
	swap(&w);
	assert_true(folder_has(w.a.dir, "parauladeprova"));
	erase(&w.a, &w, &post, w.moderator);
	swap(&w);
	assert_ok(conn_scrub(w.b.c));
	posts_are(&w.a, &w.topic, "primer|!|després");
	posts_are(&w.b, &w.topic, "primer|!|després");
	assert_false(folder_has(w.a.dir, "parauladeprova"));
	assert_false(folder_has(w.b.dir, "parauladeprova"));
	rebuilt_the_same(&w);
	posts_are(&w.b, &w.topic, "primer|!|després");
	world_release(&w);
}

static void an_erased_opening_leaves_the_rest(void **state)
{
	struct world w;
	struct topic t;

	world_init(&w);
	assert_ok(say(&w.a, &w, w.other, "resposta", NULL));
	erase(&w.a, &w, &w.topic, w.member);
	swap(&w);
	rebuilt_the_same(&w);
	assert_ok(topic_get(w.b.c, &w.topic, &t));
	assert_string_equal(t.title, "");
	assert_id_equal(&t.forum, &w.forum);
	posts_are(&w.b, &w.topic, "!|resposta");
	assert_ok(say(&w.b, &w, w.member, "continua", NULL));
	swap(&w);
	posts_are(&w.a, &w.topic, "!|resposta|continua");
	world_release(&w);
}

/* The eraser says what the erased op was, and lies: an edit of the own post "was" one of somebody
 * else's. */
static void a_lie_about_an_erased_op_touches_nobody_elses_post(void **state)
{
	struct world w;
	struct hash mine, edit, theirs;

	world_init(&w);
	assert_ok(say(&w.a, &w, w.member, "seva", &theirs));
	assert_ok(say(&w.a, &w, w.other, "meva", &mine));
	assert_ok(box_submit(&w.a, &w.space, "post.edit", &w.topic, w.other,
			     json_pack("{s:s, s:s}", "post", ID(&mine), "text", "meva2"), &edit));
	assert_ok(conn_begin(w.a.c));
	assert_ok(community_erase(w.a.c, &w.space, &edit, w.other,
				  json_pack("{s:s}", "post", ID(&theirs))));
	assert_ok(conn_commit(w.a.c));
	posts_are(&w.a, &w.topic, "primer|seva|meva");
	swap(&w);
	rebuilt_the_same(&w);
	world_release(&w);
}

static void the_source_of_an_import_is_found_again(void **state)
{
	struct world w;
	bool here;

	world_init(&w);
	assert_ok(box_submit(&w.a, &w.space, "post.create", &w.topic, NULL,
			     json_pack("{s:s, s:s, s:{s:s, s:s}}", "text", "u", "source",
				       "discourse:1/2", "by", "name", "pere", "kind", "discourse"),
			     NULL));
	assert_ok(forum_has_source(w.a.c, &w.space, "discourse:1/2", &here));
	assert_true(here);
	assert_ok(forum_has_source(w.a.c, &w.space, "discourse:1/3", &here));
	assert_false(here);
	assert_ok(forum_has_source(w.a.c, &w.forum, "discourse:1/2", &here));
	assert_false(here);
	world_release(&w);
}

static void lines_that_nobody_can_see_or_that_turn_around_are_no_names(void **state)
{
	static const char *const good[] = {"Remei", "Àngels i Núria",	"מאיר",
					   "李",    "👩‍🌾 Quim", "a"};
	static const char *const bad[] = {"",
					  " ",
					  "\xc2\xa0",
					  "a\tb",
					  "a\nb",
					  "\xe2\x80\x8b",
					  "\xe2\x80\xae"
					  "a",
					  "a\xe2\x81\xa9",
					  "\x7f",
					  "\xc2\x85"};
	char longest[LIMIT_NAME + 2];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!author_name_ok(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (author_name_ok(bad[i]))
			fail_msg("%zu", i);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[LIMIT_NAME + 1] = 0;
	assert_false(author_name_ok(longest));
	longest[LIMIT_NAME] = 0;
	assert_true(author_name_ok(longest));
	assert_false(author_name_ok(NULL));
}

struct sums {
	char all[200];
};

static struct error *add_sums(void *ctx, const struct forum *f)
{
	struct sums *s = ctx;
	size_t n = strlen(s->all);

	snprintf(s->all + n, sizeof(s->all) - n, "%s%s %d %d", n ? "|" : "", f->title,
		 (int)f->topics, (int)f->posts);
	return NULL;
}

static struct sums sums_of(struct box *b, struct world *w)
{
	struct sums s = {""};

	assert_ok(forum_each(b->c, &w->space, add_sums, &s));
	return s;
}

#define sums_are(box, w, want)                                                                     \
	do {                                                                                       \
		struct sums got_ = sums_of((box), (w));                                            \
		assert_string_equal(got_.all, want);                                               \
	} while (0)

/* They are kept with each change, and nobody counts them: through posting, hiding, moving, and folding
 * again. */
static void a_forum_knows_how_much_is_in_it(void **state)
{
	struct hash other, second;
	struct world w;
	int64_t n;

	world_init(&w);
	assert_ok(box_submit(&w.a, &w.space, "forum.create", NULL, w.steward,
			     json_pack("{s:s, s:s}", "slug", "zona", "title", "Zona"), &other));
	sums_are(&w.a, &w, "Plaça 1 1|Zona 0 0");
	assert_ok(say(&w.a, &w, w.member, "dos", NULL));
	assert_ok(start_in(&w.a, &w, w.member, "Un altre", &second));
	sums_are(&w.a, &w, "Plaça 2 3|Zona 0 0");
	assert_ok(box_submit(&w.a, &w.space, "topic.set", &w.topic, w.moderator,
			     json_pack("{s:s}", "forum", ID(&other)), NULL));
	sums_are(&w.a, &w, "Plaça 1 1|Zona 1 2");
	assert_ok(box_submit(&w.a, &w.space, "post.hide", &second, w.moderator,
			     json_pack("{s:s, s:b}", "post", ID(&second), "hidden", true), NULL));
	sums_are(&w.a, &w, "Plaça 0 0|Zona 1 2");
	assert_ok(topic_count(w.a.c, &(struct forum){.id = w.forum, .space = w.space}, true, &n));
	assert_int_equal(n, 1);
	assert_ok(topic_count(w.a.c, &(struct forum){.id = w.forum, .space = w.space}, false, &n));
	assert_int_equal(n, 0);
	/* B heard of none of that, and its reply has A fold the conversation again. */
	w.b.env.now = NOW_MS - 100000;
	assert_ok(say(&w.b, &w, w.member, "abans", NULL));
	swap(&w);
	sums_are(&w.a, &w, "Plaça 0 0|Zona 1 3");
	sums_are(&w.b, &w, "Plaça 0 0|Zona 1 3");
	rebuilt_the_same(&w);
	sums_are(&w.b, &w, "Plaça 0 0|Zona 1 3");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_do_what),
		cmocka_unit_test(a_member_can_not_write_in_somebody_elses_name),
		cmocka_unit_test(a_post_that_did_not_see_the_closing_stays),
		cmocka_unit_test(the_later_of_two_moderators_who_know_of_each_other_wins),
		cmocka_unit_test(a_clock_in_the_far_future_does_not_pin_a_conversation),
		cmocka_unit_test(a_large_batch_from_the_future_pins_nothing_for_long),
		cmocka_unit_test(a_reply_of_a_wrong_clock_hides_nothing),
		cmocka_unit_test(who_writes_alone_for_long_keeps_the_order),
		cmocka_unit_test(the_same_posts_give_the_same_order_everywhere),
		cmocka_unit_test(a_topic_shows_only_in_a_forum_of_its_own_space),
		cmocka_unit_test(two_forums_of_one_slug_keep_two_addresses),
		cmocka_unit_test(erased_words_are_nowhere_and_the_place_stays),
		cmocka_unit_test(an_erased_opening_leaves_the_rest),
		cmocka_unit_test(a_lie_about_an_erased_op_touches_nobody_elses_post),
		cmocka_unit_test(the_source_of_an_import_is_found_again),
		cmocka_unit_test(lines_that_nobody_can_see_or_that_turn_around_are_no_names),
		cmocka_unit_test(a_forum_knows_how_much_is_in_it),
	};

	return run_group(tests);
}
