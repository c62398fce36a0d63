/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/carry_room.h"

/* Lines of the ledger that are no peer's: nobody has such a key. */
static const struct pubkey visitors = {.b = "visitors"}, sticks = {.b = "sticks"};

static const struct pubkey *line_of(const struct carry_room *r)
{
	return r->from == CARRY_VISITOR ? &visitors : &sticks;
}

static struct error *load(struct ledger *l, struct app *a)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(a, &c));
	ledger_set_folder(l, a->dir);
	return ledger_load(l, c->local);
}

struct error *carry_room_open(struct carry_room *r)
{
	if (r->app->sync) {
		r->ledger = sync_ledger(r->app->sync);
		return NULL;
	}
	r->ledger = r->own = ledger_new(r->app->env);
	return load(r->own, r->app);
}

static struct error *save(struct sync_writing *w, void *arg)
{
	return ledger_save(arg, w->local);
}

struct error *carry_room_close(struct carry_room *r)
{
	struct error *e = NULL;

	/* one that is kept for no longer needs no ledger_saved */
	if (r->own && ledger_changed(r->own))
		e = r->host->write(r->host->ctx, save, r->own);
	ledger_free(STEAL(r->own));
	return e;
}

/* --- what it weighs --------------------------------------------------------------------------- */

static uint64_t weigh(const struct ingest *run, size_t from, size_t to)
{
	uint64_t sum = 0;

	for (size_t i = from; i < to; i++)
		sum += ENTRY_HEADER + run->payloads[i].bytes.n;
	return sum;
}

/* All of it is here: that costs nothing. */
static bool is_here(struct log_store *log, const struct ingest *run)
{
	struct log_info info;
	struct error *e = log_info_get(log, run->id, &info);
	bool here = !e && !info.missing && run->first + run->n - 1 <= info.head;

	error_free(e);
	return here;
}

static bool has_room(const struct carry_room *r, uint64_t logs, uint64_t entries, uint64_t bytes)
{
	bool visitor = r->from == CARRY_VISITOR;
	struct ledger_row row;

	ledger_get(r->ledger, line_of(r), &row);
	return row.today.n[LEDGER_BYTES] + bytes <=
		       (visitor ? (uint64_t)LIMIT_VISITORS_DAY_BYTES : LIMIT_PEER_DAY_BYTES) &&
	       row.today.n[LEDGER_ENTRIES] + entries <=
		       (uint64_t)(visitor ? LIMIT_VISITORS_DAY_ENTRIES : LIMIT_PEER_DAY_ENTRIES) &&
	       (!logs ||
		row.today.n[LEDGER_LOGS] + logs <=
			(uint64_t)(visitor ? LIMIT_VISITORS_DAY_LOGS : LIMIT_PEER_DAY_LOGS));
}

static struct room room_of(const struct carry_room *r, struct log_store *log)
{
	return (struct room){.ledger = r->ledger,
			     .host = r->host,
			     .self = secret_pubkey(r->app->self),
			     .bringer = line_of(r),
			     .log = log,
			     .carried = true,
			     .visitor = r->from == CARRY_VISITOR};
}

bool carry_room_ask(struct carry_room *r, struct log_store *log, struct intake *in)
{
	const struct ingest *run = &in->frame->entries;
	unsigned times = r->from == CARRY_VISITOR;
	struct room room = room_of(r, log);
	uint64_t bytes, first;

	r->charged = false;
	if (in->frame->type != FRAME_ENTRIES || is_here(log, run))
		return true;
	bytes = weigh(run, 0, run->n);
	first = ledger_first(log, run);
	in->refused = ledger_disk_is_full(r->ledger) ? ERR_FULL : ERR_LIMIT;
	if (in->refused == ERR_FULL || !has_room(r, first == 1, run->n, bytes) ||
	    room_of_writer(&room, run->id, run, times, bytes) != ROOM)
		return false;
	in->refused = ERR_NONE;
	r->charged = true;
	return true;
}

void carry_room_settle(struct carry_room *r, struct log_store *log, const struct intake *in)
{
	const struct ingest *run = &in->frame->entries;
	const struct ingest_result *n = &in->result;
	size_t end = n->known + n->added, from = n->filled ? 0 : n->known;
	struct room room = room_of(r, log);
	uint64_t unused;

	if (in->frame->type != FRAME_ENTRIES || !r->charged)
		return;
	unused = weigh(run, 0, from) + weigh(run, end, run->n);
	room_of_writer_unused(&room, run->id, run, ledger_unbegun(log, run, from + run->n - end),
			      from + run->n - end, unused);
	if (end <= from)
		return;
	ledger_charge(r->ledger, line_of(r), LEDGER_BYTES, weigh(run, from, end));
	ledger_charge(r->ledger, line_of(r), LEDGER_ENTRIES, end - from);
	ledger_charge(r->ledger, line_of(r), LEDGER_LOGS, run->first == 1 && n->added);
}
