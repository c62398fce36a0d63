/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One thread's connections: opening, migrating, making the view anew, transactions. */
#include "appliance/community/community_priv.h"
#include <assert.h>

enum { VIEW_VERSION = 3, CACHE_WRITER = 8 * 1024, CACHE_READER = 2 * 1024,
       CACHE_BESIDE = 32 * 1024 };

/* --- the view's schema --- */
/* Changes with the tables and op types of any feature: then the view is made anew. */
static int64_t schema_number(const struct community *k)
{
	struct hash_state h;
	struct hash sum;
	int64_t n = VIEW_VERSION;

	hash_init(&h);
	hash_add(&h, &n, sizeof(n));
	hash_add(&h, view_schema, strlen(view_schema));
	for (size_t i = 0; i < k->features_n; i++) {
		const struct feature *f = k->features[i];

		hash_add(&h, f->name, strlen(f->name) + 1);
		for (int m = 0; m < f->view_migrations_n; m++)
			hash_add(&h, f->view_migrations[m], strlen(f->view_migrations[m]) + 1);
	}
	for (size_t i = 0; i < k->table->n; i++)
		hash_add(&h, k->table->rows[i].type->name,
			 strlen(k->table->rows[i].type->name) + 1);
	sum = hash_final(&h);
	memcpy(&n, &sum, sizeof(n));
	return n;
}

struct error *view_make(struct conn *c)
{
	const struct community *k = c->community;
	char sql[120];

	TRY(db_exec(c->view, view_schema));
	for (size_t i = 0; i < k->features_n; i++)
		for (int m = 0; m < k->features[i]->view_migrations_n; m++)
			TRY(db_exec(c->view, k->features[i]->view_migrations[m]));
	snprintf(sql, sizeof(sql), "INSERT INTO meta(id, value) VALUES (%d, %lld)", META_SCHEMA,
		 (long long)schema_number(k));
	return db_exec(c->view, sql);
}

static struct error *prepare(struct conn *c)
{
	struct community *k = c->community;

	TRY(db_prepare(c->view, view_sql, VIEW_STMTS, &k->stmts));
	for (size_t i = 0; i < k->features_n; i++) {
		const struct feature *f = k->features[i];

		TRY(db_prepare(c->view, f->view_sql, f->view_sql_n, &k->view_stmts[i]));
		TRY(db_prepare(c->local, f->local_sql, f->local_sql_n, &k->local_stmts[i]));
	}
	return NULL;
}

static struct error *remove_view(struct conn *c)
{
	db_close(STEAL(c->view));
	return db_remove(c->community->view_path);
}

/* The last entry that the view took in must still be where it was: else the log was replaced. */
struct last_seen {
	int64_t op;
	bool same;
};

static struct error *compare_last(void *ctx, const struct stored *e)
{
	struct last_seen *k = ctx;

	k->same = memcmp(&e->op_id, &k->op, sizeof(k->op)) == 0;
	return NULL;
}

static struct error *last_is_known(struct conn *c, bool *ret)
{
	struct last_seen k = {.same = false};
	struct error *err;
	int64_t last;

	TRY(meta_get(c, META_LAST, &last));
	TRY(meta_get(c, META_LAST_OP, &k.op));
	err = last ? log_by_num(c->log, last, compare_last, &k) : NULL;
	*ret = !last || k.same;
	if (error_is(err, ERR_NOT_FOUND)) {
		error_free(err);
		return NULL;
	}
	return err;
}

/* Is this a view of ours, of this version, of this log? */
static bool view_is_good(struct conn *c)
{
	static const char *const sql[] = {"SELECT value FROM meta WHERE id = 1"};
	struct db_stmts *s;
	int64_t schema = 0;
	bool known = false;
	struct error *err = db_prepare(c->view, sql, 1, &s);

	if (!err)
		err = db_number(c->view, s, 0, 0, &schema, "");
	if (!err && schema == schema_number(c->community)) {
		err = prepare(c);
		if (!err)
			err = last_is_known(c, &known);
	}
	error_free(err);
	return known;
}

static enum db_mode view_mode(enum db_mode mode)
{
	return mode == DB_WRITER ? DB_DERIVED : mode;
}

static struct error *open_view(struct conn *c, int cache)
{
	return db_open(c->community->view_path, view_mode(c->community->mode), cache, &c->view);
}

/* Empty tables in a file that was not there. */
static struct error *fill_view(struct conn *c)
{
	struct error *err;

	TRY(db_begin(c->view));
	err = view_make(c);
	if (!err)
		err = db_commit(c->view);
	if (err)
		db_rollback(c->view);
	TRY(err);
	memory_drop(c);
	return prepare(c);
}

static struct error *make_view(struct conn *c)
{
	TRY(remove_view(c));
	TRY(open_view(c, CACHE_WRITER));
	return fill_view(c);
}

/* --- opening --- */
/* Of sync/'s own tables; those of the features follow. */
static const struct {
	const char *name, *const *steps;
	const int *n;
} beneath[] = {
	{"peer", peer_migrations, &peer_migrations_n},
	{"ledger", ledger_migrations, &ledger_migrations_n},
	{"conduct", conduct_migrations, &conduct_migrations_n},
	{"address", address_migrations, &address_migrations_n},
	{"uplink", uplink_migrations, &uplink_migrations_n},
	{"known", known_migrations, &known_migrations_n},
	{"receipt", receipt_migrations, &receipt_migrations_n},
	{"invite", invite_migrations, &invite_migrations_n},
};

static struct error *migrate_local(struct conn *c)
{
	struct community *k = c->community;

	for (size_t i = 0; i < ARRAY_LEN(beneath); i++)
		TRY(db_migrate(c->local, beneath[i].name, beneath[i].steps, *beneath[i].n));
	for (size_t i = 0; i < k->features_n; i++)
		TRY(db_migrate(c->local, k->features[i]->name, k->features[i]->local_migrations,
			       k->features[i]->local_migrations_n));
	return NULL;
}

int64_t conn_format(void)
{
	int64_t sum = log_format();

	for (size_t i = 0; i < ARRAY_LEN(beneath); i++)
		sum += *beneath[i].n;
	for (size_t i = 0; features[i]; i++)
		sum += features[i]->local_migrations_n;
	return sum;
}

static struct error *catch_up_a_part(struct conn *c, bool *ret_more)
{
	struct error *err = conn_begin(c);

	if (!err)
		err = catch_up_at_start(c, ret_more);
	if (!err)
		err = conn_commit(c);
	if (err)
		conn_rollback(c);
	return err;
}

struct error *go_without_dropped(struct conn *c)
{
	struct error *err = conn_begin(c);

	if (!err)
		err = community_without_dropped(c);
	if (!err)
		err = conn_commit(c);
	if (err)
		conn_rollback(c);
	return err;
}

/* So much of what was put off is done before the box serves anybody (a second's work); the rest after it. */
enum { START_PIECES = 12, MANY_PARTS = 8 };

/* An empty view of a large log is made beside: a new file takes it in much faster, and with far fewer
 * writes, than one that is committed with every part. Where there is no room for both, in parts; also
 * where that was tried and cut: it would be cut again, by whoever waits no longer, and nothing of it
 * stays. */
static struct error *make_beside(struct conn *c)
{
	struct error *err;
	int64_t seen, last;

	TRY(meta_get(c, META_LAST, &seen));
	TRY(log_last_arrival(c->log, &last));
	if (seen || last < MANY_PARTS * CATCH_UP_PART)
		return NULL;
	err = community_rebuild(c);
	if (!error_is(err, ERR_FULL))
		return err;
	error_free(err);
	return NULL;
}

/* In parts: what was taken in before a cut is not taken in again. */
static struct error *catch_up_at_opening(struct conn *c, bool was_cut)
{
	bool more = true;

	if (!was_cut)
		TRY(make_beside(c));
	while (more)
		TRY(catch_up_a_part(c, &more));
	TRY(go_without_dropped(c));
	c->community->untidy = true; /* perhaps, and it is cheap to look */
	for (int i = 0; i < START_PIECES && conn_is_behind(c); i++)
		TRY(conn_follow(c));
	return NULL;
}

static struct error *open_as_writer(struct conn *c)
{
	struct error *err = migrate_local(c);
	bool was_cut = rebuild_was_cut(c);

	TRY(err);
	TRY(rebuild_clear(c));
	error_free(open_view(c, CACHE_WRITER));
	if (!c->view || !view_is_good(c))
		TRY(make_view(c));
	err = catch_up_at_opening(c, was_cut);
	/* A damaged view is no loss: it is made again, once. */
	if (error_is(err, ERR_CORRUPT) || error_is(err, ERR_DB)) {
		error_free(err);
		TRY(make_view(c));
		err = catch_up_at_opening(c, was_cut);
	}
	TRY(err);
	/* A box that was switched off between erasing and scrubbing has not done it. */
	c->community->scrub = true;
	return meta_get(c, META_GENERATION, (int64_t *)&c->community->generation);
}

static struct error *open_files(struct conn *c, const struct community_open *how)
{
	_cleanup_(freep) char *log = path_join(how->dir, "log.db");
	_cleanup_(freep) char *local = path_join(how->dir, "local.db");
	bool reads = how->mode == DB_READER;

	c->community->view_path = path_join(how->dir, "view.db");
	TRY(log_open(&(struct log_open){.path = log,
					.mode = how->mode,
					.env = how->env,
					.self = how->self,
					.whereabouts = how->whereabouts},
		     &c->log));
	TRY(db_open(local, how->mode, reads ? CACHE_READER / 2 : CACHE_READER, &c->local));
	if (!reads)
		return open_as_writer(c);
	TRY(open_view(c, CACHE_READER));
	return prepare(c);
}

static struct community *community_new(const struct community_open *how)
{
	struct community *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	k->self = how->self;
	k->appliance = how->appliance;
	k->mode = how->mode;
	k->at_once = FRESHEN_OPS;
	snprintf(k->name, sizeof(k->name), "%s", how->name ? how->name : "");
	k->features = how->features ? how->features : features;
	while (k->features[k->features_n])
		k->features_n++;
	assert(k->features_n <= FEATURES_MAX);
	k->table = op_table_new(k->features);
	k->view_stmts = calloc(k->features_n + 1, sizeof(*k->view_stmts));
	k->local_stmts = calloc(k->features_n + 1, sizeof(*k->local_stmts));
	if (!k->view_stmts || !k->local_stmts)
		abort();
	return k;
}

void conn_name(struct conn *c, const char *name)
{
	snprintf(c->community->name, sizeof(c->community->name), "%s", name);
}

/* Another view of the same log, at first empty, in a file beside c's. */
struct error *conn_beside(struct conn *c, struct conn **ret)
{
	const struct community *k = c->community;
	_cleanup_(conn_closep) struct conn *b = calloc(1, sizeof(*b));
	size_t n = strlen(k->view_path) + sizeof(VIEW_BESIDE);

	if (!b)
		abort();
	b->env = c->env;
	b->community = community_new(&(struct community_open){.self = k->self,
							      .appliance = k->appliance,
							      .mode = k->mode,
							      .name = k->name,
							      .features = k->features});
	b->community->origin = k->origin;
	b->community->beside = true;
	b->community->view_path = malloc(n);
	if (!b->community->view_path)
		abort();
	snprintf(b->community->view_path, n, "%s" VIEW_BESIDE, k->view_path);
	b->log = c->log;
	b->local = c->local;
	TRY(db_remove(b->community->view_path));
	TRY(db_open(b->community->view_path, DB_SCRATCH, CACHE_BESIDE, &b->view));
	TRY(fill_view(b));
	*ret = STEAL(b);
	return NULL;
}

static void read_origin(struct conn *c, const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, COMMUNITY_ORIGIN);
	_cleanup_(buf_release) struct buf text = {0};

	c->community->origin = c->community->self;
	error_free(file_read(path, BASE32_KEY_LEN, &text));
	id_parse(buf_str(&text), c->community->origin.b);
}

struct error *conn_open(const struct community_open *how, struct conn **ret)
{
	_cleanup_(conn_closep) struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->env = how->env;
	c->community = community_new(how);
	read_origin(c, how->dir);
	TRY(open_files(c, how));
	*ret = STEAL(c);
	return NULL;
}

void conn_close(struct conn *c)
{
	struct community *k;

	if (!c)
		return;
	k = c->community;
	memory_drop(c);
	if (k->next)
		error_free(rebuild_clear(c));
	db_close(c->view);
	if (!k->beside) {
		db_close(c->local);
		log_close(c->log);
	}
	op_table_free(k->table);
	free(k->view_stmts);
	free(k->local_stmts);
	free(k->view_path);
	free(k);
	free(c);
}

static size_t feature_at(const struct conn *c, const struct feature *f)
{
	size_t i = 0;

	while (c->community->features[i] != f)
		i++;
	return i;
}

struct db_stmts *conn_view(struct conn *c, const struct feature *f)
{
	return c->community->view_stmts[feature_at(c, f)];
}

struct db_stmts *conn_local(struct conn *c, const struct feature *f)
{
	return c->community->local_stmts[feature_at(c, f)];
}
