/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The cut of a revocation: how far each log was known in which the revoked wrote. Logs in which
 * there is nothing of theirs are left out: a cut says nothing about others, and whoever begins logs
 * by the thousand must not make the revocation too long to be written. Of still more those count in
 * which most is theirs; what lies in the others is void with the revocation.
 */
#include "appliance/community/community_priv.h"

enum { CUT_ROWS = 1250 }; /* that fit into one entry, with whatever else it says */

struct known_log {
	struct log_info info;
	int64_t theirs; /* how much in it is theirs */
};

struct collecting {
	const struct pubkey *appliance;
	struct buf logs; /* struct known_log */
};

static struct error *add_box_log(void *ctx, const struct log_info *info)
{
	struct collecting *k = ctx;
	struct known_log row = {*info, (int64_t)info->live};

	if (pubkey_eq(&info->id.appliance, k->appliance))
		buf_add(&k->logs, &row, sizeof(row));
	return NULL;
}

static struct error *logs_of_box(struct conn *c, const struct hash *space, const struct pubkey *key,
				 struct buf *logs)
{
	struct collecting k = {.appliance = key};
	struct error *err = log_each(c->log, space, add_box_log, &k);

	*logs = k.logs;
	return err;
}

static struct error *logs_of_person(struct conn *c, const struct hash *space,
				    const struct pubkey *key, struct buf *logs)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, LOGS_OF_AUTHOR);
	const struct space *s = space_of(c, space);
	int64_t author;
	struct error *e = NULL;

	TRY(memory_key(c, key, &author));
	db_bind(st, "ii", s ? s->num : 0, author);
	while (db_next(c->view, st, &e)) {
		struct known_log k = {.theirs = 0};

		k.info.num = db_int(st, 0);
		k.theirs = db_int(st, 1);
		buf_add(logs, &k, sizeof(k));
	}
	TRY(e);
	for (size_t at = 0; at < logs->n; at += sizeof(struct known_log)) {
		struct known_log *k = (struct known_log *)(void *)(logs->p + at);

		TRY(log_info_by_num(c->log, k->info.num, &k->info));
	}
	return NULL;
}

static int most_first(const void *a, const void *b)
{
	const struct known_log *x = a, *y = b;

	if (x->theirs != y->theirs)
		return x->theirs > y->theirs ? -1 : 1;
	return log_id_cmp(&x->info.id, &y->info.id);
}

/* How far it is taken: all that is live, or what had arrived before that time. */
static struct error *taken_of(struct conn *c, const struct log_info *info, int64_t since_ms,
			      uint64_t *ret_seq)
{
	*ret_seq = info->live;
	/* What this box wrote while another had its key, too, is its people's. */
	if (!since_ms || log_wrote(c->log, &info->id))
		return NULL;
	return log_arrived_before(c->log, info, since_ms, ret_seq);
}

/* With the hash of the header there: of two histories it says which is meant. */
static struct error *add_row(struct conn *c, const struct log_info *info, int64_t since_ms,
			     json_t *cut)
{
	char incarnation[17];
	struct hash hash;
	uint64_t seq;

	TRY(taken_of(c, info, since_ms, &seq));
	if (!seq)
		return NULL;
	TRY(log_hash_at(c->log, info->num, seq, &hash));
	snprintf(incarnation, sizeof(incarnation), "%016llx",
		 (unsigned long long)info->id.incarnation);
	json_array_append_new(cut, json_pack("{s:s, s:s, s:I, s:s}", "appliance",
					     ID(&info->id.appliance), "incarnation", incarnation,
					     "seq", (json_int_t)seq, "hash", ID(&hash)));
	return NULL;
}

struct error *cut_json(struct conn *c, const struct hash *space, const struct pubkey *key,
		       bool person, int64_t since_ms, json_t **ret)
{
	_cleanup_(buf_release) struct buf logs = {0};
	const struct known_log *rows;
	struct error *err = NULL;
	json_t *cut;
	size_t n;

	TRY(person ? logs_of_person(c, space, key, &logs) : logs_of_box(c, space, key, &logs));
	n = logs.n / sizeof(*rows);
	if (n)
		qsort(logs.p, n, sizeof(*rows), most_first);
	rows = (const struct known_log *)(const void *)logs.p;
	cut = json_array();
	for (size_t i = 0; i < n && i < CUT_ROWS && !err; i++)
		err = add_row(c, &rows[i].info, since_ms, cut);
	if (err)
		json_decref(cut);
	else
		*ret = cut;
	return err;
}

struct error *community_cut_off(struct conn *c, const struct hash *space, const struct pubkey *key,
				int64_t since_ms, uint64_t *ret_n)
{
	_cleanup_(buf_release) struct buf logs = {0};
	const struct known_log *rows;
	uint64_t n = 0, seq;

	TRY(logs_of_box(c, space, key, &logs));
	rows = (const struct known_log *)(const void *)logs.p;
	for (size_t i = 0; i < logs.n / sizeof(*rows); i++) {
		TRY(taken_of(c, &rows[i].info, since_ms, &seq));
		n += rows[i].info.live - seq;
	}
	*ret_n = n;
	return NULL;
}
