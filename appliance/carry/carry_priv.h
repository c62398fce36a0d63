/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The daemon's part from the inside.
 *
 * Locks: carry.lock guards all below it; nothing that waits (a stick, the writer, a helper) is
 * called with it held. Jobs and sticks are kept in fixed tables; a job that is done gives its place
 * to a new one when all are taken, the oldest first.
 */
#pragma once
#include "appliance/carry/stick.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
	FRESH_MS_WORDS = 60000,
	FRESH_MS_FILES = 3600000, /* each may be 250 MB on a card that wears */
	KEPT_MS_DOWNLOAD = 3600 * 1000,
	DAY_MS = 24 * 3600 * 1000,
	DOWNLOADS = 2 /* of each choice: the newest, and the one before, that somebody may be fetching */
};

struct job {
	struct carry_job view;
	int fd; /* of a visitor's file; -1 */
	uint64_t order;
};
struct known_stick {
	struct stick_place place;
	struct carry_stick view;
	bool here;
};
/* A file without a name, so that it goes with the process. */
struct download {
	struct carry_download view;
	int fd;		 /* -1: none */
	uint64_t erased; /* carry_erased when it was made … */
	int64_t change;	 /* … and log_change */
	int64_t made;	 /* monotonic; of what did not change: when that was seen */
	int64_t fetched; /* monotonic, last */
};
struct preparing {
	char job[CARRY_ID]; /* "" none */
	bool failed;
	uint64_t about;
	bool offered, all_files;
};
struct carry {
	struct app *app;
	char *sticks_dir;
	pthread_t worker, watcher;
	bool works, watches;
	int wake[2];
	atomic_bool stop;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t moved;
	struct job jobs[CARRY_JOBS];
	uint64_t next_order;
	struct known_stick sticks[CARRY_STICKS];
	struct download downloads[CARRY_CHOICES][DOWNLOADS];
	struct preparing preparing[CARRY_CHOICES];
	uint64_t day_bytes;
	int64_t day_from;
};

/* --- carry_work.c --- */
struct job *job_new(struct carry *c, enum carry_kind kind); /* with the lock; NULL: all are taken */
struct known_stick *stick_find(struct carry *c, const char *id); /* with the lock; NULL */
bool job_progress(void *ctx, uint64_t done, uint64_t total);	 /* ctx: struct doing */

/* --- carry_download.c: with the lock --- */
void downloads_init(struct carry *c);
void downloads_expire(struct carry *c);
void downloads_release(struct carry *c);

/* One thing that is being done, on the worker. */
struct doing {
	struct carry *c;
	struct job *job;       /* its view: only with the lock */
	struct carry_job view; /* the worker's own copy */
	struct stick_place place;
	int fd;
	struct conn *conn;
};

/* --- carry_tasks.c: without the lock --- */
struct error *task_check(struct doing *d) MUST;
struct error *task_take_stick(struct doing *d) MUST;
struct error *task_write_stick(struct doing *d) MUST;
struct error *task_take_phone(struct doing *d) MUST;
struct error *task_prepare(struct doing *d) MUST; /* carry_download.c */
