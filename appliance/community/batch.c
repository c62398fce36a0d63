/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A batch: the objects in hand while entries are taken in, and what is left to do at its end. */
#include "appliance/community/community_priv.h"

void batch_release(struct batch *b)
{
	const struct feature *const *list = b->c->community->features;

	for (int i = 0; list[i]; i++)
		if (b->memo[i])
			list[i]->forget(b->memo[i]);
	arena_release(&b->arena);
	idmap_release(&b->object_at);
	idmap_release(&b->erasure_at);
	for (size_t i = 0; i < b->objects_n; i++)
		free(b->objects[i]);
	free(b->objects);
	free(b->erasures);
}

static struct object *add_object(struct batch *b, const struct object *o)
{
	struct object *kept = malloc(sizeof(*kept));

	if (b->objects_n == b->objects_cap) {
		b->objects_cap = b->objects_cap ? b->objects_cap * 2 : 16;
		b->objects = realloc(b->objects, b->objects_cap * sizeof(b->objects[0]));
	}
	if (!kept || !b->objects)
		abort();
	*kept = *o;
	/* Two spaces may name one id: only one of them founded it, the other is found by its row.
	 */
	if (idmap_get(&b->object_at, &o->id) == IDMAP_NONE)
		idmap_put(&b->object_at, &o->id, (uint32_t)b->objects_n);
	b->objects[b->objects_n++] = kept;
	return kept;
}

static struct object *object_in_hand(struct batch *b, const struct hash *id, int64_t space)
{
	uint32_t at = idmap_get(&b->object_at, id);

	if (at == IDMAP_NONE)
		return NULL;
	if (b->objects[at]->space == space)
		return b->objects[at];
	for (size_t i = at + 1; i < b->objects_n; i++)
		if (b->objects[i]->space == space && hash_eq(&b->objects[i]->id, id))
			return b->objects[i];
	return NULL;
}

struct error *batch_object(struct batch *b, int64_t space, const struct hash *id,
			   struct object **ret, bool *ret_new)
{
	struct object *have = object_in_hand(b, id, space);
	struct object o = {0};

	*ret_new = false;
	if (!have) {
		TRY(object_find(b->c, id, space, &o));
		if (!o.num) {
			o = (struct object){.id = *id, .space = space};
			TRY(object_add(b->c, &o));
			*ret_new = true;
		}
		have = add_object(b, &o);
	}
	*ret = have;
	return NULL;
}

struct error *batch_dirty(struct batch *b, int64_t object)
{
	struct object o = {0}, *have;

	if (!object)
		return NULL;
	TRY(object_by_num(b->c, object, &o));
	have = object_in_hand(b, &o.id, o.space);
	if (!have)
		have = add_object(b, &o);
	have->dirty = true;
	return NULL;
}

void batch_erasure(struct batch *b, const struct hash *target)
{
	uint32_t at = idmap_get(&b->erasure_at, target);

	if (at != IDMAP_NONE && at >= b->erasures_done)
		return;
	if (b->erasures_n == b->erasures_cap) {
		b->erasures_cap = b->erasures_cap ? b->erasures_cap * 2 : 16;
		b->erasures = realloc(b->erasures, b->erasures_cap * sizeof(b->erasures[0]));
		if (!b->erasures)
			abort();
	}
	idmap_put(&b->erasure_at, target, (uint32_t)b->erasures_n);
	b->erasures[b->erasures_n++] = *target;
}

static struct error *finish_rules(struct batch *b)
{
	struct memory *m = &b->c->community->m;

	for (size_t i = 0; i < m->spaces_n; i++) {
		struct space *s = m->spaces[i];

		bool gained, lost;

		if (rules_unsettled(s->rules))
			settle_space(b->c, s);
		keyring_update(b->c, s, &gained, &lost);
		if (gained || lost)
			TRY(keyring_retake(b, s, gained, lost));
		if (s->rejudge)
			TRY(judge_space(b, s));
		s->rejudge = false;
		if (s->settle)
			TRY(show_space(b->c, s));
	}
	return NULL;
}

static struct error *store_logs(struct batch *b)
{
	struct memory *m = &b->c->community->m;

	for (size_t i = 0; i < m->logs_n; i++) {
		struct vlog *l = m->logs[i];

		if (!l || !l->changed)
			continue;
		TRY(db_do(b->c->view, b->c->community->stmts, LOG_SET, "iiik", l->num,
			  (int64_t)l->stop, (int64_t)l->top, &l->top_hash));
		l->changed = false;
	}
	return NULL;
}

static struct error *settle_features(struct batch *b)
{
	const struct feature *const *list = b->c->community->features;

	for (int i = 0; list[i]; i++)
		if (b->memo[i])
			TRY(list[i]->settle(b->c, b->memo[i]));
	return NULL;
}

/* Late, and for longer: not what is folded again anyway, and not what is soon done. */
static struct error *put_off(struct batch *b, const struct object *o, bool *ret)
{
	int64_t n;

	*ret = b->lazy && !o->dirty;
	if (!*ret)
		return NULL;
	TRY(db_number(b->c->view, b->c->community->stmts, OPS_COUNT, 0, &n, "ii", o->num,
		      (int64_t)b->spare + 1));
	*ret = (size_t)n > b->spare;
	if (*ret)
		conn_tidy_later(b->c);
	else
		b->spare -= (size_t)n;
	return NULL;
}

static struct error *fold_again(struct batch *b)
{
	for (size_t i = 0; i < b->objects_n; i++) {
		struct object *o = b->objects[i];
		bool later;

		if (!o->dirty && !(o->flags & OBJECT_LATE))
			continue;
		TRY(put_off(b, o, &later));
		if (!later)
			TRY(object_refold(b, o));
	}
	return NULL;
}

struct error *batch_finish(struct batch *b)
{
	TRY(finish_rules(b));
	/* Settling an erasure may queue another: an array that grows. */
	while (b->erasures_done < b->erasures_n) {
		struct hash target = b->erasures[b->erasures_done++];

		TRY(erase_settle(b, &target));
	}
	TRY(fold_again(b));
	TRY(settle_features(b));
	for (size_t i = 0; i < b->objects_n; i++)
		if (b->objects[i]->changed)
			TRY(object_set(b->c, b->objects[i]));
	return store_logs(b);
}
