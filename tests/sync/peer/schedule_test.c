/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/peer/schedule.h"

struct fixture {
	struct test_env t;
	struct schedule *s;
	int64_t now;
	uint8_t ours[DISCOVERY_DIGEST];
};

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	test_env_init(&f->t, 0, 7);
	f->s = schedule_new(&f->t.env);
	f->now = 1000;
	assert_true(schedule_wants_digest(f->s, f->now));
	schedule_ours(f->s, f->ours, f->now);
	assert_false(schedule_wants_digest(f->s, f->now));
}

static struct peer peer_of(uint8_t n, const char *address)
{
	struct peer p = {.key = {{n}}};

	snprintf(p.address, sizeof(p.address), "%s", address);
	return p;
}

static struct seen_box box_of(uint8_t n, uint8_t digest)
{
	struct seen_box b = {.key = {{n}}, .addresses = 1, .has_digest = true};

	snprintf(b.address[0], sizeof(b.address[0]), "10.0.0.%d:1", n);
	memset(b.digest, digest, sizeof(b.digest));
	return b;
}

static void ours_is(struct fixture *f, uint8_t digest)
{
	memset(f->ours, digest, sizeof(f->ours));
	schedule_ours(f->s, f->ours, f->now);
}

/* The next exchange is due within `within` ms, and not before `after`. */
static struct schedule_job due(struct fixture *f, int64_t after, int64_t within)
{
	struct schedule_job job;
	int64_t began = f->now;

	while (!schedule_next(f->s, f->now, &job)) {
		int64_t wait = schedule_wait(f->s, f->now, 100000000);

		assert_true(wait > 0);
		f->now += wait;
		if (f->now - began > within)
			fail_msg("nothing is due within %lld ms", (long long)within);
	}
	if (f->now - began < after)
		fail_msg("due after %lld ms, not %lld", (long long)(f->now - began),
			 (long long)after);
	return job;
}

static void quiet(struct fixture *f, int64_t ms)
{
	struct schedule_job job;
	int64_t end = f->now + ms;

	while (f->now < end) {
		if (schedule_next(f->s, f->now, &job))
			fail_msg("an exchange is due %lld ms too early", (long long)(end - f->now));
		f->now += schedule_wait(f->s, f->now, end - f->now);
	}
}

static void done(struct fixture *f, const struct schedule_job *job, bool ok)
{
	schedule_done(f->s, &job->key, ok, ok ? f->ours : NULL, f->now);
}

static void a_new_peer_with_an_address_is_tried_at_once_then_from_time_to_time(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	job = due(&f, 0, 0);
	assert_string_equal(job.address, "a:1");
	assert_false(job.asked);
	quiet(&f, 1000000); /* while it runs nothing else is */
	done(&f, &job, true);
	job = due(&f, SCHEDULE_REGULAR * 4 / 5, SCHEDULE_REGULAR * 6 / 5);
	done(&f, &job, true);
	schedule_free(f.s);
}

static void a_peer_nobody_knows_where_is_left_alone(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "");

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	assert_false(schedule_ask(f.s, &p.key, f.now));
	quiet(&f, 10000000);
	schedule_hint(f.s, &p.key, "h:1", f.now);
	assert_string_equal(due(&f, 0, 0).address, "h:1");
	schedule_free(f.s);
}

static void an_equal_announced_digest_needs_no_exchange(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "");
	struct seen_box b = box_of(1, 5);
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	ours_is(&f, 5);
	schedule_seen(f.s, &b, 1, f.now);
	quiet(&f, SCHEDULE_EQUAL * 4 / 5 - 1);
	b = box_of(1, 6);
	schedule_seen(f.s, &b, 1, f.now);
	job = due(&f, 1, SCHEDULE_COURTESY);
	ours_is(&f, 6);
	done(&f, &job, true);
	/* but for a look from time to time, for announcements can be forged */
	due(&f, SCHEDULE_EQUAL * 4 / 5, SCHEDULE_EQUAL * 6 / 5);
	schedule_free(f.s);
}

static void what_stays_different_is_not_asked_again_and_again(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "");
	struct seen_box b = box_of(1, 5);
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	schedule_seen(f.s, &b, 1, f.now);
	job = due(&f, 0, 0);
	done(&f, &job, true); /* it carries a space that we don't follow */
	quiet(&f, SCHEDULE_REGULAR * 4 / 5 - 1);
	ours_is(&f, 9);
	job = due(&f, 0, SCHEDULE_COURTESY);
	done(&f, &job, true);
	quiet(&f, SCHEDULE_REGULAR * 4 / 5 - 1);
	schedule_free(f.s);
}

static void who_announces_something_else_every_moment_is_asked_all_the_same(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "");
	struct seen_box b = box_of(1, 5);
	struct schedule_job job;
	int64_t began;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	ours_is(&f, 5);
	schedule_seen(f.s, &b, 1, f.now);
	began = f.now;
	for (uint8_t digest = 6; !schedule_next(f.s, f.now, &job); digest++) {
		assert_true(f.now - began <= SCHEDULE_COURTESY);
		b = box_of(1, digest);
		schedule_seen(f.s, &b, 1, f.now);
		f.now += SCHEDULE_COURTESY / 10;
	}
	assert_id_equal(&job.key, &p.key);
	/* And after that exchange others have precedence again, once. */
	done(&f, &job, true);
	quiet(&f, SCHEDULE_COURTESY * 3);
	b = box_of(1, 200);
	schedule_seen(f.s, &b, 1, f.now);
	due(&f, 1, SCHEDULE_COURTESY);
	schedule_free(f.s);
}

static void a_write_is_told_two_seconds_after_the_first_of_a_burst(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct schedule_job job;
	int64_t began;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	job = due(&f, 0, 0);
	done(&f, &job, true);
	f.now += 10000;
	began = f.now;
	for (int i = 0; i < 30; i++) {
		schedule_poke(f.s, f.now);
		assert_false(schedule_wants_digest(f.s, f.now));
		f.now += 50;
	}
	f.now += schedule_wait(f.s, f.now, 10000);
	assert_int_equal(f.now - began, SCHEDULE_POKE);
	assert_true(schedule_wants_digest(f.s, f.now));
	ours_is(&f, 3);
	job = due(&f, 0, 0);
	done(&f, &job, true);
	/* a commit that changed nothing of ours */
	schedule_poke(f.s, f.now);
	f.now += SCHEDULE_POKE;
	ours_is(&f, 3);
	quiet(&f, SCHEDULE_REGULAR * 4 / 5 - SCHEDULE_POKE - 1);
	schedule_free(f.s);
}

static void a_write_during_an_exchange_is_not_forgotten(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	job = due(&f, 0, 0);
	ours_is(&f, 3);
	schedule_done(f.s, &job.key, true, NULL, f.now); /* not settled */
	job = due(&f, 1, SCHEDULE_COURTESY);
	done(&f, &job, true);
	quiet(&f, SCHEDULE_REGULAR * 4 / 5 - 1);
	schedule_free(f.s);
}

static void failures_wait_longer_and_longer_after_every_address_was_tried(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct schedule_job job;
	int64_t wait = SCHEDULE_RETRY;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	schedule_hint(f.s, &p.key, "h:1", f.now);
	for (int round = 0; round < 12; round++) {
		job = due(&f, round ? wait * 4 / 5 : 0, round ? wait * 6 / 5 : 0);
		assert_string_equal(job.address, "a:1");
		done(&f, &job, false);
		job = due(&f, 0, 0);
		assert_string_equal(job.address, "h:1");
		done(&f, &job, false);
		if (round)
			wait = wait * 2 < SCHEDULE_RETRY_LAST ? wait * 2 : SCHEDULE_RETRY_LAST;
	}
	/* a cable is put in */
	schedule_network(f.s, f.now);
	job = due(&f, 0, SCHEDULE_NETWORK);
	done(&f, &job, true);
	schedule_free(f.s);
}

static void a_peer_that_appears_cuts_the_wait_short(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct seen_box b = box_of(1, 5);
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	for (int i = 0; i < 6; i++) {
		job = due(&f, 0, SCHEDULE_RETRY_LAST * 2);
		done(&f, &job, false);
	}
	schedule_seen(f.s, &b, 1, f.now);
	job = due(&f, 0, 0);
	assert_string_equal(job.address, "10.0.0.1:1");
	done(&f, &job, true);
	schedule_seen(f.s, NULL, 0, f.now);
	schedule_free(f.s);
}

static void a_person_need_not_wait(void **state)
{
	struct fixture f;
	struct peer p[2] = {peer_of(1, "a:1"), peer_of(2, "b:1")};
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, p, 2, f.now);
	for (int i = 0; i < 2; i++) {
		job = due(&f, 0, 0);
		done(&f, &job, false);
	}
	quiet(&f, 1000);
	assert_true(schedule_ask(f.s, &p[0].key, f.now));
	assert_true(schedule_is_asked(f.s, &p[0].key));
	assert_false(schedule_is_asked(f.s, &p[1].key));
	job = due(&f, 0, 0);
	assert_true(job.asked);
	assert_memory_equal(&job.key, &p[0].key, 32);
	assert_true(schedule_is_asked(f.s, &p[0].key));
	/* asked again while it runs: another one follows */
	assert_true(schedule_ask(f.s, NULL, f.now));
	done(&f, &job, true);
	assert_true(schedule_is_asked(f.s, &p[0].key));
	for (int i = 0; i < 2; i++) {
		job = due(&f, 0, 0);
		assert_true(job.asked);
		done(&f, &job, i);
		assert_false(schedule_is_asked(f.s, &job.key));
	}
	schedule_free(f.s);
}

static void a_removed_peer_is_forgotten_also_while_it_runs(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	job = due(&f, 0, 0);
	schedule_peers(f.s, NULL, 0, f.now);
	done(&f, &job, true);
	assert_false(schedule_ask(f.s, NULL, f.now));
	quiet(&f, SCHEDULE_EQUAL);
	schedule_free(f.s);
}

static void who_was_just_served_is_not_called_back_at_once(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	job = due(&f, 0, 0);
	done(&f, &job, true);
	f.now += 10000;
	schedule_served(f.s, &p.key, f.now);
	ours_is(&f, 8);
	job = due(&f, SCHEDULE_SERVED, SCHEDULE_SERVED);
	done(&f, &job, true);
	schedule_free(f.s);
}

/* Whatever happens: one exchange a peer at a time, nobody who is not a peer, and time never stands
 * still. */
static void who_misbehaves_waits_unless_a_person_asks(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct seen_box b = box_of(1, 9);
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	job = due(&f, 0, 0);
	done(&f, &job, true);
	schedule_hold(f.s, &p.key, f.now + 3600000, f.now);
	schedule_seen(f.s, &b, 1, f.now); /* coming and going does not help it */
	quiet(&f, 3599000);
	assert_true(schedule_ask(f.s, &p.key, f.now));
	job = due(&f, 0, 0);
	assert_true(job.asked);
	done(&f, &job, true);
	schedule_hold(f.s, &p.key, 0, f.now); /* forgiven */
	ours_is(&f, 3);
	due(&f, 0, SCHEDULE_COURTESY);
	schedule_free(f.s);
}

static void a_closed_line_is_for_the_neighbours_only(void **state)
{
	struct fixture f;
	struct peer p[2] = {peer_of(1, "a:1"), peer_of(2, "")};
	struct seen_box b = box_of(2, 9);
	struct schedule_job job;

	set_up(&f);
	schedule_close(f.s, f.now + 100000, false, f.now);
	schedule_peers(f.s, p, 2, f.now);
	schedule_seen(f.s, &b, 1, f.now);
	job = due(&f, 0, 0);
	assert_int_equal(job.key.b[0], 2);
	assert_true(job.near);
	done(&f, &job, true);
	quiet(&f, 99000);
	job = due(&f, 500, 1000);
	assert_int_equal(job.key.b[0], 1);
	assert_false(job.near);
	schedule_free(f.s);
}

static void and_for_who_is_on_this_machine_unless_a_tunnel_ends_there(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "127.0.0.1:1");
	struct schedule_job job;

	set_up(&f);
	schedule_close(f.s, f.now + 100000, false, f.now);
	schedule_peers(f.s, &p, 1, f.now);
	job = due(&f, 0, 0);
	done(&f, &job, true);
	schedule_free(f.s);
	set_up(&f);
	schedule_close(f.s, f.now + 100000, true, f.now);
	schedule_peers(f.s, &p, 1, f.now);
	quiet(&f, 99000);
	schedule_free(f.s);
}

static void who_drags_on_is_kept_out_of_the_quick_lane(void **state)
{
	struct fixture f;
	struct peer p[2] = {peer_of(1, "a:1"), peer_of(2, "b:1")};
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, p, 1, f.now);
	job = due(&f, 0, 0);
	f.now += SCHEDULE_QUICK + 1;
	done(&f, &job, true);
	assert_true(schedule_ask(f.s, &p[0].key, f.now));
	assert_false(schedule_next_quick(f.s, f.now, &job));
	schedule_peers(f.s, p, 2, f.now);
	assert_true(schedule_next_quick(f.s, f.now, &job));
	assert_int_equal(job.key.b[0], 2);
	assert_true(schedule_next(f.s, f.now, &job));
	assert_int_equal(job.key.b[0], 1);
	done(&f, &job, true); /* quick this time */
	assert_true(schedule_ask(f.s, &p[0].key, f.now));
	assert_true(schedule_next_quick(f.s, f.now, &job));
	schedule_free(f.s);
}

static void what_is_settled_is_looked_at_anew_when_it_may_differ(void **state)
{
	struct fixture f;
	struct peer p = peer_of(1, "a:1");
	struct schedule_job job;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	job = due(&f, 0, 0);
	done(&f, &job, true);
	quiet(&f, SCHEDULE_COURTESY * 3);
	schedule_anew(f.s, &p.key, f.now);
	job = due(&f, 0, SCHEDULE_COURTESY);
	schedule_anew(f.s, &p.key, f.now); /* also while it runs */
	done(&f, &job, true);
	job = due(&f, 0, SCHEDULE_COURTESY);
	done(&f, &job, true);
	quiet(&f, SCHEDULE_COURTESY * 3);
	schedule_free(f.s);
}

static void random_events_keep_the_invariants(void **state)
{
	struct fixture f;
	bool running[8] = {false}, listed[8] = {false};
	int64_t held[8] = {0};

	set_up(&f);
	for (int step = 0; step < 20000; step++) {
		struct peer peers[8];
		struct seen_box boxes[8];
		struct schedule_job job;
		size_t n = 0;
		uint8_t who = (uint8_t)test_below(&f.t, 8);
		struct pubkey key = {{who}};

		switch (test_below(&f.t, 12)) {
		case 0:
			for (uint8_t i = 0; i < 8; i++)
				if ((listed[i] = test_below(&f.t, 4) != 0))
					peers[n++] = peer_of(i, i % 2 ? "a:1" : "");
				else
					running[i] = false, held[i] = 0;
			schedule_peers(f.s, peers, n, f.now);
			break;
		case 1:
			for (uint8_t i = 0; i < 8; i++)
				if (test_below(&f.t, 2))
					boxes[n++] = box_of(i, (uint8_t)test_below(&f.t, 3));
			schedule_seen(f.s, boxes, n, f.now);
			break;
		case 2:
			ours_is(&f, (uint8_t)test_below(&f.t, 3));
			break;
		case 3:
			schedule_poke(f.s, f.now);
			break;
		case 4:
			schedule_ask(f.s, test_below(&f.t, 2) ? &key : NULL, f.now);
			break;
		case 5:
			schedule_served(f.s, &key, f.now);
			schedule_hint(f.s, &key, "h:1", f.now);
			break;
		case 6:
			if (running[who])
				schedule_done(f.s, &key, test_below(&f.t, 2), f.ours, f.now);
			running[who] = false;
			break;
		case 7:
			f.now += schedule_wait(f.s, f.now, 5000);
			break;
		case 8:
			held[who] = listed[who] ? f.now + (int64_t)test_below(&f.t, 9000) : 0;
			schedule_hold(f.s, &key, held[who], f.now);
			break;
		case 9:
			schedule_anew(f.s, &key, f.now);
			break;
		case 10:
			schedule_close(f.s, f.now + (int64_t)test_below(&f.t, 9000),
				       test_below(&f.t, 2), f.now);
			break;
		default:
			if (!(test_below(&f.t, 2) ? schedule_next(f.s, f.now, &job)
						  : schedule_next_quick(f.s, f.now, &job)))
				break;
			assert_true(job.asked || f.now >= held[job.key.b[0]]);
			assert_true(listed[job.key.b[0]]);
			assert_false(running[job.key.b[0]]);
			assert_true(job.address[0] != 0);
			running[job.key.b[0]] = true;
		}
	}
	schedule_free(f.s);
}

static void an_address_that_was_set_is_tried_before_what_worked(void **state)
{
	static const char old[1][PEER_ADDRESS] = {"10.0.0.9:1"};
	static const char both[2][PEER_ADDRESS] = {"set.example.org:1", "10.0.0.9:1"};
	struct peer p = peer_of(1, "10.0.0.9:1");
	struct schedule_job job;
	struct fixture f;

	set_up(&f);
	schedule_peers(f.s, &p, 1, f.now);
	schedule_addresses(f.s, &p.key, old, 1, f.now);
	job = due(&f, 0, 0);
	assert_string_equal(job.address, "10.0.0.9:1");
	done(&f, &job, true);
	p = peer_of(1, "set.example.org:1");
	schedule_peers(f.s, &p, 1, f.now);
	schedule_addresses(f.s, &p.key, both, 2, f.now);
	job = due(&f, 0, SCHEDULE_COURTESY);
	assert_string_equal(job.address, "set.example.org:1");
	done(&f, &job, false);
	job = due(&f, 0, 0);
	assert_string_equal(job.address, "10.0.0.9:1");
	schedule_free(f.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_new_peer_with_an_address_is_tried_at_once_then_from_time_to_time),
		cmocka_unit_test(a_peer_nobody_knows_where_is_left_alone),
		cmocka_unit_test(an_equal_announced_digest_needs_no_exchange),
		cmocka_unit_test(what_stays_different_is_not_asked_again_and_again),
		cmocka_unit_test(who_announces_something_else_every_moment_is_asked_all_the_same),
		cmocka_unit_test(a_write_is_told_two_seconds_after_the_first_of_a_burst),
		cmocka_unit_test(a_write_during_an_exchange_is_not_forgotten),
		cmocka_unit_test(failures_wait_longer_and_longer_after_every_address_was_tried),
		cmocka_unit_test(a_peer_that_appears_cuts_the_wait_short),
		cmocka_unit_test(a_person_need_not_wait),
		cmocka_unit_test(a_removed_peer_is_forgotten_also_while_it_runs),
		cmocka_unit_test(who_was_just_served_is_not_called_back_at_once),
		cmocka_unit_test(who_misbehaves_waits_unless_a_person_asks),
		cmocka_unit_test(a_closed_line_is_for_the_neighbours_only),
		cmocka_unit_test(and_for_who_is_on_this_machine_unless_a_tunnel_ends_there),
		cmocka_unit_test(who_drags_on_is_kept_out_of_the_quick_lane),
		cmocka_unit_test(what_is_settled_is_looked_at_anew_when_it_may_differ),
		cmocka_unit_test(an_address_that_was_set_is_tried_before_what_worked),
		cmocka_unit_test(random_events_keep_the_invariants),
	};

	return run_group(tests);
}
