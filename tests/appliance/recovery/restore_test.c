/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a restored box does not bring back: a backup is older than what people did since. */
#include "tests/appliance/site.h"
#include "appliance/peers/peers.h"
#include "appliance/recovery/backup.h"
#include "appliance/recovery/recovery.h"
#include "sync/base/file.h"

static struct error *count(void *ctx, const struct invite *i)
{
	++*(int *)ctx;
	return NULL;
}

enum { ACCOUNTS, SESSIONS, TOKENS };
static const char *const sql[] = {"SELECT count(*) FROM account", "SELECT count(*) FROM session",
				  "SELECT count(*) FROM token"};

static int64_t number(struct conn *c, int which)
{
	struct db_stmts *s;
	int64_t n = -1;

	assert_ok(db_prepare(c->local, sql, ARRAY_LEN(sql), &s));
	assert_ok(db_number(c->local, s, which, 0, &n, ""));
	return n;
}

/* A box, its backup, and what is restored from that into another folder. */
struct came_back {
	struct site site;
	char *dir;
	struct app *app;
	struct conn *conn;
};

static void back_up_and_restore(struct came_back *b)
{
	struct restore_done done;
	struct backup_made made;
	int fd;

	b->dir = test_dir();
	assert_ok(file_nameless(b->dir, &fd));
	assert_ok(backup_write(b->site.app, BACKUP_WHOLE, (struct sealed_key){NULL}, fd, "it",
			       &made));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_ok(backup_restore(&(struct restore){.dir = b->dir,
						   .env = &env_system,
						   .fd = fd,
						   .name = "it",
						   .key = {.box = b->site.app->self}},
				 &done));
	close(fd);
	assert_ok(app_open(b->dir, &env_system, &b->app));
	assert_ok(app_conn(b->app, &b->conn));
}

static void came_back_close(struct came_back *b)
{
	conn_close(b->conn);
	app_close(b->app);
	site_close(&b->site);
	test_dir_remove(b->dir);
}

static void nobody_is_signed_in_and_no_invitation_is_good_twice(void **state)
{
	const struct peers_invitation guest = {
		.label = "Ateneu", .address = "192.0.2.1:8443", .days = 7};
	struct came_back b = {.dir = NULL};
	int64_t num;
	int invites = 0;

	site_open(&b.site);
	site_sign_in(&b.site, VOL, "vol");
	assert_ok(peers_invite(b.site.app, &guest, &num));
	back_up_and_restore(&b);
	assert_int_equal(number(b.conn, ACCOUNTS), SITE_PEOPLE);
	assert_int_equal(number(b.conn, SESSIONS), 0);
	assert_int_equal(number(b.conn, TOKENS), 0);
	assert_ok(invite_each(b.conn->local, count, &invites));
	assert_int_equal(invites, 0);
	came_back_close(&b);
}

static struct error *allow_job(struct conn *c, void *arg)
{
	return keep_allow(c, arg, true);
}

static struct pubkey key_of(int seed)
{
	struct secret *s = test_key(seed);
	struct pubkey key = *secret_pubkey(s);

	secret_free(s);
	return key;
}

static bool removed(struct app *a, const struct pubkey *key)
{
	struct peer p;
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct error *e;
	bool gone;

	assert_ok(app_conn(a, &c));
	e = peer_get(c->local, key, &p);
	gone = error_is(e, ERR_NOT_FOUND);
	error_free(e);
	return gone;
}

/* Two houses were connected when the backup was made; one was disconnected after that. */
static void a_house_is_given_nothing_until_a_volunteer_says_it_is_still_connected(void **state)
{
	struct pubkey stays = key_of(701), left = key_of(702);
	struct came_back b = {.dir = NULL};
	int64_t doubted, made;
	struct peer_terms t;
	struct error *e;

	site_open(&b.site);
	assert_ok(peers_approve(b.site.app, &(struct peers_approval){.key = stays}));
	assert_ok(peers_approve(b.site.app, &(struct peers_approval){.key = left}));
	assert_ok(writer_run(b.site.app->writer, allow_job, &left));
	back_up_and_restore(&b);
	assert_ok(peers_withdraw(b.site.app, &(struct peers_withdrawal){.key = left}));

	assert_ok(restored_open(b.conn, &doubted, &made));
	assert_int_equal(doubted, 2);
	assert_true(made > 0);
	assert_int_equal(peers_ways(b.app, &left, &b.site.space), PEER_TAKE);
	assert_int_equal(peers_ways(b.app, &stays, &b.site.space), PEER_TAKE);
	assert_false(recovery_keeps(b.app, &left));
	peer_terms_default(&t);
	e = peers_set_terms(b.app, &left, &t, NULL, NULL);
	assert_true(error_is(e, ERR_DENIED));
	error_free(e);

	assert_ok(peers_still(b.app, &stays));
	assert_int_equal(peers_ways(b.app, &stays, &b.site.space), PEER_TAKE | PEER_GIVE);
	assert_int_equal(peers_ways(b.app, &left, &b.site.space), PEER_TAKE);
	assert_ok(peers_withdraw(b.app, &(struct peers_withdrawal){.key = left}));
	assert_true(removed(b.app, &left));
	assert_ok(restored_open(b.conn, &doubted, &made));
	assert_int_equal(doubted, 0);
	e = peers_still(b.app, &left);
	assert_true(error_is(e, ERR_NOT_FOUND));
	error_free(e);
	came_back_close(&b);
}

static struct error *met_job(struct conn *c, void *arg)
{
	return peer_note(c->local, &(struct peer_outcome){.key = *(struct pubkey *)arg,
							  .when_ms = env_now(c->env)});
}

static struct error *doubt_job(struct conn *c, void *arg)
{
	return restored_doubt(c, *(int64_t *)arg);
}

static void expect_houses(struct site *s, const char *ok, const char *doubted)
{
	struct reply r = site_ask(s, VOL, "/admin.json", NULL);
	char text[300];

	assert_int_equal(r.status, 200);
	assert_string_equal(reply_text(&r, "peers.ok", text), ok);
	assert_string_equal(reply_text(&r, "peers.doubted", text), doubted);
	reply_release(&r);
}

/* A house that was in good order when the backup was made is in none until somebody says so. */
static void the_page_of_care_says_how_many_houses_wait_for_a_word(void **state)
{
	struct pubkey one = key_of(704), two = key_of(705);
	int64_t made = 1;
	struct site site;
	struct reply r;

	site_open(&site);
	assert_ok(peers_approve(site.app, &(struct peers_approval){.key = one}));
	assert_ok(peers_approve(site.app, &(struct peers_approval){.key = two}));
	assert_ok(writer_run(site.app->writer, met_job, &one));
	expect_houses(&site, "1", "0");
	assert_ok(writer_run(site.app->writer, doubt_job, &made));
	expect_houses(&site, "0", "2");
	r = site_ask(&site, VOL, "/admin", NULL);
	assert_non_null(strstr((char *)r.body.p, "<a href=\"/admin/peers\">2 houses wait for your word</a>"));
	reply_release(&r);
	assert_ok(peers_still(site.app, &one));
	expect_houses(&site, "1", "1");
	site_close(&site);
}

/* What is missing is named: not the house, which is connected. */
static void a_community_that_is_not_here_is_no_house_that_is_not_connected(void **state)
{
	struct pubkey key = key_of(703);
	struct hash nowhere = {{7}};
	struct site site;
	struct error *e;

	site_open(&site);
	assert_ok(peers_approve(site.app, &(struct peers_approval){.key = key}));
	e = peers_withdraw(site.app, &(struct peers_withdrawal){
					     .key = key, .revoke = &nowhere, .n = 1});
	assert_non_null(e);
	assert_null(strstr(error_english(e), "No approved box"));
	error_free(e);
	assert_false(removed(site.app, &key));
	assert_ok(peers_withdraw(site.app, &(struct peers_withdrawal){.key = key}));
	e = peers_withdraw(site.app, &(struct peers_withdrawal){.key = key});
	assert_non_null(strstr(error_english(e), "No approved box"));
	error_free(e);
	site_close(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_signed_in_and_no_invitation_is_good_twice),
		cmocka_unit_test(a_community_that_is_not_here_is_no_house_that_is_not_connected),
		cmocka_unit_test(
			a_house_is_given_nothing_until_a_volunteer_says_it_is_still_connected),
		cmocka_unit_test(the_page_of_care_says_how_many_houses_wait_for_a_word),
	};

	return run_group(tests);
}
