/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Folding an object from its beginning, in Kahn's order along `seen`. */
#include "appliance/community/community_priv.h"

/* An object may have a million ops: of each no more is kept than its order needs. */
struct node {
	struct hash id;
	int64_t num, time;
	uint32_t after_at;  /* in graph.after: whom it waits for */
	uint32_t before_at; /* in graph.before: who waits for it, up to where the next one begins */
	uint32_t waits;
	uint8_t after_n, kind;
};

struct graph {
	struct batch *b;
	struct object *o;
	struct node *nodes;   /* one more than there are */
	uint32_t n, creation; /* IDMAP_NONE: there is none */
	uint32_t *by_id;      /* the nodes, sorted */
	struct recs few;      /* all rows, when they are few; else they are read again */
	uint32_t *after, *before;
	uint32_t after_n, after_cap;
	uint32_t *heap, heap_n; /* a stack, as long as edges are looked for */
	uint32_t at;		/* the node of the row in hand */
};

static void graph_release(struct graph *g)
{
	free(g->nodes);
	free(g->by_id);
	free(g->after);
	free(g->before);
	free(g->heap);
	recs_release(&g->few);
}

static bool takes_part(const struct op_rec *r)
{
	return r->role != ROLE_ABSENT && (r->kind == OP_CONTENT || r->kind == OP_UNKNOWN ||
					  r->kind == OP_ERASE || r->kind == OP_GONE);
}

/* --- loading --- */
typedef struct error *row_fn(struct graph *g, const struct op_rec *r);

static struct error *each_row(struct graph *g, row_fn *fn)
{
	_cleanup_(recs_walk_release) struct recs_walk all = {.which = OPS_OF_OBJECT,
							     .by = g->o->num};
	struct op_rec *r;

	for (size_t i = 0; i < g->few.n; i++)
		TRY(fn(g, &g->few.p[i]));
	while (!g->few.n) {
		TRY(recs_next(g->b->c, &all, &r));
		if (!r)
			break;
		TRY(fn(g, r));
	}
	return NULL;
}

/* The row of a node: borrowed, or in *hold. */
static struct error *row_of(struct graph *g, const struct node *node, struct op_rec *hold,
			    const struct op_rec **ret)
{
	size_t low = 0, high = g->few.n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (g->few.p[mid].num < node->num)
			low = mid + 1;
		else
			high = mid;
	}
	*ret = g->few.n ? &g->few.p[low] : hold;
	return g->few.n ? NULL : rec_by_num(g->b->c, node->num, hold);
}

static struct error *add_node(struct graph *g, const struct op_rec *r)
{
	if (!takes_part(r))
		return NULL;
	if (hash_eq(&r->id, &g->o->id))
		g->creation = g->n;
	g->by_id[g->n] = g->n;
	g->nodes[g->n++] = (struct node){
		.id = r->id, .num = r->num, .time = r->time, .kind = (uint8_t)r->kind};
	return NULL;
}

static int id_cmp(const void *a, const void *b, void *ctx)
{
	const struct node *nodes = ctx;

	return hash_cmp(&nodes[*(const uint32_t *)a].id, &nodes[*(const uint32_t *)b].id);
}

static struct error *graph_load(struct graph *g)
{
	struct conn *c = g->b->c;
	int64_t rows;

	TRY(db_number(c->view, c->community->stmts, OPS_COUNT, 0, &rows, "ii", g->o->num,
		      INT64_MAX));
	g->nodes = calloc((size_t)rows + 1, sizeof(g->nodes[0]));
	g->by_id = calloc((size_t)rows + 1, sizeof(g->by_id[0]));
	g->heap = calloc((size_t)rows + 1, sizeof(g->heap[0]));
	if (!g->nodes || !g->by_id || !g->heap)
		abort();
	g->creation = IDMAP_NONE;
	if (rows <= RECS_PAGE)
		TRY(recs_page(c, OPS_OF_OBJECT, g->o->num, &g->few));
	TRY(each_row(g, add_node));
	qsort_r(g->by_id, g->n, sizeof(g->by_id[0]), id_cmp, g->nodes);
	return NULL;
}

static uint32_t find_node(const struct graph *g, const struct hash *id)
{
	uint32_t low = 0, high = g->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (hash_cmp(&g->nodes[g->by_id[mid]].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < g->n && hash_eq(&g->nodes[g->by_id[low]].id, id) ? g->by_id[low]
								      : (uint32_t)IDMAP_NONE;
}

/* --- edges: those of one node are added one after the other --- */
static void add_edge(struct graph *g, uint32_t from, uint32_t to)
{
	struct node *node = &g->nodes[from];

	if (!node->after_n)
		node->after_at = g->after_n;
	for (uint32_t i = 0; i < node->after_n; i++)
		if (g->after[node->after_at + i] == to)
			return;
	if (g->after_n == g->after_cap) {
		g->after_cap = g->after_cap ? g->after_cap * 2 : 64;
		g->after = realloc(g->after, g->after_cap * sizeof(g->after[0]));
		if (!g->after)
			abort();
	}
	g->after[g->after_n++] = to;
	node->after_n++;
	g->nodes[to].before_at++; /* how many, at first */
}

/* Does a way along what they wait for lead from one to the other? */
static bool leads_to(struct graph *g, uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n; i++)
		g->nodes[i].waits = 0;
	g->heap[n++] = from;
	g->nodes[from].waits = 1;
	while (n) {
		const struct node *node = &g->nodes[g->heap[--n]];

		if (node == &g->nodes[to])
			return true;
		for (uint32_t i = 0; i < node->after_n; i++) {
			uint32_t next = g->after[node->after_at + i];

			if (g->nodes[next].waits)
				continue;
			g->nodes[next].waits = 1;
			g->heap[n++] = next;
		}
	}
	return false;
}

static struct error *add_edges(struct graph *g, uint32_t from, const struct hash *named, size_t n,
			       bool ghost)
{
	for (size_t i = 0; i < n && from != g->creation; i++) {
		uint32_t to = find_node(g, &named[i]);

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

/* The other way round: of each node those that wait for it, one after the other. */
static void turn_edges(struct graph *g)
{
	uint32_t sum = 0;

	g->before = calloc((size_t)g->after_n + 1, sizeof(g->before[0]));
	if (!g->before)
		abort();
	for (uint32_t i = 0; i <= g->n; i++) {
		uint32_t many = g->nodes[i].before_at;

		sum += many;
		g->nodes[i].before_at = sum; /* its end, and its beginning when it is filled */
	}
	for (uint32_t i = 0; i < g->n; i++)
		for (uint32_t k = 0; k < g->nodes[i].after_n; k++)
			g->before[--g->nodes[g->after[g->nodes[i].after_at + k]].before_at] = i;
}

static int key_cmp(const struct node *a, const struct node *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return hash_cmp(&a->id, &b->id);
}

/* What an erased op had seen is only what its eraser says: such a claim that would close a circle
 * is left out, in the order of the erased ops' keys. */
static int ghost_cmp(const void *a, const void *b, void *ctx)
{
	const struct node *nodes = ctx;

	return key_cmp(&nodes[*(const uint32_t *)a], &nodes[*(const uint32_t *)b]);
}

/* The op that erased it, and its body: yours, NULL when there is none (any more). */
static struct error *load_erase(struct graph *g, const struct op_rec *gone, struct op *ret,
				json_t **ret_body)
{
	enum op_kind kind;
	struct op_rec e;

	*ret_body = NULL;
	TRY(erase_effective(g->b->c, gone, &e));
	return e.num ? rec_parse(g->b->c, &e, ret, ret_body, &kind) : NULL;
}

static struct error *add_ghost_edges(struct graph *g, uint32_t at)
{
	const struct op_rec *r;
	struct op_rec hold;
	struct hash ids[LIMIT_SEEN];
	const json_t *after;
	json_t *body;
	struct op by;
	size_t n = 0;

	TRY(row_of(g, &g->nodes[at], &hold, &r));
	TRY(load_erase(g, r, &by, &body));
	after = json_object_get(body, "after");
	for (size_t i = 0; i < json_array_size(after) && n < LIMIT_SEEN; i++)
		n += id_parse(json_string_value(json_array_get(after, i)), &ids[n]);
	json_decref(body);
	return add_edges(g, at, ids, n, true);
}

static struct error *row_edges(struct graph *g, const struct op_rec *r)
{
	if (!takes_part(r))
		return NULL;
	if (r->kind != OP_GONE)
		TRY(add_edges(g, g->at, r->seen, r->nseen, false));
	g->at++;
	return NULL;
}

static struct error *graph_edges(struct graph *g)
{
	_cleanup_(freep) uint32_t *ghosts = NULL;
	uint32_t n = 0;

	if (g->o->flags & OBJECT_MISSES)
		TRY(db_do(g->b->c->view, g->b->c->community->stmts, MISSING_DROP, "i", g->o->num));
	g->o->flags &= ~(unsigned)OBJECT_MISSES;
	TRY(each_row(g, row_edges));
	for (uint32_t i = 0; i < g->n; i++)
		n += g->nodes[i].kind == OP_GONE;
	ghosts = calloc((size_t)n + 1, sizeof(*ghosts));
	if (!ghosts)
		abort();
	n = 0;
	for (uint32_t i = 0; i < g->n; i++)
		if (g->nodes[i].kind == OP_GONE)
			ghosts[n++] = i;
	qsort_r(ghosts, n, sizeof(*ghosts), ghost_cmp, g->nodes);
	for (uint32_t i = 0; i < n; i++)
		TRY(add_ghost_edges(g, ghosts[i]));
	turn_edges(g);
	return NULL;
}

/* --- Kahn --- */
static bool less(const struct graph *g, uint32_t a, uint32_t b)
{
	return key_cmp(&g->nodes[a], &g->nodes[b]) < 0;
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
static struct error *tell_features(struct graph *g, const struct op *gone, const struct op *by)
{
	const struct feature *const *list = g->b->c->community->features;
	struct fold f = {
		.conn = g->b->c, .space = gone->space, .object = g->o->id, .arena = &g->b->arena};
	struct error *err = NULL;

	for (int i = 0; list[i] && !err; i++) {
		if (!list[i]->erased)
			continue;
		g->o->features |= (uint64_t)1 << i;
		f.memo = &g->b->memo[i];
		err = list[i]->erased(&f, gone, by);
	}
	arena_release(&g->b->arena);
	return err;
}

static struct error *tell_erased(struct graph *g, const struct op_rec *r)
{
	struct op gone, by;
	struct error *err;
	json_t *body;

	TRY(load_erase(g, r, &by, &body));
	if (!body)
		return NULL;
	rec_op(g->b->c, r, &gone);
	gone.object = g->o->id;
	gone.nseen = 0;
	err = tell_features(g, &gone, &by);
	json_decref(body);
	return err;
}

static struct error *apply_node(struct graph *g, const struct node *node)
{
	const struct op_rec *r;
	struct op_rec hold;
	enum op_kind kind;
	struct error *err;
	json_t *body;
	struct op op;

	if (node->kind != OP_GONE && node->kind != OP_CONTENT)
		return NULL;
	TRY(row_of(g, node, &hold, &r));
	if (node->kind == OP_GONE)
		return tell_erased(g, r);
	TRY(rec_parse(g->b->c, r, &op, &body, &kind));
	err = kind == OP_CONTENT ? fold_op(g->b, g->o, &op) : NULL;
	json_decref(body);
	return err;
}

static struct error *visit(struct graph *g, uint32_t at)
{
	const struct node *node = &g->nodes[at];
	struct object *o = g->o;

	TRY(apply_node(g, node));
	if (node->before_at == node[1].before_at && (at != g->creation || g->n == 1)) {
		if (o->nheads < MAX_HEADS + 1)
			o->heads[o->nheads++] = node->id;
	}
	if (at == g->creation ||
	    key_cmp(node, &(struct node){.time = o->max_time, .id = o->max_id}) > 0) {
		o->max_time = node->time;
		o->max_id = node->id;
	}
	return NULL;
}

enum { GIVE_WAY = 64 };

static struct error *graph_fold_all(struct graph *g)
{
	for (uint32_t i = 0; i < g->n; i++)
		g->nodes[i].waits = g->nodes[i].after_n;
	TRY(visit(g, g->creation));
	for (uint32_t i = 0; i < g->n; i++)
		if (i != g->creation && g->nodes[i].waits == 0)
			push(g, i);
	for (uint32_t done = 1; g->heap_n; done++) {
		uint32_t at = pop(g);

		if (done % GIVE_WAY == 0)
			TRY(give_way(g->b->c));
		TRY(visit(g, at));
		for (uint32_t i = g->nodes[at].before_at; i < g->nodes[at + 1].before_at; i++)
			if (--g->nodes[g->before[i]].waits == 0)
				push(g, g->before[i]);
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
	if (g.creation != IDMAP_NONE && g.nodes[g.creation].kind != OP_UNKNOWN) {
		o->flags |= OBJECT_MADE;
		TRY(graph_edges(&g));
		TRY(graph_fold_all(&g));
	}
	o->dirty = false;
	o->flags &= ~(unsigned)OBJECT_LATE;
	return NULL;
}
