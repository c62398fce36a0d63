/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where peers are: what they say of it, who is told, and finding one again through another. */
#include "tests/lib/test.h"
#include "tests/lib/net_box.h"
#include "sync/engine_priv.h"
#include "sync/replicate/stream.h"
#include "sync/peer/addresses.h"
#include "sync/peer/uplink.h"

enum { HOUR = 3600000 };

static struct pubkey key_of(unsigned n)
{
	_cleanup_(secret_freep) struct secret *s = test_key(n);

	return *secret_pubkey(s);
}

/* Key 1 says that it is at `address`, to the keys 2 and 3. */
static void state(struct buf *out, uint64_t number, const char *address)
{
	_cleanup_(secret_freep) struct secret *self = test_key(1);
	const struct pubkey tell[] = {key_of(2), key_of(3)};
	char list[2][PEER_ADDRESS] = {"", "box.example.org:8443"};

	snprintf(list[0], PEER_ADDRESS, "%s", address);
	buf_clear(out);
	statement_make(self, number, (const char(*)[PEER_ADDRESS])list, 2, tell, 2, out);
}

static void a_statement_says_where_and_to_whom(void **st)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct pubkey self = key_of(1), two = key_of(2), three = key_of(3), four = key_of(4);
	struct statement s;

	state(&b, 7, "[2001:db8::1]:8443");
	assert_ok(statement_read(buf_span(&b), &s));
	assert_id_equal(&s.key, &self);
	assert_int_equal(s.number, 7);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.address[0], "[2001:db8::1]:8443");
	assert_string_equal(s.address[1], "box.example.org:8443");
	assert_true(statement_is_for(&s, &two) && statement_is_for(&s, &three));
	assert_false(statement_is_for(&s, &four) || statement_is_for(&s, &self));
	/* nobody's key is in it, and none of two statements looks like one of the other */
	assert_null(memmem(b.p, b.n, two.b, 32));
	for (size_t i = 0; i < s.n_tags; i++) {
		_cleanup_(buf_release) struct buf later = {0};

		state(&later, 8, "[2001:db8::1]:8443");
		assert_null(memmem(later.p, later.n, s.tags + i * STATED_TAG, STATED_TAG));
	}
}

static void a_changed_bit_anywhere_is_noticed(void **st)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct statement s;

	state(&b, 7, "10.1.2.3:8443");
	for (size_t i = 0; i < b.n * 8; i++) {
		struct error *err;

		b.p[i / 8] ^= (char)(1 << i % 8);
		err = statement_read(buf_span(&b), &s);
		if (!error_is(err, ERR_SIGNATURE) && !error_is(err, ERR_MALFORMED))
			fail_msg("bit %zu is not noticed", i);
		error_free(err);
		b.p[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t n = 0; n < b.n; n++)
		assert_fails(statement_read(span_of(b.p, n), &s), ERR_MALFORMED);
	assert_ok(statement_read(buf_span(&b), &s));
}

static void addresses_that_mean_nothing_elsewhere_are_left_out(void **st)
{
	static const char *const none[] = {
		"[fe80::1%eth0]:8443", "[fe80::1]:8443",   "0.0.0.0:8443",
		"[::]:8443",	       "224.0.0.251:5353", "255.255.255.255:1",
		"10.0.0.1:0",	       "no address",	   "[ff02::fb]:5353"};
	_cleanup_(buf_release) struct buf b = {0};
	struct statement s;

	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		state(&b, 7, none[i]);
		assert_ok(statement_read(buf_span(&b), &s));
		assert_int_equal(s.n, 1);
		assert_string_equal(s.address[0], "box.example.org:8443");
	}
	assert_true(address_is_loopback("127.0.0.9:1") && address_is_loopback("[::1]:1"));
	assert_true(address_is_loopback("[::ffff:127.0.0.1]:1"));
	assert_true(address_is_loopback("localhost:1"));
	assert_false(address_is_loopback("10.0.0.1:1") || address_is_loopback("[2001:db8::1]:1"));
}

/* By hand, for what makes statements makes none so long. */
static void state_long(struct buf *out, size_t long_n)
{
	_cleanup_(secret_freep) struct secret *self = test_key(1);
	_cleanup_(buf_release) struct buf m = {0};
	static const char good[] = "box.example.org:8443";
	struct signature sig;

	buf_clear(out);
	buf_add(out, secret_pubkey(self)->b, 32);
	buf_u64(out, 7);
	buf_u8(out, 2);
	buf_u8(out, (uint8_t)long_n);
	for (size_t k = 0; k < long_n - 5; k++)
		buf_u8(out, k % 20 == 19 ? '.' : 'a');
	buf_puts(out, ":8443");
	buf_u8(out, (uint8_t)strlen(good));
	buf_puts(out, good);
	buf_u16(out, 0);
	buf_puts(&m, "lliure-addresses-1");
	buf_add_span(&m, buf_span(out));
	sig = sign(self, buf_span(&m));
	buf_add(out, sig.b, sizeof(sig.b));
}

static void an_address_that_is_too_long_is_passed_over(void **st)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct statement s;

	state_long(&b, 79);
	assert_ok(statement_read(buf_span(&b), &s));
	assert_int_equal(s.n, 2);
	for (size_t n = 80; n <= 255; n += 35) {
		state_long(&b, n);
		assert_ok(statement_read(buf_span(&b), &s));
		assert_int_equal(s.n, 1);
		assert_string_equal(s.address[0], "box.example.org:8443");
	}
}

static void an_address_of_this_network_is_known_as_one(void **st)
{
	static const char *const private[] = {"192.168.1.20:8443", "10.1.2.3:1",   "172.31.0.1:1",
					      "100.64.0.1:1",	   "127.0.0.1:1",  "169.254.1.1:1",
					      "[fd00::1]:1",	   "[fe80::1]:1",  "[::1]:1",
					      "[::ffff:10.0.0.1]:1", "casal.local:1", "casal:1",
					      "casal.lan:1",	   "no address"};
	static const char *const public[] = {"192.0.2.1:8443", "172.32.0.1:1", "100.128.0.1:1",
					     "[2001:db8::1]:1", "casal.example.org:8443"};

	for (size_t i = 0; i < ARRAY_LEN(private); i++)
		if (!address_is_private(private[i]))
			fail_msg("%s is taken for a public one", private[i]);
	for (size_t i = 0; i < ARRAY_LEN(public); i++)
		if (address_is_private(public[i]))
			fail_msg("%s is taken for a private one", public[i]);
}

/* The only interface that each machine has is its loopback. */
static void near_is_what_an_interface_reaches_itself(void **st)
{
	static const char *const far[] = {"240.0.0.1:8443", "[2001:db8::1]:1", "100.64.0.1:1",
					  "casal.example.org:8443", "casal.local:1", "no address"};

	assert_true(address_is_near("127.0.0.1:1") && address_is_near("127.9.8.7:1"));
	for (size_t i = 0; i < ARRAY_LEN(far); i++)
		if (address_is_near(far[i]))
			fail_msg("%s is taken for one of this network", far[i]);
}

static void a_machine_says_what_it_listens_on(void **st)
{
	char out[LIMIT_STATED][PEER_ADDRESS];
	size_t n;

	assert_int_equal(addresses_of_machine("127.0.0.1:0", 81, out, LIMIT_STATED), 1);
	assert_string_equal(out[0], "127.0.0.1:81");
	assert_int_equal(addresses_of_machine("[::1]:0", 82, out, LIMIT_STATED), 1);
	assert_string_equal(out[0], "[::1]:82");
	assert_int_equal(addresses_of_machine("[fe80::1%lo]:0", 82, out, LIMIT_STATED), 0);
	n = addresses_of_machine("[::]:0", 83, out, LIMIT_STATED);
	for (size_t i = 0; i < n; i++) {
		assert_false(address_is_loopback(out[i]));
		assert_null(strchr(out[i], '%'));
	}
}

static void the_most_promising_address_is_tried_first(void **st)
{
	struct known_address a[] = {
		{"often failed:1", ADDRESS_MET, 9, 50, 90},
		{"failed:1", ADDRESS_MET, 1, 70, 90},
		{"stated:1", ADDRESS_STATED, 0, 0, 0},
		{"worked long ago:1", ADDRESS_MET, 0, 10, 10},
		{"worked lately:1", ADDRESS_STATED, 0, 80, 80},
		{"by hand:1", ADDRESS_BY_HAND, 0, 0, 0},
		{"by hand, worked:1", ADDRESS_BY_HAND, 0, 5, 5},
		{"by hand, failed:1", ADDRESS_BY_HAND, 2, 0, 90},
	};
	static const char *const want[] = {
		"by hand:1",	     "by hand, worked:1", "worked lately:1",
		"worked long ago:1", "stated:1",	  "by hand, failed:1",
		"failed:1",	     "often failed:1"};

	addresses_order(a, ARRAY_LEN(a));
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		assert_string_equal(a[i].address, want[i]);
}

/* Of addresses of which nothing is known: not as the alphabet has them. */
static void of_those_that_nobody_tried_the_likely_ones_are_first(void **st)
{
	static const char *const want[] = {"127.0.0.1:1",	"zeta.example.org:1", "203.0.113.7:1",
					   "[2001:db8::1]:1",	"alpha.local:1",      "10.255.0.9:1",
					   "[fd00:dead::1]:1"};
	static const unsigned mixed[] = {6, 2, 0, 5, 3, 1, 4};
	char list[ARRAY_LEN(want)][PEER_ADDRESS];
	struct known_address a[ARRAY_LEN(want)] = {0};

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		snprintf(list[i], PEER_ADDRESS, "%s", want[mixed[i]]);
		snprintf(a[i].address, PEER_ADDRESS, "%s", want[mixed[i]]);
		a[i].source = ADDRESS_STATED;
	}
	addresses_order(a, ARRAY_LEN(a));
	addresses_likely_first(list, ARRAY_LEN(list));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(a[i].address, want[i]);
		assert_string_equal(list[i], want[i]);
	}
	/* what is as likely stays as whoever wrote it had it */
	snprintf(list[0], PEER_ADDRESS, "z.example.org:1");
	snprintf(list[1], PEER_ADDRESS, "a.example.org:1");
	addresses_likely_first(list, 2);
	assert_string_equal(list[0], "z.example.org:1");
}

static void open_db(const char *dir, struct db **ret)
{
	_cleanup_(freep) char *path = path_join(dir, "local.db");

	assert_ok(db_open(path, DB_WRITER, 500, ret));
	assert_ok(db_migrate(*ret, "address", address_migrations, address_migrations_n));
	assert_ok(db_migrate(*ret, "uplink", uplink_migrations, uplink_migrations_n));
}

static void the_newer_statement_counts_and_what_worked_stays(void **st)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	_cleanup_(buf_release) struct buf b = {0}, older = {0};
	struct known_address list[KNOWN_ADDRESSES], worked = {"10.0.0.7:1", ADDRESS_MET, 0, 5, 5};
	struct pubkey key = key_of(1), via = key_of(2);
	struct statement s;
	size_t n;

	open_db(dir, &db);
	state(&older, 6, "10.0.0.6:1");
	state(&b, 7, "10.0.0.7:1");
	assert_ok(statement_read(buf_span(&b), &s));
	assert_ok(statement_put(db, &s, buf_span(&b), &via, 1));
	assert_ok(statement_read(buf_span(&older), &s));
	assert_ok(statement_put(db, &s, buf_span(&older), &via, 2)); /* replayed */
	assert_ok(address_list(db, &key, list, &n));
	assert_int_equal(n, 2);
	assert_string_equal(list[0].address, "box.example.org:8443"); /* it works from anywhere */
	assert_string_equal(list[1].address, "10.0.0.7:1");
	assert_ok(address_put(db, &key, &worked));
	state(&b, 8, "10.0.0.8:1");
	assert_ok(statement_read(buf_span(&b), &s));
	assert_ok(statement_put(db, &s, buf_span(&b), &via, 3));
	assert_ok(address_list(db, &key, list, &n));
	assert_int_equal(n, 3);
	assert_string_equal(list[0].address, "10.0.0.7:1");
	/* however many are tried, few are kept */
	for (int i = 0; i < 100; i++) {
		snprintf(worked.address, sizeof(worked.address), "10.1.0.%d:1", i);
		worked.last_ok_ms = i;
		assert_ok(address_put(db, &key, &worked));
	}
	assert_ok(address_list(db, &key, list, &n));
	assert_int_equal(n, KNOWN_ADDRESSES);
	assert_string_equal(list[0].address, "10.1.0.99:1");
	assert_ok(address_forget(db, &key));
	assert_ok(address_list(db, &key, list, &n));
	assert_int_equal(n, 0);
}

/* A house may say that it is at many places: what a volunteer set is none the less known, and tried. */
static void what_was_set_by_hand_is_not_pushed_out(void **st)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	struct known_address list[KNOWN_ADDRESSES], met = {"", ADDRESS_MET, 0, 5, 5};
	struct known_address failed = {"set.example.org:1", ADDRESS_MET, 9, 0, 90};
	struct pubkey key = key_of(1);
	char address[20];
	size_t n, hand = 0;

	open_db(dir, &db);
	assert_ok(address_by_hand(db, &key, failed.address));
	assert_ok(address_put(db, &key, &failed)); /* as one that was met, by who did not know */
	for (int i = 0; i < 40; i++) {
		snprintf(met.address, sizeof(met.address), "10.1.0.%d:1", i);
		assert_ok(address_put(db, &key, &met));
	}
	assert_ok(address_list(db, &key, list, &n));
	assert_int_equal(n, KNOWN_ADDRESSES);
	for (size_t i = 0; i < n; i++)
		hand += list[i].source == ADDRESS_BY_HAND;
	assert_int_equal(hand, 1);
	assert_string_equal(list[n - 1].address, failed.address); /* it has failed, though */
	/* set again, it is tried first again */
	assert_ok(address_by_hand(db, &key, failed.address));
	assert_ok(address_list(db, &key, list, &n));
	assert_string_equal(list[0].address, failed.address);
	for (int i = 1; i < LIMIT_BY_HAND; i++) {
		snprintf(address, sizeof(address), "set%d:1", i);
		assert_ok(address_by_hand(db, &key, address));
	}
	assert_fails(address_by_hand(db, &key, "one too many:1"), ERR_LIMIT);
	assert_ok(address_by_hand(db, &key, address)); /* it is there */
	assert_ok(address_remove(db, &key, address));
	assert_fails(address_remove(db, &key, address), ERR_NOT_FOUND);
	assert_ok(address_by_hand(db, &key, "one more:1"));
	assert_ok(address_list(db, &key, list, &n));
	assert_int_equal(n, KNOWN_ADDRESSES);
	for (size_t i = 0; i < LIMIT_BY_HAND; i++)
		assert_int_equal(list[i].source, ADDRESS_BY_HAND);
}

/* --- hours and bytes --- */
static void a_line_is_open_at_its_hours_and_until_its_bytes_are_used(void **st)
{
	struct allowance day = {.from = 9, .to = 17}, night = {.from = 22, .to = 7}, any = {0};
	struct allowance bytes = {.day_bytes = 1000};

	assert_int_equal(allowance_wait(&any, UINT64_MAX, 700, HOUR), 0);
	assert_int_equal(allowance_wait(&day, 0, 9 * 60, HOUR), 0);
	assert_int_equal(allowance_wait(&day, 0, 17 * 60, HOUR), 16 * HOUR);
	assert_int_equal(allowance_wait(&day, 0, 8 * 60 + 30, HOUR), HOUR / 2);
	assert_int_equal(allowance_wait(&night, 0, 23 * 60, HOUR), 0);
	assert_int_equal(allowance_wait(&night, 0, 6 * 60 + 59, HOUR), 0);
	assert_int_equal(allowance_wait(&night, 0, 7 * 60, HOUR), 15 * HOUR);
	assert_int_equal(allowance_wait(&bytes, 999, 0, HOUR), 0);
	assert_int_equal(allowance_wait(&bytes, 1000, 0, HOUR), HOUR);
	for (int m = 0; m < 1440; m++) { /* after the wait it is open */
		int64_t wait = allowance_wait(&night, 0, m, 0);

		assert_int_equal(allowance_wait(&night, 0, (int)((m + wait / 60000) % 1440), 0), 0);
		assert_in_range(wait, 0, 15 * HOUR);
	}
}

static void settings_of_the_line_are_checked_and_kept(void **st)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	struct uplink u, got;
	struct pubkey key = key_of(1);
	struct allowance a = {.day_bytes = 5, .from = 1, .to = 2}, b;

	open_db(dir, &db);
	assert_ok(uplink_get(db, &u));
	assert_false(u.metered || u.tunnel || u.proxy[0] || u.address[0][0]);
	u = (struct uplink){.metered = true, .tunnel = true, .all = {1 << 30, 22, 7}};
	snprintf(u.proxy, sizeof(u.proxy), "http://[::1]:3128");
	snprintf(u.address[1], sizeof(u.address[1]), "box.example.org:8443");
	assert_ok(uplink_put(db, &u, NULL));
	assert_ok(uplink_get(db, &got));
	assert_true(got.tunnel);
	assert_memory_equal(&got.all, &u.all, sizeof(u.all));
	assert_string_equal(got.proxy, u.proxy);
	assert_string_equal(got.address[1], u.address[1]);
	snprintf(u.proxy, sizeof(u.proxy), "socks5://x:1");
	assert_fails(uplink_put(db, &u, NULL), ERR_INVALID);
	u.proxy[0] = 0;
	u.all.to = 24;
	assert_fails(uplink_put(db, &u, NULL), ERR_INVALID);
	u.all.to = 1;
	snprintf(u.address[0], sizeof(u.address[0]), "[fe80::1%%eth0]:8443");
	assert_fails(uplink_put(db, &u, NULL), ERR_INVALID);
	assert_ok(allowance_put(db, &key, &a));
	assert_ok(allowance_get(db, &key, &b));
	assert_memory_equal(&a, &b, sizeof(a));
	a.from = -1;
	assert_fails(allowance_put(db, &key, &a), ERR_INVALID);
}

static void the_password_of_a_proxy_is_kept_for_it_alone(void **st)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = NULL;
	struct uplink u = {.proxy = "http://10.0.0.1:3128", .proxy_user = "ateneu"}, got;
	struct proxy p;

	open_db(dir, &db);
	assert_ok(uplink_put(db, &u, "s3cret"));
	assert_ok(uplink_get(db, &got));
	assert_true(got.has_password);
	assert_string_equal(got.proxy_user, "ateneu");
	assert_null(memmem(&got, sizeof(got), "s3cret", 6));
	assert_ok(proxy_get(db, &p));
	assert_string_equal(p.url, u.proxy);
	assert_string_equal(p.password, "s3cret");
	u.metered = true; /* something else is set: it stays */
	assert_ok(uplink_put(db, &u, NULL));
	assert_ok(proxy_get(db, &p));
	assert_string_equal(p.password, "s3cret");
	/* who names another proxy, or user, is not given it */
	snprintf(u.proxy, sizeof(u.proxy), "http://10.0.0.2:3128");
	assert_ok(uplink_put(db, &u, NULL));
	assert_ok(proxy_get(db, &p));
	assert_string_equal(p.password, "");
	assert_ok(uplink_put(db, &u, "other"));
	u.proxy_user[0] = 0;
	assert_ok(uplink_put(db, &u, NULL));
	assert_ok(uplink_get(db, &got));
	assert_false(got.has_password);
	snprintf(u.proxy_user, sizeof(u.proxy_user), "a:b");
	assert_fails(uplink_put(db, &u, "x"), ERR_INVALID);
	snprintf(u.proxy_user, sizeof(u.proxy_user), "a\r\nHost: b");
	assert_fails(uplink_put(db, &u, "x"), ERR_INVALID);
}

static void a_proxy_is_taken_apart_as_people_write_it(void **st)
{
	struct uplink u = {.proxy_user = "was"};
	char password[PROXY_PASSWORD] = "was";

	assert_ok(proxy_parse("http://10.0.0.1:3128", &u, password));
	assert_string_equal(u.proxy, "http://10.0.0.1:3128");
	assert_string_equal(u.proxy_user, "was"); /* nothing is said of it */
	assert_string_equal(password, "was");
	assert_ok(proxy_parse("http://ann%40home:p%3a@ss%25@[::1]:3128", &u, password));
	assert_string_equal(u.proxy, "http://[::1]:3128");
	assert_string_equal(u.proxy_user, "ann@home");
	assert_string_equal(password, "p:@ss%");
	assert_ok(proxy_parse("http://ann@10.0.0.1:1", &u, password));
	assert_string_equal(u.proxy_user, "ann");
	assert_string_equal(password, "");
	assert_fails(proxy_parse("http://a%0d:b@10.0.0.1:1", &u, password), ERR_INVALID);
	assert_fails(proxy_parse("http://a:b%4@10.0.0.1:1", &u, password), ERR_INVALID);
	assert_fails(proxy_parse("http://a:b%zz@10.0.0.1:1", &u, password), ERR_INVALID);
}

/* --- three boxes --- */
struct three {
	char *dir;
	struct net_box a, b, c;
	struct hash space;
};

static void at(const struct net_box *b, char out[40])
{
	snprintf(out, 40, "127.0.0.1:%d", sync_port(b->sync));
}

static void open_three(struct three *t)
{
	struct net_box *all[3] = {&t->a, &t->b, &t->c};
	char address[40];

	t->dir = test_dir();
	for (unsigned i = 0; i < 3; i++) {
		_cleanup_(freep) char *dir = NULL;
		char name[2] = {(char)('a' + i), 0};

		dir = path_join(t->dir, name);
		net_box_open(all[i], dir, name, i + 1);
	}
	t->space = net_box_found(&t->a);
	for (int i = 0; i < 3; i++)
		net_box_admit(&t->a, &t->space, net_box_key(all[i]));
	net_box_start(&t->b, "127.0.0.1:0", false);
	at(&t->b, address);
	net_box_peer(&t->a, net_box_key(&t->b), address);
	net_box_peer(&t->c, net_box_key(&t->b), address);
	net_box_peer(&t->b, net_box_key(&t->a), NULL);
	net_box_peer(&t->b, net_box_key(&t->c), NULL);
	net_box_admit(&t->b, &t->space, net_box_key(&t->a));
	net_box_admit(&t->c, &t->space, net_box_key(&t->a));
}

static void close_three(struct three *t)
{
	net_box_close(&t->a);
	net_box_close(&t->b);
	net_box_close(&t->c);
	test_dir_remove(t->dir);
}

/* Does `by` know that address of `of`, and has it worked there? */
static bool knows(struct net_box *by, struct net_box *of, const char *address, bool worked)
{
	struct known_address list[KNOWN_ADDRESSES];
	bool found = false;
	size_t n;

	pthread_mutex_lock(&by->writing);
	assert_ok(address_list(by->local, net_box_key(of), list, &n));
	pthread_mutex_unlock(&by->writing);
	for (size_t i = 0; i < n; i++)
		found |= strcmp(list[i].address, address) == 0 && (!worked || list[i].last_ok_ms);
	return found;
}

static void soon(struct net_box *by, struct net_box *of, const char *address, bool worked)
{
	for (int i = 0; i < 300 && !knows(by, of, address, worked); i++)
		usleep(50000);
	if (!knows(by, of, address, worked))
		fail_msg("%s does not know %s at %s%s", by->name, of->name, address,
			 worked ? " as one that works" : "");
}

static void who_moved_is_found_again_through_a_peer_of_both(void **st)
{
	struct three t;
	char first[40], second[40];

	open_three(&t);
	net_box_peer(&t.a, net_box_key(&t.c), NULL);
	net_box_peer(&t.c, net_box_key(&t.a), "127.0.0.1:9"); /* where nothing is */
	net_box_start(&t.a, "127.0.0.1:0", false);
	at(&t.a, first);
	net_box_start(&t.c, "127.0.0.1:0", false);
	soon(&t.b, &t.a, first, false);
	soon(&t.c, &t.a, first, false);
	soon(&t.c, &t.a, first, true);
	net_box_stop(&t.a);
	net_box_start(&t.a, "127.0.0.1:0", false);
	at(&t.a, second);
	assert_string_not_equal(first, second);
	soon(&t.b, &t.a, second, false);
	soon(&t.c, &t.a, second, false);
	assert_ok(sync_now(t.c.sync, net_box_key(&t.a), 10000));
	soon(&t.c, &t.a, second, true);
	close_three(&t);
}

static void who_is_no_peer_of_both_is_not_told_of(void **st)
{
	struct three t;
	char address[40];

	open_three(&t);
	net_box_start(&t.a, "127.0.0.1:0", false);
	at(&t.a, address);
	net_box_peer(&t.c, net_box_key(&t.a), NULL); /* c approves a, but a does not know c */
	net_box_start(&t.c, "127.0.0.1:0", false);
	soon(&t.b, &t.a, address, false);
	assert_ok(sync_now(t.c.sync, net_box_key(&t.b), 10000));
	usleep(300000);
	assert_ok(sync_now(t.c.sync, net_box_key(&t.b), 10000));
	assert_false(knows(&t.c, &t.a, address, false));
	close_three(&t);
}

struct tag_look {
	struct pubkey of, reader;
	bool found, named;
};

static struct error *look_at_tag(void *ctx, const struct pubkey *via, struct span body)
{
	struct tag_look *l = ctx;
	struct statement said;

	(void)via;
	TRY(statement_read(body, &said));
	if (pubkey_eq(&said.key, &l->of)) {
		l->found = true;
		l->named = statement_is_for(&said, &l->reader);
	}
	return NULL;
}

/* Does the newest that a box says of itself have a tag for that reader? */
static bool names(struct net_box *b, const struct net_box *reader)
{
	struct tag_look l = {.of = *net_box_key(b), .reader = *net_box_key(reader)};

	pthread_mutex_lock(&b->writing);
	assert_ok(statement_each(b->local, look_at_tag, &l));
	pthread_mutex_unlock(&b->writing);
	return l.found && l.named;
}

static struct error *pause_job(struct sync_writing *w, void *arg)
{
	return conduct_pause(w->local, arg, true, 1);
}

static struct error *resume_job(struct sync_writing *w, void *arg)
{
	return conduct_pause(w->local, arg, false, 1);
}

static void names_soon(struct net_box *b, const struct net_box *reader, bool wanted)
{
	for (int i = 0; i < 300 && names(b, reader) != wanted; i++)
		usleep(50000);
	assert_int_equal(names(b, reader), wanted);
}

/* Who is paused is told of no new address, by nobody; and when it goes on it is told again. */
static void who_is_paused_has_no_tag(void **st)
{
	struct three t;
	struct sync_host host;
	void *key;

	open_three(&t);
	net_box_peer(&t.a, net_box_key(&t.c), NULL);
	net_box_start(&t.a, "127.0.0.1:0", false);
	host = net_box_options(&t.a, NULL, false).host;
	key = (void *)(uintptr_t)net_box_key(&t.c);
	names_soon(&t.a, &t.c, true);
	assert_ok(host.write(host.ctx, pause_job, key));
	sync_peers_changed(t.a.sync);
	names_soon(&t.a, &t.c, false);
	assert_true(names(&t.a, &t.b));
	assert_ok(host.write(host.ctx, resume_job, key));
	sync_peers_changed(t.a.sync);
	names_soon(&t.a, &t.c, true);
	close_three(&t);
}

static void what_came_through_another_is_said_so(void **st)
{
	struct three t;
	struct heard h = {.entries = 0};
	bool found = false;

	open_three(&t);
	net_box_peer(&t.c, net_box_key(&t.a), NULL);
	net_box_write(&t.a, &t.space, 20, 100, 0);
	net_box_start(&t.a, "127.0.0.1:0", false);
	assert_ok(sync_now(t.a.sync, net_box_key(&t.b), 10000));
	for (int i = 0; i < 300 && net_box_entries(&t.b, &t.space) < 21; i++)
		usleep(50000); /* it calls back */
	net_box_stop(&t.a);
	net_box_start(&t.c, "127.0.0.1:0", false);
	assert_ok(sync_now(t.c.sync, net_box_key(&t.b), 10000));
	assert_int_equal(net_box_entries(&t.c, &t.space), 21);
	for (int i = 0; i < 100 && !found; i++) {
		struct error *err;

		usleep(50000);
		pthread_mutex_lock(&t.c.writing);
		err = heard_get(t.c.local, net_box_key(&t.a), &h);
		pthread_mutex_unlock(&t.c.writing);
		found = !err;
		error_free(err);
	}
	assert_true(found);
	assert_id_equal(&h.via, net_box_key(&t.b));
	assert_int_equal(h.entries, 21);
	assert_true(h.newest_ms > 1500000000000 && h.when_ms >= h.newest_ms);
	close_three(&t);
}

/* Anybody on a network can announce that a peer is there: what does not answer is tried, and not kept. */
static void where_a_peer_was_only_announced_is_not_kept(void **st)
{
	struct pubkey key = key_of(9);
	char *dir = test_dir();
	struct reach *r;
	struct net_box b;

	net_box_open(&b, dir, "Ateneu", 1);
	net_box_peer(&b, &key, "192.0.2.1:1");
	net_box_start(&b, NULL, false);
	engine_tried(b.sync, &key, "192.0.2.66:1", false);
	engine_tried(b.sync, &key, "192.0.2.1:1", false);
	engine_tried(b.sync, &key, "192.0.2.7:1", true);
	pthread_mutex_lock(&b.sync->lock);
	r = engine_reach(b.sync, &key);
	assert_non_null(r);
	assert_int_equal(r->n, 2);
	assert_string_equal(r->known[0].address, "192.0.2.7:1");
	assert_string_equal(r->known[1].address, "192.0.2.1:1");
	pthread_mutex_unlock(&b.sync->lock);
	net_box_close(&b);
	test_dir_remove(dir);
}

/* One commit for each box at most, however often a peer says in one request that it has moved; and what
 * it says of boxes that are no peers is not even checked. */
static void a_flood_of_statements_costs_one_commit(void **st)
{
	enum { SAID = 40 };
	_cleanup_(buf_release) struct buf stream = {0};
	struct secret *self = test_key(40);
	char *dir = test_dir();
	struct stream_writer w;
	struct net_box b;
	struct reach *r;
	int before;

	net_box_open(&b, dir, "Ateneu", 1);
	net_box_peer(&b, secret_pubkey(self), NULL);
	net_box_start(&b, NULL, false);
	stream_begin(&w, &stream);
	for (uint64_t i = 1; i <= SAID; i++) {
		_cleanup_(buf_release) struct buf said = {0};
		char address[1][PEER_ADDRESS];

		snprintf(address[0], sizeof(address[0]), "192.0.2.1:%d", 1000 + (int)i);
		statement_make(self, i, address, 1, secret_pubkey(b.self), 1, &said);
		stream_put_addresses(&w, buf_span(&said));
	}
	stream_put_end(&w);
	before = atomic_load(&b.commits);
	assert_ok(engine_told(b.sync, secret_pubkey(self), buf_span(&stream), false));
	assert_true(atomic_load(&b.commits) - before < 4);
	pthread_mutex_lock(&b.sync->lock);
	r = engine_reach(b.sync, secret_pubkey(self));
	assert_non_null(r);
	assert_int_equal(r->number, 1);
	pthread_mutex_unlock(&b.sync->lock);
	net_box_close(&b);
	secret_free(self);
	test_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_statement_says_where_and_to_whom),
		cmocka_unit_test(a_changed_bit_anywhere_is_noticed),
		cmocka_unit_test(addresses_that_mean_nothing_elsewhere_are_left_out),
		cmocka_unit_test(an_address_that_is_too_long_is_passed_over),
		cmocka_unit_test(an_address_of_this_network_is_known_as_one),
		cmocka_unit_test(near_is_what_an_interface_reaches_itself),
		cmocka_unit_test(a_machine_says_what_it_listens_on),
		cmocka_unit_test(the_most_promising_address_is_tried_first),
		cmocka_unit_test(of_those_that_nobody_tried_the_likely_ones_are_first),
		cmocka_unit_test(the_newer_statement_counts_and_what_worked_stays),
		cmocka_unit_test(what_was_set_by_hand_is_not_pushed_out),
		cmocka_unit_test(where_a_peer_was_only_announced_is_not_kept),
		cmocka_unit_test(a_line_is_open_at_its_hours_and_until_its_bytes_are_used),
		cmocka_unit_test(settings_of_the_line_are_checked_and_kept),
		cmocka_unit_test(the_password_of_a_proxy_is_kept_for_it_alone),
		cmocka_unit_test(a_proxy_is_taken_apart_as_people_write_it),
		cmocka_unit_test(who_moved_is_found_again_through_a_peer_of_both),
		cmocka_unit_test(who_is_no_peer_of_both_is_not_told_of),
		cmocka_unit_test(who_is_paused_has_no_tag),
		cmocka_unit_test(what_came_through_another_is_said_so),
		cmocka_unit_test(a_flood_of_statements_costs_one_commit),
	};

	return run_group(tests);
}
