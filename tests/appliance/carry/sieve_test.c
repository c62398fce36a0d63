/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"
#include "tests/lib/dead_pages.h"
#include "appliance/carry/carry.h"
#include "sync/bundle/source.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
	struct test_env env;
	char *dir, *file;
	struct box a;
	struct buf whole;
	struct sieves *sieves;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct bundle_totals n;
	struct bundle_export x;
	struct hash space;

	test_env_init(&f->env, 1764000000000, 1);
	f->dir = test_dir();
	f->file = path_join(f->dir, "x.lliure");
	f->sieves = sieves_new(getenv("LLIURE") ? getenv("LLIURE") : "build/release/lliure");
	box_init(&f->a, &f->env, f->dir, "a", 1);
	space = box_found(&f->a, NULL);
	for (int i = 0; i < 300; i++)
		box_write(&f->a, &space, NULL, "{\"type\":\"post\",\"text\":\"Bon dia a tothom\"}");
	x = (struct bundle_export){.log = f->a.log,
				   .env = &f->env.env,
				   .name = "Ateneu",
				   .writer = f->a.key,
				   .serial = 1};
	NEED(bundle_export(&x, f->file, &n));
	NEED(file_read(f->file, 1 << 24, &f->whole));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sieves_free(f->sieves);
	box_release(&f->a);
	buf_release(&f->whole);
	test_dir_remove(f->dir);
	free(f->file);
	free(f);
	return 0;
}

static int open_with(struct fixture *f, struct span content)
{
	int fd;

	NEED(file_write(f->file, content, 0644));
	fd = open(f->file, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* What the helper hands on of these bytes; its summary in *ret. */
static void strain(struct fixture *f, struct span content, struct buf *out,
		   struct sieve_summary *ret)
{
	int fd = open_with(f, content);
	struct sieve s;

	NEED(sieve_start(f->sieves, fd, SIEVE_FRAMES, &s));
	for (ssize_t n; (n = read(s.fd, buf_reserve(out, 65536), 65536)) > 0;)
		out->n += (size_t)n;
	sieve_end(&s);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	NEED(sieve_check(f->sieves, fd, ret));
	close(fd);
}

static void a_good_bundle_passes_as_it_is_and_is_summed_up(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf out = {0};
	struct sieve_summary s;

	strain(f, buf_span(&f->whole), &out, &s);
	assert_int_equal(out.n, f->whole.n);
	assert_memory_equal(out.p, f->whole.p, out.n);
	assert_true(s.whole && !s.damaged && s.claimed && s.has_name);
	assert_string_equal(s.name, "Ateneu");
	assert_int_equal(s.entries, 301);
	assert_int_equal(s.logs_n, 1);
	assert_int_equal(s.logs[0].last, 301);
	assert_true(pubkey_eq(&s.writer, secret_pubkey(f->a.key)));
	printf("# walls: limits %d, no new privileges %d, landlock %d, seccomp %d\n",
	       s.walls.limits, s.walls.no_new_privs, s.walls.landlock, s.walls.seccomp);
	assert_true(s.walls.limits && s.walls.no_new_privs);
	sieve_summary_release(&s);
}

static void torn_and_flipped_ones_give_a_whole_beginning(void **state)
{
	struct fixture *f = *state;

	for (size_t at = 0; at < f->whole.n; at += 1 + f->whole.n / 9) {
		_cleanup_(buf_release) struct buf torn = {0}, flipped = {0}, bad = {0};
		struct sieve_summary s;
		size_t same = 0;

		strain(f, span_of(f->whole.p, at), &torn, &s);
		assert_false(s.whole);
		sieve_summary_release(&s);
		assert_true(torn.n <= at);
		if (torn.n)
			assert_memory_equal(torn.p, f->whole.p, torn.n);
		buf_add_span(&bad, buf_span(&f->whole));
		bad.p[at] ^= 16;
		strain(f, buf_span(&bad), &flipped, &s);
		assert_false(s.whole);
		sieve_summary_release(&s);
		/* Behind what is good a mark that something was not, and what is whole behind that. */
		while (same < flipped.n && flipped.p[same] == f->whole.p[same])
			same++;
		assert_true(flipped.n < f->whole.n + FRAME_OVERHEAD);
		if (at >= STREAM_MAGIC && same + FRAME_OVERHEAD <= flipped.n)
			assert_memory_equal(flipped.p + same, (const uint8_t[FRAME_OVERHEAD]){0},
					    FRAME_OVERHEAD);
	}
}

static void of_several_behind_one_another_all_that_is_whole_is_handed_on(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf in = {0}, twice = {0}, out = {0};
	struct sieve_summary s;

	buf_add_span(&twice, buf_span(&f->whole));
	buf_add_span(&twice, buf_span(&f->whole));
	strain(f, buf_span(&twice), &out, &s);
	assert_true(s.whole && !s.damaged && s.claimed);
	assert_int_equal(s.parts, 2);
	assert_int_equal(s.entries, 602);
	assert_int_equal(s.logs_n, 1);
	sieve_summary_release(&s);
	assert_int_equal(out.n, twice.n);
	assert_memory_equal(out.p, twice.p, out.n);
	/* The first was torn: the second comes whole behind a mark. */
	buf_add(&in, f->whole.p, f->whole.n / 2);
	buf_add_span(&in, buf_span(&f->whole));
	buf_clear(&out);
	strain(f, buf_span(&in), &out, &s);
	assert_true(!s.whole && s.damaged && s.claimed);
	assert_int_equal(s.parts, 2);
	sieve_summary_release(&s);
	assert_true(out.n > f->whole.n);
	assert_memory_equal(out.p + out.n - f->whole.n, f->whole.p, f->whole.n);
}

static void put_twice(struct fixture *f)
{
	_cleanup_(buf_release) struct buf all = {0};

	buf_add_span(&all, buf_span(&f->whole));
	buf_add_span(&all, buf_span(&f->whole));
	assert_ok(file_write(f->file, buf_span(&all), 0644));
}

/* A stick that no longer gives a page of its own: the rest is handed on, and that something was lost is. */
static void behind_a_page_that_cannot_be_read_it_goes_on(void **state)
{
	struct fixture *f = *state;
	_cleanup_(freep) char *strained = path_join(f->dir, "strained");
	_cleanup_(closep) int in = -1;
	_cleanup_(closep) int out = open(strained, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int fds[2];

	put_twice(f);
	fds[0] = in = open(f->file, O_RDONLY | O_CLOEXEC);
	fds[1] = out;
	pages_die(2 * (off_t)f->whole.n, 4 * SOURCE_PAGE, 5 * SOURCE_PAGE);
	assert_true(sieve_frames(in, out));
	assert_true(dead.failed > 0);
	for (int i = 0; i < 2; i++) {
		_cleanup_(buf_release) struct buf json = {0};
		struct sieve_summary sum;

		lseek(fds[i], 0, SEEK_SET);
		assert_true(sieve_summarize(fds[i], (struct walls){.limits = false}, &json));
		assert_ok(sieve_parse_summary(buf_span(&json), &sum));
		assert_true(sum.damaged);
		assert_false(sum.whole);
		assert_int_equal(sum.parts, 2);
		assert_true(sum.claimed); /* by the second, which has all */
		assert_in_range(sum.entries, 301, 601);
		sieve_summary_release(&sum);
	}
	pages_die(0, 0, 0);
}

static void rubbish_links_and_fifos_end_soon_and_say_nothing(void **state)
{
	struct fixture *f = *state;
	_cleanup_(buf_release) struct buf out = {0};
	struct sieve_summary s;
	uint8_t noise[40000];
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)test_rand(&f->env);
	strain(f, span_of(noise, sizeof(noise)), &out, &s);
	assert_true(s.damaged && !s.frames && !s.has_name);
	assert_true(out.n <= STREAM_MAGIC);
	sieve_summary_release(&s);
	/* A file that never ends is given up. */
	assert_ok(sieve_check(f->sieves, zero, &s));
	assert_true(s.damaged && !s.frames);
	assert_in_range(s.bytes, SALVAGE_PASSED, SALVAGE_PASSED + 1024 * 1024);
	sieve_summary_release(&s);
	close(zero);
}

static void a_frame_as_long_as_the_world_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	static const uint8_t huge[] = {'L', 'L', 'I', 'U', 'R', 'E', 0, 1, 1, 255, 255, 255, 255};
	_cleanup_(buf_release) struct buf out = {0};
	struct sieve_summary s;

	strain(f, span_of(huge, sizeof(huge)), &out, &s);
	assert_true(s.damaged);
	assert_int_equal(s.bytes, sizeof(huge));
	sieve_summary_release(&s);
}

static void a_program_that_is_none_is_said(void **state)
{
	struct fixture *f = *state;
	struct sieves *none = sieves_new("/nowhere/lliure"), *other = sieves_new("/bin/true");
	int fd = open_with(f, buf_span(&f->whole));
	struct sieve_summary s;
	struct sieve v;

	assert_fails(sieve_start(none, fd, SIEVE_FRAMES, &v), ERR_IO);
	assert_fails(sieve_check(other, fd, &s), ERR_IO);
	sieves_free(none);
	sieves_free(other);
	close(fd);
}

/* A pipe that says nothing is as slow as a stick can be. */
static void who_stops_waits_for_no_helper(void **state)
{
	struct fixture *f = *state;
	int ends[2];
	struct sieve s;
	char c;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_ok(sieve_start(f->sieves, ends[0], SIEVE_SUMMARY, &s));
	sieves_stop(f->sieves);
	assert_int_equal(read(s.fd, &c, 1), 0);
	sieve_end(&s);
	sieve_end(&s);
	assert_fails(sieve_start(f->sieves, ends[0], SIEVE_SUMMARY, &s), ERR_STOPPED);
	close(ends[0]);
	close(ends[1]);
}

static void its_words_are_believed_no_more_than_they_can_be(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "{\"entries\":-4,\"name\":\"a\\u202eb\"}",
		"{\"heads\":[[1,2,3],[\"a\",\"b\",1,2,3]],\"spaces\":[3]}"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sieve_summary s;
		struct error *e = sieve_parse_summary(span_str(bad[i]), &s);

		if (!e) {
			assert_int_equal(s.entries, 0);
			assert_int_equal(s.logs_kept, 0);
			assert_int_equal(s.spaces_n, 0);
			assert_null(strstr(s.name, "\xe2\x80\xae"));
			sieve_summary_release(&s);
		}
		error_free(e);
	}
}

/* In a process of its own: what is left to a parser that was taken over. Bits of what it could do.
 */
static int try_everything(const char *dir)
{
	struct walls w = sandbox_enter();
	bool paths = w.seccomp || w.landlock;
	int could = 0;

	could |= paths && open("/etc/passwd", O_RDONLY) >= 0 ? 1 : 0;
	could |= paths && open(dir, O_RDONLY | O_DIRECTORY) >= 0 ? 2 : 0;
	could |= w.seccomp && socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 4 : 0;
	could |= w.seccomp && kill(getppid(), 0) == 0 ? 8 : 0;
	could |= paths && mkdir("/tmp/lliure-escape", 0700) == 0 ? 16 : 0;
	could |= fcntl(3, F_GETFD) >= 0 ? 32 : 0;
	return could;
}

static void behind_the_walls_nothing_can_be_opened_made_or_called(void **state)
{
	struct fixture *f = *state;
	int status = -1, extra = open("/dev/null", O_RDONLY);
	pid_t pid = fork();

	if (pid == 0)
		_exit(try_everything(f->dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(extra);
}

/* A machine whose kernel knows the wall and does not let it be raised. */
static int enter_where_fails(long call)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {ARRAY_LEN(rules), rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return 2;
	return sandbox_enter().broken ? 1 : 0;
}

static int ends_with(long call)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(enter_where_fails(call));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_wall_that_could_stand_and_does_not_is_told(void **state)
{
	bool landlock = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1) >= 1;

	(void)state;
	assert_int_equal(ends_with(SYS_getpid), 0);
	assert_int_equal(ends_with(SYS_landlock_restrict_self), landlock);
	/* one that the kernel has not at all is none that failed */
	assert_int_equal(ends_with(SYS_landlock_create_ruleset), 0);
	assert_int_equal(ends_with(SYS_prlimit64), 1);
}

static void names_are_our_own_grammar(void **state)
{
	static const char *const bad[] = {"",		".lliure",	"../x.lliure",
					  "a/b.lliure", "a.lliure.tmp", "A.lliure",
					  "-a.lliure",	"a b.lliure",	"a\n.lliure",
					  "é.lliure",	"a.LLIURE",	"a.b.lliure"};
	const struct pubkey key = {{7}};
	char name[CARRY_NAME];

	carry_name("L'Ateneu del Poble-sec!", NULL, 1764000000000, name);
	assert_string_equal(name, "l-ateneu-del-poble-sec-20251124-1600.lliure");
	assert_true(carry_name_ok(name));
	carry_name("日本", &key, 0, name);
	assert_memory_equal(name, "news-for-", 9);
	assert_true(carry_name_ok(name));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(carry_name_ok(bad[i]));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_good_bundle_passes_as_it_is_and_is_summed_up),
		T(torn_and_flipped_ones_give_a_whole_beginning),
		T(of_several_behind_one_another_all_that_is_whole_is_handed_on),
		T(behind_a_page_that_cannot_be_read_it_goes_on),
		T(rubbish_links_and_fifos_end_soon_and_say_nothing),
		T(a_frame_as_long_as_the_world_is_not_waited_for),
		T(a_program_that_is_none_is_said),
		T(who_stops_waits_for_no_helper),
		T(its_words_are_believed_no_more_than_they_can_be),
		T(behind_the_walls_nothing_can_be_opened_made_or_called),
		cmocka_unit_test(a_wall_that_could_stand_and_does_not_is_told),
		cmocka_unit_test(names_are_our_own_grammar),
	};

	return run_group(tests);
}
