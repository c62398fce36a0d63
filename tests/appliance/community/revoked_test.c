/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whoever was thrown out, or put lower, keeps a key, a box and all the time in the world, names the
 * rules of before, and gains nothing by it. PROTOCOL.md 4.2, 4.3. */
#include "tests/appliance/community/town.h"
#include "appliance/community/community_priv.h"
#include "appliance/community/rules_priv.h"

enum { A_YEAR = 365 * 24 * 3600 };

static struct hash head_of(struct town *t, struct box *b)
{
	struct hash h;

	assert_true(rules_heads(space_of(b->c, &t->space)->rules, &h, 1) == 1);
	return h;
}

static struct error *remove_person(struct town *t, struct box *b, int by, int whom)
{
	struct error *err;

	assert_ok(conn_begin(b->c));
	err = community_remove_person(b->c, &t->space, KEY(t, whom), t->who[by]);
	assert_ok(conn_commit(b->c));
	return err;
}

static struct error *remove_box(struct town *t, struct box *b, int by, const struct box *whom)
{
	struct error *err;

	assert_ok(conn_begin(b->c));
	err = community_remove(b->c, &t->space, secret_pubkey(whom->key), t->who[by]);
	assert_ok(conn_commit(b->c));
	return err;
}

static void sign_up_at(struct town *t, struct box *b, int person)
{
	assert_ok(box_submit(b, &t->space, "member.add", NULL, NULL,
			     json_pack("{s:s,s:s,s:s,s:s}", "key", ID(KEY(t, person)), "name",
				       "Nou", "role", "member", "home", ID(secret_pubkey(b->key))),
			     NULL));
}

/* What stands between the rules of before and what comes after. */
static void sign_up(struct town *t)
{
	sign_up_at(t, &t->a, STRANGER);
}

static void make_puppet(struct town *t, const struct hash *rules, const struct pubkey *puppet)
{
	append_raw(t, &t->b, STEWARD, rules,
		   json_pack("{s:s,s:s,s:s,s:s,s:s,s:[s]}", "type", "member.add", "object",
			     ID(&t->space), "key", ID(puppet), "name", "Puppet", "role", "steward",
			     "seen", ID(rules)));
}

static enum role role_of_key(struct town *t, struct box *b, const struct pubkey *key)
{
	enum role r;

	assert_ok(role_now(b->c, &t->space, key, &r));
	return r;
}

/* The founder sends the steward and the box B away, and a year goes by. */
static void throw_out_at_a(struct town *t)
{
	assert_ok(remove_person(t, &t->a, FOUNDER, STEWARD));
	assert_ok(remove_box(t, &t->a, FOUNDER, &t->b));
	meet(&t->a, &t->b);
	test_env_pass(&t->b.env, 1000LL * A_YEAR);
}

/* The steward says at B, by those rules, that house A is out, with all that it ever carried. */
static void void_the_house(struct town *t, const struct hash *rules)
{
	append_raw(t, &t->b, STEWARD, rules,
		   json_pack("{s:s,s:s,s:s,s:[],s:[s]}", "type", "appliance.revoke", "object",
			     ID(&t->space), "key", ID(secret_pubkey(t->a.key)), "cut", "seen",
			     ID(rules)));
}

static void a_revoked_steward_makes_no_stewards(void **state)
{
	struct secret *puppet = test_key(500);
	struct hash before;
	struct town t;

	town_open(&t);
	before = head_of(&t, &t.a);
	sign_up(&t);
	meet(&t.a, &t.b);
	throw_out_at_a(&t);
	make_puppet(&t, &before, secret_pubkey(puppet));
	meet(&t.a, &t.b);
	assert_int_equal(role_of_key(&t, &t.a, secret_pubkey(puppet)), ROLE_NONE);
	assert_agree(&t);
	/* Not either when both are taken in again. */
	town_add(&t, &t.a, t.who[FOUNDER], STEWARD, "steward");
	assert_ok(box_submit(&t.a, &t.space, "appliance.admit", NULL, t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(t.b.key)), "name",
				       "B", "mode", "write"),
			     NULL));
	meet(&t.a, &t.b);
	assert_int_equal(role_of_key(&t, &t.a, secret_pubkey(puppet)), ROLE_NONE);
	assert_int_equal(role_at(&t, &t.a, STEWARD), ROLE_STEWARD);
	assert_agree(&t);
	secret_free(puppet);
	town_close(&t);
}

/* What he did within the cut, or what was known when he was sent away, stays. */
static void what_a_steward_did_before_stays(void **state)
{
	struct secret *friend = test_key(501), *late = test_key(502);
	struct hash before;
	struct town t;

	town_open(&t);
	before = head_of(&t, &t.b);
	make_puppet(&t, &before, secret_pubkey(friend));
	meet(&t.a, &t.b);
	assert_ok(remove_person(&t, &t.a, FOUNDER, STEWARD));
	before = head_of(&t, &t.b);
	make_puppet(&t, &before, secret_pubkey(late)); /* here they know nothing of it yet */
	assert_int_equal(role_of_key(&t, &t.b, secret_pubkey(late)), ROLE_STEWARD);
	meet(&t.a, &t.b);
	assert_int_equal(role_of_key(&t, &t.a, secret_pubkey(friend)), ROLE_STEWARD);
	assert_int_equal(role_of_key(&t, &t.b, secret_pubkey(late)), ROLE_NONE);
	assert_agree(&t);
	secret_free(friend);
	secret_free(late);
	town_close(&t);
}

/* The senior stays: a junior's revocation does not go before what the senior does. */
static void a_junior_s_revocation_waits_for_nobody(void **state)
{
	struct secret *friend = test_key(503);
	struct town t;

	town_open(&t);
	assert_ok(revoke_key(&t, &t.b, STEWARD, "member.revoke", KEY(&t, MODERATOR), json_array()));
	assert_ok(revoke_key(&t, &t.b, STEWARD, "member.revoke", KEY(&t, FOUNDER), json_array()));
	assert_ok(box_submit(&t.a, &t.space, "member.add", NULL, t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(friend)), "name",
				       "Friend", "role", "steward"),
			     NULL));
	assert_ok(remove_person(&t, &t.a, FOUNDER, STEWARD));
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.b, FOUNDER), ROLE_STEWARD);
	assert_int_equal(role_of_key(&t, &t.b, secret_pubkey(friend)), ROLE_STEWARD);
	assert_int_equal(role_at(&t, &t.b, STEWARD), ROLE_NONE);
	assert_agree(&t);
	secret_free(friend);
	town_close(&t);
}

/* What he says about the house is concurrent with a sign-up there, and that is below his being
 * thrown out: a circle, which must not end in his favour. */
static void a_thrown_out_steward_does_not_overturn_the_founder(void **state)
{
	struct hash before;
	struct town t;

	town_open(&t);
	before = head_of(&t, &t.a);
	assert_ok(post(&t, &t.a, MEMBER, "ten years of posts", NULL));
	sign_up(&t);
	meet(&t.a, &t.b);
	throw_out_at_a(&t);
	void_the_house(&t, &before);
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.a, STEWARD), ROLE_NONE);
	assert_int_equal(role_at(&t, &t.a, STRANGER), ROLE_MEMBER);
	assert_ok(post(&t, &t.a, MEMBER, "and more", NULL));
	assert_posts(&t.a, &t.topic, "first|ten years of posts|and more");
	meet(&t.a, &t.b);
	assert_agree(&t);
	town_close(&t);
}

/* A box that is nobody's keeper signs somebody up under the rules of before he was a steward, "with
 * a cut". */
static void what_takes_nothing_where_it_stands_takes_nothing(void **state)
{
	struct secret *late = test_key(700), *friend = test_key(701);
	struct hash before;
	struct town t;

	town_open(&t);
	before = head_of(&t, &t.a);
	sign_up_at(&t, &t.b, STRANGER);
	meet(&t.a, &t.b);
	assert_ok(box_submit(&t.a, &t.space, "member.add", NULL, t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(late)), "name", "L",
				       "role", "steward"),
			     NULL));
	assert_ok(box_submit(&t.a, &t.space, "member.add", NULL, late,
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(friend)), "name",
				       "F", "role", "steward"),
			     NULL));
	assert_ok(box_submit(&t.a, &t.space, "post.create", &t.topic, late,
			     json_pack("{s:s}", "text", "a steward's words"), NULL));
	meet(&t.a, &t.b);
	append_raw(&t, &t.b, -1, &before,
		   json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:[],s:[s]}", "type", "member.add", "object",
			     ID(&t.space), "key", ID(secret_pubkey(late)), "name", "x", "role",
			     "new", "home", ID(secret_pubkey(t.b.key)), "cut", "seen",
			     ID(&before)));
	meet(&t.a, &t.b);
	assert_int_equal(role_of_key(&t, &t.a, secret_pubkey(friend)), ROLE_STEWARD);
	assert_posts(&t.a, &t.topic, "first|a steward's words");
	assert_agree(&t);
	secret_free(late);
	secret_free(friend);
	town_close(&t);
}

/* --- put lower --- */
static void a_demoted_moderator_erases_nothing(void **state)
{
	struct hash before, id;
	struct town t;

	town_open(&t);
	before = head_of(&t, &t.a);
	assert_ok(post(&t, &t.a, FOUNDER, "founder's words", &id));
	assert_ok(set_role(&t, &t.a, FOUNDER, MODERATOR, "member"));
	meet(&t.a, &t.b);
	/* B says in its log that it knows, and begins another log. */
	assert_ok(post(&t, &t.b, MEMBER, "at b", NULL));
	assert_ok(conn_begin(t.b.c));
	assert_ok(log_new_incarnation(t.b.c->log));
	assert_ok(conn_commit(t.b.c));
	test_env_pass(&t.b.env, 1000LL * A_YEAR);
	append_raw(&t, &t.b, MODERATOR, &before,
		   json_pack("{s:s,s:s,s:s,s:[s],s:s}", "type", "erase", "object", ID(&t.topic),
			     "target", ID(&id), "after", ID(&t.topic), "was", "post.create"));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|founder's words|at b");
	assert_posts(&t.b, &t.topic, "first|founder's words|at b");
	assert_agree(&t);
	town_close(&t);
}

static void a_box_that_may_only_read_now_writes_nothing(void **state)
{
	struct hash before;
	struct town t;

	town_open(&t);
	before = head_of(&t, &t.a);
	assert_ok(post(&t, &t.b, MEMBER, "while it might", NULL));
	meet(&t.a, &t.b);
	assert_ok(box_submit(&t.a, &t.space, "appliance.admit", NULL, t.who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(t.b.key)), "name",
				       "B", "mode", "read"),
			     NULL));
	meet(&t.a, &t.b);
	append_raw(&t, &t.b, MEMBER, &before,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "post.create", "object", ID(&t.topic),
			     "text", "with the rules of before", "seen", ID(&t.topic)));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|while it might");
	assert_agree(&t);
	town_close(&t);
}

static void a_steward_who_was_put_lower_changes_no_rules(void **state)
{
	struct secret *puppet = test_key(504);
	struct hash before;
	struct town t;

	town_open(&t);
	before = head_of(&t, &t.a);
	sign_up(&t);
	assert_ok(set_role(&t, &t.a, FOUNDER, STEWARD, "moderator"));
	meet(&t.a, &t.b);
	make_puppet(&t, &before, secret_pubkey(puppet));
	meet(&t.a, &t.b);
	assert_int_equal(role_of_key(&t, &t.a, secret_pubkey(puppet)), ROLE_NONE);
	assert_int_equal(role_at(&t, &t.a, STEWARD), ROLE_MODERATOR);
	assert_agree(&t);
	secret_free(puppet);
	town_close(&t);
}

/* --- cuts that somebody makes to do harm --- */
static void the_founder_undoes_what_a_steward_voided(void **state)
{
	struct town t;
	struct hash head;

	town_open(&t);
	assert_ok(post(&t, &t.a, MEMBER, "ten years of posts", NULL));
	meet(&t.a, &t.b);
	head = head_of(&t, &t.b);
	void_the_house(&t, &head);
	assert_ok(post(&t, &t.a, MEMBER, "x", NULL)); /* here nobody knows yet */
	meet(&t.a, &t.b);
	assert_fails(post(&t, &t.a, MEMBER, "y", NULL), ERR_NOT_ADMITTED);
	/* With a cut before the act: it does not build on it. */
	assert_ok(revoke_key(&t, &t.b, FOUNDER, "member.revoke", KEY(&t, STEWARD),
			     cut_at(&t, &t.b, secret_pubkey(t.b.key), own_head(&t, &t.b) - 1)));
	meet(&t.a, &t.b);
	assert_posts(&t.a, &t.topic, "first|ten years of posts|x");
	assert_ok(post(&t, &t.a, MEMBER, "z", NULL));
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.a, STEWARD), ROLE_NONE);
	assert_agree(&t);
	town_close(&t);
}

/* Every other house was voided: from the one that may only read now, too. */
static void the_founder_undoes_it_at_his_own_house(void **state)
{
	struct town t;
	struct hash head;

	town_open(&t);
	assert_ok(post(&t, &t.a, MEMBER, "ten years of posts", NULL));
	meet(&t.a, &t.b);
	head = head_of(&t, &t.b);
	void_the_house(&t, &head);
	meet(&t.a, &t.b);
	sign_up_at(&t, &t.b, STRANGER);
	meet(&t.a, &t.b);
	assert_fails(post(&t, &t.a, MEMBER, "y", NULL), ERR_NOT_ADMITTED);
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, STEWARD),
			     cut_at(&t, &t.a, secret_pubkey(t.b.key), own_head(&t, &t.b) - 2)));
	assert_ok(post(&t, &t.a, MEMBER, "z", NULL));
	meet(&t.a, &t.b);
	assert_posts(&t.b, &t.topic, "first|ten years of posts|z");
	assert_int_equal(role_at(&t, &t.b, STEWARD), ROLE_NONE);
	assert_agree(&t);
	/* Who may not, may not either with a cut. */
	assert_fails(revoke_key(&t, &t.a, MEMBER, "member.revoke", KEY(&t, MODERATOR),
				cut_at(&t, &t.a, secret_pubkey(t.b.key), 1)),
		     ERR_DENIED);
	town_close(&t);
}

static void who_has_a_key_voids_nothing_with_it(void **state)
{
	struct hash head;
	struct town t;

	town_open(&t);
	assert_ok(post(&t, &t.a, MEMBER, "ten years of posts", NULL));
	meet(&t.a, &t.b);
	head = head_of(&t, &t.b);
	append_raw(&t, &t.b, MEMBER, &head,
		   json_pack("{s:s,s:s,s:s,s:[],s:[s]}", "type", "member.revoke", "object",
			     ID(&t.space), "key", ID(KEY(&t, MEMBER)), "cut", "seen", ID(&head)));
	meet(&t.a, &t.b);
	assert_int_equal(role_at(&t, &t.a, MEMBER), ROLE_NONE);
	assert_posts(&t.a, &t.topic, "first|ten years of posts");
	assert_agree(&t);
	town_close(&t);
}

/* --- any graph, in any order --- */
enum { KEYS = 7, OPS = 70, BOXES = 3, GRAPHS = 300, ORDERS = 6 };

struct graph {
	struct hash space;
	struct op op[OPS + 32];
	struct place at[OPS + 32];
	size_t n;
};

static struct pubkey key_at(int i)
{
	return (struct pubkey){{(uint8_t)(i + 1)}};
}

static json_t *random_cut(struct test_env *rand)
{
	json_t *cut = json_array();

	for (int i = 0; i < BOXES; i++) {
		struct pubkey box = key_at(i);

		if (test_below(rand, 3))
			json_array_append_new(cut,
					      json_pack("{s:s,s:s,s:I}", "appliance", ID(&box),
							"incarnation", "0000000000000001", "seq",
							(json_int_t)test_below(rand, OPS)));
	}
	return cut;
}

static const char *pick(struct test_env *rand, const char *const list[], uint64_t n)
{
	return list[test_below(rand, n)];
}

/* Anybody about anybody, with or without a cut. */
static json_t *random_body(struct test_env *rand, const char **ret_type)
{
	static const char *const roles[] = {"member", "moderator", "steward", "steward"};
	static const char *const modes[] = {"write", "write", "read"};
	struct pubkey box = key_at((int)test_below(rand, BOXES)),
		      who = key_at(BOXES + (int)test_below(rand, KEYS - BOXES));
	json_t *body;

	switch (test_below(rand, 8)) {
	case 0:
	case 1:
	case 6:
		*ret_type = "member.add";
		body = json_pack("{s:s,s:s,s:s}", "key", ID(&who), "name", "N", "role",
				 pick(rand, roles, 4));
		break;
	case 2:
		*ret_type = "member.role";
		body = json_pack("{s:s,s:s}", "key", ID(&who), "role", pick(rand, roles, 4));
		break;
	case 3:
	case 7:
		*ret_type = "appliance.admit";
		body = json_pack("{s:s,s:s,s:s,s:b}", "key", ID(&box), "name", "B", "mode",
				 pick(rand, modes, 3), "keeper", (int)test_below(rand, 2));
		break;
	case 4:
		*ret_type = "member.revoke";
		return json_pack("{s:s,s:o}", "key", ID(&who), "cut", random_cut(rand));
	default:
		*ret_type = "appliance.revoke";
		return json_pack("{s:s,s:o}", "key", ID(&box), "cut", random_cut(rand));
	}
	if (test_below(rand, 2))
		json_object_set_new(body, "cut", random_cut(rand));
	return body;
}

/* At first the founder makes the others stewards, and has the boxes write. */
static json_t *first_body(size_t i, const char **ret_type)
{
	struct pubkey key = key_at((int)i);

	*ret_type = i < BOXES ? "appliance.admit" : "member.add";
	return i < BOXES ? json_pack("{s:s,s:s,s:s,s:b}", "key", ID(&key), "name", "B", "mode",
				     "write", "keeper", 1)
			 : json_pack("{s:s,s:s,s:s}", "key", ID(&key), "name", "N", "role",
				     "steward");
}

static const struct op_type *type_of(const char *name)
{
	const struct op_type *t = rules_types;

	while (strcmp(t->name, name) != 0)
		t++;
	return t;
}

static void add_founding(struct graph *g)
{
	struct pubkey box = key_at(0), who = key_at(BOXES);
	struct op *op = &g->op[g->n];

	*op = (struct op){.id = g->space,
			  .space = g->space,
			  .type = type_of("space.found"),
			  .author = who,
			  .appliance = box,
			  .body = json_pack("{s:s,s:{s:s,s:s},s:{s:s,s:s}}", "name", "S", "steward",
					    "key", ID(&who), "name", "F", "appliance", "key",
					    ID(&box), "name", "B")};
	g->at[g->n++] = (struct place){box, 1, 1};
}

/* Of those that are valid: mostly a new one, now and then what was long ago. */
static struct hash random_parent(const struct graph *g, const struct rules *r,
				 struct test_env *rand)
{
	for (;;) {
		uint64_t back = test_below(rand, test_below(rand, 4) ? 6 : g->n);
		const struct hash *id = &g->op[back < g->n ? g->n - 1 - back : 0].id;

		if (rules_find(r, id) != RULES_NONE)
			return *id;
	}
}

static void make_graph(struct graph *g, struct test_env *rand)
{
	struct rules *r;
	uint64_t seq[BOXES] = {1, 0, 0};

	g->n = 0;
	g->space = (struct hash){"the space"};
	add_founding(g);
	r = rules_new(&g->space);
	while (g->n < OPS) {
		struct op *op = &g->op[g->n];
		int box = g->n < KEYS ? 0 : (int)test_below(rand, BOXES);
		const char *type;
		bool begins = g->n < KEYS;
		json_t *body = begins ? first_body(g->n, &type) : random_body(rand, &type);

		*op = (struct op){.space = g->space,
				  .type = type_of(type),
				  .appliance = key_at(box),
				  .by_appliance = !begins && test_below(rand, 6) == 0,
				  .body = body};
		op->author =
			op->by_appliance
				? op->appliance
				: key_at(begins || test_below(rand, 3) == 0
						 ? BOXES
						 : BOXES + (int)test_below(rand, KEYS - BOXES));
		op->time = (int64_t)test_below(rand, 1000);
		env_random(&rand->env, op->id.b, sizeof(op->id.b));
		op->nseen = 1 + test_below(rand, 2);
		rules_add(r, &g->op[g->n - 1], &g->at[g->n - 1]);
		rules_settle(r);
		for (size_t i = 0; i < op->nseen; i++)
			op->seen[i] = random_parent(g, r, rand);
		op->rules = op->seen[0];
		g->at[g->n++] = (struct place){key_at(box), 1, ++seq[box]};
	}
	rules_free(r);
}

static struct hash shown_by(struct rules *r, const struct graph *g, size_t n)
{
	struct hash_state h;

	hash_init(&h);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct pubkey key = key_at((int)i);
		struct rules_appliance a = {.mode = MODE_NONE};
		uint32_t at = rules_key(r, &key);
		uint8_t now[3] = {(uint8_t)state_role(r, rules_now(r), &key)};

		if (at != RULES_NONE && rules_appliance_now(r, at, &a)) {
			now[1] = (uint8_t)a.mode;
			now[2] = a.keeper;
		}
		hash_add(&h, now, sizeof(now));
	}
	/* And how it judges, from any floor, in any place. */
	for (size_t i = 0; i < n; i++) {
		uint32_t floor = rules_find(r, &g->op[i].id);

		for (int k = 0; k < KEYS && floor != RULES_NONE; k++) {
			struct place at = {key_at(k % BOXES), 1, 1 + (i * 7) % OPS};
			struct pubkey who = key_at(k);
			enum role role = ROLE_NONE;
			uint8_t may = rules_judge(r, floor, &at, &who, k < BOXES, &role);

			hash_add(&h, &may, 1);
			hash_add(&h, &role, sizeof(role));
		}
	}
	return hash_final(&h);
}

static size_t valid; /* so that it is known to be worth its time */

static void count_valid(const struct rules *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		valid += r->nodes[i]->valid;
}

/* Some are in two logs, of which either comes first. */
static bool is_twice(const struct graph *g, size_t i)
{
	return i && g->op[i].id.b[0] % 8 == 0;
}

static struct hash taken_in(const struct graph *g, struct test_env *rand, bool in_order)
{
	struct rules *r = rules_new(&g->space);
	size_t order[2 * OPS], n = 0;
	struct hash ret;

	for (size_t i = 0; i < 2 * g->n; i++)
		if (i < g->n || is_twice(g, i - g->n))
			order[n++] = i;
	for (size_t i = n; i > 1 && !in_order; i--) {
		size_t k = test_below(rand, i), was = order[k];

		order[k] = order[i - 1];
		order[i - 1] = was;
	}
	for (size_t i = 0; i < n; i++) {
		size_t k = order[i] % g->n;
		struct place at = g->at[k];

		if (order[i] >= g->n) {
			at.seq = at.seq * 2 + 1;
			at.incarnation = 2;
		}
		rules_add(r, &g->op[k], &at);
		if (test_below(rand, 3) == 0)
			rules_settle(r);
	}
	rules_settle(r);
	ret = shown_by(r, g, g->n);
	count_valid(r);
	rules_free(r);
	return ret;
}

static void any_graph_gives_the_same_in_any_order(void **state)
{
	static struct graph g;
	struct test_env rand;

	test_env_init(&rand, 0, 4242);
	for (int i = 0; i < GRAPHS; i++) {
		struct hash first;

		make_graph(&g, &rand);
		first = taken_in(&g, &rand, true);
		for (int k = 0; k < ORDERS; k++) {
			struct hash again = taken_in(&g, &rand, false);

			if (!hash_eq(&first, &again))
				fail_msg("graph %d: another order, other rules", i);
		}
		for (size_t k = 0; k < g.n; k++)
			json_decref((json_t *)g.op[k].body);
	}
	valid /= GRAPHS * (ORDERS + 1);
	print_message("%zu of %d ops are valid\n", valid, OPS);
	assert_true(valid > OPS / 4);
}

/* --- what was planted --- */
struct history {
	struct rules *r;
	uint64_t seq[BOXES];
};

static struct hash named(const char *name)
{
	struct hash h = {{0}};

	snprintf((char *)h.b, sizeof(h.b), "%s", name);
	return h;
}

/* An op by that key (one of a box: by itself), in the log of box `at`, that names one of before. */
static void say(struct history *h, const char *name, const char *before, int author, int at,
		const char *type, json_t *take_body)
{
	struct op op = {.id = named(name),
			.space = named("the space"),
			.type = type_of(type),
			.author = key_at(author),
			.by_appliance = author < BOXES,
			.appliance = key_at(at),
			.nseen = 1,
			.seen = {named(before)},
			.rules = named(before),
			.body = take_body};

	rules_add(h->r, &op, &(struct place){key_at(at), 1, ++h->seq[at]});
	rules_settle(h->r);
	json_decref(take_body);
}

static void history_begin(struct history *h)
{
	static struct graph g;
	struct pubkey b = key_at(1), s = key_at(BOXES + 1), m = key_at(BOXES + 2);

	*h = (struct history){.r = rules_new(&(struct hash){"the space"}), .seq = {1, 0, 0}};
	g.n = 0;
	g.space = named("the space");
	add_founding(&g);
	rules_add(h->r, &g.op[0], &g.at[0]);
	json_decref((json_t *)g.op[0].body);
	say(h, "admit b", "the space", BOXES, 0, "appliance.admit",
	    json_pack("{s:s,s:s,s:s,s:b}", "key", ID(&b), "name", "B", "mode", "write", "keeper",
		      1));
	say(h, "add s", "admit b", BOXES, 0, "member.add",
	    json_pack("{s:s,s:s,s:s}", "key", ID(&s), "name", "S", "role", "steward"));
	say(h, "add m", "add s", BOXES, 0, "member.add",
	    json_pack("{s:s,s:s,s:s}", "key", ID(&m), "name", "M", "role", "steward"));
}

static enum role role_in(struct history *h, int who)
{
	struct pubkey key = key_at(who);

	return state_role(h->r, rules_now(h->r), &key);
}

/* It lies within the cut, and names an op that comes years later: only then can it be judged. */
static void what_was_planted_within_the_cut_is_struck(void **state)
{
	struct pubkey s = key_at(BOXES + 1), m = key_at(BOXES + 2), puppet = key_at(20),
		      n = key_at(21), b = key_at(1);
	json_t *cut = json_pack("[{s:s,s:s,s:i}]", "appliance", ID(&b), "incarnation",
				"0000000000000001", "seq", 100);
	struct history h;

	history_begin(&h);
	say(&h, "planted", "withheld", BOXES + 1, 1, "member.add",
	    json_pack("{s:s,s:s,s:s}", "key", ID(&puppet), "name", "P", "role", "steward"));
	say(&h, "planted too", "withheld", BOXES + 1, 1, "member.revoke",
	    json_pack("{s:s,s:[]}", "key", ID(&m), "cut"));
	say(&h, "sign-up", "add m", 0, 0, "rules.join", json_object());
	say(&h, "m adds n", "sign-up", BOXES + 2, 0, "member.add",
	    json_pack("{s:s,s:s,s:s}", "key", ID(&n), "name", "N", "role", "member"));
	say(&h, "out s", "m adds n", BOXES, 0, "member.revoke",
	    json_pack("{s:s,s:O}", "key", ID(&s), "cut", cut));
	say(&h, "out b", "out s", BOXES, 0, "appliance.revoke",
	    json_pack("{s:s,s:o}", "key", ID(&b), "cut", cut));
	say(&h, "withheld", "add m", BOXES + 1, 1, "rules.join", json_object());
	assert_int_equal(role_in(&h, 20), ROLE_NONE);
	assert_int_equal(role_in(&h, BOXES + 2), ROLE_STEWARD);
	assert_int_equal(role_in(&h, 21), ROLE_MEMBER);
	rules_free(h.r);
}

/* A keeper's op, which the box of somebody else, thrown out or not, has in its log, too. */
static void one_more_place_does_not_bring_it_back(void **state)
{
	struct pubkey b = key_at(1), c = key_at(2), x = key_at(20);
	struct op evil = {
		.id = named("evil"),
		.space = named("the space"),
		.type = type_of("appliance.admit"),
		.author = b,
		.by_appliance = true,
		.appliance = b,
		.nseen = 1,
		.seen = {named("admit c")},
		.rules = named("admit c"),
		.body = json_pack("{s:s,s:s,s:s}", "key", ID(&x), "name", "X", "mode", "write")};
	struct history h;

	history_begin(&h);
	say(&h, "admit c", "add m", BOXES, 0, "appliance.admit",
	    json_pack("{s:s,s:s,s:s}", "key", ID(&c), "name", "C", "mode", "write"));
	say(&h, "sign-up", "admit c", 2, 2, "rules.join", json_object());
	say(&h, "out b", "sign-up", BOXES, 0, "appliance.revoke",
	    json_pack("{s:s,s:[]}", "key", ID(&b), "cut"));
	rules_add(h.r, &evil, &(struct place){b, 1, 9});
	rules_add(h.r, &evil, &(struct place){c, 1, 9});
	rules_settle(h.r);
	assert_true(rules_find(h.r, &evil.id) != RULES_NONE);
	assert_false(state_writes(h.r, rules_now(h.r), &x));
	json_decref((json_t *)evil.body);
	rules_free(h.r);
}

/* --- nobody who was thrown out moves anything --- */
enum { LATE = 12, OUT = BOXES + 1, OUT_BOX = 1 };

/* The founder throws one out, and the box, with all that is known of both. */
static bool throw_out(struct graph *g, struct rules *r)
{
	struct pubkey box = key_at(OUT_BOX), who = key_at(OUT);
	json_t *cut = json_array();

	for (int i = 0; i < BOXES; i++) {
		struct pubkey at = key_at(i);

		json_array_append_new(cut,
				      json_pack("{s:s,s:s,s:i}", "appliance", ID(&at),
						"incarnation", "0000000000000001", "seq", OPS));
	}
	for (int k = 0; k < 2; k++) {
		struct op *op = &g->op[g->n];

		*op = (struct op){
			.space = g->space,
			.type = type_of(k ? "appliance.revoke" : "member.revoke"),
			.appliance = key_at(0),
			.author = key_at(BOXES),
			.id = {{(uint8_t)(200 + k), 1}},
			.body = json_pack("{s:s,s:O}", "key", k ? ID(&box) : ID(&who), "cut", cut)};
		op->nseen = rules_heads(r, op->seen, LIMIT_SEEN);
		if (op->nseen > LIMIT_SEEN)
			op->nseen = LIMIT_SEEN;
		op->rules = op->seen[0];
		g->at[g->n] = (struct place){key_at(0), 1, OPS + 1 + (uint64_t)k};
		rules_add(r, op, &g->at[g->n++]);
		rules_settle(r);
	}
	json_decref(cut);
	for (size_t i = g->n - 2; i < g->n; i++) {
		uint32_t at = rules_find(r, &g->op[i].id);

		/* (one who was out himself for a while stands lower than he did) */
		if (at == RULES_NONE || r->nodes[at]->grant != r->founding)
			return false;
	}
	return state_role(r, rules_now(r), &who) == ROLE_NONE &&
	       !state_writes(r, rules_now(r), &box) &&
	       state_writes(r, rules_now(r), &g->at[0].appliance);
}

/* Says anything about anybody, in the box's log, and names what it likes of before. */
static void say_late(struct graph *g, struct rules *r, struct test_env *rand, size_t before,
		     uint64_t seq)
{
	struct op *op = &g->op[g->n];
	const char *type;
	json_t *body = random_body(rand, &type);

	*op = (struct op){.space = g->space,
			  .type = type_of(type),
			  .appliance = key_at(OUT_BOX),
			  .by_appliance = test_below(rand, 4) == 0,
			  .time = (int64_t)test_below(rand, 1000),
			  .body = body};
	op->author = op->by_appliance ? op->appliance : key_at(OUT);
	env_random(&rand->env, op->id.b, sizeof(op->id.b));
	for (op->nseen = 0; op->nseen < 1 + test_below(rand, 3);) {
		size_t k = test_below(rand, g->n);

		if (k < before || k >= before + 2)
			op->seen[op->nseen++] = g->op[k].id;
	}
	op->rules = op->seen[0];
	g->at[g->n] = (struct place){key_at(OUT_BOX), 1, seq};
	rules_add(r, op, &g->at[g->n++]);
	rules_settle(r);
}

static void who_was_thrown_out_moves_nothing(void **state)
{
	static struct graph g;
	struct test_env rand;
	size_t graphs = 0, late = 0;

	test_env_init(&rand, 0, 77);
	for (int i = 0; i < 3 * GRAPHS; i++) {
		struct rules *r = rules_new(&g.space);
		struct hash before, after;
		size_t honest;

		make_graph(&g, &rand);
		for (size_t k = 0; k < g.n; k++)
			rules_add(r, &g.op[k], &g.at[k]);
		rules_settle(r);
		honest = g.n;
		if (throw_out(&g, r)) {
			graphs++;
			before = shown_by(r, &g, honest);
			for (uint64_t k = 1; k <= LATE; k++) {
				say_late(&g, r, &rand, honest, OPS + k);
				late += rules_find(r, &g.op[g.n - 1].id) != RULES_NONE;
			}
			after = shown_by(r, &g, honest);
			if (!hash_eq(&before, &after))
				fail_msg("graph %d: the rules moved", i);
		}
		rules_free(r);
		for (size_t k = 0; k < g.n; k++)
			json_decref((json_t *)g.op[k].body);
	}
	print_message("%zu graphs, %zu ops of before that are valid\n", graphs, late);
	assert_true(graphs > GRAPHS / 8 && late > graphs);
}

/* A steward may write very many ops, and be revoked very often: that costs time, but not the square
 * of it by much. */
static void a_thousand_of_each_fold_in_time(void **state)
{
	enum { MANY = 1000 };
	struct hash space = {"the space"};
	struct rules *r = rules_new(&space);
	static struct graph g;
	struct test_env rand;
	int64_t begun;

	test_env_init(&rand, 0, 7);
	g.n = 0;
	g.space = space;
	add_founding(&g);
	assert_true(rules_add(r, &g.op[0], &g.at[0]));
	for (int i = 0; i < 2 * MANY; i++) {
		struct pubkey other = key_at(BOXES + 1);
		bool revokes = i % 2;
		struct hash steward_made = {"a steward"};
		struct op op = {.space = space,
				.type = type_of(revokes ? "member.revoke" : "member.add"),
				.author = key_at(BOXES + (i && !revokes)),
				.appliance = key_at(0),
				.time = i,
				.nseen = 1,
				.seen = {i ? steward_made : space},
				.rules = i ? steward_made : space};
		struct place at = {key_at(0), 1, 2 + (uint64_t)i};

		env_random(&rand.env, op.id.b, sizeof(op.id.b));
		if (!i)
			op.id = steward_made;
		op.body = revokes ? json_pack("{s:s,s:[]}", "key", ID(&other), "cut")
				  : json_pack("{s:s,s:s,s:s}", "key", ID(&other), "name", "N",
					      "role", "steward");
		assert_true(rules_add(r, &op, &at));
		json_decref((json_t *)op.body);
	}
	begun = env_mono(&env_system);
	rules_settle(r);
	print_message("%d ops that reach each other: %lld ms\n", 2 * MANY,
		      (long long)(env_mono(&env_system) - begun));
	assert_true(env_mono(&env_system) - begun < 60000);
	for (uint32_t i = 0; i < r->n; i++)
		assert_true(r->nodes[i]->valid);
	rules_free(r);
	json_decref((json_t *)g.op[0].body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_revoked_steward_makes_no_stewards),
		cmocka_unit_test(what_a_steward_did_before_stays),
		cmocka_unit_test(a_junior_s_revocation_waits_for_nobody),
		cmocka_unit_test(a_thrown_out_steward_does_not_overturn_the_founder),
		cmocka_unit_test(what_takes_nothing_where_it_stands_takes_nothing),
		cmocka_unit_test(a_demoted_moderator_erases_nothing),
		cmocka_unit_test(a_box_that_may_only_read_now_writes_nothing),
		cmocka_unit_test(a_steward_who_was_put_lower_changes_no_rules),
		cmocka_unit_test(the_founder_undoes_what_a_steward_voided),
		cmocka_unit_test(the_founder_undoes_it_at_his_own_house),
		cmocka_unit_test(who_has_a_key_voids_nothing_with_it),
		cmocka_unit_test(any_graph_gives_the_same_in_any_order),
		cmocka_unit_test(what_was_planted_within_the_cut_is_struck),
		cmocka_unit_test(one_more_place_does_not_bring_it_back),
		cmocka_unit_test(who_was_thrown_out_moves_nothing),
		cmocka_unit_test(a_thousand_of_each_fold_in_time),
	};

	return run_group(tests);
}
