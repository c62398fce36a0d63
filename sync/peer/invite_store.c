/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The invitations that this box made, in local.db. */
#include "sync/peer/invite.h"
#include "sync/base/arena.h"
#include "sync/base/buf.h"
#include <assert.h>

#define FORGET_AFTER_MS (30LL * 24 * 3600 * 1000)

const char *const invite_migrations[] = {
	"CREATE TABLE invite (num INTEGER PRIMARY KEY AUTOINCREMENT, secret BLOB NOT NULL UNIQUE,"
	"  made_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, label TEXT NOT NULL,"
	"  address TEXT NOT NULL, read_only INTEGER NOT NULL, terms BLOB NOT NULL,"
	"  used_by BLOB, used_ms INTEGER NOT NULL) STRICT;",
	/* What was used before this was asked has been seen. */
	"ALTER TABLE invite ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;"
	"UPDATE invite SET checked=1 WHERE used_ms<>0;",
};
const int invite_migrations_n = ARRAY_LEN(invite_migrations);

enum { ADD, COUNT, FORGET, EACH, GET, REMOVE, USE, CHECKED, UNCHECKED, STMTS };
#define COLUMNS                                                                                    \
	"SELECT num, secret, made_ms, until_ms, label, address, read_only, terms, used_by, "       \
	"used_ms, checked FROM invite"
static const char *const sql[] = {
	[ADD] = "INSERT INTO invite (secret, made_ms, until_ms, label, address, read_only, terms,"
		" used_ms) VALUES (?1,?2,?3,?4,?5,?6,?7,0)",
	[COUNT] = "SELECT count(*) FROM invite WHERE used_ms=0 AND until_ms>?1",
	[FORGET] = "DELETE FROM invite WHERE max(until_ms, used_ms)<?1",
	[EACH] = COLUMNS " ORDER BY num DESC",
	[GET] = COLUMNS " WHERE num=?1",
	[REMOVE] = "DELETE FROM invite WHERE num=?1",
	[USE] = "UPDATE invite SET used_by=?2, used_ms=?3 WHERE num=?1",
	[CHECKED] = "UPDATE invite SET checked=1 WHERE num=?1 AND used_ms<>0",
	[UNCHECKED] = "SELECT count(*) FROM invite WHERE used_ms<>0 AND checked=0",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	static_assert(ARRAY_LEN(sql) == STMTS, "a row for each");
	return db_prepare(local, sql, STMTS, ret);
}

/* --- the terms as bytes of our own --- */
enum { TERMS_VERSION = 1 };

static void terms_write(const struct peer_terms *t, struct buf *out)
{
	buf_u8(out, TERMS_VERSION);
	buf_u8(out, (uint8_t)t->others);
	buf_u64(out, t->take_bytes);
	buf_u64(out, t->give_bytes);
	buf_u64(out, (uint64_t)t->until_ms);
	buf_u16(out, (uint16_t)t->n);
	for (size_t i = 0; i < t->n; i++) {
		buf_add(out, t->space[i].space.b, 32);
		buf_u8(out, (uint8_t)t->space[i].ways);
	}
}

static void terms_read(struct span bytes, struct peer_terms *t)
{
	struct reader in = reader_of(bytes);

	peer_terms_default(t);
	if (reader_u8(&in) != TERMS_VERSION) {
		t->others = 0; /* rather nothing than more than was meant */
		return;
	}
	t->others = reader_u8(&in);
	t->take_bytes = reader_u64(&in);
	t->give_bytes = reader_u64(&in);
	t->until_ms = (int64_t)reader_u64(&in);
	t->n = reader_u16(&in);
	t->n = t->n < LIMIT_SPACES ? t->n : LIMIT_SPACES;
	for (size_t i = 0; i < t->n; i++) {
		reader_copy(&in, t->space[i].space.b, 32);
		t->space[i].ways = reader_u8(&in);
	}
	if (!reader_ok(&in))
		*t = (struct peer_terms){.others = 0};
}

static void read_row(sqlite3_stmt *st, struct invite *i)
{
	struct span secret = db_blob(st, 1);

	memset(i, 0, sizeof(*i));
	i->num = db_int(st, 0);
	if (secret.n == INVITE_SECRET)
		memcpy(i->secret, secret.p, INVITE_SECRET);
	i->made_ms = db_int(st, 2);
	i->until_ms = db_int(st, 3);
	snprintf(i->label, sizeof(i->label), "%s", db_text(st, 4));
	snprintf(i->address, sizeof(i->address), "%s", db_text(st, 5));
	i->read_only = db_int(st, 6) != 0;
	terms_read(db_blob(st, 7), &i->terms);
	db_id(st, 8, i->used_by.b);
	i->used_ms = db_int(st, 9);
	i->checked = db_int(st, 10) != 0;
}

struct error *invite_add(struct db *local, struct invite *io, int64_t now_ms)
{
	_cleanup_(buf_release) struct buf terms = {0};
	struct db_stmts *s;
	int64_t open;

	TRY(statements(local, &s));
	TRY(db_do(local, s, FORGET, "i", now_ms - FORGET_AFTER_MS));
	TRY(db_number(local, s, COUNT, 0, &open, "i", now_ms));
	ENSURE(open < LIMIT_INVITES,
	       error_new(ERR_LIMIT, N_("There are too many invitations that nobody has accepted "
				       "yet. Take some back first.")));
	terms_write(&io->terms, &terms);
	TRY(db_do(local, s, ADD, "biissib", span_of(io->secret, INVITE_SECRET), io->made_ms,
		  io->until_ms, io->label, io->address, (int64_t)io->read_only, buf_span(&terms)));
	io->num = db_last_rowid(local);
	return NULL;
}

/* All rows first: what is called may use the table again. */
static struct error *read_all(struct db *local, struct arena *a, struct invite ***ret,
			      size_t *ret_n)
{
	_cleanup_(buf_release) struct buf rows = {0};
	struct invite *one;
	struct db_stmts *s;
	sqlite3_stmt *st;
	struct error *e = NULL;

	TRY(statements(local, &s));
	st = db_stmt(s, EACH);
	while (db_next(local, st, &e)) {
		one = arena_new(a, struct invite);
		read_row(st, one);
		buf_add(&rows, &one, sizeof(one));
	}
	TRY(e);
	*ret_n = rows.n / sizeof(one);
	*ret = *ret_n ? arena_copy(a, rows.p, rows.n) : NULL;
	return NULL;
}

struct error *invite_each(struct db *local, invite_fn *fn, void *ctx)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct invite **rows;
	size_t n;

	TRY(read_all(local, &a, &rows, &n));
	for (size_t i = 0; i < n; i++)
		TRY(fn(ctx, rows[i]));
	return NULL;
}

static struct error *not_found(void)
{
	return error_new(ERR_NOT_FOUND, N_("There is no such invitation (any more)."));
}

struct error *invite_get(struct db *local, int64_t num, struct invite *ret)
{
	struct db_stmts *s;
	sqlite3_stmt *st;
	bool row;

	TRY(statements(local, &s));
	st = db_stmt(s, GET);
	db_bind(st, "i", num);
	TRY(db_step(local, st, &row));
	ENSURE(row, not_found());
	read_row(st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *invite_remove(struct db *local, int64_t num)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, REMOVE, "i", num));
	ENSURE(db_changes(local) > 0, not_found());
	return NULL;
}

struct error *invite_match(struct db *local, const struct pubkey *self, const struct pubkey *who,
			   const uint8_t proof[INVITE_PROOF], int64_t now_ms, struct invite *ret)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct invite **rows;
	size_t n;

	TRY(read_all(local, &a, &rows, &n));
	for (size_t i = 0; i < n; i++) {
		uint8_t want[INVITE_PROOF];

		invite_proof(rows[i]->secret, self, who, want);
		if (invite_is_open(rows[i], now_ms) && crypto_equal(want, proof, INVITE_PROOF)) {
			*ret = *rows[i];
			return NULL;
		}
	}
	return not_found();
}

struct error *invite_use(struct db *local, int64_t num, const struct pubkey *who, int64_t now_ms)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, USE, "iki", num, who, now_ms));
	ENSURE(db_changes(local) > 0, not_found());
	return NULL;
}

struct error *invite_checked(struct db *local, int64_t num)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	TRY(db_do(local, s, CHECKED, "i", num));
	ENSURE(db_changes(local) > 0, not_found());
	return NULL;
}

struct error *invite_unchecked(struct db *local, int64_t *ret)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_number(local, s, UNCHECKED, 0, ret, "");
}
