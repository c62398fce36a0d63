/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which system a box runs, and its updates, between real engines: PROTOCOL.md section 20. */
#include "tests/lib/net_pair.h"
#include "sync/engine_priv.h"
#include "sync/replicate/stream.h"
#include <fcntl.h>
#include <sys/stat.h>

static struct system_said example(void)
{
	struct system_said s = {.when_ms = 1795000000000,
				.machine = "lliure-amd64",
				.version = "2026.12.1",
				.since_ms = 1794000000000,
				.back = "2026.12.3",
				.why = "page",
				.back_ms = 1794500000000,
				.offer = "2026.12.1",
				.size = 80000000};

	memset(s.blob.b, 7, sizeof(s.blob.b));
	return s;
}

/* --- the statement ---------------------------------------------------------------------------- */

static void is_read_as_it_was_said(void **st)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct secret *self = test_key(1);
	struct system_said s = example(), got;

	system_make(self, &s, &body);
	assert_true(body.n <= SYSTEM_BODY);
	assert_ok(system_read(buf_span(&body), &got));
	s.key = *secret_pubkey(self);
	assert_memory_equal(&got, &s, sizeof(s));
	memset(&got, 0, sizeof(got));
	assert_ok(system_peek(buf_span(&body), &got));
	assert_memory_equal(&got, &s, sizeof(s));
	/* Who has given nothing up and has nothing to give says less. */
	buf_clear(&body);
	s = (struct system_said){.machine = "m", .version = "1", .when_ms = 5};
	system_make(self, &s, &body);
	assert_ok(system_read(buf_span(&body), &got));
	assert_string_equal(got.version, "1");
	assert_false(*got.back || *got.offer || got.since_ms || got.size);
	secret_free(self);
}

static bool says_the_same_as_the_example(const struct secret *self, const struct system_said *s)
{
	_cleanup_(buf_release) struct buf a = {0}, b = {0};
	struct system_said first = example();

	system_make(self, &first, &a);
	system_make(self, s, &b);
	return system_same(buf_span(&a), buf_span(&b));
}

static void the_time_of_a_statement_is_none_of_what_it_says(void **st)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct secret *self = test_key(1);
	struct system_said s = example();

	s.when_ms++;
	memset(&s.key, 9, sizeof(s.key));
	assert_true(says_the_same_as_the_example(self, &s));
	s.machine[0] = 'L';
	assert_false(says_the_same_as_the_example(self, &s));
	s = example();
	s.since_ms++;
	assert_false(says_the_same_as_the_example(self, &s));
	s = example();
	s.back_ms++;
	assert_false(says_the_same_as_the_example(self, &s));
	s = example();
	s.offer[0] = 0;
	assert_false(says_the_same_as_the_example(self, &s));
	s = example();
	s.size++;
	assert_false(says_the_same_as_the_example(self, &s));
	/* What is not sent, and what lies behind the texts, says nothing. */
	s = example();
	memset(s.version + strlen(s.version) + 1, 'x', 3);
	assert_true(says_the_same_as_the_example(self, &s));
	system_make(self, &s, &body);
	assert_false(system_same(buf_span(&body), (struct span){0}));
	assert_true(system_same((struct span){0}, (struct span){0}));
	secret_free(self);
}

/* PROTOCOL.md has it. */
static void the_vector_of_the_protocol_holds(void **st)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct secret *self = test_key(1);
	struct system_said s = example();
	struct hash h;

	system_make(self, &s, &body);
	h = hash_bytes(buf_span(&body));
	assert_int_equal(body.n, 209);
	assert_string_equal(ID(&h), "no52jf2dq6hyjthhplejy4wyjplh7nczrxupt2no5o7nrcpv3wdq");
	secret_free(self);
}

static void a_changed_bit_or_a_missing_end_is_noticed(void **st)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct secret *self = test_key(1);
	struct system_said s = example(), got;

	system_make(self, &s, &body);
	for (size_t i = 0; i < body.n * 8; i++) {
		struct error *e;

		body.p[i / 8] ^= (uint8_t)(1 << i % 8);
		e = system_read(buf_span(&body), &got);
		assert_non_null(e);
		error_free(e);
		body.p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t n = 0; n < body.n; n++)
		assert_fails(system_read(span_of(body.p, n), &got), ERR_MALFORMED);
	buf_u8(&body, 0);
	assert_fails(system_read(buf_span(&body), &got), ERR_MALFORMED);
	secret_free(self);
}

/* Signed, and nonsense all the same. */
static void what_makes_no_sense_is_refused(void **st)
{
	struct secret *self = test_key(1);
	struct system_said bad[7], got;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = example();
	bad[0].machine[0] = 0;
	bad[1].version[0] = 0;
	bad[2].version[1] = ' ';
	bad[3].machine[2] = '\x1b';
	bad[4].offer[0] = (char)0x80;
	bad[5].size = 0;
	bad[6].size = (uint64_t)LIMIT_UPLOAD + 1;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_(buf_release) struct buf body = {0};

		system_make(self, &bad[i], &body);
		assert_fails(system_read(buf_span(&body), &got), ERR_MALFORMED);
	}
	secret_free(self);
}

/* --- two engines ------------------------------------------------------------------------------ */

enum { SIZE = 3 * 1024 * 1024 };

struct side {
	struct net_box *box;
	struct system_said heard;
	atomic_int heard_n;
	atomic_bool tells;
	struct hash blob;
	char path[300]; /* what it gives; "" nothing */
};

struct two {
	struct pair p;
	struct side a, b;
	struct blob_store *store; /* a's */
	struct buf bytes;
	char address[40];
};

/* net_box is the context of its host: which side is it? */
static struct two *the_two;

static struct side *side_of(void *ctx)
{
	return ctx == the_two->a.box ? &the_two->a : &the_two->b;
}

static bool tells(void *ctx, const struct pubkey *peer)
{
	(void)peer;
	return atomic_load(&side_of(ctx)->tells);
}

static void heard(void *ctx, const struct system_said *s, struct span body)
{
	struct side *k = side_of(ctx);

	assert_true(body.n > 0);
	k->heard = *s;
	atomic_fetch_add(&k->heard_n, 1);
}

static bool gives(void *ctx, const struct pubkey *peer, const struct hash *blob, int *ret_fd,
		  uint64_t *ret_size)
{
	struct side *k = side_of(ctx);
	struct stat st;

	(void)peer;
	if (!*k->path || !hash_eq(blob, &k->blob))
		return false;
	*ret_fd = open(k->path, O_RDONLY | O_CLOEXEC);
	assert_true(*ret_fd >= 0 && fstat(*ret_fd, &st) == 0);
	*ret_size = (uint64_t)st.st_size;
	return true;
}

static void start(struct net_box *b)
{
	struct sync_options o = net_box_options(b, "127.0.0.1:0", false);

	o.host.tells_system = tells;
	o.host.heard_system = heard;
	o.host.gives_update = gives;
	assert_ok(sync_start(&o, &b->sync));
}

static void open_two(struct two *t)
{
	_cleanup_(freep) char *dir = NULL;

	memset(t, 0, sizeof(*t));
	the_two = t;
	pair_open(&t->p);
	t->a.box = &t->p.a;
	t->b.box = &t->p.b;
	atomic_store(&t->a.tells, true);
	atomic_store(&t->b.tells, true);
	net_box_peer(&t->p.b, net_box_key(&t->p.a), NULL);
	start(&t->p.b);
	snprintf(t->address, sizeof(t->address), "127.0.0.1:%d", sync_port(t->p.b.sync));
	net_box_peer(&t->p.a, net_box_key(&t->p.b), t->address);
	start(&t->p.a);
	dir = path_join(t->p.dir[0], "update");
	assert_ok(blob_open(dir, &t->store));
	while (t->bytes.n < SIZE)
		buf_u32(&t->bytes, (uint32_t)(t->bytes.n * 2654435761u));
	t->b.blob = hash_bytes(buf_span(&t->bytes));
	snprintf(t->b.path, sizeof(t->b.path), "%.280s/bundle", t->p.dir[1]);
	assert_ok(file_write(t->b.path, buf_span(&t->bytes), 0600));
}

static void close_two(struct two *t)
{
	blob_close(t->store);
	pair_close(&t->p);
	buf_release(&t->bytes);
}

static struct error *fetch(struct two *t, uint64_t size)
{
	return sync_fetch_update(t->p.a.sync, &(struct sync_fetch){.peer = *net_box_key(&t->p.b),
								   .address = t->address,
								   .blob = t->b.blob,
								   .size = size,
								   .store = t->store});
}

static void until(atomic_int *n, int most)
{
	for (int i = 0; i < 600 && atomic_load(n) < most; i++)
		usleep(50000);
	assert_true(atomic_load(n) >= most);
}

static bool has_misdeed(struct two *t)
{
	struct sync *s = t->p.a.sync;
	bool found = false;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_standings; i++)
		for (size_t k = 0; k < s->standings[i].n; k++)
			found |= s->standings[i].rows[k].what == MISDEED_UPDATE;
	pthread_mutex_unlock(&s->lock);
	return found;
}

static void both_are_told_in_one_exchange(void **st)
{
	struct system_said s = example();
	struct two t;

	open_two(&t);
	sync_system_is(t.p.a.sync, &s);
	snprintf(s.version, sizeof(s.version), "2026.11.9");
	sync_system_is(t.p.b.sync, &s);
	assert_ok(sync_now(t.p.a.sync, net_box_key(&t.p.b), 10000));
	until(&t.b.heard_n, 1);
	until(&t.a.heard_n, 1);
	assert_string_equal(t.b.heard.version, "2026.12.1");
	assert_id_equal(&t.b.heard.key, net_box_key(&t.p.a));
	assert_string_equal(t.a.heard.version, "2026.11.9");
	assert_true(t.a.heard.when_ms > 1500000000000);
	/* Nothing is said to who may not be told, and nothing when there is nothing to say. */
	atomic_store(&t.a.tells, false);
	s.since_ms++;
	sync_system_is(t.p.a.sync, &s);
	sync_system_is(t.p.b.sync, NULL);
	assert_ok(sync_now(t.p.a.sync, net_box_key(&t.p.b), 10000));
	assert_ok(sync_now(t.p.a.sync, net_box_key(&t.p.b), 10000));
	assert_int_not_equal(t.b.heard.since_ms, s.since_ms);
	close_two(&t);
}

/* In a body of their own and with a good signature: of another box, and of a later kind. */
static void only_the_speaker_is_believed_about_itself(void **st)
{
	_cleanup_(buf_release) struct buf stream = {0}, said = {0};
	struct secret *other = test_key(77);
	struct system_said s = example();
	struct stream_writer w;
	struct two t;

	open_two(&t);
	system_make(other, &s, &said);
	stream_begin(&w, &stream);
	stream_put_system(&w, buf_span(&said));
	stream_put_end(&w);
	assert_ok(engine_told(t.p.a.sync, net_box_key(&t.p.b), buf_span(&stream), false));
	assert_int_equal(atomic_load(&t.a.heard_n), 0);
	buf_clear(&stream);
	said.p[0] = 2;
	stream_begin(&w, &stream);
	stream_put_system(&w, buf_span(&said));
	stream_put_end(&w);
	assert_ok(engine_told(t.p.a.sync, net_box_key(&t.p.b), buf_span(&stream), false));
	assert_int_equal(atomic_load(&t.a.heard_n), 0);
	secret_free(other);
	close_two(&t);
}

static void an_update_is_fetched_and_gone_on_with(void **st)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	struct ledger_row row;
	struct two t;
	uint64_t have;

	open_two(&t);
	/* Two thirds came before the plug was pulled. */
	assert_ok(blob_writer_resume(t.store, &t.b.blob, SIZE, &w, &have));
	assert_ok(blob_write(w, span_of(t.bytes.p, SIZE / 3 * 2)));
	blob_writer_free(STEAL(w));
	assert_int_equal(blob_part(t.store, &t.b.blob), SIZE / 3 * 2);
	assert_ok(fetch(&t, SIZE));
	assert_true(blob_has(t.store, &t.b.blob, &have) && have == SIZE);
	assert_ok(blob_verify(t.store, &t.b.blob));
	/* Only the rest came, and it was charged. */
	ledger_get(t.p.a.sync->ledger, net_box_key(&t.p.b), &row);
	assert_true(row.today.n[LEDGER_IN] >= SIZE - SIZE / 3 * 2 &&
		    row.today.n[LEDGER_IN] < SIZE / 2); /* exchanges count, too */
	assert_false(has_misdeed(&t));
	assert_ok(fetch(&t, SIZE)); /* it is here */
	close_two(&t);
}

static void what_is_another_file_costs_its_size_and_stands_in_the_record(void **st)
{
	struct two t;

	open_two(&t);
	t.bytes.p[SIZE / 2] ^= 1;
	assert_ok(file_write(t.b.path, buf_span(&t.bytes), 0600));
	assert_fails(fetch(&t, SIZE), ERR_CORRUPT);
	assert_false(blob_has(t.store, &t.b.blob, NULL));
	assert_int_equal(blob_part(t.store, &t.b.blob), 0);
	assert_true(has_misdeed(&t));
	close_two(&t);
}

/* Rubbish that another one gave lies before what this one gives. */
static void who_gives_the_rest_answers_for_its_own_bytes_alone(void **st)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	struct two t;
	uint64_t have;

	for (size_t n = 32; n <= SIZE; n += SIZE - 32) {
		open_two(&t);
		assert_ok(blob_writer_resume(t.store, &t.b.blob, SIZE, &w, &have));
		t.bytes.p[0] ^= 1;
		assert_ok(blob_write(w, span_of(t.bytes.p, n)));
		blob_writer_free(STEAL(w));
		assert_ok(fetch(&t, SIZE));
		assert_true(blob_has(t.store, &t.b.blob, NULL));
		assert_false(has_misdeed(&t));
		close_two(&t);
	}
}

/* Its own rubbish is not forgiven for what lay there before. */
static void a_whole_file_that_is_another_is_its_givers(void **st)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	struct two t;
	uint64_t have;

	open_two(&t);
	assert_ok(blob_writer_resume(t.store, &t.b.blob, SIZE, &w, &have));
	assert_ok(blob_write(w, span_of(t.bytes.p, SIZE / 2)));
	blob_writer_free(STEAL(w));
	t.bytes.p[SIZE - 1] ^= 1;
	assert_ok(file_write(t.b.path, buf_span(&t.bytes), 0600));
	assert_fails(fetch(&t, SIZE), ERR_CORRUPT);
	assert_true(has_misdeed(&t));
	close_two(&t);
}

static void an_endless_one_is_broken_off(void **st)
{
	struct ledger_row row;
	struct two t;
	int fd;

	open_two(&t);
	fd = open(t.b.path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0); /* a terabyte of zeros behind it */
	close(fd);
	assert_fails(fetch(&t, SIZE / 2), ERR_LIMIT);
	assert_int_equal(blob_part(t.store, &t.b.blob), 0);
	assert_true(has_misdeed(&t));
	ledger_get(t.p.a.sync->ledger, net_box_key(&t.p.b), &row);
	assert_true(row.today.n[LEDGER_IN] <= (uint64_t)SIZE / 2 + CLIENT_QUEUE);
	close_two(&t);
}

/* Who offers the right hash with a length of its own empties nothing, whether it has the file or not. */
static void who_says_that_it_is_shorter_spoils_nothing(void **st)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	struct two t;
	uint64_t have;

	open_two(&t);
	assert_ok(blob_writer_resume(t.store, &t.b.blob, SIZE, &w, &have));
	assert_ok(blob_write(w, span_of(t.bytes.p, SIZE / 3 * 2)));
	blob_writer_free(STEAL(w));
	assert_fails(fetch(&t, 1), ERR_LIMIT); /* and gives all of it */
	assert_true(has_misdeed(&t));
	*t.b.path = 0;
	assert_fails(fetch(&t, 1), ERR_NOT_FOUND);
	assert_int_equal(blob_part(t.store, &t.b.blob), SIZE / 3 * 2);
	close_two(&t);
}

static void what_is_passed_on_no_more_is_no_misdeed(void **st)
{
	struct two t;

	open_two(&t);
	*t.b.path = 0;
	assert_fails(fetch(&t, SIZE), ERR_NOT_FOUND);
	assert_false(has_misdeed(&t));
	close_two(&t);
}

static bool is_metered(struct sync *s)
{
	bool is;

	pthread_mutex_lock(&s->lock);
	is = s->uplink.metered;
	pthread_mutex_unlock(&s->lock);
	return is;
}

/* A line that may bring one byte a day, at whose end on this machine there is a tunnel, or none. The engine
 * reads it when it is told. */
static void close_line(struct net_box *b, bool tunnel)
{
	const struct pubkey somebody = {{1}};
	struct uplink line = {.metered = true, .tunnel = tunnel, .all = {.day_bytes = 1}};

	pthread_mutex_lock(&b->writing);
	assert_ok(uplink_put(b->local, &line, NULL));
	pthread_mutex_unlock(&b->writing);
	ledger_charge(b->sync->ledger, &somebody, LEDGER_LINE, 1);
	sync_peers_changed(b->sync);
	for (int i = 0; i < 600 && !is_metered(b->sync); i++)
		usleep(50000);
	assert_true(is_metered(b->sync));
}

static void neither_the_quota_nor_the_closed_line_is_passed(void **st)
{
	struct two t;

	open_two(&t);
	ledger_charge(t.p.a.sync->ledger, net_box_key(&t.p.b), LEDGER_IN, UINT64_C(1) << 50);
	assert_fails(fetch(&t, SIZE), ERR_RATE);
	close_line(&t.p.a, true);
	assert_fails(fetch(&t, SIZE), ERR_BUSY);
	assert_int_equal(blob_part(t.store, &t.b.blob), 0);
	assert_false(has_misdeed(&t));
	close_two(&t);
}

static void what_stays_on_this_machine_uses_no_line(void **st)
{
	struct ledger_row row;
	struct two t;

	open_two(&t);
	close_line(&t.p.a, false);
	assert_ok(fetch(&t, SIZE));
	assert_true(engine_closed(t.p.a.sync, net_box_key(&t.p.b)));
	ledger_get(t.p.a.sync->ledger, net_box_key(&t.p.b), &row);
	assert_true(row.today.n[LEDGER_IN] >= SIZE);
	assert_int_equal(row.today.n[LEDGER_LINE], 0);
	close_two(&t);
}

struct stopping {
	struct two *t;
	atomic_bool over;
};

/* When some of it is here, for before that there may be nothing to stop yet. */
static void *stop_soon(void *arg)
{
	struct stopping *k = arg;

	while (!atomic_load(&k->over)) {
		if (blob_part(k->t->store, &k->t->b.blob))
			sync_fetch_cancel(k->t->p.a.sync);
		usleep(2000);
	}
	return NULL;
}

/* Bytes that trickle: what is cancelled ends at once and keeps what it has. */
static void fetching_can_be_stopped(void **st)
{
	struct two t;
	struct stopping k = {.t = &t};
	pthread_t thread;
	struct error *e;
	int fd;

	open_two(&t);
	fd = open(t.b.path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)LIMIT_UPLOAD), 0);
	close(fd);
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, &k), 0);
	e = fetch(&t, LIMIT_UPLOAD);
	atomic_store(&k.over, true);
	pthread_join(thread, NULL);
	assert_true(error_is(e, ERR_STOPPED));
	error_free(e);
	assert_true(blob_part(t.store, &t.b.blob) > 0);
	assert_false(has_misdeed(&t));
	close_two(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_read_as_it_was_said),
		cmocka_unit_test(the_time_of_a_statement_is_none_of_what_it_says),
		cmocka_unit_test(the_vector_of_the_protocol_holds),
		cmocka_unit_test(a_changed_bit_or_a_missing_end_is_noticed),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(both_are_told_in_one_exchange),
		cmocka_unit_test(only_the_speaker_is_believed_about_itself),
		cmocka_unit_test(an_update_is_fetched_and_gone_on_with),
		cmocka_unit_test(what_is_another_file_costs_its_size_and_stands_in_the_record),
		cmocka_unit_test(who_gives_the_rest_answers_for_its_own_bytes_alone),
		cmocka_unit_test(a_whole_file_that_is_another_is_its_givers),
		cmocka_unit_test(an_endless_one_is_broken_off),
		cmocka_unit_test(who_says_that_it_is_shorter_spoils_nothing),
		cmocka_unit_test(what_is_passed_on_no_more_is_no_misdeed),
		cmocka_unit_test(neither_the_quota_nor_the_closed_line_is_passed),
		cmocka_unit_test(what_stays_on_this_machine_uses_no_line),
		cmocka_unit_test(fetching_can_be_stopped),
	};

	return run_group(tests);
}
