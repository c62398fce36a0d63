/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/sim/world.h"
#include "tests/appliance/community/sim_acts.h"
#include <assert.h>
#include <malloc.h>
#include <sodium.h>

static const int64_t epoch = 1764000000000;
enum { SUITE = 1000 }; /* so many seeds are in the suite; make sim runs more */

/* --- what is said --- */
void sim_say(struct sim *s, const char *fmt, ...)
{
	struct world *w = world_of(s);
	char *line = w->said[w->n_said++ % TRACE_KEPT];
	va_list ap;
	int n;

	n = snprintf(line, TRACE_LINE, "%lld ", (long long)(s->rand.now - epoch));
	va_start(ap, fmt);
	vsnprintf(line + n, (size_t)(TRACE_LINE - n), fmt, ap);
	va_end(ap);
	hash_add(&w->trace, line, strlen(line));
	if (s->trace)
		printf("# %s\n", line);
}

void sim_die(struct sim *s, const char *what, struct error *err, const char *file, int line)
{
	struct world *w = world_of(s);
	uint64_t first = w->n_said > TRACE_KEPT ? w->n_said - TRACE_KEPT : 0;

	for (uint64_t i = first; i < w->n_said && !s->trace; i++)
		printf("# %s\n", w->said[i % TRACE_KEPT]);
	printf("# seed %llu: %s: %s %s (%s:%d)\n", (unsigned long long)s->seed, what,
	       err ? error_name(error_code(err)) : "", err ? error_english(err) : "", file, line);
	printf("# %llu lines were said; all of them: --seed %llu --trace\n",
	       (unsigned long long)w->n_said, (unsigned long long)s->seed);
	fflush(stdout);
	_exit(1);
}

/* --- the queue --- */
static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap_events(struct event *a, struct event *b)
{
	struct event t = *a;

	*a = *b;
	*b = t;
}

void world_later(struct world *w, int64_t ms, event_fn *fn, int box, void *arg)
{
	size_t i = w->n_queue++;

	if (w->n_queue > w->cap_queue) {
		w->cap_queue = w->cap_queue ? w->cap_queue * 2 : 64;
		w->queue = realloc(w->queue, w->cap_queue * sizeof(w->queue[0]));
	}
	w->queue[i] = (struct event){w->s.rand.now + ms, w->order++, fn, box, arg};
	for (; i && before(&w->queue[i], &w->queue[(i - 1) / 2]); i = (i - 1) / 2)
		swap_events(&w->queue[i], &w->queue[(i - 1) / 2]);
}

static struct event take_first(struct world *w)
{
	struct event first = w->queue[0];
	size_t i = 0, k;

	w->queue[0] = w->queue[--w->n_queue];
	while ((k = 2 * i + 1) < w->n_queue) {
		if (k + 1 < w->n_queue && before(&w->queue[k + 1], &w->queue[k]))
			k++;
		if (!before(&w->queue[k], &w->queue[i]))
			break;
		swap_events(&w->queue[k], &w->queue[i]);
		i = k;
	}
	return first;
}

void world_clock(struct world *w, int box)
{
	struct test_env *env = &w->s.box[box].env;

	env->now = w->s.rand.now + w->at[box].skew;
	env->mono = w->s.rand.mono;
}

void world_pass(struct world *w, int64_t until)
{
	while (w->n_queue && w->queue[0].at <= until) {
		struct event e = take_first(w);

		if (e.at > w->s.rand.now)
			test_env_pass(&w->s.rand, e.at - w->s.rand.now);
		if (e.box >= 0)
			world_clock(w, e.box);
		w->events++;
		e.fn(w, e.box, e.arg);
		if (w->views)
			world_check_views(w);
		if (w->events % 64 == 0)
			world_check_bounds(w);
	}
}

/* --- what happens by itself --- */
static int64_t soon(struct world *w, int64_t ms)
{
	return 1 + (int64_t)sim_below(&w->s, 2 * (uint64_t)ms);
}

/* How long things take depends on how many boxes there are: a large world does not do more. */
static int64_t pace(const struct world *w)
{
	return 1000 * w->s.n;
}

static void people_act(struct world *w, int unused, void *arg)
{
	int box = (int)sim_below(&w->s, (uint64_t)w->s.n);
	uint64_t what = sim_below(&w->s, 100);

	world_later(w, soon(w, 1000), people_act, -1, NULL);
	world_clock(w, box);
	w->s.acting = box;
	w->s.step++;
	if (!w->at[box].up)
		return;
	world_enter(w, (int)sim_below(&w->s, (uint64_t)w->n_spaces));
	if (!w->at[box].wants[w->here])
		world_enter(w, 0);
	w->tally.acts++;
	if (w->at[box].hostile && what < 40)
		sim_misbehave(&w->s, box);
	else if (what < 45 && w->files && !w->s.is_private)
		files_add(w, box);
	else if (what < 53 && w->erases)
		sim_erase(&w->s, box);
	else if (what < 78)
		sim_write(&w->s, box);
	else
		sim_govern(&w->s, box);
	if (w->at[box].up && sim_chance(&w->s, 30))
		world_audit(w, box);
	if (w->at[box].up)
		timetable_wrote(w, box);
}

static void somebody_tidies(struct world *w, int unused, void *arg)
{
	int box = (int)sim_below(&w->s, (uint64_t)w->s.n);

	world_later(w, soon(w, 2000), somebody_tidies, -1, NULL);
	if (!w->at[box].up)
		return;
	world_tidy(w, box);
	if (w->at[box].up && sim_chance(&w->s, 10))
		files_verify(w, box);
}

static int any_link(struct world *w, int box)
{
	int n = w->s.n, from = (int)sim_below(&w->s, (uint64_t)n);

	for (int i = 0; i < n; i++)
		if (w->at[box].link[(from + i) % n])
			return (from + i) % n;
	return -1;
}

static void somebody_calls(struct world *w, int unused, void *arg)
{
	int box = (int)sim_below(&w->s, (uint64_t)w->s.n), to;

	world_later(w, soon(w, 1500), somebody_calls, -1, NULL);
	to = any_link(w, box);
	if (w->at[box].timetable)
		return;
	if (to < 0 || !w->at[box].up || !w->at[to].up || w->s.apart[box] != w->s.apart[to])
		return;
	if (sim_chance(&w->s, 10))
		numbers_meet(w, box, to);
	else
		call_start(w, box, to);
}

static void something_fails(struct world *w, int unused, void *arg)
{
	world_later(w, soon(w, 5000), something_fails, -1, NULL);
	world_fault(w);
}

static void somebody_carries(struct world *w, int unused, void *arg)
{
	world_later(w, soon(w, 6000), somebody_carries, -1, NULL);
	bundle_carry(w);
}

static void hostile_moves(struct world *w, int box, void *arg)
{
	world_later(w, soon(w, pace(w)), hostile_moves, box, NULL);
	if (w->at[box].up)
		hostile_act(w, box);
}

/* --- beginning --- */
static int draw_size(struct world *w)
{
	uint64_t what = sim_below(&w->s, 1000);

	if (what < 920)
		return 2 + (int)sim_below(&w->s, 6);
	if (what < 992)
		return 8 + (int)sim_below(&w->s, 9);
	return 17 + (int)sim_below(&w->s, 34);
}

/* A connected network: a tree, and some more. */
static void join(struct world *w)
{
	for (int i = 1; i < w->s.n; i++) {
		world_link(w, i, (int)sim_below(&w->s, (uint64_t)i));
		if (sim_chance(&w->s, 50))
			world_link(w, i, (int)sim_below(&w->s, (uint64_t)i));
	}
	for (int i = 1; i < w->s.n; i++)
		call_cleanly(w, i, 0);
}

/* --- chance --- */
/* What libsodium draws (nonces, keys of private spaces) follows from the seed, too. The library
 * asks a function without context, so the numbers of this process's one world are found here. */
static struct test_env *drawn_from;

static const char *drawn_name(void)
{
	return "simulation";
}

static uint32_t drawn(void)
{
	return (uint32_t)test_rand(drawn_from);
}

static void drawn_buf(void *const to, const size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = (uint8_t)test_rand(drawn_from);
}

static void draw_from(struct test_env *env)
{
	static randombytes_implementation all = {
		.implementation_name = drawn_name, .random = drawn, .buf = drawn_buf};

	drawn_from = env;
	if (randombytes_set_implementation(&all))
		abort();
}

struct world *world_new(uint64_t seed, bool trace)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sim *s = &w->s;
	int n;

	if (!w)
		abort();
	/* Memory stays with the process: it is short, and asks for a lot of it often. */
	mallopt(M_MMAP_THRESHOLD, 1 << 28);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	s->seed = seed;
	s->trace = trace;
	s->disk_failed = world_disk_failed;
	w->said = calloc(TRACE_KEPT, sizeof(w->said[0]));
	w->sent = sent_new();
	hash_init(&w->trace);
	test_env_init(&s->rand, epoch, seed);
	s->rand.state = test_rand(&s->rand); /* so that no world draws what its neighbour drew */
	disks_install(&s->rand);
	draw_from(&s->rand);
	for (int i = 0; i <= SIM_BOXES; i++)
		s->twin_of[i] = -1;
	for (int i = 0; i < SIM_PEOPLE; i++)
		s->people[i] = test_key(1 + (unsigned)i);
	s->carrier = s->stays = -1;
	w->whole = sim_chance(s, 10);
	w->erases = w->whole || sim_chance(s, 30);
	w->files = sim_chance(s, 90);
	w->quotas = sim_chance(s, 30);
	w->timetables = sim_chance(s, 30);
	w->announced = sim_chance(s, 50);
	n = draw_size(w);
	/* The hours of a large one are long: only where there is time, and not the largest. */
	w->timetables &= n <= 16 || (n <= 24 && s->seed > SUITE);
	world_factory(w);
	/* Box 0 founds the space and is honest, so that there is a space. */
	for (int i = 0; i < n; i++)
		world_add(w, (unsigned)i, i > 0 && sim_chance(s, 25));
	world_found(w);
	join(w);
	return w;
}

void world_free(struct world *w)
{
	for (int i = 0; i < w->s.n; i++) {
		conn_close(w->s.box[i].c);
		world_look_away(w, i);
		secret_free(w->s.box[i].key);
		hostile_free(w, i);
		files_release(w, i);
		ledger_free(w->at[i].ledger);
		pasts_free(w->at[i].pasts);
		numbers_down(w, i);
		schedule_free(w->at[i].timetable);
		free(w->at[i].said_gone);
		free(w->at[i].brought);
		disk_wipe(w->at[i].disk);
		if (w->at[i].backup)
			disk_wipe(w->at[i].backup);
	}
	disk_wipe(w->factory);
	for (int i = 0; i < SIM_PEOPLE; i++)
		secret_free(w->s.people[i]);
	for (int i = 0; i < BUNDLES; i++)
		buf_release(&w->bundle[i].bytes);
	sent_free(w->sent);
	free(w->papers);
	free(w->queue);
	free(w->said);
	free(w);
}

/* --- the end: a connected while --- */
static bool meet_all(struct world *w)
{
	bool moved = false;

	for (int a = 0; a < w->s.n; a++)
		for (int b = 0; b < w->s.n; b++)
			if (w->at[a].link[b] && !w->at[a].hostile && !w->at[b].hostile)
				moved |= call_cleanly(w, a, b);
	return moved;
}

static void settle(struct world *w)
{
	int rounds = 0;

	while (meet_all(w))
		if (++rounds > 20 + 2 * w->s.n)
			sim_die(&w->s, "the boxes never stop exchanging", NULL, __FILE__, __LINE__);
	sim_say(&w->s, "settled after %d rounds", rounds);
}

struct hash world_run(struct world *w)
{
	w->storm = true;
	w->storm_ends = w->s.rand.now + 1000 * (30 + (int64_t)sim_below(&w->s, 60));
	world_later(w, 0, people_act, -1, NULL);
	world_later(w, 0, somebody_calls, -1, NULL);
	world_later(w, 1000, something_fails, -1, NULL);
	world_later(w, 1000, somebody_tidies, -1, NULL);
	world_later(w, 1000, somebody_carries, -1, NULL);
	timetables_begin(w);
	partials_begin(w);
	for (int i = 0; i < w->s.n; i++)
		if (w->at[i].hostile)
			world_later(w, soon(w, pace(w)), hostile_moves, i, NULL);
	world_pass(w, w->storm_ends);
	w->storm = false;
	world_heal(w);
	spaces_link(w);
	timetables_settle(w);
	settle(w);
	if (partials_end(w))
		settle(w);
	world_check(w);
	w->tally.lets = w->tally.let_go != 0;
	w->tally.lets_files = w->tally.files_gone != 0;
	return hash_final(&w->trace);
}
