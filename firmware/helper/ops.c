/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The real thing. */
#include "firmware/helper/helper_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

enum { KILLED_MS = 1000 };

static int64_t mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In a process group of its own, with nothing of ours open, and a clean environment. */
static int spawn(const char *const *argv, int out, bool errors, pid_t *ret)
{
	static char *const env[] = {"PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, usual;
	int e;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	if (errors)
		posix_spawn_file_actions_adddup2(&files, out, 2);
	else
		posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &usual);
	e = posix_spawn(ret, argv[0], &files, &attr, (char *const *)(uintptr_t)argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return e;
}

/* Of a program that says much the end is kept. */
static void keep_end(struct buf *out, const char *part, size_t n)
{
	size_t over = out->n + n > HELPER_SAID ? out->n + n - HELPER_SAID : 0;

	over = over < out->n ? over : out->n;
	if (over)
		memmove(out->p, out->p + over, out->n - over);
	out->n -= over;
	buf_add(out, part, n);
}

/* What it prints, until it closes its output or the time is up: false. What is beyond the limit is
 * read and dropped. */
static bool gather(int fd, int64_t until, bool errors, struct buf *out)
{
	char part[4096];

	for (;;) {
		int64_t left = until - mono_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, part, sizeof(part));
		if (n <= 0)
			return true;
		if (errors)
			keep_end(out, part, (size_t)n);
		else if (out->n + (size_t)n <= HELPER_ANSWER)
			buf_add(out, part, (size_t)n);
	}
}

/* false: it has not ended by then. */
static bool ended(pid_t pid, int64_t until, int *ret)
{
	const struct timespec moment = {0, 5 * 1000 * 1000};
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid || (got < 0 && errno != EINTR)) {
			*ret = got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
			return true;
		}
		if (mono_ms() >= until)
			return false;
		nanosleep(&moment, NULL);
	}
}

/* Its status; after the time is up it and what it started are killed. Who waits for a disk that
 * hangs is not ended by that, and is left behind. */
static int reap(pid_t pid, int64_t until)
{
	int status;

	if (ended(pid, until, &status))
		return status;
	kill(-pid, SIGKILL);
	ended(pid, mono_ms() + KILLED_MS, &status);
	return -2;
}

static int run_with(const char *const *argv, int seconds, bool errors, struct buf *out)
{
	int64_t until = mono_ms() + (int64_t)seconds * 1000;
	int pipes[2], status;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	if (spawn(argv, pipes[1], errors, &pid)) {
		close(pipes[0]);
		close(pipes[1]);
		return -1;
	}
	close(pipes[1]);
	gather(pipes[0], until, errors, out);
	status = reap(pid, until);
	close(pipes[0]);
	return status;
}

static int run(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	(void)ctx;
	return run_with(argv, seconds, false, out);
}

int helper_run_saying(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	(void)ctx;
	return run_with(argv, seconds, true, out);
}

/* The kernel's newer calls instead of mount(2), which marks a read-only mount in two places: the
 * file system, and this one mount of it. The second is copied into the daemon's own view of the
 * mounts, where nobody could take it back when something is to be written. */
static int set_option(int fs, char *option)
{
	char *value = strchr(option, '=');

	if (!value)
		return fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0);
	*value++ = 0;
	return fsconfig(fs, FSCONFIG_SET_STRING, option, value, 0);
}

/* "uid=1000,utf8"; 0 or -1. */
static int set_options(int fs, const char *data)
{
	_cleanup_(freep) char *copy = strdup(data);
	char *save = NULL;

	for (char *o = copy ? strtok_r(copy, ",", &save) : NULL; o; o = strtok_r(NULL, ",", &save))
		if (set_option(fs, o))
			return -1;
	return copy ? 0 : -1;
}

static int new_mount(const char *source, const char *target, const char *type, bool read_only,
		     const char *data)
{
	_cleanup_(closep) int fs = fsopen(type, FSOPEN_CLOEXEC);
	_cleanup_(closep) int at = -1;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) ||
	    fsconfig(fs, FSCONFIG_SET_FLAG, read_only ? "ro" : "rw", NULL, 0) ||
	    set_options(fs, data) || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return errno;
	at = fsmount(fs, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME |
			     MOUNT_ATTR_NOSYMFOLLOW);
	if (at < 0 || move_mount(at, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH))
		return errno;
	return 0;
}

static int again(const char *target, bool read_only)
{
	_cleanup_(closep) int fs =
		fspick(AT_FDCWD, target, FSPICK_CLOEXEC | FSPICK_SYMLINK_NOFOLLOW);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, read_only ? "ro" : "rw", NULL, 0) ||
	    fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0))
		return errno;
	return 0;
}

static int do_mount(void *ctx, const char *source, const char *target, const char *type,
		    unsigned long flags, const char *data)
{
	bool read_only = (flags & MS_RDONLY) != 0;

	(void)ctx;
	return flags & MS_REMOUNT ? again(target, read_only)
				  : new_mount(source, target, type, read_only, data);
}

static int do_unmount(void *ctx, const char *target, int flags)
{
	(void)ctx;
	return umount2(target, flags) ? errno : 0;
}

static bool is_block(void *ctx, const char *path, const char *number)
{
	char has[24];
	struct stat st;

	(void)ctx;
	if (lstat(path, &st) || !S_ISBLK(st.st_mode))
		return false;
	snprintf(has, sizeof(has), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return strcmp(has, number) == 0;
}

static int64_t now_ms(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool synced(void *ctx)
{
	struct timex t = {.modes = 0};

	(void)ctx;
	return adjtimex(&t) >= 0 && !(t.status & STA_UNSYNC);
}

static int set_clock(void *ctx, int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)ctx;
	return clock_settime(CLOCK_REALTIME, &t) ? errno : 0;
}

static int set_host_name(void *ctx, const char *name)
{
	(void)ctx;
	return sethostname(name, strlen(name)) ? errno : 0;
}

const struct helper_ops helper_ops_system = {.run = run,
					     .mount = do_mount,
					     .unmount = do_unmount,
					     .is_block = is_block,
					     .now_ms = now_ms,
					     .synced = synced,
					     .set_clock = set_clock,
					     .set_host_name = set_host_name};
