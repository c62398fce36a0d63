/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/room.h"
#include "sync/base/limits.h"

enum { OWN_PART = 4 }; /* so much of what a peer brought makes its quotas its own fault */

/* What can't be read has no room: it is offered again. */
static bool is_true(struct error *take_err, bool that)
{
	bool ok = !take_err && that;

	error_free(take_err);
	return ok;
}

static bool begins_space(const struct room *r, const struct ingest *run)
{
	struct hash zero = {{0}};
	struct entry first;

	if (!run || run->first != 1 || !r->log || log_holds_space(r->log, &run->id->space))
		return false;
	entry_decode(&run->headers[0], &first);
	return hash_eq(&first.space, &zero);
}

/* --- new spaces --- */
static bool is_peer(const struct room *r, const struct pubkey *key)
{
	return pubkey_eq(key, r->self) || pubkey_eq(key, r->bringer) ||
	       (r->host->is_peer && r->host->is_peer(r->host->ctx, key));
}

static bool has_place(const struct room *r, size_t most)
{
	struct hash spaces[LIMIT_SPACES];
	size_t n = 0;
	struct error *err = log_spaces(r->log, spaces, LIMIT_SPACES, &n);

	return is_true(err, n < most);
}

/* The first few of a peer find a place whatever else is here. */
static bool peer_may_found(const struct room *r, uint64_t founded, unsigned times)
{
	if (times && founded >= (uint64_t)LIMIT_PEER_SPACES * times)
		return false;
	return has_place(r, founded < LIMIT_STRANGER_SPACES ? LIMIT_SPACES_FEW : LIMIT_SPACES_MANY);
}

/* Where those of strangers that nobody here wants take all places, the host may have one give way, for the
 * next exchange. */
static bool stranger_may_found(const struct room *r, uint64_t founded)
{
	struct hash spaces[LIMIT_SPACES];
	size_t n = 0;

	if (founded >= LIMIT_STRANGER_SPACES ||
	    ledger_left(r->ledger, r->bringer, LEDGER_SPACES) == 0 ||
	    !is_true(log_spaces(r->log, spaces, LIMIT_SPACES, &n), true))
		return false;
	if (n < LIMIT_SPACES_STRANGE &&
	    ledger_brought_by(r->ledger, r->bringer, spaces, n) < LIMIT_STRANGE_BROUGHT)
		return true;
	if (r->host->crowded)
		r->host->crowded(r->host->ctx, r->bringer);
	return false;
}

/* Where it begins a space: does it found it, and may its founder have one more here? */
static int room_of_founder(const struct room *r, const struct ingest *run)
{
	const struct pubkey *founder = &run->id->appliance;
	int64_t founded = 0;
	bool ok = !r->host->founds || r->host->founds(r->host->ctx, run);

	ok = is_true(log_count_founded(r->log, founder, &founded), ok);
	if (ok && is_peer(r, founder))
		ok = peer_may_found(r, (uint64_t)founded, ledger_times_of(r->ledger, founder));
	else if (ok)
		ok = stranger_may_found(r, (uint64_t)founded);
	return ok ? ROOM : LEDGER_FOUNDER;
}

/* --- writers --- */
static bool is_others(const struct room *r, const struct log_id *log)
{
	return !pubkey_eq(&log->appliance, r->bringer) && !pubkey_eq(&log->appliance, r->self);
}

struct room_share {
	bool logs, all, is_void;
};

/* Behind the cut of an appliance that is revoked? */
static bool is_void(const struct room *r, const struct log_id *log, const struct ingest *run)
{
	return r->log && run && !pubkey_eq(&log->appliance, r->self) &&
	       run->first + run->n - 1 > log_counts_to(r->log, log);
}

static bool fits_in_all(const struct room *r, const struct log_id *log, unsigned times, bool all,
			bool begins)
{
	const struct pubkey *writer = &log->appliance;
	struct log_counts here = {.logs = 0}, n = {.logs = 0};
	bool ok = true;

	if (!r->log || !times)
		return true;
	if (begins)
		ok = is_true(log_count_of(r->log, &log->space, writer, &here), true);
	return ok && is_true(log_count_of(r->log, NULL, writer, &n), true) &&
	       (!all || (n.bytes < LIMIT_WRITER_BYTES * times &&
			 n.entries < (uint64_t)LIMIT_WRITER_ENTRIES * times)) &&
	       (!begins || (here.logs < (uint64_t)LIMIT_WRITER_LOGS * times &&
			    n.logs < (uint64_t)LIMIT_WRITER_LOGS_ALL * times));
}

/* Of what it brings itself only the logs are bounded here: the rest is by the ledger. */
static struct room_share share_of(const struct room *r, const struct log_id *log,
				  const struct ingest *run)
{
	struct room_share s = {.is_void = r->carried && is_void(r, log, run)};

	s.logs = !pubkey_eq(&log->appliance, r->self);
	s.all = s.is_void || is_others(r, log);
	return s;
}

static struct ledger_claim claim_of(const struct room *r, const struct log_id *log,
				    const struct room_share *s)
{
	return (struct ledger_claim){.log = log, .is_void = s->is_void, .visitor = r->visitor};
}

int room_of_writer(const struct room *r, const struct log_id *log, const struct ingest *run,
		   unsigned times, uint64_t bytes)
{
	uint64_t first = ledger_first(r->log, run);
	struct room_share s = share_of(r, log, run);
	struct ledger_claim c = claim_of(r, log, &s);

	if (!s.logs || (!s.all && first != 1))
		return ROOM;
	c.times = times;
	c.begins = first == 1;
	c.entries = s.all && run ? run->n : 0;
	c.bytes = s.all ? bytes : 0;
	if (!fits_in_all(r, log, times, s.all, c.begins) || !ledger_writer_room(r->ledger, &c))
		return LEDGER_WRITER;
	return ROOM;
}

void room_of_writer_unused(const struct room *r, const struct log_id *log, const struct ingest *run,
			   size_t logs, size_t entries, uint64_t bytes)
{
	struct room_share s = share_of(r, log, run);
	struct ledger_claim c = claim_of(r, log, &s);

	if (!s.logs)
		return;
	c.begins = logs;
	c.entries = s.all ? entries : 0;
	c.bytes = s.all ? bytes : 0;
	ledger_writer_back(r->ledger, &c);
}

/* Is it in a space that somebody founded who is no peer? What can't be read is. */
static bool is_strange(const struct room *r, const struct log_id *log, bool begins)
{
	struct pubkey founder = log->appliance;

	if (!begins && r->log && !is_true(log_founder(r->log, &log->space, &founder), true))
		return true;
	return !is_peer(r, &founder);
}

static bool all_is_full(const struct room *r, int over, size_t entries, uint64_t bytes)
{
	switch (over) {
	case LEDGER_DISK:
		return true;
	case LEDGER_BYTES:
		return ledger_left(r->ledger, r->bringer, LEDGER_BYTES) < bytes;
	case LEDGER_ENTRIES:
		return ledger_left(r->ledger, r->bringer, LEDGER_ENTRIES) < entries;
	default:
		return false;
	}
}

/* Is a good part of what it brought so far its own? What it passes on fills its quotas, too. */
static bool filled_it(const struct room *r, const struct log_id *log)
{
	struct log_counts own;
	struct ledger_row row;

	ledger_get(r->ledger, r->bringer, &row);
	return is_true(log_count_of(r->log, &log->space, r->bringer, &own), true) &&
	       (own.bytes >= row.total.n[LEDGER_BYTES] / OWN_PART ||
		own.entries >= row.total.n[LEDGER_ENTRIES] / OWN_PART);
}

/* Who was revoked may not know it yet: that is no misdeed. */
static bool is_guilty(const struct room *r, int over, const struct log_id *log,
		      const struct ingest *run)
{
	if (over == ROOM || over == LEDGER_DISK || !pubkey_eq(&log->appliance, r->bringer) ||
	    is_void(r, log, run))
		return false;
	if (over == LEDGER_WRITER || over == LEDGER_FOUNDER || !r->log)
		return true;
	return over != LEDGER_LOGS && filled_it(r, log);
}

struct room_answer room_ask(const struct room *r, const struct log_id *log,
			    const struct ingest *run, uint64_t bytes)
{
	uint64_t first = r->ledger ? ledger_first(r->log, run) : 0;
	bool begins = r->ledger && begins_space(r, run);
	size_t entries = run ? run->n : 0;
	struct room_answer a = {.over = ROOM};

	if (!r->ledger)
		return a;
	if (begins)
		a.over = room_of_founder(r, run);
	if (a.over == ROOM)
		a.over = room_of_writer(r, log, run, ledger_times_of(r->ledger, r->bringer), bytes);
	if (a.over == ROOM) {
		ledger_set_strange(r->ledger, r->bringer, &log->space, is_strange(r, log, begins));
		a.over = ledger_room(r->ledger, r->bringer, log, first, entries, bytes);
		if (a.over != ROOM)
			room_of_writer_unused(r, log, run, first == 1, entries, bytes);
	}
	if (a.over == ROOM && begins) {
		bool strange = !is_peer(r, &log->appliance);

		ledger_brings(r->ledger, r->bringer, &log->space, strange);
		ledger_charge(r->ledger, r->bringer, LEDGER_SPACES, strange);
	}
	a.guilty = is_guilty(r, a.over, log, run);
	a.all = a.over != ROOM && all_is_full(r, a.over, entries, bytes);
	return a;
}

enum misdeed room_misdeed(int over)
{
	return over == LEDGER_LOGS || over == LEDGER_FOUNDER || over == LEDGER_WRITER
		       ? MISDEED_LOGS
		       : MISDEED_QUOTA;
}

void room_unused(const struct room *r, const struct log_id *log, const struct ingest *run,
		 size_t entries, uint64_t bytes)
{
	size_t logs;

	if (!r->ledger)
		return;
	logs = ledger_unbegun(r->log, run, entries);
	ledger_give_back(r->ledger, r->bringer, log, logs, entries, bytes);
	room_of_writer_unused(r, log, run, logs, entries, bytes);
}
