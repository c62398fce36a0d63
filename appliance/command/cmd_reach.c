/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How other boxes are reached, on the command line. */
#include "appliance/command/cmd.h"
#include "appliance/peers/reach.h"

static struct error *take_number(struct command_run *run, const char *name, unsigned long most,
				 unsigned long *io)
{
	const char *text = command_option(run, name);
	char *end;
	unsigned long n;

	if (!text)
		return NULL;
	n = strtoul(text, &end, 10);
	ENSURE(*text >= '0' && *text <= '9' && !*end && n <= most,
	       error_new(ERR_USAGE, N_("“%s” is no number that fits %s."), text, name));
	*io = n;
	return NULL;
}

static struct error *take_options(struct command_run *run, struct uplink *u)
{
	unsigned long from = (unsigned long)u->all.from, to = (unsigned long)u->all.to;
	unsigned long mb = (unsigned long)(u->all.day_bytes / 1000000);
	const char *metered = command_option(run, "--metered");
	const char *proxy = command_option(run, "--proxy");
	const char *address = command_option(run, "--address");

	TRY(take_number(run, "--from", 23, &from));
	TRY(take_number(run, "--to", 23, &to));
	TRY(take_number(run, "--megabytes", 999999999, &mb));
	ENSURE(!metered || strcmp(metered, "yes") == 0 || strcmp(metered, "no") == 0,
	       error_new(ERR_USAGE, N_("--metered is yes or no.")));
	if (metered)
		u->metered = *metered == 'y';
	u->all = (struct allowance){(uint64_t)mb * 1000000, (int)from, (int)to};
	if (proxy)
		snprintf(u->proxy, sizeof(u->proxy), "%s", proxy);
	if (address)
		snprintf(u->address[0], sizeof(u->address[0]), "%s", address);
	return NULL;
}

struct error *cmd_reach(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct uplink u;
	uint64_t used;

	TRY(app_conn(run->app, &c));
	TRY(uplink_get(c->local, &u));
	TRY(take_options(run, &u));
	TRY(reach_set(run->app, &u));
	TRY(reach_used(c, &used));
	fprintf(run->out, "metered %s\n", u.metered ? "yes" : "no");
	fprintf(run->out, "megabytes a day %llu, used today %llu\n",
		(unsigned long long)(u.all.day_bytes / 1000000),
		(unsigned long long)(used / 1000000));
	fprintf(run->out, "hours %d to %d%s\n", u.all.from, u.all.to,
		u.all.from == u.all.to ? " (all day)" : "");
	fprintf(run->out, "proxy %s\naddress %s\n", *u.proxy ? u.proxy : "-",
		*u.address[0] ? u.address[0] : "-");
	return NULL;
}
