/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Over the network: who passes on more of somebody than there is room for is cut short, keeps its
 * good name, and what else it brings or takes gets through in the same exchange. */
#include "tests/lib/net_pair.h"
#include "tests/sync/replicate/boxes.h"
#include "sync/base/limits.h"

enum { LOGS = 150, BIG = 120000 };

static const char *address_of(const struct net_box *b)
{
	static char text[40];

	snprintf(text, sizeof(text), "127.0.0.1:%d", sync_port(b->sync));
	return text;
}

static struct error *count_row(void *ctx, const struct conduct *c)
{
	printf("# %s: %s\n", misdeed_name(c->what), c->words);
	++*(unsigned *)ctx;
	return NULL;
}

static unsigned misdeeds(struct net_box *b)
{
	unsigned n = 0;

	pthread_mutex_lock(&b->writing);
	assert_ok(conduct_each(b->local, NULL, count_row, &n));
	pthread_mutex_unlock(&b->writing);
	return n;
}

static size_t logs_of(struct net_box *b, const struct hash *space, const struct pubkey *by)
{
	struct log_counts n;

	pthread_mutex_lock(&b->writing);
	assert_ok(log_count_of(b->log, space, by, &n));
	pthread_mutex_unlock(&b->writing);
	return n.logs;
}

/* A carries what h wrote; B asks, or A does. */
static void passes_on(bool a_asks)
{
	struct secret *h = test_key(9), *honest = test_key(10);
	const struct secret *both[] = {h, honest};
	struct net_box *asks, *other;
	struct receipt r;
	struct pair p;

	pair_open(&p);
	asks = a_asks ? &p.a : &p.b;
	other = a_asks ? &p.b : &p.a;
	for (int i = 0; i < 2; i++) {
		net_box_admit(&p.a, &p.space, secret_pubkey(both[i]));
		net_box_admit(&p.b, &p.space, secret_pubkey(both[i]));
	}
	boxes_write_logs(p.a.log, &p.space, h, 1, LOGS, BIG);
	boxes_write_logs(p.a.log, &p.space, honest, 1, 2, 100);
	net_box_start(&p.a, "127.0.0.1:0", false);
	net_box_start(&p.b, "127.0.0.1:0", false);
	net_box_peer(other, net_box_key(asks), NULL);
	net_box_peer(asks, net_box_key(other), address_of(other));
	for (int i = 0; i < 2; i++)
		assert_ok(sync_now(asks->sync, net_box_key(other), 60000));
	assert_int_equal(logs_of(&p.b, &p.space, secret_pubkey(h)), LIMIT_WRITER_DAY_LOGS);
	assert_int_equal(logs_of(&p.b, &p.space, secret_pubkey(honest)), 2);
	for (int i = 0; i < 3; i++) {
		net_box_write(&p.a, &p.space, 1, 300, 1);
		net_box_write(&p.b, &p.space, 1, 300, 1);
		assert_ok(sync_now(asks->sync, net_box_key(other), 60000));
		assert_int_equal(logs_of(&p.a, &p.space, net_box_key(&p.b)), 1);
	}
	r = net_box_receipt(asks);
	printf("# %llu bytes out, %llu in\n", (unsigned long long)r.report.bytes_out,
	       (unsigned long long)r.report.bytes_in);
	assert_string_equal(r.error, "");
	assert_true(r.report.bytes_in + r.report.bytes_out < 64 * 1024);
	assert_false(r.report.equal);
	assert_true(r.report.refusals > 0);
	assert_int_equal(misdeeds(&p.a), 0);
	assert_int_equal(misdeeds(&p.b), 0);
	pair_close(&p);
	secret_free(h);
	secret_free(honest);
}

static void who_is_asked_passes_it_on(void **state)
{
	passes_on(false);
}

static void who_asks_passes_it_on(void **state)
{
	passes_on(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_asked_passes_it_on),
		cmocka_unit_test(who_asks_passes_it_on),
	};

	return run_group(tests);
}
