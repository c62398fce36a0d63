/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/recovery/backup.h"
#include <jansson.h>

enum { PART_KEY = 'k', PART_LOCAL = 'l', PART_BUNDLE = 'b', PART_MANIFEST = 'm' };
#define BACKUP_LOCAL_MAX (1ULL << 32)
enum { BACKUP_MANIFEST_MAX = 1024 * 1024 };

/* {"name", "key", "version", "spaces": [{"id", "heads", "digest"}]}: the digests as they are now, of the
 * entries and of what this version makes of them. */
struct error *manifest_make(struct app *app, struct conn *c, json_t **ret) MUST;
/* Does a box that was restored hold what the backup's manifest says? Another version may make something else
 * of the same entries, and is to be restored all the same: then the entries alone decide. UNSAID: the backup
 * does not say enough. Pure. */
enum manifest_match { MANIFEST_UNSAID, MANIFEST_DIFFERS, MANIFEST_SAME };
enum manifest_match manifest_compare(const json_t *was, const json_t *now);
