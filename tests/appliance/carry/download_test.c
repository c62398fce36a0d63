/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What visitors take along: how much of it is made and kept, and what it must not hold; and what
 * they bring. */
#include "tests/lib/test.h"
#include "tests/lib/ahead.h"
#include "tests/appliance/carry/carrying.h"
#include "appliance/carry/carry_priv.h"
#include "appliance/community/community.h"
#include "appliance/files/files.h"
#include "sync/blob/blob.h"
#include "sync/replicate/stream.h"
#include <jansson.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MIB ((uint64_t)1024 * 1024)

/* A disk that is as free as is said. */
static _Atomic uint64_t told_free;

int statvfs(const char *path, struct statvfs *ret)
{
	(void)path;
	*ret = (struct statvfs){.f_bsize = 1, .f_frsize = 1, .f_blocks = 32 * 1024 * MIB};
	ret->f_bavail = ret->f_bfree = told_free;
	return 0;
}

struct fixture {
	struct web w;
	struct carry *c;
	struct conn *conn;
	struct hash forum;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	ahead = 0;
	told_free = 20 * 1024 * MIB;
	carrying_start(&f->w, &(struct web_options){.env = &env_ahead, .found = true});
	f->forum = web_submit(&f->w, "forum.create", NULL,
			      json_pack("{s:s, s:s}", "slug", "a", "title", "A"));
	assert_ok(app_conn(f->w.app, &f->conn));
	assert_ok(carry_start(f->w.app, NULL, &f->c));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	carry_stop(f->c);
	conn_close(f->conn);
	web_stop(&f->w);
	free(f);
	return 0;
}

static struct hash blob_of(struct fixture *f, size_t n)
{
	uint8_t *bytes = malloc(n);
	struct blob_writer *w;
	struct hash h;

	crypto_random(bytes, n);
	assert_ok(blob_writer_new(f->w.app->blobs, n, &w));
	assert_ok(blob_write(w, span_of(bytes, n)));
	assert_ok(blob_writer_finish(w, &h, NULL));
	free(bytes);
	return h;
}

static struct hash name_blob(struct fixture *f, const struct hash *blob, size_t n, const char *path)
{
	return web_submit(&f->w, "file.create", NULL,
			  json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "kind", "pdf", "blob",
				    ID(blob), "size", (json_int_t)n, "sha256", ID(blob), "title",
				    "Un", "path", path));
}

static struct hash add_file(struct fixture *f, size_t n, const char *path)
{
	struct hash blob = blob_of(f, n);

	return name_blob(f, &blob, n, path);
}

static void say(struct fixture *f)
{
	web_submit(&f->w, "topic.create", NULL,
		   json_pack("{s:s, s:s, s:s}", "forum", ID(&f->forum), "title", "T", "text",
			     "Bon dia"));
}

static struct carry_download look(struct fixture *f, enum carry_choice choice)
{
	struct carry_download d[CARRY_CHOICES];

	carry_downloads(f->c, d);
	return d[choice];
}

/* Until no file is being made. */
static struct carry_download wait_for(struct fixture *f, enum carry_choice choice)
{
	struct carry_download d;
	bool busy;

	for (int i = 0; i < 3000; i++) {
		d = look(f, choice);
		pthread_mutex_lock(&f->c->lock);
		busy = false;
		for (int k = 0; k < CARRY_CHOICES; k++)
			busy |= f->c->preparing[k].job[0] != 0;
		pthread_mutex_unlock(&f->c->lock);
		if (!busy)
			return look(f, choice);
		usleep(10000);
	}
	fail_msg("it is being made for ever");
	return d;
}

static struct carry_download made(struct fixture *f, enum carry_choice choice)
{
	struct carry_download d;

	wait_for(f, CARRY_WORDS);
	assert_ok(carry_download_ask(f->c, choice));
	d = wait_for(f, choice);
	assert_true(d.ready);
	return d;
}

static int opened(struct fixture *f, const char *name)
{
	struct carry_download d;
	int fd = -1;
	struct error *e = carry_download_open(f->c, f->conn, name, &fd, &d);

	error_free(e);
	return e ? -1 : fd;
}

static off_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static bool is_there(struct fixture *f, const char *name)
{
	int fd = opened(f, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A Range of one byte an hour would have kept it for ever. */
static void what_moderators_hide_goes_from_what_is_taken_along(void **state)
{
	struct fixture *f = *state;
	struct hash file = add_file(f, 200000, "a/b.pdf");
	struct carry_download d = made(f, CARRY_SOME), words = look(f, CARRY_WORDS);
	int fd = opened(f, d.name);

	assert_int_equal(d.blobs, 1);
	assert_true(fd >= 0);
	say(f);
	assert_true(is_there(f, d.name));
	web_submit(&f->w, "file.hide", &file, json_pack("{s:b}", "hidden", 1));
	assert_false(is_there(f, d.name));
	assert_int_equal(size_of(fd), 0); /* who was fetching it gets no more of it */
	assert_true(is_there(f, words.name));
	close(fd);
}

static void small_files_are_among_the_words_and_there_is_nothing_to_choose(void **state)
{
	struct fixture *f = *state;
	struct carry_download words;

	say(f);
	look(f, CARRY_WORDS);
	words = wait_for(f, CARRY_WORDS);
	assert_true(words.ready && words.all_files);
	web_submit(&f->w, "file.create", NULL,
		   json_pack("{s:s, s:s, s:i, s:s, s:s}", "kind", "text", "data", "aG9sYQ==", "size",
			     4, "title", "Un", "path", "a/b.txt"));
	ahead += FRESH_MS_WORDS + 1000;
	look(f, CARRY_WORDS);
	words = wait_for(f, CARRY_WORDS);
	assert_true(words.ready && words.all_files);
	for (int k = CARRY_SOME; k < CARRY_CHOICES; k++)
		assert_false(look(f, (enum carry_choice)k).offered);
	add_file(f, 200000, "a/c.pdf");
	ahead += FRESH_MS_WORDS + 1000;
	look(f, CARRY_WORDS);
	assert_false(wait_for(f, CARRY_WORDS).all_files);
	assert_true(look(f, CARRY_SOME).offered && look(f, CARRY_SOME).all_files);
}

/* Also from who asks for nothing more: with the next words that somebody looks at. */
static void who_is_fetching_what_was_hidden_gets_no_more(void **state)
{
	struct fixture *f = *state;
	struct hash file = add_file(f, 200000, "a/b.pdf");
	int fd = opened(f, made(f, CARRY_SOME).name);

	assert_true(fd >= 0 && size_of(fd) > 200000);
	web_submit(&f->w, "file.hide", &file, json_pack("{s:b}", "hidden", 1));
	ahead += FRESH_MS_WORDS + 1000;
	wait_for(f, CARRY_WORDS);
	assert_int_equal(size_of(fd), 0);
	close(fd);
}

static void a_day_has_so_many_bytes_of_it(void **state)
{
	struct fixture *f = *state;
	struct carry_download d;

	add_file(f, 2000000, "a/b.pdf");
	d = made(f, CARRY_SOME);
	pthread_mutex_lock(&f->c->lock);
	assert_true(f->c->preparing[CARRY_SOME].spent >= 2000000);
	f->c->preparing[CARRY_SOME].spent = DOWNLOADS_A_DAY;
	f->c->preparing[CARRY_SOME].spent_at = ahead_mono(NULL) + FRESH_MS_FILES;
	pthread_mutex_unlock(&f->c->lock);
	ahead += FRESH_MS_FILES + 1000;
	say(f);
	/* the one that is there goes on being given */
	assert_string_equal(made(f, CARRY_SOME).name, d.name);
	assert_true(is_there(f, d.name));
	ahead += FRESH_MS_FILES; /* and some have come back */
	assert_string_not_equal(made(f, CARRY_SOME).name, d.name);
}

static void a_large_one_gives_way_to_what_sync_needs(void **state)
{
	struct fixture *f = *state;
	struct carry_download d, words;
	int fd;

	add_file(f, 17 * MIB, "a/b.pdf");
	d = made(f, CARRY_SOME);
	words = look(f, CARRY_WORDS);
	fd = opened(f, d.name);
	assert_true(fd >= 0 && size_of(fd) > (off_t)(17 * MIB));
	told_free = 3 * 1024 * MIB; /* of 32 GiB: peers may take no more */
	for (int i = 0; i < 1000 && is_there(f, d.name); i++)
		usleep(10000);
	assert_false(is_there(f, d.name));
	assert_int_equal(size_of(fd), 0);     /* though somebody holds it */
	assert_true(is_there(f, words.name)); /* words are for people */
	assert_ok(carry_download_ask(f->c, CARRY_SOME));
	assert_true(wait_for(f, CARRY_SOME).failed);
	close(fd);
}

static struct error *many_words_job(struct conn *c, void *arg)
{
	enum { POSTS = 100, BYTES = 190000 };
	struct fixture *f = arg;
	_cleanup_(freep) char *text = calloc(1, BYTES + 1);
	struct hash id;

	memset(text, 'a', BYTES);
	for (int i = 0; i < POSTS; i++)
		TRY(community_submit(
			c,
			&(struct draft){.type = "topic.create",
					.space = f->w.space,
					.author = f->w.steward,
					.take_body =
						json_pack("{s:s, s:s, s:s}", "forum", ID(&f->forum),
							  "title", "T", "text", text)},
			&id));
	return NULL;
}

/* Where words are many, too: then their newest go. */
static void words_are_taken_along_from_a_nearly_full_box(void **state)
{
	struct fixture *f = *state;
	struct carry_download d;

	assert_ok(writer_run_large(f->w.app->writer, many_words_job, f));
	look(f, CARRY_WORDS);
	d = wait_for(f, CARRY_WORDS);
	assert_true(d.ready && !d.newest_only && d.size > DOWNLOAD_LARGE);
	told_free = 3 * 1024 * MIB;
	for (int i = 0; i < 1000 && look(f, CARRY_WORDS).ready; i++)
		usleep(10000);
	d = wait_for(f, CARRY_WORDS);
	assert_true(d.ready && d.newest_only && d.size <= DOWNLOAD_LARGE);
	assert_true(d.size > DOWNLOAD_LARGE / 4);
}

static void a_large_one_that_was_replaced_has_its_time(void **state)
{
	struct fixture *f = *state;
	struct carry_download first, second;

	add_file(f, 17 * MIB, "a/b.pdf");
	first = made(f, CARRY_SOME);
	assert_true(is_there(f, first.name));
	ahead += FRESH_MS_FILES + 1000;
	say(f);
	second = made(f, CARRY_SOME);
	assert_string_not_equal(second.name, first.name);
	for (int i = 0; i < 3; i++) { /* a byte now and then */
		ahead += KEPT_MS_LARGE / 4;
		assert_true(is_there(f, first.name));
	}
	say(f);
	/* no third beside the two */
	assert_string_equal(made(f, CARRY_SOME).name, second.name);
	ahead += KEPT_MS_LARGE / 2;
	for (int i = 0; i < 1000 && is_there(f, first.name); i++)
		usleep(10000);
	assert_false(is_there(f, first.name));
}

/* A moment without descriptors, or with a full disk. */
static void a_job_that_could_not_begin_is_tried_again(void **state)
{
	struct fixture *f = *state;
	struct rlimit was, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	look(f, CARRY_WORDS);
	assert_true(wait_for(f, CARRY_WORDS).failed);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(
		look(f, CARRY_WORDS).failed); /* not at once: anybody may look again and again */
	ahead += RETRY_MS_WORDS + 1000;
	look(f, CARRY_WORDS);
	assert_true(wait_for(f, CARRY_WORDS).ready);
}

/* --- what they bring -------------------------------------------------------------------------- */

/* A phone's file with the blob alone: its op is here. */
static uint64_t bring(struct fixture *f, const struct hash *blob, struct span bytes,
		      uint64_t *files_left)
{
	_cleanup_(buf_release) struct buf b = {0};
	_cleanup_(closep) int fd = -1;
	struct stream_writer sw;
	struct sync_report r;

	stream_begin(&sw, &b);
	stream_put_hello(&sw, 0, "X");
	stream_put_blob(&sw, blob, bytes.n, 0, bytes);
	stream_put_end(&sw);
	assert_ok(file_nameless(f->w.dir, &fd));
	assert_ok(fd_write_all(fd, buf_span(&b), "a file"));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	error_free(carry_take(f->w.app,
			      &(struct carry_taking){.from = CARRY_VISITOR,
						     .fd = fd,
						     .name = "a file",
						     .files_left = files_left},
			      &r));
	return r.blobs;
}

static void a_phone_brings_no_more_files_than_a_peer_may(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) uint8_t *bytes = malloc(200000);
	struct span all = span_of(bytes, 200000);
	uint64_t left = 300000;
	struct hash h;

	crypto_random(bytes, all.n);
	h = hash_bytes(all);
	name_blob(f, &h, all.n, "a/b.pdf");
	told_free = 3 * 1024 * MIB; /* of 32 GiB: nothing is taken from peers */
	assert_int_equal(bring(f, &h, all, &left), 0);
	assert_int_equal(left, 300000);
	told_free = 20 * 1024 * MIB;
	left = 199999;
	assert_int_equal(bring(f, &h, all, &left), 0);
	left = 300000;
	assert_int_equal(bring(f, &h, all, &left), 1);
	assert_int_equal(left, 100000);
	assert_true(blob_has(f->w.app->blobs, &h, NULL));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(small_files_are_among_the_words_and_there_is_nothing_to_choose),
		T(what_moderators_hide_goes_from_what_is_taken_along),
		T(who_is_fetching_what_was_hidden_gets_no_more),
		T(a_day_has_so_many_bytes_of_it),
		T(a_large_one_gives_way_to_what_sync_needs),
		T(words_are_taken_along_from_a_nearly_full_box),
		T(a_large_one_that_was_replaced_has_its_time),
		T(a_job_that_could_not_begin_is_tried_again),
		T(a_phone_brings_no_more_files_than_a_peer_may),
	};

	return run_group(tests);
}
