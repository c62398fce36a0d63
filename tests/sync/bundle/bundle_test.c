/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"
#include "sync/bundle/bundle.h"
#include "sync/bundle/source.h"
#include "tests/lib/dead_pages.h"
#include <fcntl.h>
#include <sys/stat.h>

struct fixture {
	struct test_env env;
	char *dir, *file;
	struct box a, b;
	struct hash space;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	test_env_init(&f->env, 1764000000000, 1);
	f->dir = test_dir();
	f->file = path_join(f->dir, "bundle.lliure");
	box_init(&f->a, &f->env, f->dir, "a", 1);
	box_init(&f->b, &f->env, f->dir, "b", 2);
	f->space = box_found(&f->a, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	box_release(&f->a);
	box_release(&f->b);
	test_dir_remove(f->dir);
	free(f->file);
	free(f);
	return 0;
}

static void write_n(struct fixture *f, struct box *b, int n)
{
	for (int i = 0; i < n; i++)
		box_write(b, &f->space, NULL, "{\"type\":\"post\"}");
}

static struct error *to_b(void *ctx, struct intake *in)
{
	return box_take(ctx, in);
}

static struct error *import_to(struct box *b, const char *file, struct blob_store *blobs,
			       struct sync_report *r)
{
	const struct bundle_import x = {.self = b->key, .blobs = blobs, .ctx = b, .write = to_b};

	return bundle_import(&x, file, r);
}

static struct bundle_totals export_from(struct fixture *f, struct box *b, struct blob_store *blobs)
{
	const struct bundle_export x = {
		.log = b->log, .blobs = blobs, .env = &f->env.env, .name = "Ateneu"};
	struct bundle_totals t;

	assert_ok(bundle_export(&x, f->file, &t));
	return t;
}

static void assert_same(struct box *x, struct box *y)
{
	struct hash dx = box_digest(x), dy = box_digest(y);

	assert_id_equal(&dx, &dy);
}

static void everything_fits_in_a_file_and_comes_out_again(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;
	struct bundle_totals t;

	write_n(f, &f->a, 25);
	t = export_from(f, &f->a, NULL);
	assert_int_equal(t.entries, 26);
	assert_int_equal(t.spaces, 1);
	assert_int_equal(t.logs, 1);
	assert_ok(import_to(&f->b, f->file, NULL, &r));
	assert_int_equal(r.received, 26);
	assert_string_equal(r.peer_name, "Ateneu");
	assert_same(&f->a, &f->b);
	assert_ok(import_to(&f->b, f->file, NULL, &r));
	assert_int_equal(r.received, 0);
	assert_int_equal(r.known, 26);
}

static void only_what_the_other_lacks_is_written(void **state)
{
	struct fixture *f = *state;
	struct arena arena = {0};
	struct head *have;
	struct bundle_export x = {.log = f->a.log, .env = &f->env.env, .name = "a"};
	struct bundle_totals t;
	struct sync_report r;

	write_n(f, &f->a, 5);
	boxes_sync(&f->b, &f->a);
	write_n(f, &f->a, 3);
	assert_ok(heads_collect(f->b.log, &f->space, &arena, &have, &x.n_have));
	x.have = have;
	assert_ok(bundle_export(&x, f->file, &t));
	assert_int_equal(t.entries, 3);
	assert_ok(import_to(&f->b, f->file, NULL, &r));
	assert_int_equal(r.received, 3);
	arena_release(&arena);
}

static void cut_off_anywhere_it_gives_what_is_whole_and_says_so(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf whole = {0};
	struct sync_report r;

	write_n(f, &f->a, 10);
	export_from(f, &f->a, NULL);
	assert_ok(file_read(f->file, 1 << 20, &whole));
	for (size_t n = 0, cut; n < whole.n; n += 1 + n / 20) {
		struct error *e;

		/* At last, just before its end. */
		cut = n + 1 + n / 20 < whole.n ? n : whole.n - 1;
		assert_ok(file_write(f->file, span_of(whole.p, cut), 0644));
		e = import_to(&f->b, f->file, NULL, &r);
		assert_true(error_is(e, ERR_MALFORMED));
		assert_non_null(strstr(error_english(e), "cut off after"));
		assert_true(r.cut);
		error_free(e);
	}
	assert_int_equal(r.received + r.known, 11);
}

static void a_flipped_bit_is_named_and_nothing_false_is_taken(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf whole = {0};
	struct sync_report r;

	write_n(f, &f->a, 10);
	export_from(f, &f->a, NULL);
	assert_ok(file_read(f->file, 1 << 20, &whole));
	for (size_t at = 0; at < whole.n; at += 1 + at / 30) {
		struct error *e, *fault = NULL;
		struct verify_report v;

		whole.p[at] ^= 4;
		assert_ok(file_write(f->file, buf_span(&whole), 0644));
		whole.p[at] ^= 4;
		e = import_to(&f->b, f->file, NULL, &r);
		assert_true(error_is(e, ERR_MALFORMED) || error_is(e, ERR_LIMIT) ||
			    error_is(e, ERR_VERSION));
		error_free(e);
		assert_ok(log_verify(f->b.log, NULL, NULL, &v, &fault));
		assert_ok(fault);
	}
}

static void admissions_that_come_behind_are_caught_up_in_a_second_pass(void **state)
{
	struct fixture *f = *state;
	struct bundle_import once;
	struct sync_report r;
	struct box c, d;

	/* A holds the log of C before that of B, which admits C. */
	box_init(&c, &f->env, f->dir, "c", 3);
	box_init(&d, &f->env, f->dir, "d", 4);
	box_admit(&f->a, &f->space, secret_pubkey(f->b.key));
	boxes_sync(&f->b, &f->a);
	boxes_sync(&c, &f->a);
	NEED(log_admit(f->a.log, &f->space, secret_pubkey(c.key), true));
	NEED(log_admit(c.log, &f->space, secret_pubkey(c.key), true));
	write_n(f, &c, 2);
	boxes_sync(&c, &f->a);
	box_admit(&f->b, &f->space, secret_pubkey(c.key));
	boxes_sync(&f->b, &f->a);
	export_from(f, &f->a, NULL);
	/* Whoever ordered it so that each pass admits one more takes no more of them than are given. */
	once = (struct bundle_import){.self = d.key, .ctx = &d, .write = to_b, .passes = 1};
	assert_ok(bundle_import(&once, f->file, &r));
	assert_int_equal(r.not_admitted, 1);
	assert_ok(import_to(&d, f->file, NULL, &r));
	assert_int_equal(r.not_admitted, 0);
	assert_same(&f->a, &d);
	box_release(&c);
	box_release(&d);
}

static struct hash put_blob(struct blob_store *s, size_t n)
{
	_cleanup_(freep) uint8_t *p = malloc(n);
	struct blob_writer *w;
	struct hash h;
	uint64_t size;

	memset(p, 'b', n);
	assert_ok(blob_writer_new(s, n, &w));
	assert_ok(blob_write(w, span_of(p, n)));
	assert_ok(blob_writer_finish(w, &h, &size));
	return h;
}

static void files_travel_in_pieces_and_come_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf whole = {0};
	_cleanup_(freep) char *da = path_join(f->dir, "blobs-a");
	_cleanup_(freep) char *db = path_join(f->dir, "blobs-b");
	struct blob_store *sa, *sb;
	struct hash small, large;
	struct sync_report r;
	struct bundle_totals t;
	uint64_t size;

	assert_ok(blob_open(da, &sa));
	assert_ok(blob_open(db, &sb));
	small = put_blob(sa, 10);
	large = put_blob(sa, 700000);
	t = export_from(f, &f->a, sa);
	assert_int_equal(t.blobs, 2);
	assert_ok(file_read(f->file, 1 << 20, &whole));
	assert_ok(file_write(f->file, span_of(whole.p, whole.n - 100000), 0644));
	assert_fails(import_to(&f->b, f->file, sb, &r), ERR_MALFORMED);
	assert_true(r.blobs < 2);
	assert_int_equal(blob_part(sb, &large), 0);
	assert_ok(file_write(f->file, buf_span(&whole), 0644));
	assert_ok(import_to(&f->b, f->file, sb, &r));
	assert_true(blob_has(sb, &small, &size));
	assert_int_equal(size, 10);
	assert_true(blob_has(sb, &large, &size));
	assert_ok(blob_verify(sb, &large));
	assert_ok(import_to(&f->b, f->file, sb, &r));
	assert_int_equal(r.blobs, 0);
	blob_close(sa);
	blob_close(sb);
}

/* --- several in one file, torn and whole --- */

static void put_in_file(struct fixture *f, struct span a, struct span b, struct span c)
{
	_cleanup_(buf_release) struct buf all = {0};

	buf_add_span(&all, a);
	buf_add_span(&all, b);
	buf_add_span(&all, c);
	assert_ok(file_write(f->file, buf_span(&all), 0644));
}

static void one_that_was_written_twice_is_whole_and_its_copies_are_counted(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf whole = {0};
	struct sync_report r;

	write_n(f, &f->a, 10);
	export_from(f, &f->a, NULL);
	assert_ok(file_read(f->file, 1 << 20, &whole));
	assert_ok(import_to(&f->b, f->file, NULL, &r));
	assert_int_equal(r.parts, 1);
	put_in_file(f, buf_span(&whole), buf_span(&whole), buf_span(&whole));
	assert_ok(import_to(&f->b, f->file, NULL, &r));
	assert_int_equal(r.parts, 3);
	assert_int_equal(r.known, 33);
	assert_false(r.cut);
	assert_string_equal(r.peer_name, "Ateneu");
}

static void a_torn_one_with_a_whole_one_behind_it_gives_the_whole_one(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf whole = {0};
	struct sync_report r;

	write_n(f, &f->a, 10);
	export_from(f, &f->a, NULL);
	assert_ok(file_read(f->file, 1 << 20, &whole));
	for (size_t cut = 1; cut < whole.n; cut += 1 + cut / 20) {
		char name[24];
		struct box c;
		struct error *e;

		snprintf(name, sizeof(name), "c%zu", cut);
		put_in_file(f, span_of(whole.p, cut), buf_span(&whole), span_of(NULL, 0));
		box_init(&c, &f->env, f->dir, name, 3);
		e = import_to(&c, f->file, NULL, &r);
		assert_true(error_is(e, ERR_MALFORMED) || error_is(e, ERR_LIMIT) ||
			    error_is(e, ERR_VERSION));
		assert_non_null(strstr(error_english(e), cut < 8 ? "damaged" : "several files"));
		assert_true(r.cut);
		assert_int_equal(r.received, 11);
		assert_same(&f->a, &c);
		error_free(e);
		box_release(&c);
	}
}

/* What box b has of the space's log that a writes. */
static uint64_t entries_of(struct fixture *f, const struct hash *space)
{
	_cleanup_(arena_release) struct arena arena = {0};
	struct head *have;
	size_t n;

	assert_ok(heads_collect(f->b.log, space, &arena, &have, &n));
	return n ? have[0].seq : 0;
}

/* Of two logs the one that the hole is in has less, the other one all. */
static void assert_one_log_is_whole(struct fixture *f, const struct hash *other, uint64_t whole)
{
	uint64_t x = entries_of(f, &f->space), y = entries_of(f, other);

	assert_true((x == whole && y < whole) || (x < whole && y == whole));
}

/* A hole in the middle loses the frames that it is in, and nothing else: of another log all comes. */
static void behind_a_hole_reading_goes_on(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *da = path_join(f->dir, "blobs-a");
	_cleanup_(freep) char *db = path_join(f->dir, "blobs-b");
	_cleanup_(buf_release) struct buf whole = {0};
	_cleanup_(blob_closep) struct blob_store *sa = NULL, *sb = NULL;
	struct hash small, other;
	struct sync_report r;
	struct error *e;

	assert_ok(blob_open(da, &sa));
	assert_ok(blob_open(db, &sb));
	write_n(f, &f->a, 10);
	other = box_found(&f->a, NULL);
	for (int i = 0; i < 10; i++)
		box_write(&f->a, &other, NULL, "{\"type\":\"post\"}");
	small = put_blob(sa, 5000);
	export_from(f, &f->a, sa);
	assert_ok(file_read(f->file, 1 << 20, &whole));
	memset(whole.p + 300, 0, 900); /* in the entries */
	assert_ok(file_write(f->file, buf_span(&whole), 0644));
	e = import_to(&f->b, f->file, sb, &r);
	assert_true(error_is(e, ERR_MALFORMED));
	error_free(e);
	assert_true(r.cut);
	assert_int_equal(r.blobs, 1);
	assert_true(blob_has(sb, &small, NULL));
	assert_one_log_is_whole(f, &other, 11);
}

/* The same of a stick that no longer gives a page of its own. */
static void a_page_that_cannot_be_read_loses_only_itself(void **state)
{
	enum { MANY = 60 };
	struct fixture *f = *state;
	struct hash other = box_found(&f->a, NULL);
	struct sync_report r;
	struct error *e;
	struct stat st;

	write_n(f, &f->a, MANY);
	for (int i = 0; i < MANY; i++)
		box_write(&f->a, &other, NULL, "{\"type\":\"post\"}");
	export_from(f, &f->a, NULL);
	assert_int_equal(stat(f->file, &st), 0);
	pages_die(st.st_size, SOURCE_PAGE, 2 * SOURCE_PAGE);
	e = import_to(&f->b, f->file, NULL, &r);
	dead.size = 0;
	assert_true(error_is(e, ERR_MALFORMED));
	assert_non_null(strstr(error_english(e), "can't be read any more"));
	error_free(e);
	assert_true(r.cut);
	assert_true(dead.failed >= 1);
	assert_one_log_is_whole(f, &other, MANY + 1);
	assert_ok(import_to(&f->b, f->file, NULL, &r));
	assert_same(&f->a, &f->b);
}

/* Each attempt on a dead sector may take many seconds. */
static void a_stick_that_gives_nothing_more_is_given_up_soon(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	write_n(f, &f->a, 10);
	export_from(f, &f->a, NULL);
	assert_int_equal(truncate(f->file, (off_t)1 << 40), 0);
	pages_die((off_t)1 << 40, 0, (off_t)1 << 40);
	assert_fails(import_to(&f->b, f->file, NULL, &r), ERR_IO);
	dead.size = 0;
	assert_int_equal(dead.failed, SOURCE_LOST + 1);
}

/* Bytes of frames that hold and stand alone: what a reader could take at most. */
static void add_piece(struct fixture *f, struct buf *out, struct span whole, bool *ret_whole)
{
	size_t from = 0, to = whole.n;

	switch (test_below(&f->env, 5)) {
	case 0: /* the beginning */
		to = test_below(&f->env, whole.n);
		break;
	case 1: /* a download that was resumed at a wrong place */
		from = test_below(&f->env, whole.n);
		break;
	case 2: { /* a sector of rubbish */
		uint8_t noise[512];

		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)test_rand(&f->env);
		buf_add(out, noise, test_below(&f->env, 2) ? sizeof(noise) : 3);
		return;
	}
	case 3: { /* flipped */
		size_t at = out->n + test_below(&f->env, whole.n);

		buf_add_span(out, whole);
		out->p[at] ^= (uint8_t)(1 << test_below(&f->env, 8));
		return;
	}
	default:
		*ret_whole = true;
	}
	buf_add(out, whole.p + from, to - from);
}

static void of_any_tears_and_doublings_what_is_whole_is_taken_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf whole = {0};
	struct sync_report r;
	int with_whole = 0;

	write_n(f, &f->a, 10);
	export_from(f, &f->a, NULL);
	assert_ok(file_read(f->file, 1 << 20, &whole));
	for (int round = 0; round < 150; round++) {
		_cleanup_(buf_release) struct buf file = {0};
		struct error *fault = NULL;
		struct verify_report v;
		bool is_whole = false;
		char name[24];
		struct box c;

		for (int pieces = 1 + (int)test_below(&f->env, 6); pieces > 0; pieces--)
			add_piece(f, &file, buf_span(&whole), &is_whole);
		assert_ok(file_write(f->file, buf_span(&file), 0644));
		snprintf(name, sizeof(name), "c%d", round);
		box_init(&c, &f->env, f->dir, name, 3);
		error_free(import_to(&c, f->file, NULL, &r));
		if (is_whole)
			assert_same(&f->a, &c);
		with_whole += is_whole;
		assert_true(r.received <= 11);
		assert_ok(log_verify(c.log, NULL, NULL, &v, &fault));
		assert_ok(fault);
		box_release(&c);
	}
	assert_in_range(with_whole, 20, 140);
}

/* Beginnings without end, each of which looks like a frame of four megabytes. */
static void what_only_looks_like_a_bundle_costs_little(void **state)
{
	static const uint8_t bait[] = {'L', 'L', 'I', 'U', 'R', 'E', 0, 1, 1, 0, 0, 0x40, 0, 1, 0};
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf file = {0};
	struct sync_report r;
	int64_t began = env_mono(&env_system);

	while (file.n < 6 * 1024 * 1024)
		buf_add(&file, bait, sizeof(bait));
	assert_ok(file_write(f->file, buf_span(&file), 0644));
	assert_fails(import_to(&f->b, f->file, NULL, &r), ERR_MALFORMED);
	assert_int_equal(r.received, 0);
	assert_in_range(r.parts, 1, SALVAGE_FAULTS + 1);
	assert_true(env_mono(&env_system) - began < 30000);
}

static struct error *has_no_room(void *ctx, struct intake *in)
{
	(void)ctx;
	(void)in;
	return error_new(ERR_FULL, N_("There is no room."));
}

static void what_the_box_could_not_do_is_said_also_behind_a_fault(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf whole = {0};
	struct sync_report r;
	const struct bundle_import x = {.self = f->b.key, .ctx = &f->b, .write = has_no_room};

	write_n(f, &f->a, 10);
	export_from(f, &f->a, NULL);
	assert_ok(file_read(f->file, 1 << 20, &whole));
	put_in_file(f, span_of(whole.p, 40), buf_span(&whole), span_of(NULL, 0));
	assert_fails(bundle_import(&x, f->file, &r), ERR_FULL);
	assert_true(r.cut);
	assert_int_equal(r.received, 0);
}

/* --- which files --- */

struct wanting {
	struct box *b;
	struct hash blob; /* the only one */
	uint64_t size, received;
	int asked;
};

static struct error *to_wanting(void *ctx, struct intake *in)
{
	struct wanting *k = ctx;

	TRY(box_take(k->b, in));
	k->received += in->result.added;
	return NULL;
}

static bool wants(void *ctx, const struct hash *blob, uint64_t size)
{
	struct wanting *k = ctx;

	assert_int_equal(k->received, 4); /* what names it came first */
	k->asked++;
	return hash_eq(&k->blob, blob) && size == k->size;
}

static void only_wanted_files_are_taken(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *da = path_join(f->dir, "blobs-a");
	_cleanup_(freep) char *db = path_join(f->dir, "blobs-b");
	_cleanup_(blob_closep) struct blob_store *sa = NULL, *sb = NULL;
	struct wanting k = {.b = &f->b, .size = 700000};
	struct bundle_import x = {.self = f->b.key, .ctx = &k, .write = to_wanting, .wants = wants};
	struct hash other;
	struct sync_report r;

	assert_ok(blob_open(da, &sa));
	assert_ok(blob_open(db, &sb));
	write_n(f, &f->a, 3);
	k.blob = put_blob(sa, 700000);
	other = put_blob(sa, 600000);
	export_from(f, &f->a, sa);
	x.blobs = sb;
	assert_ok(bundle_import(&x, f->file, &r));
	assert_int_equal(r.blobs, 1);
	assert_int_equal(k.asked, 2);
	assert_true(blob_has(sb, &k.blob, NULL));
	assert_false(blob_has(sb, &other, NULL));
	assert_int_equal(blob_part(sb, &other), 0);
	assert_ok(bundle_import(&x, f->file, &r)); /* what is here is not asked about */
	assert_int_equal(r.blobs, 0);
	assert_int_equal(k.asked, 3);
}

static bool counts(void *ctx, const struct hash *blob, uint64_t size)
{
	++*(int *)ctx;
	return true;
}

/* Each question costs the box something: whoever cuts files small asks none. */
static void a_file_in_crumbs_is_not_asked_about(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *dir = path_join(f->dir, "blobs");
	_cleanup_(freep) uint8_t *bytes = calloc(1, 2 * BUNDLE_PIECE_LEAST + 1);
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	_cleanup_(buf_release) struct buf file = {0};
	struct stream_writer w;
	struct sync_report r;
	int asked = 0;
	struct bundle_import x = {.self = f->b.key, .ctx = &asked, .wants = counts};
	struct span whole = span_of(bytes, 2 * BUNDLE_PIECE_LEAST);
	struct hash h = hash_bytes(whole);

	assert_ok(blob_open(dir, &s));
	x.blobs = s;
	stream_begin(&w, &file);
	stream_put_hello(&w, 0, "b");
	for (uint64_t at = 0; at < whole.n; at += BUNDLE_PIECE_LEAST / 2)
		stream_put_blob(&w, &h, whole.n, at,
				span_of(whole.p + at, BUNDLE_PIECE_LEAST / 2));
	stream_put_blob(&w, &h, whole.n, 0, span_of(whole.p, BUNDLE_PIECE_LEAST));
	/* a piece that is longer than the first one said: the rest has no beginning */
	stream_put_blob(&w, &h, whole.n + 1, BUNDLE_PIECE_LEAST,
			span_of(whole.p, BUNDLE_PIECE_LEAST + 1));
	stream_put_end(&w);
	assert_ok(file_write(f->file, buf_span(&file), 0644));
	assert_ok(bundle_import(&x, f->file, &r));
	assert_int_equal(asked, 1);
	assert_int_equal(r.blobs, 0);
	assert_false(blob_has(s, &h, NULL));
}

static void a_full_stick_and_a_missing_folder_are_named(void **state)
{
	struct fixture *f = *state;
	const struct bundle_export x = {.log = f->a.log, .env = &f->env.env, .name = "a"};
	struct bundle_totals t;
	struct sync_report r;
	int full = open("/dev/full", O_WRONLY);

	assert_fails(bundle_write(&x, full, &t), ERR_FULL);
	close(full);
	assert_fails(bundle_export(&x, "/proc/nowhere/bundle", &t), ERR_NOT_FOUND);
	assert_fails(import_to(&f->b, "/proc/nowhere/bundle", NULL, &r), ERR_NOT_FOUND);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(everything_fits_in_a_file_and_comes_out_again),
		T(only_what_the_other_lacks_is_written),
		T(cut_off_anywhere_it_gives_what_is_whole_and_says_so),
		T(a_flipped_bit_is_named_and_nothing_false_is_taken),
		T(one_that_was_written_twice_is_whole_and_its_copies_are_counted),
		T(a_torn_one_with_a_whole_one_behind_it_gives_the_whole_one),
		T(behind_a_hole_reading_goes_on),
		T(a_page_that_cannot_be_read_loses_only_itself),
		T(a_stick_that_gives_nothing_more_is_given_up_soon),
		T(of_any_tears_and_doublings_what_is_whole_is_taken_and_nothing_else),
		T(what_only_looks_like_a_bundle_costs_little),
		T(what_the_box_could_not_do_is_said_also_behind_a_fault),
		T(admissions_that_come_behind_are_caught_up_in_a_second_pass),
		T(files_travel_in_pieces_and_come_whole_or_not_at_all),
		T(only_wanted_files_are_taken),
		T(a_file_in_crumbs_is_not_asked_about),
		T(a_full_stick_and_a_missing_folder_are_named),
	};

	return run_group(tests);
}
