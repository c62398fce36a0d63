/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Whoever has the key of the box that founded a space can sign other first entries for its log, and
 * does not end the space with it. Property: whatever branches of a founding log come, in whatever
 * order, to whomever, boxes that exchange come to say the same of it, and what founds the space is
 * known to all.
 *
 * founding_test [--seeds N] [--seed S]: a failing seed is printed, and replays alone.
 */
#include "tests/sync/replicate/boxes.h"

enum { BOXES = 3, MOST = 6 };

/* A history of the log, as the holder of its key may make one. */
enum { TRUE_ONE, SECOND, OTHER_FIRST, THIRD_FIRST, UNSIGNED_FIRST, HISTORIES };
struct history {
	size_t n;
	struct entry_bytes raw[MOST];
	struct ingest_payload payloads[MOST];
	char text[MOST][48];
	uint8_t salt[MOST][ENTRY_SALT];
};
struct world {
	struct test_env env;
	char *dir;
	struct secret *founder, *stolen;
	struct log_id id;
	struct history h[HISTORIES];
	struct box box[BOXES];
	unsigned seed;
};

static void add_entry(struct world *w, struct history *h, bool founds, const char *word)
{
	size_t i = h->n++;
	struct entry e = {.seq = i + 1, .time = 1764000000000 + (int64_t)i, .incarnation = 77};

	if (!founds) {
		e.space = w->id.space;
		e.rules = w->id.space;
	}
	if (i)
		e.prev = entry_hash(&h->raw[i - 1]);
	snprintf(h->text[i], sizeof(h->text[i]), "{\"type\":\"post.create\",\"n\":\"%s %zu\"}",
		 word, i);
	memset(h->salt[i], (int)i + 1, ENTRY_SALT);
	h->payloads[i] = (struct ingest_payload){PAYLOAD_HELD, h->salt[i], span_str(h->text[i])};
	entry_make(&e, w->founder, w->stolen, h->salt[i], h->payloads[i].bytes, &h->raw[i]);
	if (founds)
		w->id = entry_log(&h->raw[i]);
}

static void make_histories(struct world *w)
{
	static const char *const words[] = {"true", "second", "other", "third", "unsigned"};

	for (int k = 0; k < HISTORIES; k++) {
		struct history *h = &w->h[k];
		bool founds = k == TRUE_ONE || k == SECOND || k == UNSIGNED_FIRST;
		struct entry e;

		h->n = 0;
		add_entry(w, h, founds, founds ? "found" : words[k]);
		if (k == UNSIGNED_FIRST) {
			entry_decode(&h->raw[0], &e);
			h->raw[0].b[230] ^= 1;
			entry_carry(&h->raw[0], 1, 77, &e.prev, w->stolen, &h->raw[0]);
		}
		for (size_t n = 2 + test_below(&w->env, MOST - 2); h->n < n;)
			add_entry(w, h, false, words[k]);
	}
}

static void give_history(struct world *w, struct box *b)
{
	struct history *h = &w->h[test_below(&w->env, HISTORIES)];
	struct ingest in = {.id = &w->id,
			    .first = 1,
			    .headers = h->raw,
			    .payloads = h->payloads,
			    .n = 1 + test_below(&w->env, h->n)};
	struct ingest_result r;
	struct error *refused = NULL;

	NEED(log_begin(b->log));
	NEED(log_ingest(b->log, &in, &r, &refused));
	box_fold(b);
	NEED(log_commit(b->log));
	error_free(refused);
	if (test_below(&w->env, 2))
		box_audit(b);
}

/* A log of another appliance, which carries what founds the space as well: without one nobody would
 * have taken what does not begin with that. */
static void give_elsewhere(struct world *w, struct box *b)
{
	static const struct hash none;
	struct secret *other = test_key(70);
	struct entry_bytes raw;
	struct log_id id = {w->id.space, *secret_pubkey(other), 5};
	struct ingest in = {.id = &id,
			    .first = 1,
			    .headers = &raw,
			    .payloads = w->h[TRUE_ONE].payloads,
			    .n = 1};
	struct ingest_result r;
	struct error *refused = NULL;

	entry_carry(&w->h[TRUE_ONE].raw[0], 1, 5, &none, other, &raw);
	NEED(log_begin(b->log));
	NEED(log_ingest(b->log, &in, &r, &refused));
	NEED(refused);
	box_fold(b);
	NEED(log_commit(b->log));
	secret_free(other);
}

static void give_proof(struct world *w, struct box *b)
{
	const struct history *x = &w->h[test_below(&w->env, HISTORIES)];
	const struct history *y = &w->h[test_below(&w->env, HISTORIES)];
	size_t at = test_below(&w->env, 2);
	struct fork_proof p = {x->raw[at], y->raw[at]};
	bool is_new;

	NEED(log_begin(b->log));
	error_free(log_ingest_fork(b->log, &p, &is_new));
	NEED(log_commit(b->log));
}

static struct head row_of(struct world *w, struct box *b)
{
	struct log_info info = {.id = w->id};
	struct head h;

	error_free(log_info_get(b->log, &w->id, &info));
	NEED(head_of_log(b->log, &info, &h));
	return h;
}

static void world_open(struct world *w, unsigned seed)
{
	*w = (struct world){
		.dir = test_dir(), .seed = seed, .founder = test_key(50), .stolen = test_key(60)};
	test_env_init(&w->env, 1764000000000, seed);
	make_histories(w);
	for (unsigned i = 0; i < BOXES; i++) {
		char name[8];

		snprintf(name, sizeof(name), "b%u", i);
		box_init(&w->box[i], &w->env, w->dir, name, 1 + i);
		NEED(log_begin(w->box[i].log));
		NEED(log_admit(w->box[i].log, &w->id.space, &w->id.appliance, true));
		NEED(log_commit(w->box[i].log));
	}
}

static void world_close(struct world *w)
{
	for (int i = 0; i < BOXES; i++)
		box_release(&w->box[i]);
	secret_free(w->founder);
	secret_free(w->stolen);
	test_dir_remove(w->dir);
}

static bool all_equal(struct world *w)
{
	struct hash d[BOXES];

	for (int i = 0; i < BOXES; i++)
		d[i] = box_digest(&w->box[i]);
	return hash_eq(&d[0], &d[1]) && hash_eq(&d[1], &d[2]);
}

/* Each with each, until all say the same. */
static void settle(struct world *w)
{
	for (int round = 0; round < 4; round++)
		for (int i = 0; i < BOXES; i++)
			boxes_sync(&w->box[i], &w->box[(i + 1 + round % 2) % BOXES]);
	for (int i = 0; i < BOXES && !all_equal(w); i++) {
		struct head h = row_of(w, &w->box[i]);

		print_message("box %d: live %llu, mark %d at %llu, founds %d\n", i,
			      (unsigned long long)h.seq, (int)h.mark,
			      (unsigned long long)h.mark_seq, head_founds(&h));
	}
	if (!all_equal(w))
		fail_msg("seed %u: the boxes do not come to say the same", w->seed);
}

static struct error *see_payload(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->state == PAYLOAD_HELD && e->live;
	return NULL;
}

static void run_seed(unsigned seed)
{
	struct world w;

	world_open(&w, seed);
	for (int i = 0; i < BOXES; i++)
		give_elsewhere(&w, &w.box[i]);
	for (unsigned n = test_below(&w.env, 10); n-- > 0;) {
		struct box *b = &w.box[test_below(&w.env, BOXES)];

		if (test_below(&w.env, 3))
			give_history(&w, b);
		else
			give_proof(&w, b);
	}
	give_history(&w, &w.box[0]);
	settle(&w);
	for (int i = 0; i < BOXES; i++) {
		struct head h = row_of(&w, &w.box[i]);
		struct log_info info;
		bool founds, held = false;

		NEED(log_info_get(w.box[i].log, &w.id, &info));
		if (!info.frozen)
			continue;
		NEED(log_founding_known(w.box[i].log, &info, &founds));
		assert_int_equal(head_founds(&h), founds && log_forked_from(&info) <= 2);
		assert_true(info.live <= h.seq);
		if (!info.live)
			continue;
		/* And what it says, if any box that holds the entry has it. */
		NEED(log_op(w.box[i].log, &w.id.space, see_payload, &held));
		if (!held && info.missing == 0)
			fail_msg("seed %u: box %d has no founding entry", seed, i);
	}
	world_close(&w);
}

static unsigned seeds = 12, only;

static void boxes_come_to_say_the_same_of_a_founding_log(void **state)
{
	(void)state;
	if (only)
		run_seed(only);
	for (unsigned s = 1; s <= seeds && !only; s++)
		run_seed(s);
}

/* Whichever comes first: what founds the space stays live, and one that comes later gets it. */
static void a_fork_never_takes_what_founds_the_space(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct fork_proof p;
		struct log_info info;
		struct ingest_result r;
		struct error *refused = NULL;
		struct ingest in;
		struct world w;
		bool is_new, held = false;

		world_open(&w, 1);
		in = (struct ingest){.id = &w.id,
				     .first = 1,
				     .headers = w.h[TRUE_ONE].raw,
				     .payloads = w.h[TRUE_ONE].payloads,
				     .n = w.h[TRUE_ONE].n};
		p = (struct fork_proof){w.h[TRUE_ONE].raw[0], w.h[OTHER_FIRST].raw[0]};
		NEED(log_begin(w.box[0].log));
		if (first)
			NEED(log_ingest_fork(w.box[0].log, &p, &is_new));
		NEED(log_ingest(w.box[0].log, &in, &r, &refused));
		error_free(refused);
		if (!first)
			NEED(log_ingest_fork(w.box[0].log, &p, &is_new));
		NEED(log_commit(w.box[0].log));
		NEED(log_info_get(w.box[0].log, &w.id, &info));
		assert_int_equal(info.live, 1);
		NEED(log_op(w.box[0].log, &w.id.space, see_payload, &held));
		assert_true(held);
		settle(&w);
		for (int i = 0; i < BOXES; i++) {
			held = false;
			NEED(log_op(w.box[i].log, &w.id.space, see_payload, &held));
			assert_true(held);
		}
		world_close(&w);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_never_takes_what_founds_the_space),
		cmocka_unit_test(boxes_come_to_say_the_same_of_a_founding_log),
	};

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seeds") == 0)
			seeds = (unsigned)strtoul(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--seed") == 0)
			only = (unsigned)strtoul(argv[i + 1], NULL, 10);
	}
	return run_group(tests);
}
