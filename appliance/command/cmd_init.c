/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/command/demo.h"
#include "appliance/command/new_box.h"
#include "appliance/setup/make.h"

static struct error *read_options(struct command_run *run, struct setup_make *m,
				  struct setup_peer *join, char *password)
{
	const char *address = command_option(run, "--join");

	m->name = command_option(run, "--name");
	m->admin = command_option(run, "--admin");
	ENSURE(*m->name && strlen(m->name) <= LIMIT_NAME,
	       error_new(ERR_USAGE, N_("A box's name has 1 to 80 bytes.")));
	ENSURE(!m->admin == !command_option(run, "--password-file"),
	       error_new(ERR_USAGE, N_("--admin and --password-file go together.")));
	ENSURE(!address == !run->args[0],
	       error_new(ERR_USAGE, N_("--join needs the other box's address and its key: --join"
				       " ADDR:PORT KEY")));
	ENSURE(!address || id_parse(run->args[0], join->key.b),
	       error_new(ERR_USAGE, N_("“%s” is not a box's key. A key has 52 letters."),
			 run->args[0]));
	m->found = !address;
	join->address = address;
	m->peers = join;
	m->n_peers = address ? 1 : 0;
	if (!m->admin)
		return NULL;
	m->password = password;
	return command_read_line(command_option_fd(run, "--password-file"),
				 command_option(run, "--password-file"), password);
}

static struct error *fill_demo(void *ctx, struct conn *c, const struct hash *space,
			       const struct secret *steward)
{
	struct command_run *run = ctx;

	return demo_fill(c, space, steward, command_option_fd(run, "--demo"),
			 command_option(run, "--demo"));
}

struct error *cmd_init(struct command_run *run)
{
	_cleanup_(guarded_freep) char *password = guarded_new(1001);
	_cleanup_(closep) int lock = -1;
	struct setup_make m = {.dir = run->dir, .env = &env_system, .ctx = run};
	struct setup_peer join = {.address = NULL};
	struct pubkey key;

	TRY(read_options(run, &m, &join, password));
	if (command_option(run, "--demo"))
		m.fill = fill_demo;
	TRY(setup_make_check(&m));
	TRY(new_box_folder(run->dir, &lock));
	TRY(setup_make(&m, &key));
	fprintf(run->out, "Made the box %s in %s.\nIts key is %s\n", m.name, run->dir, ID(&key));
	return NULL;
}
