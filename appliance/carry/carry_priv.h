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

enum { FRESH_MS_DOWNLOAD = 60000, DAY_MS = 24 * 3600 * 1000 };

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
	struct carry_download download;
	int download_fd;	  /* without a name, so that it goes with the process; -1 */
	uint64_t download_erased; /* carry_erased then */
	int64_t download_from;	  /* monotonic: when it was made */
	int64_t download_change;  /* log_change then */
	uint64_t day_bytes;
	int64_t day_from;
};

/* --- carry_work.c --- */
struct job *job_new(struct carry *c, enum carry_kind kind); /* with the lock; NULL: all are taken */
struct known_stick *stick_find(struct carry *c, const char *id); /* with the lock; NULL */
bool job_progress(void *ctx, uint64_t done, uint64_t total);	 /* ctx: struct doing */

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
/* How many contents were erased here, ever: what was made when there were fewer may hold some. */
struct error *carry_erased(struct log_store *log, uint64_t *ret) MUST;
struct error *task_check(struct doing *d) MUST;
struct error *task_take_stick(struct doing *d) MUST;
struct error *task_write_stick(struct doing *d) MUST;
struct error *task_take_phone(struct doing *d) MUST;
struct error *task_prepare(struct doing *d) MUST;
