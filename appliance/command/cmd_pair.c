/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Invitations and terms, from the command line. */
#include "appliance/command/cmd.h"
#include "appliance/peers/peers.h"

/* --- terms in options ------------------------------------------------------------------------- */

/* "ID=WAYS,ID=WAYS"; an ID of at least eight letters of a space that is here. */
static struct error *read_spaces(struct conn *c, const char *list, struct peer_terms *t)
{
	while (*list) {
		size_t n = strcspn(list, ",");
		struct space_info space;
		char one[100], *equals;
		unsigned ways;

		snprintf(one, sizeof(one), "%.*s", (int)n, list);
		equals = strchr(one, '=');
		ENSURE(equals, error_new(ERR_USAGE, N_("“%s” is not SPACE=DIRECTION."), one));
		*equals = 0;
		TRY(space_by_short(c, one, &space));
		TRY(peers_ways_parse(equals + 1, &ways));
		TRY(peers_terms_set(t, &space.id, ways));
		list += n + (list[n] == ',');
	}
	return NULL;
}

/* Changes what the options say, leaves the rest. *ret_any: was there one? */
static struct error *read_terms(const struct command_run *run, struct conn *c, struct peer_terms *t,
				bool *ret_any)
{
	const char *others = command_option(run, "--others"),
		   *spaces = command_option(run, "--spaces"),
		   *take = command_option(run, "--take-bytes"),
		   *give = command_option(run, "--give-bytes"),
		   *until = command_option(run, "--until");

	if (others)
		TRY(peers_ways_parse(others, &t->others));
	if (spaces)
		TRY(read_spaces(c, spaces, t));
	if (take)
		TRY(peers_bytes_parse(take, 1, &t->take_bytes));
	if (give)
		TRY(peers_bytes_parse(give, 1, &t->give_bytes));
	if (until)
		TRY(peers_until_parse(until, &t->until_ms));
	*ret_any = others || spaces || take || give || until;
	return NULL;
}

static struct error *print_terms(struct command_run *run, struct conn *c,
				 const struct peer_terms *t)
{
	struct arena arena = {0};
	json_t *json = NULL;
	struct error *e = peers_terms_json(c, t, &arena, &json);

	if (!e) {
		json_dumpf(json, run->out, JSON_INDENT(1));
		fputc('\n', run->out);
	}
	json_decref(json);
	arena_release(&arena);
	return e;
}

struct error *cmd_peer_terms(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct pubkey key;
	struct peer_terms t;
	struct peer p;
	bool any;

	ENSURE(id_parse(run->args[0], key.b),
	       error_new(ERR_USAGE, N_("“%s” is not a box's key. It has 52 letters."),
			 run->args[0]));
	TRY(app_conn(run->app, &c));
	TRY(peer_get(c->local, &key, &p));
	TRY(peer_terms_get(c->local, &key, &t));
	TRY(read_terms(run, c, &t, &any));
	if (any)
		TRY(peers_set_terms(run->app, &key, &t, NULL, NULL));
	return print_terms(run, c, &t);
}

/* --- inviting --------------------------------------------------------------------------------- */

static struct error *write_file(struct command_run *run, const struct invite *i,
				struct arena *arena)
{
	const char *text = peers_invite_file(run->app, i, NULL, NULL, arena);

	return fd_write_all(command_option_fd(run, "--file"), span_str(text),
			    command_option(run, "--file"));
}

struct error *cmd_peer_invite(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	const char *days = command_option(run, "--days"), *label = command_option(run, "--for");
	struct peer_terms terms;
	struct peers_invitation what = {.label = label ? label : "",
					.address = run->args[0],
					.days = days ? (int)strtol(days, NULL, 10)
						     : PEERS_INVITE_DAYS,
					.read_only = command_option(run, "--read-only") != NULL,
					.terms = &terms};
	struct arena arena = {0};
	struct invite i;
	int64_t num;
	struct error *e = NULL;
	bool any;

	TRY(app_conn(run->app, &c));
	peer_terms_default(&terms);
	TRY(read_terms(run, c, &terms, &any));
	TRY(peers_invite(run->app, &what, &num));
	TRY(invite_get(c->local, num, &i));
	if (command_option(run, "--file"))
		e = write_file(run, &i, &arena);
	if (!e)
		fprintf(run->out, "%s\n", peers_invite_link(run->app, &i, &arena));
	arena_release(&arena);
	return e;
}

static struct error *print_invite(void *ctx, const struct invite *i)
{
	struct command_run *run = ctx;
	int64_t now = env_now(run->app->env);

	fprintf(run->out, "%lld  %s  %s%s\n", (long long)i->num,
		i->used_ms		 ? "accepted"
		: invite_is_open(i, now) ? "open"
					 : "ended",
		i->used_ms ? ID(&i->used_by) : "", i->label);
	return NULL;
}

struct error *cmd_peer_invites(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	const char *num = command_option(run, "--take-back");

	if (num)
		TRY(peers_invite_take_back(run->app, strtoll(num, NULL, 10)));
	TRY(app_conn(run->app, &c));
	return invite_each(c->local, print_invite, run);
}

/* --- accepting -------------------------------------------------------------------------------- */

static struct error *read_invitation(struct command_run *run, struct invitation *ret)
{
	_cleanup_(buf_release) struct buf text = {0};
	int fd = command_option_fd(run, "--file");

	ENSURE(!run->args[0] != (fd < 0),
	       error_new(ERR_USAGE, N_("Give the link, or the file with --file.")));
	if (run->args[0])
		return invitation_read(span_str(run->args[0]), ret);
	TRY(fd_read_all(fd, INVITE_FILE, &text, command_option(run, "--file")));
	return invitation_read(buf_span(&text), ret);
}

struct error *cmd_peer_accept(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct peer_terms terms;
	struct peers_approval what = {.read_only = command_option(run, "--read-only") != NULL,
				      .terms = &terms};
	struct invitation i;
	char start[PEERS_KEY_START];
	bool any;

	TRY(read_invitation(run, &i));
	TRY(app_conn(run->app, &c));
	TRY(peer_terms_get(c->local, &i.key, &terms)); /* it may be a peer already */
	TRY(read_terms(run, c, &terms, &any));
	TRY(peers_accept(run->app, &i, &what));
	peers_key_start(&i.key, start);
	fprintf(run->out, "Accepted the invitation of %s. Its key begins with %s.\n",
		*i.name ? i.name : "a box", start);
	return NULL;
}
