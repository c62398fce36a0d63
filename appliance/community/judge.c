/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may: every op is judged by the newest rules that its log had shown to know when it was
 * written there (the *floor* of its entry), and by the revocations of its space. */
#include "appliance/community/community_priv.h"

/* --- floors --- */
/* The newest of the rules named so far: what names older ones is judged by the newer, what names
 * rules that are not here by those before. */
static uint32_t next_floor(struct space *s, uint32_t before, uint32_t named)
{
	if (named == RULES_NONE || named == before)
		return before;
	if (before != RULES_NONE && rules_is_ancestor(s->rules, named, before))
		return before;
	return named;
}

void floors_set(struct space *s, struct vlog *l, bool *ret_moved)
{
	uint64_t epoch = rules_epoch(s->rules);
	uint32_t before;

	if (l->epoch != epoch)
		l->settled = 0;
	l->epoch = epoch;
	before = l->settled ? l->runs[l->settled - 1].floor : (uint32_t)RULES_NONE;
	*ret_moved = false;
	for (size_t i = l->settled; i < l->n; i++) {
		struct run *run = &l->runs[i];
		uint32_t named = rules_find(s->rules, &run->rules);

		before = next_floor(s, before, named);
		*ret_moved |= run->used && run->floor != before;
		run->floor = before;
		if (named != RULES_NONE && l->settled == i)
			l->settled = i + 1;
	}
}

/* One run more: what was found of those before it holds as long as the rules are the same. */
void floors_add(struct space *s, struct vlog *l)
{
	struct run *run = &l->runs[l->n - 1];
	uint32_t named;
	bool moved;

	if (l->epoch != rules_epoch(s->rules)) {
		floors_set(s, l, &moved);
		return;
	}
	named = rules_find(s->rules, &run->rules);
	run->floor = next_floor(s, l->n > 1 ? run[-1].floor : (uint32_t)RULES_NONE, named);
	if (named != RULES_NONE && l->settled == l->n - 1)
		l->settled = l->n;
}

static uint32_t floor_of(struct vlog *l, uint64_t seq)
{
	size_t low = 0, high = l->n;

	if (l->n && l->runs[l->n - 1].seq <= seq)
		low = high;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->runs[mid].seq <= seq)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return RULES_NONE;
	l->runs[low - 1].used = true;
	return l->runs[low - 1].floor;
}

void settle_space(struct conn *c, struct space *s)
{
	struct memory *m = &c->community->m;

	memory_touch(c);
	rules_settle(s->rules);
	s->settle = true;
	for (size_t i = 0; i < m->logs_n; i++) {
		bool moved;

		if (!m->logs[i] || m->spaces[m->logs[i]->space] != s)
			continue;
		floors_set(s, m->logs[i], &moved);
		s->rejudge |= moved;
	}
	if (s->epoch != rules_epoch(s->rules))
		s->rejudge = true;
	s->epoch = rules_epoch(s->rules);
}

/* --- judging one op --- */
static int judge_place(struct conn *c, const struct op_rec *r, const struct op_at *at)
{
	struct vlog *l = vlog_of(c, at->log);
	struct rules *rules = c->community->m.spaces[l->space]->rules;
	uint32_t floor = floor_of(l, at->seq);
	enum role role;

	if (floor == RULES_NONE ||
	    !rules_judge(rules, floor, &(struct place){l->id.appliance, l->id.incarnation, at->seq},
			 memory_key_of(c, r->author), r->by_appliance, &role))
		return ROLE_ABSENT;
	return (int)role;
}

static bool place_before(struct conn *c, const struct op_at *a, const struct op_at *b)
{
	uint8_t x[LOG_ID_BYTES], y[LOG_ID_BYTES];
	int order;

	log_id_write(&vlog_of(c, a->log)->id, x);
	log_id_write(&vlog_of(c, b->log)->id, y);
	order = memcmp(x, y, sizeof(x));
	return order ? order < 0 : a->seq < b->seq;
}

/* In a private space content is sealed, and only there, but for what those are told who only carry it.
 * Found out here and not when the op comes, for the founding op, which says which it is, may come
 * later. */
static bool has_wrong_form(struct conn *c, const struct op_rec *r)
{
	bool is_private = rules_private(space_of_num(c, r->space)->rules);
	bool sealed = r->flags & OP_IS_SEALED;

	if (r->kind != OP_CONTENT && r->kind != OP_UNKNOWN)
		return false;
	return r->flags & OP_IS_CLEAR ? sealed || !is_private : sealed != is_private;
}

struct error *judge(struct batch *b, struct op_rec *r, bool *ret_changed)
{
	struct op_at best = r->at;
	struct places places;
	int role;

	role = judge_place(b->c, r, &r->at);
	if (r->flags & OP_MANY_PLACES) {
		TRY(rec_places(b->c, r, &b->arena, &places));
		for (size_t i = 1; i < places.n; i++) {
			int other = judge_place(b->c, r, &places.p[i]);

			if (other < role ||
			    (other == role && !place_before(b->c, &places.p[i], &best)))
				continue;
			role = other;
			best = places.p[i];
		}
	}
	if (has_wrong_form(b->c, r))
		role = ROLE_ABSENT;
	*ret_changed = role != r->role || best.log != r->at.log || best.seq != r->at.seq;
	if (best.log != r->at.log || best.seq != r->at.seq) {
		TRY(db_do(b->c->view, b->c->community->stmts, PLACE_DROP, "iii", r->num, best.log,
			  (int64_t)best.seq));
		TRY(db_do(b->c->view, b->c->community->stmts, PLACE_ADD, "iii", r->num, r->at.log,
			  (int64_t)r->at.seq));
		r->at = best;
	}
	r->role = role;
	return NULL;
}

struct error *judge_space(struct batch *b, struct space *s)
{
	_cleanup_(recs_walk_release) struct recs_walk all = {.which = OPS_OF_SPACE, .by = s->num};

	for (;;) {
		struct op_rec *r;
		bool changed;

		TRY(recs_next(b->c, &all, &r));
		if (!r)
			return NULL;
		TRY(judge(b, r, &changed));
		arena_release(&b->arena);
		if (!changed)
			continue;
		TRY(rec_set(b->c, r));
		if (erase_known(b->c, &r->id))
			batch_erasure(b, &r->id);
		if (r->kind == OP_ERASE)
			TRY(erase_queue_target(b, r));
		TRY(batch_dirty(b, r->object));
	}
}
