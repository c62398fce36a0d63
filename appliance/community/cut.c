/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The cut of a revocation: how far each log was known in which the revoked wrote. Logs in which there is
 * nothing of theirs are left out: a cut says nothing about others, and whoever begins logs by the
 * thousand must not make the revocation too long to be written. Of still more those count in which
 * most is theirs; what lies in the others is void with the revocation.
 */
#include "appliance/community/community_priv.h"

enum { CUT_ROWS = 1900 }; /* that fit into one entry, with whatever else it says */

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

static json_t *row_json(const struct log_info *info)
{
	char incarnation[17];

	snprintf(incarnation, sizeof(incarnation), "%016llx",
		 (unsigned long long)info->id.incarnation);
	return json_pack("{s:s, s:s, s:I}", "appliance", ID(&info->id.appliance), "incarnation",
			 incarnation, "seq", (json_int_t)info->live);
}

struct error *cut_json(struct conn *c, const struct hash *space, const struct pubkey *key,
		       bool person, json_t **ret)
{
	_cleanup_(buf_release) struct buf logs = {0};
	const struct known_log *rows;
	json_t *cut;
	size_t n;

	TRY(person ? logs_of_person(c, space, key, &logs) : logs_of_box(c, space, key, &logs));
	n = logs.n / sizeof(*rows);
	if (n)
		qsort(logs.p, n, sizeof(*rows), most_first);
	rows = (const struct known_log *)(const void *)logs.p;
	cut = json_array();
	for (size_t i = 0; i < n && i < CUT_ROWS; i++)
		json_array_append_new(cut, row_json(&rows[i].info));
	*ret = cut;
	return NULL;
}
