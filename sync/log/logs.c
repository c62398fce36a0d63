/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading about logs: all of them, their spaces and their counts. */
#include "sync/log/log_priv.h"

struct error *log_each(struct log_store *l, const struct hash *space, log_info_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, space ? LOG_EACH_OF_SPACE : LOG_EACH);
	struct error *err = NULL;

	if (space)
		db_bind(st, "k", space);
	while (!err) {
		struct log_info info;
		bool row;

		TRY(db_step(l->db, st, &row));
		if (!row)
			return NULL;
		log_read_row(st, &info);
		err = fn(ctx, &info);
	}
	sqlite3_reset(st);
	return err;
}

struct error *log_each_listed(struct log_store *l, const struct hash *space, log_listed_fn *fn,
			      void *ctx)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_EACH_LISTED);
	struct error *err = NULL;

	db_bind(st, "k", space);
	while (!err) {
		struct log_info info;
		bool row;

		TRY(db_step(l->db, st, &row));
		if (!row)
			return NULL;
		log_read_row(st, &info);
		err = fn(ctx, &info, db_int(st, 15));
	}
	sqlite3_reset(st);
	return err;
}

struct error *log_spaces(struct log_store *l, struct hash *out, size_t max, size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_SPACES);
	size_t n = 0;
	bool row;

	for (;;) {
		TRY(db_step(l->db, st, &row));
		if (!row)
			break;
		if (n < max)
			db_id(st, 0, &out[n++]);
	}
	*ret_n = n;
	return NULL;
}

static struct error *add_counts(void *ctx, const struct log_info *i)
{
	struct log_counts *c = ctx;

	c->logs++;
	c->entries += i->live;
	c->held += i->held;
	c->missing += i->missing;
	c->bytes += i->bytes;
	return NULL;
}

struct error *log_count(struct log_store *l, const struct hash *space, struct log_counts *ret)
{
	struct log_counts c = {0};

	TRY(log_each(l, space, add_counts, &c));
	*ret = c;
	return NULL;
}
