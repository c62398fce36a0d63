/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Updates as a volunteer meets them, with the real root helper on a played machine; the checks
 * before a system is kept; and that no older program opens newer data. */
#include "tests/appliance/played_helper.h"
#include "tests/appliance/site.h"
#include "tests/lib/web.h"
#include "appliance/box/box.h"
#include "appliance/migration.h"
#include "appliance/setup/lost.h"
#include "appliance/update/commit.h"
#include "appliance/update/update.h"

/* --- a box with its helper ---------------------------------------------------------------------
 */

struct box {
	struct site s;
	struct helper_ops ops;
	struct played_helper helper;
	char did[1000];
	pthread_mutex_t lock;
};

static int play(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	struct box *b = ctx;
	size_t n;

	(void)seconds;
	(void)out;
	pthread_mutex_lock(&b->lock);
	n = strlen(b->did);
	snprintf(b->did + n, sizeof(b->did) - n, "%s %s\n", strrchr(argv[0], '/') + 1,
		 argv[1] && argv[2] && argv[3] ? argv[3] : argv[1]);
	pthread_mutex_unlock(&b->lock);
	return 0;
}

static void put(struct box *b, const char *path, const char *text)
{
	_cleanup_(freep) char *whole = path_join(b->s.dir, path), *folder = strdup(whole);

	*strrchr(folder, '/') = 0;
	assert_ok(dir_make(folder, 0755));
	assert_ok(file_write(whole, span_str(text), 0644));
}

static void open_box(struct box *b)
{
	static char run[500];

	memset(b, 0, sizeof(*b));
	pthread_mutex_init(&b->lock, NULL);
	site_open(&b->s);
	put(b, "run/lliure-update/.keep", "");
	put(b, "state/lliure/.keep", "");
	put(b, "var/lib/lliure/updates/.keep", "");
	put(b, "etc/os-release", "VERSION_ID=2026.11.20\n");
	box_paths(b->s.dir, &b->s.app->box);
	snprintf(run, sizeof(run), "%s/run/lliure-update", b->s.dir);
	b->ops = (struct helper_ops){.ctx = b, .run = play};
	b->helper.h = (struct helper){.ops = &b->ops,
				      .uid = geteuid(),
				      .sys = b->s.app->box.sys,
				      .dev = "/dev",
				      .proc = b->s.app->box.proc,
				      .sticks = b->s.app->box.sticks,
				      .state = b->s.app->box.state,
				      .updates = b->s.app->box.updates,
				      .run = run,
				      .zones = "/usr/share/zoneinfo"};
	played_helper_start(&b->helper, b->s.app->box.helper);
}

static void close_box(struct box *b)
{
	played_helper_stop(&b->helper);
	site_close(&b->s);
	pthread_mutex_destroy(&b->lock);
}

static bool there(struct box *b, const char *path, const char *want)
{
	_cleanup_(freep) char *whole = path_join(b->s.dir, path);
	_cleanup_(buf_release) struct buf got = {0};
	struct error *e = file_read(whole, 10000, &got);
	bool is = !e && strcmp(buf_str(&got), want) == 0;

	error_free(e);
	return is;
}

/* As a browser sends it. */
static long send_file(struct box *b, enum site_person who, const char *content)
{
	CURL *c = curl_easy_init();
	curl_mime *form = curl_mime_init(c);
	curl_mimepart *part = curl_mime_addpart(form);
	struct curl_slist *headers = NULL;
	char url[200], cookie[200];
	struct buf body = {0};
	long status = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/admin/update", http_port(b->s.http));
	snprintf(cookie, sizeof(cookie), "Cookie: lliure-here=%s", b->s.sessions[who]);
	headers = curl_slist_append(headers, cookie);
	curl_mime_name(part, "csrf");
	curl_mime_data(part, b->s.tickets[who].csrf, CURL_ZERO_TERMINATED);
	if (content) {
		part = curl_mime_addpart(form);
		curl_mime_name(part, "file");
		curl_mime_filename(part, "../../new.raucb");
		curl_mime_data(part, content, CURL_ZERO_TERMINATED);
	}
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_MIMEPOST, form);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, site_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
	assert_int_equal(curl_easy_perform(c), CURLE_OK);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	buf_release(&body);
	curl_mime_free(form);
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	return status;
}

static void a_file_that_a_volunteer_sends_reaches_the_updater(void **state)
{
	struct box b;

	(void)state;
	open_box(&b);
	site_sign_in(&b.s, VOL, "vol");
	site_sign_in(&b.s, JOAN, "joan");
	assert_int_equal(send_file(&b, JOAN, "a bundle"), 403);
	assert_string_equal(b.did, "");
	assert_int_equal(send_file(&b, VOL, NULL), 400);
	assert_int_equal(send_file(&b, VOL, "a bundle"), 303);
	assert_true(there(&b, "var/lib/lliure/updates/upload.raucb", "a bundle"));
	assert_true(there(&b, "run/lliure-update/update-request", "upload.raucb"));
	assert_string_equal(b.did, "systemctl lliure-update.service\n");
	close_box(&b);
}

static void a_stick_offers_what_looks_like_an_update(void **state)
{
	struct box b;
	struct reply r;
	char form[300], stick[20], path[60];
	_cleanup_(freep) char *link = NULL;

	(void)state;
	open_box(&b);
	site_sign_in(&b.s, VOL, "vol");
	put(&b, "run/lliure-sticks/sdb1/lliure-2.raucb", "from the stick");
	put(&b, "run/lliure-sticks/sdb1/holiday.jpg", "x");
	put(&b, "run/lliure-sticks/sdb1/.hidden.raucb", "x");
	link = path_join(b.s.dir, "run/lliure-sticks/sdb1/link.raucb");
	assert_int_equal(symlink("/etc/passwd", link), 0);
	r = site_ask(&b.s, VOL, "/admin/update.json", NULL);
	assert_int_equal(r.status, 200);
	assert_string_equal(TEXT(&r, "version"), "2026.11.20");
	assert_string_equal(TEXT(&r, "files.0.name"), "lliure-2.raucb");
	assert_string_equal(TEXT(&r, "files.1.name"), "");
	snprintf(stick, sizeof(stick), "%s", TEXT(&r, "files.0.stick"));
	reply_release(&r);
	snprintf(path, sizeof(path), "/admin/update/stick/%s", stick);
	for (size_t i = 0; i < 4; i++) {
		static const char *const bad[] = {"link.raucb", "../../x.raucb", "", "holiday.jpg"};

		snprintf(form, sizeof(form), "name=%s", bad[i]);
		r = site_ask(&b.s, VOL, path, form);
		assert_in_range(r.status, 400, 599);
		reply_release(&r);
	}
	assert_string_equal(b.did, "");
	r = site_ask(&b.s, VOL, path, "name=lliure-2.raucb");
	assert_int_equal(r.status, 303);
	reply_release(&r);
	assert_true(there(&b, "var/lib/lliure/updates/lliure-2.raucb", "from the stick"));
	assert_true(there(&b, "run/lliure-update/update-request", "lliure-2.raucb"));
	close_box(&b);
}

static void the_outcome_and_its_reason_stand_on_the_page(void **state)
{
	struct box b;
	struct reply r;

	(void)state;
	open_box(&b);
	put(&b, "state/lliure/update",
	    "stage=rolled-back\nwhy=data\nversion=2026.12.1\nfile=upload.raucb\nwhen="
	    "1780000000000\n");
	r = site_ask(&b.s, VOL, "/admin/update.json", NULL);
	assert_string_equal(TEXT(&r, "last.back"), "true");
	assert_string_equal(TEXT(&r, "last.version"), "2026.12.1");
	assert_non_null(strstr(TEXT(&r, "last.text"), "found the stored data damaged"));
	reply_release(&r);
	r = site_ask(&b.s, VOL, "/admin/update", NULL);
	assert_non_null(strstr(buf_str(&r.body), "was taken back"));
	reply_release(&r);
	/* The helper restarts a box that is asked to. */
	site_sign_in(&b.s, VOL, "vol");
	r = site_ask(&b.s, VOL, "/admin/health/restart", "x=1");
	assert_int_equal(r.status, 303);
	reply_release(&r);
	assert_string_equal(b.did, "systemctl --no-block\n");
	close_box(&b);
}

/* --- what is checked before a system is kept ----------------------------------------------------
 */

struct fake {
	bool page, data, network, air, mounts;
};
#define FAKE(name)                                                                                 \
	static bool fake_##name(void *ctx)                                                         \
	{                                                                                          \
		return ((struct fake *)ctx)->name;                                                 \
	}
FAKE(page)
FAKE(data)
FAKE(network)
FAKE(air)
FAKE(mounts)

static void every_check_that_fails_has_its_reason(void **state)
{
	struct fake f = {true, true, true, true, true};
	struct commit_checks c = {&f, fake_page, fake_data, fake_network, fake_air, fake_mounts};

	(void)state;
	assert_int_equal(commit_check(&c), WHY_NOTHING);
	f.data = false;
	assert_int_equal(commit_check(&c), WHY_DATA);
	f.air = false;
	assert_int_equal(commit_check(&c), WHY_AIR);
	f.network = false;
	assert_int_equal(commit_check(&c), WHY_NETWORK);
	f.page = false;
	assert_int_equal(commit_check(&c), WHY_PAGE);
	f.mounts = false;
	assert_int_equal(commit_check(&c), WHY_MOUNT);
	/* On an ordinary machine there is nothing to keep. */
	assert_null(commit_start(&(struct app_box){.state = ""}, NULL, 1));
}

static void the_boxs_own_wifi_is_asked_for_where_there_can_be_one(void **state)
{
	struct network_wish w = {.wifi = WIFI_OWN};
	struct nm_state s = {.radio = "wlan0", .radio_own = true, .wifi_up = true, .own_up = true};

	(void)state;
	assert_true(commit_air(&w, &s, 600));
	s.own_up = false; /* associated with nobody's network, and no address given */
	assert_false(commit_air(&w, &s, 600));
	s.wifi_up = s.own_up = false;
	assert_false(commit_air(&w, &s, 600));
	w.from = 8;
	w.to = 20;
	assert_true(commit_air(&w, &s, 23 * 60)); /* at night it is off */
	assert_false(commit_air(&w, &s, 12 * 60));
	s.radio_own = false;
	assert_true(commit_air(&w, &s, 12 * 60));
	s.radio_own = true;
	s.radio[0] = 0;
	assert_true(commit_air(&w, &s, 12 * 60));
	s.radio[0] = 'w';
	w.wifi = WIFI_JOIN;
	assert_true(commit_air(&w, &s, 12 * 60));
}

/* --- a disk that can't be read ------------------------------------------------------------------
 */

static void a_box_without_its_disk_says_what_to_do_and_begins_nothing(void **state)
{
	_cleanup_(test_dir_removep) char *root = test_dir();
	_cleanup_(freep) char *left = path_join(root, "run/lliure"),
			      *word = path_join(left, "data-lost");
	struct app_box box;
	struct lost *l;
	struct web_answer a;

	(void)state;
	box_paths(root, &box);
	assert_false(lost_is(&box));
	assert_ok(dir_make(left, 0755));
	assert_ok(file_write(word, span_str(""), 0644));
	assert_true(lost_is(&box));
	box_paths(NULL, &box);
	assert_false(lost_is(&box)); /* an ordinary machine */
	assert_ok(lost_start("127.0.0.1:0", LOST_DISK, &l));
	a = web_get(lost_port(l), "/", "");
	assert_int_equal(a.status, 503);
	assert_non_null(strstr(a.body, "recovery sheets"));
	web_answer_release(&a);
	a = web_get(lost_port(l), "/setup/found", "");
	assert_int_equal(a.status, 404);
	web_answer_release(&a);
	lost_stop(l);
}

/* --- formats -----------------------------------------------------------------------------------
 */

static struct error *make_newer(struct conn *c, void *arg)
{
	(void)arg;
	return db_exec(c->local, "UPDATE schema_version SET version=version+1 WHERE name='config'");
}

static void an_older_program_does_not_open_newer_data(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "format"), *key = path_join(dir, "key");
	_cleanup_(buf_release) struct buf b = {0};
	struct secret *self = test_key(77);
	int64_t format = 0;
	struct error *e;
	struct app *a;

	(void)state;
	assert_ok(secret_save(key, self));
	secret_free(self);
	assert_ok(app_open(dir, &env_system, &a));
	assert_ok(app_format(a, &format));
	assert_ok(file_read(path, 24, &b));
	assert_int_equal(format, conn_format());
	assert_true(format > 0 && strtoll(buf_str(&b), NULL, 10) == format);
	assert_ok(writer_run(a->writer, make_newer, NULL));
	app_close(a);
	e = app_open(dir, &env_system, &a);
	assert_true(error_is(e, ERR_VERSION));
	assert_non_null(strstr(error_english(e), "written by newer software. Update this box"));
	error_free(e);
}

static void put_text(const char *dir, const char *name, const char *text)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	assert_ok(file_write(path, span_str(text), 0600));
}

static bool is_there(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	return access(path, F_OK) == 0;
}

static int64_t noted_format(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "format");
	_cleanup_(buf_release) struct buf b = {0};

	assert_ok(file_read(path, 24, &b));
	return strtoll(buf_str(&b), NULL, 10);
}

/* A box as the program before this one left it: some tables of it are not there yet. */
static void older_box(const char *dir)
{
	_cleanup_(freep) char *key = path_join(dir, "key"), *local = path_join(dir, "local.db");
	struct secret *self = test_key(78);
	struct db *db;
	struct app *a;

	assert_ok(secret_save(key, self));
	secret_free(self);
	assert_ok(app_open(dir, &env_system, &a));
	app_close(a);
	assert_ok(db_open(local, DB_WRITER, 512, &db));
	assert_ok(db_exec(db, "DROP TABLE ledger; DROP TABLE ledger_times; DROP TABLE ledger_writer;"
			      "DROP TABLE ledger_brought;"
			      "DELETE FROM schema_version WHERE name='ledger'"));
	db_close(db);
	put_text(dir, "format", "1\n");
}

struct listener {
	const char *dir;
	int asked;
	enum error_code fails;
};

static struct error *hear(void *ctx)
{
	struct listener *l = ctx;

	l->asked++;
	/* At this moment the way back is still there. */
	assert_true(is_there(l->dir, "before/log.db") && is_there(l->dir, "before/local.db"));
	return l->fails ? error_new(l->fails, "not now") : NULL;
}

static void data_are_made_newer_with_a_way_back_until_everybody_knows(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	struct listener l = {.dir = dir, .fails = ERR_TIMEOUT};
	struct app_told told = {&l, hear};
	bool begun = true;
	struct app *a;

	(void)state;
	older_box(dir);
	/* The boot state can't be told: nothing has changed. */
	assert_fails(app_open_telling(dir, &env_system, &told, &a), ERR_TIMEOUT);
	assert_int_equal(l.asked, 1);
	assert_int_equal(noted_format(dir), conn_format() - ledger_migrations_n);
	assert_false(is_there(dir, "before") || is_there(dir, "back"));
	/* Now it can. */
	l.fails = ERR_NONE;
	assert_ok(app_open_telling(dir, &env_system, &told, &a));
	assert_int_equal(l.asked, 2);
	app_close(a);
	assert_int_equal(noted_format(dir), conn_format());
	assert_false(is_there(dir, "before") || is_there(dir, "back"));
	/* And it is asked about once only. */
	assert_ok(app_open_telling(dir, &env_system, &told, &a));
	app_close(a);
	assert_int_equal(l.asked, 2);
	assert_ok(migration_begin(dir, &begun));
	assert_false(begun);
}

/* A snapshot of the data of this format, beside data that a newer program has begun to change. */
static void begin_newer(const char *dir)
{
	static const char *const names[] = {"log.db", "local.db"};
	_cleanup_(freep) char *before = path_join(dir, "before");
	char text[24];

	assert_ok(dir_make(before, 0700));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_(freep) char *from = path_join(dir, names[i]), *to = path_join(before, names[i]);
		struct db *db;

		assert_ok(db_open(from, DB_WRITER, 512, &db));
		assert_ok(db_backup(db, to));
		assert_ok(db_exec(db, "UPDATE schema_version SET version=version+1"));
		db_close(db);
	}
	snprintf(text, sizeof(text), "%lld\n", (long long)conn_format());
	put_text(before, "format", text);
}

/* This program plays the older one. In turns: a newer one was cut off; the way back was cut off before
 * anything was in place; and between the two files. */
static void the_older_program_takes_its_data_back(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *before = path_join(dir, "before"), *back = path_join(dir, "back"),
			      *half = path_join(back, "log.db"), *log = path_join(dir, "log.db"),
			      *local = path_join(dir, "local.db");
	struct app *a;
	bool begun;

	(void)state;
	older_box(dir);
	assert_ok(app_open(dir, &env_system, &a)); /* of this format now */
	app_close(a);
	for (int cut = 0; cut < 3; cut++) {
		begin_newer(dir);
		if (cut)
			assert_int_equal(rename(before, back), 0);
		if (cut == 2) {
			assert_ok(db_remove(log));
			assert_int_equal(rename(half, log), 0);
			assert_ok(db_remove(local));
		}
		assert_ok(migration_begin(dir, &begun));
		assert_false(begun || is_there(dir, "before") || is_there(dir, "back"));
		assert_ok(app_open(dir, &env_system, &a));
		app_close(a);
		assert_int_equal(noted_format(dir), conn_format());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_a_volunteer_sends_reaches_the_updater),
		cmocka_unit_test(a_stick_offers_what_looks_like_an_update),
		cmocka_unit_test(the_outcome_and_its_reason_stand_on_the_page),
		cmocka_unit_test(every_check_that_fails_has_its_reason),
		cmocka_unit_test(the_boxs_own_wifi_is_asked_for_where_there_can_be_one),
		cmocka_unit_test(a_box_without_its_disk_says_what_to_do_and_begins_nothing),
		cmocka_unit_test(an_older_program_does_not_open_newer_data),
		cmocka_unit_test(data_are_made_newer_with_a_way_back_until_everybody_knows),
		cmocka_unit_test(the_older_program_takes_its_data_back),
	};

	return run_group(tests);
}
