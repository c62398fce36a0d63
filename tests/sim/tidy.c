/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Erasing, and saying that it is done. */
#include "tests/sim/world.h"
#include "appliance/erased/erased.h"
#include "appliance/search/search.h"

static struct error *acknowledge(struct conn *c)
{
	static const struct erased_settled nothing_else;
	struct hash after = {{0}};
	struct error *err;
	bool wait;

	TRY(conn_begin(c));
	do
		err = erased_acknowledge(c, &nothing_else, &after, &wait);
	while (!err && !hash_is_zero(&after));
	if (!err)
		err = conn_commit(c);
	if (err)
		conn_rollback(c);
	return err;
}

/* A view that a full disk keeps from being written stays behind the log, and nothing says so: the
 * writer tries again later, and so does this. */
static struct error *tidy(struct conn *c, const struct disk *d)
{
	while (conn_is_behind(c) && !disk_facts(d).failed)
		TRY(conn_follow(c));
	TRY(search_catch_up(c));
	TRY(conn_scrub(c));
	return acknowledge(c);
}

struct looking {
	struct pubkey self;
	bool said, erased;
};

static struct error *see_self(void *ctx, const struct erased_at *at)
{
	struct looking *k = ctx;

	k->said |= pubkey_eq(&at->box, &k->self);
	return NULL;
}

static struct error *see_erased(void *ctx, const struct stored *e)
{
	((struct looking *)ctx)->erased |= e->state == PAYLOAD_ERASED;
	return NULL;
}

/* An op whose bytes the box says it let go of, and which is erased now: it may come back when it
 * turns out that nobody was allowed to erase it; or with an old backup, and then, or when another box
 * with the same key said it, this one still owes it. */
static bool is_gone(struct world *w, int box, const struct sim_op *op)
{
	struct conn *c = w->s.box[box].c;
	struct looking k = {.self = *conn_self(c)};
	bool owed = false;

	NEED(&w->s, log_op(c->log, &op->id, see_erased, &k));
	if (k.erased)
		NEED(&w->s, log_is_owed(c->log, &op->id, &owed));
	if (k.erased && !owed)
		NEED(&w->s, erased_where(c, &op->id, see_self, &k));
	return k.erased && k.said;
}

static void look_raw(struct world *w, int box, const struct sim_op *op)
{
	char text[40], where[40];

	snprintf(text, sizeof(text), SIM_CANARY " %06d", op->word);
	w->tally.gone++;
	if (!disk_holds(w->at[box].disk, span_str(text), where))
		return;
	sim_say(&w->s, "box %d said that %s is gone, and \"%s\" stands in %s", box,
		ID_SHORT(&op->id), text, where);
	sim_die(&w->s, "bytes that were said to be gone", NULL, __FILE__, __LINE__);
}

static void look(struct world *w, int box, bool all)
{
	struct site *p = &w->at[box];

	if (!w->erases || p->honesty != DISK_HONEST || p->hostile)
		return;
	if (!p->said_gone)
		p->said_gone = calloc(SIM_IDS, 1);
	for (int i = 0; i < w->s.ops_n; i++) {
		const struct sim_op *op = &w->s.ops[i];

		if (!op->word || (p->said_gone[i] && !all) || !is_gone(w, box, op))
			continue;
		p->said_gone[i] = 1;
		look_raw(w, box, op);
	}
}

void tidy_check(struct world *w, int box)
{
	look(w, box, true);
}

bool world_tidy(struct world *w, int box)
{
	struct error *err;

	if (!w->erases)
		return true;
	world_clock(w, box);
	err = tidy(w->s.box[box].c, w->at[box].disk);
	if (error_is(err, ERR_BUSY)) { /* the view is behind: again, when there is room */
		error_free(err);
		return true;
	}
	if (err) {
		world_disk_failed(&w->s, box, err);
		return false;
	}
	look(w, box, false);
	return true;
}
