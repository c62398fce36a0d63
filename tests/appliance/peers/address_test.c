/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a connected house is, as its page says and changes it; and that "Connect by address" for
 * one that is connected changes nothing else. */
#include "tests/appliance/site.h"
#include "appliance/peers/peers.h"

static struct site site;
static struct pubkey peer;
static char view[200], set[200], forget[200];

static json_t *addr(const char *address)
{
	return json_pack("{s:s}", "addr", address);
}

/* The row of an address on the page; NULL: it is not there. */
static json_t *row_of(struct reply *r, const char *address)
{
	json_t *rows = json_object_get(r->json, "addresses"), *row;
	size_t i;

	assert_true(json_is_array(rows));
	json_array_foreach(rows, i,
			   row) if (strcmp(json_string_value(json_object_get(row, "address")),
					   address) == 0) return row;
	return NULL;
}

static struct reply page(void)
{
	struct reply r = site_ask(&site, VOL, view, NULL);

	assert_int_equal(r.status, 200);
	return r;
}

static struct peer_terms terms(void)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct peer_terms t;

	assert_ok(app_conn(site.app, &c));
	assert_ok(peer_terms_get(c->local, &peer, &t));
	return t;
}

static void another_address_is_shown_and_tried_first(void **state)
{
	site_say(&site, VOL, set, addr("casal.example.org:8443"), NULL);
	_cleanup_(reply_release) struct reply r = page();

	assert_true(json_is_true(json_object_get(row_of(&r, "casal.example.org:8443"), "by_hand")));
	assert_non_null(row_of(&r, "192.0.2.1:9"));
	assert_string_equal(TEXT(&r, "addresses.0.address"), "casal.example.org:8443");
	assert_string_equal(TEXT(&r, "peer.addr"), "casal.example.org:8443");
}

static void an_address_can_be_forgotten(void **state)
{
	site_say(&site, VOL, forget, addr("192.0.2.1:9"), NULL);
	_cleanup_(reply_release) struct reply r = page();

	assert_null(row_of(&r, "192.0.2.1:9"));
	assert_string_equal(TEXT(&r, "peer.addr"), "casal.example.org:8443");
	site_say(&site, VOL, forget, addr("casal.example.org:8443"), NULL);
	_cleanup_(reply_release) struct reply none = page();

	assert_int_equal(json_array_size(json_object_get(none.json, "addresses")), 0);
	assert_string_equal(TEXT(&none, "peer.addr"), "");
	_cleanup_(reply_release) struct reply twice =
		site_ask(&site, VOL, forget, "{\"addr\":\"casal.example.org:8443\"}");
	assert_int_equal(twice.status, 404);
}

static void what_is_no_address_is_said_beside_its_field(void **state)
{
	_cleanup_(reply_release) struct reply r = site_ask(&site, VOL, set, "addr=nowhere");

	assert_int_equal(r.status, 400);
	assert_non_null(strstr(buf_str(&r.body), "id=\"address-error\""));
	assert_non_null(strstr(buf_str(&r.body), "value=\"nowhere\""));
	_cleanup_(reply_release) struct reply member =
		site_ask(&site, JOAN, set, "{\"addr\":\"192.0.2.1:9\"}");
	assert_int_equal(member.status, 403);
}

/* It was once approved on terms; typing its key and an address again must not take them away. */
static void connecting_by_address_again_keeps_terms_and_name(void **state)
{
	char form[300];

	snprintf(form, sizeof(form), "{\"addr\":\"192.0.2.8:1\",\"key\":\"%s\"}", ID(&peer));
	_cleanup_(reply_release) struct reply r = site_ask(&site, VOL, "/admin/peers", form);

	assert_int_equal(r.status, 200);
	assert_string_equal(TEXT(&r, "peer.name"), "Casal");
	assert_string_equal(TEXT(&r, "address_form.addr"), "192.0.2.8:1");
	assert_string_equal(TEXT(&r, "terms.take_mb"), "7");
	assert_true(*TEXT(&r, "address_form.error"));
}

/* Also by a form of terms that was open all the while, which sends only some of them. */
static void approving_again_starts_from_its_own_terms(void **state)
{
	char path[200];

	snprintf(path, sizeof(path), "/admin/peers/%s/approve", ID(&peer));
	site_say(&site, VOL, path,
		 json_pack("{s:s, s:s, s:s, s:s}", "addr", "192.0.2.9:1", "whole", ID(&peer),
			   "same", "1", "read_only", "1"),
		 NULL);
	assert_int_equal(terms().take_bytes, 7000000);
	assert_int_equal(terms().others, PEER_TAKE);
	_cleanup_(reply_release) struct reply r = page();

	assert_string_equal(TEXT(&r, "peer.name"), "Casal");
	assert_true(json_is_true(json_object_get(row_of(&r, "192.0.2.9:1"), "by_hand")));
}

static int open_site(void **state)
{
	struct secret *key = test_key(600);
	struct peer_terms t = {.others = PEER_TAKE, .take_bytes = 7000000};

	site_open(&site);
	site_sign_in(&site, VOL, "vol");
	peer = *secret_pubkey(key);
	secret_free(key);
	assert_ok(peers_approve(site.app, &(struct peers_approval){.key = peer,
								   .address = "192.0.2.1:9",
								   .name = "Casal",
								   .read_only = true,
								   .terms = &t}));
	snprintf(view, sizeof(view), "/admin/peers/%s.json", ID(&peer));
	snprintf(set, sizeof(set), "/admin/peers/%s/address", ID(&peer));
	snprintf(forget, sizeof(forget), "/admin/peers/%s/address/forget", ID(&peer));
	return 0;
}

static int close_site(void **state)
{
	site_close(&site);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_address_is_shown_and_tried_first),
		cmocka_unit_test(an_address_can_be_forgotten),
		cmocka_unit_test(what_is_no_address_is_said_beside_its_field),
		cmocka_unit_test(connecting_by_address_again_keeps_terms_and_name),
		cmocka_unit_test(approving_again_starts_from_its_own_terms),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, close_site);
}
