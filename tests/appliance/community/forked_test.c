/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the key of a box that is revoked can do to the logs that it signed. */
#include "appliance/community/community_priv.h"
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

/* --- a stolen box --------------------------------------------------------------------------------
 */
static struct error *say(struct town *t, struct box *b, const char *text)
{
	return box_submit(b, &t->space, "post.create", &t->topic, t->who[MEMBER],
			  json_pack("{s:s}", "text", text), NULL);
}

static uint64_t posts(struct town *t, struct box *b)
{
	struct topic row;

	assert_ok(topic_get(b->c, &t->topic, &row));
	return (uint64_t)row.posts;
}

static void remove_since(struct town *t, int64_t since)
{
	assert_ok(conn_begin(t->a.c));
	assert_ok(community_remove_since(t->a.c, &t->space, secret_pubkey(t->b.key), since,
					 t->who[FOUNDER]));
	assert_ok(conn_commit(t->a.c));
}

/* What a thief writes goes, what had come before the theft stays, whatever times it claims. */
static void of_a_stolen_box_stays_what_had_come_before_it_was_stolen(void **state)
{
	uint64_t goes, before;
	struct town t;
	int64_t since;

	(void)state;
	town_open(&t);
	assert_ok(say(&t, &t.b, "an honest word"));
	meet(&t.a, &t.b);
	before = posts(&t, &t.a);
	test_env_pass(&t.a.env, 3600000);
	since = env_now(&t.a.env.env);
	test_env_pass(&t.a.env, 3600000);
	/* Its clock says that nothing has passed. */
	assert_ok(say(&t, &t.b, "the thief's"));
	assert_ok(say(&t, &t.b, "the thief's, again"));
	meet(&t.a, &t.b);
	assert_int_equal(posts(&t, &t.a), before + 2);
	assert_ok(community_cut_off(t.a.c, &t.space, secret_pubkey(t.b.key), since, &goes));
	assert_int_equal(goes, 2);
	/* What this box wrote itself stays, also when its own key is what was stolen. */
	assert_ok(say(&t, &t.a, "written here"));
	assert_ok(community_cut_off(t.a.c, &t.space, secret_pubkey(t.a.key), since, &goes));
	assert_int_equal(goes, 0);
	before++;
	remove_since(&t, since);
	assert_int_equal(posts(&t, &t.a), before);
	meet(&t.a, &t.b);
	assert_int_equal(posts(&t, &t.b), before);
	town_close(&t);
}

/* Each row of a cut says which history it means. */
static void a_cut_names_the_header_up_to_which_it_goes(void **state)
{
	struct log_info l;
	struct hash hash, named;
	const json_t *row;
	struct town t;
	json_t *cut;

	(void)state;
	town_open(&t);
	assert_ok(say(&t, &t.b, "hello"));
	meet(&t.a, &t.b);
	l = log_of(&t.a, &t.b, &t.space);
	assert_ok(cut_json(t.a.c, &t.space, secret_pubkey(t.b.key), false, 0, &cut));
	row = json_array_get(cut, 0);
	assert_int_equal(json_integer_value(json_object_get(row, "seq")), l.live);
	assert_ok(log_hash_at(t.a.c->log, l.num, l.live, &hash));
	assert_true(id_parse(json_string_value(json_object_get(row, "hash")), &named));
	assert_id_equal(&hash, &named);
	json_decref(cut);
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_founding_box_s_key_does_not_end_the_space),
		cmocka_unit_test(of_a_stolen_box_stays_what_had_come_before_it_was_stolen),
		cmocka_unit_test(a_cut_names_the_header_up_to_which_it_goes),
	};

	return run_group(tests);
}
