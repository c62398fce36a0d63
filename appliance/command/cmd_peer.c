/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/peers/peers.h"
#include "appliance/recovery/recovery.h"

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
				      .by_hand = true,
				      .name = command_option(run, "--name"),
				      .read_only = command_option(run, "--read-only") != NULL};

	TRY(parse_key(run->args[1], &what.key));
	TRY(peers_approve(run->app, &what));
	fprintf(run->out, "Added %s. The other box must add this one too, by its key:\n%s\n",
		ID_SHORT(&what.key), ID(secret_pubkey(run->app->self)));
	return NULL;
}

struct error *cmd_peer_address(struct command_run *run)
{
	const char *address = run->args[1];
	struct pubkey key;

	TRY(parse_key(run->args[0], &key));
	if (command_option(run, "--forget"))
		TRY(peers_forget_address(run->app, &key, address));
	else
		TRY(peers_set_address(run->app, &key, address));
	fprintf(run->out, command_option(run, "--forget") ? "%s is not looked for at %s any more.\n"
							  : "%s is looked for at %s first.\n",
		ID_SHORT(&key), address);
	return NULL;
}

struct error *cmd_peer_still(struct command_run *run)
{
	struct pubkey key;

	TRY(parse_key(run->args[0], &key));
	TRY(peers_still(run->app, &key));
	fprintf(run->out, "%s is connected as before.\n", ID_SHORT(&key));
	return NULL;
}

/* --- listing ---------------------------------------------------------------------------------- */

struct peer_list {
	struct command_run *run;
	struct conn *conn;
	struct arena arena;
	json_t *list; /* NULL: in words */
};

static const char *const hows[] = {
	[PEER_BY_HAND] = "hand",
	[PEER_BY_NUMBER] = "number",
	[PEER_BY_ACCEPTING] = "accepted",
	[PEER_BY_INVITING] = "invited",
};

static struct error *add_peer_json(struct peer_list *l, const struct peer *p)
{
	json_t *terms, *row;
	struct peer_terms t;
	char said[PEER_ERROR];
	bool doubted;

	TRY(restored_doubted(l->conn, &p->key, &doubted));
	TRY(peer_terms_get(l->conn->local, &p->key, &t));
	TRY(peers_terms_json(l->conn, &t, &l->arena, &terms));
	row = json_pack("{s:s, s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:s, s:b, s:b, s:o}", "key",
			ID(&p->key), "name", p->name, "address", p->address, "read_only",
			p->read_only, "how", hows[p->how], "added", (json_int_t)p->added_ms,
			"last_ok", (json_int_t)p->last_ok_ms, "last_try",
			(json_int_t)p->last_try_ms, "error",
			error_stored_text(p->last_error, NULL, NULL, said, sizeof(said)), "ended",
			peer_terms_over(p->until_ms, env_now(l->run->app->env)), "doubted", doubted,
			"terms", terms);
	json_array_append_new(l->list, row);
	return NULL;
}

static struct error *print_peer(void *ctx, const struct peer *p)
{
	struct peer_list *l = ctx;
	FILE *out = l->run->out;
	bool doubted;

	if (l->list)
		return add_peer_json(l, p);
	TRY(restored_doubted(l->conn, &p->key, &doubted));
	fprintf(out, "%s %s%s%s%s%s%s\n", ID(&p->key), *p->address ? p->address : "-",
		*p->name ? " " : "", p->name, p->read_only ? " (read-only)" : "",
		peer_terms_over(p->until_ms, env_now(l->run->app->env)) ? " (terms ended)" : "",
		doubted ? " (from a backup: lliure peer still)" : "");
	return NULL;
}

struct error *cmd_peer_list(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct peer_list l = {.run = run};
	struct error *e;

	TRY(app_conn(run->app, &c));
	l.conn = c;
	if (command_option(run, "--json"))
		l.list = json_array();
	e = peer_each(c->local, print_peer, &l);
	if (!e && l.list) {
		json_dumpf(l.list, run->out, JSON_INDENT(1));
		fputc('\n', run->out);
	}
	json_decref(l.list);
	arena_release(&l.arena);
	return e;
}

/* --- removing --------------------------------------------------------------------------------- */

struct revoking {
	struct conn *conn;
	const struct pubkey *self, *box;
	struct hash spaces[LIMIT_SPACES];
	size_t n;
};

static struct error *add_revocable(void *ctx, const struct space_info *s)
{
	struct revoking *r = ctx;
	bool may;

	TRY(peers_may_revoke(r->conn, r->self, &s->id, r->box, NULL, &may));
	if (may && r->n < LIMIT_SPACES)
		r->spaces[r->n++] = s->id;
	return NULL;
}

struct error *cmd_peer_remove(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct pubkey key;
	struct revoking r = {.self = secret_pubkey(run->app->self), .box = &key};

	TRY(parse_key(run->args[0], &key));
	TRY(app_conn(run->app, &c));
	r.conn = c;
	TRY(space_each(c, add_revocable, &r));
	TRY(peers_withdraw(run->app,
			   &(struct peers_withdrawal){
				   .key = key,
				   .revoke = r.spaces,
				   .n = command_option(run, "--revoke") ? r.n : 0,
				   .drop_kept = command_option(run, "--drop-backup") != NULL}));
	fprintf(run->out, "Removed %s.\n", ID_SHORT(&key));
	if (keep_bytes(run->app, &key))
		fprintf(run->out, "Its sealed backup is kept here. The page “Backups” removes"
				  " it, too.\n");
	if (command_option(run, "--revoke"))
		fprintf(run->out, "What it writes from now on is void in %zu spaces.\n", r.n);
	else if (r.n)
		fprintf(run->out,
			"Nothing was signed: what it writes still counts in %zu spaces, and comes through"
			" other houses.\nWith --revoke it becomes void: lliure peer remove %s --revoke\n",
			r.n, ID(&key));
	return NULL;
}

/* --- swapping now ----------------------------------------------------------------------------- */

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
