/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading the tables of forums: any thread's own conn. The statements are in forum_store.c. */
#include "appliance/forum/forum_priv.h"
#include "appliance/page/markdown.h"

static struct db_stmts *stmts(struct conn *c)
{
	return conn_view(c, &forum_feature);
}

/* A statement that stays in the middle of its rows would hold its snapshot of the file. */
static struct error *end(sqlite3_stmt *st, struct error *e)
{
	sqlite3_reset(st);
	return e;
}

static void copy_text(char *out, size_t n, const char *text)
{
	snprintf(out, n, "%s", text);
}

void author_read(sqlite3_stmt *st, int col, struct author *ret)
{
	*ret = (struct author){.kind = (enum author_kind)db_int(st, col + 1)};
	db_id(st, col, ret->key.b);
	copy_text(ret->name, sizeof(ret->name), db_text(st, col + 2));
}

/* --- forums ----------------------------------------------------------------------------------- */

static void read_forum(sqlite3_stmt *st, struct forum *f)
{
	*f = (struct forum){.closed = db_int(st, 5),
			    .plain = db_int(st, 6),
			    .topics = db_int(st, 7),
			    .posts = db_int(st, 8),
			    .last_ms = db_int(st, 9)};
	db_id(st, 0, f->id.b);
	db_id(st, 1, f->space.b);
	copy_text(f->slug, sizeof(f->slug), db_text(st, 2));
	copy_text(f->title, sizeof(f->title), db_text(st, 3));
	copy_text(f->about, sizeof(f->about), db_text(st, 4));
}

static struct error *no_forum(const char *name)
{
	return error_new(ERR_NOT_FOUND,
			 N_("There is no forum “%s” here. It may have another address, or"
			    " not have arrived on this box yet."),
			 name);
}

struct error *forum_each(struct conn *c, const struct hash *space, forum_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FORUM_EACH);
	struct forum f;
	struct error *e = NULL;

	db_bind(st, "k", space);
	while (db_next(c->view, st, &e)) {
		read_forum(st, &f);
		e = fn(ctx, &f);
	}
	return e;
}

struct error *forum_get(struct conn *c, const struct hash *id, struct forum *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FORUM_GET);
	bool row;

	db_bind(st, "k", id);
	TRY(db_step(c->view, st, &row));
	ENSURE(row, no_forum(ID_SHORT(id)));
	read_forum(st, ret);
	TRY(end(st, NULL));
	ENSURE(conn_sees(c, &ret->space), no_forum(ID_SHORT(id)));
	return NULL;
}

struct forum_op_walk {
	struct conn *c;
	op_id_fn *fn;
	void *ctx;
	size_t left;
};

static void count_op(void *ctx, const struct hash *op)
{
	struct forum_op_walk *w = ctx;

	w->left--;
	w->fn(w->ctx, op);
}

static struct error *ops_of_forum(void *ctx, const struct forum *f)
{
	struct forum_op_walk *w = ctx;

	return w->left ? object_ops(w->c, &f->id, w->left, count_op, w) : NULL;
}

struct error *forum_ops(struct conn *c, const struct hash *space, op_id_fn *fn, void *ctx)
{
	struct forum_op_walk w = {c, fn, ctx, FORUM_OPS};

	return forum_each(c, space, ops_of_forum, &w);
}

/* "SLUG" is the forum with the first id of those that claim it (a date is only claimed, and whoever looks
 * before opening one finds it taken), "SLUG~ID8" any. */
struct error *forum_by_name(struct conn *c, const struct hash *space, const char *name,
			    struct forum *ret)
{
	const char *tilde = strchr(name, '~');
	size_t n = tilde ? (size_t)(tilde - name) : strlen(name);
	sqlite3_stmt *st = db_stmt(stmts(c), FORUM_BY_SLUG);
	char slug[LIMIT_SLUG + 1];
	bool row;

	ENSURE(n > 0 && n <= LIMIT_SLUG, no_forum(name));
	snprintf(slug, sizeof(slug), "%.*s", (int)n, name);
	db_bind(st, "ks", space, slug);
	for (;;) {
		TRY(db_step(c->view, st, &row));
		ENSURE(row, no_forum(name));
		read_forum(st, ret);
		if (tilde ? !strcmp(tilde + 1, ID_SHORT(&ret->id)) : ret->plain)
			return end(st, NULL);
	}
}

const char *forum_path(struct arena *a, const struct forum *f, const struct hash *home)
{
	const char *which = f->plain ? "" : arena_printf(a, "~%s", ID_SHORT(&f->id));

	if (home && hash_eq(&f->space, home))
		return arena_printf(a, "/forum/%s%s", f->slug, which);
	return arena_printf(a, "/forum/%s%s@%s", f->slug, which, ID_SHORT(&f->space));
}

/* --- topics ----------------------------------------------------------------------------------- */

static void read_topic(sqlite3_stmt *st, struct topic *t)
{
	*t = (struct topic){.num = db_int(st, 0),
			    .time = db_int(st, 8),
			    .closed = db_int(st, 9),
			    .pinned = db_int(st, 10),
			    .hidden = db_int(st, 11),
			    .posts = db_int(st, 12),
			    .last_time = db_int(st, 16)};
	db_id(st, 1, t->id.b);
	db_id(st, 2, t->space.b);
	db_id(st, 3, t->forum.b);
	copy_text(t->title, sizeof(t->title), db_text(st, 4));
	author_read(st, 5, &t->author);
	author_read(st, 13, &t->last);
	copy_text(t->forum_title, sizeof(t->forum_title), db_text(st, 17));
}

static struct error *each_topic(struct conn *c, sqlite3_stmt *st, topic_fn *fn, void *ctx)
{
	struct topic t;
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		read_topic(st, &t);
		e = fn(ctx, &t);
	}
	return e;
}

struct error *topic_page(struct conn *c, const struct forum *f, bool hidden, int64_t skip,
			 int64_t n, topic_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), TOPIC_PAGE);

	db_bind(st, "kkiii", &f->id, &f->space, (int64_t)hidden, skip, n);
	return each_topic(c, st, fn, ctx);
}

struct error *topic_count(struct conn *c, const struct forum *f, bool hidden, int64_t *ret)
{
	return db_number(c->view, stmts(c), TOPIC_COUNT, 0, ret, "kki", &f->id, &f->space,
			 (int64_t)hidden);
}

/* A conversation whose forum is here as a header only: in a large first sync the newest come first, and the
 * forums, which are old, last. One whose forum nobody has heard of belongs nowhere. */
static bool forum_is_coming(struct conn *c, const struct topic *t, int *io_looks)
{
	struct absent_op forum;
	struct error *e;
	bool coming;

	if (!*io_looks)
		return false;
	--*io_looks;
	e = absent_get(c, &t->forum, &forum);
	coming = !e && !forum.erased && hash_eq(&forum.space, &t->space);
	error_free(e);
	return coming;
}

struct error *topic_recent(struct conn *c, int64_t n, topic_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), TOPIC_RECENT);
	int looks = 100; /* so many strange ones may stand on top */
	struct error *e = NULL;
	struct topic t;
	bool row;

	while (n > 0 && !e) {
		TRY(db_step(c->view, st, &row));
		if (!row)
			return NULL;
		read_topic(st, &t);
		if (!conn_sees(c, &t.space) ||
		    (db_is_null(st, 17) && !forum_is_coming(c, &t, &looks)))
			continue;
		e = fn(ctx, &t);
		n--;
	}
	return end(st, e);
}

struct error *topic_by_author(struct conn *c, const struct hash *space, const struct pubkey *key,
			      int64_t n, topic_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), TOPIC_BY_AUTHOR);

	db_bind(st, "kki", key, space, n);
	return each_topic(c, st, fn, ctx);
}

static struct error *no_topic(const struct hash *id)
{
	return error_new(ERR_NOT_FOUND,
			 N_("There is no conversation %s on this box. It may not have"
			    " arrived yet."),
			 ID_SHORT(id));
}

static struct error *get_topic(struct conn *c, enum forum_stmt which, const struct hash *id,
			       struct topic *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), which);
	bool row;

	db_bind(st, "k", id);
	TRY(db_step(c->view, st, &row));
	ENSURE(row, no_topic(id));
	read_topic(st, ret);
	ret->shuts = db_int(st, 18);
	return end(st, NULL);
}

struct error *topic_get(struct conn *c, const struct hash *id, struct topic *ret)
{
	struct topic t;

	TRY(get_topic(c, TOPIC_GET, id, &t));
	ENSURE(conn_sees(c, &t.space), no_topic(id));
	*ret = t;
	return NULL;
}

struct error *topic_folded(struct fold *f, struct topic *ret)
{
	const struct memo_topic *k = memo_topic(f);

	if (k) {
		*ret = k->t;
		return NULL;
	}
	TRY(get_topic(f->conn, TOPIC_FOLDED, &f->object, ret));
	memo_keep(f, ret);
	return NULL;
}

/* --- posts ------------------------------------------------------------------------------------ */

/* html NULL: nobody asks for it. */
static void read_post(sqlite3_stmt *st, struct post *p, struct buf *html)
{
	*p = (struct post){.num = db_int(st, 0),
			   .topic_num = db_int(st, 3),
			   .number = db_int(st, 4),
			   .time = db_int(st, 8),
			   .edited = db_int(st, 9),
			   .hidden = db_int(st, 10),
			   .erased = db_int(st, 11),
			   .reason = db_text(st, 12),
			   .source = db_text(st, 13),
			   .text = db_text(st, 15)};
	db_id(st, 1, p->id.b);
	db_id(st, 2, p->rev.b);
	author_read(st, 5, &p->author);
	db_id(st, 16, p->topic.b);
	db_id(st, 17, p->space.b);
	p->html = "";
	if (!html)
		return;
	if (!db_is_null(st, 14)) {
		p->html = db_text(st, 14);
		return;
	}
	buf_clear(html);
	markdown_html(span_str(p->text), MARKDOWN_POST, html);
	p->html = buf_str(html);
}

static struct error *each_post(struct conn *c, sqlite3_stmt *st, bool shown, post_fn *fn, void *ctx)
{
	_cleanup_(buf_release) struct buf html = {0};
	struct post p;
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		read_post(st, &p, shown ? &html : NULL);
		e = fn(ctx, &p);
	}
	return e;
}

struct error *post_page(struct conn *c, int64_t topic_num, int64_t first, int64_t n, post_fn *fn,
			void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), POST_PAGE);

	db_bind(st, "iii", topic_num, first, n);
	return each_post(c, st, true, fn, ctx);
}

static struct error *no_post(const struct hash *id)
{
	return error_new(ERR_NOT_FOUND,
			 N_("There is no message %s on this box. It may not have"
			    " arrived yet."),
			 ID_SHORT(id));
}

struct error *post_get(struct conn *c, const struct hash *id, post_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), POST_GET);
	_cleanup_(buf_release) struct buf html = {0};
	struct post p;
	bool row;

	db_bind(st, "k", id);
	TRY(db_step(c->view, st, &row));
	ENSURE(row, no_post(id));
	read_post(st, &p, &html);
	return end(st, conn_sees(c, &p.space) ? fn(ctx, &p) : no_post(id));
}

struct error *post_edits(struct conn *c, const struct hash *id, struct hash *out, size_t n,
			 size_t *ret_n)
{
	sqlite3_stmt *st = db_stmt(stmts(c), EDITS);
	size_t found = 0;
	bool row;

	db_bind(st, "k", id);
	for (; found < n; found++) {
		TRY(db_step(c->view, st, &row));
		if (!row)
			break;
		db_id(st, 0, out[found].b);
	}
	*ret_n = found;
	return end(st, NULL);
}

struct error *post_since(struct conn *c, int64_t after, int64_t n, post_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), POST_SINCE);

	db_bind(st, "ii", after, n);
	return each_post(c, st, false, fn, ctx);
}

struct error *post_newest(struct conn *c, int64_t *ret)
{
	return db_number(c->view, stmts(c), POST_NEWEST, 0, ret, "");
}

struct error *forum_has_source(struct conn *c, const struct hash *space, const char *source,
			       bool *ret)
{
	int64_t found;

	TRY(db_number(c->view, stmts(c), POST_BY_SOURCE, 0, &found, "sk", source, space));
	*ret = found;
	return NULL;
}

struct error *post_by_guest(struct conn *c, const struct hash *topic, const struct hash *forum,
			    int64_t time, const char *name, const char *text, struct hash *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), topic ? POST_BY_GUEST : TOPIC_BY_GUEST);
	bool row;

	db_bind(st, "kiss", topic ? topic : forum, time, name, text);
	TRY(db_step(c->view, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("The guest's message is not published.")));
	db_id(st, 0, ret->b);
	return end(st, NULL);
}

/* --- what can be believed of a date ----------------------------------------------------------- */

struct error *forum_bound(struct conn *c, const struct hash *space, int64_t *ret)
{
	return db_number(c->view, stmts(c), BOUND_GET, INT64_MAX, ret, "k", space);
}

struct error *post_written_after(struct conn *c, int64_t post_num, int64_t until, int64_t *ret)
{
	return db_number(c->view, stmts(c), POST_AFTER, 0, ret, "ii", post_num, until);
}

bool date_doubted(const struct dates *d, int64_t ms, enum author_kind by)
{
	/* What was brought from elsewhere may be older than the space. */
	return ms > d->until || (ms < d->from && by != AUTHOR_DISCOURSE);
}
