/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Other boxes, as the volunteer sees them: approving one, swapping logs now, and in words what
 * moved. The table of peers and the exchange itself are sync/'s.
 */
#pragma once
#include "appliance/app.h"

/* What sync/ asks of us while exchanges run, answered from one reading connection. */
struct peers *peers_new(struct app *a);
void peers_free(struct peers *p);
/* Which ways a space goes with a box now: PEER_GIVE, PEER_TAKE; 0 for one that is not approved, or
 * whose terms have ended. Reads what is committed; any thread. */
unsigned peers_ways(struct app *a, const struct pubkey *peer, const struct hash *space);

/* Whatever the terms say: a private space is given only to boxes that it admitted. */
struct error *peers_may_see(struct conn *c, const struct pubkey *key, const struct hash *space,
			    bool *ret) MUST;

struct peers_approval {
	struct pubkey key;
	const char *address; /* "ADDR:PORT"; NULL or "" when only mDNS knows where it is */
	bool by_hand;	     /* the address was typed by somebody who knows it */
	const char *name;    /* NULL: as it calls itself */
	bool read_only;	     /* it may read from us; its logs are not admitted to our spaces */
	const struct secret *steward;	/* who signs the admission; NULL: this appliance */
	const struct peer_terms *terms; /* NULL: as they are, the default for a new one */
	enum peer_how how;		/* of a new one */
	const uint8_t *claim;		/* PEER_CLAIM bytes, of its invitation; NULL: none */
};
/* HOST:PORT or [V6]:PORT; whether it answers is seen when it is tried. */
bool peers_address_ok(const char *s);
/* Approve a box: keep it as a peer on these terms, and unless read_only admit its logs to the
 * spaces that we take from it and of which this box is a keeper. Approving again changes what is
 * given. Any thread. ERR_INVALID for our own key or an address that is none. */
struct error *peers_approve(struct app *a, const struct peers_approval *what) MUST;
/* It came back with a backup (appliance/recovery/recovery.h), and it still is a peer, on the terms that
 * it had: admits it nowhere. ERR_NOT_FOUND. */
struct error *peers_still(struct app *a, const struct pubkey *key) MUST;
/* Other terms for a peer, from now on also in exchanges that run. Its logs are admitted as by
 * peers_approve where a space is now taken; an admission is never taken back by terms (that is
 * peers_withdraw's). read_only NULL: as it is. ERR_NOT_FOUND; ERR_DENIED for one that came back with a
 * backup, until peers_still. */
struct error *peers_set_terms(struct app *a, const struct pubkey *key, const struct peer_terms *t,
			      const bool *read_only, const struct secret *steward) MUST;

/* --- where a peer is: peers_addresses.c. ERR_NOT_FOUND when it is no peer. --- */
/* A volunteer says so: it is tried first. ERR_INVALID; ERR_LIMIT (LIMIT_BY_HAND). */
struct error *peers_set_address(struct app *a, const struct pubkey *key, const char *address) MUST;
/* It is not there any more, whoever said so: until it is said again. ERR_NOT_FOUND also when it is none
 * of its addresses. */
struct error *peers_forget_address(struct app *a, const struct pubkey *key,
				   const char *address) MUST;
/* What is known, the most promising first; also what only the table of peers knows. */
enum { PEERS_ADDRESSES = KNOWN_ADDRESSES + 1 };
struct error *peers_addresses(struct conn *c, const struct peer *p,
			      struct known_address out[PEERS_ADDRESSES], size_t *ret_n) MUST;

/* The first sixteen letters of a key, "abcd efgh ijkl mnop": for people who compare it in a call with
 * who reads it from its own page. To find another key that begins so takes 2^80 tries. */
enum { PEERS_KEY_START = 20 };
void peers_key_start(const struct pubkey *key, char out[PEERS_KEY_START]);

/* --- terms in words: peers_terms.c --- */
const char *peers_ways_name(unsigned ways); /* "both", "give", "take", "none" */
struct error *peers_ways_parse(const char *name, unsigned *ret) MUST; /* ERR_INVALID */
/* The ways of one space. ERR_LIMIT. */
struct error *peers_terms_set(struct peer_terms *t, const struct hash *space, unsigned ways) MUST;
/* A number of units, or with k, M, G, T behind it thousands of bytes and so on; "" is 0. */
struct error *peers_bytes_parse(const char *text, uint64_t unit, uint64_t *ret) MUST;
/* "2027-12-31" to the end of that day, and back; "" is 0. */
struct error *peers_until_parse(const char *text, int64_t *ret) MUST;
const char *peers_until_text(int64_t until_ms, struct arena *arena);
/* {spaces[] {id, short, name, ways}, others, take_bytes, give_bytes, until}: every space that this
 * box carries. */
struct error *peers_terms_json(struct conn *c, const struct peer_terms *t, struct arena *arena,
			       json_t **ret) MUST;

/* Stop trusting a box. */
struct peers_withdrawal {
	struct pubkey key;
	/* Spaces in which what it writes from now on is void everywhere: appliance.revoke, with
	 * all that we hold of its logs as the cut. */
	const struct hash *revoke;
	size_t n;
	const struct secret *steward; /* who signs that; NULL: this appliance */
	bool drop_kept; /* and its sealed backup that is kept here is removed */
};
/* Forget a peer: exchanges with it end at once, what this box vouched for it is taken back, and no
 * new backup of its is kept. What its people wrote until now stays. All or nothing, but for what is
 * kept, which goes last. ERR_NOT_FOUND; ERR_DENIED when a
 * revocation is not theirs to sign. */
struct error *peers_withdraw(struct app *a, const struct peers_withdrawal *what) MUST;
/* May this key (NULL: this appliance) revoke that box in the space, where it is admitted now? */
struct error *peers_may_revoke(struct conn *c, const struct pubkey *self, const struct hash *space,
			       const struct pubkey *box, const struct pubkey *steward,
			       bool *ret) MUST;

/* --- invitations: peers_invite.c --- */
enum { PEERS_INVITE_DAYS = 7, PEERS_INVITE_DAYS_MOST = 90 };
struct peers_invitation {
	const char *label;   /* for whom; may be "" */
	const char *address; /* ours, up to INVITE_ADDRESSES with spaces or commas between */
	int days;
	bool read_only;
	const struct peer_terms *terms; /* NULL: the default */
};
/* Make one. *ret_num names it on this box. ERR_INVALID, ERR_LIMIT. */
struct error *peers_invite(struct app *a, const struct peers_invitation *what,
			   int64_t *ret_num) MUST;
/* Do all addresses in such a text mean something on this network only? Then whoever is elsewhere can't
 * use the invitation. */
bool peers_only_private(const char *addresses);
/* Where this box is reached from outside, as far as it knows, with spaces between; "": it does not. In the
 * arena. */
const char *peers_public_addresses(struct app *a, struct arena *arena);
/* Its letters (sync/peer/invite.h), with our name and key as they are now. */
void peers_invite_text(struct app *a, const struct invite *i, char out[INVITE_TEXT + 1]);
/* "http://HOST:PORT/pair/LETTERS": HOST of the first address, PORT of our pages. In the arena. */
const char *peers_invite_link(struct app *a, const struct invite *i, struct arena *arena);
/* A file with the link and a few words around it. In the arena. */
const char *peers_invite_file(struct app *a, const struct invite *i, error_translate_fn *translate,
			      void *ctx, struct arena *arena);
struct error *peers_invite_take_back(struct app *a, int64_t num) MUST;
/* A volunteer says of who used it: "it is them" (right), or that it is not: then it is no peer any
 * more, and where this box or the steward may, what it writes is void. ERR_NOT_FOUND. */
struct error *peers_invite_judge(struct app *a, int64_t num, bool right,
				 const struct secret *steward) MUST;
/* Accept an invitation of another box: it becomes a peer on these terms, and is shown that it
 * invited us when we meet. */
struct error *peers_accept(struct app *a, const struct invitation *i,
			   const struct peers_approval *what) MUST;
/* sync_host.invited. */
bool peers_invited(void *app, const struct knock *k, const uint8_t proof[PEER_CLAIM]);
/* Where the peer can be reached: what is announced on this network, else its most promising address.
 * ERR_NET. */
struct error *peers_reach_at(struct app *a, struct conn *c, const struct pubkey *key, char *out,
			     size_t size) MUST;
/* What stands between it and us; nothing (no URL) for who is seen on this network. The caller wipes it. */
struct error *peers_proxy(struct app *a, struct conn *c, const struct pubkey *key,
			  struct proxy *ret) MUST;
/* One exchange now; waits for its end. */
struct error *peers_sync_now(struct app *a, const struct pubkey *key, struct sync_report *ret) MUST;
/* The same, and no longer than that; the exchange may go on. ERR_TIMEOUT. */
struct error *peers_sync_within(struct app *a, const struct pubkey *key, int timeout_ms,
				struct sync_report *ret) MUST;

/* What moved, in words: sentences in the reader's language (translate NULL: English), up to
 * PEERS_SENTENCES of them, in the arena. Returns how many. */
enum { PEERS_SENTENCES = 8 + REPORT_REFUSALS };
size_t peers_report_sentences(const struct sync_report *r, error_translate_fn *translate, void *ctx,
			      struct arena *arena, const char *out[PEERS_SENTENCES]);
/* Its report; whether both hold the same is what both have signed, where they have: who answers
 * knows at the end less than who asks. */
struct sync_report peers_settled(struct db *local, const struct receipt *x, struct arena *arena);
/* Where its receipt is and what became of its signatures, into a row of a list: receipt_url,
 * agreed, alone, disputed. */
void peers_receipt_link(json_t *row, const struct receipt *x);
/* All of them as one line. */
const char *peers_report_text(const struct sync_report *r, error_translate_fn *translate, void *ctx,
			      struct arena *arena);

/* What a box of a space is called: as the space's rules call it; while these have only its letters,
 * because it was admitted before it said its name, as it is called here since. */
void peers_box_name(struct conn *c, const struct admitted *a, char out[LIMIT_NAME + 1]);
/* As a box is or was called here: as a peer, as a former one, or by a community that admitted it. False: by
 * nobody. */
bool peers_known_name(struct conn *c, const struct pubkey *key, char out[LIMIT_NAME + 1]);
/* A peer that has not told this box its name (it called, and was never called) has it from there. */
void peers_put_name(struct conn *c, struct peer *io);
/* What peers said that they hold of each space, as long as it comes (announced.h): for people who wait. A
 * peer may say anything. Returns how many. */
enum { PEERS_ANNOUNCED = 512 };
struct peers_announced {
	struct pubkey peer;
	struct hash space;
	uint64_t entries;
};
size_t peers_announced(struct app *a, struct peers_announced out[PEERS_ANNOUNCED]);

/* As the peer said last since this box was started: it is a partial box and keeps the messages of so many
 * days; 0: it keeps all, or was not met. */
uint32_t peers_keeps_days(struct app *a, const struct pubkey *peer);
/* The same, and of which spaces it says that it fetches nothing any more. Returns how many; what is private
 * among them the peer only names to who may read it. */
size_t peers_keeps(struct app *a, const struct pubkey *peer, uint32_t *ret_days,
		   struct hash unkept[REPORT_UNKEPT]);

/* What sync/ is given by this house. */
struct sync_host peers_host(struct app *a);
