/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What could somebody do who has got into a running program? Stops the process, has its main thread
 * make system calls as if it had wanted to, and lets it go on as if nothing had been.
 *
 *   inject_tool PID CALL PATH...   for each path one line: CALL, the path, "0" or the error's name
 *
 * CALL: read, write (creates), list, run, remove; trace (its parent), mount (over PATH). Exit
 * status 77 when this machine or its settings don't let one process look into another.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifdef __x86_64__
enum { NOT_HERE = 77, BELOW = 16384 };

static long must(long got, const char *what)
{
	if (got == -1) {
		perror(what);
		exit(NOT_HERE);
	}
	return got;
}

static void put_text(pid_t pid, unsigned long at, const char *text)
{
	struct iovec from = {(void *)(uintptr_t)text, strlen(text) + 1},
		     to = {(void *)at, from.iov_len};

	must(process_vm_writev(pid, &from, 1, &to, 1, 0), "process_vm_writev");
}

/* The instruction before the one where it waits is a system call: it is made again, as ours. */
static long inject(pid_t pid, const struct user_regs_struct *was, long call,
		   const unsigned long args[4])
{
	struct user_regs_struct r = *was;
	int status;

	r.rip -= 2;
	r.rax = (unsigned long)call;
	r.orig_rax = (unsigned long)-1; /* nothing to begin again */
	r.rdi = args[0];
	r.rsi = args[1];
	r.rdx = args[2];
	r.r10 = args[3];
	must(ptrace(PTRACE_SETREGS, pid, NULL, &r), "PTRACE_SETREGS");
	must(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), "PTRACE_SINGLESTEP");
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status)) {
		printf("the process ended\n"); /* by the call: it ran another program, perhaps */
		exit(1);
	}
	must(ptrace(PTRACE_GETREGS, pid, NULL, &r), "PTRACE_GETREGS");
	return (long)r.rax;
}

static const struct {
	const char *name;
	long call;
} calls[] = {{"read", __NR_openat}, {"write", __NR_openat},    {"list", __NR_openat},
	     {"run", __NR_execve},  {"remove", __NR_unlinkat}, {"trace", __NR_ptrace},
	     {"mount", __NR_mount}};

static long attempt(pid_t pid, const struct user_regs_struct *was, const char *name,
		    const char *path)
{
	unsigned long at = (was->rsp - BELOW) & ~15UL, zero = at + 8192;
	unsigned long args[4] = {(unsigned long)AT_FDCWD, at, O_RDONLY, 0600};
	size_t k = 0;
	long got;

	while (k < sizeof(calls) / sizeof(calls[0]) - 1 && strcmp(calls[k].name, name) != 0)
		k++;
	put_text(pid, at, path);
	put_text(pid, zero, "\0\0\0\0\0\0\0");
	if (strcmp(name, "write") == 0)
		args[2] = O_WRONLY | O_CREAT;
	else if (strcmp(name, "list") == 0)
		args[2] = O_RDONLY | O_DIRECTORY;
	else if (strcmp(name, "remove") == 0)
		args[2] = 0;
	else if (calls[k].call == __NR_execve)
		memcpy(args, (unsigned long[4]){at, zero, zero, 0}, sizeof(args));
	else if (calls[k].call == __NR_ptrace)
		memcpy(args, (unsigned long[4]){PTRACE_SEIZE, strtoul(path, NULL, 10), 0, 0},
		       sizeof(args));
	else if (calls[k].call == __NR_mount)
		memcpy(args, (unsigned long[4]){at, at, at, 0}, sizeof(args));
	got = inject(pid, was, calls[k].call, args);
	if (got >= 0 && calls[k].call == __NR_openat)
		inject(pid, was, __NR_close, (unsigned long[4]){(unsigned long)got, 0, 0, 0});
	return got;
}

int main(int argc, char **argv)
{
	pid_t pid = argc > 3 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	struct user_regs_struct was;
	int status;

	if (pid <= 0)
		return 2;
	must(ptrace(PTRACE_SEIZE, pid, NULL, NULL), "PTRACE_SEIZE");
	must(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), "PTRACE_INTERRUPT");
	if (waitpid(pid, &status, __WALL) != pid)
		return NOT_HERE;
	must(ptrace(PTRACE_GETREGS, pid, NULL, &was), "PTRACE_GETREGS");
	if ((long)was.orig_rax < 0)
		return NOT_HERE; /* it was not waiting in a system call */
	for (int i = 3; i < argc; i++) {
		long got = attempt(pid, &was, argv[2], argv[i]);

		printf("%s %s %s\n", argv[2], argv[i], got < 0 ? strerrorname_np((int)-got) : "0");
	}
	must(ptrace(PTRACE_SETREGS, pid, NULL, &was), "PTRACE_SETREGS");
	must(ptrace(PTRACE_DETACH, pid, NULL, NULL), "PTRACE_DETACH");
	return 0;
}
#else
int main(void)
{
	return 77;
}
#endif
