/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/recovery/backup.h"
#include <jansson.h>

enum { PART_KEY = 'k', PART_LOCAL = 'l', PART_BUNDLE = 'b', PART_MANIFEST = 'm' };
#define BACKUP_LOCAL_MAX (1ULL << 32)
enum { BACKUP_MANIFEST_MAX = 1024 * 1024 };

/* {"name", "key", "spaces": [{"id", "digest"}]}: the digests as they are now. */
struct error *manifest_make(struct app *app, struct conn *c, json_t **ret) MUST;
