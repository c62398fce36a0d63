/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/app_priv.h"
#include "appliance/command/cmd.h"
#include "appliance/command/demo.h"
#include "appliance/command/new_box.h"
#include "appliance/config/config.h"
#include "appliance/member/account.h"

struct init {
	struct command_run *run;
	struct secret *self, *steward;
	struct hash space;
	const char *name, *admin;
	char password[1001];
	struct pubkey join_key;
	const char *join;
};

static struct error *read_options(struct init *in)
{
	struct command_run *run = in->run;

	in->name = command_option(run, "--name");
	in->admin = command_option(run, "--admin");
	in->join = command_option(run, "--join");
	ENSURE(*in->name && strlen(in->name) <= LIMIT_NAME,
	       error_new(ERR_USAGE, N_("A box's name has 1 to 80 bytes.")));
	ENSURE(!in->admin == !command_option(run, "--password-file"),
	       error_new(ERR_USAGE, N_("--admin and --password-file go together.")));
	ENSURE(!in->join == !run->args[0],
	       error_new(ERR_USAGE, N_("--join needs the other box's address and its key: --join"
				       " ADDR:PORT KEY")));
	ENSURE(!in->join || id_parse(run->args[0], in->join_key.b),
	       error_new(ERR_USAGE, N_("“%s” is not a box's key. A key has 52 letters."),
			 run->args[0]));
	if (!in->admin)
		return NULL;
	TRY(command_read_line(command_option_fd(run, "--password-file"),
			      command_option(run, "--password-file"), in->password));
	TRY(account_check_name(in->admin));
	return account_check_password(in->password);
}

/* A community needs a place to begin; the volunteers name it as they like. */
static struct error *first_forum(struct init *in, struct conn *c)
{
	struct hash id;

	return community_submit(
		c,
		&(struct draft){.type = "forum.create",
				.space = in->space,
				.author = in->steward,
				.take_body = json_pack("{s:s, s:s, s:s}", "slug", "general",
						       "title", "General", "about", "")},
		&id);
}

static struct error *found(struct init *in, struct conn *c)
{
	TRY(community_found(c, in->name, in->steward, in->admin ? in->admin : "volunteer",
			    &in->space));
	if (command_option(in->run, "--demo"))
		return demo_fill(c, &in->space, in->steward, command_option_fd(in->run, "--demo"),
				 command_option(in->run, "--demo"));
	return first_forum(in, c);
}

static struct error *follow(struct init *in, struct conn *c)
{
	struct peer p = {.key = in->join_key, .added_ms = env_now(c->env)};

	snprintf(p.address, sizeof(p.address), "%s", in->join);
	return peer_put(c->local, &p);
}

static struct error *fill(struct init *in, struct conn *c)
{
	TRY(config_set(c, SETTING_NAME, in->name));
	if (!in->join)
		TRY(found(in, c));
	else
		TRY(follow(in, c));
	/* Whoever claims the box takes the founding steward's key over. */
	return in->join ? NULL : account_create_claimable(c, in->self, in->steward);
}

/* The first volunteer, named on the command line, claims the box at once. */
static struct error *claim(struct init *in)
{
	_cleanup_(app_closep) struct app *app = NULL;
	char code[CLAIM_TEXT];
	struct error *e;

	TRY(app_open(in->run->dir, &env_system, &app));
	TRY(claim_new(app, code));
	e = account_claim(app, code, in->admin, in->password, NULL);
	crypto_wipe(code, sizeof(code));
	return e;
}

static struct error *make(struct init *in)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct error *e;
	char where[200];

	in->self = secret_new();
	in->steward = secret_new();
	app_whereabouts(in->run->dir, where, sizeof(where));
	TRY(conn_open(&(struct community_open){.dir = in->run->dir,
					       .env = &env_system,
					       .self = *secret_pubkey(in->self),
					       .appliance = in->self,
					       .mode = DB_WRITER,
					       .whereabouts = where,
					       .name = in->name},
		      &c));
	TRY(conn_begin(c));
	e = fill(in, c);
	if (e) {
		conn_rollback(c);
		return e;
	}
	TRY(conn_commit(c));
	conn_close(STEAL(c));
	TRY(new_box_key(in->run->dir, in->self));
	return in->admin ? claim(in) : NULL;
}

struct error *cmd_init(struct command_run *run)
{
	struct init in = {.run = run};
	_cleanup_(closep) int lock = -1;
	struct error *e;

	TRY(read_options(&in));
	TRY(new_box_folder(run->dir, &lock));
	e = make(&in);
	crypto_wipe(in.password, sizeof(in.password));
	secret_free(in.steward);
	if (!e)
		fprintf(run->out, "Made the box %s in %s.\nIts key is %s\n", in.name, run->dir,
			ID(secret_pubkey(in.self)));
	secret_free(in.self);
	return e;
}
