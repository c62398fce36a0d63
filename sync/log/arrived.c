/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When entries arrived. Their order is in their numbers; how the numbers grew is noted by this
 * box's own clock, now and then: so it can be said what had come before a certain hour, which no
 * appliance that wrote it can make otherwise.
 */
#include "sync/log/log_priv.h"

#define MARK_EVERY_MS (15 * 60000LL)
#define MARK_KEEP_MS  (400 * 86400000LL)

static bool is_due(const struct log_store *l, int64_t now)
{
	return !l->marked_ms || now < l->marked_ms || now - l->marked_ms >= MARK_EVERY_MS;
}

/* The commit before this one is noted, too, with its own time: what came between it and a theft, and was
 * followed by a long silence, would else count as come after. */
struct error *arrived_mark(struct log_store *l)
{
	int64_t now = env_now(l->env);

	if (!l->last_num || !is_due(l, now))
		return NULL;
	if (l->unmarked_num)
		TRY(db_do(l->db, l->s, ARRIVED_SET, "ii", l->unmarked_num, l->unmarked_ms));
	TRY(db_do(l->db, l->s, ARRIVED_SET, "ii", l->last_num, now));
	return db_do(l->db, l->s, ARRIVED_FORGET, "i", now - MARK_KEEP_MS);
}

void arrived_committed(struct log_store *l)
{
	int64_t now = env_now(l->env);

	if (!l->last_num)
		return;
	if (is_due(l, now)) {
		l->marked_ms = now;
		l->unmarked_num = 0;
	} else {
		l->unmarked_num = l->last_num;
		l->unmarked_ms = now;
	}
}

/* Of what came before anything was noted only its own appliance says when: up to the first entry
 * that claims to be later. */
static struct error *claimed_before(struct log_store *l, const struct log_info *info,
				    int64_t time_ms, uint64_t *ret_seq)
{
	sqlite3_stmt *st = db_stmt(l->s, ENTRY_HEADERS_FROM);
	struct error *err = NULL;
	uint64_t seq = 0;
	bool on = true;

	db_bind(st, "iiii", info->num, (int64_t)1, (int64_t)info->live, (int64_t)info->live);
	while (on && db_next(l->db, st, &err)) {
		struct span header = db_blob(st, 1);
		struct entry_bytes raw;
		struct entry e;

		on = header.n == ENTRY_HEADER;
		if (!on)
			continue;
		memcpy(raw.b, header.p, ENTRY_HEADER);
		entry_decode(&raw, &e);
		on = e.time <= time_ms;
		if (on)
			seq = e.seq;
	}
	sqlite3_reset(st);
	*ret_seq = seq;
	return err;
}

struct error *log_arrived_before(struct log_store *l, const struct log_info *info, int64_t time_ms,
				 uint64_t *ret_seq)
{
	int64_t num, seq;

	TRY(db_number(l->db, l->s, ARRIVED_GET, -1, &num, "i", time_ms));
	if (num < 0)
		return claimed_before(l, info, time_ms, ret_seq);
	TRY(db_number(l->db, l->s, ENTRY_LAST_SEQ, 0, &seq, "ii", info->num, num));
	*ret_seq = (uint64_t)seq < info->live ? (uint64_t)seq : info->live;
	return NULL;
}
