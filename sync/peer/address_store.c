/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/addresses.h"

const char *const address_migrations[] = {
	"CREATE TABLE statement (key BLOB PRIMARY KEY, number INTEGER NOT NULL, body BLOB NOT NULL,"
	"  via BLOB NOT NULL, when_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE address (key BLOB NOT NULL, address TEXT NOT NULL, source INTEGER NOT NULL,"
	"  failures INTEGER NOT NULL, last_ok_ms INTEGER NOT NULL, last_try_ms INTEGER NOT NULL,"
	"  PRIMARY KEY (key, address)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE heard (key BLOB PRIMARY KEY, via BLOB NOT NULL, entries INTEGER NOT NULL,"
	"  newest_ms INTEGER NOT NULL, when_ms INTEGER NOT NULL) STRICT;",
};
const int address_migrations_n = ARRAY_LEN(address_migrations);

enum {
	STATEMENT_ALL,
	STATEMENT_NUMBER,
	STATEMENT_PUT,
	STATEMENT_REMOVE,
	ADDRESS_OF,
	ADDRESS_PUT,
	ADDRESS_ADD,
	ADDRESS_HAND,
	ADDRESS_HANDS,
	ADDRESS_REMOVE,
	ADDRESS_UNSAY,
	ADDRESS_CLEAR,
	HEARD_PUT,
	HEARD_GET,
	HEARD_REMOVE,
	STMTS
};
static const char *const sql[] = {
	[STATEMENT_ALL] = "SELECT via, body FROM statement ORDER BY when_ms DESC, key",
	[STATEMENT_NUMBER] = "SELECT number FROM statement WHERE key=?1",
	[STATEMENT_PUT] = "INSERT OR REPLACE INTO statement VALUES (?1,?2,?3,?4,?5)",
	[STATEMENT_REMOVE] = "DELETE FROM statement WHERE key=?1",
	[ADDRESS_OF] = "SELECT address, source, failures, last_ok_ms, last_try_ms FROM address"
		       " WHERE key=?1",
	[ADDRESS_PUT] = "INSERT INTO address VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT(key, address)"
			" DO UPDATE SET source=min(source, excluded.source),"
			"  failures=excluded.failures, last_ok_ms=excluded.last_ok_ms,"
			"  last_try_ms=excluded.last_try_ms",
	[ADDRESS_ADD] = "INSERT OR IGNORE INTO address VALUES (?1,?2,1,0,0,0)",
	[ADDRESS_HAND] = "INSERT INTO address VALUES (?1,?2,0,0,0,0) ON CONFLICT(key, address)"
			 " DO UPDATE SET source=0, failures=0, last_try_ms=0",
	[ADDRESS_HANDS] = "SELECT count(*) FROM address WHERE key=?1 AND source=0 AND address<>?2",
	[ADDRESS_REMOVE] = "DELETE FROM address WHERE key=?1 AND address=?2",
	/* What it said before and says no more, unless it has worked. */
	[ADDRESS_UNSAY] = "DELETE FROM address WHERE key=?1 AND source=1 AND last_ok_ms=0",
	[ADDRESS_CLEAR] = "DELETE FROM address WHERE key=?1",
	[HEARD_PUT] = "INSERT INTO heard VALUES (?1,?2,?3,?4,?5) ON CONFLICT(key) DO UPDATE SET"
		      " via=?2, entries=entries+?3, newest_ms=max(newest_ms, ?4), when_ms=?5",
	[HEARD_GET] = "SELECT key, via, entries, newest_ms, when_ms FROM heard WHERE key=?1",
	[HEARD_REMOVE] = "DELETE FROM heard WHERE key=?1",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	return db_prepare(local, sql, STMTS, ret);
}

/* --- statements --- */
struct error *statement_each(struct db *local, statement_fn *fn, void *ctx)
{
	struct error *err = NULL;
	struct db_stmts *s;
	sqlite3_stmt *st;

	TRY(statements(local, &s));
	st = db_stmt(s, STATEMENT_ALL);
	while (db_next(local, st, &err)) {
		struct pubkey via;

		db_id(st, 0, via.b);
		err = fn(ctx, &via, db_blob(st, 1));
	}
	return err;
}

struct error *statement_put(struct db *local, const struct statement *said, struct span body,
			    const struct pubkey *via, int64_t now)
{
	struct db_stmts *s;
	int64_t number;

	TRY(statements(local, &s));
	TRY(db_number(local, s, STATEMENT_NUMBER, 0, &number, "k", &said->key));
	if (number >= (int64_t)said->number)
		return NULL;
	TRY(db_do(local, s, STATEMENT_PUT, "kibki", &said->key, (int64_t)said->number, body, via,
		  now));
	TRY(db_do(local, s, ADDRESS_UNSAY, "k", &said->key));
	for (size_t i = 0; i < said->n; i++)
		TRY(db_do(local, s, ADDRESS_ADD, "ks", &said->key, said->address[i]));
	return NULL;
}

/* --- addresses --- */
/* Of at most twice as many as are kept: those that go are found among them. */
static struct error *read_all(struct db *local, struct db_stmts *s, const struct pubkey *key,
			      struct known_address out[KNOWN_ADDRESSES * 4], size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(s, ADDRESS_OF);
	size_t n = 0;
	struct error *e = NULL;

	db_bind(st, "k", key);
	while (db_next(local, st, &e)) {
		struct known_address a = {.source = ADDRESS_MET};

		snprintf(a.address, sizeof(a.address), "%s", db_text(st, 0));
		a.source = (enum address_source)db_int(st, 1);
		a.failures = (unsigned)db_int(st, 2);
		a.last_ok_ms = db_int(st, 3);
		a.last_try_ms = db_int(st, 4);
		if (n < KNOWN_ADDRESSES * 4)
			out[n++] = a;
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct error *address_list(struct db *local, const struct pubkey *key,
			   struct known_address out[KNOWN_ADDRESSES], size_t *ret_n)
{
	struct known_address all[KNOWN_ADDRESSES * 4];
	struct db_stmts *s;
	size_t n;

	TRY(statements(local, &s));
	TRY(read_all(local, s, key, all, &n));
	n = addresses_keep(all, n, KNOWN_ADDRESSES);
	memcpy(out, all, n * sizeof(*all));
	*ret_n = n;
	return NULL;
}

struct error *address_put(struct db *local, const struct pubkey *key, const struct known_address *a)
{
	struct known_address all[KNOWN_ADDRESSES * 4];
	struct db_stmts *s;
	size_t n;

	TRY(statements(local, &s));
	/* What is remembered as set by hand may be forgotten meanwhile, and is not to come back so. */
	TRY(db_do(local, s, ADDRESS_PUT, "ksiiii", key, a->address,
		  (int64_t)(a->source == ADDRESS_BY_HAND ? ADDRESS_STATED : a->source),
		  (int64_t)a->failures, a->last_ok_ms, a->last_try_ms));
	TRY(read_all(local, s, key, all, &n));
	for (size_t i = addresses_keep(all, n, KNOWN_ADDRESSES * 2); i < n; i++)
		TRY(db_do(local, s, ADDRESS_REMOVE, "ks", key, all[i].address));
	return NULL;
}

struct error *address_by_hand(struct db *local, const struct pubkey *key, const char *address)
{
	struct db_stmts *s;
	int64_t others;

	TRY(statements(local, &s));
	TRY(db_number(local, s, ADDRESS_HANDS, 0, &others, "ks", key, address));
	ENSURE(others < LIMIT_BY_HAND,
	       error_new(ERR_LIMIT, N_("This house has as many addresses as there may be. Forget "
				       "one of them first.")));
	return db_do(local, s, ADDRESS_HAND, "ks", key, address);
}

struct error *address_stated(struct db *local, const struct pubkey *key, const char *address)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_do(local, s, ADDRESS_ADD, "ks", key, address);
}

struct error *address_remove(struct db *local, const struct pubkey *key, const char *address)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, ADDRESS_REMOVE, "ks", key, address));
	ENSURE(db_changes(local) > 0,
	       error_new(ERR_NOT_FOUND, N_("This house is not known to be at “%s”."), address));
	return NULL;
}

struct error *address_forget(struct db *local, const struct pubkey *key)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, STATEMENT_REMOVE, "k", key));
	TRY(db_do(local, s, ADDRESS_CLEAR, "k", key));
	return db_do(local, s, HEARD_REMOVE, "k", key);
}

/* --- heard of --- */
struct error *heard_put(struct db *local, const struct heard *h)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_do(local, s, HEARD_PUT, "kkiii", &h->key, &h->via, (int64_t)h->entries,
		     h->newest_ms, h->when_ms);
}

struct error *heard_get(struct db *local, const struct pubkey *key, struct heard *ret)
{
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(statements(local, &s));
	st = db_stmt(s, HEARD_GET);
	db_bind(st, "k", key);
	TRY(db_step(local, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("Nothing was heard of box %s through others."),
			      ID_SHORT(key)));
	memset(ret, 0, sizeof(*ret));
	db_id(st, 0, ret->key.b);
	db_id(st, 1, ret->via.b);
	ret->entries = (uint64_t)db_int(st, 2);
	ret->newest_ms = db_int(st, 3);
	ret->when_ms = db_int(st, 4);
	sqlite3_reset(st);
	return NULL;
}
