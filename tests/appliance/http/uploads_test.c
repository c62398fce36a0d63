/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may begin to send a file, on a disk that is said to have so much room. */
#include "tests/lib/test.h"
#include "appliance/community/writer.h"
#include "appliance/http/uploads.h"
#include <sys/statvfs.h>

#define MIB ((uint64_t)1024 * 1024)

static uint64_t room;

int statvfs(const char *path, struct statvfs *ret)
{
	(void)path;
	*ret = (struct statvfs){.f_frsize = 1, .f_bavail = room, .f_blocks = 64 * 1024 * MIB};
	return 0;
}

struct fixture {
	struct test_env t;
	struct uploads *u;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	room = 8 * 1024 * MIB;
	test_env_init(&f->t, 0, 1);
	f->u = uploads_new(&f->t.env, ".");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	uploads_free(f->u);
	free(f);
	return 0;
}

/* Of client number `who`. */
static struct sending of(uint64_t who, uint64_t length, bool stranger)
{
	return (struct sending){
		.client = {{who, ~who}}, .length = length, .copies = 1, .stranger = stranger};
}

/* Each request alone would pass: what the others may still send is taken already. */
static void promises_no_room_twice(void **state)
{
	struct fixture *f = *state;
	struct sending a = of(1, 200 * MIB, false), b = of(2, 200 * MIB, false);

	room = LIMIT_FILE_ROOM + 300 * MIB;
	assert_ok(uploads_begin(f->u, &a));
	assert_fails(uploads_begin(f->u, &b), ERR_BUSY);
	/* what came of it is on the disk, and is not counted a second time */
	assert_ok(uploads_go_on(f->u, &a, 150 * MIB));
	room -= 150 * MIB;
	assert_fails(uploads_begin(f->u, &b), ERR_FULL);
	b = of(2, 90 * MIB, false);
	assert_ok(uploads_begin(f->u, &b));
	uploads_end(f->u, &b);
	uploads_end(f->u, &a);
}

static void a_small_one_leaves_what_the_writer_needs(void **state)
{
	struct fixture *f = *state;
	struct sending a = of(1, 500000, true), b = of(2, 500000, true);

	room = WRITER_ROOM + 900000;
	assert_ok(uploads_begin(f->u, &a));
	assert_fails(uploads_begin(f->u, &b), ERR_BUSY);
	uploads_end(f->u, &a);
	assert_ok(uploads_begin(f->u, &b));
	uploads_end(f->u, &b);
	room = WRITER_ROOM + 400000;
	assert_fails(uploads_begin(f->u, &a), ERR_FULL);
}

/* A volunteer lets go of the reserve: that is not for who waited with a file. */
static void nobody_goes_on_below_what_the_writer_needs(void **state)
{
	struct fixture *f = *state;
	struct sending a = of(1, 200 * MIB, true);

	assert_ok(uploads_begin(f->u, &a));
	assert_ok(uploads_go_on(f->u, &a, 65536));
	room = 2 * MIB;
	assert_fails(uploads_go_on(f->u, &a, 65536), ERR_FULL);
	uploads_end(f->u, &a);
}

static void one_client_leaves_place_for_others(void **state)
{
	struct fixture *f = *state;
	struct sending a = of(1, 60 * MIB, true), b = of(1, 20 * MIB, true),
		       c = of(1, 20 * MIB, true), small = of(1, MIB, true),
		       other = of(2, 256 * MIB, true);

	assert_ok(uploads_begin(f->u, &a));
	assert_ok(uploads_begin(f->u, &b));
	assert_fails(uploads_begin(f->u, &c), ERR_BUSY);
	assert_ok(uploads_begin(f->u, &small));
	assert_ok(uploads_begin(f->u, &other));
	uploads_end(f->u, &b);
	c = of(1, 256 * MIB, true);
	assert_fails(uploads_begin(f->u, &c), ERR_BUSY); /* nor so many bytes */
	c = of(1, 100 * MIB, true);
	assert_ok(uploads_begin(f->u, &c));
	uploads_end(f->u, &a);
	uploads_end(f->u, &c);
	uploads_end(f->u, &small);
	uploads_end(f->u, &other);
}

static void strangers_leave_place_for_the_house(void **state)
{
	struct fixture *f = *state;
	struct sending s[3], member = of(9, 250 * MIB, false);

	for (uint64_t i = 0; i < 3; i++)
		s[i] = of(i, 250 * MIB, true);
	assert_ok(uploads_begin(f->u, &s[0]));
	assert_ok(uploads_begin(f->u, &s[1]));
	assert_fails(uploads_begin(f->u, &s[2]), ERR_BUSY);
	assert_ok(uploads_begin(f->u, &member));
	uploads_end(f->u, &s[0]);
	uploads_end(f->u, &s[1]);
	uploads_end(f->u, &member);
}

/* Alone one may be as slow as the line is; but nobody waits for who only pretends to send. */
static void the_slow_give_way_when_somebody_waits(void **state)
{
	struct fixture *f = *state;
	struct sending slow = of(1, 250 * MIB, true), good = of(2, 250 * MIB, true),
		       next = of(3, 250 * MIB, true);

	assert_ok(uploads_begin(f->u, &slow));
	assert_ok(uploads_begin(f->u, &good));
	test_env_pass(&f->t, 60 * 1000);
	assert_ok(uploads_go_on(f->u, &slow, 4096));
	assert_ok(uploads_go_on(f->u, &good, 8 * MIB));
	assert_ok(uploads_begin(f->u, &next));
	assert_fails(uploads_go_on(f->u, &slow, 1), ERR_LIMIT);
	assert_ok(uploads_go_on(f->u, &good, 4096));
	uploads_end(f->u, &slow);
	uploads_end(f->u, &good);
	uploads_end(f->u, &next);
}

static void a_file_has_its_time_and_its_length(void **state)
{
	struct fixture *f = *state;
	struct sending a = of(1, 1000, true), b = of(2, 1000, false);

	assert_ok(uploads_begin(f->u, &a));
	assert_ok(uploads_begin(f->u, &b));
	assert_ok(uploads_go_on(f->u, &a, 1000));
	assert_fails(uploads_go_on(f->u, &a, 1), ERR_LIMIT);
	uploads_end(f->u, &a);
	a = of(1, 1000, true);
	assert_ok(uploads_begin(f->u, &a));
	test_env_pass(&f->t, UPLOAD_STRANGER_MS + 1);
	assert_fails(uploads_go_on(f->u, &a, 1), ERR_LIMIT);
	assert_ok(uploads_go_on(f->u, &b, 1));
	uploads_end(f->u, &a);
	uploads_end(f->u, &b);
	uploads_end(f->u, &b); /* twice is once */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(promises_no_room_twice),
		T(a_small_one_leaves_what_the_writer_needs),
		T(nobody_goes_on_below_what_the_writer_needs),
		T(one_client_leaves_place_for_others),
		T(strangers_leave_place_for_the_house),
		T(the_slow_give_way_when_somebody_waits),
		T(a_file_has_its_time_and_its_length),
	};

	return run_group(tests);
}
