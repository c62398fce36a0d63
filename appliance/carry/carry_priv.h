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
	RETRY_MS_WORDS = 15000,
	WEIGHED_MS = 600000,
	KEPT_MS_LARGE = 2 * 3600 * 1000, /* and no longer once a newer one is there */
	DAY_MS = 24 * 3600 * 1000,
	SLOWER_WORDS = 100, /* for so many bytes they stay fresh one ms more */
	DOWNLOADS = 2 /* of each choice: the newest, and the one before, that somebody may be fetching */
};

/* Of each choice so many bytes are written in a day, whoever asks. A large one leaves what sync needs on the
 * disk, and gives way when that is gone; small ones, mostly words, go on until people have no room. */
#define DOWNLOADS_A_DAY ((uint64_t)1 << 30)
#define DOWNLOAD_LARGE	((uint64_t)16 * 1024 * 1024)

/* A torn or damaged file gives what is whole in it: that is no failure of the taking. What this box could
 * not do (a full disk) is one, also behind a fault of the file: the news are on the stick alone. */
static inline bool carry_is_torn(const struct error *e, const struct sync_report *r)
{
	return r->cut && r->bytes_in > STREAM_MAGIC &&
	       (error_is(e, ERR_MALFORMED) || error_is(e, ERR_LIMIT) || error_is(e, ERR_VERSION));
}

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
	int64_t hidden;	 /* … and files_stamp */
	int64_t made; /* monotonic; of what did not change: when that was seen; of one that a newer one
		       * replaced: when it did */
	int64_t fetched; /* monotonic, last; 0: never */
};
struct preparing {
	char job[CARRY_ID]; /* "" none */
	bool failed;
	uint64_t about;
	bool offered, all_files;
	int64_t over; /* monotonic: when it was tried last; 0: never */
	uint64_t spent; /* of DOWNLOADS_A_DAY … */
	int64_t spent_at; /* … at this time; it comes back evenly */
};
/* One for what a volunteer asks for at the box, one for what strangers bring and take along: so no
 * stick waits for a file that comes to no end. */
struct worker {
	struct carry *c;
	bool volunteers;
	pthread_t thread;
	bool works;
};
enum { CARRY_REST_MS = 300000 };
struct carry {
	struct app *app;
	char *sticks_dir;
	struct worker workers[2];
	pthread_t watcher;
	bool watches;
	int wake[2];
	atomic_bool stop;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t moved;
	int64_t rest_ms; /* CARRY_REST_MS: for so long at the most a visitor's file rests */
	struct job jobs[CARRY_JOBS];
	uint64_t next_order;
	struct known_stick sticks[CARRY_STICKS];
	struct download downloads[CARRY_CHOICES][DOWNLOADS];
	struct preparing preparing[CARRY_CHOICES];
	int64_t weighed;    /* log_change when it was last seen what the choices would hold … */
	int64_t weighed_at; /* … and when; 0: never */
	uint64_t day_bytes;
	uint64_t day_files; /* of them, in library files */
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
/* A job that prepares is over, whatever came of it. */
void downloads_tried(struct carry *c, enum carry_choice choice, bool failed);

/* One thing that is being done, on a worker. */
struct doing {
	struct carry *c;
	struct job *job;       /* its view: only with the lock */
	struct carry_job view; /* the worker's own copy */
	struct stick_place place;
	int fd;
	struct conn *conn;
	int64_t rests_until; /* it does not rest for volunteers for longer; 0: it has not yet */
};

/* --- carry_tasks.c: without the lock --- */
struct error *task_check(struct doing *d) MUST;
struct error *task_take_stick(struct doing *d) MUST;
struct error *task_write_stick(struct doing *d) MUST;
struct error *task_take_phone(struct doing *d) MUST;
struct error *task_prepare(struct doing *d) MUST; /* carry_download.c */
