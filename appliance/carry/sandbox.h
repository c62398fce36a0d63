/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Walls around a process that reads foreign bytes: what it has open it keeps, and gets nothing
 * more. For the short-lived helper (sieve.h) only; there is no way back.
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

/* Close every descriptor above 2, leave root's identity behind, and raise the walls. Nothing else
 * may run in the process. Under a sanitizer only what the sanitizer survives. */
struct walls sandbox_enter(void);

/* For a daemon that goes on: from now on this process, its threads to come and what it starts
 * write, make and remove only below these folders (those that are there); reading stays as it was.
 * Before any other thread. false: the kernel has no Landlock, or nothing was raised. */
bool sandbox_write_only(const char *const *dirs, size_t n);
