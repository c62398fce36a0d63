/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/coming.h"
#include "appliance/config/config.h"
#include "appliance/peers/peers_priv.h"

static struct error *count(struct conn *c, struct coming_memo *io)
{
	struct log_counts n;
	uint64_t gone = 0;

	TRY(log_count(c->log, NULL, &n));
	if (n.missing)
		TRY(erased_lacking(c, NULL, &gone));
	io->entries = n.entries;
	io->missing = n.missing > gone ? n.missing - gone : 0;
	return NULL;
}

/* What was erased is looked for one by one, so it is done once for each state. */
struct error *coming_count(struct app *a, struct conn *c, struct coming *ret)
{
	struct coming_memo m = {.change = log_change(c->log),
				.generation = community_generation(c)};
	char days[SETTING_MAX + 1];

	if (!peers_coming_known(a, &m)) {
		TRY(count(c, &m));
		peers_coming_is(a, &m);
	}
	TRY(config_get(c, SETTING_KEEP_DAYS, days));
	*ret = (struct coming){.entries = m.entries,
			       .missing = m.missing,
			       .keep_days = (uint32_t)strtoul(days, NULL, 10)};
	return NULL;
}

static bool is_for(const char *path)
{
	return strcmp(path, "/") == 0 || strcmp(path, "/admin") == 0;
}

struct error *coming_page_hook(struct request *r, json_t *page)
{
	struct coming n;

	if (!is_for(request_path(r)))
		return NULL;
	TRY(coming_count(request_app(r), request_conn(r), &n));
	if (!n.missing)
		return NULL;
	json_object_set_new(page, n.keep_days ? "elsewhere" : "coming",
			    json_pack("{s:I, s:I, s:I}", "missing", (json_int_t)n.missing,
				      "entries", (json_int_t)n.entries, "keep_days",
				      (json_int_t)n.keep_days));
	return NULL;
}
