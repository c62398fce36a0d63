/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Boxes that never meet and hear of each other by sticks alone: bundles for one peer are written
 * from what it is known to hold, lie about, are read late, twice, by the wrong box, torn and
 * damaged; a box is set back to an old copy. Whatever happened, a few rounds of whole sticks bring
 * all to the same.
 */
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"
#include "sync/bundle/bundle.h"
#include <unistd.h>

enum { BOXES = 3, PILE = 6, STEPS = 200, ROUNDS = 6 };

struct carrier {
	struct box box;
	struct db *local;
	char *copy; /* of its log, some time ago; NULL: none */
	char *local_path;
};

struct town {
	struct test_env env;
	char *dir;
	struct hash space;
	struct carrier c[BOXES];
	char *pile[PILE];
	unsigned written, read, torn, restored, gaps;
	uint64_t entries, everything;
};

static void open_local(struct carrier *c)
{
	NEED(db_open(c->local_path, DB_TEST_NOSYNC, 100, &c->local));
	NEED(db_migrate(c->local, "known", known_migrations, known_migrations_n));
}

static void town_open(struct town *t, uint64_t seed)
{
	test_env_init(&t->env, 1764000000000, seed);
	t->dir = test_dir();
	for (unsigned i = 0; i < BOXES; i++) {
		char name[8] = {(char)('a' + i)};

		box_init(&t->c[i].box, &t->env, t->dir, name, i + 1);
		if (asprintf(&t->c[i].local_path, "%s/%s.local", t->dir, name) < 0)
			abort();
		open_local(&t->c[i]);
	}
	t->space = box_found(&t->c[0].box, NULL);
	for (unsigned i = 1; i < BOXES; i++)
		box_admit(&t->c[0].box, &t->space, secret_pubkey(t->c[i].box.key));
}

static void town_close(struct town *t)
{
	for (unsigned i = 0; i < BOXES; i++) {
		db_close(t->c[i].local);
		free(t->c[i].copy);
		free(t->c[i].local_path);
		box_release(&t->c[i].box);
	}
	for (unsigned i = 0; i < PILE; i++)
		free(t->pile[i]);
	test_dir_remove(t->dir);
}

/* A stick for the other box: all that it is not known to hold. */
static uint64_t write_stick(struct town *t, struct carrier *from, struct carrier *to,
			    const char *path)
{
	_cleanup_(arena_release) struct arena a = {0};
	const struct pubkey *peer = secret_pubkey(to->box.key);
	struct bundle_export x = {.log = from->box.log,
				  .env = &t->env.env,
				  .name = "box",
				  .writer = from->box.key,
				  .receiver = *peer};
	struct known k = {0};
	struct error *e = known_get(from->local, peer, &a, &k);
	struct bundle_totals n;

	assert_true(!e || error_is(e, ERR_NOT_FOUND));
	t->everything += e != NULL;
	error_free(e);
	x.have = k.heads;
	x.n_have = k.n_heads;
	x.missing = k.missing;
	x.n_missing = k.n_missing;
	NEED(db_begin(from->local));
	NEED(known_next_serial(from->local, &x.serial));
	NEED(db_commit(from->local));
	NEED(bundle_export(&x, path, &n));
	t->written++;
	return n.entries;
}

static struct error *take(void *ctx, struct intake *in)
{
	return box_take(&((struct carrier *)ctx)->box, in);
}

static struct error *claimed(void *ctx, const struct bundle_claim *c)
{
	struct carrier *self = ctx;

	if (pubkey_eq(&c->writer, secret_pubkey(self->box.key)))
		return NULL;
	NEED(db_begin(self->local));
	NEED(known_claimed(self->local, c, 1));
	return db_commit(self->local);
}

static void read_stick(struct town *t, struct carrier *to, const char *path)
{
	const struct bundle_import x = {
		.self = to->box.key, .ctx = to, .write = take, .claimed = claimed};
	struct sync_report r;
	struct error *e = bundle_import(&x, path, &r);

	assert_true(!e || error_is(e, ERR_MALFORMED) || error_is(e, ERR_LIMIT) ||
		    error_is(e, ERR_VERSION));
	error_free(e);
	t->read++;
	t->entries += r.received;
	for (size_t i = 0; i < r.refusals && i < REPORT_REFUSALS; i++)
		t->gaps += r.refused[i].why == ERR_GAP;
	box_audit(&to->box);
}

static void tear(struct town *t, const char *path)
{
	_cleanup_(buf_release) struct buf b = {0};

	NEED(file_read(path, 1 << 24, &b));
	if (test_below(&t->env, 2))
		b.n = (size_t)test_below(&t->env, b.n);
	else
		b.p[test_below(&t->env, b.n)] ^= (uint8_t)(1 + test_below(&t->env, 255));
	NEED(file_write(path, buf_span(&b), 0644));
	t->torn++;
}

/* --- a box that is set back ------------------------------------------------------------------- */

static void keep_copy(struct carrier *c)
{
	if (!c->copy && asprintf(&c->copy, "%s.copy", c->box.path) < 0)
		abort();
	unlink(c->copy);
	NEED(db_backup(log_db(c->box.log), c->copy));
}

static void set_back(struct town *t, struct carrier *c)
{
	_cleanup_(buf_release) struct buf b = {0};
	char name[512];

	if (!c->copy)
		return;
	log_close(c->box.log);
	NEED(file_read(c->copy, 1 << 26, &b));
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s%s", c->box.path, i ? "-shm" : "-wal");
		unlink(name);
	}
	NEED(file_write(c->box.path, buf_span(&b), 0600));
	box_open_log(&c->box);
	NEED(log_begin(c->box.log));
	NEED(log_new_incarnation(c->box.log));
	NEED(log_commit(c->box.log));
	c->box.folded = 0;
	box_fold(&c->box);
	/* What it knew of others is gone, too, one time in two. */
	if (test_below(&t->env, 2)) {
		db_close(c->local);
		unlink(c->local_path);
		open_local(c);
	}
	t->restored++;
}

/* --- the storm -------------------------------------------------------------------------------- */

static struct carrier *any(struct town *t)
{
	return &t->c[test_below(&t->env, BOXES)];
}

static void step(struct town *t)
{
	unsigned slot = (unsigned)test_below(&t->env, PILE);
	struct carrier *c = any(t);

	switch (test_below(&t->env, 16)) {
	case 0 ... 4:
		if (log_listed(c->box.log, &t->space, secret_pubkey(c->box.key)))
			box_write(&c->box, &t->space, NULL, "{\"type\":\"post\"}");
		break;
	case 5 ... 9: /* the stick that lay there is lost */
		if (!t->pile[slot] &&
		    asprintf(&t->pile[slot], "%s/stick-%u.lliure", t->dir, slot) < 0)
			abort();
		write_stick(t, c, any(t), t->pile[slot]);
		if (test_below(&t->env, 5) == 0)
			tear(t, t->pile[slot]);
		break;
	case 10 ... 13:
		if (t->pile[slot])
			read_stick(t, c, t->pile[slot]);
		break;
	case 14:
		keep_copy(c);
		break;
	case 15:
		if (test_below(&t->env, 3) == 0)
			set_back(t, c);
		break;
	}
}

static bool all_alike(struct town *t)
{
	struct hash first = box_digest(&t->c[0].box);

	for (unsigned i = 1; i < BOXES; i++) {
		struct hash d = box_digest(&t->c[i].box);

		if (!hash_eq(&d, &first))
			return false;
	}
	return true;
}

/* Everybody writes a stick for everybody, and all arrive. */
static uint64_t whole_round(struct town *t)
{
	_cleanup_(freep) char *path = path_join(t->dir, "round.lliure");
	uint64_t entries = 0;

	for (unsigned from = 0; from < BOXES; from++)
		for (unsigned to = 0; to < BOXES; to++)
			if (from != to) {
				entries += write_stick(t, &t->c[from], &t->c[to], path);
				read_stick(t, &t->c[to], path);
			}
	return entries;
}

static void run(uint64_t seed, struct town *sum)
{
	struct town t = {.read = 0};
	unsigned rounds = 0;

	town_open(&t, seed);
	for (int i = 0; i < STEPS; i++)
		step(&t);
	while (rounds < ROUNDS && !all_alike(&t)) {
		whole_round(&t);
		rounds++;
	}
	if (!all_alike(&t))
		fail_msg("seed %llu: not alike after %u rounds", (unsigned long long)seed, rounds);
	/* Once all is known, a stick is nearly empty. */
	whole_round(&t);
	whole_round(&t);
	if (whole_round(&t) != 0)
		fail_msg("seed %llu: known entries are written again", (unsigned long long)seed);
	sum->written += t.written;
	sum->read += t.read;
	sum->torn += t.torn;
	sum->restored += t.restored;
	sum->entries += t.entries;
	sum->everything += t.everything;
	sum->gaps += t.gaps;
	town_close(&t);
}

static void boxes_that_never_meet_end_alike_by_sticks_alone(void **state)
{
	const char *seeds = getenv("SEEDS");
	unsigned n = seeds ? (unsigned)strtoul(seeds, NULL, 10) : 25;
	struct town sum = {.read = 0};

	for (unsigned seed = 1; seed <= n; seed++)
		run(seed, &sum);
	printf("# %u sticks written (%llu of them with everything), %u read, %u torn, %u boxes set "
	       "back, %llu entries taken, %u refused behind a gap\n",
	       sum.written, (unsigned long long)sum.everything, sum.read, sum.torn, sum.restored,
	       (unsigned long long)sum.entries, sum.gaps);
	assert_true(sum.torn > 0 && sum.restored > 0 && sum.entries > 0);
}

/* --- what is known ---------------------------------------------------------------------------- */

static struct head head(unsigned appliance, uint64_t incarnation, uint64_t seq)
{
	struct head h = {.id = {.space = {{1}}, .appliance = {{(uint8_t)appliance}}}, .seq = seq};

	h.id.incarnation = incarnation;
	h.hash.b[0] = 1;
	return h;
}

static void old_sticks_and_copies_never_make_us_believe_more(void **state)
{
	const struct pubkey peer = {{2}};
	struct head low[] = {head(1, 7, 5), head(2, 10, 3)}, high[] = {head(1, 7, 9)};
	struct head later[] = {head(1, 7, 4), head(2, 10, 3), head(2, 11, 1)};
	struct known a = {.incarnation = 10, .serial = 4, .heads = low, .n_heads = 2};
	struct known b = {.incarnation = 10, .serial = 3, .heads = high, .n_heads = 1};
	struct known c = {.incarnation = 11, .serial = 1, .heads = later, .n_heads = 3};
	struct known d = {.incarnation = 12, .serial = 1, .heads = high, .n_heads = 1};
	struct known met = {.heads = low, .n_heads = 2};
	struct known lower;
	struct arena arena = {0};

	assert_int_equal(known_weigh(&a, &b, &peer), KNOWN_IGNORE);
	assert_int_equal(known_weigh(&b, &a, &peer), KNOWN_REPLACE);
	assert_int_equal(known_weigh(&a, &c, &peer), KNOWN_REPLACE);
	assert_int_equal(known_weigh(&c, &a, &peer), KNOWN_IGNORE);
	assert_int_equal(known_weigh(&a, &d, &peer), KNOWN_LOWER);
	assert_int_equal(known_weigh(&met, &d, &peer), KNOWN_LOWER);
	assert_int_equal(known_weigh(&met, &a, &peer), KNOWN_REPLACE);
	known_lower(&a, &d, &arena, &lower);
	assert_int_equal(lower.n_heads, 1);
	assert_int_equal(lower.heads[0].seq, 5);
	assert_int_equal(lower.incarnation, 0);
	/* Met in an incarnation: claims of that one are believed when they say no less. */
	met.incarnation = 10;
	assert_int_equal(known_weigh(&met, &a, &peer), KNOWN_REPLACE);
	assert_int_equal(known_weigh(&met, &b, &peer), KNOWN_IGNORE);
	met.incarnation = 12;
	assert_int_equal(known_weigh(&met, &a, &peer), KNOWN_IGNORE);
	/* Which of the two is later does not show when one is read again, either. */
	met.incarnation = 10;
	assert_int_equal(known_weigh(&met, &d, &peer), KNOWN_LOWER);
	known_lower(&met, &d, &arena, &lower);
	assert_int_equal(known_weigh(&lower, &a, &peer), KNOWN_LOWER);
	assert_int_equal(known_weigh(&lower, &d, &peer), KNOWN_LOWER);
	arena_release(&arena);
}

/* A stick lay in a drawer; meanwhile its writer was set back, and was met. */
static void an_old_stick_counts_for_nothing_once_its_writer_was_met_as_set_back(void **state)
{
	struct town t = {.read = 0};
	_cleanup_(arena_release) struct arena a = {0};
	_cleanup_(buf_release) struct buf frames = {0};
	struct stream_writer w = {.out = &frames};
	const struct pubkey peer = {{2}};
	struct carrier *us;
	struct space_digest theirs;
	struct bundle_claim claim = {.writer = peer, .incarnation = 10, .serial = 9};
	struct head *ours, rows[2];
	struct log_id lost;
	struct known k;
	size_t n;

	town_open(&t, 1);
	us = &t.c[0];
	NEED(heads_space_digest(us->box.log, &t.space, &theirs));
	NEED(heads_collect(us->box.log, &t.space, &a, &ours, &n));
	assert_true(n > 0 && n < 10);
	NEED(db_begin(us->local));
	NEED(known_met(us->local, us->box.log, &peer, &theirs, 11, 1));
	NEED(known_get(us->local, &peer, &a, &k));
	assert_int_equal(k.incarnation, 11);
	assert_int_equal(k.n_heads, n);
	/* On the stick it held all that, and a log that it lost. */
	rows[0] = rows[1] = ours[0];
	rows[1].id.incarnation++;
	lost = rows[1].id;
	heads_sort(rows, 2);
	stream_put_heads(&w, &t.space, rows, 2);
	claim.frames = buf_span(&frames);
	for (int i = 0; i < 3; i++) {
		NEED(known_claimed(us->local, &claim, 2));
		NEED(known_get(us->local, &peer, &a, &k));
		assert_null(heads_find(k.heads, k.n_heads, &lost));
	}
	/* Met again, in another incarnation yet. */
	NEED(known_met(us->local, us->box.log, &peer, &theirs, 12, 3));
	NEED(known_get(us->local, &peer, &a, &k));
	assert_int_equal(k.incarnation, 12);
	assert_int_equal(k.n_heads, n);
	NEED(db_commit(us->local));
	town_close(&t);
}

/* A long list of heads comes in several frames; and who says two heads of one log holds the lower. */
static void a_space_may_be_spoken_of_in_several_frames(void **state)
{
	struct head rows[] = {head(1, 7, 5), head(1, 8, 2), head(2, 7, 4), head(2, 9, 1)}, again = rows[0];
	_cleanup_(buf_release) struct buf frames = {0};
	struct bundle_claim claim = {.writer = {{2}}, .incarnation = 10, .serial = 9};
	struct stream_writer w = {.out = &frames};
	struct hash other = {{9}};
	struct arena a = {0};
	struct town t = {.read = 0};
	struct known k;

	again.seq = 3;
	stream_put_heads(&w, &rows[0].id.space, rows, 2);
	stream_put_heads(&w, &other, NULL, 0);
	stream_put_heads(&w, &rows[0].id.space, rows + 2, 2);
	stream_put_heads(&w, &rows[0].id.space, &again, 1);
	claim.frames = buf_span(&frames);
	town_open(&t, 1);
	NEED(db_begin(t.c[0].local));
	for (; claim.serial < 11; claim.serial++) { /* what is kept is read as it was said */
		NEED(known_claimed(t.c[0].local, &claim, 1));
		NEED(known_get(t.c[0].local, &claim.writer, &a, &k));
		assert_int_equal(k.serial, claim.serial);
		assert_int_equal(k.n_spaces, 2);
		assert_int_equal(k.n_heads, 4);
		assert_int_equal(heads_find(k.heads, 4, &rows[0].id)->seq, 3);
		assert_int_equal(heads_find(k.heads, 4, &rows[3].id)->seq, 1);
	}
	NEED(db_commit(t.c[0].local));
	town_close(&t);
	arena_release(&a);
}

/* A peer that says with each claim that it lacks something else fills no disk: then nothing is known of it,
 * and it is given everything. */
static void what_is_known_of_a_peer_does_not_grow_without_end(void **state)
{
	struct head heads[] = {head(1, 7, 5)};
	const struct seq_range range = {1, 1};
	struct known_missing *missing = calloc(KNOWN_WISHES, sizeof(*missing));
	struct known a = {.heads = heads, .n_heads = 1}, lower;
	struct arena arena = {0};

	for (size_t i = 0; i < KNOWN_WISHES; i++)
		missing[i] = (struct known_missing){heads[0].id, &range, 1};
	a.missing = missing;
	a.n_missing = KNOWN_WISHES / 2;
	known_lower(&a, &a, &arena, &lower);
	assert_int_equal(lower.n_heads, 1);
	assert_int_equal(lower.n_missing, KNOWN_WISHES);
	a.n_missing++;
	known_lower(&a, &a, &arena, &lower);
	assert_int_equal(lower.n_heads, 0);
	assert_int_equal(lower.n_missing, 0);
	arena_release(&arena);
	free(missing);
}

static struct error *note_claim(void *ctx, const struct bundle_claim *c)
{
	(*(int *)ctx)++;
	return NULL;
}

static struct error *drop(void *ctx, struct intake *in)
{
	in->refused = ERR_NOT_ADMITTED;
	return NULL;
}

static void a_claim_counts_only_over_the_heads_that_were_signed(void **state)
{
	struct town t = {.read = 0};
	_cleanup_(buf_release) struct buf whole = {0};
	_cleanup_(freep) char *path = NULL;
	struct sync_report r;
	int claims = 0;
	const struct bundle_import x = {
		.self = NULL, .ctx = &claims, .write = drop, .claimed = note_claim};
	struct stream_writer w = {.out = &whole};
	struct head h = head(1, 7, 1);
	struct bundle_claim c = {.incarnation = 1, .serial = 1};
	struct stream_claim sc;

	town_open(&t, 1);
	path = path_join(t.dir, "claim.lliure");
	write_stick(&t, &t.c[0], &t.c[1], path);
	assert_ok(bundle_import(&x, path, &r));
	assert_int_equal(claims, 1);
	/* The same signature over other heads. */
	stream_begin(&w, &whole);
	c.frames = span_of("", 0);
	claim_sign(&c, t.c[0].box.key, &sc);
	stream_put_heads(&w, &h.id.space, &h, 1);
	stream_put_claim(&w, &sc);
	stream_put_end(&w);
	assert_ok(file_write(path, buf_span(&whole), 0644));
	assert_ok(bundle_import(&x, path, &r));
	assert_int_equal(claims, 1);
	town_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_sticks_and_copies_never_make_us_believe_more),
		cmocka_unit_test(an_old_stick_counts_for_nothing_once_its_writer_was_met_as_set_back),
		cmocka_unit_test(a_space_may_be_spoken_of_in_several_frames),
		cmocka_unit_test(what_is_known_of_a_peer_does_not_grow_without_end),
		cmocka_unit_test(a_claim_counts_only_over_the_heads_that_were_signed),
		cmocka_unit_test(boxes_that_never_meet_end_alike_by_sticks_alone),
	};

	return run_group(tests);
}
