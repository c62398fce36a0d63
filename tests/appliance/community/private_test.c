/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Private spaces: who may read does, who may not has nothing that they could read, and all agree on
 * the rules. Box a founds; b reads and writes; c carries. */
#include "tests/appliance/community/swap.h"
#include "tests/appliance/community/town.h"
#include "appliance/community/community_priv.h"
#include "appliance/community/rules_priv.h"
#include "sync/bundle/bundle.h"
#include "sync/peer/exchange.h"

#define CANARY "kanarienvogel"

struct sealed_town {
	struct town t;
	struct box c;
};

static struct error *admit(struct town *t, struct box *by, int author, const struct box *whom,
			   enum admission how)
{
	struct error *err;

	TRY(conn_begin(by->c));
	err = community_admit(by->c, &t->space, secret_pubkey(whom->key), CANARY " box", how,
			      author < 0 ? NULL : t->who[author]);
	TRY(conn_commit(by->c));
	return err;
}

static struct error *withdraw(struct town *t, struct box *by, int author, const struct box *whom)
{
	struct error *err;

	TRY(conn_begin(by->c));
	err = community_remove(by->c, &t->space, secret_pubkey(whom->key),
			       author < 0 ? NULL : t->who[author]);
	TRY(conn_commit(by->c));
	return err;
}

static struct error *remove_person(struct town *t, struct box *by, int author, int whom)
{
	struct error *err;

	TRY(conn_begin(by->c));
	err = community_remove_person(by->c, &t->space, KEY(t, whom), t->who[author]);
	TRY(conn_commit(by->c));
	return err;
}

static struct error *rotate(struct town *t, struct box *by, int author)
{
	struct error *err;

	TRY(conn_begin(by->c));
	err = community_rotate(by->c, &t->space, author < 0 ? NULL : t->who[author]);
	TRY(conn_commit(by->c));
	return err;
}

static void open_private(struct sealed_town *s)
{
	struct town *t = &s->t;

	box_init(&t->a, 1, 1764000000000);
	box_init(&t->b, 2, 1764000000000);
	box_init(&s->c, 3, 1764000000000);
	assert_ok(box_open(&t->a));
	assert_ok(box_open(&t->b));
	assert_ok(box_open(&s->c));
	for (unsigned i = 0; i < PEOPLE; i++)
		t->who[i] = test_key(1 + i);
	assert_ok(conn_begin(t->a.c));
	assert_ok(community_found_private(t->a.c, CANARY, t->who[FOUNDER], CANARY " founder",
					  &t->space));
	assert_ok(conn_commit(t->a.c));
	town_add(t, &t->a, t->who[FOUNDER], STEWARD, "steward");
	town_add(t, &t->a, t->who[FOUNDER], MODERATOR, "moderator");
	town_add(t, &t->a, t->who[FOUNDER], MEMBER, "member");
	assert_ok(box_submit(&t->a, &t->space, "forum.create", NULL, t->who[FOUNDER],
			     json_pack("{s:s,s:s}", "slug", "general", "title", CANARY),
			     &t->forum));
	assert_ok(box_submit(&t->a, &t->space, "topic.create", NULL, t->who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "forum", ID(&t->forum), "title", CANARY,
				       "text", CANARY " first"),
			     &t->topic));
	assert_ok(admit(t, &t->a, FOUNDER, &s->c, ADMIT_CARRY));
	meet(&t->a, &s->c);
}

static void close_private(struct sealed_town *s)
{
	box_release(&s->c);
	town_close(&s->t);
}

static struct space_info info_of(struct town *t, struct box *b)
{
	struct space_info info;

	assert_ok(space_get(b->c, &t->space, &info));
	return info;
}

/* Entries in a bundle for that receiver (NULL: for anybody). */
static uint64_t bundled(struct box *b, const struct pubkey *receiver)
{
	_cleanup_(freep) char *path = path_join(b->dir, "bundle");
	struct bundle_export x = {.log = b->c->log, .env = &b->env.env, .name = "box"};
	struct bundle_totals totals;

	if (receiver)
		x.receiver = *receiver;
	assert_ok(bundle_export(&x, path, &totals));
	return totals.entries;
}

static bool stream_has_canary(struct box *b)
{
	_cleanup_(freep) char *path = path_join(b->dir, "bundle");
	_cleanup_(buf_release) struct buf bytes = {0};
	struct bundle_totals totals;

	assert_ok(bundle_export(
		&(struct bundle_export){
			.log = b->c->log, .env = &b->env.env, .name = "box", .closed_too = true},
		path, &totals));
	assert_ok(file_read(path, 1 << 30, &bytes));
	assert_true(totals.entries > 5);
	return memmem(bytes.p, bytes.n, CANARY, strlen(CANARY));
}

/* --- */
static void who_carries_has_nothing_to_read(void **state)
{
	struct sealed_town s;
	struct hash ours, theirs;
	struct space_digest x, y;

	open_private(&s);
	assert_true(info_of(&s.t, &s.t.a).is_private);
	assert_string_equal(info_of(&s.t, &s.t.a).name, CANARY);
	assert_true(box_holds(&s.t.a, CANARY)); /* its view is in clear */
	assert_false(box_holds(&s.c, CANARY));
	assert_false(stream_has_canary(&s.t.a));
	assert_false(stream_has_canary(&s.c));
	assert_true(info_of(&s.t, &s.c).is_private);
	assert_false(info_of(&s.t, &s.c).has_key);
	assert_int_equal(info_of(&s.t, &s.c).unopened, 2);
	assert_ok(heads_space_digest(s.t.a.c->log, &s.t.space, &x));
	assert_ok(heads_space_digest(s.c.c->log, &s.t.space, &y));
	assert_id_equal(&x.heads, &y.heads);
	ours = box_digest(&s.t.a, &s.t.space);
	theirs = box_digest(&s.c, &s.t.space);
	assert_memory_not_equal(&ours, &theirs, 32);
	assert_int_equal(role_at(&s.t, &s.c, MODERATOR), ROLE_MODERATOR);
	close_private(&s);
}

static void who_is_admitted_late_reads_all_from_the_beginning(void **state)
{
	struct sealed_town s;

	open_private(&s);
	assert_ok(rotate(&s.t, &s.t.a, FOUNDER));
	assert_ok(post(&s.t, &s.t.a, MEMBER, "second", NULL));
	assert_ok(rotate(&s.t, &s.t.a, -1));
	assert_ok(post(&s.t, &s.t.a, MEMBER, "third", NULL));
	assert_int_equal(info_of(&s.t, &s.t.a).epoch, 3);
	meet(&s.t.a, &s.t.b);
	assert_int_equal(info_of(&s.t, &s.t.b).unopened, 4);
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.t.b, ADMIT_WRITE));
	meet(&s.t.a, &s.t.b);
	assert_int_equal(info_of(&s.t, &s.t.b).unopened, 0);
	assert_posts(&s.t.b, &s.t.topic, CANARY " first|second|third");
	assert_string_equal(info_of(&s.t, &s.t.b).name, CANARY);
	assert_agree(&s.t);
	assert_ok(post(&s.t, &s.t.b, MEMBER, "fourth", NULL));
	meet(&s.t.a, &s.t.b);
	assert_agree(&s.t);
	close_private(&s);
}

static void who_is_removed_does_not_read_what_comes_after(void **state)
{
	struct sealed_town s;

	open_private(&s);
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.t.b, ADMIT_READ));
	meet(&s.t.a, &s.t.b);
	assert_true(info_of(&s.t, &s.t.b).has_key);
	assert_ok(withdraw(&s.t, &s.t.a, FOUNDER, &s.t.b));
	assert_int_equal(info_of(&s.t, &s.t.a).epoch, 2);
	assert_ok(post(&s.t, &s.t.a, MEMBER, "after", NULL));
	meet(&s.t.a, &s.t.b);
	assert_false(info_of(&s.t, &s.t.b).has_key);
	assert_int_equal(info_of(&s.t, &s.t.b).unopened, 1);
	assert_posts(&s.t.b, &s.t.topic, CANARY " first");
	assert_posts(&s.t.a, &s.t.topic, CANARY " first|after");
	close_private(&s);
}

static void swap_both(struct box *x, struct box *y)
{
	bool moved;

	assert_ok(boxes_swap_by(x, y, 0, 4096, true, &moved));
	assert_ok(boxes_swap_by(y, x, 0, 4096, true, &moved));
}

/* Sixty-five thousand keys are too many to make here: the rules in memory are told that it was so. */
static void pretend_last_epoch(struct town *t)
{
	struct rules *r = space_of(t->a.c, &t->space)->rules;

	r->now->epoch = LIMIT_EPOCHS;
	r->nodes[r->now->key]->epoch = LIMIT_EPOCHS;
	for (uint32_t i = 0; i < r->n; i++)
		if (r->nodes[i]->state)
			r->nodes[i]->state->epoch = LIMIT_EPOCHS;
}

static void key_of_now(struct town *t, struct box *b, struct hash *ret, uint16_t *ret_epoch)
{
	assert_true(rules_key_now(space_of(b->c, &t->space)->rules, ret, ret_epoch));
}

static void after_the_last_epoch_there_are_more_keys_and_who_is_removed_has_none(void **state)
{
	struct sealed_town s;
	struct hash first, second, third;
	uint16_t epoch;

	open_private(&s);
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.t.b, ADMIT_READ));
	swap_both(&s.t.a, &s.t.b);
	pretend_last_epoch(&s.t);
	key_of_now(&s.t, &s.t.a, &first, &epoch);
	assert_ok(rotate(&s.t, &s.t.a, FOUNDER));
	key_of_now(&s.t, &s.t.a, &second, &epoch);
	assert_int_equal(epoch, LIMIT_EPOCHS);
	assert_false(hash_eq(&first, &second));
	assert_ok(post(&s.t, &s.t.a, MEMBER, "before", NULL));
	assert_ok(withdraw(&s.t, &s.t.a, FOUNDER, &s.t.b));
	key_of_now(&s.t, &s.t.a, &third, &epoch);
	assert_int_equal(epoch, LIMIT_EPOCHS);
	assert_false(hash_eq(&second, &third));
	assert_true(info_of(&s.t, &s.t.a).has_key);
	assert_ok(post(&s.t, &s.t.a, MEMBER, "after", NULL));
	assert_posts(&s.t.a, &s.t.topic, CANARY " first|before|after");
	close_private(&s);
}

/* A key that a steward made at `by`, boxed to those boxes. */
static struct hash make_key(struct town *t, struct box *by, const uint8_t bytes[SPACE_KEY],
			    const struct box *const *to, size_t n)
{
	struct space_key key = {.epoch = 2, .bytes = bytes};
	json_t *keys = json_array();
	struct hash head;

	assert_int_equal(rules_heads(space_of(by->c, &t->space)->rules, &head, 1), 1);
	key.name = space_key_name(&t->space, 2, bytes);
	for (size_t i = 0; i < n; i++) {
		char letters[BASE32_LEN(BOXED_KEY) + 1];
		uint8_t box[BOXED_KEY];

		assert_true(box_key(secret_pubkey(to[i]->key), &key, box));
		base32_encode(box, sizeof(box), letters);
		json_array_append_new(keys, json_pack("{s:s,s:s}", "to",
						      ID(secret_pubkey(to[i]->key)), "box",
						      letters));
	}
	append_raw(t, by, STEWARD, &head,
		   json_pack("{s:s,s:s,s:s,s:i,s:o,s:[s]}", "type", "space.key", "object",
			     ID(&t->space), "key", ID(&key.name), "epoch", 2, "keys", keys, "seen",
			     ID(&head)));
	return key.name;
}

static void assert_another_key(struct town *t, struct box *b, const struct hash *theirs)
{
	struct hash now;
	uint16_t epoch;

	key_of_now(t, b, &now, &epoch);
	assert_false(hash_eq(&now, theirs));
	assert_int_equal(epoch, 3);
	assert_true(info_of(t, b).has_key);
}

static void open_three(struct sealed_town *s)
{
	struct town *t = &s->t;

	open_private(s);
	assert_ok(admit(t, &t->a, FOUNDER, &t->b, ADMIT_WRITE));
	assert_ok(admit(t, &t->a, FOUNDER, &s->c, ADMIT_WRITE));
	meet(&t->a, &t->b);
	meet(&t->a, &s->c);
}

static void a_key_that_the_keeper_was_not_given_is_not_written_with_for_long(void **state)
{
	struct sealed_town s;
	uint8_t bytes[SPACE_KEY] = "theirs";
	struct hash theirs;

	open_three(&s);
	theirs = make_key(&s.t, &s.t.b, bytes, (const struct box *[]){&s.t.b, &s.c}, 2);
	meet(&s.t.a, &s.t.b);
	assert_another_key(&s.t, &s.t.a, &theirs);
	/* Who writes has it, and reads what was before. */
	meet(&s.t.a, &s.c);
	assert_another_key(&s.t, &s.c, &theirs);
	assert_ok(post(&s.t, &s.c, MEMBER, "of c", NULL));
	meet(&s.t.a, &s.c);
	assert_posts(&s.t.a, &s.t.topic, CANARY " first|of c");
	close_private(&s);
}

/* The steward and the box that made it go at once, before the keeper has heard of the key. */
static void who_made_a_key_past_the_keeper_does_not_read_on(void **state)
{
	struct sealed_town s;
	uint8_t bytes[SPACE_KEY] = "theirs";
	struct hash theirs, now;
	uint16_t epoch;

	open_three(&s);
	assert_ok(remove_person(&s.t, &s.t.a, FOUNDER, STEWARD));
	assert_ok(withdraw(&s.t, &s.t.a, FOUNDER, &s.t.b));
	theirs = make_key(&s.t, &s.t.b, bytes, (const struct box *[]){&s.t.b, &s.c}, 2);
	meet(&s.t.a, &s.t.b);
	meet(&s.t.a, &s.c);
	key_of_now(&s.t, &s.c, &now, &epoch);
	assert_false(hash_eq(&now, &theirs));
	assert_true(info_of(&s.t, &s.c).has_key);
	close_private(&s);
}

/* Who made a key knows it, whether they boxed it to themselves or not. */
static void who_made_the_newest_key_without_a_box_of_it_does_not_read_on(void **state)
{
	for (int person = 0; person < 2; person++) {
		struct sealed_town s;
		uint8_t bytes[SPACE_KEY] = "theirs";
		struct hash theirs, now;
		uint16_t epoch;

		open_three(&s);
		theirs = make_key(&s.t, &s.t.b, bytes, (const struct box *[]){&s.t.a, &s.c}, 2);
		meet(&s.t.a, &s.t.b);
		key_of_now(&s.t, &s.t.a, &now, &epoch);
		assert_id_equal(&now, &theirs);
		if (person)
			assert_ok(remove_person(&s.t, &s.t.a, FOUNDER, STEWARD));
		else
			assert_ok(withdraw(&s.t, &s.t.a, FOUNDER, &s.t.b));
		assert_another_key(&s.t, &s.t.a, &theirs);
		meet(&s.t.a, &s.c);
		assert_another_key(&s.t, &s.c, &theirs);
		/* And that was enough. */
		assert_ok(post(&s.t, &s.t.a, FOUNDER, "x", NULL));
		assert_another_key(&s.t, &s.t.a, &theirs);
		close_private(&s);
	}
}

static void who_is_to_carry_only_loses_the_key_to_come(void **state)
{
	struct sealed_town s;

	open_private(&s);
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.t.b, ADMIT_WRITE));
	meet(&s.t.a, &s.t.b);
	assert_ok(admit(&s.t, &s.t.a, -1, &s.t.b, ADMIT_CARRY));
	assert_int_equal(info_of(&s.t, &s.t.a).epoch, 2);
	meet(&s.t.a, &s.t.b);
	assert_false(info_of(&s.t, &s.t.b).has_key);
	assert_fails(post(&s.t, &s.t.b, MEMBER, "x", NULL), ERR_NOT_ADMITTED);
	close_private(&s);
}

static void two_new_keys_at_once_both_open_and_one_is_written_with(void **state)
{
	struct sealed_town s;

	open_private(&s);
	assert_ok(box_submit(&s.t.a, &s.t.space, "appliance.admit", NULL, s.t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s,s:b}", "key", ID(secret_pubkey(s.t.b.key)),
				       "name", "B", "mode", "write", "keeper", 1),
			     NULL));
	meet(&s.t.a, &s.t.b);
	assert_ok(rotate(&s.t, &s.t.a, -1));
	assert_ok(post(&s.t, &s.t.a, MEMBER, "of a", NULL));
	assert_ok(rotate(&s.t, &s.t.b, -1));
	test_env_pass(&s.t.b.env, 1000);
	assert_ok(post(&s.t, &s.t.b, MEMBER, "of b", NULL));
	meet(&s.t.a, &s.t.b);
	meet(&s.t.a, &s.t.b);
	assert_int_equal(info_of(&s.t, &s.t.a).epoch, 2);
	assert_posts(&s.t.a, &s.t.topic, CANARY " first|of a|of b");
	assert_agree(&s.t);
	/* Who comes later reads both. */
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.c, ADMIT_READ));
	meet(&s.t.a, &s.c);
	assert_posts(&s.c, &s.t.topic, CANARY " first|of a|of b");
	close_private(&s);
}

static void a_key_that_is_owed_after_others_met_is_made(void **state)
{
	struct sealed_town s;

	open_private(&s);
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.t.b, ADMIT_WRITE));
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.c, ADMIT_READ));
	meet(&s.t.a, &s.t.b);
	meet(&s.t.a, &s.c);
	/* The steward at b, which is no keeper, removes c: the steward makes the key. At a,
	 * meanwhile, the keeper makes one that c gets; when a hears of it, it makes another. */
	assert_ok(rotate(&s.t, &s.t.a, -1));
	assert_ok(withdraw(&s.t, &s.t.b, STEWARD, &s.c));
	meet(&s.t.a, &s.t.b);
	meet(&s.t.a, &s.t.b);
	assert_true(info_of(&s.t, &s.t.a).has_key);
	assert_true(info_of(&s.t, &s.t.b).has_key);
	assert_agree(&s.t);
	meet(&s.t.a, &s.c);
	assert_false(info_of(&s.t, &s.c).has_key);
	close_private(&s);
}

static struct hash append_sealed(struct town *t, struct box *b, const char *payload)
{
	struct hash id;
	bool more;

	assert_ok(conn_begin(b->c));
	assert_ok(log_append(b->c->log,
			     &(struct log_append){.space = &t->space,
						  .author = t->who[FOUNDER],
						  .appliance = b->key,
						  .rules = t->space,
						  .time = env_now(&b->env.env),
						  .sealed = true,
						  .epoch = 1,
						  .payload = span_str(payload)},
			     &id));
	assert_ok(community_catch_up(b->c, 0, &more));
	assert_ok(conn_commit(b->c));
	return id;
}

static void clear_text_in_a_private_space_has_no_effect(void **state)
{
	struct sealed_town s;

	open_private(&s);
	append_raw(&s.t, &s.t.a, MEMBER, &s.t.space,
		   json_pack("{s:s,s:s,s:s}", "type", "post.create", "object", ID(&s.t.topic),
			     "text", "in clear"));
	append_raw(&s.t, &s.t.a, FOUNDER, &s.t.space,
		   json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", "member.add", "object",
			     ID(&s.t.space), "key", ID(KEY(&s.t, STRANGER)), "name", "Clear",
			     "role", "member"));
	append_sealed(&s.t, &s.t.a,
		      "no key opens this, it is not even sealed, and long enough"
		      " to look as if it were sealed with some key or other.");
	assert_posts(&s.t.a, &s.t.topic, CANARY " first");
	assert_int_equal(role_at(&s.t, &s.t.a, STRANGER), ROLE_NONE);
	assert_int_equal(info_of(&s.t, &s.t.a).unopened, 1);
	close_private(&s);
}

static void a_public_space_knows_no_keys(void **state)
{
	struct town t;

	town_open(&t);
	assert_fails(rotate(&t, &t.a, FOUNDER), ERR_NOT_FOUND);
	append_sealed(&t, &t.a, "{\"type\":\"forum.create\",\"slug\":\"x\",\"title\":\"X\"}");
	assert_false(info_of(&t, &t.a).is_private);
	assert_int_equal(info_of(&t, &t.a).unopened, 0);
	meet(&t.a, &t.b);
	assert_agree(&t);
	town_close(&t);
}

static void what_is_erased_goes_where_it_can_not_be_read_too(void **state)
{
	struct sealed_town s;
	struct log_counts before, after;
	struct hash id;

	open_private(&s);
	assert_ok(post(&s.t, &s.t.a, MEMBER, "a mistake", &id));
	meet(&s.t.a, &s.c);
	assert_ok(log_count(s.c.c->log, &s.t.space, &before));
	assert_ok(box_erase(&s.t.a, &s.t.space, &id, s.t.who[MODERATOR]));
	meet(&s.t.a, &s.c);
	assert_ok(log_count(s.c.c->log, &s.t.space, &after));
	assert_int_equal(after.entries, before.entries + 1);
	assert_int_equal(after.held, before.held); /* one more, one less */
	assert_posts(&s.t.a, &s.t.topic, CANARY " first|(erased)");
	/* And who is admitted later shows the same. */
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.t.b, ADMIT_READ));
	meet(&s.c, &s.t.b);
	meet(&s.t.a, &s.t.b);
	assert_posts(&s.t.b, &s.t.topic, CANARY " first|(erased)");
	assert_agree(&s.t);
	close_private(&s);
}

/* A keeper that gives others another key than the one it names. */
static void who_is_given_a_false_key_does_not_write_with_it(void **state)
{
	struct sealed_town s;
	uint8_t false_key[SPACE_KEY] = "false", box[BOXED_KEY];
	struct space_key key = {.epoch = 2, .bytes = false_key};
	char letters[BASE32_LEN(BOXED_KEY) + 1];
	struct hash name = hash_bytes(span_str("a key that nobody has")), rules;

	open_private(&s);
	assert_ok(box_submit(&s.t.a, &s.t.space, "space.set", NULL, s.t.who[FOUNDER],
			     json_pack("{s:s}", "about", "x"), &rules));
	assert_true(box_key(secret_pubkey(s.t.a.key), &key, box));
	base32_encode(box, sizeof(box), letters);
	append_raw(&s.t, &s.t.a, FOUNDER, &rules,
		   json_pack("{s:s,s:s,s:s,s:i,s:[{s:s,s:s}]}", "type", "space.key", "object",
			     ID(&s.t.space), "key", ID(&name), "epoch", 2, "keys", "to",
			     ID(secret_pubkey(s.t.a.key)), "box", letters));
	/* That does not end the space: the keeper, which was not given it, makes another, which leads to
	 * all before. */
	assert_int_equal(info_of(&s.t, &s.t.a).epoch, 3);
	assert_true(info_of(&s.t, &s.t.a).has_key);
	assert_ok(post(&s.t, &s.t.a, MEMBER, "again", NULL));
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.c, ADMIT_READ));
	meet(&s.t.a, &s.c);
	assert_posts(&s.c, &s.t.topic, CANARY " first|again");
	close_private(&s);
}

/* A keeper that gives a new key, and says that it leads to the one before, which it does not. */
static void a_false_wrap_keeps_no_key_from_who_comes_later(void **state)
{
	struct sealed_town s;
	uint8_t bytes[SPACE_KEY] = "theirs", box[BOXED_KEY], wrap[WRAPPED_KEY] = {7};
	char boxed[BASE32_LEN(BOXED_KEY) + 1], wrapped[BASE32_LEN(WRAPPED_KEY) + 1];
	struct space_key key = {.epoch = 2, .bytes = bytes};
	struct hash first, rules;
	uint16_t epoch;

	open_private(&s);
	assert_ok(box_submit(&s.t.a, &s.t.space, "space.set", NULL, s.t.who[FOUNDER],
			     json_pack("{s:s}", "about", "x"), &rules));
	assert_true(rules_key_now(space_of(s.t.a.c, &s.t.space)->rules, &first, &epoch));
	key.name = space_key_name(&s.t.space, 2, bytes);
	assert_true(box_key(secret_pubkey(s.t.a.key), &key, box));
	base32_encode(box, sizeof(box), boxed);
	base32_encode(wrap, sizeof(wrap), wrapped);
	append_raw(&s.t, &s.t.a, FOUNDER, &rules,
		   json_pack("{s:s,s:s,s:s,s:i,s:[{s:s,s:s}],s:[{s:s,s:i,s:s}]}", "type",
			     "space.key", "object", ID(&s.t.space), "key", ID(&key.name), "epoch",
			     2, "keys", "to", ID(secret_pubkey(s.t.a.key)), "box", boxed, "older",
			     "key", ID(&first), "epoch", 1, "box", wrapped));
	assert_true(info_of(&s.t, &s.t.a).has_key);
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.c, ADMIT_READ));
	meet(&s.t.a, &s.c);
	assert_posts(&s.c, &s.t.topic, CANARY " first");
	close_private(&s);
}

static void after_opening_again_and_a_rebuild_all_is_as_before(void **state)
{
	struct sealed_town s;
	struct hash before, after;

	open_private(&s);
	assert_ok(rotate(&s.t, &s.t.a, -1));
	assert_ok(post(&s.t, &s.t.a, MEMBER, "second", NULL));
	before = box_digest(&s.t.a, &s.t.space);
	conn_close(STEAL(s.t.a.c));
	assert_ok(box_open(&s.t.a));
	assert_ok(post(&s.t, &s.t.a, MEMBER, "third", NULL));
	assert_posts(&s.t.a, &s.t.topic, CANARY " first|second|third");
	before = box_digest(&s.t.a, &s.t.space);
	assert_ok(community_rebuild(s.t.a.c));
	after = box_digest(&s.t.a, &s.t.space);
	assert_id_equal(&before, &after);
	close_private(&s);
}

struct boxes_seen {
	struct rules_box *to_us[8];
	size_t n;
	struct pubkey us;
};

static void see_box(void *ctx, struct rules_box *b)
{
	struct boxes_seen *k = ctx;

	if (!b->wrapped && pubkey_eq(&b->to, &k->us) && k->n < ARRAY_LEN(k->to_us))
		k->to_us[k->n++] = b;
}

static struct boxes_seen boxes_to(struct town *t, struct box *b)
{
	struct boxes_seen seen = {.us = *secret_pubkey(b->key)};

	rules_each_box(space_of(b->c, &t->space)->rules, see_box, &seen);
	return seen;
}

static void give_rubbish(struct town *t, struct box *to, size_t times, struct hash *ret_name)
{
	char rubbish[BASE32_LEN(BOXED_KEY) + 1];
	uint8_t bytes[BOXED_KEY] = {7};
	json_t *keys = json_array();
	struct hash rules;

	assert_ok(box_submit(&t->a, &t->space, "space.set", NULL, t->who[FOUNDER],
			     json_pack("{s:s}", "about", "x"), &rules));
	base32_encode(bytes, sizeof(bytes), rubbish);
	*ret_name = hash_bytes(span_str("a key that nobody has"));
	for (size_t i = 0; i < times; i++)
		json_array_append_new(keys, json_pack("{s:s,s:s}", "to",
						      ID(secret_pubkey(to->key)), "box", rubbish));
	append_raw(t, &t->a, FOUNDER, &rules,
		   json_pack("{s:s,s:s,s:s,s:i,s:o}", "type", "space.give", "object", ID(&t->space),
			     "key", ID(ret_name), "epoch", 1, "keys", keys));
}

static void a_box_that_does_not_open_is_tried_once(void **state)
{
	struct sealed_town s;
	struct boxes_seen seen;
	struct hash name;

	open_private(&s);
	give_rubbish(&s.t, &s.t.a, 1, &name);
	seen = boxes_to(&s.t, &s.t.a);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.to_us[0]->tried, BOX_OPENS);
	assert_int_equal(seen.to_us[1]->tried, BOX_DUD);
	/* What is in them now makes no difference any more. */
	memset(seen.to_us[0]->bytes, 7, BOXED_KEY);
	assert_ok(rotate(&s.t, &s.t.a, FOUNDER));
	assert_int_equal(seen.to_us[0]->tried, BOX_OPENS);
	assert_true(info_of(&s.t, &s.t.a).has_key);
	assert_posts(&s.t.a, &s.t.topic, CANARY " first");
	assert_int_equal(boxes_to(&s.t, &s.t.a).n, 3);
	close_private(&s);
}

static void an_op_has_one_box_for_each(void **state)
{
	struct sealed_town s;
	struct hash name;

	open_private(&s);
	give_rubbish(&s.t, &s.t.a, 2, &name);
	assert_int_equal(boxes_to(&s.t, &s.t.a).n, 1);
	assert_ok(post(&s.t, &s.t.a, MEMBER, "x", NULL));
	close_private(&s);
}

static void guests_have_no_place(void **state)
{
	struct sealed_town s;

	open_private(&s);
	assert_string_equal(info_of(&s.t, &s.t.a).guest_posts, "no");
	assert_ok(box_submit(&s.t.a, &s.t.space, "space.set", NULL, s.t.who[FOUNDER],
			     json_pack("{s:s,s:s}", "guest_posts", "held", "about", "words"),
			     NULL));
	assert_string_equal(info_of(&s.t, &s.t.a).guest_posts, "no");
	assert_string_equal(info_of(&s.t, &s.t.a).about, "words");
	assert_string_equal(info_of(&s.t, &s.t.a).name, CANARY);
	close_private(&s);
}

static void a_key_that_is_none_is_not_admitted(void **state)
{
	struct sealed_town s;
	struct pubkey low = {{1}};
	struct error *err;

	open_private(&s);
	assert_ok(conn_begin(s.t.a.c));
	err = community_admit(s.t.a.c, &s.t.space, &low, "x", ADMIT_READ, s.t.who[FOUNDER]);
	conn_rollback(s.t.a.c);
	assert_fails(err, ERR_INVALID);
	close_private(&s);
}

static bool knows(struct town *t, struct box *b)
{
	struct log_counts n;

	assert_ok(log_count(b->c->log, &t->space, &n));
	return n.logs > 0;
}

static void it_is_told_to_those_who_are_admitted_and_to_nobody_else(void **state)
{
	struct sealed_town s;
	struct box d;
	uint8_t all[DISCOVERY_DIGEST], open[DISCOVERY_DIGEST], none[DISCOVERY_DIGEST];

	open_private(&s);
	box_init(&d, 4, 1764000000000);
	assert_ok(box_open(&d));
	assert_ok(exchange_announced(d.c->log, none));
	swap_both(&s.t.a, &d);
	swap_both(&s.c, &d);
	assert_false(knows(&s.t, &d));
	assert_true(space_shared_with(s.t.a.c, &s.t.space, secret_pubkey(s.c.key)));
	assert_false(space_shared_with(s.t.a.c, &s.t.space, secret_pubkey(d.key)));
	assert_false(space_shared_with(s.t.a.c, &s.t.space, KEY(&s.t, FOUNDER)));
	assert_ok(exchange_digest(s.t.a.c->log, all));
	assert_ok(exchange_announced(s.t.a.c->log, open));
	assert_memory_equal(open, none, sizeof(open));
	assert_memory_not_equal(open, all, sizeof(open));
	assert_int_equal(bundled(&s.t.a, NULL), 0);
	assert_int_equal(bundled(&s.t.a, secret_pubkey(d.key)), 0);
	assert_true(bundled(&s.t.a, secret_pubkey(s.c.key)) > 5);
	assert_true(bundled(&s.c, secret_pubkey(s.t.a.key)) > 5);
	/* Once admitted it gets all, also from who only carries. */
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &d, ADMIT_READ));
	swap_both(&s.t.a, &s.c);
	swap_both(&s.c, &d);
	assert_true(info_of(&s.t, &d).has_key);
	assert_posts(&d, &s.t.topic, CANARY " first");
	box_release(&d);
	close_private(&s);
}

static void who_was_removed_hears_nothing_more(void **state)
{
	struct sealed_town s;
	struct space_digest then, now;

	open_private(&s);
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.t.b, ADMIT_WRITE));
	swap_both(&s.t.a, &s.t.b);
	assert_true(knows(&s.t, &s.t.b));
	assert_ok(withdraw(&s.t, &s.t.a, FOUNDER, &s.t.b));
	assert_ok(heads_space_digest(s.t.b.c->log, &s.t.space, &then));
	assert_ok(post(&s.t, &s.t.b, MEMBER, "does it go on?", NULL));
	assert_ok(heads_space_digest(s.t.b.c->log, &s.t.space, &then));
	swap_both(&s.t.a, &s.t.b);
	assert_ok(heads_space_digest(s.t.b.c->log, &s.t.space, &now));
	assert_id_equal(&then.heads, &now.heads);
	assert_posts(&s.t.a, &s.t.topic, CANARY " first");
	assert_int_equal(bundled(&s.t.a, secret_pubkey(s.t.b.key)), 0);
	close_private(&s);
}

static void only_its_people_see_it(void **state)
{
	struct sealed_town s;
	struct town t;

	open_private(&s);
	assert_true(space_visible_to(s.t.a.c, &s.t.space, KEY(&s.t, MEMBER)));
	assert_false(space_visible_to(s.t.a.c, &s.t.space, KEY(&s.t, STRANGER)));
	assert_false(space_visible_to(s.t.a.c, &s.t.space, NULL));
	assert_ok(revoke_key(&s.t, &s.t.a, FOUNDER, "member.revoke", KEY(&s.t, MEMBER),
			     cut_at(&s.t, &s.t.a, NULL, 0)));
	assert_false(space_visible_to(s.t.a.c, &s.t.space, KEY(&s.t, MEMBER)));
	close_private(&s);
	town_open(&t);
	assert_true(space_visible_to(t.a.c, &t.space, NULL));
	assert_false(space_visible_to(t.a.c, &t.forum, NULL));
	town_close(&t);
}

/* --- private is for ever --- */
/* Another first entry of that log, signed with its box's key as whoever has it can: an ordinary one,
 * where the true one founds the space. */
static void fork_at_the_first(struct town *t, struct box *at, const struct box *of)
{
	_cleanup_(carried_release) struct carried k = {0};
	struct logs_of logs = {.n = 0};
	const struct log_info *l = NULL;
	uint8_t salt[ENTRY_SALT] = {1};
	struct entry_bytes one, two;
	struct fork_proof proof;
	struct hash x, y;
	struct entry e;
	bool any, more;

	assert_ok(log_each(at->c->log, &t->space, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++)
		if (pubkey_eq(&logs.info[i].id.appliance, secret_pubkey(of->key)))
			l = &logs.info[i];
	assert_non_null(l);
	assert_ok(log_range(at->c->log, l->num, 1, 1, carry_entry, &k));
	memcpy(one.b, k.headers.p, ENTRY_HEADER);
	entry_decode(&one, &e);
	e.space = t->space;
	e.rules = t->space;
	e.flags = 0;
	entry_make(&e, NULL, of->key, salt, span_str("{}"), &two);
	x = entry_hash(&one);
	y = entry_hash(&two);
	proof.a = hash_cmp(&x, &y) < 0 ? one : two;
	proof.b = hash_cmp(&x, &y) < 0 ? two : one;
	assert_ok(conn_begin(at->c));
	assert_ok(log_ingest_fork(at->c->log, &proof, &any));
	assert_ok(community_catch_up(at->c, 0, &more));
	assert_ok(conn_commit(at->c));
	assert_true(any);
}

/* The bytes of the founding op are not what they were; the box notices. */
static void lose_founding_payload(struct town *t, struct box *b)
{
	uint64_t bad;

	assert_ok(conn_begin(b->c));
	assert_ok(db_exec(log_db(b->c->log), "UPDATE entry SET body = zeroblob(length(body))"
					     " WHERE substr(header, 33, 32) = zeroblob(32)"));
	assert_ok(log_repair(b->c->log, &bad));
	assert_ok(conn_commit(b->c));
	assert_int_equal(bad, 1);
	conn_close(STEAL(b->c));
	assert_ok(box_open(b));
}

static bool is_founded(struct town *t, struct box *b)
{
	struct rules_space about;

	assert_ok(memory_load(b->c));
	return rules_about(space_of(b->c, &t->space)->rules, &about);
}

static void assert_told_to_admitted_only(struct town *t, struct box *b, const struct box *admitted)
{
	struct pubkey stranger = {{9, 9, 9}};

	assert_true(log_is_closed(b->c->log, &t->space));
	assert_false(log_shared_with(b->c->log, &t->space, &stranger));
	assert_true(log_shared_with(b->c->log, &t->space, secret_pubkey(admitted->key)));
	assert_int_equal(bundled(b, NULL), 0);
	assert_int_equal(bundled(b, &stranger), 0);
	assert_true(bundled(b, secret_pubkey(admitted->key)) > 0);
}

static void admit_keeper(struct town *t, struct box *b)
{
	assert_ok(box_submit(&t->a, &t->space, "appliance.admit", NULL, t->who[FOUNDER],
			     json_pack("{s:s,s:s,s:s,s:b}", "key", ID(secret_pubkey(b->key)),
				       "name", "B", "mode", "write", "keeper", 1),
			     NULL));
}

static void who_has_the_founding_box_s_key_opens_nothing(void **state)
{
	struct sealed_town s;

	open_private(&s);
	admit_keeper(&s.t, &s.t.b);
	meet(&s.t.a, &s.t.b);
	/* Its key was stolen: b and the founder go on without it. */
	assert_ok(withdraw(&s.t, &s.t.b, FOUNDER, &s.t.a));
	assert_told_to_admitted_only(&s.t, &s.t.b, &s.c);
	fork_at_the_first(&s.t, &s.t.b, &s.t.a);
	assert_told_to_admitted_only(&s.t, &s.t.b, &s.c);
	close_private(&s);
}

static void who_lost_the_founding_op_tells_the_space_to_nobody_new(void **state)
{
	struct sealed_town s;

	open_private(&s);
	lose_founding_payload(&s.t, &s.c);
	assert_false(is_founded(&s.t, &s.c));
	assert_told_to_admitted_only(&s.t, &s.c, &s.t.a);
	assert_ok(community_rebuild(s.c.c));
	assert_false(is_founded(&s.t, &s.c));
	assert_told_to_admitted_only(&s.t, &s.c, &s.t.a);
	/* It comes back from who has it. */
	meet(&s.t.a, &s.c);
	assert_true(is_founded(&s.t, &s.c));
	assert_told_to_admitted_only(&s.t, &s.c, &s.t.a);
	close_private(&s);
}

static struct error *note_place(void *ctx, const struct stored *e)
{
	*(struct op_at *)ctx = (struct op_at){e->log, e->seq};
	return NULL;
}

/* The bytes of c's removal are damaged on b's disk: it takes nobody in again. */
static void who_lost_a_removal_hands_out_nothing(void **state)
{
	struct sealed_town s;
	struct town *t = &s.t;
	struct rules *r;
	struct hash id = {{0}};
	struct op_at at;
	char sql[120];
	uint64_t n;
	bool more;

	open_private(&s);
	assert_ok(box_submit(&t->a, &t->space, "appliance.admit", NULL, t->who[FOUNDER],
			     json_pack("{s:s,s:s,s:s,s:b}", "key", ID(secret_pubkey(t->b.key)),
				       "name", "B", "mode", "write", "keeper", 1),
			     NULL));
	assert_ok(admit(t, &t->a, FOUNDER, &s.c, ADMIT_READ));
	meet(&t->a, &t->b);
	meet(&t->a, &s.c);
	assert_ok(withdraw(t, &t->a, FOUNDER, &s.c));
	meet(&t->a, &t->b);
	r = space_of(t->b.c, &t->space)->rules;
	for (uint32_t i = 0; i < r->n; i++)
		if (r->nodes[i]->kind == RULE_WITHDRAW)
			id = r->nodes[i]->id;
	assert_ok(log_op(t->b.c->log, &id, note_place, &at));
	snprintf(sql, sizeof(sql),
		 "UPDATE entry SET body = zeroblob(length(body)) WHERE log=%lld AND seq=%llu",
		 (long long)at.log, (unsigned long long)at.seq);
	assert_ok(conn_begin(t->b.c));
	assert_ok(db_exec(log_db(t->b.c->log), sql));
	assert_ok(log_repair(t->b.c->log, &n));
	assert_ok(conn_commit(t->b.c));
	conn_close(t->b.c);
	assert_ok(box_open(&t->b));
	/* (it would be written with a key of before) */
	assert_fails(post(t, &t->b, MEMBER, "after it", NULL), ERR_NOT_ADMITTED);
	assert_ok(conn_begin(t->b.c));
	assert_ok(community_catch_up(t->b.c, 0, &more));
	assert_ok(conn_commit(t->b.c));
	assert_false(log_shared_with(t->b.c->log, &t->space, secret_pubkey(s.c.key)));
	meet(&t->b, &s.c);
	assert_posts(&s.c, &t->topic, CANARY " first");
	/* It comes again, and all is as before. */
	meet(&t->a, &t->b);
	assert_int_equal(space_of(t->b.c, &t->space)->lacking, 0);
	assert_ok(post(t, &t->b, MEMBER, "with the new one", NULL));
	meet(&t->a, &t->b);
	meet(&t->b, &s.c);
	assert_posts(&s.c, &t->topic, CANARY " first");
	assert_agree(t);
	assert_false(log_shared_with(t->b.c->log, &t->space, secret_pubkey(s.c.key)));
	assert_true(log_shared_with(t->b.c->log, &t->space, secret_pubkey(t->a.key)));
	close_private(&s);
}

static void what_is_public_is_told_when_its_founding_op_is_here_and_from_then_on(void **state)
{
	struct pubkey stranger = {{9, 9, 9}};
	struct logs_of logs = {.n = 0};
	struct town t;
	struct box d;
	bool more;

	town_open(&t);
	box_init(&d, 4, 1764000000000);
	assert_ok(box_open(&d));
	/* The headers came, and not what is in them. */
	assert_ok(log_each(t.a.c->log, &t.space, collect_info, &logs));
	assert_ok(conn_begin(d.c));
	assert_ok(carry_range(&t.a, &d, &logs.info[0], 1, 3));
	assert_ok(log_repair(d.c->log, &(uint64_t){0}));
	assert_ok(db_exec(log_db(d.c->log), "UPDATE entry SET state = 1, body = NULL"));
	assert_ok(community_catch_up(d.c, 0, &more));
	assert_ok(conn_commit(d.c));
	assert_false(is_founded(&t, &d));
	assert_false(log_shared_with(d.c->log, &t.space, &stranger));
	meet(&t.a, &d);
	assert_true(log_shared_with(t.a.c->log, &t.space, &stranger));
	box_release(&d);
	/* Lost again it stays what it is; and a store of the time before says nothing of it: who starts
	 * anew knows. */
	lose_founding_payload(&t, &t.a);
	assert_false(is_founded(&t, &t.a));
	assert_true(log_shared_with(t.a.c->log, &t.space, &stranger));
	assert_ok(db_exec(log_db(t.b.c->log), "DELETE FROM open"));
	assert_false(log_shared_with(t.b.c->log, &t.space, &stranger));
	conn_close(STEAL(t.b.c));
	assert_ok(box_open(&t.b));
	assert_true(log_shared_with(t.b.c->log, &t.space, &stranger));
	town_close(&t);
}

/* Who was removed since is not told meanwhile, though the first half of the log admits them. */
static void while_its_view_is_made_anew_a_space_is_told_as_before(void **state)
{
	struct sealed_town s;
	struct conn *beside;
	bool more;

	open_private(&s);
	assert_ok(admit(&s.t, &s.t.a, FOUNDER, &s.t.b, ADMIT_READ));
	assert_ok(withdraw(&s.t, &s.t.a, FOUNDER, &s.t.b));
	assert_false(log_shared_with(s.t.a.c->log, &s.t.space, secret_pubkey(s.t.b.key)));
	assert_ok(conn_beside(s.t.a.c, &beside));
	for (more = true; more;) {
		assert_ok(conn_begin(beside));
		assert_ok(community_catch_up(beside, 1, &more));
		assert_ok(conn_commit(beside));
		assert_false(log_shared_with(s.t.a.c->log, &s.t.space, secret_pubkey(s.t.b.key)));
	}
	conn_close(beside);
	close_private(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_carries_has_nothing_to_read),
		cmocka_unit_test(who_is_admitted_late_reads_all_from_the_beginning),
		cmocka_unit_test(who_is_removed_does_not_read_what_comes_after),
		cmocka_unit_test(
			after_the_last_epoch_there_are_more_keys_and_who_is_removed_has_none),
		cmocka_unit_test(a_key_that_the_keeper_was_not_given_is_not_written_with_for_long),
		cmocka_unit_test(who_made_a_key_past_the_keeper_does_not_read_on),
		cmocka_unit_test(who_made_the_newest_key_without_a_box_of_it_does_not_read_on),
		cmocka_unit_test(who_is_to_carry_only_loses_the_key_to_come),
		cmocka_unit_test(two_new_keys_at_once_both_open_and_one_is_written_with),
		cmocka_unit_test(a_key_that_is_owed_after_others_met_is_made),
		cmocka_unit_test(clear_text_in_a_private_space_has_no_effect),
		cmocka_unit_test(a_public_space_knows_no_keys),
		cmocka_unit_test(what_is_erased_goes_where_it_can_not_be_read_too),
		cmocka_unit_test(who_is_given_a_false_key_does_not_write_with_it),
		cmocka_unit_test(a_false_wrap_keeps_no_key_from_who_comes_later),
		cmocka_unit_test(after_opening_again_and_a_rebuild_all_is_as_before),
		cmocka_unit_test(a_box_that_does_not_open_is_tried_once),
		cmocka_unit_test(an_op_has_one_box_for_each),
		cmocka_unit_test(guests_have_no_place),
		cmocka_unit_test(a_key_that_is_none_is_not_admitted),
		cmocka_unit_test(it_is_told_to_those_who_are_admitted_and_to_nobody_else),
		cmocka_unit_test(who_was_removed_hears_nothing_more),
		cmocka_unit_test(only_its_people_see_it),
		cmocka_unit_test(who_has_the_founding_box_s_key_opens_nothing),
		cmocka_unit_test(who_lost_the_founding_op_tells_the_space_to_nobody_new),
		cmocka_unit_test(who_lost_a_removal_hands_out_nothing),
		cmocka_unit_test(
			what_is_public_is_told_when_its_founding_op_is_here_and_from_then_on),
		cmocka_unit_test(while_its_view_is_made_anew_a_space_is_told_as_before),
	};

	return run_group(tests);
}
