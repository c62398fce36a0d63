/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/config/config.h"
#include "appliance/recovery/recovery.h"
#include "appliance/update/offer.h"

enum { KEPT_WORDS = 24, HEARD_AGAIN_MS = 10 * 60 * 1000 };

static const char *const migrations[] = {
	"CREATE TABLE update_heard(peer BLOB PRIMARY KEY, said BLOB NOT NULL,"
	" first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE update_file(blob BLOB PRIMARY KEY, size INTEGER NOT NULL,"
	" version TEXT NOT NULL, state INTEGER NOT NULL, peer BLOB, why INTEGER NOT NULL,"
	" name TEXT NOT NULL, time INTEGER NOT NULL, before INTEGER NOT NULL,"
	" by_hand INTEGER NOT NULL) STRICT,"
	" WITHOUT ROWID",
};

enum {
	HEARD_EACH,
	HEARD_GET,
	HEARD_PUT,
	HEARD_FORGET,
	FILE_EACH,
	FILE_GET,
	FILE_PUT,
	FILE_FORGET,
	FILE_OLD,
	STMTS
};
#define FILE_COLUMNS "blob, size, version, state, peer, why, name, time, before, by_hand"
static const char *const sql[STMTS] = {
	[HEARD_EACH] = "SELECT said, first, last FROM update_heard ORDER BY peer",
	[HEARD_GET] = "SELECT said, first, last FROM update_heard WHERE peer = ?1",
	[HEARD_PUT] = "INSERT OR REPLACE INTO update_heard VALUES (?1, ?2, ?3, ?4)",
	[HEARD_FORGET] = "DELETE FROM update_heard WHERE peer = ?1",
	[FILE_EACH] = "SELECT " FILE_COLUMNS " FROM update_file ORDER BY time DESC, blob",
	[FILE_GET] = "SELECT " FILE_COLUMNS " FROM update_file WHERE blob = ?1",
	[FILE_PUT] =
		"INSERT OR REPLACE INTO update_file VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
		" ?10)",
	[FILE_FORGET] = "DELETE FROM update_file WHERE blob = ?1",
	/* Of what is only remembered the newest stay. */
	[FILE_OLD] = "DELETE FROM update_file WHERE state IN (?1, ?2) AND blob NOT IN (SELECT blob"
		     " FROM update_file WHERE state IN (?1, ?2) ORDER BY time DESC, blob LIMIT ?3)",
};

static const struct op_type no_ops[] = {{0}};

const struct feature update_feature = {
	.name = "update",
	.types = no_ops,
	.local_migrations = migrations,
	.local_migrations_n = ARRAY_LEN(migrations),
	.local_sql = sql,
	.local_sql_n = STMTS,
};

static struct db_stmts *stmts(struct conn *c)
{
	return conn_local(c, &update_feature);
}

#define STATE_ROW(id, name) name,
static const char *const states[] = {OFFER_STATES(STATE_ROW)};
#undef STATE_ROW

const char *offer_state_name(enum offer_state s)
{
	return states[s];
}

/* --- what the volunteers chose ---------------------------------------------------------------- */

static const char *const hows[] = {"hand", "first", "after"};

/* "after 3 7 4 1 1": how, peers, days, hour, ahead, tells. */
struct error *offer_plan_get(struct conn *c, struct offer_plan *ret)
{
	struct offer_plan p = {.peers = 2, .days = 7, .hour = 4, .tells = true};
	char text[SETTING_MAX + 1], how[KEPT_WORDS] = "";
	int ahead = 0, tells = 1;

	TRY(config_get(c, SETTING_UPDATES, text));
	if (sscanf(text, "%23s %d %d %d %d %d", how, &p.peers, &p.days, &p.hour, &ahead, &tells) ==
	    6) {
		for (size_t i = 0; i < ARRAY_LEN(hows); i++)
			if (strcmp(hows[i], how) == 0)
				p.how = (enum offer_how)i;
		p.ahead = ahead != 0;
		p.tells = tells != 0;
	}
	*ret = p;
	return NULL;
}

struct error *offer_plan_set(struct conn *c, const struct offer_plan *p)
{
	char text[60];

	ENSURE(p->peers >= 1 && p->peers <= OFFER_PEERS_MOST,
	       error_new(ERR_INVALID, N_("Choose a number of houses from 1 to 16.")));
	ENSURE(p->days >= 0 && p->days <= OFFER_DAYS_MOST,
	       error_new(ERR_INVALID, N_("Choose a number of days from 0 to 90.")));
	ENSURE(p->hour >= 0 && p->hour <= 23,
	       error_new(ERR_INVALID, N_("Choose an hour from 0 to 23.")));
	snprintf(text, sizeof(text), "%s %d %d %d %d %d", hows[p->how], p->peers, p->days, p->hour,
		 p->ahead, p->tells);
	return config_set(c, SETTING_UPDATES, text);
}

/* --- what peers said -------------------------------------------------------------------------- */

/* Its signature was checked when it came. false: it can't be read, as after a change of kind. */
static bool read_heard(sqlite3_stmt *st, struct offer_heard *ret)
{
	struct error *e = system_peek(db_blob(st, 0), &ret->said);
	bool ok = !e;

	error_free(e);
	ret->first_ms = db_int(st, 1);
	ret->last_ms = db_int(st, 2);
	return ok;
}

/* Approved, within its terms, and not only because a backup says so. */
static struct error *is_trusted(struct conn *c, const struct pubkey *key, bool *ret_known,
				bool *ret)
{
	struct peer p = {.until_ms = 0};
	struct error *e = peer_get(c->local, key, &p);
	bool doubted;

	*ret = false;
	*ret_known = !e;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	TRY(restored_doubted(c, key, &doubted));
	*ret = !doubted && !peer_terms_over(p.until_ms, env_now(c->env));
	return NULL;
}

bool offer_tells(struct conn *c, const struct pubkey *peer)
{
	struct offer_plan p = {.tells = false};
	bool known, trusted = false;
	struct error *e = is_trusted(c, peer, &known, &trusted);

	if (!e)
		e = offer_plan_get(c, &p);
	trusted = !e && trusted && p.tells;
	error_free(e); /* then nothing is told */
	return trusted;
}

/* Rows first: what is called may use the same statement. */
static struct error *all_heard(struct conn *c, struct buf *rows)
{
	sqlite3_stmt *st = db_stmt(stmts(c), HEARD_EACH);
	struct offer_heard h = {.first_ms = 0};
	struct error *e = NULL;

	while (db_next(c->local, st, &e)) {
		if (read_heard(st, &h))
			buf_add(rows, &h, sizeof(h));
	}
	return e;
}

struct error *offer_heard_each(struct conn *c, offer_heard_fn *fn, void *ctx)
{
	_cleanup_(buf_release) struct buf rows = {0};
	struct offer_heard h;
	bool known, trusted;

	TRY(all_heard(c, &rows));
	for (size_t i = 0; i < rows.n / sizeof(h); i++) {
		memcpy(&h, rows.p + i * sizeof(h), sizeof(h));
		TRY(is_trusted(c, &h.said.key, &known, &trusted));
		if (trusted)
			TRY(fn(ctx, &h));
	}
	return NULL;
}

struct error *offer_heard_prune(struct conn *c)
{
	_cleanup_(buf_release) struct buf rows = {0};
	struct offer_heard h;
	bool known, trusted;

	TRY(all_heard(c, &rows));
	for (size_t i = 0; i < rows.n / sizeof(h); i++) {
		memcpy(&h, rows.p + i * sizeof(h), sizeof(h));
		TRY(is_trusted(c, &h.said.key, &known, &trusted));
		if (!known)
			TRY(db_do(c->local, stmts(c), HEARD_FORGET, "k", &h.said.key));
	}
	return NULL;
}

struct error *offer_hear(struct conn *c, const struct system_said *said, struct span body)
{
	sqlite3_stmt *st = db_stmt(stmts(c), HEARD_GET);
	struct offer_heard was = {.first_ms = 0};
	int64_t now = env_now(c->env), first;
	bool row, goes_on;

	db_bind(st, "k", &said->key);
	TRY(db_step(c->local, st, &row));
	goes_on = row && read_heard(st, &was) && was.first_ms && was.first_ms <= now &&
		  strcmp(was.said.version, said->version) == 0;
	sqlite3_reset(st);
	first = !said->since_ms ? 0 : goes_on ? was.first_ms : now;
	return db_do(c->local, stmts(c), HEARD_PUT, "kbii", &said->key, body, first,
		     said->since_ms ? now : 0);
}

bool offer_is_news(struct conn *c, const struct system_said *said)
{
	sqlite3_stmt *st = db_stmt(stmts(c), HEARD_GET);
	struct offer_heard was = {.first_ms = 0};
	int64_t now = env_now(c->env);
	bool row = false, news = true;
	struct error *e;

	db_bind(st, "k", &said->key);
	e = db_step(c->local, st, &row);
	if (!e && row && read_heard(st, &was)) {
		was.said.when_ms = said->when_ms;
		/* Of who is not well no time is kept. */
		news = memcmp(&was.said, said, sizeof(*said)) != 0 ||
		       (said->since_ms &&
			(was.last_ms > now || now - was.last_ms >= HEARD_AGAIN_MS));
	}
	sqlite3_reset(st);
	error_free(e); /* then it is heard */
	return news;
}

/* --- files ------------------------------------------------------------------------------------ */

static void read_file(sqlite3_stmt *st, struct offer_file *f)
{
	int64_t state = db_int(st, 3), why = db_int(st, 5);

	*f = (struct offer_file){
		.size = (uint64_t)db_int(st, 1),
		.state = state >= 0 && state < OFFER_STATES_N ? (enum offer_state)state : OFFER_BAD,
		.why = why >= 0 && why < UPDATE_WHYS ? (enum update_why)why : WHY_INSTALL,
		.when_ms = db_int(st, 7),
		.before_ms = db_int(st, 8),
		.by_hand = db_int(st, 9)};
	db_id(st, 0, f->blob.b);
	db_id(st, 4, f->peer.b);
	snprintf(f->version, sizeof(f->version), "%s", db_text(st, 2));
	snprintf(f->name, sizeof(f->name), "%s", db_text(st, 6));
}

struct error *offer_file_each(struct conn *c, offer_file_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILE_EACH);
	_cleanup_(buf_release) struct buf rows = {0};
	struct offer_file f;
	struct error *e = NULL;

	while (db_next(c->local, st, &e)) {
		read_file(st, &f);
		buf_add(&rows, &f, sizeof(f));
	}
	TRY(e);
	for (size_t i = 0; i < rows.n / sizeof(f); i++) {
		memcpy(&f, rows.p + i * sizeof(f), sizeof(f));
		TRY(fn(ctx, &f));
	}
	return NULL;
}

struct error *offer_file_get(struct conn *c, const struct hash *blob, struct offer_file *ret)
{
	sqlite3_stmt *st = db_stmt(stmts(c), FILE_GET);
	bool row;

	db_bind(st, "k", blob);
	TRY(db_step(c->local, st, &row));
	ENSURE(row, error_new(ERR_NOT_FOUND, N_("There is no such update here.")));
	read_file(st, ret);
	sqlite3_reset(st);
	return NULL;
}

bool offer_by_volunteer(const struct offer_file *f)
{
	return pubkey_is_zero(&f->peer);
}

struct same_state {
	struct conn *c;
	const struct offer_file *f;
};

static struct error *make_room(void *ctx, const struct offer_file *other)
{
	struct same_state *k = ctx;

	struct offer_file given_up = *other;

	if (other->state != k->f->state || hash_eq(&other->blob, &k->f->blob))
		return NULL;
	if (other->state != OFFER_WANTED)
		return offer_file_forget(k->c, &other->blob);
	given_up.state = OFFER_DECLINED; /* so that what came of it goes */
	return offer_file_put(k->c, &given_up);
}

struct error *offer_file_put(struct conn *c, const struct offer_file *f)
{
	struct same_state k = {c, f};

	if (offer_holds(f->state))
		TRY(offer_file_each(c, make_room, &k));
	TRY(db_do(c->local, stmts(c), FILE_PUT, "kisikisiii", &f->blob, (int64_t)f->size,
		  f->version, (int64_t)f->state, offer_by_volunteer(f) ? NULL : &f->peer,
		  (int64_t)f->why, f->name, f->when_ms, f->before_ms, (int64_t)f->by_hand));
	TRY(db_do(c->local, stmts(c), FILE_OLD, "iii", (int64_t)OFFER_BAD, (int64_t)OFFER_DECLINED,
		  (int64_t)OFFER_REMEMBERED));
	/* Apart, so that who offers much does not make the others be forgotten. */
	return db_do(c->local, stmts(c), FILE_OLD, "iii", (int64_t)OFFER_LATER,
		     (int64_t)OFFER_LATER, (int64_t)OFFER_REMEMBERED);
}

struct error *offer_file_forget(struct conn *c, const struct hash *blob)
{
	return db_do(c->local, stmts(c), FILE_FORGET, "k", blob);
}
