/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How much is still to come, on the page that every visitor sees: what a peer says of it is
 * believed as long as it comes, and no longer than it is a peer.
 */
#include "tests/appliance/site.h"
#include "appliance/config/config.h"
#include "appliance/peers/coming.h"
#include "appliance/peers/conduct.h"
#include "appliance/peers/peers.h"

enum { SAID = 1900000 };
static struct site site;
static struct sync_host host;
static struct pubkey peer;

/* Something comes with it, so that the page is made anew. */
static void says_that_it_holds_much(void)
{
	char url[300];

	site_say(&site, REMEI, "/forum/general/topics",
		 json_pack("{s:s, s:s}", "title", "Arriba", "text", "Ja."), url);
	host.announced(host.ctx, &peer, &site.space, SAID);
}

static bool is_told(void)
{
	_cleanup_(reply_release) struct reply page = site_ask(&site, NOBODY, "/", NULL);

	assert_int_equal(page.status, 200);
	return strstr(buf_str(&page.body), "1,900,000") != NULL;
}

static void ends(struct sync_report report)
{
	host.ended(host.ctx, &peer, &report);
}

static void what_a_peer_announces_is_told_while_it_comes(void **state)
{
	(void)state;
	assert_false(is_told());
	says_that_it_holds_much();
	assert_true(is_told());
	for (int i = 0; i < 3; i++) {
		ends((struct sync_report){.received = SAID / 50});
		assert_true(is_told());
		ends((struct sync_report){.filled = SAID / 50});
		assert_true(is_told());
		says_that_it_holds_much();
	}
	ends((struct sync_report){.received = 1, .equal = true});
	assert_false(is_told());
}

static void who_announces_much_and_brings_an_entry_now_and_then_is_not_believed(void **state)
{
	(void)state;
	says_that_it_holds_much();
	assert_true(is_told());
	ends((struct sync_report){.received = 1, .refusals = 1});
	assert_false(is_told());
	says_that_it_holds_much(); /* nor when it says so again */
	assert_false(is_told());
}

static void who_is_paused_or_gone_is_not_believed(void **state)
{
	(void)state;
	says_that_it_holds_much();
	assert_true(is_told());
	assert_ok(peers_pause(site.app, &peer, true));
	assert_false(is_told());
	assert_ok(peers_pause(site.app, &peer, false));
	says_that_it_holds_much();
	assert_true(is_told());
	assert_ok(peers_withdraw(site.app, &(struct peers_withdrawal){.key = peer}));
	assert_false(is_told());
}

/* A private space of which something is not here, on a box that keeps only what is new. */
static struct error *let_private_go(struct conn *c, void *arg)
{
	struct hash space, forum;
	uint64_t bytes;

	TRY(community_found_private(c, "Junta", arg, "Remei", &space));
	TRY(community_submit(c,
			     &(struct draft){.type = "forum.create",
					     .space = space,
					     .author = arg,
					     .take_body = json_pack("{s:s, s:s}", "slug", "junta",
								    "title", "Junta")},
			     &forum));
	TRY(log_drop(c->log, &forum, &bytes));
	assert_true(bytes > 0);
	return config_set(c, SETTING_KEEP_DAYS, "30");
}

static void visitors_are_told_nothing_of_private_spaces(void **state)
{
	struct coming n;
	_cleanup_(conn_closep) struct conn *c = NULL;

	(void)state;
	assert_ok(writer_run(site.app->writer, let_private_go, site.steward));
	{
		_cleanup_(reply_release) struct reply page =
			site_ask(&site, NOBODY, "/", NULL);

		assert_int_equal(page.status, 200);
		assert_null(strstr(buf_str(&page.body), "kept by other boxes"));
		assert_null(strstr(buf_str(&page.body), "have arrived"));
	}
	assert_ok(app_conn(site.app, &c));
	assert_ok(coming_count(site.app, c, &n));
	assert_int_equal(n.missing, 1);
	assert_int_equal(n.open_missing, 0);
	assert_true(n.open_entries < n.entries);
}

static int open_site(void **state)
{
	struct secret *key = test_key(600);

	peer = *secret_pubkey(key);
	secret_free(key);
	site_open(&site);
	host = peers_host(site.app);
	assert_ok(peers_approve(
		site.app,
		&(struct peers_approval){.key = peer, .address = "192.0.2.1:9", .name = "Casal"}));
	*state = &site;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_peer_announces_is_told_while_it_comes),
		cmocka_unit_test(who_is_paused_or_gone_is_not_believed),
		cmocka_unit_test(
			who_announces_much_and_brings_an_entry_now_and_then_is_not_believed),
		cmocka_unit_test(visitors_are_told_nothing_of_private_spaces),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, site_end);
}
