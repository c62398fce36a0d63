/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Opening, transactions, incarnations, and the rows of the logs. */
#include "sync/log/log_priv.h"

static const char *const migrations[] = {
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
	"CREATE TABLE log(num INTEGER PRIMARY KEY,"
	" space BLOB NOT NULL, appliance BLOB NOT NULL, incarnation INTEGER NOT NULL,"
	" head INTEGER NOT NULL, head_hash BLOB NOT NULL, audited INTEGER NOT NULL,"
	" ended INTEGER NOT NULL, frozen INTEGER NOT NULL, live INTEGER NOT NULL,"
	" held INTEGER NOT NULL, missing INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" UNIQUE(space, appliance, incarnation)) STRICT;"
	"CREATE INDEX log_waiting ON log(num) WHERE audited < live;"
	/* num: order of arrival. op: the first eight bytes of the op id. body: salt and payload. */
	"CREATE TABLE entry(num INTEGER PRIMARY KEY,"
	" log INTEGER NOT NULL, seq INTEGER NOT NULL, op INTEGER NOT NULL,"
	" state INTEGER NOT NULL, header BLOB NOT NULL, body BLOB, UNIQUE(log, seq)) STRICT;"
	"CREATE INDEX entry_op ON entry(op);"
	"CREATE INDEX entry_missing ON entry(log, seq) WHERE state IN (1, 2);"
	"CREATE TABLE fork(log INTEGER PRIMARY KEY, seq INTEGER NOT NULL,"
	" a BLOB NOT NULL, b BLOB NOT NULL) STRICT;"
	"CREATE TABLE erased(op BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;"
	"CREATE TABLE admitted(space BLOB NOT NULL, appliance BLOB NOT NULL,"
	" PRIMARY KEY(space, appliance)) STRICT, WITHOUT ROWID;",
	"ALTER TABLE log ADD COLUMN proved INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE log ADD COLUMN strict INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX log_unproved ON log(num) WHERE proved < live;",
	/* Entries of other branches of our own logs, until they are carried over. */
	"CREATE TABLE disputed(op BLOB PRIMARY KEY, space BLOB NOT NULL,"
	" incarnation INTEGER NOT NULL, seq INTEGER NOT NULL, state INTEGER NOT NULL,"
	" header BLOB NOT NULL, body BLOB) STRICT, WITHOUT ROWID;",
	"DROP INDEX entry_missing;"
	"CREATE INDEX entry_absent ON entry(log, seq) WHERE state > 0;",
	/* Spaces that are not for everybody, and for whom. may 0: not any more. */
	"CREATE TABLE closed(space BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;"
	"CREATE TABLE sharing(space BLOB NOT NULL, appliance BLOB NOT NULL, may INTEGER NOT NULL,"
	" PRIMARY KEY(space, appliance)) STRICT, WITHOUT ROWID;",
	/* Op ids that some header names as its rules: what others need to judge entries by. */
	"CREATE TABLE named(op BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;"
	"INSERT OR IGNORE INTO named SELECT DISTINCT substr(header, 129, 32) FROM entry;",
	/* What this box let go of and has not said so yet. */
	"CREATE TABLE owed(op BLOB PRIMARY KEY, again INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO owed SELECT op, 0 FROM erased;",
	/* What was let go of: what is derived from this store, and is durable later, may not know it yet. */
	"CREATE TABLE dropped(num INTEGER PRIMARY KEY AUTOINCREMENT, op BLOB NOT NULL) STRICT;",
	/* Appliances that are revoked now (incarnation 0), and how far each of their logs counts. */
	"CREATE TABLE revoked(space BLOB NOT NULL, appliance BLOB NOT NULL,"
	" incarnation INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" PRIMARY KEY(space, appliance, incarnation)) STRICT, WITHOUT ROWID;",
	"CREATE INDEX log_by_appliance ON log(appliance);",
	/* Spaces that this box let go of, and since when. */
	"CREATE TABLE let_go(space BLOB PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
	/* The other way round: what was never said to be open is closed. What was open until now is said
	 * to be again by who knows it, before anybody is told anything. */
	"CREATE TABLE open(space BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;"
	"DROP TABLE closed;",
	/* Up to where what is held of a frozen log is beyond doubt. */
	"ALTER TABLE log ADD COLUMN vouched INTEGER NOT NULL DEFAULT 0;",
	/* How far the numbers of arrivals were, by this box's clock. */
	"CREATE TABLE arrived(num INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;",
	/* The incarnations in which this box itself wrote: another one may have its key. */
	"CREATE TABLE own(appliance BLOB NOT NULL, incarnation INTEGER NOT NULL,"
	" PRIMARY KEY(appliance, incarnation)) STRICT, WITHOUT ROWID;",
};

#define LOG_SUMS "count(*), sum(live), sum(held), sum(missing), sum(bytes)"
#define LOG_COLUMNS                                                                                \
	"num, space, appliance, incarnation, head, head_hash, audited, ended, frozen, live, "      \
	"held, missing, bytes, proved, strict, vouched"
#define ENTRY_COLUMNS                                                                              \
	"SELECT e.num, e.log, e.seq, e.op, e.state, e.header, e.body, l.audited, l.live"           \
	" FROM entry e JOIN log l ON l.num = e.log "

static const char *const sql[LOG_STMTS] = {
	[LOG_META_GET] = "SELECT value FROM meta WHERE key=?1",
	[LOG_META_SET] = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
	[LOG_META_MORE] = "UPDATE meta SET value=value+1 WHERE key=?1",
	[LOG_META_COUNT] = "INSERT INTO meta VALUES (?1, 1)"
			   " ON CONFLICT(key) DO UPDATE SET value=value+1",
	[LOG_META_LEAST] = "INSERT INTO meta VALUES (?1, ?2)"
			   " ON CONFLICT(key) DO UPDATE SET value=min(value, excluded.value)",
	[LOG_META_MOST] = "INSERT INTO meta VALUES (?1, ?2)"
			  " ON CONFLICT(key) DO UPDATE SET value=max(value, excluded.value)",
	[LOG_META_DROP] = "DELETE FROM meta WHERE key=?1",
	[LOG_BY_ID] = "SELECT " LOG_COLUMNS
		      " FROM log WHERE space=?1 AND appliance=?2 AND incarnation=?3",
	[LOG_BY_NUM] = "SELECT " LOG_COLUMNS " FROM log WHERE num=?1",
	[LOG_INSERT] = "INSERT INTO log VALUES (NULL, ?1, ?2, ?3, 0, ?4, 0, 0, 0, 0, 0, 0, 0,"
		       " 0, 0, 0)",
	[LOG_UPDATE] =
		"UPDATE log SET head=?2, head_hash=?3, audited=?4, ended=?5, frozen=?6,"
		" live=?7, held=?8, missing=?9, bytes=?10, proved=?11, strict=?12, vouched=?13"
		" WHERE num=?1",
	[LOG_EACH] = "SELECT " LOG_COLUMNS " FROM log ORDER BY num",
	[LOG_EACH_OF_SPACE] = "SELECT " LOG_COLUMNS " FROM log WHERE space=?1 ORDER BY num",
	[LOG_EACH_LISTED] = "SELECT " LOG_COLUMNS
			    ", EXISTS(SELECT 1 FROM admitted a WHERE a.space=log.space"
			    " AND a.appliance=log.appliance) FROM log WHERE space=?1 ORDER BY num",
	[LOG_STOPPED] = "SELECT " LOG_COLUMNS " FROM log WHERE frozen>0 OR ended>0 ORDER BY num",
	[LOG_STOPPED_OF_SPACE] = "SELECT " LOG_COLUMNS " FROM log WHERE space=?1 AND"
				 " (frozen>0 OR ended>0) ORDER BY num",
	[LOG_COUNT] = "SELECT " LOG_SUMS " FROM log",
	[LOG_COUNT_OF_SPACE] = "SELECT " LOG_SUMS " FROM log WHERE space=?1",
	[LOG_COUNT_OF_WRITER] = "SELECT " LOG_SUMS " FROM log WHERE space=?1 AND appliance=?2",
	[LOG_COUNT_BY] = "SELECT " LOG_SUMS " FROM log WHERE appliance=?1",
	[LOG_FOUNDER] = "SELECT l.appliance FROM log l JOIN entry e ON e.log=l.num AND e.seq=1"
			" WHERE l.space=?1 AND substr(e.header, 33, 32)=zeroblob(32)"
			" ORDER BY l.num LIMIT 1",
	[LOG_COUNT_FOUNDED] = "SELECT count(*) FROM log l JOIN entry e ON e.log=l.num AND e.seq=1"
			      " WHERE l.appliance=?1 AND substr(e.header, 33, 32)=zeroblob(32)",
	[LOG_DISPUTED] = "SELECT " LOG_COLUMNS " FROM log WHERE appliance=?1 AND num>?2"
			 " AND live < head ORDER BY num LIMIT 1",
	[LOG_SPACES] = "SELECT space FROM log WHERE live > 0"
		       " AND space NOT IN (SELECT space FROM let_go)"
		       " GROUP BY space ORDER BY min(num)",
	[LOG_HAS_PERSON] = "SELECT 1 FROM entry WHERE log=?1"
			   " AND substr(header, 2, 1) IN (x'00', x'01') LIMIT 1",
	[LOG_OF_SPACE] = "SELECT num FROM log WHERE space=?1 LIMIT 1",
	[LOG_WAITING] = "SELECT num, audited, live FROM log WHERE audited < live ORDER BY num",
	[LOG_UNPROVED] = "SELECT num, proved, live FROM log WHERE proved < live ORDER BY num",
	/* Also those that went with a log that was cut: nobody gets their numbers again. */
	[ENTRY_LAST_NUM] = "SELECT max(num) FROM (SELECT max(num) AS num FROM entry UNION ALL"
			   " SELECT value FROM meta WHERE key='last_num')",
	[ENTRY_INSERT] = "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[ENTRY_ARRIVALS] = ENTRY_COLUMNS "WHERE e.num > ?1 ORDER BY e.num LIMIT ?2",
	[ENTRY_RANGE] = ENTRY_COLUMNS "WHERE e.log=?1 AND e.seq BETWEEN ?2 AND ?3 ORDER BY e.seq",
	[ENTRY_BY_OP] = ENTRY_COLUMNS "WHERE e.op=?1 ORDER BY e.num",
	[ENTRY_BY_NUM] = ENTRY_COLUMNS "WHERE e.num=?1",
	[ENTRY_HEADER_AT] = "SELECT header FROM entry WHERE log=?1 AND seq=?2",
	[ENTRY_HEADERS_FROM] = "SELECT seq, header FROM entry WHERE log=?1 AND seq BETWEEN ?2 AND"
			       " ?3 ORDER BY seq LIMIT ?4",
	[ENTRY_MISSING] = "SELECT seq FROM entry WHERE log=?1 AND seq>?2 AND state>0 AND state<3"
			  " ORDER BY seq LIMIT ?3",
	[ENTRY_ABSENT] = "SELECT seq FROM entry WHERE log=?1 AND seq>?2 AND state>0"
			 " ORDER BY seq LIMIT ?3",
	[ENTRY_MISSING_NEWEST] =
		"SELECT seq, header FROM entry WHERE log=?1 AND seq<?2"
		" AND state>0 AND state<3 ORDER BY seq DESC",
	[NAMED_ADD] = "INSERT OR IGNORE INTO named VALUES (?1)",
	[NAMED_GET] = "SELECT 1 FROM named WHERE op=?1",
	[NAMED_ALL] = "SELECT op FROM named",
	[ENTRY_FILL] = "UPDATE entry SET num=?3, state=0, body=?4 WHERE log=?1 AND seq=?2",
	[ENTRY_STATE] = "SELECT num, state, length(body) FROM entry WHERE log=?1 AND seq=?2",
	[ENTRY_EMPTY] = "UPDATE entry SET state=?2, body=NULL WHERE num=?1",
	[ENTRY_DROP] = "DELETE FROM entry WHERE log=?1 AND seq=?2",
	[ENTRY_CUT] = "DELETE FROM entry WHERE log=?1 AND seq>=?2",
	[PACK_ROWS] = "SELECT num, log, seq, op, state, header, body FROM entry"
		      " WHERE num BETWEEN ?1 AND ?2 ORDER BY num",
	[PACK_BYTES] = "UPDATE entry SET header=?2, body=?3 WHERE num=?1",
	[PACK_OUT] = "DELETE FROM entry WHERE num=?1",
	[ENTRY_SUMS] = "SELECT sum(state=0), sum(state IN (1, 2)),"
		       " sum(CASE state WHEN 0 THEN length(body)-16 ELSE 0 END)"
		       " FROM entry WHERE log=?1 AND seq<=?2",
	[FORK_GET] = "SELECT a, b, seq FROM fork WHERE log=?1",
	[FORK_SET] = "INSERT OR REPLACE INTO fork VALUES (?1, ?2, ?3, ?4)",
	[DISPUTED_ADD] = "INSERT OR IGNORE INTO disputed VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[DISPUTED_NEXT] = "SELECT op, space, incarnation, header, state, body FROM disputed"
			  " ORDER BY space, incarnation, seq LIMIT 1",
	[DISPUTED_DROP] = "DELETE FROM disputed WHERE op=?1",
	[ERASED_ADD] = "INSERT OR IGNORE INTO erased VALUES (?1)",
	[ERASED_DROP] = "DELETE FROM erased WHERE op=?1",
	[ERASED_GET] = "SELECT 1 FROM erased WHERE op=?1",
	[ERASED_ALL] = "SELECT op FROM erased",
	[OWED_ADD] = "INSERT INTO owed VALUES (?1, ?2)"
		     " ON CONFLICT(op) DO UPDATE SET again = max(again, excluded.again)",
	[OWED_DROP] = "DELETE FROM owed WHERE op=?1",
	[OWED_AFTER] = "SELECT op, again FROM owed WHERE op>?1 ORDER BY op LIMIT ?2",
	[OWED_GET] = "SELECT 1 FROM owed WHERE op=?1",
	[DROPPED_ADD] = "INSERT INTO dropped(op) VALUES (?1)",
	[DROPPED_AFTER] = "SELECT num, op FROM dropped WHERE num > ?1 ORDER BY num LIMIT ?2",
	[DROPPED_FORGET] = "DELETE FROM dropped",
	[ADMIT_ADD] = "INSERT OR IGNORE INTO admitted VALUES (?1, ?2)",
	[ADMIT_DROP] = "DELETE FROM admitted WHERE space=?1 AND appliance=?2",
	[GO_ADD] = "INSERT OR REPLACE INTO let_go VALUES (?1, ?2)",
	[GO_DROP] = "DELETE FROM let_go WHERE space=?1",
	[GO_GET] = "SELECT since FROM let_go WHERE space=?1",
	[GO_ANY] = "SELECT count(*) FROM let_go",
	[GO_NEWEST] = "SELECT space, since FROM let_go ORDER BY since DESC, space LIMIT ?1",
	[OPEN_ADD] = "INSERT OR IGNORE INTO open VALUES (?1)",
	[OPEN_GET] = "SELECT 1 FROM open WHERE space=?1",
	[SHARE_SET] = "INSERT INTO sharing VALUES (?1, ?2, ?3)"
		      " ON CONFLICT(space, appliance) DO UPDATE SET may = excluded.may"
		      " WHERE may <> excluded.may",
	[SHARE_GET] = "SELECT may FROM sharing WHERE space=?1 AND appliance=?2",
	[ADMIT_GET] = "SELECT 1 FROM admitted WHERE space=?1 AND appliance=?2",
	[REVOKED_SET] = "INSERT OR REPLACE INTO revoked VALUES (?1, ?2, ?3, ?4)",
	[REVOKED_DROP] = "DELETE FROM revoked WHERE space=?1",
	/* The cut of that log, else none of it counts. */
	[REVOKED_GET] = "SELECT max(seq) FROM revoked WHERE space=?1 AND appliance=?2"
			" AND incarnation IN (0, ?3) HAVING count(*) > 0",
	[OWN_ADD] = "INSERT OR IGNORE INTO own VALUES (?1, ?2)",
	[OWN_GET] = "SELECT 1 FROM own WHERE appliance=?1 AND incarnation=?2",
	[OWN_ANY] = "SELECT 1 FROM own WHERE appliance=?1 LIMIT 1",
	/* From before that was noted. */
	[OWN_BEFORE] = "INSERT OR IGNORE INTO own SELECT appliance, incarnation FROM log"
		       " WHERE appliance=?1",
	[ARRIVED_SET] = "INSERT OR REPLACE INTO arrived VALUES (?1, ?2)",
	[ARRIVED_FORGET] = "DELETE FROM arrived WHERE at<?1",
	/* Not by a clock that was wrong for a while: nothing behind a mark that is later counts. */
	[ARRIVED_GET] = "SELECT max(num) FROM arrived WHERE at<=?1 AND num <"
			" ifnull((SELECT min(num) FROM arrived WHERE at>?1), 9223372036854775807)"
			" HAVING count(*) > 0",
	[ENTRY_LAST_SEQ] = "SELECT max(seq) FROM entry WHERE log=?1 AND num<=?2"
			   " HAVING count(*) > 0",
	[LOG_INTEGRITY] = "PRAGMA integrity_check(20)",
};

/* --- opening --- */
static struct error *load_erased(struct log_store *l)
{
	sqlite3_stmt *st = db_stmt(l->s, ERASED_ALL);
	struct error *e = NULL;

	while (db_next(l->db, st, &e)) {
		struct hash op;

		if (db_id(st, 0, &op))
			op_remember_erased(l, &op);
	}
	return e;
}

static struct error *draw_incarnation(struct log_store *l)
{
	int64_t drawn = 0;

	while (drawn == 0)
		env_random(l->env, &drawn, sizeof(drawn));
	TRY(db_do(l->db, l->s, LOG_META_SET, "si", "incarnation_at", env_now(l->env)));
	TRY(db_do(l->db, l->s, OWN_ADD, "ki", &l->self, drawn));
	return db_do(l->db, l->s, LOG_META_SET, "si", "incarnation", drawn);
}

static struct error *note_own(struct log_store *l, int64_t incarnation)
{
	int64_t any;

	TRY(db_number(l->db, l->s, OWN_ANY, 0, &any, "k", &l->self));
	if (!any)
		TRY(db_do(l->db, l->s, OWN_BEFORE, "k", &l->self));
	return db_do(l->db, l->s, OWN_ADD, "ki", &l->self, incarnation);
}

bool log_wrote(struct log_store *l, const struct log_id *id)
{
	int64_t found = 0;

	error_free(db_number(l->db, l->s, OWN_GET, 0, &found, "ki", &id->appliance,
			     (int64_t)id->incarnation));
	return found;
}

/* A copy that lives elsewhere than at last opening may not be the only one: begin anew. */
static struct error *settle(struct log_store *l, const char *whereabouts)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_META_GET);
	bool known, moved = false;

	db_bind(st, "s", "incarnation");
	TRY(db_step(l->db, st, &known));
	if (!known) {
		TRY(db_do(l->db, l->s, LOG_META_SET, "si", "change", (int64_t)1));
		TRY(db_do(l->db, l->s, LOG_META_SET, "si", "losses", (int64_t)1));
	}
	if (whereabouts) {
		bool row;

		st = db_stmt(l->s, LOG_META_GET);
		db_bind(st, "s", "whereabouts");
		TRY(db_step(l->db, st, &row));
		moved = !row || strcmp(db_text(st, 0), whereabouts) != 0;
		sqlite3_reset(st);
	}
	if (moved)
		TRY(db_do(l->db, l->s, LOG_META_SET, "ss", "whereabouts", whereabouts));
	if (known)
		TRY(note_own(l, (int64_t)log_incarnation(l)));
	return known && !moved ? NULL : draw_incarnation(l);
}

static struct error *open_writer(struct log_store *l, const char *whereabouts)
{
	struct error *err;

	TRY(load_erased(l));
	TRY(log_begin(l));
	err = settle(l, whereabouts);
	if (!err)
		err = log_commit(l);
	if (err)
		log_rollback(l);
	return err;
}

int log_format(void)
{
	return ARRAY_LEN(migrations);
}

struct error *log_open(const struct log_open *how, struct log_store **ret)
{
	_cleanup_(log_closep) struct log_store *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->env = how->env;
	l->self = how->self;
	l->writer = how->mode != DB_READER;
	TRY(db_open(how->path, how->mode, l->writer ? 16384 : 2048, &l->db));
	if (l->writer)
		TRY(db_migrate(l->db, "log", migrations, ARRAY_LEN(migrations)));
	TRY(db_prepare(l->db, sql, LOG_STMTS, &l->s));
	if (l->writer)
		TRY(open_writer(l, how->whereabouts));
	*ret = STEAL(l);
	return NULL;
}

void log_close(struct log_store *l)
{
	if (!l)
		return;
	db_close(l->db);
	buf_release(&l->body);
	free(l->fresh.p);
	free(l->memo);
	free(l);
}

void **log_memo(struct log_store *l)
{
	return l->writer ? NULL : &l->memo;
}

struct db *log_db(struct log_store *l)
{
	return l->db;
}

/* --- transactions --- */
static void forget(struct log_store *l)
{
	l->last_num = 0;
	l->last_named = (struct hash){{0}};
	l->fresh.n = 0;
}

struct error *log_begin(struct log_store *l)
{
	l->changed = false;
	forget(l);
	return db_begin(l->db);
}

struct error *log_commit(struct log_store *l)
{
	if (l->changed) {
		TRY(db_do(l->db, l->s, LOG_META_MORE, "s", "change"));
		TRY(arrived_mark(l));
	}
	l->fresh.n = 0;
	TRY(db_commit(l->db));
	if (l->changed)
		arrived_committed(l);
	return NULL;
}

void log_rollback(struct log_store *l)
{
	forget(l);
	db_rollback(l->db);
}

struct error *log_savepoint(struct log_store *l)
{
	return db_savepoint(l->db);
}

struct error *log_release(struct log_store *l)
{
	return db_release(l->db);
}

void log_undo(struct log_store *l)
{
	forget(l);
	db_undo(l->db);
}

/* --- small numbers --- */
static int64_t meta_number(struct log_store *l, const char *key)
{
	int64_t n = 0;

	error_free(db_number(l->db, l->s, LOG_META_GET, 0, &n, "s", key));
	return n;
}

uint64_t log_incarnation(struct log_store *l)
{
	return (uint64_t)meta_number(l, "incarnation");
}

int64_t log_change(struct log_store *l)
{
	return meta_number(l, "change");
}

int64_t log_losses(struct log_store *l)
{
	return meta_number(l, "losses");
}

int64_t log_stops(struct log_store *l)
{
	return meta_number(l, "stops");
}

struct error *log_stopped(struct log_store *l)
{
	return db_do(l->db, l->s, LOG_META_COUNT, "s", "stops");
}

struct error *log_new_incarnation(struct log_store *l)
{
	return draw_incarnation(l);
}

bool log_is_ours_now(struct log_store *l, const struct log_id *id)
{
	return pubkey_eq(&id->appliance, &l->self) && id->incarnation == log_incarnation(l);
}

struct error *log_retire(struct log_store *l, const struct log_id *id)
{
	return log_is_ours_now(l, id) ? draw_incarnation(l) : NULL;
}

bool log_is_twins(struct log_store *l, const struct log_id *id, int64_t time_ms)
{
	int64_t since = meta_number(l, "incarnation_at");

	return since && pubkey_eq(&id->appliance, &l->self) &&
	       id->incarnation != log_incarnation(l) && time_ms > since;
}

bool log_is_behind(struct log_store *l, const struct log_id *id, uint64_t head)
{
	struct log_info info = {0};

	if (!log_is_ours_now(l, id))
		return false;
	error_free(log_find(l, id, &info));
	return head > info.head;
}

/* --- rows of logs --- */
void log_read_row(sqlite3_stmt *st, struct log_info *ret)
{
	ret->num = db_int(st, 0);
	db_id(st, 1, &ret->id.space);
	db_id(st, 2, &ret->id.appliance);
	ret->id.incarnation = (uint64_t)db_int(st, 3);
	ret->head = (uint64_t)db_int(st, 4);
	db_id(st, 5, &ret->head_hash);
	ret->audited = (uint64_t)db_int(st, 6);
	ret->ended = (uint64_t)db_int(st, 7);
	ret->frozen = (uint64_t)db_int(st, 8);
	ret->live = (uint64_t)db_int(st, 9);
	ret->held = (uint64_t)db_int(st, 10);
	ret->missing = (uint64_t)db_int(st, 11);
	ret->bytes = (uint64_t)db_int(st, 12);
	ret->proved = (uint64_t)db_int(st, 13);
	ret->strict = db_int(st, 14);
	ret->vouched = (uint64_t)db_int(st, 15);
}

static struct error *one_row(struct log_store *l, sqlite3_stmt *st, struct log_info *ret,
			     bool *ret_row)
{
	TRY(db_step(l->db, st, ret_row));
	if (*ret_row)
		log_read_row(st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *log_find(struct log_store *l, const struct log_id *id, struct log_info *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_BY_ID);
	bool row;

	db_bind(st, "kki", &id->space, &id->appliance, (int64_t)id->incarnation);
	TRY(one_row(l, st, ret, &row));
	if (!row)
		*ret = (struct log_info){.id = *id};
	return NULL;
}

struct error *log_info_get(struct log_store *l, const struct log_id *id, struct log_info *ret)
{
	struct log_info info;

	TRY(log_find(l, id, &info));
	if (!info.num)
		return error_new(ERR_NOT_FOUND, N_("This box holds no log of the appliance %s."),
				 ID_SHORT(&id->appliance));
	*ret = info;
	return NULL;
}

struct error *log_info_by_num(struct log_store *l, int64_t num, struct log_info *ret)
{
	sqlite3_stmt *st = db_stmt(l->s, LOG_BY_NUM);
	bool row;

	db_bind(st, "i", num);
	TRY(one_row(l, st, ret, &row));
	return row ? NULL : error_new(ERR_NOT_FOUND, N_("There is no such log."));
}

struct error *log_create(struct log_store *l, struct log_info *info)
{
	static const struct hash zero;

	TRY(db_do(l->db, l->s, LOG_INSERT, "kkik", &info->id.space, &info->id.appliance,
		  (int64_t)info->id.incarnation, &zero));
	info->num = db_last_rowid(l->db);
	return NULL;
}

static uint64_t live_of(const struct log_info *i)
{
	uint64_t live = i->head;

	if (i->ended && i->ended - 1 < live)
		live = i->ended - 1;
	if (i->frozen && log_forked_from(i) - 1 < live)
		live = log_forked_from(i) - 1;
	return live;
}

struct error *log_save(struct log_store *l, struct log_info *i)
{
	uint64_t live;

	TRY(fork_vouch(l, i));
	live = live_of(i);
	if (live < i->live)
		TRY(db_do(l->db, l->s, LOG_META_MORE, "s", "losses"));
	i->live = live;
	l->changed = true;
	return db_do(l->db, l->s, LOG_UPDATE, "iikiiiiiiiiii", i->num, (int64_t)i->head,
		     &i->head_hash, (int64_t)i->audited, (int64_t)i->ended, (int64_t)i->frozen,
		     (int64_t)i->live, (int64_t)i->held, (int64_t)i->missing, (int64_t)i->bytes,
		     (int64_t)i->proved, (int64_t)i->strict, (int64_t)i->vouched);
}

/* --- who may write here, as the layer above keeps it --- */
bool log_listed(struct log_store *l, const struct hash *space, const struct pubkey *appliance)
{
	int64_t found = 0;

	error_free(db_number(l->db, l->s, ADMIT_GET, 0, &found, "kk", space, appliance));
	return found;
}

bool log_admitted(struct log_store *l, const struct hash *space, const struct pubkey *appliance)
{
	return pubkey_eq(appliance, &l->self) || log_listed(l, space, appliance);
}

bool log_is_closed(struct log_store *l, const struct hash *space)
{
	int64_t open = 0;
	struct error *err = db_number(l->db, l->s, OPEN_GET, 0, &open, "k", space);

	if (err)
		open = 0; /* what can't be read is not told */
	error_free(err);
	return !open;
}

static int64_t sharing_of(struct log_store *l, const struct hash *space,
			  const struct pubkey *appliance, int64_t otherwise)
{
	int64_t may = 0;
	struct error *err =
		db_number(l->db, l->s, SHARE_GET, otherwise, &may, "kk", space, appliance);

	if (err)
		may = 0;
	error_free(err);
	return may;
}

bool log_holds_space(struct log_store *l, const struct hash *space)
{
	int64_t num = 0;

	error_free(db_number(l->db, l->s, LOG_OF_SPACE, 0, &num, "k", space));
	return num != 0;
}

/* Both are looked at in any case: how long it takes must not tell whether there is such a space. */
bool log_shared_with(struct log_store *l, const struct hash *space, const struct pubkey *appliance)
{
	bool closed = log_is_closed(l, space);
	bool named = sharing_of(l, space, appliance, 0);

	return !closed || named;
}

bool log_followed_from(struct log_store *l, const struct hash *space,
		       const struct pubkey *appliance)
{
	return !log_is_closed(l, space) || sharing_of(l, space, appliance, 1);
}

uint64_t log_counts_to(struct log_store *l, const struct log_id *id)
{
	int64_t seq = -1;
	struct error *err = db_number(l->db, l->s, REVOKED_GET, -1, &seq, "kki", &id->space,
				      &id->appliance, (int64_t)id->incarnation);

	error_free(err);
	return seq < 0 ? UINT64_MAX : (uint64_t)seq;
}

struct error *log_revoke(struct log_store *l, const struct hash *space,
			 const struct pubkey *appliance, const struct log_cut *cuts, size_t n)
{
	TRY(db_do(l->db, l->s, REVOKED_SET, "kkii", space, appliance, (int64_t)0, (int64_t)0));
	for (size_t i = 0; i < n; i++)
		TRY(db_do(l->db, l->s, REVOKED_SET, "kkii", space, appliance,
			  (int64_t)cuts[i].incarnation, (int64_t)cuts[i].seq));
	return NULL;
}

struct error *log_unrevoke(struct log_store *l, const struct hash *space)
{
	return db_do(l->db, l->s, REVOKED_DROP, "k", space);
}

struct error *log_open_space(struct log_store *l, const struct hash *space)
{
	return db_do(l->db, l->s, OPEN_ADD, "k", space);
}

struct error *log_share(struct log_store *l, const struct hash *space,
			const struct pubkey *appliance, bool may)
{
	return db_do(l->db, l->s, SHARE_SET, "kki", space, appliance, (int64_t)may);
}

/* --- spaces that were let go of --- */
struct error *log_let_go(struct log_store *l, const struct hash *space, int64_t since_ms)
{
	l->changed = true;
	if (!since_ms)
		return db_do(l->db, l->s, GO_DROP, "k", space);
	return db_do(l->db, l->s, GO_ADD, "ki", space, since_ms);
}

struct error *log_let_go_since(struct log_store *l, const struct hash *space, int64_t *ret)
{
	return db_number(l->db, l->s, GO_GET, 0, ret, "k", space);
}

bool log_is_let_go(struct log_store *l, const struct hash *space)
{
	int64_t since = 0;

	error_free(log_let_go_since(l, space, &since));
	return since != 0;
}

struct error *log_let_go_count(struct log_store *l, int64_t *ret)
{
	return db_number(l->db, l->s, GO_ANY, 0, ret, "");
}

struct error *log_let_go_newest(struct log_store *l, size_t max, struct gone_space *out,
				size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(l->s, GO_NEWEST);
	struct error *e = NULL;
	size_t n = 0;

	db_bind(st, "i", (int64_t)max);
	while (db_next(l->db, st, &e)) {
		db_id(st, 0, &out[n].space);
		out[n++].since_ms = db_int(st, 1);
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct error *log_admit(struct log_store *l, const struct hash *space,
			const struct pubkey *appliance, bool admitted)
{
	l->changed = true;
	return db_do(l->db, l->s, admitted ? ADMIT_ADD : ADMIT_DROP, "kk", space, appliance);
}
