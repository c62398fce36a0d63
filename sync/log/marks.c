/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How far the signatures of each log were checked. */
#include "sync/log/log_priv.h"

struct waiting {
	int64_t log;
	uint64_t done, live;
	bool appliance;
};

static struct error *jobs_of_log(struct log_store *l, const struct waiting *w,
				 struct audit_job *jobs, size_t max, size_t *n)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_HEADERS_FROM);
	uint64_t next = w->done + 1;

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
		jobs[*n].appliance = w->appliance;
		memcpy(jobs[*n].raw.b, header.p, ENTRY_HEADER);
		(*n)++;
	}
	sqlite3_reset(st);
	return NULL;
}

static uint64_t ahead_of(const struct audit_ahead *ahead, size_t n, const struct waiting *w)
{
	for (size_t i = 0; i < n; i++)
		if (ahead[i].log == w->log && ahead[i].appliance == w->appliance)
			return ahead[i].seq;
	return 0;
}

struct error *log_audit_after(struct log_store *l, bool appliance, const struct audit_ahead *ahead,
			      size_t n_ahead, struct audit_job *jobs, size_t max, size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(l->s, appliance ? LOG_UNPROVED : LOG_WAITING);
	struct error *err = NULL;
	size_t n = 0;

	while (n < max && db_next(l->db, st, &err)) {
		struct waiting w;

		w = (struct waiting){db_int(st, 0), (uint64_t)db_int(st, 1),
				     (uint64_t)db_int(st, 2), appliance};
		if (w.done < ahead_of(ahead, n_ahead, &w))
			w.done = ahead_of(ahead, n_ahead, &w);
		if (w.done >= w.live)
			continue;
		err = jobs_of_log(l, &w, jobs, max, &n);
	}
	sqlite3_reset(st);
	*ret_n = n;
	return err;
}

struct error *log_audit_next(struct log_store *l, struct audit_job *jobs, size_t max, size_t *ret_n)
{
	return log_audit_after(l, false, NULL, 0, jobs, max, ret_n);
}

struct error *log_prove_next(struct log_store *l, struct audit_job *jobs, size_t max, size_t *ret_n)
{
	return log_audit_after(l, true, NULL, 0, jobs, max, ret_n);
}

bool log_audited(struct log_store *l)
{
	int64_t waiting = 1;

	error_free(db_number(l->db, l->s, LOG_WAITING, 0, &waiting, ""));
	return waiting == 0;
}

/* --- verdicts --- */
static struct error *mark_good(struct log_store *l, int64_t log, uint64_t last, bool appliance)
{
	struct log_info info;
	uint64_t *mark = appliance ? &info.proved : &info.audited;

	TRY(log_info_by_num(l, log, &info));
	if (last > info.head)
		last = info.head;
	if (last <= *mark)
		return NULL;
	*mark = last;
	return log_save(l, &info);
}

struct error *log_audit_good(struct log_store *l, int64_t log, uint64_t last)
{
	return mark_good(l, log, last, false);
}

struct error *log_audit_bad(struct log_store *l, int64_t log, uint64_t bad)
{
	struct entry_bytes raw;
	struct log_info info;

	TRY(log_info_by_num(l, log, &info));
	if (bad > info.head || (info.ended && info.ended <= bad))
		return NULL;
	TRY(entry_header_at(l, log, bad, &raw));
	/* It proves something against its appliance only if that signed it. */
	if (!entry_verify_appliance(&raw))
		return log_cut(l, &info, bad);
	info.ended = bad;
	TRY(log_stopped(l));
	if (info.audited >= bad)
		info.audited = bad - 1;
	TRY(log_save(l, &info));
	return log_retire(l, &info.id);
}

static struct error *mark_bad(struct log_store *l, const struct audit_job *job)
{
	struct log_info info;

	if (!job->appliance)
		return log_audit_bad(l, job->log, job->seq);
	TRY(log_info_by_num(l, job->log, &info));
	return log_cut(l, &info, job->seq);
}

/* Is what was checked still what is held? One equal header makes all before it equal. */
static struct error *is_held(struct log_store *l, const struct audit_job *job, bool *ret)
{
	struct entry_bytes raw;
	struct error *err = entry_header_at(l, job->log, job->seq, &raw);

	if (error_is(err, ERR_NOT_FOUND)) {
		error_free(err);
		*ret = false;
		return NULL;
	}
	*ret = !err && memcmp(&raw, &job->raw, sizeof(raw)) == 0;
	return err;
}

/* Verdicts jobs[0…n-1] on one log. */
static struct error *log_done(struct log_store *l, const struct audit_job *jobs, const bool *ok,
			      size_t n)
{
	size_t good = 0;
	bool held;

	while (good < n && ok[good])
		good++;
	if (good) {
		TRY(is_held(l, &jobs[good - 1], &held));
		if (held)
			TRY(mark_good(l, jobs[0].log, jobs[good - 1].seq, jobs[0].appliance));
	}
	if (good == n)
		return NULL;
	TRY(is_held(l, &jobs[good], &held));
	return held ? mark_bad(l, &jobs[good]) : NULL;
}

struct error *log_audit_done(struct log_store *l, const struct audit_job *jobs, const bool *ok,
			     size_t n)
{
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && jobs[end].log == jobs[i].log;)
			end++;
		TRY(log_done(l, jobs + i, ok + i, end - i));
	}
	return NULL;
}
