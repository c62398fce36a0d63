/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A file with pages that can't be read, as Linux gives it from a stick that fails: what is before them
 * comes, then EIO. For one test program: it replaces read(2) in it.
 */
#pragma once
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a file as large as that the bytes from `from` to before `to`, whole pages; size 0: all can be read. */
static struct {
	off_t size, from, to;
	unsigned failed; /* so often */
} dead;

static inline void pages_die(off_t size, off_t from, off_t to)
{
	dead.size = size;
	dead.from = from;
	dead.to = to;
	dead.failed = 0;
}

ssize_t read(int fd, void *p, size_t n)
{
	off_t at = dead.size ? lseek(fd, 0, SEEK_CUR) : -1;

	if (at >= 0 && lseek(fd, 0, SEEK_END) == dead.size && lseek(fd, at, SEEK_SET) == at) {
		if (at >= dead.from && at < dead.to) {
			dead.failed++;
			errno = EIO;
			return -1;
		}
		if (at < dead.from && at + (off_t)n > dead.from)
			n = (size_t)(dead.from - at);
	} else if (at >= 0) {
		lseek(fd, at, SEEK_SET);
	}
	return syscall(SYS_read, fd, p, n);
}
