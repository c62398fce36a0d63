/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/carry.h"
#include "appliance/command/cmd.h"
#include "appliance/command/new_box.h"
#include "appliance/peers/peers.h"
#include <jansson.h>

/* The file itself may be standard output. */
static FILE *beside(const struct command_run *run)
{
	return strcmp(run->args[0], "-") ? run->out : run->note;
}

static void print_json(FILE *to, json_t *take_o)
{
	char *text = json_dumps(take_o, JSON_INDENT(1));

	fprintf(to, "%s\n", text ? text : "{}");
	free(text);
	json_decref(take_o);
}

static bool made(const struct hash *receipt)
{
	static const struct hash none;

	return !hash_eq(receipt, &none);
}

static void print_receipt(FILE *to, const struct hash *receipt)
{
	if (made(receipt))
		fprintf(to, "Receipt %s: /admin/receipts/%s\n", ID_SHORT(receipt), ID(receipt));
}

/* --- export ----------------------------------------------------------------------------------- */

static struct error *parse_plan(struct command_run *run, struct carry_plan *plan,
				struct pubkey *key)
{
	const char *receiver = command_option(run, "--for");

	plan->files = true;
	plan->known_only = command_option(run, "--since-receipt") != NULL;
	ENSURE(receiver || !plan->known_only,
	       error_new(ERR_USAGE, N_("--since-receipt needs --for KEY.")));
	if (!receiver)
		return NULL;
	ENSURE(id_parse(receiver, key->b),
	       error_new(ERR_USAGE,
			 N_("“%s” is not a box's key. A key has 52 letters; the other box prints "
			    "its own with: lliure status"),
			 receiver));
	plan->receiver = key;
	return NULL;
}

struct error *cmd_bundle_export(struct command_run *run)
{
	struct carry_plan plan = {.receipt = true};
	struct carry_written w = {.everything = false};
	struct pubkey key;

	TRY(parse_plan(run, &plan, &key));
	TRY(carry_write(run->app, &plan, run->arg_fds[0], &w));
	if (command_option(run, "--json")) {
		print_json(beside(run),
			   json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "entries",
				     (json_int_t)w.n.entries, "logs", (json_int_t)w.n.logs,
				     "spaces", (json_int_t)w.n.spaces, "files",
				     (json_int_t)w.n.blobs, "bytes", (json_int_t)w.n.bytes,
				     "everything", w.everything, "receipt",
				     made(&w.receipt) ? ID(&w.receipt) : ""));
		return NULL;
	}
	fprintf(run->note, "%llu entries of %llu logs, %llu files, %llu bytes\n",
		(unsigned long long)w.n.entries, (unsigned long long)w.n.logs,
		(unsigned long long)w.n.blobs, (unsigned long long)w.n.bytes);
	if (plan.receiver && w.everything)
		fprintf(run->note, "It is not known what that box holds: this is everything.\n");
	print_receipt(run->note, &w.receipt);
	return NULL;
}

/* --- import ----------------------------------------------------------------------------------- */

/* Our own backup: nothing in it is foreign. */
static struct error *intake_job(struct sync_writing *w, void *arg)
{
	return intake_run(w->log, arg);
}

static struct error *write_intake(void *ctx, struct intake *in)
{
	struct sync_host host = peers_host(ctx);

	return host.write(host.ctx, intake_job, in);
}

static struct error *take_own(struct app *app, int fd, const char *name, struct sync_report *ret)
{
	return bundle_import_fd(
		&(struct bundle_import){
			.self = app->self, .blobs = app->blobs, .ctx = app, .write = write_intake},
		fd, name, ret);
}

static json_t *report_json(const struct sync_report *r, const struct hash *receipt)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:[], s:s}", "from",
			      r->peer_name, "received", (json_int_t)r->received, "filled",
			      (json_int_t)r->filled, "known", (json_int_t)r->known, "files",
			      (json_int_t)r->blobs, "forks", (json_int_t)r->forks, "refusals",
			      (json_int_t)r->refusals, "whole", !r->cut, "refused", "receipt",
			      made(receipt) ? ID(receipt) : "");
	json_t *list = json_object_get(o, "refused");

	for (size_t i = 0; i < r->refusals && i < REPORT_REFUSALS; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "space",
						      ID(&r->refused[i].id.space), "appliance",
						      ID(&r->refused[i].id.appliance), "why",
						      error_name(r->refused[i].why)));
	return o;
}

struct error *command_take_bundle(struct command_run *run, struct app *app, int fd,
				  const char *name, bool trusted)
{
	struct hash receipt = {{0}};
	struct carry_taking what = {
		.from = CARRY_VOLUNTEER, .fd = fd, .name = name, .ret_receipt = &receipt};
	struct arena arena = {0};
	struct sync_report report = {0};
	struct error *e =
		trusted ? take_own(app, fd, name, &report) : carry_take(app, &what, &report);

	report.equal = report.equal || (!e && !report.not_admitted && !report.refusals);
	if (!trusted && command_option(run, "--json"))
		print_json(run->out, report_json(&report, &receipt));
	else {
		fprintf(run->out, "%s\n", peers_report_text(&report, NULL, NULL, &arena));
		print_receipt(run->note, &receipt);
	}
	arena_release(&arena);
	return e;
}

struct error *cmd_bundle_import(struct command_run *run)
{
	return command_take_bundle(run, run->app, run->arg_fds[0], run->args[0], false);
}

/* --- check ------------------------------------------------------------------------------------ */

static json_t *summary_json(const struct sieve_summary *s, uint64_t news)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:I}", "from", s->name,
			      "parts", (json_int_t)s->parts, "entries", (json_int_t)s->entries, "new", (json_int_t)news, "logs",
			      (json_int_t)s->logs_n, "spaces", (json_int_t)s->spaces_n, "files",
			      (json_int_t)s->blobs, "bytes", (json_int_t)s->bytes, "whole",
			      s->whole, "damaged", s->damaged, "time_ms", (json_int_t)s->time_ms);

	if (s->claimed)
		json_object_set_new(o, "writer", json_string(ID(&s->writer)));
	json_object_set_new(o, "walls",
			    json_pack("{s:b, s:b, s:b, s:b}", "limits", s->walls.limits,
				      "no_new_privs", s->walls.no_new_privs, "landlock",
				      s->walls.landlock, "seccomp", s->walls.seccomp));
	return o;
}

static void print_summary(FILE *out, const struct sieve_summary *s, uint64_t news)
{
	fprintf(out, "From %s%s%s%s%s.\n", s->has_name ? s->name : "a box without a name",
		s->claimed ? " (" : "", s->claimed ? ID_SHORT(&s->writer) : "",
		s->claimed ? ")" : ", which did not sign it", "");
	fprintf(out, "%llu entries of %llu logs in %llu spaces, %llu files. New here: %llu.\n",
		(unsigned long long)s->entries, (unsigned long long)s->logs_n,
		(unsigned long long)s->spaces_n, (unsigned long long)s->blobs,
		(unsigned long long)news);
	if (s->parts > 1)
		fprintf(out, "It holds %llu bundles, one behind the other.\n",
			(unsigned long long)s->parts);
	fprintf(out, "%s\n",
		s->whole     ? "It is whole."
		: s->damaged ? "It is damaged; what is whole in it can be taken in."
			     : "It is cut off; what came whole can be taken in.");
}

struct error *cmd_bundle_check(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct sieve_summary s;
	uint64_t news = 0;
	struct error *e;

	TRY(app_conn(run->app, &c));
	TRY(carry_check(run->app, run->arg_fds[0], &s));
	e = carry_news(c, &s, &news);
	if (!e && command_option(run, "--json"))
		print_json(run->out, summary_json(&s, news));
	else if (!e)
		print_summary(run->out, &s, news);
	if (!e && !s.frames)
		e = error_new(ERR_MALFORMED, N_("%s is not a bundle."), run->args[0]);
	sieve_summary_release(&s);
	return e;
}

struct error *cmd_sieve(struct command_run *run)
{
	sieve_run(command_option(run, "--summary") ? SIEVE_SUMMARY : SIEVE_FRAMES);
}
