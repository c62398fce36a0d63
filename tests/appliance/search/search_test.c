/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/community/boxes.h"
#include "appliance/search/search_priv.h"
#include "sync/base/arena.h"
#include "sync/base/file.h"

/* One box with a space, a forum, and its steward. */
struct house {
	struct box box;
	struct secret *steward;
	struct hash space, forum;
};

static void house_open(struct house *h, unsigned n)
{
	box_init(&h->box, n, 1700000000000);
	h->steward = test_key(1);
	assert_ok(box_open(&h->box));
	assert_ok(box_found(&h->box, h->steward, &h->space));
	assert_ok(box_submit(&h->box, &h->space, "forum.create", NULL, h->steward,
			     json_pack("{s:s,s:s}", "slug", "g", "title", "General"), &h->forum));
}

static void house_close(struct house *h)
{
	box_release(&h->box);
	secret_free(h->steward);
}

static struct hash topic(struct house *h, const char *title, const char *text)
{
	struct hash id;

	test_env_pass(&h->box.env, 1000);
	assert_ok(box_submit(
		&h->box, &h->space, "topic.create", NULL, h->steward,
		json_pack("{s:s,s:s,s:s}", "forum", ID(&h->forum), "title", title, "text", text),
		&id));
	return id;
}

static struct hash post(struct house *h, const struct hash *in, const char *text)
{
	struct hash id;

	test_env_pass(&h->box.env, 1000);
	assert_ok(box_submit(&h->box, &h->space, "post.create", in, h->steward,
			     json_pack("{s:s}", "text", text), &id));
	return id;
}

static struct hash page(struct house *h, const char *path, const char *title, const char *text)
{
	struct hash id;

	test_env_pass(&h->box.env, 1000);
	assert_ok(box_submit(&h->box, &h->space, "doc.create", NULL, h->steward,
			     json_pack("{s:s,s:s,s:s}", "path", path, "title", title, "text", text),
			     &id));
	return id;
}

static void act(struct house *h, const struct hash *object, const char *type, json_t *body)
{
	test_env_pass(&h->box.env, 1000);
	assert_ok(box_submit(&h->box, &h->space, type, object, h->steward, body, NULL));
}

/* --- asking --- */
struct answer {
	struct arena arena;
	struct found found[RESULTS_A_PAGE];
	size_t n;
	int64_t count;
};

static struct error *keep(void *ctx, const struct found *f)
{
	struct answer *a = ctx;

	a->found[a->n++] = *f;
	return NULL;
}

static struct answer ask_from(struct conn *c, const char *typed, int64_t skip)
{
	struct answer a = {.n = 0};
	struct question q = {
		.typed = typed, .skip = skip, .n = RESULTS_A_PAGE, .ms = SEARCH_MS};
	struct findings found;

	assert_ok(search(c, &a.arena, &q, keep, &a, &found));
	assert_false(found.more);
	a.count = found.count;
	return a;
}

static void answer_release(struct answer *a)
{
	arena_release(&a->arena);
}

static struct answer ask(struct house *h, const char *typed)
{
	assert_ok(search_catch_up(h->box.c));
	return ask_from(h->box.c, typed, 0);
}

#define FINDS(h, typed)                                                                            \
	({                                                                                         \
		_cleanup_(answer_release) struct answer finds_ = ask((h), (typed));                \
		assert_int_equal(finds_.n, finds_.count);                                          \
		(int)finds_.n;                                                                     \
	})

/* --- what is found --- */

static void words_are_found_without_accents_and_the_last_by_its_beginning(void **state)
{
	struct house h;

	house_open(&h, 1);
	topic(&h, "Qui té la clau?",
	      "La **clau** és al [calaix](https://example.org/secret) del TALLER.");
	assert_int_equal(FINDS(&h, "clau"), 1);
	assert_int_equal(FINDS(&h, "CLÀU calaix"), 1);
	assert_int_equal(FINDS(&h, "clau tall"), 1);
	assert_int_equal(FINDS(&h, "tall clau"), 0); /* only the last word may be begun */
	assert_int_equal(FINDS(&h, "\"és al calaix\""), 1);
	assert_int_equal(FINDS(&h, "\"al és calaix\""), 0);
	assert_int_equal(FINDS(&h, "te qui"), 1); /* the title */
	assert_int_equal(FINDS(&h, "secret"), 0); /* an address is no word of the text */
	house_close(&h);
}

static void posts_and_pages_of_all_kinds_are_found_together(void **state)
{
	struct house h;
	struct hash t, p, d;

	house_open(&h, 1);
	t = topic(&h, "Hort", "Obrim el cistell");
	p = post(&h, &t, "Al cistell hi ha tomàquets");
	d = page(&h, "hort/cistells", "El cistell", "Com es **reparteix** el cistell");
	_cleanup_(answer_release) struct answer a = ask(&h, "cistell");

	assert_int_equal(a.count, 3);
	assert_int_equal(a.n, 3);
	assert_true(a.found[0].doc); /* it is in the title */
	assert_id_equal(&a.found[0].id, &d);
	assert_string_equal(a.found[0].address, "hort/cistells");
	assert_string_equal(a.found[0].snippet_html, "Com es reparteix el <mark>cistell</mark>");
	for (size_t i = 1; i < 3; i++) {
		assert_string_equal(a.found[i].title, "Hort");
		assert_true(hash_eq(&a.found[i].id, a.found[i].opens ? &t : &p));
	}
	house_close(&h);
}

static void whatever_is_typed_is_no_syntax_error(void **state)
{
	static const char *const typed[] = {"\"",	 "AND",
					    "NOT x",	 "a OR",
					    "NEAR(a b)", "title:clau",
					    "clau*",	 "^clau",
					    "{a b}:c",	 "clau\"\"",
					    "- clau",	 "(((",
					    "a+b",	 "'; DROP TABLE post; --",
					    "\\",	 "%_",
					    "c*l*a*u",	 "\xc3\x28",
					    "\xf0\x9f",	 "\xe2\x80",
					    "clau \"x",	 "\x01\x02"};
	struct house h;

	house_open(&h, 1);
	topic(&h, "Títol", "clau");
	for (size_t i = 0; i < ARRAY_LEN(typed); i++)
		FINDS(&h, typed[i]);
	assert_int_equal(FINDS(&h, "clau*"), 1);
	assert_int_equal(FINDS(&h, "clau —"), 1);
	house_close(&h);
}

static void hostile_words_come_out_escaped(void **state)
{
	struct house h;

	house_open(&h, 1);
	topic(&h, "<img src=x onerror=alert(1)>",
	      "`<script>alert(1)</script>` clau <svg/onload=alert(2)> \"'&amp; <mark>");
	_cleanup_(answer_release) struct answer a = ask(&h, "clau");

	assert_int_equal(a.n, 1);
	assert_null(strstr(a.found[0].snippet_html, "<script"));
	assert_null(strstr(a.found[0].snippet_html, "<svg"));
	assert_non_null(strstr(a.found[0].snippet_html, "&lt;script&gt;"));
	assert_non_null(strstr(a.found[0].snippet_html, "<mark>clau</mark>"));
	assert_null(strstr(strstr(a.found[0].snippet_html, "</mark>") + 1, "<"));
	house_close(&h);
}

static void many_results_come_twenty_a_page_without_repeating(void **state)
{
	struct house h;
	struct hash t, seen[45];
	size_t n = 0;

	house_open(&h, 1);
	t = topic(&h, "Molts", "res");
	for (int i = 0; i < 45; i++)
		post(&h, &t, "una pedra més");
	assert_ok(search_catch_up(h.box.c));
	for (int64_t skip = 0; skip < 60; skip += RESULTS_A_PAGE) {
		_cleanup_(answer_release) struct answer a = ask_from(h.box.c, "pedra", skip);

		assert_int_equal(a.count, 45);
		for (size_t i = 0; i < a.n; i++)
			seen[n++] = a.found[i].id;
	}
	assert_int_equal(n, 45);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			assert_false(hash_eq(&seen[i], &seen[j]));
	house_close(&h);
}

/* --- what changes --- */

static void an_edit_is_found_by_its_new_words_only(void **state)
{
	struct house h;
	struct hash t, p;

	house_open(&h, 1);
	t = topic(&h, "Títol", "u");
	p = post(&h, &t, "demà plourà");
	assert_int_equal(FINDS(&h, "plourà"), 1);
	act(&h, &t, "post.edit", json_pack("{s:s,s:s}", "post", ID(&p), "text", "demà farà sol"));
	_cleanup_(answer_release) struct answer early = ask_from(h.box.c, "plourà", 0);

	assert_int_equal(early.count, 0); /* even before the index followed */
	assert_int_equal(FINDS(&h, "plourà"), 0);
	assert_int_equal(FINDS(&h, "farà sol"), 1);
	act(&h, &t, "topic.set", json_pack("{s:s}", "title", "Meteorologia"));
	assert_int_equal(FINDS(&h, "meteorologia"), 1);
	assert_int_equal(FINDS(&h, "títol"), 0);
	house_close(&h);
}

static void what_is_hidden_is_not_found_until_it_is_shown(void **state)
{
	struct house h;
	struct hash t, p;

	house_open(&h, 1);
	t = topic(&h, "Títol", "clau u");
	p = post(&h, &t, "clau dos");
	assert_int_equal(FINDS(&h, "clau"), 2);
	act(&h, &t, "post.hide", json_pack("{s:s,s:b}", "post", ID(&p), "hidden", 1));
	_cleanup_(answer_release) struct answer early = ask_from(h.box.c, "clau", 0);

	assert_int_equal(early.count, 1);
	assert_int_equal(early.n, 1);
	assert_int_equal(FINDS(&h, "clau"), 1);
	act(&h, &t, "post.hide", json_pack("{s:s,s:b}", "post", ID(&p), "hidden", 0));
	assert_int_equal(FINDS(&h, "clau"), 2);
	/* Its opening post hidden, a conversation is in no list. */
	act(&h, &t, "post.hide", json_pack("{s:s,s:b}", "post", ID(&t), "hidden", 1));
	assert_int_equal(FINDS(&h, "clau"), 0);
	house_close(&h);
}

static void a_page_is_found_as_it_is_now(void **state)
{
	struct house h;
	struct hash d;

	house_open(&h, 1);
	d = page(&h, "acta", "Acta", "vam parlar del piano");
	assert_int_equal(FINDS(&h, "piano"), 1);
	act(&h, &d, "doc.revise",
	    json_pack("{s:[s],s:s,s:s}", "parents", ID(&d), "text", "vam parlar del violí", "title",
		      "Reunió"));
	assert_int_equal(FINDS(&h, "piano"), 0);
	assert_int_equal(FINDS(&h, "violí reunió"), 1);
	/* Two heads: the words of both. */
	act(&h, &d, "doc.revise",
	    json_pack("{s:[s],s:s}", "parents", ID(&d), "text", "vam parlar del timbal"));
	assert_int_equal(FINDS(&h, "timbal"), 1);
	assert_int_equal(FINDS(&h, "violí"), 1);
	act(&h, &d, "doc.hide", json_pack("{s:b}", "hidden", 1));
	assert_int_equal(FINDS(&h, "violí"), 0);
	house_close(&h);
}

static void what_is_folded_again_is_found_once(void **state)
{
	struct house h;
	struct box other;
	struct hash t, id;

	house_open(&h, 1);
	box_init(&other, 2, 1700000000000);
	assert_ok(box_open(&other));
	t = topic(&h, "Títol", "primera pedra");
	act(&h, NULL, "appliance.admit",
	    json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(other.key)), "name", "B", "mode",
		      "write"));
	assert_ok(pull(&h.box, &other, 100));
	/* Both write about the same object: each folds it again when they meet. */
	post(&h, &t, "segona pedra");
	assert_int_equal(FINDS(&h, "pedra"), 2);
	assert_ok(box_submit(&other, &h.space, "post.create", &t, h.steward,
			     json_pack("{s:s}", "text", "tercera pedra"), &id));
	assert_ok(pull(&other, &h.box, 100));
	assert_int_equal(FINDS(&h, "pedra"), 3);
	assert_int_equal(FINDS(&h, "tercera"), 1);
	box_release(&other);
	house_close(&h);
}

static void a_view_made_anew_is_found_anew(void **state)
{
	struct house h;

	house_open(&h, 1);
	topic(&h, "Títol", "clau");
	page(&h, "p", "Pàgina", "clau");
	assert_int_equal(FINDS(&h, "clau"), 2);
	assert_ok(community_rebuild(h.box.c));
	_cleanup_(answer_release) struct answer early = ask_from(h.box.c, "clau", 0);

	assert_int_equal(early.count, 0);
	assert_int_equal(FINDS(&h, "clau"), 2);
	house_close(&h);
}

static void a_batch_is_bounded_and_says_that_there_is_more(void **state)
{
	struct house h;
	bool more, behind;
	int batches = 0;
	struct hash t;

	house_open(&h, 1);
	t = topic(&h, "Títol", "u");
	for (int i = 0; i < 20; i++)
		post(&h, &t, "pedra");
	do {
		assert_ok(search_behind(h.box.c, &behind));
		assert_true(behind);
		assert_ok(conn_begin(h.box.c));
		assert_ok(search_update(h.box.c, 5, &more));
		assert_ok(conn_commit(h.box.c));
		batches++;
	} while (more);
	assert_int_equal(batches, 5);
	assert_ok(search_behind(h.box.c, &behind));
	assert_false(behind);
	assert_int_equal(FINDS(&h, "pedra"), 20);
	house_close(&h);
}

/* --- what is erased --- */

/* Does the file, or its write-ahead log, hold these bytes? */
static bool file_holds(struct house *h, const char *name, const char *word)
{
	static const char *const ends[] = {"", "-wal"};
	bool holds = false;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		_cleanup_(buf_release) struct buf bytes = {0};
		char path[4200];

		snprintf(path, sizeof(path), "%s/%s%s", h->box.dir, name, ends[i]);
		error_free(file_read(path, 1 << 28, &bytes));
		holds |= bytes.n && memmem(bytes.p, bytes.n, word, strlen(word));
	}
	return holds;
}

static void no_byte_of_what_was_erased_stays_in_the_view(void **state)
{
	struct house h;
	struct hash t, p;
	char text[400];

	house_open(&h, 1);
	t = topic(&h, "Títol", "u");
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "pedra%d número%d cada%d", i, i * 7, i * 13);
		post(&h, &t, text);
		if (i % 100 == 99)
			assert_ok(search_catch_up(h.box.c)); /* more than one piece */
	}
	p = post(&h, &t, "El Quirze viu al xqzwv88 del carrer jwkyqp77 vell");
	assert_int_equal(FINDS(&h, "xqzwv88"), 1);
	for (int i = 0; i < 50; i++)
		post(&h, &t, "després");
	assert_int_equal(FINDS(&h, "xqzwv88 quirze"), 1);
	assert_true(file_holds(&h, "view.db", "qzwv88"));
	assert_ok(box_erase(&h.box, &h.space, &p, h.steward));
	assert_int_equal(FINDS(&h, "xqzwv88"), 0);
	assert_false(file_holds(&h, "view.db", "qzwv88"));
	assert_false(file_holds(&h, "view.db", "wkyqp77"));
	assert_false(file_holds(&h, "view.db", "Quirze"));
	assert_false(file_holds(&h, "log.db", "xqzwv88"));
	assert_int_equal(FINDS(&h, "pedra299"), 1);
	_cleanup_(answer_release) struct answer a = ask(&h, "després");

	assert_int_equal(a.count, 50);
	house_close(&h);
}

static void an_old_version_that_was_erased_goes_too(void **state)
{
	struct house h;
	struct hash t, p, edit;

	house_open(&h, 1);
	t = topic(&h, "Títol", "u");
	p = post(&h, &t, "abans");
	assert_ok(box_submit(&h.box, &h.space, "post.edit", &t, h.steward,
			     json_pack("{s:s,s:s}", "post", ID(&p), "text", "el secret jwkyqp77"),
			     &edit));
	assert_int_equal(FINDS(&h, "jwkyqp77"), 1);
	act(&h, &t, "post.edit", json_pack("{s:s,s:s}", "post", ID(&p), "text", "ara"));
	assert_ok(box_erase(&h.box, &h.space, &edit, h.steward));
	assert_int_equal(FINDS(&h, "jwkyqp77"), 0);
	assert_false(file_holds(&h, "view.db", "wkyqp77"));
	house_close(&h);
}

static void erasing_again_in_the_middle_of_a_merge_loses_nothing(void **state)
{
	struct house h;
	struct hash t, p[2];
	char text[3000];
	bool more;

	house_open(&h, 1);
	t = topic(&h, "Títol", "u");
	p[0] = post(&h, &t, "primer xqzwv88");
	p[1] = post(&h, &t, "segon jwkyqp77");
	for (int i = 0; i < 400; i++) {
		size_t n = 0;

		for (int k = 0; k < 60; k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "p%dq%d ", i, k * k * i);
		post(&h, &t, text);
		if (i % 50 == 49)
			assert_ok(search_catch_up(h.box.c));
	}
	assert_ok(box_erase(&h.box, &h.space, &p[0], h.steward));
	for (int i = 0; i < 3; i++) { /* its row, a first step, a second one */
		assert_ok(conn_begin(h.box.c));
		assert_ok(search_update(h.box.c, 500, &more));
		assert_ok(conn_commit(h.box.c));
	}
	assert_ok(box_erase(&h.box, &h.space, &p[1], h.steward));
	assert_int_equal(FINDS(&h, "xqzwv88"), 0);
	assert_int_equal(FINDS(&h, "jwkyqp77"), 0);
	assert_false(file_holds(&h, "view.db", "qzwv88"));
	assert_false(file_holds(&h, "view.db", "wkyqp77"));
	assert_int_equal(FINDS(&h, "p399q0"), 1);
	house_close(&h);
}

/* The oldest of more than are counted is the best: it comes first, also where it arrived first. */
static void the_best_is_found_among_however_many(void **state)
{
	struct answer a;
	struct hash best, many;
	struct house h;

	house_open(&h, 9);
	best = topic(&h, "Castanyada", "castanyada");
	many = topic(&h, "Altres coses", "x");
	for (int i = 0; i < SEARCH_COUNT_MAX + 1; i++)
		post(&h, &many, "una castanyada entre moltes altres paraules d'aquest barri");
	a = ask(&h, "castanyada");
	assert_int_equal(a.count, SEARCH_COUNT_MAX);
	assert_memory_equal(&a.found[0].id, &best, sizeof(best));
	answer_release(&a);
	house_close(&h);
}

/* Rows that nothing stands behind: the index alone is looked at. In parts of one row each, if it is said. */
static void put_rows(struct conn *c, int64_t first, int n, const char *text, bool apart)
{
	assert_ok(db_begin(c->view));
	for (int i = 0; i < n; i++) {
		assert_ok(row_put(c, first + i, "Full", text));
		if (apart)
			assert_ok(db_exec(c->view, "UPDATE search_part SET rows = 1000000"));
	}
	assert_ok(db_commit(c->view));
}

/* Of documents, which are numbered behind all posts, so many fit that nothing else would be weighed. */
static void a_post_is_found_beside_however_many_documents(void **state)
{
	struct found_rows *found = calloc(1, sizeof(*found));
	struct question q = {.typed = "castanyada", .ms = SEARCH_MS};
	struct conn *c;
	struct house h;

	house_open(&h, 10);
	topic(&h, "Castanyada", "castanyada");
	c = h.box.c;
	assert_ok(search_catch_up(c));
	put_rows(c, DOC_ROWS + 1, SEARCH_WEIGHED_MAX + 1, "la castanyada entre moltes altres coses",
		 false);
	assert_ok(parts_find(c, &q, found));
	assert_int_equal(found->n, SEARCH_COUNT_MAX);
	assert_true(found->rows[0] < DOC_ROWS);
	assert_true(found->rows[1] > DOC_ROWS);
	/* One more is there than is weighed. */
	assert_int_equal(found->below.post, 0);
	assert_int_equal(found->below.doc, 2);
	q.below = &found->below;
	struct found_rows *last = calloc(1, sizeof(*last));

	assert_ok(parts_find(c, &q, last));
	assert_int_equal(last->n, 1);
	assert_true(last->rows[0] == DOC_ROWS + 1);
	assert_int_equal(last->below.doc, 0);
	free(last);
	free(found);
	house_close(&h);
}

/* A word's beginning is read of the parts that are looked through, and of no other. */
static void what_is_asked_costs_parts_and_nothing_is_left_out(void **state)
{
	enum { PARTS = 40 };
	struct found_rows *found = calloc(1, sizeof(*found));
	struct question q = {.typed = "castany"};
	bool seen[PARTS + 1] = {false};
	struct search_place below;
	struct conn *c;
	struct house h;
	int asked = 0;

	house_open(&h, 11);
	c = h.box.c;
	put_rows(c, 5, PARTS, "la castanyada", true);
	put_rows(c, DOC_ROWS + 5, 1, "les castanyes", true);
	do { /* no time at all: one part each time */
		assert_ok(parts_find(c, &q, found));
		for (size_t i = 0; i < found->n; i++) {
			size_t part = found->rows[i] > DOC_ROWS ? PARTS :
								  (size_t)found->rows[i] - 5;

			assert_false(seen[part]);
			seen[part] = true;
		}
		below = found->below;
		q.below = &below;
		asked++;
	} while (below.post || below.doc);
	assert_int_equal(asked, PARTS);
	for (int i = 0; i <= PARTS; i++)
		assert_true(seen[i]);
	/* With time enough at once. */
	assert_ok(parts_find(c, &(struct question){.typed = "castany", .ms = SEARCH_MS}, found));
	assert_int_equal(found->n, PARTS + 1);
	assert_int_equal(found->below.post, 0);
	free(found);
	house_close(&h);
}

/* Long texts are in more parts, and what changes stays in its own. */
static void a_part_has_a_bound_in_bytes_too(void **state)
{
	enum { ROWS = 3 * PART_BYTES / LIMIT_TEXT };
	char *text = malloc(LIMIT_TEXT + 1);
	int64_t part[ROWS + 1], now;
	struct conn *c;
	struct house h;
	int parts = 1;

	assert_non_null(text);
	memset(text, 'x', LIMIT_TEXT); /* one word: only its length counts here */
	text[LIMIT_TEXT] = 0;
	house_open(&h, 13);
	c = h.box.c;
	for (int i = 1; i <= ROWS; i++) {
		put_rows(c, i, 1, text, false);
		assert_ok(part_of(c, i, &part[i]));
		parts += i > 1 && part[i] != part[i - 1];
	}
	assert_int_equal(parts, 4); /* the titles are counted, too */
	assert_ok(row_drop(c, 3));
	put_rows(c, 3, 1, "la castanyada", false);
	assert_ok(part_of(c, 3, &now));
	assert_int_equal(now, part[3]);
	assert_ok(part_of(c, 4, &now));
	assert_int_equal(now, part[4]);
	free(text);
	house_close(&h);
}

static void a_place_that_nobody_gave_is_no_fault(void **state)
{
	static const struct search_place odd[] = {
		{-1, -1}, {INT64_MAX, INT64_MAX}, {INT64_MIN, 0}, {1, 1}};
	static const int64_t found[] = {0, 1, 0, 0};
	struct house h;

	house_open(&h, 12);
	topic(&h, "Castanyada", "castanyada");
	assert_ok(search_catch_up(h.box.c));
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct answer a = {.n = 0};
		struct question q = {.typed = "castanyada", .below = &odd[i], .n = 5};
		struct findings f;

		assert_ok(search(h.box.c, &a.arena, &q, keep, &a, &f));
		assert_int_equal(f.count, found[i]);
		assert_false(f.more);
		answer_release(&a);
	}
	house_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_found_without_accents_and_the_last_by_its_beginning),
		cmocka_unit_test(posts_and_pages_of_all_kinds_are_found_together),
		cmocka_unit_test(whatever_is_typed_is_no_syntax_error),
		cmocka_unit_test(hostile_words_come_out_escaped),
		cmocka_unit_test(many_results_come_twenty_a_page_without_repeating),
		cmocka_unit_test(an_edit_is_found_by_its_new_words_only),
		cmocka_unit_test(what_is_hidden_is_not_found_until_it_is_shown),
		cmocka_unit_test(a_page_is_found_as_it_is_now),
		cmocka_unit_test(what_is_folded_again_is_found_once),
		cmocka_unit_test(a_view_made_anew_is_found_anew),
		cmocka_unit_test(a_batch_is_bounded_and_says_that_there_is_more),
		cmocka_unit_test(no_byte_of_what_was_erased_stays_in_the_view),
		cmocka_unit_test(an_old_version_that_was_erased_goes_too),
		cmocka_unit_test(erasing_again_in_the_middle_of_a_merge_loses_nothing),
		cmocka_unit_test(the_best_is_found_among_however_many),
		cmocka_unit_test(a_post_is_found_beside_however_many_documents),
		cmocka_unit_test(what_is_asked_costs_parts_and_nothing_is_left_out),
		cmocka_unit_test(a_part_has_a_bound_in_bytes_too),
		cmocka_unit_test(a_place_that_nobody_gave_is_no_fault),
	};

	return run_group(tests);
}
