/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How other boxes are reached, on the command line. */
#include "appliance/command/cmd.h"
#include "appliance/command/new_box.h"
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

static struct error *read_password(struct command_run *run, char password[PROXY_PASSWORD])
{
	const char *file = command_option(run, "--proxy-password-file");
	char line[1001];
	bool fits;

	if (!file)
		return NULL;
	TRY(command_read_line(command_option_fd(run, "--proxy-password-file"), file, line));
	fits = strlen(line) < PROXY_PASSWORD;
	if (fits)
		snprintf(password, PROXY_PASSWORD, "%.*s", PROXY_PASSWORD - 1, line);
	crypto_wipe(line, sizeof(line));
	ENSURE(fits, error_new(ERR_USAGE, N_("The password is too long.")));
	return NULL;
}

static struct error *take_proxy(struct command_run *run, struct uplink *u,
				char password[PROXY_PASSWORD])
{
	const char *proxy = command_option(run, "--proxy"), *user = command_option(run, "--proxy-user");

	if (user) {
		ENSURE(strlen(user) < sizeof(u->proxy_user),
		       error_new(ERR_USAGE, N_("The name is too long.")));
		snprintf(u->proxy_user, sizeof(u->proxy_user), "%s", user);
	}
	TRY(read_password(run, password));
	return proxy ? proxy_parse(proxy, u, password) : NULL;
}

static bool is_yes_or_no(const char *text)
{
	return !text || strcmp(text, "yes") == 0 || strcmp(text, "no") == 0;
}

static struct error *take_options(struct command_run *run, struct uplink *u,
				  char password[PROXY_PASSWORD])
{
	unsigned long from = (unsigned long)u->all.from, to = (unsigned long)u->all.to;
	unsigned long mb = (unsigned long)(u->all.day_bytes / 1000000);
	const char *metered = command_option(run, "--metered");
	const char *tunnel = command_option(run, "--tunnel");
	const char *address = command_option(run, "--address");

	TRY(take_number(run, "--from", 23, &from));
	TRY(take_number(run, "--to", 23, &to));
	TRY(take_number(run, "--megabytes", 999999999, &mb));
	ENSURE(is_yes_or_no(metered), error_new(ERR_USAGE, N_("--metered is yes or no.")));
	ENSURE(is_yes_or_no(tunnel), error_new(ERR_USAGE, N_("--tunnel is yes or no.")));
	if (metered)
		u->metered = *metered == 'y';
	if (tunnel)
		u->tunnel = *tunnel == 'y';
	u->all = (struct allowance){(uint64_t)mb * 1000000, (int)from, (int)to};
	if (address)
		snprintf(u->address[0], sizeof(u->address[0]), "%s", address);
	return take_proxy(run, u, password);
}

struct error *cmd_reach(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	char password[PROXY_PASSWORD] = "";
	struct uplink u;
	struct error *e;
	uint64_t used;

	TRY(app_conn(run->app, &c));
	TRY(uplink_get(c->local, &u));
	e = take_options(run, &u, password);
	if (!e)
		e = reach_set(run->app, &u, *password ? password : NULL);
	crypto_wipe(password, sizeof(password));
	TRY(e);
	TRY(uplink_get(c->local, &u));
	TRY(reach_used(c, &used));
	fprintf(run->out, "metered %s\n", u.metered ? "yes" : "no");
	fprintf(run->out, "megabytes a day %llu, used today %llu\n",
		(unsigned long long)(u.all.day_bytes / 1000000),
		(unsigned long long)(used / 1000000));
	fprintf(run->out, "hours %d to %d%s\n", u.all.from, u.all.to,
		u.all.from == u.all.to ? " (all day)" : "");
	fprintf(run->out, "tunnel %s\n", u.tunnel ? "yes" : "no");
	fprintf(run->out, "proxy %s%s%s%s\n", *u.proxy ? u.proxy : "-",
		*u.proxy_user ? ", user " : "", u.proxy_user,
		u.has_password ? ", with a password" : "");
	fprintf(run->out, "address %s\n", *u.address[0] ? u.address[0] : "-");
	return NULL;
}
