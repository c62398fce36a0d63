/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of the rules share: nodes, states, and how one is folded on the other. */
#pragma once
#include "appliance/community/op_text.h"
#include "appliance/community/rules.h"

enum rules_kind {
	RULE_FOUND,
	RULE_SET,
	RULE_ADD,
	RULE_ROLE,
	RULE_REVOKE,
	RULE_ADMIT,
	RULE_WITHDRAW,
	RULE_JOIN,
	RULE_KEY,
	RULE_GIVE,
	RULE_UNKNOWN
};

struct rules_place {
	uint32_t appliance; /* key number */
	uint64_t incarnation, seq;
};

struct rules_list {
	uint32_t *p;
	size_t n, cap;
};

struct rules_node {
	struct hash id;
	enum rules_kind kind;
	bool by_appliance, keeper;
	uint32_t author, key, home; /* key numbers */
	enum role role;
	enum rules_mode mode;
	int64_t time;
	char *name, *about, *guest_posts;
	bool is_private; /* of the founding op */
	uint8_t *sealed; /* its words, in a private space */
	size_t sealed_n;
	/* Of the ops that hand keys out: which key, and to whom or under which other key. */
	struct hash key_name;
	uint16_t epoch;
	struct rules_box *boxes;
	size_t boxes_n;
	char *steward_name, *appliance_name; /* of the founding op */
	uint32_t appliance;		     /* of the founding op */
	struct rules_place *cut;    /* by appliance and incarnation, each once; NULL: takes nothing back */
	struct rules_place *places; /* in which logs it is */
	size_t cut_n, places_n;
	struct hash *named; /* seen, and rules */
	size_t named_n;

	/* What settling found out. */
	bool valid;
	bool takes; /* from somebody else what they had in the state of its ancestors: with a cut */
	struct rules_list parents; /* valid ones, without those that others have as ancestors */
	struct rules_list children;
	uint32_t depth; /* longest way down to the founding op */
	uint32_t order; /* a place in some topological order */
	/* The nearest op through which every way down leads, one further down that way, and how
	 * many there are below: a way of steps that double, for long walks. */
	uint32_t choke, jump, chokes;
	enum role rank_role;
	uint32_t grant;		  /* the node that gave the author that role */
	uint32_t revocation;	  /* number among those with a cut; RULES_NONE */
	uint32_t next_revocation; /* of the same key, also effective */
	struct rules_state *state;
	uint32_t mark;	/* for walks: equals rules.stamp when visited */
	/* For folds: parents that were not folded yet; the place among the folded, and among those
	 * that take something away, or RULES_NONE. */
	uint32_t waits, in_fold, taking;
	uint64_t fold; /* equals rules.folds where it is among the folded */
	bool struck;
};

struct rules_slot {
	uint8_t role, mode, keeper, was_member, was_admitted, none[3];
	uint32_t member, grant, since; /* nodes: name and home, role, membership */
	uint32_t appliance, admitted;  /* nodes: name and mode, since when */
};

struct rules_state {
	uint32_t node; /* whose state this is, when it is kept; else RULES_NONE */
	uint64_t used; /* when, for forgetting the oldest */
	struct rules_slot *slots;
	uint32_t slots_n;
	uint32_t name, about, guest_posts; /* nodes that say them */
	bool is_private;
	uint16_t epoch;
	uint32_t key;		      /* the node of the key that is written with; RULES_NONE */
	uint64_t *contains, *applied; /* bits by number of revocation */
	uint32_t words;
};

/* So many are kept, or as many as take no more bytes, but for a few: of a space with 100,000 keys
 * one is 3 MiB. */
enum { RULES_STATES = 48, RULES_STATES_FEW = 8, RULES_STATES_BYTES = 8 * 1024 * 1024 };
struct rules {
	struct hash space;
	struct rules_node **nodes;
	uint32_t n, cap;
	struct idmap by_id, keys;
	struct pubkey *key;
	uint32_t keys_n, keys_cap;
	struct idmap wanted;		    /* named by nodes, and not here */
	struct rules_list revocations;	    /* nodes */
	struct rules_list key_nodes;	    /* nodes that hand keys out */
	struct rules_list first_revocation; /* by key: an effective one, or RULES_NONE */
	uint32_t founding;		    /* RULES_NONE before */
	struct rules_list heads;	    /* valid, and named by no valid op */
	struct rules_slot *shown;	    /* as rules_next_moved last found them */
	uint32_t shown_n;
	struct rules_list fresh; /* added since the last settling */
	bool broken;		 /* settle from the beginning */
	bool unsettled;
	uint64_t epoch, clock;
	uint32_t stamp;
	uint64_t folds;
	struct rules_state *kept[RULES_STATES];
	struct rules_state *now;
	struct rules_list heap, popped, path; /* for walks */
};

void list_add(struct rules_list *l, uint32_t v);

/* --- rules_keys.c --- */
/* The fields of space.key and space.give; false: they make no sense. */
bool node_read_keys(struct rules *r, const struct op *op, struct rules_node *n);
/* `sealed`, in any op that may have words; false: it is there and makes no sense. */
bool node_read_sealed(const struct op *op, struct rules_node *n);
/* NULL, or why an op may not hand that key out in that state. */
const char *state_refuses_key(const struct rules_state *s, const struct rules_node *n);

/* --- rules_state.c --- */
struct rules_state *state_new(void);
struct rules_state *state_copy(const struct rules_state *s);
void state_free(struct rules_state *s);
const struct rules_slot *state_slot(const struct rules_state *s, uint32_t key);
bool state_has(const uint64_t *bits, uint32_t words, uint32_t n);
/* What the author has in that state, and the node that gave it. */
enum role state_author(const struct rules_state *s, const struct rules_node *n,
		       uint32_t *ret_grant);
/* Has it a cut, and leaves somebody else less than they have there? */
bool state_takes(const struct rules_state *s, const struct rules_node *n);
/* Is what an appliance takes from another one for nothing, since that one is a keeper? Who is none may
 * have taken it when it was not, or say so. */
bool state_keeps(const struct rules_state *s, const struct rules_node *taking);
/* NULL, or why not (a message id). */
const char *state_refuses(const struct rules_state *s, const struct rules_node *n);
/* Fold the node, if permitted; `revoked`: it is not, whatever the state says. */
void state_apply(struct rules *r, struct rules_state *s, uint32_t node, bool revoked);

/* --- rules_node.c --- */
uint32_t rules_key_add(struct rules *r, const struct pubkey *key);
struct rules_node *node_read(struct rules *r, const struct op *op); /* NULL: makes no sense */
void node_free(struct rules_node *n);

/* --- rules_fold.c --- */
typedef bool less_fn(const struct rules *r, uint32_t a, uint32_t b);
/* A heap of nodes, the smallest by `less` on top. */
void heap_push(const struct rules *r, struct rules_list *h, less_fn *less, uint32_t v);
uint32_t heap_pop(const struct rules *r, struct rules_list *h, less_fn *less);
int rank_cmp(const struct rules *r, uint32_t a, uint32_t b);
/* From a person, or from an appliance? */
bool node_takes_from_person(const struct rules_node *n);
/* Is the op by that person, or in no log but that appliance's, and everywhere beyond the cut? */
bool node_reaches(const struct rules_node *taking, const struct rules_node *n);
bool cut_covers(const struct rules_node *n, uint32_t appliance, uint64_t incarnation, uint64_t seq);
/* Fold r->popped on the state. */
void fold_popped(struct rules *r, struct rules_state *s);

/* --- rules_graph.c --- */
/* Yours: the fold of these nodes and their ancestors. */
struct rules_state *graph_fold(struct rules *r, const uint32_t *tops, size_t n);
/* Keep the state for the node; takes it. */
void graph_keep(struct rules *r, uint32_t node, struct rules_state *take_s);
void graph_forget_states(struct rules *r);
