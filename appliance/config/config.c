/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/config/config.h"

enum { GET, SET, STATEMENTS };
static const char *const sql[STATEMENTS] = {
	[GET] = "SELECT value FROM setting WHERE name = ?1",
	[SET] = "INSERT INTO setting(name, value) VALUES (?1, ?2)"
		" ON CONFLICT(name) DO UPDATE SET value = excluded.value",
};

static const char *const migrations[] = {
	"CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
};

static const struct op_type no_ops[] = {{0}};

const struct feature config_feature = {
	.name = "config",
	.types = no_ops,
	.local_migrations = migrations,
	.local_migrations_n = ARRAY_LEN(migrations),
	.local_sql = sql,
	.local_sql_n = STATEMENTS,
};

static const struct {
	const char *name, *otherwise;
	size_t max;
} settings[SETTINGS] = {
	[SETTING_NAME] = {"name", "lliure", LIMIT_NAME},
	[SETTING_LANGUAGE] = {"language", "en", 8},
	[SETTING_KEEP_DAYS] = {"keep-days", "0", 8},
	[SETTING_ALIVE] = {"alive", "0", 20},
	[SETTING_KEEP_BLOBS] = {"keep-blobs", "0", 20},
	[SETTING_UPDATES] = {"updates", "hand 2 7 4 0 1", 60},
};

struct error *config_get(struct conn *c, enum setting which, char out[SETTING_MAX + 1])
{
	sqlite3_stmt *st = db_stmt(conn_local(c, &config_feature), GET);
	bool row;

	db_bind(st, "s", settings[which].name);
	TRY(db_step(c->local, st, &row));
	snprintf(out, SETTING_MAX + 1, "%s", row ? db_text(st, 0) : settings[which].otherwise);
	sqlite3_reset(st);
	return NULL;
}

struct error *config_set(struct conn *c, enum setting which, const char *value)
{
	ENSURE(*value && strlen(value) <= settings[which].max,
	       error_new(ERR_INVALID,
			 N_("The setting %s can't be empty or that long. Try a shorter one."),
			 settings[which].name));
	return db_do(c->local, conn_local(c, &config_feature), SET, "ss", settings[which].name,
		     value);
}
