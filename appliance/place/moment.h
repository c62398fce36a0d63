/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A day and an hour as people write them in two fields of a form, in the box's zone. */
#pragma once
#include "appliance/http/http.h"

/* "2026-11-26" and "14:05" (or with seconds). Of the hour that comes twice in autumn it is the first. */
bool moment_read(const char *date, const char *hour, int64_t *ret_ms);
/* The fields `since_day` and `since_hour` of a form, or of the address: since when something is so. Empty is
 * 0: now; a day alone is its beginning. ERR_INVALID: no such day, or one to come. */
struct error *since_read(struct request *r, bool address, int64_t *ret_ms) MUST;
/* What template _since shows: the two as they were given, and how many of its entries go with that. */
json_t *since_json(struct request *r, int64_t since_ms, uint64_t goes) MUST;
/* The address of a page that shows what goes, with what the form says of the time; in the arena. */
struct error *since_address(struct request *r, const char *path, const char **ret) MUST;
