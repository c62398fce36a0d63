/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/command/new_box.h"
#include "appliance/peers/peers.h"

struct error *cmd_bundle_export(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct bundle_totals n;

	TRY(app_conn(run->app, &c));
	TRY(bundle_write(&(struct bundle_export){.log = c->log,
						 .blobs = run->app->blobs,
						 .env = run->app->env,
						 .name = run->app->name},
			 run->arg_fds[0], &n));
	fprintf(run->note, "%llu entries of %llu logs, %llu files, %llu bytes\n",
		(unsigned long long)n.entries, (unsigned long long)n.logs,
		(unsigned long long)n.blobs, (unsigned long long)n.bytes);
	return NULL;
}

static struct error *intake_job(struct sync_writing *w, void *arg)
{
	return intake_run(w->log, arg);
}

static struct error *write_intake(void *ctx, struct intake *in)
{
	struct sync_host host = peers_host(ctx);

	return host.write(host.ctx, intake_job, in);
}

struct error *command_take_bundle(struct command_run *run, struct app *app, int fd,
				  const char *name)
{
	struct arena arena = {0};
	struct sync_report report = {0};
	struct error *e = bundle_import_fd(
		&(struct bundle_import){
			.self = app->self, .blobs = app->blobs, .ctx = app, .write = write_intake},
		fd, name, &report);

	report.equal = report.equal || (!e && !report.not_admitted && !report.refusals);
	fprintf(run->out, "%s\n", peers_report_text(&report, NULL, NULL, &arena));
	arena_release(&arena);
	return e;
}

struct error *cmd_bundle_import(struct command_run *run)
{
	TRY(command_take_bundle(run, run->app, run->arg_fds[0], run->args[0]));
	if (run->app->sync)
		sync_poke(run->app->sync);
	return NULL;
}
