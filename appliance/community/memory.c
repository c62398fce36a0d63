/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the writer remembers of the view: spaces with their rules, logs, keys. */
#include "appliance/community/community_priv.h"

void memory_touch(struct conn *c)
{
	c->community->touched = c->community->part_touched = true;
}

static void vlog_free(struct vlog *l)
{
	if (!l)
		return;
	free(l->runs);
	free(l);
}

static void space_free(struct space *s)
{
	if (!s)
		return;
	rules_free(s->rules);
	keyring_release(&s->ring);
	keyring_release(&s->orphans);
	free(s);
}

void memory_drop(struct conn *c)
{
	struct memory *m = &c->community->m;

	for (size_t i = 0; i < m->spaces_n; i++)
		space_free(m->spaces[i]);
	for (size_t i = 0; i < m->logs_n; i++)
		vlog_free(m->logs[i]);
	free(m->spaces);
	free(m->logs);
	free(m->keys);
	idmap_release(&m->space_at);
	idmap_release(&m->key_at);
	idmap_release(&m->erased);
	*m = (struct memory){0};
}

struct error *meta_get(struct conn *c, enum meta which, int64_t *ret)
{
	return db_number(c->view, c->community->stmts, META_GET, 0, ret, "i", (int64_t)which);
}

struct error *meta_set(struct conn *c, enum meta which, int64_t value)
{
	return db_do(c->view, c->community->stmts, META_SET, "ii", (int64_t)which, value);
}

/* --- adding --- */
static void add_key(struct memory *m, const struct pubkey *key)
{
	if ((m->keys_n & (m->keys_n - 1)) == 0) {
		m->keys = realloc(m->keys, (m->keys_n ? m->keys_n * 2 : 1) * sizeof(m->keys[0]));
		if (!m->keys)
			abort();
	}
	idmap_put(&m->key_at, key, (uint32_t)m->keys_n);
	m->keys[m->keys_n++] = *key;
}

static struct space *add_space(struct memory *m, int64_t num, const struct hash *id)
{
	struct space *s = calloc(1, sizeof(*s));

	m->spaces = realloc(m->spaces, (m->spaces_n + 1) * sizeof(m->spaces[0]));
	if (!s || !m->spaces)
		abort();
	s->num = num;
	s->id = *id;
	s->rules = rules_new(id);
	idmap_put(&m->space_at, id, (uint32_t)m->spaces_n);
	m->spaces[m->spaces_n++] = s;
	return s;
}

static struct vlog *add_log(struct memory *m, int64_t num)
{
	struct vlog *l = calloc(1, sizeof(*l));
	size_t n = m->logs_n;

	while (n <= (size_t)num)
		n = n ? n * 2 : 16;
	if (n > m->logs_n) {
		m->logs = realloc(m->logs, n * sizeof(m->logs[0]));
		if (!m->logs)
			abort();
		memset(m->logs + m->logs_n, 0, (n - m->logs_n) * sizeof(m->logs[0]));
		m->logs_n = n;
	}
	if (!l)
		abort();
	l->num = num;
	m->logs[num] = l;
	return l;
}

static void add_run(struct vlog *l, uint64_t seq, const struct hash *rules)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 4;
		l->runs = realloc(l->runs, l->cap * sizeof(l->runs[0]));
		if (!l->runs)
			abort();
	}
	l->runs[l->n++] = (struct run){seq, *rules, RULES_NONE, false};
}

/* --- loading --- */
static struct error *load_spaces(struct conn *c)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, SPACE_ALL);
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		struct hash id;

		db_id(st, 1, &id);
		add_space(&c->community->m, db_int(st, 0), &id);
	}
	return e;
}

static struct error *load_keys(struct conn *c)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, KEY_ALL);
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		struct pubkey key;

		db_id(st, 1, &key);
		add_key(&c->community->m, &key);
	}
	return e;
}

/* Its tables contradict each other, as after a disk that forgot what it had promised: it is made
 * anew. */
static struct error *damaged_view(void)
{
	return error_new(ERR_CORRUPT, N_("The pages' tables of this box are damaged."));
}

static struct error *load_logs(struct conn *c)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, LOG_ALL);
	struct memory *m = &c->community->m;
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		struct vlog *l;

		ENSURE(db_int(st, 0) > 0 && db_int(st, 1) > 0 &&
			       (uint64_t)db_int(st, 1) <= m->spaces_n,
		       damaged_view());
		l = add_log(m, db_int(st, 0));
		l->space = (size_t)db_int(st, 1) - 1;
		l->id.space = m->spaces[l->space]->id;
		db_id(st, 2, &l->id.appliance);
		l->id.incarnation = (uint64_t)db_int(st, 3);
		l->stop = (uint64_t)db_int(st, 4);
		l->top = (uint64_t)db_int(st, 5);
		db_id(st, 6, &l->top_hash);
	}
	return e;
}

static struct error *load_runs(struct conn *c)
{
	sqlite3_stmt *st = db_stmt(c->community->stmts, RUN_ALL);
	struct error *e = NULL;

	while (db_next(c->view, st, &e)) {
		struct hash rules;
		struct vlog *l;

		db_id(st, 2, &rules);
		l = vlog_of(c, db_int(st, 0));
		ENSURE(l, damaged_view());
		add_run(l, (uint64_t)db_int(st, 1), &rules);
		l->runs[l->n - 1].used = true;
	}
	return e;
}

static struct error *load_erased(struct conn *c)
{
	_cleanup_(buf_release) struct buf targets = {0};

	TRY(erase_targets(c, &targets));
	for (size_t i = 0; i < targets.n / sizeof(struct hash); i++)
		idmap_put(&c->community->m.erased, (const struct hash *)(void *)targets.p + i, 0);
	return NULL;
}

static struct error *load_rule(struct conn *c, struct space *s, const struct op_rec *r)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct places places;
	enum op_kind kind;
	json_t *body;
	struct op op;

	TRY(rec_places(c, r, &a, &places));
	TRY(rec_parse(c, r, &op, &body, &kind));
	for (size_t i = 0; i < places.n && kind == OP_RULES; i++) {
		const struct vlog *l = vlog_of(c, places.p[i].log);

		rules_add(s->rules, &op,
			  &(struct place){l->id.appliance, l->id.incarnation, places.p[i].seq});
	}
	s->lacking += kind != OP_RULES;
	json_decref(body);
	return NULL;
}

static struct error *load_rules(struct conn *c, struct space *s)
{
	_cleanup_(recs_walk_release) struct recs_walk all = {.which = OPS_OF_RULES, .by = s->num};
	struct op_rec *r;
	bool moved;

	for (;;) {
		TRY(recs_next(c, &all, &r));
		if (!r)
			break;
		TRY(load_rule(c, s, r));
	}
	rules_settle(s->rules);
	s->epoch = rules_epoch(s->rules);
	/* What the view opened before, it opened with these. */
	keyring_update(c, s, &moved, &moved);
	for (size_t i = 0; i < c->community->m.logs_n; i++)
		if (c->community->m.logs[i] &&
		    c->community->m.spaces[c->community->m.logs[i]->space] == s)
			floors_set(s, c->community->m.logs[i], &moved);
	return NULL;
}

struct error *memory_load(struct conn *c)
{
	struct memory *m = &c->community->m;

	if (m->loaded)
		return NULL;
	memory_drop(c);
	TRY(meta_get(c, META_LAST, &m->last));
	TRY(load_spaces(c));
	TRY(load_keys(c));
	TRY(load_logs(c));
	TRY(load_runs(c));
	TRY(load_erased(c));
	for (size_t i = 0; i < m->spaces_n; i++)
		TRY(load_rules(c, m->spaces[i]));
	m->losses = -1;
	m->loaded = true;
	return NULL;
}

/* --- finding, and adding what is new --- */
struct error *memory_key(struct conn *c, const struct pubkey *key, int64_t *ret_num)
{
	struct memory *m = &c->community->m;
	uint32_t at = idmap_get(&m->key_at, key);

	if (at == IDMAP_NONE) {
		memory_touch(c);
		at = (uint32_t)m->keys_n;
		TRY(db_do(c->view, c->community->stmts, KEY_ADD, "ik", (int64_t)at + 1, key));
		add_key(m, key);
	}
	*ret_num = (int64_t)at + 1;
	return NULL;
}

const struct pubkey *memory_key_of(struct conn *c, int64_t num)
{
	return &c->community->m.keys[num - 1];
}

struct space *space_of(struct conn *c, const struct hash *id)
{
	uint32_t at = idmap_get(&c->community->m.space_at, id);

	return at == IDMAP_NONE ? NULL : c->community->m.spaces[at];
}

struct space *space_of_num(struct conn *c, int64_t num)
{
	return c->community->m.spaces[num - 1];
}

static struct error *find_space(struct conn *c, const struct hash *id, size_t *ret)
{
	struct memory *m = &c->community->m;
	uint32_t at = idmap_get(&m->space_at, id);

	if (at == IDMAP_NONE) {
		memory_touch(c);
		TRY(db_do(c->view, c->community->stmts, SPACE_ADD, "k", id));
		at = (uint32_t)m->spaces_n;
		add_space(m, db_last_rowid(c->view), id);
	}
	*ret = at;
	return NULL;
}

struct vlog *vlog_of(struct conn *c, int64_t num)
{
	struct memory *m = &c->community->m;

	return num > 0 && (size_t)num < m->logs_n ? m->logs[num] : NULL;
}

uint64_t log_stop(const struct log_info *info)
{
	uint64_t forked = log_forked_from(info);

	return !forked || (info->ended && info->ended < forked) ? info->ended : forked;
}

struct error *memory_log(struct conn *c, int64_t num, struct vlog **ret)
{
	struct vlog *l = vlog_of(c, num);
	struct log_info info;
	size_t space;

	if (l) {
		*ret = l;
		return NULL;
	}
	TRY(log_info_by_num(c->log, num, &info));
	TRY(find_space(c, &info.id.space, &space));
	memory_touch(c);
	TRY(db_do(c->view, c->community->stmts, LOG_ADD, "iikii", num, (int64_t)space + 1,
		  &info.id.appliance, (int64_t)info.id.incarnation, (int64_t)log_stop(&info)));
	l = add_log(&c->community->m, num);
	l->id = info.id;
	l->space = space;
	l->stop = log_stop(&info);
	*ret = l;
	return NULL;
}

struct noting {
	struct conn *c;
	struct vlog *l;
};

static struct error *note_one(void *ctx, const struct stored *e)
{
	struct noting *k = ctx;
	struct vlog *l = k->l;
	struct entry h;

	entry_decode(&e->raw, &h);
	l->top = e->seq;
	l->top_hash = e->hash;
	l->changed = true;
	if (hash_is_zero(&h.rules) || (l->n && hash_eq(&l->runs[l->n - 1].rules, &h.rules)))
		return NULL;
	TRY(db_do(k->c->view, k->c->community->stmts, RUN_ADD, "iik", l->num, (int64_t)e->seq,
		  &h.rules));
	add_run(l, e->seq, &h.rules);
	floors_add(k->c->community->m.spaces[l->space], l);
	return NULL;
}

struct error *note_run(struct conn *c, struct vlog *l, const struct stored *e)
{
	struct noting k = {c, l};

	if (e->seq <= l->top)
		return NULL;
	memory_touch(c);
	/* An entry whose payload came later has a later number: what it names counts from its
	 * place. */
	if (e->seq > l->top + 1) {
		struct error *err = log_range(c->log, l->num, l->top + 1, e->seq - 1, note_one, &k);

		/* What is damaged names nothing until it is repaired. */
		if (!error_is(err, ERR_CORRUPT))
			TRY(err);
		error_free(err);
	}
	return note_one(&k, e);
}
