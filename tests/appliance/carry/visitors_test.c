/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What visitors carry in costs no more than it may, whoever wrote it. */
#include "tests/lib/test.h"
#include "tests/appliance/carry/carrying.h"
#include "appliance/carry/carry.h"
#include "appliance/community/community.h"
#include "sync/base/limits.h"
#include "sync/peer/ledger.h"
#include "sync/replicate/stream.h"
#include "tests/hostile/evil.h"

enum { WRITERS = 10, SHARE = LIMIT_VISITORS_DAY_LOGS / LIMIT_VISITORS_WRITER };

struct fixture {
	struct web w;
	struct secret *writer[WRITERS];
	struct buf file;
	struct stream_writer out;
};

static struct error *admit(struct conn *c, void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < WRITERS; i++)
		TRY(community_admit(c, &f->w.space, secret_pubkey(f->writer[i]), "Casal",
				    ADMIT_WRITE, f->w.steward));
	return NULL;
}

static struct error *withdraw(struct conn *c, void *arg)
{
	struct fixture *f = arg;

	return community_remove(c, &f->w.space, secret_pubkey(f->writer[0]), f->w.steward);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	carrying_start(&f->w, &(struct web_options){.found = true});
	for (int i = 0; i < WRITERS; i++)
		f->writer[i] = test_key(100 + (unsigned)i);
	assert_ok(writer_run(f->w.app->writer, admit, f));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < WRITERS; i++)
		secret_free(f->writer[i]);
	buf_release(&f->file);
	web_stop(&f->w);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	buf_clear(&f->file);
	f->out = (struct stream_writer){.frames = 0};
	stream_begin(&f->out, &f->file);
	stream_put_hello(&f->out, 0, "Telèfon");
}

/* The file as it is: once more. */
static struct sync_report take_again(struct fixture *f, enum carry_from from)
{
	return carrying_take(&f->w, buf_span(&f->file), from);
}

static struct sync_report take(struct fixture *f, enum carry_from from)
{
	stream_put_end(&f->out);
	return take_again(f, from);
}

static bool has_no_room(const struct sync_report *r)
{
	size_t kept = r->refusals < REPORT_REFUSALS ? r->refusals : REPORT_REFUSALS;

	for (size_t i = 0; i < kept; i++)
		if (r->refused[i].why == ERR_LIMIT)
			return true;
	return false;
}

/* Logs of one entry each, of all writers in turn. */
static void put_logs(struct fixture *f, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		struct pen p = pen_new(f->writer[i % WRITERS], &f->w.space, i + 1);

		pen_stream(&p, &f->out, 1, 60);
	}
}

static void visitors_bring_so_many_logs_a_day_and_volunteers_more(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	begin(f);
	put_logs(f, 0, LIMIT_VISITORS_DAY_LOGS + 50);
	r = take(f, CARRY_VISITOR);
	assert_int_equal(r.received, LIMIT_VISITORS_DAY_LOGS);
	assert_true(has_no_room(&r));
	/* again: what is here costs nothing, and the rest has no room either */
	r = take_again(f, CARRY_VISITOR);
	assert_int_equal(r.received, 0);
	assert_int_equal(r.known, LIMIT_VISITORS_DAY_LOGS);
	assert_true(has_no_room(&r));
	r = take_again(f, CARRY_VOLUNTEER); /* known, not held: it was no verdict */
	assert_int_equal(r.received, 50);
	assert_false(has_no_room(&r));
}

/* No writer fills the house by other people's phones. */
static void one_writer_has_its_share_of_them(void **state)
{
	struct fixture *f = *state;
	struct sync_report r;

	begin(f);
	for (unsigned i = 0; i < LIMIT_VISITORS_DAY_LOGS; i++) {
		struct pen p = pen_new(f->writer[0], &f->w.space, i + 1);

		pen_stream(&p, &f->out, 1, 60);
	}
	r = take(f, CARRY_VISITOR);
	assert_int_equal(r.received, SHARE);
	assert_true(has_no_room(&r));
	/* and others have theirs, whatever it did */
	begin(f);
	put_logs(f, 1, WRITERS - 1);
	r = take(f, CARRY_VISITOR);
	assert_int_equal(r.received, WRITERS - 1);
}

static const struct pubkey visitors = {.b = "visitors"};

static struct error *use_up(struct conn *c, void *arg)
{
	struct fixture *f = arg;
	_cleanup_(ledger_freep) struct ledger *l = ledger_new(f->w.app->env);

	ledger_charge(l, &visitors, LEDGER_ENTRIES, LIMIT_VISITORS_DAY_ENTRIES - 10);
	return ledger_save(l, c->local);
}

static void entries_of_a_day_are_counted_over_restarts(void **state)
{
	struct fixture *f = *state;
	struct pen p = pen_new(f->writer[0], &f->w.space, 1),
		   q = pen_new(f->writer[1], &f->w.space, 1);
	struct sync_report r;

	assert_ok(writer_run(f->w.app->writer, use_up, f));
	begin(f);
	pen_stream(&p, &f->out, 11, 60);
	pen_stream(&q, &f->out, 10, 60);
	r = take(f, CARRY_VISITOR);
	assert_int_equal(r.received, 10);
	assert_true(has_no_room(&r));
}

/* Admitted, then revoked: it writes on, and somebody carries that in, as often as they like. */
static void of_a_box_that_was_revoked_little_is_taken(void **state)
{
	struct fixture *f = *state;
	struct pen p = pen_new(f->writer[0], &f->w.space, 1);
	struct sync_report r;

	begin(f);
	pen_stream(&p, &f->out, 20, 60);
	assert_int_equal(take(f, CARRY_VISITOR).received, 20);
	assert_ok(writer_run(f->w.app->writer, withdraw, f));
	for (int i = 0; i < 3; i++) {
		begin(f);
		for (int k = 0; k < 10; k++) {
			pen_stream(&p, &f->out, 15, 100000);
		}
		r = take(f, i == 1 ? CARRY_VOLUNTEER : CARRY_VISITOR);
		assert_int_equal(r.received,
				 i ? 0 : 15); /* the first of the day, whatever its size */
		assert_true(r.refusals > 0);
	}
}

static struct error *let_go(struct conn *c, void *arg)
{
	const struct fixture *f = arg;

	return log_let_go(c->log, &f->w.space, 1);
}

static struct error *take_back(struct conn *c, void *arg)
{
	const struct fixture *f = arg;

	return log_let_go(c->log, &f->w.space, 0);
}

/* What volunteers let go of comes by no phone and no stick either. */
static void of_a_space_that_was_let_go_of_nothing_is_taken(void **state)
{
	struct fixture *f = *state;
	struct pen p = pen_new(f->writer[0], &f->w.space, 1);

	begin(f);
	pen_stream(&p, &f->out, 5, 60);
	stream_put_end(&f->out);
	assert_ok(writer_run(f->w.app->writer, let_go, f));
	assert_int_equal(take_again(f, CARRY_VISITOR).received, 0);
	assert_int_equal(take_again(f, CARRY_VOLUNTEER).received, 0);
	assert_ok(writer_run(f->w.app->writer, take_back, f));
	assert_int_equal(take_again(f, CARRY_VISITOR).received, 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(visitors_bring_so_many_logs_a_day_and_volunteers_more),
		T(one_writer_has_its_share_of_them),
		T(entries_of_a_day_are_counted_over_restarts),
		T(of_a_box_that_was_revoked_little_is_taken),
		T(of_a_space_that_was_let_go_of_nothing_is_taken),
	};

	return run_group(tests);
}
