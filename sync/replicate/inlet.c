/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/inlet.h"
#include <assert.h>

void inlet_begin(struct inlet *in, unsigned expect)
{
	stream_reader_free(in->reader);
	in->reader = stream_reader_new(expect);
	in->writing = false;
	in->in_vain = (struct in_vain){0};
	in->no_room = (struct log_id){.incarnation = 0};
	in->no_room_from = 0;
}

void inlet_release(struct inlet *in)
{
	stream_reader_free(STEAL(in->reader));
}

void inlet_feed(struct inlet *in, struct span bytes)
{
	assert(!in->writing);
	in->report->bytes_in += bytes.n;
	if (in->tally)
		in->tally->bytes_came += bytes.n;
	stream_feed(in->reader, bytes);
}

bool inlet_is_full(const struct inlet *in)
{
	return in->take_limit && in->taken > in->take_limit / 4 * 3;
}

static uint64_t weight_of(const struct ingest *run, size_t from, size_t to)
{
	uint64_t sum = 0;

	for (size_t i = from; i < to; i++)
		sum += ENTRY_HEADER + run->payloads[i].bytes.n;
	return sum;
}

static uint64_t weight(const struct frame *f)
{
	return f->type == FRAME_FORK ? sizeof(f->fork)
				     : weight_of(&f->entries, 0, f->entries.n);
}

static void count_in_vain(struct inlet *in, const struct log_id *id, uint64_t seq, uint64_t bytes)
{
	bool more = log_id_cmp(&in->no_room, id) == 0;

	in->in_vain.all += bytes;
	in->in_vain.more += more ? bytes : 0;
	in->no_room_from = more && in->no_room_from < seq ? in->no_room_from : seq;
	in->no_room = *id;
}

/* What stands behind something for which there was no room would only make a gap. */
static bool is_behind(const struct inlet *in, const struct log_id *id, uint64_t seq)
{
	return in->no_room_from && seq > in->no_room_from && log_id_cmp(&in->no_room, id) == 0;
}

static bool has_room(struct inlet *in, const struct frame *f, const struct log_id *id, uint64_t seq)
{
	const struct ingest *run = f->type == FRAME_FORK ? NULL : &f->entries;
	uint64_t bytes = weight(f);

	if (in->take_limit && bytes > in->take_limit - in->taken)
		return false;
	if (!in->room)
		return true;
	if (!is_behind(in, id, seq))
		return in->room(in->room_ctx, id, run, bytes);
	if (in->in_vain_too)
		in->in_vain_too(in->room_ctx, id, bytes);
	return false;
}

/* Is this frame for the writer? Says no to what we do not follow and what is too much. */
static bool admit(struct inlet *in, const struct frame *f)
{
	struct log_id id = f->type == FRAME_FORK ? entry_log(&f->fork.a) : *f->entries.id;
	uint64_t seq = f->type == FRAME_FORK ? 0 : f->entries.first;

	if (in->takes && !in->takes(in->ctx, &id.space)) {
		report_refusal(in->report, &id, seq, ERR_DENIED, false);
		return false;
	}
	if (!has_room(in, f, &id, seq)) {
		report_refusal(in->report, &id, seq, ERR_LIMIT, false);
		count_in_vain(in, &id, seq, weight(f));
		return false;
	}
	in->taken += weight(f);
	return true;
}

struct error *inlet_next(struct inlet *in, const struct frame **ret_frame, bool *ret_batch)
{
	const struct frame *f;

	if (in->writing) {
		*ret_frame = in->intake.frame;
		*ret_batch = true;
		return NULL;
	}
	for (;;) {
		TRY(stream_next(in->reader, &f));
		*ret_frame = f;
		*ret_batch = false;
		if (!f || (f->type != FRAME_ENTRIES && f->type != FRAME_FORK))
			return NULL;
		tally_came(in->tally, f);
		ENSURE(!in->repeat_limit || in->report->known <= in->repeat_limit,
		       error_new(ERR_LIMIT, N_("The other box keeps sending what is here already. "
					       "The exchange was ended.")));
		if (!admit(in, f))
			continue;
		in->intake = (struct intake){.frame = f, .self = in->self};
		if (f->type == FRAME_ENTRIES)
			in->intake.vouched = log_vouched(&f->entries);
		in->writing = *ret_batch = true;
		return NULL;
	}
}

/* What was known, or refused, cost nothing of what there is room for. */
static void give_back(struct inlet *in)
{
	const struct frame *f = in->intake.frame;
	const struct ingest_result *r = &in->intake.result;
	const struct ingest *run = &f->entries;
	size_t known, end;

	if (!in->unused)
		return;
	if (f->type == FRAME_FORK) {
		struct log_id id = entry_log(&f->fork.a);

		if (!in->intake.fork_new)
			in->unused(in->room_ctx, &id, NULL, 0, weight(f));
		return;
	}
	/* Which of the known ones were filled is not said: then they count, all of them. */
	known = r->filled ? 0 : r->known;
	end = r->known + r->added;
	if (known + run->n - end)
		in->unused(in->room_ctx, run->id, run, known + run->n - end,
			   weight_of(run, 0, known) + weight_of(run, end, run->n));
}

void inlet_written(struct inlet *in)
{
	assert(in->writing);
	give_back(in);
	intake_report(&in->intake, in->report);
	in->writing = false;
}

void inlet_pass(struct inlet *in)
{
	in->writing = false;
}
