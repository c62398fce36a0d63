/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/bundle/known.h"
#include <assert.h>

const char *const known_migrations[] = {
	/* One row a space; `frames` is HEADS and MISSING of PROTOCOL.md section 5. */
	"CREATE TABLE known (peer BLOB NOT NULL, space BLOB NOT NULL, incarnation INTEGER NOT NULL,"
	"  serial INTEGER NOT NULL, when_ms INTEGER NOT NULL, digest BLOB NOT NULL,"
	"  frames BLOB NOT NULL, PRIMARY KEY (peer, space)) STRICT;"
	"CREATE TABLE known_serial (serial INTEGER NOT NULL) STRICT;"
	"INSERT INTO known_serial VALUES (0);",
};
const int known_migrations_n = ARRAY_LEN(known_migrations);

enum {
	KNOWN_OF,
	KNOWN_DIGEST,
	KNOWN_WHEN,
	KNOWN_PUT,
	KNOWN_FORGET,
	KNOWN_FORGET_OTHERS,
	SERIAL_UP,
	SERIAL,
	STMTS
};
static const char *const sql[] = {
	[KNOWN_OF] = "SELECT incarnation, serial, when_ms, frames FROM known WHERE peer=?1"
		     " ORDER BY space",
	[KNOWN_DIGEST] = "SELECT count(*) FROM known WHERE peer=?1 AND space=?2 AND digest=?3"
			 " AND incarnation IN (?4, iif(?4=0, incarnation, ?4))",
	[KNOWN_WHEN] = "SELECT when_ms FROM known WHERE peer=?1 AND space=?2",
	[KNOWN_PUT] = "INSERT OR REPLACE INTO known VALUES (?1,?2,?3,?4,?5,?6,?7)",
	[KNOWN_FORGET] = "DELETE FROM known WHERE peer=?1",
	[KNOWN_FORGET_OTHERS] = "DELETE FROM known WHERE peer=?1 AND incarnation<>?2",
	[SERIAL_UP] = "UPDATE known_serial SET serial=serial+1",
	[SERIAL] = "SELECT serial FROM known_serial",
};

static struct error *statements(struct db *local, struct db_stmts **ret)
{
	static_assert(ARRAY_LEN(sql) == STMTS, "a row for each");
	return db_prepare(local, sql, STMTS, ret);
}

static struct error *load(struct db *local, const struct pubkey *peer, struct arena *a,
			  struct known *k)
{
	_cleanup_(buf_release) struct buf frames = {0};
	struct db_stmts *s;
	sqlite3_stmt *st;
	struct error *e = NULL;

	TRY(statements(local, &s));
	st = db_stmt(s, KNOWN_OF);
	db_bind(st, "k", peer);
	while (db_next(local, st, &e)) {
		/* Rows of two incarnations are never kept side by side, but for those of which it is
		 * not known. */
		if (db_int(st, 0))
			k->incarnation = (uint64_t)db_int(st, 0);
		if ((uint64_t)db_int(st, 1) > k->serial)
			k->serial = (uint64_t)db_int(st, 1);
		if (db_int(st, 2) > k->when_ms)
			k->when_ms = db_int(st, 2);
		buf_add_span(&frames, db_blob(st, 3));
	}
	TRY(e);
	return known_parse(buf_span(&frames), a, k);
}

struct error *known_get(struct db *local, const struct pubkey *peer, struct arena *a,
			struct known *ret)
{
	struct known k = {0};

	TRY(load(local, peer, a, &k));
	ENSURE(k.n_spaces,
	       error_new(ERR_NOT_FOUND,
			 N_("It is not known what the box %s holds: it was not met yet, "
			    "and no bundle of it was read."),
			 ID_SHORT(peer)));
	*ret = k;
	return NULL;
}

/* The rows of one space as frames. */
static void space_frames(const struct known *k, const struct hash *space, struct buf *out,
			 struct hash *ret_digest)
{
	struct stream_writer w = {.out = out};
	size_t first = 0, n = 0;

	while (first < k->n_heads && !hash_eq(&k->heads[first].id.space, space))
		first++;
	while (first + n < k->n_heads && hash_eq(&k->heads[first + n].id.space, space))
		n++;
	stream_put_heads(&w, space, k->heads + first, n);
	for (size_t i = 0; i < k->n_missing; i++)
		if (hash_eq(&k->missing[i].id.space, space))
			stream_put_missing(&w, &k->missing[i].id, k->missing[i].ranges,
					   k->missing[i].n);
	*ret_digest = heads_digest(space, k->heads + first, n);
}

static struct error *put_space(struct db *local, const struct pubkey *peer, const struct known *k,
			       const struct hash *space)
{
	_cleanup_(buf_release) struct buf frames = {0};
	struct hash digest;
	struct db_stmts *s;

	TRY(statements(local, &s));
	space_frames(k, space, &frames, &digest);
	return db_do(local, s, KNOWN_PUT, "kkiiikb", peer, space, (int64_t)k->incarnation,
		     (int64_t)k->serial, k->when_ms, &digest, buf_span(&frames));
}

static struct error *replace(struct db *local, const struct pubkey *peer, const struct known *k)
{
	TRY(known_forget(local, peer));
	for (size_t i = 0; i < k->n_spaces; i++)
		TRY(put_space(local, peer, k, &k->spaces[i]));
	return NULL;
}

struct error *known_claimed(struct db *local, const struct bundle_claim *c, int64_t now_ms)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct known stored = {0}, claimed = {.incarnation = c->incarnation, .serial = c->serial};
	struct known lower;

	TRY(known_parse(c->frames, &a, &claimed));
	TRY(load(local, &c->writer, &a, &stored));
	claimed.when_ms = now_ms;
	if (!stored.n_spaces)
		return replace(local, &c->writer, &claimed);
	switch (known_weigh(&stored, &claimed, &c->writer)) {
	case KNOWN_IGNORE:
		break;
	case KNOWN_REPLACE:
		return replace(local, &c->writer, &claimed);
	case KNOWN_LOWER:
		known_lower(&stored, &claimed, &a, &lower);
		return replace(local, &c->writer, &lower);
	}
	return NULL;
}

struct error *known_met(struct db *local, struct log_store *log, const struct pubkey *peer,
			const struct space_digest *theirs, uint64_t incarnation, int64_t now_ms)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct known k = {.incarnation = incarnation, .when_ms = now_ms};
	struct hash ours;
	struct db_stmts *s;
	int64_t same, when;

	TRY(statements(local, &s));
	if (incarnation)
		TRY(db_do(local, s, KNOWN_FORGET_OTHERS, "ki", peer, (int64_t)incarnation));
	TRY(db_number(local, s, KNOWN_DIGEST, 0, &same, "kkki", peer, &theirs->space,
		      &theirs->heads, (int64_t)incarnation));
	if (same)
		return NULL;
	TRY(heads_collect(log, &theirs->space, &a, &k.heads, &k.n_heads));
	TRY(db_number(local, s, KNOWN_WHEN, 0, &when, "kk", peer, &theirs->space));
	if (k.n_heads > KNOWN_MANY && now_ms >= when && now_ms - when < KNOWN_EVERY_MS)
		return NULL;
	ours = heads_digest(&theirs->space, k.heads, k.n_heads);
	if (!hash_eq(&ours, &theirs->heads))
		return NULL;
	return put_space(local, peer, &k, &theirs->space);
}

struct error *known_forget(struct db *local, const struct pubkey *peer)
{
	struct db_stmts *s;

	TRY(statements(local, &s));
	return db_do(local, s, KNOWN_FORGET, "k", peer);
}

struct error *known_next_serial(struct db *local, uint64_t *ret)
{
	struct db_stmts *s;
	int64_t serial;

	TRY(statements(local, &s));
	TRY(db_do(local, s, SERIAL_UP, ""));
	TRY(db_number(local, s, SERIAL, 0, &serial, ""));
	*ret = (uint64_t)serial;
	return NULL;
}
