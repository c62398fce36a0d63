/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading about logs: all of them, their spaces and their counts; and the marks of the audit. */
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

/* --- the audit's marks --- */
struct waiting {
	int64_t log;
	uint64_t audited, live;
};

static struct error *jobs_of_log(struct log_store *l, const struct waiting *w,
				 struct audit_job *jobs, size_t max, size_t *n)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_HEADERS_FROM);
	uint64_t next = w->audited + 1;

	db_bind(st, "iiii", w->log, (int64_t)next, (int64_t)w->live, (int64_t)(max - *n));
	for (;;) {
		struct span header;
		bool row;

		TRY(db_step(l->db, st, &row));
		if (!row)
			return NULL;
		header = db_blob(st, 1);
		/* What is damaged waits for its repair. */
		if (header.n != ENTRY_HEADER || (uint64_t)db_int(st, 0) != next)
			break;
		jobs[*n].log = w->log;
		jobs[*n].seq = next++;
		memcpy(jobs[*n].raw.b, header.p, ENTRY_HEADER);
		(*n)++;
	}
	sqlite3_reset(st);
	return NULL;
}

struct error *log_audit_next(struct log_store *l, struct audit_job *jobs, size_t max, size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_WAITING);
	size_t n = 0;

	while (n < max) {
		struct waiting w;
		struct error *err;
		bool row;

		TRY(db_step(l->db, st, &row));
		if (!row)
			break;
		w = (struct waiting){db_int(st, 0), (uint64_t)db_int(st, 1),
				     (uint64_t)db_int(st, 2)};
		err = jobs_of_log(l, &w, jobs, max, &n);
		if (err) {
			sqlite3_reset(st);
			return err;
		}
	}
	sqlite3_reset(st);
	*ret_n = n;
	return NULL;
}

struct error *log_audit_good(struct log_store *l, int64_t log, uint64_t last)
{
	struct log_info info;

	TRY(log_info_by_num(l, log, &info));
	if (last > info.head)
		last = info.head;
	if (last <= info.audited)
		return NULL;
	info.audited = last;
	return log_save(l, &info);
}

struct error *log_audit_bad(struct log_store *l, int64_t log, uint64_t bad)
{
	struct log_info info;

	TRY(log_info_by_num(l, log, &info));
	if (bad > info.head || (info.ended && info.ended <= bad))
		return NULL;
	info.ended = bad;
	if (info.audited >= bad)
		info.audited = bad - 1;
	TRY(log_save(l, &info));
	return log_retire(l, &info.id);
}

struct error *log_audit_done(struct log_store *l, const struct audit_job *jobs, const bool *ok,
			     size_t n)
{
	for (size_t i = 0; i < n;) {
		int64_t log = jobs[i].log;
		size_t good = i, end = i;

		while (good < n && jobs[good].log == log && ok[good])
			good++;
		for (end = good; end < n && jobs[end].log == log;)
			end++;
		if (good > i)
			TRY(log_audit_good(l, log, jobs[good - 1].seq));
		if (good < end)
			TRY(log_audit_bad(l, log, jobs[good].seq));
		i = end;
	}
	return NULL;
}
