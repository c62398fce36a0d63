/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* On a disk that is full a volunteer can still part with a box: it may be what filled it. */
#include "tests/appliance/site.h"
#include "appliance/peers/conduct.h"
#include "appliance/peers/peers.h"
#include <sys/statvfs.h>

/* What the program is told is free; 0: plenty. */
static _Atomic uint64_t told_free;

int statvfs(const char *path, struct statvfs *ret)
{
	(void)path;
	*ret = (struct statvfs){.f_frsize = 1, .f_blocks = (fsblkcnt_t)1 << 34};
	ret->f_bavail = told_free ? told_free : (fsblkcnt_t)1 << 33;
	return 0;
}

static struct pubkey key_of(unsigned n)
{
	struct secret *k = test_key(n);
	struct pubkey key = *secret_pubkey(k);

	secret_free(k);
	return key;
}

static struct error *nothing(struct conn *c, void *arg)
{
	(void)c;
	(void)arg;
	return NULL;
}

static bool is_peer(struct app *a, const struct pubkey *key)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct peer p;
	struct error *e;

	assert_ok(app_conn(a, &c));
	e = peer_get(c->local, key, &p);
	error_free(e);
	return !e;
}

static void a_box_is_parted_with_on_a_full_disk(void **state)
{
	struct pubkey bad = key_of(701), worse = key_of(702);
	struct site site;

	(void)state;
	site_open(&site);
	assert_ok(peers_approve(site.app, &(struct peers_approval){.key = bad}));
	assert_ok(peers_approve(site.app, &(struct peers_approval){.key = worse}));
	told_free = 1024 * 1024;
	assert_fails(writer_run(site.app->writer, nothing, NULL), ERR_FULL);
	assert_ok(peers_pause(site.app, &bad, true));
	assert_ok(peers_withdraw(site.app, &(struct peers_withdrawal){.key = worse}));
	assert_true(is_peer(site.app, &bad));
	assert_false(is_peer(site.app, &worse));
	assert_fails(peers_approve(site.app, &(struct peers_approval){.key = worse}), ERR_FULL);
	told_free = 0;
	site_close(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_box_is_parted_with_on_a_full_disk),
	};

	return run_group(tests);
}
