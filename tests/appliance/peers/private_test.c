/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What an approved peer that a private space did not admit gets of it, whatever it asks: nothing.
 * Asked are the hooks that sync is given, on a connection on which nobody has signed in, and the
 * answers of the engine with these hooks.
 */
#include "tests/appliance/site.h"
#include "appliance/forum/forum.h"
#include "appliance/peers/peers.h"
#include "appliance/spaces/spaces.h"
#include "sync/replicate/ranges.h"
#include "sync/replicate/serve.h"

static struct site site;
static struct hash space;
static struct secret *stranger, *carrier;
static struct sync_host host;

static struct pubkey key_of(const struct secret *s)
{
	return *secret_pubkey(s);
}

static bool shares(const struct secret *peer, const struct hash *what)
{
	struct pubkey key = key_of(peer);

	return host.shares(host.ctx, &key, what);
}

static void the_hooks_give_a_private_space_to_who_was_admitted_alone(void **state)
{
	struct hash unknown = {{7}};

	assert_true(shares(stranger, &site.space));
	assert_true(shares(carrier, &site.space));
	assert_false(shares(stranger, &space));
	assert_true(shares(carrier, &space));
	/* One that is not here is as one that is kept from them. */
	assert_false(shares(stranger, &unknown));
	/* Who is no peer gets nothing at all. */
	assert_false(host.shares(host.ctx, secret_pubkey(site.steward), &site.space));
}

static void what_the_terms_say_opens_no_private_space(void **state)
{
	struct pubkey key = key_of(stranger);
	struct peer_terms t = {.others = PEER_GIVE | PEER_TAKE};

	assert_ok(peers_terms_set(&t, &space, PEER_GIVE | PEER_TAKE));
	assert_ok(peers_set_terms(site.app, &key, &t, NULL, NULL));
	assert_false(shares(stranger, &space));
	/* But they close one, also to who was admitted. */
	key = key_of(carrier);
	t = (struct peer_terms){.others = PEER_GIVE | PEER_TAKE};
	assert_ok(peers_terms_set(&t, &space, PEER_TAKE));
	assert_ok(peers_set_terms(site.app, &key, &t, NULL, NULL));
	assert_false(shares(carrier, &space));
	t = (struct peer_terms){.others = PEER_GIVE | PEER_TAKE};
	assert_ok(peers_set_terms(site.app, &key, &t, NULL, NULL));
	assert_true(shares(carrier, &space));
}

/* --- the engine's answers --- */

static struct session_options options(const struct secret *peer)
{
	return (struct session_options){.self = site.app->self,
					.peer = key_of(peer),
					.env = site.app->env,
					.name = "a",
					.ctx = host.ctx,
					.shares = host.shares,
					.follows = host.follows};
}

static bool holds(const struct buf *b, const struct hash *id)
{
	return memmem(b->p, b->n, id->b, sizeof(id->b));
}

static void status_does_not_name_it(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct session_options of_stranger = options(stranger), of_carrier = options(carrier);
	_cleanup_(buf_release) struct buf theirs = {0};
	_cleanup_(buf_release) struct buf carried = {0};

	assert_ok(app_conn(site.app, &c));
	assert_ok(serve_status(&of_stranger, c->log, &theirs));
	assert_true(holds(&theirs, &site.space));
	assert_false(holds(&theirs, &space));
	assert_ok(serve_status(&of_carrier, c->log, &carried));
	assert_true(holds(&carried, &space));
}

static struct error *take(struct conn *c, void *arg)
{
	return intake_run(c->log, arg);
}

/* What an answer consists of, apart from the greeting and the end. */
struct answer {
	size_t entries, heads, locators, missing, ranges, forks, digests, notes;
	enum error_code why; /* of the last note */
};

static void add_frame(struct answer *a, const struct frame *f)
{
	a->entries += f->type == FRAME_ENTRIES ? f->entries.n : 0;
	a->heads += f->type == FRAME_HEADS ? f->heads.n : 0;
	a->digests += f->type == FRAME_DIGESTS ? f->digests.n : 0;
	a->locators += f->type == FRAME_LOCATOR;
	a->missing += f->type == FRAME_MISSING;
	a->ranges += f->type == FRAME_RANGES;
	a->forks += f->type == FRAME_FORK;
	if (f->type == FRAME_NOTE) {
		a->notes++;
		a->why = f->note.why;
	}
}

/* Asks as `peer` with this body. */
static struct answer ask(const struct secret *peer, enum serving_kind kind, const struct buf *body)
{
	struct session_options o = options(peer);
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(serving_freep) struct serving *v = serving_new(&o, kind);
	_cleanup_(stream_reader_freep) struct stream_reader *r = stream_reader_new(~0u);
	_cleanup_(buf_release) struct buf out = {0};
	struct answer a = {.why = ERR_NONE};
	const struct frame *f;
	struct intake *in;
	bool end = false;

	assert_ok(app_conn(site.app, &c));
	serving_feed(v, buf_span(body));
	for (;;) {
		assert_ok(serving_next(v, c->log, &in));
		if (!in)
			break;
		assert_ok(writer_run(site.app->writer, take, in));
		serving_written(v);
	}
	assert_ok(serving_end(v, c->log));
	while (!end)
		assert_ok(serving_answer(v, c->log, &out, &end));
	stream_feed(r, buf_span(&out));
	for (;;) {
		assert_ok(stream_next(r, &f));
		if (!f)
			break;
		add_frame(&a, f);
	}
	assert_ok(stream_finish(r));
	return a;
}

static size_t given(const struct answer *a)
{
	return a->entries + a->heads + a->locators + a->missing + a->ranges + a->forks + a->digests;
}

/* The log of this box in the private space: all that a stranger could have learned elsewhere. */
static struct log_info own_log(void)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct log_info *infos, found = {0};
	struct arena arena = {0};
	size_t n;

	assert_ok(app_conn(site.app, &c));
	assert_ok(heads_logs(c->log, &space, &arena, &infos, &n));
	assert_true(n > 0);
	found = infos[0];
	arena_release(&arena);
	assert_true(found.head >= 3);
	return found;
}

static void begin(struct stream_writer *w, struct buf *out)
{
	stream_begin(w, out);
}

/* What a stranger is answered who asks for that space, with these heads of it. */
static struct answer ask_for(const struct secret *peer, const struct hash *id,
			     const struct head *heads, size_t n)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct stream_writer w;

	begin(&w, &body);
	stream_put_heads(&w, id, heads, n);
	stream_put_end(&w);
	return ask(peer, SERVE_PULL, &body);
}

static void a_pull_that_names_it_is_answered_as_one_that_names_nothing(void **state)
{
	struct hash none = hash_bytes(span_str("the id of nothing"));
	struct log_info info = own_log();
	struct head one = {.id = info.id, .seq = 1, .hash = info.head_hash}, other = one;
	struct answer a, b;

	a = ask_for(stranger, &space, NULL, 0);
	b = ask_for(stranger, &none, NULL, 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(given(&a), 0);
	a = ask_for(carrier, &space, NULL, 0);
	assert_true(a.entries >= 3);

	/* Also with a head that it knows from somewhere: it is told where that log could have parted,
	 * which is at its beginning. */
	other.id.space = none;
	a = ask_for(stranger, &space, &one, 1);
	b = ask_for(stranger, &none, &other, 1);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.entries + a.missing + a.ranges + a.forks + a.digests, 0);
	a = ask_for(carrier, &space, &one, 1);
	assert_true(given(&a) > 0);
}

static void neither_payloads_nor_ranges_are_given(void **state)
{
	_cleanup_(ranges_asker_freep) struct ranges_asker *asker = NULL;
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(buf_release) struct buf question = {0};
	struct log_info info = own_log();
	struct head rows[1] = {{.id = info.id, .seq = 1}};
	struct seq_range all = {1, info.head};
	struct stream_writer w;
	struct answer a;

	begin(&w, &body);
	stream_put_missing(&w, &info.id, &all, 1);
	stream_put_end(&w);
	a = ask(stranger, SERVE_PULL, &body);
	assert_int_equal(given(&a), 0);
	a = ask(carrier, SERVE_PULL, &body);
	assert_int_equal(a.entries, info.head);

	asker = ranges_asker_new(site.app->env, &space, rows, 1);
	ranges_ask(asker, &question);
	buf_clear(&body);
	begin(&w, &body);
	stream_put_ranges(&w, buf_span(&question));
	stream_put_end(&w);
	a = ask(stranger, SERVE_PULL, &body);
	assert_int_equal(given(&a), 0);
	assert_int_equal(a.why, ERR_DENIED);
	a = ask(carrier, SERVE_PULL, &body);
	assert_int_equal(a.ranges, 1);
}

static void a_push_brings_nothing_in_and_nothing_out(void **state)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct log_info info = own_log();
	struct locator_sample sample = {.seq = 2};
	struct stream_writer w;
	struct answer a;

	begin(&w, &body);
	stream_put_locator(&w, &info.id, &sample, 1);
	stream_put_end(&w);
	a = ask(stranger, SERVE_PUSH, &body);
	assert_int_equal(given(&a), 0);
	a = ask(carrier, SERVE_PUSH, &body);
	assert_true(a.entries > 0);
}

/* One entry that this box signed for the private space, as a push. */
static void push_of(const struct secret *key, struct buf *out)
{
	struct entry e = {.space = space,
			  .seq = 1,
			  .incarnation = 7,
			  .rules = space,
			  .flags = ENTRY_SEALED,
			  .epoch = 1,
			  .time = env_now(site.app->env)};
	struct log_id own = {space, key_of(key), 7};
	struct stored s = {.seq = 1, .payload = span_str("what nobody asked for")};
	struct stream_writer w;

	entry_make(&e, NULL, key, s.salt, s.payload, &s.raw);
	s.hash = entry_hash(&s.raw);
	s.op_id = entry_op_id(&s.raw);
	stream_begin(&w, out);
	stream_entries_begin(&w, &own);
	assert_true(stream_entries_add(&w, &s, false));
	stream_entries_end(&w);
	stream_put_end(&w);
}

/* It is refused by name, and neither entry nor log nor anything of the space is the richer for it.
 */
static void entries_of_who_was_not_admitted_are_not_taken(void **state)
{
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct log_id own = {space, key_of(stranger), 7};
	struct log_counts before, after;
	struct log_info info;
	struct answer a;

	assert_ok(app_conn(site.app, &c));
	assert_ok(log_count(c->log, &space, &before));
	push_of(stranger, &body);
	a = ask(stranger, SERVE_PUSH, &body);
	assert_int_equal(a.entries + a.heads + a.locators + a.missing + a.ranges + a.forks, 0);
	assert_int_equal(a.notes, 1);
	assert_true(a.why == ERR_NOT_ADMITTED || a.why == ERR_DENIED);
	assert_ok(log_count(c->log, &space, &after));
	assert_int_equal(after.entries, before.entries);
	assert_int_equal(after.logs, before.logs);
	assert_fails(log_info_get(c->log, &own, &info), ERR_NOT_FOUND);
	/* Nor through one that may carry it, and brings what it was given. */
	a = ask(carrier, SERVE_PUSH, &body);
	assert_true(a.why == ERR_NOT_ADMITTED);
	assert_fails(log_info_get(c->log, &own, &info), ERR_NOT_FOUND);
}

/* --- files --- */
static struct error *file_job(struct conn *c, void *arg)
{
	const struct hash *blob = arg;
	struct hash key = {{5}}, id;

	return community_submit(
		c,
		&(struct draft){.type = "file.create",
				.space = space,
				.author = site.steward,
				.take_body = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s}",
						       "kind", "pdf", "blob", ID(blob), "size",
						       100000, "sha256", ID(blob), "title", "x",
						       "path", "x.pdf", "key", ID(&key))},
		&id);
}

static bool is_asked(const struct secret *peer, const struct hash *blob)
{
	struct pubkey key = key_of(peer);
	struct blob_walk walk = {0};
	struct hash named;
	uint64_t size;

	return host.next_blob(host.ctx, &key, &walk, &named, &size) && hash_eq(&named, blob);
}

static void its_files_are_asked_for_at_who_was_admitted_alone(void **state)
{
	struct hash blob = hash_bytes(span_str("sealed bytes that are not here"));
	struct pubkey key = key_of(carrier);

	assert_ok(writer_run(site.app->writer, file_job, &blob));
	assert_false(is_asked(stranger, &blob));
	assert_true(is_asked(carrier, &blob));
	/* Who was removed would learn that it goes on. */
	assert_ok(spaces_remove(site.app, &space, &key, 0, site.steward));
	assert_false(is_asked(carrier, &blob));
	assert_ok(spaces_admit(site.app, &space, &key, "carrier", ADMIT_CARRY, site.steward));
	assert_true(is_asked(carrier, &blob));
}

static void fill(void)
{
	struct spaces_new what = {.name = "Consell",
				  .is_private = true,
				  .steward = site.steward,
				  .steward_name = "remei"};
	struct peers_approval peer = {.address = "127.0.0.1:9", .name = "stranger"};
	struct pubkey key;

	stranger = test_key(600);
	carrier = test_key(601);
	assert_ok(spaces_found(site.app, &what, &space));
	peer.key = key_of(stranger);
	assert_ok(peers_approve(site.app, &peer));
	peer.key = key = key_of(carrier);
	peer.name = "carrier";
	assert_ok(peers_approve(site.app, &peer));
	assert_ok(spaces_admit(site.app, &space, &key, "carrier", ADMIT_CARRY, site.steward));
	host = peers_host(site.app);
}

static int open_site(void **state)
{
	site_open(&site);
	fill();
	return 0;
}

static int close_site(void **state)
{
	secret_free(stranger);
	secret_free(carrier);
	site_close(&site);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hooks_give_a_private_space_to_who_was_admitted_alone),
		cmocka_unit_test(what_the_terms_say_opens_no_private_space),
		cmocka_unit_test(status_does_not_name_it),
		cmocka_unit_test(a_pull_that_names_it_is_answered_as_one_that_names_nothing),
		cmocka_unit_test(neither_payloads_nor_ranges_are_given),
		cmocka_unit_test(a_push_brings_nothing_in_and_nothing_out),
		cmocka_unit_test(entries_of_who_was_not_admitted_are_not_taken),
		cmocka_unit_test(its_files_are_asked_for_at_who_was_admitted_alone),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, close_site);
}
