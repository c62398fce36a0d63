/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Connections that break off anywhere: what came whole is kept, the rest follows, nothing is stored
 * by halves. A small relay between the two boxes cuts after so many bytes. */
#include "tests/lib/test.h"
#include "tests/lib/net_box.h"
#include "sync/peer/address.h"
#include "sync/peer/client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* --- the relay --- */
struct relay {
	int listener, port, to;
	pthread_t thread;
	atomic_bool stop;
	atomic_long left; /* bytes until it cuts; negative: never */
	atomic_bool stalls; /* … or until it brings nothing any more */
	atomic_int cuts;
};

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One piece from one side to the other; false: over, or cut. */
static bool carry(struct relay *r, int from, int to)
{
	char piece[4096];
	ssize_t n = read(from, piece, sizeof(piece));
	long left = atomic_load(&r->left);

	if (n <= 0)
		return false;
	if (left >= 0 && left < n)
		n = left;
	if (left >= 0)
		atomic_store(&r->left, left - n);
	for (ssize_t done = 0, k; done < n; done += k)
		if ((k = send(to, piece + done, (size_t)(n - done), MSG_NOSIGNAL)) <= 0)
			return false;
	if (atomic_load(&r->left) == 0) {
		atomic_fetch_add(&r->cuts, 1);
		return atomic_load(&r->stalls);
	}
	return true;
}

static void relay_one(struct relay *r, int a)
{
	int b = dial(r->to);
	struct pollfd fds[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};

	while (b >= 0 && !atomic_load(&r->stop)) {
		if (atomic_load(&r->stalls) && atomic_load(&r->left) == 0) {
			poll(NULL, 0, 20);
			continue;
		}
		if (poll(fds, 2, 100) <= 0)
			continue;
		if ((fds[0].revents && !carry(r, a, b)) || (fds[1].revents && !carry(r, b, a)))
			break;
	}
	if (b >= 0)
		close(b);
	close(a);
}

static void *relay_run(void *arg)
{
	struct relay *r = arg;
	struct pollfd fd = {r->listener, POLLIN, 0};

	while (!atomic_load(&r->stop)) {
		int a = poll(&fd, 1, 100) > 0 ? accept(r->listener, NULL, NULL) : -1;

		if (a >= 0)
			relay_one(r, a);
	}
	return NULL;
}

static void relay_start(struct relay *r, int to)
{
	struct address where = {.host = "127.0.0.1"};

	memset(r, 0, sizeof(*r));
	r->to = to;
	atomic_store(&r->left, -1);
	assert_ok(address_listen(&where, &r->listener, &r->port));
	assert_int_equal(pthread_create(&r->thread, NULL, relay_run, r), 0);
}

static void relay_stop(struct relay *r)
{
	atomic_store(&r->stop, true);
	pthread_join(r->thread, NULL);
	close(r->listener);
}

/* --- two boxes, the relay in front of A --- */
struct pair {
	char *dir[2];
	struct net_box a, b;
	struct hash space;
	struct relay relay;
};

static void pair_open(struct pair *p)
{
	char address[40];

	p->dir[0] = test_dir();
	p->dir[1] = test_dir();
	net_box_open(&p->a, p->dir[0], "A", 1);
	net_box_open(&p->b, p->dir[1], "B", 2);
	p->space = net_box_found(&p->a);
	net_box_admit(&p->a, &p->space, net_box_key(&p->b));
	net_box_admit(&p->b, &p->space, net_box_key(&p->a));
	net_box_admit(&p->b, &p->space, net_box_key(&p->b));
	net_box_start(&p->a, "127.0.0.1:0", false);
	relay_start(&p->relay, sync_port(p->a.sync));
	snprintf(address, sizeof(address), "127.0.0.1:%d", p->relay.port);
	/* B has no engine: it exchanges when the test says so */
	net_box_peer(&p->a, net_box_key(&p->b), NULL);
	net_box_peer(&p->b, net_box_key(&p->a), address);
}

static void pair_close(struct pair *p)
{
	relay_stop(&p->relay);
	net_box_close(&p->a);
	net_box_close(&p->b);
	test_dir_remove(p->dir[0]);
	test_dir_remove(p->dir[1]);
}

static bool equal(struct pair *p)
{
	struct hash a = net_box_digest(&p->a, &p->space), b = net_box_digest(&p->b, &p->space);

	return hash_eq(&a, &b);
}

static struct error *exchange(struct pair *p, long cut_after, struct sync_report *report)
{
	struct sync_options o = net_box_options(&p->b, NULL, false);

	atomic_store(&p->relay.left, cut_after);
	memset(report, 0, sizeof(*report));
	return sync_once(&o, net_box_key(&p->a), report);
}

static void verify_is_clean(struct net_box *b)
{
	struct verify_report r;
	struct error *first = NULL;

	pthread_mutex_lock(&b->writing);
	assert_ok(log_verify(b->log, NULL, NULL, &r, &first));
	pthread_mutex_unlock(&b->writing);
	assert_ok(first);
	assert_int_equal(r.bad, 0);
}

/* Cut after 1, 2, 3 … steps until an exchange goes through whole. */
static void cut_ever_later(struct pair *p, long step)
{
	struct sync_report report;
	struct error *err;
	int n = 0;

	for (long after = 1; after < 64L * 1024 * 1024; after += step + after / 16) {
		uint64_t had = net_box_entries(&p->b, &p->space);

		err = exchange(p, after, &report);
		assert_true(net_box_entries(&p->b, &p->space) >= had);
		n++;
		if (!err)
			break;
		assert_true(error_is(err, ERR_NET) || error_is(err, ERR_TIMEOUT));
		error_free(err);
	}
	printf("# %d exchanges\n", n);
	assert_ok(exchange(p, -1, &report));
	assert_true(report.equal);
	assert_true(equal(p));
	verify_is_clean(&p->a);
	verify_is_clean(&p->b);
}

static void a_first_sync_cut_anywhere_is_finished_later(void **state)
{
	struct pair p;

	pair_open(&p);
	net_box_write(&p.a, &p.space, 2000, 300, 20);
	cut_ever_later(&p, 30011);
	pair_close(&p);
}

static void giving_and_taking_cut_anywhere_is_finished_later(void **state)
{
	struct sync_report report;
	struct pair p;

	pair_open(&p);
	assert_ok(exchange(&p, -1, &report));
	net_box_write(&p.a, &p.space, 300, 300, 20);
	net_box_write(&p.b, &p.space, 300, 300, 20);
	cut_ever_later(&p, 5003);
	pair_close(&p);
}

static void what_came_whole_before_the_cut_is_kept(void **state)
{
	struct sync_report report;
	struct pair p;
	uint64_t first;

	pair_open(&p);
	net_box_write(&p.a, &p.space, 20000, 300, 20); /* several frames */
	assert_fails(exchange(&p, 7 * 1024 * 1024, &report), ERR_NET);
	first = net_box_entries(&p.b, &p.space);
	printf("# kept %llu entries of 20001\n", (unsigned long long)first);
	assert_true(first > 0);
	assert_int_equal(report.received, first);
	assert_true(report.cut);
	assert_ok(exchange(&p, -1, &report));
	assert_int_equal(report.received, 20001 - first);
	assert_true(equal(&p));
	pair_close(&p);
}

struct question {
	struct sync_keep at;
	struct buf answer;
	struct error *err;
};

static void *ask_for_proof(void *arg)
{
	static const uint8_t long_one[100000];
	struct question *q = arg;

	q->err = sync_held(&q->at, span_of(long_one, sizeof(long_one)), &q->answer);
	return NULL;
}

/* A box that stops answering would be waited for for two minutes. */
static void a_question_that_is_not_answered_is_broken_off_when_the_box_is_to_stop(void **state)
{
	_Atomic bool ending = false;
	struct question q = {.err = NULL};
	struct sync_options o;
	char address[40];
	pthread_t thread;
	struct pair p;
	int64_t began;

	pair_open(&p);
	o = net_box_options(&p.b, NULL, false);
	snprintf(address, sizeof(address), "127.0.0.1:%d", p.relay.port);
	q.at = (struct sync_keep){.env = o.env,
				  .self = p.b.self,
				  .name = "B",
				  .peer = *net_box_key(&p.a),
				  .address = address,
				  .ending = &ending};
	atomic_store(&p.relay.stalls, true);
	atomic_store(&p.relay.left, 20000); /* behind both sides' certificates */
	assert_int_equal(pthread_create(&thread, NULL, ask_for_proof, &q), 0);
	for (int i = 0; i < 1000 && !atomic_load(&p.relay.cuts); i++)
		poll(NULL, 0, 20);
	assert_int_equal(atomic_load(&p.relay.cuts), 1);
	began = env_mono(o.env);
	ending = true;
	pthread_join(thread, NULL);
	assert_true(env_mono(o.env) - began < CLIENT_STALL_MS / 4);
	assert_fails(q.err, ERR_STOPPED);
	/* And no other one is begun. */
	assert_fails(sync_held(&q.at, span_str("again"), &q.answer), ERR_STOPPED);
	buf_release(&q.answer);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_that_is_not_answered_is_broken_off_when_the_box_is_to_stop),
		cmocka_unit_test(a_first_sync_cut_anywhere_is_finished_later),
		cmocka_unit_test(giving_and_taking_cut_anywhere_is_finished_later),
		cmocka_unit_test(what_came_whole_before_the_cut_is_kept),
	};

	return run_group(tests);
}
