/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/community/rules_priv.h"

struct rules *rules_new(const struct hash *space)
{
	struct rules *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->space = *space;
	r->founding = RULES_NONE;
	r->now = state_new();
	return r;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	graph_forget_states(r);
	for (uint32_t i = 0; i < r->n; i++)
		node_free(r->nodes[i]);
	free(r->nodes);
	free(r->key);
	idmap_release(&r->by_id);
	idmap_release(&r->keys);
	idmap_release(&r->wanted);
	free(r->revocations.p);
	free(r->key_nodes.p);
	free(r->first_revocation.p);
	free(r->fresh.p);
	free(r->heads.p);
	free(r->shown);
	free(r->heap.p);
	free(r->popped.p);
	free(r->path.p);
	state_free(r->now);
	free(r);
}

/* --- adding and dropping --- */
static void add_place(struct rules *r, struct rules_node *n, const struct place *at)
{
	struct rules_place p = {rules_key_add(r, &at->appliance), at->incarnation, at->seq};
	bool known = false;

	for (size_t i = 0; i < n->places_n; i++) {
		known |= n->places[i].appliance == p.appliance;
		if (n->places[i].appliance == p.appliance &&
		    n->places[i].incarnation == p.incarnation && n->places[i].seq == p.seq)
			return;
	}
	n->places = realloc(n->places, (n->places_n + 1) * sizeof(p));
	if (!n->places)
		abort();
	n->places[n->places_n++] = p;
	r->unsettled = true;
	/* A cut may cover it here, and so no longer reach the op. */
	r->broken |= !known || r->revocations.n;
}

static void add_node(struct rules *r, struct rules_node *n)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 32;
		r->nodes = realloc(r->nodes, r->cap * sizeof(r->nodes[0]));
		if (!r->nodes)
			abort();
	}
	if (n->cut) {
		n->revocation = (uint32_t)r->revocations.n;
		list_add(&r->revocations, r->n);
	}
	if (n->kind == RULE_KEY || n->kind == RULE_GIVE)
		list_add(&r->key_nodes, r->n);
	for (size_t i = 0; i < n->named_n; i++)
		if (idmap_get(&r->by_id, &n->named[i]) == RULES_NONE)
			idmap_put(&r->wanted, &n->named[i], 0);
	if (idmap_get(&r->wanted, &n->id) != RULES_NONE)
		r->broken = true;
	idmap_put(&r->by_id, &n->id, r->n);
	list_add(&r->fresh, r->n);
	r->nodes[r->n++] = n;
	r->unsettled = true;
}

bool rules_add(struct rules *r, const struct op *op, const struct place *at)
{
	uint32_t known = idmap_get(&r->by_id, &op->id);
	bool broken = r->broken;
	struct rules_node *n;

	if (known != RULES_NONE) {
		add_place(r, r->nodes[known], at);
		return true;
	}
	n = node_read(r, op);
	if (!n)
		return false;
	add_place(r, n, at);
	r->broken = broken; /* the first place of a new node breaks nothing */
	add_node(r, n);
	return true;
}

void rules_drop(struct rules *r, const struct pubkey *appliance, uint64_t incarnation,
		uint64_t from)
{
	uint32_t key = rules_key(r, appliance);

	for (uint32_t i = 0; i < r->n && key != RULES_NONE; i++) {
		struct rules_node *n = r->nodes[i];
		size_t keep = 0;

		for (size_t k = 0; k < n->places_n; k++)
			if (n->places[k].appliance != key ||
			    n->places[k].incarnation != incarnation || n->places[k].seq < from)
				n->places[keep++] = n->places[k];
		if (keep != n->places_n)
			r->broken = r->unsettled = true;
		n->places_n = keep;
	}
}

bool rules_knows(const struct rules *r, const struct hash *id)
{
	uint32_t at = idmap_get(&r->by_id, id);

	return at != RULES_NONE && r->nodes[at]->places_n;
}

void rules_forget(struct rules *r, const struct hash *id)
{
	uint32_t at = idmap_get(&r->by_id, id);

	if (at == RULES_NONE || !r->nodes[at]->places_n)
		return;
	r->nodes[at]->places_n = 0;
	r->broken = r->unsettled = true;
}

uint64_t rules_epoch(const struct rules *r)
{
	return r->epoch;
}

bool rules_unsettled(const struct rules *r)
{
	return r->unsettled;
}

bool rules_is_broken(const struct rules *r)
{
	return r->broken;
}

/* --- asking --- */
uint32_t rules_find(const struct rules *r, const struct hash *id)
{
	uint32_t at = idmap_get(&r->by_id, id);

	return at != RULES_NONE && r->nodes[at]->valid ? at : (uint32_t)RULES_NONE;
}

size_t rules_heads(const struct rules *r, struct hash *out, size_t max)
{
	for (size_t i = 0; i < r->heads.n && i < max; i++)
		out[i] = r->nodes[r->heads.p[r->heads.n - 1 - i]]->id;
	return r->heads.n;
}

static bool shares_place(const struct rules_node *a, const struct rules_node *b)
{
	for (size_t i = 0; i < a->places_n; i++)
		for (size_t k = 0; k < b->places_n; k++)
			if (a->places[i].appliance == b->places[k].appliance)
				return true;
	return false;
}

size_t rules_anchors(const struct rules *r, const struct hash *heads, size_t n, struct hash *out,
		     size_t max)
{
	const struct rules_node *picked[LIMIT_SEEN * 2];
	uint32_t low = r->n > 2000 ? r->n - 2000 : 0;
	size_t picks = 0, ret = 0;

	for (size_t i = 0; i < n && picks < LIMIT_SEEN; i++)
		picked[picks++] = r->nodes[rules_find(r, &heads[i])];
	/* Newest first by arrival. Not each is an ancestor, but all are valid and were known. */
	for (uint32_t i = r->n; i-- > low && ret + 1 < max && n;) {
		bool other = r->nodes[i]->valid;

		for (size_t k = 0; k < picks; k++)
			other = other && picked[k] != r->nodes[i] &&
				!shares_place(picked[k], r->nodes[i]);
		if (!other)
			continue;
		picked[picks++] = r->nodes[i];
		out[ret++] = r->nodes[i]->id;
	}
	if (ret < max && n && r->founding != RULES_NONE &&
	    !hash_eq(&heads[0], &r->nodes[r->founding]->id))
		out[ret++] = r->nodes[r->founding]->id;
	return ret;
}

static int by_order(const void *a, const void *b, void *ctx)
{
	const struct rules *r = ctx;
	uint32_t x = r->nodes[*(const uint32_t *)a]->order, y = r->nodes[*(const uint32_t *)b]->order;

	return (x > y) - (x < y);
}

/* Marks what `taking` reaches, and what is built on it. */
static bool mark_reached(struct rules *r, const struct rules_node *taking)
{
	struct rules_list all = {0};
	bool any = false;

	r->stamp++;
	for (uint32_t i = 0; i < r->n; i++)
		if (r->nodes[i]->valid)
			list_add(&all, i);
	if (all.n)
		qsort_r(all.p, all.n, sizeof(all.p[0]), by_order, r);
	for (size_t i = 0; i < all.n; i++) {
		struct rules_node *n = r->nodes[all.p[i]];
		bool reached = n->kind != RULE_FOUND && node_reaches(taking, n);

		for (size_t k = 0; k < n->parents.n && !reached; k++)
			reached = r->nodes[n->parents.p[k]]->mark == r->stamp;
		if (reached)
			n->mark = r->stamp;
		any |= reached;
	}
	free(all.p);
	return any;
}

static bool is_head_of_rest(const struct rules *r, const struct rules_node *n)
{
	if (!n->valid || n->mark == r->stamp)
		return false;
	for (size_t i = 0; i < n->children.n; i++)
		if (r->nodes[n->children.p[i]]->mark != r->stamp)
			return false;
	return true;
}

size_t rules_heads_before(struct rules *r, const struct op *op, struct hash *out, size_t max)
{
	struct rules_node *n = node_read(r, op);
	struct rules_place at = {rules_key_add(r, &op->appliance), 0, 0};
	struct rules_list heads = {0};
	size_t ret = 0;

	if (n)
		n->takes = state_takes(r->now, n);
	if (n && n->takes && mark_reached(r, n)) {
		for (uint32_t i = r->n; i-- > 0 && heads.n < max;)
			if (is_head_of_rest(r, r->nodes[i]))
				list_add(&heads, i);
	}
	if (heads.n) {
		struct rules_state *s = graph_fold(r, heads.p, heads.n);

		n->places = &at;
		n->places_n = 1;
		if (!state_refuses(s, n))
			for (; ret < heads.n; ret++)
				out[ret] = r->nodes[heads.p[ret]]->id;
		n->places = NULL;
		state_free(s);
	}
	free(heads.p);
	node_free(n);
	return ret;
}

static struct rules_words words_of(const struct rules *r, const struct rules_node *n,
				   const char *text)
{
	return (struct rules_words){.text = text,
				    .sealed = {n->sealed, n->sealed_n},
				    .author = r->key[n->author],
				    .type = rules_types[n->kind].name};
}

bool rules_about(struct rules *r, struct rules_space *ret)
{
	const struct rules_node *f;

	if (r->founding == RULES_NONE)
		return false;
	f = r->nodes[r->founding];
	*ret = (struct rules_space){
		.is_private = f->is_private,
		.name = words_of(r, r->nodes[r->now->name], r->nodes[r->now->name]->name),
		.about = words_of(r, r->nodes[r->now->about], r->nodes[r->now->about]->about),
		.guest_posts = r->nodes[r->now->guest_posts]->guest_posts,
		.founder = r->key[f->author],
		.appliance = r->key[f->appliance],
		.founded = f->time};
	/* A guest has no place in a private space. */
	if (f->is_private)
		ret->guest_posts = "no";
	if (!ret->guest_posts)
		ret->guest_posts = "held";
	return true;
}

uint32_t rules_keys(const struct rules *r)
{
	return r->keys_n;
}

struct pubkey rules_key_at(const struct rules *r, uint32_t at)
{
	return r->key[at];
}

uint32_t rules_next_moved(struct rules *r, uint32_t from)
{
	if (r->shown_n < r->keys_n) {
		r->shown = realloc(r->shown, r->keys_n * sizeof(r->shown[0]));
		if (!r->shown)
			abort();
		while (r->shown_n < r->keys_n)
			r->shown[r->shown_n++] = *state_slot(r->now, RULES_NONE);
	}
	for (; from < r->keys_n; from++) {
		const struct rules_slot *now = state_slot(r->now, from);

		if (memcmp(now, &r->shown[from], sizeof(*now)) == 0)
			continue;
		r->shown[from] = *now;
		return from;
	}
	return RULES_NONE;
}

void rules_show_all(struct rules *r)
{
	r->shown_n = 0;
}

uint32_t rules_key(const struct rules *r, const struct pubkey *key)
{
	return idmap_get(&r->keys, key);
}

bool rules_member_now(struct rules *r, uint32_t key, struct rules_member *ret)
{
	const struct rules_slot *s = state_slot(r->now, key);
	const struct rules_node *n;

	if (s->role == ROLE_NONE)
		return false;
	n = r->nodes[s->member];
	*ret = (struct rules_member){
		.key = r->key[key],
		.name = words_of(r, n, n->kind == RULE_FOUND ? n->steward_name : n->name),
		.role = (enum role)s->role,
		.since = r->nodes[s->since]->time};
	if (n->kind == RULE_FOUND)
		ret->home = r->key[n->appliance];
	else if (n->home != RULES_NONE)
		ret->home = r->key[n->home];
	return true;
}

bool rules_was_admitted(const struct rules *r, uint32_t key)
{
	return state_slot(r->now, key)->was_admitted;
}

bool rules_appliance_now(struct rules *r, uint32_t key, struct rules_appliance *ret)
{
	const struct rules_slot *s = state_slot(r->now, key);
	const struct rules_node *n;

	if (s->mode == MODE_NONE)
		return false;
	n = r->nodes[s->appliance];
	*ret = (struct rules_appliance){
		.key = r->key[key],
		.name = words_of(r, n, n->kind == RULE_FOUND ? n->appliance_name : n->name),
		.mode = (enum rules_mode)s->mode,
		.keeper = s->keeper};
	return true;
}

bool rules_admits(const struct rules *r, uint32_t at, struct pubkey *ret_key)
{
	const struct rules_node *n = r->nodes[at];

	if (!n->valid ||
	    (n->kind != RULE_FOUND && (n->kind != RULE_ADMIT || n->mode != MODE_WRITE)))
		return false;
	*ret_key = r->key[n->kind == RULE_FOUND ? n->appliance : n->key];
	return true;
}

uint32_t rules_count(const struct rules *r)
{
	return r->n;
}

const struct rules_state *rules_now(struct rules *r)
{
	return r->now;
}

enum role state_role(const struct rules *r, const struct rules_state *s, const struct pubkey *key)
{
	return (enum role)state_slot(s, rules_key(r, key))->role;
}

bool state_writes(const struct rules *r, const struct rules_state *s, const struct pubkey *key)
{
	return state_slot(s, rules_key(r, key))->mode == MODE_WRITE;
}

/* --- judging --- */
/* The lower of the place's sequence and of its log's cut; 0: it has none. */
static uint64_t within(const struct rules_node *revocation, uint32_t appliance,
		       const struct place *at)
{
	for (size_t i = 0; i < revocation->cut_n; i++) {
		const struct rules_place *c = &revocation->cut[i];

		if (c->appliance == appliance && c->incarnation == at->incarnation)
			return c->seq < at->seq ? c->seq : at->seq;
	}
	return 0;
}

static size_t cut_places(const struct rules *r, const struct rules_node *revocation,
			 uint32_t appliance, struct place *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < revocation->cut_n && n < max; i++) {
		const struct rules_place *c = &revocation->cut[i];

		if (c->appliance == appliance)
			out[n++] = (struct place){rules_key_at(r, appliance), c->incarnation, c->seq};
	}
	return n;
}

/* What effective ops that take something from that person or appliance, and are unknown to the rules s,
 * leave of it at that place. */
static void take_back(const struct rules *r, const struct rules_state *s, bool person, uint32_t key,
		      const struct rules_place *at, enum role *role)
{
	uint32_t i = key < r->first_revocation.n ? r->first_revocation.p[key] : RULES_NONE;

	for (; i != RULES_NONE; i = r->nodes[i]->next_revocation) {
		const struct rules_node *n = r->nodes[i];
		bool all = n->kind == RULE_REVOKE || n->kind == RULE_WITHDRAW ||
			   (n->kind == RULE_ADMIT && n->mode != MODE_WRITE);

		if (node_takes_from_person(n) != person || !n->takes || state_keeps(r->now, n) ||
		    state_has(s->contains, s->words, n->revocation) ||
		    cut_covers(n, at->appliance, at->incarnation, at->seq))
			continue;
		if (all)
			*role = ROLE_NONE;
		else if (person && n->role < *role)
			*role = n->role;
	}
}

bool rules_judge(struct rules *r, uint32_t floor, const struct place *at,
		 const struct pubkey *author, bool by_appliance, enum role *ret_role)
{
	const struct rules_state *s = rules_at(r, floor);
	struct rules_place p = {rules_key(r, &at->appliance), at->incarnation, at->seq};
	uint32_t key;

	if (state_slot(s, p.appliance)->mode != MODE_WRITE)
		return false;
	key = by_appliance ? p.appliance : rules_key(r, author);
	*ret_role = by_appliance ? ROLE_APPLIANCE : (enum role)state_slot(s, key)->role;
	take_back(r, s, false, p.appliance, &p, ret_role);
	if (!by_appliance)
		take_back(r, s, true, key, &p, ret_role);
	return true;
}

bool rules_cut_of(const struct rules *r, uint32_t appliance, struct place *out, size_t max,
		  size_t *ret_n)
{
	uint32_t i = appliance < r->first_revocation.n ? r->first_revocation.p[appliance]
						       : RULES_NONE;
	bool revoked = false;

	*ret_n = 0;
	for (; i != RULES_NONE; i = r->nodes[i]->next_revocation) {
		const struct rules_node *n = r->nodes[i];
		size_t kept = 0;

		if (n->kind != RULE_WITHDRAW || !n->takes)
			continue;
		if (!revoked)
			*ret_n = cut_places(r, n, appliance, out, max);
		for (size_t k = 0; revoked && k < *ret_n; k++) {
			struct place p = out[k];

			p.seq = within(n, appliance, &p);
			if (p.seq)
				out[kept++] = p;
		}
		if (revoked)
			*ret_n = kept;
		revoked = true;
	}
	return revoked;
}

struct error *rules_check(struct rules *r, const struct op *op, const struct pubkey *carrier)
{
	struct rules_node *n = node_read(r, op);
	struct rules_place at = {rules_key_add(r, carrier), 0, 0};
	const char *why;

	ENSURE(n, error_new(ERR_INVALID, N_("This change of the rules makes no sense.")));
	n->places = &at;
	n->places_n = 1;
	why = state_refuses(r->now, n);
	n->places = NULL;
	node_free(n);
	return why ? error_new(ERR_DENIED, why) : NULL;
}
