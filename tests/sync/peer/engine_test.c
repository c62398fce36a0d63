/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two engines in one process, over loopback. */
#include "tests/lib/test.h"
#include "tests/lib/net_pair.h"
#include "sync/peer/client.h"

static const char *address_of(const struct net_box *b)
{
	static char text[40];

	snprintf(text, sizeof(text), "127.0.0.1:%d", sync_port(b->sync));
	return text;
}

static int64_t now_ms(void)
{
	return env_mono(&env_system);
}

static void sleep_ms(int ms)
{
	usleep((useconds_t)ms * 1000);
}

static bool equal(struct pair *p)
{
	struct hash a = net_box_digest(&p->a, &p->space), b = net_box_digest(&p->b, &p->space);

	return hash_eq(&a, &b);
}

#define wait_until(cond, ms)                                                                       \
	do {                                                                                       \
		int64_t until_ = now_ms() + (ms);                                                  \
		while (!(cond) && now_ms() < until_)                                               \
			sleep_ms(20);                                                              \
		assert_true(cond);                                                                 \
	} while (0)

static struct error *add_sent(void *ctx, const struct receipt *r)
{
	*(uint64_t *)ctx += r->report.sent;
	return NULL;
}

/* Entries sent, by all its receipts. */
static uint64_t gave(struct net_box *b)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&b->writing);
	assert_ok(receipt_each(b->local, NULL, 100, add_sent, &sum));
	pthread_mutex_unlock(&b->writing);
	return sum;
}

static void a_person_asks_and_both_hold_the_same(void **state)
{
	struct pair p;
	struct receipt r;

	pair_open(&p);
	net_box_write(&p.a, &p.space, 100, 300, 5);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, "127.0.0.1:0", false);
	net_box_peer(&p.a, net_box_key(&p.b), NULL);
	net_box_peer(&p.b, net_box_key(&p.a), address_of(&p.a));
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	assert_true(equal(&p));
	assert_int_equal(net_box_entries(&p.b, &p.space), 101);
	wait_until(sync_audited(p.b.sync), 5000);
	r = net_box_receipt(&p.b);
	assert_string_equal(r.error, "");
	assert_string_equal(r.report.peer_name, "Ateneu");
	wait_until(gave(&p.a) == 101, 5000);
	assert_true(net_box_receipt(&p.a).by_peer);
	pair_close(&p);
}

static void what_is_written_on_one_is_soon_on_the_other(void **state)
{
	struct pair p;
	int64_t began;

	pair_open(&p);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, "127.0.0.1:0", false);
	net_box_peer(&p.a, net_box_key(&p.b), address_of(&p.b));
	net_box_peer(&p.b, net_box_key(&p.a), address_of(&p.a));
	wait_until(equal(&p), 10000);
	began = now_ms();
	net_box_write(&p.a, &p.space, 1, 300, 1);
	assert_false(equal(&p));
	wait_until(equal(&p), 8000);
	printf("# A to B: %lld ms\n", (long long)(now_ms() - began));
	began = now_ms();
	net_box_write(&p.b, &p.space, 1, 300, 1);
	wait_until(equal(&p), 8000);
	printf("# B to A: %lld ms\n", (long long)(now_ms() - began));
	pair_close(&p);
}

static void a_box_that_only_joined_is_reached_where_it_came_from(void **state)
{
	struct pair p;

	pair_open(&p);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, "127.0.0.1:0", false);
	net_box_peer(&p.a, net_box_key(&p.b), NULL);
	net_box_peer(&p.b, net_box_key(&p.a), address_of(&p.a));
	wait_until(equal(&p), 10000);
	net_box_write(&p.a, &p.space, 1, 300, 1);
	wait_until(equal(&p), 10000);
	pair_close(&p);
}

static void two_boxes_that_are_equal_leave_each_other_alone(void **state)
{
	struct pair p;
	int commits;

	pair_open(&p);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, "127.0.0.1:0", false);
	net_box_peer(&p.a, net_box_key(&p.b), address_of(&p.b));
	net_box_peer(&p.b, net_box_key(&p.a), address_of(&p.a));
	wait_until(equal(&p), 10000);
	sleep_ms(6000);
	commits = atomic_load(&p.a.commits) + atomic_load(&p.b.commits);
	/* as the layer above does after every commit, also after the engine's own */
	sync_poke(p.a.sync);
	sync_poke(p.b.sync);
	sleep_ms(4000);
	assert_int_equal(atomic_load(&p.a.commits) + atomic_load(&p.b.commits), commits);
	pair_close(&p);
}

static void a_peer_that_is_off_is_named_and_tried_again(void **state)
{
	struct pair p;
	struct peer row;
	char address[40];

	pair_open(&p);
	net_box_start(&p.a, "127.0.0.1:0", false);
	snprintf(address, sizeof(address), "%s", address_of(&p.a));
	net_box_peer(&p.a, net_box_key(&p.b), NULL);
	net_box_stop(&p.a);
	net_box_start(&p.b, "127.0.0.1:0", false);
	net_box_peer(&p.b, net_box_key(&p.a), address);
	assert_fails(sync_now(p.b.sync, net_box_key(&p.a), 20000), ERR_NET);
	assert_ok(peer_get(p.b.local, net_box_key(&p.a), &row));
	assert_non_null(strstr(row.last_error, "can't be reached"));
	net_box_start(&p.a, address, false);
	wait_until(equal(&p), 15000);
	pair_close(&p);
}

struct failures {
	unsigned lines, times;
};

static struct error *add_failure(void *ctx, const struct receipt *r)
{
	struct failures *f = ctx;

	f->lines += *r->error != 0;
	f->times += *r->error ? r->times : 0;
	return NULL;
}

static struct failures failures_at(struct net_box *b)
{
	struct failures f = {0};

	pthread_mutex_lock(&b->writing);
	assert_ok(receipt_each(b->local, NULL, 100, add_failure, &f));
	pthread_mutex_unlock(&b->writing);
	return f;
}

/* A visit whose only request is for nothing that there is. */
static void ask_in_vain(struct pair *p, const struct tls_identity *tls)
{
	struct client_options o = {.tls = tls,
				   .env = &env_system,
				   .peer = *net_box_key(&p->a),
				   .address = address_of(&p->a),
				   .name = "Biblioteca"};
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(buf_release) struct buf answer = {0};
	int status;

	assert_ok(client_new(&o, &c));
	assert_ok(client_request(c, "GET", "/sync/1/nothing", false, 0));
	while (client_receive(c, true, &answer))
		;
	assert_ok(client_result(c, &status));
	assert_int_equal(status, 404);
}

static void a_peer_that_fails_over_and_over_wears_no_disk_out(void **state)
{
	enum { TIMES = 60 };
	_cleanup_(tls_identity_freep) struct tls_identity *tls = NULL;
	struct pair p;
	int before;

	pair_open(&p);
	assert_ok(tls_identity_new(p.b.self, &tls));
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_peer(&p.a, net_box_key(&p.b), NULL);
	ask_in_vain(&p, tls);
	wait_until(failures_at(&p.a).times == 1, 15000);
	before = atomic_load(&p.a.commits);
	for (int i = 1; i < TIMES; i++)
		ask_in_vain(&p, tls);
	assert_in_range(atomic_load(&p.a.commits) - before, 0, TIMES / 4);
	net_box_stop(&p.a); /* what waits is written then, or was */
	assert_int_equal(failures_at(&p.a).lines, 1);
	assert_int_equal(failures_at(&p.a).times, TIMES);
	pair_close(&p);
}

static void asking_for_nobody_is_refused_with_a_reason(void **state)
{
	struct pair p;

	pair_open(&p);
	net_box_start(&p.a, "127.0.0.1:0", false);
	assert_fails(sync_now(p.a.sync, NULL, 1000), ERR_NOT_FOUND);
	assert_fails(sync_now(p.a.sync, net_box_key(&p.b), 1000), ERR_NOT_FOUND);
	net_box_peer(&p.a, net_box_key(&p.b), NULL);
	assert_fails(sync_now(p.a.sync, net_box_key(&p.b), 1000), ERR_NET);
	pair_close(&p);
}

static void a_box_without_an_engine_syncs_once(void **state)
{
	struct pair p;
	struct sync_options o;
	struct sync_report report;
	struct peer row;

	pair_open(&p);
	net_box_write(&p.a, &p.space, 10, 300, 5);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_peer(&p.a, net_box_key(&p.b), NULL);
	net_box_peer(&p.b, net_box_key(&p.a), address_of(&p.a));
	o = net_box_options(&p.b, NULL, false);
	assert_ok(sync_once(&o, net_box_key(&p.a), &report));
	assert_int_equal(report.received, 11);
	assert_true(report.equal);
	assert_true(equal(&p));
	assert_ok(peer_get(p.b.local, net_box_key(&p.a), &row));
	assert_true(row.last_ok_ms > 0);
	assert_string_equal(row.name, "Ateneu");
	pair_close(&p);
}

static void a_full_disk_loses_nothing_and_stops_nothing(void **state)
{
	struct pair p;
	uint64_t before;

	pair_open(&p);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, "127.0.0.1:0", false);
	net_box_peer(&p.a, net_box_key(&p.b), address_of(&p.b));
	net_box_peer(&p.b, net_box_key(&p.a), address_of(&p.a));
	wait_until(equal(&p), 10000);
	before = net_box_entries(&p.b, &p.space);
	atomic_store(&p.b.refuse_writes, true);
	net_box_write(&p.a, &p.space, 10, 300, 5);
	/* A gives and B can't write it; B asks and can't either */
	assert_fails(sync_now(p.a.sync, net_box_key(&p.b), 20000), ERR_NET);
	assert_fails(sync_now(p.b.sync, net_box_key(&p.a), 20000), ERR_FULL);
	assert_int_equal(net_box_entries(&p.b, &p.space), before);
	atomic_store(&p.b.refuse_writes, false);
	assert_ok(sync_now(p.a.sync, net_box_key(&p.b), 20000));
	assert_true(equal(&p));
	pair_close(&p);
}

/* --- terms and invitations --- */
struct terms_for {
	struct pubkey key;
	struct peer_terms terms;
};

static struct error *put_terms(struct sync_writing *w, void *arg)
{
	const struct terms_for *t = arg;

	return peer_terms_put(w->local, &t->key, &t->terms);
}

static void set_end(struct net_box *b, const struct pubkey *key, int64_t until_ms)
{
	struct sync_options o = net_box_options(b, NULL, false);
	struct terms_for t = {.key = *key};

	peer_terms_default(&t.terms);
	t.terms.until_ms = until_ms;
	assert_ok(o.host.write(o.host.ctx, put_terms, &t));
	sync_peers_changed(b->sync);
}

static void terms_that_end_stop_the_exchanges_on_both_sides_of_the_call(void **state)
{
	struct pair p;

	pair_open(&p);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, "127.0.0.1:0", false);
	net_box_peer(&p.a, net_box_key(&p.b), NULL);
	net_box_peer(&p.b, net_box_key(&p.a), address_of(&p.a));
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	/* The answering side's end: as a stranger. */
	set_end(&p.a, net_box_key(&p.b), env_now(&env_system) + 700);
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	sleep_ms(900);
	assert_fails(sync_now(p.b.sync, net_box_key(&p.a), 20000), ERR_DENIED);
	set_end(&p.a, net_box_key(&p.b), 0);
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	/* The asking side's: it does not call any more. */
	set_end(&p.b, net_box_key(&p.a), env_now(&env_system) - 1);
	assert_fails(sync_now(p.b.sync, net_box_key(&p.a), 20000), ERR_NOT_FOUND);
	set_end(&p.b, net_box_key(&p.a), env_now(&env_system) + 3600000);
	assert_ok(sync_now(p.b.sync, net_box_key(&p.a), 20000));
	pair_close(&p);
}

/* --- a copied card --- */
static void copy_file(const char *from, const char *to, const char *name)
{
	_cleanup_(buf_release) struct buf bytes = {0};
	_cleanup_(freep) char *source = path_join(from, name), *target = path_join(to, name);

	assert_ok(file_read(source, 64 * 1024 * 1024, &bytes));
	assert_ok(file_write(target, buf_span(&bytes), 0600));
}

/* a and b have one key and one history; then each wrote. */
static void twins_open(struct pair *p)
{
	p->dir[0] = test_dir();
	p->dir[1] = test_dir();
	net_box_open(&p->a, p->dir[0], "Ateneu", 1);
	p->space = net_box_found(&p->a);
	net_box_write(&p->a, &p->space, 3, 100, 1);
	net_box_close(&p->a);
	copy_file(p->dir[0], p->dir[1], "log.db");
	copy_file(p->dir[0], p->dir[1], "local.db");
	net_box_open(&p->a, p->dir[0], "Ateneu", 1);
	net_box_open(&p->b, p->dir[1], "Ateneu", 1);
	net_box_write(&p->a, &p->space, 5, 100, 1);
	net_box_write(&p->b, &p->space, 7, 100, 1);
}

static void two_boxes_with_one_key_notice_it_and_lose_nothing(void **state)
{
	struct pair p;

	twins_open(&p);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, "127.0.0.1:0", false);
	sync_twin_at(p.b.sync, address_of(&p.a));
	/* the founding entry, 3, 5 and 7 */
	wait_until(net_box_live_ops(&p.a, &p.space) == 16, 15000);
	wait_until(net_box_live_ops(&p.b, &p.space) == 16, 15000);
	wait_until(atomic_load(&p.a.twin_signs) == (TWIN_MET | TWIN_LOG), 5000);
	wait_until(atomic_load(&p.b.twin_signs) & TWIN_MET, 5000);
	assert_true(log_incarnation(p.a.log) != log_incarnation(p.b.log));
	pair_close(&p);
}

static void two_boxes_with_one_key_notice_it_through_a_third(void **state)
{
	char *dir = test_dir();
	struct net_box c;
	struct pair p;

	twins_open(&p);
	net_box_open(&c, dir, "Casal", 3);
	net_box_admit(&c, &p.space, net_box_key(&p.a));
	net_box_start(&c, "127.0.0.1:0", false);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, NULL, false);
	/* c first hears of the space from a */
	net_box_peer(&p.a, net_box_key(&c), NULL);
	net_box_peer(&c, net_box_key(&p.a), address_of(&p.a));
	wait_until(net_box_live_ops(&c, &p.space) == 9, 10000);
	net_box_peer(&p.a, net_box_key(&c), address_of(&c));
	net_box_peer(&p.b, net_box_key(&c), address_of(&c));
	assert_ok(sync_now(p.b.sync, NULL, 10000));
	assert_int_equal(atomic_load(&p.b.twin_signs), TWIN_LOG);
	assert_ok(sync_now(p.a.sync, NULL, 10000));
	assert_int_equal(atomic_load(&p.a.twin_signs), TWIN_LOG);
	assert_ok(sync_now(p.b.sync, NULL, 10000));
	assert_int_equal(net_box_live_ops(&p.a, &p.space), 16);
	assert_int_equal(net_box_live_ops(&p.b, &p.space), 16);
	assert_int_equal(net_box_live_ops(&c, &p.space), 16);
	net_box_close(&c);
	test_dir_remove(dir);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_that_end_stop_the_exchanges_on_both_sides_of_the_call),
		cmocka_unit_test(a_person_asks_and_both_hold_the_same),
		cmocka_unit_test(what_is_written_on_one_is_soon_on_the_other),
		cmocka_unit_test(a_box_that_only_joined_is_reached_where_it_came_from),
		cmocka_unit_test(two_boxes_that_are_equal_leave_each_other_alone),
		cmocka_unit_test(a_peer_that_is_off_is_named_and_tried_again),
		cmocka_unit_test(a_peer_that_fails_over_and_over_wears_no_disk_out),
		cmocka_unit_test(asking_for_nobody_is_refused_with_a_reason),
		cmocka_unit_test(a_box_without_an_engine_syncs_once),
		cmocka_unit_test(a_full_disk_loses_nothing_and_stops_nothing),
		cmocka_unit_test(two_boxes_with_one_key_notice_it_and_lose_nothing),
		cmocka_unit_test(two_boxes_with_one_key_notice_it_through_a_third),
	};

	return run_group(tests);
}
