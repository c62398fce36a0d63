/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/recovery.h"
#include "appliance/community/feature.h"

static const char *const migrations[] = {
	"CREATE TABLE place(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, path TEXT NOT NULL,"
	" added INTEGER NOT NULL, small INTEGER NOT NULL, whole INTEGER NOT NULL,"
	" tried INTEGER NOT NULL, problem TEXT NOT NULL, UNIQUE(kind, path)) STRICT;"
	"CREATE TABLE proof(id INTEGER PRIMARY KEY CHECK(id = 1), at INTEGER NOT NULL,"
	" name TEXT NOT NULL, problem TEXT NOT NULL, entries INTEGER NOT NULL,"
	" compared INTEGER NOT NULL) STRICT;"
	"CREATE TABLE sheets(id INTEGER PRIMARY KEY CHECK(id = 1), at INTEGER NOT NULL,"
	" name TEXT NOT NULL) STRICT;"
	"CREATE TABLE keeps(peer BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;",
	"CREATE TABLE doubted(peer BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;"
	"CREATE TABLE restored(id INTEGER PRIMARY KEY CHECK(id = 1), made INTEGER NOT NULL)"
	" STRICT;",
	"ALTER TABLE place ADD COLUMN proved INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE place ADD COLUMN forgot INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE place ADD COLUMN erasures INTEGER NOT NULL DEFAULT 0;",
	"CREATE TABLE sheet_set(num INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
	" at INTEGER NOT NULL, checked INTEGER NOT NULL) STRICT;"
	"INSERT INTO sheet_set(name, at, checked) SELECT name, at, 0 FROM sheets;"
	"DROP TABLE sheets;",
	"ALTER TABLE place ADD COLUMN proof_tried INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE place ADD COLUMN proof_problem TEXT NOT NULL DEFAULT '';",
};

enum {
	PLACE_EACH,
	PLACE_GET,
	PLACE_COUNT,
	PLACE_ADD,
	PLACE_REMOVE,
	PLACE_TRIED,
	PLACE_SMALL,
	PLACE_WHOLE,
	PLACE_PROVED,
	PLACE_WRONG,
	PLACE_UNREACHED,
	PLACE_FORGOT,
	PROOF_GET,
	PROOF_PUT,
	SHEETS_GET,
	SHEETS_PUT,
	SHEETS_FORGET,
	SHEETS_CHECKED,
	SHEETS_OF_SET,
	KEEPS_GET,
	KEEPS_ADD,
	KEEPS_REMOVE,
	RESTORED_PUT,
	RESTORED_GET,
	DOUBTED_GET,
	DOUBTED_COUNT,
	DOUBTED_ADD,
	DOUBTED_REMOVE,
	STATEMENTS
};
#define COLUMNS "SELECT id, kind, path, added, small, whole, tried, problem, proved, forgot,"        \
		" erasures, proof_tried, proof_problem FROM place"
static const char *const sql[STATEMENTS] = {
	[PLACE_EACH] = COLUMNS " ORDER BY id",
	[PLACE_GET] = COLUMNS " WHERE id = ?1",
	[PLACE_COUNT] = "SELECT count(*) FROM place",
	[PLACE_ADD] = "INSERT INTO place(kind, path, added, small, whole, tried, problem)"
		      " VALUES(?1, ?2, ?3, 0, 0, 0, '')",
	[PLACE_REMOVE] = "DELETE FROM place WHERE id = ?1",
	[PLACE_TRIED] = "UPDATE place SET tried = ?2, problem = ?3 WHERE id = ?1",
	[PLACE_SMALL] = "UPDATE place SET small = ?2 WHERE id = ?1",
	[PLACE_WHOLE] = "UPDATE place SET whole = ?2 WHERE id = ?1",
	[PLACE_PROVED] = "UPDATE place SET proved = ?2, proof_tried = ?2, proof_problem = ''"
			 " WHERE id = ?1",
	[PLACE_WRONG] = "UPDATE place SET proof_tried = ?2, proof_problem = ?3 WHERE id = ?1",
	[PLACE_UNREACHED] = "UPDATE place SET proof_tried = ?2 WHERE id = ?1",
	[PLACE_FORGOT] = "UPDATE place SET forgot = ?2, erasures = ?3 WHERE id = ?1",
	[PROOF_GET] = "SELECT at, name, problem, entries, compared FROM proof",
	[PROOF_PUT] = "INSERT OR REPLACE INTO proof VALUES(1, ?1, ?2, ?3, ?4, ?5)",
	[SHEETS_GET] = "SELECT at, name, checked FROM sheet_set ORDER BY num DESC LIMIT 1",
	[SHEETS_PUT] = "INSERT OR REPLACE INTO sheet_set(name, at, checked) VALUES(?2, ?1, 0)",
	[SHEETS_FORGET] = "DELETE FROM sheet_set WHERE num <= (SELECT max(num) FROM sheet_set) - ?1",
	[SHEETS_CHECKED] = "UPDATE sheet_set SET checked = ?2 WHERE name = ?1",
	[SHEETS_OF_SET] = "SELECT at, checked, num = (SELECT max(num) FROM sheet_set) FROM sheet_set"
			  " WHERE name = ?1",
	[KEEPS_GET] = "SELECT 1 FROM keeps WHERE peer = ?1",
	[KEEPS_ADD] = "INSERT OR IGNORE INTO keeps VALUES(?1)",
	[KEEPS_REMOVE] = "DELETE FROM keeps WHERE peer = ?1",
	[RESTORED_PUT] = "INSERT OR REPLACE INTO restored VALUES(1, ?1)",
	[RESTORED_GET] = "SELECT made FROM restored",
	[DOUBTED_GET] = "SELECT 1 FROM doubted WHERE peer = ?1",
	[DOUBTED_COUNT] = "SELECT count(*) FROM doubted",
	[DOUBTED_ADD] = "INSERT OR IGNORE INTO doubted VALUES(?1)",
	[DOUBTED_REMOVE] = "DELETE FROM doubted WHERE peer = ?1",
};

static const struct op_type no_ops[] = {{0}};

const struct feature recovery_feature = {
	.name = "recovery",
	.types = no_ops,
	.local_migrations = migrations,
	.local_migrations_n = ARRAY_LEN(migrations),
	.local_sql = sql,
	.local_sql_n = STATEMENTS,
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_local(c, &recovery_feature);
}

/* --- places ----------------------------------------------------------------------------------- */

static void read_place(sqlite3_stmt *st, struct place *p)
{
	*p = (struct place){.id = db_int(st, 0),
			    .kind = (enum place_kind)db_int(st, 1),
			    .added_ms = db_int(st, 3),
			    .small_ms = db_int(st, 4),
			    .whole_ms = db_int(st, 5),
			    .tried_ms = db_int(st, 6),
			    .proved_ms = db_int(st, 8),
			    .forgot_ms = db_int(st, 9),
			    .erasures = db_int(st, 10),
			    .proof_tried_ms = db_int(st, 11)};
	snprintf(p->where, sizeof(p->where), "%s", db_text(st, 2));
	snprintf(p->problem, sizeof(p->problem), "%s", db_text(st, 7));
	snprintf(p->proof_problem, sizeof(p->proof_problem), "%s", db_text(st, 12));
}

struct error *place_each(struct conn *c, place_fn *fn, void *ctx)
{
	struct place *all = calloc(RECOVERY_PLACES, sizeof(*all));
	sqlite3_stmt *st = db_stmt(stmts(c), PLACE_EACH);
	struct error *e = NULL;
	size_t n = 0;

	if (!all)
		abort();
	while (n < RECOVERY_PLACES && db_next(c->local, st, &e))
		read_place(st, &all[n++]);
	sqlite3_reset(st);
	for (size_t i = 0; !e && i < n; i++)
		e = fn(ctx, &all[i]);
	free(all);
	return e;
}

struct error *place_get(struct conn *c, int64_t id, struct place *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), PLACE_GET);
	bool row;

	db_bind(st, "i", id);
	TRY(db_step(c->local, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("This place is not in the list any more.")));
	read_place(st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *place_add(struct conn *c, enum place_kind kind, const char *where)
{
	int64_t n;
	struct error *e;

	TRY(db_number(c->local, stmts(c), PLACE_COUNT, 0, &n, ""));
	ENSURE(n < RECOVERY_PLACES,
	       error_new(ERR_LIMIT, N_("There are many places already. Remove one first.")));
	e = db_do(c->local, stmts(c), PLACE_ADD, "isi", (int64_t)kind, where, env_now(c->env));
	if (!error_is(e, ERR_EXISTS))
		return e;
	error_free(e);
	return error_new(ERR_EXISTS, N_("This place is in the list already."));
}

struct error *place_remove(struct conn *c, int64_t id)
{
	return db_do(c->local, stmts(c), PLACE_REMOVE, "i", id);
}

struct error *place_note(struct conn *c, int64_t id, enum backup_scope scope, int64_t now_ms,
			 const char *problem)
{
	TRY(db_do(c->local, stmts(c), PLACE_TRIED, "iis", id, now_ms, problem ? problem : ""));
	if (problem)
		return NULL;
	return db_do(c->local, stmts(c), scope == BACKUP_SMALL ? PLACE_SMALL : PLACE_WHOLE, "ii",
		     id, now_ms);
}

struct error *place_proved(struct conn *c, int64_t id, int64_t now_ms, const char *problem)
{
	if (problem)
		return db_do(c->local, stmts(c), PLACE_WRONG, "iis", id, now_ms, problem);
	return db_do(c->local, stmts(c), PLACE_PROVED, "ii", id, now_ms);
}

struct error *place_unreached(struct conn *c, int64_t id, int64_t now_ms)
{
	return db_do(c->local, stmts(c), PLACE_UNREACHED, "ii", id, now_ms);
}

struct error *place_forgot(struct conn *c, int64_t id, int64_t when_ms, int64_t erasures)
{
	return db_do(c->local, stmts(c), PLACE_FORGOT, "iii", id, when_ms, erasures);
}

/* --- the trial, the sheets -------------------------------------------------------------------- */

struct error *recovery_state(struct conn *c, struct recovery_state *ret)
{
	struct recovery_state s = {.proved_ms = 0};
	sqlite3_stmt *st = db_stmt(stmts(c), PROOF_GET);
	bool row;

	TRY(db_step(c->local, st, &row));
	if (row) {
		s.proved_ms = db_int(st, 0);
		snprintf(s.proof_of, sizeof(s.proof_of), "%s", db_text(st, 1));
		snprintf(s.proof_problem, sizeof(s.proof_problem), "%s", db_text(st, 2));
		s.proof_entries = db_int(st, 3);
		s.proof_compared = db_int(st, 4);
		sqlite3_reset(st);
	}
	st = db_stmt(stmts(c), SHEETS_GET);
	TRY(db_step(c->local, st, &row));
	if (row) {
		s.sheets_ms = db_int(st, 0);
		snprintf(s.sheets_set, sizeof(s.sheets_set), "%s", db_text(st, 1));
		s.checked_ms = db_int(st, 2);
		sqlite3_reset(st);
	}
	*ret = s;
	return NULL;
}

struct error *recovery_note_proof(struct conn *c, const struct recovery_state *s)
{
	return db_do(c->local, stmts(c), PROOF_PUT, "issii", s->proved_ms, s->proof_of,
		     s->proof_problem, s->proof_entries, (int64_t)s->proof_compared);
}

struct error *recovery_note_sheets(struct conn *c, const char *set, int64_t now_ms)
{
	TRY(db_do(c->local, stmts(c), SHEETS_PUT, "is", now_ms, set));
	return db_do(c->local, stmts(c), SHEETS_FORGET, "i", (int64_t)RECOVERY_SETS);
}

struct error *recovery_set_get(struct conn *c, const char *set, struct recovery_set *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), SHEETS_OF_SET);
	bool row;

	*ret = (struct recovery_set){.printed_ms = 0};
	db_bind(st, "s", set);
	TRY(db_step(c->local, st, &row));
	if (row)
		*ret = (struct recovery_set){.printed_ms = db_int(st, 0),
					     .checked_ms = db_int(st, 1),
					     .newest = db_int(st, 2) != 0};
	if (row)
		sqlite3_reset(st);
	return NULL;
}

struct error *recovery_note_checked(struct conn *c, const char *set, int64_t now_ms)
{
	return db_do(c->local, stmts(c), SHEETS_CHECKED, "si", set, now_ms);
}

/* --- what is kept for peers ------------------------------------------------------------------- */

struct error *keep_allow(struct conn *c, const struct pubkey *peer, bool allow)
{
	return db_do(c->local, stmts(c), allow ? KEEPS_ADD : KEEPS_REMOVE, "k", peer);
}

struct error *keep_allowed(struct conn *c, const struct pubkey *peer, bool *ret)
{
	int64_t n;

	TRY(db_number(c->local, stmts(c), KEEPS_GET, 0, &n, "k", peer));
	*ret = n != 0;
	return NULL;
}

/* --- what a backup brought back --------------------------------------------------------------- */

static struct error *doubt(void *ctx, const struct peer *p)
{
	struct conn *c = ctx;

	return db_do(c->local, stmts(c), DOUBTED_ADD, "k", &p->key);
}

struct error *restored_doubt(struct conn *c, int64_t made_ms)
{
	TRY(peer_each(c->local, doubt, c));
	return db_do(c->local, stmts(c), RESTORED_PUT, "i", made_ms);
}

struct error *restored_doubted(struct conn *c, const struct pubkey *peer, bool *ret)
{
	int64_t n;

	TRY(db_number(c->local, stmts(c), DOUBTED_GET, 0, &n, "k", peer));
	*ret = n != 0;
	return NULL;
}

struct error *restored_open(struct conn *c, int64_t *ret_n, int64_t *ret_made_ms)
{
	TRY(db_number(c->local, stmts(c), DOUBTED_COUNT, 0, ret_n, ""));
	return db_number(c->local, stmts(c), RESTORED_GET, 0, ret_made_ms, "");
}

struct error *restored_settle(struct conn *c, const struct pubkey *peer)
{
	return db_do(c->local, stmts(c), DOUBTED_REMOVE, "k", peer);
}

/* --- what needs somebody ---------------------------------------------------------------------- */

struct trouble {
	int64_t now;
	bool any, failed, late, wrong;
};

static struct error *look_at_place(void *ctx, const struct place *p)
{
	struct trouble *t = ctx;

	t->any = true;
	t->failed = t->failed || *p->problem;
	t->wrong = t->wrong || *p->proof_problem;
	t->late = t->late || (p->added_ms < t->now - 2 * BACKUP_DAY_MS &&
			      p->small_ms < t->now - 2 * BACKUP_DAY_MS);
	return NULL;
}

struct error *recovery_warning(struct conn *c, int64_t now_ms, const char **ret_msgid,
			       bool *ret_grave)
{
	struct trouble t = {.now = now_ms};
	struct recovery_state s;

	*ret_msgid = NULL;
	TRY(place_each(c, look_at_place, &t));
	TRY(recovery_state(c, &s));
	if (t.wrong || *s.proof_problem)
		*ret_msgid = N_("The last backup could not be restored when it was tried out.");
	else if (t.failed || t.late)
		*ret_msgid = N_("The last backup did not succeed everywhere.");
	*ret_grave = t.any && *ret_msgid;
	if (!t.any && !*ret_msgid)
		*ret_msgid = N_("Nobody has said where backups go: there are none.");
	return NULL;
}
