/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A successor has in each space what the lost box had: no more, and not less than it had before. */
#include "tests/appliance/site.h"
#include "appliance/recovery/replace.h"
#include "appliance/spaces/spaces.h"

enum { ABSENT = -1 };

struct standing {
	struct pubkey key;
	int how; /* enum admission */
};

static struct error *look(void *ctx, const struct admitted *a)
{
	struct standing *s = ctx;

	if (pubkey_eq(&a->key, &s->key))
		s->how = a->write ? ADMIT_WRITE : a->carry ? ADMIT_CARRY : ADMIT_READ;
	return NULL;
}

static int admission_of(struct site *site, const struct hash *space, const struct secret *box)
{
	struct standing s = {*secret_pubkey(box), ABSENT};
	_cleanup_(conn_closep) struct conn *c = NULL;

	assert_ok(app_conn(site->app, &c));
	assert_ok(admitted_each(c, space, look, &s));
	return s.how;
}

/* What the successor has when the lost box had `lost`, and it had `before` itself. */
static int succeeds(struct site *site, int lost, int before)
{
	struct secret *old = test_key(700), *new = test_key(701);
	struct spaces_new what = {.name = "Junta",
				  .is_private = true,
				  .steward = site->steward,
				  .steward_name = "remei"};
	struct replace_done done;
	struct hash space;
	int after;

	assert_ok(spaces_found(site->app, &what, &space));
	assert_ok(spaces_admit(site->app, &space, secret_pubkey(old), "Old",
			       (enum admission)lost, site->steward));
	if (before != ABSENT)
		assert_ok(spaces_admit(site->app, &space, secret_pubkey(new), "New",
				       (enum admission)before, site->steward));
	assert_ok(replace_box(site->app,
			      &(struct replace){.lost = *secret_pubkey(old),
						.successor = *secret_pubkey(new),
						.steward = site->steward},
			      &done));
	assert_int_equal(done.spaces, 1);
	assert_int_equal(admission_of(site, &space, old), ABSENT);
	after = admission_of(site, &space, new);
	secret_free(old);
	secret_free(new);
	return after;
}

static void a_successor_has_what_the_lost_box_had(void **state)
{
	struct site site;

	site_open(&site);
	assert_int_equal(succeeds(&site, ADMIT_WRITE, ABSENT), ADMIT_WRITE);
	assert_int_equal(succeeds(&site, ADMIT_READ, ABSENT), ADMIT_READ);
	/* who only carried is given no key */
	assert_int_equal(succeeds(&site, ADMIT_CARRY, ABSENT), ADMIT_CARRY);
	site_close(&site);
}

static void a_successor_keeps_what_it_had_before(void **state)
{
	struct site site;

	site_open(&site);
	assert_int_equal(succeeds(&site, ADMIT_CARRY, ADMIT_READ), ADMIT_READ);
	assert_int_equal(succeeds(&site, ADMIT_READ, ADMIT_WRITE), ADMIT_WRITE);
	assert_int_equal(succeeds(&site, ADMIT_WRITE, ADMIT_CARRY), ADMIT_WRITE);
	assert_int_equal(succeeds(&site, ADMIT_READ, ADMIT_CARRY), ADMIT_READ);
	site_close(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_successor_has_what_the_lost_box_had),
		cmocka_unit_test(a_successor_keeps_what_it_had_before),
	};

	return run_group(tests);
}
