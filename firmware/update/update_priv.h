/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What installing and judging share. Included only inside firmware/update/. */
#pragma once
#include "firmware/update/update.h"
#include "sync/base/file.h"

/* VERSION_ID of the system that runs; "" when it has none. */
void update_running(const struct updater *u, char out[UPDATE_VERSION]);
/* The machine, as soon as its services have stopped. 0, 1. */
int update_restart(struct updater *u);
/* The format of the stored data, as the daemon wrote it down; 0: none yet. */
int update_data_format(const struct updater *u);
/* Write the outcome down, now. */
void update_note(const struct updater *u, struct outcome *o, enum update_stage stage,
		 enum update_why why);
/* Is an update being checked or installed now, since this start? Then its outcome is open, not cut
 * off. */
bool update_under_way(const struct updater *u);
/* What `lliure-boot show` prints: "running=B", "armed=B1" (or "-0"). */
struct boot_now {
	char running, armed;
	bool other_ok; /* the slot that does not run was healthy once */
};
/* false: the machine was not started by our boot loader, or it does not say. */
bool update_boot_now(struct updater *u, struct boot_now *ret);
