/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/erased/erased_priv.h"
#include "appliance/search/search.h"
#include "sync/base/poked.h"

enum { QUIET_MS = 1000, AGAIN_MS = 2000 };

/* --- what is gone and was not said yet ------------------------------------------------------- */

struct gone {
	struct hash space, target;
};

/* Of what is owed to the others, as much as one round looks at. */
struct owed {
	struct conn *c;
	struct owed_op ops[ERASED_ROUND];
	struct gone rows[ERASED_ROUND];
	size_t n, n_rows;
	bool held; /* something was seen that is not gone */
};

static struct error *see_state(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->state == PAYLOAD_HELD;
	return NULL;
}

static struct error *look_at(struct owed *o, const struct owed_op *op)
{
	struct gone g = {.target = op->op};
	bool said = false, held = false;
	struct error *e = erased_space(o->c, &op->op, &g.space);

	if (!e && !op->again)
		e = done_by(o->c, &op->op, conn_self(o->c), &said);
	if (!e && !said)
		e = log_op(o->c->log, &op->op, see_state, &held);
	/* Nobody may erase it any more, or that it was never here is known. */
	if (said || error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return log_owed_drop(o->c->log, &op->op);
	}
	TRY(e);
	o->held |= held;
	if (!held)
		o->rows[o->n_rows++] = g;
	return NULL;
}

/* Of one space, as many as one op takes. */
static struct error *say(struct conn *c, const struct gone *rows, size_t n)
{
	json_t *targets = json_array();
	struct hash id;
	struct error *e;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(targets, json_string(ID(&rows[i].target)));
	e = community_submit(c,
			     &(struct draft){.type = "erase.done",
					     .space = rows[0].space,
					     .take_body = json_pack("{s:o}", "targets", targets)},
			     &id);
	/* Where this box only reads, its receipts say it: until it may write. */
	if (error_is(e, ERR_NOT_ADMITTED) || error_is(e, ERR_DENIED)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	for (size_t i = 0; i < n; i++)
		TRY(log_owed_drop(c->log, &rows[i].target));
	return NULL;
}

static int by_space(const void *a, const void *b)
{
	const struct gone *x = a, *y = b;
	int d = hash_cmp(&x->space, &y->space);

	return d ? d : hash_cmp(&x->target, &y->target);
}

static struct error *say_all(struct owed *o)
{
	size_t at = 0;

	qsort(o->rows, o->n_rows, sizeof(o->rows[0]), by_space);
	while (at < o->n_rows) {
		size_t end = at;

		while (end < o->n_rows && end - at < ERASED_TARGETS &&
		       hash_eq(&o->rows[end].space, &o->rows[at].space))
			end++;
		TRY(say(o->c, o->rows + at, end - at));
		at = end;
	}
	return NULL;
}

/* Is something of what was erased still in a file? */
static struct error *is_early(struct conn *c, const struct erased_settled *parts, bool *ret)
{
	bool swept;

	TRY(search_behind(c, ret));
	TRY(conn_is_swept(c, &swept));
	*ret |= !swept || conn_scrub_waits(c) || conn_is_behind(c) ||
		(parts->settled && !parts->settled(parts->ctx));
	return NULL;
}

static struct error *acknowledge(struct owed *o, struct hash *io_after, bool *ret_wait)
{
	TRY(log_owed(o->c->log, io_after, ERASED_ROUND, o->ops, &o->n));
	for (size_t i = 0; i < o->n; i++)
		TRY(look_at(o, &o->ops[i]));
	TRY(say_all(o));
	*ret_wait = o->held;
	*io_after = o->n == ERASED_ROUND ? o->ops[o->n - 1].op : (struct hash){{0}};
	return NULL;
}

struct error *erased_acknowledge(struct conn *c, const struct erased_settled *parts,
				 struct hash *io_after, bool *ret_wait)
{
	_cleanup_(freep) struct owed *o = NULL;

	TRY(is_early(c, parts, ret_wait));
	if (*ret_wait)
		return NULL;
	o = calloc(1, sizeof(*o));
	if (!o)
		abort();
	o->c = c;
	return acknowledge(o, io_after, ret_wait);
}

/* --- the thread ------------------------------------------------------------------------------- */

struct erased_thread {
	struct app *app;
	struct erased_settled parts;
	struct poked poked;
};

struct round {
	const struct erased_settled *parts;
	struct hash after;
	bool wait;
};

static struct error *job(struct conn *c, void *arg)
{
	struct round *r = arg;

	TRY(erased_note_receipts(c));
	return erased_acknowledge(c, r->parts, &r->after, &r->wait);
}

/* Is everything said? What fails (a full disk) is tried again. */
static bool rounds_done(struct erased_thread *t)
{
	struct round r = {.parts = &t->parts};
	bool wait = false, more = true;

	while (more) {
		struct error *e = writer_run_tidying(t->app->writer, job, &r);

		wait |= r.wait || e;
		more = !r.wait && !e && !hash_is_zero(&r.after);
		error_free(e);
	}
	return !wait;
}

static void *erased_main(void *arg)
{
	struct erased_thread *t = arg;

	while (poked_wait(&t->poked, -1, QUIET_MS))
		if (!rounds_done(t)) {
			poked_poke(&t->poked);
			poked_rest(&t->poked, AGAIN_MS);
		}
	return NULL;
}

struct error *erased_start(struct app *a, const struct erased_settled *parts,
			   struct erased_thread **ret)
{
	struct erased_thread *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->app = a;
	t->parts = *parts;
	poked_init(&t->poked, true); /* what was left when the box was last stopped */
	if (!poked_start(&t->poked, erased_main, t)) {
		erased_stop(t);
		return error_new(ERR_NOMEM, N_("The box has run out of threads."));
	}
	*ret = t;
	return NULL;
}

void erased_poke(struct erased_thread *t)
{
	if (t)
		poked_poke(&t->poked);
}

void erased_stop(struct erased_thread *t)
{
	if (!t)
		return;
	poked_stop(&t->poked);
	poked_free(&t->poked);
	free(t);
}
