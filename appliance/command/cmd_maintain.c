/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"

static struct error *check_blob(void *ctx, const struct hash *h, uint64_t size)
{
	struct command_run *run = ctx;

	return blob_verify(run->app->blobs, h);
}

/* What is damaged is asked for again at the next exchange with a peer. */
static struct error *repair_job(struct conn *c, void *arg)
{
	return log_repair(c->log, arg);
}

struct error *cmd_verify(struct command_run *run)
{
	uint64_t faults = 0;
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct verify_report r;
	struct error *first = NULL;

	TRY(app_conn(run->app, &c));
	TRY(log_verify(c->log, NULL, NULL, &r, &first));
	if (first) {
		error_free(writer_run(run->app->writer, repair_job, &faults));
		if (faults)
			fprintf(run->note,
				"What is damaged will be fetched again from other boxes.\n");
	}
	if (!first)
		first = blob_each(run->app->blobs, check_blob, run);
	fprintf(run->out, "%llu logs, %llu entries, %llu payloads: %s\n",
		(unsigned long long)r.logs, (unsigned long long)r.entries,
		(unsigned long long)r.payloads, first ? "not clean" : "clean");
	return first;
}

static struct error *rebuild_job(struct conn *c, void *arg)
{
	return community_rebuild_step(c, arg);
}

/* In steps: people write and read on in between. */
struct error *cmd_rebuild(struct command_run *run)
{
	bool more = true;

	while (more)
		TRY(writer_run_alone(run->app->writer, rebuild_job, &more));
	return NULL;
}
