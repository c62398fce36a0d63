/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who waits for whom: a volunteer's stick for nothing that strangers bring. */
#include "tests/lib/test.h"
#include "tests/appliance/carry/carrying.h"
#include "appliance/carry/carry_priv.h"
#include "appliance/community/community.h"
#include <fcntl.h>
#include <jansson.h>

enum { WAIT_MS = 60000 };

struct fixture {
	struct web w;
	char *sticks;
	struct carry *c;
	struct buf bundle; /* of all that is here */
};

/* A stick is plugged in, with the box's own news on it. */
static void plug_in(struct fixture *f)
{
	_cleanup_(freep) char *stick = path_join(f->sticks, "kingston");
	_cleanup_(freep) char *folder = path_join(stick, "lliure");
	_cleanup_(freep) char *path = path_join(folder, "box-20261125-1510.lliure");
	struct carry_plan plan = {.receiver = NULL};
	struct carry_written w;
	int fd;

	assert_ok(dir_make(f->sticks, 0755));
	assert_ok(dir_make(stick, 0755));
	assert_ok(dir_make(folder, 0755));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_ok(carry_write(f->w.app, &plan, fd, &w));
	close(fd);
	assert_ok(file_read(path, (size_t)1 << 20, &f->bundle));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	carrying_start(&f->w, &(struct web_options){.found = true});
	web_submit(&f->w, "forum.create", NULL, json_pack("{s:s, s:s}", "slug", "a", "title", "A"));
	f->sticks = path_join(f->w.dir, "sticks");
	plug_in(f);
	assert_ok(carry_start(f->w.app, f->sticks, &f->c));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	carry_stop(f->c);
	buf_release(&f->bundle);
	free(f->sticks);
	web_stop(&f->w);
	free(f);
	return 0;
}

static bool is_in(struct fixture *f, const char *id, enum carry_state state, uint64_t beyond)
{
	struct carry_job j;
	bool there = carry_job_get(f->c, id, &j);

	assert_true(there);
	error_free(j.error);
	return j.state == state && j.done >= beyond;
}

static void wait_for(struct fixture *f, const char *id, enum carry_state state, uint64_t beyond)
{
	int64_t began = env_mono(&env_system);

	while (!is_in(f, id, state, beyond)) {
		assert_true(env_mono(&env_system) - began < WAIT_MS);
		usleep(5000);
	}
}

/* What the box sees of the stick, once it has looked at it. */
static void wait_for_stick(struct fixture *f, char ret_id[STICK_ID])
{
	struct carry_stick *sticks = calloc(CARRY_STICKS, sizeof(*sticks));
	int64_t began = env_mono(&env_system);
	bool here = false;

	while (!here) {
		size_t n = carry_sticks(f->c, sticks);

		here = n == 1 && sticks[0].checked && !sticks[0].busy;
		memcpy(ret_id, sticks[0].id, STICK_ID);
		for (size_t i = 0; i < n; i++)
			error_free(sticks[i].error);
		assert_true(env_mono(&env_system) - began < WAIT_MS);
		usleep(5000);
	}
	free(sticks);
}

static void a_volunteer_s_stick_waits_for_no_visitor_s_file(void **state)
{
	struct fixture *f = *state;
	char stick[STICK_ID], phone[CARRY_ID], taking[CARRY_ID];
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], f->bundle.p, f->bundle.n / 2), f->bundle.n / 2);
	assert_ok(carry_phone(f->c, ends[0], f->bundle.n, phone));
	wait_for(f, phone, CARRY_RUNS, 0);
	wait_for_stick(f, stick);
	assert_ok(carry_ask(f->c, CARRY_TAKE_STICK, stick, NULL, taking));
	wait_for(f, taking, CARRY_DONE, 0);
	/* whose file has not come to its end */
	assert_true(is_in(f, phone, CARRY_RUNS, 0));
	close(ends[1]);
	wait_for(f, phone, CARRY_DONE, 0);
}

static int visitor_s_file(struct fixture *f)
{
	int fd;

	assert_ok(file_nameless(f->w.dir, &fd));
	assert_int_equal(write(fd, f->bundle.p, f->bundle.n), f->bundle.n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void a_visitor_s_file_rests_while_a_volunteer_s_stick_is_at_work(void **state)
{
	struct fixture *f = *state;
	char stick[STICK_ID], phone[CARRY_ID];
	struct job *j;

	wait_for_stick(f, stick);
	pthread_mutex_lock(&f->c->lock);
	j = job_new(f->c, CARRY_WRITE_STICK);
	j->view.state = CARRY_RUNS;
	pthread_mutex_unlock(&f->c->lock);
	assert_ok(carry_phone(f->c, visitor_s_file(f), f->bundle.n, phone));
	wait_for(f, phone, CARRY_RUNS, 1);
	usleep(50000);
	assert_true(is_in(f, phone, CARRY_RUNS, 1));
	pthread_mutex_lock(&f->c->lock);
	j->view.state = CARRY_DONE;
	pthread_cond_broadcast(&f->c->moved);
	pthread_mutex_unlock(&f->c->lock);
	wait_for(f, phone, CARRY_DONE, f->bundle.n);
}

/* A stick that takes hours to die keeps nobody waiting for so long; looking at one, nobody at all. */
static void a_visitor_s_file_does_not_rest_for_ever(void **state)
{
	struct fixture *f = *state;
	char stick[STICK_ID], phone[CARRY_ID];
	struct job *j;

	wait_for_stick(f, stick);
	pthread_mutex_lock(&f->c->lock);
	f->c->rest_ms = 200;
	j = job_new(f->c, CARRY_WRITE_STICK);
	j->view.state = CARRY_RUNS;
	pthread_mutex_unlock(&f->c->lock);
	assert_ok(carry_phone(f->c, visitor_s_file(f), f->bundle.n, phone));
	wait_for(f, phone, CARRY_DONE, f->bundle.n);
	pthread_mutex_lock(&f->c->lock);
	f->c->rest_ms = CARRY_REST_MS;
	j->view.kind = CARRY_CHECK_STICK;
	pthread_mutex_unlock(&f->c->lock);
	assert_ok(carry_phone(f->c, visitor_s_file(f), f->bundle.n, phone));
	wait_for(f, phone, CARRY_DONE, f->bundle.n);
	pthread_mutex_lock(&f->c->lock);
	j->view.state = CARRY_DONE;
	pthread_cond_broadcast(&f->c->moved);
	pthread_mutex_unlock(&f->c->lock);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_volunteer_s_stick_waits_for_no_visitor_s_file),
		T(a_visitor_s_file_rests_while_a_volunteer_s_stick_is_at_work),
		T(a_visitor_s_file_does_not_rest_for_ever),
	};

	return run_group(tests);
}
