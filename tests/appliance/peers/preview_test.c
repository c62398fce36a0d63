/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a volunteer is shown of what another house will see: against a forum and a library with
 * something in them, a public and a private community, and held to what the engine then gives. */
#include "tests/appliance/site.h"
#include "appliance/peers/peers.h"
#include "appliance/spaces/spaces.h"

static struct site site;
static struct hash space;
static struct pubkey peer, ally, carrier;

static void write_in(const char *place, const char *title)
{
	char path[400], topic[300];

	snprintf(path, sizeof(path), "/forum/general%s/topics", place);
	site_say(&site, REMEI, path,
		 json_pack("{s:s, s:s}", "title", title, "text", "first"), topic);
	snprintf(path, sizeof(path), "%s/posts", topic);
	site_say(&site, REMEI, path, json_pack("{s:s}", "text", "second"), NULL);
}

static void write_doc(const char *place, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "/library%s", place);
	site_say(&site, REMEI, path,
	    json_pack("{s:s, s:s, s:s}", "path", name, "title", name, "text", "Secret"), NULL);
}

static void send_file(void)
{
	char bytes[2000];

	memset(bytes, 'x', sizeof(bytes));
	_cleanup_(reply_release) struct reply r =
		site_send_file(&site, REMEI, "/files", "plan.txt", bytes, sizeof(bytes), "Plan");
	assert_in_range(r.status, 200, 303);
}

static struct reply preview_of(const struct pubkey *key)
{
	char path[200];

	snprintf(path, sizeof(path), "/admin/peers/%s/preview.json", ID(key));
	return site_ask(&site, VOL, path, NULL);
}

/* The row of the space in preview.shown or preview.hidden; NULL: it is not there. */
static const json_t *row_of(const struct reply *r, const char *list, const struct hash *id)
{
	const json_t *rows = json_object_get(json_object_get(r->json, "preview"), list);
	const json_t *row;
	size_t i;

	assert_true(json_is_array(rows));
	json_array_foreach(rows, i, row) if (strcmp(json_string_value(json_object_get(row, "id")),
						    ID(id)) == 0) return row;
	return NULL;
}

static long long number(const json_t *row, const char *name)
{
	assert_true(json_is_integer(json_object_get(row, name)));
	return json_integer_value(json_object_get(row, name));
}

/* As shown to who may see the private space: what is shown is just what is given. */
static void assert_told_as_given(const struct reply *r, const struct pubkey *key)
{
	assert_int_equal(row_of(r, "shown", &site.space) != NULL,
			 !!(peers_ways(site.app, key, &site.space) & PEER_GIVE));
	assert_int_equal(row_of(r, "shown", &space) != NULL,
			 !!(peers_ways(site.app, key, &space) & PEER_GIVE));
}

static void it_counts_what_is_there(void **state)
{
	_cleanup_(reply_release) struct reply r = preview_of(&peer);
	const json_t *row = row_of(&r, "shown", &site.space), *titles;

	assert_int_equal(r.status, 200);
	assert_non_null(row);
	assert_int_equal(number(row, "topics"), 7);
	assert_int_equal(number(row, "posts"), 14);
	assert_int_equal(number(row, "docs"), 2);
	assert_int_equal(number(row, "files"), 1);
	assert_string_equal(json_string_value(json_object_get(row, "files_text")), "2.0 kB");
	assert_int_equal(number(row, "people"), 3);
	assert_non_null(strstr(json_string_value(json_object_get(row, "names")), "joan"));
	/* The five newest, the newest first. */
	titles = json_object_get(row, "titles");
	assert_int_equal(json_array_size(titles), 5);
	assert_string_equal(json_string_value(json_array_get(titles, 0)), "Public 6");
	assert_string_equal(json_string_value(json_array_get(titles, 4)), "Public 2");
}

/* The volunteer becomes one of its people. */
static void let_the_volunteer_in(void)
{
	struct spaces_person who = {
		.home = *secret_pubkey(site.app->self), .name = "vol", .role = ROLE_MEMBER};
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct account a;

	assert_ok(app_conn(site.app, &c));
	assert_ok(account_by_name(c, "vol", &a));
	who.key = a.key;
	assert_ok(spaces_add_person(site.app, &space, &who, site.steward));
}

static void a_private_community_is_shown_only_when_its_box_was_admitted(void **state)
{
	let_the_volunteer_in();
	_cleanup_(reply_release) struct reply theirs = preview_of(&peer);
	_cleanup_(reply_release) struct reply admitted = preview_of(&ally);
	const json_t *row;

	assert_null(row_of(&theirs, "shown", &space));
	row = row_of(&theirs, "hidden", &space);
	assert_non_null(row);
	assert_true(json_is_true(json_object_get(row, "is_private")));
	assert_null(memmem(buf_str(&theirs.body), theirs.body.n, "Secret", strlen("Secret")));
	assert_told_as_given(&theirs, &peer);
	row = row_of(&admitted, "shown", &space);
	assert_non_null(row);
	assert_int_equal(number(row, "topics"), 1);
	assert_int_equal(number(row, "docs"), 1);
	assert_null(row_of(&admitted, "hidden", &space));
	assert_told_as_given(&admitted, &ally);
}

/* It is given the space, and its people will see nothing that is in it. */
static void who_only_carries_it_sees_that_it_is_sealed(void **state)
{
	_cleanup_(reply_release) struct reply r = preview_of(&carrier);

	assert_null(row_of(&r, "shown", &space));
	assert_null(row_of(&r, "hidden", &space));
	assert_non_null(row_of(&r, "sealed", &space));
	assert_non_null(row_of(&r, "shown", &site.space));
	assert_null(memmem(buf_str(&r.body), r.body.n, "Secret", strlen("Secret")));
	assert_true(peers_ways(site.app, &carrier, &space) & PEER_GIVE);
}

static void who_may_not_read_the_private_community_is_not_told_of_it(void **state)
{
	_cleanup_(reply_release) struct reply r = preview_of(&ally);

	assert_int_equal(r.status, 200);
	assert_non_null(row_of(&r, "shown", &site.space));
	assert_null(row_of(&r, "shown", &space));
	assert_null(row_of(&r, "hidden", &space));
	assert_null(memmem(buf_str(&r.body), r.body.n, "Secret", strlen("Secret")));
	assert_null(memmem(buf_str(&r.body), r.body.n, "Consell", strlen("Consell")));
}

static void the_terms_are_heeded(void **state)
{
	struct peer_terms t = {.others = PEER_GIVE | PEER_TAKE};

	assert_ok(peers_terms_set(&t, &site.space, PEER_TAKE));
	assert_ok(peers_set_terms(site.app, &peer, &t, NULL, NULL));
	{
		_cleanup_(reply_release) struct reply r = preview_of(&peer);

		assert_null(row_of(&r, "shown", &site.space));
		assert_non_null(row_of(&r, "hidden", &site.space));
		assert_told_as_given(&r, &peer);
	}
	t = (struct peer_terms){.others = PEER_GIVE | PEER_TAKE, .until_ms = 1000};
	assert_ok(peers_set_terms(site.app, &peer, &t, NULL, NULL));
	{
		_cleanup_(reply_release) struct reply r = preview_of(&peer);

		assert_string_equal(TEXT(&r, "preview.ended"), "true");
		assert_null(row_of(&r, "shown", &site.space));
		assert_told_as_given(&r, &peer);
	}
	t = (struct peer_terms){.others = PEER_GIVE | PEER_TAKE};
	assert_ok(peers_set_terms(site.app, &peer, &t, NULL, NULL));
}

static void fill(void)
{
	struct spaces_new what = {.name = "Consell",
				  .is_private = true,
				  .steward = site.steward,
				  .steward_name = "remei"};
	struct secret *a = test_key(600), *b = test_key(601), *d = test_key(602);
	struct peers_approval box = {.address = "127.0.0.1:9", .name = "Casal"};
	char place[20], title[20];

	for (int i = 0; i < 7; i++) {
		snprintf(title, sizeof(title), "Public %d", i);
		write_in("", title);
	}
	write_doc("", "guide");
	write_doc("", "rules");
	send_file();
	assert_ok(spaces_found(site.app, &what, &space));
	snprintf(place, sizeof(place), "@%.8s", ID(&space));
	write_in(place, "Secret plan");
	snprintf(place, sizeof(place), "/@%.8s", ID(&space));
	write_doc(place, "secret");
	box.key = peer = *secret_pubkey(a);
	assert_ok(peers_approve(site.app, &box));
	box.key = ally = *secret_pubkey(b);
	assert_ok(peers_approve(site.app, &box));
	assert_ok(spaces_admit(site.app, &space, &ally, "ally", ADMIT_READ, site.steward));
	box.key = carrier = *secret_pubkey(d);
	assert_ok(peers_approve(site.app, &box));
	assert_ok(spaces_admit(site.app, &space, &carrier, "carrier", ADMIT_CARRY, site.steward));
	secret_free(a);
	secret_free(b);
	secret_free(d);
}

static int open_site(void **state)
{
	site_open(&site);
	fill();
	*state = &site;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_counts_what_is_there),
		cmocka_unit_test(who_may_not_read_the_private_community_is_not_told_of_it),
		cmocka_unit_test(a_private_community_is_shown_only_when_its_box_was_admitted),
		cmocka_unit_test(who_only_carries_it_sees_that_it_is_sealed),
		cmocka_unit_test(the_terms_are_heeded),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, site_end);
}
