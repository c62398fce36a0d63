/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/copy/copy_priv.h"
#include "appliance/member/account.h"

enum {
	NOTICE_AGAIN_MS = 3600000,
	QUIET_MS = 24 * 3600000, /* what the other wrote before it was seen to is still on its way */
};

/* --- the notice ------------------------------------------------------------------------------- */

struct twin_job {
	enum twin_sign sign;
	const char *where;
};

static bool is_open(const struct copy_notice *n)
{
	return (n->signs & (TWIN_MET | TWIN_LOG)) != 0;
}

static struct error *twin_job(struct conn *c, void *arg)
{
	const struct twin_job *j = arg;
	int64_t now = env_now(c->env);
	struct copy_notice n;
	bool handled, any, was_open, news;

	TRY(notice_get(c, &n, &handled, &any));
	was_open = any && !handled && is_open(&n);
	if (handled && now - n.last_ms < QUIET_MS && now >= n.last_ms)
		return NULL;
	if (handled || !any)
		n = (struct copy_notice){.first_ms = now, .last_ms = now};
	news = !(n.signs & (unsigned)j->sign);
	n.signs |= (unsigned)j->sign;
	if (!news && now - n.last_ms < NOTICE_AGAIN_MS && now >= n.last_ms)
		return NULL;
	/* Whoever proved our key may write under our number: from here on we write under another.
	 * (Where the log forked that was done when it came out.) */
	if (j->sign == TWIN_MET && !was_open)
		TRY(log_new_incarnation(c->log));
	n.last_ms = now;
	if (j->where[0])
		snprintf(n.place, sizeof(n.place), "%s", j->where);
	return notice_put(c, &n, false);
}

void copy_twin(void *ctx, enum twin_sign sign, const char *where)
{
	struct app *a = ctx;
	struct twin_job j = {sign, where};

	/* A full disk: it will be noticed again. */
	error_free(writer_run(a->writer, twin_job, &j));
}

struct error *copy_notice_get(struct conn *c, struct copy_notice *ret, bool *ret_open)
{
	bool handled, any;

	TRY(notice_get(c, ret, &handled, &any));
	*ret_open = any && !handled && is_open(ret);
	return NULL;
}

static struct error *handled_job(struct conn *c, void *arg)
{
	struct copy_notice n;
	bool handled, any;

	TRY(notice_get(c, &n, &handled, &any));
	n.last_ms = env_now(c->env);
	return any ? notice_put(c, &n, true) : NULL;
}

struct error *copy_handled(struct app *a)
{
	return writer_run(a->writer, handled_job, NULL);
}

/* --- others that go on for boxes we know ------------------------------------------------------ */

static struct error *succeeds_job(struct conn *c, void *arg)
{
	return successor_put(c, arg);
}

void copy_succeeds(void *ctx, const struct successor *s, const char *name, const char *address)
{
	struct app *a = ctx;
	struct copy_successor row = {.said = *s, .heard_ms = env_now(a->env)};

	snprintf(row.name, sizeof(row.name), "%s", name);
	snprintf(row.address, sizeof(row.address), "%s", address);
	error_free(writer_run(a->writer, succeeds_job, &row));
}

static struct error *drop_job(struct conn *c, void *arg)
{
	return successor_drop(c, arg);
}

struct error *copy_successor_drop(struct app *a, const struct pubkey *to)
{
	return writer_run(a->writer, drop_job, (void *)to);
}

/* --- admission -------------------------------------------------------------------------------- */

struct entitled {
	const struct pubkey *self, *key;
	bool writes, keeper, done;
};

static struct error *look_at(void *ctx, const struct admitted *a)
{
	struct entitled *m = ctx;

	if (pubkey_eq(&a->key, m->self)) {
		m->writes = a->write;
		m->keeper = a->keeper;
	}
	m->done |= a->write && pubkey_eq(&a->key, m->key);
	return NULL;
}

static struct error *admit_to(struct conn *c, const struct hash *space, struct entitled *m,
			      const char *name, const struct secret *steward, int *io_left)
{
	enum role role = ROLE_NONE;
	struct hash id;

	TRY(admitted_each(c, space, look_at, m));
	if (m->done || !m->writes)
		return NULL;
	if (steward)
		TRY(role_now(c, space, secret_pubkey(steward), &role));
	if (role != ROLE_STEWARD && !m->keeper) {
		++*io_left;
		return NULL;
	}
	if (role != ROLE_STEWARD)
		return community_admit(c, space, m->key, name, ADMIT_WRITE, NULL);
	return community_submit(
		c,
		&(struct draft){.type = "appliance.admit",
				.space = *space,
				.author = steward,
				.take_body =
					json_pack("{s:s, s:s, s:s, s:b}", "key", ID(m->key), "name",
						  name, "mode", "write", "keeper", m->keeper)},
		&id);
}

static struct error *collect_space(void *ctx, const struct space_info *s)
{
	buf_add(ctx, &s->id, sizeof(s->id));
	return NULL;
}

struct error *successor_admit(struct conn *c, const struct pubkey *self, const struct pubkey *key,
			      const char *name, const struct secret *steward, int *ret_left)
{
	_cleanup_(buf_release) struct buf spaces = {0};
	int left = 0;

	TRY(space_each(c, collect_space, &spaces));
	for (size_t i = 0; i < spaces.n / sizeof(struct hash); i++) {
		struct entitled m = {.self = self, .key = key};
		struct hash space = ((const struct hash *)(void *)spaces.p)[i];

		TRY(admit_to(c, &space, &m, *name ? name : ID_SHORT(key), steward, &left));
	}
	*ret_left = left;
	return NULL;
}

/* --- a key of its own ------------------------------------------------------------------------- */

struct new_key {
	struct app *app;
	const struct secret *steward;
	struct secret *key;
	bool people; /* who has an account here is at home here under the new key, too */
	bool strange;
	int left;
};

/* People of one space whose home is the old key. */
struct moving {
	struct conn *conn;
	const struct pubkey *old;
	struct buf members; /* of struct member */
};

static struct error *look_at_member(void *ctx, const struct member *m)
{
	struct moving *v = ctx;
	struct account a;
	struct error *e;

	if (m->role == ROLE_NONE || !pubkey_eq(&m->home, v->old))
		return NULL;
	e = account_by_key(v->conn, &m->key, &a);
	if (!e)
		buf_add(&v->members, m, sizeof(*m));
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	return NULL;
}

/* Only a steward may: a box adds nobody who is there already. */
static struct error *move_people_in(struct conn *c, const struct new_key *n,
				    const struct hash *space)
{
	_cleanup_(buf_release) struct buf members = {0};
	struct moving v = {.conn = c, .old = secret_pubkey(n->app->self)};
	struct error *e = member_each(c, space, look_at_member, &v);
	struct hash id;

	members = v.members;
	TRY(e);
	for (size_t i = 0; i < members.n / sizeof(struct member); i++) {
		const struct member *m = (const struct member *)(void *)members.p + i;

		TRY(community_submit(
			c,
			&(struct draft){.type = "member.add",
					.space = *space,
					.author = n->steward,
					.take_body = json_pack("{s:s, s:s, s:s, s:s}", "key",
							       ID(&m->key), "name", m->name, "role",
							       role_name(m->role), "home",
							       ID(secret_pubkey(n->key)))},
			&id));
	}
	return NULL;
}

static struct error *move_people(struct conn *c, const struct new_key *n)
{
	_cleanup_(buf_release) struct buf spaces = {0};
	enum role role;

	if (!n->people || !n->steward)
		return NULL;
	TRY(space_each(c, collect_space, &spaces));
	for (size_t i = 0; i < spaces.n / sizeof(struct hash); i++) {
		const struct hash *space = (const struct hash *)(void *)spaces.p + i;

		TRY(role_now(c, space, secret_pubkey(n->steward), &role));
		if (role == ROLE_STEWARD)
			TRY(move_people_in(c, n, space));
	}
	return NULL;
}

/* The other box keeps the old key, and nobody knows who has that: it is no friend of this one, and since it
 * was noticed what it writes is not our people's. */
static struct error *estrange_old(struct conn *c, struct new_key *n)
{
	int64_t now = env_now(c->env);
	struct copy_notice notice;
	bool handled, any;

	TRY(notice_get(c, &notice, &handled, &any));
	TRY(strange_put(c, secret_pubkey(n->app->self), any ? notice.first_ms : now));
	notice.last_ms = now;
	return any ? notice_put(c, &notice, true) : NULL;
}

/* The other box keeps the old key: from now on it is a box like any other. */
static struct error *befriend_old(struct conn *c, struct new_key *n)
{
	struct peer p = {.key = *secret_pubkey(n->app->self), .added_ms = env_now(c->env)};
	struct copy_notice notice;
	bool handled, any;

	snprintf(p.name, sizeof(p.name), "%s", n->app->name);
	TRY(notice_get(c, &notice, &handled, &any));
	if (notice.signs & TWIN_ANNOUNCED)
		snprintf(p.address, sizeof(p.address), "%s", notice.place);
	notice.last_ms = p.added_ms;
	if (any)
		TRY(notice_put(c, &notice, true));
	return peer_put(c->local, &p);
}

static struct error *new_key_job(struct conn *c, void *arg)
{
	struct new_key *n = arg;
	const struct secret *old = n->app->self;
	struct successor s = successor_sign(old, secret_pubkey(n->key), env_now(c->env));

	TRY(successor_admit(c, secret_pubkey(old), &s.to, n->app->name, n->steward, &n->left));
	TRY(move_people(c, n));
	TRY(account_reseal_claim(c, old, n->key));
	TRY(lineage_put(c, &s));
	TRY(n->strange ? estrange_old(c, n) : befriend_old(c, n));
	return log_new_incarnation(c->log);
}

/* The first key that this box had; written once. */
static struct error *keep_origin(struct app *a)
{
	_cleanup_(freep) char *path = path_join(a->dir, COMMUNITY_ORIGIN);
	struct id_text id = id_text(secret_pubkey(a->self));

	if (access(path, F_OK) == 0)
		return NULL;
	return file_write(path, span_str(id.s), 0600);
}

struct error *copy_new_key(struct app *a, const struct copy_new *how, struct pubkey *ret_key,
			   int *ret_left)
{
	_cleanup_(secret_freep) struct secret *key = secret_new();
	_cleanup_(freep) char *path = path_join(a->dir, "key");
	struct new_key n = {.app = a,
			    .steward = how->steward,
			    .key = key,
			    .people = how->people,
			    .strange = how->strange};

	/* What is done before a power cut is no harm: an admitted key that nobody has. */
	TRY(writer_run(a->writer, new_key_job, &n));
	TRY(keep_origin(a));
	TRY(secret_save(path, key));
	*ret_key = *secret_pubkey(key);
	*ret_left = n.left;
	return NULL;
}

struct error *copy_own_statement(struct conn *c, const struct pubkey *self,
				 char out[SUCCESSOR_TEXT])
{
	struct successor s;
	struct error *e = lineage_get(c, self, &s);

	out[0] = 0;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	successor_text(&s, out);
	return NULL;
}

/* --- a key in strange hands ------------------------------------------------------------------- */

struct strangers {
	struct conn *conn;
	const struct strange_key *row;
	copy_strange_fn *fn;
	void *ctx;
	bool admitted;
};

static struct error *look_for_strange(void *ctx, const struct admitted *a)
{
	struct strangers *k = ctx;

	k->admitted |= pubkey_eq(&a->key, &k->row->key);
	return NULL;
}

static struct error *strange_in(void *ctx, const struct space_info *s)
{
	struct strangers *k = ctx;

	k->admitted = false;
	TRY(admitted_each(k->conn, &s->id, look_for_strange, k));
	return k->admitted ? k->fn(k->ctx, s, &k->row->key, k->row->since_ms) : NULL;
}

struct error *copy_strange(struct conn *c, copy_strange_fn *fn, void *ctx)
{
	_cleanup_(buf_release) struct buf rows = {0};

	TRY(strange_each(c, &rows));
	for (size_t i = 0; i < rows.n / sizeof(struct strange_key); i++) {
		struct strangers k = {.conn = c, .fn = fn, .ctx = ctx};

		k.row = (const struct strange_key *)(const void *)rows.p + i;
		TRY(space_each(c, strange_in, &k));
	}
	return NULL;
}
