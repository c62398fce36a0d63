/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"
#include "sync/peer/batch.h"
#include "sync/replicate/inlet.h"

struct fixture {
	struct test_env env;
	char *dir;
	struct box a, b;
	struct hash space;
	struct inlet in;
	struct sync_report report;
};

/* B's writer, one transaction a job. */
static struct error *write_job(void *ctx, sync_write_fn *fn, void *arg)
{
	struct box *b = ctx;
	struct sync_writing w = {.log = b->log};
	struct error *err;

	NEED(log_begin(b->log));
	err = fn(&w, arg);
	if (err) {
		log_rollback(b->log);
		return err;
	}
	return log_commit(b->log);
}

static struct error *next(void *ctx, struct log_store *log, struct intake **ret)
{
	struct fixture *f = ctx;
	const struct frame *frame;
	bool batch;

	TRY(inlet_next(&f->in, &frame, &batch));
	*ret = batch ? &f->in.intake : NULL;
	return NULL;
}

static void written(void *ctx)
{
	inlet_written(&((struct fixture *)ctx)->in);
}

static void setup(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	test_env_init(&f->env, 1764000000000, 1);
	f->dir = test_dir();
	box_init(&f->a, &f->env, f->dir, "a", 1);
	box_init(&f->b, &f->env, f->dir, "b", 2);
	f->space = box_found(&f->a, NULL);
	NEED(log_begin(f->b.log));
	NEED(log_admit(f->b.log, &f->space, secret_pubkey(f->a.key), true));
	NEED(log_commit(f->b.log));
	f->in = (struct inlet){.self = f->b.key, .report = &f->report};
	inlet_begin(&f->in, FRAME_BIT(FRAME_ENTRIES));
}

static void teardown(struct fixture *f)
{
	inlet_release(&f->in);
	box_release(&f->a);
	box_release(&f->b);
	test_dir_remove(f->dir);
}

static struct error *put(void *ctx, const struct stored *e)
{
	struct log_id id = entry_log(&e->raw);

	stream_entries_begin(ctx, &id);
	assert_true(stream_entries_add(ctx, e, false));
	stream_entries_end(ctx);
	return NULL;
}

static void what_came_whole_before_a_fault_is_kept(void **state)
{
	struct sync_host host;
	struct batch_source from;
	_cleanup_(buf_release) struct buf out = {0};
	struct stream_writer w;
	struct log_counts counts;
	struct fixture f;
	size_t n = 0;

	(void)state;
	setup(&f);
	for (int i = 0; i < 5; i++)
		box_write(&f.a, &f.space, NULL, "{\"type\":\"post\"}");
	stream_begin(&w, &out);
	NEED(log_arrivals(f.a.log, 0, 0, put, &w)); /* six frames */
	out.p[out.n - 1] ^= 1;			    /* the last is damaged */
	inlet_feed(&f.in, buf_span(&out));
	host = (struct sync_host){.ctx = &f.b, .write = write_job};
	from = (struct batch_source){&f, next, written, &f.env.env};
	assert_ok(batch_write(&host, &from, &n));
	assert_int_equal(n, 5);
	NEED(log_count(f.b.log, &f.space, &counts));
	assert_int_equal(counts.entries, 5);
	assert_int_equal(f.report.received, 5);
	/* It is not forgotten: it comes up with the next. */
	assert_fails(batch_write(&host, &from, &n), ERR_MALFORMED);
	NEED(log_count(f.b.log, &f.space, &counts));
	assert_int_equal(counts.entries, 5);
	teardown(&f);
}

/* A commit is what a pulled plug costs again, so it is bounded in bytes, too. */
static void a_batch_ends_where_much_came(void **state)
{
	enum { LARGE = 200000, MANY = 40 };
	_cleanup_(freep) char *text = calloc(1, LARGE + 1);
	_cleanup_(buf_release) struct buf out = {0};
	struct batch_source from;
	struct sync_host host;
	struct stream_writer w;
	uint64_t before = 0, all = 0;
	struct fixture f;
	size_t n = 1;

	(void)state;
	setup(&f);
	memset(text, ' ', LARGE);
	memcpy(text, "{\"type\":\"post\"}", 15);
	for (int i = 0; i < MANY; i++)
		box_write(&f.a, &f.space, NULL, text);
	stream_begin(&w, &out);
	NEED(log_arrivals(f.a.log, 0, 0, put, &w));
	inlet_feed(&f.in, buf_span(&out));
	host = (struct sync_host){.ctx = &f.b, .write = write_job};
	from = (struct batch_source){&f, next, written, &f.env.env};
	while (n) {
		struct log_counts counts;

		assert_ok(batch_write(&host, &from, &n));
		NEED(log_count(f.b.log, &f.space, &counts));
		assert_true((counts.entries - before) * LARGE < BATCH_BYTES + 2 * LARGE);
		all = before = counts.entries;
	}
	assert_int_equal(all, MANY + 1);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_whole_before_a_fault_is_kept),
		cmocka_unit_test(a_batch_ends_where_much_came),
	};

	return run_group(tests);
}
