/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Walls around a process, by Landlock and seccomp: around the short-lived helper that reads foreign
 * bytes (sieve.h), and around the daemon.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Which walls stand. Each is tried; a kernel or container that has not one leaves the others. */
struct walls {
	bool limits;	   /* memory, files, processor time: setrlimit */
	bool no_new_privs; /* nothing that it runs gets more than it has */
	bool landlock;	   /* no path can be opened, made or removed */
	bool seccomp; /* system calls: reading and writing what is open, memory, the clock, the end
		       */
	bool broken;  /* one that this kernel has could not be raised: nothing foreign is read */
};

/* For the helper: what it has open it keeps, and gets nothing more. Closes every descriptor above 2,
 * leaves root's identity behind, and raises the walls; there is no way back. Nothing else
 * may run in the process. Under a sanitizer only what the sanitizer survives. */
struct walls sandbox_enter(void);

/* For a daemon that goes on: its threads to come and what it starts are held as well. Before any other
 * thread; there is no way back.
 *
 * Landlock: it reads only below `read`, reads, makes, writes and removes only below `write` (those of
 * both that are there), and the kernel runs nothing for it but its own program (and the loader, which
 * loads what may be read: behind the same walls). NULL: no wall of paths. seccomp: what only
 * an intruder would ask of the kernel is refused (another process's memory, mounts, modules, keys, the
 * machine's clock and name). */
struct sandbox_paths {
	const char *const *read, *const *write; /* each ends with NULL */
};
struct walls sandbox_daemon(const struct sandbox_paths *paths);
