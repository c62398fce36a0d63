/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/http/watch.h"
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

static _Atomic int64_t clock_ms = 1000;

static int64_t mono(void *ctx)
{
	return clock_ms;
}

static void random_(void *ctx, void *out, size_t n)
{
	memset(out, 7, n);
}
static const struct env env = {NULL, mono, mono, random_};

struct pair {
	int ours, theirs;
};

static struct pair pair(void)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	return (struct pair){fd[0], fd[1]};
}

static void unpair(struct pair p)
{
	close(p.ours);
	close(p.theirs);
}

/* Did our side say goodbye, within a moment? */
static bool ended(int fd, int wait_ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	char c;

	return poll(&p, 1, wait_ms) == 1 && recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

struct fixture {
	struct limits *limits;
	struct watch *watch;
	struct limit_key ada, bob;
};

static struct fixture begin(void)
{
	struct fixture f = {.limits = limits_new(&env)};

	f.watch = watch_new(&env, f.limits);
	f.ada = limit_key(f.limits, "client", span_str("ada"));
	f.bob = limit_key(f.limits, "client", span_str("bob"));
	return f;
}

static void finish(struct fixture *f)
{
	watch_free(f->watch);
	limits_free(f->limits);
}

static void a_request_has_a_deadline_however_it_drips(void **state)
{
	struct fixture f = begin();
	struct pair slow = pair(), reading = pair(), busy = pair();
	struct watched *a = watch_open(f.watch, slow.ours, f.ada, NULL);
	struct watched *b = watch_open(f.watch, reading.ours, f.ada, NULL);
	struct watched *c = watch_open(f.watch, busy.ours, f.ada, NULL);

	assert_ok(watch_start(f.watch));
	watch_head(f.watch, a);
	watch_body(f.watch, b, 1024 * 1024);
	watch_busy(f.watch, c);
	clock_ms += WATCH_FIRST_MS - 100;
	assert_false(ended(slow.theirs, 300));
	clock_ms += 1200;
	assert_true(ended(slow.theirs, 3000));
	/* a megabyte at 4 KiB a second */
	assert_false(ended(reading.theirs, 0));
	clock_ms += 260 * 1000 + WATCH_BODY_MS;
	assert_true(ended(reading.theirs, 3000));
	clock_ms += 3600 * 1000;
	assert_false(ended(busy.theirs, 300));
	watch_send(f.watch, c, 100);
	clock_ms += WATCH_BODY_MS + 2000;
	assert_true(ended(busy.theirs, 3000));
	watch_close(f.watch, a);
	watch_close(f.watch, b);
	watch_close(f.watch, c);
	unpair(slow);
	unpair(reading);
	unpair(busy);
	finish(&f);
}

static void a_client_with_too_many_loses_its_oldest_and_nobody_elses(void **state)
{
	struct fixture f = begin();
	struct pair first = pair(), second = pair(), other = pair();
	struct watched **more = calloc(WATCH_CLIENT, sizeof(*more));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct watched *o = watch_open(f.watch, other.ours, f.bob, NULL);
	struct watched *a = watch_open(f.watch, first.ours, f.ada, NULL);
	struct watched *b = watch_open(f.watch, second.ours, f.ada, NULL);

	watch_busy(f.watch, a);
	for (int i = 0; i < WATCH_CLIENT - 2; i++)
		more[i] = watch_open(f.watch, null, f.ada, NULL);
	assert_false(ended(second.theirs, 0));
	more[WATCH_CLIENT - 2] = watch_open(f.watch, null, f.ada, NULL);
	/* the one at work stays, the next oldest goes */
	assert_false(ended(first.theirs, 0));
	assert_true(ended(second.theirs, 0));
	assert_false(ended(other.theirs, 0));
	assert_int_equal(watch_count(f.watch), WATCH_CLIENT + 2);
	for (int i = 0; i < WATCH_CLIENT - 1; i++)
		watch_close(f.watch, more[i]);
	watch_close(f.watch, a);
	watch_close(f.watch, b);
	watch_close(f.watch, o);
	assert_int_equal(watch_count(f.watch), 0);
	free(more);
	close(null);
	unpair(first);
	unpair(second);
	unpair(other);
	finish(&f);
}

static void who_does_not_read_the_answers_makes_room_like_who_does_not_ask(void **state)
{
	struct fixture f = begin();
	struct pair first = pair(), working = pair(), other = pair();
	struct watched **more = calloc(WATCH_CLIENT, sizeof(*more));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct watched *o = watch_open(f.watch, other.ours, f.bob, NULL);
	struct watched *w = watch_open(f.watch, working.ours, f.ada, NULL);
	struct watched *a = watch_open(f.watch, first.ours, f.ada, NULL);

	watch_busy(f.watch, w);
	watch_send(f.watch, a, 20000);
	watch_send(f.watch, o, 20000);
	for (int i = 0; i < WATCH_CLIENT - 1; i++) {
		more[i] = watch_open(f.watch, null, f.ada, NULL);
		watch_send(f.watch, more[i], 20000);
	}
	assert_true(ended(first.theirs, 0));
	assert_false(ended(working.theirs, 0));
	assert_false(ended(other.theirs, 0));
	for (int i = 0; i < WATCH_CLIENT - 1; i++)
		watch_close(f.watch, more[i]);
	watch_close(f.watch, w);
	watch_close(f.watch, a);
	watch_close(f.watch, o);
	free(more);
	close(null);
	unpair(first);
	unpair(working);
	unpair(other);
	finish(&f);
}

static void who_holds_most_memory_makes_room_for_the_others(void **state)
{
	enum { MANY = 60, BIG = 1024 * 1024 };
	struct fixture f = begin();
	struct pair small = pair(), working = pair(), big[MANY];
	struct watched *s = watch_open(f.watch, small.ours, f.ada, NULL), *b[MANY];
	struct watched *w = watch_open(f.watch, working.ours, f.ada, NULL);
	int left = 0;

	watch_hold(f.watch, s, 100000);
	watch_busy(f.watch, w);
	watch_hold(f.watch, w, 2 * BIG);
	for (int i = 0; i < MANY; i++) {
		big[i] = pair();
		b[i] = watch_open(f.watch, big[i].ours, f.bob, NULL);
		watch_hold(f.watch, b[i], BIG);
		assert_in_range(watch_held(f.watch), 0, WATCH_HELD);
	}
	for (int i = 0; i < MANY; i++)
		left += !ended(big[i].theirs, 0);
	assert_int_equal(left, (WATCH_HELD - 2 * BIG - 100000) / BIG);
	assert_true(ended(big[0].theirs, 0)); /* of equals the one that came first */
	assert_false(ended(big[MANY - 1].theirs, 0));
	assert_false(ended(small.theirs, 0));
	assert_false(ended(working.theirs, 0));
	for (int i = 0; i < MANY; i++) {
		watch_close(f.watch, b[i]);
		unpair(big[i]);
	}
	watch_hold(f.watch, w, 0);
	assert_int_equal(watch_held(f.watch), 100000);
	watch_close(f.watch, s);
	watch_close(f.watch, w);
	assert_int_equal(watch_held(f.watch), 0);
	unpair(small);
	unpair(working);
	finish(&f);
}

static void reads_what_still_comes_after_a_refusal(void **state)
{
	struct fixture f = begin();
	struct pair p = pair();
	char bytes[65536] = {0};
	size_t sent = 0;

	watch_linger(f.watch, p.ours);
	assert_ok(watch_start(f.watch));
	/* more than a socket holds */
	for (int i = 0; i < 100; i++) {
		ssize_t n = send(p.theirs, bytes, sizeof(bytes), MSG_NOSIGNAL);

		assert_true(n > 0);
		sent += (size_t)n;
	}
	assert_true(sent > 4 * 1024 * 1024);
	unpair(p);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_a_deadline_however_it_drips),
		cmocka_unit_test(a_client_with_too_many_loses_its_oldest_and_nobody_elses),
		cmocka_unit_test(who_does_not_read_the_answers_makes_room_like_who_does_not_ask),
		cmocka_unit_test(who_holds_most_memory_makes_room_for_the_others),
		cmocka_unit_test(reads_what_still_comes_after_a_refusal),
	};

	return run_group(tests);
}
