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

static struct tm name_time(int64_t now_ms)
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm = {0};

	if (!gmtime_r(&t, &tm) || tm.tm_year < 70 || tm.tm_year > 8099)
		tm = (struct tm){.tm_year = 70, .tm_mday = 1};
	return tm;
}

void backup_name(const struct pubkey *box, enum backup_scope scope, int64_t now_ms,
		 char out[BACKUP_NAME])
{
	struct tm tm = name_time(now_ms);
	char when[32];

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

int64_t backup_when_ms(int64_t when)
{
	struct tm tm = {.tm_year = (int)(when / 10000000000) - 1900,
			.tm_mon = (int)(when / 100000000 % 100) - 1,
			.tm_mday = (int)(when / 1000000 % 100),
			.tm_hour = (int)(when / 10000 % 100),
			.tm_min = (int)(when / 100 % 100),
			.tm_sec = (int)(when % 100)};

	return (int64_t)timegm(&tm) * 1000;
}

/* More than any name says: those of the future keep their order, below all others. */
#define ORDER_BELOW ((int64_t)1000000000000000)

int64_t backup_order(int64_t when, int64_t now_ms)
{
	struct tm tm = name_time(now_ms);
	int64_t now = ((tm.tm_year + 1900) * 10000LL + (tm.tm_mon + 1) * 100 + tm.tm_mday) * 1000000 +
		      tm.tm_hour * 10000 + tm.tm_min * 100 + tm.tm_sec;

	return when > now ? when - ORDER_BELOW : when;
}

void backup_rotate(const struct pubkey *box, int64_t now_ms, char names[][BACKUP_NAME], size_t n,
		   bool *ret_remove)
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
				 backup_order(its, now_ms) > backup_order(when, now_ms);
		ret_remove[i] =
			newer >= (scope == BACKUP_SMALL ? BACKUP_KEEP_SMALL : BACKUP_KEEP_WHOLE);
	}
}
