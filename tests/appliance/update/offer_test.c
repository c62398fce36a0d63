/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What peers offer and say of their systems: what it counts for, and what is kept of it. */
#include "tests/appliance/site.h"
#include "appliance/recovery/recovery.h"
#include "appliance/update/offer.h"

#define DAY INT64_C(86400000)

static struct offer_heard house(const char *version, int64_t well_ms)
{
	struct offer_heard h = {.first_ms = 1000, .last_ms = 1000 + well_ms};

	snprintf(h.said.version, sizeof(h.said.version), "%s", version);
	h.said.since_ms = 1;
	return h;
}

/* --- when it is installed by itself ----------------------------------------------------------- */

static void so_many_houses_for_so_many_days(void **state)
{
	struct offer_plan p = {.how = OFFER_AFTER, .peers = 2, .days = 7};
	struct offer_heard h[4] = {house("2.1", 8 * DAY), house("2.1", 7 * DAY - 1),
				   house("2.0", 90 * DAY), house("2.1", 0)};
	struct offer_weighed w = offer_weigh(&p, "2.1", h, 4);

	(void)state;
	assert_int_equal(w.well, 1);
	assert_false(w.may);
	h[1] = house("2.1", 7 * DAY);
	assert_true(offer_weigh(&p, "2.1", h, 4).may);
	/* Who is not well with it does not count, whatever it was before. */
	h[1].first_ms = h[1].last_ms = 0;
	assert_false(offer_weigh(&p, "2.1", h, 4).may);
	p.days = 0;
	assert_true(offer_weigh(&p, "2.1", h, 4).may);
	/* One house that gave it up holds it up. */
	snprintf(h[2].said.back, sizeof(h[2].said.back), "2.1");
	w = offer_weigh(&p, "2.1", h, 4);
	assert_true(w.taken_back && !w.may);
	assert_true(offer_weigh(&p, "2.0", h, 4).well == 1);
}

static void only_what_the_volunteers_chose(void **state)
{
	struct offer_plan p = {.how = OFFER_BY_HAND, .peers = 1, .hour = 4};
	struct offer_heard h = house("2.1", 90 * DAY);

	(void)state;
	assert_false(offer_weigh(&p, "2.1", &h, 1).may);
	p.how = OFFER_FIRST;
	assert_true(offer_weigh(&p, "2.1", NULL, 0).may);
	assert_true(offer_is_hour(&p, 4 * 60) && offer_is_hour(&p, 4 * 60 + 59));
	assert_false(offer_is_hour(&p, 5 * 60) || offer_is_hour(&p, 3 * 60 + 59));
}

static void only_newer_ones_for_this_machine_fit(void **state)
{
	struct system_said s = {.machine = "lliure-amd64", .offer = "2026.12.1"};

	(void)state;
	assert_true(offer_fits("lliure-amd64", "2026.11.20", &s));
	assert_false(offer_fits("lliure-arm64", "2026.11.20", &s));
	assert_false(offer_fits("", "2026.11.20", &s));
	assert_false(offer_fits("lliure-amd64", "2026.12.1", &s));
	assert_false(offer_fits("lliure-amd64", "2026.12.2", &s));
	assert_false(offer_fits("lliure-amd64", "", &s));
	snprintf(s.offer, sizeof(s.offer), "newest");
	assert_false(offer_fits("lliure-amd64", "2026.11.20", &s));
	s.offer[0] = 0;
	assert_false(offer_fits("lliure-amd64", "2026.11.20", &s));
}

/* --- what is kept ----------------------------------------------------------------------------- */

struct hearing {
	struct secret *who;
	struct system_said s;
};

static struct error *hear_job(struct conn *c, void *arg)
{
	struct hearing *h = arg;
	_cleanup_(buf_release) struct buf body = {0};

	h->s.key = *secret_pubkey(h->who);
	system_make(h->who, &h->s, &body);
	return offer_hear(c, &h->s, buf_span(&body));
}

static struct error *add_peer_job(struct conn *c, void *arg)
{
	const struct hearing *h = arg;
	struct peer p = {.key = *secret_pubkey(h->who), .name = "Ateneu <b>", .added_ms = 1};

	return peer_put(c->local, &p);
}

static struct error *prune_job(struct conn *c, void *arg)
{
	(void)arg;
	return offer_heard_prune(c);
}

static struct error *doubt_job(struct conn *c, void *arg)
{
	(void)arg;
	return restored_doubt(c, 1);
}

struct seen {
	struct offer_heard last;
	int n;
};

static struct error *see(void *ctx, const struct offer_heard *h)
{
	struct seen *k = ctx;

	k->last = *h;
	k->n++;
	return NULL;
}

static struct seen heard_of(struct site *s)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct seen k = {.n = 0};

	assert_ok(app_conn(s->app, &c));
	assert_ok(offer_heard_each(c, see, &k));
	return k;
}

static void how_long_is_counted_by_our_clock_and_begins_anew(void **state)
{
	struct hearing h = {test_key(90), {.machine = "lliure-amd64", .version = "2.1"}};
	struct site s;
	struct seen k;
	int64_t first;

	(void)state;
	site_open(&s);
	/* Of a stranger nothing counts, and nothing stays. */
	assert_ok(writer_run(s.app->writer, hear_job, &h));
	assert_int_equal(heard_of(&s).n, 0);
	assert_ok(writer_run(s.app->writer, prune_job, NULL));
	assert_ok(writer_run(s.app->writer, add_peer_job, &h));
	assert_int_equal(heard_of(&s).n, 0);
	assert_ok(writer_run(s.app->writer, hear_job, &h));
	k = heard_of(&s);
	assert_true(k.n == 1 && !k.last.first_ms); /* it is only trying it out */
	h.s.since_ms = 1;			   /* since 1970, it says */
	assert_ok(writer_run(s.app->writer, hear_job, &h));
	first = heard_of(&s).last.first_ms;
	assert_true(first > 1500000000000);
	usleep(3000);
	assert_ok(writer_run(s.app->writer, hear_job, &h));
	k = heard_of(&s);
	assert_true(k.last.first_ms == first && k.last.last_ms > first);
	snprintf(h.s.version, sizeof(h.s.version), "2.2");
	assert_ok(writer_run(s.app->writer, hear_job, &h));
	assert_true(heard_of(&s).last.first_ms > first);
	/* A peer that a backup brought back is doubted, and told nothing. */
	assert_ok(writer_run(s.app->writer, doubt_job, NULL));
	assert_int_equal(heard_of(&s).n, 0);
	{
		_cleanup_(conn_closep) struct conn *c = NULL;

		assert_ok(app_conn(s.app, &c));
		assert_false(offer_tells(c, &h.s.key));
	}
	secret_free(h.who);
	site_close(&s);
}

static bool is_news(struct site *s, struct hearing *h, int64_t when_ms)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(buf_release) struct buf body = {0};
	struct system_said said;

	h->s.key = *secret_pubkey(h->who);
	h->s.when_ms = when_ms;
	system_make(h->who, &h->s, &body);
	assert_ok(system_read(buf_span(&body), &said));
	assert_ok(app_conn(s->app, &c));
	return offer_is_news(c, &said);
}

static struct error *age_job(struct conn *c, void *arg)
{
	(void)arg;
	return db_exec(c->local, "UPDATE update_heard SET last = last - 600000");
}

/* Each that is written is a commit, and wakes the thread up. */
static void the_same_words_are_no_news_for_ten_minutes(void **state)
{
	struct hearing h = {test_key(90), {.machine = "lliure-amd64", .version = "2.1"}};
	struct site s;

	(void)state;
	site_open(&s);
	assert_ok(writer_run(s.app->writer, add_peer_job, &h));
	assert_true(is_news(&s, &h, 1));
	assert_ok(writer_run(s.app->writer, hear_job, &h));
	assert_false(is_news(&s, &h, 2));
	h.s.since_ms = 5;
	assert_true(is_news(&s, &h, 3));
	assert_ok(writer_run(s.app->writer, hear_job, &h));
	assert_false(is_news(&s, &h, 4));
	snprintf(h.s.version, sizeof(h.s.version), "2.2");
	assert_true(is_news(&s, &h, 4));
	snprintf(h.s.version, sizeof(h.s.version), "2.1");
	assert_false(is_news(&s, &h, 5));
	assert_ok(writer_run(s.app->writer, age_job, NULL));
	assert_true(is_news(&s, &h, 6)); /* that it is still well counts */
	secret_free(h.who);
	site_close(&s);
}

static struct error *put_job(struct conn *c, void *arg)
{
	return offer_file_put(c, arg);
}

static struct error *plan_job(struct conn *c, void *arg)
{
	return offer_plan_set(c, arg);
}

static struct error *count(void *ctx, const struct offer_file *f)
{
	(void)f;
	(*(int *)ctx)++;
	return NULL;
}

/* However much is offered. */
static void what_is_remembered_is_bounded(void **state)
{
	struct offer_file f = {.size = 5, .version = "2.1", .when_ms = 10}, got;
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct site s;
	int n = 0;

	(void)state;
	site_open(&s);
	for (int i = 0; i < OFFER_REMEMBERED + 20; i++) {
		f.state = i % 2 ? OFFER_BAD : OFFER_DECLINED;
		f.when_ms++;
		f.blob.b[0] = (uint8_t)i;
		assert_ok(writer_run(s.app->writer, put_job, &f));
	}
	for (int i = 0; i < 5; i++) {
		f.state = OFFER_READY;
		f.blob.b[1] = (uint8_t)(i + 1);
		assert_ok(writer_run(s.app->writer, put_job, &f));
	}
	assert_ok(app_conn(s.app, &c));
	assert_ok(offer_file_each(c, count, &n));
	assert_int_equal(n, OFFER_REMEMBERED + 1);
	assert_ok(offer_file_get(c, &f.blob, &got));
	assert_int_equal(got.state, OFFER_READY);
	/* A good one waits for a volunteer, unless the box is to install it by itself. */
	{
		struct offer_plan p = {.how = OFFER_FIRST, .peers = 1};
		bool waits;

		assert_ok(offer_waits(c, &got, &waits));
		assert_true(waits);
		assert_ok(writer_run(s.app->writer, plan_job, &p));
		assert_ok(offer_waits(c, &got, &waits));
		assert_false(waits);
	}
	/* Who wants another one gives the first up, and what came of it goes. */
	f.state = OFFER_WANTED;
	f.blob.b[2] = 1;
	assert_ok(writer_run(s.app->writer, put_job, &f));
	got = f;
	f.blob.b[2] = 2;
	assert_ok(writer_run(s.app->writer, put_job, &f));
	assert_ok(offer_file_get(c, &got.blob, &got));
	assert_int_equal(got.state, OFFER_DECLINED);
	site_close(&s);
}

/* --- the plan on its page --------------------------------------------------------------------- */

static void plan(struct site *s, const char *form, long want)
{
	struct reply r = site_ask(s, VOL, "/admin/update/plan", form);

	assert_int_equal(r.status, want);
	reply_release(&r);
}

static void the_plan_is_a_volunteers(void **state)
{
	struct site s;
	struct reply r;

	(void)state;
	site_open(&s);
	site_sign_in(&s, VOL, "vol");
	site_sign_in(&s, JOAN, "joan");
	plan(&s, "how=after&peers=3&days=14&hour=22&tells=1", 303);
	r = site_ask(&s, VOL, "/admin/update.json", NULL);
	assert_string_equal(TEXT(&r, "plan.after"), "true");
	assert_string_equal(TEXT(&r, "plan.days"), "14");
	assert_string_equal(TEXT(&r, "plan.hour"), "22");
	assert_string_equal(TEXT(&r, "plan.ahead"), "false");
	reply_release(&r);
	plan(&s, "how=after&peers=0&days=14&hour=22", 400);
	plan(&s, "how=after&peers=3&days=91&hour=22", 400);
	plan(&s, "how=after&peers=3&days=14&hour=24", 400);
	plan(&s, "how=after&peers=3&days=-1&hour=2", 400);
	plan(&s, "how=after&peers=3&days=&hour=2", 400);
	r = site_ask(&s, JOAN, "/admin/update/plan", "how=first&peers=1&days=1&hour=1");
	assert_int_equal(r.status, 403);
	reply_release(&r);
	/* What is not offered can't be wanted, stopped or installed. */
	for (size_t i = 0; i < 3; i++) {
		static const char *const what[] = {"fetch", "cancel", "install"};
		char path[60];

		snprintf(path, sizeof(path), "/admin/update/%s", what[i]);
		r = site_ask(&s, VOL, path,
			     "blob=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
		assert_int_equal(r.status, 404);
		reply_release(&r);
		r = site_ask(&s, VOL, path, "blob=../../key");
		assert_int_equal(r.status, 400);
		reply_release(&r);
	}
	r = site_ask(&s, VOL, "/admin/update.json", NULL);
	assert_string_equal(TEXT(&r, "plan.after"), "true");
	reply_release(&r);
	site_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_houses_for_so_many_days),
		cmocka_unit_test(only_what_the_volunteers_chose),
		cmocka_unit_test(only_newer_ones_for_this_machine_fit),
		cmocka_unit_test(how_long_is_counted_by_our_clock_and_begins_anew),
		cmocka_unit_test(the_same_words_are_no_news_for_ten_minutes),
		cmocka_unit_test(what_is_remembered_is_bounded),
		cmocka_unit_test(the_plan_is_a_volunteers),
	};

	return run_group(tests);
}
