/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the stores of features share: feeding rows of the view into the digest. */
#pragma once
#include "sync/sync.h"

/* Feed every row that the statement (bound, not stepped yet) gives: each column with its kind and
 * length before it, so that different rows never feed the same bytes. Only numbers, texts, blobs
 * and NULL. */
struct error *digest_rows(struct db *db, sqlite3_stmt *st, struct hash_state *h) MUST;
