/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/sandbox_priv.h"
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
