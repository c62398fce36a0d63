/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When a backup is due, what it is called, and which old ones go: pure.
 *
 * A backup of box mzxw6ytb is called lliure-mzxw6ytb-whole-20261125-031007.backup; files of any
 * other name are somebody's and never touched.
 */
#pragma once
#include "appliance/recovery/backup.h"

enum { BACKUP_NAME = 64, BACKUP_KEEP_SMALL = 7, BACKUP_KEEP_WHOLE = 4, BACKUP_LIST = 256 };
#define BACKUP_DAY_MS	((int64_t)24 * 3600 * 1000)
#define BACKUP_WEEK_MS	(7 * BACKUP_DAY_MS)
#define BACKUP_MONTH_MS (30 * BACKUP_DAY_MS)
#define BACKUP_AGAIN_MS ((int64_t)3600 * 1000) /* after a failure */

/* Is it due? last_ms: of the last success, tried_ms of the last try; 0: never. A clock that went
 * back makes it due, once. */
bool backup_due(int64_t now_ms, int64_t last_ms, int64_t tried_ms, int64_t every_ms);

/* Is the newest backup at a place to be tried out? proved_ms: when one there was right, 0: never.
 * tried_ms: the last try, whatever came of it; wrong: it could not be restored. Who can't be reached
 * is asked again in an hour, what was wrong is tried again the next day. */
bool proof_due(int64_t now_ms, int64_t proved_ms, int64_t tried_ms, bool wrong);

void backup_name(const struct pubkey *box, enum backup_scope scope, int64_t now_ms,
		 char out[BACKUP_NAME]);
/* Is it one of ours? *ret_when: 20261125031007, as the name says it. */
bool backup_name_parse(const char *name, const struct pubkey *box, enum backup_scope *ret_scope,
		       int64_t *ret_when);
/* The same time in milliseconds since 1970. */
int64_t backup_when_ms(int64_t when);

/* now_ms as a name says it. */
int64_t backup_when(int64_t now_ms);

/* Grows from older to newer. A name that is dated later than now (both as names say it) was given by a clock
 * that was wrong, or by somebody else: it is older than any that is not, for it must neither push out what is
 * made from now on nor be what is tried out. */
int64_t backup_order(int64_t when, int64_t now);

/* What the names say; of those that are not ours, nothing but that. */
struct backup_dated {
	bool ours;
	enum backup_scope scope;
	int64_t when, order;
};
void backup_dates(const struct pubkey *box, int64_t now_ms, char names[][BACKUP_NAME], size_t n,
		  struct backup_dated *ret);

/* Mark those to remove: all but the newest BACKUP_KEEP_… of each scope, so that the one that was made now
 * always stays. Names that are not ours are never marked. */
void backup_rotate(const struct backup_dated *d, size_t n, bool *ret_remove);
