/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/tally.h"

void tally_release(struct wire_tally *t)
{
	buf_release(&t->spaces);
	buf_release(&t->notes);
}

size_t tally_spaces(const struct wire_tally *t)
{
	return t->spaces.n / sizeof(struct tally_space);
}

struct tally_space *tally_at(struct wire_tally *t, size_t i)
{
	return (struct tally_space *)(void *)t->spaces.p + i;
}

struct tally_space *tally_space(struct wire_tally *t, const struct hash *space)
{
	struct tally_space row = {.space = *space};
	size_t n = tally_spaces(t);

	for (size_t i = 0; i < n; i++)
		if (hash_eq(&tally_at(t, i)->space, space))
			return tally_at(t, i);
	if (n >= LIMIT_SPACES)
		return NULL;
	buf_add(&t->spaces, &row, sizeof(row));
	return tally_at(t, n);
}

void tally_sent(struct wire_tally *t, const struct hash *space, uint64_t entries, unsigned forks)
{
	struct tally_space *row = t ? tally_space(t, space) : NULL;

	if (!row)
		return;
	row->denied = false;
	row->sent += entries;
	row->forks_sent += forks;
}

void tally_came(struct wire_tally *t, const struct frame *f)
{
	bool fork = f->type == FRAME_FORK;
	struct log_id id = fork ? entry_log(&f->fork.a) : *f->entries.id;
	struct tally_space *row = t ? tally_space(t, &id.space) : NULL;

	if (!row)
		return;
	row->came += fork ? 0 : f->entries.n;
	row->forks_came += fork;
}

/* An offer of a space that the other does not follow or may not know of, which is no refusal. */
static bool is_offer_left(const struct log_id *id, enum error_code why)
{
	return why == ERR_DENIED && pubkey_is_zero(&id->appliance);
}

void tally_note(struct wire_tally *t, const struct log_id *id, enum error_code why, bool theirs)
{
	struct tally_note note = {*id, why, theirs};
	size_t n = t ? t->notes.n / sizeof(note) : 0;

	if (is_offer_left(id, why)) {
		for (size_t i = 0; t && theirs && i < tally_spaces(t); i++)
			if (hash_eq(&tally_at(t, i)->space, &id->space))
				tally_at(t, i)->denied = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct tally_note *old = (const struct tally_note *)(void *)t->notes.p + i;

		if (old->why == why && old->theirs == theirs && log_id_cmp(&old->id, id) == 0)
			return;
	}
	if (t && n < TALLY_NOTES)
		buf_add(&t->notes, &note, sizeof(note));
}

void tally_digests(struct wire_tally *t, const struct space_digest *ours,
		   const struct space_digest *theirs)
{
	const struct space_digest *one = ours ? ours : theirs;
	struct tally_space *row = t ? tally_space(t, &one->space) : NULL;

	if (!row)
		return;
	row->weighed = true;
	if (ours)
		row->ours = *ours;
	if (theirs)
		row->theirs = *theirs;
}
