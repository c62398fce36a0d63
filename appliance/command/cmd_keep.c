/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/config/config.h"

enum { DAYS_MAX = 36500 };

static struct error *set_days(struct conn *c, void *arg)
{
	return config_set(c, SETTING_KEEP_DAYS, arg);
}

/* "all", or a number of days. */
static struct error *parse_days(const char *text, char out[8])
{
	char *end;
	long days = strcmp(text, "all") == 0 ? 0 : strtol(text, &end, 10);

	ENSURE(strcmp(text, "all") == 0 || (*text && !*end && days > 0 && days <= DAYS_MAX),
	       error_new(ERR_USAGE, N_("--payloads-since takes a number of days, or “all”.")));
	snprintf(out, 8, "%ld", days);
	return NULL;
}

struct error *cmd_keep(struct command_run *run)
{
	const char *since = command_option(run, "--payloads-since");
	_cleanup_(conn_closep) struct conn *c = NULL;
	char days[SETTING_MAX + 1];
	char wanted[8];

	if (since) {
		TRY(parse_days(since, wanted));
		TRY(writer_run(run->app->writer, set_days, wanted));
	}
	TRY(app_conn(run->app, &c));
	TRY(config_get(c, SETTING_KEEP_DAYS, days));
	if (strcmp(days, "0") == 0)
		fprintf(run->out, "This box fetches and keeps everything.\n");
	else
		fprintf(run->out,
			"This box fetches what was written in the last %s days; of older entries it"
			" keeps the headers, and what it holds already.\n",
			days);
	return NULL;
}
