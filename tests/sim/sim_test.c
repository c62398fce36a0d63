/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The simulation: README.md.
 *
 *   sim_test [--seeds N] [--from N] [--seconds N] [--jobs N]
 *   sim_test --seed N [--trace] [--views]
 *
 * Each seed is a process of its own. A failing one prints the last lines of its trace, and replays
 * alone. At the time bound no new seed is begun, and how many ran is said.
 *
 * The suite's bound holds on a machine that has time for the suite. Where others use it, too, the clock
 * says nothing: then FLOOR seeds run at least, however long that takes; and on any machine a seed may
 * cost so much of a processor on the average, for that is what a slow one with two cores can do.
 */
#include "tests/sim/world.h"
#include <dlfcn.h>
#include <poll.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TEST_SANITIZED = 1 };
#else
enum { TEST_SANITIZED = 0 };
#endif
enum {
	MAX_JOBS = 16,
	FLOOR = 200,	     /* seeds that run whatever the clock says */
	SEED_CPU_MS = 700, /* of one, on the average; three times what it is on a machine of 2023 */
};

struct result {
	struct hash trace;
	struct tally tally;
};

struct runner {
	uint64_t next, end;
	int jobs;
	int64_t seconds;
	uint64_t floor, ran, failed;
	struct tally sum;
	struct job {
		pid_t pid;
		int fd;
		uint64_t seed;
	} job[MAX_JOBS];
};

/* --- signatures --- */
/* Every box of a world checks every signature, several times; the answer follows from the bytes alone,
 * so libsodium is asked once for each. Linked into this program before the library's own. */
int crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
				unsigned long long n, const unsigned char *pk)
{
	enum { SEEN = 1 << 14 };
	static struct seen {
		struct hash of;
		bool known;
		int answer;
	} seen[SEEN];
	static int (*ask)(const unsigned char *, const unsigned char *, unsigned long long,
			  const unsigned char *);
	struct hash_state h;
	struct hash of;
	struct seen *s;
	uint32_t at;

	hash_init(&h);
	hash_add(&h, sig, crypto_sign_BYTES);
	hash_add(&h, pk, crypto_sign_PUBLICKEYBYTES);
	hash_add(&h, m, (size_t)n);
	of = hash_final(&h);
	memcpy(&at, of.b, sizeof(at));
	s = &seen[at % SEEN];
	if (!s->known || !hash_eq(&s->of, &of)) {
		if (!ask)
			ask = dlsym(RTLD_NEXT, "crypto_sign_verify_detached");
		if (!ask)
			abort();
		*s = (struct seen){.of = of, .known = true, .answer = ask(sig, m, n, pk)};
	}
	return s->answer;
}

/* --- seeds --- */
static int64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void run_here(uint64_t seed, bool trace, bool views, struct result *ret)
{
	struct world *w = world_new(seed, trace);

	w->views = views;
	ret->trace = world_run(w);
	ret->tally = w->tally;
	world_free(w);
}

static void start(struct job *j, uint64_t seed)
{
	int ends[2];

	fflush(stdout);
	if (pipe(ends))
		abort();
	*j = (struct job){.seed = seed, .fd = ends[0], .pid = fork()};
	if (j->pid < 0)
		abort();
	if (j->pid == 0) {
		struct result r;

		setrlimit(RLIMIT_CPU, &(struct rlimit){400, 400}); /* one that never ends */
		run_here(seed, false, false, &r);
		fflush(stdout);
		_exit(write(ends[1], &r, sizeof(r)) == sizeof(r) ? 0 : 1);
	}
	close(ends[1]);
}

/* true: it went well, and *ret is what it said. */
static bool finish(struct job *j, struct result *ret)
{
	bool whole = read(j->fd, ret, sizeof(*ret)) == sizeof(*ret);
	int status;

	close(j->fd);
	whole &= waitpid(j->pid, &status, 0) == j->pid && WIFEXITED(status) && !WEXITSTATUS(status);
	j->pid = 0;
	if (!whole)
		printf("# seed %llu failed (%s %d); it replays alone with --seed %llu --trace\n",
		       (unsigned long long)j->seed, WIFSIGNALED(status) ? "signal" : "exit",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		       (unsigned long long)j->seed);
	return whole;
}

static void add_tally(struct tally *sum, const struct tally *t)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)t;

	for (size_t i = 0; i < sizeof(*t) / sizeof(*to); i++)
		to[i] += from[i];
}

static int64_t cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static bool goes_on(const struct runner *r, int64_t until)
{
	return r->next < r->end && r->failed < 5 && (now_s() < until || r->ran < r->floor);
}

static void run_all(struct runner *r)
{
	int64_t until = now_s() + r->seconds;
	int running = 0;

	for (;;) {
		struct pollfd p[MAX_JOBS];
		struct result result;

		for (int i = 0; i < r->jobs; i++) {
			struct job *j = &r->job[i];

			if (!j->pid && goes_on(r, until)) {
				start(j, r->next++);
				running++;
			}
			p[i] = (struct pollfd){.fd = j->pid ? j->fd : -1, .events = POLLIN};
		}
		if (!running)
			return;
		poll(p, (nfds_t)r->jobs, -1);
		for (int i = 0; i < r->jobs; i++) {
			if (!r->job[i].pid || !p[i].revents)
				continue;
			running--;
			r->ran++;
			if (finish(&r->job[i], &result))
				add_tally(&r->sum, &result.tally);
			else
				r->failed++;
		}
	}
}

/* The same seed twice says the same, word for word. */
static bool is_deterministic(uint64_t seed)
{
	struct job a, b;
	struct result ra, rb;
	bool good;

	start(&a, seed);
	good = finish(&a, &ra);
	start(&b, seed);
	good &= finish(&b, &rb);
	return good && hash_eq(&ra.trace, &rb.trace);
}

static void say_sum(const struct tally *t)
{
	static const char *const names[] = {
		"acts of people",  "exchanges",	   "of them broken",	"pieces",
		"entries moved",   "forks proved", "ops carried over",	"new incarnations",
		"power cuts",	   "disk faults",  "full disks",	"disks that forgot",
		"wiped disks",	   "restores",	   "copied cards",	"bundles read",
		"bad signatures",  "hostile acts", "proofs at the end", "ops lost with disks",
		"readers compared", "receipts signed", "raw looks for erased bytes",
		"files compared", "times no room", "exchanges by timetable",
		"proofs asked for", "contents let go", "files let go", "of both beside a lost disk",
		"worlds that let contents go", "worlds that let files go", "frames bent",
		"numbers compared", "claims believed"};
	const uint64_t *n = (const uint64_t *)t;

	_Static_assert(ARRAY_LEN(names) == sizeof(*t) / sizeof(*n), "a name for each number");
	printf("#");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		printf(" %llu %s%s", (unsigned long long)n[i], names[i],
		       i + 1 < ARRAY_LEN(names) ? "," : "\n");
}

int main(int argc, char **argv)
{
	struct runner r = {.next = 1, .jobs = 2, .seconds = 170, .floor = FLOOR};
	uint64_t seeds = 1000;
	bool trace = false, views = false, alone = false, same, cheap;
	int64_t began, cpu;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--trace") == 0) {
			trace = true;
		} else if (strcmp(argv[i], "--views") == 0) {
			views = true;
		} else if (i + 1 < argc) {
			uint64_t n = strtoull(argv[i + 1], NULL, 10);

			alone |= strcmp(argv[i], "--seed") == 0;
			if (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--from") == 0)
				r.next = n;
			else if (strcmp(argv[i], "--seeds") == 0)
				seeds = n;
			else if (strcmp(argv[i], "--seconds") == 0)
				r.seconds = (int64_t)n, r.floor = 0;
			else if (strcmp(argv[i], "--jobs") == 0 && n >= 1 && n <= MAX_JOBS)
				r.jobs = (int)n;
			i++;
		}
	}
	test_init();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (alone) {
		struct result one;

		run_here(r.next, trace, views, &one);
		printf("# trace %s\n", ID(&one.trace));
		say_sum(&one.tally);
		printf("1..1\nok 1 - seed %llu\n", (unsigned long long)r.next);
		return 0;
	}
	printf("1..3\n");
	r.end = r.next + seeds;
	began = now_s();
	same = is_deterministic(r.next) && is_deterministic(r.next + 1);
	printf("%s 1 - the same seed twice takes the same course\n", same ? "ok" : "not ok");
	cpu = cpu_ms();
	run_all(&r);
	cpu = cpu_ms() - cpu;
	say_sum(&r.sum);
	printf("# %llu of %llu seeds ran, in %lld s, and %lld s of processors\n",
	       (unsigned long long)r.ran, (unsigned long long)seeds,
	       (long long)(now_s() - began), (long long)cpu / 1000);
	printf("%s 2 - %llu random histories, with faults of network, disk and clock and hostile "
	       "boxes, end alike on every honest box\n",
	       r.failed ? "not ok" : "ok", (unsigned long long)r.ran);
	/* (A sanitizer makes it many times as long, and so are the largest worlds, which the suite has not.) */
	cheap = cpu <= (int64_t)r.ran * SEED_CPU_MS || !r.floor || TEST_SANITIZED;
	printf("%s 3 - a history takes %lld ms of a processor\n", cheap ? "ok" : "not ok",
	       (long long)cpu / (r.ran ? (int64_t)r.ran : 1));
	return !same || r.failed || !cheap;
}
