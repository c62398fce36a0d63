/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/command/new_box.h"
#include "appliance/member/account.h"
#include "appliance/peers/peers.h"
#include "appliance/spaces/spaces.h"

struct listing {
	struct command_run *run;
	struct conn *conn;
};

static struct error *print_box(void *ctx, const struct admitted *a)
{
	struct listing *l = ctx;
	char name[LIMIT_NAME + 1];

	peers_box_name(l->conn, a, name);
	fprintf(l->run->out, "  %s %s%s %s\n", ID(&a->key),
		a->write   ? "writes"
		: a->carry ? "carries"
			   : "reads",
		a->keeper ? ", keeper" : "", name);
	return NULL;
}

static struct error *print_space(void *ctx, const struct space_info *s)
{
	struct listing *l = ctx;

	fprintf(l->run->out, "%s %s %s\n", ID(&s->id), s->is_private ? "private" : "public",
		s->name);
	if (s->is_private && !s->has_key)
		fprintf(l->run->out,
			"  this box has no key of it: it carries what it can't read\n");
	return admitted_each(l->conn, &s->id, print_box, l);
}

struct error *cmd_space_list(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(run->app, &c));
	return space_each(c, print_space, &(struct listing){run, c});
}

static struct error *found(struct command_run *run, struct conn *c, const char *password)
{
	struct secret *steward = NULL;
	struct spaces_new what = {.name = run->args[0],
				  .is_private = command_option(run, "--private") != NULL};
	struct account a;
	struct hash space;
	struct error *e;

	TRY(account_open(run->app, c, command_option(run, "--as"), password, &a, &steward));
	what.steward = steward;
	what.steward_name = a.name;
	e = spaces_found(run->app, &what, &space);
	secret_free(steward);
	if (!e)
		fprintf(run->out, "Founded the %s space %s.\n",
			what.is_private ? "private" : "public", ID(&space));
	return e;
}

struct error *cmd_space_add(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	char password[1001];
	struct error *e;

	TRY(command_read_line(command_option_fd(run, "--password-file"),
			      command_option(run, "--password-file"), password));
	e = app_conn(run->app, &c);
	if (!e)
		e = found(run, c, password);
	crypto_wipe(password, sizeof(password));
	return e;
}

static struct error *find_space(struct command_run *run, struct space_info *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(run->app, &c));
	return space_by_short(c, run->args[0], ret);
}

static struct error *parse_key(const char *text, struct pubkey *ret)
{
	ENSURE(id_parse(text, ret->b),
	       error_new(ERR_USAGE,
			 N_("“%s” is not a box's key. A key has 52 letters; the other box"
			    " prints its own with: lliure status"),
			 text));
	return NULL;
}

struct error *cmd_space_admit(struct command_run *run)
{
	bool reads = command_option(run, "--read-only"), carries = command_option(run, "--carry");
	struct space_info s;
	struct pubkey key;

	ENSURE(!reads || !carries,
	       error_new(ERR_USAGE, N_("--read-only and --carry exclude each other.")));
	TRY(parse_key(run->args[1], &key));
	TRY(find_space(run, &s));
	TRY(spaces_admit(run->app, &s.id, &key, command_option(run, "--name"),
			 carries ? ADMIT_CARRY
			 : reads ? ADMIT_READ
				 : ADMIT_WRITE,
			 NULL));
	fprintf(run->out, "Admitted %s to %s.\n", ID_SHORT(&key), s.name);
	return NULL;
}

struct error *cmd_space_remove(struct command_run *run)
{
	struct space_info s;
	struct pubkey key;

	TRY(parse_key(run->args[1], &key));
	TRY(find_space(run, &s));
	TRY(spaces_remove(run->app, &s.id, &key, 0, NULL));
	fprintf(run->out, "Removed %s from %s.%s\n", ID_SHORT(&key), s.name,
		s.is_private ? " What is written from now on has a new key." : "");
	return NULL;
}

struct error *cmd_space_rotate(struct command_run *run)
{
	struct space_info s;

	TRY(find_space(run, &s));
	TRY(spaces_rotate(run->app, &s.id, NULL));
	fprintf(run->out, "%s has a new key.\n", s.name);
	return NULL;
}
