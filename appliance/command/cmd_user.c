/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/command/new_box.h"
#include "appliance/member/account.h"

static struct error *read_password(struct command_run *run, const char *option, char out[1001])
{
	return command_read_line(command_option_fd(run, option), command_option(run, option), out);
}

struct error *cmd_user_add(struct command_run *run)
{
	char password[1001];
	struct account a;
	struct error *e;

	TRY(read_password(run, "--password-file", password));
	e = account_create(
		run->app,
		&(struct account_new){.name = run->args[0],
				      .password = password,
				      .role = ROLE_MEMBER,
				      .volunteer = command_option(run, "--volunteer") != NULL},
		&a);
	crypto_wipe(password, sizeof(password));
	if (!e)
		fprintf(run->out, "%s has an account now, with the key %s\n", a.name, ID(&a.key));
	return e;
}

static struct error *print_account(void *ctx, const struct account *a)
{
	struct command_run *run = ctx;

	fprintf(run->out, "%s %s%s\n", ID(&a->key), a->name, a->volunteer ? " (volunteer)" : "");
	return NULL;
}

struct error *cmd_user_list(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(run->app, &c));
	return account_each(c, print_account, run);
}

struct error *cmd_user_password(struct command_run *run)
{
	char password[1001], old[1001] = "";
	struct error *e = NULL;

	TRY(read_password(run, "--password-file", password));
	if (command_option(run, "--old-password-file"))
		e = read_password(run, "--old-password-file", old);
	if (!e)
		e = account_password(run->app, run->args[0], *old ? old : NULL, password, 0);
	crypto_wipe(password, sizeof(password));
	if (!e)
		fprintf(run->out,
			*old ? "%s has a new password.\n"
			     : "%s has a new password and, because the old one was not given, a"
			       " new key: as a member, from now on.\n",
			run->args[0]);
	crypto_wipe(old, sizeof(old));
	return e;
}

struct error *cmd_user_token(struct command_run *run)
{
	const char *label = command_option(run, "--label");
	char password[1001], token[TOKEN_TEXT];
	struct error *e;

	TRY(read_password(run, "--password-file", password));
	e = account_token(run->app, run->args[0], password, label ? label : "command line", token);
	crypto_wipe(password, sizeof(password));
	if (!e)
		fprintf(run->out, "%s\n", token);
	crypto_wipe(token, sizeof(token));
	return e;
}
