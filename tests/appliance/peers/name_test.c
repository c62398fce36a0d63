/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a house is called that never told this box its name: it called, and was never called. */
#include "tests/appliance/community/town.h"
#include "appliance/peers/peers.h"

static void a_peer_has_its_name_from_a_space(void **state)
{
	struct town t;
	struct peer p = {.added_ms = 5};

	town_open(&t);
	p.key = *secret_pubkey(t.b.key);
	peers_put_name(t.a.c, &p);
	assert_string_equal(p.name, "B"); /* as it was admitted */
	snprintf(p.name, sizeof(p.name), "Ateneu");
	peers_put_name(t.a.c, &p);
	assert_string_equal(p.name, "Ateneu"); /* what it said itself stays */
	town_close(&t);
}

static void a_stranger_has_none(void **state)
{
	struct town t;
	struct peer p = {.name = ""};
	struct secret *far = test_key(77);

	town_open(&t);
	p.key = *secret_pubkey(far);
	peers_put_name(t.a.c, &p);
	assert_string_equal(p.name, "");
	secret_free(far);
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_has_its_name_from_a_space),
		cmocka_unit_test(a_stranger_has_none),
	};
	return run_group(tests);
}
