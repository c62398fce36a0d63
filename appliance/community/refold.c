/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Folding an object from its beginning, in Kahn's order along `seen`. */
#include "appliance/community/community_priv.h"

struct node {
	const struct op_rec *r;
	uint32_t *after, *before; /* whom it waits for; who waits for it */
	uint32_t after_n, before_n, before_cap;
	uint32_t waits;
	json_t *erase; /* of what is gone: the body of the op that erased it */
	struct op erased_by;
};

struct graph {
	struct batch *b;
	struct object *o;
	struct recs recs;
	struct node *nodes;
	uint32_t n, creation; /* IDMAP_NONE: there is none */
	struct idmap at;
	uint32_t *heap, heap_n, *stack;
};

static void graph_release(struct graph *g)
{
	for (uint32_t i = 0; i < g->n; i++) {
		free(g->nodes[i].after);
		free(g->nodes[i].before);
		json_decref(g->nodes[i].erase);
	}
	free(g->nodes);
	free(g->heap);
	free(g->stack);
	idmap_release(&g->at);
	recs_release(&g->recs);
}

static bool takes_part(const struct op_rec *r)
{
	return r->role != ROLE_ABSENT && (r->kind == OP_CONTENT || r->kind == OP_UNKNOWN ||
					  r->kind == OP_ERASE || r->kind == OP_GONE);
}

static struct error *graph_load(struct graph *g)
{
	TRY(recs_load(g->b->c, OPS_OF_OBJECT, g->o->num, &g->recs));
	g->nodes = calloc(g->recs.n + 1, sizeof(g->nodes[0]));
	g->heap = calloc(g->recs.n + 1, sizeof(g->heap[0]));
	g->stack = calloc(g->recs.n + 1, sizeof(g->stack[0]));
	if (!g->nodes || !g->heap || !g->stack)
		abort();
	g->creation = IDMAP_NONE;
	for (size_t i = 0; i < g->recs.n; i++) {
		if (!takes_part(&g->recs.p[i]))
			continue;
		if (hash_eq(&g->recs.p[i].id, &g->o->id))
			g->creation = g->n;
		idmap_put(&g->at, &g->recs.p[i].id, g->n);
		g->nodes[g->n++].r = &g->recs.p[i];
	}
	return NULL;
}

/* --- edges --- */
static void add_edge(struct graph *g, uint32_t from, uint32_t to)
{
	struct node *old = &g->nodes[to];

	for (uint32_t i = 0; i < g->nodes[from].after_n; i++)
		if (g->nodes[from].after[i] == to)
			return;
	if (!g->nodes[from].after)
		g->nodes[from].after = calloc(LIMIT_SEEN, sizeof(uint32_t));
	if (old->before_n == old->before_cap) {
		old->before_cap = old->before_cap ? old->before_cap * 2 : 2;
		old->before = realloc(old->before, old->before_cap * sizeof(uint32_t));
	}
	if (!g->nodes[from].after || !old->before)
		abort();
	g->nodes[from].after[g->nodes[from].after_n++] = to;
	old->before[old->before_n++] = from;
}

/* Does a way along what they wait for lead from one to the other? */
static bool leads_to(struct graph *g, uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n; i++)
		g->nodes[i].waits = 0;
	g->stack[n++] = from;
	g->nodes[from].waits = 1;
	while (n) {
		const struct node *node = &g->nodes[g->stack[--n]];

		if (node == &g->nodes[to])
			return true;
		for (uint32_t i = 0; i < node->after_n; i++) {
			if (g->nodes[node->after[i]].waits)
				continue;
			g->nodes[node->after[i]].waits = 1;
			g->stack[n++] = node->after[i];
		}
	}
	return false;
}

static struct error *add_edges(struct graph *g, uint32_t from, const struct hash *named, size_t n,
			       bool ghost)
{
	for (size_t i = 0; i < n && from != g->creation; i++) {
		uint32_t to = idmap_get(&g->at, &named[i]);

		if (to == from || to == g->creation)
			continue;
		if (to == IDMAP_NONE) {
			TRY(db_do(g->b->c->view, g->b->c->community->stmts, MISSING_ADD, "ik",
				  g->o->num, &named[i]));
			g->o->flags |= OBJECT_MISSES;
		} else if (!ghost || !leads_to(g, to, from)) {
			add_edge(g, from, to);
		}
	}
	return NULL;
}

static int key_cmp(const struct op_rec *a, const struct op_rec *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return hash_cmp(&a->id, &b->id);
}

/* What an erased op had seen is only what its eraser says: such a claim that would close a circle
 * is left out, in the order of the erased ops' keys. */
static int ghost_cmp(const void *a, const void *b, void *ctx)
{
	const struct graph *g = ctx;

	return key_cmp(g->nodes[*(const uint32_t *)a].r, g->nodes[*(const uint32_t *)b].r);
}

static struct error *load_ghost(struct graph *g, uint32_t at)
{
	struct node *node = &g->nodes[at];
	enum op_kind kind;
	struct op_rec e;

	TRY(erase_effective(g->b->c, node->r, &e));
	if (!e.num)
		return NULL;
	return rec_parse(g->b->c, &e, &node->erased_by, &node->erase, &kind);
}

static struct error *add_ghost_edges(struct graph *g, uint32_t at)
{
	const json_t *after = json_object_get(g->nodes[at].erase, "after");
	struct hash ids[LIMIT_SEEN];
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(after) && n < LIMIT_SEEN; i++)
		n += id_parse(json_string_value(json_array_get(after, i)), &ids[n]);
	return add_edges(g, at, ids, n, true);
}

static struct error *graph_edges(struct graph *g)
{
	_cleanup_(freep) uint32_t *ghosts = calloc(g->n + 1, sizeof(*ghosts));
	uint32_t n = 0;

	if (!ghosts)
		abort();
	if (g->o->flags & OBJECT_MISSES)
		TRY(db_do(g->b->c->view, g->b->c->community->stmts, MISSING_DROP, "i", g->o->num));
	g->o->flags &= ~(unsigned)OBJECT_MISSES;
	for (uint32_t i = 0; i < g->n; i++) {
		if (g->nodes[i].r->kind == OP_GONE)
			ghosts[n++] = i;
		else
			TRY(add_edges(g, i, g->nodes[i].r->seen, g->nodes[i].r->nseen, false));
	}
	qsort_r(ghosts, n, sizeof(*ghosts), ghost_cmp, g);
	for (uint32_t i = 0; i < n; i++) {
		TRY(load_ghost(g, ghosts[i]));
		TRY(add_ghost_edges(g, ghosts[i]));
	}
	return NULL;
}

/* --- Kahn --- */
static bool less(const struct graph *g, uint32_t a, uint32_t b)
{
	return key_cmp(g->nodes[a].r, g->nodes[b].r) < 0;
}

static void push(struct graph *g, uint32_t v)
{
	uint32_t at = g->heap_n++;

	while (at > 0 && less(g, v, g->heap[(at - 1) / 2])) {
		g->heap[at] = g->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	g->heap[at] = v;
}

static uint32_t pop(struct graph *g)
{
	uint32_t top = g->heap[0], last = g->heap[--g->heap_n], at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= g->heap_n)
			break;
		if (child + 1 < g->heap_n && less(g, g->heap[child + 1], g->heap[child]))
			child++;
		if (!less(g, g->heap[child], last))
			break;
		g->heap[at] = g->heap[child];
		at = child;
	}
	g->heap[at] = last;
	return top;
}

/* --- applying --- */
static struct error *tell_erased(struct graph *g, const struct node *node)
{
	const struct feature *const *list = g->b->c->community->features;
	struct op gone;
	struct fold f = {.conn = g->b->c, .object = g->o->id, .arena = &g->b->arena};
	struct error *err = NULL;

	if (!node->erase)
		return NULL;
	rec_op(g->b->c, node->r, &gone);
	gone.object = g->o->id;
	gone.nseen = 0;
	f.space = gone.space;
	for (int i = 0; list[i] && !err; i++) {
		if (!list[i]->erased)
			continue;
		g->o->features |= (uint64_t)1 << i;
		f.memo = &g->b->memo[i];
		err = list[i]->erased(&f, &gone, &node->erased_by);
	}
	arena_release(&g->b->arena);
	return err;
}

static struct error *apply_node(struct graph *g, const struct node *node)
{
	enum op_kind kind;
	struct error *err;
	json_t *body;
	struct op op;

	if (node->r->kind == OP_GONE)
		return tell_erased(g, node);
	if (node->r->kind != OP_CONTENT)
		return NULL;
	TRY(rec_parse(g->b->c, node->r, &op, &body, &kind));
	err = kind == OP_CONTENT ? fold_op(g->b, g->o, &op) : NULL;
	json_decref(body);
	return err;
}

static struct error *visit(struct graph *g, uint32_t at)
{
	const struct node *node = &g->nodes[at];
	struct object *o = g->o;

	TRY(apply_node(g, node));
	if (node->before_n == 0 && (at != g->creation || g->n == 1)) {
		if (o->nheads < MAX_HEADS + 1)
			o->heads[o->nheads++] = node->r->id;
	}
	if (at == g->creation ||
	    key_cmp(node->r, &(struct op_rec){.time = o->max_time, .id = o->max_id}) > 0) {
		o->max_time = node->r->time;
		o->max_id = node->r->id;
	}
	return NULL;
}

static struct error *graph_fold_all(struct graph *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		g->nodes[i].waits = g->nodes[i].after_n;
	TRY(visit(g, g->creation));
	for (uint32_t i = 0; i < g->n; i++)
		if (i != g->creation && g->nodes[i].waits == 0)
			push(g, i);
	while (g->heap_n) {
		uint32_t at = pop(g);
		const struct node *node = &g->nodes[at];

		TRY(visit(g, at));
		for (uint32_t i = 0; i < node->before_n; i++)
			if (--g->nodes[node->before[i]].waits == 0)
				push(g, node->before[i]);
	}
	return NULL;
}

static struct error *reset(struct batch *b, struct object *o)
{
	const struct feature *const *list = b->c->community->features;
	struct fold f = {.conn = b->c, .object = o->id, .arena = &b->arena};

	f.space = space_of_num(b->c, o->space)->id;
	for (int i = 0; list[i]; i++) {
		f.memo = &b->memo[i];
		if ((o->features >> i & 1) && list[i]->reset)
			TRY(list[i]->reset(&f));
	}
	o->features = 0;
	o->flags &= ~(unsigned)OBJECT_MADE;
	o->nheads = 0;
	o->max_time = 0;
	o->max_id = (struct hash){{0}};
	return NULL;
}

struct error *object_refold(struct batch *b, struct object *o)
{
	_cleanup_(graph_release) struct graph g = {.b = b, .o = o};

	o->changed = true;
	TRY(reset(b, o));
	TRY(graph_load(&g));
	if (g.creation != IDMAP_NONE && g.nodes[g.creation].r->kind != OP_UNKNOWN) {
		o->flags |= OBJECT_MADE;
		TRY(graph_edges(&g));
		TRY(graph_fold_all(&g));
	}
	o->dirty = false;
	o->flags &= ~(unsigned)OBJECT_LATE;
	return NULL;
}
