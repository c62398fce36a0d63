/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One peer neither holds up what others offer, nor makes it bad. */
#include "tests/appliance/site.h"
#include "appliance/box/box.h"
#include "appliance/peers/peers.h"
#include "appliance/update/offer.h"
#include "sync/sync.h"

/* --- what is played: two peers ---------------------------------------------------------------- */

enum { NEVER_GIVES, GIVES_MORE_THAN_IT_SAID };
static struct {
	struct pubkey liar;
	struct app *app;
	int does, asked_liar, asked_honest, looks, blamed;
	enum update_stage found; /* by the updater */
	enum update_why why;
	uint64_t size; /* that the honest one was asked for */
} played;

static struct error *note_lie(struct conn *c, void *arg)
{
	struct conduct m = {.peer = *(struct pubkey *)arg,
			    .what = MISDEED_UPDATE,
			    .count = 1,
			    .last_ms = env_now(c->env)};

	return conduct_note(c->local, &m);
}

static struct error *played_fetch(struct sync *s, const struct sync_fetch *f)
{
	(void)s;
	if (!pubkey_eq(&f->peer, &played.liar)) {
		played.asked_honest++;
		played.size = f->size;
		return error_new(ERR_NET, N_("Played."));
	}
	played.asked_liar++;
	if (played.does == NEVER_GIVES)
		return error_new(ERR_NOT_FOUND, N_("Played."));
	assert_ok(writer_run(played.app->writer, note_lie, &played.liar)); /* as the engine does */
	return error_new(ERR_LIMIT, N_("Played."));
}

static struct error *played_address(struct app *a, struct conn *c, const struct pubkey *peer,
				    char *out, size_t size)
{
	(void)a, (void)c, (void)peer;
	snprintf(out, size, "127.0.0.1:1");
	return NULL;
}

/* The updater, at once. */
static struct error *played_look(const char *name)
{
	_cleanup_(freep) char *path = path_join(played.app->box.updates, UPDATE_LOOKED);
	struct outcome o = {.stage = played.found, .why = played.why};

	played.looks++;
	snprintf(o.file, sizeof(o.file), "%s", name);
	return update_outcome_write(path, &o);
}

static void played_misdeed(struct sync *s, const struct pubkey *peer, enum misdeed what,
			   const char *words)
{
	(void)s, (void)peer, (void)what, (void)words;
	played.blamed++;
}

#undef BOX_ASK
#define BOX_ASK(socket, out, word, name) played_look(name)
#define sync_misdeed			 played_misdeed
#define sync_fetch_update		 played_fetch
#define peers_reach_at			 played_address
#include "appliance/update/offer_fetch.c"
#undef sync_fetch_update
#undef sync_misdeed
#undef peers_reach_at

/* --- the box ---------------------------------------------------------------------------------- */

struct house {
	struct secret *who;
	struct system_said s;
};

static struct error *hear_job(struct conn *c, void *arg)
{
	struct house *h = arg;
	_cleanup_(buf_release) struct buf body = {0};
	struct peer p = {.key = *secret_pubkey(h->who), .name = "Ateneu", .added_ms = 1};

	TRY(peer_put(c->local, &p));
	h->s.key = p.key;
	h->s.since_ms = 1;
	system_make(h->who, &h->s, &body);
	return offer_hear(c, &h->s, buf_span(&body));
}

static struct error *plan_job(struct conn *c, void *arg)
{
	(void)arg;
	return offer_plan_set(c,
			      &(struct offer_plan){.how = OFFER_FIRST, .peers = 1, .ahead = true});
}

static struct error *put_job(struct conn *c, void *arg)
{
	return offer_file_put(c, arg);
}

struct box {
	struct site s;
	struct offers *o;
	struct house liar, honest;
	struct update_state u;
};

static void open_box(struct box *b, int does, const char *version, uint8_t hash)
{
	*b = (struct box){.liar = {test_key(90), {.machine = "", .version = "2026.11.1"}},
			  .honest = {test_key(91), {.version = "2026.12.1", .offer = "2026.12.1"}},
			  .u = {.box = true, .version = "2026.11.1"}};
	site_open(&b->s);
	snprintf(b->honest.s.machine, sizeof(b->honest.s.machine), "%s", offer_machine());
	snprintf(b->liar.s.machine, sizeof(b->liar.s.machine), "%s", offer_machine());
	snprintf(b->liar.s.offer, sizeof(b->liar.s.offer), "%s", version);
	memset(b->honest.s.blob.b, 7, sizeof(b->honest.s.blob.b));
	memset(b->liar.s.blob.b, hash, sizeof(b->liar.s.blob.b));
	b->honest.s.size = 80000000;
	b->liar.s.size = 1;
	memset(&played, 0, sizeof(played));
	played.liar = *secret_pubkey(b->liar.who);
	played.app = b->s.app;
	played.does = does;
	assert_ok(writer_run(b->s.app->writer, plan_job, NULL));
	assert_ok(writer_run(b->s.app->writer, hear_job, &b->liar));
	assert_ok(writer_run(b->s.app->writer, hear_job, &b->honest));
	assert_ok(offer_open(b->s.app, &b->o));
}

static void close_box(struct box *b)
{
	offer_free(b->o);
	secret_free(b->liar.who);
	secret_free(b->honest.who);
	site_close(&b->s);
}

static void looks(struct box *b, int n)
{
	for (int i = 0; i < n; i++) {
		assert_ok(offer_tidy(b->o, &b->u));
		assert_ok(offer_choose(b->o, &b->u));
		assert_ok(offer_bring(b->o));
		usleep(2000); /* so that no two are put off in the same moment */
	}
}

static enum offer_state state_of(struct box *b, const struct hash *blob)
{
	struct offer_file f;

	assert_ok(offer_file_get(b->o->conn, blob, &f));
	return f.state;
}

/* --- what is true ----------------------------------------------------------------------------- */

static void what_never_comes_holds_nothing_up(void **state)
{
	struct box b;

	(void)state;
	open_box(&b, NEVER_GIVES, "2026.12.999", 9);
	looks(&b, ROUNDS);
	assert_int_equal(played.asked_liar, ROUNDS);
	assert_int_equal(played.asked_honest, 0);
	assert_int_equal(state_of(&b, &b.liar.s.blob), OFFER_LATER);
	looks(&b, 1);
	assert_int_equal(played.asked_honest, 1);
	/* Another hash every time is no way around it. */
	b.liar.s.blob.b[0]++;
	assert_ok(writer_run(b.s.app->writer, hear_job, &b.liar));
	looks(&b, ROUNDS - 1);
	assert_int_equal(played.asked_honest, ROUNDS);
	assert_int_equal(played.asked_liar, ROUNDS);
	/* Who could not be reached has its turn again, as often as the other. */
	looks(&b, 20 * ROUNDS);
	assert_int_equal(played.asked_honest, 11 * ROUNDS);
	close_box(&b);
}

static void what_a_volunteer_asked_for_stays_wanted(void **state)
{
	struct offer_file f = {.version = "2026.12.999", .size = 1, .by_hand = true};
	struct box b;

	(void)state;
	open_box(&b, NEVER_GIVES, "2026.12.999", 9);
	f.blob = b.liar.s.blob;
	f.peer = b.liar.s.key;
	f.state = OFFER_WANTED;
	assert_ok(writer_run(b.s.app->writer, put_job, &f));
	looks(&b, 2 * ROUNDS);
	assert_int_equal(state_of(&b, &f.blob), OFFER_WANTED);
	close_box(&b);
}

/* By the plan, and by hand. */
static void a_false_size_makes_nothing_bad(void **state)
{
	struct box b;

	for (int by_hand = 0; by_hand < 2; by_hand++) {
		struct offer_file f = {.version = "2026.12.999", .size = 1, .by_hand = true};

		(void)state;
		open_box(&b, GIVES_MORE_THAN_IT_SAID, "2026.12.999", 7);
		f.blob = b.liar.s.blob;
		f.peer = b.liar.s.key;
		f.state = OFFER_WANTED;
		if (by_hand)
			assert_ok(writer_run(b.s.app->writer, put_job, &f));
		looks(&b, 5);
		assert_int_equal(played.asked_liar, 1); /* then it is shunned */
		assert_int_equal(played.asked_honest, 5);
		assert_int_equal(played.size, b.honest.s.size);
		assert_int_not_equal(state_of(&b, &f.blob), OFFER_BAD);
		close_box(&b);
	}
}

/* Whom a volunteer asks is not the liar, though its key may be the lower one. */
static void by_hand_who_is_shunned_is_passed_over(void **state)
{
	char form[100];
	struct offer_file f;
	struct reply r;
	struct box b;

	(void)state;
	open_box(&b, GIVES_MORE_THAN_IT_SAID, "2026.12.999", 7);
	assert_ok(writer_run(b.s.app->writer, note_lie, &played.liar));
	site_sign_in(&b.s, VOL, "vol");
	snprintf(form, sizeof(form), "blob=%s", ID(&b.liar.s.blob));
	r = site_ask(&b.s, VOL, "/admin/update/fetch", form);
	assert_int_equal(r.status, 303);
	reply_release(&r);
	assert_ok(offer_file_get(b.o->conn, &b.liar.s.blob, &f));
	assert_int_equal(f.size, b.honest.s.size);
	close_box(&b);
}

/* Only who is shunned has it: who that is, why nobody is asked, and until when. */
static void who_is_shunned_and_has_it_is_named(void **state)
{
	char form[100];
	struct reply r;
	struct box b;

	(void)state;
	open_box(&b, GIVES_MORE_THAN_IT_SAID, "2026.12.999", 9);
	snprintf(b.s.app->box.helper, BOX_PATH, "%.200s", b.s.dir); /* a machine that is updated */
	assert_ok(writer_run(b.s.app->writer, note_lie, &played.liar));
	site_sign_in(&b.s, VOL, "vol");
	snprintf(form, sizeof(form), "blob=%s", ID(&b.liar.s.blob));
	r = site_ask(&b.s, VOL, "/admin/update/fetch", form);
	assert_non_null(strstr(buf_str(&r.body), "has this update, but something else"));
	assert_non_null(strstr(buf_str(&r.body), "it is asked again on"));
	assert_null(strstr(buf_str(&r.body), "No connected house"));
	reply_release(&r);
	memset(b.liar.s.blob.b, 8, sizeof(b.liar.s.blob.b)); /* that nobody has */
	snprintf(form, sizeof(form), "blob=%s", ID(&b.liar.s.blob));
	r = site_ask(&b.s, VOL, "/admin/update/fetch", form);
	assert_non_null(strstr(buf_str(&r.body), "No connected house passes this update on now"));
	reply_release(&r);
	close_box(&b);
}

static struct hash put_blob(struct box *b)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	struct hash blob;

	assert_ok(blob_writer_new(b->o->store, 100, &w));
	assert_ok(blob_write(w, span_str("a bundle that the updater dies of")));
	assert_ok(blob_writer_finish(STEAL(w), &blob, NULL));
	return blob;
}

/* A bundle that the updater dies of is not looked at for ever, and nobody is blamed for it; one
 * that it refuses is its giver's. */
static void what_can_not_be_looked_at_ends(void **state)
{
	struct offer_file f = {.version = "2026.12.1", .size = 1};
	struct box b;

	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		open_box(&b, NEVER_GIVES, "2026.12.999", 9);
		snprintf(b.s.app->box.updates, BOX_PATH, "%.200s/updates", b.s.dir);
		assert_ok(dir_make(b.s.app->box.updates, 0755));
		played.found = refused ? UPDATE_REFUSED : UPDATE_FAILED;
		played.why = refused ? WHY_STRANGER : WHY_CUT_OFF;
		f.blob = put_blob(&b);
		f.peer = b.honest.s.key;
		f.state = OFFER_WANTED;
		assert_ok(writer_run(b.s.app->writer, put_job, &f));
		looks(&b, refused ? 1 : ROUNDS - 1);
		if (!refused) {
			assert_int_equal(state_of(&b, &f.blob), OFFER_WANTED);
			looks(&b, 1);
		}
		assert_int_equal(played.looks, refused ? 1 : ROUNDS);
		assert_int_equal(state_of(&b, &f.blob), OFFER_BAD);
		assert_int_equal(played.blamed, refused);
		assert_false(blob_has(b.o->store, &f.blob, NULL));
		close_box(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_never_comes_holds_nothing_up),
		cmocka_unit_test(what_a_volunteer_asked_for_stays_wanted),
		cmocka_unit_test(a_false_size_makes_nothing_bad),
		cmocka_unit_test(what_can_not_be_looked_at_ends),
		cmocka_unit_test(by_hand_who_is_shunned_is_passed_over),
		cmocka_unit_test(who_is_shunned_and_has_it_is_named),
	};

	return run_group(tests);
}
