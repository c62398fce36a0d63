/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/batch.h"

struct batch {
	const struct batch_source *from;
	size_t frames, entries, filled;
	uint64_t bytes;
};

static const struct log_id *log_of(const struct intake *in, struct log_id *hold)
{
	if (in->frame->type == FRAME_ENTRIES)
		return in->frame->entries.id;
	*hold = entry_log(&in->frame->fork.a);
	return hold;
}

/* May what this batch has stored decide whether this log is taken? */
static bool hangs_on_the_commit(const struct batch *b, struct log_store *log,
				const struct intake *in)
{
	struct log_id hold;
	const struct log_id *id = log_of(in, &hold);

	return b->entries > 0 && !log_admitted(log, &id->space, &id->appliance);
}

static int64_t patience(const struct batch *b)
{
	return b->filled > b->entries / 2 ? BATCH_FILL_MS : BATCH_MS;
}

static uint64_t bytes_of(const struct intake *in)
{
	const struct ingest *run = &in->frame->entries;
	uint64_t bytes = 0;

	for (size_t i = 0; in->frame->type == FRAME_ENTRIES && i < run->n; i++)
		bytes += run->payloads[i].bytes.n;
	return bytes;
}

static bool is_full(const struct batch *b, int64_t began)
{
	return b->entries >= BATCH_ENTRIES || b->bytes >= BATCH_BYTES ||
	       env_mono(b->from->env) - began > patience(b);
}

static struct error *write_batch(struct sync_writing *w, void *arg)
{
	struct batch *b = arg;
	int64_t began = env_mono(b->from->env);
	struct intake *in;

	b->frames = b->entries = b->filled = 0;
	b->bytes = 0;
	for (;;) {
		struct error *err = b->from->next(b->from->ctx, w->log, &in);

		/* What came whole before a fault is kept: it comes up again with the next batch. */
		if (err && b->frames) {
			error_free(err);
			return NULL;
		}
		TRY(err);
		if (!in || hangs_on_the_commit(b, w->log, in))
			return NULL;
		TRY(intake_run(w->log, in));
		b->frames++;
		b->entries += in->result.added + in->result.filled + in->fork_new;
		b->filled += in->result.filled;
		b->bytes += bytes_of(in);
		b->from->written(b->from->ctx);
		if (is_full(b, began))
			return NULL;
	}
}

struct error *batch_write(const struct sync_host *host, const struct batch_source *from,
			  size_t *ret_n)
{
	struct batch b = {.from = from};

	TRY(host->write(host->ctx, write_batch, &b));
	*ret_n = b.frames;
	return NULL;
}
