/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a connected house is, as its page says and changes it; that "Connect by address" for one that
 * is connected changes nothing else; and what else is said about how houses reach each other. */
#include "tests/appliance/site.h"
#include "appliance/peers/peers.h"
#include <sys/stat.h>

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

/* For whoever calls a peer outside an exchange: backups, proofs, updates. */
static struct error *moved_job(struct conn *c, void *arg)
{
	TRY(address_put(c->local, &peer, &(struct known_address){"192.0.2.9:1", ADDRESS_MET, 5, 0, 9}));
	return address_put(c->local, &peer,
			   &(struct known_address){"192.0.2.10:1", ADDRESS_STATED, 0, 9, 9});
}

static void a_peer_is_called_where_it_answered_last(void **state)
{
	char address[PEER_ADDRESS];

	assert_ok(writer_run(site.app->writer, moved_job, NULL));
	_cleanup_(conn_closep) struct conn *c = NULL;
	assert_ok(app_conn(site.app, &c));
	assert_ok(peers_reach_at(site.app, c, &peer, address, sizeof(address)));
	assert_string_equal(address, "192.0.2.10:1");
}

/* --- the list --- */
static struct error *failed_job(struct conn *c, void *arg)
{
	return peer_note(c->local, &(struct peer_outcome){.key = peer,
							  .when_ms = env_now(c->env),
							  .error = "Nothing answers there."});
}

static struct error *met_job(struct conn *c, void *arg)
{
	return peer_note(c->local,
			 &(struct peer_outcome){.key = *(const struct pubkey *)arg,
						.when_ms = env_now(c->env)});
}

/* Among many houses the one that is not reached must not be the last on the page. */
static void who_is_not_reached_stands_first_in_the_list(void **state)
{
	struct secret *others[2] = {test_key(610), test_key(611)};

	for (int i = 0; i < 2; i++) {
		struct pubkey key = *secret_pubkey(others[i]);

		assert_ok(peers_approve(site.app, &(struct peers_approval){.key = key,
									   .address = "192.0.2.3:1",
									   .name = "Well"}));
		assert_ok(writer_run(site.app->writer, met_job, &key));
		secret_free(others[i]);
	}
	assert_ok(writer_run(site.app->writer, met_job, &peer));
	{
		_cleanup_(reply_release) struct reply r =
			site_ask(&site, VOL, "/admin/peers.json", NULL);

		assert_string_equal(TEXT(&r, "peers.0.key"), ID(&peer)); /* as they came */
		assert_string_equal(TEXT(&r, "peers.0.unreached"), "false");
	}
	assert_ok(peers_withdraw(site.app, &(struct peers_withdrawal){.key = peer}));
	assert_ok(peers_approve(site.app, &(struct peers_approval){.key = peer,
								   .address = "192.0.2.1:9",
								   .name = "Casal"}));
	assert_ok(writer_run(site.app->writer, failed_job, NULL));
	_cleanup_(reply_release) struct reply r = site_ask(&site, VOL, "/admin/peers.json", NULL);

	assert_string_equal(TEXT(&r, "peers.0.key"), ID(&peer));
	assert_string_equal(TEXT(&r, "peers.0.unreached"), "true");
	assert_string_equal(TEXT(&r, "peers.1.name"), "Well");
}

/* --- invitations, and the line to the outside --- */
static void invite(const char *addresses, char url[320])
{
	site_say(&site, VOL, "/admin/peers/invite",
		 json_pack("{s:s, s:s, s:s}", "label", "Casal", "addr", addresses, "days", "7"), url);
}

static struct reply page_of(const char *url, const char *end)
{
	char path[340];

	snprintf(path, sizeof(path), "%s%s", url, end);
	return site_ask(&site, VOL, path, NULL);
}

static void an_invitation_that_works_here_only_says_so(void **state)
{
	char near_url[320], far_url[320];

	invite("192.168.1.20:8443 casal.local:8443", near_url);
	invite("192.168.1.20:8443 casal.example.org:8443", far_url);
	_cleanup_(reply_release) struct reply near_page = page_of(near_url, ".json");
	_cleanup_(reply_release) struct reply far_page = page_of(far_url, ".json");
	_cleanup_(reply_release) struct reply near_file = page_of(near_url, "/file");
	_cleanup_(reply_release) struct reply far_file = page_of(far_url, "/file");

	assert_string_equal(TEXT(&near_page, "invite.only_near"), "true");
	assert_string_equal(TEXT(&far_page, "invite.only_near"), "false");
	assert_non_null(strstr(buf_str(&near_file.body), "works only on the network"));
	assert_null(strstr(buf_str(&far_file.body), "works only on the network"));
	assert_non_null(strstr(buf_str(&far_file.body), "/pair/"));
}

static struct reply accept_of(const struct invitation *i)
{
	char text[INVITE_TEXT + 1], form[INVITE_TEXT + 40];

	invitation_write(i, text);
	snprintf(form, sizeof(form), "{\"text\":\"%s\"}", text);
	return site_ask(&site, VOL, "/admin/peers/accept", form);
}

static void who_accepts_it_is_told_too(void **state)
{
	struct secret *other = test_key(601);
	struct invitation i = {.key = *secret_pubkey(other),
			       .until_ms = INT64_MAX / 2,
			       .name = "Lluny",
			       .addresses = 2,
			       .address = {"10.0.0.9:8443", "casal.local:8443"}};
	_cleanup_(reply_release) struct reply near_page = accept_of(&i);

	secret_free(other);
	snprintf(i.address[1], sizeof(i.address[1]), "casal.example.org:8443");
	_cleanup_(reply_release) struct reply far_page = accept_of(&i);

	assert_string_equal(TEXT(&near_page, "only_near"), "true");
	assert_string_equal(TEXT(&far_page, "only_near"), "false");
}

/* The first first; the others are not forgotten. */
static void all_addresses_of_an_invitation_are_known(void **state)
{
	struct secret *other = test_key(602);
	struct invitation i = {.key = *secret_pubkey(other),
			       .until_ms = INT64_MAX / 2,
			       .name = "Lluny",
			       .addresses = 3,
			       .address = {"z.example.org:1", "10.0.0.9:1", "a.example.org:1"}};
	char path[200];

	secret_free(other);
	assert_ok(peers_accept(site.app, &i, &(struct peers_approval){.address = NULL}));
	snprintf(path, sizeof(path), "/admin/peers/%s.json", ID(&i.key));
	_cleanup_(reply_release) struct reply r = site_ask(&site, VOL, path, NULL);

	assert_string_equal(TEXT(&r, "peer.name"), "Lluny");
	assert_string_equal(TEXT(&r, "addresses.0.address"), "z.example.org:1");
	assert_non_null(row_of(&r, "10.0.0.9:1"));
	assert_non_null(row_of(&r, "a.example.org:1"));
	/* an invitation again: what it was called here, and its terms, stay */
	snprintf(i.name, sizeof(i.name), "Other");
	assert_ok(peers_accept(site.app, &i, &(struct peers_approval){.address = NULL}));
	_cleanup_(reply_release) struct reply again = site_ask(&site, VOL, path, NULL);
	assert_string_equal(TEXT(&again, "peer.name"), "Lluny");
	assert_ok(peers_withdraw(site.app, &(struct peers_withdrawal){.key = i.key}));
}

#define LINE "metered=0&budget=&from=0&to=0&address=&address2=&proxy="

static void assert_nowhere(const char *secret)
{
	_cleanup_(reply_release) struct reply html = site_ask(&site, VOL, "/admin/reach", NULL);
	_cleanup_(reply_release) struct reply json = site_ask(&site, VOL, "/admin/reach.json", NULL);

	assert_int_equal(html.status, 200);
	assert_null(strstr(buf_str(&html.body), secret));
	assert_null(strstr(buf_str(&json.body), secret));
	assert_string_equal(TEXT(&json, "form.has_password"), "true");
	assert_string_equal(TEXT(&json, "form.proxy_user"), "ateneu");
	assert_string_equal(TEXT(&json, "form.proxy"), "http://10.0.0.1:3128");
}

static void assert_kept(const char *secret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct proxy p;

	assert_ok(app_conn(site.app, &c));
	assert_ok(proxy_get(c->local, &p));
	assert_string_equal(p.password, secret);
}

static void the_password_of_the_proxy_is_shown_to_nobody(void **state)
{
	_cleanup_(reply_release) struct reply first =
		site_ask(&site, VOL, "/admin/reach",
			 LINE "http://10.0.0.1:3128&proxy_user=ateneu&proxy_password=s3cret");

	assert_int_equal(first.status, 303);
	assert_nowhere("s3cret");
	assert_kept("s3cret");
	_cleanup_(reply_release) struct reply again =
		site_ask(&site, VOL, "/admin/reach",
			 LINE "http://10.0.0.1:3128&proxy_user=ateneu&proxy_password=");
	assert_int_equal(again.status, 303);
	assert_kept("s3cret");
	/* in the address, as some write it: taken out before anything is kept, or shown again */
	_cleanup_(reply_release) struct reply within =
		site_ask(&site, VOL, "/admin/reach", LINE "http://ateneu:0ther@10.0.0.1:3128");
	assert_int_equal(within.status, 303);
	assert_nowhere("0ther");
	assert_kept("0ther");
	_cleanup_(reply_release) struct reply wrong =
		site_ask(&site, VOL, "/admin/reach", LINE "socks://ateneu:0ther@10.0.0.1:3128");
	assert_int_equal(wrong.status, 400);
	assert_null(strstr(buf_str(&wrong.body), "0ther"));
}

static bool is_on_disk(const char *file, const char *secret)
{
	_cleanup_(freep) char *path = path_join(site.dir, file);
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, (size_t)64 << 20, &b);
	bool found = !e && memmem(b.p, b.n, secret, strlen(secret));

	error_free(e);
	return found;
}

/* Alone: the proxy and the name for it stay. */
static void the_password_of_the_proxy_can_be_forgotten(void **state)
{
	_cleanup_(reply_release) struct reply first =
		site_ask(&site, VOL, "/admin/reach",
			 LINE "http://10.0.0.1:3128&proxy_user=ateneu&proxy_password=t0rget");
	assert_int_equal(first.status, 303);
	assert_true(is_on_disk("local.db", "t0rget") || is_on_disk("local.db-wal", "t0rget"));
	_cleanup_(reply_release) struct reply page = site_ask(&site, VOL, "/admin/reach", NULL);
	assert_non_null(strstr(buf_str(&page.body), "proxy_forget"));
	_cleanup_(reply_release) struct reply gone = site_ask(
		&site, VOL, "/admin/reach",
		LINE "http://10.0.0.1:3128&proxy_user=ateneu&proxy_password=&proxy_forget=1");
	assert_int_equal(gone.status, 303);
	assert_kept("");
	_cleanup_(reply_release) struct reply json =
		site_ask(&site, VOL, "/admin/reach.json", NULL);
	assert_string_equal(TEXT(&json, "form.has_password"), "false");
	assert_string_equal(TEXT(&json, "form.proxy_user"), "ateneu");
	/* who names no user has no password either */
	_cleanup_(reply_release) struct reply nobody =
		site_ask(&site, VOL, "/admin/reach", LINE "http://10.0.0.1:3128&proxy_user=");
	assert_int_equal(nobody.status, 303);
	_cleanup_(reply_release) struct reply after =
		site_ask(&site, VOL, "/admin/reach.json", NULL);
	assert_string_equal(TEXT(&after, "form.proxy_user"), "");
}

/* What is in clear there is for the daemon's user alone. */
static void databases_are_readable_for_their_user_alone(void **state)
{
	static const char *const files[] = {"local.db", "local.db-wal", "local.db-shm", "log.db",
					    "view.db"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_(freep) char *path = path_join(site.dir, files[i]);
		struct stat st;

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 077, 0);
	}
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
	*state = &site;
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
		cmocka_unit_test(a_peer_is_called_where_it_answered_last),
		cmocka_unit_test(an_invitation_that_works_here_only_says_so),
		cmocka_unit_test(who_accepts_it_is_told_too),
		cmocka_unit_test(all_addresses_of_an_invitation_are_known),
		cmocka_unit_test(the_password_of_the_proxy_is_shown_to_nobody),
		cmocka_unit_test(the_password_of_the_proxy_can_be_forgotten),
		cmocka_unit_test(databases_are_readable_for_their_user_alone),
		cmocka_unit_test(who_is_not_reached_stands_first_in_the_list),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, site_end);
}
