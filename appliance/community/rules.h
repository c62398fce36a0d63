/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The rules of one space: who belongs to it, with which role, and which appliances may write. A
 * pure machine in memory without I/O, fed with the rules ops that are live; README.md says the
 * rules that it follows in words, for PROTOCOL.md. Private to appliance/community/.
 *
 * Words: an op's *parents* are the ops it names in `seen`, and the one in its header's `rules`. Its
 * *ancestors* are its parents and theirs. The *state at* an op is the fold of its ancestors and
 * itself.
 *
 * Invariants
 *  1. A rules op is *valid* when at least one appliance that carries it may write, and its author
 * may do what it says, in the state that its valid ancestors make. Validity depends on nothing
 * else: it never changes by what others wrote at the same time. What is not valid counts as absent.
 *  2. Valid ops fold in Kahn's order along their parents; what is free at the same time by *rank*:
 * the author's role (highest first), then how early the author was given it (the depth of the op
 * that did, then its id; the founder is first of all), then ops with a cut before the rest, and
 * only then, between ops of one author, by (time, op id).
 *  3. In a fold an op has effect only if it is still permitted in the state folded so far, and not
 * *struck*: by a revocation, or an op that gives less, of whoever stands at least as high, where
 * neither knew of the other (rules_fold.c). So of two stewards who revoke each other the senior
 * stays, whatever the clocks say, and who was thrown out has no say in the past.
 *  4. The state now is the fold of all valid ops. A revocation that has effect in it is
 * *effective*: an op that is judged by rules that don't contain it is void beyond its cut, and
 * after an op that gives less, with a cut, as good as what that leaves.
 *
 * Nodes are numbered in order of arrival (a box's own numbers, never shown). Not thread-safe.
 */
#pragma once
#include "appliance/community/idmap.h"
#include "appliance/community/op.h"
#include "appliance/community/seal.h"

enum { RULES_NONE = IDMAP_NONE };
/* MODE_CARRY: keeps and passes on what it has no key for. */
enum rules_mode { MODE_NONE, MODE_READ, MODE_WRITE, MODE_CARRY };

/* Where an op lies: an entry of a log. */
struct place {
	struct pubkey appliance;
	uint64_t incarnation, seq;
};

struct rules;
struct rules *rules_new(const struct hash *space);
void rules_free(struct rules *r);
DEFINE_CLEANUP(struct rules *, rules_free)

extern const struct op_type rules_types[]; /* ends with a NULL name */

/* Take an op that lies live at `at` and whose author's signature was checked there. type NULL: of a
 * type unknown here, which only joins. Adding the same op again adds a place. false: its fields
 * make no sense, nothing was added. */
bool rules_add(struct rules *r, const struct op *op, const struct place *at);
/* What lies in that log from `from` on is not live any more. */
void rules_drop(struct rules *r, const struct pubkey *appliance, uint64_t incarnation,
		uint64_t from);
bool rules_knows(const struct rules *r, const struct hash *id); /* valid or not */
/* The op has no places, until it is added again: what it says is not known any more. */
void rules_forget(struct rules *r, const struct hash *id);
/* Make everything fit after adding and dropping. To be called before anything below. */
void rules_settle(struct rules *r);
/* Grows when the state at an op that was here before may have changed, or the effective revocations
 * did: then what was judged must be judged again. */
uint64_t rules_epoch(const struct rules *r);
bool rules_unsettled(const struct rules *r);
/* Will the next settling start from the beginning? Then it is better done once, after many changes.
 */
bool rules_is_broken(const struct rules *r);

/* --- asking --- */
/* The number of a valid op; RULES_NONE. */
uint32_t rules_find(const struct rules *r, const struct hash *id);
bool rules_is_ancestor(struct rules *r, uint32_t of_old, uint32_t young); /* strictly */
/* The valid ops that no valid op names, newest first, at most max. Returns how many there are. */
size_t rules_heads(const struct rules *r, struct hash *out, size_t max);
/* Ancestors worth naming beside the heads, for the day when a head's log turns out forked. */
size_t rules_anchors(const struct rules *r, const struct hash *heads, size_t n, struct hash *out,
		     size_t max);

/* What an op says in words, borrowed. In a private space they are sealed: `text` is NULL then. */
struct rules_words {
	const char *text;
	struct span sealed;
	struct pubkey author;
	const char *type; /* of the op, for opening them */
};
struct rules_member {
	struct pubkey key, home;
	struct rules_words name;
	enum role role;
	int64_t since;
};
struct rules_appliance {
	struct pubkey key;
	struct rules_words name;
	enum rules_mode mode;
	bool keeper;
};
struct rules_space {
	bool is_private;
	struct rules_words name, about;
	const char *guest_posts;
	struct pubkey founder, appliance;
	int64_t founded;
};
/* false before the founding op is here. */
bool rules_about(struct rules *r, struct rules_space *ret);
/* Keys are numbered from 0 to rules_keys()-1. false: nothing now. */
uint32_t rules_keys(const struct rules *r);
uint32_t rules_key(const struct rules *r, const struct pubkey *key);
struct pubkey rules_key_at(const struct rules *r, uint32_t at);
/* The next key, from `from` on, of which something is otherwise than when it was last given here;
 * RULES_NONE. */
uint32_t rules_next_moved(struct rules *r, uint32_t from);
bool rules_member_now(struct rules *r, uint32_t key, struct rules_member *ret);
bool rules_was_admitted(const struct rules *r, uint32_t key);
bool rules_appliance_now(struct rules *r, uint32_t key, struct rules_appliance *ret);
/* Have rules_next_moved give all again. */
void rules_show_all(struct rules *r);

/* For an op that takes something away with a cut: the heads of the rules without what it reaches and what
 * is built on that. An op that named these would not reach them. 0: it reaches nothing that is here,
 * or would not be permitted there. */
size_t rules_heads_before(struct rules *r, const struct op *op, struct hash *out, size_t max);

/* --- the keys of a private space (rules_keys.c) --- */
bool rules_private(const struct rules *r);
/* The key that is written with; false: there is none. */
bool rules_key_now(const struct rules *r, struct hash *ret_name, uint16_t *ret_epoch);
/* May somebody know the key that is written with who may not read now: who could when it was made, whether it
 * was boxed to them or not, or the person who made it? */
bool rules_key_outside(struct rules *r);
/* A key as some valid op hands it out: boxed to an appliance, or wrapped under another key. Whether it opens
 * to what it names depends on nothing but its bytes: who found that out notes it, and tries it once. */
enum rules_box_tried { BOX_NEW, BOX_OPENS, BOX_DUD };
struct rules_box {
	struct hash name;
	uint16_t epoch;
	bool wrapped;
	uint8_t tried;
	struct pubkey to;	  /* boxed */
	struct hash under;	  /* wrapped */
	uint8_t bytes[BOXED_KEY]; /* WRAPPED_KEY of them when wrapped */
};
typedef void rules_box_fn(void *ctx, struct rules_box *b);
void rules_each_box(const struct rules *r, rules_box_fn *fn, void *ctx);
/* How many of them there are: grows with each op that hands keys out. */
size_t rules_boxes(const struct rules *r);

/* Ops are numbered from 0 to rules_count()-1. Does this one admit an appliance to write? Its logs
 * are then kept, whatever is decided later, so that every box holds the same. */
uint32_t rules_count(const struct rules *r);
bool rules_admits(const struct rules *r, uint32_t at, struct pubkey *ret_key);

/* The state at the op number `at`; borrowed until the next call on r. */
const struct rules_state *rules_at(struct rules *r, uint32_t at);
const struct rules_state *rules_now(struct rules *r);
enum role state_role(const struct rules *r, const struct rules_state *s, const struct pubkey *key);
bool state_writes(const struct rules *r, const struct rules_state *s, const struct pubkey *key);

/* Judge an entry at `at` by the rules at op number `floor`: false when its appliance may not write
 * there (it counts as absent). *ret_role: what its author may; ROLE_NONE when that was revoked
 * beyond a cut. */
bool rules_judge(struct rules *r, uint32_t floor, const struct place *at,
		 const struct pubkey *author, bool by_appliance, enum role *ret_role);
/* Up to where a revocation that has effect now lets the logs of that appliance count: at most max of them,
 * as {its key, incarnation, sequence}; of any other log nothing does. false: none revokes it. */
bool rules_cut_of(const struct rules *r, uint32_t appliance, struct place *out, size_t max,
		  size_t *ret_n);
/* Would this op be permitted on top of the state now? NULL, or the sentence why not. */
struct error *rules_check(struct rules *r, const struct op *op, const struct pubkey *carrier) MUST;
