/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/report.h"

struct refusal *report_refusal(struct sync_report *r, const struct log_id *id, uint64_t seq,
		    enum error_code why, bool by_peer)
{
	size_t kept = r->refusals < REPORT_REFUSALS ? r->refusals : REPORT_REFUSALS;
	struct refusal *row = NULL;

	for (size_t i = 0; i < kept; i++) {
		const struct refusal *old = &r->refused[i];

		if (old->why == why && old->by_peer == by_peer && log_id_cmp(&old->id, id) == 0)
			return NULL;
	}
	if (kept < REPORT_REFUSALS) {
		row = &r->refused[kept];
		*row = (struct refusal){.id = *id, .seq = seq, .why = why, .by_peer = by_peer};
	}
	r->refusals++;
	if (why == ERR_NOT_ADMITTED && !by_peer)
		r->not_admitted++;
	return row;
}

static const struct {
	enum error_code why;
	const char *ours, *theirs;
} sentences[] = {
	{ERR_NOT_ADMITTED,
	 N_("What box %s wrote was not taken: no steward has admitted it to the space yet."),
	 N_("They did not take what box %s wrote: it is not admitted to the space there yet.")},
	{ERR_FORK,
	 N_("Box %s has written two different histories. Its log is frozen before the "
	    "place where they part."),
	 N_("They froze the log of box %s: it has written two different histories.")},
	{ERR_ENDED, N_("An entry of box %s was not signed by its author. Its log ends there."),
	 N_("They ended the log of box %s: one of its entries was not signed by its author.")},
	{ERR_SIGNATURE,
	 N_("Entries that claim to come from box %s are not signed by it. They were "
	    "not taken."),
	 N_("They refused entries of box %s: the signature does not match.")},
	{ERR_CHAIN, N_("Entries of box %s do not continue what is here. They were not taken."),
	 N_("They refused entries of box %s: they do not continue what is there.")},
	{ERR_GAP, N_("Entries of box %s came with a gap. They are taken when the rest comes."),
	 N_("They miss earlier entries of box %s.")},
	{ERR_DENIED, N_("What came of box %s belongs to a space that is not followed here."),
	 N_("They do not share or follow the space in which box %s writes.")},
	{ERR_LIMIT,
	 N_("Box %s offered more than this box takes at a time. The rest can come later."),
	 N_("They take no more of box %s at this time.")},
};

const char *refusal_msgid(enum error_code why, bool by_peer)
{
	for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
		if (sentences[i].why == why)
			return by_peer ? sentences[i].theirs : sentences[i].ours;
	return by_peer ? N_("They refused what came of box %s.")
		       : N_("What came of box %s is damaged and was not taken.");
}
