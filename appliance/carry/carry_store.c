/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What was carried, in local.db. */
#include "appliance/carry/carry.h"

enum { KEPT = 500 };

static const char *const migrations[] = {
	"CREATE TABLE carried (num INTEGER PRIMARY KEY, when_ms INTEGER NOT NULL,"
	" kind TEXT NOT NULL, who TEXT NOT NULL, file TEXT NOT NULL, entries INTEGER NOT NULL,"
	" known INTEGER NOT NULL, refused INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" cut INTEGER NOT NULL, error TEXT NOT NULL) STRICT;",
	"ALTER TABLE carried ADD COLUMN receipt BLOB;",
};
enum { CARRIED_ADD, CARRIED_TRIM, CARRIED_EACH, STMTS };
static const char *const sql[STMTS] = {
	[CARRIED_ADD] = "INSERT INTO carried(when_ms, kind, who, file, entries, known, refused,"
			" bytes, cut, error, receipt) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
	[CARRIED_TRIM] = "DELETE FROM carried WHERE num <="
			 " (SELECT num FROM carried ORDER BY num DESC LIMIT 1 OFFSET ?1)",
	[CARRIED_EACH] = "SELECT when_ms, kind, who, file, entries, known, refused, bytes, cut,"
			 " error, receipt FROM carried ORDER BY num DESC LIMIT ?1",
};

const struct feature carry_feature = {
	.name = "carry",
	.types = (const struct op_type[]){{0}},
	.local_migrations = migrations,
	.local_migrations_n = ARRAY_LEN(migrations),
	.local_sql = sql,
	.local_sql_n = STMTS,
};

/* By name: the numbers of the table of kinds may change. */
static const char *const kinds[] = {[CARRY_CHECK_STICK] = "check",
				    [CARRY_TAKE_STICK] = "took",
				    [CARRY_WRITE_STICK] = "wrote",
				    [CARRY_TAKE_PHONE] = "phone",
				    [CARRY_PREPARE] = "prepare"};

struct error *carry_record_add(struct conn *c, const struct carry_record *r)
{
	struct db_stmts *s = conn_local(c, &carry_feature);
	static const struct hash none;
	struct span receipt =
		hash_eq(&r->receipt, &none) ? (struct span){0} : span_of(r->receipt.b, 32);

	TRY(db_do(c->local, s, CARRIED_ADD, "isssiiiiisb", r->when_ms, kinds[r->kind], r->who,
		  r->file, (int64_t)r->entries, (int64_t)r->known, (int64_t)r->refused,
		  (int64_t)r->bytes, (int64_t)r->cut, r->error, receipt));
	return db_do(c->local, s, CARRIED_TRIM, "i", (int64_t)KEPT);
}

static void read_row(sqlite3_stmt *st, struct carry_record *r)
{
	*r = (struct carry_record){.when_ms = db_int(st, 0),
				   .who = db_text(st, 2),
				   .file = db_text(st, 3),
				   .entries = (uint64_t)db_int(st, 4),
				   .known = (uint64_t)db_int(st, 5),
				   .refused = (uint64_t)db_int(st, 6),
				   .bytes = (uint64_t)db_int(st, 7),
				   .cut = db_int(st, 8) != 0,
				   .error = db_text(st, 9)};
	db_id(st, 10, r->receipt.b);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i], db_text(st, 1)) == 0)
			r->kind = (enum carry_kind)i;
}

struct error *carry_records(struct conn *c, size_t max, carry_record_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(conn_local(c, &carry_feature), CARRIED_EACH);
	struct error *e = NULL;

	db_bind(st, "i", (int64_t)max);
	while (db_next(c->local, st, &e)) {
		struct carry_record r;

		read_row(st, &r);
		e = fn(ctx, &r);
	}
	return e;
}
