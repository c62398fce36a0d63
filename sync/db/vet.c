/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/db/db_priv.h"

enum { VET_CHECK, VET_ODD, VET_AUTO, VET_STMTS };
static const char *const vet_sql[VET_STMTS] = {
	[VET_CHECK] = "PRAGMA quick_check(1)",
	[VET_ODD] = "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')"
		    " OR sql LIKE 'CREATE VIRTUAL%'",
	/* Such a file has pages that gap.c could take for those of a table. */
	[VET_AUTO] = "PRAGMA auto_vacuum",
};

static struct error *not_ours(const char *path, const char *words)
{
	return error_new(ERR_CORRUPT,
			 N_("The database %s is damaged (%s). Bring it back from a peer or "
			    "a backup."),
			 path, words);
}

struct error *db_quick_check(struct db *db)
{
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row, whole;

	TRY(db_prepare(db, vet_sql, VET_STMTS, &s));
	st = db_stmt(s, VET_CHECK);
	TRY(db_step(db, st, &row));
	whole = row && strcmp(db_text(st, 0), "ok") == 0;
	sqlite3_reset(st);
	ENSURE(whole, not_ours(db_path(db), "quick_check"));
	return NULL;
}

static struct error *check(struct db *db)
{
	struct db_stmts *s;
	int64_t odd, automatic;

	TRY(db_exec(db, "PRAGMA cell_size_check=ON"));
	TRY(db_quick_check(db));
	TRY(db_prepare(db, vet_sql, VET_STMTS, &s));
	TRY(db_number(db, s, VET_ODD, 0, &odd, ""));
	ENSURE(!odd, not_ours(db_path(db), "schema"));
	TRY(db_number(db, s, VET_AUTO, 0, &automatic, ""));
	ENSURE(!automatic, not_ours(db_path(db), "auto_vacuum"));
	return NULL;
}

struct error *db_vet(const char *path)
{
	_cleanup_(db_closep) struct db *db = NULL;

	TRY(db_open(path, DB_READER, 1024, &db));
	return check(db);
}
