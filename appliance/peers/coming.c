/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/coming.h"
#include "appliance/config/config.h"

struct error *coming_count(struct conn *c, struct coming *ret)
{
	struct log_counts n;
	char days[SETTING_MAX + 1];
	uint64_t gone = 0;

	TRY(log_count(c->log, NULL, &n));
	if (n.missing)
		TRY(erased_lacking(c, NULL, &gone));
	TRY(config_get(c, SETTING_KEEP_DAYS, days));
	*ret = (struct coming){.entries = n.entries,
			       .missing = n.missing > gone ? n.missing - gone : 0,
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
	TRY(coming_count(request_conn(r), &n));
	if (!n.missing)
		return NULL;
	json_object_set_new(page, n.keep_days ? "elsewhere" : "coming",
			    json_pack("{s:I, s:I, s:I}", "missing", (json_int_t)n.missing,
				      "entries", (json_int_t)n.entries, "keep_days",
				      (json_int_t)n.keep_days));
	return NULL;
}
