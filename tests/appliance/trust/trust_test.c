/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/community/boxes.h"
#include "appliance/trust/trust.h"

/* Three boxes that carry one space, and keys that are somewhere else. */
struct town {
	struct box box[3];
	struct secret *steward;
	struct hash space;
};
enum { A, B, C };

static const struct pubkey *key_of(struct town *t, int i)
{
	return secret_pubkey(t->box[i].key);
}

static void meet(struct town *t)
{
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3; i++)
			for (int k = 0; k < 3; k++)
				if (i != k)
					assert_ok(pull(&t->box[i], &t->box[k], 100));
}

static void open_town(struct town *t)
{
	t->steward = test_key(7);
	for (unsigned i = 0; i < 3; i++) {
		box_init(&t->box[i], i, 1600000000000);
		assert_ok(box_open(&t->box[i]));
	}
	assert_ok(box_found(&t->box[A], t->steward, &t->space));
	for (int i = B; i <= C; i++) {
		struct box *b = &t->box[i];

		assert_ok(box_submit(&t->box[A], &t->space, "appliance.admit", NULL, t->steward,
				     json_pack("{s:s, s:s, s:s}", "key", ID(key_of(t, i)), "name",
					       "box", "mode", "write"),
				     NULL));
		assert_ok(conn_begin(b->c));
		assert_ok(log_admit(b->c->log, &t->space, key_of(t, A), true));
		assert_ok(conn_commit(b->c));
	}
	meet(t);
}

static void close_town(struct town *t)
{
	for (int i = 0; i < 3; i++)
		box_release(&t->box[i]);
	secret_free(t->steward);
}

static struct error *says_called(struct town *t, int who, const struct pubkey *whom,
				 const char *name, const char *note)
{
	struct box *b = &t->box[who];
	struct error *e;

	assert_ok(conn_begin(b->c));
	assert_ok(conn_savepoint(b->c));
	e = trust_vouch(b->c, key_of(t, who),
			&(struct trust_vouching){.key = *whom, .name = name, .note = note});
	if (e)
		conn_undo(b->c);
	else
		assert_ok(conn_release(b->c));
	assert_ok(conn_commit(b->c));
	return e;
}

static struct error *says(struct town *t, int who, const struct pubkey *whom, const char *note)
{
	return says_called(t, who, whom, "Ateneu Sud", note);
}

static size_t takes_back(struct town *t, int who, const struct pubkey *whom)
{
	struct box *b = &t->box[who];
	size_t n;

	assert_ok(conn_begin(b->c));
	assert_ok(trust_withdraw(b->c, key_of(t, who), whom, &n));
	assert_ok(conn_commit(b->c));
	return n;
}

static void knows(struct town *t, int who, const struct pubkey *whom)
{
	struct peer p = {.key = *whom, .name = "known", .added_ms = 5};

	assert_ok(conn_begin(t->box[who].c));
	assert_ok(peer_put(t->box[who].c->local, &p));
	assert_ok(conn_commit(t->box[who].c));
}

struct seen {
	struct vouch v[16];
	size_t n;
	struct trust_chain chain[16];
};

static struct error *see(void *ctx, const struct vouch *v)
{
	struct seen *s = ctx;

	s->v[s->n++] = *v;
	return NULL;
}

static struct error *see_chain(void *ctx, const struct trust_chain *c)
{
	struct seen *s = ctx;

	s->chain[s->n++] = *c;
	return NULL;
}

static struct seen vouches(struct town *t, int on, const struct pubkey *key)
{
	struct seen s = {.n = 0};

	assert_ok(vouch_for(t->box[on].c, key, 16, see, &s));
	return s;
}

static struct seen chains(struct town *t, int on, const struct pubkey *key)
{
	struct seen s = {.n = 0};

	assert_ok(trust_chains(t->box[on].c, key_of(t, on), key, see_chain, &s));
	return s;
}

static void all_alike(struct town *t)
{
	struct hash digest[3];

	for (int i = 0; i < 3; i++)
		assert_ok(community_digest(t->box[i].c, &t->space, &digest[i]));
	assert_id_equal(digest[0].b, digest[1].b);
	assert_id_equal(digest[0].b, digest[2].b);
	for (int i = 0; i < 3; i++) {
		struct hash again;

		assert_ok(community_rebuild(t->box[i].c));
		assert_ok(community_digest(t->box[i].c, &t->space, &again));
		assert_id_equal(digest[0].b, again.b);
	}
}

static void every_box_shows_alike_who_vouches_for_whom(void **state)
{
	_cleanup_(secret_freep) struct secret *stranger = test_key(50);
	struct town t;
	struct seen s;

	open_town(&t);
	assert_ok(says(&t, A, secret_pubkey(stranger), "we share a library"));
	assert_ok(says(&t, B, secret_pubkey(stranger), NULL));
	meet(&t);
	for (int i = 0; i < 3; i++) {
		s = vouches(&t, i, secret_pubkey(stranger));
		assert_int_equal(s.n, 2);
		assert_string_equal(s.v[0].name, "Ateneu Sud");
	}
	all_alike(&t);
	/* To say it again replaces what was said. */
	assert_ok(says(&t, A, secret_pubkey(stranger), "we still do"));
	assert_int_equal(takes_back(&t, B, secret_pubkey(stranger)), 1);
	assert_int_equal(takes_back(&t, B, secret_pubkey(stranger)), 0);
	meet(&t);
	s = vouches(&t, C, secret_pubkey(stranger));
	assert_int_equal(s.n, 1);
	assert_string_equal(s.v[0].note, "we still do");
	assert_true(pubkey_eq(&s.v[0].box, key_of(&t, A)));
	all_alike(&t);
	close_town(&t);
}

/* Of many not all are shown: a date that its author claims must not choose which. */
static void no_claimed_date_says_which_vouches_come_first(void **state)
{
	struct town t;

	open_town(&t);
	for (unsigned i = 0; i < 8; i++) {
		_cleanup_(secret_freep) struct secret *stranger = test_key(60 + i);
		struct seen s;

		assert_ok(says(&t, A, secret_pubkey(stranger), "first by its date"));
		assert_ok(says(&t, B, secret_pubkey(stranger), NULL));
		meet(&t);
		s = vouches(&t, C, secret_pubkey(stranger));
		assert_int_equal(s.n, 2);
		assert_true(hash_cmp(&s.v[0].id, &s.v[1].id) < 0);
	}
	close_town(&t);
}

static void nobody_vouches_in_anothers_name_or_for_themselves(void **state)
{
	_cleanup_(secret_freep) struct secret *stranger = test_key(50);
	struct town t;
	struct seen s;

	open_town(&t);
	assert_fails(
		box_submit(&t.box[A], &t.space, "trust.vouch", NULL, t.steward,
			   json_pack("{s:s, s:s}", "key", ID(secret_pubkey(stranger)), "name", "x"),
			   NULL),
		ERR_DENIED);
	assert_fails(says(&t, A, key_of(&t, A), NULL), ERR_INVALID);
	assert_ok(says(&t, A, secret_pubkey(stranger), NULL));
	meet(&t);
	s = vouches(&t, B, secret_pubkey(stranger));
	assert_int_equal(s.n, 1);
	/* Another box can't take it back, and neither can a steward. */
	assert_fails(box_submit(&t.box[B], &t.space, "trust.withdraw", &s.v[0].id, NULL,
				json_object(), NULL),
		     ERR_DENIED);
	assert_fails(box_submit(&t.box[A], &t.space, "trust.withdraw", &s.v[0].id, t.steward,
				json_object(), NULL),
		     ERR_DENIED);
	assert_int_equal(vouches(&t, A, secret_pubkey(stranger)).n, 1);
	close_town(&t);
}

static void hostile_names_are_no_ops(void **state)
{
	_cleanup_(secret_freep) struct secret *stranger = test_key(50);
	struct town t;

	open_town(&t);
	assert_fails(box_submit(&t.box[A], &t.space, "trust.vouch", NULL, NULL,
				json_pack("{s:s, s:s}", "key", ID(secret_pubkey(stranger)), "name",
					  "a\nb"),
				NULL),
		     ERR_MALFORMED);
	assert_fails(box_submit(&t.box[A], &t.space, "trust.vouch", NULL, NULL,
				json_pack("{s:s, s:s}", "key", ID(secret_pubkey(stranger)), "name",
					  "\xe2\x80\xae" "evil"),
				NULL),
		     ERR_MALFORMED);
	assert_fails(box_submit(&t.box[A], &t.space, "trust.vouch", NULL, NULL,
				json_pack("{s:s, s:s}", "key", "short", "name", "x"), NULL),
		     ERR_MALFORMED);
	assert_int_equal(vouches(&t, A, secret_pubkey(stranger)).n, 0);
	close_town(&t);
}

/* C approved A; A vouches for B, B for the stranger. */
static void a_chain_begins_at_a_box_that_we_know(void **state)
{
	_cleanup_(secret_freep) struct secret *stranger = test_key(50);
	struct town t;
	struct seen s;

	open_town(&t);
	assert_ok(says(&t, A, key_of(&t, B), "neighbours"));
	assert_ok(says(&t, B, secret_pubkey(stranger), NULL));
	meet(&t);
	assert_int_equal(chains(&t, C, secret_pubkey(stranger)).n, 0); /* nobody is known yet */
	knows(&t, C, key_of(&t, A));
	s = chains(&t, C, secret_pubkey(stranger));
	assert_int_equal(s.n, 1);
	assert_int_equal(s.chain[0].n, 2);
	assert_false(s.chain[0].self);
	assert_true(pubkey_eq(&s.chain[0].root.key, key_of(&t, A)));
	assert_true(pubkey_eq(&s.chain[0].link[0].key, key_of(&t, B)));
	assert_true(pubkey_eq(&s.chain[0].link[1].key, secret_pubkey(stranger)));
	s = chains(&t, B, secret_pubkey(stranger));
	assert_int_equal(s.n, 1);
	assert_true(s.chain[0].self);
	/* A shorter one comes first, and ends the search on its way. */
	knows(&t, C, key_of(&t, B));
	s = chains(&t, C, secret_pubkey(stranger));
	assert_int_equal(s.n, 1);
	assert_int_equal(s.chain[0].n, 1);
	/* What is taken back counts no more. */
	takes_back(&t, B, secret_pubkey(stranger));
	meet(&t);
	assert_int_equal(chains(&t, C, secret_pubkey(stranger)).n, 0);
	close_town(&t);
}

static void circles_and_long_ways_end(void **state)
{
	struct pubkey far[6];
	struct town t;

	open_town(&t);
	for (unsigned i = 0; i < 6; i++) {
		_cleanup_(secret_freep) struct secret *k = test_key(60 + i);

		far[i] = *secret_pubkey(k);
	}
	/* A and B vouch for each other and for the far ones: there is no way out to anybody known.
	 */
	assert_ok(says(&t, A, key_of(&t, B), NULL));
	assert_ok(says(&t, B, key_of(&t, A), NULL));
	for (int i = 0; i < 6; i++) {
		assert_ok(says(&t, A, &far[i], NULL));
		assert_ok(says(&t, B, &far[i], NULL));
	}
	meet(&t);
	for (int i = 0; i < 6; i++)
		assert_int_equal(chains(&t, C, &far[i]).n, 0);
	assert_ok(says(&t, C, key_of(&t, A), NULL));   /* known by what we said ourselves */
	assert_int_equal(chains(&t, C, &far[0]).n, 2); /* C, A, far and C, A, B, far */
	assert_int_equal(chains(&t, C, &far[0]).chain[0].n, 2);
	assert_int_equal(chains(&t, C, &far[0]).chain[1].n, 3);
	close_town(&t);
}

struct names {
	char text[600];
};

static struct error *add_name(void *ctx, const struct vouch *v)
{
	struct names *n = ctx;
	size_t at = strlen(n->text);

	snprintf(n->text + at, sizeof(n->text) - at, "%s(%.4s) ", v->name, ID(&v->key));
	return NULL;
}

static struct pubkey far(unsigned n)
{
	_cleanup_(secret_freep) struct secret *k = test_key(n);

	return *secret_pubkey(k);
}

static void whom_the_chains_lead_to(void **state)
{
	struct pubkey x = far(40), y = far(41), z = far(42);
	struct names n = {""};
	char want[100];
	struct town t;

	open_town(&t);
	assert_ok(says(&t, B, &x, NULL));
	assert_ok(says(&t, B, key_of(&t, C), NULL));
	assert_ok(says(&t, B, key_of(&t, A), NULL)); /* ourselves */
	assert_ok(says_called(&t, B, &y, ID_SHORT(&y), NULL));
	assert_ok(says(&t, C, &z, NULL));
	assert_ok(says(&t, C, &x, NULL));
	meet(&t);
	assert_ok(trust_vouched(t.box[A].c, key_of(&t, A), add_name, &n));
	assert_string_equal(n.text, ""); /* nobody is known */
	knows(&t, A, key_of(&t, B));
	assert_ok(trust_vouched(t.box[A].c, key_of(&t, A), add_name, &n));
	snprintf(want, sizeof(want), "Ateneu Sud(%.4s) ", ID(&z));
	assert_string_equal(n.text + strlen(n.text) - strlen(want), want); /* the farthest is last */
	assert_int_equal(strlen(n.text), 3 * strlen(want)); /* x, C, z: not y, which has no name */
	memset(&n, 0, sizeof(n));
	knows(&t, A, key_of(&t, C));
	assert_ok(trust_vouched(t.box[A].c, key_of(&t, A), add_name, &n));
	assert_int_equal(strlen(n.text), 2 * strlen(want)); /* C is no stranger now */
	close_town(&t);
}

/* Keys cost nothing: one house that vouches for ever so many leaves room for the others. */
static void one_peer_does_not_fill_all_places(void **state)
{
	struct pubkey x = far(40);
	struct names n = {""};
	char last[100];
	struct town t;

	open_town(&t);
	for (unsigned i = 0; i < 2 * TRUST_OF_ONE; i++) {
		struct pubkey made = far(100 + i);

		assert_ok(says_called(&t, B, &made, "Made up", NULL));
	}
	assert_ok(says(&t, C, &x, NULL));
	meet(&t);
	knows(&t, A, key_of(&t, B));
	knows(&t, A, key_of(&t, C));
	assert_ok(trust_vouched(t.box[A].c, key_of(&t, A), add_name, &n));
	snprintf(last, sizeof(last), "Ateneu Sud(%.4s) ", ID(&x));
	assert_non_null(strstr(n.text, last));
	assert_int_equal(strlen(n.text),
			 TRUST_OF_ONE * strlen("Made up(xxxx) ") + strlen(last));
	close_town(&t);
}

/* Trust ends here at once, whether others let this box say so or not: a box that was sent away from
 * the community in which it vouched can disconnect the other all the same. */
/* However many it says: the one that a volunteer takes back goes. */
static void any_of_very_many_can_be_taken_back(void **state)
{
	struct secret *many[TRUST_LOOK + 5];
	struct town t;

	open_town(&t);
	for (int i = 0; i < TRUST_LOOK + 5; i++) {
		many[i] = test_key(100 + (unsigned)i);
		assert_ok(says(&t, A, secret_pubkey(many[i]), "n"));
	}
	for (int i = 0; i < TRUST_LOOK + 5; i++) {
		assert_int_equal(takes_back(&t, A, secret_pubkey(many[i])), 1);
		assert_int_equal(takes_back(&t, A, secret_pubkey(many[i])), 0);
		secret_free(many[i]);
	}
	close_town(&t);
}

static void where_this_box_may_not_write_any_more_nothing_holds_it_back(void **state)
{
	struct town t;
	struct pubkey x = {{9}};

	open_town(&t);
	assert_ok(says(&t, B, &x, NULL));
	meet(&t);
	assert_ok(conn_begin(t.box[A].c));
	assert_ok(community_remove(t.box[A].c, &t.space, key_of(&t, B), t.steward));
	assert_ok(conn_commit(t.box[A].c));
	meet(&t);
	assert_int_equal(takes_back(&t, B, &x), 0);
	close_town(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_box_shows_alike_who_vouches_for_whom),
		cmocka_unit_test(no_claimed_date_says_which_vouches_come_first),
		cmocka_unit_test(nobody_vouches_in_anothers_name_or_for_themselves),
		cmocka_unit_test(hostile_names_are_no_ops),
		cmocka_unit_test(a_chain_begins_at_a_box_that_we_know),
		cmocka_unit_test(circles_and_long_ways_end),
		cmocka_unit_test(whom_the_chains_lead_to),
		cmocka_unit_test(one_peer_does_not_fill_all_places),
		cmocka_unit_test(any_of_very_many_can_be_taken_back),
		cmocka_unit_test(where_this_box_may_not_write_any_more_nothing_holds_it_back),
	};

	return run_group(tests);
}
