/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/plan.h"
#include <time.h>

static const char *const scopes[] = {[BACKUP_SMALL] = "small", [BACKUP_WHOLE] = "whole"};

bool backup_due(int64_t now_ms, int64_t last_ms, int64_t tried_ms, int64_t every_ms)
{
	bool late = !last_ms || now_ms - last_ms >= every_ms || last_ms > now_ms;
	bool may_try = !tried_ms || now_ms - tried_ms >= BACKUP_AGAIN_MS || tried_ms > now_ms;

	return late && may_try;
}

void backup_name(const struct pubkey *box, enum backup_scope scope, int64_t now_ms,
		 char out[BACKUP_NAME])
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm = {0};
	char when[32];

	if (!gmtime_r(&t, &tm) || tm.tm_year < 70 || tm.tm_year > 8099)
		tm = (struct tm){.tm_year = 70, .tm_mday = 1};
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	snprintf(out, BACKUP_NAME, "lliure-%.8s-%.5s-%.15s.backup", ID_SHORT(box), scopes[scope],
		 when);
}

/* "20261125-031007" */
static bool parse_when(const char *s, int64_t *ret)
{
	int64_t v = 0;

	for (int i = 0; i < 15; i++) {
		if (i == 8 ? s[i] != '-' : s[i] < '0' || s[i] > '9')
			return false;
		if (i != 8)
			v = v * 10 + (s[i] - '0');
	}
	*ret = v;
	return strcmp(s + 15, ".backup") == 0;
}

bool backup_name_parse(const char *name, const struct pubkey *box, enum backup_scope *ret_scope,
		       int64_t *ret_when)
{
	for (int scope = BACKUP_SMALL; scope <= BACKUP_WHOLE; scope++) {
		char start[BACKUP_NAME];
		int n = snprintf(start, sizeof(start), "lliure-%s-%s-", ID_SHORT(box),
				 scopes[scope]);

		if (strncmp(name, start, (size_t)n) || !parse_when(name + n, ret_when))
			continue;
		*ret_scope = scope;
		return true;
	}
	return false;
}

void backup_rotate(const struct pubkey *box, char names[][BACKUP_NAME], size_t n, bool *ret_remove)
{
	for (size_t i = 0; i < n; i++) {
		enum backup_scope scope, other;
		int64_t when, its;
		int newer = 0;

		ret_remove[i] = false;
		if (!backup_name_parse(names[i], box, &scope, &when))
			continue;
		for (size_t k = 0; k < n; k++)
			newer += backup_name_parse(names[k], box, &other, &its) && other == scope &&
				 its > when;
		ret_remove[i] =
			newer >= (scope == BACKUP_SMALL ? BACKUP_KEEP_SMALL : BACKUP_KEEP_WHOLE);
	}
}
