/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * In which order ops of the rules fold, and what a revocation does to those that did not know of
 * it. PROTOCOL 4.2.
 *
 * Kahn's order alone lets whoever was thrown out go on: an op that names the rules of before is
 * free as early as it likes, the revocation only when its own parents are folded. And no order
 * mends it, for what somebody says in the past can always be put before what others did. So it is
 * not left to the order: what a revocation reaches is struck.
 */
#include "appliance/community/rules_priv.h"

enum { TABLE_WORDS = 1 << 20 }; /* of larger tables nothing is made: ancestors are walked for */

/* --- a heap of nodes, the smallest by `less` on top --- */
void heap_push(const struct rules *r, struct rules_list *h, less_fn *less, uint32_t v)
{
	size_t at = h->n;

	list_add(h, v);
	while (at > 0 && less(r, v, h->p[(at - 1) / 2])) {
		h->p[at] = h->p[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	h->p[at] = v;
}

uint32_t heap_pop(const struct rules *r, struct rules_list *h, less_fn *less)
{
	uint32_t top = h->p[0], last = h->p[--h->n];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && less(r, h->p[child + 1], h->p[child]))
			child++;
		if (!less(r, h->p[child], last))
			break;
		h->p[at] = h->p[child];
		at = child;
	}
	h->p[at] = last;
	return top;
}

/* --- who comes first --- */
/* < 0: the author of `a` stands higher than that of `b`. */
static int standing_cmp(const struct rules *r, const struct rules_node *x,
			const struct rules_node *y)
{
	const struct rules_node *gx, *gy;

	if (x->rank_role != y->rank_role)
		return x->rank_role > y->rank_role ? -1 : 1;
	if (x->grant == y->grant || x->grant == RULES_NONE || y->grant == RULES_NONE)
		return 0;
	gx = r->nodes[x->grant];
	gy = r->nodes[y->grant];
	if (gx->depth != gy->depth)
		return gx->depth < gy->depth ? -1 : 1;
	return hash_cmp(&gx->id, &gy->id);
}

int rank_cmp(const struct rules *r, uint32_t a, uint32_t b)
{
	const struct rules_node *x = r->nodes[a], *y = r->nodes[b];
	bool rx = x->revocation != RULES_NONE, ry = y->revocation != RULES_NONE;
	int standing = standing_cmp(r, x, y);

	if (standing)
		return standing;
	if (rx != ry)
		return rx ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return hash_cmp(&x->id, &y->id);
}

static bool senior_first(const struct rules *r, uint32_t a, uint32_t b)
{
	return rank_cmp(r, a, b) < 0;
}

/* --- what a revocation reaches --- */
bool cut_covers(const struct rules_node *n, uint32_t appliance, uint64_t incarnation, uint64_t seq)
{
	size_t low = 0, high = n->cut_n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct rules_place *c = &n->cut[mid];

		if (c->appliance == appliance && c->incarnation == incarnation)
			return seq <= c->seq;
		if (c->appliance < appliance ||
		    (c->appliance == appliance && c->incarnation < incarnation))
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

bool node_takes_from_person(const struct rules_node *n)
{
	return n->kind == RULE_REVOKE || n->kind == RULE_ROLE || n->kind == RULE_ADD;
}

bool node_reaches(const struct rules_node *taking, const struct rules_node *n)
{
	bool person = node_takes_from_person(taking);

	if (person && (n->by_appliance || n->author != taking->key))
		return false;
	for (size_t i = 0; i < n->places_n; i++) {
		const struct rules_place *at = &n->places[i];

		if ((!person && at->appliance != taking->key) ||
		    cut_covers(taking, at->appliance, at->incarnation, at->seq))
			return false;
	}
	return n->places_n > 0;
}

/* What is left to whom something was taken from: is it enough for that op? */
static bool leaves_enough(const struct rules_node *taking, const struct rules_node *n)
{
	switch (taking->kind) {
	case RULE_ADD:
	case RULE_ROLE: /* those who are no stewards may leave */
		return taking->role == ROLE_STEWARD ||
		       (n->kind == RULE_REVOKE && n->author == n->key);
	case RULE_ADMIT:
		return taking->mode == MODE_WRITE && (taking->keeper || !n->by_appliance ||
						      n->kind == RULE_ADD || n->kind == RULE_JOIN);
	default:
		return false;
	}
}

/* --- folding what lies above one op --- */
/* The ops that take something away among those that are folded, and for each op which of them it
 * has below itself and above: bits, by their places in `taking`. */
struct folding {
	struct rules *r;
	struct rules_list taking; /* by whom they take it from */
	uint64_t *below, *above;
	size_t words;
};

static int by_key(const void *a, const void *b, void *ctx)
{
	const struct rules *r = ctx;
	const struct rules_node *x = r->nodes[*(const uint32_t *)a],
				*y = r->nodes[*(const uint32_t *)b];

	return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : hash_cmp(&x->id, &y->id);
}

static uint64_t *bits_of(uint64_t *all, const struct folding *f, const struct rules_node *n)
{
	return all + f->words * n->in_fold;
}

static void add_bits(const struct folding *f, uint64_t *to, const uint64_t *from)
{
	for (size_t i = 0; i < f->words; i++)
		to[i] |= from[i];
}

static void put_bit(uint64_t *bits, size_t at)
{
	bits[at / 64] |= (uint64_t)1 << at % 64;
}

/* What those beside it (its parents, or its children) have, and itself. */
static void gather(struct folding *f, uint64_t *all, const struct rules_node *n,
		   const struct rules_list *beside)
{
	uint64_t *mine = bits_of(all, f, n);

	for (size_t i = 0; i < beside->n; i++) {
		const struct rules_node *other = f->r->nodes[beside->p[i]];

		if (other->fold == f->r->folds)
			add_bits(f, mine, bits_of(all, f, other));
	}
	if (n->taking != RULES_NONE)
		put_bit(mine, n->taking);
}

/* popped is newest first: what lies above an op stands before it. */
static void relate(struct folding *f)
{
	const struct rules_list *popped = &f->r->popped;

	for (size_t i = 0; i < popped->n; i++) {
		const struct rules_node *n = f->r->nodes[popped->p[i]];

		gather(f, f->above, n, &n->children);
	}
	for (size_t i = popped->n; i-- > 0;) {
		const struct rules_node *n = f->r->nodes[popped->p[i]];

		gather(f, f->below, n, &n->parents);
	}
}

/* What a keeper box takes strikes nothing: it may say that it did so before the other was a keeper,
 * and whom it may throw out can do little. */
static bool strikes(const struct rules_node *n)
{
	return n->takes && !n->by_appliance;
}

/* The keys of those who do something here, as bits; yours. */
static uint64_t *acting_keys(const struct rules *r)
{
	uint64_t *keys = calloc(r->keys_n / 64 + 1, sizeof(*keys));

	if (!keys)
		abort();
	for (size_t i = 0; i < r->popped.n; i++) {
		const struct rules_node *n = r->nodes[r->popped.p[i]];

		put_bit(keys, n->author);
		for (size_t k = 0; k < n->places_n; k++)
			put_bit(keys, n->places[k].appliance);
	}
	return keys;
}

/* Those that take something from somebody who does something here, and no others: most take from
 * who is silent. */
static void find_takings(struct folding *f)
{
	struct rules *r = f->r;
	uint64_t *acting = NULL;

	for (size_t i = 0; i < r->popped.n; i++) {
		uint32_t at = r->popped.p[i];

		if (!strikes(r->nodes[at]))
			continue;
		if (!acting)
			acting = acting_keys(r);
		if (state_has(acting, r->keys_n / 64 + 1, r->nodes[at]->key))
			list_add(&f->taking, at);
	}
	free(acting);
}

static void begin(struct folding *f)
{
	struct rules *r = f->r;

	r->folds++;
	for (size_t i = 0; i < r->popped.n; i++) {
		struct rules_node *n = r->nodes[r->popped.p[i]];

		n->fold = r->folds;
		n->in_fold = (uint32_t)i;
		n->struck = false;
		n->taking = RULES_NONE;
	}
	find_takings(f);
	if (!f->taking.n)
		return;
	qsort_r(f->taking.p, f->taking.n, sizeof(f->taking.p[0]), by_key, r);
	for (size_t i = 0; i < f->taking.n; i++)
		r->nodes[f->taking.p[i]]->taking = (uint32_t)i;
	f->words = (f->taking.n + 63) / 64;
	if (r->popped.n * f->words > TABLE_WORDS)
		return;
	f->below = calloc(r->popped.n * f->words, sizeof(uint64_t));
	f->above = calloc(r->popped.n * f->words, sizeof(uint64_t));
	if (!f->below || !f->above)
		abort();
	relate(f);
}

/* Is the op below the one that takes something, or that one itself? */
static bool is_below(const struct folding *f, uint32_t at, const struct rules_node *taking)
{
	const struct rules_node *n = f->r->nodes[at];

	if (f->above)
		return state_has(bits_of(f->above, f, n), (uint32_t)f->words, taking->taking);
	return n == taking || rules_is_ancestor(f->r, at, f->taking.p[taking->taking]);
}

static bool is_above(const struct folding *f, uint32_t at, const struct rules_node *taking)
{
	const struct rules_node *n = f->r->nodes[at];

	if (f->below)
		return state_has(bits_of(f->below, f, n), (uint32_t)f->words, taking->taking);
	return n == taking || rules_is_ancestor(f->r, f->taking.p[taking->taking], at);
}

/* The first of those that take something from that key. */
static size_t first_taking(const struct folding *f, uint32_t key)
{
	size_t low = 0, high = f->taking.n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (f->r->nodes[f->taking.p[mid]]->key < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Is that op struck by one that takes something from that person, or that appliance? */
static bool is_struck_for(const struct folding *f, uint32_t key, bool person, uint32_t at)
{
	const struct rules_node *n = f->r->nodes[at];

	for (size_t i = first_taking(f, key); i < f->taking.n; i++) {
		const struct rules_node *taking = f->r->nodes[f->taking.p[i]];

		if (taking->key != key)
			break;
		/* Of two that could strike each other the first does. */
		if (taking != n && !taking->struck && node_takes_from_person(taking) == person &&
		    (!strikes(n) || rank_cmp(f->r, f->taking.p[i], at) < 0) &&
		    standing_cmp(f->r, taking, n) <= 0 && !leaves_enough(taking, n) &&
		    !is_below(f, at, taking) && !is_above(f, at, taking))
			return true;
	}
	return false;
}

/* The cut protects nothing here: what the author of the revocation knew and could judge is below
 * it. What lay within the cut and could not be judged may have been put there to be judged later.
 */
static bool is_struck(const struct folding *f, uint32_t at)
{
	const struct rules_node *n = f->r->nodes[at];

	if (!f->taking.n)
		return false;
	/* Whose it is, wherever it lies; and what is nowhere but in logs of those that were thrown
	 * out. */
	if (is_struck_for(f, n->author, !n->by_appliance, at))
		return true;
	for (size_t i = 0; i < n->places_n; i++)
		if (!is_struck_for(f, n->places[i].appliance, false, at))
			return false;
	return n->places_n > 0;
}

/* Those that take something, the highest first: what is struck strikes nothing. */
static void strike_takings(struct folding *f)
{
	struct rules_list h = {0};

	for (size_t i = 0; i < f->taking.n; i++)
		heap_push(f->r, &h, senior_first, f->taking.p[i]);
	while (h.n) {
		uint32_t at = heap_pop(f->r, &h, senior_first);

		f->r->nodes[at]->struck = is_struck(f, at);
	}
	free(h.p);
}

void fold_popped(struct rules *r, struct rules_state *s)
{
	struct folding f = {.r = r};
	struct rules_list *h = &r->heap;

	begin(&f);
	strike_takings(&f);
	h->n = 0;
	for (size_t i = 0; i < r->popped.n; i++) {
		struct rules_node *node = r->nodes[r->popped.p[i]];

		node->waits = 0;
		for (size_t k = 0; k < node->parents.n; k++)
			node->waits += r->nodes[node->parents.p[k]]->fold == r->folds;
		if (node->waits == 0)
			heap_push(r, h, senior_first, r->popped.p[i]);
	}
	while (h->n) {
		uint32_t at = heap_pop(r, h, senior_first);
		struct rules_node *node = r->nodes[at];

		if (node->taking == RULES_NONE)
			node->struck = is_struck(&f, at);
		state_apply(r, s, at, node->struck);
		for (size_t k = 0; k < node->children.n; k++) {
			struct rules_node *child = r->nodes[node->children.p[k]];

			if (child->fold == r->folds && --child->waits == 0)
				heap_push(r, h, senior_first, node->children.p[k]);
		}
	}
	free(f.taking.p);
	free(f.below);
	free(f.above);
}
