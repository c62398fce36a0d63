/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/community/writer.h"
#include "appliance/ballast.h"
#include "sync/base/cond.h"
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <sys/statvfs.h>
#include <stdatomic.h>

struct job {
	write_fn *fn;
	void *arg;
	struct error *err;
	enum job_kind { JOB_SMALL, JOB_LARGE, JOB_OUTSIDE } kind;
	bool done;
	struct job *next;
};

struct writer {
	struct conn *conn;
	char *dir;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more, answered;
	struct job *first, **last; /* waiting */
	bool stop;
	void (*on_commit)(void *ctx);
	void *on_commit_ctx;
	_Atomic uint64_t generation;
	/* By the monotonic clock, in ms: since when something waits to be done, 0: nothing does;
	 * when the next piece of it may be done, and what comes before it. */
	int64_t behind_since, piece_from;
	/* Since when pieces were given up because somebody waited, one after the other, and how long the
	 * writer rests before it tries again. */
	int64_t gave_way_since, gave_way_rest;
	/* Some of the reserve was let go; when to look again whether it can be made whole. */
	_Atomic bool reserve_used, keeps_reserve;
	_Atomic int64_t reserve_at, settle_at;
	_Atomic uint64_t unused, debt; /* conn_unused, conn_debt, when they were last looked at */
};

/* What was put off (conn_is_behind) is done when nobody wrote for QUIET_MS, piece by piece. A busy
 * box does not put it off longer than BEHIND_MAX_MS, but then rests BUSY_REST times as long as each
 * piece took; a long piece is followed by a rest even when nobody writes: somebody may want to.
 * What could not be scrubbed is tried again every second.
 * A piece may take seconds, of a conversation of fifty thousand messages: it is given up when somebody
 * writes, and tried again after twice the time each time; but not longer than PATIENCE_MS. */
enum { QUIET_MS = 200, BEHIND_MAX_MS = 1500, BUSY_REST = 3, LONG_MS = 500, SCRUB_MS = 1000 };
enum { GAVE_WAY_MS = 2000, GAVE_WAY_MAX_MS = 60000, PATIENCE_MS = 600000 };

enum { GROUP_MAX = 256, PIECES_MAX = 1000 };

static struct error *run_job(struct conn *c, struct job *j, bool only)
{
	struct error *err;

	if (only)
		return j->fn(c, j->arg);
	TRY(conn_savepoint(c));
	err = j->fn(c, j->arg);
	if (!err)
		return conn_release(c);
	conn_undo(c);
	return err;
}

static void fail_all(struct job *first, struct error *take_err)
{
	for (struct job *j = first; j; j = j->next)
		error_replace(&j->err, error_copy(take_err));
	error_free(take_err);
}

/* After a commit whose outcome nobody knows, only a new start shows what is on the disk. */
static void end_process(struct error *err)
{
	fprintf(stderr, "lliure: what was written could not be made durable: %s\n",
		error_english(err));
	fflush(stderr);
	_exit(70);
}

static bool can_go_on(const struct error *err)
{
	return error_is(err, ERR_FULL) || error_is(err, ERR_BUSY) || error_is(err, ERR_NOMEM);
}

static void tell(struct writer *w)
{
	if (!conn_changed(w->conn))
		return;
	atomic_store(&w->generation, community_generation(w->conn));
	if (w->on_commit)
		w->on_commit(w->on_commit_ctx);
}

/* Readers or a full disk may keep it from being scrubbed: then it is tried again. */
static void scrub(struct writer *w)
{
	struct error *err = conn_scrub(w->conn);

	if (err && !can_go_on(err))
		end_process(err);
	error_free(err);
}

/* What an older program left is wiped in quiet moments: what fails is tried again. */
static void sweep(struct writer *w)
{
	struct error *err = conn_sweep(w->conn);

	if (err && !can_go_on(err))
		end_process(err);
	error_free(err);
}

/* A disk that does not say it has enough. */
static uint64_t free_on_disk(const struct writer *w)
{
	struct statvfs fs;

	return statvfs(w->dir, &fs) ? UINT64_MAX / 2 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* What the files will take when the write-ahead logs go into them is not there for others: a log that
 * finds no room any more can't be emptied, and keeps its own. */
static uint64_t room_on_disk(const struct writer *w)
{
	uint64_t there = free_on_disk(w), debt = atomic_load(&w->debt);

	return there > debt ? there - debt : 0;
}

static bool has_room(const struct writer *w, uint64_t room)
{
	return room_on_disk(w) >= room;
}

static void look_inside(struct writer *w)
{
	uint64_t least;

	atomic_store(&w->debt, conn_debt(w->conn, &least));
	if (!has_room(w, WRITER_ROOM))
		atomic_store(&w->unused, conn_unused(w->conn));
}

static void run_group(struct writer *w, struct job *first)
{
	bool only = !first->next;
	struct error *err;

	if (first->kind == JOB_OUTSIDE) {
		first->err = first->fn(w->conn, first->arg);
		scrub(w);
		look_inside(w);
		tell(w);
		return;
	}
	err = conn_begin(w->conn);
	if (err) {
		fail_all(first, err);
		return;
	}
	for (struct job *j = first; j; j = j->next)
		j->err = run_job(w->conn, j, only);
	if (only && first->err) {
		conn_rollback(w->conn);
		return;
	}
	err = conn_commit(w->conn);
	if (err) {
		if (!can_go_on(err))
			end_process(err);
		conn_rollback(w->conn);
		fail_all(first, err);
		return;
	}
	/* What is erased goes from the files before anybody is told that it is gone. */
	scrub(w);
	look_inside(w);
	tell(w);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool somebody_waits(void *ctx)
{
	struct writer *w = ctx;
	bool waits;

	if (w->gave_way_since && now_ms() - w->gave_way_since >= PATIENCE_MS)
		return false;
	pthread_mutex_lock(&w->lock);
	waits = w->first || w->stop;
	pthread_mutex_unlock(&w->lock);
	return waits;
}

static void note_way(struct writer *w, bool gave, int64_t now)
{
	if (!gave) {
		w->gave_way_since = w->gave_way_rest = 0;
		return;
	}
	if (!w->gave_way_since)
		w->gave_way_since = now;
	w->gave_way_rest = w->gave_way_rest ? 2 * w->gave_way_rest : GAVE_WAY_MS;
	if (w->gave_way_rest > GAVE_WAY_MAX_MS)
		w->gave_way_rest = GAVE_WAY_MAX_MS;
	w->piece_from += w->gave_way_rest;
}

/* A piece of what was put off. */
static void follow(struct writer *w, bool busy)
{
	int64_t began = now_ms(), took;
	struct error *err = conn_follow(w->conn);

	took = now_ms() - began;
	if (!err)
		tell(w);
	else if (!can_go_on(err))
		end_process(err);
	w->piece_from = began + took;
	if (busy || took > LONG_MS)
		w->piece_from += took * BUSY_REST;
	/* A disk that is full, readers in the way: the log may be written when the view can't. */
	if (err || conn_lacks(w->conn))
		w->piece_from += SCRUB_MS;
	note_way(w, error_is(err, ERR_BUSY), began + took);
	error_free(err);
	w->behind_since = conn_is_behind(w->conn) ? w->behind_since : 0;
	look_inside(w);
}

/* No moment was quiet for long. */
static void follow_at_last(struct writer *w)
{
	int64_t now = now_ms();

	if (!conn_is_behind(w->conn))
		w->behind_since = 0;
	else if (!w->behind_since)
		w->behind_since = now;
	else if (now - w->behind_since >= BEHIND_MAX_MS && now >= w->piece_from)
		follow(w, true);
	/* Pieces follow each other from the first quiet moment on. */
	if (conn_is_behind(w->conn) && w->piece_from < now + QUIET_MS)
		w->piece_from = now + QUIET_MS;
}

/* Waits for jobs; meanwhile what waits for a quiet moment is done. Called with the lock, and gives
 * it up. */
static void wait_and_tidy(struct writer *w)
{
	int64_t wait = SCRUB_MS, now = now_ms();
	struct timespec until;

	if (conn_is_behind(w->conn))
		wait = w->piece_from > now ? w->piece_from - now : 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait / 1000);
	until.tv_nsec += (long)(wait % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	if (wait && pthread_cond_timedwait(&w->more, &w->lock, &until) != ETIMEDOUT)
		return;
	pthread_mutex_unlock(&w->lock);
	if (conn_is_behind(w->conn))
		follow(w, false);
	else if (conn_scrub_waits(w->conn))
		scrub(w);
	else
		sweep(w);
	pthread_mutex_lock(&w->lock);
}

static bool fits(const struct job *first, const struct job *j)
{
	return j == first || (first->kind == JOB_SMALL && j->kind == JOB_SMALL);
}

/* Waits for jobs and takes those that wait; NULL: it is time to stop. Called with the lock. */
static struct job *take_group(struct writer *w)
{
	struct job *first, **end;
	int n = 0;

	while (!w->first && !w->stop) {
		if (conn_scrub_waits(w->conn) || conn_is_behind(w->conn) || conn_sweeps(w->conn))
			wait_and_tidy(w);
		else
			pthread_cond_wait(&w->more, &w->lock);
	}
	first = w->first;
	for (end = &w->first; *end && n < GROUP_MAX && fits(first, *end); end = &(*end)->next)
		n++;
	w->first = *end;
	*end = NULL;
	if (!w->first)
		w->last = &w->first;
	return first;
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	struct job *group, *next;

	pthread_mutex_lock(&w->lock);
	while ((group = take_group(w))) {
		pthread_mutex_unlock(&w->lock);
		run_group(w, group);
		pthread_mutex_lock(&w->lock);
		for (struct job *j = group; j; j = next) {
			next = j->next; /* the job is its caller's stack */
			j->done = true;
		}
		pthread_cond_broadcast(&w->answered);
		pthread_mutex_unlock(&w->lock);
		follow_at_last(w);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

struct error *writer_start(struct conn *take_conn, struct writer **ret)
{
	struct writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		abort();
	w->conn = take_conn;
	w->dir = folder_of(db_path(take_conn->local));
	w->last = &w->first;
	pthread_mutex_init(&w->lock, NULL);
	cond_init_monotonic(&w->more);
	pthread_cond_init(&w->answered, NULL);
	atomic_store(&w->generation, community_generation(take_conn));
	conn_give_way(take_conn, somebody_waits, w);
	look_inside(w);
	rc = pthread_create(&w->thread, NULL, writer_main, w);
	if (rc) {
		conn_close(take_conn);
		free(w->dir);
		free(w);
		return error_new(ERR_INTERNAL, N_("The writing thread could not be started: %s."),
				 strerror(rc));
	}
	*ret = w;
	return NULL;
}

void writer_stop(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	conn_close(w->conn);
	pthread_cond_destroy(&w->more);
	pthread_cond_destroy(&w->answered);
	pthread_mutex_destroy(&w->lock);
	free(w->dir);
	free(w);
}

static struct error *run_and_wait(struct writer *w, struct job *j)
{
	pthread_mutex_lock(&w->lock);
	if (w->stop) {
		pthread_mutex_unlock(&w->lock);
		return error_new(ERR_STOPPED, N_("The box is stopping. Try again soon."));
	}
	*w->last = j;
	w->last = &j->next;
	pthread_cond_signal(&w->more);
	while (!j->done)
		pthread_cond_wait(&w->answered, &w->lock);
	pthread_mutex_unlock(&w->lock);
	return j->err;
}

/* --- room ------------------------------------------------------------------------------------- */

/* Below WRITER_ROOM nothing more is taken in: a WAL database on a full disk can't even be opened for
 * reading. It is what the write-ahead logs of one group may grow by, with a margin. What was erased and let
 * go of leaves room inside the files, which don't get smaller: it counts, too, for what people write, while
 * the disk has the room that a small group's logs take until they are emptied. (Whole pages only: those
 * that messages shorter than a page leave half empty count when they were packed, log_pack.) What frees room
 * needs some first, and goes on below it: a volunteer's act finds ROOM_CARE, if need be in the reserve
 * (ballast.h), of which nothing is left for the others to grow into; the threads that carry such acts
 * out go on in what that leaves. Write-ahead logs are emptied first where that gains LOGS_WORTH; where
 * something else took the room that their files need for it, the reserve lends it. */
enum {
	ROOM_CARE = 2 * 1024 * 1024,
	ROOM_TIDIES = 256 * 1024,
	ROOM_LOGS = 1024 * 1024, /* of a volunteer's room, when their acts have used some of it */
	LOGS_WORTH = 512 * 1024,
	LENT_MORE = 64 * 1024, /* what a file system itself may need for it */
	SETTLE_MS = 1000,
	RESERVE_LOOK_MS = 1000 /* is there room to make it whole again? */
};

static bool has_room_inside(struct writer *w)
{
	uint64_t there = room_on_disk(w);

	return there >= ROOM_LOGS && there + atomic_load(&w->unused) >= WRITER_ROOM;
}

/* Readers in the way, or no room even for that: then the logs stay. */
static struct error *settle_job(struct conn *c, void *arg)
{
	const bool *empty = arg;
	struct error *e = *empty ? conn_settle(c) : NULL;

	if (e && !can_go_on(e))
		end_process(e);
	return e;
}

/* What is unused inside the files is looked at, too. */
static void empty_logs(struct writer *w)
{
	bool empty = conn_ahead(w->conn) >= LOGS_WORTH;

	error_free(writer_run_alone(w, settle_job, &empty));
}

/* One of the three after the other: what one gives the next may need. Whether there is room then shows. */
static struct error *lend_job(struct conn *c, void *arg)
{
	struct writer *w = arg;
	uint64_t was = reserve_size(w->dir), least;
	struct error *e = settle_job(c, &(bool){true});

	while (error_is(e, ERR_FULL) && conn_debt(c, &least) &&
	       reserve_let_go(w->dir, least + LENT_MORE)) {
		uint64_t before = least;

		error_free(e);
		e = settle_job(c, &(bool){true});
		conn_debt(c, &least);
		if (least == before)
			break;
	}
	reserve_give_back(w->dir, was, ROOM_CARE);
	return e;
}

/* Before a write, when there is plenty again. */
static void mend_reserve(struct writer *w)
{
	int64_t now = now_ms();

	if (!atomic_load(&w->reserve_used) || now < atomic_load(&w->reserve_at))
		return;
	atomic_store(&w->reserve_at, now + RESERVE_LOOK_MS);
	if (reserve_take_in(w->dir))
		atomic_store(&w->reserve_used, false);
}

/* Many may be refused in a second, and each look at the logs may wait for readers, with the writer. */
static bool is_turn(struct writer *w)
{
	int64_t now = now_ms(), at = atomic_load(&w->settle_at);

	return now >= at && atomic_compare_exchange_strong(&w->settle_at, &at, now + SETTLE_MS);
}

static struct error *room_or_full(const struct writer *w, uint64_t room)
{
	ENSURE(has_room(w, room),
	       error_new(ERR_FULL,
			 N_("There is no room left on this box's disk. What was saved is safe, and"
			    " can be read. A volunteer can make room or put in a larger disk; then"
			    " send this again.")));
	return NULL;
}

static struct error *find_room(struct writer *w, uint64_t room)
{
	if (!has_room(w, room) && is_turn(w))
		empty_logs(w);
	return room_or_full(w, room);
}

/* There is one such thread of a kind: its tries are no flood, and what the last one wrote in vain is still in
 * the logs' files. */
static struct error *find_room_for_tidying(struct writer *w)
{
	if (!has_room(w, ROOM_TIDIES))
		empty_logs(w);
	return room_or_full(w, ROOM_TIDIES);
}

/* What people write has its place inside the files, too. */
static struct error *find_room_inside(struct writer *w)
{
	struct error *e;

	if (has_room(w, WRITER_ROOM))
		return NULL;
	e = find_room(w, WRITER_ROOM);
	if (!e || !has_room_inside(w))
		return e;
	error_free(e);
	return NULL;
}

static struct error *find_room_for_care(struct writer *w)
{
	struct error *e = find_room(w, ROOM_CARE);

	if (!e)
		return NULL;
	error_free(e);
	atomic_store(&w->reserve_used, atomic_load(&w->keeps_reserve));
	if (atomic_load(&w->debt))
		error_free(writer_run_alone(w, lend_job, w));
	ENSURE(reserve_let_go(w->dir, ROOM_CARE) || free_on_disk(w) >= ROOM_TIDIES,
	       error_new(ERR_FULL,
			 N_("The disk of this box is full to the last byte. What was saved is safe, and"
			    " can be read. Switch the box off and on again: it keeps a little room for"
			    " that moment. If you still can't sign in then, it needs a larger disk.")));
	return NULL;
}

void writer_keep_reserve(struct writer *w)
{
	atomic_store(&w->keeps_reserve, true);
	atomic_store(&w->reserve_used, true); /* perhaps, and it is cheap to look */
}

bool writer_has_room(struct writer *w)
{
	return !w || has_room(w, WRITER_ROOM) || has_room_inside(w);
}

struct error *writer_run(struct writer *w, write_fn *fn, void *arg)
{
	mend_reserve(w);
	TRY(find_room_inside(w));
	return run_and_wait(w, &(struct job){.fn = fn, .arg = arg});
}

struct error *writer_run_large(struct writer *w, write_fn *fn, void *arg)
{
	mend_reserve(w);
	TRY(find_room(w, WRITER_ROOM));
	return run_and_wait(w, &(struct job){.fn = fn, .arg = arg, .kind = JOB_LARGE});
}

struct error *writer_run_tidying(struct writer *w, write_fn *fn, void *arg)
{
	TRY(find_room_for_tidying(w));
	return run_and_wait(w, &(struct job){.fn = fn, .arg = arg});
}

struct error *writer_run_care(struct writer *w, write_fn *fn, void *arg)
{
	struct error *e;

	TRY(find_room_for_care(w));
	e = run_and_wait(w, &(struct job){.fn = fn, .arg = arg});
	/* What it took in the write-ahead logs is there for the next one. */
	if (!has_room(w, WRITER_ROOM))
		empty_logs(w);
	return e;
}

struct error *writer_run_alone(struct writer *w, write_fn *fn, void *arg)
{
	return run_and_wait(w, &(struct job){.fn = fn, .arg = arg, .kind = JOB_OUTSIDE});
}

struct following {
	struct writer *w;
	bool more;
};

/* Somebody waits for this, too. */
static struct error *follow_job(struct conn *c, void *arg)
{
	struct following *k = arg;
	struct error *err;

	conn_give_way(c, NULL, NULL);
	err = conn_follow(c);
	conn_give_way(c, somebody_waits, k->w);
	TRY(err);
	k->more = conn_is_behind(c) && !conn_lacks(c); /* else there is no room for the view, now */
	return NULL;
}

struct error *writer_follow(struct writer *w)
{
	struct following k = {w, true};

	for (int i = 0; k.more && i < PIECES_MAX; i++)
		TRY(writer_run_alone(w, follow_job, &k));
	return NULL;
}

void writer_on_commit(struct writer *w, void (*fn)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&w->lock);
	w->on_commit = fn;
	w->on_commit_ctx = ctx;
	pthread_mutex_unlock(&w->lock);
}

uint64_t writer_generation(struct writer *w)
{
	return w ? atomic_load(&w->generation) : 0;
}
