/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/community/agree.h"
#include "appliance/files/files_priv.h"
#include "appliance/partial/partial.h"

#define NOW_MS 1800000000000LL

/* Two boxes of one space; a small file of the steward's. */
struct world {
	struct box a, b;
	struct secret *steward, *other;
	struct hash space, file;
	struct arena arena;
};

static json_t *small(const char *path, const char *data, int size)
{
	json_t *o = json_pack("{s:s, s:s, s:i, s:s}", "kind", "text", "data", data, "size", size,
			      "title", "Acta");

	if (path)
		json_object_set_new(o, "path", json_string(path));
	return o;
}

static json_t *large(int64_t size, const char *text, const char *path)
{
	struct hash h = hash_bytes(span_str(text));

	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "kind", "pdf", "blob", ID(&h), "size",
			 (json_int_t)size, "sha256", ID(&h), "title", "Gran", "path", path);
}

static struct error *create(struct world *w, json_t *body)
{
	return box_submit(&w->a, &w->space, "file.create", NULL, w->steward, body, NULL);
}

static struct error *revise(struct box *b, struct world *w, const struct secret *who,
			    const char *data, const struct hash *p1, const struct hash *p2,
			    struct hash *ret)
{
	json_t *parents = json_pack("[s]", ID(p1)), *body = small(NULL, data, 1);

	if (p2)
		json_array_append_new(parents, json_string(ID(p2)));
	json_object_set_new(body, "parents", parents);
	return box_submit(b, &w->space, "file.revise", &w->file, who, body, ret);
}

static void world_init(struct world *w)
{
	*w = (struct world){.steward = test_key(1), .other = test_key(2)};
	box_init(&w->a, 1, NOW_MS);
	box_init(&w->b, 2, NOW_MS + 5);
	assert_ok(box_open(&w->a));
	assert_ok(box_open(&w->b));
	assert_ok(box_found(&w->a, w->steward, &w->space));
	assert_ok(box_submit(&w->a, &w->space, "member.add", NULL, w->steward,
			     json_pack("{s:s, s:s, s:s, s:s}", "key", ID(secret_pubkey(w->other)),
				       "name", "Joan", "role", "member", "home",
				       ID(secret_pubkey(w->a.key))),
			     NULL));
	assert_ok(box_submit(&w->a, &w->space, "appliance.admit", NULL, w->steward,
			     json_pack("{s:s, s:s, s:s}", "key", ID(secret_pubkey(w->b.key)),
				       "name", "B", "mode", "write"),
			     NULL));
	assert_ok(box_submit(&w->a, &w->space, "file.create", NULL, w->steward,
			     small("actes/acta.txt", "YQ==", 1), &w->file));
	assert_ok(pull(&w->a, &w->b, 100));
}

static void world_release(struct world *w)
{
	arena_release(&w->arena);
	secret_free(w->steward);
	secret_free(w->other);
	box_release(&w->a);
	box_release(&w->b);
}

static void swap(struct world *w)
{
	swap_and_agree(&w->a, &w->b, &w->space);
}

static struct error *erase(struct box *b, struct world *w, const struct hash *target, json_t *keep)
{
	TRY(conn_begin(b->c));
	return box_commit(b, community_erase(b->c, &w->space, target, w->steward, keep));
}

struct reading {
	struct box *b;
	struct world *w;
	struct buf got;
};

static struct error *append_version(void *ctx, const struct file_version *v)
{
	struct reading *r = ctx;
	struct span s = span_str(v->erased ? "!" : "blob");

	if (v->inside)
		TRY(file_content(r->b->c, &r->w->arena, v, &s));
	buf_printf(&r->got, "%s%.*s", r->got.n ? "|" : "", (int)s.n, (const char *)s.p);
	return NULL;
}

static void contents_are(struct box *b, struct world *w, bool heads, const char *want)
{
	struct reading r = {b, w, {0}};
	struct file f;

	assert_ok(file_get(b->c, &w->arena, &w->file, &f));
	assert_ok(file_version_each(b->c, &w->arena, &f, heads, append_version, &r));
	assert_string_equal(buf_str(&r.got), want);
	buf_release(&r.got);
}

static void who_may_do_what(void **state)
{
	_cleanup_(secret_freep) struct secret *stranger = test_key(9);
	struct world w;

	world_init(&w);
	assert_fails(revise(&w.a, &w, stranger, "Yg==", &w.file, NULL, NULL), ERR_DENIED);
	assert_fails(box_submit(&w.a, &w.space, "file.hide", &w.file, w.other,
				json_pack("{s:b}", "hidden", 1), NULL),
		     ERR_DENIED);
	assert_fails(create(&w, small("../etc", "YQ==", 1)), ERR_INVALID);
	assert_fails(create(&w, small("actes/acta.txt", "YQ==", 1)), ERR_EXISTS);
	assert_ok(revise(&w.a, &w, w.other, "Yg==", &w.file, NULL, NULL));
	assert_ok(box_submit(&w.a, &w.space, "file.hide", &w.file, w.steward,
			     json_pack("{s:b}", "hidden", 1), NULL));
	swap(&w);
	contents_are(&w.b, &w, false, "b|a");
	world_release(&w);
}

static void an_op_says_what_the_content_is_or_is_refused(void **state)
{
	struct world w;
	json_t *both, *neither;

	world_init(&w);
	assert_fails(create(&w, small("a.txt", "YQ==", 2)), ERR_INVALID);
	assert_fails(create(&w, small("a.txt", "", 0)), ERR_MALFORMED);
	assert_fails(create(&w, small("a.txt", "YQ", 1)), ERR_INVALID);
	assert_fails(create(&w, small("a.txt", "YQ= =", 1)), ERR_INVALID);
	assert_fails(create(&w, large(LIMIT_FILE_INLINE, "x", "a.pdf")), ERR_INVALID);
	assert_fails(create(&w, large((int64_t)LIMIT_UPLOAD + 1, "x", "a.pdf")), ERR_INVALID);
	both = large(100000, "x", "a.pdf");
	json_object_set_new(both, "data", json_string("YQ=="));
	assert_fails(create(&w, both), ERR_INVALID);
	neither = large(100000, "x", "a.pdf");
	json_object_del(neither, "sha256");
	assert_fails(create(&w, neither), ERR_INVALID);
	assert_ok(create(&w, large(100000, "x", "a.pdf")));
	swap(&w);
	world_release(&w);
}

static void two_who_send_at_once_leave_two_heads_and_the_next_joins_them(void **state)
{
	struct world w;
	struct hash ra, rb;

	world_init(&w);
	assert_ok(revise(&w.a, &w, w.steward, "Yg==", &w.file, NULL, &ra));
	test_env_pass(&w.b.env, 1000);
	assert_ok(revise(&w.b, &w, w.other, "Yw==", &w.file, NULL, &rb));
	swap(&w);
	contents_are(&w.a, &w, true, "c|b");
	contents_are(&w.b, &w, true, "c|b");
	assert_ok(revise(&w.b, &w, w.other, "ZA==", &ra, &rb, NULL));
	swap(&w);
	contents_are(&w.a, &w, true, "d");
	contents_are(&w.a, &w, false, "d|c|b|a");
	world_release(&w);
}

static void an_erased_version_keeps_its_place_and_nothing_else(void **state)
{
	struct world w;
	struct hash ra;
	struct file f;
	struct file_version v;

	world_init(&w);
	assert_ok(revise(&w.a, &w, w.other, "Yg==", &w.file, NULL, &ra));
	swap(&w);
	assert_ok(file_get(w.b.c, &w.arena, &w.file, &f));
	assert_ok(file_version_get(w.b.c, &w.arena, &f, &w.file, &v));
	assert_ok(erase(&w.b, &w, &w.file, file_version_keep(w.b.c, &v)));
	swap(&w);
	contents_are(&w.a, &w, false, "b|!");
	contents_are(&w.b, &w, false, "b|!");
	assert_ok(file_at(w.a.c, &w.arena, &w.space, "actes/acta.txt", &f));
	world_release(&w);
}

/* --- blobs ------------------------------------------------------------------------------------ */

static bool all(void *ctx, const struct hash *space)
{
	(void)space;
	return !ctx;
}

static struct hash put_blob(struct blob_store *s, const char *text)
{
	struct blob_writer *w;
	struct hash h;

	assert_ok(blob_writer_new(s, 1000, &w));
	assert_ok(blob_write(w, span_str(text)));
	assert_ok(blob_writer_finish(w, &h, NULL));
	return h;
}

static void what_shown_files_name_is_wanted_the_newest_first(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(blob_closep) struct blob_store *blobs = NULL;
	struct blob_walk walk = {.before = 0}, again = {.before = 0};
	struct hash one = hash_bytes(span_str("one")), two = hash_bytes(span_str("two")), got;
	struct world w;
	uint64_t size;

	world_init(&w);
	assert_ok(blob_open(dir, &blobs));
	assert_ok(create(&w, large(100000, "one", "one.pdf")));
	assert_ok(create(&w, large(200000, "two", "two.pdf")));
	swap(&w);
	assert_true(files_next_blob(w.b.c, blobs, all, NULL, &walk, &got, &size));
	assert_id_equal(&got, &two);
	assert_int_equal(size, 200000);
	assert_true(files_next_blob(w.b.c, blobs, all, NULL, &walk, &got, &size));
	assert_id_equal(&got, &one);
	assert_false(files_next_blob(w.b.c, blobs, all, NULL, &walk, &got, &size));
	assert_false(files_next_blob(w.b.c, blobs, all, dir, &again, &got, &size));
	assert_true(files_names_blob(w.b.c, &one, all, NULL));
	assert_false(files_names_blob(w.b.c, &one, all, dir));
	got = hash_bytes(span_str("three"));
	assert_false(files_names_blob(w.b.c, &got, all, NULL));
	put_blob(blobs, "two");
	again = (struct blob_walk){.before = 0}; /* what is here may travel */
	assert_true(files_next_held(w.b.c, blobs, all, NULL, &again, &got, &size));
	assert_id_equal(&got, &two);
	assert_int_equal(size, 3);
	assert_false(files_next_held(w.b.c, blobs, all, NULL, &again, &got, &size));
	again = (struct blob_walk){.before = 0};
	assert_false(files_next_held(w.b.c, blobs, all, dir, &again, &got, &size));
	again = (struct blob_walk){.before = 0};
	assert_true(files_next_blob(w.b.c, blobs, all, NULL, &again, &got, &size));
	assert_id_equal(&got, &one);
	world_release(&w);
}

struct bound {
	uint64_t most;
	struct hash space;
};

static bool no_more_than(void *ctx, const struct hash *space, const struct hash *blob, uint64_t size)
{
	const struct bound *b = ctx;

	return hash_eq(space, &b->space) && size <= b->most;
}

static bool none_takes(void *ctx, const struct hash *space)
{
	++*(int *)ctx;
	return false;
}

/* As many names of blobs that nobody has. */
static const char name_many[] =
	"CREATE TEMP TABLE many AS SELECT v.* FROM (SELECT * FROM file_version WHERE blob IS NOT NULL"
	" ORDER BY num DESC LIMIT 1) v, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
	" FROM n WHERE i < 600) SELECT i FROM n);"
	"UPDATE many SET num = NULL, id = randomblob(32), blob = randomblob(32), stored = 200000;"
	"INSERT INTO file_version SELECT * FROM many; DROP TABLE many;";

/* Who names without end what never comes is looked through in pieces, and about a space is asked
 * once in each. */
static void many_names_are_looked_at_in_pieces(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(blob_closep) struct blob_store *blobs = NULL;
	struct bound bound = {.most = 100000};
	struct blob_walk walk = {.before = 0}, again = {.room = no_more_than, .room_ctx = &bound};
	struct hash one = hash_bytes(span_str("one")), got;
	int asked = 0, calls = 0;
	struct world w;
	uint64_t size;

	world_init(&w);
	bound.space = w.space;
	assert_ok(blob_open(dir, &blobs));
	assert_ok(create(&w, large(100000, "one", "one.pdf")));
	swap(&w);
	assert_ok(db_exec(w.b.c->view, name_many));
	do {
		assert_false(files_next_blob(w.b.c, blobs, none_takes, &asked, &walk, &got, &size));
		calls++;
	} while (walk.more);
	assert_int_equal(calls, 2);
	assert_int_equal(asked, 2);
	assert_int_equal(walk.looked, 601);
	assert_int_equal(walk.missed, 0);
	/* what comes behind the first piece is found in the next */
	assert_false(files_next_blob(w.b.c, blobs, all, NULL, &again, &got, &size));
	assert_true(again.more);
	assert_true(files_next_blob(w.b.c, blobs, all, NULL, &again, &got, &size));
	assert_id_equal(&got, &one);
	world_release(&w);
}

/* It is passed over and not missed: there will be room, or what is smaller has it. */
static void what_there_is_no_room_for_is_passed_over(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(blob_closep) struct blob_store *blobs = NULL;
	struct bound bound = {.most = 100000};
	struct blob_walk walk = {.room = no_more_than, .room_ctx = &bound};
	struct hash one = hash_bytes(span_str("one")), got;
	struct world w;
	uint64_t size;

	world_init(&w);
	bound.space = w.space;
	assert_ok(blob_open(dir, &blobs));
	assert_ok(create(&w, large(100000, "one", "one.pdf")));
	for (int i = 0; i < 20; i++) {
		char name[20];

		snprintf(name, sizeof(name), "%d.pdf", i);
		assert_ok(create(&w, large(200000, name, name)));
	}
	swap(&w);
	assert_true(files_next_blob(w.b.c, blobs, all, NULL, &walk, &got, &size));
	assert_id_equal(&got, &one);
	assert_id_equal(&walk.space, &w.space);
	put_blob(blobs, "one");
	assert_false(files_next_blob(w.b.c, blobs, all, NULL, &walk, &got, &size));
	assert_int_equal(walk.missed, 0);
	world_release(&w);
}

static void of_what_somebody_brings_only_what_a_shown_file_names_is_taken(void **state)
{
	struct hash one = hash_bytes(span_str("one")), other = hash_bytes(span_str("other")), id;
	struct keep keep = {.blob_max = 100000 - 1};
	struct world w;

	world_init(&w);
	assert_false(files_wants_blob(w.b.c, &one, 100000, all, NULL));
	assert_ok(box_submit(&w.a, &w.space, "file.create", NULL, w.steward,
			     large(100000, "one", "one.pdf"), &id));
	swap(&w);
	assert_true(files_wants_blob(w.b.c, &one, 100000, all, NULL));
	assert_false(files_wants_blob(w.b.c, &one, 100000 + 1, all, NULL)); /* more than is said */
	assert_false(files_wants_blob(w.b.c, &one, 100000, all, &id));	    /* no such space */
	assert_false(files_wants_blob(w.b.c, &other, 10, all, NULL));
	assert_ok(conn_begin(w.b.c));
	assert_ok(box_commit(&w.b, partial_choose(w.b.c, &keep)));
	assert_false(files_wants_blob(w.b.c, &one, 100000, all, NULL));
	assert_ok(conn_begin(w.b.c));
	assert_ok(box_commit(&w.b, file_wish(w.b.c, &one)));
	assert_true(files_wants_blob(w.b.c, &one, 100000, all, NULL));
	assert_ok(box_submit(&w.a, &w.space, "file.hide", &id, w.steward,
			     json_pack("{s:b}", "hidden", 1), NULL));
	swap(&w);
	assert_false(files_wants_blob(w.b.c, &one, 100000, all, NULL));
	world_release(&w);
}

static bool is_loose(struct world *w, struct blob_store *blobs, const struct hash *blob)
{
	struct loose_blob l;

	assert_ok(files_loose_before(w->b.c, blobs, 0, &l));
	if (l.num)
		assert_id_equal(&l.blob, blob);
	return l.num != 0;
}

static void keep_space(struct world *w, const struct hash *space, bool keep)
{
	assert_ok(conn_begin(w->b.c));
	assert_ok(box_commit(&w->b, partial_keep_space(w->b.c, space, keep)));
}

static void what_was_asked_for_stays_a_month_in_a_space_that_is_not_kept(void **state)
{
	const int64_t month = (int64_t)30 * 24 * 3600 * 1000;
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(blob_closep) struct blob_store *blobs = NULL;
	struct hash one = hash_bytes(span_str("one"));
	struct loose_blob l = {.blob = one, .stored = 3};
	struct world w;
	bool gone;

	world_init(&w);
	assert_ok(blob_open(dir, &blobs));
	put_blob(blobs, "one");
	assert_ok(create(&w, large(100000, "one", "one.pdf")));
	swap(&w);
	assert_false(is_loose(&w, blobs, &one));
	keep_space(&w, &w.space, false);
	assert_true(is_loose(&w, blobs, &one));
	assert_ok(conn_begin(w.b.c));
	assert_ok(box_commit(&w.b, file_wish(w.b.c, &one)));
	assert_false(is_loose(&w, blobs, &one));
	test_env_pass(&w.b.env, month - 1);
	assert_ok(conn_begin(w.b.c));
	assert_ok(box_commit(&w.b, files_let_go(w.b.c, blobs, &l, &gone)));
	assert_false(gone);
	assert_true(blob_has(blobs, &one, NULL));
	test_env_pass(&w.b.env, 1);
	assert_true(is_loose(&w, blobs, &one));
	world_release(&w);
}

static bool is_that(void *ctx, const struct hash *space)
{
	return hash_eq(ctx, space);
}

static void one_space_of_many_that_is_kept_keeps_what_all_name(void **state)
{
	enum { SPACES = 40 };
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(blob_closep) struct blob_store *blobs = NULL;
	struct hash one = hash_bytes(span_str("one")), spaces[SPACES];
	struct world w;

	world_init(&w);
	assert_ok(blob_open(dir, &blobs));
	put_blob(blobs, "one");
	for (int i = 0; i < SPACES; i++) {
		assert_ok(box_found(&w.b, w.steward, &spaces[i]));
		assert_ok(box_submit(&w.b, &spaces[i], "file.create", NULL, w.steward,
				     large(100000, "one", "one.pdf"), NULL));
		keep_space(&w, &spaces[i], false);
		assert_true(is_loose(&w, blobs, &one));
	}
	for (int i = 0; i < SPACES; i++) {
		keep_space(&w, &spaces[i], true);
		assert_false(is_loose(&w, blobs, &one));
		keep_space(&w, &spaces[i], false);
		assert_true(files_keeps_blob(w.b.c, &one, is_that, &spaces[i]));
		assert_true(files_names_blob(w.b.c, &one, is_that, &spaces[i]));
		assert_true(files_wants_blob(w.b.c, &one, 100000, is_that, &spaces[i]));
	}
	assert_false(files_keeps_blob(w.b.c, &one, is_that, &w.space));
	assert_false(files_names_blob(w.b.c, &one, is_that, &w.space));
	world_release(&w);
}

/* Else a member who names one file a hundred thousand times makes each question about it slow. */
static void how_often_a_space_names_a_file_costs_nothing(void **state)
{
	static const int asked[] = {VERSION_NAMES, VERSION_SHOWS};
	struct world w;

	(void)state;
	world_init(&w);
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		_cleanup_(buf_release) struct buf sql = {0};
		const char *one[1];
		struct db_stmts *s;
		sqlite3_stmt *st;
		bool row;

		buf_printf(&sql, "EXPLAIN QUERY PLAN %s", files_sql[asked[i]]);
		one[0] = buf_str(&sql);
		assert_ok(db_prepare(w.b.c->view, one, 1, &s));
		st = db_stmt(s, 0);
		assert_ok(db_step(w.b.c->view, st, &row));
		assert_true(row);
		assert_non_null(strstr(db_text(st, 3), "file_version_space (blob=? AND space"));
	}
	world_release(&w);
}

static struct error *count_left(void *ctx, const struct left_blob *l)
{
	struct hash *last = ctx;

	*last = l->blob;
	return NULL;
}

static void the_name_of_an_erased_version_s_blob_is_kept_until_it_is_gone(void **state)
{
	struct hash one = hash_bytes(span_str("one")), left = {{0}}, id;
	struct world w;
	bool named;

	world_init(&w);
	assert_ok(box_submit(&w.a, &w.space, "file.create", NULL, w.steward,
			     large(100000, "one", "one.pdf"), &id));
	swap(&w);
	assert_ok(left_each(w.b.c, count_left, &left));
	assert_true(hash_is_zero(&left));
	assert_ok(erase(&w.a, &w, &id, json_pack("{s:s}", "path", "one.pdf")));
	swap(&w);
	assert_ok(left_each(w.b.c, count_left, &left));
	assert_id_equal(&left, &one);
	assert_ok(blob_named_in(w.b.c, &one, NULL, NULL, &named));
	assert_false(named);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_do_what),
		cmocka_unit_test(an_op_says_what_the_content_is_or_is_refused),
		cmocka_unit_test(two_who_send_at_once_leave_two_heads_and_the_next_joins_them),
		cmocka_unit_test(an_erased_version_keeps_its_place_and_nothing_else),
		cmocka_unit_test(what_shown_files_name_is_wanted_the_newest_first),
		cmocka_unit_test(many_names_are_looked_at_in_pieces),
		cmocka_unit_test(what_there_is_no_room_for_is_passed_over),
		cmocka_unit_test(of_what_somebody_brings_only_what_a_shown_file_names_is_taken),
		cmocka_unit_test(what_was_asked_for_stays_a_month_in_a_space_that_is_not_kept),
		cmocka_unit_test(how_often_a_space_names_a_file_costs_nothing),
		cmocka_unit_test(one_space_of_many_that_is_kept_keeps_what_all_name),
		cmocka_unit_test(the_name_of_an_erased_version_s_blob_is_kept_until_it_is_gone),
	};

	test_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
