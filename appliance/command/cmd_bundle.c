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

struct taking {
	struct app *app;
	bool trusted; /* our own backup */
};

/* A bundle is never trusted more than the network: a space that this box does not carry yet comes
 * in only when an approved box founded it. */
static bool is_welcome(struct sync_writing *w, const struct intake *in, const struct app *app)
{
	const struct log_id *id = in->frame->entries.id;
	struct log_counts n = {.logs = 0};
	struct error *e;
	struct peer p;

	if (in->frame->type != FRAME_ENTRIES || pubkey_eq(&id->appliance, secret_pubkey(app->self)))
		return true;
	e = log_count(w->log, &id->space, &n);
	if (!e && !n.logs)
		e = peer_get(w->local, &id->appliance, &p);
	if (!e)
		return true;
	error_free(e);
	return false;
}

struct intake_write {
	struct taking *taking;
	struct intake *in;
};

static struct error *intake_job(struct sync_writing *w, void *arg)
{
	struct intake_write *iw = arg;

	if (iw->taking->trusted || is_welcome(w, iw->in, iw->taking->app))
		return intake_run(w->log, iw->in);
	iw->in->refused = ERR_NOT_ADMITTED;
	return NULL;
}

static struct error *write_intake(void *ctx, struct intake *in)
{
	struct taking *t = ctx;
	struct sync_host host = peers_host(t->app);

	return host.write(host.ctx, intake_job, &(struct intake_write){t, in});
}

struct error *command_take_bundle(struct command_run *run, struct app *app, int fd,
				  const char *name, bool trusted)
{
	struct taking taking = {app, trusted};
	struct arena arena = {0};
	struct sync_report report = {0};
	struct error *e = bundle_import_fd(&(struct bundle_import){.self = app->self,
								   .blobs = app->blobs,
								   .ctx = &taking,
								   .write = write_intake},
					   fd, name, &report);

	report.equal = report.equal || (!e && !report.not_admitted && !report.refusals);
	fprintf(run->out, "%s\n", peers_report_text(&report, NULL, NULL, &arena));
	arena_release(&arena);
	return e;
}

struct error *cmd_bundle_import(struct command_run *run)
{
	TRY(command_take_bundle(run, run->app, run->arg_fds[0], run->args[0], false));
	if (run->app->sync)
		sync_poke(run->app->sync);
	return NULL;
}
