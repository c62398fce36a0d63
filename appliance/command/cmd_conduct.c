/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What other boxes cost and how they behave, on the command line. */
#include "appliance/command/cmd.h"
#include "appliance/peers/conduct.h"

static struct error *parse_key(const char *text, struct pubkey *ret)
{
	ENSURE(id_parse(text, ret->b), error_new(ERR_USAGE,
						 N_("“%s” is not a box's key. A key has 52 "
						    "letters; the other box prints its own"
						    " with: lliure status"),
						 text));
	return NULL;
}

static struct error *print_conduct(void *ctx, const struct conduct *c)
{
	FILE *out = ctx;
	char said[CONDUCT_WORDS];

	fprintf(out, "%s %s %llu %s%s%s\n", ID(&c->peer), misdeed_name(c->what),
		(unsigned long long)c->count, misdeed_msgid(c->what), *c->words ? " " : "",
		error_stored_text(c->words, NULL, NULL, said, sizeof(said)));
	return NULL;
}

static struct error *print_cost(void *ctx, const struct ledger_row *r)
{
	static const struct hash of_peer;
	FILE *out = ctx;

	if (hash_eq(&r->space, &of_peer))
		fprintf(out, "%s", ID(&r->peer));
	else if (hash_eq(&r->space, &ledger_strangers))
		fprintf(out, "  in all spaces of strangers");
	else
		fprintf(out, "  in the space %s", ID_SHORT(&r->space));
	for (int i = 0; i < LEDGER_ITEMS; i++)
		fprintf(out, " %s %llu", ledger_item_name((enum ledger_item)i),
			(unsigned long long)r->total.n[i]);
	fputc('\n', out);
	return NULL;
}

struct error *cmd_peer_conduct(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct pubkey key;

	if (run->args[0])
		TRY(parse_key(run->args[0], &key));
	/* what the engine has in memory is written first */
	if (run->app->sync)
		sync_peers_changed(run->app->sync);
	TRY(app_conn(run->app, &c));
	TRY(conduct_each(c->local, run->args[0] ? &key : NULL, print_conduct, run->out));
	return run->args[0] ? ledger_each(c->local, &key, print_cost, run->out) : NULL;
}

struct error *cmd_peer_pause(struct command_run *run)
{
	struct pubkey key;

	TRY(parse_key(run->args[0], &key));
	TRY(peers_pause(run->app, &key, true));
	fprintf(run->out, "Nothing is swapped with %s until: lliure peer resume\n", ID_SHORT(&key));
	return NULL;
}

struct error *cmd_peer_resume(struct command_run *run)
{
	struct pubkey key;

	TRY(parse_key(run->args[0], &key));
	TRY(peers_pause(run->app, &key, false));
	TRY(peers_forgive(run->app, &key));
	fprintf(run->out, "Swapping with %s goes on.\n", ID_SHORT(&key));
	return NULL;
}

struct error *cmd_peer_allow(struct command_run *run)
{
	struct pubkey key;
	char *end;
	unsigned long times = strtoul(run->args[1], &end, 10);

	TRY(parse_key(run->args[0], &key));
	ENSURE(*run->args[1] && !*end && times <= LEDGER_TIMES_MOST,
	       error_new(ERR_USAGE, N_("“%s” is no number from 0 to 1000."), run->args[1]));
	TRY(peers_allow(run->app, &key, (unsigned)times));
	if (times)
		fprintf(run->out, "%s may bring %lu times as much as usual.\n", ID_SHORT(&key),
			times);
	else
		fprintf(run->out, "%s may bring as much as it likes.\n", ID_SHORT(&key));
	return NULL;
}
