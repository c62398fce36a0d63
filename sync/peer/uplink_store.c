/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/uplink.h"

const char *const uplink_migrations[] = {
	"CREATE TABLE uplink (one INTEGER PRIMARY KEY CHECK (one=1), metered INTEGER NOT NULL,"
	"  day_bytes INTEGER NOT NULL, from_hour INTEGER NOT NULL, to_hour INTEGER NOT NULL,"
	"  proxy TEXT NOT NULL, address TEXT NOT NULL, address2 TEXT NOT NULL) STRICT;"
	"CREATE TABLE allowance (key BLOB PRIMARY KEY, day_bytes INTEGER NOT NULL,"
	"  from_hour INTEGER NOT NULL, to_hour INTEGER NOT NULL) STRICT;",
	"ALTER TABLE uplink ADD COLUMN proxy_user TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE uplink ADD COLUMN proxy_password TEXT NOT NULL DEFAULT '';",
	"ALTER TABLE uplink ADD COLUMN tunnel INTEGER NOT NULL DEFAULT 0;",
};
const int uplink_migrations_n = ARRAY_LEN(uplink_migrations);

enum { LINE_GET, LINE_PUT, PROXY_GET, PROXY_KEEPS, ALLOWANCE_GET, ALLOWANCE_PUT, STMTS };
static const char *const sql[] = {
	[LINE_GET] = "SELECT metered, day_bytes, from_hour, to_hour, proxy, address, address2,"
		     "  proxy_user, proxy_password<>'', tunnel FROM uplink",
	[LINE_PUT] = "INSERT OR REPLACE INTO uplink VALUES (1,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
	[PROXY_GET] = "SELECT proxy, proxy_user, proxy_password FROM uplink",
	[PROXY_KEEPS] = "SELECT proxy_password FROM uplink WHERE proxy=?1 AND proxy_user=?2",
	[ALLOWANCE_GET] = "SELECT day_bytes, from_hour, to_hour FROM allowance WHERE key=?1",
	[ALLOWANCE_PUT] = "INSERT OR REPLACE INTO allowance VALUES (?1,?2,?3,?4)",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	return db_prepare(local, sql, STMTS, ret);
}

static void read_allowance(sqlite3_stmt *st, int col, struct allowance *a)
{
	a->day_bytes = (uint64_t)db_int(st, col);
	a->from = (int)db_int(st, col + 1);
	a->to = (int)db_int(st, col + 2);
}

struct error *uplink_get(struct db *local, struct uplink *ret)
{
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(statements(local, &s));
	st = db_stmt(s, LINE_GET);
	TRY(db_step(local, st, &row));
	memset(ret, 0, sizeof(*ret));
	if (!row)
		return NULL;
	ret->metered = db_int(st, 0) != 0;
	read_allowance(st, 1, &ret->all);
	snprintf(ret->proxy, sizeof(ret->proxy), "%s", db_text(st, 4));
	for (int i = 0; i < LIMIT_PUBLIC; i++)
		snprintf(ret->address[i], sizeof(ret->address[i]), "%s", db_text(st, 5 + i));
	snprintf(ret->proxy_user, sizeof(ret->proxy_user), "%s", db_text(st, 7));
	ret->has_password = db_int(st, 8) != 0;
	ret->tunnel = db_int(st, 9) != 0;
	sqlite3_reset(st);
	return NULL;
}

/* Of this proxy and this user: whoever names another one does not get it. */
static struct error *kept_password(struct db *local, struct db_stmts *s, const struct uplink *l,
				   char out[PROXY_PASSWORD])
{
	sqlite3_stmt *st = db_stmt(s, PROXY_KEEPS);
	bool row;

	out[0] = 0;
	db_bind(st, "ss", l->proxy, l->proxy_user);
	TRY(db_step(local, st, &row));
	if (!row)
		return NULL;
	snprintf(out, PROXY_PASSWORD, "%s", db_text(st, 0));
	sqlite3_reset(st);
	return NULL;
}

struct error *uplink_put(struct db *local, const struct uplink *l, const char *password)
{
	char kept[PROXY_PASSWORD] = "";
	bool user = *l->proxy && *l->proxy_user;
	struct db_stmts *s;
	struct error *err = NULL;

	TRY(uplink_check(l));
	TRY(statements(local, &s));
	if (user && !password)
		err = kept_password(local, s, l, kept);
	if (!err)
		err = db_do(local, s, LINE_PUT, "iiiisssssi", (int64_t)l->metered,
			    (int64_t)l->all.day_bytes, (int64_t)l->all.from, (int64_t)l->all.to,
			    l->proxy, l->address[0], l->address[1], user ? l->proxy_user : "",
			    !user	? ""
			    : password	? password
					: kept,
			    (int64_t)l->tunnel);
	crypto_wipe(kept, sizeof(kept));
	return err;
}

struct error *proxy_get(struct db *local, struct proxy *ret)
{
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(statements(local, &s));
	st = db_stmt(s, PROXY_GET);
	TRY(db_step(local, st, &row));
	memset(ret, 0, sizeof(*ret));
	if (!row)
		return NULL;
	snprintf(ret->url, sizeof(ret->url), "%s", db_text(st, 0));
	snprintf(ret->user, sizeof(ret->user), "%s", db_text(st, 1));
	snprintf(ret->password, sizeof(ret->password), "%s", db_text(st, 2));
	sqlite3_reset(st);
	return NULL;
}

struct error *allowance_get(struct db *local, const struct pubkey *key, struct allowance *ret)
{
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(statements(local, &s));
	st = db_stmt(s, ALLOWANCE_GET);
	db_bind(st, "k", key);
	TRY(db_step(local, st, &row));
	memset(ret, 0, sizeof(*ret));
	if (!row)
		return NULL;
	read_allowance(st, 0, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *allowance_put(struct db *local, const struct pubkey *key, const struct allowance *a)
{
	struct uplink check = {.all = *a};
	struct db_stmts *s;

	TRY(uplink_check(&check));
	TRY(statements(local, &s));
	return db_do(local, s, ALLOWANCE_PUT, "kiii", key, (int64_t)a->day_bytes, (int64_t)a->from,
		     (int64_t)a->to);
}
