/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/plan.h"
#include <inttypes.h>
#include <time.h>

static const char *const scopes[] = {[BACKUP_SMALL] = "small", [BACKUP_WHOLE] = "whole"};

bool backup_due(int64_t now_ms, int64_t last_ms, int64_t tried_ms, int64_t every_ms)
{
	bool late = !last_ms || now_ms - last_ms >= every_ms || last_ms > now_ms;
	bool may_try = !tried_ms || now_ms - tried_ms >= BACKUP_AGAIN_MS || tried_ms > now_ms;

	return late && may_try;
}

bool proof_due(int64_t now_ms, int64_t proved_ms, int64_t tried_ms, bool wrong)
{
	bool late = wrong || !proved_ms || now_ms - proved_ms >= BACKUP_MONTH_MS || proved_ms > now_ms;
	bool rests = tried_ms && tried_ms <= now_ms &&
		     now_ms - tried_ms < (wrong ? BACKUP_DAY_MS : BACKUP_AGAIN_MS);

	return late && !rests;
}

int64_t backup_when(int64_t now_ms)
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm = {0};

	if (!gmtime_r(&t, &tm) || tm.tm_year < 70 || tm.tm_year > 8099)
		tm = (struct tm){.tm_year = 70, .tm_mday = 1};
	return ((tm.tm_year + 1900) * 10000LL + (tm.tm_mon + 1) * 100 + tm.tm_mday) * 1000000 +
	       tm.tm_hour * 10000 + tm.tm_min * 100 + tm.tm_sec;
}

void backup_name(const struct pubkey *box, enum backup_scope scope, int64_t now_ms,
		 char out[BACKUP_NAME])
{
	int64_t when = backup_when(now_ms);

	snprintf(out, BACKUP_NAME, "lliure-%.8s-%.5s-%08" PRId64 "-%06" PRId64 ".backup",
		 ID_SHORT(box), scopes[scope], when / 1000000, when % 1000000);
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

int64_t backup_order(int64_t when, int64_t now)
{
	return when > now ? when - ORDER_BELOW : when;
}

/* Of the same scope, so many newer than the i-th. */
static int newer(const struct backup_dated *d, size_t n, size_t i)
{
	int found = 0;

	for (size_t k = 0; k < n; k++)
		found += d[k].ours && d[k].scope == d[i].scope && d[k].order > d[i].order;
	return found;
}

void backup_dates(const struct pubkey *box, int64_t now_ms, char names[][BACKUP_NAME], size_t n,
		  struct backup_dated *ret)
{
	int64_t now = backup_when(now_ms);

	for (size_t i = 0; i < n; i++) {
		struct backup_dated *d = &ret[i];

		d->ours = backup_name_parse(names[i], box, &d->scope, &d->when);
		d->order = d->ours ? backup_order(d->when, now) : 0;
	}
}

void backup_rotate(const struct backup_dated *d, size_t n, bool *ret_remove)
{
	for (size_t i = 0; i < n; i++)
		ret_remove[i] = d[i].ours &&
				newer(d, n, i) >= (d[i].scope == BACKUP_SMALL ? BACKUP_KEEP_SMALL
									       : BACKUP_KEEP_WHOLE);
}
