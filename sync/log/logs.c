/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading about logs: all of them, their spaces and their counts. */
#include "sync/log/log_priv.h"

static struct error *each(struct log_store *l, enum log_stmt which, const struct hash *space,
			  log_info_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, which);
	struct error *err = NULL;

	if (space)
		db_bind(st, "k", space);
	while (db_next(l->db, st, &err)) {
		struct log_info info;

		log_read_row(st, &info);
		err = fn(ctx, &info);
	}
	return err;
}

struct error *log_each(struct log_store *l, const struct hash *space, log_info_fn *fn, void *ctx)
{
	return each(l, space ? LOG_EACH_OF_SPACE : LOG_EACH, space, fn, ctx);
}

struct error *log_each_stopped(struct log_store *l, const struct hash *space, log_info_fn *fn,
			       void *ctx)
{
	return each(l, space ? LOG_STOPPED_OF_SPACE : LOG_STOPPED, space, fn, ctx);
}

struct error *log_each_listed(struct log_store *l, const struct hash *space, log_listed_fn *fn,
			      void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_EACH_LISTED);
	struct error *err = NULL;

	db_bind(st, "k", space);
	while (db_next(l->db, st, &err)) {
		struct log_info info;

		log_read_row(st, &info);
		err = fn(ctx, &info, db_int(st, 16));
	}
	return err;
}

struct error *log_spaces(struct log_store *l, struct hash *out, size_t max, size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_SPACES);
	size_t n = 0;
	struct error *e = NULL;

	while (db_next(l->db, st, &e)) {
		if (n < max)
			db_id(st, 0, &out[n++]);
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct error *log_last_arrival(struct log_store *l, int64_t *ret)
{
	return db_number(l->db, l->s, ENTRY_LAST_NUM, 0, ret, "");
}

static struct error *read_counts(struct log_store *l, sqlite3_stmt *st, struct log_counts *ret)
{
	bool row;

	TRY(db_step(l->db, st, &row));
	*ret = (struct log_counts){.logs = (uint64_t)db_int(st, 0),
				   .entries = (uint64_t)db_int(st, 1),
				   .held = (uint64_t)db_int(st, 2),
				   .missing = (uint64_t)db_int(st, 3),
				   .bytes = (uint64_t)db_int(st, 4)};
	sqlite3_reset(st);
	return NULL;
}

/* By SQLite: pages ask, and a box may hold thousands of logs. */
struct error *log_count(struct log_store *l, const struct hash *space, struct log_counts *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, space ? LOG_COUNT_OF_SPACE : LOG_COUNT);

	if (space)
		db_bind(st, "k", space);
	return read_counts(l, st, ret);
}

struct error *log_count_of(struct log_store *l, const struct hash *space,
			   const struct pubkey *appliance, struct log_counts *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, space ? LOG_COUNT_OF_WRITER : LOG_COUNT_BY);

	if (space)
		db_bind(st, "kk", space, appliance);
	else
		db_bind(st, "k", appliance);
	return read_counts(l, st, ret);
}

struct error *log_founder(struct log_store *l, const struct hash *space, struct pubkey *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_FOUNDER);
	struct pubkey key;
	bool row;

	db_bind(st, "k", space);
	TRY(db_step(l->db, st, &row));
	if (row)
		db_id(st, 0, key.b);
	sqlite3_reset(st);
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("The beginning of that space is not here.")));
	*ret = key;
	return NULL;
}

struct error *log_count_founded(struct log_store *l, const struct pubkey *appliance, int64_t *ret)
{
	return db_number(l->db, l->s, LOG_COUNT_FOUNDED, 0, ret, "k", appliance);
}

struct error *log_has_person(struct log_store *l, int64_t log, bool *ret)
{
	int64_t has;

	TRY(db_number(l->db, l->s, LOG_HAS_PERSON, 0, &has, "i", log));
	*ret = has;
	return NULL;
}
