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
 *  2. Topics whose newest claim (`active`) is within the bound have rank = active. Only the others
 *     are looked at again, all of them, whenever posts of the space came or went.
 */
#include "appliance/forum/forum_priv.h"

enum { SLACK_MS = 7 * 24 * 3600 * 1000 };

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

struct error *order_settle(struct conn *c, const struct hash *space)
{
	struct db_stmts *s = conn_view(c, &forum_feature);
	int64_t said, bound, before;

	TRY(number(c, BOUND_FIND, space, INT64_MAX, &said));
	TRY(number(c, BOUND_GET, space, INT64_MAX, &before));
	bound = said > INT64_MAX - SLACK_MS ? INT64_MAX : said + SLACK_MS;
	if (bound != before)
		TRY(db_do(c->view, s, BOUND_SET, "ki", space, bound));
	return db_do(c->view, s, TOPIC_RANK, "kii", space, bound, bound < before ? bound : before);
}
