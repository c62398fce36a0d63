/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Boxes that write very much of what costs others: whoever makes logs must not be safe from being sent
 * away by it, and whoever names rules must not hold others up. */
#include "tests/appliance/community/town.h"
#include "appliance/community/community_priv.h"
#include "appliance/community/rules_priv.h"
#include <sys/resource.h>
#include <time.h>

enum { MANY = 2600 }; /* rows of a cut that do not fit into one entry */

/* Box b begins that many logs, with one entry each, and a takes them. */
static void make_logs(struct town *t, const struct secret *author)
{
	static const uint8_t salt[ENTRY_SALT] = {1};
	const struct span payload = span_str("{\"type\":\"later\"}");
	bool more;

	assert_ok(conn_begin(t->a.c));
	for (uint64_t i = 1; i <= MANY; i++) {
		struct log_id id = {t->space, *secret_pubkey(t->b.key), i};
		struct entry e = {.seq = 1,
				  .time = 1764000000000 + (int64_t)i,
				  .incarnation = i,
				  .space = t->space,
				  .rules = t->space};
		const struct ingest_payload p = {PAYLOAD_HELD, salt, payload};
		struct error *refused = NULL;
		struct ingest_result r;
		struct entry_bytes raw;

		entry_make(&e, author, t->b.key, salt, payload, &raw);
		assert_ok(log_ingest(t->a.c->log,
				     &(struct ingest){.id = &id,
						      .first = 1,
						      .headers = &raw,
						      .payloads = &p,
						      .n = 1},
				     &r, &refused));
		assert_ok(refused);
		assert_int_equal(r.added, 1);
	}
	assert_ok(community_catch_up(t->a.c, 0, &more));
	assert_ok(conn_commit(t->a.c));
}

static int role_of(struct town *t, const struct hash *op)
{
	struct op_rec r;

	assert_ok(rec_find(t->a.c, op, &r));
	assert_true(r.num);
	return r.role;
}

static void in_one_commit(struct town *t,
			  struct error *(*remove)(struct conn *c, const struct hash *space,
						  const struct pubkey *key,
						  const struct secret *author),
			  const struct pubkey *key)
{
	assert_ok(conn_begin(t->a.c));
	assert_ok(remove(t->a.c, &t->space, key, t->who[FOUNDER]));
	assert_ok(conn_commit(t->a.c));
}

static void a_box_with_very_many_logs_can_be_sent_away(void **state)
{
	struct hash before, after;
	struct town t;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "before", &before));
	meet(&t.a, &t.b);
	make_logs(&t, NULL);
	in_one_commit(&t, community_remove, secret_pubkey(t.b.key));
	assert_ok(post(&t, &t.b, MEMBER, "after", &after));
	meet(&t.a, &t.b);
	assert_int_equal(role_of(&t, &before), ROLE_MEMBER);
	assert_int_equal(role_of(&t, &after), ROLE_NONE);
	town_close(&t);
}

static void a_person_can_be_sent_away_where_there_are_very_many_logs(void **state)
{
	struct hash here, there, later;
	struct town t;

	town_open(&t);
	assert_ok(post(&t, &t.a, MEMBER, "here", &here));
	assert_ok(post(&t, &t.b, MEMBER, "there", &there));
	meet(&t.a, &t.b);
	make_logs(&t, NULL);
	in_one_commit(&t, community_remove_person, KEY(&t, MEMBER));
	assert_ok(post(&t, &t.b, MEMBER, "later", &later));
	meet(&t.a, &t.b);
	assert_int_equal(role_of(&t, &here), ROLE_MEMBER);
	assert_int_equal(role_of(&t, &there), ROLE_MEMBER);
	assert_int_equal(role_of(&t, &later), ROLE_NONE);
	town_close(&t);
}

/* Even when the person has something in each of them. */
static void a_person_who_wrote_in_very_many_logs_can_be_sent_away(void **state)
{
	struct hash here;
	struct town t;

	town_open(&t);
	for (int i = 0; i < 3; i++)
		assert_ok(post(&t, &t.a, MEMBER, "here", &here));
	make_logs(&t, t.who[MEMBER]);
	in_one_commit(&t, community_remove_person, KEY(&t, MEMBER));
	assert_int_equal(role_of(&t, &here), ROLE_MEMBER);
	town_close(&t);
}

/* Each entry names other rules than the one before, and the first names rules that are nowhere. */
static void a_log_that_names_other_rules_in_each_entry_is_taken_in_one_pass(void **state)
{
	enum { ENTRIES = 60000, SECONDS = 6 };
	clock_t began = clock();
	struct vlog *l;
	struct town t;
	bool more;

	town_open(&t);
	assert_ok(conn_begin(t.a.c));
	assert_ok(community_catch_up(t.a.c, 0, &more));
	assert_ok(memory_log(t.a.c, 1, &l));
	for (uint64_t i = 0; i < ENTRIES; i++) {
		struct entry h = {.version = 1, .seq = l->top + 1, .rules = t.space};
		struct stored e = {.log = l->num, .seq = h.seq};

		h.rules.b[31] ^= (uint8_t)(i % 2 + 1);
		entry_encode(&h, &e.raw);
		assert_ok(note_run(t.a.c, l, &e));
	}
	assert_true(l->n >= ENTRIES);
	conn_rollback(t.a.c);
	assert_true((clock() - began) / CLOCKS_PER_SEC < SECONDS);
	town_close(&t);
}

/* Erasing something again and again: the target is looked at once for all that came together. */
static void erasing_one_thing_very_often_costs_no_more_than_once(void **state)
{
	struct hash target;
	struct batch b;
	struct town t;

	town_open(&t);
	assert_ok(post(&t, &t.a, MEMBER, "once", &target));
	b = (struct batch){.c = t.a.c};
	for (int i = 0; i < 1000; i++)
		batch_erasure(&b, &target);
	assert_int_equal(b.erasures_n, 1);
	batch_release(&b);
	town_close(&t);
}

/* Judging a space anew holds a page of its ops in memory, and not all. */
static void the_ops_of_a_space_are_walked_over_in_pages(void **state)
{
	_cleanup_(recs_walk_release) struct recs_walk all = {.which = OPS_OF_SPACE};
	struct op_rec *r;
	size_t n = 0;
	struct town t;

	town_open(&t);
	make_logs(&t, NULL);
	all.by = space_of(t.a.c, &t.space)->num;
	for (;; n++) {
		assert_ok(recs_next(t.a.c, &all, &r));
		if (!r)
			break;
	}
	assert_true(n >= MANY);
	assert_true(all.page.cap <= RECS_PAGE * 2);
	town_close(&t);
}

static long peak_kib(void)
{
	struct rusage use;

	assert_int_equal(getrusage(RUSAGE_SELF, &use), 0);
	return use.ru_maxrss;
}

/* Rows of ops that only have a place in the order, as many as a topic could have in a century. */
static int64_t make_rows(struct town *t, unsigned n)
{
	const struct space *s = space_of(t->a.c, &t->space);
	struct object o;
	struct op_rec r;

	assert_ok(object_find(t->a.c, &t->topic, s->num, &o));
	assert_true(o.num);
	assert_ok(rec_find(t->a.c, &t->topic, &r));
	r.object = o.num;
	r.kind = OP_UNKNOWN;
	for (unsigned i = 0; i < n; i++) {
		r.seen[0] = r.id;
		r.nseen = 1;
		memcpy(r.id.b + 4, &i, sizeof(i));
		r.id.b[0] = (uint8_t)(i * 2654435761U >> 24);
		r.time++;
		assert_ok(rec_add(t->a.c, &r));
	}
	return o.num;
}

/* Folding a topic again, however long it is, takes little for each op. */
static void a_very_long_topic_takes_little_memory(void **state)
{
	enum { OPS = 100000, BYTES_EACH = 250 };
	struct batch b;
	struct town t;
	long before;
	bool more;

	town_open(&t);
	assert_ok(conn_begin(t.a.c));
	assert_ok(community_catch_up(t.a.c, 0, &more));
	b = (struct batch){.c = t.a.c};
	assert_ok(batch_dirty(&b, make_rows(&t, OPS)));
	before = peak_kib();
	assert_ok(batch_finish(&b));
	assert_true((peak_kib() - before) * 1024 < (long)OPS * BYTES_EACH);
	assert_int_equal(b.objects[0]->nheads, 1);
	batch_release(&b);
	conn_rollback(t.a.c);
	town_close(&t);
}

static size_t json_alive;

static void *json_counted(size_t n)
{
	json_alive++;
	return malloc(n);
}

static void json_uncounted(void *p)
{
	json_alive -= p != NULL;
	free(p);
}

static struct error *row_says_rules(struct town *t, const struct hash *op)
{
	struct op_rec r;

	TRY(rec_find(t->a.c, op, &r));
	r.kind = OP_RULES;
	r.object = 0;
	return rec_set(t->a.c, &r);
}

/* A row of a damaged view that says of a post that it were a rules op: what was read of it is given back. */
static void reading_the_rules_keeps_nothing_that_is_none(void **state)
{
	json_malloc_t was_malloc;
	json_free_t was_free;
	struct hash op;
	size_t before;
	struct town t;
	bool more;

	town_open(&t);
	assert_ok(post(&t, &t.a, MEMBER, "no rules", &op));
	assert_ok(conn_begin(t.a.c));
	assert_ok(community_catch_up(t.a.c, 0, &more));
	assert_ok(row_says_rules(&t, &op));
	memory_drop(t.a.c);
	json_get_alloc_funcs(&was_malloc, &was_free);
	json_set_alloc_funcs(json_counted, json_uncounted);
	before = json_alive;
	assert_ok(memory_load(t.a.c));
	assert_int_equal(json_alive, before);
	json_set_alloc_funcs(was_malloc, was_free);
	conn_rollback(t.a.c);
	town_close(&t);
}

/* A steward who writes very many rules: what is remembered of the states at them has a bound. */
static void states_of_very_many_keys_have_a_bound_in_bytes(void **state)
{
	enum { KEYS = 30000, OPS = 24 };
	size_t bytes = 0, n = 0;
	struct rules *r;
	struct town t;

	town_open(&t);
	for (int i = 0; i < OPS; i++)
		assert_ok(set_role(&t, &t.a, FOUNDER, MODERATOR, i % 2 ? "member" : "moderator"));
	r = space_of(t.a.c, &t.space)->rules;
	graph_forget_states(r);
	for (uint32_t i = rules_count(r) - OPS; i < rules_count(r); i++) {
		/* As large as one that says something of each of so many keys. */
		struct rules_state *s = state_copy(rules_now(r));

		s->slots = realloc(s->slots, KEYS * sizeof(s->slots[0]));
		assert_non_null(s->slots);
		memset(s->slots, 0, KEYS * sizeof(s->slots[0]));
		s->slots_n = KEYS;
		graph_keep(r, i, s);
		assert_ptr_equal(rules_at(r, i), s);
	}
	for (int i = 0; i < RULES_STATES; i++) {
		if (!r->kept[i])
			continue;
		bytes += r->kept[i]->slots_n * sizeof(r->kept[i]->slots[0]);
		n++;
	}
	assert_true(n >= RULES_STATES_FEW);
	assert_true(bytes <= RULES_STATES_BYTES);
	graph_forget_states(r);
	town_close(&t);
}

/* What was erased still lies in the files when readers were in the way: a transaction that fails
 * afterwards is no reason to leave it there. */
static void a_transaction_that_fails_forgets_nothing_that_is_to_be_scrubbed(void **state)
{
	struct town t;

	town_open(&t);
	assert_ok(conn_scrub(t.a.c));
	conn_scrub_later(t.a.c);
	assert_ok(conn_begin(t.a.c));
	conn_rollback(t.a.c);
	assert_true(conn_scrub_waits(t.a.c));
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_box_with_very_many_logs_can_be_sent_away),
		cmocka_unit_test(a_person_can_be_sent_away_where_there_are_very_many_logs),
		cmocka_unit_test(a_person_who_wrote_in_very_many_logs_can_be_sent_away),
		cmocka_unit_test(a_log_that_names_other_rules_in_each_entry_is_taken_in_one_pass),
		cmocka_unit_test(erasing_one_thing_very_often_costs_no_more_than_once),
		cmocka_unit_test(the_ops_of_a_space_are_walked_over_in_pages),
		cmocka_unit_test(a_transaction_that_fails_forgets_nothing_that_is_to_be_scrubbed),
		cmocka_unit_test(a_very_long_topic_takes_little_memory),
		cmocka_unit_test(states_of_very_many_keys_have_a_bound_in_bytes),
		cmocka_unit_test(reading_the_rules_keeps_nothing_that_is_none),
	};

	return run_group(tests);
}
