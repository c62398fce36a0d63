/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The order of an object's ops, what waits, and what goes again. */
#include "tests/appliance/community/town.h"
#include <errno.h>
#include <sys/statvfs.h>

static json_t *raw_post(struct town *t, const char *text, json_t *seen)
{
	return json_pack("{s:s,s:s,s:s,s:o}", "type", "post.create", "object", ID(&t->topic),
			 "text", text, "seen", seen);
}

/* --- order --- */
static void who_saw_the_other_comes_later_whatever_the_clocks(void **state)
{
	struct town t;
	struct hash id;

	town_open(&t);
	t.a.env.now = 4000000000000;
	assert_ok(post(&t, &t.a, FOUNDER, "from 2096", NULL));
	meet(&t.a, &t.b);
	t.b.env.now = 0;
	assert_ok(post(&t, &t.b, MEMBER, "from 1970", &id));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|from 2096|from 1970");
	assert_posts(&t.b, &t.topic, "first|from 2096|from 1970");
	/* An edit that saw the text wins, too. */
	t.b.env.now = -1000;
	assert_ok(box_submit(&t.b, &t.space, "post.edit", &t.topic, t.who[MEMBER],
			     json_pack("{s:s,s:s}", "post", ID(&id), "text", "mended"), NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|from 2096|mended");
	assert_agree(&t);
	town_close(&t);
}

static void what_is_concurrent_is_ordered_alike_everywhere(void **state)
{
	struct town t;
	char text[8];

	town_open(&t);
	for (int i = 0; i < 4; i++) {
		t.a.env.now = 1000000 + i * 20;
		t.b.env.now = 1000000 + i * 20 + (i % 2 ? 10 : -10);
		snprintf(text, sizeof(text), "a%d", i);
		assert_ok(post(&t, &t.a, FOUNDER, text, NULL));
		snprintf(text, sizeof(text), "b%d", i);
		assert_ok(post(&t, &t.b, MEMBER, text, NULL));
	}
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|b0|a0|a1|b1|b2|a2|a3|b3");
	assert_posts(&t.b, &t.topic, "first|b0|a0|a1|b1|b2|a2|a3|b3");
	assert_agree(&t);
	town_close(&t);
}

static void a_reference_that_comes_late_puts_things_in_order(void **state)
{
	struct town t;
	struct hash first;

	town_open(&t);
	assert_ok(box_submit(&t.a, &t.space, "appliance.admit", NULL, t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(KEY(&t, STRANGER)), "name", "C",
				       "mode", "write"),
			     NULL));
	/* B answers what A wrote; an empty box gets B's log before A's last entries. */
	t.a.env.now = 5000000;
	assert_ok(post(&t, &t.a, FOUNDER, "question", &first));
	meet(&t.a, &t.b);
	t.b.env.now = 1000;
	assert_ok(post(&t, &t.b, MEMBER, "answer", NULL));
	{
		struct box c;
		struct logs_of logs = {.n = 0};

		box_init(&c, 3, 0);
		assert_ok(box_open(&c));
		assert_ok(log_each(t.b.c->log, NULL, collect_info, &logs));
		for (size_t i = 0; i < logs.n; i++) {
			struct log_info l = logs.info[i];

			if (pubkey_eq(&l.id.appliance, secret_pubkey(t.a.key)))
				l.live -= 1;
			assert_ok(carry_log(&t.b, &c, &l, 100));
		}
		assert_posts(&c, &t.topic, "first|answer");
		assert_ok(pull(&t.b, &c, 100));
		assert_posts(&c, &t.topic, "first|question|answer");
		box_release(&c);
	}
	town_close(&t);
}

static void what_is_about_something_that_is_not_here_waits_for_it(void **state)
{
	struct town t;
	struct box c;
	struct logs_of logs = {.n = 0};

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "early", NULL));
	box_init(&c, 3, 0);
	assert_ok(box_open(&c));
	assert_ok(log_each(t.b.c->log, NULL, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++) {
		struct log_info l = logs.info[i];

		/* A's log without its last entry, which creates the topic. */
		if (pubkey_eq(&l.id.appliance, secret_pubkey(t.a.key)))
			l.live -= 1;
		assert_ok(carry_log(&t.b, &c, &l, 100));
	}
	assert_fails(topic_get(c.c, &t.topic, &(struct topic){0}), ERR_NOT_FOUND);
	assert_ok(pull(&t.b, &c, 100));
	assert_posts(&c, &t.topic, "first|early");
	box_release(&c);
	town_close(&t);
}

static void a_post_that_names_the_ops_of_another_topic_does_no_harm(void **state)
{
	struct town t;
	struct hash other;

	town_open(&t);
	assert_ok(box_submit(
		&t.b, &t.space, "topic.create", NULL, t.who[MEMBER],
		json_pack("{s:s,s:s,s:s}", "forum", ID(&t.forum), "title", "O", "text", "other"),
		&other));
	append_raw(&t, &t.b, MEMBER, &t.space,
		   raw_post(&t, "confused", json_pack("[s]", ID(&other))));
	assert_ok(post(&t, &t.b, MODERATOR, "fine", NULL));
	meet(&t.a, &t.b);
	/* (The first names old rules in which the member was not yet, but its log had named newer.)
	 */
	assert_posts(&t.a, &t.topic, "first|confused|fine");
	assert_posts(&t.a, &other, "other");
	assert_agree(&t);
	town_close(&t);
}

static void forty_heads_at_once_fold_alike_and_are_gathered_again(void **state)
{
	struct town t;
	char text[8];

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "zero", NULL));
	for (int i = 0; i < 80; i++) {
		t.b.env.now += (i * 7919) % 100 - 50;
		snprintf(text, sizeof(text), "%d", i);
		append_raw(&t, &t.b, MEMBER, &t.space,
			   raw_post(&t, text, json_pack("[s]", ID(&t.topic))));
	}
	meet(&t.a, &t.b);
	assert_agree(&t);
	for (int i = 0; i < 6; i++)
		assert_ok(post(&t, &t.a, FOUNDER, "gathers", NULL));
	meet(&t.a, &t.b);
	assert_agree(&t);
	assert_ok(community_rebuild(t.a.c));
	assert_agree(&t);
	town_close(&t);
}

static void a_malformed_op_changes_nothing_and_blocks_nothing(void **state)
{
	struct town t;
	struct hash d;

	town_open(&t);
	d = box_digest(&t.b, &t.space);
	append_raw(&t, &t.b, MEMBER, &t.space, json_pack("{s:s}", "type", "post.create"));
	append_raw(&t, &t.b, MEMBER, &t.space, json_pack("[]"));
	append_raw(&t, &t.b, MEMBER, &t.space,
		   json_pack("{s:s,s:s}", "type", "post.create", "object", ID(&t.space)));
	append_raw(&t, &t.b, MEMBER, &t.space,
		   json_pack("{s:s,s:s,s:[s]}", "type", "of.tomorrow", "object", ID(&t.topic),
			     "seen", ID(&t.topic)));
	{
		struct hash now = box_digest(&t.b, &t.space);

		assert_id_equal(&d, &now);
	}
	assert_ok(post(&t, &t.b, MEMBER, "and on", NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|and on");
	assert_agree(&t);
	town_close(&t);
}

/* --- erasing --- */
/* Does any file of the box hold these bytes? */
static void what_is_erased_is_in_no_file_of_any_box(void **state)
{
	struct town t;
	struct hash id;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "my telephone is 555-0199", &id));
	assert_ok(post(&t, &t.b, MODERATOR, "after it", NULL));
	meet(&t.a, &t.b);
	assert_true(box_holds(&t.a, "555-0199"));
	assert_ok(box_erase(&t.b, &t.space, &id, t.who[MEMBER]));
	meet(&t.a, &t.b);
	assert_ok(conn_scrub(t.a.c));
	assert_false(box_holds(&t.a, "555-0199"));
	assert_false(box_holds(&t.b, "555-0199"));
	assert_agree(&t);
	assert_fails(box_erase(&t.b, &t.space, &id, t.who[MEMBER]), ERR_GONE);
	town_close(&t);
}

static void a_box_that_never_held_it_shows_the_same(void **state)
{
	struct town t;
	struct box c;
	struct hash id, x, y;

	town_open(&t);
	t.b.env.now = 4000000000000;
	assert_ok(post(&t, &t.b, MEMBER, "one", NULL));
	assert_ok(post(&t, &t.b, MEMBER, "bridge", &id));
	t.b.env.now = 1000;
	assert_ok(post(&t, &t.b, MODERATOR, "three", NULL));
	assert_ok(box_erase(&t.b, &t.space, &id, t.who[MODERATOR]));
	meet(&t.a, &t.b);
	box_init(&c, 3, 0);
	assert_ok(box_open(&c));
	assert_ok(pull(&t.a, &c, 3));
	assert_ok(pull(&t.a, &c, 3));
	assert_agree(&t);
	x = box_digest(&t.a, &t.space);
	y = box_digest(&c, &t.space);
	assert_id_equal(&x, &y);
	assert_posts(&c, &t.topic, posts_of(&t.a, &t.topic).all);
	/* The order of the others did not change. */
	assert_string_equal(posts_of(&c, &t.topic).all, "first|one|(erased)|three");
	box_release(&c);
	town_close(&t);
}

static void only_its_author_and_moderators_may_erase(void **state)
{
	struct town t;
	struct hash id;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, "stays", &id));
	assert_fails(box_erase(&t.a, &t.space, &id, t.who[MEMBER]), ERR_DENIED);
	assert_fails(box_erase(&t.a, &t.space, &id, t.who[STRANGER]), ERR_DENIED);
	append_raw(&t, &t.a, MEMBER, &t.space,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "erase", "object", ID(&t.topic),
			     "target", ID(&id), "seen", ID(&id)));
	meet(&t.a, &t.b);
	assert_posts(&t.b, &t.topic, "first|stays");
	assert_agree(&t);
	town_close(&t);
}

static void rules_and_erasures_can_t_be_erased(void **state)
{
	struct town t;
	struct hash id, erase;

	town_open(&t);
	assert_fails(box_erase(&t.a, &t.space, &t.space, t.who[FOUNDER]), ERR_NOT_FOUND);
	append_raw(&t, &t.a, FOUNDER, &t.space,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "erase", "object", ID(&t.topic),
			     "target", ID(&t.space), "seen", ID(&t.topic)));
	assert_ok(post(&t, &t.a, FOUNDER, "x", &id));
	erase = append_raw(&t, &t.a, FOUNDER, &t.space,
			   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "erase", "object", ID(&t.topic),
				     "target", ID(&id), "seen", ID(&id)));
	append_raw(&t, &t.a, FOUNDER, &t.space,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "erase", "object", ID(&t.topic),
			     "target", ID(&erase), "seen", ID(&erase)));
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.b, FOUNDER), ROLE_STEWARD);
	assert_ok(conn_scrub(t.a.c));
	assert_false(box_holds(&t.a, "\"text\":\"x\""));
	assert_agree(&t);
	town_close(&t);
}

static void what_a_revoked_moderator_erased_beyond_the_cut_comes_back(void **state)
{
	struct town t;
	struct hash id;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, "precious", &id));
	meet(&t.a, &t.b);
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, MODERATOR),
			     cut_at(&t, &t.a, NULL, 0)));
	/* The thief of the moderator's key erases at B, which does not know yet. */
	assert_ok(box_erase(&t.b, &t.space, &id, t.who[MODERATOR]));
	assert_posts(&t.b, &t.topic, "first|(erased)");
	meet(&t.a, &t.b);
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|precious");
	assert_posts(&t.b, &t.topic, "first|precious");
	assert_agree(&t);
	town_close(&t);
}

static void claims_about_what_was_seen_can_t_close_a_circle(void **state)
{
	struct town t;
	struct hash one, two;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "one", &one));
	assert_ok(post(&t, &t.b, MEMBER, "two", &two));
	/* "one" is said to have seen "two", which saw it. */
	append_raw(&t, &t.b, MODERATOR, &t.space,
		   json_pack("{s:s,s:s,s:s,s:[s],s:[s]}", "type", "erase", "object", ID(&t.topic),
			     "target", ID(&one), "after", ID(&two), "seen", ID(&two)));
	append_raw(&t, &t.b, MODERATOR, &t.space,
		   json_pack("{s:s,s:s,s:s,s:[s],s:[s],s:s}", "type", "erase", "object",
			     ID(&t.topic), "target", ID(&two), "after", ID(&one), "seen", ID(&two),
			     "was", "post.create"));
	assert_ok(post(&t, &t.b, MEMBER, "three", NULL));
	meet(&t.a, &t.b);
	assert_agree(&t);
	town_close(&t);
}

/* --- the view as such --- */
static void reopen(struct box *b)
{
	conn_close(b->c);
	assert_ok(box_open(b));
}

static void a_view_that_is_gone_or_damaged_is_made_again(void **state)
{
	struct town t;
	_cleanup_(freep) char *path = NULL;
	struct hash before, after;

	town_open(&t);
	before = box_digest(&t.a, &t.space);
	path = path_join(t.a.dir, "view.db");
	conn_close(t.a.c);
	assert_int_equal(unlink(path), 0);
	assert_ok(box_open(&t.a));
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);

	conn_close(t.a.c);
	assert_ok(file_write(path, span_str("this is no database, this is only a text, it is"),
			     0600));
	assert_ok(box_open(&t.a));
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);

	/* A page of it turned to noise: noticed where it is read. */
	conn_close(t.a.c);
	{
		FILE *f = fopen(path, "r+b");

		assert_non_null(f);
		fseek(f, 4096 * 3, SEEK_SET);
		for (int i = 0; i < 4096 * 4; i++)
			fputc(0xa5, f);
		fclose(f);
	}
	assert_ok(box_open(&t.a));
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);
	town_close(&t);
}

static void a_view_of_another_log_is_made_again(void **state)
{
	struct town t;
	_cleanup_(freep) char *a = NULL, *b = NULL;
	_cleanup_(buf_release) struct buf bytes = {0};
	struct hash before, after;

	town_open(&t);
	before = box_digest(&t.a, &t.space);
	a = path_join(t.a.dir, "view.db");
	b = path_join(t.b.dir, "view.db");
	assert_ok(post(&t, &t.b, MEMBER, "x", NULL));
	conn_close(t.a.c);
	conn_close(t.b.c);
	assert_ok(file_read(b, 1 << 30, &bytes));
	assert_ok(file_write(a, buf_span(&bytes), 0600));
	assert_ok(box_open(&t.a));
	assert_ok(box_open(&t.b));
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);
	town_close(&t);
}

/* The power went when the log was safe and the view was not: what was erased and asked for again
 * in between is still content in that view, and in the log it is not here yet. */
static void a_view_older_than_the_log_takes_what_it_took_for_held_when_it_comes(void **state)
{
	struct town t;
	_cleanup_(freep) char *path = NULL;
	_cleanup_(buf_release) struct buf old = {0};
	struct hash id;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, "precious", &id));
	assert_ok(post(&t, &t.a, FOUNDER, "last", NULL));
	meet(&t.a, &t.b);
	path = path_join(t.b.dir, "view.db");
	conn_close(t.b.c);
	assert_ok(file_read(path, 1 << 30, &old));
	assert_ok(box_open(&t.b));
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, MODERATOR),
			     cut_at(&t, &t.a, NULL, 0)));
	assert_ok(box_erase(&t.b, &t.space, &id, t.who[MODERATOR]));
	assert_ok(pull(&t.a, &t.b, 100));
	conn_close(t.b.c);
	assert_ok(file_write(path, buf_span(&old), 0600));
	assert_ok(box_open(&t.b));
	assert_posts(&t.b, &t.topic, "first|last");
	meet(&t.a, &t.b);
	assert_posts(&t.b, &t.topic, "first|precious|last");
	assert_agree(&t);
	town_close(&t);
}

/* Readers, or a full disk, may keep it from being scrubbed at once; what somebody else tries
 * meanwhile, and is undone, must not make the box believe that it has been. */
static void what_waits_to_be_scrubbed_is_not_forgotten_with_what_is_undone(void **state)
{
	struct town t;
	struct hash id;

	town_open(&t);
	assert_ok(post(&t, &t.a, FOUNDER, "scrub-me-kx71", &id));
	assert_ok(conn_begin(t.a.c));
	assert_ok(community_erase(t.a.c, &t.space, &id, t.who[FOUNDER], NULL));
	assert_ok(conn_commit(t.a.c));
	assert_true(box_holds(&t.a, "scrub-me-kx71"));
	assert_true(conn_scrub_waits(t.a.c));
	assert_ok(conn_begin(t.a.c));
	conn_rollback(t.a.c);
	assert_true(conn_scrub_waits(t.a.c));
	assert_ok(conn_scrub(t.a.c));
	assert_false(conn_scrub_waits(t.a.c));
	assert_false(box_holds(&t.a, "scrub-me-kx71"));
	town_close(&t);
}

static void a_view_made_anew_takes_the_old_ones_place_and_leaves_no_word_of_it(void **state)
{
	struct town t;
	struct hash before, after;
	uint64_t generation;
	bool more = true;
	int steps = 0;

	town_open(&t);
	before = box_digest(&t.a, &t.space);
	assert_ok(db_exec(t.a.c->view, "CREATE TABLE stray(word TEXT) STRICT;"
				       "INSERT INTO stray VALUES ('stray-qzwv88')"));
	assert_ok(db_checkpoint(t.a.c->view, true));
	assert_true(box_holds(&t.a, "stray-qzwv88"));
	generation = community_generation(t.a.c);
	while (more) {
		assert_ok(community_rebuild_step(t.a.c, &more));
		steps++;
	}
	assert_true(steps >= 1 && steps < 100);
	assert_true(conn_changed(t.a.c));
	assert_true(community_generation(t.a.c) > generation);
	assert_ok(conn_scrub(t.a.c));
	assert_false(box_holds(&t.a, "stray-qzwv88"));
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);
	/* And it is written on, by the connection that was there before. */
	assert_ok(post(&t, &t.a, FOUNDER, "afterwards", NULL));
	assert_posts(&t.a, &t.topic, "first|afterwards");
	town_close(&t);
}

static void what_a_cut_left_of_a_view_that_was_being_made_goes_at_the_next_start(void **state)
{
	struct town t;
	_cleanup_(freep) char *path = NULL;
	struct hash before, after;

	town_open(&t);
	before = box_digest(&t.a, &t.space);
	path = path_join(t.a.dir, "view.db.new");
	conn_close(t.a.c);
	assert_ok(file_write(path, span_str("half of a view, with stray-qzwv88"), 0600));
	assert_ok(box_open(&t.a));
	assert_false(box_holds(&t.a, "stray-qzwv88"));
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);
	town_close(&t);
}

static int asked_for_room; /* before a view is made beside another: nothing else here asks */

int statvfs(const char *path, struct statvfs *ret)
{
	(void)path;
	(void)ret;
	asked_for_room++;
	errno = ENOSYS;
	return -1;
}

/* Making it beside is for large logs, and loses all that was done when it is cut: no second try. */
static void a_view_whose_making_was_cut_is_made_in_parts(void **state)
{
	struct town t;
	_cleanup_(freep) char *view = NULL, *beside = NULL;
	struct hash before, after;
	int asked;

	town_open(&t);
	before = box_digest(&t.a, &t.space);
	asked = asked_for_room;
	view = path_join(t.a.dir, "view.db");
	beside = path_join(t.a.dir, "view.db.new");
	/* As large as one of which the rest was cut away. */
	assert_ok(db_exec(log_db(t.a.c->log),
			  "INSERT OR REPLACE INTO meta VALUES('last_num', 1000000)"));
	conn_close(t.a.c);
	assert_ok(db_remove(view));
	assert_ok(box_open(&t.a));
	assert_int_equal(asked_for_room, asked + 1);
	conn_close(t.a.c);
	assert_ok(db_remove(view));
	assert_ok(file_write(beside, span_str("half of a view"), 0600));
	assert_ok(box_open(&t.a));
	assert_int_equal(asked_for_room, asked + 1);
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);
	town_close(&t);
}

static void what_is_undone_leaves_no_trace_in_memory_either(void **state)
{
	struct town t;
	struct hash before, after, id;

	town_open(&t);
	before = box_digest(&t.a, &t.space);
	assert_ok(conn_begin(t.a.c));
	assert_ok(conn_savepoint(t.a.c));
	assert_ok(community_submit(
		t.a.c,
		&(struct draft){.type = "member.role",
				.space = t.space,
				.author = t.who[FOUNDER],
				.take_body = json_pack("{s:s,s:s}", "key", ID(KEY(&t, MEMBER)),
						       "role", "steward")},
		&id));
	conn_undo(t.a.c);
	assert_fails(community_submit(t.a.c,
				      &(struct draft){.type = "space.set",
						      .space = t.space,
						      .author = t.who[MEMBER],
						      .take_body = json_pack("{s:s}", "name", "X")},
				      &id),
		     ERR_DENIED);
	assert_ok(conn_commit(t.a.c));
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);
	assert_ok(conn_begin(t.a.c));
	assert_ok(community_submit(t.a.c,
				   &(struct draft){.type = "space.set",
						   .space = t.space,
						   .author = t.who[FOUNDER],
						   .take_body = json_pack("{s:s}", "name", "X")},
				   &id));
	conn_rollback(t.a.c);
	after = box_digest(&t.a, &t.space);
	assert_id_equal(&before, &after);
	assert_ok(post(&t, &t.a, MEMBER, "still works", NULL));
	reopen(&t.a);
	assert_posts(&t.a, &t.topic, "first|still works");
	town_close(&t);
}

static void a_space_is_found_by_its_first_letters(void **state)
{
	struct town t;
	struct space_info s;

	town_open(&t);
	assert_ok(space_by_short(t.b.c, ID_SHORT(&t.space), &s));
	assert_id_equal(&s.id, &t.space);
	assert_false(s.own);
	assert_ok(space_by_short(t.b.c, ID(&t.space), &s));
	assert_fails(space_by_short(t.b.c, "aaaaaaaa", &s), ERR_NOT_FOUND);
	assert_fails(space_by_short(t.b.c, "short", &s), ERR_NOT_FOUND);
	assert_fails(space_by_short(t.b.c, "ABCDEFGH", &s), ERR_NOT_FOUND);
	assert_ok(space_home(t.a.c, &s));
	assert_true(s.own);
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_saw_the_other_comes_later_whatever_the_clocks),
		cmocka_unit_test(what_is_concurrent_is_ordered_alike_everywhere),
		cmocka_unit_test(a_reference_that_comes_late_puts_things_in_order),
		cmocka_unit_test(what_is_about_something_that_is_not_here_waits_for_it),
		cmocka_unit_test(a_post_that_names_the_ops_of_another_topic_does_no_harm),
		cmocka_unit_test(forty_heads_at_once_fold_alike_and_are_gathered_again),
		cmocka_unit_test(a_malformed_op_changes_nothing_and_blocks_nothing),
		cmocka_unit_test(what_is_erased_is_in_no_file_of_any_box),
		cmocka_unit_test(a_box_that_never_held_it_shows_the_same),
		cmocka_unit_test(only_its_author_and_moderators_may_erase),
		cmocka_unit_test(rules_and_erasures_can_t_be_erased),
		cmocka_unit_test(what_a_revoked_moderator_erased_beyond_the_cut_comes_back),
		cmocka_unit_test(claims_about_what_was_seen_can_t_close_a_circle),
		cmocka_unit_test(a_view_that_is_gone_or_damaged_is_made_again),
		cmocka_unit_test(a_view_of_another_log_is_made_again),
		cmocka_unit_test(
			a_view_older_than_the_log_takes_what_it_took_for_held_when_it_comes),
		cmocka_unit_test(what_waits_to_be_scrubbed_is_not_forgotten_with_what_is_undone),
		cmocka_unit_test(a_view_made_anew_takes_the_old_ones_place_and_leaves_no_word_of_it),
		cmocka_unit_test(what_a_cut_left_of_a_view_that_was_being_made_goes_at_the_next_start),
		cmocka_unit_test(a_view_whose_making_was_cut_is_made_in_parts),
		cmocka_unit_test(what_is_undone_leaves_no_trace_in_memory_either),
		cmocka_unit_test(a_space_is_found_by_its_first_letters),
	};

	return run_group(tests);
}
