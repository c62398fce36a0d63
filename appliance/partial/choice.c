/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/partial/partial_priv.h"

static bool is_message(const struct loose_op *o)
{
	return !strcmp(o->type, "topic.create") || !strcmp(o->type, "post.create") ||
	       !strcmp(o->type, "post.edit");
}

static bool is_edit(const struct loose_op *o)
{
	return !hash_is_zero(&o->about);
}

static int by_id(const void *a, const void *b)
{
	return hash_cmp(&((const struct loose_op *)a)->id, &((const struct loose_op *)b)->id);
}

static struct loose_op *find(struct loose_op *ops, size_t n, const struct hash *id)
{
	struct loose_op key = {.id = *id};

	return n ? bsearch(&key, ops, n, sizeof(*ops), by_id) : NULL;
}

/* Both stay or both go: an edit that stayed alone would say nothing, and a message without its edit
 * something else than its author does. */
static void join_edits(struct loose_op *ops, size_t n, bool *stays)
{
	for (size_t i = 0; i < n; i++) {
		const struct loose_op *post = is_edit(&ops[i]) ? find(ops, n, &ops[i].about) : NULL;

		if (post && stays[i])
			stays[post - ops] = true;
	}
	for (size_t i = 0; i < n; i++) {
		const struct loose_op *post = is_edit(&ops[i]) ? find(ops, n, &ops[i].about) : NULL;

		if (post && stays[post - ops])
			stays[i] = true;
	}
}

size_t choice_falls_out(struct loose_op *ops, size_t n, int64_t since, bool ruled)
{
	_cleanup_(freep) bool *stays = calloc(n + 1, sizeof(*stays));
	bool alive = false;
	size_t out = 0;

	if (!stays)
		abort();
	if (n)
		qsort(ops, n, sizeof(*ops), by_id);
	for (size_t i = 0; i < n; i++) {
		stays[i] = !is_message(&ops[i]) || ops[i].time >= since;
		alive |= stays[i];
	}
	for (size_t i = 0; i < n && alive; i++)
		stays[i] |= ruled || hash_eq(&ops[i].id, &ops[i].object);
	join_edits(ops, n, stays);
	for (size_t i = 0; i < n; i++)
		if (!stays[i])
			ops[out++] = ops[i];
	return out;
}
