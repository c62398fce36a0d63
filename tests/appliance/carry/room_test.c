/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What goes into a file that may have only so many bytes. */
#include "tests/lib/test.h"
#include "tests/lib/web.h"
#include "appliance/carry/carry.h"
#include "appliance/carry/carry_priv.h"
#include "appliance/community/community.h"
#include <jansson.h>

enum { POSTS = 60, POST_BYTES = 20000 };

struct fixture {
	struct web w;
	int fd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct hash forum, topic;
	char text[POST_BYTES + 1];

	web_start(&f->w, &(struct web_options){.found = true});
	forum = web_submit(&f->w, "forum.create", NULL,
			   json_pack("{s:s, s:s}", "slug", "a", "title", "A"));
	topic = web_submit(
		&f->w, "topic.create", NULL,
		json_pack("{s:s, s:s, s:s}", "forum", ID(&forum), "title", "T", "text", "Bon dia"));
	memset(text, 'a', POST_BYTES);
	text[POST_BYTES] = 0;
	for (int i = 0; i < POSTS; i++)
		web_submit(&f->w, "post.create", &topic, json_pack("{s:s}", "text", text));
	assert_ok(file_nameless(f->w.dir, &f->fd));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	web_stop(&f->w);
	free(f);
	return 0;
}

static struct carry_size size_of(struct fixture *f, const struct carry_plan *plan)
{
	struct carry_size size = {.bytes = 0};

	assert_ok(carry_estimate(f->w.app, plan, &size));
	return size;
}

/* First and last sequence of the one log that is in the file, which has no gap. */
static void logs_in(struct fixture *f, uint64_t *ret_first, uint64_t *ret_last)
{
	struct stream_reader *r = stream_reader_new(~0U);
	const struct frame *frame;
	uint8_t piece[65536];
	ssize_t n;

	*ret_first = *ret_last = 0;
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	while ((n = read(f->fd, piece, sizeof(piece))) > 0) {
		stream_feed(r, span_of(piece, (size_t)n));
		for (;;) {
			assert_ok(stream_next(r, &frame));
			if (!frame)
				break;
			if (frame->type != FRAME_ENTRIES)
				continue;
			if (*ret_last)
				assert_int_equal(frame->entries.first, *ret_last + 1);
			else
				*ret_first = frame->entries.first;
			*ret_last = frame->entries.first + frame->entries.n - 1;
		}
	}
	assert_ok(stream_finish(r));
	stream_reader_free(r);
}

static void what_has_room_goes_whole(void **state)
{
	struct fixture *f = *state;
	struct carry_plan plan = {.newest = true, .room = 10 * POSTS * POST_BYTES};
	struct carry_written w = {.everything = false};
	uint64_t first, last;

	assert_ok(carry_write(f->w.app, &plan, f->fd, &w));
	assert_false(w.newest_only);
	logs_in(f, &first, &last);
	assert_int_equal(first, 1);
	assert_int_equal(last, w.n.entries);
	assert_true(last > POSTS);
}

static void what_has_not_goes_with_its_newest_entries(void **state)
{
	struct fixture *f = *state;
	struct carry_plan plan = {.newest = true, .room = POSTS * POST_BYTES / 2};
	struct carry_size size = size_of(f, &plan);
	struct carry_written w = {.everything = false};
	uint64_t first, last;

	assert_true(size.newest_only && size.entries > plan.room && size.bytes <= plan.room);
	assert_ok(carry_write(f->w.app, &plan, f->fd, &w));
	assert_true(w.newest_only);
	assert_in_range(w.n.bytes, plan.room / 4, plan.room);
	logs_in(f, &first, &last);
	assert_true(first > 1 && last > POSTS);
	assert_int_equal(last - first + 1, w.n.entries);
}

/* One entry of each log is the least that makes sense; more room is not taken from the log. */
static void a_room_too_small_for_anything_ends_with_the_last_entry(void **state)
{
	struct fixture *f = *state;
	struct carry_plan plan = {.newest = true, .room = 1000};
	struct carry_written w = {.everything = false};

	assert_ok(carry_write(f->w.app, &plan, f->fd, &w));
	assert_true(w.newest_only);
	assert_int_equal(w.n.entries, 1);
}

/* A stick for a house says nothing of rooms for words. */
static void without_asking_for_the_newest_all_words_go(void **state)
{
	struct fixture *f = *state;
	struct carry_plan plan = {.room = 1000};
	struct carry_written w = {.everything = false};

	assert_ok(carry_write(f->w.app, &plan, f->fd, &w));
	assert_false(w.newest_only);
	assert_true(w.n.entries > POSTS);
}

/* The volunteer wipes a stick that is said to be taken. */
static void only_a_fault_of_the_file_is_no_failure(void **state)
{
	static const struct {
		enum error_code code;
		bool torn;
	} errors[] = {{ERR_MALFORMED, true}, {ERR_LIMIT, true}, {ERR_VERSION, true},
		      {ERR_FULL, false},     {ERR_DB, false},	{ERR_IO, false},
		      {ERR_NOMEM, false},    {ERR_STOPPED, false}};
	struct sync_report r = {.cut = true, .bytes_in = 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		_cleanup_(error_freep) struct error *e = error_new(errors[i].code, N_("So it is."));

		r.cut = true;
		assert_int_equal(carry_is_torn(e, &r), errors[i].torn);
		r.cut = false;
		assert_false(carry_is_torn(e, &r));
	}
	assert_false(carry_is_torn(NULL, &r));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_has_room_goes_whole),
		T(what_has_not_goes_with_its_newest_entries),
		T(a_room_too_small_for_anything_ends_with_the_last_entry),
		T(without_asking_for_the_newest_all_words_go),
		cmocka_unit_test(only_a_fault_of_the_file_is_no_failure),
	};

	return run_group(tests);
}
