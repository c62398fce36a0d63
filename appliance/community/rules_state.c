/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A state of the rules, who may do what in it, and what each op does to it. */
#include "appliance/community/rules_priv.h"

struct rules_state *state_new(void)
{
	struct rules_state *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->node = s->name = s->about = s->guest_posts = s->key = RULES_NONE;
	return s;
}

static void *copy_array(const void *p, size_t bytes)
{
	void *q = malloc(bytes ? bytes : 1);

	if (!q)
		abort();
	if (bytes)
		memcpy(q, p, bytes);
	return q;
}

struct rules_state *state_copy(const struct rules_state *s)
{
	struct rules_state *c = copy_array(s, sizeof(*s));

	c->node = RULES_NONE;
	c->slots = copy_array(s->slots, s->slots_n * sizeof(s->slots[0]));
	c->contains = copy_array(s->contains, s->words * sizeof(uint64_t));
	c->applied = copy_array(s->applied, s->words * sizeof(uint64_t));
	return c;
}

void state_free(struct rules_state *s)
{
	if (!s)
		return;
	free(s->slots);
	free(s->contains);
	free(s->applied);
	free(s);
}

static const struct rules_slot nobody = {.member = RULES_NONE,
					 .grant = RULES_NONE,
					 .since = RULES_NONE,
					 .appliance = RULES_NONE,
					 .admitted = RULES_NONE};

const struct rules_slot *state_slot(const struct rules_state *s, uint32_t key)
{
	return key < s->slots_n ? &s->slots[key] : &nobody;
}

static struct rules_slot *slot_to_change(struct rules_state *s, uint32_t key)
{
	if (key >= s->slots_n) {
		uint32_t n = key + 1 + key / 8;

		s->slots = realloc(s->slots, n * sizeof(s->slots[0]));
		if (!s->slots)
			abort();
		while (s->slots_n < n)
			s->slots[s->slots_n++] = nobody;
	}
	return &s->slots[key];
}

bool state_has(const uint64_t *bits, uint32_t words, uint32_t n)
{
	return n / 64 < words && bits[n / 64] >> (n % 64) & 1;
}

static void set_bit(struct rules_state *s, uint64_t **bits, uint32_t n)
{
	if (n / 64 >= s->words) {
		uint32_t words = n / 64 + 1;

		s->contains = realloc(s->contains, words * sizeof(uint64_t));
		s->applied = realloc(s->applied, words * sizeof(uint64_t));
		if (!s->contains || !s->applied)
			abort();
		for (; s->words < words; s->words++)
			s->contains[s->words] = s->applied[s->words] = 0;
	}
	(*bits)[n / 64] |= (uint64_t)1 << (n % 64);
}

/* --- who may --- */
enum role state_author(const struct rules_state *s, const struct rules_node *n, uint32_t *ret_grant)
{
	const struct rules_slot *slot = state_slot(s, n->author);

	*ret_grant = n->by_appliance ? slot->admitted : slot->grant;
	if (n->by_appliance)
		return slot->mode == MODE_WRITE ? ROLE_APPLIANCE : ROLE_NONE;
	return (enum role)slot->role;
}

static bool is_carried(const struct rules_state *s, const struct rules_node *n)
{
	for (size_t i = 0; i < n->places_n; i++)
		if (state_slot(s, n->places[i].appliance)->mode == MODE_WRITE)
			return true;
	return false;
}

static const char not_steward[] = N_("Only a steward of this space may do that.");
static const char not_known[] = N_("That person does not belong to this space.");

/* An appliance brings its own people, as members at most; nobody who is here already or whom a
 * steward sent away. */
static const char *refuses_guest_of_appliance(const struct rules_state *s,
					      const struct rules_node *n)
{
	const struct rules_slot *target = state_slot(s, n->key);

	if (n->role > ROLE_MEMBER || n->home != n->author)
		return N_("A box may add only its own people, as members.");
	if (target->role != ROLE_NONE || target->was_member)
		return N_("That person is or was in this space: only a steward may change that.");
	return NULL;
}

static const char *refuses_keeper(const struct rules_state *s, const struct rules_node *n)
{
	const struct rules_slot *self = state_slot(s, n->author), *target = state_slot(s, n->key);

	if (!self->keeper)
		return N_("This box may not admit or withdraw boxes in this space.");
	if (n->keeper || (target->keeper && n->key != n->author))
		return N_("Only a steward may make a box a keeper, or change one that is.");
	return NULL;
}

static const char *refuses_member_op(const struct rules_state *s, const struct rules_node *n,
				     bool steward)
{
	const struct rules_slot *target = state_slot(s, n->key);

	switch (n->kind) {
	case RULE_ADD:
		return steward		 ? NULL
		       : n->by_appliance ? refuses_guest_of_appliance(s, n)
					 : not_steward;
	case RULE_ROLE:
		return !steward ? not_steward : target->role == ROLE_NONE ? not_known : NULL;
	default: /* RULE_REVOKE: people may leave by themselves */
		if (!steward && n->author != n->key)
			return not_steward;
		return target->role == ROLE_NONE && !target->was_member ? not_known : NULL;
	}
}

/* In a private space names are sealed, elsewhere they are in clear. */
static const char *state_refuses_words(const struct rules_state *s, const struct rules_node *n)
{
	if (s->is_private && (n->name || n->about))
		return N_("In a private space names and words are sealed.");
	if (!s->is_private && !n->name && (n->kind == RULE_ADD || n->kind == RULE_ADMIT))
		return N_("In a public space names are in clear.");
	return NULL;
}

const char *state_refuses(const struct rules_state *s, const struct rules_node *n)
{
	uint32_t grant;
	enum role role = state_author(s, n, &grant);
	bool steward = role == ROLE_STEWARD;

	if (!is_carried(s, n))
		return N_("This box may only read this space. Ask a steward to admit it.");
	if (role == ROLE_NONE)
		return N_("You don't belong to this space.");
	if (state_refuses_words(s, n))
		return state_refuses_words(s, n);
	switch (n->kind) {
	case RULE_FOUND:
		return N_("A space is founded once.");
	case RULE_SET:
		return steward ? NULL : not_steward;
	case RULE_ADD:
	case RULE_ROLE:
	case RULE_REVOKE:
		return refuses_member_op(s, n, steward);
	case RULE_ADMIT:
		return steward ? NULL : n->by_appliance ? refuses_keeper(s, n) : not_steward;
	case RULE_WITHDRAW:
		if (!state_slot(s, n->key)->was_admitted)
			return N_("That box was never admitted to this space.");
		return steward ? NULL : n->by_appliance ? refuses_keeper(s, n) : not_steward;
	case RULE_JOIN:
		return steward || n->by_appliance ? NULL : not_steward;
	case RULE_KEY:
	case RULE_GIVE:
		if (!steward && !(n->by_appliance && state_slot(s, n->author)->keeper))
			return not_steward;
		return state_refuses_key(s, n);
	case RULE_UNKNOWN:
		return NULL;
	}
	return not_steward;
}

bool state_takes(const struct rules_state *s, const struct rules_node *n)
{
	const struct rules_slot *slot = state_slot(s, n->key);

	if (!n->cut || n->author == n->key)
		return false;
	switch (n->kind) {
	case RULE_ADD:
	case RULE_ROLE:
		return n->role < (enum role)slot->role;
	case RULE_ADMIT:
		return (slot->mode == MODE_WRITE && n->mode != MODE_WRITE) ||
		       (slot->keeper && !n->keeper);
	default:
		return true;
	}
}

bool state_keeps(const struct rules_state *s, const struct rules_node *taking)
{
	return taking->by_appliance && state_slot(s, taking->key)->keeper;
}

/* --- what it does --- */
static void give_role(struct rules_slot *slot, enum role role, uint32_t node)
{
	if (slot->role == ROLE_NONE)
		slot->since = node;
	if (slot->role != role)
		slot->grant = node;
	slot->role = (uint8_t)role;
	slot->was_member = true;
}

static void admit(struct rules_slot *slot, enum rules_mode mode, bool keeper, uint32_t node)
{
	if (slot->mode != mode)
		slot->admitted = node;
	slot->mode = (uint8_t)mode;
	slot->keeper = keeper;
	slot->appliance = node;
	slot->was_admitted = true;
}

static void apply_found(struct rules_state *s, const struct rules_node *n, uint32_t node)
{
	struct rules_slot *slot = slot_to_change(s, n->key);

	give_role(slot, ROLE_STEWARD, node);
	slot->member = node;
	admit(slot_to_change(s, n->appliance), MODE_WRITE, true, node);
	s->name = s->about = s->guest_posts = node;
	s->is_private = n->is_private;
}

static void apply_set(struct rules_state *s, const struct rules_node *n, uint32_t node)
{
	bool sealed = s->is_private && n->sealed;

	/* Sealed words say both: who can't open them could not tell which. */
	if (n->name || sealed)
		s->name = node;
	if (n->about || sealed)
		s->about = node;
	if (n->guest_posts)
		s->guest_posts = node;
}

static void apply_to_key(struct rules_state *s, const struct rules_node *n, uint32_t node)
{
	struct rules_slot *slot = slot_to_change(s, n->key);

	switch (n->kind) {
	case RULE_ADD:
		give_role(slot, n->role, node);
		slot->member = node;
		break;
	case RULE_ROLE:
		give_role(slot, n->role, node);
		break;
	case RULE_REVOKE:
		slot->role = ROLE_NONE;
		break;
	case RULE_ADMIT:
		admit(slot, n->mode, n->keeper, node);
		break;
	default: /* RULE_WITHDRAW */
		slot->mode = MODE_NONE;
		slot->keeper = false;
	}
}

void state_apply(struct rules *r, struct rules_state *s, uint32_t node, bool revoked)
{
	const struct rules_node *n = r->nodes[node];

	if (n->revocation != RULES_NONE)
		set_bit(s, &s->contains, n->revocation);
	if (n->kind == RULE_FOUND) {
		apply_found(s, n, node);
		return;
	}
	if (revoked || state_refuses(s, n))
		return;
	if (n->revocation != RULES_NONE)
		set_bit(s, &s->applied, n->revocation);
	if (n->kind == RULE_SET) {
		apply_set(s, n, node);
	} else if (n->kind == RULE_KEY) {
		s->key = node;
		s->epoch = n->epoch;
	} else if (n->kind != RULE_GIVE && n->kind != RULE_JOIN && n->kind != RULE_UNKNOWN) {
		apply_to_key(s, n, node);
	}
}
