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
	[SETTING_LANGUAGE] = {"language", "ca", 8},
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

/* The plain letter of a Latin one with an accent (U+00C0 to U+00FF), 0 when there is none. */
static char plain_letter(unsigned c)
{
	static const char plain[] =
		"aaaaaaaceeeeiiiidnooooo-ouuuuy-saaaaaaaceeeeiiiidnooooo-ouuuuy-y";

	return c >= 0xC0 && c <= 0xFF ? plain[c - 0xC0] : 0;
}

void config_host_name(const char *name, char out[64])
{
	const unsigned char *s = (const unsigned char *)name;
	size_t at = 0;

	for (; *s && at < 63; s++) {
		char c = '-';

		if (*s == 0xC3 && s[1] >= 0x80) {
			c = plain_letter(0xC0U + (s[1] - 0x80U));
			s++;
		} else if ((*s | 32) >= 'a' && (*s | 32) <= 'z') {
			c = (char)(*s | 32);
		} else if (*s >= '0' && *s <= '9') {
			c = (char)*s;
		}
		if (c != '-' || (at && out[at - 1] != '-'))
			out[at++] = c;
	}
	while (at && out[at - 1] == '-')
		at--;
	out[at] = 0;
	if (!at)
		snprintf(out, 64, "lliure");
}
