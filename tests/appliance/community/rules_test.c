/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may, decided by the rules that an op names, and by revocations; never by arrival. */
#include "tests/appliance/community/town.h"
#include "appliance/community/community_priv.h"

static void the_founder_is_steward_and_the_founding_box_keeps_the_door(void **state)
{
	struct town t;
	struct member m;

	town_open(&t);
	assert_ok(member_get(t.b.c, &t.space, KEY(&t, FOUNDER), &m));
	assert_int_equal(m.role, ROLE_STEWARD);
	assert_string_equal(m.name, "Founder");
	assert_memory_equal(&m.home, secret_pubkey(t.a.key), 32);
	assert_int_equal(role_at(&t, &t.b, MODERATOR), ROLE_MODERATOR);
	assert_int_equal(role_at(&t, &t.b, STRANGER), ROLE_NONE);
	assert_agree(&t);
	town_close(&t);
}

static void a_member_can_t_make_itself_steward(void **state)
{
	struct town t;

	town_open(&t);
	assert_fails(set_role(&t, &t.a, MEMBER, MEMBER, "steward"), ERR_DENIED);
	append_raw(&t, &t.b, MEMBER, &t.space,
		   json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "type", "member.role", "object",
			     ID(&t.space), "key", ID(KEY(&t, MEMBER)), "role", "steward", "seen",
			     ID(&t.space)));
	append_raw(&t, &t.b, STRANGER, &t.space,
		   json_pack("{s:s,s:s,s:s,s:s,s:s,s:[s]}", "type", "member.add", "object",
			     ID(&t.space), "key", ID(KEY(&t, STRANGER)), "name", "me", "role",
			     "steward", "seen", ID(&t.space)));
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.a, MEMBER), ROLE_MEMBER);
	assert_int_equal(role_at(&t, &t.b, MEMBER), ROLE_MEMBER);
	assert_int_equal(role_at(&t, &t.a, STRANGER), ROLE_NONE);
	assert_agree(&t);
	town_close(&t);
}

static void a_stranger_s_post_has_no_effect(void **state)
{
	struct town t;

	town_open(&t);
	assert_fails(post(&t, &t.a, STRANGER, "let me in", NULL), ERR_DENIED);
	append_raw(&t, &t.b, STRANGER, &t.space,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "post.create", "object", ID(&t.topic),
			     "text", "let me in", "seen", ID(&t.topic)));
	assert_posts(&t.b, &t.topic, "first");
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first");
	assert_agree(&t);
	town_close(&t);
}

static void rules_that_never_existed_give_nothing(void **state)
{
	struct town t;
	struct hash never = {{7, 7, 7}};

	town_open(&t);
	/* In a log that named rules before, these count. */
	append_raw(&t, &t.a, MEMBER, &never,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "post.create", "object", ID(&t.topic),
			     "text", "judged by the last known", "seen", ID(&t.topic)));
	append_raw(&t, &t.a, STRANGER, &never,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "post.create", "object", ID(&t.topic),
			     "text", "nothing gained", "seen", ID(&t.topic)));
	/* In a log that names only these, it waits for ever. */
	append_raw(&t, &t.b, MEMBER, &never,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "post.create", "object", ID(&t.topic),
			     "text", "waits", "seen", ID(&t.topic)));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|judged by the last known");
	assert_posts(&t.b, &t.topic, "first|judged by the last known");
	assert_agree(&t);
	town_close(&t);
}

static void naming_older_rules_than_before_in_the_log_gains_nothing(void **state)
{
	struct town t;
	struct hash before;
	struct hash heads;

	town_open(&t);
	assert_ok(box_submit(&t.b, &t.space, "space.set", NULL, t.who[STEWARD],
			     json_pack("{s:s}", "about", "x"), &before));
	assert_ok(set_role(&t, &t.b, FOUNDER, MODERATOR, "member"));
	assert_ok(post(&t, &t.b, MEMBER, "names the new rules", &heads));
	append_raw(&t, &t.b, MODERATOR, &before,
		   json_pack("{s:s,s:s,s:s,s:b,s:[s]}", "type", "post.hide", "object", ID(&t.topic),
			     "post", ID(&heads), "hidden", 1, "seen", ID(&heads)));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|names the new rules");
	assert_posts(&t.b, &t.topic, "first|names the new rules");
	assert_agree(&t);
	town_close(&t);
}

static void a_demotion_without_a_cut_leaves_what_did_not_know_of_it(void **state)
{
	struct town t;
	struct hash id, head;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "rude", &id));
	meet(&t.a, &t.b);
	assert_true(rules_heads(space_of(t.a.c, &t.space)->rules, &head, 1) == 1);
	append_raw(&t, &t.a, FOUNDER, &head,
		   json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "type", "member.role", "object",
			     ID(&t.space), "key", ID(KEY(&t, MODERATOR)), "role", "member", "seen",
			     ID(&head)));
	assert_ok(box_submit(&t.b, &t.space, "post.hide", &t.topic, t.who[MODERATOR],
			     json_pack("{s:s,s:b}", "post", ID(&id), "hidden", 1), NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|(hidden)");
	assert_agree(&t);
	assert_fails(box_submit(&t.b, &t.space, "post.hide", &t.topic, t.who[MODERATOR],
				json_pack("{s:s,s:b}", "post", ID(&id), "hidden", 0), NULL),
		     ERR_DENIED);
	town_close(&t);
}

/* --- revocations --- */
static void what_a_revoked_member_wrote_beyond_the_cut_is_void_everywhere(void **state)
{
	struct town t;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "before", NULL));
	meet(&t.a, &t.b);
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, MEMBER),
			     cut_at(&t, &t.a, NULL, 0)));
	/* B does not know yet: the op names older rules, and is void all the same. */
	assert_ok(post(&t, &t.b, MEMBER, "beyond", NULL));
	assert_posts(&t.b, &t.topic, "first|before|beyond");
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|before");
	assert_posts(&t.b, &t.topic, "first|before");
	assert_fails(post(&t, &t.b, MEMBER, "again", NULL), ERR_DENIED);
	assert_agree(&t);
	town_close(&t);
}

static void a_revocation_may_be_backdated(void **state)
{
	struct town t;
	uint64_t cut;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "mine", NULL));
	cut = own_head(&t, &t.b);
	assert_ok(post(&t, &t.b, MEMBER, "the thief's", NULL));
	assert_ok(post(&t, &t.b, MODERATOR, "somebody else's", NULL));
	meet(&t.a, &t.b);
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, MEMBER),
			     cut_at(&t, &t.a, secret_pubkey(t.b.key), cut)));
	assert_posts(&t.a, &t.topic, "first|mine|somebody else's");
	meet(&t.a, &t.b);
	assert_posts(&t.b, &t.topic, "first|mine|somebody else's");
	assert_agree(&t);
	town_close(&t);
}

static void who_is_added_again_writes_again(void **state)
{
	struct town t;

	town_open(&t);
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, MEMBER),
			     cut_at(&t, &t.a, NULL, 0)));
	assert_ok(post(&t, &t.b, MEMBER, "meanwhile", NULL));
	town_add(&t, &t.a, t.who[STEWARD], MEMBER, "member");
	meet(&t.a, &t.b);
	assert_ok(post(&t, &t.b, MEMBER, "after", NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|after");
	assert_agree(&t);
	town_close(&t);
}

static void what_a_revoked_box_carries_beyond_the_cut_is_void(void **state)
{
	struct town t;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "before", NULL));
	meet(&t.a, &t.b);
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "appliance.revoke", secret_pubkey(t.b.key),
			     cut_at(&t, &t.a, NULL, 0)));
	assert_ok(post(&t, &t.b, MEMBER, "stolen box", NULL));
	assert_ok(post(&t, &t.b, -1, "guest of a stolen box", NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|before");
	assert_posts(&t.b, &t.topic, "first|before");
	assert_agree(&t);
	assert_fails(post(&t, &t.b, MEMBER, "again", NULL), ERR_NOT_ADMITTED);
	/* The person may still write, at another box. */
	assert_ok(post(&t, &t.a, MEMBER, "at A", NULL));
	/* And the box again, once a steward admits it again. */
	assert_ok(box_submit(&t.a, &t.space, "appliance.admit", NULL, t.who[STEWARD],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(t.b.key)), "name",
				       "B", "mode", "write"),
			     NULL));
	meet(&t.a, &t.b);
	assert_ok(post(&t, &t.b, MEMBER, "found again", NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|before|at A|found again");
	assert_agree(&t);
	town_close(&t);
}

static void two_stewards_revoke_each_other(int64_t clock_a, int64_t clock_b)
{
	struct town t;

	town_open(&t);
	t.a.env.now = clock_a;
	t.b.env.now = clock_b;
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, STEWARD),
			     cut_at(&t, &t.a, NULL, 0)));
	assert_ok(revoke_key(&t, &t.b, STEWARD, "member.revoke", KEY(&t, FOUNDER),
			     cut_at(&t, &t.b, NULL, 0)));
	assert_ok(post(&t, &t.b, STEWARD, "I won", NULL));
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.a, FOUNDER), ROLE_STEWARD);
	assert_int_equal(role_at(&t, &t.b, FOUNDER), ROLE_STEWARD);
	assert_int_equal(role_at(&t, &t.a, STEWARD), ROLE_NONE);
	assert_int_equal(role_at(&t, &t.b, STEWARD), ROLE_NONE);
	assert_posts(&t.b, &t.topic, "first");
	assert_agree(&t);
	/* Life goes on: the heads are joined, and an op is judged by both. */
	assert_ok(post(&t, &t.b, MEMBER, "peace", NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|peace");
	assert_agree(&t);
	town_close(&t);
}

static void of_two_who_revoke_each_other_the_senior_stays_whatever_the_clocks(void **state)
{
	two_stewards_revoke_each_other(1764000000000, 1764000000000);
	two_stewards_revoke_each_other(0, 4000000000000);
	two_stewards_revoke_each_other(4000000000000, 0);
}

static void a_demoted_steward_can_t_undo_it_by_not_having_seen_it(void **state)
{
	struct town t;
	struct hash before;

	town_open(&t);
	assert_ok(box_submit(&t.b, &t.space, "space.set", NULL, t.who[STEWARD],
			     json_pack("{s:s}", "about", "x"), &before));
	meet(&t.a, &t.b);
	assert_ok(set_role(&t, &t.a, FOUNDER, STEWARD, "member"));
	meet(&t.a, &t.b);
	t.b.env.now = 0;
	append_raw(&t, &t.b, STEWARD, &before,
		   json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "type", "member.role", "object",
			     ID(&t.space), "key", ID(KEY(&t, FOUNDER)), "role", "member", "seen",
			     ID(&before)));
	append_raw(&t, &t.b, STEWARD, &before,
		   json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "type", "member.role", "object",
			     ID(&t.space), "key", ID(KEY(&t, STEWARD)), "role", "steward", "seen",
			     ID(&before)));
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.a, FOUNDER), ROLE_STEWARD);
	assert_int_equal(role_at(&t, &t.b, STEWARD), ROLE_MEMBER);
	assert_agree(&t);
	town_close(&t);
}

/* --- boxes --- */
static struct error *box_adds(struct town *t, struct box *b, int person, const char *role,
			      const struct pubkey *home)
{
	return box_submit(b, &t->space, "member.add", NULL, NULL,
			  json_pack("{s:s,s:s,s:s,s:s}", "key", ID(KEY(t, person)), "name", "Nou",
				    "role", role, "home", ID(home)),
			  NULL);
}

static void a_box_adds_its_own_people_as_members_and_nobody_else(void **state)
{
	struct town t;

	town_open(&t);
	assert_fails(box_adds(&t, &t.b, STRANGER, "moderator", secret_pubkey(t.b.key)), ERR_DENIED);
	assert_fails(box_adds(&t, &t.b, STRANGER, "member", secret_pubkey(t.a.key)), ERR_DENIED);
	assert_fails(box_adds(&t, &t.b, STEWARD, "member", secret_pubkey(t.b.key)), ERR_DENIED);
	assert_ok(box_adds(&t, &t.b, STRANGER, "member", secret_pubkey(t.b.key)));
	assert_ok(post(&t, &t.b, STRANGER, "hello", NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|hello");
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, STRANGER),
			     cut_at(&t, &t.a, NULL, 0)));
	meet(&t.a, &t.b);
	/* Whom a steward sent away only a steward brings back. */
	assert_fails(box_adds(&t, &t.b, STRANGER, "member", secret_pubkey(t.b.key)), ERR_DENIED);
	assert_agree(&t);
	town_close(&t);
}

static void only_a_keeper_admits_boxes(void **state)
{
	struct town t;
	struct pubkey third;

	town_open(&t);
	third = *KEY(&t, STRANGER);
	assert_fails(box_submit(&t.b, &t.space, "appliance.admit", NULL, NULL,
				json_pack("{s:s,s:s,s:s}", "key", ID(&third), "name", "C", "mode",
					  "write"),
				NULL),
		     ERR_DENIED);
	assert_fails(box_submit(&t.a, &t.space, "appliance.admit", NULL, NULL,
				json_pack("{s:s,s:s,s:s,s:b}", "key", ID(&third), "name", "C",
					  "mode", "write", "keeper", 1),
				NULL),
		     ERR_DENIED);
	assert_ok(box_submit(
		&t.a, &t.space, "appliance.admit", NULL, NULL,
		json_pack("{s:s,s:s,s:s}", "key", ID(&third), "name", "C", "mode", "write"), NULL));
	assert_true(log_admitted(t.a.c->log, &t.space, &third));
	assert_false(log_admitted(t.b.c->log, &t.space, &third));
	meet(&t.a, &t.b);
	assert_true(log_admitted(t.b.c->log, &t.space, &third));
	town_close(&t);
}

static void a_box_that_may_only_read_writes_nothing(void **state)
{
	struct town t;

	town_open(&t);
	assert_ok(box_submit(&t.a, &t.space, "appliance.admit", NULL, t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(t.b.key)), "name",
				       "B", "mode", "read"),
			     NULL));
	meet(&t.a, &t.b);
	assert_fails(post(&t, &t.b, MEMBER, "x", NULL), ERR_NOT_ADMITTED);
	assert_fails(post(&t, &t.b, -1, "x", NULL), ERR_NOT_ADMITTED);
	assert_fails(set_role(&t, &t.b, FOUNDER, MEMBER, "steward"), ERR_NOT_ADMITTED);
	town_close(&t);
}

static struct error *carry_founding(void *ctx, const struct stored *e)
{
	struct carried *k = ctx;

	return k->n ? NULL : carry_entry(ctx, e);
}

static void who_carries_the_founding_op_did_not_found_the_space(void **state)
{
	_cleanup_(secret_freep) struct secret *thief = test_key(4242);
	_cleanup_(carried_release) struct carried k = {0};
	struct hash zero = {{0}};
	struct entry_bytes copy;
	struct ingest_result result;
	struct error *refused;
	struct log_id id;
	struct town t;
	bool more;

	town_open(&t);
	assert_ok(log_op(t.a.c->log, &t.space, carry_founding, &k));
	entry_carry((const struct entry_bytes *)k.headers.p, 1, 99, &zero, thief, &copy);
	id = entry_log(&copy);
	assert_ok(conn_begin(t.b.c));
	assert_ok(log_ingest(
		t.b.c->log,
		&(struct ingest){
			.id = &id, .first = 1, .headers = &copy, .payloads = k.list, .n = 1},
		&result, &refused));
	error_free(refused);
	assert_ok(community_catch_up(t.b.c, 0, &more));
	assert_ok(conn_commit(t.b.c));
	assert_false(log_admitted(t.b.c->log, &t.space, secret_pubkey(thief)));
	assert_agree(&t);
	town_close(&t);
}

static void several_heads_of_the_rules_are_joined_before_anything_is_written(void **state)
{
	struct town t;

	town_open(&t);
	assert_ok(box_submit(&t.a, &t.space, "space.set", NULL, t.who[FOUNDER],
			     json_pack("{s:s}", "about", "A's"), NULL));
	assert_ok(box_submit(&t.b, &t.space, "space.set", NULL, t.who[STEWARD],
			     json_pack("{s:s}", "name", "B's"), NULL));
	meet(&t.a, &t.b);
	assert_agree(&t);
	assert_ok(post(&t, &t.a, MEMBER, "x", NULL));
	assert_ok(set_role(&t, &t.a, FOUNDER, MEMBER, "new"));
	meet(&t.a, &t.b);
	assert_agree(&t);
	assert_fails(post(&t, &t.b, MEMBER, "x", NULL), ERR_DENIED);
	town_close(&t);
}

static void a_moderator_has_no_say_in_another_space(void **state)
{
	struct town t;
	struct hash other, forum, topic, id;

	town_open(&t);
	/* The moderator founds a space of its own, and acts from there on a topic of the first. */
	assert_ok(box_found(&t.a, t.who[MODERATOR], &other));
	assert_ok(box_submit(&t.a, &other, "forum.create", NULL, t.who[MODERATOR],
			     json_pack("{s:s,s:s}", "slug", "x", "title", "X"), &forum));
	assert_ok(box_submit(
		&t.a, &other, "topic.create", NULL, t.who[MODERATOR],
		json_pack("{s:s,s:s,s:s}", "forum", ID(&forum), "title", "T", "text", "elsewhere"),
		&topic));
	assert_fails(box_submit(&t.a, &other, "post.hide", &t.topic, t.who[MODERATOR],
				json_pack("{s:s,s:b}", "post", ID(&t.topic), "hidden", 1), &id),
		     ERR_NOT_FOUND);
	assert_fails(box_erase(&t.a, &other, &t.topic, t.who[MODERATOR]), ERR_NOT_FOUND);
	assert_fails(box_submit(&t.a, &other, "post.create", &topic, t.who[FOUNDER],
				json_pack("{s:s}", "text", "x"), &id),
		     ERR_DENIED);
	assert_posts(&t.a, &t.topic, "first");
	meet(&t.a, &t.b);
	assert_agree(&t);
	town_close(&t);
}

static void an_op_of_authority_needs_its_author_s_signature_before_any_audit(void **state)
{
	struct town t;
	struct hash id;
	struct logs_of logs = {.n = 0};
	_cleanup_(carried_release) struct carried k = {0};
	struct entry_bytes *last;
	struct ingest_result result;
	struct error *refused;
	struct entry e;
	bool more;

	town_open(&t);
	assert_ok(set_role(&t, &t.b, STEWARD, MEMBER, "steward"));
	assert_ok(log_each(t.b.c->log, &t.space, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++) {
		if (!pubkey_eq(&logs.info[i].id.appliance, secret_pubkey(t.b.key)))
			continue;
		assert_ok(log_range(t.b.c->log, logs.info[i].num, 1, logs.info[i].head, carry_entry,
				    &k));
		/* The box vouches for a signature that is none. */
		last = (struct entry_bytes *)k.headers.p + k.n - 1;
		entry_decode(last, &e);
		last->b[224] ^= 1;
		entry_carry(last, e.seq, e.incarnation, &e.prev, t.b.key, last);
		assert_ok(conn_begin(t.a.c));
		assert_ok(log_ingest(t.a.c->log,
				     &(struct ingest){.id = &logs.info[i].id,
						      .first = 1,
						      .headers = (struct entry_bytes *)k.headers.p,
						      .payloads = k.list,
						      .n = k.n},
				     &result, &refused));
		error_free(refused);
		assert_ok(community_catch_up(t.a.c, 0, &more));
		assert_ok(conn_commit(t.a.c));
	}
	assert_int_equal(k.n, 1);
	assert_int_equal(role_at(&t, &t.a, MEMBER), ROLE_MEMBER);
	id = entry_op_id((struct entry_bytes *)k.headers.p);
	(void)id;
	town_close(&t);
}

static void people_may_leave_by_themselves(void **state)
{
	struct town t;

	town_open(&t);
	assert_fails(revoke_key(&t, &t.b, MEMBER, "member.revoke", KEY(&t, MODERATOR),
				cut_at(&t, &t.b, NULL, 0)),
		     ERR_DENIED);
	assert_ok(revoke_key(&t, &t.b, MEMBER, "member.revoke", KEY(&t, MEMBER),
			     cut_at(&t, &t.b, NULL, 0)));
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.a, MEMBER), ROLE_NONE);
	assert_agree(&t);
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_founder_is_steward_and_the_founding_box_keeps_the_door),
		cmocka_unit_test(a_member_can_t_make_itself_steward),
		cmocka_unit_test(a_stranger_s_post_has_no_effect),
		cmocka_unit_test(rules_that_never_existed_give_nothing),
		cmocka_unit_test(naming_older_rules_than_before_in_the_log_gains_nothing),
		cmocka_unit_test(a_demotion_without_a_cut_leaves_what_did_not_know_of_it),
		cmocka_unit_test(what_a_revoked_member_wrote_beyond_the_cut_is_void_everywhere),
		cmocka_unit_test(a_revocation_may_be_backdated),
		cmocka_unit_test(who_is_added_again_writes_again),
		cmocka_unit_test(what_a_revoked_box_carries_beyond_the_cut_is_void),
		cmocka_unit_test(of_two_who_revoke_each_other_the_senior_stays_whatever_the_clocks),
		cmocka_unit_test(a_demoted_steward_can_t_undo_it_by_not_having_seen_it),
		cmocka_unit_test(a_box_adds_its_own_people_as_members_and_nobody_else),
		cmocka_unit_test(only_a_keeper_admits_boxes),
		cmocka_unit_test(a_box_that_may_only_read_writes_nothing),
		cmocka_unit_test(who_carries_the_founding_op_did_not_found_the_space),
		cmocka_unit_test(several_heads_of_the_rules_are_joined_before_anything_is_written),
		cmocka_unit_test(a_moderator_has_no_say_in_another_space),
		cmocka_unit_test(an_op_of_authority_needs_its_author_s_signature_before_any_audit),
		cmocka_unit_test(people_may_leave_by_themselves),
	};

	return run_group(tests);
}
