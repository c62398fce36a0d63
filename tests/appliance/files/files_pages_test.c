/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/appliance/site.h"
#include "appliance/files/files_priv.h"

enum { LARGE = 300 * 1000 };
static struct site site;

static struct reply send_file(enum site_person who, const char *path, const char *name,
			      const void *bytes, size_t n, const char *title)
{
	return site_send_file(&site, who, path, name, bytes, n, title);
}

struct got {
	long status;
	struct buf body, head;
};

static struct got get(const char *path, const char *range)
{
	struct got g = {.status = 0};
	CURL *c = curl_easy_init();
	char url[400];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http_port(site.http), path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_RANGE, range);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, site_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &g.body);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, site_body);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &g.head);
	assert_int_equal(curl_easy_perform(c), CURLE_OK);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &g.status);
	curl_easy_cleanup(c);
	return g;
}

static void got_release(struct got *g)
{
	buf_release(&g->body);
	buf_release(&g->head);
}

static uint8_t *large_pdf(void)
{
	uint8_t *bytes = malloc(LARGE);

	assert_non_null(bytes);
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251);
	memcpy(bytes, "%PDF-1.7\n", 9);
	return bytes;
}

static void a_small_file_lies_in_its_op_and_is_never_shown_as_a_page(void **state)
{
	static const char html[] = "<html><script>alert(1)</script>\n";
	_cleanup_(reply_release) struct reply w =
		send_file(JOAN, "/files", "pàgina.html", html, sizeof(html) - 1, "");
	char path[200];
	struct got g;

	assert_int_equal(w.status, 201);
	snprintf(path, sizeof(path), "%s.json", TEXT(&w, "url"));
	_cleanup_(reply_release) struct reply page = site_ask(&site, NOBODY, path, NULL);
	assert_string_equal(TEXT(&page, "file.title"), "pàgina");
	assert_string_equal(TEXT(&page, "file.path"), "pagina.txt");
	assert_string_equal(TEXT(&page, "heads.0.author"), "joan");
	assert_string_equal(TEXT(&page, "heads.0.here"), "true");
	snprintf(path, sizeof(path), "%s/get", TEXT(&w, "url"));
	g = get(path, NULL);
	assert_int_equal(g.status, 200);
	assert_memory_equal(g.body.p, html, sizeof(html) - 1);
	assert_non_null(strstr(buf_str(&g.head), "Content-Type: text/plain; charset=utf-8\r\n"));
	assert_non_null(strstr(buf_str(&g.head), "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(buf_str(&g.head), "sandbox"));
	got_release(&g);
}

/* What ops may say: that the one file which is here is small, and others, which are not, as large as
 * may be. */
static struct error *say_sizes_job(struct conn *c, void *arg)
{
	(void)arg;
	TRY(db_exec(c->view, "UPDATE file_version SET stored = 1"));
	return db_exec(c->view,
		       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
		       " INSERT INTO file_version(id, file, space, author, box, time, path, title, note,"
		       " kind, size, blob, stored, head, erased) SELECT randomblob(32), v.file, v.space,"
		       " v.author, v.box, v.time, v.path, 'Lie', '', v.kind, v.size, randomblob(32),"
		       " 268000000, 0, 0 FROM n, (SELECT * FROM file_version LIMIT 1) v");
}

static void a_large_one_is_a_blob_with_ranges(void **state)
{
	_cleanup_(freep) uint8_t *bytes = large_pdf();
	_cleanup_(reply_release) struct reply w =
		send_file(JOAN, "/files", "C:\\docs\\Informe 2026.exe", bytes, LARGE, "");
	char path[200];
	struct got g;

	assert_int_equal(w.status, 201);
	snprintf(path, sizeof(path), "%s.json", TEXT(&w, "url"));
	_cleanup_(reply_release) struct reply page = site_ask(&site, NOBODY, path, NULL);
	assert_string_equal(TEXT(&page, "file.title"), "Informe 2026");
	assert_string_equal(TEXT(&page, "file.path"), "informe-2026.pdf");
	snprintf(path, sizeof(path), "%s/get", TEXT(&w, "url"));
	g = get(path, NULL);
	assert_int_equal(g.status, 200);
	assert_int_equal(g.body.n, LARGE);
	assert_memory_equal(g.body.p, bytes, LARGE);
	assert_non_null(strstr(buf_str(&g.head), "filename*=UTF-8''informe-2026.pdf\r\n"));
	got_release(&g);
	g = get(path, "70000-299999");
	assert_int_equal(g.status, 206);
	assert_int_equal(g.body.n, 230000);
	assert_memory_equal(g.body.p, bytes + 70000, 230000);
	got_release(&g);
	g = get(path, "300000-");
	assert_int_equal(g.status, 416);
	got_release(&g);
	_cleanup_(reply_release) struct reply list = site_ask(&site, NOBODY, "/library.json", NULL);
	assert_non_null(memmem(list.body.p, list.body.n, "informe-2026.pdf", 16));
	_cleanup_(reply_release) struct reply by_path =
		site_ask(&site, NOBODY, "/library/informe-2026.pdf", NULL);
	assert_int_equal(by_path.status, 302);
	/* It takes room, so who looks for some is led to it. */
	_cleanup_(reply_release) struct reply keep = site_ask(&site, VOL, "/admin/keep.json", NULL);
	assert_string_equal(TEXT(&keep, "largest.0.title"), "Informe 2026");
	assert_string_equal(TEXT(&keep, "largest.0.url"), TEXT(&w, "url"));
	assert_string_equal(TEXT(&keep, "largest.0.older"), "false");
	assert_string_equal(TEXT(&keep, "largest.1.title"), "");
	/* Hundreds that are said to be larger, and are not here, and what it says of itself, hide nothing. */
	assert_ok(writer_run(site.app->writer, say_sizes_job, NULL));
	_cleanup_(reply_release) struct reply lies = site_ask(&site, VOL, "/admin/keep.json", NULL);
	assert_string_equal(TEXT(&lies, "largest.0.title"), "Informe 2026");
	assert_string_equal(TEXT(&lies, "largest.0.size_text"), TEXT(&keep, "largest.0.size_text"));
	assert_string_equal(by_path.location, TEXT(&w, "url"));
}

static void what_can_t_be_taken_is_refused_in_words(void **state)
{
	_cleanup_(reply_release) struct reply empty = send_file(JOAN, "/files", "x", "", 0, "X");
	_cleanup_(reply_release) struct reply again =
		send_file(JOAN, "/files", "x.txt", "a", 1, "Y");
	_cleanup_(reply_release) struct reply taken =
		send_file(AINA, "/files", "x.txt", "b", 1, "Y");
	_cleanup_(reply_release) struct reply none =
		send_file(JOAN, "/file/aaaa/versions", "x.txt", "b", 1, "Y");

	assert_int_equal(empty.status, 400);
	assert_non_null(strstr(TEXT(&empty, "error.text"), "Choose the file"));
	assert_int_equal(again.status, 201);
	assert_int_equal(taken.status, 409);
	assert_int_equal(none.status, 404);
	_cleanup_(reply_release) struct reply stranger =
		site_ask(&site, NOBODY, "/files", "title=x");
	assert_int_equal(stranger.status, 401);
}

static struct error *count_blob(void *ctx, const struct hash *h, uint64_t size)
{
	(void)h;
	(void)size;
	++*(int *)ctx;
	return NULL;
}

static int blobs_here(void)
{
	int n = 0;

	assert_ok(blob_each(site.app->blobs, count_blob, &n));
	return n;
}

static int64_t noted(void)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	int64_t last;

	assert_ok(app_conn(site.app, &c));
	assert_ok(sent_last(c, &last));
	return last;
}

/* As if remei had sent a large one: its op says so, and the bytes are no matter here. */
static struct error *say_large(struct conn *c, void *arg)
{
	struct hash h = hash_bytes(span_str(arg)), id;
	struct draft d = {.type = "file.create", .space = site.space, .author = site.steward};

	d.take_body = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "path", (const char *)arg,
				"title", (const char *)arg, "kind", "mp4", "blob", ID(&h), "size",
				(json_int_t)LIMIT_UPLOAD, "sha256", ID(&h));
	return community_submit(c, &d, &id);
}

static void who_has_sent_a_day_s_share_goes_on_tomorrow_and_others_go_on(void **state)
{
	static char names[4][8] = {"a.mp4", "b.mp4", "c.mp4", "d.mp4"};
	_cleanup_(freep) uint8_t *bytes = large_pdf();
	int before = blobs_here();

	for (int i = 0; i < 4; i++)
		assert_ok(writer_run(site.app->writer, say_large, names[i]));
	bytes[LARGE - 1] ^= 1;
	_cleanup_(reply_release) struct reply over =
		send_file(REMEI, "/files", "over.pdf", bytes, LARGE, "Over");
	assert_int_equal(over.status, 413);
	assert_non_null(strstr(TEXT(&over, "error.text"), "a day's share"));
	_cleanup_(reply_release) struct reply small =
		send_file(REMEI, "/files", "small.txt", "x", 1, "Small");
	assert_int_equal(small.status, 413);
	assert_int_equal(blobs_here(), before);
	assert_int_equal(noted(), 0);
	_cleanup_(reply_release) struct reply list = site_ask(&site, NOBODY, "/library.json", NULL);
	assert_null(memmem(list.body.p, list.body.n, "over.pdf", 8));
	_cleanup_(reply_release) struct reply other =
		send_file(AINA, "/files", "over.pdf", bytes, LARGE, "Over");
	assert_int_equal(other.status, 201);
	assert_int_equal(blobs_here(), before + 1);
	assert_int_equal(noted(), 0);
}

/* What is refused when all of it is here leaves nothing: here, a name that is taken. */
static void what_is_refused_at_the_end_leaves_nothing_and_is_sent_again(void **state)
{
	_cleanup_(freep) uint8_t *bytes = large_pdf();
	int before;

	bytes[LARGE - 2] ^= 1;
	_cleanup_(reply_release) struct reply first =
		send_file(JOAN, "/files", "plan.pdf", "%PDF-1.7\nx", 10, "Plan");
	assert_int_equal(first.status, 201);
	before = blobs_here();
	_cleanup_(reply_release) struct reply taken =
		send_file(AINA, "/files", "plan.pdf", bytes, LARGE, "Plan");
	assert_int_equal(taken.status, 409);
	assert_int_equal(blobs_here(), before);
	assert_int_equal(noted(), 0);
	_cleanup_(reply_release) struct reply again =
		send_file(AINA, "/files", "plan.pdf", bytes, LARGE, "Plan two");
	assert_int_equal(again.status, 201);
	assert_int_equal(blobs_here(), before + 1);
}

/* A disk that is full in the moment when a note of what is sent goes, with the op's commit.
 * There is room again as soon as that was given up. */
static struct {
	sqlite3_file *wal;
	const sqlite3_io_methods *real;
	sqlite3_io_methods full_disk;
	bool armed, full;
	int refused;
} disk;

static int write_or_full(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	if (!disk.full)
		return disk.real->xWrite(f, p, n, at);
	disk.refused++;
	return SQLITE_FULL;
}

static void row_changed(void *ctx, int what, const char *db, const char *table, sqlite3_int64 row)
{
	(void)ctx, (void)db, (void)row;
	if (disk.armed && what == SQLITE_DELETE && !strcmp(table, "file_sent"))
		disk.full = true;
}

static void rolled_back(void *ctx)
{
	(void)ctx;
	disk.armed = disk.armed && !disk.full;
	disk.full = false;
}

static struct error *watch_disk(struct conn *c, void *arg)
{
	sqlite3_stmt *st = db_stmt(conn_local(c, &files_feature), SENT_LAST);
	sqlite3 *sq = sqlite3_db_handle(st);

	(void)arg;
	sqlite3_file_control(sq, "main", SQLITE_FCNTL_JOURNAL_POINTER, &disk.wal);
	disk.real = disk.wal->pMethods;
	disk.full_disk = *disk.real;
	disk.full_disk.xWrite = write_or_full;
	disk.wal->pMethods = &disk.full_disk;
	disk.armed = true;
	sqlite3_update_hook(sq, row_changed, NULL);
	sqlite3_rollback_hook(sq, rolled_back, NULL);
	return NULL;
}

static struct error *leave_disk(struct conn *c, void *arg)
{
	sqlite3 *sq = sqlite3_db_handle(db_stmt(conn_local(c, &files_feature), SENT_LAST));

	(void)arg;
	disk.wal->pMethods = disk.real;
	sqlite3_update_hook(sq, NULL, NULL);
	sqlite3_rollback_hook(sq, NULL, NULL);
	return NULL;
}

static void what_a_full_disk_refuses_is_nowhere_and_is_sent_again(void **state)
{
	_cleanup_(freep) uint8_t *bytes = large_pdf();
	int before = blobs_here();
	struct got g;

	bytes[LARGE - 3] ^= 1;
	assert_ok(writer_run_alone(site.app->writer, watch_disk, NULL));
	_cleanup_(reply_release) struct reply full =
		send_file(JOAN, "/files", "ple.pdf", bytes, LARGE, "Ple");
	assert_ok(writer_run_alone(site.app->writer, leave_disk, NULL));
	assert_true(disk.refused > 0);
	assert_int_equal(full.status, 507);
	assert_int_equal(blobs_here(), before);
	_cleanup_(reply_release) struct reply none =
		site_ask(&site, NOBODY, "/library/ple.pdf", NULL);
	assert_int_equal(none.status, 404);
	_cleanup_(reply_release) struct reply again =
		send_file(JOAN, "/files", "ple.pdf", bytes, LARGE, "Ple");
	assert_int_equal(again.status, 201);
	assert_int_equal(blobs_here(), before + 1);
	_cleanup_(reply_release) struct reply by_path =
		site_ask(&site, NOBODY, "/library/ple.pdf", NULL);
	assert_int_equal(by_path.status, 302);
	_cleanup_(freep) char *path = NULL;
	assert_true(asprintf(&path, "%s/get", by_path.location) > 0);
	g = get(path, NULL);
	assert_int_equal(g.status, 200);
	assert_int_equal(g.body.n, LARGE);
	assert_memory_equal(g.body.p, bytes, LARGE);
	got_release(&g);
}

static void a_new_version_goes_on_from_the_newest_and_the_earlier_stays(void **state)
{
	_cleanup_(reply_release) struct reply w =
		send_file(JOAN, "/files", "hort.txt", "u", 1, "Hort");
	char path[200];

	snprintf(path, sizeof(path), "%s/versions", TEXT(&w, "url"));
	_cleanup_(reply_release) struct reply v = send_file(AINA, path, "hort2.txt", "dos", 3, "");
	assert_int_equal(v.status, 201);
	snprintf(path, sizeof(path), "%s.json", TEXT(&w, "url"));
	_cleanup_(reply_release) struct reply page = site_ask(&site, NOBODY, path, NULL);
	assert_string_equal(TEXT(&page, "heads.0.author"), "aina");
	assert_string_equal(TEXT(&page, "heads.0.size"), "3");
	assert_string_equal(TEXT(&page, "older.0.author"), "joan");
	assert_string_equal(TEXT(&page, "file.title"), "Hort");
	assert_int_equal(json_array_size(json_object_get(page.json, "heads")), 1);
}

static void hidden_ones_are_for_moderators_and_erased_ones_for_nobody(void **state)
{
	_cleanup_(freep) uint8_t *bytes = large_pdf();
	_cleanup_(reply_release) struct reply w =
		send_file(JOAN, "/files", "secret.pdf", bytes, LARGE, "Secret");
	char path[200], form[200], url[100];

	snprintf(url, sizeof(url), "%s", TEXT(&w, "url"));
	snprintf(path, sizeof(path), "%s/hide", url);
	_cleanup_(reply_release) struct reply not_joan =
		site_ask(&site, JOAN, path, "{\"hidden\":1}");
	assert_int_equal(not_joan.status, 403);
	_cleanup_(reply_release) struct reply hid = site_ask(&site, AINA, path, "{\"hidden\":1}");
	assert_int_equal(hid.status, 201);
	_cleanup_(reply_release) struct reply gone = site_ask(&site, NOBODY, url, NULL);
	assert_int_equal(gone.status, 404);
	_cleanup_(reply_release) struct reply back = site_ask(&site, AINA, path, "{\"hidden\":0}");
	assert_int_equal(back.status, 201);
	snprintf(path, sizeof(path), "%s/erase", url);
	snprintf(form, sizeof(form), "{\"rev\":\"%s\"}", TEXT(&w, "id"));
	_cleanup_(reply_release) struct reply erased = site_ask(&site, JOAN, path, form);
	assert_int_equal(erased.status, 201);
	snprintf(path, sizeof(path), "%s/get", url);
	_cleanup_(reply_release) struct reply none = site_ask(&site, NOBODY, path, NULL);
	assert_int_equal(none.status, 410);
}

static int open_site(void **state)
{
	site_open(&site);
	*state = &site;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_lies_in_its_op_and_is_never_shown_as_a_page),
		cmocka_unit_test(a_large_one_is_a_blob_with_ranges),
		cmocka_unit_test(what_can_t_be_taken_is_refused_in_words),
		cmocka_unit_test(a_new_version_goes_on_from_the_newest_and_the_earlier_stays),
		cmocka_unit_test(who_has_sent_a_day_s_share_goes_on_tomorrow_and_others_go_on),
		cmocka_unit_test(what_is_refused_at_the_end_leaves_nothing_and_is_sent_again),
		cmocka_unit_test(what_a_full_disk_refuses_is_nowhere_and_is_sent_again),
		cmocka_unit_test(hidden_ones_are_for_moderators_and_erased_ones_for_nobody),
	};

	test_init();
	return cmocka_run_group_tests(tests, open_site, site_end);
}
