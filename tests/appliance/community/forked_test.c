/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the key of a box that is revoked can do to the logs that it signed. */
#include "tests/appliance/community/town.h"

static struct log_info log_of(struct box *at, const struct box *of, const struct hash *space)
{
	struct logs_of logs = {.n = 0};

	assert_ok(log_each(at->c->log, space, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++)
		if (pubkey_eq(&logs.info[i].id.appliance, secret_pubkey(of->key)))
			return logs.info[i];
	abort();
}

/* Somebody with the key of `of` signs another entry 1 for that log, and gives the proof to `at`. */
static void fork_at_the_first(struct box *at, const struct box *of, const struct hash *space,
			      const struct log_info *l)
{
	static const uint8_t salt[ENTRY_SALT] = {1};
	struct carried k = {0};
	struct fork_proof proof;
	bool is_new, more;
	struct entry e;

	assert_ok(log_range(at->c->log, l->num, 1, 1, carry_entry, &k));
	memcpy(proof.a.b, k.headers.p, ENTRY_HEADER);
	entry_decode(&proof.a, &e);
	e = (struct entry){.seq = 1,
			   .time = e.time + 1,
			   .incarnation = l->id.incarnation,
			   .space = *space,
			   .rules = *space};
	entry_make(&e, NULL, of->key, salt, span_str("{}"), &proof.b);
	assert_ok(conn_begin(at->c));
	assert_ok(log_ingest_fork(at->c->log, &proof, &is_new));
	assert_ok(community_catch_up(at->c, 0, &more));
	assert_ok(conn_commit(at->c));
	assert_true(is_new);
	carried_release(&k);
}

static void the_founding_box_s_key_does_not_end_the_space(void **state)
{
	struct space_info info;
	struct log_info l;
	struct town t;
	enum role role;

	(void)state;
	town_open(&t);
	l = log_of(&t.b, &t.a, &t.space);
	fork_at_the_first(&t.b, &t.a, &t.space, &l);
	assert_ok(space_get(t.b.c, &t.space, &info));
	assert_ok(role_now(t.b.c, &t.space, KEY(&t, FOUNDER), &role));
	assert_int_equal(role, ROLE_STEWARD);
	/* Made anew from what is held, it is the same. */
	assert_ok(community_rebuild(t.b.c));
	assert_ok(space_get(t.b.c, &t.space, &info));
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_founding_box_s_key_does_not_end_the_space),
	};

	return run_group(tests);
}
