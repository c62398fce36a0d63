/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading spaces, members and boxes from the view, on any connection; and the digest. */
#include "appliance/community/community_priv.h"
#include "appliance/community/rows.h"

/* --- spaces --- */
static void read_space(struct conn *c, sqlite3_stmt *st, struct space_info *ret)
{
	struct pubkey appliance;

	*ret = (struct space_info){.founded_ms = db_int(st, 5)};
	db_id(st, 0, &ret->id);
	snprintf(ret->name, sizeof(ret->name), "%s", db_text(st, 1));
	snprintf(ret->about, sizeof(ret->about), "%s", db_text(st, 2));
	snprintf(ret->guest_posts, sizeof(ret->guest_posts), "%s", db_text(st, 3));
	ret->is_private = db_int(st, 6) != 0;
	ret->epoch = (uint16_t)db_int(st, 7);
	ret->has_key = db_int(st, 8) != 0;
	ret->unopened = (uint64_t)db_int(st, 9);
	ret->own = db_id(st, 4, &appliance) && pubkey_eq(&appliance, &c->community->origin);
}

enum which { SEEN, HERE, ALL };

static bool is_meant(struct conn *c, enum which which, const struct hash *space)
{
	return which == ALL ||
	       (!log_is_let_go(c->log, space) && (which == HERE || conn_sees(c, space)));
}

static struct error *each_space(struct conn *c, enum which which, space_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, SPACE_LIST);
	struct space_info *all = NULL;
	struct error *err = NULL;
	size_t n = 0;

	db_bind(st, "k", &c->community->origin);
	while (db_next(c->view, st, &err)) {
		all = realloc(all, (n + 1) * sizeof(*all));
		if (!all)
			abort();
		read_space(c, st, &all[n++]);
	}
	/* Called behind the reading, for fn may read spaces itself. */
	for (size_t i = 0; i < n && !err; i++)
		if (is_meant(c, which, &all[i].id))
			err = fn(ctx, &all[i]);
	free(all);
	return err;
}

struct error *space_each(struct conn *c, space_fn *fn, void *ctx)
{
	return each_space(c, SEEN, fn, ctx);
}

struct error *space_each_here(struct conn *c, space_fn *fn, void *ctx)
{
	return each_space(c, HERE, fn, ctx);
}

static struct error *not_here(void)
{
	return error_new(ERR_NOT_FOUND, N_("This box does not carry that space."));
}

static struct error *one_space(struct conn *c, sqlite3_stmt *st, struct space_info *ret)
{
	struct space_info s;
	bool row;

	TRY(db_step(c->view, st, &row));
	if (row)
		read_space(c, st, &s);
	sqlite3_reset(st);
	ENSURE(row, not_here());
	*ret = s;
	return NULL;
}

struct error *space_get_here(struct conn *c, const struct hash *id, struct space_info *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, SPACE_ID);

	db_bind(st, "k", id);
	return one_space(c, st, ret);
}

struct error *space_get(struct conn *c, const struct hash *id, struct space_info *ret)
{
	struct space_info s;

	TRY(space_get_here(c, id, &s));
	ENSURE(conn_sees(c, id), not_here());
	*ret = s;
	return NULL;
}

/* The lowest or highest id whose text begins so. */
static bool fill_up(const char *prefix, char with, struct hash *ret)
{
	char text[BASE32_KEY_LEN + 1];
	size_t n = strlen(prefix);

	if (n < 8 || n > BASE32_KEY_LEN)
		return false;
	memset(text, with, BASE32_KEY_LEN);
	memcpy(text, prefix, n);
	text[BASE32_KEY_LEN] = 0;
	/* 52 letters hold 260 bits: of the last only the first bit counts. */
	if (n < BASE32_KEY_LEN)
		text[BASE32_KEY_LEN - 1] = with == 'a' ? 'a' : 'q';
	return id_parse(text, ret);
}

struct error *space_by_short(struct conn *c, const char *prefix, struct space_info *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, SPACE_SHORT);
	struct space_info s;
	struct hash low, high;

	ENSURE(fill_up(prefix, 'a', &low) && fill_up(prefix, '7', &high),
	       error_new(ERR_NOT_FOUND, N_("This box does not carry that space.")));
	db_bind(st, "kk", &low, &high);
	TRY(one_space(c, st, &s));
	ENSURE(conn_sees(c, &s.id), not_here());
	*ret = s;
	return NULL;
}

struct error *space_home(struct conn *c, struct space_info *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, SPACE_LIST);
	struct space_info s;
	struct error *e = NULL;
	bool found = false;

	/* The first: the others come behind it also for who does not see it. */
	db_bind(st, "k", &c->community->origin);
	while (!found && db_next(c->view, st, &e)) {
		read_space(c, st, &s);
		found = !log_is_let_go(c->log, &s.id);
	}
	sqlite3_reset(st);
	TRY(e);
	ENSURE(found && conn_sees(c, &s.id), not_here());
	*ret = s;
	return NULL;
}

bool space_shared_with(struct conn *c, const struct hash *space, const struct pubkey *peer)
{
	return log_shared_with(c->log, space, peer);
}

bool space_visible_to(struct conn *c, const struct hash *space, const struct pubkey *viewer)
{
	enum role role = ROLE_NONE;
	int64_t is_private;
	struct error *err;

	if (log_is_let_go(c->log, space))
		return false;
	err = db_number(c->view, c->community->stmts, SPACE_PRIVATE, -1, &is_private, "k", space);
	if (!err && is_private == 1 && viewer)
		err = role_now(c, space, viewer, &role);
	if (!err)
		return is_private == 0 || role >= ROLE_NEW;
	error_free(err);
	return false;
}

void conn_see_as(struct conn *c, const struct pubkey *viewer)
{
	struct community *k = c->community;

	k->filtered = true;
	k->has_viewer = viewer;
	if (viewer)
		k->viewer = *viewer;
	k->asked_known = false;
}

bool conn_sees(struct conn *c, const struct hash *space)
{
	struct community *k = c->community;

	if (!k->filtered)
		return true;
	if (!k->asked_known || !hash_eq(&k->asked, space)) {
		k->asked = *space;
		k->asked_seen = space_visible_to(c, space, k->has_viewer ? &k->viewer : NULL);
		k->asked_known = true;
	}
	return k->asked_seen;
}

struct unseen {
	struct conn *c;
	struct buf *list;
};

static struct error *add_unseen(void *ctx, const struct space_info *s)
{
	static const char digits[] = "0123456789abcdef";
	struct unseen *u = ctx;

	if (conn_sees(u->c, &s->id))
		return NULL;
	buf_puts(u->list, u->list->n > 1 ? ",\"" : "\"");
	for (size_t i = 0; i < sizeof(s->id.b); i++) { /* there may be thousands */
		buf_putc(u->list, digits[s->id.b[i] >> 4]);
		buf_putc(u->list, digits[s->id.b[i] & 15]);
	}
	buf_putc(u->list, '"');
	return NULL;
}

struct error *conn_unseen(struct conn *c, struct buf *ret)
{
	buf_clear(ret);
	buf_putc(ret, '[');
	if (c->community->filtered)
		TRY(each_space(c, ALL, add_unseen, &(struct unseen){c, ret}));
	buf_putc(ret, ']');
	return NULL;
}

/* --- members --- */
static struct error *space_number(struct conn *c, const struct hash *id, int64_t *ret)
{
	return db_number(c->view, c->community->stmts, SPACE_NUM, 0, ret, "k", id);
}

static void read_member(sqlite3_stmt *st, const struct hash *space, struct member *ret)
{
	*ret = (struct member){
		.space = *space, .role = (enum role)db_int(st, 2), .since_ms = db_int(st, 4)};
	db_id(st, 0, &ret->key);
	snprintf(ret->name, sizeof(ret->name), "%s", db_text(st, 1));
	db_id(st, 3, &ret->home);
}

struct error *member_each(struct conn *c, const struct hash *space, member_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, MEMBER_LIST);
	struct member *all = NULL;
	struct error *err = NULL;
	size_t n = 0;
	int64_t num;

	TRY(space_number(c, space, &num));
	db_bind(st, "i", num);
	while (db_next(c->view, st, &err)) {
		if ((n & (n - 1)) == 0)
			all = realloc(all, (n ? n * 2 : 1) * sizeof(*all));
		if (!all)
			abort();
		read_member(st, space, &all[n++]);
	}
	for (size_t i = 0; i < n && !err; i++)
		err = fn(ctx, &all[i]);
	free(all);
	return err;
}

static struct error *one_member(struct conn *c, sqlite3_stmt *st, const struct hash *space,
				struct member *ret)
{
	bool row;

	TRY(db_step(c->view, st, &row));
	if (row)
		read_member(st, space, ret);
	sqlite3_reset(st);
	return row ? NULL
		   : error_new(ERR_NOT_FOUND, N_("That person does not belong to this space."));
}

struct error *member_get(struct conn *c, const struct hash *space, const struct pubkey *key,
			 struct member *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, MEMBER_GET);
	int64_t num;

	TRY(space_number(c, space, &num));
	db_bind(st, "ik", num, key);
	return one_member(c, st, space, ret);
}

struct error *member_by_name(struct conn *c, const struct hash *space, const char *name,
			     struct member *ret)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, MEMBER_BY_NAME);
	int64_t num;

	TRY(space_number(c, space, &num));
	db_bind(st, "is", num, name);
	return one_member(c, st, space, ret);
}

struct error *role_now(struct conn *c, const struct hash *space, const struct pubkey *key,
		       enum role *ret)
{
	struct member m = {.role = ROLE_NONE};
	struct error *err = member_get(c, space, key, &m);

	if (err && !error_is(err, ERR_NOT_FOUND))
		return err;
	error_free(err);
	*ret = m.role;
	return NULL;
}

struct error *admitted_each(struct conn *c, const struct hash *space, admitted_fn *fn, void *ctx)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, BOX_LIST);
	struct admitted *all = NULL;
	struct error *err = NULL;
	size_t n = 0;
	int64_t num;

	TRY(space_number(c, space, &num));
	db_bind(st, "i", num);
	while (db_next(c->view, st, &err)) {
		all = realloc(all, (n + 1) * sizeof(*all));
		if (!all)
			abort();
		all[n] = (struct admitted){.write = db_int(st, 2) == MODE_WRITE,
					   .carry = db_int(st, 2) == MODE_CARRY,
					   .keeper = db_int(st, 3) != 0};
		db_id(st, 0, &all[n].key);
		snprintf(all[n].name, sizeof(all[n].name), "%s", db_text(st, 1));
		n++;
	}
	for (size_t i = 0; i < n && !err; i++)
		err = fn(ctx, &all[i]);
	free(all);
	return err;
}

/* --- digest --- */
static struct error *digest_of(struct conn *c, enum view_stmt which, int64_t space,
			       struct hash_state *h)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, which);

	db_bind(st, "i", space);
	return digest_rows(c->view, st, h);
}

struct error *community_digest(struct conn *c, const struct hash *space, struct hash *ret)
{
	const struct feature *const *list = c->community->features;
	struct space_info s;
	struct hash_state h;
	int64_t num;

	TRY(space_get(c, space, &s));
	TRY(space_number(c, space, &num));
	hash_init(&h);
	hash_add(&h, s.id.b, 32);
	hash_add(&h, s.name, strlen(s.name) + 1);
	hash_add(&h, s.about, strlen(s.about) + 1);
	hash_add(&h, s.guest_posts, strlen(s.guest_posts) + 1);
	TRY(digest_of(c, MEMBER_DIGEST, num, &h));
	TRY(digest_of(c, BOX_DIGEST, num, &h));
	for (; *list; list++) {
		if (!(*list)->digest)
			continue;
		hash_add(&h, (*list)->name, strlen((*list)->name) + 1);
		TRY((*list)->digest(c, space, &h));
	}
	*ret = hash_final(&h);
	return NULL;
}
