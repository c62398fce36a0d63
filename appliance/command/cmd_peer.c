/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/peers/peers.h"

static struct error *parse_key(const char *text, struct pubkey *ret)
{
	ENSURE(id_parse(text, ret->b), error_new(ERR_USAGE,
						 N_("“%s” is not a box's key. A key has 52 "
						    "letters; the other box prints its own"
						    " with: lliure status"),
						 text));
	return NULL;
}

struct error *cmd_peer_add(struct command_run *run)
{
	struct peers_approval what = {.address = run->args[0],
				      .name = command_option(run, "--name"),
				      .read_only = command_option(run, "--read-only") != NULL};
	char number[8];

	TRY(parse_key(run->args[1], &what.key));
	TRY(peers_approve(run->app, &what));
	pair_number(secret_pubkey(run->app->self), &what.key, number);
	fprintf(run->out, "Added %s. The other box must add this one too; both then show %s.\n",
		ID_SHORT(&what.key), number);
	return NULL;
}

static struct error *print_peer(void *ctx, const struct peer *p)
{
	struct command_run *run = ctx;

	fprintf(run->out, "%s %s%s%s%s\n", ID(&p->key), *p->address ? p->address : "-",
		*p->name ? " " : "", p->name, p->read_only ? " (read-only)" : "");
	return NULL;
}

struct error *cmd_peer_list(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(run->app, &c));
	return peer_each(c->local, print_peer, run);
}

struct error *cmd_peer_remove(struct command_run *run)
{
	struct pubkey key;

	TRY(parse_key(run->args[0], &key));
	TRY(peers_withdraw(run->app, &key));
	fprintf(run->out, "Removed %s.\n", ID_SHORT(&key));
	return NULL;
}

struct sync_all {
	struct command_run *run;
	struct conn *conn;
	const struct pubkey *only;
	unsigned tried, failed;
};

static struct error *sync_peer(void *ctx, const struct peer *p)
{
	struct sync_all *all = ctx;
	struct arena arena = {0};
	struct sync_report report;
	struct error *e;

	if (all->only && !pubkey_eq(all->only, &p->key))
		return NULL;
	all->tried++;
	e = peers_sync_now(all->run->app, &p->key, &report);
	if (e) {
		fprintf(all->run->note, "lliure: %s: %s\n", *p->name ? p->name : ID_SHORT(&p->key),
			error_english(e));
		error_free(e);
		all->failed++;
		return NULL;
	}
	fprintf(all->run->out, "%s: %s\n", *p->name ? p->name : ID_SHORT(&p->key),
		peers_report_text(&report, NULL, NULL, &arena));
	arena_release(&arena);
	return NULL;
}

struct error *cmd_sync(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct sync_all all = {.run = run};
	struct pubkey only;

	if (run->args[0]) {
		TRY(parse_key(run->args[0], &only));
		all.only = &only;
	}
	TRY(app_conn(run->app, &c));
	all.conn = c;
	TRY(peer_each(c->local, sync_peer, &all));
	ENSURE(all.tried, all.only
				  ? error_new(ERR_NOT_FOUND, N_("No approved box has the key %s."),
					      run->args[0])
				  : error_new(ERR_NOT_FOUND,
					      N_("No box is approved yet. Add one with: lliure peer"
						 " add ADDR:PORT KEY")));
	ENSURE(!all.failed, error_new(ERR_NET, N_("Not every box could be reached.")));
	return NULL;
}
