/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Backups in a folder of a disk or stick: written whole or not at all, and only ours are removed.
 */
#pragma once
#include "appliance/recovery/plan.h"

/* Make one: a temporary file, fsync, rename, fsync of the folder; then old ones go. ERR_NOT_FOUND:
 * the disk is not there; ERR_FULL (nothing is left of the new one). */
struct error *folder_back_up(struct app *app, const char *folder, enum backup_scope scope) MUST;
/* Remove the whole ones but `keep`: the newest, which was tried out. */
struct error *folder_forget(const struct pubkey *box, const char *folder, const char *keep) MUST;
/* The newest one in the folder (backup_order), opened; of two of the same second the whole one. *ret_when:
 * what its name says. ERR_NOT_FOUND. */
struct error *folder_newest(const struct pubkey *box, const char *folder, int64_t now_ms,
			    int *ret_fd, char ret_name[BACKUP_NAME], int64_t *ret_when) MUST;
