/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The order of lists of conversations, whatever the clocks of the boxes say (PROTOCOL.md 4.1).
 *
 * A post's date is what a box claims. What one box claims alone can pin its conversations above all
 * others for ever; so a date is believed up to a *bound*, a week beyond what a second box has
 * claimed, too. A conversation ranks by its newest believed date.
 *
 * Invariants
 *  1. `rank` is a function of the posts of the space, their dates and places in their logs: never
 *     of this box's clock, or of what came first.
 *  2. Topics whose newest claim (`active`) is within the bound have rank = active. The others are
 * looked at again, all of them, when the bound moved (by whole days), when posts went, or when a
 * log that claims more than the bound has a new one; else those alone that have a new post.
 *  3. In a large batch, as of a first sync, all of that is put off (forum_bound.put_off) to the
 * next quiet moment: order_tidy. Until then those topics rank by what is claimed, or as before.
 */
#include "appliance/forum/forum_priv.h"

enum { DAY_MS = 24 * 3600 * 1000, SLACK_MS = 7 * DAY_MS };

static struct error *number(struct conn *c, enum forum_stmt which, const struct hash *space,
			    int64_t otherwise, int64_t *ret)
{
	return db_number(c->view, conn_view(c, &forum_feature), which, otherwise, ret, "k", space);
}

struct error *order_log(struct conn *c, const struct op *op, int64_t *ret)
{
	struct db_stmts *s = conn_view(c, &forum_feature);
	int64_t num, incarnation = (int64_t)op->incarnation;

	TRY(db_number(c->view, s, LOG_NUM, 0, &num, "kki", &op->space, &op->appliance,
		      incarnation));
	if (!num)
		TRY(db_number(c->view, s, LOG_NOTE, 0, &num, "kki", &op->space, &op->appliance,
			      incarnation));
	*ret = num;
	return NULL;
}

/* Whole days: the bound seldom moves. */
static int64_t bound_of(int64_t said)
{
	int64_t day = said / DAY_MS + (said % DAY_MS > 0);

	return day > (INT64_MAX - SLACK_MS) / DAY_MS ? INT64_MAX : day * DAY_MS + SLACK_MS;
}

static struct error *rank(struct conn *c, const struct hash *space, int64_t bound, int64_t above)
{
	return db_do(c->view, conn_view(c, &forum_feature), TOPIC_RANK, "kiin", space, bound,
		     above);
}

static struct error *rank_all(struct conn *c, const struct hash *space, int64_t bound,
			      int64_t before)
{
	TRY(db_do(c->view, conn_view(c, &forum_feature), BOUND_SET, "ki", space, bound));
	return rank(c, space, bound, bound < before ? bound : before);
}

/* The newest that its logs claim is brought up to date; *ret_ahead: one of them claims too much. */
static struct error *newest_of_logs(struct conn *c, const struct order_turn *t, int64_t bound,
				    bool *ret_ahead)
{
	struct db_stmts *s = conn_view(c, &forum_feature);
	int64_t newest;

	*ret_ahead = false;
	for (size_t i = 0; i < t->logs_n; i++) {
		TRY(db_number(c->view, s, LOG_NEWEST, INT64_MIN, &newest, "i", t->logs[i]));
		*ret_ahead |= newest > bound;
	}
	return t->stale ? db_do(c->view, s, LOG_FRESH, "k", &t->space) : NULL;
}

struct error *order_settle(struct conn *c, const struct order_turn *t)
{
	struct db_stmts *s = conn_view(c, &forum_feature);
	int64_t said, bound, before, is_off;
	bool ahead, all;

	TRY(number(c, BOUND_GET, &t->space, INT64_MAX, &before));
	TRY(number(c, BOUND_IS_OFF, &t->space, 0, &is_off));
	TRY(newest_of_logs(c, t, before, &ahead));
	TRY(number(c, BOUND_FIND, &t->space, INT64_MAX, &said));
	bound = bound_of(said);
	all = ahead || t->stale || bound != before;
	if (is_off || (all && conn_hurries(c))) {
		conn_tidy_later(c);
		return db_do(c->view, s, BOUND_OFF, "ki", &t->space, before);
	}
	if (all)
		return rank_all(c, &t->space, bound, before);
	for (size_t i = 0; i < t->grown_n; i++)
		TRY(db_do(c->view, s, TOPIC_RANK, "kiii", &t->space, bound, bound, t->grown[i]));
	return NULL;
}

struct error *order_tidy(struct conn *c)
{
	struct db_stmts *s = conn_view(c, &forum_feature);

	for (;;) {
		sqlite3_stmt *st = db_stmt(s, BOUND_NEXT_OFF);
		int64_t said, before;
		struct hash space;
		bool row;

		TRY(db_step(c->view, st, &row));
		if (!row)
			return NULL;
		db_id(st, 0, &space);
		sqlite3_reset(st);
		TRY(number(c, BOUND_GET, &space, INT64_MAX, &before));
		TRY(number(c, BOUND_FIND, &space, INT64_MAX, &said));
		TRY(rank_all(c, &space, bound_of(said), before));
	}
}
