/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The thread of files. Blobs of erased versions go: a version that leaves the view leaves the name
 * of its blob behind (file_left), in the same transaction; when the version turns out to be erased
 * and nothing else names the blob, it is removed. What leaves the view for another reason, a fork
 * perhaps, comes back, so its blob stays. What was being sent in when the box stopped, and no
 * version names, goes at the start. And while blobs are missing, other boxes are asked now and
 * then, for an exchange that finds equal heads is not made again by itself.
 */
#include "appliance/files/files_priv.h"
#include "appliance/partial/partial.h"
#include "sync/base/poked.h"
#include <stdatomic.h>

enum {
	QUIET_MS = 500,
	AGAIN_MS = 2000,
	ASK_FIRST_MS = 60 * 1000,
	ASK_LAST_MS = 3600 * 1000,
	LOOKED_AT_ONCE = 1000,
	LEFT_MS = 24 * 3600 * 1000, /* a transfer that ran meanwhile may bring it back until then */
};

struct files_thread {
	struct app *app;
	struct conn *conn;
	struct poked poked;
	bool waits;		   /* under its lock: something can't go yet */
	_Atomic bool news;	   /* something was committed since it was looked at */
	int64_t ask_at, ask_every; /* monotonic */
	int64_t carried_erased, carried_last;
	int64_t carried_at; /* when all carried blobs are to be looked through again */
	bool carried_busy;  /* one of them was in use */
	bool told_wrongly;  /* told carriers in vain: no more in this run */
	int64_t sent_last;  /* what was noted up to here was broken off; 0: all done */
};

/* --- what goes -------------------------------------------------------------------------------- */

struct clearing {
	struct files_thread *t;
	struct buf gone, forgotten; /* struct left_blob */
	bool waits;
};

static struct error *clear_one(void *ctx, const struct left_blob *l)
{
	struct clearing *k = ctx;
	struct conn *c = k->t->conn;
	int64_t now = env_now(c->env);
	struct left_blob went = *l;
	bool erased, needed;
	struct error *e;

	TRY(blob_is_needed(c, &l->blob, &needed));
	TRY(file_op_erased(c, &l->op, &erased));
	if (needed || !erased) {
		/* It came back into the view, or something else has the same content. */
		if (needed)
			buf_add(&k->forgotten, l, sizeof(*l));
		return NULL;
	}
	e = blob_erase(k->t->app->blobs, &l->blob);
	k->waits |= e != NULL;
	went.gone_ms = now;
	if (!e && !l->gone_ms)
		buf_add(&k->gone, &went, sizeof(went));
	else if (!e && (now - l->gone_ms > LEFT_MS || now < l->gone_ms))
		buf_add(&k->forgotten, l, sizeof(*l));
	error_free(e);
	return NULL;
}

static struct error *note_job(struct conn *c, void *arg)
{
	struct clearing *k = arg;
	const struct left_blob *gone = (const struct left_blob *)(void *)k->gone.p;
	const struct left_blob *forgotten = (const struct left_blob *)(void *)k->forgotten.p;

	for (size_t i = 0; i < k->gone.n / sizeof(*gone); i++)
		TRY(left_is_gone(c, &gone[i]));
	for (size_t i = 0; i < k->forgotten.n / sizeof(*forgotten); i++)
		TRY(left_forget(c, &forgotten[i]));
	return NULL;
}

/* The writer is waited for: what it has committed to local.db is in the view, too. */
static struct error *barrier_job(struct conn *c, void *arg)
{
	*(bool *)arg = conn_is_behind(c);
	return NULL;
}

static struct error *clear_erased(struct files_thread *t, bool *ret_waits)
{
	struct clearing k = {.t = t};
	struct error *e;

	e = left_each(t->conn, clear_one, &k);
	if (!e && k.gone.n + k.forgotten.n)
		e = writer_run_tidying(t->app->writer, note_job, &k);
	buf_release(&k.gone);
	buf_release(&k.forgotten);
	*ret_waits = k.waits;
	return e;
}

/* --- what was broken off ---------------------------------------------------------------------- */

static struct error *sent_job(struct conn *c, void *arg)
{
	struct files_thread *t = arg;

	if (conn_is_behind(c))
		return NULL;
	TRY(sent_clear(c, t->app->blobs, t->sent_last));
	t->sent_last = 0;
	return NULL;
}

/* Sent in when the box stopped: named by an op that is in the log, or never. Once a run, for what
 * is sent in from now on is tidied up by who took it. */
static struct error *clear_sent(struct files_thread *t, bool *io_waits)
{
	if (!t->sent_last)
		return NULL;
	TRY(writer_run_tidying(t->app->writer, sent_job, t));
	*io_waits |= t->sent_last != 0;
	return NULL;
}

/* --- what is carried for others --------------------------------------------------------------- */

static struct error *tell_job(struct conn *c, void *arg)
{
	(void)arg;
	return conn_is_behind(c) ? NULL : carried_tell(c);
}

static struct error *tell(struct files_thread *t)
{
	bool owes = false;
	struct error *e;

	if (!t->told_wrongly)
		TRY(carried_owes(t->conn, &owes));
	if (!owes)
		return NULL;
	e = writer_run(t->app->writer, tell_job, t);
	t->told_wrongly |= error_is(e, ERR_INTERNAL);
	return e;
}

/* It goes when what needs it was erased, or newer ones took its room, unless something else needs
 * it.
 */
static struct error *clear_carried_one(struct files_thread *t, const struct carried_blob *k)
{
	bool goes = k->stage != CARRIED_KEPT, needed;

	if (!goes)
		TRY(file_op_erased(t->conn, &k->op, &goes));
	if (!goes)
		return NULL;
	if (!blob_has(t->app->blobs, &k->blob, NULL) && !blob_part(t->app->blobs, &k->blob))
		return NULL;
	TRY(blob_is_needed(t->conn, &k->blob, &needed));
	return needed ? NULL : blob_erase(t->app->blobs, &k->blob);
}

static struct error *looked_job(struct conn *c, void *arg)
{
	const struct buf *seen = arg;
	const struct carried_blob *k = (const struct carried_blob *)(void *)seen->p;

	for (size_t i = 0; i < seen->n / sizeof(*k); i++)
		TRY(carried_looked(c, &k[i]));
	return NULL;
}

/* Those of a stage. What was pushed out goes on to the next one, so that no row is looked at for
 * ever; a blob that is in use keeps its row where it is. */
static struct error *look_through(struct files_thread *t, enum carried_stage stage, int64_t after,
				  struct buf *seen, bool *io_busy)
{
	struct carried_blob k = {.num = after};

	do {
		struct error *e = NULL;

		TRY(carried_row_after(t->conn, stage, k.num, &k));
		if (k.num)
			e = clear_carried_one(t, &k);
		*io_busy |= error_is(e, ERR_BUSY);
		if (error_is(e, ERR_BUSY))
			error_replace(&e, NULL);
		else if (k.num && stage != CARRIED_KEPT)
			buf_add(seen, &k, sizeof(k));
		TRY(e);
		if (seen->n >= (k.num ? LOOKED_AT_ONCE * sizeof(k) : 1)) {
			TRY(writer_run_tidying(t->app->writer, looked_job, seen));
			buf_clear(seen);
		}
	} while (k.num);
	return NULL;
}

/* Only when something may have changed: what was erased may be anybody's, what came in is at the
 * end. And every hour, for a transfer that ran meanwhile; the last stage first, so that an hour is
 * between two. */
static struct error *clear_carried(struct files_thread *t, bool *io_waits)
{
	_cleanup_(buf_release) struct buf seen = {0};
	int64_t erased, last, now = env_mono(t->app->env);
	bool hourly = now >= t->carried_at, all, busy = false;

	TRY(erased_count(t->conn, &erased));
	TRY(carried_last(t->conn, &last));
	all = hourly || t->carried_busy || erased != t->carried_erased;
	if (!all && last == t->carried_last)
		return NULL;
	if (hourly) {
		TRY(look_through(t, CARRIED_AGAIN, 0, &seen, &busy));
		TRY(look_through(t, CARRIED_SEEN, 0, &seen, &busy));
	}
	TRY(look_through(t, CARRIED_OUT, 0, &seen, &busy));
	TRY(look_through(t, CARRIED_KEPT, all || last < t->carried_last ? 0 : t->carried_last,
			 &seen, &busy));
	t->carried_erased = erased;
	t->carried_last = last;
	t->carried_busy = busy;
	*io_waits |= busy;
	if (hourly)
		t->carried_at = now + ASK_LAST_MS;
	return NULL;
}

/* Neither changes unless something is committed, or an hour passes. */
static struct error *follow_carried(struct files_thread *t, bool *io_waits)
{
	struct error *e;

	if (!atomic_exchange(&t->news, false) && !t->carried_busy &&
	    env_mono(t->app->env) < t->carried_at)
		return NULL;
	e = clear_carried(t, io_waits);
	if (!e)
		e = tell(t);
	if (e)
		atomic_store(&t->news, true);
	return e;
}

/* --- what is missing -------------------------------------------------------------------------- */

/* More seldom each time, until something comes in from outside. */
static void ask(struct files_thread *t)
{
	struct blob_walk w = {.before = 0};
	int64_t now = env_mono(t->app->env);
	struct hash blob;
	uint64_t size;
	bool any;

	if (now < t->ask_at || !t->app->sync)
		return;
	do
		any = files_next_blob(t->conn, t->app->blobs, partial_takes, t->conn, &w, &blob,
				      &size);
	while (!any && w.more);
	if (!any) {
		t->ask_every = 0;
		t->ask_at = now + ASK_FIRST_MS;
		return;
	}
	if (t->ask_every)
		error_free(sync_now(t->app->sync, NULL, 0));
	t->ask_every = t->ask_every ? 2 * t->ask_every : ASK_FIRST_MS;
	if (t->ask_every > ASK_LAST_MS)
		t->ask_every = ASK_LAST_MS;
	t->ask_at = now + t->ask_every;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void set_waits(struct files_thread *t, bool waits)
{
	pthread_mutex_lock(&t->poked.lock);
	t->waits = waits;
	pthread_mutex_unlock(&t->poked.lock);
}

/* A view that is behind does not show all that is needed: nothing goes. */
static struct error *clear(struct files_thread *t, bool *ret_waits)
{
	TRY(writer_run_tidying(t->app->writer, barrier_job, ret_waits));
	if (*ret_waits)
		return NULL;
	TRY(clear_erased(t, ret_waits));
	TRY(clear_sent(t, ret_waits));
	return follow_carried(t, ret_waits);
}

static void look(struct files_thread *t, bool *ret_waits)
{
	struct error *e;

	*ret_waits = false;
	e = clear(t, ret_waits);
	*ret_waits |= e != NULL; /* a full disk, perhaps */
	error_free(e);
	ask(t);
}

static void *files_main(void *arg)
{
	struct files_thread *t = arg;
	bool waits = false;

	while (poked_wait(&t->poked, waits ? AGAIN_MS : ASK_FIRST_MS, QUIET_MS)) {
		look(t, &waits);
		set_waits(t, waits);
	}
	return NULL;
}

struct error *files_start(struct app *app, struct files_thread **ret)
{
	struct files_thread *t = calloc(1, sizeof(*t));
	struct error *e;

	if (!t)
		abort();
	t->app = app;
	poked_init(&t->poked, true); /* what a power cut broke off */
	atomic_init(&t->news, true);
	e = app_conn(app, &t->conn);
	if (!e)
		e = sent_last(t->conn, &t->sent_last);
	if (!e && !poked_start(&t->poked, files_main, t))
		e = error_new(ERR_NOMEM, N_("The box has run out of threads."));
	if (e) {
		files_stop(t);
		return e;
	}
	*ret = t;
	return NULL;
}

void files_poke(struct files_thread *t)
{
	if (!t)
		return;
	atomic_store(&t->news, true);
	poked_poke(&t->poked);
}

bool files_settled(struct files_thread *t)
{
	bool settled;

	if (!t)
		return true;
	pthread_mutex_lock(&t->poked.lock);
	settled = !t->poked.poked && !t->poked.busy && !t->waits;
	pthread_mutex_unlock(&t->poked.lock);
	return settled;
}

void files_stop(struct files_thread *t)
{
	if (!t)
		return;
	poked_stop(&t->poked);
	conn_close(t->conn);
	poked_free(&t->poked);
	free(t);
}
