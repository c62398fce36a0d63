/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The three databases as one: transactions, parts of them, and scrubbing. */
#include "appliance/community/community_priv.h"
#include <limits.h>
#include <sys/stat.h>

/* A view that is being made beside another is one transaction from its beginning to its end: a page
 * of its indices that many entries fall on is written once and not with each part. */
static bool view_stays_open(const struct conn *c)
{
	return c->community->beside;
}

struct error *conn_begin(struct conn *c)
{
	struct error *err = log_begin(c->log);

	c->community->touched = c->community->part_touched = c->community->changed = false;
	if (!err && !(view_stays_open(c) && db_in_transaction(c->view)))
		err = db_begin(c->view);
	if (!err)
		err = db_begin(c->local);
	if (err)
		conn_rollback(c);
	return err;
}

/* The log is durable: what could not follow it is caught up later. */
static void forget_view(struct conn *c)
{
	db_rollback(c->view);
	memory_drop(c);
	c->community->behind = true;
}

/* The log has it and is told to everybody; what belongs to it here (a session, a person's sealed key, that a
 * post no longer waits) is not written. No answer would be true: neither "done" nor "try again". */
static struct error *torn(struct conn *c, struct error *take_err)
{
	struct error *e = error_new(ERR_IO, N_("The disk failed under the database %s (%s)."),
				    db_path(c->local), error_english(take_err));

	error_free(take_err);
	return e;
}

/* What is in the log is done: whoever was told that there is no room would send it again, and it would be
 * there twice. So what is this box's own has its room before the log commits. */
struct error *conn_commit(struct conn *c)
{
	struct error *err;

	TRY(db_ready(c->local));
	TRY(log_commit(c->log));
	err = db_commit(c->local);
	if (err) {
		db_rollback(c->local);
		forget_view(c);
		return torn(c, err);
	}
	err = view_stays_open(c) ? NULL : db_commit(c->view);
	if (err)
		forget_view(c);
	error_free(err);
	c->community->touched = c->community->part_touched = false;
	return NULL;
}

void conn_rollback(struct conn *c)
{
	if (c->community->touched)
		memory_drop(c);
	/* What waits to be scrubbed may be of a transaction before this one. */
	c->community->touched = c->community->part_touched = false;
	log_rollback(c->log);
	db_rollback(c->view);
	db_rollback(c->local);
}

struct error *conn_savepoint(struct conn *c)
{
	c->community->part_touched = false;
	TRY(log_savepoint(c->log));
	TRY(db_savepoint(c->view));
	return db_savepoint(c->local);
}

struct error *conn_release(struct conn *c)
{
	TRY(log_release(c->log));
	TRY(db_release(c->view));
	return db_release(c->local);
}

void conn_undo(struct conn *c)
{
	if (c->community->part_touched)
		memory_drop(c);
	c->community->part_touched = false;
	log_undo(c->log);
	db_undo(c->view);
	db_undo(c->local);
}

/* What the view is durably without need not be remembered: unless it is behind, or another one is being
 * made. Where there is no room even for that, it still is. */
static struct error *forget_dropped(struct conn *c)
{
	struct hash one;
	int64_t after = 0;
	struct error *e;
	size_t n;

	TRY(log_dropped(c->log, &after, &one, 1, &n));
	if (!n || c->community->behind || c->community->next)
		return NULL;
	e = log_dropped_forget(c->log);
	if (!e)
		return log_scrub(c->log);
	if (error_is(e, ERR_FULL))
		error_replace(&e, NULL);
	return e;
}

enum { FILES = 3 };

struct filed {
	struct db *db;
	uint64_t debt;
};

static int by_debt(const void *a, const void *b)
{
	const struct filed *x = a, *y = b;

	return (x->debt > y->debt) - (x->debt < y->debt);
}

/* The three, those first whose file grows least when its log is emptied. */
static void by_debts(const struct conn *c, struct filed ret[FILES])
{
	struct db *const all[FILES] = {log_db(c->log), c->view, c->local};

	for (int i = 0; i < FILES; i++) {
		ret[i] = (struct filed){all[i], 0};
		error_free(db_debt(all[i], &ret[i].debt));
	}
	qsort(ret, FILES, sizeof(*ret), by_debt);
}

/* What one gives the next may need: one that has no room keeps no other from it. */
struct error *conn_settle(struct conn *c)
{
	struct filed files[FILES];
	struct error *first = NULL;

	by_debts(c, files);
	for (int i = 0; i < FILES; i++) {
		struct error *e = db_checkpoint(files[i].db, true);

		if (e && !error_is(e, ERR_FULL)) {
			error_free(first);
			return e;
		}
		if (!first)
			first = e;
		else
			error_free(e);
	}
	return first ? first : forget_dropped(c);
}

uint64_t conn_debt(const struct conn *c, uint64_t *ret_least)
{
	struct filed files[FILES];
	uint64_t sum = 0;

	by_debts(c, files);
	*ret_least = 0;
	for (int i = 0; i < FILES; i++) {
		sum += files[i].debt;
		if (!*ret_least)
			*ret_least = files[i].debt;
	}
	return sum;
}

uint64_t conn_unused(struct conn *c)
{
	uint64_t log = 0, view = 0;

	error_free(db_unused(log_db(c->log), &log));
	error_free(db_unused(c->view, &view));
	return log + view;
}

static uint64_t ahead_of(const char *path)
{
	char wal[PATH_MAX];
	struct stat st;

	snprintf(wal, sizeof(wal), "%s-wal", path);
	return stat(wal, &st) ? 0 : (uint64_t)st.st_size;
}

uint64_t conn_ahead(const struct conn *c)
{
	return ahead_of(db_path(log_db(c->log))) + ahead_of(c->community->view_path) +
	       ahead_of(db_path(c->local));
}

struct error *conn_scrub(struct conn *c)
{
	if (!c->community->scrub)
		return NULL;
	TRY(conn_settle(c));
	/* A view that is being made may have taken the words before they were erased: they are gone
	 * when it is ready. */
	ENSURE(!c->community->next,
	       error_new(ERR_BUSY, N_("The pages are just being made anew. Try again soon.")));
	c->community->scrub = false;
	return NULL;
}

bool conn_is_behind(const struct conn *c)
{
	return c->community->behind || c->community->untidy;
}

bool conn_lacks(const struct conn *c)
{
	return c->community->behind;
}

static struct error *follow(struct conn *c)
{
	bool behind = c->community->behind, more = true;

	TRY(conn_begin(c));
	if (behind)
		TRY(community_take_in(c));
	if (behind)
		TRY(community_without_dropped(c));
	else
		TRY(tidy_piece(c, &more));
	c->community->behind = false;
	TRY(conn_commit(c));
	c->community->untidy = more;
	return NULL;
}

struct error *conn_follow(struct conn *c)
{
	bool behind = c->community->behind;
	struct error *err;

	if (!conn_is_behind(c))
		return NULL;
	err = follow(c);
	if (err)
		conn_rollback(c);
	c->community->behind |= err && behind;
	return err;
}

/* 8 MiB. */
enum { SWEEP_PAGES = 2048 };

struct error *conn_sweep(struct conn *c)
{
	struct db *const all[FILES] = {log_db(c->log), c->view, c->local};
	bool more = false;

	for (int i = 0; i < FILES && !more; i++)
		TRY(db_sweep(all[i], SWEEP_PAGES, &more));
	c->community->swept = !more;
	return NULL;
}

struct error *conn_is_swept(struct conn *c, bool *ret)
{
	struct db *const all[FILES] = {log_db(c->log), c->view, c->local};

	*ret = true;
	for (int i = 0; i < FILES && *ret; i++)
		TRY(db_is_swept(all[i], ret));
	return NULL;
}

bool conn_sweeps(const struct conn *c)
{
	return !c->community->swept;
}

void conn_scrub_later(struct conn *c)
{
	c->community->scrub = true;
}

const struct pubkey *conn_self(const struct conn *c)
{
	return &c->community->self;
}

bool conn_scrub_waits(const struct conn *c)
{
	return c->community->scrub;
}

bool conn_changed(struct conn *c)
{
	return c->community->changed;
}

uint64_t community_generation(struct conn *c)
{
	int64_t n = 0;

	if (c->community->mode != DB_READER)
		return c->community->generation;
	error_free(meta_get(c, META_GENERATION, &n));
	return (uint64_t)n;
}
