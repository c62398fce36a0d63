/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The rows of what carriers are told of; the statements are in files_store.c. */
#include "appliance/files/files_priv.h"
#include "appliance/community/rows.h"

static struct db_stmts *stmts(struct conn *c)
{
	return conn_view(c, &files_feature);
}

static void read_carried(sqlite3_stmt *st, struct carried_blob *ret)
{
	*ret = (struct carried_blob){.num = db_int(st, 0),
				     .stored = (uint64_t)db_int(st, 6),
				     .stage = (enum carried_stage)db_int(st, 7)};
	db_id(st, 1, &ret->said);
	db_id(st, 2, &ret->op);
	db_id(st, 3, &ret->space);
	db_id(st, 4, &ret->box);
	db_id(st, 5, &ret->blob);
}

/* A row at the edge of what is kept; num 0: none. `kept`: bytes that are. */
static struct error *at_the_edge(struct fold *f, sqlite3_stmt *st, struct carried_blob *ret,
				 int64_t *ret_kept)
{
	bool row;

	*ret = (struct carried_blob){.num = 0};
	TRY(db_step(f->conn->view, st, &row));
	if (!row)
		return NULL;
	ret->num = db_int(st, 0);
	ret->stored = (uint64_t)db_int(st, 1);
	ret->time = db_int(st, 2);
	db_id(st, 3, &ret->said);
	ret->place = (unsigned)db_int(st, 4);
	*ret_kept = db_int(st, 5);
	sqlite3_reset(st);
	return NULL;
}

static struct error *more(struct fold *f, const struct pubkey *box, int64_t bytes)
{
	return db_do(f->conn->view, stmts(f->conn), CARRIED_MORE, "kki", &f->space, box, bytes);
}

/* Neither this one nor what is before it has room. num 0: all have. */
static struct error *mark(struct fold *f, const struct pubkey *box, const struct carried_blob *k)
{
	struct span said = k->num ? span_of(k->said.b, sizeof(k->said.b)) : span_str("");

	return db_do(f->conn->view, stmts(f->conn), CARRIED_MARK, "kkibi", &f->space, box,
		     k->num ? k->time : INT64_MIN, said, (int64_t)k->place);
}

/* The oldest go while there are too many. */
static struct error *push_out(struct fold *f, const struct pubkey *box)
{
	struct db_stmts *s = stmts(f->conn);

	for (;;) {
		sqlite3_stmt *st = db_stmt(s, CARRIED_OLDEST);
		struct carried_blob k;
		int64_t kept;

		db_bind(st, "kki", &f->space, box, (int64_t)LIMIT_FILE_CARRIED);
		TRY(at_the_edge(f, st, &k, &kept));
		if (!k.num)
			return NULL;
		TRY(db_do(f->conn->view, s, CARRIED_OUT_ROW, "i", k.num));
		TRY(more(f, box, -(int64_t)k.stored));
		TRY(mark(f, box, &k));
	}
}

/* And the newest of those come back when there is room again. */
static struct error *bring_back(struct fold *f, const struct pubkey *box)
{
	struct db_stmts *s = stmts(f->conn);

	for (;;) {
		sqlite3_stmt *st = db_stmt(s, CARRIED_NEWEST_OUT);
		struct carried_blob k;
		int64_t kept;

		db_bind(st, "kk", &f->space, box);
		TRY(at_the_edge(f, st, &k, &kept));
		if (!k.num || (uint64_t)kept + k.stored > LIMIT_FILE_CARRIED)
			return mark(f, box, &k);
		TRY(db_do(f->conn->view, s, CARRIED_BACK_ROW, "i", k.num));
		TRY(more(f, box, (int64_t)k.stored));
	}
}

struct error *carried_add(struct fold *f, const struct carried_blob *k)
{
	struct db_stmts *s = stmts(f->conn);
	struct db *db = f->conn->view;
	int64_t late;

	TRY(db_do(db, s, CARRIED_BOX, "kk", &f->space, &k->box));
	TRY(db_number(db, s, CARRIED_LATE, 0, &late, "kkiki", &f->space, &k->box, k->time, &k->said,
		      (int64_t)k->place));
	TRY(db_do(db, s, CARRIED_ADD, "kkkkkiiii", &k->said, &k->op, &f->space, &k->box, &k->blob,
		  (int64_t)k->stored, k->time, (int64_t)k->place, late));
	if (late)
		return NULL;
	TRY(more(f, &k->box, (int64_t)k->stored));
	return push_out(f, &k->box);
}

struct error *carried_reset(struct fold *f)
{
	struct db_stmts *s = stmts(f->conn);
	sqlite3_stmt *st = db_stmt(s, CARRIED_WHOSE);
	struct pubkey box;
	bool row;

	db_bind(st, "k", &f->object);
	TRY(db_step(f->conn->view, st, &row));
	if (!row)
		return NULL;
	db_id(st, 0, &box);
	sqlite3_reset(st);
	TRY(db_do(f->conn->view, s, CARRIED_LESS, "k", &f->object));
	TRY(db_do(f->conn->view, s, CARRIED_RESET, "k", &f->object));
	return bring_back(f, &box);
}

static struct error *read_one(struct conn *c, sqlite3_stmt *st, struct carried_blob *ret)
{
	bool row;

	*ret = (struct carried_blob){.num = 0};
	TRY(db_step(c->view, st, &row));
	if (!row)
		return NULL;
	read_carried(st, ret);
	sqlite3_reset(st);
	return NULL;
}

struct error *carried_row_before(struct conn *c, int64_t before, struct carried_blob *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), CARRIED_BEFORE);

	db_bind(st, "i", before);
	return read_one(c, st, ret);
}

struct error *carried_row_after(struct conn *c, enum carried_stage stage, int64_t after,
				struct carried_blob *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), CARRIED_AFTER);

	db_bind(st, "ii", after, (int64_t)stage);
	return read_one(c, st, ret);
}

struct error *carried_each_in(struct conn *c, const struct hash *space, int64_t most,
			      carried_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), CARRIED_IN);
	struct error *e = NULL;

	db_bind(st, "ki", space, most);
	while (db_next(c->view, st, &e)) {
		struct carried_blob k;

		read_carried(st, &k);
		e = fn(ctx, &k);
	}
	return e;
}

struct error *carried_looked(struct conn *c, const struct carried_blob *k)
{
	return db_do(c->view, stmts(c), CARRIED_LOOKED, "iki", k->num, &k->blob, (int64_t)k->stage);
}

struct error *carried_last(struct conn *c, int64_t *ret)
{
	return db_number(c->view, stmts(c), CARRIED_LAST, 0, ret, "");
}

struct error *carried_need_after(struct conn *c, const struct hash *blob, uint64_t stored,
				 const struct carried_blob *after, struct carried_blob *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), CARRIED_NEEDS);
	struct carried_blob next;

	db_bind(st, "kikk", blob, (int64_t)stored, &after->space, &after->op);
	TRY(read_one(c, st, &next));
	*ret = next;
	return NULL;
}

struct error *carried_owed_each(struct conn *c, const struct hash *space, owed_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), CARRIED_OWED);
	bool row;

	db_bind(st, "kk", space, conn_self(c));
	for (;;) {
		struct hash op, blob;
		struct pubkey box;

		TRY(db_step(c->view, st, &row));
		if (!row)
			return NULL;
		if (!db_id(st, 0, &op) || !db_id(st, 1, &box) || !db_id(st, 2, &blob))
			continue;
		if (!fn(ctx, &op, &box, &blob, (uint64_t)db_int(st, 3))) {
			sqlite3_reset(st);
			return NULL;
		}
	}
}
