/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a restored box does not bring back: a backup is older than what people did since. */
#include "tests/appliance/site.h"
#include "appliance/peers/peers.h"
#include "appliance/recovery/backup.h"
#include "sync/base/file.h"

static struct error *count(void *ctx, const struct invite *i)
{
	++*(int *)ctx;
	return NULL;
}

enum { ACCOUNTS, SESSIONS };
static const char *const sql[] = {"SELECT count(*) FROM account", "SELECT count(*) FROM session"};

static int64_t number(struct conn *c, int which)
{
	struct db_stmts *s;
	int64_t n = -1;

	assert_ok(db_prepare(c->local, sql, ARRAY_LEN(sql), &s));
	assert_ok(db_number(c->local, s, which, 0, &n, ""));
	return n;
}

static void nobody_is_signed_in_and_no_invitation_is_good_twice(void **state)
{
	const struct peers_invitation guest = {
		.label = "Ateneu", .address = "192.0.2.1:8443", .days = 7};
	char *dir = test_dir();
	struct restore_done done;
	struct backup_made made;
	struct site site;
	struct app *app;
	struct conn *c;
	int64_t num;
	int fd, invites = 0;

	site_open(&site);
	site_sign_in(&site, VOL, "vol");
	assert_ok(peers_invite(site.app, &guest, &num));
	assert_ok(file_nameless(dir, &fd));
	assert_ok(backup_write(site.app, BACKUP_SMALL, (struct sealed_key){NULL}, fd, "it", &made));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_ok(backup_restore(&(struct restore){.dir = dir,
						   .env = &env_system,
						   .fd = fd,
						   .name = "it",
						   .key = {.box = site.app->self}},
				 &done));
	close(fd);
	assert_ok(app_open(dir, &env_system, &app));
	assert_ok(app_conn(app, &c));
	assert_int_equal(number(c, ACCOUNTS), SITE_PEOPLE);
	assert_int_equal(number(c, SESSIONS), 0);
	assert_ok(invite_each(c->local, count, &invites));
	assert_int_equal(invites, 0);
	conn_close(c);
	app_close(app);
	site_close(&site);
	test_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_signed_in_and_no_invitation_is_good_twice),
	};

	return run_group(tests);
}
