/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * 2 to 8 boxes write, meet in random pairs over connections that break and damage, are copied,
 * restored from old copies, restarted, and one may vouch for what nobody signed. After enough clean
 * meetings all hold the same: equal digests, nothing left to ask, every log verifies, and no op is
 * lost that had to stay.
 *
 *   converge_test [--seed N | --seeds N]
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"

enum { MAX_BOXES = 12, MAX_OPS = 600, PEOPLE = 3 };

struct written {
	struct hash id;
	int box;
	bool may_go; /* lost with a restored disk, or behind an end */
};

struct sim {
	struct test_env env;
	uint64_t seed;
	char *dir;
	struct box boxes[MAX_BOXES];
	int n;
	bool rogue[MAX_BOXES];
	char *backup[MAX_BOXES];
	int backup_ops[MAX_BOXES];
	struct secret *people[PEOPLE];
	struct hash space[2];
	int n_spaces;
	struct written ops[MAX_OPS];
	int n_ops;
	int files;
	int unsigned_left;
	struct tally *tally;
};

static bool chance(struct sim *s, unsigned percent)
{
	return test_below(&s->env, 100) < percent;
}

static int any_box(struct sim *s)
{
	return (int)test_below(&s->env, (uint64_t)s->n);
}

static bool carries(struct box *b, const struct hash *space)
{
	struct log_counts c;

	NEED(log_count(b->log, space, &c));
	return c.entries > 0;
}

/* --- what happens --- */

static void write_op(struct sim *s)
{
	int i = any_box(s);
	struct box *b = &s->boxes[i];
	const struct hash *space = &s->space[test_below(&s->env, (uint64_t)s->n_spaces)];
	size_t size = chance(s, 90) ? test_below(&s->env, 300)
				    : test_below(&s->env, chance(s, 80) ? 20000 : 250000);
	char *text;

	if (!carries(b, space) || s->n_ops == MAX_OPS)
		return;
	if (asprintf(&text, "{\"type\":\"post\",\"n\":%d,\"text\":\"%*s\"}", s->n_ops, (int)size,
		     "") < 0)
		abort();
	s->ops[s->n_ops].id = box_write(
		b, space, chance(s, 70) ? s->people[test_below(&s->env, PEOPLE)] : NULL, text);
	s->ops[s->n_ops].box = i;
	s->ops[s->n_ops].may_go = s->rogue[i];
	s->n_ops++;
	free(text);
}

static void meet(struct sim *s)
{
	struct pipe p = {.client = &s->boxes[any_box(s)],
			 .server = &s->boxes[any_box(s)],
			 .piece = 1 + test_below(&s->env, 70000)};
	struct sync_report r;
	struct error *e;

	if (p.client == p.server)
		return;
	if (chance(s, 40))
		p.cut_after = 1 + test_below(&s->env, chance(s, 50) ? 3000 : 100000);
	else if (chance(s, 20))
		p.flip_at = 1 + test_below(&s->env, 20000);
	e = pipe_exchange(&p, &r);
	tally_add(s->tally, &r, e != NULL);
	if (e && !p.cut_after && !p.flip_at)
		NEED(e);
	error_free(e);
}

static void admit(struct sim *s)
{
	int i = any_box(s);
	const struct hash *space = &s->space[test_below(&s->env, (uint64_t)s->n_spaces)];

	if (!s->rogue[i] && carries(&s->boxes[i], space))
		box_admit(&s->boxes[i], space, secret_pubkey(s->boxes[any_box(s)].key));
}

static char *copy_of(struct sim *s, struct box *b)
{
	char *path;

	if (asprintf(&path, "%s/copy-%d.db", s->dir, s->files++) < 0)
		abort();
	NEED(db_backup(log_db(b->log), path));
	return path;
}

static void clone_box(struct sim *s)
{
	int i = any_box(s);
	struct box *from = &s->boxes[i], *to = &s->boxes[s->n];
	uint8_t seed[32];

	if (s->n == MAX_BOXES || s->rogue[i])
		return;
	secret_seed(from->key, seed);
	*to = (struct box){.env = &s->env, .key = secret_from_seed(seed), .folded = from->folded};
	to->o = from->o;
	to->o.self = to->key;
	to->path = copy_of(s, from);
	box_open_log(to);
	s->n++;
}

static void back_up(struct sim *s)
{
	int i = any_box(s);

	free(s->backup[i]);
	s->backup[i] = copy_of(s, &s->boxes[i]);
	s->backup_ops[i] = s->n_ops;
}

static void restore(struct sim *s)
{
	int i = any_box(s);
	struct box *b = &s->boxes[i];

	if (!s->backup[i])
		return;
	log_close(b->log);
	free(b->path);
	b->path = STEAL(s->backup[i]);
	b->folded = 0;
	box_open_log(b);
	box_fold(b);
	for (int k = s->backup_ops[i]; k < s->n_ops; k++)
		s->ops[k].may_go |= s->ops[k].box == i;
}

static void restart(struct sim *s)
{
	struct box *b = &s->boxes[any_box(s)];

	log_close(b->log);
	box_open_log(b);
}

/* A box vouches for an entry that its author did not sign: its log ends there, and with it what it
 * wrote behind. */
static void vouch_falsely(struct sim *s)
{
	int i = any_box(s);
	struct box *b = &s->boxes[i];
	struct log_id id = {s->space[0], *secret_pubkey(b->key), log_incarnation(b->log)};
	struct ingest_payload p = {.salt = (const uint8_t *)"0123456789abcdef",
				   .bytes = span_str("{}")};
	struct entry e = {.space = id.space, .rules = id.space, .payload_len = 2};
	struct entry_bytes raw, forged;
	struct ingest in = {.id = &id, .headers = &forged, .payloads = &p, .n = 1};
	struct ingest_result result;
	struct error *refused = NULL;
	struct log_info info;
	struct error *none = log_info_get(b->log, &id, &info);

	error_free(none);
	if (none || s->unsigned_left == 0 || i == 0 || info.live != info.head)
		return;
	s->unsigned_left--;
	s->rogue[i] = true;
	e.seq = in.first = info.head + 1;
	entry_make(&e, s->people[0], b->key, p.salt, p.bytes, &raw);
	raw.b[230] ^= 1;
	entry_carry(&raw, e.seq, id.incarnation, &info.head_hash, b->key, &forged);
	NEED(log_begin(b->log));
	NEED(log_ingest(b->log, &in, &result, &refused));
	NEED(refused);
	NEED(log_commit(b->log));
}

static void move_clock(struct sim *s)
{
	s->env.now += (int64_t)test_below(&s->env, 100) * 31536000000 - 50 * 31536000000;
}

static void audit_one(struct sim *s)
{
	box_audit(&s->boxes[any_box(s)]);
}

static const struct {
	unsigned weight;
	void (*happen)(struct sim *s);
} events[] = {
	{50, write_op}, {35, meet},   {5, admit},   {5, audit_one},	{1, clone_box},
	{2, back_up},	{1, restore}, {2, restart}, {1, vouch_falsely}, {2, move_clock},
};

static void happen(struct sim *s)
{
	uint64_t at = test_below(&s->env, 104);

	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		if (at < events[i].weight) {
			events[i].happen(s);
			return;
		}
		at -= events[i].weight;
	}
}

/* --- the run --- */

static void begin(struct sim *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	test_env_init(&s->env, 1764000000000, seed);
	s->dir = test_dir();
	s->unsigned_left = chance(s, 25);
	for (unsigned i = 0; i < PEOPLE; i++)
		s->people[i] = test_key(100 + i);
	s->n = 2 + (int)test_below(&s->env, 7);
	for (int i = 0; i < s->n; i++) {
		char name[8];

		snprintf(name, sizeof(name), "b%d", i);
		box_init(&s->boxes[i], &s->env, s->dir, name, 1 + (unsigned)i);
		s->boxes[i].o.name = "box";
		/* Few logs here, all the same by ranges with some; some are of the first kind. */
		s->boxes[i].o.ranges_from = chance(s, 60);
		s->boxes[i].o.without = chance(s, 20) ? ABILITY_RANGES : 0;
		s->boxes[i].o.newest_from = chance(s, 60) ? 1 + test_below(&s->env, 40) : 0;
	}
	s->n_spaces = 1 + (int)chance(s, 30);
	for (int i = 0; i < s->n_spaces; i++)
		s->space[i] = box_found(&s->boxes[i], s->people[0]);
	for (int i = 1; i < s->n; i++)
		if (chance(s, 70))
			box_admit(&s->boxes[0], &s->space[0], secret_pubkey(s->boxes[i].key));
}

static void end(struct sim *s)
{
	for (int i = 0; i < s->n; i++) {
		box_release(&s->boxes[i]);
		free(s->backup[i]);
	}
	for (int i = 0; i < PEOPLE; i++)
		secret_free(s->people[i]);
	test_dir_remove(s->dir);
}

/* true: there was nothing to ask. */
static bool meet_cleanly(struct sim *s, int client, int server)
{
	struct sync_report r = boxes_sync(&s->boxes[client], &s->boxes[server]);

	tally_add(s->tally, &r, false);
	return r.rounds == 0;
}

/* Everybody meets everybody, until nobody has anything to ask. Returns the rounds, 0 for too many.
 */
static int settle(struct sim *s)
{
	for (int round = 1; round <= 12; round++) {
		bool quiet = true;

		for (int i = 0; i < s->n; i++)
			for (int k = 0; k < s->n; k++)
				if (i != k)
					quiet &= meet_cleanly(s, i, k);
		if (quiet)
			return round;
	}
	return 0;
}

static struct error *note_live(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->live;
	return NULL;
}

static bool check_boxes(struct sim *s)
{
	struct hash first = box_digest(&s->boxes[0]);
	bool good = true;

	for (int i = 0; i < s->n; i++) {
		struct hash d = box_digest(&s->boxes[i]);
		struct verify_report v;
		struct error *fault = NULL;

		if (!hash_eq(&d, &first)) {
			printf("# seed %llu: box %d ends elsewhere\n", (unsigned long long)s->seed,
			       i);
			good = false;
		}
		NEED(log_verify(s->boxes[i].log, NULL, NULL, &v, &fault));
		NEED(fault);
	}
	return good;
}

static bool check_ops(struct sim *s)
{
	for (int k = 0; k < s->n_ops; k++)
		for (int i = 0; i < s->n && !s->ops[k].may_go; i++) {
			bool live = false;

			NEED(log_op(s->boxes[i].log, &s->ops[k].id, note_live, &live));
			if (!live) {
				printf("# seed %llu: op %d of box %d is lost on box %d\n",
				       (unsigned long long)s->seed, k, s->ops[k].box, i);
				return false;
			}
		}
	return true;
}

static bool run_seed(uint64_t seed, struct tally *tally)
{
	struct sim *s = malloc(sizeof(*s));
	uint64_t steps;
	bool good;
	int rounds;

	begin(s, seed);
	s->tally = tally;
	steps = 20 + test_below(&s->env, 150);
	for (uint64_t i = 0; i < steps; i++)
		happen(s);
	/* In the end everybody is admitted, by somebody who carries the space. */
	for (int i = 0; i < s->n; i++)
		for (int k = 0; k < s->n_spaces; k++)
			box_admit(&s->boxes[k], &s->space[k], secret_pubkey(s->boxes[i].key));
	rounds = settle(s);
	if (!rounds)
		printf("# seed %llu: still not settled\n", (unsigned long long)seed);
	good = check_boxes(s) && rounds && check_ops(s);
	end(s);
	free(s);
	return good;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, seeds = 60, bad = 0;
	struct tally tally = {0};

	test_init();
	if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
		first = strtoull(argv[2], NULL, 10);
		seeds = 1;
	} else if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
		seeds = strtoull(argv[2], NULL, 10);
	}
	for (uint64_t seed = first; seed < first + seeds; seed++)
		if (!run_seed(seed, &tally)) {
			printf("# seed %llu failed; replay it alone with --seed %llu\n",
			       (unsigned long long)seed, (unsigned long long)seed);
			fflush(stdout);
			bad++;
		}
	printf("# %llu exchanges, %llu broken, %llu entries, %llu forks, %llu carried over, %llu "
	       "new "
	       "incarnations, %llu refusals, at most %u rounds\n",
	       (unsigned long long)tally.exchanges, (unsigned long long)tally.broken,
	       (unsigned long long)tally.entries, (unsigned long long)tally.forks,
	       (unsigned long long)tally.carried, (unsigned long long)tally.incarnations,
	       (unsigned long long)tally.refusals, tally.most_rounds);
	printf("%s 1 - %llu random histories end alike on all boxes\n1..1\n", bad ? "not ok" : "ok",
	       (unsigned long long)seeds);
	return bad != 0;
}
