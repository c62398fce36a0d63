/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Stored data of an older format are brought to this program's with a way back, until it is certain
 * that an older program will not open them again.
 *
 *   DIR/before/   a snapshot of log.db and local.db, and their format: whole when it has this name
 *   DIR/back/     the same on its way back into place: finished by whoever opens the folder next
 *
 * Invariants
 *  1. While DIR/before is there nothing that people or peers were told has been written since: the
 *     writer was opened, and neither a page was served nor an exchange made. So the program that
 *     made the data may put it back without losing or contradicting anything.
 *  2. Who was told to stay (the boot state of a box: no older system is started any more) has the
 *     snapshot removed; who could not be told has it put back.
 *
 * Under the folder's lock, before its databases are opened.
 */
#pragma once
#include "sync/base/error.h"
#include <stdint.h>

/* Makes a snapshot when the data are older than this program's format; puts one back that a newer
 * program left behind. *ret_begun: migration_keep or migration_take_back is to follow when the
 * databases were opened and closed, or could not be opened. ERR_FULL when there is no room for it:
 * then nothing has changed. */
struct error *migration_begin(const char *dir, bool *ret_begun) MUST;
struct error *migration_keep(const char *dir) MUST;
struct error *migration_take_back(const char *dir) MUST;
