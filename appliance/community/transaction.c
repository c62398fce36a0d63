/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The three databases as one: transactions, parts of them, scrubbing, and rebuilding the view. */
#include "appliance/community/community_priv.h"

struct error *conn_begin(struct conn *c)
{
	struct error *err = log_begin(c->log);

	c->community->touched = c->community->part_touched = c->community->changed = false;
	if (!err)
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
}

struct error *conn_commit(struct conn *c)
{
	struct error *err;

	TRY(log_commit(c->log));
	err = db_commit(c->local);
	if (err) {
		db_rollback(c->local);
		forget_view(c);
		return err;
	}
	err = db_commit(c->view);
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
	c->community->touched = c->community->part_touched = c->community->scrub = false;
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

struct error *conn_scrub(struct conn *c)
{
	if (!c->community->scrub)
		return NULL;
	TRY(log_scrub(c->log));
	TRY(db_checkpoint(c->view, true));
	TRY(db_checkpoint(c->local, true));
	c->community->scrub = false;
	return NULL;
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

/* --- rebuilding --- */
/* Virtual tables first: their shadows go with them. */
static struct error *drop_tables(struct conn *c)
{
	static const char *const sql[] = {
		"SELECT group_concat('DROP TABLE IF EXISTS \"' || replace(name, '\"', '\"\"')"
		" || '\";', '') FROM (SELECT name FROM sqlite_master WHERE type = 'table'"
		" AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
		" ORDER BY sql NOT LIKE 'CREATE VIRTUAL%')"};
	_cleanup_(freep) char *script = NULL;
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(db_prepare(c->view, sql, 1, &s));
	st = db_stmt(s, 0);
	TRY(db_step(c->view, st, &row));
	script = strdup(row ? db_text(st, 0) : "");
	sqlite3_reset(st);
	return script ? db_exec(c->view, script)
		      : error_new(ERR_NOMEM, N_("The box has run out of memory. Try again soon."));
}

struct error *community_rebuild(struct conn *c)
{
	bool more;

	memory_touch(c);
	memory_drop(c);
	TRY(drop_tables(c));
	TRY(view_make(c));
	return community_catch_up(c, 0, &more);
}
