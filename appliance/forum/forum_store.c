/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The tables of forums in view.db, their statements, and writing them on the writer's thread.
 * Reading is in forum_read.c. */
#include "appliance/forum/forum_priv.h"
#include "appliance/community/rows.h"
#include "appliance/page/markdown.h"

/* `author` with `kind` and `by_name` is a struct author. post.num grows and is never used twice
 * (post_last has the last), so that the search index can go on where it stopped. What is found by
 * its id or author is found by the first bytes of it, in a small index; and rev is NULL as long as
 * it is the id. `rank` orders lists, `active` is the newest claim: forum_order.c. topic_saw is what
 * an op of a topic that was ever closed had seen of that. */
#define SUM_ADD                                                                                    \
	"INSERT INTO forum_sum(space, forum, topics, posts, hidden) VALUES(new.space, new.forum,"  \
	" NOT new.hidden, iif(new.hidden, 0, new.posts), new.hidden)"                              \
	" ON CONFLICT(space, forum) DO UPDATE SET topics = topics + excluded.topics,"              \
	" posts = posts + excluded.posts, hidden = hidden + excluded.hidden"
#define SUM_TAKE                                                                                   \
	"UPDATE forum_sum SET topics = topics - NOT old.hidden,"                                   \
	" posts = posts - iif(old.hidden, 0, old.posts), hidden = hidden - old.hidden"             \
	" WHERE space = old.space AND forum = old.forum"
static const char *const migrations[] = {
	"CREATE TABLE forum(id BLOB PRIMARY KEY, space BLOB NOT NULL, slug TEXT NOT NULL,"
	" title TEXT NOT NULL, about TEXT NOT NULL, closed INTEGER NOT NULL, time INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE INDEX forum_slug ON forum(space, slug, time, id);"
	"CREATE TABLE topic(num INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, space BLOB NOT NULL,"
	" forum BLOB NOT NULL, title TEXT NOT NULL, author BLOB NOT NULL, kind INTEGER NOT NULL,"
	" by_name TEXT NOT NULL, time INTEGER NOT NULL, closed INTEGER NOT NULL,"
	" pinned INTEGER NOT NULL, hidden INTEGER NOT NULL, posts INTEGER NOT NULL,"
	" active INTEGER NOT NULL, rank INTEGER NOT NULL, shuts INTEGER NOT NULL) STRICT;"
	"CREATE INDEX topic_list ON topic(forum, space, pinned, rank, active, id, hidden, posts);"
	"CREATE INDEX topic_rank ON topic(rank, active, id);"
	"CREATE INDEX topic_ahead ON topic(space, active);"
	/* How many there are of each forum, so that nobody counts them: kept by triggers. `posts`
	 * are those of the visible `topics`, the `hidden` ones come on top. */
	"CREATE TABLE forum_sum(space BLOB NOT NULL, forum BLOB NOT NULL, topics INTEGER NOT NULL,"
	" posts INTEGER NOT NULL, hidden INTEGER NOT NULL, PRIMARY KEY(space, forum))"
	" STRICT, WITHOUT ROWID;"
	"CREATE TRIGGER topic_added AFTER INSERT ON topic BEGIN " SUM_ADD "; END;"
	"CREATE TRIGGER topic_gone AFTER DELETE ON topic BEGIN " SUM_TAKE "; END;"
	"CREATE TRIGGER topic_moved AFTER UPDATE OF forum, hidden, posts ON topic WHEN"
	" old.posts <> new.posts OR old.hidden <> new.hidden OR old.forum <> new.forum"
	" BEGIN " SUM_TAKE "; " SUM_ADD "; END;"
	"CREATE TABLE post(num INTEGER PRIMARY KEY, id BLOB NOT NULL, rev BLOB, topic INTEGER NOT "
	"NULL, number INTEGER NOT NULL, log INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" author BLOB NOT NULL, kind INTEGER NOT NULL, by_name TEXT NOT NULL, time INTEGER NOT "
	"NULL,"
	" edited INTEGER NOT NULL, hidden INTEGER NOT NULL, erased INTEGER NOT NULL,"
	" reason TEXT NOT NULL, source TEXT, html TEXT, text TEXT NOT NULL) STRICT;"
	"CREATE INDEX post_log ON post(log, time, seq);"
	"CREATE INDEX post_time ON post(topic, time);"
	"CREATE TABLE forum_log(num INTEGER PRIMARY KEY, space BLOB NOT NULL, box BLOB NOT NULL,"
	" incarnation INTEGER NOT NULL, newest INTEGER, stale INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE(space, box, incarnation)) STRICT;"
	"CREATE TABLE forum_bound(space BLOB PRIMARY KEY, time INTEGER NOT NULL,"
	" put_off INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;"
	"CREATE TABLE post_last(one INTEGER PRIMARY KEY, num INTEGER NOT NULL) STRICT;"
	"CREATE INDEX post_by_id ON post(substr(id, 1, 8));"
	"CREATE UNIQUE INDEX post_place ON post(topic, number);"
	"CREATE INDEX post_author ON post(substr(author, 1, 8), topic) WHERE kind = 0;"
	"CREATE INDEX post_source ON post(source) WHERE source IS NOT NULL;"
	"CREATE TABLE topic_saw(op BLOB PRIMARY KEY, topic INTEGER NOT NULL, place INTEGER NOT "
	"NULL,"
	" shut INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX topic_saw_topic ON topic_saw(topic);"
	"CREATE TABLE post_edit(op BLOB PRIMARY KEY, topic INTEGER NOT NULL, post BLOB NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE INDEX post_edit_post ON post_edit(topic, post);",
};

#define FORUM_COLUMNS                                                                              \
	"f.id, f.space, f.slug, f.title, f.about, f.closed, NOT EXISTS(SELECT 1 FROM forum o "     \
	"WHERE"                                                                                    \
	" o.space = f.space AND o.slug = f.slug AND o.id < f.id)"
#define FORUM_SUM(what)                                                                            \
	", (SELECT u." what " FROM forum_sum u WHERE u.space = f.space AND u.forum = f.id)"
#define FORUM_TOP(pinned)                                                                          \
	"(SELECT t.rank FROM topic t WHERE t.forum = f.id AND t.space = f.space AND t.pinned "     \
	"= " pinned " AND NOT t.hidden ORDER BY t.rank DESC LIMIT 1)"
#define FORUM_COUNTS                                                                               \
	FORUM_SUM("topics")                                                                        \
	FORUM_SUM("posts")                                                                         \
	", max(ifnull(" FORUM_TOP("0") ", " FORUM_TOP("1") "), ifnull(" FORUM_TOP(                 \
		"1") ", " FORUM_TOP("0") "))"
#define TOPIC_COLUMNS                                                                              \
	"t.num, t.id, t.space, t.forum, t.title, t.author, t.kind, t.by_name, t.time, t.closed,"   \
	" t.pinned, t.hidden, t.posts, l.author, l.kind, l.by_name, l.time"
#define LAST_POST " LEFT JOIN post l ON l.topic = t.num AND l.number = t.posts"
#define POST_COLUMNS                                                                               \
	"p.num, p.id, ifnull(p.rev, p.id), p.topic, p.number, p.author, p.kind, p.by_name, "       \
	"p.time, p.edited,"                                                                        \
	" p.hidden, p.erased, p.reason, p.source, p.html, p.text, t.id, t.space"
#define THIS_POST   "substr(id, 1, 8) = substr(?1, 1, 8) AND id = ?1"
#define THIS_POST_P "substr(p.id, 1, 8) = substr(?1, 1, 8) AND p.id = ?1"

static const char *const sql[FORUM_STMTS] = {
	[FORUM_ADD] = "INSERT INTO forum(id, space, slug, title, about, closed, time)"
		      " VALUES(?1, ?2, ?3, ?4, ?5, 0, ?6)",
	[FORUM_CHANGE] = "UPDATE forum SET title = ?2, about = ?3, closed = ?4 WHERE id = ?1",
	[FORUM_GET] = "SELECT " FORUM_COLUMNS ", 0, 0, 0 FROM forum f WHERE f.id = ?1",
	[FORUM_EACH] = "SELECT " FORUM_COLUMNS FORUM_COUNTS
		       " FROM forum f WHERE f.space = ?1 ORDER BY f.title, f.id",
	[FORUM_BY_SLUG] = "SELECT " FORUM_COLUMNS FORUM_COUNTS
			  " FROM forum f WHERE f.space = ?1 AND f.slug = ?2 ORDER BY f.id",
	[TOPIC_ADD] =
		"INSERT INTO topic(id, space, forum, title, author, kind, by_name, time, closed,"
		" pinned, hidden, posts, active, rank, shuts)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, 0, 0, 0, 0)",
	[TOPIC_CHANGE] =
		"UPDATE topic SET title = ?2, forum = ?3, closed = ?4, pinned = ?5 WHERE num = ?1",
	/* Settling puts right the rank of those that claim too much. */
	[TOPIC_GREW] = "UPDATE topic SET posts = ?2, active = max(active, ?3),"
		       " rank = max(active, ?3) WHERE num = ?1",
	[TOPIC_SHUTS] = "UPDATE topic SET shuts = shuts + 1 WHERE num = ?1 RETURNING shuts",
	[TOPIC_HIDE] = "UPDATE topic SET hidden = ?2 WHERE id = ?1",
	[TOPIC_GET] =
		"SELECT " TOPIC_COLUMNS ", '', t.shuts FROM topic t" LAST_POST " WHERE t.id = ?1",
	[TOPIC_FOLDED] = "SELECT t.num, t.id, t.space, t.forum, t.title, t.author, t.kind, "
			 "t.by_name, t.time,"
			 " t.closed, t.pinned, t.hidden, t.posts, NULL, 0, '', 0, '', t.shuts"
			 " FROM topic t WHERE t.id = ?1",
	/* The index alone finds the page's topics; only those are then read. */
	[TOPIC_PAGE] = "SELECT " TOPIC_COLUMNS ", '' FROM (SELECT num FROM topic"
		       "  WHERE forum = ?1 AND space = ?2 AND (?3 OR NOT hidden)"
		       "  ORDER BY pinned DESC, rank DESC, active DESC, id DESC LIMIT ?5 OFFSET ?4)"
		       " w"
		       " JOIN topic t ON t.num = w.num" LAST_POST
		       " ORDER BY t.pinned DESC, t.rank DESC, t.active DESC, t.id DESC",
	[TOPIC_COUNT] = "SELECT topics + iif(?3, hidden, 0) FROM forum_sum"
			" WHERE forum = ?1 AND space = ?2",
	[TOPIC_RECENT] = "SELECT " TOPIC_COLUMNS ", f.title FROM topic t"
			 " LEFT JOIN forum f ON f.id = t.forum AND f.space = t.space" LAST_POST
			 " WHERE NOT t.hidden ORDER BY t.rank DESC, t.active DESC, t.id DESC",
	/* By the topics' own order: what the person's box claims about its posts moves nothing. */
	[TOPIC_BY_AUTHOR] = "SELECT " TOPIC_COLUMNS ", f.title FROM topic t"
			    " JOIN forum f ON f.id = t.forum AND f.space = t.space" LAST_POST
			    " WHERE t.space = ?2 AND NOT t.hidden AND EXISTS(SELECT 1 FROM post p"
			    "  WHERE p.kind = 0 AND substr(p.author, 1, 8) = substr(?1, 1, 8)"
			    "  AND p.topic = t.num AND p.author = ?1 AND NOT p.hidden)"
			    " ORDER BY t.rank DESC, t.active DESC, t.id DESC LIMIT ?3",
	[POST_ADD] =
		"INSERT INTO post(num, id, topic, number, author, kind, by_name, time, edited,"
		" hidden, erased, reason, source, html, text, log, seq)"
		" VALUES(?12, ?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?11, '', ?8, ?9, ?10, ?13, ?14)",
	[POST_CHANGE] = "UPDATE post SET rev = ?2, edited = ?3, html = ?4, text = ?5, erased = ?6"
			" WHERE " THIS_POST " AND erased <> 1",
	[EDIT_ADD] = "INSERT INTO post_edit(op, topic, post) SELECT ?1, topic, id FROM post"
		     " WHERE substr(id, 1, 8) = substr(?2, 1, 8) AND id = ?2",
	[EDITS] = "SELECT e.op FROM post p JOIN post_edit e ON e.topic = p.topic AND e.post = p.id"
		  " WHERE " THIS_POST_P " ORDER BY e.op",
	[POST_HIDE] = "UPDATE post SET hidden = ?2, reason = ?3 WHERE " THIS_POST,
	[POST_AUTHOR] = "SELECT author, kind, by_name FROM post WHERE " THIS_POST " AND topic = ?2",
	[POST_PAGE] = "SELECT " POST_COLUMNS " FROM post p JOIN topic t ON t.num = p.topic"
		      " WHERE p.topic = ?1 AND p.number >= ?2 ORDER BY p.number LIMIT ?3",
	[POST_GET] = "SELECT " POST_COLUMNS
		     " FROM post p JOIN topic t ON t.num = p.topic WHERE " THIS_POST_P,
	[POST_SINCE] = "SELECT " POST_COLUMNS " FROM post p JOIN topic t ON t.num = p.topic"
		       " WHERE p.num > ?1 ORDER BY p.num LIMIT ?2",
	[POST_NEWEST] = "SELECT max(num) FROM post",
	[POST_LAST_NUM] = "SELECT num FROM post_last",
	[POST_SET_LAST_NUM] = "INSERT OR REPLACE INTO post_last(one, num) VALUES(1, ?1)",
	[POST_BY_SOURCE] = "SELECT 1 FROM post p JOIN topic t ON t.num = p.topic"
			   " WHERE p.source = ?1 AND t.space = ?2",
	[POST_BY_GUEST] = "SELECT p.id FROM topic t JOIN post p ON p.topic = t.num WHERE t.id = ?1"
			  " AND p.time = ?2 AND p.kind = 1 AND p.by_name = ?3 AND p.text = ?4",
	[TOPIC_BY_GUEST] =
		"SELECT p.id FROM topic t JOIN post p ON p.topic = t.num AND p.number = 1"
		" WHERE t.forum = ?1 AND t.time = ?2 AND t.kind = 1 AND p.by_name = ?3"
		" AND p.text = ?4",
	[LOG_NUM] = "SELECT num FROM forum_log WHERE space = ?1 AND box = ?2 AND incarnation = ?3",
	[LOG_NOTE] = "INSERT INTO forum_log(space, box, incarnation) VALUES(?1, ?2, ?3)"
		     " RETURNING num",
	[LOG_NEWEST] = "UPDATE forum_log SET newest = (SELECT max(time) FROM post"
		       " WHERE log = forum_log.num) WHERE num = ?1 RETURNING newest",
	[LOG_STALE] = "UPDATE forum_log SET stale = 1 WHERE num IN (SELECT log FROM post"
		      " WHERE topic = (SELECT num FROM topic WHERE id = ?1))",
	[LOG_FRESH] = "UPDATE forum_log SET stale = 0, newest = (SELECT max(time) FROM post"
		      " WHERE log = forum_log.num) WHERE space = ?1 AND stale",
	[BOUND_FIND] = "WITH word AS MATERIALIZED (SELECT max(newest) AS newest FROM forum_log"
		       "  WHERE space = ?1 AND newest IS NOT NULL GROUP BY box)"
		       " SELECT newest FROM word ORDER BY newest DESC"
		       " LIMIT 1 OFFSET (SELECT max(1, count(*) / 4) FROM word)",
	[BOUND_GET] = "SELECT time FROM forum_bound WHERE space = ?1",
	[BOUND_SET] = "INSERT OR REPLACE INTO forum_bound(space, time) VALUES(?1, ?2)",
	[BOUND_OFF] = "INSERT INTO forum_bound(space, time, put_off) VALUES(?1, ?2, 1)"
		      " ON CONFLICT(space) DO UPDATE SET put_off = 1",
	[BOUND_IS_OFF] = "SELECT put_off FROM forum_bound WHERE space = ?1",
	[BOUND_NEXT_OFF] = "SELECT space FROM forum_bound WHERE put_off LIMIT 1",
	/* A post that claims more than the bound ?2 counts as old as what came before it in its
	 * log. Only so many of those are looked through that nobody can make it long. */
	[TOPIC_RANK] = "UPDATE topic SET rank = max("
		       " ifnull((SELECT max(p.time) FROM post p WHERE p.topic = topic.num AND "
		       "p.time <= ?2),"
		       "  0),"
		       " ifnull((SELECT max((SELECT q.time FROM (SELECT time, seq FROM post WHERE "
		       "log = p.log"
		       "    AND time <= ?2 ORDER BY time DESC LIMIT 256) q"
		       "   WHERE q.seq < p.seq ORDER BY q.time DESC LIMIT 1))"
		       "  FROM post p WHERE p.topic = topic.num AND p.time > ?2), 0))"
		       " WHERE space = ?1 AND active > ?3 AND (?4 IS NULL OR num = ?4)",
	[POST_AFTER] = "SELECT q.time FROM post p JOIN (SELECT log, time, seq FROM post WHERE log ="
		       "  (SELECT log FROM post WHERE num = ?1) AND time <= ?2"
		       "  ORDER BY time DESC LIMIT 256) q ON q.log = p.log AND q.seq < p.seq"
		       " WHERE p.num = ?1 ORDER BY q.time DESC LIMIT 1",
	[SAW_ADD] =
		"INSERT OR REPLACE INTO topic_saw(op, topic, place, shut) VALUES(?1, ?2, ?3, ?4)",
	[SAW_GET] = "SELECT place, shut FROM topic_saw WHERE op = ?1 AND topic = ?2",
	[RESET_FORUM] = "DELETE FROM forum WHERE id = ?1",
	[RESET_SAW] = "DELETE FROM topic_saw WHERE topic = (SELECT num FROM topic WHERE id = ?1)",
	[RESET_EDITS] = "DELETE FROM post_edit WHERE topic = (SELECT num FROM topic WHERE id = ?1)",
	[RESET_POSTS] = "DELETE FROM post WHERE topic = (SELECT num FROM topic WHERE id = ?1)",
	[RESET_TOPIC] = "DELETE FROM topic WHERE id = ?1",
	[DIGEST_FORUMS] = "SELECT id, slug, title, about, closed, time FROM forum WHERE space = ?1 "
			  "ORDER BY id",
	[DIGEST_POSTS] =
		"SELECT t.id, t.forum, t.title, t.closed, t.pinned, p.id, ifnull(p.rev, p.id), "
		"p.author, p.kind,"
		" p.by_name, p.time, p.edited, p.hidden, p.erased, p.reason, p.source, p.text"
		/* The + keeps SQLite from finding the topics by their space: then it would sort all posts,
		 * with their texts, in memory. */
		" FROM topic t CROSS JOIN post p ON p.topic = t.num WHERE +t.space = ?1"
		" ORDER BY t.id, p.number",
};

static struct db_stmts *stmts(struct fold *f)
{
	return conn_view(f->conn, &forum_feature);
}

/* --- forums ----------------------------------------------------------------------------------- */

struct error *forum_add(struct fold *f, const struct op *op)
{
	const char *about = op_str(op, "about");

	return db_do(f->conn->view, stmts(f), FORUM_ADD, "kksssi", &op->id, &f->space,
		     op_str(op, "slug"), op_str(op, "title"), about ? about : "", op->time);
}

struct error *forum_change(struct fold *f, const struct forum *now)
{
	return db_do(f->conn->view, stmts(f), FORUM_CHANGE, "kssi", &now->id, now->title,
		     now->about, (int64_t)now->closed);
}

/* --- topics ----------------------------------------------------------------------------------- */

struct error *topic_add(struct fold *f, const struct op *op, const struct author *by,
			const struct hash *forum, const char *title)
{
	return db_do(f->conn->view, stmts(f), TOPIC_ADD, "kkkskisi", &op->id, &f->space, forum,
		     title, &by->key, (int64_t)by->kind, by->name, op->time);
}

struct error *topic_change(struct fold *f, const struct topic *now)
{
	struct memo_topic *k = memo_topic(f);

	if (k)
		k->t = *now;
	return db_do(f->conn->view, stmts(f), TOPIC_CHANGE, "iskii", now->num, now->title,
		     &now->forum, (int64_t)now->closed, (int64_t)now->pinned);
}

/* The newest closing or opening that one of the ops in `seen` had seen: its place and what it did.
 */
static struct error *saw(struct fold *f, const struct topic *t, const struct op *op,
			 int64_t *ret_place, bool *ret_shut)
{
	struct db_stmts *s = stmts(f);
	int64_t place = 0;
	bool shut = false, row;

	for (size_t i = 0; i < op->nseen && t->shuts; i++) {
		sqlite3_stmt *st = db_stmt(s, SAW_GET);

		db_bind(st, "ki", &op->seen[i], t->num);
		TRY(db_step(f->conn->view, st, &row));
		if (row && db_int(st, 0) > place) {
			place = db_int(st, 0);
			shut = db_int(st, 1);
		}
		sqlite3_reset(st);
	}
	*ret_place = place;
	*ret_shut = shut;
	return NULL;
}

struct error *topic_shut_for(struct fold *f, const struct topic *t, const struct op *op, bool *ret)
{
	int64_t place;

	return saw(f, t, op, &place, ret);
}

struct error *topic_note(struct fold *f, const struct topic *t, const struct op *op)
{
	const json_t *closed = json_object_get(op->body, "closed");
	bool closes = closed && !strcmp(op->type->name, "topic.set");
	struct memo_topic *k = memo_topic(f);
	int64_t place;
	bool shut;

	if (closes) {
		shut = json_is_true(closed);
		TRY(db_number(f->conn->view, stmts(f), TOPIC_SHUTS, 0, &place, "i", t->num));
		if (k)
			k->t.shuts = place;
	} else {
		TRY(saw(f, t, op, &place, &shut));
	}
	if (!place)
		return NULL;
	return db_do(f->conn->view, stmts(f), SAW_ADD, "kiii", &op->id, t->num, place,
		     (int64_t)shut);
}

/* --- posts ------------------------------------------------------------------------------------ */

/* Of a text that is not short; a short one's is made when it is read. */
static const char *html_of(struct fold *f, const char *text)
{
	_cleanup_(buf_release) struct buf html = {0};

	if (!text || strlen(text) <= POST_SHORT)
		return NULL;
	markdown_html(span_str(text), MARKDOWN_POST, &html);
	return arena_strn(f->arena, buf_str(&html), html.n);
}

struct error *post_add(struct fold *f, const struct topic *t, const struct op *op,
		       const struct author *by, const char *text)
{
	int64_t number = t->posts + 1, erased = text ? POST_HELD : POST_ERASED;
	const char *source = text ? op_str(op, "source") : NULL;
	struct memo_topic *k = memo_topic(f);
	int64_t num, log, time = op->time;

	TRY(memo_post_num(f, &num));
	TRY(memo_log(f, op, &log));
	TRY(db_do(f->conn->view, stmts(f), POST_ADD, "kiikisisssiiii", &op->id, t->num, number,
		  &by->key, (int64_t)by->kind, by->name, op->time, source, html_of(f, text),
		  text ? text : "", erased, num, log, (int64_t)op->seq));
	if (!k)
		return db_do(f->conn->view, stmts(f), TOPIC_GREW, "iii", t->num, number, time);
	k->active = k->grew && k->active > time ? k->active : time;
	k->t.posts = number;
	k->grew = true;
	return NULL;
}

struct error *post_change(struct fold *f, const struct hash *post, const struct op *op,
			  const char *text)
{
	int64_t erased = text ? POST_HELD : POST_EDIT_ERASED;

	TRY(db_do(f->conn->view, stmts(f), EDIT_ADD, "kk", &op->id, post));
	return db_do(f->conn->view, stmts(f), POST_CHANGE, "kkissi", post, &op->id, op->time,
		     html_of(f, text), text ? text : "", erased);
}

struct error *post_set_hidden(struct fold *f, const struct hash *post, bool hidden,
			      const char *reason)
{
	struct memo_topic *k = memo_topic(f);

	if (hash_eq(post, &f->object) && k)
		k->t.hidden = hidden;
	if (hash_eq(post, &f->object))
		TRY(db_do(f->conn->view, stmts(f), TOPIC_HIDE, "ki", post, (int64_t)hidden));
	return db_do(f->conn->view, stmts(f), POST_HIDE, "kis", post, (int64_t)hidden,
		     hidden ? reason : "");
}

struct error *post_author(struct fold *f, const struct topic *t, const struct hash *post,
			  struct author *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(f), POST_AUTHOR);
	bool row;

	db_bind(st, "ki", post, t->num);
	TRY(db_step(f->conn->view, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("There is no message %s here."), ID_SHORT(post)));
	author_read(st, 0, ret);
	sqlite3_reset(st);
	return NULL;
}

/* --- the feature ------------------------------------------------------------------------------ */

static struct error *reset(struct fold *f)
{
	static const enum forum_stmt all[] = {RESET_FORUM, RESET_SAW, RESET_EDITS, RESET_POSTS,
					      RESET_TOPIC};
	struct memo_topic *k = memo_topic(f);

	TRY(db_do(f->conn->view, stmts(f), LOG_STALE, "k", &f->object));
	if (db_changes(f->conn->view))
		memo_stale(f);
	if (k)
		k->gone = true;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		TRY(db_do(f->conn->view, stmts(f), all[i], "k", &f->object));
	return NULL;
}

static struct error *digest(struct conn *c, const struct hash *space, struct hash_state *h)
{
	static const enum forum_stmt all[] = {DIGEST_FORUMS, DIGEST_POSTS};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		sqlite3_stmt *st = db_stmt(conn_view(c, &forum_feature), all[i]);

		db_bind(st, "k", space);
		TRY(digest_rows(c->view, st, h));
	}
	return NULL;
}

const struct feature forum_feature = {
	.name = "forum",
	.types = forum_types,
	.view_migrations = migrations,
	.view_migrations_n = ARRAY_LEN(migrations),
	.view_sql = sql,
	.view_sql_n = FORUM_STMTS,
	.reset = reset,
	.erased = forum_erased,
	.digest = digest,
	.settle = memo_settle,
	.tidy = order_tidy,
	.forget = memo_forget,
};
