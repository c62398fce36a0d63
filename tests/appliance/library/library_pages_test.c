/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/site.h"
#include "appliance/library/library.h"
#include <git2.h>

static struct site site;

static struct reply write_page(enum site_person who, const char *path, const char *json, long want)
{
	struct reply r = site_ask(&site, who, path, json);

	if (r.status != want)
		print_message("# %s: %.*s\n", path, (int)r.body.n, (const char *)r.body.p);
	assert_int_equal(r.status, want);
	return r;
}

static struct reply read_page(const char *path)
{
	struct reply r = site_ask(&site, NOBODY, path, NULL);

	assert_int_equal(r.status, 200);
	return r;
}

static char *rev_of(const char *path)
{
	_cleanup_(reply_release) struct reply r = read_page(path);

	return strdup(TEXT(&r, "doc.rev"));
}

static void a_member_writes_a_page_and_everyone_reads_it(void **state)
{
	_cleanup_(reply_release) struct reply w = write_page(
		JOAN, "/library",
		"{\"path\":\"normes/claus\",\"title\":\"Claus\",\"text\":\"# Qui\\n\\nLa Remei.\"}",
		201);
	_cleanup_(reply_release) struct reply r = read_page("/library/normes/claus.json");
	_cleanup_(reply_release) struct reply list = read_page("/library.json");

	assert_string_equal(TEXT(&w, "url"), "/library/normes/claus");
	assert_string_equal(TEXT(&r, "doc.title"), "Claus");
	assert_string_equal(TEXT(&r, "doc.author"), "joan");
	assert_non_null(strstr(TEXT(&r, "doc.html"), "<h2>Qui</h2>"));
	assert_string_equal(TEXT(&list, "folders.0.name"), "normes");
}

static void a_stranger_may_not_write(void **state)
{
	_cleanup_(reply_release) struct reply r = write_page(
		NOBODY, "/library", "{\"path\":\"x\",\"title\":\"x\",\"text\":\"x\"}", 401);

	assert_non_null(r.json);
}

static void a_name_of_git_s_own_is_refused_in_words(void **state)
{
	_cleanup_(reply_release) struct reply r = write_page(
		JOAN, "/library", "{\"path\":\".git/config\",\"title\":\"x\",\"text\":\"x\"}", 400);

	assert_non_null(strstr(TEXT(&r, "error.text"), ".git/config"));
}

static void a_taken_name_is_refused(void **state)
{
	_cleanup_(reply_release) struct reply a = write_page(
		JOAN, "/library", "{\"path\":\"doble\",\"title\":\"Un\",\"text\":\"x\"}", 201);
	_cleanup_(reply_release) struct reply b = write_page(
		AINA, "/library", "{\"path\":\"doble\",\"title\":\"Dos\",\"text\":\"y\"}", 409);

	assert_non_null(a.json);
	assert_non_null(b.json);
}

static void expect_page_at(const char *json, const char *url)
{
	_cleanup_(reply_release) struct reply w = write_page(JOAN, "/library", json, 201);
	_cleanup_(reply_release) struct reply r = read_page(url);

	assert_string_equal(TEXT(&w, "url"), url);
	assert_int_equal(r.status, 200);
}

/* Nobody has to know what an address may look like; two of one title are two pages. */
static void a_page_whose_address_nobody_chose_is_kept_by_its_title(void **state)
{
	(void)state;
	expect_page_at("{\"title\":\"La Clau de l'Hort\",\"text\":\"x\"}", "/library/la-clau-de-l-hort");
	expect_page_at("{\"title\":\"La clau de l'hort!\",\"text\":\"y\"}",
		       "/library/la-clau-de-l-hort-2");
	expect_page_at("{\"path\":\"claus/\",\"title\":\"La clau de l'hort\",\"text\":\"z\"}",
		       "/library/claus/la-clau-de-l-hort");
	expect_page_at("{\"title\":\"New\",\"text\":\"not ours\"}", "/library/new-2");
	expect_page_at("{\"title\":\"?\",\"text\":\"x\"}", "/library/page");
}

static void a_mistake_in_a_new_page_leaves_its_address_empty(void **state)
{
	_cleanup_(reply_release) struct reply r =
		site_ask(&site, JOAN, "/library", "title=Sense+text&text=&path=");

	(void)state;
	assert_int_equal(r.status, 400);
	assert_non_null(strstr((const char *)r.body.p, "no text yet"));
	assert_null(strstr((const char *)r.body.p, "sense-text"));
}

static void an_edit_goes_on_from_the_newest_and_history_keeps_all(void **state)
{
	_cleanup_(reply_release) struct reply a = write_page(
		JOAN, "/library",
		"{\"path\":\"hort\",\"title\":\"Hort\",\"text\":\"Una.\\n\\nDues.\\n\"}", 201);
	_cleanup_(freep) char *rev = rev_of("/library/hort.json");
	char body[400], path[200];

	snprintf(body, sizeof(body),
		 "{\"title\":\"Hort\",\"text\":\"Una.\\n\\nTres.\\n\",\"note\":\"compto\","
		 "\"parents\":\"%s\"}",
		 rev);
	_cleanup_(reply_release) struct reply b = write_page(AINA, "/library/hort", body, 201);
	_cleanup_(reply_release) struct reply h = read_page("/library/hort.json?history=1");

	assert_string_equal(TEXT(&h, "revisions.0.author"), "aina");
	assert_string_equal(TEXT(&h, "revisions.0.note"), "compto");
	assert_string_equal(TEXT(&h, "revisions.0.current"), "true");
	assert_string_equal(TEXT(&h, "revisions.1.author"), "joan");
	snprintf(path, sizeof(path), "/library/hort.json?rev=%s", TEXT(&h, "revisions.0.rev"));
	_cleanup_(reply_release) struct reply v = read_page(path);
	assert_string_equal(TEXT(&v, "diff.2.kind"), "del");
	assert_string_equal(TEXT(&v, "diff.2.text"), "Dues.");
	assert_string_equal(TEXT(&v, "diff.3.text"), "Tres.");
	/* who did not see the newest is told, and nothing is written */
	_cleanup_(reply_release) struct reply late = write_page(JOAN, "/library/hort", body, 409);
	_cleanup_(reply_release) struct reply again = read_page("/library/hort.json?history=1");
	assert_int_equal(json_array_size(json_object_get(again.json, "revisions")), 2);
}

struct revise {
	struct hash doc, parent;
	const char *text;
};

/* As a box that did not know of the other's edit would: the same parent twice. */
static struct error *revise_job(struct conn *c, void *arg)
{
	struct revise *v = arg;
	struct hash id;

	return community_submit(
		c,
		&(struct draft){.type = "doc.revise",
				.space = site.space,
				.object = &v->doc,
				.author = site.steward,
				.take_body = json_pack("{s:s, s:[s]}", "text", v->text, "parents",
						       ID(&v->parent))},
		&id);
}

static void two_heads_are_shown_as_two_until_somebody_joins_them(void **state)
{
	_cleanup_(reply_release) struct reply a =
		write_page(JOAN, "/library",
			   "{\"path\":\"dues\",\"title\":\"Dues\",\"text\":\"Principi.\"}", 201);
	struct revise v = {.text = "Una branca."};
	char body[400];

	assert_true(id_parse(TEXT(&a, "id"), &v.doc));
	v.parent = v.doc;
	assert_ok(writer_run(site.app->writer, revise_job, &v));
	v.text = "Una altra.";
	assert_ok(writer_run(site.app->writer, revise_job, &v));
	_cleanup_(reply_release) struct reply two = read_page("/library/dues.json");
	assert_string_equal(TEXT(&two, "doc.heads_count"), "2");
	assert_int_equal(json_array_size(json_object_get(two.json, "heads")), 2);
	snprintf(body, sizeof(body),
		 "{\"title\":\"Dues\",\"text\":\"Totes dues.\",\"parents\":\"%s %s\"}",
		 TEXT(&two, "heads.0.rev"), TEXT(&two, "heads.1.rev"));
	_cleanup_(reply_release) struct reply joined = write_page(AINA, "/library/dues", body, 201);
	_cleanup_(reply_release) struct reply one = read_page("/library/dues.json");
	assert_string_equal(TEXT(&one, "doc.heads_count"), "1");
	assert_non_null(strstr(TEXT(&one, "doc.html"), "Totes dues."));
}

static void the_repository_has_a_commit_a_revision_and_the_library_s_tree(void **state)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	git_repository *repo;
	git_object *blob;
	git_revwalk *walk;
	git_oid oid;
	char path[600];
	int commits = 0, again = 0;

	assert_ok(app_conn(site.app, &c));
	assert_ok(library_git_update(c, site.dir, &site.space));
	snprintf(path, sizeof(path), "%s/git/%s.git", site.dir, ID(&site.space));
	git_libgit2_init();
	assert_int_equal(git_repository_open_bare(&repo, path), 0);
	assert_int_equal(git_revparse_single(&blob, repo, "main:hort.md"), 0);
	assert_string_equal(git_blob_rawcontent((git_blob *)blob), "Una.\n\nTres.\n");
	git_object_free(blob);
	assert_int_equal(git_revwalk_new(&walk, repo), 0);
	assert_int_equal(git_revwalk_push_ref(walk, "refs/heads/main"), 0);
	while (!git_revwalk_next(&oid, walk))
		commits++;
	assert_true(commits >= 8); /* claus, doble, hort twice, dues four times */
	assert_ok(library_git_update(c, site.dir, &site.space)); /* adds nothing */
	assert_int_equal(git_revwalk_push_ref(walk, "refs/heads/main"), 0);
	while (!git_revwalk_next(&oid, walk))
		again++;
	assert_int_equal(again, commits);
	git_revwalk_free(walk);
	git_repository_free(repo);
	git_libgit2_shutdown();
}

static int open_site(void **state)
{
	test_init();
	site_open(&site);
	*state = &site;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_writes_a_page_and_everyone_reads_it),
		cmocka_unit_test(a_stranger_may_not_write),
		cmocka_unit_test(a_name_of_git_s_own_is_refused_in_words),
		cmocka_unit_test(a_taken_name_is_refused),
		cmocka_unit_test(a_page_whose_address_nobody_chose_is_kept_by_its_title),
		cmocka_unit_test(a_mistake_in_a_new_page_leaves_its_address_empty),
		cmocka_unit_test(an_edit_goes_on_from_the_newest_and_history_keeps_all),
		cmocka_unit_test(two_heads_are_shown_as_two_until_somebody_joins_them),
		cmocka_unit_test(the_repository_has_a_commit_a_revision_and_the_library_s_tree),
	};

	return cmocka_run_group_tests(tests, open_site, site_end);
}
