/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/community/agree.h"
#include "appliance/library/library.h"
#include <git2.h>

#define NOW_MS 1800000000000LL

/* Two boxes of one space; a page of the steward's. */
struct world {
	struct box a, b;
	struct secret *steward, *other;
	struct hash space, doc;
	struct arena arena;
};

static struct error *revise(struct box *b, struct world *w, const struct secret *who,
			    const char *text, const struct hash *p1, const struct hash *p2,
			    struct hash *ret)
{
	json_t *parents = json_pack("[s]", ID(p1));

	if (p2)
		json_array_append_new(parents, json_string(ID(p2)));
	return box_submit(b, &w->space, "doc.revise", &w->doc, who,
			  json_pack("{s:s, s:o}", "text", text, "parents", parents), ret);
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
				       "name", "Joan <joan>", "role", "member", "home",
				       ID(secret_pubkey(w->a.key))),
			     NULL));
	assert_ok(box_submit(&w->a, &w->space, "appliance.admit", NULL, w->steward,
			     json_pack("{s:s, s:s, s:s}", "key", ID(secret_pubkey(w->b.key)),
				       "name", "B", "mode", "write"),
			     NULL));
	assert_ok(box_submit(
		&w->a, &w->space, "doc.create", NULL, w->steward,
		json_pack("{s:s, s:s, s:s}", "path", "normes/sala", "title", "Sala", "text", "u\n"),
		&w->doc));
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

static struct error *append_text(void *ctx, const struct revision *r)
{
	struct buf *b = ctx;

	buf_printf(b, "%s%.*s%s", b->n ? "|" : "", (int)strcspn(r->text, "\n"), r->text,
		   r->erased ? "!" : "");
	return NULL;
}

static void texts_are(struct box *b, struct world *w, bool heads, const char *want)
{
	_cleanup_(buf_release) struct buf got = {0};
	struct doc d;

	assert_ok(doc_get(b->c, &w->arena, &w->doc, &d));
	assert_ok(revision_each(b->c, &w->arena, &d, heads, append_text, &got));
	assert_string_equal(buf_str(&got), want);
}

static void who_may_do_what(void **state)
{
	struct world w;
	struct hash id;
	_cleanup_(secret_freep) struct secret *stranger = test_key(9);

	world_init(&w);
	assert_fails(revise(&w.a, &w, stranger, "x", &w.doc, NULL, NULL), ERR_DENIED);
	assert_ok(revise(&w.a, &w, w.other, "dos", &w.doc, NULL, &id));
	assert_fails(box_submit(&w.a, &w.space, "doc.hide", &w.doc, w.other,
				json_pack("{s:b}", "hidden", 1), NULL),
		     ERR_DENIED);
	assert_fails(box_submit(&w.a, &w.space, "doc.revise", &w.doc, w.other,
				json_pack("{s:s, s:[]}", "text", "x", "parents"), NULL),
		     ERR_INVALID);
	assert_fails(box_submit(&w.a, &w.space, "doc.create", NULL, w.other,
				json_pack("{s:s, s:s, s:s}", "path", "../etc", "title", "x", "text",
					  "x"),
				NULL),
		     ERR_INVALID);
	assert_fails(box_submit(&w.a, &w.space, "doc.create", NULL, w.other,
				json_pack("{s:s, s:s, s:s}", "path", "normes/sala", "title", "x",
					  "text", "x"),
				NULL),
		     ERR_EXISTS);
	assert_ok(box_submit(&w.a, &w.space, "doc.hide", &w.doc, w.steward,
			     json_pack("{s:b}", "hidden", 1), NULL));
	swap(&w);
	world_release(&w);
}

static void two_who_write_at_once_leave_two_heads_and_the_next_joins_them(void **state)
{
	struct world w;
	struct hash ra, rb;
	struct doc d;

	world_init(&w);
	assert_ok(revise(&w.a, &w, w.steward, "a", &w.doc, NULL, &ra));
	test_env_pass(&w.b.env, 1000);
	assert_ok(revise(&w.b, &w, w.other, "b", &w.doc, NULL, &rb));
	swap(&w);
	texts_are(&w.a, &w, true, "b|a");
	texts_are(&w.b, &w, true, "b|a");
	assert_ok(doc_get(w.a.c, &w.arena, &w.doc, &d));
	assert_int_equal(d.heads, 2);
	assert_ok(revise(&w.b, &w, w.other, "a i b", &ra, &rb, NULL));
	swap(&w);
	texts_are(&w.a, &w, true, "a i b");
	texts_are(&w.a, &w, false, "a i b|b|a|u");
	world_release(&w);
}

static void two_pages_of_one_path_keep_two_addresses_everywhere(void **state)
{
	struct world w;
	struct hash ids[2];
	const char *seen[2][2];
	struct doc d;

	world_init(&w);
	for (int i = 0; i < 2; i++)
		assert_ok(box_submit(i ? &w.b : &w.a, &w.space, "doc.create", NULL, w.other,
				     json_pack("{s:s, s:s, s:s}", "path", "hort", "title",
					       i ? "B" : "A", "text", "x"),
				     &ids[i]));
	swap(&w);
	for (int b = 0; b < 2; b++)
		for (int i = 0; i < 2; i++) {
			struct conn *c = b ? w.b.c : w.a.c;

			assert_ok(doc_get(c, &w.arena, &ids[i], &d));
			seen[b][i] = doc_address(&w.arena, &d);
			assert_ok(doc_at(c, &w.arena, &w.space, seen[b][i], &d));
			assert_id_equal(&d.id, &ids[i]);
		}
	assert_string_equal(seen[0][0], seen[1][0]);
	assert_string_equal(seen[0][1], seen[1][1]);
	assert_string_not_equal(seen[0][0], seen[0][1]);
	assert_fails(doc_at(w.a.c, &w.arena, &w.space, "hort~aaaaaaaa", &d), ERR_NOT_FOUND);
	world_release(&w);
}

static void erase(struct box *b, struct world *w, const struct hash *id, const struct secret *who)
{
	struct revision r;
	struct doc d;

	assert_ok(doc_get(b->c, &w->arena, &w->doc, &d));
	assert_ok(revision_get(b->c, &w->arena, &d, id, &r));
	assert_ok(conn_begin(b->c));
	assert_ok(community_erase(b->c, &w->space, id, who, revision_keep(b->c, &r)));
	assert_ok(conn_commit(b->c));
	assert_ok(conn_scrub(b->c));
}

static void an_erased_version_keeps_its_place(void **state)
{
	struct world w;
	struct hash r2, r3, before, after;
	struct doc d;

	world_init(&w);
	assert_ok(revise(&w.a, &w, w.other, "secret", &w.doc, NULL, &r2));
	assert_ok(revise(&w.a, &w, w.steward, "tres", &r2, NULL, &r3));
	swap(&w);
	erase(&w.a, &w, &r2, w.other);
	erase(&w.a, &w, &w.doc, w.steward);
	swap(&w);
	texts_are(&w.b, &w, false, "tres|!|!");
	texts_are(&w.b, &w, true, "tres");
	assert_ok(doc_at(w.b.c, &w.arena, &w.space, "normes/sala", &d));
	assert_ok(community_digest(w.b.c, &w.space, &before));
	assert_ok(community_rebuild(w.b.c));
	assert_ok(community_digest(w.b.c, &w.space, &after));
	assert_id_equal(&before, &after);
	world_release(&w);
}

/* --- the repository --------------------------------------------------------------------------- */

static git_repository *open_repo(struct world *w, struct box *b)
{
	git_repository *git;

	assert_int_equal(git_repository_open_bare(&git, arena_printf(&w->arena, "%s/git/%s.git",
								     b->dir, ID(&w->space))),
			 0);
	return git;
}

static git_oid tree_of(struct world *w, struct box *b, int *ret_commits)
{
	git_repository *git = open_repo(w, b);
	git_revwalk *walk;
	git_commit *commit;
	git_oid oid, tree;

	assert_int_equal(git_reference_name_to_id(&oid, git, "refs/heads/main"), 0);
	assert_int_equal(git_commit_lookup(&commit, git, &oid), 0);
	tree = *git_commit_tree_id(commit);
	git_commit_free(commit);
	*ret_commits = 0;
	git_revwalk_new(&walk, git);
	git_revwalk_push_head(walk);
	while (!git_revwalk_next(&oid, walk))
		++*ret_commits;
	git_revwalk_free(walk);
	git_repository_free(git);
	return tree;
}

static void the_repositories_of_two_boxes_hold_the_same_tree(void **state)
{
	struct world w;
	struct hash ra, rb;
	git_oid ta, tb;
	int commits, again;

	world_init(&w);
	git_libgit2_init();
	assert_ok(revise(&w.a, &w, w.steward, "a", &w.doc, NULL, &ra));
	assert_ok(library_git_update(w.a.c, w.a.dir, &w.space));
	assert_ok(revise(&w.b, &w, w.other, "b", &w.doc, NULL, &rb));
	assert_ok(library_git_update(w.b.c, w.b.dir, &w.space));
	swap(&w);
	assert_ok(library_git_update(w.a.c, w.a.dir, &w.space));
	assert_ok(library_git_update(w.b.c, w.b.dir, &w.space));
	ta = tree_of(&w, &w.a, &commits);
	tb = tree_of(&w, &w.b, &commits);
	assert_true(git_oid_equal(&ta, &tb));
	assert_ok(library_git_update(w.b.c, w.b.dir, &w.space));
	tree_of(&w, &w.b, &again);
	assert_int_equal(commits, again);
	git_libgit2_shutdown();
	world_release(&w);
}

static bool has_blob(struct world *w, struct box *b, const char *text)
{
	git_repository *git = open_repo(w, b);
	git_odb *odb;
	git_oid oid;
	bool here;

	git_repository_odb(&odb, git);
	git_odb_hash(&oid, text, strlen(text), GIT_OBJECT_BLOB);
	here = git_odb_exists(odb, &oid);
	git_odb_free(odb);
	git_repository_free(git);
	return here;
}

static void an_erased_version_leaves_the_repository(void **state)
{
	struct world w;
	struct hash r2, r3;
	int commits;

	world_init(&w);
	git_libgit2_init();
	assert_ok(revise(&w.a, &w, w.other, "secret\n", &w.doc, NULL, &r2));
	assert_ok(revise(&w.a, &w, w.steward, "tres\n", &r2, NULL, &r3));
	assert_ok(library_git_update(w.a.c, w.a.dir, &w.space));
	assert_true(has_blob(&w, &w.a, "secret\n"));
	erase(&w.a, &w, &r2, w.other);
	assert_ok(library_git_update(w.a.c, w.a.dir, &w.space));
	assert_false(has_blob(&w, &w.a, "secret\n"));
	assert_true(has_blob(&w, &w.a, "tres\n"));
	tree_of(&w, &w.a, &commits);
	assert_int_equal(commits, 2);
	git_libgit2_shutdown();
	world_release(&w);
}

static void a_stale_lock_and_a_torn_reference_are_healed(void **state)
{
	struct world w;
	struct hash r2;
	char path[4400];
	int commits;

	world_init(&w);
	git_libgit2_init();
	assert_ok(library_git_update(w.a.c, w.a.dir, &w.space));
	snprintf(path, sizeof(path), "%s/git/%s.git/refs/heads/main.lock", w.a.dir, ID(&w.space));
	assert_ok(file_write(path, span_str(""), 0600));
	assert_ok(revise(&w.a, &w, w.steward, "dos", &w.doc, NULL, &r2));
	assert_ok(library_git_update(w.a.c, w.a.dir, &w.space));
	tree_of(&w, &w.a, &commits);
	assert_int_equal(commits, 2);
	snprintf(path, sizeof(path), "%s/git/%s.git/refs/heads/main", w.a.dir, ID(&w.space));
	assert_ok(file_write(path, span_str("0123456789012345678901234567890123456789\n"), 0600));
	assert_ok(library_git_update(w.a.c, w.a.dir, &w.space));
	tree_of(&w, &w.a, &commits);
	assert_int_equal(commits, 2);
	git_libgit2_shutdown();
	world_release(&w);
}

static void only_files_of_the_repository_have_names(void **state)
{
	static const char *const bad[] = {"config",
					  "../../../key",
					  "objects/../../key",
					  "objects/aa",
					  "objects/aa/..",
					  "refs/heads/main",
					  "objects/info/packs",
					  "objects/AA/00000000000000000000000000000000000000",
					  "objects/aa/000000000000000000000000000000000000000",
					  ""};
	struct world w;

	world_init(&w);
	assert_ok(library_git_update(w.a.c, w.a.dir, &w.space));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_(buf_release) struct buf b = {0};

		assert_fails(library_git_file(w.a.dir, &w.space, bad[i], &b), ERR_NOT_FOUND);
	}
	_cleanup_(buf_release) struct buf refs = {0};

	assert_ok(library_git_file(w.a.dir, &w.space, "info/refs", &refs));
	assert_non_null(strstr(buf_str(&refs), "\trefs/heads/main\n"));
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_do_what),
		cmocka_unit_test(two_who_write_at_once_leave_two_heads_and_the_next_joins_them),
		cmocka_unit_test(two_pages_of_one_path_keep_two_addresses_everywhere),
		cmocka_unit_test(an_erased_version_keeps_its_place),
		cmocka_unit_test(the_repositories_of_two_boxes_hold_the_same_tree),
		cmocka_unit_test(an_erased_version_leaves_the_repository),
		cmocka_unit_test(a_stale_lock_and_a_torn_reference_are_healed),
		cmocka_unit_test(only_files_of_the_repository_have_names),
	};

	return run_group(tests);
}
