/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Room: is what a peer brings taken now? Three bounds, each of which only puts off (PROTOCOL.md
 * section 11):
 *
 *  1. of who brings it: the ledger's quotas, whoever wrote it; what strangers founded has together half of
 *     them, for their keys cost nothing;
 *  2. of who wrote it, whoever brings it: logs of one appliance in one space, and in all; and when somebody
 *     else brings it, its bytes and entries in all spaces together, too. A box that takes its share of an
 *     appliance without measure and passes it on has room left at others for what is its own. Of what an
 *     appliance that is revoked now wrote behind its cut there is less, also when it brings it itself;
 *  3. of who founded it, when it begins a new space: a peer may found LIMIT_PEER_SPACES, anybody else
 *     few, and of such ones that nobody here wants only LIMIT_STRANGE_BROUGHT are here of who brought them
 *     first, for keys of founders cost nothing. So spaces of peers get through whatever else is about, and
 *     one hostile peer does not shut out the strangers of others.
 *
 * What begins a space and founds none (sync_host.founds) is not taken at all.
 *
 * A peer is to blame only for what it wrote or founded itself. All else is what it costs, and
 * neither a misdeed nor a reason to end an exchange. Any thread.
 */
#pragma once
#include "sync/peer/conduct.h"
#include "sync/peer/host.h"
#include "sync/peer/ledger.h"

struct room {
	struct ledger *ledger; /* NULL: for everything */
	const struct sync_host *host;
	const struct pubkey *self, *bringer;
	struct log_store *log; /* the calling thread's reader */
	bool carried;	       /* in a file, by whomever, and not over the network */
	bool visitor;	       /* … by a visitor */
};

enum { ROOM = LEDGER_ITEMS }; /* there is */

struct room_answer {
	int over;    /* ROOM, or what has none, as ledger_item_name names it */
	bool guilty; /* the bringer is */
	bool all;    /* nothing more of the bringer has any, in whatever space */
};
/* What a guilty bringer did. */
enum misdeed room_misdeed(int over);
/* Charges it where there is. run NULL: for a fork. */
struct room_answer room_ask(const struct room *r, const struct log_id *log,
			    const struct ingest *run, uint64_t bytes);
/* The second bound alone, for what comes another way: ROOM or LEDGER_WRITER. `times` as of
 * ledger_writer_room. */
int room_of_writer(const struct room *r, const struct log_id *log, const struct ingest *run,
		   unsigned times, uint64_t bytes);
void room_of_writer_unused(const struct room *r, const struct log_id *log,
			   const struct ingest *run, size_t logs, size_t entries, uint64_t bytes);
/* So much of what was charged was not taken. */
void room_unused(const struct room *r, const struct log_id *log, const struct ingest *run,
		 size_t entries, uint64_t bytes);
