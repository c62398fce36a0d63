/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { MEMORY = 1 << 30, SECONDS = 600, NOBODY_ID = 65534 };

static bool limit(int what, rlim_t n)
{
	return setrlimit((__rlimit_resource_t)what, &(struct rlimit){n, n}) == 0;
}

static bool set_limits(void)
{
	bool ok = limit(RLIMIT_CORE, 0) && limit(RLIMIT_CPU, SECONDS);

	if (SANITIZED)
		return ok;
	/* A size of 0: no file can grow; what is written to is a socket. */
	return ok && limit(RLIMIT_FSIZE, 0) && limit(RLIMIT_AS, MEMORY) &&
	       limit(RLIMIT_NOFILE, 3) && limit(RLIMIT_NPROC, 0);
}

/* A daemon that runs as root (a container, a first try) reads foreign bytes as nobody. */
static void leave_root(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) || setresgid(NOBODY_ID, NOBODY_ID, NOBODY_ID) ||
	    setresuid(NOBODY_ID, NOBODY_ID, NOBODY_ID))
		errno = 0; /* a container without these: the other walls stand */
}

/* Every right over paths is named, and no path is given any. */
static bool wall_landlock(bool *ret_broken)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = (1ULL << 13) - 1};
	long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	long fd;
	bool ok;

	if (version < 1)
		return false;
	fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	ok = fd >= 0 && syscall(SYS_landlock_restrict_self, (int)fd, 0) == 0;
	if (fd >= 0)
		close((int)fd);
	*ret_broken |= !ok;
	return ok;
}

/* What changes a file system, as far as the kernel's version names it. */
static uint64_t writing_rights(long version)
{
	uint64_t rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
			  LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
			  LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

	if (version >= 2)	      /* else moving between folders is refused everywhere */
		rights |= 1ULL << 13; /* refer */
	if (version >= 3)
		rights |= 1ULL << 14; /* truncate */
	return rights;
}

static bool allow_below(int ruleset, const char *dir, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights};
	struct stat st;
	bool ok;

	rule.parent_fd = open(dir, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT;
	/* A rule about a file can grant only what is done to files. */
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= LANDLOCK_ACCESS_FS_WRITE_FILE | 1ULL << 14;
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

bool sandbox_write_only(const char *const *dirs, size_t n)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = {.handled_access_fs = writing_rights(version)};
	long fd = version < 1 ? -1 : syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	bool ok = fd >= 0;

	for (size_t i = 0; ok && i < n; i++)
		ok = allow_below((int)fd, dirs[i], attr.handled_access_fs);
	ok = ok && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	     syscall(SYS_landlock_restrict_self, (int)fd, 0) == 0;
	if (fd >= 0)
		close((int)fd);
	return ok;
}

static bool wall_seccomp(bool *ret_broken)
{
	static const int calls[] = {SCMP_SYS(read),
				    SCMP_SYS(write),
				    SCMP_SYS(exit),
				    SCMP_SYS(exit_group),
				    SCMP_SYS(brk),
				    SCMP_SYS(munmap),
				    SCMP_SYS(mremap),
				    SCMP_SYS(madvise),
				    SCMP_SYS(futex),
				    SCMP_SYS(rt_sigreturn),
				    SCMP_SYS(rt_sigprocmask),
				    SCMP_SYS(rt_sigaction),
				    SCMP_SYS(clock_gettime),
				    SCMP_SYS(gettimeofday),
				    SCMP_SYS(getrandom),
				    SCMP_SYS(fstat),
				    SCMP_SYS(lseek),
				    SCMP_SYS(close),
				    SCMP_SYS(getpid),
				    SCMP_SYS(gettid),
				    SCMP_SYS(tgkill),
				    SCMP_SYS(restart_syscall),
				    SCMP_SYS(sched_yield)};
	scmp_filter_ctx ctx = SANITIZED ? NULL : seccomp_init(SCMP_ACT_ERRNO(EPERM));
	bool ok = ctx != NULL;

	for (size_t i = 0; ok && i < sizeof(calls) / sizeof(calls[0]); i++)
		ok = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0) == 0;
	/* Memory, but none that can be run. */
	ok = ok && seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
	ok = ok && seccomp_load(ctx) == 0;
	if (ctx)
		seccomp_release(ctx);
	/* -1: a kernel without it */
	*ret_broken |= !ok && !SANITIZED && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
	return ok;
}

struct walls sandbox_enter(void)
{
	struct walls w = {.limits = false};

	if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0)
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
	if (chdir("/"))
		errno = 0;
	leave_root();
	w.no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	w.landlock = wall_landlock(&w.broken);
	/* After the ruleset's descriptor. */
	w.limits = set_limits();
	w.seccomp = wall_seccomp(&w.broken);
	w.broken |= !w.no_new_privs || !w.limits;
	return w;
}
