/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/batch.h"

struct batch {
	const struct batch_source *from;
	size_t frames, entries;
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

static struct error *write_batch(struct sync_writing *w, void *arg)
{
	struct batch *b = arg;
	int64_t began = env_mono(b->from->env);
	struct intake *in;

	b->frames = b->entries = 0;
	for (;;) {
		TRY(b->from->next(b->from->ctx, w->log, &in));
		if (!in || hangs_on_the_commit(b, w->log, in))
			return NULL;
		TRY(intake_run(w->log, in));
		b->frames++;
		b->entries += in->result.added + in->result.filled + in->fork_new;
		b->from->written(b->from->ctx);
		if (b->entries >= BATCH_ENTRIES || env_mono(b->from->env) - began > BATCH_MS)
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
