/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/buf.h"
#include "sync/peer/conduct.h"

const char *const conduct_migrations[] = {
	"CREATE TABLE conduct (peer BLOB NOT NULL, what TEXT NOT NULL, count INTEGER NOT NULL,"
	"  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, words TEXT NOT NULL,"
	"  seen INTEGER NOT NULL, PRIMARY KEY (peer, what)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE paused (peer BLOB PRIMARY KEY, since_ms INTEGER NOT NULL) STRICT;",
	/* What was noted of proofs: each once. */
	"CREATE TABLE conduct_proof (space BLOB NOT NULL, appliance BLOB NOT NULL,"
	"  incarnation INTEGER NOT NULL, what TEXT NOT NULL,"
	"  PRIMARY KEY (space, appliance, incarnation, what)) STRICT, WITHOUT ROWID;",
};
const int conduct_migrations_n = ARRAY_LEN(conduct_migrations);

enum {
	NOTE,
	ALL,
	OF,
	PROOF_ADD,
	PROOF_GET,
	SAW,
	FORGIVE,
	FORGIVE_QUOTA,
	TRIM,
	PAUSE,
	RESUME,
	PAUSED,
	PAUSED_ALL,
	STMTS
};
#define COLUMNS "SELECT peer, what, count, first_ms, last_ms, words, seen FROM conduct"
static const char *const sql[] = {
	[NOTE] = "INSERT INTO conduct VALUES (?1,?2,?3,?4,?4,?5,?6) ON CONFLICT (peer, what) DO"
		 " UPDATE SET count=count+?3, last_ms=?4, words=?5, seen=?6",
	[ALL] = COLUMNS " ORDER BY last_ms DESC, peer, what",
	[OF] = COLUMNS " WHERE peer=?1 ORDER BY last_ms DESC, what",
	[PROOF_ADD] = "INSERT OR IGNORE INTO conduct_proof VALUES (?1,?2,?3,?4)",
	[PROOF_GET] = "SELECT 1 FROM conduct_proof WHERE space=?1 AND appliance=?2 AND incarnation=?3"
		      " AND what=?4",
	[SAW] = "UPDATE conduct SET seen=1 WHERE peer=?1 AND seen=0",
	[FORGIVE] = "DELETE FROM conduct WHERE peer=?1",
	[FORGIVE_QUOTA] = "DELETE FROM conduct WHERE peer=?1 AND what IN ('quota', 'many-logs')",
	[TRIM] = "DELETE FROM conduct WHERE (peer, what) IN (SELECT peer, what FROM conduct"
		 " ORDER BY last_ms DESC LIMIT -1 OFFSET ?1)",
	[PAUSE] = "INSERT OR IGNORE INTO paused VALUES (?1,?2)",
	[RESUME] = "DELETE FROM paused WHERE peer=?1",
	[PAUSED] = "SELECT since_ms FROM paused WHERE peer=?1",
	[PAUSED_ALL] = "SELECT peer FROM paused",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	return db_prepare(local, sql, STMTS, ret);
}

struct error *conduct_note(struct db *local, const struct conduct *c)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, NOTE, "ksiisi", &c->peer, misdeed_name(c->what), (int64_t)c->count,
		  c->last_ms, c->words,
		  (int64_t)(misdeed_severity(c->what) == 0 && !misdeed_is_proved(c->what))));
	return db_do(local, s, TRIM, "i", (int64_t)LIMIT_PEERS * MISDEEDS);
}

struct error *conduct_note_proof(struct db *local, const struct conduct *c,
				 const struct log_id *log, bool *ret_new)
{
	struct db_stmts *s;
	bool added;

	TRY(statements(local, &s));
	TRY(db_do(local, s, PROOF_ADD, "kkis", &log->space, &log->appliance,
		  (int64_t)log->incarnation, misdeed_name(c->what)));
	added = db_changes(local) > 0;
	if (added)
		TRY(conduct_note(local, c));
	*ret_new = added;
	return NULL;
}

static struct error *has_proof(struct db *local, const struct log_id *log, const char *what, bool *ret)
{
	struct db_stmts *s;
	int64_t found;

	TRY(statements(local, &s));
	TRY(db_number(local, s, PROOF_GET, 0, &found, "kkis", &log->space, &log->appliance,
		      (int64_t)log->incarnation, what));
	*ret = found != 0;
	return NULL;
}

struct error *conduct_has_proof(struct db *local, enum misdeed what, const struct log_id *log,
				bool *ret)
{
	return has_proof(local, log, misdeed_name(what), ret);
}

#define SEEN_NAME "seen" /* no misdeed's: one that is approved later has its record all the same */

struct error *conduct_saw_proof(struct db *local, const struct log_id *log)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_do(local, s, PROOF_ADD, "kkis", &log->space, &log->appliance,
		     (int64_t)log->incarnation, SEEN_NAME);
}

struct error *conduct_has_seen(struct db *local, const struct log_id *log, bool *ret)
{
	return has_proof(local, log, SEEN_NAME, ret);
}

/* A name of a later version is passed over. */
static bool read_row(sqlite3_stmt *st, struct conduct *c)
{
	memset(c, 0, sizeof(*c));
	db_id(st, 0, c->peer.b);
	while (c->what < MISDEEDS && strcmp(misdeed_name(c->what), db_text(st, 1)) != 0)
		c->what++;
	c->count = (uint64_t)db_int(st, 2);
	c->first_ms = db_int(st, 3);
	c->last_ms = db_int(st, 4);
	snprintf(c->words, sizeof(c->words), "%s", db_text(st, 5));
	c->seen = db_int(st, 6) != 0;
	return c->what < MISDEEDS;
}

struct error *conduct_each(struct db *local, const struct pubkey *peer, conduct_fn *fn, void *ctx)
{
	_cleanup_(buf_release) struct buf rows = {0};
	struct db_stmts *s;
	sqlite3_stmt *st;
	struct error *e = NULL;

	TRY(statements(local, &s));
	st = db_stmt(s, peer ? OF : ALL);
	if (peer)
		db_bind(st, "k", peer);
	while (db_next(local, st, &e)) {
		struct conduct c;

		if (read_row(st, &c))
			buf_add(&rows, &c, sizeof(c));
	}
	TRY(e);
	for (size_t i = 0; i < rows.n / sizeof(struct conduct); i++)
		TRY(fn(ctx, (const struct conduct *)(const void *)rows.p + i));
	return NULL;
}

struct error *conduct_saw(struct db *local, const struct pubkey *peer)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_do(local, s, SAW, "k", peer);
}

struct error *conduct_forgive(struct db *local, const struct pubkey *peer)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_do(local, s, FORGIVE, "k", peer);
}

struct error *conduct_forgive_quota(struct db *local, const struct pubkey *peer)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_do(local, s, FORGIVE_QUOTA, "k", peer);
}

struct error *conduct_pause(struct db *local, const struct pubkey *peer, bool on, int64_t now)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	if (on)
		return db_do(local, s, PAUSE, "ki", peer, now);
	return db_do(local, s, RESUME, "k", peer);
}

struct error *conduct_paused(struct db *local, const struct pubkey *peer, int64_t *ret_since)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_number(local, s, PAUSED, 0, ret_since, "k", peer);
}

struct error *conduct_each_paused(struct db *local, conduct_paused_fn *fn, void *ctx)
{
	_cleanup_(buf_release) struct buf keys = {0};
	struct db_stmts *s;
	sqlite3_stmt *st;
	struct error *e = NULL;

	TRY(statements(local, &s));
	st = db_stmt(s, PAUSED_ALL);
	while (db_next(local, st, &e)) {
		struct pubkey key;

		if (db_id(st, 0, key.b))
			buf_add(&keys, &key, sizeof(key));
	}
	TRY(e);
	for (size_t i = 0; i < keys.n / sizeof(struct pubkey); i++)
		TRY(fn(ctx, (const struct pubkey *)(const void *)keys.p + i));
	return NULL;
}
