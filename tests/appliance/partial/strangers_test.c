/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Communities that nobody here chose: the page, letting go of them in one act, and which give way. */
#include "tests/appliance/site.h"
#include "tests/appliance/community/boxes.h"
#include "appliance/partial/partial.h"
#include "appliance/partial/strangers.h"
#include "appliance/peers/peers.h"
#include "sync/base/day.h"

enum { STRANGERS = 6, DAY = 86400000 };

struct fixture {
	struct site site;
	struct box from[STRANGERS]; /* founders; the first is an approved house */
	struct secret *steward;
	struct hash space[STRANGERS];
	struct pubkey carrier;
	struct ledger *l;
};

struct giving {
	struct fixture *f;
	struct box *from;
};

/* All logs of a box, as an exchange would bring them. */
static struct error *give_job(struct conn *c, void *arg)
{
	const struct giving *g = arg;
	struct logs_of logs = {.n = 0};
	struct box to = {.c = c, .key = g->f->site.app->self};
	bool more;

	TRY(log_each(g->from->c->log, NULL, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++)
		TRY(carry_range(g->from, &to, &logs.info[i], 1, logs.info[i].head));
	return community_catch_up(c, 0, &more);
}

static void give(struct fixture *f, struct box *from)
{
	assert_ok(writer_run(f->site.app->writer, give_job, &(struct giving){f, from}));
}

/* What the ledger has in memory is on the disk, where the pages of a box without an engine find it. */
static struct error *save_job(struct conn *c, void *arg)
{
	struct fixture *f = arg;

	TRY(ledger_save(f->l, c->local));
	ledger_saved(f->l);
	return NULL;
}

static void approve(struct fixture *f, const struct pubkey *key, const char *name)
{
	struct peers_approval p = {.key = *key, .address = "127.0.0.1:9"};

	p.name = name;
	assert_ok(peers_approve(f->site.app, &p));
}

static struct hash say(struct fixture *f, int i, const char *text)
{
	struct hash forum, topic;

	assert_ok(box_submit(&f->from[i], &f->space[i], "forum.create", NULL, f->steward,
			     json_pack("{s:s,s:s}", "slug", "general", "title", "General"), &forum));
	assert_ok(box_submit(&f->from[i], &f->space[i], "topic.create", NULL, f->steward,
			     json_pack("{s:s,s:s,s:s}", "forum", ID(&forum), "title", text, "text",
				       text),
			     &topic));
	return topic;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_(secret_freep) struct secret *carrier = NULL;

	site_open(&f->site);
	site_sign_in(&f->site, VOL, "vol");
	f->steward = test_key(77);
	carrier = test_key(78);
	f->carrier = *secret_pubkey(carrier);
	f->l = ledger_new(f->site.app->env);
	approve(f, &f->carrier, "Casal de Dalt");
	for (int i = 0; i < STRANGERS; i++) {
		char name[40];

		snprintf(name, sizeof(name), "Estranya %d", i);
		box_init(&f->from[i], 20 + (unsigned)i, 1764000000000 + i * 1000);
		assert_ok(box_open(&f->from[i]));
		assert_ok(community_found(f->from[i].c, name, f->steward, "Ada", &f->space[i]));
		ledger_brings(f->l, &f->carrier, &f->space[i], i != 0);
	}
	approve(f, secret_pubkey(f->from[0].key), "Veïna");
	assert_ok(writer_run(f->site.app->writer, save_job, f));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ledger_free(f->l);
	for (int i = 0; i < STRANGERS; i++)
		box_release(&f->from[i]);
	secret_free(f->steward);
	site_close(&f->site);
	free(f);
	return 0;
}

static void give_all(struct fixture *f)
{
	for (int i = 0; i < STRANGERS; i++)
		give(f, &f->from[i]);
}

static bool shows(struct fixture *f, enum site_person who, const char *path, const char *what)
{
	_cleanup_(reply_release) struct reply r = site_ask(&f->site, who, path, NULL);

	assert_int_equal(r.status, 200);
	return strstr(buf_str(&r.body), what) != NULL;
}

static struct reply go(struct fixture *f, const char *act, int from, int to)
{
	char form[STRANGERS * 80 + 200];
	size_t n = (size_t)snprintf(form, sizeof(form), "through=%s&act=%s", ID(&f->carrier), act);

	for (int i = from; i < to; i++)
		n += (size_t)snprintf(form + n, sizeof(form) - n, "&space-%s=1", ID(&f->space[i]));
	return site_ask(&f->site, VOL, "/admin/strangers", form);
}

static void what_a_house_brought_goes_in_one_act_and_comes_again_when_it_is_wanted(void **state)
{
	struct fixture *f = *state;
	_cleanup_(reply_release) struct reply page = {0}, sure = {0}, done = {0}, again = {0};
	_cleanup_(reply_release) struct reply topic = {0}, forum = {0};
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct hash post = say(f, 2, "Paraula"), before, after;
	char path[200];
	bool kept;

	give_all(f);
	assert_ok(app_conn(f->site.app, &c));
	assert_ok(community_digest(c, &f->space[2], &before));
	assert_true(shows(f, NOBODY, "/forums", "Estranya 2"));
	snprintf(path, sizeof(path), "/admin/strangers?through=%s", ID(&f->carrier));
	page = site_ask(&f->site, VOL, path, NULL);
	/* what a neighbour founded stays, whoever brought it */
	assert_null(strstr(buf_str(&page.body), ID(&f->space[0])));
	assert_non_null(strstr(buf_str(&page.body), "it stays"));
	for (int i = 1; i < STRANGERS; i++) {
		char box[100];
		const char *at;

		snprintf(box, sizeof(box), "name=\"space-%s\" value=\"1\" checked", ID(&f->space[i]));
		at = strstr(buf_str(&page.body), box);
		if (!at)
			fail_msg("%d is not ticked: %s", i, strstr(buf_str(&page.body), "<h1"));
	}
	assert_null(strstr(buf_str(&page.body), ID(&f->site.space)));
	sure = go(f, "go", 1, 4);
	assert_int_equal(sure.status, 200);
	assert_non_null(strstr(buf_str(&sure.body), "Let go of these 3 communities?"));
	assert_true(shows(f, NOBODY, "/forums", "Estranya 2")); /* nothing happened yet */
	done = go(f, "sure", 1, 4);
	assert_int_equal(done.status, 303);
	assert_false(shows(f, NOBODY, "/forums", "Estranya 1"));
	assert_false(shows(f, NOBODY, "/forums", "Estranya 2"));
	assert_true(shows(f, NOBODY, "/forums", "Estranya 4"));
	assert_false(shows(f, NOBODY, "/search?q=Paraula", "Estranya"));
	snprintf(path, sizeof(path), "/topic/%s", ID(&post));
	topic = site_ask(&f->site, NOBODY, path, NULL);
	assert_int_equal(topic.status, 404); /* what is asked for, and who has it */
	assert_non_null(strstr(buf_str(&topic.body), "Estranya 2"));
	assert_non_null(strstr(buf_str(&topic.body), "These houses have it"));
	assert_null(strstr(buf_str(&topic.body), "Paraula"));
	snprintf(path, sizeof(path), "/forum/general@%s", ID_SHORT(&f->space[2]));
	forum = site_ask(&f->site, NOBODY, path, NULL);
	assert_int_equal(forum.status, 404);
	assert_non_null(strstr(buf_str(&forum.body), "Not kept on this box since"));
	assert_ok(partial_keeps_space(c, &f->space[2], &kept));
	assert_false(kept);
	assert_ok(community_digest(c, &f->space[2], &after)); /* what is here is what it was */
	assert_id_equal(&before, &after);
	/* the page of what was let go of has it back */
	assert_true(shows(f, VOL, "/admin/strangers", "Estranya 2"));
	snprintf(path, sizeof(path), "/admin/strangers/%s/again", ID(&f->space[2]));
	again = site_ask(&f->site, VOL, path, "");
	assert_int_equal(again.status, 303);
	assert_true(shows(f, NOBODY, "/forums", "Estranya 2"));
	assert_ok(partial_keeps_space(c, &f->space[2], &kept));
	assert_true(kept);
}

static void what_is_this_houses_own_stays(void **state)
{
	struct fixture *f = *state;
	char form[200];
	_cleanup_(reply_release) struct reply r = {0}, nobody = {0};

	snprintf(form, sizeof(form), "act=sure&space-%s=1", ID(&f->site.space));
	r = site_ask(&f->site, VOL, "/admin/strangers", form);
	assert_int_equal(r.status, 303); /* nothing was ticked that could go */
	assert_true(shows(f, NOBODY, "/forums", "Plaça"));
	nobody = site_ask(&f->site, NOBODY, "/admin/strangers", NULL);
	assert_int_equal(nobody.status, 303);
}

/* --- giving way --- */
struct giving_way {
	struct fixture *f;
	size_t n;
};

static struct error *give_way_job(struct conn *c, void *arg)
{
	struct giving_way *g = arg;

	return strangers_give_way(c, g->f->l, &g->f->carrier, &g->n);
}

static size_t give_way(struct fixture *f)
{
	struct giving_way g = {f, 0};

	assert_ok(writer_run(f->site.app->writer, give_way_job, &g));
	return g.n;
}

static bool is_gone(struct fixture *f, int i)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	assert_ok(app_conn(f->site.app, &c));
	return log_is_let_go(c->log, &f->space[i]);
}

/* As if they had come some days ago, the first ones before the others. */
static void made_older(struct fixture *f, int64_t days)
{
	struct test_env past;
	struct ledger *old;
	_cleanup_(conn_closep) struct conn *c = NULL;

	for (int i = 0; i < STRANGERS; i++) {
		test_env_init(&past, env_now(f->site.app->env) - (days + STRANGERS - i) * DAY, 1);
		old = f->l;
		f->l = ledger_new(&past.env);
		assert_ok(app_conn(f->site.app, &c));
		assert_ok(ledger_load(f->l, c->local));
		conn_close(STEAL(c));
		ledger_brings(f->l, &f->carrier, &f->space[i], i != 0);
		assert_ok(writer_run(f->site.app->writer, save_job, f));
		ledger_free(old);
	}
}

static struct error *admit_here(struct fixture *f, int i)
{
	return box_submit(&f->from[i], &f->space[i], "appliance.admit", NULL, f->steward,
			  json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(f->site.app->self)),
				    "name", "Here", "mode", "write"),
			  NULL);
}

struct writing {
	struct fixture *f;
	int i;
};

/* A person of this house writes. */
static struct error *write_job(struct conn *c, void *arg)
{
	const struct writing *w = arg;
	struct draft d = {.type = "forum.create",
			  .space = w->f->space[w->i],
			  .author = w->f->steward,
			  .take_body = json_pack("{s:s,s:s}", "slug", "x", "title", "X")};
	struct hash forum;

	return community_submit(c, &d, &forum);
}

static void the_oldest_that_nobody_wants_give_way_after_a_week(void **state)
{
	struct fixture *f = *state;
	_cleanup_(reply_release) struct reply keep = {0};

	assert_ok(admit_here(f, 2));
	give_all(f);
	assert_int_equal(give_way(f), 0); /* they came today */
	assert_ok(writer_run(f->site.app->writer, write_job, &(struct writing){f, 2}));
	keep = go(f, "keep", 3, 4);
	assert_int_equal(keep.status, 303);
	made_older(f, LIMIT_STRANGE_DAYS - 3);
	/* 0 is a neighbour's, 2 has a person of this house, 3 a volunteer wants; 4 and 5 are too young */
	assert_int_equal(give_way(f), 1);
	assert_true(is_gone(f, 1));
	for (int i = 0; i < STRANGERS; i++)
		assert_int_equal(is_gone(f, i), i == 1);
	made_older(f, LIMIT_STRANGE_DAYS + 1);
	assert_int_equal(give_way(f), 2);
	assert_true(is_gone(f, 4) && is_gone(f, 5) && !is_gone(f, 2) && !is_gone(f, 3));
	assert_int_equal(give_way(f), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_a_house_brought_goes_in_one_act_and_comes_again_when_it_is_wanted),
		T(what_is_this_houses_own_stays),
		T(the_oldest_that_nobody_wants_give_way_after_a_week),
	};

	return run_group(tests);
}
