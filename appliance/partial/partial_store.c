/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/config/config.h"
#include "appliance/partial/partial_priv.h"

static const char *const migrations[] = {
	/* Spaces that are carried no further. */
	"CREATE TABLE partial_space(space BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;"
	"CREATE TABLE partial_run(one INTEGER PRIMARY KEY, state INTEGER NOT NULL,"
	" days INTEGER NOT NULL, blob_max INTEGER NOT NULL, begun INTEGER NOT NULL,"
	" ended INTEGER NOT NULL, row INTEGER NOT NULL, ops INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, safe_ops INTEGER NOT NULL, safe_bytes INTEGER NOT NULL,"
	" problem TEXT NOT NULL) STRICT;"
	"CREATE TABLE partial_at(box BLOB PRIMARY KEY, ops INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	/* What went, so that the page of its conversation can say so, and ask for it. */
	"CREATE TABLE partial_gone(object BLOB NOT NULL, op BLOB NOT NULL,"
	" PRIMARY KEY(object, op)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE partial_wish(object BLOB PRIMARY KEY, space BLOB NOT NULL,"
	" time INTEGER NOT NULL, done INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
	"ALTER TABLE partial_run ADD COLUMN file_row INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE partial_run ADD COLUMN files INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE partial_run ADD COLUMN file_bytes INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE partial_run ADD COLUMN safe_files INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE partial_run ADD COLUMN safe_file_bytes INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE partial_at ADD COLUMN files INTEGER NOT NULL DEFAULT 0;",
	"ALTER TABLE partial_space ADD COLUMN since INTEGER NOT NULL DEFAULT 0;",
	/* Spaces of strangers that a volunteer wants. */
	"CREATE TABLE partial_wanted(space BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;",
};

enum {
	SPACE_GET,
	SPACE_DROP,
	SPACE_KEEP,
	SPACE_ANY,
	WANTED_GET,
	WANTED_ADD,
	WANTED_DROP,
	RUN_GET,
	RUN_SET,
	AT_CLEAR,
	AT_ADD,
	AT_EACH,
	GONE_ADD,
	GONE_OF,
	GONE_FORGET,
	WISH_ADD,
	WISH_GET,
	WISH_LIST,
	WISH_DONE,
	WISH_WAITING,
	WISH_SINCE,
	WISH_OLD,
	STMTS
};
static const char *const sql[STMTS] = {
	[SPACE_GET] = "SELECT since FROM partial_space WHERE space = ?1",
	[SPACE_DROP] = "INSERT OR IGNORE INTO partial_space VALUES (?1, ?2)",
	[SPACE_KEEP] = "DELETE FROM partial_space WHERE space = ?1",
	[SPACE_ANY] = "SELECT 1 FROM partial_space LIMIT 1",
	[WANTED_GET] = "SELECT 1 FROM partial_wanted WHERE space = ?1",
	[WANTED_ADD] = "INSERT OR IGNORE INTO partial_wanted VALUES (?1)",
	[WANTED_DROP] = "DELETE FROM partial_wanted WHERE space = ?1",
	[RUN_GET] = "SELECT state, days, blob_max, begun, ended, row, ops, bytes, safe_ops,"
		    " safe_bytes, problem, file_row, files, file_bytes, safe_files, safe_file_bytes"
		    " FROM partial_run WHERE one = 1",
	[RUN_SET] = "INSERT OR REPLACE INTO partial_run VALUES"
		    " (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
	[AT_CLEAR] = "DELETE FROM partial_at",
	[AT_ADD] = "INSERT INTO partial_at VALUES (?1, ?2, ?3) ON CONFLICT(box) DO UPDATE"
		   " SET ops = ops + excluded.ops, files = files + excluded.files",
	[AT_EACH] = "SELECT box, ops, files FROM partial_at ORDER BY ops DESC, files DESC, box",
	[GONE_ADD] = "INSERT OR IGNORE INTO partial_gone VALUES (?1, ?2)",
	[GONE_OF] = "SELECT op FROM partial_gone WHERE object = ?1 ORDER BY op LIMIT ?2",
	[GONE_FORGET] = "DELETE FROM partial_gone WHERE object = ?1",
	[WISH_ADD] = "INSERT INTO partial_wish VALUES (?1, ?2, ?3, 0)"
		     " ON CONFLICT(object) DO UPDATE SET time = excluded.time, done = 0",
	[WISH_GET] = "SELECT 1 FROM partial_wish WHERE object = ?1 AND NOT done",
	[WISH_LIST] = "SELECT space, object FROM partial_wish WHERE NOT done ORDER BY time, object"
		      " LIMIT ?1",
	[WISH_DONE] = "UPDATE partial_wish SET done = 1 WHERE object = ?1",
	[WISH_WAITING] = "SELECT count(*) FROM partial_wish WHERE NOT done",
	[WISH_SINCE] = "SELECT count(*) FROM partial_wish WHERE time > ?1 AND time <= ?2",
	[WISH_OLD] = "DELETE FROM partial_wish WHERE done AND NOT (time > ?1 AND time <= ?2)",
};

static const struct op_type no_ops[] = {{0}};

const struct feature partial_feature = {
	.name = "partial",
	.types = no_ops,
	.local_migrations = migrations,
	.local_migrations_n = ARRAY_LEN(migrations),
	.local_sql = sql,
	.local_sql_n = STMTS,
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_local(c, &partial_feature);
}

/* --- the choice ------------------------------------------------------------------------------- */

struct error *partial_choice(struct conn *c, struct keep *ret)
{
	char days[SETTING_MAX + 1], size[SETTING_MAX + 1];

	TRY(config_get(c, SETTING_KEEP_DAYS, days));
	TRY(config_get(c, SETTING_KEEP_BLOBS, size));
	*ret = (struct keep){.payload_days = (uint32_t)strtoul(days, NULL, 10),
			     .blob_max = strtoull(size, NULL, 10)};
	return NULL;
}

/* A run that goes on is about the choice as it was, and so is what others proved meanwhile: who chooses
 * otherwise and back again has told everybody in between that it keeps everything, and they may have
 * relied on that. */
static struct error *end_run(struct conn *c)
{
	struct partial_run r;

	TRY(partial_run_get(c, &r));
	if (r.state != PARTIAL_LOOKING && r.state != PARTIAL_LETTING_GO)
		return NULL;
	return partial_stop(c);
}

struct error *partial_choose(struct conn *c, const struct keep *k)
{
	char days[24], size[24];
	struct keep was;

	TRY(partial_choice(c, &was));
	if (!keep_eq(&was, k))
		TRY(end_run(c));
	snprintf(days, sizeof(days), "%u", k->payload_days);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)k->blob_max);
	TRY(config_set(c, SETTING_KEEP_DAYS, days));
	TRY(config_set(c, SETTING_KEEP_BLOBS, size));
	return community_repaint(c);
}

struct error *partial_keeps_space(struct conn *c, const struct hash *space, bool *ret)
{
	int64_t since;

	return partial_space_since(c, space, ret, &since);
}

struct error *partial_space_since(struct conn *c, const struct hash *space, bool *ret_kept,
				  int64_t *ret_since_ms)
{
	int64_t since;

	TRY(db_number(c->local, stmts(c), SPACE_GET, -1, &since, "k", space));
	if (since < 0) {
		TRY(log_let_go_since(c->log, space, &since));
		since = since ? since : -1;
	}
	*ret_kept = since < 0;
	*ret_since_ms = since < 0 ? 0 : since;
	return NULL;
}

bool partial_takes(void *conn, const struct hash *space)
{
	bool kept = false;

	error_free(partial_keeps_space(conn, space, &kept));
	return kept;
}

/* What was let go of and is wanted again is another matter: strangers.h. */
struct error *partial_keep_space(struct conn *c, const struct hash *space, bool keep)
{
	bool was;

	TRY(partial_keeps_space(c, space, &was));
	if (was != keep)
		TRY(end_run(c));
	if (keep && !was)
		TRY(partial_want(c, space, true));
	if (keep)
		return db_do(c->local, stmts(c), SPACE_KEEP, "k", space);
	return db_do(c->local, stmts(c), SPACE_DROP, "ki", space, env_now(c->env));
}

struct error *partial_want(struct conn *c, const struct hash *space, bool wanted)
{
	return db_do(c->local, stmts(c), wanted ? WANTED_ADD : WANTED_DROP, "k", space);
}

struct error *partial_is_wanted(struct conn *c, const struct hash *space, bool *ret)
{
	int64_t wanted;

	TRY(db_number(c->local, stmts(c), WANTED_GET, 0, &wanted, "k", space));
	*ret = wanted;
	return NULL;
}

struct error *partial_is(struct conn *c, bool *ret)
{
	int64_t any, gone;
	struct keep k;

	TRY(partial_choice(c, &k));
	TRY(db_number(c->local, stmts(c), SPACE_ANY, 0, &any, ""));
	TRY(log_let_go_count(c->log, &gone));
	*ret = any || gone || keep_is_partial(&k);
	return NULL;
}

/* --- the run ---------------------------------------------------------------------------------- */

struct error *partial_run_get(struct conn *c, struct partial_run *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), RUN_GET);
	bool row;

	*ret = (struct partial_run){.state = PARTIAL_NO_RUN};
	TRY(db_step(c->local, st, &row));
	if (!row)
		return NULL;
	ret->state = (enum partial_state)db_int(st, 0);
	ret->keep = (struct keep){.payload_days = (uint32_t)db_int(st, 1),
				  .blob_max = (uint64_t)db_int(st, 2)};
	ret->begun_ms = db_int(st, 3);
	ret->ended_ms = db_int(st, 4);
	ret->row = db_int(st, 5);
	ret->ops = db_int(st, 6);
	ret->bytes = db_int(st, 7);
	ret->safe_ops = db_int(st, 8);
	ret->safe_bytes = db_int(st, 9);
	snprintf(ret->problem, sizeof(ret->problem), "%s", db_text(st, 10));
	ret->file_row = db_int(st, 11);
	ret->files = db_int(st, 12);
	ret->file_bytes = db_int(st, 13);
	ret->safe_files = db_int(st, 14);
	ret->safe_file_bytes = db_int(st, 15);
	sqlite3_reset(st);
	return NULL;
}

struct error *run_set(struct conn *c, const struct partial_run *r)
{
	return db_do(c->local, stmts(c), RUN_SET, "iiiiiiiiiisiiiii", (int64_t)r->state,
		     (int64_t)r->keep.payload_days, (int64_t)r->keep.blob_max, r->begun_ms,
		     r->ended_ms, r->row, r->ops, r->bytes, r->safe_ops, r->safe_bytes, r->problem,
		     r->file_row, r->files, r->file_bytes, r->safe_files, r->safe_file_bytes);
}

struct error *at_clear(struct conn *c)
{
	return db_do(c->local, stmts(c), AT_CLEAR, "");
}

struct error *at_add(struct conn *c, const struct partial_at *at)
{
	return db_do(c->local, stmts(c), AT_ADD, "kii", &at->box, at->ops, at->files);
}

struct error *partial_at_each(struct conn *c, partial_at_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), AT_EACH);
	_cleanup_(buf_release) struct buf rows = {0};
	struct error *e = NULL;

	while (db_next(c->local, st, &e)) {
		struct partial_at at = {.ops = 0};

		at.ops = db_int(st, 1);
		at.files = db_int(st, 2);
		if (db_id(st, 0, at.box.b))
			buf_add(&rows, &at, sizeof(at));
	}
	TRY(e);
	for (size_t i = 0; i < rows.n / sizeof(struct partial_at); i++)
		TRY(fn(ctx, (const struct partial_at *)(void *)rows.p + i));
	return NULL;
}

struct error *partial_look(struct conn *c)
{
	struct partial_run r = {.state = PARTIAL_LOOKING, .begun_ms = env_now(c->env)};
	bool partial;

	TRY(partial_is(c, &partial));
	ENSURE(partial, error_new(ERR_INVALID, N_("This box keeps everything. Choose first what it "
						  "is to keep.")));
	TRY(partial_choice(c, &r.keep));
	TRY(at_clear(c));
	return run_set(c, &r);
}

struct error *partial_let_go(struct conn *c)
{
	struct partial_run r;
	struct keep now;

	TRY(partial_run_get(c, &r));
	TRY(partial_choice(c, &now));
	ENSURE(r.state == PARTIAL_LOOKED && now.payload_days == r.keep.payload_days &&
		       now.blob_max == r.keep.blob_max,
	       error_new(ERR_INVALID, N_("What this box keeps was changed since. Look again first "
					 "at what would go.")));
	r = (struct partial_run){
		.state = PARTIAL_LETTING_GO, .keep = now, .begun_ms = env_now(c->env)};
	TRY(at_clear(c));
	return run_set(c, &r);
}

struct error *partial_stop(struct conn *c)
{
	struct partial_run r;

	TRY(partial_run_get(c, &r));
	r.ended_ms = env_now(c->env);
	r.state = r.state == PARTIAL_LETTING_GO ? PARTIAL_DONE : PARTIAL_NO_RUN;
	*r.problem = 0;
	return run_set(c, &r);
}

/* --- what went, and what is wanted ------------------------------------------------------------ */

struct error *gone_add(struct conn *c, const struct hash *object, const struct hash *op)
{
	return db_do(c->local, stmts(c), GONE_ADD, "kk", object, op);
}

static struct error *read_ids(struct conn *c, sqlite3_stmt *st, struct hash *out, size_t max,
			      size_t *ret_n)
{
	size_t n = 0;
	struct error *e = NULL;

	while (db_next(c->local, st, &e)) {
		if (n < max && db_id(st, 0, out[n].b))
			n++;
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct error *gone_of(struct conn *c, const struct hash *object, struct hash *out, size_t max,
		      size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(stmts(c), GONE_OF);

	db_bind(st, "ki", object, (int64_t)max);
	return read_ids(c, st, out, max, ret_n);
}

#define DAY_MS ((int64_t)86400000)

struct error *partial_wish(struct conn *c, const struct hash *space, const struct hash *object)
{
	int64_t waiting, today, here, now = env_now(c->env);

	TRY(db_do(c->local, stmts(c), WISH_OLD, "ii", now - DAY_MS, now));
	TRY(db_number(c->local, stmts(c), WISH_GET, 0, &here, "k", object));
	if (here)
		return NULL;
	TRY(db_number(c->local, stmts(c), WISH_WAITING, 0, &waiting, ""));
	TRY(db_number(c->local, stmts(c), WISH_SINCE, 0, &today, "ii", now - DAY_MS, now));
	ENSURE(waiting < PARTIAL_WISHES && today < PARTIAL_WISHES_A_DAY,
	       error_new(ERR_LIMIT, N_("Many conversations were asked for today already. Try again "
				       "tomorrow.")));
	TRY(db_do(c->local, stmts(c), WISH_ADD, "kki", object, space, now));
	return community_repaint(c);
}

struct error *partial_wishes(struct conn *c, int64_t *ret)
{
	return db_number(c->local, stmts(c), WISH_WAITING, 0, ret, "");
}

struct error *wish_list(struct conn *c, struct wish out[PARTIAL_WISHES], size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(stmts(c), WISH_LIST);
	size_t n = 0;
	struct error *e = NULL;

	db_bind(st, "i", (int64_t)PARTIAL_WISHES);
	while (db_next(c->local, st, &e)) {
		if (n < PARTIAL_WISHES && db_id(st, 0, out[n].space.b) &&
		    db_id(st, 1, out[n].object.b))
			n++;
	}
	TRY(e);
	*ret_n = n;
	return NULL;
}

struct error *wish_done(struct conn *c, const struct hash *object)
{
	TRY(db_do(c->local, stmts(c), GONE_FORGET, "k", object));
	TRY(db_do(c->local, stmts(c), WISH_DONE, "k", object));
	return community_repaint(c);
}

static struct error *is_wished(struct conn *c, const struct hash *object, bool *ret)
{
	int64_t here;

	TRY(db_number(c->local, stmts(c), WISH_GET, 0, &here, "k", object));
	*ret = here != 0;
	return NULL;
}

/* --- what is not here of an object ------------------------------------------------------------ */

/* What went, what others name, and its beginning; each once. */
static struct error *lack_ids(struct conn *c, const struct hash *space, const struct hash *object,
			      struct hash out[LACK_OPS], size_t *ret_n)
{
	size_t n = 0, more;

	out[n++] = *object;
	TRY(gone_of(c, object, out + n, LACK_OPS / 2, &more));
	n += more;
	TRY(object_misses(c, space, object, out + n, LACK_OPS - n, &more));
	n += more;
	qsort(out, n, sizeof(*out), (int (*)(const void *, const void *))hash_cmp);
	more = 0;
	for (size_t i = 0; i < n; i++)
		if (!more || !hash_eq(&out[more - 1], &out[i]))
			out[more++] = out[i];
	*ret_n = more;
	return NULL;
}

struct error *partial_lack(struct conn *c, const struct hash *space, const struct hash *object,
			   struct partial_lack *ret)
{
	_cleanup_(freep) struct hash *ids = calloc(LACK_OPS, sizeof(*ids));
	size_t n;

	if (!ids)
		abort();
	*ret = (struct partial_lack){.ops = 0};
	TRY(is_wished(c, object, &ret->wished));
	TRY(lack_ids(c, space, object, ids, &n));
	for (size_t i = 0; i < n; i++) {
		struct absent_op op;
		struct error *e = absent_get(c, &ids[i], &op);

		/* Not even its header is here, or it is here by now. */
		if (error_is(e, ERR_NOT_FOUND)) {
			error_free(e);
			continue;
		}
		TRY(e);
		if (op.erased || !hash_eq(&op.space, space))
			continue;
		if (!ret->ops || op.time > ret->newest_ms)
			ret->newest_ms = op.time;
		ret->ops++;
		ret->bytes += (int64_t)op.bytes;
		ret->whole |= hash_eq(&ids[i], object);
	}
	return NULL;
}

struct error *partial_space_of(struct conn *c, const struct hash *object, struct hash *ret)
{
	struct absent_op op;

	TRY(absent_get(c, object, &op));
	ENSURE(!op.erased && conn_sees(c, &op.space),
	       error_new(ERR_NOT_FOUND, N_("There is no conversation at this address.")));
	*ret = op.space;
	return NULL;
}

struct error *lack_need(struct conn *c, const struct wish *w, size_t *ret_left, size_t *ret_new)
{
	_cleanup_(freep) struct hash *ids = calloc(LACK_OPS, sizeof(*ids));
	size_t n, left = 0, fresh = 0;

	if (!ids)
		abort();
	TRY(lack_ids(c, &w->space, &w->object, ids, &n));
	for (size_t i = 0; i < n; i++) {
		struct absent_op op;
		struct error *e = absent_get(c, &ids[i], &op);
		bool needed;

		if (error_is(e, ERR_NOT_FOUND)) {
			error_free(e);
			continue;
		}
		TRY(e);
		if (op.erased || !hash_eq(&op.space, &w->space))
			continue;
		left++;
		TRY(log_is_needed(c->log, &ids[i], &needed));
		fresh += !needed;
		if (!needed)
			TRY(log_need(c->log, &ids[i]));
	}
	*ret_left = left;
	*ret_new = fresh;
	return NULL;
}
