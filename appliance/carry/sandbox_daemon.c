/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The walls around a daemon that goes on: what it will need is named, and the rest is gone. */
#include "appliance/carry/sandbox_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RIGHT_REFER    (1ULL << 13) /* from Landlock's version 2 on */
#define RIGHT_TRUNCATE (1ULL << 14) /* 3 */
#define READING	       (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                    \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                           \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                               \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define OF_FILES                                                                                   \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |                            \
	 LANDLOCK_ACCESS_FS_EXECUTE | RIGHT_TRUNCATE)

/* As far as the kernel's version names them; moving between folders is refused everywhere before 2.
 */
static uint64_t rights_of(long version)
{
	return READING | WRITING | LANDLOCK_ACCESS_FS_EXECUTE | (version >= 2 ? RIGHT_REFER : 0) |
	       (version >= 3 ? RIGHT_TRUNCATE : 0);
}

static bool allow(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights};
	struct stat st;
	bool ok;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
	/* A rule about a file can grant only what is done to files. */
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_FILES;
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

static bool allow_all(int ruleset, const char *const *paths, uint64_t rights)
{
	bool ok = true;

	for (; ok && *paths; paths++)
		ok = allow(ruleset, *paths, rights);
	return ok;
}

/* The program that the kernel runs first to run ours: the dynamic loader. */
static int loader_of(struct dl_phdr_info *program, size_t size, void *ctx)
{
	const char **path = ctx;

	(void)size;
	for (int i = 0; i < program->dlpi_phnum; i++)
		if (program->dlpi_phdr[i].p_type == PT_INTERP)
			*path = (const char *)(program->dlpi_addr + program->dlpi_phdr[i].p_vaddr);
	return 1; /* the first is the program itself */
}

/* Its own program, for the helper that reads foreign files. */
static bool allow_itself(int ruleset)
{
	uint64_t rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
	const char *loader = NULL;

	dl_iterate_phdr(loader_of, &loader);
	return allow(ruleset, "/proc/self/exe", rights) &&
	       (!loader || allow(ruleset, loader, rights));
}

static bool wall_paths(const struct sandbox_paths *p, bool *ret_broken)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = {.handled_access_fs = rights_of(version)};
	long fd = version < 1 ? -1 : syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	uint64_t all = attr.handled_access_fs & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE;
	bool ok = fd >= 0 && allow_all((int)fd, p->read, READING) &&
		  allow_all((int)fd, p->write, all) && allow_itself((int)fd) &&
		  syscall(SYS_landlock_restrict_self, (int)fd, 0) == 0;

	if (fd >= 0)
		close((int)fd);
	*ret_broken |= !ok && version >= 1;
	return ok;
}

/* The daemon never needs them; who has got into it would. */
static bool wall_calls(bool *ret_broken)
{
	static const int calls[] = {
		SCMP_SYS(ptrace),
		SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev),
		SCMP_SYS(kcmp),
		SCMP_SYS(pidfd_getfd),
		SCMP_SYS(perf_event_open),
		SCMP_SYS(bpf),
		SCMP_SYS(userfaultfd),
		SCMP_SYS(io_uring_setup),
		SCMP_SYS(add_key),
		SCMP_SYS(request_key),
		SCMP_SYS(keyctl),
		SCMP_SYS(mount),
		SCMP_SYS(umount2),
		SCMP_SYS(move_mount),
		SCMP_SYS(open_tree),
		SCMP_SYS(fsopen),
		SCMP_SYS(fsmount),
		SCMP_SYS(fspick),
		SCMP_SYS(fsconfig),
		SCMP_SYS(pivot_root),
		SCMP_SYS(chroot),
		SCMP_SYS(unshare),
		SCMP_SYS(setns),
		SCMP_SYS(swapon),
		SCMP_SYS(swapoff),
		SCMP_SYS(reboot),
		SCMP_SYS(kexec_load),
		SCMP_SYS(kexec_file_load),
		SCMP_SYS(init_module),
		SCMP_SYS(finit_module),
		SCMP_SYS(delete_module),
		SCMP_SYS(sethostname),
		SCMP_SYS(setdomainname),
		SCMP_SYS(settimeofday),
		SCMP_SYS(clock_settime),
		SCMP_SYS(acct),
		SCMP_SYS(quotactl),
		SCMP_SYS(syslog),
		SCMP_SYS(open_by_handle_at),
		SCMP_SYS(mknod),
		SCMP_SYS(mknodat),
	};
	scmp_filter_ctx ctx = SANITIZED ? NULL : seccomp_init(SCMP_ACT_ALLOW);
	bool ok = ctx != NULL;

	/* Some are of other machines only: a rule about them says nothing here. */
	for (size_t i = 0; ok && i < sizeof(calls) / sizeof(calls[0]); i++) {
		int e = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[i], 0);

		ok = e == 0 || e == -EDOM;
	}
	ok = ok && seccomp_load(ctx) == 0;
	if (ctx)
		seccomp_release(ctx);
	*ret_broken |= !ok && !SANITIZED && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
	return ok;
}

struct walls sandbox_daemon(const struct sandbox_paths *paths)
{
	struct walls w = {.limits = false};

	w.no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	w.landlock = paths && wall_paths(paths, &w.broken);
	w.seccomp = wall_calls(&w.broken);
	w.broken |= !w.no_new_privs;
	return w;
}
