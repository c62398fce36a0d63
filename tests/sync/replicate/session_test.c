/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"
#include "tests/sync/replicate/run.h"
#include "sync/replicate/ranges.h"
#include "sync/replicate/sender.h"

struct fixture {
	struct test_env env;
	char *dir;
	struct box a, b;
	struct secret *ada;
	struct hash space;
};

/* A founds a space and admits B; B carries nothing yet. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	test_env_init(&f->env, 1764000000000, 1);
	f->dir = test_dir();
	f->ada = test_key(100);
	box_init(&f->a, &f->env, f->dir, "a", 1);
	box_init(&f->b, &f->env, f->dir, "b", 2);
	f->space = box_found(&f->a, f->ada);
	box_admit(&f->a, &f->space, secret_pubkey(f->b.key));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	box_release(&f->a);
	box_release(&f->b);
	secret_free(f->ada);
	test_dir_remove(f->dir);
	free(f);
	return 0;
}

static void write_n(struct fixture *f, struct box *b, int n, const char *word)
{
	for (int i = 0; i < n; i++) {
		char text[64];

		snprintf(text, sizeof(text), "{\"type\":\"post\",\"n\":%d,\"w\":\"%s\"}", i, word);
		box_write(b, &f->space, f->ada, text);
	}
}

static void assert_same(struct fixture *f)
{
	struct hash a = box_digest(&f->a), b = box_digest(&f->b);

	assert_id_equal(&a, &b);
}

static struct log_info log_of(struct box *b, const struct hash *space, const struct pubkey *who)
{
	struct arena arena = {0};
	struct log_info *infos, found = {0};
	size_t n;

	NEED(heads_logs(b->log, space, &arena, &infos, &n));
	for (size_t i = 0; i < n; i++)
		if (pubkey_eq(&infos[i].id.appliance, who))
			found = infos[i];
	arena_release(&arena);
	return found;
}

static void a_joining_box_gets_everything_and_asks_no_more_when_equal(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	write_n(f, &f->a, 10, "one");
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.received, 12);
	assert_true(r.equal);
	assert_int_equal(r.requests, 2);
	assert_string_equal(r.peer_name, "a");
	assert_same(f);
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.requests, 1);
	assert_int_equal(r.rounds, 0);
	assert_true(r.equal);
	assert_true(r.bytes_in < 300);
}

static void both_directions_move_in_one_exchange(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	boxes_sync(&f->b, &f->a);
	write_n(f, &f->a, 3, "a");
	write_n(f, &f->b, 5, "b");
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.received, 5);
	assert_int_equal(r.sent, 3);
	assert_int_equal(r.accepted, 3);
	assert_true(r.equal);
	assert_same(f);
}

static void ten_new_entries_into_many_are_a_few_kilobytes(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	write_n(f, &f->a, 500, "many");
	boxes_sync(&f->b, &f->a);
	write_n(f, &f->a, 10, "new");
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.received, 10);
	assert_true(r.bytes_in + r.bytes_out < 6000);
}

static void a_log_that_is_not_admitted_is_known_not_held_and_comes_later(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct box c;

	boxes_sync(&f->b, &f->a);
	box_init(&c, &f->env, f->dir, "c", 3);
	boxes_sync(&c, &f->a);
	box_write(&c, &f->space, f->ada, "{\"type\":\"post\"}");
	/* C's log is not listed by the rules, so C does not even offer it. */
	r = boxes_sync(&c, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.sent, 0);
	/* Somebody who says so anyway is refused, in words. */
	NEED(log_admit(c.log, &f->space, secret_pubkey(c.key), true));
	r = boxes_sync(&c, &f->a);
	assert_false(r.equal);
	assert_int_equal(r.accepted, 0);
	assert_int_equal(r.refusals, 1);
	assert_true(r.refused[0].by_peer);
	assert_int_equal(r.refused[0].why, ERR_NOT_ADMITTED);
	box_admit(&f->a, &f->space, secret_pubkey(c.key));
	r = boxes_sync(&c, &f->a);
	assert_int_equal(r.accepted, 1);
	assert_true(r.equal);
	box_release(&c);
}

/* A ledger of one number. */
static int64_t charged;

static bool charge(void *ctx, const struct log_id *log, const struct ingest *run, uint64_t bytes)
{
	charged += (int64_t)bytes;
	return true;
}

static void uncharge(void *ctx, const struct log_id *log, const struct ingest *run, size_t entries,
		     uint64_t bytes)
{
	charged -= (int64_t)bytes;
}

static void what_is_refused_or_known_costs_nothing_of_the_quota(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct box c;

	boxes_sync(&f->b, &f->a);
	box_init(&c, &f->env, f->dir, "c", 3);
	boxes_sync(&c, &f->a);
	box_write(&c, &f->space, f->ada, "{\"type\":\"post\"}");
	NEED(log_begin(c.log));
	NEED(log_admit(c.log, &f->space, secret_pubkey(c.key), true));
	NEED(log_commit(c.log));
	f->a.o.room = charge;
	f->a.o.unused = uncharge;
	charged = 0;
	for (int i = 0; i < 3; i++) {
		r = boxes_sync(&c, &f->a);
		assert_int_equal(r.refused[0].why, ERR_NOT_ADMITTED);
		assert_int_equal(charged, 0);
	}
	box_admit(&f->a, &f->space, secret_pubkey(c.key));
	r = boxes_sync(&c, &f->a);
	assert_int_equal(r.accepted, 1);
	assert_int_equal(charged, ENTRY_HEADER + strlen("{\"type\":\"post\"}"));
	box_release(&c);
}

static void an_admission_that_comes_behind_its_log_is_caught_up_in_the_same_exchange(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	boxes_sync(&f->b, &f->a);
	/* A sees the log of C before its own admission of it: its log is older there. */
	struct box c;

	box_init(&c, &f->env, f->dir, "c", 3);
	boxes_sync(&c, &f->a);
	NEED(log_admit(f->a.log, &f->space, secret_pubkey(c.key), true));
	NEED(log_admit(c.log, &f->space, secret_pubkey(c.key), true));
	box_write(&c, &f->space, f->ada, "{\"type\":\"post\"}");
	boxes_sync(&c, &f->a);
	/* B admits it, which A learns last: B's log comes to a newcomer behind C's. */
	box_admit(&f->b, &f->space, secret_pubkey(c.key));
	boxes_sync(&f->a, &f->b);
	box_release(&c);
	box_init(&c, &f->env, f->dir, "d", 4);
	r = boxes_sync(&c, &f->a);
	assert_true(r.equal);
	assert_true(r.rounds > 1);
	box_release(&c);
}

static void a_copied_box_is_found_out_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct box twin;

	write_n(f, &f->a, 20, "before");
	boxes_sync(&f->b, &f->a);
	twin = (struct box){.env = &f->env, .key = test_key(1), .folded = f->a.folded};
	twin.o = f->a.o;
	twin.path = path_join(f->dir, "twin.db");
	NEED(db_backup(log_db(f->a.log), twin.path));
	box_open_log(&twin);
	write_n(f, &f->a, 3, "original");
	write_n(f, &twin, 9, "copy");
	boxes_sync(&f->b, &f->a);
	r = boxes_sync(&twin, &f->b);
	assert_true(r.forks > 0);
	assert_true(r.new_incarnation);
	/* Its own, and what it never wrote itself but was signed with its key. */
	assert_int_equal(r.carried, 12);
	r = boxes_sync(&f->a, &f->b);
	assert_true(r.new_incarnation);
	assert_true(r.carried <= 3);
	boxes_sync(&twin, &f->b);
	r = boxes_sync(&twin, &f->b);
	assert_true(r.equal);
	r = boxes_sync(&f->a, &f->b);
	r = boxes_sync(&f->a, &f->b);
	assert_true(r.equal);
	assert_same(f);
	box_release(&twin);
}

/* An honest box has no entry that its author did not sign: behind one there is nothing to give back, and
 * whoever wrote a million of them does not have each checked at every exchange. */
static void behind_a_fork_what_follows_a_false_author_is_not_offered(void **state)
{
	static const uint8_t salt[ENTRY_SALT] = {1};
	struct fixture *f = *state;
	struct secret *owner = test_key(50);
	struct log_id id = {f->space, *secret_pubkey(owner), 7};
	struct entry_bytes raw[3], other;
	struct fork_proof proof;
	struct ingest_result result;
	struct error *refused = NULL;
	struct entry e = {.incarnation = 7, .space = f->space, .rules = f->space, .time = 1};
	bool is_new;

	for (int i = 0; i < 3; i++) {
		e.seq = (uint64_t)i + 1;
		entry_make(&e, f->ada, owner, salt, span_str("{}"), &raw[i]);
		if (i == 1) {
			other = raw[i];
			raw[i].b[224] ^= 1;
			entry_carry(&raw[i], 2, 7, &e.prev, owner, &raw[i]);
		}
		e.prev = entry_hash(&raw[i]);
		e.time++;
	}
	proof = (struct fork_proof){raw[1], other};
	NEED(log_begin(f->a.log));
	NEED(log_admit(f->a.log, &f->space, &id.appliance, true));
	NEED(log_ingest(f->a.log, &(struct ingest){.id = &id, .first = 1, .headers = raw, .n = 3},
			&result, &refused));
	NEED(refused);
	assert_int_equal(result.added, 3);
	NEED(log_ingest_fork(f->a.log, &proof, &is_new));
	assert_true(is_new);
	NEED(log_commit(f->a.log));
	{
		_cleanup_(sender_freep) struct sender *s = sender_new();

		NEED(sender_plan_disputed(s, f->a.log, &f->space, &id.appliance));
		assert_false(sender_gives(s));
	}
	secret_free(owner);
}

static void an_old_copy_that_was_restored_begins_a_new_incarnation(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	char *old = path_join(f->dir, "old.db");
	uint64_t was = log_incarnation(f->a.log);

	write_n(f, &f->a, 5, "kept");
	NEED(db_backup(log_db(f->a.log), old));
	write_n(f, &f->a, 5, "lost with the card");
	boxes_sync(&f->b, &f->a);
	log_close(f->a.log);
	free(f->a.path);
	f->a.path = old;
	box_open_log(&f->a);
	assert_true(log_incarnation(f->a.log) == was);
	r = boxes_sync(&f->b, &f->a);
	assert_true(log_incarnation(f->a.log) != was);
	assert_int_equal(r.accepted, 5);
	assert_true(r.equal);
	assert_int_equal(r.forks, 0);
	write_n(f, &f->a, 1, "after");
	boxes_sync(&f->b, &f->a);
	assert_same(f);
}

static struct error *count_live(void *ctx, const struct stored *e)
{
	*(int *)ctx += e->live;
	return NULL;
}

static void an_old_copy_that_wrote_on_gets_back_what_it_had_lost(void **state)
{
	struct fixture *f = *state;
	char *old = path_join(f->dir, "old.db");
	struct hash lost;
	int live = 0;

	write_n(f, &f->a, 2, "kept");
	NEED(db_backup(log_db(f->a.log), old));
	write_n(f, &f->a, 3, "lost with the card");
	lost = box_write(&f->a, &f->space, f->ada, "{\"type\":\"lost\"}");
	boxes_sync(&f->b, &f->a);
	log_close(f->a.log);
	free(f->a.path);
	f->a.path = old;
	box_open_log(&f->a);
	write_n(f, &f->a, 6, "written on");
	for (int i = 0; i < 4; i++)
		boxes_sync(&f->a, &f->b);
	NEED(log_op(f->a.log, &lost, count_live, &live));
	assert_int_equal(live, 1);
	live = 0;
	NEED(log_op(f->b.log, &lost, count_live, &live));
	assert_int_equal(live, 1);
	assert_true(boxes_sync(&f->a, &f->b).equal);
	assert_same(f);
}

/* Give a box the entries of another without their payloads. */
static struct error *strip(void *ctx, const struct stored *e)
{
	struct ingest_payload none = {.state = PAYLOAD_NOT_HELD};
	struct log_id id = entry_log(&e->raw);
	struct ingest in = {
		.id = &id, .first = e->seq, .headers = &e->raw, .payloads = &none, .n = 1};
	struct ingest_result result;
	struct error *refused;
	struct box *to = ctx;

	NEED(log_ingest(to->log, &in, &result, &refused));
	NEED(refused);
	return NULL;
}

static void missing_payloads_are_asked_for_again_though_the_heads_are_equal(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct log_info info;

	write_n(f, &f->a, 300, "content");
	NEED(log_begin(f->b.log));
	NEED(log_arrivals(f->a.log, 0, 0, strip, &f->b));
	NEED(log_commit(f->b.log));
	NEED(log_admit(f->b.log, &f->space, secret_pubkey(f->a.key), true));
	box_audit(&f->b);
	assert_same(f);
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.filled, 302);
	info = log_of(&f->b, &f->space, secret_pubkey(f->a.key));
	assert_int_equal(info.missing, 0);
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.requests, 1);
}

static void the_other_side_fills_what_the_server_misses(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	write_n(f, &f->a, 30, "content");
	NEED(log_begin(f->b.log));
	NEED(log_arrivals(f->a.log, 0, 0, strip, &f->b));
	NEED(log_commit(f->b.log));
	NEED(log_admit(f->b.log, &f->space, secret_pubkey(f->a.key), true));
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.accepted, 32);
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.requests, 1);
}

/* B writes an entry of its own whose author did not sign it, and vouches for it. */
static void write_unsigned(struct fixture *f, struct box *b)
{
	struct log_id id = {f->space, *secret_pubkey(b->key), log_incarnation(b->log)};
	struct ingest_payload p = {.salt = (const uint8_t *)"0123456789abcdef",
				   .bytes = span_str("{}")};
	struct entry e = {.space = f->space, .rules = f->space, .payload_len = 2};
	struct entry_bytes raw, forged;
	struct ingest_result result;
	struct error *refused;
	struct log_info info;
	struct ingest in = {.id = &id, .headers = &forged, .payloads = &p, .n = 1};

	NEED(log_info_get(b->log, &id, &info));
	e.seq = in.first = info.head + 1;
	e.incarnation = id.incarnation;
	e.prev = info.head_hash;
	entry_make(&e, f->ada, b->key, p.salt, p.bytes, &raw);
	raw.b[230] ^= 1;
	entry_carry(&raw, e.seq, id.incarnation, &info.head_hash, b->key, &forged);
	NEED(log_begin(b->log));
	NEED(log_ingest(b->log, &in, &result, &refused));
	NEED(refused);
	assert_int_equal(result.added, 1);
	NEED(log_commit(b->log));
}

static void an_entry_that_its_author_did_not_sign_ends_its_log_on_every_box(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct log_info ia;
	struct box c;

	box_init(&c, &f->env, f->dir, "c", 3);
	boxes_sync(&f->b, &f->a);
	write_n(f, &f->b, 3, "good");
	write_unsigned(f, &f->b);
	r = boxes_sync(&f->b, &f->a);
	ia = log_of(&f->a, &f->space, secret_pubkey(f->b.key));
	assert_int_equal(ia.ended, 4);
	assert_int_equal(ia.live, 3);
	/* The proof travels to one who only ever meets A. */
	boxes_sync(&c, &f->a);
	ia = log_of(&c, &f->space, secret_pubkey(f->b.key));
	assert_int_equal(ia.ended, 4);
	r = boxes_sync(&c, &f->a);
	assert_int_equal(r.requests, 1);
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.requests, 1);
	box_release(&c);
}

/* Two entries of B's log behind its head: the first not signed by B itself, but vouched for by the
 * chain. */
static void make_unsigned_run(struct fixture *f, const struct log_info *info,
			      struct entry_bytes out[2])
{
	struct entry e = {.space = f->space, .rules = f->space, .payload_len = 2};
	static const uint8_t salt[ENTRY_SALT] = "sixteen bytes !";

	e.incarnation = info->id.incarnation;
	e.prev = info->head_hash;
	for (int i = 0; i < 2; i++) {
		e.seq = info->head + 1 + (uint64_t)i;
		e.time = i;
		entry_make(&e, f->ada, f->b.key, salt, span_str("{}"), &out[i]);
		if (i == 0)
			out[i].b[300] ^= 1;
		e.prev = entry_hash(&out[i]);
	}
}

static void what_is_only_vouched_for_gives_way_to_what_is_signed_whoever_asks(void **state)
{
	for (int who = 0; who < 2; who++) {
		struct fixture *f = *state;
		struct entry_bytes run[2];
		struct ingest_payload none[2] = {{.state = PAYLOAD_NOT_HELD},
						 {.state = PAYLOAD_NOT_HELD}};
		struct log_info info;
		struct ingest in = {.id = &info.id, .headers = run, .payloads = none, .n = 2};
		struct ingest_result result;
		struct error *refused = NULL;
		struct sync_report r;
		struct box c;

		box_init(&c, &f->env, f->dir, who ? "d" : "c", 3);
		boxes_sync(&f->b, &f->a);
		write_n(f, &f->b, 2, "signed");
		boxes_sync(&f->b, &f->a);
		boxes_sync(&c, &f->a);
		info = log_of(&f->b, &f->space, secret_pubkey(f->b.key));
		make_unsigned_run(f, &info, run);
		in.first = info.head + 1;
		NEED(log_begin(c.log));
		NEED(log_ingest(c.log, &in, &result, &refused));
		NEED(refused);
		assert_int_equal(result.added, 2);
		NEED(log_commit(c.log));
		write_n(f, &f->b, 3, "other");
		boxes_sync(&f->b, &f->a);
		r = who ? boxes_sync(&c, &f->a) : boxes_sync(&f->a, &c);
		if (!r.equal)
			r = who ? boxes_sync(&c, &f->a) : boxes_sync(&f->a, &c);
		assert_true(r.equal);
		box_release(&c);
	}
}

static void cut_at_any_byte_what_came_whole_is_kept_and_the_rest_follows(void **state)
{
	struct fixture *f = *state;
	struct sync_report r = {0};
	uint64_t total, refused = 0;

	write_n(f, &f->a, 40, "content");
	boxes_sync(&f->b, &f->a);
	for (uint64_t cut = 1;; cut += 1 + cut / 12) {
		struct pipe p = {.client = &f->b, .server = &f->a, .cut_after = cut, .piece = 1000};
		struct error *e;

		write_n(f, &f->a, 1, "more");
		write_n(f, &f->b, 1, "mine");
		e = pipe_exchange(&p, &r);
		if (!e)
			break;
		refused++;
		assert_true(error_is(e, ERR_NET) || error_is(e, ERR_MALFORMED));
		error_free(e);
	}
	assert_true(refused > 10);
	total = boxes_sync(&f->b, &f->a).requests;
	assert_true(total <= 3);
	assert_same(f);
}

static void a_bit_flipped_anywhere_is_noticed_and_nothing_false_is_stored(void **state)
{
	struct fixture *f = *state;
	unsigned noticed = 0;

	boxes_sync(&f->b, &f->a);
	for (uint64_t at = 1;; at += 7 + at / 8) {
		struct pipe p = {.client = &f->b, .server = &f->a, .flip_at = at};
		struct verify_report v;
		struct sync_report r;
		struct error *e, *fault = NULL;

		write_n(f, &f->a, 1, "x");
		write_n(f, &f->b, 1, "y");
		e = pipe_exchange(&p, &r);
		noticed += e != NULL;
		error_free(e);
		NEED(log_verify(f->a.log, NULL, NULL, &v, &fault));
		NEED(fault);
		NEED(log_verify(f->b.log, NULL, NULL, &v, &fault));
		NEED(fault);
		if (p.passed < at)
			break;
	}
	assert_true(noticed > 10);
	boxes_sync(&f->b, &f->a);
	assert_same(f);
}

static bool never(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return false;
}

static void what_is_not_shared_is_not_even_named(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	f->a.o.shares = never;
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.received, 0);
	assert_int_equal(r.requests, 1);
}

static void what_is_not_followed_is_not_asked_for_nor_taken(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	f->b.o.follows = never;
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.received, 0);
	assert_true(r.unknown_spaces);
	f->b.o.follows = NULL;
	boxes_sync(&f->b, &f->a);
	write_n(f, &f->b, 1, "x");
	f->a.o.follows = never;
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.accepted, 0);
}

static void who_is_called_learns_of_a_space_of_the_caller(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	write_n(f, &f->a, 3, "x");
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.accepted, 5);
	assert_int_equal(r.refusals, 0);
	assert_true(r.equal);
	assert_same(f);
	/* From then on it is a space that both carry. */
	write_n(f, &f->b, 1, "y");
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.received, 1);
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.requests, 1);
	assert_same(f);
}

/* Of many logs, too, with what is said about an admission coming before its log. */
static void a_space_of_several_boxes_is_offered_whole(void **state)
{
	struct fixture *f = *state;
	struct hash of_a, of_c;
	struct sync_report r;
	struct box c;

	boxes_sync(&f->b, &f->a);
	write_n(f, &f->b, 4, "b");
	boxes_sync(&f->a, &f->b);
	write_n(f, &f->a, 2, "a");
	box_init(&c, &f->env, f->dir, "c", 3);
	r = boxes_sync(&f->a, &c);
	assert_true(r.equal);
	of_a = box_digest(&f->a);
	of_c = box_digest(&c);
	assert_id_equal(&of_a, &of_c);
	box_release(&c);
}

static void a_space_that_is_not_followed_is_offered_in_vain_and_cheaply(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct log_info info;

	write_n(f, &f->a, 50, "x");
	f->b.o.follows = never;
	for (int i = 0; i < 2; i++) {
		r = boxes_sync(&f->a, &f->b);
		assert_int_equal(r.accepted + r.sent + r.received, 0);
		assert_int_equal(r.requests, 2);
		assert_int_equal(r.refusals, 0);
		assert_true(r.equal);
		assert_true(r.bytes_out + r.bytes_in < 1000);
	}
	info = log_of(&f->b, &f->space, secret_pubkey(f->a.key));
	assert_int_equal(info.head, 0);
}

static void what_is_not_shared_is_not_offered(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	f->a.o.shares = never;
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.requests, 1);
	assert_int_equal(r.sent, 0);
	/* Nor is it named to one who hides it: the answer says no more than that. */
	f->a.o.shares = NULL;
	boxes_sync(&f->a, &f->b);
	f->b.o.shares = never;
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.sent, 0);
	assert_int_equal(r.refusals, 0);
	assert_true(r.equal);
}

enum asking { ASK_HEADS, ASK_OFFER, ASK_RANGES, ASK_SINCE, ASK_MISSING, ASKINGS };

/* A's answer to who asks about a space in that way. */
static void ask_about(struct fixture *f, const struct hash *space, enum asking how, struct buf *out)
{
	_cleanup_(serving_freep) struct serving *v = serving_new(&f->a.o, SERVE_PULL);
	_cleanup_(buf_release) struct buf body = {0};
	struct head row = {.id = {*space, {{7}}, 7}, .seq = 1, .hash = {{7}}};
	struct seq_range all = {1, 10};
	struct stream_writer w;
	struct intake *in;
	bool end;

	stream_begin(&w, &body);
	if (how == ASK_HEADS || how == ASK_OFFER)
		stream_put_heads(&w, space, &row, how == ASK_OFFER);
	if (how == ASK_MISSING)
		stream_put_missing(&w, &row.id, &all, 1);
	if (how == ASK_SINCE)
		stream_put_since(&w, space, &row.hash, &row, 1);
	if (how == ASK_RANGES) {
		_cleanup_(buf_release) struct buf ask = {0};
		struct ranges_asker *a = ranges_asker_new(&f->env.env, space, &row, 1);

		ranges_ask(a, &ask);
		stream_put_ranges(&w, buf_span(&ask));
		ranges_asker_free(a);
	}
	stream_put_end(&w);
	serving_feed(v, buf_span(&body));
	NEED(serving_next(v, f->a.log, &in));
	NEED(serving_end(v, f->a.log));
	NEED(serving_answer(v, f->a.log, out, &end));
	assert_true(end);
}

/* The types and lengths of its frames, and how often an id is in it. */
static void shape_of(const struct buf *answer, const struct hash *id, struct buf *out)
{
	size_t at = STREAM_MAGIC, named = 0;

	while (at < answer->n) {
		size_t n = answer->p[at + 1] | (size_t)answer->p[at + 2] << 8;

		buf_add(out, answer->p + at, 5);
		at += FRAME_OVERHEAD + n;
	}
	for (size_t i = 0; i + 32 <= answer->n; i++)
		named += memcmp(answer->p + i, id->b, 32) == 0;
	buf_u8(out, (uint8_t)named);
}

static bool as_the_log_says(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return log_shared_with(ctx, space, peer);
}

static void a_space_that_is_kept_back_is_answered_as_one_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct hash unknown = {"no space has this id"};

	f->a.keeps_back = true;
	f->space = box_found(&f->a, f->ada);
	write_n(f, &f->a, 5, "secret");
	f->a.o.peer = *secret_pubkey(f->b.key);
	f->a.o.ctx = f->a.log;
	f->a.o.shares = as_the_log_says;
	for (int how = 0; how < ASKINGS; how++) {
		_cleanup_(buf_release) struct buf hidden = {0}, none = {0}, x = {0}, y = {0};

		ask_about(f, &f->space, (enum asking)how, &hidden);
		ask_about(f, &unknown, (enum asking)how, &none);
		shape_of(&hidden, &f->space, &x);
		shape_of(&none, &unknown, &y);
		assert_int_equal(x.n, y.n);
		assert_memory_equal(x.p, y.p, x.n);
	}
}

/* The box's answer to who pushes this run. */
static void push_to(struct box *b, const struct run *r, struct buf *out)
{
	_cleanup_(serving_freep) struct serving *v = serving_new(&b->o, SERVE_PUSH);
	_cleanup_(buf_release) struct buf body = {0};
	struct stream_writer w;
	struct intake *in;
	bool end;

	stream_begin(&w, &body);
	run_write(r, &w);
	stream_put_end(&w);
	serving_feed(v, buf_span(&body));
	for (;;) {
		NEED(serving_next(v, b->log, &in));
		if (!in)
			break;
		NEED(log_begin(b->log));
		NEED(intake_run(b->log, in));
		box_fold(b);
		NEED(log_commit(b->log));
		serving_written(v);
	}
	NEED(serving_end(v, b->log));
	NEED(serving_answer(v, b->log, out, &end));
	assert_true(end);
}

static void shares_as_the_log_says(struct box *b, const struct pubkey *peer)
{
	b->o.peer = *peer;
	b->o.ctx = b->log;
	b->o.shares = as_the_log_says;
}

static void who_pushes_into_a_space_that_is_kept_back_does_not_see_whether_it_was_there(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf first = {0}, again = {0}, gap = {0}, shown = {0};
	struct pubkey stranger = {"a peer that the rules don't know"};
	struct run r, end;

	run_make(&r, 8, 1, 100);
	end = r;
	end.entries += 4;
	end.n -= 4;
	shares_as_the_log_says(&f->a, &stranger);
	shares_as_the_log_says(&f->b, &stranger);
	f->a.keeps_back = f->b.keeps_back = true;
	push_to(&f->a, &r, &first); /* new to it, all of it */
	push_to(&f->a, &r, &again); /* known */
	push_to(&f->b, &end, &gap); /* refused: there is nothing that it could follow */
	assert_int_equal(first.n, again.n);
	assert_memory_equal(first.p, again.p, first.n);
	assert_int_equal(first.n, gap.n);
	assert_memory_equal(first.p, gap.p, first.n);
	/* For whom it is, is told. */
	NEED(log_begin(f->a.log));
	NEED(log_share(f->a.log, &r.id.space, &stranger, true));
	NEED(log_commit(f->a.log));
	push_to(&f->a, &r, &shown);
	assert_true(shown.n != first.n || memcmp(shown.p, first.p, first.n) != 0);
	arena_release(&r.arena);
}

static void more_than_the_limit_of_an_exchange_is_left_for_later(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	char big[9000];

	boxes_sync(&f->b, &f->a);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	box_write(&f->a, &f->space, f->ada, big);
	f->b.o.take_limit = 5000;
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.received, 0);
	assert_int_equal(r.refused[0].why, ERR_LIMIT);
	f->b.o.take_limit = 0;
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
}

static void a_client_that_lies_about_its_heads_costs_little_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct log_id id = {f->space, *secret_pubkey(f->a.key), log_incarnation(f->a.log)};
	struct head lie = {.id = id, .seq = 6, .hash = {"not a hash"}};
	_cleanup_(serving_freep) struct serving *v = serving_new(&f->a.o, SERVE_PULL);
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(buf_release) struct buf out = {0};
	struct seq_range all = {1, INT64_MAX};
	struct stream_writer w;
	struct intake *in;
	bool end;

	write_n(f, &f->a, 10, "x");
	stream_begin(&w, &body);
	stream_put_heads(&w, &f->space, &lie, 1);
	lie.seq = UINT64_MAX;
	lie.id.incarnation = 99;
	stream_put_heads(&w, &f->space, &lie, 1);
	stream_put_missing(&w, &id, &all, 1);
	stream_put_end(&w);
	serving_feed(v, buf_span(&body));
	assert_ok(serving_next(v, f->a.log, &in));
	assert_null(in);
	assert_ok(serving_end(v, f->a.log));
	assert_ok(serving_answer(v, f->a.log, &out, &end));
	assert_true(end);
	assert_true(out.n < 12 * 700);
}

/* --- many logs --- */
enum { MANY = 150 };

static void among_many_logs_only_the_differing_rows_are_said(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	f->a.o.pasts = f->b.o.pasts = NULL; /* nothing is remembered */
	boxes_sync(&f->b, &f->a);
	boxes_add_logs(&f->a, &f->b, &f->space, MANY);
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.received, 7);
	assert_int_equal(r.accepted, 8);
	assert_int_equal(r.known, 0);
	assert_int_equal(r.rounds, 1);
	assert_int_equal(r.requests, 4); /* status, ranges, pull, push */
	assert_same(f);
	/* one entry more: 13 KiB as HEADS */
	box_write(&f->a, &f->space, f->ada, "{\"type\":\"post\"}");
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.received, 1);
	assert_int_equal(r.sent, 0);
	assert_true(r.bytes_in + r.bytes_out < 2000);
}

static void without_ranges_it_comes_to_the_same(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	f->a.o.pasts = f->b.o.pasts = NULL; /* nothing is remembered */
	f->b.o.without = ABILITY_RANGES;
	boxes_sync(&f->b, &f->a);
	boxes_add_logs(&f->a, &f->b, &f->space, MANY);
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.received, 7);
	assert_int_equal(r.accepted, 8);
	assert_int_equal(r.requests, 3);
	assert_same(f);
}

/* A box that knows no ranges answers and asks as before. */
static void an_older_box_is_answered_with_whole_lists(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	f->a.o.pasts = f->b.o.pasts = NULL; /* nothing is remembered */
	f->a.o.without = ABILITY_RANGES;
	boxes_sync(&f->b, &f->a);
	boxes_add_logs(&f->a, &f->b, &f->space, MANY);
	r = boxes_sync(&f->a, &f->b); /* it asks */
	assert_true(r.equal);
	assert_int_equal(r.requests, 3);
	box_write(&f->a, &f->space, f->ada, "{\"type\":\"post\"}");
	r = boxes_sync(&f->b, &f->a); /* it is asked */
	assert_true(r.equal);
	assert_int_equal(r.received, 1);
	assert_true(r.bytes_out > MANY * 89);
}

/* --- newest first --- */
enum { LONG = 400, NEWEST = 64 };

static void write_long(struct fixture *f)
{
	char text[1600];

	for (int i = 0; i < LONG; i++) {
		snprintf(text, sizeof(text), "{\"n\":%d,\"text\":\"%*s\"}", i, 1500, "");
		box_write(&f->a, &f->space, f->ada, text);
	}
	f->a.o.newest_from = f->b.o.newest_from = NEWEST;
}

static struct log_info log_of_a(struct fixture *f, struct box *b)
{
	return log_of(b, &f->space, secret_pubkey(f->a.key));
}

static void of_a_long_log_the_newest_come_first_and_then_the_rest(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	write_long(f);
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_true(r.rounds > 1);
	/* headers once, and every payload once */
	assert_int_equal(r.received, log_of_a(f, &f->a).head);
	assert_int_equal(r.filled, r.received - NEWEST / 2 - 2); /* founding, admission */
	assert_int_equal(log_of_a(f, &f->b).missing, 0);
	assert_int_equal(log_of_a(f, &f->b).held, r.received);
	assert_same(f);
}

/* An old op without which little can be shown goes with the headers. */
static struct hash wanted_first;
static unsigned asked_first;

static void name_first(void *ctx, const struct hash *space, log_named_fn *fn, void *fn_ctx)
{
	(void)ctx;
	(void)space;
	asked_first++;
	fn(fn_ctx, &wanted_first);
}

static struct error *see_held(void *ctx, const struct stored *e)
{
	*(bool *)ctx = e->state == PAYLOAD_HELD;
	return NULL;
}

static bool is_held(struct fixture *f, struct box *b, uint64_t seq)
{
	struct log_info log = log_of_a(f, b);
	bool held = false;

	assert_ok(log_range(b->log, log.num, seq, seq, see_held, &held));
	return held;
}

static void what_is_to_come_first_travels_with_the_headers(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	wanted_first = box_write(&f->a, &f->space, f->ada, "{\"a\":\"forum\"}");
	seq = log_of_a(f, &f->a).head;
	write_long(f);
	f->a.o.first = f->b.o.first = name_first;
	asked_first = 0;
	{
		struct pipe p = {.client = &f->b, .server = &f->a, .cut_after = 200000};
		struct sync_report r;

		error_free(pipe_exchange(&p, &r));
	}
	assert_int_equal(asked_first, 1);
	assert_true(log_of_a(f, &f->b).head > seq);
	assert_true(log_of_a(f, &f->b).missing > 0);
	assert_true(is_held(f, &f->b, seq));
	assert_false(is_held(f, &f->b, seq + LONG / 2));
}

/* The box with the entries calls the other. */
static void a_long_log_that_is_pushed_comes_newest_first_too(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	boxes_sync(&f->b, &f->a);
	write_long(f);
	r = boxes_sync(&f->a, &f->b);
	assert_true(r.equal);
	assert_int_equal(log_of_a(f, &f->b).missing, 0);
	assert_int_equal(r.accepted, LONG + LONG - NEWEST / 2);
	assert_same(f);
}

static void wherever_a_long_first_sync_is_cut_nothing_comes_twice(void **state)
{
	struct fixture *f = *state;
	uint64_t whole = 0, sum = 0, cuts = 0;
	struct sync_report r;
	struct box c;

	write_long(f);
	box_init(&c, &f->env, f->dir, "whole", 3);
	c.o.newest_from = NEWEST;
	r = boxes_sync(&c, &f->a);
	whole = r.bytes_in;
	box_release(&c);
	for (;;) {
		struct pipe p = {.client = &f->b, .server = &f->a, .cut_after = 150000};
		struct log_info log;
		struct error *e = pipe_exchange(&p, &r);

		sum += r.bytes_in;
		cuts += e != NULL;
		error_free(e);
		/* What is there is whole from 1, and the newest of it can be read. */
		log = log_of_a(f, &f->b);
		assert_int_equal(log.held + log.missing, log.head);
		if (r.equal)
			break;
		assert_true(cuts < 50);
	}
	assert_true(cuts > 3);
	assert_int_equal(log_of_a(f, &f->b).missing, 0);
	/* What is lost with a cut is the frame in hand, and the questions are asked again. */
	assert_true(sum < whole + cuts * (64 * 1024 + 2000));
	assert_true(r.known <= 1000);
	box_audit(&f->b);
	assert_same(f);
}

static struct space_count announced_last;

static void note_announced(void *ctx, const struct space_count *count)
{
	announced_last = *count;
}

/* Who has a large first sync before them can say how much there is. */
static void how_much_there_is_is_said_at_once(void **state)
{
	struct fixture *f = *state;

	write_n(f, &f->a, 40, "x");
	f->b.o.announced = note_announced;
	boxes_sync(&f->b, &f->a);
	assert_id_equal(&announced_last.space, &f->space);
	assert_int_equal(announced_last.entries, 42);
}

/* --- partial boxes --- */

static bool drops_all(void *ctx, const struct hash *space)
{
	return true;
}

static void a_box_says_which_spaces_it_keeps_no_more(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	boxes_sync(&f->b, &f->a);
	assert_int_equal(boxes_sync(&f->a, &f->b).unkept_n, 0);
	f->b.o.drops = drops_all;
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(r.unkept_n, 1);
	assert_memory_equal(&r.unkept[0], &f->space, sizeof(f->space));
	assert_int_equal(r.keeps_days, 0);
	/* to who may not read it, it is not named */
	f->b.o.shares = never;
	assert_int_equal(boxes_sync(&f->a, &f->b).unkept_n, 0);
}

static void a_partial_box_asks_only_for_what_it_keeps_and_settles(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	uint64_t missing;

	for (int i = 0; i < 60; i++)
		box_write(&f->a, &f->space, f->ada, "{\"old\":true}");
	test_env_pass(&f->env, (int64_t)100 * 86400000);
	for (int i = 0; i < 60; i++)
		box_write(&f->a, &f->space, f->ada, "{\"old\":false}");
	f->a.o.newest_from = 8;
	f->b.o.keep.payload_days = 30;
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.keeps_days, 0);
	assert_int_equal(boxes_sync(&f->a, &f->b).keeps_days, 30);
	missing = log_of_a(f, &f->b).missing;
	/* the founding entry is needed by all; what is old stays where it is */
	assert_in_range(missing, 58, 61);
	assert_int_equal(log_of_a(f, &f->b).held + missing, log_of_a(f, &f->a).head);
	/* whoever asks, they have nothing more for each other, and know it from the status */
	r = boxes_sync(&f->b, &f->a);
	assert_true(r.equal);
	assert_int_equal(r.requests, 1);
	r = boxes_sync(&f->a, &f->b);
	assert_true(r.equal);
	assert_int_equal(r.requests, 1);
	/* new entries still travel, both ways */
	box_write(&f->a, &f->space, f->ada, "{}");
	box_write(&f->b, &f->space, f->ada, "{}");
	r = boxes_sync(&f->a, &f->b);
	assert_true(r.equal);
	assert_int_equal(r.received, 1);
	assert_int_equal(r.accepted, 1);
	/* who keeps more again gets the rest */
	f->b.o.keep.payload_days = 0;
	r = boxes_sync(&f->b, &f->a);
	assert_int_equal(r.filled, missing);
	assert_int_equal(log_of_a(f, &f->b).missing, 0);
}

static void a_partial_box_that_lacks_what_it_keeps_is_given_it(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	boxes_sync(&f->b, &f->a);
	for (int i = 0; i < 60; i++)
		box_write(&f->a, &f->space, f->ada, "{\"new\":true}");
	f->a.o.newest_from = 8;
	f->b.o.keep.payload_days = 30;
	/* The full one calls: headers first, then what the other asks for. */
	r = boxes_sync(&f->a, &f->b);
	assert_int_equal(log_of_a(f, &f->b).missing, 0);
	r = boxes_sync(&f->a, &f->b);
	assert_true(r.equal);
	assert_int_equal(r.requests, 1);
}

/* A full box gets from a partial one what that happens to hold. */
static void what_a_partial_box_holds_it_gives(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct box c;

	write_n(f, &f->a, 30, "x");
	boxes_sync(&f->b, &f->a);
	test_env_pass(&f->env, (int64_t)100 * 86400000);
	f->b.o.keep.payload_days = 30;
	box_init(&c, &f->env, f->dir, "c", 3);
	NEED(log_begin(c.log));
	NEED(log_arrivals(f->a.log, 0, 0, strip, &c));
	NEED(log_admit(c.log, &f->space, secret_pubkey(f->a.key), true));
	NEED(log_commit(c.log));
	box_audit(&c);
	r = boxes_sync(&c, &f->b);
	assert_int_equal(r.filled, log_of_a(f, &f->a).head);
	assert_true(r.equal);
	box_release(&c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_joining_box_gets_everything_and_asks_no_more_when_equal),
		T(both_directions_move_in_one_exchange),
		T(ten_new_entries_into_many_are_a_few_kilobytes),
		T(a_log_that_is_not_admitted_is_known_not_held_and_comes_later),
		T(what_is_refused_or_known_costs_nothing_of_the_quota),
		T(an_admission_that_comes_behind_its_log_is_caught_up_in_the_same_exchange),
		T(a_copied_box_is_found_out_and_loses_nothing),
		T(an_old_copy_that_was_restored_begins_a_new_incarnation),
		T(behind_a_fork_what_follows_a_false_author_is_not_offered),
		T(an_old_copy_that_wrote_on_gets_back_what_it_had_lost),
		T(missing_payloads_are_asked_for_again_though_the_heads_are_equal),
		T(the_other_side_fills_what_the_server_misses),
		T(an_entry_that_its_author_did_not_sign_ends_its_log_on_every_box),
		T(what_is_only_vouched_for_gives_way_to_what_is_signed_whoever_asks),
		T(cut_at_any_byte_what_came_whole_is_kept_and_the_rest_follows),
		T(a_bit_flipped_anywhere_is_noticed_and_nothing_false_is_stored),
		T(what_is_not_shared_is_not_even_named),
		T(who_pushes_into_a_space_that_is_kept_back_does_not_see_whether_it_was_there),
		T(what_is_not_followed_is_not_asked_for_nor_taken),
		T(who_is_called_learns_of_a_space_of_the_caller),
		T(a_space_of_several_boxes_is_offered_whole),
		T(a_space_that_is_not_followed_is_offered_in_vain_and_cheaply),
		T(what_is_not_shared_is_not_offered),
		T(a_space_that_is_kept_back_is_answered_as_one_that_is_not_there),
		T(more_than_the_limit_of_an_exchange_is_left_for_later),
		T(a_client_that_lies_about_its_heads_costs_little_and_changes_nothing),
		T(of_a_long_log_the_newest_come_first_and_then_the_rest),
		T(what_is_to_come_first_travels_with_the_headers),
		T(a_long_log_that_is_pushed_comes_newest_first_too),
		T(wherever_a_long_first_sync_is_cut_nothing_comes_twice),
		T(how_much_there_is_is_said_at_once),
		T(a_box_says_which_spaces_it_keeps_no_more),
		T(a_partial_box_asks_only_for_what_it_keeps_and_settles),
		T(a_partial_box_that_lacks_what_it_keeps_is_given_it),
		T(what_a_partial_box_holds_it_gives),
		T(among_many_logs_only_the_differing_rows_are_said),
		T(without_ranges_it_comes_to_the_same),
		T(an_older_box_is_answered_with_whole_lists),
	};

	return run_group(tests);
}
