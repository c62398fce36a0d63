/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files of a private space on a box that can't read it. Box a founds and writes, b reads and
 * writes, c carries. */
#include "tests/appliance/community/boxes.h"
#include "appliance/files/files_priv.h"

#define NOW_MS 1800000000000LL
enum { SIZE = 300000 };

struct world {
	struct box a, b, c;
	struct secret *steward;
	struct hash space;
	struct blob_store *blobs; /* of whichever box looks */
	char *dir;
};

static struct error *admit(struct world *w, const struct box *whom, enum admission how)
{
	TRY(conn_begin(w->a.c));
	return box_commit(&w->a, community_admit(w->a.c, &w->space, secret_pubkey(whom->key), "box",
						 how, w->steward));
}

static void meet(struct box *x, struct box *y)
{
	assert_ok(pull(x, y, 100));
	assert_ok(pull(y, x, 100));
	assert_ok(pull(x, y, 100));
}

static void meet_all(struct world *w)
{
	meet(&w->a, &w->b);
	meet(&w->a, &w->c);
	meet(&w->b, &w->c);
}

static void world_init(struct world *w, bool with_carrier)
{
	*w = (struct world){.steward = test_key(1), .dir = test_dir()};
	box_init(&w->a, 1, NOW_MS);
	box_init(&w->b, 2, NOW_MS + 5);
	box_init(&w->c, 3, NOW_MS + 9);
	assert_ok(box_open(&w->a));
	assert_ok(box_open(&w->b));
	assert_ok(box_open(&w->c));
	assert_ok(blob_open(w->dir, &w->blobs));
	assert_ok(box_found_private(&w->a, w->steward, &w->space));
	assert_ok(admit(w, &w->b, ADMIT_WRITE));
	if (with_carrier)
		assert_ok(admit(w, &w->c, ADMIT_CARRY));
	meet_all(w);
}

static void world_release(struct world *w)
{
	secret_free(w->steward);
	box_release(&w->a);
	box_release(&w->b);
	box_release(&w->c);
	blob_close(w->blobs);
	test_dir_remove(w->dir);
}

static struct hash blob_of(const char *text)
{
	return hash_bytes(span_str(text));
}

/* A file whose blob is that text's. key: sealed, as in a private space; NULL: in clear. */
static struct hash send_file(struct world *w, struct box *b, const char *text, const char *key)
{
	struct hash h = blob_of(text), id;
	_cleanup_(buf_release) struct buf path = {0};
	json_t *body;

	buf_printf(&path, "%s.pdf", text);
	body = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "kind", "pdf", "blob", ID(&h), "size",
			 SIZE, "sha256", ID(&h), "title", text, "path", buf_str(&path));
	if (key) {
		struct hash k = blob_of(key);

		json_object_set_new(body, "key", json_string(ID(&k)));
	}
	assert_ok(box_submit(b, &w->space, "file.create", NULL, w->steward, body, &id));
	return id;
}

static void tell(struct box *b)
{
	assert_ok(conn_begin(b->c));
	assert_ok(box_commit(b, carried_tell(b->c)));
}

static bool any(void *ctx, const struct hash *space)
{
	(void)ctx;
	(void)space;
	return true;
}

static bool wants(struct world *w, struct box *b, const char *text)
{
	struct hash h = blob_of(text);

	(void)w;
	return files_wants_blob(b->c, &h, file_stored_size(SIZE), any, NULL);
}

static bool gives(struct box *b, const char *text)
{
	struct hash h = blob_of(text);

	return files_names_blob(b->c, &h, any, NULL);
}

/* How many a walk over all names, none of which is here. */
static int walked(struct world *w, struct box *b)
{
	struct blob_walk walk = {.before = 0};
	struct hash got;
	uint64_t size;
	int n = 0;

	while (files_next_blob(b->c, w->blobs, any, NULL, &walk, &got, &size)) {
		walk.missed = 0;
		n++;
	}
	return n;
}

static struct error *count_entries(void *ctx, const struct log_info *l)
{
	*(int64_t *)ctx += (int64_t)l->head;
	return NULL;
}

static int64_t entries(struct world *w, struct box *b)
{
	int64_t n = 0;

	assert_ok(log_each(b->c->log, &w->space, count_entries, &n));
	return n;
}

static void a_carrier_is_told_what_a_sealed_op_needs(void **state)
{
	struct carried_blob k;
	struct world w;
	struct hash op, blob = blob_of("one");

	world_init(&w, true);
	op = send_file(&w, &w.a, "one", "its key");
	meet_all(&w);
	assert_false(wants(&w, &w.c, "one"));
	tell(&w.b); /* it is a's to tell */
	meet_all(&w);
	assert_false(wants(&w, &w.c, "one"));
	tell(&w.a);
	meet_all(&w);
	assert_true(wants(&w, &w.c, "one"));
	assert_true(gives(&w.c, "one"));
	assert_int_equal(walked(&w, &w.c), 1);
	assert_int_equal(walked(&w, &w.b), 1); /* by its version, once */
	assert_ok(carried_before(w.c.c, INT64_MAX, &k));
	assert_id_equal(&k.op, &op);
	assert_id_equal(&k.blob, &blob);
	assert_int_equal(k.stored, file_stored_size(SIZE));
	world_release(&w);
}

static void it_is_told_once_and_only_where_somebody_carries(void **state)
{
	struct world w;
	int64_t before;

	world_init(&w, false);
	send_file(&w, &w.a, "one", "its key");
	before = entries(&w, &w.a);
	tell(&w.a);
	assert_int_equal(entries(&w, &w.a), before);
	assert_ok(admit(&w, &w.c, ADMIT_CARRY));
	before = entries(&w, &w.a);
	tell(&w.a);
	assert_int_equal(entries(&w, &w.a), before + 1);
	tell(&w.a);
	assert_int_equal(entries(&w, &w.a), before + 1);
	meet_all(&w);
	assert_true(wants(&w, &w.c, "one"));
	world_release(&w);
}

/* Else the hash of what lies there in clear would stand in every carrier's log. */
static void what_is_not_sealed_is_not_told(void **state)
{
	struct world w;

	world_init(&w, true);
	send_file(&w, &w.a, "clear", NULL);
	tell(&w.a);
	meet_all(&w);
	assert_false(wants(&w, &w.c, "clear"));
	world_release(&w);
}

static void more_than_one_op_takes_are_told_in_several(void **state)
{
	struct world w;
	char text[20];

	world_init(&w, true);
	for (int i = 0; i < 70; i++) {
		snprintf(text, sizeof(text), "file-%d", i);
		send_file(&w, &w.a, text, "k");
	}
	tell(&w.a);
	meet_all(&w);
	assert_int_equal(walked(&w, &w.c), 70);
	world_release(&w);
}

static void a_keeper_tells_for_a_box_that_can_t_any_more(void **state)
{
	struct world w;

	world_init(&w, true);
	send_file(&w, &w.b, "of-b", "k");
	meet_all(&w);
	tell(&w.a);
	meet_all(&w);
	assert_false(wants(&w, &w.c, "of-b"));
	assert_ok(conn_begin(w.a.c));
	assert_ok(box_commit(&w.a,
			     community_remove(w.a.c, &w.space, secret_pubkey(w.b.key), w.steward)));
	tell(&w.a);
	meet_all(&w);
	assert_true(wants(&w, &w.c, "of-b"));
	world_release(&w);
}

static void what_is_erased_is_neither_wanted_nor_given_any_more(void **state)
{
	struct world w;
	struct hash op;

	world_init(&w, true);
	op = send_file(&w, &w.a, "one", "its key");
	tell(&w.a);
	meet_all(&w);
	assert_true(gives(&w.c, "one"));
	assert_ok(box_erase(&w.b, &w.space, &op, w.steward));
	meet_all(&w);
	assert_false(wants(&w, &w.c, "one"));
	assert_false(gives(&w.c, "one"));
	assert_int_equal(walked(&w, &w.c), 0);
	/* On a box that can read, what carriers are told keeps nothing. */
	assert_false(gives(&w.b, "one"));
	world_release(&w);
}

static json_t *list(const char *text, int64_t stored, int n)
{
	json_t *rows = json_array();

	for (int i = 0; i < n; i++) {
		char name[40];
		struct hash h;

		snprintf(name, sizeof(name), "%s-%d", text, i);
		h = blob_of(name);
		json_array_append_new(rows, json_pack("{s:s, s:s, s:I}", "op", ID(&h), "blob",
						      ID(&h), "stored", (json_int_t)stored));
	}
	return json_pack("{s:o}", "blobs", rows);
}

static struct error *carry(struct world *w, struct box *b, const struct secret *author,
			   json_t *body)
{
	return box_submit(b, &w->space, "file.carry", NULL, author, body, NULL);
}

static void only_a_box_tells_and_only_what_makes_sense(void **state)
{
	struct world w;

	world_init(&w, true);
	assert_fails(carry(&w, &w.b, w.steward, list("x", SIZE, 1)), ERR_DENIED);
	assert_fails(carry(&w, &w.b, NULL, list("x", SIZE, 0)), ERR_INVALID);
	assert_fails(carry(&w, &w.b, NULL, list("x", SIZE, 65)), ERR_INVALID);
	assert_fails(carry(&w, &w.b, NULL, list("x", 1000, 1)), ERR_INVALID);
	assert_fails(carry(&w, &w.b, NULL, list("x", (int64_t)1 << 40, 1)), ERR_INVALID);
	assert_fails(carry(&w, &w.b, NULL, json_pack("{s:[{s:s}]}", "blobs", "blob", "x")),
		     ERR_INVALID);
	assert_fails(carry(&w, &w.b, NULL, json_pack("{s:s}", "blobs", "x")), ERR_INVALID);
	assert_ok(carry(&w, &w.b, NULL, list("x", SIZE, 64)));
	world_release(&w);
}

/* Who names without end costs a carrier its share, and pushes out its own alone. */
static void who_names_without_end_has_its_share_and_no_more(void **state)
{
	const int64_t most = (int64_t)file_stored_size(LIMIT_UPLOAD);
	int share = (int)(LIMIT_FILE_CARRIED / (uint64_t)most);
	struct world w;

	world_init(&w, true);
	send_file(&w, &w.a, "one", "its key");
	tell(&w.a);
	meet_all(&w);
	assert_ok(carry(&w, &w.b, NULL, list("old", most, 64)));
	test_env_pass(&w.b.env, 1);
	assert_ok(carry(&w, &w.b, NULL, list("new", most, 64)));
	meet_all(&w);
	assert_int_equal(walked(&w, &w.c), share + 1);
	assert_true(wants(&w, &w.c, "one"));
	assert_true(wants(&w, &w.c, "new-63"));
	assert_false(gives(&w.c, "old-63"));
	world_release(&w);
}

static json_t *row(const struct hash *op, const struct hash *blob)
{
	return json_pack("{s:s, s:s, s:I}", "op", ID(op), "blob", ID(blob), "stored",
			 (json_int_t)file_stored_size(SIZE));
}

static bool needs(struct box *b, const char *text)
{
	struct hash h = blob_of(text);
	bool needed;

	assert_ok(blob_is_needed(b->c, &h, &needed));
	return needed;
}

/* b, who can read, names a's file many times with ops of its own, and erases those. */
static void who_names_a_file_of_others_and_erases_takes_it_from_nobody(void **state)
{
	struct hash mine[6], h = blob_of("one");
	struct world w;
	char text[20];

	world_init(&w, true);
	send_file(&w, &w.a, "one", "its key");
	for (int i = 0; i < 6; i++) {
		snprintf(text, sizeof(text), "junk-%d", i);
		mine[i] = send_file(&w, &w.b, text, "its own");
	}
	meet(&w.a, &w.b);
	assert_fails(carry(&w, &w.b, NULL,
			   json_pack("{s:[o, o]}", "blobs", row(mine, &h), row(mine, &h))),
		     ERR_INVALID);
	for (int i = 0; i < 24; i++)
		assert_ok(carry(&w, &w.b, NULL,
				json_pack("{s:[o]}", "blobs", row(&mine[i % 6], &h))));
	meet(&w.b, &w.c);
	assert_true(needs(&w.c, "one"));
	for (int i = 0; i < 6; i++)
		assert_ok(box_erase(&w.b, &w.space, &mine[i], w.steward));
	meet(&w.b, &w.c);
	assert_false(needs(&w.c, "one"));
	tell(&w.a);
	meet_all(&w);
	assert_true(needs(&w.c, "one"));
	assert_true(wants(&w, &w.c, "one"));
	assert_true(gives(&w.c, "one"));
	world_release(&w);
}

/* b is faster than a with a's own rows, and then lets itself be pushed out. */
static void what_others_say_of_a_file_is_told_by_its_box_too(void **state)
{
	const int64_t most = (int64_t)file_stored_size(LIMIT_UPLOAD);
	struct hash op, h = blob_of("one");
	struct world w;

	world_init(&w, true);
	op = send_file(&w, &w.a, "one", "its key");
	meet(&w.a, &w.b);
	assert_ok(carry(&w, &w.b, NULL, json_pack("{s:[o]}", "blobs", row(&op, &h))));
	meet_all(&w);
	tell(&w.a);
	assert_ok(carry(&w, &w.b, NULL, list("new", most, 64)));
	meet_all(&w);
	assert_true(wants(&w, &w.c, "one"));
	assert_true(gives(&w.c, "one"));
	world_release(&w);
}

/* The same blob by a version in clear, which is erased: the private space needs it still. */
static void what_is_carried_stays_when_a_version_elsewhere_is_erased(void **state)
{
	struct hash private, open, mine;
	struct world w;

	world_init(&w, true);
	send_file(&w, &w.a, "one", "its key");
	tell(&w.a);
	private = w.space;
	assert_ok(box_found(&w.b, w.steward, &open));
	w.space = open;
	mine = send_file(&w, &w.b, "one", NULL);
	meet_all(&w);
	assert_ok(box_erase(&w.b, &open, &mine, w.steward));
	meet_all(&w);
	assert_true(needs(&w.c, "one"));
	assert_false(needs(&w.b, "junk"));
	w.space = private;
	world_release(&w);
}

static int look(struct box *b, enum carried_stage stage)
{
	struct carried_blob k = {.num = 0};
	int n = 0;

	assert_ok(conn_begin(b->c));
	for (;;) {
		assert_ok(carried_row_after(b->c, stage, k.num, &k));
		if (!k.num)
			break;
		assert_ok(carried_looked(b->c, &k));
		n++;
	}
	assert_ok(box_commit(b, NULL));
	return n;
}

/* That are kept. */
static int64_t rows(struct box *b)
{
	static const char *const sql[] = {"SELECT count(*) FROM file_carried WHERE NOT over"};
	struct db_stmts *s;
	int64_t n;

	assert_ok(db_prepare(b->c->view, sql, 1, &s));
	assert_ok(db_number(b->c->view, s, 0, -1, &n, ""));
	return n;
}

static void look_to_the_end(struct box *b)
{
	for (enum carried_stage s = CARRIED_OUT; s < CARRIED_DONE; s++)
		look(b, s);
}

static void what_is_pushed_out_is_looked_at_three_times_and_no_more(void **state)
{
	const int64_t most = (int64_t)file_stored_size(LIMIT_UPLOAD);
	int share = (int)(LIMIT_FILE_CARRIED / (uint64_t)most);
	struct hash before, after;
	struct world w;

	world_init(&w, true);
	assert_ok(carry(&w, &w.b, NULL, list("old", most, 64)));
	meet_all(&w);
	assert_ok(community_digest(w.c.c, &w.space, &before));
	assert_int_equal(look(&w.c, CARRIED_KEPT), share);
	assert_int_equal(look(&w.c, CARRIED_OUT), 64 - share);
	assert_int_equal(look(&w.c, CARRIED_OUT), 0);
	assert_int_equal(look(&w.c, CARRIED_SEEN), 64 - share);
	assert_int_equal(look(&w.c, CARRIED_AGAIN), 64 - share);
	for (enum carried_stage s = CARRIED_OUT; s < CARRIED_DONE; s++)
		assert_int_equal(look(&w.c, s), 0);
	assert_int_equal(rows(&w.c), share);
	assert_ok(community_digest(w.c.c, &w.space, &after));
	assert_id_equal(&before, &after);
	assert_int_equal(walked(&w, &w.c), share);
	assert_ok(community_digest(w.b.c, &w.space, &after));
	assert_ok(community_digest(w.a.c, &w.space, &before));
	assert_id_equal(&before, &after);
	/* and not again because all is made anew */
	assert_ok(community_rebuild(w.c.c));
	assert_int_equal(rows(&w.c), share);
	world_release(&w);
}

/* However long a box names; one that reads still knows what it told. */
static void what_is_kept_does_not_grow(void **state)
{
	const int64_t most = (int64_t)file_stored_size(LIMIT_UPLOAD);
	int share = (int)(LIMIT_FILE_CARRIED / (uint64_t)most);
	struct hash op, h = blob_of("one");
	struct world w;
	int64_t told;

	world_init(&w, true);
	op = send_file(&w, &w.b, "one", "its key");
	meet_all(&w);
	for (int i = 0; i < 6; i++) {
		char text[20];

		snprintf(text, sizeof(text), "round-%d", i);
		test_env_pass(&w.b.env, 1);
		assert_ok(carry(&w, &w.b, NULL, json_pack("{s:[o]}", "blobs", row(&op, &h))));
		test_env_pass(&w.b.env, 1);
		assert_ok(carry(&w, &w.b, NULL, list(text, most, 64)));
		meet_all(&w);
		look_to_the_end(&w.c);
		assert_int_equal(rows(&w.c), share);
		assert_int_equal(rows(&w.a), share);
		assert_int_equal(rows(&w.b), share);
	}
	told = entries(&w, &w.b);
	tell(&w.b);
	assert_int_equal(entries(&w, &w.b), told);
	world_release(&w);
}

/* Those that are over stay, so one that read all of a stage for each would hold the writer for minutes. */
static void each_row_is_found_without_reading_the_others(void **state)
{
	struct world w;

	world_init(&w, false);
	for (int i = CARRIED_ADD; i <= CARRIED_OWED; i++) {
		_cleanup_(buf_release) struct buf sql = {0};
		sqlite3_stmt *st;
		struct db_stmts *s;
		const char *one[1];
		bool more = true;

		buf_printf(&sql, "EXPLAIN QUERY PLAN %s", files_sql[i]);
		one[0] = buf_str(&sql);
		assert_ok(db_prepare(w.a.c->view, one, 1, &s));
		st = db_stmt(s, 0);
		for (;;) {
			assert_ok(db_step(w.a.c->view, st, &more));
			if (!more)
				break;
			if (strstr(db_text(st, 3), "SCAN file") || strstr(db_text(st, 3), "(over=?)"))
				fail_msg("statement %d: %s", i, db_text(st, 3));
		}
	}
	world_release(&w);
}

/* --- in whatever order they come --- */

struct shipping {
	struct box *to;
	struct test_env *dice;
	bool all;
};

/* Headers come first, in their order; payloads when they like. */
static struct error *ship(void *ctx, const struct stored *e)
{
	struct shipping *k = ctx;
	const struct log_id id = entry_log(&e->raw);
	bool whole = k->all || test_below(k->dice, 4) == 0;
	struct ingest_payload p = {whole ? e->state : PAYLOAD_NOT_HELD, e->salt, e->payload};
	struct ingest in = {.id = &id, .first = e->seq, .headers = &e->raw, .payloads = &p, .n = 1};
	struct ingest_result r;
	struct error *refused = NULL;

	TRY(log_ingest(k->to->c->log, &in, &r, &refused));
	return refused;
}

static void ship_all(struct box *from, struct box *to, struct test_env *dice, bool all)
{
	struct shipping k = {to, dice, all};
	bool more = true;

	assert_ok(conn_begin(to->c));
	assert_ok(log_arrivals(from->c->log, 0, 0, ship, &k));
	while (more)
		assert_ok(community_catch_up(to->c, 0, &more));
	assert_ok(conn_commit(to->c));
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hash));
}

/* What counts on a carrier, in one number. */
static struct hash counted(struct box *b, size_t *ret_n)
{
	_cleanup_(buf_release) struct buf ops = {0};
	struct carried_blob k = {.num = INT64_MAX};

	for (;;) {
		assert_ok(carried_before(b->c, k.num, &k));
		if (!k.num)
			break;
		buf_add(&ops, &k.op, sizeof(k.op));
	}
	*ret_n = ops.n / sizeof(k.op);
	qsort(ops.p, *ret_n, sizeof(k.op), by_bytes);
	return hash_bytes(buf_span(&ops));
}

static void name_at_random(struct world *w, struct test_env *dice)
{
	for (int i = 0; i < 14; i++) {
		int64_t size = (int64_t)(1 + test_below(dice, 200)) << 20;
		char text[20];

		snprintf(text, sizeof(text), "of-%d", i);
		/* also a clock that jumps back, and one that stands */
		test_env_pass(&w->b.env, (int64_t)test_below(dice, 3) * 1000 - 1000);
		assert_ok(carry(w, &w->b, NULL, list(text, size, 1 + (int)test_below(dice, 12))));
	}
}

static void what_counts_follows_from_the_ops_in_whatever_order_they_come(void **state)
{
	enum { BOXES = 5 };
	struct box boxes[BOXES];
	struct test_env dice;
	struct hash want, digest;
	struct world w;
	size_t n;

	test_env_init(&dice, NOW_MS, 7);
	world_init(&w, true);
	name_at_random(&w, &dice);
	meet(&w.a, &w.b);
	meet(&w.b, &w.c);
	want = counted(&w.c, &n);
	assert_true(n > 10);
	assert_ok(community_digest(w.c.c, &w.space, &digest));
	for (int i = 0; i < BOXES; i++) {
		struct hash got, same;

		box_init(&boxes[i], 10 + (unsigned)i, NOW_MS);
		assert_ok(box_open(&boxes[i]));
		for (int round = 0; round < 12; round++) {
			ship_all(&w.c, &boxes[i], &dice, round == 11);
			if (test_below(&dice, 2)) /* some have gone before others come */
				look_to_the_end(&boxes[i]);
		}
		look_to_the_end(&boxes[i]);
		got = counted(&boxes[i], &n);
		assert_id_equal(&got, &want);
		assert_ok(community_digest(boxes[i].c, &w.space, &same));
		assert_id_equal(&same, &digest);
		box_release(&boxes[i]);
	}
	world_release(&w);
}

/* What counts is the same on a box that saw both, on one that came later, and where all is made anew. */
static void agree_after(struct world *w, size_t want)
{
	struct test_env dice;
	struct hash here, there;
	struct box late;
	size_t n;

	test_env_init(&dice, NOW_MS, 1);
	box_init(&late, 10, NOW_MS);
	assert_ok(box_open(&late));
	ship_all(&w->c, &late, &dice, true);
	here = counted(&w->c, &n);
	assert_int_equal(n, want);
	there = counted(&late, &n);
	assert_id_equal(&here, &there);
	assert_ok(community_digest(w->c.c, &w->space, &here));
	assert_ok(community_digest(late.c, &w->space, &there));
	assert_id_equal(&here, &there);
	assert_ok(community_rebuild(w->c.c));
	assert_ok(community_digest(w->c.c, &w->space, &there));
	assert_id_equal(&here, &there);
	box_release(&late);
}

static void what_a_list_pushed_out_counts_again_when_that_list_is_erased(void **state)
{
	const int64_t most = (int64_t)file_stored_size(LIMIT_UPLOAD);
	const int share = (int)(LIMIT_FILE_CARRIED / (uint64_t)most);
	struct hash newer, newest;
	struct world w;
	size_t n;

	world_init(&w, true);
	assert_ok(carry(&w, &w.b, NULL, list("old", most, 15)));
	test_env_pass(&w.b.env, 1000);
	assert_ok(box_submit(&w.b, &w.space, "file.carry", NULL, NULL, list("new", most, 64), &newer));
	test_env_pass(&w.b.env, 1000);
	assert_ok(box_submit(&w.b, &w.space, "file.carry", NULL, NULL, list("last", most, 2), &newest));
	meet_all(&w);
	counted(&w.c, &n);
	assert_int_equal(n, share);
	look_to_the_end(&w.c); /* they have gone meanwhile */
	assert_ok(box_erase(&w.a, &w.space, &newest, w.steward));
	meet_all(&w);
	agree_after(&w, (size_t)share);
	assert_ok(box_erase(&w.a, &w.space, &newer, w.steward));
	meet_all(&w);
	agree_after(&w, 15);
	world_release(&w);
}

/* A box is lost, and what was written in its name after it counts for nothing. */
static void what_a_list_beyond_the_cut_pushed_out_counts_again(void **state)
{
	const int64_t most = (int64_t)file_stored_size(LIMIT_UPLOAD);
	struct world w;
	size_t n;

	world_init(&w, true);
	assert_ok(carry(&w, &w.b, NULL, list("old", most, 5)));
	meet(&w.a, &w.b);
	test_env_pass(&w.b.env, 1000);
	assert_ok(carry(&w, &w.b, NULL, list("new", most, 64)));
	meet(&w.b, &w.c);
	counted(&w.c, &n);
	assert_true(n > 5);
	assert_ok(conn_begin(w.a.c));
	assert_ok(box_commit(&w.a, community_remove(w.a.c, &w.space, secret_pubkey(w.b.key), w.steward)));
	meet(&w.a, &w.c);
	look_to_the_end(&w.c);
	agree_after(&w, 5);
	world_release(&w);
}

static struct error *sent_in(struct conn *c, struct blob_store *blobs, const char *text)
{
	struct hash h = blob_of(text);
	int64_t last;

	TRY(sent_add(c, &h));
	TRY(sent_last(c, &last));
	return sent_clear(c, blobs, last);
}

/* Somebody was sending it in, too, when the box stopped. */
static void what_is_carried_stays_when_it_was_being_sent_in(void **state)
{
	static const char *const texts[] = {"one", "two"};
	struct world w;

	world_init(&w, true);
	send_file(&w, &w.a, "one", "its key");
	tell(&w.a);
	meet_all(&w);
	for (size_t i = 0; i < 2; i++) {
		struct hash h = blob_of(texts[i]);
		struct blob_writer *writer;

		assert_ok(blob_writer_new(w.blobs, 100, &writer));
		assert_ok(blob_write(writer, span_str(texts[i])));
		assert_ok(blob_writer_finish(writer, &h, NULL));
		assert_ok(conn_begin(w.c.c));
		assert_ok(box_commit(&w.c, sent_in(w.c.c, w.blobs, texts[i])));
		assert_int_equal(blob_has(w.blobs, &h, NULL), i == 0);
	}
	world_release(&w);
}

/* In a public space it would be one more way to name blobs: it says nothing there. */
static void a_carrier_knows_how_much_it_carries(void **state)
{
	struct files_carried n;
	struct blob_writer *writer;
	struct hash op;
	struct world w;

	world_init(&w, true);
	op = send_file(&w, &w.a, "one", "its key");
	send_file(&w, &w.a, "two", "its key");
	tell(&w.a);
	meet_all(&w);
	assert_ok(files_carried_count(w.c.c, w.blobs, &w.space, &n));
	assert_true(n.here == 0 && n.bytes == 0 && n.missing == 2);
	assert_ok(blob_writer_new(w.blobs, 100, &writer));
	assert_ok(blob_write(writer, span_str("one")));
	assert_ok(blob_writer_finish(writer, &(struct hash){{0}}, &n.bytes));
	assert_ok(files_carried_count(w.c.c, w.blobs, &w.space, &n));
	assert_true(n.here == 1 && n.bytes == 3 && n.missing == 1);
	assert_ok(files_carried_count(w.b.c, w.blobs, &w.space, &n));
	assert_true(n.here == 0 && n.missing == 0); /* who reads carries nothing */
	assert_ok(box_erase(&w.b, &w.space, &op, w.steward));
	meet_all(&w);
	assert_ok(files_carried_count(w.c.c, w.blobs, &w.space, &n));
	assert_true(n.here == 0 && n.missing == 1);
	world_release(&w);
}

/* A hostile box that is admitted tells of as many as it likes; the page is made all the same. */
static void who_is_told_of_very_many_counts_some(void **state)
{
	struct files_carried n;
	char name[20];
	struct world w;

	world_init(&w, true);
	for (int i = 0; i <= FILES_COUNTED / 64; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_ok(carry(&w, &w.b, NULL, list(name, SIZE, 64)));
	}
	meet_all(&w);
	assert_ok(files_carried_count(w.c.c, w.blobs, &w.space, &n));
	assert_int_equal(n.missing, FILES_COUNTED);
	assert_true(n.more);
	world_release(&w);
}

static void in_a_public_space_it_says_nothing(void **state)
{
	struct world w;
	struct hash public;

	world_init(&w, true);
	assert_ok(box_found(&w.a, w.steward, &public));
	w.space = public;
	assert_ok(carry(&w, &w.a, NULL, list("x", SIZE, 1)));
	meet_all(&w);
	assert_false(gives(&w.a, "x-0"));
	assert_false(gives(&w.c, "x-0"));
	world_release(&w);
}

static void boxes_with_the_same_entries_agree_also_after_a_rebuild(void **state)
{
	struct hash before, after, other;
	struct world w;

	world_init(&w, true);
	send_file(&w, &w.a, "one", "its key");
	tell(&w.a);
	meet_all(&w);
	assert_ok(community_digest(w.a.c, &w.space, &before));
	assert_ok(community_digest(w.b.c, &w.space, &other));
	assert_id_equal(&before, &other);
	assert_ok(community_digest(w.c.c, &w.space, &before));
	assert_ok(community_rebuild(w.c.c));
	assert_ok(community_digest(w.c.c, &w.space, &after));
	assert_id_equal(&before, &after);
	assert_true(wants(&w, &w.c, "one"));
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_carrier_is_told_what_a_sealed_op_needs),
		cmocka_unit_test(it_is_told_once_and_only_where_somebody_carries),
		cmocka_unit_test(what_is_not_sealed_is_not_told),
		cmocka_unit_test(more_than_one_op_takes_are_told_in_several),
		cmocka_unit_test(a_keeper_tells_for_a_box_that_can_t_any_more),
		cmocka_unit_test(what_is_erased_is_neither_wanted_nor_given_any_more),
		cmocka_unit_test(only_a_box_tells_and_only_what_makes_sense),
		cmocka_unit_test(who_names_without_end_has_its_share_and_no_more),
		cmocka_unit_test(who_names_a_file_of_others_and_erases_takes_it_from_nobody),
		cmocka_unit_test(what_others_say_of_a_file_is_told_by_its_box_too),
		cmocka_unit_test(what_is_carried_stays_when_a_version_elsewhere_is_erased),
		cmocka_unit_test(what_is_pushed_out_is_looked_at_three_times_and_no_more),
		cmocka_unit_test(what_is_kept_does_not_grow),
		cmocka_unit_test(each_row_is_found_without_reading_the_others),
		cmocka_unit_test(what_counts_follows_from_the_ops_in_whatever_order_they_come),
		cmocka_unit_test(what_a_list_pushed_out_counts_again_when_that_list_is_erased),
		cmocka_unit_test(what_a_list_beyond_the_cut_pushed_out_counts_again),
		cmocka_unit_test(what_is_carried_stays_when_it_was_being_sent_in),
		cmocka_unit_test(a_carrier_knows_how_much_it_carries),
		cmocka_unit_test(who_is_told_of_very_many_counts_some),
		cmocka_unit_test(in_a_public_space_it_says_nothing),
		cmocka_unit_test(boxes_with_the_same_entries_agree_also_after_a_rebuild),
	};

	return run_group(tests);
}
