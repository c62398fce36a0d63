/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One GNU .mo file: message ids and their translations (gettext manual, "The Format of GNU MO
 * Files"; revision 0, either byte order; the hash table is not used, ids are sorted).
 *
 * Every offset and length is checked when the catalog is opened, so a lookup trusts them. A plural
 * entry is found by its singular. Entries with a context (msgctxt) are found by "context\004id".
 *
 * Threads: constant after catalog_open; any thread may look up.
 */
#pragma once
#include "sync/base/error.h"
#include "sync/base/span.h"

enum { CATALOG_ENTRIES = 65536 };

struct catalog;

/* `mo` is borrowed and must outlive the catalog. ERR_MALFORMED names `name` and what is wrong. */
struct error *catalog_open(const char *name, struct span mo, struct catalog **ret) MUST;
void catalog_free(struct catalog *c);
DEFINE_CLEANUP(struct catalog *, catalog_free)

/* Form number `form` (0 for an entry without plural) of the translation; NULL when there is none or
 * it is empty. A form beyond the last gives the last. */
const char *catalog_find(const struct catalog *c, const char *msgid, unsigned form);
