/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Property: whatever pieces of whatever branches of a log come, in whatever order, with
 * repetitions, and whenever signatures are checked, boxes that were given everything hold the same
 * live entries, and these are what the bytes alone say. Hostile appliances fork, vouch for what
 * authors did not sign, and hide headers without a signature in the middle of runs.
 *
 * property_test [--seeds N] [--seed S]: a failing seed is printed, and replays alone.
 */
#include "tests/sync/log/logs.h"
#include "sync/log/audit.h"

enum { LOGS = 2, BRANCHES = 3, BOXES = 3, LENGTH = 24 };

struct world {
	struct test_env env;
	struct secret *appliance[LOGS], *author;
	struct made branch[LOGS][BRANCHES];
	struct box box[BOXES];
	unsigned seed;
};

/* --- what there is --- */
static void spoil_author(struct world *w, int log, struct made *m, size_t i)
{
	struct entry e;

	entry_decode(&m->raw[i], &e);
	m->raw[i].b[230] ^= 1;
	entry_carry(&m->raw[i], e.seq, e.incarnation, &e.prev, w->appliance[log], &m->raw[i]);
}

/* Grow a branch to n entries, spoiling one now and then. */
static void grow(struct world *w, int log, struct made *m, size_t from, size_t n, const char *what)
{
	for (size_t i = from; i < n; i++) {
		make_run(m, w->appliance[log], 5, w->author, i + 1, i + 1, what);
		if (test_below(&w->env, 40) == 0)
			spoil_author(w, log, m, i);
		if (test_below(&w->env, 40) == 0)
			m->raw[i].b[300] ^= 1;
	}
	m->n = n;
}

static void make_log(struct world *w, int log)
{
	struct made *first = &w->branch[log][0];
	bool forks = test_below(&w->env, 2);

	grow(w, log, first, 0, 1 + test_below(&w->env, LENGTH), "a");
	for (int b = 1; b < BRANCHES; b++) {
		struct made *m = &w->branch[log][b];
		size_t from = forks ? test_below(&w->env, first->n + 1) : first->n;

		*m = *first;
		for (size_t i = 0; i < from; i++) {
			m->payloads[i].salt = m->body[i].salt;
			m->payloads[i].bytes.p = m->body[i].bytes;
		}
		grow(w, log, m, from,
		     from + (from == 0) + (forks ? test_below(&w->env, LENGTH - 2) : 0),
		     b == 1 ? "b" : "c");
	}
}

/* --- what the bytes say --- */
static uint64_t expected_live(struct world *w, int log, struct hash *ret_at)
{
	struct hash at = {{0}};

	for (size_t i = 0; i < RUN_MAX; i++) {
		struct hash found[BRANCHES];
		const struct entry_bytes *raw = NULL;
		int n = 0;

		for (int b = 0; b < BRANCHES; b++) {
			struct made *m = &w->branch[log][b];
			struct hash h;

			if (i >= m->n || !entry_verify_appliance(&m->raw[i]))
				continue;
			/* Only what follows from what is live. */
			if (i > 0) {
				struct hash before = entry_hash(&m->raw[i - 1]);

				if (!hash_eq(&before, &at))
					continue;
			}
			h = entry_hash(&m->raw[i]);
			if (n == 0 || !hash_eq(&found[0], &h))
				found[n++] = h;
			raw = &m->raw[i];
		}
		if (n != 1 || !entry_verify_author(raw)) {
			*ret_at = at;
			return i;
		}
		at = found[0];
	}
	*ret_at = at;
	return RUN_MAX;
}

/* Two headers of one place, each signed, prove a fork wherever they are, also behind a header that
 * nobody signed. Whether anybody ever held both is chance; that all know of it then is not. */
static uint64_t lowest_live(struct world *w, int log, uint64_t want)
{
	for (size_t i = 0; i < want; i++) {
		const struct entry_bytes *one = NULL;

		for (int b = 0; b < BRANCHES; b++) {
			struct made *m = &w->branch[log][b];

			if (i >= m->n || !entry_verify_appliance(&m->raw[i]))
				continue;
			if (one && memcmp(one, &m->raw[i], sizeof(*one)) != 0)
				return i;
			one = &m->raw[i];
		}
	}
	return want;
}

/* --- what happens --- */
static void check_some(struct box *b, bool appliance, size_t max)
{
	static struct audit_job jobs[64];
	bool ok[64];
	size_t n;

	if (appliance)
		assert_ok(log_prove_next(b->l, jobs, max, &n));
	else
		assert_ok(log_audit_next(b->l, jobs, max, &n));
	for (size_t i = 0; i < n; i++)
		ok[i] = appliance ? entry_verify_appliance(&jobs[i].raw)
				  : entry_verify_author(&jobs[i].raw);
	assert_ok(log_begin(b->l));
	assert_ok(log_audit_done(b->l, jobs, ok, n));
	assert_ok(log_commit(b->l));
}

static void give_piece(struct world *w, struct box *b)
{
	struct made *m = &w->branch[test_below(&w->env, LOGS)][test_below(&w->env, BRANCHES)];
	uint64_t first = 1 + test_below(&w->env, m->n);
	uint64_t last = first + test_below(&w->env, m->n - first + 1);

	if (test_below(&w->env, 2))
		first = 1;
	give_as(b, m, first, last, test_below(&w->env, 8) == 0, NULL);
}

static struct error *give_fork_to(void *ctx, const struct log_info *i)
{
	struct box **pair = ctx;
	struct fork_proof p;
	bool is_new;

	if (!i->frozen)
		return NULL;
	TRY(log_fork_proof(pair[0]->l, i->num, &p));
	TRY(log_begin(pair[1]->l));
	TRY(log_ingest_fork(pair[1]->l, &p, &is_new));
	return log_commit(pair[1]->l);
}

static void give_forks(struct box *from, struct box *to)
{
	struct box *pair[2] = {from, to};

	assert_ok(log_each(from->l, NULL, give_fork_to, pair));
}

static void happen(struct world *w)
{
	struct box *b = &w->box[test_below(&w->env, BOXES)];
	struct box *other = &w->box[test_below(&w->env, BOXES)];

	switch (test_below(&w->env, 8)) {
	case 0:
		check_some(b, false, 1 + test_below(&w->env, 20));
		break;
	case 1:
		check_some(b, true, 1 + test_below(&w->env, 20));
		break;
	case 2:
		if (b != other)
			give_forks(b, other);
		break;
	case 3:
		log_close(b->l);
		box_open(b, "here");
		break;
	default:
		give_piece(w, b);
	}
}

/* Everybody gets everything, in their own order and pieces, until nothing moves. */
static void settle(struct world *w, struct box *b)
{
	for (int round = 0; round < 4; round++) {
		int turn = (int)test_below(&w->env, BRANCHES);

		for (int log = 0; log < LOGS; log++)
			for (int k = 0; k < BRANCHES; k++) {
				struct made *m = &w->branch[log][(k + turn) % BRANCHES];
				uint64_t step = 1 + test_below(&w->env, m->n);

				for (uint64_t at = 1; at <= m->n; at += step)
					give(b, m, at, at + step - 1 < m->n ? at + step - 1 : m->n);
			}
		check_some(b, false, 64);
		check_some(b, true, 64);
	}
}

static void compare_log(struct world *w, int log)
{
	struct hash want_hash, hash, first_hash = {{0}};
	uint64_t want = expected_live(w, log, &want_hash), least = lowest_live(w, log, want);
	uint64_t first = info_of(&w->box[0], &w->branch[log][0].id).live;

	if (first > want || first < least)
		fail_msg("seed %u: %llu live entries of log %d, the bytes say %llu to %llu",
			 w->seed, (unsigned long long)first, log, (unsigned long long)least,
			 (unsigned long long)want);
	for (int k = 0; k < BOXES; k++) {
		struct log_info i = info_of(&w->box[k], &w->branch[log][0].id);

		if (i.live != first)
			fail_msg("seed %u: box %d has %llu live entries of log %d, box 0 has %llu",
				 w->seed, k, (unsigned long long)i.live, log,
				 (unsigned long long)first);
		if (i.live == 0)
			continue;
		assert_ok(log_hash_at(w->box[k].l, i.num, i.live, &hash));
		if (k == 0)
			first_hash = hash;
		assert_id_equal(&hash, &first_hash);
		if (i.live == want)
			assert_id_equal(&hash, &want_hash);
	}
}

static void run_seed(unsigned seed)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.seed = seed;
	test_env_init(&w.env, 0, seed);
	w.author = test_key(7);
	for (int i = 0; i < LOGS; i++) {
		w.appliance[i] = test_key(10 + (unsigned)i);
		make_log(&w, i);
	}
	for (unsigned i = 0; i < BOXES; i++)
		box_init(&w.box[i], 20 + i);
	for (int i = 0; i < 40; i++)
		happen(&w);
	for (int i = 0; i < BOXES; i++)
		settle(&w, &w.box[i]);
	for (int i = 0; i < BOXES; i++)
		for (int k = 0; k < BOXES; k++)
			give_forks(&w.box[i], &w.box[k]);
	for (int i = 0; i < LOGS; i++)
		compare_log(&w, i);
	for (int i = 0; i < BOXES; i++) {
		assert_clean(&w.box[i]);
		box_release(&w.box[i]);
	}
	for (int i = 0; i < LOGS; i++)
		secret_free(w.appliance[i]);
	secret_free(w.author);
}

static unsigned first_seed = 1, seeds = 100;

static void boxes_that_were_given_everything_hold_the_same(void **state)
{
	(void)state;
	for (unsigned s = first_seed; s < first_seed + seeds; s++) {
		printf("# seed %u\n", s);
		fflush(stdout);
		run_seed(s);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boxes_that_were_given_everything_hold_the_same),
	};

	for (int i = 1; i + 1 < argc; i += 2) {
		unsigned n = (unsigned)strtoul(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "--seeds") == 0)
			seeds = n;
		else if (strcmp(argv[i], "--seed") == 0)
			first_seed = n, seeds = 1;
	}
	return run_group(tests);
}
