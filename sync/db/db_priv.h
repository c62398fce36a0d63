/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What db.c and transaction.c share. Included only inside sync/db/. */
#pragma once
#include "sync/db/db.h"

struct db {
	sqlite3 *sq;
	char *path;
	struct db_stmts *sets; /* all prepared sets, freed with the connection */
	struct db_stmts *own;
	int64_t written; /* pages, since it was opened, when the last transaction began */
	bool (*gives_up)(void *ctx); /* db_give_up */
	void *gives_up_ctx;
	struct gaps *gaps; /* NULL: a reader; as long as the file is open */
};

enum {
	OWN_BEGIN,
	OWN_BEGIN_READ,
	OWN_COMMIT,
	OWN_ROLLBACK,
	OWN_SAVEPOINT,
	OWN_RELEASE,
	OWN_UNDO,
	OWN_UNUSED,
	OWN_PAGES,
	OWN_SWEPT,
	OWN_PAGE
};

/* The error for SQLite's result code. */
struct error *db_fault(const char *path, int rc, int errnum, const char *words);
struct error *db_error(struct db *db, int rc);

/* --- words.c: the connection knows what db.h says of full-text tables. SQLite's result code --- */
int words_register(sqlite3 *sq);

/* --- gap.c --- */
struct gaps;
/* From now on what the connection writes into its database's file has zeros between the cell
 * pointers and the cells of a page. SQLite's result code. Freed after the connection was closed. */
int gaps_wipe(sqlite3 *sq, struct gaps **ret);
/* The same for what lies in the file, so many pages of it from that one on; *ret_next: the first that was not
 * looked at, 0 when it was the last. What comes from the write-ahead log meanwhile is wiped as it comes.
 * Nobody else may checkpoint; there may be readers, who look at no gap. SQLite's result code. */
int gaps_clean(sqlite3 *sq, const struct gaps *g, int64_t from, int64_t most, int64_t *ret_next);
void gaps_free(struct gaps *g);
/* The most pages that a file may have for that (128 GiB). */
#define GAP_PAGES "33554431"
