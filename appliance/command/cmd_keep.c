/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/partial/partial.h"
#include <inttypes.h>
#include <time.h>

enum { DAYS_MAX = 36500 };

static struct error *set_choice(struct conn *c, void *arg)
{
	return partial_choose(c, arg);
}

/* "all", or a number of days. */
static struct error *parse_days(const char *text, uint32_t *ret)
{
	char *end = NULL;
	long days = strcmp(text, "all") == 0 ? 0 : strtol(text, &end, 10);

	ENSURE(!end || (*text && !*end && days > 0 && days <= DAYS_MAX),
	       error_new(ERR_USAGE, N_("--payloads-since takes a number of days, or “all”.")));
	*ret = (uint32_t)days;
	return NULL;
}

/* "all", or a number of bytes with k, M or G behind it. */
static struct error *parse_size(const char *text, uint64_t *ret)
{
	static const struct {
		const char *letter;
		uint64_t times;
	} units[] = {{"", 1}, {"k", 1000}, {"K", 1000}, {"M", 1000000}, {"G", 1000000000}};
	char *end = NULL;
	uint64_t n = strcmp(text, "all") == 0 ? 0 : strtoull(text, &end, 10), times = 0;

	for (size_t i = 0; end && i < ARRAY_LEN(units); i++)
		if (strcmp(end, units[i].letter) == 0)
			times = units[i].times;
	ENSURE(!end || (*text >= '0' && *text <= '9' && times && n &&
			n <= (uint64_t)INT64_MAX / times),
	       error_new(ERR_USAGE, N_("--blobs-up-to takes a size, such as 20M, or “all”.")));
	*ret = n * times;
	return NULL;
}

static void say(FILE *out, const struct keep *k)
{
	if (k->payload_days)
		fprintf(out,
			"This box fetches what was written in the last %" PRIu32
			" days; of older entries"
			" it keeps the headers, and what it holds already.\n",
			k->payload_days);
	if (k->blob_max)
		fprintf(out,
			"Files of more than %" PRIu64 " bytes are not fetched by themselves.\n",
			k->blob_max);
}

struct listing {
	FILE *out;
	struct conn *conn;
};

static struct error *say_space(void *ctx, const struct space_info *s)
{
	const struct listing *l = ctx;
	int64_t since;
	time_t t;
	struct tm tm;
	char day[24];
	bool kept;

	TRY(partial_space_since(l->conn, &s->id, &kept, &since));
	if (kept)
		return NULL;
	t = (time_t)(since / 1000);
	if (!since || !gmtime_r(&t, &tm) || !strftime(day, sizeof(day), " since %Y-%m-%d", &tm))
		day[0] = 0;
	fprintf(l->out, "Not kept%s: %s (%s). Nothing new of it is fetched.\n", day,
		*s->name && conn_sees(l->conn, &s->id) ? s->name : "a community", ID_SHORT(&s->id));
	return NULL;
}

struct error *cmd_keep(struct command_run *run)
{
	const char *since = command_option(run, "--payloads-since");
	const char *size = command_option(run, "--blobs-up-to");
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct keep k;
	int64_t gone;
	bool partial;

	TRY(app_conn(run->app, &c));
	TRY(partial_choice(c, &k));
	if (since)
		TRY(parse_days(since, &k.payload_days));
	if (size)
		TRY(parse_size(size, &k.blob_max));
	if (since || size)
		TRY(writer_run(run->app->writer, set_choice, &k));
	say(run->out, &k);
	TRY(partial_is(c, &partial));
	if (!partial)
		fprintf(run->out, "This box fetches and keeps everything.\n");
	TRY(space_each_here(c, say_space, &(struct listing){run->out, c}));
	TRY(log_let_go_count(c->log, &gone));
	if (gone)
		fprintf(run->out, "Communities of strangers that were let go of: %" PRId64 ".\n", gone);
	return NULL;
}
