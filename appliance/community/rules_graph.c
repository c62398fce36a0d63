/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The graph of rules ops: settling it, folding parts of it, and walking it. */
#include "appliance/community/rules_priv.h"

void list_add(struct rules_list *l, uint32_t v)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 2; /* most have one */
		l->p = realloc(l->p, l->cap * sizeof(l->p[0]));
		if (!l->p)
			abort();
	}
	l->p[l->n++] = v;
}

static bool newer_first(const struct rules *r, uint32_t a, uint32_t b)
{
	return r->nodes[a]->order > r->nodes[b]->order;
}

/* --- states --- */
/* Walks back from `tops` to the one op through which every way goes (RULES_NONE above the founding
 * op); what lies between is in r->popped, newest first. Marks it. */
static uint32_t choke(struct rules *r, const uint32_t *tops, size_t n)
{
	r->heap.n = r->popped.n = 0;
	r->stamp++;
	for (size_t i = 0; i < n; i++) {
		if (r->nodes[tops[i]]->mark != r->stamp)
			heap_push(r, &r->heap, newer_first, tops[i]);
		r->nodes[tops[i]]->mark = r->stamp;
	}
	while (r->heap.n > 1) {
		uint32_t at = heap_pop(r, &r->heap, newer_first);
		const struct rules_node *node = r->nodes[at];

		list_add(&r->popped, at);
		for (size_t i = 0; i < node->parents.n; i++) {
			struct rules_node *parent = r->nodes[node->parents.p[i]];

			if (parent->mark != r->stamp)
				heap_push(r, &r->heap, newer_first, node->parents.p[i]);
			parent->mark = r->stamp;
		}
	}
	return r->heap.n ? r->heap.p[0] : (uint32_t)RULES_NONE;
}

/* The state at a node, yours. Steps down through the chokes to a state that is kept, then folds up
 * again. */
static struct rules_state *climb(struct rules *r, uint32_t node)
{
	struct rules_list path = {0};
	struct rules_state *s = NULL;
	uint32_t at = node;

	while (at != RULES_NONE && !r->nodes[at]->state) {
		list_add(&path, at);
		at = choke(r, r->nodes[at]->parents.p, r->nodes[at]->parents.n);
	}
	s = at == RULES_NONE ? state_new() : state_copy(r->nodes[at]->state);
	while (path.n) {
		at = path.p[--path.n];
		choke(r, r->nodes[at]->parents.p, r->nodes[at]->parents.n);
		fold_popped(r, s);
		state_apply(r, s, at, false);
		/* On a long way some are left behind, for those who come after. */
		if (path.n && path.n % 256 == 0)
			graph_keep(r, at, state_copy(s));
	}
	free(path.p);
	return s;
}

struct rules_state *graph_fold(struct rules *r, const uint32_t *tops, size_t n)
{
	uint32_t base = choke(r, tops, n);
	struct rules_list between = r->popped;
	struct rules_state *s;

	if (base == RULES_NONE)
		return state_new();
	/* Climbing walks too: it gets a list of its own. */
	r->popped = (struct rules_list){0};
	s = r->nodes[base]->state ? state_copy(r->nodes[base]->state) : climb(r, base);
	free(r->popped.p);
	r->popped = between;
	fold_popped(r, s);
	return s;
}

static void forget(struct rules *r, int i)
{
	if (r->kept[i] && r->kept[i]->node != RULES_NONE)
		r->nodes[r->kept[i]->node]->state = NULL;
	state_free(r->kept[i]);
	r->kept[i] = NULL;
}

void graph_forget_states(struct rules *r)
{
	for (int i = 0; i < RULES_STATES; i++)
		forget(r, i);
}

static size_t size_of(const struct rules_state *s)
{
	return s->slots_n * sizeof(s->slots[0]) + 2 * s->words * sizeof(s->contains[0]);
}

/* A place for one more, which takes so many bytes. */
static int make_room(struct rules *r, size_t bytes)
{
	for (;;) {
		int n = 0, oldest = -1, empty = 0;
		size_t sum = bytes;

		for (int i = 0; i < RULES_STATES; i++) {
			if (!r->kept[i]) {
				empty = i;
				continue;
			}
			n++;
			sum += size_of(r->kept[i]);
			if (oldest < 0 || r->kept[i]->used < r->kept[oldest]->used)
				oldest = i;
		}
		if (n < RULES_STATES_FEW || (n < RULES_STATES && sum <= RULES_STATES_BYTES))
			return empty;
		forget(r, oldest);
	}
}

void graph_keep(struct rules *r, uint32_t node, struct rules_state *take_s)
{
	int at = make_room(r, size_of(take_s));

	take_s->node = node;
	take_s->used = ++r->clock;
	r->nodes[node]->state = take_s;
	r->kept[at] = take_s;
}

/* The state at the only parent, itself, when it is large: on a long way each op would copy it. Some
 * stay where they are, for those who ask later. NULL: it is copied. */
static struct rules_state *take_over(struct rules *r, const struct rules_node *n)
{
	enum { LARGE = 64 * 1024, STAYS = 256 };
	struct rules_node *parent = n->parents.n == 1 ? r->nodes[n->parents.p[0]] : NULL;
	struct rules_state *s = parent ? parent->state : NULL;

	if (!s || size_of(s) < LARGE || parent->depth % STAYS == 0)
		return NULL;
	for (int i = 0; i < RULES_STATES; i++)
		if (r->kept[i] == s)
			r->kept[i] = NULL;
	parent->state = NULL;
	s->node = RULES_NONE;
	return s;
}

const struct rules_state *rules_at(struct rules *r, uint32_t at)
{
	if (!r->nodes[at]->state)
		graph_keep(r, at, climb(r, at));
	r->nodes[at]->state->used = ++r->clock;
	return r->nodes[at]->state;
}

/* --- ancestors --- */
static void set_choke(struct rules *r, struct rules_node *n)
{
	const struct rules_node *c, *far;

	n->choke = choke(r, n->parents.p, n->parents.n);
	c = r->nodes[n->choke];
	far = r->nodes[c->jump];
	n->chokes = c->chokes + 1;
	n->jump = c->chokes - far->chokes == far->chokes - r->nodes[far->jump]->chokes ? far->jump
										       : n->choke;
}

/* Every way down from `young` leads through its choke: what lies deeper is below that, too. */
static uint32_t step_down(const struct rules *r, uint32_t young, uint32_t depth)
{
	while (young != r->founding) {
		const struct rules_node *n = r->nodes[young];

		if (r->nodes[n->jump]->depth >= depth)
			young = n->jump;
		else if (r->nodes[n->choke]->depth >= depth)
			young = n->choke;
		else
			break;
	}
	return young;
}

bool rules_is_ancestor(struct rules *r, uint32_t of_old, uint32_t young)
{
	uint32_t depth = r->nodes[of_old]->depth;

	if (depth >= r->nodes[young]->depth)
		return false;
	young = step_down(r, young, depth);
	if (young == of_old)
		return true;
	r->path.n = 0;
	r->stamp++;
	list_add(&r->path, young);
	while (r->path.n) {
		const struct rules_node *node = r->nodes[r->path.p[--r->path.n]];

		for (size_t i = 0; i < node->parents.n; i++) {
			uint32_t at = node->parents.p[i];
			struct rules_node *parent = r->nodes[at];

			if (at == of_old)
				return true;
			if (parent->depth <= depth || parent->mark == r->stamp)
				continue;
			parent->mark = r->stamp;
			list_add(&r->path, at);
		}
	}
	return false;
}

/* --- settling --- */
static void add_parent(struct rules *r, struct rules_node *n, uint32_t at)
{
	size_t keep = 0;

	for (size_t i = 0; i < n->parents.n; i++)
		if (n->parents.p[i] == at || rules_is_ancestor(r, at, n->parents.p[i]))
			return;
	for (size_t i = 0; i < n->parents.n; i++)
		if (!rules_is_ancestor(r, n->parents.p[i], at))
			n->parents.p[keep++] = n->parents.p[i];
	n->parents.n = keep;
	list_add(&n->parents, at);
}

static bool founds(const struct rules_node *n)
{
	for (size_t i = 0; i < n->places_n; i++)
		if (n->places[i].appliance == n->appliance)
			return true;
	return false;
}

static void become_child(struct rules *r, uint32_t at)
{
	struct rules_node *n = r->nodes[at];
	size_t keep = 0;

	for (size_t i = 0; i < n->parents.n; i++) {
		struct rules_node *parent = r->nodes[n->parents.p[i]];

		list_add(&parent->children, at);
		if (parent->depth >= n->depth)
			n->depth = parent->depth + 1;
	}
	set_choke(r, n);
	for (size_t i = 0; i < r->heads.n; i++)
		if (!r->nodes[r->heads.p[i]]->children.n)
			r->heads.p[keep++] = r->heads.p[i];
	r->heads.n = keep;
	list_add(&r->heads, at);
}

/* Judges one node whose parents were judged. */
static void settle_node(struct rules *r, uint32_t at)
{
	struct rules_node *n = r->nodes[at];
	struct rules_state *s, *taken;

	n->parents.n = n->children.n = 0;
	n->valid = n->takes = false;
	n->depth = 0;
	n->grant = RULES_NONE;
	for (size_t i = 0; i < n->named_n && n->kind != RULE_FOUND; i++) {
		uint32_t parent = idmap_get(&r->by_id, &n->named[i]);

		if (parent != RULES_NONE && r->nodes[parent]->valid)
			add_parent(r, n, parent);
	}
	if (n->kind == RULE_FOUND) {
		n->valid = founds(n);
		n->rank_role = ROLE_STEWARD;
		n->grant = at;
		n->choke = n->jump = at;
		n->chokes = 0;
		if (n->valid) {
			r->founding = at;
			list_add(&r->heads, at);
		}
		return;
	}
	if (!n->parents.n)
		return;
	taken = take_over(r, n);
	s = taken ? taken : graph_fold(r, n->parents.p, n->parents.n);
	n->rank_role = state_author(s, n, &n->grant);
	n->valid = !state_refuses(s, n);
	n->takes = state_takes(s, n);
	if (n->valid) {
		become_child(r, at);
		state_apply(r, s, at, false);
		graph_keep(r, at, s);
	} else if (taken) {
		graph_keep(r, n->parents.p[0], s);
	} else {
		state_free(s);
	}
}

/* Judge `at` and what is named below it, deepest first; order is 0 for those not judged yet. */
static void settle_from(struct rules *r, uint32_t at, uint32_t *order)
{
	struct rules_list stack = {0};

	list_add(&stack, at);
	while (stack.n) {
		uint32_t top = stack.p[stack.n - 1];
		struct rules_node *n = r->nodes[top];
		bool ready = true;

		for (size_t i = 0; i < n->named_n && !n->order; i++) {
			uint32_t below = idmap_get(&r->by_id, &n->named[i]);

			if (below != RULES_NONE && !r->nodes[below]->order) {
				list_add(&stack, below);
				ready = false;
			}
		}
		if (!ready)
			continue;
		stack.n--;
		if (n->order)
			continue;
		n->order = ++*order;
		settle_node(r, top);
	}
	free(stack.p);
}

static void settle_all(struct rules *r)
{
	uint32_t order = 0;

	graph_forget_states(r);
	r->founding = RULES_NONE;
	r->heads.n = 0;
	for (uint32_t i = 0; i < r->n; i++)
		r->nodes[i]->order = 0;
	for (uint32_t i = 0; i < r->n; i++)
		if (!r->nodes[i]->order)
			settle_from(r, i, &order);
	r->epoch++;
}

static void settle_fresh(struct rules *r)
{
	for (size_t i = 0; i < r->fresh.n; i++) {
		uint32_t at = r->fresh.p[i];

		r->nodes[at]->order = at + 1;
		settle_node(r, at);
	}
}

/* The effective revocations of each key, as chains. */
static void index_revocations(struct rules *r)
{
	r->first_revocation.n = 0;
	for (uint32_t i = 0; i < r->keys_n; i++)
		list_add(&r->first_revocation, RULES_NONE);
	for (size_t i = 0; i < r->revocations.n; i++) {
		struct rules_node *n = r->nodes[r->revocations.p[i]];

		if (!state_has(r->now->applied, r->now->words, (uint32_t)i))
			continue;
		n->next_revocation = r->first_revocation.p[n->key];
		r->first_revocation.p[n->key] = r->revocations.p[i];
	}
}

static void settle_now(struct rules *r)
{
	struct rules_list heads = {0};
	struct rules_state *old = r->now;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->nodes[i]->valid && !r->nodes[i]->children.n)
			list_add(&heads, i);
	r->now = graph_fold(r, heads.p, heads.n);
	free(heads.p);
	index_revocations(r);
	if (!old || old->words != r->now->words ||
	    (old->words &&
	     memcmp(old->applied, r->now->applied, old->words * sizeof(uint64_t)) != 0))
		r->epoch++;
	state_free(old);
}

void rules_settle(struct rules *r)
{
	if (!r->unsettled)
		return;
	if (r->broken)
		settle_all(r);
	else
		settle_fresh(r);
	r->fresh.n = 0;
	r->broken = r->unsettled = false;
	settle_now(r);
}
