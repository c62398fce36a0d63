/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * 2 to 8 boxes of one space, with people who write, govern, revoke each other, erase and misbehave;
 * with clocks wrong by fifty years, partitions, broken connections, restarts, disks restored from
 * old copies, cloned boxes; every third space is private, with keys that change hands, and a box
 * that may only carry it. After enough whole exchanges every box shows the same, also after a
 * rebuild, and so does an empty box that gets all in another order; and nothing that was
 * acknowledged is missing.
 *
 *   convergence_test [--seed N] [--seeds N] [--trace]
 */
#include "tests/appliance/community/sim_acts.h"
#include <sys/wait.h>
#include <time.h>

enum { CLONES_UP_TO = 8 };

/* --- the world --- */
void sim_die(struct sim *s, const char *what, struct error *err, const char *file, int line)
{
	fprintf(stderr, "%s:%d: seed %llu, step %d: %s: %s\n", file, line,
		(unsigned long long)s->seed, s->step, what, err ? error_english(err) : "");
	for (int i = 0; s->trace && i < s->n; i++)
		printf("# box %d is in %s\n", i, s->box[i].dir);
	_exit(1);
}

void sim_say(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->trace)
		return;
	printf("# %d ", s->step);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void set_clock(struct sim *s, struct box *b)
{
	b->env.now = sim_odd_time(s);
}

static void open_box(struct sim *s, int i)
{
	NEED(s, box_open(&s->box[i]));
}

static void copy_folder(struct sim *s, const char *from, const char *to)
{
	static const char *const names[] = {"log.db",	  "view.db",	 "local.db",
					    "log.db-wal", "view.db-wal", "local.db-wal"};

	NEED(s, dir_make(to, 0700));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_(freep) char *a = path_join(from, names[i]), *b = path_join(to, names[i]);
		_cleanup_(buf_release) struct buf bytes = {0};
		struct error *err = file_read(a, 1 << 30, &bytes);
		FILE *f;

		if (err) {
			error_free(err);
			continue;
		}
		f = fopen(b, "wb");
		if (!f || fwrite(bytes.p, 1, bytes.n, f) != bytes.n || fclose(f))
			sim_die(s, b, NULL, __FILE__, __LINE__);
	}
}

static void close_box(struct sim *s, int i)
{
	conn_close(s->box[i].c);
	s->box[i].c = NULL;
}

static void take_backup(struct sim *s, int i)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/backup-%d", s->dir, i);
	close_box(s, i);
	NEED(s, dir_remove(path));
	copy_folder(s, s->box[i].dir, path);
	open_box(s, i);
	free(s->backup[i]);
	s->backup[i] = strdup(path);
	sim_say(s, "box %d is backed up", i);
}

static struct error *see_any(void *ctx, const struct stored *e)
{
	*(bool *)ctx = true;
	return NULL;
}

/* What nobody holds any more is lost; that is what a backup is for. What only others hold may still
 * be lost to a fork, if this box (or a clone) writes in the same place again: it has nothing to
 * carry over. */
static void note_lost(struct sim *s, int restored, bool may_fork)
{
	for (int k = 0; k < s->ops_n; k++) {
		bool found = false, here = false;

		for (int i = 0; i < s->n; i++)
			NEED(s, log_op(s->box[i].c->log, &s->ops[k].id, see_any, &found));
		NEED(s, log_op(s->box[restored].c->log, &s->ops[k].id, see_any, &here));
		s->ops[k].lost |= !found || (may_fork && s->ops[k].box == restored && !here);
	}
}

static bool has_twin(const struct sim *s, int i)
{
	bool twin = s->twin_of[i] >= 0;

	for (int k = 0; k < s->n; k++)
		twin |= s->twin_of[k] == i;
	return twin;
}

/* Honestly: the place changed, or the box can't know (a copy below the file system: it may fork).
 */
static void restore_backup(struct sim *s, int i)
{
	bool knows = sim_chance(s, 60);

	if (!s->backup[i])
		return;
	close_box(s, i);
	NEED(s, dir_remove(s->box[i].dir));
	copy_folder(s, s->backup[i], s->box[i].dir);
	if (knows)
		snprintf(s->box[i].where, sizeof(s->box[i].where), "disk %d", s->step);
	open_box(s, i);
	note_lost(s, i, !knows || has_twin(s, i));
	sim_say(s, "box %d is restored%s", i, knows ? "" : ", without knowing");
}

/* A card is copied into another box: two with one key. */
static void clone_box(struct sim *s, int i)
{
	struct box *twin = &s->box[s->n];

	if (s->n == CLONES_UP_TO)
		return;
	box_init(twin, (unsigned)s->n, 0);
	secret_free(twin->key);
	twin->key = test_key(1000 + (unsigned)(s->twin_of[i] < 0 ? i : s->twin_of[i]));
	s->twin_of[s->n] = s->twin_of[i] < 0 ? i : s->twin_of[i];
	close_box(s, i);
	copy_folder(s, s->box[i].dir, twin->dir);
	if (sim_chance(s, 50))
		memcpy(twin->where, s->box[i].where, sizeof(twin->where));
	open_box(s, i);
	set_clock(s, twin);
	open_box(s, s->n);
	sim_say(s, "box %d is a clone of box %d", s->n, i);
	s->n++;
}

static bool swap_pair(struct sim *s, int a, int b, uint64_t cut)
{
	size_t pieces[] = {100, 4096, 65536};
	bool moved;

	NEED(s, boxes_swap(&s->box[a], &s->box[b], cut, pieces[sim_below(s, 3)], &moved));
	return moved;
}

static void meet(struct sim *s)
{
	int a = (int)sim_below(s, (uint64_t)s->n), b = (int)sim_below(s, (uint64_t)s->n);

	if (a == b || s->apart[a] != s->apart[b])
		return;
	sim_say(s, "box %d meets box %d", a, b);
	if (sim_chance(s, 30))
		NEED(s, pull(&s->box[a], &s->box[b], 1 + sim_below(s, 5)));
	else
		swap_pair(s, a, b, sim_chance(s, 30) ? 1 + sim_below(s, 20000) : 0);
}

static void one_step(struct sim *s)
{
	int i = (int)sim_below(s, (uint64_t)s->n);
	uint64_t what = sim_below(s, 1000);

	s->acting = i;
	test_env_pass(&s->box[i].env, (int64_t)sim_below(s, 100000));
	if (what < 450) {
		sim_write(s, i);
	} else if (what < 560) {
		sim_govern(s, i);
	} else if (what < 610) {
		sim_misbehave(s, i);
	} else if (what < 910) {
		meet(s);
	} else if (what < 940) {
		set_clock(s, &s->box[i]);
	} else if (what < 955) {
		for (int k = 0; k < s->n; k++)
			s->apart[k] = sim_chance(s, 50);
	} else if (what < 970) {
		close_box(s, i);
		open_box(s, i);
	} else if (what < 985) {
		take_backup(s, i);
	} else if (what < 995) {
		restore_backup(s, i);
	} else {
		clone_box(s, i);
	}
}

/* --- the end --- */
static struct hash digest_of(struct sim *s, int i)
{
	struct hash h = {{0}};
	struct error *err = community_digest(s->box[i].c, &s->space, &h);

	if (!error_is(err, ERR_NOT_FOUND))
		NEED(s, err);
	else
		error_free(err);
	return h;
}

static void exchange_all(struct sim *s)
{
	bool moved = true;

	for (int round = 0; moved && round < 40; round++) {
		moved = false;
		for (int a = 0; a < s->n; a++)
			for (int b = 0; b < s->n; b++)
				moved |= a != b && swap_pair(s, a, b, 0);
	}
	if (moved)
		sim_die(s, "the boxes never stop exchanging", NULL, __FILE__, __LINE__);
}

/* What boxes agree on that can't read: people and boxes without their names, and the heads. */
static struct error *add_member(void *ctx, const struct member *m)
{
	hash_add(ctx, m->key.b, 32);
	hash_add(ctx, m->home.b, 32);
	hash_add(ctx, &m->role, sizeof(m->role));
	hash_add(ctx, &m->since_ms, sizeof(m->since_ms));
	return NULL;
}

struct by_key {
	struct admitted all[SIM_BOXES * 4];
	size_t n;
};

static struct error *add_box(void *ctx, const struct admitted *a)
{
	struct by_key *k = ctx;

	if (k->n < ARRAY_LEN(k->all))
		k->all[k->n++] = *a;
	return NULL;
}

static int compare_boxes(const void *a, const void *b)
{
	return memcmp(((const struct admitted *)a)->key.b, ((const struct admitted *)b)->key.b, 32);
}

static struct hash rules_of(struct sim *s, int i)
{
	struct conn *c = s->box[i].c;
	struct by_key boxes = {.n = 0};
	struct space_digest heads;
	struct hash_state h;

	hash_init(&h);
	/* Names give their order: without, that of keys. */
	if (!s->is_private)
		return digest_of(s, i);
	NEED(s, admitted_each(c, &s->space, add_box, &boxes));
	qsort(boxes.all, boxes.n, sizeof(boxes.all[0]), compare_boxes);
	for (size_t k = 0; k < boxes.n; k++) {
		bool bits[3] = {boxes.all[k].write, boxes.all[k].carry, boxes.all[k].keeper};

		hash_add(&h, boxes.all[k].key.b, 32);
		hash_add(&h, bits, sizeof(bits));
	}
	for (int k = 0; k < SIM_PEOPLE; k++) {
		struct member m;
		struct error *err = member_get(c, &s->space, secret_pubkey(s->people[k]), &m);

		if (!err)
			NEED(s, add_member(&h, &m));
		error_free(err);
	}
	NEED(s, heads_space_digest(c->log, &s->space, &heads));
	hash_add(&h, heads.heads.b, 32);
	return hash_final(&h);
}

/* Of a private space: does this box show all there is? Else it lacks keys, as a carrier does. */
static bool reads_all(struct sim *s, int i)
{
	struct space_info info;
	struct error *err = space_get(s->box[i].c, &s->space, &info);
	bool all = !err && (!info.is_private || (info.has_key && info.unopened == 0));

	error_free(err);
	return all;
}

static void check_same_now(struct sim *s, const char *when)
{
	struct hash rules = rules_of(s, 0), first = {{0}};
	int readers = 0;

	for (int i = 0; i < s->n; i++) {
		struct hash other = rules_of(s, i);

		if (!hash_eq(&rules, &other)) {
			fprintf(stderr, "the rules of box 0 and box %d differ %s\n", i, when);
			sim_die(s, "rules differ", NULL, __FILE__, __LINE__);
		}
		if (!reads_all(s, i))
			continue;
		other = digest_of(s, i);
		if (readers++ == 0)
			first = other;
		if (hash_eq(&first, &other))
			continue;
		fprintf(stderr, "the first reader and box %d differ %s\n", i, when);
		sim_die(s, "digests differ", NULL, __FILE__, __LINE__);
	}
}

static void check_same(struct sim *s, const char *when)
{
	for (int i = 0; i < s->n; i++)
		NEED(s, box_follow(&s->box[i]));
	check_same_now(s, when);
}

/* As long as a keeper has the newest key, whoever may read has it, and nobody else. */
static void check_keys(struct sim *s)
{
	struct by_key boxes = {.n = 0};
	bool kept = false;

	if (!s->is_private)
		return;
	NEED(s, admitted_each(s->box[0].c, &s->space, add_box, &boxes));
	for (int round = 0; round < 2; round++)
		for (size_t k = 0; k < boxes.n; k++)
			for (int i = 0; i < s->n; i++) {
				const struct admitted *a = &boxes.all[k];

				if (!pubkey_eq(&a->key, secret_pubkey(s->box[i].key)))
					continue;
				kept |= a->keeper && a->write && reads_all(s, i);
				if (round && kept && !a->carry && !reads_all(s, i))
					sim_die(s, "a reader lacks keys", NULL, __FILE__, __LINE__);
			}
	for (int i = 0; i < s->n; i++) {
		struct admitted mine = {.carry = true};
		struct space_info info;

		for (size_t k = 0; k < boxes.n; k++)
			if (pubkey_eq(&boxes.all[k].key, secret_pubkey(s->box[i].key)))
				mine = boxes.all[k];
		NEED(s, space_get(s->box[i].c, &s->space, &info));
		if (kept && mine.carry && info.has_key)
			sim_die(s, "somebody has the newest key who may not read", NULL, __FILE__,
				__LINE__);
	}
}

static bool holds_canary(const char *dir)
{
	static const char *const names[] = {"log.db",	  "view.db",	 "local.db",
					    "log.db-wal", "view.db-wal", "local.db-wal"};
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_(freep) char *path = path_join(dir, names[i]);
		_cleanup_(buf_release) struct buf bytes = {0};

		error_free(file_read(path, 1 << 30, &bytes));
		found |= bytes.n && memmem(bytes.p, bytes.n, SIM_CANARY, sizeof(SIM_CANARY) - 1);
	}
	return found;
}

static void check_carrier(struct sim *s)
{
	if (s->carrier >= 0 && holds_canary(s->box[s->carrier].dir))
		sim_die(s, "the carrier holds clear text", NULL, __FILE__, __LINE__);
}

static void check_rebuild(struct sim *s)
{
	for (int i = 0; i < s->n; i++) {
		NEED(s, community_rebuild(s->box[i].c));
	}
	check_same(s, "after a rebuild");
}

static struct error *see_live(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->live;
	return NULL;
}

static void check_nothing_lost(struct sim *s)
{
	for (int k = 0; k < s->ops_n; k++) {
		bool live = false;

		if (s->ops[k].lost)
			continue;
		NEED(s, log_op(s->box[0].c->log, &s->ops[k].id, see_live, &live));
		if (!live) {
			fprintf(stderr, "op %s is gone\n", ID(&s->ops[k].id));
			sim_die(s, "an acknowledged op is gone", NULL, __FILE__, __LINE__);
		}
	}
}

/* An empty box that gets everything in small pieces, from all. */
static void check_newcomer(struct sim *s)
{
	struct box *b = &s->box[s->n];

	box_init(b, 500, 0);
	open_box(s, s->n);
	for (int round = 0; round < 6; round++)
		for (int i = s->n - 1; i >= 0; i--)
			NEED(s, pull(&s->box[i], b, 1 + sim_below(s, 30)));
	s->n++;
	s->twin_of[s->n - 1] = -1;
	check_same(s, "(the last is a newcomer)");
	if (s->is_private && holds_canary(b->dir))
		sim_die(s, "the newcomer holds clear text", NULL, __FILE__, __LINE__);
}

static void begin(struct sim *s, uint64_t seed, bool trace)
{
	*s = (struct sim){.seed = seed, .trace = trace, .dir = test_dir()};
	test_env_init(&s->rand, 0, seed);
	s->n = 2 + (int)sim_below(s, 5);
	for (int i = 0; i <= SIM_BOXES; i++)
		s->twin_of[i] = -1;
	for (int i = 0; i < SIM_PEOPLE; i++)
		s->people[i] = test_key(1 + (unsigned)i);
	for (int i = 0; i < s->n; i++) {
		box_init(&s->box[i], (unsigned)i, 0);
		s->box[i].env.state ^= seed;
		set_clock(s, &s->box[i]);
		open_box(s, i);
	}
	s->is_private = seed % 3 == 0;
	s->stays = -1;
	s->carrier = s->is_private && s->n > 2 ? s->n - 1 : -1;
	if (s->is_private)
		NEED(s, box_found_private(&s->box[0], s->people[0], &s->space));
	else
		NEED(s, box_found(&s->box[0], s->people[0], &s->space));
	for (int i = 1; i < s->n; i++) {
		struct hash id;

		sim_submit(s, 0, "appliance.admit", NULL, s->people[0],
			   json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(s->box[i].key)),
				     "name", "box", "mode", i == s->carrier ? "carry" : "write"),
			   &id);
	}
	for (int i = 1; i < 4; i++) {
		struct hash id;

		sim_submit(s, 0, "member.add", NULL, s->people[0],
			   json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(s->people[i])),
				     "name", "somebody", "role", i == 1 ? "steward" : "member"),
			   &id);
	}
	sim_write_forum(s, 0);
	for (int i = 1; i < s->n && sim_chance(s, 97); i++)
		swap_pair(s, 0, i, 0);
}

static void end(struct sim *s)
{
	for (int i = 0; i < s->n; i++)
		box_release(&s->box[i]);
	for (int i = 0; i <= SIM_BOXES; i++)
		free(s->backup[i]);
	for (int i = 0; i < SIM_PEOPLE; i++)
		secret_free(s->people[i]);
	test_dir_remove(s->dir);
}

static void run(uint64_t seed, bool trace)
{
	struct sim *s = malloc(sizeof(*s));
	int steps;

	begin(s, seed, trace);
	steps = 60 + (int)sim_below(s, 160);
	for (s->step = 0; s->step < steps; s->step++)
		one_step(s);
	exchange_all(s);
	check_same(s, "at the end");
	check_nothing_lost(s);
	check_keys(s);
	check_carrier(s);
	check_rebuild(s);
	check_newcomer(s);
	end(s);
	free(s);
}

/* Each worker takes every second seed; the first failure ends it. */
static bool run_workers(uint64_t first, uint64_t n, int workers, bool trace)
{
	bool good = true;

	for (int w = 0; w < workers; w++) {
		pid_t pid = fork();

		if (pid == 0) {
			for (uint64_t i = (uint64_t)w; i < n; i += (uint64_t)workers)
				run(first + i, trace);
			_exit(0);
		}
	}
	for (int w = 0; w < workers; w++) {
		int status;

		good &= wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	return good;
}

int main(int argc, char **argv)
{
	uint64_t seeds = 60, first = 1; /* make sim runs more; tests/sim acts alike */
	bool trace = false, good;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			first = strtoull(argv[++i], NULL, 10);
			seeds = 1;
		} else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
			seeds = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc) {
			first = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--trace") == 0) {
			trace = true;
		}
	}
	if (access("/dev/shm", W_OK) == 0 && !getenv("TMPDIR"))
		setenv("TMPDIR", "/dev/shm", 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_init();
	good = run_workers(first, seeds, seeds > 1 ? 2 : 1, trace);
	printf("1..1\n%s 1 - %llu random histories end alike on every box\n",
	       good ? "ok" : "not ok", (unsigned long long)seeds);
	return good ? 0 : 1;
}
